"""Which column of a file is which field of the form: the analyst's headings, the form's labels, our names."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import NamedTuple

from mssante_audit.base import text
from mssante_audit.base.errors import InputError
from mssante_audit.base.reading import read_toml
from mssante_audit.base.resources import table_of


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form; ``declarations.toml`` says what each attribute means."""

    name: str
    label: str
    help: str
    form: str = ""
    kind: str = "text"
    personal: bool = False
    optional: bool = False
    also: tuple[str, ...] = ()


@cache
def fields() -> dict[str, Field]:
    """Return the form's fields by column name, in the form's order."""
    return {
        name: Field(name=name, **{**spec, "also": tuple(spec.get("also", ()))})
        for name, spec in table_of("mssante_audit.declarations", "declarations.toml").items()
    }


SIGNATORY = "signatory"  # the form's heading « Nom, Prénom »: both names of the signatory in one cell
WORDS = table_of("mssante_audit.declarations", "hands.toml")
# Words by which a heading may differ from the form's label: some say nothing, some say the same.
_LITTLE, _SYNONYMS = frozenset(WORDS["little"].split()), WORDS["synonyms"]
_SYNONYM = re.compile(rf"\b(?:{'|'.join(_SYNONYMS)})\b")


class Headings(NamedTuple):
    """What the columns of a file are."""

    fields: dict[str, int]  # position of the column that holds a field (or `SIGNATORY`)
    repeats: dict[str, list[int]]  # further positions of a field that stands there more than once
    unknown: list[int]
    ambiguous: list[int]  # positions whose heading could be several fields


class HeadingRow(NamedTuple):
    """Where the headings of a file are: the row from 0, or the second of two, and how many are known."""

    last: int
    headings: list[str]
    recognised: int


fold = lru_cache(4096)(text.fold)  # a heading as it is compared


def find_headings(rows: Sequence[Sequence[str]], mapping: Mapping[str, str]) -> HeadingRow:
    """Return the row, or the pair of rows, with most known headings; else the first row."""
    pairs = [(at, _joined(*two)) for at, two in enumerate(pairwise(rows), 1) if len(two[1]) > 1]
    choices = [*((at, list(row)) for at, row in enumerate(rows)), *pairs]
    candidates = [HeadingRow(at, row, recognised(row, mapping)) for at, row in choices]
    # The first of equals.
    return max(candidates, key=lambda row: row.recognised, default=HeadingRow(0, [], 0))


def _joined(upper: Sequence[str], lower: Sequence[str]) -> list[str]:
    """Return the headings of two lines: of which the upper may name a group, over its first column only."""
    headings, group = [], ""
    for above, below in zip_longest(upper, lower, fillvalue=""):
        group = above or group
        field = field_of(f"{below} {group}") if below else None
        single = [heading for heading in (below, above) if field_of(heading)]
        joined = f"{above} {below}".strip()
        headings.append(fields()[field].label if field in fields() else single[0] if single else joined)
    return headings


@lru_cache(4096)
def field_of(heading: str) -> str | None:
    """Return the field that a heading alone names, in the form's words or others; None if it names none."""
    name, plain = fold(heading), _labels()[0]
    if name in plain or name in _labels()[1]:
        return plain.get(name)
    field = _labels()[2].get(_words(name))
    return None if field == SIGNATORY and not name.startswith("nom") else field


def _words(folded: str) -> frozenset[str]:
    return frozenset(_SYNONYM.sub(lambda match: _SYNONYMS[match[0]], folded).split()) - _LITTLE


def resolve(headings: Sequence[str], mapping: Mapping[str, str]) -> Headings:
    """Tell what each column holds, by the analyst's mapping, else the column names, else the French labels.

    A label that the form prints several times (« Nom », « Courriel »…) is understood by its order, and only
    where it stands as often as on the form; otherwise it is ambiguous, never guessed.
    """
    shared, mapped = _labels()[1], {fold(heading): name for heading, name in mapping.items()}
    folded = [fold(heading) for heading in headings]
    times, counted = Counter(folded), Counter[str]()
    places: dict[str, list[int]] = {}
    unknown, ambiguous = list[int](), list[int]()
    for at, name in enumerate(folded):
        field = mapped.get(name) or field_of(headings[at])
        if field is None and name in shared and times[name] == len(shared[name]):
            field = shared[name][counted[name]]
            counted[name] += 1
        if field is not None:
            places.setdefault(field, []).append(at)
        else:
            (ambiguous if name in shared else unknown).append(at)
    first = {name: where[0] for name, where in places.items()}
    repeats = {name: where[1:] for name, where in places.items() if len(where) > 1}
    return Headings(first, repeats, unknown, ambiguous)


def recognised(headings: Sequence[str], mapping: Mapping[str, str]) -> int:
    """Return how many of some headings are known, 0 unless the domain's is among them."""
    columns = resolve(headings, mapping).fields
    return len(columns) if "domain" in columns else 0


def is_help(row: Sequence[str]) -> bool:
    """Tell the template's row of help, no declaration: most of its cells are the form's help texts."""
    helps = {fold(field.help) for field in fields().values()}
    cells = [fold(cell) for cell in row if cell]
    return len(cells) > 3 and sum(cell in helps for cell in cells) > len(cells) / 2


@cache
def _labels() -> tuple[dict[str, str], dict[str, list[str]], dict[frozenset[str], str]]:
    """Return the labels that name one field, those the form prints for several, and the first by `_words`."""
    printed: dict[str, list[str]] = {}
    for field in fields().values():
        if field.form:
            printed.setdefault(fold(field.form), []).append(field.name)
    plain = {label: names[0] for label, names in printed.items() if len(names) == 1}
    for field in fields().values():
        plain |= {fold(label): field.name for label in (field.name, field.label, *field.also)}
    plain |= dict.fromkeys(map(fold, ("Nom, Prénom", "Nom et prénom du signataire")), SIGNATORY)
    shared = {label: names for label, names in printed.items() if len(names) > 1}
    return plain, shared, {_words(label): name for label, name in plain.items()}


def suggestion(heading: str) -> str:
    """Return the known heading nearest to `heading`, or ""."""
    labels = {fold(label): label for f in fields().values() for label in (f.name, f.label, f.form) if label}
    matches = get_close_matches(fold(heading), labels, n=1, cutoff=0.75)
    return labels[matches[0]] if matches else ""


def read_mapping(path: Path) -> dict[str, str]:
    """Read a ``columns.toml``: a table ``[columns]`` from the analyst's headings to column names."""
    try:
        table = read_toml(path)
    except InputError as error:
        raise InputError("not a mapping of columns: {}", error, file=str(path)) from None
    columns = table.get("columns")
    if not isinstance(columns, dict) or set(table) != {"columns"}:
        form = 'Write lines such as "Mon domaine" = "domain" under it'
        raise InputError("a mapping of columns has one table, [columns]", file=str(path), remedy=form)
    for heading, name in columns.items():
        if not isinstance(name, str) or name not in fields():
            names = get_close_matches(str(name), fields(), n=1)
            remedy = ("Did you mean {}?", repr(names[0])) if names else ("There are: {}", ", ".join(fields()))
            message = "{} is mapped to {}, which is no column of the register"
            raise InputError(message, repr(heading), repr(name), file=str(path), remedy=remedy)
    return columns
