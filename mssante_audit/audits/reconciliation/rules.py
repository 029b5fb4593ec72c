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
    MATCH,
    STATUSES,
    Match,
    match,
    no_statuses,
    superseded,
)
from mssante_audit.base.instants import parse_instant
from mssante_audit.findings.frame import Finding, row_ranges
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.person import Person

__all__ = ["PARTS", "STATUSES", "status"]


def _reconciled(space: TrustSpace) -> Iterator[Finding]:
    assert space.declarations is not None  # noqa: S101 - the audit needs them
    matched, source = match(space.declarations, space), Path(space.whitelist.source).name
    yield from _presence(matched, source)
    yield from _differences(matched, source, space)


def status(space: TrustSpace) -> pd.DataFrame:
    """Return one row a domain, as this module's docstring describes; empty without a register."""
    return no_statuses() if space.declarations is None else match(space.declarations, space).statuses


def _presence(matched: Match, source: str) -> Iterator[Finding]:
    """Yield what should be in the list and is not, or the other way round."""
    place = dict(zip(matched.current["domain_key"], places(matched.current), strict=True))
    records: list[dict[Any, Any]] = matched.statuses.to_dict("records")
    told = {status: [r for r in records if r["status"] == status] for status in STATUSES}
    for record in told["withdrawn-listed"]:
        made = finding("RECO_WITHDRAWN_LISTED", record["domain"], [place[record["domain"]]], _when(record))
        yield _with_rows(made, source, record["rows"])
    absent: dict[tuple[str, str], list[dict[Any, Any]]] = {}
    for record in told["not-listed"]:
        when = _when(record)["date"] or ""
        absent.setdefault((record["operator_id"], when), []).append(record)
    for cause, own in absent.items():
        yield finding("RECO_NOT_LISTED", cause, [place[r["domain"]] for r in own], _when(own[0]))
    undeclared = [record["domain"] for record in told["not-declared"]]
    rest = matched.listed[matched.listed["key"].isin(undeclared)]
    for operator_id, group in rest.groupby("operator_id", sort=False):
        yield Finding("RECO_NOT_DECLARED", str(operator_id), tuple(group["row"]))
    for record in (r for r in records if r["relisted"]):
        made = finding("RECO_RELISTED", record["domain"], [place[record["domain"]]], _when(record))
        yield _with_rows(made, source, record["rows"])


def _differences(matched: Match, source: str, space: TrustSpace) -> Iterator[Finding]:
    """Yield what the list says otherwise than the declaration."""
    elsewhere = _where(matched, "operator_match", "differs")
    for told, found, rows in _groups(
        elsewhere, "operator_id", "operator_id_listed", "operator", "structure_id"
    ):
        facts: dict[str, Any] = {
            "listed": {"operator": told[1], "name": told[2]},
            "declared": told[3].strip(),
        }
        made = finding("RECO_OPERATOR", told, found, facts)
        yield _with_rows(made, source, rows)
    for code, value in (("RECO_DN_DIFFERS", "differs"), ("RECO_DN_SPELLING", "spelling")):
        pairs = _where(matched, "dn", value)
        pairs = pairs[~pairs["domain_key"].isin(elsewhere["domain_key"])]  # it follows from the operator
        for told, found, rows in _groups(pairs, "operator_id", "dn", "declared_dn"):
            facts = {"listed": told[1], "declared": told[2]}
            yield _with_rows(finding(code, told, found, facts), source, rows)
    for name, (kind, column, phone, email) in CONTACTS.items():
        pairs = _where(matched, name, "differs")
        pairs = pairs.assign(since=superseded(space, pairs, column, phone, email))
        for told, found, rows in _groups(pairs, "operator_id", column, phone, email, "since"):
            declared = ", ".join(text.strip() for text in told[2:4] if text.strip())
            facts = {"kind": kind, "listed": Person(told[1]), "declared": Person(declared)}
            cause: tuple[str | Person, ...] = (told[0], kind, *map(Person, told[1:4]))
            if since := told[4]:
                made = finding("RECO_CONTACT_OLD", (*cause, since), found, facts | {"since": since})
                made = replace(made, first_seen=parse_instant(since))
            else:
                made = finding("RECO_CONTACT", cause, found, facts)
            yield _with_rows(made, source, rows)
    pairs = _where(matched, "description", "differs")
    for told, found, rows in _groups(pairs, "operator_id", "description_listed", "description"):
        facts = {"listed": told[1], "declared": told[2]}
        yield _with_rows(finding("RECO_DESCRIPTION", told, found, facts), source, rows)


def _where(matched: Match, column: str, value: str) -> pd.DataFrame:
    """Return the pairs that compare so, of the domains that do as a whole."""
    domains = matched.statuses.loc[matched.statuses[column] == value, "domain"]
    pairs = matched.pairs[matched.pairs[MATCH[column]] == value]
    return pairs[pairs["domain_key"].isin(domains)]


def _groups(pairs: pd.DataFrame, *by: str) -> Iterator[tuple[tuple[str, ...], list[Place], tuple[int, ...]]]:
    """Yield what pairs have in common, their declarations and their rows of the list: one cause each."""
    groups: dict[tuple[str, ...], list[tuple[Place, int]]] = {}
    keys = zip(*(pairs[column].tolist() for column in by), strict=True)
    for key, place, row in zip(keys, places(pairs), pairs["row_listed"].tolist(), strict=True):
        groups.setdefault(key, []).append((place, row))
    for key, found in groups.items():
        yield key, list(dict.fromkeys(place for place, _ in found)), tuple(sorted({row for _, row in found}))


def _with_rows(made: Finding, source: str, rows: tuple[int, ...]) -> Finding:
    """Return a finding that also names rows of the white list, with the domain as it is listed."""
    where = f"{made.evidence}; {source}:{row_ranges(rows)}"
    return replace(made, rows=rows, evidence=where, domains=())


def _when(record: dict[Any, Any]) -> dict[str, Any]:
    """Return the date and age of the declaration that counts, ``None`` where it has no date.

    >>> _when({"date": pd.Timestamp("2026-02-01"), "days": 29})
    {'date': '2026-02-01', 'days': 29}
    """
    if pd.isna(record["date"]):
        return {"date": None, "days": None}
    return {"date": f"{record['date']:%Y-%m-%d}", "days": record["days"]}


PARTS = (_reconciled,)
"""What the audit is made of."""
