"""What earlier lists say of contacts: staleness by evidence. Part of the audit `stale_contacts`.

Only where the list audited is one of the archive's: a history that does not hold it tells of other lists.
That a contact changed is read off the lists, never off `DateMAJ`, which moves without any change (data).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import cast

import pandas as pd

from mssante_audit.audits.since import past_of
from mssante_audit.audits.stale_contacts.uses import KINDS
from mssante_audit.findings.frame import Finding
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import parse_identifier
from mssante_audit.values.person import Person
from mssante_audit.whitelist.rows import rows_by

BOTH = list(KINDS)


def _past(space: TrustSpace) -> tuple[pd.DataFrame, datetime] | None:
    """Return the history up to the list audited, with operators, and the time of its last list."""
    past = past_of(space)
    if past is None:
        return None
    history, _, last = past
    owner = {dn: parse_identifier(parse_dn(dn).get("OU")).value for dn in history["dn"].unique()}
    return history.assign(operator_id=history["dn"].map(owner)), last


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
        yield Finding(
            "CONTACT_UNCHANGED",
            operator_id,
            tuple(rows),
            facts={
                "unchanged": len(rows),
                "rows": sizes[operator_id],
                "since": oldest,
                "at_least": oldest == first,
                "limit": limit,
            },
        )


def partly_changed(space: TrustSpace) -> Iterator[Finding]:
    """Report contacts that were replaced on some domains of an operator and remain on others."""
    past = _past(space)
    if past is not None:
        for column in BOTH:
            yield from _partly_changed_kind(space, *past, column)


def _partly_changed_kind(
    space: TrustSpace, history: pd.DataFrame, last: datetime, column: str
) -> Iterator[Finding]:
    entries = space.audited
    now = entries.set_index(["operator_id", "domain"])[column]
    held = rows_by(entries, "operator_id", column)
    current = set(zip(now.index.get_level_values(0), now.index.get_level_values(1), now, strict=True))
    gone = history[history["last_seen"] < last]
    spans = gone.groupby(["operator_id", column, "domain"], sort=False)["last_seen"].max()
    born = history.groupby(["operator_id", column, "domain"], sort=False)["first_seen"].min().to_dict()
    changes: dict[tuple[str, str, str], dict[str, datetime]] = {}
    texts = now.groupby(level=[0, 1]).agg(set).to_dict()
    for (operator_id, text, domain), until in cast(
        "dict[tuple[str, str, str], datetime]", spans.to_dict()
    ).items():
        if (operator_id, domain, text) in current or (operator_id, text) not in held:
            continue
        for new in texts.get((operator_id, domain), ()):
            if parse_contact(new).coordinates != parse_contact(text).coordinates:
                changes.setdefault((operator_id, text, new), {})[domain] = until
    for (operator_id, text, new), domains in changes.items():
        rows = held[operator_id, text]
        since = min(born[operator_id, new, domain] for domain in domains)
        kind = KINDS[column]
        yield Finding(
            "CONTACT_PARTLY_CHANGED",
            (operator_id, kind, Person(text), Person(new)),
            tuple(rows),
            facts={
                "contacts": [{"kind": kind, "text": Person(text)}],
                "right": [{"kind": kind, "text": Person(new)}],
                "others": len(domains),
                "since": since,
            },
            first_seen=since.to_pydatetime(),
        )


def former_operators(space: TrustSpace) -> Iterator[Finding]:
    """Report domains that went to another operator and still name the one before as their contact."""
    listed = _past(space)
    if listed is None:
        return
    history = listed[0]
    entries = space.audited
    same = space.structures
    now = {domain: {same.get(o, o) for o in own} for domain, own in entries.groupby("domain")["operator_id"]}
    left = [
        bool(o) and d in now and same.get(o, o) not in now[d]
        for d, o in zip(history["domain"], history["operator_id"], strict=True)
    ]
    past = dict(iter(history[left].groupby(["domain", "operator_id"], sort=False)))
    formers: dict[str, list[str]] = {}
    for domain, former in past:
        formers.setdefault(str(domain), []).append(str(former))
    found: dict[tuple[str, str], dict[tuple[str, str], list[int]]] = {}
    columns = entries.loc[entries["domain"].isin(formers.keys()), ["row", "operator_id", "domain", *BOTH]]
    for row, operator_id, domain, *texts in columns.itertuples(index=False, name=None):
        for former in formers[domain]:
            for column, text in zip(BOTH, texts, strict=True):
                if text.strip() and text in set(past[domain, former][column]):
                    told = found.setdefault((operator_id, former), {})
                    told.setdefault((KINDS[column], text), []).append(row)
    names = space.operator_names
    for (operator_id, former), contacts in found.items():
        rows = sorted({row for own in contacts.values() for row in own})
        last = max(own["last_seen"].max() for (_, o), own in past.items() if o == former).to_pydatetime()
        yield Finding(
            "CONTACT_FORMER_OPERATOR",
            (operator_id, former),
            tuple(rows),
            facts={
                "contacts": [{"kind": kind, "text": Person(text)} for kind, text in contacts],
                "former": {"operator": former, "name": names.get(former, "")},
                "until": last,
            },
        )
