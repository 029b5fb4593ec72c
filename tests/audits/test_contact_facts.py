"""Contacts, declarations and reconciliation: known from night to night, in both languages, persons apart."""

from __future__ import annotations

import pytest
from made_up import make_space

from mssante_audit.audits import audit, findings_of
from mssante_audit.findings.facts import dumped, loaded
from mssante_audit.findings.words import worded
from mssante_audit.space.trust import TrustSpace

AUDITS = ("stale_contacts", "declarations", "reconciliation")


@pytest.mark.parametrize("name", AUDITS)
def test_each_finding_is_known_by_itself_and_told_in_both_languages(
    name: str, sample_space: TrustSpace
) -> None:
    found = findings_of(name, sample_space)
    assert found["fingerprint"].is_unique
    assert "AUDIT_RULE_FAILED" not in set(found["rule"])
    assert [loaded(dumped(facts)) for facts in found["facts"]] == found["facts"].tolist()
    french, english = (worded(found, language=language) for language in ("fr", "en"))
    assert ((french["observed"] == "") == (english["observed"] == "")).all()


def test_two_contacts_that_look_alike_masked_are_numbered_and_one_is_not() -> None:
    contacts = ["06 39 98 00 01, zoe@alpha.example"] * 3 + ["06 39 98 11 01, zac@alpha.example"]
    rows = [{"domain": f"d{i}.mssante.fr", "project_contact": text} for i, text in enumerate(contacts)]
    found = audit("stale_contacts", make_space(*rows))
    (told,) = found[found["rule"] == "CONTACT_DISAGREEMENT"].to_dict("records")
    assert told["observed"] == (
        "3 × contact projet : 06 •• •• •• 01, z•••@alpha.example (1) – du 5\u00a0janvier\u00a02026 | "
        "contact projet : 06 •• •• •• 01, z•••@alpha.example (2) – du 5\u00a0janvier\u00a02026"
    )
    (alone,) = audit("stale_contacts", make_space({"project_contact": "zoe@alpha.example"})).to_dict(
        "records"
    )
    assert alone["observed"] == "contact projet : z•••@alpha.example"
