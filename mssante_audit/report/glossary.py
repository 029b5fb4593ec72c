"""Terms that readers meet, each in one plain sentence of the language spoken."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from mssante_audit.base.language import spoken
from mssante_audit.values.contacts import fold


def glossary() -> list[tuple[str, str]]:
    """Return each term and what it means, in the order of a dictionary.

    >>> dict(glossary())["MX"]
    'L’enregistrement du DNS qui nomme le serveur de messagerie d’un domaine.'
    """
    return _told(spoken())


@cache
def _told(language: str) -> list[tuple[str, str]]:
    read = tomllib.loads((files(__package__) / "glossary.toml").read_text(encoding="utf-8"))
    terms = ((term, meaning) for term, meaning in (one[language] for one in read.values()))
    return sorted(terms, key=lambda one: fold(one[0]))
