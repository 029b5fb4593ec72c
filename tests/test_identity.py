"""What findings are known by: told apart, and the same the night after, whatever moves around them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mssante_audit.audits import findings_of
from mssante_audit.findings.catalogue import rule
from mssante_audit.findings.facts import dumped, loaded
from mssante_audit.findings.registry import OURS
from mssante_audit.findings.words import LANGUAGES, worded
from mssante_audit.space.trust import TrustSpace, load_space

REAL = Path(__file__).parents[2] / "shared" / "real"
LISTS = ("sample", pytest.param("real", marks=pytest.mark.real))


@pytest.fixture(scope="module", params=LISTS)
def space(request: pytest.FixtureRequest) -> TrustSpace:
    if request.param == "sample":
        return load_space(as_of="2026-03-03T06:00:00Z")
    if not REAL.exists():
        pytest.skip("no real list beside the checkout (../shared/real)")
    return load_space(REAL, as_of="2025-03-01")


def converted(name: str, space: TrustSpace) -> pd.DataFrame:
    """Return the findings whose rules have words of their own."""
    found = findings_of(name, space)
    assert "AUDIT_RULE_FAILED" not in set(found["rule"])
    return found[[bool(rule(code).observed_fr) for code in found["rule"]]]


@pytest.mark.parametrize("name", OURS)
def test_no_two_findings_of_a_rule_are_known_by_the_same(name: str, space: TrustSpace) -> None:
    found = converted(name, space)
    assert found.loc[found["fingerprint"].duplicated(), "rule"].tolist() == []


@pytest.mark.parametrize("name", OURS)
def test_words_fill_in_every_language_and_facts_survive_a_file(name: str, space: TrustSpace) -> None:
    found = converted(name, space)
    assert [loaded(dumped(facts)) for facts in found["facts"]] == found["facts"].tolist()
    for language in LANGUAGES:
        assert worded(found, language=language)["observed"].str.strip().ne("").all()


@pytest.mark.parametrize("name", OURS)
def test_rows_that_leave_change_no_other_finding(name: str, space: TrustSpace) -> None:
    found = converted(name, space)
    groups = found[found["domains"] > 1]
    named = {row for rows in found.loc[found["domains"] <= 1, "rows"] for row in rows}
    # The first rows of groups leave, five in all, so that groups start with another domain and stay groups.
    leaving = [rows[0] for rows in groups["rows"] if len(rows) > 2 and rows[0] not in named][:5]
    entries = space.whitelist.entries
    kept = entries[~entries["row"].isin(leaving)]
    space.whitelist.__dict__["entries"], space.__dict__["audited"] = kept, kept[~kept["is_audit_entry"]]
    try:
        after = set(converted(name, space)["fingerprint"])
    finally:
        space.whitelist.__dict__["entries"] = entries
        del space.__dict__["audited"]
    untouched = groups[[not set(leaving) & set(rows) or len(rows) > 5 for rows in groups["rows"]]]
    assert sorted(untouched.loc[~untouched["fingerprint"].isin(after), "rule"]) == []
