"""What the mail servers of listed domains present, beside what the list has for them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast

from mssante_audit.network import network_of
from mssante_audit.observe.observation import Observation
from mssante_audit.observe.tls.chain import Certificate, Chain, judge
from mssante_audit.observe.tls.observation import Observed
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.rows import all_rows, grouped, rows_by
from mssante_audit.whitelist.signature import trust

OLD = ("SSLv3", "TLSv1", "TLSv1.1")
MOST = 6  # names, hosts and servers named in one finding


@dataclass(frozen=True, slots=True)
class SeenServer:
    """A mail server, as the visit that counts found it: without SNI, as Postfix sends mail."""

    address: str
    hosts: tuple[str, ...]
    at: datetime
    detail: str
    protocol: str
    demanded: bool  # whether it asked for a client's certificate
    sni: str  # the name that it was asked for by SNI in another visit, "" if none
    outcome: str  # how the visit ended; ``lost`` if the files do not hold the certificate presented
    chain: Chain | None  # None if it presented no certificate, or the files do not hold it
    by_name: Chain | None  # what it presented when asked by SNI

    @property
    def leaf(self) -> Certificate | None:
        """Its own certificate, if it presented one that can be read."""
        return self.chain.leaf if self.chain and not self.chain.leaf.problem else None

    @property
    def subject(self) -> str:
        """The name that it presents, "" if none."""
        return self.leaf.subject if self.leaf else ""

    @property
    def key(self) -> str:
        """Of the name that it presents, for comparing (`mssante_audit.values.dn.DN.key`)."""
        return parse_dn(self.chain.leaf.subject).key if self.chain else ""

    @property
    def name(self) -> str:
        """Its mail hosts' names and its address."""
        return f"{', '.join(self.hosts[:3])}{'…' if len(self.hosts) > 3 else ''} ({self.address})"


class Presented:
    """The domains of a list with the servers that stand for them; empty without both observations."""

    def __init__(self, space: TrustSpace) -> None:
        self.servers: dict[str, SeenServer] = {}  # by address
        self.of: dict[str, list[SeenServer]] = {}  # domain → those visited, by address
        self.missing: dict[str, list[str]] = {}  # domain → hosts and addresses not visited
        self.served: dict[str, list[str]] = {}  # address → domains
        self.rows = space.domain_rows
        self.listed: dict[str, dict[str, dict[str, list[int]]]] = {}  # domain → key of a name → text → rows
        self.operators: dict[str, set[str]] = {}  # key of a name → whose it is in the list
        self.operators_of: dict[str, set[str]] = {}  # domain → operators
        if space.observation is None or space.tls is None:
            return
        self.servers = {server.address: server for server in _servers(space, space.tls)}
        listed = rows_by(space.audited, "domain", "dn_key", "dn", "operator_id").items()
        for (domain, key, text, operator), rows in listed:
            self.listed.setdefault(domain, {}).setdefault(key, {}).setdefault(text, []).extend(rows)
            self.operators.setdefault(key, set()).add(operator)
            self.operators_of.setdefault(domain, set()).add(operator)
        for part in space.parts():
            network = network_of(cast(Observation, part.observation))
            addresses_of = cache(network.addresses)
            for domain in part.audited["domain"].unique().tolist():
                addresses = {host: addresses_of(host) for host in network.exchangers(domain)}
                every = sorted({address for of_host in addresses.values() for address in of_host})
                self.of[domain] = [self.servers[address] for address in every if address in self.servers]
                self.missing[domain] = [host for host, of_host in addresses.items() if not of_host]
                self.missing[domain] += [address for address in every if address not in self.servers]
                for server in self.of[domain]:
                    self.served.setdefault(server.address, []).append(domain)

    def domains(self, servers: Iterable[SeenServer]) -> list[str]:
        """Return the domains that servers stand for, in list order."""
        names = {domain for server in servers for domain in self.served.get(server.address, ())}
        return sorted(names, key=self.rows.__getitem__)

    def rows_of(self, domains: Iterable[str]) -> tuple[int, ...]:
        """Return the rows of domains."""
        return all_rows(self.rows[domain] for domain in domains)

    def right(self, domain: str, server: SeenServer) -> bool:
        """Whether a peer that compares names, dates and chain takes what a server presents for a domain."""
        return self.takes(domain, server.chain, server.at)

    def takes(self, domain: str, chain: Chain | None, at: datetime) -> bool:
        """Whether that peer takes a chain."""
        return chain is not None and not chain.faults(at, self.listed[domain])

    def alone(self, domain: str, server: SeenServer) -> bool:
        """Whether no server of a domain has a certificate that outlives a server's, and that peers take."""
        end = server.leaf and server.leaf.not_after
        return not any(
            other.chain and {*other.chain.faults(other.at, self.listed[domain])} <= {"dates"}
            for other in self.of[domain]
            if end and other.leaf and other.leaf.not_after and other.leaf.not_after > end
        )

    def by_certificate(self) -> Iterator[tuple[Chain, SeenServer, list[SeenServer]]]:
        """Yield for each certificate its chain and server as seen last, and all servers that present it."""
        pairs = grouped((s.chain.leaf.sha256, (s.chain, s)) for s in self.servers.values() if s.chain)
        for same in pairs.values():
            yield *max(same, key=lambda pair: pair[1].at), [server for _, server in same]

    def readable(self) -> Iterator[tuple[str, list[SeenServer]]]:
        """Yield the domains with those of their servers that presented a certificate that can be read."""
        for domain, servers in self.of.items():
            if seen := [server for server in servers if server.leaf]:
                yield domain, seen


def presented(space: TrustSpace) -> Presented:
    """Return what a space's servers present, nothing without both observations; worked out once for it."""
    return space.once("certificates", lambda: Presented(space))


def _servers(space: TrustSpace, observed: Observed) -> Iterator[SeenServer]:
    trusted, crls = trust(space.whitelist.anchors, *space.whitelist.beside)
    chains: dict[tuple[tuple[str, ...], str], Chain] = {}

    def judged(sent: tuple[str, ...], at: datetime) -> Chain | None:
        if not sent or not observed.certificates.keys() >= set(sent):
            return None
        key = sent, f"{at:%Y-%m-%d}"
        if key not in chains:
            chains[key] = judge([observed.certificates[name] for name in sent], trusted, crls, at)
        return chains[key]

    columns = [
        "address", "hosts", "at", "detail", "protocol", "demanded", "sni", "outcome", "chain", "sni_chain",
    ]  # fmt: skip
    for *visit, outcome, sent, by_name in observed.servers[columns].itertuples(index=False, name=None):
        chain = judged(sent, visit[2]) if outcome == "presented" else None
        outcome = "lost" if outcome == "presented" and chain is None else outcome
        values: tuple[Any, ...] = (*visit, outcome, chain, judged(by_name, visit[2]))
        yield SeenServer(*values)
