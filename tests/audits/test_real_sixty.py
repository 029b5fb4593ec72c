"""Sixty findings of the real list, drawn and printed with their rows, for somebody to read: `pytest -s`."""

import sys

from mssante_audit.audits import audit_all

SEED, DRAWN = 26, 60
SHOWN = ["row", "domain", "description", "dn", "project_contact", "support_contact", "updated_at_text"]
AGES = ["CONTACT_PERSONAL", "CONTACT_STAMP_OLD", "CONTACT_UNCHANGED"]


def test_sixty_findings_are_printed_with_their_rows(real_space):
    findings, lines = audit_all(real_space), []
    for number, finding in enumerate(findings.sample(DRAWN, random_state=SEED).to_dict("records"), 1):
        lines.append(f"\n{number}. {finding['rule']} ({finding['severity']}, {finding['confidence']})")
        lines += [f"   {finding['operator']}: {finding['observed']}", f"   expected: {finding['expected']}"]
        rows = real_space.entries[real_space.entries["row"].isin(finding["rows"])]
        lines += rows[SHOWN].head(3).to_string(header=False, index=False).splitlines()
    sys.stdout.write("\n".join(lines))
    assert sum(line.startswith("   expected: ") for line in lines) == DRAWN
    ages = findings.loc[findings["rule"].isin(AGES), "operator_id"]
    assert not ages.duplicated().any(), "a line an operator"
