"""What tests change in the made-up DNS of `made_up_dns`, where all is well."""

from typing import Any

from made_up_dns import AT, DELEGATED, ONE, TWO, Change, Scene

from tools.sample.dns_signing import Signer


def changed(*changes: Change, **scene: Any) -> Scene:
    """Return a scene after these changes."""
    made = Scene(**scene)
    together(*changes)(made)
    return made


def together(*changes: Change) -> Change:
    def change(scene: Scene) -> None:
        for part in changes:
            part(scene)

    return change


def listing(*domains: str, **columns: str) -> Change:
    """Have the list hold more domains."""
    more = [{"domain": domain, **columns} for domain in domains]
    return lambda scene: setattr(scene, "rows", (*scene.rows, *more))


def mx(*data: str) -> Change:
    """Have the zone of ch-alpha name these mail hosts."""

    def change(scene: Scene) -> None:
        scene.zone.records[DELEGATED].pop("MX", None)
        if data:
            scene.zone.add(DELEGATED, "MX", *data)

    return change


def host(name: str, *addresses: str) -> Change:
    """Give a name these addresses."""
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
