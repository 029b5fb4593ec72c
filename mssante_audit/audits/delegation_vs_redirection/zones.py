"""Rules on zones: how each server serves, what those of the parent disagree on, what is delegated how."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from itertools import combinations

from mssante_audit.audits.delegation_vs_redirection.observed import SET_MAX, Seen, server
from mssante_audit.network.dnssec import known_ds, matches
from mssante_audit.network.zones import EDNS_BROKEN, SERVING, Zone
from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.lines import TRANSPORTS, Reply
from mssante_audit.values.hosts import host_faults
from mssante_audit.whitelist.rows import grouped

EXPIRE_MIN = 7 * 86_400
"""Seconds for which a secondary should go on without its primary: a week at least (RFC 1912, 2.2 asks for two
to four; Zonemaster warns below one)."""
STATE_RULES = {
    "silent": "DNS_SERVER_SILENT", "refusing": "DNS_SERVER_REFUSING", "failing": "DNS_SERVER_FAILING",
    "malformed": "DNS_SERVER_FAILING", "lame": "DNS_SERVER_LAME", "weak": "DNS_SERVER_WEAK",
    "upward": "DNS_UPWARD_REFERRAL", "no-soa": "DNS_SOA_MISSING", "partial": "DNS_SERVER_PARTIAL",
    "private": "DNS_NS_PRIVATE",
}  # fmt: skip
"""How a server serves a zone (`mssante_audit.network.zones.STATES`) → rule."""
KINDS = ("referral", "nxdomain", "answer", "nodata")
"""What a server of the parent may say of a domain."""
GRACE_MAX = timedelta(days=1)
"""Grace is the refresh time of the zone itself (RFC 1035, 3.3.13), but not more than this."""
_WRAP = 1 << 32


def server_findings(seen: Seen) -> None:
    """Report servers that do not serve, or badly, once each however many domains they should."""
    index = seen.network.index
    for name, domains in (*seen.zones.items(), (seen.network.parent, seen.under_parent)):
        zone, soa = seen.network.zone(name), seen.network.zone(name).replies("SOA")
        dead = name in seen.dead
        if dead:
            servers = [
                server(zone, a, state=state if state not in SERVING else index.edns(a))
                for a, state in sorted(zone.states.items())
            ]
            subject = tuple(facts["address"] for facts in servers) or zone.names
            lost = [{"name": n, "status": why} for n, why in zone.unreached.items() if why != "private"]
            met = {"names": zone.names, "servers": servers, "lost": lost}
            shown = soa.values() if servers else zone.referrals
            seen.add("DNS_DELEGATION_DEAD", subject, domains, met, shown)
        for address, state in zone.states.items():
            if name in seen.led_astray and not {*zone.names_of(address)} & {*zone.parent_ns}:
                continue  # DNS_OWN_SERVERS_DEAD says so
            if state in STATE_RULES and not dead:
                replies = [soa[address]] if address in soa else []
                facts = server(zone, address, state=state)
                seen.add(STATE_RULES[state], address, domains, facts, replies)
            over = {transport: zone.answers_over(address, transport) for transport in TRANSPORTS}
            edns, late = index.edns(address), index.late.get(address)
            cases = {
                "DNS_UDP_ONLY": over == {"udp": True, "tcp": False} and not late,
                "DNS_TCP_ONLY": over == {"udp": False, "tcp": True},
                "DNS_EDNS_BROKEN": edns == "notimp" or (edns in EDNS_BROKEN and not dead),
                "DNS_EDNS_REFUSED": edns == "refused",
                "DNS_SERVER_SLOW": late,
            }
            for rule in (rule for rule, holds in cases.items() if holds and state in SERVING):
                facts = server(zone, address, **({"state": edns} if rule == "DNS_EDNS_BROKEN" else {}))
                reply = late if rule == "DNS_SERVER_SLOW" else soa.get(address)
                seen.add(rule, address, domains, facts, [reply] if reply else [])
            stranger = index.recursion.get(address)
            if stranger and stranger.outcome == "answer" and "ra" in stranger.flags.split():
                facts = server(zone, address)
                seen.add("DNS_OPEN_RECURSION", address, domains, facts, [stranger])


def serial_causes(seen: Seen, name: str, domains: Sequence[str], rule: str) -> None:
    """Report the servers of a zone that have an older serial than another, beyond the grace time."""
    zone, soa = seen.network.zone(name), seen.network.zone(name).replies("SOA")
    serials: dict[str, int] = {}
    grace = timedelta()
    for address, reply in soa.items():
        fields = next(iter(reply.answers), "").split()
        if zone.states.get(address) == "serving" and len(fields) == 7 and "".join(fields[2:4]).isdigit():
            serials[address] = int(fields[2])
            grace = max(grace, min(timedelta(seconds=int(fields[3])), GRACE_MAX))
    newest = newest_of(list(serials.values()))
    late = sorted(address for address, serial in serials.items() if serial != newest)
    made = published(newest)
    if not late or (made is not None and seen.observation.started_at < made + grace):
        return
    ahead = next(address for address, serial in serials.items() if serial == newest)
    behind = [server(zone, address, serial=serials[address]) for address in late]
    facts, wanted = {"zone": name, "servers": behind}, server(zone, ahead, serial=newest)
    seen.add(rule, tuple(late), domains, facts, [soa[address] for address in (*late, ahead)], wanted)


def newest_of(serials: Sequence[int]) -> int:
    """Return the newest serial, in the arithmetic of RFC 1982.

    >>> newest_of([2026030101, 2026030102]), newest_of([4294967290, 5])
    (2026030102, 5)
    """
    newest = serials[0] if serials else 0
    for serial in serials:
        if 0 < (serial - newest) % _WRAP < _WRAP // 2:
            newest = serial
    return newest


def published(serial: int) -> datetime | None:
    """Return until when at latest a serial was made, if it shows it: ``YYYYMMDDnn``, or seconds of Unix time.

    >>> published(2026030101), published(17)
    (datetime.datetime(2026, 3, 2, 0, 0, tzinfo=datetime.timezone.utc), None)
    """
    with suppress(ValueError):
        day = datetime.strptime(str(serial)[:8], "%Y%m%d").replace(tzinfo=UTC)
        if len(str(serial)) == 10 and 1990 < day.year < 2100:
            return day + timedelta(days=1)
    return datetime.fromtimestamp(serial, UTC) if 1_000_000_000 < serial < 1_990_000_000 else None


def parent_findings(seen: Seen) -> None:
    """Report, once each, where servers of the parent zone disagree: its serial, what they say of domains."""
    parent, zone = seen.network.parent, seen.network.zone(seen.network.parent)
    serial_causes(seen, parent, seen.under_parent, "DNS_PARENT_SERIALS")
    groups: dict[frozenset[frozenset[str]], list[tuple[str, list[Reply]]]] = {}
    for domain in seen.under_parent:
        answers = seen.network.index.answers(parent, seen.methods[domain].name, "MX")
        replies = [reply for answer in answers.values() for reply in answer.replies if _says(reply)[0]]
        sides = frozenset(map(frozenset, grouped((_says(r)[1], r.address) for r in replies).values()))
        if len(sides) > 1:
            groups.setdefault(sides, []).append((domain, replies))
    for sides, found in groups.items():
        domains = [domain for domain, _ in found]
        replies = [reply for _, its in found for reply in its]
        counts = {
            a: Counter(kinds) for a, kinds in grouped((r.address, _says(r)[0]) for r in replies).items()
        }
        servers = [
            server(zone, address, says={kind: kinds[kind] for kind in KINDS if kinds[kind]})
            for address, kinds in sorted(counts.items())
        ]
        subject = tuple(sorted(" ".join(sorted(side)) for side in sides))
        seen.add("DNS_PARENT_DISAGREE", subject, domains, {"servers": servers}, replies)


def _says(reply: Reply) -> tuple[str, object]:
    """Return the kind of a reply and what it says, but for what a child zone at the server adds."""
    if reply.outcome == "referral":
        return "referral", ("NS", frozenset(reply.data("NS", reply.cut)))
    if reply.cut:
        return "referral", "child"
    return reply.outcome if reply.outcome in KINDS else "", (reply.outcome, reply.answers, reply.alias)


def delegation_findings(seen: Seen) -> None:
    """Report what is wrong with the delegated zones that listed domains are reached through."""
    for name, domains in seen.zones.items():
        zone = seen.network.zone(name)
        for domain in domains:
            declared, method = seen.declaration(domain), seen.methods[domain]
            is_delegated = method.name == zone.name and method.method == "delegated"
            known = declared.kind == "delegation" and declared.servers and zone.parent_ns
            if is_delegated and known and declared.servers != zone.parent_ns:
                subject: tuple[str, ...] = (" ".join(declared.servers), " ".join(zone.parent_ns))
                facts, wanted = {"servers": zone.parent_ns}, {"servers": declared.servers}
                seen.add("DNS_DECLARED_SERVERS", subject, [domain], facts, zone.referrals, wanted)
            elif is_delegated and declared.kind == "delegation" and declared.primary:
                replies = [reply for reply in zone.replies("SOA").values() if reply.usable and reply.answers]
                primaries = {
                    text.split()[0].lower().rstrip(".") for reply in replies for text in reply.answers
                }
                if replies and declared.primary not in primaries:
                    names, wanted = tuple(sorted(primaries)), {"names": (declared.primary,)}
                    subject = (declared.primary, *names)
                    seen.add("DNS_PRIMARY_OTHER", subject, [domain], {"names": names}, replies, wanted)
        _sets(seen, zone, domains)
        _addresses(seen, zone, domains)
        astray = name in seen.led_astray
        for host in zone.parent_ns if astray else zone.names:
            _name(seen, zone, host, domains)
        serial_causes(seen, name, domains, "DNS_SOA_SERIALS")
        for reply in zone.replies("SOA").values():
            fields = next(iter(reply.answers), "").split()
            if len(fields) != 7 or not reply.usable:
                continue
            refresh, retry, expire = map(int, fields[3:6])
            if expire < (least := max(EXPIRE_MIN, refresh + retry)):
                timers = {"expire": expire, "refresh": refresh, "retry": retry}
                subject = (seen.operator[domains[0]], *fields[3:6])  # zones of one making are one cause
                seen.add("DNS_SOA_TIMERS", subject, domains, timers, [reply], {"least": least})
        _signature(seen, zone, domains)
        if astray:
            # A sound delegation does not help who has learnt the servers that the zone itself names.
            its_ns, states = {*zone.own_ns}, sorted(zone.states.items())
            lost = [{"name": name, "status": why} for name, why in zone.unreached.items() if name in its_ns]
            servers = [server(zone, at, state=s) for at, s in states if its_ns & {*zone.names_of(at)}]
            met = {"zone": zone.name, "servers": servers, "lost": lost}
            seen.add("DNS_OWN_SERVERS_DEAD", zone.name, domains, met, zone.replies("NS").values())
    _signature(seen, seen.network.zone(seen.network.parent), seen.under_parent)


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
        # Family by family: addresses that are unknown agree.
        given, own = {*map(ip_address, glue)}, {ip_address(a) for h in found for a in h.data}
        agree = given == {address for address in own if address.version in {a.version for a in given}}
        agree = agree or any(host.status in ("", "failed") for host in found)
        if not glue:
            seen.add("DNS_GLUE_MISSING", name, domains, {"name": name}, zone.referrals)
        elif not agree:
            observed = {"addresses": sorted(address for h in found for address in h.data)}
            facts, both = {"name": name, "addresses": glue}, [*zone.referrals, *replies]
            seen.add("DNS_GLUE_DIFFERS", name, domains, facts, both, observed)


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
