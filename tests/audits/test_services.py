"""What domains announce to mail programs: told, and never a reason for anything."""

from __future__ import annotations

from dataclasses import replace

import pytest
from in_clear import told_in_clear
from made_up_dns import DELEGATED, ONE, REDIRECTED, TWO, Scene

from mssante_audit.observe.dns.services import HOSTS, SRV, services
from mssante_audit.observe.dns.view import view_of
from mssante_audit.observe.observation import Observation

IMAPS, SUBMISSIONS = "_imaps._tcp", "_submissions._tcp"
ABSENT = dict.fromkeys((*SRV, *HOSTS), frozenset())


def observed(scene: Scene) -> Observation:
    observation = scene.space().observation
    assert observation is not None
    return observation


def asked(observation: Observation) -> list[tuple[str, str]]:
    queries = observation.queries[observation.queries["step"] == "service"]
    return list(zip(queries["qname"], queries["address"], strict=True))


def test_what_is_announced_is_told() -> None:
    scene = Scene()
    scene.zone.add(f"{IMAPS}.{DELEGATED}", "SRV", "0 1 993 imap.alpha.example")
    scene.zone.add(f"{SUBMISSIONS}.{DELEGATED}", "SRV", "0 1 465 a.alpha.example", "10 1 465 b.alpha.example")
    scene.zone.add(f"autoconfig.{DELEGATED}", "CNAME", "config.alpha.example")
    scene.zone.add(f"_autodiscover._tcp.{DELEGATED}", "SRV", "0 0 443 auto.alpha.example")
    space = scene.space()
    assert space.observation is not None
    assert services(view_of(space.observation), DELEGATED) == ABSENT | {
        IMAPS: {"0 1 993 imap.alpha.example"},
        SUBMISSIONS: {"0 1 465 a.alpha.example", "10 1 465 b.alpha.example"},
        "_autodiscover._tcp": {"0 0 443 auto.alpha.example"},
        "autoconfig": {"config.alpha.example"},
    }
    found = told_in_clear("delegation_vs_redirection", space)
    assert found[["rule", "rows"]].to_numpy().tolist() == [["DNS_SERVICES", (1,)]]
    assert str(found["severity"].iloc[0]) == "info"
    assert "_imaps._tcp : 0 1 993 imap.alpha.example" in found["observed"].iloc[0]


def test_three_questions_where_there_is_nothing() -> None:
    """A name that does not exist has none below it (RFC 8020); one server is asked, and no other."""
    observation = observed(Scene())
    for domain in (DELEGATED, REDIRECTED):
        names = [(name, at) for name, at in asked(observation) if name.endswith(domain)]
        assert [name.removesuffix(f".{domain}") for name, _ in names] == ["_tcp", *HOSTS]
        assert len({at for _, at in names}) == 1
        assert services(view_of(observation), domain) == ABSENT


def test_a_wildcard_announces_nothing() -> None:
    scene = Scene()
    scene.zone.add(f"*.{DELEGATED}", "A", "192.88.99.9")
    observation = observed(scene)
    assert services(view_of(observation), DELEGATED) == ABSENT
    scene.zone.add(f"autodiscover.{DELEGATED}", "A", "192.88.99.10")
    assert services(view_of(observed(scene)), DELEGATED) == ABSENT | {"autodiscover": {"192.88.99.10"}}


@pytest.mark.parametrize("refused", [("SRV",), ("SRV", "A")])
def test_what_no_server_told_is_unknown(refused: tuple[str, ...]) -> None:
    scene = Scene()
    for address in (ONE, TWO):
        scene.server(address).refused = refused
    observation = observed(scene)
    assert set(services(view_of(observation), DELEGATED).values()) == {None}
    assert [name for name, _ in asked(observation) if name.endswith(DELEGATED)] == [f"_tcp.{DELEGATED}"]


def test_an_observation_that_did_not_ask_knows_nothing() -> None:
    observation = observed(Scene())
    old = replace(observation, queries=observation.queries[observation.queries["step"] != "service"])
    assert set(services(view_of(old), DELEGATED).values()) == {None}


def test_a_domain_without_servers_is_asked_nothing() -> None:
    scene = Scene()
    del scene.parent.records[REDIRECTED]
    assert not [name for name, _ in asked(observed(scene)) if name.endswith(REDIRECTED)]
