"""Small pieces of a report: the answer on top, notes, key figures, several tables under their titles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mssante_audit.base.language import listing, number, translated
from mssante_audit.base.markup import visible
from mssante_audit.report.html import Html, macro


def paragraph(kind: str, *sentences: str) -> Html:
    """Return sentences as a paragraph of a kind; "" among them are left out."""
    return macro(
        "pieces.paragraph", kind, [visible(translated(s)) if type(s) is str else s for s in sentences if s]
    )


def lead(*sentences: str) -> Html:
    """Show the answer, in the large type of a first screen."""
    return paragraph("lead", *sentences)


def note(*sentences: str, kind: str = "scope") -> Html:
    """Show sentences in small type: ``scope``, or ``limits``, or ``caution`` for a warning."""
    return paragraph(kind, *sentences)


def card(row: pd.Series | Mapping[str, Any], title: str = "") -> Html:
    """Show one row of any frame, such as a domain's of `mssante_audit.verdicts.domains`, name by name."""
    called = title or (str(row.name) if isinstance(row, pd.Series) else "")
    facts = {
        translated(str(name)): listing(value) if isinstance(value, list) else value
        for name, value in row.items()
    }
    return macro("pieces.card", translated(called), facts)


def sections(parts: Mapping[str, str], rest: str = "") -> Html:
    """Show several tables, each under its title, and below them what is to be said of the rest."""
    return macro("pieces.sections", parts, translated(rest))


@dataclass(frozen=True, slots=True)
class Figure:
    """A key figure: its name, its value (a number or a text) and, if there is more, a note."""

    name: str
    value: int | str
    note: str = ""


def key_figures(figures: Iterable[Figure]) -> Html:
    """Show key figures as tiles."""
    shown = []
    for figure in figures:
        value = figure.value if isinstance(figure.value, str) else number(figure.value)
        shown.append((translated(figure.name), translated(value), translated(figure.note)))
    return macro("pieces.key_figures", shown)
