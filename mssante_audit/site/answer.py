"""What the first screen of the site says beside states and causes: inputs, what is new, and figures."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from mssante_audit.base.french import count, day, listing, number, severity_name, typeset
from mssante_audit.base.instants import parse_instant
from mssante_audit.findings.causes import asking
from mssante_audit.findings.registry import title_of_audit
from mssante_audit.findings.trend import severity_counts
from mssante_audit.report.tables import Figure, key_figures, prose
from mssante_audit.site.view import View
from mssante_audit.space.states import named, remedied, worded


def since(view: View) -> str:
    """Say what is new and fixed since the run before, of what asks for something."""
    if view.told is None:
        return "Premier passage : rien à quoi comparer."
    new, fixed = view.findings.iloc[sorted(view.new & view.todo)], view.settled
    grave = [
        count(n, severity_name(severity), severity_name(severity, 2))
        for severity, n in severity_counts(new).items()
        if n and severity in ("critical", "error")
    ]
    words = count(len(new), "nouveau constat", "nouveaux constats") if len(new) else "aucun nouveau constat"
    words += f" (dont {listing(grave)})" if grave else ""
    settled = count(len(fixed), "réglé") if fixed else "aucun réglé"
    date = day(parse_instant(view.told.previous))
    unknown = _unknown(view)
    lost = f", {count(unknown, 'inconnu')}" if unknown else ""
    return f"Depuis le {date} : <strong>{words}</strong>, {settled}{lost}, hors informations et indices."


def _unknown(view: View) -> int:
    """Return how many findings that ask for something are unknown, of this run or the one before."""
    return len(view.unknown & view.todo) + sum(asking(f["rule"]) for f in view.lost)


def inputs(view: View) -> str:
    """Say which inputs are in doubt, why, and what to do; or that all of them are well."""
    states = view.space.states
    doubtful = [one for one in states if one.state != "ok"]
    told = "".join(
        f"<p><strong>{'Toléré' if one.tolerated else 'Inconnu'}</strong>, {named(one.name)} : "
        f"{escape(worded(one), quote=False)}. {escape(remedied(one), quote=False)}</p>"
        for one in doubtful
    )
    if any(one.doubtful for one in doubtful):
        told += "<p>Ce qui repose sur ces entrées n'est ni nouveau ni réglé : on n'en sait rien.</p>"
    if told:
        told = f'<div class="notice warning" role="note">{told}</div>'
    well = [
        named(one.name) + (f" ({count(one.age_days, 'jour')})" if one.age_days is not None else "")
        for one in states
        if one.state == "ok"
    ]
    return typeset(told + (f'<p class="limits">Entrées en ordre : {listing(well)}.</p>' if well else ""))


def figures(view: View) -> str:
    """Return the key figures of the run, as HTML."""
    counts, told = severity_counts(view.findings), view.told
    concerned, new = len(view.first()), len(view.new & view.todo)
    return key_figures(
        [
            Figure("Constats critiques", number(counts["critical"])),
            Figure("Erreurs", number(counts["error"])),
            Figure("Nouveaux", number(new) if told else "–", "" if told else "premier passage"),
            Figure("Réglés", number(len(view.settled)) if told else "–", "" if told else "premier passage"),
            *([Figure("Inconnus", number(unknown))] if (unknown := _unknown(view)) else []),
            Figure("Opérateurs concernés", number(concerned), f"sur {number(len(view.operators))}"),
            Figure("Acceptés", number(len(view.waived)), "hors des comptes"),
        ]
    ).text


def missing(view: View) -> str:
    """Say which audits could not be made, and why; "" if all were."""
    names = [f"{prose(title_of_audit(name))} ({words})" for name, words in view.missing.items()]
    return typeset(f"Non vérifié, et donc inconnu : {listing(names)}.") if names else ""


def summary(counts: Mapping[str, int]) -> str:
    """Write counts by severity in words."""
    names = {s: (severity_name(s), severity_name(s, 2)) for s in counts}
    names["info"] = ("information ou indice", "informations ou indices")
    words = [count(n, *names[s]) for s, n in counts.items() if n]
    return listing(words).capitalize() if words else "Aucun constat"
