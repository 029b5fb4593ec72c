"""The tables of the site's pages, with links from page to page, and the frames beside them as files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

import pandas as pd

from mssante_audit.base.export import Values, values
from mssante_audit.base.language import count, format_text, gettext, localized, words_of
from mssante_audit.findings.catalogue import SEVERITIES, Rule
from mssante_audit.findings.registry import audits, catalogue, rule, title_of_audit
from mssante_audit.findings.trend import severity_counts
from mssante_audit.report.certificates import worded_moves
from mssante_audit.report.findings import COLUMNS, WAIVED, FindingRow, Links, finding_rows, folded, title_of
from mssante_audit.report.first import CAUSES, by_check, cause_lines
from mssante_audit.report.html import Html, joined, macro
from mssante_audit.report.tables import Cell, badge
from mssante_audit.site.view import Domain, Operator, View, anchor_of
from mssante_audit.whitelist.rows import grouped

ROWS = 200  # rows of a table that a page shows; all of them are in the files beside it
FOLDED = 50  # rows of information and hints that a page of many others shows still

_SEVERITIES = words_of("mssante_audit.base")["fr"]["severities"].values()
_HEADINGS = (names.partition("|")[2].capitalize() for names in _SEVERITIES)
# Columns of numbers of findings, by heading.
_NUMBERS = dict(zip((*_HEADINGS, "Nouveaux"), (*reversed(SEVERITIES), "new"), strict=True))


class PageTable(NamedTuple):
    """A table of a page."""

    name: str  # its `id`, and part of the names of its files
    html: Html
    values: Values  # of all its rows, as they go into the files
    rows: int  # how many of these the page shows


@dataclass(frozen=True, slots=True)
class Tables(Links):
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
    ) -> PageTable:
        """Return findings, by their positions, information and hints folded below the others.

        Columns that the page makes needless are left out; `instead` is what some are shown with: of the
        domains of a finding, the one that the page is about.
        """
        view, instead = self.view, instead or {}
        headings = COLUMNS | ({"État": "status"} if view.follow_up else {})
        columns = {heading: column for heading, column in headings.items() if heading not in without}
        todo, rest = ([i for i in positions if (i in view.todo) == is_todo] for is_todo in (True, False))
        parts = todo[:ROWS], rest[: max(ROWS - len(todo), FOLDED)]
        first, hidden = ([{**view.records[i], **instead.get(i, {})} for i in part] for part in parts)
        html = finding_rows(name, caption, first, columns, self) if first else Html()
        if rest:
            show = partial(finding_rows, records=hidden, columns=columns, links=self)
            hints = sum(view.records[i]["confidence"] == "hint" for i in rest)
            html = joined(html, folded(show, name, caption, len(rest), hints))
        exported = view.exported._replace(rows=[view.exported.rows[i] for i in positions])
        return PageTable(name, html, exported, len(first) + len(hidden))

    def waived(self, positions: Sequence[int]) -> PageTable:
        """Return waived findings by their positions."""
        frame = self.view.waived.iloc[list(positions)]
        columns = {h: c for h, c in COLUMNS.items() if c not in ("observed", "where")} | WAIVED
        caption = "Constats acceptés : raison, responsable et échéance"
        return self._table("acceptes", caption, columns, frame, frame.head(ROWS))

    def _table(
        self, name: str, caption: str, columns: Mapping[str, str], frame: pd.DataFrame, rows: pd.DataFrame
    ) -> PageTable:
        """Return a table of `rows`, its columns by their headings; the rows of `frame` go into the files."""
        html = finding_rows(name, caption, rows.to_dict("records"), columns, self)
        return PageTable(name, html, values(frame), len(rows))

    def earlier(self, earlier: Sequence[FindingRow], name: str = "regles", caption: str = "") -> PageTable:
        """Return findings that the run before had and this one has not."""
        columns = {
            "Gravité": "severity", "Constat": "rule", "Domaine": "domain", "Opérateur": "operator",
            "Constaté depuis le": "first_seen",
        }  # fmt: skip
        frame = pd.DataFrame(earlier, columns=["rule", "domain", "operator_id", "operator", "first_seen"])
        rows = frame.head(ROWS).assign(severity=lambda rows: [rule(code).severity for code in rows["rule"]])
        caption = caption or "Constats réglés depuis le passage précédent"
        return self._table(name, caption, columns, frame, rows)

    def domains(self, domains: Sequence[Domain]) -> PageTable:
        """Return an operator's domains for the files: its page groups them (`grouped`)."""
        observed = self.view.observed_at
        rows = [(d.name, d.rows, d.test, observed.get(d.name), len(d.findings), d.rules) for d in domains]
        columns = ["domain", "list_rows", "test", "observed_at", "findings", "rules"]
        return PageTable("domaines", Html(), values(pd.DataFrame(rows, columns=columns)), len(domains))

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
            shared = outcomes[0][1] if len({when for _, when in outcomes}) == 1 else ""
            yield {
                "rules": [(badge(catalogue()[c].severity), title_of(c), self.rule(c)) for c in codes],
                "observed": shared,
                "domains": [
                    (anchor_of(d.name), d.name, ", ".join(filter(None, (text, "" if shared else when))))
                    for d, (text, when) in zip(inside, outcomes, strict=True)
                ],
            }

    def _outcome(self, domain: Domain) -> tuple[str, str]:
        """Say what was found on a domain, and when the DNS was asked about it."""
        if domain.test:
            return gettext("entrée de test, mise à part"), ""
        n, at = len(domain.findings), self.view.observed_at.get(domain.name)
        text = count(n, "constat") if n > len(domain.rules) else ""  # else the group says it
        if not domain.rows:
            return ", ".join(filter(None, (text, gettext("pas dans la liste")))), ""
        when = format_text("DNS observé le {day}", day=at) if at else gettext("DNS jamais observé")
        return text, when if self.view.space.observation is not None else ""

    def moves(self, moves: pd.DataFrame) -> PageTable:
        """Return changes of certificates (`mssante_audit.verdicts.presented`)."""
        columns = {
            "Vu le": "at", "Serveur": "host", "Changement": "kind", "Jours restants à l’ancien": "spare",
            "Liste et serveur": "order", "Nouveau nom": "after",
        }  # fmt: skip
        caption = format_text("{n:changement} de certificat, le dernier en tête", n=len(moves))
        return self._table("certificats", caption, columns, moves, worded_moves(moves).head(ROWS))

    def operators(self, operators: Sequence[Operator]) -> PageTable:
        """Return all operators: domains, findings by severity, dossier."""
        numbers = ((len(o.domains), *o.counts.values(), sum(o.new.values())) for o in operators)
        rows = [(o.id, o.name, *counts) for o, counts in zip(operators, numbers, strict=True)]
        frame = pd.DataFrame(rows, columns=["operator_id", "operator", "domains", *_NUMBERS.values()])
        columns = {"Opérateur": "operator", "Domaines": "domains", **_NUMBERS}
        dossiers = pd.Series([macro("site.dossier", self.dossier(o.id)) for o in operators], dtype="object")
        if any(operator.dossier for operator in operators):
            columns["Dossier"] = "dossier"
        caption = "Opérateurs, ceux à regarder d’abord en tête"
        return self._table("liste", caption, columns, frame, frame.assign(dossier=dossiers))

    def rules(self, rules: Sequence[Rule], name: str, caption: str) -> PageTable:
        """Return rules: severity, findings, new ones, operators concerned."""
        findings = self.view.findings
        operators, new = findings.groupby("rule", observed=True)["operator_id"], sorted(self.view.new)
        counted = operators.size(), findings["rule"].iloc[new].value_counts(), operators.nunique()
        rows = [
            (r.code, r.severity, r.audit, localized(r, "title"), *(int(n.get(r.code, 0)) for n in counted))
            for r in rules
        ]
        keys = ["rule", "severity", "audit", "title", "findings", "new", "operators"]
        columns = {
            "Gravité": "severity", "Règle": "rule", "Audit": "audit", "Constats": "findings",
            "Nouveaux": "new", "Opérateurs": "operators",
        }  # fmt: skip
        frame = pd.DataFrame(rows, columns=keys)
        return self._table(name, caption, columns, frame, self._titled(frame, ("findings",), "non vérifié"))

    def audits(self) -> PageTable:
        """Return the audits: findings by severity, new ones; unknown where it could not be made."""
        view, column = self.view, self.view.findings["audit"]
        new = column.iloc[sorted(view.fresh)].value_counts()
        counts = ((a, severity_counts(view.findings[column == a]), int(new.get(a, 0))) for a in audits())
        rows = [(audit, audit not in view.missing, *numbers.values(), n) for audit, numbers, n in counts]
        frame = pd.DataFrame(rows, columns=["audit", "made", *_NUMBERS.values()])
        pages = ((f"{self.root}audits/{name}.html", title_of_audit(name)) for name in frame["audit"])
        table = self._titled(frame, _NUMBERS.values(), "inconnu")
        table["audit"] = pd.Series([macro("findings.linked", *page) for page in pages], dtype="object")
        caption = "Constats par audit et par gravité"
        return self._table("audits", caption, {"Audit": "audit", **_NUMBERS}, frame, table)

    def _titled(self, frame: pd.DataFrame, numbers: Iterable[str], unknown: str) -> pd.DataFrame:
        """Return a frame with audits by title, and no numbers of those that could not be made."""
        labels, unmade = frame["audit"].tolist(), Cell(gettext(unknown), 0)
        columns: dict[str, list[Any]] = {"audit": list(map(title_of_audit, labels))}
        for n in numbers:
            counts = zip(labels, frame[n].tolist(), strict=True)
            columns[n] = [unmade if name in self.view.missing else count for name, count in counts]
        return frame.assign(**pd.DataFrame(columns, dtype="object"))

    def causes(self) -> PageTable:
        """Return the first causes, with links to rule, operator and dossier; the file has all."""
        causes = self.view.causes
        html = joined(cause_lines(causes, self), by_check(causes, self))
        return PageTable("causes", html, values(causes), min(CAUSES, len(causes)))

    def runs(self) -> PageTable:
        """Return the numbers of each run, the last one first; in the files the first one."""
        states = {"Ouverts": "open", "Réglés": "fixed", "Acceptés": "waived", "Inconnus": "unknown"}
        numbers, points = {**_NUMBERS, **states}, self.view.points
        frame = pd.DataFrame([{**asdict(p), **p.counts} for p in points], columns=["at", *numbers.values()])
        newest, caption = frame.iloc[: -ROWS - 1 : -1], "Constats par gravité à chaque passage"
        return self._table("evolution", caption, {"Passage": "at", **numbers}, frame, newest)
