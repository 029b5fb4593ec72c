"""Charts and tables of one's own values, as HTML: no library draws them, no script shows them.

`bars`, `tiles`, `lines` and `table` take a series or a frame and return what a notebook shows, in reports,
on the site and in JupyterLab, light or dark: names and numbers are text, each mark says its value when
pointed at, and a reader who sees none of it is told the numbers. A name stands above its bar and the number
beside it: nothing is told by colour alone.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from html import escape
from importlib.resources import files
from itertools import count as count_from
from itertools import cycle, pairwise
from numbers import Integral, Real
from typing import Any

import pandas as pd

from mssante_audit.base.french import NBSP, SEVERITY_NAMES
from mssante_audit.base.language import (
    count,
    day,
    duration,
    known,
    number,
    one_decimal,
    percent,
    severity_name,
    severity_names,
    spoken,
    tell,
    tr,
)
from mssante_audit.base.markup import data, visible
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.frame import Severity
from mssante_audit.report.say import Said
from mssante_audit.report.tables import Cell, Html, badge, csv_link
from mssante_audit.report.tables import table as table_html
from mssante_audit.values.identifiers import DEPARTMENTS

STYLES = (*SEVERITY_NAMES, "strong", "light", "gold", "grey")
"""How a bar may look: as a severity (each lighter than the worse one, with its own hatch), or plain."""

SHORT = {"critical": "crit.", "error": "err.", "warning": "avert.", "info": "info."}
"""Severities where there is little room."""

NAME = 160
"""Characters of a name that are shown."""

TEXT = 1000
"""Characters of a table's cell that are shown."""

COLUMNS, SHADES = 10, 6
"""Of the tiles: how many stand in a row, and how many shades there are."""

MARKS = {"fr": (" : ", " ; "), "en": (": ", "; ")}
"""What stands between a name and its number, and between two of these, by language."""

_tables = count_from(1)


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
        told = self.caption.html if isinstance(self.caption, Said) else escape(visible(known(self.caption)))
        caption = f"<figcaption>{told}</figcaption>" if told else ""
        return (
            f'<figure class="chart"><p class="title">{escape(visible(known(self.title)))}</p>'
            f'<div role="img" aria-label="{escape(visible(self.alt))}">{self.body}</div>{caption}</figure>'
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": f"{self.alt}\n{self.caption}"}


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
    r"""Draw horizontal bars, from top to bottom, each under its name.

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
        What styles stand for; a frame's columns are explained without.

    Raises
    ------
    ValueError
        If a number is negative, or there is no such style.

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
    if (frame < 0).any(axis=None):
        raise ValueError("a bar cannot have a negative length")
    names = [str(name) for name in frame.index]
    rows = frame.to_numpy().tolist()
    columns = [str(column) for column in frame.columns]
    looks = _looks(columns, styles, len(names) if one else len(columns), one)
    parts = [[(value, looks[i if one else at], columns[at]) for at, value in enumerate(row) if value]
             for i, row in enumerate(rows)]  # fmt: skip
    if whole is not None:
        texts = [f"{one_decimal(sum(row))} ({percent(int(sum(row)), whole)})" for row in rows]
    told = list(texts) or [
        one_decimal(row[0]) if one else ", ".join(_part(n, c) for n, _, c in own)
        for row, own in zip(rows, parts, strict=True)
    ]
    colon, semicolon = MARKS[spoken()]
    longest = max((sum(n for n, *_ in own if n == n) for own in parts), default=0) or 1
    lines = []
    for name, text, own in zip(names, told, parts, strict=True):
        marks = "".join(
            f'<i class="{style}" style="width:{100 * n / longest:.1f}%" title="'
            f'{escape(visible(f"{name}{colon}{text if one else _part(n, column)}"))}"></i>'
            for n, style, column in own
            if n == n
        )
        lines.append(
            f"<div><span>{data(name, NAME, '')}</span> <b>{data(text, NAME, '')}</b>"
            f'<span class="track">{marks}</span></div>'
        )
    shown = {
        style: severity_name(c) if c in SEVERITY_NAMES else known(c) for own in parts for _, style, c in own
    }
    words = dict(legend or {}) if one else {style: shown[style] for style in looks if style in shown}
    keys = "".join(
        f'<li><i class="{style}"></i>{data(known(word), NAME, "")}</li>' for style, word in words.items()
    )
    said = semicolon.join(f"{name}{colon}{text}" for name, text in zip(names, told, strict=True))
    return Chart(
        title,
        f'<div class="bars">{f"<ul>{keys}</ul>" if keys else ""}{"".join(lines)}</div>',
        alt
        or tell(
            "Barres – {title}. {said}." if one else "Barres empilées – {title}. {said}.",
            title=known(title),
            said=said or tr("Aucune donnée"),
        ),
        caption if names or not empty else empty,
    )


def _looks(columns: Sequence[str], styles: Sequence[str], needed: int, one: bool) -> list[str]:
    plain = cycle(["strong"] if one else ["strong", "light", "gold", "grey"])
    looks = list(styles) or (
        [next(plain)] * needed if one else [c if c in SEVERITY_NAMES else next(plain) for c in columns]
    )
    if len(looks) != needed or not set(looks) <= set(STYLES):
        raise ValueError(f"{needed} styles of {', '.join(STYLES)} are needed, not {', '.join(looks)}")
    return looks


def _part(value: float, column: str) -> str:
    return f"{one_decimal(value)}{NBSP}{tr(SHORT.get(column, column))}"


@cache
def tile_places(collectivities: bool = False) -> dict[str, tuple[int, int]]:
    """Return where each département's tile stands: (column, row) from the upper left.

    The collectivities overseas, which are no départements, have a row of their own below the others.
    """
    grids = tomllib.loads((files("mssante_audit.report") / "tiles.toml").read_text(encoding="utf-8"))
    rows = grids["departments"].strip().splitlines() + [grids["collectivities"]] * collectivities
    return {code: (x, y) for y, row in enumerate(rows) for x, code in enumerate(row.split()) if code != "."}


def tiles(values: pd.Series, *, title: str, caption: str = "", alt: str = "") -> Chart:
    """Draw a number a département as a grid of tiles: overseas and Corsica at the same scale as the rest.

    Parameters
    ----------
    values
        Whole numbers by the code of the département. The collectivities overseas are drawn if one has a
        number.
    title, caption, alt
        As for `bars`.

    Raises
    ------
    ValueError
        If there is no such département.

    Examples
    --------
    >>> tiles(pd.Series({"01": 3, "75": 12}), title="Domaines").alt
    'Carte en carreaux – Domaines. Paris (75) : 12 ; Ain (01) : 3.'
    """
    held = values[values > 0].sort_values(ascending=False, kind="stable")
    numbers = {str(code): int(n) for code, n in held.items()}
    if unknown := sorted(numbers.keys() - DEPARTMENTS.keys()):
        raise ValueError(f"no such département: {', '.join(unknown)}")
    most, (colon, semicolon) = max(numbers.values(), default=1), MARKS[spoken()]
    drawn = []
    for code, (x, y) in tile_places(not numbers.keys() <= tile_places().keys()).items():
        n = numbers.get(code, 0)
        shade = f"s{int(SHADES * math.log(n) / math.log(most + 1))}" if n else "none"
        told = escape(f"{DEPARTMENTS[code]} ({code}){colon}{number(n)}")
        drawn.append(
            f'<span class="{shade}" style="grid-area:{y + 1}/{x + 1}" title="{told}"><small>{code}</small>'
            f"{number(n) if n else '–'}</span>"
        )
    said = semicolon.join(f"{DEPARTMENTS[code]} ({code}){colon}{number(n)}" for code, n in numbers.items())
    return Chart(
        title,
        f'<div class="tiles">{"".join(drawn)}</div>',
        alt
        or tell("Carte en carreaux – {title}. {said}.", title=known(title), said=said or tr("Aucune donnée")),
        caption,
    )


def lines(values: pd.DataFrame, *, title: str, caption: str = "", alt: str = "") -> Chart:
    """Draw a line a column over time, each on a scale of its own that starts at 0.

    A thousand informations would flatten two criticals on one scale. Columns named for severities are named
    and coloured as severities are.

    Parameters
    ----------
    values
        Whole numbers, a row an instant (the index), the oldest first.
    title, caption, alt
        As for `bars`.

    Examples
    --------
    >>> days = pd.to_datetime(["2026-03-01", "2026-03-02"], utc=True)
    >>> chart = lines(pd.DataFrame({"Domaines": [148, 150]}, index=days), title="Liste")
    >>> " ".join(chart.alt.split())
    'Lignes – Liste. Domaines : 148 le 1er mars 2026, 150 le 2 mars 2026 ; entre 148 et 150.'
    """
    times = list(values.index)
    first, last = day(times[0]), day(times[-1])
    names = {str(column): values[column].astype(int).tolist() for column in values.columns}
    drawn = "".join(_line(name, times, numbers) for name, numbers in names.items())
    words = {severity: plural.capitalize() for severity, (_, plural) in severity_names().items()}
    told = ". ".join(
        tell(
            "{name} : {a} le {first}, {z} le {last} ; entre {low} et {high}",
            name=words.get(name, known(name)),
            a=own[0],
            z=own[-1],
            first=first,
            last=last,
            low=min(own),
            high=max(own),
        )
        for name, own in names.items()
    )
    body = f'<div class="lines"><ul>{drawn}</ul><p><span>{first}</span> <span>{last}</span></p></div>'
    return Chart(
        title, body, alt or tell("Lignes – {title}. {told}.", title=known(title), told=told), caption
    )


def _line(name: str, times: Sequence[pd.Timestamp], numbers: Sequence[int]) -> str:
    span, most, height = (times[-1] - times[0]).total_seconds() or 1, max(numbers) or 1, 40
    places = [
        (
            f"{100 * (time - times[0]).total_seconds() / span:.1f}",
            f"{height - 1 - (height - 3) * n / most:.1f}",
        )
        for time, n in zip(times, numbers, strict=True)
    ]
    # A path of no length with round ends is a dot that keeps its shape when the chart is stretched.
    marks = "".join(
        f'<path d="M{x},{y}h0"><title>{day(time)}{MARKS[spoken()][0]}{number(n)}</title></path>'
        for (x, y), time, n in zip(places, times, numbers, strict=True)
    )
    severity = name in SEVERITY_NAMES
    called = badge(name) if severity else data(known(name), NAME, "")
    return (
        f"<li{f' class=sev-{name}' if severity else ''}>{called}"
        f'<svg viewBox="0 0 100 {height}" preserveAspectRatio="none">'
        f'<line x1="0" x2="100" y1="{height - 1}" y2="{height - 1}"/>'
        f'<polyline points="{" ".join(map(",".join, places))}"/>{marks}</svg>'
        f"<strong>{number(numbers[-1])}</strong><small>max. {number(max(numbers))}</small></li>"
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
        tell("moins de {age}", age=duration(limits[0])),
        *(tell("de {a} à {z}", a=duration(low), z=duration(high)) for low, high in pairwise(limits)),
        tell("{age} et plus", age=duration(limits[-1])),
    ]
    counts = pd.cut(days, [0, *limits, float("inf")], right=False, labels=names).value_counts(sort=False)
    apart = {tr("date postérieure à la situation"): days < 0, tr("date illisible ou absente"): days.isna()}
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
        return Html(f'<p class="none">{escape(visible(known(empty)))}</p>{link}')
    if whole.index.name or not isinstance(whole.index, pd.RangeIndex):
        whole = whole.reset_index(names=str(whole.index.name or "ligne"), allow_duplicates=True)
    shown = whole.head(limit)
    rows = [[_cell(value) for value in row] for row in shown.itertuples(index=False, name=None)]
    for at, kind in enumerate(shown.dtypes):
        if kind == Severity:
            for row, severity in zip(rows, shown.iloc[:, at], strict=True):
                row[at] = Cell(badge(severity), SEVERITIES.index(severity))
    said = caption or count(len(whole), "ligne")
    columns = [str(column) for column in shown.columns]
    return Html(table_html(own, said, columns, rows, csv_link(whole if csv is None else csv, shown, own)))


def _cell(value: Any) -> Cell:
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return Cell("")
    if isinstance(value, bool):
        return Cell(tr("oui") if value else tr("non"))
    if isinstance(value, Real):  # NumPy's too
        return Cell(one_decimal(float(value)), int(value) if isinstance(value, Integral) else float(value))
    if isinstance(value, datetime):
        clock = f" {value:%H:%M}" if value.hour or value.minute else ""
        text = f'<span style="white-space:nowrap">{value:%d/%m/%Y}{clock}</span>'
        return Cell(text, value.isoformat())
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return Cell(data(text, TEXT))
