"""What parent and servers say of one zone, and how each server serves it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from ipaddress import ip_network

from mssante_audit.network.lookups import Found, Lookups, glue_of, names_of
from mssante_audit.network.replies import ReplyIndex
from mssante_audit.observe.dns.names import is_under, upwards
from mssante_audit.observe.lines import Reply

STATES = (
    "serving", "no-soa", "partial", "weak", "silent", "refusing", "failing", "upward", "lame", "malformed",
    "private",
)  # fmt: skip
"""How a server serves a zone. The first four are of use to a resolver: ``partial`` answers, but not when
asked for the SOA; ``weak`` answers without authority. ``private``: its address is none to ask."""
SERVING = STATES[:4]
EDNS_BROKEN = ("dropped", "badvers")


class Zone:
    """What parent and servers say of one zone."""

    def __init__(self, index: ReplyIndex, lookups: Lookups, name: str) -> None:
        self._index, self._lookups, self.name = index, lookups, name
        self.referrals = index.referrals.get(name, [])
        self.addresses = tuple(index.names.get(name, ()))

    def replies(self, qtype: str) -> dict[str, Reply]:
        """Return what each address asked said of the zone's apex, or how it failed to."""
        answers = self._index.answers(self.name, self.name, qtype)
        return {a: answer.reply for a, answer in answers.items() if a in self.addresses and answer.reply}

    @cached_property
    def parent_ns(self) -> tuple[str, ...]:
        """The servers that the parent names, sorted."""
        return tuple(sorted(names_of(self.referrals, self.name)))

    @cached_property
    def own_sets(self) -> dict[str, tuple[str, ...]]:
        """The servers that the zone itself names, sorted, by address that says so."""
        replies = self.replies("NS").items()
        sets = {a: tuple(sorted(reply.answers)) for a, reply in replies if reply.outcome == "answer"}
        return {address: names for address, names in sets.items() if names}

    @cached_property
    def own_ns(self) -> tuple[str, ...]:
        """All of these."""
        return tuple(sorted(set().union(*self.own_sets.values())))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all its servers."""
        return tuple(sorted({*self.parent_ns, *self.own_ns}))

    @cached_property
    def glue(self) -> Mapping[str, set[str]]:
        """Addresses that the parent gives for servers, by name."""
        return glue_of(self.referrals, self.name)

    @cached_property
    def states(self) -> dict[str, str]:
        """Address → how it serves the zone, one of `STATES`; without those of which it is not known."""
        states = {address: self._state(address) for address in self.addresses}
        return {address: state for address, state in states.items() if state}

    def _state(self, address: str) -> str:
        soa = self._index.over(self.name, self.name, "SOA", address, "udp")
        if soa is not None and "private" in soa.flags:
            return "private"
        answer = self._index.answer(self.name, self.name, "SOA", address)
        reply, speaks = answer.reply, self._index.speaks.get(self.name, {}).get(address)
        if reply is None:
            return ""
        if reply.outcome in ("answer", "nodata") and "aa" in reply.flags.split():
            return "serving" if reply.answers else "no-soa"
        if speaks is not None or reply.weak:
            return "partial" if speaks and not reply.weak else "weak"
        if reply.outcome in ("refused", "servfail", "malformed", "truncated"):
            return {"refused": "refusing", "servfail": "failing"}.get(reply.outcome, "malformed")
        above = {r.owner for r in reply.records if r.section == "authority" and r.type == "NS"} - {self.name}
        upward = any(is_under(self.name, owner) for owner in above)
        return "silent" if reply.silent else "upward" if upward else "lame"

    def answers_over(self, address: str, transport: str) -> bool | None:
        """Whether a server says anything about the zone's apex over a transport; ``None``: not known."""
        replies = [self._index.over(self.name, self.name, t, address, transport) for t in ("SOA", "NS", "MX")]
        return any(not reply.silent for reply in replies if reply) if any(replies) else None

    @cached_property
    def hosts(self) -> dict[str, tuple[Found, ...]]:
        """What is known of the addresses of each server, of both families."""
        look_up = self._lookups.look_up
        return {name: (look_up(name, "A"), look_up(name, "AAAA")) for name in self.names}

    def known(self, name: str) -> set[str]:
        """Return the addresses of a server, as the parent gives them and as they are looked up."""
        return {*self.glue.get(name, ()), *(a for found in self.hosts[name] for a in found.data)}

    @cached_property
    def unreached(self) -> dict[str, str]:
        """Server that cannot be asked → ``private``, ``no-glue``, ``cycle`` or a status of `Found`."""
        return {name: why for name in self.names if (why := self._unreached(name))}

    def _unreached(self, name: str) -> str:
        if known := self.known(name):
            private = all(self.states.get(address) == "private" for address in known)
            return "private" if private else ""
        status = min((found.status for found in self.hosts[name]), key=lambda s: (bool(s), s != "nxdomain"))
        if is_under(name, self.name):
            return "no-glue" if name in self.parent_ns else status.replace("failed", "no-glue")
        if status in ("failed", "") and self._goes_round(name):
            return "cycle"
        return status

    def _goes_round(self, name: str, seen: tuple[str, ...] = ()) -> bool:
        """Whether a name is found only by way of this zone, which needs it; without glue all the way."""
        above = next((zone for zone in upwards(name) if zone in self._index.referrals), "")
        if above == self.name:
            return True
        if not above or above in seen or len(seen) > 8:
            return False
        referrals = self._index.referrals[above]
        names = names_of(referrals, above)
        found = any(lookup.data for n in names for lookup in self._lookups.addresses(n))
        return not (glue_of(referrals, above) or found) and any(
            self._goes_round(n, (*seen, above)) for n in names
        )

    @property
    def ipv6_only(self) -> bool:
        """Whether all servers have IPv6 addresses only; of names inside the zone the parent's word counts."""
        beyond = {name: () if is_under(name, self.name) else self.known(name) for name in self.names}
        known = [address for name in self.names for address in self.glue.get(name) or beyond[name]]
        return bool(known) and all(":" in address for address in known)

    def names_of(self, address: str) -> list[str]:
        """Return the names of the server at an address: the one it was asked by, then those it shares."""
        asked = [name for name in self._index.names.get(self.name, {}).get(address, ()) if name]
        return list(dict.fromkeys((*asked, *(n for n in self.names if address in self.known(n)))))


def network(address: str) -> str:
    """Return the /24 or /48 an address lies in.

    >>> network("192.0.2.7"), network("2001:db8:1:2::7")
    ('192.0.2.0/24', '2001:db8:1::/48')
    """
    return str(ip_network(f"{address}/{48 if ':' in address else 24}", strict=False))
