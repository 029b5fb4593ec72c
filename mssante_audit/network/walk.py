"""The walk that a sender's resolver would make, from the parent zone down, in what was observed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from mssante_audit.network.answers import NOT_REACHED, YES, Part, Ways, both, together, urgency
from mssante_audit.network.hosts import MAX_RECORDS, MailHost, MailHosts
from mssante_audit.network.lookups import ALIASES, MOST_ALIASES, Found, Lookups, names_of
from mssante_audit.network.replies import ReplyIndex, ServerAnswer
from mssante_audit.network.servers import OF_SERVERS, Server, Servers
from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.lines import Reply

MOST_CUTS = 12
"""Zones on the way to a name that are followed: a file can lead round in circles."""


Content = tuple[Any, ...]
"""What a reply comes to (`Walk._contents`)."""


class Visit(NamedTuple):
    """A zone's servers, asked for a name's mail."""

    zone: str
    name: str
    handed: tuple[Server, ...]
    """As the zone above names them."""
    zone_servers: tuple[Server, ...]
    """Further ones that only the zone itself names."""
    answers: Mapping[str, ServerAnswer]
    part: Part
    own_part: Part
    """What the worst of the sets comes to that the zone itself names."""
    led: tuple[tuple[Content, tuple[Reply, ...], Ways], ...] = ()
    """What servers say, the replies that say so, and where that leads."""

    @property
    def servers(self) -> tuple[Server, ...]:
        """All servers."""
        return (*self.handed, *self.zone_servers)


class Elsewhere(NamedTuple):
    """A name whose mail was looked up: it lies outside the parent zone, or a domain is an alias of it."""

    name: str
    found: Found
    ways: Ways


class Walk:
    """Walks domains in an observation; the walk of each is made once."""

    def __init__(self, index: ReplyIndex, lookups: Lookups, servers: Servers, hosts: MailHosts) -> None:
        self._index, self._lookups, self._servers, self._hosts = index, lookups, servers, hosts
        self.follow = cache(self._follow)
        """Follows a domain (canonical) to its mail hosts; one elsewhere is looked up as any name is."""

    def _follow(self, name: str) -> Ways:
        parent = self._index.parent
        return self._zone(parent, (), name, 0) if is_under(name, parent) else self._elsewhere(name, 0)

    def _zone(self, zone: str, referrals: Sequence[Reply], name: str, depth: int) -> Ways:
        """Ask a zone's servers about a name, and follow each of the answers."""
        visit = self._visit(zone, referrals, name)
        saying: dict[Content, list[Reply]] = {}
        for answer in visit.answers.values():
            for reply in answer.replies:
                for content in self._contents(reply):
                    saying.setdefault(content, []).append(reply)
        led = [self._led(zone, name, content, replies, depth) for content, replies in saying.items()]
        visit = visit._replace(led=tuple(zip(saying, map(tuple, saying.values()), led, strict=True)))
        if not visit.part.arrives or not led:
            # Where only IPv6 leads there and the observer has none, that is all there is to say.
            part = visit.part if visit.part.receives == "degraded" else NOT_REACHED
            return Ways(visit.part, part, frozenset(), (visit,))
        at = [[reply.address for reply in replies] for replies in saying.values()]
        below = together(zone, led, at)
        return Ways(both(visit.part, below.dns), below.mail, below.hosts, (visit,))

    def _visit(self, zone: str, referrals: Sequence[Reply], name: str) -> Visit:
        unheard = Part("unknown", "servers-unheard", {"zone": zone})
        sets = self._servers.sets(zone, referrals)
        if sets is None:
            return Visit(zone, name, (), (), {}, unheard, YES)
        handed = [self._servers.asked(zone, server, name) for server in sets.handed]
        own_sets = [[self._servers.asked(zone, s, name) for s in servers] for servers in sets.zone_sets]
        part = self._servers.judge(zone, handed)
        own_part = min((self._servers.judge(zone, servers) for servers in own_sets), key=urgency, default=YES)
        known = {server.name for server in handed}
        others = {s.name: s for servers in own_sets for s in servers if s.name not in known}
        answers = {a: answer for s in (*handed, *others.values()) for a, answer in s.answers.items()}
        if part.arrives:
            if own_part.receives == "no":  # it fails once a resolver knows the zone's own servers
                lost = {"zone": zone, "servers": sorted({s.name for servers in own_sets for s in servers})}
                own_part = Part("degraded", "own-servers", lost)
            if own_part.receives != "unknown" or part is YES:
                part = both(part, own_part)
            if sets.many and part.receives != "unknown":
                few = len(names_of(referrals, zone)) <= MAX_RECORDS
                part = unheard if few else both(Part("degraded", "servers-many", {"zone": zone}), part)
        elif sets.many and part.receives == "no":
            part = unheard
        return Visit(zone, name, tuple(handed), tuple(others.values()), answers, part, own_part)

    def _contents(self, reply: Reply) -> list[Content]:
        """Return what a reply comes to, equal where the way is the same; an alias beside MX is two."""
        if reply.outcome == "referral":
            return [("cut", reply.cut, frozenset(reply.data("NS", reply.cut)))]
        contents: list[Content] = [("mx", exchangers_in(reply.direct))] if reply.direct else []
        if reply.alias:
            contents.append(("alias", reply.alias, len(reply.chain) - 1, reply.alias in reply.chain[:-1]))
        if contents:
            return contents
        if reply.outcome == "nxdomain":
            return [("nxdomain",)]
        if reply.outcome == "answer":
            return [("unheard",)]
        addresses: set[str] = set()
        for qtype in ("A", "AAAA"):
            more = self._index.answer(reply.zone, reply.qname, qtype, reply.address)
            if not more.informs or not more.reply:
                return [("unheard",)]
            addresses |= more.reply.answers
        return [("implicit", frozenset(addresses)) if addresses else ("nothing",)]

    def _led(self, zone: str, name: str, content: Content, replies: Sequence[Reply], depth: int) -> Ways:
        """Return where a content leads that servers of a zone give."""
        kind, *rest = content
        if kind == "cut":
            cut = rest[0]
            if depth > MOST_CUTS or not is_under(cut, zone) or cut == zone:
                return Ways(Part("unknown", "servers-unheard", {"zone": cut}), NOT_REACHED)
            return self._zone(cut, replies, name, depth + 1)
        if kind == "mx":
            return self._hosts.of_mx(rest[0])
        if kind == "alias":
            target, links, circle = rest
            if not circle and links <= MOST_ALIASES:
                return self._elsewhere(target, links)
            lost = Ways(Part("no", "alias-lost", {"name": target, "zone": ""}), NOT_REACHED)
            return lost._replace(met=(Elsewhere(target, Found("loop"), lost),))
        if kind == "implicit":
            return self._hosts.implicit(name, rest[0])
        if kind == "unheard":
            return Ways(YES, Part("unknown", "hosts-unheard", {"name": name}))
        if kind == "nxdomain":
            return Ways(Part("no", "no-name", {"name": name, "zone": zone}), NOT_REACHED)
        return Ways(YES, Part("no", "no-mail", {"name": name, "zone": zone}))

    def _elsewhere(self, name: str, links: int) -> Ways:
        """Look up the mail of a name that the walk does not come to."""
        found = self._lookups.look_up(name, "MX", every=True)
        if links + found.links > MOST_ALIASES:
            found = found._replace(status="loop", sets=())
        if found.status and links + found.links > ALIASES:
            found = found._replace(partly=found.partly or "long")
        if not found.status:
            ways = Ways(Part("unknown", "hosts-unheard", {"name": name}), NOT_REACHED)
        elif found.status not in ("found", "nodata"):
            ways = Ways(Part("no", "alias-lost", {"name": name, "zone": found.zone}), NOT_REACHED)
        else:
            end = next((r.alias or r.qname for r in reversed(found.replies) if not r.answers), name)
            sets = found.sets if found.status == "found" else (frozenset[str](),)
            led = [
                self._hosts.of_mx(exchangers_in(data)) if data else self._hosts.implicit(end, None)
                for data in sets
            ]
            ways = together(found.zone, led, [()] * len(led))
            how = OF_SERVERS.get(found.partly)
            partly = Part("degraded", how, {"zone": found.zone}) if how else YES
            ways = ways._replace(dns=both(partly, ways.dns))
        return ways._replace(met=(Elsewhere(name, found, ways),))


def exchangers_in(data: Iterable[str]) -> tuple[tuple[int, str], ...]:
    """Return preference and target of data of MX records, those first that senders prefer."""
    pairs = (text.partition(" ") for text in data)
    return tuple(sorted((int(preference), target) for preference, _, target in pairs))


def rests_on(ways: Ways) -> Iterator[Visit | Elsewhere | MailHost]:
    """Yield all that a walk rests on: visits, names looked up, mail hosts."""
    for step in ways.met:
        yield step
        below = [more for *_, more in step.led] if isinstance(step, Visit) else []
        for more in [step.ways] if isinstance(step, Elsewhere) else below:
            yield from rests_on(more)
