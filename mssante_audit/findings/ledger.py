"""What earlier runs found: which findings are new, which are still open, which were fixed.

``ledger.json`` in the output folder remembers, for each report and each set of parameters, when a finding was
first seen and what the last runs found. A run is compared with the last one of an earlier date (``as_of``),
so that making a report again gives the same page. A finding is known by its fingerprint (rule and
subject, hashed); the ledger holds no contact.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import parse_instant
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.registry import catalogue, unusable

FILE = "ledger.json"
KEPT_RUNS = 10
"""Runs whose findings are remembered; when a finding was first seen is never forgotten."""

VERSION = 2
"""Of a part of the ledger; 0.1 wrote none."""


@dataclass(frozen=True)
class FollowUp:
    """A run's findings against those of the run before."""

    previous: str
    """Date of the run before, "" if there is none."""
    first_seen: tuple[str, ...]
    """For each finding, the date of the first run that found it, or of the first archived list that shows
    it (`first_seen` of a findings frame) if that is earlier."""
    status: tuple[str, ...]
    """For each finding: ``new`` or ``open``; "" if there is no run before."""
    fixed: tuple[Mapping[str, str], ...]
    """What the run before found and this one does not: `rule`, `domain`, `operator`, `first_seen`."""

    def counts(self) -> dict[str, int]:
        """Return how many findings are new, open, fixed."""
        told = Counter(self.status)
        return {"new": told["new"], "open": told["open"], "fixed": len(self.fixed)}


def read_ledger(out: Path) -> dict[str, Any]:
    """Return the ledger of an output folder, empty if there is none.

    Raises
    ------
    InputError
        If it is there and cannot be read: a lost ledger would make every finding look new.
    """
    file = out / FILE
    try:
        ledger = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(ledger, dict) and all(
            {"first_seen", "runs"} <= part.keys() for part in ledger.values()
        ):
            return ledger
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError):
        pass
    raise InputError("cannot be read", file=str(file), remedy="Put it right, or remove it to start anew")


def scope_of(name: str, parameters: Mapping[str, Any]) -> str:
    """Return what runs of a report are compared within: its name, and the parameters that change findings."""
    aside = {"as_of", "row_limit", "show_contacts", "changes_since"}
    # Ledgers of before there were these go on.
    aside |= {k for k in ("region", "department") if parameters.get(k) is None}
    return json.dumps([name, {k: v for k, v in sorted(parameters.items()) if k not in aside}])


def follow(
    ledger: dict[str, Any],
    scope: str,
    as_of: str,
    findings: pd.DataFrame,
    unmade: Iterable[str] = (),
) -> FollowUp:
    """Compare findings with the run before, and note them in `ledger`.

    Parameters
    ----------
    ledger
        What `read_ledger` returns; changed.
    scope
        Of `scope_of`.
    as_of
        The run's date (ISO 8601).
    findings
        As `mssante_audit.findings.frame` describes.
    unmade
        Audits that lacked their input: what they found before is unknown now, neither fixed nor new later.
    """
    as_of = parse_instant(as_of).isoformat()
    part = ledger.setdefault(scope, {"first_seen": {}, "runs": {}, "version": VERSION})
    if part.get("version") != VERSION:
        _carried_over(part, findings)
    earlier = max((run for run in part["runs"] if run < as_of), default="")
    before: Mapping[str, Mapping[str, str]] = part["runs"].get(earlier, {})
    keys = findings["fingerprint"].tolist()
    for key, listed in zip(keys, findings["first_seen"], strict=True):
        part["first_seen"][key] = min(part["first_seen"].get(key, as_of), as_of, listed or as_of)
    told = findings[["rule", "domain", "operator"]].to_dict("records")
    gone = {key: found for key, found in before.items() if key not in set(keys)}
    failed = {*findings.loc[findings["rule"] == FAILED, "audit"], *unmade}
    unknown = {key: found for key, found in gone.items() if not _evaluated(found["rule"], failed)}
    part["runs"][as_of] = dict(zip(keys, told, strict=True)) | unknown
    part["runs"] = {run: part["runs"][run] for run in sorted(part["runs"])[-KEPT_RUNS:]}
    first = part["first_seen"]
    fixed = tuple({**found, "first_seen": first[key]} for key, found in gone.items() if key not in unknown)
    status = ["open" if key in before else "new" for key in keys] if earlier else [""] * len(keys)
    return FollowUp(earlier, tuple(first[key] for key in keys), tuple(status), fixed)


def _evaluated(code: str, failed: Set[str]) -> bool:
    """Tell whether a rule would have found what it found before: what nobody looked at is not fixed."""
    told = catalogue().get(code)
    return told.audit not in failed if told else not unusable()


def _carried_over(part: dict[str, Any], findings: pd.DataFrame) -> None:
    """Turn a part that version 0.1 wrote, which knew findings by rule, operator and domain, into one of ours.

    What matches no finding of today keeps its old name, so that it is told once as fixed.
    """
    known: Counter[tuple[str, str, str]] = Counter()
    renamed = {}
    told = (findings[column] for column in ("rule", "operator_id", "domain", "fingerprint"))
    for *named, key in zip(*told, strict=True):
        known[tuple(named)] += 1
        renamed["|".join((*named, str(known[tuple(named)])))] = key
    part["first_seen"] = {renamed.get(key, key): first for key, first in part["first_seen"].items()}
    part["runs"] = {
        run: {renamed.get(key, key): finding for key, finding in found.items()}
        for run, found in part["runs"].items()
    }
    part["version"] = VERSION
