"""Sixty findings of the real list, drawn and printed with their rows, for somebody to read: `pytest -s`."""

import sys
from pathlib import Path

import pytest

from mssante_audit.audits import audit_all
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.space.trust import load_space

REAL = Path(__file__).parents[3] / "shared" / "real"
SEED, DRAWN = 26, 60


SHOWN = ["row", "domain", "description", "dn", "project_contact", "support_contact", "updated_at_text"]
AGES = ["CONTACT_PERSONAL", "CONTACT_STAMP_OLD", "CONTACT_UNCHANGED"]


@pytest.mark.real
def test_sixty_findings_are_printed_with_their_rows(capsys: pytest.CaptureFixture[str]) -> None:
    if not REAL.exists():
        pytest.skip("no real list beside the checkout (../shared/real)")
    file, anchors = next(REAL.glob("*.xml.gz")), [REAL / "igc-sante"]
    space = load_space(file, anchors=anchors, as_of="2025-03-01", contacts="all")
    findings = audit_all(space)
    drawn = findings.sample(DRAWN, random_state=SEED)
    lines = []
    for number, (_, finding) in enumerate(drawn.iterrows(), 1):
        sure = f"{finding['severity']}, {finding['confidence']}"
        lines += [
            f"\n{number}. {finding['rule']} ({sure}): {finding['operator']}",
            f"   {finding['observed']}",
        ]
        lines += [f"   expected: {finding['expected'] or 'nothing'}"]
        lines += space.rows_of(finding)[SHOWN].head(3).to_string(header=False, index=False).splitlines()
    with capsys.disabled():
        sys.stdout.write("\n".join(lines))
    assert sum(line.startswith("   expected: ") for line in lines) == DRAWN
    assert not findings["rule"].eq(FAILED).any()
    assert not findings.loc[findings["rule"].isin(AGES), "operator_id"].duplicated().any(), (
        "a line an operator"
    )
