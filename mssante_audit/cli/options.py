"""Options that several commands share; those that are settings have their help from the settings' model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mssante_audit.base.fields import bounds_of, kind_of
from mssante_audit.base.settings import Parameters

_WITH_COMMAS = ("region", "department")
"""Texts of several values with commas between them, which may be given several times too."""

Command = TypeVar("Command", bound=Callable[..., None])


Severity = StrEnum("Severity", "info warning error critical")
"""Severities, from the mildest."""
Table = StrEnum("Table", "csv json xlsx parquet")
"""Formats of a frame (`mssante_audit.base.export.WRITERS`)."""
Layout = StrEnum("Layout", "text json")
"""For whom something is told: a reader, or a program."""
Language = StrEnum("Language", "fr en")
"""Languages of what is told in words."""

TableFormat = Annotated[Table, typer.Option("--format", help="Format to write.")]
TextFormat = Annotated[Layout, typer.Option("--format", help="Format to write.")]
Lang = Annotated[Language, typer.Option("--lang", help="Language of what is told in words.")]
OutFile = Annotated[Path | None, typer.Option(help="File to write.", show_default="standard output")]
FailOn = Annotated[Severity | None, typer.Option(help="Exit with 1 if there are findings this severe.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what was written earlier.")]
Data = Annotated[Path | None, typer.Option(help=Parameters.model_fields["data"].description)]


def _notebooks() -> list[str]:
    from mssante_audit.base.resources import resource

    return sorted(path.stem for path in resource("notebooks").glob("*.ipynb"))


Notebooks = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NOTEBOOK",
        help="Names, or paths of one's own.",
        show_default="all",
        autocompletion=_notebooks,
    ),
]
_EXAMPLES = "Set a parameter, such as stale_after_days=365, concentration_min=20 or row_limit=50."
_Settings = Annotated[
    list[str] | None, typer.Option("--parameter", "-p", metavar="NAME=VALUE", help=_EXAMPLES)
]


def options_of(
    model: type[BaseModel], *names: str, metavars: Mapping[str, str] | None = None, **called: str
) -> Callable[[Command], Command]:
    """Give a command an option for each of some fields of a settings model, with their help and default.

    It takes them as further keywords, by the fields' names; a list that is not given is ``None``. Options
    are called like their fields, `names`, or otherwise (`called`); `metavars` stand for a value in the
    help.
    """
    flags = {name: f"--{name.replace('_', '-')}" for name in names} | called
    told = metavars or {}
    return _given([_option(n, model.model_fields[n], flag, told.get(n)) for n, flag in flags.items()])


def opens_space(*names: str) -> Callable[[Command], Command]:
    """Give a command ``-p`` and options of `Parameters`; it takes them as keywords, for `given_by`."""
    options = options_of(Parameters, "data", "as_of", "anchors", "signer", "recover", "any_namespace", *names)
    return lambda command: options(_given([_parameter("parameter", _Settings, None)])(command))


def _given(options: list[inspect.Parameter]) -> Callable[[Command], Command]:
    def give(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        found = {p.name: p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD}
        found |= {option.name: option for option in options}
        vars(command)["__signature__"] = signature.replace(parameters=list(found.values()))
        return command

    return give


def _option(name: str, field: FieldInfo, flag: str, metavar: str | None) -> inspect.Parameter:
    kind, default = kind_of(field.annotation), field.default
    if kind is tuple or name in _WITH_COMMAS:
        kind, default = list[str] | None, None
    elif default in (None, ""):
        kind, default = str | None, None
    bounds = bounds_of(field)
    least, most = bounds.get("ge", bounds.get("gt")), bounds.get("le")
    known = _KNOWN.get(name)
    told = typer.Option(
        flag, help=field.description, metavar=metavar, min=least, max=most, autocompletion=known
    )
    return _parameter(name, Annotated[kind, told], default)


def known_audits() -> list[str]:
    """Return the names of audits, for a shell to offer."""
    from mssante_audit.audits import audits

    return ["all", *audits()]


def known_codes() -> list[str]:
    """Return the codes of rules, for a shell to offer."""
    from mssante_audit.audits import catalogue

    return list(catalogue())


def _places(names: str) -> Callable[[], list[str]]:
    """Return what a shell offers as the value of an option, one of the tables of places by name."""

    def known() -> list[str]:
        from mssante_audit.values import identifiers

        return list(getattr(identifiers, names))

    return known


_KNOWN = {"region": _places("REGIONS"), "department": _places("DEPARTMENTS")}


def _parameter(name: str, kind: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
