"""What the first screen of the site says beside answer and causes: inputs, what is new, figures, trend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from markupsafe import escape

from mssante_audit.base.export import values
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import count, day, format_text, gettext, listing, severity_name
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.causes import asking
from mssante_audit.findings.registry import title_of_audit
from mssante_audit.findings.trend import Point, severity_counts
from mssante_audit.report.charts import lines
from mssante_audit.report.html import Figure, Html, Prose, joined, key_figures, macro, paragraph, say
from mssante_audit.report.tables import Cell, number_cell, rows_table
from mssante_audit.site.tables import ROWS, SEVERITY_COLUMNS, Shown
from mssante_audit.site.view import View
from mssante_audit.space.states import named, remedied, worded

POINTS = 90
"""Runs that the chart shows at most, the last ones: three months of nights."""


def since(view: View) -> Prose:
    """Say what is new and fixed since the run before, of what asks for something."""
    if view.follow_up is None:
        return say("Premier passage : rien à quoi comparer.")
    new, fixed, unknown = view.findings.iloc[sorted(view.new & view.todo)], len(view.settled), _unknown(view)
    grave = [
        count(n, severity_name(severity), severity_name(severity, 2))
        for severity, n in severity_counts(new).items()
        if n and severity in ("critical", "error")
    ]
    return say(
        "Depuis le {day} : **{new}{worst}**, {fixed}{lost}, hors informations et indices.",
        day=parse_instant(view.follow_up.previous),
        new=say("{n:nouveau constat|nouveaux constats}", n=len(new))
        if len(new)
        else say("aucun nouveau constat"),
        worst=say(" (dont {worst})", worst=escape(listing(grave))) if grave else "",
        fixed=say("{n:réglé}", n=fixed) if fixed else say("aucun réglé"),
        lost=say(", {unknown:inconnu}", unknown=unknown) if unknown else "",
    )


def _unknown(view: View) -> int:
    """Return how many findings that ask for something are unknown, of this run or the one before."""
    return len(view.unknown & view.todo) + sum(asking(f["rule"]) for f in view.lost)


def inputs(view: View) -> Html:
    """Say which inputs are in doubt, why, and what to do; or that all of them are well."""
    states = view.space.states
    doubtful = [(s.tolerated, named(s.name), worded(s), remedied(s)) for s in states if s.state != "ok"]
    well = [
        named(state.name) + (f" ({count(state.age_days, 'jour')})" if state.age_days is not None else "")
        for state in states
        if state.state == "ok"
    ]
    fine = say("Entrées en ordre : {names}.", names=escape(listing(well))) if well else ""
    return macro("site.inputs", doubtful, any(state.doubtful for state in states), fine)


def figures(view: View) -> Html:
    """Return the key figures of the run."""
    counts, follow_up, unknown = severity_counts(view.findings), view.follow_up, _unknown(view)
    new, first_run = len(view.new & view.todo), "" if follow_up else "premier passage"
    return key_figures(
        [
            Figure("Constats critiques", counts["critical"]),
            Figure("Erreurs", counts["error"]),
            Figure("Nouveaux", new if follow_up else "–", first_run),
            Figure("Réglés", len(view.settled) if follow_up else "–", first_run),
            *([Figure("Inconnus", unknown)] if unknown else []),
            Figure("Opérateurs concernés", len(view.first()), format_text("sur {n}", n=len(view.operators))),
            Figure("Acceptés", len(view.waived), "hors des comptes"),
        ]
    )


def missing(view: View) -> str:
    """Say which audits could not be made, and why; "" if all were."""
    names = [f"{title_of_audit(name)} ({words})" for name, words in view.missing.items()]
    return format_text("Non vérifié, et donc inconnu : {what}.", what=names) if names else ""


def summary(counts: Mapping[str, int]) -> str:
    """Write counts by severity in words."""
    names = {s: (severity_name(s), severity_name(s, 2)) for s in counts}
    other = "{n:information ou indice|informations ou indices}"
    words = [format_text(other, n=n) if s == "info" else count(n, *names[s]) for s, n in counts.items() if n]
    return listing(words).capitalize() if words else gettext("Aucun constat")


def trend_html(points: Sequence[Point]) -> Html:
    """Return the trend: what to look for, the lines, what they say."""
    seen = [point for point in points if not point.unknown]  # others would draw a fall that is none
    shown = (seen if len(seen) > 1 else points)[-POINTS:]
    left = len(points) - len(seen) if len(seen) > 1 else 0
    if len(shown) < 2:
        single = "L’évolution se lira ici à partir du deuxième passage : il y en a un pour l’instant."
        none = "L’évolution se lira ici à partir du deuxième passage : il n’y en a aucun pour l’instant."
        return paragraph("none", say(single) if shown else say(none))
    drawn = pd.DataFrame(
        [point.counts for point in shown],
        index=[pd.Timestamp(parse_instant(point.at)) for point in shown],
        columns=list(reversed(SEVERITIES)),
    )
    passed = "{n:passage} aux entrées en doute {n:~n’est pas dessiné|ne sont pas dessinés}."
    scale = gettext("Chaque ligne a sa propre échelle, qui part de 0.")
    caption = " ".join((_reading(drawn), *([format_text(passed, n=left)] if left else []), scale))
    lead = say("Une ligne qui monte : des constats s'ajoutent plus vite qu'ils ne se règlent.")
    return joined(
        paragraph("reading", lead), lines(drawn, title="Constats par gravité", caption=caption).html()
    )


def _reading(drawn: pd.DataFrame) -> str:
    """Say what moved between the first and the last of the runs."""
    first, last = drawn.iloc[0], drawn.iloc[-1]
    moved = [
        format_text("{what} de {a} à {z}", what=severity_name(s, 2), a=int(first[s]), z=int(last[s]))
        for s in drawn.columns
        if first[s] != last[s]
    ]
    return format_text(
        "En {n:passage}, du {a} au {z} : {what}.", n=len(drawn), a=drawn.index[0], z=drawn.index[-1],
        what=moved or gettext("aucun nombre n'a changé"),
    )  # fmt: skip


def trend_shown(points: Sequence[Point]) -> Shown:
    """Return the runs as a table, the last one first."""
    names = ["new", "open", "fixed", "waived", "unknown"]
    runs = [(p.at, *p.counts.values(), *(getattr(p, name) for name in names)) for p in points]
    rows = [
        (Cell(day(parse_instant(at)), at), *map(number_cell, numbers))
        for at, *numbers in reversed(runs[-ROWS:])
    ]
    columns = ("Passage", *SEVERITY_COLUMNS, "Nouveaux", "Ouverts", "Réglés", "Acceptés", "Inconnus")
    frame = pd.DataFrame(runs, columns=["at", *reversed(SEVERITIES), *names])
    html = rows_table("evolution", "Constats par gravité à chaque passage", columns, rows)
    return Shown("evolution", html, values(frame), len(rows))
