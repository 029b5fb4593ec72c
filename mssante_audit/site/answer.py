"""What the first screen of the site says beside states and causes: inputs, what is new, figures, trend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd

from mssante_audit.base.export import values
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import (
    count,
    day,
    format_text,
    gettext,
    listing,
    number,
    severity_name,
    typeset,
)
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.causes import asking
from mssante_audit.findings.registry import title_of_audit
from mssante_audit.findings.trend import Point, severity_counts
from mssante_audit.report.charts import lines
from mssante_audit.report.tables import Cell, Figure, key_figures, prose, table
from mssante_audit.site.tables import ROWS, SEVERITY_COLUMNS, Shown
from mssante_audit.site.view import View
from mssante_audit.space.states import named, remedied, worded

POINTS = 90
"""Runs that the chart shows at most, the last ones: three months of nights."""


def since(view: View) -> str:
    """Say what is new and fixed since the run before, of what asks for something."""
    if view.told is None:
        return gettext("Premier passage : rien à quoi comparer.")
    new, fixed = view.findings.iloc[sorted(view.new & view.todo)], view.settled
    grave = [
        count(n, severity_name(severity), severity_name(severity, 2))
        for severity, n in severity_counts(new).items()
        if n and severity in ("critical", "error")
    ]
    told = "{n:nouveau constat|nouveaux constats}" if len(new) else "aucun nouveau constat"
    words = format_text(told, n=len(new)) + (
        format_text(" (dont {worst})", worst=listing(grave)) if grave else ""
    )
    unknown = _unknown(view)
    return format_text(
        "Depuis le {day} : <strong>{new}</strong>, {fixed}{lost}, hors informations et indices.",
        day=day(parse_instant(view.told.previous)), new=words,
        fixed=format_text("{n:réglé}", n=len(fixed)) if fixed else gettext("aucun réglé"),
        lost=format_text(", {unknown:inconnu}", unknown=unknown) if unknown else "",
    )  # fmt: skip


def _unknown(view: View) -> int:
    """Return how many findings that ask for something are unknown, of this run or the one before."""
    return len(view.unknown & view.todo) + sum(asking(f["rule"]) for f in view.lost)


def inputs(view: View) -> str:
    """Say which inputs are in doubt, why, and what to do; or that all of them are well."""
    states = view.space.states
    doubtful = [one for one in states if one.state != "ok"]
    told = "".join(
        f"<p><strong>{gettext('Toléré' if one.tolerated else 'Inconnu')}</strong>, {named(one.name)} : "
        f"{escape(worded(one), quote=False)}. {escape(remedied(one), quote=False)}</p>"
        for one in doubtful
    )
    if any(one.doubtful for one in doubtful):
        rest = gettext("Ce qui repose sur ces entrées n'est ni nouveau ni réglé : on n'en sait rien.")
        told += f"<p>{rest}</p>"
    if told:
        told = f'<div class="notice warning" role="note">{told}</div>'
    well = [
        named(one.name) + (f" ({count(one.age_days, 'jour')})" if one.age_days is not None else "")
        for one in states
        if one.state == "ok"
    ]
    fine = format_text("Entrées en ordre : {names}.", names=listing(well))
    return typeset(told) + (f'<p class="limits">{fine}</p>' if well else "")


def figures(view: View) -> str:
    """Return the key figures of the run, as HTML."""
    counts, told = severity_counts(view.findings), view.told
    new, first_run = len(view.new & view.todo), "" if told else "premier passage"
    return key_figures(
        [
            Figure("Constats critiques", counts["critical"]),
            Figure("Erreurs", counts["error"]),
            Figure("Nouveaux", new if told else "–", first_run),
            Figure("Réglés", len(view.settled) if told else "–", first_run),
            *([Figure("Inconnus", unknown)] if (unknown := _unknown(view)) else []),
            Figure("Opérateurs concernés", len(view.first()), format_text("sur {n}", n=len(view.operators))),
            Figure("Acceptés", len(view.waived), "hors des comptes"),
        ]
    ).text


def missing(view: View) -> str:
    """Say which audits could not be made, and why; "" if all were."""
    names = [f"{prose(title_of_audit(name))} ({words})" for name, words in view.missing.items()]
    return format_text("Non vérifié, et donc inconnu : {what}.", what=listing(names)) if names else ""


def summary(counts: Mapping[str, int]) -> str:
    """Write counts by severity in words."""
    names = {s: (severity_name(s), severity_name(s, 2)) for s in counts}
    other = "{n:information ou indice|informations ou indices}"
    words = [format_text(other, n=n) if s == "info" else count(n, *names[s]) for s, n in counts.items() if n]
    return listing(words).capitalize() if words else gettext("Aucun constat")


def trend_html(points: Sequence[Point]) -> str:
    """Return the trend as HTML: what to look for, the lines, what they say."""
    seen = [point for point in points if not point.unknown]  # others would draw a fall that is none
    shown = (seen if len(seen) > 1 else points)[-POINTS:]
    left = len(points) - len(seen) if len(seen) > 1 else 0
    if len(shown) < 2:
        one = "L’évolution se lira ici à partir du deuxième passage : il y en a un pour l’instant."
        none = "L’évolution se lira ici à partir du deuxième passage : il n’y en a aucun pour l’instant."
        return f'<p class="none">{gettext(one if shown else none)}</p>'
    drawn = pd.DataFrame(
        [point.counts for point in shown],
        index=[pd.Timestamp(parse_instant(point.at)) for point in shown],
        columns=list(reversed(SEVERITIES)),
    )
    passed = "{n:passage} aux entrées en doute {n:~n’est pas dessiné|ne sont pas dessinés}."
    scale = gettext("Chaque ligne a sa propre échelle, qui part de 0.")
    caption = " ".join((_reading(drawn), *([format_text(passed, n=left)] if left else []), scale))
    lead = gettext("Une ligne qui monte : des constats s'ajoutent plus vite qu'ils ne se règlent.")
    return f"<p>{lead}</p>{lines(drawn, title='Constats par gravité', caption=caption).html()}"


def _reading(drawn: pd.DataFrame) -> str:
    """Say what moved between the first and the last of the runs."""
    first, last = drawn.iloc[0], drawn.iloc[-1]
    moved = [
        format_text("{what} de {a} à {z}", what=severity_name(s, 2), a=int(first[s]), z=int(last[s]))
        for s in drawn.columns
        if first[s] != last[s]
    ]
    return format_text(
        "En {n:passage}, du {a} au {z} : {what}.",
        n=len(drawn), a=day(drawn.index[0]), z=day(drawn.index[-1]),
        what=listing(moved) if moved else gettext("aucun nombre n'a changé"),
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
    frame = pd.DataFrame(told, columns=["at", *reversed(SEVERITIES), *names])
    html = table("evolution", "Constats par gravité à chaque passage", columns, rows)
    return Shown("evolution", html, values(frame), len(rows))
