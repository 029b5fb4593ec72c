"""What parent and servers say of one zone, and how each server serves it."""

from functools import cached_property
from itertools import chain

from mssante_audit.network.lookups import Lookup, Lookups, way_of
from mssante_audit.network.replies import ReplyIndex
from mssante_audit.observe.dns.names import is_under, upwards
from mssante_audit.observe.lines import Reply, servers_in

# How a server that is of use to a resolver serves a zone: `partial` answers, but not when asked for the SOA;
# `weak` answers without authority. The others are silent, refusing, failing, upward, lame, malformed, or
# `private` (its address is none to ask).
SERVING = ("serving", "no-soa", "partial", "weak")
EDNS_BROKEN = ("dropped", "badvers")
_OF_OUTCOME = {
    "refused": "refusing", "servfail": "failing", "malformed": "malformed", "truncated": "malformed",
}  # fmt: skip


class Zone:
    """What parent and servers say of one zone."""

    def __init__(self, index: ReplyIndex, lookups: Lookups, name: str) -> None:
        self._index, self._lookups, self.name = index, lookups, name
        self.referrals = index.referrals.get(name, [])
        self.addresses = tuple(index.names.get(name, ()))
        servers = servers_in(self.referrals, name)
        self.glue = {server: addresses for server, addresses in servers.items() if addresses}
        """Addresses that the parent gives for servers, by name."""
        self.parent_ns = tuple(sorted(servers))
        """The servers that the parent names, sorted."""
        naming = ((a, r) for a, r in self.replies("NS").items() if r.outcome == "answer" and r.answers)
        self.own_sets = {address: tuple(sorted(reply.answers)) for address, reply in naming}
        """The servers that the zone itself names, sorted, by address that says so."""
        self.own_ns = tuple(sorted(set().union(*self.own_sets.values())))
        self.names = tuple(sorted({*self.parent_ns, *self.own_ns}))

    def replies(self, qtype: str) -> dict[str, Reply]:
        """Return what each address asked said of the zone's apex, or how it failed to."""
        answers = self._index.answers(self.name, self.name, qtype)
        return {a: answer.reply for a, answer in answers.items() if a in self.addresses and answer.reply}

    @cached_property
    def states(self) -> dict[str, str]:
        """Address → how it serves the zone, as `SERVING` says; without those of which it is not known."""
        states = {address: self._state(address) for address in self.addresses}
        return {address: state for address, state in states.items() if state}

    def _state(self, address: str) -> str:
        soa = self._index.over(self.name, self.name, "SOA", address, "udp")
        if soa is not None and "private" in soa.flags:
            return "private"
        reply = self._index.answer(self.name, self.name, "SOA", address).reply
        speaks = self._index.speaks.get(self.name, {}).get(address)
        if reply is None:
            return ""
        if reply.outcome in ("answer", "nodata") and "aa" in reply.flags.split():
            return "serving" if reply.answers else "no-soa"
        if speaks is not None or reply.weak:
            return "partial" if speaks and not reply.weak else "weak"
        if state := _OF_OUTCOME.get(reply.outcome):
            return state
        above = {r.owner for r in reply.records if r.section == "authority" and r.type == "NS"} - {self.name}
        upward = any(is_under(self.name, owner) for owner in above)
        return "silent" if reply.silent else "upward" if upward else "lame"

    def answers_over(self, address: str, transport: str) -> bool | None:
        """Whether a server says anything about the zone's apex over a transport; ``None``: not known."""
        replies = [self._index.over(self.name, self.name, t, address, transport) for t in ("SOA", "NS", "MX")]
        return any(not reply.silent for reply in replies if reply) if any(replies) else None

    @cached_property
    def hosts(self) -> dict[str, tuple[Lookup, ...]]:
        """What is known of the addresses of each server, of both families."""
        look_up = self._lookups.look_up
        return {name: (look_up(name, "A"), look_up(name, "AAAA")) for name in self.names}

    @cached_property
    def known(self) -> dict[str, set[str]]:
        """The addresses of each server, as the parent gives them and as they are looked up."""
        return {
            name: {*self.glue.get(name, ()), *(address for host in hosts for address in host.data)}
            for name, hosts in self.hosts.items()
        }

    @cached_property
    def unreached(self) -> dict[str, str]:
        """Server → why not all ask it: ``private``, ``partly``, ``no-glue``, ``cycle``, a `Lookup.status`."""
        return {name: reason for name in self.names if (reason := self._unreached(name))}

    def _unreached(self, name: str) -> str:
        if addresses := self.known[name]:
            if {self.states.get(address) for address in addresses} == {"private"}:
                return "private"
            return "partly" if not self.glue.get(name) and way_of(self.hosts[name]) == "partly" else ""
        status = min((lookup.status for lookup in self.hosts[name]), key=lambda s: (bool(s), s != "nxdomain"))
        if is_under(name, self.name):
            return "no-glue" if name in self.parent_ns else status.replace("failed", "no-glue")
        return "cycle" if status in ("failed", "") and self._goes_round(name) else status

    def _goes_round(self, name: str, path: tuple[str, ...] = ()) -> bool:
        """Whether a name is found only by way of this zone, which needs it; without glue all the way."""
        above = next((zone for zone in upwards(name) if zone in self._index.referrals), "")
        if above == self.name or not above or above in path or len(path) > 8:
            return above == self.name
        servers = servers_in(self._index.referrals[above], above)
        if any(servers.values()) or any(self._lookups.server(server)[0] for server in servers):
            return False
        return any(self._goes_round(server, (*path, above)) for server in servers)

    @property
    def ipv6_only(self) -> bool:
        """Whether all servers have IPv6 addresses only; of names inside the zone the parent's word counts."""
        beyond = [name for name in self.names if not (self.glue.get(name) or is_under(name, self.name))]
        addresses = {*chain(*self.glue.values(), *(self.known[name] for name in beyond))}
        known = all(self.hosts[name][0].status for name in beyond)
        return known and bool(addresses) and all(":" in address for address in addresses)

    def names_of(self, address: str) -> list[str]:
        """Return the names of the server at an address: the one it was asked by, then those it shares."""
        names = [name for name in self._index.names.get(self.name, {}).get(address, ()) if name]
        return list(dict.fromkeys((*names, *(n for n in self.names if address in self.known[n]))))
