"""Dossiers of an earlier run that say what would be said today, kept as links: no byte of them is made again.

A dossier tells when it was made, so what only passes with time, and what it says of all operators together
(the list's date, their medians), does not count; what was found of its own operator does, all of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.base.digest import digest
from mssante_audit.base.errors import InputError
from mssante_audit.base.export import write_bytes
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.resources import resource
from mssante_audit.dossiers.facts import Dossier
from mssante_audit.report.results import provenance

FRESH = timedelta(days=7)
"""Age up to which a dossier is kept: its letter tells a date, and may tell a deadline."""

_SIGHT = [
    "signature",
    "signer",
    "revocation",
    "damage",
    "not_made",
    "set_aside",
    "contacts_shown",
    "versions",
]
"""Of a space's provenance: how much could be seen, and by what."""
_LISTED = ["domain", "description", "dn", "project_contact", "support_contact", "updated_at_text"]
"""Of rows of the list: what it says, which all else is read from, and not where."""
_FOUND = ["rule", "severity", "confidence", "domain", "mailboxes", "observed", "expected"]
"""Of findings: all but where they stand in the list, and since when."""


def facts_digest(told: Dossier, how: str) -> str:
    """Return a hash of what a dossier says of its operator.

    Parameters
    ----------
    how
        What it is made with: parameters, code, stationery.
    """
    origin = provenance(told.space)
    seen = None if told.presented is None else told.presented.assign(over=told.presented["days"] < 0)
    parts: list[Any] = [
        how,
        _notebook(),
        [told.operator_id, told.name, told.kind, told.masked],
        [origin.get(name) for name in _SIGHT],
        [(one.name, one.state, one.tolerated) for one in told.space.states],
        [told.space.declarations is None, told.space.observation is None, told.space.mailboxes is None],
        _table(told.entries[_LISTED]),
        _table(told.findings[_FOUND]),
        _table(told.domains),
        _table(told.certificates),
        None if seen is None else _table(seen.drop(columns="days")),
        _table(told.contacts),
        None if told.changes is None else _table(told.changes),
        repr(told.points),
        sorted(set(told.remedies.values())),
        told.caveat,
    ]
    return digest(json.dumps(parts, sort_keys=True, default=str))


@cache
def _notebook() -> str:
    return digest((resource("notebooks") / "operator.ipynb").read_bytes())


def _table(frame: pd.DataFrame) -> list[list[Any]]:
    return [column.tolist() for _, column in frame.items()]


def fresh(made: str, now: str) -> bool:
    """Tell whether a dossier as of an instant (ISO 8601) may still be shown at another, and is not of later.

    >>> fresh("2026-03-02T06:00:00+00:00", "2026-03-03"), fresh("2026-03-03", "2026-03-02")
    (True, False)
    """
    try:
        return timedelta(0) <= parse_instant(now) - parse_instant(made) <= FRESH
    except InputError:
        return False


def whole(folder: Path, name: str, files: Mapping[str, str]) -> bool:
    """Tell whether the files of a dossier are there, by the SHA-256 of each suffix, and are no links."""
    try:
        paths = ((folder / f"{name}{suffix}", told) for suffix, told in files.items())
        return all(not path.is_symlink() and digest(path.read_bytes()) == told for path, told in paths)
    except OSError:
        return False


def link(source: Path, target: Path) -> None:
    """Put a file into another folder too, as a link to the same bytes, or as a copy where that cannot be.

    Whatever is written later replaces a file by another of that name, and never writes into it
    (`mssante_audit.base.export.write_bytes`).
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, one without links, or too many of them
        write_bytes(target, source.read_bytes())
