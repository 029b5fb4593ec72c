"""A small register whose cells are of one sign: audited in linear time."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from shutil import copy

import pytest
from conftest import CATALOGUE

from mssante_audit.audits import FAILED, audit_all
from mssante_audit.space.trust import load_space


@pytest.mark.long
def test_cells_of_blanks_and_dots_cost_no_more_than_others(tmp_path: Path) -> None:
    copy(max((CATALOGUE / "archive").glob("*.xml.gz")), tmp_path)
    with (CATALOGUE / "declarations.csv").open(encoding="cp1252", newline="") as file:
        headings, usual, *_ = csv.reader(file, delimiter=";")
    with (tmp_path / "declarations.csv").open("w", encoding="utf-8", newline="") as file:
        written = csv.writer(file, delimiter=";")
        written.writerows((headings, usual))
        for signs in (" ", ".", "\n", "\t", ";", " ,", "x-"):
            cell = f"x{signs * (30_000 // len(signs))}!"
            written.writerows(([cell] * len(usual), [usual[0], *[cell] * (len(usual) - 1)]))
    began = time.process_time()
    assert FAILED not in set(audit_all(load_space(tmp_path, as_of="2026-03-03"))["rule"])
    assert time.process_time() - began < 60
