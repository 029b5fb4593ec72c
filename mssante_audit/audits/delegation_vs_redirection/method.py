"""Rules on the method: what was declared against what is in use."""

from __future__ import annotations

from typing import Any

from mssante_audit.audits.delegation_vs_redirection.mail import leads_nowhere
from mssante_audit.audits.delegation_vs_redirection.observed import Seen
from mssante_audit.network.methods import Method
from mssante_audit.network.walk import DEAD, Elsewhere, rests_on

METHOD_NAMES = {
    "delegated": "délégué",
    "within-delegated": "dans une zone déléguée",
    "redirected": "redirigé",
    "wildcard": "enregistrement générique",
    "none": "rien",
    "outside": "hors de la zone",
    "unknown": "non observé",
}
"""French names of the methods in use."""


def method_findings(seen: Seen) -> None:
    """Report where declared and observed methods differ, and what is served unsafely or not at all."""
    for domain, used in seen.methods.items():
        _against_declaration(seen, domain, used)
        _both(seen, domain, used)
        if used.method == "wildcard":
            zone = used.cut if used.cut not in ("", used.name) else seen.network.parent
            star = f"*.{used.name.partition('.')[2]}"
            data = {"type": "NS"} if used.name in used.cuts else _data(used)
            facts = {"name": star, "data": data}
            seen.add("DNS_WILDCARD", (zone, star), [domain], facts, used.replies)
        if (alias := used.why.get("alias", "")) and not _is_lost(seen, domain):
            subject = (seen.operator[domain], alias)
            seen.add("DNS_ALIAS", subject, [domain], {"alias": alias}, used.replies)
        met = [(visit.zone, visit.part.cause) for visit in seen.visits(domain)]
        explained = any(
            cause == "mx-unanswered" or (cause in DEAD and zone != seen.network.parent) for zone, cause in met
        )
        if used.method == "unknown" and not explained:  # else another rule says what was met
            subject = (used.why["code"], used.why.get("zone", ""))
            seen.add("DNS_METHOD_UNKNOWN", subject, [domain], used.why, used.replies)


def _is_lost(seen: Seen, domain: str) -> bool:
    """Whether what the domain is an alias of leads nowhere (DNS_NO_MX tells of it)."""
    aliases = [way for way in rests_on(seen.ways[domain]) if isinstance(way, Elsewhere)]
    return bool(aliases) and all(leads_nowhere(way) for way in aliases)


def _against_declaration(seen: Seen, domain: str, used: Method) -> None:
    declared, operator = seen.declaration(domain), seen.operator[domain]
    if declared.kind == "delegation" and used.method == "redirected":
        wanted = {"servers": declared.servers}
        seen.add("DNS_DELEGATION_REDIRECTED", operator, [domain], {"data": _data(used)}, used.replies, wanted)
    elif declared.kind == "redirection" and used.method in ("delegated", "within-delegated"):
        zone = {"zone": used.cut, "servers": seen.network.zone(used.cut).parent_ns}
        seen.add("DNS_REDIRECTION_DELEGATED", operator, [domain], zone, used.replies, {"mail": declared.mail})
    elif declared.kind in ("delegation", "redirection") and used.method == "none":
        subject, facts = (operator, used.zone), {"zone": used.zone}
        seen.add("DNS_DECLARED_ABSENT", subject, [domain], facts, used.replies, {"method": declared.kind})


def _both(seen: Seen, domain: str, used: Method) -> None:
    """Report servers that answer with data of their own at a name that they delegate."""
    for zone in (seen.network.parent, *used.cuts):
        if zone == used.name:
            continue
        replies = seen.network.methods.replies_about(zone, used.name)
        # The SOA tells a server that carries the zone below too from one that mixes the two.
        below = {reply.address for reply in replies if reply.qtype == "SOA" and reply.cut and reply.usable}
        for reply in replies:
            names = sorted(reply.data("NS", reply.qname))
            mixed = reply.qtype != "SOA" and reply.outcome == "answer" and not reply.cut
            if mixed and names and reply.address not in below:
                data = {"type": reply.qtype, "data": sorted(reply.answers)}
                facts = {"name": reply.qname, "data": data, "servers": names}
                subject = (zone, seen.operator[domain])
                seen.add("DNS_CUT_WITH_DATA", subject, [domain], facts, [reply])


def _data(used: Method) -> dict[str, Any]:
    for qtype in ("MX", "A", "AAAA"):
        for reply in used.replies_to(qtype).values():
            if reply.outcome == "answer":
                return {"type": qtype, "data": sorted(reply.answers)}
    return {"type": "NS"}
