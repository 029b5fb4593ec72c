"""The tables of the site's pages, with links from page to page, and the frames beside them as files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
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
from mssante_audit.whitelist.rows import grouped

ROWS = 200  # rows of a table that a page shows; all of them are in the files beside it
FOLDED = 50  # rows of information and hints that a page of many others shows still

Record = Mapping[Any, Any]
Column = Callable[[Record], Cell] | str  # what makes a cell of a record, or whose number it shows

_SEVERITIES = words_of("mssante_audit.base")["fr"]["severities"].values()
_HEADINGS = (names.partition("|")[2].capitalize() for names in _SEVERITIES)
# Columns of numbers of findings, by heading.
_NUMBERS = dict(zip((*_HEADINGS, "Nouveaux"), (*reversed(SEVERITIES), "new"), strict=True))


class Shown(NamedTuple):
    """A table of a page."""

    name: str  # its `id`, and part of the names of its files
    html: Html
    values: Values  # of all its rows, as they go into the files
    rows: int  # how many of these the page shows


def _table(
    name: str,
    caption: str,
    columns: Mapping[str, Column],
    frame: pd.DataFrame,
    rows: pd.DataFrame | None = None,
) -> Shown:
    """Return a table of the rows of a frame, or of other `rows` than those that go into the files."""
    records = (frame if rows is None else rows).to_dict("records")
    cells = [[number_cell(r[c]) if isinstance(c, str) else c(r) for c in columns.values()] for r in records]
    return Shown(name, rows_table(name, caption, list(columns), cells), values(frame), len(records))


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
        operator = self.view.operators.get(operator_id)
        return f"{self.root}{operator.page}" if operator else ""

    def domain(self, domain: str, operator_id: str) -> str:
        """Return the address of a domain on the page of its operator, or of another that bears it."""
        bearers = self.view.bearers.get(domain)
        if not bearers:
            return ""
        return f"{self.operator(operator_id if operator_id in bearers else bearers[0])}#{anchor_of(domain)}"

    def dossier(self, operator_id: str) -> str:
        """Return the address of an operator's dossier, "" if there is none."""
        operator = self.view.operators.get(operator_id)
        return f"{self.root}{quote(operator.dossier)}" if operator and operator.dossier else ""

    def findings(
        self,
        positions: Sequence[int],
        name: str,
        caption: str,
        without: Sequence[str] = (),
        instead: Mapping[int, Mapping[str, str]] | None = None,
    ) -> Shown:
        """Return findings, by their positions, information and hints folded below the others.

        Columns that the page makes needless are left out; `instead` is what some are shown with: of the
        domains of a finding, the one that the page is about.
        """
        view, instead = self.view, instead or {}
        columns = [c for c in (*cells.COLUMNS, *(["État"] if view.follow_up else [])) if c not in without]
        todo, rest = ([i for i in positions if (i in view.todo) == asks] for asks in (True, False))
        parts = todo[:ROWS], rest[: max(ROWS - len(todo), FOLDED)]
        first, away = ([{**view.records[i], **instead.get(i, {})} for i in part] for part in parts)
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
        shown = frame.head(ROWS).to_dict("records")
        html = cells.finding_rows("acceptes", caption, shown, columns, self) if shown else Html()
        return Shown("acceptes", html, values(frame), len(shown))

    def gone(self, gone: Sequence[Record], name: str = "regles", caption: str = "") -> Shown:
        """Return findings that the run before had and this one has not."""
        columns: dict[str, Column] = {
            "Gravité": lambda f: severity_cell(catalogue()[f["rule"]].severity),
            "Constat": lambda f: cells.rule_cell(f["rule"], self),
            "Domaine": lambda f: cells.domain_cell({**f, "domains": 1}, self),
            "Opérateur": self._operator_cell,
            "Constaté depuis le": lambda f: Cell(day(parse_instant(f["first_seen"])), f["first_seen"]),
        }
        frame = pd.DataFrame(gone, columns=["rule", "domain", "operator_id", "operator", "first_seen"])
        caption = caption or "Constats réglés depuis le passage précédent"
        return _table(name, caption, columns, frame, frame.head(ROWS))

    def _operator_cell(self, record: Record) -> Cell:
        return cells.operator_cell(record["operator_id"], record["operator"], self)

    def domains(self, domains: Sequence[Domain]) -> Shown:
        """Return an operator's domains for the files: its page groups them (`grouped`)."""
        columns = ["domain", "list_rows", "test", "observed_at", "findings", "rules"]
        rows: list[tuple[Any, ...]] = []
        for d in domains:
            at = self.view.observed_at.get(d.name)
            rows.append((d.name, d.rows, d.test, at and at.isoformat(), len(d.findings), [*d.rules]))
        return Shown("domaines", Html(), Values(columns, list(range(len(columns))), rows), len(domains))

    def grouped(self, domains: Sequence[Domain]) -> Iterator[dict[str, Any]]:
        """Yield an operator's domains by the rules that found something on them, the worst first.

        Hundreds of domains often share their findings: said once, they are read sooner and weigh less. Of a
        group ``rules`` has the badge, title and address of each, ``domains`` anchor, name and what was found,
        ``observed`` when the DNS was asked about all, "" where each says its own.
        """
        groups = grouped((domain.rules, domain) for domain in domains)
        # Findings stand in order of severity, so that the least position is the worst.
        last = len(self.view.records)
        for codes, inside in sorted(groups.items(), key=lambda g: min(g[1][0].findings, default=last)):
            outcomes = list(map(self._outcome, inside))
            once = outcomes[0][1] if len({asked for _, asked in outcomes}) == 1 else ""
            yield {
                "rules": [(badge(catalogue()[c].severity), cells.title_of(c), self.rule(c)) for c in codes],
                "observed": once,
                "domains": [
                    (anchor_of(d.name), d.name, ", ".join(filter(None, (text, "" if once else asked))))
                    for d, (text, asked) in zip(inside, outcomes, strict=True)
                ],
            }

    def _outcome(self, domain: Domain) -> tuple[str, str]:
        """Say what was found on a domain, and when the DNS was asked about it."""
        if domain.test:
            return gettext("entrée de test, mise à part"), ""
        n, at = len(domain.findings), self.view.observed_at.get(domain.name)
        text = format_text("{n:constat}", n=n) if n else gettext("aucun constat")
        if not domain.rows:
            return format_text("{found}, pas dans la liste", found=text), ""
        asked = format_text("DNS observé le {day}", day=at) if at else gettext("DNS jamais observé")
        return text, asked if self.view.space.observation is not None else ""

    def moves(self, moves: pd.DataFrame) -> Shown:
        """Return changes of certificates (`mssante_audit.verdicts.presented`)."""
        kinds, orders = names("certificate_changes"), names("certificate_orders")
        columns: dict[str, Column] = {
            "Vu le": lambda move: Cell(day(move["at"]), move["at"].isoformat()),
            "Serveur": lambda move: Cell(data(move["host"], 200)),
            "Changement": lambda move: Cell(kinds[move["kind"]]),
            "Jours restants à l’ancien": "spare",
            "Liste et serveur": lambda move: Cell(orders[move["order"]]),
            "Nouveau nom": lambda move: Cell(data(move["after"], 200) if move["kind"] == "replaced" else ""),
        }
        caption = format_text("{n:changement} de certificat, le dernier en tête", n=len(moves))
        return _table("certificats", caption, columns, moves, moves.head(ROWS))

    def operators(self, operators: Sequence[Operator]) -> Shown:
        """Return all operators: domains, findings by severity, dossier."""
        numbers = ((len(o.domains), *o.counts.values(), sum(o.new.values())) for o in operators)
        rows = [(o.id, o.name, *counts) for o, counts in zip(operators, numbers, strict=True)]
        frame = pd.DataFrame(rows, columns=["operator_id", "operator", "domains", *_NUMBERS.values()])
        columns: dict[str, Column] = {"Opérateur": self._operator_cell, "Domaines": "domains"}
        columns |= _NUMBERS
        if any(operator.dossier for operator in operators):
            columns["Dossier"] = lambda o: Cell(macro("site.dossier", self.dossier(o["operator_id"])))
        return _table("liste", "Opérateurs, ceux à regarder d’abord en tête", columns, frame)

    def rules(self, rules: Sequence[Rule], name: str, caption: str) -> Shown:
        """Return rules: severity, findings, new ones, operators concerned."""
        findings = self.view.findings
        operators, new = findings.groupby("rule", observed=True)["operator_id"], sorted(self.view.new)
        counted = operators.size(), findings["rule"].iloc[new].value_counts(), operators.nunique()
        rows = [
            (r.code, r.severity, r.audit, localized(r, "title"), *(int(n.get(r.code, 0)) for n in counted))
            for r in rules
        ]
        kept = ["rule", "severity", "audit", "title", "findings", "new", "operators"]
        columns: dict[str, Column] = {
            "Gravité": lambda rule: severity_cell(rule["severity"]),
            "Règle": lambda rule: cells.rule_cell(rule["rule"], self),
            "Audit": lambda rule: Cell(title_of_audit(rule["audit"])),
            "Constats": partial(self._unless_missing, "findings", "non vérifié"),
            "Nouveaux": "new",
            "Opérateurs": "operators",
        }
        return _table(name, caption, columns, pd.DataFrame(rows, columns=kept))

    def _unless_missing(self, kind: str, unknown: str, record: Record) -> Cell:
        """Return a number, or that it is unknown as the audit could not be made."""
        missing, number = record["audit"] in self.view.missing, record[kind]
        return Cell(gettext(unknown), number) if missing else number_cell(number)

    def audits(self) -> Shown:
        """Return the audits: findings by severity, new ones; unknown where it could not be made."""
        view, whose = self.view, self.view.findings["audit"]
        new = whose.iloc[sorted(view.fresh)].value_counts()
        counts = ((a, severity_counts(view.findings[whose == a]), int(new.get(a, 0))) for a in audits())
        rows = [(audit, audit not in view.missing, *of.values(), n) for audit, of, n in counts]

        def title(record: Record) -> Cell:
            address = f"{self.root}audits/{record['audit']}.html"
            return Cell(macro("findings.linked", address, title_of_audit(record["audit"])))

        columns: dict[str, Column] = {"Audit": title}
        for heading, kind in _NUMBERS.items():
            columns[heading] = partial(self._unless_missing, kind, "inconnu")
        frame = pd.DataFrame(rows, columns=["audit", "made", *_NUMBERS.values()])
        return _table("audits", "Constats par audit et par gravité", columns, frame)

    def causes(self) -> Shown:
        """Return the first causes, with links to rule, operator and dossier; the file has all."""
        causes = self.view.causes
        html = joined(cause_lines(causes, self), by_check(causes, self))
        return Shown("causes", html, values(causes), min(CAUSES, len(causes)))

    def runs(self) -> Shown:
        """Return the numbers of each run, the last one first; in the files the first one."""
        kept = {"Ouverts": "open", "Réglés": "fixed", "Acceptés": "waived", "Inconnus": "unknown"}
        numbers, points = {**_NUMBERS, **kept}, self.view.points
        frame = pd.DataFrame([{**asdict(p), **p.counts} for p in points], columns=["at", *numbers.values()])
        columns: dict[str, Column] = {"Passage": lambda run: Cell(day(parse_instant(run["at"])), run["at"])}
        columns |= numbers
        newest, caption = frame.iloc[: -ROWS - 1 : -1], "Constats par gravité à chaque passage"
        return _table("evolution", caption, columns, frame, newest)
