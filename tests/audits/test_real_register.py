"""The real list against a register made of it as the test runs: listed as declared, whoever counts how.

Nothing of the list is kept, nor told where a test fails.
"""

import itertools
from dataclasses import replace

import pandas as pd
import pytest
from conftest import REAL

from mssante_audit.audits import audit_all, findings_of
from mssante_audit.audits.reconciliation.rules import status
from mssante_audit.declarations.register import load_declarations
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.contacts import parse_contact
from mssante_audit.whitelist.load import load_whitelist

pytestmark = [pytest.mark.real, pytest.mark.long]


@pytest.fixture(scope="module")
def space():
    (file,) = sorted(REAL.glob("*.xml*"))[:1]
    whitelist = load_whitelist(file)
    return TrustSpace(whitelist, whitelist.generated_at)


def _declared(space: TrustSpace) -> pd.DataFrame:
    """Return one declaration a row of the list, but for rows of which nothing can be declared."""
    rows = space.audited
    cps = rows["igc"] == "IGC-CPS"
    declared = {
        "structure_name": rows["operator"], "structure_id": rows["operator_id"], "domain": rows["domain"],
        "description": rows["description"], "dn_igc_sante": rows["dn"].where(~cps, ""),
        "dn_igc_cps": rows["dn"].where(cps, ""), "date": "01/02/2024", "withdrawal": "",
    }  # fmt: skip
    for kind, public in (("project", "project"), ("support", "technical")):
        contacts = rows[f"{kind}_contact"].map(parse_contact)
        declared[f"public_{public}_phone"] = contacts.map(lambda contact: "".join(contact.phones[:1]))
        declared[f"public_{public}_email"] = contacts.map(lambda contact: "".join(contact.emails[:1]))
    return pd.DataFrame(declared)


def test_the_ages_of_contacts_are_a_line_an_operator(space):
    findings = audit_all(space)
    of_age = findings["rule"].isin(["CONTACT_PERSONAL", "CONTACT_STAMP_OLD", "CONTACT_UNCHANGED"])
    assert 0 < of_age.sum() == len(findings[of_age].drop_duplicates("operator_id"))


CHANGES = {
    "as listed": lambda text: text,
    "SIREN for SIRET": lambda text: f"2{text[1:10]}" if text.startswith("3") else text,
    "SIRET in words": lambda text: f"SIRET : {text[1:4]} {text[4:]}" if text.startswith("3") else text,
    "without kind": lambda text: text[1:] if text[:1] in "123" else text,
    "FINESS in words": lambda text: f"FINESS n° {text[1:]}" if text.startswith("1") else text,
}


def test_a_register_made_of_the_list_is_as_declared(space, tmp_path):
    rows = _declared(space)
    changes = itertools.cycle(CHANGES.values())
    rows["structure_id"] = [next(changes)(text) for text in rows["structure_id"]]
    rows.to_csv(tmp_path / "declarations.csv", sep=";", index=False)
    held = replace(space, register=load_declarations(tmp_path / "declarations.csv"))
    frame = status(held)
    assert len(frame) > 4000
    texts = ["description", "project_contact", "support_contact"]
    listed = space.audited.drop_duplicates(["domain", "dn_key", *texts])
    twice = set(listed.loc[listed.duplicated(["domain", "dn_key"]), "domain"])
    assert len(twice) < 30, "the list says two things of one certificate: nobody can declare both"
    others = frame[~frame["domain"].isin(twice)]
    assert set(others["status"].astype("str")) == {"as-declared"}
    assert set(frame["status"].astype("str")) <= {"as-declared", "differs"}
    assert set(findings_of("reconciliation", held)["domain"]) <= twice
