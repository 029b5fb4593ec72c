"""Scripts for servers that follow one: a parent zone's, an operator's."""

from dnslab import Script, answering
from dnsworld import quick

from mssante_audit.observe.dns.run import ObserveSettings

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


def child(zone: str, names: list[str]) -> Script:
    soa, mx = [f"{zone} SOA a. b. 1 2 3 4 5"], [f"{zone} MX 0 ."]
    records = {"SOA": soa, "NS": [f"{zone} NS {n}." for n in names], "MX": mx}
    return answering(lambda name, qtype: {"answer": records.get(qtype, []) if name == zone else []})
