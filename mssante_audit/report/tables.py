"""HTML for the reports: tables, key figures, counts by severity. All text of the data is escaped here.

A table is plain HTML, readable and printable without any script; `script` makes it sort, filter and page, in
reports, dossiers, on the site and in JupyterLab. `enable` puts script and style into a notebook, once.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

import pandas as pd

from mssante_audit.base.export import csv_text
from mssante_audit.base.french import NBSP, SEVERITY_NAMES, count, number, severity_name, typeset
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.findings.registry import rule

SYMBOLS = {"critical": "✖", "error": "▲", "warning": "◆", "info": "●"}
"""A shape each: severity is never told by colour alone."""

SHOWN_TEXT = 400
"""Characters of one cell that are shown; the CSV has the rest."""

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)


@dataclass(frozen=True, slots=True)
class Html:
    """A piece of a report, already escaped."""

    text: str = field(repr=False)

    def _repr_html_(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table."""

    html: str
    """Already escaped."""
    order: float | str | None = None
    """What the column is sorted by, where it is not the text."""


def visible(text: str) -> str:
    r"""Return a text of the data in which no character is invisible or turns the reading direction.

    >>> visible("ch\u200b-valfictif\u202e")
    'ch\\u200b-valfictif\\u202e'
    """
    return _UNSEEN.sub(lambda m: f"\\u{ord(m[0]):04x}", text)


def data(text: str, limit: int = SHOWN_TEXT, more: str = " (texte coupé : voir le CSV)") -> str:
    """Return a text of the data as HTML: escaped, nothing invisible, cut at `limit` and followed by `more`.

    >>> data("<b>"), data("abcd", 2, "")
    ('<bdi>&lt;b&gt;</bdi>', '<bdi>ab…</bdi>')
    """
    if not text:
        return ""
    shown = visible(text)
    return f"<bdi>{escape(shown if len(shown) <= limit else f'{shown[:limit]}…{more}')}</bdi>"


def prose(text: str) -> str:
    """Return a text of the rule catalogue as HTML, with French typography."""
    return typeset(escape(text, quote=False))


def badge(severity: str, value: int | None = None) -> str:
    """Return a severity as HTML, with how many there are if a number is given."""
    name = severity_name(severity, value or 1)
    text = name if value is None else f"{number(value)}{NBSP}{name}"
    return (
        f'<span class="sev sev-{severity}"><span aria-hidden="true">{SYMBOLS[severity]}</span> {text}</span>'
    )


@cache
def script() -> str:
    """Return the script of tables, the same for reports, dossiers and site."""
    return (files("mssante_audit.report") / "table.js").read_text(encoding="utf-8").replace("\r\n", "\n")


@cache
def style() -> str:
    """Return the style of tables, figures and charts."""
    return (files("mssante_audit.report") / "tables.css").read_text(encoding="utf-8")


def source_of(code: str) -> str:
    """Return the Content-Security-Policy source that allows one inline script and nothing else.

    >>> source_of("")[:8]
    "'sha256-"
    """
    return f"'sha256-{b64encode(sha256(code.encode()).digest()).decode('ascii')}'"


def enable() -> Html:
    """Return style and script of the tables: to be shown once, by one of a notebook's first cells."""
    return Html(f'<style>{style()}</style><script type="module">{script()}</script>')


def table(
    name: str, caption: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], after: str = ""
) -> str:
    """Return a sortable table as HTML.

    Parameters
    ----------
    name
        Its `id`, unique in the report.
    caption
        What the table holds, plain text.
    columns
        Names of the columns, plain text.
    rows
        One sequence of cells a row.
    after
        HTML below the table.

    Raises
    ------
    ValueError
        If a row has more or fewer cells than there are columns.
    """
    body = []
    for row in rows:
        cells = []
        for column, cell in zip(columns, row, strict=True):
            order = "" if cell.order is None else f' data-order="{escape(str(cell.order))}"'
            cells.append(f'<td data-label="{escape(column)}"{order}>{cell.html}</td>')
        body.append(f"<tr>{''.join(cells)}</tr>")
    head = "".join(f'<th scope="col">{escape(visible(column))}</th>' for column in columns)
    lines = "\n".join(body)
    return (
        f'<div class="table"><table id="{escape(name)}" class="sortable" data-rows="{len(body)}">'
        f"<caption>{escape(visible(caption))}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{lines}\n</tbody>"
        f"</table>{after}</div>"
    )


FINDING_COLUMNS = ("Gravité", "Constat", "Domaines", "Opérateur", "Observé", "Lignes")


def findings_table(findings: pd.DataFrame, *, name: str, caption: str, limit: int) -> Html:
    """Return findings as a table, and all of them as a CSV file to download out of the report itself.

    Parameters
    ----------
    findings
        As `mssante_audit.findings.frame` describes; masked already where they must be.
    name
        The table's `id`, and the name of the CSV file.
    caption
        What the table holds.
    limit
        Rows shown at most. Above it the table says how many there are and where.
    """
    shown = findings.head(limit)
    rows = map(_finding_cells, shown.to_dict("records"))
    return Html(table(name, caption, FINDING_COLUMNS, rows, csv_link(findings, shown, name)))


def _finding_cells(finding: dict[Hashable, Any]) -> tuple[Cell, ...]:
    domains, severity, code = finding["domains"], str(finding["severity"]), finding["rule"]
    others = f"<br>et {count(domains - 1, 'autre', 'autres')}" if domains > 1 else ""
    domain = f"{data(finding['domain'])}{others}" if domains else "toute la liste"
    expected = f"<br><small>attendu{NBSP}:</small> {data(finding['expected'])}" if finding["expected"] else ""
    # A register's rows with the file's name, or what earlier lists show.
    elsewhere = bool({":", ";"} & set(finding["evidence"]))
    rows = "" if elsewhere else f" ({count(len(finding['rows']), 'ligne')})"
    evidence = data(finding["evidence"], 90 if elsewhere else 24, rows)
    shown_code = f'<small class="code"><br>{code.replace("_", "_<wbr>")}</small>'
    operator = f"{data(finding['operator'])}<br><small>{data(finding['operator_id'])}</small>"
    return (
        Cell(badge(severity), SEVERITIES.index(severity)),
        Cell(f"{prose(rule(code).title_fr)}{shown_code}"),
        Cell(domain, domains),
        Cell(operator if finding["operator_id"] else "", visible(finding["operator"])),
        Cell(f"{data(finding['observed'])}{expected}"),
        Cell(evidence, next(iter(finding["rows"]), 0)),
    )


def csv_link(findings: pd.DataFrame, shown: pd.DataFrame, name: str) -> str:
    """Return the link to all rows of a frame as CSV, held in the report itself."""
    content = csv_text(findings).encode("utf-8-sig", "backslashreplace")
    cut = len(shown) < len(findings)
    note = (
        f"<strong>Les {number(len(shown))} premières lignes sur {number(len(findings))} sont montrées ; "
        "toutes sont dans le fichier CSV.</strong> "
        if cut
        else ""
    )
    lines = f"les {count(len(findings), 'ligne')}" if len(findings) > 1 else "la ligne"
    size = f"{number(max(1, round(len(content) / 1000)))}{NBSP}ko"
    return (
        f'<p class="csv">{note}<a download="{escape(name)}.csv" href="data:text/csv;base64,'
        f'{b64encode(content).decode("ascii")}">Télécharger {lines} (CSV, {size})</a></p>'
    )


def severity_bars(findings: pd.DataFrame) -> Html:
    """Return the number of findings of each severity, worst first, with bars."""
    counts = findings["severity"].value_counts()
    most = max(1, int(counts.max())) if len(counts) else 1
    lines = []
    for severity in SEVERITY_NAMES:
        value = int(counts.get(severity, 0))
        bar = f'<span class="track"><span class="bar" style="width:{100 * value / most:.1f}%"></span></span>'
        lines.append(f'<li class="sev-{severity}">{badge(severity, value)}{bar}</li>')
    return Html(f'<ul class="severities" aria-label="Constats par gravité">{"".join(lines)}</ul>')


def show_frames() -> Html:
    """Let this notebook show every frame as a sortable table, by itables; return what `enable` does."""
    import itables  # for JupyterLab only: its 600 kB would be in every report

    itables.options.language = {"search": "Rechercher :", "zeroRecords": "Aucune ligne ne correspond."}
    itables.init_notebook_mode(all_interactive=True, connected=False)
    return enable()


@dataclass(frozen=True, slots=True)
class Figure:
    """A key figure: its name, its value and, if there is more to say, a note. Plain text, all three."""

    name: str
    value: str
    note: str = ""


def key_figures(figures: Iterable[Figure]) -> Html:
    """Return key figures as tiles."""
    tiles = "".join(
        f"<div><dt>{escape(f.name)}</dt><dd>{escape(f.value)}"
        f"{f'<small>{escape(f.note)}</small>' if f.note else ''}</dd></div>"
        for f in figures
    )
    return Html(f'<dl class="figures">{tiles}</dl>')
