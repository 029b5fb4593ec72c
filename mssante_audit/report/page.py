"""Pages: one file each, no network, the same bytes for the same input.

nbconvert makes HTML of an executed notebook's cells, by the template ``cells.html.j2``; the page around them
is ours (`mssante_audit.report.html`).
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from typing import TYPE_CHECKING, Any

from mssante_audit.base.language import gettext
from mssante_audit.base.text import unaccented
from mssante_audit.report.execute import Failure
from mssante_audit.report.html import TEMPLATE, Html, gettext_filter, joined, template, trusted
from mssante_audit.report.results import MIME
from mssante_audit.report.tables import script, source_of, style

if TYPE_CHECKING:
    from nbconvert.exporters.templateexporter import TemplateExporter
    from nbformat import NotebookNode

_TITLE = re.compile(r"\A\s*#[ \t]+(.+?)[ \t]*#*[ \t]*(?:\n|\Z)")
_SECTION = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
_HEADING = re.compile(r"<script\b.*?</script\s*>|<h2\b([^>]*)>(.*?)</h2\s*>", re.DOTALL | re.IGNORECASE)
_ID = re.compile(r"""\bid\s*=\s*["']([^"']+)["']""")


@dataclass(frozen=True, slots=True)
class Page:
    """What a report's page says beside its notebook."""

    name: str
    parameters: Sequence[tuple[str, str]] = ()
    """Label and shown value of each."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """As `mssante_audit.report.results.provenance` returns it; empty if nothing was loaded."""
    failure: Failure | None = None
    follow_up: str = ""
    """What is new, open and fixed since the run before, as HTML."""
    title: str = ""
    """What it is called, if not like its notebook."""


def is_tagged(cell: Mapping[str, Any], *tags: str) -> bool:
    """Say whether a cell bears one of the `tags`."""
    return not set(tags).isdisjoint(cell["metadata"].get("tags", []))


def title_of(notebook: Mapping[str, Any], name: str) -> str:
    """Return the notebook's title: the heading its first cell starts with, or else its name."""
    first = next((cell["source"] for cell in notebook["cells"][:1] if cell["cell_type"] == "markdown"), "")
    match = _TITLE.match(first)
    return match[1] if match else name


def section_of(notebook: Mapping[str, Any], cell: int) -> str:
    """Return the last heading at or above a cell, or ""."""
    for above in reversed(notebook["cells"][: cell + 1]):
        if above["cell_type"] == "markdown" and (headings := _SECTION.findall(above["source"])):
            return str(headings[-1])
    return ""


def to_html(notebook: Mapping[str, Any], page: Page) -> str:
    """Return the page of an executed, cleaned notebook; up to the failing cell if it failed."""
    from nbformat import from_dict

    cells = [dict(cell) for cell in notebook["cells"]]
    if page.failure:
        cells = cells[: page.failure.cell + 1]
    if cells and cells[0]["cell_type"] == "markdown":
        cells[0]["source"] = _TITLE.sub("", cells[0]["source"], count=1)
    shown: NotebookNode = from_dict({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    html, _ = _exporter().from_notebook_node(shown)
    title = page.title or title_of(notebook, page.name)
    section = section_of(notebook, page.failure.cell) if page.failure else ""
    code = [c["source"] for c in cells if c["cell_type"] == "code" and not is_tagged(c, *_PARAMETERS)]
    return page_html(page, title, joined(trusted(html), page.follow_up), section, code)


def page_html(page: Page, title: str, content: Html, section: str = "", code: Sequence[str] = ()) -> str:
    """Return a page round its content; `section` is what it stops in, if it failed."""
    body, headings = outline(content)
    return template("report.html.j2").render(
        page=page, title=title, section=section, body=body, headings=headings, policy=policy(body), code=code,
        provenance=page.provenance,
    )  # fmt: skip


_PARAMETERS = ("parameters", "injected-parameters")


@cache
def _exporter() -> TemplateExporter:
    """Return what makes a notebook's cells HTML: nbconvert as it is, with a template of ours."""
    if os.path.expanduser("~") == "~":  # a container's user may have no home; Jupyter does not import then
        os.environ["HOME"] = "/nonexistent"
    from nbconvert.exporters.templateexporter import TemplateExporter

    made: TemplateExporter = TemplateExporter(  # type: ignore[no-untyped-call]
        template_name="base",
        template_file="cells.html.j2",
        extra_template_paths=[str(TEMPLATE)],
        default_preprocessors=[],
    )
    made.environment.trim_blocks = made.environment.lstrip_blocks = True
    made.environment.autoescape = True
    made.environment.globals["mime"] = MIME
    made.environment.filters |= {"prose": _prose, "tr": gettext_filter}
    return made


def index_html(
    rows: Sequence[Mapping[str, Any]],
    provenance: Mapping[str, Any],
    *,
    title: str = "",
    first: str = "",
    causes: str = "",
    explorer: str = "",
) -> str:
    """Return the page that lists the reports of a run (`mssante_audit.report.run`), a row each.

    `title`, `first` and `causes` are the question that a first screen answers, what it says, and what to put
    right first (`mssante_audit.report.first`); `explorer` is the file beside it, "" if there is none.
    """
    return template("run.html.j2").render(
        rows=rows, provenance=provenance, title=title or gettext("Rapports d’audit"), first=first,
        causes=causes, explorer=explorer, style=style() if first else "",
        policy=policy("").replace("form-action 'none'", "form-action 'self'"),  # the search of the explorer
    )  # fmt: skip


def policy(html: str) -> str:
    """Return the content security policy of a page: no remote origin, no script but that of the tables."""
    return policy_of(*(source_of(script()),) if "<script" in html else ())


def policy_of(*sources: str) -> str:
    """Return the content security policy that lets scripts of these sources run, and no other."""
    allowed = " ".join(sources or ("'none'",))
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "font-src data:; base-uri 'none'; form-action 'none'"
    )


def outline(body: str) -> tuple[Html, list[tuple[str, str]]]:
    """Give each ``<h2>`` an anchor; return the body, whose scripts stay as they are, and anchors and texts.

    >>> outline("<h2>L’âge</h2><h2>L’âge</h2>")[1]
    [('l-age', 'L’âge'), ('l-age-2', 'L’âge')]
    """
    headings: dict[str, str] = {}

    def anchored(match: re.Match[str]) -> str:
        attributes, inner = match.groups()
        if inner is None:
            return match[0]
        named = _ID.search(attributes)
        text = trusted(inner).striptags()
        anchor = unescape(named[1]) if named else slug(text)
        candidates = itertools.chain([anchor], (f"{anchor}-{number}" for number in itertools.count(2)))
        anchor = next(candidate for candidate in candidates if candidate not in headings)
        headings[anchor] = text
        kept = trusted(_ID.sub("", attributes).rstrip())
        return trusted('<h2{} id="{}">{}</h2>').format(kept, anchor, trusted(inner))

    return trusted(_HEADING.sub(anchored, body)), list(headings.items())


def slug(text: str) -> str:
    """Return a heading's text as an anchor."""
    return re.sub(r"[^a-z0-9]+", "-", unaccented(text.casefold())).strip("-") or "section"


def _prose(source: str, escape: bool = False) -> Html:
    """Return Markdown as HTML; with `escape`, as what a cell put out may hold texts of the data."""
    import mistune

    html = mistune.create_markdown(escape=escape, plugins=["table", "strikethrough"])(source)
    return trusted(re.sub(r"<th(?=[ >])", '<th scope="col"', str(html)))
