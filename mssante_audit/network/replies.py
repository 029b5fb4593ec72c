"""What each server said to each question, as far as an observation tells: said so, said not, or not known.

Silence counts once its last attempt is there, an answer over TCP once it is known what UDP gave: what a line
less leaves open is no evidence, and decides nothing.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import cache, cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.lines import INFORMATIVE, NO_EDNS, TRANSPORTS, Reply, is_asked_over_tcp
from mssante_audit.observe.observation import Observation
from mssante_audit.values.hosts import can_be_asked, is_public
from mssante_audit.whitelist.rows import grouped

# Kinds of answers that only some resolvers take: those that do not validate, that go on over TCP, that wait,
# that ask again without EDNS after NOTIMP, that do not mind what is odd about them (`Reply.odd`).
PARTIAL = ("bogus", "tcp", "slow", "notimp", "odd")
NO_EVIDENCE = ""
WALKED = ("MX", "A", "AAAA", "SOA")
# Milliseconds for which every resolver waits (measured: BIND gives up on a server that takes 4 seconds); and
# for an address, once the same server has taken as long for the MX (BIND: 1.75 seconds, and not 1.85).
PATIENCE, SLOW = 3000.0, 1800.0
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


def partly_of(kinds: Collection[str]) -> str:
    """Return which resolvers take one of several answers: one of `PARTIAL`, or "" if all do."""
    return "" if "said" in kinds else min(kinds, key=PARTIAL.index)


class _Given(BaseModel):
    """What a run was given (`Observation.settings`), as far as it tells whom it asked, and how often."""

    retries: Annotated[int, Field(ge=0)] = 2
    capitals: bool = False
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
        self._tries = 1 + settings.retries
        self.usable = cache(self._can_be_asked)
        """Tells whether an address of a server can be asked by anybody; ``None``: not by the observer."""
        self.answers = cache(self._answers)
        """Returns what each address of a zone said; `walked`: the zone's MX is asked for over TCP too."""
        self.recursion = self._best(r for r in observation.replies if r.step == "recursion")
        """Address → what it said to a stranger's recursive question."""
        capitals = (r for r in observation.replies if r.step == "capitals")
        self._capitals = self._best(capitals) if settings.capitals else None
        """Address → what it said to a question in capitals; ``None`` if none was asked so."""
        replies = [r for r in observation.replies if r.step not in ("recursion", "capitals")]
        late = (r for r in replies if (r.rtt or 0) > SLOW or r.flags.endswith("late"))
        self.late = self._best(r for r in late if r.transport == "udp")
        """Address → a reply that came after the time-out, or so late that some resolvers give up."""
        self._slow_with_mx = {r.address for r in replies if r.qtype == "MX" and (r.rtt or 0) > SLOW}
        self._private = {r.address for r in replies if r.flags == "private"}
        self._asked = grouped(((r.zone, r.qname, r.qtype, r.address, r.transport), r) for r in replies)
        """Question, address and transport → the replies, first the one that counts."""
        for of_question in self._asked.values():
            if len(of_question) > 1:
                of_question.sort(key=self._order, reverse=True)
        self._addresses = grouped((key[:3], key[3]) for key in dict.fromkeys(key[:4] for key in self._asked))
        """Zone, name and type → the addresses that were asked."""
        self.zones_asked = grouped(((qname, qtype), zone) for zone, qname, qtype in self._addresses)
        """Name and type → the zones whose servers were asked it."""
        silent = [r for r in replies if r.silent]
        self._given_up = {(r.address, r.transport) for r in silent if self._is_final(r)}
        """Addresses and transports where the observer has waited for as long as it does."""
        self._silent_over_tcp = grouped((r.address, r.zone) for r in silent if r.transport == "tcp")
        """Address → zones: one that is silent over UDP is asked there once, and not about each name."""
        codes = (((r.address, r.transport), _edns_code(r)) for r in replies if r.edns or not r.silent)
        self._edns = {at: {*of_server} for at, of_server in grouped(codes).items()}
        self.names: dict[str, dict[str, dict[str, None]]] = {}
        """Zone → address that was asked about it → names under which."""
        self.speaks: dict[str, dict[str, bool]] = {}
        """Zone → address that gave a usable reply to whatever question → whether with authority."""
        for r in replies:
            if r.step == "apex":
                self.names.setdefault(r.zone, {}).setdefault(r.address, {})[r.server] = None
            if r.usable or r.outcome == "referral":
                speaks = self.speaks.setdefault(r.zone, {})
                speaks[r.address] = speaks.get(r.address, False) or not r.weak
        addresses = [address for _, address in self.parent_servers] or [*self.names.get(self.parent, ())]
        self.laboratory = any((ip := _ip(a)) and not ip.is_global for a in (*addresses, *self.resolvers))
        """Whether the observer's own servers are not public: then others need not be."""

    def _best(self, replies: Iterable[Reply]) -> dict[str, Reply]:
        by_address = grouped((reply.address, reply) for reply in replies)
        return {address: max(of_address, key=self._order) for address, of_address in by_address.items()}

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
        replies = [of_question[0] for of_question in self._asked.values()]
        carried = [r for r in replies if r.qtype == "NS" and r.zone != r.qname and is_under(r.qname, r.zone)]
        answers = grouped((reply.qname, reply) for reply in carried if reply.outcome == "answer")
        return answers | grouped((reply.cut, reply) for reply in replies if reply.outcome == "referral")

    @cached_property
    def signed(self) -> bool:
        """Whether anything is signed, or has a DS record."""
        replies = self.observation.replies
        return any(reply.signed or any(record.type == "DS" for record in reply.records) for reply in replies)

    def asked_at(self, qname: str) -> list[datetime]:
        """Return the instants at which a name's MX was asked for, of the replies that count."""
        zones = self.zones_asked.get((qname, "MX"), ())
        places = ((zone, qname, "MX", a) for zone in zones for a in self._addresses[zone, qname, "MX"])
        replies = (self.over(*place, transport) for place in places for transport in TRANSPORTS)
        return sorted(reply.at for reply in replies if reply)

    def about(self, qname: str, qtype: str) -> list[Reply]:
        """Return what was said to a question, whichever zone's servers were asked it."""
        zones = self.zones_asked.get((qname, qtype), ())
        answers = (answer for zone in zones for answer in self.answers(zone, qname, qtype).values())
        return [answer.reply for answer in answers if answer.reply is not None]

    def _answers(self, zone: str, qname: str, qtype: str, *, walked: bool = False) -> dict[str, ServerAnswer]:
        question = (zone, qname, qtype)
        pairs = {
            a: [self.over(*question, a, t) for t in TRANSPORTS] for a in self._addresses.get(question, ())
        }
        answers = {address: self._answer(*pair, walked=walked) for address, pair in pairs.items()}
        if zone != self.parent and not any(answer.informs for answer in answers.values()):
            for address, (udp, tcp) in pairs.items():
                if udp and is_asked_over_tcp(udp) and not (tcp and self._over(tcp).kind):
                    answers[address] = UNKNOWN
        return answers

    def answer(
        self, zone: str, qname: str, qtype: str, address: str, *, walked: bool = False
    ) -> ServerAnswer:
        """Return what an address said to a question."""
        query = (zone, qname, qtype)  # to a zone's own name alone it matters (`_answer`): the rest is one
        answers = self.answers(*query, walked=True) if walked and qname == zone else self.answers(*query)
        return answers.get(address, UNKNOWN)

    def over(self, zone: str, qname: str, qtype: str, address: str, transport: str) -> Reply | None:
        """Return the best reply that came over a transport."""
        return next(iter(self._asked.get((zone, qname, qtype, address, transport), ())), None)

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
        if answer.kind == "lame" and udp.qtype == "MX" and udp.hollow:  # resolvers ask on for the address
            of_address = [self.answer(udp.zone, udp.qname, t, udp.address) for t in ("A", "AAAA")]
            if any(part.answers or part.alias for address in of_address for part in address.replies):
                return ServerAnswer("odd", udp)
            return answer if all(address.kind for address in of_address) else UNKNOWN
        if answer.informs and udp.qtype == "MX":  # it may have said otherwise over TCP, or another time
            asked = (self._asked.get((udp.zone, udp.qname, "MX", udp.address, t), ()) for t in TRANSPORTS)
            same = ([reply for reply in replies if reply.outcome == "answer"] for replies in asked)
            versions = {r.answers: r for part in same if len({r.answers for r in part}) > 1 for r in part}
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
            elsewhere = {*self._silent_over_tcp.get(udp.address, ())} - first
            sure = other.failed or (tcp is None and answer.kind == "silent" and elsewhere)
            return answer if sure else UNKNOWN
        over_tcp = other.informs and (compared or is_asked_over_tcp(udp))
        return other._replace(kind="tcp") if over_tcp and answer.kind else answer

    def _over(self, reply: Reply) -> ServerAnswer:
        """Return what a transport's best reply comes to."""
        if self._rank(reply) >= 4:
            edns = "ok" if reply.edns else self.edns(reply.address, reply.transport)
            second = reply.qtype != "MX" and reply.address in self._slow_with_mx
            slow = (reply.rtt or 0) > (SLOW if second else PATIENCE)
            case = self.knows_capitals(reply)
            kind = _OF_EDNS.get(edns) or ("slow" if slow else "odd" if reply.odd or not case else "said")
            return ServerAnswer(kind, reply) if edns and case is not None else UNKNOWN
        if reply.silent:
            given_up = {(reply.address, reply.transport), (reply.address, "udp")} & self._given_up
            return ServerAnswer("silent", reply) if given_up or self._is_final(reply) else UNKNOWN
        asked = self._asked[reply.zone, reply.qname, reply.qtype, reply.address, reply.transport]
        if self._rank(reply) == 2 and all(r.edns for r in asked):
            return UNKNOWN  # it refuses EDNS; what it says without, nobody asked
        return ServerAnswer(reply.outcome, reply)

    def knows_capitals(self, reply: Reply) -> bool | None:
        """Whether a server that answers would answer a question in capitals; ``None``: not known."""
        if self._capitals is None or reply.outcome != "answer" or reply.transport == "tcp" or reply.rd:
            return True
        other = self._capitals.get(reply.address)
        if other is None or (other.silent and not self._is_final(other)):
            return None
        # Of who refuses or fails Knot Resolver asks in the letters of the name (measured).
        return not (other.silent or {other.outcome, other.rcode} & {"nxdomain", "nodata", "FORMERR"})

    def edns(self, address: str, transport: str = "udp") -> str:
        """Return how a server takes EDNS: ``ok``, ``refused``, ``notimp``, ``dropped``, ``badvers``, ""."""
        codes = self._edns.get((address, transport), set())
        possible = ("ok", "badvers", *(("refused", "notimp", "dropped") if "plain" in codes else ()))
        return next((code for code in possible if code in codes), "")

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


def _edns_code(reply: Reply) -> str:
    """Return what a reply, or its lack, tells of how its server takes EDNS."""
    if not reply.edns:
        return "plain"
    code = "dropped" if reply.silent else NO_EDNS.get(reply.rcode, "ok")
    # Of one that knows EDNS and says FORMERR few ask again without.
    return "notimp" if code == "refused" and "edns" in reply.flags.split() else code


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
