"""An observation of TLS made up for a space: most servers right, one thing wrong with each of the others."""

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from mssante_audit.network import network_of
from mssante_audit.observe.file import TLS
from mssante_audit.observe.folder import default_path
from mssante_audit.observe.lines import instant
from mssante_audit.observe.tls.run import MailServer, lines_of, servers_of
from mssante_audit.observe.tls.visit import Visit
from mssante_audit.space.trust import TrustSpace
from tools.sample.certificates import make

PLAIN = re.compile(r"[A-Za-z0-9 =,.()'-]+")


def write_tls(space: TrustSpace, folder: Path, payloads: Sequence[str]) -> Path:
    """Write the observation into a data folder, in place of any; servers say and present `payloads`, too."""
    lines = "".join(f"{json.dumps(line)}\n" for line in _lines(space, payloads))
    file = folder / "observations" / "tls-2026-03-02T060000Z.jsonl.gz"
    file.parent.mkdir(exist_ok=True)
    for other in file.parent.glob("tls-*"):
        other.unlink()
    file.write_bytes(gzip.compress(lines.encode(), mtime=0))
    return file


def write_before(space: TrustSpace, folder: Path, name: str) -> None:
    """Write that a month before each server that presents a certificate had one called `name`."""
    seen, at = space.tls.servers, space.as_of - timedelta(30)
    then = Visit("presented", protocol="TLSv1.3", cipher="X", chain=(make(name, days=9, start=at).der,))
    presenting = seen[seen["not_after"].notna()]
    servers = zip(presenting["address"], presenting["port"], presenting["hosts"], strict=True)
    write_visits(folder, at, [(MailServer(*server), then) for server in servers])


def write_visits(folder: Path, at: datetime, visits: Iterable[tuple[MailServer, Visit]]) -> Path:
    lines: list[dict[str, Any]] = [TLS.header(at, dns="dns-x")]
    written = set[str]()
    for server, seen in visits:
        lines += lines_of(server, seen, at, 1, written)
    lines.append({"end": instant(at), "complete": True})
    file = default_path(folder, at, "tls")
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_bytes(gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode(), mtime=0))
    return file


def _lines(space: TrustSpace, payloads: Sequence[str]) -> Iterator[dict[str, Any]]:
    assert space.observation is not None
    at = space.as_of - timedelta(days=1)
    root = make("CN=AC FICTIVE,C=FR", ca=True, days=9_999)
    texts = space.audited.drop_duplicates("cn").set_index("cn")["dn"]
    network = network_of(space.observation)
    domains = space.audited["domain"].unique().tolist()
    hosts = {host: network.addresses(host) for domain in domains for host in network.exchangers(domain)}
    yield TLS.header(at, dns=space.observation.source)
    written: set[str] = set()
    for number, server in enumerate(servers_of(hosts, 25)):
        payload = payloads[number % len(payloads)]
        dn = next((texts[host] for host in server.hosts if host in texts.index), "CN=x,C=FR")
        seen = Visit("busy", payload[:200])
        if number % 4 == 2:
            text = re.sub(r'([,;+="\\<>#])', r"\\\1", payload[:60])
            odd = make(f"CN={text}", root, start=at - timedelta(9), days=12)
            seen = Visit("presented", protocol="TLSv1.3", cipher="X", chain=(odd.der,))
        elif number % 4 and PLAIN.fullmatch(dn):
            right = make(dn, root, start=at - timedelta(100), days=104 + 20 * number)
            seen = Visit("presented", protocol="TLSv1.3", cipher="X", chain=(right.der,))
        yield from lines_of(server, seen, at, 1, written)
        if seen.chain:
            yield from lines_of(server, replace(seen, sni=server.hosts[0]), at, 2, written)
    yield {"end": instant(at), "complete": True}
