"""Charts of one's own values, by matplotlib: what is shown is a figure that can be changed and saved.

`bars` takes a series or a frame, as `mssante_audit.report.curves.lines` and
`mssante_audit.report.tiles.tiles` do, and returns a `Chart`.
In reports, on the site and in JupyterLab it shows itself as SVG, light or dark: names and numbers are text,
each mark says its value when pointed at or in focus, and a reader who sees none of it is told the numbers.
matplotlib is imported when the first chart is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import cycle, islice, pairwise
from math import inf
from numbers import Real
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

import pandas as pd

from mssante_audit.base.errors import InputError, ParameterError
from mssante_audit.base.export import writing
from mssante_audit.base.language import (
    NBSP,
    current_language,
    day,
    format_text,
    gettext,
    month,
    one_decimal,
    percent,
    severity_name,
    translated,
)
from mssante_audit.base.language import words as _words
from mssante_audit.base.markup import visible
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.report.html import Html, macro
from mssante_audit.report.svg import COLOURS, SIZE, WIDTH, look, mark, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES = (*reversed(SEVERITIES), "strong", "light", "gold", "brown", "grey")
"""How a bar may look: as a severity (each lighter than the worse one), or plain."""

SHORT = {"critical": "crit.", "error": "err.", "warning": "avert.", "info": "info."}
"""Severities where there is little room."""

PAIRS = {"fr": (" : ", " ; "), "en": (": ", "; ")}
"""What stands between a name and its number, and between two of these, by language."""

LETTERS = 44
"""Letters that a line has room for."""
LINE, BAR, GAP, FOOT = 18, 8, 6, 6
"""Points that a line of letters, a bar, a space between bars and the lower edge are high."""
HIGH = 110
"""Points that axes of upright bars are high."""
PAGE = 1000
"""Points that a chart may be high if it is to stand on a page below the text that leads to it."""
SPAN, LAST = 100, 9000
"""Years that a scale of time may span, and the year from which on matplotlib may have none."""
Pairs = Sequence[tuple[str, str]]
"""Names and what stands beside each."""


@dataclass(frozen=True, eq=False)
class Chart:
    """A chart with what a reader needs who cannot see it, or who wonders what it says."""

    figure: Figure = field(repr=False)
    """matplotlib's, to change at will; the chart shows it as it is."""
    title: str
    alt: str
    """Alternative text: what is drawn, with the numbers."""
    caption: str = ""
    """What the chart shows, in a sentence; "" for none."""
    marks: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What each mark tells (`mssante_audit.report.svg.svg`)."""
    rows: Pairs = field(default=(), repr=False)
    """Names and numbers to show as a table instead, where bars would all be alike."""

    @property
    def axes(self) -> Axes:
        """The figure's axes, or the first of several."""
        return self.figure.axes[0]

    def save(self, path: str | Path) -> None:
        """Write the figure into a file, as PNG, SVG or PDF by its suffix; else it is an `AuditError`."""
        if (suffix := Path(path).suffix.lower()) not in (".png", ".svg", ".pdf"):
            raise ParameterError(f"no format {suffix!r}", remedy="Name the file .png, .svg or .pdf")
        with writing(Path(path)), look():
            self.figure.savefig(path, facecolor="white")

    def html(self) -> Html:
        """Return the figure with its alternative text and caption as HTML."""
        drawn = "" if self.rows or not self.marks else svg(self.figure, self.marks)
        tall = bool(drawn) and 72 * self.figure.get_figheight() > PAGE
        return macro("charts.figure", self.title, self.alt, self.caption, drawn, self.rows, tall)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": str(self.html()), "text/plain": f"{self.alt}\n{self.caption}"}


def bars(
    values: pd.Series | pd.DataFrame,
    *,
    title: str = "",
    caption: str = "",
    empty: str = "",
    whole: int | None = None,
    styles: Sequence[str] = (),
    legend: Mapping[str, str] | None = None,
    **options: Any,
) -> Chart:
    """Draw horizontal bars, from top to bottom, each below its name; a table, where all would be equal.

    Parameters
    ----------
    values
        A number a name, or a frame of a row a name and a column a part: its bars are stacked. A missing
        number is shown as a dash. Over instants or months (the index), at most a century, bars stand
        upright, where time puts them.
    title, caption, empty
        What is drawn, what it shows, what to say where there is nothing.
    whole
        What each number is a part of: its share then stands beside it.
    styles, legend
        Of `STYLES`, one a bar for a series and one a column for a frame; what those of a series stand for.
    **options
        Whatever `pandas.DataFrame.plot.barh` takes: ``color``, ``figsize``, ``alpha``, ``logx``, ``ax``…

    Raises
    ------
    InputError
        If a number is negative or infinite, or a text in place of one.
    ParameterError
        If there is no such style.

    Examples
    --------
    >>> bars(pd.Series({"CH FICTIF": 3, "CH INVENTÉ": 1}), title="Domaines").alt
    'Barres – Domaines. CH FICTIF : 3 ; CH INVENTÉ : 1.'
    """
    single = isinstance(values, pd.Series)
    frame = pd.DataFrame(values.rename("")) if isinstance(values, pd.Series) else values
    columns, upright = [str(column) for column in frame.columns], _has_scale(frame.index)
    lengths = frame.map(_length).astype("float64").set_axis(columns, axis="columns")
    looks = _looks(columns, styles, len(frame) if single else len(columns), single)
    names, rows = [clean(_instant(name)) for name in frame.index], lengths.to_numpy().tolist()
    nouns = [gettext(SHORT.get(column, column)) for column in columns]
    units = ["" if single else NBSP + (f"({noun})" if noun[:1].isdigit() else noun) for noun in nouns]
    parts = [[one_decimal(n) + unit for n, unit in zip(row, units, strict=True)] for row in rows]
    if whole is not None:
        texts = [f"{one_decimal(n)} ({percent(int(n), whole)})" for n in lengths.sum(axis=1)]
    else:
        bars_parts = [zip(row, part, strict=True) for row, part in zip(rows, parts, strict=True)]
        texts = [", ".join(part for n, part in bar if n or single) for bar in bars_parts]
    pairs = list(zip(names, map(clean, texts), strict=True))
    equal = not upright and _equal(lengths)
    kind = "Barres – {title}. {said}." if single else "Barres empilées – {title}. {said}."
    alt = described("Tableau – {title}. {said}." if equal else kind, title, pairs)
    colon = PAIRS[current_language()][0]
    marks = {
        mark(at * len(rows) + i): f"{name}{colon}{text if single else parts[i][at]}"
        for at in range(len(columns))
        for i, (name, text) in enumerate(pairs)
        if rows[i][at] > 0
    }
    drawn = lengths[columns[0]] if single else lengths  # a series has a colour a bar, a frame one a column
    options = {"color": [COLOURS[style] for style in looks], **options}
    with look():
        if "ax" in options:
            figure = drawn.plot.barh(stacked=True, legend=False, **options).figure
        else:
            words = _words(legend or {}) if single else _words_of_columns(columns, looks, lengths)
            words = {style: words[style] for style in STYLES if style in words and style in looks}
            draw = _upright if upright else _below_names
            figure = draw(drawn.fillna(0), pairs, partial(sheet, title, words), options)
    caption = empty if empty and not names else caption
    return Chart(figure, title, alt, caption, marks, pairs if equal else ())


def clean(text: object) -> str:
    """Return a name as a drawing may have it: no character of it is invisible, or none of Unicode."""
    return visible(str(text)).encode("utf-8", "backslashreplace").decode()


def described(kind: str, title: str, pairs: Pairs) -> str:
    """Return a chart's alternative text: its kind, its title and each name with its number."""
    colon, semicolon = PAIRS[current_language()]
    numbers = semicolon.join(f"{name}{colon}{text}" for name, text in pairs) or gettext("Aucune donnée")
    return format_text(kind, title=translated(title), said=numbers)


def _length(value: Any) -> float | None:
    """Return how long a bar is, ``None`` where nobody knows."""
    if pd.isna(value) is True:  # of a list it is no answer at all
        return None
    if not isinstance(value, Real) or not 0 <= float(value) < inf:
        raise InputError(f"a bar cannot be {value!r} long", remedy="Draw numbers from 0 on")
    return float(value)


def _equal(lengths: pd.DataFrame) -> bool:
    """Return whether bars would all be alike, and show nothing that their numbers do not say."""
    known = lengths[lengths.notna().all(axis=1)]
    if ((lengths > 0).sum(axis=1) <= 1).all():
        return bool(known.sum(axis=1).nunique() == 1)
    return len(lengths) > 1 and len(lengths.drop_duplicates()) == 1


def _words_of_columns(columns: Sequence[str], looks: Sequence[str], lengths: pd.DataFrame) -> dict[str, str]:
    """Return what each style stands for: the column of a frame, or those that share it."""
    names: dict[str, list[str]] = {}
    for column, style in zip(columns, looks, strict=True):
        if (lengths[column] > 0).any():
            name = severity_name(column) if column in SEVERITIES else translated(column)
            names.setdefault(style, []).append(name)
    return {style: ", ".join(shared) for style, shared in names.items()}


def _looks(columns: Sequence[str], styles: Sequence[str], needed: int, single: bool) -> list[str]:
    plain = cycle(STYLES[len(SEVERITIES) :][: 1 if single else None])
    named = plain if single else (c if c in SEVERITIES else next(plain) for c in columns)
    looks = list(styles) or list(islice(named, needed))
    if len(looks) != needed or not set(looks) <= set(STYLES):
        wrong = f"{needed} styles are needed, not {', '.join(looks)}"
        raise ParameterError(wrong, remedy=f"There are: {', '.join(STYLES)}")
    return looks


# -- drawing ------------------------------------------------------------------------------------------------


def lines_of(text: str, letters: int = LETTERS, weight: str = "normal") -> list[str]:
    """Return a text in lines of so many letters, or of fewer where these are wide, as capitals are."""
    for least in range(letters, 0, -1):
        lines = wrap(text, least) or [""]
        if all(_wide(line, weight) <= WIDTH * letters / LETTERS for line in lines):
            break
    return lines


@cache
def _wide(text: str, weight: str = "normal") -> float:
    """Return how many points wide a text is, in a font whose letters are wider than a page's."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", weight=weight, size=SIZE)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return max(float(width), SIZE * sum(east_asian_width(letter) in "FW" for letter in text))


def sheet(title: str, words: Mapping[str, str], heights: Sequence[float], size: Any = None) -> Figure:
    """Return a figure with a title, what styles stand for, and below them axes of these heights, in points.

    It is of this size, in inches, but at least as high as what is drawn.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    width, least = (72 * side for side in size or (WIDTH / 72, 0))
    lines = lines_of(clean(translated(title)), weight="bold") if title else []
    labels = {style: lines_of(clean(word)) for style, word in words.items()}
    longest = max(map(len, words.values()), default=0)
    columns = next(n for n in (4, 3, 2, 1) if n == 1 or n * (longest + 4) < LETTERS)
    figure, top = Figure(figsize=(width / 72, width / 72)), float(LINE * len(lines))
    patches = [
        Patch(fc=COLOURS[style], ec=COLOURS["edge"], label="\n".join(word)) for style, word in labels.items()
    ]
    legend = figure.legend(handles=patches, loc="upper left", ncols=columns) if patches else None
    if legend:  # it is as high in a figure of any height
        top += max(LINE, legend.get_window_extent().height * 72 / figure.dpi)
    top += GAP if top else 0
    whole = max(top + sum(heights) + FOOT, least)
    figure.set_size_inches(width / 72, whole / 72)
    figure.text(0, 1, "\n".join(lines), weight="bold", va="top")
    if legend:
        legend.set_bbox_to_anchor((0, 1 - LINE * len(lines) / whole), figure.transFigure)
    for height in heights:
        figure.add_axes((0, 1 - (top + height) / whole, 1, height / whole))
        top += height
    return figure


def _below_names(lengths: Any, pairs: Pairs, new: Callable[..., Figure], options: dict[str, Any]) -> Figure:
    """Draw bars that lie, each below its name and number, on a `new` sheet."""
    texts: list[tuple[float, str, str]] = []
    places, bottom = [], 0.0
    for name, text in pairs:
        lines = [(line, "") for line in lines_of(name)]
        if len(lines[-1][0]) + len(text) < LETTERS and _wide(f"{lines[-1][0]}  {text}") <= WIDTH:
            lines[-1] = (lines[-1][0], text)
        else:
            lines += [("", line) for line in lines_of(text)]
        texts += [(bottom + LINE * (at + 0.5), *line) for at, line in enumerate(lines)]
        places.append(bottom + LINE * len(lines))
        bottom = places[-1] + BAR + GAP
    figure = new([max(bottom, LINE)], options.pop("figsize", None))
    axes = figure.axes[0]
    if len(lengths):
        nameless = lengths.reset_index(drop=True)  # pandas would make a scale of instants
        nameless.plot.barh(stacked=True, legend=False, ax=axes, **{"width": 1, **options})
        for at, container in enumerate(axes.containers):
            for i, (bar, place) in enumerate(zip(container, places, strict=True)):
                bar.set(y=place, height=BAR, gid=mark(at * len(places) + i), clip_on=False)
        axes.set_xlim(0, pd.DataFrame(lengths).sum(axis=1).max() or 1)
    axes.set_ylim(max(bottom, LINE), 0)
    axes.set_axis_off()
    beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "clip_on": False}
    for place, name, text in texts:
        axes.text(0, place, name, **beside)
        axes.text(1, place, text, ha="right", color=COLOURS["muted"], **beside)
    return figure


def _has_scale(index: pd.Index) -> bool:
    """Say whether an index is of instants or months that one scale shows: a certificate may end in 9999."""
    if not isinstance(index, pd.DatetimeIndex | pd.PeriodIndex) or index.empty or index.hasnans:
        return False
    first, last = index.min().year, index.max().year
    return bool(last < LAST and last - first <= SPAN)


def _instant(name: Any) -> str:
    """Return the name of a bar, which may be an instant or a month."""
    if isinstance(name, pd.Period):
        return month(name.start_time.tz_localize("UTC"))
    return day(name) if isinstance(name, pd.Timestamp) else str(name)


def _upright(lengths: Any, pairs: Pairs, new: Callable[..., Figure], options: dict[str, Any]) -> Figure:
    """Draw bars that stand where time puts them on a `new` sheet, with the numbers that have room."""
    index, colours = lengths.index, options.pop("color")
    times = index.to_timestamp() if isinstance(index, pd.PeriodIndex) else pd.DatetimeIndex(index)
    frame = pd.DataFrame(lengths)
    parts = zip(frame, [colours] if isinstance(lengths, pd.Series) else colours, strict=True)
    figure = new([LINE, HIGH, LINE], options.pop("figsize", None))
    above, axes, below = figure.axes
    days = (times - times[0]).days.tolist()
    least = min((b - a for a, b in pairwise(days) if b > a), default=30)
    bottom = pd.Series(0.0, index=index)
    for at, (column, colour) in enumerate(parts):
        drawn = axes.bar(times, frame[column], width=0.8 * least, bottom=bottom, color=colour, **options)
        bottom += frame[column]
        for i, bar in enumerate(drawn):
            bar.set(gid=mark(at * len(lengths) + i), clip_on=False)
    time_axis(axes, times, pairs[0][0], pairs[-1][0])
    tops, texts = bottom.tolist(), [one_decimal(n) for n in bottom]
    (left, right), up = axes.get_xlim(), HIGH / axes.get_ylim()[1]
    across, first = WIDTH / (right - left), axes.convert_xunits(times[0]) - left  # type: ignore[no-untyped-call]
    places = [across * (first + n) for n in days]
    for i in _numbered(places, [up * n for n in tops], texts, across * 0.8 * least):
        top = (times[i], tops[i])
        axes.annotate(texts[i], top, (0, 2), textcoords="offset points", ha="center", va="bottom")
    axes.set_yticks([])
    above.set_axis_off()
    below.set_axis_off()
    return figure


def _numbered(places: list[float], tops: list[float], texts: list[str], bar: float) -> list[int]:
    """Return which upright bars have room for their number above them: the highest are asked first."""
    widths, chosen = [_wide(text) for text in texts], set[int]()
    for i in sorted(range(len(tops)), key=lambda i: -tops[i]):
        side = widths[i] / 2
        fits = side <= places[i] <= WIDTH - side
        for j, (place, top) in enumerate(zip(places, tops, strict=True)):
            apart, higher = abs(place - places[i]), top - tops[i]
            fits &= not (higher > 2 and apart < side + bar / 2)
            fits &= not (j in chosen and higher < SIZE + 4 and apart < side + widths[j] / 2 + 2)
        if fits:
            chosen.add(i)
    return sorted(chosen)


def time_axis(axes: Any, times: pd.DatetimeIndex, *names: str) -> None:
    """Name the first and the last instant below axes whose other ticks are drawn to scale."""
    from matplotlib.dates import AutoDateLocator

    ends = [times[0]] if times[0] == times[-1] else [times[0], times[-1]]
    axes.set_xticks(ends, names[: len(ends)])
    axes.tick_params(axis="x", labelrotation=0)
    axes.xaxis.set_minor_locator(AutoDateLocator(minticks=3, maxticks=12))  # type: ignore[no-untyped-call]
    for label, side in zip(axes.get_xticklabels(), ("left", "right"), strict=False):
        label.set_horizontalalignment(side)


def whole_numbers(numbers: Iterable[Any]) -> list[int]:
    """Return numbers as whole ones, or raise an `InputError`: a count cut short would be another count."""
    found = list(numbers)
    if wrong := [n for n in found if not isinstance(n, Real) or n % 1 != 0]:
        raise InputError(f"{wrong[0]} is no whole number", remedy="Draw counts, or round them first")
    return [int(n) for n in found]


def largest(values: pd.Series | pd.DataFrame) -> tuple[str, int]:
    """Return the name and the number of the longest bar, the first of those that tie; ("", 0) for no bar."""
    sizes = values if isinstance(values, pd.Series) else values.sum(axis=1)
    return (str(sizes.idxmax()), int(sizes.max())) if len(sizes) else ("", 0)
