"""Each rule of the audit fires on its defect, once a cause, and is silent on what only looks like it."""

from dataclasses import replace
from pathlib import Path

import pytest
from in_clear import Case, Row, finders, seen_in, told_in_clear
from made_up import ALPHA, BETA_DN, make_space

from mssante_audit.space.trust import Thresholds

DN = ALPHA["dn"]
DN_2, DN_3 = DN.replace("mss.", "mss2."), DN.replace("mss.", "mss3.")
SIRET = DN.replace("1759900004", "399900001100018")
CPS = "CN=mss.alpha.example,OU=1759900004,L=Paris (75),O=GIP-CPS,C=FR"
QUOTED, DOUBLED = DN.replace("CH ALPHA", '"CH ALPHA"'), DN.replace("CH ALPHA", "CH  ALPHA")
BARE, BOTH = DN.replace("Paris (75)", "Paris(75)"), DN.replace("CH ALPHA", '"CH  ALPHA"')
FORMER = BETA_DN.replace("mss.beta", "mss.alpha")
A, B, C = ({"domain": f"{name}.mssante.fr"} for name in "abc")
THEIRS = {"project_contact": "01 99 00 00 41, a@b.example", "support_contact": "01 99 00 00 42, c@b.example"}
CANONICAL, SPELLINGS, OPERATORS = "DN_NOT_CANONICAL", "DN_SPELLINGS", "DN_CN_OPERATORS"
found, texts = finders("dn_consistency")


def rows(*dns: str) -> list[Row]:
    """Return a row of its own domain for each DN."""
    return [{"domain": f"d{i}.mssante.fr", "dn": dn} for i, dn in enumerate(dns)]


# Beside those of the catalogue (`tools.sample.defects`, `.cases`), which tests/test_sample.py holds.
CASES: dict[str, Case] = {
    "clean names": Case(rows(DN, BETA_DN, CPS.replace("alpha", "gamma")), []),
    "no row": Case([], []),
    **{
        f"what to write instead of {dn}": Case(
            [{"dn": dn}], [(CANONICAL, (1,))], (), {CANONICAL: {"expected": [DN]}}
        )
        for dn in (DN.replace(",O=", ", O="), QUOTED, DN.replace("CH A", "CH\u00a0A"))
    },
    "the shape's faults are named": Case(
        [{"dn": DN.replace(",ST=Paris (75)", ",X=1")}], [("DN_SHAPE", (1,))], ["DN_SHAPE"],
        {"DN_SHAPE": {"observed": ["…(manque : ST ; en trop : X)"]}},
    ),
    # Doubled spaces are right when a program put the name in quotes for them.
    "doubled spaces, and quotes for them": Case(
        [{"dn": DOUBLED}, {"dn": BOTH}], [(SPELLINGS, (2,))], (), {SPELLINGS: {"expected": [DOUBLED]}},
    ),
    # A row with one space says otherwise: nothing is proposed.
    "one space, and quotes": Case(
        [{}, {"dn": BOTH}], [(SPELLINGS, (2,))], (), {SPELLINGS: {"expected": [""]}},
    ),
    "one space, and two": Case(
        [{}, {"dn": DOUBLED}], [(SPELLINGS, (1, 2))], (), {SPELLINGS: {"expected": [""]}},
    ),
    "another row makes up for a wrong spelling": Case(
        [{}, {"dn": QUOTED}], [(SPELLINGS, (2,))], (),
        {SPELLINGS: {"observed": [f"1 × {QUOTED} (entre guillemets) | 1 × {DN}"], "expected": [DN]}},
    ),
    "another domain's row does not": Case(
        [{}, B | {"dn": QUOTED}, {"dn": QUOTED}], [(CANONICAL, (2,))], (),
        {CANONICAL: {"observed": ["1 domaine : 2 × …"]}},
    ),
    "another certificate, be it another operator's, is another row": Case(
        [{"dn": QUOTED}, {"dn": BETA_DN}], [(SPELLINGS, (1,))], [CANONICAL, SPELLINGS],
    ),
    "a place with and without its blank is one place": Case(
        rows(DN, BARE, BARE.replace("mss.", "mss2.")), [(SPELLINGS, (2, 3))], (),
        {SPELLINGS: {"expected": [f"{DN} | {DN_2}"]}},
    ),
    "two texts that are no name are two findings": Case(
        rows("rien", "RIEN"), [("DN_UNREADABLE", (1,)), ("DN_UNREADABLE", (2,))],
    ),
    # The values.
    **{
        f"département: {st}": Case(
            [{"dn": DN.replace("Paris (75)", st)}], [(rule, (1,))], (), {rule: {"expected": [expected]}}
        )
        for st, rule, expected in (
            ("Paris", "DN_DEPARTMENT_FORM", "Paris (75)"), ("Pariss (75)", "DN_DEPARTMENT_UNKNOWN", ""),
            ("Atlantide (00)", "DN_DEPARTMENT_UNKNOWN", ""), ("Paris (67)", "DN_DEPARTMENT_MISMATCH", ""),
        )
    },
    **{
        f"FINESS of the same département: {st}": Case(
            [{"dn": f"CN=mss.alpha.example,OU=1{finess},O=CH ALPHA,ST={st},C=FR"}], [],
            ["DN_FINESS_DEPARTMENT", "DN_DEPARTMENT_MISMATCH"],
        )
        for finess, st in (
            ("970199006", "Guadeloupe (971)"), ("2A9900000", "Corse-du-Sud (2A)"), ("759900004", "Paris(75)"),
            ("970599007", "Réunion (974)"),  # 9705 is no département's: unknown, not another one
        )
    },
    # Servers and names of operators.
    "one server of one structure's two numbers": Case(rows(DN, DN, SIRET, SIRET), [], [OPERATORS]),
    # One row is a slip and no structure, nor are two without a contact in common.
    "one row of the other number": Case(rows(DN, DN, SIRET), [(OPERATORS, (1, 2, 3))], [OPERATORS]),
    "two rows without a contact in common": Case(
        [*rows(DN, DN), *({"domain": f"e{i}.mssante.fr", "dn": SIRET, **THEIRS} for i in range(2))],
        [(OPERATORS, (1, 2, 3, 4))], [OPERATORS],
    ),
    "a server taken over counts where the other certificate still is": Case(
        [B | {"dn": FORMER}, B, A, C], [(OPERATORS, (1, 2))], (),
        {OPERATORS: {"operator_id": ["1759900004"],  # who has it everywhere is to be called
                     "observed": ["…CH ALPHA (1759900004) : 3 domaines ; en commun : 1 domaine"]}},
    ),
    "both operators on both domains": Case(
        [A, A | {"dn": FORMER}, B, B | {"dn": FORMER}], [(OPERATORS, (1, 2, 3, 4))],
    ),
    "neither has it everywhere: nobody can tell whose it is": Case(
        [A, A | {"dn": FORMER}, B, C | {"dn": FORMER}], [(OPERATORS, (1, 2, 3, 4))],
    ),
    "a name but for its dot": Case(rows(DN, DN_2.replace("CH ALPHA", "CH. ALPHA")), []),
    "the authority of old certificates is nobody's name": Case(
        rows(CPS, "CN=mss.beta.example,OU=1679900001,L=Bas-Rhin (67),O=GIP-CPS,C=FR", DN_2), [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_list(tmp_path: Path, case: str) -> None:
    assert seen_in("dn_consistency", CASES[case], tmp_path) == (CASES[case].found, CASES[case].said)


@pytest.mark.parametrize(
    ("dn", "rule"),
    [
        (f"{DN},DC=example", "DN_SHAPE"),
        (DN.replace(",O=", "+O="), "DN_SHAPE"),
        (CPS.replace("GIP-CPS", "CH ALPHA"), "DN_SHAPE"),
        ("C=FR,ST=Paris (75),O=CH ALPHA,OU=1759900004,CN=mss.alpha.example", "DN_NOT_CANONICAL"),
        (DN.replace("CH ALPHA", "CH  ALPHA"), ""),  # the certificate may hold them
        (DN.replace("CH ALPHA", '"CH ALPHA"'), "DN_NOT_CANONICAL"),
        (DN.replace("CH ALPHA", "CH\u00a0ALPHA"), "DN_NOT_CANONICAL"),
        (DN.replace(",O=", ",o="), "DN_NOT_CANONICAL"),
        (DN.replace("Paris (75)", "Paris(75)"), "DN_SPELLINGS"),
        (DN.replace("C=FR", "C=fr"), "DN_COUNTRY"),
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


def test_all_that_is_wrong_with_an_operator_s_texts_is_one_finding() -> None:
    spaced = DN_2.replace(",O=", ", O=")
    inside = DN_3.replace("CH ALPHA", 'CH "ALPHA"')
    space = make_space(*rows(QUOTED, spaced, inside, BETA_DN, BETA_DN.replace("CH BETA", '"CH BETA"')))
    assert found(space) == [("DN_NOT_CANONICAL", (1, 2)), ("DN_NOT_CANONICAL", (5,))]
    observed, expected = texts(space, "DN_NOT_CANONICAL")[0]
    assert observed.count(" × ") == 3
    assert expected == f"{DN} | {DN_2}"


SLIPS = [
    DN.replace(",O=", " , O="), BOTH, DN.replace("CH ALPHA", "CH\u00a0 ALPHA"),
    DN.replace("Paris (75)", "paris(75)"), CPS.replace("Paris (75)", "Paris(75)").replace(",L=", " ,l="),
    DN.replace("Paris (75)", "Paris"), "C=FR,ST=Paris (75),O=CH ALPHA,OU=1759900004,CN=mss.alpha.example",
]  # fmt: skip


@pytest.mark.parametrize("dn", SLIPS)
@pytest.mark.parametrize("others", [(), (DN,), (DN_2,)])
def test_what_is_expected_passes_the_audit(dn: str, others: tuple[str, ...]) -> None:
    space = make_space(*rows(dn, *others))
    (facts,) = [f for f in told_in_clear("dn_consistency", space)["facts"] if "best" in f]
    best = (
        facts["best"] if isinstance(facts["best"], list) else [dn.replace("ST=Paris", f"ST={facts['best']}")]
    )
    if dn == BOTH and others == (DN,):
        assert best == []  # rows disagree in more than layout
    else:
        assert len(best) == 1
        assert found(make_space(*rows(*best, *others))) == []


def test_a_department_s_correction_is_what_other_rows_write() -> None:
    slip, mate = DN.replace("Paris", "Pariss"), DN_2
    elsewhere = BETA_DN.replace("Bas-Rhin (67)", "Paris (75)").replace("1679900001", "399900001100018")
    for right in (mate, elsewhere):
        assert texts(make_space(*rows(slip, right)), "DN_DEPARTMENT_UNKNOWN")[0][1] == "Paris (75)"
    wrong = DN.replace("Paris", "Bas-Rhin")
    assert texts(make_space(*rows(wrong, mate)), "DN_DEPARTMENT_MISMATCH")[0][1] == "Paris (75)"
    assert texts(make_space(*rows(wrong, elsewhere)), "DN_DEPARTMENT_MISMATCH")[0][1] == ""
    # Nothing like it is no correction.
    far = DN.replace("Paris", "Atlantide")
    assert texts(make_space(*rows(far, elsewhere)), "DN_DEPARTMENT_UNKNOWN")[0][1] == ""


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


def test_concentration_counts_domains_without_another_certificate_or_server() -> None:
    second = {"domain": "d0.mssante.fr", "dn": DN_2}
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
