"""Rules on single servers: silent, refusing, failing, lame, on one transport, open to strangers, behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from mssante_audit.audits.delegation_vs_redirection.observed import Causes, Seen, seen_of, server
from mssante_audit.findings.frame import Finding
from mssante_audit.observe.dns.zone import EDNS_BROKEN, SERVING, ZoneView
from mssante_audit.observe.lines import SILENT
from mssante_audit.space.trust import TrustSpace

STATE_RULES = {
    "silent": "DNS_SERVER_SILENT",
    "refusing": "DNS_SERVER_REFUSING",
    "failing": "DNS_SERVER_FAILING",
    "malformed": "DNS_SERVER_FAILING",
    "lame": "DNS_SERVER_LAME",
    "weak": "DNS_SERVER_WEAK",
    "upward": "DNS_UPWARD_REFERRAL",
    "no-soa": "DNS_SOA_MISSING",
    "partial": "DNS_SERVER_PARTIAL",
    "private": "DNS_NS_PRIVATE",
}
"""How a server serves a zone (`mssante_audit.observe.dns.zone.STATES`) → rule."""


GRACE_MAX = timedelta(days=1)
"""Grace is the refresh time of the zone itself (RFC 1035, 3.3.13), but not more than this."""
_WRAP = 1 << 32


def server_findings(space: TrustSpace) -> Iterator[Finding]:
    """Report servers that do not serve, once each however many domains they should."""
    seen = seen_of(space)
    causes = Causes(seen.rows)
    for name, domains in (*seen.zones.items(), (seen.view.parent, seen.under_parent)):
        zone = seen.view.zone(name)
        if zone.dead:
            _dead(seen, causes, zone, domains)
        else:
            for address, state in zone.states.items():
                if state in STATE_RULES:
                    causes.add(
                        STATE_RULES[state], address, domains, server(zone, address, state=state),
                        lines=[zone.soa[address].line],
                    )  # fmt: skip
        for address in zone.states:
            _transports(seen, causes, zone, address, domains)
            _manners(seen, causes, zone, address, domains)
            stranger = seen.view.recursion.get(address)
            if stranger and stranger.outcome == "answer" and "ra" in stranger.flags.split():
                causes.add(
                    "DNS_OPEN_RECURSION", address, domains, server(zone, address), lines=[stranger.line]
                )
    yield from causes.findings()


def _dead(seen: Seen, causes: Causes, zone: ZoneView, domains: list[str]) -> None:
    told = [
        server(zone, address, state=state if state not in SERVING else seen.view.edns(address))
        for address, state in sorted(zone.states.items())
    ]
    lines = zone.lines if told else [one.line for one in zone.referrals]
    subject = tuple(one["address"] for one in told) or zone.names
    lost = [{"name": n, "status": why} for n, why in zone.unreached.items() if why != "private"]
    facts = {"names": zone.names, "servers": told, "lost": lost}
    causes.add("DNS_DELEGATION_DEAD", subject, domains, facts, lines=lines)


def _manners(seen: Seen, causes: Causes, zone: ZoneView, address: str, domains: Sequence[str]) -> None:
    """Report a server that answers, though not as resolvers would have it: late, or not with EDNS."""
    if zone.states[address] not in SERVING:
        return
    lines = [zone.soa[address].line]
    edns = seen.view.edns(address)
    if edns == "notimp" or (edns in EDNS_BROKEN and not zone.dead):
        causes.add("DNS_EDNS_BROKEN", address, domains, server(zone, address, state=edns), lines=lines)
    if edns == "refused":
        causes.add("DNS_EDNS_REFUSED", address, domains, server(zone, address), lines=lines)
    if address in seen.view.late:
        causes.add(
            "DNS_SERVER_SLOW", address, domains, server(zone, address), lines=[seen.view.late[address]]
        )


def _transports(seen: Seen, causes: Causes, zone: ZoneView, address: str, domains: list[str]) -> None:
    told = seen.view.apex.get((zone.name, address), {})
    if {"udp", "tcp"} - told.keys() or zone.states[address] not in SERVING:
        return
    heard = {transport: one.outcome not in SILENT for transport, one in told.items()}
    if heard["udp"] != heard["tcp"] and (heard["tcp"] or address not in seen.view.late):
        rule = "DNS_UDP_ONLY" if heard["udp"] else "DNS_TCP_ONLY"
        lines = [one.line for one in told.values()]
        causes.add(rule, address, domains, server(zone, address), lines=lines)


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
    if not late:
        return
    made = published(newest)
    at = seen.space.observation.started_at if seen.space.observation else seen.space.as_of
    if made is not None and at < made + grace:
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
    try:
        day = datetime.strptime(str(serial)[:8], "%Y%m%d").replace(tzinfo=UTC)
        if len(str(serial)) == 10 and 1990 < day.year < 2100:
            return day + timedelta(days=1)
    except ValueError:
        pass
    if 1_000_000_000 < serial < 1_990_000_000:
        return datetime.fromtimestamp(serial, UTC)
    return None
