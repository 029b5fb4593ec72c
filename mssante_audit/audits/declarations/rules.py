"""Audit: the form's own rules, held against the declarations of a register.

Each operator's latest declaration of a domain is audited; a rule is held only against rows of which it knows
all it needs. Of several declarations together, what a list at hand settles is no finding: a change that is
over or on its way, two certificates.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from mssante_audit.audits.declarations import declared
from mssante_audit.audits.declarations.declared import contract_number, label
from mssante_audit.audits.declarations.names import CIVILITIES, one_structure
from mssante_audit.base.resources import table_of
from mssante_audit.base.text import fold
from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.register import Register, due_from, filled
from mssante_audit.declarations.values import KINDS, domain_keys, mapped
from mssante_audit.findings import Finding, Place
from mssante_audit.findings.frame import Subject
from mssante_audit.findings.places import REGISTER, Where
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn, pasted_dn
from mssante_audit.values.identifiers import identifier_of, parse_identifier, structure_key
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
    every, now = register.declarations, register.at(as_of)
    later = every[every["date"] > pd.Timestamp(as_of.date())]
    rows = every if each else pd.concat([now, later])
    cells = dict(zip(rows.index, rows.to_dict("records"), strict=True))

    def broken(needs: Sequence[str], check: declared.Check, those: pd.DataFrame = rows) -> Iterator[Finding]:
        """Yield one finding for each rule, operator and thing observed, or for each row."""
        having = register.having(those, *needs)
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
    yield from broken(declared.IDS, lambda row: declared.dn_operator(row, listed))
    yield from broken(("structure_name", "structure_id"), lambda row: declared.structure_name(row, names))
    for code, subject, those, facts in _together(register, as_of, now, space):
        yield finding(code, subject, declarations_of(those), facts)


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
    sure = "hint" if facts.get("renewed") or facts.get("meant") or facts.get("another") == "no" else ""
    return Finding(code, subject, (*where, *rows), facts, () if rows else domains, *owner, sure)


def _texts(facts: Any, name: str = "") -> Iterator[tuple[str, str | Person]]:
    """Yield the texts of facts, which tell one thing observed from another, each with what it is called."""
    if isinstance(facts, str | Person):
        yield name, facts
    elif isinstance(facts, Mapping):
        for key, part in facts.items():
            yield from _texts(part, key) if key not in _BESIDE else ()
    elif isinstance(facts, list | tuple):
        for part in facts:
            yield from _texts(part, name)


def _read_findings(register: Register) -> Iterator[Finding]:
    """Yield what the reader was in doubt of: a column, cells that it could not read, cells that it mended."""
    problems = register.problems.assign(row=register.problems["row"].fillna(0).astype("int64"))
    every = register.declarations[["file", "row", "domain_key", "operator_id", "structure_name"]]
    for key, group in problems.groupby(["file", "column", "kind"], sort=False):
        file, column, kind = map(str, key)
        level, is_field = KINDS[kind].level, column in fields()
        of_rows = every["row"].isin(group["row"]) | (level == "column")
        where = every[(every["file"] == file) & of_rows]
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


# Rule, subject, declarations, facts.
Causes = Iterator[tuple[str, tuple[str, ...], pd.DataFrame, dict[str, Any]]]

# Persons of an operator, the same on all its forms unless somebody came after.
ROLES = ("representative", "project_manager", "technical_manager")


def root_of(numbers: Iterable[str], structures: Mapping[str, str]) -> Callable[[str], str]:
    """Return what tells by what the structure of an identifier is known, in a register and in a list.

    `numbers` are the register's; `structures` the list's (`mssante_audit.whitelist.rows.structures`).
    """
    among = set(map(structure_key, {*numbers, *structures}))
    keys = {identifier: structure_key(identifier, among) for identifier in structures}
    roots = {keys[identifier]: keys[first] for identifier, first in structures.items()}

    def root(text: str) -> str:
        key = structure_key(text, among)
        return roots.get(key, key)

    return root


def day_of(space: TrustSpace) -> pd.Timestamp:
    """Return the day up to which declarations count: the list's, or the audit's if that is earlier."""
    return pd.Timestamp(min(space.whitelist.generated_at or space.as_of, space.as_of).date())


def _together(register: Register, as_of: datetime, now: pd.DataFrame, space: TrustSpace | None) -> Causes:
    """Yield what is wrong with some declarations together; `now`: those that count (`Register.at`)."""
    every = register.declarations
    root = root_of(every["operator_id"].unique(), space.structures if space else {})
    every = every.assign(whose=mapped(every["operator_id"], root))
    having = partial(register.having, every.loc[now.index])
    # What the list has by domain, keys of names and structures; what was declared since is under way.
    names: dict[str, list[str]] = {}
    serving: dict[str, list[str]] = {}
    since = pd.Timestamp.max
    if space:
        domains = domain_keys(space.entries["domain"]).tolist()
        names = grouped(zip(domains, space.entries["dn_key"].tolist(), strict=True))
        serving = grouped(zip(domains, mapped(space.entries["operator_id"], root), strict=True))
        since = day_of(space) - pd.Timedelta(days=space.thresholds.listing_days)
    yield from _same_day(register.having(every.loc[register.until(as_of).index], "domain", "date"), names)
    yield from _several_operators(having("domain", "structure_id"), serving, since)
    yield from _contracts(having("contract_number", "structure_id"))
    yield from _redirections(having("delegation", "redirection", "structure_id"))
    yield from _former(having)


def _same_day(rows: pd.DataFrame, names: Mapping[str, list[str]]) -> Causes:
    rows = rows[(rows["domain_key"] != "") & rows["date"].notna()]
    twice = rows[rows.duplicated(["domain_key", "date", "whose"], keep=False)]
    for (domain, day), each in twice.groupby(["domain_key", "date"], sort=False):
        for whose, group in each.groupby("whose", sort=False):
            # A form has room for one certificate: each declaration may be of another that is listed.
            lines = group["dn_igc_sante"].where(filled(group, "dn_igc_sante"), group["dn_igc_cps"])
            keys = [parse_dn(pasted_dn(text)).key for text in lines]
            if len({*keys}) == len(keys) and {*keys} <= {*names.get(str(domain), ())}:
                continue
            date, more = f"{day:%Y-%m-%d}", (str(whose),) if each["whose"].nunique() > 1 else ()
            facts = {"declarations": len(group), "date": date}
            yield "DECL_SAME_DAY", (str(domain), date, *more), group, facts


def _several_operators(rows: pd.DataFrame, serving: Mapping[str, list[str]], since: pd.Timestamp) -> Causes:
    """Yield one finding for each set of operators whose latest declarations claim the same domains."""
    rows = rows[(rows["domain_key"] != "") & (rows["operator_id"] != "")]
    by = ["domain_key", "whose"]
    open_ = pd.MultiIndex.from_frame(rows.loc[rows["withdrawal"].fillna(value=True), by])
    rows = rows[~pd.MultiIndex.from_frame(rows[by]).isin(open_)].drop_duplicates(by, keep="last")
    shared = rows[rows.duplicated("domain_key", keep=False)]
    claims: dict[tuple[str, ...], list[str]] = {}
    for domain, claiming in shared.groupby("domain_key", sort=False):
        first, *rest = tuples(claiming, "structure_name", "operator_id")
        same = all(one_structure(*first, *other) for other in rest)
        listed = {*serving.get(str(domain), ())}
        settled = listed and listed >= {*claiming["whose"]}
        if listed and not claiming["date"].isna().any():
            # Whose it is the list settles too where who declared last has a row, or is not yet due.
            dated = claiming.assign(due=due_from(claiming)).sort_values("date", kind="stable")
            settled = settled or dated["whose"].iloc[-1] in listed or dated["due"].iloc[-1] >= since
        if not same and not settled:
            claims.setdefault(tuple(sorted(claiming["operator_id"])), []).append(str(domain))
    for operators, domains in claims.items():
        claiming = shared[shared["domain_key"].isin(domains)]
        yield "DECL_OPERATORS", operators, claiming, {"operators": operators}


def _contracts(rows: pd.DataFrame) -> Causes:
    """Yield contract numbers of several operators, and operators with several, where both are well formed."""
    sound = [t for t in rows["structure_id"].unique() if not parse_identifier(identifier_of(t)).problems]
    rows = rows.assign(number=mapped(rows["contract_number"], contract_number))
    rows = rows[rows["number"].str.fullmatch("[0-9A-Z]{10}") & rows["structure_id"].isin(sound)]
    for contract, group in rows.groupby("number", sort=False):
        if group["whose"].nunique() > 1 and group["structure_name"].map(fold).nunique() > 1:
            first = group.drop_duplicates("whose")
            called = zip(first["operator_id"], first["structure_name"], strict=True)
            operators = [{"operator": number, "name": " ".join(name.split())} for number, name in called]
            facts = {"contract": contract, "operators": operators}
            yield "DECL_CONTRACT_SHARED", (str(contract),), group, facts
    for _, group in rows.groupby("whose", sort=False):
        if group["number"].nunique() > 1:
            spans = group.groupby("number")["date"].agg(["min", "max"]).sort_values("min")
            follow = bool((spans["max"].shift() < spans["min"]).iloc[1:].all())  # as after a renewal
            renewed = follow and not group["date"].isna().any()
            facts = {"contracts": list(dict.fromkeys(group["number"])), "renewed": renewed}
            yield "DECL_CONTRACT_SEVERAL", (group["operator_id"].iloc[0],), group, facts


def _redirections(rows: pd.DataFrame) -> Causes:
    """Yield the redirections of operators that run delegations: the form prefers those."""
    rows = rows[~rows["withdrawal"].fillna(value=True) & (rows["operator_id"] != "")]
    for _, group in rows.groupby("whose", sort=False):
        first, second = (group[box].fillna(value=False) for box in ("delegation", "redirection"))
        redirected, delegated = group[second & ~first], group[first & ~second]
        if len(redirected) and len(delegated):
            facts = {"redirected": len(redirected), "delegated": len(delegated)}
            yield "DECL_REDIRECTION_CHOSEN", (group["operator_id"].iloc[0],), redirected, facts


def _former(having: Callable[..., pd.DataFrame]) -> Causes:
    """Yield the persons whom all newer declarations of their operator replace by another."""
    for role in ROLES:
        columns = [f"{role}_{part}_name" for part in ("last", "first")]
        rows = having(*columns)
        rows = rows[
            rows["date"].notna() & ~rows["withdrawal"].fillna(value=True) & (rows["operator_id"] != "")
        ]
        person = (rows[columns[0]] + " " + rows[columns[1]]).map(lambda name: " ".join(name.split()))
        # One person's name, whatever its civility, order, case and accents.
        key = person.map(lambda name: " ".join(sorted({*fold(name).split()} - CIVILITIES)))
        rows = rows.assign(person=person, key=key)
        for _, group in rows[key != ""].groupby("whose", sort=False):
            spans = group.groupby("key")["date"].agg(["min", "max"]).sort_values("max")
            since = spans["min"].iloc[-1]
            if len(spans) > 1 and (spans["max"].iloc[:-1] < since).all():
                is_now = group["key"] == spans.index[-1]
                former, now = group[~is_now], group.loc[is_now, "person"].iloc[0]
                facts = {
                    "field": label(columns[0]), "since": f"{since:%Y-%m-%d}",
                    "former": [Person(name, registered=True) for name in former["person"].unique()],
                    "now": Person(now, registered=True),
                }  # fmt: skip
                yield "DECL_PERSON_FORMER", (group["operator_id"].iloc[0], role), former, facts


def form(space: TrustSpace) -> Iterator[Finding]:
    """Yield what is wrong with the register of a space, which has one."""
    assert space.register is not None  # noqa: S101 - the audit needs it
    return form_findings(space.register, space.as_of, space=space)


RUNS = (form,)
