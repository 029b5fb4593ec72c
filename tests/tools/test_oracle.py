"""The comparison with Zonemaster, on made-up messages, and the page that a real run wrote."""

from pathlib import Path

from dnscases import CASES, HARD
from dnsresolvers import ADDRESSES

from mssante_audit.findings.registry import catalogue
from tools.oracle import verdicts_table

ROOT = Path(__file__).parents[2]


def test_the_page_is_of_these_cases():
    lines = (ROOT / "docs" / "dns_oracle.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ") for line in lines[lines.index("## Case by case") + 4 :]]
    assert [(r[0].removeprefix("| "), r[1]) for r in rows] == [(case.name, case.what) for case in CASES]
    for row, case in zip(rows, CASES, strict=True):
        assert all(f"`{code}` {catalogue()[code].severity}" in row[3] for code in case.rules)


def test_the_decision_table_is_of_the_hard_cases():
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
