"""Each rule on the DNS fires on its defect, once a cause, and is silent on what only looks like it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from in_clear import by_rule, told_in_clear
from made_up import BETA_DN, make_space
from made_up_dns import (
    ALPHA_MX,
    AT,
    BETA_MX,
    BOTH,
    DELEGATED,
    NS,
    ONE,
    PARENTS,
    REDIRECTED,
    ROWS,
    TWO,
    Change,
    Scene,
    chained,
    changed,
    does,
    faulty,
    has,
    host,
    listing,
    mx,
    servers,
    together,
)

from mssante_audit.audits import findings_of
from mssante_audit.findings.registry import rule
from mssante_audit.findings.templates import sentence
from mssante_audit.network import network_of
from mssante_audit.network.mail import mails
from mssante_audit.observe.lines import Record, Reply
from mssante_audit.space.trust import TrustSpace
from tools.sample.dns_world import Zone

in_clear = partial(told_in_clear, "delegation_vs_redirection")
rules_of = partial(by_rule, "delegation_vs_redirection")
BETA_DECLARED = f"{REDIRECTED},,X,,,,{BETA_MX}"
GAMMA, GONE = "ch-gamma.mssante.fr", "parti.beta.example"


def unregistered(scene: Scene) -> None:
    del scene.parent.records[REDIRECTED]


def server_inside(scene: Scene) -> None:
    name = f"ns.{DELEGATED}"
    scene.servers(name, NS[1])
    scene.zone.add(name, "A", ONE)
    scene.parent.add(name, "A", ONE)


def third_server(scene: Scene) -> None:
    scene.host("ns3.delta.example", "192.0.2.77").servers(*NS, "ns3.delta.example")
    scene.world.serve(scene.zone, "192.0.2.77")


def aliased(scene: Scene) -> None:
    for domain in (REDIRECTED, GAMMA):
        scene.parent.records[domain] = {"CNAME": [GONE]}
    listing(GAMMA)(scene)


def declaring(*declared: str) -> Change:
    return lambda scene: setattr(scene, "declared", " ".join(declared))


def apart(scene: Scene) -> None:
    """Have one of the parent's servers not know three of seven domains."""
    more = [f"ch-{i}.mssante.fr" for i in range(5)]
    listing(*more, dn=ROWS[1]["dn"])(scene)
    for domain in more:
        scene.parent.add(domain, "MX", f"10 {BETA_MX}")
    other = scene.split_parent()
    for domain in (DELEGATED, *more[1:3]):
        del other.records[domain]


# Beside those of the catalogue (`tools.sample.dns_defects`), which tests/test_sample.py holds.
CASES: dict[str, tuple[Change, dict[str, list[tuple[int, ...]]]]] = {
    "clean": (together(), {}),
    "clean, declared so": (declaring(f"{DELEGATED},X,,,{NS[0]},{NS[1]},", BETA_DECLARED), {}),
    "clean, seen without IPv6": (lambda s: setattr(s, "ipv6", False), {}),
    "a wildcard that is the same": (lambda s: s.zone.add(f"*.{DELEGATED}", "MX", f"10 {ALPHA_MX}"), {}),
    "a wildcard above": (lambda s: s.parent.add("*.mssante.fr", "MX", "10 other.mail.example"), {}),
    "a server on IPv6 too": (
        together(host(NS[1], TWO, "2001:db8:7::1"), lambda s: s.world.serve(s.zone, "2001:db8:7::1")), {}),
    "a third server": (third_server, {}),
    "a server inside": (server_inside, {}),
    "signed": (chained, {}),
    "a serial of today": (lambda s: s.split().soa(2026030201), {}),
    "two mail hosts": (mx(f"10 {ALPHA_MX}", "20 mss.beta.example"), {}),
    "one mail host twice": (mx(f"10 {ALPHA_MX}", f"20 {ALPHA_MX}"), {}),
    "a mail host on IPv6 too": (host(ALPHA_MX, "192.88.99.1", "2606:4700::1"), {}),
    # Declared otherwise.
    "the zone's SOA names the other one": (
        declaring(f"{DELEGATED},X,,,{NS[1]},{NS[0]},"), {"DNS_PRIMARY_OTHER": [(1,)]}),
    **{
        f"declared: {declared}": (declaring(declared), {}) for declared in (
            f"{DELEGATED},X,,,{NS[0].upper()}.,{NS[1]},", f"{DELEGATED},X,,,,,",
            f"{REDIRECTED},,X,,,,{BETA_MX.upper()}", f"{REDIRECTED},,X,,,,",
            f"{REDIRECTED},X,X,,{NS[0]},{NS[1]},{BETA_MX}", f"{REDIRECTED},X,,X,{NS[0]},{NS[1]},",
            "autre.mssante.fr,,X,,,,mail.beta.example")},
    "not there": (unregistered, {"DNS_NO_MX": [(2,)]}),
    "declared and not there is one cause": (
        together(unregistered, declaring(BETA_DECLARED)), {"DNS_DECLARED_ABSENT": [(2,)]}),
    # One cause is one finding.
    "servers dead, of a zone and what lies below": (
        together(listing(f"a.{DELEGATED}", f"b.{DELEGATED}"), faulty(silent=BOTH)),
        {"DNS_DELEGATION_DEAD": [(1, 3, 4)]}),
    "no MX is told once an operator": (
        listing(*(f"s{i}.{DELEGATED}" for i in range(9))), {"DNS_NO_MX": [tuple(range(3, 12))]}),
    "an alias to nothing": (aliased, {"DNS_NO_MX": [(2, 3)]}),
    "a wildcard beside a record": (
        together(listing(*(f"{n}.{DELEGATED}" for n in "abc")), lambda s: s.zone.add(
            f"*.{DELEGATED}", "MX", f"10 {ALPHA_MX}").add(f"c.{DELEGATED}", "MX", f"5 {ALPHA_MX}")),
        {"DNS_WILDCARD": [(3, 4)]}),
    "an alias loop": (
        together(*(together(host(name), has("CNAME", target, name=name))
                   for name, target in ((ALPHA_MX, BETA_MX), (BETA_MX, ALPHA_MX)))),
        {"DNS_MX_UNRESOLVED": [(1,), (2,)]}),
    # The parent.
    "a server of the parent is silent": (faulty(PARENTS[1][1], silent=BOTH), {"DNS_SERVER_SILENT": [(1, 2)]}),
    "servers of the parent disagree": (apart, {"DNS_PARENT_DISAGREE": [(1, 4, 5)]}),
    "an old serial of the parent": (
        lambda s: s.split_parent().soa(2026022601), {"DNS_PARENT_SERIALS": [(1, 2)]}),
    "the newer one is not a day old": (
        lambda s: (s.parent.soa(2026030200), s.split_parent().soa(2026030101)), {}),
    # Sets of more records than BIND takes, and timers.
    **{f"{count} mail hosts": (mx(*(f"{n} {ALPHA_MX}" for n in range(count))), expected)
       for count, expected in ((100, {}), (101, {"DNS_SET_LARGE": [(1,)]}))},
    **{f"an expiry of {seconds} s": (
        lambda s, seconds=seconds: s.zone.records[DELEGATED].update(
            SOA=[f"ns1.alpha.example h.example 2026030101 3600 600 {seconds} 300"]),
        {"DNS_SOA_TIMERS": [(1,)]} if seconds < 604800 else {})
       for seconds in (864000, 604800, 86400, 3600)},
    # Odd names of domains.
    **{f"{domain[:30]!r}": (listing(domain), {code: [(3,)]} if code else {}) for domain, code in (
        ("sessad@ase.mssante.fr", "DNS_NO_MX"), ("ch_x.mssante.fr", "DNS_NO_MX"), ("CH-ALPHA.mssante.fr", ""),
        ("", "DNS_METHOD_UNKNOWN"), ("a" * 250, "DNS_METHOD_UNKNOWN"))},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_rule_fires_where_it_should_and_only_there(case: str) -> None:
    change, expected = CASES[case]
    assert changed(change).found() == expected


def test_what_an_alias_leads_to_is_named() -> None:
    scene = changed(aliased)
    assert in_clear(scene.space())["observed"].tolist() == [f"{GONE} : n’existe pas"]
    has("TXT", "x", name=GONE)(scene)
    assert in_clear(scene.space())["observed"].tolist() == [f"{GONE} : ni MX ni adresse"]


def test_an_alias_beside_an_exchanger() -> None:
    scene = changed(has("CNAME", BETA_MX))
    fired = scene.found()
    assert (fired["DNS_ALIAS_WITH_DATA"], "DNS_ALIAS" in fired) == ([(1,)], False)
    assert answer(scene) == ("degraded", "mx-differ")
    scene.host("alias.beta.example").world.root.add("alias.beta.example", "MX", f"10 {ALPHA_MX}")
    scene.zone.records[DELEGATED]["CNAME"] = ["alias.beta.example"]
    assert answer(scene) == ("yes", "")


def test_500_name_servers() -> None:
    findings = changed(servers(*NS, *(f"ns{i}.many.example" for i in range(500)))).found()
    assert set(findings) == {"DNS_NS_UNRESOLVED", "DNS_SET_LARGE"}
    assert len(findings["DNS_NS_UNRESOLVED"]) <= 32


def test_more_servers_than_are_followed_are_unknown() -> None:
    names = [f"ns{n:02}.delta.example" for n in range(40)]
    silent = [host(name, "203.0.113.66") for name in names[:32]]
    scene = changed(servers(*names), *silent, host(names[39], ONE))
    assert answer(scene) == ("unknown", "servers-unheard")


# -- what is not known --------------------------------------------------------------------------------------


def with_replies(space: TrustSpace, *replies: Reply, **more: bool) -> TrustSpace:
    return replace(space, observation=replace(space.observation, replies=replies, **more))


def test_what_is_not_heard_is_unknown_and_not_absent() -> None:
    assert in_clear(make_space(*ROWS)).empty, "nothing was observed"
    scene = changed(listing("ch-neuf.mssante.fr"))
    space = scene.space()
    assert set(in_clear(space)["rule"]) == {"DNS_NO_MX"}
    silent = with_replies(space, *(r for r in space.observation.replies if r.qname != "ch-neuf.mssante.fr"))
    assert in_clear(silent)[["rule", "observed"]].values.tolist() == [
        ["DNS_METHOD_UNKNOWN", "pas observé auprès des serveurs de mssante.fr"]
    ]
    does(scene, *(address for _, address in PARENTS), rcodes={"mssante.fr": "SERVFAIL"})
    rules = set(in_clear(scene.space())["rule"])
    assert not rules & {"DNS_NO_MX", "DNS_DECLARED_ABSENT"}
    assert {"DNS_METHOD_UNKNOWN", "DNS_DELEGATION_DEAD"} <= rules


@pytest.mark.parametrize(("change", "rules"), [(together(), set()), (aliased, {"DNS_ALIAS"})])
def test_unheard_hosts_are_not_called_missing(change: Change, rules: set[str]) -> None:
    space = changed(change).space()
    unheard = (
        reply._replace(outcome="timeout", attempt=3, records=()) if reply.step == "address" else reply
        for reply in space.observation.replies
    )
    assert set(in_clear(with_replies(space, *unheard))["rule"]) == rules


@pytest.mark.parametrize("change", [together(), server_inside, chained, third_server])
def test_an_observation_cut_anywhere_says_unknown_and_nothing_else(change: Change) -> None:
    space = changed(change, declared=BETA_DECLARED).space()
    assert in_clear(space).empty
    for lines in range(2, space.observation.replies[-1].line):
        kept = (reply for reply in space.observation.replies if reply.line <= lines)
        cut = with_replies(space, *kept, complete=False)
        assert set(in_clear(cut)["rule"]) <= {"DNS_METHOD_UNKNOWN"}, lines


WHY = [
    ({"code": "no-name"},
     "ce n’est pas un nom que le DNS puisse porter", "no name that the DNS could carry"),
    ({"code": "replies", "zone": "x.fr", "outcomes": {"timeout": 2, "refused": 1}, "delegated": True},
     "délégué ; serveurs de x.fr : silence (2), refus (1)",
     "delegated; servers of x.fr: silence (2), refusal (1)"),
    ({"code": "delegated", "zone": "x.fr", "servers": 1, "of": 2},
     "délégué par x.fr, selon 1 serveurs sur 2", "delegated by x.fr, by 1 of 2 servers"),
    ({"code": "answered", "zone": "x.fr", "types": ["A", "MX"], "servers": 2, "of": 2, "checked": False},
     "A, MX dans x.fr ; enregistrement générique non vérifié", "A, MX in x.fr; wildcard not checked"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "fr", "en"), WHY)
def test_why_a_method_is_not_known_in_words(why: dict[str, object], fr: str, en: str) -> None:
    unknown = rule("DNS_METHOD_UNKNOWN")
    assert [sentence(unknown, "observed", {"seen": [why]}, language) for language in ("fr", "en")] == [fr, en]


def test_a_failing_server_is_known_by_its_address() -> None:
    def of_nothing(scene: Scene) -> None:
        scene.server(TWO).zones.clear()
        does(scene, TWO, otherwise="SERVFAIL")

    whole, zone_only = (
        findings_of("delegation_vs_redirection", changed(change).space())
        for change in (of_nothing, faulty(TWO, rcodes={DELEGATED: "SERVFAIL"}))
    )
    assert whole["subject"].tolist() == [(TWO,)]
    assert whole["facts"][0]["seen"] == [{"names": [NS[1]], "address": TWO, "state": "failing"}]
    assert whole["fingerprint"].tolist() == zone_only["fingerprint"].tolist()


# -- what real resolvers tell apart -------------------------------------------------------------------------


def texts(space: TrustSpace, rule: str) -> list[str]:
    findings = in_clear(space)
    return findings.loc[findings["rule"] == rule, "observed"].tolist()


def answer(scene: Scene, domain: str = DELEGATED) -> tuple[str, str]:
    mail = mails(scene.observed(), [domain], AT, 7)[domain]
    return mail.receives, mail.cause


def edited(scene: Scene, edit: Callable[[Reply], Reply]) -> TrustSpace:
    space = scene.space()
    return with_replies(space, *map(edit, space.observation.replies))


def test_an_mx_lost_over_udp_only_is_told() -> None:
    def lost(reply: Reply) -> Reply:
        asked = (reply.qname, reply.qtype, reply.address, reply.transport) == (DELEGATED, "MX", TWO, "udp")
        return reply._replace(outcome="timeout", attempt=3, records=()) if asked else reply

    assert rules_of(edited(Scene(), lost)) == {"DNS_MX_REFUSED": [(1,)]}


def test_sets_differ_by_preference_transport_or_question() -> None:
    scene = Scene()
    scene.split().records[DELEGATED]["MX"] = [f"20 {ALPHA_MX}"]
    assert scene.found() == {"DNS_MX_DISAGREE": [(1,)]}
    (text,) = texts(scene.space(), "DNS_MX_DISAGREE")
    assert f"10 {ALPHA_MX}" in text
    assert f"20 {ALPHA_MX}" in text

    def over_tcp(reply: Reply) -> Reply:
        if (reply.address, reply.transport) != (TWO, "tcp"):
            return reply
        return reply._replace(records=tuple(r._replace(data=f"30 {ALPHA_MX}") for r in reply.records))

    (text,) = texts(edited(Scene(), over_tcp), "DNS_MX_DISAGREE")
    assert "(TCP)" in text


def test_a_host_s_addresses_may_differ_as_long_as_one_is_common() -> None:
    scene, zone = Scene(), "partage.example"
    for number, addresses in ((1, ["192.88.99.7"]), (2, ["192.88.99.7", "192.88.99.8"])):
        server, at = f"ns{number}.partage-serveurs.example", f"198.51.{100 + number}.9"
        scene.host(server, at).world.root.add(zone, "NS", server)
        scene.world.serve(Zone(zone).soa(1), at).add(f"mx.{zone}", "A", *addresses)
    scene.parent.records[REDIRECTED]["MX"] = [f"10 mx.{zone}"]
    scene.rows = ({"domain": DELEGATED}, {"domain": REDIRECTED, "dn": BETA_DN.replace(BETA_MX, f"mx.{zone}")})
    assert scene.found() == {}
    assert answer(scene, REDIRECTED) == ("yes", "")


def test_a_record_equal_to_the_wildcard_beside_it_is_a_redirection() -> None:
    scene = Scene()
    scene.parent.add("*.mssante.fr", "MX", f"10 {BETA_MX}")
    assert scene.found() == {}
    del scene.parent.records[REDIRECTED]
    assert scene.found() == {"DNS_WILDCARD": [(2,)]}


MANY = [f"{n} a{n}.alpha.example" for n in (*range(10, 59), *range(60, 120))]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([f"5 {ALPHA_MX}", *MANY[:49]], ("degraded", "one-exchanger")),
        ([f"5 {ALPHA_MX}", *MANY], ("degraded", "exchangers-many")),
        ([f"500 {ALPHA_MX}", *MANY], ("unknown", "hosts-unheard")),  # whoever comes last is not looked up
    ],
)
def test_exchangers_are_followed_as_senders_prefer_them(data: list[str], expected: tuple[str, str]) -> None:
    assert answer(changed(mx(*data))) == expected


def test_servers_that_only_the_zone_itself_names() -> None:
    scene = changed(servers(*(f"{name}.{DELEGATED}" for name in NS), parent=False))
    assert scene.found() == {"DNS_OWN_SERVERS_DEAD": [(1,)]}, "the final dots are missing"
    assert "n’existe pas" in texts(scene.space(), "DNS_OWN_SERVERS_DEAD")[0]
    assert answer(scene) == ("degraded", "own-servers")
    servers_of = {"ns3.alpha.example": "198.51.101.3", "ns4.alpha.example": "198.51.102.3"}
    scene = changed(*(host(*pair) for pair in servers_of.items()), servers(*servers_of, parent=False))
    assert scene.found() == {"DNS_OWN_SERVERS_DEAD": [(1,)]}, "nobody is there"
    scene.world.serve(scene.zone, "198.51.101.3")
    assert set(scene.found()) == {"DNS_NS_MISMATCH", "DNS_SERVER_SILENT"}, "one of them is"
    assert answer(scene) == ("degraded", "one-server")
    scene.world.serve(scene.zone, "198.51.102.3")
    assert scene.found() == {"DNS_NS_MISMATCH": [(1,)]}
    assert answer(scene) == ("yes", "")


@pytest.mark.parametrize(
    ("change", "status", "refused"),
    [
        (lambda s: s.zone.signatures.clear(), ("bogus", "unsigned"), True),
        (lambda s: s.zone.soa(2026030102), ("secure", ""), False),  # the SOA alone: nobody asks for it
        (mx(f"20 {ALPHA_MX}"), ("secure", ""), True),  # the MX alone
    ],
)
def test_signatures_missing_or_of_other_data(change: Change, status: tuple[str, str], refused: bool) -> None:
    space = changed(chained, change).space()
    security = network_of(space.observation).chains.security(DELEGATED)
    assert (security.status, security.code) == status
    assert rules_of(space) == ({"DNS_SIGNATURE_BROKEN": [(1,)]} if refused else {})


@pytest.mark.parametrize(("owner", "fault"), [(f"x.{DELEGATED}", "unsigned"), ("mssante.fr", "wrong")])
def test_a_dname_stands_for_the_signature_of_what_it_makes_alone(owner: str, fault: str) -> None:
    """Without its signature a CNAME holds only where the signed DNAME is above its name."""
    alias, head = Record("answer", DELEGATED, 300, "CNAME", f"y.{owner}"), ("answer", owner, 300)
    dname, proof = Record(*head, "DNAME", "y.example"), Record(*head, "RRSIG", "DNAME 15 2 300")

    def edit(reply: Reply) -> Reply:
        asked = (reply.qname, reply.qtype, reply.zone) == (DELEGATED, "MX", DELEGATED)
        return reply._replace(records=(alias, dname, proof)) if asked else reply

    space = edited(changed(chained), edit)
    network = network_of(space.observation)
    replies = [reply for reply in network.index.about(DELEGATED, "MX") if reply.zone == DELEGATED]
    assert [network.chains.fault(reply) for reply in replies] == [fault] * 2
