"""Rules on the parent zone: its servers must say the same."""

from __future__ import annotations

from collections import Counter

from mssante_audit.audits.delegation_vs_redirection.observed import Causes, Seen, where
from mssante_audit.audits.delegation_vs_redirection.serials import serial_causes
from mssante_audit.observe.dns.view import Said

KINDS = {"referral": "délégué", "answer": "redirigé", "nodata": "sans données", "nxdomain": "inconnu"}
"""French names of what a server of the parent says of a domain."""


def parent_causes(seen: Seen, causes: Causes) -> None:
    """Report, once each, where servers of the parent zone disagree: its serial, what they say of domains."""
    serial_causes(seen, causes, seen.view.parent, seen.under_parent, "DNS_PARENT_SERIALS")
    _disagreements(seen, causes)


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
                counts.setdefault(address, Counter())[KINDS[_kind(one)]] += 1
        observed = " ; ".join(
            f"{where(zone, address)} : {', '.join(f'{n} {kind}' for kind, n in sorted(kinds.items()))}"
            for address, kinds in sorted(counts.items())
        )
        lines = [one.line for _, told in found for one in told.values()]
        causes.add("DNS_PARENT_DISAGREE", sides, [domain for domain, _ in found], observed, lines=lines)


def _kind(one: Said) -> str:
    if one.cut:
        return "referral"
    return one.outcome if one.outcome in KINDS else ""


def _content(one: Said) -> object:
    """Return what a reply says, but for what a child zone that the server carries too adds to it."""
    if one.outcome == "referral":
        return ("NS", frozenset(i.data for i in one.items if i.type == "NS" and i.owner == one.cut))
    return "child" if one.cut else (one.outcome, one.answers)
