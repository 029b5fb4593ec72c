"""Whole runs: what real servers are asked; stopped, resumed, without a network; zones that lead astray."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

import dns.message
import pytest
from conftest import toml
from dnslab import asked, framed, in_namespace, need_servers, reply, send
from dnsworld import (
    DOMAINS,
    METHODS,
    NOBODY,
    OPERATOR,
    PARENT,
    PARENT_KNOT,
    PARENT_NSD,
    ROOT,
    child,
    parent,
    quick,
    settings,
    zone_server,
)

from mssante_audit.network import methods, network_of
from mssante_audit.observe import lines
from mssante_audit.observe.dns.run import NetworkError, ObserveSettings, observe
from mssante_audit.observe.lines import Reply
from mssante_audit.observe.observation import Observation, load_observation

HERE = Path(__file__).parent

OBSERVING = """
import resource, sys
sys.path[:0] = [{tests!r}]
from pathlib import Path
from dnsworld import DOMAINS
from mssante_audit.base.errors import OutputError, ResourceError
from mssante_audit.observe.dns import exchange
from mssante_audit.observe.dns.run import *
exchange.SCARCE_FOR = 1.0
{before}
try: observe(DOMAINS, Path({path!r}), {settings!r})
except (OutputError, ResourceError) as error: print(error); sys.exit(3)
"""


def observing(path: Path, settings: ObserveSettings, before: str = "") -> subprocess.Popen[str]:
    """Observe in a process of its own, which does something before."""
    code = OBSERVING.format(tests=str(HERE), path=str(path), settings=settings, before=before)
    options = {"cwd": HERE.parents[1], "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code], **options)


def test_every_domain_has_its_method(observed):
    frame = methods(observed, DOMAINS)
    by_domain = {d: (m, c) for d, m, c in zip(frame["domain"], frame["method"], frame["cut"], strict=True)}
    assert by_domain == METHODS
    assert observed.complete
    assert observed.problems.empty


def test_no_question_is_asked_twice(observed):
    assert repeated(reply for reply in observed.replies if reply.attempt <= 1) == []


def repeated(replies: Iterable[Reply], *more: str) -> list[tuple[object, ...]]:
    """Return the questions that were asked more than once."""
    fields = ("zone", "qname", "qtype", "address", "transport", "rd", "edns", *more)
    asked = Counter(tuple(getattr(reply, field) for field in fields) for reply in replies)
    return [question for question, times in asked.items() if times > 1]


def test_a_dead_server_is_asked_few_questions_however_many_domains_it_has(world, tmp_path):
    many = [f"s{n}.ch-mort.mssante.fr" for n in range(100)]
    summary = observe(many, tmp_path / "o.jsonl.gz", world)
    observation = load_observation(tmp_path / "o.jsonl.gz")
    dead = [reply for reply in observation.replies if reply.address == NOBODY]
    assert 3 <= sum(reply.attempt > 0 for reply in dead) <= 20
    assert max(reply.attempt for reply in dead) == 3
    assert sum(reply.step == "walk" for reply in dead) == 100, "each domain has its line"
    assert set(methods(observation, many)["method"]) == {"unknown"}
    assert summary.domains == 100


def test_instants_of_a_run_do_not_follow_a_clock_that_jumps(monkeypatch):
    clock = lines.Clock()
    before = clock.now()
    monkeypatch.setattr(lines, "datetime", None)  # the time of day is asked for once
    assert timedelta(0) <= clock.now() - before < timedelta(hours=1)


def test_with_the_root_the_parent_is_found(world, tmp_path):
    observe(["ch-sain.mssante.fr"], tmp_path / "o.jsonl.gz", quick(world.port, timeout=2.0))
    observation = load_observation(tmp_path / "o.jsonl.gz")
    walked = {r.address for r in observation.replies if (r.zone, r.step) == ("mssante.fr", "walk")}
    assert walked == {PARENT_NSD, PARENT_KNOT}
    assert {r.address for r in observation.replies if r.zone == "."} == {ROOT}
    assert methods(observation, ["ch-sain.mssante.fr"])["method"].tolist() == ["delegated"]


def test_only_chosen_domains_are_asked_for(world, tmp_path):
    chosen = world.model_copy(update={"only": "*.joker.mssante.fr"})
    assert observe(DOMAINS, tmp_path / "o.jsonl.gz", chosen).domains == 2
    frame = methods(load_observation(tmp_path / "o.jsonl.gz"), ["a.joker.mssante.fr", "ch-sain.mssante.fr"])
    assert frame["method"].tolist() == ["wildcard", "unknown"]
    assert frame["observed_at"].notna().tolist() == [True, False]


def test_a_full_disk_ends_a_run_with_a_readable_file_that_is_gone_on_with(world, tmp_path):
    path = tmp_path / "o.jsonl.gz"
    slow = world.model_copy(update={"per_second": 150.0})
    process = observing(path, slow, "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))")
    output = process.communicate()
    assert (process.returncode, output[1]) == (3, "")
    assert "the file is left readable, as it was. Make room, then go on with --resume" in output[0]
    stopped = load_observation(path)
    assert (stopped.problems.empty, stopped.complete) == (True, False)
    observe(DOMAINS, path, world, resume=True)
    whole = load_observation(path)
    assert (whole.complete, len(whole.siblings)) == (True, 1)
    assert 10 < len(stopped.replies) < len(whole.replies)
    assert methods(whole, DOMAINS)["method"].tolist() == [method for method, _ in METHODS.values()]
    assert repeated((reply for reply in whole.replies if reply.attempt), "attempt") == []


@pytest.mark.parametrize(("used", "exit_code"), [(0, 0), (18, 3)])
def test_for_lack_of_descriptors_no_server_is_blamed(world, observed, tmp_path, used, exit_code):
    path = tmp_path / "o.jsonl.gz"
    process = observing(path, world, (
        f"keep = [open('/dev/null') for _ in range({used})]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))"
    ))  # fmt: skip
    output = process.communicate()
    assert (process.returncode, output[1]) == (exit_code, "")
    if exit_code:
        remedy = "Raise its limits (`ulimit -n`) or lower --in-flight"
        assert output[0] == f"this machine cannot ask any more: Too many open files. {remedy}\n"
        assert not path.exists(), "nothing could be asked, and nothing is said"
        return
    few = load_observation(path)
    assert (few.complete, few.problems.empty) == (True, True)
    silent = {reply.address for reply in few.replies if reply.silent and reply.attempt}
    assert silent <= {reply.address for reply in observed.replies if reply.silent}
    assert methods(few, DOMAINS)["method"].tolist() == methods(observed, DOMAINS)["method"].tolist()


def test_nothing_is_written_to_a_good_file_when_the_parent_does_not_answer(world, port, tmp_path):
    path = tmp_path / "o.jsonl.gz"
    observe(["ch-sain.mssante.fr"], path, world)
    before = path.read_bytes()
    with pytest.raises(NetworkError):
        observe(["ch-sain.mssante.fr", "ch-b.mssante.fr"], path, settings(port), resume=True)
    assert path.read_bytes() == before


FROM_THE_ROOT = """
from pathlib import Path
from dnslab import start_nsd
from mssante_audit.observe.dns.run import *
from mssante_audit.network import methods
from mssante_audit.observe.observation import load_observation
folder, domains = Path({folder!r}), ["ch-a.mssante.fr", "ch-prive.mssante.fr"]
started = [start_nsd(folder / name, s["addresses"], 53, s["zones"]) for name, s in {servers!r}.items()]
for only4 in (False, True):
    path = folder / f"{{only4}}.gz"
    s = ObserveSettings(timeout=1, retry_delay=0.01, per_server=1e4, per_second=1e4, ipv4_only=only4)
    observe(domains, path, s)
    o = load_observation(path)
    answers = sorted((r.address, r.outcome) for r in o.replies if r.zone == "ch-a.mssante.fr")
    private = [(r.attempt, r.flags) for r in o.replies if r.address == "192.168.1.1"]
    print(o.ipv6, *dict.fromkeys(answers), *private, methods(o, domains)["method"].tolist())
for server in started: server.stop()
"""


@pytest.mark.long
def test_from_the_shipped_root_hints_down_over_ipv4_and_ipv6(tmp_path):
    """On the root servers' own addresses, in a namespace with nothing else; defaults but for the pace."""
    need_servers()
    servers = toml("observe/from_the_root")
    addresses = [address for server in servers.values() for address in server["addresses"]]
    code = FROM_THE_ROOT.format(folder=str(tmp_path), servers=servers)
    done = in_namespace(code, *(f"{a}/{128 if ':' in a else 32}" for a in addresses))
    over4, over6 = (f"('{address}', 'answer')" for address in servers["operator"]["addresses"])
    rest = "(0, 'private') ['delegated', 'delegated']"
    assert done.stdout == f"True {over4} {over6} {rest}\nFalse {over4} {rest}\n", done.stderr


def test_names_are_looked_up_with_the_resolvers_given(port, serve, tmp_path):
    resolver = "127.0.55.9"
    records = {
        ("mssante.fr", "NS"): ["mssante.fr NS ns.gestion.example."],
        ("ns.gestion.example", "A"): [f"ns.gestion.example A {PARENT}"],
        ("ns.op.example", "A"): ["ns.op.example CNAME vrai.op.example.", f"vrai.op.example A {OPERATOR}"],
    }

    def resolve(query: dns.message.Message, transport: str) -> list[bytes | float]:
        assert query.flags & dns.flags.RD
        return send(reply(query, aa=False, answer=records.get(asked(query), [])), transport)

    server = serve(resolver, resolve)
    serve(PARENT, parent({"ch-a.mssante.fr": ["ns.op.example"]}))
    serve(OPERATOR, child("ch-a.mssante.fr", ["ns.op.example"]))
    observe(["ch-a.mssante.fr"], tmp_path / "o.gz", quick(port, resolvers=(resolver,), timeout=2.0))
    replies = load_observation(tmp_path / "o.gz").replies
    assert {reply.address for reply in replies if reply.zone == "ch-a.mssante.fr"} == {OPERATOR}
    assert {reply.address for reply in replies} == {resolver, PARENT, OPERATOR}, "and no root server"
    assert len(server.queries) == len(set(server.queries))


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


def test_both_families_of_a_mail_host_are_asked_of_every_server(look, serve):
    """The name of one server has no glue, and takes its time to be found."""
    host, near, far, other = "mx.z.example", "near.z.example", "far.w.example", "127.0.55.3"

    def above(query: dns.message.Message, transport: str) -> list[bytes | float]:
        name, qtype = asked(query)
        if name == host:
            names = [f"z.example NS {server}." for server in (near, far)]
            message = reply(query, aa=False, authority=names, additional=[f"{near} A {OPERATOR}"])
        elif (name, qtype) == (DOMAIN, "MX"):
            message = reply(query, answer=[f"{DOMAIN} MX 10 {host}."])
        else:
            answer = [f"{far} A {other}"] if (name, qtype) == (far, "A") else []
            message = reply(query, answer=answer, authority=[". SOA a.root. h.example. 1 3600 600 86400 300"])
        return [*([0.3] if name == far else []), *send(message, transport)]

    serve(PARENT, below_a_good_parent(above))
    for address in (OPERATOR, other):
        serve(address, zone_server(host, "A 82.64.5.1"))
    replies = [r for r in look(DOMAIN).replies if (r.qname, r.zone) == (host, "z.example")]
    every = {(address, qtype) for address in (OPERATOR, other) for qtype in ("A", "AAAA")}
    assert {(r.address, r.qtype) for r in replies} == every


@pytest.mark.parametrize(
    ("types", "transport"), [("SOA NS MX", "tcp"), pytest.param("SOA NS", "udp", marks=pytest.mark.long)]
)
def test_what_a_server_drops_does_not_hide_what_it_says_of_each_of_its_domains(types, transport, look, serve):
    zones = {f"ch-{n}.mssante.fr": zone_server(f"ch-{n}.mssante.fr", "MX 0 .") for n in range(12)}
    serve(PARENT, parent({d: [f"ns.{d}"] for d in zones}, glue={f"ns.{d}": OPERATOR for d in zones}))

    def dropping(query: dns.message.Message, over: str) -> list[bytes | float]:
        name, qtype = asked(query)
        zone = zones.get(".".join(name.split(".")[-3:]), zone_server("."))
        return [] if qtype in types.split() and transport in (over, "udp") else zone(query, over)

    serve(OPERATOR, dropping)
    network = network_of(look(*zones))
    assert {network.walk.follow(domain).whole.cause for domain in zones} == {"null-mx"}


def test_a_mail_host_named_over_tcp_alone_is_looked_up_whoever_comes_to_the_zone_first(look, serve):
    serve(PARENT, parent({DOMAIN: [f"ns.{DOMAIN}"]}, glue={f"ns.{DOMAIN}": OPERATOR}))
    over = {"tcp": zone_server(DOMAIN, "MX 10 mx.z.example."), "udp": zone_server(DOMAIN, rcode=5)}
    serve(OPERATOR, lambda query, transport: over[transport](query, transport))
    assert "mx.z.example" in {reply.qname for reply in look(f"sub.{DOMAIN}", DOMAIN).replies}


def test_servers_that_are_each_others_names_end(look, serve):
    """ch-a is served by a name in ch-b, ch-b by one in ch-a, without glue; and ch-c by a name in itself."""
    zones = {f"ch-{a}.mssante.fr": [f"ns.ch-{b}.mssante.fr"] for a, b in ("ab", "ba", "cc")}
    server = serve(PARENT, parent(zones))
    assert methods(look(*zones, seconds=5), zones)["method"].tolist() == ["delegated"] * 3
    assert len(server.queries) < 60


def test_signed_zones_whose_servers_hang_on_each_other_end(look, serve):
    """mx.z is served by a name in the signed w.x, and x, which has its DS, by one in z."""
    delegated = {"w.x": "ns.w.x", "z": "ns.w.x", "x": "ns.z"}

    def above(query: dns.message.Message, transport: str) -> list[bytes | float]:
        name, qtype = asked(query)
        if (name, qtype) == (DOMAIN, "MX"):
            return send(reply(query, answer=[f"{DOMAIN} MX 10 mx.z."]), transport)
        cut = next((c for c in delegated if name.endswith(c) and (c, qtype) != ("w.x", "DS")), "other")
        more = {
            "w.x": {"authority": [f"w.x DS 1 8 2 {'AB' * 32}"], "additional": [f"ns.w.x A {OPERATOR}"]}
        }.get(cut, {})
        names = [f"{cut} NS {delegated.get(cut, 'ns.other')}.", *more.get("authority", [])]
        return send(reply(query, aa=False, **(more | {"authority": names})), transport)

    serve(PARENT, below_a_good_parent(above))
    serve(OPERATOR, zone_server("ns.w.x", f"A {OPERATOR}"))
    assert look(DOMAIN, seconds=5).complete


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
    serve(PARENT, below_a_good_parent(lambda query, transport: send(reply(query, answer=other), transport)))
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
