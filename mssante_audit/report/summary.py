"""What ``results.json`` says, the file for machines beside each report and dossier; its origin among it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict  # pydantic wants its own before Python 3.12

from mssante_audit.base.frames import DRAFT
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.verdicts.checks import ORDERS, RECEIVES
from mssante_audit.whitelist.signature import Revocation, Status

_documented = with_config(ConfigDict(use_attribute_docstrings=True, extra="forbid"))

NO_ANSWERS = {"arrives": dict.fromkeys(RECEIVES, 0), "order": dict.fromkeys(ORDERS, 0)}
"""Answers where there is no domain."""


def _each(keys: Sequence[str]) -> Any:
    """Return what a schema says of a number by each of these keys."""
    return Field(json_schema_extra={"propertyNames": {"enum": list(keys)}, "required": list(keys)})


Count = Annotated[int, Field(ge=0)]
BySeverity = Annotated[dict[str, Count], _each(SEVERITIES)]
Nothing = Annotated[dict[str, str], Field(max_length=0)]


@_documented
class ObservedFile(TypedDict):
    """An observation file that answers for some of the list."""

    kind: str
    """Its title in French (`mssante_audit.observe.kinds.Kind.title`)."""
    file: str
    sha256: str
    begun: str
    """When it was begun (ISO 8601)."""


@_documented
class Input(TypedDict):
    """The state of one input (`mssante_audit.space.states`)."""

    name: str
    """``list``, ``register``, ``dns``, ``tls``, ``mailboxes`` or ``archive``."""
    state: Literal[
        "absent", "damaged", "future", "changed-signer", "unverified", "quarantined", "older", "shrunk",
        "stale", "ok",
    ]  # fmt: skip
    age_days: int | None
    """Days since it was made; null where it does not say."""
    why: str
    """In words; "" for one that is ok."""
    tolerated: bool
    """Whether it is believed all the same."""


@_documented
class Origin(TypedDict):
    """Where a report comes from."""

    file: str
    """Name of the white list's file."""
    sha256: str
    """Of the list's XML."""
    signature: Status
    """What the signature is worth."""
    signer: str
    """Who signed, as its certificate says, or ""."""
    revocation: Revocation
    """Whether the signer was revoked when the list was made; "" where it chains to no anchor."""
    generated_at: str | None
    """When the list was made (ISO 8601); null if that cannot be read."""
    damaged: bool
    """Whether only the readable rows of a damaged list were loaded."""
    damage: list[str]
    """How it is damaged, in codes."""
    namespace: str
    """XML namespace of the list."""
    register: str | None
    """Name of the register of declarations; null without one."""
    register_sha256: str | None
    observed: list[ObservedFile]
    """The observation files that answer, of every kind, the newest of each first."""
    set_aside: dict[str, str]
    """Why observation files are not used: ``future``, ``zone`` (of another parent zone) or ``unreadable``."""
    mailboxes: str | None
    """Name of the public extraction of mailboxes; null without one."""
    not_made: list[str]
    """Audits that lacked their input."""
    as_of: str
    """Instant that was audited at (ISO 8601)."""
    rows: int
    """Rows of the list."""
    made_up: bool
    """Whether it is the shipped sample, or signed by its authority: nothing in it is real."""
    test_entries: int
    """Those of them that are entries for testing."""
    contacts: str
    """Whether contacts are as the list has them, not masked."""
    versions: dict[str, str]
    """Of Python and of the libraries that the content depends on."""


@_documented
class Accepted(TypedDict):
    """A finding that was waived."""

    fingerprint: str
    rule: str
    domain: str
    operator: str


@_documented
class Provenance(Origin):
    """Where a report comes from, and how far that can be relied on."""

    inputs: list[Input]
    """The state of each input; what rests on one that is neither ok nor tolerated is unknown."""
    waived: NotRequired[list[Accepted]]
    """Findings of these audits that were accepted, if there are any: they are not fixed."""


@_documented
class Failed(TypedDict):
    """Why a report failed."""

    kind: str
    """Class of the error."""
    message: str
    """What it says; it names no person."""
    section: str
    """Heading of the report under which it came, or ""."""


@_documented
class Counts(TypedDict):
    """How many findings there are."""

    findings: Count
    by_severity: BySeverity
    """Hints count as information, whatever the severity of their rule."""
    by_rule: dict[str, Count]
    """For the rules that found something."""


@_documented
class Fixed(TypedDict):
    """A finding that the run before had, and this one has not."""

    rule: str
    domain: str
    operator: str
    first_seen: str
    """When it was first found (ISO 8601)."""


@_documented
class Since(TypedDict):
    """The findings against those of the run before."""

    previous: str
    """What that run was as of (ISO 8601)."""
    new: Count
    open: Count
    fixed: Count
    unknown: Count
    """Of either run: what rests on an input in doubt."""
    fixed_findings: list[Fixed]
    lost_findings: list[Fixed]
    """What the run before had, and this one could not look for."""


@_documented
class Summary(TypedDict):
    """What became of a report, or of a dossier. Its findings are in the CSV beside it."""

    report: str
    """The notebook's name."""
    status: Literal["done", "failed"]
    failure: Failed | None
    """Null if it is done."""
    arrives: Annotated[dict[str, Count], _each(RECEIVES)]
    """How many of the domains that it is about get their mail (`mssante_audit.verdicts.domains`)."""
    order: Annotated[dict[str, Count], _each(ORDERS)]
    """How many of them have something to be put right."""
    counts: Counts | None
    """Null if it did not come to recording findings."""
    since_previous: Since | None
    """Null without a run before."""
    seconds: dict[str, float]
    """Durations of the steps."""
    parameters: dict[str, str | int | bool | None]
    """Those in force, paths but for their last part."""
    inputs: list[Input]
    """The state of each input; empty where no list was loaded."""
    provenance: Origin | Nothing
    """Where it comes from; empty where no list was loaded."""


def schema() -> dict[str, Any]:
    """Return the JSON Schema of ``results.json``."""
    return {"$schema": DRAFT, **TypeAdapter(Summary).json_schema()}
