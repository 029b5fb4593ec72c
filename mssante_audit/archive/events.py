"""Events: changes that belong together, in facts.

Columns of an events frame:

==============  =====================  ====================================================================
column          dtype                  meaning
==============  =====================  ====================================================================
``event``       str                    identifier, such as ``migration-1``; the changes name it in theirs
``kind``        str                    of `EVENTS`
``size``        int64                  how many domains
``domains``     object (tuple of str)  which, in order of name
``confidence``  str                    ``certain``: the lists show it; ``probable``: their likeliest reading
``facts``       object (dict)          what its sentence is made of, by name
==============  =====================  ====================================================================

Facts: the ``operator`` that did it (``operator``, its identifier, and ``name``); of a migration the operators
``before`` and ``after``; the ``certificate``, or those ``before`` and ``after`` (each ``dn`` and ``cn``); the
names ``renamed`` (``before``, ``after``); the ``text`` that changed (`TEXTS`), and without an operator where
only its spelling did; ``rows`` that were re-stamped; whether there are ``more`` copies. The changes of an
event have what was and what is. `mssante_audit.space.story` has the sentences.

Sorted as `EVENTS` is, the largest first.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Container, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mssante_audit.archive.changes import Change, Operator, changes_frame, compare
from mssante_audit.archive.renames import renames_in
from mssante_audit.values.person import Person

if TYPE_CHECKING:
    from mssante_audit.archive.store import Archive
    from mssante_audit.whitelist.load import WhiteList

EVENTS = (
    "migration", "arrival", "departure", "renewal", "replacement", "certificate_added", "certificate_retired",
    "rename", "added", "removed", "correction", "contact", "description", "respelling", "duplication",
    "restamp",
)  # fmt: skip
"""Kinds of events, the most telling first."""
COLUMNS = ("event", "kind", "size", "domains", "confidence", "facts")
BULK = 3
"""From how many domains on one and the same correction is a bulk one."""

TEXTS = {"contact_changed": "contact", "description_changed": "description", "dn_respelt": "respelling"}
"""Kinds of changes of a text, and the event that one is."""
_WORDS = re.compile(r"[^\s,;:()<>@]+|@")


@dataclass(frozen=True)
class Span:
    """What happened between two lists."""

    start: datetime | None
    """Generation time of the earlier list."""
    end: datetime | None
    changes: pd.DataFrame
    """Columns of `mssante_audit.archive.changes`."""
    events: pd.DataFrame
    """Columns of this module."""


@dataclass(slots=True)
class _Event:
    kind: str
    domains: tuple[str, ...]
    members: list[int]
    """Positions of its changes."""
    facts: dict[str, Any]
    confidence: str = "certain"


def between(
    before: pd.DataFrame,
    after: pd.DataFrame,
    known_renames: Mapping[str, str] | None = None,
    times: tuple[datetime | None, datetime | None] = (None, None),
) -> Span:
    """Return what happened between two lists, given their rows."""
    found = compare(before, after, known_renames)
    events = sorted(
        _events(found, before, after), key=lambda e: (EVENTS.index(e.kind), -len(e.domains), e.domains)
    )
    named = [""] * len(found)
    identifiers, serial = [], defaultdict[str, int](int)
    for event in events:
        serial[event.kind] += 1
        identifiers.append(f"{event.kind}-{serial[event.kind]}")
        for position in event.members:
            named[position] = identifiers[-1]
    records = [
        (identifier, e.kind, len(e.domains), e.domains, e.confidence, e.facts)
        for identifier, e in zip(identifiers, events, strict=True)
    ]
    frame = pd.DataFrame(records, columns=list(COLUMNS), dtype="object")
    frame = frame.astype({"event": "str", "kind": "str", "size": "int64", "confidence": "str"})
    return Span(*times, changes_frame(found, named), frame)


def span(
    archive: Archive, before: str, after: str, *, recover: bool = False, any_namespace: bool = False
) -> Span:
    """Return what happened between two lists, each a file or a date of the archive.

    Raises
    ------
    InputError
        If there is no such list, or it cannot be read.
    """
    lists = [_resolve(archive, text, recover, any_namespace) for text in (before, after)]
    times = lists[0].generated_at, lists[1].generated_at
    renames: dict[str, str] = {}
    if times[0] and times[1] and times[0] < times[1]:
        inside = [s.generated_at for s in archive.snapshots if times[0] <= s.generated_at <= times[1]]
        if len(inside) > 2:
            renames = renames_in(archive.history, inside)
    return between(lists[0].entries, lists[1].entries, renames, times)


def _resolve(archive: Archive, text: str, recover: bool, any_namespace: bool) -> WhiteList:
    from mssante_audit.archive.store import load_kept
    from mssante_audit.whitelist.load import load_whitelist

    if Path(text).is_file():
        return load_whitelist(text, recover=recover, any_namespace=any_namespace)
    return load_kept(archive.find(text))


# -- grouping -----------------------------------------------------------------------------------------------


def _events(found: Sequence[Change], before: pd.DataFrame, after: pd.DataFrame) -> Iterator[_Event]:
    groups: dict[tuple[Hashable, ...], list[int]] = defaultdict(list)
    moved = {c.domain: (c.operator_before, c.operator_after) for c in found if c.kind == "moved"}
    for position, change in enumerate(found):
        groups[_group(change, moved)].append(position)
    keys = set(before["dn_key"]), set(after["dn_key"])
    key = {dn: k for rows in (before, after) for dn, k in zip(rows["dn"], rows["dn_key"], strict=True)}
    everywhere = {
        (c.before, c.after) for c in found
        if c.kind == "dn_replaced" and key[str(c.before)] not in keys[1] and key[str(c.after)] not in keys[0]
    }  # fmt: skip
    names: dict[str, str] = {}
    for rows in (before, after):
        names.update(zip(rows["operator_id"][::-1], rows["operator"][::-1], strict=True))
    names[""] = ""  # several bear no identifier
    for group, members in groups.items():
        changes = [found[position] for position in members]
        domains = tuple(sorted({c.domain for c in changes}))
        yield _told(group, changes, domains, members, names, everywhere)
    yield from _appearances(names, before, after)


def _group(change: Change, moved: Mapping[str, tuple[str, str]]) -> tuple[Hashable, ...]:
    """Return what the changes of one event have in common."""
    kind = change.kind
    if kind == "moved":
        return "migration", change.operator_before, change.operator_after
    if kind in TEXTS:
        if change.domain in moved and kind != "dn_respelt":
            return "migration", *moved[change.domain]
        if kind == "dn_respelt":
            return kind, change.operator_after, *_difference(change)
        if _plain(_text(change.before)) == _plain(_text(change.after)):
            return kind, "spelling"
        return kind, change.operator_after, *_difference(change)
    if kind in ("dn_added", "dn_retired", "dn_replaced"):
        return kind, change.operator_before or change.operator_after, change.before, change.after
    if kind == "renamed":
        return kind, change.operator_after, *_difference(change, r"[^.-]+")
    return kind, "" if kind == "restamped" else change.operator_before or change.operator_after


def _difference(change: Change, words: str = _WORDS.pattern) -> tuple[frozenset[str], frozenset[str]]:
    """Return the words that went, and those that came in their place."""
    old, new = (frozenset(re.findall(words, _text(side))) for side in (change.before, change.after))
    return old - new, new - old


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))


def _text(side: object) -> str:
    return side.text if isinstance(side, Person) else str(side)


def _told(
    group: tuple[Hashable, ...],
    changes: Sequence[Change],
    domains: tuple[str, ...],
    members: list[int],
    names: Mapping[str, str],
    everywhere: Container[tuple[object, object]],
) -> _Event:
    kind, first = str(group[0]), changes[0]
    who = _operator(first.operator_after or first.operator_before, names)
    match kind:
        case "migration":
            was, to = (_operator(str(one), names) for one in group[1:3])
            return _Event(kind, domains, members, {"before": was, "after": to})
        case "renamed":
            renamed = [{"before": c.before, "after": c.domain} for c in changes]
            return _Event("rename", domains, members, {"operator": who, "renamed": renamed}, "probable")
        case "dn_added" | "dn_retired":
            facts = {"operator": who, "certificate": _certificate(first.after or first.before)}
            return _Event(f"certificate_{kind[3:]}", domains, members, facts)
        case "dn_replaced":
            full = (first.before, first.after) in everywhere
            sides = {"before": _certificate(first.before), "after": _certificate(first.after)}
            what, confidence = ("renewal", "certain") if full else ("replacement", "probable")
            return _Event(what, domains, members, {"operator": who, **sides}, confidence)
        case "restamped":
            return _Event("restamp", domains, members, {"rows": len(changes)})
        case "duplicated":
            more = any(int(c.facts["after"]) > int(c.facts["before"]) for c in changes)
            return _Event("duplication", domains, members, {"operator": who, "more": more})
        case "added" | "removed":
            return _Event(kind, domains, members, {"operator": who})
    return _text_event(TEXTS[kind], group, changes, domains, members, who)


def _text_event(
    text: str,
    group: tuple[Hashable, ...],
    changes: Sequence[Change],
    domains: tuple[str, ...],
    members: list[int],
    who: Mapping[str, str],
) -> _Event:
    """Tell of one change of text, made on one domain or on many."""
    many = len(domains) >= BULK
    if group[1] == "spelling":
        return _Event("correction" if many else text, domains, members, {"text": text}, "probable")
    facts = {"text": text, "operator": who}
    several = len({(c.of, c.before, c.after) for c in changes}) > 1
    if many and (text != "contact" or several):
        return _Event("correction", domains, members, facts, "probable")
    return _Event(text, domains, members, facts)


def _operator(identifier: str, names: Mapping[str, str]) -> dict[str, str]:
    return Operator(identifier, names.get(identifier, ""))._asdict()


def _certificate(dn: object) -> dict[str, str]:
    found = re.search(r"CN\s*=\s*([^,]+)", str(dn), re.IGNORECASE)
    return {"dn": str(dn), "cn": found[1].strip() if found else str(dn)}


def _appearances(names: Mapping[str, str], before: pd.DataFrame, after: pd.DataFrame) -> Iterator[_Event]:
    """Tell of the operators that only one of the two lists has; the changes belong to other events."""
    held = [rows.groupby("operator_id", sort=False)["domain"].unique() for rows in (before, after)]
    for kind, here, there in (("arrival", held[1], held[0]), ("departure", held[0], held[1])):
        for operator in here.index.difference(there.index):
            if operator:
                yield _Event(
                    kind, tuple(sorted(here[operator])), [], {"operator": _operator(operator, names)}
                )
