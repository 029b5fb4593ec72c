"""Who uses which contact: the distinct contacts of each operator, with their rows. For `stale_contacts`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from mssante_audit.values.contacts import Contact, Coordinates, parse_contact
from mssante_audit.values.person import Person
from mssante_audit.whitelist.rows import rows_by

KINDS = {"project_contact": "project", "support_contact": "support"}
WRITTEN = frozenset({"phone-malformed", "email-malformed", "markup", "spacing", "several-emails"})
"""Problems of a text that no proposal has if there is a spelling without."""
MAJORITY_MIN = 3
"""From how many rows on the contact that most of an operator's rows hold is a majority."""

Reached = tuple[str, str, Coordinates]
"""operator_id, kind, what is reached."""


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """One text of one kind of contact, on the rows of one operator."""

    operator_id: str
    kind: str
    """``project`` or ``support``."""
    contact: Contact
    rows: tuple[int, ...]

    @property
    def coordinates(self) -> Coordinates:
        """What it reaches."""
        return self.contact.coordinates

    @property
    def domains(self) -> set[str]:
        """Domains of the addresses."""
        return {email.partition("@")[2] for email in self.contact.emails}


def uses_of(entries: pd.DataFrame) -> list[Use]:
    """Return the contacts in use, in list order; absent ones are LIST_UNREADABLE_ROW."""
    read = cache(parse_contact)
    return [
        Use(operator_id, kind, read(text), tuple(rows))
        for column, kind in KINDS.items()
        for (operator_id, text), rows in rows_by(entries, "operator_id", column).items()
        if text.strip()
    ]


def seen(use: Use, text: str = "") -> dict[str, Any]:
    """Return a contact as a fact."""
    return {"kind": use.kind, "text": Person(text or use.contact.text)}


def distinct(uses: Iterable[Use]) -> list[dict[str, Any]]:
    """Return contacts as facts, each once."""
    return [seen(use) for use in {(use.kind, use.contact.text): use for use in uses}.values()]


def spellings(uses: Iterable[Use]) -> list[dict[str, Any]]:
    """Return the spellings of one contact as facts, the most frequent first, with how many rows hold each."""
    return [seen(use) | {"rows": len(use.rows)} for use in sorted(uses, key=lambda use: -len(use.rows))]


def alike(uses: Iterable[Use]) -> dict[Reached, list[Use]]:
    """Put the texts together that reach the same phones and addresses, in list order; some reach none."""
    found: dict[Reached, list[Use]] = {}
    for use in uses:
        if any(use.coordinates):
            found.setdefault((use.operator_id, use.kind, use.coordinates), []).append(use)
    return found


def rows_of(uses: Iterable[Use]) -> tuple[int, ...]:
    """Return the rows of several contacts, each once."""
    return tuple(sorted({row for use in uses for row in use.rows}))


def most_used(uses: Iterable[Use]) -> Use:
    """Return the contact on most rows, the first of those that tie."""
    return max(uses, key=lambda use: len(use.rows))


def proposed(uses: Iterable[Use]) -> dict[str, Any]:
    """Return one of several spellings of a contact as a fact: the best written one, with single spaces."""
    best = min(uses, key=lambda use: (len(WRITTEN & set(use.contact.problems)), -len(use.rows)))
    return seen(best, " ".join(best.contact.text.split()))


def majorities(uses: Iterable[Use], sizes: Mapping[str, int]) -> dict[tuple[str, str], Use]:
    """Return by operator and kind the contact, most often spelt so, that more than half of its rows hold."""
    found = {}
    for (operator_id, kind, _), own in alike(uses).items():
        rows = len(rows_of(own))
        if rows >= MAJORITY_MIN and 2 * rows > sizes[operator_id]:
            found[operator_id, kind] = most_used(own)
    return found
