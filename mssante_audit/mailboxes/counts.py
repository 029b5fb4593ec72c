"""The rows of an extraction, counted: by domain, kind and structure, and nothing else is kept of them.

An address that comes again is counted once, told by a hash that is thrown away with the reading: twelve bytes
a row. Everything else that a row says is personal; it is neither kept nor named in an error.

=============  ======  ==============================================================================
column         dtype   meaning
=============  ======  ==============================================================================
``domain``     str     of the addresses, letter for letter
``kind``       str     ``PER`` (a person's), ``ORG`` (an organisation's) or ``other``
``structure``  str     FINESS, SIREN or SIRET as a certificate's OU writes it; "" for practices, and where
                       there is none
``mailboxes``  int64   how many
=============  ======  ==============================================================================
"""

from __future__ import annotations

import codecs
import re
from array import array
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count
from operator import itemgetter

import numpy as np
import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.mailboxes.text import refused

COLUMNS = ("Type de BAL", "Adresse BAL", "Type identifiant structure", "Identification Structure")
"""Headings of what is read; found by name, in whatever order."""

KINDS = ("PER", "ORG", "other")
"""Of mailboxes: a person's, an organisation's, whatever else the manager may come to publish."""

MAX_GROUPS = 1_000_000
"""Most combinations of domain, kind and structure: some ten times those of 2026. Bounds the memory."""
MAX_LINE = 2**16
"""Longest row, in bytes."""

_STRUCTURES = {
    name: (digit, length)
    for digit, kind, length in ((b"1", b"FINESS", 9), (b"2", b"SIREN", 9), (b"3", b"SIRET", 14))
    for name in (digit, kind)
}
"""Kinds of structure that are counted apart, as the column may write them: first character of the identifier
in a certificate, length of the rest. The others are practices, whose numbers are persons'."""
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+", re.A)
_NUMBER = re.compile(rb"[0-9AB]+")
_TEXTS = ("domain", "kind", "structure")

Key = tuple[bytes, bytes, bytes, bytes]
"""Of a group as it is read: domain, kind, kind of structure, structure."""


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
    """Count the mailboxes of an extraction; memory used is in proportion to `MAX_GROUPS`, not to the text.

    Parameters
    ----------
    pieces
        The text, in pieces of whatever size; an `EOFError` ends it as damaged.
    source
        Name of the file, for messages.

    Raises
    ------
    InputError
        If it is no extraction: other columns, another encoding, a row without an end, too many groups.
    """
    groups: defaultdict[Key, int] = defaultdict(count().__next__)
    hashes, members = array("q"), array("i")
    unread, damage, last, header = 0, "", b"", None
    held, put, add = _STRUCTURES, hashes.append, members.append  # half a million times
    for block, damage in _lines(pieces, source):
        if header is None:
            if not block:
                continue
            if damage and not block[0]:
                raise refused(f"{damage}: nothing of it can be read", source)
            header = bars, cuts, pick = _header(block.pop(0), source)
        for line in block:
            if line.count(b"|") != bars:
                unread += bool(line.strip())
                continue
            kind, address, named, structure = pick(line.split(b"|", cuts))
            domain = address.partition(b"@")[2]
            add(groups[domain, kind, named, structure] if named in held else groups[domain, kind, b"", b""])
            put(hash(address))
        last = block[-1] if block else last
        if len(groups) > MAX_GROUPS:
            why = f"names more than {MAX_GROUPS:,} domains and structures, which no extraction does"
            raise InputError(why, file=source)
    if last.strip() and last.count(b"|") != bars:
        damage, unread = damage or "the last row breaks off", unread - 1
    first = np.unique(np.frombuffer(hashes, dtype="int64"), return_index=True)[1]
    numbers = np.bincount(np.frombuffer(members, dtype="int32")[first], minlength=len(groups))
    frame, nameless = _frame(groups, numbers)
    return Counts(frame, len(hashes) - len(first), unread + nameless, damage)


def _lines(pieces: Iterable[bytes], source: str) -> Iterator[tuple[list[bytes], str]]:
    """Yield the lines of each piece, and how the text is broken; a line that a piece cuts, with the next."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    rest, number, damage = b"", 1, ""
    stream = iter(pieces)
    while True:
        try:
            piece = next(stream, b"")
        except EOFError as error:
            piece, damage = b"", str(error)
        try:
            decoder.decode(piece)
        except UnicodeDecodeError:
            try:
                deque(stream, maxlen=0)
            except EOFError as error:  # what is no text is what is left of a broken archive
                piece, damage = b"", str(error)
            else:
                raise refused(f"is not UTF-8 (from about line {number})", source) from None
        lines = (rest + piece).split(b"\n")
        rest = lines.pop() if piece else b""
        number += len(lines)
        if len(rest) > MAX_LINE:
            raise InputError("has a row without an end: it is no extraction", file=source)
        yield lines, damage
        if not piece:
            return


def _header(line: bytes, source: str) -> tuple[int, int, Callable[[list[bytes]], tuple[bytes, ...]]]:
    """Return how many ``|`` a row has, at how many to cut it, and what takes the four columns out of it."""
    if not line.strip():
        raise refused("is empty", source)
    names = [name.strip() for name in line.decode("utf-8-sig", "replace").split("|")]
    for wanted in COLUMNS:
        if names.count(wanted) != 1:
            how = "no column" if wanted not in names else "two columns"
            raise refused(f"its first line names {how} {wanted!r}", source)
    places = [names.index(name) for name in COLUMNS]
    return len(names) - 1, max(places) + 1, itemgetter(*places)


def _frame(groups: Iterable[Key], numbers: np.ndarray) -> tuple[pd.DataFrame, int]:
    """Return the frame of `Counts`, and how many rows have no domain in their address.

    A domain is one that DNS could hold: a name that got into the wrong column is none, and goes no further.
    """
    known: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    name_of, kind_of = cache(_name), cache(_kind)
    for (domain, kind, named, structure), number in zip(groups, numbers.tolist(), strict=True):
        known[name_of(domain), kind_of(kind), _structure(named, structure)] += number
    nameless = sum(number for (name, *_), number in known.items() if not name)
    texts = dict(zip(_TEXTS, zip(*known, strict=True) if known else ((), (), ()), strict=True))
    frame = pd.DataFrame(
        {
            **{name: pd.array(values, dtype="str") for name, values in texts.items()},
            "mailboxes": np.fromiter(known.values(), "int64", len(known)),
        }
    )
    return frame[frame["domain"] != ""].sort_values([*_TEXTS], ignore_index=True), nameless


def _name(domain: bytes) -> str:
    name = domain.decode("utf-8", "replace").strip()
    return name if _DOMAIN.fullmatch(name) else ""


def _kind(kind: bytes) -> str:
    text = kind.decode("utf-8", "replace").strip()
    return text if text in KINDS[:2] else KINDS[2]


def _structure(named: bytes, number: bytes) -> str:
    """Return an identifier as certificates write it, "" if it is none of that kind.

    The column writes it with its first character or without: nothing public says which, so both are read.
    """
    if named not in _STRUCTURES:
        return ""
    digit, length = _STRUCTURES[named]
    number = number.strip()
    if len(number) == length:
        number = digit + number
    right = len(number) == length + 1 and number.startswith(digit) and _NUMBER.fullmatch(number)
    return number.decode("ascii") if right else ""
