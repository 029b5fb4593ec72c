"""What the mail servers of listed domains present, beside what the list has for them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import cast

from mssante_audit.network import network_of
from mssante_audit.observe.observation import Observation
from mssante_audit.observe.tls.chain import Certificate, Chain, judge
from mssante_audit.observe.tls.observation import Observed
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.rows import grouped
from mssante_audit.whitelist.signature import trust

OLD = ("SSLv3", "TLSv1", "TLSv1.1")
MOST = 6
"""Names, hosts and servers named in one finding."""


@dataclass(frozen=True, slots=True)
class SeenServer:
    """A mail server, as the visit that counts found it: without SNI, as Postfix sends mail."""

    address: str
    hosts: tuple[str, ...]
    at: datetime
    outcome: str
    """How the visit ended; ``lost`` where a certificate was presented that the files do not hold."""
    detail: str
    protocol: str
    demanded: bool
    """Whether it asked for a client's certificate."""
    chain: Chain | None
    """``None`` if it presented no certificate, or it is not at hand."""
    key: str = ""
    """Of the name that it presents, for comparing (`mssante_audit.values.dn.DN.key`)."""
    sni: str = ""
    """The name that it was asked for by SNI in another visit, "" if none."""
    by_name: Chain | None = None
    """What it presented then."""

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
        """Its mail hosts' names and its address."""
        return f"{', '.join(self.hosts[:3])}{'…' if len(self.hosts) > 3 else ''} ({self.address})"


@dataclass
class Presented:
    """The domains of a list with the servers that stand for them."""

    servers: dict[str, SeenServer] = field(default_factory=dict)
    """By address."""
    of: dict[str, list[SeenServer]] = field(default_factory=dict)
    """Domain → the servers that were visited for it, in order of address."""
    missing: dict[str, list[str]] = field(default_factory=dict)
    """Domain → mail hosts and addresses of it that no visit tells of."""
    rows: dict[str, list[int]] = field(default_factory=dict)
    listed: dict[str, dict[str, dict[str, list[int]]]] = field(default_factory=dict)
    """Domain → key of a name → its texts → its rows."""
    operators: dict[str, set[str]] = field(default_factory=dict)
    """Key of a name → whose it is in the list."""
    operators_of: dict[str, set[str]] = field(default_factory=dict)
    """Domain → operators."""
    served: dict[str, list[str]] = field(default_factory=dict)
    """Address → the domains that the server there stands for."""

    def domains(self, servers: Iterable[SeenServer]) -> list[str]:
        """Return the domains that servers stand for, in list order."""
        names = {domain for server in servers for domain in self.served.get(server.address, ())}
        return sorted(names, key=self.rows.__getitem__)

    def rows_of(self, domains: Iterable[str]) -> tuple[int, ...]:
        """Return the rows of domains."""
        return tuple(row for domain in domains for row in self.rows[domain])

    def right(self, domain: str, server: SeenServer) -> bool:
        """Whether a peer that compares names, dates and chain takes what a server presents for a domain."""
        return _sound(server.chain, server.at) and server.key in self.listed[domain]

    def right_by_name(self, domain: str, server: SeenServer) -> bool:
        """Whether it would take what the server presents to who asks for it by SNI, and only that."""
        chain = server.by_name
        if chain is None or not _sound(chain, server.at) or self.right(domain, server):
            return False
        return parse_dn(chain.leaf.subject).key in self.listed[domain]

    def alone(self, domain: str, server: SeenServer) -> bool:
        """Whether no server of a domain has a certificate that outlives a server's, and that peers take."""
        end = server.leaf and server.leaf.not_after
        return not any(
            other.chain and not other.chain.refused and other.key in self.listed[domain]
            for other in self.of[domain]
            if end and other.leaf and other.leaf.not_after and other.leaf.not_after > end
        )

    def by_certificate(self) -> Iterator[tuple[Chain, SeenServer, list[SeenServer]]]:
        """Yield for each certificate its chain and server as seen last, and all servers that present it."""
        found = grouped((s.chain.leaf.sha256, (s.chain, s)) for s in self.servers.values() if s.chain)
        for held in found.values():
            yield *max(held, key=lambda one: one[1].at), [server for _, server in held]

    def readable(self) -> Iterator[tuple[str, list[SeenServer]]]:
        """Yield the domains with those of their servers that presented a certificate that can be read."""
        for domain, servers in self.of.items():
            if seen := [server for server in servers if server.leaf]:
                yield domain, seen


def _sound(chain: Chain | None, at: datetime) -> bool:
    return chain is not None and not chain.refused and chain.leaf.in_time(at)


def presented(space: TrustSpace) -> Presented:
    """Return what a space's servers present, nothing without both observations; worked out once for it."""

    def made() -> Presented:
        if space.observation is None or space.tls is None:
            return Presented()
        found = Presented({server.address: server for server in _servers(space, space.tls)})
        columns = (space.audited[c].tolist() for c in ("domain", "row", "dn", "dn_key", "operator_id"))
        for domain, row, text, key, operator in zip(*columns, strict=True):
            found.rows.setdefault(domain, []).append(row)
            found.listed.setdefault(domain, {}).setdefault(key, {}).setdefault(text, []).append(row)
            found.operators.setdefault(key, set()).add(operator)
            found.operators_of.setdefault(domain, set()).add(operator)
        for part in space.parts():
            network = network_of(cast(Observation, part.observation))
            for domain in part.audited["domain"].unique().tolist():
                addresses = {host: network.addresses(host) for host in network.exchangers(domain)}
                known = sorted({a for its in addresses.values() for a in its})
                found.of[domain] = [found.servers[a] for a in known if a in found.servers]
                for server in found.of[domain]:
                    found.served.setdefault(server.address, []).append(domain)
                found.missing[domain] = [host for host, its in addresses.items() if not its]
                found.missing[domain] += [address for address in known if address not in found.servers]
        return found

    return space.once("certificates", made)


def _servers(space: TrustSpace, observed: Observed) -> Iterator[SeenServer]:
    origin = space.whitelist.origin
    trusted, crls = trust(space.whitelist.anchors, origin.parent if isinstance(origin, Path) else None)
    known: dict[tuple[tuple[str, ...], str], Chain] = {}

    def judged(sent: tuple[str, ...], at: datetime) -> Chain | None:
        if not sent or not observed.certificates.keys() >= set(sent):
            return None
        key = sent, f"{at:%Y-%m-%d}"
        if key not in known:
            known[key] = judge([observed.certificates[name] for name in sent], trusted, crls, at)
        return known[key]

    columns = (
        "address", "hosts", "at", "outcome", "detail", "protocol", "demanded", "sni", "chain", "sni_chain",
    )  # fmt: skip
    for values in zip(*(observed.servers[name].tolist() for name in columns), strict=True):
        address, hosts, at, outcome, detail, protocol, demanded, sni, *sent = values
        chain = judged(sent[0], at) if outcome == "presented" else None
        outcome = "lost" if outcome == "presented" and chain is None else outcome
        key = parse_dn(chain.leaf.subject).key if chain else ""
        visit = (address, hosts, at, outcome, detail, protocol, demanded)
        yield SeenServer(*visit, chain, key, sni, judged(sent[1], at))
