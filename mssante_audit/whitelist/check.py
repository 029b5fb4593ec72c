"""Is an address or a domain in the white list? Letter for letter: nothing near it counts."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mssante_audit.base.errors import ParameterError
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


def _domain(text: str) -> str:
    """Return the domain of an address; a text without ``@`` is one."""
    named = re.fullmatch(r".*<([^<>]*)>\s*", text, re.DOTALL)
    before, at, domain = (named[1] if named else text).partition("@")
    if at and (not before.strip() or not domain.strip() or "@" in domain):
        remedy = "Write it as name@domain, or the domain alone"
        raise ParameterError("{} is no address", repr(text), remedy=remedy)
    return domain if at else before


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
