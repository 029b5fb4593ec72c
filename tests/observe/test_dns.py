"""What is asked of real servers, and what the observation says of it."""

import pandas as pd
from dnsworld import DOMAINS, METHODS, NOBODY, PARENT_KNOT, PARENT_NSD, ROOT, World, quick
from frames import rows_of

from mssante_audit.network import methods
from mssante_audit.observe.dns.run import observe
from mssante_audit.observe.observation import Observation, load_observation


def asked(observation: Observation, **where: object) -> pd.DataFrame:
    queries = rows_of(observation)
    for column, value in where.items():
        queries = queries[queries[column] == value]
    return queries


def test_every_domain_has_its_method(observed: Observation) -> None:
    frame = methods(observed, DOMAINS)
    by_domain = {d: (m, c) for d, m, c in zip(frame["domain"], frame["method"], frame["cut"], strict=True)}
    assert by_domain == METHODS
    assert observed.complete
    assert observed.problems.empty


def test_no_question_is_asked_twice(observed: Observation) -> None:
    first = rows_of(observed)[rows_of(observed)["attempt"] <= 1]
    same = ["zone", "qname", "qtype", "address", "transport", "rd", "edns"]
    assert not first.duplicated(same).any(), first[first.duplicated(same, keep=False)][same]


def test_a_dead_server_is_asked_few_questions_however_many_domains_it_has(world: World, tmp_path) -> None:
    many = [f"s{n}.ch-mort.mssante.fr" for n in range(100)]
    summary = observe(many, tmp_path / "o.jsonl.gz", world.settings)
    observation = load_observation(tmp_path / "o.jsonl.gz")
    dead = asked(observation, address=NOBODY)
    assert 3 <= (dead["attempt"] > 0).sum() <= 20
    assert dead["attempt"].max() == 3
    assert len(asked(observation, address=NOBODY, step="walk")) == 100, (
        "each domain has its line all the same"
    )
    assert set(methods(observation, many)["method"]) == {"unknown"}
    assert summary.domains == 100


def test_with_the_root_the_parent_is_found(world: World, tmp_path) -> None:
    observe(["ch-sain.mssante.fr"], tmp_path / "o.jsonl.gz", quick(world.port, timeout=2.0))
    observation = load_observation(tmp_path / "o.jsonl.gz")
    assert set(asked(observation, step="walk", zone="mssante.fr")["address"]) == {PARENT_NSD, PARENT_KNOT}
    assert set(asked(observation, zone=".")["address"]) == {ROOT}
    assert methods(observation, ["ch-sain.mssante.fr"])["method"].tolist() == ["delegated"]


def test_only_chosen_domains_are_asked_for(world: World, tmp_path) -> None:
    summary = observe(
        DOMAINS, tmp_path / "o.jsonl.gz", world.settings.model_copy(update={"only": "*.joker.mssante.fr"})
    )
    assert summary.domains == 2
    frame = methods(load_observation(tmp_path / "o.jsonl.gz"), ["a.joker.mssante.fr", "ch-sain.mssante.fr"])
    assert frame["method"].tolist() == ["wildcard", "unknown"]
    assert frame["observed_at"].notna().tolist() == [True, False]
