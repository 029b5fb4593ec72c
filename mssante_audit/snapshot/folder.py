"""How a snapshot lies in its folder: Parquet, ``private/`` with what names persons, one JSON of provenance.

``snapshot.json`` is written last and names every file with its hash: a folder without it is no snapshot, and
a file that was changed, is missing or belongs to another snapshot is noticed when it is loaded.

============  ================================================================================================
file          one row
============  ================================================================================================
``entries``   a row of the list (`mssante_audit.whitelist.load`), test entries too
``problems``  what could not be read of it
``findings``  an open or waived finding (`mssante_audit.findings.frame`) in French words; ``rank`` keeps the
              order of ``severity`` (0 the mildest), which Parquet does not; ``subject``, ``rows``,
              ``where`` and ``facts`` are JSON text; ``reason``, ``who`` and ``until`` of a waived one, or ""
``domains``   a domain (`mssante_audit.verdicts.domains`)
``mailboxes`` a domain, kind and structure: how many mailboxes (`mssante_audit.mailboxes.counts`)
``methods``   a domain that was observed (`mssante_audit.observe.methods`)
``changes``   a change since the list before in the archive (`mssante_audit.archive.changes`)
``register``  a declaration (`mssante_audit.declarations.register`)
============  ================================================================================================

Below ``private/``: the same rows of ``entries`` and ``register`` with the columns that name persons; columns
of any file whose texts name one all the same, such as a description, which are masked in that file; subject,
facts, domain and operator of findings, persons in clear; what could not be read of the register; where the
data lie.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.values.person import unnamed

FILE = "snapshot.json"
VERSION = 4
PRIVATE = "private"
"""Folder that only its owner may enter (0700), its files his alone (0600); never in what is shared."""
AGAIN = "Make it again: mssante-audit snapshot --data DIR OUT"

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
            if any(text != told for text, told in shown.items()):
                masked[str(column)] = texts.map(shown)
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
    ours = all(name == PRIVATE or name.endswith(".parquet") for name in left)
    return ours and left >= {f"{name}.parquet" for name in ("entries", "problems", "findings", "domains")}


def read_head(folder: Path) -> dict[str, Any]:
    """Return what ``snapshot.json`` says, once every file it names was found to be the one it names.

    Raises
    ------
    InputError
        If it is no snapshot of this version, or a file of it is missing or another.
    """
    path = folder / FILE
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
        files, version = dict(head["files"]), head["version"]
    except FileNotFoundError:
        raise InputError("no snapshot, or one half written", file=str(folder), remedy=AGAIN) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError("cannot be read", file=str(path), remedy=AGAIN) from None
    if version != VERSION:
        raise InputError(f"a snapshot of version {version}, not {VERSION}", file=str(folder), remedy=AGAIN)
    for name, told in files.items():
        part = folder / name
        if not part.resolve().is_relative_to(folder.resolve()):
            raise InputError("names a file that lies elsewhere", file=str(path), remedy=AGAIN)
        if not part.is_file():
            raise InputError("is missing in the snapshot", file=str(part), remedy=AGAIN)
        if digest(part.read_bytes()) != told:
            raise InputError("is not the file that the snapshot was made with", file=str(part), remedy=AGAIN)
    return dict(head)


def read_frame(folder: Path, name: str, needed: Iterable[str] = ()) -> pd.DataFrame:
    """Return a frame of a snapshot, its private columns with it where they are there.

    Raises
    ------
    InputError
        If it cannot be read, or lacks one of the columns needed.
    """
    path = folder / f"{name}.parquet"
    try:
        frame = pd.read_parquet(path, use_threads=False)
        own = folder / PRIVATE / path.name
        if own.is_file():
            frame = frame.assign(**pd.read_parquet(own, use_threads=False))
    except FileNotFoundError:
        raise InputError("is missing in the snapshot", file=str(path), remedy=AGAIN) from None
    except PermissionError:
        raise InputError("may be read by its owner only", file=str(path)) from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read ({error})", file=str(path), remedy=AGAIN) from None
    if missing := [column for column in needed if column not in frame.columns]:
        raise InputError(f"lacks the column {missing[0]!r}", file=str(path), remedy=AGAIN)
    return frame
