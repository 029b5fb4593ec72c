"""Domains by words as people type them (a town, a name, a kind of house, an operator), or letter for letter.

All numbers are whole, so that ``report/explorer/search.js``, which is this in JavaScript, ranks alike.
"""

import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from mssante_audit.base.errors import ParameterError
from mssante_audit.base.resources import table_of
from mssante_audit.base.text import fold
from mssante_audit.values.hosts import domain_key
from mssante_audit.values.identifiers import DEPARTMENTS, region_of
from mssante_audit.values.slips import cuts
from mssante_audit.whitelist.rows import above_of

WORDS = table_of("mssante_audit.whitelist", "search.toml")  # how people call what they look for
SHOWN = ("domain", "description", "operator", "operator_id", "department")

_SMALL = frozenset(WORDS["small"])
_KINDS = frozenset(word for group in WORDS["same"] for word in group)
_SAME = {word: group for group in WORDS["same"] for word in group}
_SPELT = {word: group for group in WORDS["spelt"] for word in group}
_MOST_WORDS, _MOST_NEAR = 12, 10
_LONG = 64  # letters of a word that is none: its slips would take memory by the square of them
NEAR = 5  # how many near names `check` gives
_FEW = 5  # fewer domains than this have a word as it is typed: those that have it with a slip count as well
# How much a word counts that is the same, means the same, begins so, holds it, has one slip, or is near.
_EQUAL, _MEANT, _BEGINS, _INSIDE, _SLIP, _NEAR = 10, 8, 7, 5, 4, 3
_LEAST = 5  # nearest are those that have this part, a fifth, of what all words would count
_NAMED, _OTHER = 3, 2  # how much a word of the domain and its descriptions counts, and one of all else


class Document(NamedTuple):
    """What a domain is found by."""

    domain: str
    shown: str  # its name as it may be shown
    named: str  # its name and descriptions
    other: str  # identifiers and names of its operators, and where these sit


def documents(entries: pd.DataFrame, shown: Callable[[str], str] = str) -> list[Document]:
    """Return what each domain of some rows of a list is found by, texts as they may be `shown`."""
    named: defaultdict[str, dict[str, None]] = defaultdict(dict)
    other: defaultdict[str, dict[str, None]] = defaultdict(dict)
    columns = [name for name in ("operator_id", "operator", "finess", "siren", "siret") if name in entries]
    texts = (entries[name].tolist() for name in ("domain", "description", "department", *columns))
    for domain, description, code, *rest in zip(*texts, strict=True):
        named[domain][shown(description)] = None
        place = (DEPARTMENTS.get(code, ""), code, region_of(code))
        other[domain] |= dict.fromkeys(filter(None, (*map(shown, rest), *place)))
    return [Document(n, shown(n), " ".join([shown(n), *named[n]]), " ".join(other[n])) for n in named]


class Index:
    """The words of documents, to be searched many times."""

    def __init__(self, entries: Sequence[Document]) -> None:
        self.documents = entries
        self.names = [document.shown for document in entries]
        self.folded = list(map(fold, self.names))
        self.places: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for at, document in enumerate(entries):
            for counts, text in ((_OTHER, document.other), (_NAMED, document.named)):
                words = fold(text)
                for word in f"{words} {_shortened(words)}".split():
                    self.places[word][at] = counts

    def ranked(self, typed: str) -> list[str]:
        """Return the domains that have the words, the best first, or else the nearest few.

        What kind of house it is need not be right.
        """
        query = fold(typed.strip().rpartition("@")[2])
        words = list(dict.fromkeys(_shortened(query).split()))
        words = [word for word in words if word not in _SMALL][:_MOST_WORDS]
        needed = [word for word in words if word not in _KINDS] or words
        having = {word: self._having(word) for word in words}
        matches = set.intersection(*(set(having[word]) for word in needed)) if needed else set()
        complete = bool(matches)
        if not complete:
            having = {word: having[word] or self._near_word(word) for word in words}
            matches = {at for word in needed for at in having[word]}
        scores, maximum = dict.fromkeys(matches, 0), 0
        for word, counted in having.items():
            rarity = (len(self.names) // max(len(counted), 1)).bit_length()
            maximum += rarity * _EQUAL * _NAMED if word in needed else 0
            for at in counted.keys() & matches:
                scores[at] += rarity * counted[at]
        if not complete:
            matches = {at for at in matches if _LEAST * scores[at] >= maximum}
        exact, names = (query, f"{query} mssante fr"), self.names
        ranks = {at: (self.folded[at] not in exact, -scores[at], len(names[at]), names[at]) for at in matches}
        best = [self.documents[at].domain for at in sorted(matches, key=ranks.__getitem__)]
        return best if complete else best[:_MOST_NEAR]

    def _having(self, word: str) -> dict[int, int]:
        """Return the documents that have a word, with how much that counts."""
        like = dict.fromkeys(_SAME.get(word, ()), _MEANT)
        for token in self.places:
            if word in token and (len(word) > 2 or token.startswith(word)):
                like[token] = _BEGINS if token.startswith(word) else _INSIDE
        having = self._counted(like | dict.fromkeys(_SPELT.get(word, [word]), _EQUAL))
        if len(having) < _FEW and 3 < len(word) < _LONG and not word.isdigit():
            slips = cuts(word)
            tokens = (t for t in self.places if abs(len(t) - len(word)) < 2 and not slips.isdisjoint(cuts(t)))
            having = self._counted(dict.fromkeys(tokens, _SLIP)) | having
        return having

    def _near_word(self, word: str) -> dict[int, int]:
        """Return the documents that have a word which shares half of its pairs of letters or more."""
        pairs = _pairs(word)
        pairs_of = {token: _pairs(token) for token in self.places}
        like = (t for t, other in pairs_of.items() if 4 * len(pairs & other) >= len(pairs) + len(other) > 0)
        return self._counted(dict.fromkeys(like, _NEAR))

    def _counted(self, like: Mapping[str, int]) -> dict[int, int]:
        best: dict[int, int] = {}
        for token, weight in like.items():
            for at, counts in self.places.get(token, {}).items():
                best[at] = max(best.get(at, 0), weight * counts)
        return best


def search(entries: pd.DataFrame, words: str, limit: int = 10, index: Index | None = None) -> pd.DataFrame:
    """Return the first row of each domain that words find, the best first, or else of the nearest."""
    domains = (index or Index(documents(entries))).ranked(words)[:limit]
    rows = entries.drop_duplicates("domain").set_index("domain", drop=False)[list(SHOWN)]
    return rows.loc[domains].reset_index(drop=True)


def _shortened(words: str) -> str:
    for long, short in WORDS["short"]:
        words = f" {words} ".replace(f" {long} ", f" {short} ").strip()
    return words


def _pairs(word: str) -> set[str]:
    return {word[at : at + 2] for at in range(len(word) - 1)}


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a name is listed, and what is near it if it is not."""

    domain: str  # what was looked up: of an address, what follows its ``@``
    listed: bool
    parent: str = ""  # the nearest listed domain that it lies under, which does not make it listed
    respelt: str = ""  # a listed domain that differs only in case, blanks around it or a final dot
    near: tuple[str, ...] = ()  # listed domains that look like it, the nearest first


def check(text: str, domains: Sequence[str]) -> Answer:
    """Look an address (``Name <a@domain>`` too) or a domain up among the listed ones, letter for letter.

    What is no address (nothing before the ``@``, or two of them) is a `ParameterError`, unless it is listed.
    """
    listed, domain = set(domains), text
    if text not in listed:
        named = re.fullmatch(r".*<([^<>]*)>\s*", text, re.DOTALL)
        before, at, behind = (named[1] if named else text).partition("@")
        if at and (not before.strip() or not behind.strip() or "@" in behind):
            remedy = "Write it as name@domain, or the domain alone"
            raise ParameterError("{} is no address", repr(text), remedy=remedy)
        domain = behind if at else before
    if domain in listed:
        return Answer(domain, True)
    plain = domain_key(domain)
    spellings = {domain_key(name): name for name in reversed(domains)}
    if plain in spellings:
        return Answer(domain, False, respelt=spellings[plain])
    parent = next((spellings[name] for name in above_of(plain) if name in spellings), "")
    return Answer(domain, False, parent, near=() if parent else _near_names(plain, spellings))


def _near_names(name: str, spellings: dict[str, str]) -> tuple[str, ...]:
    """Return the listed names like `name`, compared without the ending they share with it."""
    tail = "." + ".".join(name.split(".")[-2:])
    stem = name.removesuffix(tail)
    alike = {n.removesuffix(tail): listed for n, listed in spellings.items() if n.endswith(tail)}
    if alike and stem:
        return tuple(alike[n] for n in difflib.get_close_matches(stem, list(alike), NEAR, cutoff=0.7))
    return tuple(spellings[n] for n in difflib.get_close_matches(name, list(spellings), NEAR, cutoff=0.9))
