"""One report made in a forked process: what is done before the fork, and what in the child."""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat
from papermill.translators import translate_parameters

from mssante_audit import audits
from mssante_audit.base.resources import resource
from mssante_audit.dossiers.facts import survey
from mssante_audit.dossiers.forkserver import lift_memory_limit
from mssante_audit.dossiers.letter import letter_files
from mssante_audit.dossiers.shell import make_shell, run_cells
from mssante_audit.report.conversion import Setting, convert
from mssante_audit.report.jobs import Job, of_space
from mssante_audit.report.kernel import Execution, Failure, shown_failure
from mssante_audit.report.results import open_space, share_space
from mssante_audit.report.traces import is_tagged

PRELOADED = ("mssante_audit", "pandas", "numpy", "IPython")
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


def prepare(jobs: Sequence[Job], space: Mapping[str, Any] | None) -> None:
    """Import what notebooks import and load their space, so that each fork begins with both.

    Parameters
    ----------
    jobs
        One of each notebook.
    space
        Arguments of `mssante_audit.report.results.open_space`; ``None`` if they open none.
    """
    names = sorted({name for job in jobs for name in _imported(job.content)})
    for name in names:
        import_module(name)
    make_shell()
    if space is not None:
        shared = share_space(**space)
        audits.remember(shared)
        if "mssante_audit.dossiers.facts" in names:
            survey(shared)
    shipped = {path.read_bytes() for path in resource("notebooks").glob("*.ipynb")}
    for job in jobs:
        if job.content in shipped:
            with suppress(Exception):  # it will be told where the job is made
                _rehearse(job)


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
        cell = nbformat.from_dict(
            {
                "cell_type": "code",
                "metadata": {"tags": ["injected-parameters"]},
                "source": source,
                "execution_count": None,
                "outputs": [],
            }
        )
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


def _rehearse(job: Job) -> None:
    """Make a report of a notebook of ours and throw it away: what is made at its first use is then there.

    Its cells call this package and nothing else, so that no fork begins otherwise than with warm caches.
    Anybody else's notebook runs in a fork only.
    """
    notebook, namespace = parameterized(job), {"__name__": "__main__"}
    formatter = make_shell().display_formatter
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        body = ast.parse(cell.source)
        last = body.body.pop() if body.body and isinstance(body.body[-1], ast.Expr) else None
        exec(compile(body, "rehearsal", "exec"), namespace)  # noqa: S102
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "rehearsal", "eval"), namespace)  # noqa: S307
            data, metadata = {}, {}
            if formatter and value is not None:
                data, metadata = formatter.format(value)  # type: ignore[no-untyped-call]
            cell.outputs = [
                nbformat.from_dict({"output_type": "display_data", "data": data, "metadata": metadata})
            ]
    made(job, Execution(notebook, 0.0), Setting())
