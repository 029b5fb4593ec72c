"""``audit.toml``: its settings, read and checked before anything runs; a commented one, and its JSON Schema.

Types, bounds, defaults and meanings of the settings stand here; a description is the help.
"""

import difflib
import json
import os
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic.fields import FieldInfo

from mssante_audit.base import settings
from mssante_audit.base.errors import AuditError, InputError, OutputError
from mssante_audit.base.export import write_bytes
from mssante_audit.base.frames import DRAFT
from mssante_audit.base.reading import parse_toml, read_text
from mssante_audit.base.resources import real_path
from mssante_audit.base.secret import FORM
from mssante_audit.base.settings import Line, Name, OptionalFile, Place, Seconds, Section, Several, setting


def _placed(text: str, info: ValidationInfo) -> str:
    """Return the name of a notebook, or where a secret is, seen from the folder of the settings."""
    if text.startswith("file:"):
        return f"file:{settings.placed(text[5:], info)}"
    return str(settings.placed(text, info)) if text.endswith(".ipynb") else text


Report = Annotated[Name, AfterValidator(_placed)]
Argument = Annotated[str, Field(pattern=r"^[^\x00]*$")]
Program = Annotated[tuple[Argument, ...], Field(strict=False, min_length=1)]
Secret = Annotated[str, AfterValidator(_placed), Field(pattern=FORM, json_schema_extra={"writeOnly": True})]
Address = Annotated[str, Field(pattern=rf"^{settings.ADDRESS}$")]
Deadline = Annotated[float, Field(gt=0, le=604_800)]
Severity = Literal["never", "info", "warning", "error", "critical"]
_REGION = "Only of operators that sit in this region, by their certificates; several with commas."
_DEPARTMENT = "Only of operators that sit in this département (code or name); several with commas."
Event = Literal["success", "failure", "new_findings"]
EVENTS: tuple[Event, ...] = get_args(Event)
_TRUSTED = 'Certificates to trust for TLS, a file or a folder; "" is the system\'s.'


def _part(description: str) -> Any:
    """Return the field of a section that may be left out: all its defaults, paths placed."""
    return setting({}, description, validate_default=True)


class Data(Section):
    """Section ``[data]``."""

    folder: Place = Field(
        description="The data folder. With [fetch] lists are kept in archive/ there.", examples=["data"]
    )
    anchors: Several[Place] = setting(
        (), "Certificate files or folders to trust, beside IGC-Santé's in the data folder."
    )
    signer: Line = setting("", 'Common name in the certificate that signs the list; alb.mssante.fr if "".')
    recover: settings.Recover = False
    any_namespace: settings.AnyNamespace = False


class Reports(Section):
    """Section ``[reports]``."""

    enabled: bool = setting(True, "Whether to make reports.")
    names: Several[Report] = setting(
        (), "Which: shipped notebooks or paths of one's own; all whose data are there if none is named."
    )
    region: Line = setting("", _REGION)
    department: Line = setting("", _DEPARTMENT)


class Dossiers(Section):
    """Section ``[dossiers]``."""

    enabled: bool = setting(True, "Whether to write dossiers.")
    operators: settings.Names = setting(
        (), "Whose: identifiers, or unambiguous names; everybody's if none is named."
    )
    jobs: int = setting(1, "Processes that make them.", ge=1, le=1024)
    own_contacts: bool = setting(
        False,
        "Show each operator its own contacts in clear, as letters need it; the site then has no dossiers.",
    )
    region: Line = setting("", _REGION)
    department: Line = setting("", _DEPARTMENT)


class Output(Section):
    """Section ``[output]``."""

    folder: Place = setting(
        "output",
        "Its site/index.html is always the last good site; runs/ has every run, state/ what they remember.",
        validate_default=True,
    )
    site_url: Annotated[str, AfterValidator(lambda url: url.rstrip("/"))] = setting(
        "",
        'Web address under which the site is published, for the links of the mail: "https://…/"; "": none.',
        pattern=r"^(https?://[^\s<>\"]+)?$",
    )


class Retention(Section):
    """Section ``[retention]``: 0 sets no limit."""

    runs: int = setting(14, "Keep this many; 0 sets no such limit.", ge=0, le=1_000_000)
    days: settings.Days = setting(0, "Remove those older than this many days; 0 sets no such limit.")
    bytes: int = setting(
        0, "Remove the oldest until the others take no more than this; 0 sets no such limit.", ge=0, le=10**15
    )
    at_least: int = setting(3, "The newest ones that are kept, however old or large.", ge=1, le=1_000_000)
    observation_days: settings.Days = setting(
        365, "Remove observations older than this many days that answer nothing today; 0 sets no such limit."
    )


class Hooks(Section):
    """Section ``[hooks]``."""

    success: Several[Program] = setting((), "If every step was done and every input is as it should be.")
    failure: Several[Program] = setting((), "If a step failed, or an input is not as it should be.")
    new_findings: Several[Program] = setting((), "If there are findings that the run before did not have.")
    seconds: Seconds = setting(60, "Seconds that one may take; then it is ended, and the run says so.")


class Webhook(Section):
    """Section ``[webhook]``."""

    url: Secret = setting("", 'Where the address (https) is that it goes to: "file:PATH" or "env:VARIABLE".')
    token: Secret = setting("", 'Where the token is that is sent with it ("Authorization: Bearer"), if any.')
    ca_bundle: OptionalFile = settings.optional_file(_TRUSTED)
    events: Several[Event] = setting(EVENTS, "When it is posted, as [mail] says.")


class Mail(Section):
    """Section ``[mail]``."""

    lang: Literal["", "fr", "en"] = setting("", 'Language of the summary, if another: "fr" or "en".')
    server: str = setting(
        "",
        'SMTP server that takes the mail; "": none, cron mails what the run prints.',
        pattern=r"^[^\s/@]*$",
    )
    port: int = setting(587, "Its port.", ge=1, le=65_535)
    tls: Literal["starttls", "implicit", "none"] = setting(
        "starttls",
        '"starttls" (port 587), "implicit" (port 465), or "none", only to a server on this machine.',
    )
    ca_bundle: OptionalFile = settings.optional_file(_TRUSTED)
    user: Line = setting("", 'Name to log in with; "": without.')
    password: Secret = setting(
        "", 'Where its password is, "file:PATH" or "env:VARIABLE"; never the password.'
    )
    sender: str = setting("", "Address that the mail is from.", pattern=rf"^({settings.ADDRESS})?$")
    recipients: Several[Address] = setting((), "Addresses that it goes to.")
    events: Several[Event] = setting(EVENTS, "When it is sent, as hooks are run; the first that is so, once.")


class Health(Section):
    """Section ``[health]``."""

    max_age_hours: float = setting(36, "Hours since the last good run that are too many.", gt=0, le=87_600)


class Deadlines(Section):
    """Section ``[deadlines]``: a field a step that has one, in order, and one for audits of packages."""

    fetch: Deadline = setting(1200, "Of step 1.")
    observe: Deadline = setting(14_400, "Of step 2.")
    observe_tls: Deadline = setting(14_400, "Of step 3.")
    audit: Deadline = setting(1800, "Of step 4.")
    reports: Deadline = setting(3600, "Of step 5.")
    dossiers: Deadline = setting(7200, "Of step 6.")
    site: Deadline = setting(1800, "Of step 7.")
    package: Deadline = setting(300, "Of each part of an audit that another package brings.")


class Config(Section):
    """What `mssante-audit run` does. Paths are seen from the folder this file lies in."""

    model_config = ConfigDict(title="audit.toml")

    lang: Literal["fr", "en"] = setting("fr", 'Language of all that is made, letters too: "fr" or "en".')
    contacts: Literal["none", "services", "all"] = setting(
        "services", 'Contacts shown: "none", "services" (what names nobody) or "all" (not for sharing).'
    )
    fail_on: Severity = setting(
        "never",
        'Exit status 1 for a finding this severe: "info", "warning", "error", "critical", or "never".',
    )
    fail_on_new: Severity = setting("never", "The same for findings that the run before did not have.")
    data: Data = Field(description="Where the white list is, and what lies beside it.")
    fetch: settings.Fetch = _part(
        "Step 1: download the published list into the archive. If that fails, the last good one is audited."
    )
    observe: settings.Observe = _part(
        "Step 2: ask the DNS about every domain, gently. It takes minutes, and uses the network."
    )
    observe_tls: settings.ObserveTls = _part(
        "Step 3: see which certificates mail servers present; no mail is sent. It needs a way out to port 25."
    )
    thresholds: settings.Thresholds = _part("Step 4, audit: what it takes for too old, too many or too few.")
    inputs: settings.Inputs = _part(
        "What makes an input one to doubt. What rests on it is unknown, and the exit status is 4."
    )
    reports: Reports = _part("Step 5: the reports.")
    dossiers: Dossiers = _part("Step 6: a dossier an operator, with the message to send.")
    letter: settings.Letter = _part("The letters of step 6: from whom they are, and what they ask.")
    output: Output = _part("Step 7, site: where all of it goes.")
    retention: Retention = _part(
        "Step 8: which earlier runs and observations are removed; never those in use."
    )
    mail: Mail = _part("The mail of the night: what the run prints for cron to mail, or sends itself.")
    webhook: Webhook = _part("The night as JSON, posted.")
    hooks: Hooks = _part(
        'Programs run at the end, each a list of words (no shell): [["/usr/local/bin/tell", "mssante"]]. '
        "MSSANTE_… variables tell what happened (docs/schedule.md)."
    )
    health: Health = _part("What `mssante-audit doctor --health` takes for ill.")
    deadlines: Deadlines = _part(
        "Seconds that a step may take. Then it is ended and has failed; the others go on."
    )

    @property
    def secrets(self) -> dict[str, str]:
        """Where each secret is, "" if there is none."""
        mail, webhook = self.mail, self.webhook
        return {"mail.password": mail.password, "webhook.url": webhook.url, "webhook.token": webhook.token}

    @property
    def environment(self) -> dict[str, str]:
        """The environment without its secrets: nothing that a run starts has them."""
        hidden = {where.removeprefix("env:") for where in self.secrets.values()}
        return {name: value for name, value in os.environ.items() if name not in hidden}

    def parameters(self, as_of: str) -> dict[str, Any]:
        """Return what a notebook, or `mssante_audit.report.results.open_space`, is given."""
        data = self.data.model_dump(mode="json", exclude={"folder"}) | {"contacts": self.contacts}
        values = {name: value for name, value in data.items() if value}
        return {"data": str(self.data.folder), "as_of": as_of, **self.thresholds.model_dump(), **values}


# -- the file ------------------------------------------------------------------------------------------------


def load_config(file: Path) -> Config:
    """Load and check an ``audit.toml``; an `InputError` names file, line, key, and the nearest key."""
    remedy = "`mssante-audit init` writes one"
    if not file.exists():
        raise InputError("no such file", file=str(file), remedy=remedy)
    try:
        text = read_text(file)
    except InputError as error:
        raise error.within(InputError, str(file), remedy) from None
    return checked(parse_toml(text, str(file)), text, file)


def checked(values: Mapping[str, Any], text: str, file: Path) -> Config:
    """Return the settings that `values`, read from the `text` of a file, say; errors as in `load_config`."""
    try:
        return Config.model_validate(values, context=real_path(file).parent)
    except ValidationError as error:
        raise _refusal(error, text, file) from None


def _refusal(errors: ValidationError, text: str, file: Path) -> InputError:
    # A list whose items are wrong is too short because of them; a misspelt key leaves out another one.
    faults = [error for error in errors.errors() if error["type"] != "too_short" or not error["input"]]
    first, *others = sorted(faults, key=lambda e: (e["type"] != "extra_forbidden", [*map(str, e["loc"])]))
    keys = tuple(part for part in first["loc"] if isinstance(part, str))
    remedy: tuple[str, ...] = ()
    if first["type"] == "extra_forbidden":
        *above, key = keys
        fault = AuditError("unknown key {}", repr(key))
        if above:
            fault = AuditError("unknown key {} in [{}]", repr(key), ".".join(above))
        names = [*(sections()[above[0]] if above else Config).model_fields]
        matches = difflib.get_close_matches(key.lower(), names, n=1)
        elsewhere = [name for name, part in sections().items() if key in part.model_fields]
        if matches:
            remedy = "Nearest: {}", repr(matches[0])
        else:
            remedy = ("It goes into [{}]", elsewhere[0]) if elsewhere else ("There are: {}", ", ".join(names))
    else:
        fault = settings.fault(Config, first)
        if first["type"] == "missing":
            remedy = ("`mssante-audit init` writes a file that explains each key",)
        elif first["type"] == "string_pattern_mismatch":
            remedy = ((settings.field_of(Config, keys).description or "").rstrip("."),)
    message = "{} (and {} more)" if others else "{}"
    return InputError(
        message, fault, len(others), file=str(file), line=_line(text, keys), remedy=remedy or None
    )


def sections() -> dict[str, type[Section]]:
    """Return the model of each section by its name."""
    kinds = {name: field.annotation for name, field in Config.model_fields.items()}
    return {n: k for n, k in kinds.items() if isinstance(k, type) and issubclass(k, Section)}


def _line(text: str, keys: Sequence[str]) -> int | None:
    """Return the line where a key, or else its table, stands (the parser does not tell)."""
    table, nearest = list[str](), None
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.match(r"\s*(?:\[{1,2}\s*([^\]]+?)\s*\]|([\w\"'.-]+)\s*=)", line):
            path = [part.strip(" \"'") for part in (match[1] or match[2]).split(".")]
            if match[1]:
                table = path
            else:
                path = [*table, *path]
            if path == list(keys):
                return number
            if keys and path == list(keys[: len(path)]):
                nearest = number
    return nearest


def schema() -> dict[str, Any]:
    """Return the JSON Schema of ``audit.toml``, for editors."""
    return {"$schema": DRAFT, **Config.model_json_schema()}


def template() -> str:
    """Return a commented ``audit.toml`` that says what the defaults are."""
    about = str(Config.__doc__)
    lines = _entry(f"audit.toml: {about[0].lower()}{about[1:]}", "")
    for name, field in Config.model_fields.items():
        lines += [] if name in sections() else _key(name, field)
    for name, section in sections().items():
        lines += ["", *_entry(Config.model_fields[name].description, f"[{name}]")]
        lines += [line for key, field in section.model_fields.items() for line in _key(key, field)]
    return "\n".join(lines) + "\n"


def _key(name: str, field: FieldInfo) -> list[str]:
    value = (field.examples or [None])[0] if field.is_required() else field.default
    # What there is for defaults is written alike in JSON and in TOML.
    return _entry(field.description, f"{name} = {json.dumps(value, ensure_ascii=False)}")


def _entry(comment: str | None, line: str) -> list[str]:
    wrapped = textwrap.wrap(comment or "", 96, break_long_words=False, break_on_hyphens=False)
    return [*(f"# {text}" for text in wrapped), line]


def write_template(file: Path) -> None:
    """Write `template` into a new file; one that is there already is an `OutputError`."""
    if file.exists() or file.is_symlink():
        raise OutputError("is there already", file=str(file), remedy="Remove it first, or name another")
    write_bytes(file, template().encode())
