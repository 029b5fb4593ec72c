"""Contacts of one operator that disagree: which there are, since when, and which is to be corrected.

How many rows hold a contact says nothing (data: the fewer often are newer, and a service's). The older one
is to be corrected, or a person's beside a service's; where these signs contradict each other it stays open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain, product
from operator import itemgetter
from typing import Any

from mssante_audit.audits.stale_contacts.uses import Reached, Stamps, Use, most_used, proposed, rows_of, seen
from mssante_audit.findings.frame import Finding, parts_of
from mssante_audit.values.contacts import Coordinates, is_service
from mssante_audit.values.person import Person
from mssante_audit.whitelist.rows import grouped

MOST = 30
"""An operator with more contacts of a kind gives each customer its own: none is wrong for it. No source."""
_NEVER = datetime.min.replace(tzinfo=UTC)


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

    @cached_property
    def is_person(self) -> bool:
        """Whether an address looks like a person's (a guess)."""
        return not self.is_service and "personal" in self.spelt[0].contact.problems


def parties(
    contacts: Mapping[Reached, list[Use]], near: Iterable[tuple[Reached, Reached]]
) -> dict[tuple[str, str], list[Party]]:
    """Return the parties of each operator and kind, the largest first, contacts that agree or are `near`."""
    alike = grouped(pair for first, second in near for pair in ((first, second), (second, first)))
    found: dict[tuple[str, str], list[Party]] = {}
    heads: dict[tuple[str, str, str, str], list[tuple[Coordinates, Party]]] = {}
    of: dict[Reached, Party] = {}

    def largest(item: tuple[Reached, list[Use]]) -> tuple[object, ...]:
        return -len(rows_of(item[1])), *map(sorted, item[0][2])

    for key, uses in sorted(contacts.items(), key=largest):
        owner, reached = key[:2], key[2]
        party = next((of[like] for like in alike.get(key, ()) if like in of), None)
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


def agree(first: Coordinates, second: Coordinates) -> bool:
    """Tell whether two contacts can both be right: one only lacks, or adds, a phone or an address."""
    pairs = list(zip(first, second, strict=True))
    return any(a & b for a, b in pairs) and all(a <= b or b <= a for a, b in pairs)


def disagreements(
    found: Mapping[tuple[str, str], list[Party]],
    replaced: Set[tuple[str | Person, ...]],
    stamps: Stamps,
    domain_of: Mapping[int, str],
) -> Iterator[Finding]:
    """Report each operator that has several parties of a kind, beside those that are `replaced`.

    Its rows are those to be corrected; all of them, as a hint, where that is open. Both kinds are one finding
    where they have rows in common.
    """
    findings: dict[tuple[str, str], list[Finding]] = {}
    for (operator_id, kind), known in found.items():
        left = [
            party
            for party in known
            if any((operator_id, kind, Person(use.contact.text)) not in replaced for use in party.uses)
        ]
        if len(left) < 2:
            continue
        wrong, right = _to_correct(known, stamps)
        spans = [stamps.span(party.rows) or ("", "") for party in known]
        domains = [{domain_of[row] for row in party.rows} for party in known]
        facts: dict[str, Any] = {
            "contacts": [
                seen(most_used(party.spelt))
                | {"rows": len(party.rows), "since": since, "until": until, "service": party.is_service}
                for party, (since, until) in zip(known, spans, strict=True)
            ],
            "right": [proposed(right.spelt)] if right in left else [],
            "same_domain": len(set().union(*domains)) < sum(map(len, domains)),
        }
        rows = rows_of(use for party in wrong or known for use in party.uses)
        sure = "likely" if wrong else "hint"
        subject: tuple[str | Person, ...] = (operator_id, kind)
        of_operator = findings.setdefault((operator_id, sure), [])
        if of_operator and not set(rows).isdisjoint(of_operator[-1].rows):
            same = of_operator.pop()
            subject, rows = parts_of(same.subject), tuple(sorted({*rows, *same.rows}))
            facts |= {
                n: sorted(same.facts[n] + facts[n], key=itemgetter("kind")) for n in ("contacts", "right")
            }
            facts["same_domain"] |= same.facts["same_domain"]
        of_operator.append(Finding("CONTACT_DISAGREEMENT", subject, rows, facts=facts, confidence=sure))
    yield from chain.from_iterable(findings.values())


def _to_correct(known: list[Party], stamps: Stamps) -> tuple[list[Party], Party | None]:
    """Return the parties to be corrected, none where that is open, and the right one, if it is known."""
    if len(known) > MOST:
        return [], None
    spans = {party: stamps.span(party.rows) or (_NEVER, stamps.until(party.rows)) for party in known}

    def is_right(first: Party, second: Party) -> bool:
        """Tell whether one is newer, or a service's beside a person's, and nothing says the contrary."""
        newer, older = spans[first][0] > spans[second][1], spans[second][0] > spans[first][1]
        service, person = first.is_service and second.is_person, first.is_person and second.is_service
        return (newer or service) and not (older or person)

    left = [party for party in known if not any(is_right(other, party) for other in known)]
    wrong = [party for party in known if left and all(is_right(other, party) for other in left)]
    return wrong, left[0] if wrong and len(left) == 1 else None
