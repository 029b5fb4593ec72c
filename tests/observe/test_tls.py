"""Visits to mail servers: what each kind of server makes of one, and what is written down."""

import asyncio
import gzip
import json
import re
import ssl
import subprocess
import sys
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import TypeVar

import pandas as pd
import pytest
from click.testing import Result
from conftest import CATALOGUE
from frames import visits_of
from smtplab import Script, Wire, dripping, saying, serving, tls
from typer.testing import CliRunner

from mssante_audit.archive.store import find_archive, find_whitelist
from mssante_audit.base.errors import OutputError, ParameterError
from mssante_audit.base.settings import ObserveTls
from mssante_audit.cli.observe import app
from mssante_audit.network import network_of
from mssante_audit.observe.file import TLS
from mssante_audit.observe.folder import File, find_observations
from mssante_audit.observe.lines import ObservationError
from mssante_audit.observe.observation import load_observation
from mssante_audit.observe.tls.observation import TlsObservation, load_servers, load_tls
from mssante_audit.observe.tls.run import MailServer, Summary, observe_tls, servers_of
from mssante_audit.observe.tls.visit import MAX_SHOWN, Visit, offers_of, visit
from mssante_audit.space.trust import load_space
from mssante_audit.values.dn import parse_dn
from mssante_audit.whitelist.load import load_whitelist
from tools.sample.certificates import Made, make

Given = TypeVar("Given")
QUICK = ObserveTls(timeout=0.4, pause=0.0)
PATIENT = ObserveTls(timeout=5.0, pause=0.0)
ODD = "\N{REPLACEMENT CHARACTER}"
ALERT = "\x15\x03\x01\x00\x02\x02\x28"
TURNED_AWAY = "421 4.7.1 Service unavailable - No client certificate presented\n"
HELLO = "250-mx\n250 STARTTLS\n"


@pytest.fixture(scope="module")
def authority() -> Made:
    return make("CN=AC FICTIVE,O=ESSAI,C=FR", ca=True)


@pytest.fixture(scope="module")
def leaf(authority: Made) -> Made:
    return make("CN=mx.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR", authority)


@pytest.fixture(scope="module")
def chain(authority: Made, leaf: Made, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return leaf.files(tmp_path_factory.mktemp("chain"), authority)


def look(script: Script, settings: ObserveTls = PATIENT, *, oldest: bool = False) -> Visit:
    async def run() -> Visit:
        async with serving({"127.0.0.1": script}) as port:
            how = (settings, offers_of(settings))
            return await asyncio.to_thread(visit, "127.0.0.1", port, "mx.example", *how, oldest=oldest)

    return asyncio.run(run())


@pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("demand", [False, True])
def test_the_chain_is_kept_whether_or_not_a_client_s_certificate_is_demanded(
    most: ssl.TLSVersion, demand: bool, chain: tuple[Path, Path], leaf: Made, authority: Made, tmp_path: Path
) -> None:
    lines: list[str] = []
    trusted = authority.files(tmp_path)[0] if demand else None
    seen = look(tls(chain, most=most, demand=trusted, lines=lines))
    assert (seen.outcome, seen.demanded) == ("presented", demand)
    assert seen.chain == (leaf.der, authority.der)
    assert seen.protocol == ("TLSv1.2" if most == ssl.TLSVersion.TLSv1_2 else "TLSv1.3")
    assert seen.cipher
    assert seen.banner == "220-mx.example"
    before_tls = ["EHLO localhost\r\n", "STARTTLS\r\n"]
    assert lines == (before_tls if demand else [*before_tls, "EHLO localhost\r\n", "QUIT\r\n"])


def test_a_client_s_certificate_is_shown_where_there_is_one(
    chain: tuple[Path, Path], authority: Made, tmp_path: Path
) -> None:
    lines: list[str] = []
    client = make("CN=client.example,C=FR", authority).files(tmp_path / "own")
    settings = ObserveTls(timeout=5.0, client_certificate=str(client[0]), client_key=str(client[1]))
    seen = look(tls(chain, demand=authority.files(tmp_path)[0], lines=lines), settings)
    assert (seen.outcome, seen.demanded, seen.detail) == ("presented", True, "")
    assert lines[-1] == "QUIT\r\n"


@pytest.mark.parametrize(
    ("script", "outcome", "detail"),
    [
        (saying("220 mx\n", "250-mx\n250 XSTARTTLS\n"), "no-starttls", "EHLO without STARTTLS"),
        (saying("421 4.3.2 later\n"), "busy", "421 4.3.2 later"),
        (saying("220 mx\n", "450 4.7.1 greylisted\n"), "busy", "450 4.7.1 greylisted"),
        (saying("554 5.7.1 no\n"), "refused", "554 5.7.1 no"),
        (saying("220 mx\n", HELLO, "502 no such thing\n"), "refused", "502 no such thing"),
        (saying(), "refused", "the connection was closed"),
        (saying("", then=9), "silent", "no greeting"),
        (saying("220 mx\n", HELLO, "220 go\n", then=9), "silent", "no reply to the handshake"),
        (saying("220-mx\n220", then=9), "slow", "a reply without end"),
        (dripping("220-x\n", 0.01), "slow", "a reply without end"),
        (saying("x" * 99_999), "garbage", "x" * MAX_SHOWN),
        (saying("SSH-2.0-OpenSSH_9.9\n"), "garbage", "SSH-2.0-OpenSSH_9.9"),
        (saying("220 mx\n", HELLO, "220 go\n250 x\n"), "plaintext-injected", f"250 x{ODD}{ODD}"),
        (saying("220 mx\n", HELLO, "220 go\n", ""), "handshake-failed", "the connection was closed"),
        (saying("220 mx\n", HELLO, "220 go\n", ALERT), "handshake-failed", "tls alert handshake failure"),
        (saying("220 mx\x1b[31m\u202e<b>\n", "421 \x07\n"), "busy", f"421 {ODD}"),
    ],
)  # fmt: skip
def test_every_other_way_a_visit_ends_shows_no_certificate(script: Script, outcome: str, detail: str) -> None:
    seen = look(script, QUICK)
    assert (seen.outcome, seen.detail, seen.chain) == (outcome, detail, ())
    assert (seen.banner + seen.detail).isprintable()


def test_a_greeting_is_kept_though_it_is_the_end() -> None:
    assert look(saying("554 5.7.1 no\n"), QUICK).banner == "554 5.7.1 no"


def test_a_server_that_nobody_runs_is_refused_and_one_out_of_reach_is_silent() -> None:
    async def nobody() -> int:
        async with serving({"127.0.0.1": saying()}) as port:
            return port

    port = asyncio.run(nobody())
    assert visit("127.0.0.1", port, "", QUICK, offers_of(QUICK)).outcome == "refused"
    assert visit("240.0.0.1", 25, "", QUICK, offers_of(QUICK)).outcome == "silent"


def over_tls(chain: tuple[Path, Path], then: Callable[[Wire], Awaitable[None]]) -> Script:
    """Return the script of a server that is as it should be until the handshake is done."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*chain)

    async def script(wire: Wire) -> None:
        await saying("220 mx\n", HELLO)(wire)
        await wire.hear()
        await wire.go(context)
        await then(wire)

    return script


async def flood(wire: Wire) -> None:
    while not wire.writer.transport.is_closing():
        wire.writer.write(b"250-" + b"x" * 60_000)
        await wire.writer.drain()
        await asyncio.sleep(0)  # over TLS nobody is waited for


@pytest.mark.parametrize(
    ("then", "detail"),
    [
        (flood, "over TLS: 250-xxx"),
        (dripping("250-x\n", 0.05), "over TLS: a reply without end"),
        (saying("", then=9), "over TLS: no reply to EHLO over TLS"),
        (saying("554 no\n"), "554 no"),
        (saying(TURNED_AWAY), TURNED_AWAY.strip()),
        (saying(), "over TLS: the connection was closed"),
    ],
)
def test_whatever_comes_after_the_handshake_its_certificate_was_presented(
    then: Script, detail: str, chain: tuple[Path, Path], leaf: Made, authority: Made
) -> None:
    seen = look(over_tls(chain, then), ObserveTls(timeout=1.0, pause=0.0))
    assert (seen.outcome, seen.chain) == ("presented", (leaf.der, authority.der))
    assert seen.detail.startswith(detail)
    assert seen.seconds < 4


async def endless_handshake(wire: Wire) -> None:
    await saying("220 mx\n", HELLO, "220 go\n")(wire)
    await wire.reader.read(4096)
    wire.writer.write(bytes.fromhex("160303000402ffffff"))  # a message of 16 MB begins
    while not wire.writer.transport.is_closing():
        wire.writer.write(bytes.fromhex("1603034000") + b"\0" * 0x4000)
        await wire.writer.drain()


async def dripping_handshake(wire: Wire) -> None:
    await saying("220 mx\n", HELLO, "220 go\n")(wire)
    await wire.reader.read(4096)
    for byte in bytes.fromhex("16030300ff") + b"\0" * 255:
        wire.writer.write(bytes([byte]))
        await wire.writer.drain()
        await asyncio.sleep(0.05)


def test_a_handshake_without_end_is_ended() -> None:
    seen = look(endless_handshake, QUICK)
    assert seen.outcome in ("garbage", "handshake-failed")
    seen = look(dripping_handshake, QUICK)
    assert (seen.outcome, seen.detail) == ("slow", "a reply without end")


def test_a_flood_takes_no_more_memory_than_a_reply() -> None:
    tracemalloc.start()
    try:
        assert look(flood, PATIENT).outcome == "garbage"
        assert tracemalloc.get_traced_memory()[1] < 2e6
    finally:
        tracemalloc.stop()


# -- runs ---------------------------------------------------------------------------------------------------


def run(
    servers: list[MailServer], out: Path, settings: ObserveTls = QUICK, *, resume: bool = False
) -> Summary:
    return observe_tls(servers, out, settings, dns="dns-1.jsonl.gz", resume=resume)


def with_servers(scripts: dict[str, Script], go: Callable[[int], Given]) -> Given:
    async def serve() -> Given:
        async with serving(scripts) as port:
            return await asyncio.to_thread(go, port)

    return asyncio.run(serve())


def visited(
    scripts: dict[str, Script], out: Path, settings: ObserveTls = QUICK, **hosts: list[str]
) -> tuple[Summary, TlsObservation]:
    """Visit servers of scripts, by default all of one host; return what was done, and what was written."""
    of = {f"{host}.example": at for host, at in hosts.items()} or {"mx.example": list(scripts)}
    done = with_servers(scripts, lambda port: run(servers_of(of, port), out, settings))
    return done, load_tls(out)


def test_a_run_visits_each_address_once_and_again_only_where_nothing_was_told(
    chain: tuple[Path, Path], leaf: Made, authority: Made, tmp_path: Path
) -> None:
    scripts = {
        "127.0.0.1": tls(chain), "127.0.0.2": saying("220 mx\n", "250 mx\n"),
        "127.0.0.3": saying("421 later\n"),
    }  # fmt: skip
    hosts = {"mx1": ["127.0.0.1", "127.0.0.2"], "mx2": ["127.0.0.1", "127.0.0.3"]}
    summary, read = visited(scripts, tmp_path / "tls-1.jsonl.gz", **hosts)
    assert (summary.servers, summary.visits) == (3, 5)
    assert summary.outcomes == {"presented": 1, "no-starttls": 1, "busy": 1}
    assert (read.complete, read.problems.empty, read.dns) == (True, True, "dns-1.jsonl.gz")
    assert list(read.certificates.values()) == [leaf.der, authority.der]
    asked = visits_of(read).sort_values(["address", "attempt"])
    assert asked["address"].tolist() == ["127.0.0.1", "127.0.0.2", *["127.0.0.3"] * 3]
    assert asked["attempt"].tolist() == [1, 1, 1, 2, 3]
    assert asked["hosts"].iloc[0] == ("mx1.example", "mx2.example")


LISTED = "CN=mx.example,O=CH ALPHA,C=FR"


@pytest.mark.parametrize(
    ("listed", "names", "chains"),
    [
        ({}, [None], 1),
        ({"mx.example": LISTED}, [None, "mx.example"], 2),
        ({"mx.example": "CN=default.example,C=FR"}, [None], 1),
        ({"a.example": "CN=default.example,C=FR", "mx.example": LISTED}, [None, "mx.example"], 2),
    ],
    ids=["nothing listed", "another listed", "the one listed", "another for one of two names"],
)
def test_a_server_is_asked_by_name_where_it_presents_another_certificate_than_listed(
    listed: dict[str, str], names: list[str | None], chains: int, authority: Made, tmp_path: Path
) -> None:
    """Without SNI, as Postfix visits, it presents its default."""
    default = make("CN=default.example,C=FR", authority, days=9_999)
    right = make(LISTED, authority, days=9_999)
    files = (default.files(tmp_path / "default"), right.files(tmp_path / "right"))
    asked: list[str | None] = []
    script = tls(files[0], by_name=("mx.example", files[1]), names=asked)
    keys = {host: frozenset([parse_dn(dn).key]) for host, dn in listed.items()}
    out = tmp_path / "tls-1.jsonl.gz"

    def go(port: int) -> Summary:
        hosts = {host: ["127.0.0.1"] for host in listed or ["mx.example"]}
        servers = servers_of(hosts, port, keys)
        first = run(servers, out)
        assert run(servers, out, resume=True).visits == 0, "nothing is left to ask"
        return first

    summary = with_servers({"127.0.0.1": script}, go)
    assert (asked, summary.outcomes) == (names, {"presented": 1})
    read = load_tls(out)
    visits = pd.concat([visits_of(read), visits_of(read, by_name=True)], ignore_index=True)
    assert visits["sni"].tolist() == [name or "" for name in names]
    sent = [default.der, right.der][:chains]
    assert [read.certificates[chain[0]] for chain in visits["chain"]] == sent
    file = File(out, visits["at"].iloc[0], {})
    observed, _ = load_servers([file], [], visits["at"].iloc[-1], visits["at"].iloc[0])
    assert observed is not None
    (server,) = observed.servers.to_dict("records")
    assert server["subject"] == "CN=default.example,C=FR"
    assert (server["sni"], len(server["sni_chain"])) == (("mx.example", 1) if chains == 2 else ("", 0))


def test_a_server_that_wants_a_name_gets_one_last(chain: tuple[Path, Path], tmp_path: Path) -> None:
    asked: list[str | None] = []

    async def script(wire: Wire) -> None:
        if len(asked) < 2:
            asked.append("")
            await saying("220 mx\n", HELLO, "220 go\n", ALERT)(wire)
        else:
            await tls(chain, names=asked)(wire)

    _, read = visited({"127.0.0.1": script}, tmp_path / "tls-1.jsonl.gz")
    assert asked == ["", "", "mx.example"]
    assert visits_of(read)["outcome"].tolist() == ["handshake-failed"] * 2
    assert visits_of(read, by_name=True)[["sni", "outcome", "protocol"]].to_numpy().tolist() == [
        ["mx.example", "presented", "TLSv1.3"]
    ]


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
def test_our_lack_of_descriptors_is_waited_for_and_no_server_s_fault(
    more: int, chain: tuple[Path, Path], tmp_path: Path
) -> None:
    scripts = {f"127.0.1.{number}": tls(chain) for number in range(1, 31)}
    out = tmp_path / "tls-1.jsonl.gz"

    def go(port: int) -> str:
        given = json.dumps([{"mx.example": list(scripts)}, port, str(out), more])
        command = [sys.executable, "-c", FEW_DESCRIPTORS, given]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    output = with_servers(scripts, go)
    read = load_tls(out)
    if more > 1:
        assert json.loads(output) == {"presented": 30}
        assert read.complete
    else:  # the observation's own file takes it
        assert output.startswith("this machine has nothing left to visit servers with (Too many open files)")
        assert (len(visits_of(read)), read.complete) == (0, False)


@pytest.mark.parametrize(("source", "other"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
def test_a_server_of_another_family_than_the_address_to_come_from_is_not_asked_and_not_silent(
    source: str, other: str, chain: tuple[Path, Path], tmp_path: Path
) -> None:
    asked: list[Wire] = []

    async def script(wire: Wire) -> None:
        asked.append(wire)
        await tls(chain)(wire)

    settings = ObserveTls(timeout=5, pause=9.0, source_address=source)
    summary, read = visited({source: script, other: script}, tmp_path / "tls.jsonl.gz", settings)
    assert summary.outcomes == {"presented": 1, "no-source": 1}
    assert len(asked) == 1
    assert summary.visits == 2, "it is not tried again"
    visits = visits_of(read).set_index("address")
    assert visits.loc[other, ["outcome", "detail"]].tolist() == [
        "no-source", "not visited: no source address of that family"
    ]  # fmt: skip


def test_one_that_was_busy_is_seen_later_in_the_same_run(chain: tuple[Path, Path], tmp_path: Path) -> None:
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
    read = visits_of(seen).sort_values(["address", "attempt"])
    assert read["outcome"].tolist() == [
        "busy", "presented", "silent", "busy", "presented", "handshake-failed", "presented"
    ]  # fmt: skip
    protocols = dict(zip(read["address"], read["protocol"], strict=True))
    assert protocols["127.0.0.3"] == "TLSv1.2", "after a handshake that failed less is offered"
    for _, rows in read.groupby("address"):
        ends = rows["at"] + pd.to_timedelta(rows["seconds"], unit="s")
        assert (rows["at"].iloc[1:].array - ends.iloc[:-1].array >= pd.Timedelta("0.29s")).all()


def test_no_more_are_met_at_once_than_is_allowed(chain: tuple[Path, Path], tmp_path: Path) -> None:
    now: list[int] = [0, 0, 0]
    right = tls(chain)

    def counting(busy: bool) -> Script:
        async def script(wire: Wire) -> None:
            now[0] += 1
            now[1 + busy * (now[2] > 0)] = max(now[1 + busy * (now[2] > 0)], now[0])
            await asyncio.sleep(0.02)
            await (saying("421 later\n") if busy else right)(wire)
            now[0] -= 1

        return script

    scripts = {f"127.0.1.{number}": counting(number % 2 == 0) for number in range(1, 41)}
    visited(scripts, tmp_path / "tls-1.jsonl.gz", ObserveTls(timeout=5, pause=0, in_flight=10))
    assert 5 < now[1] <= 10


def test_a_stopped_run_is_gone_on_with_where_it_stopped(chain: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "tls-1.jsonl.gz"
    scripts = {"127.0.0.1": tls(chain), "127.0.0.2": tls(chain)}

    def go(port: int) -> Summary:
        servers = servers_of({"a.example": ["127.0.0.1"], "b.example": ["127.0.0.2"]}, port)
        run(servers[:1], out)
        with pytest.raises(OutputError, match="exists already"):
            run(servers, out)
        with out.open("ab") as file:
            file.write(b"\x1f\x8bhalf")
        return run(servers, out, resume=True)

    summary = with_servers(scripts, go)
    assert (summary.servers, summary.known, summary.visits) == (2, 1, 1)
    read = load_tls(out)
    assert visits_of(read)["address"].tolist() == ["127.0.0.1", "127.0.0.2"]
    assert len(read.certificates) == 2
    lines = gzip.decompress(out.read_bytes()).splitlines()
    assert sum(b'"certificate"' in line for line in lines) == 2


def test_what_lines_say_that_they_should_not_is_a_problem_of_that_line(
    chain: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "tls-1.jsonl.gz"
    visited({"127.0.0.1": tls(chain)}, out)
    lines = gzip.decompress(out.read_bytes()).decode().splitlines()
    (first,) = [number for number, line in enumerate(lines) if '"outcome"' in line]
    line_of_visit = json.loads(lines[first])
    other = json.loads(lines[1])
    wrong = [
        {**line_of_visit, "outcome": "fine"},
        {**line_of_visit, "at": "yesterday"},
        {**line_of_visit, "chain": ["../x"]},
    ]
    wrong += [{**other, "certificate": "0" * 64}, {**other, "der": "%%"}]
    changed = [*lines, *map(json.dumps, wrong), "nothing"]
    out.write_bytes(gzip.compress("\n".join([*changed, ""]).encode(), mtime=0))
    read = load_tls(out)
    assert len(visits_of(read)) == 1
    assert read.problems["message"].tolist() == [
        "field outcome", "field at", "field chain", "a certificate that is not what its hash says",
        "field der", "not a JSON object",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"format": "mssante-audit dns observation", "version": 1}, "not a TLS observation"),
        ({"format": TLS.format, "version": TLS.version + 1}, "newer version.*Update"),
        ({"format": TLS.format, "version": TLS.version - 1}, "older version.*Observe again"),
        ({"format": TLS.format, "version": TLS.version, "at": "x", "dns": ""}, "damaged"),
        ({}, "not a TLS observation"),
    ],
)
def test_a_file_of_another_kind_is_refused(header: dict[str, object], why: str, tmp_path: Path) -> None:
    file = tmp_path / "tls-1.jsonl.gz"
    file.write_bytes(gzip.compress(json.dumps(header).encode() + b"\n", mtime=0))
    with pytest.raises(ObservationError, match=why):
        load_tls(file)


def test_a_client_s_certificate_that_cannot_be_used_is_told_before_anybody_is_visited(
    authority: Made, chain: tuple[Path, Path], tmp_path: Path
) -> None:
    other = make("CN=other", authority).files(tmp_path / "other")
    for settings, why in [
        ({"client_certificate": str(chain[0])}, "needs its key"),
        ({"client_certificate": str(chain[0]), "client_key": str(other[1])}, "cannot be used"),
        ({"client_certificate": str(tmp_path / "none"), "client_key": str(other[1])}, "cannot be used"),
    ]:
        with pytest.raises(ParameterError, match=why):
            run([], tmp_path / "tls.jsonl.gz", ObserveTls(**settings))
    assert not (tmp_path / "tls.jsonl.gz").exists()


# -- the command --------------------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return the sample with all its servers on loopback, none visited yet."""
    folder = Path(copytree(CATALOGUE, tmp_path / "data", ignore=ignore_patterns("tls-*")))
    (source,) = (folder / "observations").glob("dns-*.jsonl.gz")
    text = re.sub(rb'"(192\.88|10\.20)\.', rb'"127.88.', gzip.decompress(source.read_bytes()))
    source.write_bytes(gzip.compress(text, mtime=0))
    return folder


def test_the_command_visits_the_mail_servers_that_the_dns_names(data: Path, chain: tuple[Path, Path]) -> None:
    source = find_observations(data)[0].path
    assert source is not None
    domains = load_whitelist(find_whitelist(data, find_archive(data))).entries["domain"].unique().tolist()
    network = network_of(load_observation(source))
    hosts = {host: network.addresses(host) for domain in domains for host in network.exchangers(domain)}
    address = sorted({a for at in hosts.values() for a in at if a.startswith("127.")})[0]

    def go(port: int) -> Result:
        options = ["--port", str(port), "--pause", "0", "--timeout", "3"]
        return CliRunner().invoke(app, ["tls", "--data", str(data), *options])

    result = with_servers({address: tls(chain)}, go)
    assert result.exit_code == 0, result.output
    assert "presented 1" in result.output
    (written,) = (data / "observations").glob("tls-*.jsonl.gz")
    read = load_tls(written)
    assert read.dns == source.name
    assert set(visits_of(read)["address"]) == {a for at in hosts.values() for a in at}
    (seen,) = visits_of(read).query("outcome == 'presented'").to_dict("records")
    assert seen["address"] == address
    assert set(seen["hosts"]) == {host for host, at in hosts.items() if address in at}
    assert visits_of(read, by_name=True)["sni"].isin(seen["hosts"]).tolist() == [True], (
        "the list has another certificate for it"
    )
    again = CliRunner().invoke(app, ["tls", "--data", str(data), "--resume"])
    assert "complete already" in str(again.exception)
    # A file more beside the observation of the DNS changes nothing that is read from that one.
    assert find_observations(data)[0].path == source


@pytest.mark.parametrize(
    ("sent", "days", "trusted", "status", "why"),
    [
        (True, 9_999, True, 0, "leads to an anchor"),
        (True, 9_999, False, 4, "no anchor is known"),
        (False, 1, True, 1, "expired"),
        (False, 9_999, "other", 1, "leads to no anchor known here"),
    ],
)
def test_one_host_is_looked_at_and_nothing_is_kept(
    sent: bool, days: int, trusted: bool | str, status: int, why: str, authority: Made, tmp_path: Path
) -> None:
    leaf = make("CN=mx.example,C=FR", authority, days=days)
    files = leaf.files(tmp_path / "own", *([authority] if sent else []))
    other = make("CN=AUTRE,C=FR", ca=True)
    anchor = (other if trusted == "other" else authority).files(tmp_path / "anchor")[0]

    def go(port: int) -> Result:
        options = ["--anchors", str(anchor)] if trusted else []
        return CliRunner().invoke(app, ["tls", "--host", "127.0.0.1", "--port", str(port), *options])

    result = with_servers({"127.0.0.1": tls(files)}, go)
    assert (result.exit_code, why in result.output) == (status, True), result.output
    assert "CN=mx.example,C=FR" in result.output
    behind = "sent with it: CN=AC FICTIVE,O=ESSAI,C=FR, issued by CN=AC FICTIVE,O=ESSAI,C=FR"
    assert (behind in result.output) == sent


def test_a_host_that_tells_nothing_is_unknown_and_one_without_starttls_is_wrong() -> None:
    for script, status in [(saying("421 later\n"), 4), (saying("220 mx\n", "250 mx\n"), 1)]:
        result = with_servers(
            {"127.0.0.1": script},
            lambda port: CliRunner().invoke(app, ["tls", "--host", "127.0.0.1", "--port", str(port)]),
        )
        assert result.exit_code == status, result.output


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("--timeout", "0", "timeout wants more than 0"),
        ("--helo", "x y", "helo"),
        ("--source-address", "192.0.2.77", "no address of this machine"),
        ("--source-address", "nowhere", "no address of this machine"),
        ("--client-key", "key.pem", "needs its key"),
    ],
)
def test_an_option_that_makes_no_sense_is_told_before_anybody_is_visited(
    option: str, value: str, why: str, data: Path
) -> None:
    for whom in (["--host", "127.0.0.1", "--port", "9"], ["--data", str(data)]):
        result = CliRunner().invoke(app, ["tls", *whom, option, value])
        assert isinstance(result.exception, ParameterError), result.output
        assert why in str(result.exception)
        assert "pydantic" not in str(result.exception)
    assert not list((data / "observations").glob("tls-*"))


def test_whom_to_look_at_must_be_said() -> None:
    result = CliRunner().invoke(app, ["tls"])
    assert "neither --data nor --host" in str(result.exception)


# -- merged -------------------------------------------------------------------------------------------------


def test_of_each_server_counts_what_was_seen_last_that_tells_something(
    data: Path, chain: tuple[Path, Path], leaf: Made
) -> None:
    first, second = (data / "observations" / f"tls-2026-03-0{day}T060000Z.jsonl.gz" for day in (1, 2))

    def go(port: int) -> None:
        run(servers_of({"mx.example": ["127.0.0.1", "127.0.0.2"]}, port), first, PATIENT)

    with_servers({"127.0.0.1": tls(chain), "127.0.0.2": saying("220 mx\n", "250 mx\n")}, go)
    with_servers(
        {"127.0.0.1": saying("421 later\n")},
        lambda port: run(servers_of({"mx.example": ["127.0.0.1"]}, port), second),
    )
    text = gzip.decompress(second.read_bytes()).replace(b'"port":', b'"was":')
    port = visits_of(load_tls(first))["port"].iloc[0]
    text = re.sub(rb'"was":\d+', b'"port":%d' % port, text)
    for file, body, day in ((first, gzip.decompress(first.read_bytes()), b"01"), (second, text, b"02")):
        servers = re.sub(rb'"at":"\d{4}-\d\d-\d\d', b'"at":"2026-03-' + day, body)
        file.write_bytes(gzip.compress(servers, mtime=0))

    space = load_space(data, as_of="2026-03-03")
    seen = space.tls
    assert [part.source for part in seen.parts] == [second.name, first.name]
    servers = seen.servers.set_index("address")
    assert servers["outcome"].tolist() == ["presented", "no-starttls"]
    assert servers["source"].tolist() == [first.name] * 2
    assert servers.loc["127.0.0.1", "subject"] == "CN=mx.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR"
    assert servers.loc["127.0.0.1", "not_after"] == leaf.certificate.not_valid_after_utc
    assert pd.isna(servers.loc["127.0.0.2", "not_after"])
    # What is older than may be relied on gives way to what was met since, though that tells nothing.
    old = load_space(data, as_of="2026-03-09").tls.servers.set_index("address")
    assert old["outcome"].tolist() == ["busy"]
    assert load_space(data, as_of="2026-02-01").tls is None
