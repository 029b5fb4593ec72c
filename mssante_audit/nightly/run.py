"""The nightly run: fetch, observe, observe_tls, audit, reports, dossiers, site, retention, then hooks.

The output folder::

    site            link to the last good site (``runs/<stamp>/site``), replaced in one rename
    runs/<stamp>/   a run: findings, reports/, dossiers/, site/, its log
    state/          what runs remember: ledger.json, trend.json, run.json, log.jsonl
    .lock           held by the run at work

A run that is killed at any instant is gone on with by the next start: steps that were done are not done
again. The ledger and the trend change at its end, so that what nobody was told of stays new.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from multiprocessing.context import ForkContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import cast

from mssante_audit.base.digest import digest
from mssante_audit.base.export import json_bytes, output_error, write_bytes
from mssante_audit.base.instants import SKEW, parse_instant
from mssante_audit.base.staging import exclusive
from mssante_audit.nightly import post
from mssante_audit.nightly.hooks import kill_group, run_hooks
from mssante_audit.nightly.log import (
    FAILED,
    RUNS,
    SITE,
    STATE,
    Result,
    Run,
    last_good,
    note,
    note_result,
    read_inputs,
    read_result,
    read_run,
    stamp_of,
    write_result,
    write_run,
)
from mssante_audit.nightly.mail import message, told
from mssante_audit.nightly.metrics import FILE as METRICS
from mssante_audit.nightly.metrics import metrics
from mssante_audit.nightly.retention import outdated, outdated_observations, remove, remove_observations
from mssante_audit.nightly.settings import Config
from mssante_audit.nightly.steps import STEPS, Job, work
from mssante_audit.nightly.summary import summary
from mssante_audit.report.outcome import as_severe
from mssante_audit.space.states import State

RESUMED = timedelta(hours=12)
"""Age up to which a killed run is gone on with; older ones are abandoned: the data have changed meanwhile."""
GRACE = 20
"""Seconds a step is given to tidy up when it is ended."""
NEEDS = {"site": "audit"}
"""Steps that are skipped if another failed."""
MEMORY = ("ledger.json", "trend.json")
"""What a run changes for the next ones, in its own folder until its end."""


@dataclass(frozen=True, slots=True)
class Night:
    """What became of a run."""

    folder: Path
    """The run's, ``runs/<stamp>`` of the output folder."""
    as_of: str
    results: dict[str, Result]
    """By step, in order."""
    exit_status: int
    """4 if an input is not as it should be, 3 if a step or a rule failed, 1 if a finding is as severe as the
    settings say, 0 otherwise: the worst of what is so."""
    resumed: bool = False
    inputs: tuple[State, ...] = ()
    """The state of each input."""
    lang: str = "fr"
    """Of the summary."""

    @property
    def failed(self) -> list[Result]:
        """The steps that failed."""
        return [result for result in self.results.values() if result.outcome == "failed"]


Tell = Callable[[str], None]


def run(config: Config, *, as_of: str = "", tell: Tell = lambda _: None, debug: bool = False) -> Night:
    """Do a nightly run, or go on with one that was killed.

    Parameters
    ----------
    config
        Passed by `mssante_audit.nightly.faults.check`.
    as_of
        Instant to audit at (ISO 8601), "" for the run's own beginning.
    tell
        Called with a line when a step begins and ends.
    debug
        Keep tracebacks, which may hold unmasked values, in what the steps print into the run's folder.

    Raises
    ------
    OutputError
        If the output folder cannot be written, or another run is at work.
    """
    with exclusive(config.output.folder, "another run is at work here"):
        folder, head, resumed = _begin(config, as_of)
        results: dict[str, Result] = {}
        for step in STEPS:
            results[step] = _step(step, Job(config, folder, head.as_of, debug), results, tell)
            if step == "audit":
                _write_mail(_night(config, folder, head, results, resumed=resumed), config)
                note(folder, "mail", "ready, what is still to come left out")
        if results["site"].outcome == "done":
            _show(folder)
        for name in MEMORY:
            if (folder / name).exists():
                write_bytes(config.output.folder / STATE / name, (folder / name).read_bytes())
        well = _status(config, results, read_inputs(folder)) < FAILED
        results["retention"] = _retain(config, folder, head.stamp if well else head.good)
        night = _night(config, folder, head, results, resumed=resumed)
        results["hooks"] = _hooks(config, night)
        night = replace(night, results=results)
        _write_mail(night, config)
        note(folder, "end", f"exit status {night.exit_status}", exit_status=night.exit_status)
        good = head.stamp if night.exit_status < FAILED else head.good
        ended = replace(head, status="finished", exit_status=night.exit_status, good=good)
        told_metrics = metrics(night, ended, datetime.now(UTC))
        write_bytes(config.output.folder / STATE / METRICS, told_metrics.encode())
        write_run(folder, ended, results, [one.told(config.summary_lang) for one in night.inputs])
        return night


def _night(config: Config, folder: Path, head: Run, results: Mapping[str, Result], *, resumed: bool) -> Night:
    """Return what a run came to so far."""
    inputs = read_inputs(folder)
    status = _status(config, results, inputs)
    waiting = {step: Result(step, "waiting") for step in (*STEPS, "retention", "hooks")}
    return Night(folder, head.as_of, {**waiting, **results}, status, resumed, inputs, config.summary_lang)


def _write_mail(night: Night, config: Config) -> None:
    """Write the mail, to be read by people, programs and e-mail programs."""
    write_bytes(night.folder / "summary.txt", f"{summary(night)}\n".encode())
    write_bytes(night.folder / "summary.json", json_bytes(told(night)))
    write_bytes(night.folder / "summary.eml", message(night, config.mail).as_bytes())


def _begin(config: Config, asked: str) -> tuple[Path, Run, bool]:
    """Return the folder and head of the run to do, and whether an earlier start had begun it."""
    all_runs, state = config.output.folder / RUNS, config.output.folder / STATE
    for there in (all_runs, state):
        there.mkdir(exist_ok=True)
    said = json.dumps(config.values, sort_keys=True) + version("mssante-audit")
    settings = digest(said)
    now, good = datetime.now(UTC), last_good(state)
    _tidy(state)
    for folder in sorted(all_runs.iterdir()):
        last = read_run(folder)
        if not last or last.status != "running":
            continue
        _tidy(folder)
        recent = stamp_of(now - RESUMED) <= last.stamp <= stamp_of(now + SKEW)
        if recent and (last.settings, last.asked) == (settings, asked):
            note(folder, "resume", "goes on")
            return folder, last, True
        note(folder, "abandon", "too old to go on with, other settings or version, or the clock went back")
        write_run(folder, replace(last, status="abandoned"))
    while (all_runs / stamp_of(now)).exists():
        time.sleep(0.1)
        now = datetime.now(UTC)
    folder = all_runs / stamp_of(now)
    as_of = parse_instant(asked) if asked else now
    head = Run(folder.name, as_of.isoformat(timespec="seconds"), asked, settings, good=good)
    draft = all_runs / ".new"  # a folder there that is no run would stay for ever
    if draft.is_dir() and not draft.is_symlink():
        shutil.rmtree(draft)
    (draft / "steps").mkdir(parents=True)
    write_run(draft, head)
    draft.rename(folder)
    note(folder, "start", f"as of {head.as_of}", as_of=head.as_of, settings=settings)
    return folder, head, False


def _tidy(folder: Path) -> None:
    """Remove the drafts that a killed run left in a folder or in ``steps`` there."""
    for draft in (*folder.glob(".*.tmp"), *folder.glob("steps/.*.tmp")):
        if draft.is_file() or draft.is_symlink():
            draft.unlink()


def _step(step: str, job: Job, results: dict[str, Result], tell: Tell) -> Result:
    """Return what became of a step, this time or before."""
    earlier = read_result(job.folder, step)
    if earlier and earlier.settled:
        return earlier
    needed = NEEDS.get(step)
    if not getattr(getattr(job.config, step, None), "enabled", True):
        result = Result(step, "off")
    elif needed and results[needed].outcome != "done":
        result = Result(step, "skipped", f"{needed} failed")
    else:
        tell(f"{step} …")
        result = _in_its_process(step, job)
    write_result(job.folder, result)
    note_result(job.folder, result)
    tell(f"{step} {result.outcome} {result.message}")
    return result


def _in_its_process(step: str, job: Job) -> Result:
    """Run a step in a process of its own, with a deadline.

    It hands over what became of it, and only here is that written down: a step that is ended and still
    comes to its end (exceptions of a signal's handler can be lost in a callback) is not taken for done.
    """
    begin = time.monotonic()
    deadline = getattr(job.config.deadlines, step)
    start = cast(ForkContext, multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn"))
    ours, its = start.Pipe(duplex=False)
    process = start.Process(target=work, args=(step, job, its), name=step)
    result, why = None, ""
    try:
        process.start()
        its.close()  # so that there is an end of file here when the step dies
        if ours.poll(deadline):
            with suppress(EOFError, OSError):
                result = ours.recv()
            process.join(GRACE)
        else:
            why = f"not done after {deadline:g} s, and ended"
    finally:
        _end(process)
        ours.close()
    if result is None:
        status = process.exitcode or 0
        died = f"it died with {f'signal {-status}' if status < 0 else f'status {status}'}"
        if status == -signal.SIGKILL:
            died = "it was killed, as when memory runs out"
        result = Result(step, "failed", why or died, round(time.monotonic() - begin, 3))
    return result


def _end(process: BaseProcess) -> None:
    """End a step, kindly first, and whatever it started and left behind."""
    if process.pid is None:  # it could not even be started
        return
    if process.exitcode is None:
        process.terminate()
        process.join(GRACE)
    kill_group(process.pid)
    process.kill()  # if it did not come to leading a group
    process.join()


def _show(folder: Path) -> None:
    """Make the run's site the one that is shown."""
    output = folder.parents[1]
    draft = output / f".{SITE}.new"
    try:
        draft.unlink(missing_ok=True)
        draft.symlink_to(Path(RUNS, folder.name, SITE))
        os.replace(draft, output / SITE)
    except OSError as error:
        raise output_error(error, output / SITE) from error


def _retain(config: Config, folder: Path, good: str) -> Result:
    begin, rules, now = time.monotonic(), config.retention, datetime.now(UTC)
    runs = [old for old in outdated(config.output.folder, rules, now, good) if old != folder]
    answering = _answering(folder)
    files = [] if answering is None else outdated_observations(config.data.folder, rules, now, answering)
    faults = [] if rules.dry_run else [*remove(runs), *remove_observations(files)]
    told = [
        (f"would remove {len(found)} {what}" if rules.dry_run else f"{len(found)} {what} removed")
        + (f": {', '.join(old.name for old in found)}" if found else "")
        for what, found in (("runs", runs), ("observations", files))
        if found or what == "runs"
    ]
    message, outcome = "; ".join([*told, *faults]), "failed" if faults else "done"
    result = Result("retention", outcome, message, round(time.monotonic() - begin, 3))
    note_result(folder, result)
    return result


def _answering(folder: Path) -> list[str] | None:
    """Return the names of the observations that the run's answers come from; ``None`` if it did not audit."""
    try:
        audited = json.loads((folder / "audit.json").read_bytes())
    except FileNotFoundError:
        return None
    return [one["file"] for one in audited["results"]["provenance"]["observed"]]


def _status(config: Config, results: Mapping[str, Result], inputs: Sequence[State] = ()) -> int:
    """Return the exit status that results and inputs ask for."""
    if any(one.doubtful for one in inputs):
        return 4
    if any(result.outcome in ("failed", "skipped") for result in results.values()):
        return 3
    found = results["audit"].facts
    if found.get("failed_rules"):
        return 3  # all else is made, and what that part should have checked is unknown
    wanted = ((config.fail_on, "by_severity"), (config.fail_on_new, "new_by_severity"))
    return int(any(as_severe(found.get(of), None if on == "never" else on) for on, of in wanted))


def _hooks(config: Config, night: Night) -> Result:
    """Run the hooks whose time has come; what becomes of them changes nothing of the run."""
    hooks, folder = config.hooks, night.folder
    found = night.results["audit"].facts
    counts = {f"count_{n}": c for p in ("counts", "by_severity") for n, c in found.get(p, {}).items()}
    facts = {
        "run": folder.name,
        "as_of": night.as_of,
        "exit_status": night.exit_status,
        "output": config.output.folder,
        "run_folder": folder,
        "site": config.output.folder / SITE / "index.html",
        "failed_steps": " ".join(result.step for result in night.failed),
        "inputs": json.dumps([one.told(night.lang) for one in night.inputs]),
        **counts,
    }
    due = ["failure" if night.exit_status >= FAILED else "success"]
    due += ["new_findings"] if counts.get("count_new") else []
    secret = (config.mail.password, config.webhook.url, config.webhook.token)
    hidden = {where.removeprefix("env:") for where in secret}
    ran: list[tuple[str, str]] = []

    def keep(event: str, name: str, fault: str) -> None:
        ran.append((f"{name} ({event})", fault))
        note(folder, "hook", f"{event}: {name} {fault or 'done'}", program=name, fault=fault)

    for event in due:
        for program, fault in run_hooks(event, getattr(hooks, event), facts, hooks.seconds, hidden):
            keep(event, program, fault)
    so_far = replace(night, results=night.results | {"hooks": _told(ran)})
    by_mail = next((e for e in due if config.mail.server and e in config.mail.events), "")
    if by_mail:
        keep(by_mail, "mail", post.mail(message(so_far, config.mail), config.mail, hooks.seconds))
    by_post = next((e for e in due if config.webhook.url and e in config.webhook.events), "")
    if by_post:
        keep(by_post, "webhook", post.json(told(so_far), config.webhook, hooks.seconds))
    return _told(ran)


def _told(ran: Sequence[tuple[str, str]]) -> Result:
    """Return what became of hooks: of each its name, and why it failed or ""."""
    faults = [f"{name}: {fault}" for name, fault in ran if fault]
    return Result("hooks", "failed" if faults else "done" if ran else "off", "; ".join(faults))
