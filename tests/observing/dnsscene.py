"""Serve the cases of `dnscases` on NSD, Knot and scripted servers, observe them, and audit what was observed.

`running` needs a network namespace of its own (`dnslab.in_namespace`), as root, with `ADDRESSES` on it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.zone
import pandas as pd
from cryptography.hazmat.primitives.asymmetric import ec
from dnscases import CASES, DS, NEAR, ONE, P1, P2, P3, PARENT_ZONES, ROOT, TOP, TWO, Case
from dnslab import Script, Scripted, reply, send, start_knot, start_nsd

sys.path.append(str(Path(__file__).parents[1] / "audits"))
from made_up import ALPHA, make_space

from mssante_audit.audits import told_in_clear
from mssante_audit.declarations.register import load_declarations
from mssante_audit.observe.dns.run import ObserveSettings, observe
from mssante_audit.observe.observation import load_observation
from mssante_audit.space.trust import Thresholds

SCRIPTED = tuple(address for case in CASES for address, _ in case.scripted)
ADDRESSES = tuple(f"{a}/32" for a in (ROOT, TOP, P1, P2, P3, ONE, TWO, NEAR, *SCRIPTED))

ROOT_ZONE = f"""@ SOA a.root-servers.net. nstld.example. 2024020201 14400 3600 1209600 3600
@ NS a.root-servers.net.
a.root-servers.net. A {ROOT}
fr NS ns.top.example.
example NS ns.top.example.
ns.top.example. A {TOP}
"""
EXAMPLE_ZONE = f"""@ SOA ns.top hostmaster.op 2024020201 14400 3600 1209600 3600
@ NS ns.top
ns.top A {TOP}
ns1.gestion A {P1}
ns2.gestion A {P2}
ns3.gestion A {P3}
ns1.op A {ONE}
ns2.op A {TWO}
op MX 10 mx1.mail
gestion MX 10 mx1.mail
mx1.mail A 82.64.5.5
mx2.mail A 82.64.5.6
"""
FR_ZONE = (
    "@ SOA ns.top.example. hostmaster.op.example. 2024020201 14400 3600 1209600 3600\n@ NS ns.top.example.\n"
)
PARENT_SOA = "@ SOA {primary}. hostmaster.gestion.example. {serial} 14400 3600 1209600 3600\n"


def rendered(text: str, domain: str) -> str:
    """Put a case's domain where its texts have ``@``."""
    return text.replace("@.", "@").replace("@", f"{domain}.")


class Key:
    """A key of a zone; made anew each time."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        self.record = dns.dnssec.make_dnskey(self._private.public_key(), "ECDSAP256SHA256", flags=257)

    def ds(self, domain: str) -> str:
        return str(dns.dnssec.make_ds(dns.name.from_text(domain), self.record, "SHA256"))

    def sign(self, text: str, domain: str) -> str:
        zone = dns.zone.from_text(f"$TTL 300\n{text}", origin=domain, relativize=False)
        now = datetime.now(UTC)
        dns.dnssec.sign_zone(
            zone, keys=[(self._private, self.record)], inception=now - timedelta(days=1),
            expiration=now + timedelta(days=12), dnskey_ttl=300,
        )  # fmt: skip
        return zone.to_text(relativize=False)


def forward(query: dns.message.Message, transport: str, address: str = ONE) -> dns.message.Message:
    """Ask a good server."""
    ask = dns.query.tcp if transport == "tcp" else dns.query.udp
    try:
        return ask(query, address, 2)
    except (OSError, dns.exception.DNSException):
        return reply(query, aa=False)


def servfail(query: dns.message.Message, transport: str) -> list[bytes | float]:
    message = reply(query, aa=False)
    message.set_rcode(2)
    return send(message, transport)


def refuse(query: dns.message.Message, transport: str) -> list[bytes | float]:
    message = reply(query, aa=False)
    message.set_rcode(5)
    return send(message, transport)


def lame(query: dns.message.Message, transport: str) -> list[bytes | float]:
    message = forward(query, transport)
    message.flags &= ~dns.flags.AA
    return send(message, transport)


def upward(query: dns.message.Message, transport: str) -> list[bytes | float]:
    return send(reply(query, aa=False, authority=[". NS a.root-servers.net."]), transport)


def no_soa(query: dns.message.Message, transport: str) -> list[bytes | float]:
    if query.question[0].rdtype == dns.rdatatype.SOA:
        return send(reply(query), transport)
    message = forward(query, transport)
    message.authority = [rrset for rrset in message.authority if rrset.rdtype != dns.rdatatype.SOA]
    return send(message, transport)


def recursive(query: dns.message.Message, transport: str) -> list[bytes | float]:
    stranger = not query.question[0].name.is_subdomain(dns.name.from_text("mssante.fr"))
    message = forward(query, transport, ROOT if stranger else ONE)
    message.flags |= dns.flags.RA
    if stranger:
        message.flags &= ~dns.flags.AA
    return send(message, transport)


def over(transport: str) -> Script:
    """Answer over one transport only."""
    return lambda query, used: send(forward(query, used), used) if used == transport else []


def mixed(query: dns.message.Message, transport: str) -> list[bytes | float]:
    """Answer with an MX at a name that has an NS set as well."""
    name = query.question[0].name.to_text(True)
    if name != "deux.melange.fr" or query.question[0].rdtype != dns.rdatatype.MX:
        return send(forward(query, transport, P1), transport)
    ns = [f"{name} NS ns{n}.op.example." for n in (1, 2)]
    return send(reply(query, answer=[f"{name} MX 10 mx1.mail.example."], authority=ns), transport)


SCRIPTS: Mapping[str, Script] = {
    "silent": lambda query, transport: [], "servfail": servfail, "refuse": refuse, "lame": lame,
    "upward": upward, "no-soa": no_soa, "udp-only": over("udp"), "tcp-only": over("tcp"),
    "recursive": recursive,
}  # fmt: skip


def zones(cases: Sequence[Case] = CASES) -> dict[str, dict[str, str]]:
    """Return the zones of each server: ``top``, ``parent1``, ``parent2``, ``operator1``, ``operator2``."""
    found: dict[str, dict[str, str]] = {"parent1": {}, "parent2": {}, "operator1": {}, "operator2": {}}
    fr = FR_ZONE
    for zone, servers in PARENT_ZONES.items():
        fr += "".join(f"{zone}. NS {name}.\n" for name, _ in servers)
        apex = "".join(f"@ NS {name}.\n" for name, _ in servers)
        late = zone == "desaccord.fr"
        for side, serial in (("parent1", 2024020201), ("parent2", 2024010101 if late else 2024020201)):
            found[side][zone] = PARENT_SOA.format(primary=servers[0][0], serial=serial) + apex
    example = EXAMPLE_ZONE
    for case in cases:
        example += "".join(f"{line}\n" for line in case.hosts)
        key = Key() if case.signed else None
        for side, lines in (("parent1", case.parent), ("parent2", case.second_parent)):
            for line in case.parent if lines is None else lines:
                told = rendered(line, case.domain)
                found[side][case.zone] += (told.replace(DS, key.ds(case.domain)) if key else told) + "\n"
        for side, text in (("operator1", case.first), ("operator2", case.apart)):
            if text is not None:
                told = rendered(text, case.domain)
                found[side][case.domain] = key.sign(told, case.domain) if key else told
            for name, more in case.more:
                below = f"{name}.{case.domain}"
                found[side][below] = rendered(more, below)
    return found | {"root": {".": ROOT_ZONE}, "top": {"fr": fr, "example": example}}


@contextmanager
def running(folder: Path, cases: Sequence[Case] = CASES) -> Iterator[None]:
    """Run all servers of the cases."""
    served = zones(cases)
    with ExitStack() as stack:
        for name, addresses in (
            ("root", [ROOT]),
            ("top", [TOP]),
            ("parent1", [P1]),
            ("operator1", [ONE, NEAR]),
        ):
            stack.callback(start_nsd(folder / name, addresses, 53, served[name]).stop)
        for name, address in (("parent2", P2), ("operator2", TWO)):
            stack.callback(start_knot(folder / name, [address], 53, served[name]).stop)
        stack.callback(Scripted(P3, 53, mixed).stop)
        for case in cases:
            for address, does in case.scripted:
                stack.callback(Scripted(address, 53, SCRIPTS[does], tcp=does != "udp-only").stop)
        yield


def file_of(folder: Path, zone: str) -> Path:
    return folder / f"{zone}.jsonl.gz"


def observe_cases(folder: Path) -> None:
    """Observe all cases; one file a parent zone."""
    for zone, servers in PARENT_ZONES.items():
        settings = ObserveSettings(
            parent_zone=zone, parent_servers=servers, root=(("a.root-servers.net", ROOT),), timeout=0.5,
            retry_delay=0.05, per_server=1e5, per_second=1e5,
        )  # fmt: skip
        domains = [domain for case in CASES if case.zone == zone for domain in case.domains]
        observe(domains, file_of(folder, zone), settings)


def findings(folder: Path) -> dict[str, set[str]]:
    """Audit what `observe_cases` wrote; return what is found of each case, by its name."""
    found: dict[str, set[str]] = {case.name: set() for case in CASES}
    for zone in PARENT_ZONES:
        cases = [(case, domain) for case in CASES if case.zone == zone for domain in case.domains]
        rows = [{"domain": d, "dn": ALPHA["dn"].replace("mss.alpha.example", c.cn)} for c, d in cases]
        register = folder / f"{zone}.csv"
        register.write_text(_register([case for case in CASES if case.zone == zone]))
        space = replace(
            make_space(*rows), observation=load_observation(file_of(folder, zone)),
            declarations=load_declarations(register), thresholds=Thresholds(concentration_min=60),
        )  # fmt: skip
        frame: pd.DataFrame = told_in_clear("delegation_vs_redirection", space)
        for rule, touched in zip(frame["rule"], frame["rows"], strict=True):
            for row in touched:
                found[cases[row - 1][0].name].add(rule)
    return found


def _register(cases: list[Case]) -> str:
    lines = ["domain,delegation,redirection,withdrawal,primary_server,secondary_server,mail_server,date"]
    for case in cases:
        if case.declared:
            kind, *texts = case.declared
            boxes = ["X" if kind == box else "" for box in ("delegation", "redirection", "withdrawal")]
            lines.append(",".join([case.domain, *boxes, *texts, *[""] * (3 - len(texts)), "01/02/2025"]))
    return "\n".join(lines) + "\n"
