"""Fetching the public extraction of mailboxes: as the list is, into the data folder, once a publication.

The server says in the answer's head when the extraction was made: one that lies there already is not
downloaded again. What cannot be read, or breaks off, is not kept.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from mssante_audit.archive.fetch import Settings, download
from mssante_audit.base.errors import FetchError
from mssante_audit.base.export import writing
from mssante_audit.mailboxes.extraction import PUBLISHED, Extraction, dated, made_at

MAX_BYTES = 256 * 2**20
"""Largest answer: some twelve times the archive of 2026, three times its text."""

_MIRRORED = re.compile(r"(?i)/(\d{8})-(\d{4})\d\d/extraction-correspondance-mssante\.(?:txt|zip)$", re.A)
"""Path at static.data.gouv.fr, which has the time of its copy, minutes after that of the extraction."""


class Fetched(NamedTuple):
    """What became of it."""

    file: Path
    """Where it lies."""
    extraction: Extraction | None = None
    """What it holds, read; ``None`` if it was there already."""


def fetch_extraction(folder: Path, settings: Settings) -> Fetched:
    """Fetch the extraction of the day into a data folder, which is made if it is not there.

    One that cannot be had, tells no date, or is damaged is a `FetchError`; what is none is an `InputError`.
    """
    got = download(replace(settings, had=lambda header: _there(folder, header) is not None))
    there = _there(folder, got.said)
    if got.unchanged and there is not None:
        return Fetched(there)
    suffix = "zip" if got.content.startswith(b"PK\x03\x04") else "txt"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".extraction-", dir=folder) as beside:
            draft = Path(beside, f"Extraction_Correspondance_MSSante.{suffix}")
            draft.write_bytes(got.content)
            made = _told(got.said) or dated(draft)
            if made is None:
                why = "the answer does not tell when the extraction was made"
                remedy = "Give ANS's address, or data.gouv.fr's with --url"
                raise FetchError(why, file=settings.shown, remedy=remedy)
            extraction = Extraction(_named(made, suffix), made, draft)
            if damage := extraction.counts.damage:
                raise FetchError(f"what came is damaged ({damage})", file=settings.shown, remedy="Try again")
            os.replace(draft, folder / extraction.source)
    return Fetched(folder / extraction.source, extraction)


def _there(folder: Path, header: str) -> Path | None:
    """Return the file that has the extraction which an answer's head speaks of."""
    made = _told(header)
    named = [folder / _named(made, suffix) for suffix in ("zip", "txt")] if made else []
    return next((file for file in named if file.is_file()), None)


def _told(header: str) -> datetime | None:
    """Return when the extraction was made of which a head speaks: by its file's name, or its address."""
    published, mirrored = PUBLISHED.search(header), _MIRRORED.search(header)
    named = f"Extraction_Correspondance_MSSante_{mirrored[1]}{mirrored[2]}.zip" if mirrored else ""
    return made_at(published[0] if published else named)


def _named(made: datetime, suffix: str) -> str:
    return f"Extraction_Correspondance_MSSante_{made:%Y%m%d%H%M}.{suffix}"
