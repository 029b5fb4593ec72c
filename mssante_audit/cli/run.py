"""The command line of the nightly run: ``init``, ``run``, ``doctor``, and ``letters`` that were sent."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Exit, Option, Typer

from mssante_audit.base import workers
from mssante_audit.base.errors import InputError, sentence
from mssante_audit.cli import options
from mssante_audit.cli.console import debugging, for_own_eyes, in_readers_language, say, write_json

if TYPE_CHECKING:
    from mssante_audit.nightly.config import Config

CONFIG = Path("audit.toml")
letters = Typer(help="Note letters that went out, and see whom to remind.", no_args_is_help=True)


def init(
    file: Annotated[Path, Argument(help="File to write; one that is there is left alone.")] = CONFIG,
) -> None:
    """Write a commented audit.toml, the settings of `run`."""
    from mssante_audit.nightly.config import write_template

    write_template(file)
    say(f"{file}: set data.folder, then `mssante-audit doctor --config {file}` and `run --config {file}`")


def run(
    context: Context,
    config: Annotated[Path, Option(help="The settings.")] = CONFIG,
    debug: options.Debug = False,
    format: options.TextFormat = options.Layout.text,
    as_of: options.AsOf = None,
) -> None:
    """Do the whole night's work: fetch, observe, audit, reports, dossiers, site, retention."""
    from mssante_audit.nightly.config import load_config
    from mssante_audit.nightly.run import run as run_night
    from mssante_audit.report.parameters import check_value

    settings = load_config(config)
    # What it imports would take memory all night.
    with ProcessPoolExecutor(1, get_context("fork"), workers.begin) as process:
        process.submit(_check, settings).result()
    if settings.contacts == "all":
        for_own_eyes()
    show = partial(say, file=sys.stderr) if sys.stderr.isatty() else lambda line: None
    at = check_value("as_of", as_of) or ""
    night = run_night(settings, as_of=at, progress=show, debug=debugging(context))
    summary = night.folder / ("summary.json" if format == options.Layout.json else "summary.txt")
    say(summary.read_text(encoding="utf-8").rstrip())
    raise Exit(night.exit_status)


def _check(settings: Config) -> None:
    from mssante_audit.nightly.faults import check

    check(settings)


@in_readers_language("en")
def doctor(
    config: Annotated[
        Path | None,
        Option(help="Look at what these settings need, too.", show_default="audit.toml if --health"),
    ] = None,
    health: Annotated[bool, Option("--health", help="Only: do the nights go well? For a monitor.")] = False,
    lang: options.ReaderLang = None,
) -> None:
    """Say what is missing on this machine, and what to do about it."""
    from mssante_audit.nightly.config import load_config
    from mssante_audit.nightly.doctor import examine
    from mssante_audit.nightly.doctor import health as healthy

    signs = list(healthy(load_config(config or CONFIG)) if health else examine(config))
    for sign in signs:
        state = "ill" if health and sign.state != "ok" else sign.state
        subject = sentence(f"{sign.what}:")
        say(f"{state:8} {subject} {sign.found}" + (f". {sign.remedy}" if sign.remedy else ""))
    raise Exit(int(any(sign.state == "missing" for sign in signs)))


Settings = Annotated[Path, Option(help="The settings of the nightly run.")]


@letters.command()
def sent(
    operator: Annotated[str, Argument(help="Identifier or unambiguous name.")],
    on: Annotated[str | None, Option(help="Day it went out.", show_default="today")] = None,
    config: Settings = CONFIG,
) -> None:
    """Note that the letter of an operator's dossier went out."""
    from mssante_audit.nightly.config import load_config
    from mssante_audit.nightly.letters import note_sent

    operator_id, letter = note_sent(load_config(config), operator, on)
    counted = f"{len(letter['told'])} findings told (run {letter['run']})"
    say(f"{operator_id}: letter of {letter['sent_on']} noted, {counted}")


@letters.command("status", help="Say what became of what each letter told: fixed, still open, unknown.")
@letters.command("due", help="Say whom to remind: written to long ago, and something told is still open.")
def _standing(
    context: Context,
    operator: Annotated[str | None, Argument(help="Identifier.", show_default="all")] = None,
    config: Settings = CONFIG,
    as_of: options.AsOf = None,
    format: options.TextFormat = options.Layout.text,
) -> None:
    from mssante_audit.nightly.config import load_config
    from mssante_audit.nightly.letters import standings

    due, noted = context.info_name == "due", standings(load_config(config), as_of)
    noted = [letter for letter in noted if operator in (None, letter["operator_id"])]
    if operator is not None and not noted:
        remedy = "`letters sent OPERATOR` notes one"
        raise InputError("no letter to {} was noted", repr(operator), remedy=remedy)
    noted = [letter for letter in noted if letter["due"] or not due]
    words = "{operator_id}: letter of {sent_on}, {told} told, {fixed} fixed, {open} open, {unknown} unknown"
    lines = [words.format(**letter) + "; remind" * letter["due"] for letter in noted]
    if format == options.Layout.json:
        write_json(noted)
    else:
        say("\n".join(lines) or ("nobody is to be reminded" if due else "no letter was noted"))
