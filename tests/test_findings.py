import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssante_audit.findings.frame import (
    COLUMNS,
    Finding,
    Severity,
    concat,
    findings_frame,
    masked,
    row_ranges,
)

ENTRIES = pd.DataFrame(
    {
        "row": [1, 2, 3, 4],
        "domain": ["a.example", "a.example", "b.example", "c.example"],
        "operator_id": ["1", "2", "2", "3"],
        "operator": ["UN", "DEUX", "DEUX", "TROIS"],
    }
)


def test_an_empty_frame_has_every_column_and_dtype():
    empty, full = findings_frame([], ENTRIES), findings_frame([Finding("LIST_ROW_DUPLICATE", (1,))], ENTRIES)
    assert list(empty.columns) == list(COLUMNS)
    assert empty.dtypes.tolist() == full.dtypes.tolist()
    assert empty["severity"].dtype == Severity


def test_domains_and_operator_follow_from_the_rows():
    (record,) = findings_frame([Finding("LIST_ROW_DUPLICATE", (3, 1, 2))], ENTRIES).to_dict("records")
    assert (record["domain"], record["domains"]) == ("a.example", 2)
    assert (record["operator_id"], record["operator"]) == ("2", "DEUX")
    assert (record["evidence"], record["rows"]) == ("1-3", (1, 2, 3))


def test_worst_and_widest_first_also_when_put_together():
    info = findings_frame([Finding("DN_CONCENTRATION", (1, 3, 4))], ENTRIES)
    rest = findings_frame([Finding("DN_ID_LUHN", (1,)), Finding("DN_ID_LUHN", (2, 3))], ENTRIES)
    assert concat([info, rest])["evidence"].tolist() == ["2-3", "1", "1, 3-4"]
    assert concat([]).dtypes.tolist() == info.dtypes.tolist()


def test_only_rules_that_may_name_persons_are_masked():
    raw = findings_frame(
        [
            Finding("CONTACT_NO_PHONE", (1,), observed="Mme FICTIVE Zoé, zoe.fictive@alpha.example"),
            Finding("DN_ID_LUHN", (1,), observed="312345678900012"),
        ],
        ENTRIES,
    )
    shown = masked(raw).set_index("rule")["observed"]
    assert "FICTIVE" not in shown["CONTACT_NO_PHONE"]
    assert "zoe" not in shown["CONTACT_NO_PHONE"]
    assert shown["DN_ID_LUHN"] == "312345678900012"
    assert "FICTIVE" in raw["observed"].iloc[0] + raw["observed"].iloc[1]


@given(st.sets(st.integers(1, 400), min_size=1))
def test_row_ranges_say_exactly_the_rows(rows):
    said = set()
    for part in row_ranges(rows).split(", "):
        first, _, last = part.partition("-")
        said |= set(range(int(first), int(last or first) + 1))
    assert said == rows


def test_a_finding_without_rows_keeps_its_own_evidence():
    frame = findings_frame([Finding("LIST_UNSIGNED", evidence="liste.xml")], ENTRIES)
    assert frame.loc[0, "evidence"] == "liste.xml"
    assert frame.loc[0, "domains"] == 0
    with pytest.raises(LookupError, match="no rule"):
        findings_frame([Finding("NO_SUCH_RULE")], ENTRIES)


def test_a_finding_may_name_domains_and_operator_that_no_row_tells():
    found = Finding(
        "LIST_UNSIGNED", rows=(1,), domains=("z.example", "a.example"), operator_id="9", operator="NEUF"
    )
    (record,) = findings_frame([found], ENTRIES).to_dict("records")
    assert (record["domain"], record["domains"], record["operator_id"], record["operator"]) == (
        "a.example",
        2,
        "9",
        "NEUF",
    )
