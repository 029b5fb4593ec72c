"""The command line's ``declarations``: the empty register, a file validated or put right, a form filled."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Exit, Option, Typer

from mssante_audit.base.errors import InputError, OutputError, UnknownNameError
from mssante_audit.base.instants import asked_instant
from mssante_audit.base.language import format_text
from mssante_audit.base.resources import sample_folder
from mssante_audit.cli import options
from mssante_audit.cli.console import for_own_eyes, in_readers_language, say, write_json

if TYPE_CHECKING:
    from mssante_audit.audits.declarations.messages import Message
    from mssante_audit.declarations.register import Register

app = Typer(help="Keep the register of declarations (Annexe 1).", no_args_is_help=True)

_HEADINGS = "TOML file that maps headings to columns."
Columns = Annotated[Path | None, Option(help=_HEADINGS, show_default="columns.toml beside the file")]
_SHEET = "the one with most known headings"
Sheet = Annotated[str | None, Option(help="Sheet of an .xlsx file.", show_default=_SHEET)]
_KINDS = ".csv, .json, .jsonl, or .xlsx with"
_READ = f"Write what was read as a register: {_KINDS} faulty cells coloured and commented."
_MENDED = f"Register to write: {_KINDS} what remains faulty coloured and commented."
_DATA = "Register, or data folder that holds one."
Data = Annotated[Path | None, Option(help=_DATA, default_factory=options.shared, show_default=options.SAMPLE)]
Declared = Annotated[Path, Argument(help="Register, or a filled form as PDF; a folder of them.")]


@app.command()
@in_readers_language("fr")
def template(
    out: Annotated[Path, Argument(help="File to write, .xlsx.")],
    force: options.Force = False,
    lang: options.ReaderLang = None,
) -> None:
    """Write an empty register: a spreadsheet with drop-down lists, help and validation."""
    from mssante_audit.base.export import write_bytes
    from mssante_audit.declarations.write import template as empty

    if out.suffix.lower() != ".xlsx":
        raise InputError("a template is an .xlsx file", file=str(out))
    _room(out, force)
    write_bytes(out, empty())
    say(format_text("modèle : {out}", out=str(out)))


@app.command("import")
@in_readers_language("fr")
def import_(
    file: Declared,
    columns: Columns = None,
    sheet: Sheet = None,
    format: options.TextFormat = options.Layout.text,
    lang: options.ReaderLang = None,
    out: Annotated[Path | None, Option(help=_READ)] = None,
    force: options.Force = False,
    as_of: options.AsOf = None,
    contacts: options.Contacts = None,
) -> None:
    """Validate a file of declarations, row by row."""
    from mssante_audit.audits.declarations import messages as words
    from mssante_audit.declarations.register import load_declarations
    from mssante_audit.declarations.write import write_register

    if show_contacts := contacts == "all":  # the register names persons, not services
        for_own_eyes()
    register, when = load_declarations(file, columns=columns, sheet=sheet), asked_instant(as_of)
    messages = words.messages(register, when, show_contacts=show_contacts)
    if out is not None:
        _room(out, force)
        write_register(register, out, words.notes(messages))
    if format is options.Layout.json:
        write_json(_record(register, when, show_contacts=show_contacts))
    else:
        say("\n".join([*_lines(messages, register), *words.summary(register, messages)]))
    raise Exit(_status(messages))


@app.command()
@in_readers_language("fr")
def fix(
    file: Declared,
    out: Annotated[Path, Argument(help=_MENDED)],
    columns: Columns = None,
    sheet: Sheet = None,
    lang: options.ReaderLang = None,
    force: options.Force = False,
    as_of: options.AsOf = None,
) -> None:
    """Write a register with all put right that can be without guessing, and list the rest."""
    from mssante_audit.audits.declarations import messages as words
    from mssante_audit.declarations.mend import mended
    from mssante_audit.declarations.register import load_declarations
    from mssante_audit.declarations.write import write_register

    when = asked_instant(as_of)
    register, mendings = mended(load_declarations(file, columns=columns, sheet=sheet))
    _room(out, force)
    if out.exists() and file.exists() and out.samefile(file):
        raise OutputError("is what is to be put right", file=str(out), remedy="Choose another name")
    remain = [message for message in words.messages(register, when) if message.severity != "info"]
    write_register(register, out, words.notes(remain))
    rewritten = load_declarations(out)
    rest = words.messages(rewritten, when)
    lines = [*words.mendings(register, mendings), *_lines(rest, rewritten), *words.summary(register, ())[:-1]]
    say("\n".join([*lines, *words.summary(rewritten, rest)]))
    raise Exit(_status(rest))


@app.command()
@in_readers_language("fr")
def form(
    domain: Annotated[str, Argument(help="Domain to declare.")],
    out: Annotated[Path, Argument(help="File to write, .pdf.")],
    data: Data,
    columns: Columns = None,
    force: options.Force = False,
    as_of: options.AsOf = None,
    lang: options.ReaderLang = None,
) -> None:
    """Write Annexe 1 as a PDF form, filled from a domain's latest declaration. Needs the extra pdf."""
    from mssante_audit.base.export import write_bytes
    from mssante_audit.declarations.form import SIGNED, write_form
    from mssante_audit.declarations.register import find_register, load_declarations, records
    from mssante_audit.values.hosts import domain_key

    data = data or sample_folder()
    source = find_register(data) if data.is_dir() else data
    if source is None:
        raise InputError("no register here", file=str(data), remedy="Name it declarations.csv or .xlsx")
    register = load_declarations(source, columns=columns)
    current = register.at(asked_instant(as_of))
    key = domain_key(domain)
    row = current[[name == key for name in current["domain_key"]]]  # which may be no text for Arrow
    if row.empty:
        matches = ", ".join(difflib.get_close_matches(key, current["domain_key"], n=3))
        remedy = ("Near: {}", matches) if matches else None
        raise UnknownNameError("no declaration of {}", repr(domain), file=str(source), remedy=remedy)
    _room(out, force)
    record = {str(name): text for name, text in records(row).iloc[0].items()}
    unread = [name for name in record if register.having(row, name).empty]
    write_bytes(out, write_form({n: "" if n in SIGNED else text for n, text in record.items()}, unread))
    say(format_text("formulaire : {out}", out=str(out)))


def _room(out: Path, force: bool) -> None:
    for_own_eyes()  # a register names persons, and so does a form
    if out.exists() and not force:
        raise OutputError("is there already", file=str(out), remedy="Choose another name, or use --force")


def _lines(messages: Sequence[Message], register: Register) -> list[str]:
    from mssante_audit.audits.declarations.messages import bounded, line

    return [line(message, register) for message in bounded(messages)]


def _status(messages: Sequence[Message]) -> int:
    """Return 1 if something is wrong, and not just to be checked."""
    return int(any(message.severity != "info" for message in messages))


def _record(register: Register, when: datetime, *, show_contacts: bool) -> dict[str, Any]:
    from mssante_audit.audits.declarations.rules import form_findings
    from mssante_audit.base.export import records
    from mssante_audit.findings.frame import NO_ENTRIES, findings_frame, worded

    raw = findings_frame(form_findings(register, when, each=True), NO_ENTRIES)
    findings = worded(raw, contacts="all" if show_contacts else "none")
    of_lists = ["domains", "mailboxes", "department", "region"]  # what only a white list fills
    return {
        "source": register.source,
        "sha256": register.sha256,
        "declarations": len(register.declarations),
        "problems": records(register.problems),
        "findings": records(findings.drop(columns=of_lists)),
    }
