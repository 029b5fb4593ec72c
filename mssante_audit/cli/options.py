"""Options that several commands share."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from typer import Option, Typer
from typer.core import TyperCommand
from typer.main import get_command

VARIABLES = "MSSANTE_AUDIT"  # beginning of the names of variables that options may stand in
LIMITS = ("operator", "region", "department")  # as in `base.settings`, whose import takes long
Severity = StrEnum("Severity", "info warning error critical")
Table = StrEnum("Table", "csv json xlsx parquet")  # formats of a frame (`base.export.WRITERS`)
Layout = StrEnum("Layout", "text json")  # for a reader, or for a program
Whose = StrEnum("Whose", "none services all")
Language = StrEnum("Language", "fr en")


def offer(name: str) -> list[str]:
    """Return what a shell is offered for an option; what is needed for it is imported only then."""
    if name == "notebooks":
        from mssante_audit.base.resources import resource

        return sorted(path.stem for path in resource("notebooks").glob("*.ipynb"))
    if name in ("region", "department"):
        from mssante_audit.values import identifiers

        return list(identifiers.REGIONS if name == "region" else identifiers.DEPARTMENTS)
    from mssante_audit import audits

    return ["all", *audits.audits()] if name == "audit" else list(audits.catalogue())


def shared() -> str | None:
    """Return the variable for every command's ``--data``; a command's own goes first."""
    return os.environ.get(f"{VARIABLES}_DATA") or None


# -- how it is shown, and how much is asked at once ----------------------------------------------------------

TableFormat = Annotated[Table, Option(help="Format to write.")]
TextFormat = Annotated[Layout, Option(help="Format to write.")]
Lang = Annotated[Language, Option(help="Language of what is told in words.")]
_LOCALE = "that of LC_ALL, LC_MESSAGES or LANG"
ReaderLang = Annotated[Language | None, Option(help="Language to speak.", show_default=_LOCALE)]
OutFile = Annotated[Path | None, Option(help="File to write.", show_default="standard output")]
FailOn = Annotated[Severity | None, Option(help="Exit with 1 if there are findings this severe.")]
Force = Annotated[bool, Option("--force", help="Replace what was written earlier.")]
Debug = Annotated[bool, Option("--debug", help="Show tracebacks, and keep them; they may hold values.")]
MaxLoss = Annotated[float, Option(min=0, max=1, help="Share of lost rows from which a list is shrunk.")]

# -- which trust space is opened, and whose part of it ------------------------------------------------------

_DATA, SAMPLE = "Folder, white list file or snapshot.", f"{VARIABLES}_DATA, or the shipped sample"
Data = Annotated[Path | None, Option(help=_DATA, default_factory=shared, show_default=SAMPLE)]
_LIST = "Folder or file of the white list."
OwnData = Annotated[Path | None, Option(help=_LIST, default_factory=shared, show_default=f"{VARIABLES}_DATA")]
_SET = "Set a parameter, such as stale_after_days=365, concentration_min=20 or row_limit=50."
Set = Annotated[list[str] | None, Option("--parameter", "-p", metavar="NAME=VALUE", help=_SET)]
AsOf = Annotated[str | None, Option(help="Instant to audit at, a date or ISO 8601.", show_default="now")]
Anchors = Annotated[list[str] | None, Option(help="Certificate files or folders to trust.")]
_SIGNER = "Common name in the certificate that signs the list."
Signer = Annotated[str | None, Option(help=_SIGNER, show_default="alb.mssante.fr")]
Recover = Annotated[bool, Option("--recover", help="Load the readable rows of a damaged list.")]
AnyNamespace = Annotated[bool, Option("--any-namespace", help="Accept a list in another XML namespace.")]
Operator = Annotated[str | None, Option(help="Identifier or unambiguous name.", show_default="all operators")]
_REGION = "Regions where operators (not establishments) sit, with commas."
_SEATS = "Départements where they sit, codes or names, with commas."
Department = Annotated[list[str] | None, Option(help=_SEATS, autocompletion=lambda: offer("department"))]
_CONTACTS = "Whose numbers and addresses are shown; all is not for sharing."
Contacts = Annotated[Whose | None, Option(help=_CONTACTS, show_default="services")]

_groups = Typer(add_completion=False)


@_groups.command()
def _opening(
    *,
    data: Data,
    parameter: Set = None,
    as_of: AsOf = None,
    anchors: Anchors = None,
    signer: Signer = None,
    recover: Recover = False,
    any_namespace: AnyNamespace = False,
    operator: Operator = None,
    region: Annotated[list[str] | None, Option(help=_REGION, autocompletion=lambda: offer("region"))] = None,
    department: Department = None,
    contacts: Contacts = None,
) -> None:
    """Take what says which trust space is opened, and whose part of it."""


# -- how the network is asked -------------------------------------------------------------------------------

_PARENT = "Its servers (repeatable); those that the DNS names without."
Servers = Annotated[list[str] | None, Option("--parent-server", metavar="NAME=ADDRESS", help=_PARENT)]
_RESOLVER = "Resolver to look names up with (repeatable); they are followed down from the root without."
_PORT = "53, of mail 25"
Port = Annotated[int | None, Option(min=1, max=65_535, help="Port of every server.", show_default=_PORT)]
InFlight = Annotated[int, Option(min=1, max=10_000, help="Questions or connections at any moment.")]
Only = Annotated[str, Option(metavar="PATTERN", help='Only domains like this, such as "*.aura.*".')]


@_groups.command()
def _asking(
    *,
    parent_zone: Annotated[str, Option(help="Zone that hands the domains out.")] = "mssante.fr",
    parent_servers: Servers = None,
    resolvers: Annotated[list[str] | None, Option("--resolver", metavar="ADDRESS", help=_RESOLVER)] = None,
    port: Port = None,
    timeout: Annotated[float | None, Option(help="Seconds to wait.", show_default="3, of mail 15")] = None,
    retries: Annotated[int, Option(min=0, max=10, help="How many times more a silent server is asked.")] = 2,
    ipv4_only: Annotated[bool, Option("--ipv4-only", help="Ask no IPv6 address.")] = False,
) -> None:
    """Take what says how the network is asked."""


_GROUPS: Any = get_command(_groups)
# Options that say which trust space is opened (`mssante_audit.cli.console.parameters_of`), and how is asked.
OPENED, _ASKED = ({option.name: option for option in group.params} for group in _GROUPS.commands.values())


def but(*without: str) -> tuple[str, ...]:
    """Return the names of `OPENED`, but for some."""
    return tuple(name for name in OPENED if name not in without)


def taking(*opened: str, asks: bool = False) -> type[TyperCommand]:
    """Return the kind of command that takes more options after its own; its function asks its context.

    They are those `opened` of `OPENED`, and if it `asks` the network those that say how.
    """
    extra = {name: OPENED[name] for name in opened} | (_ASKED if asks else {})

    class Taking(TyperCommand):
        def __init__(self, name: str, *, params: Any, **settings: Any) -> None:
            super().__init__(name, params=[*params, *extra.values()], **settings)

        def invoke(self, ctx: Any) -> Any:
            rest = {name: value for name, value in ctx.params.items() if name not in extra}
            return ctx.invoke(self.callback, **rest)

    return Taking
