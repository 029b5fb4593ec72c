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

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mssante_audit.audits.declarations import finding
from mssante_audit.contacts import parse_contact
from mssante_audit.declarations import Register, latest, mapped
from mssante_audit.dn import parse_dn
from mssante_audit.findings import Finding, findings_frame, row_ranges
from mssante_audit.space import TrustSpace

STATUSES = {
    "withdrawn-listed": "retiré, toujours listé",
    "not-listed": "déclaré, absent de la liste",
    "differs": "listé, avec des écarts",
    "not-declared": "listé, jamais déclaré",
    "as-declared": "listé comme déclaré",
    "pending": "trop récent pour cette liste",
    "withdrawn": "retiré, absent de la liste",
    "later": "déclaré à une date future",
    "unknown": "déclaré, date ou retrait illisible",
}
"""Statuses of a domain, with their French names, worst first."""

Status = pd.CategoricalDtype(list(STATUSES), ordered=True)

CONTACTS = {
    "project_contact": ("contact projet", "project_contact", "public_project_phone", "public_project_email"),
    "technical_contact": (
        "contact support",
        "support_contact",
        "public_technical_phone",
        "public_technical_email",
    ),
}
"""Comparison: its French name, the list's column, the register's columns."""


def audit(space: TrustSpace) -> pd.DataFrame:
    """Return the findings of the reconciliation; none if the space has no register."""
    if space.declarations is None:
        return findings_frame([], space.entries)
    return findings_frame(_found(space, space.declarations), space.entries)


def status(space: TrustSpace) -> pd.DataFrame:
    """Return one row a domain, as this module's docstring describes; empty without a register."""
    register = space.declarations
    if register is None:
        return _typed(pd.DataFrame(columns=list(_COLUMNS)))
    listed = _listed(space)
    current = _current(register, space)
    pairs = _compared(register, current, listed)
    frame = current.set_index("domain_key")
    declared = pd.DataFrame(
        {
            "operator_id": frame["operator_id"],
            "operator": frame["structure_name"].str.strip(),
            "date": frame["date"],
            "days": frame["days"],
            "relisted": frame["relisted"],
            "evidence": frame["file"] + ":" + frame["row"].astype("str"),
            "later": frame["later"],
            "recent": frame["recent"],
            "withdrawal": frame["withdrawal"],
        }
    )
    for column in _COMPARED:
        declared[column] = _worst(pairs, column)
    rows = listed.groupby("key", sort=False)["row"].agg(tuple)
    undeclared = _undeclared(listed, frame.index)
    whole = pd.concat([declared, undeclared])
    whole["rows"] = rows.reindex(whole.index)
    whole["rows"] = [r if isinstance(r, tuple) else () for r in whole["rows"]]
    whole["status"] = _statuses(whole, space.thresholds.listing_days)
    whole["relisted"] = _true(whole["relisted"]) & whole["rows"].map(bool).to_numpy()
    return _typed(whole.rename_axis("domain").reset_index())


_COMPARED = ("operator_match", "dn", *CONTACTS, "description")
_COLUMNS = (
    "domain", "status", "operator_id", "operator", "date", "days", "relisted", *_COMPARED, "evidence", "rows",
)  # fmt: skip


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    texts = ("domain", "operator_id", "operator", *_COMPARED, "evidence")
    frame = frame[list(_COLUMNS)].fillna(dict.fromkeys(texts, ""))
    frame = frame.astype(
        {
            **dict.fromkeys(texts, "str"),
            "status": Status,
            "date": "datetime64[s]",
            "days": "Int64",
            "relisted": "bool",
            "rows": "object",
        }
    )
    return frame.sort_values(["status", "domain"], kind="stable").reset_index(drop=True)


def _listed(space: TrustSpace) -> pd.DataFrame:
    """Return the white list with a key to join by; test entries only of declared domains."""
    entries = space.entries
    key = entries["domain"].str.strip().str.lower().str.rstrip(".")
    known = set() if space.declarations is None else set(space.declarations.declarations["domain_key"])
    kept = ~entries["is_audit_entry"] | key.isin(known)
    return entries[kept].assign(key=key[kept])


def _current(register: Register, space: TrustSpace) -> pd.DataFrame:
    """Return the declaration of each domain that counts, with what the dates say of it."""
    made = space.whitelist.generated_at
    seen = pd.Timestamp((min(made, space.as_of) if made else space.as_of).date())
    counting = register.at(space.as_of)
    counting = counting[counting["domain_key"] != ""]
    every = register.declarations[register.declarations["domain_key"] != ""]
    only_later = latest(every[~every["domain_key"].isin(counting["domain_key"])])
    current = pd.concat([counting, only_later])
    history = register.until(space.as_of).drop(counting.index)
    withdrawn = history.loc[history["withdrawal"].fillna(value=False), "domain_key"]
    days = (seen - current["date"]).dt.days.astype("Int64")
    return current.assign(
        days=days,
        later=current.index.isin(only_later.index),
        recent=(days < 0).fillna(value=False),
        relisted=current["domain_key"].isin(withdrawn) & ~current["withdrawal"].fillna(value=True),
    )


def _undeclared(listed: pd.DataFrame, declared: pd.Index) -> pd.DataFrame:
    rest = listed[~listed["key"].isin(declared)].drop_duplicates("key")
    return rest.set_index("key")[["operator_id", "operator"]].assign(relisted=False)


def _statuses(whole: pd.DataFrame, listing_days: int) -> np.ndarray:
    present = whole["rows"].map(bool).to_numpy()
    undeclared = whole["evidence"].isna().to_numpy()
    withdrawn, later, recent = (_true(whole[name]) for name in ("withdrawal", "later", "recent"))
    unread = whole["withdrawal"].isna().to_numpy() & ~undeclared
    undated = whole["days"].isna().to_numpy() & ~present & ~withdrawn
    young = _true(whole["days"].astype("Int64") <= listing_days)
    differs = (
        whole[[c for c in _COMPARED if c != "description"]]
        .isin(["differs", "spelling"])
        .any(axis=1)
        .to_numpy()
    )
    cases = {
        "not-declared": undeclared,
        "later": later,
        "unknown": unread | undated,
        "pending": recent | (~withdrawn & ~present & young),
        "withdrawn-listed": withdrawn & present,
        "withdrawn": withdrawn,
        "not-listed": ~present,
        "differs": differs,
    }
    return np.select(list(cases.values()), list(cases), "as-declared")


def _true(column: pd.Series) -> np.ndarray:
    """Tell where a column is certainly true."""
    return column.astype("boolean").fillna(value=False).to_numpy(dtype=bool)


def _compared(register: Register, current: pd.DataFrame, listed: pd.DataFrame) -> pd.DataFrame:
    """Return one row a pair of declaration and listed row, with how they compare."""
    asked = current[~current["withdrawal"].fillna(value=True) & ~current["later"] & ~current["recent"]]
    pairs = asked.reset_index(names="at").merge(
        listed, left_on="domain_key", right_on="key", suffixes=("", "_listed")
    )

    def comparable(*columns: str) -> pd.Series:
        return pairs["at"].isin(register.having(asked, *columns).index)

    ids = [mapped(pairs[name], _plain_id) for name in ("structure_id", "beneficiary_id")]
    ours = (ids[0] == pairs["operator_id_listed"]) | (ids[1] == pairs["operator_id_listed"])
    judged = (
        comparable("structure_id", "beneficiary_id") & (ids[0] != "") & (pairs["operator_id_listed"] != "")
    )
    pairs["operator_match"] = _verdict(judged, ours)
    dn = pairs["dn_igc_sante"].where(pairs["dn_igc_sante"].str.strip() != "", pairs["dn_igc_cps"]).str.strip()
    one = (pairs["dn_igc_sante"].str.strip() == "") | (pairs["dn_igc_cps"].str.strip() == "")
    pairs["declared_dn"] = dn
    exact = dn == pairs["dn"]
    key = dn.where(exact, mapped(dn.where(~exact, ""), lambda text: parse_dn(text).key))
    pairs["dn_match"] = _verdict(comparable("dn_igc_sante", "dn_igc_cps") & one & (dn != ""), exact)
    pairs.loc[(pairs["dn_match"] == "differs") & (key == pairs["dn_key"]), "dn_match"] = "spelling"
    for name, (_, column, phone, email) in CONTACTS.items():
        known = comparable(phone, email)
        same = [
            name_ or _same_contact(*texts)
            for name_, *texts in zip(~known, pairs[phone], pairs[email], pairs[column], strict=True)
        ]
        given = (pairs[phone].str.strip() != "") | (pairs[email].str.strip() != "")
        pairs[f"{name}_match"] = _verdict(known & given, pd.Series(same, index=pairs.index, dtype="bool"))
    texts = [mapped(pairs[column], _folded) for column in ("description", "description_listed")]
    given = comparable("description") & (texts[0] != "")
    pairs["description_match"] = _verdict(given, texts[0] == texts[1])
    return pairs


def _verdict(judged: pd.Series, same: pd.Series) -> pd.Series:
    verdict = np.where(judged, np.where(same, "same", "differs"), "")
    return pd.Series(verdict, index=judged.index, dtype="str")


_MATCH = {name: name if name.endswith("_match") else f"{name}_match" for name in _COMPARED}


def _worst(pairs: pd.DataFrame, column: str) -> pd.Series:
    """Return for each domain how its rows compare: DN and operator by the best row, the rest by the worst.

    A domain has a row for each of its certificates and operators, and a declaration names one of them.
    """
    match = pairs[_MATCH[column]]
    order = (
        ["", "differs", "spelling", "same"] if column in ("dn", "operator_match") else ["", "same", "differs"]
    )
    ranks = match.map({value: rank for rank, value in enumerate(order)})
    best = ranks.groupby(pairs["domain_key"], sort=False).max()
    return best.map(dict(enumerate(order)))


@cache
def _listed_contact(text: str) -> tuple[frozenset[str], frozenset[str]]:
    contact = parse_contact(text)
    return frozenset(contact.phones), frozenset(contact.emails)


@cache
def _declared(text: str) -> tuple[frozenset[str], frozenset[str]]:
    return _listed_contact(text) if text.strip() else (frozenset(), frozenset())


def _same_contact(phone: str, email: str, listed: str) -> bool:
    """Tell whether the listed contact has the declared phone and address; an unreadable one is not held."""
    phones, emails = _listed_contact(listed)
    return _declared(phone)[0] <= phones and _declared(email)[1] <= emails


def _plain_id(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).upper()


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _found(space: TrustSpace, register: Register) -> Iterator[Finding]:
    listed = _listed(space)
    frame = status(space)
    rows = dict(zip(frame["domain"], frame["rows"], strict=True))
    current = _current(register, space)
    current = current[~current["withdrawal"].isna() & ~current["later"]]
    told = current.assign(status=current["domain_key"].map(frame.set_index("domain")["status"].astype("str")))

    def found(
        code: str, group: pd.DataFrame, observed: str = "", expected: str = "", of: Any = None
    ) -> Finding:
        concerned = [row for key in group["domain_key"].unique() for row in rows[key]] if of is None else of
        made = finding(code, group, observed, expected)
        return _with_rows(made, space, tuple(sorted(set(concerned))))

    for _, group in told[told["status"] == "withdrawn-listed"].groupby("domain_key", sort=False):
        yield found("RECO_WITHDRAWN_LISTED", group, f"retrait {_when(group.iloc[0])}")
    absent = told[told["status"] == "not-listed"]
    for _, group in absent.groupby(["operator_id", "date"], sort=False):
        yield found("RECO_NOT_LISTED", group, f"déclaré {_when(group.iloc[0])}")
    undeclared = frame[frame["status"] == "not-declared"]["domain"]
    for _, group in listed[listed["key"].isin(undeclared)].groupby("operator_id", sort=False):
        yield Finding("RECO_NOT_DECLARED", tuple(group["row"]))
    relisted = set(frame.loc[frame["relisted"], "domain"])
    for _, group in told[told["domain_key"].isin(relisted)].groupby("domain_key", sort=False):
        yield found("RECO_RELISTED", group, f"déclaré {_when(group.iloc[0])}")
    yield from _differences(register, current, listed, frame, space)


def _differences(
    register: Register, current: pd.DataFrame, listed: pd.DataFrame, frame: pd.DataFrame, space: TrustSpace
) -> Iterator[Finding]:
    pairs = _compared(register, current, listed)
    by_domain = frame.set_index("domain")

    def where(column: str, value: str) -> pd.DataFrame:
        told = pairs["domain_key"].map(by_domain[column]) == value
        return pairs[told & (pairs[_MATCH[column]] == value)]

    elsewhere = where("operator_match", "differs")
    for (_, owner, name), group in elsewhere.groupby(
        ["operator_id", "operator_id_listed", "operator"], sort=False
    ):
        declared = ", ".join(dict.fromkeys(group["structure_id"].str.strip()))
        yield _pair_finding("RECO_OPERATOR", group, f"{owner} {name}".strip(), declared, space)
    for code, value in (("RECO_DN_DIFFERS", "differs"), ("RECO_DN_SPELLING", "spelling")):
        found = where("dn", value)
        found = found[
            ~found["domain_key"].isin(elsewhere["domain_key"])
        ]  # another operator's DN is another's
        for told, group in found.groupby(["operator_id", "dn", "declared_dn"], sort=False):
            yield _pair_finding(code, group, str(told[1]), str(told[2]), space)
    for name, (french, column, phone, email) in CONTACTS.items():
        found = where(name, "differs")
        for told, group in found.groupby(["operator_id", column, phone, email], sort=False):
            expected = ", ".join(text for text in (str(told[2]).strip(), str(told[3]).strip()) if text)
            yield _pair_finding("RECO_CONTACT", group, f"{french} : {told[1]}", expected, space)
    found = where("description", "differs")
    for told, group in found.groupby(["operator_id", "description_listed", "description"], sort=False):
        yield _pair_finding("RECO_DESCRIPTION", group, str(told[1]), str(told[2]), space)


def _pair_finding(code: str, pairs: pd.DataFrame, observed: str, expected: str, space: TrustSpace) -> Finding:
    rows = tuple(sorted(set(pairs["row_listed"].tolist())))
    return _with_rows(finding(code, pairs.drop_duplicates("at"), observed, expected), space, rows)


def _with_rows(made: Finding, space: TrustSpace, rows: tuple[int, ...]) -> Finding:
    """Return a finding that also names rows of the white list, with the domain as it is listed."""
    if not rows:
        return made
    return Finding(
        made.rule,
        rows,
        made.observed,
        made.expected,
        f"{made.evidence}; {Path(space.whitelist.source).name}:{row_ranges(rows)}",
        operator_id=made.operator_id,
        operator=made.operator,
    )


def _when(declaration: pd.Series) -> str:
    """Write a declaration's date and age.

    >>> _when(pd.Series({"date": pd.Timestamp("2026-02-01"), "days": 29}))
    'le 01/02/2026 (29 jours)'
    """
    if pd.isna(declaration["date"]):  # of a withdrawal, or of a declaration of a listed domain
        return "sans date lisible"
    days = int(declaration["days"])
    return f"le {declaration['date']:%d/%m/%Y} ({days} jour{'s' if days > 1 else ''})"
