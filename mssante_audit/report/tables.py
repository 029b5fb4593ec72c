"""HTML for the reports: tables, key figures. All text of the data is escaped here.

A table is plain HTML, readable and printable without any script; `script` makes it sort, filter and page, in
reports, dossiers, on the site and in JupyterLab. `enable` puts script and style into a notebook, once.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from html import escape, unescape
from importlib.resources import files

import pandas as pd

from mssante_audit.base import markup
from mssante_audit.base.export import csv_text
from mssante_audit.base.language import (
    current_language,
    format_text,
    gettext,
    number,
    severity_name,
    translated,
    typeset,
    use_language,
)
from mssante_audit.base.markup import SHOWN_TEXT as SHOWN_TEXT
from mssante_audit.base.markup import data as data
from mssante_audit.base.markup import visible as visible
from mssante_audit.base.typography import NBSP
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.report.parameters import check_value

SYMBOLS = {"critical": "✖", "error": "▲", "warning": "◆", "info": "●"}
"""A shape each: severity is never told by colour alone."""

SHORT = 16
"""Characters of a text that stays on one line."""

PAPER = 10
"""Rows of a table that are printed (`tables.css`): paper is read, and the rest is looked up in the file."""

_TAG = re.compile("<[^>]*>")
WORD = re.compile(r'\btr\("([^"]+)"')


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


def prose(text: str) -> str:
    """Return a text of ours as HTML, typeset; one of a catalogue of words in the language spoken."""
    return typeset(escape(translated(text), quote=False))


def badge(severity: str, value: int | None = None) -> str:
    """Return a severity as HTML, with how many there are if a number is given."""
    name = severity_name(severity, value or 1)
    text = name if value is None else f"{number(value)}{NBSP}{name}"
    return (
        f'<span class="sev sev-{severity}"><span aria-hidden="true">{SYMBOLS[severity]}</span> {text}</span>'
    )


def severity_cell(severity: str) -> Cell:
    """Return a cell that says a severity and sorts by it."""
    return Cell(badge(severity), SEVERITIES.index(severity))


def script(more: str = "") -> str:
    """Return the script of tables, the same for reports, dossiers and site, and what is to follow it.

    It begins with the words that it asks ``gettext("…")`` for, in the language spoken.
    """
    return _script(more, current_language())


@cache
def _script(more: str, language: str) -> str:
    own = (files("mssante_audit.report") / "table.js").read_text(encoding="utf-8")
    code = f"{own}\n{more}".rstrip("\n") + "\n"
    told = {} if language == "fr" else {text: gettext(text) for text in WORD.findall(code)}
    head = f"const LANGUAGE = {json.dumps(language)}, WORDS = {json.dumps(told, ensure_ascii=False)};\n"
    return (head + code).replace("\r\n", "\n")


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


def enable(lang: str = "") -> Html:
    """Return style and script of the tables: to be shown once, by one of a notebook's first cells.

    Parameters
    ----------
    lang
        Language that this notebook tells things in from now on, ``fr`` or ``en``: charts, tables, sentences,
        controls, and how objects show themselves. The one it tells them in already if "".

    Raises
    ------
    ParameterError
        If there is no such language.
    """
    use_language(current_language() if lang == "" else check_value("lang", lang))
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
        Names of the columns, plain text. These and the caption are translated where a catalogue has them.
    rows
        One sequence of cells a row.
    after
        HTML below the table.

    Raises
    ------
    ValueError
        If a row has more or fewer cells than there are columns.
    """
    names = [translated(column) for column in columns]
    body, kinds = [], [set[str]() for _ in columns]
    for row in rows:
        cells = []
        for column, cell, kind in zip(names, row, kinds, strict=True):
            order = "" if cell.order is None else f' data-order="{escape(visible(str(cell.order)))}"'
            own = _kind(cell)
            kind |= {own} if cell.html else set()
            cells.append(f'<td data-label="{escape(visible(column))}"{own}{order}>{cell.html}</td>')
        body.append(f"<tr>{''.join(cells)}</tr>")
    head = "".join(
        f'<th scope="col" data-of="{escape(visible(column))}"{_NUMBER if kind == {_NUMBER} else ""}>'
        f"{escape(visible(named))}</th>"
        for column, named, kind in zip(columns, names, kinds, strict=True)
    )
    lines = "\n".join(body)
    first = "Sur papier, les {n} premières lignes sur {all} ; toutes sont à l’écran et dans le fichier CSV."
    note = f'<p class="paper">{format_text(first, n=PAPER, all=len(body))}</p>' if len(body) > PAPER else ""
    return (
        f'<div class="table"><table id="{escape(name)}" class="sortable" data-rows="{len(body)}">'
        f"<caption>{escape(visible(translated(caption)))}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{lines}\n</tbody>"
        f"</table>{note}{after}</div>"
    )


_NUMBER, _SHORT = ' class="number"', ' class="short"'


def _kind(cell: Cell) -> str:
    """Return how a cell is set: numbers below each other, and what is short on one line."""
    if isinstance(cell.order, int | float) and "<" not in cell.html:
        return _NUMBER
    return _SHORT if 0 < len(unescape(_TAG.sub("", cell.html))) <= SHORT else ""


def csv_link(findings: pd.DataFrame, shown: pd.DataFrame, name: str) -> str:
    """Return the link to all rows of a frame as CSV, held in the report itself."""
    content = csv_text(findings).encode("utf-8-sig", "backslashreplace")
    cut = len(shown) < len(findings)
    told = {"shown": len(shown), "all": len(findings), "size": max(1, round(len(content) / 1000))}
    first = (
        "{shown:~La première ligne|Les {shown} premières lignes} sur {all} {shown:~est montrée|sont montrées}"
        " ; toutes sont dans le fichier CSV."
    )
    take = (
        "Télécharger les {all:ligne} (CSV, {size} ko)"
        if len(findings) > 1
        else "Télécharger la ligne (CSV, {size} ko)"
    )
    note = f"<strong>{format_text(first, **told)}</strong> " if cut else ""
    return (
        f'<p class="csv">{note}<a download="{escape(name)}.csv" href="data:text/csv;base64,'
        f'{b64encode(content).decode("ascii")}">{format_text(take, **told)}</a></p>'
    )


def card(row: pd.Series, title: str = "") -> Html:
    """Show one row of any frame, such as a domain's of `mssante_audit.verdicts.domains`, name by name.

    >>> card(pd.Series({"domain": "<b>.example", "rows": 2}), "Domaine").text.count("<tr>")
    2
    """
    told = {translated(str(name)): value for name, value in row.items()}
    return Html(markup.card(translated(title or str(row.name)), told))


def sections(parts: Mapping[str, Html], rest: str = "") -> Html:
    """Show several tables, each under its title, and below them what is to be said of the rest."""
    shown = "".join(f"<h3>{prose(title)}</h3>{part.text}" for title, part in parts.items())
    return Html(shown + (f'<p class="none">{escape(visible(translated(rest)))}</p>' if rest else ""))


def folds(parts: Mapping[str, Html]) -> Html:
    """Show several tables, each folded behind its title until a click unfolds it."""
    shown = (
        f'<details class="folded"><summary>{prose(title)}</summary>{part.text}</details>'
        for title, part in parts.items()
    )
    return Html("".join(shown))


def show_frames() -> Html:
    """Let this notebook show every frame as a sortable table, by itables; return what `enable` does."""
    import itables  # for JupyterLab only: its 600 kB would be in every report
    from IPython.utils.capture import capture_output

    itables.options.language = {
        "search": gettext("Rechercher : "),
        "zeroRecords": gettext("Aucune ligne ne correspond à la recherche."),
        "emptyTable": gettext("Aucune ligne."), "info": gettext("_START_ à _END_ sur _TOTAL_"),
        "infoEmpty": gettext("Aucune ligne."), "infoFiltered": gettext("(de _MAX_)"),
        "lengthMenu": gettext("_MENU_ lignes par page"),
    }  # fmt: skip
    # It displays what asks for its library, then the library: turned round, the first one finds it.
    with capture_output() as captured:
        itables.init_notebook_mode(all_interactive=True, connected=False)
    for output in reversed(captured.outputs):
        output.display()  # type: ignore[no-untyped-call]
    return enable()


@dataclass(frozen=True, slots=True)
class Figure:
    """A key figure: its name, its value (a number or a text) and, if there is more, a note."""

    name: str
    value: int | str
    note: str = ""


def key_figures(figures: Iterable[Figure]) -> Html:
    """Show key figures as tiles.

    >>> key_figures([Figure("Domaines", 4944)]).text.count("<dd>")
    1
    """
    values = [(f, f.value if isinstance(f.value, str) else number(f.value)) for f in figures]
    tiles = "".join(
        f"<div><dt>{escape(translated(f.name))}</dt><dd>{escape(visible(translated(value)))}"
        f"{f'<small>{escape(visible(translated(f.note)))}</small>' if f.note else ''}</dd></div>"
        for f, value in values
    )
    return Html(f'<dl class="figures">{tiles}</dl>')
