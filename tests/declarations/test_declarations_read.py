"""Registers of every format: what is read, flagged and refused; nothing is guessed or dropped."""

import csv
import io
import json
import re
import time
import zipfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import openpyxl
import pandas as pd
import pytest
from conftest import CATALOGUE, toml
from hypothesis import given, settings
from hypothesis import strategies as st

from mssante_audit.base.errors import InputError
from mssante_audit.declarations import read as declarations_read
from mssante_audit.declarations.cells import is_nothing, read_box, read_date, reference
from mssante_audit.declarations.headings import resolve
from mssante_audit.declarations.mend import mended
from mssante_audit.declarations.register import fields, find_register, latest, load_declarations
from mssante_audit.declarations.write import SHEET, template, template_book, write_register

ROW = {
    "contract_number": "0123456789", "structure_name": "CH ALPHA", "structure_id": "1759900004",
    "representative_phone": "01 99 00 00 01", "domain": "ch-alpha.mssante.fr",
    "dn_igc_sante": "CN=mss.alpha.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR", "delegation": "X",
    "date": "01/03/2026",
}  # fmt: skip


CELLS, LAYOUTS = toml("declarations/cells"), toml("declarations/layouts")
REGISTERS = toml("declarations/registers")["register"]
NOTHING = LAYOUTS["lines"]["nothing"]
FORM_LABELS = [f.form for f in fields().values() if f.form]


def kinds(register, missing=False):
    """Problems as (row, column, kind), without those of columns that are not there."""
    problems = register.problems[missing | (register.problems["kind"] != "column-missing")]
    rows = [None if pd.isna(row) else row for row in problems["row"]]
    return list(zip(rows, problems["column"], problems["kind"], strict=True))


def csv_lines(*rows):
    return "".join(";".join(row) + "\n" for row in rows)


def csv_of(*rows, separator=","):
    out = io.StringIO()
    names = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(out, list(names), "", delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@pytest.fixture
def load(tmp_path):
    def write_and_load(content, name="register.csv", **options):
        file = tmp_path / name
        content = bytes_of(content) if isinstance(content, openpyxl.Workbook) else content
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_declarations(file, **options)

    return write_and_load


def xlsx(*rows):
    return book_of([list(rows[0]), *(list(row.values()) for row in rows)])


def book_of(lines):
    book = openpyxl.Workbook()
    for line in lines:
        book.active.append([None if cell == "" else cell for cell in line])
    return book


def bytes_of(book):
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("separator", "encoding"), [(",", "utf-8"), (";", "cp1252"), ("\t", "utf-16"), ("|", "utf-8-sig")]
)
def test_csv_of_any_separator_and_encoding(load, separator, encoding):
    row = ROW | {"postal_address": 'Éléonore, 1 rue "de l\'Œuvre" ; bât. A'}
    register = load(csv_of(row, row, separator=separator).encode(encoding))
    assert register.declarations["postal_address"].tolist() == [row["postal_address"]] * 2
    assert register.declarations["row"].tolist() == [2, 3]
    assert kinds(register) == []


def test_every_format_is_written_and_read_again(load, tmp_path):
    rows = [ROW, ROW | {"representative_phone": "+33 1 99 00 00 01", "domain": "=1+1"}]
    original = load(json.dumps(rows), "a.json")
    for suffix in ("csv", "xlsx", "json", "jsonl"):
        write_register(original.declarations, tmp_path / f"again.{suffix}")
        again = load_declarations(tmp_path / f"again.{suffix}")
        assert kinds(again, missing=True) == []
        same = original.declarations.columns.difference(["file", "row", "date_text"])
        pd.testing.assert_frame_equal(again.declarations[same], original.declarations[same])
    with pytest.raises(InputError, match=r"cannot write a register as '\.ods'"):
        write_register(original.declarations, tmp_path / "a.ods")


def test_nothing_written_is_a_formula(load, tmp_path):
    hostile = load(json.dumps([ROW | {"description": '=HYPERLINK("http://pwned.example/")'}]), "a.json")
    write_register(hostile.declarations, tmp_path / "out.xlsx")
    cells = openpyxl.load_workbook(tmp_path / "out.xlsx")[SHEET].iter_rows(min_row=3)
    assert [c.data_type for row in cells for c in row if str(c.value).startswith("=")] == ["s"]
    write_register(hostile.declarations, tmp_path / "out.csv")
    assert "'=HYPERLINK" in (tmp_path / "out.csv").read_text(encoding="utf-8-sig")


def test_the_template_is_an_empty_register_that_excel_validates(load):
    register = load(template(), "template.xlsx")
    assert register.declarations.empty
    assert kinds(register, missing=True) == []
    assert template() == template()
    sheet = openpyxl.load_workbook(io.BytesIO(template()))[SHEET]
    assert [c.value for c in sheet[1]] == [f.label for f in fields().values()]
    assert [c.value for c in sheet[2]] == [f.help for f in fields().values()]
    checked = {str(v.sqref).split(":")[0][:-1]: v.type for v in sheet.data_validations.dataValidation}
    kind = {openpyxl.utils.get_column_letter(i): f.kind for i, f in enumerate(fields().values(), 1)}
    assert {kind[letter] for letter, check in checked.items() if check == "list"} == {"box"}
    assert {kind[letter] for letter, check in checked.items() if check == "date"} == {"date"}
    assert set(kind.values()) - {kind[letter] for letter in checked} == {"text"}


def test_a_filled_template_keeps_dates_and_drops_the_help(load):
    book = template_book()
    for column, name in enumerate(fields(), 1):
        if name in ROW:
            book[SHEET].cell(3, column, datetime(2026, 3, 1) if name == "date" else ROW[name])
    (row,) = load(book, "filled.xlsx").declarations.to_dict("records")
    assert (row["row"], row["date"], row["domain"]) == (3, pd.Timestamp("2026-03-01"), "ch-alpha.mssante.fr")


def test_a_folder_is_one_register_and_knows_what_each_file_lacks(tmp_path):
    folder = tmp_path / "declarations"
    folder.mkdir()
    (folder / "a.csv").write_text(csv_of(ROW))
    (folder / "b.json").write_text(json.dumps([ROW | {"description": "x"}]))
    register = load_declarations(folder)
    assert register.declarations[["file", "row"]].values.tolist() == [["a.csv", 2], ["b.json", 1]]
    described = register.having(register.declarations, "description")
    assert described["file"].tolist() == ["b.json"]


def test_the_register_of_a_data_folder(tmp_path):
    assert find_register(tmp_path) is None
    with pytest.raises(InputError, match="no declaration here"):
        load_declarations(tmp_path)
    (tmp_path / "declarations.csv").touch()
    assert find_register(tmp_path) == tmp_path / "declarations.csv"
    assert find_register(tmp_path / "declarations.csv") is None
    (tmp_path / "declarations.xlsx").touch()
    with pytest.raises(InputError, match=r"several registers: declarations.csv, declarations.xlsx. Keep one"):
        find_register(tmp_path)


def test_the_forms_own_labels_work_in_the_forms_order():
    headings = resolve(FORM_LABELS, {})
    assert headings.unknown == headings.ambiguous == []
    order = [name for name, f in fields().items() if f.form]
    columns = sorted(headings.fields, key=lambda name: headings.fields[name])
    assert [n for n in columns if n != "signatory"] == [n for n in order if n != "signatory_last_name"]


@pytest.mark.parametrize("case", REGISTERS, ids=[case["name"] for case in REGISTERS])
def test_what_is_read_of_a_small_register_and_told_of_it(load, case):
    register = load(case["text"], case["file"])
    assert kinds(register) == [(row or None, column, kind) for row, column, kind in case["problems"]]
    assert {name: register.declarations[name].tolist() for name in case.get("read", ())} == case.get(
        "read", {}
    )
    assert "values" not in case or {*register.problems["value"]} == {*case["values"]}


def test_headings_of_ones_own(load, tmp_path):
    text, mapping = "Mon domaine,Signé ?\nch-alpha.mssante.fr,oui\n", tmp_path / "columns.toml"
    mapping.write_text('[columns]\n"Mon domaine" = "domain"\n"Signé ?" = "signature_present"\n', "utf-8")
    assert load(text).declarations["signature_present"].tolist() == [True]
    for wrong, message in (
        ('[columns]\n"Mon domaine" = "domian"\n', "'Mon domaine' is mapped to 'domian'.*'domain'"),
        ("columns = 1\n", r"one table, \[columns\]"), ("[columns\n", "not a mapping of columns"),
    ):  # fmt: skip
        mapping.write_text(wrong, "utf-8")
        with pytest.raises(InputError, match=f"columns.toml.*{message}"):
            load(text)


def test_columns_missing_unknown_and_twice(load):
    head = "domain;Remarques;description;Descripsion;description"
    register = load(f"{head}\na.mssante.fr;x;un;z;un\nb.mssante.fr;;un;;deux\n")
    assert kinds(register) == [
        (1, "Remarques", "column-unknown"), (1, "Descripsion", "column-unknown"),
        (1, "description", "column-twice"), (3, "description", "column-differs"),
    ]  # fmt: skip
    asked = {name for name, field in fields().items() if not field.optional}
    assert register.missing["register.csv"] == asked - {"domain", "description"}
    assert "did you mean 'description'?" in " ".join(register.problems["message"])


def test_headings_below_a_title(load):
    book = book_of((["Registre"], [], list(ROW), list(ROW.values())))
    for content, name in ((f"Registre des déclarations\n\n{csv_of(ROW)}", "a.csv"), (book, "a.xlsx")):
        assert load(content, name).declarations["row"].tolist() == [4]


def test_headings_over_two_lines(load):
    for case in LAYOUTS["two_lines"]:
        for content, name in ((csv_lines(*case["rows"]), "r.csv"), (book_of(case["rows"]), "r.xlsx")):
            register = load(content, name)
            assert kinds(register) == []
            (row,) = register.declarations.to_dict("records")
            assert {column: row[column] for column in case["read"]} == case["read"]
            assert row["row"] == 4


def test_the_row_and_the_sheet_with_most_known_headings_win(load):
    register = load(csv_lines(*LAYOUTS["instructions"], list(ROW), list(ROW.values())))
    assert register.declarations["row"].tolist() == [len(LAYOUTS["instructions"]) + 2]
    book = book_of(LAYOUTS["instructions"])
    book.active.title, other = "À lire", book.create_sheet("Registre")
    for row in (list(ROW), list(ROW.values())):
        other.append(row)
    hidden = book.copy_worksheet(other)
    hidden["I1"], hidden.sheet_state = "description", "hidden"
    register = load(book, "r.xlsx")
    assert (register.sheets, register.unread) == ({"r.xlsx": "Registre"}, {"r.xlsx": ("À lire",)})
    assert register.declarations["domain"].tolist() == [ROW["domain"]]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("line", [*NOTHING, *LAYOUTS["lines"]["declaring"]], ids=" ".join)
def test_a_line_that_is_no_declaration_is_one_message_and_any_other_stays(load, line, kind):
    names = ["domain", *(name for name in ROW if name != "domain")]
    right = [ROW[name] for name in names]
    rows = [names, right, [*line, *[""] * (len(names) - len(line))], names, right]
    register = load(csv_lines(*rows) if kind == "csv" else book_of(rows), f"r.{kind}")
    stays = line not in NOTHING
    assert register.declarations["row"].tolist() == [2, *[3] * stays, 5]
    assert kinds(register) == [*[(3, "", "remark")] * (not stays), (4, "", "headings-again")]


def test_what_is_struck_through_is_no_declaration(load):
    book = xlsx(ROW, ROW, ROW | {"domain": "ch-b.mssante.fr"})
    for cell in book.active[3]:
        cell.font = openpyxl.styles.Font(strike=True)
    book.active["H4"].font = openpyxl.styles.Font(strike=True)
    register = load(book, "r.xlsx")
    assert kinds(register) == [(3, "", "struck-row"), (4, "date", "struck-cell")]
    assert register.declarations["row"].tolist() == [2, 4]
    assert register.declarations["date_text"].tolist() == [ROW["date"], ""]
    assert register.lost == {("r.xlsx", 4, "date"): f"#N/A {ROW['date']}"}


def test_a_text_of_which_a_part_is_struck_through_cannot_be_read(load):
    raw, shared = bytes_of(xlsx(ROW)), LAYOUTS["shared"]
    inline = f'"inlineStr"><is><t>{ROW["domain"]}</t></is>'
    changes = {"xl/worksheets/sheet1.xml": (inline, '"s"><v>0</v>'), "[Content_Types].xml": shared["types"]}
    parts = {name: part_of(raw, name).decode().replace(*change) for name, change in changes.items()}
    register = load(rezipped(raw, **parts, **{"xl/sharedStrings.xml": shared["strings"]}), "r.xlsx")
    assert register.lost == {("r.xlsx", 2, "domain"): "#N/A ch-a.fr\nch-b.fr"}


BOXES = {
    True: CELLS["boxes"]["ticked"],
    False: [*CELLS["boxes"]["empty"], " " * 40_000],
    None: [*CELLS["boxes"]["neither"], " " * 40_000 + "?", "\u200b" * 40_000 + "?", "x" * 40_000],
}


@pytest.mark.parametrize(("ticked", "text"), [(tick, text) for tick in BOXES for text in BOXES[tick]])
def test_a_box_is_ticked_or_empty_or_neither(ticked, text):
    assert read_box(text) is ticked


def test_boxes_of_every_type_and_one_that_is_neither(load):
    rows = [ROW | {"delegation": value} for value in (True, 1, "☒", False, 0, None, "peut-être")]
    register = load(json.dumps(rows), "r.json")
    assert register.declarations["delegation"].tolist() == [True] * 3 + [False] * 3 + [pd.NA]
    assert kinds(register) == [(7, "delegation", "box")]
    book = xlsx(*rows)
    assert load(book, "r.xlsx").declarations["delegation"].tolist()[:6] == [True] * 3 + [False] * 3


@pytest.mark.parametrize(
    ("expected", "text"), [(day, text) for day, texts in CELLS["dates"].items() for text in texts]
)
def test_dates(load, expected, text):
    day, kind = read_date(text)
    assert (day.isoformat() if day else kind) == expected
    register = load(csv_of(ROW | {"date": text}))
    assert register.declarations["date_text"].tolist() == [text]
    assert kinds(register) == ([(2, "date", kind)] if kind else [])


def test_the_latest_by_date_counts_and_an_undated_one_is_neither_first_nor_last(load):
    days = ["01/02/2026", "01/03/2026", "01/03/2026", "", "05/03/2026"]
    places = [{"date": day, "domain": domain} for day in days for domain in ("A.mssante.fr", "b.mssante.fr.")]
    register = load(csv_of(*(ROW | place for place in places)))
    as_of = datetime(2026, 3, 3, tzinfo=UTC)
    assert register.at(as_of)["row"].tolist() == [6, 7, 8, 9]
    assert register.until(as_of)["row"].tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    undated = load(csv_of(*(ROW | {"date": "", "structure_name": name} for name in "ab")))
    assert undated.at(as_of)["structure_name"].tolist() == ["a", "b"]
    ids = ["1759900004", "1679900001", "759900004", "FINESS 679900001"]
    shared = load(csv_of(*(ROW | {"date": f"0{n}/01/2026", "structure_id": i} for n, i in enumerate(ids, 1))))
    assert shared.at(as_of)["row"].tolist() == [4, 5], "the latest of each operator"
    nameless = load(csv_of(ROW | {"domain": ""}, ROW | {"domain": ""}))
    assert len(latest(nameless.declarations)) == 2


NO_DOMAIN = r"no column holds the domain; the headings are: a.*Name it 'domain'"


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"", "r.csv", "r.csv: empty file"),
        (b"  \n", "r.json", "empty file"), (b"\xfe\xff", "r.csv", "empty file"),
        (b"sep=;\n\n", "r.csv", "empty file"),
        (b"a,b\n1,2\n", "r.csv", NO_DOMAIN), (b'[{"a": 1}]', "r.json", NO_DOMAIN),
        (xlsx({"a": 1}), "r.xlsx", NO_DOMAIN),
        (b"x", "r.ods", r"unknown kind of file '.ods'. Known are .csv"),
        (b"domain\n\x81\x8d\x00", "r.csv", "neither UTF-8, UTF-16 nor Windows text"),
        (b"domain,a\nx,a\x00b\n", "r.csv", "r.csv, line 2: a NUL character"),
        (b'domain,date\na,"b\n', "r.csv", "r.csv, line 2: not CSV. A quote may not be closed"),
        (b"{", "r.json", "r.json, line 1: not JSON"), (b'"a"', "r.json", "not a list of records"),
        (b"[" * 100_000, "r.json", "nested too deeply"),
        (b"nonsense\n", "r.jsonl", "r.jsonl, line 1: no line is JSON"),
        (b"PK nonsense", "r.xlsx", "not a readable .xlsx"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old", "r.xlsx", "an old .xls, or protected by a password"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_in_one_line(load, content, name, message):
    with pytest.raises(InputError, match=message) as error:
        load(content, name)
    assert "\n" not in str(error.value)


def rezipped(raw, **parts):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(out, "w", 8) as target:
        for name, content in ({name: source.read(name) for name in source.namelist()} | parts).items():
            target.writestr(name, content)
    return out.getvalue()


def part_of(raw, name="xl/worksheets/sheet1.xml"):
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return archive.read(name)


def solved(raw, **results):
    """Put the results of formulas into a workbook, as a spreadsheet does when it saves."""
    content = part_of(raw).decode()
    for place, result in results.items():
        unsolved = rf'(<c r="{place}"[^>]*><f>[^<]*</f>)<v ?(?:/>|></v>)'
        content, count = re.subn(unsolved, rf"\1<v>{result}</v>", content)
        assert count == 1
    return rezipped(raw, **{"xl/worksheets/sheet1.xml": content.encode()})


def test_formulas_give_their_last_value_and_merged_cells_only_the_first(load):
    book = xlsx(ROW, ROW, ROW)
    book.active["B2"] = "=1+1"
    book.active.merge_cells("C2:C3")
    register = load(solved(bytes_of(book), B2=2), "r.xlsx")
    assert kinds(register) == [(2, "structure_name", "formula"), (3, "structure_id", "merged")]
    assert register.declarations["structure_name"].tolist()[0] == "2"
    assert register.declarations["structure_id"].tolist() == [ROW["structure_id"], "", ROW["structure_id"]]
    assert register.having(register.declarations, "structure_id")["row"].tolist() == [2, 4]
    none = register.declarations[:0]
    assert [*register.having(none, "structure_id").columns] == [*none.columns]


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "json"])
def test_a_formula_without_a_result_is_unknown_and_stays(load, tmp_path, suffix):
    formulas = {name: f"=Feuil2!{name}" for name in ROW}
    register = load(xlsx(ROW, ROW | {"domain": "=A2", "delegation": "=B2"}, formulas), "r.xlsx")
    unknown = [(3, "domain"), (3, "delegation"), *((4, name) for name in ROW)]
    assert {(row, column, kind) for row, column, kind in kinds(register)} == {
        (row, column, "formula-unsolved") for row, column in unknown
    }
    assert register.declarations["domain"].tolist() == ["ch-alpha.mssante.fr", "", ""]
    write_register(register, tmp_path / f"again.{suffix}")
    assert "#N/A =A2" in load_declarations(tmp_path / f"again.{suffix}").lost.values()
    again = load_declarations(tmp_path / f"again.{suffix}")
    assert len(again.lost) == len(register.lost) == len(unknown)


def test_macros_are_flagged_and_never_run(load):
    raw = rezipped(bytes_of(xlsx(ROW)), **{"xl/vbaProject.bin": b"not run"})
    register = load(raw, "r.xlsm")
    assert kinds(register) == [(None, "", "macros")]
    assert register.declarations["domain"].tolist() == [ROW["domain"]]


def test_a_zip_bomb_and_a_document_type_are_refused(load, monkeypatch):
    raw = bytes_of(xlsx(ROW))
    with pytest.raises(InputError, match="a zip bomb"):
        load(rezipped(raw, **{"xl/media/a.bin": bytes(40 * 1024 * 1024)}), "r.xlsx")
    dtd = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><sst/>'
    with pytest.raises(InputError, match="declares a document type"):
        load(rezipped(raw, **{"xl/sharedStrings.xml": dtd}), "r.xlsx")
    monkeypatch.setattr("mssante_audit.declarations.xlsx.MAX_BYTES", 1000)
    with pytest.raises(InputError, match=r"larger than \d+ MB"):
        load(raw, "r.xlsx")


def test_no_such_sheet_and_a_named_one(load):
    book = xlsx({"a": 1})
    other = book.create_sheet("Registre")
    for row in (list(ROW), list(ROW.values())):
        other.append(row)
    assert len(load(book, "r.xlsx", sheet="Registre").declarations) == 1
    with pytest.raises(InputError, match=r"no sheet 'X'\. There are: Sheet, Registre"):
        load(book, "r.xlsx", sheet="X")
    with pytest.raises(InputError, match=r"only an .xlsx file has sheets"):
        load(csv_of(ROW), sheet="X")


def test_a_register_at_its_bound_is_counted_in_rows(load, monkeypatch):
    monkeypatch.setattr(declarations_read, "MAX_ROWS", 40)
    rows = [ROW | {"domain": f"ch-{n}.mssante.fr", "description": "sur\ntrois\nlignes"} for n in range(40)]
    assert len(load(csv_of(*rows) + "\n" * 60).declarations) == 40
    many, records = csv_of(*rows, ROW), '{"domain": 1}\n' * 41
    for content, name in ((many, "r.csv"), (f"{many}trop court\n", "r.csv"), (records, "r.jsonl")):
        with pytest.raises(InputError, match=r"more than 40 rows\. A register has one row a declaration"):
            load(content, name)


HEAD = ["domain", "date", "withdrawal", "description", "structure_id", "representative_phone",
        "dn_igc_sante", "Nom, Prénom"]  # fmt: skip


@pytest.mark.parametrize("piece", [" ", "-", "\u200b", "(", "0", "idem "])
def test_a_cell_of_anything_takes_linear_time(load, tmp_path, piece):
    cell = piece * (40_000 // len(piece))
    file = tmp_path / "long.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([HEAD, *[["ch-a.mssante.fr", *[cell] * 7]] * 20])
    start = time.process_time()
    register, _ = mended(load_declarations(file))
    write_register(register, tmp_path / "out.jsonl")
    assert time.process_time() - start < 5  # a quadratic reading would take minutes
    assert register.declarations["withdrawal"].isna().all() == bool(cell.strip(" \t\u200b"))


@pytest.mark.parametrize("ref", ["A1:XFD1048576", "A400:C1048576", "A2:B2"])
def test_many_merged_cells_in_a_small_file_cost_little(load, ref):
    raw = bytes_of(xlsx(*[ROW] * 100))
    content = part_of(raw).decode()
    merges = f'</sheetData><mergeCells>{f"""<mergeCell ref="{ref}"/>""" * 20_000}</mergeCells>'
    raw = rezipped(raw, **{"xl/worksheets/sheet1.xml": content.replace("</sheetData>", merges)})
    start = time.process_time()
    register = load(raw, "r.xlsx")
    assert time.process_time() - start < 5
    assert len(register.declarations) == 100
    many = {"A1:XFD1048576": 100 * len(ROW), "A400:C1048576": 0, "A2:B2": 1}[ref]
    assert kinds(register).count((2, "structure_name", "merged")) == min(many, 1)
    assert len(kinds(register)) == many


@pytest.mark.parametrize("name", ["columns.toml", "scope.toml"])
def test_settings_nested_deep_are_refused_in_one_line(tmp_path, name):
    (tmp_path / "declarations.csv").write_text(csv_of(ROW))
    wrong = '[columns]\n"a" = ["domain"]\n[scope]\nregion = []'
    for text in (f"x = {'[' * 20_000}", f"{'a.' * 20_000}a = 1", wrong):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=name) as refused:
            load_declarations(tmp_path / "declarations.csv")
        assert "\n" not in str(refused.value)


def test_a_cell_at_the_end_of_the_sheet_costs_little(load):
    book = xlsx(ROW)
    book.active["XFD2"] = "far"
    register = load(book, "r.xlsx")
    assert kinds(register) == []
    book.active["A1048576"] = "far"
    with pytest.raises(InputError, match="more than 200,000 rows"):
        load(book, "r.xlsx")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(list(fields())), st.text(max_size=20)), max_size=6))
def test_any_texts_are_read_as_they_are(tmp_path_factory, records):
    file = tmp_path_factory.mktemp("any") / "r.json"
    file.write_text(json.dumps([{"domain": "", **r} for r in records] or [{"domain": ""}]))
    frame = load_declarations(file).declarations
    texts = [n for n, f in fields().items() if f.kind in ("text", "dn", "server", "domain", "email")]
    for record, row in zip(records, frame.to_dict("records"), strict=False):
        for name in set(texts) & set(record):
            text = record[name]
            assert row[name] == text or text.startswith("#") or is_nothing(text) or reference(text)


PIECES = (b'"', b";", b"\n", b"\0", b"'", b"{", b"]", b"\xff\xfe", b"<")


def mutants(raw, seed, count):
    """Yield copies of a file with some bytes changed, dropped, doubled or put in."""
    random = Random(seed)
    for _ in range(count):
        damaged = bytearray(raw)
        for _ in range(random.randint(1, 12)):
            at, kind = random.randrange(len(damaged)), random.random()
            if kind < 0.4:
                damaged[at] = random.randrange(256)
            elif kind < 0.6:
                del damaged[at : at + random.randint(1, 40)]
            elif kind < 0.8:
                damaged[at:at] = random.choice(PIECES) * 2
            else:
                damaged[at:at] = damaged[max(0, at - 50) : at]
        yield bytes(damaged)


@pytest.mark.parametrize("place", LAYOUTS["damaged"])
def test_damage_anywhere_ends_in_one_clear_line_or_a_register(load, place):
    if (CATALOGUE / place).is_file():
        raw = (CATALOGUE / place).read_bytes()
        name, damaged = Path(place).name, mutants(raw if place.endswith("pdf") else raw[:6000], 7, 25)
    else:
        name, raw = "r.xlsx", bytes_of(xlsx(ROW, ROW))
        damaged = (rezipped(raw, **{place: part}) for part in mutants(part_of(raw, place), 7, 12))
    for content in damaged:
        with suppress(InputError):
            load(content, name)
