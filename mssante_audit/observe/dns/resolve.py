"""Looking up names of servers and mail hosts: through the resolvers given, or from the root down."""

import asyncio
import ipaddress
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from mssante_audit.observe.dns.asker import Asker
from mssante_audit.observe.dns.exchange import reaches
from mssante_audit.observe.dns.names import is_between, is_under, upwards
from mssante_audit.observe.lines import CONCLUSIVE, INFORMATIVE, Ask, Reply, is_asked_over_tcp, servers_in
from mssante_audit.values.hosts import can_be_asked

MAX_ALIASES = 13  # aliases followed from one name: no resolver follows more than twelve, as measured
MAX_SPARE = 8  # names of servers of a mail host's zone that are looked up though others have glue
MAX_CUTS = 12  # zones on the way to a mail host that are asked
# Addresses of servers asked for one zone (a reply can name 500 servers, each with as many addresses).
MAX_SERVERS = 64
Chain = tuple[str, ...]


class Server(NamedTuple):
    """A server of a zone, on one of its addresses."""

    name: str
    address: str


class Resolver:
    """Looks names up, asking each server each question once, and whom the asker's settings say."""

    def __init__(self, asker: Asker) -> None:
        settings = asker.settings
        self._asker, self._resolvers = asker, settings.resolvers
        chosen = [address for _, address in settings.parent_servers] + list(settings.resolvers)
        root = [address for _, address in settings.root]
        self.reachable = [a for a in chosen or root if reaches(a)]
        self.ipv6 = not settings.ipv4_only and any(":" in a and reaches(a) for a in (*chosen, *root))
        self._private = any(not ipaddress.ip_address(a).is_global for a in (*chosen, *root))
        self.usable = cache(self._usable)
        """Tells whether an address may be asked; over IPv6 if there is a way to it."""
        self.signed: set[str] = set()
        """Zones that have a DS or signatures, as far as was seen."""
        self._unproven: set[str] = set()
        """Zones of whose lack of a DS all servers above were asked for proof."""
        self.zones = {".": tuple(Server(*pair) for pair in settings.root if self.usable(pair[1]))}
        """Servers of the zones met so far; names are looked up from the nearest one."""
        self._spare: dict[str, tuple[str, ...]] = {}
        """Names of further servers of those zones, which were not looked up yet."""
        self._looking = defaultdict[str, asyncio.Lock](asyncio.Lock)
        """Held while a zone's further servers are looked up: who asks it meanwhile waits for them."""

    def _usable(self, address: str) -> bool:
        way = ":" not in address or (self.ipv6 and reaches(address))
        return way and not self.is_private(address)

    async def try_ipv6(self) -> None:
        """Give IPv6 up where none of the first servers answers over it: a route is no proof of a way."""
        settings = self._asker.settings
        chosen = (*settings.parent_servers, *(("", address) for address in settings.resolvers))
        over6 = [Server(*pair) for pair in chosen or settings.root if ":" in pair[1] and self.usable(pair[1])]
        asks = (Ask("", "address", ".", ".", "SOA", *server) for server in over6[:3])
        replies = await asyncio.gather(*(self._asker.ask(ask, patient=False) for ask in asks))
        if replies and all(reply.silent for reply in replies):
            self.ipv6 = False
            self.usable.cache_clear()
            self.zones["."] = tuple(server for server in self.zones["."] if self.usable(server.address))

    def is_private(self, address: str) -> bool:
        """Whether `address`, which others' zones give, is none to ask: not public outside of a laboratory."""
        return not can_be_asked(ipaddress.ip_address(address), laboratory=self._private)

    async def addresses(self, domain: str, name: str) -> tuple[str, ...]:
        """Return the addresses of a server, IPv4 first; empty if there are none, or none could be learnt."""
        looked_up = [await self.resolve(domain, name, qtype) for qtype in ("A", "AAAA")]
        replies = [reply for reply in looked_up if reply]
        if not replies:
            await self.resolve(domain, name, "CNAME")  # an alias may be known where its target is not
        await self._look_at_signatures(replies)
        return _addresses_in(replies)

    async def everywhere(self, domain: str, qname: str, qtype: str) -> list[Reply]:
        """Return what all servers of a name's zone say of it, and so of each name that it is an alias of."""
        replies: list[Reply] = []
        names = [qname]
        for name in names:
            if len(names) > 2 * MAX_ALIASES:
                break
            lowest, reply = await self._search(domain, name, qtype, ())
            # Servers of the zones above may lack the delegation, or have another name in its place.
            parent = self._asker.settings.parent_zone
            zones = [zone for zone in upwards(name) if zone in self.zones and is_between(zone, parent)]
            if lowest not in ("", ".", *zones):
                zones.append(lowest)
            of_name = [reply] if reply and not zones else []
            for zone in zones:  # which grows
                of_zone = await self._ask_zone(domain, zone, name, qtype)
                for referral in (r for r in of_zone if r.outcome == "referral"):
                    await self._enter(domain, referral, ())
                    if referral.cut not in zones and len(zones) < MAX_CUTS:
                        zones.append(referral.cut)
                of_name += of_zone
            await self._look_at_signatures(of_name)
            replies += of_name
            names += sorted({reply.alias for reply in of_name if reply.alias}.difference(names))
        return replies

    async def _ask_zone(self, domain: str, zone: str, name: str, qtype: str) -> list[Reply]:
        """Ask each of a zone's servers, as those above and the zone itself name them."""
        async with self._looking[zone]:
            if spare := self._spare.pop(zone, ())[:MAX_SPARE]:
                candidates = (*await self.usable_servers(domain, spare), *self.zones.get(zone, ()))
                self.zones[zone] = tuple(sorted({server.address: server for server in candidates}.values()))
        servers = self.zones.get(zone, ())[:MAX_SERVERS]
        replies = await self.ask_all(domain, zone, servers, name, qtype)
        if zone != self._asker.settings.parent_zone:
            # Those that the zone names itself, beside its data (RFC 2181, 5.4.1).
            names_itself = set().union(*(r.data("NS", zone) for r in replies if r.outcome != "referral"))
            unasked = sorted(names_itself.difference(server.name for server in servers))[:MAX_SPARE]
            addresses = {server.address for server in servers}
            others = [s for s in await self.usable_servers(domain, unasked) if s.address not in addresses]
            replies += await self.ask_all(domain, zone, others, name, qtype)
        return replies

    async def ask_all(
        self, domain: str, zone: str, servers: Iterable[Server], qname: str, qtype: str, step: str = "address"
    ) -> list[Reply]:
        """Ask each of some servers of a zone the same."""
        questions = [Ask(domain, step, zone, qname, qtype, *server) for server in servers]
        return await self._over_tcp(questions, await asyncio.gather(*map(self._asker.ask, questions)))

    async def _over_tcp(self, questions: Sequence[Ask], replies: list[Reply]) -> list[Reply]:
        """Ask those that refuse over UDP over TCP, where nobody answers: Knot Resolver does (measured).

        But not the parent's servers: they are asked about each domain, and may refuse since that is too much.
        """
        parent = self._asker.settings.start_zone
        if any(reply.usable or reply.outcome == "referral" or reply.zone == parent for reply in replies):
            return replies
        refusing = (is_asked_over_tcp(reply) for reply in replies)
        asked = zip(questions, replies, refusing, strict=True)
        return [await self._asker.ask(a._replace(transport="tcp")) if r else o for a, o, r in asked]

    async def usable_servers(self, domain: str, names: Sequence[str]) -> list[Server]:
        """Look servers up; return each on the addresses that may be asked."""
        looked_up = await asyncio.gather(*(self.addresses(domain, name) for name in names))
        named = zip(names, looked_up, strict=True)
        return [Server(n, a) for n, addresses in named for a in addresses if self.usable(a)]

    async def _look_at_signatures(self, replies: Iterable[Reply], chain: Chain = ()) -> None:
        """Ask for what tells whether the signatures of replies hold; of the root everybody knows."""
        for reply in replies:
            zone = reply.zone
            if zone in ("", ".") or not (reply.signed or zone in self.signed):
                continue
            await self._asker.ask(Ask("", "address", zone, zone, "DNSKEY", reply.server, reply.address))
            await self._look_for_ds(zone, chain)
            if reply.outcome == "answer" and not reply.signed and not reply.cut:
                # It may come from a zone below that is not signed: the SOA beside it tells.
                ask = Ask(reply.domain, "address", zone, reply.qname, "SOA", reply.server, reply.address)
                reply = await self._asker.ask(ask)
            if reply.outcome in CONCLUSIVE:
                await self.look_below(reply, chain)

    async def _look_for_ds(self, zone: str, chain: Chain) -> Reply | None:
        """Return what is said of a zone's DS; of none validators want proof, which other servers may have."""
        ds = await self.resolve("", zone, "DS", chain)
        if ds and ds.zone in self.signed and not (ds.answers or ds.proves or zone in self._unproven):
            self._unproven.add(zone)  # what others say may lead back here
            others = await self.ask_all("", ds.zone, self.zones.get(ds.zone, ()), zone, "DS")
            await self._look_at_signatures(others, chain)
        return ds

    async def look_below(self, reply: Reply, chain: Chain = ()) -> Reply:
        """Ask for DS and keys of the zone that a reply is from, if that lies below the zone asked.

        Who signed it tells, or the cut that it shows; of an alias, what those about the SOA above it show.
        Return the reply that tells.
        """
        zone, server = reply.zone, Server(reply.server, reply.address)
        for name in upwards(reply.qname.partition(".")[2]):
            alias_only = reply.alias and not (reply.cut or reply.signed)
            if not alias_only or name == zone or not is_under(name, zone):
                break
            reply = await self._asker.ask(Ask(reply.domain, reply.step, zone, name, "SOA", *server))
        cut = reply.cut or reply.signer
        if cut not in ("", zone) and is_under(cut, zone):
            ds = await self._look_for_ds(cut, chain)
            if ds and ds.answers:
                await self._asker.ask(Ask("", "address", cut, cut, "DNSKEY", *server))
        return reply

    async def resolve(self, domain: str, qname: str, qtype: str, chain: Chain = ()) -> Reply | None:
        """Return the conclusive reply for a name, following aliases; ``None`` if there is none to be had."""
        for _ in range(MAX_ALIASES):
            _, reply = await self._search(domain, qname, qtype, chain)
            if reply is None or reply.answers or not reply.alias or qtype == "CNAME" or self._resolvers:
                return reply
            if reply.alias in reply.chain[:-1]:
                return reply
            qname = reply.alias
        return None

    async def _search(self, domain: str, qname: str, qtype: str, chain: Chain) -> tuple[str, Reply | None]:
        """Ask the resolvers given, or servers of zones from the nearest down; return the last zone too."""
        if self._resolvers:
            ask = Ask(domain, "address", "", qname, qtype, "", "", rd=True)
            return "", await self._first([ask._replace(address=a) for a in self._resolvers], CONCLUSIVE)
        zone = qname if qtype != "DS" else qname.partition(".")[2] or "."  # the zone above has it
        while zone not in self.zones:
            zone = zone.partition(".")[2] or "."
        servers = self.zones[zone]
        while servers:
            # In an order of the name's own, the same each time: a resumed run asks the same ones.
            spread = sorted(servers, key=lambda s: (zlib.crc32(f"{qname} {s.address}".encode()), s))
            questions = [Ask(domain, "address", zone, qname, qtype, *server) for server in spread]
            reply = await self._first(questions, INFORMATIVE)
            if reply is None and (spare := self._spare.get(zone, ())):
                reached, self._spare[zone] = await self._reach(domain, spare, zone, chain)
                servers = self.zones[zone] = (*servers, *reached)
                if reached:
                    continue
            if reply is None or reply.outcome != "referral":
                return zone, reply
            zone = reply.cut
            await self._enter(domain, reply, chain)
            servers = self.zones.get(zone, ())
        if not chain:
            self._asker.skip(Ask(domain, "address", zone, qname, qtype, "", ""))
        return zone, None

    async def _enter(self, domain: str, referral: Reply, chain: Chain) -> None:
        """Learn the servers of the zone that a referral hands over, unless they are known."""
        zone = referral.cut
        if referral.data("DS", zone) or (referral.zone in self.signed and not referral.proves):
            self.signed.add(zone)
        if zone in self.zones:
            return
        names = servers_in([referral], zone)
        reached = tuple(Server(n, a) for n, glue in names.items() for a in sorted(glue) if self.usable(a))
        others = tuple(name for name in names if name not in {server.name for server in reached})
        if not reached:
            reached, others = await self._reach(domain, others, zone, chain)
        if reached or not chain:  # in the middle of a chain, failing proves nothing
            self.zones.setdefault(zone, reached)
            self._spare.setdefault(zone, others)

    async def _reach(
        self, domain: str, names: Sequence[str], zone: str, chain: Chain
    ) -> tuple[tuple[Server, ...], Chain]:
        """Look up names of a zone's servers, aliases last, until there are enough: servers, other names."""
        servers: dict[str, list[Server]] = {}
        aliases: dict[str, list[Server]] = {}
        kinds = ("A", "AAAA") if self.ipv6 else ("A",)
        for name in names[: 2 if chain else 4]:
            if name in chain or len(chain) >= 3 or is_under(name, zone):
                continue  # it would have to be known to be found
            replies = [await self.resolve(domain, name, qtype, (*chain, name)) for qtype in kinds]
            conclusive = [reply for reply in replies if reply]
            await self._look_at_signatures(conclusive, (*chain, name))
            if usable := [Server(name, a) for a in _addresses_in(conclusive) if self.usable(a)]:
                alias = any(reply.qname != name or reply.alias for reply in conclusive)
                (aliases if alias else servers)[name] = usable
            if servers and (chain or sum(map(len, servers.values())) > 1):
                break
        chosen = servers or aliases
        others = tuple(name for name in names if name not in chosen)
        return tuple(server for its in chosen.values() for server in its), others

    async def _first(self, questions: list[Ask], outcomes: Iterable[str]) -> Reply | None:
        """Ask until a reply has one of `outcomes`, then the silent for longer; take a weak one at last."""
        for patient in (False, True):
            weak = partial = None
            replies: list[Reply] = []
            for ask in questions:
                reply = await self._asker.ask(ask, patient=patient)
                replies.append(reply)
                if reply.outcome in outcomes:
                    if reply.edns and reply.transport == "udp":
                        return reply
                    partial = partial or reply
                elif reply.weak:
                    weak = weak or reply
            if weak or partial:
                return weak or partial
        over_tcp = await self._over_tcp(questions, replies)
        return next((reply for reply in over_tcp if reply.outcome in outcomes), None)


def _addresses_in(replies: Iterable[Reply]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address for reply in replies for address in sorted(reply.answers)))
