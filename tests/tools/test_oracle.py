"""The comparison with Zonemaster, on made-up messages, and the page that a real run wrote."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from dnscases import CASES, Case
from dnshard import HARD
from dnsresolvers import ADDRESSES

from mssante_audit.findings.registry import catalogue

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("oracle", ROOT / "tools" / "oracle.py")
assert spec
assert spec.loader
oracle = sys.modules["oracle"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)
verdicts_table = oracle.verdicts_table

CASE = (Case("sain", "clean"), Case("muet", "one is silent", ("DNS_SERVER_SILENT",)))
REASONS = oracle.Reasons(
    {"DNS_SERVER_SILENT": ["NO_RESPONSE"]}, {}, {"SLOW": "we wait"}, {"NO_IPV6": "not asked"}
)
OURS = {"sain": set(), "muet": {"DNS_SERVER_SILENT"}}
THEIRS = {
    "sain": {"NO_IPV6": "NOTICE"},
    "muet": {"NO_IPV6": "NOTICE", "NO_RESPONSE": "WARNING", "SLOW": "NOTICE"},
}


def test_the_same_thing_needs_no_reason_and_a_difference_has_its_own() -> None:
    rows, wrong = oracle.compare(CASE, OURS, THEIRS, REASONS)
    assert wrong == []
    assert [(row.theirs, row.why) for row in rows] == [
        ({}, []), ({"NO_RESPONSE": "WARNING", "SLOW": "NOTICE"}, ["we wait"]),
    ]  # fmt: skip
    page = oracle.table(rows, THEIRS["sain"], REASONS, "Zonemaster 0")
    assert "| `NO_IPV6` | NOTICE | not asked |" in page
    seen = "warning `NO_RESPONSE`; notice `SLOW` | `DNS_SERVER_SILENT` error"
    assert f"| muet | one is silent | {seen} | we wait |" in page


@pytest.mark.parametrize(
    ("ours", "theirs", "reasons", "wrong"),
    [
        ({}, {}, {"theirs": {}}, "muet: no reason for SLOW"),
        ({}, {}, {"clean": {}}, "clean zones: no reason for Zonemaster's NO_IPV6"),
        ({}, {"muet": {"SLOW": "NOTICE"}}, {}, "muet: no reason for DNS_SERVER_SILENT"),
        ({}, {}, {"ours": {"DNS_NO_MX": "x"}}, "a reason for what does not happen: ours DNS_NO_MX"),
        ({}, {}, {"same": {"DNS_SERVER_SILENT": ["NO_RESPONSE", "GONE"]}},
         "a reason for what does not happen: same GONE"),
        ({"muet": set()}, {}, {}, "muet: we see [] instead of ['DNS_SERVER_SILENT']"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(ours: dict, theirs: dict, reasons: dict, wrong: str) -> None:
    assert wrong in oracle.compare(CASE, OURS | ours, THEIRS | theirs, replace(REASONS, **reasons))[1]


def test_without_zonemaster_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(oracle.shutil, "which", lambda name: None)
    assert oracle.main(tmp_path / "page.md", tmp_path / "verdicts.md") == 2
    assert "apt-get install --no-install-recommends zonemaster-cli" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_page_is_of_these_cases() -> None:
    lines = (ROOT / "docs" / "dns_oracle.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ") for line in lines[lines.index("## Case by case") + 4 :]]
    assert [(r[0].removeprefix("| "), r[1]) for r in rows] == [(case.name, case.what) for case in CASES]
    for row, case in zip(rows, CASES, strict=True):
        assert all(f"`{code}` {catalogue()[code].severity}" in row[3] for code in case.rules)


def test_the_decision_table_is_of_the_hard_cases() -> None:
    """What the page says is what tests hold: the cases, our answer and our findings."""
    page = (ROOT / "docs" / "dns_verdicts.md").read_text(encoding="utf-8")
    table = page.partition(verdicts_table.BEGIN)[2].partition(verdicts_table.END)[0]
    rows = [line[2:-2].split(" | ") for line in table.splitlines() if line.startswith("| ")][2:]
    expected = [(f"`{case.name}`: {case.what}", case.receives) for case in HARD]
    assert [(row[0], row[1].partition(" (")[0]) for row in rows] == expected
    for row, case in zip(rows, HARD, strict=True):
        assert row[2] == ", ".join(f"`{code}`" for code in sorted(case.rules))
        if case.reached is not None:
            most, *others = row[3].split("; ")
            seen = dict.fromkeys(ADDRESSES, most) | dict(other.split(": ") for other in others)
            arrives = tuple(name for name in ADDRESSES if seen[name] == "arrives")
            assert arrives == case.reached


def test_a_table_takes_the_place_of_the_one_before() -> None:
    first = verdicts_table.written("# Page\n\nWords.\n", ["| old |"], "BIND 9")
    assert first.startswith("# Page\n\nWords.\n\n## Case by case\n")
    second = verdicts_table.written(f"{first}\nAfter.\n", ["| new |"], "BIND 10")
    assert "| new |" in second
    assert "After." in second
    assert "old" not in second
    assert second.count(verdicts_table.BEGIN) == 1
