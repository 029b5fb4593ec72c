"""What findings are known by: told apart, and the same the night after, whatever moves around them."""

from dataclasses import replace

import pandas as pd
import pytest
from conftest import REAL

from mssante_audit import AUDITS
from mssante_audit.audits import findings_of
from mssante_audit.base.language import LANGUAGES
from mssante_audit.findings.facts import dumped, loaded
from mssante_audit.findings.frame import worded
from mssante_audit.space.trust import TrustSpace, load_space

LISTS = ("sample", pytest.param("real", marks=[pytest.mark.real, pytest.mark.long]))


@pytest.fixture(scope="module", params=LISTS)
def space(request: pytest.FixtureRequest, sample_space: TrustSpace) -> TrustSpace:
    if request.param == "sample":
        return sample_space
    if not REAL.exists():
        pytest.skip("no real list beside the checkout (../shared/real)")
    return load_space(REAL, as_of="2025-03-01")


@pytest.fixture(scope="module", params=AUDITS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def findings(name: str, space: TrustSpace) -> pd.DataFrame:
    frame = findings_of(name, space)
    assert "AUDIT_RULE_FAILED" not in set(frame["rule"])
    return frame


def rules_gone(name: str, space: TrustSpace, entries: pd.DataFrame, findings: pd.DataFrame) -> list[str]:
    """Return the rules of findings that are not made once the list has these rows."""
    after = findings_of(name, replace(space, whitelist=replace(space.whitelist, entries=entries)))
    assert "AUDIT_RULE_FAILED" not in set(after["rule"])
    return findings.loc[~findings["fingerprint"].isin(after["fingerprint"]), "rule"].tolist()


def test_no_two_findings_are_known_by_the_same_whatever_the_order_of_rows(
    findings: pd.DataFrame, name: str, space: TrustSpace
) -> None:
    assert findings.loc[findings["fingerprint"].duplicated(), "rule"].tolist() == []
    assert rules_gone(name, space, space.entries[::-1], findings) == []


def test_words_fill_in_every_language_and_facts_survive_a_file(findings: pd.DataFrame) -> None:
    assert [loaded(dumped(facts)) for facts in findings["facts"]] == findings["facts"].tolist()
    for language in LANGUAGES:
        frame = worded(findings, language=language)
        words = frame["observed"].str.cat(frame[["expected", "evidence"]])
        assert words.str.strip().ne("").all()


def test_rows_that_leave_change_no_other(findings: pd.DataFrame, name: str, space: TrustSpace) -> None:
    rows, domains = space.entries["row"], space.entries["domain"]
    involved = rows.isin({row for its in findings["rows"] for row in its})
    others = rows[~domains.isin(domains[involved]) & ~involved]
    leaving = others.iloc[:: max(len(others) // 5, 1)].tolist()[:5]
    groups = findings[findings["domains"] > 1]
    assert rules_gone(name, space, space.entries[~rows.isin(leaving)], groups) == []
