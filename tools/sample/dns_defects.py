"""Defects put into the made-up DNS, each with its truth: what must be found, on which domains.

The truth is written down as a defect is made, from the definition of the rules; no audit has a part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mssante_audit.observe.dns.names import canonical, is_under
from tools.sample.dns_signing import Signer
from tools.sample.dns_world import NameServer, Zone
from tools.sample.space import ZONE

if TYPE_CHECKING:
    from tools.sample.dns import SampleDns

SERIAL, OLD_SERIAL = 2026030101, 2026022001
NOWHERE = "0.0.0.0"  # noqa: S104 - nobody binds to it
DS = f"12345 8 2 {'0' * 64}"
"""A DS record that is of no key."""

OTHERWISE = {
    "DNS_SERVER_REFUSING": "REFUSED",
    "DNS_SERVER_FAILING": "SERVFAIL",
    "DNS_SERVER_LAME": "lame",
    "DNS_UPWARD_REFERRAL": "upward",
}
"""Rule → what a server says of a zone it does not carry."""
ODD: Mapping[str, Mapping[str, Any]] = {
    "DNS_SERVER_WEAK": {"weak": True},
    "DNS_SERVER_SLOW": {"late": True},
    "DNS_SERVER_PARTIAL": {"refused": ("SOA",)},
    "DNS_MX_REFUSED": {"refused": ("MX",)},
    "DNS_EDNS_BROKEN": {"edns": "dropped"},
    "DNS_EDNS_REFUSED": {"edns": "FORMERR"},
}
"""Rule → how a server answers of a zone it carries (`tools.sample.dns_world.NameServer`)."""


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
    if domain := dns.take_declared("delegation"):
        soa = dns.zones[domain].records[domain]["SOA"]
        soa[0] = f"hidden.{domain} {soa[0].partition(' ')[2]}"
        dns.record("DNS_PRIMARY_OTHER", domain)
    for domain in [d for d, method in dns.declared.items() if method == "redirection"]:
        dns.record("DNS_REDIRECTION_DELEGATED", domain)  # in a zone that is delegated for others
    # Delegated as declared: what is wrong with their mail is no matter of the method. They come last.
    dns.free += [
        d for d, method in dns.declared.items() if method == "delegation" and dns.members.get(d) == [d]
    ]


def _hosted(dns: SampleDns) -> Iterator[tuple[str, str]]:
    """Yield zones with a listed domain right below, which has none below itself and was not declared."""
    for top, hosted in dns.members.items():
        for domain in hosted:
            name = canonical(domain)
            alone = sum(is_under(canonical(other), name) for other in hosted) == 1
            if name.partition(".")[2] == top in dns.zones and domain not in dns.declared and alone:
                yield top, domain


def _unsafe(dns: SampleDns) -> None:
    domain = dns.take()
    dns.parent.add(domain, "MX", *dns.mx(domain))
    for address in dns.addresses(*(name for name in dns.parent.records[ZONE]["NS"])):
        dns.world.serve(dns.parent, address)
        dns.world.servers[address].mixed = (domain,)
    dns.record("DNS_CUT_WITH_DATA", domain)
    top, star = next(_hosted(dns))
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
    (first, _), (second, _) = dns.fresh(), dns.fresh()
    domains = [dns.take(), dns.take()]
    for domain in domains:
        dns.withdraw(domain)
        dns.parent.add(domain, "NS", first, second)
    for name in (first, second):
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
    for rule, answer in OTHERWISE.items():
        domain = dns.take()
        server = dns.world.servers[dns.with_server(domain)]
        server.zones.clear()
        server.otherwise = answer
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
    for rule, glue in (("DNS_GLUE_MISSING", ()), ("DNS_GLUE_DIFFERS", ("198.19.254.1", "198.19.254.2"))):
        domain = dns.take()
        name = f"ns.{domain}"
        dns.third(domain, name)
        dns.zones[domain].add(name, "A", "198.19.254.1")
        dns.parent.add(name, "A", *glue)
        dns.world.serve(dns.zones[domain], "198.19.254.1", "198.19.254.2")
        dns.record(rule, domain)


def _signatures(dns: SampleDns) -> None:
    domain = dns.take()
    Signer(dns.zones[domain], dns.at).sign()
    dns.parent.add(domain, "DS", DS)
    dns.record("DNS_DS_BROKEN", domain)
    domain = dns.take()
    Signer(dns.zones[domain], dns.at).sign()
    dns.record("DNS_NO_DS", domain)


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
        if kind == "A":
            dns.others[domain] = domain
        dns.record(rule, domain)


def _mail_hosts(dns: SampleDns) -> None:
    dns.world.root.add(
        "alias-mx.valfictif.example", "CNAME", dns.host("mx.valfictif.example", "192.88.99.251")
    )
    dns.host("sans-adresse.valfictif.example")
    dns.host("interne.valfictif.example", "10.20.30.40")
    dns.host("mixte.valfictif.example", "192.88.99.249", "10.20.30.41")
    name, address = dns.fresh()
    dns.world.root.add("mort.example", "NS", name)
    dns.world.servers[address] = NameServer()
    servers = [dns.fresh() for _ in range(2)]
    dns.world.root.add("partage.example", "NS", *(name for name, _ in servers))
    for number, (_, address) in enumerate(servers):
        zone = dns.world.serve(Zone("partage.example").soa(SERIAL), address)
        zone.add("mx.partage.example", "A", f"192.88.99.{246 - number}")
    domain = dns.take()
    for rule, target in (
        ("DNS_MX_ALIAS", "alias-mx.valfictif.example"),
        ("DNS_MX_ADDRESS", "192.88.99.253"),
        ("DNS_MX_UNRESOLVED", "mx.disparu.example"),
        ("DNS_MX_NO_ADDRESS", "sans-adresse.valfictif.example"),
        ("DNS_MX_PRIVATE", "interne.valfictif.example"),
        ("DNS_MX_PRIVATE_SOME", "mixte.valfictif.example"),
        ("DNS_MX_HOST_DEAD", "mx.mort.example"),
        ("DNS_MX_HOST_DIFFERS", "mx.partage.example"),
    ):
        dns.set_mx(domain, f"30 {target}")
        dns.record(rule, domain)
    domain = dns.take()
    dns.zones[domain].records[domain]["MX"] = ["10 mx.valfictif.example"]
    dns.record("DNS_MX_CERTIFICATE", domain)


def _exchangers(dns: SampleDns) -> None:
    """Put in sets of mail hosts at fault as a whole; a zone that names its servers without the final dot."""
    domain = dns.take()
    dns.host("interne-2.valfictif.example", "10.20.30.42")
    dns.zones[domain].records[domain]["MX"] = ["10 mx-2.disparu.example", "20 interne-2.valfictif.example"]
    for rule in ("DNS_MX_UNREACHABLE", "DNS_MX_UNRESOLVED", "DNS_MX_PRIVATE", "DNS_MX_CERTIFICATE"):
        dns.record(rule, domain)
    domain = dns.take()
    dns.set_mx(domain, "0 .")
    dns.record("DNS_MX_NULL_MIXED", domain)
    domain = dns.take()
    dns.world.root.add("six.valfictif.example", "AAAA", "2606:4700:4700::1111")
    dns.zones[domain].records[domain]["MX"] = ["10 six.valfictif.example"]
    for rule in ("DNS_MX_IPV6_ONLY", "DNS_MX_CERTIFICATE"):
        dns.record(rule, domain)
    domain = dns.take()
    dns.zones[domain].records[domain]["NS"] = [f"{name}.{domain}" for name in dns.servers[domain]]
    dns.record("DNS_OWN_SERVERS_DEAD", domain)


# -- servers with which some resolvers get on -------------------------------------------------------------


def _odd(dns: SampleDns) -> None:
    """One server of two that is odd, in a way each; then two that both refuse to tell the MX."""
    for rule, changes in ODD.items():
        domain = dns.take()
        address = dns.with_server(domain)
        dns.world.servers[address] = replace(dns.world.servers[address], **changes)
        dns.record(rule, domain)
    domain = dns.take()
    names = [dns.fresh() for _ in range(2)]
    dns.withdraw(domain)
    dns.delegate(domain, *(name for name, _ in names))
    for _, address in names:
        dns.world.servers[address].refused = ("MX",)
    dns.lost.add(domain)
    dns.record("DNS_MX_SILENT", domain)


def _reach(dns: SampleDns) -> None:
    """Servers on addresses that nobody, or not everybody, reaches; zones that BIND or a secondary drops."""
    domain = dns.take()
    dns.third(domain, dns.host("ns-nul.hebergeur-fictif.example", NOWHERE))
    dns.record("DNS_NS_PRIVATE", domain)
    domain = dns.take()
    names = [f"six{n}.hebergeur-fictif.example" for n in (1, 2)]
    dns.withdraw(domain)
    zone = dns.delegate(domain, *names)
    for n, name in enumerate(names):
        dns.world.root.add(name, "AAAA", f"2001:db8:{n}::53")
        dns.world.serve(zone, f"2001:db8:{n}::53")
    dns.record("DNS_IPV6_ONLY", domain)
    domain = dns.take()
    soa = dns.zones[domain].records[domain]["SOA"]
    soa[:] = [soa[0].replace(" 864000 ", " 3600 ")]
    dns.record("DNS_SOA_TIMERS", domain)
    domain = dns.take()
    dns.zones[domain].records[domain]["MX"] = [f"{n} {dns.mail[domain]}" for n in range(101)]
    dns.record("DNS_SET_LARGE", domain)
    domain = dns.take()
    dns.withdraw(domain)
    alias = "alias.valfictif.example"
    dns.parent.add(domain, "CNAME", alias)
    dns.world.root.add(alias, "MX", *dns.mx(domain))
    dns.record("DNS_ALIAS", domain)


def _chains(dns: SampleDns) -> None:
    """Zones that can only be judged where the zone above is signed."""
    if not dns.signed:
        return
    domain = dns.take()
    dns.parent.add(domain, "DS", f"12345 200 2 {'0' * 64}")
    dns.record("DNS_DS_UNKNOWN", domain)
    for rule, digest, signed in (
        ("DNS_SIGNATURE_BROKEN", "SHA256", {"begins": -30, "ends": -2}),
        ("DNS_SHA1", "SHA1", {}),
    ):
        domain = dns.take()
        signer = Signer(dns.zones[domain], dns.at)
        dns.parent.add(domain, "DS", signer.ds(digest))
        signer.sign(**signed)
        dns.record(rule, domain)
    domain = dns.take()
    address = dns.with_server(domain)
    signer = Signer(dns.zones[domain], dns.at)
    dns.parent.add(domain, "DS", signer.ds())
    signer.sign()
    Signer(dns.copy_at(domain, address), dns.at).sign(begins=-30, ends=-2)
    dns.record("DNS_SIGNATURE_SERVER", domain)
    domain, other = dns.take(), dns.take()
    dns.zones[other].add(f"mx.{other}", "A", "192.88.99.248")
    dns.set_mx(domain, f"30 mx.{other}")
    signer = Signer(dns.zones[other], dns.at)
    dns.parent.add(other, "DS", signer.ds())
    signer.sign()
    signer.sign(begins=-30, ends=-2, only=("A",))
    dns.record("DNS_MX_BOGUS", domain)
    # Below a zone that is not signed: a DS is of no use there.
    top, domain = next(pair for pair in _hosted(dns) if pair[1] not in dns.lost)
    name, above = canonical(domain), dns.zones[top]
    servers = [dns.fresh()[0] for _ in range(2)]
    zone = Zone(name).soa(SERIAL).add(name, "NS", *servers).add(name, "MX", *above.records.pop(name)["MX"])
    above.add(name, "NS", *servers).add(name, "DS", DS)
    dns.zones[name] = dns.world.serve(zone, *dns.addresses(*servers))
    Signer(zone, dns.at).sign()
    dns.record("DNS_DS_UNUSED", domain)


def _aliases(dns: SampleDns) -> None:
    """Put an alias beside mail hosts."""
    domain = dns.take()
    dns.withdraw(domain)
    alias = "alias-2.valfictif.example"
    dns.parent.add(domain, "MX", *dns.mx(domain)).add(domain, "CNAME", alias)
    dns.world.root.add(alias, "MX", *dns.mx(domain))
    dns.record("DNS_ALIAS_WITH_DATA", domain)


DEFECTS: tuple[Callable[[SampleDns], None], ...] = (
    _declared, _unsafe, _dead, _states, _copies, _sets, _names, _signatures, _no_mail, _mail_hosts,
    _exchangers, _odd, _reach, _chains, _aliases,
)  # fmt: skip
