"""Texts made safe to show: what a reader cannot see is written as an escape; names of hosts."""

from __future__ import annotations

import re
import unicodedata

_HIDDEN = ("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp")
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Letters and marks that print nothing (Unicode: Default_Ignorable_Code_Point)."""
_MOST_SHOWN = 20
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")


def shown(text: str, *, spaces: bool = False) -> str:
    r"""Return a text with what a reader cannot see written as an escape, and `spaces` other than U+0020.

    >>> shown("ch-\u202efr.x"), shown("a\u00a0b"), shown("a\u00a0b", spaces=True)
    ('ch-\\u202efr.x', 'a\xa0b', 'a\\u00a0b')
    """
    if not has_hidden(text):
        return text
    return "".join(_escaped(c) if hidden(c) or (spaces and c != " " and c.isspace()) else c for c in text)


def has_hidden(text: str) -> bool:
    """Tell whether a text may hold something a reader cannot see, or a space other than U+0020."""
    return not text.isprintable() or (not text.isascii() and bool(_BLANK.search(text)))


def hidden(character: str) -> bool:
    """Tell whether a character is a control, direction, zero-width, blank, private-use or unassigned one."""
    return unicodedata.category(character) in _HIDDEN or bool(_BLANK.match(character))


def folded(text: str) -> str:
    """Return a text for comparison, without case, accents and repeated blanks.

    >>> folded("Hôpital  SAINT-Éloi")
    'hopital saint-eloi'
    """
    apart = unicodedata.normalize("NFKD", text)
    return " ".join("".join(c for c in apart if not unicodedata.combining(c)).casefold().split())


def _escaped(character: str) -> str:
    point = ord(character)
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def host_faults(name: str, *, any_case: bool = False) -> list[dict[str, str | int]]:
    """Tell what keeps a text from being a full host name, as facts; nothing if it is one.

    Each is a ``fault`` and, where there is more to tell, ``what`` it is: the characters, or how many there
    are. The macro ``host_faults`` (`mssante_audit.findings.templates`) has words for them.

    Sources: RFC 1035 (2.3.4) for the lengths, RFC 1123 (2.1) for letters, digits and hyphens; that capitals
    are a fault is the form's (domains are compared letter for letter).

    >>> host_faults("ch-alpha.mssante.fr"), host_faults("Alpha_.fr")
    ([], [{'fault': 'capitals', 'what': ''}, {'fault': 'characters', 'what': '_'}])
    """
    if _HOST.fullmatch(name) and len(name) < 254:
        return []
    lower = name.lower()
    odd = "".join(dict.fromkeys(re.sub(r"[a-z0-9.-]", "", lower)))[:_MOST_SHOWN]
    labels = lower.split(".")
    longest = max(map(len, labels))
    bare = all(labels) and not odd
    faults: dict[str, str | int | None] = {
        "capitals": "" if lower != name and not any_case else None,
        "characters": odd or None,
        "dots": None if all(labels) else "",
        "hyphen": "" if bare and not all(map(_LABEL.fullmatch, labels)) else None,
        "label-long": longest if longest > 63 else None,
        "name-long": len(name) if len(name) > 253 else None,
        "no-dot": "" if len(labels) == 1 else None,
        "number": "" if len(labels) > 1 and labels[-1].isdigit() else None,
    }
    return [{"fault": fault, "what": what} for fault, what in faults.items() if what is not None]
