"""One report made in a forked process: what is done before the fork, and what in the child."""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat
from matplotlib.figure import Figure
from papermill.translators import translate_parameters

from mssante_audit import audits
from mssante_audit.conversion import Setting, convert
from mssante_audit.dossier import survey
from mssante_audit.forkserver import lift_memory_limit
from mssante_audit.jobs import Job, of_space
from mssante_audit.kernel import Execution, Failure, shown_failure
from mssante_audit.letter import letter_files
from mssante_audit.page import Page, to_html
from mssante_audit.plots import Chart
from mssante_audit.results import open_space, share_space
from mssante_audit.shell import make_shell, run_cells
from mssante_audit.traces import is_tagged

PRELOADED = ("mssante_audit", "pandas", "numpy", "matplotlib", "itables", "IPython")
"""Packages whose modules are imported before the fork, if a notebook imports them."""


@dataclass(frozen=True, slots=True)
class Made:
    """A report that was made, or what there is of it; it can be pickled."""

    name: str
    title: str
    counts: Mapping[str, int] | None
    """Findings by severity; ``None`` if it did not come to recording them."""
    failure: Failure | None
    section: str
    """The heading under which it failed."""
    seconds: Mapping[str, float]
    """Durations of the steps."""
    files: Mapping[str, bytes] = field(repr=False)
    """Content by suffix."""
    made_at: str
    """Instant (UTC, ISO 8601)."""


def prepare(contents: Iterable[bytes], space: Mapping[str, Any] | None) -> None:
    """Import what notebooks import and load their space, so that each fork begins with both.

    Parameters
    ----------
    contents
        The notebooks.
    space
        Arguments of `mssante_audit.results.open_space`; ``None`` if they open none.
    """
    names = sorted({name for content in contents for name in _imported(content)})
    for name in names:
        import_module(name)
    make_shell()
    _warm()
    if space is not None:
        shared = share_space(**space)
        audits.remember(shared)
        if "mssante_audit.dossier" in names:
            survey(shared)


def produce(scratch: Path, tell: Callable[..., None], job: Job, debug: bool) -> Made:
    """Run a job's notebook in this process, which is for nothing else, and convert it."""
    notebook = parameterized(job)
    begin = time.perf_counter()
    run_cells(notebook, scratch, tell)
    seconds = time.perf_counter() - begin
    lift_memory_limit()
    return made(job, Execution(notebook, seconds, shown_failure(notebook)), Setting([scratch], debug=debug))


def made(job: Job, execution: Execution, setting: Setting) -> Made:
    """Convert a notebook that ran; write the letter that goes with it, unless it failed."""
    outcome, files = convert(job, execution, setting)
    if job.operator_id and not outcome.failure:
        space = open_space(**of_space({**job.shown, **job.given}))
        files |= letter_files(space, job.operator_id)
    return Made(
        job.name,
        outcome.title,
        outcome.results.by_severity if outcome.results else None,
        outcome.failure,
        outcome.section,
        outcome.seconds,
        files,
        datetime.now(UTC).replace(microsecond=0).isoformat(),
    )


def parameterized(job: Job) -> nbformat.NotebookNode:
    """Return a job's notebook with its parameters in it, where papermill puts them."""
    notebook: nbformat.NotebookNode = nbformat.from_dict(json.loads(job.content))
    for cell in notebook.cells:
        cell.source = "".join(cell.source)
    if job.given:
        source = translate_parameters("python3", "python", dict(job.given), "Parameters")
        cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["injected-parameters"]})
        tagged = [i for i, c in enumerate(notebook.cells) if is_tagged(c, "parameters")]
        notebook.cells.insert(tagged[0] + 1 if tagged else 0, cell)
    return notebook


def _imported(content: bytes) -> set[str]:
    """Return the modules of `PRELOADED` that a notebook's cells import."""
    names: set[str] = set()
    for cell in json.loads(content)["cells"]:
        if cell["cell_type"] != "code":
            continue
        with suppress(SyntaxError):  # a magic, or a mistake that will be the notebook's own
            for node in ast.walk(ast.parse("".join(cell["source"]))):
                if isinstance(node, ast.Import):
                    names |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names.add(node.module)
    return {name for name in names if name.partition(".")[0] in PRELOADED}


def _warm() -> None:
    """Use once what is made at its first use: the exporter and its templates, fonts, PNG."""
    chart = Chart(Figure(figsize=(1, 1)), "", "")
    chart.figure.text(0, 0, "é")
    output = nbformat.v4.new_output("execute_result", {"text/html": chart.html(), "text/plain": ""})
    cells = [nbformat.v4.new_markdown_cell("# a\n## b"), nbformat.v4.new_code_cell(outputs=[output])]
    to_html(nbformat.v4.new_notebook(cells=cells), Page("warm"))
