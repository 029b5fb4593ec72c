"""What the site's pages tell of: the findings by operator and domain, the reports and dossiers there are.

Nothing here is HTML. Names of files and anchors are made of identifiers that were checked, or of a hash.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.audits import lacking
from mssante_audit.base.digest import digest
from mssante_audit.base.export import Values, records, values
from mssante_audit.base.language import current_language
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.causes import actionable, asking, causes
from mssante_audit.findings.ledger import FollowUp
from mssante_audit.findings.places import places_from
from mssante_audit.findings.registry import catalogue, known_needs
from mssante_audit.findings.trend import Point
from mssante_audit.report.first import with_contacts
from mssante_audit.report.results import provenance
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import domains, doubts
from mssante_audit.verdicts.presented import renewals
from mssante_audit.whitelist.rows import grouped

_IDENTIFIER = re.compile(r"[0-9][0-9A-Z]{2,19}")
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_TITLE = re.compile(r"<h1>(.*?)</h1>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Domain:
    """One domain of an operator."""

    name: str
    anchor: str
    """On the operator's page."""
    findings: tuple[int, ...]
    """Positions in the frame of findings."""
    rows: int
    """In the list, test entries included; 0 if it is not listed."""
    test: bool
    """Whether all of these are test entries, which audits pass over."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of the list or of the register; the one without identifier stands for all such rows."""

    id: str
    name: str
    """The one that most of its rows bear."""
    other_names: tuple[str, ...]
    page: str
    """Path in the site."""
    domains: tuple[Domain, ...]
    findings: tuple[int, ...]
    """Positions in the frame of findings of those that touch one of its rows."""
    todo: int
    """How many of them ask for something: no information, no hints."""
    counts: Mapping[str, int]
    """Findings by severity, worst first; hints are information."""
    new: Mapping[str, int]
    """New ones that ask for something, by severity."""
    waived: tuple[int, ...]
    """Positions in the frame of waived findings."""
    dossier: str
    """Path in the site, "" if there is none."""


@dataclass(frozen=True, slots=True)
class ReportLink:
    """One report that goes into the site."""

    title: str
    page: str
    """Path in the site."""
    failed: bool


@dataclass(frozen=True)
class View:
    """All that the site tells of."""

    space: TrustSpace
    findings: pd.DataFrame
    waived: pd.DataFrame
    follow_up: FollowUp | None
    """``None`` also if there is no run before."""
    points: tuple[Point, ...]
    operators: Mapping[str, Operator]
    """By identifier, in order of name."""
    reports: tuple[ReportLink, ...]
    missing: Mapping[str, str]
    """Audits that could not be made, and what lacks for each."""
    provenance: Mapping[str, Any]

    @cached_property
    def domains(self) -> pd.DataFrame:
        """What is known of each domain."""
        return domains(self.space)

    @cached_property
    def observed_at(self) -> Mapping[str, datetime]:
        """When the DNS was last asked about each domain's mail; without those never asked about."""
        observed = self.domains[self.domains["observed_at"].notna()]
        return dict(zip(observed["domain"], observed["observed_at"].dt.to_pydatetime(), strict=True))

    @cached_property
    def causes(self) -> pd.DataFrame:
        """What is to be put right, in order."""
        unsure = doubts(self.space, self.findings, self.domains)
        found = causes(self.findings, self.space.audited, self.space.published, unsure)
        return with_contacts(found, self.space).assign(domain=list(map(self.space.shown, found["domain"])))

    @cached_property
    def todo(self) -> frozenset[int]:
        """Positions of the findings that ask for something; pages fold the others."""
        return frozenset(actionable(self.findings).index)

    @cached_property
    def bearers(self) -> Mapping[str, list[str]]:
        """The operators that bear each domain."""
        return grouped(
            (d.name, operator.id) for operator in self.operators.values() for d in operator.domains
        )

    @cached_property
    def moves(self) -> Mapping[str, pd.DataFrame]:
        """The changes of certificates on the servers of each operator that has any, the last one first."""
        moved, rows = renewals(self.space), self.space.audited
        whose = rows.drop_duplicates(["domain", "operator_id"]).groupby("domain")["operator_id"].agg(list)
        found: defaultdict[str, list[int]] = defaultdict(list)
        for at, names in enumerate(moved["domains"]):
            for operator in dict.fromkeys(one for name in names for one in whose.get(name, ())):
                found[operator].append(at)
        return {
            operator: moved.iloc[positions[::-1]].reset_index(drop=True)
            for operator, positions in found.items()
        }

    @cached_property
    def fixed(self) -> list[dict[str, str]]:
        """What the run before found and this one does not, with `operator_id` where one bears that name."""
        return self._gone(self.follow_up.fixed if self.follow_up else ())

    @cached_property
    def lost(self) -> list[dict[str, str]]:
        """What the run before found and this one could not look for, likewise."""
        return self._gone(self.follow_up.unknown if self.follow_up else ())

    def _gone(self, gone: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
        operators = self.operators.values()
        named = grouped((name, o.id) for o in operators for name in (o.name, *o.other_names))
        return [
            {"operator_id": ids[0] if len(ids := named.get(f["operator"], [])) == 1 else "", **f}
            for f in gone
            if f["rule"] in catalogue()
        ]

    @cached_property
    def exported(self) -> Values:
        """The findings as they go into files; with `first_seen` and `status` if there is a run before."""
        known, frame = self.follow_up, self.findings
        since = {} if known is None else {"first_seen": list(known.first_seen), "status": list(known.status)}
        return values(frame.assign(**since))

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The findings one by one, with all that is known of them."""
        return [{**found, "where": places_from(found["where"])} for found in records(self.exported)]

    @cached_property
    def new(self) -> frozenset[int]:
        """Positions of the findings that the run before did not have."""
        return _of_status(self.follow_up, "new")

    @cached_property
    def unknown(self) -> frozenset[int]:
        """Positions of the findings that rest on an input in doubt."""
        return _of_status(self.follow_up, "unknown")

    @property
    def settled(self) -> list[dict[str, str]]:
        """Those of `fixed` that asked for something."""
        return [f for f in self.fixed if asking(f["rule"])]

    def first(self) -> list[Operator]:
        """Return the operators that something is asked of: worst severity first, new before known ones."""
        found = [operator for operator in self.operators.values() if operator.todo]
        return sorted(found, key=lambda o: ([(-o.new[s], -n) for s, n in o.counts.items()], o.name))


def _of_status(follow_up: FollowUp | None, wanted: str) -> frozenset[int]:
    return frozenset(i for i, status in enumerate(follow_up.status if follow_up else ()) if status == wanted)


def view_of(
    space: TrustSpace,
    findings: pd.DataFrame,
    waived: pd.DataFrame,
    told: FollowUp | None,
    points: Sequence[Point],
    reports: Path | None,
    dossiers: Path | None,
) -> View:
    """Return what the site tells of; parameters as in `mssante_audit.site.build.build_site`."""
    findings = findings.reset_index(drop=True)
    told = told if told and told.previous else None
    return View(
        space,
        findings,
        waived.reset_index(drop=True),
        told,
        tuple(points),
        _operators(
            space, findings, waived, _of_status(told, "new"), dossiers_in(dossiers) if dossiers else {}
        ),
        reports_in(reports) if reports else (),
        {name: known_needs()[needs[0]][current_language()] for name, needs in lacking(space).items()},
        provenance(space),
    )


def page_name(identifier: str) -> str:
    """Return the name of an operator's page, without suffix: its identifier if it is one, or else a hash.

    >>> page_name("1010100000"), page_name("")
    ('1010100000', 'sans-identifiant')
    >>> page_name("../x").startswith("autre-"), page_name("CON") == page_name("con")
    (True, False)
    """
    if _IDENTIFIER.fullmatch(identifier):
        return identifier
    return f"autre-{digest(identifier)[:16]}" if identifier else "sans-identifiant"


def anchor_of(domain: str) -> str:
    """Return the anchor of a domain on its operator's page.

    >>> anchor_of("ch-xyz.mssante.fr"), anchor_of("<b>")[:2]
    ('d-ch-xyz.mssante.fr', 'x-')
    """
    return f"d-{domain}" if _DOMAIN.fullmatch(domain) else f"x-{digest(domain)[:16]}"


def _operators(
    space: TrustSpace,
    findings: pd.DataFrame,
    waived: pd.DataFrame,
    new: frozenset[int],
    dossiers: Mapping[str, str],
) -> dict[str, Operator]:
    entries = space.entries  # names as the findings have them
    entries = entries.assign(**{n: list(map(space.shown, entries[n])) for n in ("domain", "operator")})
    touched, of_domain = _touched(entries, findings)
    accepted, _ = _touched(entries, waived)
    domains = _domains(entries, of_domain)
    hint = findings["confidence"] == "hint"
    severities = findings["severity"].astype(str).where(~hint, "info").tolist()
    operators = []
    for identifier, bearing in _names(entries, findings, waived).items():
        ranked = [name for name, _ in bearing.most_common() if name]
        found = tuple(sorted(touched[identifier]))
        operators.append(
            Operator(
                identifier,
                (ranked[0] if ranked else identifier) if identifier else "Sans identifiant lisible",
                tuple(ranked[1:]) if identifier else (),
                f"operateurs/{page_name(identifier)}.html",
                tuple(domains.get(identifier, ())),
                found,
                sum(severities[i] != "info" for i in found),
                _counts(severities, found),
                _counts(severities, [i for i in found if i in new and severities[i] != "info"]),
                tuple(sorted(accepted[identifier])),
                dossiers.get(identifier, ""),
            )
        )
    return {operator.id: operator for operator in sorted(operators, key=lambda o: (o.name, o.id))}


def _names(entries: pd.DataFrame, findings: pd.DataFrame, waived: pd.DataFrame) -> dict[str, Counter[str]]:
    """Return the names that each operator bears in the list, or else in the findings."""
    names: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for identifier, name in zip(entries["operator_id"], entries["operator"], strict=True):
        names[identifier][name] += 1
    for frame in (findings, waived):
        columns = (frame[column].tolist() for column in ("operator_id", "operator", "domain"))
        for identifier, name, domain in zip(*columns, strict=True):
            if (identifier or domain) and identifier not in names:
                names[identifier][name] += 1
    return names


def _domains(
    entries: pd.DataFrame, found: Mapping[tuple[str, str], Sequence[int]]
) -> dict[str, list[Domain]]:
    """Return the domains of each operator, in order of name: those listed, and those of findings."""
    columns = (entries[column].tolist() for column in ("operator_id", "domain", "is_audit_entry"))
    tests = grouped(((identifier, domain), test) for identifier, domain, test in zip(*columns, strict=True))
    for identifier, domain in found:
        if domain:
            tests.setdefault((identifier, domain), [])
    domains: defaultdict[str, list[Domain]] = defaultdict(list)
    for (identifier, domain), rows in sorted(tests.items()):
        findings, test = tuple(found.get((identifier, domain), ())), bool(rows) and all(rows)
        domains[identifier].append(Domain(domain, anchor_of(domain), findings, len(rows), test))
    return domains


def _touched(
    entries: pd.DataFrame, findings: pd.DataFrame
) -> tuple[defaultdict[str, set[int]], defaultdict[tuple[str, str], list[int]]]:
    """Return the findings that touch an operator, and those that touch a domain of an operator."""
    pairs = zip(entries["operator_id"], entries["domain"], strict=True)
    whose = dict(zip(entries["row"], pairs, strict=True))
    touched: defaultdict[str, set[int]] = defaultdict(set)
    of_domain: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    columns = zip(findings["rows"], findings["operator_id"], findings["domain"], strict=True)
    for i, (own_rows, identifier, domain) in enumerate(columns):
        places = dict.fromkeys(whose[row] for row in own_rows)
        if identifier or domain:
            places.setdefault((identifier, domain))
        for pair in places:
            touched[pair[0]].add(i)
            of_domain[pair].append(i)
    return touched, of_domain


def _counts(severities: Sequence[str], positions: Sequence[int]) -> dict[str, int]:
    counts = Counter(severities[i] for i in positions)
    return {severity: counts[severity] for severity in reversed(SEVERITIES)}


def reports_in(folder: Path) -> tuple[ReportLink, ...]:
    """Return the reports of a folder that `mssante_audit.report.run.run_reports` wrote, overview first."""
    files = [*folder.glob("*.results.json"), *folder.glob("failed/*.results.json")]
    found = []
    for file in sorted(files, key=lambda f: (f.name != "overview.results.json", f)):
        summary = json.loads(file.read_text(encoding="utf-8"))
        page = file.with_name(file.name.replace(".results.json", ".html"))
        title = _TITLE.search(page.read_text(encoding="utf-8"))
        place = f"rapports/{page.relative_to(folder).as_posix()}"
        named = unescape(title[1]) if title else summary["report"]
        found.append(ReportLink(named, place, summary["status"] == "failed"))
    return tuple(found)


def dossiers_in(folder: Path) -> dict[str, str]:
    """Return the path in the site of each operator's dossier, for a folder of `write_dossiers`."""
    index = folder / "dossiers.json"
    records = json.loads(index.read_text(encoding="utf-8"))["dossiers"] if index.is_file() else ()
    known = {page.stem for page in folder.glob("*.html")}
    return {r["operator_id"]: f"dossiers/{r['file']}.html" for r in records if r["file"] in known}
