"""What the reports say in words: the answer of the first screen, sections by rule family, what to fix first.

Everything is computed from frames; the prose about rules comes from the catalogue. The language is French.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

import pandas as pd

from mssante_audit.base.errors import UnknownNameError
from mssante_audit.base.french import NBSP, count, day, listing, number, percent, typeset
from mssante_audit.findings.catalogue import Rule
from mssante_audit.findings.registry import NEEDS, audits, catalogue, rule
from mssante_audit.report.tables import (
    Cell,
    Figure,
    Html,
    badge,
    data,
    findings_table,
    key_figures,
    prose,
    severity_bars,
    table,
)
from mssante_audit.space.trust import TrustSpace

SIGNATURES = {
    "valid": "valide",
    "valid-untrusted": "non reconnue",
    "invalid": "invalide",
    "absent": "absente",
}
"""French names of the verdicts of `mssante_audit.whitelist.signature`, short."""

SOURCES = {
    "form": "formulaire « annexe 1 » du contrat opérateur",
    "data": "constaté dans les listes publiées",
    "ANS": "nomenclatures de l'ANS",
    "RFC": "norme technique d'Internet",
    "good practice": "bonne pratique, et non une exigence de MSSanté",
    "none": "aucun texte, repère propre à ce rapport",
}
"""French names of `mssante_audit.findings.catalogue.SOURCES`."""

TO_DO = {
    "declarations": "Déposez declarations.csv, .xlsx ou .json dans le dossier de données.",
    "observation": "Lancez « mssante-audit observe », qui en dépose une dans observations/.",
    "mailboxes": "Lancez « mssante-audit fetch --mailboxes », qui y dépose celle du jour.",
    "archive": "Gardez les listes par « mssante-audit fetch » ou « mssante-audit archive import ».",
}
"""What to do where one of `mssante_audit.findings.registry.NEEDS` is not there."""

BY_ARCHIVE = "Contacts que l’archive montre périmés"
"""The one family that needs more than its audit does."""


def operator_entries(space: TrustSpace, operator_id: str | None) -> pd.DataFrame:
    """Return the rows a report is about: the audited ones, of one operator only if one is given."""
    entries = space.audited
    return entries if operator_id is None else entries[entries["operator_id"] == operator_id]


def overview(space: TrustSpace, entries: pd.DataFrame, findings: pd.DataFrame) -> Html:
    """Return the first screen of the overview: what matters most, key figures, findings by severity.

    Parameters
    ----------
    space
        The trust space.
    entries
        The rows the report is about.
    findings
        Those of all audits on these rows.
    """
    spellings, certificates = entries["dn"].nunique(), entries["dn_key"].nunique()
    known = entries["department"] != ""
    figures = [
        Figure("Domaines", number(entries["domain"].nunique()), count(len(entries), "entrée")),
        Figure("Opérateurs", number(entries["operator_id"].nunique())),
        Figure(
            "Certificats",
            number(certificates),
            f"sous {count(spellings, 'écriture')}" if spellings != certificates else "",
        ),
        Figure(
            "Départements", number(entries.loc[known, "department"].nunique()), "où siègent les opérateurs"
        ),
        _signature_figure(space),
        _age_figure(space),
    ]
    return _first_screen(space, entries, findings, figures, unchecked(space))


def answer(space: TrustSpace, entries: pd.DataFrame, findings: pd.DataFrame) -> Html:
    """Return the first screen of an audit's report: what matters most, its extent, findings by severity.

    Parameters
    ----------
    space
        The trust space.
    entries
        The rows the report is about.
    findings
        The audit's findings on these rows.
    """
    touched, domains = _touched(findings, entries), entries["domain"].nunique()
    rules = findings["rule"].nunique()
    operators = findings.loc[findings["operator_id"] != "", "operator_id"].nunique()
    figures = [
        Figure("Constats", number(len(findings)), f"de {count(rules, 'règle')}" if rules else ""),
        Figure("Domaines touchés", number(touched), f"{percent(touched, domains)} de {number(domains)}"),
        Figure("Opérateurs concernés", number(operators), f"sur {number(entries['operator_id'].nunique())}"),
    ]
    return _first_screen(space, entries, findings, figures)


def _first_screen(
    space: TrustSpace,
    entries: pd.DataFrame,
    findings: pd.DataFrame,
    figures: Sequence[Figure],
    missing: str = "",
) -> Html:
    first = lead(findings, entries)
    if missing and findings.empty:
        first = "Aucun constat dans ce qui a pu être vérifié."
    aside = f'<p class="limits">{typeset(missing)}</p>' if missing else ""
    return Html(
        f'<div class="answer">{_limits(space, entries)}<p class="lead">{typeset(first)}</p>{aside}'
        f"{key_figures(figures).text}{severity_bars(findings).text}"
        f'<p class="scope">{scope(space, entries)}</p></div>'
    )


def _limits(space: TrustSpace, entries: pd.DataFrame) -> str:
    """Return the note that a report is about one operator only, if so."""
    if len(entries) == len(space.audited):
        return ""
    if entries.empty:
        return '<p class="limits">Rapport limité à un opérateur qui n’a que des entrées de test.</p>'
    operator, name = data(entries["operator_id"].iloc[0]), data(entries["operator"].iloc[0])
    return f'<p class="limits">Rapport limité à l’opérateur <strong>{name}</strong> ({operator}).</p>'


def lead(findings: pd.DataFrame, entries: pd.DataFrame) -> str:
    """Return what matters most, as HTML, and before it whether the list itself is at fault."""
    if findings.empty:
        return "Aucun constat : rien à corriger d'après les règles de cet audit."
    whole = findings[(findings["domains"] == 0) & (findings["severity"] >= "error")]
    if whole.empty:
        return _lead_of_rows(findings, entries)
    titles = listing([f"<strong>{escape(rule(code).title_fr)}</strong>" for code in whole["rule"].unique()])
    own = findings[findings["domains"] > 0]
    rest = "Aucun constat sur ses lignes." if own.empty else _lead_of_rows(own, entries)
    return f"Défaut de la liste : {titles}. {rest}"


def _lead_of_rows(findings: pd.DataFrame, entries: pd.DataFrame) -> str:
    grave = findings[findings["severity"] >= "error"]
    if grave.empty:
        head = f"Ni défaut critique ni erreur ; {count(len(findings), 'constat')} de moindre gravité"
    else:
        touched, domains = _touched(grave, entries), entries["domain"].nunique()
        share = f"{count(touched, 'domaine')} sur {number(domains)} ({percent(touched, domains)})"
        verb = "est touché" if touched < 2 else "sont touchés"
        head = f"{share} {verb} par une erreur ou un défaut critique"
    worst = findings.iloc[0]
    same = findings[findings["rule"] == worst["rule"]]
    extent = count(max(_touched(same, entries), int(worst["domains"])), "domaine")
    return (
        f"{head} ; le plus grave : <strong>{escape(rule(worst['rule']).title_fr)}</strong>, "
        f"{count(len(same), 'constat')}, {extent}."
    )


def scope(space: TrustSpace, entries: pd.DataFrame) -> str:
    """Return what the report is about and what was set aside, as HTML."""
    aside = space.entries[space.entries["is_audit_entry"]]
    of = "d’une liste endommagée" if space.whitelist.damaged else "de la liste"
    head = f"{count(len(entries), 'entrée')} {of} ({count(len(space.entries), 'ligne lue', 'lignes lues')})"
    tests = "aucune entrée de test à mettre de côté"
    if len(aside):
        domains = count(aside["domain"].nunique(), "domaine")
        verb = "mise" if len(aside) < 2 else "mises"
        tests = f"{count(len(aside), 'entrée')} de test ({domains}) {verb} de côté"
    return f"Audit de {head}{NBSP}; {tests}. Situation au {day(space.as_of)}."


def _touched(findings: pd.DataFrame, entries: pd.DataFrame) -> int:
    """Return how many domains of `entries` findings touch: all of them, where one is about the whole list.

    A finding without rows (of a register, of the DNS) counts by the domain it names, if that is listed.
    """
    if (findings["domains"] == 0).any():
        return int(entries["domain"].nunique())
    rows = set().union(*findings["rows"])
    named = {domain for domain, own in zip(findings["domain"], findings["rows"], strict=True) if not own}
    return entries.loc[entries["row"].isin(rows) | entries["domain"].isin(named), "domain"].nunique()


def _signature_figure(space: TrustSpace) -> Figure:
    verdict = space.whitelist.signature
    if verdict.status != "valid":
        return Figure("Signature", SIGNATURES[verdict.status])
    expired = verdict.not_after is not None and verdict.not_after < space.as_of
    return Figure("Signature", "valide", "certificat du signataire expiré depuis" if expired else "")


def _age_figure(space: TrustSpace) -> Figure:
    made = space.whitelist.generated_at
    if made is None:
        return Figure("Âge de la liste", "inconnu", "date de génération illisible")
    days = (space.as_of - made).days
    return Figure("Âge de la liste", count(days, "jour") if days >= 0 else "à venir", f"du {day(made)}")


def section(space: TrustSpace, findings: pd.DataFrame, family: str, *, limit: int) -> Html:
    """Return the section of a rule family: its rules and why they matter, the findings, what to do.

    A family without a finding takes one line; so does one that could not be checked, which says what it
    lacks and what to do. The heading stands in the notebook.

    Parameters
    ----------
    space
        What was audited.
    findings
        The report's findings, of any family.
    family
        As the catalogue writes it.
    limit
        Rows shown at most.

    Raises
    ------
    UnknownNameError
        If the catalogue has no such family.
    """
    rules = [r for r in catalogue().values() if r.family == family]
    if not rules:
        families = dict.fromkeys(r.family for r in catalogue().values())
        raise UnknownNameError(f"no rule family {family!r}", remedy=f"There are: {'; '.join(families)}")
    own = findings[findings["rule"].isin([r.code for r in rules])]
    fired = [r for r in rules if (own["rule"] == r.code).any()]
    silent = listing([prose(r.title_fr) for r in rules if r not in fired])
    lacking = [need for need in _needs(rules) if getattr(space, need) is None]
    if lacking and not fired:
        told = f"Non vérifié, et donc inconnu : {silent} ({_reasons(lacking)}). {to_do(lacking)}"
        return Html(f'<p class="none">{typeset(told)}</p>')
    if not fired:
        return Html(f'<p class="none">{typeset(f"Aucun constat. Vérifié : {silent}.")}</p>')
    counts = own["rule"].value_counts()
    told = "".join(_rule_html(r, int(counts[r.code])) for r in fired)
    rest = f'<p class="none">{typeset(f"Sans constat : {silent}.")}</p>' if silent else ""
    remedies = "".join(_remedy_html(r) for r in fired)
    name = re.sub(r"[^a-z0-9]+", "-", " ".join(r.code for r in rules[:1]).lower())
    shown = findings_table(own, name=f"{name}-table", caption=f"Constats : {family}", limit=limit)
    todo = f'<h3>Que faire</h3><ul class="remedies">{remedies}</ul>'
    return Html(f'<dl class="rules">{told}</dl>{rest}{shown.text}{todo}')


def _needs(rules: Sequence[Rule]) -> list[str]:
    """Return what it takes beside the list to check any rule of a family."""
    known = audits()
    needs = {need for told in rules if told.audit in known for need in known[told.audit].needs}
    return sorted(needs | ({"archive"} if rules[0].family == BY_ARCHIVE else set()))


def _reasons(lacking: Iterable[str]) -> str:
    return listing([NEEDS[need]["fr"] for need in lacking])


def to_do(lacking: Iterable[str]) -> str:
    """Return what to do so that what could not be checked can be, in French."""
    return " ".join(TO_DO[need] for need in lacking)


def unchecked(space: TrustSpace) -> str:
    """Return which audits could not be made, why, and what to do, in French; "" if all were."""
    lacking = [(told.titled(), needs) for told in audits().values() if (needs := told.lacking(space))]
    if not lacking:
        return ""
    names = listing([f"{title} ({_reasons(needs)})" for title, needs in lacking])
    every = dict.fromkeys(need for _, needs in lacking for need in needs)
    return f"Non vérifié, et donc inconnu : {names}. {to_do(every)}"


def _rule_html(told: Rule, findings: int) -> str:
    return (
        f"<dt>{prose(told.title_fr)} {badge(told.severity)}</dt>"
        f"<dd>{prose(told.why_fr)} <small>{count(findings, 'constat')}. "
        f"{typeset(f'Fondement : {foundation(told)}.')} {told.code}</small></dd>"
    )


def foundation(told: Rule) -> str:
    """Return what a rule is founded on, in French."""
    kind = next(name for name in SOURCES if told.source.startswith(name))
    norms = listing(re.findall(r"RFC \d+", told.source))
    return SOURCES[kind] + (f" ({norms})" if norms else "")


def _remedy_html(told: Rule) -> str:
    return f"<li><strong>{prose(told.title_fr)}.</strong> {prose(told.remedy_fr)}</li>"


def fix_first(findings: pd.DataFrame, entries: pd.DataFrame, top: int = 10) -> Html:
    """Return the `top` findings to fix first, by how many domains they touch; mere information is left out.

    A finding about the list as a whole touches all its domains.

    Parameters
    ----------
    findings
        Of all audits.
    entries
        The rows the report is about.
    top
        How many.
    """
    whole = entries["domain"].nunique()
    todo = findings[findings["severity"] > "info"]
    domain = dict(zip(entries["row"].tolist(), entries["domain"].tolist(), strict=True))
    extents = [
        len({domain[row] for row in rows if row in domain}) or named or whole
        for rows, named in zip(todo["rows"], todo["domains"], strict=True)
    ]
    todo = todo.assign(extent=pd.Series(extents, index=todo.index, dtype="int64"))
    todo = todo.sort_values(["extent", "severity"], ascending=False, kind="stable").head(top)
    if todo.empty:
        return Html('<p class="none">Rien à corriger.</p>')
    rows = [
        (
            Cell(number(position), position),
            Cell(badge(str(f["severity"]))),
            Cell(f"{prose(rule(f['rule']).title_fr)}<br><small>{data(f['observed'], 120, '')}</small>"),
            Cell(f"{number(f['extent'])} ({percent(f['extent'], whole)})", f["extent"]),
            Cell(data(f["operator"])),
            Cell(prose(rule(f["rule"]).remedy_fr)),
        )
        for position, f in enumerate(todo.to_dict("records"), 1)
    ]
    columns = ("Rang", "Gravité", "Constat", "Domaines", "Opérateur", "Que faire")
    return Html(
        table("fix-first", f"Les {len(rows)} corrections qui touchent le plus de domaines", columns, rows)
    )


def stamp_warning(entries: pd.DataFrame, space: TrustSpace) -> Html:
    """Return why `DateMAJ` is a weak sign, with what in this list shows it."""
    made = space.whitelist.generated_at
    after = int((entries["updated_at"] > made).sum()) if made else 0
    times = entries["updated_at"].dropna().dt.strftime("%H:%M:%S").value_counts()
    verb = "porte" if after < 2 else "portent"
    note = (
        "À lire avec prudence : l'outil de publication redate les lignes répétées à chaque fois, et des "
        f"mises à jour en masse portent toutes la même heure. Ici, {count(after, 'ligne')} {verb} une date "
        "postérieure à celle de la liste"
    )
    if len(times) and times.iloc[0] > 1:
        note += f" et {count(int(times.iloc[0]), 'ligne')} la même heure, {times.index[0]}"
    note += ". Une date récente ne prouve donc pas que les contacts ont été relus."
    return Html(f'<p class="caution">{typeset(note)}</p>')
