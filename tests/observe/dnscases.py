"""One zone a rule, for real name servers: what is served, and all that the audit must find.

`dnsscene` serves them, `test_real_servers` holds the audit to them, `tools/oracle.py` has Zonemaster look at
them too. Addresses are of networks that have owners: they exist only in a network namespace with nothing but
itself, where they stand for public ones.
"""

from dataclasses import dataclass, field

ROOT, TOP = "198.41.0.4", "194.0.9.1"
P1, P2, P3 = "5.39.10.1", "46.18.20.1", "46.18.21.1"
"""Servers of the parents: NSD, Knot, and a scripted one that answers with data at a cut."""
ONE, TWO, NEAR = "80.67.1.1", "91.121.2.2", "80.67.1.2"
"""Good servers of operators: NSD, Knot, and NSD's second address, in the same /24 as the first."""
NOBODY = ("62.210.9.1", "62.210.10.1")  # nobody listens there
SIX_ONE, SIX_TWO = "2001:660:1::1", "2001:bc8:2::2"  # the good servers' addresses of IPv6
SHARED = (ROOT, TOP, P1, P2, P3, ONE, TWO, NEAR, SIX_ONE, SIX_TWO)
MX = "mx1.mail.example"
SOA = "@ SOA ns1.op.example. hostmaster.op.example. {serial} 14400 3600 1209600 3600\n"
NS = ("ns1.op.example", "ns2.op.example")
DS, DS_SHA1 = "{ds}", "{ds-sha1}"  # stand for the DS record of the case's key, of its SHA-256 or SHA-1


def zone(*lines: str, serial: int = 2024020201, ns: tuple[str, ...] = NS, mx: str = f"10 {MX}.") -> str:
    text = SOA.format(serial=serial) + "".join(f"@ NS {name}.\n" for name in ns)
    return text + (f"@ MX {mx}\n" if mx else "") + "".join(f"{line}\n" for line in lines)


def cut(*names: str) -> tuple[str, ...]:
    """Write a delegation, as lines of the parent zone ("" stands for the case's name)."""
    return tuple(f"@ NS {name}." for name in names or NS)


@dataclass(frozen=True)
class Case:
    """A domain on real servers."""

    name: str
    what: str
    rules: tuple[str, ...] = ()  # what the audit must find: these rules and no other
    parent: tuple[str, ...] = field(default_factory=cut)  # lines of the parent zone; `@` is the case's domain
    first: str | None = field(default_factory=zone)
    """The zone as NSD serves it, on `ONE` and `NEAR`; ``None`` for not at all."""
    second: str | None = ""
    """As Knot serves it on `TWO`; "" for the same."""
    hosts: tuple[str, ...] = ()  # lines of the zone `example`
    scripted: tuple[tuple[str, str], ...] = ()  # address → what a server of `dnsscene` does there
    listed: tuple[str, ...] = ("@",)  # domains of the list
    declared: tuple[str, ...] = ()  # boxes and servers of a form: kind, primary, secondary, mail
    cn: str = MX
    signed: str = ""
    """How the zone is signed, for `dnsscene.Key`; "" for not at all."""
    more: tuple[tuple[str, str], ...] = ()
    """Further zones on both servers, by name below the case's, or with a final dot."""
    split: tuple[tuple[str, str, str], ...] = ()
    """Further zones by name, which the two servers have in different versions."""
    zone: str = "mssante.fr"  # the parent zone
    tested: str = ""  # the zone to show to Zonemaster, if it is not the case's domain
    second_parent: tuple[str, ...] | None = None
    """The lines as the parent's second server has them, where they differ."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tested", self.tested or self.domain)

    @property
    def domain(self) -> str:
        return f"{self.name}.{self.zone}"

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.domain if label == "@" else f"{label}.{self.domain}" for label in self.listed)

    @property
    def apart(self) -> str | None:
        return self.first if self.second == "" else self.second


def special(name: str, what: str, rule: str, number: int, does: str, **more: object) -> Case:
    server, address = f"ns2-{name}.op.example", f"62.210.7.{number}"
    return Case(
        name, what, (rule,), cut(NS[0], server), zone(ns=(NS[0], server)),
        hosts=(f"ns2-{name}.op A {address}",), scripted=((address, does),), **more,
    )  # fmt: skip


def redirected(name: str, what: str, *rules: str, mx: str = f"@ MX 10 {MX}.", **more: object) -> Case:
    """A domain whose records the parent zone holds itself."""
    return Case(name, what, rules, (mx,) if mx else (), None, **more)


OWN = ("ns1 A " + ONE, "ns2 A " + TWO)
OWN_NS = tuple(f"@ NS {n}" for n in ("ns1.@", "ns2.@"))
"""Servers named inside the zone they serve ("ns1.@" is ns1 below the case's domain)."""

DELEGATIONS = (
    Case("sain", "clean: two servers outside the zone"),
    Case("colle", "clean: two servers inside the zone, with glue", (),
        (*OWN_NS, f"ns1.@ A {ONE}", f"ns2.@ A {TWO}"), zone(*OWN, ns=("ns1.@", "ns2.@"))),
    Case("signe", "clean: signed, with its DS", parent=(*cut(), f"@ DS {DS}"), signed="now"),
    Case("mort", "nobody answers on either address", ("DNS_DELEGATION_DEAD",),
        cut("ns1-mort.op.example", "ns2-mort.op.example"), None,
        hosts=(f"ns1-mort.op A {NOBODY[0]}", f"ns2-mort.op A {NOBODY[1]}")),
    special("muet", "one server never answers", "DNS_SERVER_SILENT", 1, "silent"),
    special("refus", "one server refuses: it does not have the zone", "DNS_SERVER_REFUSING", 2, "refuse"),
    special("panne", "one server answers SERVFAIL", "DNS_SERVER_FAILING", 3, "servfail"),
    special("boiteux", "one server answers without authority", "DNS_SERVER_WEAK", 4, "lame"),
    special("remonte", "one server refers to the root", "DNS_UPWARD_REFERRAL", 5, "upward"),
    special("sans-soa", "one server has no SOA record", "DNS_SOA_MISSING", 6, "no-soa"),
    special("udp", "one server answers over UDP only", "DNS_UDP_ONLY", 7, "udp-only"),
    special("tcp", "one server answers over TCP only", "DNS_TCP_ONLY", 8, "tcp-only"),
    special("ouvert", "one server resolves for strangers", "DNS_OPEN_RECURSION", 9, "recursive"),
    Case("parent-enfant", "the zone names a third server", ("DNS_NS_MISMATCH",), cut(),
        zone(ns=(*NS, "ns3.op.example")), hosts=(f"ns3.op A {NEAR}",)),
    Case("desaccord", "the two servers name different servers", ("DNS_NS_DISAGREE",), cut(), zone(),
        zone(ns=NS[1:])),
    Case("seul", "one server only", ("DNS_SINGLE_SERVER",), cut(NS[0]), zone(ns=NS[:1])),
    Case("meme-adresse", "two names on one address", ("DNS_SAME_ADDRESS",), cut(NS[0], "ns1-bis.op.example"),
        zone(ns=(NS[0], "ns1-bis.op.example")), hosts=(f"ns1-bis.op A {ONE}",)),
    Case("meme-reseau", "two servers in one /24", ("DNS_SAME_NETWORK",), cut(NS[0], "ns1-pres.op.example"),
        zone(ns=(NS[0], "ns1-pres.op.example")), hosts=(f"ns1-pres.op A {NEAR}",)),
    Case("nom-ns", "a server's name with an underscore", ("DNS_NS_NAME",), cut(NS[0], "ns_2.op.example"),
        zone(ns=(NS[0], "ns_2.op.example")), hosts=(f"ns_2.op A {TWO}",)),
    Case("alias-ns", "a server's name is an alias", ("DNS_NS_ALIAS",), cut(NS[0], "alias-ns.op.example"),
        zone(ns=(NS[0], "alias-ns.op.example")), hosts=("alias-ns.op CNAME ns2.op",)),
    Case("ns-inconnu", "a server's name does not exist", ("DNS_NS_UNRESOLVED",), cut(*NS, "parti.op.example"),
        zone(ns=(*NS, "parti.op.example"))),
    Case("sans-colle", "no glue for a server inside the zone", ("DNS_GLUE_MISSING",),
        (f"@ NS {NS[0]}.", "@ NS ns2.@"), zone(f"ns2 A {TWO}", ns=(NS[0], "ns2.@"))),
    Case("colle-fausse", "glue that is not the zone's own address", ("DNS_GLUE_DIFFERS",),
        (*OWN_NS, f"ns1.@ A {NEAR}", f"ns2.@ A {TWO}"), zone(*OWN, ns=("ns1.@", "ns2.@"))),
    Case("series", "the second server has an old serial", ("DNS_SOA_SERIALS",), cut(), zone(),
        zone(serial=2024010101)),
    Case("ds-rompu", "a DS and no such key", ("DNS_DS_BROKEN",), (*cut(), f"@ DS 12345 13 2 {'AB' * 32}"),
        signed="now"),
    Case("sans-ds", "signed, no DS", ("DNS_NO_DS",), signed="now"),
    Case("chaine", "a delegated zone below a delegated zone, a name inside it", (),
        listed=("@", "labo", "x.labo"), first=zone(*(f"labo NS {n}." for n in NS)),
        more=(("labo", zone(f"x MX 10 {MX}.")),)),
    Case("joker-op", "a wildcard in the operator's zone, and one a level deeper", ("DNS_WILDCARD",),
        listed=("a", "b.labo"), first=zone(f"* MX 10 {MX}.", *(f"labo NS {n}." for n in NS)),
        more=(("labo", zone(f"* MX 10 {MX}.")),)),
)  # fmt: skip
MAIL = (
    redirected("redirige", "clean: the parent zone holds the MX"),
    redirected("joker", "a wildcard in the parent zone", "DNS_WILDCARD", mx=f"*.@ MX 10 {MX}.",
        listed=("a",)),
    redirected("pendant", "redirected to a host that does not exist", "DNS_MX_UNRESOLVED",
        mx="@ MX 10 parti.mail.example.", cn="parti.mail.example"),
    redirected("alias-pendant", "an alias to a name that does not exist", "DNS_NO_MX",
        mx="@ CNAME parti.mail.example."),
    Case("sans-mx", "a delegated zone without MX or address", ("DNS_NO_MX",), first=zone(mx="")),
    Case("implicite", "no MX, but an address", ("DNS_MX_IMPLICIT",), first=zone("@ A 82.64.5.5", mx="")),
    Case("mx-nul", "a null MX", ("DNS_MX_NULL",), first=zone(mx="0 .")),
    Case("mx-alias", "the mail host is an alias", ("DNS_MX_ALIAS",), first=zone(mx="10 alias.mail.example."),
        hosts=("alias.mail CNAME mx1.mail",), cn="alias.mail.example"),
    Case("mx-litteral", "an address instead of a mail host", ("DNS_MX_ADDRESS",),
        first=zone("@ MX 20 82.64.5.5.")),
    Case("mx-inconnu", "the mail host does not exist", ("DNS_MX_UNRESOLVED",),
        first=zone(mx="10 perdu.mail.example."), cn="perdu.mail.example"),
    Case("mx-vide", "the mail host has no address", ("DNS_MX_NO_ADDRESS",),
        first=zone(mx="10 vide.mail.example."), hosts=("vide.mail TXT vide",), cn="vide.mail.example"),
    Case("mx-prive", "the mail host has private addresses only", ("DNS_MX_PRIVATE",),
        first=zone(mx="10 prive.mail.example."), hosts=("prive.mail A 10.1.2.3",), cn="prive.mail.example"),
    Case("mx-desaccord", "the two servers name different mail hosts", ("DNS_MX_DISAGREE",), first=zone(),
        second=zone("@ MX 20 mx2.mail.example.")),
    Case("mx-certificat", "the certificate bears another name", ("DNS_MX_CERTIFICATE",),
        cn="autre.mail.example"),
    Case("concentre", "one mail host for sixty domains", ("DNS_MX_CONCENTRATION",),
        first=zone(*(f"s{n} MX 10 gros.mail.example." for n in range(60)), mx="10 gros.mail.example."),
        hosts=("gros.mail A 82.64.5.7",), cn="gros.mail.example",
        listed=("@", *(f"s{n}" for n in range(60)))),
)  # fmt: skip
DECLARED = (
    Case("declare", "clean: delegated as declared", declared=("delegation", *NS)),
    redirected("declare-delegue", "delegation declared, redirected", "DNS_DELEGATION_REDIRECTED",
        declared=("delegation", *NS)),
    Case("declare-redirige", "redirection declared, delegated", ("DNS_REDIRECTION_DELEGATED",),
        declared=("redirection", "", "", MX)),
    redirected("declare-rien", "redirection declared, nothing there", "DNS_DECLARED_ABSENT", mx="",
        declared=("redirection", "", "", MX)),
    Case("declare-ns", "other servers than those declared", ("DNS_DECLARED_SERVERS",),
        declared=("delegation", NS[0], "ns9.op.example")),
    redirected("declare-mx", "another mail host than the one declared", "DNS_MX_DECLARED",
        declared=("redirection", "", "", "mx2.mail.example")),
)  # fmt: skip
PARENTS = (
    redirected("present", "the parent's servers have different serials; one does not have this domain",
        "DNS_PARENT_DISAGREE", "DNS_PARENT_SERIALS", zone="desaccord.fr", tested="desaccord.fr",
        second_parent=()),
    redirected("entier", "clean, but for the parent's serials", "DNS_PARENT_SERIALS", zone="desaccord.fr",
        tested="desaccord.fr"),
    Case("deux", "an NS set and an MX at the same name", ("DNS_CUT_WITH_DATA",), zone="melange.fr"),
)  # fmt: skip
CASES = (*DELEGATIONS, *MAIL, *DECLARED, *PARENTS)
PARENT_ZONES = {
    "mssante.fr": (("ns1.gestion.example", P1), ("ns2.gestion.example", P2)),
    "desaccord.fr": (("ns1.gestion.example", P1), ("ns2.gestion.example", P2)),
    "melange.fr": (("ns3.gestion.example", P3),),
    "nonsigne.fr": (("ns1.gestion.example", P1), ("ns2.gestion.example", P2)),
}
"""Parent zone → its servers."""
