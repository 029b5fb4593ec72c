"""Whose is what in a text, and above all what is nobody else's: a check that hides too much is of no use."""

import json
from dataclasses import replace

import pytest
from conftest import toml
from made_up import make_space

from mssante_audit.declarations.register import fields, load_declarations
from mssante_audit.dossiers.belongings import ELSEWHERE, Belongings

CASES = toml("dossiers/belongings")

ALPHA, BETA, SHORT, COMMON = "1759900004", "1679900001", "1759900012", "1759900020"


def row(domain, operator_id, name, cn, **more):
    return {
        "domain": domain,
        "dn": f"CN={cn},OU={operator_id},O={name},ST=Paris (75),C=FR",
        "project_contact": f"01 99 00 {operator_id[-4:-2]} {operator_id[-2:]}, projet@{cn.partition('.')[2]}",
        "support_contact": f"M. DURAND Zoé, support@{cn.partition('.')[2]}",
        **more,
    }


@pytest.fixture(scope="module")
def belongings():
    space = make_space(
        row("ch-alpha.mssante.fr", ALPHA, "CH ALPHA", "mss.alpha.example"),
        row("unit.ch-alpha.mssante.fr", BETA, "CLINIQUE BETA DU LAC", "mss.beta.example"),
        row("ch.mssante.fr", SHORT, "CH", "mss.ch-short.example"),
        row("hopital.mssante.fr", COMMON, "CENTRE HOSPITALIER", "serveur"),
        row("avec espace", COMMON, "CENTRE HOSPITALIER", "mss.common.example"),
        row("icm.mssante.fr", "1759900038", "ICM", "mss.icm.example"),
        row("icm2.mssante.fr", "1759900046", "CENTRE ICM", "mss.icm2.example"),
        row("mail.mssante.fr", "1759900053", "HOMONYME DE PARIS", "mss.one.example",
            project_contact="01 99 00 77 77, someone@gmail.com"),
        row("mail2.mssante.fr", "1759900061", "HOMONYME DE PARIS", "mss.two.example"),
    )  # fmt: skip
    return Belongings(space)


@pytest.mark.parametrize("text", [f"OU={ALPHA}", *CASES["foreign"]])
def test_what_is_anothers_is_seen_however_it_is_written(belongings, text):
    assert belongings.foreign(text, BETA), text
    assert belongings.safe(text, BETA) == ELSEWHERE
    assert belongings.safe(text, ALPHA) == text


@pytest.mark.parametrize("text", CASES["alike"])
def test_what_only_looks_like_it_is_left_alone(belongings, text):
    assert belongings.foreign(text, BETA) == (), text


def test_a_domain_below_anothers_is_its_own(belongings):
    assert belongings.is_own_domain("Unit.CH-alpha.mssante.fr.", BETA)
    assert not belongings.is_own_domain("ch-alpha.mssante.fr", BETA)
    for text, operator_id in (
        ("unit.ch-alpha.mssante.fr", ALPHA), ("x.unit.ch-alpha.mssante.fr", ALPHA),
        ("other.ch-alpha.mssante.fr", BETA),
    ):  # fmt: skip
        assert belongings.foreign(text, operator_id)


def test_what_two_have_is_foreign_to_neither(belongings):
    for owner in ("1759900053", "1759900061"):
        assert belongings.foreign("HOMONYME DE PARIS", owner) == ()
    assert belongings.foreign("HOMONYME DE PARIS", ALPHA)
    assert belongings.foreign("1759900061", "1759900053")


@pytest.mark.parametrize(("text", "seen"), CASES["common"])
def test_short_and_common_names_only_where_they_are_meant(belongings, text, seen):
    operator_id = "1759900046" if "ICM" in text else ALPHA
    assert bool(belongings.foreign(text, operator_id)) is seen


def of(*rows):
    """A space with an operator that all lists here have."""
    return make_space(row("ch-alpha.mssante.fr", ALPHA, "CH ALPHA", "mss.alpha.example"), *rows)


def test_a_person_is_whose_contact_names_it():
    beta = row("b.mssante.fr", BETA, "CH BETA", "mss.beta.example", support_contact="0199000009")
    belongings = Belongings(of(beta))
    assert belongings.foreign("Mme Durand, Zoé", BETA)
    assert belongings.foreign("écrire à durand zoe", BETA)
    assert belongings.foreign("rue Durand", BETA) == ()


def test_of_two_names_one_inside_the_other_the_longer_is_meant():
    north = "1759900079"
    belongings = Belongings(of(row("nord.mssante.fr", north, "CH ALPHA NORD", "mss.nord.example")))
    assert belongings.foreign("CH ALPHA NORD : 3 lignes", north) == ()
    assert belongings.foreign("CH ALPHA NORD", ALPHA)
    assert belongings.foreign("CH ALPHA SUD", north)


def test_a_declaration_gives_its_domain_and_no_more_than_the_list_allows(tmp_path):
    declared = dict.fromkeys(fields(), "") | {
        "structure_id": BETA, "structure_name": "CH ALPHA", "domain": "neuf.mssante.fr",
        "mail_server": "mx.alpha.example", "primary_server": "ns.beta.example",
        "public_project_email": "dsi@alpha.example",
    }  # fmt: skip
    (tmp_path / "declarations.json").write_text(json.dumps([declared]), encoding="utf-8")
    space = of(row("b.mssante.fr", BETA, "CH BETA", "mss.autre.example"))
    belongings = Belongings(replace(space, register=load_declarations(tmp_path / "declarations.json")))
    assert belongings.is_own_domain("neuf.mssante.fr", BETA)
    assert belongings.foreign("neuf.mssante.fr", ALPHA)
    assert belongings.foreign("ns.beta.example", ALPHA)
    assert belongings.foreign("ns.beta.example", BETA) == ()
    for of_alpha in ("CH ALPHA", "mx.alpha.example", "d•••@alpha.example"):
        assert belongings.foreign(of_alpha, BETA), of_alpha


def test_what_an_earlier_list_gave_is_still_ones_own(sample_space):
    belongings, lost = Belongings(sample_space), "msp-puyirreel.cheminsonge.mssante.fr"
    owners = ("1679900001", "399900000300015", "1959900002")
    assert [bool(belongings.foreign(lost, operator_id)) for operator_id in owners] == [False, False, True]


def test_long_texts_are_read_in_time_that_grows_with_them(belongings):
    assert belongings.foreign("a." * 50_000 + "1 " * 50_000 + "ch " * 50_000 + "ch-alpha.mssante.fr", BETA)
