"""What the reports say in words: the answer of the first screen, sections by rule family, what to fix first.

Everything is computed from frames; the prose about rules comes from the catalogue. The language is French.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import pandas as pd

from mssante_audit.base.french import SIGNATURES, count, day, listing, number, percent, typeset
from mssante_audit.findings.registry import audits, rule
from mssante_audit.report.findings import (
    family,
    findings_table,
    lacks,
    scope,
    severity_bars,
    unknown,
)
from mssante_audit.report.findings import (
    touched as reach,
)
from mssante_audit.report.tables import Cell, Figure, Html, badge, data, key_figures, prose, table
from mssante_audit.space.trust import TrustSpace


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
    touched, domains = reach(findings, entries), entries["domain"].nunique()
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
        touched, domains = reach(grave, entries), entries["domain"].nunique()
        share = f"{count(touched, 'domaine')} sur {number(domains)} ({percent(touched, domains)})"
        verb = "est touché" if touched < 2 else "sont touchés"
        head = f"{share} {verb} par une erreur ou un défaut critique"
    worst = findings.iloc[0]
    same = findings[findings["rule"] == worst["rule"]]
    extent = count(max(reach(same, entries), int(worst["domains"])), "domaine")
    return (
        f"{head} ; le plus grave : <strong>{escape(rule(worst['rule']).title_fr)}</strong>, "
        f"{count(len(same), 'constat')}, {extent}."
    )


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


def section(space: TrustSpace, findings: pd.DataFrame, name: str, *, limit: int) -> Html:
    """Return the section of a family."""
    return findings_table(findings, family(name), lacking=lacks(space, family(name)), limit=limit)


def unchecked(space: TrustSpace) -> str:
    """Say which audits could not be made."""
    return unknown({told.titled(): n for told in audits().values() if (n := told.lacking(space))})


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
