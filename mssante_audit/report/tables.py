"""Tables: plain HTML, readable and printable without any script, which makes them sort, filter and page."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count as count_from
from numbers import Integral, Real
from typing import Any

import pandas as pd
from markupsafe import Markup

from mssante_audit.base import export, language, markup
from mssante_audit.base.frames import of_pandas
from mssante_audit.base.language import count, current_language, french, gettext, translated
from mssante_audit.base.markup import visible as visible
from mssante_audit.findings import frame
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.report.html import Html, joined, macro, paragraph, shipped, trusted
from mssante_audit.report.parameters import check_value

SHORT, TEXT = 16, 1000  # Characters of a text that stays on one line, and of one of any frame that are shown
# Rows of a table that are printed (`tables.css`): paper is read, and the rest is looked up in the file
PAPER = 3
SCRIPT_TEXT = re.compile(r'\btr\("([^"]+)"')  # What the script asks a word by
_tables = count_from(1)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table: a text, or HTML."""

    shown: str
    order: float | str | None = None  # What the column is sorted by, where it is not the text
    share: float | None = None  # How long a bar in it is, of 1

    @property
    def kind(self) -> str:
        """How it is set: numbers below each other, and what is short on one line."""
        if isinstance(self.order, int | float) and not isinstance(self.shown, Markup):
            return "number"
        text = self.shown.striptags() if isinstance(self.shown, Markup) else self.shown
        return "short" if 0 < len(text) <= SHORT else ""


def badge(severity: str, value: int | None = None) -> Html:
    """Return a severity with its mark, and with how many there are if a number is given."""
    return macro("tables.badge", severity, value)


def severity_cell(severity: str, note: str = "") -> Cell:
    """Return a cell that says a severity and sorts by it."""
    return Cell(macro("tables.badge", severity, note=note), SEVERITIES.index(severity))


def rows_table(
    name: str, caption: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], after: str = ""
) -> Html:
    """Return a table, whose `name` is unique in the page, with HTML below it."""
    labels = [visible(translated(column)) for column in columns]
    body = [[(label, cell, cell.kind) for label, cell in zip(labels, row, strict=True)] for row in rows]
    kinds = [{kind for _, cell, kind in column if cell.shown} for column in zip(*body, strict=True)]
    numbers = {column for column, kind in zip(columns, kinds, strict=False) if kind == {"number"}}
    return macro("tables.table", name, caption, columns, numbers, body, PAPER, after)


def csv_link(rows: pd.DataFrame | export.Values, shown: int, name: str, of: int | None = None) -> Html:
    """Return the link to all rows of a frame as CSV, held in the page itself.

    That shows the first of them, or of so many that it is about (`of`).
    """
    exported = export.values(rows)
    content = export.csv_text(exported).encode("utf-8-sig", "backslashreplace")
    encoded = b64encode(content).decode("ascii")
    size = max(1, round(len(content) / 1000))
    total, href = len(exported.rows), f"data:text/csv;base64,{encoded}"
    return macro("tables.csv_link", f"{name}.csv", href, shown, total if of is None else of, total, size)


def table(
    values: pd.DataFrame | pd.Series,
    *,
    caption: str = "",
    empty: str = "Aucune ligne.",
    name: str = "",
    limit: int = 500,
    csv: pd.DataFrame | None = None,
) -> Html:
    """Show any frame or series as a table that sorts, filters and gives all its rows as CSV.

    Parameters
    ----------
    values
        Any frame or series; its index is shown if it has a name or is more than a count of rows. Severities,
        numbers, instants and lists are written as readers want them; texts are escaped.
    caption, empty, name
        What it holds, if not just the number of its rows; what to say where there is none; its `id` and the
        name of the CSV file, unique in its page.
    limit, csv
        Rows shown at most; what the CSV holds, if more than these.
    """
    rows = values.to_frame() if isinstance(values, pd.Series) else of_pandas(values)
    name = name or f"frame-{next(_tables)}"
    if rows.empty:
        rest = "" if csv is None or csv.empty else csv_link(csv, len(csv), name)
        return joined(paragraph("none", visible(empty)), rest)
    if rows.index.name or not isinstance(rows.index, pd.RangeIndex):
        rows = rows.reset_index(allow_duplicates=True)
    columns = [
        (str(column), list(map(severity_cell, its)) if its.dtype == frame.Severity else its.tolist())
        for column, its in rows.items()
    ]
    exported = export.values(rows if csv is None else csv)
    return columns_table(columns, caption=caption, name=name, limit=limit, csv=exported)


def columns_table(
    columns: Iterable[tuple[str, Sequence[Any]]],
    *,
    name: str,
    csv: export.Values | None = None,
    caption: str = "",
    limit: int = 500,
    bar: str = "",
) -> Html:
    """Show columns of values, one at least, as `table` does those of a frame; `csv` has those of cells.

    The numbers of the column `bar` are drawn as bars, too.
    """
    headings, values = zip(*columns, strict=True)
    cells, total = [], len(values[0])
    for column, its in zip(headings, values, strict=True):
        bars = [value for value in its if column == bar and pd.notna(value)]
        longest = float(max(bars) or 1) if bars else None
        cells.append([cell_of(value, longest) for value in its[:limit]])
    source = csv or export.Values(list(headings), list(range(len(headings))), list(zip(*values, strict=True)))
    link, rows = csv_link(source, min(total, limit), name, total), zip(*cells, strict=True)
    return rows_table(name, caption or count(total, "ligne"), headings, rows, link)


def cell_of(value: Any, longest: float | None = None) -> Cell:
    """Return a cell with a value as readers want it, of a number with a bar if the longest is known."""
    if isinstance(value, Cell):
        return value
    if isinstance(value, Html):
        return Cell(value)
    if isinstance(value, str):
        shown = markup.data(str(value), TEXT)
        return Cell(shown if " " in value else markup.breakable(shown))
    if pd.isna(value) is True:  # of a list it is no answer at all
        return Cell("")
    if isinstance(value, bool):
        return Cell(gettext("oui") if value else gettext("non"))
    if isinstance(value, Real):  # NumPy's too
        order = int(value) if isinstance(value, Integral) else float(value)
        return Cell(language.number(float(value)), order, None if longest is None else order / longest)
    if isinstance(value, datetime):
        return Cell(macro("tables.instant", value), value.isoformat())
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return Cell(markup.data(text, TEXT))


def script(more: str = "") -> str:
    """Return the script of tables and more of it, with the words that it asks ``tr("…")`` for."""
    code = (shipped("table.js") + "\n" + more).rstrip("\n") + "\n"
    texts = {} if french() else {text: gettext(text) for text in SCRIPT_TEXT.findall(code)}
    lang, words = json.dumps(current_language()), json.dumps(texts, ensure_ascii=False)
    return f"const LANGUAGE = {lang}, WORDS = {words};\n{code}"


def style(*parts: str) -> str:
    """Return the style of tables, figures and charts; of a page that has only some of these, their parts."""
    return "".join(shipped(f"{part}.css") for part in parts or ("tables", "figures", "first"))


def enable(lang: str = "") -> Html:
    """Return style and script of the tables: to be shown once, by one of a notebook's first cells.

    From then on this notebook tells things in `lang`, ``fr`` or ``en``; in the current language if "".
    Another one is a `ParameterError`.
    """
    language.use_language(current_language() if lang == "" else check_value("lang", lang))
    return macro("tables.enable", trusted(style()), trusted(script()))


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
    itables.options.classes = "display compact"  # its cells wrap
    # It displays what asks for its library, then the library: turned round, the first one finds it.
    with capture_output() as captured:
        itables.init_notebook_mode(all_interactive=True, connected=False)
    for output in reversed(captured.outputs):
        output.display()  # type: ignore[no-untyped-call]
    return enable()
