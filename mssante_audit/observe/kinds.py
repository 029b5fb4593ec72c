"""Files of observations: what they are called by kind, where they lie, which is the newest.

A kind more is a name in `KINDS`, a folder of this room that asks and reads, and a field of the trust space.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

KINDS = ("dns", "tls")
"""What the names of files begin with, before a dash and a date; of the second this version reads none. A file
that its user named otherwise is of the first kind."""


def default_path(folder: Path, at: datetime, kind: str = "dns") -> Path:
    """Return where an observation begun at `at` goes in a data folder.

    >>> default_path(Path("d"), datetime(2026, 3, 2, 5, 30, tzinfo=UTC)).as_posix()
    'd/observations/dns-2026-03-02T053000Z.jsonl.gz'
    """
    return folder / "observations" / f"{kind}-{at.astimezone(UTC):%Y-%m-%dT%H%M%SZ}.jsonl.gz"


def observation_files(folder: Path, kind: str = "dns") -> list[Path]:
    """Return the observations of a kind that the observer left in a data folder, oldest first."""
    return sorted((folder / "observations").glob(f"{kind}-*.jsonl.gz"))


def find_observation(data: Path, kind: str = "dns") -> Path | None:
    """Return the newest observation of a kind in a data folder, ``None`` if it has none (or is a file).

    Observations lie in the folder or in ``observations/`` below it; the newest is the last in order of name.
    """
    found = [f for folder in (data, data / "observations") for f in folder.glob("*.jsonl.gz") if f.is_file()]
    return max((f for f in found if _kind(f.name) == kind), key=lambda f: f.name, default=None)


def _kind(name: str) -> str:
    prefix = name.partition("-")[0]
    return prefix if prefix in KINDS else KINDS[0]
