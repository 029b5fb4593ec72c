"""The form's rules on several declarations together: of one domain, one operator or one contract.

What a list at hand settles is no finding: a change that is over or on its way, two certificates.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import pandas as pd

from mssante_audit.audits.declarations.declared import contract_number, label
from mssante_audit.audits.declarations.names import CIVILITIES, one_structure
from mssante_audit.base.text import fold
from mssante_audit.declarations.register import Register, due_from, filled
from mssante_audit.declarations.values import mapped
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn, pasted_dn
from mssante_audit.values.hosts import domain_key
from mssante_audit.values.identifiers import identifier_of, parse_identifier, structure_key
from mssante_audit.values.person import Person
from mssante_audit.whitelist.rows import grouped, tuples

# Rule, subject, declarations, facts.
Causes = Iterator[tuple[str, tuple[str, ...], pd.DataFrame, dict[str, Any]]]

# Persons of an operator, the same on all its forms unless somebody came after.
ROLES = ("representative", "project_manager", "technical_manager")


def root_of(numbers: Iterable[str], structures: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function from identifier to structure, for a register and a list.

    `numbers` are the register's; `structures` the list's (`mssante_audit.whitelist.rows.structures`).
    """
    known_keys = set(map(structure_key, {*numbers, *structures}))
    keys = {identifier: structure_key(identifier, known_keys) for identifier in structures}
    roots = {keys[identifier]: keys[first] for identifier, first in structures.items()}

    def root(text: str) -> str:
        key = structure_key(text, known_keys)
        return roots.get(key, key)

    return root


def day_of(space: TrustSpace) -> pd.Timestamp:
    """Return the day up to which declarations count: the list's, or the audit's if that is earlier."""
    return pd.Timestamp(min(space.whitelist.generated_at or space.as_of, space.as_of).date())


def causes(register: Register, as_of: datetime, now: pd.DataFrame, space: TrustSpace | None) -> Causes:
    """Yield what is wrong with some declarations together; `now`: those that count (`Register.at`)."""
    records = register.declarations
    root = root_of(records["operator_id"].unique(), space.structures if space else {})
    records = records.assign(whose=mapped(records["operator_id"], root))
    having = partial(register.having, records.loc[now.index])
    # What the list has by domain, keys of names and structures; what was declared since is under way.
    names: dict[str, list[str]] = {}
    serving: dict[str, list[str]] = {}
    since = pd.Timestamp.max
    if space:
        domains = mapped(space.entries["domain"], domain_key).tolist()
        names = grouped(zip(domains, space.entries["dn_key"].tolist(), strict=True))
        serving = grouped(zip(domains, mapped(space.entries["operator_id"], root), strict=True))
        since = day_of(space) - pd.Timedelta(days=space.thresholds.listing_days)
    yield from _same_day(register.having(records.loc[register.until(as_of).index], "domain", "date"), names)
    yield from _several_operators(having("domain", "structure_id"), serving, since)
    yield from _contracts(having("contract_number", "structure_id"))
    yield from _redirections(having("delegation", "redirection", "structure_id"))
    yield from _former(having)


def _same_day(rows: pd.DataFrame, names: Mapping[str, list[str]]) -> Causes:
    rows = rows[(rows["domain_key"] != "") & rows["date"].notna()]
    twice = rows[rows.duplicated(["domain_key", "date", "whose"], keep=False)]
    for (domain, day), of_day in twice.groupby(["domain_key", "date"], sort=False):
        for structure, group in of_day.groupby("whose", sort=False):
            # A form has room for one certificate: each declaration may be of another that is listed.
            lines = group["dn_igc_sante"].where(filled(group, "dn_igc_sante"), group["dn_igc_cps"])
            keys = [parse_dn(pasted_dn(text)).key for text in lines]
            if len({*keys}) == len(keys) and {*keys} <= {*names.get(str(domain), ())}:
                continue
            date, owner = f"{day:%Y-%m-%d}", (str(structure),) if of_day["whose"].nunique() > 1 else ()
            facts = {"declarations": len(group), "date": date}
            yield "DECL_SAME_DAY", (str(domain), date, *owner), group, facts


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
