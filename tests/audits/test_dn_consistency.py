"""Each rule of the audit fires on its defect, once a cause, and is silent on what only looks like it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from in_clear import finders, told_in_clear
from made_up import ALPHA, BETA_DN, make_space

from mssante_audit.space.trust import Thresholds

DN = ALPHA["dn"]
SIRET = DN.replace("1759900004", "399900001100018")
CPS = "CN=mss.alpha.example,OU=1759900004,L=Paris (75),O=GIP-CPS,C=FR"
found, texts = finders("dn_consistency")


def rows(*dns: str) -> list[dict[str, str]]:
    """Return a row of its own domain for each DN."""
    return [{"domain": f"d{i}.mssante.fr", "dn": dn} for i, dn in enumerate(dns)]


def test_clean_names_get_nothing() -> None:
    assert found(make_space(*rows(DN, BETA_DN, CPS.replace("alpha", "gamma")))) == []
    assert found(make_space()) == []


# -- the text -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dn", "rule"),
    [
        ("certificat du serveur", "DN_UNREADABLE"),
        (DN.replace(",ST=Paris (75)", ""), "DN_SHAPE"),
        (f"{DN},DC=example", "DN_SHAPE"),
        (DN.replace(",O=", "+O="), "DN_SHAPE"),
        (CPS.replace("GIP-CPS", "CH ALPHA"), "DN_SHAPE"),
        ("C=FR,ST=Paris (75),O=CH ALPHA,OU=1759900004,CN=mss.alpha.example", "DN_NOT_CANONICAL"),
        (DN.replace(",O=", " , O="), "DN_NOT_CANONICAL"),
        (DN.replace("CH ALPHA", "CH  ALPHA"), ""),  # the certificate may hold them
        (DN.replace("CH ALPHA", '"CH ALPHA"'), "DN_NOT_CANONICAL"),
        (DN.replace("CH ALPHA", "CH\u00a0ALPHA"), "DN_NOT_CANONICAL"),
        (DN.replace(",O=", ",o="), "DN_NOT_CANONICAL"),
        (DN.replace("CH ALPHA", 'CH "ALPHA"'), "DN_SPELLINGS"),  # it may hold those too
        (DN.replace("Paris (75)", "Paris(75)"), "DN_SPELLINGS"),
        (DN.replace("C=FR", "C=BE"), "DN_COUNTRY"),
        (DN.replace("C=FR", "C=fr"), "DN_COUNTRY"),
        (DN.replace("1759900004", "1759900005"), "DN_ID_LUHN"),
        (DN.replace("1759900004", "175990000"), "DN_ID_SHAPE"),
        (DN.replace("1759900004", "9759900004"), "DN_ID_SHAPE"),
        (DN.replace("1759900004", "17599O0004"), "DN_ID_SHAPE"),
        (DN.replace("1759900004", "399900001100019"), "DN_ID_LUHN"),
        (DN.replace("1759900004", "399900001100018"), ""),
        (DN.replace("1759900004", "2999000011"), ""),
        (DN.replace("mss.alpha.example", "MSS.Alpha.example"), ""),
        *(
            (DN.replace("mss.alpha.example", cn), "DN_CN_NOT_FQDN")
            for cn in ("serveur", "192.0.2.1", "a b.fr")
        ),
        (DN.replace("mss.", "*."), "DN_CN_NOT_FQDN"),
        (DN.replace("CH ALPHA", "A" * 39), ""),
        (DN.replace("CH ALPHA", "A" * 40), "DN_O_TRUNCATED"),
        (DN.replace("CH ALPHA", "A" * 41), ""),
        *(
            (SIRET.replace("Paris (75)", f"{st} (95)"), "")
            for st in ("Val d'Oise", "Val-d'Oise", "Val d’Oise")
        ),
        (SIRET.replace("Paris (75)", "Bas-Rhin (67)"), ""),
    ],
)
def test_a_name(dn: str, rule: str) -> None:
    assert found(make_space(*rows(dn, dn))) == ([(rule, (1, 2))] if rule else [])


def test_what_to_write_instead_is_proposed() -> None:
    for dn in (
        DN.replace(",O=", ", O="),
        DN.replace("CH ALPHA", '"CH ALPHA"'),
        DN.replace("CH A", "CH\u00a0A"),
    ):
        space = make_space({"dn": dn})
        assert {expected for _, expected in texts(space, "DN_NOT_CANONICAL")} == {DN}


def test_the_shape_s_faults_are_named() -> None:
    space = make_space({"dn": DN.replace(",ST=Paris (75)", ",X=1")})
    assert texts(space, "DN_SHAPE")[0][0].endswith("(manque : ST ; en trop : X)")


QUOTED = DN.replace("CH ALPHA", '"CH ALPHA"')


def test_doubled_spaces_are_right_when_a_program_put_the_name_in_quotes_for_them() -> None:
    doubled, quoted = DN.replace("CH ALPHA", "CH  ALPHA"), DN.replace("CH ALPHA", '"CH  ALPHA"')
    assert texts(make_space({"dn": doubled}, {"dn": quoted}), "DN_SPELLINGS")[0][1] == doubled
    # A row with one space says otherwise: nothing is proposed.
    assert texts(make_space({}, {"dn": quoted}), "DN_SPELLINGS")[0][1] == ""
    assert texts(make_space({}, {"dn": doubled}), "DN_SPELLINGS")[0][1] == ""


def test_only_another_row_makes_up_for_a_wrong_spelling() -> None:
    both = make_space({}, {"dn": QUOTED})
    assert found(both) == [("DN_SPELLINGS", (2,))]
    assert texts(both, "DN_SPELLINGS")[0] == (f"1 × {QUOTED} (entre guillemets) | 1 × {DN}", DN)
    elsewhere = make_space({}, {"domain": "b.mssante.fr", "dn": QUOTED}, {"dn": QUOTED})
    assert found(elsewhere) == [("DN_NOT_CANONICAL", (2,))]
    assert texts(elsewhere, "DN_NOT_CANONICAL")[0][0].startswith("1\u00a0domaine\u00a0: 2 × ")
    # Another certificate, be it another operator's, is another row.
    other = make_space({"dn": QUOTED}, {"dn": BETA_DN})
    assert found(other, "DN_NOT_CANONICAL", "DN_SPELLINGS") == [("DN_SPELLINGS", (1,))]


def test_all_that_is_wrong_with_an_operator_s_texts_is_one_finding() -> None:
    spaced = DN.replace("mss.", "mss2.").replace(",O=", ", O=")
    inside = DN.replace("mss.", "mss3.").replace("CH ALPHA", 'CH "ALPHA"')
    space = make_space(*rows(QUOTED, spaced, inside, BETA_DN, BETA_DN.replace("CH BETA", '"CH BETA"')))
    assert found(space) == [("DN_NOT_CANONICAL", (1, 2)), ("DN_NOT_CANONICAL", (5,))]
    observed, expected = texts(space, "DN_NOT_CANONICAL")[0]
    assert observed.count(" × ") == 3
    assert expected == f"{DN} | {DN.replace('mss.', 'mss2.')}"


def test_a_place_with_and_without_its_blank_is_one_place() -> None:
    bare = DN.replace("Paris (75)", "Paris(75)")
    space = make_space(*rows(DN, bare, bare.replace("mss.", "mss2.")))
    assert found(space) == [("DN_SPELLINGS", (2, 3))]
    assert texts(space, "DN_SPELLINGS")[0][1] == f"{DN} | {DN.replace('mss.', 'mss2.')}"


SLIPS = [
    DN.replace(",O=", " , O="),
    DN.replace("CH ALPHA", '"CH  ALPHA"'),
    DN.replace("CH ALPHA", "CH\u00a0 ALPHA"),
    DN.replace("Paris (75)", "paris(75)"),
    CPS.replace("Paris (75)", "Paris(75)").replace(",L=", " ,l="),
    DN.replace("Paris (75)", "Paris"),
    "C=FR,ST=Paris (75),O=CH ALPHA,OU=1759900004,CN=mss.alpha.example",
]


@pytest.mark.parametrize("dn", SLIPS)
@pytest.mark.parametrize("others", [(), (DN,), (DN.replace("mss.", "mss2."),)])
def test_what_is_expected_passes_the_audit(dn: str, others: tuple[str, ...]) -> None:
    space = make_space(*rows(dn, *others))
    (facts,) = [f for f in told_in_clear("dn_consistency", space)["facts"] if "best" in f]
    best = (
        facts["best"] if isinstance(facts["best"], list) else [dn.replace("ST=Paris", f"ST={facts['best']}")]
    )
    if DN.replace("CH ALPHA", '"CH  ALPHA"') == dn and others == (DN,):
        assert best == []  # rows disagree in more than layout
    else:
        assert len(best) == 1
        assert found(make_space(*rows(*best, *others))) == []


def test_two_texts_that_are_no_name_are_two_findings() -> None:
    assert found(make_space(*rows("rien", "RIEN"))) == [("DN_UNREADABLE", (1,)), ("DN_UNREADABLE", (2,))]


# -- the values ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("st", "rule", "expected"),
    [
        ("Paris", "DN_DEPARTMENT_FORM", "Paris (75)"),
        ("Pariss (75)", "DN_DEPARTMENT_UNKNOWN", ""),
        ("Atlantide (00)", "DN_DEPARTMENT_UNKNOWN", ""),
        ("Paris (67)", "DN_DEPARTMENT_MISMATCH", ""),
    ],
)
def test_department(st: str, rule: str, expected: str) -> None:
    space = make_space({"dn": DN.replace("Paris (75)", st)})
    assert found(space) == [(rule, (1,))]
    assert texts(space, rule)[0][1] == expected


def test_a_department_s_correction_is_what_other_rows_write() -> None:
    slip, mate = DN.replace("Paris", "Pariss"), DN.replace("mss.", "mss2.")
    elsewhere = BETA_DN.replace("Bas-Rhin (67)", "Paris (75)").replace("1679900001", "399900001100018")
    for right in (mate, elsewhere):
        assert texts(make_space(*rows(slip, right)), "DN_DEPARTMENT_UNKNOWN")[0][1] == "Paris (75)"
    wrong = DN.replace("Paris", "Bas-Rhin")
    assert texts(make_space(*rows(wrong, mate)), "DN_DEPARTMENT_MISMATCH")[0][1] == "Paris (75)"
    assert texts(make_space(*rows(wrong, elsewhere)), "DN_DEPARTMENT_MISMATCH")[0][1] == ""
    # Nothing like it is no correction.
    far = DN.replace("Paris", "Atlantide")
    assert texts(make_space(*rows(far, elsewhere)), "DN_DEPARTMENT_UNKNOWN")[0][1] == ""


@pytest.mark.parametrize(
    ("finess", "st"),
    [
        ("970199006", "Guadeloupe (971)"),
        ("2A9900000", "Corse-du-Sud (2A)"),
        ("759900004", "Paris(75)"),
        ("970599007", "Réunion (974)"),  # 9705 is no département's: unknown, not another one
    ],
)
def test_finess_of_the_same_department(finess: str, st: str) -> None:
    dn = f"CN=mss.alpha.example,OU=1{finess},O=CH ALPHA,ST={st},C=FR"
    assert found(make_space({"dn": dn}), "DN_FINESS_DEPARTMENT", "DN_DEPARTMENT_MISMATCH") == []


def test_finess_of_another_department() -> None:
    dn = DN.replace("Paris (75)", "Bas-Rhin (67)")
    assert found(make_space(*rows(dn, dn.replace("mss", "mss2")))) == [("DN_FINESS_DEPARTMENT", (1, 2))]


def test_one_server_under_two_operators() -> None:
    shared = BETA_DN.replace("mss.beta", "MSS.ALPHA")
    assert found(make_space(*rows(DN, DN, shared))) == [("DN_CN_OPERATORS", (1, 2, 3))]
    same = DN.replace("1759900004", "399900001100018")
    assert found(make_space(*rows(DN, DN, same, same)), "DN_CN_OPERATORS") == []
    # One row is a slip and no structure, nor are two without a contact in common.
    assert found(make_space(*rows(DN, DN, same)), "DN_CN_OPERATORS") == [("DN_CN_OPERATORS", (1, 2, 3))]
    theirs = {
        "project_contact": "01 99 00 00 41, a@b.example",
        "support_contact": "01 99 00 00 42, c@b.example",
    }
    apart = [*rows(DN, DN), *({"domain": f"e{i}.mssante.fr", "dn": same, **theirs} for i in range(2))]
    assert found(make_space(*apart), "DN_CN_OPERATORS") == [("DN_CN_OPERATORS", (1, 2, 3, 4))]


def test_a_departement_is_proposed_as_it_is_official_or_usual() -> None:
    wrong, right = "ST=Meurthe et Moselle(54)", "ST=Meurthe-et-Moselle (54)"
    dns = [DN.replace("ST=Paris (75)", st) for st in (wrong, *[right] * 6)]
    dns = [dn.replace("OU=17599000", f"OU=15499{i:03}") for i, dn in enumerate(dns)]
    assert "Meurthe et" not in " ".join(
        expected for _, expected in texts(make_space(*rows(*dns)), "DN_SPELLINGS")
    )
    usual = [DN.replace("ST=Paris (75)", st) for st in ("ST=Val d'Oise(95)", "ST=Val d'Oise (95)")]
    (proposed,) = (expected for _, expected in texts(make_space(*rows(*usual)), "DN_SPELLINGS"))
    assert "Val d'Oise (95)" in proposed


def test_a_server_taken_over_counts_where_the_other_certificate_still_is() -> None:
    former = BETA_DN.replace("mss.beta", "mss.alpha")
    own, left = {"domain": "a.mssante.fr"}, {"domain": "b.mssante.fr"}
    taken = make_space({**left, "dn": former}, left, own, {"domain": "c.mssante.fr"})
    assert found(taken) == [("DN_CN_OPERATORS", (1, 2))]
    (told,) = told_in_clear("dn_consistency", taken).to_dict("records")
    assert told["operator_id"] == "1759900004", "who has it everywhere is to be called"
    assert told["observed"].endswith("CH ALPHA (1759900004) : 3\u00a0domaines ; en commun : 1\u00a0domaine")
    both = make_space(own, {**own, "dn": former}, left, {**left, "dn": former})
    assert found(both) == [("DN_CN_OPERATORS", (1, 2, 3, 4))]
    # Neither has it everywhere: nobody can tell whose it is.
    assert found(make_space(own, {**own, "dn": former}, left, {"domain": "c.mssante.fr", "dn": former})) == [
        ("DN_CN_OPERATORS", (1, 2, 3, 4))
    ]


def test_names_of_operators() -> None:
    renamed = DN.replace("CH ALPHA", "HOPITAL ALPHA").replace("mss.", "mss2.")
    assert found(make_space(*rows(DN, renamed))) == [("DN_OPERATOR_NAMES", (1, 2))]
    accents = DN.replace("CH ALPHA", "CH. ALPHA").replace("mss.", "mss2.")
    assert found(make_space(*rows(DN, accents))) == []
    homonym = BETA_DN.replace("CH BETA", "CH ALPHA")
    assert found(make_space(*rows(DN, homonym, DN))) == [("DN_NAME_OPERATORS", (1, 2, 3))]


def test_the_authority_of_old_certificates_is_nobody_s_name() -> None:
    other = (
        CPS.replace("1759900004", "1679900001")
        .replace("Paris (75)", "Bas-Rhin (67)")
        .replace("alpha", "beta")
    )
    assert found(make_space(*rows(CPS, other, DN.replace("mss.", "mss2.")))) == []


def test_concentration_counts_domains_without_another_certificate_or_server() -> None:
    second = {"domain": "d0.mssante.fr", "dn": DN.replace("mss.", "mss2.")}
    space = make_space(*rows(DN, DN, DN), second)
    assert found(space) == []
    at_two = replace(space, thresholds=Thresholds(concentration_min=2))
    assert found(at_two) == [("DN_CONCENTRATION", (2, 3))]
    assert texts(at_two, "DN_CONCENTRATION")[0][0].startswith(
        "CN=mss.alpha.example\u00a0: 2\u00a0domaines sans autre"
    )
    assert found(replace(space, thresholds=Thresholds(concentration_min=3))) == []
    # Two certificates of one server do not expire together; two spellings of one do.
    renewed = make_space(
        *rows(DN, DN), {"domain": "d0.mssante.fr", "dn": DN.replace("CH ALPHA", "CH ALPHA SUD")}
    )
    spelt = make_space(*rows(DN, DN), {"domain": "d0.mssante.fr", "dn": QUOTED})
    for one, expected in ((renewed, []), (spelt, [("DN_CONCENTRATION", (1, 2, 3))])):
        assert found(replace(one, thresholds=Thresholds(concentration_min=2)), "DN_CONCENTRATION") == expected
