"""Reports: notebooks chosen, parameters checked, each run and converted, all put in place at once.

What is in the output folder changes at the very end of a run (`mssante_audit.staging`).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from traceback import format_exception
from typing import Any

import nbformat

from mssante_audit.errors import InputError, OutputError, ParameterError, UnknownNameError
from mssante_audit.export import write_bytes, write_csv
from mssante_audit.kernel import Execution, Failure, Kernels, execute, failure_of, quiet
from mssante_audit.ledger import FILE as LEDGER
from mssante_audit.ledger import FollowUp, follow, follow_up_html, read_ledger, scope_of
from mssante_audit.page import Page, index_html, section_of, title_of, to_html
from mssante_audit.parameters import PARAMETERS, declared, share_out, shown_value
from mssante_audit.resources import resource
from mssante_audit.results import Results, open_space, provenance, select_operator
from mssante_audit.rules import SEVERITIES
from mssante_audit.space import TrustSpace
from mssante_audit.staging import locked, publish, scratch_folder, scratch_of
from mssante_audit.traces import clean, take_results

NEEDS = {
    "changes": "archive",
    "declarations": "declarations",
    "delegation_vs_redirection": "observation",
}
"""What a notebook needs beside the list (a field of `TrustSpace`) to be among those run by default."""

ONE_OPERATOR = frozenset({"operator"})
"""Reports about a single operator: made only when asked for, with the parameter `operator`."""

WORKERS = min(4, os.cpu_count() or 1)
"""Notebooks run at once."""

PARTS = (".html", ".ipynb", ".results.json", ".findings.csv")
"""Suffixes of the files of one report."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one report."""

    name: str
    title: str
    results: Results | None
    """What the notebook recorded; ``None`` if it did not come to it."""
    failure: Failure | None = None
    section: str = ""
    """The heading under which it failed."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Durations of the steps."""


@dataclass(frozen=True, slots=True)
class Run:
    """What became of a run."""

    out: Path
    outcomes: tuple[Outcome, ...]

    def exit_status(self, fail_on: str | None = None) -> int:
        """Return 3 if a report failed, 1 if a finding is at or above severity `fail_on`, 0 otherwise."""
        if any(outcome.failure for outcome in self.outcomes):
            return 3
        bad = SEVERITIES[SEVERITIES.index(fail_on) :] if fail_on else ()
        found = [outcome.results.by_severity for outcome in self.outcomes if outcome.results]
        return int(any(counts[severity] for counts in found for severity in bad))


Listener = Callable[[str, int, int, Outcome | None], None]
"""Called with a report's name, its cells done and in all, and its outcome once there is one."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One report to make."""

    name: str
    path: Path
    given: dict[str, Any]
    """Parameters to pass, paths absolute."""
    shown: dict[str, Any]
    """All parameters in force, as given by the user or else the notebook's defaults."""


def run_reports(
    names: Sequence[str] = (),
    *,
    out: Path,
    parameters: Mapping[str, Any] | None = None,
    notebooks: Path | None = None,
    debug: bool = False,
    listener: Listener | None = None,
) -> Run:
    """Make reports of notebooks.

    Parameters
    ----------
    names
        Names of shipped notebooks or paths of others; all shipped reports if empty.
    out
        Folder to write into; it is made if need be.
    parameters
        Values by parameter name (`mssante_audit.parameters.PARAMETERS`). Each goes to the notebooks that
        accept it, of which there must be one.
    notebooks
        Folder to find names in, instead of the shipped one.
    debug
        Keep tracebacks, which may hold unmasked values, in what is written.

    Raises
    ------
    UnknownNameError, ParameterError, InputError
        Before anything runs: no such notebook or operator, bad parameter, white list that cannot be read.
    OutputError
        If `out` cannot be written, or another run is writing there.
    """
    jobs = _plan(find_notebooks(names, notebooks or resource("notebooks")), parameters or {})
    space = _check_input(jobs)
    jobs = [job for job in jobs if _has_data(job.name, space, asked=bool(names))]
    with locked(out) as staging, quiet():
        outcomes, ledger = [], read_ledger(out)
        for job, execution in _execute(jobs, staging, listener):
            outcomes.append(_make(job, execution, staging, space, ledger, debug))
            if listener:
                listener(job.name, 1, 1, outcomes[-1])
        if ledger:
            write_bytes(staging / LEDGER, json.dumps(ledger, ensure_ascii=False, indent=1).encode())
        write_bytes(staging / "index.html", _index(outcomes, out, space).encode())
        publish(staging, out, [path for outcome in outcomes for path in _stale(outcome)])
    return Run(out, tuple(outcomes))


def _has_data(name: str, space: TrustSpace | None, *, asked: bool) -> bool:
    """Tell whether the data that a notebook needs are there; refuse one that was asked for without them."""
    needed = NEEDS.get(name)
    if needed is None or space is None or getattr(space, needed) is not None:
        return True
    if asked:
        raise InputError(f"the data folder holds no {needed}", remedy=f"The report {name!r} needs them")
    return False


def find_notebooks(names: Sequence[str], folder: Path) -> dict[str, Path]:
    """Return the notebooks that `names` stand for, by name; without names the reports of `folder`.

    A report is a notebook with a cell tagged ``parameters``; the others are for JupyterLab. Overview first.

    Raises
    ------
    UnknownNameError
        If there is no such notebook, or two of one name.
    """
    known = {path.stem: path for path in sorted(folder.glob("*.ipynb"))}
    chosen: dict[str, Path] = {}
    ordered = sorted(known, key=lambda n: (n != "overview", n))
    for name in names or [n for n in ordered if _is_report(known[n]) and n not in ONE_OPERATOR]:
        path = known.get(name) or (Path(name) if name.endswith(".ipynb") else None)
        if path is None or not path.is_file():
            raise UnknownNameError(f"no notebook {name!r}", remedy=f"There are: {', '.join(known)}")
        if chosen.setdefault(path.stem, path) != path or path.stem == "index":
            raise UnknownNameError(f"another report is called {path.stem!r}", file=name)
    return chosen


def _plan(notebooks: Mapping[str, Path], parameters: Mapping[str, Any]) -> list[_Job]:
    """Check every notebook's parameters; return what to run."""
    accepted = {name: declared(_read(path), name) for name, path in notebooks.items()}
    given = share_out(parameters, accepted)
    now = datetime.now(UTC).replace(microsecond=0).isoformat()
    jobs = []
    for name, path in notebooks.items():
        values = dict(given[name])
        if name in ONE_OPERATOR and not values.get("operator"):
            raise ParameterError(
                f"the report {name!r} is about one operator",
                remedy="Give --operator, an identifier or a name",
            )
        if "as_of" in accepted[name] and values.get("as_of") is None:
            values["as_of"] = accepted[name]["as_of"] or now
        jobs.append(_Job(name, path, _absolute(values), {**accepted[name], **values}))
    return jobs


def _read(path: Path) -> dict[str, Any]:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        if notebook["nbformat"] == 4 and all(isinstance(c["metadata"], dict) for c in notebook["cells"]):
            return dict(notebook)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise InputError("not a notebook (of format 4)", file=str(path))


def _is_report(path: Path) -> bool:
    return any("parameters" in cell["metadata"].get("tags", []) for cell in _read(path)["cells"])


def _absolute(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with paths that hold in the kernel's own folder."""
    fixed = dict(values)
    if fixed.get("data") is not None:
        fixed["data"] = str(Path(fixed["data"]).resolve())
    if fixed.get("anchors"):
        fixed["anchors"] = [str(Path(anchor).resolve()) for anchor in fixed["anchors"]]
    return fixed


def _check_input(jobs: Sequence[_Job]) -> TrustSpace | None:
    """Load what the notebooks will load: an input that cannot be used is refused before any of them runs."""
    everything = {name: value for job in jobs for name, value in job.shown.items()}
    if "data" not in everything:
        return None
    operator = everything.pop("operator", None)
    space = open_space(
        **{name: value for name, value in everything.items() if name not in ("row_limit", "changes_since")}
    )
    select_operator(space, operator)
    return space


def _execute(
    jobs: Sequence[_Job], staging: Path, listener: Listener | None
) -> Iterator[tuple[_Job, Execution]]:
    """Run the notebooks, several at once, each in a process of its own; yield them in order."""
    kernels = Kernels()
    with ThreadPoolExecutor(min(WORKERS, len(jobs))) as pool:
        running = [pool.submit(_execute_one, job, staging, kernels, listener) for job in jobs]
        try:
            for job, execution in zip(jobs, running, strict=True):
                yield job, execution.result()
        except BaseException:  # Ctrl-C above all: the pool is left once no kernel runs
            kernels.stop()
            raise


def _execute_one(job: _Job, staging: Path, kernels: Kernels, listener: Listener | None) -> Execution:
    with scratch_folder(staging, job.name) as scratch:
        return execute(
            job.path,
            job.given,
            scratch,
            kernels,
            (lambda done, cells: listener(job.name, done, cells, None)) if listener else None,
        )


def _make(
    job: _Job,
    execution: Execution,
    staging: Path,
    space: TrustSpace | None,
    ledger: dict[str, Any],
    debug: bool,
) -> Outcome:
    """Convert a notebook that ran into `staging`."""
    try:
        return _convert(job, execution, staging, space, ledger, debug)
    except OutputError:
        raise
    except Exception as error:  # an output that nobody foresaw: the other reports are made all the same
        failure = failure_of(type(error).__name__, str(error), -1, "".join(format_exception(error)))
        blank = Execution(nbformat.v4.new_notebook(), execution.seconds, failure)
        return _convert(job, blank, staging, space, ledger, debug)


def _convert(
    job: _Job,
    execution: Execution,
    staging: Path,
    space: TrustSpace | None,
    ledger: dict[str, Any],
    debug: bool,
) -> Outcome:
    begin = time.perf_counter()
    failure = execution.failure
    if failure and not debug:
        failure = replace(failure, traceback="")
    notebook = clean(execution.notebook, _roots(job, staging), _tellable(job.given), debug=debug)
    results = take_results(notebook)
    told = None
    if results and not failure:
        scope = scope_of(job.name, _tellable(job.shown))
        told = follow(ledger, scope, results.provenance["as_of"], results.findings)
    page = Page(
        job.name,
        [(PARAMETERS[name].label, shown_value(name, value)) for name, value in job.shown.items()],
        results.provenance if results else provenance(space) if space else {},
        failure,
        follow_up_html(told, results.findings) if told and results else "",
    )
    html = to_html(notebook, page)
    outcome = Outcome(
        job.name,
        title_of(notebook, job.name),
        results,
        failure,
        section_of(notebook, failure.cell) if failure else "",
        {"run": round(execution.seconds, 3), "convert": round(time.perf_counter() - begin, 3)},
    )
    folder = staging / "failed" if failure else staging
    summary = _summary(outcome, _tellable(job.shown), page.provenance, told)
    _write(folder, outcome, html, notebook, summary, told)
    return outcome


def _tellable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with paths but for their last part."""
    return {n: shown_value(n, v) if n in ("data", "anchors") else v for n, v in values.items()}


def _summary(
    outcome: Outcome, parameters: Mapping[str, Any], provenance: Mapping[str, Any], told: FollowUp | None
) -> dict[str, Any]:
    """Return what ``results.json`` says."""
    results, failure = outcome.results, outcome.failure
    return {
        "report": outcome.name,
        "status": "failed" if failure else "done",
        "failure": failure and {"kind": failure.kind, "message": failure.message, "section": outcome.section},
        "counts": results
        and {
            "findings": len(results.findings),
            "by_severity": results.by_severity,
            "by_rule": results.by_rule,
        },
        "since_previous": told
        and told.previous
        and {"previous": told.previous, **told.counts(), "fixed_findings": [dict(f) for f in told.fixed]},
        "seconds": dict(outcome.seconds),
        "parameters": dict(parameters),
        "provenance": dict(provenance),
    }


def _roots(job: _Job, staging: Path) -> list[Path]:
    """Return the folders whose paths a report must not show."""
    given = [job.given.get("data"), *(job.given.get("anchors") or ())]
    own = [Path(text).parent for text in given if text]
    here = [Path.cwd(), Path.home(), Path(tempfile.gettempdir()), Path(sys.prefix), Path(sys.base_prefix)]
    return [
        *own,
        scratch_of(staging, job.name),
        staging,
        staging.parent,
        *here,
        Path(__file__).parent,
        Path(__file__).parent.parent,
    ]


def _write(
    folder: Path,
    outcome: Outcome,
    html: str,
    notebook: nbformat.NotebookNode,
    summary: Mapping[str, Any],
    told: FollowUp | None,
) -> None:
    """Write the files of one report."""
    folder.mkdir(exist_ok=True)
    texts = {
        ".html": html,
        ".ipynb": nbformat.writes(notebook, version=nbformat.NO_CONVERT) + "\n",
        ".results.json": json.dumps(summary, ensure_ascii=False, indent=1) + "\n",
    }
    for suffix, text in texts.items():
        write_bytes(folder / f"{outcome.name}{suffix}", text.encode("utf-8", "backslashreplace"))
    if outcome.results and not outcome.failure:
        # `evidence` tells the rows already.
        frame = outcome.results.findings.drop(columns="rows")
        if told:
            frame = frame.assign(first_seen=list(told.first_seen), status=list(told.status))
        write_csv(frame, folder / f"{outcome.name}.findings.csv")


def _stale(outcome: Outcome) -> list[Path]:
    """Return the files of earlier runs, relative to the output folder, that this outcome makes untrue."""
    if outcome.failure:
        return []
    failed = [Path("failed", f"{outcome.name}{suffix}") for suffix in PARTS]
    return failed if outcome.results else [*failed, Path(f"{outcome.name}.findings.csv")]


def _index(outcomes: Sequence[Outcome], out: Path, space: TrustSpace | None) -> str:
    told = next((o.results.provenance for o in outcomes if o.results), provenance(space) if space else {})
    rows = [
        {
            "name": outcome.name,
            "title": outcome.title,
            "counts": outcome.results.by_severity if outcome.results else None,
            "failure": outcome.failure,
            "section": outcome.section,
            "last_good": (out / f"{outcome.name}.html").exists(),
        }
        for outcome in outcomes
    ]
    return index_html(rows, told)
