"""The DNS of the made-up white list, its defects with their truth, and the observation made of it.

Everything is delegated or redirected as declared and answers as it should, but for one defect a rule, each on
a domain of its own. Hosts have addresses that belong to nobody: name servers in the range kept for benchmarks
(198.18.0.0/15), mail hosts in one that was given back (192.88.99.0/24), for private ones are a defect; of a
space that is larger than the sample, which is never written anywhere, they go on behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mssante_audit.findings.places import row_ranges
from mssante_audit.observe.dns.names import canonical, is_under
from mssante_audit.values.dn import parse_dn
from mssante_audit.values.identifiers import parse_identifier
from tools.sample.declarations import is_test_row
from tools.sample.dns_defects import DEFECTS, OLD_SERIAL, SERIAL
from tools.sample.dns_signing import Signer, anchor
from tools.sample.dns_world import World, Zone, observation_bytes
from tools.sample.operators import Operator
from tools.sample.space import ZONE, Row, Truth

OBSERVED_AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
OBSERVATION = "observations/dns-2026-03-02T060000Z.jsonl.gz"
PARENTS = (("ns1.gestion-fictive.example", "192.0.2.10"), ("ns2.gestion-fictive.example", "192.0.2.11"))
BACKUP = "secours."
"""What the name of the second mail host begins with that each has beside it."""
CONCENTRATION = 50


@dataclass
class SampleDns:
    """The DNS being made up."""

    rows: dict[str, list[int]]
    """Listed domain → its rows."""
    owners: dict[int, str]
    """Row → operator."""
    mail: dict[str, str]
    """Domain → mail host: the name in its certificate, where that can be one."""
    servers: dict[str, tuple[str, ...]]
    """Domain → its operator's name servers, or those declared."""
    declared: dict[str, str]
    """Domain → method declared."""
    signed: bool = True
    """Whether the parent zone's signatures are made: each answer of it can then be checked."""
    at: datetime = OBSERVED_AT
    world: World = field(default_factory=lambda: World(parent_servers=PARENTS))
    parent: Zone = field(default_factory=lambda: Zone(ZONE).soa(SERIAL))
    zones: dict[str, Zone] = field(default_factory=dict)
    """Delegated zones by name."""
    members: dict[str, list[str]] = field(default_factory=dict)
    """Name right below the parent → listed domains there."""
    unobserved: list[str] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    """Domains whose mail hosts cannot be seen."""
    others: dict[str, str] = field(default_factory=dict)
    """Domain → a mail host of it that its own records do not name."""
    free: list[str] = field(default_factory=list)
    """Domains that no defect has touched, each alone under its name."""
    truth: list[tuple[str, list[str]]] = field(default_factory=list)
    """Rule, domains."""
    _hosts: int = 0

    def record(self, rule: str, *domains: str) -> None:
        """Write down that a rule must fire once, on these domains."""
        self.truth.append((rule, list(domains)))

    def take(self) -> str:
        """Take a domain that no defect has touched and nobody declared; it is delegated."""
        domain = self.free.pop(0)
        if domain not in self.zones:
            self.delegate(domain, *self.servers[domain])
        return domain

    def take_declared(self, method: str) -> str:
        """Take a domain that was declared with a method and is alone under its name; "" if there is none."""
        alone = (
            d for d, declared in self.declared.items() if declared == method and self.members.get(d) == [d]
        )
        domain = next(alone, "")
        self.declared.pop(domain, None)
        return domain

    def host(self, name: str, *addresses: str) -> str:
        """Give a host addresses; return its name."""
        sets = self.world.root.records.setdefault(name, {})
        sets.setdefault("A", [])
        sets["A"] += [address for address in addresses if address not in sets["A"]]
        return name

    def fresh(self) -> tuple[str, str]:
        """Return a name server of its own: name, address."""
        self._hosts += 1
        address = f"198.19.{self._hosts}.1"
        return self.host(f"ns{self._hosts}.hebergeur-fictif.example", address), address

    def mx(self, domain: str) -> list[str]:
        """Return the domain's own MX records: its operator's host, and the one beside it.

        Of the many domains of one host, most have no other.
        """
        host = self.mail[domain]
        crowded = sum(other == host for other in self.mail.values()) >= CONCENTRATION
        return [f"10 {host}"] if crowded and len(domain) % 8 else [f"10 {host}", f"20 {BACKUP}{host}"]

    def set_mx(self, domain: str, *data: str) -> None:
        """Add MX records to a domain that is delegated."""
        self.zones[domain].add(domain, "MX", *data)

    def mail_hosts(self, domain: str) -> list[str]:
        """Return the hosts that the MX records of the domain, or of what it is an alias of, name."""
        name, zones = canonical(domain), (*self.zones.values(), self.parent, self.world.root)
        name = next((z.records[name]["CNAME"][0] for z in zones if "CNAME" in z.records.get(name, ())), name)
        data = next((z.records[name]["MX"] for z in zones if "MX" in z.records.get(name, ())), [])
        return list(dict.fromkeys(text.rpartition(" ")[2] for text in data))

    def seen_hosts(self, domain: str) -> list[str]:
        """Return the mail hosts that an observer sees of a domain."""
        hosts = self.mail_hosts(domain) if canonical(domain) and domain not in self.lost else []
        other = self.others.get(domain)
        return [host for host in [*hosts, *([other] if other else [])] if host != "."]

    def delegate(self, name: str, *servers: str) -> Zone:
        """Delegate a zone with the listed domains in it; return it."""
        self.parent.records.pop(name, None)
        self.parent.add(name, "NS", *servers)
        zone = Zone(name).soa(SERIAL).add(name, "NS", *servers)
        for domain in self.members[name]:
            zone.add(canonical(domain), "MX", *self.mx(domain))
        self.zones[name] = zone
        return self.world.serve(zone, *self.addresses(*servers))

    def addresses(self, *servers: str) -> list[str]:
        """Return the addresses of name servers."""
        return [a for name in servers for a in self.world.root.records.get(name, {}).get("A", [])]

    def own(self, domain: str) -> Zone:
        """Return the zone of a domain."""
        return self.zones[canonical(domain)]

    def with_server(self, domain: str) -> str:
        """Have one of the domain's two servers be one of its own; return its address."""
        name, address = self.fresh()
        self.withdraw(domain)
        self.delegate(canonical(domain), self.servers[domain][0], name)
        return address

    def withdraw(self, domain: str) -> None:
        """Remove a domain from parent and servers."""
        name = canonical(domain)
        self.parent.records.pop(name, None)
        self.zones.pop(name, None)
        for server in self.world.servers.values():
            server.zones.pop(name, None)

    def copy_at(self, domain: str, address: str) -> Zone:
        """Give the server at an address a copy of its own of a domain's zone."""
        return self.world.serve(self.own(domain).copy(), address)

    def third(self, domain: str, name: str) -> None:
        """Name a third server for a domain, in both zones."""
        for zone in (self.own(domain), self.parent):
            zone.add(canonical(domain), "NS", name)
        self.world.serve(self.own(domain), *self.addresses(name))

    def truths(self, file: str) -> Iterator[Truth]:
        """Yield what was recorded as lines of ``defects.csv``."""
        for rule, domains in self.truth:
            yield self.line(file, rule, [row for domain in domains for row in self.rows[domain]])

    def line(self, file: str, rule: str, rows: Sequence[int]) -> Truth:
        """Return a line of ``defects.csv``."""
        owners = [self.owners[row] for row in sorted(rows)]
        owner = max(dict.fromkeys(owners), key=owners.count)
        first = next(domain for domain, numbers in self.rows.items() if min(rows) in numbers)
        return file, rule, first, owner, row_ranges(sorted(rows))

    def observation(self) -> bytes:
        """Return the observation file."""
        observed = [domain for domain in self.rows if domain not in self.unobserved]
        return observation_bytes(self.world, observed, OBSERVED_AT)


def build_dns(
    rows: Sequence[Row], operators: Sequence[Operator], register: Sequence[Mapping[str, str | int]] = (),
    *, defects: bool = True, signed: bool = True,
) -> SampleDns:  # fmt: skip
    """Make up the DNS that goes with a list; the same list gives the same DNS.

    Parameters
    ----------
    rows
        The white list's rows, in order.
    operators
        Whose domains these are.
    register
        What was declared, as `tools.sample.declarations` makes it up.
    defects
        Whether to put the defects in.
    signed
        Whether to sign the parent zone, and make the defects that can only be seen then.
    """
    dns = _listed(rows, {operator.id: operator for operator in operators}, register)
    dns.signed = signed
    _clean(dns)
    if defects:
        for defect in DEFECTS:
            defect(dns)
    _parent(dns, defects=defects)
    _concentrations(dns)
    return dns


def _listed(
    rows: Sequence[Row], by_id: dict[str, Operator], register: Sequence[Mapping[str, str | int]]
) -> SampleDns:
    dns = SampleDns({}, {}, {}, {}, {})
    names: dict[str, list[str]] = {}
    for number, row in enumerate(rows, 1):
        dn = parse_dn(row[2])
        if is_test_row(row[0], dn.get("O")):
            continue
        owner = parse_identifier(dn.get("OU")).value
        dns.rows.setdefault(row[0], []).append(number)
        dns.owners[number] = owner
        names.setdefault(row[0], []).extend([dn.get("CN").lower().rstrip(".")] if dn.get("CN") else [])
        mail = by_id[owner].mail if owner in by_id else next(iter(by_id.values())).mail
        dns.servers.setdefault(row[0], (f"ns1.{mail}", f"ns2.{mail}"))
    for domain, certified in names.items():
        usable = [cn for cn in certified if canonical(cn) == cn and "." in cn]
        dns.mail[domain] = usable[0] if usable else f"mss.{dns.servers[domain][0].partition('.')[2]}"
        if certified and not usable:
            dns.record("DNS_MX_CERTIFICATE", domain)
    for cells in register:
        domain = next((d for d in dns.rows if d.lower() == str(cells["domain"]).strip().lower()), "")
        if domain and not cells["withdrawal"]:
            dns.declared[domain] = "delegation" if cells["delegation"] else "redirection"
            if cells["delegation"]:
                dns.servers[domain] = (str(cells["primary_server"]), str(cells["secondary_server"]))
        elif domain:
            dns.declared[domain] = "withdrawal"
    return dns


def _clean(dns: SampleDns) -> None:
    """Delegate or redirect every domain, with everything as it should be."""
    for name, address in PARENTS:
        dns.parent.add(ZONE, "NS", name)
        dns.host(name, address)
    for at, mail in enumerate(dict.fromkeys(dns.mail.values())):
        dns.host(mail, f"192.88.{99 + at // 125}.{2 * at % 250 + 1}")
        dns.host(f"{BACKUP}{mail}", f"192.88.{99 + at // 125}.{2 * at % 250 + 2}")
    for at, name in enumerate(dict.fromkeys(n for names in dns.servers.values() for n in names)):
        dns.host(name, f"198.18.{at % 250}.{at // 250 + 1}")
    for domain in dns.rows:
        qname = canonical(domain)
        if qname and is_under(qname, ZONE):
            top = ".".join(qname.split(".")[-3:]) if "\\." not in qname else qname
            dns.members.setdefault(top, []).append(domain)
        elif qname:
            dns.world.root.add(qname, "MX", *dns.mx(domain))
    for at, (top, domains) in enumerate(dns.members.items()):
        alone = [canonical(d) for d in domains] == [top]
        method = dns.declared.get(domains[0], "")
        if alone and (method == "redirection" or (at % 3 == 2 and not method)):
            dns.parent.add(top, "MX", *dns.mx(domains[0]))
        else:
            first = next((d for d in domains if canonical(d) == top), domains[0])
            dns.delegate(top, *dns.servers[first])
    unreadable = [domain for domain in dns.rows if not canonical(domain)]
    if unreadable:
        dns.record("DNS_METHOD_UNKNOWN", *unreadable)
    free = (names[0] for top, names in dns.members.items() if names == [top] and names[0] not in dns.declared)
    dns.free = list(free)


def _parent(dns: SampleDns, *, defects: bool) -> None:
    """Have the parent's servers carry its zone; the second an older copy, if there are to be defects."""
    if defects and dns.signed:
        anchor(dns.world, dns.parent, dns.at)
    other = dns.parent.copy() if defects else dns.parent
    for (_, address), zone in zip(PARENTS, (dns.parent, other), strict=True):
        dns.world.serve(zone, address)
    if defects:
        other.soa(OLD_SERIAL)
        observed = [
            d for d in dns.rows if canonical(d) and is_under(canonical(d), ZONE) and d not in dns.unobserved
        ]
        dns.record("DNS_PARENT_SERIALS", *observed)
        lacking = [dns.take(), dns.take()]
        for domain in lacking:
            del other.records[domain]
        dns.record("DNS_PARENT_DISAGREE", *lacking)
        for zone in (dns.parent, other) if dns.signed else ():
            Signer(zone, dns.at).sign()


def _concentrations(dns: SampleDns) -> None:
    """Write down which mail hosts are the only ones of many domains."""
    carried: dict[str, list[str]] = {}
    several = {domain for rule, domains in dns.truth if rule == "DNS_MX_DISAGREE" for domain in domains}
    for domain in dns.rows:
        if domain not in dns.lost and domain not in several:
            hosts = dns.mail_hosts(domain)
            if len(hosts) == 1:
                carried.setdefault(hosts[0], []).append(domain)
    for domains in carried.values():
        if len(domains) >= CONCENTRATION:
            dns.record("DNS_MX_CONCENTRATION", *domains)
