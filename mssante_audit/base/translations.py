"""Texts of ours in another language than the one that they stand in: catalogues, ``locale/LANGUAGE.po``.

English has what readers see, by the French that stands in code, templates, notebooks and tables of words;
French has the errors, by the English that stands in code. What a catalogue lacks stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from mssante_audit.base.resources import table_of

_PLAIN = str.maketrans({"’": "'", "\N{NO-BREAK SPACE}": " ", "\N{NARROW NO-BREAK SPACE}": " "})


def plain(text: str) -> str:
    """Return a text as catalogues have it: with plain apostrophes and spaces."""
    return " ".join(text.translate(_PLAIN).split())


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Return the texts of a language by those that they translate, as `plain`; ``one|many`` of a noun."""
    from babel.messages.pofile import read_po  # who needs no translation does not wait for it

    with (files("mssante_audit") / f"locale/{language}.po").open("rb") as file:
        messages = [message for message in read_po(file) if message.id and message.string]
    nouns = {str(m.id[0]): "|".join(m.string or ()) for m in messages if m.pluralizable}
    texts = nouns | {str(m.id): str(m.string) for m in messages if not m.pluralizable}
    return {plain(source): text for source, text in texts.items()}


class Words(dict[str, Any]):
    """A table of French words by language, each translated when it is first asked for."""

    def __init__(self, french: Mapping[str, Any]) -> None:
        super().__init__(fr=french)

    def __missing__(self, language: str) -> Any:
        self[language] = _translated(self["fr"], catalogue(language))
        return self[language]


@cache
def words_of(package: str, name: str = "words.toml") -> Words:
    """Return the words of a file beside the modules of a package, by language, table by table."""
    return Words(table_of(package, name))


def _translated(words: Any, texts: Mapping[str, str]) -> Any:
    if isinstance(words, Mapping):
        return {key: _translated(value, texts) for key, value in words.items()}
    if isinstance(words, list):
        return [_translated(value, texts) for value in words]
    return words.replace(bare, texts.get(plain(bare), bare)) if (bare := words.strip()) else words
