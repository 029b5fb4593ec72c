"""Slips in contacts: numbers that a spreadsheet counted up, domains of addresses, near contacts."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from itertools import accumulate, chain, combinations, pairwise, product
from operator import eq, itemgetter
from typing import NamedTuple

import pandas as pd

from mssante_audit.audits.stale_contacts.uses import Reached, Use, best_of, distinct, rows_of, seen, spellings
from mssante_audit.base.text import fold
from mssante_audit.findings.frame import Finding
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import FRENCH_CODES
from mssante_audit.values.person import Person
from mssante_audit.values.slips import cuts, one_slip, pairs
from mssante_audit.whitelist.rows import grouped, rows_by

RUN_MIN = 3  # distinct numbers that make a run (no source: two in a row are often two right numbers)
MAX_GAP = 3  # largest step in a run: rows of the numbers between may have been corrected or withdrawn
_NUMBER = re.compile(r"\d[\d .()/-]{6,}\d", re.ASCII)

# Its lowest and highest number, its contacts, and what was meant, where that is known.
_Run = tuple[int, int, list[Use], list[Use]]


def runs(uses: Iterable[Use], majority: Mapping[tuple[str, str], Use]) -> list[tuple[list[Use], Finding]]:
    """Find the runs of each operator, both kinds of contact together: the contacts, and the finding.

    Two ways of counting are known: the whole number (``…00 10``, ``…00 11``), in steps of at most `MAX_GAP`,
    at least three in a row without a gap; and its first group (``9 99 …``, ``10 99 …``, ``17 99 …``; source:
    data), which makes no telephone number, so that gaps do not matter. All else in the contacts is equal.
    What most rows of an operator and kind hold, the `majority`, is the original and no part of the run.
    """
    read = [(use, *_read(use)) for use in uses]
    numbered = [(use, groups, (use.operator_id, use.kind, rest)) for use, groups, rest in read if groups]
    first = grouped(((*key, *tail), (int(number), use)) for use, (number, *tail), key in numbered if tail)
    counted: list[tuple[tuple[str, ...], _Run]] = []
    for (operator_id, _, _, *others), of_key in first.items():
        numbers = {number for number, _ in of_key}
        if len(numbers) >= RUN_MIN and any(number + 1 in numbers for number in numbers):
            # Where the digits after the first group are the same, so is the run, in either kind of contact.
            counted.append(((operator_id, *others), _run(of_key, numbers, majority)))
    whole_numbers = grouped((key, (int("".join(groups)), use)) for use, groups, key in numbered)
    for (operator_id, _, _), of_key in whole_numbers.items():
        ordered = sorted({number for number, _ in of_key})
        steps = accumulate((b - a > MAX_GAP for a, b in pairwise(ordered)), initial=0)
        for stretch in map(set, grouped(zip(steps, ordered, strict=True)).values()):
            if any({number - 1, number + 1} <= stretch for number in stretch):
                counted.append(((operator_id,), _run(of_key, stretch, majority)))
    findings = []
    for (operator_id, *others), same in grouped(counted).items():
        merged: list[_Run] = []
        for low, high, members, originals in sorted(same, key=itemgetter(0)):
            if merged and low <= merged[-1][1]:
                low, highest, before, earlier = merged.pop()
                high, members, originals = max(highest, high), before + members, earlier + originals
            merged.append((low, high, members, originals))
        for low, _, members, originals in merged:
            # Of each kind the first and the last are shown.
            of_kind = grouped((use.kind, use) for use in members).values()
            contacts = distinct(use for group in of_kind for use in (group[0], group[-1]))
            facts = {"contacts": contacts, "right": [best_of([use]) for use in dict.fromkeys(originals)]}
            subject = (operator_id, Person(" ".join((str(low), *others))))
            if members:
                findings.append((members, Finding("CONTACT_AUTOFILL", subject, rows_of(members), facts)))
    return findings


def _read(use: Use) -> tuple[list[str], str]:
    """Return the digit groups of a contact's number and the rest; nothing without a number."""
    text = " ".join(use.contact.text.split())
    number = _NUMBER.search(text)
    return (re.findall(r"\d+", number[0]), fold(_NUMBER.sub(" ", text, 1))) if number else ([], "")


def _run(of_key: list[tuple[int, Use]], numbers: set[int], majority: Mapping[tuple[str, str], Use]) -> _Run:
    uses = [use for number, use in sorted(of_key, key=itemgetter(0)) if number in numbers]
    usual, originals = majority.get((uses[0].operator_id, uses[0].kind)), []
    if usual is not None:
        groups, rest = _read(usual)
        originals = [usual] if usual in uses or (groups and rest == _read(uses[0])[1]) else []
        uses = [use for use in uses if use.coordinates != usual.coordinates]
    return min(numbers), max(numbers), uses, originals


# A domain is usual for an operator of at least so many rows if it is on at least that share of them.
USUAL_MIN, USUAL_SHARE = 5, 0.2
TYPO_RATIO = 10  # how many times more frequent, by rows, the domain is that another is probably a slip for
TYPO_LETTERS = 5  # shorter names are too near one another to call one a slip for the other
LONGEST, _LABELS = 64, 10  # what more letters, or labels, would cost is the list's to choose


class MailDomains(NamedTuple):
    """Which domains the contacts' addresses have."""

    rows: dict[str, set[int]]  # domain → rows
    uses: dict[str, dict[str, list[Use]]]  # operator_id → domain → contacts
    usual: dict[str, set[str]]  # operator_id → domains above its servers' (CN), or on many of its rows


def mail_domains(entries: pd.DataFrame, uses: Iterable[Use], sizes: Mapping[str, int]) -> MailDomains:
    """Gather the domains of all addresses; `sizes` are the operators' numbers of rows."""
    mail = MailDomains({}, {}, {})
    for use in uses:
        for domain in use.domains:
            mail.rows.setdefault(domain, set()).update(use.rows)
            mail.uses.setdefault(use.operator_id, {}).setdefault(domain, []).append(use)
    for operator_id, cn in rows_by(entries, "operator_id", "cn"):
        mail.usual.setdefault(operator_id, set()).update(_with_parents(cn.lower()))
    for operator_id, domains in mail.uses.items():
        if (size := sizes[operator_id]) >= USUAL_MIN:
            often = (name for name, group in domains.items() if len(rows_of(group)) >= USUAL_SHARE * size)
            mail.usual[operator_id].update(often)
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
    owners = grouped((domain, operator) for operator, domains in mail.uses.items() for domain in domains)
    fixes = {}
    for wrong, right in _slips(mail.rows):
        has_both = len(right.rpartition(".")[0]) >= TYPO_LETTERS and {*owners[wrong]} & {*owners[right]}
        if has_both and not any(wrong in mail.usual[operator_id] for operator_id in owners[wrong]):
            fixes[wrong] = right
    parted = {domain: domain.rpartition(".") for domain in mail.rows}
    by_ending = grouped((parted[domain][2], rows) for domain, rows in mail.rows.items())
    rows = {ending: set().union(*groups) for ending, groups in by_ending.items()}
    # All labels of two letters are countries'.
    endings = {wrong: right for wrong, right in _slips(rows) if len(wrong) > 2}
    return fixes | {d: f"{name}.{endings[last]}" for d, (name, _, last) in parted.items() if last in endings}


def typo_findings(mail: MailDomains, meant: Mapping[str, str]) -> Iterator[Finding]:
    """Report each misspelt domain once; a hint unless an operator that has it writes what is meant too."""
    misspelt = grouped(
        (domain, domains) for domains in mail.uses.values() for domain in domains.keys() & meant.keys()
    )
    for wrong, of_operators in misspelt.items():
        uses = [use for domains in of_operators for use in domains[wrong]]
        right = re.sub(f"(?i)@{re.escape(wrong)}", f"@{meant[wrong]}", uses[0].contact.text)
        facts = {"contacts": spellings(uses), "right": [seen(uses[0], right)]}
        sure = "" if any(meant[wrong] in domains for domains in of_operators) else "hint"
        yield Finding("CONTACT_EMAIL_TYPO", Person(wrong), rows_of(uses), facts, confidence=sure)


def foreign_findings(
    mail: MailDomains, meant: Mapping[str, str], others: Set[Use], sizes: Mapping[str, int]
) -> Iterator[Finding]:
    """Report the domains that are not usual for an operator that has usual ones, nor below or above one.

    Misspelt domains, consumer providers and the contacts of `others` have rules of their own, or none.
    """
    for operator_id, domains in mail.uses.items():
        usual = mail.usual[operator_id] & domains.keys()
        if sizes[operator_id] < USUAL_MIN or not usual:
            continue
        above = {parent for domain in usual for parent in _with_parents(domain)}
        for domain, uses in domains.items():
            kin = domain in above or not usual.isdisjoint(_with_parents(domain))
            foreign = [u for u in uses if "consumer" not in u.contact.problems and u not in others]
            if foreign and not kin and domain not in meant:
                subject, facts = (operator_id, Person(domain)), {"contacts": spellings(foreign)}
                yield Finding("CONTACT_FOREIGN_DOMAIN", subject, rows_of(foreign), facts)


def elsewhere_findings(
    space: TrustSpace, mail: MailDomains, owners: Mapping[str, str], left: Set[Use]
) -> Iterator[Finding]:
    """Report establishments all of whose contacts are a supplier's, or one another's: perhaps merged."""
    kinds = {key[0]: key[1] for key in rows_by(space.audited, "operator_id", "operator_kind")}
    homes = grouped((domain, operator_id) for operator_id in mail.uses for domain in mail.usual[operator_id])
    for operator_id, domains in mail.uses.items():
        strange: dict[str, dict[str, list[Use]]] = {}
        for domain, uses in domains.items() if kinds.get(operator_id) == "FINESS" else ():
            at_home = homes.get(domain, ())
            relevant = [use for use in uses if use in left and "consumer" not in use.contact.problems]
            if relevant and operator_id not in at_home:
                other = next((o for o in at_home if owners.get(o) != owners.get(operator_id)), "")
                strange.setdefault(other, {})[domain] = relevant
        for other, of_domains in strange.items():
            is_merged, uses = kinds.get(other) == "FINESS", [*dict.fromkeys(chain(*of_domains.values()))]
            if other and (is_merged or len(of_domains) == len(domains)):
                code = "CONTACT_OTHER_ESTABLISHMENT" if is_merged else "CONTACT_SUPPLIER"
                owner = {"operator": other, "name": space.operator_names.get(other, "")}
                facts = {"contacts": spellings(uses), "owner": owner}
                yield Finding(code, (operator_id, other), rows_of(uses), facts)


EXTENSION = 2  # last digits of a number, in which two right numbers of a house differ (no source)
SERIES = 4  # so many that differ in one place are a series, and no slip
PREFIX, AREA = 5, 3  # first digits of a French number, 0 left out, that a house's numbers share; its area's
COLLEAGUES = 3  # numbers from which a prefix is a house's, whatever follows; on more rows one is no slip
_LANDLINES = {"01", "02", "03", "04", "05", "08", "09"}
_FRENCH = re.compile(rf"\+(?:{FRENCH_CODES})(\d{{9}})")

# By operator_id, a phone or an address, and another, in order: the contacts that have them.
Near = dict[tuple[str, str, str], list[tuple[Reached, Reached]]]


def nears(contacts: Mapping[Reached, list[Use]]) -> Near:
    """Find the contacts of one operator, of one kind or the two, alike but for one digit or one letter.

    Two numbers have the same addresses, and differ in one digit, none of the last two (`EXTENSION`), or in
    the order of two neighbours. Two addresses of one domain have the same number, and are one slip of the pen
    apart, not in the first letter of a word (an initial). Two names that differ are two persons.
    """
    groups: dict[tuple[object, ...], dict[str, list[Reached]]] = {}
    several = {(operator_id, reached) for operator_id, _, reached in contacts}
    sides = Counter((operator_id, side) for operator_id, reached in several for side in reached)
    for key in contacts:
        operator_id, _, (phones, emails) = key
        if len(phones) == 1 and emails and sides[operator_id, emails] > 1:
            (phone,) = phones
            digits = _dialled(phone)
            for place in range(len(digits) - EXTENSION):
                swap = "".join(sorted(digits[place : place + 2]))
                for hole in (f"?{digits[place + 1 :]}", f"({swap}){digits[place + 2 :]}"):
                    group = groups.setdefault((operator_id, emails, digits[:place], hole), {})
                    group.setdefault(phone, []).append(key)
        if len(emails) == 1 and phones and sides[operator_id, phones] > 1:
            (email,) = emails
            local, _, domain = email.partition("@")
            for cut in cuts(local) if TYPO_LETTERS <= len(local) <= LONGEST else ():
                groups.setdefault((operator_id, phones, domain, cut), {}).setdefault(email, []).append(key)
    neighbours: Near = {}
    for group in groups.values():
        for first, second in combinations(sorted(group), 2) if len(group) < SERIES else ():
            local, other = first.partition("@")[0], second.partition("@")[0]
            start = [*map(eq, local, other), False].index(False)
            inside = local[:start][-1:].isalpha()  # what differs is no initial
            is_same = _dialled(first) == _dialled(second)  # but for the code of a number overseas
            if is_same or ("@" in first and not (inside and one_slip(local, other))):
                continue
            couples = [*product(group[first], group[second])]
            for keys in [pair for pair in couples if pair[0][1] == pair[1][1]] or couples[:1]:
                names = [{fold(n) for use in contacts[key] for n in use.contact.names} for key in keys]
                pairs_of = neighbours.get((keys[0][0], first, second), [])
                if keys not in pairs_of and (not all(names) or not names[0].isdisjoint(names[1])):
                    neighbours[keys[0][0], first, second] = [*pairs_of, keys]
    return neighbours


def _dialled(phone: str) -> str:
    """Return a French number of ten digits as it is dialled, another as it is."""
    french = _FRENCH.fullmatch(phone)
    return f"0{french[1]}" if french else phone


def odd_numbers(contacts: Mapping[Reached, list[Use]]) -> Near:
    """Find numbers that differ in one digit of the prefix from colleagues': same operator, same mail domain.

    Of what follows only the last two digits differ, or several colleagues share the prefix and the digit that
    differs is one of the area's.
    """
    bearing = _bearing(contacts)
    colleagues: dict[tuple[str, str], dict[str, Reached]] = {}
    for key in contacts:
        operator_id, _, (phones, emails) = key
        for domain in {email.partition("@")[2] for email in emails}:
            landlines = {phone: key for phone in phones if _dialled(phone)[:2] in _LANDLINES}
            colleagues.setdefault((operator_id, domain), {}).update(landlines)
    odd: Near = {}
    for (operator_id, _), keys in colleagues.items():
        sides: dict[tuple[str, str], dict[str, list[str]]] = {}
        is_house = len({_dialled(phone)[: 1 + PREFIX] for phone in keys}) < SERIES
        for phone in keys if is_house else ():
            digits = _dialled(phone)[1:]
            for place in range(PREFIX):
                hole = f"{digits[:place]}?{digits[place + 1 : PREFIX]}"
                for rest in (digits[PREFIX:-EXTENSION], "")[: 2 if place < AREA else 1]:
                    sides.setdefault((hole, rest), {}).setdefault(digits[place], []).append(phone)
        for (_, rest), by_digit in sides.items():
            few, *others = sorted(by_digit.values(), key=len)
            if len(others) != 1 or len(few) != 1 or not (rest or len(others[0]) >= COLLEAGUES):
                continue
            first, second = sorted((few[0], others[0][0]))
            rarer = few if len(others[0]) > 1 else [first, second]
            if min(len(bearing[operator_id, phone]) for phone in rarer) <= COLLEAGUES:
                odd.setdefault((operator_id, first, second), [(keys[first], keys[second])])
    return odd


def near_findings(near: Near, contacts: Mapping[Reached, list[Use]]) -> Iterator[Finding]:
    """Report each two numbers or addresses once, with all rows that bear the rarer, if one is."""
    bearing = _bearing(contacts)
    for (operator_id, *values), pairs_of in near.items():
        rare, usual = sorted((0, 1), key=lambda side: len(bearing[operator_id, values[side]]))
        few, many = bearing[operator_id, values[rare]], bearing[operator_id, values[usual]]
        shared = any(first == second for first, second in zip(*(key[2] for key in pairs_of[0]), strict=True))
        is_slip = shared and len(many) >= TYPO_RATIO * len(few)
        ordered = (contacts[pair[side]] for side in (usual, rare) for pair in pairs_of)
        right = [best_of(contacts[pair[usual]]) for pair in pairs_of] if is_slip else []
        facts = {"contacts": spellings(chain.from_iterable(ordered)), "right": right}
        rows = tuple(few if len(few) < len(many) else few | many)
        yield Finding("CONTACT_NEAR", (operator_id, *map(Person, values)), rows, facts)


def _bearing(contacts: Mapping[Reached, list[Use]]) -> dict[tuple[str, str], set[int]]:
    """Return by operator and number or address all rows that bear it, in either kind of contact."""
    bearing: dict[tuple[str, str], set[int]] = {}
    for (operator_id, _, reached), uses in contacts.items():
        for value in frozenset().union(*reached):
            bearing.setdefault((operator_id, value), set()).update(rows_of(uses))
    return bearing
