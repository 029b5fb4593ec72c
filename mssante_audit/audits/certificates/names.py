"""The names that servers present against those listed for their domains, and what servers do with a visit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mssante_audit.audits.certificates.presented import MOST, OLD, Presented, SeenServer, presented
from mssante_audit.findings.frame import Finding
from mssante_audit.observe.tls.observation import TELLING
from mssante_audit.space.trust import TrustSpace
from mssante_audit.whitelist.rows import grouped, operator_names


def name_findings(space: TrustSpace) -> Iterator[Finding]:
    """Yield what names presented and listed say of each other."""
    seen = presented(space)
    yield from _not_listed(seen, operator_names(space.entries))
    yield from _spelt(seen)
    yield from _unused(seen)
    yield from _differing(seen)


def _not_listed(seen: Presented, owners: dict[str, str]) -> Iterator[Finding]:
    """Names presented that the list does not have for the domain: alone, or beside one that it has."""
    found: dict[tuple[str, str], list[tuple[str, SeenServer]]] = {}
    newer: set[str] = set()
    for domain, servers in seen.readable():
        wrong = [server for server in servers if server.key not in seen.listed[domain]]
        rule = "TLS_NAME_UNLISTED" if len(wrong) == len(servers) else "TLS_NAME_UNLISTED_SOME"
        begun = [other.leaf and other.leaf.not_before for other in servers if other not in wrong]
        for server in wrong:
            found.setdefault((rule, server.key), []).append((domain, server))
            since = server.leaf and server.leaf.not_before
            if any(since and start and since > start for start in begun):
                newer.add(server.key)
    for (rule, key), held in found.items():
        names = list(dict.fromkeys(domain for domain, _ in held))
        wanted = dict.fromkeys(text for d in names for texts in seen.listed[d].values() for text in texts)
        mine = {operator for domain in names for operator in seen.operators_of[domain]}
        theirs = seen.operators.get(key, set())
        facts = {
            "presented": held[0][1].subject,
            "hosts": [server.name for server in {s.address: s for _, s in held}.values()][:MOST],
            "wanted": list(wanted)[:MOST],
            "more": max(0, len(wanted) - MOST),
            "whose": "own" if theirs & mine else "other" if theirs else "",
            "owner": owners.get(min(theirs - mine), "") if theirs - mine else "",
            "newer": rule == "TLS_NAME_UNLISTED_SOME" and key in newer and not theirs,
        }
        yield Finding(rule, key, seen.rows_of(names), facts)


def _spelt(seen: Presented) -> Iterator[Finding]:
    """Names that are the listed one in another spelling: some peers compare texts."""
    found = grouped(
        (server.subject, (server.name, texts))
        for domain, servers in seen.readable()
        for server in servers
        if (texts := seen.listed[domain].get(server.key, {})) and server.subject not in texts
    )
    for subject, held in found.items():
        rows = {row for _, texts in held for its in texts.values() for row in its}
        listed, hosts = {text for _, texts in held for text in texts}, dict.fromkeys(name for name, _ in held)
        facts = {"presented": subject, "listed": sorted(listed)[:MOST], "hosts": list(hosts)[:MOST]}
        yield Finding("TLS_NAME_SPELLING", subject, tuple(sorted(rows)), facts)


def _unused(seen: Presented) -> Iterator[Finding]:
    """Names listed that no server presents, where all of a domain's servers were seen to present others."""
    found: dict[str, list[dict[str, list[int]]]] = {}
    for domain, servers in seen.readable():
        shown = {server.key for server in servers}
        complete = not seen.missing[domain] and len(servers) == len(seen.of[domain])
        # Where none is listed nobody knows which of the two is to be changed: it is told as not listed.
        for key, texts in seen.listed[domain].items() if complete else ():
            if key not in shown and shown & seen.listed[domain].keys():
                found.setdefault(key, []).append(texts)
    for key, held in found.items():
        rows = {row for texts in held for its in texts.values() for row in its}
        yield Finding("TLS_NAME_UNUSED", key, tuple(sorted(rows)), {"listed": next(iter(held[0]))})


def _differing(seen: Presented) -> Iterator[Finding]:
    """Two certificates of one name on the servers of a domain: a renewal under way, or half done."""
    found: dict[tuple[str, ...], tuple[list[dict[str, Any]], list[str]]] = {}
    for domain, servers in seen.readable():
        for key, same in grouped((server.key, server) for server in servers).items():
            until = {s.leaf.sha256: (s.leaf.not_after, s) for s in same if s.leaf}
            if len(until) > 1:
                ordered = sorted(until.items(), key=lambda item: (item[1][0], item[0]))
                shown = [{"host": server.name, "until": end} for _, (end, server) in ordered]
                found.setdefault((key, *(sha for sha, _ in ordered)), (shown, []))[1].append(domain)
    for subject, (shown, domains) in found.items():
        yield Finding("TLS_RENEWAL", subject, seen.rows_of(domains), {"seen": shown[:MOST]})


def server_findings(space: TrustSpace) -> Iterator[Finding]:
    """Yield what is wrong with servers, and which were not seen."""
    seen = presented(space)
    for server in seen.servers.values():
        if server.protocol in OLD or server.outcome == "no-starttls":
            rule = "TLS_PROTOCOL_OLD" if server.protocol in OLD else "TLS_NO_STARTTLS"
            facts = {"host": server.name, "protocol": server.protocol}
            yield Finding(rule, server.address, seen.rows_of(seen.domains([server])), facts)
    yield from _half_right(seen)
    for server in seen.servers.values():
        served = seen.served.get(server.address, ()) if server.by_name else ()
        if domains := [domain for domain in served if seen.right_by_name(domain, server)]:
            by_name = server.by_name.leaf.subject if server.by_name else ""
            facts = {"host": server.name, "asked": server.sni, "right": by_name, "default": server.subject}
            yield Finding("TLS_SNI_ONLY", server.address, seen.rows_of(domains), facts)
    unseen = [
        (met, (name, domain))
        for domain, servers in seen.of.items()
        for met, name in (
            *((server.outcome, server.name) for server in servers if server.outcome not in TELLING),
            *(("unvisited", name) for name in seen.missing[domain]),
        )
    ]
    for outcome, held in grouped(unseen).items():
        names = sorted({name for name, _ in held})
        more = {"outcome": outcome, "hosts": names[:MOST], "more": max(0, len(names) - MOST)}
        yield Finding("TLS_UNSEEN", outcome, seen.rows_of(dict.fromkeys(domain for _, domain in held)), more)


def _half_right(seen: Presented) -> Iterator[Finding]:
    """Find servers that stand beside right ones for the same domain, and are not."""
    found: dict[str, list[str]] = {}
    for domain, servers in seen.of.items():
        telling = [server for server in servers if server.outcome in TELLING]
        wrong = [server for server in telling if not seen.right(domain, server)]
        for server in wrong if len(wrong) < len(telling) else ():
            found.setdefault(server.address, []).append(domain)
    for address, domains in found.items():
        beside = {other.name for domain in domains for other in seen.of[domain] if seen.right(domain, other)}
        facts = {"host": seen.servers[address].name, "beside": sorted(beside)[:MOST]}
        yield Finding("TLS_SERVERS_DIFFER", address, seen.rows_of(domains), facts)
