"""The engine that papermill finds by its entry point."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import psutil
import pytest
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from mssante_audit.dossiers.forks import AVAILABLE
from mssante_audit.report.kernel import quiet

FILES = Path(__file__).parent / "files"
pytestmark = pytest.mark.skipif(not AVAILABLE, reason="no process can be forked here")


def run(source, done, **how):
    with quiet():
        return papermill.execute_notebook(source, done, engine_name="mssante-fork", progress_bar=False, **how)


def of(*cells):
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    return notebook


def written(tmp_path, *cells):
    nbformat.write(of(*cells), tmp_path / "in.ipynb")
    return tmp_path / "in.ipynb"


def test_papermill_knows_it_on_the_command_line(tmp_path):
    done = tmp_path / "done.ipynb"
    command = [
        "-m",
        "papermill",
        "--engine",
        "mssante-fork",
        "--no-progress-bar",
        "-p",
        "as_of",
        "2026-03-03",
    ]
    ran = subprocess.run(
        [sys.executable, *command, str(FILES / "failing.ipynb"), str(done)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert ran.returncode == 1
    assert "ValueError" in ran.stderr
    notebook = nbformat.read(done, as_version=4)
    assert any(cell.source == '# Parameters\nas_of = "2026-03-03"\n' for cell in notebook.cells)
    texts = [output.text for cell in notebook.cells for output in cell.get("outputs", ()) if "text" in output]
    assert texts == ["déjà écrit\n"]
    failed = [c for c in notebook.cells if c.metadata.get("papermill", {}).get("status") == "failed"]
    assert [c.outputs[0].ename for c in failed] == ["ValueError"]
    assert failed[0].metadata.papermill.duration >= 0


def test_each_notebook_begins_afresh_in_the_callers_folder_and_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("WANTED", "yes")
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "own_module.py").write_text("VALUE = 5")
    source = written(
        tmp_path,
        "import os, matplotlib, own_module\n"
        "seen = (os.getcwd(), os.environ['WANTED'], own_module.VALUE, matplotlib.rcParams['font.size'])\n"
        "seen, 'left' in globals(), os.environ.get('LEFT')",
        "left = 1; os.environ['LEFT'] = '1'; matplotlib.rcParams['font.size'] = 99; own_module.VALUE = 6",
    )
    first, second = (run(source, None) for _ in range(2))
    assert first.cells[0].outputs == second.cells[0].outputs
    (output,) = first.cells[0].outputs
    text = re.sub(r"\s+", " ", output.data["text/plain"])
    assert text == f"(({str(tmp_path)!r}, 'yes', 5, 10.0), False, None)"


def test_a_notebook_that_hangs_or_dies_keeps_what_it_had_done(tmp_path):
    done = tmp_path / "done.ipynb"
    with pytest.raises(CellTimeoutError, match="stopped after 3 seconds"):
        run(written(tmp_path, "print('before')", "while True: pass"), done, execution_timeout=3)
    assert nbformat.read(done, as_version=4).cells[0].outputs[0].text == "before\n"
    with pytest.raises(DeadKernelError, match="left with status 1"):
        run(FILES / "dying.ipynb", done)
    with pytest.raises(papermill.PapermillExecutionError) as raised:
        run(written(tmp_path, "hoard = bytearray(1 << 29)"), done, memory=1 << 28)
    assert raised.value.ename == "MemoryError"
    assert run(written(tmp_path, "1 + 1"), done).cells[0].execution_count == 1


def test_where_nothing_can_be_forked_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("mssante_audit.dossiers.forks.AVAILABLE", False)
    with pytest.raises(RuntimeError, match=r"no process can be forked here\. Leave --engine out"):
        run(written(tmp_path, "1"), None)


def test_its_server_ends_with_the_process(tmp_path):
    source = written(tmp_path, "import os; print(os.getppid())")
    code = (
        "import papermill, sys; "
        "n = papermill.execute_notebook(sys.argv[1], None, engine_name='mssante-fork', progress_bar=False); "
        "print(n.cells[0].outputs[0].text)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(source)], capture_output=True, text=True, check=True, env=os.environ
    )
    assert not psutil.pid_exists(int(ran.stdout))
