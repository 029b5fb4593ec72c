"""Executed notebooks to HTML: one file, no code, no network, the same bytes for the same input.

The templates lie in ``template/``; everything they do not get from a notebook's outputs is escaped.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from html import escape, unescape
from pathlib import Path
from typing import Any

import jinja2
import mistune

from mssante_audit.base.language import (
    count,
    current_language,
    damage,
    gettext,
    moment,
    number,
    severity_names,
    signatures,
)
from mssante_audit.base.resources import table_of
from mssante_audit.base.text import fold
from mssante_audit.report.failure import Failure
from mssante_audit.report.results import MIME
from mssante_audit.report.tables import script, source_of
from mssante_audit.report.traces import is_tagged, outside_scripts

TEMPLATE = Path(__file__).parent / "template"

_TITLE = re.compile(r"\A\s*#[ \t]+(.+?)[ \t]*#*[ \t]*(?:\n|\Z)")
_HEADING = re.compile(r"<h2\b([^>]*)>(.*?)</h2\s*>", re.DOTALL | re.IGNORECASE)
_ID = re.compile(r"""\bid\s*=\s*["']([^"']+)["']""")
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Page:
    """What a report's page says beside its notebook."""

    name: str
    parameters: Sequence[tuple[str, str]] = ()
    """French label and shown value of each."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """As `mssante_audit.report.results.provenance` returns it; empty if nothing was loaded."""
    failure: Failure | None = None
    follow_up: str = ""
    """What is new, open and fixed since the run before, as HTML, already escaped."""


def title_of(notebook: Mapping[str, Any], name: str) -> str:
    """Return the notebook's title: the heading its first cell starts with, or else its name."""
    first = next((cell["source"] for cell in notebook["cells"][:1] if cell["cell_type"] == "markdown"), "")
    match = _TITLE.match(first)
    return match[1] if match else name


def section_of(notebook: Mapping[str, Any], cell: int) -> str:
    """Return the last heading at or above a cell, or ""."""
    for above in reversed(notebook["cells"][: cell + 1]):
        if above["cell_type"] == "markdown":
            headings = re.findall(r"^#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$", above["source"], re.MULTILINE)
            if headings:
                return str(headings[-1])
    return ""


def verdicts() -> dict[str, str]:
    """Return the names of the signature's verdicts, in a sentence."""
    other = "mathématiquement juste, mais ce n’est pas celle du signataire attendu"
    return {**signatures(), "valid-untrusted": gettext(other)}


def to_html(notebook: Mapping[str, Any], page: Page) -> str:
    """Return the page of an executed, cleaned notebook; up to the failing cell if it failed."""
    title = title_of(notebook, page.name)
    cells = [dict(cell) for cell in notebook["cells"]]
    if page.failure:
        cells = cells[: page.failure.cell + 1]
    if cells and cells[0]["cell_type"] == "markdown":
        cells[0]["source"] = _TITLE.sub("", cells[0]["source"], count=1)
    tables = [i for i, c in enumerate(cells) if is_tagged(c, "parameters", "injected-parameters")]
    section = section_of(notebook, page.failure.cell) if page.failure else ""
    told = {"cells": cells, "page": page, "title": title, "section": section, "mime": MIME}
    return template("index.html.j2").render(told, parameters_at=tables[0] if tables else -1)


def index_html(rows: Sequence[Mapping[str, Any]], provenance: Mapping[str, Any], explorer: str = "") -> str:
    """Return the page that lists the reports of a run.

    Parameters
    ----------
    rows
        For each report `name`, `title`, `counts` (by severity, or ``None``), `failure`, `section`,
        `since_previous` (what is new, open and fixed, as a sentence; or "") and `last_good` (whether a report
        of an earlier run is still there).
    provenance
        As in `Page`.
    explorer
        File beside it with the explorer (`mssante_audit.report.explorer`), "" if there is none.
    """
    told = {"rows": rows, "explorer": explorer, "provenance": provenance, "policy": policy("")}
    return template("run.html.j2").render(told)


def glossary() -> list[tuple[str, str]]:
    """Return each term that readers meet and what it means, in the order of a dictionary.

    >>> dict(glossary())["MX"]
    'L’enregistrement du DNS qui nomme le serveur de messagerie d’un domaine.'
    """
    return _glossary(current_language())


@cache
def _glossary(language: str) -> list[tuple[str, str]]:
    read = table_of("mssante_audit.report", "glossary.toml")
    terms = ((term, meaning) for term, meaning in (one[language] for one in read.values()))
    return sorted(terms, key=lambda one: fold(one[0]))


def template(name: str) -> jinja2.Template:
    """Return a template of `TEMPLATE` that escapes what it is given, with the filters that reports have."""
    return _environment().get_template(name)


def policy(html: str) -> str:
    """Return the content security policy of a page: no remote origin, and no script but that of the tables.

    Whatever else gets in by a mistake of escaping, ``<script>`` or event handler, does not run.
    """
    return policy_of(*(source_of(script()),) if "<script" in html else ())


def policy_of(*sources: str) -> str:
    """Return the content security policy that lets scripts of these sources run, and no other.

    Parameters
    ----------
    sources
        As `mssante_audit.report.tables.source_of` returns them.
    """
    allowed = " ".join(sources or ("'none'",))
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "font-src data:; base-uri 'none'; form-action 'none'"
    )


@dataclass(frozen=True, slots=True)
class Outline:
    """A page's body with an anchor on each second-level heading."""

    html: str
    headings: tuple[tuple[str, str], ...]
    """Anchor and text of each."""


def outline(body: str) -> Outline:
    """Give each ``<h2>`` an anchor and list them.

    >>> outline("<h2>L’âge</h2><h2>L’âge</h2>").headings
    (('l-age', 'L’âge'), ('l-age-2', 'L’âge'))
    """
    headings: dict[str, str] = {}

    def anchored(match: re.Match[str]) -> str:
        attributes, inner = match.groups()
        own = _ID.search(attributes)
        text = unescape(_TAG.sub("", inner)).strip()
        anchor = own[1] if own else slug(text)
        candidates = itertools.chain([anchor], (f"{anchor}-{number}" for number in itertools.count(2)))
        anchor = next(one for one in candidates if one not in headings)
        headings[anchor] = text
        kept = _ID.sub("", attributes).rstrip()
        return f'<h2{kept} id="{escape(anchor)}">{inner}</h2>'

    pieces = outside_scripts(body, lambda text: _HEADING.sub(anchored, text))
    return Outline(pieces, tuple(headings.items()))


def slug(text: str) -> str:
    """Return a heading's text as an anchor.

    >>> slug("Signature & fraîcheur")
    'signature-fraicheur'
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "section"


def _prose(source: str, *, foreign: bool) -> str:
    """Render Markdown; headers of its tables are of columns.

    Raw HTML in a notebook's own is the author's; in foreign text, which a cell put out and which may hold the
    list's, it is shown and not obeyed.
    """
    return re.sub(r"<th(?=[ >])", '<th scope="col"', str(_markdown(escape=foreign)(source)))


_markdown = cache(partial(mistune.create_markdown, plugins=["table", "strikethrough"]))


@jinja2.pass_context  # without it Jinja would translate once, when it compiles the template
def _spoken(_: object, text: str) -> str:
    return gettext(text)


@cache
def _environment() -> jinja2.Environment:
    """Return what renders all pages; everything is escaped unless marked safe."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )  # fmt: skip
    made.policies["ext.i18n.trimmed"] = True
    made.install_gettext_callables(  # type: ignore[attr-defined]
        gettext, lambda one, many, n: gettext(one if n < 2 else many), newstyle=True
    )
    made.globals |= {
        "spoken": current_language, "glossary": glossary, "verdicts": verdicts, "severities": severity_names,
    }  # fmt: skip
    made.filters |= {
        "instant": lambda text: moment(datetime.fromisoformat(text)) if text else gettext("inconnue"),
        "number": number, "count": count, "damage": damage, "tr": _spoken,
        "outline": outline, "policy": policy,
        "prose": partial(_prose, foreign=False), "foreign_prose": partial(_prose, foreign=True),
    }  # fmt: skip
    return made
