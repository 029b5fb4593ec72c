"""What charts are made of: the figure with its title and caption, marks that tell their value, legends.

A mark is an SVG shape named by its ``<title>``: what a pointer shows, a screen reader says, and the script of
tables writes beside the mark that has the focus. Texts that may be long are HTML beside the marks, so that
they wrap and keep their size; colours are variables of `tables.css`, for light, dark and paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from numbers import Real
from typing import Any

from mssante_audit.base.errors import InputError
from mssante_audit.base.language import translated
from mssante_audit.base.markup import data, visible
from mssante_audit.report.say import Said

TEXT = 1000
"""Characters of a name, or of a table's cell, that are shown: no name is as long."""

MARKS = {"fr": (" : ", " ; "), "en": (": ", "; ")}
"""What stands between a name and its number, and between two of these, by language."""

GAP = 0.4
"""Between the parts of a bar, and the least width of one: hundredths of the chart's width."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with what a reader needs who cannot see it, or who wonders what it says."""

    title: str
    body: str = field(repr=False)
    """HTML, already escaped."""
    alt: str
    """Alternative text: what is drawn, with the numbers."""
    caption: str
    """What the chart shows, in a sentence; "" for none."""

    def html(self) -> str:
        """Return the figure with its title, alternative text and caption as HTML."""
        told = (
            self.caption.html if isinstance(self.caption, Said) else escape(visible(translated(self.caption)))
        )
        caption = f"<figcaption>{told}</figcaption>" if told else ""
        return (
            f'<figure class="chart"><p class="title">{escape(visible(translated(self.title)))}</p>'
            f'<div class="drawn" role="group" aria-label="{escape(visible(self.alt))}">{self.body}</div>'
            f"{caption}</figure>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": f"{self.alt}\n{self.caption}"}


def whole(numbers: Iterable[Any]) -> list[int]:
    """Return numbers as whole ones: a count cut short would be another count.

    Raises
    ------
    InputError
        If one is not whole, or unknown.
    """
    told = list(numbers)
    if wrong := [n for n in told if not isinstance(n, Real) or n % 1 != 0]:
        raise InputError(f"{wrong[0]} is no whole number", remedy="Draw counts, or round them first")
    return [int(n) for n in told]


def mark(shape: str, told: str, more: str = "", *, beside: bool = False) -> str:
    """Return a mark as SVG: an element and its attributes, what it tells, and what else it holds.

    What stands beside it as text anyway is only its name, and no text of the page.

    >>> mark('rect width="9"', "a & b")
    '<rect width="9" role="img" tabindex="0"><title>a &amp; b</title></rect>'
    """
    tag, name = shape.split(" ", 1)[0], escape(visible(told))
    if beside:
        return f'<{shape} role="img" tabindex="0" aria-label="{name}">{more}</{tag}>'
    return f'<{shape} role="img" tabindex="0"><title>{name}</title>{more}</{tag}>'


def track(parts: Iterable[tuple[float, str, str]], whole: float, *, beside: bool = False) -> str:
    """Return a bar as SVG, as wide as `whole`.

    Parameters
    ----------
    parts
        Of each, from the left: how long it is, its style, what it tells.
    whole
        The length that would fill the width.
    beside
        As for `mark`.
    """
    shown, at, drawn = [part for part in parts if part[0] > 0], 0.0, ""
    for place, (length, style, told) in enumerate(shown, 1):
        share = 100 * length / whole
        width = max(share - GAP * (place < len(shown)), GAP)
        shape = f'rect class="{style}" x="{at:.1f}%" width="{width:.1f}%" height="100%"'
        drawn += mark(shape, told, beside=beside)
        at += share
    return f'<svg class="track">{drawn}</svg>'


def legend(words: Mapping[str, str]) -> str:
    """Return what each style stands for as HTML; "" for no style.

    Parameters
    ----------
    words
        Words of ours or of the data, by style.
    """
    keys = "".join(
        f'<li><svg><rect class="{style}" width="100%" height="100%"/></svg>'
        f"{data(translated(word), TEXT, '')}</li>"
        for style, word in words.items()
    )
    return f'<ul class="legend">{keys}</ul>' if keys else ""
