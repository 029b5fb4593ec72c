"""Whether mail to a domain arrives, as far as the DNS tells: the walk that a sender's resolver would make.

From the parent zone down: referrals, the servers that can be asked, what they say of the MX, the addresses of
each exchanger. Pure: from an observation, whatever the order of its lines. Every answer rests on what was
heard; what was not heard, or does not decide, makes it ``unknown``, so that a line less never makes an answer
another one than ``unknown``.

============ ===============================================================================================
receives     meaning
============ ===============================================================================================
``yes``      a path that all resolvers take leads to a mail host with a public address
``degraded`` only some take one, or it hangs on the one sound server or mail host of several, or on a family
``no``       there is none
``unknown``  not observed, too long ago, or what was heard does not decide
============ ===============================================================================================

A domain delegated to one server, or with one mail host, hangs on it by design: that is a finding, and no
degradation while it is sound. What decides is a cause, one of `CAUSES`, with facts.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from dns.inet import is_address

from mssante_audit.observe.dns.names import canonical, is_under
from mssante_audit.observe.dns.walk import MAX_HOSTS, MAX_NAMES
from mssante_audit.observe.kinds import RUN
from mssante_audit.observe.lines import MAX_ALIASES
from mssante_audit.observe.observation import Observation
from mssante_audit.verdicts.chain import Chain
from mssante_audit.verdicts.heard import DIM, NOTHING, PARTLY, Heard, Reply, Word
from mssante_audit.verdicts.lookups import Host, Looked, Lookups, glue_of, names_of

RECEIVES = ("yes", "degraded", "no", "unknown")
"""Whether mail to a domain arrives."""
CAUSES: Mapping[str, tuple[str, ...]] = {
    "no": (
        "no-name", "zone-dead", "zone-lost", "mx-unanswered", "edns-dropped", "null-mx", "no-mail",
        "alias-lost", "exchangers-absent", "exchangers-lost", "exchangers-private", "exchangers-literal",
    ),
    "degraded": (
        "servers-differ", "dnssec-bogus", "one-server", "servers-ipv6", "servers-tcp", "servers-slow",
        "servers-edns", "servers-many", "mx-differ", "null-mx-beside", "one-exchanger", "exchangers-bogus",
        "exchangers-partly", "exchangers-ipv6", "private-among",
    ),
    "unknown": (
        "not-observed", "too-old", "of-the-future", "parent-silent", "servers-unheard", "hosts-unheard",
        "not-reached",
    ),
}  # fmt: skip
"""What decides, by answer, the first to be told where there are several; ``yes`` has none."""
NULL = "."
OF_SERVERS = {
    "bogus": "dnssec-bogus", "tcp": "servers-tcp", "slow": "servers-slow", "notimp": "servers-edns",
    "ipv6": "servers-ipv6",
}  # fmt: skip
"""How a zone's servers answer, where none answers all resolvers → cause."""
REACHED = ("good", "mixed", "ipv6", *PARTLY)
"""States of mail hosts that some sender reaches."""
MAX_RECORDS = 100
"""Of one name and type: of more BIND takes none (``max-records-per-type``)."""
_GRADES = {"yes": "ok", "degraded": "warn", "no": "fail", "unknown": "unknown"}
_ORDER = {cause: place for place, cause in enumerate(c for own in CAUSES.values() for c in own)}


class Step(NamedTuple):
    """A question of the walk, what came of it, and the questions that follow from it."""

    name: str
    qtype: str
    zone: str
    """The zone whose server was asked, "" for a lookup."""
    server: str
    address: str
    said: str
    """`mssante_audit.verdicts.heard.Word.kind` with an outcome, or a status of a lookup."""
    data: tuple[str, ...] = ()
    below: tuple[Step, ...] = ()


class Part(NamedTuple):
    """An answer to a part of the question, as `RECEIVES`, and its cause."""

    receives: str
    cause: str = ""
    facts: Mapping[str, Any] = {}


YES = Part("yes")
NOT_OBSERVED, NOT_REACHED = Part("unknown", "not-observed"), Part("unknown", "not-reached")


@dataclass(frozen=True)
class Mail:
    """Whether mail to a domain arrives."""

    domain: str
    receives: str
    """One of `RECEIVES`."""
    cause: str = ""
    """What decides, one of `CAUSES`; "" where mail arrives."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the cause is about: ``zone`` and ``name`` str, ``servers`` and ``hosts`` lists of str."""
    dns: Part = NOT_OBSERVED
    """Of the domain's name: from the parent zone to an answer about its mail."""
    mail: Part = NOT_OBSERVED
    """Of its mail hosts."""
    observed_at: datetime | None = None
    """When it was last asked for (UTC)."""
    walk: tuple[Step, ...] = ()

    @property
    def grades(self) -> dict[str, str]:
        """``ok``, ``warn``, ``fail`` or ``unknown`` for the checks ``dns`` and ``mail``."""
        return {"dns": _GRADES[self.dns.receives], "mail": _GRADES[self.mail.receives]}

    @property
    def causes(self) -> dict[str, str]:
        """What decides each of the two, "" where it is ok."""
        return {"dns": self.dns.cause, "mail": self.mail.cause}


class Ways(NamedTuple):
    """What a zone's servers lead to."""

    dns: Part
    mail: Part
    hosts: frozenset[str] = frozenset()
    """Mail hosts that can be reached."""
    steps: tuple[Step, ...] = ()

    @property
    def whole(self) -> Part:
        """What the two come to."""
        return _both(self.dns, self.mail)


class Server(NamedTuple):
    """A server that a zone is handed over to, with what its addresses said of a name."""

    name: str
    words: dict[str, Word]
    """By address that can be asked; of one that the observer cannot reach there is none."""
    state: str
    """``sound``, ``ipv6``, one of `PARTLY`, ``dim`` (both: `heard`), ``dead``, ``no-glue`` (found by
    asking another) or "" (unheard)."""
    found: frozenset[str]
    """Addresses over which it is sound."""


def mails(
    observation: Observation | None,
    domains: Iterable[str],
    as_of: datetime,
    max_age_days: int,
    *,
    steps: bool = False,
) -> dict[str, Mail]:
    """Return for each domain whether mail to it arrives.

    Parameters
    ----------
    observation
        What the DNS said; without one, nothing is known.
    domains
        As the white list writes them.
    as_of
        The instant (UTC) that ages are counted from.
    max_age_days
        A domain asked for longer ago is unknown.
    steps
        Whether to tell each step of the walk: for one domain, not for thousands.
    """
    names = list(dict.fromkeys(domains))
    if observation is None:
        return {domain: Mail(domain, "unknown", "not-observed") for domain in names}
    collects = gc.isenabled()
    gc.disable()  # a hundred thousand lines become a million tuples, no circle among them: it halves the time
    try:
        found: dict[str, Mail] = {}
        for part, own in observation.shares(names):
            walk = _Walk(part, steps=steps)
            found |= {domain: walk.mail(domain, as_of, timedelta(max_age_days)) for domain in own}
        return {domain: found[domain] for domain in names}
    finally:
        if collects:
            gc.enable()


class _Walk:
    """Walks domains in what was heard; hosts are looked at once."""

    def __init__(self, observation: Observation, *, steps: bool = False) -> None:
        self._tells = steps
        self._heard = Heard(observation)
        self._chain = Chain(observation, self._heard)
        self._lookups = Lookups(self._heard, self._chain)
        self._exchangers: dict[frozenset[str], Ways] = {}
        self._addresses: dict[str, tuple[str, frozenset[str], tuple[Step, ...]]] = {}

    def mail(self, domain: str, as_of: datetime, most: timedelta) -> Mail:
        name = canonical(domain)
        if not name:
            part = Part("no", "no-name", {"name": domain})
            return Mail(domain, "no", part.cause, part.facts, part, NOT_REACHED)
        at = self._heard.times(name, "MX")
        if not at:
            return Mail(domain, "unknown", "not-observed")
        first, last = (datetime.fromtimestamp(when / 1e6, UTC) for when in (at[0], at[-1]))
        if first > as_of + RUN or as_of - last > most:
            cause = "of-the-future" if first > as_of + RUN else "too-old"
            part = Part("unknown", cause, {"at": last})
            return Mail(domain, "unknown", cause, part.facts, part, part, last)
        if is_under(name, self._heard.parent):
            ways = self._zone(self._heard.parent, (), name, 0)
        else:
            ways = self._elsewhere(name)
        whole = ways.whole
        return Mail(domain, whole.receives, whole.cause, whole.facts, ways.dns, ways.mail, last, ways.steps)

    # -- zones ---------------------------------------------------------------------------------------------

    def _zone(self, zone: str, referrals: Sequence[Reply], name: str, depth: int) -> Ways:
        """Ask a zone's servers about a name, and follow each of the answers."""
        servers = self._servers(zone, referrals, name)
        words = {a: word for server in servers or () for a, word in server.words.items()}
        contents: dict[tuple[Any, ...], list[str]] = {}
        for address, word in words.items():
            for reply in (word.reply, word.other) if word.told else ():
                if reply is not None:
                    contents.setdefault(self._content(zone, name, address, reply), []).append(address)
        own = _of_servers(self._heard, zone, servers, words)
        if own is YES and len(names_of(referrals, zone)) > MAX_RECORDS:
            own = Part("degraded", "servers-many", {"zone": zone})
        led = [self._led(zone, what, [words[a] for a in at], name, depth) for what, at in contents.items()]
        steps: tuple[Step, ...] = ()
        if self._tells:
            steps = _steps(zone, name, servers or (), words, dict(_owners(contents, led)))
        if own.receives in ("no", "unknown") or not led:
            # Where only IPv6 leads there and the observer has none, that is all there is to say.
            return Ways(own, own if own.receives == "degraded" else NOT_REACHED, frozenset(), steps)
        below = _together(zone, led, [list(at) for at in contents.values()])
        return Ways(_both(own, below.dns), below.mail, below.hosts, steps)

    def _content(self, zone: str, name: str, address: str, reply: Reply) -> tuple[Any, ...]:
        """Return what a reply comes to, equal for replies that lead the same way."""
        if reply.outcome == "referral":
            return ("cut", reply.cut)
        if reply.data:
            return ("mx", frozenset(text.rpartition(" ")[2] for text in reply.data))
        if reply.outcome == "nxdomain":
            return ("nxdomain",)
        if reply.alias:
            return ("alias", reply.alias)
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
            return self._mx(rest[0])
        if kind == "alias":
            return self._alias(rest[0])
        if kind == "implicit":
            return self._implicit(name, rest[0])
        if kind == "unheard":
            return Ways(YES, Part("unknown", "hosts-unheard", {"name": name}))
        if kind == "nxdomain":
            return Ways(Part("no", "no-name", {"name": name, "zone": zone}), NOT_REACHED)
        return Ways(YES, Part("no", "no-mail", {"name": name, "zone": zone}))

    def _servers(self, zone: str, referrals: Sequence[Reply], name: str) -> list[Server] | None:
        """Return a zone's servers and what they said of a name; ``None`` if not all are known."""
        if zone == self._heard.parent:
            parents = self._parents
            return [self._server(zone, *one, name) for one in parents.items()] if parents else None
        glue = glue_of(referrals, zone)
        handed = sorted(names_of(referrals, zone))[:MAX_NAMES]
        servers: list[Server] = []
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
                server = self._server(zone, host, sorted(addresses), name)
                if server.words and is_under(host, zone) and host not in glue and host in handed:
                    server = server._replace(state=server.state and "no-glue")
                servers.append(server)
                for address in servers[-1].words:
                    soa, ns = (self._heard.word(zone, zone, t, address, walked=True) for t in ("SOA", "NS"))
                    if not soa.kind or not ns.kind:
                        return None
                    if ns.told and ns.reply:
                        own.update(i.data for i in ns.reply.items if (i.type, i.owner) == ("NS", zone))
            known = {server.name for server in servers}
            more = sorted(own.difference(known))[: MAX_NAMES - len(known)]
        return servers

    @cached_property
    def _parents(self) -> dict[str, list[str]] | None:
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
        return {host: sorted(by_name[host]) for host in sorted(by_name)}

    def _server(self, zone: str, host: str, addresses: Iterable[str], name: str) -> Server:
        can = {address: self._heard.usable(address) for address in addresses}
        words = {
            address: self._heard.word(zone, name, "MX", address, walked=True)
            for address, usable in can.items()
            if usable
        }
        for address, word in words.items():
            fault = self._chain.fault(zone, word, walked=True)
            if fault is not False:
                words[address] = NOTHING if fault is None else word._replace(kind="bogus")
        plain = frozenset(a for a, word in words.items() if word.kind == "told")
        over4 = frozenset(a for a in plain if ":" not in a)
        if not all(word.kind for word in words.values()):
            state = ""
        elif plain:
            state = "sound" if over4 else "ipv6"
        elif partly := [kind for kind in PARTLY if any(word.kind == kind for word in words.values())]:
            state = partly[0]
        elif any(word.kind == DIM for word in words.values()):
            state = DIM
        elif None in can.values():
            state = "" if words else "ipv6"
        else:
            state = "dead"
        return Server(host, words, state, over4 or plain or frozenset(can))

    # -- mail hosts ----------------------------------------------------------------------------------------

    def _elsewhere(self, name: str) -> Ways:
        """Follow a domain that does not lie under the parent zone, as any name is looked up."""
        return self._alias(name)

    def _alias(self, name: str) -> Ways:
        """Follow an alias: the name it leads to is looked up."""
        found = self._lookups.look_up(name, "MX")
        step = Step(name, "MX", "", *_from(found), found.status or "unheard", found.data)
        if found.partly:
            partly = Part("degraded", OF_SERVERS[found.partly], {"zone": found.zone})
        if found.status == "found":
            ways = self._mx(frozenset(text.rpartition(" ")[2] for text in found.data))
        elif found.status == "nodata":
            end = found.replies[-1].alias or found.replies[-1].qname if found.replies else name
            ways = self._implicit(end, None)
        elif found.absent:
            ways = Ways(Part("no", "alias-lost", {"name": name, "zone": found.zone}), NOT_REACHED)
        else:
            ways = Ways(Part("unknown", "hosts-unheard", {"name": name}), NOT_REACHED)
        ways = ways._replace(steps=(step._replace(below=ways.steps),))
        return ways._replace(dns=_both(partly, ways.dns)) if found.partly else ways

    def _implicit(self, name: str, addresses: frozenset[str] | None) -> Ways:
        """Without an MX the domain's own address stands for its mail host (RFC 5321, 5.1)."""
        if addresses is None:
            state, public, steps = self._host(name)
            if state == "nodata":
                return Ways(YES, Part("no", "no-mail", {"name": name, "zone": ""}), frozenset(), steps)
        else:
            told = sorted(addresses)
            data4, data6 = (tuple(a for a in told if (":" in a) is six) for six in (False, True))
            host = Host(*(Looked("found" if data else "nodata", data) for data in (data4, data6)))
            state, public = _state(self._heard, host)
            steps = ()
        return Ways(YES, _of_hosts({name: (state, public)}), frozenset({name}), steps)

    def _mx(self, targets: frozenset[str]) -> Ways:
        if targets not in self._exchangers:
            self._exchangers[targets] = self._look_at(targets)
        return self._exchangers[targets]

    def _look_at(self, targets: frozenset[str]) -> Ways:
        """Look at a set of mail hosts."""
        others = sorted(targets - {NULL})
        if not others:
            return Ways(YES, Part("no", "null-mx"))
        hosts: dict[str, tuple[str, frozenset[str]]] = {}
        steps: list[Step] = []
        for name in others:
            if is_address(name):
                hosts[name] = ("literal", frozenset())
            elif len(hosts) < MAX_HOSTS:
                state, public, own = self._host(name)
                hosts[name] = (state, public)
                steps += own
        part = _of_hosts(hosts)
        if NULL in targets and part.receives in ("yes", "degraded"):
            part = Part("degraded", "null-mx-beside", {"hosts": others})
        reached = frozenset(name for name, (state, _) in hosts.items() if state in REACHED)
        return Ways(YES, part, reached, tuple(steps))

    def _host(self, name: str) -> tuple[str, frozenset[str], tuple[Step, ...]]:
        """Return how a mail host can be reached, its public addresses, and the steps to them."""
        if name not in self._addresses:
            host = self._lookups.host(name)
            steps = tuple(
                Step(name, qtype, "", *_from(looked), looked.status or "unheard", looked.data)
                for qtype, looked in (("A", host.v4), ("AAAA", host.v6))
            )
            self._addresses[name] = (*_state(self._heard, host), steps)
        return self._addresses[name]


def _from(looked: Looked) -> tuple[str, str]:
    """Return name and address of the server whose reply ended a lookup, "" each if none did."""
    return (looked.replies[-1].server, looked.replies[-1].address) if looked.replies else ("", "")


def _state(heard: Heard, host: Host) -> tuple[str, frozenset[str]]:
    """Return how a host can be reached, and its public addresses.

    ``good``, ``mixed`` (with private ones), ``ipv6``, one of `PARTLY`, ``private``; why it has no address; ""
    for unknown.
    """
    own = [{a for a in looked.data if heard.public(a)} for looked in host]
    if own[0]:
        plain = "good" if len(own[0]) == len(host.v4.data) else "mixed"
        return host.v4.partly or plain, frozenset(own[0])
    if not host.v4.status:
        return "", frozenset()
    if own[1]:
        return host.v6.partly or "ipv6", frozenset(own[1])
    if host.v6.status:
        return "private" if host.status == "found" else host.status, frozenset()
    return "", frozenset()


def _of_hosts(hosts: Mapping[str, tuple[str, frozenset[str]]]) -> Part:
    """Tell what a set of mail hosts comes to; `hosts`: state and public addresses by name."""
    states = {name: state for name, (state, _) in hosts.items()}
    good = [name for name, state in states.items() if state in ("good", "mixed")]
    bad = sorted(name for name, state in states.items() if state not in (*REACHED, ""))
    unheard = sorted(name for name, state in states.items() if not state)
    ways = len({address for name in good for address in hosts[name][1]})
    if len(good) > 1 and ways > 1 and any(states[name] == "good" for name in good):
        return YES
    if unheard:
        return Part("unknown", "hosts-unheard", {"hosts": unheard})
    if good:
        if all(states[name] == "mixed" for name in good):
            return Part("degraded", "private-among", {"hosts": sorted(good)})
        left = sorted(set(states).difference(good))
        return Part("degraded", "one-exchanger", {"hosts": left}) if left else YES
    if len(bad) < len(states):
        kinds = set(states.values())
        kind = "bogus" if "bogus" in kinds else "ipv6" if "ipv6" in kinds else "partly"
        return Part("degraded", f"exchangers-{kind}", {"hosts": sorted(set(states).difference(bad))})
    kinds = set(states.values())
    told = {"failed": "lost", "private": "private", "literal": "literal"}
    kind = next((told[kind] for kind in told if kind in kinds), "absent")
    return Part("no", f"exchangers-{kind}", {"hosts": bad})


def _of_servers(heard: Heard, zone: str, servers: list[Server] | None, words: Mapping[str, Word]) -> Part:
    """Tell whether a zone's servers answer, and on how many of them that hangs."""
    if servers is None or not servers or any(not server.state for server in servers):
        return Part("unknown", "servers-unheard", {"zone": zone})
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
        kind = next(kind for kind in (*PARTLY, "ipv6") if any(server.state == kind for server in servers))
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


def _together(zone: str, led: Sequence[Ways], at: Sequence[Sequence[str]]) -> Ways:
    """Put together what different servers of a zone lead to."""
    if len(led) == 1:
        return led[0]
    wholes = [ways.whole for ways in led]
    answers = {whole.receives for whole in wholes}
    arriving = [ways for ways in led if ways.whole.receives in ("yes", "degraded")]
    servers = sorted(a for ways, own in zip(led, at, strict=True) if ways not in arriving for a in own)
    if arriving and "no" in answers:
        lost = Part("degraded", "servers-differ", {"zone": zone, "servers": servers})
        return Ways(lost, min((w.mail for w in arriving), key=_urgency), frozenset())
    if "unknown" in answers:
        return next(ways for ways in led if ways.whole.receives == "unknown")
    worst = min(led, key=lambda ways: _urgency(ways.whole))
    if answers == {"no"}:
        return worst
    common = frozenset.intersection(*(ways.hosts for ways in led))
    if common:
        return worst._replace(hosts=common)
    differ = Part("degraded", "mx-differ", {"zone": zone})
    return Ways(worst.dns, _both(worst.mail, differ), frozenset())


def _urgency(part: Part) -> tuple[int, int, str]:
    """Order parts, those first that are worse: none, degraded, unknown, yes."""
    place = ("no", "degraded", "unknown", "yes").index(part.receives)
    return place, _ORDER.get(part.cause, len(_ORDER)), repr(part.facts)


def _both(first: Part, then: Part) -> Part:
    """Return what holds where the first part and then the second must be passed."""
    if first.receives in ("no", "unknown"):
        return first
    if then.receives in ("no", "unknown"):
        return then
    return min(first, then, key=_urgency)


def _owners(contents: Mapping[tuple[Any, ...], list[str]], led: Sequence[Ways]) -> Iterator[tuple[str, Ways]]:
    """Yield for each content the address that its steps are told under: the first."""
    for at, ways in zip(contents.values(), led, strict=True):
        yield at[0], ways


def _steps(
    zone: str, name: str, servers: Iterable[Server], words: Mapping[str, Word], led: Mapping[str, Ways]
) -> tuple[Step, ...]:
    """Return a step for each server and address, the first of those that say the same with what follows."""
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
