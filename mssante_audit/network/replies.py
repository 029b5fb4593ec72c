"""What each server said to each question, as far as an observation tells: said so, said not, or not known.

Silence counts once its last attempt is there, an answer over TCP once it is known what UDP gave: what a line
less leaves open is no evidence, and decides nothing.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache, cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.lines import INFORMATIVE, NO_EDNS, Reply
from mssante_audit.observe.observation import Observation
from mssante_audit.values.hosts import can_be_asked, is_public
from mssante_audit.whitelist.rows import grouped

# Kinds of answers that only some resolvers take: those that do not validate, that go on over TCP, that wait,
# that ask again without EDNS after NOTIMP, that do not mind what is odd about them (`Reply.odd`).
PARTIAL = ("bogus", "tcp", "slow", "notimp", "odd")
NO_EVIDENCE = ""
WALKED = ("MX", "A", "AAAA", "SOA")
# Milliseconds for which every resolver waits (measured: BIND gives up on a server that takes 4 seconds); and
# for an address, once the same server has taken as long for the MX.
PATIENCE, SLOW = 3000.0, 2000.0
_OF_EDNS = {"notimp": "notimp", "dropped": "edns", "badvers": "edns"}  # how it takes EDNS → kind of answer
MAX_RECORDS = 100  # of one name and type: of more BIND takes none (`max-records-per-type`)
# Networks for documentation and benchmarks (RFC 5737, 2544, 3849): a laboratory has them for public ones.
_MADE_UP = [
    ip_network(text)
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32")
]


class ServerAnswer(NamedTuple):
    """What a question to an address came to."""

    kind: str
    """``said``, or one of `PARTIAL` where only some resolvers hear it; ``silent``, ``refused``, ``servfail``,
    ``lame``, ``truncated``, ``malformed``, ``edns`` (said only without EDNS, as no resolver asks);
    `NO_EVIDENCE`."""
    reply: Reply | None = None
    others: tuple[Reply, ...] = ()
    """What it said otherwise: over TCP, or another time."""

    @property
    def informs(self) -> bool:
        """Whether there is a reply that says what exists."""
        return self.kind == "said" or self.kind in PARTIAL

    @property
    def failed(self) -> bool:
        """Whether it is certain that the server does not answer this question."""
        return self.kind != NO_EVIDENCE and not self.informs

    @property
    def replies(self) -> tuple[Reply, ...]:
        """All that it said."""
        return (self.reply, *self.others) if self.informs and self.reply else ()


UNKNOWN = ServerAnswer(NO_EVIDENCE)


class _Given(BaseModel):
    """What a run was given (`Observation.settings`), as far as it tells whom it asked, and how often."""

    retries: Annotated[int, Field(ge=0)] = 2
    resolvers: tuple[str, ...] = ()
    parent_servers: tuple[tuple[str, str], ...] = ()


class ReplyIndex:
    """An observation's replies by question and by address."""

    def __init__(self, observation: Observation) -> None:
        try:
            settings = _Given.model_validate(observation.settings)
        except ValidationError:
            settings = _Given()
        self.observation = observation
        self.parent, self.ipv6 = observation.parent_zone, observation.ipv6
        self.families = ("A", "AAAA") if self.ipv6 else ("A",)
        self.resolvers, self.parent_servers = settings.resolvers, settings.parent_servers
        self.recursion: dict[str, Reply] = {}
        """Address → what it said to a stranger's recursive question."""
        self.late: dict[str, Reply] = {}
        """Address → a reply that came after the time-out, or so late that some resolvers give up."""
        self.names: dict[str, dict[str, dict[str, None]]] = {}
        """Zone → address that was asked about it → names under which."""
        self.speaks: dict[str, dict[str, bool]] = {}
        """Zone → address that gave a usable reply to whatever question → whether with authority."""
        self._tries = 1 + settings.retries
        self._questions: dict[tuple[str, str, str], dict[str, list[Reply | None]]] = {}
        """Zone, name and type → address → the best reply over UDP and over TCP."""
        self.zones_asked: dict[tuple[str, str], list[str]] = {}
        """Name and type → the zones whose servers were asked it."""
        self._versions: dict[tuple[str, str, str], dict[frozenset[str], Reply]] = {}
        self._edns: dict[tuple[str, bool], set[str]] = {}
        self._plain: set[tuple[tuple[str, str, str], str, bool]] = set()
        self._given_up: set[tuple[str, bool]] = set()
        """Address and whether over TCP, where the observer has waited for as long as it does."""
        self._silent_over_tcp: defaultdict[str, set[str]] = defaultdict(set)
        """Address → zones: one that is silent over UDP is asked there once, and not about each name."""
        self._private: set[str] = set()
        self._slow_with_mx: set[str] = set()
        self.usable = cache(self._can_be_asked)
        """Tells whether an address of a server can be asked by anybody; ``None``: not by the observer."""
        self.answers = cache(self._answers)
        """Returns what each address of a zone said; `walked`: the zone's MX is asked for over TCP too."""
        for reply in observation.replies:
            self._add(reply)
        addresses = [address for _, address in self.parent_servers] or [*self.names.get(self.parent, ())]
        self.laboratory = any((ip := _ip(a)) and not ip.is_global for a in (*addresses, *self.resolvers))
        """Whether the observer's own servers are not public: then others need not be."""

    def _add(self, reply: Reply) -> None:
        if reply.step == "recursion":
            self._keep(self.recursion, reply)
            return
        over_tcp, question = reply.transport == "tcp", (reply.zone, reply.qname, reply.qtype)
        if question not in self._questions:
            self.zones_asked.setdefault(question[1:], []).append(reply.zone)
        pair = self._questions.setdefault(question, {}).setdefault(reply.address, [None, None])
        if before := pair[over_tcp]:
            answered = reply.qtype == "MX" and reply.outcome == before.outcome == "answer"
            if answered and reply.answers != before.answers:
                versions = self._versions.setdefault((reply.zone, reply.qname, reply.address), {})
                versions |= {before.answers: before, reply.answers: reply}
        pair[over_tcp] = max(before, reply, key=self._order) if before else reply
        at = (reply.address, over_tcp)
        if reply.silent and self._is_final(reply):
            self._given_up.add(at)
        if reply.silent and over_tcp:
            self._silent_over_tcp[reply.address].add(reply.zone)
        if reply.edns or not reply.silent:
            edns = "silent" if reply.silent else NO_EDNS.get(reply.rcode, "known")
            if edns == "formerr" and "edns" in reply.flags.split():  # it knows EDNS: few ask again without
                edns = "notimp"
            self._edns.setdefault(at, set()).add(edns if reply.edns else "plain")
        if not reply.edns:
            self._plain.add((question, *at))
        slow = (reply.rtt or 0) > SLOW
        if not over_tcp and (slow or reply.flags.endswith("late")):
            self._keep(self.late, reply)
        if reply.qtype == "MX" and slow:
            self._slow_with_mx.add(reply.address)
        if reply.flags == "private":
            self._private.add(reply.address)
        if reply.step == "apex":
            self.names.setdefault(reply.zone, {}).setdefault(reply.address, {})[reply.server] = None
        if reply.usable or reply.outcome == "referral":
            speaks = self.speaks.setdefault(reply.zone, {})
            speaks[reply.address] = speaks.get(reply.address, False) or not reply.weak

    def _keep(self, by_address: dict[str, Reply], reply: Reply) -> None:
        by_address[reply.address] = max(reply, by_address.get(reply.address, reply), key=self._order)

    def _order(self, reply: Reply) -> tuple[Any, ...]:
        """Rank replies to one question: what says most, then the latest, and never by their place."""
        content = (reply.at, reply.outcome, reply.cut, reply.flags, sorted(reply.records))
        return (self._rank(reply), reply.step == "walk", *content)

    def _rank(self, reply: Reply) -> int:
        if reply.outcome in INFORMATIVE:
            return 5
        if reply.silent:
            return int(reply.attempt > 0)
        if reply.weak:
            return 4
        return 2 if reply.edns and reply.rcode in NO_EDNS else 3

    def _is_final(self, reply: Reply) -> bool:
        """Whether a silence is final: after the last attempt, or known beforehand."""
        return reply.attempt == 0 or reply.attempt >= self._tries

    @cached_property
    def referrals(self) -> Mapping[str, list[Reply]]:
        """Zone → the replies that hand it over; if those above carry it, too, what they say of its NS."""
        replies = [reply for question in self._questions for reply in self._counting(*question)]
        carried = [r for r in replies if r.qtype == "NS" and r.zone != r.qname and is_under(r.qname, r.zone)]
        answers = grouped((reply.qname, reply) for reply in carried if reply.outcome == "answer")
        return answers | grouped((reply.cut, reply) for reply in replies if reply.outcome == "referral")

    @cached_property
    def signed(self) -> bool:
        """Whether anything is signed, or has a DS record."""
        replies = self.observation.replies
        return any(reply.signed or any(record.type == "DS" for record in reply.records) for reply in replies)

    def _counting(self, zone: str, qname: str, qtype: str) -> Iterator[Reply]:
        for pair in self._questions.get((zone, qname, qtype), {}).values():
            yield from filter(None, pair)

    def asked_at(self, qname: str) -> list[datetime]:
        """Return the instants at which a name's MX was asked for, of the replies that count."""
        zones = self.zones_asked.get((qname, "MX"), ())
        return sorted(reply.at for zone in zones for reply in self._counting(zone, qname, "MX"))

    def about(self, qname: str, qtype: str) -> list[Reply]:
        """Return what was said to a question, whichever zone's servers were asked it."""
        zones = self.zones_asked.get((qname, qtype), ())
        answers = (answer for zone in zones for answer in self.answers(zone, qname, qtype).values())
        return [answer.reply for answer in answers if answer.reply is not None]

    def _answers(self, zone: str, qname: str, qtype: str, *, walked: bool = False) -> dict[str, ServerAnswer]:
        replies = self._questions.get((zone, qname, qtype), {})
        return {address: self._answer(*pair, walked=walked) for address, pair in replies.items()}

    def answer(
        self, zone: str, qname: str, qtype: str, address: str, *, walked: bool = False
    ) -> ServerAnswer:
        """Return what an address said to a question."""
        query = (zone, qname, qtype)  # to a zone's own name alone it matters (`_answer`): the rest is one
        answers = self.answers(*query, walked=True) if walked and qname == zone else self.answers(*query)
        return answers.get(address, UNKNOWN)

    def over(self, zone: str, qname: str, qtype: str, address: str, transport: str) -> Reply | None:
        """Return the best reply that came over a transport."""
        pair = self._questions.get((zone, qname, qtype), {}).get(address, [None, None])
        return pair[transport == "tcp"]

    def _answer(self, udp: Reply | None, tcp: Reply | None, *, walked: bool) -> ServerAnswer:
        if udp is None:
            return UNKNOWN
        compared = walked and udp.qname == udp.zone and udp.qtype == "MX"
        if compared and tcp is None:  # where TCP is known to be silent, the SOA alone says so
            soa = self.over(udp.zone, udp.zone, "SOA", udp.address, "tcp")
            tcp = soa if soa and soa.silent else None
        answer, other = self._over(udp), UNKNOWN if tcp is None else self._over(tcp)
        if compared and not other.kind and answer.kind not in ("truncated", "silent"):
            return UNKNOWN
        if answer.informs and udp.qtype == "MX":  # it may have said otherwise over TCP, or another time
            versions = self._versions.get((udp.zone, udp.qname, udp.address), {})
            replies = [versions[answers] for answers in sorted(versions, key=sorted)]
            if compared and other.informs and other.reply and other.reply.records != udp.records:
                replies.append(other.reply)
            others = {_content(reply): reply for reply in reversed(replies)}
            differing = tuple(reply for key, reply in others.items() if key != _content(udp))
            return answer._replace(others=differing) if differing else answer
        if answer.kind in ("truncated", "silent"):
            if other.informs:  # who answers over TCP is asked all once over UDP: not sent is not silent
                kind = other.kind if answer.kind == "truncated" else "tcp"
                return other._replace(kind=kind) if udp.attempt else UNKNOWN
            # A zone's own MX is the first that is asked over TCP: if only its zone was, that reply is lost.
            first = {udp.zone} if udp.qtype == "MX" and udp.qname == udp.zone else set()
            elsewhere = tcp is None and answer.kind == "silent" and self._silent_over_tcp[udp.address] - first
            return answer if other.failed or elsewhere else UNKNOWN
        return other._replace(kind="tcp") if compared and answer.kind and other.informs else answer

    def _over(self, reply: Reply) -> ServerAnswer:
        """Return what a transport's best reply comes to."""
        over_tcp = reply.transport == "tcp"
        if self._rank(reply) >= 4:
            edns = "ok" if reply.edns else self.edns(reply.address, over_tcp=over_tcp)
            second = reply.qtype != "MX" and reply.address in self._slow_with_mx
            slow = (reply.rtt or 0) > (SLOW if second else PATIENCE)
            kind = _OF_EDNS.get(edns) or ("slow" if slow else "odd" if reply.odd else "said")
            return ServerAnswer(kind, reply) if edns else UNKNOWN
        if reply.silent:
            given_up = {(reply.address, over_tcp), (reply.address, False)} & self._given_up
            return ServerAnswer("silent", reply) if given_up or self._is_final(reply) else UNKNOWN
        question = (reply.zone, reply.qname, reply.qtype)
        if self._rank(reply) == 2 and (question, reply.address, over_tcp) not in self._plain:
            return UNKNOWN  # it refuses EDNS; what it says without, nobody asked
        return ServerAnswer(reply.outcome, reply)

    def edns(self, address: str, *, over_tcp: bool = False) -> str:
        """Return how a server takes EDNS: ``ok``, ``refused``, ``notimp``, ``dropped``, ``badvers``, ""."""
        codes = self._edns.get((address, over_tcp), set())
        if "known" in codes or "badvers" in codes:
            return "ok" if "known" in codes else "badvers"
        states = {"formerr": "refused", "notimp": "notimp", "silent": "dropped"}
        return next((state for code, state in states.items() if {code, "plain"} <= codes), "")

    def _can_be_asked(self, address: str) -> bool | None:
        ip = _ip(address)
        if ip is None or address in self._private or not can_be_asked(ip, laboratory=self.laboratory):
            return False
        return None if ip.version == 6 and not self.ipv6 else True

    def public(self, address: str) -> bool:
        """Whether senders can reach an address of a mail host, as far as its number tells."""
        ip = _ip(address)
        laboratory = _MADE_UP if self.laboratory else ()
        return ip is not None and (is_public(ip) or any(ip in network for network in laboratory))


def _content(reply: Reply) -> tuple[bool, frozenset[str], str]:
    return reply.outcome == "nxdomain", reply.answers, reply.alias


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
