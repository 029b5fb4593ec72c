"""From a notebook that ran to the files of its report, in memory: what became of it, and their bytes."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from traceback import format_exception
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from mssante_audit.base.export import csv_text, json_bytes, write_bytes
from mssante_audit.base.language import gettext, markdown
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.ledger import FollowUp, follow, scope_of
from mssante_audit.findings.registry import resting
from mssante_audit.report.failure import Failure, failure_of
from mssante_audit.report.follow_up import follow_up_html
from mssante_audit.report.jobs import Job, tellable
from mssante_audit.report.page import Page, section_of, title_of, to_html
from mssante_audit.report.parameters import parameters as known
from mssante_audit.report.parameters import shown_value
from mssante_audit.report.results import Results
from mssante_audit.report.summary import Accepted, Summary
from mssante_audit.report.traces import clean, take_results

if TYPE_CHECKING:
    from mssante_audit.report.kernel import Execution


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
    told: FollowUp | None = None
    """Its findings against those of the run before; ``None`` if they are not followed."""


def as_severe(counts: Mapping[str, int] | None, fail_on: str | None) -> bool:
    """Tell whether, of findings counted by severity, one is at or above `fail_on` (``None``: never)."""
    bad = SEVERITIES[SEVERITIES.index(fail_on) :] if fail_on else ()
    return any((counts or {}).get(severity) for severity in bad)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a report is made with, beside its notebook."""

    roots: Sequence[Path] = ()
    """Folders whose paths it must not show, beside those of `hidden_roots`."""
    loaded: Mapping[str, Any] = field(default_factory=dict)
    """Provenance of the data, for a notebook that did not come to telling its own."""
    ledger: dict[str, Any] | None = None
    """What earlier runs found; changed. ``None``: findings are not followed."""
    debug: bool = False
    """Keep tracebacks, which may hold unmasked values."""


def convert(job: Job, execution: Execution, setting: Setting) -> tuple[Outcome, dict[str, bytes]]:
    """Return what became of a report, and the bytes of its files by suffix.

    Whatever a notebook put out, there is a report: where it cannot be converted, one that says so.
    """
    try:
        return _convert(job, execution, setting)
    except Exception as error:  # an output that nobody foresaw: the other reports are made all the same
        import nbformat

        failure = failure_of(type(error).__name__, str(error), -1, "".join(format_exception(error)))
        blank = replace(execution, notebook=nbformat.v4.new_notebook(), failure=failure)
        return _convert(job, blank, setting)


def hidden_roots(job: Job) -> list[Path]:
    """Return the folders of this process and of a job's data, whose paths a report must not show."""
    said = (job.given, job.shown)
    given = [path for one in said for path in (one.get("data"), *(one.get("anchors") or ()))]
    roots = [Path(text).parent for text in given if text]
    roots += [Path.cwd(), Path(tempfile.gettempdir()), Path(sys.prefix), Path(sys.base_prefix)]
    with suppress(RuntimeError):  # a container's user may have none
        roots.append(Path.home())
    return [*roots, *Path(__file__).parents[1:3]]


def _convert(job: Job, execution: Execution, setting: Setting) -> tuple[Outcome, dict[str, bytes]]:
    import nbformat

    begin = time.perf_counter()
    failure = execution.failure
    if failure and not setting.debug:
        failure = replace(failure, traceback="")
    roots = [*hidden_roots(job), *setting.roots]
    notebook = clean(execution.notebook, roots, tellable(job.given), debug=setting.debug)
    results = take_results(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = markdown(cell.source)
    told = None
    if results and not failure and setting.ledger is not None:
        scope, made = scope_of(job.name, tellable(job.shown)), results.provenance
        doubtful = {one["name"] for one in made["inputs"] if one["state"] != "ok" and not one["tolerated"]}
        unsure = {*made["not_made"], *resting(doubtful)}
        accepted = pd.DataFrame(made.get("waived", ()), columns=list(Accepted.__annotations__))
        told = follow(setting.ledger, scope, made["as_of"], results.findings, unsure, accepted)
    origin = results.provenance if results else setting.loaded
    since = follow_up_html(told, results.findings) if told and results else ""
    html = to_html(notebook, Page(job.name, labelled(job.shown), origin, failure, since))
    seconds = {"run": round(execution.seconds, 3), "convert": round(time.perf_counter() - begin, 3)}
    title, section = title_of(notebook, job.name), section_of(notebook, failure.cell) if failure else ""
    outcome = Outcome(job.name, title, results, failure, section, seconds, told)
    files = {
        ".html": html.encode("utf-8", "backslashreplace"),
        # what `clean` made is valid
        ".ipynb": f"{nbformat.v4.writes(notebook)}\n".encode("utf-8", "backslashreplace"),
    }
    return outcome, files | data_files(outcome, tellable(job.shown), origin)


def labelled(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return parameters as a page tells them: label and shown value."""
    return [
        (gettext(str(known()[name].title)), shown_value(name, value)) for name, value in parameters.items()
    ]


def data_files(
    outcome: Outcome, parameters: Mapping[str, Any], provenance: Mapping[str, Any]
) -> dict[str, bytes]:
    """Return the files of a report that are for machines, by suffix: a summary, and the findings if complete.

    Parameters
    ----------
    parameters
        As they may be told (`mssante_audit.report.jobs.tellable`).
    """
    files = {".results.json": json_bytes(_summary(outcome, parameters, provenance))}
    if outcome.results and not outcome.failure:
        frame = outcome.results.findings
        if outcome.told:
            frame = frame.assign(first_seen=list(outcome.told.first_seen), status=list(outcome.told.status))
        files[".findings.csv"] = csv_text(frame).encode("utf-8-sig", "backslashreplace")
        if outcome.results.calendar:
            files[".ics"] = outcome.results.calendar.encode("utf-8", "backslashreplace")
    return files


def write_files(staging: Path, name: str, files: Mapping[str, bytes], *, failed: bool) -> None:
    """Write the files of one report, those of a failed one apart."""
    folder = staging / "failed" if failed else staging
    folder.mkdir(exist_ok=True)
    for suffix, content in files.items():
        write_bytes(folder / f"{name}{suffix}", content)


def _summary(outcome: Outcome, parameters: Mapping[str, Any], provenance: Mapping[str, Any]) -> Summary:
    """Return what ``results.json`` says."""
    results, failure, told = outcome.results, outcome.failure, outcome.told
    why = failure and {"kind": failure.kind, "message": failure.message, "section": outcome.section}
    counts = results and {
        "findings": len(results.findings),
        "by_severity": results.by_severity,
        "by_rule": results.by_rule,
    }
    since: Mapping[str, Any] | None = None
    if told and told.previous:
        gone = {"fixed_findings": [*map(dict, told.fixed)], "lost_findings": [*map(dict, told.unknown)]}
        since = {"previous": told.previous, **told.counts(), **gone}
    summary = {
        "report": outcome.name,
        "status": "failed" if failure else "done",
        "failure": why,
        "counts": counts,
        "since_previous": since,
        "seconds": dict(outcome.seconds),
        "parameters": dict(parameters),
        "inputs": provenance.get("inputs", []),
        "provenance": {name: value for name, value in provenance.items() if name != "inputs"},
    }
    return cast(Summary, summary)
