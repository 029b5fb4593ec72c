"""The register against the white list: each rule fires alone, statuses are told apart, nothing is guessed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pandas as pd
import pytest
from in_clear import told_in_clear
from made_up import archived, make_space
from made_up_register import BETA, DECLARED, ELSEWHERE, LISTED, declared

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


def test_days_since_a_withdrawal_are_told_and_masking_leaves_them(declared_space):
    space = declared_space([LISTED], [{"withdrawal": "X"}])
    (finding,) = masked_audit("reconciliation", space).to_dict("records")
    assert finding["severity"] == "critical"
    assert finding["observed"] == "retrait le 01/06/2025 (274 jours)"


def test_absent_is_normal_for_a_few_days_up_to_the_lists_own_date(declared_space):
    made = datetime(2026, 3, 2)
    for days, expected in ((0, "under-way"), (10, "under-way"), (11, "not-listed")):
        day = f"{made - timedelta(days=days):%d/%m/%Y}"
        space = declared_space([ELSEWHERE], [{"date": day}], as_of=datetime(2026, 6, 1, tzinfo=UTC))
        assert statuses(space)["ch-alpha.mssante.fr"] == expected
        assert ("RECO_NOT_LISTED" in set(audit(space)["rule"])) == (expected == "not-listed")
    later = declared_space([ELSEWHERE], [{"date": day}], listing_days=20)
    assert statuses(later)["ch-alpha.mssante.fr"] == "under-way"


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
    (finding,) = audit(space).to_dict("records")
    assert (finding["rule"], finding["rows"]) == ("RECO_CONTACT_OLD", (1,))
    assert finding["observed"] == (
        "Téléphone du contact projet (public) : +33 1 99 00 00 01 ; "
        "Courriel du contact projet (public) : Projet@Alpha.example"
    )
    assert finding["expected"] == f"contact projet : {NEW}"
    assert (
        finding["evidence"].replace("\xa0", " ").startswith("changé dans la liste du 1er janvier 2026; decl")
    )
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
NOW = {"date": "25/02/2026"}  # five days before the list
PHONE = {"public_project_phone": "01 99 00 00 09"}


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
    of_beta = status(space, {"1679900001"})
    assert of_beta[["domain", "rows"]].values.tolist() == [["ch-alpha.mssante.fr", (2,)]]
    assert of_beta["status"].tolist() == ["not-declared"]


def test_listed_again_only_after_a_withdrawal_of_its_own_and_of_a_day(declared_space):
    before = {"date": "01/05/2025"}
    assert "RECO_RELISTED" in set(audit(declared_space([LISTED], [GONE | before, {}]))["rule"])
    others = ([GONE | {"date": ""}, {}], [OF_BETA | GONE | before, {}], [GONE | NEXT, {}], [GONE, {}])
    for declarations in others:
        assert "RECO_RELISTED" not in set(audit(declared_space([LISTED], declarations))["rule"])


def test_many_declarations_of_one_domain_by_ten_operators(declared_space):
    years = {3: "0001", 5: "9999"}

    def declaration(day, number):
        date = f"{day:02d}/{day + 4:02d}/{years.get(number, '2025')}"
        return {"structure_id": f"{number}", "structure_name": "CH", "dn_igc_sante": "", "date": date}

    many = [declaration(day, number) for number in range(10) for day in range(1, 6)]
    space = declared_space([LISTED, HELD], [*many, {}, OF_BETA])
    assert statuses(space) == {"ch-alpha.mssante.fr": "differs"}
    assert audit(space)["rule"].tolist() == ["RECO_OPERATOR"] * 2, "the last to declare has neither row"


# -- what a finding says ------------------------------------------------------------------------------------

OTHER = DECLARED["dn_igc_sante"].replace("CN=", "CN=b")


def texts_of(space, rule, language="fr"):
    """Observed and expected of the one finding of a rule."""
    findings = masked_audit("reconciliation", replace(space, contacts="all"), language=language)
    (finding,) = findings[findings["rule"] == rule].to_dict("records")
    return finding["observed"].replace("\xa0", " "), finding["expected"].replace("\xa0", " ")


def test_a_finding_names_the_field_and_which_of_two_identifiers(declared_space):
    beta = OF_BETA | {"beneficiary_id": "2999000003"}
    assert texts_of(declared_space([LISTED], [beta]), "RECO_OPERATOR")[1] == (
        "Identifiant structure : 1679900001 ; Identifiant de la structure bénéficiaire : 2999000003"
    )
    space = declared_space([LISTED], [{"dn_igc_sante": "", "dn_igc_cps": OTHER}])
    assert texts_of(space, "RECO_DN_DIFFERS")[1] == f"DN du certificat (IGC-CPS) : {OTHER}"
    space = declared_space([LISTED], [{"public_technical_email": "autre@alpha.example"}])
    text = "Courriel du contact technique (public): autre@alpha.example"
    assert texts_of(space, "RECO_CONTACT", "en")[1] == text


@pytest.mark.parametrize(
    ("declared", "listed", "wanted"),
    [
        ("smur.ch-alpha.mssante.fr", "ch-alpha.mssante.fr", "smur.ch-alpha.mssante.fr est un sous-domaine"),
        ("ch.alpha.mssante.fr", "ch-alpha.mssante.fr", "(mêmes lettres), pour CH ALPHA"),
        ("ch-alpah.mssante.fr", "ch-alpha.mssante.fr", "(nom voisin), pour CH ALPHA"),
        ("ch-alfa.mssante.fr", "ch-alpha.mssante.fr", ""),  # two letters of a short name
        ("ch-alpha1.mssante.fr", "ch-alpha2.mssante.fr", ""),
        ("ch-alpha.mssant.fr", "ch-alpha.mssante.fr", "(nom voisin)"),
    ],
)
def test_of_an_absent_domain_it_says_what_is_listed_in_its_place(declared_space, declared, listed, wanted):
    space = declared_space([LISTED | {"domain": listed}], [{"domain": declared}])
    seen, _ = texts_of(space, "RECO_NOT_LISTED")
    assert seen.startswith("déclaré le 01/06/2025 (274 jours)")
    assert (wanted and wanted in seen and f"listé : {listed}" in seen) or (not wanted and "listé" not in seen)


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
