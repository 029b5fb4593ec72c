"""Audit: the register of declarations against the white list, as of a date.

The latest declaration of each domain counts (`Register.at`). What a declaration asks for can only be in a
list made after it: days are counted up to the list's generation, or to the audit's date if that is earlier.

Columns of the frame that `status` returns, one row a domain:

======================  ==========  =========================================================================
column                  dtype       meaning
======================  ==========  =========================================================================
``domain``              str         in lower case
``status``              category    one of `STATUSES`
``operator_id``         str         declared structure, or the listed operator where nothing is declared
``operator``            str         its name
``date``                datetime64  of the declaration that counts
``days``                Int64       from that date to the list; missing without a date
``relisted``            bool        an earlier declaration had withdrawn it
``operator_match``      str         listed operator: ``same``, ``differs``, or "" where not compared
``dn``                  str         listed DN: ``same``, ``spelling`` or ``differs``, or ""
``project_contact``     str         listed contact: ``same`` or ``differs``, or ""
``technical_contact``   str         likewise
``description``         str         likewise; it does not count for the status
``evidence``            str         the declaration's row
``rows``                object      the white list's rows, a tuple
======================  ==========  =========================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.audits.declarations.rules import Place, finding, places
from mssante_audit.audits.reconciliation.matching import (
    CONTACTS,
    STATUSES,
    Match,
    match,
    match_of,
    no_statuses,
    superseded,
)
from mssante_audit.base.instants import parse_instant
from mssante_audit.findings.frame import Finding, row_ranges
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.person import Person

__all__ = ["PARTS", "STATUSES", "status"]

Rows = tuple[int, ...]


def _reconciled(space: TrustSpace) -> Iterator[Finding]:
    assert space.declarations is not None  # noqa: S101 - the audit needs them
    matched, source = match(space.declarations, space), Path(space.whitelist.source).name
    yield from _presence(matched, source)
    for made, rows in _differences(matched, space):
        yield _with_rows(made, source, rows)


def status(space: TrustSpace) -> pd.DataFrame:
    """Return one row a domain, as this module's docstring describes; empty without a register."""
    return no_statuses() if space.declarations is None else match(space.declarations, space).statuses


def _presence(matched: Match, source: str) -> Iterator[Finding]:
    """Yield what should be in the list and is not, or the other way round."""
    place = dict(zip(matched.current["domain_key"], places(matched.current), strict=True))
    statuses = matched.statuses
    for code, where in (
        ("RECO_WITHDRAWN_LISTED", statuses["status"] == "withdrawn-listed"),
        ("RECO_RELISTED", statuses["relisted"]),
    ):
        for domain, _, when, rows in _told(statuses[where]):
            yield _with_rows(finding(code, domain, [place[domain]], when), source, rows)
    absent: dict[tuple[str, str], tuple[list[Place], dict[str, Any]]] = {}
    for domain, owner, when, _ in _told(statuses[statuses["status"] == "not-listed"]):
        absent.setdefault((owner, when["date"] or ""), ([], when))[0].append(place[domain])
    for cause, (found, when) in absent.items():
        yield finding("RECO_NOT_LISTED", cause, found, when)
    undeclared = statuses.loc[statuses["status"] == "not-declared", "domain"]
    rest = matched.listed[matched.listed["key"].isin(undeclared)]
    for operator_id, group in rest.groupby("operator_id", sort=False):
        yield Finding("RECO_NOT_DECLARED", str(operator_id), tuple(group["row"]))


def _told(statuses: pd.DataFrame) -> Iterator[tuple[str, str, dict[str, Any], Rows]]:
    """Yield domains with operator, date and age of the declaration (``None`` without a date), and rows."""
    columns = ["domain", "operator_id", "date", "days", "rows"]
    for domain, owner, date, days, rows in statuses[columns].itertuples(index=False, name=None):
        dated = not pd.isna(date)
        when = {"date": f"{date:%Y-%m-%d}" if dated else None, "days": int(days) if dated else None}
        yield domain, owner, when, rows


def _differences(matched: Match, space: TrustSpace) -> Iterator[tuple[Finding, Rows]]:
    """Yield what the list says otherwise than the declaration, with the list's rows."""
    elsewhere = _where(matched, "operator_match", "differs")
    by = ("operator_id", "operator_id_listed", "operator", "structure_id")
    for told, found, rows in _groups(elsewhere, *by):
        facts: dict[str, Any] = {
            "listed": {"operator": told[1], "name": told[2]},
            "declared": told[3].strip(),
        }
        yield finding("RECO_OPERATOR", told, found, facts), rows
    for code, name, value, *columns in (
        ("RECO_DN_DIFFERS", "dn", "differs", "dn", "declared_dn"),
        ("RECO_DN_SPELLING", "dn", "spelling", "dn", "declared_dn"),
        ("RECO_DESCRIPTION", "description", "differs", "description_listed", "description"),
    ):
        pairs = _where(matched, name, value)
        if name == "dn":  # it follows from the operator
            pairs = pairs[~pairs["domain_key"].isin(elsewhere["domain_key"])]
        for told, found, rows in _groups(pairs, "operator_id", *columns):
            yield finding(code, told, found, {"listed": told[1], "declared": told[2]}), rows
    for name, (kind, column, phone, email) in CONTACTS.items():
        pairs = _where(matched, name, "differs")
        pairs = pairs.assign(since=superseded(space, pairs, column, phone, email))
        for told, found, rows in _groups(pairs, "operator_id", column, phone, email, "since"):
            declared = ", ".join(text.strip() for text in told[2:4] if text.strip())
            facts = {"kind": kind, "listed": Person(told[1]), "declared": Person(declared)}
            cause: tuple[str | Person, ...] = (told[0], kind, *map(Person, told[1:4]))
            if since := told[4]:
                made = finding("RECO_CONTACT_OLD", (*cause, since), found, facts | {"since": since})
                yield replace(made, first_seen=parse_instant(since)), rows
            else:
                yield finding("RECO_CONTACT", cause, found, facts), rows


def _where(matched: Match, column: str, value: str) -> pd.DataFrame:
    """Return the pairs that compare so, of the domains that do as a whole."""
    domains = matched.statuses.loc[matched.statuses[column] == value, "domain"]
    pairs = matched.pairs[matched.pairs[match_of(column)] == value]
    return pairs[pairs["domain_key"].isin(domains)]


def _groups(pairs: pd.DataFrame, *by: str) -> Iterator[tuple[tuple[str, ...], list[Place], Rows]]:
    """Yield what pairs have in common, their declarations and their rows of the list: one cause each."""
    groups: dict[tuple[str, ...], tuple[dict[Place, None], set[int]]] = {}
    keys = zip(*(pairs[column].tolist() for column in by), strict=True)
    for key, place, row in zip(keys, places(pairs), pairs["row_listed"].tolist(), strict=True):
        found, rows = groups.setdefault(key, ({}, set()))
        found[place] = None
        rows.add(row)
    for key, (found, rows) in groups.items():
        yield key, list(found), tuple(sorted(rows))


def _with_rows(made: Finding, source: str, rows: Rows) -> Finding:
    """Return a finding that also names rows of the white list, with the domain as it is listed."""
    where = f"{made.evidence}; {source}:{row_ranges(rows)}"
    return replace(made, rows=rows, evidence=where, domains=())


PARTS = (_reconciled,)
"""What the audit is made of."""
