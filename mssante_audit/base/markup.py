"""Texts of the data as HTML, no character of them invisible, and how an object shows itself in JupyterLab."""

from functools import singledispatch
from typing import Any

from markupsafe import Markup

from mssante_audit.base.language import gettext
from mssante_audit.base.text import visible as visible

SHOWN_TEXT = 400  # characters of one text that are shown


def data(text: str, limit: int = SHOWN_TEXT, more: str | None = None) -> Markup:
    """Return a text of the data as HTML, with its blanks, cut before `limit` and followed by `more`.

    Where `more` is not given, the reader learns that the CSV has the whole text. It is cut at a blank if one
    is near: a part of a number or of a name is another one.

    >>> str(data("<b>")), str(data("abcd", 2, "")), str(data("lines 10, 120", 11, ""))
    ('<bdi>&lt;b&gt;</bdi>', '<bdi>ab…</bdi>', '<bdi>lines 10…</bdi>')
    """
    if not text:
        return Markup()
    display = visible(text)
    if len(display) > limit:
        blank = display.rfind(" ", max(limit - 40, limit // 2), limit + 1)
        display = display[: blank if blank > 0 else limit].rstrip(" ,;|")
        display += f"…{gettext(' (texte coupé : voir le CSV)') if more is None else more}"
    return Markup("<bdi>{}</bdi>").format(display)


def breakable(name: Markup) -> Markup:
    """Let a name that is longer than its column break before its dots, the last one aside."""
    return name.replace(".", Markup("<wbr>."), name.count(".") - 1)


@singledispatch
def html_of(_: Any) -> str | None:
    """Return how an object shows itself in a notebook, as rooms above register it; ``None``, as its text."""
    return None
