"""Rules on a delegated zone: its sets of servers, their names and addresses, its signature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from itertools import combinations
from typing import Any

import dns.dnssec
import dns.exception
import dns.name
import dns.rdata

from mssante_audit.audits.delegation_vs_redirection.observed import Causes, Seen, seen_of, server
from mssante_audit.audits.delegation_vs_redirection.servers import serial_causes
from mssante_audit.findings.frame import Finding
from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.dns.view import Host, ZoneView, network
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.shown import host_faults


def delegation_findings(space: TrustSpace) -> Iterator[Finding]:
    """Report what is wrong with the delegated zones that listed domains are reached through."""
    seen = seen_of(space)
    causes = Causes(seen.rows)
    for name, domains in seen.zones.items():
        zone = seen.view.zone(name)
        _declared(seen, causes, zone, domains)
        _sets(causes, zone, domains)
        _addresses(seen, causes, zone, domains)
        for host in zone.names:
            _name(causes, zone, host, seen.view.host(host), domains)
        serial_causes(seen, causes, name, domains, "DNS_SOA_SERIALS")
        _signature(causes, zone, domains)
    yield from causes.findings()


def _declared(seen: Seen, causes: Causes, zone: ZoneView, domains: Sequence[str]) -> None:
    for domain in domains:
        declared, method = seen.declaration(domain), seen.methods[domain]
        own = method.path.qname == zone.name and method.method == "delegated"
        known = declared.kind == "delegation" and declared.servers and zone.parent_ns
        if own and known and declared.servers != zone.parent_ns:
            causes.add(
                "DNS_DECLARED_SERVERS", (" ".join(declared.servers), " ".join(zone.parent_ns)), [domain],
                {"servers": zone.parent_ns}, {"servers": declared.servers},
                [one.line for one in zone.referrals],
            )  # fmt: skip


def _sets(causes: Causes, zone: ZoneView, domains: Sequence[str]) -> None:
    """Compare the parent's servers, each server's own, and count them."""
    own = {
        a: tuple(sorted(one.answers)) for a, one in zone.ns.items() if one.outcome == "answer" and one.answers
    }
    differ = len(set(own.values())) > 1
    lines = [one.line for one in zone.ns.values()]
    if differ:
        told = [server(zone, address, servers=names) for address, names in sorted(own.items())]
        subject = tuple(" ".join((address, *names)) for address, names in sorted(own.items()))
        causes.add("DNS_NS_DISAGREE", subject, domains, {"servers": told}, lines=lines)
    if zone.parent_ns and own and zone.parent_ns not in own.values():
        causes.add(
            "DNS_NS_MISMATCH", (" ".join(zone.parent_ns), " ".join(zone.own_ns)), domains,
            {"servers": zone.parent_ns}, {"servers": zone.own_ns},
            [*lines, *(one.line for one in zone.referrals)],
        )  # fmt: skip
    if len(zone.names) == 1:
        causes.add("DNS_SINGLE_SERVER", zone.names, domains, {"name": zone.names[0]}, lines=lines)


def _addresses(seen: Seen, causes: Causes, zone: ZoneView, domains: Sequence[str]) -> None:
    hosts = {name: seen.view.host(name) for name in zone.names}
    known = {name: {*host.addresses, *zone.glue.get(name, ())} for name, host in hosts.items()}
    lines = [line for host in hosts.values() for line in host.lines]
    shared = False
    for one, other in combinations(sorted(known), 2):
        for address in sorted(known[one] & known[other]):
            shared = True
            told = {"names": [one, other], "address": address}
            causes.add("DNS_SAME_ADDRESS", (one, other), domains, told, lines=lines)
    every = {address for found in known.values() for address in found}
    networks = {network(address) for address in every}
    families = {":" in address for address in every}
    if len(known) > 1 and all(known.values()) and not shared and len(networks) == len(families):
        same = {"names": zone.names, "networks": sorted(networks)}
        causes.add("DNS_SAME_NETWORK", zone.names, domains, same, lines=lines)


def _name(causes: Causes, zone: ZoneView, name: str, host: Host, domains: Sequence[str]) -> None:
    """Check a server's name: written as hosts are, no alias, with an address, the one the parent gives."""
    if faults := host_faults(name):
        causes.add("DNS_NS_NAME", name, domains, {"name": name, "faults": faults}, lines=host.lines)
        return
    glue = zone.glue.get(name, ())
    if host.alias:
        told = {"name": name, "alias": host.alias}
        causes.add("DNS_NS_ALIAS", name, domains, told, lines=host.lines)
    elif host.status in ("nxdomain", "nodata", "loop") and not glue:
        told = {"name": name, "status": host.status}
        causes.add("DNS_NS_UNRESOLVED", name, domains, told, lines=host.lines)
    referrals = [one.line for one in zone.referrals]
    if name in zone.parent_ns and is_under(name, zone.name):
        if not glue:
            causes.add("DNS_GLUE_MISSING", name, domains, {"name": name}, lines=referrals)
        elif not _agree(glue, host):
            causes.add(
                "DNS_GLUE_DIFFERS", name, domains, {"name": name, "addresses": glue},
                {"addresses": sorted(host.addresses)}, [*referrals, *host.lines],
            )  # fmt: skip


def _agree(glue: Sequence[str], host: Host) -> bool:
    """Compare, family by family, the parent's addresses with the host's own; unknown ones agree."""
    if host.status == "unknown":
        return True
    for version in (4, 6):
        given = {ip_address(a) for a in glue if ip_address(a).version == version}
        own = {ip_address(a) for a in host.addresses if ip_address(a).version == version}
        if given and given != own:
            return False
    return True


def _signature(causes: Causes, zone: ZoneView, domains: Sequence[str]) -> None:
    """Compare the parent's DS with the zone's keys. Without a reply about the keys nothing is said."""
    told = [one for one in zone.keys.values() if one.outcome in ("answer", "nodata")]
    lines = [one.line for one in (*told, *zone.anchors, *zone.referrals)]
    keys = {key for one in told for key in one.answers}
    if zone.ds and told and not any(_matches(zone.name, key, ds) for key in keys for ds in zone.ds):
        seen = {"zone": zone.name, "found": len(keys)}
        causes.add("DNS_DS_BROKEN", zone.name, domains, seen, lines=lines)
    if keys and zone.unanchored:
        causes.add("DNS_NO_DS", zone.names, domains, {"names": zone.names}, lines=lines)


def _matches(zone: str, key: str, ds: str) -> bool:
    try:
        record: Any = dns.rdata.from_text("IN", "DS", ds)
        made = dns.dnssec.make_ds(
            dns.name.from_text(zone), dns.rdata.from_text("IN", "DNSKEY", key), record.digest_type,
            validating=True,
        )  # fmt: skip
    except (dns.exception.DNSException, ValueError, AttributeError):
        return False
    return bool(made == record)
