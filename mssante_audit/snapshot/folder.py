"""How a snapshot lies in its folder (docs/snapshot.md): Parquet, ``private/``, one JSON of provenance.

``snapshot.json`` is written last and names every file with its hash: without it, or with another file, a
folder is no snapshot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.state import read_state
from mssante_audit.values.person import unnamed

FILE = "snapshot.json"
VERSION = 5
PRIVATE = "private"
"""Folder that only its owner may enter (0700), its files his alone (0600); never in what is shared."""
ORIGIN = f"{PRIVATE}/data.json"
"""Where the data lie, and what list, archive and servers were judged by."""
PACKAGE = "datapackage.json"
"""What a snapshot that is handed on says of its files (Frictionless Data Package)."""
MEDIA_TYPE = "application/vnd.apache.parquet"
AGAIN = "Make it again: mssante-audit snapshot --data DIR OUT"
WAIVED = ("reason", "who", "until")
"""Columns that a waived finding has, and an open one has empty."""

_NAMING = re.compile(r"(?:project|support)_contact|postal_address|.*_(?:phone|email|last_name|first_name)")
_NUMBERS = re.compile(r"ou|finess|siren|siret|file|source|.*_(?:id|number)|operator_(?:before|after)")
_OU = re.compile(r"(OU=[0-9]+)")


def naming(frame: pd.DataFrame) -> list[str]:
    """Return the columns of a frame that name persons: they lie in ``private/``."""
    return [column for column in frame.columns if _NAMING.fullmatch(column)]


def unnamed_texts(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """Return by name the columns of texts that name somebody though they should not, with these masked."""
    masked: dict[str, pd.Series] = {}
    for column, texts in frame.items():
        if isinstance(texts.dtype, pd.StringDtype) and not _NUMBERS.fullmatch(str(column)):
            shown = {text: _unnamed(text) for text in texts.dropna().unique().tolist()}
            if any(text != mask for text, mask in shown.items()):
                masked[str(column)] = texts.map(shown)
    if "dn" in masked and "dn_key" in frame:  # in lower case a name is harder to see
        masked["dn_key"] = frame["dn_key"].where(masked["dn"] == frame["dn"], masked["dn"])
    return masked


def _unnamed(text: str) -> str:
    parts = _OU.split(text)  # an identifier's digits may look like a phone number
    return "".join(part if _OU.fullmatch(part) else unnamed(part) for part in parts)


def is_snapshot(folder: str | Path | None) -> bool:
    """Tell whether a folder holds a snapshot, or what is left of one: its files and nothing else."""
    if folder is None:
        return False
    if (Path(folder) / FILE).is_file():
        return True
    try:
        left = {path.name for path in Path(folder).iterdir()}
    except OSError:
        return False
    ours = all(name in (PRIVATE, PACKAGE) or name.endswith(".parquet") for name in left)
    return ours and left >= {f"{name}.parquet" for name in ("entries", "problems", "findings", "domains")}


def read_head(folder: Path) -> dict[str, Any]:
    """Return what ``snapshot.json`` says, once every file it names was found to be the one it names.

    If it is no snapshot of this version, or a file of it is missing or another, it is an `InputError`.
    """
    head = read_state(folder / FILE, VERSION, remedy=AGAIN)
    if head is None:
        raise InputError("no snapshot, or one half written", file=str(folder), remedy=AGAIN)
    for name, known in head["files"].items():
        part = folder / name
        if not part.is_file() or not part.resolve().is_relative_to(folder.resolve()):
            raise InputError("is missing in the snapshot", file=str(part), remedy=AGAIN)
        if digest(part.read_bytes()) != known:
            raise InputError("is not the file that the snapshot was made with", file=str(part), remedy=AGAIN)
    return head


def read_frame(folder: Path, name: str, needed: Iterable[str] = ()) -> pd.DataFrame:
    """Return a frame of a snapshot, its private columns with it where they are there.

    One that cannot be read, or lacks one of the columns needed, is an `InputError`.
    """
    path, private = folder / f"{name}.parquet", folder / PRIVATE / f"{name}.parquet"
    try:
        frame = pd.read_parquet(path, use_threads=False)
        if private.is_file():
            frame = frame.assign(**pd.read_parquet(private, use_threads=False))
    except PermissionError:
        raise InputError("may be read by its owner only", file=str(path)) from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read ({error})", file=str(path), remedy=AGAIN) from None
    if missing := [column for column in needed if column not in frame.columns]:
        raise InputError(f"lacks the column {missing[0]!r}", file=str(path), remedy=AGAIN)
    return frame
