"""Whether the nights go well, for a monitor: told by the state that the last run left, without a lock."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import SKEW
from mssante_audit.nightly.night import FAILED, RUNS, Run, began, read_last, read_run
from mssante_audit.nightly.retention import files_of
from mssante_audit.nightly.settings import Config

ROOM = 2**30
"""Bytes of disk below which a run may be short of room."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing looked at."""

    state: str
    """``ok``, ``warn`` (a run goes without) or ``missing``."""
    what: str
    found: str
    remedy: str = ""


def health(config: Config, now: datetime | None = None) -> Iterator[Sign]:
    """Yield what is to be known of the nights: ``ok``, or ``missing`` where somebody should look."""
    output, now = config.output.folder, now or datetime.now(UTC)
    oldest = timedelta(hours=config.health.max_age_hours)
    try:
        last = read_last(output)
    except InputError as error:
        yield Sign("missing", "last run", error.message, f"Look at {error.file}")
        return
    if last is None:
        yield Sign("missing", "last run", "there was none", "Look at what should start it")
        return
    run, steps = last
    yield _last(run, now, oldest, output)
    yield _good(run, now, oldest)
    for step in steps:
        if step.step == "hooks" and step.outcome == "failed":
            yield Sign("missing", "hooks", step.message, "Nobody may have been told of the last run")
        elif step.step == "hooks":
            yield Sign("ok", "hooks", step.outcome)
    yield disk(output, 2)


def _last(last: Run, now: datetime, oldest: timedelta, output: Path) -> Sign:
    at, log = began(last.stamp), f"See {output / RUNS / last.stamp / 'log.txt'}"
    if at > now + SKEW:
        return Sign("missing", "last run", f"began at {at:%Y-%m-%d %H:%M} UTC, after now", "Set the clock")
    if last.exit_status is None:
        found, well = f"{last.status} since {at:%Y-%m-%d %H:%M} UTC", now - at <= oldest
        well = well and last.status == "running"
    else:
        found = f"{at:%Y-%m-%d %H:%M} UTC, exit status {last.exit_status}"
        well = last.exit_status < FAILED
    return Sign("ok", "last run", found) if well else Sign("missing", "last run", found, log)


def _good(last: Run, now: datetime, oldest: timedelta) -> Sign:
    if not last.good:
        return Sign("missing", "last good run", "there was none", "Look at the mail of the last run")
    at = began(last.good)
    found = f"{at:%Y-%m-%d %H:%M} UTC"
    if now - at <= oldest:
        return Sign("ok", "last good run", found)
    hours = oldest / timedelta(hours=1)
    return Sign("missing", "last good run", f"{found}, more than {hours:g} h ago", "Look at what starts it")


def disk(output: Path, runs: int) -> Sign:
    """Look whether there is room for so many runs as large as the last one; what it shares counts once."""
    there = next(folder for folder in (output, *output.parents) if folder.exists())
    done = sorted(folder for folder in (output / RUNS).glob("*") if read_run(folder))
    last = sum(files_of(done[-1]).values()) if done else 0
    free, wanted = shutil.disk_usage(there).free, max(ROOM, runs * last)
    found = f"{size(free)} free" + (f", the last run took {size(last)}" if last else "")
    if free < wanted:
        remedy = f"A run wants {size(wanted)}: free some, or lower retention.runs"
        return Sign("missing", "disk", found, remedy)
    if os.statvfs(there).f_favail == 0 and os.statvfs(there).f_files:
        return Sign("missing", "disk", "no room for one more file", "Free some, or lower retention.runs")
    return Sign("ok", "disk", found)


def size(count: int) -> str:
    """Return bytes as a reader likes them."""
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"
