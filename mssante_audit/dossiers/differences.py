"""Two texts of a finding's facts that differ, with what differs in brackets and no space of it unseen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Any

from mssante_audit.base.language import gettext
from mssante_audit.base.markup import visible
from mssante_audit.base.text import fold
from mssante_audit.dossiers.remedies import dossier_words
from mssante_audit.findings.templates import phrase as word
from mssante_audit.values.dn import parse_dn

SPACES = {
    " ": "␣", "\N{NO-BREAK SPACE}": "⍽", "\N{NARROW NO-BREAK SPACE}": "⍽", "\t": "⇥", "\n": "↵", "\r": "↵",
}  # fmt: skip
"""What stands for a space that matters: a reader sees it, and no line is broken at it."""
LEGEND = {
    "[]": "[] : rien", "␣": "␣ : une espace", "⍽": "⍽ : une espace insécable", "⇥": "⇥ : une tabulation",
    "↵": "↵ : un retour à la ligne",
}  # fmt: skip
"""What signs mean, in French."""
ALIKE = 0.85
"""Share of letters in common, whatever their case, from which on two texts are compared by letters."""
MOST = 600
"""Characters of a text that are compared: more than a field of the list holds."""

_RDN = re.compile(r",(?=[A-Za-z0-9.]+=)")

Pair = tuple[str, str]


def pairs(code: str, facts: Mapping[str, Any]) -> list[Pair]:
    """Return what stands in the facts of a finding beside what should (``[spelt]`` of ``dossier.toml``).

    Where nothing is known to be right for a certificate, its first writing is what others are beside.
    """
    if code not in dossier_words()["spelt"]:
        return []
    written, right = (_texts(facts.get(name)) for name in dossier_words()["spelt"][code])
    found = []
    for at, text in enumerate(written):
        others = [w for w in right if _same_name(w, text)] or [
            w for w in written[:at] if _same_name(w, text)
        ][:1]
        if others and text not in others:
            found.append((text, max(others, key=lambda other: _alike(text, other))))
    return list(dict.fromkeys(found))


def _texts(fact: Any) -> list[str]:
    """Return the texts of a fact; those of contacts with their kind."""
    if isinstance(fact, list):
        return [text for part in fact for text in _texts(part)]
    if isinstance(fact, Mapping):
        if "kind" in fact:
            return [word("mssante_audit.audits", "contact", fact)]
        return [str(fact[name]) for name in ("dn", "text", "domain") if name in fact][:1]
    return [str(fact)] if fact else []


def _same_name(text: str, other: str) -> bool:
    """Tell whether two texts may be meant to be one: of two certificates, those of one CN."""
    names = [fold(cn) for cn in (parse_dn(text).get("CN"), parse_dn(other).get("CN")) if cn]
    return len(names) < 2 or names[0] == names[1]


def differences(found: Iterable[Pair]) -> list[Pair]:
    """Return pairs of texts, marked, those left out that are the same or of which nearly all differs.

    >>> differences([("C=FR,O=CH\N{NO-BREAK SPACE}ALPHA,CN=mss", "CN=mss,O=CH ALPHA,C=FR")])
    [('CN=mss,O=CH[⍽]ALPHA,C=FR (dans un autre ordre)', 'CN=mss,O=CH[␣]ALPHA,C=FR')]
    """
    shown: dict[Pair, None] = {}
    for text, other in found:
        ordered = _ordered(text, other)
        if both := (ordered, other) if ordered == other != text else marked(ordered, other):
            note = "" if ordered == text else f" {gettext('(dans un autre ordre)')}"
            shown[both[0] + note, both[1]] = None
    return list(shown)


def marked(text: str, other: str) -> Pair | None:
    """Return two texts with what differs in brackets; None if they are the same, or nearly all differs.

    >>> marked("ST=Paris(75)", "ST=Paris (75)"), marked('O="CH X"', "O=CH X")
    (('ST=Paris[](75)', 'ST=Paris[␣](75)'), ('O=["]CH X["]', 'O=[]CH X[]'))
    >>> marked("CH-Alpha  Nord", "ch-alpha Nord")
    ('[CH]-[A]lpha␣[␣]Nord', '[ch]-[a]lpha␣[]Nord')
    >>> marked("abc", "xyz"), marked("abc", "abc")
    (None, None)
    """
    if text == other or max(len(text), len(other)) > MOST:
        return None
    if _alike(text.casefold(), other.casefold()) < ALIKE:
        return None
    sides: tuple[list[str], list[str]] = ([], [])
    before = False
    for kind, *places in SequenceMatcher(None, text, other, autojunk=False).get_opcodes():
        for side, whole, start, end in zip(sides, (text, other), places[::2], places[1::2], strict=True):
            part = whole[start:end]
            same = _beside(part, first=before, last=end < len(whole)) if kind == "equal" else ""
            side.append(same or f"[{_seen(part)}]")
        before = kind != "equal"
    return "".join(sides[0]), "".join(sides[1])


def _seen(text: str) -> str:
    return visible("".join(SPACES.get(character, character) for character in text))


def _beside(text: str, *, first: bool, last: bool) -> str:
    """Return a text with spaces next to a difference shown: a doubled one is one of two."""
    inside = text.strip(" ")
    if not inside:
        return _seen(text)
    head, tail = text[: len(text) - len(text.lstrip(" "))], text[len(text.rstrip(" ")) :]
    return f"{_seen(head) if first else head}{visible(inside)}{_seen(tail) if last else tail}"


def _ordered(text: str, other: str) -> str:
    """Return a name with its RDNs in the order that the other has, if they are of the same kinds."""
    ours, theirs = (_RDN.split(text_side) for text_side in (text, other))
    kinds, order = (
        [rdn.partition("=")[0].strip().upper() for rdn in text_side] for text_side in (ours, theirs)
    )
    if kinds == order or len(ours) < 2 or len(set(kinds)) < len(kinds) or sorted(kinds) != sorted(order):
        return text
    return ",".join(ours[kinds.index(kind)] for kind in order)


def _alike(text: str, other: str) -> float:
    return SequenceMatcher(None, text[:MOST], other[:MOST], autojunk=False).ratio()


def legend(texts: Iterable[str]) -> str:
    """Return what the signs in some marked texts mean, in parentheses; "" if none is marked."""
    all_of = "".join(texts)
    signs = [gettext(text) for sign, text in LEGEND.items() if sign in all_of]
    text = gettext(" ; ").join([gettext("entre crochets : ce qui diffère"), *signs])
    return f"({text})" if "[" in all_of else ""
