"""What findings are known by: told apart, and the same the night after, whatever moves around them."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from conftest import REAL

from mssante_audit import AUDITS
from mssante_audit.audits import findings_of
from mssante_audit.base.language import LANGUAGES
from mssante_audit.findings.facts import dumped, loaded
from mssante_audit.findings.words import worded
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
def found(name: str, space: TrustSpace) -> pd.DataFrame:
    return found_by(name, space)


def found_by(name: str, space: TrustSpace) -> pd.DataFrame:
    found = findings_of(name, space)
    assert "AUDIT_RULE_FAILED" not in set(found["rule"])
    return found


def with_rows(space: TrustSpace, entries: pd.DataFrame) -> TrustSpace:
    """Return the space as if its list had these rows."""
    return replace(space, whitelist=replace(space.whitelist, entries=entries))


def test_no_two_findings_of_a_rule_are_known_by_the_same(found: pd.DataFrame) -> None:
    assert found.loc[found["fingerprint"].duplicated(), "rule"].tolist() == []


def test_words_fill_in_every_language_and_facts_survive_a_file(found: pd.DataFrame) -> None:
    assert [loaded(dumped(facts)) for facts in found["facts"]] == found["facts"].tolist()
    for language in LANGUAGES:
        told = worded(found, language=language)
        said = told["observed"].str.cat(told[["expected", "evidence"]])
        assert said.str.strip().ne("").all()


def test_rows_that_leave_change_no_other_finding(found: pd.DataFrame, name: str, space: TrustSpace) -> None:
    involved = {row for rows in found["rows"] for row in rows}
    domains = space.entries["domain"].isin(space.entries.loc[space.entries["row"].isin(involved), "domain"])
    others = space.entries.loc[~domains & ~space.entries["row"].isin(involved), "row"]
    leaving = set(others.iloc[:: max(len(others) // 5, 1)].tolist()[:5])
    after = found_by(name, with_rows(space, space.entries[~space.entries["row"].isin(leaving)]))
    groups = found[found["domains"] > 1]
    assert groups.loc[~groups["fingerprint"].isin(after["fingerprint"]), "rule"].tolist() == []


def test_the_order_of_rows_changes_no_finding(found: pd.DataFrame, name: str, space: TrustSpace) -> None:
    after = found_by(name, with_rows(space, space.entries[::-1]))
    assert found.loc[~found["fingerprint"].isin(after["fingerprint"]), "rule"].tolist() == []
