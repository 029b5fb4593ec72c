"""What earlier runs found: which findings are new, which are still open, which were fixed, which are unknown.

``ledger.json`` in the output folder remembers, for each report and each set of parameters, when a finding was
first seen and what the last runs found, by fingerprint and without contacts. A run is compared with the last
one of an earlier date. A finding is **unknown** where its audit could not be made, or rests on an input in
doubt (`mssante_audit.space.states`): neither new nor fixed, what was known before stays known as it was.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import pandas as pd

from mssante_audit.base.instants import parse_instant
from mssante_audit.base.settings import Thresholds
from mssante_audit.base.state import read_state, write_state
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.registry import catalogue, unusable

FILE = "ledger.json"
VERSION = 3
KEPT_RUNS = 10  # runs whose findings are remembered; when a finding was first seen is never forgotten

# By scope: `first_seen` by fingerprint; `runs` and `inputs` by date, what each found and had.
Ledger = dict[str, Any]
# What a ledger keeps of a finding: `rule`, `domain`, `operator`; `waived` if it was accepted; `lacks`, the
# input without which it could not be looked for.
Noted = dict[str, str]

# Of parameters; that of all others is `None`.
_DEFAULTS = {"recover": False, "any_namespace": False, **Thresholds().model_dump()}
# Parameters that change no finding; whether the list is trusted is a state of it.
_NO_SCOPE = {"as_of", "row_limit", "contacts", "changes_since", "anchors", "signer", "lang"}


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
    fixed: tuple[Noted, ...]
    """What the run before found and this one does not: `Noted`, `fingerprint` and `first_seen`; nothing of a
    rule that there is no more (its package is gone, say), nor in `unknown`."""
    unknown: tuple[Noted, ...] = ()
    """What a run before found and this one could not look for, likewise."""

    def counts(self) -> dict[str, int]:
        """Return how many findings are new, open, fixed, unknown; of a first run none is new."""
        counts = Counter(status or "open" for status in self.status)
        unknown = counts["unknown"] + len(self.unknown)
        return {"new": counts["new"], "open": counts["open"], "fixed": len(self.fixed), "unknown": unknown}


def read_ledger(folder: Path) -> Ledger:
    """Return the ledger of an output folder, empty if there is none; an `InputError` if it is damaged."""
    state = read_state(folder / FILE, VERSION, "scopes")
    return state["scopes"] if state else {}


def write_ledger(folder: Path, ledger: Ledger) -> None:
    """Write the ledger of an output folder; an `OutputError` if that cannot be."""
    write_state(folder / FILE, VERSION, {"scopes": ledger})


def scope_of(name: str, parameters: Mapping[str, Any]) -> str:
    """Return what runs of a report are compared within: its name, and the parameters that change findings.

    What stands at its default is left out, so that a parameter that a later version adds starts no new scope.
    """
    ordered = sorted(parameters.items())
    return json.dumps([name, {n: v for n, v in ordered if n not in _NO_SCOPE and v != _DEFAULTS.get(n)}])


def follow(
    ledger: Ledger,
    scope: str,
    as_of: str,
    findings: pd.DataFrame,
    unsure: Iterable[str] = (),
    waived: pd.DataFrame | None = None,
    lacking: Mapping[str, Collection[str]] = MappingProxyType({}),
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
        Findings that were accepted: these are not fixed by it, nor new once they no longer are.
    lacking
        Inputs that are not there, by audit (`mssante_audit.audits.missing`): what was found while they were
        is unknown, and not fixed, when it is no longer found.
    """
    as_of, doubted = parse_instant(as_of).isoformat(), {*unsure}
    part = ledger.setdefault(scope, {"first_seen": {}, "runs": {}, "inputs": {}})
    earlier = max((run for run in part["runs"] if run < as_of), default="")
    before: Mapping[str, Noted] = part["runs"].get(earlier, {})
    first, had = part["first_seen"], part["inputs"].get(earlier, {})
    noted: dict[str, Noted] = {}
    in_doubt: set[str] = set()
    for frame, marks in ((findings, {}), (findings[:0] if waived is None else waived, {"waived": "yes"})):
        records = frame[["rule", "domain", "operator"]].to_dict("records")
        for key, record in zip(frame["fingerprint"], records, strict=True):
            if record["rule"] != FAILED and _evaluated(record["rule"], doubted):
                noted[key] = cast(Noted, record | marks)
            else:
                in_doubt.add(key)
    listed = dict(zip(findings["fingerprint"], findings["first_seen"], strict=True))
    for key in noted:
        first[key] = min(first.get(key, as_of), as_of, listed.get(key) or as_of)
    failed = {*findings.loc[findings["rule"] == FAILED, "audit"], *doubted}
    fixed: dict[str, Noted] = {}
    unresolved: dict[str, Noted] = {}
    for key in [key for key in before if key not in noted and key not in in_doubt]:
        was = dict(before[key])
        lacked, rule = was.pop("lacks", ""), catalogue().get(was["rule"])
        inputs = lacking.get(rule.audit, ()) if rule else ()
        blind = [{"lacks": name} for name in inputs if name in had or name == lacked]
        unknown = blind or not _evaluated(was["rule"], failed)
        (unresolved if unknown else fixed)[key] = was | (blind[0] if blind else {})
    keys = findings["fingerprint"].tolist()
    if earlier or noted or in_doubt.isdisjoint(keys):  # else nothing is known of a first run yet
        vouched = unresolved | {key: before[key] for key in before if key in in_doubt and key not in noted}
        part["runs"] = _last(part["runs"] | {as_of: noted | vouched}, as_of)

    def dated(notes: Mapping[str, Noted]) -> tuple[Noted, ...]:
        return tuple(
            note | {"fingerprint": key, "first_seen": first.get(key, earlier)}
            for key, note in notes.items()
            if "waived" not in note and (note["rule"] in catalogue() or unusable())
        )

    def status(key: str) -> str:
        return "unknown" if key in in_doubt else "" if not earlier else "open" if key in before else "new"

    dates = tuple(first.get(key) or min(listed[key] or as_of, as_of) for key in keys)
    return FollowUp(earlier, dates, tuple(map(status, keys)), dated(fixed), dated(unresolved))


def inputs_before(ledger: Ledger, scope: str, as_of: str) -> Mapping[str, Mapping[str, Any]]:
    """Return what the run before had of each input (`mssante_audit.space.states.figures`), if it noted it."""
    noted: dict[str, dict[str, Any]] = ledger.get(scope, {}).get("inputs", {})
    earlier = max((run for run in noted if run < parse_instant(as_of).isoformat()), default="")
    return noted.get(earlier, {})


def note_inputs(ledger: Ledger, scope: str, as_of: str, figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Note what a run that was followed had of each input."""
    part, at = ledger[scope], parse_instant(as_of).isoformat()
    part["inputs"] = _last({**part["inputs"], at: figures}, at)


def _last(runs: Mapping[str, Any], as_of: str) -> dict[str, Any]:
    """Return the last runs until then, and the last ones that a fast clock dated later."""
    until, ahead = sorted(run for run in runs if run <= as_of), sorted(run for run in runs if run > as_of)
    return {run: runs[run] for run in (*until[-KEPT_RUNS:], *ahead[-KEPT_RUNS:])}


def _evaluated(code: str, failed: Set[str]) -> bool:
    """Tell whether a rule was evaluated: a finding that nobody looked for is not fixed."""
    rule = catalogue().get(code)
    return rule is not None and rule.audit not in failed
