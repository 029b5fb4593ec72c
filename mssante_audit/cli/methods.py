"""The command ``mssante-audit methods``: which method is in use for each domain, for machines."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mssante_audit.base.errors import InputError
from mssante_audit.cli.console import Format, write_frame
from mssante_audit.cli.options import Out, open_given, with_parameters

app = typer.Typer()


@app.command("methods")
@with_parameters("data", "as_of", "recover", "any_namespace")
def methods(
    given: dict[str, Any],
    format: Annotated[Format, typer.Option(help="Format to write.")] = Format.csv,  # noqa: A002 - the option's name
    out: Out = None,
) -> None:
    """Write the method in use for each domain: delegated, redirected, wildcard, none, unknown."""
    from mssante_audit.report.narrative_dns import method_records

    space = open_given(given)
    if space.observation is None:
        raise InputError(
            "the data folder holds no observation", remedy="`mssante-audit observe dns --data DIR` makes one"
        )
    write_frame(method_records(space), format, out)
