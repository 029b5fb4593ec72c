"""Contacts of one operator that disagree: which there are, since when, and which is plainly right, if any.

A majority is no sign of being right (data): the minority often is newer, and a service's mailbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from itertools import permutations, product

from mssante_audit.audits.stale_contacts.uses import Reached, Stamps, Use, most_used, proposed, rows_of, seen
from mssante_audit.findings.frame import Finding
from mssante_audit.values.contacts import Coordinates, is_service
from mssante_audit.values.person import Person
from mssante_audit.whitelist.rows import grouped


@dataclass(eq=False)
class Party:
    """Contacts of one kind of an operator that can be right together."""

    reached: Coordinates
    """What most of its rows hold: the others agree with that."""
    uses: list[Use] = field(default_factory=list)

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """Its rows, once all its contacts are known."""
        return rows_of(self.uses)

    @property
    def spelt(self) -> list[Use]:
        """The texts of what most of its rows hold."""
        return [use for use in self.uses if use.coordinates == self.reached]

    @cached_property
    def is_service(self) -> bool:
        """Whether it has addresses, all with a word of a service's, and none at a consumer's (a guess)."""
        emails, problems = self.reached[1], self.spelt[0].contact.problems
        return bool(emails) and all(map(is_service, emails)) and "consumer" not in problems


def parties(
    contacts: Mapping[Reached, list[Use]], near: Iterable[tuple[Reached, Reached]]
) -> dict[tuple[str, str], list[Party]]:
    """Return the parties of each operator and kind, the largest first, contacts that agree or are `near`."""
    alike = grouped(pair for one, other in near for pair in ((one, other), (other, one)))
    found: dict[tuple[str, str], list[Party]] = {}
    heads: dict[tuple[str, str, str, str], list[tuple[Coordinates, Party]]] = {}
    of: dict[Reached, Party] = {}

    def largest(item: tuple[Reached, list[Use]]) -> tuple[object, ...]:
        return -len(rows_of(item[1])), *map(sorted, item[0][2])

    for key, uses in sorted(contacts.items(), key=largest):
        owner, reached = key[:2], key[2]
        party = next((of[other] for other in alike.get(key, ()) if other in of), None)
        is_head = party is not None
        if party is None:
            around = (head for place in _looked_up(reached) for head in heads.get((*owner, *place), ()))
            party = next((party for head, party in around if agree(reached, head)), None)
        if party is None:
            party, is_head = Party(reached), True
            found.setdefault(owner, []).append(party)
        for place in _places(reached) if is_head else ():
            heads.setdefault((*owner, *place), []).append((reached, party))
        party.uses += uses
        of[key] = party
    several = {owner: known for owner, known in found.items() if len(known) > 1}
    return {owner: sorted(known, key=lambda party: -len(party.rows)) for owner, known in several.items()}


def _places(reached: Coordinates) -> list[tuple[str, str]]:
    """Return what a contact is found by, so that a list of many contacts needs no comparing of all pairs."""
    phones, emails = reached
    both = product(phones or ("",), emails or ("",))
    return [*both, *((phone, "*") for phone in phones), *(("*", email) for email in emails)]


def _looked_up(reached: Coordinates) -> list[tuple[str, str]]:
    """Return where contacts that agree with one are found: they share what both have."""
    phones, emails = reached
    if not phones or not emails:
        return [*((phone, "*") for phone in phones), *(("*", email) for email in emails)]
    lacking = [*((phone, "") for phone in phones), *(("", email) for email in emails)]
    return [*product(phones, emails), *lacking]


def agree(one: Coordinates, other: Coordinates) -> bool:
    """Tell whether two contacts can both be right: one only lacks, or adds, a phone or an address."""
    pairs = list(zip(one, other, strict=True))
    return any(a & b for a, b in pairs) and all(a <= b or b <= a for a, b in pairs)


def disagreements(
    found: Mapping[tuple[str, str], list[Party]],
    replaced: Set[tuple[str | Person, ...]],
    stamps: Stamps,
    domain_of: Mapping[int, str],
) -> Iterator[Finding]:
    """Report each operator and kind that has several parties, beside those that are `replaced`.

    A contact is expected where it is on most rows, a service's, and declared after all others. The finding is
    certain where one domain has two contacts; likely where one is expected, or two of these signs point at
    it, or where one of the two largest parties took over from the other; else a hint.
    """
    for (operator_id, kind), known in found.items():
        left = [
            party
            for party in known
            if any((operator_id, kind, Person(use.contact.text)) not in replaced for use in party.uses)
        ]
        if len(left) < 2:
            continue
        signs = _signs(known, stamps)
        right = next((p for p, own in zip(known, signs, strict=True) if all(own) and p in left), None)
        largest = known[0] if len(known[0].rows) > len(known[1].rows) else None
        usual = right or largest
        # Where all are services' this tells none from another.
        alike = all(party.is_service for party in known)
        points = sorted((sum(own) - (own[1] and alike) for own in signs), reverse=True)
        took_over = any(
            (said := stamps.span(one.rows)) is not None and said[0] > stamps.until(other.rows)
            for one, other in permutations(known[:2])
        )
        likely = right is not None or (points[0] >= 2 and points[0] > points[1]) or took_over
        domains = [{domain_of[row] for row in party.rows} for party in known]
        twice = len(set().union(*domains)) < sum(map(len, domains))
        rows = rows_of(use for party in known if party is not usual for use in party.uses)
        spans = [stamps.span(party.rows) or ("", "") for party in known]
        facts = {
            "contacts": [
                seen(most_used(party.spelt))
                | {"rows": len(party.rows), "since": since, "until": until, "service": party.is_service}
                for party, (since, until) in zip(known, spans, strict=True)
            ],
            "right": [proposed(right.spelt)] if right else [],
            "same_domain": twice,
        }
        sure = "certain" if twice else "likely" if likely else "hint"
        yield Finding("CONTACT_DISAGREEMENT", (operator_id, kind), rows, facts=facts, confidence=sure)


def _signs(known: list[Party], stamps: Stamps) -> list[tuple[bool, bool, bool]]:
    """Tell of each party whether it has most rows, a service's mailbox, and was declared after all others."""
    whole = sum(len(party.rows) for party in known)
    until = [stamps.until(party.rows) for party in known]
    last, last_but_one = sorted(until)[-1:-3:-1]
    signs = []
    for party, own in zip(known, until, strict=True):
        said = stamps.span(party.rows)
        newest = said is not None and said[1] > (last_but_one if own == last else last)
        signs.append((2 * len(party.rows) > whole, party.is_service, newest))
    return signs
