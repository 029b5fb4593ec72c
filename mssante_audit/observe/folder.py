"""Which observation files a data folder has."""

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
from mssante_audit.observe.file import DNS, TLS, read_file
from mssante_audit.observe.lines import ObservationError

# By what names of files begin with, before a dash and a date; a file with another name is a `dns`.
FORMS = {form.kind: form for form in (DNS, TLS)}
# How long after an instant a run begun by then may still have asked: a night is as of its own beginning.
RUN = timedelta(days=1)
_STAMPED = re.compile(r"[a-z]+-(\d{4}-\d{2}-\d{2}T\d{6}Z)\.jsonl\.gz")


class File(NamedTuple):
    """An observation file, before it is read; `header` is its first line, empty if that cannot be read."""

    path: Path
    begun: datetime
    header: Mapping[str, Any]


class Aside(NamedTuple):
    """An observation file that is not used.

    `why`: ``future`` (begun after the instant audited at), ``zone`` (of another parent zone), ``unreadable``.
    """

    file: str
    why: str


def default_path(folder: Path, at: datetime, kind: str = "dns") -> Path:
    """Return where an observation begun at `at` goes in a data folder."""
    return folder / "observations" / f"{kind}-{at.astimezone(UTC):%Y-%m-%dT%H%M%SZ}.jsonl.gz"


def observation_files(folder: Path, kind: str = "dns") -> list[Path]:
    """Return the observations of a kind that the observer left in a data folder, oldest first."""
    return sorted((folder / "observations").glob(f"{kind}-*.jsonl.gz"))


def find_observations(data: Path, kind: str = "dns") -> list[File]:
    """Return the observations of a kind in a data folder or in ``observations/`` below, last begun first."""
    paths = [path for folder in (data, data / "observations") for path in folder.glob("*.jsonl.gz")]
    paths = [path for path in paths if not path.is_dir() and _kind(path.name) == kind]
    stamped = sorted((path for path in paths if stamp_of(path.name)), key=lambda path: path.name)
    old = set(stamped[:-400])  # their names tell when they were begun; the others are opened
    files = [_file(path, opened=path not in old) for path in paths]
    files.sort(key=lambda file: (file.begun, file.path.name), reverse=True)
    # One that cannot be read is refused if its name says that it is the newest, and not passed over.
    last = max(files, key=lambda file: file.path.name, default=None)
    return files if last is None or last.header else [last, *(file for file in files if file is not last)]


def stamp_of(name: str) -> datetime | None:
    """Return when an observation was begun by the name that the observer gave it, if it did."""
    stamped = _STAMPED.fullmatch(name)
    with suppress(ValueError):
        return datetime.strptime(stamped[1] if stamped else "", "%Y-%m-%dT%H%M%SZ").replace(tzinfo=UTC)
    return None


def pattern_of(header: Mapping[str, Any]) -> str:
    """Return the pattern of the domains that a run asked about, "" for all of the list."""
    settings = header.get("settings")
    only = settings.get("only") if isinstance(settings, dict) else ""
    return only if isinstance(only, str) else ""


def is_whole(file: Path) -> bool:
    """Tell whether the last run of a file was to answer for the whole list, and came to its end."""
    with suppress(ObservationError):
        headers, read = read_file(file, FORMS[_kind(file.name)], lambda *_: None)
        return bool(read["complete"]) and not pattern_of(headers[-1])
    return False


def is_of(file: Path, kind: str) -> bool:
    """Tell whether a file says of itself that it is an observation of a kind."""
    return _file(file).header.get("format") == FORMS[kind].format


def _kind(name: str) -> str:
    prefix = name.partition("-")[0]
    return prefix if _STAMPED.fullmatch(name) or prefix in FORMS else DNS.kind


def _file(path: Path, *, opened: bool = True) -> File:
    """Read the first line of a file; one without counts from the date in its name, and is refused later."""
    with suppress(InputError, OSError, zlib.error, ValueError, KeyError, TypeError, OverflowError):
        if opened:
            with open_regular(path) as file:
                head = zlib.decompressobj(31).decompress(file.read(1 << 16), 1 << 16)
            header = dict(json.loads(head.partition(b"\n")[0]))
            return File(path, datetime.fromisoformat(header["at"]).astimezone(UTC), header)
    return File(path, stamp_of(path.name) or datetime.min.replace(tzinfo=UTC), {})
