"""How many findings each run had: the points of the site's trend, numbers and instants in one JSON file."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from operator import attrgetter
from pathlib import Path

import pandas as pd

from mssante_audit.base.instants import parse_instant
from mssante_audit.base.state import read_state, write_state
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.ledger import FollowUp

FILE = "trend.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """What one run found, in numbers."""

    at: str
    """The instant audited at (ISO 8601, UTC)."""
    counts: Mapping[str, int]
    """Findings by severity, all four named, worst first; waived ones are not among them."""
    new: int = 0
    """Findings that the run before did not have; 0 if there was none."""
    open: int = 0
    """Findings that the run before had too; all of them if there was none."""
    fixed: int = 0
    """Findings that only the run before had."""
    waived: int = 0
    """Findings that somebody accepted."""
    unknown: int = 0
    """Findings, of this run or of those before, that rest on an input in doubt."""


def point_of(
    as_of: datetime, findings: pd.DataFrame, waived: pd.DataFrame, follow_up: FollowUp | None
) -> TrendPoint:
    """Return a run's point from its findings, waived ones, and the comparison with the last run."""
    counts = follow_up.counts() if follow_up else {"new": 0, "open": len(findings), "fixed": 0}
    return TrendPoint(as_of.isoformat(), severity_counts(findings), **counts, waived=len(waived))


def severity_counts(findings: pd.DataFrame) -> dict[str, int]:
    """Return the number of findings by severity, all of them named, worst first; hints are information."""
    pairs = zip(findings["severity"].tolist(), findings["confidence"].tolist(), strict=True)
    counts = Counter("info" if confidence == "hint" else severity for severity, confidence in pairs)
    return {severity: counts[severity] for severity in reversed(SEVERITIES)}


def read_trend(file: Path) -> tuple[TrendPoint, ...]:
    """Return the points of a file, oldest first; one that cannot be read is an `InputError`."""
    state = read_state(file, VERSION, "points")
    return tuple(TrendPoint(**point) for point in state["points"]) if state else ()


def add_point(file: Path, point: TrendPoint) -> tuple[TrendPoint, ...]:
    """Add a point to a file, in the place of one of the same instant; return all of them."""
    point = replace(point, at=parse_instant(point.at).isoformat())
    others = (other for other in read_trend(file) if other.at != point.at)
    points = tuple(sorted([*others, point], key=attrgetter("at")))
    write_state(file, VERSION, {"points": list(map(asdict, points))})
    return points
