"""How the register and the white list compare: the frame of statuses, from which the findings follow."""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from mssante_audit.audits.since import past_of
from mssante_audit.declarations.register import Register, domain_keys, filled, latest, mapped
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import structure_key
from mssante_audit.whitelist.rows import rows_by

STATUSES = (
    "withdrawn-listed", "not-listed", "differs", "not-declared", "as-declared", "pending", "withdrawn",
    "later", "unknown",
)  # fmt: skip
"""Statuses of a domain, worst first."""

CONTACTS = {
    "project_contact": ("project", "project_contact", "public_project_phone", "public_project_email"),
    "technical_contact": ("support", "support_contact", "public_technical_phone", "public_technical_email"),
}
"""Comparison: the kind of contact, the list's column, the register's columns."""

COMPARED = {
    "operator_match": ("", "differs", "spelling", "same"),
    "dn": ("", "differs", "spelling", "same"),
    **dict.fromkeys((*CONTACTS, "description"), ("", "same", "differs")),
}
"""What is compared, and the verdicts: of a domain's rows the one with the last counts. That is the best for
certificate and operator, since the list has a row for each and a declaration names one; else the worst."""
_LISTED = [
    "row",
    "operator_id",
    "operator",
    "dn",
    "dn_key",
    "project_contact",
    "support_contact",
    "description",
]
"""Columns of the list that are looked at."""
_TEXTS: dict[Hashable, str] = dict.fromkeys(
    ("domain", "operator_id", "operator", *COMPARED, "evidence"), "str"
)
_COLUMNS: dict[Hashable, Any] = {
    **_TEXTS,
    "status": pd.CategoricalDtype(list(STATUSES), ordered=True),
    "date": "datetime64[s]",
    "days": "Int64",
    "relisted": "bool",
    "rows": "object",
}
_ORDER = [
    "domain", "status", "operator_id", "operator", "date", "days", "relisted", *COMPARED, "evidence", "rows",
]  # fmt: skip


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
    listed, current = _listed(space, register), _current(register, space)
    pairs = _compared(register, current, listed)
    taken = ["domain_key", "operator_id", "date", "days", "relisted", "later", "withdrawal"]
    declared = current[taken].assign(
        operator=current["structure_name"].str.strip(),
        evidence=current["file"] + ":" + current["row"].astype("str"),
    )
    declared = declared.set_index("domain_key").join(_worst(pairs))
    undeclared = listed.loc[~listed["key"].isin(declared.index), ["key", "operator_id", "operator"]]
    undeclared = undeclared.drop_duplicates("key").set_index("key").assign(relisted=False)
    whole = pd.concat([declared, undeclared])
    rows = rows_by(listed, "key")
    whole["rows"] = [tuple(rows.get((key,), ())) for key in whole.index]
    whole["status"] = _statuses(whole, space.thresholds.listing_days)
    whole["relisted"] = _true(whole["relisted"]) & whole["rows"].map(bool).to_numpy()
    return Match(_typed(whole.rename_axis("domain").reset_index()), current, listed, pairs)


def no_statuses() -> pd.DataFrame:
    """Return the frame of statuses without a row."""
    return _typed(pd.DataFrame(columns=_ORDER))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame[_ORDER].fillna(dict.fromkeys(_TEXTS, "")).astype(_COLUMNS)
    return frame.sort_values(["status", "domain"], kind="stable", ignore_index=True)


def _listed(space: TrustSpace, register: Register) -> pd.DataFrame:
    """Return the white list with a key to join by; test entries only of declared domains."""
    key = domain_keys(space.entries["domain"])
    kept = ~space.entries["is_audit_entry"] | key.isin(register.declarations["domain_key"])
    return space.entries.loc[kept, _LISTED].assign(key=key[kept])


def _current(register: Register, space: TrustSpace) -> pd.DataFrame:
    """Return the declaration of each domain that counts, with what the dates say of it."""
    made = space.whitelist.generated_at
    seen = pd.Timestamp((min(made, space.as_of) if made else space.as_of).date())
    every = register.declarations[["domain_key", "date", "withdrawal"]]
    every = every[every["domain_key"] != ""]
    later = ~every.index.isin(register.until(space.as_of).index)
    every = every.assign(later=later, days=(seen - every["date"]).dt.days.astype("Int64"))
    counting = latest(every[~later])
    only_later = latest(every[later & ~every["domain_key"].isin(counting["domain_key"])])
    counts = pd.concat([counting, only_later])
    before = every[~later].drop(counting.index)
    withdrawn = before.loc[_true(before["withdrawal"]), "domain_key"]
    relisted = counts["domain_key"].isin(withdrawn) & ~counts["withdrawal"].fillna(value=True)
    current = register.declarations.loc[counts.index]
    return current.assign(later=counts["later"], days=counts["days"], relisted=relisted)


def _statuses(whole: pd.DataFrame, listing_days: int) -> np.ndarray:
    """Return what becomes of each domain: the first of the cases that is so."""
    present = whole["rows"].map(bool).to_numpy()
    undeclared = whole["evidence"].isna().to_numpy()
    withdrawn, later = _true(whole["withdrawal"]), _true(whole["later"])
    unread = whole["withdrawal"].isna().to_numpy()
    undated = whole["days"].isna().to_numpy() & ~present & ~withdrawn
    recent, young = _true(whole["days"] < 0), _true(whole["days"] <= listing_days)
    held = whole[[name for name in COMPARED if name != "description"]]
    cases = {
        "not-declared": undeclared,
        "later": later,
        "unknown": unread | undated,
        "pending": recent | (~withdrawn & ~present & young),
        "withdrawn-listed": withdrawn & present,
        "withdrawn": withdrawn,
        "not-listed": ~present,
        "differs": held.isin(["differs", "spelling"]).any(axis=1).to_numpy(),
    }
    return np.select(list(cases.values()), list(cases), "as-declared")


def _true(column: pd.Series) -> np.ndarray:
    """Tell where a column is certainly true."""
    return column.astype("boolean").fillna(value=False).to_numpy(dtype=bool)


def _compared(register: Register, current: pd.DataFrame, listed: pd.DataFrame) -> pd.DataFrame:
    """Return one row a pair of declaration and listed row, with how they compare."""
    stays = ~current["withdrawal"].fillna(value=True) & ~current["later"]
    asked = current[stays & ~_true(current["days"] < 0)]
    pairs = asked.reset_index(names="at").merge(
        listed, left_on="domain_key", right_on="key", suffixes=("", "_listed")
    )

    def compare(name: str, columns: tuple[str, ...], given: pd.Series, same: pd.Series) -> None:
        known = pairs["at"].isin(register.having(asked, *columns).index) & given
        verdict = np.where(known, np.where(same, "same", "differs"), "")
        pairs[match_of(name)] = pd.Series(verdict, index=pairs.index, dtype="str")

    own, theirs = (mapped(pairs[name], structure_key) for name in ("structure_id", "beneficiary_id"))
    other = mapped(pairs["operator_id_listed"], structure_key)
    compare(
        "operator_match",
        ("structure_id", "beneficiary_id"),
        (own != "") & (other != ""),
        (own == other) | (theirs == other),
    )
    first, second = filled(pairs, "dn_igc_sante"), filled(pairs, "dn_igc_cps")
    dn = pairs["dn_igc_sante"].where(first, pairs["dn_igc_cps"]).str.strip()
    exact = dn == pairs["dn"]
    compare("dn", ("dn_igc_sante", "dn_igc_cps"), first != second, exact)
    key = mapped(dn.where(~exact, ""), lambda text: parse_dn(text).key)
    pairs.loc[(pairs["dn_match"] == "differs") & (key == pairs["dn_key"]), "dn_match"] = "spelling"
    pairs["declared_dn"] = dn
    for name, (_, column, phone, email) in CONTACTS.items():
        texts = zip(pairs[phone].tolist(), pairs[email].tolist(), pairs[column].tolist(), strict=True)
        same = pd.Series([same_contact(*three) for three in texts], index=pairs.index, dtype="bool")
        compare(name, (phone, email), filled(pairs, phone) | filled(pairs, email), same)
    ours, listed_text = (mapped(pairs[name], _folded) for name in ("description", "description_listed"))
    compare("description", ("description",), ours != "", ours == listed_text)
    return pairs


def match_of(name: str) -> str:
    """Return the column of `Match.pairs` that tells how a pair compares."""
    return f"{name.removesuffix('_match')}_match"


def _worst(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return for each domain how its rows compare."""
    ranks = {n: pairs[match_of(n)].map({v: i for i, v in enumerate(o)}) for n, o in COMPARED.items()}
    last = pd.DataFrame(ranks).groupby(pairs["domain_key"], sort=False).max()
    return pd.DataFrame({n: last[n].map(dict(enumerate(o))).astype("str") for n, o in COMPARED.items()})


@cache
def _reached(text: str) -> tuple[frozenset[str], frozenset[str]]:
    contact = parse_contact(text)
    return frozenset(contact.phones), frozenset(contact.emails)


def same_contact(phone: str, email: str, listed: str) -> bool:
    """Tell whether the listed contact has the declared phone and address; an unreadable one is not held."""
    phones, emails = _reached(listed)
    return _reached(phone)[0] <= phones and _reached(email)[1] <= emails


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
    key = domain_keys(history["domain"])
    own = history[key.isin(pairs["domain_key"])].groupby(key, sort=False)
    earlier = {name: rows[[column, "first_seen", "last_seen"]] for name, rows in own}
    told = []
    columns = ["domain_key", column, phone, email, "date"]
    for name, listed, telephone, address, date in pairs[columns].itertuples(index=False, name=None):
        rows = earlier.get(name, history.iloc[:0])
        old = rows[[same_contact(telephone, address, text) for text in rows[column]]]
        now = rows[[_reached(text) == _reached(listed) for text in rows[column]]]
        since, until = now["first_seen"].min(), old["last_seen"].max()
        replaced = until < since and date < since.tz_localize(None).normalize()
        told.append(since.isoformat() if replaced else "")
    return pd.Series(told, index=pairs.index, dtype="str")


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
