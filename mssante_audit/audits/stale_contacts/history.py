"""What earlier lists say of contacts: staleness by evidence. For `stale_contacts` and `reconciliation`.

Only where the list audited is one of the archive's: a history that does not hold it tells of other lists.
That a contact changed is read off the lists, never off `DateMAJ`, which moves without any change (data).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import cast

import pandas as pd

from mssante_audit.audits.reconciliation.matching import same_contact
from mssante_audit.audits.since import past_of
from mssante_audit.audits.stale_contacts.uses import KINDS
from mssante_audit.base.french import count, day, number
from mssante_audit.findings.facts import Finding
from mssante_audit.findings.frame import row_ranges, said
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import parse_identifier
from mssante_audit.values.shown import shown
from mssante_audit.whitelist.rows import operator_names, rows_by, structures

BOTH = list(KINDS)


def history_findings(space: TrustSpace) -> Iterator[Finding]:
    """Report contacts that the earlier lists show to be old, changed in part, or another operator's."""
    past = _past(space)
    if past is None:
        return
    history, first, listed = past
    yield from _unchanged(space, history, first)
    for column in BOTH:
        yield from _partly_changed(space, history, listed, column)
    yield from _former_operators(space, history)


def _past(space: TrustSpace) -> tuple[pd.DataFrame, datetime, datetime] | None:
    """Return the history up to the list audited, with operators, and the times of its first and last list."""
    past = past_of(space)
    if past is None:
        return None
    history, first, last = past
    owner = {dn: parse_identifier(parse_dn(dn).get("OU")).value for dn in history["dn"].unique()}
    return history.assign(operator_id=history["dn"].map(owner)), first, last


def _unchanged(space: TrustSpace, history: pd.DataFrame, first: datetime) -> Iterator[Finding]:
    """Report, for each operator, the rows whose contacts have been the same for too long."""
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
        censored = " au moins : l’archive commence là" if oldest == first else ""
        yield said(
            "CONTACT_UNCHANGED",
            tuple(rows),
            observed=f"{count(len(rows), 'ligne')} sur {number(int(sizes[operator_id]))}, contacts inchangés "
            f"depuis le {day(oldest)}{censored}",
            expected=f"relus après le {day(limit.to_pydatetime())}",
        )


def _partly_changed(
    space: TrustSpace, history: pd.DataFrame, last: datetime, column: str
) -> Iterator[Finding]:
    """Report contacts that were replaced on some domains of an operator and remain on others."""
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
            if _coordinates(new) != _coordinates(text):
                changes.setdefault((operator_id, text, new), {})[domain] = until
    for (operator_id, text, new), domains in changes.items():
        rows = held[operator_id, text]
        since = min(born[operator_id, new, domain] for domain in domains)
        others = count(len(domains), "autre domaine", "autres domaines")
        kind = KINDS[column]
        yield said(
            "CONTACT_PARTLY_CHANGED",
            tuple(rows),
            observed=f"contact {kind} : {shown(text)}",
            expected=f"contact {kind} : {shown(new)}",
            evidence=f"changé sur {others} dans la liste du {day(since)} ; lignes {row_ranges(rows)}",
            first_seen=since.to_pydatetime(),
        )


def _coordinates(text: str) -> tuple[frozenset[str], frozenset[str]]:
    contact = parse_contact(text)
    return frozenset(contact.phones), frozenset(contact.emails)


def _former_operators(space: TrustSpace, history: pd.DataFrame) -> Iterator[Finding]:
    """Report domains that went to another operator and still name the one before as their contact."""
    entries = space.audited
    same = structures(entries)
    now = {domain: {same.get(o, o) for o in own} for domain, own in entries.groupby("domain")["operator_id"]}
    left = [
        bool(o) and d in now and same.get(o, o) not in now[d]
        for d, o in zip(history["domain"], history["operator_id"], strict=True)
    ]
    past = dict(iter(history[left].groupby(["domain", "operator_id"], sort=False)))
    formers: dict[str, list[str]] = {}
    for domain, former in past:
        formers.setdefault(str(domain), []).append(str(former))
    found: dict[tuple[str, str], dict[str, list[int]]] = {}
    columns = entries.loc[entries["domain"].isin(formers.keys()), ["row", "operator_id", "domain", *BOTH]]
    for row, operator_id, domain, *texts in columns.itertuples(index=False, name=None):
        for former in formers[domain]:
            for column, text in zip(BOTH, texts, strict=True):
                if text.strip() and text in set(past[domain, former][column]):
                    told = found.setdefault((operator_id, former), {})
                    told.setdefault(f"contact {KINDS[column]} : {shown(text)}", []).append(row)
    names = operator_names(entries)
    for (_, former), contacts in found.items():
        rows = sorted({row for own in contacts.values() for row in own})
        last = max(own["last_seen"].max() for (_, o), own in past.items() if o == former).to_pydatetime()
        yield said(
            "CONTACT_FORMER_OPERATOR",
            tuple(rows),
            observed=" | ".join(contacts),
            evidence=f"chez {names.get(former, shown(former))} jusqu’à la liste du {day(last)} ; "
            f"lignes {row_ranges(rows)}",
        )


def superseded(space: TrustSpace, pairs: pd.DataFrame, column: str, phone: str, email: str) -> pd.Series:
    """Tell where the list replaced a contact after it was declared, so that the register has the old one.

    Parameters
    ----------
    pairs
        Declarations with the listed rows they differ from, as `_matching.Match` describes.
    column
        The list's column, `phone` and `email` being the register's.

    Returns
    -------
    Series
        str: the time of the first list with the contact that is listed now (ISO 8601); "" where the archive
        does not show the declared one in earlier lists, or the declaration is younger or has no date.
    """
    past = past_of(space)
    if past is None or pairs.empty:
        return pd.Series("", index=pairs.index, dtype="str")
    history = past[0]
    key = history["domain"].str.strip().str.lower().str.rstrip(".")
    own = history[key.isin(pairs["domain_key"])].groupby(key, sort=False)
    earlier = {name: rows[[column, "first_seen", "last_seen"]] for name, rows in own}
    told = []
    columns = ["domain_key", column, phone, email, "date"]
    for name, listed, telephone, address, date in pairs[columns].itertuples(index=False, name=None):
        rows = earlier.get(name, history.iloc[:0])
        old = rows[[same_contact(telephone, address, text) for text in rows[column]]]
        now = rows[[_coordinates(text) == _coordinates(listed) for text in rows[column]]]
        since, until = now["first_seen"].min(), old["last_seen"].max()
        replaced = until < since and date < since.tz_localize(None).normalize()
        told.append(since.isoformat() if replaced else "")
    return pd.Series(told, index=pairs.index, dtype="str")
