"""An observation of the DNS seen as an audit needs it: zones, their servers, hosts, what each server said.

A question asked several times counts once, by its best reply: one that says something, else the last one.
What no reply says is unknown here, and never absent.
"""

from __future__ import annotations

import sys
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Set
from functools import cached_property, lru_cache
from itertools import starmap
from operator import itemgetter
from typing import Any, NamedTuple, cast

import pandas as pd

from mssante_audit.observe.dns.dnssec import Security
from mssante_audit.observe.dns.names import is_under, upwards
from mssante_audit.observe.dns.zone import EDNS_BROKEN, ZoneView, data_of
from mssante_audit.observe.lines import MAX_ALIASES, SILENT, TOLD, is_weak
from mssante_audit.observe.observation import Observation

_RANK = dict.fromkeys(TOLD, 3) | dict.fromkeys(("truncated", "malformed"), 1) | dict.fromkeys(SILENT, 0)
_EDNS_OK, _FORMERR, _NOTIMP, _BADVERS, _SILENT, _PLAIN = (1 << n for n in range(6))
_EDNS_RCODES = {"FORMERR": _FORMERR, "NOTIMP": _NOTIMP, "16": _BADVERS}
WALKED = ("MX", "A", "AAAA", "SOA")
"""Types that a walk asks for."""
SLOW = 3000.0
"""Milliseconds for which every resolver waits (measured: BIND gives up on a server that takes 4 seconds)."""


class Item(NamedTuple):
    """A record of a reply."""

    section: str
    owner: str
    type: str
    data: str


class Said(NamedTuple):
    """What a server said to a question (columns of `mssante_audit.observe.observation`)."""

    line: int
    at: int
    """Microseconds since 1970."""
    step: str
    zone: str
    qname: str
    qtype: str
    server: str
    address: str
    transport: str
    edns: bool
    attempt: int
    outcome: str
    rcode: str
    flags: str
    cut: str
    rtt: float
    items: tuple[Item, ...]

    @property
    def answers(self) -> frozenset[str]:
        """Data of the records of the type asked for in the answer, whoever owns them."""
        return frozenset(i.data for i in self.items if i.section == "answer" and i.type == self.qtype)

    @property
    def data(self) -> tuple[str, ...]:
        """The same, sorted."""
        return tuple(sorted(self.answers))

    @property
    def alias(self) -> str:
        """What the name asked for is an alias of, through aliases, or ""."""
        aliases = {i.owner: i.data for i in self.items if i.section == "answer" and i.type == "CNAME"}
        end = self.qname
        for _ in aliases:
            end = aliases.get(end, end)
        return end if end != self.qname else ""

    @property
    def authoritative(self) -> bool:
        """Whether the server spoke for the zone."""
        return self.outcome in TOLD and self.outcome != "referral"

    @property
    def weak(self) -> bool:
        """Whether the server answered without speaking for the zone (AA is not set): resolvers take it."""
        return is_weak(self, self.items)

    @property
    def usable(self) -> bool:
        """Whether a resolver can do something with it: it is authoritative, or weak."""
        return self.authoritative or self.weak

    @property
    def slow(self) -> bool:
        """Whether not every resolver waits for it."""
        return self.rtt > SLOW


class Host(NamedTuple):
    """What is known of a host's name."""

    status: str
    """``found``, ``nodata`` (no address), ``nxdomain``, ``loop``, ``failed`` (none of the servers of its zone
    told when asked, or there is none to ask) or ``unknown``."""
    addresses: tuple[str, ...] = ()
    alias: str = ""
    """What it is an alias (CNAME) of, or ""."""
    lines: tuple[int, ...] = ()


class Path(NamedTuple):
    """How a domain is reached from the parent zone."""

    qname: str
    cuts: tuple[str, ...]
    """The zone cuts on the way, from the top."""
    zone: str
    """The zone whose servers were asked last; "" if none was."""
    said: dict[str, dict[str, Said]]
    """Type asked → address → what that zone's servers said of the name."""


class View:
    """Index of an observation."""

    def __init__(self, observation: Observation) -> None:
        self.observation = observation
        self.parent = observation.parent_zone
        self.said: dict[tuple[str, str, str], dict[str, Said]] = {}
        """(zone, name, type) → address → best reply."""
        self.apex: dict[tuple[str, str, str], Said] = {}
        """(zone, address, transport) → best reply to whatever question about the zone."""
        self.speaking: dict[str, dict[str, bool]] = {}
        """Zone → address that gave a usable reply to whatever question → whether with authority."""
        self.late: dict[str, int] = {}
        """Address → line of a reply that came after the time-out, or so late that some resolvers give up."""
        self.differing: dict[tuple[str, str], dict[str, dict[frozenset[str], Said]]] = {}
        """(zone, name) → address that gave several sets of MX records → each, and a reply that gives it."""
        self.over_udp: dict[tuple[str, str, str], Said] = {}
        """(zone, name, address) that was asked for the MX over TCP too → best reply over UDP."""
        self.handed: dict[str, list[Said]] = {}
        """Zone → replies that delegate it, met while looking names up outside the walk."""
        self.recursion: dict[str, Said] = {}
        """Address → what it said to a stranger's recursive question."""
        self.servers: dict[str, dict[str, dict[str, None]]] = {}
        """Zone → address → names under which it was asked."""
        self._lookups: dict[str, dict[str, Said]] = {}
        self._failed: dict[str, dict[int, str]] = {}
        self._edns: Counter[str] = Counter()
        self.zone = lru_cache(1000)(lambda name: ZoneView(self, name))  # rules look at one after the other
        """What is known of a zone, by name."""
        self.host = lru_cache(1000)(self._host)
        """What is known of a host's addresses, by name, through aliases."""
        self.secured: dict[str, Security] = {}
        self._index()

    def _index(self) -> None:
        queries = self.observation.queries
        order = queries["at"].argsort(kind="stable")
        for one in replies_in(queries.iloc[order], items_of(self.observation)):
            if one.transport == "udp":  # whatever was asked, it shows what the server is like
                self._edns[one.address] |= _edns_bit(one)
                if one.slow or one.flags.endswith("late"):
                    self.late[one.address] = one.line
            if one.step == "recursion":
                _keep(self.recursion, one.address, one)
            elif one.step == "address":
                self._look_up(one)
            else:
                self._hear(one)

    def _look_up(self, one: Said) -> None:
        if one.usable:
            _keep(self._lookups.setdefault(one.qname, {}), one.qtype, one)
        elif one.outcome == "referral":
            self.handed.setdefault(one.cut, []).append(one)
        else:
            self._failed.setdefault(one.qname, {})[one.line] = one.address

    def _hear(self, one: Said) -> None:
        kept = self.said.setdefault((one.zone, one.qname, one.qtype), {})
        before = kept.get(one.address)
        if one.qtype == "MX" and before:
            if before.outcome == one.outcome == "answer" and before.answers != one.answers:
                told = self.differing.setdefault((one.zone, one.qname), {}).setdefault(one.address, {})
                told[before.answers], told[one.answers] = before, one
            key = (one.zone, one.qname, one.address)
            if one.transport != before.transport or (one.transport == "udp" and key in self.over_udp):
                _keep(self.over_udp, key, one if one.transport == "udp" else before)
        _keep(kept, one.address, one)
        if one.step == "apex":
            self.servers.setdefault(one.zone, {}).setdefault(one.address, {})[one.server] = None
        _keep(self.apex, (one.zone, one.address, one.transport), one)
        if one.outcome in TOLD or one.weak:
            speaking = self.speaking.setdefault(one.zone, {})
            speaking[one.address] = speaking.get(one.address, False) or not one.weak

    def told_of(self, zone: str, name: str) -> list[Said]:
        """Return what a zone's servers said of a name, whatever the type, in the order of the file."""
        found = (self.said.get((zone, name, qtype), {}) for qtype in WALKED)
        return sorted((one for replies in found for one in replies.values()), key=itemgetter(0))

    @cached_property
    def referrals(self) -> dict[str, list[Said]]:
        """The replies that delegate each zone."""
        found: dict[str, list[Said]] = {}
        for one in (one for replies in self.said.values() for one in replies.values()):
            if one.outcome == "referral":
                found.setdefault(one.cut, []).append(one)
        return found

    @cached_property
    def anchors(self) -> dict[str, list[Said]]:
        """What was said to the question for the DS of each zone."""
        found: dict[str, list[Said]] = {}
        for (_, name, qtype), replies in self.said.items():
            if qtype == "DS":
                found.setdefault(name, []).extend(replies.values())
        return found

    def edns(self, address: str) -> str:
        """Return how a server takes EDNS over UDP.

        ``ok``; ``refused`` (FORMERR, and it answers without: resolvers go on); ``notimp`` (NOTIMP likewise:
        some do); ``dropped`` (it answers without only) or ``badvers`` (version 0 is refused), on which all of
        today's resolvers fail; "" if not known.
        """
        bits = self._edns[address]
        if bits & _EDNS_OK:
            return "ok"
        if bits & _BADVERS or not bits & _PLAIN:
            return "badvers" if bits & _BADVERS else ""
        told = ((_FORMERR, "refused"), (_NOTIMP, "notimp"), (_SILENT, "dropped"))
        return next((word for bit, word in told if bits & bit), "")

    def over_tcp_only(self, one: Said) -> bool:
        """Whether a reply came over TCP, from a server that was silent over UDP whatever it was asked."""
        return one.transport == "tcp" and self._edns[one.address] == _SILENT

    def partly(self, one: Said) -> str:
        """Return why only some resolvers hear what was learnt of a name outside the walk, "" if all do.

        ``tcp``, ``slow``, ``notimp`` (`edns`), or ``alias``: the names of its zone's servers are but aliases,
        those of servers aside that failed.
        """
        if self.over_tcp_only(one):
            return "tcp"
        if one.slow:
            return "slow"
        if not one.edns and self.edns(one.address) == "notimp":
            return "notimp"
        failed = {*self._failed.get(one.qname, {}).values()} - {one.address}
        zones = ((zone, failed if zone == one.zone else set[str]()) for zone in upwards(one.zone))
        return "alias" if any(starmap(self._behind_aliases, zones)) else ""

    def _behind_aliases(self, zone: str, failed: Set[str]) -> bool:
        """Whether all servers of a zone that have not `failed` are found by following aliases."""
        cut = [*self.referrals.get(zone, ()), *self.handed.get(zone, ())]
        names = set(data_of(cut, "NS", zone))
        items = (i for one in cut for i in one.items if i.section == "additional" and i.owner in names)
        found = {i.data for i in items if i.type in ("A", "AAAA")}
        hosts = [self.host(name) for name in names]
        found.update(address for host in hosts if not host.alias for address in host.addresses)
        return any(host.alias for host in hosts) and found <= failed

    def looked_up(self, name: str, qtype: str) -> Said | None:
        """Return what was learnt of a name outside the walk, ``None`` if nothing was."""
        return self._told(name).get(qtype)

    def _told(self, name: str) -> dict[str, Said]:
        """Return type → what was learnt of a name; without EDNS no resolver of today would have."""
        told = self._lookups.get(name, {})
        if all(one.edns for one in told.values()):
            return told
        return {t: one for t, one in told.items() if one.edns or self.edns(one.address) not in EDNS_BROKEN}

    def _host(self, name: str) -> Host:
        asked, alias, current = [], "", name
        for _ in range(MAX_ALIASES):
            told = self._told(current)
            asked += [one.line for one in told.values()]
            items = [i for one in told.values() for i in one.items if i.section == "answer"]
            aliases = {i.owner: i.data for i in items if i.type == "CNAME"}
            end = current
            for _ in range(MAX_ALIASES):
                alias = alias or aliases.get(end, "")
                end = aliases.get(end, end)
            found = dict.fromkeys(i.data for i in items if i.type in ("A", "AAAA"))
            if found:
                return Host("found", tuple(found), alias, tuple(asked))
            if end == current or end in aliases:
                status = "loop" if end in aliases else _absence(told)
                failed = [*self._failed.get(end, ()), *(o.line for o in self._lookups.get(end, {}).values())]
                if status == "unknown" and failed and self._lookups:
                    status = "failed"  # nothing could be looked up at all: it is the observer's network
                    asked += failed
                return Host(status, (), alias, tuple(asked))
            if end not in self._lookups and any(one.outcome == "nxdomain" for one in told.values()):
                return Host("nxdomain", (), alias, tuple(asked))
            current = end
        return Host("loop", (), alias, tuple(asked))

    def goes_round(self, name: str, zone: str, seen: tuple[str, ...] = ()) -> bool:
        """Whether a name is to be found only by way of `zone`, which needs it; without glue all the way."""
        above = next((one for one in upwards(name) if one in self.handed or one in self.referrals), "")
        if above == zone:
            return True
        if not above or above in seen or len(seen) > MAX_ALIASES:
            return False
        cut = [*self.referrals.get(above, ()), *self.handed.get(above, ())]
        names = set(data_of(cut, "NS", above))
        glue = {i.owner for one in cut for i in one.items if i.section == "additional" and i.owner in names}
        found = any(self.host(n).addresses for n in names)
        return not (glue or found) and any(self.goes_round(n, zone, (*seen, above)) for n in names)

    def path(self, qname: str) -> Path:
        """Follow a name down from the parent zone, as the observer did; one elsewhere was looked up."""
        zone = self.parent
        if not is_under(qname, zone):
            found = {t: one for t in ("MX", "A", "AAAA") if (one := self.looked_up(qname, t))}
            return Path(qname, (), "", {t: {one.address: one} for t, one in found.items()})
        cuts: list[str] = []
        while True:
            said = {t: r for t in WALKED if (r := self.said.get((zone, qname, t)))}
            if not said:
                return Path(qname, tuple(cuts), "" if not cuts else zone, {})
            below = Counter(one.cut for replies in said.values() for one in replies.values() if one.cut)
            if not below or len(cuts) > MAX_ALIASES:
                return Path(qname, tuple(cuts), zone, said)
            zone = max(below, key=lambda name: (below[name], name))
            cuts.append(zone)


def _edns_bit(one: Said) -> int:
    if one.outcome in SILENT:
        return _SILENT if one.edns else 0
    if not one.edns:
        return _PLAIN
    return _EDNS_RCODES.get(one.rcode, _EDNS_OK)


def view_of(observation: Observation) -> View:
    """Return the index of an observation; made once for it."""
    if "view" not in observation.found:
        observation.found["view"] = View(observation)
    return cast(View, observation.found["view"])


def replies_in(queries: pd.DataFrame, items: Mapping[int, tuple[Item, ...]]) -> Iterator[Said]:
    """Yield the replies that lines of an observation hold; `items`: the records by line."""
    queries = queries.assign(at=queries["at"].dt.as_unit("us").astype("int64"))
    for values in zip(*(_values(queries[name]) for name in Said._fields[:-1]), strict=True):
        yield Said._make((*values, items.get(values[0], ())))


def items_of(observation: Observation) -> dict[int, tuple[Item, ...]]:
    """Return the records of each line, equal ones as one object: servers of one zone say the same."""
    frame = observation.records
    items = map(Item, *(_values(frame[name]) for name in Item._fields))
    same: dict[Any, Any] = {}
    found: defaultdict[int, list[Item]] = defaultdict(list)
    for line, item in zip(_values(frame["line"]), items, strict=True):
        found[line].append(same.setdefault(item, item))
    return {
        line: same.setdefault(own, own) for line, own in zip(found, map(tuple, found.values()), strict=True)
    }


def _values(column: pd.Series[Any]) -> Iterator[Any]:
    """Yield a column's values, equal ones as one object: a frame makes a new one for every row."""
    codes, distinct = column.array.factorize(use_na_sentinel=False)  # of the column itself it makes an index
    once = [sys.intern(value) if isinstance(value, str) else value for value in distinct.tolist()]
    return map(once.__getitem__, array("i", codes.astype("int32").tobytes()))


def _keep(kept: dict[Any, Said], key: Any, one: Said) -> None:
    before = kept.get(key)
    if before is None or _RANK.get(one.outcome, 2) >= _RANK.get(before.outcome, 2):
        kept[key] = one


def _absence(told: dict[str, Said]) -> str:
    """Tell what the replies about a name without address prove: nothing, unless both families are known."""
    if any(one.outcome == "nxdomain" for one in told.values()):
        return "nxdomain"
    return "nodata" if {"A", "AAAA"} <= told.keys() else "unknown"
