"""What is to be put right first: findings merged by operator and remedy, in order of what they weigh."""

from typing import Any

import pandas as pd
import pytest
from conftest import REAL
from made_findings import framed, made

import mssante_audit as ms
from mssante_audit.base.language import typeset
from mssante_audit.findings.causes import FRAME, actionable, causes
from mssante_audit.findings.frame import Finding, findings_frame
from mssante_audit.findings.registry import rule
from mssante_audit.findings.templates import sentence
from mssante_audit.values.identifiers import is_manager


def entries_of(*operators: str) -> pd.DataFrame:
    columns = ["row", "domain", "operator_id", "operator", "department"]
    rows = [(row, f"d{row}.example", name, f"CH {name}", "75") for row, name in enumerate(operators, 1)]
    return pd.DataFrame(rows, columns=columns)


def causes_of(findings: list[Finding], operators: str, published: Any = None) -> pd.DataFrame:
    entries = entries_of(*operators)
    return causes(framed(findings, entries), entries, published)


def test_one_operator_and_one_remedy_are_one_cause_whatever_the_rules() -> None:
    form, mismatch = "DN_DEPARTMENT_FORM", "DN_DEPARTMENT_MISMATCH"
    findings = (form, (1, 2), "a"), (mismatch, (2, 3), "b"), (form, (4,), "c"), ("DN_ID_LUHN", (3,), "d")
    published = {"d1.example": 5, "d2.example": 7, "d4.example": 1}
    luhn, merged, _ = (merged_all := causes_of([made(*each) for each in findings], "1112", published)).iloc
    assert merged_all["rules"].tolist() == [("DN_ID_LUHN",), (form, mismatch), (form,)]
    assert (merged["domains"], merged["mailboxes"], merged["findings"]) == (3, 12, 2)  # domain 2 counts once
    assert merged[["operator_id", "operator", "operators", "observed"]].tolist() == ["1", "CH 1", ("1",), "a"]
    assert luhn["mailboxes"] == 0


def test_information_hints_and_what_failed_are_no_causes() -> None:
    entries = entries_of("1")
    nothing = made("DN_O_TRUNCATED", (1,)), made("DN_NAME_OPERATORS", (1,))
    hint = made("DN_ID_LUHN", (1,), confidence="hint")
    findings = framed([*nothing, hint, made("AUDIT_RULE_FAILED")], entries)
    assert causes(findings, entries).empty
    assert list(causes(findings, entries).columns) == [column.name for column in FRAME]
    assert actionable(findings)["rule"].tolist() == ["AUDIT_RULE_FAILED"]


def test_a_list_not_to_be_relied_on_comes_first_and_touches_every_domain() -> None:
    findings = [made("LIST_OLD"), made("DNS_MX_NULL", (1,))]
    merged = causes_of(findings, "12", {"d1.example": 3, "d2.example": 4})
    assert merged["severity"].astype("str").tolist() == ["error", "critical"]
    assert merged.loc[0, ["operator_id", "domain", "domains", "mailboxes"]].tolist() == ["", "", 2, 7]


def test_of_a_list_not_to_be_relied_on_no_domain_is_in_order(sample_space) -> None:
    for space, number in ((sample_space, 0), (ms.load_space(as_of="2026-11-26"), 106)):
        assert f'<b data-order="unknown">{number}</b>' in ms.counts(ms.domains(space))


def test_the_order_is_severity_then_mailboxes_or_domains_then_confidence() -> None:
    findings = [made("DN_ID_LUHN", rows, str(rows)) for rows in ((2,), (3,), (4, 5), (6,))]
    findings += [made("DN_SPELLINGS", (4, 5)), made("DN_ID_LUHN", (1,), confidence="likely")]
    by_mailboxes = causes_of(findings, "123445", {"d3.example": 9, "d6.example": 1})
    assert by_mailboxes["operator_id"].tolist() == ["3", "5", "4", "2", "1", "4"]
    unknown = causes_of(findings, "123445")
    assert unknown["operator_id"].tolist() == ["4", "2", "3", "5", "1", "4"]
    assert unknown["mailboxes"].isna().all()


def test_a_shared_matter_is_one_cause_of_who_has_most_rows_and_names_the_others() -> None:
    entries = entries_of(*"112113")
    shared = [made("LIST_DOMAIN_OPERATORS", rows, str(rows)) for rows in ((1, 2, 3), (4, 5, 6))]
    findings = framed(shared, entries)
    columns = ["operator_id", "operators", "domains", "domain"]
    assert causes(findings, entries)[columns[:-1]].values.tolist() == [["1", ("1", "2", "3"), 6]]
    of_one = causes(findings, entries[entries["operator_id"] == "2"])  # of the rows that are given
    assert of_one[columns[2:]].values.tolist() == [[1, "d3.example"]]


def test_what_the_manager_does_is_nobody_elses_cause() -> None:
    merged = causes_of([made("DNS_PARENT_DISAGREE", (1, 2, 3), "a"), made("DNS_NS_NAME", (1,), "b")], "112")
    operators = merged.set_index("rules")[["operator_id", "operator", "operators"]].T.to_dict("list")
    assert operators["DNS_PARENT_DISAGREE",] == ["", "", ("1", "2")]
    assert operators["DNS_NS_NAME",][0] == "1"
    assert "le gestionnaire (ANS), pour 2\xa0opérateurs" in ms.cause_list(merged).text


def test_findings_without_rows_count_what_they_name() -> None:
    entries, published = entries_of("1"), {"a.example": 2, "b.example": 3}
    finding = Finding("MAILBOX_UNLISTED", ("a",), domains=(*published,), facts={"domain": "a.example"})
    (only,) = causes(findings_frame([finding], entries, published), entries, published).to_dict("records")
    assert (only["domain"], only["domains"], only["mailboxes"]) == ("a.example", 2, 5)


@pytest.mark.parametrize("data", ["sample", pytest.param("real", marks=[pytest.mark.real, pytest.mark.long])])
def test_causes_are_all_that_is_to_be_done_and_each_counts_its_domains_once(data: str, sample_space) -> None:
    if data == "real" and not REAL.is_dir():
        pytest.skip("no real list")
    space = ms.load_space(REAL, as_of="2025-03-01") if data == "real" else sample_space
    findings = ms.audit_all(space)
    todo = actionable(findings).set_index("fingerprint")
    merged = ms.causes(findings, space.audited, space.published)
    assert sorted(key for keys in merged["fingerprints"] for key in keys) == sorted(todo.index)
    assert not merged.duplicated(["operator_id", "remedy"]).any()
    others = merged[~merged["operator_id"].map(is_manager)]  # the manager's come last
    assert others["severity"].is_monotonic_decreasing
    domain = space.audited.set_index("row")["domain"]
    for cause in merged.to_dict("records"):
        its = todo.loc[list(cause["fingerprints"])]
        assert cause["findings"] == len(its)
        assert set(its["operator_id"]) == {cause["operator_id"]} or rule(cause["rules"][0]).manager
        assert str(cause["severity"]) == its["severity"].max()
        assert set(its["rule"]) == set(cause["rules"])
        pairs = zip(its["rule"], its["facts"], strict=True)
        assert {typeset(sentence(rule(code), "remedy", facts)) for code, facts in pairs} == {cause["remedy"]}
        rowless = its["rows"].map(len) == 0
        names = {domain[row] for rows in its["rows"] for row in rows} | set(its.loc[rowless, "domain"])
        assert cause["domains"] >= len(names - {""})
        if not rowless.any():
            assert cause["domains"] == len(names)
            if space.published is not None:
                assert cause["mailboxes"] == sum(space.published.get(name, 0) for name in names)
