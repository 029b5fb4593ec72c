"""Contacts of one operator that disagree, and contacts that are another operator's.

How many rows hold a contact says nothing (data: the fewer often are newer, and a service's). The older one
is to be corrected, or a person's beside a service's; where these signs contradict each other it stays open.
One whose few rows bear the contacts of an operator that it has no domain in common with was given them by
mistake.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from itertools import chain, product
from operator import itemgetter
from typing import Any, NamedTuple

from mssante_audit.audits.stale_contacts import uses as used
from mssante_audit.base.text import fold
from mssante_audit.findings.frame import Finding, parts_of
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import Coordinates, is_service
from mssante_audit.values.person import Person
from mssante_audit.whitelist.rows import grouped, joined, rows_by

# None of these three has a source.
MOST = 30  # an operator with more contacts of a kind gives each customer its own: none is wrong for it
HOME_MIN = 3  # rows from which on, more than half of its operator's, a contact is at home there
RARE_SHARE = 0.1  # of an operator's rows, those that bear what was copied by mistake: likely, not certain
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(eq=False)
class Group:
    """Contacts of one kind of an operator that can be right together."""

    reached: Coordinates  # what most of its rows hold: the others agree with that
    uses: list[used.Use] = field(default_factory=list)

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """Its rows, once all its contacts are known."""
        return used.rows_of(self.uses)

    @property
    def spelt(self) -> list[used.Use]:
        """The texts of what most of its rows hold."""
        return [use for use in self.uses if use.coordinates == self.reached]

    @cached_property
    def is_service(self) -> bool:
        """Whether it has addresses, all with a word of a service's, and none at a consumer's (a guess)."""
        emails, problems = self.reached[1], self.spelt[0].contact.problems
        return bool(emails) and all(map(is_service, emails)) and "consumer" not in problems

    @cached_property
    def is_person(self) -> bool:
        """Whether an address looks like a person's (a guess)."""
        return not self.is_service and "personal" in self.spelt[0].contact.problems

    @cached_property
    def faults(self) -> set[str]:
        """What is wrong with it by itself, however it is spelt."""
        return set.intersection(*(used.faults_of(use.contact) for use in self.spelt))


def parties(
    contacts: Mapping[used.Reached, list[used.Use]], near: Iterable[tuple[used.Reached, used.Reached]]
) -> dict[tuple[str, str], list[Group]]:
    """Return the parties of each operator and kind, the largest first, contacts that agree or are `near`."""
    like = grouped(pair for first, second in near for pair in ((first, second), (second, first)))
    by_owner: dict[tuple[str, str], list[Group]] = {}
    heads: defaultdict[tuple[str, ...], list[tuple[Coordinates, Group]]] = defaultdict(list)
    party_of: dict[used.Reached, Group] = {}
    largest = sorted(contacts, key=lambda key: (-len(used.rows_of(contacts[key])), *map(sorted, key[2])))
    for key in largest:
        owner, reached, (phones, emails) = key[:2], key[2], key[2]
        # Contacts are found by places, so that a list of many needs no comparing of all pairs.
        one_side = [*product(phones, "*"), *product("*", emails)]
        party = next((party_of[other] for other in like.get(key, ()) if other in party_of), None)
        is_head = party is not None
        if party is None:
            places = product((*phones, ""), (*emails, "")) if phones and emails else one_side
            around = (head for place in places for head in heads[*owner, *place])
            party = next((party for head, party in around if agree(reached, head)), None)
        if party is None:
            party, is_head = Group(reached), True
            by_owner.setdefault(owner, []).append(party)
        for place in (*product(phones or ("",), emails or ("",)), *one_side) if is_head else ():
            heads[*owner, *place].append((reached, party))
        party.uses += contacts[key]
        party_of[key] = party
    several = {owner: group for owner, group in by_owner.items() if len(group) > 1}
    return {owner: sorted(group, key=lambda party: -len(party.rows)) for owner, group in several.items()}


def agree(first: Coordinates, second: Coordinates) -> bool:
    """Tell whether two contacts can both be right: one only lacks, or adds, a phone or an address."""
    pairs = list(zip(first, second, strict=True))
    return any(a & b for a, b in pairs) and all(a <= b or b <= a for a, b in pairs)


def disagreements(
    of_operators: Mapping[tuple[str, str], list[Group]],
    replaced: Set[tuple[str | Person, ...]],
    stamps: used.Stamps,
    domain_of: Mapping[int, str],
) -> Iterator[Finding]:
    """Report each operator that has several parties of a kind, beside those that are `replaced`.

    Its rows are those to be corrected; all of them, as a hint, where that is open. Both kinds are one finding
    where they have rows in common.
    """
    findings: defaultdict[tuple[str, str], list[Finding]] = defaultdict(list)
    for (operator_id, kind), group in of_operators.items():
        remaining = [
            party
            for party in group
            if any((operator_id, kind, Person(use.contact.text)) not in replaced for use in party.uses)
        ]
        if len(remaining) < 2:
            continue
        wrong, right = _to_correct(group, stamps)
        spans = [stamps.span(party.rows) or ("", "") for party in group]
        domains = [{domain_of[row] for row in party.rows} for party in group]
        contacts = [
            used.spellings(party.spelt)[0]
            | {"rows": len(party.rows), "since": since, "until": until, "service": party.is_service}
            for party, (since, until) in zip(group, spans, strict=True)
        ]
        facts: dict[str, Any] = {
            "contacts": contacts, "right": [used.best_of(right.spelt)] if right in remaining else [],
            "same_domain": len(set().union(*domains)) < sum(map(len, domains)),
        }  # fmt: skip
        rows = used.rows_of(use for party in wrong or group for use in party.uses)
        sure = "likely" if wrong else "hint"
        subject: tuple[str | Person, ...] = (operator_id, kind)
        of_operator = findings[operator_id, sure]
        if of_operator and not set(rows).isdisjoint(of_operator[-1].rows):
            same = of_operator.pop()
            subject, rows = parts_of(same.subject), (*rows, *same.rows)
            for name in ("contacts", "right"):
                facts[name] = sorted(same.facts[name] + facts[name], key=itemgetter("kind"))
            facts["same_domain"] |= same.facts["same_domain"]
        of_operator.append(Finding("CONTACT_DISAGREEMENT", subject, rows, facts, confidence=sure))
    yield from chain.from_iterable(findings.values())


def _to_correct(group: list[Group], stamps: used.Stamps) -> tuple[list[Group], Group | None]:
    """Return the parties to be corrected, none where that is open, and the right one, if it is known."""
    if len(group) > MOST:
        return [], None
    spans = {party: stamps.span(party.rows) or (_NEVER, stamps.until(party.rows)) for party in group}

    def is_right(first: Group, second: Group) -> bool:
        """Tell whether the first is right: newer, or a service's, and no sign contradicts that."""
        newer, older = spans[first][0] > spans[second][1], spans[second][0] > spans[first][1]
        service, person = first.is_service and second.is_person, first.is_person and second.is_service
        return (newer or service) and not (older or person or first.faults - second.faults)

    candidates = [party for party in group if not any(is_right(other, party) for other in group)]
    wrong = [party for party in group if candidates and all(is_right(other, party) for other in candidates)]
    return wrong, candidates[0] if wrong and len(candidates) == 1 else None


class Lent(NamedTuple):
    """The contacts of operators that are others'."""

    owners: dict[str, str]
    """operator_id → the operator that it is one with: of one structure, or of one name and domain."""
    strange: dict[tuple[str, str], list[used.Use]]
    """(operator_id, the other operator) → those it shares no domain with."""
    uses: set[used.Use]  # all of them: also those of an operator that serves domains together with this one


def lent(space: TrustSpace, uses: Iterable[used.Use]) -> Lent:
    """Tell which contacts on at most half of an operator's rows are those of another one, on more rows."""
    named = {key: fold(name) for key, name in space.operator_names.items() if name}
    homes = rows_by(space.audited[space.audited["domain"] != ""], "domain", "operator_id")
    of_name = grouped(
        ((domain, named[operator_id]), space.structures[operator_id])
        for domain, operator_id in homes
        if operator_id in named and operator_id in space.structures
    )
    root = joined((owner, owners[0]) for owners in of_name.values() for owner in owners)
    owners = {operator_id: str(root(owner)) for operator_id, owner in space.structures.items()}
    reaching = [use for use in uses if any(use.coordinates) and use.operator_id in owners]
    bearing: dict[str, dict[str, set[int]]] = {}  # phone or address → owner → rows
    for use in reaching:
        for value in (*use.contact.phones, *use.contact.emails):
            bearing.setdefault(value, {}).setdefault(owners[use.operator_id], set()).update(use.rows)
    row_owners = space.audited["operator_id"].map(owners)
    sizes, served = row_owners.value_counts(), space.audited.groupby(row_owners)["domain"].agg(set)

    @cache
    def bearers(reached: Coordinates) -> tuple[dict[str, int], str]:
        """Return the number of rows that bear a contact by owner, and who lends it."""
        parts = [bearing[value] for value in frozenset[str]().union(*reached)]
        common = set(parts[0]).intersection(*parts[1:])
        on = {owner: len(set().union(*(part[owner] for part in parts))) for owner in common}
        return on, max(on, key=lambda owner: (on[owner], owner))

    strange: dict[tuple[str, str], list[used.Use]] = {}
    shared: set[used.Use] = set()
    for use in reaching:
        borrower, (on, lender) = owners[use.operator_id], bearers(use.coordinates)
        if lender == borrower or 2 * on[borrower] > sizes[borrower]:
            continue
        if not served[borrower].isdisjoint(served[lender]):
            shared.add(use)
        elif on[lender] >= HOME_MIN and 2 * on[lender] > sizes[lender]:
            strange.setdefault((use.operator_id, lender), []).append(use)
    return Lent(owners, strange, shared.union(*strange.values()))


def strange_findings(
    space: TrustSpace, uses: Iterable[used.Use], others: Lent, domain_of: Mapping[int, str]
) -> Iterator[Finding]:
    """Report, for each two operators, the rows of one that bear the contacts of the other by mistake."""
    columns = ("operator_id", "operator_kind", "department")
    place = {key: where for key, *where in rows_by(space.audited, *columns)}
    sizes = space.audited["operator_id"].value_counts()
    reaching = (use for use in uses if use not in others.uses and any(use.coordinates))
    of_owner = grouped((others.owners.get(use.operator_id), use) for use in reaching)
    for (operator_id, lender), strange in others.strange.items():
        rows, kinds = used.rows_of(strange), {use.kind for use in strange}
        domains = {domain_of[row] for row in rows}
        ours = of_owner.get(others.owners[operator_id], [])
        of_kinds = [use for use in ours if use.kind in kinds]
        local = [use for use in of_kinds if domains & {domain_of[row] for row in use.rows}]
        establishment = place[lender][0] == "FINESS"
        if not local and not establishment:
            continue  # a supplier's: its contact is right on whatever it runs
        home = place[operator_id]
        elsewhere = home[0] == "FINESS" and establishment and home != place[lender]
        rare = len(rows) <= RARE_SHARE * sizes[operator_id]
        right = [_usual(local, kind) or _usual(ours, kind) for kind in used.KINDS.values() if kind in kinds]
        facts = {
            "contacts": used.distinct(strange), "right": [used.best_of(texts) for texts in right if texts],
            "owner": {"operator": lender, "name": space.operator_names.get(lender, "")},
            "beside": bool(local),
        }  # fmt: skip
        sure = "likely" if local or (rare and elsewhere) else "hint"
        yield Finding("CONTACT_OTHER_OPERATOR", (operator_id, lender), rows, facts, confidence=sure)


def _usual(uses: list[used.Use], kind: str) -> list[used.Use]:
    """Return the texts of the contact of a kind that more than half of these rows bear, if there is one."""
    by_contact = grouped((use.coordinates, use) for use in uses if use.kind == kind)
    counts = {contact: len(used.rows_of(texts)) for contact, texts in by_contact.items()}
    majority = (by_contact[contact] for contact, count in counts.items() if 2 * count > sum(counts.values()))
    return next(majority, [])
