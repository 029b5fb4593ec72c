"""A made-up DNS on loopback addresses: a root, a parent zone on two servers, and operators below it."""

import tomllib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from dnscases import each
from dnslab import Script, Scripted, answering, free_port, need_servers, start_knot, start_nsd

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
    settings: dict[str, object] = {
        "port": port, "timeout": 0.4, "retry_delay": 0.05, "per_server": 1e5, "per_second": 1e5,
        "root": (("root.example", ROOT),),
    }  # fmt: skip
    return ObserveSettings(**(settings | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    need_servers()
    folder, port = tmp_path_factory.mktemp("world"), free_port()
    with ExitStack() as stack:
        for name, address in SERVERS.items():
            zones = {
                zone: "\n".join(each(content["lines"].splitlines())) + "\n"
                for zone, content in WORLD["zones"].items()
                if name in content["servers"]
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


PARENT, OPERATOR = "127.0.55.1", "127.0.55.2"


def settings(port: int, **changes: object) -> ObserveSettings:
    return quick(
        port, parent_servers=(("ns.gestion.example", PARENT),), root=(("root.example", PARENT),), **changes
    )


def parent(delegations: dict[str, list[str]], *, glue: dict[str, str] | None = None) -> Script:
    """A parent server's script: its apex, referrals (name to names of servers), NXDOMAIN for the rest."""

    soa = "mssante.fr SOA ns.gestion.example. h.gestion.example. 1 2 3 4 5"

    def look_up(name: str, _qtype: str) -> dict[str, object]:
        if name == "mssante.fr":
            return {"answer": [soa, "mssante.fr NS ns.gestion.example."]}
        for cut, names in delegations.items():
            if name == cut or name.endswith("." + cut):
                extra = [f"{n} A {a}" for n, a in (glue or {}).items() if n in names]
                return {"aa": False, "authority": [f"{cut} NS {n}." for n in names], "additional": extra}
        return {"authority": [soa], "rcode": 3}

    return answering(look_up)


def zone_server(zone: str, *records: str, aa: bool = True, rcode: int = 0) -> Script:
    """A server of a zone that has these records ("TYPE data") at its apex, and nothing else."""
    soa = f"{zone} SOA ns1.op.example. h.op.example. 1 3600 600 86400 300"
    lines = [soa, *(f"{zone} {record}" for record in records)]

    def look_up(name: str, qtype: str) -> dict[str, object]:
        mine = [line for line in lines if name == zone and line.split(" ", 2)[1] == qtype and not rcode]
        return {"answer": mine, "authority": [] if mine or rcode else [soa], "aa": aa, "rcode": rcode}

    return answering(look_up)


def child(zone: str, names: list[str]) -> Script:
    return zone_server(zone, *(f"NS {name}." for name in names), "MX 0 .")


def names_server(hosts: Mapping[str, str], *, aa: bool) -> Script:
    """A server that knows the address, or the target of an alias, of every host: a root, or a resolver."""
    soa = ". SOA a.root-servers.net. h.example. 1 3600 600 86400 300"

    def look_up(name: str, qtype: str) -> dict[str, object]:
        data = hosts.get(name, "")
        kind = "AAAA" if ":" in data else "A" if data[:1].isdigit() else "CNAME"
        answer = [f"{name} {kind} {data}"] if data and kind in ("CNAME", qtype) else []
        if qtype == "NS" and name in (".", "@"):
            answer = [". NS a.root-servers.net."]
        rcode = 0 if answer or name in hosts else 3
        return {"answer": answer, "authority": [] if answer else [soa], "aa": aa, "rcode": rcode}

    return answering(look_up)
