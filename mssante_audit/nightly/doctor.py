"""What is missing on this machine for the nightly run, each with what to do about it."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mssante_audit.base.errors import AuditError, InputError
from mssante_audit.base.settings import Config
from mssante_audit.nightly.config import load_config
from mssante_audit.nightly.log import RUN, RUNS, STATE, began, read_run

MEMORY = 2 * 2**30
"""Bytes below which a run may be short of memory."""
ROOM = 2**30
"""Bytes of disk below which a run may be short of room."""
OPTIONAL = {
    "chromium": "only the tests need it: apt-get install chromium",
    "nsd": "only the tests need it: apt-get install nsd",
    "knotd": "only the tests need it: apt-get install knot",
}
"""Programs that a run goes without."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing looked at."""

    state: str
    """``ok``, ``warn`` (a run goes without) or ``missing``."""
    what: str
    found: str
    remedy: str = ""


def examine(file: Path | None = None) -> Iterator[Sign]:
    """Yield what is found on this machine, and of what the settings in `file` need."""
    yield from _python()
    yield from _programs()
    yield _memory()
    yield _temporary()
    yield _timezone()
    if file is None:
        return
    try:
        config = load_config(file)
    except InputError as error:
        yield Sign("missing", "settings", str(error))
        return
    yield Sign("ok", "settings", str(file))
    yield from _settings(config)
    yield from _output(config.output.folder)
    yield from _list(config)


# -- the machine --------------------------------------------------------------------------------------------


def _python() -> Iterator[Sign]:
    running = ".".join(map(str, sys.version_info[:3]))
    yield Sign("ok", "python", running)
    needed = [r for r in metadata.requires("mssante-audit") or () if "extra ==" not in r]
    names = [found[0] for found in (re.match(r"[\w.-]+", text) for text in needed) if found]
    absent = [name for name in names if not _installed(name)]
    if absent:
        yield Sign("missing", "packages", f"no {', '.join(absent)}", "Install mssante-audit again")
    else:
        yield Sign("ok", "packages", f"all {len(names)}")
        yield from _audits()
    if not (_installed("reportlab") and _installed("pypdf")):
        yield Sign("warn", "forms in PDF", "not here", 'pip install "mssante-audit[pdf]"')


def _audits() -> Iterator[Sign]:
    from mssante_audit.findings.registry import unusable  # needs packages that may not have been there

    for fault in unusable():
        yield Sign("warn", "audit of a package", fault)


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _programs() -> Iterator[Sign]:
    for name, remedy in OPTIONAL.items():
        path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
        yield Sign("ok", name, path) if path else Sign("warn", name, "not here", remedy)


def _memory() -> Sign:
    """Look at the memory that is free, and at what a service may take of it."""
    bounds = []
    try:
        free = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
        bounds += [int(free[1]) * 1024] if free else []
        own = Path("/proc/self/cgroup").read_text().strip().rpartition(":")[2]
        limit = Path(f"/sys/fs/cgroup{own}", "memory.max").read_text().strip()
        bounds += [int(limit)] if limit.isdigit() else []
    except OSError:
        pass  # not Linux, or no control groups: nothing is known
    if not bounds:
        return Sign("warn", "memory", "unknown here", f"A run wants {_size(MEMORY)}")
    if min(bounds) < MEMORY:
        return Sign("warn", "memory", f"{_size(min(bounds))} to be had", f"A run wants {_size(MEMORY)}")
    return Sign("ok", "memory", f"{_size(min(bounds))} to be had")


def _temporary() -> Sign:
    try:
        with tempfile.TemporaryDirectory() as folder:
            return Sign("ok", "temporary files", str(Path(folder).parent))
    except OSError as error:
        return Sign("missing", "temporary files", str(error.strerror), "Set TMPDIR to a folder with room")


def _timezone() -> Sign:
    now = datetime.now().astimezone()
    try:
        paris = now.astimezone(ZoneInfo("Europe/Paris"))
    except ZoneInfoNotFoundError:
        return Sign("ok", "time zone", f"{now:%Z}, now {now:%Y-%m-%d %H:%M}")
    if paris.utcoffset() == now.utcoffset():
        return Sign("ok", "time zone", f"{now:%Z}, as in Paris, now {now:%Y-%m-%d %H:%M}")
    return Sign(
        "warn",
        "time zone",
        f"{now:%Z}, now {now:%Y-%m-%d %H:%M}, {paris:%H:%M} in Paris",
        "A timer counts in this machine's time: set its hour accordingly",
    )


# -- what the settings need ---------------------------------------------------------------------------------


def _settings(config: Config) -> Iterator[Sign]:
    from mssante_audit.nightly.preflight import faults

    for fault in faults(config):
        yield Sign("missing", "settings", str(fault))
    hooks = {
        words[0] for event in ("success", "failure", "new_findings") for words in getattr(config.hooks, event)
    }
    for program in sorted(hooks):
        if shutil.which(program) is None:
            yield Sign(
                "warn", "hook", f"{program} is no program here", "Give its full path, and make it executable"
            )


def _output(output: Path) -> Iterator[Sign]:
    there = next(folder for folder in (output, *output.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        yield Sign(
            "missing",
            "output",
            f"{there} cannot be written",
            "Give this user the right, or set output.folder",
        )
        return
    yield Sign("ok", "output", str(output))
    free = shutil.disk_usage(there).free
    last = _size_of_last(output)
    wanted = max(ROOM, 3 * last)
    told = f"{_size(free)} free" + (f", the last run took {_size(last)}" if last else "")
    if free < wanted:
        yield Sign("warn", "disk", told, f"A run wants {_size(wanted)}: free some, or lower retention.runs")
    else:
        yield Sign("ok", "disk", told)
    yield from _lock(output)
    yield from _last_run(output)


def _size_of_last(output: Path) -> int:
    """Return the bytes of the newest run; files that it shares with its site count once."""
    if not (output / RUNS).is_dir():
        return 0
    runs = sorted(folder for folder in (output / RUNS).iterdir() if read_run(folder))
    told = [path.lstat() for path in runs[-1].rglob("*") if path.is_file()] if runs else []
    return sum({stat.st_ino: stat.st_size for stat in told}.values())


def _lock(output: Path) -> Iterator[Sign]:
    from filelock import FileLock, Timeout

    from mssante_audit.base.staging import LOCK

    if not (output / LOCK).exists():
        return
    try:
        with FileLock(output / LOCK, timeout=0):
            yield Sign("ok", "lock", "free")
    except Timeout:
        yield Sign("warn", "lock", "held: a run is at work", "Wait for it to end")


def _last_run(output: Path) -> Iterator[Sign]:
    try:
        last = json.loads((output / STATE / RUN).read_bytes())
        at, status, failed = began(last["stamp"]), last["exit_status"], last["status"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    told = f"{at:%Y-%m-%d %H:%M} UTC, {failed}" + (
        f" with exit status {status}" if status is not None else ""
    )
    if status in (0, 1):
        yield Sign("ok", "last run", told)
    else:
        log = output / RUNS / last["stamp"] / "log.txt"
        yield Sign(
            "warn", "last run", told, f"See {log}; a run that was killed is gone on with by the next start"
        )


def _list(config: Config) -> Iterator[Sign]:
    from mssante_audit.base.instants import SKEW
    from mssante_audit.report.results import open_space

    now = datetime.now(UTC)
    try:
        space = open_space(**config.parameters(now.isoformat()))
    except AuditError as error:
        if config.fetch.enabled and not any(config.data.folder.glob("archive/*.xml.gz")):
            yield Sign("warn", "white list", "none yet", "The first run fetches it")
        else:
            yield Sign("missing", "white list", str(error))
        return
    told, made = space.whitelist, space.whitelist.generated_at
    yield Sign("ok", "white list", f"{Path(told.source).name}, {len(space.entries)} rows")
    verdict = told.signature
    if verdict.status == "valid":
        yield Sign("ok", "signature", f"valid, signer {verdict.signer}")
    elif verdict.status == "valid-untrusted":
        remedy = "Put IGC-Santé's certificates into the data folder, or name them in data.anchors"
        if verdict.anchor:
            remedy = "Ask ANS who signs its lists; if it is right, name it in data.signer"
        who = "not the signer expected" if verdict.anchor else "of no known authority"
        yield Sign("warn", "signature", f"right, but {who}: {verdict.why}", remedy)
    else:
        yield Sign("missing", "signature", f"{verdict.status}: {verdict.why}", "Get the list again")
    if made is None:
        yield Sign("warn", "clock", "the list does not say when it was made")
    elif made > now + SKEW:
        yield Sign(
            "missing", "clock", f"the list is of {made:%Y-%m-%d %H:%M} UTC, after now", "Set the clock"
        )
    elif made < now - timedelta(days=config.thresholds.list_max_age_days):
        remedy = "Set fetch.enabled, or put a newer one there"
        yield Sign("warn", "clock", f"the list is {(now - made).days} days old", remedy)
    else:
        yield Sign("ok", "clock", f"the list is {(now - made).days} days old")


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"
