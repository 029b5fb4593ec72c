"""The data of names as a resolver would find them, from replies that tell, and never from their lack."""

from collections.abc import Iterable, Mapping, Sequence, Set
from functools import cached_property
from typing import NamedTuple

from mssante_audit.network.dnssec import Chains
from mssante_audit.network.replies import NO_EVIDENCE, UNKNOWN, ReplyIndex, ServerAnswer, partly_of
from mssante_audit.observe.dns.names import is_between, is_under, upwards
from mssante_audit.observe.lines import Reply, servers_in
from mssante_audit.whitelist.rows import grouped

# Aliases that every resolver follows from one name, and that some do (measured with BIND, unbound and Knot
# Resolver: a chain of 11 arrives with all, one of 12 with Knot Resolver only, one of 13 with none).
ALIASES, MOST_ALIASES = 11, 12
_DEPTH = 4  # zones that are looked up to find the servers of another
ABSENT = ("nxdomain", "loop", "failed", "nodata")


class Lookup(NamedTuple):
    """What came of looking a name up."""

    status: str
    """``found``, ``nodata``, ``nxdomain``, ``loop`` (or longer than any resolver follows), ``failed`` (no
    server of ``zone`` tells), "" unknown."""
    sets: tuple[frozenset[str], ...] = ()
    """What servers give: one set where all say the same."""
    zone: str = ""
    replies: tuple[Reply, ...] = ()
    """From the name asked for to the end of its aliases."""
    partly: str = ""
    """Where only some resolvers come to it, one of `mssante_audit.network.replies.PARTIAL`, ``alias`` (the
    servers of its zone have no names but aliases: BIND does not follow them), ``partly`` (only some find
    their addresses), ``six`` (they have IPv6 only), ``own`` (those that its zone names itself do not answer)
    or ``long`` (`ALIASES`)."""
    links: int = 0
    parts: tuple["Lookup", ...] = ()
    """What the answers of different servers come to, where there are several."""

    @property
    def ends(self) -> tuple["Lookup", ...]:
        """What each answer comes to."""
        return self.parts or (self,)

    @property
    def end(self) -> str:
        """The name that has nothing of the type asked for, or the data."""
        last = self.replies[-1]
        return last.alias or last.qname

    @property
    def data(self) -> tuple[str, ...]:
        """All that any server gives, sorted."""
        return tuple(sorted(frozenset().union(*self.sets)))

    @property
    def alias(self) -> str:
        """What the name is an alias of, or ""."""
        return next((reply.chain[1] for reply in self.replies[:1] if reply.alias), "")


class Lookups:
    """Looks names up in an observation's replies."""

    def __init__(self, index: ReplyIndex, chains: Chains) -> None:
        self._index, self._chains = index, chains
        self._found: dict[tuple[str, str, bool], Lookup] = {}
        self._under_way: set[tuple[str, str]] = set()
        self._ways: dict[tuple[str, frozenset[str]], str | None] = {}
        self._servers: dict[str, frozenset[str] | None] = {}

    def look_up(self, name: str, qtype: str, *, every: bool = False, depth: int = 0) -> Lookup:
        """Return the data of a name, through aliases; `every`: as all servers of its zone give it."""
        key = (name, qtype, every)
        lookup = self._found.get(key) or self._look_up(name, qtype, every, 0, depth)
        if not self._under_way and not depth:
            self._found[key] = lookup
        return lookup

    def server(self, name: str, families: Sequence[str] = (), depth: int = 0) -> tuple[set[str], str, bool]:
        """Return a server's addresses, how only some find them (`way_of`), and if that is known."""
        lookups = [self.look_up(name, qtype, depth=depth) for qtype in families or self._index.families]
        addresses = {address for lookup in lookups for address in lookup.data}
        return addresses, way_of(lookups), all(lookup.status for lookup in lookups)

    def _look_up(self, name: str, qtype: str, every: bool, links: int, depth: int) -> Lookup:
        answers = self._conclusive(name, qtype)
        if not answers:
            return self._failing(name, qtype, depth)
        replies = [reply for answer in answers.values() for reply in answer.replies]
        zone = replies[0].zone
        of_zone = self._index.answers(zone, name, qtype)
        merging = every and bool(zone)
        in_full = merging and zone != "."
        denials: list[Reply] = []
        if in_full:
            above = (z for z in self._index.zones_asked[name, qtype] if z != zone and is_under(zone, z))
            for asked_zone in (zone, *(z for z in above if is_between(z, self._index.parent))):
                servers = self.servers(asked_zone, depth)
                by_address = self._index.answers(asked_zone, name, qtype)
                of_servers = [by_address.get(address, UNKNOWN) for address in sorted(servers or ())]
                if servers is None or any(not answer.kind for answer in of_servers):
                    return Lookup("", (), zone)
                denials += [answer.reply for answer in of_servers if answer.reply and answer.reply.denies]
                if asked_zone != zone:
                    from_above = (reply for answer in of_servers for reply in answer.replies)
                    replies += [reply for reply in from_above if reply.outcome != "referral"]
            referrals = (r for answer in of_zone.values() for r in answer.replies if r.outcome == "referral")
            for cut in {referral.cut for referral in referrals}:  # no answer came from there
                servers, below = self.servers(cut, depth), self._index.answers(cut, name, qtype)
                if servers is None or not all(below.get(address, UNKNOWN).failed for address in servers):
                    return Lookup("", (), zone)
        # Who knows no more than what hands the zone over begins with those servers.
        handed = (in_full and self.servers(zone, depth)) or frozenset(answers)
        first = [answers[address] for address in handed & answers.keys()] or [*answers.values()]
        kinds = {self._chains.checked(answer.replies[0].zone, answer).kind for answer in first}
        way = self._way_to(zone, depth, frozenset(a for a, answer in of_zone.items() if answer.failed))
        own_sets = self._own_sets(zone, of_zone) if in_full and zone != self._index.parent else ""
        misled = self._chains.misleads(zone) if in_full and self._index.signed else False
        if NO_EVIDENCE in kinds or None in (way, own_sets, misled):
            return Lookup("", (), zone)
        kind = partly_of(kinds)
        data = frozenset().union(*(reply.answers for reply in replies))
        if data and not merging:
            lookup = Lookup("found", (data,), zone, tuple(r for r in replies if r.answers)[:1])
        else:
            parts = [self._of_reply(reply, qtype, every, links, depth) for reply in replies]
            parts += [Lookup("nxdomain", (), zone, (reply,)) for reply in denials]
            order = {"found": 0, "nxdomain": 1}
            lookup = _merged(parts) if merging else min(parts, key=lambda p: order.get(p.status, 2))
        return lookup._replace(partly=kind or way or own_sets or lookup.partly)

    def _own_sets(self, zone: str, of_zone: Mapping[str, ServerAnswer]) -> str | None:
        """Return how the servers answer that a zone names beside its data, "" if well; ``None``: not known.

        A resolver that has learnt that set asks no others (RFC 2181, 5.4.1). `of_zone`: answers by address.
        """
        handed = servers_in(self._index.referrals.get(zone, ()), zone)
        sets = {frozenset(r.data("NS", zone)) for answer in of_zone.values() for r in answer.replies}
        kinds = {""}
        for names in sets - {frozenset(), frozenset(handed)}:
            ways, certain = set(), True
            for name in names:
                glue = handed.get(name, set())
                addresses, way, conclusive = self.server(name)
                usable = (a for a in addresses | glue if self._index.usable(a) is not False)
                answers = [of_zone.get(address, UNKNOWN) for address in usable]
                if any(answer.informs for answer in answers):
                    ways.add("" if glue else way)
                certain &= bool(glue or conclusive) and all(answer.kind for answer in answers)
            if not certain and "" not in ways:
                return None
            kinds.add(min(ways, default="own"))
        return max(kinds)

    def _of_reply(self, reply: Reply, qtype: str, every: bool, links: int, depth: int) -> Lookup:
        """Return what a reply leads to, through the aliases that it names."""
        if reply.alias and reply.zone:
            hops = len(reply.chain) - 1
            if reply.alias in reply.chain[:-1] or links + hops > MOST_ALIASES:
                return Lookup("loop", (), reply.zone, (reply,))
            end = self._look_up(reply.alias, qtype, every, links + hops, depth)
            partly = end.partly or ("long" if links + hops > ALIASES else "")
            return end._replace(replies=(reply, *end.replies), partly=partly, links=end.links + hops)
        if reply.answers:
            return Lookup("found", (reply.answers,), reply.zone, (reply,))
        return Lookup("nxdomain" if reply.outcome == "nxdomain" else "nodata", (), reply.zone, (reply,))

    def _conclusive(self, name: str, qtype: str) -> dict[str, ServerAnswer]:
        """Return the answers that settle a name, by address, of the lowest zone that has any."""
        for zone in sorted(self._index.zones_asked.get((name, qtype), ()), key=_depth, reverse=True):
            of_zone = sorted(self._index.answers(zone, name, qtype).items())
            answers = {at: a for at, a in of_zone if a.replies and a.replies[0].outcome != "referral"}
            if answers:
                return answers
        return {}

    def _way_to(self, zone: str, depth: int = 0, failed: frozenset[str] = frozenset()) -> str | None:
        """Return how only some find a server (not `failed`) of a zone, and of each above it (`way_of`)."""
        if zone in ("", ".", self._index.parent) or depth > _DEPTH:
            return ""
        key = (zone, failed)
        if key not in self._ways:
            self._ways[key] = ""  # whoever comes back here on the way goes round in a circle
            referrals = self._index.referrals.get(zone, ())
            above = sorted({r.zone for r in referrals if r.zone != zone and is_under(zone, r.zone)})
            ways = [self._way_down(referrals, zone, depth, failed), *(self._way_to(z, depth) for z in above)]
            self._ways[key] = None if not above or None in ways else max(map(str, ways))
        return self._ways[key]

    def _way_down(self, referrals: Iterable[Reply], zone: str, depth: int, failed: Set[str]) -> str | None:
        """Return how only some resolvers find a server of a zone by what hands it over; ``None``: unknown."""
        servers = servers_in(referrals, zone)
        left = frozenset().union(*servers.values()) - failed
        if any(":" not in address for address in left):
            return ""
        ways = {"six"} if left else set[str]()
        not_known = False
        for name in (name for name, glue in servers.items() if not glue):
            addresses, way, conclusive = self.server(name, depth=depth + 1)
            reached = addresses - failed
            if not way and any(":" not in address for address in reached):
                return ""
            ways.add(way or ("six" if reached else ""))
            not_known |= not (addresses or way or conclusive)
        return None if not_known else max(ways, default="")

    def _failing(self, name: str, qtype: str, depth: int) -> Lookup:
        """Tell a lookup that failed for certain from one of which too few replies are there."""
        if (name, qtype) in self._under_way:
            return Lookup("failed")
        if depth > _DEPTH:
            return Lookup("")
        zones = self._index.zones_asked.get((name, qtype), ())
        answers: Mapping[str, ServerAnswer] = {}
        if not zones:  # once a zone is known to be out of reach, nobody is asked for its names
            zone = next((zone for zone in upwards(name) if zone in self._index.referrals), "")
        else:
            zone = max(zones, key=_depth)
            answers = self._index.answers(zone, name, qtype)
            cuts = [answer.replies[0].cut for answer in answers.values() if answer.informs]
            if zone and ("" in answers or cuts):  # nobody was there to ask, or nobody below
                zone, answers = zone if "" in answers else max(cuts), {}
        self._under_way.add((name, qtype))
        servers = self.servers(zone, depth) if zone else self._index.resolvers or None
        self._under_way.discard((name, qtype))
        failed = servers is not None and all(answers.get(a, UNKNOWN).failed for a in servers)
        return Lookup("failed" if failed else "", (), zone)

    def servers(self, zone: str, depth: int = 0) -> frozenset[str] | None:
        """Return the addresses of a zone's servers that can be asked, ``None`` if not all are known."""
        if zone in self._servers:
            return self._servers[zone]
        servers = self._servers_of(zone, depth)
        if not self._under_way:
            self._servers[zone] = servers
        return servers

    def _servers_of(self, zone: str, depth: int) -> frozenset[str] | None:
        if zone == self._index.parent:
            return frozenset().union(*self.parents.values()) or None
        servers = servers_in(self._index.referrals.get(zone, ()), zone)
        addresses = {address for glue in servers.values() for address in glue}
        beyond = False  # whether one may have IPv6 addresses that the observer did not look for
        for name in sorted(name for name, glue in servers.items() if not glue):
            if not is_under(name, zone):  # else it would have to be known to be found
                lookups = [self._look_up(name, t, False, 0, depth + 1) for t in self._index.families]
                if not all(lookup.status for lookup in lookups):
                    return None
                addresses.update(address for lookup in lookups for address in lookup.data)
                beyond |= not self._index.ipv6 and lookups[0].status == "nodata"
        usable = {address: self._index.usable(address) for address in addresses}
        reachable = frozenset(address for address in usable if usable[address])
        return None if not servers or ((beyond or None in usable.values()) and not reachable) else reachable

    @cached_property
    def parents(self) -> Mapping[str, set[str]]:
        """The parent zone's servers by name: those given, or all that it names if all are known."""
        zone, index = self._index.parent, self._index
        pairs = ((host, a) for a, hosts in index.names.get(zone, {}).items() for host in hosts)
        by_name = {host: {*its} for host, its in grouped(index.parent_servers or pairs).items()}
        if index.parent_servers:
            return by_name
        named = {text for reply in index.about(zone, "NS") for text in reply.answers}
        by_name |= {host: by_name.get(host, set()) | self.server(host)[0] for host in named}
        return by_name if named and all(by_name.values()) else {}


def _merged(parts: Sequence[Lookup]) -> Lookup:
    """Return the merged answers of different servers."""
    if len(parts) == 1 or not all(part.status for part in parts):
        return min(parts, key=lambda part: bool(part.status))
    none = (frozenset[str](),)
    return Lookup(
        min((part.status for part in parts), key=("found", *ABSENT).index),
        tuple(dict.fromkeys(s for p in parts for s in (p.sets if p.status == "found" else none))),
        parts[0].zone,
        tuple(dict.fromkeys(reply for part in parts for reply in part.replies)),
        next((part.partly for part in parts if part.partly), ""),
        max(part.links for part in parts),
        tuple(dict.fromkeys(end for part in parts for end in part.ends)),
    )


def way_of(lookups: Sequence[Lookup]) -> str:
    """Return how only some resolvers find the addresses of a server: ``alias``, ``partly`` or "" (all do)."""
    if any(lookup.alias for lookup in lookups):
        return "alias"
    partly = [lookup.partly for lookup in lookups if lookup.data]
    return "partly" if partly and all(partly) else ""


def _depth(zone: str) -> tuple[int, str]:
    return (len(zone) if zone not in ("", ".") else 0, zone)
