"""Domains of contacts' addresses: probable slips, and those unusual for an operator. For `stale_contacts`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field

import pandas as pd

from mssante_audit.audits.stale_contacts.uses import Use, seen, spellings
from mssante_audit.findings.frame import Finding
from mssante_audit.values.person import Person
from mssante_audit.values.slips import pairs
from mssante_audit.whitelist.rows import all_rows, rows_by

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
    own: dict[str, set[str]] = {}
    for operator_id, cn in rows_by(entries, "operator_id", "cn"):
        own.setdefault(operator_id, set()).update(_with_parents(cn.lower()))
    mail = MailDomains(sizes, own)
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
    owners: dict[str, set[str]] = {}
    for operator_id, domains in mail.uses.items():
        for domain in domains:
            owners.setdefault(domain, set()).add(operator_id)
    meant = {
        wrong: right
        for wrong, right in _slips(mail.rows)
        if len(right.rpartition(".")[0]) >= TYPO_LETTERS
        and not owners[wrong].isdisjoint(owners[right])
        and not any(mail.is_usual(operator_id, wrong) for operator_id in owners[wrong])
    }
    return meant | _wrong_endings(mail)


def _wrong_endings(mail: MailDomains) -> dict[str, str]:
    rows: dict[str, set[int]] = {}
    for domain, found in mail.rows.items():
        rows.setdefault(domain.rpartition(".")[2], set()).update(found)
    # All labels of two letters are countries'.
    meant = {wrong: right for wrong, right in _slips(rows) if len(wrong) > 2}
    parted = {domain: domain.rpartition(".") for domain in mail.rows}
    return {domain: f"{name}.{meant[last]}" for domain, (name, _, last) in parted.items() if last in meant}


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
    """Report the domains that are not usual for an operator that has usual ones.

    Misspelt domains, consumer providers and the contacts of `others` have rules of their own, or none; one
    below or above a usual domain is kin.
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
