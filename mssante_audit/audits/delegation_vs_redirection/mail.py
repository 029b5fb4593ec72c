"""Rules on mail: the MX records of each domain, and the hosts they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from dns.inet import is_address

from mssante_audit.audits.delegation_vs_redirection.observed import Causes, Method, Seen, seen_of, server
from mssante_audit.findings.frame import Finding
from mssante_audit.observe.dns.view import Said
from mssante_audit.space.trust import TrustSpace

NULL = "."
STATUS_RULES = {
    "nxdomain": "DNS_MX_UNRESOLVED", "loop": "DNS_MX_UNRESOLVED", "nodata": "DNS_MX_NO_ADDRESS"
}  # fmt: skip
"""What is known of a mail host (`mssante_audit.observe.dns.view.Host`) → rule."""


def mail_findings(space: TrustSpace) -> Iterator[Finding]:
    """Report what is wrong with the mail exchangers of the list's domains."""
    seen = seen_of(space)
    causes = Causes(seen.rows)
    carried: dict[str, list[str]] = {}
    alone: dict[str, list[str]] = {}
    for domain, method in seen.methods.items():
        told = {a: _exchangers(seen, one) for a, one in method.path.said.get("MX", {}).items()}
        known = {address: found for address, found in told.items() if found is not None}
        if not known:
            continue
        _disagreement(seen, causes, domain, method, known)
        targets = sorted({target for found in known.values() for target in found})
        lines = [one.line for one in method.path.said["MX"].values()]
        if targets:
            for target in targets:
                carried.setdefault(target, []).append(domain)
            if len(targets) == 1:
                alone.setdefault(targets[0], []).append(domain)
            _against_form_and_certificate(seen, causes, domain, targets, lines)
        else:
            _nothing(seen, causes, domain, method)
    for target, domains in carried.items():
        _target(seen, causes, target, domains, alone.get(target, []))
    yield from causes.findings()


def _exchangers(seen: Seen, one: Said) -> frozenset[str] | None:
    """Return the mail hosts a reply names; ``None`` if it does not say which."""
    if not one.authoritative:
        return None
    if one.answers or one.outcome != "answer":
        return _targets(one.answers)
    found = seen.view.looked_up(_alias(one), "MX")
    return None if found is None else _targets(found.answers)


def _alias(one: Said) -> str:
    """Return what a reply says that the name asked for is an alias of, through aliases; "" if it does not."""
    aliases = {i.owner: i.data for i in one.items if i.section == "answer" and i.type == "CNAME"}
    end = one.qname
    for _ in aliases:
        end = aliases.get(end, end)
    return end if end != one.qname else ""


def _targets(data: Iterable[str]) -> frozenset[str]:
    return frozenset(text.rpartition(" ")[2] for text in data)


def _disagreement(
    seen: Seen, causes: Causes, domain: str, method: Method, known: dict[str, frozenset[str]]
) -> None:
    """Report servers of a zone with different exchangers; those of the parent have a rule of their own."""
    if method.path.zone in ("", seen.view.parent) or len(set(known.values())) < 2:
        return
    zone = seen.view.zone(method.path.zone)
    told = [server(zone, address, exchangers=sorted(found)) for address, found in sorted(known.items())]
    lines = [one.line for one in method.path.said["MX"].values()]
    subject = tuple(" ".join((one["address"], *one["exchangers"])) for one in told)
    causes.add("DNS_MX_DISAGREE", subject, [domain], {"servers": told}, lines=lines)


def _nothing(seen: Seen, causes: Causes, domain: str, method: Method) -> None:
    if seen.declaration(domain).kind in ("delegation", "redirection") and method.method == "none":
        return  # DNS_DECLARED_ABSENT
    replies = {t: list(method.path.said.get(t, {}).values()) for t in ("MX", "A", "AAAA")}
    addresses = {
        a for t in ("A", "AAAA") for one in replies[t] if one.outcome == "answer" for a in one.answers
    }
    lines = [one.line for told in replies.values() for one in told]
    operator = seen.operator[domain]
    end = next((end for one in replies["MX"] if (end := _alias(one))), "")
    host = seen.view.host(end) if end else None
    addresses |= set(host.addresses) if host else set()
    if host and host.status in ("nxdomain", "nodata", "loop"):
        told = {"alias": end, "status": host.status}
        causes.add("DNS_NO_MX", end, [domain], told, lines=[*lines, *host.lines])
        return
    if addresses:
        found = sorted(addresses)
        causes.add("DNS_MX_IMPLICIT", (operator, *found), [domain], {"addresses": found}, lines=lines)
        return
    missing = any(one.outcome == "nxdomain" for one in replies["MX"])
    if missing or all(any(one.outcome == "nodata" for one in replies[t]) for t in ("A", "AAAA")):
        zone = method.path.zone or method.path.qname
        status = "nxdomain" if missing else "nodata"
        subject = (operator, zone if zone != method.path.qname else "", status)
        causes.add("DNS_NO_MX", subject, [domain], {"zone": zone, "status": status}, lines=lines)


def _target(seen: Seen, causes: Causes, target: str, domains: list[str], alone: list[str]) -> None:
    """Check a mail host once, for all the domains that name it; `alone`: those that name no other."""
    lines = [one.line for d in domains[:5] for one in seen.methods[d].path.said["MX"].values()]
    if target == NULL or is_address(target):
        rule = "DNS_MX_NULL" if target == NULL else "DNS_MX_ADDRESS"
        causes.add(rule, target, domains, {"name": target}, lines=lines)
        return
    if len(alone) >= seen.space.thresholds.concentration_min:
        causes.add("DNS_MX_CONCENTRATION", target, alone, {"name": target}, lines=lines)
    host = seen.view.host(target)
    if rule := STATUS_RULES.get(host.status, "DNS_MX_ALIAS" if host.alias else ""):
        causes.add(rule, target, domains, {"name": target, "alias": host.alias}, lines=host.lines)
    if host.addresses and not any(ip_address(a).is_global for a in host.addresses):
        private = {"name": target, "addresses": sorted(host.addresses)}
        causes.add("DNS_MX_PRIVATE", target, domains, private, lines=host.lines)


def _against_form_and_certificate(
    seen: Seen, causes: Causes, domain: str, targets: list[str], lines: list[int]
) -> None:
    declared, method = seen.declaration(domain), seen.methods[domain]
    redirected = method.method == "redirected" and declared.kind == "redirection" and declared.mail
    if redirected and targets != [declared.mail]:
        causes.add(
            "DNS_MX_DECLARED", (" ".join(targets), declared.mail), [domain], {"exchangers": targets},
            {"exchangers": [declared.mail]}, lines,
        )  # fmt: skip
    names = seen.certificates[domain]
    hosts = [t for t in targets if t != NULL and not is_address(t)]
    if hosts and names and not names.intersection(hosts):
        causes.add(
            "DNS_MX_CERTIFICATE", (" ".join(hosts), " ".join(sorted(names))), [domain],
            {"exchangers": hosts}, {"names": sorted(names)}, lines,
        )  # fmt: skip
