"""From a notebook that ran to the files of its report, in memory: what became of it, and their bytes."""

from __future__ import annotations

import html
import re
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
from lxml.html import HtmlElement, fragment_fromstring

from mssante_audit.base.export import csv_text, json_bytes, write_bytes
from mssante_audit.base.language import gettext, markdown
from mssante_audit.base.resources import real_path
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.ledger import FollowUp, follow, scope_of
from mssante_audit.findings.registry import resting
from mssante_audit.report.execute import Failure, failure_of
from mssante_audit.report.follow_up import follow_up_html
from mssante_audit.report.page import Page, is_tagged, section_of, title_of, to_html
from mssante_audit.report.parameters import PARAMETERS, shown_value
from mssante_audit.report.plan import PATHS, Job, tellable
from mssante_audit.report.results import MIME, Results, read_results
from mssante_audit.report.summary import NO_ANSWERS, Accepted, Summary

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from mssante_audit.report.execute import Execution


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
    follow_up: FollowUp | None = None
    """Its findings against those of the run before; ``None`` if they are not followed."""
    answers: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: NO_ANSWERS)
    """How many of its domains have each answer (`mssante_audit.verdicts.domains.answers`)."""
    lead: str = ""
    """The answer that it begins with, as text."""


def as_severe(counts: Mapping[str, int] | None, fail_on: str | None) -> bool:
    """Tell whether, of findings counted by severity, one is at or above `fail_on` (``None``: never)."""
    bad = SEVERITIES[SEVERITIES.index(fail_on) :] if fail_on else ()
    return any((counts or {}).get(severity) for severity in bad)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a report is made with, beside its notebook."""

    roots: Sequence[Path] = ()
    """Folders whose paths it must not show, beside those of this process and of the data."""
    loaded: Mapping[str, Any] = field(default_factory=dict)
    """Provenance of the data, for a notebook that did not come to telling its own."""
    answers: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: NO_ANSWERS)
    """How many domains have each answer."""
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


def _convert(job: Job, execution: Execution, setting: Setting) -> tuple[Outcome, dict[str, bytes]]:
    from nbformat.v4 import writes

    begin = time.perf_counter()
    failure = execution.failure
    if failure and not setting.debug:
        failure = replace(failure, traceback="")
    notebook = cleaned(execution.notebook, job, setting)
    results = recorded(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = markdown(cell.source)
    followed = _followed(job, results, setting.ledger) if results and not failure else None
    origin = results.provenance if results else setting.loaded
    since = follow_up_html(followed, results.findings) if followed and results else ""
    title = results.title if results else ""
    page = to_html(notebook, Page(job.name, labelled(job.shown), origin, failure, since, title))
    section = section_of(notebook, failure.cell) if failure else ""
    seconds = {"run": round(execution.seconds, 3), "convert": round(time.perf_counter() - begin, 3)}
    title = title or title_of(notebook, job.name)
    outcome = Outcome(
        job.name, title, results, failure, section, seconds, followed, setting.answers, lead_of(notebook)
    )
    files = {
        ".html": page.encode("utf-8", "backslashreplace"),
        ".ipynb": f"{writes(notebook)}\n".encode("utf-8", "backslashreplace"),
    }
    return outcome, files | data_files(outcome, tellable(job.shown), origin)


def lead_of(notebook: NotebookNode) -> str:
    """Return as text the answer that a report begins with (`mssante_audit.report.html.lead`), or ""."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", ()))
    pages = (output.get("data", {}).get("text/html", "") for output in outputs)
    found = next((page for page in pages if 'class="lead"' in page), "")
    answers = fragment_fromstring(found, create_parent=True).find_class("lead") if found else []
    return text_of(answers[0]) if answers else ""


def text_of(element: HtmlElement) -> str:
    """Return what an element says in one line, with its spaces that no line breaks at."""
    return re.sub(r"[ \t\n]+", " ", element.text_content()).strip()


def _followed(job: Job, results: Results, ledger: dict[str, Any] | None) -> FollowUp | None:
    """Compare what a report found with what the run before found, and note it."""
    if ledger is None:
        return None
    made = results.provenance
    doubtful = {i["name"] for i in made["inputs"] if i["state"] != "ok" and not i["tolerated"]}
    accepted = pd.DataFrame(made.get("waived", ()), columns=list(Accepted.__annotations__))
    unsure = {*made["not_made"], *resting(doubtful)}
    scope = scope_of(job.name, tellable(job.shown))
    return follow(ledger, scope, made["as_of"], results.findings, unsure, accepted)


def recorded(notebook: NotebookNode) -> Results | None:
    """Return the results that a notebook recorded, or ``None`` if it did not come to it."""
    for cell in reversed(notebook.cells):
        for output in reversed(cell.get("outputs", [])):
            if MIME in output.get("data", {}):
                return read_results(output.data[MIME])
    return None


def cleaned(notebook: NotebookNode, job: Job, setting: Setting) -> NotebookNode:
    """Return a notebook without what tells of the machine or the moment: paths, metadata of the run.

    So go, unless for debugging, tracebacks and what was written to standard error, which may hold values.
    """
    import nbformat

    hidden = _paths(job, setting)

    def shown(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: shown(part) for name, part in value.items()}
        if isinstance(value, list):
            return [shown(part) for part in value]
        return hidden.sub("", value) if isinstance(value, str) else value

    cells = []
    for number, cell in enumerate(notebook.cells, 1):
        kept = {name: cell[name] for name in ("cell_type", "source", "execution_count") if name in cell}
        tags = list(cell.metadata.get("tags", ()))
        if is_tagged(cell, "injected-parameters"):
            kept["source"] = "\n".join(f"{name} = {value!r}" for name, value in tellable(job.given).items())
        if cell.cell_type == "code":
            outputs = cell.outputs if setting.debug else map(_untold, cell.outputs)
            kept["outputs"] = [shown(output) for output in outputs if output]
        cells.append({**kept, "id": f"cell-{number:03}", "metadata": {"tags": tags} if tags else {}})
    bare: NotebookNode = nbformat.v4.new_notebook(cells=nbformat.from_dict(cells))
    bare.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    bare.metadata["language_info"] = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}
    return bare


def _untold(output: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an output without values of variables: nothing, if it was written to standard error."""
    if output["output_type"] == "error":
        return {**output, "evalue": "", "traceback": []}
    return {} if output.get("name") == "stderr" else output


def _paths(job: Job, setting: Setting) -> re.Pattern[str]:
    """Return what matches the paths that a report must not show, as they are and as HTML has them."""
    named = [values.get(name) or () for values in (job.given, job.shown) for name in PATHS]
    files = [file for value in named for file in ([value] if isinstance(value, str) else value)]
    roots = [*setting.roots, *(Path(file).parent for file in files), *Path(__file__).parents[1:3]]
    roots += [Path.cwd(), Path(tempfile.gettempdir()), Path(sys.prefix), Path(sys.base_prefix)]
    with suppress(RuntimeError):  # a container's user may have none
        roots.append(Path.home())
    texts = {text for root in roots for path in (root, real_path(root)) if len(text := str(path)) > 1}
    texts |= {html.escape(text) for text in texts}
    longest_first = sorted(texts, key=lambda text: (-len(text), text))
    # Not inside a word or base64 data, where the same letters may stand by chance.
    return re.compile(rf"(?<![\w+/=.~-])(?:{'|'.join(map(re.escape, longest_first))})(?:/|(?![\w.~-]))")


def labelled(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return parameters as a page tells them: label and shown value."""
    titles = {name: gettext(str(PARAMETERS[name].title)) for name in values}
    return [(titles[name], shown_value(name, value)) for name, value in values.items()]


def data_files(
    outcome: Outcome, parameters: Mapping[str, Any], provenance: Mapping[str, Any]
) -> dict[str, bytes]:
    """Return the files of a report that machines read, by suffix: a summary, and findings if complete."""
    files = {".results.json": json_bytes(_summary(outcome, parameters, provenance))}
    if outcome.results and not outcome.failure:
        frame, followed = outcome.results.findings, outcome.follow_up
        if followed:
            frame = frame.assign(first_seen=list(followed.first_seen), status=list(followed.status))
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
    results, failure, followed = outcome.results, outcome.failure, outcome.follow_up
    why = failure and {"kind": failure.kind, "message": failure.message, "section": outcome.section}
    counts = results and {
        "findings": len(results.findings), "by_severity": results.by_severity, "by_rule": results.by_rule,
    }  # fmt: skip
    since = followed and followed.previous and {
        "previous": followed.previous, **followed.counts(),
        "fixed_findings": [*map(dict, followed.fixed)], "lost_findings": [*map(dict, followed.unknown)],
    }  # fmt: skip
    return cast(Summary, {
        "report": outcome.name, "status": "failed" if failure else "done", "failure": why, **outcome.answers,
        "counts": counts, "since_previous": since or None, "seconds": dict(outcome.seconds),
        "parameters": dict(parameters), "inputs": provenance.get("inputs", []),
        "provenance": {name: value for name, value in provenance.items() if name != "inputs"},
    })  # fmt: skip
