"""The commands ``letters``: which letters went out to operators, and who is to be reminded."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mssante_audit.base.errors import InputError
from mssante_audit.cli import options
from mssante_audit.cli.console import say
from mssante_audit.cli.run import CONFIG

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
    told = f"{len(letter.told)} findings told (run {letter.run})"
    say(f"{operator_id}: letter of {letter.sent_on} noted, {told}")


@app.command()
def status(
    operator: Annotated[str | None, typer.Argument(help="Identifier.", show_default="all")] = None,
    config: Settings = CONFIG,
    as_of: options.AsOf = None,
    format: options.TextFormat = options.Layout.text,  # noqa: A002 - the option's name
) -> None:
    """Say what became of what each letter told: fixed, still open, unknown."""
    _show(config, as_of, format, operator=operator)


@app.command()
def due(
    config: Settings = CONFIG,
    as_of: options.AsOf = None,
    format: options.TextFormat = options.Layout.text,  # noqa: A002 - the option's name
) -> None:
    """Say which operators to remind: written to long ago, and something told is still open."""
    _show(config, as_of, format, only_due=True)


def _show(
    config: Path,
    as_of: str | None,
    layout: options.Layout,
    operator: str | None = None,
    *,
    only_due: bool = False,
) -> None:
    from mssante_audit.nightly.config import load_config
    from mssante_audit.nightly.letters import standings
    from mssante_audit.report.parameters import check_value

    found = standings(load_config(config), check_value("as_of", as_of))
    if operator is not None and operator not in {standing.operator_id for standing in found}:
        remedy = "`mssante-audit letters sent OPERATOR` notes one"
        raise InputError(f"no letter to {operator!r} was noted", remedy=remedy)
    found = [s for s in found if s.due or not only_due if operator in (None, s.operator_id)]
    if layout is options.Layout.json:
        say(json.dumps([asdict(standing) for standing in found], indent=1))
        return
    for s in found:
        counts = f"{s.told} told, {s.fixed} fixed, {s.open} open, {s.unknown} unknown"
        say(f"{s.operator_id}: letter of {s.sent_on}, {counts}{'; remind' if s.due else ''}")
    if not found:
        say("nobody is to be reminded" if only_due else "no letter was noted")
