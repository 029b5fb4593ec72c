"""matplotlib's drawings as SVG of a page: text is text, colours are the page's, marks tell what they show."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count as count_from
from typing import TYPE_CHECKING, Any, cast

from lxml import etree

from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.report.html import Html, trusted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 420
"""Points that a chart is wide: on a phone its letters stay large enough to read."""
SIZE = 14
"""Points of its letters."""

COLOURS = {
    "critical": "#5b1235", "error": "#a83508", "warning": "#b58200", "info": "#6698c8", "strong": "#0b4a86",
    "light": "#5894cc", "gold": "#b58201", "brown": "#6e3a06", "grey": "#79818a", "ink": "#1b1f24",
    "muted": "#57606a", "edge": "#818a94", "paper": "#fefefe", "s0": "#e8eff6", "s1": "#c3d7ea",
    "s2": "#93bbdc", "s3": "#3a78b0", "s4": "#1f5c99", "s5": "#0b3f75", "inverse": "#fdfdfd",
}  # fmt: skip
"""Colours of a drawing by their names; in a page each is a variable of `tables.css`, no two the same."""

_VARIABLES = {colour: f"{name}-fill" if name in SEVERITIES else name for name, colour in COLOURS.items()}
"""The page's variable of each colour; a severity has another one for its letters."""
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_drawn = count_from(1)


@contextmanager
def look() -> Iterator[None]:
    """Draw in the look of the reports meanwhile."""
    import matplotlib

    style: Any = {
        "font.size": SIZE, "text.color": COLOURS["ink"], "text.parse_math": False,
        "axes.edgecolor": COLOURS["edge"], "xtick.color": COLOURS["muted"], "axes.spines.top": False,
        "axes.spines.right": False, "axes.spines.left": False, "figure.facecolor": "none",
        "axes.facecolor": "none", "legend.frameon": False, "legend.fontsize": SIZE, "legend.borderpad": 0,
        "legend.borderaxespad": 0, "legend.labelspacing": 0.3, "legend.handlelength": 1.4,
        "svg.fonttype": "none", "svg.hashsalt": "mssante-audit", "savefig.dpi": 200,
    }  # fmt: skip
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a browser has letters that this font lacks
        yield


def svg(figure: Figure, marks: Mapping[str, str]) -> Html:
    """Return a drawing as SVG that takes the width there is.

    `marks` has what each mark tells, by the `gid` of its artist (`mark`); of an artist of many, a line each.
    """
    out = io.StringIO()
    with look():
        figure.savefig(out, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    root = etree.fromstring(out.getvalue().encode("utf-8", "backslashreplace"))
    number = next(_drawn)
    etree.strip_elements(root, f"{_SVG}metadata", f"{_SVG}style", etree.Comment, with_tail=False)
    for element in root.iter():
        _tidy(element, number, marks)
    text = etree.tostring(root, encoding="unicode").replace("xlink:href=", "href=")
    text = re.sub(r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", r"<svg \1>", text)
    return trusted(_painted(re.sub(r">\s+<", "><", text)))


def _tidy(element: etree._Element, number: int, marks: Mapping[str, str]) -> None:
    """Give an element of a drawing an `id` of its own, or none; name it if it is a mark."""
    attributes = cast("dict[str, str]", element.attrib)
    name = attributes.pop("id", "")
    if name in marks:
        lines = marks[name].split("\n")
        telling = [element] if len(lines) == 1 else element.findall(f".//{_SVG}use")
        for drawn, line in zip(telling, lines, strict=True):
            drawn.set("role", "img")
            drawn.set("tabindex", "0")
            title = etree.Element(f"{_SVG}title")
            title.text = line
            drawn.insert(0, title)
    elif element.tag in (f"{_SVG}path", f"{_SVG}clipPath") and name:
        element.set("id", f"chart-{number}-{name}")
        if style := attributes.get("style"):  # what uses it has a stroke, which a style sheet can change
            element.set("style", re.sub(r"stroke: [^;]*(; )?", "", style))
    if href := attributes.pop(_HREF, ""):
        element.set(_HREF, f"#chart-{number}-{href[1:]}")
    if clip := attributes.get("clip-path"):
        element.set("clip-path", clip.replace("#", f"#chart-{number}-"))
    for attribute in ("d", "x", "y", "transform", "points"):
        if value := attributes.get(attribute):
            rounded = re.sub(r"(\.\d)\d+", r"\1", " ".join(value.split()))
            element.set(attribute, rounded)
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]


def _painted(text: str) -> str:
    """Put the page's colours and letters in place of the drawing's."""
    text = re.sub(r"font: bold ([\d.]+px) [^;\"]*", r"font-weight: bold; font-size: \1", text)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", text)
    text = re.sub(r"font-family: [^;\"]*(; )?", "", text)
    return re.sub("|".join(_VARIABLES), lambda match: f"var(--{_VARIABLES[match[0]]}, {match[0]})", text)


def mark(number: int) -> str:
    """Return the `gid` of an artist that tells something."""
    return f"mark-{number}"
