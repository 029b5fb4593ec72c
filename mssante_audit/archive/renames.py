"""Which domain of an earlier list is which of a later one, under another name.

It is one that alone holds two things which the earlier name alone held (description, certificate, contacts,
date); one a few letters away with the same rows, or with operator, certificate and contacts; or one that the
lists in between show (`renames_in`).
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain, combinations, groupby, pairwise
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple, cast

import pandas as pd

from mssante_audit.whitelist.rows import grouped

CONTENT = ["dn", "description", "project_contact", "support_contact"]  # of a row, but name and date
MANY = 40_000  # pairs of names compared at most, within one group
SMALL = 2  # edits within which a name is near another when the rows are not the same otherwise


class Row(NamedTuple):
    """One row of a list, under the name its domain has in the later list."""

    domain: str
    description: str
    dn: str
    key: str  # of the certificate, whatever its spelling (``dn_key``)
    project: str
    support: str
    operator: str  # identifier of the one that the certificate names, or ""
    name: str
    structure: str  # a text that is equal for all identifiers of one structure
    stamp: str


Domains = Mapping[str, list[Row]]  # domains that only one of two lists has, with their rows
Listed = Collection[Row]  # all rows of a list

_shape = attrgetter("description", "key", "project", "support")
_PARTS = (("description",), ("key",), ("project", "support"), ("stamp",))
# Parts of a row that tell a domain which alone holds them, the surest first: all it says, then any two.
_TELLING = (_shape, *(attrgetter(*first, *second) for first, second in combinations(_PARTS, 2)))


def find_renames(
    gone: Domains, come: Domains, lists: tuple[Listed, Listed], known: Mapping[str, str]
) -> dict[str, str]:
    """Return which removed domain is which added one: old name → new name.

    `lists` are all rows of both, `known` are the renames that the history supports.
    """
    spelt = {name.strip(" .").lower(): name for name in come}  # the DNS knows neither case nor final dot
    named = ((was, spelt.get(was.strip(" .").lower(), "")) for was in gone)
    renames = _sole((was, to) for was, to in named if to)
    renames |= {was: to for was, to in known.items() if was in gone and to in come}

    def unpaired() -> tuple[Domains, Domains]:
        used_names = {*renames, *renames.values()}
        old, new = ({n: rows for n, rows in side.items() if n not in used_names} for side in (gone, come))
        return old, new

    for parts in _TELLING:  # each the only one of its list to hold the same parts
        old, new = unpaired()
        values = {parts(row) for rows in old.values() for row in rows}
        if not any(parts(row) in values for rows in new.values() for row in rows):
            continue  # as for most parts: then all rows need not be looked at
        holders = (grouped((parts(row), row.domain) for row in rows) for rows in lists)
        before, after = ({key: n[0] for key, n in side.items() if len({*n}) == 1} for side in holders)
        pairs = {(was, after.get(key, "")) for key, was in before.items() if was in old}
        renames |= _sole((was, to) for was, to in pairs if to in new)
    stem = {name: len(name.removesuffix(".mssante.fr")) for name in (*gone, *come)}
    # ch-alpha1 and ch-alpha2 are two establishments, not one name spelt twice.
    digits = {name: "".join(filter(str.isdigit, name)) for name in stem}
    stable_parts = (attrgetter("dn"), attrgetter("project", "support"))

    def similar(a: str, b: str) -> int:
        return max(SMALL, min(stem[a], stem[b]) // 3)

    def slip_limit(a: str, b: str) -> int:
        if digits[a] != digits[b] or abs(len(a) - len(b)) > SMALL:
            return -1
        same = all({part(row) for row in gone[a]} & {part(row) for row in come[b]} for part in stable_parts)
        return SMALL if same else -1

    # The same rows otherwise; then names a few letters apart, of one operator, that keep a certificate and
    # both contacts.
    renames |= _closest(*unpaired(), lambda rows: tuple(sorted(map(_shape, rows))), similar)
    return renames | _closest(*unpaired(), lambda rows: rows[0].structure, slip_limit)


def _closest(
    left: Domains, right: Domains, key: Callable[[list[Row]], Any], limit: Callable[[str, str], int]
) -> dict[str, str]:
    """Pair each name with the nearest of its key; none where two are as near, or too many to compare."""
    nearest: dict[str, str] = {}
    new_of = grouped((key(rows), name) for name, rows in right.items())
    for group, old in grouped((key(rows), name) for name, rows in left.items()).items():
        new = new_of.get(group, [])
        if len(old) * len(new) > MANY:
            continue
        distances = sorted(
            (d, a, b) for a in old for b in new if (d := distance(a, b, top := limit(a, b))) <= top
        )
        for _, alike in groupby(distances, itemgetter(0)):
            used_names = {*nearest, *nearest.values()}
            nearest |= _sole((a, b) for _, a, b in alike if used_names.isdisjoint((a, b)))
    return nearest


def _sole(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the pairs of names that are in no other pair."""
    pairs = list(pairs)
    times = Counter(chain.from_iterable(pairs))
    return {was: to for was, to in pairs if times[was] == times[to] == 1}


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
    """Return the renames that the history shows over three lists (`times`) or more: old name → new.

    A domain whose rows are last seen in one list, and a domain first seen in the next one with the same rows
    otherwise, that nobody else holds in the history, are one domain; such steps are put together.
    """
    after = dict(pairwise(pd.DatetimeIndex(list(times)).as_unit("us")))
    names, first, last = (history[column] for column in ("domain", "first_seen", "last_seen"))
    leaving = (last == last.groupby(names).transform("max")) & last.isin(list(after))
    coming = (first == first.groupby(names).transform("min")) & first.isin(list(after.values()))
    content = history.groupby(CONTENT, sort=False).ngroup()
    added, removed = (
        [(*key, frozenset(codes)) for key, codes in cast(Any, content[mask].groupby([names, dates]))]
        for mask, dates in ((coming, first), (leaving, last))
    )
    heirs = grouped(((start, codes), name) for name, start, codes in added)
    relevant = content.isin(content[leaving])
    spells = zip(first[relevant], last[relevant], strict=True)
    holders = grouped(zip(content[relevant], spells, strict=True))
    steps: dict[str, str] = {}
    for name, end, codes in removed:
        same = heirs.get((after[end], codes), [])
        # Names that ever held a content may be those of one domain if they did one after the other.
        spans = (pair for code in codes for pair in pairwise(sorted(holders[code])))
        if len(same) == 1 and all(stay[1] < later[0] for stay, later in spans):
            steps[name] = same[0]
    renames = {}
    for start in steps.keys() - set(steps.values()):
        name = start
        while name in steps:
            name = steps[name]
        renames[start] = name
    return renames
