"""The servers that a zone is handed over to, and those that it names itself: whether they can be asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mssante_audit.network.answers import YES, Part
from mssante_audit.network.dnssec import Chains
from mssante_audit.network.lookups import Lookups, glue_of, names_of
from mssante_audit.network.replies import NO_EVIDENCE, PARTIAL, UNKNOWN, ReplyIndex, ServerAnswer
from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.dns.walk import MAX_NAMES
from mssante_audit.observe.lines import Reply

OF_SERVERS = {
    "bogus": "dnssec-bogus", "tcp": "servers-tcp", "slow": "servers-slow", "notimp": "servers-edns",
    "alias": "servers-alias", "own": "own-servers", "long": "alias-long", "ipv6": "servers-ipv6",
}  # fmt: skip
"""How a zone's servers answer, where none answers all resolvers → cause."""
DEAD = ("zone-dead", "zone-lost", "edns-dropped")
"""Causes of a zone none of whose servers answers for it."""


class Named(NamedTuple):
    """A server that a zone is handed over to, or names itself."""

    name: str
    addresses: tuple[str, ...]
    glueless: bool = False
    """Whether its name lies in the zone, and nobody above gives its address."""
    alias: bool = False
    """Whether its name is an alias, and nobody above gives its address: BIND does not follow it."""


class Server(NamedTuple):
    """A server with what its addresses said of a name."""

    name: str
    answers: dict[str, ServerAnswer]
    """By address that can be asked; of one that the observer cannot reach there is none."""
    state: str
    """``sound``, ``ipv6``, one of `PARTIAL`, ``alias``, ``dead``, ``no-glue`` (found by asking another) or ""
    (not known)."""
    sound: frozenset[str]


class Sets(NamedTuple):
    """The servers of a zone, each set by itself (RFC 2181, 5.4.1)."""

    handed: tuple[Named, ...]
    """As the zone above names them."""
    zone_sets: tuple[tuple[Named, ...], ...]
    """As the zone itself names them, each set that one of its servers gives and the zone above does not."""
    many: bool = False
    """Whether there are more than anybody follows."""


class Servers:
    """The servers of zones in an observation; those of one delegation are looked for once."""

    def __init__(self, index: ReplyIndex, chains: Chains, lookups: Lookups) -> None:
        self._index, self._chains, self._lookups = index, chains, lookups
        self._sets: dict[tuple[str, frozenset[object]], Sets | None] = {}

    def sets(self, zone: str, referrals: Sequence[Reply]) -> Sets | None:
        """Return a zone's servers; ``None`` if not all are known."""
        key = (zone, frozenset(reply.records for reply in referrals))
        if key not in self._sets:
            self._sets[key] = self._follow(zone, referrals)
        return self._sets[key]

    def _follow(self, zone: str, referrals: Sequence[Reply]) -> Sets | None:
        if zone == self._index.parent:
            hosts = self._lookups.parents.items()
            known = tuple(Named(host, tuple(sorted(addresses))) for host, addresses in sorted(hosts))
            return Sets(known, ()) if known else None
        names, glue = frozenset(names_of(referrals, zone)), glue_of(referrals, zone)
        sets: dict[frozenset[str], tuple[Named, ...]] = {}
        todo = [names]
        while todo:
            wanted = todo.pop(0)
            found = self._found(zone, sorted(wanted)[:MAX_NAMES], glue, handed=wanted == names)
            if found is None:
                return None
            sets[wanted] = found
            for address in {address for server in found for address in server.addresses}:
                if not self._index.usable(address):
                    continue
                soa, ns = (self._index.answer(zone, zone, qtype, address) for qtype in ("SOA", "NS"))
                if not soa.kind or not ns.kind:
                    return None
                named = frozenset(ns.reply.answers) if ns.informs and ns.reply else frozenset()
                if named and named not in sets and named not in todo:
                    todo.append(named)
        handed, *own_sets = sets.values()
        return Sets(handed, tuple(own_sets), many=any(len(wanted) > MAX_NAMES for wanted in sets))

    def _found(
        self, zone: str, names: Iterable[str], glue: Mapping[str, set[str]], *, handed: bool
    ) -> tuple[Named, ...] | None:
        """Return the servers of some names; ``None`` if an address is not known."""
        servers = []
        for name in names:
            addresses, alias, heard = self._lookups.server(name, glue)
            if not heard:
                return None
            glueless = handed and is_under(name, zone) and name not in glue
            servers.append(Named(name, tuple(sorted(addresses)), glueless, alias))
        return tuple(servers)

    def asked(self, zone: str, named: Named, name: str) -> Server:
        """Return a server with what it said of a name's mail."""
        answers: dict[str, ServerAnswer] = {}
        beyond = False
        for address in named.addresses:
            usable = self._index.usable(address)
            beyond = beyond or usable is None
            if not usable:
                continue
            answer = self._index.answer(zone, name, "MX", address, walked=True)
            refused = self._chains.refuses(zone, answer, walked=True)
            if refused is not False:
                answer = UNKNOWN if refused is None else answer._replace(kind="bogus")
            answers[address] = answer
        kinds = {answer.kind for answer in answers.values()}
        plain = frozenset(address for address, answer in answers.items() if answer.kind == "said")
        over4 = frozenset(address for address in plain if ":" not in address)
        if NO_EVIDENCE in kinds:
            state = ""
        elif plain:
            state = "sound" if over4 else "ipv6"
        elif partial := [kind for kind in PARTIAL if kind in kinds]:
            state = partial[0]
        elif beyond:
            state = "" if answers else "ipv6"
        else:
            state = "dead"
        if named.glueless and state and answers:
            state = "no-glue"
        elif named.alias and state in ("sound", "ipv6"):
            state = "alias"
        return Server(named.name, answers, state, over4 or plain or frozenset(named.addresses))

    def judge(self, zone: str, servers: Sequence[Server]) -> Part:
        """Tell whether a set of a zone's servers answers, and on how many of them that hangs."""
        if not servers or any(not server.state for server in servers):
            return Part("unknown", "servers-unheard", {"zone": zone})
        if all(server.state == "sound" for server in servers):
            return YES
        dead = sorted(server.name for server in servers if server.state == "dead")
        facts = {"zone": zone, "servers": dead}
        if len(dead) == len(servers):
            return self._dead(zone, servers, facts)
        sound = [server for server in servers if server.state in ("sound", "ipv6")]
        ways = min(len(sound), len({address for server in sound for address in server.sound}))
        if not any(server.state in ("sound", "no-glue") for server in servers):
            states = {server.state for server in servers}
            kind = next(kind for kind in (*PARTIAL, "alias", "ipv6") if kind in states)
            return Part("degraded", OF_SERVERS[kind], facts | {"servers": sorted(s.name for s in servers)})
        left = sorted(s.name for s in servers if s.state not in ("sound", "ipv6"))
        return Part("degraded", "one-server", facts | {"servers": left}) if left and ways == 1 else YES

    def _dead(self, zone: str, servers: Sequence[Server], facts: Mapping[str, Any]) -> Part:
        """Tell why no server of a zone gives an answer."""
        answers = {a: answer for server in servers for a, answer in server.answers.items()}
        if not answers:
            return Part("no", "zone-lost", facts)
        kinds = {answer.kind for answer in answers.values()}
        if zone == self._index.parent and kinds == {"silent"}:
            return Part("unknown", "parent-silent", {"zone": zone})  # it may be our own network
        if "edns" in kinds:
            return Part("no", "edns-dropped", facts)
        alive = any(self._index.answer(zone, zone, "SOA", address).informs for address in answers)
        return Part("no", "mx-unanswered" if alive else "zone-dead", facts)
