"""What a correct server will not do: one question at a time, to servers that follow a script."""

import asyncio
import socket
import time
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise

import dns.flags
import dns.message
import pytest
from dns.rdatatype import MX
from dnslab import Scripted, framed, reply, send
from dnsworld import quick

from mssante_audit.observe.dns import asker as asking
from mssante_audit.observe.dns.asker import Ask, Asker
from mssante_audit.observe.lines import Reply

SERVER = "127.0.54.1"
NAME = "ch-valfictif.mssante.fr"
ASK = Ask(NAME, "walk", "mssante.fr", NAME, "MX", "ns.example", SERVER)
Serve = Callable[..., Scripted]


def ask(
    port: int, *asks: Ask, patient: bool = True, in_turn: bool = False, **settings: object
) -> tuple[list[Reply], list[dict], Asker]:
    """Ask all, at once or in turn; return the last observed of each, every line written, and the asker."""
    lines: list[dict] = []

    async def run() -> tuple[list[Reply], Asker]:
        asker = Asker(quick(port, **settings), lines.append)
        if in_turn:
            return [await asker.ask(a, patient=patient) for a in asks], asker
        return list(await asyncio.gather(*(asker.ask(a, patient=patient) for a in asks))), asker

    observed, asker = asyncio.run(run())
    return observed, lines, asker


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


def test_forged_replies_are_ignored_and_counted(port: int, serve: Serve) -> None:
    serve(SERVER, lambda q, t: [*forged(q, t), *good(q, t)])
    (observed,), _, asker = ask(port, ASK)
    assert observed.outcome == "answer"
    assert observed.ignored == 3, "those with the right id: another name, another type, a query"
    assert asker.ignored == {SERVER: 6}


def test_forged_replies_alone_are_a_silence(port: int, serve: Serve) -> None:
    serve(SERVER, forged, tcp=False)
    _, lines, asker = ask(port, ASK)
    assert [line["outcome"] for line in lines] == [*["timeout"] * 3, "unreachable"], "and once over TCP"
    assert asker.ignored == {SERVER: 18}


def test_a_reply_from_elsewhere_is_ignored(port: int, serve: Serve) -> None:
    serve(SERVER, good, from_address="127.0.54.2", tcp=False)
    (observed,), _, asker = ask(port, ASK, retries=0)
    assert (observed.outcome, observed.ignored) == ("timeout", 1)
    assert asker.ignored == {"127.0.54.2": 1}


def test_a_reply_from_another_port_is_ignored(port: int, serve: Serve) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as real,
    ):
        other.bind((SERVER, 0))
        real.bind((SERVER, port))
        real.settimeout(5)

        async def run() -> Reply:
            asker = Asker(quick(port, retries=0), [].append)
            task = asyncio.create_task(asker.ask(ASK))
            wire, source = await asyncio.to_thread(real.recvfrom, 512)
            other.sendto(mx(dns.message.from_wire(wire)).to_wire(), source)
            return await task

        observed = asyncio.run(run())
    assert (observed.outcome, observed.ignored) == ("timeout", 1)


def test_silence_by_chance_is_not_held_against_edns(port: int, serve: Serve) -> None:
    """A server that comes up between the second try and the last is not called deaf to EDNS."""
    start = time.monotonic()
    serve(SERVER, lambda q, t: good(q, t) if time.monotonic() - start > 0.5 else [])
    (observed,), lines, _ = ask(port, ASK, timeout=0.1, retry_delay=0.2)
    assert [(line["edns"], line["outcome"]) for line in lines] == [
        (True, "timeout"), (True, "timeout"), (False, "answer"), (True, "answer"),
    ]  # fmt: skip
    assert observed.edns


def test_where_udp_is_filtered_tcp_is_asked(port: int, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "SLOWEST", 0.1)  # each silence doubles the wait for the next name
    server = serve(SERVER, lambda q, t: good(q, t) if t == "tcp" else [])

    asks = [ASK._replace(qname=f"n{n}.mssante.fr") for n in range(20)]
    replies, _, _ = ask(port, ASK._replace(transport="tcp"), *asks, in_turn=True, timeout=0.1)
    assert {(o.transport, o.outcome) for o in replies} == {("tcp", "answer")}
    # Each name once: whether a resolver without TCP gets an answer hangs on it.
    assert sum(transport == "udp" for _, _, transport in server.queries) <= len(replies) + 2


def test_a_server_silent_over_udp_to_some_questions_only_is_heard_on_the_others(
    port: int, serve: Serve
) -> None:
    serve(SERVER, lambda q, t: good(q, t) if t == "tcp" or q.question[0].rdtype == MX else [])

    soa = ASK._replace(qtype="SOA")
    (_, soa, mx_reply), _, _ = ask(port, soa._replace(transport="tcp"), soa, ASK, in_turn=True, timeout=0.1)
    assert (soa.transport, mx_reply.transport, mx_reply.outcome) == ("tcp", "udp", "answer")


def test_a_lost_query_does_not_count_against_edns(port: int, serve: Serve) -> None:
    seen: list[str] = []

    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        name = query.question[0].name.to_text()
        seen.append(name)
        return [] if name.startswith("perdu") and seen.count(name) < 3 else good(query, transport)

    serve(SERVER, script)

    asks = (ASK, *(ASK._replace(qname=f"{name}.mssante.fr") for name in ("perdu", "apres")))
    (_, lost, after), _, _ = ask(port, *asks, in_turn=True, timeout=0.1)
    assert (lost.attempt, lost.outcome, lost.edns, after.edns) == (3, "answer", True, True)


def test_nobody_there_is_unreachable_at_once(port: int) -> None:
    start = time.monotonic()
    observed, lines, _ = ask(port, ASK, ASK._replace(transport="tcp"), retries=0, timeout=5)
    assert time.monotonic() - start < 1
    assert {line["outcome"] for line in lines} == {"unreachable"}
    assert observed[0].rtt is None


def drip(query: dns.message.Message, transport: str) -> list[bytes | float]:
    pieces: list[bytes | float] = []
    for byte in framed(mx(query).to_wire()):
        pieces += [bytes([byte]), 0.02]
    return pieces


TCP = ASK._replace(transport="tcp")


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
def test_over_tcp(port: int, serve: Serve, script: Callable, outcome: str) -> None:
    serve(SERVER, script)
    (observed,), _, _ = ask(port, TCP, retries=0)
    assert observed.outcome == outcome


def test_garbage_with_the_right_id_and_question_is_malformed(port: int, serve: Serve) -> None:
    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        wire = mx(query).to_wire()
        return [wire[:-1] + b"\xff\xff\xff"]

    serve(SERVER, script)
    _, lines, _ = ask(port, ASK)
    assert [line["outcome"] for line in lines] == ["malformed"]


def test_limits_hold(port: int, serve: Serve) -> None:
    times: list[float] = []

    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        times.append(time.monotonic())
        return good(query, transport)

    serve(SERVER, script)
    asks = [ASK._replace(qname=f"n{n}.mssante.fr") for n in range(40)]
    start = time.monotonic()
    observed, _, _ = ask(port, *asks, per_server=100.0, timeout=2.0)
    assert {o.outcome for o in observed} == {"answer"}
    assert 0.3 < time.monotonic() - start < 2, "40 queries at 100 a second, with jitter"
    gaps = sorted(b - a for a, b in pairwise(times))
    assert gaps[len(gaps) // 2] > 0.005
    assert max(gaps) - min(gaps) > 0.001, "jitter"


def test_no_second_has_more_queries_than_allowed_over_both_transports(port: int, serve: Serve) -> None:
    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        message = mx(query)
        if transport == "udp":
            message.flags |= dns.flags.TC
        return send(message, transport)

    serve(SERVER, script)
    asks = [ASK._replace(qname=f"n{n}.mssante.fr") for n in range(70)]
    observed, lines, _ = ask(port, *asks, per_server=50.0, timeout=2.0)
    assert {(o.outcome, o.transport) for o in observed} == {("answer", "tcp")}
    sent = sorted(datetime.fromisoformat(line["at"]).timestamp() for line in lines)
    assert len(sent) == 140
    # A busy machine may be late with one, and in time with the next: 60 ms are allowed for that.
    assert min(last - first for first, last in zip(sent, sent[50:], strict=False)) > 0.94


def test_total_limit_holds_over_many_addresses(port: int, serve: Serve) -> None:
    servers = [f"127.0.54.{n}" for n in range(10, 20)]
    for server in servers:
        serve(server, good, tcp=False)
    asks = [ASK._replace(qname=f"n{n}.mssante.fr", address=servers[n % 10]) for n in range(60)]
    start = time.monotonic()
    observed, _, _ = ask(port, *asks, per_second=100.0, timeout=2.0)
    assert {o.outcome for o in observed} == {"answer"}
    assert 0.4 < time.monotonic() - start < 2, "10 at once, then 100 a second"


def test_no_more_under_way_than_allowed(port: int, serve: Serve) -> None:
    serve(SERVER, lambda q, t: [], tcp=False)
    asks = [ASK._replace(qname=f"n{n}.mssante.fr") for n in range(50)]
    observed, lines, _ = ask(port, *asks, per_server_in_flight=3, timeout=0.1)
    sent = [line for line in lines if line["attempt"] and line["transport"] == "udp"]
    assert len(sent) == 3 + 2, "three at once, then one of them probes twice more"
    assert len(observed) == 50
    assert {o.outcome for o in observed} == {"timeout"}


def test_a_server_that_comes_back_is_asked_what_had_to_wait(port: int, serve: Serve) -> None:
    start = time.monotonic()
    serve(SERVER, lambda q, t: good(q, t) if time.monotonic() - start > 0.3 else [], tcp=False)
    asks = [ASK._replace(qname=f"n{n}.mssante.fr") for n in range(20)]
    observed, _, _ = ask(port, *asks, timeout=0.2, retry_delay=0.3)
    assert {o.outcome for o in observed} == {"answer"}


def test_each_question_has_a_port_of_its_own(port: int) -> None:
    sources: list[int] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as real:
        real.bind((SERVER, port))
        real.setblocking(False)

        async def run() -> list[Reply]:
            loop = asyncio.get_running_loop()

            def answer() -> None:
                wire, source = real.recvfrom(512)
                sources.append(source[1])
                real.sendto(mx(dns.message.from_wire(wire)).to_wire(), source)

            loop.add_reader(real, answer)
            asker = Asker(quick(port, per_server_in_flight=50, timeout=5.0), [].append)
            asks = (ASK._replace(qname=f"n{n}.mssante.fr") for n in range(40))
            observed = await asyncio.gather(*(asker.ask(a) for a in asks))
            loop.remove_reader(real)
            return observed

        observed = asyncio.run(run())
    assert {o.outcome for o in observed} == {"answer"}
    assert len(set(sources)) > 20
