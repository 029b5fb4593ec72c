"""Zones and servers made to lead an observer astray: too many servers, loops, names at the limit, garbage."""

import time
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.rdatatype
import pytest
from dnslab import Scripted, framed, reply, send
from dnsscripts import OPERATOR, PARENT, child, parent, settings
from frames import rows_of

from mssante_audit.network import methods, network_of
from mssante_audit.observe.dns.run import observe
from mssante_audit.observe.observation import load_observation

Serve = Callable[..., Scripted]


def test_500_servers_are_not_all_asked_and_it_is_said(port: int, serve: Serve, tmp_path: Path) -> None:
    given = [f"ns{n}.ch-a.mssante.fr" for n in range(500)]
    serve(PARENT, parent({"ch-a.mssante.fr": given[:2]}, glue=dict.fromkeys(given[:2], OPERATOR)))
    server = serve(OPERATOR, child("ch-a.mssante.fr", given))
    observe(["ch-a.mssante.fr"], tmp_path / "o.gz", settings(port, timeout=2.0))
    observation = load_observation(tmp_path / "o.gz")
    assert len(server.queries) < 200
    assert "not followed" in observation.notes[0]
    assert methods(observation, ["ch-a.mssante.fr"])["method"].tolist() == ["delegated"]


def test_500_servers_in_the_referral(port: int, serve: Serve, tmp_path: Path) -> None:
    given = [f"ns{n}.ch-a.mssante.fr" for n in range(500)]
    serve(PARENT, parent({"ch-a.mssante.fr": given}, glue=dict.fromkeys(given, OPERATOR)))
    server = serve(OPERATOR, child("ch-a.mssante.fr", given))
    observe(["ch-a.mssante.fr"], tmp_path / "o.gz", settings(port, timeout=2.0))
    observation = load_observation(tmp_path / "o.gz")
    assert len(server.queries) < 400
    texts = observation.notes
    assert any("names of servers not followed" in text for text in texts), texts


def test_servers_that_are_each_others_names_end(port: int, serve: Serve, tmp_path: Path) -> None:
    """ch-a is served by a name in ch-b, ch-b by one in ch-a, without glue; and ch-c by a name in itself."""
    zones = {f"ch-{a}.mssante.fr": [f"ns.ch-{b}.mssante.fr"] for a, b in ("ab", "ba", "cc")}
    server = serve(PARENT, parent(zones))
    start = time.monotonic()
    observe(list(zones), tmp_path / "o.gz", settings(port, timeout=2.0))
    assert time.monotonic() - start < 5
    assert len(server.queries) < 60
    assert methods(load_observation(tmp_path / "o.gz"), zones)["method"].tolist() == ["delegated"] * 3


def test_names_of_names_of_names_do_not_multiply(port: int, serve: Serve, tmp_path: Path) -> None:
    """Each zone is served by twelve names, each in a zone of its own, and so on without end."""

    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        name = query.question[0].name.to_text(True)
        if name == "mssante.fr":
            return parent({})(query, transport)
        cut = ".".join(name.split(".")[-3:])
        names = [f"ns.{cut.split('.')[0]}-{n}.mssante.fr." for n in range(12)]
        return send(reply(query, aa=False, authority=[f"{cut} NS {n}" for n in names]), transport)

    server = serve(PARENT, script)
    observe(["x.mssante.fr"], tmp_path / "o.gz", settings(port, timeout=2.0))
    assert len(server.queries) < 900


def test_a_server_that_answers_for_another_name_is_not_believed(
    port: int, serve: Serve, tmp_path: Path
) -> None:
    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        if query.question[0].name.to_text(True) == "mssante.fr":
            return parent({})(query, transport)
        return send(reply(query, answer=["ch-b.mssante.fr MX 10 mx.example."]), transport)

    serve(PARENT, script)
    observe(["ch-a.mssante.fr"], tmp_path / "o.gz", settings(port))
    frame = methods(load_observation(tmp_path / "o.gz"), ["ch-a.mssante.fr"])
    assert frame["method"].tolist() == ["unknown"]
    assert frame["why"].tolist() == [{"code": "replies", "zone": "mssante.fr", "outcomes": {"malformed": 1}}]


def test_names_of_255_bytes(port: int, serve: Serve, tmp_path: Path) -> None:
    """One in the list, one as a server's name; there is no room for a sibling beside them."""
    labels = ["a" * 63, "b" * 63, "c" * 63]
    listed = ".".join([*labels, "d" * (253 - 3 * 64 - len(".mssante.fr")), "mssante.fr"])
    server = ".".join([*labels, "e" * (253 - 3 * 64 - len(".example")), "example"])
    assert len(listed) == len(server) == 253
    serve(PARENT, parent({listed: [server], "ch-b.mssante.fr": [server]}))
    observe([listed, "ch-b.mssante.fr", f"x{listed}"], tmp_path / "o.gz", settings(port, timeout=2.0))
    observation = load_observation(tmp_path / "o.gz")
    assert server in {r.data for reply in observation.replies for r in reply.records}
    frame = methods(observation, [listed, "ch-b.mssante.fr", f"x{listed}"])
    assert frame["method"].tolist() == ["delegated", "delegated", "unknown"]


@pytest.mark.parametrize(
    "record",
    [
        b"\xc0\x21\0\x0f\0\1\0\0\1\x2c\0\4\0\1\xc0\x2f",  # names that point at themselves
        b"\xc0\x0c\0\x0f\0\1\0\0\1\x2c\0\6\0\1\1a\xc0\x2f",  # a name that goes round for ever
        b"\xc0\x0c\0\x02\0\1\0\0\1\x2c\0\2\xff\xff",  # a name that is elsewhere
    ],
)
@pytest.mark.parametrize("who", [PARENT, OPERATOR])
def test_compression_loops(port: int, serve: Serve, tmp_path: Path, record: bytes, who: str) -> None:
    def hostile(query: dns.message.Message, transport: str) -> list[bytes | float]:
        if query.question[0].name.to_text(True) == "mssante.fr":
            return parent({})(query, transport)
        wire = reply(query).to_wire()
        end = 12 + len(query.question[0].name.to_wire()) + 4
        wire = wire[:6] + b"\0\1\0\0\0\0" + wire[12:end] + record
        return [framed(wire) if transport == "tcp" else wire]

    good = parent({"ch-a.mssante.fr": ["ns.ch-a.mssante.fr"]}, glue={"ns.ch-a.mssante.fr": OPERATOR})
    serve(PARENT, hostile if who == PARENT else good)
    serve(OPERATOR, hostile)
    start = time.monotonic()
    observe(["ch-a.mssante.fr"], tmp_path / "o.gz", settings(port, timeout=2.0))
    assert time.monotonic() - start < 5
    observation = load_observation(tmp_path / "o.gz")
    bad = rows_of(observation)[
        (rows_of(observation)["address"] == who) & (rows_of(observation)["step"] == "walk")
    ]
    assert set(bad["outcome"]) == {"malformed"}
    assert methods(observation, ["ch-a.mssante.fr"])["method"].tolist() == [
        "unknown" if who == PARENT else "delegated"
    ]


def test_one_address_under_many_names_is_asked_once(port: int, serve: Serve, tmp_path: Path) -> None:
    """Two hundred names of a stranger's server: six questions or so to it, and a note."""
    names = [f"ns{n}.ch-a.mssante.fr" for n in range(200)]
    serve(PARENT, parent({"ch-a.mssante.fr": names}, glue=dict.fromkeys(names, OPERATOR)))
    server = serve(OPERATOR, child("ch-a.mssante.fr", names))
    observe(["ch-a.mssante.fr"], tmp_path / "o.gz", settings(port, timeout=2.0))
    about = [q for q in server.queries if q[0] in ("ch-a.mssante.fr", "")]
    assert len(about) <= 8
    assert len(server.queries) <= 8 + 2 * 32 + 10, "and the names themselves are looked up"
    observation = load_observation(tmp_path / "o.gz")
    assert "168 of 200 names of servers not followed" in observation.notes
    zone = network_of(observation).zone("ch-a.mssante.fr")
    assert len(zone.parent_ns) == 200
    assert len(zone.names_of(OPERATOR)) == 200
