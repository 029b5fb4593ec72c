"""How many findings each run had: the points of the site's trend, kept in one small JSON file.

The file is a list of points, oldest first; it holds numbers and instants, no name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.export import write_bytes
from mssante_audit.base.instants import parse_instant
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.ledger import FollowUp

FILE = "trend.json"


@dataclass(frozen=True, slots=True)
class Point:
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
    """Findings, of this run or of those before, that rest on an input in doubt: the other numbers of such a
    run say less than those of others."""


def point_of(as_of: datetime, findings: pd.DataFrame, waived: pd.DataFrame, told: FollowUp | None) -> Point:
    """Return the point of a run, of its findings (`mssante_audit.audits.audit_all`) and those waived.

    `told` are these findings against those of the run before, if that is known.
    """
    followed = told.counts() if told and told.previous else {"new": 0, "open": len(findings), "fixed": 0}
    if told and not told.previous:
        unknown = told.counts()["unknown"]
        followed |= {"open": len(findings) - unknown, "unknown": unknown}
    return Point(as_of.isoformat(), severity_counts(findings), **followed, waived=len(waived))


def severity_counts(findings: pd.DataFrame) -> dict[str, int]:
    """Return the number of findings by severity, all of them named, worst first; hints are information."""
    counts = findings["severity"].where(findings["confidence"] != "hint", "info").value_counts()
    return {severity: int(counts.get(severity, 0)) for severity in reversed(SEVERITIES)}


def read_trend(file: Path) -> tuple[Point, ...]:
    """Return the points of a file, oldest first; none if it is not there.

    What is no list of points is an `InputError`: starting anew would lose the past without a word.
    """
    try:
        records = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(records, list):
            raise TypeError("not a list")
        return tuple(sorted(map(_point, records), key=lambda point: point.at))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        remedy = "Put it right, or remove it to start anew"
        raise InputError("cannot be read", file=str(file), remedy=remedy) from None


def add_point(file: Path, point: Point) -> tuple[Point, ...]:
    """Add a point to a file, in the place of one of the same instant; return all of them.

    A file that cannot be read is an `InputError`; one that cannot be written, an `OutputError`, is as it
    was.
    """
    added = _point(asdict(point))
    kept = [other for other in read_trend(file) if other.at != added.at]
    points = tuple(sorted([*kept, added], key=lambda p: p.at))
    lines = ",\n".join(json.dumps(asdict(p)) for p in points)
    write_bytes(file, f"[\n{lines}\n]\n".encode())
    return points


def _point(record: Mapping[str, Any]) -> Point:
    numbers = {name: record[name] for name in ("new", "open", "fixed", "waived")}
    numbers["unknown"] = record.get("unknown", 0)  # which 0.1 did not write
    counts = {severity: record["counts"][severity] for severity in reversed(SEVERITIES)}
    if not all(type(n) is int and n >= 0 for n in (*numbers.values(), *counts.values())):
        raise ValueError("a count is not a number")
    return Point(parse_instant(str(record["at"])).isoformat(), counts, **numbers)
