"""Letters that went out to operators: what of each is fixed, open or unknown since, and how fast.

Findings told and not told are two groups that nobody drew lots for: a comparison, not an effect. A finding
counts among those not told until the day of its letter, and among those told from then on (delayed entry),
else who was told would seem slow.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mssante_audit.archive.lifetimes import survival
from mssante_audit.base.errors import InputError
from mssante_audit.base.frames import frame_of
from mssante_audit.base.instants import SKEW, asked_instant, paris_day, parse_instant, stamped
from mssante_audit.base.staging import exclusive
from mssante_audit.base.state import read_state, write_state
from mssante_audit.dossiers.facts import dossier
from mssante_audit.nightly.config import Config
from mssante_audit.nightly.night import SNAPSHOT, STATE, read_audit, read_result, read_run, runs_in
from mssante_audit.report.results import open_space, select_operator

FILE, VERSION = "letters.json", 1
FEWEST = 10  # findings fixed in a group, below which it is counted and no time is given
NIGHTS = 366  # the newest that are read: what was open before is watched from the first of these on
Audited = tuple[Path, datetime]  # the folder of a run, and the instant that it audited at
Spell = tuple[bool, bool, datetime, datetime, datetime]  # told, fixed, entry, least, most (`times_to_fix`)
_TIMES = {
    "fingerprint": "str", "rule": "str", "operator_id": "str", "told": "bool", "fixed": "bool",
    "entry": "float64", "least": "float64", "most": "float64",
}  # fmt: skip


def read_letters(output: Path) -> dict[str, Mapping[str, Any]]:
    """Return of each operator written to the last letter: ``sent_on``, its ``run``, fingerprints ``told``."""
    return dict((read_state(output / STATE / FILE, VERSION, "letters") or {"letters": {}})["letters"])


def note_sent(config: Config, operator: str, on: str | None = None) -> tuple[str, Mapping[str, Any]]:
    """Note that the letter of a dossier went out, with the findings it told; return to whom, and what.

    `on` is the day (ISO 8601), today in Paris if ``None``: it told what the last run until then had found. It
    is an `AuditError` if the day is to come, there is no run or no such operator in its list, or a run is at
    work.
    """
    day = paris_day() if on is None else asked_instant(on).date()
    if day > paris_day():
        raise InputError("{} is to come", repr(on), remedy="Note a letter when it has gone out")
    output, folders = config.output.folder, runs_in(config.output.folder)
    day_end = datetime.combine(day, time.max, UTC)
    run, _ = _last(_audited(folders[::-1]), day_end) or next(_audited(folders), (None, None))
    if run is None:
        raise InputError("no run has ended here", file=str(output), remedy="`mssante-audit run` does one")
    space = open_space(data=str(run / SNAPSHOT))
    operator_id = select_operator(space, operator) or ""
    fingerprints = [finding["fingerprint"] for finding in dossier(space, operator_id).todo]
    letter = {"sent_on": day.isoformat(), "run": run.name, "told": fingerprints}
    with exclusive(output, "a run is at work here"):
        letters = read_letters(output) | {operator_id: letter}
        write_state(output / STATE / FILE, VERSION, {"letters": letters})
    return operator_id, letter


def standings(config: Config, as_of: str | None = None) -> list[dict[str, Any]]:
    """Return what became of the last letter to each operator, by the last run whose inputs are well.

    That is ``operator_id``, ``sent_on``, the number of findings ``told``, of these ``fixed``, ``open`` and
    ``unknown``, and ``due``: whether to remind, since it is long ago and something is still open.
    `as_of` is the instant to count days to, and to look no later than (ISO 8601), the last run's if ``None``.
    """
    return [row for row, _ in _standings(config, as_of)]


def reminders(config: Config, as_of: str, current: Path) -> dict[str, tuple[str, dict[str, str]]]:
    """Return of each operator to remind the day of the last letter, and how what it told stands now.

    That is by `current`, a run that has not ended, or if it has no audit by the last whose inputs are well.
    """
    rows = [(row, standing) for row, standing in _standings(config, as_of, current) if row["due"]]
    if rows and (current / "audit.json").is_file():
        states = states_in(read_audit(current))
        rows = [(row, {key: states.get(key, "fixed") for key in standing}) for row, standing in rows]
    return {row["operator_id"]: (row["sent_on"], standing) for row, standing in rows}


def _standings(
    config: Config, as_of: str | None, current: Path | None = None
) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Yield the `standings`, each with how every finding told stands, by its fingerprint."""
    letters, folders = read_letters(config.output.folder), runs_in(config.output.folder)[::-1]
    last = _last(_audited(folders, current)) if letters and as_of is None else None
    now = last[1] if last else asked_instant(as_of)
    well = _last(_audited(folders, current, well=True), now) if letters else None
    states = states_in(read_audit(well[0])) if well else {}
    for operator_id, letter in sorted(letters.items()):
        standing = {key: states.get(key, "fixed" if well else "unknown") for key in letter["told"]}
        counts = Counter(standing.values())
        days = (now.date() - date.fromisoformat(letter["sent_on"])).days
        yield {
            "operator_id": operator_id, "sent_on": letter["sent_on"], "told": len(letter["told"]),
            **{state: counts[state] for state in ("fixed", "open", "unknown")},
            "due": days >= config.letter.remind_after_days and counts["open"] > 0,
        }, standing  # fmt: skip


def _last(runs: Iterable[Audited], until: datetime | None = None) -> Audited | None:
    """Return the run audited at the last instant until then; of `runs`, no more are read than could be."""
    last = None
    for folder, at in runs:
        if last and stamped(folder.name) + SKEW < last[1]:
            break
        if (until is None or at <= until) and (last is None or at > last[1]):
            last = folder, at
    return last


def _audited(
    folders: Iterable[Path], current: Path | None = None, *, well: bool = False
) -> Iterator[Audited]:
    """Yield audited runs that have ended, or are `current`, with the instants; `well`: with no doubt."""
    for folder in folders:
        run, audited = read_run(folder), read_result(folder, "audit")
        if run and audited and audited.outcome == "done" and (folder / "audit.json").is_file():
            ended = run.status == "finished" or folder == current
            if ended and not (well and any(state.doubtful for state in audited.inputs)):
                yield folder, parse_instant(run.as_of)


def states_in(audit: Mapping[str, Any]) -> dict[str, str]:
    """Return by fingerprint what is open, unknown or accepted in a run's audit; all else is fixed."""
    findings, compared = audit["results"]["findings"], audit["told"]
    states = {finding["fingerprint"]: "accepted" for finding in audit["waived"]}
    states |= {note["fingerprint"]: "unknown" for note in compared["unknown"]}
    for finding, status in zip(findings, compared["status"], strict=True):
        states[finding["fingerprint"]] = "unknown" if status == "unknown" else "open"
    return states


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
    told_at = {key: asked_instant(letter["sent_on"]) for letter in letters for key in letter["told"]}
    nights: list[tuple[datetime, dict[str, str]]] = []
    watched: dict[str, tuple[Any, ...]] = {}
    newest = islice(_audited(runs_in(Path(output))[::-1], well=True), NIGHTS)
    for at, folder in sorted((at, folder) for folder, at in newest):
        audit = read_audit(folder)
        nights.append((at, states := states_in(audit)))
        for finding, first in zip(audit["results"]["findings"], audit["told"]["first_seen"], strict=True):
            key = finding["fingerprint"]
            if states[key] == "open" and key not in watched:
                names = (finding.get("rule") or "", finding.get("operator_id") or "")
                watched[key] = (*names, min(parse_instant(first), at), at)
    rows: list[tuple[Any, ...]] = []
    for key, (rule, operator_id, first, entry) in watched.items():
        later = [(at, states.get(key, "fixed")) for at, states in nights if at > entry]
        for *group, begun, least, most in _spells(later, entry, told_at.get(key)):
            days = ((at - first) / timedelta(1) for at in (begun, least, most))
            rows.append((key, rule, operator_id, *group, *days))
    return frame_of(rows, _TIMES)


def _spells(
    later: Sequence[tuple[datetime, str]], entry: datetime, letter: datetime | None
) -> Iterator[Spell]:
    """Yield how a finding, watched from `entry` on, fared before a letter told it, and from then on."""
    over, state = next(((at, state) for at, state in later if state in ("fixed", "accepted")), (None, ""))
    last = max((at for at, state in later if state == "open" and not (over and at > over)), default=entry)
    fixed = state == "fixed"
    end = over if over and fixed else last
    turn = min(letter, end) if letter else end
    if turn > entry or not letter:
        yield False, fixed and turn == end, entry, turn if turn < end else last, turn
    if letter and end > turn:
        begun = max(turn, entry)
        yield True, fixed, begun, max(last, begun), end


def fixed_by(times: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return counts and median days of findings told and not told, by ``rule`` or ``operator_id``.

    The frame has `by`; ``told`` bool; ``findings``, ``fixed`` int64; ``least``, ``most`` float64: days after
    which half are fixed, as the nights bound it; NaN where fewer than `FEWEST` were fixed, or never half.
    """
    rows = []
    for (name, by_letter), group in times.groupby([by, "told"], sort=True):
        curve = survival(*(group[column].tolist() for column in ("least", "most", "fixed", "entry")))
        halves = (curve.loc[curve[bound] <= 0.5, "day"].min() for bound in ("early", "late"))
        fixed = int(group["fixed"].sum())
        rows.append((name, by_letter, len(group), fixed, *(n if fixed >= FEWEST else np.nan for n in halves)))
    counts = {"told": "bool", "findings": "int64", "fixed": "int64"}
    return frame_of(rows, {by: "str"} | counts | {"least": "float64", "most": "float64"})
