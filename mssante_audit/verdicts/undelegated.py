"""What declared servers say, asked as if the zone above pointed to them already (an undelegated test).

Silence and refusal are unknown; a reply that proves a fault is one. Where name servers are declared, mail
servers that let nobody in are no obstacle: it is not they that the declaration names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mssante_audit.base.language import colon, current_language, gettext
from mssante_audit.base.settings import ObserveTls
from mssante_audit.declarations.register import Register
from mssante_audit.network import Network, network_of
from mssante_audit.network.answers import Part
from mssante_audit.network.mail import mails
from mssante_audit.network.replies import PARTIAL
from mssante_audit.network.servers import DEAD, OF_SERVERS
from mssante_audit.observe.dns.names import canonical, is_under
from mssante_audit.observe.dns.run import NetworkError, observe_now
from mssante_audit.observe.tls.chain import judge
from mssante_audit.observe.tls.observation import TELLING
from mssante_audit.observe.tls.visit import Visit, offers_of, shown, visit
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.person import unnamed
from mssante_audit.verdicts.gate import UNANSWERED, EditFinding
from mssante_audit.verdicts.words import SAID, causes, reason

SERVERS, MAIL, CERTIFICATE = "DECLARED_SERVERS", "DECLARED_MAIL", "DECLARED_CERTIFICATE"
MOST_VISITED = 6
"""Addresses of mail servers visited for one declaration."""
_OF_SERVERS = {*OF_SERVERS.values(), *DEAD, "one-server", "mx-unanswered", "parent-silent", "own-servers"}
"""Causes that each server's own answer tells already."""
_UNHEARD = ("exchangers-lost", "hosts-unheard", "servers-unheard", "not-reached", "not-observed")


def ask_declared(
    declaration: Register, how: Mapping[str, Any], tls: ObserveTls, trusted: tuple[Any, Any]
) -> dict[int, list[EditFinding]]:
    """Ask the servers that each row of a declaration names; return what was found by row.

    Parameters
    ----------
    declaration
        As `mssante_audit.declarations.register.load_declarations` reads it. A withdrawal is not asked about.
    how, tls
        How they are asked; `how` as `mssante_audit.observe.dns.settings.ObserveSettings` takes it.
    trusted
        As `mssante_audit.whitelist.signature.trust` returns it.
    """
    by_row: dict[int, list[EditFinding]] = {}
    for row in declaration.declarations.to_dict("records"):
        domain = canonical(row["domain"])
        servers, mail_server = (
            tuple(dict.fromkeys(filter(None, (canonical(row[name]) for name in names))))
            for names in (("primary_server", "secondary_server"), ("mail_server",))
        )
        ticked = {box for box in ("delegation", "redirection", "withdrawal") if row[box] is True}
        if not domain or "withdrawal" in ticked or not (servers or mail_server):
            continue
        keys = {parse_dn(row[name]).key for name in ("dn_igc_sante", "dn_igc_cps") if row[name].strip()}
        delegated = bool(servers) and ("delegation" in ticked or not mail_server)
        names = servers if delegated else mail_server
        zone = {"undelegated": domain} if delegated else {}
        try:
            seen = observe_now(domain if delegated else "", **how, declared=names, **zone)
        except NetworkError as error:
            by_row[row["row"]] = [_unanswered(str(error))]
            continue
        network = network_of(seen)
        if delegated:
            findings = [*_of_servers(network, domain, names)]
            mail = mails(seen, [domain], datetime.now(UTC), 1)[domain]
            parts = (mail.dns, mail.mail) if mail.ways else (mail.dns,)
            hosts = network.exchangers(domain)
        else:
            findings, hosts = [], names
            parts = (network.hosts.of_mx(tuple((10, name) for name in names)).mail,)
        addresses = [(address, host) for host in hosts for address in network.addresses(host)][:MOST_VISITED]
        local = network.index.laboratory and all(ipaddress.ip_address(a).is_loopback for a, _ in addresses)
        blamed = bool(findings)
        for part in parts:
            if not (addresses and local and part.cause == "exchangers-private"):
                findings += _of_part(part, blamed=blamed)
        findings += _of_certificates(addresses, keys, tls, trusted, declared=not delegated)
        by_row[row["row"]] = findings
    return by_row


def _of_servers(network: Network, domain: str, names: Sequence[str]) -> Iterator[EditFinding]:
    """Yield what each declared name server does not do for a domain."""
    said, lost = SAID[current_language()], gettext("Un serveur déclaré n’a pas d’adresse")
    for name in names:
        lookups = network.lookups.addresses(name)
        addresses = sorted({address for lookup in lookups for address in lookup.data})
        if not addresses:
            known = all(lookup.status in ("nxdomain", "nodata", "loop") for lookup in lookups)
            if known and not is_under(name, domain):  # below the domain only the manager can give one
                yield _finding(SERVERS, lost, f"{name}{colon()}{said[lookups[0].status]}")
            else:
                yield _unanswered(name)
        for address in addresses:
            answer = network.index.answer(domain, domain, "MX", address, walked=True)
            where = f"{name} {address}"
            if network.index.usable(address) is False:
                yield _finding(SERVERS, lost, f"{where}{colon()}{said['dead']}")
            elif answer.kind in ("", "silent", "refused"):
                yield _unanswered(f"{where}{colon()}{said[answer.kind or 'unheard']}")
            elif (kind := "lame" if answer.reply and answer.reply.weak else answer.kind) != "said":
                title = gettext("Un serveur déclaré ne répond pas comme il faut pour le domaine")
                met = reason(OF_SERVERS[kind]) if kind in PARTIAL else said[kind]
                severity = "warning" if kind == "slow" else "error"
                yield _finding(SERVERS, title, f"{where}{colon()}{met}", severity)
            zone_reply = network.index.answer(domain, domain, "NS", address).reply
            if answer.informs and zone_reply and zone_reply.answers and zone_reply.answers != {*names}:
                title = gettext("La zone nomme d’autres serveurs que la déclaration")
                yield _finding(
                    SERVERS, title, f"{where}{colon()}{', '.join(sorted(zone_reply.answers))}", "warning"
                )


def _of_part(part: Part, *, blamed: bool) -> Iterator[EditFinding]:
    """Yield why mail would not arrive; `blamed`: something was found of the servers already."""
    if part.cause in _UNHEARD:
        if not blamed or part.cause in _UNHEARD[:2]:
            yield _unanswered(reason(part.cause))
    elif part.cause and not (blamed and part.cause in _OF_SERVERS):
        names = [part.facts[name] for name in ("zone", "servers", "hosts") if part.facts.get(name)]
        about = ", ".join(text if isinstance(text, str) else ", ".join(text) for text in names)
        remedy = causes()[part.cause]["do"]
        yield _finding(MAIL, gettext("Les messages n’arriveraient pas"), about, remedy=remedy, why=part.cause)


def _of_certificates(
    addresses: Sequence[tuple[str, str]],
    keys: set[str],
    tls: ObserveTls,
    trusted: tuple[Any, Any],
    *,
    declared: bool,
) -> Iterator[EditFinding]:
    """Yield what is wrong with what mail servers present; `declared`: the declaration names them itself."""
    offers, said = offers_of(tls), SAID[current_language()]

    def met(address: str, name: str) -> Visit:
        return visit(address, tls.port, name, tls, offers)

    for address, host in addresses:
        seen = met(address, "")
        by_name = seen.outcome == "handshake-failed"
        if by_name:
            seen = met(address, host)
        where = f"{host} {address}"
        if seen.outcome not in TELLING:
            what = f"{where}{colon()}{said[seen.outcome]}"
            title = gettext("Un serveur de messagerie n’a pas montré son certificat")
            yield _unanswered(what) if declared else _finding(CERTIFICATE, title, what, "info")
        elif not seen.chain:
            met_there = f"{where}{colon()}{said[seen.outcome]}"
            yield _finding(CERTIFICATE, gettext("Serveur sans chiffrement"), met_there)
        else:
            yield from _held(seen, where, keys, trusted)


def _held(seen: Visit, where: str, keys: set[str], trusted: tuple[Any, Any]) -> Iterator[EditFinding]:
    """Hold what was presented against the declared names."""
    at = datetime.now(UTC)
    chain = judge(seen.chain, *trusted, at)
    leaf = chain.leaf
    what = f"{where}{colon()}{unnamed(shown(leaf.subject or leaf.problem, 1000))}"
    if leaf.problem or (keys and parse_dn(leaf.subject).key not in keys):
        title = gettext("Le certificat présenté n’est pas celui qui est déclaré")
        remedy = gettext("Déclarez le DN du certificat installé, ou installez le certificat déclaré.")
        yield _finding(CERTIFICATE, title, what, remedy=remedy)
    elif not leaf.in_time(at):
        yield _finding(CERTIFICATE, gettext("Le certificat présenté n’est pas en cours de validité"), what)
    elif chain.refused:
        # The anchors known here may not be all there are; a revocation is certain.
        severity = "error" if chain.status.answer == "revoked" else "warning"
        title = gettext("Le certificat présenté ne mène à aucune autorité connue, ou est révoqué")
        yield _finding(CERTIFICATE, title, what, severity)


def _unanswered(what: str) -> EditFinding:
    title = gettext("Un serveur déclaré n’a pas répondu : rien n’est prouvé")
    remedy = gettext("Vérifiez qu’il est joignable d’ici, puis demandez à nouveau.")
    return _finding(UNANSWERED, title, what, "info", remedy)


def _finding(
    rule: str, title: str, what: str, severity: str = "error", remedy: str = "", why: str = ""
) -> EditFinding:
    text = f"{reason(why)} ({what})" if why and what else reason(why) if why else what
    remedy = remedy or gettext("Corrigez ce serveur, ou déclarez-en un autre.")
    return EditFinding(rule, severity, "certain", title, text, "", remedy)
