"""How long findings take to be fixed, told to their operator by a letter or not, as the nights saw it.

Two groups that nobody drew lots for: a comparison, not an effect. A finding counts among those not told until
the day of its letter, and among those told from then on (delayed entry), else who was told would seem slow.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mssante_audit.archive.lifetimes import survival
from mssante_audit.base.frames import frame_of
from mssante_audit.base.instants import asked_instant, parse_instant
from mssante_audit.nightly.letters import audited_runs, read_letters, states_in
from mssante_audit.nightly.night import runs_in

FEWEST = 10
"""Findings fixed in a group, below which it is counted and no time is given."""
NIGHTS = 366
"""The newest nights that are read: findings that were open before are watched from the first of these on."""
_TIMES = {
    "fingerprint": "str", "rule": "str", "operator_id": "str", "told": "bool", "fixed": "bool",
    "entry": "float64", "least": "float64", "most": "float64",
}  # fmt: skip


def times_to_fix(output: str | Path | None) -> pd.DataFrame:
    """Return how long each finding was open, as the last `NIGHTS` that are kept saw it; empty without nights.

    `output` is the folder that the nights write (``output.folder`` of audit.toml), or ``None``. Only a
    finding's first disappearance counts, and only the last letter to an operator, which is all that is kept.
    Nights whose inputs are in doubt do not count.

    Returns
    -------
    DataFrame
        A row a finding, two of one that a letter told later: ``fingerprint``, ``rule``, ``operator_id`` str;
        ``told`` bool; ``fixed`` bool: it is gone, and neither unknown nor accepted; ``entry``, ``least``,
        ``most`` float64 (days since it was first seen: when it began to be watched in that group; the last
        night that found it; the first that did not, or `least` again), as `survival` takes them.
    """
    if output is None:
        return frame_of((), _TIMES)
    letters = read_letters(Path(output)).values()
    letter = {key: asked_instant(sent["sent_on"]) for sent in letters for key in sent["told"]}
    nights: list[tuple[datetime, dict[str, str]]] = []
    known: dict[str, tuple[Any, ...]] = {}
    rows: list[tuple[Any, ...]] = []
    newest = islice(audited_runs(runs_in(Path(output))[::-1], well=True), NIGHTS)
    for at, folder in sorted((at, folder) for folder, at in newest):
        made = json.loads((folder / "audit.json").read_bytes())
        nights.append((at, states := states_in(made)))
        for finding, first in zip(made["results"]["findings"], made["told"]["first_seen"], strict=True):
            if states[finding["fingerprint"]] == "open":
                of = (finding.get(name) or "" for name in ("rule", "operator_id"))
                known.setdefault(finding["fingerprint"], (min(parse_instant(first), at), at, *of))
    for key, (first, entry, *names) in known.items():
        seen = [(at, states.get(key, "fixed")) for at, states in nights if at > entry]
        over, state = next(((at, state) for at, state in seen if state in ("fixed", "accepted")), (None, ""))
        last = max((at for at, state in seen if state == "open" and not (over and at > over)), default=entry)
        end = over if over and state == "fixed" else last
        told, fixed = min(letter.get(key, end), end), state == "fixed"
        begun, until = max(told, entry), told if told < end else last
        groups = []
        if told > entry or key not in letter:
            groups.append((False, fixed and told == end, entry, until, told))
        if key in letter and end > told:
            groups.append((True, fixed, begun, max(last, begun), end))
        for of_letter, ended, *instants in groups:
            rows.append((key, *names, of_letter, ended, *((at - first) / timedelta(1) for at in instants)))
    return frame_of(rows, _TIMES)


def fixed_by(times: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return counts and median days of findings told and not told, by ``rule`` or ``operator_id``.

    The frame has `by`; ``told`` bool; ``findings``, ``fixed`` int64; ``least``, ``most`` float64: days after
    which half are fixed, as the nights bound it; NaN where fewer than `FEWEST` were fixed, or never half.
    """
    rows = []
    for (name, told), group in times.groupby([by, "told"], sort=True):
        curve = survival(*(group[name].tolist() for name in ("least", "most", "fixed", "entry")))
        halves = (curve.loc[curve[bound] <= 0.5, "day"].min() for bound in ("early", "late"))
        fixed = int(group["fixed"].sum())
        rows.append((name, told, len(group), fixed, *(n if fixed >= FEWEST else np.nan for n in halves)))
    counts = {"told": "bool", "findings": "int64", "fixed": "int64"}
    return frame_of(rows, {by: "str"} | counts | {"least": "float64", "most": "float64"})
