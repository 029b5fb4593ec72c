"""What earlier runs found: which findings are new, which are still open, which were fixed, which are unknown.

``ledger.json`` in the output folder remembers, for each report and each set of parameters, when a finding was
first seen and what the last runs found. A run is compared with the last one of an earlier date (``as_of``),
so that making a report again gives the same page. A finding is known by its fingerprint (rule and
subject, hashed); the ledger holds no contact.

A finding is **unknown** where its audit could not be made, or rests on an input that is in doubt
(`mssante_audit.space.states`), whether it is found now or was before. An unknown one is neither new nor
fixed: what was known before stays known as it was, and what nobody can vouch for yet is not remembered. So
is what says that a rule raised: that tells of this program, and of the space only that it is unknown.
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
from mssante_audit.base.settings import Thresholds
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.registry import catalogue, unusable

FILE = "ledger.json"
KEPT_RUNS = 10
"""Runs whose findings are remembered; when a finding was first seen is never forgotten."""

WAIVED = "yes"
"""Stands with what a run found and somebody had accepted."""

VERSION = 2
"""Of a part of the ledger; 0.1 wrote none."""

_DEFAULTS = {"recover": False, "any_namespace": False, **Thresholds().model_dump()}
"""Of parameters; that of all others is ``None``."""


@dataclass(frozen=True)
class FollowUp:
    """A run's findings against those of the run before."""

    previous: str
    """Date of the run before, "" if there is none."""
    first_seen: tuple[str, ...]
    """For each finding, the date of the first run that found it, or of the first archived list that shows
    it (`first_seen` of a findings frame) if that is earlier."""
    status: tuple[str, ...]
    """For each finding: ``new``, ``open`` or ``unknown``; "" if it is known, and there is no run before."""
    fixed: tuple[Mapping[str, str], ...]
    """What the run before found and this one does not: `rule`, `domain`, `operator`, `first_seen`."""
    unknown: tuple[Mapping[str, str], ...] = ()
    """What a run before found and this one could not look for, likewise."""

    def counts(self) -> dict[str, int]:
        """Return how many findings are new, open, fixed, unknown."""
        told = Counter(self.status)
        unknown = told["unknown"] + len(self.unknown)
        return {"new": told["new"], "open": told["open"], "fixed": len(self.fixed), "unknown": unknown}


def read_ledger(out: Path) -> dict[str, Any]:
    """Return the ledger of an output folder, empty if there is none.

    One that cannot be read is an `InputError`: a lost ledger would make every finding look new.
    """
    file = out / FILE
    try:
        ledger = json.loads(file.read_text(encoding="utf-8"))
        if all({"first_seen", "runs"} <= part.keys() for part in ledger.values()):
            return _rescoped(ledger)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError):
        pass
    raise InputError("cannot be read", file=str(file), remedy="Put it right, or remove it to start anew")


def scope_of(name: str, parameters: Mapping[str, Any]) -> str:
    """Return what runs of a report are compared within: its name, and the parameters that change findings.

    Where the certificates lie that the list is trusted by is none: whether it is trusted is a state of it.
    The language is none. Nor is what stands at its default, so that ledgers go on where a version brings
    parameters that the one before did not have.
    """
    aside = {"as_of", "row_limit", "show_contacts", "changes_since", "anchors", "lang"}
    told = {k: v for k, v in sorted(parameters.items()) if k not in aside and v != _DEFAULTS.get(k)}
    return json.dumps([name, told])


def _rescoped(ledger: Mapping[str, Any]) -> dict[str, Any]:
    """Return a ledger that an earlier version wrote, whose scopes named more, by the scopes of today."""
    told: dict[str, Any] = {}
    for scope, part in sorted(ledger.items(), key=lambda one: max(one[1]["runs"], default="")):
        try:
            name, parameters = json.loads(scope)
            scope = scope_of(name, parameters)
        except (ValueError, TypeError, AttributeError):  # one that a caller named
            pass
        told[scope] = part  # of several the one of the last run
    return told


def follow(
    ledger: dict[str, Any],
    scope: str,
    as_of: str,
    findings: pd.DataFrame,
    unsure: Iterable[str] = (),
    waived: pd.DataFrame | None = None,
) -> FollowUp:
    """Compare findings with the run before, and note them in `ledger` (of `read_ledger`), which is changed.

    Parameters
    ----------
    scope
        Of `scope_of`, or a name of one's own.
    as_of
        The run's date (ISO 8601).
    unsure
        Audits of which nothing can be said (`mssante_audit.audits.unsure`).
    waived
        Findings that were accepted: nothing is said of them, and they are not fixed by being accepted, nor
        new once they no longer are.
    """
    as_of = parse_instant(as_of).isoformat()
    part = ledger.setdefault(scope, {"first_seen": {}, "runs": {}, "version": VERSION})
    if part.get("version") != VERSION:
        _carried_over(part, findings)
    earlier = max((run for run in part["runs"] if run < as_of), default="")
    noted: Mapping[str, Mapping[str, str]] = part["runs"].get(earlier, {})
    before = {key: one for key, one in noted.items() if one["rule"] != FAILED}  # 0.1 noted those
    doubted, first = {*unsure}, part["first_seen"]
    known, in_doubt = _noted(findings, doubted)
    accepted, accepted_in_doubt = ({}, {}) if waived is None else _noted(waived, doubted)
    told = known | {key: {**one, "waived": WAIVED} for key, one in accepted.items()}
    found = told | in_doubt | accepted_in_doubt
    listed = dict(zip(findings["fingerprint"], findings["first_seen"], strict=True))
    for key in told:
        first[key] = min(first.get(key, as_of), as_of, listed.get(key) or as_of)
    failed = {*findings.loc[findings["rule"] == FAILED, "audit"], *doubted}
    gone = {key: one for key, one in before.items() if key not in found}
    lost = {key: one for key, one in gone.items() if not _evaluated(one["rule"], failed)}
    kept = {key: one for key, one in before.items() if key in lost or (key in found and key not in told)}
    if earlier or told or not in_doubt:  # else it is still the first run of which anything is known
        part["runs"][as_of] = told | kept
        part["runs"] = {run: part["runs"][run] for run in sorted(part["runs"])[-KEPT_RUNS:]}

    def dated(ones: Mapping[str, Mapping[str, str]]) -> tuple[Mapping[str, str], ...]:
        open_ones = ((key, one) for key, one in ones.items() if "waived" not in one)
        return tuple({**one, "first_seen": first.get(key, earlier)} for key, one in open_ones)

    def status(key: str) -> str:
        return "unknown" if key in in_doubt else "" if not earlier else "open" if key in before else "new"

    keys = findings["fingerprint"].tolist()
    seen = tuple(first.get(key) or min(listed[key] or as_of, as_of) for key in keys)
    fixed = dated({key: one for key, one in gone.items() if key not in lost})
    return FollowUp(earlier, seen, tuple(map(status, keys)), fixed, dated(lost))


def _noted(findings: pd.DataFrame, doubted: Set[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is noted of findings by fingerprint: of those that are known, and of those in doubt."""
    told = findings[["rule", "domain", "operator"]].to_dict("records")
    known: dict[str, Any] = {}
    in_doubt: dict[str, Any] = {}
    for key, one in zip(findings["fingerprint"], told, strict=True):
        sure = one["rule"] != FAILED and _evaluated(one["rule"], doubted)
        (known if sure else in_doubt)[key] = one
    return known, in_doubt


def inputs_before(ledger: Mapping[str, Any], scope: str, as_of: str) -> Mapping[str, Mapping[str, Any]]:
    """Return what the run before had of each input (`mssante_audit.space.states.figures`), if it noted it."""
    noted: dict[str, dict[str, Any]] = ledger.get(scope, {}).get("inputs", {})
    earlier = max((run for run in noted if run < parse_instant(as_of).isoformat()), default="")
    return noted.get(earlier, {})


def note_inputs(
    ledger: dict[str, Any], scope: str, as_of: str, figures: Mapping[str, Mapping[str, Any]]
) -> None:
    """Note what a run that was followed had of each input."""
    noted = ledger[scope].setdefault("inputs", {})
    noted[parse_instant(as_of).isoformat()] = figures
    ledger[scope]["inputs"] = {run: noted[run] for run in sorted(noted)[-KEPT_RUNS:]}


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
