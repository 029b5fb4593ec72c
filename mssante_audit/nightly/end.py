"""The end of a night: its site is shown, what runs remember changes, then retention, hooks and mail.

Retention removes earlier runs and observations and nothing else; it never follows a link, and leaves what the
site shows, the last good run, the newest whole observation of each kind and those that answer today.
"""

import os
import shutil
import time
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mssante_audit.base import export
from mssante_audit.base.instants import SKEW, stamp_of, stamped
from mssante_audit.base.state import copy_state
from mssante_audit.findings import ledger, trend
from mssante_audit.nightly import mail, night
from mssante_audit.nightly.config import Retention
from mssante_audit.nightly.hooks import run_hooks
from mssante_audit.nightly.letters import reminders
from mssante_audit.nightly.night import RUNS, SITE, Night, Result, Run, note
from mssante_audit.observe import file as observations
from mssante_audit.space.states import as_json


def end(tonight: Night, head: Run) -> None:
    """End a night whose steps are done: only now do the ledger and the trend change, else nobody is told."""
    tonight.reminders = [*reminders(tonight.config, tonight.as_of, tonight.folder)]
    if tonight.results["site"].outcome == "done":
        _show_site(tonight.output, tonight.folder)
    for file in (ledger.FILE, trend.FILE):  # what a run changes for the next ones
        copy_state(tonight.folder / file, tonight.state)
    tonight.results["retention"] = retain(tonight)
    night.note_result(tonight.folder, tonight.results["retention"])
    run_hooks(tonight)
    mail.write_mail(tonight)
    note(tonight.folder, "end", f"exit status {tonight.exit_status}", exit_status=tonight.exit_status)
    export.write_bytes(tonight.state / mail.METRICS, mail.metrics(tonight, datetime.now(UTC)).encode())
    ended = {
        "status": "finished", "exit_status": tonight.exit_status, "good": tonight.good,
        "inputs": [as_json(state, tonight.lang) for state in tonight.inputs],
        "steps": [step.model_copy(update={"inputs": ()}) for step in tonight.results.values()],
        **{question: tonight.audited.get(question, {}) for question in ("arrives", "order")},
    }  # fmt: skip
    night.write_run(tonight.folder, head.model_copy(update=ended))


def _show_site(output: Path, folder: Path) -> None:
    """Let ``site`` be a link to the site of the run in `folder`."""
    site, draft = output / SITE, output / f".{SITE}.new"
    os.sync()  # should the power go, the link leads to whole pages
    with export.writing(site):
        draft.unlink(missing_ok=True)
        draft.symlink_to(Path(RUNS, folder.name, SITE))
        os.replace(draft, site)
    export.sync_folder(output)


def retain(tonight: Night) -> Result:
    """Remove what the settings let go, but this run and the last good one."""
    begin, rules, now = time.monotonic(), tonight.config.retention, datetime.now(UTC)
    runs = outdated(tonight.output, rules, now, tonight.good)
    outdated_paths = {"runs": [run for run in runs if run != tonight.folder]}
    if (tonight.folder / "audit.json").exists():
        observed = night.read_audit(tonight.folder)["results"]["provenance"]["observed"]
        answering = [observation["file"] for observation in observed]
        outdated_paths["observations"] = outdated_observations(
            tonight.config.data.folder, rules, now, answering
        )
    lines, faults = [], []
    for kind, paths in outdated_paths.items():
        if paths or kind == "runs":
            names = ", ".join(path.name for path in paths)
            lines.append(f"{len(paths)} {kind} removed: {names}".removesuffix(": "))
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
    chosen = runs[: rules.runs] if rules.runs else runs
    if rules.days:
        chosen = [run for run in chosen if stamped(run.name) >= now - timedelta(days=rules.days)]
    if rules.bytes:  # the newest that fit, together with those kept in any case
        counted = {file: size for run in always for file, size in night.files_of(run).items()}
        room = rules.bytes - sum(counted.values())
        for place, run in enumerate(chosen):
            files = night.files_of(run)
            room -= sum(size for file, size in files.items() if file not in counted)
            counted |= files
            if room < 0:
                chosen = chosen[:place]
                break
    stay = {*chosen, *always}
    return [run for run in reversed(runs) if run not in stay and night.read_run(run)]


def outdated_observations(
    data: Path, rules: Retention, now: datetime, answering: Collection[str]
) -> list[Path]:
    """Return the observations that `rules` let go, the oldest of each kind first, none behind a link."""
    if not rules.observation_days or (data / "observations").is_symlink():
        return []
    oldest, old_files = now - timedelta(days=rules.observation_days), []
    for kind in observations.FORMS:
        files = [f for f in observations.observation_files(data, kind) if f.is_file() and not f.is_symlink()]
        begun = {file: at for file in files if (at := observations.begun_at(file.name))}
        if old := [file for file, at in begun.items() if at < oldest and file.name not in answering]:
            complete = next(filter(observations.is_whole, reversed(begun)), None)
            old_files += [file for file in old if file != complete]
    return old_files


def remove_run(folder: Path) -> None:
    """Remove a run, what makes it one last: one half removed by a killed run is recognised again."""
    if night.read_run(folder):
        for entry in folder.iterdir():
            if entry.name != night.RUN:
                night.remove(entry)
        shutil.rmtree(folder)
