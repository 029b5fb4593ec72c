"""What a nightly run writes down about itself: its steps, its log, its state.

In the output folder (`mssante_audit.nightly.run` has the whole of it)::

    state/log.jsonl             one JSON record for every event of every run
    state/run.json              the last run, as runs/<stamp>/run.json has it
    runs/<stamp>/run.json       what makes the folder a run: stamp, settings' hash, state, steps
    runs/<stamp>/inputs.json    the state of each input
    runs/<stamp>/log.txt        the events of this run, to read
    runs/<stamp>/steps/*.json   what became of each step; one that was done is not done again
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mssante_audit.base.export import append_line, json_bytes, write_bytes
from mssante_audit.space.states import State

KIND = "mssante-audit run"
"""Stands in each run's ``run.json``."""
RUNS, STATE, SITE, LOG, RUN, INPUTS = "runs", "state", "site", "log.jsonl", "run.json", "inputs.json"
FAILED = 3
"""Exit status from which a run is a failure."""
_TIME = "%Y-%m-%dT%H%M%SZ"
"""Name of a run's folder: when it began (UTC)."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a step."""

    step: str
    outcome: str
    """``done``; ``failed``; ``skipped`` (what it needs failed); ``off`` (not asked for);
    ``waiting``: in a mail that is ready before the run has ended."""
    message: str = ""
    """What it did, or why it failed, in one line that names no person."""
    seconds: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What later steps and the summary need, as JSON types."""

    @property
    def settled(self) -> bool:
        """Whether a run that is started again goes past this step."""
        return self.outcome in ("done", "off")


@dataclass(frozen=True, slots=True)
class Run:
    """The head of a run: which one it is, and how far it came."""

    stamp: str
    as_of: str
    """Instant audited at (ISO 8601)."""
    asked: str
    """Instant asked for on the command line, "" if none."""
    settings: str
    """Hash of the settings and of the program's version."""
    status: str = "running"
    """``running`` (or killed); ``finished``; ``abandoned``: killed, and too old to go on with."""
    exit_status: int | None = None
    good: str = ""
    """Stamp of the last run that ended below `FAILED`, maybe this one; "" if there is none."""
    kind: str = KIND


def stamp_of(instant: datetime) -> str:
    """Return the name of a run that begins at `instant`.

    >>> stamp_of(datetime(2026, 3, 3, 6, tzinfo=UTC))
    '2026-03-03T060000Z'
    """
    return instant.astimezone(UTC).strftime(_TIME)


def began(stamp: str) -> datetime:
    """Return when a run began; a `ValueError` if `stamp` is no run's name."""
    at = datetime.strptime(stamp, _TIME).replace(tzinfo=UTC)
    if stamp_of(at) != stamp:
        raise ValueError(f"{stamp} is no run")
    return at


def read_run(folder: Path) -> Run | None:
    """Return the head of the run in a folder, ``None`` if the folder is none of ours.

    A run is a folder, not a link, named by its stamp, that holds a ``run.json`` of that same stamp.
    """
    file = folder / RUN
    if folder.is_symlink() or file.is_symlink() or not file.is_file():
        return None
    try:
        run = as_run(_read(file))
    except (TypeError, ValueError):
        return None
    return run if run.stamp == folder.name else None


def as_run(told: Mapping[str, Any]) -> Run:
    """Return the head of a run that a ``run.json`` tells; a `ValueError` or `TypeError` if it tells none."""
    run = Run(**{name: told[name] for name in Run.__dataclass_fields__ if name in told})
    began(run.stamp)
    if told.get("kind") != KIND:
        raise ValueError("is no run")
    if run.good:
        began(run.good)
    return run


def last_good(state: Path) -> str:
    """Return the stamp of the last good run, "" if there was none or it is not known."""
    try:
        return as_run(_read(state / RUN)).good
    except (TypeError, ValueError):
        return ""


def write_run(
    folder: Path,
    run: Run,
    results: Mapping[str, Result] | None = None,
    inputs: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the head of a run, with inputs and steps if it has ended, also as the last one in ``state``."""
    steps = [asdict(result) for result in (results or {}).values()]
    told = json_bytes({**asdict(run), "inputs": list(inputs), "steps": steps})
    # The folder's own last: until it says that the run has ended, the next start goes on with it.
    for file in (folder.parents[1] / STATE / RUN, folder / RUN):
        write_bytes(file, told)


def read_result(folder: Path, step: str) -> Result | None:
    """Return what became of a step of the run in `folder`, ``None`` if it did not come to it."""
    fields = _read(folder / "steps" / f"{step}.json")
    try:
        return Result(**fields) if fields.get("step") == step else None
    except TypeError:
        return None


def write_result(folder: Path, result: Result) -> None:
    """Write what became of a step."""
    write_bytes(folder / "steps" / f"{result.step}.json", json_bytes(asdict(result)))


def read_inputs(folder: Path) -> tuple[State, ...]:
    """Return the states of its inputs that a run found, none if it did not come to it."""
    try:
        return tuple(State(**told) for told in json.loads((folder / INPUTS).read_bytes()))
    except (OSError, ValueError, TypeError):
        return ()


def write_inputs(folder: Path, inputs: Sequence[State]) -> None:
    """Write the states of its inputs that a run found."""
    write_bytes(folder / INPUTS, json_bytes([asdict(one) for one in inputs]))


def note_result(folder: Path, result: Result) -> None:
    """Write into both logs what became of a step."""
    told = {name: getattr(result, name) for name in ("outcome", "seconds", "message")}
    note(folder, result.step, f"{result.outcome:8} {result.seconds:8.1f} s  {result.message}", **told)


def _read(file: Path) -> dict[str, Any]:
    try:
        fields = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return fields if isinstance(fields, dict) else {}


def note(folder: Path, event: str, what: str = "", **facts: Any) -> None:
    """Write an event of the run in `folder` into both logs: `what` to read, the same as `facts` for machines.

    It is about a step, by its name, or ``start``, ``end``, ``hook`` and so on. What cannot be written is an
    `OutputError`.
    """
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    record = {"at": at, "run": folder.name, "event": event, **facts, "what": what}
    append_line(folder.parents[1] / STATE / LOG, json.dumps(record, ensure_ascii=True))
    plain = "".join(c if c.isprintable() else " " for c in what)
    append_line(folder / "log.txt", f"{at}  {event:10} {plain}".rstrip())
