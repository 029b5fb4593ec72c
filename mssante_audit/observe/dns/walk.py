"""From the parent zone down to where a domain is served: zone cuts, the servers of each zone, mail hosts.

Every server that parent or zone names is asked, on each of its addresses; so are those of the zones that mail
hosts lie in. Nothing is assumed about where zones begin.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TypeVar

from dns.inet import is_address

from mssante_audit.observe.dns.asker import Asker, once
from mssante_audit.observe.dns.names import canonical, is_under
from mssante_audit.observe.dns.resolve import MAX_SERVERS, Resolver, Server
from mssante_audit.observe.lines import Ask, Reply, own_answers, servers_in

MAX_NAMES = 32  # names of servers followed for one zone; a note says if there were more
# Mail hosts followed for one domain, those first that senders prefer: of more BIND takes none.
MAX_HOSTS = 100
NOBODY = "."  # the target of the MX of a domain that takes no mail (RFC 7505)
Servers = tuple[Server, ...]
Glue = Mapping[str, set[str]]
T = TypeVar("T")


class Walker:
    """Walks domains; zones and names met on the way are looked at once. `sibling`: a label no domain has."""

    def __init__(self, asker: Asker, resolver: Resolver, sibling: str) -> None:
        self._asker, self._resolver, self._sibling = asker, resolver, sibling
        self._parent = asker.settings.start_zone
        self._zones: dict[str, asyncio.Task[Servers]] = {}
        self.servers: Servers = ()  # of the parent zone

    def _first(self, zone: str, values: list[T], limit: int, text: str) -> list[T]:
        if len(values) > limit:
            self._asker.write({"note": f"{len(values) - limit} {text}", "zone": zone})
        return values[:limit]

    async def find_parent(self) -> bool:
        """Find the parent zone's servers and look at its apex; whether one of them answers for it."""
        settings = self._asker.settings
        await self._resolver.try_ipv6()
        servers, names = [Server(*pair) for pair in settings.parent_servers], settings.declared
        if names and servers:
            self._resolver.zones[settings.parent_zone] = tuple(servers)
        if names and not settings.undelegated:
            await self._look_up("", names)
            return True
        if not (names or servers) and (reply := await self._resolver.resolve("", self._parent, "NS")):
            names = tuple(sorted(reply.data("NS", self._parent)))
        if names:
            servers = await self._resolver.usable_servers("", names[:MAX_NAMES])
        self.servers = tuple(s for s in servers if self._resolver.usable(s.address))
        self._resolver.zones[self._parent] = self.servers
        questions = [Ask("", "apex", self._parent, self._parent, "SOA", *server) for server in self.servers]
        for patient in (False, True):
            replies = await asyncio.gather(*(self._asker.ask(ask, patient=patient) for ask in questions))
            if any(reply.signed for reply in replies):
                self._resolver.signed.add(self._parent)
            if any(reply.outcome == "answer" for reply in replies):
                return True
        return bool(settings.declared)

    async def look_at_parent(self) -> None:
        """Ask the parent's servers about their own zone, and those above for its DS; nobody waits for it."""
        above = await self._resolver.resolve("", self._parent, "DS")
        secure = above is not None and bool(above.answers)
        await asyncio.gather(*(self._apex("", self._parent, s, secure=secure) for s in self.servers))

    async def walk(self, domain: str, qname: str) -> None:
        """Observe one domain (`qname` is its canonical form)."""
        zone, servers = self._parent, self.servers
        if not is_under(qname, zone):
            await self._look_elsewhere(domain, [qname])
            servers = ()
        while servers:
            replies = await self._resolver.ask_all(domain, zone, servers, qname, "MX", "walk")
            replies += await self._ask_more(domain, zone, qname, replies)
            aliases = {name for o in replies if o.usable for name in o.aliases}
            await self._look_elsewhere(domain, sorted(aliases))
            await self._follow(domain, replies)
            cuts = Counter(o.cut for o in replies if o.cut)
            if not cuts:
                break
            cut = max(cuts, key=lambda name: (cuts[name], name))
            await self._ask_sibling(domain, zone, servers, cut, "MX")
            showing = [o for o in replies if o.cut == cut]
            servers = await once(self._zones, cut, partial(self._discover, domain, cut, showing))
            if cut == qname:  # some senders hear its MX over TCP alone
                questions = (Ask(domain, "apex", cut, cut, "MX", *server, "tcp") for server in servers)
                await self._follow(domain, await asyncio.gather(*map(self._over_tcp, questions)))
            zone = cut
        self._asker.write({"done": qname, "domain": domain})

    async def _discover(self, domain: str, cut: str, replies: list[Reply]) -> Servers:
        """Return the servers of the zone `cut`, having asked each about its apex; `replies` show the cut."""
        # Who answers where others refer carries the zone below too.
        carried = [o for o in replies if o.outcome != "referral"]
        questions = (Ask(domain, "walk", o.zone, cut, "NS", o.server, o.address) for o in carried)
        evidence = [*replies, *await asyncio.gather(*map(self._asker.ask, dict.fromkeys(questions)))]
        glue = servers_in(evidence, cut)
        names = self._first(cut, [*glue], MAX_NAMES, f"of {len(glue)} names of servers not followed")
        above = [Ask(domain, "apex", o.zone, cut, "DS", o.server, o.address) for o in replies]
        if carried and not any(reply.data("DS", cut) for reply in evidence):
            evidence += await asyncio.gather(*map(self._asker.ask, dict.fromkeys(above)))
        secure = any(reply.data("DS", cut) for reply in evidence)
        servers = await self._explore(domain, cut, names, glue, secure)
        is_signed = {cut, replies[0].zone} & self._resolver.signed
        if is_signed and not (secure or any(o.proves for o in replies)):
            # Servers of an unsigned zone may leave a DS out of their referrals, others what proves that
            # there is none.
            await asyncio.gather(*map(self._asker.ask, dict.fromkeys(above)))
        return servers

    async def _explore(self, domain: str, zone: str, names: list[str], glue: Glue, secure: bool) -> Servers:
        glued = [Server(name, address) for name in names for address in sorted(glue.get(name, ()))]
        if usable := tuple(s for s in dict.fromkeys(glued) if self._resolver.usable(s.address)):
            self._resolver.zones.setdefault(zone, usable)
        servers: dict[str, Server] = {}
        followed: set[str] = set()
        while names:
            followed.update(names)
            looked_up = await asyncio.gather(*(self._resolver.addresses(domain, name) for name in names))
            fresh: dict[str, Server] = {}  # an address is asked once, under however many names it is known
            for name, addresses in zip(names, looked_up, strict=True):
                for address in (*sorted(glue.get(name, ())), *addresses):
                    if self._resolver.usable(address) and address not in servers:
                        fresh.setdefault(address, Server(name, address))
                    elif self._resolver.is_private(address):
                        self._asker.skip(Ask(domain, "apex", zone, zone, "SOA", name, address), "private")
            room = MAX_SERVERS - len(servers)
            new = self._first(zone, list(fresh.values()), room, "addresses of servers not asked")
            servers |= {server.address: server for server in new}
            named = await asyncio.gather(*(self._apex(domain, zone, s, secure=secure) for s in new))
            unasked, room = sorted(set().union(*named) - followed), MAX_NAMES - len(followed)
            names = self._first(zone, unasked, room, "names of servers given by the zone itself not followed")
        if servers:
            self._resolver.zones[zone] = tuple(servers.values())
        return tuple(servers.values())

    async def _apex(self, domain: str, zone: str, server: Server, *, secure: bool) -> set[str]:
        """Ask a server about the zone's apex, over TCP for its MX; return the names of servers it gives."""
        ask = Ask(domain, "apex", zone, zone, "SOA", *server)
        mx = self._over_tcp(ask._replace(qtype="MX", transport="tcp"))
        soa, ns, _ = await asyncio.gather(self._asker.ask(ask), self._asker.ask(ask._replace(qtype="NS")), mx)
        if not soa.silent:
            # The root's SOA: any resolver has it at hand, and no name of anybody's is given away.
            await self._asker.ask(Ask(domain, "recursion", "", ".", "SOA", *server, rd=True))
        if soa.signed:
            self._resolver.signed.add(zone)
        if secure or soa.signed:
            await self._asker.ask(ask._replace(qtype="DNSKEY"))
        return set(ns.answers)

    async def _over_tcp(self, ask: Ask) -> Reply:
        """Ask over TCP; if there is silence, the SOA tells whether that is about the question."""
        reply = await self._asker.ask(ask, patient=False)
        if not reply.silent:
            return reply
        soa = await self._asker.ask(ask._replace(qtype="SOA"))
        return reply if soa.silent else await self._asker.ask(ask)

    async def _ask_more(self, domain: str, zone: str, qname: str, replies: list[Reply]) -> list[Reply]:
        """Ask those who know the name for what their reply leaves open."""
        extra: list[Reply] = []
        without = [Server(o.server, o.address) for o in replies if o.outcome == "nodata" or o.hollow]
        for qtype in ("A", "AAAA") if without else ():
            extra += await self._resolver.ask_all(domain, zone, without, qname, qtype, "walk")
        await self._look_up(domain, sorted({name for o in extra for name in o.aliases}))
        if qname == zone:
            return extra
        positive = [o for o in (*replies, *extra) if o.outcome == "answer" or o.weak]
        where = list(dict.fromkeys(Server(o.server, o.address) for o in positive))
        if where:
            # An answer does not say which zone it comes from; the SOA does.
            soas = await self._resolver.ask_all(domain, zone, where, qname, "SOA", "walk")
            about_cuts = await asyncio.gather(*map(self._resolver.look_below, soas))
            extra += dict.fromkeys((*soas, *about_cuts))
        for qtype in dict.fromkeys(o.qtype for o in positive):
            siblings = await self._ask_sibling(domain, zone, where, qname, qtype)
            others = {o.address: own_answers(o) for o in siblings if o.outcome == "answer"}
            # The answer of a name beside it: a wildcard's? (RFC 4592, 3.3.1)
            alike = (o for o in positive if o.qtype == qtype and others.get(o.address) == own_answers(o))
            unsigned = (o for o in alike if not any(r.type == "RRSIG" for r in o.records))
            alike_servers = [Server(o.server, o.address) for o in unsigned]
            await self._ask_sibling(domain, zone, alike_servers, f"*.{qname}", qtype)
        return extra

    async def _ask_sibling(
        self, domain: str, zone: str, servers: Iterable[Server], name: str, qtype: str
    ) -> list[Reply]:
        qname = canonical(f"{self._sibling}.{name.partition('.')[2]}")
        if not qname:  # a name can be too long for a sibling of this length
            return []
        return await self._resolver.ask_all(domain, zone, servers, qname, qtype, "sibling")

    async def _look_elsewhere(self, domain: str, names: Iterable[str]) -> None:
        """Look up names that the walk does not come to: what a domain is an alias of, or lies outside."""
        for name in names:
            replies = await self._resolver.everywhere(domain, name, "MX")
            await self._follow(domain, replies)
            targets = {o.qname for o in replies if o.usable and not o.answers and not o.alias}
            await self._look_up(domain, sorted(targets))

    async def _follow(self, domain: str, replies: Iterable[Reply]) -> None:
        """Look up the mail hosts that replies name, those first that senders prefer."""
        exchangers = {text for o in replies if o.qtype == "MX" and o.usable for text in o.answers}
        ranked = sorted((int(rank), host) for rank, _, host in (text.partition(" ") for text in exchangers))
        hosts = [h for h in dict.fromkeys(host for _, host in ranked) if h != NOBODY and not is_address(h)]
        hosts = self._first(domain, hosts, MAX_HOSTS, f"of {len(hosts)} mail hosts not followed")
        await self._look_up(domain, hosts)

    async def _look_up(self, domain: str, hosts: Iterable[str]) -> None:
        kinds = ("A", "AAAA")
        await asyncio.gather(*(self._resolver.everywhere(domain, h, t) for h in hosts for t in kinds))
