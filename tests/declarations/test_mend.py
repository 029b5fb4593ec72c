"""What `declarations fix` puts right: no digit lost, every cell that changed is told, the rest as it was."""

from __future__ import annotations

import csv
import io

import pytest
from filled import FORM as HANDS
from filled import cases

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
SPREADSHEET = [
    ("structure_id", "750099319.0", "750099319"),
    ("structure_id", "1 759 900 004", "1759900004"),
    ("structure_id", "1759.900.004", "1759900004"),
    ("structure_id", "750 099 319.00", "750 099 319.00"),
    ("structure_id", "75009931.9", "75009931.9"),
    ("structure_id", "7.5E+08", "7.5E+08"),
    ("structure_id", "2A0000001.0", "2A0000001.0"),
    ("contract_number", "123456789.0", "123456789"),
    ("contract_number", "0123 456-789", "0123456789"),
    ("contract_number", "01234.5", "01234.5"),
    ("representative_phone", "199000001.0", "01 99 00 00 01"),
    ("representative_phone", "199000001", "01 99 00 00 01"),
    ("representative_phone", "0199000001 / 02", "0199000001 / 02"),
    ("representative_phone", "+33 (0)1.99.00.00.01", "01 99 00 00 01"),
    ("representative_phone", "+508 41 12 34", "05 08 41 12 34"),
    ("description", "=1+1;\t@b\n'c", "=1+1; @b 'c"),
    ("description", "Version 2.0", "Version 2.0"),
    ("date", "14 mai 2025, Paris", "2025-05-14"),
    ("date", "46082", "2026-03-01"),
    ("date", "31/02/2026", "31/02/2026"),
    ("withdrawal", "*", "*"),
    ("withdrawal", "\\", "\\"),
    ("withdrawal", "oui", "X"),
    ("withdrawal", "néant", ""),
    ("connector_vendor", "néant", ""),
    ("beneficiary_id", "idem", "1759900004"),
    ("beneficiary_id", "cf. ci-contre", "1759900004"),
    ("project_manager_last_name", "cf. ci-contre", "cf. ci-contre"),
    ("dn_igc_cps", "cf. certificat joint", "cf. certificat joint"),
]


def fixed(tmp_path, rows):
    """Return the cells of a register before and after, and the columns and rows that are told of."""
    source, out = tmp_path / "r.csv", tmp_path / "out.csv"
    lines = [FORM, *([row.get(name, "") for name in FORM] for row in rows)]
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows(lines)
    register, done = mended(load_declarations(source))
    write_register(register, out)
    after = list(csv.DictReader(io.StringIO(out.read_bytes().decode("utf-8-sig"), newline="")))
    reported = {(row, mended_cells.column) for mended_cells in done for row in mended_cells.rows}
    reported |= {(int(p.row), p.column) for p in register.problems.dropna(subset=["row"]).itertuples()}
    assert all(line for line in mendings(register, done))
    return [{name: unguarded(cell) for name, cell in row.items()} for row in after], reported


@pytest.mark.parametrize(("column", "before", "after"), SPREADSHEET)
def test_a_cell_is_put_right_or_stays_and_is_told_if_it_changed(tmp_path, column, before, after):
    (row,), reported = fixed(tmp_path, [RIGHT | {column: before}])
    assert row[column] == after
    assert ((2, column) in reported) or before == after


def test_every_cell_that_changed_is_told(tmp_path):
    rows = [*ROWS, *(RIGHT | {column: before} for column, before, _ in SPREADSHEET)]
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
    lines = [FORM, [str(RIGHT.get(name, "")) for name in FORM], FORM, ["Total : 1"]]
    with (tmp_path / "r.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows([*line, *[""] * (len(FORM) - len(line))] for line in lines)
    register, done = mended(load_declarations(tmp_path / "r.csv"))
    assert len(register.declarations) == 1
    with using_language("en"):
        reported = "\n".join(mendings(register, done))
    assert "headings again, no declaration: row 3" in reported
    assert "remark or sum, no declaration: row 4" in reported
