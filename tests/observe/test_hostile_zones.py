"""Zones and servers made to lead an observer astray: too many servers, loops, names at the limit, garbage."""

import time
from collections.abc import Callable

import dns.message
import pytest
from dnslab import framed, reply, send
from dnsscripts import OPERATOR, PARENT, child, parent, settings

from mssante_audit.network import methods, network_of
from mssante_audit.observe.dns.run import observe
from mssante_audit.observe.observation import Observation, load_observation

DOMAIN = "ch-a.mssante.fr"


@pytest.fixture
def look(port, tmp_path):
    def look(*domains: str, seconds: float = 60) -> Observation:
        start = time.monotonic()
        observe(domains, tmp_path / "o.gz", settings(port, timeout=2.0))
        assert time.monotonic() - start < seconds
        return load_observation(tmp_path / "o.gz")

    return look


def below_a_good_parent(script: Callable) -> Callable:
    """Have the parent zone's server answer well for its apex."""

    def scripted(query: dns.message.Message, transport: str) -> list[bytes | float]:
        apex = query.question[0].name.to_text(True) == "mssante.fr"
        return (parent({}) if apex else script)(query, transport)

    return scripted


@pytest.mark.parametrize(
    ("many", "named", "most", "note"),
    [
        (500, 2, 200, "not followed"),
        (500, 500, 400, "names of servers not followed"),
        (200, 200, 8 + 2 * 32 + 10, "168 of 200 names of servers not followed"),
    ],
)
def test_not_all_of_many_servers_are_asked_and_it_is_said(many, named, most, note, look, serve):
    """Names of one stranger's server: six questions or so to it, and the names themselves are looked up."""
    names = [f"ns{n}.{DOMAIN}" for n in range(many)]
    serve(PARENT, parent({DOMAIN: names[:named]}, glue=dict.fromkeys(names[:named], OPERATOR)))
    server = serve(OPERATOR, child(DOMAIN, names))
    observation = look(DOMAIN)
    assert len(server.queries) <= most
    assert sum(name in (DOMAIN, "") for name, *_ in server.queries) <= 8
    assert any(note in text for text in observation.notes), observation.notes
    assert methods(observation, [DOMAIN])["method"].tolist() == ["delegated"]
    zone = network_of(observation).zone(DOMAIN)
    assert len(zone.parent_ns) == len(zone.names_of(OPERATOR)) == named


def test_servers_that_are_each_others_names_end(look, serve):
    """ch-a is served by a name in ch-b, ch-b by one in ch-a, without glue; and ch-c by a name in itself."""
    zones = {f"ch-{a}.mssante.fr": [f"ns.ch-{b}.mssante.fr"] for a, b in ("ab", "ba", "cc")}
    server = serve(PARENT, parent(zones))
    assert methods(look(*zones, seconds=5), zones)["method"].tolist() == ["delegated"] * 3
    assert len(server.queries) < 60


def test_names_of_names_of_names_do_not_multiply(look, serve):
    """Each zone is served by twelve names, each in a zone of its own, and so on without end."""

    @below_a_good_parent
    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        cut = ".".join(query.question[0].name.to_text(True).split(".")[-3:])
        names = [f"ns.{cut.split('.')[0]}-{n}.mssante.fr." for n in range(12)]
        return send(reply(query, aa=False, authority=[f"{cut} NS {n}" for n in names]), transport)

    server = serve(PARENT, script)
    look("x.mssante.fr")
    assert len(server.queries) < 900


def test_a_server_that_answers_for_another_name_is_not_believed(look, serve):
    other = ["ch-b.mssante.fr MX 10 mx.example."]
    serve(PARENT, below_a_good_parent(lambda query, how: send(reply(query, answer=other), how)))
    frame = methods(look(DOMAIN), [DOMAIN])
    assert frame["method"].tolist() == ["unknown"]
    assert frame["why"].tolist() == [{"code": "replies", "zone": "mssante.fr", "outcomes": {"malformed": 1}}]


def test_names_of_255_bytes(look, serve):
    """One in the list, one as a server's name; there is no room for a sibling beside them."""
    labels = ["a" * 63, "b" * 63, "c" * 63]
    listed = ".".join([*labels, "d" * (253 - 3 * 64 - len(".mssante.fr")), "mssante.fr"])
    server = ".".join([*labels, "e" * (253 - 3 * 64 - len(".example")), "example"])
    assert len(listed) == len(server) == 253
    serve(PARENT, parent({listed: [server], "ch-b.mssante.fr": [server]}))
    domains = [listed, "ch-b.mssante.fr", f"x{listed}"]
    observation = look(*domains)
    assert server in {r.data for reply in observation.replies for r in reply.records}
    assert methods(observation, domains)["method"].tolist() == ["delegated", "delegated", "unknown"]


@pytest.mark.parametrize(
    "record",
    [
        b"\xc0\x21\0\x0f\0\1\0\0\1\x2c\0\4\0\1\xc0\x2f",  # names that point at themselves
        b"\xc0\x0c\0\x0f\0\1\0\0\1\x2c\0\6\0\1\1a\xc0\x2f",  # a name that goes round for ever
        b"\xc0\x0c\0\x02\0\1\0\0\1\x2c\0\2\xff\xff",  # a name that is elsewhere
    ],
)
@pytest.mark.parametrize("who", [PARENT, OPERATOR])
def test_compression_loops(look, serve, record, who):
    @below_a_good_parent
    def hostile(query: dns.message.Message, transport: str) -> list[bytes | float]:
        wire = reply(query).to_wire()
        end = 12 + len(query.question[0].name.to_wire()) + 4
        wire = wire[:6] + b"\0\1\0\0\0\0" + wire[12:end] + record
        return [framed(wire) if transport == "tcp" else wire]

    good = parent({DOMAIN: [f"ns.{DOMAIN}"]}, glue={f"ns.{DOMAIN}": OPERATOR})
    serve(PARENT, hostile if who == PARENT else good)
    serve(OPERATOR, hostile)
    observation = look(DOMAIN, seconds=5)
    assert {r.outcome for r in observation.replies if (r.address, r.step) == (who, "walk")} == {"malformed"}
    assert methods(observation, [DOMAIN])["method"].tolist() == ["unknown" if who == PARENT else "delegated"]
