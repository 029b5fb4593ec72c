"""The gate: an edit of the list, or a declaration, judged before it is signed or sent.

Only what the edit changes is judged. A finding that stood before on as many rows of a domain is untouched.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple

import pandas as pd

from mssante_audit.archive.changes import compare, side_of
from mssante_audit.audits import audits, parted
from mssante_audit.base.language import current_language, format_text, gettext, localized
from mssante_audit.declarations.register import Register
from mssante_audit.findings.catalogue import FAILED, SEVERITIES
from mssante_audit.findings.frame import concat, fingerprint, worded
from mssante_audit.findings.places import REGISTER, introduced
from mssante_audit.findings.registry import rule
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.person import unnamed
from mssante_audit.verdicts.words import FAULTS, not_relied_on
from mssante_audit.whitelist.listxml import FIELDS
from mssante_audit.whitelist.load import WhiteList
from mssante_audit.whitelist.rows import rows_by

UNANSWERED = "DECLARED_UNANSWERED"
LOST_SHARE = 0.1  # of the rows of a list, which no edit takes away at once: good practice
LONGEST = 255  # characters of a field: the publishing tool's own limit (data)
GARBLED = "LIST_DESCRIPTION_MOJIBAKE"  # the rule that a whole list breaks if it declares another encoding
AHEAD = timedelta(days=1)  # a proposal may be dated ahead: it is signed and published after it is judged
# Rules that a declaration breaks only because it is not published yet.
NOT_YET = {"RECO_NOT_LISTED", "RECO_WITHDRAWN_LISTED"}
_ASKED_FOR = ("RECO_DN_DIFFERS", "RECO_DN_SPELLING", "RECO_CONTACT", "RECO_CONTACT_OLD", "RECO_DESCRIPTION")
# Of what a declaration asks to change, of what proves nothing, of what weighs more in an edit.
SEVERITY = dict.fromkeys((*_ASKED_FOR, UNANSWERED), "info") | {"LIST_NAMESPACE": "error"}
_SERIOUS = SEVERITIES[SEVERITIES.index("error") :]
# Fields that an edit may write anew without mending what is wrong in them.
_REWRITTEN = ("dn", "project_contact", "support_contact")
# What may happen to a domain; where several things did, the first.
CHANGES = ("renamed", "added", "removed", "changed", "restamped")


class EditFinding(NamedTuple):
    """A finding that an edit introduces, in words, persons masked; `lines` are those of the proposal."""

    rule: str
    severity: str
    confidence: str
    title: str
    observed: str
    expected: str
    remedy: str
    lines: Sequence[int] = ()


# Findings by domain, or by row of a declaration; under `None` those of the whole file.
Placed = defaultdict[Any, list[EditFinding]]
# Domains, or rows of a declaration, that a finding stands on, and its lines.
Place = tuple[Collection[Any], Iterable[int]]


class EditedRow(NamedTuple):
    """A domain that the edit changes, `before` its name if it is renamed, or a row that is ``declared``."""

    domain: str
    change: str
    verdict: str = ""
    findings: Sequence[EditFinding] = ()
    before: str = ""


class Edit(NamedTuple):
    """An edit of the file `source`, judged ``ready``, ``not-ready`` or ``unknown``.

    `introduced` findings stand only after it, or on more rows, `resolved` ones only before it, or on fewer of
    those left; in `list` are those on no row that it changes.
    """

    verdict: str
    rows: Sequence[EditedRow]
    list: Sequence[EditFinding]
    introduced: int
    resolved: int
    untouched: int
    source: str
    notes: Sequence[str]
    """Why the published list is not to be relied on; that the two files are the same, or in wrong order."""


def judge_edit(space: TrustSpace, proposal: WhiteList) -> Edit:
    """Judge an edit of the published list; `proposal` is loaded with ``recover`` and ``any_namespace``."""
    published = space.whitelist
    after = space.with_list(replace(
        proposal, verdict=published.signature, anchors=published.anchors, signer=published.signer,
        beside=published.beside,
        origin=published.origin, sha256=published.sha256,  # so it has the published list's past
    ))  # fmt: skip
    edited = []
    for change in compare(side_of(published), side_of(after.whitelist)):
        before = str(change.before) if change.kind == "renamed" else ""
        kind = change.kind if change.kind in CHANGES else "changed"
        edited.append(EditedRow(change.domain, kind, before=before))
    edited.sort(key=lambda row: (row.domain, -CHANGES.index(row.change)))
    changes = {row.domain: row for row in edited}
    renamed = {row.before: row.domain for row in changes.values() if row.before}
    old, new = _findings(space), _findings(after)
    stood, wide, kinds_before = _standing(old, space.entries, renamed)
    stands, wide_after, kinds = _standing(new, after.entries, {})
    fresh = _only_in(stands, wide, kinds)
    unread = proposal.damaged or proposal.generated_at is None or proposal.entries.empty
    solved = () if unread else _only_in(stood, wide_after, kinds_before)
    placed: Placed = defaultdict(list)
    garbled = [sum(map(len, side["rows"][side["rule"] == GARBLED])) for side in (old, new)]
    for domain, finding in _faults(published, proposal, space.as_of, garbled[1] - garbled[0]):
        placed[domain if domain in changes else None].append(finding)
    rows = after.entries.set_index("row")[["domain", "line"]]

    def place(finding: Mapping[Any, Any]) -> Place:
        named = {renamed.get(finding["domain"], finding["domain"])}
        places = (fresh[finding["fingerprint"]] or named) & changes.keys()
        touched = rows if places and not finding["rows"] else rows.loc[[*finding["rows"]]]
        return places, touched["line"][touched["domain"].isin(places)] if places else touched["line"]

    note, source = _note(published, proposal), proposal.source
    return _edit(space, changes, placed, (old, new), fresh, place, source, note, solved)


def judge_declaration(
    space: TrustSpace, declaration: Register, answers: Mapping[int, Sequence[EditFinding]]
) -> Edit:
    """Judge all of a declaration of Annexe 1 before it is sent; `answers`: what its servers said, by row."""
    declared = declaration.declarations
    files = {*declared["file"]}
    frame = _findings(replace(space, register=_joined(space.register, declaration), judged=None))
    new = frame[[any(p.source == REGISTER and p.file in files for p in where) for where in frame["where"]]]
    new = new[~new["rule"].isin(NOT_YET)]
    placed: Placed = defaultdict(list)
    for row, findings in answers.items():
        placed[row] = [finding._replace(lines=[row]) for finding in findings]

    def place(finding: Mapping[Any, Any]) -> Place:
        numbers = {n for place in finding["where"] if place.file in files for n in place.rows}
        return numbers, numbers

    rows = {n: EditedRow(name, "declared") for n, name in declared[["row", "domain"]].to_numpy()}
    return _edit(space, rows, placed, (frame, new), {*new["fingerprint"]}, place, declaration.source)


def _edit(
    space: TrustSpace, rows: Mapping[Any, EditedRow], placed: Placed, findings: Sequence[pd.DataFrame],
    fresh: Collection[str], place: Callable[..., Place], source: str, note: str = "",
    solved: Collection[str] = (),
) -> Edit:  # fmt: skip
    """Return an edit judged by its findings, each row by its own: those placed already, and the `fresh` ones.

    `findings` are those before and after; `place` says on which rows one stands, and its lines.
    """
    count, doubts, new = len(fresh) + sum(map(len, placed.values())), space.list_doubts, findings[-1]
    for record in worded(new[new["fingerprint"].isin(fresh)], contacts=space.contacts).to_dict("records"):
        places, lines = place(record)
        its_rule = rule(record["rule"])
        finding = EditFinding(
            its_rule.code, SEVERITY.get(its_rule.code, its_rule.severity), record["confidence"],
            localized(its_rule, "title"), record["observed"], record["expected"],
            localized(its_rule, "remedy"), sorted({*lines}),
        )  # fmt: skip
        for key in places or (None,):
            placed[key].append(finding)
    failed = any(FAILED in side["rule"].array for side in findings)
    verdict = _verdict(chain.from_iterable(placed.values()), doubts, failed=failed)
    judged = []
    for key, row in rows.items():
        names = {"domain": unnamed(row.domain), "before": unnamed(row.before)}
        judged.append(row._replace(findings=placed[key], verdict=_verdict(placed[key], doubts), **names))
    notes = [text for text in (not_relied_on(doubts) if doubts else "", note) if text]
    untouched = len({*new["fingerprint"]}.difference(fresh, solved))
    return Edit(verdict, judged, placed[None], count, len(solved), untouched, source, notes)


def _findings(space: TrustSpace) -> pd.DataFrame:
    """Return the findings that are not waived, persons in clear."""
    return concat(parted(name, space)[0] for name in audits())


def _standing(
    findings: pd.DataFrame, entries: pd.DataFrame, renamed: Mapping[str, str]
) -> tuple[dict[str, Counter[str]], dict[str, Counter[str]], dict[str, str]]:
    """Return on how many rows of each domain, by its new name, findings stand, and the kind of each.

    Of one kind are findings of one rule and the same facts, whatever text has them: it is counted, too.
    The second is likewise, without end where all rows of a domain have it: there a row more is no news.
    Copies of a row are one row.
    """
    copies = rows_by(entries, *FIELDS.values())
    original = {row: rows[0] for rows in copies.values() for row in rows}
    domains = {rows[0]: renamed.get(name, name) for (name, *_), rows in copies.items()}
    sizes = Counter(domains.values())
    fields = {text: name for name in _REWRITTEN for text in entries[name].unique().tolist() if text}
    standing: dict[str, Counter[str]] = {}
    kinds: dict[str, str] = {}
    columns = (findings[name].tolist() for name in ("fingerprint", "rule", "subject", "rows", "facts"))
    for key, code, subject, rows, facts in zip(*columns, strict=True):
        after = tuple(renamed.get(part, part) if isinstance(part, str) else part for part in subject)
        key = key if after == subject else fingerprint(code, after)
        values = {n: fields.get(fact, fact) if isinstance(fact, str) else fact for n, fact in facts.items()}
        kind = json.dumps([code, values], default=lambda person: fields.get(person.text, person.text))
        places = Counter(domains[row] for row in {original[row] for row in rows})
        kinds[key], standing[key] = kind, places
        standing[kind] = standing.get(kind, Counter()) + places
    wide = {
        key: places | Counter({name: sys.maxsize for name, n in places.items() if n >= sizes[name]})
        for key, places in standing.items()
    }
    return standing, wide, kinds


def _only_in(
    after: Mapping[str, Counter[str]], before: Mapping[str, Counter[str]], kinds: Mapping[str, str]
) -> dict[str, set[str]]:
    """Return the findings that only `after` has, each with the domains where its kind is new too."""
    new = introduced(before, after)
    common = {key: new[key] & new.get(kinds[key], set()) for key in kinds.keys() & new.keys()}
    return {key: domains for key, domains in common.items() if domains or not after[key]}


def _faults(
    published: WhiteList, proposal: WhiteList, as_of: datetime, garbled: int
) -> Iterator[tuple[str, EditFinding]]:
    """Yield a row's domain ("": of the whole file) and its error; `garbled`: rows more that lose letters."""
    was, rows, made_at = len(published.entries), proposal.entries, proposal.generated_at
    losses = {"EDIT_ROWS_LOST": was - len(rows), "EDIT_LETTERS_LOST": garbled}
    for code in [code for code, n in losses.items() if was and n >= LOST_SHARE * was]:
        observed = format_text("{now:ligne} au lieu de {was}", now=was - losses[code], was=was)
        yield "", fault(code, observed)
    if made_at and made_at > as_of + AHEAD:
        yield "", fault("EDIT_DATE", made_at.isoformat())
    published_so = rows["updated_at_text"].isin(published.entries["updated_at_text"])
    for row in rows[(rows["updated_at"] > as_of + AHEAD) & ~published_so].to_dict("records"):
        yield row["domain"], fault("EDIT_DATE", row["updated_at_text"], lines=[row["line"]])
    for name, column in FIELDS.items():  # no list that was read as published has one
        for row in rows[rows[column].str.len() > LONGEST].to_dict("records"):
            observed = format_text("{name} : {n:caractère}", name=name, n=len(row[column]))
            yield row["domain"], fault("EDIT_FIELD_LONG", observed, lines=[row["line"]])


def _note(published: WhiteList, proposal: WhiteList) -> str:
    """Say what is to be known of the two files: which is which, and what is not judged."""
    made_at, was = proposal.generated_at, published.generated_at
    if proposal.sha256 == published.sha256:
        return gettext("Les deux fichiers sont les mêmes : rien n’est modifié.")
    if not proposal.signed:
        return ""
    if not published.signed or (made_at and was and made_at < was):
        return gettext("Fichiers inversés ? Nommez la liste publiée, puis la proposition.")
    return gettext("La signature de la proposition n’est pas jugée : elle sera signée de nouveau.")


def fault(
    code: str, observed: str, title: str = "title", severity: str = "error", remedy: str = "remedy",
    lines: Sequence[int] = (),
) -> EditFinding:  # fmt: skip
    """Return a finding that no rule makes; `title` and `remedy` are names of its words (``words.toml``)."""
    words, severity = FAULTS[current_language()][code], SEVERITY.get(code, severity)
    return EditFinding(code, severity, "certain", words[title], observed, "", words.get(remedy, ""), lines)


def _verdict(findings: Iterable[EditFinding], doubted: Sequence[str], *, failed: bool = False) -> str:
    if doubted:
        return "unknown"
    sure = [finding for finding in findings if finding.rule != FAILED]
    if any(finding.severity in _SERIOUS and finding.confidence != "hint" for finding in sure):
        return "not-ready"
    return "unknown" if failed or any(finding.rule == UNANSWERED for finding in sure) else "ready"


def _joined(register: Register | None, declaration: Register) -> Register:
    """Return a register with a declaration more, in place of a file of that name."""
    if register is None:
        return declaration
    files, joined = declaration.declarations["file"], {}
    for name in ("declarations", "problems", "missing", "lost"):
        current, added = getattr(register, name), getattr(declaration, name)
        if isinstance(current, pd.DataFrame):
            joined[name] = pd.concat([current[~current["file"].isin(files)], added], ignore_index=True)
        else:
            joined[name] = current | added
    return replace(register, **joined)
