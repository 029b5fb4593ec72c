"""The rows of an extraction, counted: by domain, kind and structure, and nothing else is kept of them.

An address that comes again is counted once, by a hash that is thrown away with the reading. All else that a
row says is personal; it is neither kept nor named in an error.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from mssante_audit.base.errors import InputError
from mssante_audit.base.frames import Column, described

FRAME = (
    Column("domain", "str", "of the addresses, letter for letter"),
    Column("kind", "str", "``PER`` (a person's), ``ORG`` (an organisation's) or ``other``"),
    Column(
        "structure", "str",
        'FINESS, SIREN or SIRET as a certificate\'s OU writes it; "" for practices, and where there is none',
    ),
    Column("mailboxes", "int64", "how many"),
)  # fmt: skip
__doc__ = described(__doc__, "Columns of `Counts.frame`", FRAME)

COLUMNS = ("Type de BAL", "Adresse BAL", "Type identifiant structure", "Identification Structure")
"""Headings of what is read; found by name, in whatever order."""

KINDS = ("PER", "ORG", "other")
"""Of mailboxes: a person's, an organisation's, whatever else the manager may come to publish."""

MAX_GROUPS = 1_000_000
"""Most combinations of domain, kind and structure: some ten times those of 2026. Bounds the memory."""
MAX_LINE = 2**16
"""Longest row, in bytes."""

_BLOCK = 2**21
_STRUCTURES = {
    name: (digit, re.compile(f"(?:{digit})?([0-9AB]{{{length}}})"))
    for digit, kind, length in (("1", "FINESS", 9), ("2", "SIREN", 9), ("3", "SIRET", 14))
    for name in (digit, kind)
}
"""Kinds of structure that are counted apart, as the column may write them: first character of the identifier
in a certificate, and the identifier, with it or without: nothing public says which the column has.
The others are practices, whose numbers are persons'."""
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+", re.A)
_TEXTS = ["domain", "kind", "structure"]


@dataclass(frozen=True, eq=False)
class Counts:
    """What an extraction says, in numbers."""

    frame: pd.DataFrame
    """As this module's docstring says, sorted by the first three columns."""
    repeated: int
    """Rows whose address a row before has; not counted."""
    unread: int
    """Rows without an address, or with another number of columns; not counted."""
    damage: str
    """What is broken, "" if nothing is: then numbers are those of the readable rows, at least so many."""


def count_mailboxes(pieces: Iterable[bytes], source: str) -> Counts:
    """Count the mailboxes of an extraction; memory used is twelve bytes a row, and `MAX_GROUPS`.

    An `EOFError` from the pieces ends the text as damaged. What is no extraction (other columns, another
    encoding, a row without an end, too many groups) is an `InputError` of `source`.
    """
    groups: dict[str, int] = {}
    hashes, members = [np.empty(0, "int64")], [np.empty(0, "int32")]
    names: list[str] = []
    unread, damage, last = 0, "", b""
    blocks = _blocks(pieces, source)
    try:
        for block in blocks:
            try:
                block.decode()
            except UnicodeDecodeError:
                deque(blocks, maxlen=0)  # in a broken archive it is what is left of the text
                line = 1 + unread + sum(map(len, hashes))
                raise refused(f"is not UTF-8 (from about line {line})", source) from None
            if not names:
                head, _, block = block.lstrip(b"\r\n").partition(b"\n")
                names = [name.strip() for name in head.decode("utf-8-sig").split("|")]
                places = _places(names, source)
            rows, odd = _rows(block, len(names), places)
            unread, last = unread + odd, block[block.rfind(b"\n") + 1 :]
            hashes.append(np.fromiter(map(hash, rows[1].to_pylist()), "int64", len(rows[1])))
            members.append(_members(rows, groups))
            if len(groups) > MAX_GROUPS:
                why = f"names more than {MAX_GROUPS:,} domains and structures, which no extraction does"
                raise InputError(why, file=source)
    except EOFError as error:
        damage = str(error)
    if not names and not damage:
        raise refused("is empty", source)
    if last.strip() and last.count(b"|") != len(names) - 1:
        damage, unread = damage or "the last row breaks off", unread - 1
    first = ~pd.Series(np.concatenate(hashes)).duplicated().to_numpy()
    numbers = np.bincount(np.concatenate(members)[first], minlength=len(groups))
    frame, nameless = _frame(groups, numbers)
    return Counts(frame, len(first) - int(first.sum()), unread + nameless, damage)


def refused(why: str, name: str) -> InputError:
    """Return the error for what is not as ANS publishes it."""
    return InputError(why, file=name, remedy="Take it as ANS publishes it")


def _blocks(pieces: Iterable[bytes], source: str) -> Iterator[bytes]:
    """Yield the text in blocks of whole lines; an `EOFError` from the pieces is raised after the last."""
    held, damage = bytearray(), None
    try:
        for piece in pieces:
            held += piece
            end = held.rfind(b"\n") + 1
            if len(held) - end > MAX_LINE:
                raise InputError("has a row without an end: it is no extraction", file=source)
            if end and len(held) >= _BLOCK:
                yield bytes(held[:end])
                del held[:end]
    except EOFError as error:
        damage = error
    if held.strip():
        yield bytes(held)
    if damage:
        raise damage


def _places(names: Sequence[str], source: str) -> list[int]:
    """Return where the four columns stand."""
    for wanted in COLUMNS:
        if names.count(wanted) != 1:
            how = "no column" if wanted not in names else "two columns"
            raise refused(f"its first line names {how} {wanted!r}", source)
    return [names.index(name) for name in COLUMNS]


def _rows(block: bytes, width: int, places: Sequence[int]) -> tuple[list[Any], int]:
    """Return the four columns of a block, and how many of its rows have another number of columns."""
    odd = 0

    def skip(row: Any) -> str:
        nonlocal odd
        odd += bool(row.text.strip())
        return "skip"

    names, wanted = [str(n) for n in range(width)], [str(place) for place in places]
    types, size = dict.fromkeys(wanted, pa.string()), len(block) + 1
    table = csv.read_csv(
        pa.BufferReader(block or b"\n"),
        csv.ReadOptions(column_names=names, use_threads=False, block_size=size),
        csv.ParseOptions(delimiter="|", quote_char=False, invalid_row_handler=skip),
        csv.ConvertOptions(include_columns=wanted, column_types=types, check_utf8=False),
    )
    return [table[name].combine_chunks() for name in wanted], odd


def _members(rows: Sequence[Any], groups: dict[str, int]) -> Any:
    """Return the group of each row, of `groups`, to which new ones are added."""
    kind, address, named, structure = rows
    held = pc.is_in(named, pa.array(_STRUCTURES))
    named, structure = (pc.if_else(held, column, "") for column in (named, structure))
    domain = pc.replace_substring_regex(address, "^[^@]*@?", "")
    keys = pc.binary_join_element_wise(kind, named, structure, domain, "|").dictionary_encode()
    codes = [groups.setdefault(key, len(groups)) for key in keys.dictionary.to_pylist()]
    return np.array(codes, "int32")[keys.indices.to_numpy()]


def _frame(groups: Iterable[str], numbers: Any) -> tuple[pd.DataFrame, int]:
    """Return the frame of `Counts`, and how many rows have no domain in their address."""
    rows = [_group(*key.split("|", 3)) for key in groups]
    frame = pd.DataFrame(rows, columns=_TEXTS, dtype="str").assign(mailboxes=numbers.astype("int64"))
    frame = frame.groupby(_TEXTS)["mailboxes"].sum().reset_index()
    nameless = frame["domain"] == ""
    return frame[~nameless].reset_index(drop=True), int(frame.loc[nameless, "mailboxes"].sum())


def _group(kind: str, named: str, number: str, domain: str) -> tuple[str, str, str]:
    """Return domain, kind and structure as the frame has them; no domain where DNS could hold none."""
    kind, domain = kind.strip(), domain.strip()
    digit, form = _STRUCTURES.get(named, ("", None))
    structure = form and form.fullmatch(number.strip())
    return (
        domain if _DOMAIN.fullmatch(domain) else "",
        kind if kind in KINDS[:2] else KINDS[2],
        digit + structure[1] if structure else "",
    )
