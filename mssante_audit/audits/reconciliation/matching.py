"""How the register and the white list compare: the frame of statuses, from which the findings follow."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from mssante_audit.audits.since import past_of
from mssante_audit.declarations.register import Register, latest, mapped
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import parse_dn

STATUSES = (
    "withdrawn-listed", "not-listed", "differs", "not-declared", "as-declared", "pending", "withdrawn",
    "later", "unknown",
)  # fmt: skip
"""Statuses of a domain, worst first."""

Status = pd.CategoricalDtype(list(STATUSES), ordered=True)

CONTACTS = {
    "project_contact": ("project", "project_contact", "public_project_phone", "public_project_email"),
    "technical_contact": ("support", "support_contact", "public_technical_phone", "public_technical_email"),
}
"""Comparison: the kind of contact, the list's column, the register's columns."""


@dataclass(frozen=True)
class Match:
    """A register held against a list."""

    statuses: pd.DataFrame
    """One row a domain, as `mssante_audit.audits.reconciliation.rules` describes."""
    current: pd.DataFrame
    """The declaration of each domain that counts."""
    listed: pd.DataFrame
    """The white list's rows, with the ``key`` they are joined by."""
    pairs: pd.DataFrame
    """One row a pair of declaration and listed row, with a column ``<comparison>_match`` each."""


def match(register: Register, space: TrustSpace) -> Match:
    """Hold a register against the space's white list."""
    listed = _listed(space, register)
    current = _current(register, space)
    pairs = _compared(register, current, listed)
    frame = current.set_index("domain_key")
    taken = ["operator_id", "date", "days", "relisted", "later", "recent", "withdrawal"]
    declared = frame[taken].assign(
        operator=frame["structure_name"].str.strip(),
        evidence=frame["file"] + ":" + frame["row"].astype("str"),
        **{column: _worst(pairs, column) for column in COMPARED},
    )
    whole = pd.concat([declared, _undeclared(listed, frame.index)])
    rows = _rows_of(listed)
    whole["rows"] = [rows.get(key, ()) for key in whole.index]
    whole["status"] = _statuses(whole, space.thresholds.listing_days)
    whole["relisted"] = _true(whole["relisted"]) & whole["rows"].map(bool).to_numpy()
    return Match(_typed(whole.rename_axis("domain").reset_index()), current, listed, pairs)


def no_statuses() -> pd.DataFrame:
    """Return the frame of statuses without a row."""
    return _typed(pd.DataFrame(columns=list(_COLUMNS)))


def _rows_of(listed: pd.DataFrame) -> dict[str, tuple[int, ...]]:
    rows: dict[str, list[int]] = {}
    for key, row in zip(listed["key"].tolist(), listed["row"].tolist(), strict=True):
        rows.setdefault(key, []).append(row)
    return {key: tuple(own) for key, own in rows.items()}


COMPARED = ("operator_match", "dn", *CONTACTS, "description")
_COLUMNS = (
    "domain", "status", "operator_id", "operator", "date", "days", "relisted", *COMPARED, "evidence", "rows",
)  # fmt: skip


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    texts = ("domain", "operator_id", "operator", *COMPARED, "evidence")
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


def _listed(space: TrustSpace, register: Register) -> pd.DataFrame:
    """Return the white list with a key to join by; test entries only of declared domains."""
    entries = space.entries
    key = entries["domain"].str.strip().str.lower().str.rstrip(".")
    known = set(register.declarations["domain_key"])
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
        whole[[c for c in COMPARED if c != "description"]]
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
            name_ or same_contact(*texts)
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


MATCH = {name: name if name.endswith("_match") else f"{name}_match" for name in COMPARED}


def _worst(pairs: pd.DataFrame, column: str) -> pd.Series:
    """Return for each domain how its rows compare: DN and operator by the best row, the rest by the worst.

    A domain has a row for each of its certificates and operators, and a declaration names one of them.
    """
    match = pairs[MATCH[column]]
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


def same_contact(phone: str, email: str, listed: str) -> bool:
    """Tell whether the listed contact has the declared phone and address; an unreadable one is not held."""
    phones, emails = _listed_contact(listed)
    return _declared(phone)[0] <= phones and _declared(email)[1] <= emails


def superseded(space: TrustSpace, pairs: pd.DataFrame, column: str, phone: str, email: str) -> pd.Series:
    """Tell where the list replaced a contact after it was declared, so that the register has the old one.

    Parameters
    ----------
    pairs
        Declarations with the listed rows they differ from, as `Match` describes.
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
        now = rows[[_listed_contact(text) == _listed_contact(listed) for text in rows[column]]]
        since, until = now["first_seen"].min(), old["last_seen"].max()
        replaced = until < since and date < since.tz_localize(None).normalize()
        told.append(since.isoformat() if replaced else "")
    return pd.Series(told, index=pairs.index, dtype="str")


def _plain_id(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).upper()


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
