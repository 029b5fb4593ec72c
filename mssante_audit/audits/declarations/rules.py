"""Audit: the form's own rules, held against the declarations of a register.

Each operator's latest declaration of a domain is audited (and any of a later day than the audit's); what
could not be read is told of every row. A rule is held only against rows of which it knows all it needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd

from mssante_audit.audits.declarations.declared import CHECKS, date_given, structure_name
from mssante_audit.audits.declarations.people import Check
from mssante_audit.audits.declarations.several import Listed, listed_in, several
from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.register import Register
from mssante_audit.declarations.values import KINDS
from mssante_audit.findings.frame import Finding, Subject, row_ranges
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.identifiers import structure_key
from mssante_audit.values.person import Person

READING = {"column": "DECL_COLUMN", "unread": "DECL_UNREADABLE", "recovered": "DECL_RECOVERED"}


def _form(space: TrustSpace) -> Iterator[Finding]:
    assert space.declarations is not None  # noqa: S101 - the audit needs them
    return form_findings(space.declarations, space.as_of, space=space)


def form_findings(
    register: Register, as_of: datetime, *, each: bool = False, space: TrustSpace | None = None
) -> Iterator[Finding]:
    """Yield what is wrong with the declarations; those of after the day of `as_of` lie in the future.

    One cause is one finding; with `each` every row is told by itself, rows that a later declaration replaced
    too. With a `space`, its list tells who serves a domain, whose numbers are one structure's, and what
    others are called.
    """
    every = register.declarations
    later = every[every["date"] > pd.Timestamp(as_of.date())]
    now = register.at(as_of)
    rows = every if each else pd.concat([now, later])
    yield from _read_findings(register)
    for code, needs, check in CHECKS:
        yield from _grouped(code, register.having(rows, *needs), check, each)
    future = register.having(later, "date")
    yield from _grouped("DECL_DATE_FUTURE", future, date_given, each)
    known = _names(register, space)
    named = register.having(rows, "structure_name", "structure_id")
    for made in _grouped("DECL_NAME", named, lambda d: structure_name(d, known), each):
        yield made if made.facts["another"] == "yes" else replace(made, confidence="hint")
    for code, subject, those, facts in several(register, as_of, now, listed_in(space) if space else Listed()):
        made = finding(code, subject, places(those), facts)
        yield replace(made, confidence="hint") if facts.get("renewed") else made


class Place(NamedTuple):
    """Where a declaration stands, and whose it is."""

    file: str
    row: int
    domain: str
    operator_id: str
    operator: str


def places(declarations: pd.DataFrame) -> list[Place]:
    """Return the place of each declaration."""
    names = ("file", "row", "domain_key", "operator_id", "structure_name")
    return [Place(*cells) for cells in zip(*(declarations[name].tolist() for name in names), strict=True)]


def evidence(found: Sequence[Place]) -> str:
    """Return where declarations stand: ``"declarations.xlsx:3-5, 9"``."""
    files: dict[str, list[int]] = {}
    for place in found:
        files.setdefault(place.file, []).append(place.row)
    return "; ".join(f"{file}:{row_ranges(rows)}" for file, rows in sorted(files.items()))


def finding(code: str, subject: Subject, found: Sequence[Place], facts: Mapping[str, Any]) -> Finding:
    """Return a finding on some declarations; of several domains, the facts name each."""
    domains = tuple(domain for domain in dict.fromkeys(place.domain for place in found) if domain)
    return Finding(
        code,
        subject,
        facts={**facts, "domains": domains} if len(domains) > 1 else facts,
        evidence=evidence(found),
        domains=domains,
        operator_id=found[0].operator_id,
        operator=found[0].operator.strip(),
    )


def _grouped(code: str, rows: pd.DataFrame, check: Check, each: bool) -> Iterator[Finding]:
    """Yield one finding for each operator and thing observed, or for each row."""
    if rows.empty or not (told := list(check(rows))):  # no row is to be known by, as mostly
        return
    groups: dict[tuple[str | Person, ...], tuple[dict[str, Any], dict[Place, None]]] = {}
    place = dict(zip(rows.index, places(rows), strict=True))
    for at, facts in told:
        whose = (place[at].file, str(place[at].row)) if each else (place[at].operator_id,)
        groups.setdefault((*whose, *_texts(facts)), (facts, {}))[1][place[at]] = None
    for subject, (facts, found) in groups.items():
        yield finding(code, subject, list(found), facts)


def _texts(facts: Any) -> Iterator[str | Person]:
    """Yield the texts of facts, which tell one thing observed from another; labels are but their names."""
    if isinstance(facts, str | Person):
        yield facts
    else:
        parts = [facts[name] for name in facts if name != "label"] if isinstance(facts, Mapping) else facts
        for part in parts:
            yield from _texts(part)


def _read_findings(register: Register) -> Iterator[Finding]:
    problems = register.problems.assign(row=register.problems["row"].fillna(0).astype("int64"))
    every = register.declarations[["file", "row", "domain_key", "operator_id", "structure_name"]]
    for place, group in problems.groupby(["file", "column", "kind"], sort=False):
        file, column, kind = map(str, place)
        label = fields()[column].label if column in fields() else column
        values = [value.strip(" ()") for value in dict.fromkeys(group["value"]) if value.strip()]
        of_rows = every["row"].isin(group["row"]) | (KINDS[kind].level == "column")
        where = every[(every["file"] == file) & of_rows]
        owners = where["operator_id"].unique()
        one = where.iloc[0] if len(owners) == 1 else None
        rows = [row for row in group["row"].tolist() if row]
        yield Finding(
            READING[KINDS[kind].level],
            (file, column, kind),
            facts={"field": {"column": column, "label": label}, "kind": kind, "values": values},
            evidence=f"{file}:{row_ranges(rows)}" if rows else file,
            domains=tuple(domain for domain in dict.fromkeys(where["domain_key"]) if domain),
            operator_id="" if one is None else one["operator_id"],
            operator="" if one is None else one["structure_name"].strip(),
        )


def _names(register: Register, space: TrustSpace | None) -> dict[str, frozenset[str]]:
    names: dict[str, set[str]] = {}
    declared = register.declarations[["operator_id", "structure_name"]].drop_duplicates()
    listed = space.operator_names.items() if space else ()
    for operator, name in (*declared.itertuples(index=False, name=None), *listed):
        names.setdefault(structure_key(operator), set()).add(name)
    return {structure: frozenset(told) for structure, told in names.items() if structure}


PARTS = (_form,)
