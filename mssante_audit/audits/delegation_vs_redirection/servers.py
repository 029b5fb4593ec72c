"""Rules on single servers: silent, refusing, failing, lame, on one transport only, open to strangers."""

from __future__ import annotations

from collections.abc import Iterator

from mssante_audit.audits.delegation_vs_redirection.observed import Causes, Seen, seen_of, server
from mssante_audit.findings.frame import Finding
from mssante_audit.observe.dns.view import SERVING, ZoneView
from mssante_audit.observe.lines import SILENT
from mssante_audit.space.trust import TrustSpace

STATE_RULES = {
    "silent": "DNS_SERVER_SILENT",
    "refusing": "DNS_SERVER_REFUSING",
    "failing": "DNS_SERVER_FAILING",
    "malformed": "DNS_SERVER_FAILING",
    "lame": "DNS_SERVER_LAME",
    "upward": "DNS_UPWARD_REFERRAL",
    "no-soa": "DNS_SOA_MISSING",
}
"""How a server serves a zone (`mssante_audit.observe.dns.view.STATES`) → rule."""


def server_findings(space: TrustSpace) -> Iterator[Finding]:
    """Report servers that do not serve, once each however many domains they should."""
    seen = seen_of(space)
    causes = Causes(seen.rows)
    for name, domains in (*seen.zones.items(), (seen.view.parent, seen.under_parent)):
        zone = seen.view.zone(name)
        if _unreachable(seen, zone) or seen.dead(name):
            _dead(causes, zone, domains)
        else:
            for address, state in zone.states.items():
                if state in STATE_RULES:
                    causes.add(
                        STATE_RULES[state], address, domains, server(zone, address, state=state),
                        lines=[zone.soa[address].line],
                    )  # fmt: skip
        for address in zone.states:
            _transports(seen, causes, zone, address, domains)
            stranger = seen.view.recursion.get(address)
            if stranger and stranger.outcome == "answer" and "ra" in stranger.flags.split():
                causes.add(
                    "DNS_OPEN_RECURSION", address, domains, server(zone, address), lines=[stranger.line]
                )
    yield from causes.findings()


def _unreachable(seen: Seen, zone: ZoneView) -> bool:
    """Tell whether a zone has servers by name only: none of the names has an address, known not to."""
    hosts = [seen.view.host(name) for name in zone.names]
    absent = [host.status in ("nxdomain", "nodata", "loop") for host in hosts]
    return bool(hosts) and not zone.servers and not zone.glue and all(absent)


def _dead(causes: Causes, zone: ZoneView, domains: list[str]) -> None:
    told = [server(zone, address, state=state) for address, state in sorted(zone.states.items())]
    lines = zone.lines if told else [one.line for one in zone.referrals]
    subject = tuple(one["address"] for one in told) or zone.names
    causes.add("DNS_DELEGATION_DEAD", subject, domains, {"names": zone.names, "servers": told}, lines=lines)


def _transports(seen: Seen, causes: Causes, zone: ZoneView, address: str, domains: list[str]) -> None:
    told = seen.view.apex.get((zone.name, address), {})
    if {"udp", "tcp"} - told.keys() or zone.states[address] not in SERVING:
        return
    heard = {transport: one.outcome not in SILENT for transport, one in told.items()}
    if heard["udp"] != heard["tcp"]:
        rule = "DNS_UDP_ONLY" if heard["udp"] else "DNS_TCP_ONLY"
        lines = [one.line for one in told.values()]
        causes.add(rule, address, domains, server(zone, address), lines=lines)
