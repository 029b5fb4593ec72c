"""The commands ``letters``: which letters went out to operators, and who is to be reminded."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mssante_audit.base.errors import InputError
from mssante_audit.cli import options
from mssante_audit.cli.console import say
from mssante_audit.cli.run import CONFIG

if TYPE_CHECKING:
    from mssante_audit.nightly.letters import Standing

app = typer.Typer(help="Note letters that went out, and see whom to remind.", no_args_is_help=True)
Settings = Annotated[Path, typer.Option("--config", help="The settings of the nightly run.")]


@app.command()
def sent(
    operator: Annotated[str, typer.Argument(help="Identifier or unambiguous name.")],
    on: Annotated[str | None, typer.Option(help="Day it went out.", show_default="today")] = None,
    config: Settings = CONFIG,
) -> None:
    """Note that the letter of an operator's dossier went out."""
    from mssante_audit.nightly.config import load_config
    from mssante_audit.nightly.letters import note_sent

    operator_id, letter = note_sent(load_config(config), operator, on)
    counted = f"{len(letter.told)} findings told (run {letter.run})"
    say(f"{operator_id}: letter of {letter.sent_on} noted, {counted}")


@app.command()
def status(
    operator: Annotated[str | None, typer.Argument(help="Identifier.", show_default="all")] = None,
    config: Settings = CONFIG,
    as_of: options.AsOf = None,
    format: options.TextFormat = options.Layout.text,  # noqa: A002 - the option's name
) -> None:
    """Say what became of what each letter told: fixed, still open, unknown."""
    outcomes = _standings(config, as_of)
    if operator is not None:
        outcomes = [standing for standing in outcomes if standing.operator_id == operator]
        if not outcomes:
            remedy = "`mssante-audit letters sent OPERATOR` notes one"
            raise InputError(f"no letter to {operator!r} was noted", remedy=remedy)
    _show(outcomes, format, "no letter was noted")


@app.command()
def due(
    config: Settings = CONFIG,
    as_of: options.AsOf = None,
    format: options.TextFormat = options.Layout.text,  # noqa: A002 - the option's name
) -> None:
    """Say which operators to remind: written to long ago, and something told is still open."""
    due_now = [standing for standing in _standings(config, as_of) if standing.due]
    _show(due_now, format, "nobody is to be reminded")


def _standings(config: Path, as_of: str | None) -> list[Standing]:
    from mssante_audit.nightly.config import load_config
    from mssante_audit.nightly.letters import standings
    from mssante_audit.report.parameters import check_value

    return standings(load_config(config), check_value("as_of", as_of))


def _show(outcomes: list[Standing], layout: options.Layout, nothing: str) -> None:
    if layout is options.Layout.json:
        say(json.dumps([asdict(standing) for standing in outcomes], indent=1))
        return
    for s in outcomes:
        counts = f"{s.told} told, {s.fixed} fixed, {s.open} open, {s.unknown} unknown"
        say(f"{s.operator_id}: letter of {s.sent_on}, {counts}{'; remind' if s.due else ''}")
    if not outcomes:
        say(nothing)
