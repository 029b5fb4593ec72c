"""Whose declaration counts: the operators of each domain, each with its own declarations and its own rows.

A declaration without a date is neither first nor last, so that a party has several where it may be the last.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from mssante_audit.audits.declarations.groups import root_of
from mssante_audit.audits.declarations.names import akin
from mssante_audit.base.text import fold
from mssante_audit.declarations.register import Register, latest
from mssante_audit.declarations.values import mapped
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn, pasted_dn
from mssante_audit.whitelist.rows import grouped, tuples

_KEYS = ("domain_key", "whose", "withdrawal", "date")


@dataclass(slots=True)
class Party:
    """One operator's declarations of one domain, of which none is known to be replaced."""

    structure: str  # what its operator is known by; "" where the declarations do not tell
    at: list[int] = field(default_factory=list)  # labels of the declarations, in the register's order
    withdrawn: bool | None = None
    """Whether all of them ask for the withdrawal; None where one cannot be read, or where they disagree."""
    date: pd.Timestamp | None = None  # of the dated one
    later: bool = False  # whether it has only declarations of a later day than the audit's
    known: bool = True  # whether its identifiers could be read
    relisted: bool = False
    """Whether the dated declaration is none of withdrawal, and of a later day than one that was."""
    earlier: Sequence[int] = ()  # labels of those that its operator made of the domain before
    rows: list[int] = field(default_factory=list)  # labels of its rows of the list
    lent: Sequence[int] = ()  # labels of another party's rows, where this one came later and has none
    foreign: bool = False  # whether all these rows are of another operator than declared


def parties_of(register: Register, space: TrustSpace, listed: pd.DataFrame) -> list[Party]:
    """Return the parties of declared domains that matter against the `listed` rows with their keys."""
    declared = register.declarations[register.declarations["domain_key"] != ""]
    root = root_of(declared["operator_id"].unique().tolist(), space.structures)
    declared = declared.assign(whose=mapped(declared["operator_id"], root))
    declared["name"] = mapped(declared["structure_name"], fold)
    declared["whose"] = _merged_by_name(declared)
    past = declared[declared.index.isin(register.until(space.as_of).index)]
    now = _with_twins(latest(past, past["whose"]), past)
    parties = _grouped(now, register)
    of_party = pd.MultiIndex.from_frame(declared[["domain_key", "whose"]])
    coming = declared[~of_party.isin(pd.MultiIndex.from_frame(past[["domain_key", "whose"]]))]
    for domain, of_domain in _grouped(latest(coming, coming["whose"]), register).items():
        parties.setdefault(domain, []).extend(of_domain)
        for party in of_domain:
            party.later = True
    replaced = past[~past.index.isin(now.index)].reset_index(names="at")
    for at, domain, structure, withdrawal, date in tuples(replaced, "at", *_KEYS):
        party = next(p for p in parties[domain] if p.structure == structure and not p.later)
        party.earlier = (*party.earlier, at)
        if withdrawal is not pd.NA and withdrawal and party.date is not None and party.withdrawn is False:
            party.relisted |= bool(date < party.date)
    _give_rows(parties, declared, listed, root)
    return [party for of_domain in parties.values() for party in _deciding(of_domain)]


def _with_twins(now: pd.DataFrame, past: pd.DataFrame) -> pd.DataFrame:
    """Return the declarations that count, with those of one operator and day for another certificate."""
    active = past[past["date"].notna() & ~past["withdrawal"].fillna(value=True)]
    dn = mapped(active["dn_igc_sante"] + "\n" + active["dn_igc_cps"], lambda text: pasted_dn(text.strip()))
    keys = active[["domain_key", "date", "whose"]]
    keys = keys[(dn != "") & ~keys.assign(dn=dn).duplicated(keep="last")]
    counting = pd.MultiIndex.from_frame(keys[keys.index.isin(now.index)])
    twins = keys.index[pd.MultiIndex.from_frame(keys).isin(counting)]
    return past.loc[past.index.isin([*now.index, *twins])]


def _merged_by_name(declared: pd.DataFrame) -> pd.Series:
    """Return the structures, those of one domain and name merged if their numbers allow it."""
    rows = declared[declared["whose"] != ""].drop_duplicates(["domain_key", "whose"])
    rows = rows[rows.duplicated("domain_key", keep=False)]
    first: dict[tuple[str, str], str] = {}
    by_name: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for domain, structure, number, name in tuples(rows, "domain_key", "whose", "operator_id", "name"):
        if name:
            alike = (root for root, identifier in by_name[domain, name] if akin(identifier, number))
            first[domain, structure] = next(alike, structure)
            by_name[domain, name].append((first[domain, structure], number))
    texts = tuples(declared, "domain_key", "name", "whose")
    uses = [(domain, name, first.get((domain, structure), structure)) for domain, name, structure in texts]
    called = {(domain, name): structure for domain, name, structure in uses if structure and name}
    named = [structure or called.get((domain, name), "") for domain, name, structure in uses]
    return pd.Series(named, index=declared.index, dtype="str")


def _grouped(now: pd.DataFrame, register: Register) -> dict[str, list[Party]]:
    """Return the parties of each domain, without rows."""
    readable = set(register.having(now, "structure_id", "beneficiary_id").index)
    groups: dict[tuple[str, str], Party] = {}
    for at, domain, structure, withdrawal, date in tuples(now.reset_index(names="at"), "at", *_KEYS):
        withdrawn = None if withdrawal is pd.NA else bool(withdrawal)
        party = groups.setdefault((domain, structure), Party(structure, withdrawn=withdrawn))
        party.at.append(at)
        party.known &= at in readable
        party.withdrawn = withdrawn if party.withdrawn == withdrawn else None
        if date is not pd.NaT:
            party.date = date
    return grouped((domain, party) for (domain, _), party in groups.items())


def _give_rows(
    parties: dict[str, list[Party]], declared: pd.DataFrame, listed: pd.DataFrame, root: Callable[[str], str]
) -> None:
    of_domain = [(domain, party) for domain, group in parties.items() for party in group]
    claims = {(domain, party.structure): party for domain, party in reversed(of_domain) if party.structure}
    for name in ("operator_id", "beneficiary_id"):
        numbers = dict(zip(declared.index.tolist(), mapped(declared[name], root).tolist(), strict=True))
        for domain, party in of_domain:
            for number in filter(None, (numbers[at] for at in party.at)):
                claims.setdefault((domain, number), party)
    leftovers: dict[str, dict[int, tuple[str, ...]]] = {}  # certificate's key, operator, its number
    rows = listed.assign(at=listed.index, whose=mapped(listed["operator_id"], root))
    columns = ("whose", "at", "key", "dn_key", "operator", "operator_id")
    for structure, row, domain, *texts in tuples(rows, *columns):
        if owner := claims.get((domain, structure)):
            owner.rows.append(row)
        elif domain in parties:
            leftovers.setdefault(domain, {})[row] = tuple(texts)
    for domain, unclaimed in leftovers.items():
        _give_left(parties[domain], unclaimed, declared)


def _give_left(parties: list[Party], rows: dict[int, tuple[str, ...]], declared: pd.DataFrame) -> None:
    """Give rows that no identifier claims to the party with their certificate or name."""
    of_dn: dict[str, Party] = {}
    of_number: dict[str, Party] = {}
    columns = ("dn_igc_sante", "dn_igc_cps", "name", "operator_id")
    for party in parties:
        for *lines, name, number in tuples(declared.loc[party.at], *columns):
            of_dn |= {parse_dn(pasted_dn(text)).key: party for text in lines if text.strip()}
            named = [other for _, operator, other in rows.values() if name == fold(operator) != ""]
            of_number |= {other: party for other in named if akin(number, other)}
    unknown = next((party for party in reversed(parties) if not party.structure), None)
    others: list[int] = []
    for row, (key, _, number) in rows.items():
        only_party = parties[0] if len(parties) == 1 and not number else None
        owner = of_dn.get(key) or of_number.get(number) or unknown or only_party
        (owner.rows if owner else others).append(row)
    lending = [party for party in parties if not party.withdrawn or not party.known]
    if others and lending and not any(party.rows for party in parties):
        heir = _last(lending)
        heir.rows, heir.foreign = others, True


def _deciding(parties: list[Party]) -> list[Party]:
    """Return the parties that matter: those that have rows, one that came after; without rows, the last."""
    last = _last(parties)
    holding = [party for party in parties if party.rows]
    if not holding:
        undated = [party for party in parties if party.date is None and party is not last]
        if any(party.withdrawn != last.withdrawn for party in undated):
            last.withdrawn = None
        return [last]
    dated = all(party.date is not None for party in (*holding, last))
    if last.rows or last.later or not dated:
        return holding
    if not last.structure:  # whose declaration it is nobody can tell
        for party in holding:
            party.withdrawn = party.withdrawn if party.withdrawn == last.withdrawn else None
    elif last.withdrawn is False:  # else a former operator's
        last.lent, last.foreign = [row for party in holding for row in party.rows], True
        holding.append(last)
    return holding


def _last(parties: Sequence[Party]) -> Party:
    """Return the party with the latest declaration; of two of one day the lower in the register."""
    return max(
        parties, key=lambda p: (not p.later, p.date is not None, p.date or pd.Timestamp.min, max(p.at))
    )
