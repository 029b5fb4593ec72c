"""The gate: an edit of the list, or a declaration, judged before it is signed or sent.

Only what the edit changes is judged. A finding that stood before on as many rows of a domain is untouched.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from mssante_audit.archive.changes import compare
from mssante_audit.archive.sides import side_of
from mssante_audit.audits import audits, parted
from mssante_audit.base.language import gettext, localized, one_decimal
from mssante_audit.declarations.register import Register
from mssante_audit.findings.catalogue import FAILED, SEVERITIES
from mssante_audit.findings.comparison import introduced
from mssante_audit.findings.frame import concat, fingerprint
from mssante_audit.findings.places import REGISTER
from mssante_audit.findings.registry import rule
from mssante_audit.findings.words import worded
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.person import unnamed
from mssante_audit.whitelist.load import WhiteList

ROWS_LOST, UNANSWERED = "EDIT_ROWS_LOST", "DECLARED_UNANSWERED"
LOST_SHARE = 0.1
"""Share of the rows of a list that no edit takes away at once: good practice."""
EDIT_ERRORS = {"LIST_NAMESPACE"}
"""Rules of warning that are errors where an edit introduces them: the list was right."""
NOT_YET = {"RECO_NOT_LISTED", "RECO_WITHDRAWN_LISTED"}
"""Rules that a declaration breaks only because it is not published yet."""
ASKED_FOR = {"RECO_DN_DIFFERS", "RECO_DN_SPELLING", "RECO_CONTACT", "RECO_CONTACT_OLD", "RECO_DESCRIPTION"}
"""Rules that say what a declaration would change in the list: told, and no fault of it."""
_SERIOUS = SEVERITIES[SEVERITIES.index("error") :]


@dataclass(frozen=True)
class EditFinding:
    """A finding that an edit introduces, in words, persons masked."""

    rule: str
    severity: str
    confidence: str
    title: str
    observed: str
    expected: str
    remedy: str
    lines: tuple[int, ...] = ()
    """Lines of the proposal that it stands on."""


@dataclass(frozen=True)
class EditedRow:
    """A domain whose rows the edit changes, or a row of a declaration."""

    domain: str
    change: str
    """``added``, ``removed``, ``changed``, ``renamed`` or ``restamped``; ``declared`` of a declaration."""
    verdict: str
    findings: tuple[EditFinding, ...] = ()
    before: str = ""
    """The name that a renamed domain had."""
    line: int | None = None


@dataclass(frozen=True)
class Edit:
    """An edit, judged."""

    verdict: str
    """``ready``, ``not-ready`` or ``unknown``."""
    rows: tuple[EditedRow, ...]
    list: tuple[EditFinding, ...]
    """What it introduces that stands on no row that it changes."""
    introduced: int
    """Findings, hints included, that stand only after the edit, or on more rows than before."""
    resolved: int
    untouched: int
    doubts: tuple[str, ...] = ()
    """Why the published list is not to be relied on (`mssante_audit.whitelist.reliance.doubts`)."""
    signed: bool = False
    """Whether the proposal has a signature, which is not judged."""
    same: bool = False
    """Whether the proposal is the published file, byte by byte."""
    swapped: bool = False
    """Whether only the proposal has a signature: it looks like the published list."""
    source: str = field(default="", compare=False)
    """Name of the proposal's file."""


def judge_edit(space: TrustSpace, proposal: WhiteList) -> Edit:
    """Judge an edit of the published list.

    Parameters
    ----------
    space
        The published list and what is known beside it.
    proposal
        The list as it is to be, loaded with ``recover`` and ``any_namespace``; its signature is not judged.
    """
    published = space.whitelist
    trusted = replace(
        proposal, verdict=published.signature, anchors=published.anchors, signer=published.signer,
        origin=published.origin,
    )  # fmt: skip
    after = space.with_list(trusted)
    changes = _changes(space, after)
    renamed = {row.before: row.domain for row in changes.values() if row.before}
    old, new = _findings(space), _findings(after)
    where_old = _places(old, space.entries, renamed, whole=sys.maxsize)
    where_new = _places(new, after.entries, {}, whole=0)
    fresh = introduced(where_old, where_new)
    lines = dict(zip(after.entries["row"].tolist(), after.entries["line"].tolist(), strict=True))
    domains = dict(zip(after.entries["row"].tolist(), after.entries["domain"].tolist(), strict=True))
    of_row: dict[str, list[EditFinding]] = {}
    of_list = [*_rows_lost(published, proposal)]
    for record in worded(new[new["fingerprint"].isin(fresh)]).to_dict("records"):
        named = {renamed.get(record["domain"], record["domain"])}
        places = (fresh[record["fingerprint"]] or named) & changes.keys()
        own = [row for row in record["rows"] if domains[row] in places]
        finding = _finding(record, [lines[row] for row in own])
        for domain in places:
            of_row.setdefault(domain, []).append(finding)
        if not places:
            of_list.append(finding)
    doubted = space.list_doubts
    rows = [
        replace(row, findings=tuple(own), verdict=_verdict(own, doubted))
        for row in changes.values()
        for own in [of_row.get(row.domain, [])]
    ]
    every = [*of_list, *(finding for own in of_row.values() for finding in own)]
    return Edit(
        _verdict(every, doubted, failed=FAILED in {*old["rule"], *new["rule"]}),
        tuple(replace(row, domain=unnamed(row.domain), before=unnamed(row.before)) for row in rows),
        tuple(of_list),
        introduced=len(fresh) + sum(finding.rule == ROWS_LOST for finding in of_list),
        resolved=len(where_old.keys() - where_new.keys()),
        untouched=len(where_new.keys() & where_old.keys() - fresh.keys()),
        doubts=doubted,
        signed=proposal.signed,
        same=proposal.sha256 == published.sha256,
        swapped=proposal.signed and not published.signed,
        source=proposal.source,
    )


def judge_declaration(
    space: TrustSpace, declaration: Register, heard: Mapping[int, Sequence[EditFinding]] | None = None
) -> Edit:
    """Judge a declaration of Annexe 1 against the form's rules, the list and the register, before it is sent.

    Parameters
    ----------
    space
        The published list and what is known beside it.
    declaration
        As `mssante_audit.declarations.register.load_declarations` reads it, a row a declared domain.
    heard
        What its servers said, by row (`mssante_audit.verdicts.undelegated.ask_declared`).
    """
    after = replace(space, register=_joined(space.register, declaration), judged=None)
    files = {*declaration.declarations["file"].tolist()}
    old, new = _findings(space), _findings(after)
    new = new[[any(p.source == REGISTER and p.file in files for p in where) for where in new["where"]]]
    new = new[~new["rule"].isin(NOT_YET)]
    keys = ({key: Counter[str]() for key in found["fingerprint"]} for found in (old, new))
    fresh = new[new["fingerprint"].isin(introduced(*keys))]
    of_row = {number: list(findings) for number, findings in (heard or {}).items()}
    asked = sum(map(len, of_row.values()))
    of_file = []
    for record in worded(fresh).to_dict("records"):
        numbers = {n for place in record["where"] if place.file in files for n in place.rows}
        finding = _finding(record, sorted(numbers))
        for number in numbers:
            of_row.setdefault(number, []).append(finding)
        if not numbers:
            of_file.append(finding)
    doubted = space.list_doubts
    columns = (declaration.declarations[name].tolist() for name in ("row", "domain"))
    rows = tuple(
        EditedRow(unnamed(domain), "declared", _verdict(own, doubted), tuple(own), line=number)
        for number, domain in zip(*columns, strict=True)
        for own in [of_row.get(number, [])]
    )
    every = [*of_file, *(finding for own in of_row.values() for finding in own)]
    verdict = _verdict(every, doubted, failed=FAILED in {*old["rule"], *new["rule"]})
    return Edit(
        verdict, rows, tuple(of_file), introduced=len(fresh) + asked, resolved=0,
        untouched=len(new) - len(fresh), doubts=doubted, source=declaration.source,
    )  # fmt: skip


def _findings(space: TrustSpace) -> pd.DataFrame:
    """Return the findings that are not waived, persons in clear."""
    return concat(parted(name, space)[0] for name in audits())


def _places(
    findings: pd.DataFrame, entries: pd.DataFrame, renamed: Mapping[str, str], whole: int
) -> dict[str, Counter[str]]:
    """Return by fingerprint how many rows of each domain findings stand on, domains by their new names.

    A domain counts `whole` rows where it is given and a finding stands on all of them: no row more is news.
    """
    names = [renamed.get(domain, domain) for domain in entries["domain"].tolist()]
    domains, every = dict(zip(entries["row"].tolist(), names, strict=True)), Counter(names)
    places: dict[str, Counter[str]] = {}
    columns = (findings[name].tolist() for name in ("fingerprint", "rule", "subject", "rows"))
    for key, code, subject, rows in zip(*columns, strict=True):
        known = tuple(renamed.get(part, part) if isinstance(part, str) else part for part in subject)
        counts = Counter(domains[row] for row in rows)
        if whole:
            counts |= Counter({domain: whole for domain, n in counts.items() if n == every[domain]})
        places[key if known == subject else fingerprint(code, known)] = counts
    return places


def _changes(before: TrustSpace, after: TrustSpace) -> dict[str, EditedRow]:
    """Return the domains whose rows differ, by name, each with what happened to it."""
    ranks = ("renamed", "added", "removed", "changed", "restamped")
    lines = dict(zip(after.entries["domain"].tolist(), after.entries["line"].tolist(), strict=True))
    rows: dict[str, EditedRow] = {}
    for change in compare(side_of(before.whitelist), side_of(after.whitelist)):
        kind = change.kind if change.kind in ranks else "changed"
        known = rows.get(change.domain)
        if known is None or ranks.index(kind) < ranks.index(known.change):
            name = str(change.before) if kind == "renamed" else ""
            rows[change.domain] = EditedRow(
                change.domain, kind, "ready", before=name, line=lines.get(change.domain)
            )
    return dict(sorted(rows.items()))


def _rows_lost(published: WhiteList, proposal: WhiteList) -> Iterable[EditFinding]:
    was, now = len(published.entries), len(proposal.entries)
    if was and was - now >= LOST_SHARE * was:
        yield EditFinding(
            ROWS_LOST, "error", "certain",
            gettext("Un dixième des lignes de la liste, ou plus, disparaît"),
            gettext("{now} lignes au lieu de {was}").format(now=one_decimal(now), was=one_decimal(was)),
            "",
            gettext("Vérifiez que le fichier est entier ; retirez des domaines en plusieurs fois."),
        )  # fmt: skip


def _finding(record: Mapping[Any, Any], lines: Sequence[int]) -> EditFinding:
    known = rule(record["rule"])
    severity = "error" if known.code in EDIT_ERRORS else "info" if known.code in ASKED_FOR else known.severity
    texts = (localized(known, "title"), record["observed"], record["expected"], localized(known, "remedy"))
    return EditFinding(known.code, severity, record["confidence"], *texts, tuple(sorted({*lines})))


def _verdict(findings: Iterable[EditFinding], doubted: Sequence[str], *, failed: bool = False) -> str:
    if doubted:
        return "unknown"
    known = [*findings]
    if any(finding.severity in _SERIOUS and finding.rule != FAILED for finding in known):
        return "not-ready"
    return "unknown" if failed or any(finding.rule == UNANSWERED for finding in known) else "ready"


def _joined(register: Register | None, declaration: Register) -> Register:
    """Return a register with a declaration more, which names its own file."""
    if register is None:
        return declaration
    kept = register.declarations[~register.declarations["file"].isin(declaration.declarations["file"])]
    return replace(
        register,
        declarations=pd.concat([kept, declaration.declarations], ignore_index=True),
        problems=pd.concat([register.problems, declaration.problems], ignore_index=True),
        missing={**register.missing, **declaration.missing},
        lost={**register.lost, **declaration.lost},
    )
