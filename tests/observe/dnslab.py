"""Name servers for tests, on loopback only: NSD and Knot as they are, scripted ones that misbehave."""

import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rrset
import pytest

HERE = Path(__file__).parent
NSD = shutil.which("nsd") or shutil.which("nsd", path="/usr/sbin")
KNOT = shutil.which("knotd") or shutil.which("knotd", path="/usr/sbin")
HOW = "real name servers are missing: `apt-get install --no-install-recommends nsd knot`"


def need(present: object, advice: str) -> None:
    """Skip without what a test needs, and say how to get it; fail where tests must not be skipped."""
    if not present:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(advice)


def need_servers() -> None:
    need(NSD and KNOT, HOW)


NAMESPACED = "a network namespace cannot be made here: be root, with util-linux and iproute2"


def can_unshare() -> bool:
    probe = ["sh", "-c", "unshare -nm ip link set lo up"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def in_namespace(code: str, *addresses: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run Python in a namespace of network and mounts: nothing but its loopback and `addresses` on it."""
    need(can_unshare(), NAMESPACED)
    setup = "ip link set lo up\n" if addresses else ""
    setup += "".join(f"ip addr add {a} dev lo {'nodad' if ':' in a else ''}\n" for a in addresses)
    script = f'set -e\n{setup}exec {sys.executable} -c "$CODE"'
    code = f"import sys; sys.path[:0] = [{str(HERE)!r}]\n{code}"
    return subprocess.run(
        ["unshare", "-nm", "sh", "-c", script],
        env=os.environ | {"CODE": code}, cwd=HERE.parents[1], capture_output=True, text=True,
        check=False, timeout=timeout,
    )  # fmt: skip


def free_port() -> int:
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            port = udp.getsockname()[1]
            with suppress(OSError):
                tcp.bind(("127.0.0.1", port))
                return port


def configured(name: str, folder: Path, **places: object) -> str:
    """Write the configuration of a daemon from `daemons`, its ``@places@`` filled in; return the file."""
    text = (HERE / "daemons" / name).read_text()
    for place, value in (places | {"folder": folder}).items():
        text = text.replace(f"@{place}@", str(value))
    (folder / name).write_text(text)
    return str(folder / name)


def _zone_files(folder: Path, zones: Mapping[str, str], stanza: str) -> str:
    """Write zone files; return a `stanza` of configuration for each."""
    stanzas = []
    for number, (zone, text) in enumerate(zones.items()):
        file = folder / f"{number}.zone"
        soa = "" if " SOA " in text else "@ SOA ns1 hostmaster 1 3600 600 86400 300\n"
        file.write_text(f"$ORIGIN {zone.rstrip('.')}.\n$TTL 300\n{soa}{text}")
        stanzas.append(stanza.format(zone=zone, file=file))
    return "".join(stanzas)


def _asked(address: str, port: int, query: bytes, timeout: float) -> bytes | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.connect((address, port))
        with suppress(OSError):
            sock.send(query)
            return sock.recv(4096)
    return None


class Daemon:
    """A name server that runs until `stop`."""

    def __init__(self, command: list[str], address: str, port: int, log: Path) -> None:
        with log.open("w") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        probe = dns.message.make_query("version.bind", "TXT", "CH").to_wire()
        for _ in range(200):
            if _asked(address, port, probe, 0.05):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"{command[0]} does not start: {log.read_text()[-2000:]}")

    def stop(self) -> None:
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()
        self.process.wait(5)


def start_nsd(folder: Path, addresses: Iterable[str], port: int, zones: Mapping[str, str]) -> Daemon:
    """Start NSD with `zones` (name to zone file text without $ORIGIN; an SOA is added if it has none)."""
    folder.mkdir(parents=True)
    first, *_ = addresses = list(addresses)
    config = configured(
        "nsd.conf", folder, port=port,
        listen="\n".join(f"  ip-address: {address}" for address in addresses),
        zones=_zone_files(folder, zones, 'zone:\n  name: "{zone}"\n  zonefile: "{file}"\n'),
    )  # fmt: skip
    return Daemon([str(NSD), "-d", "-c", config], first, port, folder / "log")


def start_knot(
    folder: Path, addresses: Iterable[str], port: int, zones: Mapping[str, str], signed: Iterable[str] = ()
) -> Daemon:
    """Start Knot likewise; zones in `signed` are signed with keys of its making."""
    folder.mkdir(parents=True)
    first, *_ = addresses = list(addresses)
    stanzas = _zone_files(folder, zones, "  - domain: {zone}\n    file: {file}\n")
    for zone in zones.keys() & set(signed):
        stanzas = stanzas.replace(f": {zone}\n", f": {zone}\n    dnssec-signing: on\n")
    listen = ", ".join(f"{address}@{port}" for address in addresses)
    config = configured("knot.conf", folder, listen=listen, zones=stanzas)
    daemon = Daemon([str(KNOT), "-c", config], first, port, folder / "log")
    for zone in zones:
        query = dns.message.make_query(zone, "SOA").to_wire()
        for _ in range(100):
            wire = _asked(first, port, query, 0.2)
            if wire and dns.message.from_wire(wire).answer:
                break
            time.sleep(0.02)
        else:
            daemon.stop()
            raise RuntimeError(f"{zone} does not load")
    return daemon


Script = Callable[[dns.message.Message, str], "list[bytes | float] | None"]
"""From a query and its transport to what is sent: bytes, and pauses in seconds between them."""


class Scripted:
    """A server that does as a script says, on one address; it may answer from another, or another port.

    `queries` it got, and the `ports` that they came from over UDP.
    """

    def __init__(
        self, address: str, port: int, script: Script, *, from_address: str = "",
        from_port: int | None = None, tcp: bool = True,
    ) -> None:  # fmt: skip
        self.queries: list[tuple[str, str, str]] = []
        self.ports: set[int] = set()
        self._script, self._stop = script, threading.Event()
        self._udp = _bound(socket.SOCK_DGRAM, address, port)
        self._answers = self._udp
        if from_address or from_port is not None:
            other = port if from_port is None else from_port
            self._answers = _bound(socket.SOCK_DGRAM, from_address or address, other)
        loops, self._sockets = [self._serve_udp], [self._udp, self._answers]
        if tcp:
            self._tcp = _bound(socket.SOCK_STREAM, address, port)
            self._tcp.listen(64)
            loops.append(self._serve_tcp)
            self._sockets.append(self._tcp)
        self._threads = [threading.Thread(target=loop, daemon=True) for loop in loops]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Begin to stop: many that end together take no longer than one."""
        self._stop.set()

    def stop(self) -> None:
        self.end()
        for thread in self._threads:
            thread.join(5)
        for sock in self._sockets:
            sock.close()

    def _do(self, wire: bytes, transport: str, send: Callable[[bytes], object]) -> None:
        query = dns.message.from_wire(wire)
        self.queries.append((*asked(query), transport))
        pieces = self._script(query, transport) or []
        if transport == "udp" and pieces and isinstance(pieces[0], float):  # meanwhile others are served
            threading.Thread(target=_send, args=(pieces, send), daemon=True).start()
        else:
            _send(pieces, send)

    def _serve_udp(self) -> None:
        while not self._stop.is_set():
            with suppress(TimeoutError):
                wire, source = self._udp.recvfrom(65535)
                self.ports.add(source[1])
                self._do(wire, "udp", lambda piece, source=source: self._answers.sendto(piece, source))

    def _serve_tcp(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError):
                client, _ = self._tcp.accept()
                with client:
                    client.settimeout(1)
                    (size,) = struct.unpack("!H", client.recv(2))
                    self._do(client.recv(size), "tcp", client.sendall)


def _bound(kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    if kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.settimeout(0.05)
    return sock


def _send(pieces: list[bytes | float], send: Callable[[bytes], object]) -> None:
    with suppress(OSError):  # stopped meanwhile
        for piece in pieces:
            if isinstance(piece, float):
                time.sleep(piece)
            else:
                send(piece)


def asked(query: dns.message.Message) -> tuple[str, str]:
    question = query.question[0]
    return question.name.to_text(True).lower(), dns.rdatatype.to_text(question.rdtype)


def reply(query: dns.message.Message, *, aa: bool = True, **sections: list[str]) -> dns.message.Message:
    """Build a reply; sections (answer, authority, additional) hold lines "owner type data"."""
    message = dns.message.make_response(query)
    message.flags = (message.flags & ~dns.flags.RA) | (dns.flags.AA if aa else 0)
    for name, lines in sections.items():
        for line in lines:
            owner, rdtype, data = line.split(" ", 2)
            message.section_from_number({"answer": 1, "authority": 2, "additional": 3}[name]).append(
                dns.rrset.from_text(owner.rstrip(".") + ".", 300, "IN", rdtype, data)
            )
    return message


def framed(wire: bytes) -> bytes:
    return struct.pack("!H", len(wire)) + wire


def send(message: dns.message.Message, transport: str) -> list[bytes | float]:
    wire = message.to_wire(max_size=65535)
    return [framed(wire) if transport == "tcp" else wire]


def answering(look_up: Callable[[str, str], dict[str, Any] | None]) -> Script:
    """Return the script of a server that says what `look_up` returns for a name and a type.

    That is what `reply` takes, and ``rcode``; ``None`` is silence.
    """

    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        if (answer := look_up(*asked(query))) is None:
            return []
        message = reply(query, **{name: value for name, value in answer.items() if name != "rcode"})
        message.set_rcode(answer.get("rcode", 0))
        return send(message, transport)

    return script
