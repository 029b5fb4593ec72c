"""Who uses which contact: the distinct contacts of each operator, with their rows. For `stale_contacts`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import pandas as pd

from mssante_audit.values.contacts import Contact, parse_contact
from mssante_audit.values.shown import shown
from mssante_audit.whitelist.rows import rows_by

KINDS = {"project_contact": "projet", "support_contact": "support"}
MAJORITY_MIN = 3
"""From how many rows on the contact that most of an operator's rows hold is a majority."""


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """One text of one kind of contact, on the rows of one operator."""

    operator_id: str
    kind: str
    """``projet`` or ``support``."""
    contact: Contact
    rows: tuple[int, ...]

    @property
    def coordinates(self) -> tuple[frozenset[str], frozenset[str]]:
        """Phones and addresses: what two contacts are compared by."""
        return frozenset(self.contact.phones), frozenset(self.contact.emails)

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


def sizes_of(entries: pd.DataFrame) -> dict[str, int]:
    """Return the number of rows of each operator."""
    return {key: len(rows) for (key,), rows in rows_by(entries, "operator_id").items()}


def seen(use: Use, text: str = "") -> str:
    """Write a contact as findings show it, in the form that `contacts.mask` keeps the kind of."""
    return f"contact {use.kind} : {shown(text or use.contact.text)}"


def seen_together(uses: Iterable[Use], most: int = 3) -> str:
    """Write several spellings of one contact, the most frequent first, with how many rows hold each."""
    ordered = sorted(uses, key=lambda use: -len(use.rows))
    texts = [f"{len(use.rows)} × {seen(use)}" if len(use.rows) > 1 else seen(use) for use in ordered]
    return " | ".join(texts[:most] + ["…"] * (len(texts) > most))


def majorities(uses: Iterable[Use], sizes: Mapping[str, int]) -> dict[tuple[str, str], Use]:
    """Return the contact that more than half of an operator's rows hold, if there is one.

    Parameters
    ----------
    uses
        The contacts in use.
    sizes
        operator_id → number of its rows.

    Returns
    -------
    dict
        (operator_id, kind) → the most frequent spelling of that contact. Contacts are the same when their
        phones and addresses are.
    """
    held: Counter[tuple[str, str, object]] = Counter()
    spelt: dict[tuple[str, str, object], Use] = {}
    for use in uses:
        if any(use.coordinates):
            key = (use.operator_id, use.kind, use.coordinates)
            held[key] += len(use.rows)
            spelt[key] = max(spelt.get(key, use), use, key=lambda u: len(u.rows))
    return {
        key[:2]: spelt[key] for key, rows in held.items() if rows >= MAJORITY_MIN and 2 * rows > sizes[key[0]]
    }
