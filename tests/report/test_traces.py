"""What tells of the machine or the moment goes; what tells of the list stays."""

import copy
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from mssante_audit.report.traces import clean, take_results

ROOTS = [Path("/home/somebody/lists"), Path("/home/somebody"), Path("/tmp"), Path("/")]
ID = "itables_6f1e7c3e_9c53_4a7d_8f0b_9b1f2f3c4d5e"


def cleaned(*cells, debug=False, parameters=None):
    return clean(v4.new_notebook(cells=list(cells)), ROOTS, parameters or {}, debug=debug)


def told(text, mime="text/html", **options):
    output = v4.new_output("display_data", {mime: text})
    made = cleaned(v4.new_code_cell("x", outputs=[output]), **options)
    return made.cells[0].outputs[0].data[mime]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("read /home/somebody/lists/real.xml.", "read real.xml."),
        ("(/home/somebody/lists)", "()"),
        ("'/tmp/x/y'", "'x/y'"),
        ("/home/somebodyelse/x", "/home/somebodyelse/x"),
        ("https://example.invalid/tmp/x", "https://example.invalid/tmp/x"),
        ("src='data:image/png;base64,AA/tmp/BB+/tmp/='", "src='data:image/png;base64,AA/tmp/BB+/tmp/='"),
        ("<script>'/tmp/x'</script>/tmp/x", "<script>'/tmp/x'</script>x"),
        ("<object at 0x7f00aabbccdd>", "<object at 0x0>"),
        (f"<table id='{ID}'>#{ID}", "<table id='itables_1'>#itables_1"),
        ("ch-valfictif.mssante.fr 1/2/3 06/39/98", "ch-valfictif.mssante.fr 1/2/3 06/39/98"),
    ],
)
def test_paths_addresses_and_random_names_go(text, left):
    assert told(text) == left


def test_images_are_left_alone():
    assert told("/tmp/", "image/png") == "/tmp/"


def test_values_inside_json_are_cleaned_too():
    assert told({"a": ["/tmp/x", 1, None]}, "application/json") == {"a": ["x", 1, None]}


def test_metadata_ids_and_times_go():
    cell = v4.new_code_cell("x", metadata={"tags": ["parameters"], "papermill": {"start_time": "now"}})
    before = v4.new_notebook(cells=[cell], metadata={"papermill": {"input_path": "/home/x"}})
    made = clean(copy.deepcopy(before), ROOTS, {}, debug=False)
    assert made.cells[0].metadata == {"tags": ["parameters"]}
    assert made.cells[0].id == "cell-001"
    assert set(made.metadata) == {"kernelspec", "language_info"}
    nbformat.validate(made)
    assert clean(copy.deepcopy(before), ROOTS, {}, debug=False) == made


def test_injected_values_are_those_to_be_shown():
    cell = v4.new_code_cell('data = "/home/somebody/x"', metadata={"tags": ["injected-parameters"]})
    assert (
        cleaned(cell, parameters={"data": "x", "recover": True}).cells[0].source
        == "data = 'x'\nrecover = True"
    )


def test_error_messages_and_warnings_only_stay_for_debugging():
    outputs = [
        v4.new_output("stream", name="stderr", text="Zoé DURAND"),
        v4.new_output("error", ename="E", evalue="Zoé DURAND", traceback=["Zoé DURAND"]),
    ]
    mark = v4.new_markdown_cell("papermill's", metadata={"tags": ["papermill-error-cell-tag"]})
    cell = v4.new_code_cell("x", outputs=outputs)
    made = cleaned(mark, copy.deepcopy(cell))
    assert len(made.cells) == 1
    assert "DURAND" not in nbformat.writes(made)
    assert nbformat.writes(cleaned(copy.deepcopy(cell), debug=True)).count("DURAND") == 3


def test_a_notebook_without_results_has_none():
    assert take_results(v4.new_notebook(cells=[v4.new_code_cell("x")])) is None
