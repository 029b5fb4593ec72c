"""Frames to files: nothing a formula, nothing lost, nothing half-written."""

import csv
import io
import json
import os
import re
import stat
import subprocess
import sys

import openpyxl
import pandas as pd
import pytest
from conftest import toml
from hypothesis import given
from hypothesis import strategies as st

from mssante_audit.base import export
from mssante_audit.base.errors import OutputError
from mssante_audit.base.export import WRITERS, unguarded
from mssante_audit.values.person import Person

FORMULAS = toml("base/texts")["formulas"]
SPLIT = [*FORMULAS, *toml("base/texts")["split"]]


def written(frame, path):
    WRITERS[path.suffix[1:]](frame, path)
    return path


def read_xlsx(path):
    sheet = openpyxl.load_workbook(path).active
    return [[cell.value for cell in row] for row in sheet.iter_rows()], sheet


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_no_cell_of_a_csv_starts_like_a_formula_wherever_it_is_split(separator):
    text = export.csv_text(pd.DataFrame({"=name": SPLIT, "b": "b"}))
    for line in re.split("[\r\n]", text):  # as a reader does that does not see the quotes
        for cell in line.split(separator):
            bare = cell.lstrip(' "\u200b\ufeff\x00\u2066\u3164\u061c\uffa0')
            assert not bare.startswith(tuple("=+-@＝＋－＠\u2212")), line
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [unguarded(row[0]) for row in rows] == ["=name", *SPLIT]


@given(st.lists(st.text() | st.text(st.sampled_from("=+-@＝;\t\r\n '\"ax")), min_size=1, max_size=5))
def test_whatever_the_texts_a_csv_gives_them_back(texts):
    text = export.csv_text(pd.DataFrame({"a": pd.Series(texts, dtype="object")}))
    back = [row[0] if row else "" for row in csv.reader(io.StringIO(text, newline=""))][1:]
    assert [unguarded(b) for b in back] == texts
    assert not any(b[:1] in tuple("=+-@\t\r\n＝＋－＠") and b for b in back)


def test_numbers_stay_numbers_and_missing_stays_empty():
    frame = pd.DataFrame({"n": [-1, 2], "x": [1.5, None], "b": [True, False], "t": ["a", None]})
    assert export.csv_text(frame) == "n,x,b,t\n-1,1.5,True,a\n2,,False,\n"
    assert json.loads(export.json_text(frame))[1] == {"n": 2, "x": None, "b": False, "t": None}


def test_rows_instants_and_categories_come_out_readable(tmp_path):
    at = pd.to_datetime(["2026-03-02T05:30:00Z", None], utc=True)
    frame = pd.DataFrame({"domains": [(1, 2), ()], "at": at, "severity": pd.Categorical(["info", "error"])})
    first = {"domains": [1, 2], "at": "2026-03-02T05:30:00+00:00", "severity": "info"}
    assert json.loads(export.json_text(frame))[0] == first
    assert export.csv_text(frame).splitlines()[1] == "1 2,2026-03-02T05:30:00+00:00,info"
    values, _ = read_xlsx(written(frame, tmp_path / "a.xlsx"))
    assert values[1:] == [["1 2", "2026-03-02T05:30:00+00:00", "info"], [None, None, "error"]]


FINDINGS = pd.DataFrame(
    {
        "severity": pd.Categorical(["error", "info"], ["info", "warning", "error"], ordered=True),
        "subject": pd.Series([("a", "b"), ()], dtype="object"),
        "rows": pd.Series([(1, 2), ()], dtype="object"),
        "facts": pd.Series([{"n": 1, "who": Person("zoe@x.example")}, {}], dtype="object"),
    }
)


def test_what_no_cell_holds_is_left_out_of_tables_and_is_json_elsewhere(tmp_path):
    counted = pd.DataFrame({"domain": ["a"], "rows": [3]})
    assert export.csv_text(counted) == "domain,rows\na,3\n", "numbers are told"
    assert export.csv_text(FINDINGS) == "severity\nerror\ninfo\n"
    assert read_xlsx(written(FINDINGS, tmp_path / "a.xlsx"))[0] == [["severity"], ["error"], ["info"]]
    facts = {"n": 1, "who": "z•••@x.example"}
    assert json.loads(export.json_text(FINDINGS))[0]["facts"] == facts
    back = pd.read_parquet(written(FINDINGS, tmp_path / "a.parquet"))
    assert [(name, str(dtype)) for name, dtype in back.dtypes.items()] == [
        ("severity", "str"), ("rank", "int64"), ("subject", "str"), ("rows", "str"), ("facts", "str"),
    ]  # fmt: skip
    assert back["rank"].tolist() == [2, 0]
    assert [*map(json.loads, back.loc[0, ["subject", "rows", "facts"]])] == [["a", "b"], [1, 2], facts]
    none = pd.read_parquet(written(FINDINGS.iloc[:0], tmp_path / "none.parquet"))
    assert none.columns.tolist() == back.columns.tolist()


def test_what_a_parquet_or_an_xlsx_refuses_is_shown_as_an_escape(tmp_path):
    frame = pd.DataFrame({"a": pd.Series(["x\ud800y", None, "b"], dtype="object")})
    back = pd.read_parquet(written(frame, tmp_path / "a.parquet"))["a"]
    assert back.fillna("–").tolist() == ["x\\ud800y", "–", "b"]
    frame = pd.DataFrame({"a": ["a\x00b\x1f\ufffe", "_x0041_", "x" * 40_000]})
    (_, refused, escaped, (cut,)), _ = read_xlsx(written(frame, tmp_path / "a.xlsx"))
    assert (refused, escaped) == (["a\\x00b\\x1f\\xfffe"], ["_x005F_x0041_"])
    assert len(cut) == export.XLSX_TEXT
    assert cut.endswith("x… [coupé : 40000 caractères]")


def test_every_text_of_an_xlsx_is_a_text_even_when_edited(tmp_path):
    values, sheet = read_xlsx(written(pd.DataFrame({"=name": FORMULAS}), tmp_path / "a.xlsx"))
    assert [cell.data_type for row in sheet.iter_rows() for cell in row] == ["s"] * (1 + len(FORMULAS))
    assert all(cell.quotePrefix for row in sheet.iter_rows() for cell in row)
    assert [row[0] for row in values[1:]] == FORMULAS


def test_too_many_rows_for_a_sheet_are_refused_not_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr("mssante_audit.base.export.XLSX_ROWS", 3)
    WRITERS["xlsx"](pd.DataFrame({"a": [1, 2]}), tmp_path / "a.xlsx")
    with pytest.raises(OutputError, match=r"3 rows do not fit a sheet\. Write them as csv"):
        WRITERS["xlsx"](pd.DataFrame({"a": [1, 2, 3]}), tmp_path / "a.xlsx")


def test_a_csv_starts_with_the_mark_that_excel_wants(tmp_path):
    export.write_csv(pd.DataFrame({"é": ["à"]}), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == b"\xef\xbb\xbf" + "é\nà\n".encode()
    assert pd.read_csv(tmp_path / "a.csv")["é"].tolist() == ["à"]


def test_an_empty_frame_has_its_header(tmp_path):
    frame = pd.DataFrame(columns=["a", "b"])
    assert (export.csv_text(frame), export.json_text(frame)) == ("a,b\n", "[]\n")
    assert read_xlsx(written(frame, tmp_path / "a.xlsx"))[0] == [["a", "b"]]


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_cannot_be_written_is_one_clear_error(tmp_path, suffix):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"a\..+: cannot be written: not a directory. Free"):
        written(pd.DataFrame({"a": [1]}), tmp_path / "file" / f"a.{suffix}")


FULL = """
import resource, sys
from pathlib import Path
import pandas as pd
from mssante_audit.base.errors import OutputError
from mssante_audit.base.export import WRITERS
frame = pd.DataFrame({"a": [f"{n * 7919 % 100003:x}" for n in range(20_000)]})
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
for path in map(Path, sys.argv[1:]):
    try:
        WRITERS[path.suffix[1:]](frame, path)
    except OutputError as error:
        print(error)
"""


def test_a_full_disk_leaves_what_was_there(tmp_path):
    paths = [tmp_path / f"a.{suffix}" for suffix in WRITERS]
    for path in paths:
        path.write_text("before")
    command = [sys.executable, "-c", FULL, *paths]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == len(paths) > 3
    for line in lines:
        assert re.fullmatch(r".+: cannot be written: (file too large|no room .+)\. Free .+", line)
    assert {path.read_text() for path in paths} == {"before"}
    assert {*tmp_path.iterdir()} == {*paths}


def test_a_file_is_replaced_whole_and_readable_by_others(tmp_path):
    path = tmp_path / "a.txt"
    export.write_bytes(path, b"one")
    export.write_bytes(path, b"two")
    umask = os.umask(0)
    os.umask(umask)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two", 0o666 & ~umask)


def test_a_state_file_is_synced_before_it_is_renamed_and_its_folder_after(tmp_path, monkeypatch):
    from mssante_audit.base.state import write_state

    done, fsync, replace = [], os.fsync, os.replace

    def note(event, act):
        def noted(*arguments):
            kind = "folder" if event == "synced" and stat.S_ISDIR(os.fstat(arguments[0]).st_mode) else "file"
            done.append(f"{kind} {event}")
            act(*arguments)

        return noted

    monkeypatch.setattr(os, "fsync", note("synced", fsync))
    monkeypatch.setattr(os, "replace", note("renamed", replace))
    write_state(tmp_path / "state.json", 1, {"a": 1})
    assert done == ["file synced", "file renamed", "folder synced"]
