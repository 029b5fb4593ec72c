"""Two contacts that are masked to the same are told apart."""

from __future__ import annotations

from made_up import make_space

from mssante_audit.audits import audit


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
