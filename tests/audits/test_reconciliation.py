"""The register against the white list: each rule fires alone, statuses are told apart, nothing is guessed.

What the decision table of docs/declarations.md says, test_decisions.py holds.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pandas as pd
import pytest
from in_clear import told_in_clear
from made_up import archived, make_space
from made_up_register import ELSEWHERE, HELD, LISTED, NEW, OF_BETA, PHONE, declared

from mssante_audit.audits import audit as masked_audit
from mssante_audit.audits.reconciliation.rules import STATUSES, status


@pytest.fixture
def declared_space(tmp_path):
    """Return a function: rows of a list and declarations (each over `DECLARED`) to a trust space."""
    return partial(declared, tmp_path)


def audit(space):
    return told_in_clear("reconciliation", space)


def test_absent_is_normal_for_a_few_days_up_to_the_lists_own_date(declared_space):
    for days, left, expected in (
        (0, {}, "under-way"), (10, {}, "under-way"), (11, {}, "not-listed"),
        (11, {"listing_days": 20}, "under-way"),
    ):  # fmt: skip
        day = f"{datetime(2026, 3, 2) - timedelta(days):%d/%m/%Y}"
        space = declared_space([ELSEWHERE], [{"date": day}], as_of=datetime(2026, 6, 1, tzinfo=UTC), **left)
        statuses = status(space).set_index("domain")["status"]
        assert statuses["ch-alpha.mssante.fr"] == expected
        assert ("RECO_NOT_LISTED" in set(audit(space)["rule"])) == (expected == "not-listed")


def test_one_of_several_certificates_is_enough_and_the_worst_contact_counts(declared_space):
    contact = {"project_contact": "01 99 00 00 07, projet@alpha.example"}
    findings = audit(declared_space([LISTED | {"dn": NEW}, LISTED, LISTED | contact], [{}]))
    assert dict(findings[["rule", "rows"]].values) == {"RECO_CONTACT": (3,), "RECO_DN_UNDECLARED": (1,)}


def test_contacts_are_masked_unless_shown(declared_space):
    space = declared_space([LISTED], [PHONE])
    (shown,), (hidden,), (none,) = (
        masked_audit("reconciliation", replace(space, contacts=contacts)).to_dict("records")
        for contacts in ("all", space.contacts, "none")
    )
    assert shown["observed"] == "contact projet : 01 99 00 00 01, projet@alpha.example"
    assert shown["expected"] == "Téléphone du contact projet (public) : 01 99 00 00 09"
    assert hidden["observed"] == shown["observed"], "the list's, and a service's"
    assert "00 09" not in hidden["expected"], "the register's"
    assert "projet@" not in none["observed"] + none["expected"].lower()


def test_status_frame_is_typed_also_when_empty(declared_space):
    full, empty = status(declared_space([LISTED], [{}])), status(make_space(LISTED))
    assert empty.empty
    assert full.dtypes.astype(str).tolist() == empty.dtypes.astype(str).tolist()
    assert list(full["status"].cat.categories) == list(STATUSES)


def test_days_are_left_to_what_is_under_way(declared_space):
    lately, withdrawn = {"date": "25/02/2026"}, {"withdrawal": "X"}  # five days before the list
    for change, left in ((lately | PHONE, 5), (lately | withdrawn, 5), (lately, None), (PHONE, None)):
        (days,) = status(declared_space([LISTED], [change]))["days_left"]
        assert days == left if left else pd.isna(days)


CHANGED = [LISTED | {"project_contact": "01 99 00 00 07, accueil@alpha.example"}]
THEN, NOW = {"on_2025_11_01": [LISTED]}, {"on_2026_01_01": CHANGED}


@pytest.fixture
def archived_space(declared_space, tmp_path):
    """Return a function: declarations and lists of an archive to the trust space of the last list."""

    def make(declarations, lists):
        folder = tmp_path / "archive"
        folder.mkdir()
        return replace(archived(folder, **lists), register=declared_space([], declarations).register)

    return make


def test_a_contact_changed_in_the_list_while_the_register_has_the_old_one(archived_space, declared_space):
    space = archived_space([{}], THEN | NOW)
    (finding,) = audit(space).to_dict("records")
    assert (finding["rule"], finding["rows"]) == ("RECO_CONTACT_OLD", (1,))
    assert finding["observed"] == (
        "Téléphone du contact projet (public) : +33 1 99 00 00 01 ; "
        "Courriel du contact projet (public) : Projet@Alpha.example"
    )
    assert finding["expected"] == f"contact projet : {CHANGED[0]['project_contact']}"
    evidence = finding["evidence"].replace("\xa0", " ")
    assert evidence.startswith("changé dans la liste du 1er janvier 2026 ; decl")
    (hidden,) = masked_audit("reconciliation", replace(space, contacts="none")).to_dict("records")
    assert "accueil@" not in hidden["expected"]
    assert "projet@" not in hidden["observed"].lower()
    listed = LISTED | {"support_contact": CHANGED[0]["project_contact"], "description": "Autre"}
    other = replace(declared_space([listed], [{}]), archive=space.archive)
    assert "RECO_CONTACT_OLD" not in set(audit(other)["rule"]), "of a list that the archive does not hold"


@pytest.mark.parametrize(
    ("declaration", "lists"),
    [
        # Declared the day the list changed: after it, as far as is known.
        ({"date": "01/01/2026"}, THEN | NOW | {"on_2026_02_01": CHANGED}),
        ({"date": "15/01/2026"}, THEN | NOW | {"on_2026_02_01": CHANGED}),
        ({"date": ""}, THEN | NOW),
        (PHONE, THEN | NOW),  # the list never had it
        ({}, NOW),  # nor an earlier list to show it
        # On another certificate's row the list has it still.
        ({}, {day: [*rows, LISTED | {"dn": NEW}] for day, rows in (THEN | NOW).items()}),
        ({}, {"on_2025_10_01": CHANGED} | THEN | NOW),  # the list went back to the contact before
    ],
)  # fmt: skip
def test_where_the_list_did_not_replace_the_declared_contact(archived_space, declaration, lists):
    rules = {*audit(archived_space([declaration], lists))["rule"]} - {"RECO_DN_UNDECLARED"}
    assert rules == {"RECO_CONTACT"}


def test_an_undeclared_operator_is_named_and_each_operator_has_its_own_status(declared_space):
    space = declared_space([LISTED, HELD, ELSEWHERE], [PHONE])
    named = audit(space).set_index("rule").loc["RECO_OPERATOR_UNDECLARED"]
    assert (named["operator_id"], named["rows"]) == ("1679900001", (2,))
    frame = status(space)
    assert frame["domain"].is_unique
    assert frame.set_index("domain").loc["ch-alpha.mssante.fr", "rows"] == (1, 2)
    for rows in ([LISTED, HELD], [HELD, LISTED]):  # of two alike the same, whatever the order of the list
        frame = status(declared_space(rows, [ELSEWHERE])).set_index("domain")
        assert frame.loc["ch-alpha.mssante.fr", "operator_id"] == "1679900001"
    of_beta = status(space, {"1679900001"})
    assert of_beta[["domain", "rows"]].values.tolist() == [["ch-alpha.mssante.fr", (2,)]]
    assert of_beta["status"].tolist() == ["not-declared"]


EXPECTED, OBSERVED = "expected", "observed"
SAYS = [
    ("RECO_WITHDRAWN_LISTED", {"withdrawal": "X"}, "fr", OBSERVED,
     "retrait le 01/06/2025 (274 jours avant la liste)"),
    ("RECO_OPERATOR", OF_BETA | {"beneficiary_id": "2999000003"}, "fr", EXPECTED,
     "Identifiant structure : 1679900001 ; Identifiant de la structure bénéficiaire : 2999000003"),
    ("RECO_DN_DIFFERS", {"dn_igc_sante": "", "dn_igc_cps": NEW}, "fr", EXPECTED,
     f"DN du certificat (IGC-CPS) : {NEW}"),
    ("RECO_CONTACT", {"public_technical_email": "autre@alpha.example"}, "en", EXPECTED,
     "Courriel du contact technique (public): autre@alpha.example"),
]  # fmt: skip


def text_of(space, rule, language="fr", column=OBSERVED):
    findings = masked_audit("reconciliation", replace(space, contacts="all"), language=language)
    (finding,) = findings[findings["rule"] == rule].to_dict("records")
    return finding[column].replace("\xa0", " ")


@pytest.mark.parametrize(("rule", "declaration", "language", "column", "text"), SAYS)
def test_a_finding_names_the_field_and_the_days(declared_space, rule, declaration, language, column, text):
    assert text_of(declared_space([LISTED], [declaration]), rule, language, column) == text


@pytest.mark.parametrize(
    ("name", "listed", "wanted"),
    [
        ("smur.ch-alpha.mssante.fr", "ch-alpha.mssante.fr", "smur.ch-alpha.mssante.fr est un sous-domaine"),
        ("ch.alpha.mssante.fr", "ch-alpha.mssante.fr", "(mêmes lettres), pour CH ALPHA"),
        ("ch-alpah.mssante.fr", "ch-alpha.mssante.fr", "(nom voisin), pour CH ALPHA"),
        ("ch-alfa.mssante.fr", "ch-alpha.mssante.fr", ""),  # two letters of a short name
        ("ch-alpha1.mssante.fr", "ch-alpha2.mssante.fr", ""),
        ("ch-alpha.mssant.fr", "ch-alpha.mssante.fr", "(nom voisin)"),
    ],
)
def test_of_an_absent_domain_it_says_what_is_listed_in_its_place(declared_space, name, listed, wanted):
    seen = text_of(declared_space([LISTED | {"domain": listed}], [{"domain": name}]), "RECO_NOT_LISTED")
    assert seen.startswith("déclaré le 01/06/2025 (274 jours avant la liste)")
    assert (wanted and wanted in seen and f"listé : {listed}" in seen) or (not wanted and "listé" not in seen)
