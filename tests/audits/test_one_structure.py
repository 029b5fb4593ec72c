"""One structure is known by several numbers: a change of number is no change of operator. All made up."""

import pytest
from in_clear import told_in_clear
from made_up import BETA_DN, archived

from mssante_audit.archive.events import span

FINESS, SIREN, SIRET, BARE = "1759900004", "2999000003", "399900000300015", "759900004"
A, B, C = "a.mssante.fr", "b.mssante.fr", "c.mssante.fr"


def held(domain, number=FINESS, cn="mss", **changes):
    dn = f"CN={cn}.alpha.example,OU={number},O=CH ALPHA,ST=Paris (75),C=FR"
    return {"domain": domain, "dn": dn} | changes


def beta(domain, **changes):
    return {"domain": domain, "dn": BETA_DN} | changes


def kinds_of(space):
    story = span(space.archive, "2025-10-01", "2026-01-01")
    return {*story.changes["kind"], *story.events["kind"]}


def former(space):
    return "CONTACT_FORMER_OPERATOR" in set(told_in_clear("stale_contacts", space)["rule"])


@pytest.mark.parametrize(("was", "now"), [(SIRET, SIREN), (FINESS, f"FINESS {BARE}"), (FINESS, SIRET)])
def test_another_number_in_the_list_is_the_same_operator(tmp_path, was, now):
    before, after = [held(A, was), held(B, was)], [held(A, now), held(B, now), held(C, now)]
    space = archived(tmp_path, on_2025_10_01=before, on_2026_01_01=after)
    assert kinds_of(space) == {"added", "dn_replaced", "renewal"}
    assert not former(space)


def test_a_list_in_between_shows_that_two_numbers_are_one_structures(tmp_path):
    other = {"support_contact": "01 99 00 00 88, support@alpha.example"}
    lists = {
        "on_2025_10_01": [held(A), held(B)],
        "on_2025_11_01": [held(A), held(A, SIRET)],  # one certificate but for its OU
        "on_2026_01_01": [held(A, SIRET, "new", **other), held(B, SIRET, "new")],
    }
    space = archived(tmp_path, **lists)
    assert {"arrival", "departure", "migration", "moved"}.isdisjoint(kinds_of(space))
    assert not former(space)
    (tmp_path / "without").mkdir()
    space = archived(tmp_path / "without", **{day: lists[day] for day in ("on_2025_10_01", "on_2026_01_01")})
    assert {"arrival", "departure", "migration", "moved"} <= kinds_of(space), "two lists alone do not show it"


def test_a_finess_and_a_siren_of_the_same_figures_are_two_structures(tmp_path):
    after = held(A, f"2{BARE}", "other")
    before, after = [held(A, FINESS)], [after | {"dn": after["dn"].replace("ALPHA", "BETA")}]
    assert "moved" in kinds_of(archived(tmp_path, on_2025_10_01=before, on_2026_01_01=after))


SPELT = "Mme LEFÈVRE Zoé, 01 99 00 00 77, Hélène.Hotline@Alpha.example"


@pytest.mark.parametrize(
    "text",
    ["0033199000077; HELENE.HOTLINE@ALPHA.EXAMPLE", "+33 (0)1 99 00 00 77, hélène.hotline@alpha.example"],
)
def test_a_contact_of_the_operator_before_is_recognised_however_it_is_spelt(tmp_path, text):
    before, after = held(A, project_contact=SPELT), beta(A, project_contact=text, support_contact="3639")
    space = archived(tmp_path, on_2025_10_01=[before], on_2026_01_01=[after])
    findings = told_in_clear("stale_contacts", space).set_index("rule")
    finding = findings.loc["CONTACT_FORMER_OPERATOR"]
    assert finding[["operator_id", "rows"]].tolist() == ["1679900001", (1,)]
    assert finding["facts"]["former"]["name"] == "CH ALPHA"


@pytest.mark.parametrize(
    ("before", "after", "is_own"),
    [
        ([held(A), beta(B)], [beta(A), beta(B)], True),  # the hotline that BETA had on its own domain
        ([held(A)], [beta(A), beta(B)], False),  # brought along from A
        ([held(A), beta(B, support_contact="3639")], [beta(A), beta(B)], False),  # only since
        ([held(A)], [beta(A, support_contact="01 99 00 00 02, autre@beta.example")], True),
    ],
)
def test_a_hotline_that_the_new_operator_had_before_is_its_own(tmp_path, before, after, is_own):
    ours = {"project_contact": "01 99 00 00 03, projet@beta.example"}
    then, now = ([row | (ours if row["dn"] == BETA_DN else {}) for row in rows] for rows in (before, after))
    space = archived(tmp_path, on_2025_10_01=then, on_2026_01_01=now)
    assert former(space) != is_own
