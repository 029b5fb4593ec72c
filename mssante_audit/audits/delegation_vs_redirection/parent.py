"""Rules on the parent zone: its servers must say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mssante_audit.audits.delegation_vs_redirection.observed import Causes, Seen, seen_of, server
from mssante_audit.audits.delegation_vs_redirection.servers import serial_causes
from mssante_audit.findings.frame import Finding
from mssante_audit.observe.dns.view import Said
from mssante_audit.space.trust import TrustSpace

KINDS = ("referral", "nxdomain", "answer", "nodata")
"""What a server of the parent may say of a domain."""


def parent_findings(space: TrustSpace) -> Iterator[Finding]:
    """Report, once each, where servers of the parent zone disagree: its serial, what they say of domains."""
    seen = seen_of(space)
    causes = Causes(seen.rows)
    serial_causes(seen, causes, seen.view.parent, seen.under_parent, "DNS_PARENT_SERIALS")
    _disagreements(seen, causes)
    yield from causes.findings()


def _disagreements(seen: Seen, causes: Causes) -> None:
    groups: dict[frozenset[frozenset[str]], list[tuple[str, dict[str, Said]]]] = {}
    for domain in seen.under_parent:
        qname = seen.methods[domain].path.qname
        told = {
            a: one for a, one in seen.view.said.get((seen.view.parent, qname, "MX"), {}).items() if _kind(one)
        }
        said: dict[object, set[str]] = {}
        for address, one in told.items():
            said.setdefault(_content(one), set()).add(address)
        if len(said) > 1:
            sides = frozenset(frozenset(addresses) for addresses in said.values())
            groups.setdefault(sides, []).append((domain, told))
    zone = seen.view.zone(seen.view.parent)
    for sides, found in groups.items():
        counts: dict[str, Counter[str]] = {}
        for _, told in found:
            for address, one in told.items():
                counts.setdefault(address, Counter())[_kind(one)] += 1
        servers = [
            server(zone, address, says={kind: kinds[kind] for kind in KINDS if kinds[kind]})
            for address, kinds in sorted(counts.items())
        ]
        lines = [one.line for _, told in found for one in told.values()]
        subject = tuple(sorted(" ".join(sorted(side)) for side in sides))
        domains = [domain for domain, _ in found]
        causes.add("DNS_PARENT_DISAGREE", subject, domains, {"servers": servers}, lines=lines)


def _kind(one: Said) -> str:
    if one.cut:
        return "referral"
    return one.outcome if one.outcome in KINDS else ""


def _content(one: Said) -> object:
    """Return what a reply says, but for what a child zone that the server carries too adds to it."""
    if one.outcome == "referral":
        return ("NS", frozenset(i.data for i in one.items if i.type == "NS" and i.owner == one.cut))
    return "child" if one.cut else (one.outcome, one.answers)
