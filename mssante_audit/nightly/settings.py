"""``audit.toml``: types, bounds, defaults and meanings of the settings; a description is the help."""

import os
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo

from mssante_audit.base import settings as base
from mssante_audit.base.secret import FORM
from mssante_audit.base.settings import Days, Line, Name, OptionalFile, Place, Seconds, Section, setting

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})  # servers that need no TLS
_T = TypeVar("_T")


def _secret_placed(where: str, info: ValidationInfo) -> str:
    return f"file:{base.placed(where[5:], info)}" if where.startswith("file:") else where


def _notebook_placed(name: str, info: ValidationInfo) -> str:
    return str(base.placed(name, info)) if name.endswith(".ipynb") else name


Many = Annotated[tuple[_T, ...], Field(strict=False)]
Report = Annotated[Name, AfterValidator(_notebook_placed)]
Argument = Annotated[str, Field(pattern=r"^[^\x00]*$")]
Program = Annotated[tuple[Argument, ...], Field(strict=False, min_length=1)]
Secret = Annotated[
    str, AfterValidator(_secret_placed), Field(pattern=FORM, json_schema_extra={"writeOnly": True})
]
Address = Annotated[str, Field(pattern=rf"^{base.ADDRESS}$")]
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
    anchors: Many[Place] = setting(
        (), "Certificate files or folders to trust, beside IGC-Santé's in the data folder."
    )
    signer: Line = setting("", 'Common name in the certificate that signs the list; alb.mssante.fr if "".')
    recover: base.Recover = False
    any_namespace: base.AnyNamespace = False


class Reports(Section):
    """Section ``[reports]``."""

    enabled: bool = setting(True, "Whether to make reports.")
    names: Many[Report] = setting(
        (), "Which: shipped notebooks or paths of one's own; all whose data are there if none is named."
    )
    region: Line = setting("", _REGION)
    department: Line = setting("", _DEPARTMENT)


class Dossiers(Section):
    """Section ``[dossiers]``."""

    enabled: bool = setting(True, "Whether to write dossiers.")
    operators: base.Names = setting(
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
    site_url: str = setting(
        "",
        'Web address under which the site is published, for the links of the mail: "https://…/"; "": none.',
        pattern=r"^(https?://[^\s<>\"]+)?$",
    )


class Retention(Section):
    """Section ``[retention]``: 0 sets no limit."""

    runs: int = setting(14, "Keep this many; 0 sets no such limit.", ge=0, le=1_000_000)
    days: Days = setting(0, "Remove those older than this many days; 0 sets no such limit.")
    bytes: int = setting(
        0, "Remove the oldest until the others take no more than this; 0 sets no such limit.", ge=0, le=10**15
    )
    at_least: int = setting(3, "The newest ones that are kept, however old or large.", ge=1, le=1_000_000)
    observation_days: Days = setting(
        365, "Remove observations older than this many days that answer nothing today; 0 sets no such limit."
    )


class Hooks(Section):
    """Section ``[hooks]``."""

    success: Many[Program] = setting((), "If every step was done and every input is as it should be.")
    failure: Many[Program] = setting((), "If a step failed, or an input is not as it should be.")
    new_findings: Many[Program] = setting((), "If there are findings that the run before did not have.")
    seconds: Seconds = setting(60, "Seconds that one may take; then it is ended, and the run says so.")


class Webhook(Section):
    """Section ``[webhook]``."""

    url: Secret = setting("", 'Where the address (https) is that it goes to: "file:PATH" or "env:VARIABLE".')
    token: Secret = setting("", 'Where the token is that is sent with it ("Authorization: Bearer"), if any.')
    ca_bundle: OptionalFile = base.optional_file(_TRUSTED)
    events: Many[Event] = setting(EVENTS, "When it is posted, as [mail] says.")


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
    ca_bundle: OptionalFile = base.optional_file(_TRUSTED)
    user: Line = setting("", 'Name to log in with; "": without.')
    password: Secret = setting(
        "", 'Where its password is, "file:PATH" or "env:VARIABLE"; never the password.'
    )
    sender: str = setting("", "Address that the mail is from.", pattern=rf"^({base.ADDRESS})?$")
    recipients: Many[Address] = setting((), "Addresses that it goes to.")
    events: Many[Event] = setting(EVENTS, "When it is sent, as hooks are run; the first that is so, once.")


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
    fetch: base.Fetch = _part(
        "Step 1: download the published list into the archive. If that fails, the last good one is audited."
    )
    observe: base.Observe = _part(
        "Step 2: ask the DNS about every domain, gently. It takes minutes, and uses the network."
    )
    observe_tls: base.ObserveTls = _part(
        "Step 3: see which certificates mail servers present; no mail is sent. It needs a way out to port 25."
    )
    thresholds: base.Thresholds = _part("Step 4, audit: what it takes for too old, too many or too few.")
    inputs: base.Inputs = _part(
        "What makes an input one to doubt. What rests on it is unknown, and the exit status is 4."
    )
    reports: Reports = _part("Step 5: the reports.")
    dossiers: Dossiers = _part("Step 6: a dossier an operator, with the message to send.")
    letter: base.Letter = _part("The letters of step 6: from whom they are, and what they ask.")
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
        given = {name: value for name, value in data.items() if value}
        return {"data": str(self.data.folder), "as_of": as_of, **self.thresholds.model_dump(), **given}
