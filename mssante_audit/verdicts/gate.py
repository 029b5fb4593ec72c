"""The gate: an edit of the list, or a declaration, judged before it is signed or sent.

Only what the edit changes is judged. A finding that stood before on as many rows of a domain is untouched.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pandas as pd

from mssante_audit.archive.changes import compare
from mssante_audit.archive.sides import side_of
from mssante_audit.audits import audits, parted
from mssante_audit.base.language import format_text, gettext, localized, one_decimal
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
from mssante_audit.whitelist.reading import FIELDS

UNANSWERED = "DECLARED_UNANSWERED"
LOST_SHARE = 0.1
"""Share of the rows of a list that no edit takes away at once: good practice."""
LONGEST = 255
"""Characters of a field: the publishing tool's own limit (data)."""
AHEAD = timedelta(days=1)
"""How far in the future a proposal may be dated: it is signed and published after it is judged."""
EDIT_ERRORS = {"LIST_NAMESPACE"}
"""Rules of warning that are errors where an edit introduces them: the list was right."""
NOT_YET = {"RECO_NOT_LISTED", "RECO_WITHDRAWN_LISTED"}
"""Rules that a declaration breaks only because it is not published yet."""
ASKED_FOR = {"RECO_DN_DIFFERS", "RECO_DN_SPELLING", "RECO_CONTACT", "RECO_CONTACT_OLD", "RECO_DESCRIPTION"}
"""Rules that say what a declaration would change in the list: told, and no fault of it."""
_SERIOUS = SEVERITIES[SEVERITIES.index("error") :]
_REWRITTEN = ("dn", "project_contact", "support_contact")
"""Fields that an edit may write anew without mending what is wrong in them."""


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
    after = space.with_list(replace(
        proposal, verdict=published.signature, anchors=published.anchors, signer=published.signer,
        origin=published.origin, sha256=published.sha256,  # so it has the published list's past
    ))  # fmt: skip
    changes = _changes(space, after)
    renamed = {row.before: row.domain for row in changes.values() if row.before}
    old, new = _findings(space), _findings(after)
    stood, stands = _standing(old, space.entries, renamed), _standing(new, after.entries, {})
    fresh = _news(stood, stands, Counter(renamed.get(name, name) for name in space.entries["domain"]))
    lines, domains = (
        dict(zip(after.entries["row"].tolist(), after.entries[name].tolist(), strict=True))
        for name in ("line", "domain")
    )
    faults = [*_edit_faults(published, proposal, space.as_of)]
    of_list = [finding for domain, finding in faults if domain not in changes]
    of_row: dict[str, list[EditFinding]] = {}
    for domain, finding in faults:
        if domain in changes:
            of_row.setdefault(domain, []).append(finding)
    for record in worded(new[new["fingerprint"].isin(fresh)], contacts=space.contacts).to_dict("records"):
        named = {renamed.get(record["domain"], record["domain"])}
        places = (fresh[record["fingerprint"]] or named) & changes.keys()
        finding = _finding(record, [lines[r] for r in record["rows"] if not places or domains[r] in places])
        for domain in places:
            of_row.setdefault(domain, []).append(finding)
        if not places:
            of_list.append(finding)
    every = [*of_list, *(finding for findings in of_row.values() for finding in findings)]
    rows = [
        replace(row, findings=tuple(findings), verdict=_verdict(findings, space.list_doubts))
        for row in changes.values()
        for findings in [of_row.get(row.domain, [])]
    ]
    return Edit(
        _verdict(every, space.list_doubts, failed=FAILED in {*old["rule"], *new["rule"]}),
        tuple(replace(row, domain=unnamed(row.domain), before=unnamed(row.before)) for row in rows),
        tuple(of_list),
        introduced=len(fresh) + len(faults),
        resolved=len(_news(stands, stood).keys() - stands.keys()),
        untouched=len(stands.keys() - fresh.keys()),
        doubts=space.list_doubts,
        signed=proposal.signed,
        same=proposal.sha256 == published.sha256,
        swapped=proposal.signed and (not published.signed or _is_older(proposal, published)),
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
    after = replace(space, declarations=_joined(space.declarations, declaration), judged=None)
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


class _Standing(NamedTuple):
    """Where a finding stands: how many rows of each domain."""

    kind: str
    """Equal for findings of one rule and the same facts, whatever name or contact they are known by."""
    places: Counter[str]


def _standing(
    findings: pd.DataFrame, entries: pd.DataFrame, renamed: Mapping[str, str]
) -> dict[str, _Standing]:
    """Return by fingerprint where findings stand, domains by their new names."""
    domains = dict(zip(entries["row"].tolist(), entries["domain"].tolist(), strict=True))
    fields = {text: name for name in _REWRITTEN for text in entries[name].unique().tolist() if text}

    def kind_of(code: str, facts: Mapping[str, Any]) -> str:
        values = {n: fields.get(fact, fact) if isinstance(fact, str) else fact for n, fact in facts.items()}
        return json.dumps([code, values], default=lambda person: fields.get(person.text, person.text))

    standing: dict[str, _Standing] = {}
    columns = (findings[name].tolist() for name in ("fingerprint", "rule", "subject", "rows", "facts"))
    for key, code, subject, rows, facts in zip(*columns, strict=True):
        known = tuple(renamed.get(part, part) if isinstance(part, str) else part for part in subject)
        places = Counter(renamed.get(domains[row], domains[row]) for row in rows)
        of = _Standing(kind_of(code, facts), places)
        standing[key if known == subject else fingerprint(code, known)] = of
    return standing


def _news(
    before: Mapping[str, _Standing], after: Mapping[str, _Standing], sizes: Mapping[str, int] | None = None
) -> dict[str, set[str]]:
    """Return the findings that stand only after, or in more rows than before, each with the domains.

    Neither the finding itself nor one of its kind stood there. With `sizes`, the rows of each domain before,
    a finding that stood on all of them is no news on a row more.
    """
    kinds: tuple[dict[str, Counter[str]], ...] = ({}, {})
    for side, standing in zip(kinds, (before, after), strict=True):
        for kind, places in standing.values():
            side[kind] = side.get(kind, Counter()) + places

    def stood(counts: Mapping[str, Counter[str]]) -> dict[str, Counter[str]]:
        return {
            key: places | Counter({d: sys.maxsize for d, n in places.items() if sizes and n == sizes[d]})
            for key, places in counts.items()
        }

    places_before = stood({key: standing.places for key, standing in before.items()})
    fresh = introduced(places_before, {key: standing.places for key, standing in after.items()})
    alike = introduced(stood(kinds[0]), kinds[1])
    found = {key: places & alike.get(after[key].kind, set()) for key, places in fresh.items()}
    return {key: places for key, places in found.items() if places or not after[key].places}


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


def _edit_faults(
    published: WhiteList, proposal: WhiteList, as_of: datetime
) -> Iterator[tuple[str, EditFinding]]:
    """Yield errors that no published list is judged by, with the domain of the row, "" of the whole file."""

    def fault(code: str, title: str, observed: str, remedy: str, *lines: int) -> EditFinding:
        return EditFinding(code, "error", "certain", title, observed, "", remedy, lines)

    was, now, made = len(published.entries), len(proposal.entries), proposal.generated_at
    if was and was - now >= LOST_SHARE * was:
        title = gettext("Un dixième des lignes de la liste, ou plus, disparaît")
        observed = gettext("{now} lignes au lieu de {was}").format(now=one_decimal(now), was=one_decimal(was))
        remedy = gettext("Vérifiez que le fichier est entier ; retirez des domaines en plusieurs fois.")
        yield "", fault("EDIT_ROWS_LOST", title, observed, remedy)
    if made and made > as_of + AHEAD:
        remedy = gettext("Datez la liste de sa génération.")
        yield "", fault("EDIT_DATE", gettext("La date de génération est à venir"), made.isoformat(), remedy)
    for name, column in FIELDS.items():
        for row in proposal.entries[proposal.entries[column].str.len() > LONGEST].to_dict("records"):
            title = gettext("Champ trop long pour l’outil de publication")
            observed = format_text("{name} : {n:caractère}", name=name, n=len(row[column]))
            remedy = gettext("Abrégez-le : {most} caractères au plus.").format(most=LONGEST)
            yield row["domain"], fault("EDIT_FIELD_LONG", title, observed, remedy, row["line"])


def _is_older(proposal: WhiteList, published: WhiteList) -> bool:
    made, was = proposal.generated_at, published.generated_at
    return made is not None and was is not None and made < was


def _finding(record: Mapping[Any, Any], lines: Sequence[int]) -> EditFinding:
    known = rule(record["rule"])
    severity = "error" if known.code in EDIT_ERRORS else "info" if known.code in ASKED_FOR else known.severity
    texts = (localized(known, "title"), record["observed"], record["expected"], localized(known, "remedy"))
    return EditFinding(known.code, severity, record["confidence"], *texts, tuple(sorted({*lines})))


def _verdict(findings: Iterable[EditFinding], doubted: Sequence[str], *, failed: bool = False) -> str:
    if doubted:
        return "unknown"
    known = [*findings]
    if any(f.severity in _SERIOUS and f.confidence != "hint" and f.rule != FAILED for f in known):
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
