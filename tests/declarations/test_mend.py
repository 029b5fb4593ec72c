"""What `declarations fix` puts right: no digit lost, every cell that changed is told, the rest as it was."""

import csv
import io

import pytest
from conftest import toml
from filled import FORM as HANDS
from filled import cases
from openpyxl import load_workbook

from mssante_audit.audits.declarations.messages import mendings
from mssante_audit.base.export import unguarded
from mssante_audit.base.language import using_language
from mssante_audit.declarations.headings import fields
from mssante_audit.declarations.mend import mended
from mssante_audit.declarations.register import load_declarations
from mssante_audit.declarations.write import write_register

ROWS = [case.filled(HANDS["form"], cells) for case in cases() for cells in case.declared]
"""Every declaration of the register that hands filled."""
FORM = [name for name in fields() if name in {column for row in ROWS for column in row}]
RIGHT = ROWS[0] | {"structure_id": "1759900004", "withdrawal": ""}
CELLS = toml("declarations/cells")["fix"]["mended"]


def mended_of(folder, *lines):
    """Return a register of these lines, mended, and what was."""
    with (folder / "r.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows([FORM, *lines])
    return mended(load_declarations(folder / "r.csv"))


def fixed(tmp_path, rows):
    """Return the cells of a register before and after, and the columns and rows that are told of."""
    out = tmp_path / "out.csv"
    register, done = mended_of(tmp_path, *([row.get(name, "") for name in FORM] for row in rows))
    write_register(register, out)
    after = list(csv.DictReader(io.StringIO(out.read_bytes().decode("utf-8-sig"), newline="")))
    reported = {(row, mended_cells.column) for mended_cells in done for row in mended_cells.rows}
    reported |= {(int(p.row), p.column) for p in register.problems.dropna(subset=["row"]).itertuples()}
    assert all(line for line in mendings(register, done))
    return [{name: unguarded(cell) for name, cell in row.items()} for row in after], reported


@pytest.mark.parametrize(("column", "before", "after"), CELLS)
def test_a_cell_is_put_right_or_stays_and_is_told_if_it_changed(tmp_path, column, before, after):
    (row,), reported = fixed(tmp_path, [RIGHT | {column: before}])
    assert row[column] == after
    assert ((2, column) in reported) or before == after


def test_every_cell_that_changed_is_told(tmp_path):
    rows = [*ROWS, *(RIGHT | {column: before} for column, before, _ in CELLS)]
    after, reported = fixed(tmp_path, rows)
    changed = {
        (number, name)
        for number, (old, new) in enumerate(zip(rows, after, strict=True), 2)
        for name in FORM
        if str(old.get(name, "")) != new[name]
    }
    assert changed <= reported
    assert len(changed) > len(rows)


def test_lines_that_are_no_declarations_are_told_when_they_go(tmp_path):
    total = ["Total : 1", *[""] * (len(FORM) - 1)]
    register, done = mended_of(tmp_path, [str(RIGHT.get(name, "")) for name in FORM], FORM, total)
    assert len(register.declarations) == 1
    with using_language("en"):
        reported = "\n".join(mendings(register, done))
    assert "headings again, no declaration: row 3" in reported
    assert "remark or sum, no declaration: row 4" in reported


def test_no_heading_or_cell_of_a_workbook_becomes_a_formula(tmp_path):
    """A heading that is no field's is written again: it may start as a formula, or hold what no XML does."""
    (tmp_path / "r.csv").write_text("domain;=1+1;@\x0b\na.mssante.fr;=2+2;+3\n", encoding="utf-8")
    register, _ = mended(load_declarations(tmp_path / "r.csv"))
    write_register(register, tmp_path / "out.xlsx")
    cells = [cell for row in load_workbook(tmp_path / "out.xlsx").active.iter_rows() for cell in row]
    assert [cell.value for cell in cells if cell.data_type == "f"] == []
    assert {"=1+1", "=2+2", "+3"} <= {cell.value for cell in cells}
