"""What real resolvers tell apart: each rule on hard DNS fires on its case, and only there."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import pytest
from in_clear import by_rule, told_in_clear
from made_up import BETA_DN
from made_up_dns import ALPHA_MX, AT, BETA_MX, DELEGATED, ONE, REDIRECTED, TWO, Scene

from mssante_audit.network import network_of
from mssante_audit.network.mail import mails
from mssante_audit.observe.lines import Record, Reply
from mssante_audit.space.trust import TrustSpace
from tools.sample.dns_signing import Signer
from tools.sample.dns_world import Zone

NS = ("ns1.alpha.example", "ns2.gamma.example")
rules = partial(by_rule, "delegation_vs_redirection")


def texts(space: TrustSpace, rule: str) -> list[str]:
    findings = told_in_clear("delegation_vs_redirection", space)
    return findings.loc[findings["rule"] == rule, "observed"].tolist()


Edit = Callable[[Reply], Reply]


def answer(scene: Scene, domain: str) -> tuple[str, str]:
    mail = mails(scene.space().observation, [domain], AT, 7)[domain]
    return mail.receives, mail.cause


def edited(scene: Scene, edit: Edit) -> TrustSpace:
    """Observe a scene, and change the lines."""
    space = scene.space()
    assert space.observation is not None
    return with_replies(space, map(edit, space.observation.replies))


def with_replies(space: TrustSpace, replies: Iterable[Reply]) -> TrustSpace:
    assert space.observation is not None
    return replace(space, observation=replace(space.observation, replies=tuple(replies)))


def outcome(value: str, **where: str) -> Edit:
    """Have questions (fields and their values) end in another way."""

    def edit(reply: Reply) -> Reply:
        chosen = all(getattr(reply, field) == wanted for field, wanted in where.items())
        attempt = 3 if value == "timeout" else reply.attempt
        return reply._replace(outcome=value, attempt=attempt, records=()) if chosen else reply

    return edit


# -- the MX -----------------------------------------------------------------------------------------------


def test_an_mx_lost_over_udp_only_is_told() -> None:
    lost = outcome("timeout", qname=DELEGATED, qtype="MX", address=TWO, transport="udp")
    assert rules(edited(Scene(), lost)) == {"DNS_MX_REFUSED": [(1,)]}


def test_sets_differ_by_preference_transport_or_question() -> None:
    scene = Scene()
    scene.split().records[DELEGATED]["MX"] = [f"20 {ALPHA_MX}"]
    assert rules(scene.space()) == {"DNS_MX_DISAGREE": [(1,)]}
    (text,) = texts(scene.space(), "DNS_MX_DISAGREE")
    assert f"10 {ALPHA_MX}" in text
    assert f"20 {ALPHA_MX}" in text

    def over_tcp(reply: Reply) -> Reply:
        if (reply.address, reply.transport) != (TWO, "tcp"):
            return reply
        return reply._replace(records=tuple(r._replace(data=f"30 {ALPHA_MX}") for r in reply.records))

    (text,) = texts(edited(Scene(), over_tcp), "DNS_MX_DISAGREE")
    assert "(TCP)" in text


def hosted(*first: str, second: tuple[str, ...] = (), kind: str = "A") -> Scene:
    """Redirect to a host in a zone whose two servers carry these addresses of it."""
    scene, zone, host = Scene(), "partage.example", "mx.partage.example"
    for number, addresses in ((1, first), (2, second)):
        server = f"ns{number}.{zone.replace('.', '-')}.example"
        scene.host(server, f"198.51.{100 + number}.9")
        scene.world.root.add(zone, "NS", server)
        copy = scene.world.serve(Zone(zone).soa(1), f"198.51.{100 + number}.9")
        for address in addresses:
            copy.add(host, "AAAA" if ":" in address else kind, address)
    scene.parent.records[REDIRECTED]["MX"] = [f"10 {host}"]
    scene.rows = ({"domain": DELEGATED}, {"domain": REDIRECTED, "dn": BETA_DN.replace(BETA_MX, host)})
    return scene


def test_a_host_s_addresses_may_differ_as_long_as_one_is_common() -> None:
    scene = hosted("192.88.99.7", second=("192.88.99.7", "192.88.99.8"))
    assert rules(scene.space()) == {}
    assert answer(scene, REDIRECTED) == ("yes", "")


def test_a_record_equal_to_the_wildcard_beside_it_is_a_redirection() -> None:
    scene = Scene()
    scene.parent.add("*.mssante.fr", "MX", f"10 {BETA_MX}")
    assert rules(scene.space()) == {}
    del scene.parent.records[REDIRECTED]
    assert rules(scene.space()) == {"DNS_WILDCARD": [(2,)]}


def test_an_alias_beside_an_exchanger() -> None:
    scene = Scene()
    scene.zone.add(DELEGATED, "CNAME", BETA_MX)
    fired = rules(scene.space())
    assert fired["DNS_ALIAS_WITH_DATA"] == [(1,)]
    assert "DNS_ALIAS" not in fired
    assert answer(scene, DELEGATED) == ("degraded", "mx-differ")
    scene.host("alias.beta.example").world.root.add("alias.beta.example", "MX", f"10 {ALPHA_MX}")
    scene.zone.records[DELEGATED]["CNAME"] = ["alias.beta.example"]
    assert answer(scene, DELEGATED) == ("yes", "")


def test_exchangers_are_followed_as_senders_prefer_them() -> None:
    scene = Scene()
    scene.zone.records[DELEGATED]["MX"] = [
        f"5 {ALPHA_MX}",
        *(f"{n} a{n}.alpha.example" for n in range(10, 59)),
    ]
    assert answer(scene, DELEGATED) == ("degraded", "one-exchanger")
    scene.zone.records[DELEGATED]["MX"] += [f"{n} a{n}.alpha.example" for n in range(60, 120)]
    assert answer(scene, DELEGATED) == ("degraded", "exchangers-many")
    scene.zone.records[DELEGATED]["MX"][0] = f"500 {ALPHA_MX}"
    assert answer(scene, DELEGATED) == ("unknown", "hosts-unheard"), "whoever comes last is not looked up"


# -- servers ----------------------------------------------------------------------------------------------


def test_servers_that_only_the_zone_itself_names() -> None:
    scene = Scene()
    scene.servers(*(f"{name}.{DELEGATED}" for name in NS), parent=False)
    assert rules(scene.space()) == {"DNS_OWN_SERVERS_DEAD": [(1,)]}, "the final dots are missing"
    assert "n’existe pas" in texts(scene.space(), "DNS_OWN_SERVERS_DEAD")[0]
    assert answer(scene, DELEGATED) == ("degraded", "own-servers")
    scene = Scene().host("ns3.alpha.example", "198.51.101.3").host("ns4.alpha.example", "198.51.102.3")
    scene.servers("ns3.alpha.example", "ns4.alpha.example", parent=False)
    assert rules(scene.space()) == {"DNS_OWN_SERVERS_DEAD": [(1,)]}, "nobody is there"
    scene.world.serve(scene.zone, "198.51.101.3")
    assert set(rules(scene.space())) == {"DNS_NS_MISMATCH", "DNS_SERVER_SILENT"}, "one of them is"
    assert answer(scene, DELEGATED) == ("degraded", "one-server")
    scene.world.serve(scene.zone, "198.51.102.3")
    assert rules(scene.space()) == {"DNS_NS_MISMATCH": [(1,)]}
    assert answer(scene, DELEGATED) == ("yes", "")


def test_more_servers_than_are_followed_are_unknown() -> None:
    scene, names = Scene(), [f"ns{n:02}.delta.example" for n in range(40)]
    scene.servers(*names)
    for name in names[:32]:
        scene.host(name, "203.0.113.66")
    scene.host(names[39], ONE)
    assert answer(scene, DELEGATED) == ("unknown", "servers-unheard")


@pytest.mark.parametrize(("count", "fires"), [(100, False), (101, True)])
def test_sets_of_more_records_than_bind_takes(count: int, fires: bool) -> None:
    scene = Scene()
    scene.zone.records[DELEGATED]["MX"] = [f"{n} {ALPHA_MX}" for n in range(count)]
    assert rules(scene.space()) == ({"DNS_SET_LARGE": [(1,)]} if fires else {})
    scene = Scene()
    scene.servers(*NS, *(f"ns{n}.delta.example" for n in range(count - 2)))
    assert ("DNS_SET_LARGE" in rules(scene.space())) is fires


@pytest.mark.parametrize(("expire", "fires"), [(864000, False), (604800, False), (86400, True), (3600, True)])
def test_timers(expire: int, fires: bool) -> None:
    scene = Scene()
    scene.zone.records[DELEGATED]["SOA"] = [f"ns1.alpha.example h.example 2026030101 3600 600 {expire} 300"]
    assert rules(scene.space()) == ({"DNS_SOA_TIMERS": [(1,)]} if fires else {})


# -- signatures -------------------------------------------------------------------------------------------


def chained(
    scene: Scene, algorithm: str = "ECDSAP256SHA256", digest: str = "SHA256"
) -> tuple[Signer, Signer]:
    """Sign the parent, whose DS is in the root, and ch-alpha; return the signers, the child's first."""
    child, parent = Signer(scene.zone, AT, algorithm), Signer(scene.parent, AT)
    scene.parent.records[DELEGATED]["DS"] = [child.ds(digest)]
    scene.world.root.signed = True
    scene.world.root.add("mssante.fr", "DS", parent.ds())
    parent.sign()
    child.sign()
    return child, parent


def state(space: TrustSpace, zone: str = DELEGATED) -> tuple[str, str]:
    assert space.observation is not None
    security = network_of(space.observation).chains.security(zone)
    return security.status, security.code


def test_signatures_that_are_missing_or_of_other_data() -> None:
    scene = Scene()
    chained(scene)
    scene.zone.signatures.clear()
    assert state(scene.space()) == ("bogus", "unsigned")
    scene = Scene()
    chained(scene)
    scene.zone.soa(2026030102)
    assert state(scene.space()) == ("bogus", "wrong")
    scene = Scene()
    chained(scene)
    scene.zone.records[DELEGATED]["MX"] = [f"20 {ALPHA_MX}"]
    assert state(scene.space()) == ("secure", "")
    assert rules(scene.space()) == {"DNS_SIGNATURE_BROKEN": [(1,)]}, "the MX alone is refused"


@pytest.mark.parametrize(("owner", "refused"), [(f"x.{DELEGATED}", True), ("mssante.fr", False)])
def test_a_dname_stands_for_the_signature_of_what_it_makes_and_of_nothing_else(
    owner: str, refused: bool
) -> None:
    """Without its signature a CNAME holds only where the signed DNAME is above its name."""
    scene = Scene()
    chained(scene)
    signed = scene.space()
    assert signed.observation is not None
    alias, made = Record("answer", DELEGATED, 300, "CNAME", f"y.{owner}"), ("answer", owner, 300)
    dname, proof = Record(*made, "DNAME", "y.example"), Record(*made, "RRSIG", "DNAME 15 2 300")

    def edit(reply: Reply) -> Reply:
        if (reply.qname, reply.qtype, reply.zone) != (DELEGATED, "MX", DELEGATED):
            return reply
        return reply._replace(records=(alias, dname, proof))

    space = with_replies(signed, map(edit, signed.observation.replies))
    assert space.observation is not None
    network = network_of(space.observation)
    replies = [reply for reply in network.index.about(DELEGATED, "MX") if reply.zone == DELEGATED]
    assert [network.chains.fault(reply) for reply in replies] == ["unsigned" if refused else "wrong"] * 2
