"""When the certificates presented end, and what falls silent then."""

from __future__ import annotations

from collections.abc import Iterator

from mssante_audit.audits.certificates.presented import Presented, Server, presented
from mssante_audit.findings.frame import Finding
from mssante_audit.space.trust import TrustSpace


def validity_findings(space: TrustSpace) -> Iterator[Finding]:
    """Yield the certificates that were out of their time when they were seen, or soon will be."""
    seen, published = presented(space), space.published
    limits = space.thresholds
    for servers in _by_certificate(seen).values():
        server = max(servers, key=lambda one: one.at)
        leaf = server.leaf
        if leaf is None or leaf.not_before is None or leaf.not_after is None:
            continue
        days = (leaf.not_after - server.at).days
        if server.at > leaf.not_after:
            rule = "TLS_EXPIRED"
        elif server.at < leaf.not_before:
            rule = "TLS_NOT_YET_VALID"
        elif days < limits.certificate_error_days:
            rule = "TLS_EXPIRES_NOW"
        elif days < limits.certificate_warning_days:
            rule = "TLS_EXPIRES_SOON"
        elif days < limits.certificate_info_days:
            rule = "TLS_EXPIRES"
        else:
            continue
        domains = seen.domains(servers)
        falling = [domain for domain in domains if alone(seen, domain, server)]
        facts = {
            "name": leaf.subject,
            "start": leaf.not_before,
            "until": leaf.not_after,
            "days": abs(days),
            "hosts": [one.name for one in servers][:6],
            "alone": len(falling),
            "mailboxes": None if published is None else sum(published.get(domain, 0) for domain in falling),
        }
        yield Finding(rule, leaf.sha256, seen.rows_of(domains), facts=facts)


def _by_certificate(seen: Presented) -> dict[str, list[Server]]:
    found: dict[str, list[Server]] = {}
    for server in seen.servers.values():
        if server.leaf:
            found.setdefault(server.leaf.sha256, []).append(server)
    return found


def alone(seen: Presented, domain: str, server: Server) -> bool:
    """Whether no server of a domain has another certificate that outlives a server's, and that peers take."""
    own = server.leaf and server.leaf.not_after
    return not any(
        other.chain and not other.chain.refused and other.key in seen.listed[domain]
        for other in seen.of[domain]
        if own and other.leaf and other.leaf.not_after and other.leaf.not_after > own
    )
