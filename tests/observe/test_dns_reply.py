"""One question: servers that follow a script, and any bytes of a reply; each ends in an outcome."""

import asyncio
import json
import re
import struct
import time
from copy import copy
from datetime import UTC, datetime
from itertools import pairwise
from types import SimpleNamespace

import dns.flags
import dns.message
import dns.name
import dns.rrset
import pytest
from conftest import toml
from dns.rdatatype import MX
from dnslab import framed, reply, send
from dnsworld import quick
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mssante_audit.observe.dns import asker as asking
from mssante_audit.observe.dns import exchange
from mssante_audit.observe.dns.asker import Ask, Asker
from mssante_audit.observe.dns.exchange import is_reply_to, query_wire, read_message
from mssante_audit.observe.dns.names import canonical
from mssante_audit.observe.lines import OUTCOMES, Reply, parse_reply

NAME = "ch-valfictif.mssante.fr"
QUERY = dns.message.make_query(NAME, "MX", use_edns=0, want_dnssec=True)
AT = datetime(2026, 3, 2, tzinfo=UTC)


def outcome(message: dns.message.Message) -> tuple[str, str]:
    return exchange.classify(read_message(message.to_wire()), "mssante.fr", NAME, "MX")


def observed(wire: bytes) -> Reply:
    """Observe a reply; its line can be read back."""
    ask = Ask("", "walk", "mssante.fr", NAME, "MX", "ns", "127.0.0.1")
    line = exchange.observe_exchange(ask, exchange.Exchange("reply", wire, 0.1, 0), AT, 1, edns=True)
    assert parse_reply(json.loads(json.dumps(line.content()))) == line
    return line


def test_a_query_asks_for_dnssec_and_not_for_recursion():
    message = dns.message.from_wire(query_wire(NAME, "MX"))
    assert (message.id, message.question, message.edns, message.payload) == (0, QUERY.question, 0, 1232)
    assert (bool(message.ednsflags & dns.flags.DO), bool(message.flags & dns.flags.RD)) == (True, False)
    plain = dns.message.from_wire(query_wire(".", "SOA", edns=False, rd=True))
    assert (plain.edns, bool(plain.flags & dns.flags.RD)) == (-1, True)


CASES = toml("observe/dns_reply")


@settings(deadline=None)
@given(st.lists(st.sampled_from(CASES["records"]), max_size=8, unique=True))
def test_records_are_read_as_dnspython_reads_them(lines):
    message = reply(QUERY, answer=lines)
    mine = sorted((r.owner, r.ttl, r.data.lower()) for r in read_message(message.to_wire()).records)
    theirs = []
    for rrset in dns.message.from_wire(message.to_wire()).answer:
        text = rrset[0].to_text().lower()
        if dns.rdatatype.to_text(rrset.rdtype) in ("MX", "NS", "CNAME", "PTR", "DNAME", "SOA"):
            text = re.sub(r"\.(?= |$)", "", text)  # names keep their final dot in dnspython's texts
        theirs.append((rrset.name.to_text(True).lower(), rrset.ttl, text))
    assert mine == sorted(theirs)


@settings(deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_end_in_an_outcome(wire):
    assert observed(wire).outcome in OUTCOMES


GOOD = reply(
    QUERY, answer=[f"{NAME} MX 10 a.example.", f"{NAME} MX 20 b.example."], authority=["fr NS a.fr."]
).to_wire()


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=6),
    st.integers(0, len(GOOD)),
)
def test_a_reply_with_bytes_changed_or_missing_ends_in_an_outcome(changes, length):
    wire = bytearray(GOOD)
    for place, byte in changes:
        wire[place] = byte
    assert observed(bytes(wire[:length])).outcome in OUTCOMES
    is_reply_to(bytes(wire[:length]), query_wire(NAME, "MX"))


QUESTION = query_wire(NAME, "MX", edns=False)[12:]


def rr(kind: int, data: bytes, owner: bytes = b"\xc0\x0c", rdclass: int = 1) -> bytes:
    return owner + struct.pack("!HHIH", kind, rdclass, 300, len(data)) + data


def message(*records: bytes, section: int = 0, flags: int = 0x8400) -> bytes:
    counts = [0, 0, 0]
    counts[section] = len(records)
    return struct.pack("!6H", 1, flags, 1, *counts) + QUESTION + b"".join(records)


MX1, MX2 = rr(15, b"\0\x0a\2mx\xc0\x0c"), rr(15, b"\0\x14\3mx2\xc0\x0c")
ODD = {
    "an MX of one byte": rr(15, b"\0"),
    "an MX whose host is elsewhere": rr(15, b"\0\1\xff\xff"),
    "an MX that goes round": rr(15, b"\0\1\1a\xc0" + bytes([12 + len(QUESTION) + len(MX1) + 14])),
    "an MX with more behind": rr(15, b"\0\1\1a\0more"),
    "an address of five bytes": rr(1, b"\1\2\3\4\5"),
    "another class": rr(15, b"\0\1\1a\0", rdclass=3),
    "a signature of two bytes": rr(46, b"\0\1"),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_one_odd_record_leaves_the_mail_exchangers_and_alone_is_no_absence(odd):
    line = observed(message(MX1, odd, MX2))
    exchangers = [r.data for r in line.records if r.type == "MX"]
    assert (line.outcome, exchangers) == ("answer", [f"10 mx.{NAME}", f"20 mx2.{NAME}"])
    assert observed(message(odd)).outcome == "malformed"
    assert observed(message(odd, section=1)).outcome == "malformed"
    assert observed(message(odd, flags=0x8000)).outcome == "malformed", "nor a server without authority"


KEY = rr(250, b"\0" * 16, owner=b"\0", rdclass=255)


def test_a_key_nobody_gave_leaves_the_mail_exchangers():
    line = observed(struct.pack("!6H", 1, 0x8400, 1, 1, 0, 1) + QUESTION + MX1 + KEY)
    assert (line.outcome, [r.data for r in line.records]) == ("answer", [f"10 mx.{NAME}"])


def test_an_odd_record_leaves_a_referral_and_an_error_what_they_are():
    ns = rr(2, b"\2ns\xc0\x0c")
    line = observed(message(ns, ODD["a signature of two bytes"], section=1, flags=0x8000))
    assert (line.outcome, line.cut) == ("referral", NAME)
    assert observed(message(ns, ODD["an MX of one byte"], section=1)).outcome == "malformed", (
        "it claims to know"
    )
    for rcode, outcome in ((2, "servfail"), (3, "nxdomain"), (5, "refused")):
        assert observed(message(ODD["an MX of one byte"], section=1, flags=0x8400 | rcode)).outcome == outcome


BROKEN = {
    "cut": message(MX1, MX2)[:-3],
    "junk": message(MX1, MX2) + b"junk",
    "one too few": message(MX1, MX2)[: -len(MX2)],
    "a label that does not exist": message(MX1, b"\x40" + MX1, MX2),
    "cut data": message(MX1, MX2, rr(15, b"\0\1\1a\0")[:-3]),
    "EDNS in the answer": message(MX1, rr(41, b"", owner=b"\0"), MX2),
    "a key in the answer": message(MX1, KEY, MX2),
    "an owner that points at itself": message(rr(2, b"\xc0\x0c", b"\xc0" + bytes([12 + len(QUESTION)]))),
    "an owner of a label that does not exist": message(rr(2, b"\xc0\x0c", b"\x40a\0")),
    "more data than there is": message(b"\xc0\x0c\0\x02\0\1\0\0\1\x2c\xff\xff\xc0\x0c"),
    "another class alone": message(rr(2, b"\xc0\x0c", rdclass=3)),
    "an owner of 257 bytes": message(rr(2, b"\xc0\x0c", (b"\x3f" + b"a" * 63) * 4 + b"\0")),
    "junk behind": message(rr(2, b"\xc0\x0c")) + b"junk",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_message_whose_records_cannot_be_told_apart_is_malformed(broken):
    assert observed(broken).outcome == "malformed"


def test_unknown_types_and_odd_characters_are_text():
    name = b"\5a\0\x1b.B\0"
    line = observed(message(MX1, rr(65400, b"\1\2\3"), rr(2, name), rr(16, b"\3\x07\x00\xff")))
    assert [(r.type, r.data) for r in line.records[1:]] == [
        ("TYPE65400", "\\# 3 010203"), ("NS", "a\\000\\027\\.b"), ("TXT", '"\\007\\000\\255"'),
    ]  # fmt: skip
    assert canonical(line.records[2].data) == line.records[2].data


def test_huge_data_is_read_and_nothing_is_not():
    line = observed(message(MX1, rr(65400, b"\xaa" * 60_000)))
    assert (line.outcome, line.records[1].data.replace(" ", "")) == ("answer", "\\#60000" + "aa" * 60_000)
    for wire in (b"", b"\0" * 11, b"\0\1\x84\0\0\1\0\1\0\0\0\0"):
        assert observed(wire).outcome == "malformed"


def test_a_reply_of_thousands_of_records_is_cut():
    message = reply(QUERY, answer=[f"{NAME} MX 10 h{n}.example." for n in range(exchange.MAX_RECORDS + 500)])
    decoded = read_message(message.to_wire(max_size=65535))
    assert len(decoded.records) == exchange.MAX_RECORDS
    assert "cut" in decoded.flags


def test_a_truncated_reply_may_end_anywhere():
    message = reply(QUERY, answer=[f"{NAME} MX 10 a.example."])
    message.flags |= dns.flags.TC
    assert observed(message.to_wire()[:-3]).outcome == "truncated"


def test_records_made_to_be_slow_are_not_all_read(monkeypatch):
    """A name of 25,000 labels is read to its end before it is refused: a message could have a thousand."""
    labels = rr(65400, b"\1a" * 25_000)
    pointer = bytes([0xC0, 12 + len(QUESTION) + 12])
    read = []
    plain = dns.name.from_wire_parser
    monkeypatch.setattr(dns.name, "from_wire_parser", lambda *args: read.append(1) or plain(*args))
    wire = message(labels, MX1, *[rr(15, b"\0\1" + pointer)] * 900)
    assert observed(wire).outcome == "answer"
    assert len(read) < 4 * exchange.MAX_ODD


@pytest.mark.parametrize(("aa", "rcode", "sections", "expected", "cut"), CASES["outcomes"])
def test_outcomes(aa, rcode, sections, expected, cut):
    lines_of = {name: [line.replace("@", NAME) for line in lines] for name, lines in sections.items()}
    message = reply(QUERY, aa=aa, **lines_of)
    message.set_rcode(rcode)
    assert outcome(message) == (expected, cut.replace("@", NAME))


@pytest.mark.parametrize("edns", [True, False])
def test_only_the_reply_to_the_question_is_one(edns):
    query, bare = query_wire(NAME, "MX", edns=edns), dns.message.make_response(QUERY)
    bare.question.clear()
    (error := copy(bare)).set_rcode(1)
    for right in (GOOD, GOOD.replace(b"valfictif", b"VALFICTIF"), error.to_wire()):
        assert is_reply_to(right, query)
    for wrong in (QUERY.to_wire(), bare.to_wire()):  # a query is no reply
        assert not is_reply_to(wrong, query)
    for name, qtype in ((NAME, "A"), ("ch-autre.mssante.fr", "MX")):
        assert not is_reply_to(GOOD, query_wire(name, qtype, edns=edns))


@settings(deadline=None)
@given(st.text(max_size=300))
@example("sessad@ase.mssante.fr")
@example("é.mssante.fr")
@example("a" * 64)
@example(".")
@example("")
@example("\ud800.fr")
@example("\u212a.fr")
@example("a.fr..")
@example(".".join(["a" * 63] * 3 + ["b" * 61]))
@example(".".join(["a" * 63] * 3 + ["b" * 62]))
def test_any_text_is_a_name_or_is_not(text):
    name = canonical(text)
    try:
        theirs = dns.name.from_text(text.strip())
        theirs.to_wire()
    except (dns.exception.DNSException, ValueError):
        theirs = dns.name.root
    assert name == ("" if theirs == dns.name.root else theirs.to_text(omit_final_dot=True).lower())
    if name:
        assert canonical(name) == name
        query_wire(name, "MX")


SERVER = "127.0.54.1"
ASK = Ask(NAME, "walk", "mssante.fr", NAME, "MX", "ns.example", SERVER)
TCP = ASK._replace(transport="tcp")


def ask(port: int, *asks: Ask, in_turn=False, **settings) -> tuple[list[Reply], list[dict], Asker]:
    """Ask all, at once or in turn; return the last observed of each, every line written, and the asker."""
    lines: list[dict] = []

    async def run() -> tuple[list[Reply], Asker]:
        asker = Asker(quick(port, **settings), lines.append)
        if in_turn:
            return [await asker.ask(a) for a in asks], asker
        return list(await asyncio.gather(*map(asker.ask, asks))), asker

    observed, asker = asyncio.run(run())
    return observed, lines, asker


def named(count: int) -> list[Ask]:
    return [ASK._replace(qname=f"n{n}.mssante.fr") for n in range(count)]


def mx(query: dns.message.Message) -> dns.message.Message:
    return reply(query, answer=[f"{query.question[0].name} MX 10 mx.example."])


def good(query: dns.message.Message, transport: str) -> list[bytes | float]:
    return send(mx(query), transport)


def forged(query: dns.message.Message, transport: str) -> list[bytes | float]:
    wrong_id, wrong_name, wrong_type = (mx(query) for _ in range(3))
    wrong_id.id ^= 0x5555
    wrong_name.question = dns.message.make_query("autre.mssante.fr", "MX").question
    wrong_type.question = dns.message.make_query(NAME, "A").question
    return [m.to_wire() for m in (wrong_id, wrong_name, wrong_type)] + [b"", b"\0", query.to_wire()]


def test_forged_replies_are_ignored_and_counted(port, serve):
    serve(SERVER, lambda q, t: [*forged(q, t), *good(q, t)])
    (observed,), _, asker = ask(port, ASK)
    assert observed.outcome == "answer"
    assert observed.ignored == 3, "those with the right id: another name, another type, a query"
    assert asker.ignored == {SERVER: 12}, "and as many in capitals"


def test_forged_replies_alone_are_a_silence(port, serve):
    serve(SERVER, forged, tcp=False)
    _, lines, asker = ask(port, ASK)
    assert [line["outcome"] for line in lines] == [*["timeout"] * 3, "unreachable"], "and once over TCP"
    assert asker.ignored == {SERVER: 18}


@pytest.mark.parametrize(
    ("sender", "address"), [({"from_address": "127.0.54.2"}, "127.0.54.2"), ({"from_port": 0}, SERVER)]
)
def test_a_reply_from_elsewhere_is_ignored(port, serve, sender, address):
    serve(SERVER, good, **sender, tcp=False)
    (observed,), _, asker = ask(port, ASK, retries=0)
    assert (observed.outcome, observed.ignored) == ("timeout", 1)
    assert asker.ignored == {address: 1}


def test_a_reply_that_a_busy_machine_is_late_to_read_came_in_time(port, serve, monkeypatch):
    serve(SERVER, good)
    waited, clock = iter((0, 0, 9) * 2), SimpleNamespace(**vars(time))  # 9 seconds, until we read
    clock.time, clock.perf_counter = lambda: time.time() + 9, lambda: time.perf_counter() + next(waited)
    monkeypatch.setattr(exchange, "time", clock)
    (observed,), _, asker = ask(port, ASK)
    assert (observed.outcome, observed.rtt < 1000, asker.late) == ("answer", True, 0)


def test_silence_by_chance_is_not_held_against_edns(port, serve):
    """A server that comes up between the second try and the last is not called deaf to EDNS."""
    start = time.monotonic()
    serve(SERVER, lambda q, t: good(q, t) if time.monotonic() - start > 0.5 else [])
    (observed,), lines, _ = ask(port, ASK, timeout=0.1, retry_delay=0.2)
    assert [(line["edns"], line["outcome"]) for line in lines] == [
        (True, "timeout"), (True, "timeout"), (False, "answer"), (True, "answer"), (True, "answer"),
    ]  # fmt: skip
    assert observed.edns


def test_where_udp_is_filtered_tcp_is_asked(port, serve, monkeypatch):
    monkeypatch.setattr(asking, "SLOWEST", 0.1)  # each silence doubles the wait for the next name
    server = serve(SERVER, lambda q, t: good(q, t) if t == "tcp" else [])
    replies, _, _ = ask(port, TCP, *named(20), in_turn=True, timeout=0.1)
    assert {(o.transport, o.outcome) for o in replies} == {("tcp", "answer")}
    # Each name once: whether a resolver without TCP gets an answer hangs on it.
    assert sum(transport == "udp" for _, _, transport in server.queries) <= len(replies) + 2


def test_a_server_silent_over_udp_to_some_questions_only_is_heard_on_the_others(port, serve):
    serve(SERVER, lambda q, t: good(q, t) if t == "tcp" or q.question[0].rdtype == MX else [])
    asks = (TCP._replace(qtype="SOA"), ASK._replace(qtype="SOA"), ASK)
    (_, soa, mx_reply), _, _ = ask(port, *asks, in_turn=True, timeout=0.1)
    assert (soa.transport, mx_reply.transport, mx_reply.outcome) == ("tcp", "udp", "answer")


def test_a_lost_query_does_not_count_against_edns(port, serve):
    seen: list[str] = []

    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        name = query.question[0].name.to_text()
        seen.append(name)
        return [] if name.startswith("perdu") and seen.count(name) < 3 else good(query, transport)

    serve(SERVER, script)

    asks = (ASK, *(ASK._replace(qname=f"{name}.mssante.fr") for name in ("perdu", "apres")))
    (_, lost, after), _, _ = ask(port, *asks, in_turn=True, timeout=0.1)
    assert (lost.attempt, lost.outcome, lost.edns, after.edns) == (3, "answer", True, True)


def test_nobody_there_is_unreachable_at_once(port):
    start = time.monotonic()
    observed, lines, _ = ask(port, ASK, TCP, retries=0, timeout=5)
    assert time.monotonic() - start < 1
    assert {line["outcome"] for line in lines} == {"unreachable"}
    assert observed[0].rtt is None


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (good, "answer"),
        (lambda q, t: [x for byte in framed(mx(q).to_wire()) for x in (bytes([byte]), 0.02)], "timeout"),
        (lambda q, t: [0.5], "timeout"),
        (lambda q, t: [], "unreachable"),
        (lambda q, t: [framed(mx(q).to_wire())[:20]], "malformed"),
        (lambda q, t: [framed(b"\xff" * 40)] * 20, "malformed"),
        (lambda q, t: [framed(b"")] * 20, "malformed"),
        (lambda q, t: [framed(forged(q, t)[0]), *good(q, t)], "answer"),
    ],
)
def test_over_tcp(port, serve, script, outcome):
    serve(SERVER, script)
    (observed,), _, _ = ask(port, TCP, retries=0)
    assert observed.outcome == outcome


@pytest.mark.parametrize(
    ("servers", "limit"), [(1, {"per_server": 100.0}), (10, {"per_second": 100.0})], ids=["each", "all"]
)
def test_limits_hold(port, serve, servers, limit):
    times: list[float] = []

    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        times.append(time.monotonic())
        return good(query, transport)

    addresses = [f"127.0.54.{n}" for n in range(10, 10 + servers)]
    for address in addresses:
        serve(address, script, tcp=False)
    asks = [a._replace(address=addresses[n % servers]) for n, a in enumerate(named(60))]
    start = time.monotonic()
    observed, _, _ = ask(port, *asks, timeout=2.0, **limit)
    assert {o.outcome for o in observed} == {"answer"}
    assert 0.4 < time.monotonic() - start < 2, "a few at once, then 100 a second"
    gaps = sorted(b - a for a, b in pairwise(sorted(times)))
    assert servers > 1 or max(gaps) - min(gaps) > 0.001, "jitter for one server"


def test_no_second_has_more_queries_than_allowed_over_both_transports(port, serve):
    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        message = mx(query)
        if transport == "udp":
            message.flags |= dns.flags.TC
        return send(message, transport)

    serve(SERVER, script)
    observed, lines, _ = ask(port, *named(70), per_server=50.0, timeout=2.0)
    assert {(o.outcome, o.transport) for o in observed} == {("answer", "tcp")}
    sent = sorted(datetime.fromisoformat(line["at"]).timestamp() for line in lines)
    assert len(sent) == 140
    # A busy machine may be late with one, and in time with the next: 60 ms are allowed for that.
    assert min(last - first for first, last in zip(sent, sent[50:], strict=False)) > 0.94


def test_no_more_under_way_than_allowed(port, serve):
    serve(SERVER, lambda q, t: [], tcp=False)
    observed, lines, _ = ask(port, *named(50), per_server_in_flight=3, timeout=0.1)
    sent = [line for line in lines if line["attempt"] and line["transport"] == "udp"]
    assert len(sent) == 3 + 2, "three at once, then one of them probes twice more"
    assert [o.outcome for o in observed] == ["timeout"] * 50


def test_a_server_that_comes_back_is_asked_what_had_to_wait(port, serve):
    start = time.monotonic()
    serve(SERVER, lambda q, t: good(q, t) if time.monotonic() - start > 0.3 else [], tcp=False)
    observed, _, _ = ask(port, *named(20), timeout=0.2, retry_delay=0.3)
    assert {o.outcome for o in observed} == {"answer"}


def test_each_question_has_a_port_of_its_own(port, serve):
    server = serve(SERVER, good)
    observed, _, _ = ask(port, *named(40), per_server_in_flight=50, timeout=5.0)
    assert {o.outcome for o in observed} == {"answer"}
    assert len(server.ports) > 20
