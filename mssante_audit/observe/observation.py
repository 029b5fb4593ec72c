"""Observation files of the DNS, read: what was said, one line a query; docs/observing.md has the fields."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from mssante_audit.observe.file import DNS, FileRead, read_file
from mssante_audit.observe.lines import Reply, parse_reply


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
    derived: dict[str, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
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
    finished: set[str] = set()
    shared: dict[Any, Any] = {}  # equal records as one, as texts are: 10,000 domains take half the memory

    def take(line: int, content: dict[str, Any]) -> None:
        if "note" in content:
            notes.append(str(content["note"]))
        elif "done" in content:
            finished.add(str(content["done"]))
        elif "end" not in content:
            reply = parse_reply(content, line)
            if until and reply.at > until:
                raise ValueError("field at: of the future")
            records = shared.setdefault(reply.records, reply.records)
            replies.append(reply if records is reply.records else reply._replace(records=records))

    headers, read = read_file(Path(source), DNS, take)
    settings, siblings = headers[-1]["settings"], dict.fromkeys(header["sibling"] for header in headers)
    return Observation(
        **read, replies=tuple(replies), notes=tuple(notes), parent_zone=headers[0]["parent_zone"],
        siblings=tuple(siblings), ipv6=all(header.get("ipv6") is True for header in headers),
        done=frozenset(finished), only=settings["only"], settings=settings,
    )  # fmt: skip
