"""Findings for readers: counts by severity, tables, what their rules mean, what could not be checked."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from mssante_audit.base.errors import UnknownNameError
from mssante_audit.base.language import (
    count,
    current_language,
    day,
    format_text,
    gettext,
    listing,
    localized,
    number,
    severity_name,
    translated,
    typeset,
)
from mssante_audit.findings.catalogue import FAILED, SEVERITIES, Rule
from mssante_audit.findings.causes import actionable
from mssante_audit.findings.places import DNS, REGISTER, evidence
from mssante_audit.findings.registry import LIST, audits, catalogue, known_needs, rule
from mssante_audit.findings.trend import severity_counts
from mssante_audit.observe.kinds import kinds
from mssante_audit.report import figure
from mssante_audit.report.results import Limits, limited_to
from mssante_audit.report.tables import Cell, Html, badge, csv_link, data, prose, table, visible
from mssante_audit.space.states import aged
from mssante_audit.space.trust import TrustSpace

SOURCES = {
    "form": "formulaire « annexe 1 » du contrat opérateur",
    "data": "constaté dans les listes publiées",
    "ANS: second reference document": "référentiel n° 2 de l'ANS (clients de messagerie, v1.0, 2023)",
    "ANS": "nomenclatures de l'ANS",
    "RFC": "norme technique d'Internet",
    "good practice": "bonne pratique, et non une exigence de MSSanté",
    "none": "aucun texte, repère propre à ce rapport",
}
"""French names of `mssante_audit.findings.catalogue.SOURCES`, the longest that fits first."""

TO_DO = {
    "declarations": "Déposez declarations.csv, .xlsx ou .json dans le dossier de données.",
    "mailboxes": "Lancez « mssante-audit fetch --mailboxes », qui y dépose celle du jour.",
    "archive": "Gardez les listes par « mssante-audit fetch » ou « mssante-audit archive import ».",
}
"""What to do where one of `mssante_audit.findings.registry.known_needs` is not there; a kind of observation
says its own."""

BY_ARCHIVE = "Contacts que l’archive montre périmés"
"""The one family that needs more than its audit does."""

COLUMNS = ("Gravité", "Constat", "Domaines", "Opérateur", "Observé", "Lignes")
WAIVED_COLUMNS = ("Gravité", "Constat", "Domaines", "Opérateur", "Observé", "Motif", "Par", "Jusqu’au")


def family(name: str) -> dict[str, Rule]:
    """Return the rules of a family by their codes; of one audit, if several call a family the same.

    Raises
    ------
    UnknownNameError
        If the catalogue has no such family.
    """
    rules = {code: told for code, told in catalogue().items() if told.family == name}
    if not rules:
        families = dict.fromkeys(told.family for told in catalogue().values())
        raise UnknownNameError(f"no rule family {name!r}", remedy=f"There are: {'; '.join(families)}")
    first = next(iter(rules.values())).audit
    return {code: told for code, told in rules.items() if told.audit == first}


def lacks(space: TrustSpace, rules: Mapping[str, Rule]) -> list[str]:
    """Return what it takes beside the list to check any of these rules, and the space does not have."""
    known = audits()
    needs = {need for told in rules.values() if told.audit in known for need in known[told.audit].needs}
    needs |= {"archive" for told in rules.values() if told.family == BY_ARCHIVE}
    return [need for need in sorted(needs) if space.given(need) is None]


def unknown(what: Mapping[str, Sequence[str]]) -> str:
    """Say what could not be checked, what it lacks, and what to do; "" for nothing.

    Parameters
    ----------
    what
        Names of `mssante_audit.findings.registry.known_needs` that lack, by what they lack for.

    Examples
    --------
    >>> unknown({"Contacts": ["archive"]}).replace("\N{NBSP}", "_")[:67]
    'Non vérifié, et donc inconnu_: Contacts (aucune liste archivée). Ga'
    """
    if not what:
        return ""
    every = dict.fromkeys(need for needs in what.values() for need in needs)
    reasons: dict[tuple[str, ...], list[str]] = {}
    for name, needs in what.items():
        reasons.setdefault(tuple(needs), []).append(translated(name))
    words, remedies = known_needs(), TO_DO | {kind.need: kind.remedy for kind in kinds()}
    told = [
        f"{listing(names)} ({listing([words[need][current_language()] for need in needs])})"
        for needs, names in reasons.items()
    ]
    return format_text(
        "Non vérifié, et donc inconnu : {what}. {remedies}",
        what=listing(told), remedies=" ".join(gettext(remedies[need]) for need in every),
    )  # fmt: skip


def touched(findings: pd.DataFrame, entries: pd.DataFrame) -> int:
    """Return how many domains of `entries` findings touch: all of them, where one is about the whole list.

    A finding without rows (of a register, of the DNS) counts by the domain it names, if that is listed.
    """
    if (findings["domains"] == 0).any():
        return int(entries["domain"].nunique())
    rows = set().union(*findings["rows"])
    named = {domain for domain, own in zip(findings["domain"], findings["rows"], strict=True) if not own}
    return entries.loc[entries["row"].isin(rows) | entries["domain"].isin(named), "domain"].nunique()


def title_of(code: str) -> str:
    """Return the title of a rule, as `Series.map` and `Index.map` want it."""
    return typeset(localized(rule(code), "title"))


def remedy_of(code: str) -> str:
    """Return what to do about a rule's findings, as `Series.map` wants it."""
    return typeset(localized(rule(code), "remedy"))


def titles(findings: pd.DataFrame) -> str:
    """Return the titles of the rules that findings are of, each once, in their order."""
    return listing([title_of(code) for code in findings["rule"].unique()])


def severity_bars(findings: pd.DataFrame) -> Html:
    """Show the number of findings of each severity, worst first, with bars; hints among information."""
    counts, lines = severity_counts(findings), []
    hints = gettext(" et indices") if (findings["confidence"] == "hint").any() else ""
    for severity, value in counts.items():
        name = f"{number(value)} {severity_name(severity, value)}"
        bar = figure.track([(value, severity, name)], max(1, *counts.values()), beside=True)
        lines.append(
            f"<li><span>{badge(severity, value)}{hints if severity == 'info' else ''}</span>{bar}</li>"
        )
    said = gettext("Constats par gravité")
    return Html(f'<ul class="severities" aria-label="{said}">{"".join(lines)}</ul>')


def folded(html: str, findings: pd.DataFrame) -> str:
    """Return information and hints as HTML that a click unfolds, named by how many there are."""
    hints = int((findings["confidence"] == "hint").sum())
    words = [count(n, word) for n, word in ((len(findings) - hints, "information"), (hints, "indice")) if n]
    told = format_text("Replié : {what}", what=listing(words))
    return f'<details class="folded"><summary>{told}</summary>{html}</details>'


def findings_table(
    findings: pd.DataFrame,
    rules: Mapping[str, Rule] | None = None,
    *,
    lacking: Sequence[str] = (),
    name: str = "",
    caption: str = "",
    empty: str = "Aucun constat.",
    limit: int = 500,
) -> Html:
    """Show findings as a table that sorts and filters, all of them as CSV in the page itself.

    Information and hints are folded away below it, in a table of their own that a click shows.

    Parameters
    ----------
    findings
        As `mssante_audit.findings.frame` describes; masked already where they must be. Those of
        `mssante_audit.audits.waived` are shown with why, by whom and until when.
    rules
        Those that were looked for (`family`): what they mean and what to do then stand beside the table, and
        which of them found nothing. Findings of other rules are left out.
    lacking
        What it took to check these rules and was not there (`lacks`): nothing found is then unknown.
    name
        The table's `id`, and the name of the CSV file, if one matters; unique in its page.
    caption
        What the table holds, if not just how many or which family.
    empty
        What to say where there is none, and no rules are given.
    limit
        Rows shown at most, folded or not. Below it is said how many there are and where.
    """
    if rules is None:
        if findings.empty:
            return Html(f'<p class="none">{prose(visible(translated(empty)))}</p>')
        return _tables(findings, {}, name or "findings", caption or count(len(findings), "constat"), limit)
    own = findings[findings["rule"].isin(rules)]
    fired = set(own["rule"])
    silent = listing([prose(localized(told, "title")) for code, told in rules.items() if code not in fired])
    if own.empty:
        found = format_text("Aucun constat. Vérifié : {rules}.", rules=silent)
        return Html(f'<p class="none">{unknown({silent: lacking}) if lacking else found}</p>')
    first = next(iter(rules.values()))
    name = name or f"{re.sub('[^a-z0-9]+', '-', first.code.lower())}-table"
    without = "Sans constat, ou non évalué : {rules}." if FAILED in fired else "Sans constat : {rules}."
    rest = f'<p class="none">{format_text(without, rules=silent)}</p>' if silent else ""
    caption = caption or format_text("Constats : {what}", what=translated(first.family))
    return _tables(own, rules, name, caption, limit, rest)


def _tables(
    findings: pd.DataFrame, rules: Mapping[str, Rule], name: str, caption: str, limit: int, silent: str = ""
) -> Html:
    """Show findings, information and hints folded below; one CSV has all of them."""
    todo = actionable(findings)
    rest = findings[(findings["severity"] == "info") | (findings["confidence"] == "hint")]
    shown = pd.concat([todo.head(limit), rest.head(limit)])
    parts = [_part(todo, rules, name, caption, limit, silent) if len(todo) else silent]
    if len(rest):
        called = format_text("{caption} (informations et indices)", caption=translated(caption))
        parts.append(folded(_part(rest, rules, f"{name}-folded", called, limit), rest))
    return Html("".join(parts) + csv_link(findings, shown, name))


def findings_rows(findings: pd.DataFrame, name: str, limit: int) -> str:
    """Return the first findings as a table and nothing beside it."""
    return _part(findings, {}, name, count(len(findings), "constat"), limit)


def _part(
    findings: pd.DataFrame, rules: Mapping[str, Rule], name: str, caption: str, limit: int, silent: str = ""
) -> str:
    """Return what the rules of findings mean, the findings, and what to do about them."""
    waived = "reason" in findings
    rows = [_cells(found, waived=waived) for found in findings.head(limit).to_dict("records")]
    shown = table(name, caption, WAIVED_COLUMNS if waived else COLUMNS, rows)
    counts = findings["rule"].value_counts()
    fired = [told for code, told in rules.items() if code in counts.index]
    if not fired:
        return silent + shown
    told, remedies = "", ""
    for one in fired:
        title, why, remedy = (prose(localized(one, part)) for part in ("title", "why", "remedy"))
        told += (
            f"<dt>{title} {badge(one.severity)}</dt>"
            f"<dd>{why} <small>{count(int(counts[one.code]), 'constat')}. "
            f"{format_text('Fondement : {what}.', what=foundation(one))} {one.code}</small></dd>"
        )
        remedies += f"<li><strong>{title}.</strong> {remedy}</li>"
    todo = f'<h3>{gettext("Que faire")}</h3><ul class="remedies">{remedies}</ul>'
    return f'<dl class="rules">{told}</dl>{silent}{shown}{todo}'


def foundation(told: Rule) -> str:
    """Return what a rule is founded on."""
    kind = next(name for name in SOURCES if told.source.startswith(name))
    norms = listing(re.findall(r"RFC \d+", told.source))
    return gettext(SOURCES[kind]) + (f" ({norms})" if norms else "")


def where(finding: Mapping[Any, Any]) -> str:
    """Return where a finding stands, as readers are told: lines of an observation are replies of the DNS."""
    observed = any(place.source == DNS for place in finding["where"])
    return evidence(finding["where"], gettext("réponses")) if observed else str(finding["evidence"])


def _cells(finding: dict[Hashable, Any], *, waived: bool) -> tuple[Cell, ...]:
    domains, severity, code = finding["domains"], str(finding["severity"]), finding["rule"]
    others = f"<br>{format_text('et {n:autre}', n=domains - 1)}" if domains > 1 else ""
    domain = f"{data(finding['domain'])}{others}" if domains else gettext("toute la liste")
    expected = (
        f"<br><small>{gettext('attendu :')}</small> {data(finding['expected'])}"
        if finding["expected"]
        else ""
    )
    sources = {place.source for place in finding["where"]}
    # A register's rows with the file's name, or what earlier lists show.
    elsewhere = REGISTER in sources or bool(rule(code).evidence_fr)
    rows = "" if elsewhere else f" ({count(len(finding['rows']), 'ligne')})"
    stands = data(where(finding), 90 if elsewhere or DNS in sources else 24, rows)
    shown_code = f'<small class="code"><br>{code.replace("_", "_<wbr>")}</small>'
    operator = f"{data(finding['operator'])}<br><small>{data(finding['operator_id'])}</small>"
    last = (
        [Cell(data(finding[column])) for column in ("reason", "who", "until")]
        if waived
        else [Cell(stands, next(iter(finding["rows"]), 0))]
    )
    sure = f"<br><small>{gettext('indice')}</small>" if finding["confidence"] == "hint" else ""
    return (
        Cell(f"{badge(severity)}{sure}", SEVERITIES.index(severity)),
        Cell(f"{prose(localized(rule(code), 'title'))}{shown_code}"),
        Cell(domain, domains),
        Cell(operator if finding["operator_id"] else "", visible(finding["operator"])),
        Cell(f"{data(finding['observed'])}{expected}"),
        *last,
    )


def scope(space: TrustSpace, entries: pd.DataFrame) -> str:
    """Return what a report is about and what was set aside, as HTML."""
    aside = space.entries[space.entries["is_audit_entry"]]
    of = "d’une liste endommagée" if space.whitelist.damaged else "de la liste"
    tests = "{n:entrée} de test ({domains:domaine}) {n:~mise} de côté"
    return format_text(
        "Audit de {n:entrée} {of} ({read:ligne lue|lignes lues}) ; {tests}. Situation au {day}.",
        n=len(entries), of=gettext(of), read=len(space.entries), day=day(space.as_of),
        tests=format_text(tests, n=len(aside), domains=aside["domain"].nunique())
        if len(aside)
        else gettext("aucune entrée de test à mettre de côté"),
    )  # fmt: skip


def incomplete(findings: pd.DataFrame) -> str:
    """Return which parts of audits could not be evaluated, and why, as HTML; "" if all were."""
    failed = findings[findings["rule"] == FAILED]
    if failed.empty:
        return ""
    lines = "".join(f"<li>{data(text)}</li>" for text in failed["observed"])
    told = "Audit incomplet : ce qui suit n'a pas pu être évalué, et ce qu'il devait vérifier est inconnu."
    return f'<p class="limits">{gettext(told)}</p><ul class="limits">{lines}</ul>'


def opening(
    space: TrustSpace,
    entries: pd.DataFrame,
    findings: pd.DataFrame | None = None,
    chosen: Limits | None = None,
) -> Html:
    """Show what a report is about: whom it is limited to, if it is; what was set aside, or not evaluated.

    Parameters
    ----------
    entries
        Rows reported on.
    findings
        All that was found on them.
    chosen
        Whom it is limited to (`mssante_audit.report.results.limits`).
    """
    limits = ""
    if chosen is not None and chosen.places is not None and chosen.operator_id is None:
        limits = f'<p class="limits">{limited_to(chosen).html}</p>'
    elif len(entries) < len(space.audited):
        limits = gettext("Rapport limité à un opérateur qui n’a que des entrées de test.")
        if len(entries):
            operator, name = data(entries["operator_id"].iloc[0]), data(entries["operator"].iloc[0])
            text = "Rapport limité à l’opérateur <strong>{name}</strong> ({operator})."
            limits = format_text(text, name=name, operator=operator)
        limits = f'<p class="limits">{limits}</p>'
    unknown = "" if findings is None else incomplete(findings)
    return Html(f'{limits}{unknown}<p class="scope">{scope(space, entries)}{_in_doubt(space, findings)}</p>')


def _in_doubt(space: TrustSpace, findings: pd.DataFrame | None) -> str:
    """Return which inputs in doubt a report rests on, and how old they are, as HTML; "" if none is."""
    known = audits()
    named_in = known if findings is None else {name for name in findings["audit"] if name in known}
    rests = {LIST}.union(*(known[name].rests for name in named_in))
    told = [aged(one.name, one.age_days) for one in space.states if one.doubtful and one.name in rests]
    text = "En doute, donc à confirmer : {what}."
    return f" <strong>{format_text(text, what=listing(told))}</strong>" if told else ""
