"""What the report on certificates shows beside tables and charts: names side by side, a calendar to take."""

from __future__ import annotations

import re
from base64 import b64encode
from difflib import SequenceMatcher
from html import escape

import pandas as pd

from mssante_audit.base.language import format_text, gettext, number, translated
from mssante_audit.report.tables import SHOWN_TEXT, Cell, Html, csv_link, data, table, visible

_WORDS = re.compile(r"\w+|\s|[^\w\s]")


def names_compared(findings: pd.DataFrame, *, name: str, limit: int, empty: str) -> Html:
    """Show names presented beside the nearest one listed, what differs marked in both.

    Parameters
    ----------
    findings
        Those whose facts have ``presented``, and ``wanted`` or ``listed``.
    empty
        What to say where there is none.
    """
    if findings.empty:
        return Html(f'<p class="none">{escape(translated(empty))}</p>')
    pairs = [_pair(facts) for facts in findings["facts"]]
    rows = [
        (
            *(Cell(side, text) for side, text in zip(marked(shown, listed), (shown, listed), strict=True)),
            Cell(number(len(rows)), len(rows)),
            Cell(data(", ".join(facts["hosts"]), 200)),
            Cell(data(operator, 200)),
        )
        for facts, (shown, listed), rows, operator in zip(
            findings["facts"], pairs, findings["rows"], findings["operator"], strict=True
        )
    ]
    own = findings[["rule", "domain", "operator"]].reset_index(drop=True)
    told = pd.DataFrame(pairs, columns=["presented", "listed"]).join(own)
    headings = ("Nom présenté", "Nom inscrit le plus proche", "Lignes", "Serveurs", "Opérateur")
    caption = format_text("{n:nom} à comparer, ce qui diffère est souligné", n=len(findings))
    return Html(table(name, caption, headings, rows[:limit], csv_link(told, told.head(limit), name)))


def _pair(facts: dict[str, list[str]]) -> tuple[str, str]:
    presented = str(facts["presented"])
    listed = facts.get("wanted") or facts.get("listed") or [""]
    near = max(
        listed, key=lambda one: SequenceMatcher(None, presented[:SHOWN_TEXT], one[:SHOWN_TEXT]).ratio()
    )
    return presented, near


def marked(one: str, other: str) -> tuple[str, str]:
    """Return two texts as HTML, the words and blanks that differ marked.

    >>> marked("CN=a b", "CN=a  c")[0]
    '<bdi class="dn">CN=a <mark>b</mark></bdi>'
    """
    words = [_WORDS.findall(visible(text[:SHOWN_TEXT])) for text in (one, other)]
    matcher = SequenceMatcher(a=words[0], b=words[1], autojunk=False)
    parts: tuple[list[str], list[str]] = ([], [])
    for kind, a1, a2, b1, b2 in matcher.get_opcodes():
        for side, own in ((parts[0], words[0][a1:a2]), (parts[1], words[1][b1:b2])):
            text = escape("".join(own))
            side.append(f"<mark>{text}</mark>" if text and kind != "equal" else text)
    first, then = (f'<bdi class="dn">{"".join(side)}</bdi>' for side in parts)
    return first, then


def calendar_link(text: str, events: int) -> Html:
    """Return the link to a calendar, held in the report itself."""
    if not events:
        return Html("")
    content = b64encode(text.encode("utf-8", "backslashreplace")).decode("ascii")
    one = gettext("Prendre l’échéance dans un agenda (iCalendar)")
    said = (
        one if events == 1 else format_text("Prendre les {n:échéance} dans un agenda (iCalendar)", n=events)
    )
    kind = "data:text/calendar;charset=utf-8;base64"
    return Html(f'<p class="csv"><a download="certificates.ics" href="{kind},{content}">{said}</a></p>')
