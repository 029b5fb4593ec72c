"""Which domain of an earlier list is which of a later one, under another name.

Three kinds of evidence: rows the same otherwise, which no other domain holds; rows that are the same
otherwise, or at least an operator and a certificate that are, with a name only a few letters away; a rename
that the history supports, because the lists in between show it. A name may be on one side of one rename only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd

MANY = 40_000
"""Pairs of names compared at most, within one group."""
SMALL = 2
"""Edits within which a name is near another when the rows are not the same otherwise."""


@dataclass(frozen=True, slots=True)
class Domains:
    """The domains that only one of two lists has."""

    rows: dict[str, list[Any]]
    """Domain → its rows."""
    shapes: Counter[Hashable]
    """How many domains of the whole list hold each content, the name left out."""


def find_renames(
    gone: Domains,
    come: Domains,
    shape: Callable[[Any], Hashable],
    owner: Callable[[Any], str],
    known: Mapping[str, str],
) -> dict[str, str]:
    """Return which of the domains gone is which of those come: old name → new name.

    Parameters
    ----------
    gone, come
        The domains of the earlier list only, and of the later one only.
    shape
        Gives a row's content without its domain.
    owner
        Gives the structure a row belongs to.
    known
        Renames that the history supports.
    """
    found = {was: to for was, to in known.items() if was in gone.rows and to in come.rows}
    left = {name: rows for name, rows in gone.rows.items() if name not in found}
    right = {name: rows for name, rows in come.rows.items() if name not in found.values()}
    for was, to in _same_rows(left, right, gone, come, shape):
        found[was] = to
        del left[was], right[to]
    for was, to in _near_names(left, right, owner):
        found[was] = to
    return found


def _same_rows(
    left: Mapping[str, list[Any]],
    right: Mapping[str, list[Any]],
    gone: Domains,
    come: Domains,
    shape: Callable[[Any], Hashable],
) -> list[tuple[str, str]]:
    """Pair domains whose rows are the same otherwise: nobody else's, or of names near each other."""
    groups: dict[Hashable, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for side, names in ((0, left), (1, right)):
        for name, rows in names.items():
            groups[frozenset(Counter(map(shape, rows)).items())][side].append(name)
    found = []
    for shapes, (old, new) in groups.items():
        contents = [content for content, _ in shapes]  # type: ignore[attr-defined]
        own = all(gone.shapes[c] == 1 and come.shapes[c] == 1 for c in contents)
        if own and len(old) == len(new) == 1:
            found.append((old[0], new[0]))
        else:
            found += _closest(old, new, lambda a, b: max(SMALL, min(len(_stem(a)), len(_stem(b))) // 3))
    return found


def _near_names(
    left: Mapping[str, list[Any]], right: Mapping[str, list[Any]], owner: Callable[[Any], str]
) -> list[tuple[str, str]]:
    """Pair names a few letters apart, of one operator, that keep a certificate or both contacts."""
    found = []
    by_owner: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for side, names in ((0, left), (1, right)):
        for name, rows in names.items():
            by_owner[owner(rows[0])][side].append(name)

    def near(a: str, b: str) -> int:
        kept = {r.dn for r in left[a]} & {r.dn for r in right[b]}
        contacts = {(r.project, r.support) for r in left[a]} & {(r.project, r.support) for r in right[b]}
        # ch-alpha1 and ch-alpha2 are two establishments, not one name spelt twice.
        digits = [c for c in a if c.isdigit()] == [c for c in b if c.isdigit()]
        return SMALL if kept and contacts and digits else -1

    for old, new in by_owner.values():
        found += _closest(old, new, near)
    return found


def _closest(
    old: Sequence[str], new: Sequence[str], limit: Callable[[str, str], int]
) -> list[tuple[str, str]]:
    """Pair each name with the one nearest to it, the nearest pairs first; none where two are as near.

    None either where there are too many to compare: names of one operator that all came and went at once.
    """
    if len(old) * len(new) > MANY:
        return []
    distances = sorted(
        (d, a, b) for a in old for b in new if (d := distance(a, b, top := limit(a, b))) <= top
    )
    found: list[tuple[str, str]] = []
    for d, a, b in distances:
        rivals = [(x, y) for e, x, y in distances if e == d and (x == a) != (y == b)]
        taken = {name for pair in found for name in pair}
        if a not in taken and b not in taken and not [1 for x, y in rivals if {x, y}.isdisjoint(taken)]:
            found.append((a, b))
    return found


def _stem(name: str) -> str:
    return name.removesuffix(".mssante.fr")


def distance(a: str, b: str, most: int) -> int:
    """Return how many letters to add, drop or change make `b` of `a`; `most` + 1 if more than that.

    >>> distance("ch-alpha", "ch-alfa", 3), distance("ch-alpha", "ehpad-beta", 2)
    (2, 3)
    """
    if abs(len(a) - len(b)) > most or most < 0:
        return most + 1
    line = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, line[0] = line[0], i
        for j, y in enumerate(b, 1):
            above, line[j] = line[j], min(line[j] + 1, line[j - 1] + 1, above + (x != y))
        if min(line) > most:
            return most + 1
    return min(line[-1], most + 1)


def renames_in(history: pd.DataFrame, times: Sequence[Any]) -> dict[str, str]:
    """Return the renames that the history supports over a span: name at its start → name at its end.

    A domain whose rows are last seen in one list, and a domain first seen in the next one with the same rows
    otherwise, that nobody else holds in the history, are one domain; such steps are put together.

    Parameters
    ----------
    history
        See `mssante_audit.history`.
    times
        Generation times of the lists of the span, in order, the first and the last included.
    """
    if len(times) < 3:
        return {}
    steps = dict(_steps(history, times))
    found = {}
    for start in steps.keys() - set(steps.values()):
        name = start
        while name in steps:
            name = steps[name]
        found[start] = name
    return found


def _steps(history: pd.DataFrame, times: Sequence[Any]) -> Iterator[tuple[str, str]]:
    index = {pd.Timestamp(time): i for i, time in enumerate(times)}
    columns = ("domain", "dn", "description", "project_contact", "support_contact")
    texts = [history[name].tolist() for name in columns]
    first, last = (_positions(history[name], index) for name in ("first_seen", "last_seen"))
    seen = (history["first_seen"].tolist(), history["last_seen"].tolist())
    born, died = ({}, {}) if not first else _lives(texts[0], first, last)
    holders: dict[Hashable, list[tuple[Any, Any]]] = defaultdict(list)
    leaving: dict[str, set[Hashable]] = defaultdict(set)
    coming: dict[str, set[Hashable]] = defaultdict(set)
    for name, *content, start, end, since, until in zip(*texts, first, last, *seen, strict=True):
        holders[tuple(content)].append((since, until))
        if end == died[name] and 0 <= end < len(times) - 1:
            leaving[name].add(tuple(content))
        if start == born[name] and start > 0:
            coming[name].add(tuple(content))
    heirs: dict[Hashable, list[str]] = defaultdict(list)
    for name, contents in coming.items():
        heirs[born[name], frozenset(contents)].append(name)
    for name, contents in leaving.items():
        found = heirs.get((died[name] + 1, frozenset(contents)), [])
        if len(found) == 1 and all(_one_after_the_other(holders[content]) for content in contents):
            yield name, found[0]


def _positions(times: pd.Series, index: Mapping[Any, int]) -> list[int]:
    """Return which list of the span each time is that of; -1 before the span, their number after it."""
    position = times.map(index)
    position = position.mask(times < min(index), -1).mask(times > max(index), len(index))
    return [int(p) for p in position.fillna(-1).tolist()]


def _lives(
    names: Sequence[str], first: Sequence[int], last: Sequence[int]
) -> tuple[dict[str, int], dict[str, int]]:
    """Return in which list each domain is first seen, and in which last."""
    born: dict[str, int] = {}
    died: dict[str, int] = {}
    for name, start, end in zip(names, first, last, strict=True):
        born[name] = min(born.get(name, start), start)
        died[name] = max(died.get(name, end), end)
    return born, died


def _one_after_the_other(spans: list[tuple[Any, Any]]) -> bool:
    """Tell whether the names that ever held a content may be those of one domain."""
    return all(one[1] < other[0] for one, other in pairwise(sorted(spans)))
