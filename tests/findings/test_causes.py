"""What is to be put right first: findings merged by operator and remedy, in order of what they weigh."""

from __future__ import annotations

import pandas as pd
import pytest
from conftest import REAL
from made_findings import framed, made

import mssante_audit as ms
from mssante_audit.base.language import typeset
from mssante_audit.findings.causes import FRAME, actionable, causes
from mssante_audit.findings.frame import Finding, findings_frame
from mssante_audit.findings.registry import rule
from mssante_audit.findings.words import sentence
from mssante_audit.values.identifiers import is_manager


def entries_of(*operators: str) -> pd.DataFrame:
    """Return a list with a row a domain for each of these operators."""
    rows = range(1, len(operators) + 1)
    return pd.DataFrame(
        {
            "row": list(rows),
            "domain": [f"d{row}.example" for row in rows],
            "operator_id": list(operators),
            "operator": [f"CH {operator}" for operator in operators],
            "department": ["75"] * len(operators),
        }
    )


def test_one_operator_and_one_remedy_are_one_cause_whatever_the_rules() -> None:
    entries = entries_of("1", "1", "1", "2")
    remedies = {rule(code).remedy_fr for code in ("DN_DEPARTMENT_FORM", "DN_DEPARTMENT_MISMATCH")}
    assert len(remedies) == 1
    found = framed(
        [
            made("DN_DEPARTMENT_FORM", (1, 2), "a"),
            made("DN_DEPARTMENT_MISMATCH", (2, 3), "b"),
            made("DN_DEPARTMENT_FORM", (4,), "c"),
            made("DN_ID_LUHN", (3,), "d"),
        ],
        entries,
    )
    told = causes(found, entries, {"d1.example": 5, "d2.example": 7, "d4.example": 1})
    assert told["rules"].tolist() == [
        ("DN_ID_LUHN",),
        ("DN_DEPARTMENT_FORM", "DN_DEPARTMENT_MISMATCH"),
        ("DN_DEPARTMENT_FORM",),
    ]
    merged = told.iloc[1]
    assert (merged["domains"], merged["mailboxes"], merged["findings"]) == (3, 12, 2)  # domain 2 counts once
    assert merged[["operator_id", "operator", "operators", "observed"]].tolist() == ["1", "CH 1", ("1",), "a"]
    assert set(merged["fingerprints"]) <= set(found["fingerprint"])
    assert told.iloc[0]["mailboxes"] == 0


def test_information_hints_and_what_failed_are_no_causes() -> None:
    entries = entries_of("1")
    found = framed(
        [
            made("DN_O_TRUNCATED", (1,)),
            made("DN_NAME_OPERATORS", (1,)),
            made("DN_ID_LUHN", (1,), confidence="hint"),
            made("AUDIT_RULE_FAILED"),
        ],
        entries,
    )
    assert causes(found, entries).empty
    assert list(causes(found, entries).columns) == [column.name for column in FRAME]
    assert actionable(found)["rule"].tolist() == ["AUDIT_RULE_FAILED"]


def test_a_list_not_to_be_relied_on_comes_first_and_touches_every_domain() -> None:
    entries = entries_of("1", "2")
    found = framed([made("LIST_OLD"), made("DNS_MX_NULL", (1,))], entries)
    told = causes(found, entries, {"d1.example": 3, "d2.example": 4})
    assert told["severity"].astype("str").tolist() == ["error", "critical"]
    first = told.iloc[0]
    assert first[["operator_id", "domain", "domains", "mailboxes"]].tolist() == ["", "", 2, 7]


def test_the_order_is_severity_then_mailboxes_or_domains_then_confidence() -> None:
    entries = entries_of(*"123445")
    found = framed(
        [
            made("DN_SPELLINGS", (4, 5)),
            made("DN_ID_LUHN", (1,), confidence="likely"),
            made("DN_ID_LUHN", (2,), "x"),
            made("DN_ID_LUHN", (3,), "y"),
            made("DN_ID_LUHN", (4, 5), "z"),
            made("DN_ID_LUHN", (6,), "w"),
        ],
        entries,
    )
    known = {"d3.example": 9, "d6.example": 1}
    by_mailboxes = causes(found, entries, known)
    assert by_mailboxes["operator_id"].tolist() == ["3", "5", "4", "2", "1", "4"]
    assert causes(found, entries)["operator_id"].tolist() == ["4", "2", "3", "5", "1", "4"]
    assert causes(found, entries)["mailboxes"].isna().all()


def test_a_shared_matter_is_one_cause_of_who_has_most_rows_and_names_the_others() -> None:
    entries = entries_of("1", "1", "2", "1", "1", "3")
    found = framed(
        [made("LIST_DOMAIN_OPERATORS", (1, 2, 3), "a"), made("LIST_DOMAIN_OPERATORS", (4, 5, 6), "b")],
        entries,
    )
    (told,) = causes(found, entries).to_dict("records")
    assert (told["operator_id"], told["operators"], told["domains"]) == ("1", ("1", "2", "3"), 6)
    (own,) = causes(found, entries[entries["operator_id"] == "2"]).to_dict("records")
    assert (own["domains"], own["domain"]) == (1, "d3.example")  # of the rows that are told of


def test_what_the_manager_does_is_nobody_elses_cause() -> None:
    entries = entries_of("1", "1", "2")
    found = framed([made("DNS_PARENT_DISAGREE", (1, 2, 3), "a"), made("DNS_NS_NAME", (1,), "b")], entries)
    told = {c["rules"]: c for c in causes(found, entries).to_dict("records")}
    zone = told["DNS_PARENT_DISAGREE",]
    assert (zone["operator_id"], zone["operator"], zone["operators"]) == ("", "", ("1", "2"))
    assert told["DNS_NS_NAME",]["operator_id"] == "1"
    assert "le gestionnaire (ANS), pour 2\xa0opérateurs" in ms.cause_list(causes(found, entries)).text


def test_findings_without_rows_count_what_they_name() -> None:
    entries = entries_of("1")
    named = Finding("MAILBOX_UNLISTED", ("a",), domains=("a.example", "b.example"), operator_id="1")
    found = framed([], entries)
    assert causes(found, entries).empty
    facts = {"domain": "a.example"}
    told = findings_frame([Finding(named.rule, named.subject, domains=named.domains, facts=facts)], entries,
                          {"a.example": 2, "b.example": 3})  # fmt: skip
    (only,) = causes(told, entries, {"a.example": 2, "b.example": 3}).to_dict("records")
    assert (only["domain"], only["domains"], only["mailboxes"]) == ("a.example", 2, 5)


@pytest.mark.parametrize("data", ["sample", pytest.param("real", marks=[pytest.mark.real, pytest.mark.long])])
def test_causes_are_all_that_is_to_be_done_and_each_counts_its_domains_once(data: str, sample_space) -> None:
    if data == "real" and not REAL.is_dir():
        pytest.skip("no real list")
    space = ms.load_space(REAL, as_of="2025-03-01") if data == "real" else sample_space
    found = ms.audit_all(space)
    todo = actionable(found).set_index("fingerprint")
    told = ms.causes(found, space.audited, space.published)
    merged = [one for prints in told["fingerprints"] for one in prints]
    assert sorted(merged) == sorted(todo.index)
    assert len({(c["operator_id"], c["remedy"]) for c in told.to_dict("records")}) == len(told)
    assert told.loc[
        ~told["operator_id"].map(is_manager), "severity"
    ].is_monotonic_decreasing  # its own come last
    domain = space.audited.set_index("row")["domain"]
    for cause in told.to_dict("records"):
        own = todo.loc[list(cause["fingerprints"])]
        assert cause["findings"] == len(own)
        assert set(own["operator_id"]) == {cause["operator_id"]} or rule(cause["rules"][0]).manager
        assert str(cause["severity"]) == own["severity"].max()
        assert set(own["rule"]) == set(cause["rules"])
        remedies = {
            typeset(sentence(rule(code), "remedy", facts))
            for code, facts in zip(own["rule"], own["facts"], strict=True)
        }
        assert remedies == {cause["remedy"]}
        names = {domain[row] for rows in own["rows"] for row in rows} | set(
            own.loc[own["rows"].map(len) == 0, "domain"]
        )
        assert cause["domains"] >= len(names - {""})
        if own["rows"].map(len).all():
            assert cause["domains"] == len(names)
            if space.published is not None:
                assert cause["mailboxes"] == sum(space.published.get(name, 0) for name in names)


def test_of_a_list_not_to_be_relied_on_no_domain_is_in_order(sample_space) -> None:
    for space, number in ((sample_space, 0), (ms.load_space(as_of="2026-11-26"), 106)):
        assert f'<b data-order="unknown">{number}</b>' in ms.counts(ms.domains(space))
