"""Reports: notebooks chosen, parameters checked, each run and converted, all put in place at once.

What is in the output folder changes at the very end of a run (`mssante_audit.base.staging`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lxml.html import fragment_fromstring

from mssante_audit.base.export import write_bytes
from mssante_audit.base.language import using_language
from mssante_audit.base.resources import resource
from mssante_audit.base.staging import locked, publish, scratch_folder, scratch_of
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.ledger import read_ledger, write_ledger
from mssante_audit.report.execute import Execution, execute
from mssante_audit.report.explorer import FILE as EXPLORER
from mssante_audit.report.explorer import explore
from mssante_audit.report.first import answer, cause_lines, first_cause, judged, question_asked
from mssante_audit.report.first import counts as counts_of
from mssante_audit.report.follow_up import since_previous
from mssante_audit.report.html import joined
from mssante_audit.report.outcome import Outcome as Outcome
from mssante_audit.report.outcome import Setting, as_severe, convert, text_of, write_files
from mssante_audit.report.page import index_html
from mssante_audit.report.parameters import check_value
from mssante_audit.report.plan import Job, check_input, has_data, plan
from mssante_audit.report.plan import find_notebooks as find_notebooks
from mssante_audit.report.results import provenance
from mssante_audit.report.summary import NO_ANSWERS
from mssante_audit.verdicts.domains import answers

WORKERS = min(2, os.cpu_count() or 1)
"""Notebooks run at once: each has a kernel of some 140 MB."""

TOP = 3
"""Causes that the index names; the overview has ten."""

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
"""Called with a report's name, how much of it is done, of how much, and at the end its outcome."""


def run_reports(
    names: Sequence[str] = (),
    *,
    out: Path,
    parameters: Mapping[str, Any] | None = None,
    notebooks: Path | None = None,
    shown: Mapping[str, Any] | None = None,
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
    shown
        Parameters to show in place of those given, and to compare runs within: what a snapshot was made with.
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
    space, chosen = check_input(jobs)
    jobs = [job for job in jobs if has_data(job.name, space, asked=bool(names))]
    if shown:
        jobs = [replace(j, shown={n: shown.get(n, value) for n, value in j.shown.items()}) for j in jobs]
    with using_language(check_value("lang", given.get("lang", "fr"))), locked(out) as staging:
        outcomes, ledger = [], read_ledger(out)
        for job in jobs:
            listener(job.name, 0, 1, None)
        with _executions(jobs, staging) as executions:
            loaded: Mapping[str, Any] = provenance(space) if space else {}
            counts: Mapping[str, Mapping[str, int]] = NO_ANSWERS
            first, begin = {}, ""
            if space:
                verdicts, causes = judged(space, chosen)
                counts = answers(verdicts)
                shows = joined(answer(verdicts), counts_of(verdicts))
                top = cause_lines(causes.head(TOP), kind="causes brief") if len(causes) else ""
                first = {"title": question_asked(verdicts), "first": shows, "causes": top}
                begin = text_of(fragment_fromstring(first_cause(causes)))
            if space and not names:
                explore(space, domains=set(verdicts["domain"])).save(staging / EXPLORER)
            for job, execution in zip(jobs, executions, strict=True):
                ran = execution.result()
                roots = [scratch_of(staging, job.name), staging, out]
                outcome, files = convert(job, ran, Setting(roots, loaded, counts, ledger, debug))
                write_files(staging, job.name, files, failed=bool(outcome.failure))
                outcomes.append(outcome)
                listener(job.name, 1, 1, outcome)
        if ledger:
            write_ledger(staging, ledger)
        write_bytes(staging / "index.html", _index(outcomes, staging, out, loaded, first, begin).encode())
        publish(staging, out, [path for outcome in outcomes for path in _stale(outcome)])
    return Run(out, tuple(outcomes))


@contextmanager
def _executions(jobs: Sequence[Job], staging: Path) -> Iterator[list[Future[Execution]]]:
    """Run the notebooks, `WORKERS` at once; whoever leaves early, by Ctrl-C above all, stops them."""
    stopped = threading.Event()

    def run(job: Job) -> Execution:
        with scratch_folder(staging, job.name) as scratch:
            return execute(job.content, job.given, scratch, stopped)

    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            yield [pool.submit(run, job) for job in jobs]
        except BaseException:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


def _stale(outcome: Outcome) -> list[Path]:
    """Return the files of earlier runs, relative to the output folder, that this outcome makes untrue."""
    if outcome.failure:
        return []
    failed = [Path("failed", f"{outcome.name}{suffix}") for suffix in PARTS]
    kept = {".findings.csv": outcome.results, ".ics": outcome.results and outcome.results.calendar}
    return [*failed, *(Path(f"{outcome.name}{suffix}") for suffix, made in kept.items() if not made)]


def _index(
    outcomes: Sequence[Outcome],
    staging: Path,
    out: Path,
    loaded: Mapping[str, Any],
    first: Mapping[str, str],
    begin: str,
) -> str:
    """Return the index; it begins with the overview's answer, whose line says where to `begin`."""
    origin = next((o.results.provenance for o in outcomes if o.results), loaded)
    rows = [
        {
            "name": outcome.name,
            "title": outcome.title,
            "counts": outcome.results.by_severity if outcome.results else None,
            "failure": outcome.failure,
            "section": outcome.section,
            "lead": begin if first and outcome.name == "overview" else outcome.lead,
            "since_previous": since_previous(outcome.follow_up) if outcome.follow_up else "",
            "last_good": (out / f"{outcome.name}.html").exists(),
        }
        for outcome in outcomes
    ]
    explorer = EXPLORER if any((folder / EXPLORER).exists() for folder in (staging, out)) else ""
    return index_html(rows, origin, explorer=explorer, **first)
