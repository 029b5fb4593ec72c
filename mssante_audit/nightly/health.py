"""Whether the nights go well, for a monitor: told by the state that the last run left, without a lock."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mssante_audit.base.instants import SKEW
from mssante_audit.nightly.doctor import ROOM, Sign, size, size_of_last
from mssante_audit.nightly.log import FAILED, RUN, STATE, Run, as_run, began
from mssante_audit.nightly.settings import Config

_FREE = "Free some, or lower [retention]"


def health(config: Config, now: datetime | None = None) -> Iterator[Sign]:
    """Yield what is to be known of the nights: ``ok``, or ``missing`` where somebody should look."""
    output, now = config.output.folder, now or datetime.now(UTC)
    oldest = timedelta(hours=config.health.max_age_hours)
    try:
        told = json.loads((output / STATE / RUN).read_bytes())
        last = as_run(told)
    except FileNotFoundError:
        yield Sign("missing", "last run", "there was none", "Look at what should start it")
        return
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        yield Sign("missing", "last run", "its run.json cannot be read", f"Look at {output / STATE / RUN}")
        return
    yield _last(last, now, oldest, output)
    yield _good(last, now, oldest)
    yield from _hooks(told)
    yield _disk(output)


def _last(last: Run, now: datetime, oldest: timedelta, output: Path) -> Sign:
    at = began(last.stamp)
    log = f"See {output / 'runs' / last.stamp / 'log.txt'}"
    if at > now + SKEW:
        return Sign("missing", "last run", f"began at {at:%Y-%m-%d %H:%M} UTC, after now", "Set the clock")
    if last.exit_status is None:
        told = f"{last.status} since {at:%Y-%m-%d %H:%M} UTC"
        fresh = last.status == "running" and now - at <= oldest
        return Sign("ok", "last run", told) if fresh else Sign("missing", "last run", told, log)
    told = f"{at:%Y-%m-%d %H:%M} UTC, exit status {last.exit_status}"
    well = last.exit_status < FAILED
    return Sign("ok", "last run", told) if well else Sign("missing", "last run", told, log)


def _good(last: Run, now: datetime, oldest: timedelta) -> Sign:
    if not last.good:
        return Sign("missing", "last good run", "there was none", "Look at the mail of the last run")
    at = began(last.good)
    told = f"{at:%Y-%m-%d %H:%M} UTC"
    if now - at <= oldest:
        return Sign("ok", "last good run", told)
    hours = oldest / timedelta(hours=1)
    return Sign("missing", "last good run", f"{told}, more than {hours:g} h ago", "Look at what starts it")


def _hooks(told: dict[str, Any]) -> Iterator[Sign]:
    for step in told.get("steps", ()):
        if step["step"] == "hooks" and step["outcome"] == "failed":
            yield Sign("missing", "hooks", step["message"], "Nobody may have been told of the last run")
        elif step["step"] == "hooks":
            yield Sign("ok", "hooks", step["outcome"])


def _disk(output: Path) -> Sign:
    free = shutil.disk_usage(output).free
    wanted = max(ROOM, 2 * size_of_last(output))
    told = f"{size(free)} free"
    if free < wanted:
        return Sign("missing", "disk", f"{told}, a run wants {size(wanted)}", _FREE)
    if os.statvfs(output).f_favail == 0 and os.statvfs(output).f_files:
        return Sign("missing", "disk", "no room for one more file", _FREE)
    return Sign("ok", "disk", told)
