"""A made-up DNS on loopback addresses: a root, a parent zone on two servers, and operators below it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from dnslab import Script, Scripted, free_port, need_servers, start_knot, start_nsd

from mssante_audit.observe.dns.run import ObserveSettings, observe
from mssante_audit.observe.observation import Observation, load_observation

ROOT, EXAMPLE, PARENT_NSD, PARENT_KNOT, OP_NSD, OP_KNOT, OP_REGION = (f"127.0.53.{n}" for n in range(1, 8))
NOBODY = "127.0.53.99"

PARENT = f"""@ NS ns1.gestion.example.
@ NS ns2.gestion.example.
@ SOA ns1.gestion.example. hostmaster.gestion.example. 7 3600 600 86400 300
ch-sain NS ns1.ch-sain
ch-sain NS ns2.ch-sain
ns1.ch-sain A {OP_NSD}
ns2.ch-sain A {OP_KNOT}
ch-signe NS ns1.operateur.example.
ch-signe NS ns2.operateur.example.
ch-signe DS 12345 13 2 {"AB" * 32}
region NS ns.region
ns.region A {OP_REGION}
joker-op NS ns1.operateur.example.
joker-op NS ns2.operateur.example.
ch-mort NS ns1.ch-mort
ns1.ch-mort A {NOBODY}
ch-refus NS ns1.operateur.example.
ch-perdu NS ns.nulle-part.example.
ch-gros NS ns1.operateur.example.
ch-heberge NS ns1.gestion.example.
ch-redirige MX 10 mx1.operateur.example.
ch-adresse A 192.0.2.25
ch-alias CNAME mx1.operateur.example.
ch-pendant MX 10 disparu.operateur.example.
ch-litteral MX 10 192.0.2.1.
ch-mx-alias MX 10 alias.operateur.example.
ch-texte TXT "v=spf1 -all"
vide.profond.ch-creux A 192.0.2.3
*.joker MX 10 mx1.operateur.example.
propre.joker MX 10 mx2.operateur.example.
"""
REGION = f"""@ NS ns.region.mssante.fr.
ns A {OP_REGION}
@ MX 10 mx1.operateur.example.
dedans MX 10 mx1.operateur.example.
dessous NS ns.dessous
ns.dessous A {OP_KNOT}
"""
EXAMPLE_ZONE = f"""@ NS ns.example.
ns A {EXAMPLE}
ns1.gestion A {PARENT_NSD}
ns2.gestion A {PARENT_KNOT}
ns1.operateur A {OP_NSD}
ns2.operateur A {OP_KNOT}
mx1.operateur A 192.0.2.10
mx1.operateur AAAA 2001:db8::10
mx2.operateur A 192.0.2.11
alias.operateur CNAME mx1.operateur
ailleurs MX 10 mx2.operateur
"""
OPERATED = "@ NS ns1.operateur.example.\n@ NS ns2.operateur.example.\n"
SAIN = f"@ NS ns1\n@ NS ns2\nns1 A {OP_NSD}\nns2 A {OP_KNOT}\n@ MX 10 mx\nmx A 192.0.2.20\nservice MX 10 mx\n"
GROS = "@ NS ns1.operateur.example.\n" + "".join(
    f"@ MX {n} relais-au-nom-volontairement-long-{n}.operateur.example.\n" for n in range(30)
)


@dataclass(frozen=True)
class World:
    """Where things are."""

    port: int
    settings: ObserveSettings  # patient enough for a busy machine, quick enough for a test


def quick(port: int, **changes: object) -> ObserveSettings:
    given: dict[str, object] = {
        "port": port, "timeout": 0.4, "retry_delay": 0.05, "per_server": 1e5, "per_second": 1e5,
        "root": (("root.example", ROOT),),
    }  # fmt: skip
    return ObserveSettings(**(given | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    need_servers()
    folder, port = tmp_path_factory.mktemp("world"), free_port()
    mssante = {"mssante.fr": PARENT}
    root = (
        f"@ SOA ns.example. hostmaster.example. 1 3600 600 86400 300\n@ NS ns.example.\n"
        f"example NS ns.example.\nns.example A {EXAMPLE}\n"
        "mssante.fr NS ns1.gestion.example.\nmssante.fr NS ns2.gestion.example.\n"
    )
    heberge = "@ NS ns1.gestion.example.\n@ MX 10 mx2.operateur.example.\n"
    mx = "@ MX 10 mx1.operateur.example.\n"
    operated = {
        "ch-sain.mssante.fr": SAIN, "ch-signe.mssante.fr": OPERATED + mx,
        "joker-op.mssante.fr": f"{OPERATED}{mx}{mx.replace('@', '*')}",
    }  # fmt: skip
    dessous = f"@ NS ns\nns A {OP_KNOT}\n{mx}encore MX 10 mx2.operateur.example.\n"
    with ExitStack() as stack:
        for name, address, zones in (
            ("root", ROOT, {".": root}),
            ("example", EXAMPLE, {"example": EXAMPLE_ZONE}),
            ("parent1", PARENT_NSD, mssante | {"ch-heberge.mssante.fr": heberge}),
            ("op1", OP_NSD, operated | {"ch-gros.mssante.fr": GROS}),
        ):
            stack.callback(start_nsd(folder / name, [address], port, zones).stop)
        signed = ["ch-signe.mssante.fr"]
        for name, address, zones in (
            ("parent2", PARENT_KNOT, mssante),
            ("op2", OP_KNOT, operated | {"dessous.region.mssante.fr": dessous}),
            ("op3", OP_REGION, {"region.mssante.fr": REGION}),
        ):
            stack.callback(start_knot(folder / name, [address], port, zones, signed).stop)
        parents = (("ns1.gestion.example", PARENT_NSD), ("ns2.gestion.example", PARENT_KNOT))
        yield World(port, quick(port, parent_servers=parents, timeout=2.0))


@pytest.fixture(scope="session")
def observed(world: World, tmp_path_factory: pytest.TempPathFactory) -> Observation:
    path = tmp_path_factory.mktemp("observed") / "dns.jsonl.gz"
    observe(DOMAINS, path, world.settings)
    return load_observation(path)


METHODS = {
    "ch-sain.mssante.fr": ("delegated", "ch-sain.mssante.fr"),
    "service.ch-sain.mssante.fr": ("within-delegated", "ch-sain.mssante.fr"),
    "absent.ch-sain.mssante.fr": ("none", "ch-sain.mssante.fr"),
    "ch-signe.mssante.fr": ("delegated", "ch-signe.mssante.fr"),
    "region.mssante.fr": ("delegated", "region.mssante.fr"),
    "dedans.region.mssante.fr": ("within-delegated", "region.mssante.fr"),
    "dessous.region.mssante.fr": ("delegated", "dessous.region.mssante.fr"),
    "encore.dessous.region.mssante.fr": ("within-delegated", "dessous.region.mssante.fr"),
    "joker-op.mssante.fr": ("delegated", "joker-op.mssante.fr"),
    "nimporte.joker-op.mssante.fr": ("wildcard", "joker-op.mssante.fr"),
    "ch-mort.mssante.fr": ("delegated", "ch-mort.mssante.fr"),
    "service.ch-mort.mssante.fr": ("unknown", "ch-mort.mssante.fr"),
    "ch-refus.mssante.fr": ("delegated", "ch-refus.mssante.fr"),
    "service.ch-refus.mssante.fr": ("unknown", "ch-refus.mssante.fr"),
    "ch-perdu.mssante.fr": ("delegated", "ch-perdu.mssante.fr"),
    "ch-gros.mssante.fr": ("delegated", "ch-gros.mssante.fr"),
    "ch-heberge.mssante.fr": ("delegated", "ch-heberge.mssante.fr"),
    "CH-Redirige.mssante.fr": ("redirected", ""),
    "ch-adresse.mssante.fr": ("redirected", ""),
    "ch-alias.mssante.fr": ("redirected", ""),
    "ch-pendant.mssante.fr": ("redirected", ""),
    "ch-litteral.mssante.fr": ("redirected", ""),
    "ch-mx-alias.mssante.fr": ("redirected", ""),
    "ch-texte.mssante.fr": ("none", ""),
    "profond.ch-creux.mssante.fr": ("none", ""),
    "ch-inconnu.mssante.fr": ("none", ""),
    "joker.mssante.fr": ("none", ""),
    "a.joker.mssante.fr": ("wildcard", ""),
    "propre.joker.mssante.fr": ("redirected", ""),
    "valfictif@ase.mssante.fr": ("none", ""),
    "ailleurs.example": ("outside", ""),
    "trop..de.points.mssante.fr": ("unknown", ""),
    f"{'x' * 64}.mssante.fr": ("unknown", ""),
}
DOMAINS = list(METHODS)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def serve(port: int) -> Iterator[Callable[..., Scripted]]:
    with ExitStack() as stack:

        def start(address: str, script: Script, **options: object) -> Scripted:
            server = Scripted(address, port, script, **options)  # type: ignore[arg-type]
            stack.callback(server.stop)
            return server

        yield start
