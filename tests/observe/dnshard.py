"""Cases on which audits of the DNS are wrong: what is served, what resolvers do with it, what we must say.

One line a case. `dnsscene` serves them, `dnsresolvers` asks BIND, unbound and Knot Resolver about each, and
`test_resolvers` holds `Hard.reached` to them, our verdict to what follows from that, and our findings.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from dnscases import DS, DS_SHA1, MX, NS, ONE, OWN, OWN_NS, SIX_ONE, SIX_TWO, TWO, Case, cut, zone
from dnsresolvers import ADDRESSES, KNOT, UNBOUND, UNBOUND_VALIDATING

ALL, NONE = tuple(ADDRESSES), ()
NOT_VALIDATING, NOT_BIND = (UNBOUND,), (UNBOUND, UNBOUND_VALIDATING, KNOT)
NS_LINES = "".join(f"@ NS {n}.\n" for n in NS)
_NUMBERS = count(1)


@dataclass(frozen=True)
class Hard(Case):
    """A case with its truth."""

    method: str = "delegated"  # what we must call it
    reached: tuple[str, ...] | None = ALL
    """The resolvers that come to an exchanger's public address; ``None`` where it depends on chance."""
    unsound: str = ""  # why it is at risk though every resolver arrives there, in the words of the issue
    postfix: bool = False  # whether Postfix connects though no resolver knows an address
    learns: str = ""
    """The zone whose servers the resolvers are asked for first, so that they know those that it names itself;
    ``@`` is the domain."""

    @property
    def learnt(self) -> tuple[str, ...]:
        """The zones whose servers are asked for first."""
        return (self.learns.replace("@", self.domain),) if self.learns else ()

    @property
    def receives(self) -> str:
        """What we must say: `yes`, `degraded` or `no`."""
        if self.reached == NONE:
            return "degraded" if self.postfix else "no"
        return "yes" if self.reached == ALL and not self.unsound else "degraded"


@dataclass(frozen=True)
class Servers:
    """Servers of an operator that misbehave, on addresses nobody else has, each in a network of its own."""

    names: tuple[str, ...]
    hosts: tuple[str, ...]
    scripted: tuple[tuple[str, str], ...]


def servers(label: str, *does: str) -> Servers:
    """Return servers ``nsN-LABEL.op.example``; "" for the good one."""
    names, hosts, scripted = [], [], []
    for number, done in enumerate(does, 1):
        if not done:
            names.append(NS[number - 1])
            continue
        names.append(f"ns{number}-{label}.op.example")
        address = f"62.{209 + number}.20.{next(_NUMBERS)}"
        hosts.append(f"ns{number}-{label}.op A {address}")
        scripted.append((address, done))
    return Servers(tuple(names), tuple(hosts), tuple(scripted))


def dead(label: str, does: str = "silent") -> dict[str, tuple[object, ...]]:
    """Return a zone ``LABEL-z.example`` on servers of no use, as fields of a case."""
    placed = servers(label, does, does)
    return {
        "hosts": (*placed.hosts, *(f"{label}-z NS {n}." for n in placed.names)),
        "scripted": placed.scripted,
    }


def scripted(name: str, what: str, does: Iterable[str], *rules: str, **more: object) -> Hard:
    placed = servers(name, *does)
    first = str(more.pop("first", zone())).replace(NS_LINES, "".join(f"@ NS {n}.\n" for n in placed.names))
    parent = (*cut(*placed.names), *((f"@ DS {DS}",) if "signed" in more else ()))
    cn = f"mx.{name}.mssante.fr" if "10 mx.@" in first else MX
    lines = {"parent": parent, "first": first, "hosts": placed.hosts, "scripted": placed.scripted, "cn": cn}
    return Hard(name, what, rules, **lines | more)


def both(name: str, what: str, does: str, *rules: str, **more: object) -> Hard:
    return scripted(name, what, (does, does), *rules, **more)


def one(name: str, what: str, does: str, *rules: str, **more: object) -> Hard:
    return scripted(name, what, ("", does), *rules, **{"unsound": "one sound server"} | more)


def redirected(name: str, what: str, mx: str, *rules: str, **more: object) -> Hard:
    lines = tuple(f"@ MX {text}." for text in mx.split(", "))
    return Hard(name, what, rules, **{"parent": lines, "first": None, "method": "redirected"} | more)


def below(name: str, what: str, does: str, *rules: str, mx: str = "", how: str = "", **more: object) -> Hard:
    """A domain whose exchanger is in a zone of its own, ``NAME-z.example``, on servers that do `does`."""
    placed = servers(name, does, does)
    host = f"mx.{name}-z.example"
    lines = (f"{name}-z NS {n}." for n in placed.names)
    served = ((f"{name}-z.example.", zone("mx A 82.64.5.30", ns=placed.names)),)
    more = {"hosts": (*placed.hosts, *lines), "scripted": placed.scripted, "cn": host, "more": served} | more
    exchanger = mx.format(host) or f"10 {host}"
    if how == "delegated":
        return Hard(name, what, rules, first=zone(mx=f"{exchanger}."), **more)
    return redirected(name, what, exchanger, *rules, **more)


def lost(name: str, what: str, does: str, **more: object) -> Hard:
    """A domain whose exchanger nobody finds, for its zone's servers do `does`."""
    return below(name, what, does, "DNS_MX_HOST_DEAD", reached=NONE, **more)


MAILED = zone("mx A 82.64.5.20", "mx AAAA 2001:660:9::20", mx="10 mx.@")  # a zone with its exchanger inside


def differing(name: str, what: str, first: str, second: str, *rules: str, **more: object) -> Hard:
    """A domain whose exchanger is in a zone of its own, which its two servers carry in different versions."""
    placed = (f"{name}-z.example.", zone(first), zone(second))
    hosts = tuple(f"{name}-z NS {server}." for server in NS)
    mx = f"mx.{name}-z.example"
    return redirected(name, what, f"10 {mx}", *rules, hosts=hosts, split=(placed,), cn=mx, **more)


def into(name: str, what: str, ns: tuple[str, ...], address: str, *rules: str, **more: object) -> Hard:
    """A domain whose exchanger is in a zone of its own, on these servers."""
    below = f"{name}-z.example"
    lines = {"hosts": tuple(f"{name}-z NS {server}." for server in ns), "cn": f"mx.{below}"}
    lines["more"] = ((f"{below}.", zone(f"mx A {address}", ns=ns)),)
    return redirected(name, what, f"10 mx.{below}", *rules, **lines | more)


def chains(where: str) -> list[str]:
    """Return the links of chains of aliases that lie in one of two zones: a link in each by turns."""
    lines = []
    for label, lengths, end in (
        ("c", (10, 11, 12, 13), "boite.mail.example."),
        ("h", (11, 12, 13), f"{MX}."),
    ):
        for links in lengths:
            first = 1 if label == "c" else 0  # the domain itself is the first
            for link in range(first, links):
                other = ("pair", "impair")[(link - first + 1) % 2]
                target = f"{label}{links}-{link + 1}.{other}.example." if link < links - 1 else end
                if where == ("pair", "impair")[(link - first) % 2]:
                    lines.append(f"{label}{links}-{link} CNAME {target}")
    return lines


OWN_DEAD = {f"nsd{n}.op": f"62.20{n - 1}.1.1" for n in range(1, 5)}
"""Servers that zones name themselves, and nobody above."""


def names_itself(name: str, what: str, itself: tuple[str, ...], *rules: str, **more: object) -> Hard:
    """A domain whose exchanger is in a zone of its own, which names other servers than those of its cut."""
    below = f"{name}-z.example"
    hosts = (*(f"{name}-z NS {server}." for server in NS), *more.pop("hosts", ()))
    lines = {"hosts": hosts, "more": ((f"{below}.", zone("mx A 82.64.5.80", ns=itself)),), "learns": below}
    return redirected(name, what, f"10 mx.{below}", *rules, **{"cn": f"mx.{below}"} | lines | more)


RELAYS = tuple(
    f"@ MX 20 relais-au-nom-long-numero-{n}\nrelais-au-nom-long-numero-{n} A 82.64.6.{n + 1}"
    for n in range(30)
)
DEAD = servers("mort", "silent")
MANY = tuple(f"ns{number}.beaucoup.example" for number in range(200))

REFUSALS = (
    both("mx-refuse", "MX refused by both, SOA is fine", "refuse mx", "DNS_MX_SILENT", reached=NONE),
    both("mx-panne", "MX SERVFAIL by both, SOA is fine", "servfail mx", "DNS_MX_SILENT", reached=NONE),
    both("mx-tait", "MX dropped by both, SOA is fine", "silent mx", "DNS_MX_SILENT", reached=NONE),
    one("mx-refuse-un", "MX refused by one of two", "refuse mx", "DNS_MX_REFUSED"),
    one("mx-panne-un", "MX SERVFAIL by one of two", "servfail mx", "DNS_MX_REFUSED"),
    one("mx-tait-un", "MX dropped by one of two", "silent mx", "DNS_MX_REFUSED"),
    both("soa-refuse", "SOA refused by both, MX is fine", "refuse soa", "DNS_SERVER_PARTIAL"),
    both("ns-refuse", "NS refused by both, MX is fine", "refuse ns"),
    both("soa-ns-refuse", "SOA and NS refused by both, MX is fine", "refuse soa ns", "DNS_SERVER_PARTIAL"),
    both("soa-ns-tait", "SOA and NS dropped by both, MX is fine", "silent soa ns", "DNS_SERVER_PARTIAL"),
    both("sans-aa", "the right data without AA, from both", "no-aa", "DNS_SERVER_WEAK"),
    both("a-tait", "the exchanger's addresses dropped by both servers of the zone", "silent a aaaa",
        "DNS_MX_HOST_DEAD", first=MAILED, reached=NONE),
    both("a-panne", "the exchanger's addresses SERVFAIL by both servers of the zone", "servfail a aaaa",
        "DNS_MX_HOST_DEAD", first=MAILED, reached=NONE),
    one("a-tait-un", "the exchanger's addresses dropped by one server of the zone", "silent a aaaa",
        first=MAILED, unsound=""),
    both("aaaa-panne", "AAAA SERVFAIL by both servers, A is fine", "servfail aaaa", first=MAILED),
    one("mx-nie-un", "one of two says that there is no such name", "nxdomain mx", "DNS_MX_DISAGREE",
        reached=None),
    one("mx-vide-un", "one of two has no MX", "nodata mx", "DNS_MX_DISAGREE", reached=None),
    one("sans-aa-un", "the right data without AA, from one", "no-aa", "DNS_SERVER_WEAK", unsound=""),
)  # fmt: skip
EXCHANGERS = (
    lost("zone-muette", "exchanger in a zone whose servers are silent", "silent", how="delegated"),
    lost("zone-refus", "exchanger in a zone whose servers refuse", "refuse", how="delegated"),
    lost("vers-muette", "redirected into a zone whose servers are silent", "silent"),
    lost("vers-refus", "redirected into a zone whose servers refuse", "refuse"),
    lost("vers-panne", "redirected into a zone whose servers answer SERVFAIL", "servfail"),
    lost("vers-remonte", "redirected into a zone whose servers refer to the root", "upward"),
    below("vers-muette-un", "redirected to two exchangers, one in a silent zone", "silent",
        "DNS_MX_HOST_DEAD", mx=f"10 {{}}, 20 {MX}", unsound="one sound exchanger"),
    lost("vers-sans-edns", "redirected into a zone whose servers drop EDNS", "silent edns"),
    lost("vers-badvers", "redirected into a zone whose servers answer BADVERS to EDNS", "badvers edns"),
    lost("vers-tronque", "redirected into a zone whose servers truncate, TCP closed", "truncated udp no-tcp"),
    below("vers-tcp", "redirected into a zone whose servers answer over TCP only", "silent udp",
        "DNS_MX_HOST_DEAD", reached=(KNOT,)),
    below("vers-sans-aa", "redirected into a zone whose servers leave AA out", "no-aa"),
    below("vers-lent", "redirected into a zone whose servers answer after 1 second", "1.0"),
    below("vers-sans-soa", "redirected into a zone whose servers refuse SOA and NS", "refuse soa ns"),
    redirected("vers-prive", "redirected into a zone whose servers have private addresses",
        "10 mx.vers-prive-z.example", "DNS_MX_HOST_DEAD", reached=NONE, cn="mx.vers-prive-z.example",
        hosts=("vers-prive-z NS p1-vp.op", "vers-prive-z NS p2-vp.op", "p1-vp.op A 10.20.0.5",
        "p2-vp.op A 192.168.20.5")),
    redirected("vers-cycle", "redirected into a zone delegated in a circle", "10 mx.vers-cycle-z.example",
        "DNS_MX_HOST_DEAD", hosts=("vers-cycle-z NS ns.vers-cycle-y", "vers-cycle-y NS ns.vers-cycle-z"),
        reached=NONE, cn="mx.vers-cycle-z.example"),
    redirected("mx-alias-muet", "the exchanger is an alias into a silent zone", "10 alias3.mail.example",
        "DNS_MX_HOST_DEAD", hosts=("alias3.mail CNAME mx.zone-muette-z",), reached=NONE,
        cn="alias3.mail.example"),
    below("vers-aa-soa", "redirected into a zone whose servers drop SOA and NS", "silent soa ns"),
    below("vers-formerr", "redirected into a zone whose servers say FORMERR to EDNS", "formerr edns"),
    below("vers-tronque-tcp", "clean: redirected into a zone whose servers truncate, TCP works",
        "truncated udp"),
    below("vers-udp", "redirected into a zone whose servers have no TCP, short answers", "udp-only"),
    below("vers-a-seul", "the zone of the exchanger drops AAAA, A is fine", "silent aaaa"),
    lost("vers-creux", "redirected into a zone whose servers answer nothing, without AA", "hollow"),
    below("vers-nxdomain", "the zone of the exchanger says that it does not exist", "nxdomain",
        "DNS_MX_UNRESOLVED", reached=NONE),
    redirected("vers-ns-parti", "the exchanger's zone is on servers whose names do not exist",
        "10 mx.vers-ns-parti-z.example", "DNS_MX_HOST_DEAD",
        hosts=("vers-ns-parti-z NS parti1.op", "vers-ns-parti-z NS parti2.op"), reached=NONE,
        cn="mx.vers-ns-parti-z.example"),
    redirected("deux-muettes", "two exchangers, each in a silent zone",
        "10 mx.zone-muette-z.example, 20 mx.vers-muette-z.example", "DNS_MX_HOST_DEAD", "DNS_MX_UNREACHABLE",
        reached=NONE, cn="mx.zone-muette-z.example"),
    redirected("muette-et-privee", "one exchanger in a silent zone, one on a private address",
        "10 mx.zone-muette-z.example, 20 prive2.mail.example", "DNS_MX_HOST_DEAD", "DNS_MX_PRIVATE",
        "DNS_MX_UNREACHABLE", reached=NONE, cn="mx.zone-muette-z.example"),
    redirected("six-et-mort", "one exchanger on IPv6 only, one in a silent zone",
        "10 six.mail.example, 20 mx.zone-muette-z.example", "DNS_MX_HOST_DEAD", "DNS_MX_IPV6_ONLY",
        unsound="IPv6 only", cn="six.mail.example"),
    redirected("six-et-un-quatre", "clean: one exchanger on IPv6 only, one with both",
        f"10 six.mail.example, 20 {MX}"),
    redirected("six-et-quatre", "clean: one exchanger on IPv6 only, two with both",
        f"10 six.mail.example, 10 {MX}, 20 mx2.mail.example"),
    redirected("adresse-privee", "no MX, a private address", "x", "DNS_MX_IMPLICIT", "DNS_MX_PRIVATE",
        parent=("@ A 10.9.8.7",), reached=NONE),
    redirected("vers-deux", "clean: redirected to two sound exchangers", f"10 {MX}, 20 mx2.mail.example"),
    redirected("vers-parti", "redirected to a name that does not exist", "10 parti.mail.example",
        "DNS_MX_UNRESOLVED", reached=NONE, cn="parti.mail.example"),
    redirected("vers-parti-un", "two exchangers, one does not exist", f"10 {MX}, 20 parti.mail.example",
        "DNS_MX_UNRESOLVED", unsound="one sound exchanger"),
    redirected("vers-vide", "redirected to a name without address", "10 vide2.mail.example",
        "DNS_MX_NO_ADDRESS", hosts=("vide2.mail TXT vide",), reached=NONE, cn="vide2.mail.example"),
    redirected("aaaa-seul", "the exchanger has IPv6 only", "10 six.mail.example", "DNS_MX_IPV6_ONLY",
        hosts=("six.mail AAAA 2001:660:9::25",), unsound="IPv6 only", cn="six.mail.example"),
    redirected("deux-familles", "clean: the exchanger has both families", "10 double.mail.example",
        hosts=("double.mail A 82.64.5.8", "double.mail AAAA 2001:660:9::26"), cn="double.mail.example"),
    redirected("prive-seul", "the exchanger has a private address only", "10 prive2.mail.example",
        "DNS_MX_PRIVATE", hosts=("prive2.mail A 192.168.1.25",), reached=NONE, cn="prive2.mail.example"),
    redirected("prive-parmi", "the exchanger has a private address among public ones", "10 mele.mail.example",
        "DNS_MX_PRIVATE_SOME", hosts=("mele.mail A 10.1.2.3", "mele.mail A 82.64.5.9"),
        unsound="one sound address", cn="mele.mail.example"),
    redirected("zero", "the exchanger's address is 0.0.0.0", "10 zero.mail.example", "DNS_MX_PRIVATE",
        hosts=("zero.mail A 0.0.0.0",), reached=NONE, cn="zero.mail.example"),
    redirected("boucle-locale", "the exchanger's address is 127.0.0.1", "10 local.mail.example",
        "DNS_MX_PRIVATE", hosts=("local.mail A 127.0.0.1",), reached=NONE, cn="local.mail.example"),
    redirected("litteral", "an address instead of an exchanger", "10 82.64.5.5", "DNS_MX_ADDRESS",
        reached=NONE, postfix=True),
    redirected("litteral-prive", "a private address instead of an exchanger", "10 10.2.3.4", "DNS_MX_ADDRESS",
        reached=NONE),
    redirected("cinquante", "fifty exchangers: the one that senders prefer is sound, the others do not exist",
        "x", "DNS_MX_UNRESOLVED", unsound="one sound exchanger",
        parent=(f"@ MX 5 {MX}.", *(f"@ MX {n} a{n}.mail.example." for n in range(10, 59)))),
    redirected("cent-un", "a hundred and one exchangers: BIND takes 100 records", "x", "DNS_SET_LARGE",
        "DNS_MX_UNRESOLVED", reached=NOT_BIND,
        parent=(f"@ MX 5 {MX}.", *(f"@ MX {n} a{n}.mail.example." for n in range(10, 110)))),
    differing("hote-manque", "one of the two servers of the exchanger's zone does not have its name",
        "mx A 82.64.5.71", "", "DNS_MX_HOST_DIFFERS", reached=None),
    differing("hote-vide", "one of the two servers of the exchanger's zone has no address for it",
        "mx A 82.64.5.72", "mx TXT vide", "DNS_MX_HOST_DIFFERS", reached=None),
    differing("hote-autre", "the two servers of the exchanger's zone give different addresses",
        "mx A 82.64.5.73", "mx A 82.64.5.74", "DNS_MX_HOST_DIFFERS", unsound="by chance"),
    differing("hote-prive", "one of the two servers of the exchanger's zone gives a private address",
        "mx A 82.64.5.75", "mx A 10.9.8.7", "DNS_MX_HOST_DIFFERS", "DNS_MX_PRIVATE_SOME", reached=None),
    differing("hote-alias-un", "one of the two servers has an alias of nothing for the exchanger",
        "mx A 82.64.5.76", "mx CNAME parti.mail.example.", "DNS_MX_HOST_DIFFERS", reached=None),
    differing("hote-en-plus", "one of the two servers of the exchanger's zone has an address more",
        "mx A 82.64.5.77", "mx A 82.64.5.77\nmx A 82.64.5.78"),
    differing("hote-six-un", "one of the two servers has IPv6 for the exchanger too",
        "mx A 82.64.5.79", "mx A 82.64.5.79\nmx AAAA 2001:660:9::79"),
    names_itself("vers-propre-muet", "the servers that the exchanger's zone itself names are silent",
        ("nsd1.op.example", "nsd2.op.example"), "DNS_MX_HOST_DEAD", reached=None),
    names_itself("vers-propre-point", "the exchanger's zone itself names its servers without the final dot",
        ("ns1.op.example.@", "ns2.op.example.@"), "DNS_MX_HOST_DEAD", reached=None),
    names_itself("vers-propre-alias",
        "the names of the servers that the exchanger's zone itself names are aliases",
        ("na1.op.example", "na2.op.example"), "DNS_MX_HOST_DEAD", reached=None),
    names_itself("vers-propre-demi",
        "one of the two servers that the exchanger's zone itself names is silent",
        (NS[0], "nsd1.op.example")),
    names_itself("vers-propre-trois", "clean: the exchanger's zone itself names a third server",
        (*NS, "ns1-ter.op.example"), hosts=(f"ns1-ter.op A {ONE}",)),
    names_itself("alias-propre", "an alias into a zone that names silent servers itself",
        ("nsd1.op.example", "nsd2.op.example"), "DNS_ALIAS", "DNS_MX_HOST_DEAD", reached=None,
        parent=("@ CNAME boite.alias-propre-z.example.",), cn=MX,
        more=(("alias-propre-z.example.", zone(f"boite MX 10 {MX}.", ns=("nsd1.op.example",))),)),
    redirected("litteral-un", "an address beside a sound exchanger", f"10 {MX}, 20 82.64.5.5",
        "DNS_MX_ADDRESS", unsound="one sound exchanger"),
    redirected("nul", "a null MX", "0 ", "DNS_MX_NULL", reached=NONE),
    Hard("nul-mele", "a null MX beside another", ("DNS_MX_NULL_MIXED",),
        parent=("@ MX 0 .", f"@ MX 10 {MX}."), first=None, method="redirected",
        unsound="RFC 7505: Postfix bounces, others deliver"),
    Hard("adresse", "no MX, an address: mail goes there", ("DNS_MX_IMPLICIT",), parent=("@ A 82.64.5.5",),
        first=None, method="redirected"),
    Hard("rien", "a zone without MX or address", ("DNS_NO_MX",), first=zone(mx=""), reached=NONE),
    Hard("mx-differents", "the two servers name different sound exchangers", ("DNS_MX_DISAGREE",),
        first=zone(), second=zone(mx="10 mx2.mail.example."), unsound="no exchanger that all come to"),
    both("mx-transport", "another exchanger over TCP than over UDP", "other-mx tcp", "DNS_MX_DISAGREE",
        unsound="no exchanger that all come to"),
    Hard("preferences", "the two servers give different preferences", ("DNS_MX_DISAGREE",), first=zone(),
        second=zone(mx=f"20 {MX}.")),
)  # fmt: skip
DELEGATIONS = (
    Hard("propre", "clean: two servers"),
    Hard("deux-cents", "delegated to 200 names: BIND takes 100 records",
        ("DNS_SAME_ADDRESS", "DNS_SET_LARGE"), reached=NOT_BIND, parent=cut(*MANY),
        first=zone(ns=MANY),
        hosts=tuple(f"{n.removesuffix('.example')} A {(ONE, TWO)[k % 2]}" for k, n in enumerate(MANY))),
    scripted("trois-un-mort", "one server of three is silent", ("", "", "silent"), "DNS_SERVER_SILENT"),
    scripted("trois-deux-morts", "two servers of three are silent", ("", "silent", "silent"),
        "DNS_SERVER_SILENT", unsound="one sound server"),
    scripted("mort-et-refus", "one server is silent, the other refuses", ("silent", "refuse"),
        "DNS_DELEGATION_DEAD", reached=NONE),
    scripted("mort-et-panne-mx", "one server is silent, the other says SERVFAIL to MX",
        ("silent", "servfail mx"), "DNS_SERVER_SILENT", "DNS_MX_SILENT", reached=NONE),
    Hard("morte-delegue", "inside a sound zone, a zone whose servers refuse", ("DNS_DELEGATION_DEAD",),
        listed=("labo",),
        first=zone("labo NS ns1-morte-delegue.op.example.", "labo NS ns2-morte-delegue.op.example."),
        **dead("morte-delegue", "refuse"), reached=NONE),
    Hard("parents-differents", "one server of the parent does not have the domain", ("DNS_PARENT_DISAGREE",),
        parent=(f"@ MX 10 {MX}.",), second_parent=(), first=None, method="redirected", reached=None,
        zone="nonsigne.fr"),
    both("lateral", "both servers refer to themselves", "sideways", "DNS_DELEGATION_DEAD", reached=NONE),
    both("casse", "both servers answer in lower case, whatever the question", "lower"),
    both("nie-milieu", "both servers deny the name between the zone and the domain", "no-middle",
        listed=("x.milieu",), first=zone(f"x.milieu MX 10 {MX}."), method="within-delegated"),
    Hard("mx-soi", "clean: its own exchanger, inside the zone", first=zone("@ A 82.64.5.40", mx="10 @"),
        cn="mx-soi.mssante.fr"),
    Hard("gros-mx", "clean: thirty exchangers, over TCP", first=zone(*RELAYS)),
    Hard("un-seul", "one server only", ("DNS_SINGLE_SERVER",), parent=cut(NS[0]), first=zone(ns=NS[:1])),
    one("un-mort", "one server of two is silent", "silent", "DNS_SERVER_SILENT"),
    one("un-refuse", "one server of two refuses all", "refuse", "DNS_SERVER_REFUSING"),
    both("deux-morts", "both servers are silent", "silent", "DNS_DELEGATION_DEAD", reached=NONE),
    both("deux-refus", "both servers refuse", "refuse", "DNS_DELEGATION_DEAD", reached=NONE),
    both("deux-pannes", "both servers answer SERVFAIL", "servfail", "DNS_DELEGATION_DEAD", reached=NONE),
    both("creux", "both servers answer nothing, without AA", "hollow", "DNS_DELEGATION_DEAD", reached=NONE),
    one("creux-un", "one server of two answers nothing, without AA", "hollow", "DNS_SERVER_LAME",
        reached=None),
    both("deux-remontent", "both servers refer to the root", "upward", "DNS_DELEGATION_DEAD", reached=NONE),
    Hard("ns-prive", "servers on private addresses", ("DNS_DELEGATION_DEAD",),
        parent=cut("p1-pr.op.example", "p2-pr.op.example"),
        hosts=("p1-pr.op A 10.20.0.1", "p2-pr.op A 192.168.20.1"), first=None, reached=NONE),
    Hard("ns-boucle", "servers on loopback addresses", ("DNS_DELEGATION_DEAD",),
        parent=cut("l1-bo.op.example", "l2-bo.op.example"),
        hosts=("l1-bo.op A 127.0.0.1", "l2-bo.op A 127.1.1.1"), first=None, reached=NONE),
    Hard("ns-prive-un", "one server on a private address", ("DNS_NS_PRIVATE",),
        parent=cut(NS[0], "p1-pu.op.example"), first=zone(ns=(NS[0], "p1-pu.op.example")),
        hosts=("p1-pu.op A 10.20.0.2",), unsound="one sound server"),
    Hard("colle-privee", "glue of private addresses", ("DNS_DELEGATION_DEAD",),
        parent=(*OWN_NS, "ns1.@ A 10.20.0.3", "ns2.@ A 172.16.0.3"), first=None, reached=NONE),
    Hard("cycle-a", "delegated to a name of a domain that is delegated to a name of this one",
        ("DNS_DELEGATION_DEAD",), parent=("@ NS ns.cycle-b.mssante.fr.",), first=None, reached=NONE),
    Hard("cycle-b", "the other half of that circle", ("DNS_DELEGATION_DEAD",),
        parent=("@ NS ns.cycle-a.mssante.fr.",), first=None, reached=NONE),
    Hard("sans-colle-deux", "both servers inside the zone, no glue", ("DNS_DELEGATION_DEAD",), parent=OWN_NS,
        first=zone(*OWN, ns=("ns1.@", "ns2.@")), reached=NONE),
    Hard("sans-colle-un", "one server inside the zone without glue, one outside", ("DNS_GLUE_MISSING",),
        parent=(f"@ NS {NS[0]}.", "@ NS ns2.@"), first=zone(f"ns2 A {TWO}", ns=(NS[0], "ns2.@")),
        unsound="one sound server"),
    Hard("colle-six", "glue of IPv6 only", ("DNS_IPV6_ONLY",),
        parent=(*OWN_NS, f"ns1.@ AAAA {SIX_ONE}", f"ns2.@ AAAA {SIX_TWO}"),
        first=zone(f"ns1 AAAA {SIX_ONE}", f"ns2 AAAA {SIX_TWO}", ns=("ns1.@", "ns2.@")), unsound="IPv6 only"),
    Hard("colle-deux", "clean: glue of both families",
        parent=(*OWN_NS, f"ns1.@ A {ONE}", f"ns1.@ AAAA {SIX_ONE}", f"ns2.@ A {TWO}",
        f"ns2.@ AAAA {SIX_TWO}"), first=zone(*OWN, f"ns1 AAAA {SIX_ONE}", f"ns2 AAAA {SIX_TWO}", ns=("ns1.@",
        "ns2.@"))),
    Hard("ns-partis", "no server's name exists", ("DNS_DELEGATION_DEAD",),
        parent=cut("parti1.op.example", "parti2.op.example"), first=None, reached=NONE),
    Hard("ns-muets", "the servers' names are in a silent zone", ("DNS_DELEGATION_DEAD",),
        parent=cut("ns1.ns-muets-z.example", "ns2.ns-muets-z.example"), first=None, **dead("ns-muets"),
        reached=NONE),
    Hard("ns-zero", "a server on 0.0.0.0 beside a sound one", ("DNS_NS_PRIVATE",),
        parent=cut(NS[0], "z1.op.example"), first=zone(ns=(NS[0], "z1.op.example")),
        hosts=("z1.op A 0.0.0.0",), unsound="one sound server"),
    Hard("sous-zone-morte", "inside a sound zone, a zone whose servers are silent", ("DNS_DELEGATION_DEAD",),
        listed=("labo",),
        first=zone("labo NS ns1-sous-zone.op.example.", "labo NS ns2-sous-zone.op.example."),
        **dead("sous-zone"), reached=NONE),
    Hard("dedans", "clean: a name inside a sound zone", listed=("labo",), first=zone(f"labo MX 10 {MX}."),
        method="within-delegated"),
    Hard("dedans-rien", "a name that a sound zone does not have", ("DNS_NO_MX",), listed=("labo",),
        method="none", reached=NONE),
    Hard("absent", "the parent does not have it", ("DNS_NO_MX",), parent=(), first=None, method="none",
        reached=NONE),
    *(
        # Asked one after the other BIND and Knot Resolver fail, and unbound goes back to the delegation.
        Hard(f"propre-{name}", f"the {what}", ("DNS_OWN_SERVERS_DEAD",), learns="@", reached=None,
            cn=f"mx.propre-{name}.mssante.fr", hosts=tuple(f"{host} A {at}" for host, at in OWN_DEAD.items()),
            scripted=tuple((OWN_DEAD[f"nsd{n}.op"], does) for n in numbers if does),
            first=zone("mx A 82.64.5.30", mx="10 mx.@", ns=tuple(map(ns.format, numbers))))
        for name, what, ns, does, numbers in (
            ("muet", "servers that the zone itself names are silent", "nsd{}.op.example", "silent", (1, 2)),
            ("refus", "servers that the zone itself names refuse", "nsd{}.op.example", "refuse", (3, 4)),
            ("point", "zone itself names its servers without the final dot", "ns{}.op.example.@", "", (1, 2)),
        )
    ),
    Hard("propre-demi", "one of the two servers that the zone itself names is silent",
        ("DNS_NS_MISMATCH", "DNS_SERVER_SILENT"), learns="@", unsound="one sound server",
        first=zone(ns=(NS[0], "nsd1.op.example"))),
    Hard("propre-trois", "clean, but for another set: the zone itself names three servers, all of them sound",
        ("DNS_NS_MISMATCH", "DNS_SAME_ADDRESS"), learns="@", hosts=(f"ns1-bis.op A {ONE}",),
        first=zone(ns=(*NS, "ns1-bis.op.example"))),
    Hard("soa-hative", "SOA timers that make a secondary expire before it retries", ("DNS_SOA_TIMERS",),
        first=zone().replace("14400 3600 1209600", "86400 7200 3600")),
)  # fmt: skip
EDNS = (
    both("edns-formerr", "FORMERR to EDNS; a plain retry works", "formerr edns", "DNS_EDNS_REFUSED"),
    both("edns-notimp", "NOTIMP to EDNS; a plain retry works", "notimp edns", "DNS_EDNS_BROKEN",
        reached=(UNBOUND, UNBOUND_VALIDATING)),
    both("edns-ignore", "clean: EDNS is ignored", "no-opt"),
    both("edns-muet", "EDNS dropped by both", "silent edns", "DNS_DELEGATION_DEAD", reached=NONE),
    both("edns-badvers", "BADVERS to EDNS by both", "badvers edns", "DNS_DELEGATION_DEAD", reached=NONE),
    one("edns-muet-un", "EDNS dropped by one", "silent edns", "DNS_EDNS_BROKEN"),
    one("edns-badvers-un", "BADVERS to EDNS by one", "badvers edns", "DNS_EDNS_BROKEN", reached=None),
    one("edns-formerr-un", "FORMERR to EDNS by one", "formerr edns", "DNS_EDNS_REFUSED", unsound=""),
    both("udp-filtre", "UDP filtered on both: TCP only", "silent udp", "DNS_TCP_ONLY", reached=(KNOT,)),
    one("udp-filtre-un", "UDP filtered on one", "tcp-only", "DNS_TCP_ONLY"),
    both("udp-seul", "TCP filtered on both, answers are short", "udp-only", "DNS_UDP_ONLY"),
    both("tronque", "truncated, and TCP is closed", "truncated udp no-tcp", "DNS_DELEGATION_DEAD",
        reached=NONE),
    one("tronque-un", "one server truncates, and its TCP is closed", "truncated udp no-tcp",
        "DNS_SERVER_FAILING"),
    both("tronque-tcp", "clean: truncated, TCP works", "truncated udp"),
    both("ailleurs", "answers, with another MX, come from another address than was asked",
        "elsewhere other-mx no-tcp", "DNS_DELEGATION_DEAD", reached=NONE),
    one("ailleurs-un", "one server's answers, with another MX, come from another address",
        "elsewhere other-mx no-tcp", "DNS_SERVER_SILENT"),
    Hard("ns-alias-deux", "the names of both servers are aliases: BIND does not follow them",
        ("DNS_NS_ALIAS",), parent=cut("na1.op.example", "na2.op.example"),
        hosts=("na1.op CNAME ns1.op", "na2.op CNAME ns2.op"),
        first=zone(ns=("na1.op.example", "na2.op.example")), reached=NOT_BIND),
    into("vers-ns-alias", "redirected into a zone whose servers' names are aliases",
        ("na1.op.example", "na2.op.example"), "82.64.5.31", "DNS_MX_HOST_DEAD", reached=NOT_BIND),
    into("vers-ns-alias-un", "redirected into a zone one of whose servers' names is an alias",
        ("na1.op.example", NS[1]), "82.64.5.32"),
    Hard("ns-alias-mort", "the name of one server is an alias, the other one is silent",
        ("DNS_NS_ALIAS", "DNS_SERVER_SILENT"), parent=cut("na1.op.example", *DEAD.names),
        hosts=("na1.op CNAME ns1.op", *DEAD.hosts), scripted=DEAD.scripted,
        first=zone(ns=("na1.op.example", *DEAD.names)), reached=NOT_BIND),
    into("vers-ns-alias-mort", "redirected into a zone of which one server is an alias, the other one silent",
        ("na1.op.example", DEAD.names[0]), "82.64.5.33", "DNS_MX_HOST_DEAD", reached=NOT_BIND),
    into("vers-colle-morte", "redirected into a zone: the server with glue is silent, the one without sound",
        ("sain.vers-colle-morte.mssante.fr", DEAD.names[0]), "82.64.5.34",
        parent=("@ MX 10 mx.vers-colle-morte-z.example.", f"sain.@ A {ONE}")),
    redirected("alias-ns-alias", "an alias into a zone whose servers' names are aliases", "x", "DNS_ALIAS",
        "DNS_MX_IMPLICIT", "DNS_MX_HOST_DEAD", parent=("@ CNAME mx.vers-ns-alias-z.example.",),
        reached=NOT_BIND),
    below("vers-notimp", "redirected into a zone whose servers say NOTIMP to EDNS", "notimp edns",
        "DNS_MX_HOST_DEAD", reached=(UNBOUND, UNBOUND_VALIDATING)),
    below("vers-lent-4", "redirected into a zone whose servers answer after 4 seconds", "4.0",
        "DNS_MX_HOST_DEAD", reached=None),
    Hard("parents-deux", "the parent's servers name other servers, and one set is silent",
        ("DNS_NS_MISMATCH", "DNS_PARENT_DISAGREE", "DNS_SERVER_SILENT"),
        second_parent=cut("nsx1.op.example", "nsx2.op.example"),
        hosts=("nsx1.op A 62.250.1.1", "nsx2.op A 62.251.1.2"), reached=None),
    both("lent-1", "answers come after 1 second", "1.0"),
    both("lent-4", "answers come after 4 seconds: BIND mostly gives up", "4.0", "DNS_SERVER_SLOW",
        reached=None),
    one("lent-4-un", "one server's answers come after 4 seconds", "4.0", "DNS_SERVER_SLOW"),
)  # fmt: skip


def signed(name: str, what: str, how: str, *rules: str, ds: str = DS, **more: object) -> Hard:
    parent = (*cut(), *(f"@ DS {record}" for record in ds.split(", ")))
    return Hard(name, what, rules, **{"parent": parent, "signed": how} | more)


NO_KEY = f"12345 13 2 {'AB' * 32}"
DNSSEC = (
    signed("signe-ec", "clean: signed with ECDSA", "now"),
    signed("signe-ed", "clean: signed with Ed25519", "ED25519"),
    signed("signe-rsa", "clean: signed with RSA/SHA-256", "RSASHA256"),
    signed("expire", "signatures have expired", "expired", "DNS_SIGNATURE_BROKEN", reached=NOT_VALIDATING),
    signed("mx-expire", "the signature of the MX has expired, the keys' has not", "mx expired",
        "DNS_SIGNATURE_BROKEN", reached=NOT_VALIDATING),
    signed("futur", "signatures are not valid yet", "not yet", "DNS_SIGNATURE_BROKEN",
        reached=NOT_VALIDATING),
    signed("sans-cle", "a DS and no such key", "now", "DNS_DS_BROKEN", ds=NO_KEY, reached=NOT_VALIDATING),
    signed("non-signe", "a DS, and the zone is not signed", "", "DNS_DS_BROKEN", ds=NO_KEY,
        reached=NOT_VALIDATING),
    signed("deux-ds", "two DS, one without a key", "now", ds=f"{DS}, {NO_KEY}"),
    signed("sha1", "the DS is of SHA-1 only", "now", "DNS_SHA1", ds=DS_SHA1),
    signed("rsasha1", "signed with RSA/SHA-1", "RSASHA1", "DNS_SHA1"),
    signed("algo-inconnu", "a DS of an algorithm nobody knows", "unknown", "DNS_DS_UNKNOWN"),
    signed("condense-inconnu", "a DS of a digest nobody knows", "now", "DNS_DS_UNKNOWN",
        ds=f"12345 13 200 {'AB' * 32}"),
    signed("parent-non-signe", "a DS without key, published by a parent that is not signed", "now",
        "DNS_DS_UNUSED", ds=NO_KEY, zone="nonsigne.fr"),
    Hard("sans-ds-ici", "clean: signed, no DS", ("DNS_NO_DS",), signed="now"),
    both("cle-refuse", "signed; DNSKEY refused by both", "refuse dnskey", "DNS_SIGNATURE_BROKEN",
        signed="now", reached=NOT_VALIDATING),
    both("cle-tait", "signed; DNSKEY dropped by both", "silent dnskey", "DNS_SIGNATURE_BROKEN", signed="now",
        reached=NOT_VALIDATING),
    both("sans-signatures", "signed, with a DS; both servers leave signatures out", "no-sig",
        "DNS_SIGNATURE_BROKEN", signed="now", reached=NOT_VALIDATING),
    one("sans-signatures-un", "signed, with a DS; one server leaves signatures out", "no-sig",
        "DNS_SIGNATURE_SERVER", signed="now"),
    signed("nie-prouve", "clean: signed; that there is no MX is proven, there is an address", "now",
        "DNS_MX_IMPLICIT", first=zone("@ A 82.64.5.51", mx="")),
    both("nie-sans-preuve", "signed; both say without proof that there is no MX, there is an address",
        "no-sig mx", "DNS_MX_IMPLICIT", "DNS_SIGNATURE_BROKEN", signed="now",
        first=zone("@ A 82.64.5.51", mx=""), reached=NOT_VALIDATING),
    signed("sha1-sans-cle", "a DS of SHA-1 only, and no such key", "now", "DNS_DS_BROKEN",
        ds=f"12345 13 1 {'AB' * 20}", reached=NOT_VALIDATING),
    signed("inconnu-et-sans-cle", "a DS of an algorithm nobody knows, another without key", "now",
        "DNS_DS_BROKEN", ds=f"12345 200 2 {'AB' * 32}, {NO_KEY}", reached=NOT_VALIDATING),
    signed("parent-non-signe-bon", "clean: signed, with its DS in a parent that is not signed", "now",
        zone="nonsigne.fr"),
    signed("hote-expire", "a zone of an exchanger, signatures expired", "expired", "DNS_SIGNATURE_BROKEN",
        first=zone("mx A 82.64.5.41"), reached=NOT_VALIDATING),
    redirected("vers-expire", "redirected to that exchanger", "10 mx.hote-expire.mssante.fr", "DNS_MX_BOGUS",
        reached=NOT_VALIDATING, cn="mx.hote-expire.mssante.fr"),
    redirected("vers-expire-un", "redirected to that exchanger and to a sound one",
        f"10 mx.hote-expire.mssante.fr, 20 {MX}", "DNS_MX_BOGUS",
        unsound="one sound exchanger for validators"),
    Hard("alias-sans-cle", "an alias into a zone that has a DS and no such key",
        ("DNS_ALIAS", "DNS_MX_IMPLICIT", "DNS_MX_BOGUS",), parent=("@ CNAME mx.hote-sans-cle.mssante.fr.",),
        first=None, method="redirected", reached=NOT_VALIDATING),
    redirected("vers-sans-cle", "redirected to an exchanger whose zone has a DS and no such key",
        "10 mx.hote-sans-cle.mssante.fr", "DNS_MX_BOGUS", reached=NOT_VALIDATING,
        cn="mx.hote-sans-cle.mssante.fr"),
    signed("signe-haut", "clean: an unsigned zone below a signed one, on the same servers", "now",
        listed=("@", "bas"), first=zone(*(f"bas NS {n}." for n in NS)),
        more=(("bas", zone("hote A 82.64.5.66")),)),
    redirected("vers-bas", "clean: redirected to an exchanger in that unsigned zone",
        "10 hote.bas.signe-haut.mssante.fr", cn="hote.bas.signe-haut.mssante.fr"),
    signed("signe-dname", "clean: a name made by a DNAME in a signed zone", "now", "DNS_ALIAS",
        listed=("a.b",), method="within-delegated",
        first=zone("b DNAME c", f"a.c MX 10 {MX}.", "hote.c A 82.64.5.67")),
    redirected("vers-dname", "redirected to an exchanger made by a DNAME in that zone",
        "10 hote.b.signe-dname.mssante.fr", "DNS_MX_ALIAS", cn="hote.b.signe-dname.mssante.fr"),
    signed("hote-sans-cle", "the zone of that exchanger", "now", "DNS_DS_BROKEN", ds=NO_KEY,
        first=zone("mx A 82.64.5.10"), reached=NOT_VALIDATING),
)  # fmt: skip
ALIASES = (
    Hard("egal", "an MX equal to the wildcard beside it, in a signed parent",
        parent=(f"*.@ MX 10 {MX}.", f"a.@ MX 10 {MX}."), first=None, listed=("a",), method="redirected"),
    Hard("egal-ns", "an MX equal to the wildcard beside it, in a parent that is not signed",
        parent=(f"*.@ MX 10 {MX}.", f"a.@ MX 10 {MX}."), first=None, listed=("a",), method="redirected",
        zone="nonsigne.fr"),
    Hard("joker-seul", "only the wildcard answers", ("DNS_WILDCARD",), parent=(f"*.@ MX 10 {MX}.",),
        first=None, listed=("a",), method="wildcard"),
    Hard("alias", "an alias of a name with an MX", ("DNS_ALIAS",), parent=("@ CNAME boite.mail.example.",),
        hosts=(f"boite.mail MX 10 {MX}.",), first=None, method="redirected"),
    Hard("alias-adresse", "an alias of a host", ("DNS_ALIAS", "DNS_MX_IMPLICIT",),
        parent=("@ CNAME mx1.mail.example.",), first=None, method="redirected"),
    Hard("alias-perdu", "an alias of nothing", ("DNS_NO_MX",), parent=("@ CNAME rien.mail.example.",),
        first=None, method="redirected", reached=NONE),
    redirected("trois", "three exchangers, the first of which does not exist",
        f"5 parti.mail.example, 10 {MX}, 20 mx2.mail.example", "DNS_MX_UNRESOLVED"),
    Hard("joker-mort", "only the wildcard answers, with an exchanger that does not exist",
        ("DNS_WILDCARD", "DNS_MX_UNRESOLVED"), parent=("*.@ MX 10 parti.mail.example.",), first=None,
        listed=("a",), method="wildcard", reached=NONE, cn="parti.mail.example"),
    Hard("alias-boucle", "an alias of an alias of itself", ("DNS_NO_MX",),
        parent=("@ CNAME rond.mail.example.",), hosts=("rond.mail CNAME alias-boucle.mssante.fr.",),
        first=None, method="redirected", reached=NONE),
    Hard("alias-muet", "an alias into a silent zone", ("DNS_ALIAS", "DNS_MX_HOST_DEAD",),
        parent=("@ CNAME mx.alias-muet-z.example.",), first=None, method="redirected", **dead("alias-muet"),
        reached=NONE),
    both("cname-soi", "the domain is an alias of itself, at both servers of its zone", "self-alias mx",
        "DNS_NO_MX", reached=NONE),
    both("cname-et-mx", "both servers give an alias beside the exchanger, in one answer", "alias-too",
        "DNS_ALIAS_WITH_DATA", unsound="no exchanger that all come to"),
    *(
        Hard(f"alias-{links}", f"{links} aliases, over two zones", rules, first=None, method="redirected",
            parent=(f"@ CNAME c{links}-1.pair.example.",), reached=reached)
        for links, rules, reached in (
            (10, ("DNS_ALIAS",), ALL), (11, ("DNS_ALIAS",), ALL),
            (12, ("DNS_ALIAS", "DNS_MX_HOST_DEAD"), (KNOT,)), (13, ("DNS_NO_MX",), NONE),
        )
    ),
    redirected("mx-alias-11", "the exchanger is at the end of eleven aliases", "10 h11-0.pair.example",
        "DNS_MX_ALIAS", cn="h11-0.pair.example",
        hosts=tuple(f"{zone_} NS {server}." for zone_ in ("pair", "impair") for server in NS),
        more=tuple((f"{zone_}.example.", zone(*chains(zone_), mx="")) for zone_ in ("pair", "impair"))),
    redirected("mx-alias-12", "the exchanger is at the end of twelve aliases: BIND and unbound follow eleven",
        "10 h12-0.pair.example", "DNS_MX_ALIAS", "DNS_MX_HOST_DEAD", cn="h12-0.pair.example",
        reached=(KNOT,)),
    redirected("mx-alias-13", "the exchanger is at the end of thirteen aliases: nobody follows them",
        "10 h13-0.pair.example", "DNS_MX_UNRESOLVED", cn="h13-0.pair.example", reached=NONE),
    one("alias-mx-un", "an alias in its zone: one server adds the exchangers of the target, one does not",
        "alias-alone", "DNS_ALIAS", listed=("a",), method="within-delegated", unsound="",
        first=zone("a CNAME b", f"b MX 10 {MX}.")),
    Hard("mx-alias-sain", "the exchanger is an alias", ("DNS_MX_ALIAS",),
        first=zone(mx="10 alias2.mail.example."), hosts=("alias2.mail CNAME mx1.mail",),
        cn="alias2.mail.example"),
)  # fmt: skip
HARD = (*REFUSALS, *EXCHANGERS, *DELEGATIONS, *EDNS, *DNSSEC, *ALIASES)
