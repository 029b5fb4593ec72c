"""The site's trend: a line for each severity over the runs, as SVG inside the page, named in words.

Each severity has a scale of its own, from 0: a thousand informations would flatten two criticals. The words
and numbers stand in HTML beside the lines, so that they keep their size on a phone.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mssante_audit.base.french import NBSP, count, day, listing, number, severity_name, typeset
from mssante_audit.base.instants import parse_instant
from mssante_audit.findings.rules import SEVERITIES
from mssante_audit.findings.trend import Point
from mssante_audit.report.tables import badge

POINTS = 90
"""Runs that the chart shows at most, the last ones: three months of nights."""

HEIGHT = 40


def trend_html(points: Sequence[Point]) -> str:
    """Return the trend as HTML: what to look for, the lines, what they say."""
    shown = points[-POINTS:]
    if len(shown) < 2:
        return (
            '<p class="none">L’évolution se lira ici à partir du deuxième passage : '
            f"il y en a {'un' if shown else 'aucun'} pour l’instant.</p>"
        )
    first, last = (day(parse_instant(point.at)) for point in (shown[0], shown[-1]))
    lines = "".join(_line(shown, severity, first, last) for severity in reversed(SEVERITIES))
    lead = typeset("Une ligne qui monte : des constats s'ajoutent plus vite qu'ils ne se règlent.")
    return (
        f"<p>{lead}</p>"
        f'<figure class="trend"><ul>{lines}</ul>'
        f'<p class="axis"><span>{first}</span><span>{last}</span></p>'
        f"<figcaption>{typeset(_reading(shown, first, last))} "
        f"Chaque ligne a sa propre échelle, qui part de 0.</figcaption></figure>"
    )


def _line(points: Sequence[Point], severity: str, first: str, last: str) -> str:
    values = [point.counts[severity] for point in points]
    told = (
        f"{severity_name(severity, 2).capitalize()}{NBSP}: {number(values[0])} le {first}, "
        f"{number(values[-1])} le {last} ; entre {number(min(values))} et {number(max(values))}"
    )
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in _places(points, values))
    return (
        f'<li class="sev-{severity}">{badge(severity)}'
        f'<svg role="img" aria-label="{escape(told)}" viewBox="0 0 100 {HEIGHT}" preserveAspectRatio="none">'
        f'<line x1="0" x2="100" y1="{HEIGHT - 1}" y2="{HEIGHT - 1}"/><polyline points="{places}"/></svg>'
        f"<strong>{number(values[-1])}</strong><small>max. {number(max(values))}</small></li>"
    )


def _places(points: Sequence[Point], values: Sequence[int]) -> list[tuple[float, float]]:
    times = [parse_instant(point.at).timestamp() for point in points]
    span, most = times[-1] - times[0], max(values) or 1
    return [
        (100 * (time - times[0]) / span, (HEIGHT - 1) - (HEIGHT - 3) * value / most)
        for time, value in zip(times, values, strict=True)
    ]


def _reading(points: Sequence[Point], first: str, last: str) -> str:
    """Say what moved between the first and the last of the runs."""
    moved = [
        f"{severity_name(s, 2)} de {number(points[0].counts[s])} à {number(points[-1].counts[s])}"
        for s in reversed(SEVERITIES)
        if points[0].counts[s] != points[-1].counts[s]
    ]
    head = f"En {count(len(points), 'passage')}, du {first} au {last}"
    return f"{head} : {listing(moved)}." if moved else f"{head} : aucun nombre n'a changé."
