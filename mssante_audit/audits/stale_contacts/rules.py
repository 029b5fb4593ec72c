"""Audit of the contacts: incomplete, badly written, personal, and in disagreement within an operator.

The spellings of a contact are one contact, and one cause is one finding: what a run of autofilled numbers
explains is reported by no other rule; another operator's contact, a slip or a near miss is no disagreement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from mssante_audit.audits.stale_contacts.autofill import finding, runs
from mssante_audit.audits.stale_contacts.history import HISTORY
from mssante_audit.audits.stale_contacts.lent import lent, strange_findings
from mssante_audit.audits.stale_contacts.mail_domains import (
    foreign_findings,
    mail_domains,
    typo_findings,
    typos,
)
from mssante_audit.audits.stale_contacts.near import misspelt_services, near_findings, nears
from mssante_audit.audits.stale_contacts.parties import disagreements, parties
from mssante_audit.audits.stale_contacts.stamps import Stamps, old_stamps, stamps_of
from mssante_audit.audits.stale_contacts.uses import (
    Use,
    alike,
    majorities,
    proposed,
    rows_of,
    sizes_of,
    spellings,
    uses_of,
)
from mssante_audit.findings.frame import Finding
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.person import Person

FLAGS = {
    "no-phone": "CONTACT_NO_PHONE",
    "no-email": "CONTACT_NO_EMAIL",
    "several-emails": "CONTACT_SEVERAL_EMAILS",
    "phone-malformed": "CONTACT_PHONE_MALFORMED",
    "email-malformed": "CONTACT_EMAIL_MALFORMED",
    "markup": "CONTACT_MARKUP",
    "spacing": "CONTACT_SPACING",
    "consumer": "CONTACT_CONSUMER",
    "other-person": "CONTACT_NAME_ADDRESS",
}
"""Problem of a contact → rule; a person's address is told once for an operator (`_personal`)."""


def _contacts(space: TrustSpace) -> Iterator[Finding]:
    entries = space.audited
    uses = uses_of(entries)
    sizes = sizes_of(entries)
    stamps = stamps_of(space)
    filled = runs(uses, majorities(uses, sizes))
    yield from map(finding, filled)
    explained = {use for run in filled for use in run.uses}
    uses = [use for use in uses if use not in explained]
    yield from _flags(uses)
    others = lent(space, uses)
    yield from strange_findings(space, uses, others)
    own = [use for use in uses if use not in others.uses]
    mail = mail_domains(entries, uses, sizes)
    meant = typos(mail)
    yield from typo_findings(mail, meant)
    yield from foreign_findings(mail, meant, others.uses)
    contacts = alike(use for use in own if use.domains.isdisjoint(meant))
    near = nears(contacts)
    pairs = [pair for found in near.values() for pair in found]
    yield from near_findings(near, contacts)
    yield from _personal(
        uses, {use for pair in pairs for use in misspelt_services(pair, contacts)}, sizes, stamps
    )
    domain_of = dict(zip(entries["row"].tolist(), entries["domain"].tolist(), strict=True))
    yield from disagreements(parties(contacts, pairs), stamps, domain_of)


def _flags(uses: list[Use]) -> Iterator[Finding]:
    """Report what is odd about a contact, once for each operator."""
    groups: dict[tuple[str, str, str], list[Use]] = {}
    for use in uses:
        for problem in use.contact.problems:
            if problem in FLAGS:
                groups.setdefault((use.operator_id, problem, use.contact.key), []).append(use)
    for (operator_id, problem, key), found in groups.items():
        right = {"right": [proposed(found)]} if problem == "spacing" else {}
        yield Finding(
            FLAGS[problem],
            (operator_id, Person(key)),
            rows_of(found),
            facts={"contacts": spellings(found), **right},
        )


def _personal(
    uses: list[Use], services: Set[Use], sizes: Mapping[str, int], stamps: Stamps
) -> Iterator[Finding]:
    """Report, for each operator, the rows on which an address looks like a person's and is no service's."""
    found: dict[str, list[Use]] = {}
    for use in uses:
        if "personal" in use.contact.problems and use not in services:
            found.setdefault(use.operator_id, []).append(use)
    for operator_id, own in found.items():
        rows = rows_of(own)
        said = stamps.span(rows)
        yield Finding(
            "CONTACT_PERSONAL",
            operator_id,
            rows,
            facts={
                "personal": len(rows),
                "rows": sizes[operator_id],
                "since": said[0] if said else "",
                "contacts": spellings(own),
            },
        )


PARTS = (old_stamps, _contacts, *HISTORY)
"""What the audit is made of."""
