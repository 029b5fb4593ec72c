"""Rules on the method, declared and in use, and on mail: MX records, and the hosts that they name."""

from collections.abc import Iterable
from typing import Any

from mssante_audit.audits.delegation_vs_redirection.observed import ObservedZones, server
from mssante_audit.findings.frame import Subject
from mssante_audit.network.hosts import MailHost, literal_address
from mssante_audit.network.lookups import Lookup
from mssante_audit.network.methods import Method
from mssante_audit.network.replies import MAX_RECORDS
from mssante_audit.network.walk import DEAD, Content, Elsewhere, ZoneVisit, rests_on
from mssante_audit.network.zones import EDNS_BROKEN, SERVING
from mssante_audit.observe.dns.walk import NOBODY
from mssante_audit.observe.lines import Reply
from mssante_audit.whitelist.rows import grouped

# State of a mail host (`mssante_audit.network.hosts.MailHost`) → rule.
STATUS_RULES = {
    "nxdomain": "DNS_MX_UNRESOLVED", "loop": "DNS_MX_UNRESOLVED", "nodata": "DNS_MX_NO_ADDRESS",
    "failed": "DNS_MX_HOST_DEAD", "differ": "DNS_MX_HOST_DIFFERS",
}  # fmt: skip
# Why only some resolvers obtain what is looked up.
PARTLY = ("tcp", "slow", "notimp", "odd", "denied", "alias", "partly", "six", "own", "long")
# States of exchangers to which no mail gets, as far as the DNS tells.
OUT_OF_REACH = {"null", "nxdomain", "nodata", "loop", "failed", "private"}


def method_findings(view: ObservedZones) -> None:
    """Report where declared and observed methods differ, and what is served unsafely or not at all."""
    parent = view.network.parent
    for domain, used in view.methods.items():
        declared, operator, replies = view.declaration(domain), view.operator[domain], used.replies
        if declared.kind == "delegation" and used.method == "redirected":
            expected: dict[str, Any] = {"servers": declared.servers}
            view.add("DNS_DELEGATION_REDIRECTED", operator, [domain], replies, expected, data=_data(used))
        elif declared.kind == "redirection" and used.method in ("delegated", "within-delegated"):
            servers, expected = view.network.zone(used.cut).parent_ns, {"mail": declared.mail}
            rule = "DNS_REDIRECTION_DELEGATED"
            view.add(rule, operator, [domain], replies, expected, zone=used.cut, servers=servers)
        elif declared.kind in ("delegation", "redirection") and used.method == "none":
            subject, expected = (operator, used.zone), {"method": declared.kind}
            view.add("DNS_DECLARED_ABSENT", subject, [domain], replies, expected, zone=used.zone)
        for zone in (parent, *used.cuts):
            if zone != used.name:
                _cut_with_data(view, domain, zone)
        if used.method == "wildcard":
            zone = used.cut if used.cut not in ("", used.name) else parent
            star = f"*.{used.name.partition('.')[2]}"
            data = {"type": "NS"} if used.name in used.cuts else _data(used)
            view.add("DNS_WILDCARD", (zone, star), [domain], replies, name=star, data=data)
        if alias := used.why.get("alias", ""):
            aliases = [way for way in view.met[domain] if isinstance(way, Elsewhere)]
            if not aliases or not all(map(leads_nowhere, aliases)):  # DNS_NO_MX tells of it
                view.add("DNS_ALIAS", (operator, alias), [domain], replies, alias=alias)
        causes = [(visit.zone, visit.part.cause) for visit in view.visits(domain)]
        explained = any(code == "mx-unanswered" or (code in DEAD and zone != parent) for zone, code in causes)
        if used.method == "unknown" and not explained:  # else another rule says what was met
            subject = (used.why["code"], used.why.get("zone", ""))
            view.add("DNS_METHOD_UNKNOWN", subject, [domain], replies, **used.why)


def _cut_with_data(view: ObservedZones, domain: str, zone: str) -> None:
    """Report servers that answer with data of their own at a name that they delegate."""
    replies = view.network.methods.replies_about(zone, view.methods[domain].name)
    # The SOA tells a server that carries the zone below too from one that mixes the two.
    soas = (reply for reply in replies if reply.qtype == "SOA" and not reply.silent)
    carries = {soa.address: bool(soa.cut and soa.usable) for soa in soas}
    for reply in replies:
        names = sorted(reply.data("NS", reply.qname))
        mixed = reply.qtype != "SOA" and reply.outcome == "answer" and not reply.cut
        if mixed and names and carries.get(reply.address) is False:
            data = {"type": reply.qtype, "data": sorted(reply.answers)}
            facts = {"name": reply.qname, "data": data, "servers": names}
            view.add("DNS_CUT_WITH_DATA", (zone, view.operator[domain]), [domain], [reply], **facts)


def _data(used: Method) -> dict[str, Any]:
    for qtype in ("MX", "A", "AAAA"):
        for reply in used.replies_to(qtype).values():
            if reply.outcome == "answer":
                return {"type": qtype, "data": sorted(reply.answers)}
    return {"type": "NS"}


def mail_findings(view: ObservedZones) -> None:
    """Report what is wrong with the mail exchangers of the list's domains."""
    exchangers: dict[str, list[str]] = {}  # domain → mail hosts
    for domain, ways in view.met.items():
        visits = [way for way in ways if isinstance(way, ZoneVisit)]
        elsewhere = [way for way in ways if isinstance(way, Elsewhere)]
        for visit in visits:
            _unanswered(view, domain, visit)
            _disagreement(view, domain, visit)
            _signed(view, domain, visit)
        for alias in elsewhere:
            _elsewhere(view, domain, alias)
        answers = [(content, replies) for visit in visits for content, replies, _ in visit.led]
        replies = [reply for _, of_content in answers for reply in of_content if reply.outcome != "referral"]
        named = [text.partition(" ")[2] for alias in elsewhere for text in alias.lookup.data]
        mx = [target for content, _ in answers if content[0] == "mx" for _, target in content[1]]
        if targets := sorted({*mx, *named}):
            exchangers[domain] = targets
            _together(view, domain, targets, replies)
        elif not any(content[0] in ("cut", "unheard") for content, _ in answers[-1:]):
            _nothing(view, domain, ways, answers)
    carried = grouped((target, domain) for domain, targets in exchangers.items() for target in targets)
    hosts = {target: view.network.hosts.host(target) for target in carried if target != NOBODY}
    with_ipv4 = (name for name, host in hosts.items() if host.v4.data or not host.v4.status)
    over4 = {domain for name in with_ipv4 for domain in carried[name]}  # or maybe: it is unknown
    for target, domains in carried.items():
        only = [domain for domain in domains if len(exchangers[domain]) == 1]
        if target == NOBODY:  # beside others it is DNS_MX_NULL_MIXED
            view.add("DNS_MX_NULL", target, only, _replies_on(view, only), name=target)
            continue
        if len(only) >= view.space.thresholds.concentration_min:
            view.add("DNS_MX_CONCENTRATION", target, only, _replies_on(view, domains), name=target)
        _host(view, hosts[target], domains, [d for d in domains if d not in over4])


def _replies_on(view: ObservedZones, domains: list[str]) -> list[Reply]:
    """Return the replies on a few domains that have one mail host."""
    return [reply for domain in domains[:5] for reply in view.methods[domain].replies]


def leads_nowhere(alias: Elsewhere) -> str:
    """Return why there is no mail host at a name that was looked up, "" if there may be."""
    if alias.ways.whole.receives != "no":
        return ""
    if alias.lookup.status in ("nxdomain", "loop"):
        return alias.lookup.status
    states = [host.state for host in rests_on(alias.ways) if isinstance(host, MailHost)]
    implied = alias.lookup.status == "nodata" and {*states} <= {"nxdomain", "nodata", "loop"}
    return states[0] if implied and states else ""


def _unanswered(view: ObservedZones, domain: str, visit: ZoneVisit) -> None:
    """Report servers that speak for a zone, but leave the MX without an answer, or one for all resolvers."""
    zone, index = view.network.zone(visit.zone), view.network.index
    failing: dict[str, tuple[str, Reply]] = {}
    for address, answer in visit.answers.items():
        over_udp = index.over(visit.zone, visit.name, "MX", address, "udp")
        sound = zone.states.get(address) in SERVING and index.edns(address) not in EDNS_BROKEN
        unanswered = answer.failed or (answer.kind == "tcp" and zone.answers_over(address, "udp"))
        if over_udp and sound and unanswered:
            failing[address] = over_udp.outcome, over_udp
        elif answer.kind == "odd" and answer.reply:
            capitals = "" if index.knows_capitals(answer.reply) else "capitals"
            if why := answer.reply.odd or capitals or ("lame" if answer.reply.outcome == "lame" else ""):
                failing[address] = why, answer.reply
    if failing:
        servers = [server(zone, address, outcome=failing[address][0]) for address in sorted(failing)]
        replies = [reply for _, reply in failing.values()]
        rule = "DNS_MX_SILENT" if visit.part.cause == "mx-unanswered" else "DNS_MX_REFUSED"
        view.add(rule, tuple(sorted(failing)), [domain], replies, servers=servers)


def _disagreement(view: ObservedZones, domain: str, visit: ZoneVisit) -> None:
    """Report servers of a zone, not of the parent, that do not always say the same of a name."""
    zone = view.network.zone(visit.zone)
    for _, replies, _ in visit.led:
        for reply in replies:
            if reply.direct and reply.alias:
                facts = {"name": reply.qname, "alias": reply.alias, "exchangers": sorted(reply.direct)}
                view.add("DNS_ALIAS_WITH_DATA", reply.qname, [domain], [reply], **facts)
    if visit.zone == view.network.parent:
        return
    # Where a name's mail goes, as a reply says: the zone it hands on to, or the hosts.
    answers: set[tuple[str, str, str, tuple[str, ...]]] = set()
    kinds = {reply: content[0] for content, replies, _ in reversed(visit.led) for reply in replies}
    for address, answer in visit.answers.items():
        informative = [reply for reply in answer.replies if kinds.get(reply, "unheard") != "unheard"]
        for reply in informative:
            hosts = {visit.name} if kinds[reply] == "implicit" else reply.direct or {reply.alias} - {""}
            transport = reply.transport if len({*informative}) > 1 else ""
            cut = reply.cut if kinds[reply] == "cut" else ""
            answers.add((address, transport, cut, tuple(sorted(hosts))))
    if len({(cut, names) for *_, cut, names in answers}) < 2:
        return
    servers = [
        server(zone, address, exchangers=list(names), transport=transport, **({"cut": cut} if cut else {}))
        for address, transport, cut, names in sorted(answers)
    ]
    subject = tuple(" ".join((facts["address"], *facts["exchangers"])) for facts in servers)
    all_replies = [reply for answer in visit.answers.values() for reply in answer.replies]
    view.add("DNS_MX_DISAGREE", subject, [domain], all_replies, servers=servers)


def _signed(view: ObservedZones, domain: str, visit: ZoneVisit) -> None:
    """Report an MX, or its denial, that validating resolvers refuse although the zone is valid."""
    zone, chains = view.network.zone(visit.zone), view.network.chains
    if any(chains.security(cut).status == "bogus" for cut in view.methods[domain].cuts):
        return  # the rules on that zone say so
    replies = [answer.reply for answer in visit.answers.values() if answer.informs and answer.reply]
    faults = {reply.address: (fault, reply) for reply in replies if (fault := chains.fault(reply))}
    if faults and len(faults) == len(replies) and all(answer.kind for answer in visit.answers.values()):
        fault, _ = next(iter(faults.values()))
        view.add("DNS_SIGNATURE_BROKEN", visit.name, [domain], replies, zone=visit.name, fault=fault)
        return
    reported = {address for address, fault in chains.security(visit.zone).servers if fault}
    for address, (fault, reply) in faults.items():
        if address not in reported:  # as one whose keys do not hold
            facts = server(zone, address, fault=fault)
            view.add("DNS_SIGNATURE_SERVER", address, [domain], [reply], **facts)


def _elsewhere(view: ObservedZones, domain: str, alias: Elsewhere) -> None:
    """Report what is wrong with the look-up of an alias's target that the walk does not reach."""
    name, looked_up, replies = alias.name, alias.lookup, list(alias.lookup.replies)
    partly = looked_up.partly in PARTLY and looked_up.status != "loop"
    if looked_up.status == "failed" or partly:
        partial = {"partly": looked_up.partly} if partly else {}
        view.add("DNS_MX_HOST_DEAD", name, [domain], replies, name=name, alias="", **partial)
    if looked_up.partly == "bogus":
        view.add("DNS_MX_BOGUS", name, [domain], replies, name=name, fault=_fault(view, looked_up))
    servers: list[dict[str, Any]] = [
        {"names": [last.server], "address": last.address, "transport": "",
         "exchangers": [end.end] if end.status == "nodata" else sorted(last.answers)}
        for end in looked_up.ends for last in end.replies[-1:]
    ]  # fmt: skip
    if len({(end.status, end.end if end.status == "nodata" else end.sets) for end in looked_up.ends}) > 1:
        subject = tuple(" ".join((facts["address"], *facts["exchangers"])) for facts in servers)
        view.add("DNS_MX_DISAGREE", subject, [domain], replies, servers=servers)


def _fault(view: ObservedZones, looked_up: Lookup) -> str:
    """Return why validating resolvers refuse what was looked up."""
    chains = view.network.chains
    for reply in looked_up.replies:
        of_zone = chains.security(reply.zone)
        if reply.zone and of_zone.status == "bogus":
            return of_zone.code
        if fault := chains.fault(reply):
            return fault
    return "wrong"


def _together(view: ObservedZones, domain: str, targets: list[str], replies: list[Reply]) -> None:
    """Report what is wrong with the exchangers as a whole, by themselves, by form and by certificate."""
    if NOBODY in targets and len(targets) > 1:
        view.add("DNS_MX_NULL_MIXED", tuple(targets), [domain], replies, exchangers=targets)
    largest = max((len(reply.answers) for reply in replies), default=0)
    if largest > MAX_RECORDS:
        view.add("DNS_SET_LARGE", (domain, "MX"), [domain], replies, name=domain, type="MX", count=largest)
    states = {t: "null" if t == NOBODY else view.network.hosts.host(t).state for t in targets}
    if len(targets) > 1 and {*states.values()} <= OUT_OF_REACH:
        hosts = [{"name": target, "status": state} for target, state in states.items()]
        view.add("DNS_MX_UNREACHABLE", tuple(targets), [domain], replies, hosts=hosts)
    declared, method = view.declaration(domain), view.methods[domain]
    redirected = method.method == "redirected" and declared.kind == "redirection" and declared.mail
    if redirected and targets != [declared.mail]:
        subject, expected = (" ".join(targets), declared.mail), {"exchangers": [declared.mail]}
        view.add("DNS_MX_DECLARED", subject, [domain], replies, expected, exchangers=targets)
    names = sorted(view.certificates[domain])
    named = [t for t in targets if t != NOBODY and not literal_address(t)]
    if named and names and not set(names).intersection(named):
        subject = (" ".join(named), " ".join(names))
        view.add("DNS_MX_CERTIFICATE", subject, [domain], replies, {"names": names}, exchangers=named)


def _nothing(
    view: ObservedZones, domain: str, ways: list[Any], answers: list[tuple[Content, tuple[Reply, ...]]]
) -> None:
    """Report a domain that no server has an MX for."""
    method, operator = view.methods[domain], view.operator[domain]
    if view.declaration(domain).kind in ("delegation", "redirection") and method.method == "none":
        return  # DNS_DECLARED_ABSENT
    aliases = [way for way in ways if isinstance(way, Elsewhere)]
    for way in aliases:
        if status := leads_nowhere(way):
            end = next((r.alias or r.qname for r in reversed(way.lookup.replies) if not r.answers), way.name)
            replies = [*method.replies, *way.lookup.replies]
            view.add("DNS_NO_MX", end, [domain], replies, alias=end, status=status)
            return
    hosts = [way for way in ways if isinstance(way, MailHost)]
    if reached := [host for host in hosts if host.addresses]:
        addresses = sorted(reached[0].addresses)
        subject, host = (operator, *addresses), reached[0]._replace(name=method.name)
        view.add("DNS_MX_IMPLICIT", subject, [domain], method.replies, addresses=addresses)
        if host.state in ("odd", "denied"):  # of the others servers have a finding
            facts = {"name": host.name, "alias": "", "partly": host.state}
            view.add("DNS_MX_HOST_DEAD", method.name, [domain], method.replies, **facts)
        _reach(view, subject, host, [domain], [domain], method.replies)
        return
    for host in hosts[:1]:  # what the domain's address is an alias of
        if host.state == "failed":
            view.add("DNS_MX_HOST_DEAD", host.name, [domain], method.replies, name=host.name, alias="")
        elif host.state:
            view.add("DNS_NO_MX", host.name, [domain], method.replies, alias=host.name, status=host.state)
    if not aliases and not hosts and answers:
        status = "nxdomain" if any(content[0] == "nxdomain" for content, _ in answers) else "nodata"
        zone = method.zone or method.name
        subject = (operator, zone if zone != method.name else "", status)
        view.add("DNS_NO_MX", subject, [domain], method.replies, zone=zone, status=status)


def _host(view: ObservedZones, host: MailHost, domains: list[str], without_ipv4: list[str]) -> None:
    """Check a mail host once, for all the domains that name it."""
    name, alias, replies = host.name, host.alias, [*host.v4.replies, *host.v6.replies]
    if literal_address(name) or host.state == "literal":
        view.add("DNS_MX_ADDRESS", name, domains, _replies_on(view, domains), name=name)
        return
    # What is wrong with a zone that a domain is reached through has rules of its own.
    others = [d for d in domains if host.v4.zone not in view.methods[d].cuts]
    if host.state in ("odd", "denied") or view.network.chains.security(host.v4.zone).status == "secure":
        others = domains  # then it is about the host alone
    if rule := STATUS_RULES.get(host.state, "DNS_MX_ALIAS" if alias and host.state else ""):
        sets = (host.v4 if any(host.v4.sets) else host.v6).sets if host.state == "differ" else ()
        differing = {"addresses": [sorted(addresses) for addresses in sets]} if sets else {}
        view.add(rule, name, domains, replies, name=name, alias=alias, **differing)
    if host.state in PARTLY:
        view.add("DNS_MX_HOST_DEAD", name, others, replies, name=name, alias=alias, partly=host.state)
    elif host.state == "bogus":
        fault = _fault(view, host.v4 if host.v4.data else host.v6)
        view.add("DNS_MX_BOGUS", name, others, replies, name=name, fault=fault)
    _reach(view, name, host, domains, without_ipv4, replies)
    for qtype, looked_up in (("A", host.v4), ("AAAA", host.v6)):
        if (largest := max(map(len, looked_up.sets), default=0)) > MAX_RECORDS:
            view.add("DNS_SET_LARGE", (name, qtype), domains, replies, name=name, type=qtype, count=largest)


def _reach(
    view: ObservedZones, subject: Subject, host: MailHost, domains: list[str],
    without_ipv4: list[str], replies: Iterable[Reply],
) -> None:  # fmt: skip
    """Report addresses that are not public, and hosts with IPv6 only where none has IPv4."""
    public = [address for address in host.addresses if view.network.index.public(address)]
    if private := sorted(set(host.addresses).difference(public)):
        rule = "DNS_MX_PRIVATE_SOME" if public else "DNS_MX_PRIVATE"
        view.add(rule, subject, domains, replies, name=host.name, addresses=private)
    if public and host.v4.status and not host.v4.data:
        view.add("DNS_MX_IPV6_ONLY", subject, without_ipv4, replies, name=host.name, addresses=public)
