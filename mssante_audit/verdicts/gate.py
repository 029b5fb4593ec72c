"""The gate: an edit of the list, or a declaration, judged before it is signed or sent.

Only what the edit changes is judged. A finding that stood before on as many rows of a domain is untouched.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import combinations
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
_LIKENESS = (["description"], ["dn_key"], ["project_contact", "support_contact"], ["updated_at_text"])
"""What tells a domain under another name, the surest first."""


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


Placed = defaultdict[Any, list[EditFinding]]
"""Findings by domain, or by row of a declaration; under ``None`` those of the whole file."""


@dataclass(frozen=True)
class EditedRow:
    """A domain whose rows the edit changes, or a row of a declaration."""

    domain: str
    change: str
    """``added``, ``removed``, ``changed``, ``renamed`` or ``restamped``; ``declared`` of a declaration."""
    verdict: str = ""
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
    """Whether only the proposal is signed, or it is the older one: it looks like the published list."""
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
    sizes = Counter(renamed.get(name, name) for name in space.entries["domain"])
    wide = {  # what stood on all rows of a domain is no news on a row more
        key: places | Counter({domain: sys.maxsize for domain, n in places.items() if n >= sizes[domain]})
        for key, places in stood.places.items()
    }
    fresh = stands.kept(introduced(wide, stands.places))
    gone = stood.kept(introduced(stands.places, stood.places)).keys() - stands.kinds.keys()
    if proposal.damaged or proposal.generated_at is None or proposal.entries.empty:
        gone = set()  # nobody could look for them
    lines, domains = (
        dict(zip(after.entries["row"].tolist(), after.entries[name].tolist(), strict=True))
        for name in ("line", "domain")
    )
    faults = [*_edit_faults(published, proposal, space.as_of)]
    placed: Placed = defaultdict(list)
    for domain, fault in faults:
        placed[domain if domain in changes else None].append(fault)
    for record in worded(new[new["fingerprint"].isin(fresh)], contacts=space.contacts).to_dict("records"):
        named = {renamed.get(record["domain"], record["domain"])}
        places = (fresh[record["fingerprint"]] or named) & changes.keys()
        finding = _finding(record, [lines[r] for r in record["rows"] if not places or domains[r] in places])
        for place in places or (None,):
            placed[place].append(finding)
    made, was, failed = proposal.generated_at, published.generated_at, FAILED in {*old["rule"], *new["rule"]}
    return _edit(
        space, changes, placed, failed=failed, introduced=len(fresh) + len(faults), resolved=len(gone),
        untouched=len(stands.kinds) - len(fresh), signed=proposal.signed,
        same=proposal.sha256 == published.sha256,
        swapped=proposal.signed and (not published.signed or bool(made and was and made < was)),
        source=proposal.source,
    )  # fmt: skip


def judge_declaration(
    space: TrustSpace, declaration: Register, answers: Mapping[int, Sequence[EditFinding]] | None = None
) -> Edit:
    """Judge a declaration of Annexe 1 against the form's rules, the list and the register, before it is sent.

    Parameters
    ----------
    space
        The published list and what is known beside it.
    declaration
        As `mssante_audit.declarations.register.load_declarations` reads it, a row a declared domain.
    answers
        What its servers said, by row (`mssante_audit.verdicts.undelegated.ask_declared`).
    """
    after = replace(space, register=_joined(space.register, declaration), judged=None)
    files = {*declaration.declarations["file"].tolist()}
    old, new = _findings(space), _findings(after)
    new = new[[any(p.source == REGISTER and p.file in files for p in where) for where in new["where"]]]
    new = new[~new["rule"].isin(NOT_YET)]
    keys = ({key: Counter[str]() for key in frame["fingerprint"]} for frame in (old, new))
    fresh = new[new["fingerprint"].isin(introduced(*keys))]
    placed: Placed = defaultdict(list)
    for number, asked in (answers or {}).items():
        placed[number] += asked
    count = len(fresh) + sum(map(len, placed.values()))
    for record in worded(fresh, contacts=space.contacts).to_dict("records"):
        numbers = {n for place in record["where"] if place.file in files for n in place.rows}
        for at in numbers or (None,):
            placed[at].append(_finding(record, sorted(numbers)))
    columns = (declaration.declarations[name].tolist() for name in ("row", "domain"))
    rows = {
        number: EditedRow(domain, "declared", line=number) for number, domain in zip(*columns, strict=True)
    }
    return _edit(
        space, rows, placed, failed=FAILED in {*old["rule"], *new["rule"]}, introduced=count, resolved=0,
        untouched=len(new) - len(fresh), source=declaration.source,
    )  # fmt: skip


def _edit(
    space: TrustSpace, rows: Mapping[Any, EditedRow], placed: Placed, *, failed: bool, **more: Any
) -> Edit:
    """Return an edit judged by its findings: each row by its own, the whole by all."""
    doubted = space.list_doubts
    verdict = _verdict(
        [finding for findings in placed.values() for finding in findings], doubted, failed=failed
    )
    judged = (
        replace(
            row, domain=unnamed(row.domain), before=unnamed(row.before), findings=tuple(placed[key]),
            verdict=_verdict(placed[key], doubted),
        )
        for key, row in rows.items()
    )  # fmt: skip
    return Edit(verdict, tuple(judged), tuple(placed[None]), doubts=doubted, **more)


def _findings(space: TrustSpace) -> pd.DataFrame:
    """Return the findings that are not waived, persons in clear."""
    return concat(parted(name, space)[0] for name in audits())


class _Standing(NamedTuple):
    """Where findings stand."""

    places: dict[str, Counter[str]]
    """How many rows of each domain, by fingerprint and by kind."""
    kinds: dict[str, str]
    """By fingerprint the kind: equal for findings of one rule and the same facts, whatever text has them."""

    def kept(self, new: Mapping[str, set[str]]) -> dict[str, set[str]]:
        """Return the findings that `introduced` told, each with the domains where its kind is new too."""
        both = {key: new[key] & new.get(self.kinds[key], set()) for key in self.kinds.keys() & new.keys()}
        return {key: domains for key, domains in both.items() if domains or not self.places[key]}


def _standing(findings: pd.DataFrame, entries: pd.DataFrame, renamed: Mapping[str, str]) -> _Standing:
    """Return where findings stand, domains by their new names."""
    domains = dict(zip(entries["row"].tolist(), entries["domain"].tolist(), strict=True))
    fields = {text: name for name in _REWRITTEN for text in entries[name].unique().tolist() if text}
    standing = _Standing({}, {})
    columns = (findings[name].tolist() for name in ("fingerprint", "rule", "subject", "rows", "facts"))
    for key, code, subject, rows, facts in zip(*columns, strict=True):
        known = tuple(renamed.get(part, part) if isinstance(part, str) else part for part in subject)
        key = key if known == subject else fingerprint(code, known)
        values = {n: fields.get(fact, fact) if isinstance(fact, str) else fact for n, fact in facts.items()}
        kind = json.dumps([code, values], default=lambda person: fields.get(person.text, person.text))
        places = Counter(renamed.get(domains[row], domains[row]) for row in rows)
        standing.kinds[key], standing.places[key] = kind, places
        standing.places[kind] = standing.places.get(kind, Counter()) + places
    return standing


def _changes(before: TrustSpace, after: TrustSpace) -> dict[str, EditedRow]:
    """Return the domains whose rows differ, by name, each with what happened to it."""
    ranks = ("renamed", "added", "removed", "changed", "restamped")
    lines = dict(zip(after.entries["domain"].tolist(), after.entries["line"].tolist(), strict=True))
    rows: dict[str, EditedRow] = {}
    renames = _renames(before.entries, after.entries)
    for change in compare(side_of(before.whitelist), side_of(after.whitelist), renames):
        kind = change.kind if change.kind in ranks else "changed"
        known = rows.get(change.domain)
        if known is None or ranks.index(kind) < ranks.index(known.change):
            name = str(change.before) if kind == "renamed" else ""
            rows[change.domain] = EditedRow(change.domain, kind, before=name, line=lines.get(change.domain))
    return dict(sorted(rows.items()))


def _renames(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, str]:
    """Return which domain has which new name, where two things it had alone it has alone under that name."""
    gone, come = ({*one["domain"]} - {*other["domain"]} for one, other in ((before, after), (after, before)))
    renames: dict[str, str] = {}
    for one, other in combinations(_LIKENESS, 2) if gone and come else ():
        columns = [*one, *other]
        was, now = (
            rows.drop_duplicates([*columns, "domain"]).drop_duplicates(columns, keep=False)
            for rows in (before, after)
        )
        both = was[was["domain"].isin(gone)].merge(now[now["domain"].isin(come)], on=columns)
        for old, new in zip(both["domain_x"], both["domain_y"], strict=True):
            if old not in renames and new not in renames.values():
                renames[old] = new
    return renames


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
    for name, column in FIELDS.items():  # no list that was read as published has one
        for row in proposal.entries[proposal.entries[column].str.len() > LONGEST].to_dict("records"):
            title = gettext("Champ trop long pour l’outil de publication")
            observed = format_text("{name} : {n:caractère}", name=name, n=len(row[column]))
            remedy = gettext("Abrégez-le : {most} caractères au plus.").format(most=LONGEST)
            yield row["domain"], fault("EDIT_FIELD_LONG", title, observed, remedy, row["line"])


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
