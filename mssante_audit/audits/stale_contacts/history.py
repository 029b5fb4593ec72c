"""What earlier lists and dates say of contacts: staleness by evidence. Part of the audit `stale_contacts`.

That a contact changed is read off the lists, never off `DateMAJ`, which moves without any change (data).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import cast

import pandas as pd

from mssante_audit.archive.history import with_operators
from mssante_audit.audits.since import past_of
from mssante_audit.audits.stale_contacts.parties import agree
from mssante_audit.audits.stale_contacts.uses import KINDS
from mssante_audit.base.text import fold
from mssante_audit.findings.frame import Finding
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import Coordinates, parse_contact
from mssante_audit.values.person import Person
from mssante_audit.whitelist.rows import CPS_ISSUER, grouped, rows_by

BOTH = list(KINDS)


def old_stamps(space: TrustSpace) -> Iterator[Finding]:
    """Report, for each operator, the rows dated long ago."""
    entries = space.audited
    limit = space.as_of - pd.Timedelta(days=space.thresholds.stale_after_days)
    sizes = entries["operator_id"].value_counts()
    old = entries[entries["updated_at"] < limit]
    oldest = old.groupby("operator_id")["updated_at"].min()
    for (operator_id,), rows in rows_by(old, "operator_id").items():
        facts = {"old": len(rows), "rows": sizes[operator_id], "oldest": oldest[operator_id], "limit": limit}
        yield Finding("CONTACT_STAMP_OLD", operator_id, tuple(rows), facts=facts)


def unchanged(space: TrustSpace) -> Iterator[Finding]:
    """Report, for each operator, the rows whose contacts have been the same for too long."""
    past = past_of(space)
    if past is None:
        return
    history, first, _ = past
    since = history.groupby(["domain", *BOTH], sort=False)["first_seen"].min().to_dict()
    limit = pd.Timestamp(space.as_of) - pd.Timedelta(days=space.thresholds.stale_after_days)
    old: dict[str, dict[int, datetime]] = {}
    columns = space.audited[["row", "operator_id", "domain", *BOTH]]
    for row, operator_id, *content in columns.itertuples(index=False, name=None):
        seen = since.get(tuple(content))
        if seen is not None and seen <= limit:
            old.setdefault(operator_id, {})[row] = seen.to_pydatetime()
    sizes = space.audited["operator_id"].value_counts()
    for operator_id, rows in old.items():
        oldest = min(rows.values())
        facts = {
            "unchanged": len(rows), "rows": sizes[operator_id], "since": oldest, "at_least": oldest == first,
            "limit": limit,
        }  # fmt: skip
        yield Finding("CONTACT_UNCHANGED", operator_id, tuple(rows), facts=facts)


def partly_changed(space: TrustSpace) -> Iterator[Finding]:
    """Report contacts that were replaced on some domains of an operator and remain on others."""
    if past := past_of(space):
        history = with_operators(past[0])
        for column in BOTH:
            yield from _partly_changed_kind(space, history, past[2], column)


def _partly_changed_kind(
    space: TrustSpace, history: pd.DataFrame, last: datetime, column: str
) -> Iterator[Finding]:
    entries = space.audited
    held = rows_by(entries, "operator_id", column)
    current = rows_by(entries, "operator_id", "domain", column)
    texts = grouped(((operator_id, domain), text) for operator_id, domain, text in current)
    gone = history[history["last_seen"] < last]
    spans = gone.groupby(["operator_id", column, "domain"], sort=False)["last_seen"].max()
    born = history.groupby(["operator_id", column, "domain"], sort=False)["first_seen"].min().to_dict()
    changes: dict[tuple[str, str, str], dict[str, datetime]] = {}
    ended = cast("dict[tuple[str, str, str], datetime]", spans.to_dict())
    for (operator_id, text, domain), until in ended.items():
        if (operator_id, domain, text) in current or (operator_id, text) not in held:
            continue
        for new in texts.get((operator_id, domain), ()):
            if parse_contact(new).coordinates != parse_contact(text).coordinates:
                changes.setdefault((operator_id, text, new), {})[domain] = until
    for (operator_id, text, new), domains in changes.items():
        rows = held[operator_id, text]
        since = min(born[operator_id, new, domain] for domain in domains)
        kind, old, right = KINDS[column], Person(text), Person(new)
        facts = {
            "contacts": [{"kind": kind, "text": old}], "right": [{"kind": kind, "text": right}],
            "others": len(domains), "since": since,
        }  # fmt: skip
        subject = (operator_id, kind, old, right)
        first = since.to_pydatetime()
        yield Finding("CONTACT_PARTLY_CHANGED", subject, tuple(rows), facts=facts, first_seen=first)


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
