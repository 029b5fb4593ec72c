"""What changed, in words, and the archive as a story: what happened from each of its lists to the next."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.archive import changes, events
from mssante_audit.archive.changes import Side
from mssante_audit.archive.events import List, Span, between, span
from mssante_audit.archive.history import merged, rows_of
from mssante_audit.archive.renames import renames_in
from mssante_audit.archive.store import Archive, Snapshot, find_archive, find_whitelist, open_archive
from mssante_audit.base.errors import InputError
from mssante_audit.base.frames import columns_of
from mssante_audit.base.instants import parse_instant
from mssante_audit.findings.facts import seen
from mssante_audit.findings.templates import phrase
from mssante_audit.space.trust import TrustSpace

MOST = 31  # lists looked at one by one; of a longer archive the last ones unless a start is given
# The columns that words add to those of `mssante_audit.archive.changes` and `events`.
FRAME = columns_of("mssante_audit.space", "worded")
CHANGES = (*changes.FRAME[:2], *FRAME[:2], *changes.FRAME[2:])
EVENTS = (*events.FRAME[:2], *FRAME[2:], *events.FRAME[2:])  # columns of the worded frames

_say = partial(phrase, "mssante_audit.space")


def compare(
    before: List | TrustSpace,
    after: List | TrustSpace,
    *,
    archive: Archive | str | Path = "archive",
    anchors: Sequence[str | Path] = (),
    signer: str | None = None,
    recover: bool = False,
    any_namespace: bool = False,
    language: str = "",
    contacts: str = "services",
) -> Span:
    """Compare two lists: what changed, what happened, and how sure either is.

    Parameters
    ----------
    before, after
        Each a file, a data folder, a date of the archive (its last list of that day or before; ISO 8601) or
        a loaded `WhiteList` or `TrustSpace`, which has anchors and signer of its own.
    archive
        Folder of an archive, or one that is open, with anchors and signer of its own.
    anchors, signer, recover, any_namespace, contacts, language
        As in `mssante_audit.load_space`, and of the words; what the damaged part of a list may explain is
        ``unknown``.

    Returns
    -------
    Span
        Frames ``changes`` (a row a change) and ``events`` (a row for changes that belong together), their
        columns in ``docs/data.md``; times ``start`` and ``end``; ``doubts``, why either list is not to be
        relied on (`mssante_audit.whitelist.load.doubts`), two empty tuples if both are.

    Examples
    --------
    >>> from mssante_audit import compare, load_space
    >>> archive = load_space(as_of="2026-03-03").archive
    >>> found = compare("2025-09-01", "2025-11-03", archive=archive, language="en")
    >>> found.events[["kind", "size", "confidence"]].values.tolist()
    [['migration', 4, 'certain'], ['added', 2, 'certain']]
    >>> found.doubts
    ((), ())
    """
    opened = archive if isinstance(archive, Archive) else open_archive(archive, anchors, signer)
    compared = span(opened, _file(before), _file(after), recover=recover, any_namespace=any_namespace)
    changed = worded_changes(compared.changes, language=language, contacts=contacts)
    happened = worded_events(compared.events, language=language, contacts=contacts)
    return replace(compared, changes=changed, events=happened)


def _file(source: List | TrustSpace) -> List:
    """Return the list that a data folder or a space stands for, as `mssante_audit.load_space` takes it."""
    if isinstance(source, TrustSpace):
        return source.whitelist
    if not isinstance(source, str | Path) or not Path(source).is_dir():
        return source
    return find_whitelist(Path(source), find_archive(Path(source)))


def worded_changes(changes: pd.DataFrame, *, language: str = "", contacts: str = "services") -> pd.DataFrame:
    """Return changes (`mssante_audit.archive.changes`) with `before` and `after` in words.

    Of persons that is shown, in `facts` too, which `contacts` says; two that differ stay different.
    """
    facts, index = seen(contacts)(changes["facts"].tolist()), changes.index
    table = changes.assign(facts=pd.Series(facts, index=index, dtype="object"))
    for side in ("before", "after"):
        table[side] = pd.Series([_side(of_one, side, language) for of_one in facts], index=index, dtype="str")
    return table[[column.name for column in CHANGES]]


def _side(facts: Mapping[str, Any], side: str, language: str) -> str:
    value = facts.get(side, "")
    if isinstance(value, list):
        operators = " | ".join(_say("who", operator, language) for operator in value)
        return _say("copied", {"who": operators, **facts}, language) if "like" in facts else operators
    if "contact" in facts:
        return f"{_say('contact_named', facts['contact'], language)}{value}"
    return f"{value} × {facts['certificate']}" if "certificate" in facts else str(value)


def worded_events(events: pd.DataFrame, *, language: str = "", contacts: str = "services") -> pd.DataFrame:
    """Return events (`mssante_audit.archive.events`) with their `sentence`, which says if one is unknown.

    Persons are shown as in `worded_changes`. Further columns stay.
    """
    sentences, masked = [], seen(contacts)(events["facts"].tolist())
    columns = (events["kind"], events["size"], masked, events["confidence"])
    for kind, size, facts, sure in zip(*columns, strict=True):
        text = _say(kind, {**facts, "size": size}, language)
        text = text[:1].upper() + text[1:]
        sentences.append(_say("doubtful", text, language) if sure == "unknown" else text)
    worded = events.assign(
        facts=pd.Series(masked, index=events.index, dtype="object"),
        sentence=pd.Series(sentences, index=events.index, dtype="str"),
    )
    names = [column.name for column in EVENTS]
    return worded[[*names, *worded.columns.difference(names, sort=False)]]


# -- the archive --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chronicle:
    """What happened over a span of the archive. Test entries are left out."""

    counts: pd.DataFrame  # one row a list: `time`, and the numbers of `rows`, `domains` and `operators`
    steps: tuple[Span, ...]  # from each list to the next; one less than lists
    whole: Span  # from the first to the last
    # One row a domain of the last list: `domain`, `first_seen`, and whether the archive's first list has it
    # already (`censored`), so that it may be older.
    ages: pd.DataFrame
    skipped: int  # lists of the archive before the span
    unread: tuple[InputError, ...] = ()  # why lists of the span are left out, each naming its file

    @property
    def events(self) -> pd.DataFrame:
        """The events of all steps, with the times `start` and `end` between which they happened."""
        frames = [step.events.assign(start=step.start, end=step.end) for step in self.steps]
        none = self.whole.events.assign(start=None, end=None)
        return pd.concat(frames, ignore_index=True) if frames else none


def chronicle(
    space: TrustSpace,
    *,
    since: str | None = None,
    operator_id: str | None = None,
    departments: Collection[str] | None = None,
) -> Chronicle:
    """Tell the story of a space's archive up to the space's date.

    The last list before `since` (ISO 8601) is the first one looked at; of the `MOST` last ones if not given.
    Only what touches an operator counts, or those that sat in some departments (codes) in the span.
    If there is no archive, or no list of the span can be read, it is an `InputError`.
    """
    if space.archive is None:
        raise InputError("the data folder holds no archive", remedy="`mssante-audit fetch` makes one")
    archived, first = space.archive.until(space.as_of), -MOST
    if since is not None:
        start = parse_instant(since)
        first = max(sum(snapshot.generated_at <= start for snapshot in archived) - 1, 0)
    chosen = archived[first:]
    counts, steps, unread, sides, sitting, readable = [], [], [], list[Side](), set[str](), list[Snapshot]()
    for snapshot in chosen:
        try:
            side = space.side_of(snapshot).audited
        except InputError as error:
            unread.append(error)
            continue
        if departments is not None:
            is_inside = side.entries["department"].isin(list(departments))
            sitting |= set(side.entries.loc[is_inside, "operator_id"])
        numbers = side.entries[["domain", "operator_id"]].nunique().tolist()
        readable.append(snapshot)
        counts.append((snapshot.generated_at, len(side.entries), *numbers))
        if sides:
            steps.append(between(sides[-1], side))
        sides = [*sides[:1], side]  # no more of them are kept than the first and the last
    if not sides:
        raise (unread[0] if unread else InputError("no list of that date", file=str(space.archive.folder)))
    ids = {operator_id} if operator_id is not None else None if departments is None else sitting - {""}
    times = [snapshot.generated_at for snapshot in readable]
    try:
        history = space.archive.history
    except InputError:  # of a list outside of the span, perhaps
        history = merged(rows_of(space.archive.load(s).entries, s.generated_at) for s in readable)
    overall = between(sides[0], sides[-1], renames_in(history, times) if len(times) > 2 else {})
    frame = pd.DataFrame(counts, columns=["time", "rows", "domains", "operators"])
    ages, spans = _ages(history, sides[-1].entries, overall, ids), [_touching(step, ids) for step in steps]
    skipped = len(archived) - len(chosen)
    return Chronicle(frame, tuple(spans), _touching(overall, ids), ages, skipped, tuple(unread))


def _touching(span: Span, operators: Collection[str] | None) -> Span:
    """Return what touches some operators: events whole, changes their own."""
    if operators is None:
        return span
    sides = span.changes[["operator_before", "operator_after"]].isin(list(operators))
    changes = span.changes[sides.any(axis=1)].reset_index(drop=True)
    involved = [facts.get("operator", {}).get("operator") in operators for facts in span.events["facts"]]
    in_full = span.events["kind"].isin(["arrival", "departure"]) & pd.Series(involved, dtype="bool")
    touching = in_full | span.events["event"].isin(set(changes["event"]))
    return replace(span, changes=changes, events=span.events[touching].reset_index(drop=True))


def _ages(
    history: pd.DataFrame, entries: pd.DataFrame, overall: Span, operators: Collection[str] | None
) -> pd.DataFrame:
    rows = entries if operators is None else entries[entries["operator_id"].isin(list(operators))]
    names = rows["domain"].unique().tolist()
    renamed = overall.changes[overall.changes["kind"] == "renamed"]
    was = {name: facts["before"] for name, facts in zip(renamed["domain"], renamed["facts"], strict=True)}
    # Another name is no other domain.
    first = history.groupby("domain")["first_seen"].min().reindex([was.get(name, name) for name in names])
    censored = (first <= history["first_seen"].min()).to_numpy()
    return pd.DataFrame({"domain": names, "first_seen": first.to_numpy(), "censored": censored})
