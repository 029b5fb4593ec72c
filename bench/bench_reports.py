"""Speed and size of reports.

The three reports of the white list alone, from a fresh process each way, against papermill and nbconvert
making HTML of three empty notebooks; and the size of the real list's reports, where it lies beside this.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "real"

REPORTS = ("overview", "dn_consistency", "stale_contacts")
EMPTY = """
import sys
from pathlib import Path
import nbformat, papermill
from nbconvert import HTMLExporter
folder = Path(sys.argv[1])
exporter = HTMLExporter()
kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
empty = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
for name in "abc":
    source, done = folder / f"{name}.ipynb", folder / f"{name}-done.ipynb"
    nbformat.write(empty, source)
    notebook = papermill.execute_notebook(source, done, kernel_name="python3", progress_bar=False)
    (folder / f"{name}.html").write_text(exporter.from_notebook_node(notebook)[0], encoding="utf-8")
"""


def benches() -> list[tuple[str, float, float]]:
    """Return what is promised of reports: name, what was measured, and its upper limit."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ours, empty = [], []
        for _ in range(3):
            empty.append(_seconds([sys.executable, "-W", "ignore", "-c", EMPTY, scratch]))
            ours.append(_seconds([*_command(), *REPORTS, "--out", str(folder / "sample")]))
        measures = [("three reports / three empty notebooks", min(ours) / min(empty), 2.5)]
        if REAL.is_dir():
            out = folder / "real"
            _seconds([*_command(), "--data", str(REAL), "--as-of", "2025-03-01", "--out", str(out)])
            measures += [
                (f"MB of the real list's {p.name}", p.stat().st_size / 1e6, 3.0) for p in out.glob("*.html")
            ]
        return measures


def _command() -> list[str]:
    return [sys.executable, "-m", "mssante_audit", "report"]


def _seconds(command: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return time.perf_counter() - begin


if __name__ == "__main__":
    for name, measured, promise in benches():
        print(f"{name}: {measured:.2f} (at most {promise})")
