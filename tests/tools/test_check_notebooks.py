import pytest

from tools import check_notebooks


def code(source, **fields):
    cell = {"cell_type": "code", "source": source, "outputs": [], "execution_count": None, "metadata": {}}
    return cell | fields


def notebook(*cells, **metadata):
    title = {"cell_type": "markdown", "source": ["# Titre\n"], "metadata": {}}
    parameters = code("a = 1", metadata={"tags": ["parameters"]})
    return {"cells": [title, parameters, *cells, code("record(a)")], "metadata": metadata}


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (code("def f(): pass"), "defines a function"), (code("f = lambda: 1"), "defines a function"),
        (code("p = '/home/me/list.xml'"), "absolute path"), (code("p = 'C:\\\\list.xml'"), "absolute path"),
        (code("u = 'https://liste.example'"), "address"), (code("import httpx"), "network"),
        (code("from urllib.request import urlopen"), "network"),
        (code("1", execution_count=3), "execution count"), (code("1", outputs=[{}]), "outputs"),
    ],
)  # fmt: skip
def test_what_a_cell_may_not_have(cell, words):
    (defect,) = check_notebooks.notebook_defects(notebook(cell))
    assert words in defect


def test_title_and_metadata():
    bare = {"cells": [code("1")], "metadata": {"papermill": {}}}
    assert len(check_notebooks.notebook_defects(bare)) == 2


def test_a_report_has_parameters_and_records_and_a_notebook_to_read_has_neither():
    report = notebook()
    title, parameters, record = report["cells"]
    for cells, defects in (
        ([title, parameters, code("b = 'data/sample'"), record], []), ([title, code("1")], []),
        ([title, record], ["no cell is tagged"]), ([title, parameters], ["does not record"]),
    ):  # fmt: skip
        faults = check_notebooks.notebook_defects(report | {"cells": cells})
        assert [text in defect for text, defect in zip(defects, faults, strict=True)] == [True] * len(defects)
