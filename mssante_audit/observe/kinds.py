"""The two kinds of observations, and what a data folder holds of each.

Of several, each domain is judged wholly from one file: the newest that answers for it. An old referral is so
never held against a new reply of the zone. A file that came to its end answers for the domains that it asked
about; one that is growing, or was stopped, for those that it was done with, and for others where no file is
better.

Older files are read as long as a domain of the list lacks an answer; those so old that they say nothing any
more only until a file is found that is whole: that answers for nine tenths of the list. What it lacks was not
listed then.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import SKEW
from mssante_audit.base.resources import table_of
from mssante_audit.observe.dns.names import canonical, is_under
from mssante_audit.observe.file import RUN, Aside, File, find_observations
from mssante_audit.observe.lines import ObservationError
from mssante_audit.observe.observation import Observation, load_observation
from mssante_audit.observe.tls.observation import load_servers

Faults = dict[str, InputError] | None


def load_merged(
    files: Sequence[File], domains: Sequence[str], as_of: datetime, since: datetime
) -> tuple[Observation | None, list[Aside]]:
    """Read what files say (`Kind.read`); `ObservationError` of the newest's."""
    missing = {domain: name for domain in dict.fromkeys(domains) if (name := canonical(domain))}
    names, has_complete = {*missing.values()}, False
    # The parent zone that most of the names lie under, that of the newest file if several do.
    zones = dict.fromkeys(str(file.header["parent_zone"]) for file in files if "parent_zone" in file.header)
    zone = max(zones, key=lambda zone: sum(is_under(name, zone) for name in names), default="")
    unused: list[Aside] = []
    read: list[tuple[Observation, set[str], set[str]]] = []
    """Each with the names that it has something of, and the domains that it answers for."""

    def answered_by(names: set[str]) -> set[str]:
        answered = {domain for domain, name in missing.items() if name in names}
        for domain in answered:
            del missing[domain]
        return answered

    for file in files:
        if file.header and file.header.get("parent_zone") != zone:
            unused.append(Aside(file.path.name, "zone"))
            continue
        if read and (not missing or (has_complete and file.begun < since)):
            continue
        try:
            observed = load_observation(file.path, as_of + RUN)
        except ObservationError:
            if not read:
                raise
            unused.append(Aside(file.path.name, "unreadable"))
            continue
        zone = zone or observed.parent_zone
        if observed.parent_zone != zone:  # its first line was too long to know before
            unused.append(Aside(file.path.name, "zone"))
            continue
        begun = asked(observed)
        has_complete |= observed.complete and len(begun & names) >= 0.9 * len(names)
        answered = answered_by(begun if observed.complete else begun & observed.done)
        if answered or not observed.complete or not read:
            read.append((observed, begun, answered))
    for observed, begun, answered in read:
        if not observed.complete:  # a beginning is better than nothing
            answered |= answered_by(begun)
    parts = [replace(observed, domains=frozenset(answered)) for observed, _, answered in read if answered]
    parts = parts or [observed for observed, *_ in read[:1]]
    return replace(parts[0], domains=frozenset(), older=tuple(parts[1:])) if parts else None, unused


def asked(seen: Observation) -> set[str]:
    """Return the names that an observation was to answer for: what a walk begins with was asked of them."""
    first = [reply for reply in seen.replies if reply.qtype == "MX" and reply.step in ("walk", "address")]
    walked = {reply.qname for reply in first if reply.step == "walk"}
    elsewhere = {reply.qname for reply in first} - walked
    return walked | {name for name in elsewhere if not is_under(name, seen.parent_zone)}


class Kind(NamedTuple):
    """One kind of observation; audits that need it say `need` (`mssante_audit.findings.registry.Audit`).

    `lacks` says, by language, that there is none; title and remedy are French. `read` takes files (newest
    first), the list's domains, the instant audited at, and the one before which what was seen says nothing
    any more; it returns what was observed, with a ``size`` and ``parts``, and what was left aside.
    """

    name: str
    need: str
    title: str
    lacks: Mapping[str, str]
    remedy: str
    read: Callable[[Sequence[File], Sequence[str], datetime, datetime], tuple[Any, list[Aside]]]


_WORDS = table_of("mssante_audit.observe", "kinds.toml")
KINDS = (Kind("dns", read=load_merged, **_WORDS["dns"]), Kind("tls", read=load_servers, **_WORDS["tls"]))


def read_observations(
    data: Path, domains: Sequence[str], as_of: datetime, since: datetime, faults: Faults = None
) -> tuple[dict[str, Any], tuple[Aside, ...], dict[str, tuple[File, ...]]]:
    """Return what a data folder holds of each kind, by what needs it; files left aside; files there are.

    What was begun after `as_of` is not used; what was seen before `since` says nothing any more. Where
    `faults` is given, a kind that cannot be read is left out, and the error is put there by the kind's name;
    elsewhere it is an `InputError`.
    """
    observed, unused, used = {}, [], {}
    for kind in KINDS:
        files = find_observations(data, kind.name)
        unused += [Aside(file.path.name, "future") for file in files if file.begun > as_of + SKEW]
        files = [file for file in files if file.begun <= as_of + SKEW]
        used[kind.need] = tuple(files)
        try:
            observed[kind.need], others = kind.read(files, domains, as_of, since) if files else (None, [])
        except InputError as error:
            if faults is None:
                raise
            faults[kind.name], observed[kind.need], others = error, None, []
        unused += others
    return observed, tuple(unused), used


def hashes(observed: Any) -> list[list[str]]:
    """Return of each file that answers its name and the hash of its bytes."""
    return [[part.source, part.sha256] for part in observed.parts]
