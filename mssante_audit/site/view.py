"""What the site's pages tell of: the findings by operator and domain, the reports and dossiers there are.

Nothing here is HTML. Names of files and anchors are made of identifiers that were checked, or of a hash.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from mssante_audit.audits import lacking
from mssante_audit.base.digest import digest
from mssante_audit.base.export import Values, values
from mssante_audit.base.language import current_language
from mssante_audit.findings.causes import actionable, asking
from mssante_audit.findings.ledger import FollowUp
from mssante_audit.findings.registry import catalogue, known_needs
from mssante_audit.findings.trend import TrendPoint, severity_counts
from mssante_audit.report.findings import unevaluated
from mssante_audit.report.first import causes_of
from mssante_audit.report.results import provenance
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import domains, domains_touched
from mssante_audit.verdicts.presented import renewals
from mssante_audit.whitelist.rows import grouped, tuples

_IDENTIFIER = re.compile(r"[0-9][0-9A-Z]{2,19}")
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_TITLE = re.compile(r"<h1>(.*?)</h1>", re.DOTALL)


class Domain(NamedTuple):
    """One domain of an operator."""

    name: str
    findings: Sequence[int]  # positions in the frame of findings
    rules: Sequence[str]  # of these, each once
    rows: int  # in the list, test entries included; 0 if it is not listed
    test: bool  # whether all of these are test entries, which audits pass over


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of the list or of the register; the one without identifier stands for all such rows."""

    id: str
    names: Sequence[str]  # the one that most of its rows bear, then the others
    page: str  # path in the site, as that of its `dossier`, "" if there is none
    dossier: str
    domains: Sequence[Domain]
    # Positions in the frame of findings of those that touch one of its rows; `waived` likewise.
    findings: Sequence[int]
    waived: Sequence[int]
    counts: Mapping[str, int]  # findings by severity, worst first, hints as information
    new: Mapping[str, int]  # likewise, of the new ones that ask for something

    @property
    def name(self) -> str:
        """What to call it."""
        return self.names[0]

    @property
    def todo(self) -> int:
        """How many of its findings ask for something: no information, no hints."""
        return sum(self.counts.values()) - self.counts["info"]


class View:
    """All that the site tells of; parameters as in `mssante_audit.site.build.build_site`."""

    def __init__(
        self,
        space: TrustSpace,
        findings: pd.DataFrame,
        waived: pd.DataFrame,
        follow_up: FollowUp | None,
        points: Sequence[TrendPoint],
        reports: Path | None,
        dossiers: Path | None,
    ) -> None:
        self.space, self.points, self.provenance = space, points, provenance(space)
        self.findings, self.waived = findings.reset_index(drop=True), waived.reset_index(drop=True)
        self.counts = severity_counts(self.findings)
        self.follow_up = follow_up if follow_up and follow_up.previous else None  # no run before: none either
        # The findings, with `first_seen` and `status` if there is a run before.
        since = self.follow_up and {n: list(getattr(self.follow_up, n)) for n in ("first_seen", "status")}
        self.followed = self.findings.assign(**(since or {}))
        self.reports = reports_in(reports) if reports else []
        lacks, names = lacking(space), known_needs()
        self.missing = {audit: names[needs[0]][current_language()] for audit, needs in lacks.items()}
        self.unevaluated = unevaluated(space, self.findings)
        # Positions of the findings that ask for something (pages fold the others), are new, or unknown.
        self.todo = frozenset(actionable(self.findings).index)
        status = grouped((key, at) for at, key in enumerate(self.follow_up.status if self.follow_up else ()))
        self.new, self.unknown = (frozenset(status.get(key, ())) for key in ("new", "unknown"))
        self.fresh = self.new & self.todo
        operators = sorted(self._operators(dossiers), key=lambda o: (o.name, o.id))
        self.operators = {operator.id: operator for operator in operators}
        bearers = grouped((name, o.id) for o in operators for name in o.names)
        ids = {name: owners[0] for name, owners in bearers.items() if len(owners) == 1}
        # What only the run before found, or this one could not look for; whose, where one bears that name.
        lacked = (self.follow_up.fixed, self.follow_up.unknown) if self.follow_up else ((), ())
        self.fixed, self.lost = (
            [{"operator_id": ids.get(f["operator"], ""), **f} for f in part if f["rule"] in catalogue()]
            for part in lacked
        )

    def _operators(self, folder: Path | None) -> Iterator[Operator]:
        entries, display = self.space.entries, self.space.shown  # names as the findings have them
        rows = list(tuples(entries, "row", "operator_id", "operator", "domain", "is_audit_entry"))
        pair_of = {row: (owner, display(domain)) for row, owner, _, domain, _ in rows}
        tests = grouped((pair_of[row], test) for row, *_, test in rows)
        names = grouped((owner, display(name)) for _, owner, name, *_ in rows)
        touching: list[dict[tuple[str, str], list[int]]] = []  # positions by operator and domain
        for frame in (self.findings, self.waived):
            touched: list[tuple[tuple[str, str], int]] = []
            columns = tuples(frame, "rows", "operator_id", "operator", "domain")
            touches = enumerate(zip(columns, domains_touched(entries, frame), strict=True))
            for at, ((numbers, owner, name, domain), several) in touches:
                # One of the register may be of several domains, which the list need not spell alike.
                its = {domain} if numbers or not several else map(display, several)
                named = [(owner, its_name) for its_name in sorted(its) if owner or its_name]
                pairs = dict.fromkeys([*(pair_of[row] for row in numbers), *named])
                touched += [(pair, at) for pair in pairs]
                if named:
                    names.setdefault(owner, [name])
            touching.append(grouped(touched))
        by_pair, _ = touching
        domains_of, codes = defaultdict[str, list[Domain]](list), self.findings["rule"].tolist()
        for pair in sorted({*tests, *(pair for pair in by_pair if pair[1])}):
            ats, listed = by_pair.get(pair, ()), tests.get(pair, ())
            rules = tuple(dict.fromkeys(codes[at] for at in ats))
            domains_of[pair[0]].append(Domain(pair[1], ats, rules, len(listed), bool(listed) and all(listed)))
        by_owner = [grouped((o, at) for (o, _), ats in part.items() for at in ats) for part in touching]
        dossiers, ranked = dossiers_in(folder) if folder else {}, self.findings[["severity", "confidence"]]
        for owner, bearing in names.items():
            called = [name for name, _ in Counter(bearing).most_common() if name] or [owner]
            called = called if owner else ["Sans identifiant lisible"]
            page, dossier = f"operateurs/{page_name(owner)}.html", dossiers.get(owner, "")
            findings, waived = (sorted({*of_owner.get(owner, ())}) for of_owner in by_owner)
            new = [at for at in findings if at in self.fresh]
            counts = (severity_counts(ranked.iloc[positions]) for positions in (findings, new))
            yield Operator(owner, called, page, dossier, domains_of[owner], findings, waived, *counts)

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
        causes = causes_of(self.space, self.findings, self.space.audited)
        return causes.assign(domain=list(map(self.space.shown, causes["domain"])))

    @cached_property
    def bearers(self) -> Mapping[str, list[str]]:
        """The operators that bear each domain."""
        return grouped((domain.name, o.id) for o in self.operators.values() for domain in o.domains)

    @cached_property
    def moves(self) -> Mapping[str, pd.DataFrame]:
        """The changes of certificates on the servers of each operator that has any, the last one first."""
        moved, rows = renewals(self.space), self.space.audited
        operators = rows.drop_duplicates(["domain", "operator_id"]).groupby("domain")["operator_id"].agg(list)
        owners = (dict.fromkeys(o for d in named for o in operators.get(d, ())) for named in moved["domains"])
        positions = grouped((owner, at) for at, several in enumerate(owners) for owner in several)
        return {owner: moved.iloc[at[::-1]].reset_index(drop=True) for owner, at in positions.items()}

    @cached_property
    def exported(self) -> Values:
        """The findings as they go into files."""
        return values(self.followed)

    @cached_property
    def records(self) -> list[dict[Any, Any]]:
        """The findings one by one."""
        return self.followed.to_dict("records")

    @property
    def settled(self) -> list[dict[str, str]]:
        """Those of `fixed` that asked for something."""
        return [f for f in self.fixed if asking(f["rule"])]

    @property
    def in_doubt(self) -> int:
        """How many findings that ask for something are unknown, of this run or the one before."""
        return len(self.unknown & self.todo) + sum(asking(f["rule"]) for f in self.lost)

    def first(self) -> list[Operator]:
        """Return the operators that something is asked of: worst severity first, new before known ones."""
        operators = (operator for operator in self.operators.values() if operator.todo)
        return sorted(operators, key=lambda o: ([(-o.new[s], -n) for s, n in o.counts.items()], o.name))


def page_name(identifier: str) -> str:
    """Return the name of an operator's page, without suffix: its identifier if it is one, or else a hash."""
    if _IDENTIFIER.fullmatch(identifier):
        return identifier
    return f"autre-{digest(identifier)[:16]}" if identifier else "sans-identifiant"


def anchor_of(domain: str) -> str:
    """Return the anchor of a domain on its operator's page."""
    return f"d-{domain}" if _DOMAIN.fullmatch(domain) else f"x-{digest(domain)[:16]}"


def reports_in(folder: Path) -> list[dict[str, Any]]:
    """Return the reports that `mssante_audit.report.run.run_reports` wrote into a folder, overview first.

    Of each its `title`, its `page` in the site, and whether it `failed`.
    """
    files, links = [*folder.glob("*.results.json"), *folder.glob("failed/*.results.json")], list[Any]()
    for file in sorted(files, key=lambda f: (f.name != "overview.results.json", f)):
        summary = json.loads(file.read_text(encoding="utf-8"))
        page = file.with_name(file.name.replace(".results.json", ".html"))
        title = _TITLE.search(page.read_text(encoding="utf-8"))
        named = unescape(title[1]) if title else summary["report"]
        place = f"rapports/{page.relative_to(folder).as_posix()}"
        links.append({"title": named, "page": place, "failed": summary["status"] == "failed"})
    return links


def dossiers_in(folder: Path) -> dict[str, str]:
    """Return the path in the site of each operator's dossier, for a folder of `write_dossiers`."""
    index = folder / "dossiers.json"
    listed = json.loads(index.read_text(encoding="utf-8"))["dossiers"] if index.is_file() else ()
    pages = {page.stem for page in folder.glob("*.html")}
    return {r["operator_id"]: f"dossiers/{r['file']}.html" for r in listed if r["file"] in pages}
