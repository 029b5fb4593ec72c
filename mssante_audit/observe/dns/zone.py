"""What parent and servers say of one zone, and how each server serves it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from ipaddress import ip_network
from typing import TYPE_CHECKING

from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.lines import SILENT

if TYPE_CHECKING:
    from mssante_audit.observe.dns.view import Said, View

STATES = (
    "serving", "no-soa", "partial", "weak", "silent", "refusing", "failing", "upward", "lame", "malformed",
    "private",
)  # fmt: skip
"""How a server serves a zone. The first four are of use to a resolver: ``partial`` answers, but not when
asked for the SOA; ``weak`` answers without authority. ``private``: its address is none to ask."""
SERVING = STATES[:4]
UNREACHED = ("private", "no-glue", "nxdomain", "nodata", "loop", "cycle", "failed", "unknown")
"""Why nobody reaches a server by its name; ``unknown`` is the one that proves nothing."""
EDNS_BROKEN = ("dropped", "badvers")


class ZoneView:
    """What parent and servers say of a zone."""

    def __init__(self, view: View, name: str) -> None:
        self.view, self.name = view, name
        self.referrals = view.referrals.get(name, [])
        self.anchors = view.anchors.get(name, [])
        self.soa = view.said.get((name, name, "SOA"), {})
        self.ns = view.said.get((name, name, "NS"), {})
        self.keys = view.said.get((name, name, "DNSKEY"), {})
        self.servers = view.servers.get(name, {})
        """Address asked → names under which."""

    @cached_property
    def parent_ns(self) -> tuple[str, ...]:
        """The servers that the parent names, sorted."""
        return tuple(sorted(set(data_of(self.referrals, "NS", self.name))))

    @cached_property
    def own_ns(self) -> tuple[str, ...]:
        """The servers that the zone itself names, sorted: all that any of its servers does."""
        told = (one.answers for one in self.ns.values() if one.outcome == "answer")
        return tuple(sorted(frozenset().union(*told)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(sorted({*self.parent_ns, *self.own_ns}))

    @cached_property
    def ds(self) -> tuple[str, ...]:
        """The DS records that the parent gives."""
        return tuple(sorted(set(data_of([*self.referrals, *self.anchors], "DS", self.name))))

    @cached_property
    def unanchored(self) -> bool:
        """Whether a server of the zone above said that there is no DS, or a signed referral has none."""
        denied = any(one.outcome == "nodata" for one in self.anchors)
        return not self.ds and (denied or any("signed" in one.flags for one in self.referrals))

    @cached_property
    def glue(self) -> dict[str, tuple[str, ...]]:
        """Addresses that the parent gives for servers, by name."""
        found: dict[str, set[str]] = {}
        for item in (i for one in self.referrals for i in one.items if i.section == "additional"):
            if item.type in ("A", "AAAA") and item.owner in self.parent_ns:
                found.setdefault(item.owner, set()).add(item.data)
        return {name: tuple(sorted(addresses)) for name, addresses in found.items()}

    @cached_property
    def states(self) -> dict[str, str]:
        """Address → how it serves the zone, one of `STATES`."""
        speaking = self.view.speaking.get(self.name, {})
        return {address: state_of(one, self.name, speaking.get(address)) for address, one in self.soa.items()}

    @cached_property
    def sound(self) -> tuple[str, ...]:
        """The addresses that speak for the zone to a resolver of today, who asks with EDNS."""
        return tuple(
            address
            for address, state in self.states.items()
            if state in SERVING and self.view.edns(address) not in EDNS_BROKEN
        )

    @cached_property
    def unreached(self) -> dict[str, str]:
        """Name of a server none of whose addresses was asked → why, one of `UNREACHED`."""
        return {name: reason for name in self.names if (reason := self._unreached(name))}

    def _unreached(self, name: str) -> str:
        host = self.view.host(name)
        known = {*self.glue.get(name, ()), *host.addresses}
        if known:
            states = [self.states[address] for address in known if address in self.states]
            if any(state != "private" for state in states):
                return ""
            return "private" if len(states) == len(known) else "unknown"
        if is_under(name, self.name):
            return "no-glue"
        if host.status in ("nxdomain", "nodata", "loop"):
            return host.status
        if self.view.goes_round(name, self.name):
            return "cycle"
        return "failed" if host.status == "failed" else "unknown"

    @cached_property
    def dead(self) -> bool:
        """Whether no resolver gets anything: no server asked speaks for the zone, or none can be asked."""
        if any(state != "private" for state in self.states.values()):
            return not self.sound
        return bool(self.names) and "unknown" not in self.unreached.values()

    @cached_property
    def ipv6_only(self) -> bool:
        """Whether all servers have IPv6 addresses only; of names inside the zone the parent's word counts."""
        known = [
            address
            for n in self.names
            for address in self.glue.get(n) or (() if is_under(n, self.name) else self.view.host(n).addresses)
        ]
        return bool(known) and all(":" in address for address in known)

    def names_of(self, address: str) -> list[str]:
        """Return the names of the server at an address: the one it was asked by, then those it shares."""
        asked = [name for name in self.servers.get(address, ()) if name]
        more = (n for n in self.names if address in (*self.glue.get(n, ()), *self.view.host(n).addresses))
        return list(dict.fromkeys((*asked, *more)))


def state_of(one: Said, zone: str, speaks: bool | None = None) -> str:
    """Tell from the reply to the question for the SOA how a server serves a zone.

    `speaks` tells of its other replies: ``True`` if one has authority, ``False`` if one is usable without.
    """
    if one.outcome in ("answer", "nodata") and "aa" in one.flags.split():
        return "serving" if one.outcome == "answer" and one.answers else "no-soa"
    if "private" in one.flags:
        return "private"
    if speaks is not None and not one.weak:
        return "partial" if speaks else "weak"
    if one.weak:
        return "weak"
    if one.outcome in SILENT:
        return "silent"
    if one.outcome in ("refused", "servfail", "malformed", "truncated"):
        return {"refused": "refusing", "servfail": "failing"}.get(one.outcome, "malformed")
    above = {i.owner for i in one.items if i.section == "authority" and i.type == "NS"} - {zone}
    return "upward" if any(is_under(zone, owner) for owner in above) else "lame"


def network(address: str) -> str:
    """Return the /24 or /48 an address lies in.

    >>> network("192.0.2.7"), network("2001:db8:1:2::7")
    ('192.0.2.0/24', '2001:db8:1::/48')
    """
    return str(ip_network(f"{address}/{48 if ':' in address else 24}", strict=False))


def data_of(replies: Iterable[Said], rdtype: str, owner: str) -> Iterator[str]:
    """Yield the data of an owner's records of a type, reply by reply."""
    return (i.data for one in replies for i in one.items if i.type == rdtype and i.owner == owner)
