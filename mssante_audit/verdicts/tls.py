"""Whether a domain's mail servers present what its senders take, as far as they were seen.

================ ======== ===================================================================================
cause            grade    meaning
================ ======== ===================================================================================
                 ok       every server was seen, lately, and is right: name, dates, chain; none is known
                          to be revoked
``tls-none``     fail     none is, and all were seen
``tls-some``     warn     one is not, others are or were not seen
``tls-protocol`` warn     each that was seen is, but one speaks no TLS of today
``tls-old``      unknown  one was seen longer ago than `observation_max_age_days`, and the others are right
``tls-unseen``   unknown  a server was not seen, and those that were are right
``tls-alone``    unknown  names and dates are right; no anchors were at hand to judge a chain by
``tls-nobody``   unknown  the list does not have the domain, and so no name for its servers (`receive`)
================ ======== ===================================================================================

Whether mail arrives (`receiving`) is unknown, by ``tls-refused``, where all servers were visited lately and
none of them let us in: who sends mail may fare better, or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from mssante_audit.audits.certificates.presented import MOST, OLD, Presented, SeenServer, presented
from mssante_audit.network.mail import Mail
from mssante_audit.observe.tls.observation import NOT_VISITED, TELLING
from mssante_audit.space.trust import TrustSpace

CAUSES = (
    "tls-none", "tls-some", "tls-protocol", "tls-old", "tls-unseen", "tls-alone", "tls-nobody", "tls-refused",
)  # fmt: skip
_WORST = ("fail", "warn", "unknown", "ok")


class Tls(NamedTuple):
    """What is known of the servers of a domain."""

    grade: str
    cause: str = ""
    old: bool = False
    """Whether a server was seen too long ago: what was found of it then decides nothing any more."""
    met: tuple[str, ...] = ()
    """What was met at each server, where all were visited lately and none let us in."""


class Shown(NamedTuple):
    """A mail server of a domain, as it was when it was last visited."""

    server: SeenServer
    old: bool
    """Whether that is too long ago to say anything of today."""
    faults: tuple[str, ...]
    """Why senders do not take its certificate: ``unreadable``, ``name`` (not listed), ``dates``, ``revoked``,
    ``chain``."""


class Wire(NamedTuple):
    """What is known of a domain's servers, and of each of them."""

    tls: Tls = Tls("unknown", "no_tls")
    servers: tuple[Shown, ...] = ()
    missing: tuple[str, ...] = ()
    """Mail hosts and addresses that no visit tells of."""


def wire_of(space: TrustSpace) -> Wire:
    """Return what is known of the servers of a space's one domain."""
    if space.tls is None:
        return Wire()
    if not space.domains:
        return Wire(Tls("unknown", "tls-nobody"))
    domain, tls = min(tls_of(space).items(), key=lambda item: _WORST.index(item[1].grade))
    seen, oldest = presented(space), space.thresholds.oldest_observation(space.as_of)
    servers = seen.of[domain]
    shown = (Shown(server, server.at < oldest, tuple(_faults(seen, domain, server))) for server in servers)
    return Wire(tls, tuple(shown), tuple(seen.missing[domain]))


def _faults(seen: Presented, domain: str, server: SeenServer) -> Iterator[str]:
    """Yield why senders do not take what a server presents (`Presented.right`)."""
    chain = server.chain
    if chain is None:
        return
    if chain.leaf.problem:
        yield "unreadable"
        return
    if server.key not in seen.listed[domain]:
        yield "name"
    if not chain.leaf.in_time(server.at):
        yield "dates"
    if chain.status.answer == "revoked":
        yield "revoked"
    elif chain.refused:
        yield "chain"


def tls_of(space: TrustSpace) -> dict[str, Tls]:
    """Return what is known of each domain's servers; empty without observations of DNS and of TLS."""
    seen, oldest = presented(space), space.thresholds.oldest_observation(space.as_of)
    found = {}
    for domain, servers in seen.of.items():
        telling = [server for server in servers if server.outcome in TELLING]
        recent = [server for server in telling if server.at >= oldest]
        wrong = [server for server in recent if not seen.right(domain, server)]
        old = len(recent) < len(telling)
        whole = bool(recent) and len(recent) == len(servers) and not seen.missing[domain]
        if wrong:
            none = whole and len(wrong) == len(recent)
            found[domain] = Tls("fail", "tls-none") if none else Tls("warn", "tls-some", old)
        elif any(server.protocol in OLD for server in recent):
            found[domain] = Tls("warn", "tls-protocol", old)
        elif whole:
            judged = all(server.chain and server.chain.state for server in telling)
            found[domain] = Tls("ok") if judged else Tls("unknown", "tls-alone")
        else:
            found[domain] = Tls("unknown", "tls-old" if old else "tls-unseen", old)
        if servers and not seen.missing[domain] and all(server.at >= oldest for server in servers):
            found[domain] = found[domain]._replace(met=_met(servers))
    return found


def _met(servers: Sequence[SeenServer]) -> tuple[str, ...]:
    """Return what was met at servers none of which let us in; nothing if one did, or was not visited."""
    met = []
    for server in servers:
        # One that asked for a client's certificate lets members in.
        turned_away = server.outcome == "presented" and server.detail and not server.demanded
        if server.outcome in (*TELLING, *NOT_VISITED, "lost") and not turned_away:
            return ()
        met.append(f"{server.name}: {server.detail[:200] or server.outcome}")
    return tuple(met)


def receiving(mail: Mail, tls: Tls | None) -> Mail:
    """Return whether mail arrives where the DNS leads it, once certificates have their say."""
    if tls is None or mail.receives not in ("yes", "degraded"):
        return mail
    if tls.grade in ("warn", "fail"):
        return replace(mail, receives="no" if tls.grade == "fail" else "degraded", cause=tls.cause, facts={})
    if tls.met:
        return replace(mail, receives="unknown", cause="tls-refused", facts={"hosts": list(tls.met[:MOST])})
    return mail
