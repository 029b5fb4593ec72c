"""Events: changes that belong together, in facts (`FRAME`), sorted as `EVENTS` is, the largest first.

`_facts` has the facts of each kind, `mssante_audit.space.story` the sentences.
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Container, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from mssante_audit.archive import changes
from mssante_audit.archive.changes import CONFIDENCES, Change, ListedOperator, Side, confidence, side_of
from mssante_audit.archive.renames import renames_in
from mssante_audit.archive.store import Archive
from mssante_audit.base.errors import InputError, ParameterError
from mssante_audit.base.frames import columns_of, frame_of
from mssante_audit.values.person import Person
from mssante_audit.whitelist.load import WhiteList
from mssante_audit.whitelist.rows import grouped

# Kinds of events, the most telling first.
EVENTS = (
    "shrunken", "signer", "migration", "arrival", "departure", "renewal", "replacement", "certificate_added",
    "certificate_retired", "rename", "added", "removed", "correction", "contact", "description", "respelling",
    "duplication", "restamp",
)  # fmt: skip
FRAME = columns_of("mssante_audit.archive", "events", kind=EVENTS, confidence=CONFIDENCES)

List = str | Path | date | WhiteList  # a file, a date of an archive, or a list that is loaded

MAX_LOSS = 0.5  # of rows: of a list that lost more it is the first thing to say. No source.
BULK = 3  # from how many domains on one and the same correction is a bulk one
# Kinds of changes of a text, and the event that one is.
TEXTS = {"contact_changed": "contact", "description_changed": "description", "dn_respelt": "respelling"}
_WORDS = r"[^\s,;:()<>@]+|@"


@dataclass(frozen=True)
class Span:
    """What happened between two lists, by the times at which they were generated."""

    start: datetime | None
    end: datetime | None
    changes: pd.DataFrame  # columns of `mssante_audit.archive.changes`
    events: pd.DataFrame  # columns of `FRAME`
    doubts: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())  # of either list (`whitelist.load.doubts`)


class _Event(NamedTuple):
    kind: str
    domains: tuple[str, ...]
    members: list[int]  # positions of its changes
    facts: dict[str, Any]
    confidence: str


def between(before: Side, after: Side, known_renames: Mapping[str, str] | None = None) -> Span:
    """Return what happened between two lists; `known_renames` as in `compare`."""
    compared = changes.compare(before, after, known_renames)
    events = list(_events(compared, before, after))
    event_of, records, serial = [""] * len(compared), [], Counter[str]()
    events.sort(key=lambda event: (EVENTS.index(event.kind), -len(event.domains), event.domains))
    for kind, domains, members, facts, sure in events:
        serial[kind] += 1
        identifier = f"{kind}-{serial[kind]}"
        for position in members:
            event_of[position] = identifier
        records.append((identifier, kind, len(domains), domains, sure, facts))
    frames = changes.changes_frame(compared, event_of), frame_of(records, FRAME)
    return Span(before.time, after.time, *frames, (before.doubts, after.doubts))


def span(
    archive: Archive, before: List, after: List, *, recover: bool = False, any_namespace: bool = False
) -> Span:
    """Return what happened between two lists; one that is not there or cannot be read is an `InputError`."""

    def side(source: List) -> Side:
        if isinstance(source, WhiteList):
            return side_of(source)
        if not isinstance(source, str | Path | date):
            raise ParameterError(f"{type(source).__name__} is no list, file or date")
        text = source.isoformat() if isinstance(source, date) else str(source)
        if os.path.lexists(text) and not Path(text).is_dir():
            return side_of(archive.read(text, recover=recover, any_namespace=any_namespace))
        try:
            return archive.side(archive.find(text), believe=False)
        except InputError:
            if isinstance(source, Path) or os.sep in text or text.endswith((".xml", ".gz")):
                raise InputError("no such file", file=text) from None
            raise

    first, last = side(before), side(after)
    renames: dict[str, str] = {}
    if first.time and last.time and first.time < last.time:
        inside = [s.generated_at for s in archive.snapshots if first.time <= s.generated_at <= last.time]
        if len(inside) > 2:
            renames = renames_in(archive.history, inside)
    return between(first, last, renames)


def _events(compared: Sequence[Change], old: Side, new: Side) -> Iterator[_Event]:
    moved = {c.domain: (c.operator_before, c.operator_after) for c in compared if c.kind == "moved"}
    groups = grouped((_group(change, moved), position) for position, change in enumerate(compared))
    columns = ["operator_id", "operator", "dn", "dn_key"]
    after, before = (side.entries[columns].drop_duplicates() for side in (new, old))
    rows = pd.concat([after, before])
    key_of = dict(zip(rows["dn"].tolist(), rows["dn_key"].tolist(), strict=True))
    keys_before, keys_after = set(before["dn_key"].unique()), set(after["dn_key"].unique())
    everywhere = {
        (c.before, c.after)
        for c in compared
        if c.kind == "dn_replaced"
        and key_of[str(c.before)] not in keys_after
        and key_of[str(c.after)] not in keys_before
    }
    operators = rows.drop_duplicates("operator_id")
    names = dict(zip(operators["operator_id"].tolist(), operators["operator"].tolist(), strict=True))
    names[""] = ""  # several bear no identifier
    for group, members in groups.items():
        alike = [compared[position] for position in members]
        domains = tuple(sorted({c.domain for c in alike}))
        kind, facts, sure = _facts(group, alike, len(domains) >= BULK, names, everywhere)
        sure = min((sure, *(change.confidence for change in alike)), key=CONFIDENCES.index)
        yield _Event(kind, domains, members, facts, sure)
    yield from _appearances(names, old, new)
    if len(new.entries) < (1 - MAX_LOSS) * len(old.entries):
        sure = confidence("removed", (old.doubts, new.doubts))
        yield _Event("shrunken", (), [], {"rows": len(new.entries), "before": len(old.entries)}, sure)
    if old.signer and new.signer and old.signer != new.signer:
        doubts = {*old.doubts, *new.doubts}
        sure = "unknown" if "forged" in doubts else "likely" if doubts else "certain"
        yield _Event("signer", (), [], {"before": old.signer, "after": new.signer}, sure)


def _group(change: Change, moved: Mapping[str, tuple[str, str]]) -> tuple[Hashable, ...]:
    """Return what the changes of one event have in common."""
    kind = change.kind
    if kind in ("added", "removed", "duplicated", "restamped"):
        return kind, "" if kind == "restamped" else change.operator_before or change.operator_after
    sides = [side.text if isinstance(side, Person) else str(side) for side in change[2:4]]

    def difference(words: str) -> tuple[frozenset[str], frozenset[str]]:  # words that went, and that came
        old, new = (frozenset(re.findall(words, side)) for side in sides)
        return old - new, new - old

    def plain(text: str) -> str:
        return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))

    if kind == "moved":
        return "migration", change.operator_before, change.operator_after
    if kind in TEXTS:
        if kind != "dn_respelt" and change.domain in moved:
            return "migration", *moved[change.domain]
        if kind != "dn_respelt" and plain(sides[0]) == plain(sides[1]):
            return kind, "spelling"
        return kind, change.operator_after, *difference(_WORDS)
    if kind in ("dn_added", "dn_retired", "dn_replaced"):
        return kind, change.operator_before or change.operator_after, change.before, change.after
    return kind, change.operator_after, *difference(r"[^.-]+")  # renamed


def _facts(
    group: tuple[Hashable, ...],
    alike: Sequence[Change],
    many: bool,
    names: Mapping[str, str],
    everywhere: Container[tuple[object, object]],
) -> tuple[str, dict[str, Any], str]:
    """Return kind, facts and confidence of an event between two reliable lists."""
    kind, first = str(group[0]), alike[0]
    owner = {"operator": _operator(first.operator_after or first.operator_before, names)}
    match kind:
        case "migration":
            was, to = (_operator(str(identifier), names) for identifier in group[1:3])
            return kind, {"before": was, "after": to}, "certain"
        case "renamed":
            renamed = [{"before": c.before, "after": c.domain} for c in alike]
            return "rename", {**owner, "renamed": renamed}, "likely"
        case "dn_added" | "dn_retired":
            certificate = _certificate(first.after or first.before)
            return f"certificate_{kind[3:]}", {**owner, "certificate": certificate}, "certain"
        case "dn_replaced":
            sides = {"before": _certificate(first.before), "after": _certificate(first.after)}
            if (first.before, first.after) in everywhere:
                return "renewal", {**owner, **sides}, "certain"
            return "replacement", {**owner, **sides}, "likely"
        case "restamped":
            return "restamp", {"rows": len(alike)}, "certain"
        case "duplicated":
            return "duplication", {**owner, "more": any(changes.way(c) == "more" for c in alike)}, "certain"
        case "added" | "removed":
            return kind, owner, "certain"
    text = TEXTS[kind]
    if group[1] == "spelling":
        return "correction" if many else text, {"text": text}, "likely"
    if many and (text != "contact" or len({(c.of, c.before, c.after) for c in alike}) > 1):
        return "correction", {"text": text, **owner}, "likely"
    return text, {"text": text, **owner}, "certain"


def _operator(identifier: str, names: Mapping[str, str]) -> dict[str, str]:
    return ListedOperator(identifier, names.get(identifier, ""))._asdict()


def _certificate(dn: object) -> dict[str, str]:
    cn = re.search(r"CN\s*=\s*([^,]+)", str(dn), re.IGNORECASE)
    return {"dn": str(dn), "cn": cn[1].strip() if cn else str(dn)}


def _appearances(names: Mapping[str, str], before: Side, after: Side) -> Iterator[_Event]:
    """Yield operators that only one list has, under any of their numbers."""
    old, new = (
        grouped(zip(side.entries["operator_id"].tolist(), side.entries["domain"].tolist(), strict=True))
        for side in (before, after)
    )
    same = changes.same_structures(before, after) if old.keys() ^ new.keys() else {}
    for kind, cause, having, lacking in (("arrival", "added", new, old), ("departure", "removed", old, new)):
        others = {same.get(operator) for operator in lacking}
        operators = sorted(having.keys() - lacking.keys() - {""})
        for structure, identifiers in grouped((same[operator], operator) for operator in operators).items():
            if structure not in others:
                domains = tuple(sorted(set().union(*(having[identifier] for identifier in identifiers))))
                sure = confidence(cause, (before.doubts, after.doubts))
                yield _Event(kind, domains, [], {"operator": _operator(identifiers[0], names)}, sure)
