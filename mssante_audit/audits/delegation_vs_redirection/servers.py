"""Rules on single servers: silent, refusing, failing, lame, on one transport only, open to strangers."""

from __future__ import annotations

from mssante_audit.audits.delegation_vs_redirection.observed import STATE_NAMES, Causes, Seen, listed, where
from mssante_audit.observe.dns.view import SERVING, ZoneView
from mssante_audit.observe.lines import SILENT

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


def server_causes(seen: Seen, causes: Causes) -> None:
    """Report servers that do not serve, once each however many domains they should."""
    for name, domains in (*seen.zones.items(), (seen.view.parent, seen.under_parent)):
        zone = seen.view.zone(name)
        if _unreachable(seen, zone) or seen.dead(name):
            _dead(seen, causes, zone, domains)
        else:
            for address, state in zone.states.items():
                if state in STATE_RULES:
                    causes.add(
                        STATE_RULES[state], (address, state), domains,
                        f"{where(zone, address)} : {STATE_NAMES[state]}", lines=[zone.soa[address].line],
                    )  # fmt: skip
        for address in zone.states:
            _transports(seen, causes, zone, address, domains)
            stranger = seen.view.recursion.get(address)
            if stranger and stranger.outcome == "answer" and "ra" in stranger.flags.split():
                causes.add(
                    "DNS_OPEN_RECURSION", address, domains, where(zone, address), lines=[stranger.line]
                )  # fmt: skip


def _unreachable(seen: Seen, zone: ZoneView) -> bool:
    """Tell whether a zone has servers by name only: none of the names has an address, known not to."""
    hosts = [seen.view.host(name) for name in zone.names]
    absent = [host.status in ("nxdomain", "nodata", "loop") for host in hosts]
    return bool(hosts) and not zone.servers and not zone.glue and all(absent)


def _dead(seen: Seen, causes: Causes, zone: ZoneView, domains: list[str]) -> None:
    if not zone.states:
        gone = f"{listed(zone.names)} : aucune adresse"
        causes.add(
            "DNS_DELEGATION_DEAD", zone.names, domains, gone, lines=[one.line for one in zone.referrals]
        )
        return
    cause = tuple(sorted(zone.states.items()))
    told = ", ".join(f"{where(zone, address)} : {STATE_NAMES[state]}" for address, state in cause)
    causes.add("DNS_DELEGATION_DEAD", cause, domains, told, lines=zone.lines)


def _transports(seen: Seen, causes: Causes, zone: ZoneView, address: str, domains: list[str]) -> None:
    told = seen.view.apex.get((zone.name, address), {})
    if {"udp", "tcp"} - told.keys() or zone.states[address] not in SERVING:
        return
    heard = {transport: one.outcome not in SILENT for transport, one in told.items()}
    if heard["udp"] != heard["tcp"]:
        rule = "DNS_UDP_ONLY" if heard["udp"] else "DNS_TCP_ONLY"
        causes.add(rule, address, domains, where(zone, address), lines=[one.line for one in told.values()])
