"""The verdicts on mail: of a whole list from its observation, and of one domain asked now."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dns.rdatatype

from bench.bench_dns_audit import DOMAINS, LINES, OPERATORS
from mssante_audit.cli.receive import judged
from mssante_audit.network import network_of
from mssante_audit.network.mail import mails
from mssante_audit.observe.observation import load_observation
from tools.sample.dns import build_dns
from tools.sample.make import SAMPLE_AS_OF, build

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / "observe")]
from dnslab import Scripted, free_port, reply, send  # noqa: E402

PARENT, ONE, TWO, RESOLVER = (f"127.0.56.{n}" for n in range(1, 5))
ROUND_TRIP = 0.02
DOMAIN = "ch-alpha.mssante.fr"
SOA = f"{DOMAIN} SOA a. b. 1 2 3 4 5"
SERVERS = {"ns1.op.example": ONE, "ns2.op.example": TWO}
REPEATS = 5


def benches() -> list[tuple[str, float, float]]:
    """Return the CPU seconds of the verdicts, and how long one domain takes against its round trips."""
    return [_whole_list(), _one_domain()]


def _whole_list() -> tuple[str, float, float]:
    """Judge a list whose file is loaded, and indexed as audits have it; it must be as large as promised."""
    sample = build(domains=DOMAINS, operators=OPERATORS)
    made = build_dns(sample.rows, sample.operators, signed=False)
    with TemporaryDirectory() as folder:
        file = Path(folder, "dns.jsonl.gz")
        file.write_bytes(made.observation())
        observation = load_observation(file)
    network_of(observation)
    start = time.process_time()
    found = mails(observation, made.rows, SAMPLE_AS_OF, 7)
    spent = time.process_time() - start
    lines, known = len(observation.replies), sum(one.receives != "unknown" for one in found.values())
    if lines < LINES or len(found) < 10_000 or known < len(found) - 100:
        raise AssertionError(f"{lines} lines of {len(found)} domains, {known} known: too few")
    return f"CPU seconds for the verdicts of {len(found):,} domains from {lines:,} lines", spent, 2.0


def _one_domain() -> tuple[str, float, float]:
    """Ask about a healthy domain whose servers take 20 ms; the best of some runs: the machine is shared."""
    port, ratios = free_port(), []
    with ExitStack() as stack:
        servers = [Scripted(address, port, script) for address, script in SCRIPTS.items()]
        for server in servers:
            stack.callback(server.stop)
        for _ in range(REPEATS):
            before, start = sum(len(server.queries) for server in servers), time.perf_counter()
            asking = {"parent_servers": (("ns.gestion.example", PARENT),), "resolvers": (RESOLVER,)}
            mail, _ = judged(DOMAIN, None, (), {**asking, "port": port})
            spent = time.perf_counter() - start
            trips = sum(len(server.queries) for server in servers) - before
            if mail.receives != "yes":
                raise AssertionError(f"{mail.receives}: {mail.cause}")
            ratios.append(spent / (ROUND_TRIP * trips))
    return (
        f"a healthy domain asked now, against the sum of its {trips} round trips of 20 ms",
        min(ratios),
        1.2,
    )


def _told(query: Any, transport: str, **records: str) -> list[bytes | float]:
    """Answer after the round trip, with the record of the type asked for, if there is one."""
    name = query.question[0].name.to_text(True)
    data = records.get(dns.rdatatype.to_text(query.question[0].rdtype))
    answer = [f"{name} {line}" for line in data.split("\n")] if data else []
    return [ROUND_TRIP, *send(reply(query, answer=answer, authority=[] if answer else [SOA]), transport)]


def _parent(query: Any, transport: str) -> list[bytes | float]:
    if query.question[0].name.to_text(True) == DOMAIN:
        handed = reply(query, aa=False, authority=[f"{DOMAIN} NS {name}." for name in SERVERS])
        return [ROUND_TRIP, *send(handed, transport)]
    return _told(query, transport, SOA="SOA a. b. 1 2 3 4 5", NS="NS ns.gestion.example.")


def _operator(query: Any, transport: str) -> list[bytes | float]:
    names = "\n".join(f"NS {name}." for name in SERVERS)
    return _told(query, transport, SOA="SOA a. b. 1 2 3 4 5", NS=names, MX="MX 10 mx.op.example.")


def _resolver(query: Any, transport: str) -> list[bytes | float]:
    address = SERVERS.get(query.question[0].name.to_text(True), "192.0.2.25")
    return _told(query, transport, A=f"A {address}")


SCRIPTS = {PARENT: _parent, ONE: _operator, TWO: _operator, RESOLVER: _resolver}
