"""The pages of the site: which there are, and what each says."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
from markupsafe import escape

from mssante_audit.base.groups import lacking
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import (
    counted,
    format_text,
    gettext,
    listing,
    localized,
    severity_name,
    typeset,
)
from mssante_audit.findings.catalogue import SEVERITIES, Rule
from mssante_audit.findings.registry import audits, catalogue, title_of_audit
from mssante_audit.findings.trend import TrendPoint, severity_counts
from mssante_audit.report import first
from mssante_audit.report.charts import lines
from mssante_audit.report.findings import foundation, incomplete, scope
from mssante_audit.report.html import Html, Prose, joined, macro, paragraph, prose, say
from mssante_audit.report.tables import badge, visible
from mssante_audit.site.tables import PageTable, Tables
from mssante_audit.site.view import Operator, View
from mssante_audit.space.states import aged, named, remedied, worded
from mssante_audit.whitelist.rows import grouped

POINTS = 90  # runs that the chart shows at most, the last ones: three months of nights


class SitePage(NamedTuple):
    """One page of the site."""

    path: str
    title: str  # plain text; may come from the data
    kind: str  # name of its template
    here: str  # the entry of the site's menu it belongs to
    texts: Mapping[str, Any]  # what its template says beside the tables; texts of HTML are escaped already
    tables: Sequence[PageTable] = ()


def pages(view: View) -> Iterator[SitePage]:
    """Yield every page of the site."""
    yield _index(view)
    yield _follow_up(view)
    yield from _lists(view)
    for audit in audits():
        yield _audit(view, audit)
    frames = (view.findings, view.waived)
    of_rule, waived = (grouped((code, at) for at, code in enumerate(frame["rule"])) for frame in frames)
    for rule in catalogue().values():
        yield _rule(view, rule, of_rule.get(rule.code, []), waived.get(rule.code, []))
    for operator in view.operators.values():
        yield _operator(view, operator)


def _filled(*tables: PageTable) -> list[PageTable]:
    return [table for table in tables if table.values.rows]


def _index(view: View) -> SitePage:
    domains, causes, at = view.domains, view.causes, Tables("", view)
    texts = {
        "lead": first.answer(domains),
        "since": _since(view),
        "inputs": _inputs(view),
        "counts": joined(first.counts(domains), first.first_cause(causes)),
        "checks": first.checks(domains, causes),
        "trend": _trend(view.points),
        "missing": _missing(view),
        "incomplete": incomplete(view.findings),
        "scope": scope(view.space, view.space.audited),
    }
    tables = at.causes(), at.audits(), at.runs()
    return SitePage("index.html", first.question_asked(domains), "index", "index", texts, tables)


def _follow_up(view: View) -> SitePage:
    at = Tables("", view)
    caption = "Constats que le passage précédent avait, et que celui-ci n’a pas pu chercher"
    tables = _filled(
        at.findings(sorted(view.new), "nouveaux", "Constats que le passage précédent n’avait pas"),
        at.earlier(view.fixed),
        at.earlier(view.lost, "inconnus", caption),
        at.waived(range(len(view.waived))),
    )
    texts, title = {"lead": _since(view), "inputs": _inputs(view)}, "Nouveaux, réglés, inconnus, acceptés"
    return SitePage("suivi.html", gettext(title), "follow_up", "suivi", texts, tables)


def _lists(view: View) -> Iterator[SitePage]:
    """Yield the pages of all findings, all operators and all rules."""
    at = Tables("", view)

    def page(name: str, title: str, lead: str, table: PageTable) -> SitePage:
        return SitePage(f"{name}.html", gettext(title), "list", name, {"lead": lead}, _filled(table))

    block = at.findings(range(len(view.findings)), "tous", "Tous les constats, les plus graves d’abord")
    yield page("constats", "Tous les constats", f"{_summary(view.counts)}. {_missing(view)}", block)
    with_todo = view.first()
    ordered = [*with_todo, *(o for o in view.operators.values() if not o.todo)]
    text = "{n:opérateur}, dont {k} avec au moins un constat à traiter."
    lead = format_text(text, n=len(ordered), k=len(with_todo))
    yield page("operateurs", "Opérateurs", lead, at.operators(ordered))
    fired = set(view.findings["rule"])
    graver = sorted(catalogue().values(), key=lambda r: (-SEVERITIES.index(r.severity), r.code))
    rules = sorted(graver, key=lambda rule: rule.code not in fired)
    lead = format_text("{n:règle}, dont {k} avec au moins un constat.", n=len(rules), k=len(fired))
    listed = at.rules(rules, "liste", "Règles, celles qui ont des constats en tête")
    yield page("regles", "Règles", lead, listed)


def _audit(view: View, audit: str) -> SitePage:
    at = Tables("../", view)
    positions = [i for i, name in enumerate(view.findings["audit"]) if name == audit]
    block = at.findings(positions, "constats", "Constats de cet audit, les plus graves d’abord")
    rules = [rule for rule in catalogue().values() if rule.audit == audit]
    counted = f"{_summary(severity_counts(view.findings.iloc[positions]))}."
    reports = [report for report in view.reports if report["page"].endswith(f"/{audit}.html")]
    texts = {"lead": _unchecked(view, audit) or counted, "reports": reports}
    tables = *_filled(block), at.rules(rules, "regles", "Règles de cet audit")
    return SitePage(f"audits/{audit}.html", title_of_audit(audit), "audit", "audits", texts, tables)


def _unchecked(view: View, audit: str) -> str:
    """Say why an audit could not be made; "" if it could."""
    reason = view.missing.get(audit)
    return format_text("Non vérifié : {why}.", why=reason) if reason else ""


def _rule(view: View, rule: Rule, positions: Sequence[int], waived: Sequence[int]) -> SitePage:
    at, title, tables = Tables("../", view), localized(rule, "title"), list[PageTable]()
    nothing = "Sans constat, ou non évalué." if rule.code in view.unevaluated else "Aucun constat."
    lead = _unchecked(view, rule.audit) or gettext(nothing)
    if positions:  # most rules find nothing: no frame is taken apart for them
        caption = format_text("Constats : {what}", what=title)
        tables.append(at.findings(positions, "constats", caption, ("Gravité", "Constat")))
        operator_ids = {view.records[i]["operator_id"] for i in positions} - {""}
        text = "{n:constat}, {k:opérateur concerné|opérateurs concernés}."
        lead = format_text(text, n=len(positions), k=len(operator_ids))
    if waived:
        tables.append(at.waived(waived))
    texts = {
        "lead": lead,
        "badge": badge(rule.severity),
        "rule": rule,
        "foundation": foundation(rule),
        "audit": (rule.audit, title_of_audit(rule.audit)),
        **{part: prose(localized(rule, part)) for part in ("why", "remedy")},
    }
    return SitePage(f"regles/{rule.code}.html", typeset(title), "rule", "regles", texts, tables)


def _operator(view: View, operator: Operator) -> SitePage:
    at, domains = Tables("../", view), operator.domains
    pairs = ((i, domain.name) for domain in reversed(domains) for i in domain.findings)
    names = {i: {"domain": name, "operator_id": operator.id} for i, name in pairs}
    caption, without = "Constats, les plus graves d’abord", ("Opérateur",)
    block = at.findings(operator.findings, "constats", caption, without, names)
    tables = _filled(block, at.domains(domains))
    if operator.id in view.moves:  # most operators have none of these: no frame is taken apart for them
        tables.append(at.moves(view.moves[operator.id]))
    if operator.waived:
        tables.append(at.waived(operator.waived))
    if fixed := [f for f in view.fixed if f["operator_id"] == operator.id]:
        tables.append(at.earlier(fixed))
    rules = [catalogue()[code] for code in dict.fromkeys(view.records[i]["rule"] for i in operator.findings)]
    remedies = [
        (badge(r.severity), prose(localized(r, "title")), at.rule(r.code), prose(localized(r, "remedy")))
        for r in rules
    ]
    texts = {"lead": _operator_lead(operator), "operator": operator, "remedies": remedies}
    texts["groups"] = list(at.grouped(domains))
    return SitePage(operator.page, visible(operator.name), "operator", "operateurs", texts, tables)


# -- sentences ----------------------------------------------------------------------------------------------


def _operator_lead(operator: Operator) -> str:
    """Say how many findings an operator has, and on how many of its domains."""
    domains = len(operator.domains)
    if not operator.findings:
        return format_text("Aucun constat sur {n:domaine}.", n=domains)
    touched = sum(bool(domain.findings) for domain in operator.domains)
    on_part, on_all = "{k} de ses {n:domaine}", "son seul domaine" if domains == 1 else "tous ses {n:domaine}"
    extent = format_text(on_all if touched == domains else on_part, k=touched, n=domains)
    unlisted = sum(not domain.rows for domain in operator.domains)
    if unlisted and domains > 1:
        extent += format_text(" (dont {n:absent} de la liste)", n=unlisted)
    text = " {n:constat à traiter est nouveau|constats à traiter sont nouveaux}."
    fresh = format_text(text, n=new) if (new := sum(operator.new.values())) else ""
    return format_text("{what}, sur {extent}.", what=_summary(operator.counts), extent=extent) + fresh


def _summary(counts: Mapping[str, int]) -> str:
    """Write counts by severity in words."""
    other = "{n:information ou indice|informations ou indices}"
    words = [format_text(other, n=n) if s == "info" else _counted(n, s) for s, n in counts.items() if n]
    return listing(words).capitalize() if words else gettext("Aucun constat")


def _counted(n: int, severity: str) -> str:
    return counted(n, severity_name(severity), severity_name(severity, 2))


def _missing(view: View) -> str:
    """Say which audits could not be made, and why; "" if all were."""
    names = [f"{title_of_audit(name)} ({words})" for name, words in view.missing.items()]
    return format_text("Non vérifié, et donc inconnu : {what}.", what=names) if names else ""


def _since(view: View) -> Prose:
    """Say what is new and fixed since the run before, of what asks for something."""
    if view.follow_up is None:
        return say("Premier passage : rien à quoi comparer.")
    new, fixed, unknown = view.findings.iloc[sorted(view.fresh)], len(view.settled), view.in_doubt
    counts = severity_counts(new)
    grave = [_counted(counts[name], name) for name in ("critical", "error") if counts[name]]
    many = say("{n:nouveau constat|nouveaux constats}", n=len(new))
    return say(
        "Depuis le {day} : **{new}{worst}**, {fixed}{lost}, hors informations et indices.",
        day=parse_instant(view.follow_up.previous),
        new=many if len(new) else say("aucun nouveau constat"),
        worst=say(" (dont {worst})", worst=escape(listing(grave))) if grave else "",
        fixed=say("{n:réglé}", n=fixed) if fixed else say("aucun réglé"),
        lost=say(", {unknown:inconnu}", unknown=unknown) if unknown else "",
    )


def _inputs(view: View) -> Html:
    """Say which inputs are in doubt, why, and what to do; or that all of them are well."""
    states = view.space.states
    doubtful = [(s.tolerated, named(s.name), worded(s), remedied(s)) for s in states if s.state != "ok"]
    well = [aged(state.name, state.age_days) for state in states if state.state == "ok"]
    fine = say("Entrées en ordre : {names}.", names=escape(listing(well))) if well else ""
    return macro("site.inputs", doubtful, any(state.doubtful for state in states), fine)


def _trend(points: Sequence[TrendPoint]) -> Html:
    """Return the trend: what to look for, the lines, what they say."""
    certain = [point for point in points if not point.unknown]  # others would draw a fall that is none
    drawable = certain if len(certain) > 1 else list(points)
    recent, undrawn = drawable[-POINTS:], len(points) - len(drawable)
    if len(recent) < 2:
        single = "L’évolution se lira ici à partir du deuxième passage : il y en a un pour l’instant."
        none = "L’évolution se lira ici à partir du deuxième passage : il n’y en a aucun pour l’instant."
        return paragraph("none", say(single) if recent else say(none))
    times = [pd.Timestamp(parse_instant(point.at)) for point in recent]
    drawn = pd.DataFrame([point.counts for point in recent], times, list(reversed(SEVERITIES)))
    moved = [
        format_text("{what} de {a} à {z}", what=severity_name(name, 2), a=int(a), z=int(z))
        for name, a, z in zip(drawn.columns, drawn.iloc[0], drawn.iloc[-1], strict=True)
        if a != z
    ]
    none = gettext("aucun nombre n'a changé")
    between = {"n": len(drawn), "a": times[0], "z": times[-1]}
    passed = "{n:passage} aux entrées en doute {n:~n’est pas dessiné|ne sont pas dessinés}."
    caption = (
        format_text("En {n:passage}, du {a} au {z} : {what}.", **between, what=moved or none),
        format_text(passed, n=undrawn) if undrawn else "",
        gettext("Chaque ligne a sa propre échelle, qui part de 0."),
    )
    if lacking("report"):  # a night of the core alone draws no chart
        return paragraph("reading", *caption[:2])
    chart = lines(drawn, title="Constats par gravité", caption=" ".join(filter(None, caption)))
    lead = say("Une ligne qui monte : des constats s'ajoutent plus vite qu'ils ne se règlent.")
    return joined(paragraph("reading", lead), chart.html())
