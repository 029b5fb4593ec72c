"""Rows of a list by what they hold; names of operators, and which identifiers stand for one structure."""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from itertools import chain, pairwise
from typing import Any, TypeVar

import pandas as pd

from mssante_audit.base.text import fold
from mssante_audit.values.contacts import parse_contact
from mssante_audit.values.identifiers import structure_key

Rows = dict[tuple[str, ...], list[int]]
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

CPS_ISSUER = "GIP-CPS"  # the O of every IGC-CPS certificate: the authority, not the operator (source: form)

_OU = re.compile(r",OU=(?:[^,+\\]|\\.)*")


def grouped(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, list[Value]]:
    """Return the values of each key; keys and values in the order given."""
    groups: dict[Key, list[Value]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def tuples(frame: pd.DataFrame, *columns: str) -> Iterator[tuple[Any, ...]]:
    """Return the rows of some columns; of texts `itertuples` takes four times as long."""
    return zip(*(frame[column].tolist() for column in columns), strict=True)


def rows_by(entries: pd.DataFrame, *columns: str) -> Rows:
    """Return, for each combination of texts in some columns, in list order, its row numbers, ascending."""
    return grouped(zip(tuples(entries, *columns), entries["row"].tolist(), strict=True))


def all_rows(groups: Iterable[Iterable[int]]) -> tuple[int, ...]:
    """Return the rows of several groups in one tuple."""
    return tuple(row for group in groups for row in group)


def joined(*links: Iterable[tuple[Hashable, Hashable]]) -> Callable[[Hashable], Hashable]:
    """Return a function from a value to the one that stands for all linked ones.

    >>> root = joined([("a", 1), ("b", 2)], [("c", 1)])
    >>> root("a") == root("c"), root("a") == root("b")
    (True, False)
    """
    parent: dict[Hashable, Hashable] = {}

    def root(key: Hashable) -> Hashable:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]  # keeps chains short, whatever the list
            key = parent[key]
        return key

    for first, second in chain(*links):
        parent[root(first)] = root(second)
    return root


def above_of(domain: str) -> Iterator[str]:
    """Yield the domains that one lies under, the nearest first."""
    while domain := domain.partition(".")[2]:
        yield domain


def operator_names(entries: pd.DataFrame) -> dict[str, str]:
    """Return the name of each operator by its identifier, "" where there is none.

    It is that of most rows, of several the first by the alphabet: the order of a list moves every night.
    """
    uses = rows_by(entries, "operator_id", "operator")
    names = dict.fromkeys((operator_id for operator_id, _ in uses), "")
    for operator_id, name in sorted(uses, key=lambda use: (-len(uses[use]), use)):
        names[operator_id] = names[operator_id] or (name if name != CPS_ISSUER else "")
    return names


def owners(entries: pd.DataFrame) -> dict[str, tuple[str, str, str]]:
    """Return by domain the operator of most of its rows: identifier, and name and département on most."""
    operators, rows = {}, tuples(entries, "domain", "operator_id", "operator", "department")
    for domain, bearers in grouped((d, (number, name, seat)) for d, number, name, seat in rows).items():
        of_operator, uses = Counter(number for number, *_ in bearers), Counter(bearers)
        # Sorted: the order of the list moves from night to night.
        operators[domain] = max(sorted(uses), key=lambda o: (of_operator[o[0]], uses[o], *map(bool, o)))
    return operators


def structures(entries: pd.DataFrame, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Tell which operator identifiers stand for one structure: each → the first of the structure's, in order.

    Two do if they are numbers of one structure (`structure_key`); if they are in one certificate's name, all
    else being the same, on two rows each (one row is a slip) with a contact in common; or if operators of one
    name (on one row of several it is a slip) share domains, always with the same contacts. Name and
    département are not enough (three hospitals of one département bear one name), nor are contacts (a
    supplier gives its customer's). "" is left out.
    `known` is what other lists show: its identifiers come too, the first being of `entries` if one is.
    """
    ids = {*entries["operator_id"].unique()} - {""}
    all_ids = {*ids, *(known or {})}
    known_keys = {structure_key(operator_id) for operator_id in all_ids}
    numbers = [(("number", structure_key(operator_id, known_keys)), operator_id) for operator_id in all_ids]
    root = joined((known or {}).items(), _same_names(entries), numbers, _same_contacts(entries))
    leader: dict[Hashable, str] = {}  # whatever the order of the list, which moves from night to night
    for operator_id in (*sorted(ids), *sorted(all_ids - ids)):
        leader.setdefault(root(operator_id), operator_id)
    return {operator_id: leader[root(operator_id)] for operator_id in sorted(all_ids)}


def _same_names(entries: pd.DataFrame) -> list[tuple[str, str]]:
    """Return operators whose certificates only differ in OU, on several rows, with a contact in common."""
    columns = ("operator_id", "dn_key", "project_contact", "support_contact")
    uses = Counter(tuples(entries, *columns))
    named = (
        (_OU.sub("", key), (owner, *texts))
        for (owner, key, *texts), rows in uses.items()
        if owner and key[:3] == "CN="
        for _ in range(min(rows, 2))  # several are as good as many
    )
    links = []
    for bearers in grouped(named).values():
        contacts = grouped((owner, texts) for owner, *texts in bearers)
        several = {owner: {*chain(*texts)} for owner, texts in contacts.items() if len(texts) > 1}
        homes: dict[str, str] = {}
        for owner, texts in several.items() if len(several) > 1 else ():
            links += [(owner, homes.setdefault(parse_contact(text).key, owner)) for text in texts]
    return links


def _same_contacts(entries: pd.DataFrame) -> list[tuple[str, str]]:
    """Return operators of one name that share domains and have the same contacts on each of them."""
    holders: dict[tuple[str, str], dict[str, set[tuple[str, str]]]] = {}
    columns = ("operator_id", "operator", "domain", "project_contact", "support_contact")
    pairs = entries[["domain", "operator_id"]].drop_duplicates()
    shared = pairs.loc[pairs["domain"].duplicated(), "domain"]
    groups = rows_by(entries[entries["domain"].isin(shared)], *columns)
    ids = entries["operator_id"].tolist()
    sizes, named = Counter(ids), Counter(zip(ids, entries["operator"].tolist(), strict=True))
    for operator_id, name, domain, project, support in groups:
        is_slip = named[operator_id, name] == 1 < sizes[operator_id]
        if operator_id and name and name != CPS_ISSUER and not is_slip:
            owners = holders.setdefault((fold(name), domain), {})
            owners.setdefault(operator_id, set()).add((project, support))
    agreed: dict[tuple[str, str], bool] = {}
    for owners in holders.values():
        for pair in pairwise(sorted(owners)):
            first, second = ({tuple(parse_contact(t).key for t in use) for use in owners[o]} for o in pair)
            agreed[pair] = agreed.get(pair, True) and not first.isdisjoint(second)
    return [pair for pair, same in agreed.items() if same]
