"""What was observed of the DNS, merged by domain from several files, the newest first.

Each domain is judged wholly from one file: the newest that answers for it. An old referral is so never held
against a new reply of the zone. A file that came to its end answers for the domains that it asked about; one
that is growing, or was stopped, for those that it was done with, and for others where no file is better.

Older files are read as long as a domain of the list lacks an answer; those so old that they say nothing any
more only until a file is found that is whole: that answers for nine tenths of the list. What it lacks was not
listed then.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pandas as pd

from mssante_audit.base.frames import frame_of
from mssante_audit.observe.dns.names import canonical, is_under
from mssante_audit.observe.folder import PROBLEMS, RUN, Aside, File
from mssante_audit.observe.lines import ObservationError
from mssante_audit.observe.observation import Observation, load_observation

WHOLE = 0.9  # share of the list's domains from which a file answers for the whole


def load_merged(
    files: Sequence[File], domains: Sequence[str], as_of: datetime, since: datetime
) -> tuple[Observation | None, list[Aside]]:
    """Read what files say (`mssante_audit.observe.kinds.Kind.read`); `ObservationError` of the newest's."""
    names = {domain: name for domain in dict.fromkeys(domains) if (name := canonical(domain))}
    # The parent zone that most of the names lie under, that of the newest file if several do.
    zones = dict.fromkeys(str(file.header["parent_zone"]) for file in files if "parent_zone" in file.header)
    zone = max(zones, key=lambda zone: sum(is_under(name, zone) for name in names.values()), default="")
    aside: list[Aside] = []
    missing, whole = dict(names), False
    read: list[tuple[Observation, set[str], set[str]]] = []
    """Each with the names that it has something of, and the domains that it answers for."""

    def answered_by(names: set[str]) -> set[str]:
        found = {domain for domain, name in missing.items() if name in names}
        for domain in found:
            del missing[domain]
        return found

    for file in files:
        if file.header and file.header.get("parent_zone") != zone:
            aside.append(Aside(file.path.name, "zone"))
            continue
        if read and (not missing or (whole and file.begun < since)):
            continue
        try:
            seen = _until(load_observation(file.path, set(missing.values()) if read else None), as_of)
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
        whole |= seen.complete and len(begun.intersection(names.values())) >= WHOLE * len(names)
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


def _until(seen: Observation, as_of: datetime) -> Observation:
    """Leave out the lines that say they are of the future; each is a problem."""
    late = [reply.line for reply in seen.replies if reply.at > as_of + RUN]
    if not late:
        return seen
    replies = tuple(reply for reply in seen.replies if reply.at <= as_of + RUN)
    problems = frame_of(((line, "record", "field at: of the future") for line in late), PROBLEMS)
    return replace(seen, replies=replies, problems=pd.concat([seen.problems, problems], ignore_index=True))
