"""What changed, in words: changes and events of the archive, in the reader's language.

`FRAME` are the columns that words add to those of `mssante_audit.archive.changes` and `events`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.archive import changes, events
from mssante_audit.archive.events import List, Span, span
from mssante_audit.archive.store import Archive, find_archive, find_whitelist, open_archive
from mssante_audit.base.frames import Column
from mssante_audit.findings.facts import seen
from mssante_audit.findings.templates import phrase

FRAME = (
    Column("before", "str", 'what a change changed, or ""; may name persons'),
    Column("after", "str", 'what it is now, or ""; may name persons'),
    Column("sentence", "str", "what happened in an event"),
)  # fmt: skip

_WORDS = "mssante_audit.space"
CHANGES = (*changes.FRAME[:2], *FRAME[:2], *changes.FRAME[2:])
EVENTS = (*events.FRAME[:2], *FRAME[2:], *events.FRAME[2:])
"""Columns of the worded frames."""


def compare(
    before: List,
    after: List,
    *,
    archive: Archive | str | Path = "archive",
    anchors: Sequence[str | Path] = (),
    signer: str | None = None,
    recover: bool = False,
    any_namespace: bool = False,
    language: str = "",
    contacts: str = "services",
) -> Span:
    """Compare two lists: what changed, what happened, and how sure either is.

    Parameters
    ----------
    before, after
        Each a file, a data folder, a date of the archive (its last list of that day or before; ISO 8601) or
        a loaded `WhiteList`, which has anchors and signer of its own.
    archive
        Folder of an archive, or one that is open, with anchors and signer of its own.
    anchors, signer, recover, any_namespace
        How lists are loaded (`mssante_audit.load_space`); what the damaged part of one may explain is
        ``unknown``.
    language
        Of the words, one of `mssante_audit.findings.templates.LANGUAGES`.
    contacts
        Whose numbers and addresses are shown, as `mssante_audit.load_space` has it.

    Returns
    -------
    Span
        Frames ``changes`` (a row a change) and ``events`` (a row for changes that belong together), their
        columns in ``docs/data.md``; times ``start`` and ``end``; ``doubts``, why either list is not to be
        relied on (`mssante_audit.whitelist.load.doubts`), two empty tuples if both are.

    Examples
    --------
    >>> from mssante_audit import compare, load_space
    >>> archive = load_space(as_of="2026-03-03").archive
    >>> found = compare("2025-09-01", "2025-11-03", archive=archive, language="en")
    >>> found.events[["kind", "size", "confidence"]].values.tolist()
    [['migration', 4, 'certain'], ['added', 2, 'certain']]
    >>> found.doubts
    ((), ())
    """
    opened = archive if isinstance(archive, Archive) else open_archive(archive, anchors, signer)
    made = span(opened, _file(before), _file(after), recover=recover, any_namespace=any_namespace)
    return replace(
        made,
        changes=worded_changes(made.changes, language=language, contacts=contacts),
        events=worded_events(made.events, language=language, contacts=contacts),
    )


def _file(given: List) -> List:
    """Return the list that a data folder stands for, as `mssante_audit.load_space` takes it."""
    if not isinstance(given, str | Path) or not Path(given).is_dir():
        return given
    return find_whitelist(Path(given), find_archive(Path(given)))


def worded_changes(changes: pd.DataFrame, *, language: str = "", contacts: str = "services") -> pd.DataFrame:
    """Return changes (`mssante_audit.archive.changes`) with `before` and `after` in words.

    Of persons that is shown, in `facts` too, which `contacts` says; two that differ stay different.
    """
    facts = seen(contacts)(changes["facts"].tolist())
    sides = {
        side: pd.Series(
            [_side(side_facts, side, language) for side_facts in facts], index=changes.index, dtype="str"
        )
        for side in ("before", "after")
    }
    shown = changes.assign(**sides, facts=pd.Series(facts, index=changes.index, dtype="object"))
    return shown[[column.name for column in CHANGES]]


def worded_events(events: pd.DataFrame, *, language: str = "", contacts: str = "services") -> pd.DataFrame:
    """Return events (`mssante_audit.archive.events`) with their `sentence`, which says if one is unknown.

    Persons are shown as in `worded_changes`. Further columns stay.
    """
    sentences, shown = [], seen(contacts)(events["facts"].tolist())
    events = events.assign(facts=pd.Series(shown, index=events.index, dtype="object"))
    columns = (events["kind"], events["size"], shown, events["confidence"])
    for kind, size, facts, sure in zip(*columns, strict=True):
        text = phrase(_WORDS, kind, {**facts, "size": size}, language)
        text = text[:1].upper() + text[1:]
        sentences.append(phrase(_WORDS, "doubtful", text, language) if sure == "unknown" else text)
    names = [column.name for column in EVENTS]
    more = [name for name in events.columns if name not in names]
    return events.assign(sentence=pd.Series(sentences, index=events.index, dtype="str"))[[*names, *more]]


def _side(facts: Mapping[str, Any], side: str, language: str) -> str:
    value = facts.get(side, "")
    if isinstance(value, list):
        who = " | ".join(phrase(_WORDS, "who", operator, language) for operator in value)
        return phrase(_WORDS, "copied", {"who": who, **facts}, language) if "like" in facts else who
    if "contact" in facts:
        return f"{phrase(_WORDS, 'contact_named', facts['contact'], language)}{value}"
    return f"{value} × {facts['certificate']}" if "certificate" in facts else str(value)
