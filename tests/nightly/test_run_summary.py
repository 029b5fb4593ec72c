"""The summary fits a screen whatever happened, and what is new stands at its top."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from mssante_audit.nightly.log import Result
from mssante_audit.nightly.run import Night, _status
from mssante_audit.nightly.steps import TOLD
from mssante_audit.nightly.summary import COLUMNS, LINES, summary

STEPS = ("fetch", "observe", "audit", "reports", "dossiers", "site", "retention", "hooks")
HOSTILE = (
    "ch-a.mssante.fr",
    "x" * 150,
    "<script>",
    "\N{RIGHT-TO-LEFT OVERRIDE}nwp",
    "a\nb\tc\x1b[2J",
    "é\x00",
)


def night(
    new: int,
    fixed: int,
    failed: set[str],
    names: tuple[str, ...] = HOSTILE[:1],
    previous: str = "2026-03-02T06",
    causes: int = 0,
):
    def finding(number: int) -> dict[str, str]:
        return {
            "severity": "critical",
            "rule": "DECL_" + "X" * 20,
            "domain": names[number % len(names)],
            "operator": "o",
        }

    facts = {
        "by_severity": {"critical": 12345, "error": 12345, "warning": 12345, "info": 12345},
        "counts": {"new": new, "open": 23456, "fixed": fixed, "waived": 1234},
        "shown": {"new": new, "open": 23456, "fixed": fixed, "left_out": 12345, "causes": causes},
        "causes": [finding(n) | {"domains": n + 1} for n in range(min(causes, TOLD))],
        "previous": previous,
        "new": [finding(n) for n in range(min(new, TOLD))],
        "fixed": [finding(n) for n in range(min(fixed, TOLD))],
        "list": {"file": "f", "sha256": "s", "generated_at": "2026-03-03T05:30:00+00:00", "rows": 86550,
                 "signature": "valid-untrusted", "damaged": True},
    }  # fmt: skip
    results = {
        step: Result(
            step,
            "failed" if step in failed else "done",
            "a cause, " * 30,
            12345.6,
            facts if step == "audit" and step not in failed else {},
        )
        for step in STEPS
    }
    return Night(
        Path("/srv/output/runs/2026-03-03T060000Z"), "2026-03-03T06:00:00Z", results, 3, resumed=True
    )


@given(
    new=st.integers(0, 200),
    fixed=st.integers(0, 200),
    failed=st.sets(st.sampled_from(STEPS)),
    names=st.permutations(HOSTILE).map(tuple),
    causes=st.integers(0, 200),
    previous=st.sampled_from(["", "2026-03-02T06"]),
)
def test_it_fits_a_screen_whatever_happened(new, fixed, failed, names, causes, previous):
    text = summary(night(new, fixed, failed, names, previous, causes))
    lines = text.split("\n")
    assert len(lines) <= LINES, text
    assert max(len(line) for line in lines if not line.startswith(("SITE", "LOG"))) <= COLUMNS, text
    assert all(line.isprintable() and line.isascii() for line in lines)
    for step in failed:
        assert any(line.startswith(f"FAILED {step}: a cause") for line in lines)


def test_all_that_is_new_and_fixed_is_named_if_there_is_room():
    lines = summary(night(5, 5, set())).split("\n")
    assert lines[0].endswith(": 5 new, 5 fixed, 23456 open, 1234 waived")
    assert lines[1] == "NEW since 2026-03-02: 5"
    assert [line[:12] for line in lines[2:7]] == ["  critical D"] * 5
    assert lines[7] == "FIXED: 5"
    assert len([line for line in lines if "ch-a.mssante.fr" in line]) == 10
    assert "more" not in "".join(lines)


def test_what_there_is_no_room_for_is_counted():
    lines = summary(night(200, 3, set())).split("\n")
    shown = [line for line in lines if "critical DECL" in line]
    assert f"  ... and {200 - len(shown)} more" in lines
    assert len(shown) >= 8
    assert len([line for line in lines if line.startswith("           DECL")]) == 3


def test_nothing_new_is_said():
    lines = summary(night(0, 0, set())).split("\n")
    assert lines[1:3] == ["NEW since 2026-03-02: none", "FIXED: none"]


def test_a_first_run_has_nothing_to_compare_with():
    text = summary(night(3, 3, set(), previous=""))
    assert "37035 findings (first run)" in text  # 12345 of them information and hints
    assert "NEW" not in text


def test_the_first_causes_are_named_where_there_is_room_for_them():
    lines = summary(night(0, 0, set(), previous="", causes=12)).split("\n")
    assert lines[1] == "FIRST of 12 causes:"
    assert [line[:12] for line in lines[2:12]] == ["  critical D"] * 10
    assert lines[2].endswith(" ch-a.mssante.fr")
    assert lines[11].endswith(" ch-a.mssante.fr +9")
    assert lines[12].endswith("12345 info; 12345 not shown")
    crowded = summary(night(50, 50, set(), causes=12))
    assert "FIRST of" not in crowded


def test_what_could_not_be_evaluated_is_said_and_asks_for_status_3():
    told = night(1, 0, set())
    facts = told.results["audit"].facts | {"failed_rules": ["audit a, part b: KeyError: 'x' (b.py:1)", "c"]}
    results = told.results | {"audit": replace(told.results["audit"], facts=facts)}
    assert "INCOMPLETE" not in summary(told)
    lines = summary(replace(told, results=results)).split("\n")
    at = lines.index("INCOMPLETE: 2 parts of audits could not be evaluated (AUDIT_RULE_FAILED)")
    assert lines[at + 1] == "  audit a, part b: KeyError: 'x' (b.py:1)"
    assert _status(SimpleNamespace(fail_on="never"), results) == 3
