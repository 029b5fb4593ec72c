"""How long findings take to be fixed, told to their operator by a letter or not, as the nights saw it.

Two groups that nobody drew lots for: a comparison, not an effect. A finding counts among those not told until
the day of its letter, and among those told from then on (delayed entry), else who was told would seem slow.
"""

from __future__ import annotations

import json
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mssante_audit.archive.lifetimes import survival
from mssante_audit.base.frames import frame_of
from mssante_audit.base.instants import asked_instant, parse_instant
from mssante_audit.nightly.letters import audited_runs, is_well, read_letters, states_in
from mssante_audit.nightly.night import runs_in

FEWEST = 10
"""Findings fixed in a group, below which it is counted and no time is given."""
NIGHTS = 366
"""The newest nights that are read: findings that were open before are watched from the first of these on."""
_TIMES = {
    "fingerprint": "str", "rule": "str", "operator_id": "str", "told": "bool", "entry": "float64",
    "least": "float64", "most": "float64", "fixed": "bool",
}  # fmt: skip


def times_to_fix(output: str | Path | None) -> pd.DataFrame:
    """Return how long each finding was open, as the last `NIGHTS` that are kept saw it; empty without nights.

    Parameters
    ----------
    output
        The folder that the nights write (``output.folder`` of audit.toml), or ``None``.

    Returns
    -------
    DataFrame
        A row a finding, two of one that a letter told later: ``fingerprint``, ``rule``, ``operator_id`` str;
        ``told`` bool; ``entry``, ``least``, ``most`` float64 (days since it was first seen: when it began to
        be watched in that group; the last night that found it; the first that did not, or `least` again);
        ``fixed`` bool: it is gone, and neither unknown nor accepted. Only its first disappearance counts, and
        only the last letter to an operator, which is all that is kept. Nights whose inputs are in doubt do
        not count.
    """
    if output is None:
        return frame_of((), _TIMES)
    letters = read_letters(Path(output)).values()
    letter = {key: asked_instant(sent["sent_on"]) for sent in letters for key in sent["told"]}
    watched: dict[str, dict[str, Any]] = {}
    newest = islice(audited_runs(runs_in(Path(output))[::-1]), NIGHTS)
    for folder, at in sorted(newest, key=lambda run: (run[1], run[0].name)):
        if is_well(folder):
            _watch(watched, folder, at)
    rows = []
    for key, seen in watched.items():
        first, entry, last, gone = (seen[name] for name in ("first", "entry", "last", "gone"))
        end, keys = gone or last, (key, seen["rule"], seen["operator_id"])
        told = min(letter.get(key, end), end)
        if told > entry or key not in letter:
            cut = told < end
            times = (_days(first, entry), _days(first, told if cut else last), _days(first, told))
            rows.append((*keys, False, *times, bool(gone) and not cut))
        if key in letter and end > told:
            begun = max(told, entry)
            times = (_days(first, begun), _days(first, max(last, begun)), _days(first, end))
            rows.append((*keys, True, *times, bool(gone)))
    return frame_of(rows, _TIMES)


def _watch(watched: dict[str, dict[str, Any]], folder: Path, at: datetime) -> None:
    """Note what a night found of findings that are watched, and which are new to it."""
    made = json.loads((folder / "audit.json").read_bytes())
    states, since = states_in(made), made["told"]["first_seen"]
    for finding, first in zip(made["results"]["findings"], since, strict=True):
        key = finding["fingerprint"]
        if states[key] == "open" and key not in watched:
            begun = min(parse_instant(first), at)
            fields = {name: finding.get(name) or "" for name in ("rule", "operator_id")}
            watched[key] = {**fields, "first": begun, "entry": at, "last": at, "gone": None, "over": False}
    for key, seen in watched.items():
        if not seen["over"] and seen["entry"] < at:
            state = states.get(key, "fixed")
            if state == "open":
                seen["last"] = at
            elif state != "unknown":
                seen |= {"over": True, "gone": at if state == "fixed" else None}


def still_open(times: pd.DataFrame) -> pd.DataFrame:
    """Return the share of findings still open after so many days, with intervals.

    Parameters
    ----------
    times
        As `times_to_fix` returns it, or part of it.

    Returns
    -------
    DataFrame
        As `mssante_audit.archive.lifetimes.survival` has it.
    """
    return survival(*(times[name].tolist() for name in ("least", "most", "fixed", "entry")))


def fixed_by(times: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return counts and median days of findings told and not told, by ``rule`` or ``operator_id``.

    Returns
    -------
    DataFrame
        ``by``; ``told`` bool; ``findings``, ``fixed`` int64; ``least``, ``most`` float64: days after which
        half are fixed, as the nights bound it; NaN where fewer than `FEWEST` were fixed, or never half.
    """
    rows = []
    for (name, told), group in times.groupby([by, "told"], sort=True):
        fixed, curve = int(group["fixed"].sum()), still_open(group)
        halves = (curve.loc[curve[bound] <= 0.5, "day"].min() for bound in ("early", "late"))
        rows.append((name, told, len(group), fixed, *(n if fixed >= FEWEST else np.nan for n in halves)))
    counts = {"told": "bool", "findings": "int64", "fixed": "int64"}
    return frame_of(rows, {by: "str"} | counts | {"least": "float64", "most": "float64"})


def _days(since: datetime, at: datetime) -> float:
    return (at - since).total_seconds() / 86_400
