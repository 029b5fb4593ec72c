"""The register against the white list: each rule fires alone, statuses are told apart, nothing is guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pandas as pd
import pytest
from in_clear import told_in_clear
from made_up import archived, make_space
from made_up_register import BETA, DECLARED, ELSEWHERE, LISTED, declared, own, side_by_side, told_of

from mssante_audit.audits import audit as masked_audit
from mssante_audit.audits.reconciliation.rules import STATUSES, status


@pytest.fixture
def declared_space(tmp_path):
    """Return a function: rows of a list and declarations (each over `DECLARED`) to a trust space."""
    return partial(declared, tmp_path)


def audit(space):
    return told_in_clear("reconciliation", space)


def statuses(space):
    frame = status(space)
    return dict(zip(frame["domain"], frame["status"].astype("str"), strict=True))


ONE = [
    ("RECO_WITHDRAWN_LISTED", "withdrawn-listed", {"withdrawal": "X"}),
    ("RECO_OPERATOR", "differs", {"structure_id": "1679900001", "dn_igc_sante": BETA}),
    ("RECO_DN_DIFFERS", "differs", {"dn_igc_sante": DECLARED["dn_igc_sante"].replace("CN=", "CN=a")}),
    ("RECO_DN_SPELLING", "differs", {"dn_igc_sante": DECLARED["dn_igc_sante"].replace(",O=", ", O=")}),
    ("RECO_CONTACT", "differs", {"public_project_phone": "01 99 00 00 09"}),
    ("RECO_CONTACT", "differs", {"public_technical_email": "autre@alpha.example"}),
    ("RECO_DESCRIPTION", "as-declared", {"description": "Autre description"}),
]


@pytest.mark.parametrize(("rule", "told", "change"), ONE)
def test_a_rule_fires_alone(declared_space, rule, told, change):
    space = declared_space([LISTED], [change])
    findings = audit(space)
    assert findings["rule"].tolist() == [rule]
    assert findings["rows"].tolist() == [(1,)]
    assert findings["evidence"].iloc[0].startswith("declarations.json:1; ")
    assert statuses(space) == {"ch-alpha.mssante.fr": told}


def test_listed_as_declared_is_silent_however_it_is_written(declared_space):
    for change in (
        {},
        {"domain": "CH-Alpha.mssante.fr."},
        {"structure_id": "399900000300015", "beneficiary_id": "1759900004"},
    ):
        space = declared_space([LISTED], [change])
        assert audit(space).empty
        assert statuses(space) == {"ch-alpha.mssante.fr": "as-declared"}


SIRENE = DECLARED["dn_igc_sante"].replace("1759900004", "2999000003")


@pytest.mark.parametrize(
    ("listed", "declared"),
    [
        (DECLARED["dn_igc_sante"], "FINESS 75 990 000 4"),
        (SIRENE, "SIRET : 999 000 003 00015"),
        (SIRENE.replace("2999000003", "399900000300015"), "2999000003"),
    ],
)
def test_one_structure_is_known_by_each_of_its_numbers(declared_space, listed, declared):
    space = declared_space([LISTED | {"dn": listed}], [{"structure_id": declared, "dn_igc_sante": listed}])
    assert audit(space).empty
    assert statuses(space) == {"ch-alpha.mssante.fr": "as-declared"}


@pytest.mark.parametrize(
    "declared",
    [
        "subject=" + DECLARED["dn_igc_sante"],
        "/C=FR/ST=Paris (75)/O=CH ALPHA/OU=1759900004/CN=mss.alpha.example",
        DECLARED["dn_igc_sante"].replace(",", "\n"),
        "cf. certificat joint",
    ],
)
def test_a_pasted_name_is_the_name_and_a_text_that_is_none_is_not_compared(declared_space, declared):
    space = declared_space([LISTED], [{"dn_igc_sante": declared}])
    assert audit(space).empty
    assert status(space)["dn"].tolist() == ["" if "cf." in declared else "same"]


def test_days_since_a_withdrawal_are_told_and_masking_leaves_them(declared_space):
    space = declared_space([LISTED], [{"withdrawal": "X"}])
    (finding,) = masked_audit("reconciliation", space).to_dict("records")
    assert finding["severity"] == "critical"
    assert finding["observed"] == "retrait le 01/06/2025 (274 jours)"


def test_absent_is_normal_for_a_few_days_up_to_the_lists_own_date(declared_space):
    made = datetime(2026, 3, 2)
    for days, told in ((0, "under-way"), (10, "under-way"), (11, "not-listed")):
        day = f"{made - timedelta(days=days):%d/%m/%Y}"
        space = declared_space([ELSEWHERE], [{"date": day}], as_of=datetime(2026, 6, 1, tzinfo=UTC))
        assert statuses(space)["ch-alpha.mssante.fr"] == told
        assert ("RECO_NOT_LISTED" in set(audit(space)["rule"])) == (told == "not-listed")
    later = declared_space([ELSEWHERE], [{"date": day}], listing_days=20)
    assert statuses(later)["ch-alpha.mssante.fr"] == "under-way"


def test_listed_and_never_declared_is_one_finding_an_operator(declared_space):
    others = [{"domain": "ch-delta.mssante.fr"}, {"domain": "ch-beta.mssante.fr", "dn": BETA}]
    findings = audit(declared_space([LISTED, ELSEWHERE, *others], [{}]))
    assert findings[["rule", "operator_id", "evidence"]].values.tolist() == [
        ["RECO_NOT_DECLARED", "1759900004", "2-3"],
        ["RECO_NOT_DECLARED", "1679900001", "4"],
    ]


def test_withdrawn_then_declared_again(declared_space):
    space = declared_space([LISTED], [{"withdrawal": "X", "date": "01/05/2025"}, {}])
    assert audit(space)[["rule", "evidence"]].values.tolist()[0][0] == "RECO_RELISTED"
    assert status(space)["relisted"].tolist() == [True]
    absent = audit(declared_space([ELSEWHERE], [{"withdrawal": "X", "date": "01/05/2025"}, {}]))
    assert absent["rule"].tolist() == ["RECO_NOT_LISTED", "RECO_NOT_DECLARED"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"date": "03/03/2026"}, "under-way"),  # after the list was made: it cannot be in it
        ({"date": "03/03/2026", "withdrawal": "X"}, "under-way"),
        ({"date": "04/03/2026"}, "later"),
        ({"withdrawal": "?"}, "unknown"),
    ],
)
def test_what_the_list_cannot_tell_is_no_finding(declared_space, change, told):
    space = declared_space([LISTED], [change | {"public_project_phone": "01 99 00 00 09"}])
    assert statuses(space) == {"ch-alpha.mssante.fr": told}
    assert audit(space).empty


def test_an_undated_declaration_of_an_absent_domain_is_of_unknown_age(declared_space):
    space = declared_space([ELSEWHERE], [{"date": ""}])
    assert statuses(space)["ch-alpha.mssante.fr"] == "unknown"
    assert audit(space)["rule"].tolist() == ["RECO_NOT_DECLARED"]


def test_missing_columns_are_not_compared(declared_space):
    drop = ("dn_igc_sante", "public_project_phone", "description", "structure_id")
    space = declared_space([LISTED], [{}], drop=drop)
    frame = status(space)
    assert audit(space).empty
    compared = ["operator_match", "dn", "project_contact", "technical_contact", "description"]
    assert frame[compared].values.tolist() == [["", "", "", "same", ""]]
    assert frame["certificates"].tolist() == [""]


def test_one_of_several_certificates_is_enough_and_the_worst_contact_counts(declared_space):
    rows = [
        LISTED | {"dn": DECLARED["dn_igc_sante"].replace("CN=", "CN=b")},
        LISTED,
        LISTED | {"project_contact": "01 99 00 00 07, projet@alpha.example"},
    ]
    findings = audit(declared_space(rows, [{}]))
    assert findings[["rule", "rows"]].values.tolist() == [
        ["RECO_CONTACT", (3,)],
        ["RECO_DN_UNDECLARED", (1,)],
    ]


def test_contacts_are_masked_unless_shown(declared_space):
    space = declared_space([LISTED], [{"public_project_phone": "01 99 00 00 09"}])
    (shown,) = masked_audit("reconciliation", replace(space, contacts="all")).to_dict("records")
    assert shown["observed"] == "contact projet : 01 99 00 00 01, projet@alpha.example"
    assert shown["expected"] == "Téléphone du contact projet (public) : 01 99 00 00 09"
    (hidden,) = masked_audit("reconciliation", space).to_dict("records")
    assert hidden["observed"] == shown["observed"], "the list's, and a service's"
    assert "00 09" not in hidden["expected"], "the register's"
    (none,) = masked_audit("reconciliation", replace(space, contacts="none")).to_dict("records")
    assert "projet@" not in none["observed"] + none["expected"].lower()


def test_status_frame_is_typed_also_when_empty(declared_space):
    full, empty = status(declared_space([LISTED], [{}])), status(make_space(LISTED))
    assert empty.empty
    assert full.dtypes.astype(str).tolist() == empty.dtypes.astype(str).tolist()
    assert list(full["status"].cat.categories) == list(STATUSES)
    assert audit(make_space(LISTED)).empty


# -- what the earlier lists say -----------------------------------------------------------------------------

NEW = "01 99 00 00 07, accueil@alpha.example"
CHANGED = {"on_2025_11_01": [LISTED], "on_2026_01_01": [LISTED | {"project_contact": NEW}]}


@pytest.fixture
def archived_space(declared_space, tmp_path):
    """Return a function: declarations and lists of an archive to the trust space of the last list."""

    def make(declarations, lists):
        folder = tmp_path / "archive"
        folder.mkdir()
        return replace(archived(folder, **lists), register=declared_space([], declarations).register)

    return make


def test_a_contact_changed_in_the_list_while_the_register_has_the_old_one(archived_space):
    space = archived_space([{}], CHANGED)
    (told,) = audit(space).to_dict("records")
    assert (told["rule"], told["rows"]) == ("RECO_CONTACT_OLD", (1,))
    assert told["observed"] == (
        "Téléphone du contact projet (public) : +33 1 99 00 00 01 ; "
        "Courriel du contact projet (public) : Projet@Alpha.example"
    )
    assert told["expected"] == f"contact projet : {NEW}"
    assert told["evidence"].replace("\xa0", " ").startswith("changé dans la liste du 1er janvier 2026; decl")
    (hidden,) = masked_audit("reconciliation", replace(space, contacts="none")).to_dict("records")
    assert "accueil@" not in hidden["expected"]
    assert "projet@" not in hidden["observed"].lower()


@pytest.mark.parametrize(
    ("declaration", "lists"),
    [
        (
            {"date": "01/01/2026"},  # declared the day the list changed: after it, as far as is known
            CHANGED | {"on_2026_02_01": CHANGED["on_2026_01_01"]},
        ),
        ({"date": "15/01/2026"}, CHANGED | {"on_2026_02_01": CHANGED["on_2026_01_01"]}),
        ({"date": ""}, CHANGED),
        ({"public_project_phone": "01 99 00 00 09"}, CHANGED),  # the list never had it
        ({}, {"on_2026_01_01": CHANGED["on_2026_01_01"]}),  # nor an earlier list to show it
        (
            {},  # on another certificate's row the list has it still
            {
                "on_2025_11_01": [LISTED, LISTED | {"dn": DECLARED["dn_igc_sante"].replace("CN=", "CN=b")}],
                "on_2026_01_01": [
                    *CHANGED["on_2026_01_01"],
                    LISTED | {"dn": DECLARED["dn_igc_sante"].replace("CN=", "CN=b")},
                ],
            },
        ),
        (
            {},  # the list went back to the contact before
            {"on_2025_10_01": CHANGED["on_2026_01_01"], **CHANGED},
        ),
    ],
)
def test_where_the_list_did_not_replace_the_declared_contact(archived_space, declaration, lists):
    rules = {*audit(archived_space([declaration], lists))["rule"]} - {"RECO_DN_UNDECLARED"}
    assert rules == {"RECO_CONTACT"}


def test_a_list_that_the_archive_does_not_hold_is_only_compared(declared_space, archived_space):
    archive = archived_space([{}], CHANGED).archive
    space = declared_space([LISTED | {"support_contact": NEW, "description": "Autre"}], [{}])
    assert "RECO_CONTACT_OLD" not in set(audit(replace(space, archive=archive))["rule"])


# -- whose declaration counts -------------------------------------------------------------------------------

OF_BETA = {"structure_name": "CH BETA", "structure_id": "1679900001", "dn_igc_sante": BETA}
HELD = LISTED | {"dn": BETA}
GONE = {"withdrawal": "X"}
NEXT = {"date": "01/07/2025"}
NOW = {"date": "25/02/2026"}
"""Five days before the list."""
PHONE = {"public_project_phone": "01 99 00 00 09"}


WHOSE = [
    # a former operator's withdrawal is no withdrawal of what its successor holds
    ([HELD], [OF_BETA, GONE | NEXT], "as-declared", []),
    ([LISTED], [GONE | NEXT, OF_BETA | {"date": "01/01/2025"}], "withdrawn-listed",
     ["RECO_WITHDRAWN_LISTED"]),
    # two operators, each held to its own declaration
    ([LISTED, HELD], [{}, OF_BETA | NEXT | PHONE], "differs", ["RECO_CONTACT"]),
    ([LISTED, HELD], [PHONE, OF_BETA | NEXT], "differs", ["RECO_CONTACT"]),
    ([LISTED, HELD], [GONE, OF_BETA | NEXT], "withdrawn-listed", ["RECO_WITHDRAWN_LISTED"]),
    ([LISTED, HELD], [GONE, OF_BETA | GONE], "withdrawn-listed", ["RECO_WITHDRAWN_LISTED"]),
    # an operator that came after, and is not listed; one that was before
    ([LISTED], [{}, OF_BETA | {"date": ""}], "as-declared", []),
    ([LISTED], [{}, OF_BETA | NEXT | GONE], "as-declared", []),
    # of an absent domain the last word counts
    ([ELSEWHERE], [{}, OF_BETA | NEXT | GONE], "withdrawn", ["RECO_NOT_DECLARED"]),
    ([ELSEWHERE], [GONE, OF_BETA | NEXT], "not-listed", ["RECO_NOT_DECLARED", "RECO_NOT_LISTED"]),
    # one structure, two numbers or a number missing
    ([LISTED], [{"structure_id": "2999000003"}], "as-declared", []),  # by its certificate
    ([LISTED], [{"structure_id": "2999000003", "dn_igc_sante": ""} | GONE], "withdrawn-listed",
     ["RECO_WITHDRAWN_LISTED"]),  # by its name
    ([LISTED], [{"structure_id": ""} | GONE], "withdrawn-listed", ["RECO_WITHDRAWN_LISTED"]),
    ([LISTED], [{}, {"structure_id": ""} | NEXT | GONE], "withdrawn-listed", ["RECO_WITHDRAWN_LISTED"]),
    ([LISTED], [{}, {"structure_id": "", "structure_name": ""} | NEXT | GONE], "unknown", []),
    # without a date: neither first nor last
    ([LISTED], [GONE | {"date": ""}], "unknown", ["RECO_WITHDRAWAL_UNDATED"]),
    ([LISTED], [GONE, GONE | {"date": ""}], "withdrawn-listed", ["RECO_WITHDRAWN_LISTED"]),
    ([HELD], [OF_BETA, GONE | {"date": ""}], "as-declared", []),
    ([LISTED], [PHONE, PHONE | {"date": ""}], "differs", ["RECO_CONTACT"]),
    ([ELSEWHERE], [{}, GONE | {"date": ""}], "unknown", ["RECO_NOT_DECLARED"]),
    ([ELSEWHERE], [OF_BETA, GONE | {"date": ""}], "unknown", ["RECO_NOT_DECLARED"]),
    # withdrawals and changes have the days that new domains have
    ([LISTED], [OF_BETA | NOW], "under-way", []),
    ([LISTED], [NOW | {"description": "Autre"}], "as-declared", []),
    ([LISTED], [{"date": "20/02/2026"} | PHONE], "under-way", []),
    ([LISTED], [{"date": "19/02/2026"} | PHONE], "differs", ["RECO_CONTACT"]),
    ([LISTED], [{"date": "19/02/2026"} | GONE], "withdrawn-listed", ["RECO_WITHDRAWN_LISTED"]),
]  # fmt: skip


def test_whose_declaration_counts(tmp_path):
    space = side_by_side(tmp_path, [(rows, declarations) for rows, declarations, *_ in WHOSE])
    told, rules = told_of(space, "reconciliation")
    for number, (rows, declarations, expected, codes) in enumerate(WHOSE):
        names = {own(number, one) for one in (LISTED, *rows, *declarations)}
        assert told[own(number, LISTED)] == expected, WHOSE[number]
        assert set().union(*(rules.get(name, ()) for name in names)) == {*codes}, WHOSE[number]


def test_days_are_left_to_what_is_under_way(declared_space):
    for change, left in ((NOW | PHONE, 5), (NOW | GONE, 5), (NOW, None), (PHONE, None)):
        (days,) = status(declared_space([LISTED], [change]))["days_left"]
        assert days == left if left else pd.isna(days)


def test_an_undeclared_operator_is_named_and_each_operator_has_its_own_status(declared_space):
    space = declared_space([LISTED, HELD, ELSEWHERE], [PHONE])
    named = audit(space).set_index("rule").loc["RECO_OPERATOR_UNDECLARED"]
    assert (named["operator_id"], named["rows"]) == ("1679900001", (2,))
    frame = status(space)
    assert frame["domain"].is_unique
    assert frame.set_index("domain").loc["ch-alpha.mssante.fr", "rows"] == (1, 2)
    own = status(space, {"1679900001"})
    assert own[["domain", "rows"]].values.tolist() == [["ch-alpha.mssante.fr", (2,)]]
    assert own["status"].tolist() == ["not-declared"]


def test_listed_again_only_after_a_withdrawal_of_its_own_and_of_a_day(declared_space):
    before = {"date": "01/05/2025"}
    assert "RECO_RELISTED" in set(audit(declared_space([LISTED], [GONE | before, {}]))["rule"])
    others = ([GONE | {"date": ""}, {}], [OF_BETA | GONE | before, {}], [GONE | NEXT, {}], [GONE, {}])
    for declarations in others:
        assert "RECO_RELISTED" not in set(audit(declared_space([LISTED], declarations))["rule"])


def test_many_declarations_of_one_domain_by_ten_operators(declared_space):
    years = {3: "0001", 5: "9999"}

    def one(day, number):
        date = f"{day:02d}/{day + 4:02d}/{years.get(number, '2025')}"
        return {"structure_id": f"{number}", "structure_name": "CH", "dn_igc_sante": "", "date": date}

    many = [one(day, number) for number in range(10) for day in range(1, 6)]
    space = declared_space([LISTED, HELD], [*many, {}, OF_BETA])
    assert statuses(space) == {"ch-alpha.mssante.fr": "differs"}
    assert audit(space)["rule"].tolist() == ["RECO_OPERATOR"] * 2, "the last to declare has neither row"


# -- what a finding says ------------------------------------------------------------------------------------

OTHER = DECLARED["dn_igc_sante"].replace("CN=", "CN=b")


def said(space, rule, language="fr"):
    """Observed and expected of the one finding of a rule."""
    told = masked_audit("reconciliation", replace(space, contacts="all"), language=language)
    (one,) = told[told["rule"] == rule].to_dict("records")
    return one["observed"].replace("\xa0", " "), one["expected"].replace("\xa0", " ")


def test_a_finding_names_the_field_and_which_of_two_identifiers(declared_space):
    beta = OF_BETA | {"beneficiary_id": "2999000003"}
    assert said(declared_space([LISTED], [beta]), "RECO_OPERATOR")[1] == (
        "Identifiant structure : 1679900001 ; Identifiant de la structure bénéficiaire : 2999000003"
    )
    space = declared_space([LISTED], [{"dn_igc_sante": "", "dn_igc_cps": OTHER}])
    assert said(space, "RECO_DN_DIFFERS")[1] == f"DN du certificat (IGC-CPS) : {OTHER}"
    space = declared_space([LISTED], [{"public_technical_email": "autre@alpha.example"}])
    text = "Courriel du contact technique (public): autre@alpha.example"
    assert said(space, "RECO_CONTACT", "en")[1] == text


@pytest.mark.parametrize(
    ("declared", "listed", "told"),
    [
        ("smur.ch-alpha.mssante.fr", "ch-alpha.mssante.fr", "smur.ch-alpha.mssante.fr est un sous-domaine"),
        ("ch.alpha.mssante.fr", "ch-alpha.mssante.fr", "(mêmes lettres), pour CH ALPHA"),
        ("ch-alpah.mssante.fr", "ch-alpha.mssante.fr", "(nom voisin), pour CH ALPHA"),
        ("ch-alfa.mssante.fr", "ch-alpha.mssante.fr", ""),  # two letters of a short name
        ("ch-alpha1.mssante.fr", "ch-alpha2.mssante.fr", ""),
        ("ch-alpha.mssant.fr", "ch-alpha.mssante.fr", "(nom voisin)"),
    ],
)
def test_of_an_absent_domain_it_says_what_is_listed_in_its_place(declared_space, declared, listed, told):
    space = declared_space([LISTED | {"domain": listed}], [{"domain": declared}])
    seen, _ = said(space, "RECO_NOT_LISTED")
    assert seen.startswith("déclaré le 01/06/2025 (274 jours)")
    assert (told and told in seen and f"listé : {listed}" in seen) or (not told and "listé" not in seen)


@pytest.mark.parametrize("name", ["ch_alpha.mssante.fr", "ch-alpha"])
def test_a_name_that_can_be_none_is_not_missed_in_the_list(declared_space, name):
    space = declared_space([ELSEWHERE], [{"domain": name}])
    assert "RECO_NOT_LISTED" not in set(audit(space)["rule"])
    assert statuses(space)[name] == "not-listed"


@pytest.mark.parametrize(
    ("declared", "listed", "same"),
    [
        ("Domaine du CH Étang.", "domaine du ch etang", True),
        ("Domaine de l'hôpital", "Domaine de l’Hopital", True),
        ("Domaine " * 40, ("Domaine " * 40)[:255], True),
        ("Domaine " * 40, ("Domaine " * 40)[:200], False),
        ("Domaine du CH", "Domaine du CHU", False),
    ],
)
def test_a_description_is_the_same_but_for_accents_dots_and_the_cut(declared_space, declared, listed, same):
    space = declared_space([LISTED | {"description": listed}], [{"description": declared}])
    assert audit(space)["rule"].tolist() == ([] if same else ["RECO_DESCRIPTION"])


# -- several certificates -----------------------------------------------------------------------------------

TWO = [LISTED, LISTED | {"dn": OTHER}]


BESIDE = [
    (TWO, [{}], ["RECO_DN_UNDECLARED"]),
    ([*TWO, LISTED | {"dn": OTHER.replace("CN=b", "CN=c")}], [{}], ["RECO_DN_UNDECLARED"]),
    ([*TWO, ELSEWHERE, ELSEWHERE | {"dn": OTHER}], [{}, ELSEWHERE], ["RECO_DN_UNDECLARED"] * 2),
    (TWO, [{}, {"dn_igc_sante": OTHER}], []),  # two forms of one day are two certificates
    (TWO, [{"dn_igc_sante": OTHER, "date": "01/01/2024"}, {}], []),
    (TWO, [{"dn_igc_sante": "", "dn_igc_cps": OTHER, "date": ""}, {}], []),
    (TWO, [{"dn_igc_sante": f"subject={OTHER}", "date": "01/01/2024"}, {}], []),
    (TWO, [NOW], []),  # a renewal on its way
    (TWO, [{"dn_igc_sante": OTHER, "date": "01/01/2027"}, {}], ["RECO_DN_UNDECLARED"]),  # not made yet
    (TWO, [{"dn_igc_sante": ""}], []),
    (TWO, [{"dn_igc_sante": OTHER.replace("CN=b", "CN=c")}], ["RECO_DN_DIFFERS"] * 2),
    ([LISTED, LISTED | {"dn": DECLARED["dn_igc_sante"].replace("CH ALPHA", '"CH ALPHA"')}], [{}], []),
    ([LISTED, HELD], [{}, OF_BETA], []),  # another operator's
]


def test_a_certificate_listed_beside_the_declared_one(declared_space, tmp_path):
    space = side_by_side(tmp_path, [(rows, declarations) for rows, declarations, _ in BESIDE])
    told, rules = told_of(space, "reconciliation")
    for number, (_, declarations, codes) in enumerate(BESIDE):
        name = own(number, LISTED)
        assert rules.get(name, set()) == {*codes}, BESIDE[number]
        if "RECO_DN_UNDECLARED" in codes:
            assert told[name] == "differs"
        else:
            assert told[name] == "under-way" or declarations != [NOW]
    found = audit(declared_space([*TWO, LISTED | {"dn": OTHER.replace("CN=b", "CN=c")}], [{}]))
    assert found[["rule", "rows"]].values.tolist() == [["RECO_DN_UNDECLARED", (2, 3)]]


@pytest.mark.parametrize("column", ["received_on", "effective_on"])
def test_days_count_from_the_receipt_and_from_what_takes_effect_later(declared_space, column):
    for day, told in (
        ("25/02/2026", "under-way"),
        ("01/04/2026", "under-way"),
        ("03/01/2026", "withdrawn-listed"),
    ):
        space = declared_space([LISTED], [{"withdrawal": "X", "date": "02/01/2026", column: day}])
        assert statuses(space) == {"ch-alpha.mssante.fr": told}
    undated = declared_space([LISTED], [{"withdrawal": "X", "date": "", column: "25/02/2026"}])
    assert statuses(undated) == {"ch-alpha.mssante.fr": "unknown"}
