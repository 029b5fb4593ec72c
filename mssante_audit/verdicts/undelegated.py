"""What declared servers say, asked as if the zone above pointed to them already (an undelegated test).

Silence and refusal are unknown; a reply that proves a fault is one. Where name servers are declared, mail
servers that let nobody in are no obstacle: it is not they that the declaration names.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mssante_audit.base.language import colon, current_language
from mssante_audit.base.settings import ObserveTls
from mssante_audit.network import Network, network_of
from mssante_audit.network.mail import mails
from mssante_audit.network.replies import PARTIAL
from mssante_audit.network.walk import DEAD, OF_SERVERS
from mssante_audit.observe.dns.names import canonical, is_under
from mssante_audit.observe.dns.run import NetworkError, observe_now
from mssante_audit.observe.tls.chain import judge
from mssante_audit.observe.tls.observation import TELLING, turned_away
from mssante_audit.observe.tls.visit import Visit, offers_of, shown, visit
from mssante_audit.values.dn import parse_dn, pasted_dn
from mssante_audit.values.person import unnamed
from mssante_audit.verdicts.gate import UNANSWERED, EditFinding, fault
from mssante_audit.verdicts.words import OUTCOME_WORDS, about, causes, reason

SERVERS, MAIL, CERTIFICATE = "DECLARED_SERVERS", "DECLARED_MAIL", "DECLARED_CERTIFICATE"
MOST_VISITED = 6  # addresses of mail servers visited for one declaration
# Causes that each server's own answer tells already.
_OF_SERVERS = {*OF_SERVERS.values(), *DEAD, "one-server", "mx-unanswered", "parent-silent"}
# Causes that the rules of an observation warn of.
_WARNED = ("exchangers-ipv6", "servers-ipv6", "private-among")
_NOT_KNOWN = ("exchangers-lost", "hosts-unheard", "servers-unheard", "not-reached", "not-observed")


def ask_declared(
    row: Mapping[Any, Any], how: Mapping[str, Any], tls: ObserveTls, trusted: tuple[Any, Any]
) -> Iterator[EditFinding]:
    """Ask the servers that a row of a declaration names; yield what is found.

    A withdrawal is not asked about. `how` are fields of `mssante_audit.observe.dns.settings.ObserveSettings`,
    `trusted` is what `mssante_audit.whitelist.signature.trust` returns.
    """
    domain = canonical(row["domain"])
    named = [canonical(row[name]) for name in ("primary_server", "secondary_server", "mail_server")]
    servers, mail_server = (tuple(dict.fromkeys(filter(None, part))) for part in (named[:2], named[2:]))
    names = servers if servers and (row["delegation"] is True or not mail_server) else mail_server
    if not domain or not names or row["withdrawal"] is True:
        return
    zone = domain if names is servers else ""
    try:
        observation = observe_now(zone, **how, declared=names, undelegated=zone)
    except NetworkError as error:
        yield fault(UNANSWERED, str(error))
        return
    network = network_of(observation)
    findings = [*_of_servers(network, domain, names)] if zone else []
    yield from findings
    if zone:
        # Resolvers forget the servers of the delegation once they know those that the zone names itself.
        sets = [reply.answers for reply in network.index.about(domain, "NS") if not reply.weak]
        if others := tuple(sorted(set().union(*sets).difference(names))):
            at = tuple((n, a) for n in names for a in network.addresses(n) if network.index.usable(a))
            by_zone = {**how, "parent_zone": zone, "parent_servers": at}  # who knows the names in it
            from_zone = network_of(observe_now(zone, **by_zone, declared=others, undelegated=zone))
            errors = (f for f in _of_servers(from_zone, domain, others, glue=False) if f.severity == "error")
            yield from (fault(SERVERS, finding.observed, "others") for finding in errors)
        mail = mails(observation, [domain], datetime.now(UTC), 1)[domain]
        parts = (mail.dns, mail.mail) if mail.ways and mail.mail != mail.dns else (mail.dns,)
        hosts = network.exchangers(domain)
    else:
        parts = (network.hosts.of_mx(tuple((10, name) for name in names)).mail,)
        hosts = names
    addresses = [(address, host) for host in hosts for address in network.visited(host)][:MOST_VISITED]
    reported = {*_OF_SERVERS, *_NOT_KNOWN[2:]} if findings else set()
    reported |= {"exchangers-private"} if addresses else set()  # of a laboratory on loopback
    for part in [part for part in parts if part.cause and part.cause not in reported]:
        if part.cause in _NOT_KNOWN:
            yield fault(UNANSWERED, reason(part.cause))
        else:
            finding = fault(MAIL, about(part), severity="warning" if part.cause in _WARNED else "error")
            yield finding._replace(remedy=causes()[part.cause]["do"])
    declared, offers = [row[name] for name in ("dn_igc_sante", "dn_igc_cps")], offers_of(tls)
    keys = {parse_dn(pasted_dn(text)).key for text in declared if text.strip()}
    for address, host in addresses:
        seen_there = visit(address, tls.port, "", tls, offers)
        if seen_there.outcome == "handshake-failed":
            seen_there = visit(address, tls.port, "", tls, offers, oldest=True)
        yield from _of_certificate(seen_there, f"{host} {address}", keys, trusted, declared=not zone)


def _of_servers(
    network: Network, domain: str, names: Sequence[str], *, glue: bool = True
) -> Iterator[EditFinding]:
    """Yield what each name server does not do; `glue`: the manager gives the address of one in the domain."""
    words = OUTCOME_WORDS[current_language()]
    for name in names:
        lookups = [network.lookups.look_up(name, qtype) for qtype in ("A", "AAAA")]
        addresses = sorted({address for lookup in lookups for address in lookup.data})
        certain = all(lookup.status in ("nxdomain", "nodata", "loop") for lookup in lookups)
        if not addresses and certain and not (glue and is_under(name, domain)):
            yield fault(SERVERS, f"{name}{colon()}{words[lookups[0].status]}", "address")
        elif not addresses:
            yield fault(UNANSWERED, name)
        elif any(lookup.alias for lookup in lookups):
            yield fault(SERVERS, name + colon() + reason("servers-alias"), "wrong")
        for address in addresses:
            answer = network.index.answer(domain, domain, "MX", address, walked=True)
            where = f"{name} {address}{colon()}"
            if network.index.usable(address) is False:
                yield fault(SERVERS, where + words["dead"], "address")
            elif answer.kind in ("", "silent", "refused"):
                yield fault(UNANSWERED, where + words[answer.kind or "unheard"])
            elif (kind := "lame" if answer.reply and answer.reply.weak else answer.kind) != "said":
                outcome = reason(OF_SERVERS[kind]) if kind in PARTIAL else words[kind]
                yield fault(SERVERS, where + outcome, "wrong", "warning" if kind == "slow" else "error")
            zone_reply = network.index.answer(domain, domain, "NS", address).reply
            if answer.informs and zone_reply and zone_reply.answers and zone_reply.answers != {*names}:
                yield fault(SERVERS, where + ", ".join(sorted(zone_reply.answers)), "others", "warning")


def _of_certificate(
    visited: Visit, where: str, keys: set[str], trusted: tuple[Any, Any], *, declared: bool
) -> Iterator[EditFinding]:
    """Yield what is wrong with what a mail server presents; `declared`: the declaration names it itself."""
    at, words = datetime.now(UTC), OUTCOME_WORDS[current_language()]
    refused = turned_away(visited)
    reply = f" ({unnamed(visited.detail)})" if visited.detail[:1].isdigit() else ""  # its own words
    observed = f"{where}{colon()}{words['refused' if refused else visited.outcome]}{reply}"
    if visited.outcome not in TELLING or (refused and declared):
        yield fault(UNANSWERED, observed) if declared else fault(CERTIFICATE, observed, "hidden", "info")
    if visited.outcome not in TELLING:
        return
    if not visited.chain:
        yield fault(CERTIFICATE, observed, "plain")
        return
    chain = judge(visited.chain, *trusted, at)
    observed = f"{where}{colon()}{unnamed(shown(chain.leaf.subject or chain.leaf.problem, 1000))}"
    for problem in chain.faults(at, keys)[:1]:
        if problem in ("unreadable", "name"):
            yield fault(CERTIFICATE, observed, "other", remedy="name")
        else:  # the anchors known here may not be all there are; a revocation is certain
            title = "dates" if problem == "dates" else "chain"
            yield fault(CERTIFICATE, observed, title, "warning" if problem == "chain" else "error")
