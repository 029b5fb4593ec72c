"""A small made-up DNS, clean until a test changes it, observed by the real walker; and what tests change."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from in_clear import by_rule
from made_up import ALPHA, BETA_DN, make_space

from mssante_audit.declarations.register import load_declarations
from mssante_audit.observe.observation import Observation, load_observation
from mssante_audit.space.trust import Thresholds, TrustSpace
from tools.sample.dns_signing import Signer
from tools.sample.dns_world import NameServer, World, Zone, observe_world

AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
PARENTS = (("p1.gestion.example", "192.0.2.10"), ("p2.gestion.example", "192.0.2.11"))
NS = NS1, NS2 = "ns1.alpha.example", "ns2.gamma.example"
ONE, TWO = "198.51.100.1", "203.0.113.1"
"""Addresses of the two, which serve ch-alpha."""
BOTH = ("udp", "tcp")
DELEGATED, REDIRECTED = "ch-alpha.mssante.fr", "ch-beta.mssante.fr"
ALPHA_MX, BETA_MX = "mss.alpha.example", "mss.beta.example"
ROWS = ({"domain": DELEGATED}, {"domain": REDIRECTED, "dn": BETA_DN})


@dataclass
class Scene:
    """ch-alpha is delegated, ch-beta redirected; hosts have public addresses that belong to nobody."""

    rows: tuple[dict[str, str], ...] = ROWS
    world: World = field(default_factory=lambda: World(parent_servers=PARENTS))
    parent: Zone = field(init=False)
    zone: Zone = field(init=False)
    declared: str = ""
    """Lines of a register: domain, delegation, redirection, withdrawal, primary, secondary, mail server."""
    ipv6: bool = True
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self) -> None:
        self.parent = Zone("mssante.fr").soa(2026030101)
        for name, address in PARENTS:
            self.world.serve(self.parent, address)
            self.parent.add("mssante.fr", "NS", name)
            self.host(name, address)
        self.host(NS1, ONE).host(NS2, TWO)
        self.host(ALPHA_MX, "192.88.99.1").host(BETA_MX, "192.88.99.2")
        self.zone = self.delegate(DELEGATED)
        self.zone.add(DELEGATED, "MX", f"10 {ALPHA_MX}")
        self.parent.add(REDIRECTED, "MX", f"10 {BETA_MX}")

    def host(self, name: str, *addresses: str) -> Self:
        """Give a name outside the parent zone these addresses only."""
        self.world.root.records[name] = {}
        for address in addresses:
            self.world.root.add(name, "AAAA" if ":" in address else "A", address)
        return self

    def delegate(
        self,
        name: str,
        servers: tuple[str, ...] = NS,
        addresses: tuple[str, ...] = (ONE, TWO),
        above: Zone | None = None,
    ) -> Zone:
        (above or self.parent).add(name, "NS", *servers)
        return self.world.serve(Zone(name).soa(2026030101).add(name, "NS", *servers), *addresses)

    def servers(self, *names: str, parent: bool = True) -> Self:
        self.zone.records[DELEGATED]["NS"] = [*names]
        if parent:
            self.parent.records[DELEGATED]["NS"] = [*names]
        return self

    def split(self) -> Zone:
        """Give the second server a copy of its own of ch-alpha's zone; return it."""
        return self.world.serve(self.zone.copy(), TWO)

    def split_parent(self) -> Zone:
        """Give the parent's second server a copy of its own."""
        return self.world.serve(self.parent.copy(), PARENTS[1][1])

    def server(self, address: str) -> NameServer:
        return self.world.servers[address]

    def observed(self) -> Observation:
        with TemporaryDirectory() as folder:
            file = Path(folder, "dns-2026-03-02.jsonl.gz")
            observe_world(self.world, [row["domain"] for row in self.rows], file, AT, ipv6=self.ipv6)
            return load_observation(file)

    def space(self) -> TrustSpace:
        space = make_space(*(ALPHA | row for row in self.rows))
        space = replace(space, observation=self.observed(), thresholds=self.thresholds)
        with TemporaryDirectory() as folder:
            if self.declared:
                head = "domain,delegation,redirection,withdrawal,"
                head += "primary_server,secondary_server,mail_server,date"
                register = Path(folder, "declarations.csv")
                lines = [f"{line},01/02/2025" for line in self.declared.split()]
                register.write_text("\n".join([head, *lines]) + "\n")
                space = replace(space, register=load_declarations(register))
        return space

    def found(self, *rules: str) -> dict[str, list[tuple[int, ...]]]:
        findings = by_rule("delegation_vs_redirection", self.space())
        return {rule: rows for rule, rows in findings.items() if not rules or rule in rules}


Change = Callable[[Scene], object]


def changed(*changes: Change, **scene: Any) -> Scene:
    """Return a scene after these changes."""
    after = Scene(**scene)
    together(*changes)(after)
    return after


def together(*changes: Change) -> Change:
    def change(scene: Scene) -> None:
        for part in changes:
            part(scene)

    return change


def listing(*domains: str, **columns: str) -> Change:
    more = [{"domain": domain, **columns} for domain in domains]
    return lambda scene: setattr(scene, "rows", (*scene.rows, *more))


def mx(*data: str) -> Change:
    def change(scene: Scene) -> None:
        scene.zone.records[DELEGATED].pop("MX", None)
        if data:
            scene.zone.add(DELEGATED, "MX", *data)

    return change


def host(name: str, *addresses: str) -> Change:
    return lambda scene: scene.host(name, *addresses)


def servers(*names: str, **where: bool) -> Change:
    return lambda scene: scene.servers(*names, **where)


def has(kind: str, *data: str, name: str = DELEGATED) -> Change:
    """Have the zone of ch-alpha, or the root for another name, hold a record."""
    return lambda s: (s.zone if name == DELEGATED else s.world.root).add(name, kind, *data)


def does(scene: Scene, *addresses: str, **faults: Any) -> None:
    """Have servers, those of the zone unless others are given, misbehave."""
    for address in addresses or (ONE, TWO):
        for name, value in faults.items():
            setattr(scene.server(address), name, value)


def faulty(*addresses: str, **faults: Any) -> Change:
    return lambda scene: does(scene, *addresses, **faults)


def chained(scene: Scene) -> None:
    """Sign the parent, whose DS is in the root, and ch-alpha."""
    child, parent = Signer(scene.zone, AT), Signer(scene.parent, AT)
    scene.parent.records[DELEGATED]["DS"] = [child.ds()]
    scene.world.root.signed = True
    scene.world.root.add("mssante.fr", "DS", parent.ds())
    parent.sign()
    child.sign()
