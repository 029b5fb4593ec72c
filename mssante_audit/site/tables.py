"""The tables of the site's pages, with links from page to page, and the frames beside them as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote

import pandas as pd

from mssante_audit.base.export import Values, values
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import day, format_text, gettext, localized, number, translated
from mssante_audit.base.typography import TYPOGRAPHY
from mssante_audit.findings.catalogue import SEVERITIES, Rule
from mssante_audit.findings.places import places_from
from mssante_audit.findings.registry import audits, catalogue, title_of_audit
from mssante_audit.findings.trend import severity_counts
from mssante_audit.report.findings import COLUMNS, folded, where
from mssante_audit.report.first import CAUSES, by_check, cause_lines
from mssante_audit.report.names import CERTIFICATE_CHANGES, CERTIFICATE_ORDERS
from mssante_audit.report.tables import Cell, badge, data, prose, severity_cell, table, visible
from mssante_audit.site.view import Domain, Operator, View, anchor_of

ROWS = 200
"""Rows of a table that a page shows; all of them are in the files beside it."""

FOLDED = 50
"""Rows of information and hints that a page of many others shows still."""

SEVERITY_COLUMNS = tuple(plural.capitalize() for _, plural in TYPOGRAPHY["fr"].severity_names.values())
_NUMBERS = (*reversed(SEVERITIES), "new")


@dataclass(frozen=True, slots=True)
class Shown:
    """A table of a page."""

    name: str
    """Its `id`, and part of the names of its files."""
    html: str
    values: Values
    """Of all its rows, as they go into the files."""
    rows: int
    """Those the page shows."""


def _shown(
    name: str, caption: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], frame: pd.DataFrame
) -> Shown:
    return Shown(name, table(name, caption, columns, rows) if rows else "", values(frame), len(rows))


@dataclass(frozen=True, slots=True)
class Links:
    """Where other pages are, seen from one of them."""

    root: str
    """"" for the pages at the top, ``../`` for the others."""
    view: View

    def rule(self, told: Rule) -> str:
        """Return the title of a rule, with a link to its page."""
        return f'<a href="{self.root}regles/{told.code}.html">{prose(localized(told, "title"))}</a>'

    def operator(self, identifier: str, name: str) -> str:
        """Return the name of an operator, with a link to its page."""
        known = self.view.operators.get(identifier)
        if known is None:
            return data(name or identifier)
        small = f"<br><small>{data(identifier)}</small>" if identifier else ""
        return f'<a href="{self.root}{known.page}">{data(name or known.name)}</a>{small}'

    def dossier(self, operator: Operator) -> str:
        """Return a link to an operator's dossier, "" if there is none."""
        href = f"{self.root}{quote(operator.dossier)}"
        return f'<a href="{href}">{gettext("dossier")}</a>' if operator.dossier else ""

    def domain(self, name: str, identifier: str) -> str:
        """Return a domain, with a link to its place on its operator's page."""
        bearers = self.view.bearers.get(name)
        if not bearers:
            return data(name)
        known = self.view.operators[identifier if identifier in bearers else bearers[0]]
        return f'<a href="{self.root}{known.page}#{escape(anchor_of(name))}">{data(name)}</a>'


Maker = Callable[[Links, Mapping[Any, Any]], Cell]


def _rule_cell(links: Links, finding: Mapping[Any, Any]) -> Cell:
    told = catalogue()[finding["rule"]]
    return Cell(f'{links.rule(told)}<br><small class="code">{told.code.replace("_", "_<wbr>")}</small>')


def _domain_cell(links: Links, finding: Mapping[Any, Any]) -> Cell:
    domains = finding["domains"]
    others = f"<br>{format_text('et {n:autre}', n=domains - 1)}" if domains > 1 else ""
    own = links.domain(finding["domain"], finding["operator_id"])
    return Cell(f"{own}{others}" if domains else gettext("toute la liste"), domains)


def _observed_cell(_: Links, finding: Mapping[Any, Any]) -> Cell:
    expected = finding["expected"]
    wanted = f"<br><small>{gettext('attendu :')}</small> {data(expected, 200)}" if expected else ""
    return Cell(f"{data(finding['observed'], 200)}{wanted}")


def _rows_cell(_: Links, finding: Mapping[Any, Any]) -> Cell:
    rows, stands = finding["rows"], where({**finding, "where": places_from(finding["where"])})
    return Cell(
        data(stands, 60, format_text(" ({n:ligne})", n=len(rows)) if rows else ""),
        next(iter(rows), 0),
    )


def _state_cell(_: Links, finding: Mapping[Any, Any]) -> Cell:
    since = finding["first_seen"]
    if finding["status"] == "new":
        return Cell(f"<strong>{gettext('nouveau')}</strong>", since)
    if finding["status"] == "unknown":
        return Cell(gettext("inconnu"), since)
    at = f'<span class="day">{parse_instant(since):%d/%m/%Y}</span>'
    return Cell(format_text("ouvert depuis le {day}", day=at), since)


_MAKERS: dict[str, Maker] = {
    "Gravité": lambda _, f: severity_cell(f["severity"]),
    "Constat": _rule_cell,
    "Domaines": _domain_cell,
    "Opérateur": lambda links, f: Cell(
        links.operator(f["operator_id"], f["operator"]) if f["operator_id"] else data(f["operator"]),
        visible(f["operator"]),
    ),
    "Observé": _observed_cell,
    "Lignes": _rows_cell,
    "État": _state_cell,
    "Accepté": lambda _, f: Cell(
        f"{data(f['reason'])}<br><small>{format_text('par {who}', who=data(f['who']))}</small>"
    ),
    "Jusqu’au": lambda _, f: Cell(day(parse_instant(f["until"])), f["until"]),
}


def findings_shown(
    links: Links,
    positions: Sequence[int],
    *,
    name: str,
    caption: str,
    without: Sequence[str] = (),
    own: Mapping[int, Mapping[str, str]] | None = None,
) -> Shown:
    """Return findings as a table, information and hints folded below it.

    Parameters
    ----------
    positions
        In the view's findings, in the order wanted.
    without
        Columns that the page makes needless.
    own
        What a finding is told with instead, by position: the domain of its that the page is about.
    """
    view = links.view
    columns = [c for c in (*COLUMNS, *(("État",) if view.told else ())) if c not in without]
    told = own or {}
    todo, rest = ([i for i in positions if (i in view.todo) == asks] for asks in (True, False))
    parts = (todo[:ROWS], rest[: max(ROWS - len(todo), FOLDED)])
    first, away = (
        [_cells(links, {**view.records[i], **told.get(i, {})}, columns) for i in part] for part in parts
    )
    html = table(name, caption, columns, first) if first else ""
    if rest:
        called = format_text("{caption} (informations et indices)", caption=translated(caption))
        html += folded(table(f"{name}-replies", called, columns, away), view.findings.iloc[rest])
    every = view.exported
    own_values = every._replace(rows=[every.rows[i] for i in positions])
    return Shown(name, html, own_values, len(first) + len(away))


def waived_shown(links: Links, positions: Sequence[int]) -> Shown:
    """Return waived findings, by their positions in the view's, as a table."""
    frame = links.view.waived.iloc[list(positions)]
    columns = ("Gravité", "Constat", "Domaines", "Opérateur", "Accepté", "Jusqu’au")
    rows = [_cells(links, f, columns) for f in frame.head(ROWS).to_dict("records")]
    return _shown("acceptes", "Constats acceptés : raison, responsable et échéance", columns, rows, frame)


def _cells(links: Links, finding: Mapping[Any, Any], columns: Sequence[str]) -> tuple[Cell, ...]:
    return tuple(_MAKERS[column](links, finding) for column in columns)


def gone_shown(
    links: Links,
    gone: Sequence[Mapping[str, str]],
    *,
    name: str = "regles",
    caption: str = "Constats réglés depuis le passage précédent",
) -> Shown:
    """Return findings that the run before had and this one has not, as a table."""
    rows = []
    for f in gone[:ROWS]:
        rows.append(
            (
                severity_cell(catalogue()[f["rule"]].severity),
                _rule_cell(links, f),
                Cell(links.domain(f["domain"], f["operator_id"])),
                Cell(links.operator(f["operator_id"], f["operator"]) if f["operator"] else ""),
                Cell(day(parse_instant(f["first_seen"])), f["first_seen"]),
            )
        )
    columns = ("Gravité", "Constat", "Domaine", "Opérateur", "Constaté depuis le")
    frame = pd.DataFrame(gone, columns=["rule", "domain", "operator_id", "operator", "first_seen"])
    return _shown(name, caption, columns, rows, frame)


def grouped(links: Links, domains: Sequence[Domain]) -> list[dict[str, Any]]:
    """Return an operator's domains by the rules that found something on them, the worst first.

    Hundreds of domains often share their findings: said once, they are read sooner and weigh less. Of a group
    ``rules`` is HTML, "" for none; ``observed`` says when the DNS was asked about all, "" where each says its
    own; ``domains`` has of each its anchor, its name and how many findings, in plain text.
    """
    found = links.view.records
    groups: dict[tuple[str, ...], list[Domain]] = {}
    for domain in domains:
        groups.setdefault(tuple(dict.fromkeys(found[i]["rule"] for i in domain.findings)), []).append(domain)
    told = []
    # Findings stand in order of severity, so that the least position is the worst.
    for codes, inside in sorted(groups.items(), key=lambda g: min(g[1][0].findings, default=len(found))):
        fired = [catalogue()[code] for code in codes]
        observed = [_observed(links.view, domain) for domain in inside]
        once = observed[0] if len(set(observed)) == 1 else ""
        names = [
            (d.anchor, visible(d.name), ", ".join(filter(None, (_on_domain(d), "" if once else at))))
            for d, at in zip(inside, observed, strict=True)
        ]
        titles = " ".join(f"{badge(one.severity)} {links.rule(one)}" for one in fired)
        told.append({"rules": titles, "observed": once, "domains": names})
    return told


def _observed(view: View, domain: Domain) -> str:
    if domain.test or not domain.rows or view.space.observation is None:
        return ""
    at = view.observed_at.get(domain.name)
    return format_text("DNS observé le {day}", day=day(at)) if at else gettext("DNS jamais observé")


def _on_domain(domain: Domain) -> str:
    if domain.test:
        return gettext("entrée de test, mise à part")
    found = (
        format_text("{n:constat}", n=len(domain.findings)) if domain.findings else gettext("aucun constat")
    )
    return found if domain.rows else format_text("{found}, pas dans la liste", found=found)


def domains_shown(view: View, domains: Sequence[Domain]) -> Shown:
    """Return an operator's domains for the files: its page groups them (`grouped`)."""
    names = ["domain", "list_rows", "test", "observed_at", "findings", "rules"]
    rows: list[tuple[Any, ...]] = []
    for d in domains:
        at, rules = view.observed_at.get(d.name), dict.fromkeys(view.records[i]["rule"] for i in d.findings)
        rows.append((d.name, d.rows, d.test, at and at.isoformat(), len(d.findings), list(rules)))
    return Shown("domaines", "", Values(names, list(range(len(names))), rows), len(domains))


def moves_shown(moves: pd.DataFrame) -> Shown:
    """Return changes of certificates (`mssante_audit.verdicts.renewals`) as a table."""
    rows = [
        (
            Cell(day(one["at"]), one["at"].isoformat()),
            Cell(data(one["host"], 200)),
            Cell(gettext(CERTIFICATE_CHANGES[one["kind"]])),
            Cell(number(one["spare"]), one["spare"]),
            Cell(translated(CERTIFICATE_ORDERS[one["order"]])),
            Cell(data(one["after"], 200) if one["kind"] == "replaced" else ""),
        )
        for one in moves.head(ROWS).to_dict("records")
    ]
    columns = (
        "Vu le",
        "Serveur",
        "Changement",
        "Jours restants à l’ancien",
        "Liste et serveur",
        "Nouveau nom",
    )
    caption = format_text("{n:changement} de certificat, le dernier en tête", n=len(moves))
    return _shown("certificats", caption, columns, rows, moves)


def operators_shown(links: Links, operators: Sequence[Operator]) -> Shown:
    """Return all operators as a table: domains, findings by severity, dossier."""
    dossiers = any(operator.dossier for operator in operators)
    rows, records = [], []
    for operator in operators:
        numbers = (len(operator.domains), *operator.counts.values(), sum(operator.new.values()))
        records.append((operator.id, operator.name, *numbers))
        who = Cell(links.operator(operator.id, operator.name), visible(operator.name))
        last = [Cell(links.dossier(operator))] if dossiers else []
        rows.append([who, *(Cell(number(n), n) for n in numbers), *last])
    columns = ("Opérateur", "Domaines", *SEVERITY_COLUMNS, "Nouveaux", *(("Dossier",) if dossiers else ()))
    frame = pd.DataFrame(records, columns=["operator_id", "operator", "domains", *_NUMBERS])
    return _shown("liste", "Opérateurs, ceux à regarder d’abord en tête", columns, rows, frame)


def rules_shown(links: Links, rules: Sequence[Rule], *, name: str, caption: str) -> Shown:
    """Return rules as a table: severity, findings, new ones, operators concerned."""
    view = links.view
    found = view.findings.groupby("rule", observed=True)
    new = view.findings["rule"].iloc[sorted(view.new)].value_counts()
    totals, operators = found.size(), found["operator_id"].nunique()
    records = [
        (r, int(totals.get(r.code, 0)), int(new.get(r.code, 0)), int(operators.get(r.code, 0))) for r in rules
    ]
    rows = [
        (
            severity_cell(r.severity),
            _rule_cell(links, {"rule": r.code}),
            Cell(prose(title_of_audit(r.audit))),
            Cell(gettext("non vérifié") if r.audit in view.missing else number(total), total),
            Cell(number(fresh), fresh),
            Cell(number(of), of),
        )
        for r, total, fresh, of in records
    ]
    columns = ("Gravité", "Règle", "Audit", "Constats", "Nouveaux", "Opérateurs")
    frame = pd.DataFrame(
        [
            (r.code, r.severity, r.audit, localized(r, "title"), total, fresh, of)
            for r, total, fresh, of in records
        ],
        columns=["rule", "severity", "audit", "title", "findings", "new", "operators"],
    )
    return _shown(name, caption, columns, rows, frame)


def audits_shown(links: Links) -> Shown:
    """Return the audits as a table: findings by severity, new ones; unknown where it could not be made."""
    view = links.view
    whose = view.findings["audit"]
    new = whose.iloc[sorted(view.new & view.todo)].value_counts()
    numbers = {
        audit: (*severity_counts(view.findings[whose == audit]).values(), int(new.get(audit, 0)))
        for audit in audits()
    }
    rows = [
        (
            Cell(f'<a href="{links.root}audits/{audit}.html">{prose(title_of_audit(audit))}</a>'),
            *(Cell(gettext("inconnu") if audit in view.missing else number(n), n) for n in own),
        )
        for audit, own in numbers.items()
    ]
    frame = pd.DataFrame(
        [(audit, audit not in view.missing, *own) for audit, own in numbers.items()],
        columns=["audit", "made", *_NUMBERS],
    )
    columns = ("Audit", *SEVERITY_COLUMNS, "Nouveaux")
    return _shown("audits", "Constats par audit et par gravité", columns, rows, frame)


def causes_shown(links: Links) -> Shown:
    """Return the first causes, with links to rule, operator and dossier; the file has all."""
    view = links.view

    def operator(cause: Mapping[Any, Any]) -> str:
        known = view.operators.get(cause["operator_id"])
        if known is None:
            return data(cause["operator"] or cause["operator_id"])
        dossier = links.dossier(known)
        own = f'<a href="{links.root}{known.page}">{data(cause["operator"] or known.name)}</a>'
        return f"{own} ({dossier})" if dossier else own

    def title(cause: Mapping[Any, Any]) -> str:
        return links.rule(catalogue()[cause["rules"][0]])

    html = cause_lines(view.causes, title, operator).text + by_check(view.causes, title, operator)
    return Shown("causes", html, values(view.causes), min(CAUSES, len(view.causes)))


def csv_html(shown: Shown, stem: str) -> str:
    """Return the link to a table's rows as CSV, and how many of them the page left out."""
    total, cut = len(shown.values.rows), ""
    first = (
        "{shown:~La première ligne|Les {shown} premières lignes} sur {all} {shown:~est montrée|sont montrées}"
        " ; toutes sont dans le fichier."
    )
    if shown.rows < total:
        cut = f"<strong>{format_text(first, shown=shown.rows, all=total)}</strong> "
    take = "Télécharger les {n:ligne} (CSV)" if total > 1 else "Télécharger la ligne (CSV)"
    link = f'<a href="{escape(stem)}.{shown.name}.csv" download>{format_text(take, n=total)}</a>'
    return f'<p class="csv">{cut}{link}</p>'
