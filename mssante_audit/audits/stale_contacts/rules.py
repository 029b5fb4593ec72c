"""Audit of the contacts: incomplete, badly written, personal, and in disagreement within an operator.

Rules: ``rules/stale_contacts.toml``. The spellings of a contact are one contact, and one cause is one
finding: what a run of autofilled numbers explains is reported by no other rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pandas as pd

from mssante_audit.audits.stale_contacts.autofill import finding, runs
from mssante_audit.audits.stale_contacts.history import history_findings
from mssante_audit.audits.stale_contacts.mail_domains import (
    foreign_findings,
    mail_domains,
    typo_findings,
    typos,
)
from mssante_audit.audits.stale_contacts.uses import Use, majorities, seen, seen_together, sizes_of, uses_of
from mssante_audit.base.french import count, day, number
from mssante_audit.findings.facts import Finding
from mssante_audit.findings.frame import said
from mssante_audit.space.trust import TrustSpace
from mssante_audit.whitelist.rows import all_rows

FLAGS = {
    "no-phone": "CONTACT_NO_PHONE",
    "no-email": "CONTACT_NO_EMAIL",
    "several-emails": "CONTACT_SEVERAL_EMAILS",
    "phone-malformed": "CONTACT_PHONE_MALFORMED",
    "email-malformed": "CONTACT_EMAIL_MALFORMED",
    "markup": "CONTACT_MARKUP",
    "spacing": "CONTACT_SPACING",
    "consumer": "CONTACT_CONSUMER",
    "personal": "CONTACT_PERSONAL",
}
"""Problem of a contact → rule."""


def _stamps(space: TrustSpace) -> Iterator[Finding]:
    entries = space.audited
    limit = space.as_of - pd.Timedelta(days=space.thresholds.stale_after_days)
    sizes = sizes_of(entries)
    for operator_id, old in entries[entries["updated_at"] < limit].groupby("operator_id", sort=False):
        yield said(
            "CONTACT_STAMP_OLD",
            tuple(old["row"].tolist()),
            observed=f"{count(len(old), 'ligne')} sur {number(sizes[str(operator_id)])}, "
            f"la plus ancienne du {day(old['updated_at'].min().to_pydatetime())}",
            expected=f"après le {day(limit)}",
        )


def _contacts(space: TrustSpace) -> Iterator[Finding]:
    entries = space.audited
    uses = uses_of(entries)
    sizes = sizes_of(entries)
    majority = majorities(uses, sizes)
    filled = runs(uses, majority)
    yield from map(finding, filled)
    explained = {use for run in filled for use in run.uses}
    uses = [use for use in uses if use not in explained]
    yield from _flags(uses)
    mail = mail_domains(entries, uses, sizes)
    meant = typos(mail)
    yield from typo_findings(mail, meant)
    yield from foreign_findings(mail, meant)
    yield from _disagreements([use for use in uses if use.domains.isdisjoint(meant)], majority)


def _flags(uses: list[Use]) -> Iterator[Finding]:
    """Report what is odd about a contact, once for each operator."""
    groups: dict[tuple[str, str, str], list[Use]] = {}
    for use in uses:
        for problem in use.contact.problems:
            groups.setdefault((use.operator_id, problem, use.contact.key), []).append(use)
    for (_, problem, _), found in groups.items():
        most = max(found, key=lambda use: len(use.rows))
        yield said(
            FLAGS[problem],
            all_rows(list(use.rows) for use in found),
            observed=seen_together(found),
            expected=seen(most, _tidy(most.contact.text)) if problem == "spacing" else "",
        )


def _tidy(text: str) -> str:
    """Write a contact with single spaces, and one after each comma only."""
    return re.sub(r"\s*,\s*", ", ", " ".join(text.split()))


def _disagreements(uses: list[Use], majority: Mapping[tuple[str, str], Use]) -> Iterator[Finding]:
    """Report the contacts of few rows of an operator where most rows have another."""
    minorities: dict[tuple[object, ...], list[Use]] = {}
    for use in uses:
        usual = majority.get((use.operator_id, use.kind))
        if usual is not None and any(use.coordinates) and not _agree(use, usual):
            minorities.setdefault((use.operator_id, use.kind, use.coordinates), []).append(use)
    for found in minorities.values():
        yield said(
            "CONTACT_DISAGREEMENT",
            all_rows(list(use.rows) for use in found),
            observed=seen_together(found),
            expected=seen(majority[found[0].operator_id, found[0].kind]),
        )


def _agree(one: Use, other: Use) -> bool:
    """Tell whether two contacts can both be right: one only lacks, or adds, a phone or an address.

    Names are not compared: the form asks for none.
    """
    pairs = list(zip(one.coordinates, other.coordinates, strict=True))
    return any(a & b for a, b in pairs) and all(a <= b or b <= a for a, b in pairs)


PARTS = (_stamps, _contacts, history_findings)
"""What the audit is made of."""
