"""Contacts that are another operator's: rightly, where both serve a domain, or by mistake.

One whose few rows bear the contacts of an operator that it has no domain in common with was given them by
mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mssante_audit.audits.stale_contacts.uses import KINDS, Use, alike, distinct, proposed, rows_of
from mssante_audit.base.text import fold
from mssante_audit.findings.frame import Finding
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import Coordinates
from mssante_audit.whitelist.rows import grouped, joined, rows_by

HOME_MIN = 3
"""From how many rows on, more than half of its operator's, a contact is at home there. No source."""
RARE_SHARE = 0.1
"""Of an operator's rows, at most so many bear what was copied by mistake. No source: likely, not certain."""


@dataclass(slots=True)
class Lent:
    """The contacts of operators that are others'."""

    owners: dict[str, str]
    """operator_id → the operator that it is one with (see `owners_of`)."""
    beside: set[Use] = field(default_factory=set, init=False)
    """Those of an operator that serves domains together with this one."""
    strange: dict[tuple[str, str], list[Use]] = field(default_factory=dict, init=False)
    """(operator_id, the other operator) → those it shares no domain with."""

    @property
    def uses(self) -> set[Use]:
        """All of them."""
        return self.beside.union(*self.strange.values())


def owners_of(space: TrustSpace) -> dict[str, str]:
    """Return by operator_id the operator that it is one with: of one structure, or of one name and domain."""
    owner = space.structures
    named = {key: fold(name) for key, name in space.operator_names.items() if name}
    first: dict[tuple[str, str], str] = {}
    links: dict[tuple[str, str], None] = {}
    pairs = zip(space.audited["domain"].tolist(), space.audited["operator_id"].tolist(), strict=True)
    for domain, operator_id in pairs:
        if domain and operator_id in named and operator_id in owner:
            other = first.setdefault((domain, named[operator_id]), owner[operator_id])
            links[owner[operator_id], other] = None
    root = joined(links)
    return {operator_id: str(root(mine)) for operator_id, mine in owner.items()}


def lent(space: TrustSpace, uses: Iterable[Use]) -> Lent:
    """Tell which contacts on at most half of an operator's rows are those of another one, on more rows."""
    found = Lent(owners_of(space))
    reaching = [use for use in uses if any(use.coordinates) and use.operator_id in found.owners]
    held: dict[str, dict[str, set[int]]] = {}
    for use in reaching:
        for reached in (*use.contact.phones, *use.contact.emails):
            held.setdefault(reached, {}).setdefault(found.owners[use.operator_id], set()).update(use.rows)
    whose = space.audited["operator_id"].map(found.owners)
    sizes, served = whose.value_counts(), space.audited.groupby(whose)["domain"].agg(set)
    borne: dict[Coordinates, tuple[dict[str, int], str]] = {}
    """Rows by owner that bear it, and who lends it."""
    for use in reaching:
        mine, both = found.owners[use.operator_id], use.coordinates
        if both not in borne:  # worked out once for all who bear it
            parts = [held[value] for value in frozenset[str]().union(*both)]
            owners = set(parts[0]).intersection(*parts[1:])
            on = {owner: len(set().union(*(part[owner] for part in parts))) for owner in owners}
            borne[both] = on, max(on, key=lambda owner: (on[owner], owner))
        on, lender = borne[both]
        if lender == mine or 2 * on[mine] > sizes[mine]:
            continue
        if not served[mine].isdisjoint(served[lender]):
            found.beside.add(use)
        elif on[lender] >= HOME_MIN and 2 * on[lender] > sizes[lender]:
            found.strange.setdefault((use.operator_id, lender), []).append(use)
    return found


def strange_findings(space: TrustSpace, uses: Iterable[Use], found: Lent) -> Iterator[Finding]:
    """Report, for each two operators, the rows of one that bear the contacts of the other by mistake."""
    if not found.strange:
        return
    entries, names = space.audited, space.operator_names
    place = {key: where for key, *where in rows_by(entries, "operator_id", "operator_kind", "department")}
    sizes = entries["operator_id"].value_counts()
    domain_of = dict(zip(entries["row"].tolist(), entries["domain"].tolist(), strict=True))
    others = [use for use in uses if use not in found.uses and any(use.coordinates)]
    for (operator_id, lender), strange in found.strange.items():
        rows = rows_of(strange)
        domains = {domain_of[row] for row in rows}
        ours = [use for use in others if found.owners.get(use.operator_id) == found.owners[operator_id]]
        kinds = {use.kind for use in strange}
        there = [use for use in ours if use.kind in kinds and domains & {domain_of[row] for row in use.rows}]
        establishment = place[lender][0] == "FINESS"
        if not there and not establishment:
            continue  # a supplier's: its contact is right on whatever it runs
        elsewhere = (
            place[operator_id][0] == "FINESS" and establishment and place[operator_id] != place[lender]
        )
        rare = len(rows) <= RARE_SHARE * sizes[operator_id]
        right = [_one(there, kind) or _one(ours, kind) for kind in KINDS.values() if kind in kinds]
        facts = {
            "contacts": distinct(strange),
            "right": [proposed(own) for own in right if own],
            "owner": {"operator": lender, "name": names.get(lender, "")},
            "beside": bool(there),
        }
        sure = "likely" if there or (rare and elsewhere) else "hint"
        yield Finding("CONTACT_OTHER_OPERATOR", (operator_id, lender), rows, facts=facts, confidence=sure)


def _one(uses: list[Use], kind: str) -> list[Use]:
    """Return the texts of the contact of a kind that more than half of these rows bear, if there is one."""
    held = alike(use for use in uses if use.kind == kind)
    by_contact = grouped((coordinates, use) for (_, _, coordinates), its in held.items() for use in its)
    most = max(by_contact.values(), key=lambda its: len(rows_of(its)), default=[])
    whole = sum(len(rows_of(its)) for its in by_contact.values())
    return most if 2 * len(rows_of(most)) > whole else []
