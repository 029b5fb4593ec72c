"""What servers do with a visit: no STARTTLS, old protocols, only some of a domain's right."""

from __future__ import annotations

from collections.abc import Iterator

from mssante_audit.audits.certificates.presented import Presented, presented
from mssante_audit.findings.frame import Finding
from mssante_audit.observe.tls.observation import TELLING
from mssante_audit.space.trust import TrustSpace

OLD = ("SSLv3", "TLSv1", "TLSv1.1")


def server_findings(space: TrustSpace) -> Iterator[Finding]:
    """Yield what is wrong with servers, and which were not seen."""
    seen = presented(space)
    for server in seen.servers.values():
        if server.protocol in OLD or server.outcome == "no-starttls":
            rule = "TLS_PROTOCOL_OLD" if server.protocol in OLD else "TLS_NO_STARTTLS"
            facts = {"host": server.name, "protocol": server.protocol}
            yield Finding(rule, server.address, seen.rows_of(seen.domains([server])), facts=facts)
    yield from _half_right(seen)
    yield from _unseen(seen)


def _half_right(seen: Presented) -> Iterator[Finding]:
    """Find servers that stand beside right ones for the same domain, and are not."""
    found: dict[str, list[str]] = {}
    for domain, servers in seen.of.items():
        told = [server for server in servers if server.outcome in TELLING]
        wrong = [server for server in told if not seen.right(domain, server)]
        for server in wrong if len(wrong) < len(told) else ():
            found.setdefault(server.address, []).append(domain)
    for address, domains in found.items():
        server = seen.servers[address]
        beside = {one.name for domain in domains for one in seen.of[domain] if seen.right(domain, one)}
        facts = {"host": server.name, "beside": sorted(beside)[:6]}
        yield Finding("TLS_SERVERS_DIFFER", address, seen.rows_of(domains), facts=facts)


def _unseen(seen: Presented) -> Iterator[Finding]:
    """Tell of the servers of which nothing is known, by what was met."""
    found: dict[str, tuple[dict[str, None], list[str]]] = {}
    for domain, servers in seen.of.items():
        met = [(server.outcome, server.name) for server in servers if server.outcome not in TELLING]
        met += [("unvisited", name) for name in seen.missing[domain]]
        for outcome, name in met:
            names, domains = found.setdefault(outcome, ({}, []))
            names[name] = None
            domains.append(domain)
    for outcome, (names, domains) in found.items():
        facts = {"outcome": outcome, "hosts": sorted(names)[:6], "more": max(0, len(names) - 6)}
        yield Finding("TLS_UNSEEN", outcome, seen.rows_of(dict.fromkeys(domains)), facts=facts)
