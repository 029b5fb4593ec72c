"""Settings that several commands share: types, bounds, defaults and meanings, written once.

`Parameters` is what a notebook can be given, a `Section` part of an ``audit.toml``
(`mssante_audit.nightly.config.Config`). They are read strictly (``true`` is no number, ``"3"`` neither):
what a command line or papermill hands over is made what it means before
(`mssante_audit.report.parameters.check_value`). A description is the help; a parameter's title, its French
label, stands in ``words.toml``.
"""

import json
import os
import re
from datetime import datetime, timedelta
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticKnownError

from mssante_audit.base.errors import AuditError
from mssante_audit.base.inputs import STATES
from mssante_audit.base.language import words_of
from mssante_audit.base.secret import masked_url

# Variable that says how many seconds one part of an audit of another package may take.
PACKAGE_SECONDS = "MSSANTE_AUDIT_PACKAGE_SECONDS"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})  # servers that need neither TLS nor a proxy


class Section(BaseModel):
    """Settings that stand together."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def placed(value: Any, info: ValidationInfo) -> Path:
    """Return a path as seen from the folder that is the context, if one is."""
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    if not value:
        raise PydanticKnownError("string_too_short", {"min_length": 1})
    if "\0" in value:
        raise PydanticKnownError("string_pattern_mismatch", {"pattern": r"^[^\x00]+$"})
    path = Path(os.path.expanduser(value))  # Path.expanduser raises where there is no home
    return info.context / path if info.context else path


def setting(default: Any, description: str, **constraints: Any) -> Any:
    """Return a field by its default and its meaning."""
    return Field(default, description=description, **constraints)


def optional_file(description: str) -> Any:
    """Return the field of a file or folder that need not be named."""
    return setting("", description, validate_default=True)


T = TypeVar("T")
Several = Annotated[tuple[T, ...], Field(strict=False)]  # TOML and JSON have lists
Name = Annotated[str, Field(min_length=1)]
Place = Annotated[Path, BeforeValidator(placed, json_schema_input_type=Name)]
Names = Several[Name]
ServerSetting = Annotated[str, Field(pattern=r"^[^=\s]+=[^=\s]+$")]
_STATES = "|".join(STATES[:-1])
Tolerated = Annotated[str, Field(pattern=rf"^[a-z]+(:({_STATES}))?$")]
_PLACED_OR_NONE = BeforeValidator(lambda value, info: None if value == "" else placed(value, info), str)
OptionalFile = Annotated[Path | None, _PLACED_OR_NONE]
Days = Annotated[int, Field(ge=0, le=36_500)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Line = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00-\x1f\x7f]*$")]
Text = Annotated[Line, Field(min_length=1)]
_DAMAGED = "Load the readable rows of a damaged list, instead of refusing it."
Recover = Annotated[bool, Field(title="Lecture d’une liste endommagée", description=_DAMAGED)]
AnyNamespace = Annotated[
    bool, Field(title="Autre espace de noms XML admis", description="Accept a list in another XML namespace.")
]


class Fetch(Section):
    """Section ``[fetch]``."""

    enabled: bool = setting(False, "Whether to fetch.")
    # As every consumer known writes it; the form prints "espaceconfiance".
    url: str = setting(
        "https://espacedeconfiance.mssante.fr/listeblanchemssante.xml",
        "Where the list is published. User, password and query in it are shown nowhere.",
        pattern=r"^https?://[^\s]+$",
        repr=False,
    )
    ca_bundle: OptionalFile = optional_file(
        "Certificates to trust for TLS, in a file or a folder: the server's are IGC-Santé's, "
        'which no system knows. "" is the system\'s.'
    )
    attempts: int = setting(3, "How often to try.", ge=1, le=10)
    attempt_seconds: Seconds = setting(300, "Seconds that an attempt may take.")
    max_loss: Share = setting(0.1, "Share of rows lost from which a list is flagged as shrunk.")


class Observe(Section):
    """Section ``[observe]``."""

    enabled: bool = setting(False, "Whether to observe.")
    parent_zone: Name = setting("mssante.fr", "Zone that hands the domains out.")
    parent_servers: Several[ServerSetting] = setting(
        (), 'Its servers, each "name=address"; found in the DNS if none is given.'
    )
    resolvers: Names = setting(
        (),
        "Addresses of resolvers to look names up with; without any, names are followed down from the root.",
    )
    port: int = setting(53, "Port of every server.", ge=1, le=65_535)
    timeout: Seconds = setting(3.0, "Seconds before a query counts as unanswered.")
    retries: int = setting(2, "How many times more a silent server is asked.", ge=0, le=10)
    in_flight: int = setting(64, "Queries under way at any moment.", ge=1, le=10_000)
    per_server: float = setting(20.0, "Queries a second to one address.", gt=0, le=100_000)
    ipv4_only: bool = setting(False, "Ask no IPv6 address.")
    only: str = setting("", 'Only domains like this, such as "*.aura.*"; all of them if "".')


class ObserveTls(Section):
    """Section ``[observe_tls]``."""

    enabled: bool = setting(False, "Whether to visit them.")
    port: int = setting(25, "Port of every mail server.", ge=1, le=65_535)
    timeout: Seconds = setting(15.0, "Seconds that each step of a visit may take.")
    pause: Annotated[float, Field(ge=0, le=86_400)] = setting(
        60.0, "Seconds between two connections to one address."
    )
    in_flight: int = setting(50, "Connections at any moment.", ge=1, le=10_000)
    helo: str = setting("localhost", "Name to give oneself in EHLO.", pattern=r"^[A-Za-z0-9.:\[\]-]{1,255}$")
    source_address: str = setting(
        "",
        'Address to connect from; the system\'s choice if "". Servers of the other family (IPv4, '
        "IPv6) are not visited.",
    )
    client_certificate: OptionalFile = optional_file(
        "Certificate to show to servers that demand one, with the chain behind it (PEM)."
    )
    client_key: OptionalFile = optional_file("Its key (PEM), which is never written anywhere.")
    only: str = setting("", 'Only mail servers of domains like this, such as "*.aura.*"; all if "".')
    try_host: str = setting(
        "",
        "Mail server that `mssante-audit doctor` connects to, to see whether port 25 goes out; "
        'it connects to none if "".',
        pattern=r"^[A-Za-z0-9._:-]{0,255}$",
    )


class _Labelled(Section):
    model_config = ConfigDict(
        field_title_generator=lambda name, _: words_of("mssante_audit.base")["fr"]["parameters"][name]
    )


class Thresholds(_Labelled):
    """What an audit takes for too old, too many or too few."""

    list_max_age_days: Days = setting(7, "A list older than this many days is reported (LIST_OLD).")
    stale_after_days: Days = setting(730, "Age in days from which a row counts as old (CONTACT_STAMP_OLD).")
    concentration_min: int = setting(
        50, "How many domains on one certificate name are reported (DN_CONCENTRATION).", ge=2, le=1_000_000
    )
    listing_days: Days = setting(10, "Days after which a declared domain should be listed (RECO_NOT_LISTED).")
    certificate_info_days: Days = setting(
        60, "A certificate that ends within so many days is told (TLS_EXPIRES)."
    )
    certificate_warning_days: Days = setting(
        30, "One that ends within so many days is a warning (TLS_EXPIRES_SOON)."
    )
    certificate_error_days: Days = setting(
        7, "One that ends within so many days is an error (TLS_EXPIRES_NOW)."
    )
    observation_max_age_days: Days = setting(
        7, "Days after which what was observed of a domain says nothing any more."
    )

    def oldest_observation(self, as_of: datetime) -> datetime:
        """Return the instant before which what was observed says nothing of `as_of` any more."""
        first = datetime.min.replace(tzinfo=as_of.tzinfo)
        return as_of - min(timedelta(self.observation_max_age_days), as_of - first)


class Inputs(Section):
    """What makes an input (list, register, observation of the DNS, mailboxes, archive) one to doubt."""

    tolerated: Several[Tolerated] = setting(
        (),
        'What is believed all the same, an input or one state of it, such as "mailboxes:stale". '
        'A list that really lost a tenth is accepted by one run with "list:shrunk".',
    )
    max_loss: Share = setting(
        0.1,
        "Share of its rows, declarations, observed domains, visited servers or mailboxes from "
        "whose loss since the run before an input is shrunk.",
    )
    register_max_age_days: Days = setting(
        365, "Age of its last declaration from which a register is stale; 0: never."
    )
    mailboxes_max_age_days: Days = setting(
        31, "Age from which an extraction of the mailboxes is stale; 0: never."
    )
    archive_max_age_days: Days = setting(
        31,
        "Age of its last list, if that is not the one audited, from which an archive is stale; "
        "0: never. (List and observations: [thresholds].)",
    )


# As mail carries an address, and a name before it, without escapes.
_ATOM, _LABEL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+", r"[A-Za-z0-9-]+"
ADDRESS = rf"{_ATOM}(\.{_ATOM})*@({_LABEL}(\.{_LABEL})*|\[[0-9.]+\])"
_NAME = r'("[^"\\\x00-\x1f\x7f]*" *|([^"\\<>()\[\]:;@,\x00-\x1f\x7f]|\([^()"\\\x00-\x1f\x7f]*\))*)'
_MAILBOX = rf"^({_NAME}<{ADDRESS}>|{ADDRESS})?$"
Mailbox = Annotated[str, Field(max_length=320, pattern=_MAILBOX)]


class Letter(Section):
    """Section ``[letter]``."""

    sender: Mailbox = setting(
        "", 'Who sends them, such as "Agence <mss@agence.example>"; "" to be filled in.'
    )
    reply_to: Mailbox = setting("", "Where answers go, if not to the sender.")
    signature: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]*$")] = setting(
        "", 'What stands below the letters, several lines if need be; "" to be filled in.'
    )
    deadline_days: Days = setting(
        0, "Days in which to put things right, told in letters as a date; 0 tells none."
    )
    remind_after_days: Days = setting(
        30, "Days after a letter from which an operator is reminded of what it told and is still open."
    )
    logo: OptionalFile = optional_file("Picture above the letters, a PNG or JPEG of 1 MB at most.")
    contacts_to: Line = setting(
        "monserviceclient.mssante@asipsante.fr",
        "Where the manager takes changes of contacts; by default the address that the form prints.",
    )
    form_to: Line = setting(
        "ASIP Santé - Service Relations Clients - 2 avenue du Président Pierre Angot - "
        "Technopole Hélioparc, 64053 PAU CEDEX 9",
        "Where the manager takes Annexe 1; by default the address that the form prints.",
    )
    to_all: bool = setting(False, "Write a letter also to operators that have nothing to put right.")


class Opening(_Labelled):
    """Parameters that open a trust space, but for the thresholds."""

    data: Text | None = setting(None, "Folder or white list file; the shipped sample if none.")
    as_of: Text | None = setting(None, "Instant to audit at, ISO 8601; now if none.")
    operator: Text | None = setting(None, "Identifier or unambiguous name; all operators if none.")
    region: Text | None = setting(None, "Where operators (not establishments) sit: regions, with commas.")
    department: Text | None = setting(
        None, "Where operators (not establishments) sit: codes or names, with commas."
    )
    anchors: Several[Text] = setting((), "Certificate files or folders to trust.")
    signer: Text | None = setting(
        None, "Common name in the certificate that signs the list; alb.mssante.fr if none."
    )
    recover: Recover = False
    any_namespace: AnyNamespace = False
    contacts: Literal["none", "services", "all"] = setting(
        "services", "Contacts shown: none, services (what names nobody) or all (not for sharing)."
    )


# Those that say whom a report is limited to (`mssante_audit.report.results.limits`).
LIMITS = ("operator", "region", "department")


class Parameters(Thresholds, Opening):
    """The parameters that a report's notebook can have."""

    lang: Literal["fr", "en"] = setting("fr", "Language that readers are told things in: fr or en.")
    changes_since: Text | None = setting(None, "Start of the comparison, ISO 8601.")
    row_limit: int = setting(500, "Rows shown a table.", ge=1, le=1_000_000)


# -- what is wrong with a value -----------------------------------------------------------------------------

# What each type of error wants.
_WANTED = {
    "string_type": "a text", "string_unicode": "a text", "bool_type": "true or false",
    "int_type": "a whole number", "float_type": "a number", "tuple_type": "a list", "model_type": "a table",
}  # fmt: skip


def field_of(model: type[BaseModel], keys: tuple[str, ...]) -> FieldInfo:
    """Return the field that keys lead to from a model."""
    field = model.model_fields[keys[0]]
    kind = field.annotation
    return field_of(kind, keys[1:]) if keys[1:] and isinstance(kind, type) else field


def kind_of(hint: Any) -> Any:
    """Return the type that a hint is about: the first of a union, that of an `Annotated` or of a choice."""
    if get_origin(hint) in (Union, UnionType, Annotated):
        return kind_of(get_args(hint)[0])
    return type(get_args(hint)[0]) if get_origin(hint) is Literal else get_origin(hint) or hint


def fault(model: type[BaseModel], error: ErrorDetails) -> AuditError:
    """Return the error for one value, or for its keys if they are missing or unknown."""
    keys = tuple(part for part in error["loc"] if isinstance(part, str))
    name, kind, value = ".".join(keys), error["type"], shown(error["input"])
    if kind == "extra_forbidden":
        return AuditError("no such key: {}", ".".join(map(str, error["loc"])))
    if kind == "missing":
        return AuditError("lacks {}", name)
    field = field_of(model, keys)
    if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("writeOnly") is True:
        return AuditError("{}: what it says is not of the right form, and not shown here", name)
    expected: object = _WANTED.get(kind)
    if kind == "literal_error":
        choices = re.findall("'([^']*)'", error["ctx"]["expected"])
        expected = AuditError("one of {}", ", ".join(map(shown, choices)))
    elif kind in ("greater_than", "greater_than_equal", "less_than_equal", "finite_number"):
        signs = ("ge", "gt", "le")
        bounds = {sign: getattr(m, sign) for m in field.metadata for sign in signs if hasattr(m, sign)}
        template = "more than {}, at most {}" if "gt" in bounds else "{} to {}"
        expected = AuditError(template, bounds.get("gt", bounds.get("ge")), bounds["le"])
    if expected:
        return AuditError("{} wants {}, not {}", name, expected, value)
    text = "{} is empty" if kind.endswith("too_short") else "{}: {} is not of the right form"
    return AuditError(text, name, value)


def shown(value: Any) -> str:
    """Return a value as JSON writes it, without credentials of addresses, cut if it is long."""
    text = masked_url(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= 60 else f"{text[:57]}…"
