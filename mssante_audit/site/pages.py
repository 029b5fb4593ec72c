"""The pages of the site: which there are, and what each says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mssante_audit.base.language import format_text, gettext, localized, typeset
from mssante_audit.findings.catalogue import SEVERITIES, Rule
from mssante_audit.findings.registry import audits, catalogue, title_of_audit
from mssante_audit.findings.trend import severity_counts
from mssante_audit.report.findings import foundation, incomplete, scope
from mssante_audit.report.first import answer, checks, counts, first_cause, question_asked
from mssante_audit.report.html import joined, prose
from mssante_audit.report.tables import badge, visible
from mssante_audit.site.answer import figures, inputs, missing, since, summary, trend_html, trend_shown
from mssante_audit.site.tables import (
    Shown,
    SiteLinks,
    audits_shown,
    causes_shown,
    domains_shown,
    findings_shown,
    gone_shown,
    grouped,
    moves_shown,
    operators_shown,
    rules_shown,
    waived_shown,
)
from mssante_audit.site.view import Operator, View


@dataclass(frozen=True, slots=True)
class SitePage:
    """One page of the site."""

    path: str
    title: str
    """Plain text; may come from the data."""
    kind: str
    """Name of its template."""
    here: str
    """The entry of the site's menu it belongs to."""
    tables: tuple[Shown, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)
    """What its template says beside the tables; texts of HTML are escaped already."""


def pages(view: View) -> Iterator[SitePage]:
    """Yield every page of the site."""
    yield _index(view)
    yield _follow_up(view)
    yield _all_findings(view)
    yield _all_operators(view)
    yield _all_rules(view)
    for audit in audits():
        yield _audit(view, audit)
    of_rule = _by(view.findings["rule"])
    waived = _by(view.waived["rule"])
    for rule in catalogue().values():
        yield _rule(view, rule, of_rule.get(rule.code, []), waived.get(rule.code, []))
    for operator in view.operators.values():
        yield _operator(view, operator)


def _by(column: pd.Series) -> dict[str, list[int]]:
    """Return the positions of each value of a column."""
    places: dict[str, list[int]] = {}
    for i, value in enumerate(column.tolist()):
        places.setdefault(value, []).append(i)
    return places


def _filled(*tables: Shown) -> tuple[Shown, ...]:
    return tuple(table for table in tables if table.values.rows)


def _index(view: View) -> SitePage:
    links = SiteLinks("", view)
    facts = {
        "lead": answer(view.domains),
        "since": since(view),
        "inputs": inputs(view),
        "counts": joined(counts(view.domains), first_cause(view.causes)),
        "checks": checks(view.domains, view.causes),
        "figures": figures(view),
        "trend": trend_html(view.points),
        "reports": view.reports,
        "missing": missing(view),
        "incomplete": incomplete(view.findings),
        "scope": scope(view.space, view.space.audited),
        "dossiers": any(operator.dossier for operator in view.operators.values()),
    }
    tables = (causes_shown(links), audits_shown(links), trend_shown(view.points))
    return SitePage("index.html", question_asked(view.domains), "index", "index", tables, facts)


def _follow_up(view: View) -> SitePage:
    links = SiteLinks("", view)
    new = findings_shown(
        links, sorted(view.new), name="nouveaux", caption="Constats que le passage précédent n’avait pas"
    )
    fixed = gone_shown(links, view.fixed)
    caption = "Constats que le passage précédent avait, et que celui-ci n’a pas pu chercher"
    lost = gone_shown(links, view.lost, name="inconnus", caption=caption)
    facts = {
        "lead": since(view),
        "first_run": view.follow_up is None,
        "open": len(view.findings) - len(view.new) - len(view.unknown),
        "unknown": len(view.unknown),
        "inputs": inputs(view),
    }
    tables = _filled(new, fixed, lost, waived_shown(links, range(len(view.waived))))
    return SitePage(
        "suivi.html", gettext("Nouveaux, réglés, inconnus, acceptés"), "follow_up", "suivi", tables, facts
    )


def _all_findings(view: View) -> SitePage:
    every, caption = range(len(view.findings)), "Tous les constats, les plus graves d’abord"
    shown = _filled(findings_shown(SiteLinks("", view), every, name="tous", caption=caption))
    facts = {"lead": f"{summary(severity_counts(view.findings))}. {missing(view)}"}
    return SitePage("constats.html", gettext("Tous les constats"), "list", "constats", shown, facts)


def _all_operators(view: View) -> SitePage:
    found = view.first()
    ordered = [*found, *(o for o in view.operators.values() if not o.todo)]
    shown = operators_shown(SiteLinks("", view), ordered)
    text = "{n:opérateur}, dont {k} avec au moins un constat à traiter."
    lead = format_text(text, n=len(ordered), k=len(found))
    return SitePage(
        "operateurs.html", gettext("Opérateurs"), "list", "operateurs", _filled(shown), {"lead": lead}
    )


def _all_rules(view: View) -> SitePage:
    fired = set(view.findings["rule"])
    rank = {severity: -i for i, severity in enumerate(SEVERITIES)}
    rules = sorted(catalogue().values(), key=lambda r: (r.code not in fired, rank[r.severity], r.code))
    caption = "Règles, celles qui ont des constats en tête"
    shown = rules_shown(SiteLinks("", view), rules, name="liste", caption=caption)
    lead = format_text("{n:règle}, dont {k} avec au moins un constat.", n=len(rules), k=len(fired))
    return SitePage("regles.html", gettext("Règles"), "list", "regles", (shown,), {"lead": lead})


def _audit(view: View, audit: str) -> SitePage:
    links = SiteLinks("../", view)
    rules = [r for r in catalogue().values() if r.audit == audit]
    positions = [i for i, whose in enumerate(view.findings["audit"]) if whose == audit]
    caption = "Constats de cet audit, les plus graves d’abord"
    shown = findings_shown(links, positions, name="constats", caption=caption)
    listed = rules_shown(links, rules, name="regles", caption="Règles de cet audit")
    blind, counted = view.missing.get(audit), f"{summary(severity_counts(view.findings.iloc[positions]))}."
    facts = {
        "lead": format_text("Non vérifié : {why}.", why=blind) if blind else counted,
        "reports": [report for report in view.reports if report.page.endswith(f"/{audit}.html")],
    }
    tables = (*_filled(shown), listed)
    return SitePage(f"audits/{audit}.html", title_of_audit(audit), "audit", "audits", tables, facts)


def _rule(view: View, rule: Rule, positions: Sequence[int], waived: Sequence[int]) -> SitePage:
    links = SiteLinks("../", view)
    title = localized(rule, "title")
    tables = []  # most rules find nothing: no frame is taken apart for them
    lead = gettext("Aucun constat.")
    if positions:
        caption = format_text("Constats : {what}", what=title)
        shown = findings_shown(
            links, positions, name="constats", caption=caption, without=("Gravité", "Constat")
        )
        tables.append(shown)
        text = "{n:constat}, {k:opérateur concerné|opérateurs concernés}."
        lead = format_text(
            text, n=len(positions), k=len({view.records[i]["operator_id"] for i in positions} - {""})
        )
    elif rule.audit in view.missing:
        lead = format_text("Non vérifié : {why}.", why=view.missing[rule.audit])
    facts = {
        "lead": lead,
        "badge": badge(rule.severity),
        "rule": rule,
        "why": prose(localized(rule, "why")),
        "remedy": prose(localized(rule, "remedy")),
        "foundation": foundation(rule),
        "audit": (rule.audit, title_of_audit(rule.audit)),
    }
    if waived:
        tables.append(waived_shown(links, waived))
    return SitePage(f"regles/{rule.code}.html", typeset(title), "rule", "regles", tuple(tables), facts)


def _operator(view: View, operator: Operator) -> SitePage:
    links = SiteLinks("../", view)
    first = {
        i: {"domain": domain.name, "operator_id": operator.id}
        for domain in reversed(operator.domains)
        for i in domain.findings
    }
    caption, without = "Constats, les plus graves d’abord", ("Opérateur",)
    shown = findings_shown(
        links, operator.findings, name="constats", caption=caption, without=without, own=first
    )
    listed = domains_shown(view, operator.domains)
    fixed = [f for f in view.fixed if f["operator_id"] == operator.id]
    rules = [catalogue()[code] for code in dict.fromkeys(view.records[i]["rule"] for i in operator.findings)]
    facts = {
        "lead": _operator_lead(operator),
        "operator": operator,
        "names": [visible(name) for name in operator.other_names],
        "remedies": [
            (
                badge(r.severity),
                prose(localized(r, "title")),
                links.rule(r.code),
                prose(localized(r, "remedy")),
            )
            for r in rules
        ],
        "groups": grouped(links, operator.domains),
    }
    tables = [*_filled(shown, listed)]  # most operators have no others: no frame is taken apart for them
    if operator.id in view.moves:
        tables.append(moves_shown(view.moves[operator.id]))
    if operator.waived:
        tables.append(waived_shown(links, operator.waived))
    if fixed:
        tables.append(gone_shown(links, fixed))
    return SitePage(operator.page, visible(operator.name), "operator", "operateurs", tuple(tables), facts)


def _operator_lead(operator: Operator) -> str:
    """Say how many findings an operator has, and on how many of its domains."""
    domains = len(operator.domains)
    if not operator.findings:
        return format_text("Aucun constat sur {n:domaine}.", n=domains)
    touched = sum(1 for domain in operator.domains if domain.findings)
    extent = format_text("{k} de ses {n:domaine}", k=touched, n=domains)
    if touched == domains:
        extent = (
            gettext("son seul domaine") if domains == 1 else format_text("tous ses {n:domaine}", n=domains)
        )
    unlisted = sum(1 for domain in operator.domains if not domain.rows)
    if unlisted and domains > 1:
        extent += format_text(" (dont {n:absent} de la liste)", n=unlisted)
    new = sum(operator.new.values())
    fresh = format_text(" {n:constat est nouveau|constats sont nouveaux}.", n=new) if new else ""
    text = format_text("{what}, sur {extent}.", what=summary(operator.counts), extent=extent)
    return text + fresh
