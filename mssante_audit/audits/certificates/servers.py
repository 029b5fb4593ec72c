"""What servers do with a visit: no STARTTLS, old protocols, some of a domain's right, or only by name."""

from __future__ import annotations

from collections.abc import Iterator

from mssante_audit.audits.certificates.presented import Presented, presented
from mssante_audit.findings.frame import Finding
from mssante_audit.observe.tls.observation import TELLING
from mssante_audit.space.trust import TrustSpace

OLD = ("SSLv3", "TLSv1", "TLSv1.1")
MOST = 6
"""Servers named in one finding."""


def server_findings(space: TrustSpace) -> Iterator[Finding]:
    """Yield what is wrong with servers, and which were not seen."""
    seen = presented(space)
    for server in seen.servers.values():
        if server.protocol in OLD or server.outcome == "no-starttls":
            rule = "TLS_PROTOCOL_OLD" if server.protocol in OLD else "TLS_NO_STARTTLS"
            facts = {"host": server.name, "protocol": server.protocol}
            yield Finding(rule, server.address, seen.rows_of(seen.domains([server])), facts=facts)
    yield from _half_right(seen)
    yield from _right_by_name(seen)
    yield from _unseen(seen)


def _half_right(seen: Presented) -> Iterator[Finding]:
    """Find servers that stand beside right ones for the same domain, and are not."""
    found: dict[str, list[str]] = {}
    for domain, servers in seen.of.items():
        telling = [server for server in servers if server.outcome in TELLING]
        wrong = [server for server in telling if not seen.right(domain, server)]
        for server in wrong if len(wrong) < len(telling) else ():
            found.setdefault(server.address, []).append(domain)
    for address, domains in found.items():
        server = seen.servers[address]
        beside = {other.name for domain in domains for other in seen.of[domain] if seen.right(domain, other)}
        facts = {"host": server.name, "beside": sorted(beside)[:MOST]}
        yield Finding("TLS_SERVERS_DIFFER", address, seen.rows_of(domains), facts=facts)


def _right_by_name(seen: Presented) -> Iterator[Finding]:
    """Find servers that present what is listed to nobody but who asks for it by SNI."""
    for server in seen.servers.values():
        served = seen.served.get(server.address, ()) if server.by_name else ()
        if domains := [domain for domain in served if seen.right_by_name(domain, server)]:
            by_name = server.by_name.leaf.subject if server.by_name else ""
            facts = {"host": server.name, "asked": server.sni, "right": by_name, "default": server.subject}
            yield Finding("TLS_SNI_ONLY", server.address, seen.rows_of(domains), facts=facts)


def _unseen(seen: Presented) -> Iterator[Finding]:
    """Find the servers of which nothing is known, by what was met."""
    found: dict[str, tuple[dict[str, None], list[str]]] = {}
    for domain, servers in seen.of.items():
        met = [(server.outcome, server.name) for server in servers if server.outcome not in TELLING]
        met += [("unvisited", name) for name in seen.missing[domain]]
        for outcome, name in met:
            names, domains = found.setdefault(outcome, ({}, []))
            names[name] = None
            domains.append(domain)
    for outcome, (names, domains) in found.items():
        facts = {"outcome": outcome, "hosts": sorted(names)[:MOST], "more": max(0, len(names) - MOST)}
        yield Finding("TLS_UNSEEN", outcome, seen.rows_of(dict.fromkeys(domains)), facts=facts)
