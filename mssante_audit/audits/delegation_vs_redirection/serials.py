"""Serial numbers of a zone that differ between its servers, and for how long they have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mssante_audit.audits.delegation_vs_redirection.observed import Causes, Seen, server

GRACE_MAX = timedelta(days=1)
"""Grace is the refresh time of the zone itself (RFC 1035, 3.3.13), but not more than this."""
_WRAP = 1 << 32


def serial_causes(seen: Seen, causes: Causes, zone: str, domains: Sequence[str], rule: str) -> None:
    """Report the servers of a zone that have an older serial than another, beyond the grace time."""
    told = seen.view.zone(zone)
    serials: dict[str, int] = {}
    grace = timedelta()
    for address, one in told.soa.items():
        fields = next(iter(one.answers), "").split()
        if (
            told.states[address] == "serving"
            and len(fields) == 7
            and fields[2].isdigit()
            and fields[3].isdigit()
        ):
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
