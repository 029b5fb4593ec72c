"""What is presented: its chain against the anchors, revocation, strength, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator

from mssante_audit.audits.certificates.presented import MOST, Presented, SeenServer, presented
from mssante_audit.findings.frame import Finding
from mssante_audit.observe.tls.chain import WEAK, Chain
from mssante_audit.space.trust import TrustSpace
from mssante_audit.whitelist.rows import grouped

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
    of_key = grouped((server.leaf.key_sha256, server) for server in seen.servers.values() if server.leaf)
    for key, servers in of_key.items():  # who has the key of several operators' certificates can be either
        names = {server.key: server.subject for server in servers}
        owners = [seen.operators.get(name, set()) for name in names]
        if len(names) > 1 and len(set().union(*owners)) > 1 and not set.intersection(*owners):
            rows = seen.rows_of(seen.domains(servers))
            yield Finding("TLS_KEY_SHARED", key, rows, {"names": sorted(names.values())[:MOST]})


def validity_findings(space: TrustSpace) -> Iterator[Finding]:
    """Yield the certificates that were out of their time when they were seen, or soon will be."""
    seen, published, limits = presented(space), space.published, space.thresholds
    for server, servers in seen.by_certificate():
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
            domains = seen.domains(servers)
            falling = [domain for domain in domains if seen.alone(domain, server)]
            facts = {
                "name": leaf.subject, "start": leaf.not_before, "until": leaf.not_after, "days": abs(days),
                "hosts": [one.name for one in servers][:MOST], "alone": len(falling),
                "mailboxes": None if published is None else sum(published.get(name, 0) for name in falling),
            }  # fmt: skip
            yield Finding(rule, leaf.sha256, seen.rows_of(domains), facts)


def _of_certificate(seen: Presented, chain: Chain, servers: list[SeenServer]) -> Iterator[Finding]:
    leaf, status, rows = chain.leaf, chain.status, seen.rows_of(seen.domains(servers))
    facts = {
        "name": leaf.subject, "issuer": leaf.issuer, "hosts": [one.name for one in servers][:MOST],
        "state": chain.state, "why": chain.why,
    }  # fmt: skip
    names = {name.lower().rstrip(".") for name in leaf.names}
    hosts = {host for server in servers for host in server.hosts}
    # What covers a host: RFC 9525, 6.3
    others = sorted(h for h in hosts if names.isdisjoint({h.lower(), f"*.{h.lower().partition('.')[2]}"}))
    cases: dict[str, tuple[object, dict[str, object]]] = {
        RULES.get(chain.state, ""): (chain.state in RULES, {}),
        "TLS_REVOKED": (
            status.answer == "revoked", {n: getattr(status, n) for n in ("since", "reason", "file", "made")}
        ),
        "TLS_AUTHORITY_OLD": (any(word in f"{leaf.issuer} {chain.anchor}" for word in OLD_AUTHORITY), {}),
        "TLS_KEY_SMALL": (leaf.key == "RSA" and leaf.bits < SMALLEST_RSA, {"bits": leaf.bits}),
        "TLS_DIGEST_WEAK": (leaf.digest in WEAK, {"digest": leaf.digest.upper()}),
        "TLS_USE_OTHER": (
            leaf.usages and not SERVER_USES.intersection(leaf.usages), {"usages": list(leaf.usages)[:MOST]}
        ),
        "TLS_HOST_UNNAMED": (
            others and not (leaf.problem or leaf.more),
            {"names": list(leaf.names)[:MOST], "others": others[:MOST]},
        ),
    }  # fmt: skip
    for rule, (holds, more) in cases.items():
        if holds:
            yield Finding(rule, leaf.sha256, rows, {**facts, **more})
