"""What tells of the machine or the moment goes; what tells of the list stays."""

import copy
from pathlib import Path

import nbformat
import pytest
from conftest import toml
from nbformat import v4

from mssante_audit.report.page import cleaned
from mssante_audit.report.run import Job

CASES = toml("report/outcome")

JOB = Job("x", b"", {"data": "/home/somebody/lists/real"}, {"data": "data/real"})
ROOTS = [Path("/home/somebody/lists"), Path("/home/somebody"), Path("/tmp"), Path("/")]


def clean(*cells, job=JOB, debug=False):
    return cleaned(v4.new_notebook(cells=copy.deepcopy(list(cells))), job, ROOTS, debug=debug)


def shown(text, mime="text/html"):
    output = v4.new_output("display_data", {mime: text})
    return clean(v4.new_code_cell("x", outputs=[output])).cells[0].outputs[0].data[mime]


@pytest.mark.parametrize(("text", "left"), CASES["paths"])
def test_paths_go(text, left):
    assert shown(text) == left
    assert shown({"a": [text, 1, None]}, "application/json") == {"a": [left, 1, None]}


def test_metadata_ids_and_times_go():
    cell = v4.new_code_cell("x", metadata={"tags": ["parameters"], "papermill": {"start_time": "now"}})
    before = clean(cell)
    assert (before.cells[0].metadata, before.cells[0].id) == ({"tags": ["parameters"]}, "cell-001")
    assert set(before.metadata) == {"kernelspec", "language_info"}
    nbformat.validate(before)


def test_injected_values_are_those_to_be_shown():
    cell = v4.new_code_cell('data = "/home/somebody/x"', metadata={"tags": ["injected-parameters"]})
    job = Job("x", b"", {"data": "/home/somebody/x", "recover": True}, {})
    assert clean(cell, job=job).cells[0].source == "data = 'x'\nrecover = True"


def test_error_messages_and_warnings_only_stay_for_debugging():
    error = v4.new_output("error", ename="E", evalue="Zoé DURAND", traceback=["Zoé DURAND"])
    cell = v4.new_code_cell("x", outputs=[v4.new_output("stream", name="stderr", text="Zoé DURAND"), error])
    assert "DURAND" not in nbformat.writes(clean(cell))
    assert nbformat.writes(clean(cell, debug=True)).count("DURAND") == 3
