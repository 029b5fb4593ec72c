"""Audit of the contacts: incomplete, badly written, personal, and in disagreement within an operator.

The spellings of a contact are one contact, and one cause is one finding: what a run of autofilled numbers
explains is reported by no other rule, nor is what is wrong with one copied from another operator or left
by the one before; that contact, a slip, a near miss or what earlier lists show replaced is no disagreement.
That a contact changed is read off the lists, never off `DateMAJ`, which moves without any change (data).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import pandas as pd

from mssante_audit.archive.history import with_operators
from mssante_audit.audits.stale_contacts import parties, slips
from mssante_audit.audits.stale_contacts import uses as used
from mssante_audit.base.text import fold
from mssante_audit.findings import Finding
from mssante_audit.findings.frame import Subject
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import Contact, Coordinates, is_service, parse_contact
from mssante_audit.values.person import Person
from mssante_audit.whitelist.rows import CPS_ISSUER, all_rows, grouped, joined, rows_by, tuples

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

_BOTH = list(used.KINDS)


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
    former = {finding.subject: finding for finding in _former_operators(space)}
    yield from former.values()
    strange = {f.subject: f for f in parties.strange_findings(space, uses, others, domain_of)}
    for pair, finding in strange.items():
        if pair not in former or not set(finding.rows) <= set(former[pair].rows):
            yield finding
    mistaken = {use for pair, of_pair in others.strange.items() if pair in strange for use in of_pair}
    uses = [use for use in uses if use not in mistaken]
    yield from _flags(uses)
    remaining = [use for use in uses if use not in others.uses]
    mail = slips.mail_domains(entries, uses, sizes)
    fixes = slips.typos(mail)
    yield from slips.typo_findings(mail, fixes)
    yield from slips.foreign_findings(mail, fixes, others.uses, sizes)
    yield from slips.elsewhere_findings(space, mail, others.owners, {*remaining})
    contacts = used.alike(use for use in remaining if use.domains.isdisjoint(fixes))
    neighbours = slips.nears(contacts)
    pairs = [pair for of_values in neighbours.values() for pair in of_values if pair[0][1] == pair[1][1]]
    yield from slips.near_findings(slips.odd_numbers(contacts) | neighbours, contacts)
    # Of two near contacts both are a service's if the addresses of either are: ``suppport`` is one.
    of_service = (
        pair for pair in pairs if any(mails and all(map(is_service, mails)) for *_, (_, mails) in pair)
    )
    services = {use for pair in of_service for key in pair for use in contacts[key]}
    yield from _personal(space, [use for use in uses if use not in services], sizes, stamps)
    changed = list(_partly_changed(space))
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
    aged = _aged(space)
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


def _aged(space: TrustSpace) -> dict[Subject, Finding]:
    """Report an operator's rows whose contacts have long been the same, else those dated long ago."""
    entries, past = space.audited, space.past
    limit = pd.Timestamp(space.as_of) - pd.Timedelta(days=space.thresholds.stale_after_days)
    sizes = entries["operator_id"].value_counts()
    old = entries[entries["updated_at"] < limit]
    oldest = old.groupby("operator_id")["updated_at"].min()
    findings: dict[Subject, Finding] = {}
    for (operator_id,), rows in rows_by(old, "operator_id").items():
        facts = {"old": len(rows), "rows": sizes[operator_id], "oldest": oldest[operator_id], "limit": limit}
        findings[operator_id] = Finding("CONTACT_STAMP_OLD", operator_id, tuple(rows), facts)
    if past is None:
        return findings
    history, first, _ = past
    since = history.groupby(["domain", *_BOTH], sort=False)["first_seen"].min().rename("since").reset_index()
    same = entries[["row", "operator_id", "domain", *_BOTH]].merge(since, on=["domain", *_BOTH])
    same = same[same["since"] <= limit]
    earliest = same.groupby("operator_id")["since"].min()
    for (operator_id,), rows in rows_by(same, "operator_id").items():
        begun = earliest[operator_id]
        facts = {
            "unchanged": len(rows), "rows": sizes[operator_id], "since": begun, "at_least": begun == first,
            "limit": limit,
        }  # fmt: skip
        findings[operator_id] = Finding("CONTACT_UNCHANGED", operator_id, tuple(rows), facts)
    return findings


def _partly_changed(space: TrustSpace) -> Iterator[Finding]:
    """Report contacts that were replaced, by none with a fault, on some domains and remain on others."""
    if (past := space.past) is None:
        return
    history = with_operators(past[0])
    for column, kind in used.KINDS.items():
        still = rows_by(space.audited, "operator_id", column)
        current = rows_by(space.audited, "operator_id", "domain", column)
        texts = grouped(((operator_id, domain), text) for operator_id, domain, text in current)
        by = ["operator_id", column, "domain"]
        ended = history.loc[history["last_seen"] < past[2], by].drop_duplicates()
        born = history.groupby(by, sort=False)["first_seen"].min().to_dict()
        changes = grouped(
            ((operator_id, text, new), domain)
            for operator_id, text, domain in tuples(ended, *by)
            if (operator_id, domain, text) not in current and (operator_id, text) in still
            for new in texts.get((operator_id, domain), ())
            if parse_contact(new).coordinates != parse_contact(text).coordinates
            and used.faults_of(parse_contact(new)) <= used.faults_of(parse_contact(text))
        )
        for (operator_id, text, new), domains in changes.items():
            if (operator_id, new, text) in changes:
                continue  # exchanged: neither is stale
            since, old, right = min(born[operator_id, new, d] for d in domains), Person(text), Person(new)
            facts = {
                "contacts": [{"kind": kind, "text": old}], "right": [{"kind": kind, "text": right}],
                "others": len(domains), "since": since,
            }  # fmt: skip
            subject, rows = (operator_id, kind, old, right), tuple(still[operator_id, text])
            yield Finding("CONTACT_PARTLY_CHANGED", subject, rows, facts, first_seen=since)


def _former_operators(space: TrustSpace) -> Iterator[Finding]:
    """Report domains that went to another operator and still name the one before as their contact."""
    if (past := space.past) is None:
        return
    entries, same = space.audited, space.structures
    history = with_operators(past[0])
    history = history.assign(structure=history["operator_id"].map(lambda key: same.get(key, key)))
    names = {name: fold(name) for name in {*history["operator"], *entries["operator"]} - {"", CPS_ISSUER}}
    uses = rows_by(entries, "domain", "operator_id", "operator")
    now = grouped((domain, same.get(operator_id, operator_id)) for domain, operator_id, _ in uses)
    called = {(domain, names[name]) for domain, _, name in uses if name in names}
    moved = [
        bool(structure) and structure not in now.get(domain, [structure])
        and (domain, names.get(name)) not in called
        for domain, structure, name in history[["domain", "structure", "operator"]].to_numpy()
    ]  # fmt: skip
    served: dict[Any, pd.DataFrame] = dict(iter(history[moved].groupby(["domain", "structure"], sort=False)))
    formers = grouped(served)
    by_pair: dict[tuple[str, str], dict[tuple[str, str], list[int]]] = {}
    then: dict[str, list[pd.DataFrame]] = {}
    still = entries[entries["domain"].isin(formers.keys())]
    for row, operator_id, domain, *texts in tuples(still, "row", "operator_id", "domain", *_BOTH):
        for former, (column, text) in product(formers[domain], zip(used.KINDS, texts, strict=True)):
            before = served[domain, former]
            if _bears(before[column], text) and not _bore_before(history, operator_id, former, text, before):
                then.setdefault(former, []).append(before)
                contacts = by_pair.setdefault((operator_id, former), {})
                contacts.setdefault((used.KINDS[column], text), []).append(row)
    for (operator_id, former), contacts in by_pair.items():
        last = pd.concat(then[former]).sort_values("last_seen", kind="stable").iloc[-1]
        named = [{"kind": kind, "text": Person(text)} for kind, text in contacts]
        owner = {"operator": last["operator_id"], "name": last["operator"]}
        facts = {"contacts": named, "former": owner, "until": last["last_seen"]}
        subject = (operator_id, last["operator_id"])
        yield Finding("CONTACT_FORMER_OPERATOR", subject, all_rows(contacts.values()), facts)


def _bore_before(history: pd.DataFrame, operator_id: str, former: str, text: str, then: pd.DataFrame) -> bool:
    """Tell whether an operator had a contact of its own before the former operator left."""
    structures = history.loc[history["operator_id"] == operator_id, "structure"]
    past = history[history["structure"].isin(structures) & (history["first_seen"] <= then["last_seen"].max())]
    came = past.groupby("domain")["first_seen"].min()
    began = history[history["structure"] == former].groupby("domain")["first_seen"].min()
    taken_over = came.index[began.reindex(came.index) < came]
    rows = past[~past["domain"].isin(taken_over)]
    return any(_bears(rows[column], text) for column in _BOTH)


def _bears(texts: pd.Series, text: str) -> bool:
    """Tell whether a contact is one of some texts, however it is spelt."""
    return bool(text.strip()) and any(
        parties.agree(_reached(text), _reached(other)) for other in texts.unique()
    )


def _reached(text: str) -> Coordinates:
    """Return what a contact reaches, without accents; where that is nothing, what it says."""
    contact = parse_contact(text)
    phones, emails = contact.coordinates
    return phones, frozenset(map(fold, emails)) if phones or emails else frozenset({contact.key})


RUNS = (_contacts,)
