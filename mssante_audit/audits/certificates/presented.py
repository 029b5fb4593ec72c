"""What the mail servers of listed domains present, beside what the list has for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from mssante_audit.network import network_of
from mssante_audit.observe.observation import Observation
from mssante_audit.observe.tls.chain import Certificate, Chain, judge
from mssante_audit.observe.tls.servers import Observed
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.signature import trust


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server, as the visit that counts found it."""

    address: str
    hosts: tuple[str, ...]
    at: datetime
    outcome: str
    """How the visit ended; ``lost`` where a certificate was presented that the files do not hold."""
    detail: str
    protocol: str
    chain: Chain | None
    """``None`` if it presented no certificate, or it is not at hand."""
    key: str = ""
    """Of the name that it presents, for comparing (`mssante_audit.values.dn.DN.key`)."""

    @property
    def leaf(self) -> Certificate | None:
        """Its own certificate, if it presented one that can be read."""
        return self.chain.leaf if self.chain and not self.chain.leaf.problem else None

    @property
    def subject(self) -> str:
        """The name that it presents, "" if none."""
        return self.leaf.subject if self.leaf else ""

    @property
    def name(self) -> str:
        """What it is told by: its mail hosts' names and its address."""
        return f"{', '.join(self.hosts[:3])}{'…' if len(self.hosts) > 3 else ''} ({self.address})"


@dataclass
class Presented:
    """The domains of a list with the servers that stand for them."""

    servers: dict[str, Server]
    """By address."""
    of: dict[str, list[Server]]
    """Domain → the servers that were visited for it, in order of address."""
    missing: dict[str, list[str]]
    """Domain → mail hosts and addresses of it that no visit tells of."""
    rows: dict[str, list[int]]
    listed: dict[str, dict[str, dict[str, list[int]]]]
    """Domain → key of a name → its texts → its rows."""
    operators: dict[str, set[str]]
    """Key of a name → whose it is in the list."""
    operators_of: dict[str, set[str]]
    """Domain → operators."""
    served: dict[str, list[str]]
    """Address → the domains that the server there stands for."""

    def domains(self, servers: Iterable[Server]) -> list[str]:
        """Return the domains that servers stand for, in list order."""
        told = {domain for server in servers for domain in self.served.get(server.address, ())}
        return sorted(told, key=self.rows.__getitem__)

    def rows_of(self, domains: Iterable[str]) -> tuple[int, ...]:
        """Return the rows of domains."""
        return tuple(row for domain in domains for row in self.rows[domain])

    def right(self, domain: str, server: Server) -> bool:
        """Whether a peer that compares names, dates and chain takes what a server presents for a domain."""
        chain = server.chain
        sound = chain is not None and not chain.refused and chain.leaf.in_time(server.at)
        return sound and server.key in self.listed[domain]

    def alone(self, domain: str, server: Server) -> bool:
        """Whether no server of a domain has a certificate that outlives a server's, and that peers take."""
        own = server.leaf and server.leaf.not_after
        return not any(
            other.chain and not other.chain.refused and other.key in self.listed[domain]
            for other in self.of[domain]
            if own and other.leaf and other.leaf.not_after and other.leaf.not_after > own
        )

    def by_certificate(self) -> Iterator[tuple[Server, list[Server]]]:
        """Yield for each certificate the server seen last to present it, and all that do."""
        found: dict[str, list[Server]] = {}
        for server in self.servers.values():
            if server.chain:
                found.setdefault(server.chain.leaf.sha256, []).append(server)
        for servers in found.values():
            yield max(servers, key=lambda one: one.at), servers

    def told(self) -> Iterator[tuple[str, list[Server]]]:
        """Yield the domains with those of their servers that presented a certificate that can be read."""
        for domain, servers in self.of.items():
            if own := [server for server in servers if server.leaf]:
                yield domain, own


def presented(space: TrustSpace) -> Presented:
    """Return what a space's servers present, nothing without both observations; worked out once for it."""
    if "certificates: presented" not in space.found:
        space.found["certificates: presented"] = _presented(space)
    return cast(Presented, space.found["certificates: presented"])


def _presented(space: TrustSpace) -> Presented:
    found = Presented({}, {}, {}, {}, {}, {}, {}, {})
    if space.given("observation") is None or space.given("tls") is None:
        return found
    servers = found.servers
    servers |= {server.address: server for server in _servers(space)}
    entries = space.audited
    columns = (entries[c].tolist() for c in ("domain", "row", "dn", "dn_key", "operator_id"))
    for domain, row, text, key, operator in zip(*columns, strict=True):
        found.rows.setdefault(domain, []).append(row)
        found.listed.setdefault(domain, {}).setdefault(key, {}).setdefault(text, []).append(row)
        found.operators.setdefault(key, set()).add(operator)
        found.operators_of.setdefault(domain, set()).add(operator)
    for part in space.parts():
        network = network_of(cast(Observation, part.observation))
        for domain in part.audited["domain"].unique().tolist():
            addresses = {host: network.addresses(host) for host in network.exchangers(domain)}
            known = sorted({a for own in addresses.values() for a in own})
            found.of[domain] = [servers[address] for address in known if address in servers]
            for server in found.of[domain]:
                found.served.setdefault(server.address, []).append(domain)
            found.missing[domain] = [host for host, own in addresses.items() if not own]
            found.missing[domain] += [address for address in known if address not in servers]
    return found


def _servers(space: TrustSpace) -> Iterator[Server]:
    observed = cast(Observed, space.observed["tls"])
    origin = space.whitelist.origin
    trusted, crls = trust(space.whitelist.anchors, origin.parent if isinstance(origin, Path) else None)
    judged: dict[tuple[tuple[str, ...], datetime], Chain] = {}
    columns = ("address", "hosts", "at", "outcome", "detail", "protocol", "chain")
    for values in zip(*(observed.servers[name].tolist() for name in columns), strict=True):
        address, hosts, at, outcome, detail, protocol, chain = values
        own = None
        if outcome == "presented" and chain and observed.certificates.keys() >= set(chain):
            day = at.replace(hour=0, minute=0, second=0, microsecond=0)
            ders = [observed.certificates[name] for name in chain]
            own = judged.get((chain, day)) or judge(ders, trusted, crls, at)
            judged[chain, day] = own
        outcome = "lost" if outcome == "presented" and own is None else outcome
        key = parse_dn(own.leaf.subject).key if own else ""
        yield Server(address, hosts, at, outcome, detail, protocol, own, key)
