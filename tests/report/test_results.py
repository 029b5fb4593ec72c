"""What a notebook opens with and leaves behind."""

import json

import pandas as pd
import pytest
from conftest import CATALOGUE
from conftest import SAMPLE_AS_OF as AS_OF

from mssante_audit.audits import audit
from mssante_audit.base.errors import ParameterError, UnknownNameError
from mssante_audit.report.results import (
    MIME,
    Limits,
    open_space,
    provenance,
    read_results,
    record,
    select_operator,
    touching,
)
from mssante_audit.space.trust import load_space


@pytest.fixture(scope="module")
def operator(space, findings):
    """The identifier and name of an operator of the sample that alone bears its name, and has findings."""
    known = space.entries[["operator_id", "operator"]].drop_duplicates()
    alone = known[
        ~known["operator"].duplicated(keep=False) & known["operator_id"].isin(findings["operator_id"])
    ]
    return tuple(alone.iloc[0])


def test_the_defaults_are_those_of_the_space(space):
    assert space.thresholds == load_space().thresholds
    assert not space.show_contacts


def test_thresholds_are_passed_on():
    given = {"list_max_age_days": 1, "stale_after_days": 2, "concentration_min": 3}
    assert given.items() <= open_space(**given).thresholds.model_dump().items()


def test_an_operator_is_known_by_identifier_and_name(space, operator):
    identifier, name = operator
    assert select_operator(space, None) is None
    for text in (identifier, f" {identifier} ", name, name.lower(), f"  {name}  "):
        assert select_operator(space, text) == identifier


def test_every_identifier_is_known_also_those_with_a_letter(space):
    identifiers = set(space.entries["operator_id"]) - {""}
    assert any(c.isalpha() for identifier in identifiers for c in identifier)
    assert all(select_operator(space, identifier) == identifier for identifier in identifiers)


def test_a_name_of_several_operators_is_refused_with_some_of_them(space):
    with pytest.raises(UnknownNameError, match=r"'fictif' may mean \d+ operators\. Such as: .+; "):
        select_operator(space, "fictif")


def test_an_unknown_operator_is_refused_with_names_near(space, operator):
    name = operator[1]
    with pytest.raises(UnknownNameError) as caught:
        select_operator(space, f"{name[:-1]}QQ")
    assert name in str(caught.value)
    for text in ("no such thing at all", "  "):
        with pytest.raises(UnknownNameError, match="no operator"):
            select_operator(space, text)
    with pytest.raises(ParameterError, match="operator is empty"):
        select_operator(space, "")


def test_findings_of_an_operator_touch_its_rows(space, findings, operator):
    identifier = operator[0]
    own = touching(findings, space, Limits(identifier))
    rows = set(space.entries.loc[space.entries["operator_id"] == identifier, "row"])
    assert 0 < len(own) < len(findings)
    touched = findings["rows"].map(lambda r: bool(rows & set(r))) | (findings["operator_id"] == identifier)
    assert findings[touched]["evidence"].tolist() == own["evidence"].tolist()
    assert own.dtypes.equals(findings.dtypes)
    assert touching(findings, space, Limits(None)) is findings


def test_findings_without_rows_belong_to_the_operator_they_name(space, findings):
    named = findings.head(2).assign(rows=[(), ()], operator_id=["here", "there"])
    assert touching(named, space, Limits("here"))["operator_id"].tolist() == ["here"]


def test_results_come_back_from_their_json(space, findings):
    results = record(space, findings, name="overview")
    bundle = results._repr_mimebundle_(include=None, exclude=None)
    back = read_results(json.loads(json.dumps(bundle[MIME])))
    assert back.name == "overview"
    assert back.provenance == results.provenance
    pd.testing.assert_frame_equal(back.findings, results.findings)
    assert repr(back) == bundle["text/plain"]
    assert f"{len(findings)} findings" in repr(back)
    assert sum(back.by_severity.values()) == sum(back.by_rule.values()) == len(findings)
    assert list(back.by_severity) == ["critical", "error", "warning", "info"]


def test_no_findings_come_back_too(space, findings):
    results = record(space, findings.head(0), name="x")
    back = read_results(json.loads(json.dumps(results.payload())))
    pd.testing.assert_frame_equal(back.findings, results.findings)
    assert set(back.by_severity.values()) == {0}


def test_contacts_shown_by_mistake_are_not_recorded(space):
    shown = open_space(as_of=AS_OF, contacts="all")
    plain, masked = audit("stale_contacts", shown), audit("stale_contacts", space)
    assert plain["observed"].tolist() != masked["observed"].tolist()
    with pytest.raises(ParameterError, match="these findings show contacts"):
        record(space, plain, name="x")
    assert record(shown, plain, name="x").findings is plain
    assert record(space, masked, name="x").findings is masked


def test_provenance_knows_no_folder_and_no_clock(space):
    told = provenance(space)
    assert told == provenance(open_space(as_of=AS_OF))
    assert told["file"] == "listeblanchemssante.xml.gz"
    assert told["as_of"] == "2026-03-03T06:00:00+00:00"
    assert told["signature"] == "valid"
    assert 0 < told["test_entries"] < told["rows"] == len(space.entries)
    assert json.loads(json.dumps(told)) == told


def test_what_papermill_makes_of_a_value_is_read_as_meant(space, operator):
    given = open_space(as_of=AS_OF, contacts="none", recover="non", anchors=str(CATALOGUE / "anchors"))
    assert not given.show_contacts
    assert given.whitelist.sha256 == space.whitelist.sha256
    digits = next(i for i in space.entries["operator_id"] if i.isdigit() and not i.startswith("0"))
    assert select_operator(space, int(digits)) == digits


@pytest.mark.parametrize(
    "given", [{"recover": "maybe"}, {"contacts": "some"}, {"stale_after_days": "old"}, {"anchors": {"a": 1}}]
)
def test_what_cannot_be_meant_is_refused_by_the_parameters_name(given):
    with pytest.raises(ParameterError, match=next(iter(given))):
        open_space(**given)
