"""The tables of the site's pages, with links from page to page, and the frames beside them as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from mssante_audit.french import NBSP, SEVERITY_NAMES, count, day, listing, number
from mssante_audit.ledger import FollowUp
from mssante_audit.rules import SEVERITIES, Rule, catalogue
from mssante_audit.site_view import AUDIT_TITLES, Domain, Operator, View, anchor_of
from mssante_audit.space import parse_instant
from mssante_audit.tables import Cell, badge, data, prose, table, visible
from mssante_audit.trend import Point, severity_counts

ROWS = 200
"""Rows of a table that a page shows; all of them are in the files beside it."""

SEVERITY_COLUMNS = tuple(plural.capitalize() for _, plural in SEVERITY_NAMES.values())
FINDING_COLUMNS = ("Gravité", "Constat", "Domaines", "Opérateur", "Observé", "Lignes")

NAMED = 4
"""Findings that the row of a domain names one by one."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A table of a page."""

    name: str
    """Its `id`, and part of the names of its files."""
    html: str
    frame: pd.DataFrame
    """All its rows, as they go into the files."""
    rows: int
    """Those the page shows."""


@dataclass(frozen=True, slots=True)
class Links:
    """Where other pages are, seen from one of them."""

    root: str
    """"" for the pages at the top, ``../`` for the others."""
    view: View

    def rule(self, told: Rule) -> str:
        """Return the title of a rule, with a link to its page."""
        return f'<a href="{self.root}regles/{told.code}.html">{prose(told.title_fr)}</a>'

    def operator(self, identifier: str, name: str) -> str:
        """Return the name of an operator, with a link to its page."""
        known = self.view.operators.get(identifier)
        if known is None:
            return data(name or identifier)
        small = f"<br><small>{data(identifier)}</small>" if identifier else ""
        return f'<a href="{self.root}{known.page}">{data(name or known.name)}</a>{small}'

    def domain(self, name: str, identifier: str) -> str:
        """Return a domain, with a link to its place on its operator's page."""
        known = self.view.operators.get(identifier)
        if known is None or not name:
            return data(name)
        return f'<a href="{self.root}{known.page}#{escape(anchor_of(name))}">{data(name)}</a>'


def _state(told: FollowUp, i: int) -> Cell:
    since = told.first_seen[i]
    if told.status[i] == "new":
        return Cell("<strong>nouveau</strong>", since)
    return Cell(f"depuis le {day(parse_instant(since))}", since)


Maker = Callable[[Links, Mapping[Any, Any]], Cell]


def _rule_cell(links: Links, finding: Mapping[Any, Any]) -> Cell:
    told = catalogue()[finding["rule"]]
    return Cell(f'{links.rule(told)}<br><small class="code">{told.code.replace("_", "_<wbr>")}</small>')


def _domain_cell(links: Links, finding: Mapping[Any, Any]) -> Cell:
    domains = finding["domains"]
    others = f"<br>et {count(domains - 1, 'autre', 'autres')}" if domains > 1 else ""
    own = links.domain(finding["domain"], finding["operator_id"])
    return Cell(f"{own}{others}" if domains else "toute la liste", domains)


def _observed_cell(_: Links, finding: Mapping[Any, Any]) -> Cell:
    expected = finding["expected"]
    wanted = f"<br><small>attendu{NBSP}:</small> {data(expected, 200)}" if expected else ""
    return Cell(f"{data(finding['observed'], 200)}{wanted}")


def _rows_cell(_: Links, finding: Mapping[Any, Any]) -> Cell:
    rows = finding["rows"]
    return Cell(
        data(finding["evidence"], 40, f" ({count(len(rows), 'ligne')})" if rows else ""), next(iter(rows), 0)
    )


_MAKERS: dict[str, Maker] = {
    "Gravité": lambda _, f: Cell(badge(str(f["severity"])), SEVERITIES.index(str(f["severity"]))),
    "Constat": _rule_cell,
    "Domaines": _domain_cell,
    "Opérateur": lambda links, f: Cell(
        links.operator(f["operator_id"], f["operator"]) if f["operator_id"] else data(f["operator"]),
        visible(f["operator"]),
    ),
    "Observé": _observed_cell,
    "Lignes": _rows_cell,
    "Accepté": lambda _, f: Cell(f"{data(f['reason'])}<br><small>par {data(f['who'])}</small>"),
    "Jusqu’au": lambda _, f: Cell(day(parse_instant(f["until"])), f["until"]),
}


def findings_shown(
    links: Links, positions: Sequence[int], *, name: str, caption: str, without: Sequence[str] = ()
) -> Shown:
    """Return findings as a table.

    Parameters
    ----------
    links
        Those of the page.
    positions
        In the view's findings, in the order wanted.
    name
        The table's `id`.
    caption
        What it holds.
    without
        Columns that the page makes needless.
    """
    told = links.view.told
    frame = links.view.findings.iloc[list(positions)]
    columns = [
        c for c in ("Gravité", "Constat", "Domaines", "Opérateur", "Observé", "Lignes") if c not in without
    ]
    rows = _rows(links, frame.head(ROWS), columns)
    if told:
        columns = [*columns, "État"]
        rows = [(*row, _state(told, i)) for row, i in zip(rows, positions, strict=False)]
        frame = frame.assign(
            first_seen=[told.first_seen[i] for i in positions], status=[told.status[i] for i in positions]
        )
    return Shown(name, table(name, caption, columns, rows), frame.drop(columns="rows"), len(rows))


def waived_shown(links: Links, positions: Sequence[int], *, name: str = "acceptes") -> Shown:
    """Return waived findings, by their positions in the view's, as a table."""
    frame = links.view.waived.iloc[list(positions)]
    columns = ("Gravité", "Constat", "Domaines", "Opérateur", "Accepté", "Jusqu’au")
    rows = _rows(links, frame.head(ROWS), columns)
    html = table(name, "Constats acceptés : raison, responsable et échéance", columns, rows)
    return Shown(name, html, frame.drop(columns="rows"), len(rows))


def _rows(links: Links, frame: pd.DataFrame, columns: Sequence[str]) -> list[tuple[Cell, ...]]:
    records = frame.to_dict("records")
    return [tuple(_MAKERS[column](links, record) for column in columns) for record in records]


def fixed_shown(links: Links, fixed: Sequence[Mapping[str, str]], *, name: str = "regles") -> Shown:
    """Return findings that the run before had and this one has not, as a table."""
    known = [f for f in fixed if f["rule"] in catalogue()]
    rows = []
    for f in known[:ROWS]:
        told = catalogue()[f["rule"]]
        since = Cell(day(parse_instant(f["first_seen"])), f["first_seen"])
        gravity = Cell(badge(told.severity), SEVERITIES.index(told.severity))
        identifier = f.get("operator_id", "")
        rows.append(
            (
                gravity,
                _rule_cell(links, f),
                Cell(links.domain(f["domain"], identifier)),
                Cell(links.operator(identifier, f["operator"]) if identifier else data(f["operator"])),
                since,
            )
        )
    columns = ("Gravité", "Constat", "Domaine", "Opérateur", "Constaté depuis le")
    frame = pd.DataFrame([dict(f) for f in known], columns=["rule", "domain", "operator", "first_seen"])
    return Shown(
        name, table(name, "Constats réglés depuis le passage précédent", columns, rows), frame, len(rows)
    )


def domains_shown(links: Links, domains: Sequence[Domain], *, name: str) -> Shown:
    """Return an operator's domains that have findings as a table, each row with its anchor."""
    rows = []
    for domain in domains:
        rules = dict.fromkeys(links.view.findings["rule"].iloc[list(domain.findings)])
        named = [f"{badge(catalogue()[code].severity)} {links.rule(catalogue()[code])}" for code in rules]
        more = (
            f"<br>et {count(len(named) - NAMED, 'autre règle', 'autres règles')}"
            if len(named) > NAMED
            else ""
        )
        place = "" if domain.rows else "<br><small>pas dans la liste</small>"
        rows.append(
            (
                Cell(
                    f'<span id="{escape(domain.anchor)}">{data(domain.name)}</span>{place}',
                    visible(domain.name),
                ),
                Cell(number(len(domain.findings)), len(domain.findings)),
                Cell("<br>".join(named[:NAMED]) + more),
            )
        )
    caption = "Domaines qui ont au moins un constat"
    html = table(name, caption, ("Domaine", "Constats", "Règles"), rows)
    return Shown(name, html, domains_frame(links.view, domains), len(rows))


def domains_frame(view: View, domains: Sequence[Domain]) -> pd.DataFrame:
    """Return an operator's domains as a frame."""
    rules = view.findings["rule"].tolist()
    return pd.DataFrame(
        {
            "domain": [d.name for d in domains],
            "list_rows": [d.rows for d in domains],
            "test": [d.test for d in domains],
            "findings": [len(d.findings) for d in domains],
            "rules": [tuple(dict.fromkeys(rules[i] for i in d.findings)) for d in domains],
        }
    )


def operators_shown(
    links: Links, operators: Sequence[Operator], *, name: str, caption: str, limit: int = ROWS
) -> Shown:
    """Return operators as a table: domains, findings by severity, dossier."""
    rows = []
    for operator in operators[:limit]:
        dossier = f'<a href="{links.root}{escape(operator.dossier)}">dossier</a>' if operator.dossier else ""
        counts = [Cell(number(n), n) for n in operator.counts.values()]
        rows.append(
            (
                Cell(links.operator(operator.id, operator.name), visible(operator.name)),
                Cell(number(len(operator.domains)), len(operator.domains)),
                *counts,
                Cell(number(sum(operator.new.values())), sum(operator.new.values())),
                Cell(dossier),
            )
        )
    columns = (
        "Opérateur",
        "Domaines",
        "Critiques",
        "Erreurs",
        "Avertissements",
        "Informations",
        "Nouveaux",
        "Dossier",
    )
    frame = pd.DataFrame(
        [(o.id, o.name, len(o.domains), *o.counts.values(), sum(o.new.values())) for o in operators],
        columns=["operator_id", "operator", "domains", "critical", "error", "warning", "info", "new"],
    )
    return Shown(name, table(name, caption, columns, rows), frame, len(rows))


def rules_shown(links: Links, rules: Sequence[Rule], *, name: str, caption: str) -> Shown:
    """Return rules as a table: severity, findings, new ones, operators concerned."""
    view = links.view
    found = view.findings.groupby("rule", observed=True)
    totals, operators = found.size(), found["operator_id"].nunique()
    new = view.findings["rule"].iloc[sorted(view.new)].value_counts()
    records = [
        (r, int(totals.get(r.code, 0)), int(new.get(r.code, 0)), int(operators.get(r.code, 0))) for r in rules
    ]
    rows = [
        (
            Cell(badge(r.severity), SEVERITIES.index(r.severity)),
            _rule_cell(links, {"rule": r.code}),
            Cell(AUDIT_TITLES[r.audit]),
            Cell("non vérifié" if r.audit in view.missing else number(total), total),
            Cell(number(fresh), fresh),
            Cell(number(of), of),
        )
        for r, total, fresh, of in records
    ]
    columns = ("Gravité", "Règle", "Audit", "Constats", "Nouveaux", "Opérateurs")
    frame = pd.DataFrame(
        [(r.code, r.severity, r.audit, r.title_fr, total, fresh, of) for r, total, fresh, of in records],
        columns=["rule", "severity", "audit", "title", "findings", "new", "operators"],
    )
    return Shown(name, table(name, caption, columns, rows), frame, len(rows))


def audits_shown(links: Links, *, name: str) -> Shown:
    """Return the audits as a table: findings by severity, new ones; unknown where it could not be made."""
    view = links.view
    audits = view.findings["rule"].map({code: told.audit for code, told in catalogue().items()})
    new = audits.iloc[sorted(view.new)].value_counts()
    numbers = {
        audit: (*severity_counts(view.findings[audits == audit]).values(), int(new.get(audit, 0)))
        for audit in AUDIT_TITLES
    }
    rows = [
        (
            Cell(f'<a href="{links.root}audits/{audit}.html">{AUDIT_TITLES[audit]}</a>'),
            *(Cell("inconnu" if audit in view.missing else number(n), n) for n in own),
        )
        for audit, own in numbers.items()
    ]
    frame = pd.DataFrame(
        [(audit, audit not in view.missing, *own) for audit, own in numbers.items()],
        columns=["audit", "made", "critical", "error", "warning", "info", "new"],
    )
    columns = ("Audit", *SEVERITY_COLUMNS, "Nouveaux")
    return Shown(name, table(name, "Constats par audit et par gravité", columns, rows), frame, len(rows))


def trend_shown(points: Sequence[Point], *, name: str = "evolution") -> Shown:
    """Return the runs as a table, the last one first."""
    rows = [
        (
            Cell(day(parse_instant(p.at)), p.at),
            *(Cell(number(n), n) for n in (*p.counts.values(), p.new, p.open, p.fixed, p.waived)),
        )
        for p in reversed(points[-ROWS:])
    ]
    columns = ("Passage", *SEVERITY_COLUMNS, "Nouveaux", "Ouverts", "Réglés", "Acceptés")
    names = ["at", "critical", "error", "warning", "info", "new", "open", "fixed", "waived"]
    frame = pd.DataFrame(
        [(p.at, *p.counts.values(), p.new, p.open, p.fixed, p.waived) for p in points], columns=names
    )
    return Shown(name, table(name, "Constats par gravité à chaque passage", columns, rows), frame, len(rows))


def files_html(shown: Shown, stem: str) -> str:
    """Return the links to a table's files, and how many rows the page left out."""
    total = len(shown.frame)
    cut = (
        f"<strong>Les {number(shown.rows)} premières lignes sur {number(total)} sont montrées ; "
        "toutes sont dans les fichiers.</strong> "
        if shown.rows < total
        else ""
    )
    links = [
        f'<a href="{escape(stem)}.{escape(shown.name)}.{suffix}" download>{suffix.upper()}</a>'
        for suffix in ("csv", "json", "xlsx")
    ]
    lines = f"les {count(total, 'ligne')}" if total > 1 else "la ligne"
    return f'<p class="csv">{cut}Télécharger {lines}{NBSP}: {listing(links)}</p>'
