"""What each server was heard to say to each question, three-valued: told, failed, or nothing that decides.

Whatever the order of a file's lines, and however often one is repeated, the same is heard. Silence counts once
its last attempt is there, an answer over TCP once it is known what UDP gave: what a line less leaves open is
unheard, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from mssante_audit.observe.dns.view import Item
from mssante_audit.observe.lines import SILENT, TOLD
from mssante_audit.observe.observation import Observation

TOLD_ONLY_TCP, DIM, UNHEARD = "tcp", "dim", ""
_MADE_UP = tuple(
    map(
        ip_network,
        ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"),
    )
)
"""Networks for documentation and benchmarks (RFC 5737, 2544, 3849): in a laboratory they stand for public ones."""
_FIELDS = (
    "line", "at", "zone", "qname", "qtype", "server", "address", "edns", "attempt", "outcome", "rcode",
    "flags", "cut",
)  # fmt: skip
_PLAIN = ("FORMERR", "NOTIMP")
"""With these a server says that it knows no EDNS; resolvers ask again without."""


class Reply(NamedTuple):
    """A line of an observation (`mssante_audit.observe.observation`) with its records."""

    line: int
    at: int
    """Microseconds since 1970."""
    zone: str
    qname: str
    qtype: str
    server: str
    address: str
    edns: bool
    attempt: int
    outcome: str
    rcode: str
    flags: str
    cut: str
    items: tuple[Item, ...]

    @property
    def data(self) -> tuple[str, ...]:
        """Data of the records of the type asked for in the answer, sorted."""
        return tuple(sorted({i.data for i in self.items if i.section == "answer" and i.type == self.qtype}))

    @property
    def alias(self) -> str:
        """What the name asked for is an alias of, through aliases, or ""."""
        aliases = {i.owner: i.data for i in self.items if i.section == "answer" and i.type == "CNAME"}
        end = self.qname
        for _ in aliases:
            end = aliases.get(end, end)
        return end if end != self.qname else ""


class Word(NamedTuple):
    """What a question to an address came to."""

    kind: str
    """``told``; ``tcp``, told over TCP while UDP is silent; ``dim``, UDP is silent, the server answers over TCP,
    and was not asked this over it; ``silent``, ``refused``, ``servfail``, ``lame``,
    ``truncated``, ``malformed``, ``edns`` (silent unless asked without EDNS); "" for unheard."""
    reply: Reply | None = None

    @property
    def told(self) -> bool:
        """Whether there is a reply that says what exists."""
        return self.kind in ("told", TOLD_ONLY_TCP)

    @property
    def failed(self) -> bool:
        """Whether it is certain that the server does not answer this question."""
        return self.kind not in (UNHEARD, DIM) and not self.told


NOTHING = Word(UNHEARD)


class Heard:
    """Index of an observation's lines by question."""

    def __init__(self, observation: Observation) -> None:
        given = observation.settings
        retries = given.get("retries")
        self.parent, self.ipv6 = observation.parent_zone, observation.ipv6
        self.tries = 1 + (retries if type(retries) is int and retries >= 0 else 2)
        self.parent_servers = tuple(_pairs(given.get("parent_servers")))
        self.resolvers = tuple(a for a in given.get("resolvers") or () if isinstance(a, str))
        self._lines: dict[tuple[str, str, str], dict[str, list[Reply | None]]] = {}
        self._edns: dict[tuple[str, bool], set[str]] = {}
        self._words: dict[tuple[str, str, str, bool], dict[str, Word]] = {}
        self.asked: dict[tuple[str, str], list[str]] = {}
        """(name, type) → zones whose servers were asked it."""
        self.names: dict[str, dict[str, set[str]]] = {}
        """Zone → address → names under which it was asked about the zone's apex or a name."""
        self.cuts: dict[str, list[Reply]] = {}
        """Zone → the replies that hand it over."""
        self._index(observation)
        given_or_found = [a for _, a in self.parent_servers] or [*self.names.get(self.parent, ())]
        self.laboratory = any(not _is_global(address) for address in (*given_or_found, *self.resolvers))
        """Whether the observer's own servers are not public: then others need not be."""

    def _index(self, observation: Observation) -> None:
        frame = observation.queries
        frame = frame[frame["step"].astype("str") != "recursion"]
        items = _items(observation)
        columns = [frame[name].tolist() for name in _FIELDS if name != "at"]
        columns.insert(1, frame["at"].astype("int64").tolist())
        tcp = (frame["transport"].astype("str") == "tcp").tolist()
        for over_tcp, line, *rest in zip(tcp, *columns, strict=True):
            one = Reply(line, *rest, items.get(line, ()))
            key = (one.zone, one.qname, one.qtype)
            both = self._lines.setdefault(key, {}).setdefault(one.address, [None, None])
            before = both[over_tcp]
            if before is None or self._order(one) > self._order(before):
                both[over_tcp] = one
            if one.edns:
                heard = "silent" if one.outcome in SILENT else "plain" if one.rcode in _PLAIN else "known"
                self._edns.setdefault((one.address, over_tcp), set()).add(heard)
            self.names.setdefault(one.zone, {}).setdefault(one.address, set()).add(one.server)
        for zone, qname, qtype in self._lines:
            self.asked.setdefault((qname, qtype), []).append(zone)
        for replies in self._lines.values():
            for both in replies.values():
                for one in both:
                    if one is not None and one.outcome == "referral":
                        self.cuts.setdefault(one.cut, []).append(one)

    def _order(self, one: Reply) -> tuple[Any, ...]:
        """Rank replies to one question: what says most, then the latest, and never by their place."""
        return (self._rank(one), one.at, one.outcome, one.cut, one.flags, one.items)

    def _rank(self, one: Reply) -> int:
        if one.outcome in TOLD:
            return 5
        if one.outcome in SILENT:
            return int(one.attempt == 0 or one.attempt >= self.tries)
        if one.outcome == "lame" and _answers(one):
            return 4
        return 2 if one.edns and one.rcode in _PLAIN else 3

    def words(self, zone: str, qname: str, qtype: str, *, walked: bool = False) -> dict[str, Word]:
        """Return what each address asked said to a question.

        `walked`: of a zone that a domain is reached through, whose servers are asked for its SOA over TCP too.
        """
        key = (zone, qname, qtype, walked)
        if key not in self._words:
            lines = self._lines.get((zone, qname, qtype), {})
            self._words[key] = {address: self._word(*both, walked=walked) for address, both in lines.items()}
        return self._words[key]

    def word(self, zone: str, qname: str, qtype: str, address: str, *, walked: bool = False) -> Word:
        """Return what an address said to a question."""
        return self.words(zone, qname, qtype, walked=walked).get(address, NOTHING)

    def _word(self, udp: Reply | None, tcp: Reply | None, *, walked: bool) -> Word:
        if udp is None:
            return NOTHING
        said = self._over(udp, over_tcp=False)
        if said.kind not in ("silent", "truncated"):
            return said
        other = NOTHING if tcp is None else self._over(tcp, over_tcp=True)
        if said.kind == "truncated":
            return other if other.kind in ("told", UNHEARD) else Word("truncated", udp)
        if tcp is None and walked:  # would there be more to hear over TCP? The zone's SOA was asked over it
            apex = self._lines.get((udp.zone, udp.zone, "SOA"), {}).get(udp.address, [None, None])[1]
            over = NOTHING if apex is None else self._over(apex, over_tcp=True)
            return said if over.failed else Word(DIM, udp) if over.told else NOTHING
        if tcp is None or other.failed:
            return said
        return Word(TOLD_ONLY_TCP, tcp) if other.told else NOTHING

    def _over(self, one: Reply, *, over_tcp: bool) -> Word:
        """Return what a transport's best reply comes to."""
        rank = self._rank(one)
        if rank >= 4:
            heard = self._edns.get((one.address, over_tcp), set())
            if one.edns or heard & {"plain", "known"}:
                return Word("told", one)
            return Word("edns", one) if "silent" in heard else NOTHING
        if one.outcome in SILENT:
            return Word("silent", one) if rank else NOTHING
        return Word(one.outcome, one)

    def usable(self, address: str) -> bool | None:
        """Whether an address of a name server can be asked by anybody; ``None``: not by the observer."""
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        if ip.is_multicast or ip.is_unspecified or address == "255.255.255.255":
            return False
        if not self.laboratory and not _is_global(address):
            return False
        return None if ip.version == 6 and not self.ipv6 else True

    def public(self, address: str) -> bool:
        """Whether senders can reach an address of a mail host, as far as its number tells."""
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        if ip.is_multicast:
            return False
        return ip.is_global or (self.laboratory and any(ip in n for n in _MADE_UP if n.version == ip.version))


def _answers(one: Reply) -> bool:
    """Whether a reply holds an answer to its question (it may lack the AA bit: resolvers take it)."""
    wanted = (one.qtype, "CNAME")
    return any(i.section == "answer" and i.owner == one.qname and i.type in wanted for i in one.items)


def _items(observation: Observation) -> dict[int, tuple[Item, ...]]:
    """Return the records of each line, sorted: their order in a reply means nothing."""
    frame = observation.records
    found: dict[int, list[Item]] = {}
    columns = [frame[name].tolist() for name in ("line", *Item._fields)]
    for line, *rest in zip(*columns, strict=True):
        found.setdefault(line, []).append(Item(*rest))
    return {line: tuple(sorted(items)) for line, items in found.items()}


def _is_global(address: str) -> bool:
    try:
        return ip_address(address).is_global
    except ValueError:
        return True


def _pairs(given: object) -> Iterator[tuple[str, str]]:
    """Yield names and addresses of a header's list of servers."""
    for one in given if isinstance(given, list) else ():
        if isinstance(one, list) and len(one) == 2 and all(isinstance(text, str) for text in one):
            yield one[0], one[1]
