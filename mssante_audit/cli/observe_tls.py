"""What ``mssante-audit observe tls --host`` says: what one server presents, and what that is worth."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from mssante_audit.base.errors import InputError
from mssante_audit.base.settings import ObserveTls
from mssante_audit.cli.console import say
from mssante_audit.observe.tls.chain import Chain, judge, read_certificate
from mssante_audit.observe.tls.observation import TELLING
from mssante_audit.observe.tls.visit import Visit, offers_of, shown, visit
from mssante_audit.whitelist.certificates import of_sample
from mssante_audit.whitelist.signature import trust

RIGHT, WRONG, UNKNOWN = 0, 1, 4
MOST = 1000
"""Characters of a line."""
MOST_SENT = 10
"""Certificates behind the server's own that are told."""
MEANINGS = {
    "whole": "leads to an anchor",
    "incomplete": "leads to an anchor only with an intermediate that was not sent",
    "unordered": "leads to an anchor, sent in another order than TLS has it",
    "unknown": "leads to no anchor known here",
    "self-signed": "is signed by itself",
    "refused": "leads to an anchor through a certificate that may not",
    "unreadable": "cannot be read",
    "": "is not judged: no anchor is known (--anchors)",
}


def look_at(host: str, settings: ObserveTls, data: Path | None, anchors: Sequence[str]) -> int:
    """Visit a server on each of its addresses, say what it presents, and return the exit status.

    A name without an address, an anchor that cannot be read are an `InputError`, a client's certificate or
    key that cannot be used a `ParameterError`.
    """
    folder = None if data is None else data if data.is_dir() else data.parent
    trusted, crls = trust([*anchors, *(of_sample(folder) if folder else ())], folder)
    try:
        told = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InputError(f"no address of {host}: {getattr(error, 'strerror', None) or error}") from None
    offers = offers_of(settings)
    at = datetime.now(UTC)
    name = "" if host in {address for *_, (address, *_) in told} else host
    statuses = []
    for address in dict.fromkeys(str(where[0]) for *_, where in told):
        seen = asyncio.run(visit(address, settings.port, name, settings, offers))
        chain = judge(seen.chain, trusted, crls, at) if seen.chain else None
        for line in _lines(address, settings.port, seen, chain, at):
            say(shown(line, MOST))
        statuses.append(_status(seen, chain, at))
    return max(statuses, key=(RIGHT, UNKNOWN, WRONG).index)


def _lines(address: str, port: int, seen: Visit, chain: Chain | None, at: datetime) -> list[str]:
    detail = f" ({seen.detail})" if seen.detail else ""
    lines = [f"{address} port {port}: {seen.outcome}{detail}"]
    if chain is None:
        return lines
    leaf = chain.leaf
    demanded = ", demands a client's certificate" if seen.demanded else ""
    lines += [f"  {seen.protocol}, {seen.cipher}{demanded}", f"  {leaf.subject or leaf.problem}"]
    if leaf.not_before and leaf.not_after:
        time = "expired" if at > leaf.not_after else "not yet valid" if at < leaf.not_before else "in time"
        lines += [
            f"  issued by {leaf.issuer}",
            f"  from {leaf.not_before:%Y-%m-%d} to {leaf.not_after:%Y-%m-%d}: {time}",
        ]
    sent = [read_certificate(der) for der in seen.chain[1:]]
    lines += [
        f"  sent with it: {one.problem or f'{one.subject}, issued by {one.issuer}'}"
        for one in sent[:MOST_SENT]
    ]
    lines += [f"  and {len(sent) - MOST_SENT} more"] * (len(sent) > MOST_SENT)
    why = f" ({chain.why})" if chain.why else ""
    lines.append(f"  {MEANINGS[chain.state]}{why}")
    if chain.anchor:
        lines.append(f"  anchor {chain.anchor}; revocation: {chain.status.said} ({chain.status.why})")
    return lines


def _status(seen: Visit, chain: Chain | None, at: datetime) -> int:
    if seen.outcome not in TELLING:
        return UNKNOWN
    if chain is None or chain.refused or not chain.leaf.in_time(at):
        return WRONG
    return RIGHT if chain.state else UNKNOWN
