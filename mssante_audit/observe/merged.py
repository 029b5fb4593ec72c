"""What was observed of the DNS, merged by domain from several files, the newest first.

Each domain is judged wholly from one file: the newest that answers for it. An old referral is so never held
against a new reply of the zone. A file that came to its end answers for the domains that it asked about; one
that is growing, or was stopped, for those that it was done with, and for others where no file is better.

Older files are read as long as a domain of the list lacks an answer; those so old that they say nothing any
more only until a file is found that is whole: that answers for nine tenths of the list. What it lacks was not
listed then.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

import pandas as pd
from dns.inet import is_address

from mssante_audit.observe import methods
from mssante_audit.observe.dns.exchangers import NOBODY, targets, told_mx
from mssante_audit.observe.dns.names import canonical, is_under
from mssante_audit.observe.dns.view import View, view_of
from mssante_audit.observe.kinds import RUN, Aside, File, Frame, Kind
from mssante_audit.observe.lines import ObservationError
from mssante_audit.observe.observation import Observation, load_observation

WHOLE = 0.9
"""Share of the list's domains from which a file answers for the whole."""


def load_merged(
    files: Sequence[File], domains: Sequence[str], as_of: datetime, since: datetime
) -> tuple[Observation | None, list[Aside]]:
    """Read what files say of domains (`mssante_audit.observe.kinds.Reader`).

    Raises
    ------
    ObservationError
        If the newest file is no observation, or of a newer version.
    """
    names = {domain: name for domain in dict.fromkeys(domains) if (name := canonical(domain))}
    zone = _zone(files, names.values())
    aside: list[Aside] = []
    left, whole = dict(names), False
    read: list[tuple[Observation, set[str], set[str]]] = []
    """Each with the names that it has something of, and the domains that it answers for."""
    for file in files:
        if file.header and file.header.get("parent_zone") != zone:
            aside.append(Aside(file.path.name, "zone"))
            continue
        if read and (not left or (whole and file.begun < since)):
            continue
        try:
            seen = _until(load_observation(file.path, set(left.values()) if read else None), as_of)
        except ObservationError:
            if not read:
                raise
            aside.append(Aside(file.path.name, "unreadable"))
            continue
        zone = zone or seen.parent_zone
        if seen.parent_zone != zone:  # its first line was too long to know before
            aside.append(Aside(file.path.name, "zone"))
            continue
        told = asked(seen)
        done = told if seen.complete else {name for name in told if _done(view_of(seen), name)}
        own = {domain for domain, name in left.items() if name in done}
        whole |= seen.complete and len(told.intersection(names.values())) >= WHOLE * len(names)
        if own or not seen.complete or not read:
            read.append((seen, told, own))
        left = {domain: name for domain, name in left.items() if domain not in own}
    for seen, told, own in read:
        if not seen.complete:  # a beginning is better than nothing
            own |= {domain for domain, name in left.items() if name in told}
            left = {domain: name for domain, name in left.items() if domain not in own}
    parts = [replace(seen, domains=frozenset(own)) for seen, _, own in read if own]
    parts = parts or [seen for seen, *_ in read[:1]]
    merged = replace(parts[0], domains=frozenset(), older=tuple(parts[1:])) if parts else None
    return merged, aside


def _zone(files: Sequence[File], names: Collection[str]) -> str:
    """Return the parent zone that most of the names lie under, that of the newest file if several do."""
    zones = dict.fromkeys(str(file.header["parent_zone"]) for file in files if "parent_zone" in file.header)
    return max(zones, key=lambda zone: sum(is_under(name, zone) for name in names), default="")


def asked(seen: Observation) -> set[str]:
    """Return the names that an observation was to answer for: what a walk begins with was asked of them."""
    first = seen.queries.loc[seen.queries["qtype"] == "MX", ["step", "qname"]]
    walked = set(first.loc[first["step"] == "walk", "qname"])
    elsewhere = set(first.loc[first["step"] == "address", "qname"]) - walked
    return walked | {name for name in elsewhere if not is_under(name, seen.parent_zone)}


def _done(view: View, name: str) -> bool:
    """Tell whether the observer was done with a name: the last zone told, and the exchangers looked up."""
    told = told_mx(view, name)
    hosts = {host for one in told for host in targets(one.answers)} - {NOBODY}
    return bool(told) and all(view.host(host).status != "unknown" for host in hosts if not is_address(host))


def _until(seen: Observation, as_of: datetime) -> Observation:
    """Leave out the lines that say they are of the future; each is a problem."""
    late = seen.queries["at"] > as_of + RUN
    if not late.any():
        return seen
    lines = seen.queries.loc[late, "line"]
    told = pd.DataFrame({"line": lines, "kind": "record", "message": "field at: of the future"})
    return replace(
        seen,
        queries=seen.queries[~late].reset_index(drop=True),
        records=seen.records[~seen.records["line"].isin(lines)].reset_index(drop=True),
        problems=pd.concat([seen.problems, told.astype(seen.problems.dtypes)], ignore_index=True),
    )


KIND = Kind(
    name="dns",
    need="observation",
    title="Observation du DNS",
    lacks={"fr": "aucune observation du DNS", "en": "no observation of the DNS"},
    remedy="Lancez « mssante-audit observe », qui en dépose une dans observations/.",
    read=load_merged,
    frames={
        "methods": Frame(
            "A domain that was observed.", methods.__doc__, methods.methods, {"method": methods.METHODS}
        )
    },
)
