"""The two lists that are compared, and how sure is what they show; docs/archive.md has the table."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.load import DAMAGES
from mssante_audit.whitelist.load import doubts as doubts_of
from mssante_audit.whitelist.rows import structures

if TYPE_CHECKING:
    from mssante_audit.whitelist.load import WhiteList

CONFIDENCES = ("unknown", "likely", "certain")
"""How sure a change is, and an event, the least first."""
_MISSING = {
    "added": {0}, "dn_added": {0}, "more": {0}, "removed": {1}, "dn_retired": {1}, "fewer": {1},
    "renamed": {0, 1}, "moved": {0, 1}, "dn_replaced": {0, 1},
}  # fmt: skip
"""Of which lists, the earlier (0) or the later one, a missing row would explain a change."""


@dataclass(frozen=True)
class Side:
    """One of the two lists that are compared."""

    entries: pd.DataFrame
    """Its rows (columns of `mssante_audit.whitelist.load`)."""
    time: datetime | None = None
    """When it was generated (UTC)."""
    doubts: tuple[str, ...] = ()
    """Why it is not to be relied on (`mssante_audit.whitelist.load.doubts`), whatever its age."""
    signer: str = ""
    """Common name in the certificate that signs it; "" if that cannot be read."""
    structures: Mapping[str, str] = field(default_factory=dict)
    """Which identifiers stand for one structure, as the lists of its archive show; empty if it is of none."""

    @property
    def audited(self) -> Side:
        """The list without its test entries."""
        return replace(self, entries=self.entries[~self.entries["is_audit_entry"]])


def same_structures(before: Side, after: Side) -> dict[str, str]:
    """Tell which identifiers stand for one structure, as both lists and all those of their archive show."""
    known = {**before.structures, **after.structures}
    return structures(pd.concat([before.entries, after.entries]), known)


def side_of(whitelist: WhiteList) -> Side:
    """Return a list as a side; its signature is checked if it was not yet.

    A file that is gone or has changed since it was loaded is an `InputError`.
    """
    signer = parse_dn(whitelist.signature.signer).get("CN")
    return Side(whitelist.entries, whitelist.generated_at, tuple(doubts_of(whitelist)), signer)


def confidence(kind: str, doubts: tuple[Collection[str], Collection[str]]) -> str:
    """Return how sure a change of a kind is between lists with these doubts.

    >>> [confidence("removed", each) for each in (((), ()), (("damaged",), ()), ((), ("damaged",)))]
    ['certain', 'likely', 'unknown']
    >>> confidence("removed", (("unsigned",), ()))
    'unknown'
    """
    damaged = {at for at, reasons in enumerate(doubts) if reasons}
    if any({*reasons} - DAMAGES for reasons in doubts) or damaged & _MISSING.get(kind, set()):
        return "unknown"
    return "likely" if damaged or kind == "renamed" else "certain"
