"""The command ``mssante-audit schema``: what a file for machines, or for an editor, may hold."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from mssante_audit.cli.console import write

Schema = StrEnum("Schema", "results findings domains changes events settings")
"""What there is a JSON Schema of."""


def schema(
    name: Annotated[Schema, typer.Argument(help="results.json, a JSON list of rows, or audit.toml.")],
) -> None:
    """Print the JSON Schema (2020-12) of what this program writes, or of its settings."""
    if name is Schema.results:
        from mssante_audit.report.summary import schema as told

        content = told()
    elif name is Schema.settings:
        from mssante_audit.nightly.config import schema as told

        content = told()
    else:
        from mssante_audit.snapshot.dictionary import schema as of_frame

        content = of_frame(name)
    write(json.dumps(content, ensure_ascii=False, indent=2) + "\n")
