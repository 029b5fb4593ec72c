"""An observation of TLS made up for a space: most servers right, one thing wrong with each of the others."""

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.network import network_of
from mssante_audit.observe.file import TLS, default_path
from mssante_audit.observe.lines import instant
from mssante_audit.observe.tls.observation import TlsObservation, Visited
from mssante_audit.observe.tls.run import MailServer, lines_of, servers_of
from mssante_audit.observe.tls.visit import Visit
from mssante_audit.space.trust import TrustSpace
from tools.sample.certificates import make

PLAIN = re.compile(r"[A-Za-z0-9 =,.()'-]+")


def write_tls(space: TrustSpace, folder: Path, payloads: Sequence[str]) -> Path:
    """Write the observation into a data folder, in place of any; servers say and present `payloads`, too."""
    for other in (folder / "observations").glob("tls-*"):
        other.unlink()
    at = space.as_of - timedelta(days=1)
    return write_visits(folder, at, _visits(space, at, payloads), dns=space.observation.source)


def write_before(space: TrustSpace, folder: Path, name: str) -> None:
    """Write that a month before each server that presents a certificate had one called `name`."""
    seen, at = space.tls.servers, space.as_of - timedelta(30)
    then = Visit("presented", protocol="TLSv1.3", cipher="X", chain=(make(name, days=9, start=at).der,))
    presenting = seen[seen["not_after"].notna()]
    servers = zip(presenting["address"], presenting["port"], presenting["hosts"], strict=True)
    write_visits(folder, at, [(MailServer(*server), then) for server in servers])


def write_visits(
    folder: Path, at: datetime, visits: Iterable[tuple[MailServer, Visit]], dns: str = "dns-x"
) -> Path:
    """Write an observation of these visits, a second one of a server if it was asked for by name."""
    lines: list[dict[str, Any]] = [TLS.header(at, dns=dns)]
    written: dict[str, bytes] = {}
    for server, seen in visits:
        lines += lines_of(server, seen, at, 2 if seen.sni else 1, written)
    lines.append({"end": instant(at), "complete": True})
    file = default_path(folder, at, "tls")
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_bytes(gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode(), mtime=0))
    return file


def mail_servers(space: TrustSpace) -> list[MailServer]:
    """Return the mail servers that the DNS names for a space's domains."""
    assert space.observation is not None
    network = network_of(space.observation)
    domains = space.audited["domain"].unique().tolist()
    hosts = {host: network.addresses(host) for domain in domains for host in network.exchangers(domain)}
    return servers_of(hosts, 25)


def _visits(space: TrustSpace, at: datetime, payloads: Sequence[str]) -> Iterator[tuple[MailServer, Visit]]:
    root = make("CN=AC FICTIVE,C=FR", ca=True, days=9_999)
    texts = space.audited.drop_duplicates("cn").set_index("cn")["dn"]
    for number, server in enumerate(mail_servers(space)):
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
        yield server, seen
        if seen.chain:
            yield server, replace(seen, sni=server.hosts[0])


def visits_of(seen: TlsObservation, *, by_name: bool = False) -> pd.DataFrame:
    """Return the visits without SNI, or those with it, a row each."""
    chosen = [visit for visit in seen.visits if bool(visit.sni) is by_name]
    return pd.DataFrame(chosen, columns=list(Visited._fields))
