"""Sentences made of numbers and names: what stands under a chart, and on top."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup, escape

from mssante_audit.base.language import Sentence, gettext
from mssante_audit.base.markup import data, visible

_STRONG = re.compile(r"\*\*(.+?)\*\*")


class Prose(str):
    """A sentence: a text, HTML where it stands in a page, and a paragraph where a cell ends with it."""

    __slots__ = ("html",)

    html: Markup
    """The same as HTML: texts of the data escaped, what stands between two ``**`` strong."""

    def __html__(self) -> str:
        return self.html

    def _repr_html_(self) -> str:
        return str(Markup("<p>{}</p>").format(self.html))


def say(text: str, /, **values: Any) -> Prose:
    r"""Write a sentence, with numbers, nouns in the right number, and names left as they are.

    Parameters
    ----------
    text
        The sentence in French, which `mssante_audit.base.language` translates, with ``{name}`` for a value.
        ``{n:domaine}`` is a number and its noun, ``{n:signal|signaux}`` with an irregular plural,
        ``{n:~est|sont}`` only the word that agrees. What stands between two ``**`` is strong in HTML.
    **values
        Numbers, instants (their day, or with ``:moment`` to the minute) and lists are written as the language
        does; ``:duration`` is a number of days. Texts are not touched, other sentences stand in this one.

    Examples
    --------
    >>> sentence = say("**{n:règle}** : {who}", n=1, who="<b>")
    >>> str(sentence.html).replace("\N{NBSP}", "_")
    '<strong>1_règle</strong>_: <bdi>&lt;b&gt;</bdi>'
    """
    prose = gettext(text)
    written = Prose(_Plain().vformat(_STRONG.sub(r"\1", prose), (), values))
    marked = _STRONG.sub(r"<strong>\1</strong>", str(escape(prose)))
    written.html = Markup(_Marked().vformat(marked, (), values))  # noqa: S704 - each value is escaped by `_Marked`
    return written


class _Plain(Sentence):
    def format_field(self, value: Any, spec: str) -> str:
        if isinstance(value, Prose):
            return str(value)
        return visible(value) if isinstance(value, str) else super().format_field(value, spec)


class _Marked(Sentence):
    def format_field(self, value: Any, spec: str) -> str:
        if hasattr(value, "__html__"):
            return str(value.__html__())
        return data(value, more="") if isinstance(value, str) else super().format_field(value, spec)
