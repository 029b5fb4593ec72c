"""What is presented: its chain against the anchors, revocation, strength, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator

from mssante_audit.audits.certificates.presented import Presented, SeenServer, presented
from mssante_audit.findings.frame import Finding
from mssante_audit.observe.tls.chain import WEAK, Chain
from mssante_audit.space.trust import TrustSpace

RULES = {
    "unknown": "TLS_CHAIN_UNKNOWN",
    "self-signed": "TLS_CHAIN_UNKNOWN",
    "refused": "TLS_CHAIN_UNKNOWN",
    "unreadable": "TLS_UNREADABLE",
    "incomplete": "TLS_CHAIN_INCOMPLETE",
    "unordered": "TLS_CHAIN_ORDER",
}
OLD_AUTHORITY = ("GIP-CPS", "IGC-CPS")
"""What the names of the authorities before IGC-Santé hold. Source: form (two lines of DN)."""
SMALLEST_RSA = 2048
SERVER_USES = {"1.3.6.1.5.5.7.3.1", "2.5.29.37.0"}
"""Extended key usages that allow a server: serverAuth, any (RFC 5280, 4.2.1.12)."""


def chain_findings(space: TrustSpace) -> Iterator[Finding]:
    """Yield what is wrong with certificates, one finding a certificate and fault."""
    seen = presented(space)
    for server, servers in seen.by_certificate():
        if server.chain:
            yield from _of_certificate(seen, server.chain, servers)
    yield from _shared_keys(seen)


def validity_findings(space: TrustSpace) -> Iterator[Finding]:
    """Yield the certificates that were out of their time when they were seen, or soon will be."""
    seen, published, limits = presented(space), space.published, space.thresholds
    for server, servers in seen.by_certificate():
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
        falling = [domain for domain in domains if seen.alone(domain, server)]
        facts = {
            "name": leaf.subject, "start": leaf.not_before, "until": leaf.not_after, "days": abs(days),
            "hosts": [one.name for one in servers][:6], "alone": len(falling),
            "mailboxes": None if published is None else sum(published.get(domain, 0) for domain in falling),
        }  # fmt: skip
        yield Finding(rule, leaf.sha256, seen.rows_of(domains), facts=facts)


def _of_certificate(seen: Presented, chain: Chain, servers: list[SeenServer]) -> Iterator[Finding]:
    leaf, rows = chain.leaf, seen.rows_of(seen.domains(servers))
    facts = {
        "name": leaf.subject, "issuer": leaf.issuer, "hosts": [one.name for one in servers][:6],
        "state": chain.state, "why": chain.why,
    }  # fmt: skip
    told: list[tuple[str, dict[str, object]]] = []
    if chain.state in RULES:
        told.append((RULES[chain.state], {}))
    if (status := chain.status).answer == "revoked":
        told.append(("TLS_REVOKED", {n: getattr(status, n) for n in ("since", "reason", "file", "made")}))
    if any(word in f"{leaf.issuer} {chain.anchor}" for word in OLD_AUTHORITY):
        told.append(("TLS_AUTHORITY_OLD", {}))
    if leaf.key == "RSA" and leaf.bits < SMALLEST_RSA:
        told.append(("TLS_KEY_SMALL", {"bits": leaf.bits}))
    if leaf.digest in WEAK:
        told.append(("TLS_DIGEST_WEAK", {"digest": leaf.digest.upper()}))
    if leaf.usages and not SERVER_USES.intersection(leaf.usages):
        told.append(("TLS_USE_OTHER", {"usages": list(leaf.usages)[:6]}))
    other = {host for s in servers for host in s.hosts if not _covers(leaf.names, host)}
    if other and not (leaf.problem or leaf.more):
        told.append(("TLS_HOST_UNNAMED", {"names": list(leaf.names)[:6], "others": sorted(other)[:6]}))
    for rule, more in told:
        yield Finding(rule, leaf.sha256, rows, facts={**facts, **more})


def _covers(names: tuple[str, ...], host: str) -> bool:
    """Whether a certificate's names cover a host (RFC 9525, 6.3)."""
    folded = {name.lower().rstrip(".") for name in names}
    return host.lower() in folded or f"*.{host.lower().partition('.')[2]}" in folded


def _shared_keys(seen: Presented) -> Iterator[Finding]:
    """Find keys in certificates of several operators: who has the key can be either."""
    found: dict[str, dict[str, SeenServer]] = {}
    for server in seen.servers.values():
        if server.leaf:
            found.setdefault(server.leaf.key_sha256, {})[server.address] = server
    for key, servers in found.items():
        names = {s.key: s.subject for s in servers.values() if s.leaf}
        owners = [seen.operators.get(name, set()) for name in names]
        if len(names) > 1 and len(set().union(*owners)) > 1 and not set.intersection(*owners):
            rows = seen.rows_of(seen.domains(servers.values()))
            yield Finding("TLS_KEY_SHARED", key, rows, facts={"names": sorted(names.values())[:6]})
