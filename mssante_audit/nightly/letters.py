"""Letters that went out to operators: what each told, and what of it is fixed, open or unknown since."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import SKEW, asked_instant, parse_instant
from mssante_audit.base.staging import exclusive
from mssante_audit.base.state import read_state, write_state
from mssante_audit.nightly.night import SNAPSHOT, STATE, began, read_result, read_run, runs_in
from mssante_audit.nightly.settings import Config

FILE, VERSION = "letters.json", 1


@dataclass(frozen=True, slots=True)
class Sent:
    """The last letter to an operator."""

    sent_on: str
    """Day (ISO 8601)."""
    run: str
    """Stamp of the run whose dossier it told."""
    told: tuple[str, ...]
    """Fingerprints of the findings in it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of the last letter to an operator; the counts are of findings that it told."""

    operator_id: str
    sent_on: str
    told: int
    fixed: int
    open: int
    unknown: int
    due: bool
    """Whether to remind: it is long ago, and something is still open."""


def read_letters(output: Path) -> dict[str, Sent]:
    """Return the last letter to each operator that was written to."""
    state = read_state(output / STATE / FILE, VERSION) or {"letters": {}}
    return {
        operator_id: Sent(**{**sent, "told": tuple(sent["told"])})
        for operator_id, sent in state["letters"].items()
    }


def note_sent(config: Config, operator: str, on: str | None = None) -> tuple[str, Sent]:
    """Note that the letter of a dossier went out, with the findings it told; return to whom, and what.

    Parameters
    ----------
    operator
        Identifier or unambiguous name.
    on
        Day it went out (ISO 8601); today if ``None``. It told what the last run until then had found.

    Raises
    ------
    InputError, UnknownNameError
        If there is no run, or no such operator in its list.
    OutputError
        If a run is at work.
    """
    from mssante_audit.dossiers.facts import dossier
    from mssante_audit.report.results import open_space, select_operator

    day = asked_instant(on).date()
    output = config.output.folder
    run, _ = _last(output, datetime.combine(day, time.max, UTC)) or next(audited_runs(output), (None, None))
    if run is None:
        remedy = "`mssante-audit run` does one"
        raise InputError("no run has ended here", file=str(output), remedy=remedy)
    space = open_space(data=str(run / SNAPSHOT))
    operator_id = select_operator(space, operator) or ""
    fingerprints = tuple(dossier(space, operator_id).todo["fingerprint"])
    with exclusive(output, "a run is at work here"):
        sent = Sent(day.isoformat(), run.name, fingerprints)
        letters = read_letters(output) | {operator_id: sent}
        kept = {name: asdict(letter) for name, letter in letters.items()}
        write_state(output / STATE / FILE, VERSION, {"letters": kept})
    return operator_id, sent


def standings(config: Config, as_of: str | None = None, current: Path | None = None) -> list[Standing]:
    """Return what became of the last letter to each operator, by the last run whose inputs are well.

    Parameters
    ----------
    as_of
        Instant to count days to, and to look no later than (ISO 8601); the last run's if ``None``.
    current
        Folder of a run that has not ended, whose audit counts too.
    """
    letters, output = read_letters(config.output.folder), config.output.folder
    if not letters:
        return []
    if as_of:
        now = asked_instant(as_of)
    else:
        now = last[1] if (last := _last(output, current=current)) else datetime.now(UTC)
    well = _last(output, now, current, is_well)
    states = states_in(json.loads((well[0] / "audit.json").read_bytes())) if well else None
    outcomes = []
    for operator_id, sent in sorted(letters.items()):
        states_now = ["unknown" if states is None else states.get(key, "fixed") for key in sent.told]
        days = (now.date() - date.fromisoformat(sent.sent_on)).days
        due = days >= config.letter.remind_after_days and "open" in states_now
        counts = {state: states_now.count(state) for state in ("fixed", "open", "unknown")}
        outcomes.append(Standing(operator_id, sent.sent_on, len(states_now), **counts, due=due))
    return outcomes


def reminders(config: Config, as_of: str, current: Path) -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """Return of each operator to remind the day of the last letter, and the fingerprints it told."""
    letters = read_letters(config.output.folder)
    due = [standing.operator_id for standing in standings(config, as_of, current) if standing.due]
    return {operator_id: (letters[operator_id].sent_on, letters[operator_id].told) for operator_id in due}


Audited = tuple[Path, datetime]
"""A run, and the instant audited at."""


def _last(
    output: Path,
    until: datetime | None = None,
    current: Path | None = None,
    wanted: Callable[[Path], bool] = lambda _: True,
) -> Audited | None:
    """Return the run audited at the last instant until then; no more are read than could be."""
    last: Audited | None = None
    for folder, at in audited_runs(output, current, newest_first=True):
        if last and began(folder.name) + SKEW < last[1]:
            break
        if (last is None or at > last[1]) and (until is None or at <= until) and wanted(folder):
            last = folder, at
    return last


def audited_runs(
    output: Path, current: Path | None = None, *, newest_first: bool = False
) -> Iterator[Audited]:
    """Yield the runs that came to an audit and have ended, or are the current one."""
    for folder in sorted(runs_in(output), reverse=newest_first):
        run, audited = read_run(folder), read_result(folder, "audit")
        ended = run is not None and (run.status == "finished" or folder == current)
        if run and ended and audited and audited.outcome == "done" and (folder / "audit.json").is_file():
            yield folder, parse_instant(run.as_of)


def is_well(run: Path) -> bool:
    """Tell whether nothing that a run audited was in doubt."""
    audited = read_result(run, "audit")
    return audited is not None and not any(state.doubtful for state in audited.inputs)


def states_in(made: Mapping[str, Any]) -> dict[str, str]:
    """Return by fingerprint what is open, unknown or accepted in what a run's audit made.

    What is not there is fixed.
    """
    findings, compared = made["results"]["findings"], made["told"]
    states = {finding["fingerprint"]: "accepted" for finding in made["waived"]}
    states |= {gone["fingerprint"]: "unknown" for gone in compared["unknown"]}
    for finding, status in zip(findings, compared["status"], strict=True):
        states[finding["fingerprint"]] = "unknown" if status == "unknown" else "open"
    return states
