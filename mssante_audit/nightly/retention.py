"""Retention: earlier runs and observations are removed, and nothing else.

A run is recognised by its name and by what its ``run.json`` says (`mssante_audit.nightly.log.read_run`), an
observation by the name that the observer gave it; links are never followed; the run that the site shows
and the last good one stay, and so do the newest whole observation of each kind and those that answer today.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from mssante_audit.base.instants import SKEW
from mssante_audit.nightly.log import RUN, RUNS, SITE, began, read_run, stamp_of
from mssante_audit.nightly.settings import Retention
from mssante_audit.observe import kinds


def shown_run(output: Path) -> str:
    """Return the stamp of the run that the site shows, "" if there is none."""
    try:
        parts = Path(os.readlink(output / SITE)).parts
    except OSError:
        return ""
    return parts[1] if len(parts) == 3 and parts[0] == RUNS else ""


def outdated(output: Path, rules: Retention, now: datetime, good: str = "") -> list[Path]:
    """Return the folders of runs that `rules` let go, oldest first, age counted against `now`.

    A run that a wrong clock dated after `now` counts as older than all others: it was made before. The last
    good run, by its stamp, stays. If ``runs`` in the output folder is a link, nothing is let go.
    """
    folder = output / RUNS
    if folder.is_symlink() or not folder.is_dir():
        return []
    ahead = stamp_of(now + SKEW)
    runs = [folder for folder in folder.iterdir() if read_run(folder)]
    runs.sort(key=lambda run: (run.name <= ahead, run.name), reverse=True)
    kept = runs[: rules.runs] if rules.runs else runs
    if rules.days:
        oldest = now - timedelta(days=rules.days)
        kept = [run for run in kept if began(run.name) >= oldest]
    named = (shown_run(output), good)
    always = {*runs[: rules.at_least], *(run for run in runs if run.name in named)}
    if rules.bytes:
        kept = _within(rules.bytes, kept, always)
    stay = {*kept, *always}
    return [run for run in reversed(runs) if run not in stay]


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
    told = [path.lstat() for path in run.rglob("*") if not path.is_dir()]
    return {(stat.st_dev, stat.st_ino): stat.st_size for stat in told}


def outdated_observations(
    data: Path, rules: Retention, now: datetime, answering: Collection[str]
) -> list[Path]:
    """Return the observations that `rules` let go, the oldest of each kind first, age counted against `now`.

    Those that today's answers come from stay. If ``observations`` in the data folder is a link, nothing is
    let go.
    """
    if not rules.observation_days or (data / "observations").is_symlink():
        return []
    oldest, found = now - timedelta(days=rules.observation_days), []
    for kind in kinds.kinds():
        files = [f for f in kinds.observation_files(data, kind.name) if f.is_file() and not f.is_symlink()]
        begun = {file: at for file in files if (at := kinds.stamp_of(file.name))}
        if old := [file for file, at in begun.items() if at < oldest and file.name not in answering]:
            whole = next(filter(kinds.is_whole, reversed(begun)), None)
            found += [file for file in old if file != whole]
    return found


def remove_observations(files: Sequence[Path]) -> list[str]:
    """Remove observations; return what could not be removed, and why."""
    faults = []
    for file in files:
        try:
            file.unlink()
        except OSError as error:
            faults.append(f"{file.name}: {(error.strerror or type(error).__name__).lower()}")
    return faults


def remove(folders: Sequence[Path]) -> list[str]:
    """Remove folders of runs; return what could not be removed, and why.

    What makes a folder a run goes last, so that one half removed by a killed run is recognised again.
    """
    faults = []
    for folder in folders:
        if read_run(folder) is None:
            continue
        try:
            for entry in folder.iterdir():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                elif entry.name != RUN:
                    entry.unlink()
            (folder / RUN).unlink()
            folder.rmdir()
        except OSError as error:
            faults.append(f"{folder.name}: {(error.strerror or type(error).__name__).lower()}")
    return faults
