"""The archive as a story: its lists over a span, what happened from each to the next, and over the whole."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import pandas as pd

from mssante_audit.archive.events import Span, between
from mssante_audit.archive.history import frame_of, merged, rows_of
from mssante_audit.archive.renames import renames_in
from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import parse_instant
from mssante_audit.space.trust import TrustSpace

MOST = 31
"""Lists looked at one by one; a longer archive is told of its last ones unless a start is given."""


@dataclass(frozen=True)
class Chronicle:
    """What happened over a span of the archive. Test entries are left out."""

    counts: pd.DataFrame
    """One row a list: `time`, and the numbers of `rows`, `domains` and `operators`."""
    steps: tuple[Span, ...]
    """From each list to the next; one less than lists."""
    whole: Span
    """From the first to the last."""
    ages: pd.DataFrame
    """One row a domain of the last list: `domain`, `first_seen`, and whether the archive's first list has it
    already (`censored`), so that it may be older."""
    skipped: int
    """Lists of the archive before the span."""
    unread: tuple[InputError, ...] = ()
    """Why lists of the span are left out, each naming its file."""

    @property
    def events(self) -> pd.DataFrame:
        """The events of all steps, with the times `start` and `end` between which they happened."""
        frames = [step.events.assign(start=step.start, end=step.end) for step in self.steps]
        return (
            pd.concat(frames, ignore_index=True) if frames else self.whole.events.assign(start=None, end=None)
        )


def chronicle(
    space: TrustSpace,
    *,
    since: str | None = None,
    operator_id: str | None = None,
    departments: Collection[str] | None = None,
) -> Chronicle:
    """Tell the story of a space's archive up to the space's date.

    The last list before `since` (ISO 8601) is the first one looked at; of the `MOST` last ones if not given.
    Told is only what touches an operator, or those that sat in some departments (codes) in the span.
    If there is no archive, or no list of the span can be read, it is an `InputError`.
    """
    if space.archive is None:
        raise InputError("the data folder holds no archive", remedy="`mssante-audit fetch` makes one")
    known = space.archive.until(space.as_of)
    chosen = known[-MOST:]
    if since is not None:
        start = parse_instant(since)
        chosen = known[max(sum(s.generated_at <= start for s in known) - 1, 0) :]
    counts, steps, unread = [], [], []
    first = last = None
    sitting: set[str] = set()
    for snapshot in chosen:
        try:
            side = space.side_of(snapshot).audited
        except InputError as error:
            unread.append(error)
            continue
        if departments is not None:
            there = side.entries[side.entries["department"].isin(list(departments))]
            sitting |= set(there["operator_id"])
        numbers = side.entries[["domain", "operator_id"]].nunique().tolist()
        counts.append((snapshot.generated_at, len(side.entries), *numbers))
        if last is None:
            first = side
        else:
            steps.append(between(last, side))
        last = side
    if first is None or last is None:
        raise (unread[0] if unread else InputError("no list of that date", file=str(space.archive.folder)))
    whose = None if departments is None else sitting - {""}
    if operator_id is not None:
        whose = {operator_id}
    times = [time for time, *_ in counts]
    try:
        history = space.archive.history
    except InputError:  # of a list outside of the span, perhaps
        readable = (s for s in chosen if s.generated_at in times)
        history = frame_of(merged(rows_of(space.archive.load(s).entries, s.generated_at) for s in readable))
    renames = renames_in(history, times) if len(times) > 2 else {}
    whole = between(first, last, renames)
    return Chronicle(
        pd.DataFrame(counts, columns=["time", "rows", "domains", "operators"]),
        tuple(_of(step, whose) for step in steps),
        _of(whole, whose),
        _ages(history, last.entries, whole, whose),
        len(known) - len(chosen),
        tuple(unread),
    )


def _of(span: Span, operators: Collection[str] | None) -> Span:
    """Return what touches some operators: events whole, changes their own."""
    if operators is None:
        return span
    sides = [span.changes[side].isin(list(operators)) for side in ("operator_before", "operator_after")]
    changes = span.changes[sides[0] | sides[1]].reset_index(drop=True)
    theirs = [facts.get("operator", {}).get("operator") in operators for facts in span.events["facts"]]
    touching = span.events["event"].isin(set(changes["event"])) | (
        span.events["kind"].isin(["arrival", "departure"]) & pd.Series(theirs, dtype="bool")
    )
    return replace(span, changes=changes, events=span.events[touching].reset_index(drop=True))


def _ages(
    history: pd.DataFrame, entries: pd.DataFrame, whole: Span, operators: Collection[str] | None
) -> pd.DataFrame:
    kept = entries if operators is None else entries[entries["operator_id"].isin(list(operators))]
    born = history.groupby("domain")["first_seen"].min()
    names = kept["domain"].unique().tolist()
    renamed = whole.changes[whole.changes["kind"] == "renamed"]
    was = {name: facts["before"] for name, facts in zip(renamed["domain"], renamed["facts"], strict=True)}
    first = born.reindex([was.get(name, name) for name in names])  # another name is no other domain
    start = history["first_seen"].min()
    return pd.DataFrame(
        {"domain": names, "first_seen": first.to_numpy(), "censored": (first <= start).to_numpy()}
    )
