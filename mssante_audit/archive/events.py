"""Events: changes that belong together, each with a sentence an analyst would write.

Columns of an events frame:

==============  =====  ==================================================================================
column          dtype  meaning
==============  =====  ==================================================================================
``event``       str    identifier, such as ``migration-1``; the column `event` of the changes names it
``kind``        str    of `EVENTS`
``sentence``    str    what happened, in French
``size``        int64  how many domains
``domains``     tuple  which, in order of name
``confidence``  str    ``certain``: the lists show it; ``probable``: the likeliest reading of them
==============  =====  ==================================================================================

Sorted as `EVENTS` is, the largest first.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mssante_audit.archive.changes import Change, changes_frame, compare
from mssante_audit.archive.history import history_of
from mssante_audit.archive.renames import renames_in
from mssante_audit.base.french import count, listing
from mssante_audit.values.contacts import mask

if TYPE_CHECKING:
    from mssante_audit.archive.store import Archive
    from mssante_audit.whitelist.load import WhiteList

EVENTS = {
    "migration": "Domaines passés d’un opérateur à un autre",
    "arrival": "Première apparition d’un opérateur",
    "departure": "Dernière apparition d’un opérateur",
    "renewal": "Certificat remplacé partout",
    "replacement": "Certificat remplacé en partie",
    "certificate_added": "Certificat ajouté",
    "certificate_retired": "Certificat retiré",
    "rename": "Domaines renommés",
    "added": "Domaines ajoutés",
    "removed": "Domaines retirés",
    "correction": "Correction en masse",
    "contact": "Contact changé",
    "description": "Description changée",
    "respelling": "Certificat écrit autrement",
    "duplication": "Lignes en double",
    "restamp": "Lignes redatées sans changement",
}
"""Kinds of events and their French names, the most telling first."""
BULK = 3
"""From how many domains on one and the same correction is a bulk one."""

_TEXTS = {"contact_changed": "contact", "description_changed": "description", "dn_respelt": "respelling"}
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
    names: Mapping[str, str] = field(default_factory=dict)
    """Operator identifier → name."""

    def masked(self) -> Span:
        """Return it with contacts masked: fit for sharing."""
        changes = self.changes.copy()
        contacts = changes["kind"] == "contact_changed"
        for column in ("before", "after"):
            changes.loc[contacts, column] = changes.loc[contacts, column].map(mask)
        return replace(self, changes=changes)


@dataclass(slots=True)
class _Event:
    kind: str
    sentence: str
    domains: tuple[str, ...]
    members: list[int]
    """Positions of its changes."""
    confidence: str = "certain"


def between(
    before: pd.DataFrame,
    after: pd.DataFrame,
    known_renames: Mapping[str, str] | None = None,
    times: tuple[datetime | None, datetime | None] = (None, None),
) -> Span:
    """Return what happened between two lists, given their rows."""
    found = compare(before, after, known_renames)
    names: dict[str, str] = {}
    for rows in (before, after):
        told = rows[["operator_id", "operator"]].drop_duplicates("operator_id")
        names.update((i, f"{n} ({i})" if n else i) for i, n in told.itertuples(index=False, name=None))
    events = sorted(
        _events(found, names, before, after),
        key=lambda e: (list(EVENTS).index(e.kind), -len(e.domains), e.sentence),
    )
    named = [""] * len(found)
    identifiers, serial = [], defaultdict[str, int](int)
    for event in events:
        serial[event.kind] += 1
        identifiers.append(f"{event.kind}-{serial[event.kind]}")
        for position in event.members:
            named[position] = identifiers[-1]
    frame = pd.DataFrame(
        {
            "event": identifiers,
            "kind": [e.kind for e in events],
            "sentence": [e.sentence for e in events],
            "size": [len(e.domains) for e in events],
            "domains": pd.Series([e.domains for e in events], dtype="object"),
            "confidence": [e.confidence for e in events],
        }
    ).astype({"event": "str", "kind": "str", "sentence": "str", "size": "int64", "confidence": "str"})
    return Span(*times, changes_frame(found, named), frame, names)


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
            renames = renames_in(history_of(archive), inside)
    return between(lists[0].entries, lists[1].entries, renames, times)


def _resolve(archive: Archive, text: str, recover: bool, any_namespace: bool) -> WhiteList:
    from mssante_audit.archive.store import load_kept
    from mssante_audit.whitelist.load import load_whitelist

    if Path(text).is_file():
        return load_whitelist(text, recover=recover, any_namespace=any_namespace)
    return load_kept(archive.find(text))


# -- grouping -----------------------------------------------------------------------------------------------


def _events(
    found: Sequence[Change], names: Mapping[str, str], before: pd.DataFrame, after: pd.DataFrame
) -> Iterator[_Event]:
    groups: dict[tuple[Hashable, ...], list[int]] = defaultdict(list)
    moved = {c.domain: (c.operator_before, c.operator_after) for c in found if c.kind == "moved"}
    for position, change in enumerate(found):
        groups[_group(change, moved)].append(position)
    keys = set(before["dn_key"]), set(after["dn_key"])
    key = {dn: k for rows in (before, after) for dn, k in zip(rows["dn"], rows["dn_key"], strict=True)}
    everywhere = {
        (c.before, c.after) for c in found
        if c.kind == "dn_replaced" and key[c.before] not in keys[1] and key[c.after] not in keys[0]
    }  # fmt: skip
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
    if kind in _TEXTS:
        if change.domain in moved and kind != "dn_respelt":
            return "migration", *moved[change.domain]
        if kind == "dn_respelt":
            return kind, change.operator_after, *_difference(change)
        if _plain(change.before) == _plain(change.after):
            return kind, "spelling"
        return kind, change.operator_after, *_difference(change)
    if kind in ("dn_added", "dn_retired", "dn_replaced"):
        return kind, change.operator_before or change.operator_after, change.before, change.after
    if kind == "renamed":
        return kind, change.operator_after, *_difference(change, r"[^.-]+")
    return kind, "" if kind == "restamped" else change.operator_before or change.operator_after


def _difference(change: Change, words: str = _WORDS.pattern) -> tuple[frozenset[str], frozenset[str]]:
    """Return the words that went, and those that came in their place."""
    old, new = (frozenset(re.findall(words, text)) for text in (change.before, change.after))
    return old - new, new - old


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))


def _told(
    group: tuple[Hashable, ...],
    changes: Sequence[Change],
    domains: tuple[str, ...],
    members: list[int],
    names: Mapping[str, str],
    everywhere: set[tuple[str, str]],
) -> _Event:
    kind, first = str(group[0]), changes[0]
    many = count(len(domains), "domaine")
    who = names.get(first.operator_after or first.operator_before, "Un opérateur sans identifiant")
    confidence = "certain"
    what: str
    match kind:
        case "migration":
            was, to = (names.get(str(o), "un opérateur sans identifiant") for o in group[1:3])
            what, sentence = kind, f"{to} a repris {many} de {was}"
        case "renamed":
            confidence = "probable"
            pairs = listing([f"{c.before} en {c.domain}" for c in changes[:3]])
            rest = ", entre autres" if len(changes) > 3 else ""
            what, sentence = "rename", f"{who} a renommé {many} : {pairs}{rest}"
        case "added" | "removed":
            verb = "ajouté" if kind == "added" else "retiré"
            what, sentence = kind, f"{who} a {verb} {many}"
        case "dn_added":
            what, sentence = "certificate_added", f"{who} a ajouté le certificat {_cn(first.after)} à {many}"
        case "dn_retired":
            what = "certificate_retired"
            sentence = f"{who} a retiré le certificat {_cn(first.before)} de {many}"
        case "dn_replaced":
            full = (first.before, first.after) in everywhere
            what, confidence = ("renewal", "certain") if full else ("replacement", "probable")
            extent = f"{'partout' if full else 'en partie'} le certificat {_cn(first.before)}"
            sentence = f"{who} a remplacé {extent} par {_cn(first.after)}, sur {many}"
        case "restamped":
            what, sentence = "restamp", f"{count(len(changes), 'ligne')} ({many}) : seule la date a changé"
        case "duplicated":
            more = sum(int(c.after.split()[0]) > int(c.before.split()[0]) for c in changes)
            verb = "apparues" if more else "retirées"
            what, sentence = "duplication", f"Lignes en double {verb} sur {many} de {who}"
        case _:
            return _text_event(kind, group, changes, domains, members, who)
    return _Event(what, sentence, domains, members, confidence)


def _text_event(
    kind: str,
    group: tuple[Hashable, ...],
    changes: Sequence[Change],
    domains: tuple[str, ...],
    members: list[int],
    who: str,
) -> _Event:
    """Tell of one change of text, made on one domain or on many."""
    many, single = count(len(domains), "domaine"), _TEXTS[kind]
    what = {
        "contact": "le contact",
        "description": "la description",
        "respelling": "l’écriture du certificat",
    }
    bulk = len(domains) >= BULK and single != "contact"
    if group[1] == "spelling":
        named = "des contacts" if single == "contact" else "des descriptions"
        sentence = f"L’écriture {named} a été corrigée sur {many}"
        return _Event(
            "correction" if len(domains) >= BULK else single, sentence, domains, members, "probable"
        )
    several = len({(c.before, c.after) for c in changes}) > 1
    if bulk or (single == "contact" and several and len(domains) >= BULK):
        sentence = f"{who} a corrigé en masse {what[single]} de {many}"
        return _Event("correction", sentence, domains, members, "probable")
    return _Event(single, f"{who} a changé {what[single]} de {many}", domains, members)


def _cn(dn: str) -> str:
    found = re.search(r"CN\s*=\s*([^,]+)", dn, re.IGNORECASE)
    return found[1].strip() if found else dn


def _appearances(names: Mapping[str, str], before: pd.DataFrame, after: pd.DataFrame) -> Iterator[_Event]:
    """Tell of the operators that only one of the two lists has; the changes belong to other events."""
    held = [rows.groupby("operator_id", sort=False)["domain"].unique() for rows in (before, after)]
    for kind, here, there, verb in (
        ("arrival", held[1], held[0], "apparaît dans la liste, avec"),
        ("departure", held[0], held[1], "n’est plus dans la liste ; y avait"),
    ):
        for operator in here.index.difference(there.index):
            if operator:
                domains = tuple(sorted(here[operator]))
                sentence = f"{names[operator]} {verb} {count(len(domains), 'domaine')}"
                yield _Event(kind, sentence, domains, [])
