"""Audit of the contacts: incomplete, badly written, personal, and in disagreement within an operator.

The spellings of a contact are one contact, and one cause is one finding: what a run of autofilled numbers
explains is reported by no other rule, nor is what is wrong with one copied from another operator or left
by the one before; that contact, a slip, a near miss or what earlier lists show replaced is no disagreement.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from mssante_audit.audits.stale_contacts import history, parties, slips
from mssante_audit.audits.stale_contacts import uses as used
from mssante_audit.findings import Finding
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import Contact, is_service
from mssante_audit.values.person import Person
from mssante_audit.whitelist.rows import grouped, joined

# Problem of a contact → rule; a person's address is reported once for an operator (`_personal`).
FLAGS = {
    "no-phone": "CONTACT_NO_PHONE", "no-email": "CONTACT_NO_EMAIL", "markup": "CONTACT_MARKUP",
    "phone-malformed": "CONTACT_PHONE_MALFORMED", "email-malformed": "CONTACT_EMAIL_MALFORMED",
    "several-emails": "CONTACT_SEVERAL_EMAILS", "spacing": "CONTACT_SPACING", "consumer": "CONTACT_CONSUMER",
    "other-person": "CONTACT_NAME_ADDRESS",
}  # fmt: skip
_NAMED = {"spacing", "other-person"}  # names count; for the others it is one contact whomever it names
_REWRITTEN = {"phone-malformed", "email-malformed", "markup"}  # the contact is written anew, blanks and all
# Problem → those of the same contact whose finding asks for as much and more.
_COVERED_BY = {"spacing": _REWRITTEN, "no-phone": {"no-email"}, "phone-malformed": {"email-malformed"}}


def _contacts(space: TrustSpace) -> Iterator[Finding]:
    entries = space.audited
    uses, stamps = used.uses_of(entries), used.stamps_of(space)
    sizes = Counter(entries["operator_id"].tolist())
    domain_of = dict(zip(entries["row"].tolist(), entries["domain"].tolist(), strict=True))
    filled = slips.runs(uses, used.majorities(uses, sizes))
    yield from (finding for _, finding in filled)
    explained = {use for run, _ in filled for use in run}
    uses = [use for use in uses if use not in explained]
    others = parties.lent(space, uses)
    former = {finding.subject: finding for finding in history.former_operators(space)}
    yield from former.values()
    strange = {f.subject: f for f in parties.strange_findings(space, uses, others, domain_of)}
    for pair, finding in strange.items():
        if pair not in former or not set(finding.rows) <= set(former[pair].rows):
            yield finding
    mistaken = {use for pair, of_pair in others.strange.items() if pair in strange for use in of_pair}
    uses = [use for use in uses if use not in mistaken]
    yield from _flags(uses)
    left = [use for use in uses if use not in others.uses]
    mail = slips.mail_domains(entries, uses, sizes)
    meant = slips.typos(mail)
    yield from slips.typo_findings(mail, meant)
    yield from slips.foreign_findings(mail, meant, others.uses, sizes)
    yield from slips.elsewhere_findings(space, mail, others.owners, {*left})
    contacts = used.alike(use for use in left if use.domains.isdisjoint(meant))
    near = slips.nears(contacts)
    pairs = [pair for of_values in near.values() for pair in of_values if pair[0][1] == pair[1][1]]
    yield from slips.near_findings(slips.odd_numbers(contacts) | near, contacts)
    # Of two near contacts both are a service's if the addresses of either are: ``suppport`` is one.
    of_service = (
        pair for pair in pairs if any(mails and all(map(is_service, mails)) for *_, (_, mails) in pair)
    )
    services = {use for pair in of_service for key in pair for use in contacts[key]}
    yield from _personal(space, [use for use in uses if use not in services], sizes, stamps)
    changed = list(history.partly_changed(space))
    yield from changed
    replaced = {finding.subject[:3] for finding in changed if isinstance(finding.subject, tuple)}
    yield from parties.disagreements(parties.parties(contacts, pairs), replaced, stamps, domain_of)


def _flags(uses: list[used.Use]) -> Iterator[Finding]:
    """Report what is odd about a contact, once for each operator, and for contacts on rows in common."""
    groups = grouped(
        ((use.operator_id, problem, use.contact.key if problem in _NAMED else _unnamed(use.contact)), use)
        for use in uses
        for problem in use.contact.problems
        if problem in FLAGS and _COVERED_BY.get(problem, set()).isdisjoint(use.contact.problems)
    )
    root = joined((key, (*key[:2], row)) for key, group in groups.items() for row in used.rows_of(group))
    for keys in grouped((root(key), key) for key in groups).values():
        operator_id, problem, name = keys[0]
        odd = [use for key in keys for use in groups[key]]
        facts: dict[str, Any] = {"contacts": used.spellings(odd)}
        if problem == "spacing":
            of_kinds = [[use for use in odd if use.kind == kind] for kind in used.KINDS.values()]
            facts["right"] = [used.best_of(of_kind) for of_kind in of_kinds if of_kind]
        elif problem == "no-email":
            facts["unreachable"] = any("no-phone" in use.contact.problems for use in odd)
        yield Finding(FLAGS[problem], (operator_id, Person(name)), used.rows_of(odd), facts)


def _unnamed(contact: Contact) -> str:
    """Return the key of a contact as if it named nobody, unless it has nothing but names."""
    reached = any(contact.coordinates) or contact.malformed
    return replace(contact, names=()).key if reached else contact.key


def _personal(
    space: TrustSpace, uses: list[used.Use], sizes: Mapping[str, int], stamps: used.Stamps
) -> Iterator[Finding]:
    """Report an operator's rows on which an address looks like a person's, and its old rows, together."""
    aged = history.aged(space)
    personal = grouped((use.operator_id, use) for use in uses if "personal" in use.contact.problems)
    yield from (finding for operator_id, finding in aged.items() if operator_id not in personal)
    for operator_id, of_operator in personal.items():
        rows, old = used.rows_of(of_operator), aged.get(operator_id, Finding("", ""))
        since, _ = stamps.span(rows) or ("", "")
        roles = Counter((row, use.coordinates) for use in of_operator for row in use.rows)
        facts = {
            "personal": len(rows), "rows": sizes[operator_id], "since": since,
            "alone": len({row for (row, _), count in roles.items() if count > 1}),
            "contacts": used.spellings(of_operator), "oldest": old.facts.get("oldest", ""),
            "unchanged": old.facts.get("since", ""),
        }  # fmt: skip
        yield Finding("CONTACT_PERSONAL", operator_id, (*rows, *old.rows), facts)


RUNS = (_contacts,)
