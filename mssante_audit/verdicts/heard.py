"""What each server was heard to say to each question, three-valued: told, failed, or nothing that decides.

Whatever the order of a file's lines, and however often one is repeated, the same is heard. Silence counts
once its last attempt is there, an answer over TCP once it is known what UDP gave: what a line less leaves
open is unheard, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from mssante_audit.observe.dns.view import Said, items_of, replies_in
from mssante_audit.observe.lines import SILENT, TOLD
from mssante_audit.observe.observation import Observation

PARTLY = ("bogus", "tcp", "slow", "notimp")
"""Kinds of words that only some resolvers take: those that do not validate, that go on over TCP, that wait,
that ask again without EDNS after NOTIMP."""
DIM, UNHEARD = "dim", ""
_MADE_UP = tuple(
    map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"))
)
"""Networks for documentation and benchmarks (RFC 5737, 2544, 3849): a laboratory has them for public ones."""
_NO_EDNS = {"FORMERR": "formerr", "NOTIMP": "notimp", "16": "badvers"}
"""Rcodes with which servers refuse EDNS. After the first, all resolvers ask again without; after the second,
some; after BADVERS, none."""


class Word(NamedTuple):
    """What a question to an address came to."""

    kind: str
    """``told``, or one of `PARTLY` where only some resolvers hear it; ``dim``, UDP is silent, the server
    answers over TCP, and was not asked this over it; ``silent``, ``refused``, ``servfail``, ``lame``,
    ``truncated``, ``malformed``, ``edns`` (told only without EDNS, as no resolver asks); "" for unheard."""
    reply: Said | None = None
    other: Said | None = None
    """What it told over TCP, where that is not the same; of silence, how it was silent there too."""

    @property
    def told(self) -> bool:
        """Whether there is a reply that says what exists."""
        return self.kind == "told" or self.kind in PARTLY

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
        self.families = ("A", "AAAA") if self.ipv6 else ("A",)
        self.tries = 1 + (retries if type(retries) is int and retries >= 0 else 2)
        self.parent_servers = tuple(_pairs(given.get("parent_servers")))
        self.resolvers = tuple(a for a in given.get("resolvers") or () if isinstance(a, str))
        self._lines: dict[tuple[str, str, str], dict[str, list[Said | None]]] = {}
        self._edns: dict[tuple[str, bool], set[str]] = {}
        self._given_up: set[tuple[str, bool]] = set()
        """Address and whether over TCP, where the observer has waited for as long as it does."""
        self._usable: dict[str, bool | None] = {}
        self._words: dict[tuple[str, str, str, bool], dict[str, Word]] = {}
        self.asked: dict[tuple[str, str], list[str]] = {}
        """(name, type) → zones whose servers were asked it."""
        self.names: dict[str, set[str]] = {}
        """Name of a server of the parent zone → addresses that were asked under it."""
        self.cuts: dict[str, list[Said]] = {}
        """Zone → the replies that hand it over."""
        self.anchored: set[str] = set()
        """Zones with a DS record."""
        self.signed = False
        """Whether anything is signed, or has a DS record."""
        self.signatures = False
        """Whether signatures were kept: older observations have none."""
        self._index(observation)
        found = [address for own in self.names.values() for address in own]
        given_or_found = [a for _, a in self.parent_servers] or found
        self.laboratory = any(not _is_global(address) for address in (*given_or_found, *self.resolvers))
        """Whether the observer's own servers are not public: then others need not be."""

    def _index(self, observation: Observation) -> None:
        queries, records = observation.queries, observation.records
        queries = queries[queries["step"] != "recursion"]
        # Their order in a reply means nothing.
        items = {line: tuple(sorted(own)) for line, own in items_of(observation).items()}
        for one in replies_in(queries, items):
            over_tcp = one.transport == "tcp"
            replies = self._lines.setdefault((one.zone, one.qname, one.qtype), {})
            both = replies.get(one.address)
            if both is None:
                both = replies[one.address] = [None, None]
            before = both[over_tcp]
            if before is None or self._order(one) > self._order(before):
                both[over_tcp] = one
            silent = one.outcome in SILENT
            if silent and self._is_final(one):
                self._given_up.add((one.address, over_tcp))
            if one.edns:
                heard = "silent" if silent else _NO_EDNS.get(one.rcode, "known")
                self._edns.setdefault((one.address, over_tcp), set()).add(heard)
            if one.zone == self.parent:
                self.names.setdefault(one.server, set()).add(one.address)
        self.anchored = set(records.loc[records["type"] == "DS", "owner"])
        self.signatures = observation.keeps_signatures
        self.signed = bool(self.anchored) or bool(queries["flags"].str.contains("signed").any())
        for zone, qname, qtype in self._lines:
            self.asked.setdefault((qname, qtype), []).append(zone)
        kept = (one for replies in self._lines.values() for both in replies.values() for one in both)
        for told in kept:
            if told is not None and told.outcome == "referral":
                self.cuts.setdefault(told.cut, []).append(told)

    def _order(self, one: Said) -> tuple[Any, ...]:
        """Rank replies to one question: what says most, then the latest, and never by their place."""
        return (self._rank(one), one.at, one.outcome, one.cut, one.flags, one.items)

    def _rank(self, one: Said) -> int:
        if one.outcome in TOLD:
            return 5
        if one.outcome in SILENT:
            return int(one.attempt > 0)
        if one.weak:
            return 4
        return 2 if one.edns and one.rcode in _NO_EDNS else 3

    def _is_final(self, one: Said) -> bool:
        """Whether a silence is the last that the observer waits for, or one that it knew beforehand."""
        return one.attempt == 0 or one.attempt >= self.tries

    def times(self, qname: str, qtype: str) -> list[int]:
        """Return when a question was asked first and last, in microseconds since 1970; empty if never."""
        asked = (self._lines[zone, qname, qtype] for zone in self.asked.get((qname, qtype), ()))
        told = [one.at for replies in asked for both in replies.values() for one in both if one]
        return [min(told), max(told)] if told else []

    def words(self, zone: str, qname: str, qtype: str, *, walked: bool = False) -> dict[str, Word]:
        """Return what each address asked said to a question.

        `walked`: of a zone that a domain is reached through, whose SOA is asked for over TCP too.
        """
        key = (zone, qname, qtype, walked)
        if key not in self._words:
            lines = self._lines.get(key[:3], {})
            self._words[key] = {address: self._word(*both, walked=walked) for address, both in lines.items()}
        return self._words[key]

    def word(self, zone: str, qname: str, qtype: str, address: str, *, walked: bool = False) -> Word:
        """Return what an address said to a question."""
        both = self._lines.get((zone, qname, qtype), {}).get(address)
        return self._word(*both, walked=walked) if both else NOTHING

    def _word(self, udp: Said | None, tcp: Said | None, *, walked: bool) -> Word:
        if udp is None:
            return NOTHING
        compared = walked and udp.qtype == "MX" and udp.qname == udp.zone
        if udp.edns and not compared and udp.outcome in TOLD and not udp.slow:  # as nearly all are
            return Word("told", udp)
        said = self._over(udp, over_tcp=False)
        other = NOTHING if tcp is None else self._over(tcp, over_tcp=True)
        if said.told:
            return self._compared(said, other, udp, asked=tcp is not None) if compared else said
        if said.kind == "truncated":
            return other if other.told or not other.kind else Word("truncated", udp)
        if said.kind != "silent":
            return said
        if tcp is None and walked:  # would there be more to hear over TCP?
            over = self._apex_over_tcp(udp)
            return said if over.failed else Word(DIM, udp) if over.told and udp.attempt else NOTHING
        if tcp is None or other.failed:
            return said._replace(other=tcp)
        # Who answers over TCP is asked everything once over UDP: not sent is not silent then.
        return Word("tcp", tcp) if other.told and udp.attempt else NOTHING

    def _compared(self, said: Word, other: Word, udp: Said, *, asked: bool) -> Word:
        """Hold what was told over UDP of a zone's own mail against what is told over TCP."""
        if not asked:  # older observations asked for the SOA over TCP
            return said if self._apex_over_tcp(udp).kind else NOTHING
        same = other.reply is None or other.reply.items == udp.items or other.reply.data == udp.data
        if other.told and not same:
            return said._replace(other=other.reply)
        return said if other.kind else NOTHING

    def _apex_over_tcp(self, one: Said) -> Word:
        """Return what a server said over TCP of the zone's apex."""
        for qtype in ("MX", "SOA"):
            tcp = self._lines.get((one.zone, one.zone, qtype), {}).get(one.address, [None, None])[1]
            if tcp is not None:
                return self._over(tcp, over_tcp=True)
        return NOTHING

    def _over(self, one: Said, *, over_tcp: bool) -> Word:
        """Return what a transport's best reply comes to."""
        rank = self._rank(one)
        if rank >= 4:
            kind = "slow" if one.slow else "told"
            heard = self._edns.get((one.address, over_tcp), set())
            if one.edns or heard & {"known", "formerr"}:
                return Word(kind, one)
            if "notimp" in heard:
                return Word("notimp", one)
            return Word("edns", one) if heard else NOTHING
        if one.outcome in SILENT:
            sure = self._is_final(one) or (one.address, over_tcp) in self._given_up
            return Word("silent", one) if sure else NOTHING
        return Word(one.outcome, one)

    def usable(self, address: str) -> bool | None:
        """Whether an address of a name server can be asked by anybody; ``None``: not by the observer."""
        if address not in self._usable:
            self._usable[address] = self._can_be_asked(address)
        return self._usable[address]

    def _can_be_asked(self, address: str) -> bool | None:
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
