"""The tables of the site's pages, with links from page to page, and the frames beside them as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pandas as pd

from mssante_audit.base.export import Values, values
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import day, format_text, gettext, localized, translated
from mssante_audit.base.markup import data
from mssante_audit.base.typography import TYPOGRAPHY
from mssante_audit.findings.catalogue import SEVERITIES, Rule
from mssante_audit.findings.registry import audits, catalogue, title_of_audit
from mssante_audit.findings.trend import severity_counts
from mssante_audit.report.findings import (
    COLUMNS,
    Links,
    domain_cell,
    finding_rows,
    folded,
    operator_cell,
    rule_cell,
    title_of,
)
from mssante_audit.report.first import CAUSES, by_check, cause_lines
from mssante_audit.report.html import Html, joined, macro
from mssante_audit.report.names import names
from mssante_audit.report.tables import Cell, badge, number_cell, rows_table, severity_cell
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
    html: Html
    values: Values
    """Of all its rows, as they go into the files."""
    rows: int
    """Those the page shows."""

    def with_link(self, stem: str) -> Html:
        """Return the table and the link to its rows as CSV, and how many of them the page left out."""
        link = macro("tables.file_link", f"{stem}.{self.name}.csv", self.rows, len(self.values.rows))
        return joined(self.html, link)


def _shown(
    name: str, caption: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], frame: pd.DataFrame
) -> Shown:
    html = rows_table(name, caption, columns, rows) if rows else Html()
    return Shown(name, html, values(frame), len(rows))


@dataclass(frozen=True, slots=True)
class SiteLinks(Links):
    """Where other pages are, seen from one of them."""

    root: str
    """"" for the pages at the top, ``../`` for the others."""
    view: View

    def rule(self, code: str) -> str:
        """Return the address of a rule's page."""
        return f"{self.root}regles/{code}.html"

    def operator(self, operator_id: str) -> str:
        """Return the address of an operator's page, "" if it has none."""
        known = self.view.operators.get(operator_id)
        return f"{self.root}{known.page}" if known else ""

    def domain(self, domain: str, operator_id: str) -> str:
        """Return the address of a domain on the page of its operator, or of another that bears it."""
        bearers = self.view.bearers.get(domain)
        if not bearers:
            return ""
        return f"{self.operator(operator_id if operator_id in bearers else bearers[0])}#{anchor_of(domain)}"

    def dossier(self, operator_id: str) -> str:
        """Return the address of an operator's dossier, "" if there is none."""
        known = self.view.operators.get(operator_id)
        return f"{self.root}{quote(known.dossier)}" if known and known.dossier else ""


def findings_shown(
    links: SiteLinks,
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
    view, instead = links.view, own or {}
    columns = [c for c in (*COLUMNS, *(("État",) if view.follow_up else ())) if c not in without]
    todo, rest = ([i for i in positions if (i in view.todo) == asks] for asks in (True, False))
    first, away = (
        [{**view.records[i], **instead.get(i, {})} for i in part]
        for part in (todo[:ROWS], rest[: max(ROWS - len(todo), FOLDED)])
    )
    html = finding_rows(name, caption, first, columns, links) if first else Html()
    if rest:
        called = format_text("{caption} (informations et indices)", caption=translated(caption))
        hints = sum(view.records[i]["confidence"] == "hint" for i in rest)
        table = finding_rows(f"{name}-replies", called, away, columns, links)
        html = joined(html, folded(table, len(rest), hints))
    every = view.exported._replace(rows=[view.exported.rows[i] for i in positions])
    return Shown(name, html, every, len(first) + len(away))


def waived_shown(links: SiteLinks, positions: Sequence[int]) -> Shown:
    """Return waived findings, by their positions in the view's, as a table."""
    frame = links.view.waived.iloc[list(positions)]
    columns = ("Gravité", "Constat", "Domaines", "Opérateur", "Accepté", "Jusqu’au")
    caption = "Constats acceptés : raison, responsable et échéance"
    found = frame.head(ROWS).to_dict("records")
    html = finding_rows("acceptes", caption, found, columns, links) if found else Html()
    return Shown("acceptes", html, values(frame), len(found))


def gone_shown(
    links: SiteLinks,
    gone: Sequence[Mapping[str, str]],
    *,
    name: str = "regles",
    caption: str = "Constats réglés depuis le passage précédent",
) -> Shown:
    """Return findings that the run before had and this one has not, as a table."""
    rows = [
        (
            severity_cell(catalogue()[finding["rule"]].severity),
            rule_cell(finding["rule"], links),
            domain_cell({**finding, "domains": 1}, links),
            operator_cell(finding["operator_id"], finding["operator"], links),
            Cell(day(parse_instant(finding["first_seen"])), finding["first_seen"]),
        )
        for finding in gone[:ROWS]
    ]
    columns = ("Gravité", "Constat", "Domaine", "Opérateur", "Constaté depuis le")
    frame = pd.DataFrame(gone, columns=["rule", "domain", "operator_id", "operator", "first_seen"])
    return _shown(name, caption, columns, rows, frame)


def grouped(links: SiteLinks, domains: Sequence[Domain]) -> list[dict[str, Any]]:
    """Return an operator's domains by the rules that found something on them, the worst first.

    Hundreds of domains often share their findings: said once, they are read sooner and weigh less. Of a group
    ``rules`` has the badge, title and address of each; ``observed`` says when the DNS was asked about all, ""
    where each says its own; ``domains`` has of each its anchor, its name and how many findings.
    """
    found = links.view.records
    groups: dict[tuple[str, ...], list[Domain]] = {}
    for domain in domains:
        groups.setdefault(tuple(dict.fromkeys(found[i]["rule"] for i in domain.findings)), []).append(domain)
    shown = []
    # Findings stand in order of severity, so that the least position is the worst.
    for codes, inside in sorted(groups.items(), key=lambda g: min(g[1][0].findings, default=len(found))):
        observed = [_observed(links.view, domain) for domain in inside]
        once = observed[0] if len(set(observed)) == 1 else ""
        names = [
            (d.anchor, d.name, ", ".join(filter(None, (_on_domain(d), "" if once else at))))
            for d, at in zip(inside, observed, strict=True)
        ]
        rules = [(badge(catalogue()[code].severity), title_of(code), links.rule(code)) for code in codes]
        shown.append({"rules": rules, "observed": once, "domains": names})
    return shown


def _observed(view: View, domain: Domain) -> str:
    if domain.test or not domain.rows or view.space.observation is None:
        return ""
    at = view.observed_at.get(domain.name)
    return format_text("DNS observé le {day}", day=at) if at else gettext("DNS jamais observé")


def _on_domain(domain: Domain) -> str:
    if domain.test:
        return gettext("entrée de test, mise à part")
    n = len(domain.findings)
    found = format_text("{n:constat}", n=n) if n else gettext("aucun constat")
    return found if domain.rows else format_text("{found}, pas dans la liste", found=found)


def domains_shown(view: View, domains: Sequence[Domain]) -> Shown:
    """Return an operator's domains for the files: its page groups them (`grouped`)."""
    names = ["domain", "list_rows", "test", "observed_at", "findings", "rules"]
    rows: list[tuple[Any, ...]] = []
    for d in domains:
        at, rules = view.observed_at.get(d.name), dict.fromkeys(view.records[i]["rule"] for i in d.findings)
        rows.append((d.name, d.rows, d.test, at and at.isoformat(), len(d.findings), list(rules)))
    return Shown("domaines", Html(), Values(names, list(range(len(names))), rows), len(domains))


def moves_shown(moves: pd.DataFrame) -> Shown:
    """Return changes of certificates (`mssante_audit.verdicts.presented`) as a table."""
    rows = [
        (
            Cell(day(move["at"]), move["at"].isoformat()),
            Cell(data(move["host"], 200)),
            Cell(names("certificate_changes")[move["kind"]]),
            number_cell(move["spare"]),
            Cell(names("certificate_orders")[move["order"]]),
            Cell(data(move["after"], 200) if move["kind"] == "replaced" else ""),
        )
        for move in moves.head(ROWS).to_dict("records")
    ]
    columns = (
        "Vu le", "Serveur", "Changement", "Jours restants à l’ancien", "Liste et serveur", "Nouveau nom",
    )  # fmt: skip
    caption = format_text("{n:changement} de certificat, le dernier en tête", n=len(moves))
    return _shown("certificats", caption, columns, rows, moves)


def operators_shown(links: SiteLinks, operators: Sequence[Operator]) -> Shown:
    """Return all operators as a table: domains, findings by severity, dossier."""
    dossiers = any(operator.dossier for operator in operators)
    rows, records = [], []
    for operator in operators:
        numbers = (len(operator.domains), *operator.counts.values(), sum(operator.new.values()))
        records.append((operator.id, operator.name, *numbers))
        last = [Cell(macro("site.dossier", links.dossier(operator.id)))] if dossiers else []
        rows.append([operator_cell(operator.id, operator.name, links), *map(number_cell, numbers), *last])
    columns = ("Opérateur", "Domaines", *SEVERITY_COLUMNS, "Nouveaux", *(("Dossier",) if dossiers else ()))
    frame = pd.DataFrame(records, columns=["operator_id", "operator", "domains", *_NUMBERS])
    return _shown("liste", "Opérateurs, ceux à regarder d’abord en tête", columns, rows, frame)


def rules_shown(links: SiteLinks, rules: Sequence[Rule], *, name: str, caption: str) -> Shown:
    """Return rules as a table: severity, findings, new ones, operators concerned."""
    view = links.view
    found = view.findings.groupby("rule", observed=True)
    new = view.findings["rule"].iloc[sorted(view.new)].value_counts()
    totals, operators = found.size(), found["operator_id"].nunique()
    rows, records = [], []
    for rule in rules:
        total, fresh, of = (int(counts.get(rule.code, 0)) for counts in (totals, new, operators))
        blind = Cell(gettext("non vérifié"), total)
        rows.append(
            (
                severity_cell(rule.severity),
                rule_cell(rule.code, links),
                Cell(title_of_audit(rule.audit)),
                blind if rule.audit in view.missing else number_cell(total),
                number_cell(fresh),
                number_cell(of),
            )
        )
        records.append((rule.code, rule.severity, rule.audit, localized(rule, "title"), total, fresh, of))
    columns = ("Gravité", "Règle", "Audit", "Constats", "Nouveaux", "Opérateurs")
    names = ["rule", "severity", "audit", "title", "findings", "new", "operators"]
    return _shown(name, caption, columns, rows, pd.DataFrame(records, columns=names))


def audits_shown(links: SiteLinks) -> Shown:
    """Return the audits as a table: findings by severity, new ones; unknown where it could not be made."""
    view = links.view
    whose = view.findings["audit"]
    new = whose.iloc[sorted(view.new & view.todo)].value_counts()
    rows, records = [], []
    for audit in audits():
        numbers = (*severity_counts(view.findings[whose == audit]).values(), int(new.get(audit, 0)))
        blind = [Cell(gettext("inconnu"), n) for n in numbers]
        title = macro("findings.linked", f"{links.root}audits/{audit}.html", title_of_audit(audit))
        rows.append([Cell(title), *(blind if audit in view.missing else map(number_cell, numbers))])
        records.append((audit, audit not in view.missing, *numbers))
    columns = ("Audit", *SEVERITY_COLUMNS, "Nouveaux")
    frame = pd.DataFrame(records, columns=["audit", "made", *_NUMBERS])
    return _shown("audits", "Constats par audit et par gravité", columns, rows, frame)


def causes_shown(links: SiteLinks) -> Shown:
    """Return the first causes, with links to rule, operator and dossier; the file has all."""
    causes = links.view.causes
    html = joined(cause_lines(causes, links), by_check(causes, links))
    return Shown("causes", html, values(causes), min(CAUSES, len(causes)))
