"""The settings: types, bounds, defaults and meanings of all of them, written once.

`Config` is an ``audit.toml``, `Parameters` what a notebook can be given. Both are read strictly (``true`` is
no number, ``"3"`` neither): what a command line or papermill hands over is made what it means before
(`mssante_audit.report.parameters.check_value`). A description is the help, a title the French label.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticKnownError

from mssante_audit.base.secret import FORM


class Section(BaseModel):
    """Settings that stand together."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _placed(value: Any, info: ValidationInfo) -> Path:
    """Return a path as seen from the folder that is the context, if one is."""
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    if not value:
        raise PydanticKnownError("string_too_short", {"min_length": 1})
    path = Path(os.path.expanduser(value))  # Path.expanduser raises where there is no home
    return info.context / path if info.context else path


def _placed_if_any(value: Any, info: ValidationInfo) -> Path | None:
    return None if value == "" else _placed(value, info)


def _secret_placed(where: str, info: ValidationInfo) -> str:
    """Return where a secret is; a file as seen from the folder that is the context."""
    return f"file:{_placed(where[5:], info)}" if where.startswith("file:") else where


def _notebook_placed(name: str, info: ValidationInfo) -> str:
    """Return a report's name, or its notebook's path as seen from the folder that is the context."""
    return str(_placed(name, info)) if name.endswith(".ipynb") else name


Name = Annotated[str, Field(min_length=1)]
Place = Annotated[Path, BeforeValidator(_placed, json_schema_input_type=Name)]
Places = Annotated[tuple[Place, ...], Field(strict=False)]
Names = Annotated[tuple[Name, ...], Field(strict=False)]
Report = Annotated[Name, AfterValidator(_notebook_placed)]
Server = Annotated[str, Field(pattern=r"^[^=\s]+=[^=\s]+$")]
Word = Annotated[str, Field(pattern=r"^[^\x00]*$")]
Program = Annotated[tuple[Word, ...], Field(strict=False, min_length=1)]
Programs = Annotated[tuple[Program, ...], Field(strict=False)]
Tolerated = Annotated[
    str,
    Field(
        pattern=r"^[a-z]+"
        r"(:(absent|damaged|future|changed-signer|unverified|quarantined|older|shrunk|stale))?$"
    ),
]
Secret = Annotated[
    str, AfterValidator(_secret_placed), Field(pattern=FORM, json_schema_extra={"writeOnly": True})
]
OptionalFile = Annotated[Path | None, BeforeValidator(_placed_if_any, json_schema_input_type=str)]
Address = Annotated[str, Field(pattern=r"^[^\s<>@,;]+@[^\s<>@,;]+$")]
Days = Annotated[int, Field(ge=0, le=36_500)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Deadline = Annotated[float, Field(gt=0, le=604_800)]
Line = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00-\x1f\x7f]*$")]
Text = Annotated[Line, Field(min_length=1)]
Recover = Annotated[
    bool,
    Field(
        title="Lecture d’une liste endommagée",
        description="Load the readable rows of a damaged list, instead of refusing it.",
    ),
]
AnyNamespace = Annotated[
    bool,
    Field(title="Autre espace de noms XML admis", description="Accept a list in another XML namespace."),
]


def _part(description: str) -> Any:
    """Return the field of a section that may be left out: all its defaults, paths placed."""
    return Field(default={}, validate_default=True, description=description)


class Data(Section):
    """Section ``[data]``."""

    folder: Place = Field(
        description="The data folder. With [fetch] its lists are kept in archive/ there.", examples=["data"]
    )
    anchors: Places = Field(
        default=(),
        description="Certificate files or folders to trust; IGC-Santé's certificates lying in the data "
        "folder need not be named.",
    )
    signer: Line = Field(
        default="",
        description='Common name in the certificate that signs the list; alb.mssante.fr if "".',
    )
    recover: Recover = False
    any_namespace: AnyNamespace = False


class Fetch(Section):
    """Section ``[fetch]``."""

    enabled: bool = Field(default=False, description="Whether to fetch.")
    url: str = Field(
        default="https://espacedeconfiance.mssante.fr/listeblanchemssante.xml",
        pattern=r"^https?://[^\s]+$",
        description="Where the list is published. User, password and query in it are shown nowhere.",
        repr=False,
    )
    ca_bundle: OptionalFile = Field(
        default="",
        validate_default=True,
        description="Certificates to trust for TLS, in a file or a folder: the server's are IGC-Santé's, "
        'which no system knows. "" is the system\'s.',
    )
    attempts: int = Field(default=3, ge=1, le=10, description="How often to try.")
    attempt_seconds: Seconds = Field(default=300, description="Seconds that an attempt may take.")
    max_loss: float = Field(
        default=0.1, ge=0, le=1, description="Share of rows lost from which a list is flagged as shrunk."
    )


class Observe(Section):
    """Section ``[observe]``."""

    enabled: bool = Field(default=False, description="Whether to observe.")
    parent_zone: Name = Field(default="mssante.fr", description="Zone that hands the domains out.")
    parent_servers: Annotated[tuple[Server, ...], Field(strict=False)] = Field(
        default=(), description='Its servers, each "name=address"; found in the DNS if none is given.'
    )
    resolvers: Names = Field(
        default=(),
        description="Addresses of resolvers to look names up with; without any, names are followed down from "
        "the root.",
    )
    port: int = Field(default=53, ge=1, le=65_535, description="Port of every server.")
    timeout: Seconds = Field(default=3.0, description="Seconds before a query counts as unanswered.")
    retries: int = Field(default=2, ge=0, le=10, description="How many times more a silent server is asked.")
    in_flight: int = Field(default=64, ge=1, le=10_000, description="Queries under way at any moment.")
    per_server: float = Field(default=20.0, gt=0, le=100_000, description="Queries a second to one address.")
    ipv4_only: bool = Field(default=False, description="Ask no IPv6 address.")
    only: str = Field(
        default="", description='Only domains like this, such as "*.aura.*"; all of them if "".'
    )


class ObserveTls(Section):
    """Section ``[observe_tls]``."""

    enabled: bool = Field(default=False, description="Whether to visit them.")
    port: int = Field(default=25, ge=1, le=65_535, description="Port of every mail server.")
    timeout: Seconds = Field(default=15.0, description="Seconds that each step of a visit may take.")
    pause: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=60.0, description="Seconds between two connections to one address."
    )
    in_flight: int = Field(default=50, ge=1, le=10_000, description="Connections at any moment.")
    helo: str = Field(
        default="localhost",
        pattern=r"^[A-Za-z0-9.:\[\]-]{1,255}$",
        description="Name to give oneself in EHLO.",
    )
    source_address: str = Field(
        default="",
        description='Address to connect from; the system\'s choice if "". Servers of the other family (IPv4, '
        "IPv6) are not visited.",
    )
    client_certificate: OptionalFile = Field(
        default="",
        validate_default=True,
        description="Certificate to show to servers that demand one, with the chain behind it (PEM).",
    )
    client_key: OptionalFile = Field(
        default="", validate_default=True, description="Its key (PEM), which is never written anywhere."
    )
    only: str = Field(
        default="", description='Only mail servers of domains like this, such as "*.aura.*"; all if "".'
    )
    try_host: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._:-]{0,255}$",
        description="Mail server that `mssante-audit doctor` connects to, to see whether port 25 goes out; "
        'it connects to none if "".',
    )


class Thresholds(Section):
    """What an audit takes for too old, too many or too few."""

    list_max_age_days: Days = Field(
        default=7,
        title="Âge maximal de la liste (jours)",
        description="A list older than this many days is reported (LIST_OLD).",
    )
    stale_after_days: Days = Field(
        default=730,
        title="Ligne ancienne après (jours)",
        description="Age in days from which a row counts as old (CONTACT_STAMP_OLD).",
    )
    concentration_min: int = Field(
        default=50,
        ge=2,
        le=1_000_000,
        title="Concentration : domaines par nom de certificat, à partir de",
        description="How many domains on one certificate name are reported (DN_CONCENTRATION).",
    )
    listing_days: Days = Field(
        default=10,
        title="Délai d’inscription (jours)",
        description="Days after which a declared domain should be listed (RECO_NOT_LISTED).",
    )
    certificate_info_days: Days = Field(
        default=60,
        title="Certificat présenté : à renouveler d’ici (jours)",
        description="A certificate that ends within so many days is told (TLS_EXPIRES).",
    )
    certificate_warning_days: Days = Field(
        default=30,
        title="Certificat présenté : bientôt à échéance (jours)",
        description="One that ends within so many days is a warning (TLS_EXPIRES_SOON).",
    )
    certificate_error_days: Days = Field(
        default=7,
        title="Certificat présenté : échéance imminente (jours)",
        description="One that ends within so many days is an error (TLS_EXPIRES_NOW).",
    )
    observation_max_age_days: Days = Field(
        default=7,
        title="Âge maximal d’une observation (jours)",
        description="Days after which what was observed of a domain says nothing any more.",
    )

    def oldest_observation(self, as_of: datetime) -> datetime:
        """Return the instant before which what was observed says nothing of `as_of` any more."""
        first = datetime.min.replace(tzinfo=as_of.tzinfo)
        return as_of - min(timedelta(self.observation_max_age_days), as_of - first)


class Inputs(Section):
    """What makes an input (list, register, observation of the DNS, mailboxes, archive) one to doubt."""

    tolerated: Annotated[tuple[Tolerated, ...], Field(strict=False)] = Field(
        default=(),
        description='What is believed all the same, an input or one state of it, such as "mailboxes:stale". '
        'A list that really lost a tenth is accepted by one run with "list:shrunk".',
    )
    max_loss: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of its rows, declarations, observed domains, visited servers or mailboxes from "
        "whose loss since the run before an input is shrunk.",
    )
    register_max_age_days: Days = Field(
        default=365, description="Age of its last declaration from which a register is stale; 0: never."
    )
    mailboxes_max_age_days: Days = Field(
        default=31, description="Age from which an extraction of the mailboxes is stale; 0: never."
    )
    archive_max_age_days: Days = Field(
        default=31,
        description="Age of its last list, if that is not the one audited, from which an archive is stale; "
        "0: never. (List and observations: [thresholds].)",
    )


Region = Annotated[
    Line,
    Field(
        description="Only of operators that sit in this region, by their certificates, wherever the "
        'establishments they serve are; several with commas; "" for all.'
    ),
]
Department = Annotated[
    Line,
    Field(
        description="Only of operators that sit in this département (code or name); several with commas; "
        '"" for all.'
    ),
]


class Reports(Section):
    """Section ``[reports]``."""

    enabled: bool = Field(default=True, description="Whether to make reports.")
    names: Annotated[tuple[Report, ...], Field(strict=False)] = Field(
        default=(),
        description="Which ones: names of shipped notebooks, or paths of one's own; all whose data are there "
        "if none is named.",
    )
    region: Region = ""
    department: Department = ""


class Dossiers(Section):
    """Section ``[dossiers]``."""

    enabled: bool = Field(default=True, description="Whether to write dossiers.")
    operators: Names = Field(
        default=(), description="Whose: identifiers, or unambiguous names; everybody's if none is named."
    )
    jobs: int = Field(
        default=0, ge=0, le=1024, description="Processes at work at once; 0 is one a processor."
    )
    own_contacts: bool = Field(
        default=False,
        description="true shows each operator its own contacts in clear, as letters to send need it; "
        "the site, which others read, then has no dossiers.",
    )
    region: Region = ""
    department: Department = ""


Mailbox = Annotated[
    str,
    Field(
        max_length=320,
        pattern=r"^$|^[^<>@,;\x00-\x1f\x7f]*<[^<>@\s,;\x00-\x1f\x7f]+@[^<>@\s,;\x00-\x1f\x7f]+>$"
        r"|^[^<>@\s,;\x00-\x1f\x7f]+@[^<>@\s,;\x00-\x1f\x7f]+$",
    ),
]


class Letter(Section):
    """Section ``[letter]``."""

    sender: Mailbox = Field(
        default="",
        description='Who sends them, such as "Agence <mss@agence.example>"; "" to be filled in.',
    )
    reply_to: Mailbox = Field(default="", description="Where answers go, if not to the sender.")
    signature: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]*$")] = Field(
        default="",
        description='What stands below the letters, several lines if need be; "" to be filled in.',
    )
    deadline_days: Days = Field(
        default=0, description="Days in which to put things right, told in letters as a date; 0 tells none."
    )
    logo: OptionalFile = Field(
        default="",
        validate_default=True,
        description="Picture above the letters, a PNG or JPEG of 1 MB at most.",
    )
    to_all: bool = Field(
        default=False, description="Write a letter also to operators that have nothing to put right."
    )


class Output(Section):
    """Section ``[output]``."""

    folder: Place = Field(
        default="output",
        validate_default=True,
        description="Its site/index.html is always the last good site; runs/ has every run, state/ what they "
        "remember.",
    )


class Retention(Section):
    """Section ``[retention]``."""

    runs: int = Field(default=14, ge=0, le=1_000_000, description="Keep this many; 0 sets no such limit.")
    days: Days = Field(default=0, description="Remove those older than this many days; 0 sets no such limit.")
    bytes: int = Field(
        default=0,
        ge=0,
        le=10**15,
        description="Remove the oldest until the others take no more than this together, what several share "
        "counted once; 0 sets no such limit.",
    )
    at_least: int = Field(
        default=3, ge=1, le=1_000_000, description="The newest ones that are kept, however old or large."
    )
    observation_days: Days = Field(
        default=365,
        description="Remove observations older than this many days, but for the newest whole one and those "
        "that answer today; 0 sets no such limit.",
    )
    dry_run: bool = Field(
        default=False, description="Remove nothing: only say in the log what would be removed."
    )


class Hooks(Section):
    """Section ``[hooks]``."""

    success: Programs = Field(
        default=(), description="If every step was done and every input is as it should be."
    )
    failure: Programs = Field(default=(), description="If a step failed, or an input is not as it should be.")
    new_findings: Programs = Field(
        default=(), description="If there are findings that the run before did not have."
    )
    seconds: Seconds = Field(
        default=60, description="Seconds that one may take; then it is ended, and the run says so."
    )


Event = Literal["success", "failure", "new_findings"]
Events = Annotated[tuple[Event, ...], Field(strict=False)]
EVENTS: tuple[Event, ...] = get_args(Event)


class Webhook(Section):
    """Section ``[webhook]``."""

    url: Secret = Field(
        default="",
        description='Where the address is that the night is posted to as JSON (https): "file:PATH" or '
        '"env:VARIABLE", for who knows it can post; "": nowhere.',
    )
    token: Secret = Field(
        default="", description='Where the token is that is sent with it ("Authorization: Bearer"), if any.'
    )
    ca_bundle: OptionalFile = Field(
        default="",
        validate_default=True,
        description='Certificates to trust for TLS, a file or a folder; "" is the system\'s.',
    )
    events: Events = Field(default=EVENTS, description="When it is posted, as [mail] says.")


class Mail(Section):
    """Section ``[mail]``."""

    lang: Literal["", "fr", "en"] = Field(
        default="", description='Language of the summary, whoever mails it, if another: "fr" or "en".'
    )
    server: str = Field(
        default="",
        pattern=r"^[^\s/@]*$",
        description='SMTP server that takes the mail; "": the run sends none, cron mails what it prints.',
    )
    port: int = Field(default=587, ge=1, le=65_535, description="Its port.")
    tls: Literal["starttls", "implicit", "none"] = Field(
        default="starttls",
        description='How the connection is encrypted: "starttls" (port 587), "implicit" (port 465), or '
        '"none", only to a server on this machine.',
    )
    ca_bundle: OptionalFile = Field(
        default="",
        validate_default=True,
        description='Certificates to trust for TLS, a file or a folder; "" is the system\'s.',
    )
    user: Line = Field(default="", description='Name to log in with; "": without.')
    password: Secret = Field(
        default="",
        description='Where its password is: "file:PATH" or "env:VARIABLE", never the password itself.',
    )
    sender: Address | Literal[""] = Field(default="", description="Address that the mail is from.")
    recipients: Annotated[tuple[Address, ...], Field(strict=False)] = Field(
        default=(), description="Addresses that it goes to."
    )
    events: Events = Field(
        default=EVENTS,
        description='When it is sent: "success", "failure", "new_findings", as hooks are run; the first that '
        "is so, once.",
    )


class Health(Section):
    """Section ``[health]``."""

    max_age_hours: float = Field(
        default=36, gt=0, le=87_600, description="Hours since the last good run that are too many."
    )


class Deadlines(Section):
    """Section ``[deadlines]``: a field a step that has one, in order."""

    fetch: Deadline = Field(default=1200, description="Of step 1.")
    observe: Deadline = Field(default=14_400, description="Of step 2.")
    observe_tls: Deadline = Field(default=14_400, description="Of step 3.")
    audit: Deadline = Field(default=1800, description="Of step 4.")
    reports: Deadline = Field(default=3600, description="Of step 5.")
    dossiers: Deadline = Field(default=7200, description="Of step 6.")
    site: Deadline = Field(default=1800, description="Of step 7.")


class Config(Section):
    """What `mssante-audit run` does. Paths are seen from the folder this file lies in."""

    model_config = ConfigDict(title="audit.toml")

    lang: Literal["fr", "en"] = Field(
        default="fr", description='Language of all that readers are told, letters too: "fr" or "en".'
    )
    show_contacts: bool = Field(
        default=False,
        description="false masks phones, addresses and names in everything written; true is for your own "
        "eyes, not for sharing.",
    )
    fail_on: Literal["never", "info", "warning", "error", "critical"] = Field(
        default="never",
        description='Exit with status 1 if a finding is this severe or worse: "info", "warning", "error", '
        '"critical", or "never".',
    )
    fail_on_new: Literal["never", "info", "warning", "error", "critical"] = Field(
        default="never",
        description="The same for findings that the run before did not have.",
    )
    data: Data = Field(
        description="Where the white list is, and what lies beside it: register, observations, archive, "
        "waivers."
    )
    fetch: Fetch = _part(
        "Step 1: download the published list into the archive. If that fails, the last good list is audited, "
        "and the run says so."
    )
    observe: Observe = _part(
        "Step 2: ask the DNS about every domain, gently, into observations/ in the data folder. It takes "
        "minutes, and uses the network."
    )
    observe_tls: ObserveTls = _part(
        "Step 3: visit each mail server that the newest observation of the DNS names, and write down which "
        "certificate it presents; no mail is sent. It needs a way out to port 25, and takes minutes to hours."
    )
    thresholds: Thresholds = _part("Step 4, audit: what it takes for too old, too many or too few.")
    inputs: Inputs = _part(
        "What makes an input one to doubt. What rests on it is unknown then, and the exit status is 4."
    )
    reports: Reports = _part("Step 5: the reports.")
    dossiers: Dossiers = _part("Step 6: a dossier an operator, with the message to send.")
    letter: Letter = _part("The letters of step 6: from whom they are, and what they ask.")
    output: Output = _part("Step 7, site: where all of it goes.")
    retention: Retention = _part(
        "Step 8: which earlier runs and observations are removed. Never the run that the site shows, never "
        "anything else."
    )
    mail: Mail = _part("The mail of the night: what the run prints for cron to mail, or sends itself.")
    webhook: Webhook = _part("The night as JSON, posted.")
    hooks: Hooks = _part(
        'Programs run after the run, each a list of words (no shell), such as [["/usr/local/bin/tell", '
        '"mssante"]]. They find what happened in MSSANTE_… variables (docs/schedule.md).'
    )
    health: Health = _part("What `mssante-audit doctor --health` takes for ill.")
    deadlines: Deadlines = _part(
        "Seconds that a step may take. Then it is ended and has failed; the steps after it go on."
    )

    _file: Path = PrivateAttr(Path("audit.toml"))
    _values: Mapping[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def file(self) -> Path:
        """Where it was read."""
        return self._file

    @model_validator(mode="before")
    @classmethod
    def _as_version_0_1_called_it(cls, values: Any) -> Any:
        if isinstance(values, dict) and "language" in values and "lang" not in values:
            return {"lang" if name == "language" else name: value for name, value in values.items()}
        return values

    @property
    def summary_lang(self) -> str:
        """The language of the summary."""
        return self.mail.lang or self.lang

    @property
    def values(self) -> Mapping[str, Any]:
        """What the file says, as JSON types: without defaults."""
        return self._values

    @classmethod
    def of(cls, values: Mapping[str, Any], file: Path) -> Config:
        """Return the settings that say `values`, paths seen from the folder of `file`.

        Raises
        ------
        pydantic.ValidationError
            If a key is unknown, missing or has a wrong value (`mssante_audit.base.fields.fault`).
        """
        config = cls.model_validate(values, context=file.resolve().parent)
        config._file, config._values = file, values
        return config

    def parameters(self, as_of: str) -> dict[str, Any]:
        """Return what a notebook, or `mssante_audit.report.results.open_space`, is given."""
        told = self.data.model_dump(mode="json", exclude={"folder"}) | {"show_contacts": self.show_contacts}
        given = {name: value for name, value in told.items() if value}
        return {"data": str(self.data.folder), "as_of": as_of, **self.thresholds.model_dump(), **given}


class Opening(Section):
    """Parameters that open a trust space, but for the thresholds."""

    data: Text | None = Field(
        default=None, title="Données", description="Folder or white list file; the shipped sample if none."
    )
    as_of: Text | None = Field(
        default=None, title="Situation au", description="Instant to audit at, ISO 8601; now if none."
    )
    operator: Text | None = Field(
        default=None, title="Opérateur", description="Identifier or unambiguous name; all operators if none."
    )
    region: Text | None = Field(
        default=None,
        title="Région des opérateurs",
        description="Where operators (not establishments) sit: regions, with commas.",
    )
    department: Text | None = Field(
        default=None,
        title="Département des opérateurs",
        description="Where operators (not establishments) sit: codes or names, with commas.",
    )
    anchors: Annotated[tuple[Text, ...], Field(strict=False)] = Field(
        default=(), title="Certificats de confiance", description="Certificate files or folders to trust."
    )
    signer: Text | None = Field(
        default=None,
        title="Signataire attendu",
        description="Common name in the certificate that signs the list; alb.mssante.fr if none.",
    )
    recover: Recover = False
    any_namespace: AnyNamespace = False
    show_contacts: bool = Field(
        default=False,
        title="Contacts en clair",
        description="Show contacts as they are, not masked: not for sharing.",
    )


LIMITS = ("operator", "region", "department")
"""Those that say whom a report is limited to (`mssante_audit.report.results.limits`)."""


class Parameters(Thresholds, Opening):
    """The parameters that a report's notebook can have."""

    lang: Literal["fr", "en"] = Field(
        default="fr", title="Langue", description="Language that readers are told things in: fr or en."
    )
    changes_since: Text | None = Field(
        default=None, title="Changements depuis le", description="Start of the comparison, ISO 8601."
    )
    row_limit: int = Field(
        default=500,
        ge=1,
        le=1_000_000,
        title="Lignes montrées par tableau",
        description="Rows shown a table.",
    )
