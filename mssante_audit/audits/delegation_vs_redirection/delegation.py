"""Rules on a delegated zone: its sets of servers, their names and addresses, its signature."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from itertools import combinations

from mssante_audit.audits.delegation_vs_redirection.observed import SET_MAX, Causes, Seen, server
from mssante_audit.audits.delegation_vs_redirection.servers import serial_causes
from mssante_audit.observe.dns.dnssec import known_ds, matches, security
from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.dns.view import Host
from mssante_audit.observe.dns.zone import ZoneView, network
from mssante_audit.values.hosts import host_faults

EXPIRE_MIN = 7 * 86_400
"""Seconds for which a secondary should go on without its primary: a week at least (RFC 1912, 2.2 asks for two
to four; Zonemaster warns below one)."""


def delegation_findings(seen: Seen, causes: Causes) -> None:
    """Report what is wrong with the delegated zones that listed domains are reached through."""
    for name, domains in seen.zones.items():
        zone = seen.view.zone(name)
        _declared(seen, causes, zone, domains)
        _sets(causes, zone, domains)
        _addresses(seen, causes, zone, domains)
        for host in zone.names:
            _name(causes, zone, host, seen.view.host(host), domains)
        serial_causes(seen, causes, name, domains, "DNS_SOA_SERIALS")
        _timers(seen, causes, zone, domains)
        _sizes(causes, zone, domains)
        _signature(seen, causes, zone, domains)


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
    own = {a: one.data for a, one in zone.ns.items() if one.outcome == "answer" and one.answers}
    lines = [one.line for one in zone.ns.values()]
    if len(set(own.values())) > 1:
        told = [server(zone, address, servers=names) for address, names in sorted(own.items())]
        subject = tuple(" ".join((address, *names)) for address, names in sorted(own.items()))
        causes.add("DNS_NS_DISAGREE", subject, domains, {"servers": told}, lines=lines)
    if zone.parent_ns and own and zone.parent_ns not in own.values():
        causes.add(
            "DNS_NS_MISMATCH", (" ".join(zone.parent_ns), " ".join(zone.own_ns)), domains,
            {"servers": zone.parent_ns}, {"servers": zone.own_ns},
            [*lines, *(one.line for one in zone.referrals)],
        )  # fmt: skip
    if len(zone.names) == 1 and not zone.dead:
        causes.add("DNS_SINGLE_SERVER", zone.names, domains, {"name": zone.names[0]}, lines=lines)


def _sizes(causes: Causes, zone: ZoneView, domains: Sequence[str]) -> None:
    for names, told in ((zone.parent_ns, zone.referrals), (zone.own_ns, list(zone.ns.values()))):
        if len(names) > SET_MAX:
            facts = {"name": zone.name, "type": "NS", "count": len(names)}
            causes.add("DNS_SET_LARGE", (zone.name, "NS"), domains, facts, lines=[one.line for one in told])
            return


def _timers(seen: Seen, causes: Causes, zone: ZoneView, domains: Sequence[str]) -> None:
    """Report timers with which a secondary gives the zone up before somebody has mended its primary."""
    for one in zone.soa.values():
        fields = next(iter(one.answers), "").split()
        if len(fields) != 7 or not one.usable:
            continue
        refresh, retry, expire = map(int, fields[3:6])
        least = max(EXPIRE_MIN, refresh + retry)
        if expire < least:
            told = {"expire": expire, "refresh": refresh, "retry": retry}
            subject = (seen.operator[domains[0]], *fields[3:6])  # zones of one making are one cause
            causes.add("DNS_SOA_TIMERS", subject, domains, told, {"least": least}, [one.line])


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
    if zone.ipv6_only:
        causes.add("DNS_IPV6_ONLY", zone.names, domains, {"names": zone.names}, lines=lines)


def _name(causes: Causes, zone: ZoneView, name: str, host: Host, domains: Sequence[str]) -> None:
    """Check a server's name: written as hosts are, no alias, with an address, the one the parent gives."""
    if faults := host_faults(name):
        causes.add("DNS_NS_NAME", name, domains, {"name": name, "faults": faults}, lines=host.lines)
        return
    glue = zone.glue.get(name, ())
    if host.alias:
        causes.add("DNS_NS_ALIAS", name, domains, {"name": name, "alias": host.alias}, lines=host.lines)
    elif zone.dead:
        return  # DNS_DELEGATION_DEAD says why of each
    elif (why := zone.unreached.get(name)) in ("nxdomain", "nodata", "loop", "cycle", "failed"):
        causes.add("DNS_NS_UNRESOLVED", name, domains, {"name": name, "status": why}, lines=host.lines)
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
    if host.status in ("unknown", "failed"):
        return True
    for version in (4, 6):
        given = {ip_address(a) for a in glue if ip_address(a).version == version}
        own = {ip_address(a) for a in host.addresses if ip_address(a).version == version}
        if given and given != own:
            return False
    return True


def _signature(seen: Seen, causes: Causes, zone: ZoneView, domains: Sequence[str]) -> None:
    """Report what validating resolvers make of the zone; of what was not heard nothing is said."""
    told = [one for one in zone.keys.values() if one.outcome in ("answer", "nodata")]
    lines = [one.line for one in (*told, *zone.anchors, *zone.referrals)]
    keys = {key for one in told for key in one.answers}
    found = security(seen.view, zone.name)
    facts = {"zone": zone.name, "found": len(keys)}
    usable = known_ds(zone.ds)
    if found.code in ("no-key", "no-match") or found.status == "indeterminate":
        if usable and told and not _anchored(zone, keys, usable):
            causes.add("DNS_DS_BROKEN", zone.name, domains, facts, lines=lines)
    elif found.status == "bogus" and found.code != "above":
        broken = {"zone": zone.name, "fault": found.code}
        causes.add("DNS_SIGNATURE_BROKEN", zone.name, domains, broken, lines=lines)
    elif found.status == "insecure" and zone.ds:
        wrong = usable and told and not _anchored(zone, keys, usable)
        if wrong or not usable:
            rule = "DNS_DS_UNUSED" if wrong else "DNS_DS_UNKNOWN"
            causes.add(rule, zone.name, domains, {"zone": zone.name, "ds": zone.ds}, lines=lines)
    elif found.status == "secure":
        for address, fault in found.servers:
            if fault:
                one = server(zone, address, fault=fault)
                causes.add("DNS_SIGNATURE_SERVER", address, domains, one, lines=lines)
        if found.sha1:
            causes.add("DNS_SHA1", zone.name, domains, {"zone": zone.name, "ds": zone.ds}, lines=lines)
    if keys and zone.unanchored:
        causes.add("DNS_NO_DS", zone.names, domains, {"names": zone.names}, lines=lines)


def _anchored(zone: ZoneView, keys: set[str], ds: Sequence[str]) -> bool:
    return any(matches(zone.name, key, one) for key in keys for one in ds)
