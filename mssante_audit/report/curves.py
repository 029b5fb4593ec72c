"""Lines over time and shares that last: charts whose axis is time, drawn to scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.language import (
    current_language,
    day,
    format_text,
    gettext,
    number,
    percent,
    severity_names,
    translated,
)
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.report.charts import (
    LETTERS,
    LINE,
    PAIRS,
    Chart,
    clean,
    lines_of,
    sheet,
    time_axis,
    whole_numbers,
)
from mssante_audit.report.svg import COLOURS, look, mark

CURVE = 70
"""Points that a curve is high."""


def lines(
    values: pd.DataFrame | pd.Series, *, title: str = "", caption: str = "", alt: str = "", **options: Any
) -> Chart:
    """Draw a line a column over time, each on a scale of its own that starts at 0.

    A thousand informations would flatten two criticals on one scale. Columns named for severities are named
    and coloured as severities are.

    Parameters
    ----------
    values
        Whole numbers, a row an instant (the index; UTC if it has no zone), the oldest first.
    title, caption, alt
        As for `bars`.
    **options
        Whatever `pandas.Series.plot` takes: ``color``, ``marker``, ``figsize``, ``grid``, ``ax``…

    Raises
    ------
    InputError
        If a number is not whole, or unknown, or stands over no instant.
    """
    frame = values if isinstance(values, pd.DataFrame) else values.to_frame(values.name or title)
    if not frame.empty and (not isinstance(frame.index, pd.DatetimeIndex) or frame.index.hasnans):
        raise InputError(
            "lines are drawn over instants, and this index has other values, or not all of them",
            remedy="Make one by pd.to_datetime",
        )
    times = pd.DatetimeIndex(pd.to_datetime(frame.index, utc=True))
    words = {severity: plural.capitalize() for severity, (_, plural) in severity_names().items()}
    held = {str(column): whole_numbers(frame[column]) for column in frame.columns if len(frame)}
    names = {column: clean(words.get(column, translated(column))) for column in held}
    colon, given, marks = PAIRS[current_language()][0], options.pop("ax", None), {}
    with look():
        heads = [lines_of(name, LETTERS - 12) for name in names.values()]
        heights = [LINE * len(head) + CURVE for head in heads]
        size = options.pop("figsize", None)
        figure = given.figure if given else sheet(title, {}, [*heights, LINE], size)
        plots = [given] * len(held) if given else figure.axes
        for at, (axes, (column, numbers)) in enumerate(zip(plots, held.items(), strict=False)):
            colour = COLOURS[column if column in SEVERITIES else "strong"]
            looks: Any = {"color": colour, "marker": "o", "markersize": 4, "x_compat": True, "legend": False}
            pd.Series(numbers, index=times).plot(ax=axes, **looks | options)
            axes.lines[-1].set(gid=mark(at), clip_on=False)
            marks[mark(at)] = "\n".join(
                f"{day(t)}{colon}{number(n)}" for t, n in zip(times, numbers, strict=True)
            )
            if not given:
                axes.set_ylim(0, (max(numbers) or 1) * heights[at] / (CURVE - LINE))
                axes.set(yticks=[], xlabel="", ylabel="")
                _headed(axes, heads[at], numbers)
                time_axis(axes, times, day(times[0]), day(times[-1]))
                axes.tick_params(labelbottom=at == len(held) - 1)
        if not given:
            figure.axes[-1].set_axis_off()
    text = "{name} : {a} le {first}, {z} le {last} ; entre {low} et {high}"
    ends = {"first": times[0], "last": times[-1]} if held else {}
    sentences = ". ".join(
        format_text(text, name=names[c], a=n[0], z=n[-1], low=min(n), high=max(n), **ends)
        for c, n in held.items()
    )
    sentences = sentences or gettext("Aucune donnée")
    alt = alt or format_text("Lignes – {title}. {said}.", title=translated(title), said=sentences)
    return Chart(figure, title, alt, caption, marks)


def steps(curves: Mapping[str, pd.DataFrame], *, title: str = "", caption: str = "") -> Chart:
    """Draw the share that lasts over days as steps, with the band of its interval; two curves at most.

    Parameters
    ----------
    curves
        By name, as `mssante_audit.archive.lifetimes.survival` returns them.
    title, caption
        As for `bars`.
    """
    drawn = {translated(name): curve for name, curve in curves.items() if len(curve)}
    styles = dict(zip(("strong", "gold"), drawn, strict=False))
    with look():
        figure = sheet(clean(translated(title)), {s: clean(name) for s, name in styles.items()}, [3 * CURVE])
        (axes,) = figure.axes
        x, y, width, height = axes.get_position().bounds
        axes.set_position((x + 0.12, y + 0.12 * height, width - 0.14, 0.86 * height))
        for at, (style, name) in enumerate(styles.items()):
            curve = drawn[name]
            days = [0.0, *curve["day"]]
            for bound in ("early", "late"):
                axes.step(days, [1.0, *curve[bound]], where="post", color=COLOURS[style])
            axes.lines[-1].set_gid(mark(at))
            low, high = ([1.0, *curve[side]] for side in ("low", "high"))
            axes.fill_between(days, low, high, step="post", alpha=0.2, color=COLOURS[style], linewidth=0)
        axes.set_ylim(0, 1)
        axes.set_xlim(left=0)
        axes.set_yticks([0, 0.5, 1], [percent(n, 2) for n in range(3)])
    text = "{name} : {share} encore ouverts après {d:jour}"
    ends = {name: curve.iloc[-1] for name, curve in drawn.items()}
    sentences = [
        format_text(text, name=name, share=percent(round(1000 * end["late"]), 1000), d=int(end["day"]))
        for name, end in ends.items()
    ]
    what = ". ".join(sentences) or gettext("Aucune donnée")
    alt = format_text("Lignes – {title}. {said}.", title=translated(title), said=what)
    return Chart(figure, title, alt, caption, {mark(at): text for at, text in enumerate(sentences)})


def _headed(axes: Any, head: Sequence[str], held: Sequence[int]) -> None:
    """Write above a line what it is and how many the last one has, and at its highest point how many."""
    beside: dict[str, Any] = {"transform": axes.transAxes, "va": "top", "clip_on": False}
    axes.text(0, 1, "\n".join(head), **beside)
    axes.text(1, 1, number(held[-1]), ha="right", weight="bold", **beside)
    most = max(held)
    if most > held[-1]:
        at = axes.lines[-1].get_xdata()[held.index(most)]
        axes.annotate(number(most), (at, most), (0, 3), textcoords="offset points", ha="center", va="bottom")
