"""What changed between two lists: one record a change (`FRAME`), rows compared as a multiset.

Rows are paired from the most alike to the least; what a pair differs in is a record. A row without a partner
is a certificate added or retired, or a copy. `mssante_audit.space.story` has words for the facts. How sure
is what the lists show: docs/archive.md has the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, repeat
from operator import attrgetter
from typing import Any, NamedTuple, cast

import pandas as pd

from mssante_audit.archive.renames import Row, find_renames
from mssante_audit.base.frames import columns_of, frame_of
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.person import Person
from mssante_audit.whitelist.copies import copies
from mssante_audit.whitelist.load import DAMAGES, WhiteList
from mssante_audit.whitelist.load import doubts as doubts_of
from mssante_audit.whitelist.rows import grouped, structures

KINDS = (
    "added", "removed", "renamed", "moved", "dn_added", "dn_retired", "dn_replaced", "dn_respelt",
    "contact_changed", "description_changed", "restamped", "duplicated",
)  # fmt: skip
CONFIDENCES = ("unknown", "likely", "certain")  # how sure a change is, and an event, the least first

FRAME = columns_of("mssante_audit.archive", "changes", kind=KINDS, confidence=CONFIDENCES)

# Of which lists, the earlier (0) or the later one, a missing row would explain a change.
_MISSING = {
    "added": {0}, "dn_added": {0}, "more": {0}, "removed": {1}, "dn_retired": {1}, "fewer": {1},
    "renamed": {0, 1}, "moved": {0, 1}, "dn_replaced": {0, 1},
}  # fmt: skip
FIELDS = [
    "domain", "description", "dn", "dn_key", "project_contact", "support_contact", "operator_id", "operator",
    "updated_at_text",
]  # fmt: skip


@dataclass(frozen=True)
class Side:
    """One of two compared lists; `doubts` ignore its age, `structures` come from its archive."""

    entries: pd.DataFrame
    time: datetime | None = None  # when it was generated (UTC)
    doubts: tuple[str, ...] = ()
    signer: str = ""  # common name in the certificate that signs it; "" if that cannot be read
    structures: Mapping[str, str] = field(default_factory=dict)

    @property
    def audited(self) -> Side:
        """The list without its test entries."""
        return replace(self, entries=self.entries[~self.entries["is_audit_entry"]])


def side_of(whitelist: WhiteList) -> Side:
    """Return a list, its signature checked, as a side; a file that has changed since is an `InputError`."""
    signer = parse_dn(whitelist.signature.signer).get("CN")
    return Side(whitelist.entries, whitelist.generated_at, tuple(doubts_of(whitelist)), signer)


def same_structures(before: Side, after: Side) -> dict[str, str]:
    """Return which identifiers belong to one structure, by both lists and their archives."""
    return structures(pd.concat([before.entries, after.entries]), {**before.structures, **after.structures})


def confidence(kind: str, doubts: tuple[Collection[str], Collection[str]]) -> str:
    """Return how certain a change of a kind (of copies: a way) is, given both lists' doubts."""
    damaged = {at for at, reasons in enumerate(doubts) if reasons}
    if any({*reasons} - DAMAGES for reasons in doubts) or damaged & _MISSING.get(kind, set()):
        return "unknown"
    return "likely" if damaged or kind == "renamed" else "certain"


class ListedOperator(NamedTuple):
    """An operator as a list names it; its identifier may be ""."""

    operator: str
    name: str


Rows = Counter[Row]  # the rows of a list, and how many copies there are of each
Both = tuple[list[Row], list[Row]]  # all rows of a domain in either list


class Change(NamedTuple):
    """One change; a missing side is empty, `of` is the fact that says which text or row changed."""

    kind: str
    domain: str
    before: str | int | Person | tuple[ListedOperator, ...]
    after: str | int | Person | tuple[ListedOperator, ...]
    operator_before: str
    operator_after: str
    of: tuple[str, str] = ("", "")
    confidence: str = "certain"

    @property
    def facts(self) -> dict[str, Any]:
        """What there is to tell of it, by name."""
        named = (self.of, ("before", self.before), ("after", self.after))
        facts = {name: value for name, value in named if value or value == 0}
        return {n: [o._asdict() for o in v] if isinstance(v, tuple) else v for n, v in facts.items()}


def compare(before: Side, after: Side, known_renames: Mapping[str, str] | None = None) -> list[Change]:
    """Return what changed, by kind and domain; `known_renames`, old name → new, are those of the history."""
    if before.entries[FIELDS].equals(after.entries[FIELDS]):
        return []
    doubts, structure = (before.doubts, after.doubts), same_structures(before, after)
    owners = ((structure.get(o, o) for o in side.entries["operator_id"].tolist()) for side in (before, after))
    columns = ([side.entries[name].tolist() for name in FIELDS] for side in (before, after))
    old, new = (
        Counter(map(Row._make, zip(*texts, owner, stamps, strict=True)))
        for (*texts, stamps), owner in zip(columns, owners, strict=True)
    )
    names, later = ({row.domain for row in rows} for rows in (old, new))
    renames = {}
    if DAMAGES.isdisjoint((*before.doubts, *after.doubts)):
        removed, added = _by_domain(old, names - later), _by_domain(new, later - names)
        renames = find_renames(removed, added, (old, new), known_renames or {})
        renamed = {row: row._replace(domain=renames[row.domain]) for row in old if row.domain in renames}
        old = Counter({renamed.get(row, row): copies for row, copies in old.items()})
    changes = list(_by_kind(old, new))
    if renames:
        was_of, now_of = ({row.domain: row.operator for row in sorted(rows)} for rows in (old, new))
        changes += [Change("renamed", to, was, to, was_of[to], now_of[to]) for was, to in renames.items()]
    if any(change.kind == "added" for change in changes):
        like = {("added", copy.domain): ("like", copy.original) for copy in copies(after.entries)}
        changes = [c._replace(of=like[c[:2]]) if c[:2] in like else c for c in changes]
    # One contact changed on several certificates of a domain is one change; dates are counted row by row.
    dated = [change for change in changes if change.kind == "restamped"]
    others = dict.fromkeys(change for change in changes if change.kind != "restamped")
    ordered = sorted(
        [*others, *dated], key=lambda c: (KINDS.index(c.kind), c.domain, c.of, c.before, c.after)
    )
    sure = {kind: confidence(kind, doubts) for kind in (*KINDS, "more", "fewer")}
    return [c if sure[way(c)] == "certain" else c._replace(confidence=sure[way(c)]) for c in ordered]


def changes_frame(changes: Iterable[Change], events: Iterable[str] | None = None) -> pd.DataFrame:
    """Return changes as `FRAME`."""
    records = [
        (c.kind, c.domain, event, c.confidence, c.operator_before, c.operator_after, c.facts)
        for c, event in zip(changes, events if events is not None else repeat(""), strict=events is not None)
    ]
    return frame_of(records, FRAME)


def way(change: Change) -> str:
    """Return the kind of a change; for copies, ``more`` or ``fewer``."""
    if change.kind != "duplicated":
        return change.kind
    return "more" if change.after > change.before else "fewer"  # type: ignore[operator] # numbers of copies


def _by_domain(rows: Rows, names: set[str]) -> dict[str, list[Row]]:
    return grouped((row.domain, row) for row in rows.elements() if row.domain in names)


def _by_kind(old: Rows, new: Rows) -> Iterator[Change]:
    removed, added = old - new, new - old
    touched = {row.domain for row in removed} | {row.domain for row in added}
    before, after = (_by_domain(rows, touched) for rows in (old, new))
    left, right = (_by_domain(rows, before.keys() & after.keys()) for rows in (removed, added))
    for domain in sorted(touched):
        rows = before.get(domain, []), after.get(domain, [])
        if not rows[0]:
            yield _change("added", (), _operators(rows[1]), None, min(rows[1]))
            yield from _copies(rows[1], rows)
        elif not rows[1]:
            yield _change("removed", _operators(rows[0]), (), min(rows[0]), None)
        else:
            yield from _in_both(left.get(domain, []), right.get(domain, []), rows)


def _operators(rows: list[Row]) -> tuple[ListedOperator, ...]:
    return tuple(dict.fromkeys(ListedOperator(row.operator, row.name) for row in sorted(rows)))


def _change(
    kind: str, was: Any, now: Any, before: Row | None, after: Row | None, of: tuple[str, str] = ("", "")
) -> Change:
    """Return a change; its domain and operators come from the two rows."""
    was_of, now_of = (row.operator if row else "" for row in (before, after))
    return Change(kind, (before or cast(Row, after)).domain, was, now, was_of, now_of, of)


def _in_both(a: list[Row], b: list[Row], rows: Both) -> Iterator[Change]:
    """Pair the rows of a domain that are not the same in both lists, from the most alike to the least.

    Certificates are copied, replaced, moved to an operator, added or retired.
    """
    for before, after in _pairs(a, b, lambda row: row[:-1]):
        yield _change("restamped", before.stamp, after.stamp, before, after)
    for before, after in (*_pairs(a, b, lambda row: row.dn), *_pairs(a, b, lambda row: row.key)):
        yield from _fields(before, after)
    if not a and not b:
        return
    keys = [{row.key for row in side} for side in rows]
    owners = [{row.structure for row in side} for side in rows]
    yield from _copies([row for row in a if row.key in keys[1]] + b, rows)
    a = list(dict.fromkeys(row for row in a if row.key not in keys[1]))
    b = list(dict.fromkeys(row for row in b if row.key not in keys[0]))

    def named(row: Row) -> tuple[str, str]:
        parts = (part for part in row.dn.split(",") if part.strip().upper().startswith("CN="))
        return row.structure, next(parts, "")

    for before, after in (*_pairs(a, b, named), *_pairs(a, b, lambda row: row.structure)):
        yield _change("dn_replaced", before.dn, after.dn, before, after)
        yield from _fields(before, after)
    leaving = sorted(row for row in a if row.structure not in owners[1])
    arriving = sorted(row for row in b if row.structure not in owners[0])
    if leaving and arriving:
        yield _change("moved", _operators(leaving), _operators(arriving), leaving[0], arriving[0])
        if not _pairs([*leaving], [*arriving], attrgetter("description", "project", "support")):
            yield from _fields(leaving[0], arriving[0])
        a = [row for row in a if row.structure in owners[1]]
        b = [row for row in b if row.structure in owners[0]]
    yield from (_change("dn_retired", row.dn, "", row, None) for row in a)
    yield from (_change("dn_added", "", row.dn, None, row) for row in b)


def _fields(before: Row, after: Row) -> Iterator[Change]:
    """Yield the differences of two rows, except their certificates."""
    if before.dn != after.dn and before.key == after.key:
        yield _change("dn_respelt", before.dn, after.dn, before, after)
    if before.description != after.description:
        yield _change("description_changed", before.description, after.description, before, after)
    for kind in ("project", "support"):
        was, now = getattr(before, kind), getattr(after, kind)
        if was != now:
            yield _change("contact_changed", Person(was), Person(now), before, after, ("contact", kind))


def _copies(certificates: list[Row], rows: Both) -> Iterator[Change]:
    """Yield the certificates of a domain whose number of copies changed."""
    if max(map(len, rows)) > 1:
        counts = [Counter(row.key for row in side) for side in rows]
        for row in {row.key: row for row in sorted(certificates)}.values():
            was, now = (count[row.key] for count in counts)
            if now != was and max(now, was) > 1:
                yield _change("duplicated", was, now, row, row, ("certificate", row.dn))


def _pairs(a: list[Row], b: list[Row], key: Callable[[Row], Hashable]) -> list[tuple[Row, Row]]:
    """Take out of both lists the rows with equal keys, in pairs."""
    if not a or not b:
        return []
    waiting = grouped((key(row), row) for row in sorted(b, reverse=True))
    pairs, unpaired = [], []
    for row in sorted(a):
        if rows := waiting.get(key(row)):
            pairs.append((row, rows.pop()))
        else:
            unpaired.append(row)
    a[:], b[:] = unpaired, chain.from_iterable(waiting.values())
    return pairs
