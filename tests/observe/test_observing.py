"""Whole runs: what real servers are asked; stopped and resumed, without a network, with resolvers."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dns.message
import pandas as pd
import pytest
from dnslab import Scripted, answering, asked, in_namespace, need_servers, reply, send
from dnsscripts import PARENT, child, parent, settings
from dnsworld import DOMAINS, METHODS, NOBODY, PARENT_KNOT, PARENT_NSD, ROOT, World, quick
from frames import rows_of

from mssante_audit.base.errors import InputError, ParameterError
from mssante_audit.network import methods
from mssante_audit.observe.dns.run import NetworkError, ObserveSettings, observe
from mssante_audit.observe.observation import Observation, load_observation

HERE = Path(__file__).parent
Serve = Callable[..., Scripted]


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
    how = {"cwd": HERE.parents[1], "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code], **how)


def slow(world: World) -> ObserveSettings:
    return world.settings.model_copy(update={"per_second": 150.0})


def replies_of(observation: Observation, **where: object) -> pd.DataFrame:
    queries = rows_of(observation)
    for column, value in where.items():
        queries = queries[queries[column] == value]
    return queries


def test_every_domain_has_its_method(observed: Observation) -> None:
    frame = methods(observed, DOMAINS)
    by_domain = {d: (m, c) for d, m, c in zip(frame["domain"], frame["method"], frame["cut"], strict=True)}
    assert by_domain == METHODS
    assert observed.complete
    assert observed.problems.empty


def test_no_question_is_asked_twice(observed: Observation) -> None:
    first = rows_of(observed)[rows_of(observed)["attempt"] <= 1]
    same = ["zone", "qname", "qtype", "address", "transport", "rd", "edns"]
    assert not first.duplicated(same).any(), first[first.duplicated(same, keep=False)][same]


def test_a_dead_server_is_asked_few_questions_however_many_domains_it_has(world: World, tmp_path) -> None:
    many = [f"s{n}.ch-mort.mssante.fr" for n in range(100)]
    summary = observe(many, tmp_path / "o.jsonl.gz", world.settings)
    observation = load_observation(tmp_path / "o.jsonl.gz")
    dead = replies_of(observation, address=NOBODY)
    assert 3 <= (dead["attempt"] > 0).sum() <= 20
    assert dead["attempt"].max() == 3
    assert len(replies_of(observation, address=NOBODY, step="walk")) == 100, "each domain has its line"
    assert set(methods(observation, many)["method"]) == {"unknown"}
    assert summary.domains == 100


def test_with_the_root_the_parent_is_found(world: World, tmp_path) -> None:
    observe(["ch-sain.mssante.fr"], tmp_path / "o.jsonl.gz", quick(world.port, timeout=2.0))
    observation = load_observation(tmp_path / "o.jsonl.gz")
    parents = replies_of(observation, step="walk", zone="mssante.fr")["address"]
    assert set(parents) == {PARENT_NSD, PARENT_KNOT}
    assert set(replies_of(observation, zone=".")["address"]) == {ROOT}
    assert methods(observation, ["ch-sain.mssante.fr"])["method"].tolist() == ["delegated"]


def test_only_chosen_domains_are_asked_for(world: World, tmp_path) -> None:
    summary = observe(
        DOMAINS, tmp_path / "o.jsonl.gz", world.settings.model_copy(update={"only": "*.joker.mssante.fr"})
    )
    assert summary.domains == 2
    frame = methods(load_observation(tmp_path / "o.jsonl.gz"), ["a.joker.mssante.fr", "ch-sain.mssante.fr"])
    assert frame["method"].tolist() == ["wildcard", "unknown"]
    assert frame["observed_at"].notna().tolist() == [True, False]


@pytest.mark.long
def test_an_observation_that_was_killed_goes_on(world: World, tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl.gz"
    process = observing(path, slow(world))
    for _ in range(6000):
        time.sleep(0.01)
        if path.exists() and path.stat().st_size > 2500:
            break
    process.kill()
    process.communicate()
    stopped = load_observation(path)
    assert not stopped.complete
    assert len(rows_of(stopped)) > 10
    observe(DOMAINS, path, world.settings, resume=True)
    whole = load_observation(path)
    assert whole.complete
    assert len(rows_of(whole)) > len(rows_of(stopped))
    frame = methods(whole, DOMAINS)
    assert dict(zip(frame["domain"], frame["method"], strict=True)) == {d: m for d, (m, _) in METHODS.items()}
    sent = rows_of(whole)[rows_of(whole)["attempt"] > 0]
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


def test_a_full_disk_ends_a_run_with_a_readable_file(world: World, tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl.gz"
    process = observing(path, slow(world), "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))")
    output = process.communicate()
    assert (process.returncode, output[1]) == (3, "")
    assert "the file is left readable, as it was. Make room, then go on with --resume" in output[0]
    stopped = load_observation(path)
    assert stopped.problems.empty
    assert not stopped.complete
    observe(DOMAINS, path, world.settings, resume=True)
    assert load_observation(path).complete


@pytest.mark.parametrize(("most", "used", "exit_code"), [(24, 0, 0), (24, 18, 3)])
def test_for_lack_of_descriptors_no_server_is_blamed(
    world: World, observed: Observation, tmp_path: Path, most: int, used: int, exit_code: int
) -> None:
    path = tmp_path / "o.jsonl.gz"
    few = (
        f"keep = [open('/dev/null') for _ in range({used})]\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({most}, {most}))"
    )
    process = observing(path, world.settings, few)
    output = process.communicate()
    assert (process.returncode, output[1]) == (exit_code, "")
    if exit_code:
        remedy = "Raise its limits (`ulimit -n`) or lower --in-flight"
        assert output[0] == f"this machine cannot ask any more: Too many open files. {remedy}\n"
        assert not path.exists(), "nothing could be asked, and nothing is said"
        return
    few = load_observation(path)
    assert few.problems.empty
    assert few.complete
    silent = {reply.address for reply in few.replies if reply.silent and reply.attempt}
    assert silent <= {reply.address for reply in observed.replies if reply.silent}
    methods_of_few, methods_of_all = (methods(seen, DOMAINS)["method"].tolist() for seen in (few, observed))
    assert methods_of_few == methods_of_all


def test_a_file_that_exists_is_not_written_over(world: World, tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl.gz"
    path.write_bytes(b"good")
    with pytest.raises(InputError, match=r"exists already.*--resume"):
        observe(["ch-sain.mssante.fr"], path, world.settings)
    assert path.read_bytes() == b"good"


@pytest.mark.parametrize("refusing", [False, True])
def test_a_parent_that_does_not_answer_writes_nothing(
    port: int, serve: Serve, tmp_path: Path, refusing: bool
) -> None:
    if refusing:
        serve(PARENT, answering(lambda *_: {"aa": False, "rcode": 5}))
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


@pytest.mark.parametrize(
    "given", ["", "parent_servers=(('ns.example', '192.0.2.1'),), resolvers=('192.0.2.1',)"]
)
def test_without_a_network_it_says_so_at_once(given: str, tmp_path: Path) -> None:
    path = tmp_path / "o.jsonl.gz"
    path.write_bytes(b"good")
    done = in_namespace(
        "import time; from mssante_audit.observe.dns.run import *; from pathlib import Path\n"
        "start = time.monotonic()\n"
        f"settings = ObserveSettings({given})\n"
        f"try: observe(['a.mssante.fr'], {str(path)!r}, settings, resume=True)\n"
        "except NetworkError as error: print(error, time.monotonic() - start < settings.timeout)"
    )
    assert done.stdout == "no network: no route to any server. Nothing was written True\n", done.stderr
    assert path.read_bytes() == b"good"


@pytest.mark.long
def test_from_the_shipped_root_hints_down_over_ipv4_and_ipv6(tmp_path: Path) -> None:
    """On the root servers' own addresses, in a namespace with nothing else; defaults but for the pace."""
    need_servers()
    root4, root6, tld = "198.41.0.4", "2001:503:ba3e::2:30", "194.0.9.1"
    op4, op6 = "195.200.1.1", "2a01:e00::1"
    code = f"""
from pathlib import Path
from dnslab import start_nsd
from frames import rows_of
from mssante_audit.observe.dns.run import *
from mssante_audit.network import methods
from mssante_audit.observe.observation import Observation, load_observation
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
        q = rows_of(o)[rows_of(o)["zone"] == "ch-a.mssante.fr"]
        print(o.ipv6, sorted(set(q["address"])), sorted(set(q["outcome"])), end=" ")
        print(methods(o, ["ch-a.mssante.fr", "ch-prive.mssante.fr"])["method"].tolist())
        (line,) = rows_of(o)[rows_of(o)["address"] == "192.168.1.1"].itertuples()
        print(line.attempt, line.flags)
finally:
    for server in servers: server.stop()
"""
    done = in_namespace(code, *(f"{a}/{128 if ':' in a else 32}" for a in (root4, root6, tld, op4, op6)))
    assert done.stdout.splitlines() == [
        f"True ['{op4}', '{op6}'] ['answer'] ['delegated', 'delegated']",
        "0 private",
        f"False ['{op4}'] ['answer'] ['delegated', 'delegated']",
        "0 private",
    ], done.stderr


def test_names_are_looked_up_with_the_resolvers_given(port: int, serve: Serve, tmp_path: Path) -> None:
    resolver, op = "127.0.55.9", "127.0.55.2"
    records = {
        ("mssante.fr", "NS"): ["mssante.fr NS ns.gestion.example."],
        ("ns.gestion.example", "A"): [f"ns.gestion.example A {PARENT}"],
        ("ns.op.example", "A"): ["ns.op.example CNAME vrai.op.example.", f"vrai.op.example A {op}"],
    }

    def resolve(query: dns.message.Message, transport: str) -> list[bytes | float]:
        assert query.flags & dns.flags.RD
        return send(reply(query, aa=False, answer=records.get(asked(query), [])), transport)

    server = serve(resolver, resolve)
    serve(PARENT, parent({"ch-a.mssante.fr": ["ns.op.example"]}))
    serve(op, child("ch-a.mssante.fr", ["ns.op.example"]))
    observe(["ch-a.mssante.fr"], tmp_path / "o.gz", quick(port, resolvers=(resolver,), timeout=2.0))
    observation = load_observation(tmp_path / "o.gz")
    apex = rows_of(observation)[rows_of(observation)["zone"] == "ch-a.mssante.fr"]
    assert set(apex["address"]) == {op}
    assert len(server.queries) == len(set(server.queries))


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": 0}, {"retries": 11}, {"parent_zone": "a..b"}, {"resolvers": ("ns.example",)},
        {"parent_servers": (("", "192.0.2.1"),)},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        ObserveSettings(**wrong)
