"""Texts of the data as HTML, and the small card by which an object shows itself in JupyterLab.

Nothing in what is returned is markup of the data, and no character of it is invisible.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from importlib import import_module
from typing import Any

from mssante_audit.base.language import gettext
from mssante_audit.base.text import visible as visible

SHOWN_TEXT = 400
"""Characters of one text that are shown."""


def data(text: str, limit: int = SHOWN_TEXT, more: str | None = None) -> str:
    """Return a text of the data as HTML: escaped, nothing invisible, cut at `limit` and followed by `more`.

    Where `more` is not given, the reader is told that the CSV has the whole text.

    >>> data("<b>"), data("abcd", 2, "")
    ('<bdi>&lt;b&gt;</bdi>', '<bdi>ab…</bdi>')
    """
    if not text:
        return ""
    shown = visible(text)
    if len(shown) > limit:
        shown = f"{shown[:limit]}…{gettext(' (texte coupé : voir le CSV)') if more is None else more}"
    return f"<bdi>{escape(shown)}</bdi>"


def card(title: str, facts: Mapping[str, object]) -> str:
    """Return a title and facts by name as a small table in HTML, for ``_repr_html_``: in any theme, escaped.

    Facts are texts, numbers or instants; what is empty or ``None`` is left out.

    >>> card("Règle", {"code": "<b>", "source": ""}).count("<tr>")
    1
    """
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left;vertical-align:top">{escape(visible(name))}</th>'
        f'<td style="text-align:left">{data(str(value), more="")}</td></tr>'
        for name, value in facts.items()
        if value not in ("", None)
    )
    head = f'<caption style="text-align:left;font-weight:600;color:inherit">{data(title, more="")}</caption>'
    return f"<table>{head}<tbody>{rows}</tbody></table>"


def show(what: str, value: Any) -> Any:
    """Return how an object of a room below shows itself, which `mssante_audit.report.reprs` knows.

    It is looked up when asked for: showing takes words, verdicts and tables, of which a frame or a rule
    knows nothing.
    """
    return getattr(import_module("mssante_audit.report.reprs"), what)(value)
