"""The site's trend: a line for each severity over the runs, what moved in words, and the runs as a table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mssante_audit.base.french import count, day, listing, number, severity_name, typeset
from mssante_audit.base.instants import parse_instant
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
        return (
            '<p class="none">L’évolution se lira ici à partir du deuxième passage : '
            f"il y en a {'un' if shown else 'aucun'} pour l’instant.</p>"
        )
    drawn = pd.DataFrame(
        [point.counts for point in shown],
        index=[pd.Timestamp(parse_instant(point.at)) for point in shown],
        columns=list(reversed(SEVERITIES)),
    )
    passed = (
        f"{count(left, 'passage')} aux entrées en doute "
        f"{'n’est pas dessiné' if left == 1 else 'ne sont pas dessinés'}. "
    )
    caption = typeset(
        f"{_reading(drawn)} {passed if left else ''}Chaque ligne a sa propre échelle, qui part de 0."
    )
    lead = typeset("Une ligne qui monte : des constats s'ajoutent plus vite qu'ils ne se règlent.")
    return f"<p>{lead}</p>{lines(drawn, title='Constats par gravité', caption=caption).html()}"


def _reading(drawn: pd.DataFrame) -> str:
    """Say what moved between the first and the last of the runs."""
    first, last = drawn.iloc[0], drawn.iloc[-1]
    moved = [
        f"{severity_name(s, 2)} de {number(int(first[s]))} à {number(int(last[s]))}"
        for s in drawn.columns
        if first[s] != last[s]
    ]
    head = f"En {count(len(drawn), 'passage')}, du {day(drawn.index[0])} au {day(drawn.index[-1])}"
    return f"{head} : {listing(moved)}." if moved else f"{head} : aucun nombre n'a changé."


def trend_shown(points: Sequence[Point], *, name: str = "evolution") -> Shown:
    """Return the runs as a table, the last one first."""
    rows = [
        (
            Cell(day(parse_instant(p.at)), p.at),
            *(Cell(number(n), n) for n in (*p.counts.values(), p.new, p.open, p.fixed, p.waived, p.unknown)),
        )
        for p in reversed(points[-ROWS:])
    ]
    columns = ("Passage", *SEVERITY_COLUMNS, "Nouveaux", "Ouverts", "Réglés", "Acceptés", "Inconnus")
    names = ["at", "critical", "error", "warning", "info", "new", "open", "fixed", "waived", "unknown"]
    frame = pd.DataFrame(
        [(p.at, *p.counts.values(), p.new, p.open, p.fixed, p.waived, p.unknown) for p in points],
        columns=names,
    )
    return Shown(name, table(name, "Constats par gravité à chaque passage", columns, rows), frame, len(rows))
