"""Cells run in a fork put out what they put out in a kernel."""

import json
from pathlib import Path

import nbformat
import pytest
from papermill.exceptions import PapermillExecutionError
from papermill.execute import execute_notebook

from mssante_audit.base.resources import resource
from mssante_audit.dossiers.batch import Order, run_batch
from mssante_audit.dossiers.forks import AVAILABLE
from mssante_audit.report.jobs import Job, find_notebooks, plan
from mssante_audit.report.kernel import quiet

FILES = Path(__file__).parent / "files"
AS_OF = "2026-03-03T06:00:00Z"
pytestmark = pytest.mark.skipif(not AVAILABLE, reason="no process can be forked here")

CELLS = {
    "results": ["1 + 1", "None", "_ * 2, Out[1]", "x = 3; x;", "", "[(1, 2), {3: b'4'}]"],
    "streams": [
        "import sys\nprint('a')\nprint('b', file=sys.stderr)\nprint('c')\n'd'",
        "import os, time\nprint('own')\nos.system('echo another')\ntime.sleep(0.5)",
        "!echo shell",
        "%%bash\necho 'a magic'",
    ],
    "displays": [
        "from IPython.display import HTML, Markdown, display, clear_output, update_display\n"
        "display(HTML('<b>é</b>'), Markdown('**m**'))\n'end'",
        "handle = display('first', display_id=True)\nprint('between')",
        "handle.update('second')",
        "handle.display('third')\nhandle.update('fourth')",
        "print('gone')\ndisplay('gone')\nclear_output()\nprint('kept')",
        "print('gone')\nclear_output(wait=True)\nprint('kept')\nclear_output(wait=True)",
        "class Rich:\n"
        "    def _repr_mimebundle_(self, include=None, exclude=None):\n"
        "        return {'application/x-own+json': {'t': (1, 2), 'n': None}, 'text/plain': 'rich'}, "
        "{'application/x-own+json': {'m': 1}}\nRich()",
    ],
    "figures": [
        "import matplotlib.pyplot as plt\nfig, ax = plt.subplots(figsize=(2, 1))\nax.plot([1, 2]);",
        "plt.plot([1, 3])\nplt.show()\n'after'",
        "fig",
        "%config InlineBackend.figure_formats = ['svg']",
    ],
    "frames": [
        "import pandas as pd\npd.DataFrame({'a': ['x' * 60, None], 'b': [1.5, 2]})",
        "print(pd.DataFrame({name: range(3) for name in 'abcdefghijklmnopqrstuvwxyz'}))",
        "pd.Series(['é'])",
    ],
    "waiting": ["import asyncio\nawait asyncio.sleep(0.01)\n'awaited'"],
    "classes": ["import pickle\nclass Own:\n    pass\ntype(pickle.loads(pickle.dumps(Own()))).__module__"],
    "failing": ["print('before')\n1 / 0", "print('never')"],
    "mistaken": ["x = = 1"],
    "leaving": ["print('before')\nimport sys\nsys.exit(3)"],
    "allowed": [("int('a')", ["raises-exception"]), "print('after')"],
}


def made(cells) -> nbformat.NotebookNode:
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    for cell in cells:
        source, tags = (cell, []) if isinstance(cell, str) else cell
        notebook.cells.append(nbformat.v4.new_code_cell(source, metadata={"tags": tags}))
    return notebook


def told(notebook):
    """Return what cells put out, without what the two must not share: places in tracebacks."""
    cells = []
    for cell in notebook.cells:
        if "papermill-error-cell-tag" in cell.metadata.get("tags", []):
            continue
        outputs = json.loads(json.dumps(cell.outputs))
        for output in outputs:
            output.pop("traceback", None)
            if output.get("name") == "stderr":
                output["text"] = output["text"].partition("UserWarning")[2] or output["text"]
        cells.append((cell.execution_count, outputs))
    return cells


@pytest.mark.parametrize("name", CELLS)
def test_cells_put_out_what_a_kernel_puts_out(name, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # with it, ipykernel does not watch its file descriptors
    nbformat.write(made(CELLS[name]), tmp_path / "in.ipynb")
    results = {}
    for engine in ("mssante-fork", None):
        done = tmp_path / f"{engine}.ipynb"
        try:
            with quiet():
                execute_notebook(
                    tmp_path / "in.ipynb", done, engine_name=engine, progress_bar=False, cwd=tmp_path
                )
            error = None
        except PapermillExecutionError as raised:
            error = raised.ename, raised.evalue
        results[engine] = error, told(nbformat.read(done, as_version=4))
    assert results["mssante-fork"][0] == results[None][0]
    for mine, kernels in zip(results["mssante-fork"][1], results[None][1], strict=True):
        assert mine == kernels
    assert any(outputs for _, outputs in results[None][1])


def test_every_report_is_the_same_by_either_engine(sample_run):
    jobs = plan(find_notebooks((), resource("notebooks")), {"as_of": AS_OF})
    seen = set()
    for report in run_batch(jobs, workers=2):
        assert report.failure is None
        for suffix in (".html", ".ipynb"):
            assert report.files[suffix] == (sample_run.out / f"{report.name}{suffix}").read_bytes(), (
                report.name
            )
        seen.add(report.name)
    assert seen == {outcome.name for outcome in sample_run.outcomes}


def test_a_dossier_and_reports_that_fail_are_the_same_by_either_engine():
    notebooks = {name: FILES / f"{name}.ipynb" for name in ("failing", "leaving", "hostile", "plain")}
    operator = {"operator": resource("notebooks") / "operator.ipynb"}
    jobs: list[Job] = [
        *plan(notebooks, {"as_of": AS_OF}),
        *plan(operator, {"as_of": AS_OF, "operator": "159990000"}),
    ]
    jobs[-1:] = [Job("operator", jobs[-1].content, jobs[-1].given, jobs[-1].shown, "159990000")]
    by = {
        fork: {report.name: report for report in run_batch(jobs, workers=2, order=Order(fork=fork))}
        for fork in (True, False)
    }
    for name, report in by[True].items():
        other = by[False][name]
        assert (report.failure, report.counts, report.section) == (other.failure, other.counts, other.section)
        assert report.files.keys() == other.files.keys()
        for suffix in report.files.keys() - {".results.json"}:  # which has durations
            assert report.files[suffix] == other.files[suffix], (name, suffix)
    assert {name for name, report in by[True].items() if report.failure} == {"failing", "leaving"}
    assert ".eml" in by[True]["operator"].files
