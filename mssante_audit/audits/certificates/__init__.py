"""Audit of the certificates that mail servers present, against those that the list has for their domains.

A server is judged at the instant of the visit that counts; what was not seen is unknown, and never a fault.
What senders must check is ANS's second reference document (clients, v1.0, 2023); what hangs on IGC-Santé's
profile for servers, which is not public, is good practice.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast

from mssante_audit.findings import Finding
from mssante_audit.network import network_of
from mssante_audit.observe.observation import Observation
from mssante_audit.observe.tls.chain import WEAK, Certificate, Chain, judge
from mssante_audit.observe.tls.observation import TELLING, Observed
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.rows import all_rows, grouped, rows_by, tuples
from mssante_audit.whitelist.signature import trust

_STATE_RULES = {
    "unknown": "TLS_CHAIN_UNKNOWN", "self-signed": "TLS_CHAIN_UNKNOWN", "refused": "TLS_CHAIN_UNKNOWN",
    "unreadable": "TLS_UNREADABLE", "incomplete": "TLS_CHAIN_INCOMPLETE", "unordered": "TLS_CHAIN_ORDER",
}  # fmt: skip
_OLD_AUTHORITY = ("GIP-CPS", "IGC-CPS")  # in names of authorities before IGC-Santé (form: two lines of DN)
_SMALLEST_RSA = 2048
_SERVER_USES = {"1.3.6.1.5.5.7.3.1", "2.5.29.37.0"}  # serverAuth, any (RFC 5280, 4.2.1.12)
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
        self.servers: dict[str, SeenServer] = {}  # by address, but for those that no domain names
        self.of: dict[str, list[SeenServer]] = {}  # domain → those visited, by address
        self.missing: dict[str, list[str]] = {}  # domain → hosts and addresses not visited
        self.served: dict[str, list[str]] = {}  # address → domains
        self.rows = space.domain_rows
        self.listed: dict[str, dict[str, dict[str, list[int]]]] = {}  # domain → key of a name → text → rows
        self.operators: dict[str, set[str]] = {}  # key of a name → whose it is in the list
        self.operators_of: dict[str, set[str]] = {}  # domain → operators
        if space.observation is None or space.tls is None:
            return
        visited = {server.address: server for server in _visited(space, space.tls)}
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
                ips = sorted({address for of_host in addresses.values() for address in of_host})
                self.of[domain] = [visited[address] for address in ips if address in visited]
                self.missing[domain] = [host for host, of_host in addresses.items() if not of_host]
                self.missing[domain] += [address for address in ips if address not in visited]
                for server in self.of[domain]:
                    self.served.setdefault(server.address, []).append(domain)
        self.servers = {address: server for address, server in visited.items() if address in self.served}

    def domains(self, servers: Iterable[SeenServer]) -> list[str]:
        """Return the domains that servers stand for, in list order."""
        names = {domain for server in servers for domain in self.served.get(server.address, ())}
        return sorted(names, key=self.rows.__getitem__)

    def rows_of(self, domains: Iterable[str]) -> tuple[int, ...]:
        """Return the rows of domains."""
        return all_rows(self.rows[domain] for domain in domains)

    def right(self, domain: str, server: SeenServer, *, by_name: bool = False) -> bool:
        """Whether a peer that checks name, dates and chain accepts a server for a domain."""
        chain = server.by_name if by_name else server.chain
        return chain is not None and not chain.faults(server.at, self.listed[domain])

    def alone(self, domain: str, server: SeenServer) -> bool:
        """Whether no server of a domain has an accepted certificate that outlives this server's."""
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
            if with_leaf := [server for server in servers if server.leaf]:
                yield domain, with_leaf


def presented(space: TrustSpace) -> Presented:
    """Return what a space's servers present, nothing without both observations; worked out once for it."""
    return space.once("certificates", lambda: Presented(space))


def _visited(space: TrustSpace, observed: Observed) -> Iterator[SeenServer]:
    trusted, crls = trust(space.whitelist.anchors, *space.whitelist.beside)
    chains: dict[tuple[tuple[str, ...], str], Chain] = {}

    def judged(sent: tuple[str, ...], at: datetime) -> Chain | None:
        if not sent or not observed.certificates.keys() >= set(sent):
            return None
        key = sent, f"{at:%Y-%m-%d}"
        if key not in chains:
            chains[key] = judge([observed.certificates[name] for name in sent], trusted, crls, at)
        return chains[key]

    visits = tuples(
        observed.servers, "address", "hosts", "at", "detail", "protocol", "demanded", "sni", "outcome",
        "chain", "sni_chain",
    )  # fmt: skip
    for *visit, outcome, sent, by_name in visits:
        chain = judged(sent, visit[2]) if outcome == "presented" else None
        outcome = "lost" if outcome == "presented" and chain is None else outcome
        values: tuple[Any, ...] = (*visit, outcome, chain, judged(by_name, visit[2]))
        yield SeenServer(*values)


def _names(servers: Iterable[SeenServer]) -> list[str]:
    return [server.name for server in servers][:MOST]


def _chains(space: TrustSpace) -> Iterator[Finding]:
    """Chain against the anchors, revocation, strength: one finding a certificate and fault."""
    view = presented(space)
    for chain, _, servers in view.by_certificate():
        leaf, status, rows = chain.leaf, chain.status, view.rows_of(view.domains(servers))
        facts = {
            "name": leaf.subject, "issuer": leaf.issuer, "hosts": _names(servers), "state": chain.state,
            "why": chain.why,
        }  # fmt: skip
        names = {name.lower().rstrip(".") for name in leaf.names}
        hosts = {host for server in servers for host in server.hosts}
        # What covers a host: RFC 9525, 6.3
        others = sorted(h for h in hosts if names.isdisjoint({h.lower(), f"*.{h.lower().partition('.')[2]}"}))
        revoked = {name: getattr(status, name) for name in ("since", "reason", "file", "made")}
        cases: dict[str, tuple[object, dict[str, object]]] = {
            _STATE_RULES.get(chain.state, ""): (chain.state in _STATE_RULES, {}),
            "TLS_REVOKED": (status.answer == "revoked", revoked),
            "TLS_AUTHORITY_OLD": (any(old in f"{leaf.issuer} {chain.anchor}" for old in _OLD_AUTHORITY), {}),
            "TLS_KEY_SMALL": (leaf.key == "RSA" and leaf.bits < _SMALLEST_RSA, {"bits": leaf.bits}),
            "TLS_DIGEST_WEAK": (leaf.digest in WEAK, {"digest": leaf.digest.upper()}),
            "TLS_USE_OTHER": (
                leaf.usages and _SERVER_USES.isdisjoint(leaf.usages), {"usages": list(leaf.usages)[:MOST]}
            ),
            "TLS_HOST_UNNAMED": (
                others and not (leaf.problem or leaf.more),
                {"names": list(leaf.names)[:MOST], "others": others[:MOST]},
            ),
        }  # fmt: skip
        for rule, (holds, extra) in cases.items():
            if holds:
                yield Finding(rule, leaf.sha256, rows, facts | extra)


def _keys(space: TrustSpace) -> Iterator[Finding]:
    """Keys that certificates of several operators have in common."""
    view = presented(space)
    of_key = grouped((server.leaf.key_sha256, server) for server in view.servers.values() if server.leaf)
    for key, servers in of_key.items():
        names = {server.key: server.subject for server in servers}
        owners = [view.operators.get(name, set()) for name in names]
        if len(set().union(*owners)) > 1 and not set.intersection(*owners):
            rows = view.rows_of(view.domains(servers))
            yield Finding("TLS_KEY_SHARED", key, rows, {"names": sorted(names.values())[:MOST]})


def _validity(space: TrustSpace) -> Iterator[Finding]:
    """Certificates that were out of their time when they were seen, or soon will be."""
    view, published, limits = presented(space), space.published, space.thresholds
    for _, server, servers in view.by_certificate():
        leaf = server.leaf
        if leaf is None or leaf.not_before is None or leaf.not_after is None:
            continue
        days = (leaf.not_after - server.at).days
        cases = {
            "TLS_EXPIRED": server.at > leaf.not_after,
            "TLS_NOT_YET_VALID": server.at < leaf.not_before,
            "TLS_EXPIRES_NOW": days < limits.certificate_error_days,
            "TLS_EXPIRES_SOON": days < limits.certificate_warning_days,
            "TLS_EXPIRES": days < limits.certificate_info_days,
        }
        if rule := next((rule for rule, holds in cases.items() if holds), ""):
            domains = view.domains(servers)
            falling = [domain for domain in domains if view.alone(domain, server)]
            facts = {
                "name": leaf.subject, "start": leaf.not_before, "until": leaf.not_after,
                "days": (leaf.not_after - space.as_of).days, "hosts": _names(servers), "alone": len(falling),
                "mailboxes": None if published is None else sum(published.get(name, 0) for name in falling),
            }  # fmt: skip
            yield Finding(rule, leaf.sha256, view.rows_of(domains), facts)


def _not_listed(space: TrustSpace) -> Iterator[Finding]:
    """Names presented that the list does not have for the domain: alone, or beside one that it has."""
    view, owners = presented(space), space.operator_names
    unlisted: dict[tuple[str, str], list[tuple[str, SeenServer]]] = {}
    newer: set[str] = set()
    for domain, servers in view.readable():
        wrong = [server for server in servers if server.key not in view.listed[domain]]
        rule = "TLS_NAME_UNLISTED" if len(wrong) == len(servers) else "TLS_NAME_UNLISTED_SOME"
        begun = [server.leaf.not_before for server in servers if server.leaf and server not in wrong]
        for server in wrong:
            unlisted.setdefault((rule, server.key), []).append((domain, server))
            since = server.leaf and server.leaf.not_before
            if any(since and start and since > start for start in begun):
                newer.add(server.key)
    for (rule, key), uses in unlisted.items():
        names = list(dict.fromkeys(domain for domain, _ in uses))
        listed = dict.fromkeys(text for d in names for texts in view.listed[d].values() for text in texts)
        operators = {operator for domain in names for operator in view.operators_of[domain]}
        holders = view.operators.get(key, set())
        facts = {
            "presented": uses[0][1].subject, "hosts": _names({s.address: s for _, s in uses}.values()),
            "wanted": list(listed)[:MOST], "more": max(0, len(listed) - MOST),
            "whose": "own" if holders & operators else "other" if holders else "",
            "owner": owners.get(min(holders - operators), "") if holders - operators else "",
            "newer": rule == "TLS_NAME_UNLISTED_SOME" and key in newer and not holders,
        }  # fmt: skip
        yield Finding(rule, key, view.rows_of(names), facts)


def _spelt(space: TrustSpace) -> Iterator[Finding]:
    """Names that are the listed one in another spelling: some peers compare texts."""
    view = presented(space)
    spelt = grouped(
        (server.subject, (server.name, texts))
        for domain, servers in view.readable()
        for server in servers
        if (texts := view.listed[domain].get(server.key, {})) and server.subject not in texts
    )
    for subject, uses in spelt.items():
        rows = all_rows(of_text for _, texts in uses for of_text in texts.values())
        listed, hosts = {text for _, texts in uses for text in texts}, dict.fromkeys(name for name, _ in uses)
        facts = {"presented": subject, "listed": sorted(listed)[:MOST], "hosts": list(hosts)[:MOST]}
        yield Finding("TLS_NAME_SPELLING", subject, rows, facts)


def _unused(space: TrustSpace) -> Iterator[Finding]:
    """Names listed that no server presents, where all of a domain's servers were seen with another."""
    view = presented(space)
    unused = grouped(
        (key, texts)
        for domain, servers in view.readable()
        if not view.missing[domain] and len(servers) == len(view.of[domain])
        if (used_keys := {server.key for server in servers}) & view.listed[domain].keys()
        for key, texts in view.listed[domain].items()
        if key not in used_keys
    )
    for key, uses in unused.items():
        rows = all_rows(of_text for texts in uses for of_text in texts.values())
        yield Finding("TLS_NAME_UNUSED", key, rows, {"listed": next(iter(uses[0]))})


def _renewals(space: TrustSpace) -> Iterator[Finding]:
    """Two certificates of one name on the servers of a domain: a renewal under way, or half done."""
    view = presented(space)
    renewed: dict[tuple[str, ...], tuple[list[dict[str, Any]], list[str]]] = {}
    for domain, servers in view.readable():
        for key, same in grouped((server.key, server) for server in servers).items():
            until = {s.leaf.sha256: (s.leaf.not_after, s.leaf.sha256, s.name) for s in same if s.leaf}
            if len(until) > 1:
                ordered = sorted(until.values())
                uses = [{"host": name, "until": end} for end, _, name in ordered]
                renewed.setdefault((key, *(sha for _, sha, _ in ordered)), (uses, []))[1].append(domain)
    for subject, (uses, domains) in renewed.items():
        yield Finding("TLS_RENEWAL", subject, view.rows_of(domains), {"seen": uses[:MOST]})


def _servers(space: TrustSpace) -> Iterator[Finding]:
    """Servers with something wrong, by themselves or beside others for the same domain."""
    view = presented(space)
    for server in view.servers.values():
        if server.protocol in OLD or server.outcome == "no-starttls":
            rule = "TLS_PROTOCOL_OLD" if server.protocol in OLD else "TLS_NO_STARTTLS"
            facts: dict[str, Any] = {"host": server.name, "protocol": server.protocol}
            yield Finding(rule, server.address, view.rows_of(view.domains([server])), facts)
        served = view.served.get(server.address, ()) if server.by_name else ()
        takers = [domain for domain in served if view.right(domain, server, by_name=True)]
        if domains := [domain for domain in takers if not view.right(domain, server)]:
            by_name = server.by_name.leaf.subject if server.by_name else ""
            facts = {"host": server.name, "asked": server.sni, "right": by_name, "default": server.subject}
            yield Finding("TLS_SNI_ONLY", server.address, view.rows_of(domains), facts)
    wrong: list[tuple[str, tuple[str, set[str]]]] = []
    for domain, servers in view.of.items():
        right = {server.name for server in servers if view.right(domain, server)}
        others = (s for s in servers if s.outcome in TELLING and s.name not in right)
        wrong += [(server.address, (domain, right)) for server in others if right]
    for address, uses in grouped(wrong).items():
        right_hosts = set().union(*(right for _, right in uses))
        facts = {"host": view.servers[address].name, "beside": sorted(right_hosts)[:MOST]}
        yield Finding("TLS_SERVERS_DIFFER", address, view.rows_of(domain for domain, _ in uses), facts)


def _unseen(space: TrustSpace) -> Iterator[Finding]:
    """Servers that showed no certificate, by outcome."""
    view = presented(space)
    visited = [(s.outcome, (s.name, domain)) for domain, servers in view.of.items() for s in servers]
    outcomes = [(outcome, use) for outcome, use in visited if outcome not in TELLING]
    outcomes += [("unvisited", (name, domain)) for domain, names in view.missing.items() for name in names]
    for outcome, uses in grouped(outcomes).items():
        names = sorted({name for name, _ in uses})
        facts = {"outcome": outcome, "hosts": names[:MOST], "more": max(0, len(names) - MOST)}
        yield Finding("TLS_UNSEEN", outcome, view.rows_of(dict.fromkeys(domain for _, domain in uses)), facts)


RUNS = (_not_listed, _spelt, _unused, _renewals, _validity, _chains, _keys, _servers, _unseen)
