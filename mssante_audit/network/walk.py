"""The walk that a sender's resolver would make, from the parent zone down, in what was observed.

Of each zone on the way: the servers that it is handed over to, and those that it names itself.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cache
from typing import Any, NamedTuple

from mssante_audit.network.dnssec import Chains
from mssante_audit.network.hosts import NOT_REACHED, YES, MailHost, MailHosts, Part, Ways, together, worst
from mssante_audit.network.lookups import ALIASES, MOST_ALIASES, Lookup, Lookups
from mssante_audit.network.replies import (
    MAX_RECORDS,
    NO_EVIDENCE,
    PARTIAL,
    ReplyIndex,
    ServerAnswer,
    partly_of,
)
from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.dns.walk import MAX_NAMES
from mssante_audit.observe.lines import Reply, servers_in
from mssante_audit.whitelist.rows import grouped

# How a zone's servers answer, where none answers all resolvers → cause.
OF_SERVERS = {
    "bogus": "dnssec-bogus", "tcp": "servers-tcp", "slow": "servers-slow", "notimp": "servers-edns",
    "odd": "servers-odd", "alias": "servers-alias", "partly": "servers-partly", "own": "own-servers",
    "long": "alias-long", "ipv6": "servers-ipv6", "six": "servers-ipv6",
}  # fmt: skip
DEAD = ("zone-dead", "zone-lost", "edns-dropped")  # causes of a zone none of whose servers answers for it
MOST_CUTS = 12  # zones on the way to a name that are followed: a file can lead round in circles
Content = tuple[Any, ...]  # what a reply comes to (`Walk._contents`)
Delegated = tuple[str, frozenset[str]]  # a server that a zone is handed over to, and its glue
# A server that a zone is handed over to, or names itself; its addresses; "" if all resolvers find them, or
# ``alias`` (BIND does not follow its name), ``partly`` (only some do) or ``no-glue`` (none is given above).
Named = tuple[str, tuple[str, ...], str]


class ServerReplies(NamedTuple):
    """A server with what its addresses said of a name."""

    name: str
    answers: dict[str, ServerAnswer]
    """By address that can be asked; of one that the observer cannot reach there is none."""
    state: str
    """``sound``, ``ipv6``, one of `PARTIAL`, ``alias``, ``partly``, ``dead``, ``no-glue`` (found by asking
    another) or "" (not known)."""
    sound: frozenset[str]


class ZoneVisit(NamedTuple):
    """A zone's servers, asked for a name's mail."""

    zone: str
    name: str
    servers: tuple[ServerReplies, ...]
    """As the zone above names them, then further ones that only the zone itself names."""
    answers: Mapping[str, ServerAnswer]
    part: Part
    own_part: Part
    """What the worst of the sets comes to that the zone itself names."""
    led: tuple[tuple[Content, tuple[Reply, ...], Ways], ...] = ()
    """What servers say, the replies that say so, and where that leads."""


class Elsewhere(NamedTuple):
    """A name whose mail was looked up: it lies outside the parent zone, or a domain is an alias of it."""

    name: str
    lookup: Lookup
    ways: Ways


class Walk:
    """Walks domains in an observation; the walk of each is made once."""

    def __init__(self, index: ReplyIndex, chains: Chains, lookups: Lookups, hosts: MailHosts) -> None:
        self._index, self._chains, self._lookups, self._hosts = index, chains, lookups, hosts
        self._sets = cache(self._sets_of)
        self._server = cache(lambda name: lookups.server(name, ("A", "AAAA")))
        self.follow = cache(self._follow)
        """Follows a domain (canonical) to its mail hosts; one elsewhere is looked up as any name is."""

    def _follow(self, name: str) -> Ways:
        parent = self._index.parent
        return self._zone(parent, (), name, 0) if is_under(name, parent) else self._elsewhere(name, 0)

    def _zone(self, zone: str, referrals: Sequence[Reply], name: str, depth: int) -> Ways:
        """Ask a zone's servers about a name, and follow each of the answers."""
        visit = self._visit(zone, servers_in(referrals, zone), name)
        replies = (reply for answer in visit.answers.values() for reply in answer.replies)
        saying = grouped((content, reply) for reply in replies for content in self._contents(reply))
        if len(saying) > 1:  # resolvers ask another server for the address
            saying.pop(("failing",), None)
        led = [self._ways_of(zone, name, content, replies, depth) for content, replies in saying.items()]
        visit = visit._replace(led=tuple(zip(saying, map(tuple, saying.values()), led, strict=True)))
        if not visit.part.arrives or not led:
            # Where only IPv6 leads there and the observer has none, that is all there is to say.
            part = visit.part if visit.part.receives == "degraded" else NOT_REACHED
            return Ways(visit.part, part, frozenset(), (visit,))
        at = [[reply.address for reply in replies] for replies in saying.values()]
        failing = ((a, answer.reply) for a, answer in visit.answers.items() if answer.failed)
        denying = [address for address, reply in failing if reply and reply.denies]
        if denying and visit.part is YES:
            led.append(self._ways_of(zone, name, ("nothing",), (), depth))
            at.append(denying)
        below = together(zone, led, at)
        if below.whole.receives == "no" and any(not server.state for server in visit.servers):
            return Ways(Part("servers-unheard", {"zone": zone}), NOT_REACHED, frozenset(), (visit,))
        return Ways(visit.part.then(below.dns), below.mail, below.hosts, (visit,))

    def _visit(self, zone: str, delegation: Mapping[str, set[str]], name: str) -> ZoneVisit:
        not_known = Part("servers-unheard", {"zone": zone})
        of_zone = self._sets(zone, frozenset((host, frozenset(glue)) for host, glue in delegation.items()))
        if of_zone is None:
            return ZoneVisit(zone, name, (), {}, not_known, YES)
        sets, many = of_zone
        handed, *own_sets = [[self._answering(zone, server, name) for server in servers] for servers in sets]
        part = self._judge(zone, handed)
        names, own_parts = {server.name for server in handed}, []
        for servers in own_sets:
            kinds = {answer.kind for server in servers for answer in server.answers.values()}
            # Resolvers go back to the addresses of the zone above where all servers of the same names refuse.
            if not set() < kinds <= {"refused", "servfail"} or {s.name for s in servers} != names:
                own_parts.append(self._judge(zone, servers))
        own_part = worst(own_parts)
        own_servers = {server.name: server for servers in own_sets for server in servers}
        if part.arrives:
            if own_part.receives == "no":  # it fails once a resolver knows the zone's own servers
                own_part = Part("own-servers", {"zone": zone, "servers": sorted(own_servers)})
            if own_part.receives != "unknown" or part is YES:
                part = part.then(own_part)
            if many and part.receives != "unknown":
                few = len(delegation) <= MAX_RECORDS
                part = not_known if few else Part("servers-many", {"zone": zone}).then(part)
        elif many and part.receives == "no":
            part = not_known
        every = (*handed, *(server for name, server in own_servers.items() if name not in names))
        answers = {address: answer for server in every for address, answer in server.answers.items()}
        return ZoneVisit(zone, name, every, answers, part, own_part)

    def _sets_of(self, zone: str, delegation: Set[Delegated]) -> tuple[list[list[Named]], bool] | None:
        """Return a zone's sets of servers, that of the zone above first, and whether one is too large.

        Resolvers prefer the zone's own set (RFC 2181, 5.4.1). ``None`` if not all are known.
        """
        if zone == self._index.parent:
            parents = sorted(self._lookups.parents.items())
            return ([[(host, tuple(sorted(its)), "") for host, its in parents]], False) if parents else None
        handed = dict(delegation)
        sets: list[list[Named]] = []
        todo = [(frozenset(handed), False)]
        for names, from_zone in todo:  # which grows
            servers = []
            for name in sorted(names)[:MAX_NAMES]:
                glue = handed.get(name, frozenset())
                looked_up, way, conclusive = self._server(name)
                inside = not from_zone and is_under(name, zone)  # where nothing but glue leads to it
                if not conclusive and not (inside and glue):
                    return None
                preferred = glue if inside else looked_up if from_zone else looked_up | glue
                its = tuple(sorted(preferred or looked_up | glue))
                servers.append((name, its, "" if glue else "no-glue" if inside else way))
            if servers not in sets:
                sets.append(servers)
            addresses = sorted({address for _, its, _ in servers for address in its})
            for address in filter(self._index.usable, addresses):
                soa, ns = (self._index.answer(zone, zone, qtype, address) for qtype in ("SOA", "NS"))
                if not soa.kind or not ns.kind:
                    return None
                named = ns.reply.answers if ns.informs and ns.reply else frozenset[str]()
                if named and (named, True) not in todo:
                    todo.append((named, True))
        return sets, any(len(names) > MAX_NAMES for names, _ in todo)

    def _answering(self, zone: str, named: Named, name: str) -> ServerReplies:
        """Return a server with what it said of a name's mail."""
        host, addresses, way = named
        usable = {address: self._index.usable(address) for address in addresses}
        asked = {a: self._index.answer(zone, name, "MX", a, walked=True) for a in filter(usable.get, usable)}
        answers = {a: self._chains.checked(zone, answer, walked=True) for a, answer in asked.items()}
        kinds = {answer.kind for answer in answers.values()}
        plain = frozenset(address for address, answer in answers.items() if answer.kind == "said")
        over4 = frozenset(address for address in plain if ":" not in address)
        if NO_EVIDENCE in kinds:
            state = ""
        elif plain:
            # Which of the parent's servers are asked may have been chosen for us.
            given = zone == self._index.parent and self._index.parent_servers
            state = "sound" if over4 or given else "ipv6"
        elif partial := [kind for kind in PARTIAL if kind in kinds]:
            state = partial[0]
        elif None in usable.values():  # the observer reaches no more of it
            state = "" if answers else "ipv6"
        else:
            state = "dead"
        if way and state and (answers if way == "no-glue" else state in ("sound", "ipv6")):
            state = way
        return ServerReplies(host, answers, state, over4 or plain or frozenset(addresses))

    def _judge(self, zone: str, servers: Sequence[ServerReplies]) -> Part:
        """Tell whether a set of a zone's servers answers, and how many of them do."""
        states = {server.state for server in servers}
        if not servers or "" in states:
            return Part("servers-unheard", {"zone": zone})
        if states == {"sound"}:
            return YES
        facts = {"zone": zone, "servers": sorted(server.name for server in servers)}
        if states == {"dead"}:
            answers = {a: answer.kind for server in servers for a, answer in server.answers.items()}
            if zone == self._index.parent and {*answers.values()} == {"silent"}:
                return Part("parent-silent", {"zone": zone})  # it may be our own network
            if not answers or "edns" in answers.values():
                return Part("edns-dropped" if answers else "zone-lost", facts)
            alive = any(self._index.answer(zone, zone, "SOA", address).informs for address in answers)
            return Part("mx-unanswered" if alive else "zone-dead", facts)
        if not states & {"sound", "no-glue"}:
            kind = next(kind for kind in (*PARTIAL, "alias", "partly", "ipv6") if kind in states)
            return Part(OF_SERVERS[kind], facts)
        sound = [server for server in servers if server.state in ("sound", "ipv6")]
        ways = min(len(sound), len({address for server in sound for address in server.sound}))
        failing = sorted({server.name for server in servers} - {server.name for server in sound})
        return Part("one-server", facts | {"servers": failing}) if failing and ways == 1 else YES

    def _contents(self, reply: Reply) -> list[Content]:
        """Return the contents of a reply, equal for the same way; an alias beside MX makes two."""
        if reply.outcome == "referral":
            servers = servers_in([reply], reply.cut).items()
            inside = ((name, frozenset(glue)) for name, glue in servers if is_under(name, reply.cut))
            return [("cut", reply.cut, frozenset(name for name, _ in servers), frozenset(inside))]
        contents: list[Content] = [("mx", exchangers_in(reply.direct))] if reply.direct else []
        if reply.alias:
            contents.append(("alias", reply.alias, len(reply.chain) - 1, reply.alias in reply.chain[:-1]))
            contents += [("alias", other, 1, other == reply.qname) for other in reply.aliases[1:]]
        if contents or reply.outcome in ("nxdomain", "answer"):
            return contents or [("nxdomain",) if reply.outcome == "nxdomain" else ("unheard",)]
        answers = [self._index.answer(reply.zone, reply.qname, t, reply.address) for t in ("A", "AAAA")]
        udp = self._index.over(reply.zone, reply.qname, "MX", reply.address, "udp")
        # Where UDP says something else, no addresses are asked for.
        is_asked = udp is None or udp.silent or udp.outcome in ("nodata", "truncated") or udp.hollow
        if is_asked and any(answer.kind == NO_EVIDENCE for answer in answers):
            return [("unheard",)]
        replies = [(answer.kind, part) for answer in answers for part in answer.replies]
        if aliases := {alias: kind for kind, part in replies for alias in part.aliases}:
            return [("implicit", alias, None, partly_of([kind])) for alias, kind in sorted(aliases.items())]
        if addresses := {address: kind for kind, part in replies for address in part.answers}:
            denied = any(part.denies_all for _, part in replies)
            partly = "denied" if denied else partly_of(addresses.values())
            return [("implicit", reply.qname, frozenset(addresses), partly)]
        return [("failing",) if any(answer.failed for answer in answers) else ("nothing",)]

    def _ways_of(self, zone: str, name: str, content: Content, replies: Sequence[Reply], depth: int) -> Ways:
        """Return where a content leads that servers of a zone give."""
        match content:
            case "cut", cut, *_:
                if depth > MOST_CUTS or not is_under(cut, zone) or cut == zone:
                    return Ways(Part("servers-unheard", {"zone": cut}), NOT_REACHED)
                return self._zone(cut, replies, name, depth + 1)
            case "mx", exchangers:
                return self._hosts.of_mx(exchangers)
            case "alias", target, links, circle:
                if not circle and links <= MOST_ALIASES:
                    return self._elsewhere(target, links)
                ways = Ways(Part("alias-lost", {"name": target, "zone": ""}), NOT_REACHED)
                return ways._replace(met=(Elsewhere(target, Lookup("loop"), ways),))
            case "implicit", host, addresses, partly:
                return self._hosts.implicit(host, addresses, partly)
            case ("failing",):
                return Ways(YES, Part("exchangers-lost", {"hosts": [name]}))
            case ("unheard",):
                return Ways(YES, Part("hosts-unheard", {"name": name}))
            case ("nxdomain",):
                return Ways(Part("no-name", {"name": name, "zone": zone}), NOT_REACHED)
        return Ways(YES, Part("no-mail", {"name": name, "zone": zone}))

    def _elsewhere(self, name: str, links: int) -> Ways:
        """Look up the mail of a name that the walk does not come to."""
        lookup = self._lookups.look_up(name, "MX", every=True)
        if links + lookup.links > MOST_ALIASES:
            lookup = lookup._replace(status="loop", sets=(), parts=())
        if lookup.status and links + lookup.links > ALIASES:
            lookup = lookup._replace(partly=lookup.partly or "long")
        if not lookup.status:
            ways = Ways(Part("hosts-unheard", {"name": name}), NOT_REACHED)
        else:
            led = [self._at_end(name, end) for end in lookup.ends]
            ways = together(lookup.zone, led, [()] * len(led))
            if code := OF_SERVERS.get(lookup.partly):
                ways = ways._replace(dns=Part(code, {"zone": lookup.zone}).then(ways.dns))
        return ways._replace(met=(Elsewhere(name, lookup, ways),))

    def _at_end(self, name: str, lookup: Lookup) -> Ways:
        """Return where an answer for the mail of a name leads, at the end of its aliases."""
        if lookup.status == "found":
            return self._hosts.of_mx(exchangers_in(lookup.data))
        if lookup.status == "nodata":
            return self._hosts.implicit(lookup.end, None)
        return Ways(Part("alias-lost", {"name": name, "zone": lookup.zone}), NOT_REACHED)


def exchangers_in(data: Iterable[str]) -> tuple[tuple[int, str], ...]:
    """Return preference and target of data of MX records, those first that senders prefer."""
    pairs = (text.partition(" ") for text in data)
    return tuple(sorted((int(preference), target) for preference, _, target in pairs))


def rests_on(ways: Ways) -> Iterator[ZoneVisit | Elsewhere | MailHost]:
    """Yield all that a walk rests on: visits, names looked up, mail hosts."""
    for step in ways.met:
        yield step
        below = [onward for *_, onward in step.led] if isinstance(step, ZoneVisit) else []
        for onward in [step.ways] if isinstance(step, Elsewhere) else below:
            yield from rests_on(onward)
