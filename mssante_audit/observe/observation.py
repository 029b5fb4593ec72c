"""Observation files of the DNS, read: what was said, one line a query; docs/observing.md has the fields.

Of several, each domain is judged wholly from one file: the newest that answers for it. An old referral is so
never held against a new reply of the zone. A file that came to its end answers for the domains that it asked
about; one that is growing, or was stopped, for those that it was done with, and for others where no file is
better.

Older files are read as long as a domain of the list lacks an answer; those so old that they say nothing any
more only until a file is found that is whole: that answers for nine tenths of the list. What it lacks was not
listed then.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from mssante_audit.observe.dns.names import canonical, is_under
from mssante_audit.observe.file import DNS, FileRead, read_file
from mssante_audit.observe.folder import RUN, Aside, File, pattern_of
from mssante_audit.observe.lines import ObservationError, Reply, parse_reply


@dataclass(frozen=True, kw_only=True)
class Observation(FileRead):
    """An observation file, read; `settings` and `only` (the pattern of its domains) are of the last run.

    `siblings` are the labels that no domain has, one a run; `done` the names asked about to the end. `older`
    files answer for what this one does not, newest first, each for its `domains`.
    """

    replies: tuple[Reply, ...]
    notes: tuple[str, ...]
    parent_zone: str
    siblings: tuple[str, ...]
    ipv6: bool
    done: frozenset[str] = frozenset()
    only: str = ""
    domains: frozenset[str] = frozenset()
    older: tuple["Observation", ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What was worked out of it, once (`mssante_audit.network`)."""

    @property
    def whole(self) -> bool:
        """Whether it was to answer for the whole list, and came to its end."""
        return self.complete and not self.only

    @property
    def size(self) -> int:
        """How many domains the files answer for."""
        return len({reply.domain for reply in self.replies}) + sum(len(part.domains) for part in self.older)

    @property
    def parts(self) -> tuple["Observation", ...]:
        """All the files that answer, the newest first."""
        return (self, *self.older)

    def shares(self, domains: Iterable[str]) -> Iterator[tuple["Observation", list[str]]]:
        """Yield each file that answers for some of `domains`, and those; what none does is the newest's."""
        places = {domain: place for place, part in enumerate(self.parts) for domain in part.domains}
        shares: list[list[str]] = [[] for _ in self.parts]
        for domain in dict.fromkeys(domains):
            shares[places.get(domain, 0)].append(domain)
        yield from ((part, share) for part, share in zip(self.parts, shares, strict=True) if share)


def load_observation(source: str | Path, until: datetime | None = None) -> Observation:
    """Read an observation file; what could not be read is in `Observation.problems`.

    So is a line that says it is of after `until`. `ObservationError` if the file cannot be opened, is no
    observation, or is of another version.
    """
    replies: list[Reply] = []
    notes: list[str] = []
    done: set[str] = set()
    shared: dict[Any, Any] = {}  # equal records as one, as texts are: 10,000 domains take half the memory

    def take(line: int, content: dict[str, Any]) -> None:
        if "note" in content:
            notes.append(str(content["note"]))
        elif "done" in content:
            done.add(str(content["done"]))
        elif "end" not in content:
            reply = parse_reply(content, line)
            if until and reply.at > until:
                raise ValueError("field at: of the future")
            records = shared.setdefault(reply.records, reply.records)
            replies.append(reply if records is reply.records else reply._replace(records=records))

    headers, read = read_file(Path(source), DNS, take)
    last, siblings = headers[-1], dict.fromkeys(header["sibling"] for header in headers)
    return Observation(
        **read, replies=tuple(replies), notes=tuple(notes), parent_zone=headers[0]["parent_zone"],
        siblings=tuple(siblings), ipv6=all(header.get("ipv6") is True for header in headers),
        done=frozenset(done), only=pattern_of(last),
        settings=given if isinstance(given := last.get("settings"), dict) else {},
    )  # fmt: skip


def load_merged(
    files: Sequence[File], domains: Sequence[str], as_of: datetime, since: datetime
) -> tuple[Observation | None, list[Aside]]:
    """Read what files say (`mssante_audit.observe.kinds.Kind`); `ObservationError` of the newest's."""
    missing = {domain: name for domain in dict.fromkeys(domains) if (name := canonical(domain))}
    names, whole = {*missing.values()}, False
    # The parent zone that most of the names lie under, that of the newest file if several do.
    zones = dict.fromkeys(str(file.header["parent_zone"]) for file in files if "parent_zone" in file.header)
    zone = max(zones, key=lambda zone: sum(is_under(name, zone) for name in names), default="")
    aside: list[Aside] = []
    read: list[tuple[Observation, set[str], set[str]]] = []
    """Each with the names that it has something of, and the domains that it answers for."""

    def answered_by(names: set[str]) -> set[str]:
        answered = {domain for domain, name in missing.items() if name in names}
        for domain in answered:
            del missing[domain]
        return answered

    for file in files:
        if file.header and file.header.get("parent_zone") != zone:
            aside.append(Aside(file.path.name, "zone"))
            continue
        if read and (not missing or (whole and file.begun < since)):
            continue
        try:
            seen = load_observation(file.path, as_of + RUN)
        except ObservationError:
            if not read:
                raise
            aside.append(Aside(file.path.name, "unreadable"))
            continue
        zone = zone or seen.parent_zone
        if seen.parent_zone != zone:  # its first line was too long to know before
            aside.append(Aside(file.path.name, "zone"))
            continue
        begun = asked(seen)
        whole |= seen.complete and len(begun & names) >= 0.9 * len(names)
        answered = answered_by(begun if seen.complete else begun & seen.done)
        if answered or not seen.complete or not read:
            read.append((seen, begun, answered))
    for seen, begun, answered in read:
        if not seen.complete:  # a beginning is better than nothing
            answered |= answered_by(begun)
    parts = [replace(seen, domains=frozenset(answered)) for seen, _, answered in read if answered]
    parts = parts or [seen for seen, *_ in read[:1]]
    return replace(parts[0], domains=frozenset(), older=tuple(parts[1:])) if parts else None, aside


def asked(seen: Observation) -> set[str]:
    """Return the names that an observation was to answer for: what a walk begins with was asked of them."""
    first = [reply for reply in seen.replies if reply.qtype == "MX" and reply.step in ("walk", "address")]
    walked = {reply.qname for reply in first if reply.step == "walk"}
    elsewhere = {reply.qname for reply in first} - walked
    return walked | {name for name in elsewhere if not is_under(name, seen.parent_zone)}
