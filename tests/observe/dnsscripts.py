"""Scripts for servers that follow one: a parent zone's, an operator's."""

from collections.abc import Callable

import dns.message
import dns.rdatatype
from dnslab import reply, send
from dnsworld import quick

from mssante_audit.observe.dns.run import ObserveSettings

PARENT, OPERATOR = "127.0.55.1", "127.0.55.2"


def settings(port: int, **changes: object) -> ObserveSettings:
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
