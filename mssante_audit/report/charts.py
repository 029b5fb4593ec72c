"""Charts of one's own values, by matplotlib: bars, lines over time, shares that last.

Each takes a series or a frame and returns a `mssante_audit.report.svg.Chart`, whose figure can be changed and
saved. matplotlib is imported when the first chart is drawn.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import cycle, pairwise
from numbers import Real
from typing import Any

import pandas as pd

from mssante_audit.base import language
from mssante_audit.base.errors import InputError, ParameterError
from mssante_audit.base.frames import of_pandas
from mssante_audit.base.language import NBSP, format_text, gettext, translated
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.report import svg
from mssante_audit.report.svg import COLOURS, LINE, WIDTH, Chart, clean, look, sheet, tell

# How a bar may look: as a severity (each lighter than the worse one), or plain
STYLES = (*reversed(SEVERITIES), "strong", "light", "gold", "brown", "grey")
# Severities where there is little room
SHORT = {"critical": "crit.", "error": "err.", "warning": "avert.", "info": "info."}
# What stands between a name and its number, and between two of these, by language
PAIRS = {"fr": (" : ", " ; "), "en": (": ", "; ")}
HIGH, CURVE = 110, 70  # Points that axes of upright bars, and of a curve, are high
# Years that a scale of time may span, and the year from which on matplotlib may have none
SPAN, LAST = 100, 9000
# Where the number of a mark stands
ABOVE: Any = {"textcoords": "offset points", "ha": "center", "va": "bottom"}


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
        A number a name, or a frame of a row a name and a column a part, whose bars are stacked. A missing
        number is a dash; one that is negative, infinite or a text is an `InputError`. Over instants or months
        (the index), at most a century, bars stand upright, where time puts them.
    title, caption, empty
        What is drawn, what it shows, what to say where there is nothing.
    whole
        What each number is a part of: its share then stands beside it.
    styles, legend
        Of `STYLES` (else a `ParameterError`), one a bar for a series and one a column for a frame; what those
        of a series stand for.
    **options
        Whatever `pandas.DataFrame.plot.barh` takes: ``color``, ``figsize``, ``alpha``, ``logx``, ``ax``…

    Examples
    --------
    >>> bars(pd.Series({"CH FICTIF": 3, "CH INVENTÉ": 1}), title="Domaines").alt
    'Barres – Domaines. CH FICTIF : 3 ; CH INVENTÉ : 1.'
    """
    single = isinstance(of_pandas(values), pd.Series)
    frame = values.to_frame("") if isinstance(values, pd.Series) else values
    lengths = frame.map(length).astype("float64").set_axis(list(map(str, frame.columns)), axis="columns")
    looks = _looks(lengths, styles, single)
    parts = lengths.map(language.number).astype("str")
    for column in () if single else map(str, lengths):
        noun = gettext(SHORT.get(column, column))
        parts[column] += NBSP + (f"({noun})" if noun[:1].isdigit() else noun)
    if whole is None:
        kept = parts.where((lengths != 0) | single, "")
        texts = [", ".join(filter(None, row)) for row in kept.itertuples(index=False)]
    else:
        texts = [f"{language.number(n)} ({language.percent(int(n), whole)})" for n in lengths.sum(axis=1)]
    pairs = [(_name(name), clean(text)) for name, text in zip(frame.index, texts, strict=True)]
    colon, semicolon = PAIRS[language.current_language()]
    upright = _on_a_scale(frame.index)
    alike = not upright and _alike(lengths)
    kind = "Barres – {title}. {said}." if single else "Barres empilées – {title}. {said}."
    alt = alt_text("Tableau – {title}. {said}." if alike else kind, title, map(colon.join, pairs), semicolon)
    drawn = lengths.iloc[:, 0] if single else lengths  # a series has a colour a bar, a frame one a column
    options = {"color": [COLOURS[style] for style in looks], **options}
    marks: dict[str, str] = {}
    axes: Any
    with look():
        if "ax" in options:
            axes = drawn.plot.barh(stacked=True, legend=False, **options)
        else:
            words = language.words(legend or {}) if single else _words_of_columns(looks, lengths)
            words = {style: words[style] for style in STYLES if style in words and style in looks}
            draw = _upright if upright else _below_names
            axes = draw(drawn.fillna(0), pairs, partial(sheet, title, words), options)
    for column, container in zip(map(str, lengths), axes.containers, strict=False):
        for bar, n, part, pair in zip(container, lengths[column], parts[column], pairs, strict=True):
            bar.set_clip_on(False)
            if n > 0:
                tell(marks, bar, colon.join(pair) if single else f"{pair[0]}{colon}{part}")
    caption = empty if empty and frame.empty else caption
    return Chart(axes.figure, title, alt, caption, marks, pairs if alike else ())


def lines(
    values: pd.DataFrame | pd.Series, *, title: str = "", caption: str = "", alt: str = "", **options: Any
) -> Chart:
    """Draw a line a column over time, each on a scale of its own that starts at 0.

    Columns named for severities are named and coloured as severities are; `title`, `caption` and `alt` are as
    for `bars`.

    Parameters
    ----------
    values
        Whole numbers, a row an instant or a month (the index; UTC if it has no zone); a number that is not
        whole, or unknown, or stands over no instant, is an `InputError`.
    **options
        Whatever `pandas.Series.plot` takes: ``color``, ``marker``, ``figsize``, ``grid``, ``ax``…
    """
    frame = of_pandas(values)
    frame = frame if isinstance(frame, pd.DataFrame) else frame.to_frame(frame.name or title)
    if isinstance(frame.index, pd.PeriodIndex):
        frame = frame.to_timestamp()
    if not frame.empty and (not isinstance(frame.index, pd.DatetimeIndex) or frame.index.hasnans):
        raise InputError(
            "lines are drawn over instants, and this index has other values, or not all of them",
            remedy="Make one by pd.to_datetime",
        )
    frame = frame.sort_index()
    times = pd.DatetimeIndex(pd.to_datetime(frame.index, utc=True))
    words = {severity: plural.capitalize() for severity, (_, plural) in language.severity_names().items()}
    curves = {str(column): whole_numbers(frame[column]) for column in frame.columns if len(frame)}
    names = {column: clean(words.get(column, translated(column))) for column in curves}
    given, colon = options.pop("ax", None), PAIRS[language.current_language()][0]
    marks: dict[str, str] = {}
    with look():
        heads = [svg.lines_of(name, svg.LETTERS - 12) for name in names.values()]
        heights = [LINE * len(head) + CURVE for head in heads]
        size = options.pop("figsize", None)
        figure = given.figure if given else sheet(title, {}, [*heights, LINE], size)
        plots = [given] * len(curves) if given else figure.axes
        for at, (axes, (column, numbers)) in enumerate(zip(plots, curves.items(), strict=False)):
            colour = COLOURS[column if column in SEVERITIES else "strong"]
            looks: Any = {"color": colour, "marker": "o", "markersize": 4, "x_compat": True, "legend": False}
            pd.Series(numbers, index=times).plot(ax=axes, **looks | options)
            points = zip(map(language.day, times), map(language.number, numbers), strict=True)
            tell(marks, axes.lines[-1], "\n".join(map(colon.join, points)))
            axes.lines[-1].set_clip_on(False)
            if not given:
                axes.set_ylim(0, (max(numbers) or 1) * heights[at] / (CURVE - LINE))
                axes.set(yticks=[], xlabel="", ylabel="")
                _head(axes, heads[at], times, numbers)
                axes.tick_params(labelbottom=at == len(curves) - 1)
        if not given:
            figure.axes[-1].set_axis_off()
    text, sentences = "{name} : {a} le {first}, {z} le {last} ; entre {low} et {high}", []
    for column, n in curves.items():
        of = {"name": names[column], "a": n[0], "z": n[-1], "first": times[0], "last": times[-1]}
        sentences.append(format_text(text, low=min(n), high=max(n), **of))
    alt = alt or alt_text("Lignes – {title}. {said}.", title, sentences)
    return Chart(figure, title, alt, caption, marks)


def steps(curves: Mapping[str, pd.DataFrame], *, title: str = "", caption: str = "") -> Chart:
    """Draw the share that lasts over days as steps, with the band of its interval; two curves at most.

    `curves` has them by name, as `mssante_audit.archive.lifetimes.survival` returns them.
    """
    drawn = {translated(name): curve for name, curve in curves.items() if len(curve)}
    styles = dict(zip(("strong", "gold"), drawn, strict=False))
    text, sentences = "{name} : {share} encore ouverts après {d:jour}", list[str]()
    marks: dict[str, str] = {}
    with look():
        figure = sheet(clean(translated(title)), {s: clean(name) for s, name in styles.items()}, [3 * CURVE])
        (axes,) = figure.axes
        x, y, width, height = axes.get_position().bounds
        axes.set_position((x + 0.12, y + 0.12 * height, width - 0.14, 0.86 * height))
        for style, name in styles.items():
            colour, days = COLOURS[style], [0.0, *drawn[name]["day"]]
            early, late, low, high = ([1.0, *drawn[name][b]] for b in ("early", "late", "low", "high"))
            for shares in (early, late):
                axes.step(days, shares, where="post", color=colour)
            share = language.percent(round(1000 * late[-1]), 1000)
            sentences.append(format_text(text, name=name, share=share, d=int(days[-1])))
            tell(marks, axes.lines[-1], sentences[-1])
            axes.fill_between(days, low, high, step="post", alpha=0.2, color=colour, linewidth=0)
        axes.set_ylim(0, 1)
        axes.set_xlim(left=0)
        axes.set_yticks([0, 0.5, 1], [language.percent(n, 2) for n in range(3)])
    alt = alt_text("Lignes – {title}. {said}.", title, sentences)
    return Chart(figure, title, alt, caption, marks)


def largest(values: pd.Series | pd.DataFrame) -> tuple[str, int]:
    """Return the name and the number of the longest bar, the first of those that tie; ("", 0) for no bar."""
    sizes = values if isinstance(values, pd.Series) else values.sum(axis=1)
    return (str(sizes.idxmax()), int(sizes.max())) if len(sizes) else ("", 0)


def alt_text(kind: str, title: str, sentences: Iterable[str], between: str = ". ") -> str:
    """Return the alternative text of a chart."""
    written = between.join(sentences) or gettext("Aucune donnée")
    text = format_text(kind, title=translated(title), said=written)
    return text if title else text.replace(" – .", ".", 1)


def length(value: Any) -> float | None:
    """Return how long a bar is, ``None`` where nobody knows."""
    if pd.isna(value) is True:  # of a list it is no answer at all
        return None
    if not isinstance(value, Real) or not 0 <= float(value) < math.inf:
        raise InputError(f"{value!r} cannot be drawn", remedy="Draw numbers from 0 on")
    return float(value)


def whole_numbers(numbers: Iterable[Any]) -> list[int]:
    """Return counts as integers; one cut short would be another count."""
    given = list(numbers)
    if wrong := [n for n in given if not isinstance(n, Real) or n % 1 != 0]:
        raise InputError(f"{wrong[0]} is no whole number", remedy="Draw counts, or round them first")
    return [int(n) for n in given]


def _name(name: Any) -> str:
    """Return the name of a bar; of one over time, its day or its month."""
    if isinstance(name, pd.Timestamp):
        return language.day(name)
    if isinstance(name, pd.Period):
        return language.month(name.start_time.tz_localize("UTC"))
    return clean(", ".join(map(str, name)) if isinstance(name, tuple) else name)


def _on_a_scale(index: pd.Index) -> bool:
    """Tell whether an index has instants that one scale of time shows: a certificate may end in 9999."""
    if not isinstance(index, pd.DatetimeIndex | pd.PeriodIndex) or not len(index) or index.hasnans:
        return False
    first, last = index.min().year, index.max().year
    return bool(last < LAST and last - first <= SPAN)


def _alike(lengths: pd.DataFrame) -> bool:
    """Tell whether bars would all look alike, and show nothing that their numbers do not say."""
    if ((lengths > 0).sum(axis=1) <= 1).all():
        return lengths.dropna().sum(axis=1).nunique() == 1
    return len(lengths) > 1 and len(lengths.drop_duplicates()) == 1


def _looks(lengths: pd.DataFrame, styles: Sequence[str], single: bool) -> list[str]:
    """Return the style of each bar of a series, or of each column of a frame."""
    plain = cycle(STYLES[len(SEVERITIES) :])
    looks = (
        ["strong"] * len(lengths)
        if single
        else [c if c in SEVERITIES else next(plain) for c in map(str, lengths)]
    )
    if styles and (len(styles) != len(looks) or not set(styles) <= set(STYLES)):
        wrong = f"{len(looks)} styles are needed, not {', '.join(styles)}"
        raise ParameterError(wrong, remedy=f"There are: {', '.join(STYLES)}")
    return list(styles) or looks


def _words_of_columns(looks: Sequence[str], lengths: pd.DataFrame) -> dict[str, str]:
    """Return what each style stands for: the column of a frame, or those that share it."""
    names: dict[str, list[str]] = {}
    for column, style in zip(map(str, lengths), looks, strict=True):
        if (lengths[column] > 0).any():
            name = language.severity_name(column) if column in SEVERITIES else translated(column)
            names.setdefault(style, []).append(name)
    return {style: ", ".join(shared) for style, shared in names.items()}


def _below_names(lengths: Any, pairs: svg.Pairs, new: Any, options: dict[str, Any]) -> Any:
    """Draw bars that lie, each below its name and number, on a `new` sheet."""
    texts: list[tuple[float, str, str]] = []
    places, bottom = [], 0.0
    for name, text in pairs:
        rows = [(line, "") for line in svg.lines_of(name)]
        if len(rows[-1][0]) + len(text) < svg.LETTERS and svg.wide(f"{rows[-1][0]}  {text}") <= WIDTH:
            rows[-1] = (rows[-1][0], text)
        else:
            rows += [("", line) for line in svg.lines_of(text)]
        texts += [(bottom + LINE * (at + 0.5), *row) for at, row in enumerate(rows)]
        places.append(bottom + LINE * len(rows))
        bottom = places[-1] + svg.BAR + svg.GAP
    figure = new([max(bottom, LINE)], options.pop("figsize", None))
    axes = figure.axes[0]
    if len(lengths):
        nameless = lengths.reset_index(drop=True)  # pandas would make a scale of instants
        nameless.plot.barh(stacked=True, legend=False, ax=axes, **{"width": 1, **options})
        for container in axes.containers:
            for bar, place in zip(container, places, strict=True):
                bar.set(y=place, height=svg.BAR)
        axes.set_xlim(0, pd.DataFrame(lengths).sum(axis=1).max() or 1)
    axes.set_ylim(max(bottom, LINE), 0)
    axes.set_axis_off()
    beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "clip_on": False}
    for place, name, text in texts:
        axes.text(0, place, name, **beside)
        axes.text(1, place, text, ha="right", color=COLOURS["muted"], **beside)
    return axes


def _upright(lengths: Any, pairs: svg.Pairs, new: Any, options: dict[str, Any]) -> Any:
    """Draw bars that stand where time puts them on a `new` sheet, with the numbers that have room."""
    index, colours = lengths.index, options.pop("color")
    times = index.to_timestamp() if isinstance(index, pd.PeriodIndex) else pd.DatetimeIndex(index)
    frame = pd.DataFrame(lengths)
    parts = zip(frame, [colours] if isinstance(lengths, pd.Series) else colours, strict=True)
    figure = new([LINE, HIGH, LINE], options.pop("figsize", None))
    above, axes, below = figure.axes
    days = (times - times[0]).days.tolist()
    width = 0.8 * min((b - a for a, b in pairwise(days) if b > a), default=30)
    bottom = pd.Series(0.0, index=index)
    for column, colour in parts:
        axes.bar(times, frame[column], width=width, bottom=bottom, color=colour, **options)
        bottom += frame[column]
    _time_axis(axes, times, pairs[0][0], pairs[-1][0])
    tops, texts = bottom.tolist(), [language.number(n) for n in bottom]
    (left, right), up = axes.get_xlim(), HIGH / axes.get_ylim()[1]
    across, first = WIDTH / (right - left), axes.convert_xunits(times[0]) - left
    places = [across * (first + n) for n in days]
    for i in _numbered(places, [up * n for n in tops], texts, across * width):
        axes.annotate(texts[i], (times[i], tops[i]), (0, 2), **ABOVE)
    axes.set_yticks([])
    above.set_axis_off()
    below.set_axis_off()
    return axes


def _numbered(places: list[float], tops: list[float], texts: list[str], bar: float) -> list[int]:
    """Return which upright bars have room for their number above them: the highest are asked first."""
    widths, chosen = [svg.wide(text) for text in texts], set[int]()
    for i in sorted(range(len(tops)), key=lambda i: -tops[i]):
        side = widths[i] / 2
        fits = side <= places[i] <= WIDTH - side
        for j, (place, top) in enumerate(zip(places, tops, strict=True)):
            apart, higher = abs(place - places[i]), top - tops[i]
            fits &= not (higher > 2 and apart < side + bar / 2)
            fits &= not (j in chosen and higher < svg.SIZE + 4 and apart < side + widths[j] / 2 + 2)
        if fits:
            chosen.add(i)
    return sorted(chosen)


def _head(axes: Any, head: Sequence[str], times: pd.DatetimeIndex, numbers: Sequence[int]) -> None:
    """Write above a curve its name and its last number, and where it is highest how high."""
    beside: Any = {"transform": axes.transAxes, "va": "top", "clip_on": False}
    axes.text(0, 1, "\n".join(head), **beside)
    axes.text(1, 1, language.number(numbers[-1]), ha="right", weight="bold", **beside)
    if (most := max(numbers)) > numbers[-1]:
        top = (axes.lines[-1].get_xdata()[numbers.index(most)], most)
        axes.annotate(language.number(most), top, (0, 3), **ABOVE)
    _time_axis(axes, times, language.day(times[0]), language.day(times[-1]))


def _time_axis(axes: Any, times: pd.DatetimeIndex, *names: str) -> None:
    """Name the first and the last instant below axes whose other ticks are drawn to scale."""
    from matplotlib.dates import AutoDateLocator

    ends = [times[0]] if times[0] == times[-1] else [times[0], times[-1]]
    axes.set_xticks(ends, names[: len(ends)])
    axes.tick_params(axis="x", labelrotation=0)
    axes.xaxis.set_minor_locator(AutoDateLocator(minticks=3, maxticks=12))  # type: ignore[no-untyped-call]
    for label, side in zip(axes.get_xticklabels(), ("left", "right"), strict=False):
        label.set_horizontalalignment(side)
