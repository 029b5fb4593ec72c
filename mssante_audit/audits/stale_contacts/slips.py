"""Slips of the pen in contacts: domains of addresses, those unusual for an operator too; near contacts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from itertools import combinations

import pandas as pd

from mssante_audit.audits.stale_contacts.uses import Reached, Use, proposed, rows_of, seen, spellings
from mssante_audit.base.text import fold
from mssante_audit.findings.frame import Finding
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import is_service
from mssante_audit.values.person import Person
from mssante_audit.values.slips import cuts, one_slip, pairs
from mssante_audit.whitelist.rows import all_rows, grouped, rows_by

USUAL_SHARE, USUAL_MIN = 0.2, 5
"""A domain is usual for an operator of at least `USUAL_MIN` rows if it is on at least that share of them."""
TYPO_RATIO = 10
"""How many times more frequent, by rows, the domain is that another is probably a slip for."""
TYPO_LETTERS = 5
"""Shorter names are too near one another to call one a slip for the other."""

LONGEST = 64
"""Longer names are not looked at for slips: what they would cost is the list's to choose."""
_LABELS = 10
"""Nor are more labels of a server's name."""


@dataclass(slots=True)
class MailDomains:
    """Which domains the contacts' addresses have, on which rows, for which operator."""

    sizes: Mapping[str, int]
    """operator_id → number of its rows."""
    own: dict[str, set[str]]
    """operator_id → domains that its servers (CN) lie under."""
    rows: dict[str, set[int]] = field(default_factory=dict)
    """domain → rows."""
    uses: dict[str, dict[str, list[Use]]] = field(default_factory=dict)
    """operator_id → domain → contacts."""

    def is_usual(self, operator_id: str, domain: str) -> bool:
        """Tell whether a domain is usual for an operator, or one that its servers lie under."""
        size = self.sizes[operator_id]
        rows = {row for use in self.uses[operator_id].get(domain, ()) for row in use.rows}
        frequent = size >= USUAL_MIN and len(rows) >= USUAL_SHARE * size
        return frequent or domain in self.own.get(operator_id, ())


def mail_domains(entries: pd.DataFrame, uses: Iterable[Use], sizes: Mapping[str, int]) -> MailDomains:
    """Gather the domains of all addresses."""
    above: dict[str, set[str]] = {}
    for operator_id, cn in rows_by(entries, "operator_id", "cn"):
        above.setdefault(operator_id, set()).update(_with_parents(cn.lower()))
    mail = MailDomains(sizes, above)
    for use in uses:
        for domain in use.domains:
            mail.rows.setdefault(domain, set()).update(use.rows)
            mail.uses.setdefault(use.operator_id, {}).setdefault(domain, []).append(use)
    return mail


def _with_parents(name: str) -> set[str]:
    """Return a domain and those above it, top-level domains left out."""
    labels = name.split(".")[-_LABELS:]
    return {".".join(labels[start:]) for start in range(len(labels) - 1)}


def _slips(rows: Mapping[str, set[int]]) -> Iterator[tuple[str, str]]:
    """Yield (wrong, right) for names of which the second is `TYPO_RATIO` times more frequent."""
    for pair in pairs(name for name in rows if len(name) <= LONGEST):
        wrong, right = sorted(pair, key=lambda name: len(rows[name]))
        if len(rows[right]) >= TYPO_RATIO * len(rows[wrong]):
            yield wrong, right


def typos(mail: MailDomains) -> dict[str, str]:
    """Return the domains that are probably slips, and what was probably meant.

    Either an operator has both the domain and another, one slip away and `TYPO_RATIO` times more frequent in
    the list, and the first is usual for no operator; or the last label is one slip away from another that is
    `TYPO_RATIO` times more frequent.
    """
    owners = grouped(
        (domain, operator_id) for operator_id, domains in mail.uses.items() for domain in domains
    )
    meant = {
        wrong: right
        for wrong, right in _slips(mail.rows)
        if len(right.rpartition(".")[0]) >= TYPO_LETTERS
        and not {*owners[wrong]}.isdisjoint(owners[right])
        and not any(mail.is_usual(operator_id, wrong) for operator_id in owners[wrong])
    }
    rows: dict[str, set[int]] = {}
    for domain, found in mail.rows.items():
        rows.setdefault(domain.rpartition(".")[2], set()).update(found)
    # All labels of two letters are countries'.
    endings = {wrong: right for wrong, right in _slips(rows) if len(wrong) > 2}
    parted = {domain: domain.rpartition(".") for domain in mail.rows}
    wrong_endings = {d: f"{name}.{endings[last]}" for d, (name, _, last) in parted.items() if last in endings}
    return meant | wrong_endings


def typo_findings(mail: MailDomains, meant: Mapping[str, str]) -> Iterator[Finding]:
    """Report each misspelt domain once; a hint unless an operator that has it writes what is meant too."""
    held: dict[str, list[Use]] = {}
    known = set()
    for domains in mail.uses.values():
        for domain in domains.keys() & meant.keys():
            held.setdefault(domain, []).extend(domains[domain])
            known |= {domain} if meant[domain] in domains else set()
    for wrong, found in held.items():
        right = re.sub(f"(?i)@{re.escape(wrong)}", f"@{meant[wrong]}", found[0].contact.text)
        facts = {"contacts": spellings(found), "right": [seen(found[0], right)]}
        rows, sure = all_rows(use.rows for use in found), "" if wrong in known else "hint"
        yield Finding("CONTACT_EMAIL_TYPO", Person(wrong), rows, facts=facts, confidence=sure)


def foreign_findings(mail: MailDomains, meant: Mapping[str, str], others: Set[Use]) -> Iterator[Finding]:
    """Report the domains that are not usual for an operator that has usual ones, nor below or above one.

    Misspelt domains, consumer providers and the contacts of `others` have rules of their own, or none.
    """
    for operator_id, domains in mail.uses.items():
        usual = {domain for domain in domains if mail.is_usual(operator_id, domain)}
        if mail.sizes[operator_id] < USUAL_MIN or not usual:
            continue
        above = {parent for domain in usual for parent in _with_parents(domain)}
        for domain, uses in domains.items():
            kin = domain in above or not usual.isdisjoint(_with_parents(domain))
            found = [u for u in uses if "consumer" not in u.contact.problems and u not in others]
            if found and not kin and domain not in meant:
                subject, rows = (operator_id, Person(domain)), all_rows(use.rows for use in found)
                yield Finding("CONTACT_FOREIGN_DOMAIN", subject, rows, facts={"contacts": spellings(found)})


def elsewhere_findings(
    space: TrustSpace, mail: MailDomains, owners: Mapping[str, str], left: Set[Use]
) -> Iterator[Finding]:
    """Report establishments with a certificate of their own and contacts in the domain of another operator.

    All of them at a supplier's, or one at another establishment's: perhaps the two were merged.
    """
    kinds = {key[0]: key[1] for key in rows_by(space.audited, "operator_id", "operator_kind")}
    names = space.operator_names
    homes = grouped(
        (domain, operator_id)
        for operator_id, domains in mail.uses.items()
        for domain in {*mail.own[operator_id], *domains}
        if mail.is_usual(operator_id, domain)
    )
    for operator_id, domains in mail.uses.items():
        strange: dict[str, list[Use]] = {}
        for domain, uses in domains.items() if kinds.get(operator_id) == "FINESS" else ():
            at_home = homes.get(domain, ())
            if kept := [use for use in uses if use in left] if operator_id not in at_home else []:
                other = next((o for o in at_home if owners.get(o) != owners.get(operator_id)), "")
                strange.setdefault(other, []).extend(kept)
        for other, uses in strange.items():
            is_merged = kinds.get(other) == "FINESS"
            if other and (is_merged or len(strange) == len(domains) == 1):
                code = "CONTACT_OTHER_ESTABLISHMENT" if is_merged else "CONTACT_SUPPLIER"
                owner = {"operator": other, "name": names.get(other, "")}
                facts = {"contacts": spellings(uses), "owner": owner}
                yield Finding(code, (operator_id, other), rows_of(uses), facts)


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
    sides = Counter((*key[:2], side) for key in contacts for side in key[2])
    for key in contacts:
        operator_id, kind, (phones, emails) = key
        if len(phones) == 1 and emails and sides[operator_id, kind, emails] > 1:
            (phone,) = phones
            for place in range(len(phone) - EXTENSION):
                hole = f"{phone[:place]}?{phone[place + 1 :]}"
                groups.setdefault((operator_id, kind, emails, hole), {})[phone] = key
        if len(emails) == 1 and phones and sides[operator_id, kind, phones] > 1:
            (email,) = emails
            local, _, domain = email.partition("@")
            if TYPO_LETTERS <= len(local) <= LONGEST:
                for cut in cuts(local):
                    groups.setdefault((operator_id, kind, phones, domain, cut), {})[email] = key
    found: dict[Pair, list[tuple[Reached, Reached]]] = {}
    for group in groups.values():
        for first, second in combinations(sorted(group), 2) if len(group) < SERIES else ():
            keys = group[first], group[second]
            slip = "@" not in first or _one_letter(first, second)
            if slip and _one_person(*(contacts[key] for key in keys)):
                pairs = found.setdefault((keys[0][0], first, second), [])
                if keys not in pairs:
                    pairs.append(keys)
    return found


PREFIX, AREA = 5, 3
"""First digits of a French number, 0 left out, that a house's numbers share; those of its area."""
COLLEAGUES = 3
"""From so many numbers on a prefix is a house's, whatever follows; on more rows a number is no slip."""
_MOBILE = "67"


def odd_numbers(contacts: Mapping[Reached, list[Use]]) -> dict[Pair, list[tuple[Reached, Reached]]]:
    """Find numbers that differ in one digit of the prefix from colleagues': same operator, same mail domain.

    Of what follows only the last two digits differ, or several colleagues share the prefix and the digit that
    differs is one of the area's.
    """
    bearing = _bearing(contacts)
    colleagues: dict[tuple[str, str], dict[str, Reached]] = {}
    for key in contacts:
        operator_id, _, (phones, emails) = key
        for domain in {email.partition("@")[2] for email in emails}:
            french = {phone: key for phone in phones if phone.startswith("+33") and phone[3] not in _MOBILE}
            colleagues.setdefault((operator_id, domain), {}).update(french)
    found: dict[Pair, list[tuple[Reached, Reached]]] = {}
    for (operator_id, _), keys in colleagues.items():
        sides: dict[tuple[str, str], dict[str, list[str]]] = {}
        is_house = len({phone[: len("+33") + PREFIX] for phone in keys}) < SERIES
        for phone in keys if is_house else ():
            digits = phone.removeprefix("+33")
            for place in range(PREFIX):
                hole = f"{digits[:place]}?{digits[place + 1 : PREFIX]}"
                for rest in (digits[PREFIX:-EXTENSION], "")[: 2 if place < AREA else 1]:
                    sides.setdefault((hole, rest), {}).setdefault(digits[place], []).append(phone)
        for (_, rest), by_digit in sides.items():
            few, *more = sorted(by_digit.values(), key=len)
            if len(more) != 1 or len(few) != 1 or not (rest or len(more[0]) >= COLLEAGUES):
                continue
            first, second = sorted((few[0], more[0][0]))
            odd = few if len(more[0]) > 1 else [first, second]
            if min(len(bearing[operator_id, phone]) for phone in odd) <= COLLEAGUES:
                found.setdefault((operator_id, first, second), [(keys[first], keys[second])])
    return found


def _one_person(uses: list[Use], others: list[Use]) -> bool:
    first, second = ({fold(name) for use in side for name in use.contact.names} for side in (uses, others))
    return not first or not second or not first.isdisjoint(second)


def _one_letter(email: str, other: str) -> bool:
    first, second = email.partition("@")[0], other.partition("@")[0]
    start = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), len(first))
    initial = start == 0 or not first[start - 1].isalpha()
    return not initial and one_slip(first, second)


def near_findings(
    found: Mapping[Pair, list[tuple[Reached, Reached]]], contacts: Mapping[Reached, list[Use]]
) -> Iterator[Finding]:
    """Report each two numbers or addresses once, with all rows that bear the rarer.

    What is expected is told only where that one is rare, and the contacts have the rest in common.
    """
    bearing = _bearing(contacts)
    for (operator_id, one, other), held in found.items():
        sides = [[use for pair in held for use in contacts[pair[side]]] for side in (0, 1)]
        borne = [tuple(sorted(bearing[operator_id, value])) for value in (one, other)]
        rare, usual = sorted((0, 1), key=lambda side: len(borne[side]))
        few, many = borne[rare], borne[usual]
        shared = any(first == second for first, second in zip(*(key[2] for key in held[0]), strict=True))
        known = shared and len(many) >= TYPO_RATIO * len(few)
        right = [proposed(contacts[pair[usual]]) for pair in held] if known else []
        facts = {"contacts": spellings(sides[usual] + sides[rare]), "right": right}
        rows = few if len(few) < len(many) else tuple(sorted({*few, *many}))
        yield Finding("CONTACT_NEAR", (operator_id, Person(one), Person(other)), rows, facts=facts)


def _bearing(contacts: Mapping[Reached, list[Use]]) -> dict[tuple[str, str], set[int]]:
    """Return by operator and number or address all rows that bear it, in either kind of contact."""
    bearing: dict[tuple[str, str], set[int]] = {}
    for (operator_id, _, reached), uses in contacts.items():
        for value in frozenset().union(*reached):
            bearing.setdefault((operator_id, value), set()).update(rows_of(uses))
    return bearing


def misspelt_services(pair: tuple[Reached, Reached], contacts: Mapping[Reached, list[Use]]) -> list[Use]:
    """Return both of two near contacts if the addresses of either are a service's: ``suppport`` is one."""
    service = any(emails and all(map(is_service, emails)) for _, _, (_, emails) in pair)
    return [use for key in pair for use in contacts[key]] if service else []
