"""Charts and tables of one's own values, as HTML: no library draws them, no script shows them.

`bars`, `lines` and `table` take a series or a frame, as `mssante_audit.report.tiles` does, and return what
a notebook shows, in reports, on the site and in JupyterLab, light or dark: names and numbers are text, each
mark says its value when pointed at or in focus, and a reader who sees none of it is told the numbers. A name
stands by its bar and so does the number: nothing is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from itertools import count as count_from
from itertools import cycle, pairwise
from math import inf, nan
from numbers import Integral, Real
from typing import Any

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.language import (
    count,
    current_language,
    day,
    duration,
    format_text,
    gettext,
    number,
    one_decimal,
    percent,
    severity_name,
    severity_names,
    translated,
)
from mssante_audit.base.markup import data, visible
from mssante_audit.base.typography import NBSP
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.frame import Severity
from mssante_audit.report import figure
from mssante_audit.report.figure import TEXT, Chart
from mssante_audit.report.tables import Cell, Html, badge, csv_link, severity_cell
from mssante_audit.report.tables import table as table_html

STYLES = (*reversed(SEVERITIES), "strong", "light", "gold", "brown", "grey")
"""How a bar may look: as a severity (each lighter than the worse one), or plain."""

SHORT = {"critical": "crit.", "error": "err.", "warning": "avert.", "info": "info."}
"""Severities where there is little room."""

_tables = count_from(1)


def bars(
    values: pd.Series | pd.DataFrame,
    *,
    title: str,
    caption: str = "",
    empty: str = "",
    alt: str = "",
    whole: int | None = None,
    texts: Sequence[str] = (),
    styles: Sequence[str] = (),
    legend: Mapping[str, str] | None = None,
) -> Chart:
    r"""Draw horizontal bars, from top to bottom, each with its name; a table, where all would be equal.

    Parameters
    ----------
    values
        A series of one number a name, or a frame of a row a name and a column a part: its bars are stacked. A
        missing number is shown as a dash.
    title
        What is drawn.
    caption
        What it shows, in a sentence (`mssante_audit.report.say.say`).
    empty
        What to say instead where there is nothing to draw.
    alt
        Alternative text, if not the title and each bar with its number.
    whole
        What each number is a part of: its share then stands beside it.
    texts
        What stands beside each name, if not its numbers.
    styles
        Of `STYLES`: one a bar for a series, one a column for a frame. Columns named for severities have
        theirs.
    legend
        What styles stand for, where a series has several; a frame's columns are explained without.

    Raises
    ------
    InputError
        If a number is negative or infinite, or a text in place of one.
    ValueError
        If there is no such style.

    Examples
    --------
    >>> chart = bars(pd.Series({"CH FICTIF": 3, "CH INVENTÉ": 1}), title="Domaines")
    >>> chart.alt
    'Barres – Domaines. CH FICTIF : 3 ; CH INVENTÉ : 1.'
    >>> bars(pd.DataFrame({"error": [2], "info": [1]}, index=["CH FICTIF"]), title="Constats").alt
    'Barres empilées – Constats. CH FICTIF : 2\xa0err., 1\xa0info..'
    """
    one = isinstance(values, pd.Series)
    frame = values.to_frame("") if isinstance(values, pd.Series) else values
    names, columns = [str(name) for name in frame.index], [str(column) for column in frame.columns]
    rows = [[_length(value) for value in row] for row in frame.to_numpy(dtype=object).tolist()]
    looks = _looks(columns, styles, len(names) if one else len(columns), one)
    parts = [[(value, looks[i if one else at], columns[at]) for at, value in enumerate(row) if value]
             for i, row in enumerate(rows)]  # fmt: skip
    if whole is not None:
        texts = [f"{one_decimal(sum(row))} ({percent(int(sum(row)), whole)})" for row in rows]
    told = list(texts) or [
        one_decimal(row[0]) if one else ", ".join(_part(n, c) for n, _, c in own)
        for row, own in zip(rows, parts, strict=True)
    ]
    colon, semicolon = figure.MARKS[current_language()]
    said = semicolon.join(f"{name}{colon}{text}" for name, text in zip(names, told, strict=True))
    if _equal(rows):
        kind, body = "Tableau – {title}. {said}.", _rows(names, told)
    else:
        longest = max((sum(n for n, *_ in own if n == n) for own in parts), default=0) or 1
        kind = "Barres – {title}. {said}." if one else "Barres empilées – {title}. {said}."
        words = {s: w for s, w in (legend or {}).items() if s in looks} if one else _words(parts)
        body = figure.legend(words) + "".join(
            f"<div><span>{data(name, TEXT, '')}</span> <b>{data(text, TEXT, '')}</b>"
            + figure.track(
                ((n, style, f"{name}{colon}{text if one else _part(n, c)}") for n, style, c in own), longest
            )
            + "</div>"
            for name, text, own in zip(names, told, parts, strict=True)
        )
    return Chart(
        title,
        f'<div class="bars">{body}</div>',
        alt or format_text(kind, title=translated(title), said=said or gettext("Aucune donnée")),
        caption if names or not empty else empty,
    )


def _length(value: Any) -> float:
    """Return how long a bar is, NaN where nobody knows."""
    if pd.isna(value) is True:  # of a list it is no answer at all
        return nan
    if not isinstance(value, Real) or not 0 <= float(value) < inf:
        raise InputError(f"a bar cannot be {value!r} long", remedy="Draw numbers from 0 on")
    return float(value)


def _equal(rows: Sequence[Sequence[float]]) -> bool:
    """Return whether bars would all be alike, and show nothing that their numbers do not say."""
    parts = [[n for n in row if n and n == n] for row in rows]  # neither nothing nor unknown
    if all(len(own) <= 1 for own in parts):
        unknown = [any(n != n for n in row) for row in rows]
        return len({sum(own) for own, none in zip(parts, unknown, strict=True) if not none}) == 1
    return len(rows) > 1 and len({tuple(row) for row in rows}) == 1


def _rows(names: Sequence[str], told: Sequence[str]) -> str:
    why = "Un tableau, car toutes les barres seraient égales." if len(names) > 1 else "Un seul nombre."
    rows = "".join(
        f'<tr><th scope="row">{data(name, TEXT, "")}</th><td>{data(text, TEXT, "")}</td></tr>'
        for name, text in zip(names, told, strict=True)
    )
    return f"<table><caption>{gettext(why)}</caption><tbody>{rows}</tbody></table>"


def _words(parts: Sequence[Sequence[tuple[float, str, str]]]) -> dict[str, str]:
    """Return what each style stands for: the column of a frame, or those that share it."""
    found: dict[str, dict[str, None]] = {}
    for own in parts:
        for _, style, column in own:
            name = severity_name(column) if column in SEVERITIES else translated(column)
            found.setdefault(style, {})[name] = None
    return {style: ", ".join(found[style]) for style in STYLES if style in found}


def _looks(columns: Sequence[str], styles: Sequence[str], needed: int, one: bool) -> list[str]:
    plain = cycle(["strong"] if one else ["strong", "light", "gold", "brown", "grey"])
    looks = list(styles) or (
        [next(plain)] * needed if one else [c if c in SEVERITIES else next(plain) for c in columns]
    )
    if len(looks) != needed or not set(looks) <= set(STYLES):
        raise ValueError(f"{needed} styles of {', '.join(STYLES)} are needed, not {', '.join(looks)}")
    return looks


def _part(value: float, column: str) -> str:
    return f"{one_decimal(value)}{NBSP}{gettext(SHORT.get(column, column))}"


def lines(values: pd.DataFrame | pd.Series, *, title: str, caption: str = "", alt: str = "") -> Chart:
    """Draw a line a column over time, each on a scale of its own that starts at 0.

    A thousand informations would flatten two criticals on one scale. Columns named for severities are named
    and coloured as severities are.

    Parameters
    ----------
    values
        Whole numbers, a row an instant (the index; UTC if it has no zone), the oldest first.
    title, caption, alt
        As for `bars`.

    Raises
    ------
    InputError
        If a number is not whole, or unknown, or stands over no instant.

    Examples
    --------
    >>> days = pd.to_datetime(["2026-03-01", "2026-03-02"], utc=True)
    >>> chart = lines(pd.DataFrame({"Domaines": [148, 150]}, index=days), title="Liste")
    >>> " ".join(chart.alt.split())
    'Lignes – Liste. Domaines : 148 le 1er mars 2026, 150 le 2 mars 2026 ; entre 148 et 150.'
    """
    if isinstance(values, pd.Series):
        values = values.to_frame(title if values.name is None else values.name)
    if values.empty:
        nothing = format_text(
            "Lignes – {title}. {told}.", title=translated(title), told=gettext("Aucune donnée")
        )
        return Chart(title, f'<p class="none">{gettext("Aucune donnée")}</p>', alt or nothing, caption)
    if not isinstance(values.index, pd.DatetimeIndex) or values.index.hasnans:
        raise InputError(
            "lines are drawn over instants, and this index has other values, or not all of them",
            remedy="Make one by pd.to_datetime",
        )
    times = list(pd.to_datetime(values.index, utc=True))
    first, last = day(times[0]), day(times[-1])
    names = {str(column): figure.whole(values[column]) for column in values.columns}
    drawn = "".join(_line(name, times, numbers) for name, numbers in names.items())
    words = {severity: plural.capitalize() for severity, (_, plural) in severity_names().items()}
    text = "{name} : {a} le {first}, {z} le {last} ; entre {low} et {high}"
    told = ". ".join(
        format_text(
            text, name=words.get(name, translated(name)), a=own[0], z=own[-1], first=first, last=last,
            low=min(own), high=max(own),
        )
        for name, own in names.items()
    )  # fmt: skip
    dates = f"<span>{first}</span>" + (f" <span>{last}</span>" if first != last else "")
    return Chart(
        title,
        f'<div class="lines">{drawn}<p class="dates">{dates}</p></div>',
        alt or format_text("Lignes – {title}. {told}.", title=translated(title), told=told),
        caption,
    )


def _line(name: str, times: Sequence[pd.Timestamp], numbers: Sequence[int]) -> str:
    span, most, height = (times[-1] - times[0]).total_seconds() or 1, max(numbers) or 1, 40
    across = (f"{100 * (time - times[0]).total_seconds() / span:.1f}" for time in times)
    up = (f"{height - 1 - (height - 3) * n / most:.1f}" for n in numbers)
    places = list(zip(across, up, strict=True))
    # A path of no length with round ends is a dot that keeps its shape when the chart is stretched.
    marks = "".join(
        figure.mark(f'path d="M{x},{y}h0"', f"{day(time)}{figure.MARKS[current_language()][0]}{number(n)}")
        for (x, y), time, n in zip(places, times, numbers, strict=True)
    )
    severity = name in SEVERITIES
    called = badge(name) if severity else data(translated(name), TEXT, "")
    return (
        f'<div class="line{f" sev-{name}" if severity else ""}"><p>{called} <b>{number(numbers[-1])}</b></p>'
        f'<p class="axis"><span>{number(most)}</span> <span>0</span></p>'
        f'<svg viewBox="0 0 100 {height}" preserveAspectRatio="none">'
        f'<line x1="0" x2="100" y1="{height - 1}" y2="{height - 1}"/>'
        f'<polyline points="{" ".join(map(",".join, places))}"/>{marks}</svg></div>'
    )


def largest(values: pd.Series | pd.DataFrame) -> tuple[str, int]:
    """Return the name and the number of the longest bar, the first of those that tie; ("", 0) for no bar.

    >>> largest(pd.Series({"CH FICTIF": 1, "CH INVENTÉ": 3})), largest(pd.Series(dtype=int))
    (('CH INVENTÉ', 3), ('', 0))
    """
    sizes = values if isinstance(values, pd.Series) else values.sum(axis=1)
    return (str(sizes.idxmax()), int(sizes.max())) if len(sizes) else ("", 0)


def by_age(days: pd.Series, limits: Sequence[int]) -> pd.Series:
    """Return how many ages fall into each band, for `bars`: from one limit to the next, the youngest first.

    Parameters
    ----------
    days
        Whole days; missing ones, and those below 0 (a date to come), have a band if there are any.
    limits
        Where a band ends and the next begins, in days, ascending.

    Examples
    --------
    >>> by_age(pd.Series([10, 400, 800]), [365]).rename(lambda name: name.replace(NBSP, " ")).to_dict()
    {'moins de 1 an': 1, '1 an et plus': 2}
    """
    names = [
        format_text("moins de {age}", age=duration(limits[0])),
        *(format_text("de {a} à {z}", a=duration(low), z=duration(high)) for low, high in pairwise(limits)),
        format_text("{age} et plus", age=duration(limits[-1])),
    ]
    counts = pd.cut(days, [0, *limits, float("inf")], right=False, labels=names).value_counts(sort=False)
    apart = {
        gettext("date postérieure à la situation"): days < 0,
        gettext("date illisible ou absente"): days.isna(),
    }
    rest = {name: int(found.sum()) for name, found in apart.items() if found.any()}
    return pd.Series({**dict(zip(names, counts.tolist(), strict=True)), **rest}, dtype="int64")


def table(
    values: pd.DataFrame | pd.Series,
    *,
    caption: str = "",
    empty: str = "Aucune ligne.",
    name: str = "",
    limit: int = 500,
    csv: pd.DataFrame | None = None,
) -> Html:
    """Show any frame or series as a table that sorts, filters and gives all its rows as CSV.

    Parameters
    ----------
    values
        Any frame or series; its index is shown if it has a name or is more than a count of rows. Severities,
        numbers, instants and lists are written as readers want them; texts are escaped.
    caption
        What it holds, if not just the number of its rows.
    empty
        What to say where there is no row.
    name
        Its `id` and the name of the CSV file, if one matters; unique in its page.
    limit
        Rows shown at most. Above it the table says how many there are.
    csv
        What the CSV holds, if more than these rows.

    Examples
    --------
    >>> html = table(pd.DataFrame({"domaine": ["<b>.example"]}), name="domaines").text
    >>> '<td data-label="domaine" class="short"><bdi>&lt;b&gt;.example</bdi></td>' in html
    True
    """
    whole = values.to_frame() if isinstance(values, pd.Series) else values
    own = name or f"frame-{next(_tables)}"
    if whole.empty:
        link = "" if csv is None or csv.empty else csv_link(csv, csv, own)
        return Html(f'<p class="none">{escape(visible(translated(empty)))}</p>{link}')
    if any(whole.index.names) or not isinstance(whole.index, pd.RangeIndex):
        levels = [str(level or "ligne") for level in whole.index.names]
        whole = whole.reset_index(names=levels, allow_duplicates=True)
    shown = whole.head(limit)
    drawn = (map(severity_cell if one.dtype == Severity else _cell, one.tolist()) for _, one in shown.items())
    rows = list(zip(*drawn, strict=True))
    said = caption or count(len(whole), "ligne")
    columns = [str(column) for column in shown.columns]
    return Html(table_html(own, said, columns, rows, csv_link(whole if csv is None else csv, shown, own)))


def _cell(value: Any) -> Cell:
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return Cell("")
    if isinstance(value, bool):
        return Cell(gettext("oui") if value else gettext("non"))
    if isinstance(value, Real):  # NumPy's too
        return Cell(one_decimal(float(value)), int(value) if isinstance(value, Integral) else float(value))
    if isinstance(value, datetime):
        clock = f" {value:%H:%M}" if value.hour or value.minute else ""
        text = f'<span style="white-space:nowrap">{value:%d/%m/%Y}{clock}</span>'
        return Cell(text, value.isoformat())
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return Cell(data(text, TEXT))
