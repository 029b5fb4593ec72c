"""The nightly run: its steps one after the other, then retention, hooks, mail.

The next start goes on with a run that was killed at any instant: steps that were done are not done again.
The ledger and the trend change at its end, so that what nobody was told of stays new. Retention removes
earlier runs and observations and nothing else; it never follows a link, and leaves what the site shows, the
last good run, the newest whole observation of each kind and those that answer today.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mssante_audit.base.digest import digest
from mssante_audit.base.export import json_bytes, sync_folder, write_bytes, writing
from mssante_audit.base.instants import SKEW, asked_instant
from mssante_audit.base.staging import exclusive
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.nightly import mail, night
from mssante_audit.nightly.hooks import run_hooks
from mssante_audit.nightly.letters import read_letters, standings
from mssante_audit.nightly.night import FAILED, RUNS, SITE, Night, Result, Run, note, note_result, stamp_of
from mssante_audit.nightly.settings import Config, Retention
from mssante_audit.nightly.steps import STEPS, Job, supervise
from mssante_audit.observe import folder as observations
from mssante_audit.space.states import worded

RESUMED = timedelta(hours=12)  # how old a run may be to go on with: meanwhile the data have changed
NEWEST = 50  # runs that may have been killed: each start looks at what earlier ones left
MEMORY = (
    "ledger.json",
    "trend.json",
)  # what a run changes for the next ones, in its own folder until its end

Tell = Callable[[str], None]
Perform = Callable[[str, Job], Result]


def run(
    config: Config,
    *,
    as_of: str = "",
    tell: Tell = lambda _: None,
    debug: bool = False,
    perform: Perform = supervise,
) -> Night:
    """Do a nightly run, or go on with one that was killed.

    `config` has passed `mssante_audit.nightly.faults.check`; `as_of` is the instant to audit at (ISO 8601),
    "" for the run's own beginning; `tell` is called with a line when a step begins and ends; `debug` keeps
    tracebacks, which may hold unmasked values; `perform` does a step, in a process of its own unless given.
    What another version left is an `InputError`; an output folder that cannot be written, or where another
    run is at work, an `OutputError`.
    """
    output = config.output.folder
    with exclusive(output, "another run is at work here"):
        read_letters(output)  # one of another version is refused before anything is done
        folder, head, resumed = _begin(config, as_of)
        job, results = Job(config, folder, head.as_of, debug), dict[str, Result]()
        due: tuple[str, ...] = ()

        def so_far() -> Night:
            waiting = {step: Result(step=step, outcome="waiting") for step in (*STEPS, "retention", "hooks")}
            status, lang = exit_status(config, results), config.mail.lang or config.lang
            return Night(
                folder, head.as_of, waiting | results, status, resumed, results["audit"].inputs, lang, due,
                config.output.site_url.rstrip("/"),
            )  # fmt: skip

        for step in STEPS:
            results[step] = _step(step, job, results, tell, perform)
            if step == "audit":
                for state in results["audit"].inputs:
                    if state.state != "ok":
                        note(folder, "input", f"{state.name} {state.state}: {worded(state, 'en')}")
                letters = standings(config, head.as_of, folder)
                due = tuple(letter["operator_id"] for letter in letters if letter["due"])
                mail.write_mail(so_far(), config.mail)
                note(folder, "mail", "ready, what is still to come left out")
        if results["site"].outcome == "done":
            site, draft = output / SITE, output / f".{SITE}.new"
            with writing(site):
                draft.unlink(missing_ok=True)
                draft.symlink_to(Path(RUNS, folder.name, SITE))
                os.replace(draft, site)
            sync_folder(output)
        for name in MEMORY:
            if (folder / name).exists():
                write_bytes(job.state / name, (folder / name).read_bytes())
        good = head.stamp if exit_status(config, results) < FAILED else head.good
        results["retention"] = retain(config, folder, good)
        note_result(folder, results["retention"])
        ended = so_far()  # whatever becomes of the hooks changes no exit status
        ended = replace(ended, results=ended.results | {"hooks": run_hooks(config, ended)})
        mail.write_mail(ended, config.mail)
        note(folder, "end", f"exit status {ended.exit_status}", exit_status=ended.exit_status)
        last = {
            "status": "finished",
            "exit_status": ended.exit_status,
            "good": head.stamp if ended.exit_status < FAILED else head.good,
            "inputs": [state.told(ended.lang) for state in ended.inputs],
            "steps": [step.model_copy(update={"inputs": ()}) for step in ended.results.values()],
        } | {name: ended.audited.get(name, {}) for name in ("arrives", "order")}
        head = head.model_copy(update=last)
        text = mail.metrics(ended, head, datetime.now(UTC))
        write_bytes(job.state / mail.METRICS, text.encode())
        night.write_run(folder, head)
        return ended


def _begin(config: Config, asked: str) -> tuple[Path, Run, bool]:
    """Return the folder and head of the run to do, and whether an earlier start had begun it."""
    output = config.output.folder
    runs, state, last = output / RUNS, output / night.STATE, night.read_last(output)
    for there in (runs, state):
        there.mkdir(exist_ok=True)
    settings = digest(json.dumps(config.said[0], sort_keys=True) + version("mssante-audit"))
    now, good = datetime.now(UTC), last.good if last else ""
    _tidy(state)
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
    shown = (asked_instant(asked) if asked else now).isoformat(timespec="seconds")
    head = Run(stamp=folder.name, as_of=shown, asked=asked, settings=settings, good=good)
    draft = runs / ".new"  # a folder there that is no run would stay for ever
    if draft.is_dir() and not draft.is_symlink():
        shutil.rmtree(draft)
    (draft / "steps").mkdir(parents=True)
    night.write_run(draft, head)
    draft.rename(folder)
    sync_folder(runs)
    note(folder, "start", f"as of {head.as_of}", as_of=head.as_of, settings=settings)
    return folder, head, False


def _tidy(folder: Path) -> None:
    """Remove the drafts that a killed run left in a folder or in ``steps`` there."""
    drafts = (".*.tmp", "steps/.*.tmp", f".{SITE}", f".{night.SNAPSHOT}-*")
    for draft in (path for pattern in drafts for path in folder.glob(pattern)):
        if draft.is_dir() and not draft.is_symlink():
            shutil.rmtree(draft)
        else:
            draft.unlink()


def _step(step: str, job: Job, results: Mapping[str, Result], tell: Tell, perform: Perform) -> Result:
    earlier = night.read_result(job.folder, step)
    if earlier and earlier.outcome in ("done", "off"):
        return earlier
    audited = results.get("audit")
    kept = night.doubted_list(audited) and night.good_run(job.config.output.folder)
    if not getattr(getattr(job.config, step, None), "enabled", True):
        result = Result(step=step, outcome="off")
    elif step == "site" and audited and audited.outcome != "done" and not kept:
        result = Result(step=step, outcome="skipped", message="audit failed", why={"code": "audit"})
    else:
        tell(f"{step} …")
        result = perform(step, job)
    write_bytes(job.folder / "steps" / f"{step}.json", json_bytes(result.model_dump()))
    note_result(job.folder, result)
    tell(f"{step} {result.outcome} {result.message}")
    return result


def exit_status(config: Config, results: Mapping[str, Result]) -> int:
    """Return the exit status that results, and the inputs that the audit found, ask for."""
    if any(state.doubtful for state in results["audit"].inputs):
        return 4
    found: Mapping[str, Any] = results["audit"].facts
    # A rule that failed costs nothing else, but what it should have checked is unknown.
    if found.get("failed_rules") or any(r.outcome in ("failed", "skipped") for r in results.values()):
        return FAILED
    for least, counts in ((config.fail_on, "by_severity"), (config.fail_on_new, "new_by_severity")):
        severe = SEVERITIES[SEVERITIES.index(least) :] if least != "never" else ()
        if any(found.get(counts, {}).get(severity) for severity in severe):
            return 1
    return 0


def retain(config: Config, folder: Path, good: str) -> Result:
    """Remove what the settings let go, but the run in `folder` and the last good one, by its stamp."""
    begin, rules, now = time.monotonic(), config.retention, datetime.now(UTC)
    gone = {"runs": [run for run in outdated(config.output.folder, rules, now, good) if run != folder]}
    if (audited := folder / "audit.json").exists():
        observed = json.loads(audited.read_bytes())["results"]["provenance"]["observed"]
        answering = [observation["file"] for observation in observed]
        gone["observations"] = outdated_observations(config.data.folder, rules, now, answering)
    faults = []
    for path in (path for paths in gone.values() for path in paths):
        try:
            (remove_run if path in gone["runs"] else Path.unlink)(path)
        except OSError as error:
            faults.append(f"{path.name}: {(error.strerror or type(error).__name__).lower()}")
    parts = [
        f"{len(paths)} {what} removed" + (f": {', '.join(old.name for old in paths)}" if paths else "")
        for what, paths in gone.items()
        if paths or what == "runs"
    ]
    message, took = "; ".join([*parts, *faults]), round(time.monotonic() - begin, 3)
    return Result(step="retention", outcome="failed" if faults else "done", message=message, seconds=took)


def outdated(output: Path, rules: Retention, now: datetime, good: str = "") -> list[Path]:
    """Return the runs that `rules` let go, oldest first; those that a wrong clock dated after `now` first."""
    ahead = stamp_of(now + SKEW)
    runs = sorted(night.runs_in(output), key=lambda run: (run.name <= ahead, run.name), reverse=True)
    source = night.good_run(output)
    named = {night.shown_run(output), good, source.name if source else ""}
    always = {*runs[: rules.at_least], *(run for run in runs if run.name in named)}
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
    if night.read_run(folder) is None:
        return
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != night.RUN:
            entry.unlink()
    shutil.rmtree(folder)
