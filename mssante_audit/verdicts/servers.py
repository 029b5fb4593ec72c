"""The servers that a zone is handed over to: whether they can be found, and what each says of a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.dns.view import Said
from mssante_audit.observe.dns.walk import MAX_NAMES
from mssante_audit.verdicts.answers import YES, Part
from mssante_audit.verdicts.chain import Chain
from mssante_audit.verdicts.heard import DIM, NOTHING, PARTLY, Heard, Word
from mssante_audit.verdicts.lookups import Lookups, glue_of, names_of

OF_SERVERS = {
    "bogus": "dnssec-bogus", "tcp": "servers-tcp", "slow": "servers-slow", "notimp": "servers-edns",
    "alias": "servers-alias", "ipv6": "servers-ipv6",
}  # fmt: skip
"""How a zone's servers answer, where none answers all resolvers → cause."""


class Named(NamedTuple):
    """A server that a zone is handed over to."""

    name: str
    addresses: tuple[str, ...]
    glueless: bool = False
    """Whether its name lies in the zone, and nobody above gives its address."""
    alias: bool = False
    """Whether its name is an alias, and nobody above gives its address: BIND does not follow it."""


class Server(NamedTuple):
    """A server with what its addresses said of a name."""

    name: str
    words: dict[str, Word]
    """By address that can be asked; of one that the observer cannot reach there is none."""
    state: str
    """``sound``, ``ipv6``, one of `PARTLY`, ``dim`` (both: `heard`), ``alias``, ``dead``, ``no-glue`` (found
    by asking another) or "" (unheard)."""
    found: frozenset[str]
    """Addresses over which it is sound."""


class Servers:
    """The servers of zones in what was heard; those of one delegation are looked for once."""

    def __init__(self, heard: Heard, chain: Chain, lookups: Lookups) -> None:
        self._heard, self._chain, self._lookups = heard, chain, lookups
        self._handed: dict[tuple[str, frozenset[tuple[object, ...]]], list[Named] | None] = {}

    def of(self, zone: str, referrals: Sequence[Said], name: str) -> list[Server] | None:
        """Return a zone's servers and what they said of a name; ``None`` if not all are known."""
        if zone == self._heard.parent:
            named = self._parents
        else:
            key = (zone, frozenset(one.items for one in referrals))
            if key not in self._handed:
                self._handed[key] = self._follow(zone, referrals)
            named = self._handed[key]
        return None if named is None else [self._server(zone, one, name) for one in named]

    def _follow(self, zone: str, referrals: Sequence[Said]) -> list[Named] | None:
        """Return the servers that parent and zone name; ``None`` if not all of them are known."""
        glue = glue_of(referrals, zone)
        handed = sorted(names_of(referrals, zone))[:MAX_NAMES]
        servers: list[Named] = []
        own: set[str] = set()
        more = handed
        while more:
            for host in more:
                addresses = set(glue.get(host, ()))
                found = self._lookups.host(host)
                for looked in (found.v4, found.v6) if self._heard.ipv6 else (found.v4,):
                    if not looked.status:
                        return None
                    addresses.update(looked.data)
                glueless = is_under(host, zone) and host not in glue and host in handed
                alias = host not in glue and any(one.alias for looked in found for one in looked.replies)
                servers.append(Named(host, tuple(sorted(addresses)), glueless, alias))
                for address in addresses:
                    if not self._heard.usable(address):
                        continue
                    soa, ns = (self._heard.word(zone, zone, t, address, walked=True) for t in ("SOA", "NS"))
                    if not soa.kind or not ns.kind:
                        return None
                    if ns.told and ns.reply:
                        own |= names_of((ns.reply,), zone)
            known = {server.name for server in servers}
            more = sorted(own.difference(known))[: MAX_NAMES - len(known)]
        return servers

    @cached_property
    def _parents(self) -> list[Named] | None:
        """The servers of the parent zone: those given to the observer, or all that the zone names."""
        zone, heard = self._heard.parent, self._heard
        by_name: dict[str, set[str]] = {}
        for host, address in heard.parent_servers:
            by_name.setdefault(host, set()).add(address)
        if not by_name:
            by_name = {host: set(own) for host, own in heard.names.items()}
            named = {
                text
                for other in heard.asked.get((zone, "NS"), ())
                for word in heard.words(other, zone, "NS").values()
                if word.told and word.reply and word.reply.outcome == "answer"
                for text in word.reply.data
            }
            for host in named:
                found = self._lookups.host(host)
                by_name.setdefault(host, set()).update((*found.v4.data, *found.v6.data))
            if not named or not all(by_name.values()):
                return None
        return [Named(host, tuple(sorted(by_name[host]))) for host in sorted(by_name)] or None

    def _server(self, zone: str, named: Named, name: str) -> Server:
        words: dict[str, Word] = {}
        beyond = False
        for address in named.addresses:
            usable = self._heard.usable(address)
            beyond = beyond or usable is None
            if not usable:
                continue
            word = self._heard.word(zone, name, "MX", address, walked=True)
            fault = self._chain.fault(zone, word, walked=True)
            if fault is not False:
                word = NOTHING if fault is None else word._replace(kind="bogus")
            words[address] = word
        kinds = {word.kind for word in words.values()}
        plain = frozenset(a for a, word in words.items() if word.kind == "told")
        over4 = frozenset(a for a in plain if ":" not in a)
        if "" in kinds:
            state = ""
        elif plain:
            state = "sound" if over4 else "ipv6"
        elif partly := [kind for kind in (*PARTLY, DIM) if kind in kinds]:
            state = partly[0]
        elif beyond:
            state = "" if words else "ipv6"
        else:
            state = "dead"
        if named.glueless and state and words:
            state = "no-glue"
        elif named.alias and state in ("sound", "ipv6"):
            state = "alias"
        return Server(named.name, words, state, over4 or plain or frozenset(named.addresses))


def of_servers(heard: Heard, zone: str, servers: list[Server] | None, words: Mapping[str, Word]) -> Part:
    """Tell whether a zone's servers answer, and on how many of them that hangs; `words`: by address."""
    if not servers or any(not server.state for server in servers):
        return Part("unknown", "servers-unheard", {"zone": zone})
    if all(server.state == "sound" for server in servers):
        return YES
    dead = sorted(server.name for server in servers if server.state == "dead")
    facts = {"zone": zone, "servers": dead}
    if len(dead) == len(servers):
        return _dead(heard, zone, words, facts)
    sound = [server for server in servers if server.state in ("sound", "ipv6")]
    dim = any(server.state == DIM for server in servers)
    ways = min(len(sound), len({address for server in sound for address in server.found}))
    if dim and ways != 1:
        return Part("unknown", "servers-unheard", facts)
    if not any(server.state in ("sound", "no-glue") for server in servers):
        states = {server.state for server in servers}
        kind = next(kind for kind in (*PARTLY, "alias", "ipv6") if kind in states)
        return Part("degraded", OF_SERVERS[kind], facts | {"servers": sorted(s.name for s in servers)})
    left = sorted(s.name for s in servers if s.state not in ("sound", "ipv6"))
    return Part("degraded", "one-server", facts | {"servers": left}) if left and ways == 1 else YES


def _dead(heard: Heard, zone: str, words: Mapping[str, Word], facts: Mapping[str, Any]) -> Part:
    """Tell why no server of a zone gives an answer."""
    if not words:
        return Part("no", "zone-lost", facts)
    kinds = {word.kind for word in words.values()}
    if zone == heard.parent and kinds == {"silent"}:
        return Part("unknown", "parent-silent", {"zone": zone})  # it may be our own network
    if "edns" in kinds:
        return Part("no", "edns-dropped", facts)
    soa = heard.words(zone, zone, "SOA", walked=True)
    alive = any(soa[address].told for address in words if address in soa)
    return Part("no", "mx-unanswered" if alive else "zone-dead", facts)
