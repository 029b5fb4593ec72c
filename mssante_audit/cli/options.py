"""Options of the commands: those that several share, and what ``options.toml`` says of each."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Context, Option

from mssante_audit.base.errors import AuditError
from mssante_audit.base.language import LANGUAGES, using_language

VARIABLES = "MSSANTE_AUDIT"
"""Beginning of the names of variables that options may stand in."""
LIMITS = ("operator", "region", "department")
"""Those of `mssante_audit.base.settings`, which takes pydantic, and that takes long."""
Severity = StrEnum("Severity", "info warning error critical")
"""Severities, from the mildest."""
Table = StrEnum("Table", "csv json xlsx parquet")
"""Formats of a frame (`mssante_audit.base.export.WRITERS`)."""
Layout = StrEnum("Layout", "text json")
"""For whom something is told: a reader, or a program."""
Whose = StrEnum("Whose", "none services all")
Language = StrEnum("Language", "fr en")
"""Languages of what is told in words."""


def _offered(name: str) -> list[str]:
    """Return what a shell is offered for an option; what is needed for it is imported only then."""
    if name == "notebooks":
        from mssante_audit.base.resources import resource

        return sorted(path.stem for path in resource("notebooks").glob("*.ipynb"))
    if name in ("region", "department"):
        from mssante_audit.values import identifiers

        return list(identifiers.REGIONS if name == "region" else identifiers.DEPARTMENTS)
    from mssante_audit import audits

    return ["all", *audits.audits()] if name == "audit" else list(audits.catalogue())


def _data() -> str | None:
    """Return what the variable says that is every command's ``--data``; a command's own goes before it."""
    return os.environ.get(f"{VARIABLES}_DATA") or None


def _opening(
    *,
    data: Path | None,
    parameter: list[str] | None = None,
    as_of: str | None = None,
    anchors: list[str] | None = None,
    signer: str | None = None,
    recover: bool = False,
    any_namespace: bool = False,
    operator: str | None = None,
    region: list[str] | None = None,
    department: list[str] | None = None,
    contacts: Whose | None = None,
) -> None: ...  # which trust space is opened, and whose part of it


def _asking(
    *,
    parent_zone: str = "mssante.fr",
    parent_servers: list[str] | None = None,
    resolvers: list[str] | None = None,
    port: int | None = None,
    timeout: float | None = None,
    retries: int = 2,
    ipv4_only: bool = False,
) -> None: ...  # how the network is asked


_SAID = tomllib.loads(Path(__file__).with_name("options.toml").read_text(encoding="utf-8"))
_ASKED = [*signature(_asking, eval_str=True).parameters.values()]
OPENED = signature(_opening, eval_str=True).parameters
"""Options that say which trust space is opened (`mssante_audit.cli.console.parameters_of`)."""


def but(*without: str) -> tuple[str, ...]:
    """Return the names of `OPENED`, but for some."""
    return tuple(name for name in OPENED if name not in without)


def takes(*opened: str, asks: bool = False, speaks: str = "") -> Callable[[Callable[..., None]], Any]:
    """Return the decorator of a command, whose options and arguments are those of its function.

    After its own it takes those `opened` of `OPENED`, and if it `asks` the network those that say how. One
    that `speaks` does so as ``--lang`` or the locale (``LC_ALL``, ``LC_MESSAGES``, ``LANG``) says, or else in
    that language; its errors are English where neither says more.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        said: dict[str, Any] = _SAID["all"] | (_SAID["speaks"] if speaks else {})
        said |= _SAID.get(command.__name__.strip("_"), {})
        known = signature(command, eval_str=True)
        own = [one for one in known.parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
        made = [_described(one, said) for one in (*own, *(OPENED[name] for name in opened))]
        made += [_described(one, said | _SAID["asked"]) for one in _ASKED if asks]
        command.__signature__ = known.replace(parameters=made)  # type: ignore[attr-defined]
        return _speaking(command, speaks) if speaks else command

    return decorate


def _described(parameter: Parameter, said: dict[str, Any]) -> Parameter:
    """Return a command's parameter with what is said of it."""
    name, hint = parameter.name, parameter.annotation
    if hint is Context:
        return parameter
    how = dict(said[name]) if isinstance(said[name], dict) else {"help": said[name]}
    flags = how.pop("flags", [f"--{name.replace('_', '-')}"] if hint is bool else [])
    if name in ("audit", "code", "notebooks", "region", "department"):
        how["autocompletion"] = lambda: _offered(name)
    if how.pop("data_everywhere", False):
        how["default_factory"] = _data
    is_argument = how.pop("argument", parameter.default is Parameter.empty and "default_factory" not in how)
    info = Argument(**how) if is_argument else Option(*flags, **how)
    return parameter.replace(annotation=Annotated[hint, info])


def _speaking(command: Callable[..., None], otherwise: str) -> Callable[..., None]:
    @wraps(command)
    def spoken(*values: Any, lang: str | None = None, **named: Any) -> None:
        locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")[:2].lower()
        asked = lang or (locale if locale in LANGUAGES else None)
        try:
            with using_language(asked or otherwise):
                command(*values, lang=asked or otherwise, **named)
        except AuditError as error:
            error.language = asked or "en"
            raise

    return spoken
