"""Is an address or a domain in the white list? Letter for letter: nothing near it counts."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from mssante_audit.base.errors import ParameterError
from mssante_audit.base.text import fold
from mssante_audit.whitelist.rows import above_of

NEAR = 5
"""How many near names are given."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a name is listed, and what is near it if it is not."""

    domain: str
    """What was looked up: of an address, what follows its ``@``."""
    listed: bool
    parent: str = ""
    """The nearest listed domain that it lies under, which does not make it listed."""
    respelt: str = ""
    """A listed domain that differs only in case, blanks around it or a final dot."""
    near: tuple[str, ...] = ()
    """Listed domains that look like it, the nearest first."""


def check(text: str, domains: Sequence[str]) -> Answer:
    """Look an address or a domain up among the listed ones.

    An address may have a name before it (``Name <a@domain>``). A text that stands in the list as it is, ``@``
    or not, is listed. What is no address (nothing before the ``@``, or two of them) is a `ParameterError`.

    >>> check("zoe@ch-alpha.example", ["ch-alpha.example"]).listed
    True
    >>> check("CH-alpha.example", ["ch-alpha.example"])
    Answer(domain='CH-alpha.example', listed=False, parent='', respelt='ch-alpha.example', near=())
    """
    known = set(domains)
    domain = text if text in known else _domain(text)
    if domain in known:
        return Answer(domain, True)
    plain = _plain(domain)
    spellings = {_plain(name): name for name in reversed(domains)}
    if plain in spellings:
        return Answer(domain, False, respelt=spellings[plain])
    parent = next((spellings[name] for name in above_of(plain) if name in spellings), "")
    return Answer(domain, False, parent, near=() if parent else _near(plain, spellings))


_NAMED = re.compile(r".*<([^<>]*)>\s*", re.DOTALL)


def _domain(text: str) -> str:
    """Return the domain of an address; a text without ``@`` is one."""
    address = named[1] if (named := _NAMED.fullmatch(text)) else text
    before, _, domain = address.partition("@")
    if "@" in address and (not before.strip() or not domain.strip() or "@" in domain):
        remedy = "Write it as name@domain, or the domain alone"
        raise ParameterError("{} is no address", repr(text), remedy=remedy)
    return domain if "@" in address else address


def search(entries: pd.DataFrame, words: str, limit: int = 10) -> pd.DataFrame:
    """Return the first row of each domain that words resemble, the nearest first.

    Words are of a name, a town, an operator, or its identifier; case and accents do not count, a wrong letter
    costs little, and a hospital is also called CH, CHU or centre hospitalier.
    """
    columns = ["domain", "description", "operator", "operator_id", "department"]
    rows = entries.drop_duplicates("domain")[columns].reset_index(drop=True)
    number_of = {domain: number for number, domain in enumerate(rows["domain"].tolist())}
    places: dict[str, set[int]] = {}
    texts = (entries[name].tolist() for name in (*columns[:4], *_NUMBERS) if name in entries)
    for row in set(zip(*texts, strict=True)):
        for token in _TOKEN.findall(fold(" ".join(row))):
            places.setdefault(token, set()).add(number_of[row[0]])
    scores: Counter[int] = Counter()
    wanted = list(dict.fromkeys(w for w in _TOKEN.findall(fold(words)) if w not in _SMALL))[:_WORDS]
    total = 0.0
    for word in wanted:
        best: dict[int, float] = {}
        for token, likeness in _alike(word, list(places)).items():
            for number in places[token]:
                best[number] = max(best.get(number, 0.0), likeness)
        # A word that nearly nobody or a great many have tells little: hospital, clinic.
        weight = 1.0 if 0 < len(best) <= max(_FEW, len(rows) // 50) else 0.3
        total += weight
        scores.update({number: weight * likeness for number, likeness in best.items()})
    lengths = rows["domain"].str.len().tolist()
    likely = ((number, score) for number, score in scores.items() if score >= 0.6 * total)
    ranked = sorted((-score, lengths[number], number) for number, score in likely)
    return rows.iloc[[number for *_, number in ranked[:limit]]].reset_index(drop=True)


_TOKEN = re.compile(r"[^\W_]+")
_SMALL = frozenset(["a", "au", "aux", "d", "de", "des", "du", "en", "et", "l", "la", "le", "les"])
_SAME = {"hopital": ("ch", "chr", "chru", "chu", "hopitaux", "hospitalier"), "laboratoire": ("labo",)}
"""What a kind of house is called too."""
_NUMBERS = ("finess", "siren", "siret")
_WORDS = 12
_FEW = 10


def _alike(word: str, tokens: list[str]) -> dict[str, float]:
    """Return the tokens like a word, with how much: 1 for the same."""
    alike = dict.fromkeys(difflib.get_close_matches(word[:64], tokens, 20, cutoff=0.8), 0.7)
    alike |= {token: 0.85 for token in tokens if len(word) > 2 and token.startswith(word)}
    alike |= {token: 0.95 for token in _SAME.get(word, ()) if token in tokens}
    return alike | ({word: 1.0} if word in tokens else {})


def _plain(name: str) -> str:
    return name.strip().rstrip(".").casefold()


def _near(name: str, spellings: dict[str, str]) -> tuple[str, ...]:
    """Return the listed names like `name`, compared without the ending they share with it."""
    tail = "." + ".".join(name.split(".")[-2:])
    stem = name.removesuffix(tail)
    alike = {known.removesuffix(tail): listed for known, listed in spellings.items() if known.endswith(tail)}
    if alike and stem:
        return tuple(alike[n] for n in difflib.get_close_matches(stem, list(alike), NEAR, cutoff=0.7))
    return tuple(spellings[n] for n in difflib.get_close_matches(name, list(spellings), NEAR, cutoff=0.9))
