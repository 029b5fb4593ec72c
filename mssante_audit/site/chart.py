"""The site's trend: a line for each severity over the runs, what moved in words, and the runs as a table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mssante_audit.base.french import SEVERITY_NAMES
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import day, listing, number, severity_name, tell, tr
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.trend import Point
from mssante_audit.report.charts import lines
from mssante_audit.report.tables import Cell, table
from mssante_audit.site.tables import ROWS, SEVERITY_COLUMNS, Shown

POINTS = 90
"""Runs that the chart shows at most, the last ones: three months of nights."""


def trend_html(points: Sequence[Point]) -> str:
    """Return the trend as HTML: what to look for, the lines, what they say."""
    seen = [point for point in points if not point.unknown]  # others would draw a fall that is none
    shown = (seen if len(seen) > 1 else points)[-POINTS:]
    left = len(points) - len(seen) if len(seen) > 1 else 0
    if len(shown) < 2:
        one = "L’évolution se lira ici à partir du deuxième passage : il y en a un pour l’instant."
        none = "L’évolution se lira ici à partir du deuxième passage : il n’y en a aucun pour l’instant."
        return f'<p class="none">{tr(one if shown else none)}</p>'
    drawn = pd.DataFrame(
        [point.counts for point in shown],
        index=[pd.Timestamp(parse_instant(point.at)) for point in shown],
        columns=list(reversed(SEVERITIES)),
    )
    passed = "{n:passage} aux entrées en doute {n:~n’est pas dessiné|ne sont pas dessinés}."
    scale = tr("Chaque ligne a sa propre échelle, qui part de 0.")
    caption = " ".join((_reading(drawn), *([tell(passed, n=left)] if left else []), scale))
    lead = tr("Une ligne qui monte : des constats s'ajoutent plus vite qu'ils ne se règlent.")
    return f"<p>{lead}</p>{lines(drawn, title='Constats par gravité', caption=caption).html()}"


def _reading(drawn: pd.DataFrame) -> str:
    """Say what moved between the first and the last of the runs."""
    first, last = drawn.iloc[0], drawn.iloc[-1]
    moved = [
        tell("{what} de {a} à {z}", what=severity_name(s, 2), a=int(first[s]), z=int(last[s]))
        for s in drawn.columns
        if first[s] != last[s]
    ]
    return tell(
        "En {n:passage}, du {a} au {z} : {what}.",
        n=len(drawn), a=day(drawn.index[0]), z=day(drawn.index[-1]),
        what=listing(moved) if moved else tr("aucun nombre n'a changé"),
    )  # fmt: skip


def trend_shown(points: Sequence[Point]) -> Shown:
    """Return the runs as a table, the last one first."""
    names = ["new", "open", "fixed", "waived", "unknown"]
    told = [(p.at, *p.counts.values(), *(getattr(p, name) for name in names)) for p in points]
    rows = [
        (Cell(day(parse_instant(at)), at), *(Cell(number(n), n) for n in numbers))
        for at, *numbers in reversed(told[-ROWS:])
    ]
    columns = ("Passage", *SEVERITY_COLUMNS, "Nouveaux", "Ouverts", "Réglés", "Acceptés", "Inconnus")
    caption, frame = (
        "Constats par gravité à chaque passage",
        pd.DataFrame(told, columns=["at", *SEVERITY_NAMES, *names]),
    )
    return Shown("evolution", table("evolution", caption, columns, rows), frame, len(rows))
