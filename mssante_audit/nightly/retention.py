"""Retention: earlier runs are removed, and nothing but runs.

A run is recognised by its name and by what its ``run.json`` says (`mssante_audit.nightly.log.read_run`);
links are never followed; the run that the site shows stays.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from mssante_audit.base.settings import Retention
from mssante_audit.nightly.log import RUN, RUNS, SITE, began, read_run


def shown_run(output: Path) -> str:
    """Return the stamp of the run that the site shows, "" if there is none."""
    try:
        parts = Path(os.readlink(output / SITE)).parts
    except OSError:
        return ""
    return parts[1] if len(parts) == 3 and parts[0] == RUNS else ""


def outdated(output: Path, rules: Retention, now: datetime) -> list[Path]:
    """Return the folders of runs that `rules` let go, oldest first.

    Parameters
    ----------
    output
        The output folder; if its ``runs`` is a link, nothing is let go.
    now
        Age is counted against it.
    """
    folder = output / RUNS
    if folder.is_symlink() or not folder.is_dir():
        return []
    runs = sorted((f for f in folder.iterdir() if read_run(f)), key=lambda f: f.name, reverse=True)
    kept = runs[: rules.runs] if rules.runs else runs
    if rules.days:
        oldest = now - timedelta(days=rules.days)
        kept = [run for run in kept if began(run.name) >= oldest]
    protected = {*kept, *runs[: rules.at_least], folder / shown_run(output)}
    return [run for run in reversed(runs) if run not in protected]


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
