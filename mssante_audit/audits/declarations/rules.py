"""Audit: the form's own rules, held against the declarations of a register.

Each operator's latest declaration of a domain is audited; a rule is held only against rows of which it knows
all it needs.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd

from mssante_audit.audits.declarations import declared, groups
from mssante_audit.base.resources import table_of
from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.register import Register
from mssante_audit.declarations.values import LEVELS
from mssante_audit.findings import Finding, Place
from mssante_audit.findings.frame import Subject
from mssante_audit.findings.places import REGISTER, Where
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.hosts import domain_key
from mssante_audit.values.identifiers import structure_key
from mssante_audit.values.person import Person
from mssante_audit.whitelist.rows import grouped, tuples

READING = {"column": "DECL_COLUMN", "unread": "DECL_UNREADABLE", "recovered": "DECL_RECOVERED"}
CODES = table_of("mssante_audit.audits.declarations", "codes.toml")
_BESIDE = ("at", "label", "place", "whose", "write")  # facts that only explain the others


def form_findings(
    register: Register, as_of: datetime, *, each: bool = False, space: TrustSpace | None = None
) -> Iterator[Finding]:
    """Yield what is wrong with the declarations; those of after the day of `as_of` lie in the future.

    One cause is one finding; with `each` every row is a finding, rows that a later declaration replaced
    too. A `space` tells who serves a domain, whose numbers are one structure's, and what others are called.
    """
    declarations, now = register.declarations, register.at(as_of)
    later = declarations[declarations["date"] > pd.Timestamp(as_of.date())]
    rows = declarations if each else pd.concat([now, later])
    cells = dict(zip(rows.index, rows.to_dict("records"), strict=True))

    def broken(needs: Sequence[str], check: declared.Check, frame: pd.DataFrame = rows) -> Iterator[Finding]:
        """Yield one finding for each rule, operator and thing observed, or for each row."""
        having = register.having(frame, *needs)
        causes: dict[tuple[str, Subject], tuple[dict[Declaration, None], dict[str, Any]]] = {}
        for at, row in zip(having.index, declarations_of(having), strict=True):
            owner = (row.file, str(row.row)) if each else (row.operator_id,)
            for code, facts in check(cells[at]):
                subject = (*owner, *(text for _, text in _texts(facts)))
                causes.setdefault((code, subject), ({}, facts))[0][row] = None
        for (code, of_cause), (stated, facts) in causes.items():
            yield finding(code, of_cause, list(stated), facts)

    def is_later(row: declared.Row) -> declared.Faults:
        return [("DECL_DATE_FUTURE", {"date": f"{row['date']:%Y-%m-%d}"})]

    yield from _read_findings(register)
    for needs, check in declared.CHECKS:
        yield from broken(needs, check)
    yield from broken(("date",), is_later, later)
    names, listed = _names(register, space), _names(None, space)
    domains = {*map(domain_key, space.entries["domain"])} if space else set[str]()
    needs = ("domain", "withdrawal", *declared.METHODS, *declared.SERVERS)
    yield from broken(needs, lambda row: declared.server_glue(row, domains))
    yield from broken(declared.IDS, lambda row: declared.dn_operator(row, listed))
    yield from broken(("structure_name", "structure_id"), lambda row: declared.structure_name(row, names))
    for code, subject, frame, facts in groups.causes(register, as_of, now, space):
        yield finding(code, subject, declarations_of(frame), facts)


class Declaration(NamedTuple):
    """A declaration in a register, and whose it is."""

    file: str
    row: int
    domain: str
    operator_id: str
    operator: str


def declarations_of(rows: pd.DataFrame) -> list[Declaration]:
    """Return what rows of a register declare, and where they stand."""
    columns = ("file", "row", "domain_key", "operator_id", "structure_name")
    return list(map(Declaration._make, tuples(rows, *columns)))


def finding(
    code: str, subject: Subject, stated: Sequence[Declaration], facts: Mapping[str, Any], rows: Where = ()
) -> Finding:
    """Return a finding on some declarations and `rows` of the white list, which then tell the domains."""
    domains = tuple(domain for domain in dict.fromkeys(row.domain for row in stated) if domain)
    named = [text for name, text in _texts(facts) if name == "column" and text in fields()]
    columns = tuple(dict.fromkeys(named)) or CODES["columns"].get(code, (facts.get("at", ""),))
    where = [Place(REGISTER, row.file, (row.row,), str(column)) for column in columns for row in stated]
    facts = {**facts, "domains": domains} if len(domains) > 1 else facts
    owner = (stated[0].operator_id, stated[0].operator.strip())
    doubtful = any(map(facts.get, ("renewed", "meant", "is_listed"))) or facts.get("another") == "no"
    sure = "hint" if doubtful else ""
    return Finding(code, subject, (*where, *rows), facts, () if rows else domains, *owner, sure)


def _texts(facts: Any, name: str = "") -> Iterator[tuple[str, str | Person]]:
    """Yield name and text of each fact: they tell two observations apart."""
    if isinstance(facts, str | Person):
        yield name, facts
    elif isinstance(facts, Mapping):
        for key, part in facts.items():
            yield from _texts(part, key) if key not in _BESIDE else ()
    elif isinstance(facts, list | tuple):
        for part in facts:
            yield from _texts(part, name)


def _read_findings(register: Register) -> Iterator[Finding]:
    """Yield the columns and cells that the reader doubted, could not read or corrected."""
    problems = register.problems.assign(row=register.problems["row"].fillna(0).astype("int64"))
    declarations = register.declarations[["file", "row", "domain_key", "operator_id", "structure_name"]]
    for key, group in problems.groupby(["file", "column", "kind"], sort=False):
        file, column, kind = map(str, key)
        level, is_field = LEVELS[kind], column in fields()
        of_rows = declarations["row"].isin(group["row"]) | (level == "column")
        where = declarations[(declarations["file"] == file) & of_rows]
        owner = where[["operator_id", "structure_name"]].drop_duplicates("operator_id").to_numpy().tolist()
        number, name = owner[0] if len(owner) == 1 else ("", "")
        place = Place(REGISTER, file, tuple(filter(None, group["row"].tolist())), column if is_field else "")
        label = fields()[column].label if is_field else column
        values = [value.strip(" ()") for value in dict.fromkeys(group["value"]) if value.strip()]
        facts = {"field": {"column": column, "label": label}, "kind": kind, "values": values}
        domains = tuple(filter(None, where["domain_key"].unique().tolist()))
        yield Finding(READING[level], (file, column, kind), (place,), facts, domains, number, name.strip())


def _names(register: Register | None, space: TrustSpace | None) -> dict[str, frozenset[str]]:
    """Return what the operators of a register and of a list are called, by structure."""
    named = list(space.operator_names.items()) if space else []
    if register:
        named += dict.fromkeys(tuples(register.declarations, "operator_id", "structure_name"))
    names = grouped((structure_key(operator), name) for operator, name in named)
    return {structure: frozenset(texts) for structure, texts in names.items() if structure}


def form(space: TrustSpace) -> Iterator[Finding]:
    """Yield what is wrong with the register of a space, which has one."""
    assert space.register is not None  # noqa: S101 - the audit needs it
    return form_findings(space.register, space.as_of, space=space)


RUNS = (form,)
