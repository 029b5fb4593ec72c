"""What a correct server will not do: one question at a time, to servers that follow a script."""

import asyncio
import time
from datetime import datetime
from itertools import pairwise

import dns.flags
import dns.message
import pytest
from dns.rdatatype import MX
from dnslab import framed, reply, send
from dnsworld import quick

from mssante_audit.observe.dns import asker as asking
from mssante_audit.observe.dns.asker import Ask, Asker
from mssante_audit.observe.lines import Reply

SERVER = "127.0.54.1"
NAME = "ch-valfictif.mssante.fr"
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
    assert asker.ignored == {SERVER: 6}


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


def test_silence_by_chance_is_not_held_against_edns(port, serve):
    """A server that comes up between the second try and the last is not called deaf to EDNS."""
    start = time.monotonic()
    serve(SERVER, lambda q, t: good(q, t) if time.monotonic() - start > 0.5 else [])
    (observed,), lines, _ = ask(port, ASK, timeout=0.1, retry_delay=0.2)
    assert [(line["edns"], line["outcome"]) for line in lines] == [
        (True, "timeout"), (True, "timeout"), (False, "answer"), (True, "answer"),
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


def drip(query: dns.message.Message, transport: str) -> list[bytes | float]:
    pieces: list[bytes | float] = []
    for byte in framed(mx(query).to_wire()):
        pieces += [bytes([byte]), 0.02]
    return pieces


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (good, "answer"),
        (drip, "timeout"),
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
    assert max(gaps) - min(gaps) > 0.001, "jitter"


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
