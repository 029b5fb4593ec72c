"""What a night leaves in the output folder, and how it is read again.

``state/run.json`` is the last run, ``state/log.jsonl`` the log of all; in ``runs/<stamp>/`` lie the run's own
``run.json``, ``log.txt`` and ``steps/*.json``; ``site`` is a link to the site of one of them. The process
that supervises a night imports this, and no room that takes pandas: it lives as long as each step.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from mssante_audit.base import export
from mssante_audit.base.errors import InputError
from mssante_audit.base.inputs import LIST, State
from mssante_audit.base.instants import stamp_of, stamped
from mssante_audit.base.reading import MB, parse_json, read_bytes
from mssante_audit.base.state import read_state, state_bytes
from mssante_audit.nightly.config import Config, Deadlines, Severity

RUNS, STATE, SITE, LOG, RUN = "runs", "state", "site", "log.jsonl", "run.json"
SUMMARY = "summary.txt"  # the mail of a run, as text
SNAPSHOT = "snapshot"  # folder of a run with what every later step reads
STEPS = tuple(name for name in Deadlines.model_fields if name != "package")  # in order
MOST = 64 * MB  # bytes of a file that a night left about itself
ANEW = "Remove it: the next run writes it anew"
FAILED = 3  # exit status from which a run is a failure
# Name of a run's folder: when it began
_Stamp = Annotated[str, AfterValidator(lambda text: text and stamp_of(stamped(text)))]


class Result(BaseModel, frozen=True):
    """What became of a step; ``skipped``: what it needs failed; ``waiting``: in a mail made early."""

    step: str
    outcome: Literal["done", "failed", "skipped", "off", "waiting"]
    message: str = ""  # what it did, or why it failed, in one line that names no person
    why: Mapping[str, Any] = {}  # the same for any language: a ``code``, the ``file`` and ``line`` concerned
    seconds: float = 0.0
    facts: Mapping[str, Any] = {}  # what later steps and the mail need, as JSON types
    inputs: tuple[State, ...] = ()  # as an audit found them, even if it failed then

    @property
    def undone(self) -> bool:
        """Whether the step was to be done and was not."""
        return self.outcome in ("failed", "skipped")

    @property
    def doubted_list(self) -> State | None:
        """The state of the list, if the audit found that it is not to be relied on."""
        return next((state for state in self.inputs if state.name == LIST and state.doubtful), None)

    @property
    def list_date(self) -> str | None:
        """When the list in doubt was generated: the one published now, or else the one audited."""
        audited = self.facts.get("list", {}).get("generated_at")
        return self.doubted_list.why.get("listed", audited) if self.doubted_list else None


class Run(BaseModel, frozen=True):
    """A run as ``run.json`` has it; what became of it is empty until it has ended."""

    stamp: Annotated[_Stamp, Field(min_length=1)]
    as_of: str = ""  # instant audited at (ISO 8601)
    asked: str = ""  # the one asked for on the command line, "" if none
    settings: str = ""  # hash of the settings and of the program's version
    status: Literal["running", "finished", "abandoned"] = "running"  # running: or killed
    exit_status: int | None = None
    good: _Stamp = ""  # the last run that ended below `FAILED`, maybe this one
    kind: Literal["mssante-audit run"] = "mssante-audit run"
    version: Literal[1] = 1
    arrives: Mapping[str, int] = {}
    order: Mapping[str, int] = {}
    inputs: Sequence[Mapping[str, Any]] = ()
    steps: Sequence[Result] = ()


@dataclass(slots=True)
class Night:
    """What a run is to do, which its steps are told, and what became of it so far or at its end."""

    config: Config
    folder: Path  # the run's, ``runs/<stamp>`` of the output folder
    as_of: str
    results: dict[str, Result] = field(default_factory=dict)  # by step, in order
    resumed: bool = False
    reminders: Sequence[str] = ()  # operators to remind of a letter
    good_before: str = ""  # the last run before that ended below `FAILED`
    debug: bool = False
    seen: list[State] = field(default_factory=list)  # states of inputs, while the audit goes on

    @property
    def output(self) -> Path:
        """The output folder."""
        return self.folder.parents[1]

    @property
    def state(self) -> Path:
        """The folder of what runs remember."""
        return self.output / STATE

    @property
    def lang(self) -> str:
        """The language of the mail."""
        return self.config.mail.lang or self.config.lang

    @property
    def inputs(self) -> tuple[State, ...]:
        """The state of each input."""
        return self.results["audit"].inputs

    @property
    def audited(self) -> Mapping[str, Any]:
        """What the audit found, for readers (`mssante_audit.nightly.facts`); empty if it failed."""
        return self.results["audit"].facts

    @property
    def exit_status(self) -> int:
        """The worst of what is so: 4, 3 or 1 as docs/schedule.md says, else 0; no hook changes it."""
        if any(state.doubtful for state in self.inputs):
            return 4
        # A rule that failed costs nothing else, but what it should have checked is unknown.
        undone = any(result.undone for step, result in self.results.items() if step != "hooks")
        if undone or self.audited.get("failed_rules"):
            return FAILED
        config, severities = self.config, get_args(Severity)
        for least, counts in ((config.fail_on, "by_severity"), (config.fail_on_new, "new_by_severity")):
            severe = severities[severities.index(least) :] if least != "never" else ()
            if any(self.audited.get(counts, {}).get(severity) for severity in severe):
                return 1
        return 0

    @property
    def good(self) -> str:
        """The last run that ended below `FAILED`, maybe this one."""
        return self.folder.name if self.exit_status < FAILED else self.good_before


def read_run(folder: Path) -> Run | None:
    """Return the run in a folder named by its stamp, ``None`` if it is a link or none of ours."""
    file = folder / RUN
    if folder.is_symlink() or file.is_symlink() or not file.is_file():
        return None
    with suppress(InputError):
        run = _run_in(file)
        return run if run.stamp == folder.name else None
    return None


def runs_in(output: Path) -> list[Path]:
    """Return the folders that are named as runs are, oldest first, without reading one of them."""
    folder = output / RUNS
    entries = folder.iterdir() if folder.is_dir() and not folder.is_symlink() else ()
    named = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z")
    return sorted(run for run in entries if named.fullmatch(run.name) and not run.is_symlink())


def files_of(run: Path) -> dict[tuple[int, int], int]:
    """Return the bytes of each file of a run, by what it is on the disk: a file that is linked is one."""
    stats = [path.lstat() for path in run.rglob("*") if not path.is_dir()]
    return {(stat.st_dev, stat.st_ino): stat.st_size for stat in stats}


def read_last(output: Path) -> Run | None:
    """Return the last run, ``None`` if none; one unread, changed or of another version is an `InputError`."""
    file = output / STATE / RUN
    if not os.path.lexists(file):
        return None
    run = _run_in(file)
    read_state(file, run.version, remedy=ANEW)  # which tells whether it was changed
    return run


def _run_in(file: Path) -> Run:
    try:
        return Run.model_validate_json(read_bytes(file, MOST))
    except InputError as error:
        raise error.within(InputError, str(file), ANEW) from None
    except ValidationError as error:
        if any(fault["loc"] == ("version",) for fault in error.errors()):
            remedy = "Use that version, or another output folder"
            raise InputError("was written by another version", file=str(file), remedy=remedy) from None
    raise InputError("cannot be read", file=str(file), remedy=ANEW)


def write_run(folder: Path, run: Run) -> None:
    """Write a run down in its folder, and as the last one."""
    content = state_bytes(run.version, run.model_dump(exclude={"version"}))
    # The folder's own last: until it says that the run has ended, the next start goes on with it.
    for file in (folder.parents[1] / STATE / RUN, folder / RUN):
        export.write_bytes(file, content)
        export.sync_folder(file.parent)


def draft_of(step: str) -> str:
    """Return the name of the result that a step's process writes, and the run checks."""
    return f".{step}"


def read_result(folder: Path, name: str) -> Result | None:
    """Return what became of a step of the run in `folder`, ``None`` if it did not come to it."""
    try:
        return Result.model_validate_json(read_bytes(folder / "steps" / f"{name}.json", MOST))
    except (InputError, ValidationError):
        return None


def read_audit(folder: Path) -> dict[str, Any]:
    """Return what the audit of the run in `folder` found, compared with the run before."""
    file = folder / "audit.json"
    return dict(parse_json(file.read_bytes(), str(file)))


def shown_run(output: Path) -> str:
    """Return the stamp of the run that the site shows, "" if there is none."""
    try:
        parts = Path(os.readlink(output / SITE)).parts
    except OSError:
        return ""
    return parts[1] if len(parts) == 3 and parts[0] == RUNS else ""


def good_run(output: Path) -> Path | None:
    """Return the run whose site is shown, under a notice or not; ``None`` if its list was in doubt, too."""
    run_name = shown_run(output)
    result = read_result(output / RUNS / run_name, "site") if run_name else None
    run = output / RUNS / str(result.facts.get("of", run_name) if result else run_name)
    audited = read_result(run, "audit")
    well = read_run(run) and not (audited and audited.doubted_list)
    return run if well and (run / SITE / "index.html").is_file() else None


def write_result(folder: Path, name: str, result: Result) -> None:
    """Write what became of a step, as `read_result` reads it."""
    export.write_bytes(folder / "steps" / f"{name}.json", export.json_bytes(result.model_dump()))


def note_result(folder: Path, result: Result) -> None:
    """Write into both logs what became of a step."""
    facts = {name: getattr(result, name) for name in ("outcome", "seconds", "message")}
    note(folder, result.step, f"{result.outcome:8} {result.seconds:8.1f} s  {result.message}", **facts)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def note(folder: Path, event: str, what: str = "", **facts: Any) -> None:
    """Write an event of a run into both logs, `what` to read, `facts` for machines; else an `OutputError`."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    record = {"at": at, "run": folder.name, "event": event, **facts, "what": what}
    export.append_line(folder.parents[1] / STATE / LOG, json.dumps(record, ensure_ascii=True))
    plain = "".join(c if c.isprintable() else " " for c in what)
    export.append_line(folder / "log.txt", f"{at}  {event:10} {plain}".rstrip())
