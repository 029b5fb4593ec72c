"""The nightly run: its steps one after the other, then retention, hooks, mail.

The next start goes on with a run that was killed at any instant: steps that were done are not done again.
The ledger and the trend change at its end, so that what nobody was notified of stays new. Retention removes
earlier runs and observations and nothing else; it never follows a link, and leaves what the site shows, the
last good run, the newest whole observation of each kind and those that answer today.
"""

import os
import shutil
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from mssante_audit.base import export
from mssante_audit.base.digest import digest
from mssante_audit.base.instants import SKEW, asked_instant
from mssante_audit.base.staging import exclusive
from mssante_audit.findings import ledger, trend
from mssante_audit.nightly import mail, night
from mssante_audit.nightly.hooks import run_hooks
from mssante_audit.nightly.letters import read_letters, standings
from mssante_audit.nightly.night import RUNS, SITE, STATE, Night, Result, Run, note, note_result, stamp_of
from mssante_audit.nightly.settings import Config, Retention
from mssante_audit.nightly.steps import STEPS, keep, supervise
from mssante_audit.observe import file as observations
from mssante_audit.space.states import worded

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
    "" for the run's own beginning; `progress` is called with a line when a step begins and ends; `debug`
    keeps tracebacks, which may hold unmasked values; `perform` does a step, in a process of its own unless
    given. What another version left is an `InputError`; an output folder that cannot be written, or where
    another run is at work, an `OutputError`.
    """
    output = config.output.folder
    with exclusive(output, "another run is at work here"):
        read_letters(output)  # one of another version is refused before anything is done
        folder, head, resumed = _begin(config, as_of)
        waiting = {step: Result(step=step, outcome="waiting") for step in (*STEPS, "retention", "hooks")}
        made = Night(config, folder, head.as_of, waiting, resumed, good_before=head.good, debug=debug)
        for step in STEPS:
            made.results[step] = _step(step, made, progress, perform)
            if step == "audit":
                for state in made.inputs:
                    if state.state != "ok":
                        note(folder, "input", f"{state.name} {state.state}: {worded(state, 'en')}")
                letters = standings(config, head.as_of, folder)
                made.reminders = tuple(letter["operator_id"] for letter in letters if letter["due"])
                mail.write_mail(made)
                note(folder, "mail", "ready, what is still to come left out")
        if made.results["site"].outcome == "done":
            _show_site(output, folder)
        for file in (ledger.FILE, trend.FILE):  # what a run changes for the next ones
            keep(folder / file, made.state)
        made.results["retention"] = retain(made)
        note_result(folder, made.results["retention"])
        run_hooks(made)
        mail.write_mail(made)
        note(folder, "end", f"exit status {made.exit_status}", exit_status=made.exit_status)
        export.write_bytes(made.state / mail.METRICS, mail.metrics(made, datetime.now(UTC)).encode())
        ended = {
            "status": "finished", "exit_status": made.exit_status, "good": made.good,
            "inputs": [state.as_json(made.lang) for state in made.inputs],
            "steps": [step.model_copy(update={"inputs": ()}) for step in made.results.values()],
            **{question: made.audited.get(question, {}) for question in ("arrives", "order")},
        }  # fmt: skip
        night.write_run(folder, head.model_copy(update=ended))
        return made


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
    as_of = (asked_instant(asked) if asked else now).isoformat(timespec="seconds")
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
    for pattern in (".*.tmp", "steps/.*.tmp", ".new", f".{SITE}", f".{night.SNAPSHOT}-*"):
        for draft in folder.glob(pattern):
            _remove(draft)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _step(step: str, made: Night, progress: Progress, perform: Perform) -> Result:
    earlier = night.read_result(made.folder, step)
    if earlier and earlier.outcome in ("done", "off"):
        return earlier
    audited = made.results["audit"]
    kept = audited.doubted_list and night.good_run(made.output)
    if not getattr(getattr(made.config, step, None), "enabled", True):
        result = Result(step=step, outcome="off")
    elif step == "site" and audited.outcome != "done" and not kept:
        result = Result(step=step, outcome="skipped", message="audit failed", why={"code": "audit"})
    else:
        progress(f"{step} …")
        result = perform(step, made)
    export.write_bytes(made.folder / "steps" / f"{step}.json", export.json_bytes(result.model_dump()))
    note_result(made.folder, result)
    progress(f"{step} {result.outcome} {result.message}")
    return result


def _show_site(output: Path, folder: Path) -> None:
    """Let ``site`` be a link to the site of the run in `folder`."""
    site, draft = output / SITE, output / f".{SITE}.new"
    os.sync()  # should the power go, the link leads to whole pages
    with export.writing(site):
        draft.unlink(missing_ok=True)
        draft.symlink_to(Path(RUNS, folder.name, SITE))
        os.replace(draft, site)
    export.sync_folder(output)


def retain(made: Night) -> Result:
    """Remove what the settings let go, but this run and the last good one."""
    begin, rules, now = time.monotonic(), made.config.retention, datetime.now(UTC)
    runs = outdated(made.output, rules, now, made.good)
    gone = {"runs": [run for run in runs if run != made.folder]}
    if (made.folder / "audit.json").exists():
        observed = night.read_audit(made.folder)["results"]["provenance"]["observed"]
        answering = [observation["file"] for observation in observed]
        gone["observations"] = outdated_observations(made.config.data.folder, rules, now, answering)
    lines, faults = [], []
    for kind, paths in gone.items():
        if paths or kind == "runs":
            names = ", ".join(path.name for path in paths)
            lines.append(f"{len(paths)} {kind} removed" + (f": {names}" if names else ""))
        for path in paths:
            try:
                remove_run(path) if kind == "runs" else path.unlink()
            except OSError as error:
                faults.append(f"{path.name}: {(error.strerror or type(error).__name__).lower()}")
    return Result(
        step="retention", outcome="failed" if faults else "done", message="; ".join([*lines, *faults]),
        seconds=round(time.monotonic() - begin, 3),
    )  # fmt: skip


def outdated(output: Path, rules: Retention, now: datetime, good: str = "") -> list[Path]:
    """Return the runs that `rules` let go, oldest first; those that a wrong clock dated after `now` first."""
    ahead = stamp_of(now + SKEW)
    runs = sorted(night.runs_in(output), key=lambda run: (run.name <= ahead, run.name), reverse=True)
    source = night.good_run(output)
    in_use = {night.shown_run(output), good, source.name if source else ""}
    always = {*runs[: rules.at_least], *(run for run in runs if run.name in in_use)}
    kept = runs[: rules.runs] if rules.runs else runs
    if rules.days:
        kept = [run for run in kept if night.began(run.name) >= now - timedelta(days=rules.days)]
    if rules.bytes:  # the newest that fit, together with those kept in any case
        counted = {file: size for run in always for file, size in night.files_of(run).items()}
        left = rules.bytes - sum(counted.values())
        for place, run in enumerate(kept):
            files = night.files_of(run)
            left -= sum(size for file, size in files.items() if file not in counted)
            counted |= files
            if left < 0:
                kept = kept[:place]
                break
    stay = {*kept, *always}
    return [run for run in reversed(runs) if run not in stay and night.read_run(run)]


def outdated_observations(
    data: Path, rules: Retention, now: datetime, answering: Collection[str]
) -> list[Path]:
    """Return the observations that `rules` let go, the oldest of each kind first, none behind a link."""
    if not rules.observation_days or (data / "observations").is_symlink():
        return []
    oldest, gone = now - timedelta(days=rules.observation_days), []
    for kind in observations.FORMS:
        files = [f for f in observations.observation_files(data, kind) if f.is_file() and not f.is_symlink()]
        begun = {file: at for file in files if (at := observations.stamp_of(file.name))}
        if old := [file for file, at in begun.items() if at < oldest and file.name not in answering]:
            whole = next(filter(observations.is_whole, reversed(begun)), None)
            gone += [file for file in old if file != whole]
    return gone


def remove_run(folder: Path) -> None:
    """Remove a run, what makes it one last: one half removed by a killed run is recognised again."""
    if night.read_run(folder):
        for entry in folder.iterdir():
            if entry.name != night.RUN:
                _remove(entry)
        shutil.rmtree(folder)
