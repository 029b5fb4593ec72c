"""From a notebook that ran to the files of its report: a page of one file, which asks for nothing.

nbconvert makes HTML of the cells, by the template ``cells.html.j2``; the page around them is ours.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
import tempfile
import time
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from html import escape, unescape
from pathlib import Path
from traceback import format_exception
from typing import TYPE_CHECKING, Any

import pandas as pd
from lxml.html import fragment_fromstring

from mssante_audit.base import export, resources
from mssante_audit.base.language import gettext, markdown
from mssante_audit.base.text import unaccented
from mssante_audit.findings import registry
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.ledger import FollowUp, follow, scope_of
from mssante_audit.report import findings, tables
from mssante_audit.report.execute import Failure, failure_of
from mssante_audit.report.html import TEMPLATE, Html, gettext_filter, joined, policy_of, template, trusted
from mssante_audit.report.parameters import PARAMETERS, PATHS, shown_value, tellable
from mssante_audit.report.results import ACCEPTED, MIME, NO_ANSWERS, Results, read_results

if TYPE_CHECKING:
    from nbconvert.exporters.templateexporter import TemplateExporter
    from nbformat import NotebookNode

    from mssante_audit.report.run import Job

_TITLE = re.compile(r"\A\s*#[ \t]+(.+?)[ \t]*#*[ \t]*(?:\n|\Z)")
_SECTION = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
_HEADING = re.compile(r"<script\b.*?</script\s*>|<h2\b([^>]*)>(.*?)</h2\s*>", re.DOTALL | re.IGNORECASE)
_ID = re.compile(r"""\bid\s*=\s*["']([^"']+)["']""")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one report."""

    name: str
    title: str
    results: Results | None  # What the notebook recorded; ``None`` if it did not come to it
    failure: Failure | None = None
    section: str = ""  # The heading under which it failed
    seconds: Mapping[str, float] = field(default_factory=dict)  # Durations of the steps
    # Its findings against those of the run before; ``None`` if they are not followed
    follow_up: FollowUp | None = None
    # How many of its domains have each answer (`mssante_audit.verdicts.domains.answers`)
    answers: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: NO_ANSWERS)
    lead: str = ""  # The answer that it begins with, as text


def as_severe(counts: Mapping[str, int] | None, fail_on: str | None) -> bool:
    """Tell whether, of findings counted by severity, one is at or above `fail_on` (``None``: never)."""
    bad = SEVERITIES[SEVERITIES.index(fail_on) :] if fail_on else ()
    return any((counts or {}).get(severity) for severity in bad)


def convert(
    job: Job,
    notebook: NotebookNode,
    failure: Failure | None,
    seconds: float,
    *,
    roots: Sequence[Path],
    loaded: Mapping[str, Any],
    answers: Mapping[str, Mapping[str, int]],
    ledger: dict[str, Any],
    debug: bool,
) -> tuple[Outcome, dict[str, bytes]]:
    """Return what became of a report, and the bytes of its files by suffix.

    A notebook that cannot be converted has a report that says so. `roots` are folders whose paths it must not
    show; `loaded` is the provenance of the data, for a notebook that recorded none; the `ledger` of earlier
    runs is changed.
    """
    import nbformat

    def page_of(notebook: NotebookNode, failure: Failure | None) -> tuple[Outcome, dict[str, bytes]]:
        begin, followed, since = time.perf_counter(), None, ""
        if failure and not debug:
            failure = replace(failure, traceback="")
        notebook, parameters = cleaned(notebook, job, roots, debug=debug), tellable(job.shown)
        records = (output[MIME] for output in reversed(_outputs(notebook)) if MIME in output)
        results = next(map(read_results, records), None)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = markdown(cell.source)
        origin = results.provenance if results else loaded
        if results and not failure:
            doubtful = {i["name"] for i in origin["inputs"] if i["state"] != "ok" and not i["tolerated"]}
            accepted = pd.DataFrame(origin.get("waived", ()), columns=list(ACCEPTED))
            unsure, scope = {*origin["not_made"], *registry.resting(doubtful)}, scope_of(job.name, parameters)
            followed = follow(ledger, scope, origin["as_of"], results.findings, unsure, accepted)
            since = findings.follow_up_html(followed, results.findings)
        prose = [c["source"] if c["cell_type"] == "markdown" else "" for c in notebook.cells]
        named = _TITLE.match(prose[0]) if prose else None
        title = (results.title if results else "") or (named[1] if named else job.name)
        above = _SECTION.findall("\n".join(prose[: failure.cell + 1])) if failure else []
        section, lead = above[-1] if above else "", lead_of(notebook)
        outcome = Outcome(job.name, title, results, failure, section, {}, followed, answers, lead)
        page = to_html(notebook, outcome, origin, labelled(job.shown), since)
        steps = {"run": round(seconds, 3), "convert": round(time.perf_counter() - begin, 3)}
        outcome = replace(outcome, seconds=steps)
        for output in _outputs(notebook):  # its findings are in files of their own
            output.pop(MIME, None)
        texts = {".html": page, ".ipynb": f"{nbformat.v4.writes(notebook)}\n"}
        written = {suffix: text.encode("utf-8", "backslashreplace") for suffix, text in texts.items()}
        return outcome, written | data_files(outcome, parameters, origin)

    try:
        return page_of(notebook, failure)
    except Exception as error:  # an output that nobody foresaw: the other reports are made all the same
        failure = failure_of(type(error).__name__, str(error), -1, "".join(format_exception(error)))
        return page_of(nbformat.v4.new_notebook(), failure)


def _outputs(notebook: NotebookNode) -> list[dict[str, Any]]:
    """Return what each output of a notebook holds, by its MIME type."""
    return [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", ())]


def lead_of(notebook: NotebookNode) -> str:
    """Return in one line where the overview says to begin, or the answer that a report begins with, or ""."""
    pages = [output.get("text/html", "") for output in _outputs(notebook)]
    for kind in ("first", "lead"):
        for page in pages:
            if f'class="{kind}"' in page:
                for answer in fragment_fromstring(page, create_parent=True).find_class(kind):
                    return re.sub(r"[ \t\n]+", " ", answer.text_content()).strip()
    return ""


def cleaned(notebook: NotebookNode, job: Job, roots: Sequence[Path], *, debug: bool) -> NotebookNode:
    """Return a notebook without paths and metadata of the run, nor, unless for debugging, what holds values.

    These are tracebacks and what was written to standard error.
    """
    import nbformat

    hidden = _paths(job, roots)

    def without_paths(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: without_paths(part) for name, part in value.items()}
        if isinstance(value, list):
            return [without_paths(part) for part in value]
        return hidden.sub("", value) if isinstance(value, str) else value

    cells = []
    for number, cell in enumerate(notebook.cells, 1):
        fields = {name: cell[name] for name in ("cell_type", "source", "execution_count") if name in cell}
        tags = list(cell.metadata.get("tags", ()))
        if "injected-parameters" in tags:
            values = tellable(job.passed).items()
            fields["source"] = "\n".join(f"{name} = {value!r}" for name, value in values)
        if cell.cell_type == "code":
            fields["outputs"] = [without_paths(o) for o in cell.outputs if debug or o.get("name") != "stderr"]
            for output in fields["outputs"]:
                if output["output_type"] == "error" and not debug:
                    output |= {"evalue": "", "traceback": []}
        cells.append({**fields, "id": f"cell-{number:03}", "metadata": {"tags": tags} if tags else {}})
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    code = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}
    metadata = {"kernelspec": kernel, "language_info": code}
    bare: NotebookNode = nbformat.v4.new_notebook(cells=nbformat.from_dict(cells), metadata=metadata)
    return bare


def _paths(job: Job, roots: Sequence[Path]) -> re.Pattern[str]:
    """Return a pattern of the paths that a report must not show, in HTML too."""
    named = [values.get(name) or () for values in (job.passed, job.shown) for name in PATHS]
    files = [file for value in named for file in ([value] if isinstance(value, str) else value)]
    roots = [*roots, *(Path(file).parent for file in files), *Path(__file__).parents[1:3]]
    roots += [Path.cwd(), Path(tempfile.gettempdir()), Path(sys.prefix), Path(sys.base_prefix)]
    with suppress(RuntimeError):  # a container's user may have none
        roots.append(Path.home())
    # Whole paths alone: of "data/sample" the folder is "data", as in the address of each file in a page.
    paths = {path for root in roots for path in (root.absolute(), resources.real_path(root))}
    texts = {text for text in map(str, paths) if len(text) > 1}
    longest_first = sorted(texts | {escape(text) for text in texts}, key=lambda text: (-len(text), text))
    # Not inside a word or base64 data, where the same letters may stand by chance.
    return re.compile(rf"(?<![\w+/=.~-])(?:{'|'.join(map(re.escape, longest_first))})(?:/|(?![\w.~-]))")


def labelled(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return parameters as a page tells them: label and shown value."""
    return [
        (gettext(str(PARAMETERS[name].title)), shown_value(name, value)) for name, value in values.items()
    ]


def data_files(
    outcome: Outcome, parameters: Mapping[str, Any], provenance: Mapping[str, Any]
) -> dict[str, bytes]:
    """Return the files of a report that machines read, by suffix: a summary, and findings if complete."""
    results, failure, followed = outcome.results, outcome.failure, outcome.follow_up
    why = failure and {"kind": failure.kind, "message": failure.message, "section": outcome.section}
    counts = results and {
        "findings": len(results.findings), "by_severity": results.by_severity, "by_rule": results.by_rule,
    }  # fmt: skip
    since = followed and followed.previous and {
        "previous": followed.previous, **followed.counts(),
        "fixed_findings": [*map(dict, followed.fixed)], "lost_findings": [*map(dict, followed.unknown)],
    }  # fmt: skip
    summary = {  # `mssante_audit.report.results.schema`
        "report": outcome.name, "status": "failed" if failure else "done", "failure": why, **outcome.answers,
        "counts": counts, "since_previous": since or None, "seconds": dict(outcome.seconds),
        "parameters": dict(parameters), "inputs": provenance.get("inputs", []),
        "provenance": {name: value for name, value in provenance.items() if name != "inputs"},
    }  # fmt: skip
    files = {".results.json": export.json_bytes(summary)}
    if results and not failure:
        frame = results.findings
        if followed:
            frame = frame.assign(first_seen=list(followed.first_seen), status=list(followed.status))
        files[".findings.csv"] = export.csv_text(frame).encode("utf-8-sig", "backslashreplace")
        if results.calendar:
            files[".ics"] = results.calendar.encode("utf-8", "backslashreplace")
    return files


def write_files(staging: Path, name: str, files: Mapping[str, bytes], *, failed: bool) -> None:
    """Write the files of one report, those of a failed one apart."""
    folder = staging / "failed" if failed else staging
    folder.mkdir(exist_ok=True)
    for suffix, content in files.items():
        export.write_bytes(folder / f"{name}{suffix}", content)


def outdated(name: str, suffixes: Iterable[str], written: Container[str] = ()) -> Iterator[Path]:
    """Yield the files of earlier runs that a complete report outdates: partial ones, and what it lacks."""
    for suffix in suffixes:
        yield Path("failed", f"{name}{suffix}")
        if suffix not in written:
            yield Path(f"{name}{suffix}")


def to_html(
    notebook: Mapping[str, Any],
    outcome: Outcome,
    provenance: Mapping[str, Any],
    parameters: Sequence[tuple[str, str]] = (),
    follow_up: str = "",
) -> str:
    """Return the page of an executed, cleaned notebook; up to the failing cell if it failed."""
    from nbformat import from_dict

    cells = [dict(cell) for cell in notebook["cells"]]
    if outcome.failure:
        cells = cells[: outcome.failure.cell + 1]
    if cells and cells[0]["cell_type"] == "markdown":
        cells[0]["source"] = _TITLE.sub("", cells[0]["source"], count=1)
    excerpt: NotebookNode = from_dict({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    html, _ = _exporter().from_notebook_node(excerpt)
    hidden_tags, code = {"parameters", "injected-parameters"}, (c for c in cells if c["cell_type"] == "code")
    sources = [c["source"] for c in code if hidden_tags.isdisjoint(c["metadata"].get("tags", []))]
    return page_html(outcome, provenance, parameters, joined(trusted(html), follow_up), sources)


def page_html(
    outcome: Outcome,
    provenance: Mapping[str, Any],
    parameters: Sequence[tuple[str, str]],
    content: Html,
    code: Sequence[str] = (),
) -> str:
    """Return the page of a report, with the labels and values of its parameters, round its content."""
    body, headings = outline(content)
    return template("report.html.j2").render(
        title=outcome.title, section=outcome.section, failure=outcome.failure, body=body, headings=headings,
        code=code, parameters=parameters, provenance=provenance,
        policy=policy_of(tables.script() if "<script" in body else ""),
    )  # fmt: skip


@cache
def _exporter() -> TemplateExporter:
    """Return what makes a notebook's cells HTML: nbconvert as it is, with a template of ours."""
    if os.path.expanduser("~") == "~":  # a container's user may have no home; Jupyter does not import then
        os.environ["HOME"] = "/nonexistent"
    import mistune
    from nbconvert.exporters.templateexporter import TemplateExporter

    def prose(source: str, escape: bool = False) -> Html:  # with `escape`, what may hold texts of the data
        html = mistune.create_markdown(escape=escape, plugins=["table", "strikethrough"])(source)
        return trusted(re.sub(r"<th(?=[ >])", '<th scope="col"', str(html)))

    exporter: TemplateExporter = TemplateExporter(  # type: ignore[no-untyped-call]
        template_name="base", template_file="cells.html.j2", extra_template_paths=[str(TEMPLATE)],
        default_preprocessors=[],
    )  # fmt: skip
    jinja = exporter.environment
    jinja.trim_blocks = jinja.lstrip_blocks = jinja.autoescape = True
    jinja.globals["mime"] = MIME
    jinja.filters |= {"prose": prose, "tr": gettext_filter}
    return exporter


def index_html(
    outcomes: Sequence[Outcome], complete: Collection[str], provenance: Mapping[str, Any], **screen: Any
) -> str:
    """Return the page that lists the reports of a run.

    `complete` are those that an earlier run left whole; the `screen` may have the question that a first
    screen answers (``title``), what it says (``first``), what to put right first (``causes``), and the file
    of the explorer beside it (``explorer``).
    """
    texts = {"title": gettext("Rapports d’audit"), "style": tables.style()}
    return template("run.html.j2").render(
        texts | screen, outcomes=outcomes, complete=complete, provenance=provenance,
        since=findings.since_previous,
    )  # fmt: skip


def outline(body: str) -> tuple[Html, list[tuple[str, str]]]:
    """Give each ``<h2>`` outside scripts an anchor; return the body, and the anchors with their texts."""
    headings: dict[str, str] = {}
    used_ids = {*map(unescape, _ID.findall(body))}

    def anchored(match: re.Match[str]) -> str:
        attributes, inner = match.groups()
        if inner is None:
            return match[0]
        named, text = _ID.search(attributes), trusted(inner).striptags()
        slug = re.sub(r"[^a-z0-9]+", "-", unaccented(text.casefold())).strip("-") or "section"
        base = anchor = unescape(named[1]) if named else slug
        for number in itertools.count(2):
            if anchor not in headings and (named or anchor not in used_ids):
                break
            anchor = f"{base}-{number}"
        headings[anchor] = text
        others = trusted(_ID.sub("", attributes).rstrip())
        return trusted('<h2{} id="{}">{}</h2>').format(others, anchor, trusted(inner))

    return trusted(_HEADING.sub(anchored, body)), list(headings.items())
