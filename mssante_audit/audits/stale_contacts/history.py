"""What earlier lists and dates say of contacts: staleness by evidence. Part of the audit `stale_contacts`.

That a contact changed is read off the lists, never off `DateMAJ`, which moves without any change (data).
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pandas as pd

from mssante_audit.archive.history import with_operators
from mssante_audit.audits.since import past_of
from mssante_audit.audits.stale_contacts.parties import agree
from mssante_audit.audits.stale_contacts.uses import KINDS, faults_of
from mssante_audit.base.text import fold
from mssante_audit.findings.frame import Finding, Subject
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import Coordinates, parse_contact
from mssante_audit.values.person import Person
from mssante_audit.whitelist.rows import CPS_ISSUER, all_rows, grouped, rows_by

_BOTH = list(KINDS)


def aged(space: TrustSpace) -> dict[Subject, Finding]:
    """Report an operator's rows whose contacts have long been the same, else those dated long ago."""
    entries, past = space.audited, past_of(space)
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


def partly_changed(space: TrustSpace) -> Iterator[Finding]:
    """Report contacts that were replaced, by none with a fault, on some domains and remain on others."""
    past = past_of(space)
    if past is None:
        return
    history = with_operators(past[0])
    for column, kind in KINDS.items():
        still = rows_by(space.audited, "operator_id", column)
        current = rows_by(space.audited, "operator_id", "domain", column)
        texts = grouped(((operator_id, domain), text) for operator_id, domain, text in current)
        by = ["operator_id", column, "domain"]
        ended = history.loc[history["last_seen"] < past[2], by].drop_duplicates()
        born = history.groupby(by, sort=False)["first_seen"].min().to_dict()
        changes = grouped(
            ((operator_id, text, new), domain)
            for operator_id, text, domain in ended.itertuples(index=False, name=None)
            if (operator_id, domain, text) not in current and (operator_id, text) in still
            for new in texts.get((operator_id, domain), ())
            if parse_contact(new).coordinates != parse_contact(text).coordinates
            and faults_of(parse_contact(new)) <= faults_of(parse_contact(text))
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


def former_operators(space: TrustSpace) -> Iterator[Finding]:
    """Report domains that went to another operator and still name the one before as their contact."""
    past = past_of(space)
    if past is None:
        return
    entries, same = space.audited, space.structures
    history = with_operators(past[0])
    history = history.assign(structure=history["operator_id"].map(lambda key: same.get(key, key)))
    names = {name: fold(name) for name in {*history["operator"], *entries["operator"]} - {"", CPS_ISSUER}}
    uses = rows_by(entries, "domain", "operator_id", "operator")
    now = grouped((domain, same.get(operator_id, operator_id)) for domain, operator_id, _ in uses)
    called = {(domain, names[name]) for domain, _, name in uses if name in names}
    left = [
        bool(structure) and structure not in now.get(domain, [structure])
        and (domain, names.get(name)) not in called
        for domain, structure, name in history[["domain", "structure", "operator"]].to_numpy()
    ]  # fmt: skip
    served: dict[Any, pd.DataFrame] = dict(iter(history[left].groupby(["domain", "structure"], sort=False)))
    formers = grouped(served)
    borne: dict[tuple[str, str], dict[tuple[str, str], list[int]]] = {}
    then: dict[str, list[pd.DataFrame]] = {}
    columns = entries.loc[entries["domain"].isin(formers.keys()), ["row", "operator_id", "domain", *_BOTH]]
    for row, operator_id, domain, *texts in columns.itertuples(index=False, name=None):
        for former, (column, text) in product(formers[domain], zip(KINDS, texts, strict=True)):
            before = served[domain, former]
            if _bears(before[column], text) and not _had(history, operator_id, former, text, before):
                then.setdefault(former, []).append(before)
                contacts = borne.setdefault((operator_id, former), {})
                contacts.setdefault((KINDS[column], text), []).append(row)
    for (operator_id, former), contacts in borne.items():
        last = pd.concat(then[former]).sort_values("last_seen", kind="stable").iloc[-1]
        named = [{"kind": kind, "text": Person(text)} for kind, text in contacts]
        owner = {"operator": last["operator_id"], "name": last["operator"]}
        facts = {"contacts": named, "former": owner, "until": last["last_seen"]}
        subject = (operator_id, last["operator_id"])
        yield Finding("CONTACT_FORMER_OPERATOR", subject, all_rows(contacts.values()), facts)


def _had(history: pd.DataFrame, operator_id: str, former: str, text: str, then: pd.DataFrame) -> bool:
    """Tell whether an operator bore a contact by itself before the former one, of these rows, had left."""
    structures = history.loc[history["operator_id"] == operator_id, "structure"]
    mine = history[history["structure"].isin(structures) & (history["first_seen"] <= then["last_seen"].max())]
    came = mine.groupby("domain")["first_seen"].min()
    there = history[history["structure"] == former].groupby("domain")["first_seen"].min()
    taken = came.index[there.reindex(came.index) < came]
    rows = mine[~mine["domain"].isin(taken)]
    return any(_bears(rows[column], text) for column in _BOTH)


def _bears(texts: pd.Series, text: str) -> bool:
    """Tell whether a contact is one of some texts, however it is spelt."""
    return bool(text.strip()) and any(agree(_reached(text), _reached(other)) for other in texts.unique())


def _reached(text: str) -> Coordinates:
    """Return what a contact reaches, without accents; where that is nothing, what it says."""
    contact = parse_contact(text)
    phones, emails = contact.coordinates
    return phones, frozenset(map(fold, emails)) if phones or emails else frozenset({contact.key})
