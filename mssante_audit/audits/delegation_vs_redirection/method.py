"""Rules on the method: what was declared against what is in use."""

from __future__ import annotations

from mssante_audit.audits.delegation_vs_redirection.observed import Causes, Method, Seen, listed

METHOD_NAMES = {
    "delegated": "délégué",
    "within-delegated": "dans une zone déléguée",
    "redirected": "redirigé",
    "wildcard": "joker",
    "none": "rien",
    "outside": "hors de la zone",
    "unknown": "non observé",
}
"""French names of the methods in use."""


def method_causes(seen: Seen, causes: Causes) -> None:
    """Report where declared and observed methods differ, and what is served unsafely or not at all."""
    for domain, method in seen.methods.items():
        _against_declaration(seen, causes, domain, method)
        _both(seen, causes, domain, method)
        if method.method == "wildcard":
            zone = method.cut if method.cut not in ("", method.path.qname) else seen.view.parent
            star = f"*.{method.path.qname.partition('.')[2]}"
            data = "NS" if method.path.qname in method.path.cuts else _data(method)
            causes.add("DNS_WILDCARD", (zone, star), [domain], f"{star} : {data}", lines=method.lines)
        if method.method == "unknown" and not (method.cut and seen.dead(method.cut)):
            causes.add(
                "DNS_METHOD_UNKNOWN",
                method.why,
                [domain],
                method.why,
                lines=method.lines,
            )


def _against_declaration(seen: Seen, causes: Causes, domain: str, method: Method) -> None:
    declared, operator = seen.declaration(domain), seen.operator[domain]
    if declared.kind == "delegation" and method.method == "redirected":
        causes.add(
            "DNS_DELEGATION_REDIRECTED", operator, [domain], f"redirection : {_data(method)}",
            f"délégation : {listed(declared.servers)}", method.lines,
        )  # fmt: skip
    elif declared.kind == "redirection" and method.method in ("delegated", "within-delegated"):
        servers = listed(seen.view.zone(method.cut).parent_ns)
        causes.add(
            "DNS_REDIRECTION_DELEGATED", operator, [domain], f"délégation de {method.cut} : {servers}",
            f"redirection : {declared.mail or 'serveur non précisé'}", method.lines,
        )  # fmt: skip
    elif declared.kind in ("delegation", "redirection") and method.method == "none":
        name = {"delegation": "délégation", "redirection": "redirection"}[declared.kind]
        zone = method.path.zone
        causes.add("DNS_DECLARED_ABSENT", (operator, zone), [domain], f"rien dans {zone}", name, method.lines)


def _both(seen: Seen, causes: Causes, domain: str, method: Method) -> None:
    """Report servers that answer with data of their own at a name that they delegate."""
    zones = (seen.view.parent, *method.path.cuts)
    for zone in zones:
        if zone == method.path.qname:
            continue
        # The SOA tells a server that carries the zone below too from one that mixes the two.
        told = seen.view.said.get((zone, method.path.qname, "SOA"), {})
        below = {address for address, one in told.items() if one.cut and one.authoritative}
        for qtype in ("MX", "A", "AAAA"):
            for address, one in seen.view.said.get((zone, method.path.qname, qtype), {}).items():
                names = {i.data for i in one.items if i.type == "NS" and i.owner == one.qname != zone}
                if one.outcome == "answer" and not one.cut and address not in below and names:
                    causes.add(
                        "DNS_CUT_WITH_DATA", (zone, seen.operator[domain]), [domain],
                        f"{one.qname} : {qtype} {listed(one.answers)} et NS {listed(names)}",
                        lines=[one.line],
                    )  # fmt: skip


def _data(method: Method) -> str:
    for qtype in ("MX", "A", "AAAA"):
        for one in method.path.said.get(qtype, {}).values():
            if one.outcome == "answer":
                return f"{qtype} {listed(one.answers)}"
    return "NS"
