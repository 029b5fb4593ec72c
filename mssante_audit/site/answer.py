"""The first screen of the site: how grave things are, what is new, whom to look at first."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from mssante_audit.base.french import count, day, listing, number, severity_name, typeset
from mssante_audit.base.instants import parse_instant
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.registry import catalogue, title_of_audit
from mssante_audit.findings.trend import severity_counts
from mssante_audit.report.tables import Figure, badge, data, key_figures, prose
from mssante_audit.site.tables import Links
from mssante_audit.site.view import Operator, View


def answer(view: View) -> str:
    """Return how grave things are and what is new, as HTML."""
    counts = severity_counts(view.findings)
    critical = counts["critical"]
    named = count(critical, "constat critique", "constats critiques") if critical else ""
    graves = f"<strong>{named or 'Aucun constat critique'}</strong>, {count(counts['error'], 'erreur')}."
    whole = view.findings[(view.findings["domains"] == 0) & (view.findings["severity"] >= "error")]
    whole = whole[whole["rule"] != FAILED]
    if len(whole):
        links = Links("", view)
        titles = listing([links.rule(catalogue()[code]) for code in whole["rule"].unique()])
        graves = f"Défaut de la liste elle-même : {titles}. {graves}"
    return typeset(f"{graves} {since(view)}")


def since(view: View) -> str:
    """Say what is new and fixed since the run before."""
    if view.told is None:
        return "Premier passage : rien à quoi comparer."
    new = view.findings.iloc[sorted(view.new)]
    grave = [
        count(n, severity_name(severity), severity_name(severity, 2))
        for severity, n in severity_counts(new).items()
        if n and severity in ("critical", "error")
    ]
    words = count(len(new), "nouveau constat", "nouveaux constats") if len(new) else "aucun nouveau constat"
    words += f" (dont {listing(grave)})" if grave else ""
    fixed = count(len(view.told.fixed), "réglé") if view.told.fixed else "aucun réglé"
    return f"Depuis le {day(parse_instant(view.told.previous))} : <strong>{words}</strong>, {fixed}."


def figures(view: View) -> str:
    """Return the key figures of the run, as HTML."""
    counts, told = severity_counts(view.findings), view.told
    concerned = sum(1 for operator in view.operators.values() if operator.findings)
    return key_figures(
        [
            Figure("Critiques", number(counts["critical"])),
            Figure("Erreurs", number(counts["error"])),
            Figure("Nouveaux", number(len(view.new)) if told else "–", "" if told else "premier passage"),
            Figure("Réglés", number(len(told.fixed)) if told else "–", "" if told else "premier passage"),
            Figure("Opérateurs concernés", number(concerned), f"sur {number(len(view.operators))}"),
            Figure("Acceptés", number(len(view.waived)), "hors des comptes"),
        ]
    ).text


def first_line(links: Links, operator: Operator) -> str:
    """Return one of those to look at first, as HTML: who, how grave, what, what is new."""
    rules = links.view.findings["rule"].iloc[list(operator.findings)]
    name = f'<a href="{operator.page}">{data(operator.name)}</a>'
    badges = " ".join(badge(s, n) for s, n in operator.counts.items() if n and s in ("critical", "error"))
    new = sum(operator.new.values())
    parts = [
        links.rule(catalogue()[rules.iloc[0]]),
        f"<strong>{count(new, 'nouveau', 'nouveaux')}</strong>" if new else "",
        f'<a href="{quote(operator.dossier)}">dossier</a>' if operator.dossier else "",
    ]
    return f"{name} {badges}<br><small>{' – '.join(filter(None, parts))}</small>"


def missing(view: View) -> str:
    """Say which audits could not be made, and why; "" if all were."""
    names = [f"{prose(title_of_audit(name))} ({words})" for name, words in view.missing.items()]
    return typeset(f"Non vérifié, et donc inconnu : {listing(names)}.") if names else ""


def summary(counts: Mapping[str, int]) -> str:
    """Write counts by severity in words."""
    words = [count(n, *(severity_name(s, k) for k in (1, 2))) for s, n in counts.items() if n]
    return listing(words).capitalize() if words else "Aucun constat"
