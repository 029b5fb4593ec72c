"""Rules on single servers: silent, refusing, lame, behind; those of the parent must agree on each domain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from mssante_audit.audits.delegation_vs_redirection.observed import Seen, server
from mssante_audit.network.zones import EDNS_BROKEN, SERVING, Zone
from mssante_audit.observe.lines import TRANSPORTS, Reply
from mssante_audit.whitelist.rows import grouped

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
    """Report servers that do not serve, once each however many domains they should."""
    for name, domains in (*seen.zones.items(), (seen.network.parent, seen.under_parent)):
        zone, soa = seen.network.zone(name), seen.network.zone(name).replies("SOA")
        dead = name in seen.dead
        if dead:
            _dead(seen, zone, domains)
        for address, state in zone.states.items():
            if name in seen.led_astray and not {*zone.names_of(address)} & {*zone.parent_ns}:
                continue  # DNS_OWN_SERVERS_DEAD says so
            if state in STATE_RULES and not dead:
                replies = [soa[address]] if address in soa else []
                facts = server(zone, address, state=state)
                seen.add(STATE_RULES[state], address, domains, facts, replies)
            if state in SERVING:
                _manners(seen, zone, address, domains, dead=dead)
            stranger = seen.network.index.recursion.get(address)
            if stranger and stranger.outcome == "answer" and "ra" in stranger.flags.split():
                facts = server(zone, address)
                seen.add("DNS_OPEN_RECURSION", address, domains, facts, [stranger])


def _dead(seen: Seen, zone: Zone, domains: list[str]) -> None:
    servers = [
        server(zone, address, state=state if state not in SERVING else seen.network.index.edns(address))
        for address, state in sorted(zone.states.items())
    ]
    subject = tuple(server_facts["address"] for server_facts in servers) or zone.names
    lost = [{"name": n, "status": why} for n, why in zone.unreached.items() if why != "private"]
    facts = {"names": zone.names, "servers": servers, "lost": lost}
    replies = zone.replies("SOA").values() if servers else zone.referrals
    seen.add("DNS_DELEGATION_DEAD", subject, domains, facts, replies)


def _manners(seen: Seen, zone: Zone, address: str, domains: Sequence[str], *, dead: bool) -> None:
    """Report a server that serves, but on one transport only, late, or not with EDNS."""
    index, soa = seen.network.index, zone.replies("SOA").get(address)
    over = {transport: zone.answers_over(address, transport) for transport in TRANSPORTS}
    edns, late = index.edns(address), index.late.get(address)
    cases = {
        "DNS_UDP_ONLY": over == {"udp": True, "tcp": False} and not late,
        "DNS_TCP_ONLY": over == {"udp": False, "tcp": True},
        "DNS_EDNS_BROKEN": edns == "notimp" or (edns in EDNS_BROKEN and not dead),
        "DNS_EDNS_REFUSED": edns == "refused",
        "DNS_SERVER_SLOW": late,
    }
    for rule in (rule for rule, holds in cases.items() if holds):
        facts = server(zone, address, **({"state": edns} if rule == "DNS_EDNS_BROKEN" else {}))
        shown = late if rule == "DNS_SERVER_SLOW" else soa
        seen.add(rule, address, domains, facts, [shown] if shown else [])


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
        replies = [reply for answer in answers.values() for reply in answer.replies if _kind(reply)]
        sides = frozenset(map(frozenset, grouped((_content(r), r.address) for r in replies).values()))
        if len(sides) > 1:
            groups.setdefault(sides, []).append((domain, replies))
    for sides, found in groups.items():
        domains = [domain for domain, _ in found]
        replies = [reply for _, its in found for reply in its]
        counts = {a: Counter(kinds) for a, kinds in grouped((r.address, _kind(r)) for r in replies).items()}
        servers = [
            server(zone, address, says={kind: kinds[kind] for kind in KINDS if kinds[kind]})
            for address, kinds in sorted(counts.items())
        ]
        subject = tuple(sorted(" ".join(sorted(side)) for side in sides))
        seen.add("DNS_PARENT_DISAGREE", subject, domains, {"servers": servers}, replies)


def _kind(reply: Reply) -> str:
    return "referral" if reply.cut else reply.outcome if reply.outcome in KINDS else ""


def _content(reply: Reply) -> object:
    """Return what a reply says, but for what a child zone that the server carries too adds to it."""
    if reply.outcome == "referral":
        return ("NS", frozenset(reply.data("NS", reply.cut)))
    return "child" if reply.cut else (reply.outcome, reply.answers, reply.alias)
