"""The nightly run: its steps one after the other, and its end.

The next start goes on with a run that was killed at any instant: steps that were done are not done again.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from mssante_audit.base import export
from mssante_audit.base.digest import digest
from mssante_audit.base.instants import SKEW, asked_instant, stamp_of
from mssante_audit.base.resources import SAMPLE_AS_OF, is_sample
from mssante_audit.base.staging import exclusive
from mssante_audit.nightly import night
from mssante_audit.nightly.config import Config
from mssante_audit.nightly.night import RUNS, SITE, STATE, STEPS, Night, Result, Run, note
from mssante_audit.nightly.supervise import supervise

RESUMED = timedelta(hours=12)  # how old a run may be to go on with: meanwhile the data have changed
NEWEST = 50  # runs that may have been killed: each start looks at what earlier ones left

Progress = Callable[[str], None]
Perform = Callable[[str, Night], Result]


def run(
    config: Config,
    *,
    as_of: str = "",
    progress: Progress = lambda _: None,
    debug: bool = False,
    perform: Perform = supervise,
) -> Night:
    """Do a nightly run, or go on with one that was killed.

    `config` has passed `mssante_audit.nightly.faults.check`; `as_of` is the instant to audit at (ISO 8601),
    "" for the run's own beginning, or the sample's day; `progress` is called with a line when a step begins
    and ends; `debug` keeps tracebacks, which may hold unmasked values; `perform` does a step, in a process of
    its own unless given. What another version left is an `InputError`; an output folder that cannot be
    written, or where another run is at work, an `OutputError`.
    """
    with exclusive(config.output.folder, "another run is at work here"):
        folder, head, resumed = _begin(config, as_of)
        waiting = {step: Result(step=step, outcome="waiting") for step in (*STEPS, "retention", "hooks")}
        tonight = Night(config, folder, head.as_of, waiting, resumed, good_before=head.good, debug=debug)
        for step in STEPS:
            tonight.results[step] = _step(step, tonight, progress, perform)
        from mssante_audit.nightly.end import end  # now: while steps are at work its rooms would take memory

        end(tonight, head)
        return tonight


def _begin(config: Config, asked: str) -> tuple[Path, Run, bool]:
    """Return the folder and head of the run to do, and whether an earlier start had begun it."""
    output, now = config.output.folder, datetime.now(UTC)
    runs, last = output / RUNS, night.read_last(output)
    # Settings and output that were moved together are the same.
    settings = config.model_dump_json().replace(str(output.parent), "")
    settings = digest(settings + version("mssante-audit"))
    for folder in (output / STATE, runs):
        folder.mkdir(exist_ok=True)
        _tidy(folder)
    for folder in night.runs_in(output)[-NEWEST:]:
        head = night.read_run(folder)
        if not head or head.status != "running":
            continue
        _tidy(folder)
        recent = stamp_of(now - RESUMED) <= head.stamp <= stamp_of(now + SKEW)
        if recent and (head.settings, head.asked) == (settings, asked):
            note(folder, "resume", "goes on")
            return folder, head, True
        note(folder, "abandon", "too old to go on with, other settings or version, or the clock went back")
        night.write_run(folder, head.model_copy(update={"status": "abandoned"}))
    while (runs / stamp_of(now)).exists():
        time.sleep(0.1)
        now = datetime.now(UTC)
    folder = runs / stamp_of(now)
    at = asked or (SAMPLE_AS_OF if is_sample(config.data.folder) else now)
    as_of = asked_instant(at).isoformat(timespec="seconds")
    head = Run(stamp=folder.name, as_of=as_of, asked=asked, settings=settings, good=last.good if last else "")
    draft = runs / ".new"  # a folder there that is no run would stay for ever
    (draft / "steps").mkdir(parents=True)
    night.write_run(draft, head)
    draft.rename(folder)
    export.sync_folder(runs)
    note(folder, "start", f"as of {as_of}", as_of=as_of, settings=settings)
    return folder, head, False


def _tidy(folder: Path) -> None:
    """Remove the drafts that a killed run left in a folder or in ``steps`` there."""
    for pattern in (".*.tmp", "steps/.*", ".new", f".{SITE}", f".{night.SNAPSHOT}-*"):
        for draft in folder.glob(pattern):
            night.remove(draft)


def _step(step: str, tonight: Night, progress: Progress, perform: Perform) -> Result:
    earlier = night.read_result(tonight.folder, step)
    if earlier and earlier.outcome in ("done", "off"):
        return earlier
    audited = tonight.results["audit"]
    last_good = audited.doubted_list and night.good_run(tonight.output)
    if not getattr(getattr(tonight.config, step, None), "enabled", True):
        result = Result(step=step, outcome="off")
    elif step == "site" and audited.outcome != "done" and not last_good:
        result = Result(step=step, outcome="skipped", message="audit failed", why={"code": "audit"})
    else:
        progress(f"{step} …")
        result = perform(step, tonight)
    night.write_result(tonight.folder, step, result)
    night.note_result(tonight.folder, result)
    if step == "audit" and (tonight.folder / night.SUMMARY).exists():
        note(tonight.folder, "mail", "ready, what is still to come left out")
    progress(f"{step} {result.outcome} {result.message}")
    return result
