"""How the register and the white list compare: the frame of statuses, from which the findings follow."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from mssante_audit.audits.declarations.groups import day_of
from mssante_audit.audits.reconciliation.parties import Party, parties_of
from mssante_audit.base.frames import columns_of, dtypes
from mssante_audit.base.text import fold
from mssante_audit.declarations.register import Register, due_from, filled
from mssante_audit.declarations.values import mapped
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.dn import parse_dn, pasted_dn
from mssante_audit.values.hosts import domain_key
from mssante_audit.whitelist.rows import grouped, rows_by, tuples

# Statuses of a domain, worst first.
STATUSES = (
    "withdrawn-listed", "not-listed", "differs", "not-declared", "unknown", "under-way", "as-declared",
    "withdrawn", "later", "outside",
)  # fmt: skip

# Comparison: the kind of contact, the list's column, the register's columns.
CONTACTS = {
    "project_contact": ("project", "project_contact", "public_project_phone", "public_project_email"),
    "technical_contact": ("support", "support_contact", "public_technical_phone", "public_technical_email"),
}

# What is compared, and the verdicts: of a domain's rows the one with the last counts. That is the best for
# certificate and operator, since the list has a row for each and a declaration names one; else the worst.
COMPARED = {
    "operator_match": ("", "differs", "spelling", "same"),
    "dn": ("", "differs", "spelling", "same"),
    **dict.fromkeys(("certificates", *CONTACTS, "description"), ("", "same", "differs")),
}
_VERDICTS = {name: pd.CategoricalDtype(list(verdicts), ordered=True) for name, verdicts in COMPARED.items()}
LINES = ("dn_igc_sante", "dn_igc_cps")  # the form's two lines of DN
_CUT = 250  # characters from which a listed description may be cut: at 255, blanks included (data)
NOBODY = -1  # the party of a row that no declaration is about
FRAME = columns_of("mssante_audit.audits.reconciliation", "statuses", status=STATUSES)
_DTYPES = {**dtypes(FRAME), "party": "int64"}


@dataclass(frozen=True)
class Match:
    """A register held against a list."""

    statuses: pd.DataFrame
    """One row a domain and operator, as `FRAME`, and the number of the ``party`` (`NOBODY` if undeclared)."""
    current: pd.DataFrame
    """The declarations that count, with the ``party`` of each; the first of a party is its dated one."""
    listed: pd.DataFrame  # the white list's rows, with the ``key`` they are joined by and their ``party``
    pairs: pd.DataFrame  # a row a pair of declaration and listed row, with a ``<comparison>_match`` each


def match(space: TrustSpace) -> Match:
    """Hold the register of a space, which has one, against its white list; worked out once for a space."""
    register = space.register
    assert register is not None  # noqa: S101 - who asks has looked
    return space.once("reconciliation", lambda: _matched(register, space))


def _matched(register: Register, space: TrustSpace) -> Match:
    listed = space.entries.assign(key=mapped(space.entries["domain"], domain_key))
    relevant = ~listed["is_audit_entry"] | among(listed["key"], register.declarations["domain_key"])
    listed = listed[relevant]
    parties = parties_of(register, space, listed)
    holder = {row: number for number, party in enumerate(parties) for row in party.rows}
    listed["party"] = [holder.get(row, NOBODY) for row in listed.index.tolist()]
    labels = [(number, at) for number, party in enumerate(parties) for at in party.at]
    current = register.declarations.loc[[at for _, at in labels]].assign(party=[n for n, _ in labels])
    current = current.sort_values(["party", "date"], na_position="last", kind="stable")
    current["days"] = (day_of(space) - due_from(current)).dt.days.astype("Int64")
    pairs = _compared(register, current, listed, parties)
    undeclared = listed[listed["party"] == NOBODY]  # one row a domain and operator
    rest = undeclared[["key", "operator_id", "operator", "party"]].drop_duplicates(["key", "operator_id"])
    outside = False if space.covered is None else ~rest["operator_id"].isin(space.covered)
    rest = rest.rename(columns={"key": "domain"}).assign(relisted=False, lent=False, outside=outside)
    worst = pairs.groupby("party", sort=False)[[match_of(name) for name in COMPARED]].max()
    compared = worst.set_axis(list(COMPARED), axis=1).astype("str")
    table = pd.concat([_declared(current, parties).join(compared), rest])
    numbers = dict(zip(listed.index.tolist(), listed["row"].tolist(), strict=True))
    others = rows_by(undeclared, "key", "operator_id")
    of_parties = [tuple(sorted(numbers[at] for at in party.rows)) for party in parties]
    table["rows"] = [*of_parties, *map(tuple, others.values())]
    table["status"] = _statuses(table, space.thresholds.listing_days)
    days_left = space.thresholds.listing_days - table["days"]
    table["days_left"] = days_left.where(table["status"] == "under-way")
    table["relisted"] = _true(table["relisted"]) & table["rows"].map(bool).to_numpy()
    return Match(_typed(table), current, listed, pairs)


def statuses(space: TrustSpace) -> pd.DataFrame:
    """Return the statuses of a space, one row a domain and operator; none without a register."""
    return match(space).statuses if space.register else _typed(pd.DataFrame(columns=[*_DTYPES]))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    texts: dict[Hashable, str] = {column.name: "" for column in FRAME if column.dtype == "str"}
    frame = frame[[*_DTYPES]].fillna(texts).astype(_DTYPES)
    return frame.sort_values(["status", "domain", "operator_id"], kind="stable", ignore_index=True)


def _declared(current: pd.DataFrame, parties: Sequence[Party]) -> pd.DataFrame:
    first = current.drop_duplicates("party").set_index("party")
    where = grouped((party, f"{file}:{row}") for party, file, row in tuples(current, "party", "file", "row"))
    flags = [(party.withdrawn, party.later, bool(party.lent), party.relisted) for party in parties]
    of_party = pd.DataFrame(flags, columns=["withdrawal", "later", "lent", "relisted"], dtype="boolean")
    columns = {
        "domain": first["domain_key"], "operator_id": first["operator_id"],
        "operator": first["structure_name"].str.strip(), "date": first["date"], "days": first["days"],
        "evidence": pd.Series({party: "; ".join(places) for party, places in where.items()}, dtype="str"),
    }  # fmt: skip
    return pd.DataFrame(columns).join(of_party).assign(party=range(len(parties)), outside=False)


def _statuses(table: pd.DataFrame, listing_days: int) -> np.ndarray:
    """Return what becomes of each domain: the first of the cases that is so."""
    present = table["rows"].map(bool).to_numpy()
    undeclared = (table["party"] == NOBODY).to_numpy()
    withdrawn, later, lent = (_true(table[name]) for name in ("withdrawal", "later", "lent"))
    unread = table["withdrawal"].isna().to_numpy()
    undated = table["days"].isna().to_numpy() & (present == withdrawn)
    young = _true(table["days"] <= listing_days)
    compared = table[[name for name in COMPARED if name != "description"]]
    differs = lent | compared.isin(["differs", "spelling"]).any(axis=1).to_numpy()
    cases = {
        "outside": _true(table["outside"]),
        "not-declared": undeclared,
        "later": later,
        "unknown": unread | undated,
        "under-way": young & np.where(present | lent, withdrawn | differs, ~withdrawn),
        "withdrawn-listed": withdrawn & present,
        "withdrawn": withdrawn,
        "not-listed": ~present & ~lent,
        "differs": differs,
    }
    return np.select(list(cases.values()), list(cases), "as-declared")


def _true(column: pd.Series) -> np.ndarray:
    """Tell where a column is certainly true."""
    return column.astype("boolean").fillna(value=False).to_numpy(dtype=bool)


def _compared(
    register: Register, current: pd.DataFrame, listed: pd.DataFrame, parties: Sequence[Party]
) -> pd.DataFrame:
    active = current.loc[[parties[n].withdrawn is False and not parties[n].later for n in current["party"]]]
    lent = [listed.loc[[*p.lent]].assign(party=number) for number, p in enumerate(parties) if p.lent]
    rows = pd.concat([listed, *lent])
    pairs = active.reset_index(names="at").merge(rows, on="party", suffixes=("", "_listed"))

    def compare(name: str, columns: tuple[str, ...], is_given: pd.Series, same: Iterable[bool]) -> None:
        comparable = pairs["at"].isin(register.having(active, *columns).index) & is_given
        verdicts = np.where(comparable, np.where(np.fromiter(same, bool), "same", "differs"), "")
        pairs[match_of(name)] = pd.Categorical(verdicts, dtype=_VERDICTS[name])

    foreign = pairs["party"].isin([number for number, party in enumerate(parties) if party.foreign])
    ids = (pairs["operator_id"] != "") & (pairs["operator_id_listed"] != "")
    compare("operator_match", ("structure_id", "beneficiary_id"), ids, ~foreign)
    first, second = (filled(pairs, line) for line in LINES)
    dn = mapped(pairs["dn_igc_sante"].where(first, pairs["dn_igc_cps"]), pasted_dn)
    equal = dn == pairs["dn"]
    exact = equal | (mapped(dn.where(~equal, ""), _canonical) == pairs["dn"])
    compare("dn", LINES, first != second, exact)
    key = mapped(dn.where(~exact, ""), _name)
    differs = pairs["dn_match"] == "differs"
    pairs.loc[differs & (key == pairs["dn_key"]), "dn_match"] = "spelling"
    pairs.loc[differs & (key == ""), "dn_match"] = ""
    pairs["declared_dn"] = dn
    pairs["line"] = pd.Series(np.where(first, *LINES), index=pairs.index, dtype="str")
    # Of several declarations of a day a row is compared only with that of its certificate.
    twins = pairs["date"].notna() & pairs.duplicated(["party", "row_listed", "date"], keep=False)
    right = twins & pairs["dn_match"].isin(["same", "spelling"])
    of_day = pd.MultiIndex.from_frame(pairs[["party", "row_listed", "date"]])
    pairs = pairs[right | ~of_day.isin(of_day[right])]
    for name, (_, column, phone, email) in CONTACTS.items():
        same = (same_contact(*three) for three in tuples(pairs, phone, email, column))
        compare(name, (phone, email), filled(pairs, phone) | filled(pairs, email), same)
    # No matter accents, punctuation, blanks (``C.H.``) and case, nor the end of what the list cut.
    folded = cache(lambda text: fold(text).replace(" ", ""))
    alike = (
        a == b or folded(a) == folded(b) or (len(b) >= _CUT and folded(a).startswith(folded(b)))
        for a, b in tuples(pairs, "description", "description_listed")
    )
    compare("description", ("description",), filled(pairs, "description"), alike)
    return _certain(_certificates(register, pairs, parties))


def _certificates(register: Register, pairs: pd.DataFrame, parties: Sequence[Party]) -> pd.DataFrame:
    """Return the pairs with ``certificates_match``: whether a further certificate is declared too."""
    right = pairs.loc[pairs["dn_match"].isin(["same", "spelling"]), "party"]
    differing = (pairs["dn_match"] == "differs") & pairs["party"].isin(right)
    numbers = pairs.loc[differing, "party"].unique().tolist()
    declared = [(number, at) for number in numbers for at in (*parties[number].at, *parties[number].earlier)]
    lines = register.declarations.loc[[at for _, at in declared], list(LINES)].to_numpy()
    named = {
        (number, _name(pasted_dn(text)))
        for (number, _), texts in zip(declared, lines, strict=True)
        for text in texts
    }
    is_named = [key in named for key in tuples(pairs, "party", "dn_key")]
    verdicts = np.where(differing, np.where(is_named, "same", "differs"), "")
    return pairs.assign(certificates_match=pd.Categorical(verdicts, dtype=_VERDICTS["certificates"]))


def _certain(pairs: pd.DataFrame) -> pd.DataFrame:
    """Keep only the verdicts on which all declarations that may be a party's last agree."""
    matches = [match_of(name) for name in COMPARED]
    follows = pairs["operator_match"] == "differs"
    pairs.loc[follows, matches[1:]] = ""
    single = pairs.groupby(["party", "row_listed"])[matches].transform("nunique") == 1
    pairs[matches] = pairs[matches].where(single, "")
    return pairs.drop_duplicates(["party", "row_listed"], ignore_index=True)


def _name(text: str) -> str:
    """Return the key of a DN, "" for a text that is none, or no more than a part of one."""
    dn = parse_dn(text)
    return "" if "unreadable" in dn.problems or len(dn.rdns) < 2 else dn.key


def _canonical(text: str) -> str:
    """Return a declared DN without the layout of tools and hands; quotes stay, for the list may lack them."""
    dn = parse_dn(text)
    return text if "quotes" in dn.problems else dn.canonical


def among(texts: pd.Series, others: pd.Series) -> pd.Series:
    """Tell which texts are among others; of texts `isin` takes ten times as long."""
    values = {*others.tolist()}
    return pd.Series([text in values for text in texts.tolist()], texts.index, dtype="bool")


def match_of(name: str) -> str:
    """Return the column of `Match.pairs` that tells how a pair compares."""
    return f"{name.removesuffix('_match')}_match"


def same_contact(phone: str, email: str, listed: str) -> bool:
    """Tell whether the listed contact has the declared phone and address; an unreadable one is not held."""
    phones, emails = parse_contact(listed).coordinates
    return phones.issuperset(parse_contact(phone).phones) and emails.issuperset(parse_contact(email).emails)


def superseded(space: TrustSpace, pairs: pd.DataFrame, column: str, phone: str, email: str) -> pd.Series:
    """Return when the list replaced a contact that the register still has.

    That is the time of the first list with the contact that is listed now; "" where no earlier list tells.
    """
    past, instants = space.past, []
    history = past[0] if past else pd.DataFrame(columns=["domain", column, "first_seen", "last_seen"])
    spells = tuples(history, column, "first_seen", "last_seen")
    earlier = grouped(zip(mapped(history["domain"], domain_key), spells, strict=True))
    texts = tuples(pairs, "domain_key", column, phone, email, "date")
    for name, listed, telephone, address, date in texts:
        rows = earlier.get(name, [])
        until = [last for text, _, last in rows if same_contact(telephone, address, text)]
        reached = parse_contact(listed).coordinates
        bearing = [first for text, first, _ in rows if parse_contact(text).coordinates == reached]
        since = min(bearing, default=None)
        replaced = since and until and max(until) < since and date < since.tz_localize(None).normalize()
        instants.append(since.isoformat() if since and replaced else "")
    return pd.Series(instants, index=pairs.index, dtype="str")
