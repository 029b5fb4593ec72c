"""Rules on a delegated zone: its sets of servers, their names and addresses, its signature."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from itertools import combinations

from mssante_audit.audits.delegation_vs_redirection.observed import SET_MAX, Causes, Seen, server
from mssante_audit.audits.delegation_vs_redirection.servers import serial_causes
from mssante_audit.network.dnssec import known_ds, matches
from mssante_audit.network.lookups import Found
from mssante_audit.network.zones import Zone, network
from mssante_audit.observe.dns.names import is_under
from mssante_audit.values.hosts import host_faults

EXPIRE_MIN = 7 * 86_400
"""Seconds for which a secondary should go on without its primary: a week at least (RFC 1912, 2.2 asks for two
to four; Zonemaster warns below one)."""


def delegation_findings(seen: Seen, causes: Causes) -> None:
    """Report what is wrong with the delegated zones that listed domains are reached through."""
    for name, domains in seen.zones.items():
        zone = seen.network.zone(name)
        _declared(seen, causes, zone, domains)
        _sets(seen, causes, zone, domains)
        _addresses(causes, zone, domains)
        astray = name in seen.led_astray
        for host in zone.parent_ns if astray else zone.names:
            _name(seen, causes, zone, host, domains)
        serial_causes(seen, causes, name, domains, "DNS_SOA_SERIALS")
        _timers(seen, causes, zone, domains)
        _sizes(causes, zone, domains)
        _signature(seen, causes, zone, domains)
        if astray:
            _own_servers(seen, causes, zone, domains)
    _signature(seen, causes, seen.network.zone(seen.network.parent), seen.under_parent)


def _own_servers(seen: Seen, causes: Causes, zone: Zone, domains: Sequence[str]) -> None:
    """Report that a sound delegation does not help who has learnt the servers that the zone itself names."""
    own = {*zone.own_ns}
    lost = [{"name": name, "status": why} for name, why in zone.unreached.items() if name in own]
    states = sorted(zone.states.items())
    told = [server(zone, address, state=s) for address, s in states if own & {*zone.names_of(address)}]
    facts = {"zone": zone.name, "servers": told, "lost": lost}
    causes.add("DNS_OWN_SERVERS_DEAD", zone.name, domains, facts, replies=zone.replies("NS").values())


def _declared(seen: Seen, causes: Causes, zone: Zone, domains: Sequence[str]) -> None:
    for domain in domains:
        declared, method = seen.declaration(domain), seen.methods[domain]
        own = method.name == zone.name and method.method == "delegated"
        known = declared.kind == "delegation" and declared.servers and zone.parent_ns
        if own and known and declared.servers != zone.parent_ns:
            causes.add(
                "DNS_DECLARED_SERVERS", (" ".join(declared.servers), " ".join(zone.parent_ns)), [domain],
                {"servers": zone.parent_ns}, {"servers": declared.servers}, zone.referrals,
            )  # fmt: skip


def _sets(seen: Seen, causes: Causes, zone: Zone, domains: Sequence[str]) -> None:
    """Compare the parent's servers, each server's own, and count them."""
    own, replies = zone.own_sets, list(zone.replies("NS").values())
    if len(set(own.values())) > 1:
        told = [server(zone, address, servers=names) for address, names in sorted(own.items())]
        subject = tuple(" ".join((address, *names)) for address, names in sorted(own.items()))
        causes.add("DNS_NS_DISAGREE", subject, domains, {"servers": told}, replies=replies)
    mismatch = zone.parent_ns and own and zone.parent_ns not in own.values()
    if mismatch and zone.name not in seen.led_astray:
        causes.add(
            "DNS_NS_MISMATCH", (" ".join(zone.parent_ns), " ".join(zone.own_ns)), domains,
            {"servers": zone.parent_ns}, {"servers": zone.own_ns}, [*replies, *zone.referrals],
        )  # fmt: skip
    if len(zone.names) == 1 and zone.name not in seen.dead:
        causes.add("DNS_SINGLE_SERVER", zone.names, domains, {"name": zone.names[0]}, replies=replies)


def _sizes(causes: Causes, zone: Zone, domains: Sequence[str]) -> None:
    for names, told in ((zone.parent_ns, zone.referrals), (zone.own_ns, zone.replies("NS").values())):
        if len(names) > SET_MAX:
            facts = {"name": zone.name, "type": "NS", "count": len(names)}
            causes.add("DNS_SET_LARGE", (zone.name, "NS"), domains, facts, replies=told)
            return


def _timers(seen: Seen, causes: Causes, zone: Zone, domains: Sequence[str]) -> None:
    """Report timers with which a secondary gives the zone up before somebody has mended its primary."""
    for one in zone.replies("SOA").values():
        fields = next(iter(one.answers), "").split()
        if len(fields) != 7 or not one.usable:
            continue
        refresh, retry, expire = map(int, fields[3:6])
        least = max(EXPIRE_MIN, refresh + retry)
        if expire < least:
            told = {"expire": expire, "refresh": refresh, "retry": retry}
            subject = (seen.operator[domains[0]], *fields[3:6])  # zones of one making are one cause
            causes.add("DNS_SOA_TIMERS", subject, domains, told, {"least": least}, [one])


def _addresses(causes: Causes, zone: Zone, domains: Sequence[str]) -> None:
    known = {name: zone.known(name) for name in zone.names}
    replies = [reply for found in zone.hosts.values() for one in found for reply in one.replies]
    shared = False
    for one, other in combinations(sorted(known), 2):
        for address in sorted(known[one] & known[other]):
            shared = True
            told = {"names": [one, other], "address": address}
            causes.add("DNS_SAME_ADDRESS", (one, other), domains, told, replies=replies)
    every = {address for found in known.values() for address in found}
    networks = {network(address) for address in every}
    families = {":" in address for address in every}
    if len(known) > 1 and all(known.values()) and not shared and len(networks) == len(families):
        same = {"names": zone.names, "networks": sorted(networks)}
        causes.add("DNS_SAME_NETWORK", zone.names, domains, same, replies=replies)
    if zone.ipv6_only:
        causes.add("DNS_IPV6_ONLY", zone.names, domains, {"names": zone.names}, replies=replies)


def _name(seen: Seen, causes: Causes, zone: Zone, name: str, domains: Sequence[str]) -> None:
    """Check a server's name: written as hosts are, no alias, with an address, the one the parent gives."""
    found = zone.hosts[name]
    replies = [reply for one in found for reply in one.replies]
    if faults := host_faults(name):
        causes.add("DNS_NS_NAME", name, domains, {"name": name, "faults": faults}, replies=replies)
        return
    if alias := next((one.alias for one in found if one.alias), ""):
        causes.add("DNS_NS_ALIAS", name, domains, {"name": name, "alias": alias}, replies=replies)
    elif zone.name in seen.dead:
        return  # DNS_DELEGATION_DEAD says why of each
    elif (why := zone.unreached.get(name)) in ("nxdomain", "nodata", "loop", "cycle", "failed"):
        causes.add("DNS_NS_UNRESOLVED", name, domains, {"name": name, "status": why}, replies=replies)
    glue = sorted(zone.glue.get(name, ()))
    if name in zone.parent_ns and is_under(name, zone.name):
        if not glue:
            causes.add("DNS_GLUE_MISSING", name, domains, {"name": name}, replies=zone.referrals)
        elif not _agree(glue, found):
            own = sorted(address for one in found for address in one.data)
            causes.add(
                "DNS_GLUE_DIFFERS", name, domains, {"name": name, "addresses": glue}, {"addresses": own},
                [*zone.referrals, *replies],
            )  # fmt: skip


def _agree(glue: Sequence[str], found: Sequence[Found]) -> bool:
    """Compare, family by family, the parent's addresses with the host's own; unknown ones agree."""
    if any(one.status in ("", "failed") for one in found):
        return True
    for version in (4, 6):
        given = {ip_address(a) for a in glue if ip_address(a).version == version}
        own = {ip_address(a) for one in found for a in one.data if ip_address(a).version == version}
        if given and given != own:
            return False
    return True


def _signature(seen: Seen, causes: Causes, zone: Zone, domains: Sequence[str]) -> None:
    """Report what validating resolvers make of the zone; of what was not heard nothing is said."""
    chains, ds = seen.network.chains, seen.network.chains.ds_of(zone.name)
    told = [one for one in zone.replies("DNSKEY").values() if one.outcome in ("answer", "nodata")]
    replies = [*told, *seen.network.index.about(zone.name, "DS"), *zone.referrals]
    keys = {key for one in told for key in one.answers}
    found, usable = chains.security(zone.name), known_ds(ds)
    wrong = bool(usable and told) and not any(matches(zone.name, key, one) for key in keys for one in usable)
    if found.status == "bogus" and found.code in ("no-key", "no-match"):
        facts = {"zone": zone.name, "found": len(keys)}
        causes.add("DNS_DS_BROKEN", zone.name, domains, facts, replies=replies)
    elif found.status == "bogus" and found.code != "above":
        broken = {"zone": zone.name, "fault": found.code}
        causes.add("DNS_SIGNATURE_BROKEN", zone.name, domains, broken, replies=replies)
    elif found.status == "insecure" and ds and (wrong or not usable):
        rule = "DNS_DS_UNUSED" if wrong else "DNS_DS_UNKNOWN"
        causes.add(rule, zone.name, domains, {"zone": zone.name, "ds": ds}, replies=replies)
    elif found.status == "secure":
        for address, fault in found.servers:
            if fault:
                one = server(zone, address, fault=fault)
                causes.add("DNS_SIGNATURE_SERVER", address, domains, one, replies=replies)
        if found.sha1:
            causes.add("DNS_SHA1", zone.name, domains, {"zone": zone.name, "ds": ds}, replies=replies)
    if keys and chains.unanchored(zone.name):
        causes.add("DNS_NO_DS", zone.names, domains, {"names": zone.names}, replies=replies)
