"""Contacts of one operator that differ by one digit or one letter. Part of the audit `stale_contacts`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from mssante_audit.audits.stale_contacts.mail_domains import LONGEST, TYPO_LETTERS, TYPO_RATIO
from mssante_audit.audits.stale_contacts.uses import Reached, Use, proposed, rows_of, spellings
from mssante_audit.base.text import fold
from mssante_audit.findings.frame import Finding
from mssante_audit.values.contacts import is_service
from mssante_audit.values.person import Person
from mssante_audit.values.slips import cuts, one_slip

EXTENSION = 2
"""Last digits of a number, in which two right numbers of a house differ. No source."""

SERIES = 4
"""So many that differ in one place are a series, and no slip."""

Pair = tuple[str, str, str]
"""operator_id, a phone or an address, another, in order."""


def nears(contacts: Mapping[Reached, list[Use]]) -> dict[Pair, list[tuple[Reached, Reached]]]:
    """Find the contacts of one operator and kind, alike but for one digit or one letter.

    Two numbers differ in one digit, none of the last two (`EXTENSION`), and have the same addresses; two
    addresses of one domain are one slip of the pen apart, not in the first letter of a word (an initial), and
    have the same number. Two names that differ are two persons.
    """
    groups: dict[tuple[object, ...], dict[str, Reached]] = {}
    for key in contacts:
        operator_id, kind, (phones, emails) = key
        if len(phones) == 1 and emails:
            (phone,) = phones
            for place in range(len(phone) - EXTENSION):
                hole = f"{phone[:place]}?{phone[place + 1 :]}"
                groups.setdefault((operator_id, kind, emails, hole), {})[phone] = key
        if len(emails) == 1 and phones:
            (email,) = emails
            local, _, domain = email.partition("@")
            if TYPO_LETTERS <= len(local) <= LONGEST:
                for cut in cuts(local):
                    groups.setdefault((operator_id, kind, phones, domain, cut), {})[email] = key
    found: dict[Pair, list[tuple[Reached, Reached]]] = {}
    for group in groups.values():
        for one, other in combinations(sorted(group), 2) if len(group) < SERIES else ():
            keys = group[one], group[other]
            slip = "@" not in one or _one_letter(one, other)
            if slip and _one_person(*(contacts[key] for key in keys)):
                pairs = found.setdefault((keys[0][0], one, other), [])
                if keys not in pairs:
                    pairs.append(keys)
    return found


def _one_person(uses: list[Use], others: list[Use]) -> bool:
    first, second = ({fold(name) for use in own for name in use.contact.names} for own in (uses, others))
    return not first or not second or not first.isdisjoint(second)


def _one_letter(email: str, other: str) -> bool:
    first, second = email.partition("@")[0], other.partition("@")[0]
    start = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), len(first))
    initial = start == 0 or not first[start - 1].isalpha()
    return not initial and one_slip(first, second)


def near_findings(
    found: Mapping[Pair, list[tuple[Reached, Reached]]], contacts: Mapping[Reached, list[Use]]
) -> Iterator[Finding]:
    """Report each two numbers or addresses once; what is expected, only where one of them is rare."""
    for (operator_id, one, other), pairs in found.items():
        sides = [[use for pair in pairs for use in contacts[pair[side]]] for side in (0, 1)]
        rare, usual = sorted((0, 1), key=lambda side: len(rows_of(sides[side])))
        few, many = rows_of(sides[rare]), rows_of(sides[usual])
        known = len(many) >= TYPO_RATIO * len(few)
        right = [proposed(contacts[pair[usual]]) for pair in pairs] if known else []
        facts = {"contacts": spellings(sides[usual] + sides[rare]), "right": right}
        rows = few if len(few) < len(many) else tuple(sorted({*few, *many}))
        yield Finding("CONTACT_NEAR", (operator_id, Person(one), Person(other)), rows, facts=facts)


def misspelt_services(pair: tuple[Reached, Reached], contacts: Mapping[Reached, list[Use]]) -> list[Use]:
    """Return both of two near contacts if the addresses of either are a service's: ``suppport`` is one."""
    service = any(emails and all(map(is_service, emails)) for _, _, (_, emails) in pair)
    return [use for key in pair for use in contacts[key]] if service else []
