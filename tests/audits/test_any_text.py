"""Whatever a list has for a text: it is shown as text, and test entries are nobody's fault."""

import pandas as pd
import pytest
from in_clear import finders, told_in_clear
from made_up import ALPHA, make_space

AUDITS = {"whitelist_integrity": "LIST_UNSIGNED", "dn_consistency": "", "stale_contacts": ""}
"""Those of the list alone, with what all made-up lists get."""
COLUMNS = ("domain", "description", "dn", "project_contact", "support_contact", "updated_at_text")
DN_PARTS = ("mss.alpha.example", "1759900004", "CH ALPHA", "Paris (75)", "FR")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>", '=HYPERLINK("http://x.example")', "a" * 150, "a" * 255, "\u00a0",
        "\u202e\u2028\ufeff", "\ue000\U000e0001\u3164\ufe0f", "\u202e0199000001", "@" * 99, "1" * 200],
)  # fmt: skip
def test_hostile_text_is_shown_as_text(text: str) -> None:
    changes = [{column: text} for column in COLUMNS]
    changes += [{"dn": ALPHA["dn"].replace(part, text[:150])} for part in DN_PARTS]
    changes += [{"project_contact": f"{text[:200]}, projet@alpha.example"}]
    space = make_space(*({"domain": f"d{i}.mssante.fr"} | change for i, change in enumerate(changes)))
    for name in AUDITS:
        findings = told_in_clear(name, space)
        assert len(findings) > 1
        for shown in pd.concat([findings["observed"], findings["expected"]]):
            assert all(c.isprintable() or c in "\u00a0\u202f" for c in shown)
        if name == "whitelist_integrity" and text.strip():
            assert (6,) in findings["rows"].tolist(), "a date that is none"


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        ("CH-test.mssante.fr", "_"),
        ("a.preprod.alpha.mssante.fr", "_"),
        ("alpha-pre-prod.mssante.fr", "_"),
        ("recette.alpha.mssante.fr", "_"),
        ("comptes.mssante.fr", "Comptes MSSanté de test (éditeurs"),
    ],
)
def test_test_entries_are_set_aside(domain: str, text: str) -> None:
    space = make_space({"domain": domain, "description": text, "dn": "rien", "project_contact": "_"})
    assert [finders(name, but=but)[0](space) for name, but in AUDITS.items()] == [[]] * len(AUDITS)
    assert space.entries["is_audit_entry"].all()
