"""Speed and memory of observing the DNS, against NSD on loopback.

Promises (issues 4 and 10): a query costs at most 1.5 times the CPU of dnspython's codec alone; with
20 ms of delay added, at least 60 times a sequential dnspython loop; 10,000 delegated domains in 500 MB.
Limits on the pace are lifted for the measurement: they are there to be polite, and there is no one here.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import dns.message
import dns.query

from mssante_audit.network import methods
from mssante_audit.observe.dns.run import ObserveSettings, observe
from mssante_audit.observe.observation import Observation, load_observation
from mssante_audit.space.trust import TrustSpace

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS / "observe"), str(TESTS / "audits")]
from dnslab import free_port, need_servers, start_nsd  # noqa: E402
from made_up import make_space  # noqa: E402

PARENTS, CHILDREN, RELAY = ("127.0.56.1", "127.0.56.2"), ("127.0.56.3", "127.0.56.4"), "127.0.56.9"
DELEGATED = 10_000
REDIRECTED = 3000
DELAY = 0.020


def parent_zone() -> str:
    lines = ["@ NS ns1.gestion.example.", "@ NS ns2.gestion.example."]
    for n in range(DELEGATED):
        for i, address in enumerate(CHILDREN, 1):
            lines += [f"ch-{n} NS ns{i}.ch-{n}", f"ns{i}.ch-{n} A {address}"]
    lines += [f"red-{n} MX 10 mx{n % 50}.operateur.example." for n in range(REDIRECTED)]
    return "\n".join(lines) + "\n"


def child_zone() -> str:
    ns = "".join(f"@ NS ns{i}\nns{i} A {address}\n" for i, address in enumerate(CHILDREN, 1))
    return f"{ns}@ MX 10 mx\nmx A 192.0.2.20\n"


@contextmanager
def servers(folder: Path) -> Iterator[int]:
    """Run the parent zone and its 10,000 children; yield the port."""
    need_servers()
    port = free_port()
    children = {f"ch-{n}.mssante.fr": child_zone() for n in range(DELEGATED)}
    started = []
    try:
        started.append(start_nsd(folder / "parent", PARENTS, port, {"mssante.fr": parent_zone()}))
        started.append(start_nsd(folder / "children", CHILDREN, port, children))
        yield port
    finally:
        for daemon in started:
            daemon.stop()


def settings(port: int, addresses: tuple[str, ...] = PARENTS, in_flight: int = 128) -> ObserveSettings:
    servers = tuple((f"ns{i}.gestion.example", a) for i, a in enumerate(addresses, 1))
    held = ObserveSettings(
        parent_servers=servers, root=servers, port=port, in_flight=in_flight, per_server_in_flight=in_flight,
        per_second=1e9,
    )  # fmt: skip
    return held.model_copy(update={"per_server": 1e9})  # more than anybody may set


def delegated(count: int) -> list[str]:
    return [f"ch-{n}.mssante.fr" for n in range(count)]


def listed_space(domains: list[str], observation: str) -> TrustSpace:
    """Return a trust space with these domains and an observation."""
    rows = [{"domain": domain} for domain in domains]
    return replace(make_space(*rows), observation=load_observation(observation))


def dnspython_alone(observation: Observation, port: int) -> float:
    """Seconds of CPU to encode and decode a query, over the questions and replies of `observation`."""
    replies = observation.replies
    mix = Counter((re.sub(r"\d+", "7", reply.qname), reply.qtype, reply.address) for reply in replies)
    total, seconds = 0, 0.0
    for (name, qtype, address), count in mix.items():
        if count < len(replies) / 1000:
            continue
        query = dns.message.make_query(name, qtype, use_edns=0, want_dnssec=True, payload=1232)
        wire = dns.query.udp(query, address, 5, port).to_wire()
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            for _ in range(300):
                dns.message.make_query(name, qtype, use_edns=0, want_dnssec=True, payload=1232).to_wire()
                dns.message.from_wire(wire)
            best = min(best, (time.process_time() - start) / 300)
        total, seconds = total + count, seconds + best * count
    return seconds / total


def cost(port: int, folder: Path) -> tuple[str, float, float]:
    ratios = []
    for attempt in range(3):
        path = folder / f"cost-{attempt}.jsonl.gz"
        start = time.process_time()
        summary = observe(delegated(2000), path, settings(port))
        each = (time.process_time() - start) / summary.queries
        observation = load_observation(path)
        assert set(methods(observation, delegated(2000))["method"]) == {"delegated"}
        assert not {"timeout", "unreachable", "malformed"} & summary.outcomes.keys(), summary
        ratios.append(each / dnspython_alone(observation, port))
    title = (
        f"times the CPU of dnspython's codec a query, all included, TCP too ({each * 1e6:.0f} µs, "
        f"{summary.queries / summary.seconds:.0f}/s)"
    )
    return title, min(ratios), 1.5


def relay(port: int, upstream: str) -> None:
    """Answer as `upstream` does, `DELAY` later.

    What it was told once it says again by itself: the two cores are for the observer and this.
    """
    front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    front.bind((RELAY, port))
    front.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    front.setblocking(False)
    back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    back.connect((upstream, port))
    back.settimeout(5)
    answers: dict[bytes, bytes] = {}
    due: deque[tuple[float, bytes, tuple[str, int]]] = deque()
    while True:
        wait = max(0.0, due[0][0] - time.monotonic()) if due else 1.0
        select.select([front], [], [], wait)
        with suppress(BlockingIOError):
            for _ in range(64):
                wire, source = front.recvfrom(65535)
                at, asked = time.monotonic() + DELAY, wire[2:]
                if asked not in answers:
                    back.send(wire)
                    answers[asked] = back.recv(65535)[2:]
                due.append((at, wire[:2] + answers[asked], source))
        now = time.monotonic()
        while due and due[0][0] <= now:
            _, wire, client = due.popleft()
            front.sendto(wire, client)


def delayed(port: int, folder: Path) -> tuple[str, float, float]:
    process = multiprocessing.get_context("spawn").Process(target=relay, args=(port, PARENTS[0]), daemon=True)
    process.start()
    try:
        names = [f"red-{n}.mssante.fr" for n in range(REDIRECTED)]
        query = dns.message.make_query(names[0], "MX", use_edns=0, want_dnssec=True, payload=1232)
        for _ in range(50):
            try:
                dns.query.udp(query, RELAY, 0.2, port)
                break
            except (OSError, dns.exception.Timeout):
                time.sleep(0.1)
        start = time.perf_counter()
        for name in names[:100]:
            dns.query.udp(dns.message.make_query(name, "MX", use_edns=0, want_dnssec=True), RELAY, 5, port)
        sequential = 100 / (time.perf_counter() - start)
        rates = []
        for attempt in range(3):
            path = folder / f"delayed-{attempt}.jsonl.gz"
            summary = observe(
                names, path, settings(port, (RELAY,), 256).model_copy(update={"retry_delay": 0.0})
            )
            assert set(methods(load_observation(path), names)["method"]) == {"redirected"}
            rates.append(summary.queries / summary.seconds)
    finally:
        process.kill()
    title = (
        f"of the time allowed with 20 ms of delay, a 60th of a dnspython loop's "
        f"({max(rates):.0f}/s against {sequential:.0f}/s: "
        f"{max(rates) / sequential:.0f} times)"
    )
    return title, 60 * sequential / max(rates), 1.0


def memory(port: int, folder: Path) -> list[tuple[str, float, float]]:
    """Peaks of two processes, as in use: one observes 10,000 domains, one reads what the first wrote."""
    path = folder / "memory.jsonl.gz"
    observing, (seconds, lines) = _alone(
        f"summary = observe(delegated(DELEGATED), {str(path)!r}, settings({port}))\n"
        "result = summary.seconds, sum(summary.outcomes.values())"
    )
    auditing, (cpu, findings) = _alone(
        "from mssante_audit.audits import audit\n"
        f"space = listed_space(delegated(DELEGATED), {str(path)!r})\nstart = time.process_time()\n"
        "findings = audit('delegation_vs_redirection', space)\n"
        "result = time.process_time() - start, len(findings)\n"
        "assert set(methods(space.observation, delegated(DELEGATED))['method']) == {'delegated'}"
    )
    size = path.stat().st_size / 1e6
    return [
        (
            f"MB, observing 10,000 delegated domains ({lines} lines, {size:.1f} MB, {seconds:.0f} s)",
            observing,
            500.0,
        ),
        (
            f"MB, loading list and observation and auditing ({findings} findings, {cpu:.1f} s of CPU)",
            auditing,
            500.0,
        ),
    ]


def _alone(code: str) -> tuple[float, tuple[float, int]]:
    """Run `code` in a process of its own; return its peak in MB and its `result`."""
    code = f"""
from bench.bench_dns import *
{code}
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([peak / 1024, result]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    peak, result = json.loads(done.stdout)
    return peak, result


def benches() -> list[tuple[str, float, float]]:
    """Return rows of (what, measured, promised at most)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with servers(folder) as port:
            return [cost(port, folder), delayed(port, folder), *memory(port, folder)]
