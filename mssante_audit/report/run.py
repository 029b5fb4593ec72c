"""Reports: notebooks chosen, parameters checked, each run and converted, all put in place at once.

What is in the output folder changes at the very end of a run (`mssante_audit.base.staging`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mssante_audit.base.export import write_bytes
from mssante_audit.base.language import using_language
from mssante_audit.base.resources import resource
from mssante_audit.base.staging import locked, publish, scratch_folder, scratch_of
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.ledger import read_ledger, write_ledger
from mssante_audit.report.conversion import Outcome as Outcome
from mssante_audit.report.conversion import Setting, as_severe, convert, write_files
from mssante_audit.report.explorer import FILE as EXPLORER
from mssante_audit.report.explorer import explore
from mssante_audit.report.follow_up import since_previous
from mssante_audit.report.jobs import Job, check_input, has_data, limits_of, plan
from mssante_audit.report.jobs import find_notebooks as find_notebooks
from mssante_audit.report.kernel import Execution, Kernels, Progress, execute, quiet
from mssante_audit.report.page import index_html
from mssante_audit.report.parameters import check_value
from mssante_audit.report.results import limited, provenance

WORKERS = min(2, os.cpu_count() or 1)
"""Notebooks run at once: each has a kernel of some 140 MB."""

PARTS = (".html", ".ipynb", ".results.json", ".findings.csv", ".ics")
"""Suffixes of the files of one report."""


@dataclass(frozen=True, slots=True)
class Run:
    """What became of a run."""

    out: Path
    outcomes: tuple[Outcome, ...]

    def exit_status(self, fail_on: str | None = None) -> int:
        """Return 3 if a report or a rule failed, 1 if a finding is as severe as `fail_on`, 0 otherwise."""
        if any(o.failure or (o.results and FAILED in o.results.by_rule) for o in self.outcomes):
            return 3
        found = (outcome.results.by_severity for outcome in self.outcomes if outcome.results)
        return int(any(as_severe(counts, fail_on) for counts in found))


Listener = Callable[[str, int, int, Outcome | None], None]
"""Called with a report's name, its cells done and in all, and its outcome once there is one."""


def run_reports(
    names: Sequence[str] = (),
    *,
    out: Path,
    parameters: Mapping[str, Any] | None = None,
    notebooks: Path | None = None,
    told: Mapping[str, Any] | None = None,
    debug: bool = False,
    listener: Listener = lambda *_: None,
) -> Run:
    """Make reports of notebooks; of all shipped ones, with an explorer beside them.

    Parameters
    ----------
    names
        Names of shipped notebooks or paths of others; all shipped reports if empty.
    out
        Folder to write into; it is made if need be.
    parameters
        Values by parameter name (`mssante_audit.base.settings.Parameters`). Each goes to the notebooks
        that accept it, of which there must be one; ``lang`` is the language of all pages.
    notebooks
        Folder to find names in, instead of the shipped one.
    told
        Parameters to tell in place of those given, and to compare runs within: what a snapshot was made with.
    debug
        Keep tracebacks, which may hold unmasked values, in what is written.

    Raises
    ------
    UnknownNameError, ParameterError, InputError
        Before anything runs: no such notebook or operator, bad parameter, white list that cannot be read.
    OutputError
        If `out` cannot be written, or another run is writing there.
    """
    given = parameters or {}
    jobs = plan(find_notebooks(names, notebooks or resource("notebooks")), given)
    space = check_input(jobs)
    jobs = [job for job in jobs if has_data(job.name, space, asked=bool(names))]
    if told:
        jobs = [replace(j, shown={n: told.get(n, value) for n, value in j.shown.items()}) for j in jobs]
    with using_language(check_value("lang", given.get("lang", "fr"))), locked(out) as staging, quiet():
        loaded: Mapping[str, Any] = provenance(space) if space else {}
        outcomes, ledger = [], read_ledger(out)
        for job, execution in _execute(jobs, staging, listener):
            roots = [scratch_of(staging, job.name), staging, out]
            outcome, files = convert(job, execution, Setting(roots, loaded, ledger, debug))
            write_files(staging, job.name, files, failed=bool(outcome.failure))
            outcomes.append(outcome)
            listener(job.name, 1, 1, outcome)
        if ledger:
            write_ledger(staging, ledger)
        if space and not names:
            chosen = limits_of(jobs, space)
            explore(space, domains=set(limited(space.audited, chosen)["domain"])).save(staging / EXPLORER)
        write_bytes(staging / "index.html", _index(outcomes, staging, out, loaded).encode())
        publish(staging, out, [path for outcome in outcomes for path in _stale(outcome)])
    return Run(out, tuple(outcomes))


def _execute(jobs: Sequence[Job], staging: Path, listener: Listener) -> Iterator[tuple[Job, Execution]]:
    """Run the notebooks, several at once, each in a process of its own; yield them in order."""
    kernels = Kernels()

    def one(job: Job) -> Execution:
        with scratch_folder(staging, job.name) as scratch:
            tell: Progress = lambda done, cells: listener(job.name, done, cells, None)  # noqa: E731
            return execute(job.content, job.given, scratch, kernels, tell)

    with ThreadPoolExecutor(min(WORKERS, len(jobs))) as pool:
        running = [pool.submit(one, job) for job in jobs]
        try:
            for job, execution in zip(jobs, running, strict=True):
                yield job, execution.result()
        except BaseException:  # Ctrl-C above all: the pool is left once no kernel runs
            kernels.stop()
            raise


def _stale(outcome: Outcome) -> list[Path]:
    """Return the files of earlier runs, relative to the output folder, that this outcome makes untrue."""
    if outcome.failure:
        return []
    failed = [Path("failed", f"{outcome.name}{suffix}") for suffix in PARTS]
    kept = {".findings.csv": outcome.results, ".ics": outcome.results and outcome.results.calendar}
    return [*failed, *(Path(f"{outcome.name}{suffix}") for suffix, own in kept.items() if not own)]


def _index(outcomes: Sequence[Outcome], staging: Path, out: Path, loaded: Mapping[str, Any]) -> str:
    told = next((o.results.provenance for o in outcomes if o.results), loaded)
    rows = [
        {
            "name": outcome.name,
            "title": outcome.title,
            "counts": outcome.results.by_severity if outcome.results else None,
            "failure": outcome.failure,
            "section": outcome.section,
            "since_previous": since_previous(outcome.told) if outcome.told else "",
            "last_good": (out / f"{outcome.name}.html").exists(),
        }
        for outcome in outcomes
    ]
    explorer = EXPLORER if any((folder / EXPLORER).exists() for folder in (staging, out)) else ""
    return index_html(rows, told, explorer)
