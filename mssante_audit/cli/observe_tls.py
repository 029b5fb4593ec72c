"""What ``mssante-audit observe tls --host`` says: what one server presents, and what that is worth."""

import socket
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from mssante_audit.base.errors import InputError
from mssante_audit.base.resources import table_of
from mssante_audit.base.settings import ObserveTls
from mssante_audit.cli.console import say
from mssante_audit.observe.dns.names import canonical
from mssante_audit.observe.tls.chain import Chain, judge, read_certificate
from mssante_audit.observe.tls.observation import TELLING
from mssante_audit.observe.tls.visit import Visit, offers_of, shown, visit
from mssante_audit.whitelist.certificates import of_sample
from mssante_audit.whitelist.signature import trust

RIGHT, WRONG, UNKNOWN = 0, 1, 4
MOST = 1000  # characters of a line
MOST_SENT = 10  # certificates behind the server's own that are shown
MEANINGS = table_of("mssante_audit.cli", "observe_tls.toml")


def look_at(host: str, settings: ObserveTls, data: Path | None, anchors: Sequence[str]) -> int:
    """Visit a server on each of its addresses, say what it presents, and return the exit status.

    It is visited without SNI, as Postfix does, which decides; then by its name, as the DNS writes it.
    """
    folders = [] if data is None else [data if data.is_dir() else data.parent]
    trusted, crls = trust([*anchors, *(file for folder in folders for file in of_sample(folder))], *folders)
    try:
        places = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InputError("no address of {}: {}", host, getattr(error, "strerror", None) or error) from None
    offers, at = offers_of(settings), datetime.now(UTC)
    addresses = dict.fromkeys(str(place[0]) for *_, place in places)
    statuses = []
    for address in addresses:
        server = visit(address, settings.port, "", settings, offers)
        chain = judge(server.chain, trusted, crls, at) if server.chain else None
        _show(f"{address} port {settings.port}", _lines(server, chain, at))
        statuses.append(_status(server, chain, at))
        if host not in addresses and server.outcome in ("presented", "handshake-failed"):
            named = visit(address, settings.port, canonical(host), settings, offers)
            chain = judge(named.chain, trusted, crls, at) if named.chain else None
            same = named.chain and named.chain == server.chain
            _show(f"  asked for {host} (SNI)", ["the same"] if same else _lines(named, chain, at))
    return max(statuses, key=(RIGHT, UNKNOWN, WRONG).index)


def _show(label: str, lines: Iterable[str]) -> None:
    first, *others = lines
    for line in (f"{label}: {first}", *others):
        say(shown(line, MOST))


def _lines(server: Visit, chain: Chain | None, at: datetime) -> Iterator[str]:
    yield f"{server.outcome}{f' ({server.detail})' if server.detail else ''}"
    if chain is None:
        return
    leaf = chain.leaf
    demanded = ", demands a client's certificate" if server.demanded else ""
    yield f"  {server.protocol}, {server.cipher}{demanded}"
    yield f"  {leaf.subject or leaf.problem}"
    if leaf.not_before and leaf.not_after:
        time = "expired" if at > leaf.not_after else "not yet valid" if at < leaf.not_before else "in time"
        yield f"  issued by {leaf.issuer}"
        yield f"  from {leaf.not_before:%Y-%m-%d} to {leaf.not_after:%Y-%m-%d}: {time}"
    sent = [read_certificate(der) for der in server.chain[1:]]
    for certificate in sent[:MOST_SENT]:
        description = certificate.problem or f"{certificate.subject}, issued by {certificate.issuer}"
        yield f"  sent with it: {description}"
    if len(sent) > MOST_SENT:
        yield f"  and {len(sent) - MOST_SENT} more"
    yield f"  {MEANINGS[chain.state]}{f' ({chain.why})' if chain.why else ''}"
    if chain.anchor:
        yield f"  anchor {chain.anchor}; revocation: {chain.status.answer} ({chain.status.why})"


def _status(server: Visit, chain: Chain | None, at: datetime) -> int:
    if server.outcome not in TELLING:
        return UNKNOWN
    if chain is None or chain.faults(at, ()):
        return WRONG
    return RIGHT if chain.state else UNKNOWN
