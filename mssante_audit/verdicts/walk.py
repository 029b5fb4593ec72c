"""The walk that a sender's resolver would make, from the parent zone down, in what was heard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mssante_audit.observe.dns.exchangers import targets
from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.dns.view import Said
from mssante_audit.observe.dns.walk import MAX_NAMES
from mssante_audit.observe.lines import MAX_ALIASES
from mssante_audit.observe.observation import Observation
from mssante_audit.verdicts.answers import NOT_REACHED, YES, Part, Step, Ways, both, together
from mssante_audit.verdicts.chain import Chain
from mssante_audit.verdicts.heard import Heard, Word
from mssante_audit.verdicts.hosts import MailHosts
from mssante_audit.verdicts.lookups import Lookups, names_of
from mssante_audit.verdicts.servers import OF_SERVERS, Server, Servers, of_servers

MAX_RECORDS = 100
"""Of one name and type: of more BIND takes none (``max-records-per-type``)."""


class Walk:
    """Walks domains in what an observation's lines tell.

    `steps`: whether to tell each step.
    """

    def __init__(self, observation: Observation, *, steps: bool = False) -> None:
        self._tells = steps
        self._heard = Heard(observation)
        chain = Chain(observation, self._heard)
        self._lookups = Lookups(self._heard, chain)
        self._servers = Servers(self._heard, chain, self._lookups)
        self._hosts = MailHosts(self._heard, self._lookups)

    def times(self, name: str) -> list[int]:
        """Return when its MX was asked for first and last, in microseconds since 1970; empty if never."""
        return self._heard.times(name, "MX")

    def follow(self, name: str) -> Ways:
        """Follow a domain (canonical) to its mail hosts; one elsewhere is looked up as any name is."""
        parent = self._heard.parent
        return self._zone(parent, (), name, 0) if is_under(name, parent) else self._alias(name)

    def _zone(self, zone: str, referrals: Sequence[Said], name: str, depth: int) -> Ways:
        """Ask a zone's servers about a name, and follow each of the answers."""
        servers = self._servers.of(zone, referrals, name)
        words = {a: word for server in servers or () for a, word in server.words.items()}
        contents: dict[tuple[Any, ...], list[str]] = {}
        for address, word in words.items():
            for reply in (word.reply, word.other) if word.told else ():
                if reply is not None:
                    contents.setdefault(self._content(zone, name, address, reply), []).append(address)
        own = of_servers(self._heard, zone, servers, words)
        if own is YES and len(servers or ()) >= MAX_NAMES and len(names_of(referrals, zone)) > MAX_RECORDS:
            own = Part("degraded", "servers-many", {"zone": zone})
        led = [self._led(zone, what, [words[a] for a in at], name, depth) for what, at in contents.items()]
        steps: tuple[Step, ...] = ()
        if self._tells:
            first = {at[0]: ways for at, ways in zip(contents.values(), led, strict=True)}
            steps = _steps(zone, name, servers or (), words, first)
        if own.receives in ("no", "unknown") or not led:
            # Where only IPv6 leads there and the observer has none, that is all there is to say.
            return Ways(own, own if own.receives == "degraded" else NOT_REACHED, frozenset(), steps)
        below = together(zone, led, list(contents.values()))
        return Ways(both(own, below.dns), below.mail, below.hosts, steps)

    def _content(self, zone: str, name: str, address: str, reply: Said) -> tuple[Any, ...]:
        """Return what a reply comes to, equal for replies that lead the same way."""
        if reply.outcome == "referral":
            return ("cut", reply.cut, frozenset(names_of((reply,), reply.cut)))
        if data := reply.data:
            return ("mx", targets(data))
        if reply.outcome == "nxdomain":
            return ("nxdomain",)
        if alias := reply.alias:
            return ("alias", alias)
        if reply.outcome == "answer":
            return ("unheard",)
        found: set[str] = set()
        for qtype in ("A", "AAAA"):
            more = self._heard.word(zone, name, qtype, address, walked=True)
            if not more.told or not more.reply:
                return ("unheard",)
            found.update(more.reply.data)
        return ("implicit", frozenset(found)) if found else ("nothing",)

    def _led(self, zone: str, content: tuple[Any, ...], words: list[Word], name: str, depth: int) -> Ways:
        """Return where a content leads."""
        kind, *rest = content
        if kind == "cut":
            if depth > MAX_ALIASES or not is_under(rest[0], zone) or rest[0] == zone:
                return Ways(Part("unknown", "servers-unheard", {"zone": rest[0]}), NOT_REACHED)
            return self._zone(rest[0], [w.reply for w in words if w.reply], name, depth + 1)
        if kind == "mx":
            return self._hosts.of_mx(rest[0])
        if kind == "alias":
            return self._alias(rest[0])
        if kind == "implicit":
            return self._hosts.implicit(name, rest[0])
        if kind == "unheard":
            return Ways(YES, Part("unknown", "hosts-unheard", {"name": name}))
        if kind == "nxdomain":
            return Ways(Part("no", "no-name", {"name": name, "zone": zone}), NOT_REACHED)
        return Ways(YES, Part("no", "no-mail", {"name": name, "zone": zone}))

    def _alias(self, name: str) -> Ways:
        """Look up the name that an alias leads to."""
        found = self._lookups.look_up(name, "MX")
        if found.status == "found":
            ways = self._hosts.of_mx(targets(found.data))
        elif found.status == "nodata":
            end = found.replies[-1].alias or found.replies[-1].qname if found.replies else name
            ways = self._hosts.implicit(end, None)
        elif found.absent:
            ways = Ways(Part("no", "alias-lost", {"name": name, "zone": found.zone}), NOT_REACHED)
        else:
            ways = Ways(Part("unknown", "hosts-unheard", {"name": name}), NOT_REACHED)
        ways = ways._replace(steps=(found.step(name, "MX")._replace(below=ways.steps),))
        partly = Part("degraded", OF_SERVERS[found.partly], {"zone": found.zone}) if found.partly else YES
        return ways._replace(dns=both(partly, ways.dns))


def _steps(
    zone: str, name: str, servers: Iterable[Server], words: Mapping[str, Word], led: Mapping[str, Ways]
) -> tuple[Step, ...]:
    """Return a step for each server and address, the first of those that say the same with what follows.

    `led`: where it leads, by the first address that says so.
    """
    steps = []
    for server in servers:
        if not server.words:
            steps.append(Step(name, "MX", zone, server.name, "", server.state or "unheard"))
        for address, word in server.words.items():
            reply = word.reply
            said = (reply.outcome if word.told and reply else word.kind) or "unheard"
            data: tuple[str, ...] = ()
            if reply and word.told:
                data = tuple(sorted(names_of((reply,), reply.cut))) if said == "referral" else reply.data
            below = led[address].steps if address in led else ()
            steps.append(Step(name, "MX", zone, server.name, address, said, data, below))
            led = {a: ways for a, ways in led.items() if a != address}
    return tuple(steps)
