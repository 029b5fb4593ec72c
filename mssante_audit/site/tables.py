"""The tables of the site's pages, with links from page to page, and the frames beside them as files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

import pandas as pd

from mssante_audit.base.export import Values, values
from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import day, format_text, gettext, localized, translated, words_of
from mssante_audit.base.markup import data
from mssante_audit.findings.catalogue import SEVERITIES, Rule
from mssante_audit.findings.registry import audits, catalogue, title_of_audit
from mssante_audit.findings.trend import severity_counts
from mssante_audit.report import findings as cells
from mssante_audit.report.first import CAUSES, by_check, cause_lines
from mssante_audit.report.html import Html, joined, macro, names
from mssante_audit.report.tables import Cell, badge, number_cell, rows_table, severity_cell
from mssante_audit.site.view import Domain, Operator, View, anchor_of

ROWS = 200
"""Rows of a table that a page shows; all of them are in the files beside it."""
FOLDED = 50
"""Rows of information and hints that a page of many others shows still."""

_SEVERITIES = words_of("mssante_audit.base")["fr"]["severities"].values()
SEVERITY_COLUMNS = tuple(names.partition("|")[2].capitalize() for names in _SEVERITIES)
_NUMBERS = (*reversed(SEVERITIES), "new")


class Shown(NamedTuple):
    """A table of a page."""

    name: str
    """Its `id`, and part of the names of its files."""
    html: Html
    values: Values
    """Of all its rows, as they go into the files; `rows` is how many of them the page shows."""
    rows: int


def _shown(
    name: str, caption: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], frame: pd.DataFrame
) -> Shown:
    html = rows_table(name, caption, columns, rows) if rows else Html()
    return Shown(name, html, values(frame), len(rows))


@dataclass(frozen=True, slots=True)
class Tables(cells.Links):
    """The tables of a page, and where other pages are from there: `root` is "" at the top, else ``../``."""

    root: str
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

    def findings(
        self,
        positions: Sequence[int],
        name: str,
        caption: str,
        without: Sequence[str] = (),
        own: Mapping[int, Mapping[str, str]] | None = None,
    ) -> Shown:
        """Return findings, by their positions, information and hints folded below the others.

        Columns that the page makes needless are left out; `own` is what some are told with instead: of the
        domains of a finding, the one that the page is about.
        """
        view, own = self.view, own or {}
        columns = [c for c in (*cells.COLUMNS, *(["État"] if view.follow_up else [])) if c not in without]
        todo, rest = ([i for i in positions if (i in view.todo) == asks] for asks in (True, False))
        parts = todo[:ROWS], rest[: max(ROWS - len(todo), FOLDED)]
        first, away = ([{**view.records[i], **own.get(i, {})} for i in part] for part in parts)
        html = cells.finding_rows(name, caption, first, columns, self) if first else Html()
        if rest:
            called = format_text("{caption} (informations et indices)", caption=translated(caption))
            hints = sum(view.records[i]["confidence"] == "hint" for i in rest)
            table = cells.finding_rows(f"{name}-replies", called, away, columns, self)
            html = joined(html, cells.folded(table, len(rest), hints))
        every = view.exported._replace(rows=[view.exported.rows[i] for i in positions])
        return Shown(name, html, every, len(first) + len(away))

    def waived(self, positions: Sequence[int]) -> Shown:
        """Return waived findings by their positions."""
        frame = self.view.waived.iloc[list(positions)]
        columns = ("Gravité", "Constat", "Domaines", "Opérateur", "Accepté", "Jusqu’au")
        caption = "Constats acceptés : raison, responsable et échéance"
        found = frame.head(ROWS).to_dict("records")
        html = cells.finding_rows("acceptes", caption, found, columns, self) if found else Html()
        return Shown("acceptes", html, values(frame), len(found))

    def gone(self, gone: Sequence[Mapping[str, str]], name: str = "regles", caption: str = "") -> Shown:
        """Return findings that the run before had and this one has not."""
        rows = [
            (
                severity_cell(catalogue()[finding["rule"]].severity),
                cells.rule_cell(finding["rule"], self),
                cells.domain_cell({**finding, "domains": 1}, self),
                cells.operator_cell(finding["operator_id"], finding["operator"], self),
                Cell(day(parse_instant(finding["first_seen"])), finding["first_seen"]),
            )
            for finding in gone[:ROWS]
        ]
        columns = ("Gravité", "Constat", "Domaine", "Opérateur", "Constaté depuis le")
        frame = pd.DataFrame(gone, columns=["rule", "domain", "operator_id", "operator", "first_seen"])
        return _shown(name, caption or "Constats réglés depuis le passage précédent", columns, rows, frame)

    def domains(self, domains: Sequence[Domain]) -> Shown:
        """Return an operator's domains for the files: its page groups them (`grouped`)."""
        found, seen = self.view.records, self.view.observed_at
        columns = ["domain", "list_rows", "test", "observed_at", "findings", "rules"]
        rows = [
            (
                d.name,
                d.rows,
                d.test,
                (at := seen.get(d.name)) and at.isoformat(),
                len(d.findings),
                _rules(d, found),
            )
            for d in domains
        ]
        return Shown("domaines", Html(), Values(columns, list(range(len(columns))), rows), len(domains))

    def grouped(self, domains: Sequence[Domain]) -> Iterator[dict[str, Any]]:
        """Yield an operator's domains by the rules that found something on them, the worst first.

        Hundreds of domains often share their findings: said once, they are read sooner and weigh less. Of a
        group ``rules`` has the badge, title and address of each, ``domains`` anchor, name and what was found,
        ``observed`` when the DNS was asked about all, "" where each says its own.
        """
        found, view = self.view.records, self.view
        groups: dict[tuple[str, ...], list[Domain]] = {}
        for domain in domains:
            groups.setdefault(tuple(_rules(domain, found)), []).append(domain)
        # Findings stand in order of severity, so that the least position is the worst.
        for codes, inside in sorted(groups.items(), key=lambda g: min(g[1][0].findings, default=len(found))):
            observed, told = [], []
            for domain in inside:
                n, at = len(domain.findings), view.observed_at.get(domain.name)
                text = format_text("{n:constat}", n=n) if n else gettext("aucun constat")
                text = text if domain.rows else format_text("{found}, pas dans la liste", found=text)
                told.append(gettext("entrée de test, mise à part") if domain.test else text)
                asked = format_text("DNS observé le {day}", day=at) if at else gettext("DNS jamais observé")
                known = domain.rows and not domain.test and view.space.observation is not None
                observed.append(asked if known else "")
            once = observed[0] if len(set(observed)) == 1 else ""
            yield {
                "rules": [(badge(catalogue()[c].severity), cells.title_of(c), self.rule(c)) for c in codes],
                "observed": once,
                "domains": [
                    (anchor_of(d.name), d.name, ", ".join(filter(None, (text, "" if once else at))))
                    for d, text, at in zip(inside, told, observed, strict=True)
                ],
            }

    def moves(self, moves: pd.DataFrame) -> Shown:
        """Return changes of certificates (`mssante_audit.verdicts.presented`)."""
        kinds, orders = names("certificate_changes"), names("certificate_orders")
        rows = [
            (
                Cell(day(move["at"]), move["at"].isoformat()),
                Cell(data(move["host"], 200)),
                Cell(kinds[move["kind"]]),
                number_cell(move["spare"]),
                Cell(orders[move["order"]]),
                Cell(data(move["after"], 200) if move["kind"] == "replaced" else ""),
            )
            for move in moves.head(ROWS).to_dict("records")
        ]
        columns = (
            "Vu le", "Serveur", "Changement", "Jours restants à l’ancien", "Liste et serveur", "Nouveau nom",
        )  # fmt: skip
        caption = format_text("{n:changement} de certificat, le dernier en tête", n=len(moves))
        return _shown("certificats", caption, columns, rows, moves)

    def operators(self, operators: Sequence[Operator]) -> Shown:
        """Return all operators: domains, findings by severity, dossier."""
        dossiers = ("Dossier",) if any(operator.dossier for operator in operators) else ()
        rows, records = [], []
        for o in operators:
            numbers = (len(o.domains), *o.counts.values(), sum(o.new.values()))
            records.append((o.id, o.name, *numbers))
            last = [Cell(macro("site.dossier", self.dossier(o.id))) for _ in dossiers]
            rows.append([cells.operator_cell(o.id, o.name, self), *map(number_cell, numbers), *last])
        columns = ("Opérateur", "Domaines", *SEVERITY_COLUMNS, "Nouveaux", *dossiers)
        frame = pd.DataFrame(records, columns=["operator_id", "operator", "domains", *_NUMBERS])
        return _shown("liste", "Opérateurs, ceux à regarder d’abord en tête", columns, rows, frame)

    def rules(self, rules: Sequence[Rule], name: str, caption: str) -> Shown:
        """Return rules: severity, findings, new ones, operators concerned."""
        view, rows, records = self.view, [], []
        found = view.findings.groupby("rule", observed=True)["operator_id"]
        new = view.findings["rule"].iloc[sorted(view.new)].value_counts()
        counted = found.size(), new, found.nunique()
        for rule in rules:
            numbers = [int(counts.get(rule.code, 0)) for counts in counted]
            last = list(map(number_cell, numbers))
            if rule.audit in view.missing:
                last[0] = Cell(gettext("non vérifié"), numbers[0])
            audit = Cell(title_of_audit(rule.audit))
            rows.append((severity_cell(rule.severity), cells.rule_cell(rule.code, self), audit, *last))
            records.append((rule.code, rule.severity, rule.audit, localized(rule, "title"), *numbers))
        columns = ("Gravité", "Règle", "Audit", "Constats", "Nouveaux", "Opérateurs")
        kept = ["rule", "severity", "audit", "title", "findings", "new", "operators"]
        return _shown(name, caption, columns, rows, pd.DataFrame(records, columns=kept))

    def audits(self) -> Shown:
        """Return the audits: findings by severity, new ones; unknown where it could not be made."""
        view, rows, records = self.view, [], []
        whose = view.findings["audit"]
        new = whose.iloc[sorted(view.fresh)].value_counts()
        for audit in audits():
            numbers = (*severity_counts(view.findings[whose == audit]).values(), int(new.get(audit, 0)))
            blind = [Cell(gettext("inconnu"), n) for n in numbers]
            title = macro("findings.linked", f"{self.root}audits/{audit}.html", title_of_audit(audit))
            rows.append([Cell(title), *(blind if audit in view.missing else map(number_cell, numbers))])
            records.append((audit, audit not in view.missing, *numbers))
        columns = ("Audit", *SEVERITY_COLUMNS, "Nouveaux")
        frame = pd.DataFrame(records, columns=["audit", "made", *_NUMBERS])
        return _shown("audits", "Constats par audit et par gravité", columns, rows, frame)

    def causes(self) -> Shown:
        """Return the first causes, with links to rule, operator and dossier; the file has all."""
        causes = self.view.causes
        html = joined(cause_lines(causes, self), by_check(causes, self))
        return Shown("causes", html, values(causes), min(CAUSES, len(causes)))

    def runs(self) -> Shown:
        """Return the numbers of each run, the last one first."""
        kept = ["new", "open", "fixed", "waived", "unknown"]
        runs = [(p.at, *p.counts.values(), *(getattr(p, n) for n in kept)) for p in self.view.points]
        rows = [
            (Cell(day(parse_instant(at)), at), *map(number_cell, numbers))
            for at, *numbers in reversed(runs[-ROWS:])
        ]
        columns = ("Passage", *SEVERITY_COLUMNS, "Nouveaux", "Ouverts", "Réglés", "Acceptés", "Inconnus")
        frame = pd.DataFrame(runs, columns=["at", *reversed(SEVERITIES), *kept])
        html = rows_table("evolution", "Constats par gravité à chaque passage", columns, rows)
        return Shown("evolution", html, values(frame), len(rows))


def _rules(domain: Domain, found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the rules that found something on a domain, each once."""
    return list(dict.fromkeys(found[i]["rule"] for i in domain.findings))
