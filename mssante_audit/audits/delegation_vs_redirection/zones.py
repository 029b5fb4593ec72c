"""Rules on zones: how each server serves, what those of the parent disagree on, what is delegated how."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from itertools import combinations

from mssante_audit.audits.delegation_vs_redirection import mail
from mssante_audit.audits.delegation_vs_redirection.observed import ObservedZones, by_file, server
from mssante_audit.network.dnssec import known_ds, matches
from mssante_audit.network.replies import MAX_RECORDS
from mssante_audit.network.zones import EDNS_BROKEN, SERVING, Zone
from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.lines import TRANSPORTS, Reply
from mssante_audit.values.hosts import host_faults
from mssante_audit.whitelist.rows import grouped

# Seconds for which a secondary should go on without its primary: a week at least (RFC 1912, 2.2 asks for two
# to four; Zonemaster warns below one).
EXPIRE_MIN = 7 * 86_400
GRACE_MAX = timedelta(days=1)  # of the refresh time of the zone itself (RFC 1035, 3.3.13)
_WRAP = 1 << 32
# How a server serves a zone (`mssante_audit.network.zones.Zone.states`) → rule.
STATE_RULES = {
    "silent": "DNS_SERVER_SILENT", "refusing": "DNS_SERVER_REFUSING", "failing": "DNS_SERVER_FAILING",
    "malformed": "DNS_SERVER_FAILING", "lame": "DNS_SERVER_LAME", "weak": "DNS_SERVER_WEAK",
    "upward": "DNS_UPWARD_REFERRAL", "no-soa": "DNS_SOA_MISSING", "partial": "DNS_SERVER_PARTIAL",
    "private": "DNS_NS_PRIVATE",
}  # fmt: skip
KINDS = ("referral", "nxdomain", "answer", "nodata")  # what a server of the parent may say of a domain


def server_findings(view: ObservedZones) -> None:
    """Report servers that do not serve, or serve badly, each once for all its domains."""
    index = view.network.index
    for name, domains in (*view.zones.items(), (view.network.parent, view.under_parent)):
        zone = view.network.zone(name)
        soa, dead = zone.replies("SOA"), name in view.dead
        if dead:
            states = dict(zone.states)
            for address in [address for address, state in states.items() if state in SERVING]:
                if (status := index.edns(address)) not in ("", "ok"):
                    states[address] = status
            servers = [server(zone, address, state=state) for address, state in sorted(states.items())]
            subject = tuple(sorted(states)) or zone.names
            failed = [{"name": n, "status": code} for n, code in zone.unreached.items() if code != "private"]
            replies = soa.values() if servers else zone.referrals
            facts = {"names": zone.names, "servers": servers, "lost": failed}
            view.add("DNS_DELEGATION_DEAD", subject, domains, replies, **facts)
        for address, state in zone.states.items():
            if name in view.led_astray and not {*zone.names_of(address)} & {*zone.parent_ns}:
                continue  # DNS_OWN_SERVERS_DEAD says so
            of_soa, late, stranger = (source.get(address) for source in (soa, index.late, index.recursion))
            over = {transport: zone.answers_over(address, transport) for transport in TRANSPORTS}
            serves, edns = state in SERVING, index.edns(address)
            is_broken = edns == "notimp" or (edns in EDNS_BROKEN and not dead)
            is_open = stranger and stranger.outcome == "answer" and "ra" in stranger.flags.split()
            # Rule, whether it holds, the reply that shows it, the state that is a fact of it.
            cases = (
                (STATE_RULES.get(state, ""), state in STATE_RULES and not dead, of_soa, state),
                ("DNS_UDP_ONLY", serves and over == {"udp": True, "tcp": False} and not late, of_soa, ""),
                ("DNS_TCP_ONLY", serves and over == {"udp": False, "tcp": True}, of_soa, ""),
                ("DNS_EDNS_BROKEN", serves and is_broken, of_soa, edns),
                ("DNS_EDNS_REFUSED", serves and edns == "refused", of_soa, ""),
                ("DNS_SERVER_SLOW", serves and late, late, ""),
                ("DNS_OPEN_RECURSION", is_open, stranger, ""),
            )
            for rule, holds, reply, status in cases:
                if holds:
                    facts = server(zone, address, **({"state": status} if status else {}))
                    view.add(rule, address, domains, [reply] if reply else [], **facts)


def serial_causes(view: ObservedZones, name: str, domains: Sequence[str], rule: str) -> None:
    """Report the servers of a zone that have an older serial than another, beyond the grace time."""
    zone, soa = view.network.zone(name), view.network.zone(name).replies("SOA")
    serials: dict[str, int] = {}
    newest, grace = 0, timedelta()
    for address, reply in soa.items():
        fields = next(iter(reply.answers), "").split()
        if zone.states.get(address) == "serving" and len(fields) == 7 and "".join(fields[2:4]).isdigit():
            serial = serials[address] = int(fields[2])
            if len(serials) == 1 or 0 < (serial - newest) % _WRAP < _WRAP // 2:  # RFC 1982
                newest = serial
            grace = max(grace, min(timedelta(seconds=int(fields[3])), GRACE_MAX))
    late = sorted(address for address, serial in serials.items() if serial != newest)
    made_at = published(newest)
    if not late or (made_at is not None and view.observation.started_at < made_at + grace):
        return
    ahead = next(address for address, serial in serials.items() if serial == newest)
    behind = [server(zone, address, serial=serials[address]) for address in late]
    replies, expected = [soa[address] for address in (*late, ahead)], server(zone, ahead, serial=newest)
    view.add(rule, tuple(late), domains, replies, expected, zone=name, servers=behind)


def published(serial: int) -> datetime | None:
    """Return the latest time at which a serial was made, if it is ``YYYYMMDDnn`` or a Unix time.

    >>> published(2026030101), published(17)
    (datetime.datetime(2026, 3, 2, 0, 0, tzinfo=datetime.timezone.utc), None)
    """
    with suppress(ValueError):
        day = datetime.strptime(str(serial)[:8], "%Y%m%d").replace(tzinfo=UTC)
        if len(str(serial)) == 10 and 1990 < day.year < 2100:
            return day + timedelta(days=1)
    return datetime.fromtimestamp(serial, UTC) if 1_000_000_000 < serial < 1_990_000_000 else None


def parent_findings(view: ObservedZones) -> None:
    """Report, once each, where servers of the parent zone disagree: its serial, what they say of domains."""
    parent, zone = view.network.parent, view.network.zone(view.network.parent)
    serial_causes(view, parent, view.under_parent, "DNS_PARENT_SERIALS")
    groups: dict[tuple[str, ...], list[tuple[str, list[Reply]]]] = {}
    for domain in view.under_parent:
        answers = view.network.index.answers(parent, view.methods[domain].name, "MX")
        replies = [reply for answer in answers.values() for reply in answer.replies if _facts(reply)[0]]
        sides = {" ".join(sorted({*s})) for s in grouped((_facts(r)[1], r.address) for r in replies).values()}
        if len(sides) > 1:
            groups.setdefault(tuple(sorted(sides)), []).append((domain, replies))
    for subject, uses in groups.items():
        replies = [reply for _, of_domain in uses for reply in of_domain]
        kinds_of = sorted(grouped((reply.address, _facts(reply)[0]) for reply in replies).items())
        counts = ((a, {kind: kinds.count(kind) for kind in KINDS if kind in kinds}) for a, kinds in kinds_of)
        servers = [server(zone, address, says=kinds) for address, kinds in counts]
        view.add("DNS_PARENT_DISAGREE", subject, [domain for domain, _ in uses], replies, servers=servers)


def _facts(reply: Reply) -> tuple[str, object]:
    """Return the kind of a reply and what it says, but for what a child zone at the server adds."""
    if reply.outcome == "referral":
        return "referral", ("NS", frozenset(reply.data("NS", reply.cut)))
    if reply.cut:
        return "referral", "child"
    return reply.outcome if reply.outcome in KINDS else "", (reply.outcome, reply.answers, reply.alias)


def delegation_findings(view: ObservedZones) -> None:
    """Report what is wrong with the delegated zones that listed domains are reached through."""
    for name, domains in view.zones.items():
        zone = view.network.zone(name)
        for domain in domains:
            _declared(view, zone, domain)
        _sets(view, zone, domains)
        _addresses(view, zone, domains)
        astray = name in view.led_astray
        for host in zone.parent_ns if astray else zone.names:
            _name(view, zone, host, domains)
        serial_causes(view, name, domains, "DNS_SOA_SERIALS")
        for reply in zone.replies("SOA").values():
            fields = next(iter(reply.answers), "").split()
            if len(fields) != 7 or not reply.usable:
                continue
            refresh, retry, expire = map(int, fields[3:6])
            if expire < (least := max(EXPIRE_MIN, refresh + retry)):
                timers = {"expire": expire, "refresh": refresh, "retry": retry}
                subject = (view.operator[domains[0]], *fields[3:6])  # zones of one making are one cause
                view.add("DNS_SOA_TIMERS", subject, domains, [reply], {"least": least}, **timers)
        _signature(view, zone, domains)
        if astray:
            # A sound delegation does not help who has learnt the servers that the zone itself names.
            ns, states, replies = {*zone.own_ns}, sorted(zone.states.items()), zone.replies("NS").values()
            failed = [{"name": name, "status": code} for name, code in zone.unreached.items() if name in ns]
            servers = [server(zone, at, state=s) for at, s in states if ns & {*zone.names_of(at)}]
            facts = {"zone": zone.name, "servers": servers, "lost": failed}
            view.add("DNS_OWN_SERVERS_DEAD", zone.name, domains, replies, **facts)
    _signature(view, view.network.zone(view.network.parent), view.under_parent)


def _declared(view: ObservedZones, zone: Zone, domain: str) -> None:
    """Compare the declared servers of a delegation with those that the parent names, and the primary."""
    declared, method = view.declaration(domain), view.methods[domain]
    if declared.kind != "delegation" or method.name != zone.name or method.method != "delegated":
        return
    if declared.servers and zone.parent_ns and declared.servers != zone.parent_ns:
        subject: tuple[str, ...] = (" ".join(declared.servers), " ".join(zone.parent_ns))
        expected = {"servers": declared.servers}
        view.add("DNS_DECLARED_SERVERS", subject, [domain], zone.referrals, expected, servers=zone.parent_ns)
    elif declared.primary:
        replies = [reply for reply in zone.replies("SOA").values() if reply.usable and reply.answers]
        primaries = {text.split()[0].lower().rstrip(".") for reply in replies for text in reply.answers}
        if replies and declared.primary not in primaries:
            names, expected = tuple(sorted(primaries)), {"names": (declared.primary,)}
            subject = (declared.primary, *names)
            view.add("DNS_PRIMARY_OTHER", subject, [domain], replies, expected, names=names)


def _sets(view: ObservedZones, zone: Zone, domains: Sequence[str]) -> None:
    """Compare the parent's servers, each server's own, and count them."""
    sets, replies = sorted(zone.own_sets.items()), list(zone.replies("NS").values())
    if len({names for _, names in sets}) > 1:
        servers = [server(zone, address, servers=names) for address, names in sets]
        subject = tuple(" ".join((address, *names)) for address, names in sets)
        view.add("DNS_NS_DISAGREE", subject, domains, replies, servers=servers)
    mismatch = zone.parent_ns and sets and zone.parent_ns not in zone.own_sets.values()
    if mismatch and zone.name not in view.led_astray:
        pair, evidence = (" ".join(zone.parent_ns), " ".join(zone.own_ns)), [*replies, *zone.referrals]
        expected = {"servers": zone.own_ns}
        view.add("DNS_NS_MISMATCH", pair, domains, evidence, expected, servers=zone.parent_ns)
    if len(zone.names) == 1 and zone.name not in view.dead:
        view.add("DNS_SINGLE_SERVER", zone.names, domains, replies, name=zone.names[0])
    for names, evidence in ((zone.parent_ns, zone.referrals), (zone.own_ns, replies)):
        if len(names) > MAX_RECORDS:
            facts = {"name": zone.name, "type": "NS", "count": len(names)}
            view.add("DNS_SET_LARGE", (zone.name, "NS"), domains, evidence, **facts)
            break


def _addresses(view: ObservedZones, zone: Zone, domains: Sequence[str]) -> None:
    hosts = zone.known
    replies = [reply for of_name in zone.hosts.values() for host in of_name for reply in host.replies]
    pairs = combinations(sorted(hosts), 2)
    shared = [((a, b), address) for a, b in pairs for address in sorted(hosts[a] & hosts[b])]
    for pair, address in shared:
        view.add("DNS_SAME_ADDRESS", pair, domains, replies, names=[*pair], address=address)
    addresses = set().union(*hosts.values())
    networks = {str(ip_network((a, 48 if ":" in a else 24), strict=False)) for a in addresses}
    families = {":" in address for address in addresses}
    if len(hosts) > 1 and all(hosts.values()) and not shared and len(networks) == len(families):
        facts = {"names": zone.names, "networks": sorted(networks)}
        view.add("DNS_SAME_NETWORK", zone.names, domains, replies, **facts)
    if zone.ipv6_only:
        view.add("DNS_IPV6_ONLY", zone.names, domains, replies, names=zone.names)


def _name(view: ObservedZones, zone: Zone, name: str, domains: Sequence[str]) -> None:
    """Check a server's name: syntax, no alias, an address, and the same one as in the glue."""
    hosts, glue = zone.hosts[name], sorted(zone.glue.get(name, ()))
    replies = [reply for host in hosts for reply in host.replies]
    if faults := host_faults(name):
        view.add("DNS_NS_NAME", name, domains, replies, name=name, faults=faults)
        return
    if alias := next((host.alias for host in hosts if host.alias), ""):
        view.add("DNS_NS_ALIAS", name, domains, replies, name=name, alias=alias)
    elif zone.name in view.dead:
        return  # DNS_DELEGATION_DEAD says why of each
    elif (status := zone.unreached.get(name)) in ("nxdomain", "nodata", "loop", "cycle", "failed", "partly"):
        view.add("DNS_NS_UNRESOLVED", name, domains, replies, name=name, status=status)
    if name not in zone.parent_ns or not is_under(name, zone.name):
        return
    if not glue:
        view.add("DNS_GLUE_MISSING", name, domains, zone.referrals, name=name)
        return
    # Family by family: addresses that are unknown agree.
    addresses = sorted(address for host in hosts for address in host.data)
    of_glue, of_zone = {*map(ip_address, glue)}, {*map(ip_address, addresses)}
    agree = of_glue == {address for address in of_zone if address.version in {a.version for a in of_glue}}
    if not agree and not any(host.status in ("", "failed") for host in hosts):
        evidence, expected = [*zone.referrals, *replies], {"addresses": addresses}
        view.add("DNS_GLUE_DIFFERS", name, domains, evidence, expected, name=name, addresses=glue)


def _signature(view: ObservedZones, zone: Zone, domains: Sequence[str]) -> None:
    """Report what validating resolvers make of the zone; replies that are missing show nothing."""
    name, chains, ds = zone.name, view.network.chains, view.network.chains.ds_of(zone.name)
    keyed = [reply for reply in zone.replies("DNSKEY").values() if reply.outcome in ("answer", "nodata")]
    giving = chains.giving(name)
    replies = [*keyed, *giving]
    keys = {key for reply in keyed for key in reply.answers}
    security, usable = chains.security(name), known_ds(ds)
    wrong = usable and keyed and not any(matches(name, key, record) for key in keys for record in usable)
    if security.status == "bogus" and security.code in ("no-key", "no-match"):
        view.add("DNS_DS_BROKEN", name, domains, replies, zone=name, found=len(keys))
    elif security.status == "bogus" and security.code != "above":
        view.add("DNS_SIGNATURE_BROKEN", name, domains, replies, zone=name, fault=security.code)
    elif security.status == "insecure" and ds and (wrong or not usable):
        view.add("DNS_DS_UNUSED" if wrong else "DNS_DS_UNKNOWN", name, domains, replies, zone=name, ds=ds)
    elif security.status == "secure":
        for address, fault in security.servers:
            if fault:
                facts = server(zone, address, fault=fault)
                view.add("DNS_SIGNATURE_SERVER", address, domains, replies, **facts)
        if security.sha1:
            view.add("DNS_SHA1", name, domains, replies, zone=name, ds=ds)
    denying = (reply.signed or reply.outcome == "nodata" for reply in giving if reply.outcome != "answer")
    if keys and not ds and any(denying):
        view.add("DNS_NO_DS", zone.names, domains, replies, names=zone.names)


RUNS = tuple(map(by_file, (
    mail.method_findings, server_findings, delegation_findings, mail.mail_findings, parent_findings,
)))  # fmt: skip
