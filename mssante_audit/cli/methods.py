"""The command ``mssante-audit methods``: which method is in use for each domain, for machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mssante_audit.base.errors import InputError
from mssante_audit.cli.console import check_format, write_frame
from mssante_audit.cli.options import Out, Table, TableFormat

app = typer.Typer()


@app.command("methods")
def methods(
    data: Annotated[
        Path | None,
        typer.Option(help="Folder holding white list and observation.", show_default="the shipped sample"),
    ] = None,
    format: TableFormat = Table.csv,  # noqa: A002 - the option's name
    out: Out = None,
    as_of: Annotated[
        str | None, typer.Option(help="Instant at which declarations count, ISO 8601.", show_default="now")
    ] = None,
    recover: Annotated[
        bool, typer.Option("--recover", help="Load the readable rows of a damaged list.")
    ] = False,
    any_namespace: Annotated[
        bool, typer.Option("--any-namespace", help="Accept another XML namespace.")
    ] = False,
) -> None:
    """Write the method in use for each domain: delegated, redirected, wildcard, none, unknown."""
    from mssante_audit.report.results import open_space
    from mssante_audit.verdicts.methods import method_records

    check_format(format, out)
    space = open_space(
        data=str(data) if data else None, as_of=as_of, recover=recover, any_namespace=any_namespace
    )
    if space.observation is None:
        raise InputError(
            "the data folder holds no observation", remedy="`mssante-audit observe dns --data DIR` makes one"
        )
    write_frame(method_records(space), format, out)
