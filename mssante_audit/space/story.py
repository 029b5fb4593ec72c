"""What changed, in words: changes and events of the archive, in the reader's language.

Columns that words add, to those of `mssante_audit.archive.changes`, and to those of
`mssante_audit.archive.events`:

==============  =====  ==================================================================================
column          dtype  meaning
==============  =====  ==================================================================================
``before``      str    what a change changed, or ""; may name persons
``after``       str    what it is now, or ""; may name persons
``sentence``    str    what happened in an event
==============  =====  ==================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from mssante_audit.archive import changes, events
from mssante_audit.findings.facts import clear, hidden
from mssante_audit.findings.templates import said

_WORDS = "mssante_audit.space"
CHANGES = ("kind", "domain", "before", "after", *changes.COLUMNS[2:])
EVENTS = (*events.COLUMNS[:2], "sentence", *events.COLUMNS[2:])


def worded_changes(told: pd.DataFrame, *, language: str = "fr", show_contacts: bool = False) -> pd.DataFrame:
    """Return changes with `before` and `after` in words, persons masked, in `facts` too.

    Parameters
    ----------
    told
        As `mssante_audit.archive.changes` describes. Two persons of them that differ stay different.
    language
        Of `mssante_audit.findings.words.LANGUAGES`.
    show_contacts
        Name persons as the lists do.
    """
    facts = (clear if show_contacts else hidden)(told["facts"].tolist())
    sides = {
        side: pd.Series([_side(one, side, language) for one in facts], index=told.index, dtype="str")
        for side in ("before", "after")
    }
    return told.assign(**sides, facts=pd.Series(facts, index=told.index, dtype="object"))[list(CHANGES)]


def worded_events(told: pd.DataFrame, *, language: str = "fr") -> pd.DataFrame:
    """Return events with their `sentence`.

    Parameters
    ----------
    told
        As `mssante_audit.archive.events` describes; further columns stay.
    language
        Of `mssante_audit.findings.words.LANGUAGES`.
    """
    sentences = [
        said(_WORDS, kind, {**facts, "size": size}, language)
        for kind, size, facts in zip(told["kind"], told["size"], told["facts"], strict=True)
    ]
    sentences = [text[:1].upper() + text[1:] for text in sentences]
    more = [name for name in told.columns if name not in EVENTS]
    return told.assign(sentence=pd.Series(sentences, index=told.index, dtype="str"))[[*EVENTS, *more]]


def _side(facts: Mapping[str, Any], side: str, language: str) -> str:
    value = facts.get(side, "")
    if isinstance(value, list):
        return " | ".join(said(_WORDS, "who", one, language) for one in value)
    if "contact" in facts:
        return f"{said(_WORDS, 'contact_named', facts['contact'], language)}{value}"
    return f"{value} × {facts['certificate']}" if "certificate" in facts else str(value)
