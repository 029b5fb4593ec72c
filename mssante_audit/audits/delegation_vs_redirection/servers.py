"""Rules on single servers: silent, refusing, failing, lame, on one transport, open to strangers, behind.

Those of the parent zone must say the same of each domain, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from mssante_audit.audits.delegation_vs_redirection.observed import Causes, Seen, server
from mssante_audit.observe.dns.view import Said
from mssante_audit.observe.dns.zone import EDNS_BROKEN, SERVING, ZoneView
from mssante_audit.observe.lines import SILENT, TRANSPORTS

STATE_RULES = {
    "silent": "DNS_SERVER_SILENT", "refusing": "DNS_SERVER_REFUSING", "failing": "DNS_SERVER_FAILING",
    "malformed": "DNS_SERVER_FAILING", "lame": "DNS_SERVER_LAME", "weak": "DNS_SERVER_WEAK",
    "upward": "DNS_UPWARD_REFERRAL", "no-soa": "DNS_SOA_MISSING", "partial": "DNS_SERVER_PARTIAL",
    "private": "DNS_NS_PRIVATE",
}  # fmt: skip
"""How a server serves a zone (`mssante_audit.observe.dns.zone.STATES`) → rule."""
KINDS = ("referral", "nxdomain", "answer", "nodata")
"""What a server of the parent may say of a domain."""
GRACE_MAX = timedelta(days=1)
"""Grace is the refresh time of the zone itself (RFC 1035, 3.3.13), but not more than this."""
_WRAP = 1 << 32


def server_findings(seen: Seen, causes: Causes) -> None:
    """Report servers that do not serve, once each however many domains they should."""
    for name, domains in (*seen.zones.items(), (seen.view.parent, seen.under_parent)):
        zone = seen.view.zone(name)
        if zone.dead:
            _dead(seen, causes, zone, domains)
        for address, state in zone.states.items():
            if state in STATE_RULES and not zone.dead:
                told, lines = server(zone, address, state=state), [zone.soa[address].line]
                causes.add(STATE_RULES[state], address, domains, told, lines=lines)
            if state in SERVING:
                _manners(seen, causes, zone, address, domains)
            stranger = seen.view.recursion.get(address)
            if stranger and stranger.outcome == "answer" and "ra" in stranger.flags.split():
                lines = [stranger.line]
                causes.add("DNS_OPEN_RECURSION", address, domains, server(zone, address), lines=lines)


def _dead(seen: Seen, causes: Causes, zone: ZoneView, domains: list[str]) -> None:
    told = [
        server(zone, address, state=state if state not in SERVING else seen.view.edns(address))
        for address, state in sorted(zone.states.items())
    ]
    lines = [one.line for one in (zone.soa.values() if told else zone.referrals)]
    subject = tuple(one["address"] for one in told) or zone.names
    lost = [{"name": n, "status": why} for n, why in zone.unreached.items() if why != "private"]
    facts = {"names": zone.names, "servers": told, "lost": lost}
    causes.add("DNS_DELEGATION_DEAD", subject, domains, facts, lines=lines)


def _manners(seen: Seen, causes: Causes, zone: ZoneView, address: str, domains: Sequence[str]) -> None:
    """Report a server that serves, but on one transport only, late, or not with EDNS."""
    view = seen.view
    told = {t: said for t in TRANSPORTS if (said := view.apex.get((zone.name, address, t)))}
    heard = {transport: said.outcome not in SILENT for transport, said in told.items()}
    edns, lines = view.edns(address), [zone.soa[address].line]
    found: list[tuple[str, dict[str, str], list[int]]] = []
    if len(set(heard.values())) > 1 and (heard["tcp"] or address not in view.late):
        rule = "DNS_UDP_ONLY" if heard["udp"] else "DNS_TCP_ONLY"
        found.append((rule, {}, [said.line for said in told.values()]))
    if edns == "notimp" or (edns in EDNS_BROKEN and not zone.dead):
        found.append(("DNS_EDNS_BROKEN", {"state": edns}, lines))
    if edns == "refused":
        found.append(("DNS_EDNS_REFUSED", {}, lines))
    if address in view.late:
        found.append(("DNS_SERVER_SLOW", {}, [view.late[address]]))
    for rule, more, own in found:
        causes.add(rule, address, domains, server(zone, address, **more), lines=own)


def serial_causes(seen: Seen, causes: Causes, zone: str, domains: Sequence[str], rule: str) -> None:
    """Report the servers of a zone that have an older serial than another, beyond the grace time."""
    told = seen.view.zone(zone)
    serials: dict[str, int] = {}
    grace = timedelta()
    for address, one in told.soa.items():
        fields = next(iter(one.answers), "").split()
        if told.states[address] == "serving" and len(fields) == 7 and "".join(fields[2:4]).isdigit():
            serials[address] = int(fields[2])
            grace = max(grace, min(timedelta(seconds=int(fields[3])), GRACE_MAX))
    newest = newest_of(list(serials.values()))
    late = sorted(address for address, serial in serials.items() if serial != newest)
    made = published(newest)
    if not late or (made is not None and seen.observation.started_at < made + grace):
        return
    ahead = next(address for address, serial in serials.items() if serial == newest)
    behind = [server(told, address, serial=serials[address]) for address in late]
    causes.add(
        rule, tuple(late), domains, {"zone": zone, "servers": behind}, server(told, ahead, serial=newest),
        [told.soa[address].line for address in (*late, ahead)],
    )  # fmt: skip


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


def parent_findings(seen: Seen, causes: Causes) -> None:
    """Report, once each, where servers of the parent zone disagree: its serial, what they say of domains."""
    parent = seen.view.parent
    serial_causes(seen, causes, parent, seen.under_parent, "DNS_PARENT_SERIALS")
    groups: dict[frozenset[frozenset[str]], list[tuple[str, dict[str, Said]]]] = {}
    for domain in seen.under_parent:
        replies = seen.view.said.get((parent, seen.methods[domain].path.qname, "MX"), {})
        told = {address: one for address, one in replies.items() if _kind(one)}
        said: dict[object, set[str]] = {}
        for address, one in told.items():
            said.setdefault(_content(one), set()).add(address)
        if len(said) > 1:
            groups.setdefault(frozenset(map(frozenset, said.values())), []).append((domain, told))
    for sides, found in groups.items():
        counts: dict[str, Counter[str]] = {}
        for _, told in found:
            for address, one in told.items():
                counts.setdefault(address, Counter())[_kind(one)] += 1
        servers = [
            server(seen.view.zone(parent), address, says={kind: kinds[kind] for kind in KINDS if kinds[kind]})
            for address, kinds in sorted(counts.items())
        ]
        lines = [one.line for _, told in found for one in told.values()]
        subject = tuple(sorted(" ".join(sorted(side)) for side in sides))
        domains = [domain for domain, _ in found]
        causes.add("DNS_PARENT_DISAGREE", subject, domains, {"servers": servers}, lines=lines)


def _kind(one: Said) -> str:
    return "referral" if one.cut else one.outcome if one.outcome in KINDS else ""


def _content(one: Said) -> object:
    """Return what a reply says, but for what a child zone that the server carries too adds to it."""
    if one.outcome == "referral":
        return ("NS", frozenset(i.data for i in one.items if i.type == "NS" and i.owner == one.cut))
    return "child" if one.cut else (one.outcome, one.answers)
