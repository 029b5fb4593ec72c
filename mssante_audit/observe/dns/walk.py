"""From the parent zone down to where a domain is served: zone cuts, the servers of each zone, mail hosts.

Every server of the parent is asked, and every server of each zone below it: the union of the names that the
parent and the zone itself give, on each of their addresses. Nothing is assumed about where zones begin.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from dns.inet import is_address

from mssante_audit.observe.dns.asker import Asker, once
from mssante_audit.observe.dns.exchangers import NOBODY
from mssante_audit.observe.dns.exchangers import targets as mx_targets
from mssante_audit.observe.dns.names import canonical, is_under
from mssante_audit.observe.dns.resolve import Resolver, Server
from mssante_audit.observe.lines import SILENT, Ask, Observed, is_weak, own_answers

MAX_NAMES = 32
MAX_SERVERS = 64
MAX_HOSTS = 32
"""Names of servers, addresses of servers and mail hosts followed for one zone or domain; a note says if there
were more (a reply can name 500 servers, each with as many addresses)."""

T = TypeVar("T")


class Walker:
    """Walks domains; zones and names met on the way are looked at once.

    `sibling` is a label that no domain has.
    """

    def __init__(self, asker: Asker, resolver: Resolver, sibling: str) -> None:
        self._asker, self._resolver, self._sibling = asker, resolver, sibling
        self._parent = asker.settings.parent_zone
        self._zones: dict[str, asyncio.Future[tuple[Server, ...]]] = {}
        self._once: dict[tuple[str, ...], asyncio.Future[Any]] = {}
        self._servers: tuple[Server, ...] = ()
        self._signed: set[str] = set()

    def _note(self, zone: str, text: str) -> None:
        self._asker.write({"note": text, "zone": zone})

    async def find_parent(self) -> bool:
        """Find the parent zone's servers and look at its apex; whether one of them answers for it."""
        servers = [Server(*pair) for pair in self._asker.settings.parent_servers]
        if not servers:
            for name in (await self._resolver.names(self._parent))[:MAX_NAMES]:
                servers += [Server(name, address) for address in await self._resolver.addresses("", name)]
        self._servers = tuple(s for s in servers if self._resolver.usable(s.address))
        self._resolver.zones[self._parent] = self._servers
        for patient in (False, True):
            told = await asyncio.gather(*(self._ask_soa(server, patient=patient) for server in self._servers))
            if any(observed.outcome == "answer" for observed in told):
                return True
        return False

    async def look_at_parent(self) -> None:
        """Ask the parent's servers about their own zone, and those above for its DS; nobody waits for it."""
        found = await self._resolver.resolve("", self._parent, "DS")
        secure = found is not None and any(r.type == "DS" for r in found.records)
        await asyncio.gather(
            *(self._apex("", self._parent, server, secure=secure) for server in self._servers)
        )

    async def walk(self, domain: str, qname: str) -> None:
        """Observe one domain (`qname` is its canonical form)."""
        if not is_under(qname, self._parent):
            found = await self._resolver.resolve(domain, qname, "MX")
            await self._follow(domain, [found] if found else [])
            return
        zone, servers = self._parent, self._servers
        while servers:
            replies = await self._ask_all(domain, zone, servers, qname, "MX")
            replies += await self._ask_more(domain, zone, qname, replies)
            await self._follow(domain, replies)
            cuts = Counter(o.cut for o in replies if o.cut)
            if not cuts:
                return
            cut = max(cuts, key=lambda name: (cuts[name], name))
            await self._ask_sibling(domain, zone, servers, cut, "MX")
            servers = await self.zone(domain, cut, [o for o in replies if o.cut == cut])
            zone = cut

    async def zone(self, domain: str, cut: str, replies: list[Observed]) -> tuple[Server, ...]:
        """Return the servers of the zone `cut`, having asked each about its apex; `replies` show the cut."""
        return await once(self._zones, cut, lambda: self._discover(domain, cut, replies))

    async def _discover(self, domain: str, cut: str, replies: list[Observed]) -> tuple[Server, ...]:
        # Who answers where others refer carries the zone below too.
        carried = [o for o in replies if o.outcome != "referral"]
        asks = (Ask(domain, "walk", o.zone, cut, "NS", o.server, o.address) for o in carried)
        told = [*replies, *await asyncio.gather(*map(self._asker.ask, dict.fromkeys(asks)))]
        records = [r for o in told for r in o.records]
        names = list(dict.fromkeys(r.data for r in records if r.type == "NS" and r.owner == cut))
        if len(names) > MAX_NAMES:
            self._note(cut, f"{len(names) - MAX_NAMES} of {len(names)} names of servers not followed")
        glue: dict[str, list[str]] = {}
        for record in records:
            if record.type in ("A", "AAAA") and record.section == "additional" and record.owner in names:
                glue.setdefault(record.owner, []).append(record.data)
        secure = any(r.type == "DS" for r in records)
        servers = await self._explore(domain, cut, sorted(names)[:MAX_NAMES], glue, secure=secure)
        if cut in self._signed and not secure and not any("signed" in o.flags for o in replies):
            # Servers of an unsigned zone may leave a DS out of their referrals.
            above = (Ask(domain, "apex", o.zone, cut, "DS", o.server, o.address) for o in replies)
            await asyncio.gather(*map(self._asker.ask, dict.fromkeys(above)))
        return servers

    async def _explore(
        self, domain: str, zone: str, names: list[str], glue: dict[str, list[str]], *, secure: bool
    ) -> tuple[Server, ...]:
        known = [Server(name, address) for name in names for address in glue.get(name, ())]
        if usable := tuple(s for s in dict.fromkeys(known) if self._resolver.usable(s.address)):
            self._resolver.zones.setdefault(zone, usable)
        servers: dict[str, Server] = {}
        seen: set[str] = set()
        unusable: set[str] = set()
        while names:
            seen.update(names)
            found = await asyncio.gather(*(self._resolver.addresses(domain, name) for name in names))
            fresh: dict[str, Server] = {}  # an address is asked once, under however many names it is known
            for name, addresses in zip(names, found, strict=True):
                for address in (*glue.get(name, ()), *addresses):
                    if address in servers or address in fresh or address in unusable:
                        continue
                    if self._resolver.usable(address):
                        fresh[address] = Server(name, address)
                    elif self._resolver.is_private(address):
                        unusable.add(address)
                        self._asker.skip(Ask(domain, "apex", zone, zone, "SOA", name, address), "private")
            asked = list(fresh.values())[: MAX_SERVERS - len(servers)]
            if len(asked) < len(fresh):
                self._note(zone, f"{len(fresh) - len(asked)} addresses of servers not asked")
            servers |= {server.address: server for server in asked}
            told = await asyncio.gather(*(self._apex(domain, zone, s, secure=secure) for s in asked))
            more = {n for own in told for n in own} - seen
            names = sorted(more)[: MAX_NAMES - len(seen)]
            if len(names) < len(more):
                left = len(more) - len(names)
                self._note(zone, f"{left} names of servers given by the zone itself not followed")
        if servers:
            self._resolver.zones[zone] = tuple(servers.values())
        return tuple(servers.values())

    async def _apex(self, domain: str, zone: str, server: Server, *, secure: bool) -> list[str]:
        """Ask a server about the zone's apex; return the names of servers it gives.

        Over TCP it is asked for the MX: that it answers there shows as well as with any other question, and
        what it says may differ.
        """
        ask = Ask(domain, "apex", zone, zone, "SOA", server.name, server.address)
        soa, ns, over_tcp = await asyncio.gather(
            self._asker.ask(ask),
            self._asker.ask(ask._replace(qtype="NS")),
            self._over_tcp(ask._replace(qtype="MX", transport="tcp")),
        )
        self._asker.remember(over_tcp)  # if the MX is too long for UDP, it is known
        if soa.outcome not in SILENT:
            # The root's SOA: any resolver has it at hand, and no name of anybody's is given away.
            stranger = Ask(domain, "recursion", "", ".", "SOA", server.name, server.address, rd=True)
            await once(self._once, ("recursion", server.address), lambda: self._asker.ask(stranger))
        if "signed" in soa.flags:
            self._signed.add(zone)
        if secure or "signed" in soa.flags:
            await self._asker.ask(ask._replace(qtype="DNSKEY"))
        return [r.data for r in ns.records if (r.type, r.owner, r.section) == ("NS", zone, "answer")]

    async def _over_tcp(self, ask: Ask) -> Observed:
        """Ask over TCP; if there is silence, the SOA tells whether that is about the question."""
        observed = await self._asker.ask(ask, patient=False)
        if observed.outcome not in SILENT:
            return observed
        self._asker.remember(observed)
        soa = await self._asker.ask(ask._replace(qtype="SOA"))
        return observed if soa.outcome in SILENT else await self._asker.ask(ask)

    async def _ask_soa(self, server: Server, *, patient: bool) -> Observed:
        ask = Ask("", "apex", self._parent, self._parent, "SOA", server.name, server.address)
        observed = await self._asker.ask(ask, patient=patient)
        self._asker.remember(observed)
        return observed

    async def _ask_all(
        self, domain: str, zone: str, servers: Iterable[Server], qname: str, qtype: str, step: str = "walk"
    ) -> list[Observed]:
        asks = (Ask(domain, step, zone, qname, qtype, s.name, s.address) for s in servers)
        return await _together([self._asker.ask(ask) for ask in asks])

    async def _ask_more(self, domain: str, zone: str, qname: str, replies: list[Observed]) -> list[Observed]:
        """Ask those who know the name for what their reply leaves open."""
        more: list[Observed] = []
        without = [Server(o.server, o.address) for o in replies if o.outcome == "nodata" and not o.cut]
        for qtype in ("A", "AAAA") if without else ():
            more += await self._ask_all(domain, zone, without, qname, qtype)
        positive = [o for o in (*replies, *more) if o.outcome == "answer" or is_weak(o, o.records)]
        where = list(dict.fromkeys(Server(o.server, o.address) for o in positive))
        if where and qname != zone:
            # An answer does not say which zone it comes from; the SOA does.
            more += await self._ask_all(domain, zone, where, qname, "SOA")
        if qname != zone:
            for qtype in dict.fromkeys(o.qtype for o in positive):
                beside = await self._ask_sibling(domain, zone, where, qname, qtype)
                await self._ask_below(domain, [o for o in positive if o.qtype == qtype], beside)
        return more

    async def _ask_below(self, domain: str, told: list[Observed], beside: list[Observed]) -> None:
        """Where a name beside a domain gets the same answer, ask for one below it, unless a signature tells.

        Only if the domain has no record of its own does the wildcard answer there too (RFC 4592, 3.3.1).
        """
        others = {o.address: own_answers(o.qname, o.records) for o in beside if o.outcome == "answer"}
        for one in told:
            below, own = canonical(f"{self._sibling}.{one.qname}"), own_answers(one.qname, one.records)
            signed = any(r.type == "RRSIG" for r in one.records)
            if below and not signed and others.get(one.address) == own:
                server = Server(one.server, one.address)
                await self._ask_all(domain, one.zone, [server], below, one.qtype, "sibling")

    async def _ask_sibling(
        self, domain: str, zone: str, servers: Iterable[Server], name: str, qtype: str
    ) -> list[Observed]:
        qname = canonical(f"{self._sibling}.{name.partition('.')[2]}")
        told: list[Observed] = []
        for server in servers if qname else ():  # a name can be too long for a sibling of this length
            told += await once(
                self._once,
                ("sibling", zone, qname, qtype, server.address),
                lambda server=server: self._ask_all(domain, zone, [server], qname, qtype, "sibling"),  # type: ignore[misc]
            )
        return told

    async def _follow(self, domain: str, replies: Iterable[Observed]) -> None:
        """Look up the mail hosts that replies name, through aliases."""
        told = (o for o in replies if o.outcome == "answer" or is_weak(o, o.records))
        records = [r for o in told for r in o.records if r.section == "answer"]
        aliases = {r.data for r in records if r.type == "CNAME"} - {r.owner for r in records}
        for alias in sorted(aliases)[:MAX_HOSTS]:
            found = await self._resolver.resolve(domain, alias, "MX")
            records += found.records if found else ()
            await self._resolver.addresses(domain, alias)
        hosts = mx_targets(r.data for r in records if r.type == "MX" and r.section == "answer")
        named = sorted(host for host in hosts if host != NOBODY and not is_address(host))
        if len(named) > MAX_HOSTS:
            self._note(domain, f"{len(named) - MAX_HOSTS} of {len(named)} mail hosts not followed")
        await _together([self._resolver.addresses(domain, host) for host in named[:MAX_HOSTS]])


async def _together(works: list[Coroutine[Any, Any, T]]) -> list[T]:
    """Await all at once; one alone needs no task, which costs as much as a query."""
    return [await works[0]] if len(works) == 1 else await asyncio.gather(*works)
