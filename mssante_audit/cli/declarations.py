"""The command line's ``declarations``: the empty register, validating a file, a form filled from a register.

Exit status of ``import``: 0 clean, 1 with defects (warnings and worse), 2 unreadable.
"""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mssante_audit.base.errors import InputError, OutputError, UnknownNameError
from mssante_audit.base.settings import Parameters
from mssante_audit.cli.console import for_own_eyes, say
from mssante_audit.cli.options import Force, Layout, TextFormat, options_of

if TYPE_CHECKING:
    import pandas as pd

    from mssante_audit.declarations.register import Register

app = typer.Typer(help="Keep the register of declarations (Annexe 1).", no_args_is_help=True)


Columns = Annotated[
    Path | None,
    typer.Option(
        help="TOML file that maps headings to columns.", show_default="columns.toml beside the file"
    ),
]


@app.command()
def template(
    out: Annotated[Path, typer.Argument(help="File to write, .xlsx.")], force: Force = False
) -> None:
    """Write an empty register: a spreadsheet with drop-down lists, help and validation."""
    from mssante_audit.base.export import write_bytes
    from mssante_audit.declarations.write import template as empty

    if out.suffix.lower() != ".xlsx":
        raise InputError("a template is an .xlsx file", file=str(out))
    _room(out, force)
    write_bytes(out, empty())
    say(f"template: {out}")


@app.command("import")
@options_of(Parameters, "as_of", "show_contacts")
def import_(
    file: Annotated[Path, typer.Argument(help="Register, or a filled form as PDF; a folder of them.")],
    columns: Columns = None,
    sheet: Annotated[
        str | None, typer.Option(help="Sheet of an .xlsx file.", show_default="the first")
    ] = None,
    format: TextFormat = Layout.text,  # noqa: A002 - the option's name
    out: Annotated[
        Path | None, typer.Option(help="Write what was read as a register: .csv, .xlsx, .json or .jsonl.")
    ] = None,
    force: Force = False,
    *,
    as_of: str | None,
    show_contacts: bool,
) -> None:
    """Validate a file of declarations, row by row."""
    import pandas as pd

    from mssante_audit.audits.declarations.rules import form_findings
    from mssante_audit.base.instants import parse_instant
    from mssante_audit.declarations.register import load_declarations
    from mssante_audit.declarations.write import write_register
    from mssante_audit.findings.frame import findings_frame
    from mssante_audit.findings.words import worded

    register = load_declarations(file, columns=columns, sheet=sheet)
    no_entries = pd.DataFrame(columns=["row", "domain", "operator_id", "operator", "department"])
    found = findings_frame(form_findings(register, parse_instant(as_of), each=True), no_entries)
    language = "fr" if format is Layout.json else "en"
    if show_contacts:
        for_own_eyes()
    shown = worded(found, language=language, show_contacts=show_contacts)
    if out is not None:
        _room(out, force)
        write_register(register.declarations, out)
    say(_json(register, shown) if format is Layout.json else _text(register, shown))
    raise typer.Exit(int((found["severity"] >= "warning").any()))


@app.command()
@options_of(Parameters, "as_of")
def form(
    domain: Annotated[str, typer.Argument(help="Domain to declare.")],
    out: Annotated[Path, typer.Argument(help="File to write, .pdf.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Register, or data folder that holds one.", show_default="the shipped sample"),
    ] = None,
    columns: Columns = None,
    force: Force = False,
    *,
    as_of: str | None,
) -> None:
    """Write Annexe 1 as a PDF form, filled from a domain's latest declaration. Needs the extra pdf."""
    from mssante_audit.base.export import write_bytes
    from mssante_audit.base.instants import parse_instant
    from mssante_audit.base.resources import resource
    from mssante_audit.declarations.form_write import write_form
    from mssante_audit.declarations.register import find_register, load_declarations, records

    data = data or resource("data/sample")
    source = find_register(data) if data.is_dir() else data
    if source is None:
        raise InputError("no register here", file=str(data), remedy="Name it declarations.csv or .xlsx")
    register = load_declarations(source, columns=columns)
    current = register.at(parse_instant(as_of))
    key = domain.strip().lower().rstrip(".")
    row = current[current["domain_key"] == key]
    if row.empty:
        near = difflib.get_close_matches(key, current["domain_key"], n=3)
        raise UnknownNameError(
            f"no declaration of {domain!r}",
            file=str(source),
            remedy=f"Near: {', '.join(near)}" if near else None,
        )
    _room(out, force)
    write_bytes(out, write_form({str(name): text for name, text in records(row).iloc[0].items()}))
    say(f"form: {out}")


def _room(out: Path, force: bool) -> None:
    if out.exists() and not force:
        raise OutputError("is there already", file=str(out), remedy="Choose another name, or use --force")


def _text(register: Register, found: pd.DataFrame) -> str:
    """Return what is wrong, a line each, in order of file and row; last a line that sums up."""
    from mssante_audit.findings.registry import rule

    problems = register.problems.fillna({"row": 0}).to_dict("records")
    lines = [(str(p["file"]), int(p["row"]), f"{p['column']}: {p['message']}") for p in problems]
    of_cells = {"DECL_COLUMN", "DECL_UNREADABLE", "DECL_RECOVERED"}  # told just above, cell by cell
    for f in found[~found["rule"].isin(of_cells)].to_dict("records"):
        file, _, rows = str(f["evidence"]).rpartition(":")
        told = f"{f['severity']}: {rule(f['rule']).title_en} ({f['rule']})"
        told += f": {f['observed']}" if f["observed"] else ""
        told += f"; right: {f['expected']}" if f["expected"] else ""
        first = re.match(r"\d+", rows)
        together = "" if rows.isdigit() else f" [rows {rows}]"
        lines.append((file, int(first[0]) if first else 0, told + together))
    said = [
        f"{file}{f', row {row}' if row else ''}: {told}"
        for file, row, told in sorted(lines, key=lambda x: x[:2])
    ]
    count = len(register.declarations)
    return "\n".join([*said, f"{register.source}: {count} declarations, {len(lines) or 'no'} findings"])


_OF_LIST = ["domains", "mailboxes", "department", "region"]
"""Columns of findings that only a white list fills."""


def _json(register: Register, found: pd.DataFrame) -> str:
    from mssante_audit.base.export import records

    told = {
        "source": register.source,
        "sha256": register.sha256,
        "declarations": len(register.declarations),
        "problems": records(register.problems),
        "findings": records(found.drop(columns=_OF_LIST)),
    }
    return json.dumps(told, ensure_ascii=False, indent=1)
