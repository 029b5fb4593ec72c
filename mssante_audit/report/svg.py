"""A chart: matplotlib's figure as SVG of a page, where text is text and colours are the page's.

Each mark says its value when pointed at or in focus, and who sees none of it gets the numbers as text.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count as count_from
from itertools import pairwise
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

import pandas as pd
from lxml import etree

from mssante_audit.base import errors, export, language, markup
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.report.html import Html, macro, trusted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Points that a chart is wide (on a phone its letters stay large enough to read) and that letters are high;
# letters that a line has room for
WIDTH, SIZE, LETTERS = 420, 14, 44
# Points that a line of letters, a bar, a space between bars and the lower edge are high
LINE, BAR, GAP, FOOT = 18, 8, 6, 6
HIGH, CURVE = 110, 70  # Points that axes of upright bars, and of a curve, are high
PAGE = 1000  # Points that a chart may be high if it is to stand on a page below the text that leads to it
# Colours of a drawing by their names; in a page each is a variable of `figures.css`, no two the same
COLOURS = {
    "critical": "#5b1235", "error": "#a83508", "warning": "#b58200", "info": "#6698c8", "strong": "#0b4a86",
    "light": "#5894cc", "gold": "#b58201", "brown": "#6e3a06", "grey": "#79818a", "ink": "#1b1f24",
    "muted": "#57606a", "edge": "#818a94", "paper": "#fefefe", "s0": "#e8eff6", "s1": "#c3d7ea",
    "s2": "#93bbdc", "s3": "#3a78b0", "s4": "#1f5c99", "s5": "#0b3f75", "inverse": "#fdfdfd",
}  # fmt: skip
# The page's variable of each colour; a severity has another one for its letters
_VARIABLES = {colour: f"{name}-fill" if name in SEVERITIES else name for name, colour in COLOURS.items()}
_SVG = "{http://www.w3.org/2000/svg}"
# What of the drawing's text is replaced: its size and its letters are the page's
_OURS = {
    r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>": r"<svg \1>",
    r">\s+<": "><",
    r"font: bold ([\d.]+px) [^;\"]*": r"font-weight: bold; font-size: \1",
    r"font: ([\d.]+px) [^;\"]*": r"font-size: \1",
    r"font-family: [^;\"]*(; )?": "",
}
# Where the number of a mark stands
ABOVE: Any = {"textcoords": "offset points", "ha": "center", "va": "bottom"}
_drawn = count_from(1)
Pairs = Sequence[tuple[str, str]]  # Names and what stands beside each


@dataclass(frozen=True, eq=False)
class Chart:
    """A chart with what a reader needs who cannot see it, or who wonders what it says."""

    figure: Figure = field(repr=False)  # matplotlib's, to change at will; the chart shows it as it is
    title: str
    alt: str  # Alternative text: what is drawn, with the numbers
    caption: str = ""  # What the chart shows, in a sentence; "" for none
    # What each mark says, by the `gid` of its artist (`name_mark`)
    marks: Mapping[str, str] = field(default_factory=dict, repr=False)
    # Names and numbers to show as a table instead, where bars would all be alike
    rows: Pairs = field(default=(), repr=False)

    @property
    def axes(self) -> Axes:
        """The figure's axes, or the first of several."""
        return self.figure.axes[0]

    def save(self, path: str | Path) -> None:
        """Write the figure into a file, as PNG, SVG or PDF by its suffix; else it is an `AuditError`."""
        if (suffix := Path(path).suffix.lower()) not in (".png", ".svg", ".pdf"):
            raise errors.ParameterError(f"no format {suffix!r}", remedy="Name the file .png, .svg or .pdf")
        with export.writing(Path(path)), look():
            self.figure.savefig(path, facecolor="white")

    def html(self) -> Html:
        """Return the figure with its alternative text and caption as HTML."""
        drawn = "" if self.rows or not self.marks else _svg(self.figure, self.marks)
        tall = bool(drawn) and 72 * self.figure.get_figheight() > PAGE
        return macro("charts.figure", self.title, self.alt, self.caption, drawn, self.rows, tall)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": str(self.html()), "text/plain": f"{self.alt}\n{self.caption}"}


@contextmanager
def look(salt: str = "mssante-audit") -> Iterator[None]:
    """Draw in the look of the reports meanwhile; what cannot be drawn so is a `ParameterError`.

    What has an `id` in a drawing takes it from what it is and from the `salt`.
    """
    import matplotlib

    style: Any = {
        "font.size": SIZE, "text.color": COLOURS["ink"], "text.parse_math": False,
        "axes.edgecolor": COLOURS["edge"], "xtick.color": COLOURS["muted"], "axes.spines.top": False,
        "axes.spines.right": False, "axes.spines.left": False, "figure.facecolor": "none",
        "axes.facecolor": "none", "legend.frameon": False, "legend.fontsize": SIZE, "legend.borderpad": 0,
        "legend.borderaxespad": 0, "legend.labelspacing": 0.3, "legend.handlelength": 1.4,
        "svg.fonttype": "none", "svg.hashsalt": salt, "savefig.dpi": 200,
    }  # fmt: skip
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a browser has letters that this font lacks
        try:
            yield
        except errors.AuditError:
            raise
        except (AttributeError, TypeError, ValueError) as error:  # an option that matplotlib does not have
            message = f"this cannot be drawn ({' '.join(str(error).split())})"
            raise errors.ParameterError(message, remedy="Options are those of pandas' plot") from None


def name_mark(marks: dict[str, str], artist: Any, text: str) -> None:
    """Let an artist say a text when it is pointed at; one of many points, a line each."""
    artist.set_gid(f"mark-{id(artist)}")  # another chart may be drawn in the same figure
    marks[artist.get_gid()] = text


def _svg(figure: Figure, marks: Mapping[str, str]) -> Html:
    """Return a drawing as SVG that takes the width there is; each `id` in it is its own, in any page."""
    out = io.StringIO()
    with look(f"chart-{next(_drawn)}"):
        figure.savefig(out, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    root = etree.fromstring(out.getvalue().encode("utf-8", "backslashreplace"))
    etree.strip_elements(root, f"{_SVG}metadata", f"{_SVG}style", etree.Comment, with_tail=False)
    for element in root.iter():
        attributes: Any = element.attrib
        name = attributes.pop("id", "")
        if name in marks:
            lines = marks[name].split("\n")
            speaking = [element] if len(lines) == 1 else element.findall(f".//{_SVG}use")
            for drawn, line in zip(speaking, lines, strict=True):
                drawn.set("role", "img")
                drawn.set("tabindex", "0")
                title = etree.Element(f"{_SVG}title")
                title.text = line
                drawn.insert(0, title)
        elif element.tag in (f"{_SVG}path", f"{_SVG}clipPath") and name:
            element.set("id", name)
            if style := attributes.get("style"):  # what uses it has a stroke, which a style sheet can change
                element.set("style", re.sub(r"stroke: [^;]*(; )?", "", style))
        for attribute in {"d", "x", "y", "transform", "points"} & {*attributes}:
            element.set(attribute, re.sub(r"(\.\d)\d+", r"\1", " ".join(attributes[attribute].split())))
        if attributes.get("transform", "").startswith("rotate(-0 "):
            del attributes["transform"]
    text = etree.tostring(root, encoding="unicode").replace("xlink:href=", "href=")
    for pattern, ours in _OURS.items():
        text = re.sub(pattern, ours, text)
    paint = re.compile("|".join(_VARIABLES))
    return trusted(paint.sub(lambda match: f"var(--{_VARIABLES[match[0]]}, {match[0]})", text))


def clean(text: object) -> str:
    """Return a name as a drawing may have it: no character of it is invisible, or none of Unicode."""
    return markup.visible(str(text)).encode("utf-8", "backslashreplace").decode()


def lines_of(text: str, letters: int = LETTERS, weight: str = "normal") -> list[str]:
    """Return a text in lines of so many letters, or of fewer where these are wide, as capitals are."""
    for least in range(letters, 0, -1):
        lines = wrap(text, least) or [""]
        if all(wide(line, weight) <= WIDTH * letters / LETTERS for line in lines):
            break
    return lines


@cache
def wide(text: str, weight: str = "normal") -> float:
    """Return how many points wide a text is, in a font whose letters are wider than a page's."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", weight=weight, size=SIZE)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return max(float(width), SIZE * sum(east_asian_width(letter) in "FW" for letter in text))


def sheet(title: str, words: Mapping[str, str], heights: Sequence[float], size: Any = None) -> Figure:
    """Return a figure at least as high as its title, its legend and, below them, axes of these heights."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    width, least = (72 * side for side in size or (WIDTH / 72, 0))
    lines = lines_of(clean(language.translated(title)), weight="bold") if title else []
    longest = max(map(len, words.values()), default=0)
    columns = next(n for n in (4, 3, 2, 1) if n == 1 or n * (longest + 4) < LETTERS)
    figure, top = Figure(figsize=(width / 72, width / 72)), float(LINE * len(lines))
    labels = {style: "\n".join(lines_of(clean(text))) for style, text in words.items()}
    patches = [Patch(fc=COLOURS[style], ec=COLOURS["edge"], label=label) for style, label in labels.items()]
    legend = figure.legend(handles=patches, loc="upper left", ncols=columns) if patches else None
    if legend:  # it is as high in a figure of any height
        top += max(LINE, legend.get_window_extent().height * 72 / figure.dpi)
    top += GAP if top else 0
    total = max(top + sum(heights) + FOOT, least)
    figure.set_size_inches(width / 72, total / 72)
    figure.text(0, 1, "\n".join(lines), weight="bold", va="top")
    if legend:
        legend.set_bbox_to_anchor((0, 1 - LINE * len(lines) / total), figure.transFigure)
    for height in heights:
        figure.add_axes((0, 1 - (top + height) / total, 1, height / total))
        top += height
    return figure


def below_names(lengths: Any, pairs: Pairs, new: Any, options: dict[str, Any]) -> Any:
    """Draw bars that lie, each below its name and number, on a `new` sheet."""
    texts: list[tuple[float, str, str]] = []
    places, bottom = [], 0.0
    for name, text in pairs:
        rows = [(line, "") for line in lines_of(name)]
        if wide(f"{rows[-1][0]}  {text}") <= WIDTH:
            rows[-1] = (rows[-1][0], text)
        else:
            rows += [("", line) for line in lines_of(text)]
        texts += [(bottom + LINE * (at + 0.5), *row) for at, row in enumerate(rows)]
        places.append(bottom + LINE * len(rows))
        bottom = places[-1] + BAR + GAP
    figure = new([max(bottom, LINE)], options.pop("figsize", None))
    axes = figure.axes[0]
    if len(lengths):
        nameless = lengths.reset_index(drop=True)  # pandas would make a scale of instants
        nameless.plot.barh(stacked=True, legend=False, ax=axes, **{"width": 1, **options})
        for container in axes.containers:
            for bar, place in zip(container, places, strict=True):
                bar.set(y=place, height=BAR)
        axes.set_xlim(0, pd.DataFrame(lengths).sum(axis=1).max() or 1)
    axes.set_ylim(max(bottom, LINE), 0)
    axes.set_axis_off()
    style: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "clip_on": False}
    for place, name, text in texts:
        axes.text(0, place, name, **style)
        axes.text(1, place, text, ha="right", color=COLOURS["muted"], **style)
    return axes


def upright_bars(lengths: Any, pairs: Pairs, new: Any, options: dict[str, Any]) -> Any:
    """Draw bars that stand where time puts them on a `new` sheet, with the numbers that have room."""
    index, colours = lengths.index, options.pop("color")
    times = index.to_timestamp() if isinstance(index, pd.PeriodIndex) else pd.DatetimeIndex(index)
    frame = pd.DataFrame(lengths)
    parts = zip(frame, [colours] if isinstance(lengths, pd.Series) else colours, strict=True)
    above, axes, below = new([LINE, HIGH, LINE], options.pop("figsize", None)).axes
    days = (times - times[0]).days.tolist()
    width = 0.8 * min((b - a for a, b in pairwise(days) if b > a), default=30)
    bottom = pd.Series(0.0, index=index)
    for column, colour in parts:
        axes.bar(times, frame[column], width=width, bottom=bottom, color=colour, **options)
        bottom += frame[column]
    time_axis(axes, times, pairs[0][0], pairs[-1][0])
    axes.set_yticks([])
    totals = zip(times, bottom, strict=True)
    numbers = [axes.annotate(language.number(n), (time, n), (0, 2), **ABOVE) for time, n in totals]
    boxes = [bar.get_window_extent() for bar in axes.patches]
    for number in sorted(numbers, key=lambda number: -number.xy[1]):  # the highest is asked first
        box = number.get_window_extent()
        if axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 and not box.count_overlaps(boxes):
            boxes.append(box)
        else:
            number.remove()
    above.set_axis_off()
    below.set_axis_off()
    return axes


def head(axes: Any, head: Sequence[str], times: pd.DatetimeIndex, numbers: Sequence[int]) -> None:
    """Write above a curve its name and its last number, and where it is highest how high."""
    style: Any = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "top"}
    axes.annotate("\n".join(head), (0, 1), (0, -GAP), **style)
    axes.annotate(language.number(numbers[-1]), (1, 1), (0, -GAP), ha="right", weight="bold", **style)
    if (highest := max(numbers)) > numbers[-1]:
        top = (axes.lines[-1].get_xdata()[numbers.index(highest)], highest)
        axes.annotate(language.number(highest), top, (0, 3), **ABOVE)
    time_axis(axes, times, language.day(times[0]), language.day(times[-1]))


def time_axis(axes: Any, times: pd.DatetimeIndex, *names: str) -> None:
    """Name the first and the last instant below axes whose other ticks are drawn to scale."""
    from matplotlib.dates import AutoDateLocator

    ticks = [times[0]] if times[0] == times[-1] else [times[0], times[-1]]
    axes.set_xticks(ticks, names[: len(ticks)])
    axes.tick_params(axis="x", labelrotation=0)
    axes.xaxis.set_minor_locator(AutoDateLocator(minticks=3, maxticks=12))  # type: ignore[no-untyped-call]
    for label, side in zip(axes.get_xticklabels(), ("left", "right"), strict=False):
        label.set_horizontalalignment(side)
