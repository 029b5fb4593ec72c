"""Rules on mail: the MX records of each domain, the hosts they name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from dns.inet import is_address

from mssante_audit.audits.delegation_vs_redirection.observed import SET_MAX, Causes, Method, Seen, server
from mssante_audit.findings.frame import Subject
from mssante_audit.observe.dns.dnssec import answer_fault, security
from mssante_audit.observe.dns.exchangers import NOBODY
from mssante_audit.observe.dns.exchangers import targets as mx_targets
from mssante_audit.observe.dns.names import is_under
from mssante_audit.observe.dns.view import Said
from mssante_audit.observe.lines import SILENT

STATUS_RULES = {
    "nxdomain": "DNS_MX_UNRESOLVED", "loop": "DNS_MX_UNRESOLVED", "nodata": "DNS_MX_NO_ADDRESS",
    "failed": "DNS_MX_HOST_DEAD",
}  # fmt: skip
"""What is known of a mail host (`mssante_audit.observe.dns.view.Host`) → rule."""


def mail_findings(seen: Seen, causes: Causes) -> None:
    """Report what is wrong with the mail exchangers of the list's domains."""
    carried: dict[str, list[str]] = {}
    alone: dict[str, list[str]] = {}
    for domain, method in seen.methods.items():
        _unanswered(seen, causes, domain, method)
        _handed_on(seen, causes, domain, method)
        told = {a: _exchangers(seen, one) for a, one in method.path.said.get("MX", {}).items()}
        known = {address: found for address, found in told.items() if found is not None}
        _elsewhere(seen, causes, domain, method)
        if not known:
            continue
        _disagreement(seen, causes, domain, method, known)
        targets = sorted(mx_targets(text for found in known.values() for text in found))
        lines = [one.line for one in method.path.said["MX"].values()]
        _signed(seen, causes, domain, method)
        if targets:
            for target in targets:
                carried.setdefault(target, []).append(domain)
            if len(targets) == 1:
                alone.setdefault(targets[0], []).append(domain)
            _together(seen, causes, domain, targets, lines)
            _against_form_and_certificate(seen, causes, domain, targets, lines)
        else:
            _nothing(seen, causes, domain, method)
    hosts = {target: seen.view.host(target) for target in carried}
    on_ipv4 = {
        d for name, host in hosts.items() if any(":" not in a for a in host.addresses) for d in carried[name]
    }
    for target, domains in carried.items():
        _target(seen, causes, target, domains, alone.get(target, []))
        # On IPv6 only is a fault for those domains that have no other host on IPv4.
        if public := sorted(a for a in hosts[target].addresses if ip_address(a).is_global):
            only, left = {"name": target, "addresses": public}, [d for d in domains if d not in on_ipv4]
            causes.add("DNS_MX_IPV6_ONLY", target, left, only, lines=hosts[target].lines)


def mute(seen: Seen, method: Method) -> bool:
    """Tell whether servers that speak for the domain's zone were asked for its MX, and none answered."""
    told = _asked(seen, method)
    return bool(told) and not any(one.usable for one in told.values())


def _elsewhere(seen: Seen, causes: Causes, domain: str, method: Method) -> None:
    """Report what is wrong with looking up the name that has the mail, where the walk does not come to it."""
    name, view = method.path.qname, seen.view
    ends = {one.alias for one in method.path.said.get("MX", {}).values() if one.usable and one.alias}
    for end in ends or ({name} if name and not is_under(name, view.parent) else ()):
        host, mx = view.host(end), view.looked_up(end, "MX")
        if host.status == "failed" and not mx:
            causes.add("DNS_MX_HOST_DEAD", end, [domain], {"name": end, "alias": ""}, lines=host.lines)
        kinds = ("MX",) if mx and mx.answers else ("A", "AAAA")
        if how := _partly(seen, end, ("MX",)) or _partly(seen, end, kinds):
            told = {"name": end, "alias": "", "partly": how}
            causes.add("DNS_MX_HOST_DEAD", end, [domain], told, lines=host.lines)
        if fault := _host_fault(seen, end, ("MX", "A", "AAAA")):
            causes.add("DNS_MX_BOGUS", end, [domain], {"name": end, "fault": fault}, lines=host.lines)


def leads_on(seen: Seen, alias: str) -> bool:
    """Tell whether mail for an alias has somewhere to go, as far as is known (else DNS_NO_MX tells of it)."""
    told = seen.view.looked_up(alias, "MX")
    return bool(told and told.answers) or seen.view.host(alias).status not in ("nxdomain", "nodata", "loop")


def _asked(seen: Seen, method: Method) -> dict[str, Said]:
    """Return what was said to the question for the MX by the servers that are of use for the zone."""
    if not method.path.zone:
        return {}
    sound = seen.view.zone(method.path.zone).sound
    return {a: one for a, one in method.path.said.get("MX", {}).items() if a in sound and not one.cut}


def _unanswered(seen: Seen, causes: Causes, domain: str, method: Method) -> None:
    """Report servers that speak for the zone, but leave the question for the MX without an answer."""
    zone = seen.view.zone(method.path.zone)
    failing = {}
    for address, one in _asked(seen, method).items():
        over_udp = seen.view.over_udp.get((zone.name, one.qname, address), one)
        heard = seen.view.apex.get((zone.name, address, "udp"), one).outcome not in SILENT
        if not one.usable or (heard and over_udp.outcome != "truncated" and not over_udp.usable):
            failing[address] = over_udp
    if failing:
        told = [server(zone, address, outcome=one.outcome) for address, one in sorted(failing.items())]
        lines = [one.line for one in failing.values()]
        rule = "DNS_MX_SILENT" if mute(seen, method) else "DNS_MX_REFUSED"
        causes.add(rule, tuple(sorted(failing)), [domain], {"servers": told}, lines=lines)


def _signed(seen: Seen, causes: Causes, domain: str, method: Method) -> None:
    """Report an MX, or a denial of one, that a validating resolver refuses, whichever server it asks."""
    told = [one for one in method.path.said["MX"].values() if one.usable]
    faults = [answer_fault(seen.view, one) for one in told]
    if told and all(faults):
        facts = {"zone": method.path.qname, "fault": faults[0]}
        lines = [one.line for one in told]
        causes.add("DNS_SIGNATURE_BROKEN", method.path.qname, [domain], facts, lines=lines)


def _together(seen: Seen, causes: Causes, domain: str, targets: list[str], lines: list[int]) -> None:
    """Report what is wrong with the set of exchangers as a whole."""
    if NOBODY in targets and len(targets) > 1:
        causes.add("DNS_MX_NULL_MIXED", tuple(targets), [domain], {"exchangers": targets}, lines=lines)
    largest = max((len(one.answers) for one in seen.methods[domain].path.said["MX"].values()), default=0)
    if largest > SET_MAX:
        facts = {"name": domain, "type": "MX", "count": largest}
        causes.add("DNS_SET_LARGE", (domain, "MX"), [domain], facts, lines=lines)
    lost = {target: why for target in targets if (why := _out_of_reach(seen, target))}
    if len(targets) > 1 and len(lost) == len(targets):
        told = [{"name": target, "status": why} for target, why in lost.items()]
        causes.add("DNS_MX_UNREACHABLE", tuple(targets), [domain], {"hosts": told}, lines=lines)


def _out_of_reach(seen: Seen, target: str) -> str:
    """Return why no mail gets to an exchanger, as far as the DNS tells; "" if some may."""
    if target == NOBODY or is_address(target):
        return "null" if target == NOBODY else "address"
    host = seen.view.host(target)
    if host.addresses:
        return "" if any(ip_address(a).is_global for a in host.addresses) else "private"
    return "" if host.status == "unknown" else host.status


def _exchangers(seen: Seen, one: Said) -> frozenset[str] | None:
    """Return the MX data a reply gives, preferences with them; ``None`` if it does not say which."""
    if not one.usable:
        return None
    if one.answers or one.outcome not in ("answer", "lame"):
        return one.answers
    found = seen.view.looked_up(one.alias, "MX")
    return None if found is None else found.answers


def _disagreement(
    seen: Seen, causes: Causes, domain: str, method: Method, known: dict[str, frozenset[str]]
) -> None:
    """Report different sets of MX: between servers, transports, or two answers of one server.

    Those of the parent have a rule of their own.
    """
    if method.path.zone in ("", seen.view.parent):
        return
    zone, where = seen.view.zone(method.path.zone), (method.path.zone, method.path.qname)
    implied = {address: found or _implied(method, address) for address, found in known.items()}
    sets = {(address, ""): found for address, found in implied.items() if found is not None}
    for address, versions in seen.view.differing.get(where, {}).items():
        for one in versions.values():
            sets[address, one.transport] = one.answers
            sets.pop((address, ""), None)
    if len(set(sets.values())) < 2:
        return
    told = [
        server(zone, address, exchangers=sorted(found), transport=transport)
        for (address, transport), found in sorted(sets.items())
    ]
    lines = [one.line for one in method.path.said["MX"].values()]
    lines += [one.line for v in seen.view.differing.get(where, {}).values() for one in v.values()]
    subject = tuple(" ".join((one["address"], *one["exchangers"])) for one in told)
    causes.add("DNS_MX_DISAGREE", subject, [domain], {"servers": told}, lines=lines)


def _implied(method: Method, address: str) -> frozenset[str] | None:
    """Return the host that stands for a name without MX (RFC 5321, 5.1), as one of its servers has it.

    What it is an alias of, or itself if it has an address; ``None`` if the server does not say.
    """
    if alias := method.path.said["MX"][address].alias:
        return frozenset([alias])
    own = [method.path.said.get(kind, {}).get(address) for kind in ("A", "AAAA")]
    if any(one and one.answers for one in own):
        return frozenset([method.path.qname])
    denied = method.path.said["MX"][address].outcome == "nxdomain" or all(one and one.usable for one in own)
    return frozenset() if denied else None


def _handed_on(seen: Seen, causes: Causes, domain: str, method: Method) -> None:
    """Report servers of zones on the way that do not hand the name on as others do, or do not answer for it.

    That those of the parent zone differ has a rule of its own.
    """
    view, cuts = seen.view, method.path.cuts
    for name in (view.parent, *cuts[:-1]) if cuts else ():
        zone, said = view.zone(name), view.said.get((name, method.path.qname, "MX"), {})
        lines = [one.line for one in said.values()]
        failing = {a: one for a, one in said.items() if a in zone.sound and not (one.cut or one.usable)}
        if failing:
            told = [server(zone, address, outcome=one.outcome) for address, one in sorted(failing.items())]
            causes.add("DNS_MX_REFUSED", tuple(sorted(failing)), [domain], {"servers": told}, lines=lines)
        sets = {a: (one.cut, one.answers) for a, one in sorted(said.items()) if one.cut or one.usable}
        if name != view.parent and len(set(sets.values())) > 1:
            told = [
                server(zone, address, exchangers=sorted(found), cut=cut, transport="")
                for address, (cut, found) in sets.items()
            ]
            subject = tuple(" ".join((one["address"], one["cut"], *one["exchangers"])) for one in told)
            causes.add("DNS_MX_DISAGREE", subject, [domain], {"servers": told}, lines=lines)


def _nothing(seen: Seen, causes: Causes, domain: str, method: Method) -> None:
    if seen.declaration(domain).kind in ("delegation", "redirection") and method.method == "none":
        return  # DNS_DECLARED_ABSENT
    replies = {t: list(method.path.said.get(t, {}).values()) for t in ("MX", "A", "AAAA")}
    told = (one for t in ("A", "AAAA") for one in replies[t] if one.outcome == "answer")
    addresses = {address for one in told for address in one.answers}
    lines = [one.line for own in replies.values() for one in own]
    operator = seen.operator[domain]
    end = next((end for one in replies["MX"] if (end := one.alias)), "")
    host = seen.view.host(end) if end else None
    addresses |= set(host.addresses) if host else set()
    if host and host.status in ("nxdomain", "nodata", "loop"):
        lost = {"alias": end, "status": host.status}
        causes.add("DNS_NO_MX", end, [domain], lost, lines=[*lines, *host.lines])
        return
    if addresses:
        found = sorted(addresses)
        causes.add("DNS_MX_IMPLICIT", (operator, *found), [domain], {"addresses": found}, lines=lines)
        public = _public(causes, (operator, *found), method.path.qname, found, [domain], lines)
        if public and all(":" in address for address in found):
            only = {"name": method.path.qname, "addresses": public}
            causes.add("DNS_MX_IPV6_ONLY", (operator, *found), [domain], only, lines=lines)
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
    if target == NOBODY:  # beside others it is DNS_MX_NULL_MIXED
        causes.add("DNS_MX_NULL", target, alone, {"name": target}, lines=lines)
        return
    if is_address(target):
        causes.add("DNS_MX_ADDRESS", target, domains, {"name": target}, lines=lines)
        return
    if len(alone) >= seen.space.thresholds.concentration_min:
        causes.add("DNS_MX_CONCENTRATION", target, alone, {"name": target}, lines=lines)
    host = seen.view.host(target)
    if rule := STATUS_RULES.get(host.status, "DNS_MX_ALIAS" if host.alias else ""):
        causes.add(rule, target, domains, {"name": target, "alias": host.alias}, lines=host.lines)
    zones = {one.zone for kind in ("A", "AAAA") if (one := seen.view.looked_up(target, kind))}
    others = [d for d in domains if not zones.intersection(seen.methods[d].path.cuts)]
    if how := _partly(seen, target, ("A", "AAAA")):
        told = {"name": target, "alias": host.alias, "partly": how}
        causes.add("DNS_MX_HOST_DEAD", target, others, told, lines=host.lines)
    _public(causes, target, target, host.addresses, domains, host.lines)
    if fault := _host_fault(seen, target):
        causes.add("DNS_MX_BOGUS", target, others, {"name": target, "fault": fault}, lines=host.lines)


def _public(
    causes: Causes,
    subject: Subject,
    name: str,
    addresses: Sequence[str],
    domains: list[str],
    lines: Iterable[int],
) -> list[str]:
    """Report addresses of a mail host that are none to reach from outside; return the others."""
    public = [address for address in addresses if ip_address(address).is_global]
    if len(public) < len(addresses):
        rule = "DNS_MX_PRIVATE_SOME" if public else "DNS_MX_PRIVATE"
        private = {"name": name, "addresses": sorted(set(addresses).difference(public))}
        causes.add(rule, subject, domains, private, lines=lines)
    return public


def _partly(seen: Seen, target: str, kinds: tuple[str, ...]) -> str:
    """Return why only some resolvers obtain what is looked up of a name, through aliases; "" if all do."""
    for kind in kinds:
        name, told = target, []
        while (one := seen.view.looked_up(name, kind)) and one not in told:
            told.append(one)
            name = one.alias or name
        if told and (told[-1].answers or kind == "MX"):
            return next((how for one in told if (how := seen.view.partly(one))), "")
    return ""


def _host_fault(seen: Seen, target: str, kinds: tuple[str, ...] = ("A", "AAAA")) -> str:
    """Return why validating resolvers refuse what is looked up of a mail host; "" if they do not."""
    told = [one for kind in kinds if (one := seen.view.looked_up(target, kind))]
    for one in told:
        if one.zone and security(seen.view, one.zone).status == "bogus":
            return security(seen.view, one.zone).code
    faults = [answer_fault(seen.view, one) for one in told if one.outcome == "answer"]
    return faults[0] if faults and all(faults) else ""


def _against_form_and_certificate(
    seen: Seen, causes: Causes, domain: str, targets: list[str], lines: list[int]
) -> None:
    declared, method = seen.declaration(domain), seen.methods[domain]
    redirected = method.method == "redirected" and declared.kind == "redirection" and declared.mail
    if redirected and targets != [declared.mail]:
        subject, wanted = (" ".join(targets), declared.mail), {"exchangers": [declared.mail]}
        causes.add("DNS_MX_DECLARED", subject, [domain], {"exchangers": targets}, wanted, lines)
    names = sorted(seen.certificates[domain])
    hosts = [t for t in targets if t != NOBODY and not is_address(t)]
    if hosts and names and not set(names).intersection(hosts):
        subject = (" ".join(hosts), " ".join(names))
        causes.add("DNS_MX_CERTIFICATE", subject, [domain], {"exchangers": hosts}, {"names": names}, lines)
