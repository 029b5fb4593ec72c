"""Speed and memory of dossiers in bulk, against the shell and against plain Python.

320 dossiers of the real list where it lies beside this, or else of a made-up list of as many operators. The
shell's way is measured on a few of them; plain Python, in one process, draws the same charts and writes the
same pages and letters from the same functions, which is checked byte for byte.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import psutil

from mssante_audit.base.export import write_bytes
from mssante_audit.base.resources import resource
from mssante_audit.dossiers.facts import dossier, record
from mssante_audit.dossiers.letter import letter_files
from mssante_audit.dossiers.narrative import (
    certificates_table,
    changes_table,
    contacts_table,
    dns_sentence,
    domains_table,
    dossier_answer,
    identity,
    what_to_correct,
)
from mssante_audit.dossiers.plots import domains_by_certificate, domains_over_time, findings_against_peers
from mssante_audit.dossiers.write import file_name, write_dossiers
from mssante_audit.report.charts import Chart
from mssante_audit.report.jobs import Job, plan
from mssante_audit.report.page import Page, to_html
from mssante_audit.report.parameters import parameters as known
from mssante_audit.report.parameters import shown_value
from mssante_audit.report.results import open_space
from mssante_audit.report.tables import enable
from mssante_audit.space.trust import TrustSpace
from tools.sample.make import build
from tools.sample.space import whitelist_chunks

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "real"
MANY, FEW = 320, 3


def benches() -> list[tuple[str, float, float]]:
    """Return what is promised of dossiers: name, what was measured, and its upper limit."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        given = _data(folder)
        space = open_space(**given)
        operators = sorted(set(space.entries["operator_id"].tolist()) - {""})[:MANY]
        memory: list[dict[int, int]] = []
        begin = time.perf_counter()
        run = write_dossiers(
            folder / "out",
            parameters=given,
            operators=operators,
            listener=lambda *_: memory.append(_memory()),
        )
        bulk = time.perf_counter() - begin
        assert run.exit_status() == 0
        job = _job(given)
        shell = min(_shell(job, operator, folder) for operator in operators[:FEW])
        forked = _seconds("forked", given, operators, folder / "forked")
        plain = _seconds("plain", given, operators, folder / "plain")
        for path in (folder / "plain").iterdir():
            assert path.read_bytes() == (folder / "forked" / path.name).read_bytes(), path.name
        lasting = memory[9].keys() & memory[-1].keys()
        growth = sum(memory[-1][p] for p in lasting) / sum(memory[9][p] for p in lasting)
    of = f"{len(operators)} dossiers"
    return [
        (
            f"{of}: % of the time of papermill and nbconvert from the shell",
            100 * bulk / len(operators) / shell,
            100 / 25,
        ),
        (f"{of}: time / plain Python writing the same pages and letters", bulk / plain, 1.7),
        (f"{of}: the same, with one worker for one process of plain Python", forked / plain, 2.0),
        (f"{of}: memory at the last / at the 10th", growth, 1.05),
    ]


def _data(folder: Path) -> dict[str, Any]:
    if REAL.is_dir():
        return {"data": str(REAL), "as_of": "2025-03-01"}
    made = build(domains=4944, operators=MANY + 1)
    (folder / "data").mkdir()
    (folder / "data" / "list.xml").write_bytes(b"".join(whitelist_chunks(made.rows)))
    return {"data": str(folder / "data"), "as_of": "2026-03-03"}


def _seconds(how: str, given: dict[str, Any], operators: list[str], folder: Path) -> float:
    """Return what one process takes for all of them, its start and loading counted."""
    arguments = json.dumps([how, given, operators, str(folder)])
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-m", "bench.bench_dossiers", arguments], check=True, cwd=ROOT)
    return time.perf_counter() - begin


def _memory() -> dict[int, int]:
    """Return what this process and those it started hold of memory, by number."""
    held = {}
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with suppress(psutil.Error):
            held[process.pid] = process.memory_info().rss
    return held


def _job(given: dict[str, Any]) -> Job:
    (job,) = plan({"operator": resource("notebooks") / "operator.ipynb"}, {**given, "operator": "0"})
    return job


def _of(job: Job, operator: str) -> Job:
    own = {"operator": operator}
    given, shown = {**job.given, **own}, {**job.shown, **own}
    return replace(job, name=file_name(operator), given=given, shown=shown, operator_id=operator)


def _shell(job: Job, operator: str, folder: Path) -> float:
    source, done = folder / "operator.ipynb", folder / "done.ipynb"
    source.write_bytes(job.content)
    given = [text for name, value in _of(job, operator).given.items() for text in ("-r", name, str(value))]
    begin = time.perf_counter()
    for command in (
        ["papermill", "--no-progress-bar", str(source), str(done), *given],
        ["nbconvert", "--to", "html", str(done)],
    ):
        subprocess.run([sys.executable, "-W", "ignore", "-m", *command], check=True, capture_output=True)
    return time.perf_counter() - begin


def _plain(given: dict[str, Any], operators: list[str], folder: Path) -> None:
    """Write pages and letters without notebooks, from start to end."""
    space, job = open_space(**given), _job(given)
    folder.mkdir()
    for operator in operators:
        of = _of(job, operator)
        files = {".html": _page(of, space), **letter_files(space, operator)}
        for suffix, content in files.items():
            write_bytes(folder / f"{of.name}{suffix}", content)


def _page(job: Job, space: TrustSpace) -> bytes:
    """Return what a dossier's notebook shows, without running it."""
    told = dossier(space, job.given["operator"])
    shown = {
        "setup": enable(),
        "answer": dossier_answer(told),
        "correct-table": what_to_correct(told, limit=500),
        "peers-chart": findings_against_peers(told),
        "identity-facts": identity(told),
        "certificates-chart": domains_by_certificate(told),
        "certificates-table": certificates_table(told, limit=500),
        "dns-sentence": dns_sentence(told),
        "domains-table": domains_table(told, limit=500),
        "contacts-table": contacts_table(told),
        "changes-chart": domains_over_time(told),
        "changes-table": changes_table(told, limit=500),
    }
    cells = []
    for cell in json.loads(job.content)["cells"]:
        source, tags = "".join(cell["source"]), {"tags": cell["metadata"].get("tags", [])}
        if cell["cell_type"] == "markdown":
            cells.append({"cell_type": "markdown", "metadata": tags, "source": source})
        else:
            value = shown.get(cell["id"])
            data = {} if value is None else {"text/html": _html(value)}
            outputs = [{"output_type": "display_data", "data": data, "metadata": {}}] if data else []
            code = {"cell_type": "code", "metadata": tags, "source": "", "outputs": outputs}
            cells.append({**code, "execution_count": None})
    parameters = [(known()[name].title, shown_value(name, value)) for name, value in job.shown.items()]
    page = Page(job.name, parameters, record(told).provenance)
    notebook = nbformat.from_dict({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})
    return to_html(notebook, page).encode()


def _html(value: Any) -> str:
    return str(value.html() if isinstance(value, Chart) else value._repr_html_())


if __name__ == "__main__":
    how, given, operators, folder = json.loads(sys.argv[1])
    if how == "plain":
        _plain(given, operators, Path(folder))
    else:
        write_dossiers(Path(folder), parameters=given, operators=operators, jobs=1)
