"""The register against the white list: each rule fires alone, statuses are told apart, nothing is guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from made_up import archived, make_space

from mssante_audit.audits import audit as masked_audit
from mssante_audit.audits import told_in_clear
from mssante_audit.audits.reconciliation.rules import STATUSES, status
from mssante_audit.declarations.register import load_declarations
from mssante_audit.space.trust import Thresholds

OLD = "01/06/2025"
DECLARED: dict[str, Any] = {
    "structure_name": "CH ALPHA",
    "structure_id": "1759900004",
    "beneficiary_id": "",
    "domain": "ch-alpha.mssante.fr",
    "description": "Domaine de messagerie MSSanté du CH Alpha",
    "dn_igc_sante": "CN=mss.alpha.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR",
    "dn_igc_cps": "",
    "public_project_phone": "+33 1 99 00 00 01",
    "public_project_email": "Projet@Alpha.example",
    "public_technical_phone": "0199000002",
    "public_technical_email": "support@alpha.example",
    "withdrawal": "",
    "date": OLD,
}
BETA = "CN=mss.beta.example,OU=1679900001,O=CH BETA,ST=Bas-Rhin (67),C=FR"
LISTED = {"domain": "ch-alpha.mssante.fr"}
ELSEWHERE = {"domain": "ch-gamma.mssante.fr"}


@pytest.fixture
def declared_space(tmp_path):
    """Return a function: rows of a list and declarations (each over `DECLARED`) to a trust space."""

    def make(rows, declarations, drop=(), as_of=datetime(2026, 3, 3, tzinfo=UTC), **thresholds):
        records = [{k: v for k, v in (DECLARED | d).items() if k not in drop} for d in declarations]
        pd.DataFrame(records).to_json(tmp_path / "declarations.json", orient="records", force_ascii=False)
        space = make_space(*rows)
        return replace(
            space,
            as_of=as_of,
            declarations=load_declarations(tmp_path / "declarations.json"),
            thresholds=Thresholds(**thresholds),
        )

    return make


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
        (DECLARED["dn_igc_sante"], "759900004"),
        (DECLARED["dn_igc_sante"], "FINESS 75 990 000 4"),
        (SIRENE, "399900000300015"),
        (SIRENE, "SIRET : 999 000 003 00015"),
        (SIRENE.replace("2999000003", "399900000300015"), "2999000003"),
    ],
)
def test_one_structure_is_known_by_each_of_its_numbers(declared_space, listed, declared):
    space = declared_space([LISTED | {"dn": listed}], [{"structure_id": declared, "dn_igc_sante": listed}])
    assert audit(space).empty
    assert statuses(space) == {"ch-alpha.mssante.fr": "as-declared"}


def test_days_since_a_withdrawal_are_told_and_masking_leaves_them(declared_space):
    (finding,) = masked_audit("reconciliation", declared_space([LISTED], [{"withdrawal": "X"}])).to_dict(
        "records"
    )
    assert finding["severity"] == "critical"
    assert finding["observed"] == "retrait le 01/06/2025 (274 jours)"


def test_absent_is_normal_for_a_few_days_up_to_the_lists_own_date(declared_space):
    made = datetime(2026, 3, 2)
    for days, told in ((0, "pending"), (10, "pending"), (11, "not-listed")):
        day = f"{made - timedelta(days=days):%d/%m/%Y}"
        space = declared_space([ELSEWHERE], [{"date": day}], as_of=datetime(2026, 6, 1, tzinfo=UTC))
        assert statuses(space)["ch-alpha.mssante.fr"] == told
        assert ("RECO_NOT_LISTED" in set(audit(space)["rule"])) == (told == "not-listed")
    assert (
        statuses(declared_space([ELSEWHERE], [{"date": day}], listing_days=20))["ch-alpha.mssante.fr"]
        == "pending"
    )


def test_listed_and_never_declared_is_one_finding_an_operator(declared_space):
    rows = [
        LISTED,
        ELSEWHERE,
        {"domain": "ch-delta.mssante.fr"},
        {"domain": "ch-beta.mssante.fr", "dn": BETA},
    ]
    findings = audit(declared_space(rows, [{}]))
    assert findings[["rule", "operator_id", "evidence"]].values.tolist() == [
        ["RECO_NOT_DECLARED", "1759900004", "2-3"],
        ["RECO_NOT_DECLARED", "1679900001", "4"],
    ]


def test_withdrawn_then_declared_again(declared_space):
    space = declared_space([LISTED], [{"withdrawal": "X", "date": "01/05/2025"}, {}])
    assert audit(space)[["rule", "evidence"]].values.tolist()[0][0] == "RECO_RELISTED"
    assert status(space)["relisted"].tolist() == [True]
    assert audit(declared_space([ELSEWHERE], [{"withdrawal": "X", "date": "01/05/2025"}, {}]))[
        "rule"
    ].tolist() == [
        "RECO_NOT_LISTED",
        "RECO_NOT_DECLARED",
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"date": "03/03/2026"}, "pending"),  # after the list was made: it cannot be in it
        ({"date": "03/03/2026", "withdrawal": "X"}, "pending"),
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


def test_one_of_several_certificates_is_enough_and_the_worst_contact_counts(declared_space):
    rows = [
        LISTED | {"dn": DECLARED["dn_igc_sante"].replace("CN=", "CN=b")},
        LISTED,
        LISTED | {"project_contact": "01 99 00 00 07, projet@alpha.example"},
    ]
    findings = audit(declared_space(rows, [{}]))
    assert findings["rule"].tolist() == ["RECO_CONTACT"]
    assert findings["rows"].tolist() == [(3,)]


def test_contacts_are_masked_unless_shown(declared_space):
    space = declared_space([LISTED], [{"public_project_phone": "01 99 00 00 09"}])
    (shown,) = masked_audit("reconciliation", replace(space, show_contacts=True)).to_dict("records")
    assert shown["observed"] == "contact projet : 01 99 00 00 01, projet@alpha.example"
    assert shown["expected"] == "01 99 00 00 09, Projet@Alpha.example"
    (hidden,) = masked_audit("reconciliation", space).to_dict("records")
    assert "projet@" not in hidden["observed"] + hidden["expected"].lower()
    assert "00 09" not in hidden["expected"]


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
        return replace(archived(folder, **lists), declarations=declared_space([], declarations).declarations)

    return make


def test_a_contact_changed_in_the_list_while_the_register_has_the_old_one(archived_space):
    space = archived_space([{}], CHANGED)
    (told,) = audit(space).to_dict("records")
    assert (told["rule"], told["rows"]) == ("RECO_CONTACT_OLD", (1,))
    assert told["observed"] == "contact projet : +33 1 99 00 00 01, Projet@Alpha.example"
    assert told["expected"] == f"contact projet : {NEW}"
    assert told["evidence"].replace("\xa0", " ").startswith("changé dans la liste du 1er janvier 2026; decl")
    (hidden,) = masked_audit("reconciliation", space).to_dict("records")
    assert "accueil@" not in hidden["expected"]
    assert "projet@" not in hidden["observed"].lower()


@pytest.mark.parametrize(
    ("declaration", "lists"),
    [
        ({"date": "01/01/2026"}, CHANGED),  # declared the day the list changed: after it, as far as is known
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
            {
                "on_2025_10_01": CHANGED["on_2026_01_01"],
                **CHANGED,
            },
        ),
    ],
)
def test_where_the_list_did_not_replace_the_declared_contact(archived_space, declaration, lists):
    assert audit(archived_space([declaration], lists))["rule"].tolist() == ["RECO_CONTACT"]


def test_a_list_that_the_archive_does_not_hold_is_only_compared(declared_space, archived_space):
    archive = archived_space([{}], CHANGED).archive
    space = declared_space([LISTED | {"support_contact": NEW, "description": "Autre"}], [{}])
    assert "RECO_CONTACT_OLD" not in set(audit(replace(space, archive=archive))["rule"])
