"""Who uses which contact, on which rows, and what the dates of these say.

A date is no proof of a change: the publishing tool stamps rows again (data). Those it plainly stamped are set
aside, the others are the best there is where no earlier list is at hand.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import Contact, Coordinates, parse_contact
from mssante_audit.values.person import Person
from mssante_audit.whitelist.rows import grouped, rows_by

KINDS = {"project_contact": "project", "support_contact": "support"}
_BADLY_WRITTEN = {"phone-malformed", "email-malformed", "markup", "spacing", "several-emails"}
MAJORITY_MIN = 3  # rows from which the contact on most of an operator's rows is a majority

Reached = tuple[str, str, Coordinates]  # operator_id, kind, what is reached


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """One text of one kind of contact (``project`` or ``support``), on the rows of one operator."""

    operator_id: str
    kind: str
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
    return [
        Use(operator_id, kind, parse_contact(text), tuple(rows))
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


def faults_of(contact: Contact) -> set[str]:
    """Return the problems of a contact that make it no model for one without them."""
    return {*contact.problems} - {"several-emails", "spacing", "personal"}


def alike(uses: Iterable[Use]) -> dict[Reached, list[Use]]:
    """Put the texts together that reach the same phones and addresses, in list order; some reach none."""
    reaching = (use for use in uses if any(use.coordinates))
    return grouped(((use.operator_id, use.kind, use.coordinates), use) for use in reaching)


def rows_of(uses: Iterable[Use]) -> tuple[int, ...]:
    """Return the rows of several contacts, each once."""
    return tuple(sorted({row for use in uses for row in use.rows}))


def best_of(uses: Iterable[Use]) -> dict[str, Any]:
    """Return one of several spellings of a contact as a fact: the best written one, with single spaces."""
    best = min(uses, key=lambda use: (len(_BADLY_WRITTEN.intersection(use.contact.problems)), -len(use.rows)))
    return seen(best, " ".join(best.contact.text.split()))


def majorities(uses: Iterable[Use], sizes: Mapping[str, int]) -> dict[tuple[str, str], Use]:
    """Return by operator and kind the contact on more than half of its rows, as usually spelt."""
    return {
        (operator_id, kind): max(group, key=lambda use: len(use.rows))
        for (operator_id, kind, _), group in alike(uses).items()
        if (rows := len(rows_of(group))) >= MAJORITY_MIN and 2 * rows > sizes[operator_id]
    }


@dataclass(frozen=True, slots=True)
class Stamps:
    """The dates of rows, by row number; `telling` are those that may say when a row was last declared."""

    every: Mapping[int, datetime]
    telling: Mapping[int, datetime]

    def span(self, rows: Iterable[int]) -> tuple[datetime, datetime] | None:
        """Return the first and the last telling date of rows, ``None`` if there is none."""
        dates = [self.telling[row] for row in rows if row in self.telling]
        return (min(dates), max(dates)) if dates else None

    def until(self, rows: Iterable[int]) -> datetime:
        """Return the instant after which rows were not declared: a change had stamped them again."""
        return max(self.every.get(row, datetime.max.replace(tzinfo=UTC)) for row in rows)


MADE_UP = pd.Timedelta("12:34:56")  # a time of day that nobody's change has: on hundreds of rows (data)
BULK_OPERATORS = 10  # operators in one second from which it is the tool's (data: 119, 44, 11, then 6)
BULK_SHARE = 3  # a whole minute is the tool's on one in so many rows of an operator (data: 149 of 297)


def stamps_of(space: TrustSpace) -> Stamps:
    """Read the dates of the rows audited.

    A date is stamped in bulk that is of the list's second or later, of the time `MADE_UP`, on rows of
    `BULK_OPERATORS` operators in one second, or a whole minute on so many rows of one operator, and on a
    third of its rows.
    """
    entries = space.audited.loc[space.audited["updated_at"].notna(), ["row", "operator_id", "updated_at"]]
    generated, owners = space.whitelist.generated_at, entries["operator_id"]
    seconds = entries["updated_at"].dt.floor("s")
    in_second = entries.groupby([owners, seconds])["row"].transform("size")
    round_ = (seconds == seconds.dt.floor("min")) & (in_second >= BULK_OPERATORS)
    bulk = round_ & (BULK_SHARE * in_second >= owners.groupby(owners).transform("size"))
    bulk |= owners.groupby(seconds).transform("nunique") >= BULK_OPERATORS
    bulk |= seconds - seconds.dt.normalize() == MADE_UP
    if generated is not None:
        bulk |= seconds >= pd.Timestamp(generated).floor("s")
    by_row = dict(zip(entries["row"].tolist(), entries["updated_at"].dt.to_pydatetime(), strict=True))
    return Stamps(by_row, {row: by_row[row] for row in entries.loc[~bulk, "row"].tolist()})
