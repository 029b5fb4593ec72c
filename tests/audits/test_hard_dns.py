"""What real resolvers tell apart: each rule on hard DNS fires on its case, and only there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from in_clear import told_in_clear
from made_up import BETA_DN
from made_up_dns import ALPHA_MX, AT, BETA_MX, DELEGATED, ONE, REDIRECTED, ROWS, TWO, Scene

from mssante_audit.network import network_of
from mssante_audit.network.mail import mails
from mssante_audit.observe.lines import Record, Reply
from mssante_audit.space.trust import TrustSpace
from tools.sample.dns_signing import Signer
from tools.sample.dns_world import Zone

INNER = f"labo.{DELEGATED}"
NS = ("ns1.alpha.example", "ns2.gamma.example")


def rules(space: TrustSpace) -> dict[str, list[tuple[int, ...]]]:
    found = told_in_clear("delegation_vs_redirection", space)
    kept: dict[str, list[tuple[int, ...]]] = {}
    for rule, rows in zip(found["rule"], found["rows"], strict=True):
        kept.setdefault(rule, []).append(rows)
    return kept


def texts(space: TrustSpace, rule: str) -> list[str]:
    found = told_in_clear("delegation_vs_redirection", space)
    return found.loc[found["rule"] == rule, "observed"].tolist()


Edit = Callable[[Reply], Reply]


def answer(scene: Scene, domain: str) -> tuple[str, str]:
    told = mails(scene.space().observation, [domain], AT, 7)[domain]
    return told.receives, told.cause


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


@pytest.mark.parametrize("how", ["refused", "servfail", "malformed"])
def test_one_server_does_not_give_the_mx(how: str) -> None:
    space = edited(Scene(), outcome(how, qname=DELEGATED, qtype="MX", address=TWO))
    assert rules(space) == {"DNS_MX_REFUSED": [(1,)]}


def test_an_mx_lost_over_udp_only_is_told() -> None:
    lost = outcome("timeout", qname=DELEGATED, qtype="MX", address=TWO, transport="udp")
    assert rules(edited(Scene(), lost)) == {"DNS_MX_REFUSED": [(1,)]}


@pytest.mark.parametrize("how", ["refused", "servfail", "malformed"])
def test_no_server_gives_the_mx(how: str) -> None:
    space = edited(Scene(), outcome(how, qname=DELEGATED, qtype="MX", zone=DELEGATED))
    assert rules(space) == {"DNS_MX_SILENT": [(1,)]}
    within = Scene((*ROWS, {"domain": INNER}))
    within.zone.add(INNER, "MX", f"10 {ALPHA_MX}")
    space = edited(within, outcome(how, qname=INNER, qtype="MX", zone=DELEGATED))
    assert rules(space) == {"DNS_MX_SILENT": [(3,)]}, "and its method is not reported as unknown besides"
    space = edited(Scene(), outcome(how, qname=REDIRECTED, qtype="MX", zone="mssante.fr"))
    assert rules(space) == {"DNS_MX_SILENT": [(2,)]}


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


@pytest.mark.parametrize("server", [{"silent": ("udp", "tcp")}, {"refused": ("A",)}])
def test_a_host_in_a_zone_that_does_not_answer(server: dict[str, tuple[str, ...]]) -> None:
    """The manager's stale record: the zone it redirects to has died, or tells no IPv4 and has no IPv6."""
    scene = Scene().host("ns.perdue.example", "198.51.101.9")
    scene.world.root.add("perdue.example", "NS", "ns.perdue.example")
    zone = Zone("perdue.example").soa(1).add("mx.perdue.example", "A", "192.88.99.9")
    scene.world.serve(zone, "198.51.101.9")
    scene.parent.records[REDIRECTED]["MX"] = ["10 mx.perdue.example"]
    assert set(rules(scene.space())) == {"DNS_MX_CERTIFICATE"}
    for name, value in server.items():
        setattr(scene.server("198.51.101.9"), name, value)
    assert rules(scene.space())["DNS_MX_HOST_DEAD"] == [(2,)]


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


@pytest.mark.parametrize(
    ("first", "second", "differs"),
    [
        (("192.88.99.7",), ("192.88.99.8",), True),
        (("192.88.99.7",), (), True),
        (("192.88.99.7", "2a00::7"), ("2a00::7",), True),
        (("2a00::7",), ("2a00::8",), True),
        (("192.88.99.7",), ("192.88.99.7", "2a00::7"), False),
    ],
)
def test_a_host_that_one_server_lacks_or_has_elsewhere(
    first: tuple[str, ...], second: tuple[str, ...], differs: bool
) -> None:
    scene = hosted(*first, second=second)
    found = rules(scene.space())
    assert ("DNS_MX_HOST_DIFFERS" in found) is differs
    if differs:
        assert found["DNS_MX_HOST_DIFFERS"] == [(2,)]
        assert answer(scene, REDIRECTED) == ("degraded", "exchangers-differ")
    else:
        assert answer(scene, REDIRECTED) == ("yes", "")


def test_a_host_s_addresses_may_differ_as_long_as_one_is_common() -> None:
    scene = hosted("192.88.99.7", second=("192.88.99.7", "192.88.99.8"))
    assert rules(scene.space()) == {}
    assert answer(scene, REDIRECTED) == ("yes", "")


def test_one_dead_server_of_a_host_s_zone_costs_nothing() -> None:
    scene = hosted("192.88.99.7")
    scene.server("198.51.102.9").silent = ("udp", "tcp")
    assert rules(scene.space()) == {}
    assert answer(scene, REDIRECTED) == ("yes", "")


def test_none_of_several_exchangers_can_be_reached() -> None:
    scene = Scene()
    scene.zone.records[DELEGATED]["MX"] = [f"10 {ALPHA_MX}", "20 parti.alpha.example"]
    assert set(rules(scene.space())) == {"DNS_MX_UNRESOLVED"}
    scene.host(ALPHA_MX, "10.0.0.1")
    assert set(rules(scene.space())) == {"DNS_MX_UNRESOLVED", "DNS_MX_PRIVATE", "DNS_MX_UNREACHABLE"}


def test_ipv6_alone_matters_where_no_other_exchanger_has_ipv4() -> None:
    scene = Scene().host(ALPHA_MX, "2606:4700::1")
    scene.zone.add(DELEGATED, "MX", f"20 {BETA_MX}")
    assert rules(scene.space()) == {}


def test_an_implicit_mail_server_on_a_private_address() -> None:
    scene = Scene()
    del scene.zone.records[DELEGATED]["MX"]
    scene.zone.add(DELEGATED, "A", "10.9.8.7")
    assert rules(scene.space()) == {"DNS_MX_IMPLICIT": [(1,)], "DNS_MX_PRIVATE": [(1,)]}


def test_an_alias_is_told_as_one() -> None:
    scene = Scene()
    scene.parent.records[REDIRECTED] = {"CNAME": ["mail.beta.example"]}
    scene.host("mail.beta.example", "192.88.99.9")
    scene.world.root.add("mail.beta.example", "MX", f"10 {BETA_MX}")
    assert rules(scene.space()) == {"DNS_ALIAS": [(2,)]}
    assert texts(scene.space(), "DNS_ALIAS") == ["alias de mail.beta.example"]


def test_a_record_equal_to_the_wildcard_beside_it_is_a_redirection() -> None:
    scene = Scene()
    scene.parent.add("*.mssante.fr", "MX", f"10 {BETA_MX}")
    assert rules(scene.space()) == {}
    del scene.parent.records[REDIRECTED]
    assert rules(scene.space()) == {"DNS_WILDCARD": [(2,)]}


def test_an_alias_beside_an_exchanger() -> None:
    scene = Scene()
    scene.zone.add(DELEGATED, "CNAME", BETA_MX)
    found = rules(scene.space())
    assert found["DNS_ALIAS_WITH_DATA"] == [(1,)]
    assert "DNS_ALIAS" not in found
    assert answer(scene, DELEGATED) == ("degraded", "mx-differ")
    scene.host("alias.beta.example").world.root.add("alias.beta.example", "MX", f"10 {ALPHA_MX}")
    scene.zone.records[DELEGATED]["CNAME"] = ["alias.beta.example"]
    assert answer(scene, DELEGATED) == ("yes", "")


def test_an_alias_of_itself_leads_nowhere() -> None:
    scene = Scene()
    scene.parent.records[REDIRECTED] = {"CNAME": [REDIRECTED]}
    assert rules(scene.space()) == {"DNS_NO_MX": [(2,)]}
    assert answer(scene, REDIRECTED) == ("no", "alias-lost")


@pytest.mark.parametrize(
    ("links", "expected", "rule"),
    [
        (11, ("yes", ""), ""),
        (12, ("degraded", "alias-long"), "DNS_MX_HOST_DEAD"),
        (13, ("no", "alias-lost"), "DNS_NO_MX"),
    ],
)
def test_aliases_are_counted(links: int, expected: tuple[str, str], rule: str) -> None:
    scene = Scene()
    scene.parent.records[REDIRECTED] = {"CNAME": ["a1.beta.example"]}
    for link in range(1, links):
        scene.host(f"a{link}.beta.example").world.root.add(
            f"a{link}.beta.example", "CNAME", f"a{link + 1}.beta.example"
        )
    scene.host(f"a{links}.beta.example").world.root.add(f"a{links}.beta.example", "MX", f"10 {BETA_MX}")
    assert answer(scene, REDIRECTED) == expected
    assert set(rules(scene.space())) - {"DNS_ALIAS"} == ({rule} if rule else set())


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


def test_a_server_that_answers_all_but_the_soa_serves() -> None:
    soa = outcome("refused", zone=DELEGATED, qname=DELEGATED, qtype="SOA")
    assert rules(edited(Scene(), soa)) == {"DNS_SERVER_PARTIAL": [(1,), (1,)]}, "and is not called dead"
    ns = outcome("refused", zone=DELEGATED, qname=DELEGATED, qtype="NS")
    assert rules(edited(Scene(), lambda reply: ns(soa(reply)))) == {"DNS_SERVER_PARTIAL": [(1,), (1,)]}


def test_right_data_without_authority_are_no_death() -> None:
    def weak(reply: Reply) -> Reply:
        flags = reply.flags.replace("aa", "").strip()
        return reply._replace(flags=flags, outcome="lame") if reply.zone == DELEGATED else reply

    assert rules(edited(Scene(), weak)) == {"DNS_SERVER_WEAK": [(1,), (1,)]}


def test_a_late_reply_is_no_silence() -> None:
    def late(reply: Reply) -> Reply:
        return reply._replace(flags=f"{reply.flags} late") if reply.address == TWO else reply

    assert rules(edited(Scene(), late)) == {"DNS_SERVER_SLOW": [(1,)]}


def without_edns(rcode: str, *addresses: str) -> TrustSpace:
    """Have servers answer without EDNS only: with it there is an error, or silence."""
    space = Scene().space()
    assert space.observation is not None
    replies = space.observation.replies
    asked = [
        reply._replace(
            line=reply.line + 100_000, rcode=rcode, outcome="refused" if rcode else "timeout", records=()
        )
        for reply in replies
        if reply.address in addresses
    ]
    return with_replies(space, [*asked, *(r._replace(edns=r.address not in addresses) for r in replies)])


@pytest.mark.parametrize(
    ("rcode", "rule"),
    [
        ("", "DNS_EDNS_BROKEN"),
        ("16", "DNS_EDNS_BROKEN"),
        ("NOTIMP", "DNS_EDNS_BROKEN"),
        ("FORMERR", "DNS_EDNS_REFUSED"),
    ],
)
def test_edns(rcode: str, rule: str) -> None:
    assert rules(without_edns(rcode, TWO)) == {rule: [(1,)]}
    if rcode == "NOTIMP":  # some resolvers go on
        return
    every = rules(without_edns(rcode, ONE, TWO))
    assert every == ({"DNS_DELEGATION_DEAD": [(1,)]} if rule == "DNS_EDNS_BROKEN" else {rule: [(1,), (1,)]})


def private(*addresses: str) -> TrustSpace:
    """Have addresses not asked, as the observer leaves out those that are none to ask."""
    space = Scene().space()
    assert space.observation is not None
    kept = [r for r in space.observation.replies if r.address not in addresses or r.qtype == "SOA"]
    none = {"outcome": "unreachable", "flags": "private", "attempt": 0, "records": ()}
    return with_replies(space, [r._replace(**none) if r.address in addresses else r for r in kept])


def test_a_server_on_a_private_address() -> None:
    assert rules(private(TWO)) == {"DNS_NS_PRIVATE": [(1,)]}
    space = private(ONE, TWO)
    assert rules(space) == {"DNS_DELEGATION_DEAD": [(1,)]}
    assert "adresse privée" in texts(space, "DNS_DELEGATION_DEAD")[0]


def test_a_delegation_to_names_inside_it_without_glue_is_dead() -> None:
    scene = Scene()
    scene.servers(f"ns1.{DELEGATED}", f"ns2.{DELEGATED}")
    space = scene.space()
    assert set(rules(space)) == {"DNS_DELEGATION_DEAD"}
    assert "aucune adresse dans la délégation" in texts(space, "DNS_DELEGATION_DEAD")[0]


def test_delegations_that_need_each_other_are_dead() -> None:
    other = "ch-delta.mssante.fr"
    scene = Scene((*ROWS, {"domain": other}))
    scene.delegate(other)
    scene.servers(f"ns.{other}")
    scene.parent.records[other]["NS"] = [f"ns.{DELEGATED}"]
    space = scene.space()
    assert rules(space) == {"DNS_DELEGATION_DEAD": [(1,), (3,)]}
    assert "qu’en passant par cette zone" in texts(space, "DNS_DELEGATION_DEAD")[0]


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


def test_servers_on_ipv6_only() -> None:
    scene = Scene()
    for n, name in enumerate(NS):
        scene.host(name, f"2001:db8:{n}::1")
        scene.world.serve(scene.zone, f"2001:db8:{n}::1")
    assert rules(scene.space()) == {"DNS_IPV6_ONLY": [(1,)]}


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
    found = network_of(space.observation).chains.security(zone)
    return found.status, found.code


def test_a_signed_chain_is_secure() -> None:
    scene = Scene()
    chained(scene)
    space = scene.space()
    assert rules(space) == {}
    assert state(space, "mssante.fr") == state(space) == ("secure", "")


@pytest.mark.parametrize(
    ("begins", "ends", "code", "text"), [(-30, -1, "expired", "expirée"), (1, 30, "early", "pas encore")]
)
def test_signatures_out_of_their_time(begins: int, ends: int, code: str, text: str) -> None:
    scene = Scene()
    child, _ = chained(scene)
    child.sign(begins=begins, ends=ends)
    space = scene.space()
    assert state(space) == ("bogus", code)
    assert rules(space) == {"DNS_SIGNATURE_BROKEN": [(1,)]}
    assert text in texts(space, "DNS_SIGNATURE_BROKEN")[0]


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


def test_a_ds_without_its_key() -> None:
    scene = Scene()
    _, parent = chained(scene)
    scene.parent.records[DELEGATED]["DS"] = [f"12345 13 2 {'ab' * 32}"]
    parent.sign()
    assert state(scene.space()) == ("bogus", "no-match")
    assert rules(scene.space()) == {"DNS_DS_BROKEN": [(1,)]}
    scene.zone.signed = False
    del scene.zone.records[DELEGATED]["DNSKEY"]
    scene.zone.signatures.clear()
    assert state(scene.space()) == ("bogus", "no-key")
    assert rules(scene.space()) == {"DNS_DS_BROKEN": [(1,)]}


@pytest.mark.parametrize("ds", [f"12345 200 2 {'ab' * 32}", f"12345 13 9 {'ab' * 32}"])
def test_a_ds_that_no_validator_knows_breaks_nothing(ds: str) -> None:
    scene = Scene()
    _, parent = chained(scene)
    scene.parent.records[DELEGATED]["DS"] = [ds]
    parent.sign()
    assert state(scene.space()) == ("insecure", "unknown")
    assert rules(scene.space()) == {"DNS_DS_UNKNOWN": [(1,)]}


def test_a_ds_in_an_unsigned_zone_has_no_effect() -> None:
    scene = Scene()
    child = Signer(scene.zone, AT)
    child.sign()
    scene.parent.records[DELEGATED]["DS"] = [f"12345 13 2 {'ab' * 32}"]
    assert state(scene.space()) == ("insecure", "unsigned-above")
    assert rules(scene.space()) == {"DNS_DS_UNUSED": [(1,)]}
    scene.parent.records[DELEGATED]["DS"] = [child.ds()]
    assert rules(scene.space()) == {}


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
    replies = [one for one in network.index.about(DELEGATED, "MX") if one.zone == DELEGATED]
    assert [network.chains.fault(reply) for reply in replies] == ["unsigned" if refused else "wrong"] * 2


@pytest.mark.parametrize(("algorithm", "digest"), [("RSASHA1", "SHA256"), ("ECDSAP256SHA256", "SHA1")])
def test_sha1(algorithm: str, digest: str) -> None:
    scene = Scene()
    chained(scene, algorithm, digest)
    assert state(scene.space()) == ("secure", "")
    assert rules(scene.space()) == {"DNS_SHA1": [(1,)]}


def test_one_server_with_old_signatures() -> None:
    scene = Scene()
    child, _ = chained(scene)
    other = scene.split()
    child.zone = other
    child.sign(begins=-30, ends=-2)
    space = scene.space()
    assert state(space) == ("secure", "")
    assert rules(space) == {"DNS_SIGNATURE_SERVER": [(1,)]}


def test_an_exchanger_in_a_zone_with_bad_signatures() -> None:
    other = "ch-delta.mssante.fr"
    scene = Scene()
    scene.parent.records[REDIRECTED]["MX"] = [f"10 mx.{other}"]
    zone = scene.delegate(other).add(f"mx.{other}", "A", "192.88.99.7")
    _, parent = chained(scene)
    signer = Signer(zone, AT)
    scene.parent.records[other]["DS"] = [signer.ds()]
    parent.sign()
    signer.sign()
    assert set(rules(scene.space())) == {"DNS_MX_CERTIFICATE"}
    signer.sign(begins=-9, ends=-1)
    assert set(rules(scene.space())) == {"DNS_MX_CERTIFICATE", "DNS_MX_BOGUS"}


def test_the_wildcard_s_own_signature_tells_it_from_a_record() -> None:
    scene = Scene()
    _, parent = chained(scene)
    scene.parent.add("*.mssante.fr", "MX", f"10 {BETA_MX}").add(f"x.{REDIRECTED}", "MX", f"10 {BETA_MX}")
    parent.sign()
    assert rules(scene.space()) == {}
