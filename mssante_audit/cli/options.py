"""Options that several commands share, and what they make of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mssante_audit.base.errors import ParameterError
from mssante_audit.report.parameters import PARAMETERS, check_value, parse_assignments

if TYPE_CHECKING:
    from mssante_audit.space.trust import TrustSpace


class Severity(StrEnum):
    """Severities, from the mildest."""

    info = "info"
    warning = "warning"
    error = "error"
    critical = "critical"


AsOf = Annotated[str | None, typer.Option(help="Instant to audit at, ISO 8601.", show_default="now")]
Anchors = Annotated[list[Path] | None, typer.Option(help="Certificate file or folder to trust (repeatable).")]
Recover = Annotated[bool, typer.Option("--recover", help="Load the readable rows of a damaged list.")]
AnyNamespace = Annotated[bool, typer.Option("--any-namespace", help="Accept another XML namespace.")]
ShowContacts = Annotated[
    bool, typer.Option("--show-contacts", help="Show contacts as they are: not for sharing.")
]
FailOn = Annotated[Severity | None, typer.Option(help="Exit with 1 if there are findings this severe.")]
Debug = Annotated[bool, typer.Option("--debug", help="Keep tracebacks in what is partial.")]
Out = Annotated[Path | None, typer.Option(help="File to write.", show_default="standard output")]

_OPTIONS: dict[str, Any] = {
    "data": Annotated[
        Path | None,
        typer.Option(help="Folder or file holding the white list.", show_default="the shipped sample"),
    ],
    "parameter": Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            "-p",
            metavar="NAME=VALUE",
            help="Set a parameter, such as "
            + ", ".join(f"{p.name} ({p.help})" for p in PARAMETERS.values() if p.kind is int)
            + ".",
        ),
    ],
    "as_of": AsOf,
    "operator": Annotated[
        str | None, typer.Option(help="Only this operator: identifier or unambiguous name.")
    ],
    "anchors": Anchors,
    "recover": Recover,
    "any_namespace": AnyNamespace,
    "show_contacts": ShowContacts,
}


_FLAGS = (Recover, AnyNamespace, ShowContacts)


def with_parameters(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of these parameters (of all by default) in place of its argument ``given``.

    ``given`` gets the parameters that were given, by options and by ``-p``, each once.
    """
    options = {name: _OPTIONS[name] for name in names or _OPTIONS}
    added = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=False if kind in _FLAGS else None
        )
        for name, kind in options.items()
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def call(**values: Any) -> None:
            by_option = {name: values.pop(name) for name in options}
            command(given=_given(by_option.pop("parameter", None), by_option), **values)

        told = []
        for own in inspect.signature(command, eval_str=True).parameters.values():
            told += added if own.name == "given" else [own.replace(kind=own.KEYWORD_ONLY)]
        call.__signature__ = inspect.Signature(told)  # type: ignore[attr-defined]
        call.__annotations__ = {p.name: p.annotation for p in told}
        return call

    return decorate


def _given(settings: list[str] | None, options: dict[str, Any]) -> dict[str, Any]:
    given = parse_assignments(settings or ())
    for name, value in options.items():
        if value in (None, False, []):
            continue
        if name in given:
            raise ParameterError(f"{name!r} is given twice")
        plain = [str(v) for v in value] if isinstance(value, list) else value
        given[name] = check_value(name, str(plain) if isinstance(plain, Path) else plain)
    return given


def open_given(given: dict[str, Any]) -> TrustSpace:
    """Return the space that parameters say, where there is no report.

    Raises
    ------
    ParameterError
        If one of them is for reports only.
    """
    from mssante_audit.report.results import open_space

    if "row_limit" in given:
        raise ParameterError("row_limit is for reports", remedy="Here all rows are written")
    if "changes_since" in given:
        raise ParameterError("changes_since is for reports", remedy="Use `mssante-audit changes`")
    return open_space(**given)
