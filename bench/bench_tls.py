"""Visits to mail servers and the audit of what they present: CPU, time, memory.

Promises (issue 14): CPU a host at most 3 times that of `openssl s_client` for the same certificates, or 2 ms,
whichever is larger; 2,000 hosts with 20 ms of delay in at most 1.2 times the ideal of the in-flight limit, in
300 MB; audit of 2,000 hosts and 8,700 rows in 1 s of CPU.
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import resource
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from mssante_audit.audits import audit
from mssante_audit.base.settings import ObserveTls
from mssante_audit.observe.file import File
from mssante_audit.observe.observation import load_observation
from mssante_audit.observe.tls.observation import load_servers
from mssante_audit.observe.tls.run import MailServer, observe_tls
from mssante_audit.space.trust import TrustSpace
from mssante_audit.whitelist.load import load_whitelist
from tools.sample.certificates import make
from tools.sample.dns import build_dns
from tools.sample.make import SAMPLE_AS_OF, build, whitelist_xml
from tools.sample.tls import ISSUING, ROOT, SEEN_AT, build_tls

HOSTS, FEW = 2000, 200
CERTIFICATES = 100
DELAY = 0.02
TURNS = 5
"""Replies of a visit: greeting, EHLO, STARTTLS, handshake, EHLO."""
SERVERS, ROWS = 2000, 8700


def benches() -> list[tuple[str, float, float]]:
    """Return CPU against s_client, time against the ideal, memory, and CPU of the audit."""
    return [_cpu(), *_many(), _audit()]


def _cpu() -> tuple[str, float, float]:
    """Visit the same servers as s_client does, whose start as a process counts."""
    with TemporaryDirectory() as folder, serving(Path(folder), 0.0) as port:
        hosts = servers(FEW, port)
        start = time.process_time()
        _observe(hosts, Path(folder))
        spent = (time.process_time() - start) / FEW
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        openssl = shutil.which("openssl")
        if openssl is None:
            raise AssertionError("openssl is not installed")
        for host in hosts:
            where = ["-connect", f"{host.address}:{port}", "-servername", host.hosts[0]]
            done = subprocess.run(
                [openssl, "s_client", "-starttls", "smtp", "-showcerts", *where],
                input=b"QUIT\r\n", capture_output=True, check=True,
            )  # fmt: skip
            if b"BEGIN CERTIFICATE" not in done.stdout:
                raise AssertionError(done.stderr)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    theirs = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / FEW
    most = max(3 * theirs, 0.002)
    return f"ms of CPU a host visited ({1000 * theirs:.1f} by s_client)", 1000 * spent, 1000 * most


VISIT = """\
import json, re, sys, time
from mssante_audit.base.settings import ObserveTls
from mssante_audit.observe.tls.run import MailServer, observe_tls
servers = [MailServer(address, port, (host,)) for address, port, host in json.load(sys.stdin)]
start = time.perf_counter()
summary = observe_tls(servers, sys.argv[1], ObserveTls(pause=0))
spent = time.perf_counter() - start
most = int(re.search("VmHWM: *([0-9]+)", open("/proc/self/status").read().replace("\\t", " "))[1]) / 1024
json.dump([spent, most, summary.outcomes, summary.visits], sys.stdout)
"""
"""An observer in a process of its own; `getrusage` would count our memory as its own, from before exec."""


def _many() -> Iterator[tuple[str, float, float]]:
    with TemporaryDirectory() as folder, serving(Path(folder), DELAY) as port:
        hosts = json.dumps(
            [(server.address, server.port, server.hosts[0]) for server in servers(HOSTS, port)]
        )
        done = subprocess.run(
            [sys.executable, "-c", VISIT, f"{folder}/tls-1.jsonl.gz"],
            input=hosts, capture_output=True, check=True, text=True,
        )  # fmt: skip
    seconds, megabytes, outcomes, visits = json.loads(done.stdout)
    if outcomes != {"presented": HOSTS} or visits != HOSTS:
        raise AssertionError(done.stdout)
    ideal = HOSTS / ObserveTls().in_flight * TURNS * DELAY
    title = f"{HOSTS:,} hosts with {1000 * DELAY:.0f} ms of delay, against {ideal:.1f} s at best"
    yield title, seconds / ideal, 1.2
    yield f"MB of memory to visit {HOSTS:,} hosts", megabytes, 300.0


def _observe(hosts: list[MailServer], folder: Path) -> None:
    summary = observe_tls(hosts, folder / "tls-1.jsonl.gz", ObserveTls(pause=0))
    if summary.outcomes != {"presented": len(hosts)} or summary.visits != len(hosts):
        raise AssertionError(str(summary))


def servers(count: int, port: int) -> list[MailServer]:
    """Return so many servers, each of an address of its own on loopback."""
    return [MailServer(f"127.1.{n // 250}.{n % 250 + 1}", port, (f"mx{n}.example",)) for n in range(count)]


@contextmanager
def serving(folder: Path, delay: float) -> Iterator[int]:
    """Serve SMTP on every address of loopback, in another process; yield the port."""
    for number in range(CERTIFICATES):
        certificate = make(f"CN=mx{number}.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR", ISSUING)
        certificate.files(folder / str(number), ISSUING)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(str(folder), delay, theirs), daemon=True)
    process.start()
    theirs.close()  # so that its end is heard
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve(folder: str, delay: float, parent: Connection) -> None:
    asyncio.run(_server(Path(folder), delay, parent))


async def _server(folder: Path, delay: float, parent: Connection) -> None:
    logging.getLogger("asyncio").setLevel("ERROR")
    contexts = []
    for number in range(CERTIFICATES):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / str(number) / "chain.pem", folder / str(number) / "key.pem")
        context.set_ecdh_curve("X25519")  # as mail servers of today: ML-KEM is for who has OpenSSL 3.5
        contexts.append(context)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, late, clock = (
            int(writer.get_extra_info("sockname")[0].rpartition(".")[2]),
            0.0,
            time.monotonic,
        )

        async def wait() -> None:
            """Take the delay, less what the last one was too long: a loop wakes late, and later when busy."""
            nonlocal late
            until = clock() + delay - late
            await asyncio.sleep(until - clock())
            late = clock() - until

        try:
            for reply in (b"220 mx\r\n", b"250-mx\r\n250 STARTTLS\r\n"):
                await wait()
                writer.write(reply)
                await reader.readline()
            await wait()
            writer.transport.pause_reading()  # what comes next is for TLS
            writer.write(b"220 go\r\n")
            await wait()
            await writer.start_tls(contexts[number % CERTIFICATES])
            if (await reader.readline()).startswith(b"EHLO"):
                await wait()
                writer.write(b"250 mx\r\n")
                await reader.readline()
        except (OSError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(talk, "0.0.0.0", 0, backlog=1000)
    parent.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _audit() -> tuple[str, float, float]:
    """Judge a list whose observations are read; list and servers must be as many as promised."""
    sample = build(domains=7000, operators=1000)
    dns = build_dns(sample.rows, sample.operators)
    space = TrustSpace(load_whitelist(whitelist_xml(sample), recover=True), SAMPLE_AS_OF)
    with TemporaryDirectory() as folder:
        names = {name: Path(folder, f"{name}.gz") for name in ("dns", "tls")}
        names["dns"].write_bytes(dns.observation())
        names["tls"].write_bytes(build_tls(dns, sample.rows).observation())
        anchors = Path(folder, "anchors.pem")
        anchors.write_bytes(ROOT.pem + ISSUING.pem)
        file = File(names["tls"], SEEN_AT, {})
        observed, _ = load_servers([file], [], SAMPLE_AS_OF, SEEN_AT - timedelta(1))
        whitelist = replace(space.whitelist, anchors=(anchors,))
        observation = load_observation(names["dns"])
        space = replace(space, whitelist=whitelist, observation=observation, tls=observed)
        audit("delegation_vs_redirection", space)  # the view of the DNS is not of this audit
        start = time.process_time()
        findings = audit("certificates", space)
        spent = time.process_time() - start
    rows, seen = len(space.audited), observed.size if observed else 0
    if rows < ROWS or seen < SERVERS or not len(findings):
        raise AssertionError(f"{rows} rows, {seen} servers, {len(findings)} findings: too few")
    return f"CPU seconds to audit {seen:,} servers and {rows:,} rows", spent, 1.0
