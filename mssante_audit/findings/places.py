"""Places: where a finding stands, in the white list or in a file beside it; evidence is made of them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mssante_audit.base.inputs import LIST

# Sources of places, by their names as inputs (`mssante_audit.findings.registry.input_of`).
REGISTER, DNS = "register", "dns"
MOST_LINES = 20  # lines of an observation that evidence names


class Place(NamedTuple):
    """Rows of one file, or the file as a whole."""

    source: str
    """What the file is: `LIST`, `REGISTER`, `DNS` or another input."""
    file: str
    """Its name, without folders."""
    rows: tuple[int, ...] = ()
    """Its rows (lines of an observation), from 1; () for the file as a whole."""
    column: str = ""
    """The field concerned, or ""."""
    label: str = ""
    """What evidence calls the file, if not by its name: an observation by its day."""


# Where an audit says that a finding stands; a number is a row of the white list.
Where = Sequence[int | Place]


def places_of(where: Iterable[int | Place], file: str = "") -> tuple[Place, ...]:
    """Return places in order, one for each file and column; `file` is the white list's name."""
    rows: defaultdict[tuple[str, str, str, str], set[int]] = defaultdict(set)
    for part in where:
        place = part if isinstance(part, Place) else Place(LIST, file, (part,))
        rows[place.source, place.file, place.column, place.label].update(map(int, place.rows))
    return tuple(
        Place(source, name, tuple(sorted(numbers)), column, label)  # Python's integers: JSON knows no other
        for (source, name, column, label), numbers in sorted(rows.items(), key=lambda item: item[0][:2])
    )


def places_from(records: Iterable[dict[str, Any]]) -> tuple[Place, ...]:
    """Return the places that a file of JSON has as mappings."""
    return tuple(Place(**{**record, "rows": tuple(record["rows"])}) for record in records)


def list_rows(where: Iterable[Place]) -> tuple[int, ...]:
    """Return the rows of the white list."""
    return tuple(sorted({row for place in where if place.source == LIST for row in place.rows}))


def evidence(where: Sequence[Place], replies: str = "obs.") -> str:
    """Return places in words: lines of an observation, else rows of a register, else rows of the list.

    `replies` is what lines of an observation of the DNS are called.
    """
    rows: defaultdict[str, defaultdict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for place in where:
        rows[place.source][place.label or place.file].update(place.rows)
    if DNS in rows:
        lines = {name: sorted(numbers) for name, numbers in rows[DNS].items()}
        return "; ".join(
            f"{replies} {row_ranges(in_file[:MOST_LINES])}{'…' * (len(in_file) > MOST_LINES)} ({name})"
            for name, in_file in lines.items()
        )
    listed: Mapping[str, set[int]] = rows.pop(LIST, {})
    if not rows:
        return ", ".join(map(row_ranges, listed.values()))
    files = [pair for of_source in (*rows.values(), listed) for pair in of_source.items()]
    return "; ".join(":".join(filter(None, (name, row_ranges(numbers)))) for name, numbers in files)


def row_ranges(rows: Iterable[int]) -> str:
    """Write row numbers compactly: ``3-5, 9``."""
    spans: defaultdict[int, list[int]] = defaultdict(list)  # consecutive rows are as far from their positions
    for position, row in enumerate(sorted(set(rows))):
        spans[row - position].append(row)
    return ", ".join(str(s[0]) if len(s) == 1 else f"{s[0]}-{s[-1]}" for s in spans.values())


def introduced(before: Mapping[str, Counter[str]], after: Mapping[str, Counter[str]]) -> dict[str, set[str]]:
    """Return the findings that only the later set has, or in more places, each with the places that are new.

    Both have by fingerprint how often a finding stands in each place, such as a domain; an empty counter
    where places do not matter.

    >>> introduced({"old": Counter("a")}, {"old": Counter("ab"), "new": Counter("a")})
    {'old': {'b'}, 'new': {'a'}}
    """
    added = {key: {*(places - before.get(key, Counter()))} for key, places in after.items()}
    return {key: places for key, places in added.items() if places or key not in before}
