"""What a dossier says, to the operator it is about: its first screen, what to correct and how, its tables."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd

from mssante_audit.audits.delegation_vs_redirection.method import METHOD_NAMES
from mssante_audit.base.french import SIGNATURES, count, day, listing, number, typeset
from mssante_audit.dossiers.facts import Dossier, Peers
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.registry import rule
from mssante_audit.report.findings import severity_bars
from mssante_audit.report.names import DECLARED, KINDS, STATUSES
from mssante_audit.report.tables import (
    Cell,
    Figure,
    Html,
    badge,
    csv_link,
    data,
    key_figures,
    prose,
    table,
)
from mssante_audit.values.identifiers import DEPARTMENTS

Columns = dict[str, Callable[[Mapping[Any, Any]], str | tuple[str, Any]]]
"""Heading → what a row of a frame shows there, as HTML, and what it is sorted by where that is another."""


@cache
def _said() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "dossier.toml").read_text(encoding="utf-8"))


def remedy(code: str) -> str:
    """Return what an operator does about a finding: the catalogue's remedy, put to it where that is not."""
    return str(_said()["remedies"].get(code, rule(code).remedy_fr)).strip()


def theirs(findings: pd.DataFrame) -> pd.DataFrame:
    """Return the findings that the operator itself can do something about; mere information left out."""
    return findings[(findings["severity"] > "info") & ~findings["rule"].isin(_said()["others"])]


def dossier_answer(told: Dossier) -> Html:
    """Return the first screen: who it is, what to correct first, key figures, findings by severity."""
    todo, domains = theirs(told.findings), len(told.domains)
    who = f"<strong>{data(told.label)}</strong>"
    if told.name:
        who += f" ({data(told.operator_id)})"
    figures = [
        Figure("Vos domaines", number(domains), count(len(told.entries), "ligne")),
        Figure("Vos certificats", number(len(told.certificates))),
        Figure("À corriger", number(todo["rule"].nunique()), f"sur {count(len(told.findings), 'constat')}"),
        _peers_figure(told.peers),
    ]
    return Html(
        f'<div class="answer"><p class="limits">Dossier de {who}.</p><p class="lead">{_lead(todo)}</p>'
        f"{key_figures(figures).text}{severity_bars(told.findings).text}"
        f'<p class="scope">{_scope(told)}</p></div>'
    )


def _lead(todo: pd.DataFrame) -> str:
    if todo.empty:
        return typeset("Rien à corriger : aucun constat n'appelle d'action de votre part.")
    worst, points = todo.iloc[0].to_dict(), todo.drop_duplicates("rule")
    grave = Counter(points["severity"].astype("str"))
    parts = [badge(name, grave[name]) for name in reversed(SEVERITIES) if grave[name]]
    where = f", {_place(worst)}" if worst["domain"] else ""
    return (
        f"{count(len(points), 'point')} à corriger ({', '.join(parts)}). D’abord{typeset(' :')} "
        f"<strong>{prose(rule(worst['rule']).title_fr)}</strong>{where}. {prose(remedy(worst['rule']))}"
    )


def _place(finding: Mapping[Any, Any]) -> str:
    """Return the domains of a finding as HTML: the first, and how many more."""
    if not finding["domain"]:
        return "–"
    more = finding["domains"] - 1
    return data(finding["domain"]) + (f" et {count(more, 'autre', 'autres')}" if more > 0 else "")


def _scope(told: Dossier) -> str:
    space = told.space
    made = space.whitelist.generated_at
    of = f" du {day(made)}" if made else ""
    contacts = "" if space.show_contacts else " Les contacts sont masqués."
    tests = " Vos lignes sont toutes des entrées de test." if told.entries["is_audit_entry"].any() else ""
    return typeset(
        f"D'après la liste blanche{of} (signature {SIGNATURES[space.whitelist.signature.status]}), situation "
        f"au {day(space.as_of)}.{tests}{contacts} Ce dossier ne contient rien d'un autre opérateur."
    )


def _peers_figure(peers: Peers) -> Figure:
    if not peers.number:
        return Figure("Parmi vos pairs", "–", "trop peu d’opérateurs de votre taille")
    return Figure(
        "Parmi vos pairs",
        f"{number(peers.more)} sur {number(peers.number)}",
        "en ont plus à corriger",
    )


def what_to_correct(told: Dossier, *, limit: int) -> Html:
    """Return every finding with its remedy, worst first, and all of them as CSV."""
    found = told.findings
    if found.empty:
        return Html('<p class="none">Aucun constat.</p>')
    columns: Columns = {
        "Gravité": lambda f: (badge(str(f["severity"])), SEVERITIES.index(str(f["severity"]))),
        "Constat": lambda f: f"<strong>{prose(rule(f['rule']).title_fr)}</strong>",
        "Domaines": lambda f: (_place(f), f["domains"]),
        "Constaté": _observed,
        "Que faire, et pourquoi": lambda f: (
            f"{prose(remedy(f['rule']))}<br><small>{prose(rule(f['rule']).why_fr)}</small>"
        ),
    }
    caption = f"{count(len(found), 'constat')}, les plus graves d’abord"
    return _table("findings", typeset(caption), columns, found, limit)


def _table(name: str, caption: str, columns: Columns, frame: pd.DataFrame, limit: int | None) -> Html:
    """Return a frame as a table, its first `limit` rows if there is one, and then all of it as CSV."""
    shown = frame if limit is None else frame.head(limit)
    cells = [[cell(row) for cell in columns.values()] for row in shown.to_dict("records")]
    rows = [[Cell(cell) if isinstance(cell, str) else Cell(*cell) for cell in row] for row in cells]
    link = "" if limit is None else csv_link(frame, shown, name)
    return Html(table(name, caption, tuple(columns), rows, link))


def _observed(finding: Mapping[Any, Any]) -> str:
    expected = f"<br><small>{typeset('attendu :')}</small> {data(finding['expected'])}"
    return data(finding["observed"]) + (expected if finding["expected"] else "")


def identity(told: Dossier) -> Html:
    """Return who the operator is, as its certificates say."""
    entries = told.entries
    places = [f"{DEPARTMENTS[d]} ({d})" for d in entries["department"].unique() if d in DEPARTMENTS]
    names = [n for n in entries["operator"].unique() if n]
    facts = [
        ("Nom", [data(name) for name in names] or ["aucun"]),
        ("Identifiant", [data(told.operator_id) + (f" ({told.kind})" if told.kind else "")]),
        ("Département", [data(place) for place in places] or ["inconnu"]),
        ("Autorité des certificats", [data(igc) for igc in entries["igc"].unique() if igc] or ["inconnue"]),
    ]
    lines = "".join(f"<dt>{name}</dt><dd>{listing(values)}</dd>" for name, values in facts)
    return Html(f'<dl class="facts">{lines}</dl>')


def domains_table(told: Dossier, *, limit: int) -> Html:
    """Return the operator's domains: description, certificates, DNS method declared and in use, register."""
    columns: Columns = {
        "Domaine": lambda d: data(d["domain"]),
        "Description": lambda d: data(d["description"]),
        "Certificats": lambda d: (number(d["certificates"]), d["certificates"]),
        "DNS déclaré": lambda d: _declared(told, d),
        "DNS en service": lambda d: _in_use(told, d),
        "Déclaration": lambda d: prose(STATUSES[d["status"]]) if d["status"] else "pas de registre",
    }
    caption = count(len(told.domains), "domaine dans la liste", "domaines dans la liste")
    return _table("domains", caption, columns, told.domains, limit)


def _declared(told: Dossier, domain: Mapping[Any, Any]) -> str:
    if told.space.declarations is None:
        return "inconnu"
    return prose(DECLARED.get(domain["declared"], "rien"))


def _in_use(told: Dossier, domain: Mapping[Any, Any]) -> str:
    if told.space.observation is None or not domain["method"]:
        return "non observé"
    return f"{prose(METHOD_NAMES[domain['method']])}<br><small>{data(domain['why'], 160, '')}</small>"


def dns_sentence(told: Dossier) -> Html:
    """Return how many domains have their declared DNS method in use; what was not observed is said so."""
    if told.space.observation is None:
        return Html('<p class="none">Le DNS n’a pas été observé : la méthode en service est inconnue.</p>')
    methods = Counter(told.domains["method"])
    parts = [
        f"{count(n, 'domaine')} : {METHOD_NAMES[m]}" for m, n in methods.most_common() if m in METHOD_NAMES
    ]
    declared = told.domains[told.domains["declared"].isin(["delegation", "redirection"])]
    used = declared["method"].map(
        {"delegated": "delegation", "within-delegated": "delegation", "redirected": "redirection"}
    )
    same = int((used == declared["declared"]).sum())
    told_of = (
        f" La méthode déclarée est en service pour {count(same, 'domaine')} sur {number(len(declared))} "
        "dont une méthode est déclarée."
        if len(declared)
        else " Aucune méthode n'est déclarée pour ces domaines."
    )
    return Html(f"<p>{prose(f'Méthode en service, {listing(parts)}.{told_of}' if parts else told_of)}</p>")


def certificates_table(told: Dossier, *, limit: int) -> Html:
    """Return the operator's certificates and how many domains hang on each."""
    columns: Columns = {
        "Nom (CN)": lambda c: data(c["cn"]),
        "Autorité": lambda c: data(c["igc"]) or "inconnue",
        "Domaines": lambda c: (number(c["domains"]), c["domains"]),
    }
    caption = count(len(told.certificates), "nom de certificat", "noms de certificat")
    return _table("certificates", caption, columns, told.certificates, limit)


def contacts_table(told: Dossier) -> Html:
    """Return the operator's contacts, masked unless the space shows them."""
    columns: Columns = {
        "Contact": lambda c: str(c["kind"]),
        "Tel que publié": lambda c: data(c["contact"]) or "vide",
        "Domaines": lambda c: (number(c["domains"]), c["domains"]),
    }
    caption = count(len(told.contacts), "contact publié", "contacts publiés")
    return _table("contacts", caption, columns, told.contacts, None)


def changes_table(told: Dossier, *, limit: int) -> Html:
    """Return what changed for the operator since the last list."""
    if told.changes is None:
        return Html('<p class="none">Il n’y a pas de liste antérieure à comparer.</p>')
    start, end = told.span
    since = f"entre la liste du {day(start)} et celle du {day(end)}" if start and end else ""
    if told.changes.empty:
        return Html(f'<p class="none">Rien n’a changé pour vous {since}.</p>')
    columns: Columns = {
        "Nature": lambda c: prose(KINDS[c["kind"]]),
        "Domaine": lambda c: data(c["domain"]),
        "Avant": lambda c: data(c["before"]),
        "Après": lambda c: data(c["after"]),
    }
    caption = f"{count(len(told.changes), 'changement')} {since}"
    return _table("changes", caption, columns, told.changes, limit)
