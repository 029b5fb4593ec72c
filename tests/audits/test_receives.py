"""Whether mail to a domain arrives: the decision table, case by case, and what no file may do to it."""

import random
import re
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from in_clear import told_in_clear
from invariants import changes, contradictions
from made_up_dns import (
    ALPHA_MX,
    AT,
    BOTH,
    DELEGATED,
    NS1,
    NS2,
    ONE,
    PARENTS,
    REDIRECTED,
    ROWS,
    TWO,
    Change,
    Scene,
    changed,
    does,
    faulty,
    has,
    host,
    mx,
    servers,
    together,
)

from mssante_audit.audits import audit, audit_all
from mssante_audit.base.language import using_language
from mssante_audit.network.mail import CAUSES, Arrival, mails
from mssante_audit.observe.lines import Reply
from mssante_audit.observe.observation import Observation
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts import presented
from mssante_audit.verdicts.domains import domains, domains_touched
from mssante_audit.verdicts.words import causes
from tools.sample.dns_world import NameServer, Zone

AS_OF = AT + timedelta(days=1)
LOST = "203.0.113.66"  # nobody listens there


def mail_of(
    observation: Observation | None, domain: str = DELEGATED, after: int = 1, days: int = 7
) -> Arrival:
    """Return whether mail arrives, told some days after the observation."""
    return mails(observation, [domain], AT + timedelta(after), days)[domain]


def lame(*addresses: str) -> Change:
    return lambda s: s.world.servers.update({at: NameServer(otherwise="lame") for at in addresses})


def stale(*data: str) -> Change:
    """Give the second server a zone of its own with other mail hosts."""

    def change(scene: Scene) -> None:
        zone = scene.split()
        zone.records[DELEGATED].pop("MX", None)
        if data:
            zone.add(DELEGATED, "MX", *data)

    return change


def glue(scene: Scene, *addresses: str) -> None:
    """Have the zone's one server lie in the zone, with these addresses as the parent gives them."""
    name = f"ns1.{DELEGATED}"
    scene.servers(name)
    for address in addresses:
        scene.parent.add(name, "AAAA" if ":" in address else "A", address)
        scene.zone.add(name, "AAAA" if ":" in address else "A", address)
        scene.world.serve(scene.zone, address)


def aliased(scene: Scene, name: str = "ailleurs.alpha.example") -> None:
    scene.zone.records[DELEGATED].pop("MX")
    scene.zone.add(DELEGATED, "CNAME", name)


def elsewhere(
    scene: Scene, servers: tuple[str, ...] = ("ns1.b", "ns2.b"), below: str = "", *, named: bool = True,
    at: str = "198.51.{}.7", **faults: Any,
) -> None:  # fmt: skip
    """Put the exchanger into a zone on servers of its own; those called ``nsa…`` have aliases for names."""
    root, names = scene.world.root, [f"{name}.example" for name in servers]
    addresses = [at.format(100 + number) for number in range(1, len(names) + 1)]
    for name, address in zip(names, addresses, strict=True):
        target = name.replace("nsa", "ns")
        root.records.pop(name, None)
        if target != name:
            root.add(name, "CNAME", target)
        scene.host(target, address)
    root.records.pop("cible.example", None)
    root.add("cible.example", "NS", *names)
    zone = scene.world.serve(Zone("cible.example").soa(1).add("cible.example", "NS", *names), *addresses)
    inner, ns = f"{below}cible.example", "ns1.alpha.example"
    if below:
        zone.add(inner, "NS", ns)
        zone = scene.world.serve(Zone(inner).soa(1).add(inner, "NS", ns), ONE)
    zone.add(f"mx.{inner}", "A", "192.88.99.30")
    does(scene, *addresses, **faults)
    if named:
        mx(f"10 mx.{inner}")(scene)


OTHER = "mss2.alpha.example"
GONE, ALIAS = "parti.alpha.example", "alias.alpha.example"
NO_A = ("MX", "A", "AAAA")
CASES: dict[str, tuple[str, str, Change]] = {
    "sain": ("yes", "", lambda s: None),
    "un-seul-serveur": ("yes", "", servers(NS1)),
    "serveur-muet": ("degraded", "one-server", faulty(TWO, silent=BOTH)),
    "serveur-en-panne": ("degraded", "one-server", faulty(TWO, rcodes={DELEGATED: "SERVFAIL"})),
    "serveur-refuse": ("degraded", "one-server", faulty(TWO, rcodes={DELEGATED: "REFUSED"})),
    "serveur-boiteux": ("degraded", "one-server", lame(TWO)),
    "serveur-tcp": ("degraded", "one-server", faulty(TWO, silent=("udp",))),
    "serveur-inconnu": ("degraded", "one-server", servers(NS1, GONE)),
    "serveur-prive-non-demande": ("yes", "", together(host(NS2, "0.0.0.0"), servers(NS1))),
    "serveur-zero": ("degraded", "one-server", host(NS2, "0.0.0.0")),
    "zone-muette": ("no", "zone-dead", faulty(silent=BOTH)),
    "zone-en-panne": ("no", "zone-dead", faulty(rcodes={DELEGATED: "SERVFAIL"})),
    "zone-boiteuse": ("no", "zone-dead", lame(ONE, TWO)),
    "zone-sans-serveur": ("no", "zone-lost", servers(GONE)),
    "zone-zero": ("no", "zone-lost", together(host(NS1, "0.0.0.0"), host(NS2, "0.0.0.0"))),
    "zone-ipv6": ("degraded", "servers-ipv6", lambda s: glue(s, "2001:db8::53")),
    "zone-ipv6-vue-sans-ipv6": (  # an observer without it does not call them dead
        "degraded", "servers-ipv6",
        together(lambda s: setattr(s, "ipv6", False), lambda s: glue(s, "2001:db8::53"))),
    "zone-sans-colle": ("no", "zone-lost", servers(f"ns1.{DELEGATED}")),
    "parent-partage": ("degraded", "servers-differ", lambda s: s.split_parent().records.pop(DELEGATED)),
    "parent-boiteux": (
        "degraded", "one-server", lambda s: s.world.servers.update({PARENTS[1][1]: NameServer()})),
    "parent-pour-lui-seul": ("no", "mx-unanswered", faulty(*(at for _, at in PARENTS), refused=NO_A)),
    "parent-pour-lui-seul-un": ("degraded", "one-server", faulty(PARENTS[1][1], refused=NO_A)),
    "rien": ("no", "no-name", lambda s: s.parent.records.pop(DELEGATED)),
    "sans-mx": ("no", "no-mail", mx()),
    "sans-mx-avec-adresse": ("yes", "", together(mx(), has("A", "192.88.99.7"))),
    "sans-mx-adresse-privee": ("no", "exchangers-private", together(mx(), has("A", "10.0.0.7"))),
    "mx-nul": ("no", "null-mx", mx("0 .")),
    "mx-nul-a-cote": ("degraded", "null-mx-beside", mx("0 .", f"10 {ALPHA_MX}")),
    "mx-nul-a-cote-de-rien": ("no", "exchangers-absent", mx("0 .", f"10 {GONE}")),
    "mx-inconnu": ("no", "exchangers-absent", mx(f"10 {GONE}")),
    "mx-inconnu-a-cote": ("degraded", "one-exchanger", mx(f"10 {ALPHA_MX}", f"20 {GONE}")),
    "mx-inconnu-sur-trois": (
        "yes", "", together(mx(f"10 {ALPHA_MX}", f"10 {OTHER}", f"20 {GONE}"), host(OTHER, "192.88.99.9"))),
    "mx-prive": ("no", "exchangers-private", host(ALPHA_MX, "10.0.0.1")),
    "mx-boucle": ("no", "exchangers-private", host(ALPHA_MX, "127.0.0.1")),
    "mx-zero": ("no", "exchangers-private", host(ALPHA_MX, "0.0.0.0")),
    "mx-prive-aussi": ("degraded", "private-among", host(ALPHA_MX, "10.0.0.1", "192.88.99.1")),
    "mx-ipv6": ("degraded", "exchangers-ipv6", host(ALPHA_MX, "2001:db8::25")),
    "mx-ipv6-et-ipv4": ("yes", "", host(ALPHA_MX, "192.88.99.1", "2001:db8::25")),
    "mx-litteral": ("degraded", "exchangers-literal", mx("10 192.88.99.1")),
    "mx-litteral-a-cote": ("degraded", "one-exchanger", mx("10 192.88.99.1", f"10 {ALPHA_MX}")),
    "mx-alias": ("yes", "", together(mx(f"10 {ALIAS}"), has("CNAME", ALPHA_MX, name=ALIAS))),
    "mx-alias-pendant": (
        "no", "exchangers-absent", together(mx(f"10 {ALIAS}"), has("CNAME", GONE, name=ALIAS))),
    "mx-preferences": ("yes", "", stale(f"20 {ALPHA_MX}")),
    "mx-differents": ("degraded", "mx-differ", together(host(OTHER, "192.88.99.9"), stale(f"10 {OTHER}"))),
    "mx-en-plus": ("yes", "", together(host(OTHER, "192.88.99.9"), stale(f"10 {ALPHA_MX}", f"10 {OTHER}"))),
    "mx-perime": ("degraded", "servers-differ", stale(f"10 {GONE}")),
    "mx-manque-a-un-serveur": ("degraded", "servers-differ", stale()),
    "alias": ("yes", "", together(aliased, has("MX", f"10 {ALPHA_MX}", name="ailleurs.alpha.example"))),
    "alias-pendant": ("no", "alias-lost", aliased),
    "mx-ipv6-a-cote": ("yes", "", together(mx(f"10 {ALPHA_MX}", f"20 {OTHER}"), host(OTHER, "2a00::25"))),
    "mx-vers-ns-alias": ("degraded", "exchangers-partly", lambda s: elsewhere(s, ("nsa1.b", "nsa2.b"))),
    "mx-vers-ns-alias-un": ("yes", "", lambda s: elsewhere(s, ("nsa1.b", "ns2.b"))),
    "mx-vers-ns-alias-au-dessus": (
        "degraded", "exchangers-partly", lambda s: elsewhere(s, ("nsa1.b", "nsa2.b"), "bas.")),
    "mx-vers-edns-notimp": ("degraded", "exchangers-partly", lambda s: elsewhere(s, edns="NOTIMP")),
    "mx-vers-tcp": ("degraded", "exchangers-partly", lambda s: elsewhere(s, silent=("udp",))),
    "mx-vers-six": ("degraded", "exchangers-partly", lambda s: elsewhere(s, at="2a00::{}")),
    "mx-vers-six-vue-sans-ipv6": (
        "unknown", "hosts-unheard",
        together(lambda s: setattr(s, "ipv6", False), lambda s: elsewhere(s, at="2a00::{}"))),
    "mx-vers-lent": ("degraded", "exchangers-partly", lambda s: elsewhere(s, late=True)),
    "mx-vers-faible": ("yes", "", lambda s: elsewhere(s, weak=True)),
    "zone-edns-notimp": ("degraded", "servers-edns", faulty(edns="NOTIMP")),
    "zone-lente": ("degraded", "servers-slow", faulty(late=True)),
    "zone-tcp": ("degraded", "servers-tcp", faulty(silent=("udp",))),
    "zone-edns-muet": ("no", "edns-dropped", faulty(edns="dropped")),
    "mx-refuse": ("no", "mx-unanswered", faulty(refused=("MX",))),
    "a-refuse": ("no", "exchangers-lost", lambda s: elsewhere(s, refused=("A", "AAAA"))),
    "sans-mx-ipv6": ("degraded", "exchangers-ipv6", together(mx(), has("AAAA", "2a00::7"))),
    "sans-mx-prive-parmi": ("degraded", "private-among", together(mx(), has("A", "192.88.99.7", "10.0.0.7"))),
    "alias-ns-alias": ("degraded", "servers-alias", together(
        lambda s: aliased(s, "mx.cible.example"), lambda s: elsewhere(s, ("nsa1.b", "nsa2.b"), named=False))),
    "joker": ("yes", "", together(
        lambda s: s.parent.records.pop(DELEGATED),
        lambda s: s.parent.add("*.mssante.fr", "MX", f"10 {ALPHA_MX}"))),
}  # fmt: skip
"""Name → answer, cause, what is changed in a made-up DNS where all is well."""


@cache
def case(name: str) -> tuple[Observation, Arrival]:
    observation = changed(CASES[name][2]).observed()
    return observation, mail_of(observation)


@pytest.mark.parametrize("name", CASES)
def test_the_walk_decides(name: str) -> None:
    mail = case(name)[1]
    assert (mail.receives, mail.cause) == CASES[name][:2]
    assert mail.ways
    if mail.receives == "yes":
        assert mail.dns.grade == mail.mail.grade == "ok"
    else:
        assert mail.cause in CAUSES[mail.receives]


def test_redirections_are_walked_too() -> None:
    scene = Scene()
    scene.world.servers["198.18.9.1"] = NameServer(otherwise="REFUSED")
    assert mail_of(scene.observed(), REDIRECTED).receives == "yes"
    scene.world.root.add("perdue.example", "NS", "ns.perdue.example")
    scene.parent.records[REDIRECTED]["MX"] = ["10 mss.perdue.example"]
    for address in (LOST, "198.18.9.1"):  # a zone that is silent, one whose server knows nothing of it
        scene.world.root.records["ns.perdue.example"] = {"A": [address]}
        mail = mail_of(scene.observed(), REDIRECTED)
        assert (mail.cause, mail.facts) == ("exchangers-lost", {"hosts": ["mss.perdue.example"]})


def test_age_counts_and_what_was_not_observed_is_unknown() -> None:
    observation = case("sain")[0]
    for mail, expected in (
        (mail_of(observation, after=7), ("yes", "")),
        (mail_of(observation, after=8), ("unknown", "too-old")),
        (mail_of(observation, after=8, days=30), ("yes", "")),
        (mail_of(observation, after=-1), ("unknown", "of-the-future")),
        (mail_of(None), ("unknown", "not-observed")),
        (mail_of(observation, "ch-autre.mssante.fr"), ("unknown", "not-observed")),
        (mail_of(observation, "a..b"), ("no", "no-name")),  # no resolver can ask for it
    ):
        assert (mail.receives, mail.cause) == expected


def test_every_cause_has_its_words() -> None:
    of_servers = re.findall("``(tls-[a-z]+)``", presented.__doc__ or "")
    assert causes().keys() == {cause for each in (*CAUSES.values(), of_servers) for cause in each}
    with using_language("en"):
        english = causes()
    assert english.keys() == causes().keys()
    for cause, words in causes().items():
        assert words.keys() == {"met", "do"}
        assert words["met"][0].islower()
        assert english[cause]["met"] != words["met"]


def test_the_decision_table_has_every_cause_and_our_cases() -> None:
    table = Path(__file__).parents[2].joinpath("docs/dns_verdicts.md").read_text(encoding="utf-8")
    for cause in causes():
        assert f"`{cause}`" in table
    for name, (receives, cause, _) in CASES.items():
        if cause:
            assert f"| `{receives}` | `{cause}` |" in table, name


@pytest.mark.parametrize("name", CASES)
def test_neither_order_nor_repetition_changes_it(name: str) -> None:
    observation, mail = case(name)
    lines, draw = list(observation.replies), random.Random(name)
    twice = draw.choices(lines, k=len(lines) // 2) + lines
    mixed = enumerate(draw.sample(twice, len(twice)), 1)
    after = mail_of(replace(observation, replies=tuple(reply._replace(line=n) for n, reply in mixed)))
    assert (after.receives, after.cause, after.facts) == (mail.receives, mail.cause, mail.facts)


@pytest.mark.parametrize("name", CASES)
def test_a_line_a_server_or_any_lines_less_only_make_it_unknown(name: str) -> None:
    observation, mail = case(name)
    lines, draw = observation.replies, random.Random(name)
    chance = [draw.sample(lines, draw.randint(1, len(lines))) for _ in range(6)]
    groups: dict[tuple[str, object], list[Reply]] = {("chance", n): lost for n, lost in enumerate(chance)}
    for reply in observation.replies:
        for field in ("line", "address", "qname", "qtype", "transport", "zone", "step", "outcome"):
            groups.setdefault((field, getattr(reply, field)), []).append(reply)
    for lost in {tuple(reply.line for reply in group) for group in groups.values()}:
        left = tuple(reply for reply in observation.replies if reply.line not in lost)
        assert mail_of(replace(observation, replies=left)).receives in (mail.receives, "unknown"), lost


# -- beside the findings: each answer that is not well has one that says why ---------------------------------

OUTSIDE, INSIDE = "ch-dehors.example", f"labo.{DELEGATED}"


def of(space: TrustSpace, findings: pd.DataFrame, domain: str) -> dict[str, str]:
    """Return rule → severity of the findings that touch a domain."""
    touched = domains_touched(space.audited, findings)
    touching = zip(findings["rule"], findings["severity"], touched, strict=True)
    return {rule: str(severity) for rule, severity, names in touching if domain in names}


def held(scene: Scene, domain: str = DELEGATED) -> tuple[Arrival, dict[str, str]]:
    """Return the answer and the findings of a domain, which must go together."""
    space = scene.space()
    findings = told_in_clear("delegation_vs_redirection", space)
    mail = mail_of(space.observation, domain)
    assert not contradictions(space, findings, {domain: mail.receives})
    return mail, of(space, findings, domain)


@pytest.mark.parametrize("name", CASES)
def test_each_case_that_is_not_well_has_a_finding(name: str) -> None:
    held(changed(CASES[name][2]))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.lists(st.sampled_from(sorted(CASES)), min_size=2, max_size=3, unique=True))
def test_so_have_several_faults_together(names: list[str]) -> None:
    try:
        scene = changed(*(CASES[name][2] for name in names))
    except KeyError:  # one took away what the other changes
        assume(False)
    held(scene)


def outside(*servers: str, **faults: object) -> Change:
    """Add a domain that does not lie under the parent zone, on a server that misbehaves."""

    def change(scene: Scene) -> None:
        scene.world.root.add(OUTSIDE, "NS", *servers)
        scene.host("ns.dehors.example", "198.51.101.9")
        scene.world.root.records["nsa.dehors.example"] = {"CNAME": ["ns.dehors.example"]}
        zone = Zone(OUTSIDE).soa(1).add(OUTSIDE, "NS", *servers).add(OUTSIDE, "MX", f"10 {ALPHA_MX}")
        scene.world.serve(zone, "198.51.101.9")
        does(scene, "198.51.101.9", **faults)

    return change


def partly_handed_on(scene: Scene) -> None:
    """Have one server of ch-alpha's zone hand a name on, and the other not know it."""
    scene.split()
    scene.zone.add(INSIDE, "NS", "ns.dehors.example")
    scene.host("ns.dehors.example", "198.51.101.9")
    zone = Zone(INSIDE).soa(1).add(INSIDE, "NS", "ns.dehors.example").add(INSIDE, "MX", f"10 {ALPHA_MX}")
    scene.world.serve(zone.add(INSIDE, "A", "192.88.99.20"), "198.51.101.9")


def test_what_is_lost_below_a_delegation_is_not_denied_by_who_does_not_know_it() -> None:
    observation = changed(mx(f"10 {INSIDE}"), partly_handed_on).space().observation
    assert mail_of(observation).cause == "exchangers-differ"
    left = [reply for reply in observation.replies if reply.zone != INSIDE]
    assert mail_of(replace(observation, replies=tuple(left))).receives == "unknown"


def two_aliases(scene: Scene) -> None:
    """Have the servers of ch-alpha's zone call it an alias of one host each."""
    other = scene.split()
    other.records[DELEGATED].pop("MX")
    other.add(DELEGATED, "CNAME", "b.alpha.example")
    aliased(scene, "a.alpha.example")
    scene.host("a.alpha.example", "192.88.99.11").host("b.alpha.example", "192.88.99.12")


PLACES: dict[str, tuple[str, Change, str, str]] = {
    "outside, sound": (OUTSIDE, outside("ns.dehors.example"), "", ""),
    "outside, silent": (
        OUTSIDE, outside("ns.dehors.example", silent=("udp", "tcp")), "alias-lost", "DNS_MX_HOST_DEAD"),
    "outside, late": (OUTSIDE, outside("ns.dehors.example", late=True), "servers-slow", "DNS_MX_HOST_DEAD"),
    "outside, an alias": (OUTSIDE, outside("nsa.dehors.example"), "servers-alias", "DNS_MX_HOST_DEAD"),
    "handed on by one": (INSIDE, partly_handed_on, "servers-differ", "DNS_MX_DISAGREE"),
    "two aliases": (DELEGATED, two_aliases, "mx-differ", "DNS_MX_DISAGREE"),
}  # fmt: skip
"""Where else a name may be → the domain, what is changed, the cause, and the rule that tells of it."""


@pytest.mark.parametrize("case", PLACES)
def test_the_finding_is_of_the_place_where_it_fails(case: str) -> None:
    domain, change, cause, rule = PLACES[case]
    mail, rules = held(changed(change, rows=(*ROWS, {"domain": OUTSIDE}, {"domain": INSIDE})), domain)
    assert mail.cause == cause
    assert not rule or rule in rules


@pytest.mark.parametrize(
    ("partly", "words"),
    [
        ("mx-vers-tcp", "over TCP only"),
        ("mx-vers-lent", "after more than 1.8 seconds"),
        ("mx-vers-edns-notimp", "without EDNS only (NOTIMP)"),
        ("mx-vers-ns-alias", "by way of servers whose names are aliases"),
        ("mx-vers-ns-alias-au-dessus", "by way of servers whose names are aliases"),
    ],
)
def test_a_host_that_only_some_find_is_told_with_how(partly: str, words: str) -> None:
    space = changed(CASES[partly][2]).space()
    findings = audit("delegation_vs_redirection", space, language="en").set_index("rule")
    assert words in findings.loc["DNS_MX_HOST_DEAD", "observed"]


def test_in_the_sample_too(sample_space: TrustSpace) -> None:
    space = sample_space
    frame = domains(space, findings := audit_all(space))
    receives = dict(zip(frame["domain"], frame["receives"], strict=True))
    assert {"yes", "degraded", "no"} < set(receives.values())
    assert not contradictions(space, findings, receives)
    assert not [*changes(space, list(receives), space.as_of, 6)]
