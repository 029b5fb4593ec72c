"""Scripts of servers that misbehave, before a good one: they ask it, and spoil what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
from dnscases import NS, ONE, P1, ROOT
from dnslab import Script, reply, send


def forward(query: dns.message.Message, transport: str, address: str = ONE) -> dns.message.Message:
    """Ask a good server."""
    ask = dns.query.tcp if transport == "tcp" else dns.query.udp
    try:
        return ask(query, address, 2)
    except (OSError, dns.exception.DNSException):
        return reply(query, aa=False)


def servfail(query: dns.message.Message, transport: str) -> list[bytes | float]:
    message = reply(query, aa=False)
    message.set_rcode(2)
    return send(message, transport)


def refuse(query: dns.message.Message, transport: str) -> list[bytes | float]:
    message = reply(query, aa=False)
    message.set_rcode(5)
    return send(message, transport)


def lame(query: dns.message.Message, transport: str) -> list[bytes | float]:
    message = forward(query, transport)
    message.flags &= ~dns.flags.AA
    return send(message, transport)


def upward(query: dns.message.Message, transport: str) -> list[bytes | float]:
    return send(reply(query, aa=False, authority=[". NS a.root-servers.net."]), transport)


def no_soa(query: dns.message.Message, transport: str) -> list[bytes | float]:
    if query.question[0].rdtype == dns.rdatatype.SOA:
        return send(reply(query), transport)
    message = forward(query, transport)
    message.authority = [rrset for rrset in message.authority if rrset.rdtype != dns.rdatatype.SOA]
    return send(message, transport)


def recursive(query: dns.message.Message, transport: str) -> list[bytes | float]:
    stranger = not query.question[0].name.is_subdomain(dns.name.from_text("mssante.fr"))
    message = forward(query, transport, ROOT if stranger else ONE)
    message.flags |= dns.flags.RA
    if stranger:
        message.flags &= ~dns.flags.AA
    return send(message, transport)


def over(transport: str) -> Script:
    """Answer over one transport only."""
    return lambda query, used: send(forward(query, used), used) if used == transport else []


def mixed(query: dns.message.Message, transport: str) -> list[bytes | float]:
    """Answer with an MX at a name that has an NS set as well."""
    name = query.question[0].name.to_text(True)
    if name != "deux.melange.fr" or query.question[0].rdtype != dns.rdatatype.MX:
        return send(forward(query, transport, P1), transport)
    ns = [f"{name} NS ns{n}.op.example." for n in (1, 2)]
    return send(reply(query, answer=[f"{name} MX 10 mx1.mail.example."], authority=ns), transport)


SCRIPTS: Mapping[str, Script] = {
    "silent": lambda query, transport: [], "servfail": servfail, "refuse": refuse, "lame": lame,
    "upward": upward, "no-soa": no_soa, "udp-only": over("udp"), "tcp-only": over("tcp"),
    "recursive": recursive,
}  # fmt: skip


def script(does: str) -> Script:
    """Return the script of ``WHAT WHEN…``: misbehave in one way for some queries, else answer well.

    What: one of `SCRIPTS`, `RCODES` or `SPOILT`, or seconds of delay. When: a type, ``edns``, ``udp`` or
    ``tcp``, any of which is enough; nothing: always. A last word ``no-tcp`` closes TCP, a first one
    ``elsewhere`` has replies over UDP come from another address (`dnsscene.running`).
    """
    what, *when = does.removeprefix("elsewhere").removesuffix("no-tcp").split()

    def misbehave(query: dns.message.Message, transport: str) -> list[bytes | float]:
        edns = {"edns"} if query.edns >= 0 else set()
        is_so = {dns.rdatatype.to_text(query.question[0].rdtype).lower(), transport} | edns
        if when and not is_so & set(when):
            return send(forward(query, transport), transport)
        if what in SCRIPTS:
            return SCRIPTS[what](query, transport)
        if what in RCODES:
            message = dns.message.make_response(query)
            message.use_edns(0 if what == "badvers" else -1)
            message.set_rcode(RCODES[what])
            message.flags |= dns.flags.AA if what == "nxdomain" else 0
            return send(message, transport)
        if what in SPOILT:
            return send(SPOILT[what](query, forward(query, transport)), transport)
        return [float(what), *send(forward(query, transport), transport)]

    return misbehave


Spoil = Callable[[dns.message.Message, dns.message.Message], dns.message.Message]


def truncated(_query: dns.message.Message, message: dns.message.Message) -> dns.message.Message:
    for section in (message.answer, message.authority, message.additional):
        section.clear()
    message.flags |= dns.flags.TC
    return message


def empty(_query: dns.message.Message, message: dns.message.Message) -> dns.message.Message:
    message.answer.clear()
    return message


def hollow(query: dns.message.Message, _message: dns.message.Message) -> dns.message.Message:
    return reply(query, aa=False)


def sideways(query: dns.message.Message, message: dns.message.Message) -> dns.message.Message:
    zone = next((r.name for r in (*message.answer, *message.authority)), query.question[0].name)
    return reply(query, aa=False, authority=[f"{zone} NS {name}." for name in NS])


def lower(query: dns.message.Message, message: dns.message.Message) -> dns.message.Message:
    message.question[0].name = query.question[0].name.canonicalize()
    return message


def no_middle(query: dns.message.Message, message: dns.message.Message) -> dns.message.Message:
    if query.question[0].name.labels[0].lower() == b"milieu":
        message.set_rcode(dns.rcode.NXDOMAIN)
    return message


def without_aa(_query: dns.message.Message, message: dns.message.Message) -> dns.message.Message:
    message.flags &= ~dns.flags.AA
    return message


def without_opt(_query: dns.message.Message, message: dns.message.Message) -> dns.message.Message:
    message.use_edns(-1)
    return message


def without_signatures(query: dns.message.Message, _message: dns.message.Message) -> dns.message.Message:
    plain = dns.message.make_query(query.question[0].name, query.question[0].rdtype)
    message = forward(plain, "udp")
    message.id = query.id
    return message


def other_mx(query: dns.message.Message, message: dns.message.Message) -> dns.message.Message:
    if query.question[0].rdtype != dns.rdatatype.MX:
        return message
    return reply(query, answer=[f"{query.question[0].name} MX 10 mx2.mail.example."])


def alias_of(target: str, *, apart: bool = False) -> Spoil:
    """Add an alias to what is answered for the MX, or put it in its place."""

    def spoil(query: dns.message.Message, message: dns.message.Message) -> dns.message.Message:
        question = query.question[0]
        if apart and question.rdtype != dns.rdatatype.MX:
            return message
        spoilt = reply(query, answer=[f"{question.name} CNAME {target or question.name}"])
        spoilt.answer += message.answer if apart else []
        return spoilt

    return spoil


def alone(query: dns.message.Message, message: dns.message.Message) -> dns.message.Message:
    """Leave out what an alias leads to."""
    name = query.question[0].name
    aliased = any(rrset.rdtype == dns.rdatatype.CNAME for rrset in message.answer)
    message.answer = [rrset for rrset in message.answer if not aliased or rrset.name == name]
    return message


SPOILT = {
    "self-alias": alias_of(""), "alias-too": alias_of("mx2.mail.example.", apart=True),
    "alias-alone": alone,
    "truncated": truncated, "nodata": empty, "hollow": hollow, "sideways": sideways, "lower": lower,
    "no-middle": no_middle, "no-aa": without_aa, "no-opt": without_opt, "no-sig": without_signatures,
    "other-mx": other_mx,
}  # fmt: skip
"""What is done to a good reply."""
RCODES = {
    "formerr": dns.rcode.FORMERR, "notimp": dns.rcode.NOTIMP, "badvers": dns.rcode.BADVERS,
    "nxdomain": dns.rcode.NXDOMAIN,
}  # fmt: skip
