"""A made-up DNS that an observer can walk: zones, servers and their faults, without any network.

The real walker (`mssante_audit.observe.dns.walk`) asks it through an asker that answers from memory, and the
real writer writes what came of it: an observation of the made-up world is one in every respect but the
network.
"""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mssante_audit.observe.dns.exchange import DnsMessage, Exchange, classify, observe_exchange
from mssante_audit.observe.dns.names import canonical, is_under
from mssante_audit.observe.dns.resolve import Resolver
from mssante_audit.observe.dns.settings import ObserveSettings
from mssante_audit.observe.dns.walk import Walker
from mssante_audit.observe.file import DNS, Writer
from mssante_audit.observe.lines import Ask, Record, Reply

ROOT = ("root.valfictif.example", "192.0.2.1")
"""The one server of the made-up root: it knows every name outside the parent zone itself."""
SIBLING = "0123456789abcdef"
"""The label that no domain has."""
TRIES = 3

Records = dict[str, dict[str, list[str]]]
"""Owner → type → data, as `mssante_audit.observe.lines.Record` writes them."""


@dataclass(slots=True)
class Zone:
    """A zone as a server carries it."""

    name: str
    records: Records = field(default_factory=dict)
    signed: bool = False
    signatures: dict[tuple[str, str], str] = field(default_factory=dict)
    """Owner and type → RRSIG."""

    def add(self, owner: str, rdtype: str, *data: str) -> Zone:
        """Add records; return the zone."""
        self.records.setdefault(owner, {}).setdefault(rdtype, []).extend(data)
        if (owner, rdtype) == (self.name, "NS") and "SOA" in (rrsets := self.records[owner]):
            rrsets["SOA"] = [f"{rrsets['NS'][0]} {text.partition(' ')[2]}" for text in rrsets["SOA"]]
        return self

    def copy(self) -> Zone:
        """Return a zone with the same records, to be changed."""
        records = {
            owner: {kind: [*data] for kind, data in sets.items()} for owner, sets in self.records.items()
        }
        return Zone(self.name, records, self.signed, dict(self.signatures))

    def soa(self, serial: int) -> Zone:
        """Set the SOA record with this serial; return the zone."""
        self.records.setdefault(self.name, {})["SOA"] = [
            f"ns1.{self.name} hostmaster.{self.name} {serial} 3600 600 864000 300"
        ]
        return self


@dataclass(slots=True)
class NameServer:
    """A server on one address."""

    zones: dict[str, Zone] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    """Transports on which it says nothing."""
    rcodes: dict[str, str] = field(default_factory=dict)
    """Zone → the error it answers with."""
    otherwise: str = "REFUSED"
    """What it says of zones it does not carry: an error, ``lame`` or ``upward``."""
    recursive: bool = False
    mixed: tuple[str, ...] = ()
    """Names at which it answers with data although it refers the rest."""
    refused: tuple[str, ...] = ()
    """Types that it refuses to tell."""
    weak: bool = False
    """Whether it answers without authority."""
    late: bool = False
    """Whether it answers after the time-out."""
    edns: str = "ok"
    """What it says to questions with EDNS: ``ok``, ``dropped`` (nothing), or an error."""


@dataclass(slots=True)
class World:
    """The made-up DNS."""

    parent: str = "mssante.fr"
    parent_servers: tuple[tuple[str, str], ...] = ()
    servers: dict[str, NameServer] = field(default_factory=dict)
    """By address; no server is silence."""
    root: Zone = field(default_factory=lambda: Zone("."))
    """Every name outside the parent zone."""

    def serve(self, zone: Zone, *addresses: str) -> Zone:
        """Have the servers at these addresses carry a zone (each the same one); return it."""
        for address in addresses:
            self.servers.setdefault(address, NameServer()).zones[zone.name] = zone
        return zone

    def reply(self, ask: Ask) -> DnsMessage | None:
        """Return what the server asked says; ``None`` for silence."""
        root = NameServer({".": self.root}) if ask.address == ROOT[1] else None
        server = root or self.servers.get(ask.address)
        if server is None or ask.transport in server.silent:
            return None
        if ask.rd:
            message = Record("answer", ".", 86400, "SOA", "a.root.example nstld.example 1 1 1 1 1")
            return _reply(ra=True, records=[message]) if server.recursive else _reply(rcode="REFUSED")
        zone = max((z for z in server.zones if is_under(ask.qname, z)), key=_depth, default=None)
        if zone is None:
            return _elsewhere(server.otherwise, ask.qname)
        if zone in server.rcodes:
            return _reply(rcode=server.rcodes[zone])
        if ask.qtype in server.refused:
            return _reply(rcode="REFUSED")
        message = _look_up(server.zones[zone], ask.qname, ask.qtype, mixed=ask.qname in server.mixed)
        return message._replace(
            flags=tuple(flag for flag in message.flags if flag != "aa" or not server.weak)
        )


def _depth(zone: str) -> int:
    return 0 if zone == "." else zone.count(".") + 1


def _reply(
    rcode: str = "NOERROR", *, aa: bool = False, ra: bool = False, edns: bool = True, signed: bool = False,
    records: Any = (),
) -> DnsMessage:  # fmt: skip
    flags = {"aa": aa, "ra": ra, "edns": edns, "signed": signed}
    return DnsMessage(rcode, tuple(name for name in flags if flags[name]), tuple(records))


def _elsewhere(answer: str, qname: str) -> DnsMessage:
    if answer == "upward":
        return _reply(records=[Record("authority", ".", 86400, "NS", ROOT[0])])
    return _reply() if answer == "lame" else _reply(rcode=answer)


def _look_up(zone: Zone, qname: str, qtype: str, *, mixed: bool) -> DnsMessage:
    cut = _cut(zone, qname)
    if qtype == "DS" and cut == qname:
        cut = ""  # the zone above has it
    if cut and not mixed:
        return _referral(zone, cut)
    answers: list[Record] = []
    owner, signed = qname, zone.signed
    for _ in range(8):
        sets, exists = _node(zone, owner)
        if "CNAME" not in sets:
            break
        answers.append(Record("answer", owner, 300, "CNAME", sets["CNAME"][0]))
        if rrsig := zone.signatures.get((owner, "CNAME")):
            answers.append(Record("answer", owner, 300, "RRSIG", rrsig))
        if qtype in sets:  # which no zone may have beside an alias
            break
        owner = sets["CNAME"][0]
        if not is_under(owner, zone.name) or owner == qname:
            return _reply(aa=True, signed=signed, records=answers)
    records = [Record("answer", owner, 300, qtype, data) for data in sets.get(qtype, ())]
    if records and (rrsig := zone.signatures.get((owner, qtype))):
        records.append(Record("answer", owner, 300, "RRSIG", rrsig))
    if cut and records:
        records += [Record("authority", cut, 300, "NS", data) for data in zone.records[cut]["NS"]]
    if records or answers:
        return _reply(aa=True, signed=signed, records=[*answers, *records])
    soa = [
        Record("authority", zone.name, 300, "SOA", data) for data in _node(zone, zone.name)[0].get("SOA", ())
    ]
    return _reply("NOERROR" if exists else "NXDOMAIN", aa=True, signed=signed, records=soa)


def _node(zone: Zone, name: str) -> tuple[dict[str, list[str]], bool]:
    """Return the sets at a name (or those a wildcard gives it), and whether the name exists."""
    if name in zone.records:
        return zone.records[name], True
    if any(owner.endswith("." + name) for owner in zone.records):
        return {}, True
    encloser = name
    while encloser and encloser != zone.name and is_under(encloser, zone.name):
        encloser = encloser.partition(".")[2]
        if star := zone.records.get(f"*.{encloser}"):
            return star, True
        if encloser in zone.records:
            break
    return {}, False


def _cut(zone: Zone, qname: str) -> str:
    cut, name = "", qname
    while name != zone.name and is_under(name, zone.name) and name:
        if "NS" in zone.records.get(name, ()):
            cut = name
        name = name.partition(".")[2]
    return cut


def _referral(zone: Zone, cut: str) -> DnsMessage:
    sets = zone.records[cut]
    records = [
        Record("authority", cut, 3600, kind, data) for kind in ("NS", "DS") for data in sets.get(kind, ())
    ]
    if rrsig := zone.signatures.get((cut, "DS")):
        records.append(Record("authority", cut, 3600, "RRSIG", rrsig))
    for name in sets["NS"]:
        records += [
            Record("additional", name, 3600, kind, data)
            for kind in ("A", "AAAA")
            for data in zone.records.get(name, {}).get(kind, ())
            if is_under(name, cut)
        ]
    return _reply(signed=zone.signed, records=records)


class _Asker:
    """Answers from a world instead of the network, at the pace of a clock of its own."""

    def __init__(self, world: World, settings: ObserveSettings, started_at: datetime) -> None:
        self.settings, self._world, self._at = settings, world, started_at
        self.known: dict[Any, Reply] = {}
        self.outcomes: Counter[str] = Counter()
        self.lines: list[dict[str, Any]] = []
        self._plain: set[tuple[str, str]] = set()
        self._silent: set[str] = set()
        """Addresses that are silent over TCP too."""
        self._done: dict[Ask, Reply] = {}

    async def ask(self, ask: Ask, *, patient: bool = True) -> Reply:
        """Answer a question; silence is met as often as the real asker would."""
        question = ask._replace(domain="", step="")
        if question in self._done:
            return self._done[question]
        message = self._world.reply(ask)
        edns = self._with_edns(ask) if message else True
        for attempt in range(1, 2 if message else TRIES + 1):
            reply = self._reply(ask, message, attempt, edns=edns)
        if ask.transport == "udp" and not message and ask.address not in self._silent:
            other = await self.ask(ask._replace(transport="tcp"))
            reply = reply if other.silent else other
        elif not message:
            self._silent.add(ask.address)
        self._done[question] = reply
        return reply

    def _with_edns(self, ask: Ask) -> bool:
        """Ask a server that does not take EDNS with it, the first time, as the real asker would."""
        server, lane = self._world.servers.get(ask.address, NameServer()), (ask.address, ask.transport)
        if server.edns == "ok":
            return True
        if lane not in self._plain:
            refusal = None if server.edns == "dropped" else _reply(rcode=server.edns, edns=False)
            for attempt in range(1, 2 if refusal else TRIES):
                self._reply(ask, refusal, attempt, edns=True)
            self._plain.add(lane)
        return False

    def _reply(self, ask: Ask, message: DnsMessage | None, attempt: int, *, edns: bool) -> Reply:
        late = ask.address in self._world.servers and self._world.servers[ask.address].late
        self._at += timedelta(milliseconds=5 if message else 3000)
        reply = observe_exchange(ask, Exchange("timeout", b"", 0.0, 0), self._at, attempt, edns=edns)
        if message:
            outcome, cut = classify(message, ask.zone or None, ask.qname, ask.qtype)
            reply = reply._replace(
                outcome=outcome,
                cut=cut,
                rcode=message.rcode,
                flags=" ".join((*message.flags, *(["late"] if late else []))),
                rtt=3500.0 if late else 4.2,
                records=message.records,
            )
        self.lines.append(reply.content())
        return reply

    def skip(self, ask: Ask, flags: str = "") -> None:
        """Keep a line that says what was not asked."""
        skipped = observe_exchange(ask, Exchange("unreachable", b"", 0.0, 0), self._at, 0, edns=True)
        self.lines.append(skipped._replace(flags=flags).content())

    def write(self, content: dict[str, Any]) -> None:
        """Keep a line."""
        self.lines.append(content)


def observe_world(
    world: World, domains: list[str], path: Path, started_at: datetime, *, ipv6: bool = True
) -> None:
    """Walk domains through a world and write the observation file.

    Parameters
    ----------
    world
        The DNS to observe.
    domains
        As the white list writes them.
    path
        A new file.
    started_at
        When the observation began; a reply takes 5 ms.
    ipv6
        Whether IPv6 addresses are asked.
    """
    settings = ObserveSettings(
        parent_zone=world.parent, parent_servers=world.parent_servers, root=(ROOT,), ipv4_only=not ipv6
    )
    walk = _walk(world, domains, settings, started_at, ipv6=ipv6)
    with ThreadPoolExecutor(1) as pool:  # a notebook's or a browser test's thread has a loop already
        lines = pool.submit(asyncio.run, walk).result()
    header = DNS.header(
        started_at.astimezone(UTC), tool="made up", parent_zone=world.parent, sibling=SIBLING, ipv6=ipv6,
        domains=len(domains), resumed=False, settings={},
    )  # fmt: skip
    writer = Writer(path)
    try:
        for content in (header, *lines):
            writer.write(content)
        end = _stamp(started_at + timedelta(hours=1))
        writer.write({"end": end, "complete": True, "queries": len(lines), "late": 0, "ignored": {}})
    finally:
        writer.close()


def observation_bytes(world: World, domains: list[str], started_at: datetime) -> bytes:
    """Return the observation file of a world; the same world gives the same bytes."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "observation.jsonl.gz")
        observe_world(world, domains, path, started_at)
        # In one member: how many the writer makes depends on how fast it was.
        return gzip.compress(gzip.decompress(path.read_bytes()), mtime=0)


async def _walk(
    world: World, domains: list[str], settings: ObserveSettings, started_at: datetime, *, ipv6: bool
) -> list[dict[str, Any]]:
    asker: Any = _Asker(world, settings, started_at)
    resolver = Resolver(asker)
    resolver.ipv6 = ipv6  # of the world, not of the machine
    walker = Walker(asker, resolver, SIBLING)
    await walker.find_parent()
    await walker.look_at_parent()
    for domain in dict.fromkeys(domains):
        if name := canonical(domain):
            await walker.walk(domain, name)
    return list(asker.lines)


def _stamp(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
