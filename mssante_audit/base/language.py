"""The language that readers are told things in: French, or another by its catalogue.

Texts stand in French where they are said, in code, templates and notebooks; ``locale/LANGUAGE.po`` has each
of them in another language. What no catalogue has stays as it is: names of the data, a notebook of one's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from string import Formatter
from typing import Any, Concatenate, ParamSpec, TypeVar

from mssante_audit.base.translations import catalogue as catalogue
from mssante_audit.base.translations import plain as plain
from mssante_audit.base.translations import words_of as words_of
from mssante_audit.base.typography import LANGUAGES as LANGUAGES
from mssante_audit.base.typography import NARROW as NARROW
from mssante_audit.base.typography import NBSP as NBSP
from mssante_audit.base.typography import TYPOGRAPHY, Typography

Key = TypeVar("Key")
Written = ParamSpec("Written")

_HEADING = re.compile(r"(#* *)(.*)", re.DOTALL)
# Of the process, not of a context: a notebook sets it in one cell for those that follow.
_spoken = ["fr"]


def current_language() -> str:
    """Return the language that readers are told things in."""
    return _spoken[-1]


def use_language(language: str) -> None:
    """Tell things in a language from now on; a `ValueError` if it is none of `LANGUAGES`."""
    if language not in LANGUAGES:
        raise ValueError(f"no language {language!r}; there are {', '.join(LANGUAGES)}")
    _spoken[-1] = language


@contextmanager
def using_language(language: str) -> Iterator[None]:
    """Tell things in a language inside a ``with`` block."""
    _spoken.append(_spoken[-1])
    try:
        use_language(language)
        yield
    finally:
        _spoken.pop()


def gettext(text: str) -> str:
    """Return a text of ours in the language spoken; one that no catalogue has, as it is.

    >>> gettext("l'ANS"), gettext("Aucun constat.")
    ('l’ANS', 'Aucun constat.')
    >>> with using_language("en"):
    ...     gettext("Aucun constat.")
    'No findings.'
    """
    return typeset(text) if current_language() == "fr" else translated(text)


def translated(text: str) -> str:
    """Return a text that may be ours or another's: translated if a catalogue has it, else as it is."""
    return text if current_language() == "fr" else catalogue(current_language()).get(plain(text), text)


def format_text(text: str, /, **values: Any) -> str:
    """Return a sentence of ours in the language spoken, filled with values; texts are put in as they are.

    ``{n:domaine}`` is a number and its noun, ``{n:signal|signaux}`` with an irregular plural,
    ``{n:~est|sont}`` only the word that agrees.

    >>> format_text("{n:domaine} sur {all}", n=2, all="<b>").replace(NBSP, "_")
    '2_domaines sur <b>'
    """
    return Sentence().vformat(gettext(text), (), values)


def words(names: Mapping[Key, str]) -> dict[Key, str]:
    """Return names of codes in the language spoken."""
    return {code: translated(name) for code, name in names.items()}


def localized(described: object, part: str) -> str:
    """Return the text of an object that has one a language: ``title_fr``, ``title_en``."""
    return str(getattr(described, f"{part}_{current_language()}"))


class Sentence(Formatter):
    """Fills the templates of `format_text`."""

    def format_field(self, value: Any, spec: str) -> str:
        """Write a text as it is, all else as the language does: a number with the noun or word that agrees.

        An instant is written as its day, or as its ``month`` or ``moment``; a number of days may be a
        ``duration``.
        """
        if isinstance(value, str):
            return value
        if isinstance(value, list | tuple):
            return listing([self.format_field(item, spec) for item in value])
        if isinstance(value, datetime):
            return str(getattr(_typography(), spec or "day")(value))
        if spec == "duration":
            return duration(int(value))
        if not spec:
            return one_decimal(value)
        noun, _, many = spec.removeprefix("~").partition("|")
        if spec.startswith("~"):
            return noun if _typography().singular(value) else many or f"{noun}s"
        return str(_typography().count(int(value), noun, many or None))


def markdown(source: str) -> str:
    """Return a notebook's Markdown in the language spoken, paragraph by paragraph; French is typeset.

    >>> markdown("Chercher : `a :` ?").replace(NBSP, "_").replace(NARROW, "_")
    'Chercher_: `a :`_?'
    """
    if current_language() == "fr":
        return "\n\n".join(map(_set, source.split("\n\n")))
    parts = (_HEADING.fullmatch(part) for part in source.split("\n\n"))
    return "\n\n".join(part[1] + gettext(part[2]) for part in parts if part)


def _set(paragraph: str) -> str:
    if paragraph.startswith(("```", "    ", "|")):
        return paragraph
    code = enumerate(paragraph.split("`"))
    return "`".join(text if at % 2 else typeset(text) for at, text in code)


# What `mssante_audit.base.typography` does, in the language spoken.


def _typography() -> Typography:
    return TYPOGRAPHY[current_language()]


def count(value: int, noun: str, plural: str | None = None) -> str:
    """Write a number and its noun, which is given in French.

    >>> with using_language("en"):
    ...     count(2, "boîte").replace(NBSP, "_")
    '2_mailboxes'
    """
    if current_language() != "fr":
        noun, _, plural = gettext(noun).partition("|")
    return _typography().count(value, noun, plural)


def severity_names() -> Mapping[str, tuple[str, str]]:
    """Return the names of the severities, singular and plural, worst first."""
    return _typography().severity_names


def signatures() -> Mapping[str, str]:
    """Return the names of the verdicts on a signature."""
    names: Mapping[str, str] = _typography().words["signatures"]
    return names


def _in_language(method: Callable[Concatenate[Typography, Written], str]) -> Callable[Written, str]:
    @wraps(method)
    def written(*values: Written.args, **named: Written.kwargs) -> str:
        return method(_typography(), *values, **named)

    return written


colon = _in_language(Typography.colon)
semicolon = _in_language(Typography.semicolon)
number = _in_language(Typography.number)
percent = _in_language(Typography.percent)
one_decimal = _in_language(Typography.one_decimal)
duration = _in_language(Typography.duration)
severity_name = _in_language(Typography.severity_name)
day = _in_language(Typography.day)
month = _in_language(Typography.month)
moment = _in_language(Typography.moment)
damage = _in_language(Typography.damage)
listing = _in_language(Typography.listing)
typeset = _in_language(Typography.typeset)
