"""Retention: earlier runs and observations are removed, and nothing else; links are never followed.

What the site shows and the last good run stay, and so do the newest whole observation of each kind and those
that answer today.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mssante_audit.base.instants import SKEW
from mssante_audit.nightly.night import RUN, Result, began, read_run, runs_in, stamp_of
from mssante_audit.nightly.notice import good_run, shown_run
from mssante_audit.nightly.settings import Config, Retention
from mssante_audit.observe import folder


def retain(config: Config, folder: Path, good: str) -> Result:
    """Remove what the settings let go, but the run in `folder` and the last good one, by its stamp."""
    begin, rules, now = time.monotonic(), config.retention, datetime.now(UTC)
    runs = [run for run in outdated(config.output.folder, rules, now, good) if run != folder]
    files = []
    if (audited := folder / "audit.json").exists():
        observed = json.loads(audited.read_bytes())["results"]["provenance"]["observed"]
        answering = [observation["file"] for observation in observed]
        files = outdated_observations(config.data.folder, rules, now, answering)
    faults = [*remove(runs, remove_run), *remove(files, Path.unlink)]
    parts = [
        f"{len(gone)} {what} removed" + (f": {', '.join(old.name for old in gone)}" if gone else "")
        for what, gone in (("runs", runs), ("observations", files))
        if gone or what == "runs"
    ]
    return Result(
        step="retention",
        outcome="failed" if faults else "done",
        message="; ".join([*parts, *faults]),
        seconds=round(time.monotonic() - begin, 3),
    )


def outdated(output: Path, rules: Retention, now: datetime, good: str = "") -> list[Path]:
    """Return the folders of runs that `rules` let go, oldest first, none behind a link.

    A run that a wrong clock dated after `now` counts as older than all others: it was made before.
    """
    ahead = stamp_of(now + SKEW)
    runs = sorted(runs_in(output), key=lambda run: (run.name <= ahead, run.name), reverse=True)
    kept = runs[: rules.runs] if rules.runs else runs
    if rules.days:
        oldest = now - timedelta(days=rules.days)
        kept = [run for run in kept if began(run.name) >= oldest]
    source = good_run(output)
    named = {shown_run(output), good, source.name if source else ""}
    always = {*runs[: rules.at_least], *(run for run in runs if run.name in named)}
    if rules.bytes:
        kept = _within(rules.bytes, kept, always)
    stay = {*kept, *always}
    return [run for run in reversed(runs) if run not in stay and read_run(run)]


def _within(limit: int, runs: Sequence[Path], always: Collection[Path]) -> list[Path]:
    """Return the newest of `runs` that take no more than `limit` bytes together with those kept `always`."""
    counted: dict[tuple[int, int], int] = {}
    for run in always:
        counted |= files_of(run)
    kept, size = [], sum(counted.values())
    for run in runs:
        more = {file: taken for file, taken in files_of(run).items() if file not in counted}
        counted |= more
        size += sum(more.values())
        if size > limit:
            break
        kept.append(run)
    return kept


def files_of(run: Path) -> dict[tuple[int, int], int]:
    """Return the bytes of each file of a run, by what it is on the disk: a file that is linked is one."""
    stats = [path.lstat() for path in run.rglob("*") if not path.is_dir()]
    return {(stat.st_dev, stat.st_ino): stat.st_size for stat in stats}


def outdated_observations(
    data: Path, rules: Retention, now: datetime, answering: Collection[str]
) -> list[Path]:
    """Return the observations that `rules` let go, the oldest of each kind first, none behind a link."""
    if not rules.observation_days or (data / "observations").is_symlink():
        return []
    oldest, gone = now - timedelta(days=rules.observation_days), []
    for kind in folder.NAMES:
        files = [f for f in folder.observation_files(data, kind) if f.is_file() and not f.is_symlink()]
        begun = {file: at for file in files if (at := folder.stamp_of(file.name))}
        if old := [file for file, at in begun.items() if at < oldest and file.name not in answering]:
            whole = next(filter(folder.is_whole, reversed(begun)), None)
            gone += [file for file in old if file != whole]
    return gone


def remove(paths: Sequence[Path], gone: Callable[[Path], object]) -> list[str]:
    """Let `gone` remove each of some runs or observations; return what could not be removed, and why."""
    faults = []
    for path in paths:
        try:
            gone(path)
        except OSError as error:
            faults.append(f"{path.name}: {(error.strerror or type(error).__name__).lower()}")
    return faults


def remove_run(folder: Path) -> None:
    """Remove a folder, if it is a run.

    What makes it a run goes last, so that one half removed by a killed run is recognised again.
    """
    if read_run(folder) is None:
        return
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != RUN:
            entry.unlink()
    shutil.rmtree(folder)
