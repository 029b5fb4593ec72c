"""Rules on a delegated zone: its sets of servers, their names and addresses, its signature."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from itertools import combinations

from mssante_audit.audits.delegation_vs_redirection.observed import SET_MAX, Seen, server
from mssante_audit.audits.delegation_vs_redirection.servers import serial_causes
from mssante_audit.network.dnssec import known_ds, matches
from mssante_audit.network.lookups import Found
from mssante_audit.network.zones import Zone
from mssante_audit.observe.dns.names import is_under
from mssante_audit.values.hosts import host_faults

EXPIRE_MIN = 7 * 86_400
"""Seconds for which a secondary should go on without its primary: a week at least (RFC 1912, 2.2 asks for two
to four; Zonemaster warns below one)."""


def delegation_findings(seen: Seen) -> None:
    """Report what is wrong with the delegated zones that listed domains are reached through."""
    for name, domains in seen.zones.items():
        zone = seen.network.zone(name)
        _declared(seen, zone, domains)
        _sets(seen, zone, domains)
        _addresses(seen, zone, domains)
        astray = name in seen.led_astray
        for host in zone.parent_ns if astray else zone.names:
            _name(seen, zone, host, domains)
        serial_causes(seen, name, domains, "DNS_SOA_SERIALS")
        _timers(seen, zone, domains)
        _signature(seen, zone, domains)
        if astray:
            _own_servers(seen, zone, domains)
    _signature(seen, seen.network.zone(seen.network.parent), seen.under_parent)


def _own_servers(seen: Seen, zone: Zone, domains: Sequence[str]) -> None:
    """Report that a sound delegation does not help who has learnt the servers that the zone itself names."""
    its_ns, states = {*zone.own_ns}, sorted(zone.states.items())
    lost = [{"name": name, "status": why} for name, why in zone.unreached.items() if name in its_ns]
    servers = [server(zone, address, state=s) for address, s in states if its_ns & {*zone.names_of(address)}]
    facts = {"zone": zone.name, "servers": servers, "lost": lost}
    seen.add("DNS_OWN_SERVERS_DEAD", zone.name, domains, facts, zone.replies("NS").values())


def _declared(seen: Seen, zone: Zone, domains: Sequence[str]) -> None:
    for domain in domains:
        declared, method = seen.declaration(domain), seen.methods[domain]
        is_delegated = method.name == zone.name and method.method == "delegated"
        known = declared.kind == "delegation" and declared.servers and zone.parent_ns
        if is_delegated and known and declared.servers != zone.parent_ns:
            subject = (" ".join(declared.servers), " ".join(zone.parent_ns))
            facts, wanted = {"servers": zone.parent_ns}, {"servers": declared.servers}
            seen.add("DNS_DECLARED_SERVERS", subject, [domain], facts, zone.referrals, wanted)
        elif is_delegated and declared.kind == "delegation" and declared.primary:
            replies = [reply for reply in zone.replies("SOA").values() if reply.usable and reply.answers]
            primaries = {text.split()[0].lower().rstrip(".") for reply in replies for text in reply.answers}
            if replies and declared.primary not in primaries:
                names, wanted = tuple(sorted(primaries)), {"names": (declared.primary,)}
                seen.add(
                    "DNS_PRIMARY_OTHER",
                    (declared.primary, *names),
                    [domain],
                    {"names": names},
                    replies,
                    wanted,
                )


def _sets(seen: Seen, zone: Zone, domains: Sequence[str]) -> None:
    """Compare the parent's servers, each server's own, and count them."""
    sets, replies = zone.own_sets, list(zone.replies("NS").values())
    if len(set(sets.values())) > 1:
        servers = [server(zone, address, servers=names) for address, names in sorted(sets.items())]
        subject = tuple(" ".join((address, *names)) for address, names in sorted(sets.items()))
        seen.add("DNS_NS_DISAGREE", subject, domains, {"servers": servers}, replies)
    mismatch = zone.parent_ns and sets and zone.parent_ns not in sets.values()
    if mismatch and zone.name not in seen.led_astray:
        both = (" ".join(zone.parent_ns), " ".join(zone.own_ns))
        facts, wanted = {"servers": zone.parent_ns}, {"servers": zone.own_ns}
        seen.add("DNS_NS_MISMATCH", both, domains, facts, [*replies, *zone.referrals], wanted)
    if len(zone.names) == 1 and zone.name not in seen.dead:
        seen.add("DNS_SINGLE_SERVER", zone.names, domains, {"name": zone.names[0]}, replies)
    sizes = ((zone.parent_ns, zone.referrals), (zone.own_ns, replies))
    if large := next(((names, shown) for names, shown in sizes if len(names) > SET_MAX), None):
        size = {"name": zone.name, "type": "NS", "count": len(large[0])}
        seen.add("DNS_SET_LARGE", (zone.name, "NS"), domains, size, large[1])


def _timers(seen: Seen, zone: Zone, domains: Sequence[str]) -> None:
    """Report timers with which a secondary gives the zone up before somebody has mended its primary."""
    for reply in zone.replies("SOA").values():
        fields = next(iter(reply.answers), "").split()
        if len(fields) != 7 or not reply.usable:
            continue
        refresh, retry, expire = map(int, fields[3:6])
        least = max(EXPIRE_MIN, refresh + retry)
        if expire < least:
            facts = {"expire": expire, "refresh": refresh, "retry": retry}
            subject = (seen.operator[domains[0]], *fields[3:6])  # zones of one making are one cause
            seen.add("DNS_SOA_TIMERS", subject, domains, facts, [reply], {"least": least})


def _addresses(seen: Seen, zone: Zone, domains: Sequence[str]) -> None:
    known = {name: zone.known(name) for name in zone.names}
    replies = [reply for found in zone.hosts.values() for hosts in found for reply in hosts.replies]
    shared = False
    for first, second in combinations(sorted(known), 2):
        for address in sorted(known[first] & known[second]):
            shared = True
            facts = {"names": [first, second], "address": address}
            seen.add("DNS_SAME_ADDRESS", (first, second), domains, facts, replies)
    every = {address for found in known.values() for address in found}
    networks = {str(ip_network((a, 48 if ":" in a else 24), strict=False)) for a in every}
    families = {":" in address for address in every}
    if len(known) > 1 and all(known.values()) and not shared and len(networks) == len(families):
        same = {"names": zone.names, "networks": sorted(networks)}
        seen.add("DNS_SAME_NETWORK", zone.names, domains, same, replies)
    if zone.ipv6_only:
        seen.add("DNS_IPV6_ONLY", zone.names, domains, {"names": zone.names}, replies)


def _name(seen: Seen, zone: Zone, name: str, domains: Sequence[str]) -> None:
    """Check a server's name: written as hosts are, no alias, with an address, the one the parent gives."""
    found = zone.hosts[name]
    replies = [reply for h in found for reply in h.replies]
    if faults := host_faults(name):
        seen.add("DNS_NS_NAME", name, domains, {"name": name, "faults": faults}, replies)
        return
    if alias := next((h.alias for h in found if h.alias), ""):
        seen.add("DNS_NS_ALIAS", name, domains, {"name": name, "alias": alias}, replies)
    elif zone.name in seen.dead:
        return  # DNS_DELEGATION_DEAD says why of each
    elif (why := zone.unreached.get(name)) in ("nxdomain", "nodata", "loop", "cycle", "failed"):
        seen.add("DNS_NS_UNRESOLVED", name, domains, {"name": name, "status": why}, replies)
    glue = sorted(zone.glue.get(name, ()))
    if name in zone.parent_ns and is_under(name, zone.name):
        if not glue:
            seen.add("DNS_GLUE_MISSING", name, domains, {"name": name}, zone.referrals)
        elif not _agree(glue, found):
            observed = {"addresses": sorted(address for h in found for address in h.data)}
            facts, both = {"name": name, "addresses": glue}, [*zone.referrals, *replies]
            seen.add("DNS_GLUE_DIFFERS", name, domains, facts, both, observed)


def _agree(glue: Sequence[str], found: Sequence[Found]) -> bool:
    """Compare, family by family, the parent's addresses with the host's own; unknown ones agree."""
    given, resolved = {*map(ip_address, glue)}, {ip_address(a) for host in found for a in host.data}
    families = {address.version for address in given}
    unknown = any(host.status in ("", "failed") for host in found)
    return unknown or given == {address for address in resolved if address.version in families}


def _signature(seen: Seen, zone: Zone, domains: Sequence[str]) -> None:
    """Report what validating resolvers make of the zone; of what was not heard nothing is said."""
    chains, ds = seen.network.chains, seen.network.chains.ds_of(zone.name)
    keyed = [reply for reply in zone.replies("DNSKEY").values() if reply.outcome in ("answer", "nodata")]
    replies = [*keyed, *seen.network.index.about(zone.name, "DS"), *zone.referrals]
    keys = {key for reply in keyed for key in reply.answers}
    found, usable = chains.security(zone.name), known_ds(ds)
    wrong = bool(usable and keyed) and not any(
        matches(zone.name, key, reply) for key in keys for reply in usable
    )
    if found.status == "bogus" and found.code in ("no-key", "no-match"):
        facts = {"zone": zone.name, "found": len(keys)}
        seen.add("DNS_DS_BROKEN", zone.name, domains, facts, replies)
    elif found.status == "bogus" and found.code != "above":
        broken = {"zone": zone.name, "fault": found.code}
        seen.add("DNS_SIGNATURE_BROKEN", zone.name, domains, broken, replies)
    elif found.status == "insecure" and ds and (wrong or not usable):
        rule = "DNS_DS_UNUSED" if wrong else "DNS_DS_UNKNOWN"
        seen.add(rule, zone.name, domains, {"zone": zone.name, "ds": ds}, replies)
    elif found.status == "secure":
        for address, fault in found.servers:
            if fault:
                facts = server(zone, address, fault=fault)
                seen.add("DNS_SIGNATURE_SERVER", address, domains, facts, replies)
        if found.sha1:
            seen.add("DNS_SHA1", zone.name, domains, {"zone": zone.name, "ds": ds}, replies)
    if keys and chains.unanchored(zone.name):
        seen.add("DNS_NO_DS", zone.names, domains, {"names": zone.names}, replies)
