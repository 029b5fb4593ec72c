"""Charts of one's own values, by matplotlib: bars, lines over time, shares that last, a map of France.

Each takes a series or a frame and returns a `mssante_audit.report.svg.Chart`, whose figure can be changed and
saved. matplotlib is imported when the first chart is drawn.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import cycle, pairwise
from numbers import Real
from typing import Any

import pandas as pd

from mssante_audit.base import language, resources
from mssante_audit.base.errors import InputError, ParameterError
from mssante_audit.base.frames import of_pandas
from mssante_audit.base.language import NBSP, format_text, gettext, translated
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.report import svg
from mssante_audit.report.svg import COLOURS, LINE, WIDTH, Chart, clean, look, name_mark, sheet
from mssante_audit.values.identifiers import DEPARTMENTS

# How a bar may look: as a severity (each lighter than the worse one), or plain
STYLES = (*reversed(SEVERITIES), "strong", "light", "gold", "brown", "grey")
# Severities where there is little room
SHORT = {"critical": "crit.", "error": "err.", "warning": "avert.", "info": "info."}
SHADES, TILE = 6, WIDTH / 10  # How many shades there are, and points from one tile to the next
# What stands between a name and its number, and between two of these, by language
PAIRS = {"fr": (" : ", " ; "), "en": (": ", "; ")}
# Years that a scale of time may span, and the year from which on matplotlib may have none
SPAN, LAST = 100, 9000


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
        nonzero = parts.where((lengths != 0) | single, "")
        texts = [", ".join(filter(None, row)) for row in nonzero.itertuples(index=False)]
    else:
        texts = [f"{language.number(n)} ({language.percent(int(n), whole)})" for n in lengths.sum(axis=1)]
    pairs = [(_name(name), clean(text)) for name, text in zip(frame.index, texts, strict=True)]
    colon, semicolon = PAIRS[language.current_language()]
    upright = _on_a_scale(frame.index)
    alike = not upright and _alike(lengths)
    kind = "Barres – {title}. {values}." if single else "Barres empilées – {title}. {values}."
    kind = "Tableau – {title}. {values}." if alike else kind
    alt = alt_text(kind, title, map(colon.join, pairs), semicolon)
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
            draw = svg.upright_bars if upright else svg.below_names
            axes = draw(drawn.fillna(0), pairs, partial(sheet, title, words), options)
    for column, container in zip(map(str, lengths), axes.containers, strict=False):
        for bar, n, part, pair in zip(container, lengths[column], parts[column], pairs, strict=True):
            bar.set_clip_on(False)
            if n > 0:
                name_mark(marks, bar, colon.join(pair) if single else f"{pair[0]}{colon}{part}")
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
    target, colon = options.pop("ax", None), PAIRS[language.current_language()][0]
    marks: dict[str, str] = {}
    with look():
        heads = [svg.lines_of(name, svg.LETTERS - 12) for name in names.values()]
        heights = [svg.GAP + LINE * len(head) + svg.CURVE for head in heads]
        size = options.pop("figsize", None)
        figure = target.figure if target else sheet(title, {}, [*heights, LINE], size)
        plots = [target] * len(curves) if target else figure.axes
        for at, (axes, (column, numbers)) in enumerate(zip(plots, curves.items(), strict=False)):
            colour = COLOURS[column if column in SEVERITIES else "strong"]
            looks: Any = {"color": colour, "marker": "o", "markersize": 4, "x_compat": True, "legend": False}
            pd.Series(numbers, index=times).plot(ax=axes, **looks | options)
            points = zip(map(language.day, times), map(language.number, numbers), strict=True)
            name_mark(marks, axes.lines[-1], "\n".join(map(colon.join, points)))
            axes.lines[-1].set_clip_on(False)
            if not target:
                axes.set_ylim(0, (max(numbers) or 1) * heights[at] / (svg.CURVE - LINE))
                axes.set(yticks=[], xlabel="", ylabel="")
                svg.head(axes, heads[at], times, numbers)
                axes.tick_params(labelbottom=at == len(curves) - 1)
        if not target:
            figure.axes[-1].set_axis_off()
    text, sentences = "{name} : {a} le {first}, {z} le {last} ; entre {low} et {high}", []
    for column, n in curves.items():
        facts = {"name": names[column], "a": n[0], "z": n[-1], "first": times[0], "last": times[-1]}
        sentences.append(format_text(text, low=min(n), high=max(n), **facts))
    alt = alt or alt_text("Lignes – {title}. {values}.", title, sentences)
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
        figure = sheet(title, styles, [3 * svg.CURVE])
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
            name_mark(marks, axes.lines[-1], sentences[-1])
            axes.fill_between(days, low, high, step="post", alpha=0.2, color=colour, linewidth=0)
        axes.set_ylim(0, 1)
        axes.set_xlim(left=0)
        axes.set_yticks([0, 0.5, 1], [language.percent(n, 2) for n in range(3)])
    alt = alt_text("Lignes – {title}. {values}.", title, sentences)
    return Chart(figure, title, alt, caption, marks)


def tile_places(collectivities: bool = False) -> dict[str, tuple[int, int]]:
    """Return where each département's tile stands: (column, row) from the upper left.

    The collectivities overseas, which are no départements, have a row of their own below the others.
    """
    grids = resources.table_of("mssante_audit.report", "tiles.toml")
    rows = grids["departments"].strip().splitlines() + [grids["collectivities"]] * collectivities
    return {code: (x, y) for y, row in enumerate(rows) for x, code in enumerate(row.split()) if code != "."}


def tiles(values: pd.Series, *, title: str = "", caption: str = "") -> Chart:
    """Draw a number a département as a grid of tiles: overseas and Corsica at the same scale as the rest.

    `values` are whole numbers by the code of the département; the collectivities overseas are drawn if one
    has a number. `title` and `caption` are as for `bars`. No such département, or a number that is not whole,
    is an `InputError`.
    """
    from matplotlib.patches import Rectangle

    lengths = of_pandas(values, pd.Series).map(length).astype("float64")
    drawn = lengths[lengths > 0].sort_values(ascending=False, kind="stable")
    numbers = dict(zip(map(str, drawn.index), whole_numbers(drawn), strict=True))
    if twice := drawn.index[drawn.index.duplicated()].tolist():
        raise InputError(f"a département stands there twice: {twice[0]}", remedy="Sum them first")
    if unknown := sorted(numbers.keys() - DEPARTMENTS.keys()):
        named = ", ".join(code or '""' for code in unknown)
        raise InputError(f"no such département: {named}", remedy='Codes are texts: "01", "2A", "971"')
    maximum, (colon, semicolon) = max(numbers.values(), default=1), PAIRS[language.current_language()]
    places = tile_places(not numbers.keys() <= tile_places().keys())
    marks: dict[str, str] = {}
    height = TILE * (1 + max(y for _, y in places.values()))

    def sentence(code: str) -> str:
        return f"{DEPARTMENTS[code]} ({code}){colon}{language.number(numbers.get(code, 0))}"

    with look():
        figure = sheet(title, _scale(maximum), [height])
        axes = figure.axes[0]
        axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        axes.set_axis_off()
        for code, (column, row) in places.items():
            n, x, y = numbers.get(code, 0), TILE * column + 1, TILE * row
            style = f"s{_shade(n, maximum)}" if n else "paper"
            box = Rectangle((x, y), TILE - 3, TILE - 3, facecolor=COLOURS[style], edgecolor=COLOURS["edge"])
            name_mark(marks, axes.add_patch(box), sentence(code))
            short = f"{n // 1000}k" if n >= 10_000 else str(n)  # a tile has room for four digits
            ink: Any = {"color": COLOURS["inverse" if style in ("s3", "s4", "s5") else "ink"], "va": "center"}
            axes.text(x + 3, y + 10, code, **ink)
            axes.text(x + TILE / 2 - 2, y + 28, short if n else "–", weight="bold", ha="center", **ink)
    sentences = list(map(sentence, numbers))
    alt = alt_text("Carte en carreaux – {title}. {values}.", title, sentences, semicolon)
    return Chart(figure, title, alt, caption, marks)


def _shade(n: int, maximum: int) -> int:
    return int(SHADES * math.log(n) / math.log(maximum + 1))


def _scale(maximum: int) -> dict[str, str]:
    """Return the numbers that each shade stands for; those that no number to `maximum` has are left out."""
    upto = range(1, maximum + 1)
    starts = [1 + bisect_left(upto, k, key=lambda n: _shade(n, maximum)) for k in range(SHADES + 1)]
    spans = {f"s{k}": {low, after - 1} for k, (low, after) in enumerate(pairwise(starts)) if low < after}
    texts = {style: "–".join(map(language.number, sorted(span))) for style, span in spans.items()}
    return {"paper": gettext("aucun"), **texts}


def largest(values: pd.Series | pd.DataFrame) -> tuple[str, int]:
    """Return the name and the number of the longest bar, the first of those that tie, whose name says so.

    ("", 0) stands for no bar.
    """
    sizes = values if isinstance(values, pd.Series) else values.sum(axis=1)
    if sizes.empty:
        return "", 0
    first, most = str(sizes.idxmax()), int(sizes.max())
    others = int((sizes == most).sum()) - 1 if most else 0
    return format_text("{first} (à égalité avec {n:autre})", first=first, n=others) if others else first, most


def alt_text(kind: str, title: str, sentences: Iterable[str], between: str = ". ") -> str:
    """Return the alternative text of a chart."""
    written = between.join(sentences).removesuffix(".") or gettext("Aucune donnée")
    text = format_text(kind, title=translated(title), values=written)
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
    counts = list(numbers)
    if wrong := [n for n in counts if not isinstance(n, Real) or n % 1 != 0]:
        raise InputError(f"{wrong[0]} is no whole number", remedy="Draw counts, or round them first")
    return [int(n) for n in counts]


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
