"""The observation files of a data folder: what they are called, which there are, and when each was begun."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from mssante_audit.base.errors import InputError
from mssante_audit.base.reading import open_regular
from mssante_audit.observe.files import Scan

NAMES = ("dns", "tls")
"""What names of files begin with, before a dash and a date. A file with another name is a ``dns``."""

RUN = timedelta(days=1)
"""How long after an instant a run begun by then may still have asked: a night is as of its own beginning."""

_STAMPED = re.compile(r"([a-z]+)-(\d{4}-\d{2}-\d{2}T\d{6}Z)\.jsonl\.gz")
_HEAD = 1 << 16
_NEWEST = 400
"""Files that are opened to learn when they were begun; of older ones the observer's names tell."""


class File(NamedTuple):
    """An observation file, before it is read."""

    path: Path
    begun: datetime
    header: Mapping[str, Any]
    """Its first line; empty if that cannot be read."""


class Aside(NamedTuple):
    """An observation file that is not used."""

    file: str
    why: str
    """``future`` (begun after the instant that is audited at), ``zone`` (of another parent zone), or
    ``unreadable``."""


def default_path(folder: Path, at: datetime, kind: str = "dns") -> Path:
    """Return where an observation begun at `at` goes in a data folder.

    >>> default_path(Path("d"), datetime(2026, 3, 2, 5, 30, tzinfo=UTC)).as_posix()
    'd/observations/dns-2026-03-02T053000Z.jsonl.gz'
    """
    return folder / "observations" / f"{kind}-{at.astimezone(UTC):%Y-%m-%dT%H%M%SZ}.jsonl.gz"


def observation_files(folder: Path, kind: str = "dns") -> list[Path]:
    """Return the observations of a kind that the observer left in a data folder, oldest first."""
    return sorted((folder / "observations").glob(f"{kind}-*.jsonl.gz"))


def find_observations(data: Path, kind: str = "dns") -> list[File]:
    """Return the observations of a kind in a data folder or in ``observations/`` below it, the newest first.

    What counts is when they say they were begun, then the order of their names.
    """
    paths = [path for folder in (data, data / "observations") for path in folder.glob("*.jsonl.gz")]
    paths = [path for path in paths if not path.is_dir() and _kind(path.name) == kind]
    named = {path: begun for path in paths if (begun := stamp_of(path.name))}
    old = set(sorted(named, key=lambda path: path.name)[:-_NEWEST])
    files = [File(path, named[path], {}) if path in old else _file(path) for path in paths]
    files.sort(key=lambda file: (file.begun, file.path.name), reverse=True)
    # One that cannot be read is refused if its name says that it is the newest, and not passed over.
    last = max(files, key=lambda file: file.path.name, default=None)
    return files if last is None or last.header else [last, *(file for file in files if file is not last)]


def stamp_of(name: str) -> datetime | None:
    """Return when an observation was begun by the name that the observer gave it; ``None`` for another name.

    >>> stamp_of("dns-2026-03-02T053000Z.jsonl.gz").isoformat(), stamp_of("mine.jsonl.gz")
    ('2026-03-02T05:30:00+00:00', None)
    """
    stamped = _STAMPED.fullmatch(name)
    with suppress(ValueError):
        return datetime.strptime(stamped[2] if stamped else "", "%Y-%m-%dT%H%M%SZ").replace(tzinfo=UTC)
    return None


def pattern_of(header: Mapping[str, Any]) -> str:
    """Return the pattern of the domains that a run asked about, "" for all of the list."""
    settings = header.get("settings")
    only = settings.get("only") if isinstance(settings, dict) else ""
    return only if isinstance(only, str) else ""


def is_whole(file: Path) -> bool:
    """Tell whether the last run of a file was to answer for the whole list, and came to its end."""
    pattern, whole = "", False
    with suppress(OSError):
        for _, content in Scan(file.read_bytes()).lines():
            if "format" in content:
                pattern, whole = pattern_of(content), False
            elif "end" in content:
                whole = content.get("complete") is True and not pattern
    return whole


def is_of(file: Path, kind: str) -> bool:
    """Tell whether a file says of itself that it is an observation of a kind (``dns``, ``tls``)."""
    return _file(file).header.get("format") == f"mssante-audit {kind} observation"


def _kind(name: str) -> str:
    stamped = _STAMPED.fullmatch(name)
    prefix = stamped[1] if stamped else name.partition("-")[0]
    return prefix if stamped or prefix in NAMES else NAMES[0]


def _file(path: Path) -> File:
    """Read the first line of a file; one without counts from the date in its name, and is refused later."""
    with suppress(InputError, OSError, zlib.error, ValueError, KeyError, TypeError, OverflowError):
        with open_regular(path) as file:
            head = zlib.decompressobj(31).decompress(file.read(_HEAD), _HEAD)
        header = dict(json.loads(head.partition(b"\n")[0]))
        return File(path, datetime.fromisoformat(header["at"]).astimezone(UTC), header)
    return File(path, stamp_of(path.name) or datetime.min.replace(tzinfo=UTC), {})
