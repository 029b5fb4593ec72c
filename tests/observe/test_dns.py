"""What is asked of real servers, and what the observation says of it."""

import pandas as pd
from dnslab import start_knot
from dnsworld import (
    DOMAINS,
    NOBODY,
    OP_KNOT,
    OP_NSD,
    OP_REGION,
    PARENT,
    PARENT_KNOT,
    PARENT_NSD,
    ROOT,
    World,
    quick,
)
from frames import rows_of

from mssante_audit.network import methods
from mssante_audit.observe.dns.run import observe
from mssante_audit.observe.observation import Observation, load_observation


def asked(observation: Observation, **where: object) -> pd.DataFrame:
    queries = rows_of(observation)
    for column, value in where.items():
        queries = queries[queries[column] == value]
    return queries


def data(queries: pd.DataFrame, kind: str) -> set[str]:
    return {r.data for records in queries["records"] for r in records if r.type == kind}


def test_all_servers_of_the_parent_are_asked_about_each_domain(observed: Observation) -> None:
    walks = asked(observed, step="walk", zone="mssante.fr", qtype="MX")
    by_name = walks.groupby("qname")["address"].agg(set)
    assert set(map(frozenset, by_name)) == {frozenset({PARENT_NSD, PARENT_KNOT})}
    assert len(by_name) == len(DOMAINS) - 3  # outside, and two that are no names


def test_the_parents_own_apex_is_observed(observed: Observation) -> None:
    apex = asked(observed, step="apex", zone="mssante.fr", qname="mssante.fr")
    assert set(zip(apex["address"], apex["qtype"], apex["transport"], apex["outcome"], strict=True)) == {
        (address, *told)
        for address in (PARENT_NSD, PARENT_KNOT)
        for told in (("SOA", "udp", "answer"), ("NS", "udp", "answer"), ("MX", "tcp", "nodata"))
    }
    assert data(apex, "SOA") == {"ns1.gestion.example hostmaster.gestion.example 7 3600 600 86400 300"}


def test_every_server_of_a_delegation_is_asked_everything(observed: Observation) -> None:
    zone = "ch-sain.mssante.fr"
    told = rows_of(observed)[
        (rows_of(observed)["zone"] == zone) & rows_of(observed)["step"].isin(["apex", "walk"])
    ]
    told = told[told["qname"] == zone]
    assert set(zip(told["server"], told["address"], told["qtype"], told["transport"], strict=True)) == {
        (server, address, qtype, transport)
        for server, address in (("ns1.ch-sain.mssante.fr", OP_NSD), ("ns2.ch-sain.mssante.fr", OP_KNOT))
        for qtype, transport in (("SOA", "udp"), ("NS", "udp"), ("MX", "udp"), ("MX", "tcp"))
    }
    assert set(told["outcome"]) == {"answer"}
    assert all("aa" in flags.split() and "edns" in flags.split() for flags in told["flags"])


def test_a_referral_keeps_its_ns_set_and_glue(observed: Observation) -> None:
    referral = asked(observed, step="walk", zone="mssante.fr", qname="ch-sain.mssante.fr")
    assert set(referral["outcome"]) == {"referral"}
    assert set(referral["cut"]) == {"ch-sain.mssante.fr"}
    assert data(referral, "NS") == {"ns1.ch-sain.mssante.fr", "ns2.ch-sain.mssante.fr"}
    assert data(referral, "A") == {OP_NSD, OP_KNOT}


def test_no_question_is_asked_twice(observed: Observation) -> None:
    first = rows_of(observed)[rows_of(observed)["attempt"] <= 1]
    same = ["zone", "qname", "qtype", "address", "transport", "rd", "edns"]
    assert not first.duplicated(same).any(), first[first.duplicated(same, keep=False)][same]


def test_names_of_servers_and_mail_hosts_are_looked_up(observed: Observation) -> None:
    names = asked(observed, step="address")
    outcomes = {
        (n, t): o
        for n, t, o in zip(names["qname"], names["qtype"], names["outcome"], strict=True)
        if o != "referral"
    }
    assert outcomes["mx1.operateur.example", "A"] == "answer"
    assert outcomes["mx1.operateur.example", "AAAA"] == "answer"
    assert outcomes["mx2.operateur.example", "AAAA"] == "nodata"
    assert outcomes["disparu.operateur.example", "A"] == "nxdomain"
    assert outcomes["ns.nulle-part.example", "A"] == "nxdomain"
    assert outcomes["ns1.operateur.example", "A"] == "answer"
    assert outcomes["mx.ch-sain.mssante.fr", "A"] == "answer"
    alias = asked(observed, step="address", qname="alias.operateur.example", qtype="A", outcome="answer")
    assert data(alias, "CNAME") == {"mx1.operateur.example"}
    assert outcomes["ailleurs.example", "MX"] == "answer"
    assert not (names["qname"] == "192.0.2.1").any(), "an address literal is no name"


def test_a_long_reply_is_asked_for_again_over_tcp(observed: Observation) -> None:
    long = asked(observed, qname="ch-gros.mssante.fr", qtype="MX", zone="ch-gros.mssante.fr")
    assert list(zip(long["step"], long["transport"], long["outcome"], strict=True)) == [
        ("apex", "tcp", "answer"),
        ("walk", "udp", "truncated"),
    ], "and is not, where it is known from there"
    assert len(data(long[long["transport"] == "tcp"], "MX")) == 30


def test_a_wildcard_is_proven_by_a_sibling(observed: Observation) -> None:
    (label,) = observed.siblings
    siblings = asked(observed, step="sibling", qname=f"{label}.joker.mssante.fr")
    assert set(zip(siblings["address"], siblings["outcome"], strict=True)) == {
        (PARENT_NSD, "answer"),
        (PARENT_KNOT, "answer"),
    }
    assert len(siblings) == 2, "asked once, though two listed domains need it"


def test_dnssec_is_observed_where_there_is_some(observed: Observation) -> None:
    keys = asked(observed, step="apex", qname="ch-signe.mssante.fr", qtype="DNSKEY")
    assert dict(zip(keys["address"], keys["outcome"], strict=True)) == {OP_KNOT: "answer"}
    signed = asked(observed, step="apex", qname="ch-signe.mssante.fr", qtype="SOA", address=OP_KNOT)
    assert all("signed" in flags.split() for flags in signed["flags"])
    assert asked(observed, qtype="DNSKEY", qname="ch-sain.mssante.fr").empty
    assert asked(observed, qtype="AXFR").empty


def test_a_signed_parent_shows_the_ds_in_its_referral(world: World, tmp_path) -> None:
    daemon = start_knot(
        tmp_path / "knot", ["127.0.53.20"], world.port, {"mssante.fr": PARENT}, signed=["mssante.fr"]
    )
    try:
        settings = world.settings.model_copy(
            update={"parent_servers": (("ns.gestion.example", "127.0.53.20"),)}
        )
        observe(["ch-signe.mssante.fr", "ch-redirige.mssante.fr"], tmp_path / "o.jsonl.gz", settings)
    finally:
        daemon.stop()
    observation = load_observation(tmp_path / "o.jsonl.gz")
    referral = asked(
        observation, step="walk", zone="mssante.fr", qname="ch-signe.mssante.fr", outcome="referral"
    )
    assert data(referral, "DS") == {f"12345 13 2 {'ab' * 32}"}
    assert set(asked(observation, qtype="DNSKEY", zone="ch-signe.mssante.fr")["address"]) == {OP_NSD, OP_KNOT}
    assert methods(observation, ["ch-redirige.mssante.fr"])["method"].tolist() == ["redirected"]


def test_each_address_is_asked_once_whether_it_resolves_for_strangers(observed: Observation) -> None:
    recursion = asked(observed, step="recursion")
    assert sorted(recursion["address"]) == sorted([PARENT_NSD, PARENT_KNOT, OP_NSD, OP_KNOT, OP_REGION])
    assert recursion["rd"].all()
    assert set(recursion["outcome"]) == {"refused"}


def test_a_dead_server_is_told_from_a_missing_name(observed: Observation) -> None:
    dead = asked(observed, address=NOBODY)
    assert set(dead["outcome"]) <= {"unreachable", "timeout"}
    udp = dead[(dead["transport"] == "udp") & (dead["attempt"] > 0)]
    assert set(udp["outcome"]) == {"unreachable"}
    frame = methods(observed, DOMAINS).set_index("domain")
    assert frame.loc["service.ch-mort.mssante.fr", "method"] == "unknown"
    assert frame.loc["service.ch-mort.mssante.fr", "why"]["zone"] == "ch-mort.mssante.fr"
    refused = asked(observed, zone="ch-refus.mssante.fr", step="apex", qtype="SOA", transport="udp")
    assert set(zip(refused["outcome"], refused["rcode"], strict=True)) <= {
        ("refused", "REFUSED"),
        ("servfail", "SERVFAIL"),
    }


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
