"""What earlier lists and dates say of contacts: staleness by evidence. Part of the audit `stale_contacts`.

That a contact changed is read off the lists, never off `DateMAJ`, which moves without any change (data).
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cache

import pandas as pd

from mssante_audit.archive.history import with_operators
from mssante_audit.audits.since import past_of
from mssante_audit.audits.stale_contacts.parties import agree
from mssante_audit.audits.stale_contacts.uses import KINDS
from mssante_audit.base.text import fold
from mssante_audit.findings.frame import Finding, Subject
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import Coordinates, parse_contact
from mssante_audit.values.person import Person
from mssante_audit.whitelist.rows import CPS_ISSUER, grouped, rows_by

BOTH = list(KINDS)


def aged(space: TrustSpace) -> dict[Subject, Finding]:
    """Report an operator's rows whose contacts have long been the same, else those dated long ago."""
    entries, past = space.audited, past_of(space)
    limit = pd.Timestamp(space.as_of) - pd.Timedelta(days=space.thresholds.stale_after_days)
    sizes = entries["operator_id"].value_counts()
    old = entries[entries["updated_at"] < limit]
    oldest = old.groupby("operator_id")["updated_at"].min()
    found: dict[Subject, Finding] = {}
    for (operator_id,), rows in rows_by(old, "operator_id").items():
        facts = {"old": len(rows), "rows": sizes[operator_id], "oldest": oldest[operator_id], "limit": limit}
        found[operator_id] = Finding("CONTACT_STAMP_OLD", operator_id, tuple(rows), facts=facts)
    if past is None:
        return found
    history, first, _ = past
    since = history.groupby(["domain", *BOTH], sort=False)["first_seen"].min().to_dict()
    unchanged: dict[str, dict[int, datetime]] = {}
    columns = entries[["row", "operator_id", "domain", *BOTH]]
    for row, operator_id, *content in columns.itertuples(index=False, name=None):
        seen = since.get(tuple(content))
        if seen is not None and seen <= limit:
            unchanged.setdefault(operator_id, {})[row] = seen.to_pydatetime()
    for operator_id, dates in unchanged.items():
        earliest = min(dates.values())
        facts = {
            "unchanged": len(dates), "rows": sizes[operator_id], "since": earliest,
            "at_least": earliest == first, "limit": limit,
        }  # fmt: skip
        found[operator_id] = Finding("CONTACT_UNCHANGED", operator_id, tuple(dates), facts=facts)
    return found


def partly_changed(space: TrustSpace) -> Iterator[Finding]:
    """Report contacts that were replaced on some domains of an operator and remain on others."""
    past = past_of(space)
    if past is None:
        return
    history = with_operators(past[0])
    for column in BOTH:
        held = rows_by(space.audited, "operator_id", column)
        current = rows_by(space.audited, "operator_id", "domain", column)
        texts = grouped(((operator_id, domain), text) for operator_id, domain, text in current)
        by = ["operator_id", column, "domain"]
        ended = history.loc[history["last_seen"] < past[2], by].drop_duplicates()
        born = history.groupby(by, sort=False)["first_seen"].min().to_dict()
        changes = grouped(
            ((operator_id, text, new), domain)
            for operator_id, text, domain in ended.itertuples(index=False, name=None)
            if (operator_id, domain, text) not in current and (operator_id, text) in held
            for new in texts.get((operator_id, domain), ())
            if parse_contact(new).coordinates != parse_contact(text).coordinates
        )
        for (operator_id, text, new), domains in changes.items():
            since = min(born[operator_id, new, domain] for domain in domains)
            kind, old, right = KINDS[column], Person(text), Person(new)
            facts = {
                "contacts": [{"kind": kind, "text": old}], "right": [{"kind": kind, "text": right}],
                "others": len(domains), "since": since,
            }  # fmt: skip
            subject, rows = (operator_id, kind, old, right), tuple(held[operator_id, text])
            first = since.to_pydatetime()
            yield Finding("CONTACT_PARTLY_CHANGED", subject, rows, facts=facts, first_seen=first)


def former_operators(space: TrustSpace) -> Iterator[Finding]:
    """Report domains that went to another operator and still name the one before as their contact."""
    past = past_of(space)
    if past is None:
        return
    entries, same = space.audited, space.structures
    history = with_operators(past[0])
    history = history.assign(structure=history["operator_id"].map(lambda key: same.get(key, key)))
    names = {name: fold(name) for name in {*history["operator"], *entries["operator"]} - {"", CPS_ISSUER}}
    now: dict[str, set[str]] = {}
    called: dict[str, set[str | None]] = {}
    for domain, operator_id, name in rows_by(entries, "domain", "operator_id", "operator"):
        now.setdefault(domain, set()).add(same.get(operator_id, operator_id))
        called.setdefault(domain, set()).add(names.get(name))
    held = zip(history["domain"], history["structure"], history["operator"], strict=True)
    left = [
        bool(key) and d in now and key not in now[d] and not (name in names and names[name] in called[d])
        for d, key, name in held
    ]
    before = history[left].groupby(["domain", "structure"], sort=False)
    served = {(str(domain), str(former)): its for (domain, former), its in before}
    formers = grouped(served)
    found: dict[tuple[str, str], dict[tuple[str, str], list[int]]] = {}
    borne: dict[str, pd.DataFrame] = {}
    columns = entries.loc[entries["domain"].isin(formers.keys()), ["row", "operator_id", "domain", *BOTH]]
    for row, operator_id, domain, *texts in columns.itertuples(index=False, name=None):
        for former in formers[domain]:
            then = served[domain, former]
            for column, text in zip(BOTH, texts, strict=True):
                if _bears(then[column], text) and not _had(history, operator_id, former, text, then):
                    borne[former] = then if former not in borne else pd.concat([borne[former], then])
                    contacts = found.setdefault((operator_id, former), {})
                    contacts.setdefault((KINDS[column], text), []).append(row)
    for (operator_id, former), contacts in found.items():
        last = borne[former].sort_values("last_seen", kind="stable").iloc[-1]
        rows = tuple(sorted({row for its in contacts.values() for row in its}))
        facts = {
            "contacts": [{"kind": kind, "text": Person(text)} for kind, text in contacts],
            "former": {"operator": last["operator_id"], "name": last["operator"]},
            "until": last["last_seen"].to_pydatetime(),
        }
        yield Finding("CONTACT_FORMER_OPERATOR", (operator_id, last["operator_id"]), rows, facts=facts)


def _had(history: pd.DataFrame, operator_id: str, former: str, text: str, then: pd.DataFrame) -> bool:
    """Tell whether an operator bore a contact by itself before the former one, of these rows, had left."""
    by_id = history["operator_id"] == operator_id
    mine = history["structure"].isin(history.loc[by_id, "structure"]) & (
        history["first_seen"] <= then["last_seen"].max()
    )
    came = history[mine].groupby("domain")["first_seen"].min()
    there = history[history["structure"] == former].groupby("domain")["first_seen"].min()
    taken = came.index[there.reindex(came.index) < came]
    rows = history[mine & ~history["domain"].isin(taken)]
    return any(_bears(rows[column], text) for column in BOTH)


def _bears(texts: pd.Series, text: str) -> bool:
    """Tell whether a contact is one of some texts, however it is spelt."""
    reached = _reached(text)
    return bool(text.strip()) and any(agree(reached, _reached(other)) for other in texts.unique())


@cache
def _reached(text: str) -> Coordinates:
    """Return what a contact reaches, without accents; where that is nothing, what it says."""
    contact = parse_contact(text)
    phones, emails = contact.coordinates
    return phones, frozenset(map(fold, emails)) if phones or emails else frozenset({contact.key})
