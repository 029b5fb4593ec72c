"""Letters that went out to operators: what each told, and what of it is fixed, open or unknown since."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
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


def read_letters(output: Path) -> dict[str, Mapping[str, Any]]:
    """Return of each operator written to the last letter: ``sent_on``, its ``run``, fingerprints ``told``."""
    return dict((read_state(output / STATE / FILE, VERSION) or {"letters": {}})["letters"])


def note_sent(config: Config, operator: str, on: str | None = None) -> tuple[str, Mapping[str, Any]]:
    """Note that the letter of a dossier went out, with the findings it told; return to whom, and what.

    `on` is the day (ISO 8601), today if ``None``: it told what the last run until then had found. It is an
    `AuditError` if the day is to come, there is no run or no such operator in its list, or a run is at work.
    """
    from mssante_audit.dossiers.facts import dossier
    from mssante_audit.report.results import open_space, select_operator

    day = asked_instant(on).date()
    if day > datetime.now().astimezone().date():
        raise InputError("{} is to come", repr(on), remedy="Note a letter when it has gone out")
    output, day_end = config.output.folder, datetime.combine(day, time.max, UTC)
    folders = runs_in(output)
    run, _ = _last(audited_runs(folders[::-1]), day_end) or next(audited_runs(folders), (None, None))
    if run is None:
        raise InputError("no run has ended here", file=str(output), remedy="`mssante-audit run` does one")
    space = open_space(data=str(run / SNAPSHOT))
    operator_id = select_operator(space, operator) or ""
    fingerprints = dossier(space, operator_id).todo["fingerprint"].tolist()
    letter = {"sent_on": day.isoformat(), "run": run.name, "told": fingerprints}
    with exclusive(output, "a run is at work here"):
        letters = read_letters(output) | {operator_id: letter}
        write_state(output / STATE / FILE, VERSION, {"letters": letters})
    return operator_id, letter


def standings(config: Config, as_of: str | None = None, current: Path | None = None) -> list[dict[str, Any]]:
    """Return what became of the last letter to each operator, by the last run whose inputs are well.

    That is ``operator_id``, ``sent_on``, the number of findings ``told``, of these ``fixed``, ``open`` and
    ``unknown``, and ``due``: whether to remind, since it is long ago and something is still open.
    `as_of` is the instant to count days to, and to look no later than (ISO 8601), the last run's if ``None``;
    `current` the folder of a run that has not ended, whose audit counts too.
    """
    letters, folders = read_letters(config.output.folder), runs_in(config.output.folder)[::-1]
    last = _last(audited_runs(folders, current)) if letters and as_of is None else None
    now = last[1] if last else asked_instant(as_of)
    if not letters:
        return []
    well = _last(audited_runs(folders, current, well=True), now)
    states = states_in(json.loads((well[0] / "audit.json").read_bytes())) if well else {}
    outcomes = []
    for operator_id, letter in sorted(letters.items()):
        standing = Counter(states.get(key, "fixed" if well else "unknown") for key in letter["told"])
        days = (now.date() - date.fromisoformat(letter["sent_on"])).days
        outcomes.append({
            "operator_id": operator_id, "sent_on": letter["sent_on"], "told": len(letter["told"]),
            **{state: standing[state] for state in ("fixed", "open", "unknown")},
            "due": days >= config.letter.remind_after_days and standing["open"] > 0,
        })  # fmt: skip
    return outcomes


def reminders(config: Config, as_of: str, current: Path) -> dict[str, tuple[str, dict[str, str]]]:
    """Return of each operator to remind the day of the last letter, and how what it told stands now."""
    letters = read_letters(config.output.folder)
    due = [sent["operator_id"] for sent in standings(config, as_of, current) if sent["due"]]
    states = states_in(json.loads((current / "audit.json").read_bytes())) if due else {}
    told = {name: {key: states.get(key, "fixed") for key in letters[name]["told"]} for name in due}
    return {name: (letters[name]["sent_on"], told[name]) for name in due}


def _last(
    runs: Iterable[tuple[Path, datetime]], until: datetime | None = None
) -> tuple[Path, datetime] | None:
    """Return the run audited at the last instant until then; of `runs`, no more are read than could be."""
    last = None
    for folder, at in runs:
        if last and began(folder.name) + SKEW < last[1]:
            break
        if (last is None or at > last[1]) and (until is None or at <= until):
            last = folder, at
    return last


def audited_runs(
    folders: Iterable[Path], current: Path | None = None, *, well: bool = False
) -> Iterator[tuple[Path, datetime]]:
    """Yield the runs that came to an audit and have ended, or are the current one, with the instants.

    `well`: only those of which nothing that was audited was in doubt.
    """
    for folder in folders:
        run, audited = read_run(folder), read_result(folder, "audit")
        if run and audited and audited.outcome == "done" and (folder / "audit.json").is_file():
            ended = run.status == "finished" or folder == current
            if ended and not (well and any(state.doubtful for state in audited.inputs)):
                yield folder, parse_instant(run.as_of)


def states_in(made: Mapping[str, Any]) -> dict[str, str]:
    """Return by fingerprint what is open, unknown or accepted in a run's audit; all else is fixed."""
    findings, compared = made["results"]["findings"], made["told"]
    states = {finding["fingerprint"]: "accepted" for finding in made["waived"]}
    states |= {gone["fingerprint"]: "unknown" for gone in compared["unknown"]}
    for finding, status in zip(findings, compared["status"], strict=True):
        states[finding["fingerprint"]] = "unknown" if status == "unknown" else "open"
    return states
