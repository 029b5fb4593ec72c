"""Scripts for servers that follow one: a parent zone's, an operator's."""

from collections.abc import Mapping

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
