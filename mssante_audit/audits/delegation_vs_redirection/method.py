"""Rules on the method: what was declared against what is in use."""

from __future__ import annotations

from typing import Any

from mssante_audit.audits.delegation_vs_redirection.mail import leads_on, mute
from mssante_audit.audits.delegation_vs_redirection.observed import Causes, Method, Seen

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


def method_findings(seen: Seen, causes: Causes) -> None:
    """Report where declared and observed methods differ, and what is served unsafely or not at all."""
    for domain, used in seen.methods.items():
        _against_declaration(seen, causes, domain, used)
        _both(seen, causes, domain, used)
        if used.method == "wildcard":
            zone = used.cut if used.cut not in ("", used.path.qname) else seen.view.parent
            star = f"*.{used.path.qname.partition('.')[2]}"
            data = {"type": "NS"} if used.path.qname in used.path.cuts else _data(used)
            causes.add("DNS_WILDCARD", (zone, star), [domain], {"name": star, "data": data}, lines=used.lines)
        alias = used.why.get("alias", "")
        if alias and leads_on(seen, alias):
            subject = (seen.operator[domain], alias)
            causes.add("DNS_ALIAS", subject, [domain], {"alias": alias}, lines=used.lines)
        lost = used.method == "unknown" and not mute(seen, used)
        if lost and not (used.cut and seen.view.zone(used.cut).dead):
            subject = (used.why["code"], used.why.get("zone", ""))
            causes.add("DNS_METHOD_UNKNOWN", subject, [domain], used.why, lines=used.lines)


def _against_declaration(seen: Seen, causes: Causes, domain: str, used: Method) -> None:
    declared, operator = seen.declaration(domain), seen.operator[domain]
    if declared.kind == "delegation" and used.method == "redirected":
        causes.add(
            "DNS_DELEGATION_REDIRECTED", operator, [domain], {"data": _data(used)},
            {"servers": declared.servers}, used.lines,
        )  # fmt: skip
    elif declared.kind == "redirection" and used.method in ("delegated", "within-delegated"):
        causes.add(
            "DNS_REDIRECTION_DELEGATED", operator, [domain],
            {"zone": used.cut, "servers": seen.view.zone(used.cut).parent_ns}, {"mail": declared.mail},
            used.lines,
        )  # fmt: skip
    elif declared.kind in ("delegation", "redirection") and used.method == "none":
        zone = used.path.zone
        causes.add(
            "DNS_DECLARED_ABSENT", (operator, zone), [domain], {"zone": zone}, {"method": declared.kind},
            used.lines,
        )  # fmt: skip


def _both(seen: Seen, causes: Causes, domain: str, used: Method) -> None:
    """Report servers that answer with data of their own at a name that they delegate."""
    zones = (seen.view.parent, *used.path.cuts)
    for zone in zones:
        if zone == used.path.qname:
            continue
        # The SOA tells a server that carries the zone below too from one that mixes the two.
        told = seen.view.said.get((zone, used.path.qname, "SOA"), {})
        below = {address for address, one in told.items() if one.cut and one.authoritative}
        for qtype in ("MX", "A", "AAAA"):
            for address, one in seen.view.said.get((zone, used.path.qname, qtype), {}).items():
                names = {i.data for i in one.items if i.type == "NS" and i.owner == one.qname != zone}
                if one.outcome == "answer" and not one.cut and address not in below and names:
                    causes.add(
                        "DNS_CUT_WITH_DATA", (zone, seen.operator[domain]), [domain],
                        {
                            "name": one.qname,
                            "data": {"type": qtype, "data": sorted(one.answers)},
                            "servers": sorted(names),
                        },
                        lines=[one.line],
                    )  # fmt: skip


def _data(used: Method) -> dict[str, Any]:
    for qtype in ("MX", "A", "AAAA"):
        for one in used.path.said.get(qtype, {}).values():
            if one.outcome == "answer":
                return {"type": qtype, "data": sorted(one.answers)}
    return {"type": "NS"}
