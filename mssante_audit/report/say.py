"""Sentences made of numbers and names: what stands under a chart, and on top."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from mssante_audit.base.language import Sentence, gettext, translated
from mssante_audit.base.markup import data, visible
from mssante_audit.report.tables import Html

_STRONG = re.compile(r"\*\*(.+?)\*\*")


class Said(str):
    """A sentence: a text for a caption or a note, and a paragraph where a cell ends with it."""

    __slots__ = ("html",)

    html: str
    """The same as HTML: texts of the data escaped, what stands between two ``**`` strong."""

    def _repr_html_(self) -> str:
        return f"<p>{self.html}</p>"


def say(text: str, /, **values: Any) -> Said:
    r"""Write a sentence, with numbers, nouns in the right number, and names left as they are.

    Parameters
    ----------
    text
        The sentence in French, which `mssante_audit.base.language` translates, with ``{name}`` for a value.
        ``{n:domaine}`` is a number and its noun, ``{n:signal|signaux}`` with an irregular plural,
        ``{n:~est|sont}`` only the word that agrees. What stands between two ``**`` is strong in HTML.
        Apostrophes and spaces may be typed as on any keyboard.
    **values
        Numbers are written as the language does; texts (a name of the data, a share by `percent`) are not
        touched, other sentences stand in this one.

    Returns
    -------
    Said
        A text, which shows itself as a paragraph.

    Examples
    --------
    >>> said = say("{n:domaine} sur {all} {n:~dépend|dépendent} de {who}.", n=1200, all=4917, who="<b>'")
    >>> said.replace("\N{NBSP}", "_").replace("\N{NNBSP}", "-")
    "1-200_domaines sur 4-917 dépendent de <b>'."
    >>> say("**{n:règle}** : {who}", n=1, who="<b>").html.replace("\N{NBSP}", "_")
    '<strong>1_règle</strong>_: <bdi>&lt;b&gt;</bdi>'
    """
    prose = gettext(text)
    said = Said(_Plain().vformat(_STRONG.sub(r"\1", prose), (), values))
    said.html = _Marked().vformat(_STRONG.sub(r"<strong>\1</strong>", escape(prose, quote=False)), (), values)
    return said


def lead(*sentences: str) -> Html:
    """Show the answer, in the large type of a first screen."""
    return Html(f'<p class="lead">{" ".join(map(_html, filter(None, sentences)))}</p>')


def note(*sentences: str, kind: str = "scope") -> Html:
    """Show sentences in small type: ``scope``, or ``limits``, or ``caution`` for a warning."""
    return Html(f'<p class="{escape(kind)}">{" ".join(map(_html, filter(None, sentences)))}</p>')


def _html(sentence: str) -> str:
    return sentence.html if isinstance(sentence, Said) else escape(visible(translated(sentence)))


class _Plain(Sentence):
    def format_field(self, value: Any, spec: str) -> str:
        return visible(value) if isinstance(value, str) else super().format_field(value, spec)


class _Marked(_Plain):
    def format_field(self, value: Any, spec: str) -> str:
        if isinstance(value, Said):
            return value.html
        return data(value, more="") if isinstance(value, str) else super().format_field(value, spec)
