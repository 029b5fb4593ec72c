"""Two texts that differ, each with what differs in brackets where it is, and no space of it unseen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher

from mssante_audit.base.language import gettext
from mssante_audit.base.text import fold
from mssante_audit.report.tables import visible

SPACES = {
    " ": "␣",
    "\N{NO-BREAK SPACE}": "⍽",
    "\N{NARROW NO-BREAK SPACE}": "⍽",
    "\t": "⇥",
    "\n": "↵",
    "\r": "↵",
}
"""What stands for a space that matters: a reader sees it, and no line is broken at it."""
LEGEND = {
    "[]": "[] : rien",
    "␣": "␣ : une espace",
    "⍽": "⍽ : une espace insécable",
    "⇥": "⇥ : une tabulation",
    "↵": "↵ : un retour à la ligne",
}
"""What signs mean, in French."""
ALIKE = 0.85
"""Share of letters in common, whatever their case, from which on two texts are compared by letters."""
MOST = 600
"""Characters of a text that are compared: more than a field of the list holds."""
AROUND = 60
"""Characters kept beside a difference where a text is too long to be shown whole."""

_ITEM = re.compile(r"(?:[0-9,\s]+\s[a-z]+\s?: )?(?:[0-9,\s]+\s×\s)?(.*?)", re.DOTALL)
_ESCAPED = re.compile(r"\\u(00a0|202f|0009)")
_CN = re.compile(r"\bCN=([^,]*)")
_SERVER = re.compile(r"\s\([0-9A-Fa-f.:]+\)$")
"""Of two servers neither is the other one written wrongly."""
_RDN = re.compile(r",(?=[A-Za-z0-9.]+=)")
_NOTE = re.compile(r" \([^()]*\)$")
_DATES = re.compile(r"\s–\s(?:du|depuis|of|since|[0-9]{1,2}\s[A-Z][a-z]+)\s[^–]*$")


def marked(text: str, other: str) -> tuple[str, str] | None:
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
    found = SequenceMatcher(None, text, other, autojunk=False)
    sides: tuple[list[str], list[str]] = ([], [])
    before = False
    for kind, *places in found.get_opcodes():
        for side, whole, start, end in zip(sides, (text, other), places[::2], places[1::2], strict=True):
            part = whole[start:end]
            side.append(
                _beside(part, first=before, last=end < len(whole)) if kind == "equal" else f"[{_seen(part)}]"
            )
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


def differences(observed: str, expected: str) -> list[tuple[str, str]]:
    """Return what stands and what should, marked, for each of the texts that a finding parts by `` | ``.

    Without an expected one, a certificate's name is told apart from its first writing.

    >>> differences("2 × ST=Paris(75) (sans espace) | 1 × ST=Paris (75)", "ST=Paris (75)")
    [('ST=Paris[](75)', 'ST=Paris[␣](75)')]
    >>> differences("2\N{NO-BREAK SPACE}domaines\N{NO-BREAK SPACE}: 1 × O=CH ALPHA ,C=FR", "O=CH ALPHA,C=FR")
    [('O=CH ALPHA[␣],C=FR', 'O=CH ALPHA[],C=FR')]
    >>> differences("s@alpha.example – du 21 octobre 2021 | b@alpha.example – du 18 octobre 2021", "")
    [('[b]@alpha.example', '[s]@alpha.example')]
    >>> differences("C=FR,O=CH\N{NO-BREAK SPACE}ALPHA,CN=mss", "CN=mss,O=CH ALPHA,C=FR")
    [('CN=mss,O=CH[⍽]ALPHA,C=FR (dans un autre ordre)', 'CN=mss,O=CH[␣]ALPHA,C=FR')]
    """
    found = list(_items(observed))
    right = [text for text, *_ in _items(expected)]
    wanted = right or [text for text, *_ in found]
    told: dict[tuple[str, str], None] = {}
    for at, readings in enumerate(found):
        others = [w for w in wanted if _same_name(w, readings[-1])]
        others = others if right else others[:1]
        if not others:  # none is right for this certificate: its first writing is what others are beside
            others = [text for text, *_ in found[:at] if _same_name(text, readings[-1])][:1]
        if not others or not {*others}.isdisjoint(readings) or _SERVER.search(readings[0]):
            continue
        text, other = max(((t, w) for t in readings for w in others), key=lambda pair: _alike(*pair))
        ordered = _ordered(text, other)
        if both := (ordered, other) if ordered == other != text else marked(ordered, other):
            told[both if ordered == text else (f"{both[0]} {gettext('(dans un autre ordre)')}", both[1])] = (
                None
            )
    return list(told)


def _ordered(text: str, other: str) -> str:
    """Return a name with its RDNs in the order that the other has, if they are of the same kinds."""
    own, theirs = (_RDN.split(one) for one in (text, other))
    kinds, order = ([rdn.partition("=")[0].strip().upper() for rdn in one] for one in (own, theirs))
    if kinds == order or len(own) < 2 or len(set(kinds)) < len(kinds) or sorted(kinds) != sorted(order):
        return text
    return ",".join(own[kinds.index(kind)] for kind in order)


def _same_name(text: str, other: str) -> bool:
    """Tell whether two texts may be meant to be one: of two certificates, those of one CN."""
    names = [_CN.search(one) for one in (text, other)]
    return not all(names) or len({fold(name[1]) for name in names if name}) == 1


def _items(text: str) -> Iterator[tuple[str, ...]]:
    """Yield each text of a finding's words, without how often and since when, without a note too."""
    text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    for part in text.split(" | ") if text else ():
        whole = _ITEM.fullmatch(part)
        bare = _DATES.sub("", whole[1] if whole else part)
        yield tuple(dict.fromkeys((bare, _NOTE.sub("", bare))))


def _alike(text: str, other: str) -> float:
    return SequenceMatcher(None, text[:MOST], other[:MOST], autojunk=False).ratio()


def cut(text: str, most: int) -> str:
    """Return a marked text of at most about `most` characters, what differs and what stands around it kept.

    >>> cut("a" * 30 + "[b]" + "c" * 200, 100)
    'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa[b]cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc…'
    """
    if len(text) <= most:
        return text
    kept, end = "", 0
    for found in re.finditer(r"\[[^\[\]]*\]", text):
        start, stop = max(end, found.start() - AROUND), found.end() + AROUND
        kept += ("…" if start > end else "") + text[start:stop]
        end = stop
    return kept + ("…" if end < len(text) else "")


def legend(texts: Iterable[str]) -> str:
    """Return what the signs in some marked texts mean, in parentheses; "" if none is marked."""
    all_of = "".join(texts)
    signs = [gettext(told) for sign, told in LEGEND.items() if sign in all_of]
    return (
        f"({gettext(' ; ').join([gettext('entre crochets : ce qui diffère'), *signs])})"
        if "[" in all_of
        else ""
    )
