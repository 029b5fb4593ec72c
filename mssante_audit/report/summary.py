"""What ``results.json`` says, the file for machines beside each report and dossier."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict  # pydantic wants its own before Python 3.12

from mssante_audit.base.frames import DRAFT
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.report.results import Input, Origin

_told = with_config(ConfigDict(use_attribute_docstrings=True, extra="forbid"))

Count = Annotated[int, Field(ge=0)]
BySeverity = Annotated[
    dict[str, Count],
    Field(json_schema_extra={"propertyNames": {"enum": list(SEVERITIES)}, "required": list(SEVERITIES)}),
]
Nothing = Annotated[dict[str, str], Field(max_length=0)]


@_told
class Failed(TypedDict):
    """Why a report failed."""

    kind: str
    """Class of the error."""
    message: str
    """What it says; it names no person."""
    section: str
    """Heading of the report under which it came, or ""."""


@_told
class Counts(TypedDict):
    """How many findings there are."""

    findings: Count
    by_severity: BySeverity
    """Hints count as information, whatever the severity of their rule."""
    by_rule: dict[str, Count]
    """For the rules that found something."""


@_told
class Fixed(TypedDict):
    """A finding that the run before had, and this one has not."""

    rule: str
    domain: str
    operator: str
    first_seen: str
    """When it was first found (ISO 8601)."""


@_told
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


@_told
class Summary(TypedDict):
    """What became of a report, or of a dossier. Its findings are in the CSV beside it."""

    report: str
    """The notebook's name."""
    status: Literal["done", "failed"]
    failure: Failed | None
    """Null if it is done."""
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
