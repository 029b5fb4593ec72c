"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option, Typer
from typer.core import TyperCommand
from typer.main import get_command

VARIABLES = "MSSANTE_AUDIT"
"""Beginning of the names of variables that options may stand in."""

OPENING = "mssante_audit.opening"
"""Where a command's context keeps what the options of `opening` say."""

Severity = StrEnum("Severity", "info warning error critical")
"""Severities, from the mildest."""
Table = StrEnum("Table", "csv json xlsx parquet")
"""Formats of a frame (`mssante_audit.base.export.WRITERS`)."""
Layout = StrEnum("Layout", "text json")
Whose = StrEnum("Whose", "none services all")
"""For whom something is told: a reader, or a program."""
Language = StrEnum("Language", "fr en")
"""Languages of what is told in words."""
LIMITS = ("operator", "region", "department")
"""Those of `mssante_audit.base.settings`, which takes pydantic, and that takes long."""


# -- what a shell is offered, and a default; each imports what it needs when it is asked -------------------


def known_audits() -> list[str]:
    """Return the names of audits."""
    from mssante_audit.audits import audits

    return ["all", *audits()]


def known_codes() -> list[str]:
    """Return the codes of rules."""
    from mssante_audit.audits import catalogue

    return list(catalogue())


def _notebooks() -> list[str]:
    from mssante_audit.base.resources import resource

    return sorted(path.stem for path in resource("notebooks").glob("*.ipynb"))


def _regions() -> list[str]:
    from mssante_audit.values.identifiers import REGIONS

    return list(REGIONS)


def _departments() -> list[str]:
    from mssante_audit.values.identifiers import DEPARTMENTS

    return list(DEPARTMENTS)


def _shared() -> str | None:
    """Return what the variable says that is every command's ``--data``; a command's own goes before it."""
    return os.environ.get(f"{VARIABLES}_DATA") or None


# -- how it is told -----------------------------------------------------------------------------------------

TableFormat = Annotated[Table, Option("--format", help="Format to write.")]
TextFormat = Annotated[Layout, Option("--format", help="Format to write.")]
Lang = Annotated[Language, Option("--lang", help="Language of what is told in words.")]
_LOCALE = "that of LC_ALL, LC_MESSAGES or LANG"
ReaderLang = Annotated[Language | None, Option("--lang", help="Language to speak.", show_default=_LOCALE)]
OutFile = Annotated[Path | None, Option(help="File to write.", show_default="standard output")]
FailOn = Annotated[Severity | None, Option(help="Exit with 1 if there are findings this severe.")]
Force = Annotated[bool, Option("--force", help="Replace what was written earlier.")]
Debug = Annotated[bool, Option("--debug", help="Show tracebacks, and keep them; they may hold values.")]

# -- what is audited ----------------------------------------------------------------------------------------

_DATA, _SAMPLE = "Folder, white list file or snapshot.", f"{VARIABLES}_DATA, or the shipped sample"
Data = Annotated[Path | None, Option(help=_DATA, default_factory=_shared, show_default=_SAMPLE)]
_OWN = "Folder or file of the white list."
OwnData = Annotated[Path | None, Option(help=_OWN, default_factory=_shared, show_default=f"{VARIABLES}_DATA")]
AsOf = Annotated[str | None, Option(help="Instant to audit at, a date or ISO 8601.", show_default="now")]
Anchors = Annotated[list[str] | None, Option(help="Certificate files or folders to trust.")]
_SIGNER = "Common name in the certificate that signs the list."
Signer = Annotated[str | None, Option(help=_SIGNER, show_default="alb.mssante.fr")]
Recover = Annotated[bool, Option("--recover", help="Load the readable rows of a damaged list.")]
AnyNamespace = Annotated[bool, Option("--any-namespace", help="Accept a list in another XML namespace.")]
Operator = Annotated[str | None, Option(help="Identifier or unambiguous name.", show_default="all operators")]
_REGION = "Regions where operators (not establishments) sit, with commas."
Region = Annotated[list[str] | None, Option(help=_REGION, autocompletion=_regions)]
_DEPARTMENT = "Départements where they sit, codes or names, with commas."
Department = Annotated[list[str] | None, Option(help=_DEPARTMENT, autocompletion=_departments)]
_CONTACTS = "Whose numbers and addresses are shown; all is not for sharing."
Contacts = Annotated[Whose | None, Option("--contacts", help=_CONTACTS, show_default="services")]
_SET = "Set a parameter, such as stale_after_days=365, concentration_min=20 or row_limit=50."
Parameter = Annotated[list[str] | None, Option("--parameter", "-p", metavar="NAME=VALUE", help=_SET)]
_NOTEBOOKS = Argument(
    metavar="NOTEBOOK", help="Names or paths.", show_default="all", autocompletion=_notebooks
)
Notebooks = Annotated[list[str] | None, _NOTEBOOKS]

_opened = Typer(add_completion=False)


@_opened.command()
def _opening(
    *,
    data: Data,
    parameter: Parameter = None,
    as_of: AsOf = None,
    anchors: Anchors = None,
    signer: Signer = None,
    recover: Recover = False,
    any_namespace: AnyNamespace = False,
    operator: Operator = None,
    region: Region = None,
    department: Department = None,
    contacts: Contacts = None,
) -> None:
    """Take what says which trust space is opened, and whose part of it."""


_OPENED = get_command(_opened).params

# -- the network --------------------------------------------------------------------------------------------

ASKING = "mssante_audit.asking"
"""Where a command's context keeps what the options of `asking` say."""
_PARENT = "Its servers (repeatable); those that the DNS names without."
_RESOLVER = "Resolver to look names up with (repeatable); they are followed down from the root without."
Port = Annotated[int, Option(min=1, max=65_535, help="Port of every server.")]
Timeout = Annotated[float, Option(help="Seconds before a server counts as silent.")]
_asking = Typer(add_completion=False)


@_asking.command()
def _asked(
    *,
    parent_zone: Annotated[str, Option(help="Zone that hands the domains out.")] = "mssante.fr",
    parent_servers: Annotated[
        list[str] | None, Option("--parent-server", metavar="NAME=ADDRESS", help=_PARENT)
    ] = None,
    resolvers: Annotated[list[str] | None, Option("--resolver", metavar="ADDRESS", help=_RESOLVER)] = None,
    port: Annotated[
        int | None, Option(min=1, max=65_535, help="Port of every server.", show_default="53, of mail 25")
    ] = None,
    timeout: Annotated[float | None, Option(help="Seconds to wait.", show_default="3, of mail 15")] = None,
    retries: Annotated[int, Option(min=0, max=10, help="How many times more a silent server is asked.")] = 2,
    ipv4_only: Annotated[bool, Option("--ipv4-only", help="Ask no IPv6 address.")] = False,
) -> None:
    """Take what says how the network is asked."""


_ASKED = get_command(_asking).params


def opening(*without: str) -> type[TyperCommand]:
    """Return the kind of command that has the options of `_opening`, but for some, after its own.

    Its function gets them by `mssante_audit.cli.console.parameters_of`.
    """
    return _with({OPENING: [option for option in _OPENED if option.name not in without]})


def asking(*opened: str) -> type[TyperCommand]:
    """Return the kind of command that asks the network, with some options of `_opening`.

    Its function gets how to ask by `mssante_audit.cli.console.settings_of`.
    """
    return _with({OPENING: [option for option in _OPENED if option.name in opened], ASKING: _ASKED})


def _with(groups: Mapping[str, Sequence[Any]]) -> type[TyperCommand]:
    """Return the kind of command that has groups of options after its own, and keeps them in its context."""

    class Extended(TyperCommand):
        def __init__(self, name: str, *, params: Any, **how: Any) -> None:
            super().__init__(name, params=[*params, *chain.from_iterable(groups.values())], **how)

        def invoke(self, ctx: Any) -> Any:
            for group, options in groups.items():
                ctx.meta[group] = {str(option.name): ctx.params.pop(option.name) for option in options}
            return super().invoke(ctx)

    return Extended


InFlight = Annotated[int, Option(min=1, max=10_000, help="Questions or connections at any moment.")]
Only = Annotated[str, Option(metavar="PATTERN", help='Only domains like this, such as "*.aura.*".')]
MaxLoss = Annotated[float, Option(min=0, max=1, help="Share of lost rows from which a list is shrunk.")]
