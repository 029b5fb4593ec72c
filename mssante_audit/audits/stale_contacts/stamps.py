"""Dates of rows: what they say of contacts, and which say nothing. Part of the audit `stale_contacts`.

A date is no proof of a change: the publishing tool stamps rows again (data). Those it plainly stamped are set
aside, the others are the best there is where no earlier list is at hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from mssante_audit.findings.frame import Finding
from mssante_audit.space.trust import TrustSpace
from mssante_audit.whitelist.rows import rows_by

MADE_UP = "12:34:56"
"""A time of day that nobody's change has: hundreds of rows bear it (data)."""
BULK_OPERATORS = 10
"""From so many operators' rows on, one instant is a stamp of the tool. Data: 119, 44, 11, then 6."""
UNKNOWN = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stamps:
    """The dates of rows, by row number."""

    all: Mapping[int, datetime]
    telling: Mapping[int, datetime]
    """Those that may say when a row was last declared: none of a row stamped when the list was made or later,
    at `MADE_UP`, or together with those of `BULK_OPERATORS` operators."""

    def span(self, rows: Iterable[int]) -> tuple[datetime, datetime] | None:
        """Return the first and the last telling date of rows, ``None`` if there is none."""
        said = [self.telling[row] for row in rows if row in self.telling]
        return (min(said), max(said)) if said else None

    def until(self, rows: Iterable[int]) -> datetime:
        """Return the instant after which rows were not declared: a change had stamped them again."""
        return max(self.all.get(row, UNKNOWN) for row in rows)


def stamps_of(space: TrustSpace) -> Stamps:
    """Read the dates of the rows audited."""
    entries = space.audited[space.audited["updated_at"].notna()]
    telling = entries
    if space.whitelist.generated_at is not None:
        telling = telling[telling["updated_at"] < pd.Timestamp(space.whitelist.generated_at)]
    owners = entries.groupby("updated_at")["operator_id"].nunique()
    telling = telling[telling["updated_at"].map(owners) < BULK_OPERATORS]
    telling = telling[telling["updated_at"].dt.strftime("%H:%M:%S") != MADE_UP]
    by_row = dict(zip(entries["row"].tolist(), entries["updated_at"].dt.to_pydatetime(), strict=True))
    return Stamps(by_row, {row: by_row[row] for row in telling["row"].tolist()})


def old_stamps(space: TrustSpace) -> Iterator[Finding]:
    """Report, for each operator, the rows dated long ago."""
    entries = space.audited
    limit = space.as_of - pd.Timedelta(days=space.thresholds.stale_after_days)
    sizes = entries["operator_id"].value_counts()
    old = entries[entries["updated_at"] < limit]
    oldest = old.groupby("operator_id")["updated_at"].min()
    for (operator_id,), rows in rows_by(old, "operator_id").items():
        facts = {"old": len(rows), "rows": sizes[operator_id], "oldest": oldest[operator_id], "limit": limit}
        yield Finding("CONTACT_STAMP_OLD", operator_id, tuple(rows), facts=facts)
