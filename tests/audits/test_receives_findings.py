"""Whether mail arrives, beside the findings: each answer that is not well has one that says why."""

import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from in_clear import told_in_clear
from invariants import changes, contradictions
from made_up_dns import ALPHA_MX, DELEGATED, ROWS, Scene
from test_receives import AS_OF, CASES, Change, aliased

from mssante_audit.audits import audit, audit_all
from mssante_audit.network.mail import Mail, mails
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import domains, domains_touched
from tools.sample.dns_world import Zone

OUTSIDE, INSIDE = "ch-dehors.example", f"labo.{DELEGATED}"


def of(space: TrustSpace, findings: pd.DataFrame, domain: str) -> dict[str, str]:
    """Return rule → severity of the findings that touch a domain."""
    touched = domains_touched(space.audited, findings)
    touching = zip(findings["rule"], findings["severity"], touched, strict=True)
    return {rule: str(severity) for rule, severity, names in touching if domain in names}


def held(scene: Scene, domain: str = DELEGATED) -> tuple[Mail, dict[str, str]]:
    """Return the answer and the findings of a domain, which must go together."""
    space = scene.space()
    findings = told_in_clear("delegation_vs_redirection", space)
    mail = mails(space.observation, [domain], AS_OF, 7)[domain]
    assert not contradictions(space, findings, {domain: mail.receives})
    return mail, of(space, findings, domain)


@pytest.mark.parametrize("name", CASES)
def test_each_case_that_is_not_well_has_a_finding(name: str) -> None:
    scene = Scene()
    CASES[name][2](scene)
    held(scene)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.lists(st.sampled_from(sorted(CASES)), min_size=2, max_size=3, unique=True))
def test_so_have_several_faults_together(names: list[str]) -> None:
    scene = Scene()
    try:
        for name in names:
            CASES[name][2](scene)
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
        for name, value in faults.items():
            setattr(scene.world.servers["198.51.101.9"], name, value)

    return change


def partly_handed_on(scene: Scene) -> None:
    """Have one server of ch-alpha's zone hand a name on, and the other not know it."""
    scene.split()
    scene.zone.add(INSIDE, "NS", "ns.dehors.example")
    scene.host("ns.dehors.example", "198.51.101.9")
    zone = Zone(INSIDE).soa(1).add(INSIDE, "NS", "ns.dehors.example").add(INSIDE, "MX", f"10 {ALPHA_MX}")
    scene.world.serve(zone, "198.51.101.9")


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
        OUTSIDE, outside("ns.dehors.example", silent=("udp", "tcp")), "alias-lost", "DNS_MX_HOST_DEAD",
    ),
    "outside, late": (OUTSIDE, outside("ns.dehors.example", late=True), "servers-slow", "DNS_MX_HOST_DEAD"),
    "outside, an alias": (OUTSIDE, outside("nsa.dehors.example"), "servers-alias", "DNS_MX_HOST_DEAD"),
    "handed on by one": (INSIDE, partly_handed_on, "servers-differ", "DNS_MX_DISAGREE"),
    "two aliases": (DELEGATED, two_aliases, "mx-differ", "DNS_MX_DISAGREE"),
}  # fmt: skip
"""Where else a name may be → the domain, what is changed, the cause, and the rule that tells of it."""


@pytest.mark.parametrize("case", PLACES)
def test_the_finding_is_of_the_place_where_it_fails(case: str) -> None:
    domain, change, cause, rule = PLACES[case]
    scene = Scene(rows=(*ROWS, {"domain": OUTSIDE}, {"domain": INSIDE}))
    change(scene)
    mail, rules = held(scene, domain)
    assert mail.cause == cause
    assert not rule or rule in rules


@pytest.mark.parametrize(
    ("partly", "words"),
    [
        ("mx-vers-tcp", "over TCP only"),
        ("mx-vers-lent", "after more than 3 seconds"),
        ("mx-vers-edns-notimp", "without EDNS only (NOTIMP)"),
        ("mx-vers-ns-alias", "by way of servers whose names are aliases"),
        ("mx-vers-ns-alias-au-dessus", "by way of servers whose names are aliases"),
    ],
)
def test_a_host_that_only_some_find_is_told_with_how(partly: str, words: str) -> None:
    scene = Scene()
    CASES[partly][2](scene)
    findings = audit("delegation_vs_redirection", scene.space(), language="en").set_index("rule")
    assert words in findings.loc["DNS_MX_HOST_DEAD", "observed"]


def test_in_the_sample_too(sample_space: TrustSpace) -> None:
    space = sample_space
    frame = domains(space, findings := audit_all(space))
    receives = dict(zip(frame["domain"], frame["receives"], strict=True))
    assert {"yes", "degraded", "no"} < set(receives.values())
    assert not contradictions(space, findings, receives)
    assert not [*changes(space, list(receives), space.as_of, 6)]
