"""Each rule of the audit fires on its defect, once a cause, and is silent on what only looks like it."""

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import toml
from in_clear import INVISIBLE, Case, Found, Row, alone, finders, fires, seen_in, silent
from made_up import ALPHA, BETA_DN, make_space

from mssante_audit.space.trust import Thresholds, TrustSpace

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
UNKNOWN, MISMATCH = "DN_DEPARTMENT_UNKNOWN", "DN_DEPARTMENT_MISMATCH"
ELSEWHERE = BETA_DN.replace("Bas-Rhin (67)", "Paris (75)").replace("1679900001", "399900001100018")
found, texts = finders("dn_consistency")


def rows(*dns: str) -> list[Row]:
    return [{"domain": f"d{i}.mssante.fr", "dn": dn} for i, dn in enumerate(dns)]


def dn(old: str, new: str, name: str = DN) -> str:
    return name.replace(old, new)


NAMES: dict[str, list[str]] = toml("audits/names")
NAMES[CANONICAL] += [dn("ALPHA", f"AL{odd}PHA") for odd in INVISIBLE]
"""Rule → names that have its defect and no other; "" → those that are right."""


# Beside those of the catalogue (`tools.sample.defects`, `.cases`), which tests/test_sample.py holds.
CASES: dict[str, Case] = {
    **{
        f"{rule}: {name}": Case(rows(name, name), [(rule, (1, 2))] if rule else [])
        for rule, names in NAMES.items() for name in names},
    "clean names": Case(rows(DN, BETA_DN, CPS.replace("alpha", "gamma")), []),
    "no row": Case([], []),
    **{
        f"what to write instead of {dn}": alone(CANONICAL, (1,), [{"dn": dn}], expected=DN)
        for dn in (DN.replace(",O=", ", O="), QUOTED, DN.replace("CH A", "CH\u00a0A"))},
    "the shape's faults are named": fires(
        "DN_SHAPE", (1,), [{"dn": DN.replace(",ST=Paris (75)", ",X=1")}],
        observed="…(manque : ST ; en trop : X)"),
    # Doubled spaces are right when a program put the name in quotes for them.
    "doubled spaces, and quotes for them": alone(
        SPELLINGS, (2,), [{"dn": DOUBLED}, {"dn": BOTH}], expected=DOUBLED),
    # A row with one space says otherwise: nothing is proposed.
    "one space, and quotes": alone(SPELLINGS, (2,), [{}, {"dn": BOTH}], expected=""),
    "one space, and two": alone(SPELLINGS, (1, 2), [{}, {"dn": DOUBLED}], expected=""),
    "another row makes up for a wrong spelling": alone(
        SPELLINGS, (2,), [{}, {"dn": QUOTED}],
        observed=f"1 × {QUOTED} (entre guillemets) | 1 × {DN}", expected=DN),
    "another domain's row does not": alone(
        CANONICAL, (2,), [{}, B | {"dn": QUOTED}, {"dn": QUOTED}], observed="1 domaine : 2 × …"),
    "another certificate, be it another operator's, is another row": Case(
        [{"dn": QUOTED}, {"dn": BETA_DN}], [(SPELLINGS, (1,))], [CANONICAL, SPELLINGS]),
    "a place with and without its blank is one place": alone(
        SPELLINGS, (2, 3), rows(DN, BARE, BARE.replace("mss.", "mss2.")), expected=f"{DN} | {DN_2}"),
    "two texts that are no name are two findings": Case(
        rows("rien", "RIEN"), [("DN_UNREADABLE", (1,)), ("DN_UNREADABLE", (2,))]),
    # The values.
    **{
        f"département: {st}": alone(rule, (1,), [{"dn": DN.replace("Paris (75)", st)}], expected=expected)
        for st, rule, expected in (
            ("Paris", "DN_DEPARTMENT_FORM", "Paris (75)"), ("Pariss (75)", UNKNOWN, ""),
            ("Atlantide (00)", UNKNOWN, ""), ("Paris (67)", MISMATCH, ""))},
    **{
        f"FINESS of the same département: {st}": Case(
            [{"dn": f"CN=mss.alpha.example,OU=1{finess},O=CH ALPHA,ST={st},C=FR"}], [],
            ["DN_FINESS_DEPARTMENT", MISMATCH])
        for finess, st in (
            ("970199006", "Guadeloupe (971)"), ("2A9900000", "Corse-du-Sud (2A)"), ("759900004", "Paris(75)"),
            ("970599007", "Réunion (974)"),  # 9705 is no département's: unknown, not another one
        )},
    # A correction is what other rows write; nothing like it is none.
    **{
        f"a département corrected: {wrong}, {other[:14]}": fires(
            rule, (1,), rows(dn("Paris", wrong), other), expected=expected)
        for rule, wrong, other, expected in (
            (UNKNOWN, "Pariss", DN_2, "Paris (75)"), (UNKNOWN, "Pariss", ELSEWHERE, "Paris (75)"),
            (UNKNOWN, "Atlantide", ELSEWHERE, ""), (MISMATCH, "Bas-Rhin", DN_2, "Paris (75)"),
            (MISMATCH, "Bas-Rhin", ELSEWHERE, ""))},
    # Servers and names of operators.
    "one server of one structure's two numbers": silent(OPERATORS, rows(DN, DN, SIRET, SIRET)),
    # One row is a slip and no structure, nor are two without a contact in common.
    "one row of the other number": fires(OPERATORS, (1, 2, 3), rows(DN, DN, SIRET)),
    "two rows without a contact in common": fires(OPERATORS, (1, 2, 3, 4),
        [*rows(DN, DN), *({"domain": f"e{i}.mssante.fr", "dn": SIRET, **THEIRS} for i in range(2))]),
    "a server taken over counts where the other certificate still is": Case(
        [B | {"dn": FORMER}, B, A, C], [(OPERATORS, (1, 2))], (),
        {OPERATORS: {"operator_id": ["1759900004"],  # who has it everywhere is to be called
                     "observed": ["…CH ALPHA (1759900004) : 3 domaines ; en commun : 1 domaine"]}}),
    "both operators on both domains": alone(
        OPERATORS, (1, 2, 3, 4), [A, A | {"dn": FORMER}, B, B | {"dn": FORMER}]),
    "neither has it everywhere: nobody can tell whose it is": alone(
        OPERATORS, (1, 2, 3, 4), [A, A | {"dn": FORMER}, B, C | {"dn": FORMER}]),
    "a name but for its dot": Case(rows(DN, DN_2.replace("CH ALPHA", "CH. ALPHA")), []),
    "the authority of old certificates is nobody's name": Case(
        rows(CPS, "CN=mss.beta.example,OU=1679900001,L=Bas-Rhin (67),O=GIP-CPS,C=FR", DN_2), []),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_list(tmp_path: Path, case: str) -> None:
    assert seen_in("dn_consistency", CASES[case], tmp_path) == (CASES[case].fired, CASES[case].words)


def test_all_that_is_wrong_with_an_operator_s_texts_is_one_finding() -> None:
    spaced = DN_2.replace(",O=", ", O=")
    inside = DN_3.replace("CH ALPHA", 'CH "ALPHA"')
    space = make_space(*rows(QUOTED, spaced, inside, BETA_DN, BETA_DN.replace("CH BETA", '"CH BETA"')))
    assert found(space) == [("DN_NOT_CANONICAL", (1, 2)), ("DN_NOT_CANONICAL", (5,))]
    observed, expected = texts(space, "DN_NOT_CANONICAL")[0]
    assert observed.count(" × ") == 3
    assert expected == f"{DN} | {DN_2}"


def test_a_departement_is_proposed_as_it_is_official_or_usual() -> None:
    wrong, right = "ST=Meurthe et Moselle(54)", "ST=Meurthe-et-Moselle (54)"
    dns = [DN.replace("ST=Paris (75)", st) for st in (wrong, *[right] * 6)]
    dns = [dn.replace("OU=17599000", f"OU=15499{i:03}") for i, dn in enumerate(dns)]
    assert not any("Meurthe et" in expected for _, expected in texts(make_space(*rows(*dns)), SPELLINGS))
    usual = [DN.replace("ST=Paris (75)", st) for st in ("ST=Val d'Oise(95)", "ST=Val d'Oise (95)")]
    ((_, proposed),) = texts(make_space(*rows(*usual)), SPELLINGS)
    assert "Val d'Oise (95)" in proposed


def test_concentration_counts_domains_without_another_certificate_or_server() -> None:
    def concentrated(space: TrustSpace, minimum: int) -> Found:
        return found(replace(space, thresholds=Thresholds(concentration_min=minimum)), "DN_CONCENTRATION")

    def beside(dn: str) -> TrustSpace:
        return make_space(*rows(DN, DN, DN), {"domain": "d0.mssante.fr", "dn": dn})

    space = beside(DN_2)
    assert found(space) == []
    assert concentrated(space, 2) == [("DN_CONCENTRATION", (2, 3))]
    at_two = replace(space, thresholds=Thresholds(concentration_min=2))
    text = texts(at_two, "DN_CONCENTRATION")[0][0].replace("\u00a0", " ")
    assert text.startswith("CN=mss.alpha.example : 2 domaines sans autre")
    assert concentrated(space, 3) == []
    # Two certificates of one server do not expire together; two spellings of one do.
    assert concentrated(beside(DN.replace("CH ALPHA", "CH ALPHA SUD")), 3) == []
    assert concentrated(beside(QUOTED), 3) == [("DN_CONCENTRATION", (1, 2, 3, 4))]
