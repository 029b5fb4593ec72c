"""A made-up DNS on loopback addresses: a root, a parent zone on two servers, and operators below it."""

import tomllib
from contextlib import ExitStack
from pathlib import Path

import pytest
from dnscases import each
from dnslab import Script, Scripted, free_port, need_servers, start_knot, start_nsd

from mssante_audit.observe.dns.run import ObserveSettings, observe
from mssante_audit.observe.observation import load_observation

ROOT, EXAMPLE, PARENT_NSD, PARENT_KNOT, OP_NSD, OP_KNOT, OP_REGION = (f"127.0.53.{n}" for n in range(1, 8))
NOBODY = "127.0.53.99"
SERVERS = {
    "root": ROOT, "example": EXAMPLE, "parent1": PARENT_NSD, "parent2": PARENT_KNOT,
    "operator1": OP_NSD, "operator2": OP_KNOT, "operator3": OP_REGION,
}  # fmt: skip
ON_KNOT, SIGNED = ("parent2", "operator2", "operator3"), ["ch-signe.mssante.fr"]
WORLD = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
METHODS: dict[str, tuple[str, str]] = {domain: tuple(method) for domain, method in WORLD["methods"].items()}
DOMAINS = list(METHODS)


def quick(port: int, **changes: object) -> ObserveSettings:
    given: dict[str, object] = {
        "port": port, "timeout": 0.4, "retry_delay": 0.05, "per_server": 1e5, "per_second": 1e5,
        "root": (("root.example", ROOT),),
    }  # fmt: skip
    return ObserveSettings(**(given | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    need_servers()
    folder, port = tmp_path_factory.mktemp("world"), free_port()
    with ExitStack() as stack:
        for name, address in SERVERS.items():
            zones = {
                zone: "\n".join(each(given["lines"].splitlines())) + "\n"
                for zone, given in WORLD["zones"].items()
                if name in given["servers"]
            }
            where = (folder / name, [address], port, zones)
            started = start_knot(*where, SIGNED) if name in ON_KNOT else start_nsd(*where)
            stack.callback(started.stop)
        parents = (("ns1.gestion.example", PARENT_NSD), ("ns2.gestion.example", PARENT_KNOT))
        yield quick(port, parent_servers=parents, timeout=2.0)


@pytest.fixture(scope="session")
def observed(world, tmp_path_factory):
    path = tmp_path_factory.mktemp("observed") / "dns.jsonl.gz"
    observe(DOMAINS, path, world)
    return load_observation(path)


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def serve(port):
    with ExitStack() as stack:

        def start(address: str, script: Script, **options: object) -> Scripted:
            server = Scripted(address, port, script, **options)  # type: ignore[arg-type]
            stack.callback(server.stop)
            return server

        yield start
