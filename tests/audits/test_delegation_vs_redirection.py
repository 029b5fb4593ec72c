"""Each rule on the DNS fires on its defect, once a cause, and is silent on what only looks like it."""

from dataclasses import replace
from functools import partial

import pytest
from in_clear import told_in_clear
from made_up import make_space
from made_up_dns import ALPHA_MX, AT, BETA_MX, DELEGATED, ONE, PARENTS, REDIRECTED, ROWS, TWO, Change, Scene

from mssante_audit.audits import audit_all, findings_of
from mssante_audit.findings.frame import COLUMNS
from mssante_audit.findings.registry import rule
from mssante_audit.findings.words import sentence
from mssante_audit.space.trust import TrustSpace
from tools.sample.dns_signing import Signer

NS = ("ns1.alpha.example", "ns2.gamma.example")
in_clear = partial(told_in_clear, "delegation_vs_redirection")
ALPHA_DECLARED = f"{DELEGATED},X,,,{NS[0]},{NS[1]},"
BETA_DECLARED = f"{REDIRECTED},,X,,,,{BETA_MX}"


def changed(change: Change, **scene: object) -> Scene:
    made = Scene(**scene)  # type: ignore[arg-type]
    change(made)
    return made


def setup(scene: Scene, *owner_type_data: str) -> None:
    """Set records of the zone of ch-alpha: owner, type, data…"""
    owner, kind, *data = owner_type_data
    scene.zone.records.setdefault(owner, {})[kind] = data


def mx(*data: str) -> Change:
    return lambda s: setup(s, DELEGATED, "MX", *data)


def test_clean_world_gets_nothing() -> None:
    assert Scene().found() == {}
    assert Scene(declared=f"{ALPHA_DECLARED} {BETA_DECLARED}").found() == {}
    assert Scene(ipv6=False).found() == {}


def test_without_an_observation_there_is_nothing_to_say() -> None:
    space = make_space(*ROWS)
    assert list(in_clear(space).columns) == list(COLUMNS)
    assert in_clear(space).empty
    assert not audit_all(space)["rule"].str.startswith("DNS_").any()


# -- one domain or server at fault: rule, change, rows ------------------------------------------------------


def unregistered(scene: Scene) -> None:
    del scene.parent.records[REDIRECTED]


def own_name(scene: Scene, own: tuple[str, ...] = (ONE,), glue: tuple[str, ...] = (ONE,)) -> None:
    """Name the first server inside the zone it serves."""
    name = f"ns.{DELEGATED}"
    scene.servers(name, NS[1])
    for zone, addresses in ((scene.zone, own), (scene.parent, glue)):
        if addresses:
            zone.add(name, "A", *addresses)


def signed(scene: Scene, ds: str | None = None) -> None:
    """Sign both zones; the parent has this DS of ch-alpha's zone, "" for the right one."""
    child, parent = Signer(scene.zone, AT), Signer(scene.parent, AT)
    if ds is not None:
        scene.parent.add(DELEGATED, "DS", ds or child.ds())
    scene.world.root.signed = True
    scene.world.root.add("mssante.fr", "DS", parent.ds())
    parent.sign()
    child.sign()


def alias(name: str, target: str) -> Change:
    def change(scene: Scene) -> None:
        scene.host(name)
        scene.world.root.add(name, "CNAME", target)

    return change


def third_server(scene: Scene, name: str = "ns3.delta.example", address: str = "192.0.2.77") -> None:
    scene.host(name, address)
    scene.servers(*NS, name)
    scene.world.serve(scene.zone, address)


def set_server(address: str, **fields: object) -> Change:
    def change(scene: Scene) -> None:
        for name, value in fields.items():
            setattr(scene.server(address), name, value)

    return change


def no_zone(address: str, how: str) -> Change:
    def change(scene: Scene) -> None:
        scene.server(address).zones.clear()
        scene.server(address).otherwise = how

    return change


def second_copy(edit: Change) -> Change:
    """Change the second server's copy of the zone of ch-alpha only."""

    def change(scene: Scene) -> None:
        copy = scene.split()
        scene.zone, first = copy, scene.zone
        edit(scene)
        scene.zone = first

    return change


def serial(number: int) -> Change:
    return lambda s: s.zone.soa(number)


CLEAN: tuple[Change, ...] = (
    lambda s: s.zone.add("*." + DELEGATED, "MX", f"10 {ALPHA_MX}"),
    lambda s: s.parent.add("*.mssante.fr", "MX", "10 other.mail.example"),
    lambda s: s.host(NS[1], TWO, "2001:db8:7::1"),
    third_server,
    own_name,
    lambda s: own_name(s, own=(ONE,), glue=(ONE,)),
    lambda s: signed(s, ds=""),
    second_copy(serial(2026030201)),
    mx(f"10 {ALPHA_MX}", "20 mss.beta.example"),
    lambda s: s.host(ALPHA_MX, "192.88.99.1", "2606:4700::1"),
    mx(f"10 {ALPHA_MX}", f"20 {ALPHA_MX}"),
)


@pytest.mark.parametrize("change", CLEAN)
def test_clean_neighbour(change: Change) -> None:
    scene = changed(change)
    scene.world.serve(scene.zone, "2001:db8:7::1")
    assert scene.found() == {}


# -- what takes more to say ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "rules"),
    [  # beside those of the catalogue (`tools.sample.dns_defects`)
        (f"{DELEGATED},X,,,{NS[1]},{NS[0]},", {"DNS_PRIMARY_OTHER"}),  # the zone's SOA names the other one
        (f"{DELEGATED},X,,,{NS[0].upper()}.,{NS[1]},", set()),
        (f"{DELEGATED},X,,,,,", set()),
        (f"{REDIRECTED},,X,,,,{BETA_MX.upper()}", set()),
        (f"{REDIRECTED},,X,,,,", set()),
        (f"{REDIRECTED},X,X,,{NS[0]},{NS[1]},{BETA_MX}", set()),
        (f"{REDIRECTED},X,,X,{NS[0]},{NS[1]},", set()),
        ("autre.mssante.fr,,X,,,,mail.beta.example", set()),
    ],
)
def test_declared(declared: str, rules: set[str]) -> None:
    assert set(Scene(declared=declared).found()) == rules


def test_declared_and_not_there_is_one_cause() -> None:
    absent = changed(unregistered)
    assert absent.found() == {"DNS_NO_MX": [(2,)]}
    absent.declared = BETA_DECLARED
    assert absent.found() == {"DNS_DECLARED_ABSENT": [(2,)]}


def test_every_server_dead_is_critical_and_one_finding() -> None:
    rows = (*ROWS, *({"domain": f"site{i}.{DELEGATED}"} for i in range(4)), {"domain": "ch-delta.mssante.fr"})
    scene = Scene(rows)
    scene.delegate("ch-delta.mssante.fr").add("ch-delta.mssante.fr", "MX", f"10 {ALPHA_MX}")
    for address in (ONE, TWO):
        scene.server(address).silent = ("udp", "tcp")
    findings = in_clear(scene.space())
    assert findings[["rule", "domains"]].values.tolist() == [["DNS_DELEGATION_DEAD", 6]]
    assert str(findings["severity"].iloc[0]) == "critical"
    assert findings["rows"].iloc[0] == (1, 3, 4, 5, 6, 7)
    assert findings["evidence"].iloc[0].startswith("obs. ")


def test_a_server_shared_by_many_domains_is_one_finding() -> None:
    rows = (*ROWS, *({"domain": f"ch-{i}.mssante.fr"} for i in range(30)))
    scene = Scene(rows)
    for row in rows[2:]:
        scene.delegate(row["domain"]).add(row["domain"], "MX", f"10 {ALPHA_MX}")
    scene.server(TWO).silent = ("udp", "tcp")
    assert {rule: [len(r) for r in rows] for rule, rows in scene.found().items()} == {
        "DNS_SERVER_SILENT": [31]
    }


def test_what_is_not_heard_is_unknown_and_not_absent() -> None:
    scene = Scene(({"domain": f"x.{DELEGATED}"}, *ROWS))
    scene.zone.add(f"x.{DELEGATED}", "MX", f"10 {ALPHA_MX}")
    assert scene.found() == {}
    scene.rows = ({"domain": "ch-neuf.mssante.fr"}, *scene.rows)
    space = scene.space()
    assert set(in_clear(space)["rule"]) == {"DNS_NO_MX"}
    assert space.observation is not None
    gone = (reply for reply in space.observation.replies if reply.qname != "ch-neuf.mssante.fr")
    kept = replace(space.observation, replies=tuple(gone))
    findings = in_clear(replace(space, observation=kept))
    assert findings[["rule", "observed"]].values.tolist() == [
        ["DNS_METHOD_UNKNOWN", "pas observé auprès des serveurs de mssante.fr"]
    ]
    for _, address in PARENTS:
        scene.server(address).rcodes = {"mssante.fr": "SERVFAIL"}
    findings = in_clear(scene.space())
    assert not set(findings["rule"]) & {"DNS_NO_MX", "DNS_DECLARED_ABSENT"}
    assert {"DNS_METHOD_UNKNOWN", "DNS_DELEGATION_DEAD"} <= set(findings["rule"])


def without_lookups(space: TrustSpace) -> TrustSpace:
    """Have everybody be silent who is asked for the address of a name."""
    assert space.observation is not None
    silent = (
        reply._replace(outcome="timeout", attempt=3, records=()) if reply.step == "address" else reply
        for reply in space.observation.replies
    )
    return replace(space, observation=replace(space.observation, replies=tuple(silent)))


def test_unheard_hosts_are_not_called_missing() -> None:
    scene = Scene()
    space = scene.space()
    assert space.observation is not None
    assert in_clear(without_lookups(space)).empty


def aliased(target: str, *addresses: str) -> Scene:
    """Make the redirected domains aliases of a host with these addresses and no MX."""
    scene = Scene((*ROWS, {"domain": "ch-gamma.mssante.fr"}))
    for domain in (REDIRECTED, "ch-gamma.mssante.fr"):
        scene.parent.records[domain] = {"CNAME": [target]}
    return scene.host(target, *addresses) if addresses else scene


def test_an_alias_to_nothing_is_one_finding_however_many_domains_it_has() -> None:
    scene = aliased("parti.beta.example")
    assert scene.found() == {"DNS_NO_MX": [(2, 3)]}
    observed = in_clear(scene.space())["observed"].tolist()
    assert observed == ["parti.beta.example : n’existe pas"]
    scene.host("parti.beta.example").world.root.add("parti.beta.example", "TXT", "x")
    assert in_clear(scene.space())["observed"].tolist() == ["parti.beta.example : ni MX ni adresse"]


def test_an_alias_whose_target_is_not_heard_of_is_not_called_missing() -> None:
    space = aliased("parti.beta.example").space()
    assert space.observation is not None
    findings = in_clear(without_lookups(space))
    assert set(findings["rule"]) == {"DNS_ALIAS"}


def test_no_mx_is_told_once_an_operator() -> None:
    rows = (*ROWS, *({"domain": f"s{i}.{DELEGATED}"} for i in range(9)))
    assert Scene(rows).found() == {"DNS_NO_MX": [tuple(range(3, 12))]}


def test_wildcards_at_each_level_and_an_operator_s_own() -> None:
    rows = (*ROWS, {"domain": f"a.{DELEGATED}"}, {"domain": f"b.{DELEGATED}"}, {"domain": f"c.{DELEGATED}"})
    scene = Scene(rows)
    scene.zone.add(f"*.{DELEGATED}", "MX", f"10 {ALPHA_MX}")
    scene.zone.add(f"c.{DELEGATED}", "MX", f"5 {ALPHA_MX}")
    assert scene.found() == {"DNS_WILDCARD": [(3, 4)]}


def test_delegated_under_delegated() -> None:
    inner = f"labo.{DELEGATED}"
    scene = Scene((*ROWS, {"domain": inner}, {"domain": f"x.{inner}"}))
    zone = scene.delegate(inner, above=scene.zone)
    zone.add(inner, "MX", f"10 {ALPHA_MX}").add(f"x.{inner}", "MX", f"10 {ALPHA_MX}")
    assert scene.found() == {}


# -- the parent ---------------------------------------------------------------------------------------------


def test_parent_s_servers_disagree_about_domains_in_one_finding() -> None:
    rows = (*ROWS, *({"domain": f"ch-{i}.mssante.fr", "dn": ROWS[1]["dn"]} for i in range(5)))
    scene = Scene(rows)
    for row in rows[2:]:
        scene.parent.add(row["domain"], "MX", f"10 {BETA_MX}")
    assert scene.found() == {}
    other = scene.split_parent()
    for row in rows[3:5]:
        del other.records[row["domain"]]
    del other.records[DELEGATED]
    assert scene.found() == {"DNS_PARENT_DISAGREE": [(1, 4, 5)]}


def test_parent_s_serials() -> None:
    scene = Scene()
    scene.split_parent().soa(2026022601)
    assert scene.found() == {"DNS_PARENT_SERIALS": [(1, 2)]}
    scene.split_parent().soa(2026030100)
    scene.parent.soa(2026030200)
    scene.split_parent().soa(2026030101)
    assert scene.found() == {}, "the newer one is not a day old"


def test_a_parent_s_silent_server_touches_all_domains() -> None:
    scene = changed(set_server(PARENTS[1][1], silent=("udp", "tcp")))
    assert scene.found() == {"DNS_SERVER_SILENT": [(1, 2)]}


# -- facts and words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("why", "fr", "en"),
    [
        (
            {"code": "no-name"},
            "ce n'est pas un nom que le DNS puisse porter",
            "no name that the DNS could carry",
        ),
        (
            {"code": "replies", "zone": "x.fr", "outcomes": {"timeout": 2, "refused": 1}, "delegated": True},
            "délégué ; serveurs de x.fr : silence (2), refus (1)",
            "delegated; servers of x.fr: silence (2), refusal (1)",
        ),
        (
            {"code": "delegated", "zone": "x.fr", "servers": 1, "of": 2},
            "délégué par x.fr, selon 1 serveurs sur 2",
            "delegated by x.fr, by 1 of 2 servers",
        ),
        (
            {
                "code": "answered",
                "zone": "x.fr",
                "types": ["A", "MX"],
                "servers": 2,
                "of": 2,
                "checked": False,
            },
            "A, MX dans x.fr ; enregistrement générique non vérifié",
            "A, MX in x.fr; wildcard not checked",
        ),
    ],
)
def test_why_a_method_is_not_known_in_words(why: dict[str, object], fr: str, en: str) -> None:
    unknown = rule("DNS_METHOD_UNKNOWN")
    assert [sentence(unknown, "observed", {"seen": [why]}, language) for language in ("fr", "en")] == [fr, en]


def test_a_failing_server_is_known_by_its_address() -> None:
    whole, zone_only = (findings_of("delegation_vs_redirection", changed(c).space()) for c in (
        no_zone(TWO, "SERVFAIL"), set_server(TWO, rcodes={DELEGATED: "SERVFAIL"}),
    ))  # fmt: skip
    assert whole["subject"].tolist() == [(TWO,)]
    assert whole["facts"][0]["seen"] == [{"names": [NS[1]], "address": TWO, "state": "failing"}]
    assert whole["fingerprint"].tolist() == zone_only["fingerprint"].tolist()


# -- bad input ----------------------------------------------------------------------------------------------


def cut_after(space: TrustSpace, lines: int) -> TrustSpace:
    """Return the space with an observation that stopped after so many lines."""
    assert space.observation is not None
    replies = tuple(reply for reply in space.observation.replies if reply.line <= lines)
    return replace(space, observation=replace(space.observation, replies=replies, complete=False))


@pytest.mark.parametrize("change", [lambda s: None, own_name, lambda s: signed(s, ds=""), third_server])
def test_an_observation_cut_anywhere_says_unknown_and_nothing_else(change: Change) -> None:
    scene = changed(change, declared=BETA_DECLARED)
    space = scene.space()
    assert space.observation is not None
    assert in_clear(space).empty
    for lines in range(2, space.observation.replies[-1].line):
        assert set(in_clear(cut_after(space, lines))["rule"]) <= {"DNS_METHOD_UNKNOWN"}, lines


def test_domains_no_longer_listed_are_left_out() -> None:
    space = changed(unregistered).space()
    left = replace(make_space(ROWS[0]), observation=space.observation)
    assert in_clear(left).empty


def test_an_alias_loop_ends() -> None:
    def loop(scene: Scene) -> None:
        alias(ALPHA_MX, BETA_MX)(scene)
        alias(BETA_MX, ALPHA_MX)(scene)

    assert changed(loop).found() == {"DNS_MX_UNRESOLVED": [(1,), (2,)]}


def test_500_name_servers() -> None:
    scene = changed(lambda s: s.servers(*NS, *(f"ns{i}.many.example" for i in range(500))))
    findings = scene.found()
    assert set(findings) == {"DNS_NS_UNRESOLVED", "DNS_SET_LARGE"}
    assert len(findings["DNS_NS_UNRESOLVED"]) <= 32


@pytest.mark.parametrize(
    "domain", ["sessad@ase.mssante.fr", "CH-ALPHA.mssante.fr", "ch_x.mssante.fr", "", "a" * 250]
)
def test_odd_names_of_domains(domain: str) -> None:
    scene = Scene(({"domain": domain}, *ROWS))
    rules = {"DNS_NO_MX"} if "@" in domain or "_" in domain else {"DNS_METHOD_UNKNOWN"}
    assert set(scene.found()) == (set() if domain.startswith("CH") else rules)
