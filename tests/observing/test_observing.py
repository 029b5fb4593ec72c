"""Whole runs: stopped and resumed, without a network, against hostile zones, from the command line."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dns.message
import pytest
from dnslab import HOW, NSD, Scripted, in_namespace, reply, send
from dnsworld import DOMAINS, METHODS, OP_NSD, World, quick
from typer.testing import CliRunner

from mssante_audit.cli_observe import app
from mssante_audit.dns import NetworkError, ObserveSettings, Progress, observation_files, observe
from mssante_audit.errors import InputError, ParameterError
from mssante_audit.methods import methods
from mssante_audit.observation import load_observation
from mssante_audit.whitelist import NAMESPACE

HERE = Path(__file__).parent
PARENT = "127.0.55.1"
Serve = Callable[..., Scripted]
Zone = Callable[[dns.message.Message, str], "dns.message.Message | None"]


def settings(port: int, **changes: object):
    return quick(
        port, parent_servers=(("ns.gestion.example", PARENT),), root=(("root.example", PARENT),), **changes
    )


def parent(delegations: dict[str, list[str]], *, glue: dict[str, str] | None = None) -> Callable:
    """A parent server's script: its apex, referrals (name to names of servers), NXDOMAIN for the rest."""

    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        name = query.question[0].name.to_text(True)
        if name == "mssante.fr":
            soa = "mssante.fr SOA ns.gestion.example. h.gestion.example. 1 2 3 4 5"
            return send(reply(query, answer=[soa, "mssante.fr NS ns.gestion.example."]), transport)
        for cut, names in delegations.items():
            if name == cut or name.endswith("." + cut):
                extra = [f"{n} A {a}" for n, a in (glue or {}).items() if n in names]
                authority = [f"{cut} NS {n}." for n in names]
                return send(reply(query, aa=False, authority=authority, additional=extra), transport)
        missing = reply(query, authority=["mssante.fr SOA ns.gestion.example. h.gestion.example. 1 2 3 4 5"])
        missing.set_rcode(3)
        return send(missing, transport)

    return script


def test_an_observation_that_was_killed_goes_on(world: World, tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl.gz"
    slow = replace(world.settings, per_second=150.0)
    code = (
        f"import sys; sys.path[:0] = {[str(HERE)]!r}\n"
        "from pathlib import Path; from dnsworld import DOMAINS; from mssante_audit.dns import *\n"
        f"observe(DOMAINS, Path({str(path)!r}), {slow!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=HERE.parents[1])
    for _ in range(1000):
        time.sleep(0.01)
        if path.exists() and path.stat().st_size > 2500:
            break
    process.kill()
    process.wait()
    stopped = load_observation(path)
    assert not stopped.complete
    assert len(stopped.queries) > 10
    observe(DOMAINS, path, world.settings, resume=True)
    whole = load_observation(path)
    assert whole.complete
    assert len(whole.queries) > len(stopped.queries)
    frame = methods(whole, DOMAINS)
    assert dict(zip(frame["domain"], frame["method"], strict=True)) == {d: m for d, (m, _) in METHODS.items()}
    sent = whole.queries[whole.queries["attempt"] > 0]
    same = ["zone", "qname", "qtype", "address", "transport", "rd", "edns", "attempt"]
    assert not sent.duplicated(same).any()
    assert len(whole.siblings) == 1


def test_going_on_with_a_complete_observation_asks_nothing(world: World, tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl.gz"
    some = ["ch-sain.mssante.fr", "a.joker.mssante.fr", "ch-redirige.mssante.fr"]
    first = observe(some, path, world.settings)
    again = observe(some, path, world.settings, resume=True)
    assert first.queries > 20
    assert again.queries == 0


def test_ctrl_c_leaves_a_readable_file(world: World, tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl.gz"
    slow = replace(world.settings, per_second=100.0)
    code = (
        f"import sys; sys.path[:0] = {[str(HERE)]!r}\n"
        "from pathlib import Path; from dnsworld import DOMAINS; from mssante_audit.dns import *\n"
        f"observe(DOMAINS, Path({str(path)!r}), {slow!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=HERE.parents[1], stderr=subprocess.PIPE)
    for _ in range(1000):
        time.sleep(0.01)
        if path.exists() and path.stat().st_size > 1500:
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=5)
    assert said.strip().endswith(b"KeyboardInterrupt")
    assert b"never retrieved" not in said
    stopped = load_observation(path)
    assert stopped.problems.empty
    assert not stopped.complete
    assert len(stopped.queries) > 10


def test_a_full_disk_ends_a_run_with_a_readable_file(world: World, tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl.gz"
    code = (
        f"import sys, resource; sys.path[:0] = {[str(HERE)]!r}\n"
        "from pathlib import Path; from dnsworld import DOMAINS; from mssante_audit.dns import *\n"
        "from mssante_audit.errors import OutputError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        f"try: observe(DOMAINS, Path({str(path)!r}), {replace(world.settings, per_second=150.0)!r})\n"
        "except OutputError as error: print(error); sys.exit(9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=HERE.parents[1], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (9, "")
    assert "the file is left readable, as it was. Make room, then go on with --resume" in done.stdout
    stopped = load_observation(path)
    assert stopped.problems.empty
    assert not stopped.complete
    observe(DOMAINS, path, world.settings, resume=True)
    assert load_observation(path).complete


def test_a_file_that_exists_is_not_written_over(world: World, tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl.gz"
    path.write_bytes(b"good")
    with pytest.raises(InputError, match=r"exists already.*--resume"):
        observe(["ch-sain.mssante.fr"], path, world.settings)
    assert path.read_bytes() == b"good"


def test_a_parent_that_does_not_answer_writes_nothing(port: int, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"no server of mssante\.fr answers"):
        observe(["a.mssante.fr"], tmp_path / "new" / "o.jsonl.gz", settings(port))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_to_a_good_file_when_the_parent_does_not_answer(
    world: World, port: int, tmp_path: Path
) -> None:
    path = tmp_path / "o.jsonl.gz"
    observe(["ch-sain.mssante.fr"], path, world.settings)
    before = path.read_bytes()
    with pytest.raises(NetworkError):
        observe(["ch-sain.mssante.fr", "ch-b.mssante.fr"], path, settings(port), resume=True)
    assert path.read_bytes() == before


def test_a_refusing_parent_does_not_answer(port: int, serve: Serve, tmp_path: Path) -> None:
    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        message = reply(query, aa=False)
        message.set_rcode(5)
        return send(message, transport)

    serve(PARENT, script)
    with pytest.raises(NetworkError):
        observe(["a.mssante.fr"], tmp_path / "o.jsonl.gz", settings(port))


@pytest.mark.parametrize(
    "given", ["", "parent_servers=(('ns.example', '192.0.2.1'),)", "resolvers=('192.0.2.1',)"]
)
def test_without_a_network_it_says_so_at_once(given: str, tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl.gz"
    path.write_bytes(b"good")
    done = in_namespace(
        "import time; from mssante_audit.dns import *; from pathlib import Path\n"
        "start = time.monotonic()\n"
        f"try: observe(['a.mssante.fr'], {str(path)!r}, ObserveSettings({given}), resume=True)\n"
        "except NetworkError as error: print(error, time.monotonic() - start < 1)",
    )
    assert done.stdout == "no network: no route to any server. Nothing was written True\n", done.stderr
    assert path.read_bytes() == b"good"


def test_from_the_shipped_root_hints_down_over_ipv4_and_ipv6(tmp_path: Path) -> None:
    """On the root servers' own addresses, in a namespace with nothing else; defaults but for the pace."""
    if not NSD:
        pytest.fail(HOW) if os.environ.get("CI") == "true" else pytest.skip(HOW)
    root4, root6, tld, op4, op6 = (
        "198.41.0.4",
        "2001:503:ba3e::2:30",
        "194.0.9.1",
        "195.200.1.1",
        "2a01:e00::1",
    )
    code = f"""
from pathlib import Path
from dnslab import start_nsd
from mssante_audit.dns import *
from mssante_audit.methods import methods
from mssante_audit.observation import load_observation
folder = Path({str(tmp_path)!r})
soa = "@ SOA ns.fr. h.fr. 1 2 3 4 5\\n"
servers = [
    start_nsd(folder / "root", [{root4!r}, {root6!r}], 53, {{
        ".": soa + "@ NS a.root-servers.net.\\nfr NS ns.fr.\\nns.fr A {tld}\\n",
    }}),
    start_nsd(folder / "fr", [{tld!r}], 53, {{
        "fr": "@ NS ns\\nns A {tld}\\nmssante NS ns.gestion\\nns.gestion A {tld}\\n",
        "mssante.fr": "@ NS ns.gestion.fr.\\nch-a NS ns.ch-a\\nns.ch-a A {op4}\\nns.ch-a AAAA {op6}\\n"
                      "ch-prive NS ns.ch-prive\\nns.ch-prive A 192.168.1.1\\n",
    }}),
    start_nsd(folder / "op", [{op4!r}, {op6!r}], 53, {{
        "ch-a.mssante.fr": "@ NS ns\\nns A {op4}\\nns AAAA {op6}\\n@ MX 10 ns\\n",
    }}),
]
try:
    for only4 in (False, True):
        path = folder / f"{{only4}}.gz"
        s = ObserveSettings(timeout=1, retry_delay=0.01, per_server=1e4, per_second=1e4, ipv4_only=only4)
        observe(["ch-a.mssante.fr", "ch-prive.mssante.fr"], path, s)
        o = load_observation(path)
        q = o.queries[o.queries["zone"] == "ch-a.mssante.fr"]
        print(o.ipv6, sorted(set(q["address"])), set(q["outcome"]), end=" ")
        print(methods(o, ["ch-a.mssante.fr", "ch-prive.mssante.fr"])["method"].tolist())
        print((o.queries["address"] == "192.168.1.1").any())
finally:
    for server in servers: server.stop()
"""
    done = in_namespace(code, *(f"{a}/{128 if ':' in a else 32}" for a in (root4, root6, tld, op4, op6)))
    assert done.stdout.splitlines() == [
        f"True ['{op4}', '{op6}'] {{'answer'}} ['delegated', 'delegated']",
        "False",
        f"False ['{op4}'] {{'answer'}} ['delegated', 'delegated']",
        "False",
    ], done.stderr


def child(zone: str, names: list[str]) -> Callable:
    """An operator's server: answers for its apex as asked."""

    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        name, qtype = query.question[0].name.to_text(True), dns.rdatatype.to_text(query.question[0].rdtype)
        lines = {
            "SOA": [f"{zone} SOA a. b. 1 2 3 4 5"], "NS": [f"{zone} NS {n}." for n in names],
            "MX": [f"{zone} MX 0 ."],
        }.get(qtype, [])  # fmt: skip
        return send(reply(query, answer=lines if name == zone else []), transport)

    return script


def test_500_servers_are_not_all_asked_and_it_is_said(port: int, serve: Serve, tmp_path: Path) -> None:
    op = "127.0.55.2"
    given = [f"ns{n}.ch-a.mssante.fr" for n in range(500)]
    serve(PARENT, parent({"ch-a.mssante.fr": given[:2]}, glue=dict.fromkeys(given[:2], op)))
    server = serve(op, child("ch-a.mssante.fr", given))
    observe(["ch-a.mssante.fr"], tmp_path / "o.gz", settings(port, timeout=2.0))
    observation = load_observation(tmp_path / "o.gz")
    assert len(server.queries) < 200
    assert "not followed" in observation.notes["text"].iloc[0]
    assert methods(observation, ["ch-a.mssante.fr"])["method"].tolist() == ["delegated"]


def test_500_servers_in_the_referral(port: int, serve: Serve, tmp_path: Path) -> None:
    given = [f"ns{n}.ch-a.mssante.fr" for n in range(500)]
    serve(PARENT, parent({"ch-a.mssante.fr": given}, glue=dict.fromkeys(given, "127.0.55.2")))
    server = serve("127.0.55.2", child("ch-a.mssante.fr", given))
    observe(["ch-a.mssante.fr"], tmp_path / "o.gz", settings(port, timeout=2.0))
    observation = load_observation(tmp_path / "o.gz")
    assert len(server.queries) < 400
    texts = observation.notes["text"].tolist()
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
    """Each zone is served by twenty names, each in a zone of its own, and so on without end."""

    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        name = query.question[0].name.to_text(True)
        if name == "mssante.fr":
            return parent({})(query, transport)
        cut = ".".join(name.split(".")[-3:])
        names = [f"ns.{cut.split('.')[0]}-{n}.mssante.fr." for n in range(20)]
        return send(reply(query, aa=False, authority=[f"{cut} NS {n}" for n in names]), transport)

    server = serve(PARENT, script)
    observe(["x.mssante.fr"], tmp_path / "o.gz", settings(port, timeout=2.0))
    assert len(server.queries) < 1500


@pytest.mark.parametrize(
    ("authority", "outcome"),
    [
        ([". NS a.root-servers.net."], "lame"),
        (["mssante.fr NS ns.gestion.example."], "lame"),
        (["ch-a.mssante.fr NS ns.ch-a.mssante.fr."], "lame"),
    ],
)
def test_a_referral_upwards_or_to_itself_is_lame_and_ends(
    port: int, serve: Serve, tmp_path: Path, authority: list[str], outcome: str
) -> None:
    op = "127.0.55.2"
    serve(PARENT, parent({"ch-a.mssante.fr": ["ns.ch-a.mssante.fr"]}, glue={"ns.ch-a.mssante.fr": op}))
    serve(op, lambda q, t: send(reply(q, aa=False, authority=authority), t))
    observe(["ch-a.mssante.fr", "x.ch-a.mssante.fr"], tmp_path / "o.gz", settings(port, timeout=2.0))
    observation = load_observation(tmp_path / "o.gz")
    told = observation.queries[observation.queries["zone"] == "ch-a.mssante.fr"]
    assert set(told["outcome"]) == {outcome}
    assert methods(observation, ["ch-a.mssante.fr", "x.ch-a.mssante.fr"])["method"].tolist() == [
        "delegated",
        "unknown",
    ]


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
    assert frame["why"].tolist() == ["serveurs de mssante.fr : réponse illisible (1)"]


def test_an_open_resolver_is_seen(port: int, serve: Serve, tmp_path: Path) -> None:
    op = "127.0.55.2"

    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        if query.flags & dns.flags.RD:
            message = reply(query, aa=False, answer=[". SOA a. b. 1 2 3 4 5"])
            message.flags |= dns.flags.RA
            return send(message, transport)
        return child("ch-a.mssante.fr", ["ns.ch-a.mssante.fr"])(query, transport)

    serve(PARENT, parent({"ch-a.mssante.fr": ["ns.ch-a.mssante.fr"]}, glue={"ns.ch-a.mssante.fr": op}))
    serve(op, script)
    observe(["ch-a.mssante.fr"], tmp_path / "o.gz", settings(port, timeout=2.0))
    queries = load_observation(tmp_path / "o.gz").queries
    (seen,) = queries[(queries["step"] == "recursion") & (queries["address"] == op)].to_dict("records")
    assert (seen["outcome"], "ra" in seen["flags"].split(), "aa" in seen["flags"].split()) == (
        "answer",
        True,
        False,
    )


def test_parents_that_disagree_are_both_kept(port: int, serve: Serve, tmp_path: Path) -> None:
    other = "127.0.55.3"
    serve(
        PARENT, parent({"ch-a.mssante.fr": ["ns.ch-a.mssante.fr"]}, glue={"ns.ch-a.mssante.fr": "127.0.55.2"})
    )
    serve(other, parent({}))
    serve("127.0.55.2", child("ch-a.mssante.fr", ["ns.ch-a.mssante.fr"]))
    both = settings(port, timeout=2.0)
    both = replace(both, parent_servers=(*both.parent_servers, ("ns2.gestion.example", other)))
    observe(["ch-a.mssante.fr"], tmp_path / "o.gz", both)
    frame = methods(load_observation(tmp_path / "o.gz"), ["ch-a.mssante.fr"])
    assert frame["method"].tolist() == ["delegated"]
    assert frame["why"].tolist() == ["délégué par mssante.fr, selon 1 serveurs sur 2"]


def test_names_are_looked_up_with_the_resolvers_given(port: int, serve: Serve, tmp_path: Path) -> None:
    resolver, op = "127.0.55.9", "127.0.55.2"

    def resolve(query: dns.message.Message, transport: str) -> list[bytes | float]:
        assert query.flags & dns.flags.RD
        name, qtype = query.question[0].name.to_text(True), dns.rdatatype.to_text(query.question[0].rdtype)
        known = {
            ("mssante.fr", "NS"): ["mssante.fr NS ns.gestion.example."],
            ("ns.gestion.example", "A"): [f"ns.gestion.example A {PARENT}"],
            ("ns.op.example", "A"): ["ns.op.example CNAME vrai.op.example.", f"vrai.op.example A {op}"],
        }
        return send(reply(query, aa=False, answer=known.get((name, qtype), [])), transport)

    server = serve(resolver, resolve)
    serve(PARENT, parent({"ch-a.mssante.fr": ["ns.op.example"]}))
    serve(op, child("ch-a.mssante.fr", ["ns.op.example"]))
    observe(["ch-a.mssante.fr"], tmp_path / "o.gz", quick(port, resolvers=(resolver,), timeout=2.0))
    observation = load_observation(tmp_path / "o.gz")
    apex = observation.queries[observation.queries["zone"] == "ch-a.mssante.fr"]
    assert set(apex["address"]) == {op}
    assert len(server.queries) == len(set(server.queries))


def test_progress_is_told(world: World, tmp_path: Path) -> None:
    seen: list[Progress] = []
    observe(DOMAINS[:8], tmp_path / "o.gz", world.settings, progress=seen.append)
    assert seen[-1].done == seen[-1].total == 8
    assert seen[-1].sent > 20


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": 0}, {"in_flight": 0}, {"per_server": -1.0}, {"port": 0}, {"retries": 11},
        {"parent_zone": "a..b"},
        {"resolvers": ("ns.example",)}, {"parent_servers": (("", "192.0.2.1"),)}, {"retry_delay": -1},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        ObserveSettings(**wrong)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A data folder with a small list."""
    domains = ("ch-sain.mssante.fr", "ch-redirige.mssante.fr", "a..b.mssante.fr")
    rows = "".join(
        f"<Domaine><Nom>{d}</Nom><Description>Fictif</Description><DNCertificatOperateur>CN=mss.alpha.example,"
        "OU=1010000001,O=CH FICTIF,ST=Ain (01),C=FR</DNCertificatOperateur>"
        "<ResponsableContact>04 65 71 00 01, a@alpha.example</ResponsableContact>"
        "<SupportContact>04 65 71 00 01, a@alpha.example</SupportContact>"
        "<DateMAJ>2026-01-05T10:00:00Z</DateMAJ></Domaine>"
        for d in domains
    )
    (tmp_path / "liste.xml").write_text(
        f'<ListeBlancheMSSante xmlns="{NAMESPACE}"><DateDeGeneration>2026-03-02T05:30:00Z</DateDeGeneration>'
        f"<ListeDomaines>{rows}</ListeDomaines></ListeBlancheMSSante>"
    )
    return tmp_path


def options(world: World) -> list[str]:
    servers = [f"--parent-server={name}={address}" for name, address in world.settings.parent_servers]
    return [
        *servers,
        f"--port={world.port}",
        "--per-server=100000",
        "--retries=0",
        "--timeout=0.5",
        "--resolver",
        OP_NSD,
    ]


def test_the_command_observes_a_list(world: World, listed: Path) -> None:
    done = CliRunner().invoke(app, ["dns", "--data", str(listed), *options(world)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (file,) = observation_files(listed)
    assert f"{file}: 3 domains" in done.output
    assert "'a..b.mssante.fr'" in done.output
    frame = methods(load_observation(file), ["ch-sain.mssante.fr", "ch-redirige.mssante.fr"])
    assert frame["method"].tolist() == ["delegated", "redirected"]
    again = CliRunner().invoke(app, ["dns", "--data", str(listed), "--resume", *options(world)])
    assert isinstance(again.exception, InputError)
    assert "complete already" in str(again.exception)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--resume"], "no observation to go on with"),
        (["--parent-server", "192.0.2.1"], "Write NAME=ADDRESS"),
        (["--resolver", "nom.example"], "not an address"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(listed: Path, given: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["dns", "--data", str(listed), *given])
    assert said in str(done.exception)
    assert observation_files(listed) == []


def run_command(*given: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mssante_audit", "observe", "dns", *given]
    return subprocess.run(
        command, cwd=HERE.parents[1], capture_output=True, text=True, check=check, timeout=60
    )


def test_the_command_ends_with_2_and_one_line_when_nobody_answers(port: int, listed: Path) -> None:
    done = run_command(
        "--data",
        str(listed),
        "--parent-server",
        f"ns.example={PARENT}",
        f"--port={port}",
        "--retries=0",
        "--timeout=0.2",
    )
    assert done.returncode == 2
    assert (
        done.stderr.strip()
        .splitlines()[-1]
        .endswith("no server of mssante.fr answers. Nothing was written: try again later")
    )
    assert "Traceback" not in done.stderr
    assert observation_files(listed) == []


def test_ctrl_c_ends_the_command_with_130_and_it_goes_on(world: World, listed: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mssante_audit",
        "observe",
        "dns",
        "--data",
        str(listed),
        *options(world),
    ]
    slow = [*command, "--per-server=2"]
    process = subprocess.Popen(slow, cwd=HERE.parents[1], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for _ in range(1500):
        time.sleep(0.02)
        if observation_files(listed):
            break
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    assert process.returncode == 130
    assert b"Traceback" not in said
    (file,) = observation_files(listed)
    assert not load_observation(file).complete
    run_command("--data", str(listed), *options(world), "--resume", check=True)
    assert observation_files(listed) == [file]
    assert load_observation(file).complete
