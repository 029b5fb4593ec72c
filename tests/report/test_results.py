"""What a notebook opens with and leaves behind."""

import json

import pandas as pd
import pytest
from conftest import SAMPLE_AS_OF as AS_OF

from mssante_audit.audits import audit
from mssante_audit.base.errors import ParameterError, UnknownNameError
from mssante_audit.report.results import (
    MIME,
    Limits,
    open_space,
    read_results,
    record,
    select_operator,
    touching,
)


@pytest.fixture(scope="module")
def operator(space, findings):
    """The identifier and name of an operator of the sample that alone bears its name, and has findings."""
    known = space.entries[["operator_id", "operator"]].drop_duplicates()
    alone = known[
        ~known["operator"].duplicated(keep=False) & known["operator_id"].isin(findings["operator_id"])
    ]
    return tuple(alone.iloc[0])


def test_an_operator_is_known_by_identifier_and_name(space, operator):
    identifier, name = operator
    assert select_operator(space, None) is None
    for text in (f" {identifier} ", name, name.lower(), f"  {name}  "):
        assert select_operator(space, text) == identifier
    identifiers = set(space.entries["operator_id"]) - {""}
    assert any(c.isalpha() for identifier in identifiers for c in identifier)
    assert all(select_operator(space, identifier) == identifier for identifier in identifiers)


def test_an_operator_that_is_none_or_several_is_refused_with_names_near(space, operator):
    for text, why in (
        ("fictif", r"'fictif' may mean \d+ operators\. Such as: .+; "),
        (f"{operator[1][:-1]}QQ", operator[1]),
        ("no such thing at all", "no operator"),
        ("  ", "no operator"),
    ):
        with pytest.raises(UnknownNameError, match=why):
            select_operator(space, text)
    with pytest.raises(ParameterError, match="operator is empty"):
        select_operator(space, "")


def test_findings_of_an_operator_touch_its_rows_or_name_it(space, findings, operator):
    identifier = operator[0]
    own = touching(findings, space, Limits(identifier))
    rows = set(space.entries.loc[space.entries["operator_id"] == identifier, "row"])
    assert 0 < len(own) < len(findings)
    touched = findings["rows"].map(lambda r: bool(rows & set(r))) | (findings["operator_id"] == identifier)
    assert findings[touched]["evidence"].tolist() == own["evidence"].tolist()
    assert own.dtypes.equals(findings.dtypes)


@pytest.mark.parametrize("number", [0, 1000])
def test_results_come_back_from_their_json(space, findings, number):
    results = record(space, findings.head(number), name="x")
    bundle = results._repr_mimebundle_(include=None, exclude=None)
    back = read_results(json.loads(json.dumps(bundle[MIME])))
    assert (back.name, back.provenance) == ("x", results.provenance)
    pd.testing.assert_frame_equal(back.findings, results.findings)
    assert repr(back) == bundle["text/plain"]
    assert sum(back.by_severity.values()) == sum(back.by_rule.values()) == len(results.findings)
    assert list(back.by_severity) == ["critical", "error", "warning", "info"]


def test_contacts_shown_by_mistake_are_not_recorded(space):
    shown = open_space(as_of=AS_OF, contacts="all")
    plain, masked = audit("stale_contacts", shown), audit("stale_contacts", space)
    assert plain["observed"].tolist() != masked["observed"].tolist()
    with pytest.raises(ParameterError, match="these findings show contacts"):
        record(space, plain, name="x")
    assert record(shown, plain, name="x").findings is plain
    assert record(space, masked, name="x").findings is masked
