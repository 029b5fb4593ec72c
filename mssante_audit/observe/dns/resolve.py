"""Looking up names of servers and mail hosts: through the resolvers given, or from the root down."""

from __future__ import annotations

import asyncio
import ipaddress
import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mssante_audit.observe.dns.asker import Asker, once
from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.dns.transport import reaches
from mssante_audit.observe.lines import MAX_ALIASES, SILENT, Ask, Observed, is_weak

MAX_DEPTH = 3
"""How deep names of servers may depend on names of servers."""
MAX_TRIED = 6
"""Servers of one zone tried for one name."""
_CONCLUSIVE = ("answer", "nodata", "nxdomain")


class Server(NamedTuple):
    """A server of a zone, on one of its addresses."""

    name: str
    address: str


class Resolver:
    """Looks names up, each question once, asking whom the asker's settings say."""

    def __init__(self, asker: Asker) -> None:
        settings = asker.settings
        self._asker, self._resolvers = asker, settings.resolvers
        given = [address for _, address in settings.parent_servers] + list(settings.resolvers)
        root = [address for _, address in settings.root]
        self.reachable = [a for a in given or root if reaches(a)]
        self._ipv4_only = settings.ipv4_only
        self.ipv6 = not settings.ipv4_only and any(":" in a and reaches(a) for a in (*given, *root))
        self._private = any(not ipaddress.ip_address(a).is_global for a in (*given, *root))
        self._usable: dict[str, bool] = {}
        self._memo: dict[tuple[str, str, str], asyncio.Future[Observed]] = {}
        self._hosts: dict[str, asyncio.Future[tuple[str, ...]]] = {}
        self._chains: dict[str, asyncio.Future[None]] = {}
        self._signed: set[str] = set()
        self.zones = {".": tuple(Server(*pair) for pair in settings.root if self.usable(pair[1]))}
        """Servers of the zones met so far; names are looked up from the nearest one."""
        self._spare: dict[str, tuple[str, ...]] = {}
        """Names of further servers of those zones, to be looked up where all of the first ones fail."""

    def usable(self, address: str) -> bool:
        """Whether `address` may be asked; over IPv6 if there is a way to it."""
        if address not in self._usable:
            way = ":" not in address or self.ipv6 or (not self._ipv4_only and reaches(address))
            self._usable[address] = way and not self.is_private(address)
        return self._usable[address]

    def is_private(self, address: str) -> bool:
        """Whether `address` is none to ask.

        Addresses come out of other people's zones: what is no host's address never is asked, what is not a
        public one only when a server given in the settings is not public either (a laboratory, a test).
        """
        ip = ipaddress.ip_address(address)
        odd = ip.is_multicast or ip.is_unspecified or address == "255.255.255.255"
        return odd or not (self._private or ip.is_global)

    async def addresses(self, domain: str, name: str) -> tuple[str, ...]:
        """Return the addresses of a host, IPv4 first; empty if there are none, or none could be learnt."""
        return await once(self._hosts, name, lambda: self._look_up(domain, name))

    async def names(self, zone: str) -> tuple[str, ...]:
        """Return the names of a zone's servers, sorted."""
        found = await self.resolve("", zone, "NS")
        records = found.records if found else ()
        return tuple(sorted({r.data for r in records if r.type == "NS" and r.owner == zone}))

    async def _look_up(self, domain: str, name: str) -> tuple[str, ...]:
        replies = [await self.resolve(domain, name, qtype) for qtype in ("A", "AAAA")]
        if not any(replies):
            await self.resolve(domain, name, "CNAME")  # an alias may be known where its target is not
        signed = (o.zone for o in replies if o and ("signed" in o.flags or o.zone in self._signed))
        for zone in dict.fromkeys(signed):
            await once(self._chains, zone, lambda zone=zone: self._look_at_signature(zone))  # type: ignore[misc]
        return _addresses(replies)

    async def _look_at_signature(self, zone: str) -> None:
        """Ask for what tells whether a zone's signatures hold; of the root everybody knows."""
        if zone not in ("", "."):
            await self.resolve("", zone, "DNSKEY")
            await self.resolve("", zone, "DS")

    async def resolve(
        self, domain: str, qname: str, qtype: str, chain: tuple[str, ...] = ()
    ) -> Observed | None:
        """Return the conclusive reply for a name, following aliases; ``None`` if there is none to be had."""
        for _ in range(MAX_ALIASES):
            found = await self._ask(domain, qname, qtype, chain)
            if found is None or found.outcome not in ("answer", "lame") or qtype == "CNAME":
                return found
            if any(r.type == qtype and r.section == "answer" for r in found.records):
                return found
            aliases = {r.owner: r.data for r in found.records if r.type == "CNAME" and r.section == "answer"}
            for _ in range(MAX_ALIASES):
                qname = aliases.get(qname, qname)
            # A loop, or a resolver that has followed the aliases and found nothing at the end.
            if qname in aliases or self._resolvers:
                return found
        return None

    async def _ask(self, domain: str, qname: str, qtype: str, chain: tuple[str, ...]) -> Observed | None:
        """Ask the resolvers given, or the servers of zones from the nearest one down."""
        if self._resolvers:
            ask = Ask(domain, "address", "", qname, qtype, "", "", rd=True)
            return await self._first([ask._replace(address=a) for a in self._resolvers], _CONCLUSIVE)
        zone = qname if qtype != "DS" else qname.partition(".")[2] or "."  # the zone above has it
        while zone not in self.zones:
            zone = zone.partition(".")[2] or "."
        servers, spare = self.zones[zone], self._spare.get(zone, ())
        while True:
            if not servers:
                if not chain:
                    self._asker.skip(Ask(domain, "address", zone, qname, qtype, "", ""))
                return None
            tried = spread(qname, servers)[:MAX_TRIED]
            asks = [Ask(domain, "address", zone, qname, qtype, s.name, s.address) for s in tried]
            found = await self._first(asks, (*_CONCLUSIVE, "referral"))
            if found is None and spare:
                servers, spare = await self._found(domain, spare, zone, chain)
                if servers:
                    continue
            if found is None or found.outcome != "referral":
                return found
            zone = found.cut
            if any(r.type == "DS" for r in found.records):
                self._signed.add(zone)
            if zone not in self.zones:
                reached, others = await self._servers_of(domain, found, chain)
                if reached or not chain:  # in the middle of a chain, failing proves nothing
                    self.zones.setdefault(zone, reached)
                    self._spare.setdefault(zone, others)
            servers, spare = self.zones.get(zone, ()), self._spare.get(zone, ())

    async def _servers_of(
        self, domain: str, referral: Observed, chain: tuple[str, ...]
    ) -> tuple[tuple[Server, ...], tuple[str, ...]]:
        """Return the servers that a referral names, and the names of those to ask if all of them fail."""
        names = sorted({r.data for r in referral.records if r.type == "NS" and r.owner == referral.cut})
        beside = (r for r in referral.records if r.type in ("A", "AAAA") and r.section == "additional")
        glue = tuple(Server(r.owner, r.data) for r in beside if r.owner in names and self.usable(r.data))
        bare = [name for name in names if name not in {s.name for s in glue}]
        bare = bare[: 2 if chain else 4]  # names of names of names must not multiply
        return (glue, tuple(bare)) if glue else await self._found(domain, bare, referral.cut, chain)

    async def _found(
        self, domain: str, names: Sequence[str], zone: str, chain: tuple[str, ...]
    ) -> tuple[tuple[Server, ...], tuple[str, ...]]:
        """Look up names of a zone's servers until there are enough to ask: their servers, the other names.

        Those that are aliases come last, since not all resolvers follow them.
        """
        servers: dict[str, list[Server]] = {}
        aliases: dict[str, list[Server]] = {}
        for name in names:
            if name in chain or len(chain) >= MAX_DEPTH or is_under(name, zone):
                continue  # it would have to be known to be found
            kinds = ("A", "AAAA") if self.ipv6 else ("A",)
            replies = [await self.resolve(domain, name, qtype, (*chain, name)) for qtype in kinds]
            if found := [Server(name, address) for address in _addresses(replies) if self.usable(address)]:
                followed = (o for o in replies if o)  # from the name, or from what it is an alias of
                alias = any(o.qname != name or any(r.type == "CNAME" for r in o.records) for o in followed)
                (aliases if alias else servers)[name] = found
            if servers and (chain or sum(map(len, servers.values())) > 1):
                break
        known = servers or aliases
        return tuple(s for own in known.values() for s in own), tuple(n for n in names if n not in known)

    async def _first(self, asks: list[Ask], outcomes: Iterable[str]) -> Observed | None:
        """Ask one after the other until a reply has one of `outcomes`; the first silent one is given time.

        Failing that, an answer without authority has to do, which resolvers take too, or one over TCP or
        without EDNS only, which not all of them ask for.
        """
        silent: list[Ask] = []
        weak: Observed | None = None
        partial: Observed | None = None
        for ask in asks:
            what = (ask.address, ask.qname, ask.qtype)
            observed = await once(self._memo, what, lambda ask=ask: self._asker.ask(ask, patient=False))  # type: ignore[misc]
            if observed.outcome in outcomes:
                if _for_all(observed):
                    return observed
                partial = partial or observed
            elif observed.outcome in SILENT:
                self._asker.remember(observed)
                silent.append(ask)
            elif weak is None and is_weak(observed, observed.records):
                weak = observed
        for ask in silent if weak is None else ():
            observed = await self._asker.ask(ask)
            if observed.outcome in SILENT:
                observed = await self._asker.ask(ask._replace(transport="tcp"))
            if observed.outcome not in outcomes:
                break
            if _for_all(observed):
                return observed
            partial = partial or observed
        return weak or partial


def _for_all(observed: Observed) -> bool:
    """Tell whether it is as all resolvers hear it."""
    return observed.edns and observed.transport == "udp"


def spread(qname: str, servers: Iterable[Server]) -> list[Server]:
    """Return servers in an order of a name's own, the same each time: a resumed run asks the same ones."""
    return sorted(servers, key=lambda s: (zlib.crc32(f"{qname} {s.address}".encode()), s))


def _addresses(replies: Iterable[Observed | None]) -> tuple[str, ...]:
    answers = (r for o in replies if o for r in o.records if r.section == "answer")
    return tuple(dict.fromkeys(r.data for r in answers if r.type in ("A", "AAAA")))
