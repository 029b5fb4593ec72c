"""Visits to mail servers: what each kind of server makes of one, and what is written down."""

import asyncio
import gzip
import json
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import TypeVar

import pandas as pd
import pytest
from click.testing import Result
from conftest import CATALOGUE, toml
from smtplab import Script, Wire, dripping, saying, serving, tls
from tlsmade import write_visits
from typer.testing import CliRunner

from mssante_audit.archive.store import find_archive, find_whitelist
from mssante_audit.base.errors import OutputError
from mssante_audit.base.settings import ObserveTls
from mssante_audit.cli.observe import app
from mssante_audit.network import network_of
from mssante_audit.observe.file import TLS, File, find_observations
from mssante_audit.observe.lines import ObservationError
from mssante_audit.observe.observation import load_observation
from mssante_audit.observe.tls.observation import TlsObservation, load_servers, load_tls
from mssante_audit.observe.tls.run import MailServer, Summary, observe_tls, servers_of
from mssante_audit.observe.tls.visit import MAX_SHOWN, Visit, offers_of, visit
from mssante_audit.space.trust import load_space
from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.load import load_whitelist
from tools.sample.certificates import make

Given = TypeVar("Given")
QUICK = ObserveTls(timeout=0.4, pause=0.0)
PATIENT = ObserveTls(timeout=5.0, pause=0.0)
CASES = toml("observe/visits")
ALERT = "\x15\x03\x01\x00\x02\x02\x28"
HELLO = "250-mx\n250 STARTTLS\n"


AUTHORITY = make("CN=AC FICTIVE,O=ESSAI,C=FR", ca=True)
LEAF = make("CN=mx.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR", AUTHORITY)


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """The files of a certificate with its authority's behind it, and of its key."""
    return LEAF.files(tmp_path_factory.mktemp("chain"), AUTHORITY)


def with_servers(scripts: dict[str, Script], go: Callable[[int], Given]) -> Given:
    async def serve() -> Given:
        async with serving(scripts) as port:
            return await asyncio.to_thread(go, port)

    return asyncio.run(serve())


def look(script: Script, settings: ObserveTls = PATIENT) -> Visit:
    arguments = ("mx.example", settings, offers_of(settings))
    return with_servers({"127.0.0.1": script}, lambda port: visit("127.0.0.1", port, *arguments))


@pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(("demanded", "shown"), [(False, False), (True, False), (True, True)])
def test_the_chain_is_kept_whatever_certificate_is_demanded_and_shown(most, demanded, shown, chain, tmp_path):
    certificate, key = make("CN=client.example,C=FR", AUTHORITY).files(tmp_path / "own")
    client = {"client_certificate": str(certificate), "client_key": str(key)} if shown else {}
    trusted = AUTHORITY.files(tmp_path)[0] if demanded else None
    lines: list[str] = []
    script = tls(chain, most=most, demand=trusted, lines=lines)
    seen = look(script, ObserveTls(timeout=5.0, pause=0.0, **client))
    assert (seen.outcome, seen.demanded, seen.chain) == ("presented", demanded, (LEAF.der, AUTHORITY.der))
    assert seen.protocol == ("TLSv1.2" if most == ssl.TLSVersion.TLSv1_2 else "TLSv1.3")
    assert seen.cipher
    assert seen.banner == "220-mx.example"
    turned_away = demanded and not shown
    assert bool(seen.detail) == turned_away
    after_tls = [] if turned_away else ["EHLO localhost\r\n", "QUIT\r\n"]
    assert lines == ["EHLO localhost\r\n", "STARTTLS\r\n", *after_tls]


@pytest.mark.parametrize("case", CASES["talks"].values(), ids=CASES["talks"])
def test_a_visit_ends_as_what_a_server_says_has_it(case, chain):
    says, presented = case["says"], case["outcome"] == "presented"
    script = tls(chain, replies=says) if presented else saying(*says, then=case.get("then", 0.0))
    seen = look(script, PATIENT if presented else QUICK)
    detail = case.get("detail", "")
    assert (seen.outcome, seen.detail, bool(seen.chain)) == (case["outcome"], detail, presented)
    assert (seen.banner + seen.detail).isprintable()
    assert seen.banner == detail or not detail.startswith("554"), "the greeting is kept though it is the end"


async def reset(wire: Wire) -> None:
    await handshake_begun(wire)
    sock = wire.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize(("script", "outcome", "detail"), [
    (dripping("220-x\n", 0.01), "slow", "a reply without end"),
    (saying("x" * 99_999), "garbage", "x" * MAX_SHOWN),
    (reset, "handshake-failed", "the connection was closed"),
])  # fmt: skip
def test_every_other_way_a_visit_ends_shows_no_certificate(script, outcome, detail):
    seen = look(script, QUICK)
    assert (seen.outcome, seen.detail, seen.chain) == (outcome, detail, ())


def test_a_server_that_nobody_runs_is_refused_and_one_out_of_reach_is_silent():
    port = with_servers({"127.0.0.1": saying()}, lambda port: port)
    assert visit("127.0.0.1", port, "", QUICK, offers_of(QUICK)).outcome == "refused"
    assert visit("240.0.0.1", 25, "", QUICK, offers_of(QUICK)).outcome == "silent"


def test_a_handshake_without_end_is_ended():
    assert look(endless_handshake, QUICK).outcome in ("garbage", "handshake-failed")
    assert look(dripping_handshake, QUICK).detail == "a reply without end"


async def flood(wire: Wire) -> None:
    while not wire.writer.transport.is_closing():
        wire.writer.write(b"250-" + b"x" * 60_000)
        await wire.writer.drain()
        await asyncio.sleep(0)  # over TLS nobody is waited for


@pytest.mark.parametrize(("then", "detail"), [
    (flood, "over TLS: 250-xxx"), (dripping("250-x\n", 0.05), "over TLS: a reply without end"),
    *((saying(*case["says"], then=case.get("then", 0)), case["detail"]) for case in CASES["after"].values()),
])  # fmt: skip
def test_whatever_comes_after_the_handshake_its_certificate_was_presented(then, detail, chain):
    seen = look(tls(chain, then=then), ObserveTls(timeout=1.0, pause=0.0))
    assert (seen.outcome, seen.chain) == ("presented", (LEAF.der, AUTHORITY.der))
    assert seen.detail.startswith(detail)
    assert seen.seconds < 4


def test_a_certificate_whose_key_was_not_proved_is_none(chain):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(*chain)

    async def cut(wire: Wire) -> None:
        received, flight = ssl.MemoryBIO(), ssl.MemoryBIO()
        await saying("220 mx\n", HELLO, "220 go\n")(wire)
        received.write(await wire.reader.read(4096))
        with suppress(ssl.SSLWantReadError):
            context.wrap_bio(received, flight, server_side=True).do_handshake()
        wire.writer.write(flight.read()[:-60])  # no whole signature of its key
        await wire.writer.drain()

    seen = look(cut)
    assert (seen.outcome, seen.chain, seen.protocol) == ("handshake-failed", (), "")


async def handshake_begun(wire: Wire) -> None:
    await saying("220 mx\n", HELLO, "220 go\n")(wire)
    await wire.reader.read(4096)


async def endless_handshake(wire: Wire) -> None:
    await handshake_begun(wire)
    wire.writer.write(bytes.fromhex("160303000402ffffff"))  # a message of 16 MB begins
    while not wire.writer.transport.is_closing():
        wire.writer.write(bytes.fromhex("1603034000") + b"\0" * 0x4000)
        await wire.writer.drain()


async def dripping_handshake(wire: Wire) -> None:
    await handshake_begun(wire)
    for byte in bytes.fromhex("16030300ff") + b"\0" * 255:
        wire.writer.write(bytes([byte]))
        await wire.writer.drain()
        await asyncio.sleep(0.05)


def test_a_flood_takes_no_more_memory_than_a_reply():
    tracemalloc.start()
    try:
        assert look(flood, PATIENT).outcome == "garbage"
        assert tracemalloc.get_traced_memory()[1] < 2e6
    finally:
        tracemalloc.stop()


# -- runs ---------------------------------------------------------------------------------------------------


def visit_all(servers: list[MailServer], out: Path, settings=QUICK, *, resume=False) -> Summary:
    return observe_tls(servers, out, settings, dns="dns-1.jsonl.gz", resume=resume)


def visited(
    scripts: dict[str, Script], out: Path, settings: ObserveTls = QUICK, **hosts: list[str]
) -> tuple[Summary, TlsObservation]:
    """Visit servers of scripts, by default all of one host; return what was done, and what was written."""
    of = {f"{host}.example": at for host, at in hosts.items()} or {"mx.example": list(scripts)}
    done = with_servers(scripts, lambda port: visit_all(servers_of(of, port), out, settings))
    return done, load_tls(out)


def test_a_run_visits_each_address_once_and_again_only_where_nothing_was_told(chain, tmp_path):
    scripts = {
        "127.0.0.1": tls(chain), "127.0.0.2": saying("220 mx\n", "250 mx\n"),
        "127.0.0.3": saying("421 later\n"),
    }  # fmt: skip
    hosts = {"mx1": ["127.0.0.1", "127.0.0.2"], "mx2": ["127.0.0.1", "127.0.0.3"]}
    summary, read = visited(scripts, tmp_path / "tls-1.jsonl.gz", **hosts)
    assert (summary.servers, summary.visits) == (3, 5)
    assert summary.outcomes == {"presented": 1, "no-starttls": 1, "busy": 1}
    assert (read.complete, read.problems.empty, read.dns) == (True, True, "dns-1.jsonl.gz")
    assert list(read.certificates.values()) == [LEAF.der, AUTHORITY.der]
    asked = sorted((visit.address, visit.attempt, visit.hosts) for visit in read.visits)
    assert asked[0] == ("127.0.0.1", 1, ("mx1.example", "mx2.example"))
    assert [attempt for _, attempt, _ in asked] == [1, 1, 1, 2, 3]


LISTED = "CN=mx.example,O=CH ALPHA,C=FR"


@pytest.mark.parametrize(
    ("listed", "names", "chains"),
    [
        ({}, [None], 1),
        ({"mx.example": LISTED}, [None, "mx.example"], 2),
        ({"mx.example": "CN=default.example,C=FR"}, [None], 1),
        ({"a.example": "CN=default.example,C=FR", "mx.example": LISTED}, [None, "mx.example"], 2),
    ],
    ids=["nothing listed", "another listed", "the default listed", "another for one of two names"],
)
def test_a_server_that_presents_another_certificate_than_listed_is_asked_by_name(
    listed, names, chains, tmp_path
):
    """Without SNI, as Postfix visits, it presents its default."""
    leaves = [make(dn, AUTHORITY, days=9_999) for dn in ("CN=default.example,C=FR", LISTED)]
    default, right = (leaf.files(tmp_path / str(number)) for number, leaf in enumerate(leaves))
    asked: list[str | None] = []
    script = tls(default, by_name=("mx.example", right), names=asked)
    keys = {host: frozenset([parse_dn(dn).key]) for host, dn in listed.items()}
    out = tmp_path / "tls-1.jsonl.gz"

    def go(port: int) -> Summary:
        servers = servers_of({host: ["127.0.0.1"] for host in listed or ["mx.example"]}, port, keys)
        first = visit_all(servers, out)
        assert visit_all(servers, out, resume=True).visits == 0, "nothing is left to ask"
        return first

    summary = with_servers({"127.0.0.1": script}, go)
    assert (asked, summary.outcomes) == (names, {"presented": 1})
    read = load_tls(out)
    assert [visit.sni for visit in read.visits] == [name or "" for name in names]
    assert [read.certificates[visit.chain[0]] for visit in read.visits] == [m.der for m in leaves[:chains]]
    at = read.visits[0].at
    observed, _ = load_servers([File(out, at, {})], [], read.visits[-1].at, at)
    (server,) = observed.servers.to_dict("records")
    assert server["subject"] == "CN=default.example,C=FR"
    assert (server["sni"], len(server["sni_chain"])) == (("mx.example", 1) if chains == 2 else ("", 0))


def test_a_server_that_wants_a_name_gets_one_last(chain, tmp_path):
    asked: list[str | None] = []

    async def script(wire: Wire) -> None:
        if len(asked) < 2:
            asked.append("")
            await saying("220 mx\n", HELLO, "220 go\n", ALERT)(wire)
        else:
            await tls(chain, names=asked)(wire)

    _, read = visited({"127.0.0.1": script}, tmp_path / "tls-1.jsonl.gz")
    assert asked == ["", "", "mx.example"]
    assert [(visit.sni, visit.outcome) for visit in read.visits] == [
        *[("", "handshake-failed")] * 2, ("mx.example", "presented")
    ]  # fmt: skip


FEW_DESCRIPTORS = """
import json, os, resource, sys
from mssante_audit.base.errors import ResourceError
from mssante_audit.base.settings import ObserveTls
from mssante_audit.observe.tls.run import observe_tls, servers_of
hosts, port, out, more = json.loads(sys.argv[1])
settings = ObserveTls(timeout=1, pause=0)
used = max(map(int, os.listdir("/proc/self/fd")))
resource.setrlimit(resource.RLIMIT_NOFILE, (used + more, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
try:
    print(json.dumps(observe_tls(servers_of(hosts, port), out, settings).outcomes))
except ResourceError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
@pytest.mark.parametrize("more", [6, 1])
def test_our_lack_of_descriptors_is_waited_for_and_no_server_s_fault(more, chain, tmp_path):
    scripts = {f"127.0.1.{number}": tls(chain) for number in range(1, 31)}
    out = tmp_path / "tls-1.jsonl.gz"

    def go(port: int) -> str:
        arguments = json.dumps([{"mx.example": list(scripts)}, port, str(out), more])
        command = [sys.executable, "-c", FEW_DESCRIPTORS, arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    output = with_servers(scripts, go)
    read = load_tls(out)
    if more > 1:
        assert json.loads(output) == {"presented": 30}
        assert read.complete
    else:  # the observation's own file takes it
        assert output.startswith("this machine has nothing left to visit servers with (Too many open files)")
        assert (len(read.visits), read.complete) == (0, False)


@pytest.mark.parametrize(("source", "other"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
def test_a_server_of_another_family_than_ours_is_not_asked_and_not_silent(source, other, chain, tmp_path):
    asked: list[Wire] = []

    async def script(wire: Wire) -> None:
        asked.append(wire)
        await tls(chain)(wire)

    settings = ObserveTls(timeout=5, pause=9.0, source_address=source)
    summary, read = visited({source: script, other: script}, tmp_path / "tls.jsonl.gz", settings)
    assert summary.outcomes == {"presented": 1, "no-source": 1}
    assert (len(asked), summary.visits) == (1, 2), "it is not tried again"
    details = {visit.address: (visit.outcome, visit.detail) for visit in read.visits}
    assert details[other] == ("no-source", "not visited: no source address of that family")


def test_one_that_was_busy_is_seen_later_in_the_same_run(chain, tmp_path):
    turns = {"127.0.0.1": [saying("421 later\n"), tls(chain)],
             "127.0.0.2": [saying("", then=9), saying("220 mx\n", "450 no\n"), tls(chain)],
             "127.0.0.3": [saying("220 mx\n", HELLO, "220 go\n", ALERT), tls(chain)]}  # fmt: skip
    met: list[str] = []

    def in_turn(address: str) -> Script:
        async def script(wire: Wire) -> None:
            met.append(address)
            await turns[address].pop(0)(wire)

        return script

    scripts = {address: in_turn(address) for address in turns}
    summary, seen = visited(scripts, tmp_path / "tls-1.jsonl.gz", ObserveTls(timeout=1, pause=0.3))
    assert summary.outcomes == {"presented": 3}
    rounds = [sorted(met[:3]), sorted(met[3:6]), met[6:]]
    assert rounds == [[*turns], [*turns], ["127.0.0.2"]], "all are visited before any is again"
    first, second, third = ([v for v in seen.visits if v.address == address] for address in sorted(turns))
    assert [visit.outcome for visit in first] == ["busy", "presented"]
    assert [visit.outcome for visit in second] == ["silent", "busy", "presented"]
    assert [visit.outcome for visit in third] == ["handshake-failed", "presented"]
    assert third[1].protocol == "TLSv1.2", "after a handshake that failed less is offered"
    for before, after in (*pairwise(first), *pairwise(second), *pairwise(third)):
        assert (after.at - before.at).total_seconds() - before.seconds >= 0.29


def test_no_more_are_met_at_once_than_is_allowed_and_no_fewer_after_a_lack_of_threads(
    chain, tmp_path, monkeypatch
):
    met, most, begin, places = 0, 0, threading.Thread.start, count()

    def start(thread: threading.Thread) -> None:
        if next(places) == 3:
            raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)

    def counting(script: Script) -> Script:
        async def counted(wire: Wire) -> None:
            nonlocal met, most
            met += 1
            most = max(most, met)
            await asyncio.sleep(0.02)
            await script(wire)
            met -= 1

        return counted

    kinds = (tls(chain), saying("421 later\n"))
    scripts = {f"127.0.1.{number}": counting(kinds[number % 2]) for number in range(1, 41)}
    visited(scripts, tmp_path / "tls-1.jsonl.gz", ObserveTls(timeout=5, pause=0, in_flight=10))
    assert 5 < most <= 10


def test_a_stopped_run_is_gone_on_with_where_it_stopped(chain, tmp_path):
    out = tmp_path / "tls-1.jsonl.gz"

    def go(port: int) -> Summary:
        servers = servers_of({"a.example": ["127.0.0.1"], "b.example": ["127.0.0.2"]}, port)
        visit_all(servers[:1], out)
        with pytest.raises(OutputError, match="exists already"):
            visit_all(servers, out)
        with out.open("ab") as file:
            file.write(b"\x1f\x8bhalf")
        return visit_all(servers, out, resume=True)

    summary = with_servers(dict.fromkeys(("127.0.0.1", "127.0.0.2"), tls(chain)), go)
    assert (summary.servers, summary.known, summary.visits) == (2, 1, 1)
    assert [visit.address for visit in load_tls(out).visits] == ["127.0.0.1", "127.0.0.2"]
    assert gzip.decompress(out.read_bytes()).count(b'"certificate"') == 2, "each certificate once"


@pytest.mark.parametrize(("header", "why"), CASES["headers"])
def test_a_file_of_another_kind_is_refused(header, why, tmp_path):
    file = tmp_path / "tls-1.jsonl.gz"
    version = {"format": TLS.format, "version": TLS.version + header["newer"]} if "newer" in header else {}
    file.write_bytes(gzip.compress(json.dumps(header | version).encode() + b"\n", mtime=0))
    with pytest.raises(ObservationError, match=why):
        load_tls(file)


# -- the command --------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path):
    """Return the sample with all its servers on loopback, none visited yet."""
    folder = Path(copytree(CATALOGUE, tmp_path / "data", ignore=ignore_patterns("tls-*")))
    (source,) = (folder / "observations").glob("dns-*.jsonl.gz")
    text = re.sub(rb'"(192\.88|10\.20)\.', rb'"127.88.', gzip.decompress(source.read_bytes()))
    source.write_bytes(gzip.compress(text, mtime=0))
    return folder


def test_the_command_visits_the_mail_servers_that_the_dns_names(data, chain):
    source = find_observations(data)[0].path
    domains = load_whitelist(find_whitelist(data, find_archive(data))).entries["domain"].unique().tolist()
    network = network_of(load_observation(source))
    hosts = {host: network.addresses(host) for domain in domains for host in network.exchangers(domain)}
    address = min(a for at in hosts.values() for a in at if a.startswith("127."))
    options = ("tls", "--data", str(data), "--pause=0", "--timeout=3")
    result = with_servers(
        {address: tls(chain)}, lambda port: CliRunner().invoke(app, [*options, f"--port={port}"])
    )
    assert result.exit_code == 0, result.output
    assert "presented 1" in result.output
    (written,) = (data / "observations").glob("tls-*.jsonl.gz")
    read = load_tls(written)
    assert read.dns == source.name
    assert {visit.address for visit in read.visits} == {a for at in hosts.values() for a in at}
    seen, by_name = (visit for visit in read.visits if visit.outcome == "presented")
    assert (seen.address, {*seen.hosts}) == (address, {host for host, at in hosts.items() if address in at})
    assert by_name.sni in seen.hosts, "the list has another certificate for it"
    again = CliRunner().invoke(app, ["tls", "--data", str(data), "--resume"])
    assert "complete already" in str(again.exception)
    # A file more beside the observation of the DNS changes nothing that is read from that one.
    assert find_observations(data)[0].path == source


def looked_at(script: Script, *options: str) -> Result:
    host = ("tls", "--host", "127.0.0.1")
    return with_servers(
        {"127.0.0.1": script}, lambda port: CliRunner().invoke(app, [*host, f"--port={port}", *options])
    )


@pytest.mark.parametrize(("sent", "days", "anchor", "status", "why"), CASES["looked"])
def test_one_host_is_looked_at_and_nothing_is_kept(sent, days, anchor, status, why, tmp_path):
    leaf = make("CN=mx.example,C=FR", AUTHORITY, days=days)
    files = leaf.files(tmp_path / "own", *([AUTHORITY] if sent else []))
    authority = AUTHORITY if anchor == "its own" else make("CN=AUTRE,C=FR", ca=True)
    options = ("--anchors", str(authority.files(tmp_path / "anchor")[0])) if anchor else ()
    result = looked_at(tls(files), *options)
    assert (result.exit_code, why in result.output) == (status, True), result.output
    assert "CN=mx.example,C=FR" in result.output
    behind = "sent with it: CN=AC FICTIVE,O=ESSAI,C=FR, issued by CN=AC FICTIVE,O=ESSAI,C=FR"
    assert (behind in result.output) == sent


def test_a_host_is_asked_for_its_name_as_the_dns_writes_it(chain):
    names: list[str | None] = []
    looked_at(tls(chain, names=names), "--host", "LOCALHOST")
    assert names == [None, "localhost"]


def test_a_host_that_tells_nothing_is_unknown_and_one_without_starttls_is_wrong():
    assert looked_at(saying("421 later\n")).exit_code == 4
    assert looked_at(saying("220 mx\n", "250 mx\n")).exit_code == 1
    assert "neither --data nor --host" in str(CliRunner().invoke(app, ["tls"]).exception)


@pytest.mark.parametrize(("options", "why"), CASES["options"].items())
def test_an_option_that_makes_no_sense_is_told_before_any_visit(options, why, data, chain, tmp_path, run):
    certificate, key = str(chain[0]), str(make("CN=other").files(tmp_path / "other")[1])
    words = options.replace("CERTIFICATE", certificate).replace("KEY", key).split()
    for whom in (["--host", "127.0.0.1", "--port", "9"], ["--data", str(data)]):
        done = run("observe", "tls", *whom, *words)
        assert (done.returncode, why in done.stderr, "pydantic" in done.stderr) == (2, True, False)
    assert not list((data / "observations").glob("tls-*"))


# -- merged -------------------------------------------------------------------------------------------------


def test_of_each_server_counts_what_was_seen_last_that_tells_something(data):
    server, other = (MailServer(f"127.0.0.{n}", 25, ("mx.example",)) for n in (1, 2))
    presented, at = Visit("presented", chain=(LEAF.der,)), datetime(2026, 3, 1, 6, tzinfo=UTC)
    first = write_visits(data, at, [(server, presented), (other, Visit("no-starttls"))])
    second = write_visits(data, at + timedelta(1), [(server, Visit("busy"))])
    seen = load_space(data, as_of="2026-03-03").tls
    assert [part.source for part in seen.parts] == [second.name, first.name]
    servers = seen.servers.set_index("address")
    assert servers["outcome"].tolist() == ["presented", "no-starttls"]
    assert servers["source"].tolist() == [first.name] * 2
    assert servers.loc["127.0.0.1", "subject"] == "CN=mx.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR"
    assert servers.loc["127.0.0.1", "not_after"] == LEAF.certificate.not_valid_after_utc
    assert pd.isna(servers.loc["127.0.0.2", "not_after"])
    # What is older than may be relied on gives way to what was met since, though that tells nothing.
    old = load_space(data, as_of="2026-03-09").tls.servers.set_index("address")
    assert old["outcome"].tolist() == ["busy"]
    assert load_space(data, as_of="2026-02-01").tls is None
