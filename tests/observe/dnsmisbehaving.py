"""Scripts of servers that misbehave, before a good one: they ask it, and spoil what it says."""

from collections.abc import Callable

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
from dns.rdatatype import CNAME, DNAME, DNSKEY, MX, NSEC, RRSIG, SOA, A, RdataType, to_text
from dnscases import NS, ONE, P1, ROOT
from dnslab import Script, reply, send

Message = dns.message.Message
Spoil = Callable[[Message, Message], Message]
"""From a query and a good reply to what is said."""


def forward(query: Message, transport: str, address: str = ONE) -> Message:
    ask = dns.query.tcp if transport == "tcp" else dns.query.udp
    try:
        return ask(query, address, 2)
    except (OSError, dns.exception.DNSException):
        return reply(query, aa=False)


def mixed(query: Message, transport: str) -> list[bytes | float]:
    """Answer with an MX at a name that has an NS set as well."""
    name = query.question[0].name.to_text(True)
    if name != "deux.melange.fr" or query.question[0].rdtype != MX:
        return send(forward(query, transport, P1), transport)
    ns = [f"{name} NS ns{n}.op.example." for n in (1, 2)]
    return send(reply(query, answer=[f"{name} MX 10 mx1.mail.example."], authority=ns), transport)


def script(does: str) -> Script:
    """Return the script of ``WHAT WHEN…``: misbehave in one way for some queries, else answer well.

    What: one of `SPOILT`, or seconds of delay. When: a type, ``edns``, ``capitals``, ``udp`` or ``tcp``, any
    of which is enough; nothing: always. A last word ``no-tcp`` closes TCP, a first one ``elsewhere`` has
    replies over UDP come from another address (`dnsscene.running`).
    """
    fault, *when = does.removeprefix("elsewhere").removesuffix("no-tcp").split()
    if fault in ("udp-only", "tcp-only"):
        fault, when = "silent", ["tcp" if fault == "udp-only" else "udp"]

    def misbehave(query: Message, transport: str) -> list[bytes | float]:
        question = query.question[0]
        is_so = {to_text(question.rdtype).lower(), transport, "edns" if query.edns >= 0 else ""}
        is_so.add("capitals" if question.name.to_text() != question.name.to_text().lower() else "")
        if when and not is_so & set(when):
            return send(forward(query, transport), transport)
        if fault == "silent":
            return []
        if fault in SPOILT:
            return send(SPOILT[fault](query, forward(query, transport)), transport)
        return [float(fault), *send(forward(query, transport), transport)]

    return misbehave


def saying(rcode: int, edns: int | None = None, *, aa: bool = False) -> Spoil:
    """Say an error; with a version of EDNS, -1 for none, or the query's own."""

    def spoil(query: Message, _message: Message) -> Message:
        message = reply(query, aa=aa)
        if edns is not None:
            message.use_edns(edns)
        message.set_rcode(rcode)
        return message

    return spoil


def flagged(*, on: int = 0, off: int = 0) -> Spoil:
    def spoil(_query: Message, message: Message) -> Message:
        message.flags = (message.flags | on) & ~off
        return message

    return spoil


def recursive(query: Message, message: Message) -> Message:
    if query.question[0].name.is_subdomain(dns.name.from_text("mssante.fr")):
        return flagged(on=dns.flags.RA)(query, message)
    return flagged(on=dns.flags.RA, off=dns.flags.AA)(query, forward(query, "tcp", ROOT))


def sideways(query: Message, message: Message) -> Message:
    zone = next((r.name for r in (*message.answer, *message.authority)), query.question[0].name)
    return reply(query, aa=False, authority=[f"{zone} NS {name}." for name in NS])


def recased(case: Callable[[bytes], bytes]) -> Spoil:
    def spoil(query: Message, message: Message) -> Message:
        message.question[0].name = dns.name.Name(map(case, query.question[0].name.labels))
        return message

    return spoil


def no_middle(query: Message, message: Message) -> Message:
    if query.question[0].name.labels[0].lower() == b"milieu":
        message.set_rcode(dns.rcode.NXDOMAIN)
    return message


def left_out(*kinds: RdataType, beside: RdataType | None = None) -> Spoil:
    """Leave records of these types out, and their signatures; if a kind is given, only beside one of it."""

    def spoil(_query: Message, message: Message) -> Message:
        if beside is None or any(rrset.rdtype == beside for rrset in message.answer):
            for section in message.sections[1:3]:
                section[:] = [rrset for rrset in section if not {rrset.rdtype, rrset.covers} & {*kinds}]
        return message

    return spoil


def other_soa(_query: Message, message: Message) -> Message:
    for rrset in message.authority:
        rrset.name = dns.name.from_text("example")
    return message


def other_mx(query: Message, message: Message) -> Message:
    if query.question[0].rdtype != MX:
        return message
    return reply(query, answer=[f"{query.question[0].name} MX 10 mx2.mail.example."])


def alias_of(*targets: str, apart: bool = False) -> Spoil:
    """Add aliases to what is answered for the MX, or put them in its place."""

    def spoil(query: Message, message: Message) -> Message:
        question = query.question[0]
        if apart and question.rdtype != MX:
            return message
        spoilt = reply(query, answer=[f"{question.name} CNAME {name or question.name}" for name in targets])
        spoilt.answer += message.answer if apart else []
        return spoilt

    return spoil


SPOILT: dict[str, Spoil] = {
    "servfail": saying(2), "refuse": saying(5), "nxdomain": saying(3, -1, aa=True), "formerr": saying(1, -1),
    "notimp": saying(4, -1), "badvers": saying(dns.rcode.BADVERS, 0), "lame": flagged(off=dns.flags.AA),
    "denied": saying(3, 0), "no-aa": flagged(off=dns.flags.AA), "no-soa": left_out(SOA),
    "truncated": lambda query, _: flagged(on=dns.flags.TC)(query, reply(query)), "formerr-opt": saying(1, 0),
    "denied-data": lambda _, message: message.set_rcode(3) or message, "recursive": recursive,
    "upward": lambda query, _: reply(query, aa=False, authority=[". NS a.root-servers.net."]),
    "hollow": lambda query, _: reply(query, aa=False), "self-alias": alias_of(""),
    "alias-too": alias_of("mx2.mail.example.", apart=True), "sideways": sideways,
    "nodata": lambda _, message: message.answer.clear() or message,
    "lower": recased(bytes.lower), "upper": recased(bytes.upper),
    "two-aliases": alias_of("mx1.mail.example.", "mx2.mail.example."), "no-middle": no_middle,
    "no-sig": left_out(RRSIG, NSEC), "other-mx": other_mx,
    "no-opt": lambda _, message: message.use_edns(-1) or message, "other-soa": other_soa,
    "no-nsec": left_out(NSEC), "lone-dname": left_out(CNAME, A, MX, beside=DNAME),
    "alias-alone": left_out(MX, beside=CNAME), "unsigned": left_out(RRSIG, NSEC, DNSKEY),
}  # fmt: skip
"""What is done to a good reply."""
