"""The observation file: what the DNS said, one line a query.

JSON Lines in gzip members, appended as the observation goes, so it can be read while it grows and after a
kill. A *header* opens each run (``format``, ``version``, ``at``, ``parent_zone``, ``sibling``, the label
asked for to find wildcards, ``ipv6``, ``settings``). A *query* has the fields of `Reply`. ``done`` says that
a domain was asked about to the end. A *note* says what was left out and why. An *end* closes a run
(``complete``, and what was thrown away as no reply of ours). docs/observing.md has the fields one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.base.digest import digest
from mssante_audit.base.frames import frame_of
from mssante_audit.observe.kinds import pattern_of
from mssante_audit.observe.lines import (
    OUTCOMES,
    PROBLEMS,
    SECTIONS,
    STEPS,
    TRANSPORTS,
    ObservationError,
    Record,
    Reply,
    Scan,
    bytes_of,
    check_header,
    parse_reply,
)

_QUERIES = dict.fromkeys(("line", *Reply._fields[:-2]), "str") | {
    "line": "int64", "at": "instant", "step": pd.CategoricalDtype(list(STEPS)), "edns": "bool", "rd": "bool",
    "transport": pd.CategoricalDtype(list(TRANSPORTS)), "attempt": "int64", "rtt": "float64",
    "outcome": pd.CategoricalDtype(list(OUTCOMES)), "ignored": "int64",
}  # fmt: skip
_RECORDS = dict.fromkeys(("line", *Record._fields), "str") | {
    "line": "int64", "section": pd.CategoricalDtype(list(SECTIONS)), "ttl": "int64",
}  # fmt: skip


@dataclass(frozen=True)
class Observation:
    """An observation file, read."""

    replies: tuple[Reply, ...]
    """What came of each query, in the order of the file."""
    problems: pd.DataFrame
    """What could not be read: ``line`` int64, ``kind`` (``cut``, ``damaged``, ``record``), ``message``."""
    notes: pd.DataFrame
    """What was left out: ``line`` int64, ``zone`` and ``text`` str."""
    source: str
    sha256: str
    parent_zone: str
    siblings: tuple[str, ...]
    """The labels that no domain has, one a run."""
    ipv6: bool
    """Whether IPv6 addresses could be asked."""
    started_at: datetime
    complete: bool
    """Whether the last run came to its end."""
    done: frozenset[str] = frozenset()
    """The names that were asked about to the end."""
    only: str = ""
    """The pattern of the domains that the last run asked about; "" for all of the list."""
    domains: frozenset[str] = frozenset()
    """Of one of the `older`: the domains, as the list writes them, that it answers for."""
    older: tuple[Observation, ...] = ()
    """Those that answer for what this one does not, newest first (`mssante_audit.observe.merged`)."""
    ignored: dict[str, int] = field(default_factory=dict)
    """Messages that answered nothing asked, by source address, over all runs."""
    settings: dict[str, Any] = field(default_factory=dict)
    """The options of the last run, as its header has them."""
    found: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What was worked out of it, once (`mssante_audit.network`)."""

    @cached_property
    def queries(self) -> pd.DataFrame:
        """The queries as a frame, a row each: ``line`` and the fields of the file but the records."""
        return frame_of(((reply.line, *reply[:-2]) for reply in self.replies), _QUERIES)

    @cached_property
    def records(self) -> pd.DataFrame:
        """The records as a frame, a row each: ``line`` of the query, and the fields of `Record`."""
        return frame_of(((one.line, *record) for one in self.replies for record in one.records), _RECORDS)

    @property
    def whole(self) -> bool:
        """Whether it was to answer for the whole list, and came to its end."""
        return self.complete and not self.only

    @property
    def size(self) -> int:
        """How many domains the files answer for."""
        return len({reply.domain for reply in self.replies}) + sum(len(part.domains) for part in self.older)

    @property
    def parts(self) -> tuple[Observation, ...]:
        """All the files that answer, the newest first."""
        return (self, *self.older)

    def shares(self, domains: Iterable[str]) -> Iterator[tuple[Observation, list[str]]]:
        """Yield each file that answers for some of `domains`, and those; what none does is the newest's."""
        of = {domain: part for part in self.older for domain in part.domains}
        shares: dict[int, list[str]] = {}
        for domain in dict.fromkeys(domains):
            shares.setdefault(id(of.get(domain, self)), []).append(domain)
        yield from ((part, shares[id(part)]) for part in self.parts if id(part) in shares)


def load_observation(source: str | Path, names: Collection[str] | None = None) -> Observation:
    """Read an observation file.

    A file that is still growing, was cut, is damaged, or holds lines that are not as they should be is read
    as far as possible: what could not be read is in `Observation.problems`.

    Parameters
    ----------
    source
        The file.
    names
        Leave out what says nothing of these names (`mssante_audit.observe.dns.names.canonical`): other names,
        and zones that none of them lies in. Servers and mail hosts stay.

    Raises
    ------
    ObservationError
        If the file cannot be opened, is no observation, or is of another version.
    """
    path = Path(source)
    data = bytes_of(path)
    scan, concerns = Scan(data), _concerning(names)
    headers: list[dict[str, Any]] = []
    replies: list[Reply] = []
    notes: list[tuple[int, str, str]] = []
    done: set[str] = set()
    ignored: dict[str, int] = {}
    complete = False
    shared: dict[Any, Any] = {}  # equal texts and records as one: 10,000 domains take half the memory

    def once(value: Any) -> Any:
        return shared.setdefault(value, value) if type(value) in (str, tuple) else value

    for line, content in scan.lines():
        if not headers or "format" in content:
            headers.append(check_header(content, path))
            complete = False
        elif "note" in content:
            notes.append((line, str(content.get("zone", "")), str(content["note"])))
        elif "done" in content:
            done.add(str(content["done"]))
        elif "end" in content:
            complete = content.get("complete") is True
            for address, count in _counts(content.get("ignored")):
                ignored[address] = ignored.get(address, 0) + count
        else:
            try:
                reply = parse_reply(content)
            except ValueError as error:
                scan.problem("record", str(error))
                continue
            if concerns(reply):
                replies.append(Reply._make((*map(once, reply[:-1]), line)))
    if not headers:
        raise ObservationError(
            "not a DNS observation", file=str(path), remedy="`mssante-audit observe dns` makes one"
        )
    return Observation(
        tuple(replies),
        problems=frame_of(scan.problems, PROBLEMS),
        notes=frame_of(notes, {"line": "int64", "zone": "str", "text": "str"}),
        source=path.name,
        sha256=digest(data),
        parent_zone=headers[0]["parent_zone"],
        siblings=tuple(dict.fromkeys(h["sibling"] for h in headers)),
        ipv6=all(h.get("ipv6") is True for h in headers),
        started_at=datetime.fromisoformat(headers[0]["at"]).astimezone(UTC),
        complete=complete,
        done=frozenset(done),
        only=pattern_of(headers[-1]),
        ignored=ignored,
        settings=given if isinstance(given := headers[-1].get("settings"), dict) else {},
    )


def _counts(given: object) -> Iterator[tuple[str, int]]:
    for address, count in given.items() if isinstance(given, dict) else ():
        if type(count) is int and 0 <= count < 1 << 31:
            yield address, count


def _concerning(names: Collection[str] | None) -> Callable[[Reply], bool]:
    """Return what tells whether a reply says something of names, or may."""
    if names is None:
        return lambda _: True
    above = {"."}
    for name in names:
        while name and name not in above:
            above.add(name)
            name = name.partition(".")[2]

    def concerns(reply: Reply) -> bool:
        if reply.step == "apex":
            return reply.zone in above
        if reply.step == "sibling":
            return reply.qname.partition(".")[2] in above
        return reply.step != "walk" or reply.qname in above

    return concerns
