"""The nightly run: its steps one after the other, then retention, hooks, mail.

The next start goes on with a run that was killed at any instant: steps that were done are not done again.
The ledger and the trend change at its end, so that what nobody was told of stays new.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
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
from mssante_audit.nightly import metrics
from mssante_audit.nightly.hooks import run_hooks
from mssante_audit.nightly.letters import read_letters, standings
from mssante_audit.nightly.mail import write_mail
from mssante_audit.nightly.night import (
    FAILED,
    RUNS,
    SITE,
    SNAPSHOT,
    STATE,
    Night,
    Result,
    Run,
    doubted_list,
    note,
    note_result,
    read_last,
    read_result,
    read_run,
    runs_in,
    stamp_of,
    write_run,
)
from mssante_audit.nightly.notice import good_run
from mssante_audit.nightly.retention import retain
from mssante_audit.nightly.settings import Config
from mssante_audit.nightly.steps import STEPS, Job, supervise
from mssante_audit.space.states import State, worded

RESUMED = timedelta(hours=12)
"""Resume interrupted runs younger than this; the data of older ones have changed meanwhile."""
NEWEST = 50
"""Runs that may have been killed: each start looks at what earlier ones left."""
MEMORY = ("ledger.json", "trend.json")
"""What a run changes for the next ones, in its own folder until its end."""

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
    with exclusive(config.output.folder, "another run is at work here"):
        read_letters(config.output.folder)  # one of another version is refused before anything is done
        folder, head, resumed = _begin(config, as_of)
        job, results = Job(config, folder, head.as_of, debug), dict[str, Result]()
        due: tuple[str, ...] = ()

        def night() -> Night:
            steps = (*STEPS, "retention", "hooks")
            waiting = {step: Result(step=step, outcome="waiting") for step in steps}
            inputs = results["audit"].inputs
            status = exit_status(config, results, inputs)
            return Night(
                folder, head.as_of, waiting | results, status, resumed, inputs, config.summary_lang, due,
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
                write_mail(night(), config.mail)
                note(folder, "mail", "ready, what is still to come left out")
        if results["site"].outcome == "done":
            site = config.output.folder / SITE
            draft = site.with_name(f".{SITE}.new")
            with writing(site):
                draft.unlink(missing_ok=True)
                draft.symlink_to(Path(RUNS, folder.name, SITE))
                os.replace(draft, site)
            sync_folder(site.parent)
        for name in MEMORY:
            if (folder / name).exists():
                write_bytes(job.state / name, (folder / name).read_bytes())
        well = exit_status(config, results, results["audit"].inputs) < FAILED
        results["retention"] = retain(config, folder, head.stamp if well else head.good)
        note_result(folder, results["retention"])
        ended = night()  # whatever becomes of the hooks changes no exit status
        ended = replace(ended, results=ended.results | {"hooks": run_hooks(config, ended)})
        write_mail(ended, config.mail)
        note(folder, "end", f"exit status {ended.exit_status}", exit_status=ended.exit_status)
        last = {
            "status": "finished",
            "exit_status": ended.exit_status,
            "good": head.stamp if ended.exit_status < FAILED else head.good,
            "inputs": [state.told(ended.lang) for state in ended.inputs],
            "steps": [step.model_copy(update={"inputs": ()}) for step in ended.results.values()],
        } | {name: ended.audited.get(name, {}) for name in ("arrives", "order")}
        head = head.model_copy(update=last)
        text = metrics.metrics(ended, head, datetime.now(UTC))
        write_bytes(job.state / metrics.FILE, text.encode())
        write_run(folder, head)
        return ended


def _begin(config: Config, asked: str) -> tuple[Path, Run, bool]:
    """Return the folder and head of the run to do, and whether an earlier start had begun it."""
    runs, state = config.output.folder / RUNS, config.output.folder / STATE
    last = read_last(config.output.folder)
    for there in (runs, state):
        there.mkdir(exist_ok=True)
    settings = digest(json.dumps(config.values, sort_keys=True) + version("mssante-audit"))
    now, good = datetime.now(UTC), last.good if last else ""
    _tidy(state)
    for folder in runs_in(config.output.folder)[-NEWEST:]:
        head = read_run(folder)
        if not head or head.status != "running":
            continue
        _tidy(folder)
        recent = stamp_of(now - RESUMED) <= head.stamp <= stamp_of(now + SKEW)
        if recent and (head.settings, head.asked) == (settings, asked):
            note(folder, "resume", "goes on")
            return folder, head, True
        note(folder, "abandon", "too old to go on with, other settings or version, or the clock went back")
        write_run(folder, head.model_copy(update={"status": "abandoned"}))
    while (runs / stamp_of(now)).exists():
        time.sleep(0.1)
        now = datetime.now(UTC)
    folder = runs / stamp_of(now)
    as_of = asked_instant(asked) if asked else now
    shown = as_of.isoformat(timespec="seconds")
    head = Run(stamp=folder.name, as_of=shown, asked=asked, settings=settings, good=good)
    draft = runs / ".new"  # a folder there that is no run would stay for ever
    if draft.is_dir() and not draft.is_symlink():
        shutil.rmtree(draft)
    (draft / "steps").mkdir(parents=True)
    write_run(draft, head)
    draft.rename(folder)
    sync_folder(runs)
    note(folder, "start", f"as of {head.as_of}", as_of=head.as_of, settings=settings)
    return folder, head, False


def _tidy(folder: Path) -> None:
    """Remove the drafts that a killed run left in a folder or in ``steps`` there."""
    drafts = (".*.tmp", "steps/.*.tmp", f".{SITE}", f".{SNAPSHOT}-*")
    for draft in (path for pattern in drafts for path in folder.glob(pattern)):
        if draft.is_dir() and not draft.is_symlink():
            shutil.rmtree(draft)
        else:
            draft.unlink()


def _step(step: str, job: Job, results: Mapping[str, Result], tell: Tell, perform: Perform) -> Result:
    """Return what became of a step, this time or before."""
    earlier = read_result(job.folder, step)
    if earlier and earlier.outcome in ("done", "off"):
        return earlier
    if not getattr(getattr(job.config, step, None), "enabled", True):
        result = Result(step=step, outcome="off")
    elif (
        step == "site" and results["audit"].outcome != "done"
        and not (doubted_list(results["audit"]) and good_run(job.config.output.folder))
    ):  # fmt: skip
        result = Result(step=step, outcome="skipped", message="audit failed", why={"code": "audit"})
    else:
        tell(f"{step} …")
        result = perform(step, job)
    write_bytes(job.folder / "steps" / f"{step}.json", json_bytes(result.model_dump()))
    note_result(job.folder, result)
    tell(f"{step} {result.outcome} {result.message}")
    return result


def exit_status(config: Config, results: Mapping[str, Result], inputs: Iterable[State] = ()) -> int:
    """Return the exit status that results and inputs ask for."""
    if any(state.doubtful for state in inputs):
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
