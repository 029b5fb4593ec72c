"""Texts of the data: made visible, as a reader sees them, folded, and compared."""

import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import filterfalse

COMPARED = 600  # characters of a text that are compared: more than a field of the list holds
_HIDDEN = ("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp")
# Letters and marks that print nothing (Unicode: Default_Ignorable_Code_Point).
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o"})
_NO_WORD = re.compile(r"[\W_]+")


def visible(text: str, *, spaces: bool = False) -> str:
    r"""Return a text with what a reader cannot see written as an escape, and `spaces` other than U+0020.

    >>> visible("ch-\u202efr.x"), visible("a\u00a0b"), visible("a\u00a0b", spaces=True)
    ('ch-\\u202efr.x', 'a\xa0b', 'a\\u00a0b')
    """
    if not has_hidden(text):
        return text
    odd = {c for c in {*text} if is_hidden(c) or (spaces and c != " " and c.isspace())}
    escaped = {point: f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}" for point in map(ord, odd)}
    return text.translate(escaped) if odd else str(text)


def has_hidden(text: str) -> bool:
    """Tell whether a text may hold something a reader cannot see, or a space other than U+0020."""
    return not text.isprintable() or (not text.isascii() and bool(_BLANK.search(text)))


def is_hidden(character: str) -> bool:
    """Tell whether a character is a control, direction, zero-width, blank, private-use or unassigned one."""
    return unicodedata.category(character) in _HIDDEN or bool(_BLANK.match(character))


# Cyrillic and Greek letters that look like Latin ones (Unicode TR39).
LOOK_ALIKE = str.maketrans(
    "АВЕЅІЈКМНОРСТХаеорсухіјѕһԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧαονρυι", "ABESIJKMHOPCTXaeopcyxijshdqwABEZHIKMNOPTYXaovpui"
)
_BEYOND_LATIN = re.compile("[^\0-\u024f\u2000-\u206f]")
_LATIN = re.compile("LATIN|ORDINAL|^MICRO SIGN$")  # names of letters that French texts may have


def foreign_letters(text: str) -> list[str]:
    """Return the letters of a text that are of another script than Latin, each with its code point and name.

    >>> foreign_letters("\u0441h-alpha"), foreign_letters("Hôpital nº 2")
    (['U+0441 CYRILLIC SMALL LETTER ES'], [])
    """
    if not _BEYOND_LATIN.search(text):
        return []
    letters = (c for c in dict.fromkeys(text) if c.isalpha() and not c.isascii() and not is_hidden(c))
    named = ((c, unicodedata.name(c, "")) for c in letters)
    return [f"U+{ord(c):04X} {name}".strip() for c, name in named if not _LATIN.search(name)]


def latin(text: str) -> str:
    """Return a text with Latin letters for those that look like them, "" if others of other scripts are left.

    >>> latin("\u0441h-alpha"), latin("\u0436")
    ('ch-alpha', '')
    """
    written = text.translate(LOOK_ALIKE)
    return "" if foreign_letters(written) else written


def normalize(text: str) -> str:
    """Return a text as a reader sees it: compatibility forms folded, invisible characters dropped."""
    if text.isascii() and text.isprintable():
        return text
    characters = [
        "\n" if c in "\n\r\v\f\x85\u2028\u2029" else " " if c.isspace() else c
        for c in text
        if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf")
    ]
    return unicodedata.normalize("NFKC", "".join(characters))


def unaccented(text: str) -> str:
    """Return a text with compatibility forms folded and accents dropped.

    >>> unaccented("Noël n° 2")
    'Noel n° 2'
    """
    if text.isascii():
        return text
    return "".join(filterfalse(unicodedata.combining, unicodedata.normalize("NFKD", text)))


def fold(text: str) -> str:
    """Return the words of a text without case, accents and punctuation.

    >>> fold("Jean-Noël LŒB")
    'jean noel loeb'
    """
    return _NO_WORD.sub(" ", unaccented(text.casefold().translate(_LIGATURES))).strip()


def likeness(text: str, other: str) -> float:
    """Return the share of letters that two texts have in common, in their order."""
    return SequenceMatcher(None, text[:COMPARED], other[:COMPARED], autojunk=False).ratio()


def compared(text: Sequence[str], other: Sequence[str]) -> tuple[list[tuple[str, bool]], ...]:
    """Return two texts, given as letters or words, in parts, each with whether it differs from the other's.

    >>> compared("ab c", "ab")
    ([('ab', False), (' c', True)], [('ab', False), ('', True)])
    """
    sides: tuple[list[tuple[str, bool]], ...] = ([], [])
    for kind, *ends in SequenceMatcher(None, text, other, autojunk=False).get_opcodes():
        for side, source, (start, end) in zip(sides, (text, other), (ends[:2], ends[2:]), strict=True):
            side.append(("".join(source[start:end]), kind != "equal"))
    return sides
