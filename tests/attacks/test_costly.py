"""Small registers that would cost much: of cells of one sign, of cells that share one long text."""

import csv
import time
from shutil import copy
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from conftest import CATALOGUE
from openpyxl import Workbook

from mssante_audit import load_declarations
from mssante_audit.audits import FAILED, audit_all
from mssante_audit.base.errors import InputError
from mssante_audit.space.trust import load_space


def test_cells_that_share_a_long_text_are_counted_each(tmp_path):
    book = Workbook()
    for _ in range(100):
        book.active.append([0] * 100)
    book.save(numbers := tmp_path / "numbers.xlsx")
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    part = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'.encode()
    texts = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>%s</t></si></sst>'
    with ZipFile(numbers) as made, ZipFile(file := tmp_path / "register.xlsx", "w", ZIP_DEFLATED) as changed:
        for name in made.namelist():
            content = made.read(name).replace(b't="n"', b't="s"').replace(b"</Types>", part)
            changed.writestr(name, content)
        changed.writestr("xl/sharedStrings.xml", texts % (b"x" * 32_000))
    assert file.stat().st_size < 60_000
    with pytest.raises(InputError, match="larger than 256 MB"):
        load_declarations(file)


@pytest.mark.long
def test_cells_of_blanks_and_dots_cost_no_more_than_others(tmp_path):
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
