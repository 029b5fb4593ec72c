"""What the rules on the DNS look at together: a list's domains, what was observed and declared of them.

What has one cause, however many domains it touches, is collected into one finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, wraps
from itertools import chain
from typing import Any, NamedTuple

from mssante_audit.findings.frame import Finding, Subject
from mssante_audit.findings.places import DNS, Place
from mssante_audit.network import network_of
from mssante_audit.network.walk import DEAD, ZoneVisit, rests_on
from mssante_audit.network.zones import SERVING, Zone
from mssante_audit.observe.dns.names import canonical
from mssante_audit.observe.lines import Reply
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.hosts import domain_key
from mssante_audit.whitelist.rows import all_rows, grouped, rows_by, tuples


class Declared(NamedTuple):
    """What an operator declared for a domain."""

    kind: str  # ``delegation``, ``redirection``, ``withdrawal`` or "" (nothing, both, or not readable)
    servers: tuple[str, ...] = ()
    mail: str = ""
    primary: str = ""


_Reports = list[tuple[tuple[str, Subject], tuple[Iterable[Any], ...]]]  # rule and subject, what is known


class ObservedZones:
    """The domains of a list with what was observed and declared of each, and what rules report of them."""

    def __init__(self, space: TrustSpace) -> None:
        if space.observation is None:
            raise ValueError("a space without an observation")
        self.space, self.observation = space, space.observation
        self.rows = space.domain_rows
        uses = rows_by(space.audited, "domain", "operator_id", "cn")
        self.operator = {domain: operator for domain, operator, _ in reversed(uses)}
        self.certificates = {
            domain: {cn.lower().rstrip(".") for cn in names if cn}
            for domain, names in grouped((domain, cn) for domain, _, cn in uses).items()
        }
        self.network = network_of(space.observation)
        names = {domain: canonical(domain) for domain in self.rows}
        self.methods = {domain: self.network.methods.of(name) for domain, name in names.items()}
        follow = self.network.walk.follow
        self.met = {domain: list(rests_on(follow(name))) for domain, name in names.items() if name}
        self.declared = declarations(space)
        self.reported: _Reports = []  # domains, lines, what is seen, what is wanted

    def add(
        self, rule: str, subject: Subject, domains: Iterable[str], replies: Iterable[Reply],
        expected: Mapping[str, Any] | None = None, /, **facts: Any,
    ) -> None:  # fmt: skip
        """Report that a subject touches domains, the replies that show it, and what is seen, once."""
        lines, wanted = [reply.line for reply in replies], [] if expected is None else [expected]
        self.reported.append(((rule, subject), (list(domains), lines, [facts], wanted)))

    def declaration(self, domain: str) -> Declared:
        """Return what was declared for a domain."""
        return self.declared.get(domain.lower().rstrip("."), Declared(""))

    def visits(self, domain: str) -> list[ZoneVisit]:
        """Return the zones that the walk comes to, each with what its servers said of the domain."""
        return [way for way in self.met.get(domain, ()) if isinstance(way, ZoneVisit)]

    @cached_property
    def zones(self) -> dict[str, list[str]]:
        """Zone below the parent → the listed domains reached through it."""
        uses = grouped(
            (zone, domain)
            for domain, method in self.methods.items()
            for zone in (*method.cuts, *(visit.zone for visit in self.visits(domain)))
            if zone != self.network.parent
        )
        return {zone: list(dict.fromkeys(domains)) for zone, domains in uses.items()}

    @cached_property
    def dead(self) -> frozenset[str]:
        """Zones none of whose servers answers, whoever hands them over."""
        ways = [self.visits(domain) for domain in self.rows]
        alive = {visit.zone for way in ways for visit in way if visit.part.cause not in DEAD}
        # A server above that is not known to answer may hand the zone to others.
        whole = [way for way in ways if all(server.state for visit in way for server in visit.servers)]
        zones = {visit.zone for way in whole for visit in way} - alive
        network, parent = self.network, self.network.zone(self.network.parent)
        addresses = filter(network.index.usable, chain.from_iterable(network.lookups.parents.values()))
        states = {parent.states.get(address, "") for address in {*addresses} or parent.addresses}
        if states and "" not in states and not {*SERVING} & states:
            zones.add(network.parent)
        return frozenset(zones)

    @cached_property
    def led_astray(self) -> frozenset[str]:
        """Zones whose delegation is sound, and none of the servers that they name themselves answers."""
        visits = (visit for domain in self.rows for visit in self.visits(domain))
        return frozenset(visit.zone for visit in visits if visit.own_part.cause == "own-servers")

    @cached_property
    def under_parent(self) -> list[str]:
        """The listed domains that the parent zone's servers were asked about."""
        parent = self.network.parent
        return [name for name, method in self.methods.items() if method.cuts or method.zone == parent]


def by_file(run: Callable[[ObservedZones], None]) -> Callable[[TrustSpace], Iterator[Finding]]:
    """Return rules that run on each observation file; findings of one subject are merged."""

    @wraps(run)
    def of_space(space: TrustSpace) -> Iterator[Finding]:
        parts, of_files = space.parts(), _Reports()
        for part in parts:
            view = seen_of(part)
            view.reported.clear()
            run(view)
            source, day = view.observation.source, f"{view.observation.started_at:%Y-%m-%d}"
            label = f"{source}, {day}" if len(parts) > 1 else day
            for cause, reports in grouped(view.reported).items():
                domains, lines, *values = map(chain.from_iterable, zip(*reports, strict=True))
                if rows := all_rows(view.rows[domain] for domain in dict.fromkeys(domains)):
                    of_file = tuple(sorted({*lines}))
                    places = [Place(DNS, source, of_file, label=label)] if of_file else []
                    of_files.append((cause, ((*rows, *places), *values)))
        for (rule, subject), uses in grouped(of_files).items():
            where, *fact_lists = map(chain.from_iterable, zip(*uses, strict=True))
            unique = ([*{repr(value): value for value in values}.values()] for values in fact_lists)
            facts = {name: values for name, values in zip(("seen", "wanted"), unique, strict=True) if values}
            yield Finding(rule, subject, tuple(where), facts)

    return of_space


def seen_of(space: TrustSpace) -> ObservedZones:
    """Return what the rules look at; worked out once for a space."""
    return space.once("delegation_vs_redirection", lambda: ObservedZones(space))


def declarations(space: TrustSpace) -> dict[str, Declared]:
    """Return what counts as declared at the space's date, by domain in lower case."""
    register = space.register
    if register is None:
        return {}
    boxes = ["delegation", "redirection", "withdrawal"]
    frame = register.at(space.as_of)  # of several operators' the latest that stays, dated before undated
    frame = frame.assign(**{box: frame[box].fillna(value=False).astype(bool) for box in boxes})
    frame = frame.assign(stays=~frame["withdrawal"])
    frame = frame.sort_values(["stays", "date"], na_position="first", kind="stable")
    declared = {}
    columns = ("domain_key", "primary_server", "secondary_server", "mail_server", *boxes)
    for domain, first, second, mail, *ticks in tuples(frame, *columns):
        kinds = [box for box, tick in zip(boxes, ticks, strict=True) if tick]
        kind = "withdrawal" if ticks[2] else kinds[0] if len(kinds) == 1 else ""
        servers = tuple(sorted({domain_key(s) for s in (first, second) if s.strip()}))
        if domain:
            declared[domain] = Declared(kind, servers, domain_key(mail), domain_key(first))
    return declared


def server(zone: Zone, address: str, **extra: Any) -> dict[str, Any]:
    """Return the facts of a server of a zone: its names, its address, and more."""
    return {"names": zone.names_of(address), "address": address} | extra
