"""What is missing on this machine for the nightly run, and whether the nights go well.

What needs packages of a group that may be missing is imported where it is asked.
"""

import os
import platform
import re
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mssante_audit.audits import unusable
from mssante_audit.base.errors import AuditError, InputError, sentence
from mssante_audit.base.groups import install, lacking
from mssante_audit.base.instants import SKEW, stamped
from mssante_audit.base.language import using_language
from mssante_audit.base.secret import masked_url, read_secret
from mssante_audit.base.staging import LOCK, is_held
from mssante_audit.findings import trend
from mssante_audit.findings.ledger import read_ledger
from mssante_audit.nightly import night
from mssante_audit.nightly.config import Config, load_config
from mssante_audit.nightly.faults import faults
from mssante_audit.nightly.letters import read_letters
from mssante_audit.report.results import open_space
from mssante_audit.verdicts.words import not_relied_on
from mssante_audit.whitelist.load import doubts

MEMORY = 2 * 2**30  # bytes below which a run may be short of memory
ROOM = 2**30  # bytes of disk below which a run may be short of room
# What to do about a list that is signed right, but not by whom it should be, by the verdict's reason.
_SIGNERS = {
    "anchor": "Put IGC-Santé's certificates into the data folder, or name them in data.anchors",
    "signer": "Ask ANS who signs its lists; if it is right, name it in data.signer",
}
_AGAIN = "Get the list again; if it is the same at its source, ask ANS"
_AT = "%Y-%m-%d %H:%M UTC"
TRIED = 10  # seconds that a mail server has to greet


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing looked at: ``ok``, ``warn`` (a run goes without) or ``missing``, and what to do about it."""

    state: str
    what: str
    found: str
    remedy: str = ""


def _sign(state: str, what: str, found: str, *values: object, remedy: str | tuple[Any, ...] = "") -> Sign:
    """Return a sign in the language of errors: `found` and `remedy` as an `AuditError` takes them."""
    advice = remedy if isinstance(remedy, tuple) else (remedy,)
    return Sign(state, what, sentence(found, *values), "" if state == "ok" else sentence(*advice))


_ok, _warn, _missing = (partial(_sign, state) for state in ("ok", "warn", "missing"))


def examine(file: Path | None = None) -> Iterator[Sign]:
    """Yield what is found on this machine, and of what the settings in `file` need."""
    yield from _packages()
    yield from _machine()
    if file is None:
        return
    try:
        config = load_config(file)
    except InputError as error:
        yield Sign("missing", "settings", str(error))
        return
    yield Sign("ok", "settings", str(file))
    yield from _guarded("settings", (Sign("missing", "settings", str(fault)) for fault in faults(config)))
    yield from _guarded("hook", _hooks(config, file))
    for look in (_proxy, _way_out, _secrets, _output, _state, _white_list):
        yield from _guarded(look.__name__.replace("_", " ").strip(), look(config))


def _guarded(what: str, signs: Iterator[Sign]) -> Iterator[Sign]:
    """Yield signs; what cannot even be looked at is one more, and the other looks go on."""
    try:
        yield from signs
    except AuditError as error:
        yield Sign("missing", what, str(error))
    except OSError as error:
        yield _missing(what, "{}: {}", error.filename, _reason(error), remedy="Give this user the right")


def _packages() -> Iterator[Sign]:
    yield Sign("ok", "python", platform.python_version())
    needed = [text for text in metadata.requires("mssante-audit") or () if "extra ==" not in text]
    names = [re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in needed]
    absent = ", ".join(name for name in names if not any(metadata.distributions(name=name)))
    if absent:
        yield _missing("packages", "no {}", absent, remedy="Install mssante-audit again")
    else:
        yield _ok("packages", "all {}", len(names))
        yield from (Sign("warn", "audit of a package", fault) for fault in unusable())
    for group, subject in (("report", "reports"), ("observe", "network"), ("pdf", "forms in PDF")):
        if modules := lacking(group):
            yield _warn(subject, "no {}", ", ".join(modules), remedy=("{}", install(group)))


def _machine() -> Iterator[Sign]:
    """Look at the memory that is free or that a service may take, at temporary files, at the time zone."""
    bounds = []
    with suppress(OSError):  # not Linux, or no control groups: nothing is known
        available = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
        bounds += [int(available[1]) * 1024] if available else []
        group = Path("/proc/self/cgroup").read_text().strip().rpartition(":")[2]
        limit = Path(f"/sys/fs/cgroup{group}", "memory.max").read_text().strip()
        bounds += [int(limit)] if limit.isdigit() else []
    least = min(bounds, default=MEMORY)
    free = ("{} to be had", size(least)) if bounds else ("unknown here",)
    yield (_ok if least >= MEMORY else _warn)("memory", *free, remedy=("A run wants {}", size(MEMORY)))
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Sign("ok", "temporary files", str(Path(folder).parent))
    except OSError as error:
        yield _missing("temporary files", "{}", _reason(error), remedy="Set TMPDIR to a folder with room")
    now = datetime.now().astimezone()
    local_time, same = sentence("{}, now {}", f"{now:%Z}", f"{now:%Y-%m-%d %H:%M}"), True
    with suppress(ZoneInfoNotFoundError):
        paris = now.astimezone(ZoneInfo("Europe/Paris"))
        same = paris.utcoffset() == now.utcoffset()
        local_time += ", " + (sentence("as in Paris") if same else sentence("{} in Paris", f"{paris:%H:%M}"))
    remedy = "A timer counts in this machine's time: set its hour accordingly"
    yield (_ok if same else _warn)("time zone", "{}", local_time, remedy=remedy)


def _hooks(config: Config, settings: Path) -> Iterator[Sign]:
    """Look whether hooks can be run, and whether somebody else could have their own run in their place."""
    commands = {*config.hooks.success, *config.hooks.failure, *config.hooks.new_findings}
    for program in sorted({words[0] for words in commands}):
        if shutil.which(program) is None:
            remedy = "Give its full path, and make it executable"
            yield _warn("hook", "{} is no program here", program, remedy=remedy)
    named = [settings] if commands else []
    named += [Path(shutil.which(argument) or argument) for words in sorted(commands) for argument in words]
    files = [file for file in named if os.path.isfile(file)]  # one in a folder of others' is none
    for place in dict.fromkeys(place for file in files for place in _way(file.absolute())):
        about = place.lstat()
        mode, ours = about.st_mode, about.st_uid in (0, os.geteuid())
        if not ours or (mode & 0o022 and not mode & stat.S_ISVTX and not stat.S_ISLNK(mode)):
            remedy = f"chmod go-w {place}" if ours else f"chown -h root {place}"
            yield _warn("hook", "{} can be written by others", place, remedy=("{}", remedy))


def _way(file: Path) -> Iterator[Path]:
    """Yield the folders and links on the way to a file, from the root on, and itself."""
    for place in (*reversed(file.parents), file):
        yield place
        if place.is_symlink():
            yield from _way(place.parent / place.readlink() / file.relative_to(place))
            return


def _proxy(config: Config) -> Iterator[Sign]:
    """Look whether the proxy that the environment puts before the list's server takes connections."""
    if not config.fetch.enabled or lacking("observe"):
        return
    import httpx

    from mssante_audit.archive.fetch import proxy_of

    if not (proxy := proxy_of(config.fetch.url)):
        return
    address, fault = masked_url(proxy), ""
    try:
        where = httpx.URL(proxy)
        httpx.Proxy(where)
        port = {"http": 80, "https": 443}[where.scheme]
        socket.create_connection((where.host, where.port or port), TRIED).close()
    except OSError as error:
        fault = f": {_reason(error)}"
    except (ValueError, KeyError, httpx.InvalidURL):
        fault = f" {sentence('is of no kind that can be used')}"
    remedy = "Set HTTPS_PROXY to http://HOST:PORT, or name the host in NO_PROXY"
    yield (_missing if fault else _ok)("proxy", "{}", address + fault, remedy=remedy)


def _reason(error: Exception) -> str:
    reason = "no answer" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or error
    return sentence("{}", str(reason).lower())


def _way_out(config: Config) -> Iterator[Sign]:
    """Look whether mail servers can be reached, by saying QUIT to the one that the settings name."""
    settings, subject = config.observe_tls, "way out to mail servers"
    host, port = settings.try_host, settings.port
    if not host:
        if settings.enabled:
            remedy = "Name a mail server that you may try in observe_tls.try_host"
            yield _warn(subject, "unknown: no server to try port {} of", port, remedy=remedy)
        return
    where, begin = sentence("port {} of {}", port, host), time.monotonic()
    seconds = min(settings.timeout, TRIED)
    source = (settings.source_address, 0) if settings.source_address else None
    try:
        with socket.create_connection((host, port), seconds, source) as opened:
            opened.settimeout(max(0.1, seconds - (time.monotonic() - begin)))
            code = opened.recv(512)[:3]
            with suppress(OSError):
                opened.sendall(b"QUIT\r\n")
    except (OSError, UnicodeError) as error:
        ill = "missing" if settings.enabled else "warn"
        let_out = "Have connections to port {} let out", port
        yield _sign(ill, subject, "{}: {}", where, _reason(error), remedy=let_out)
        return
    greets = code in (b"220", b"421", b"554")
    greeting = ("greets with {}", code.decode()) if greets else ("does not greet as a mail server",)
    remedy = "Name a mail server in observe_tls.try_host; if it is one, something answers in its place"
    yield (_ok if greets else _warn)(subject, "{} {}", where, AuditError(*greeting), remedy=remedy)


def _secrets(config: Config) -> Iterator[Sign]:
    for name, where in config.secrets.items():
        try:
            read_secret(where)
        except InputError as error:
            yield Sign("missing", "secret", f"{name}: {error}")
            continue
        kind, _, place = where.partition(":")
        about = Path(place).stat() if kind == "file" else None
        # Its group may read it, if it is root's, as with Kubernetes.
        if about and about.st_mode & (0o077 if about.st_uid == os.geteuid() else 0o007):
            remedy = "{}", f"chmod 600 {place}"
            yield _warn("secret", "{}: {} can be read by others", name, place, remedy=remedy)
        elif where:
            yield _ok("secret", "{} is there", name)


def _output(config: Config) -> Iterator[Sign]:
    output, state = config.output.folder, config.output.folder / night.STATE
    paths = (output, state, output / night.RUNS, state / night.LOG, output / LOCK)
    existing = [*map(_existing, paths)]
    ill = [path for path in existing if not os.access(path, os.W_OK | os.X_OK * path.is_dir())]
    if ill or not existing[0].is_dir():
        remedy = "Give this user the right, or set output.folder"
        yield _missing("output", "{} cannot be written", [*ill, *existing][0], remedy=remedy)
        return
    yield Sign("ok", "output", str(output))
    if is_held(output):
        yield _warn("lock", "held: a run is at work", remedy="Wait for it to end")
    elif (output / LOCK).exists():
        yield _ok("lock", "free")
    signs = health(config) if (output / night.STATE / night.RUN).exists() else [_disk(output, 3)]
    yield from (replace(sign, state="warn") if sign.state == "missing" else sign for sign in signs)


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))


def _state(config: Config) -> Iterator[Sign]:
    """Look whether what runs remember can be read: without it no run begins, or its audit fails."""
    state = config.output.folder / night.STATE
    read_ledger(state)
    trend.read_trend(state / trend.FILE)
    read_letters(state.parent)
    night.read_last(state.parent)
    yield Sign("ok", "state", str(state))


def _white_list(config: Config) -> Iterator[Sign]:
    try:
        space = open_space(**{**config.parameters(""), "as_of": None})  # now, or the sample's day
    except AuditError:
        if not config.fetch.enabled or any(config.data.folder.glob("archive/*.xml.gz")):
            raise
        yield _warn("white list", "none yet", remedy="The first run fetches it")
        return
    whitelist, verdict, now = space.whitelist, space.whitelist.signature, space.as_of
    yield _ok("white list", "{}, {} rows", Path(whitelist.source).name, len(space.entries))
    if verdict.status == "valid":
        yield _ok("signature", "valid, signer {}", verdict.signer)
    else:
        ill, remedy = "missing", "Get the list again"
        if verdict.status == "valid-untrusted":
            ill, remedy = "warn", _SIGNERS.get(verdict.reason, _AGAIN)
        with using_language(AuditError.language):
            reason = not_relied_on(doubts(whitelist))
        yield _sign(ill, "signature", "{}", reason, remedy=remedy)
    generated_at = whitelist.generated_at
    if generated_at is None:
        yield _warn("clock", "the list does not say when it was made")
    elif generated_at > now + SKEW:
        at, remedy = f"{generated_at:%Y-%m-%d %H:%M} UTC", "Set the clock"
        yield _missing("clock", "the list is of {}, after now", at, remedy=remedy)
    else:
        young = generated_at >= now - timedelta(days=config.thresholds.list_max_age_days)
        age, remedy = (now - generated_at).days, "Set fetch.enabled, or put a newer one there"
        yield (_ok if young else _warn)("clock", "the list is {} days old", age, remedy=remedy)


# -- whether the nights go well: by the state that the last run left, whose lock is not taken ----------------


def health(config: Config) -> Iterator[Sign]:
    """Yield what is to be known of the nights: ``ok``, or ``missing`` where somebody should look."""
    return _guarded("last run", _nights(config))


def _nights(config: Config) -> Iterator[Sign]:
    output, hours, now = config.output.folder, config.health.max_age_hours, datetime.now(UTC)
    oldest, at_work = now - timedelta(hours=hours), is_held(output)  # it may end before its state is read
    if (last := night.read_last(output)) is None:
        yield _missing("last run", "there was none", remedy="Look at what should start it")
        return
    at, status = stamped(last.stamp), last.exit_status
    begun, see = f"{at:{_AT}}", ("See {}", output / night.RUNS / last.stamp / "log.txt")
    if at > now + SKEW:
        yield _missing("last run", "began at {}, after now", begun, remedy="Set the clock")
    elif last.status == "running" and not (at_work or is_held(output)):
        yield _missing("last run", "was killed, it began at {}", begun, remedy="Start it again")
    elif status is None:
        sign = _ok if last.status == "running" and at >= oldest else _missing
        yield sign("last run", "{} since {}", last.status, begun, remedy=see)
    else:
        sign = _ok if status < night.FAILED else _missing
        yield sign("last run", "{}, exit status {}", begun, status, remedy=see)
    if not last.good:
        yield _missing("last good run", "there was none", remedy="Look at the mail of the last run")
    elif (good := stamped(last.good)) > now + SKEW:
        yield _missing("last good run", "began at {}, after now", f"{good:{_AT}}", remedy="Set the clock")
    elif good >= oldest:
        yield _ok("last good run", f"{good:{_AT}}")
    else:
        message = "{}, more than {} h ago", f"{good:{_AT}}", f"{hours:g}"
        yield _missing("last good run", *message, remedy="Look at what starts it")
    for step in (step for step in last.steps if step.step == "hooks"):
        failed, remedy = step.outcome == "failed", "Nobody may have been told of the last run"
        outcome = step.message if failed else sentence(step.outcome)
        yield (_missing if failed else _ok)("hooks", "{}", outcome, remedy=remedy)
    yield _disk(output, 2)


def _disk(output: Path, runs: int) -> Sign:
    """Look whether there is room for so many runs as large as the last one; what it shares counts once."""
    existing = _existing(output)
    last_run = next(filter(night.read_run, reversed(night.runs_in(output))), None)
    last = sum(night.files_of(last_run).values()) if last_run else 0
    free, needed = shutil.disk_usage(existing).free, max(ROOM, runs * last)
    remedy = "A run wants {}: free some, or lower retention.runs", size(needed)
    if free >= needed and os.statvfs(existing).f_favail == 0 and os.statvfs(existing).f_files:
        return _missing("disk", "no room for one more file", remedy=remedy)
    message = AuditError("{} free", size(free))
    if last:
        message = AuditError("{}, the last run took {}", message, size(last))
    return (_ok if free >= needed else _missing)("disk", "{}", message, remedy=remedy)


def size(count: int) -> str:
    """Return bytes as a reader likes them."""
    if count >= 2**30:
        return sentence("{} GB", f"{count / 2**30:.1f}")
    return sentence("{} MB", f"{count / 2**20:.0f}")
