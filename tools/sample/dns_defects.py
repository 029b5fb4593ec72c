"""Defects put into the made-up DNS, each with its truth: what must be found, on which domains.

The truth is written down as a defect is made, from the definition of the rules; no audit has a part in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mssante_audit.observe.dns.names import canonical, is_under
from tools.sample.dns_world import KEY
from tools.sample.space import ZONE

if TYPE_CHECKING:
    from tools.sample.dns import SampleDns

OLD_SERIAL = 2026022001
DS = f"12345 8 2 {'0' * 64}"
"""A DS record that is of no key."""

OTHERWISE = {
    "DNS_SERVER_REFUSING": "REFUSED",
    "DNS_SERVER_FAILING": "SERVFAIL",
    "DNS_SERVER_LAME": "lame",
    "DNS_UPWARD_REFERRAL": "upward",
}
"""Rule → what a server says of a zone it does not carry."""


# -- method ---------------------------------------------------------------------------------------------


def _declared(dns: SampleDns) -> None:
    if domain := dns.take_declared("delegation"):
        dns.withdraw(domain)
        dns.parent.add(domain, "MX", *dns.mx(domain))
        dns.record("DNS_DELEGATION_REDIRECTED", domain)
    if domain := dns.take_declared("redirection"):
        dns.record("DNS_MX_DECLARED", domain)
    if domain := dns.take_declared("redirection"):
        dns.withdraw(domain)
        dns.delegate(domain, *dns.servers[domain])
        dns.record("DNS_REDIRECTION_DELEGATED", domain)
    if domain := dns.take_declared("delegation"):
        dns.withdraw(domain)
        dns.lost.add(domain)
        dns.record("DNS_DECLARED_ABSENT", domain)
    if domain := dns.take_declared("delegation"):
        dns.withdraw(domain)
        dns.delegate(domain, dns.servers[domain][0], dns.fresh()[0])
        dns.record("DNS_DECLARED_SERVERS", domain)
    for domain in [d for d, told in dns.declared.items() if told == "redirection"]:
        dns.record("DNS_REDIRECTION_DELEGATED", domain)  # in a zone that is delegated for others
    # Delegated as declared: what is wrong with their mail is no matter of the method. They come last.
    dns.free += [d for d, told in dns.declared.items() if told == "delegation" and dns.members.get(d) == [d]]


def _unsafe(dns: SampleDns) -> None:
    domain = dns.take()
    dns.parent.add(domain, "MX", *dns.mx(domain))
    for address in dns.addresses(*(name for name in dns.parent.records[ZONE]["NS"])):
        dns.world.serve(dns.parent, address)
        dns.world.servers[address].mixed = (domain,)
    dns.record("DNS_CUT_WITH_DATA", domain)
    top, star = next(
        (top, domain)
        for top, hosted in dns.members.items()
        for domain in hosted
        if canonical(domain).partition(".")[2] == top in dns.zones
        and domain not in dns.declared
        and sum(is_under(canonical(other), canonical(domain)) for other in hosted) == 1
    )
    del dns.zones[top].records[canonical(star)]
    dns.zones[top].add(f"*.{top}", "MX", f"50 {dns.mail[star]}")
    dns.lost.add(star)
    dns.others[star] = dns.mail[star]
    dns.record("DNS_WILDCARD", star)
    domain = dns.take()
    dns.unobserved.append(domain)
    dns.lost.add(domain)
    dns.record("DNS_METHOD_UNKNOWN", domain)


# -- servers --------------------------------------------------------------------------------------------


def _dead(dns: SampleDns) -> None:
    """Two domains on the same two servers, neither of which knows them: one cause."""
    (one, _), (two, _) = dns.fresh(), dns.fresh()
    domains = [dns.take(), dns.take()]
    for domain in domains:
        dns.withdraw(domain)
        dns.parent.add(domain, "NS", one, two)
    for name in (one, two):
        dns.world.serve(next(iter(dns.zones.values())), *dns.addresses(name))
    dns.lost.update(domains)
    dns.record("DNS_DELEGATION_DEAD", *domains)


def _states(dns: SampleDns) -> None:
    name, address = dns.fresh()
    domains = [dns.take(), dns.take()]
    for domain in domains:
        dns.withdraw(domain)
        dns.delegate(domain, dns.servers[domain][0], name)
    dns.world.servers[address].silent = ("udp", "tcp")
    dns.record("DNS_SERVER_SILENT", *domains)
    for rule, how in OTHERWISE.items():
        domain = dns.take()
        server = dns.world.servers[dns.with_server(domain)]
        server.zones.clear()
        server.otherwise = how
        dns.record(rule, domain)
    for rule, silent in (("DNS_UDP_ONLY", "tcp"), ("DNS_TCP_ONLY", "udp")):
        domain = dns.take()
        dns.world.servers[dns.with_server(domain)].silent = (silent,)
        dns.record(rule, domain)
    domain = dns.take()
    dns.world.servers[dns.with_server(domain)].recursive = True
    dns.record("DNS_OPEN_RECURSION", domain)


def _copies(dns: SampleDns) -> None:
    """Servers with a copy of the zone of their own: without SOA, old, with other servers or mail hosts."""
    domain = dns.take()
    del dns.copy_at(domain, dns.with_server(domain)).records[domain]["SOA"]
    dns.record("DNS_SOA_MISSING", domain)
    domain = dns.take()
    dns.copy_at(domain, dns.with_server(domain)).soa(OLD_SERIAL)
    dns.record("DNS_SOA_SERIALS", domain)
    domain = dns.take()
    copy = dns.copy_at(domain, dns.with_server(domain))
    del copy.records[domain]["NS"][0]
    dns.record("DNS_NS_DISAGREE", domain)
    domain = dns.take()
    dns.copy_at(domain, dns.with_server(domain)).add(
        domain, "MX", f"30 {dns.host('mx.valfictif.example', '192.88.99.251')}"
    )
    dns.others[domain] = "mx.valfictif.example"
    dns.record("DNS_MX_DISAGREE", domain)


# -- names and addresses of servers ---------------------------------------------------------------------


def _sets(dns: SampleDns) -> None:
    domain = dns.take()
    name, address = dns.fresh()
    dns.zones[domain].add(domain, "NS", name)
    dns.world.serve(dns.zones[domain], address)
    dns.record("DNS_NS_MISMATCH", domain)
    domain = dns.take()
    dns.withdraw(domain)
    dns.delegate(domain, dns.fresh()[0])
    dns.record("DNS_SINGLE_SERVER", domain)
    for rule, addresses in (
        ("DNS_SAME_ADDRESS", ("198.19.250.1", "198.19.250.1")),
        ("DNS_SAME_NETWORK", ("198.19.251.1", "198.19.251.2")),
    ):
        domain = dns.take()
        names = [
            dns.host(f"{n}.{domain.partition('.')[0]}.example", a)
            for n, a in zip(("a", "b"), addresses, strict=True)
        ]
        dns.withdraw(domain)
        dns.delegate(domain, *names)
        dns.record(rule, domain)


def _names(dns: SampleDns) -> None:
    domain = dns.take()
    dns.third(domain, dns.host("ns_3.hebergeur-fictif.example", "198.19.252.1"))
    dns.record("DNS_NS_NAME", domain)
    domain = dns.take()
    dns.world.root.add(
        "alias.hebergeur-fictif.example", "CNAME", dns.host("vrai.hebergeur-fictif.example", "198.19.253.1")
    )
    dns.world.serve(dns.zones[domain], "198.19.253.1")
    dns.third(domain, "alias.hebergeur-fictif.example")
    dns.record("DNS_NS_ALIAS", domain)
    domain = dns.take()
    dns.third(domain, "ns.disparu.example")
    dns.record("DNS_NS_UNRESOLVED", domain)
    for rule, given in (("DNS_GLUE_MISSING", ()), ("DNS_GLUE_DIFFERS", ("198.19.254.1", "198.19.254.2"))):
        domain = dns.take()
        name = f"ns.{domain}"
        dns.third(domain, name)
        dns.zones[domain].add(name, "A", "198.19.254.1")
        dns.parent.add(name, "A", *given)
        dns.world.serve(dns.zones[domain], "198.19.254.1", "198.19.254.2")
        dns.record(rule, domain)


def _signatures(dns: SampleDns) -> None:
    dns.world.anchor(dns.parent)
    for rule, ds in (("DNS_DS_BROKEN", (DS,)), ("DNS_NO_DS", ())):
        domain = dns.take()
        dns.zones[domain].signed = True
        dns.zones[domain].add(domain, "DNSKEY", KEY)
        dns.parent.add(domain, "DS", *ds)
        dns.record(rule, domain)


# -- mail -----------------------------------------------------------------------------------------------


def _no_mail(dns: SampleDns) -> None:
    for rule, kind, data in (
        ("DNS_NO_MX", "TXT", '"v=spf1 -all"'),
        ("DNS_MX_IMPLICIT", "A", "192.88.99.252"),
        ("DNS_MX_NULL", "MX", "0 ."),
    ):
        domain = dns.take()
        del dns.zones[domain].records[domain]["MX"]
        dns.zones[domain].add(domain, kind, data)
        dns.record(rule, domain)


def _mail_hosts(dns: SampleDns) -> None:
    dns.world.root.add(
        "alias-mx.valfictif.example", "CNAME", dns.host("mx.valfictif.example", "192.88.99.251")
    )
    dns.host("sans-adresse.valfictif.example")
    dns.host("interne.valfictif.example", "10.20.30.40")
    domain = dns.take()
    for rule, target in (
        ("DNS_MX_ALIAS", "alias-mx.valfictif.example"),
        ("DNS_MX_ADDRESS", "192.88.99.253"),
        ("DNS_MX_UNRESOLVED", "mx.disparu.example"),
        ("DNS_MX_NO_ADDRESS", "sans-adresse.valfictif.example"),
        ("DNS_MX_PRIVATE", "interne.valfictif.example"),
    ):
        dns.set_mx(domain, f"30 {target}")
        dns.record(rule, domain)
    domain = dns.take()
    dns.zones[domain].records[domain]["MX"] = ["10 mx.valfictif.example"]
    dns.record("DNS_MX_CERTIFICATE", domain)


DEFECTS: tuple[Callable[[SampleDns], None], ...] = (
    _declared, _unsafe, _dead, _states, _copies, _sets, _names, _signatures, _no_mail, _mail_hosts,
)  # fmt: skip
