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
from mssante_audit.audits.reconciliation.matching import CONTACTS, MATCH, STATUSES, Match, match, no_statuses
from mssante_audit.audits.stale_contacts.history import superseded
from mssante_audit.base.french import day
from mssante_audit.base.instants import parse_instant
from mssante_audit.findings.facts import Finding
from mssante_audit.findings.frame import row_ranges, said
from mssante_audit.space.trust import TrustSpace

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
        made = finding("RECO_WITHDRAWN_LISTED", [place[record["domain"]]], f"retrait {_when(record)}")
        yield _with_rows(made, source, record["rows"])
    absent: dict[tuple[str, str], list[Place]] = {}
    for record in told["not-listed"]:
        absent.setdefault((record["operator_id"], _when(record)), []).append(place[record["domain"]])
    for (_, when), own in absent.items():
        yield finding("RECO_NOT_LISTED", own, f"déclaré {when}")
    undeclared = [record["domain"] for record in told["not-declared"]]
    rest = matched.listed[matched.listed["key"].isin(undeclared)]
    for _, group in rest.groupby("operator_id", sort=False):
        yield said("RECO_NOT_DECLARED", tuple(group["row"]))
    for record in (r for r in records if r["relisted"]):
        made = finding("RECO_RELISTED", [place[record["domain"]]], f"déclaré {_when(record)}")
        yield _with_rows(made, source, record["rows"])


def _differences(matched: Match, source: str, space: TrustSpace) -> Iterator[Finding]:
    """Yield what the list says otherwise than the declaration."""
    elsewhere = _where(matched, "operator_match", "differs")
    for told, found, rows in _groups(
        elsewhere, "operator_id", "operator_id_listed", "operator", "structure_id"
    ):
        made = finding("RECO_OPERATOR", found, f"{told[1]} {told[2]}".strip(), told[3].strip())
        yield _with_rows(made, source, rows)
    for code, value in (("RECO_DN_DIFFERS", "differs"), ("RECO_DN_SPELLING", "spelling")):
        pairs = _where(matched, "dn", value)
        pairs = pairs[~pairs["domain_key"].isin(elsewhere["domain_key"])]  # it follows from the operator
        for told, found, rows in _groups(pairs, "operator_id", "dn", "declared_dn"):
            yield _with_rows(finding(code, found, told[1], told[2]), source, rows)
    for name, (french, column, phone, email) in CONTACTS.items():
        pairs = _where(matched, name, "differs")
        pairs = pairs.assign(since=superseded(space, pairs, column, phone, email))
        for told, found, rows in _groups(pairs, "operator_id", column, phone, email, "since"):
            listed = f"{french} : {told[1]}"
            declared = ", ".join(text.strip() for text in told[2:4] if text.strip())
            if told[4]:
                since = parse_instant(told[4])
                made = finding("RECO_CONTACT_OLD", found, f"{french} : {declared}", listed)
                where = f"changé dans la liste du {day(since)}; {made.evidence}"
                made = replace(made, evidence=where, first_seen=since)
            else:
                made = finding("RECO_CONTACT", found, listed, declared)
            yield _with_rows(made, source, rows)
    pairs = _where(matched, "description", "differs")
    for told, found, rows in _groups(pairs, "operator_id", "description_listed", "description"):
        yield _with_rows(finding("RECO_DESCRIPTION", found, told[1], told[2]), source, rows)


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


def _when(record: dict[Any, Any]) -> str:
    """Write the date and age of the declaration that counts.

    >>> _when({"date": pd.Timestamp("2026-02-01"), "days": 29})
    'le 01/02/2026 (29 jours)'
    """
    if pd.isna(record["date"]):
        return "sans date lisible"
    return f"le {record['date']:%d/%m/%Y} ({record['days']} jour{'s' if record['days'] > 1 else ''})"


PARTS = (_reconciled,)
"""What the audit is made of."""
