"""What the report on certificates shows beside tables and charts: names side by side, a calendar to take."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

import pandas as pd

from mssante_audit.base.language import format_text
from mssante_audit.base.markup import SHOWN_TEXT, data, visible
from mssante_audit.report.html import Html, macro, paragraph
from mssante_audit.report.tables import Cell, csv_link, number_cell, rows_table

COLUMNS = ("Nom présenté", "Nom inscrit le plus proche", "Lignes", "Serveurs", "Opérateur")
_WORDS = re.compile(r"\w+|\s|[^\w\s]")


def names_compared(findings: pd.DataFrame, *, name: str, limit: int, empty: str) -> Html:
    """Show names presented, of findings, beside the nearest one listed, what differs marked in both."""
    if findings.empty:
        return paragraph("none", empty)
    pairs = [_pair(facts) for facts in findings["facts"]]
    rows = []
    for pair, finding in zip(pairs[:limit], findings.to_dict("records"), strict=False):
        sides = [
            Cell(macro("pieces.compared", side), text)
            for side, text in zip(compared(*pair), pair, strict=True)
        ]
        hosts = Cell(data(", ".join(finding["facts"]["hosts"]), 200))
        rows.append([*sides, number_cell(len(finding["rows"])), hosts, Cell(data(finding["operator"], 200))])
    both = pd.DataFrame(pairs, columns=["presented", "listed"])
    both = both.join(findings[["rule", "domain", "operator"]].reset_index(drop=True))
    caption = format_text("{n:nom} à comparer, ce qui diffère est souligné", n=len(findings))
    return rows_table(name, caption, COLUMNS, rows, csv_link(both, len(rows), name))


def _pair(facts: Mapping[str, Any]) -> tuple[str, str]:
    presented, names = str(facts["presented"]), facts.get("wanted") or facts.get("listed") or [""]
    cut = presented[:SHOWN_TEXT]
    return presented, max(names, key=lambda name: SequenceMatcher(None, cut, name[:SHOWN_TEXT]).ratio())


def compared(*texts: str) -> tuple[Sequence[tuple[str, bool]], ...]:
    """Return two texts in parts, each with whether it differs from the other text.

    >>> compared("CN=a b", "CN=a  c")[0]
    [('CN=a ', False), ('b', True)]
    """
    words = [_WORDS.findall(visible(text[:SHOWN_TEXT])) for text in texts]
    parts: tuple[list[tuple[str, bool]], ...] = ([], [])
    matcher = SequenceMatcher(None, words[0], words[1], autojunk=False)
    for kind, a1, a2, b1, b2 in matcher.get_opcodes():
        for part, words_of, start, end in ((parts[0], words[0], a1, a2), (parts[1], words[1], b1, b2)):
            if end > start:
                part.append(("".join(words_of[start:end]), kind != "equal"))
    return parts


def calendar_link(text: str, events: int) -> Html:
    """Return the link to a calendar, held in the report itself."""
    if not events:
        return Html()
    content = b64encode(text.encode("utf-8", "backslashreplace")).decode("ascii")
    return macro("pieces.calendar_link", f"data:text/calendar;charset=utf-8;base64,{content}", events)
