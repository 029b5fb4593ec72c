"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Severity(StrEnum):
    """Severities, from the mildest."""

    info = "info"
    warning = "warning"
    error = "error"
    critical = "critical"


class Table(StrEnum):
    """Formats of a frame (`mssante_audit.base.export.WRITERS`)."""

    csv = "csv"
    json = "json"
    xlsx = "xlsx"
    parquet = "parquet"


Data = Annotated[
    Path | None,
    typer.Option(help="Folder or file holding the white list.", show_default="the shipped sample"),
]
AsOf = Annotated[str | None, typer.Option(help="Instant to audit at, ISO 8601.", show_default="now")]
Operator = Annotated[str | None, typer.Option(help="Only this operator: identifier or unambiguous name.")]
Anchors = Annotated[list[Path] | None, typer.Option(help="Certificate file or folder to trust (repeatable).")]
Signer = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Common name in the certificate that signs the list.",
        show_default="alb.mssante.fr, and the sample's own",
    ),
]
Recover = Annotated[bool, typer.Option("--recover", help="Load the readable rows of a damaged list.")]
AnyNamespace = Annotated[bool, typer.Option("--any-namespace", help="Accept another XML namespace.")]
ShowContacts = Annotated[
    bool, typer.Option("--show-contacts", help="Show contacts as they are: not for sharing.")
]
TableFormat = Annotated[Table, typer.Option("--format", help="Format to write.")]
Out = Annotated[Path | None, typer.Option(help="File to write.", show_default="standard output")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        "-p",
        metavar="NAME=VALUE",
        help="Set a parameter, such as stale_after_days=365, concentration_min=20 or row_limit=50.",
    ),
]
