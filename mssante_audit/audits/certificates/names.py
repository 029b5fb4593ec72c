"""The name that a server presents against the names listed for its domains: what peers compare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mssante_audit.audits.certificates.presented import Presented, SeenServer, presented
from mssante_audit.findings.frame import Finding
from mssante_audit.space.trust import TrustSpace
from mssante_audit.whitelist.rows import operator_names

MOST = 6
"""Names and hosts told of one cause."""


def name_findings(space: TrustSpace) -> Iterator[Finding]:
    """Yield what names presented and listed say of each other."""
    seen, owners = presented(space), operator_names(space.entries)
    yield from _not_listed(seen, owners)
    yield from _spelt(seen)
    yield from _unused(seen)
    yield from _differing(seen)


def _not_listed(seen: Presented, owners: dict[str, str]) -> Iterator[Finding]:
    """Names presented that the list does not have for the domain: alone, or beside one that it has."""
    found: dict[tuple[str, str], tuple[str, list[str], dict[str, SeenServer]]] = {}
    newer: set[str] = set()
    for domain, servers in seen.readable():
        wrong = [server for server in servers if server.key not in seen.listed[domain]]
        rule = "TLS_NAME_UNLISTED" if len(wrong) == len(servers) else "TLS_NAME_UNLISTED_SOME"
        for server in wrong:
            _, domains, own = found.setdefault((rule, server.key), (server.subject, [], {}))
            domains.append(domain)
            own[server.address] = server
            begun = [other.leaf and other.leaf.not_before for other in servers if other not in wrong]
            since = server.leaf and server.leaf.not_before
            if any(since and start and since > start for start in begun):
                newer.add(server.key)
    for (rule, key), (subject, domains, own) in found.items():
        names = list(dict.fromkeys(domains))
        wanted = dict.fromkeys(text for d in names for texts in seen.listed[d].values() for text in texts)
        mine = {one for domain in names for one in seen.operators_of[domain]}
        theirs = seen.operators.get(key, set())
        facts = {
            "presented": subject,
            "hosts": [server.name for server in own.values()][:MOST],
            "wanted": list(wanted)[:MOST],
            "more": max(0, len(wanted) - MOST),
            "whose": "own" if theirs & mine else "other" if theirs else "",
            "owner": owners.get(min(theirs - mine), "") if theirs - mine else "",
            "newer": rule == "TLS_NAME_UNLISTED_SOME" and key in newer and not theirs,
        }
        yield Finding(rule, key, seen.rows_of(names), facts=facts)


def _spelt(seen: Presented) -> Iterator[Finding]:
    """Names that are the listed one in another spelling: some peers compare texts."""
    found: dict[str, tuple[list[int], set[str], dict[str, None]]] = {}
    for domain, servers in seen.readable():
        for server in servers:
            texts = seen.listed[domain].get(server.key, {})
            if texts and server.subject not in texts:
                rows, listed, hosts = found.setdefault(server.subject, ([], set(), {}))
                rows += [row for own in texts.values() for row in own]
                listed.update(texts)
                hosts[server.name] = None
    for subject, (rows, listed, hosts) in found.items():
        facts = {"presented": subject, "listed": sorted(listed)[:MOST], "hosts": list(hosts)[:MOST]}
        yield Finding("TLS_NAME_SPELLING", subject, tuple(sorted(set(rows))), facts=facts)


def _unused(seen: Presented) -> Iterator[Finding]:
    """Names listed that no server presents, where all of a domain's servers were seen to present others."""
    found: dict[str, tuple[str, list[int]]] = {}
    for domain, servers in seen.readable():
        if seen.missing[domain] or len(servers) < len(seen.of[domain]):
            continue
        shown = {server.key for server in servers}
        if not shown & seen.listed[domain].keys():
            continue  # told as not listed: nobody knows which of the two is to be changed
        for key, texts in seen.listed[domain].items():
            if key not in shown:
                text, rows = found.setdefault(key, (next(iter(texts)), []))
                rows += [row for own in texts.values() for row in own]
    for key, (text, rows) in found.items():
        yield Finding("TLS_NAME_UNUSED", key, tuple(sorted(set(rows))), facts={"listed": text})


def _differing(seen: Presented) -> Iterator[Finding]:
    """Two certificates of one name on the servers of a domain: a renewal under way, or half done."""
    found: dict[tuple[str, ...], tuple[list[dict[str, Any]], list[str]]] = {}
    for domain, servers in seen.readable():
        for key in dict.fromkeys(server.key for server in servers):
            own = {s.leaf.sha256: s for s in servers if s.leaf and s.key == key}
            if len(own) > 1:
                ordered = sorted(own.items(), key=lambda item: (item[1].leaf.not_after, item[0]))  # type: ignore[union-attr]
                told = [{"host": s.name, "until": s.leaf.not_after} for _, s in ordered if s.leaf]
                found.setdefault((key, *(sha for sha, _ in ordered)), (told, []))[1].append(domain)
    for subject, (told, domains) in found.items():
        yield Finding("TLS_RENEWAL", subject, seen.rows_of(domains), facts={"seen": told[:MOST]})
