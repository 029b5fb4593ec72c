"""The parameters a report's notebook may have, checked before anything runs.

A notebook accepts the names that its cell tagged ``parameters`` assigns; all of them must stand in
`mssante_audit.base.settings.Parameters`, which gives their type, range, French label and help.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mssante_audit.base import settings as fields
from mssante_audit.base.errors import InputError, ParameterError
from mssante_audit.base.instants import asked_instant, parse_instant
from mssante_audit.base.language import gettext, moment
from mssante_audit.base.settings import Parameters

PARAMETERS = Parameters.model_fields
"""Every parameter by its name; the title is its French label, the description its help."""
INSTANTS = ("as_of", "changes_since")
_FLAGS = dict.fromkeys(("true", "yes", "oui", "1"), True) | dict.fromkeys(("false", "no", "non", "0"), False)


@cache
def kind_of(name: str) -> type:
    """Return what a parameter is: ``str``, ``int``, ``bool`` or ``tuple`` (of texts)."""
    kind: type = fields.kind_of(PARAMETERS[name].annotation)
    return kind


def check_value(name: str, value: Any) -> Any:
    """Return `value` as parameter `name` wants it.

    Texts, as a command line gives them, are read by the parameter's type; so is what papermill makes of them
    (digits it takes for a number, ``no`` for a text). Other values must have the type.

    Raises
    ------
    ParameterError
        If there is no such parameter, or the value is ill-typed or out of range.

    >>> check_value("recover", "non"), check_value("operator", 399900000130016)
    (False, '399900000130016')
    """
    if name not in PARAMETERS:
        raise ParameterError(f"no parameter {name!r}", remedy=f"There are: {', '.join(PARAMETERS)}")
    try:
        checked = getattr(Parameters.model_validate({name: _meant(kind_of(name), value)}), name)
    except ValidationError as errors:
        raise ParameterError(fields.fault(Parameters, errors.errors()[0])) from None
    if name in INSTANTS and checked is not None:
        try:
            asked_instant(checked)
        except InputError as error:
            raise ParameterError(f"{name}: {error.message}", remedy=error.remedy) from None
    return list(checked) if isinstance(checked, tuple) else checked


def _meant(kind: type, value: Any) -> Any:
    """Return what a command line or papermill made of a value as the value that was meant, if it is plain."""
    if kind is tuple:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(_meant(str, item) for item in items)
    if kind is bool and isinstance(value, str | int):
        return _FLAGS.get(str(value).strip().lower(), value)
    if kind is int and isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value):
        return int(value)
    if kind is str and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def declared(notebook: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the parameters that a notebook accepts, with their defaults, in the order of its cell.

    A name that is none of `PARAMETERS`, or a default of another type, is a `ParameterError`.
    """
    defaults: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if "parameters" not in cell["metadata"].get("tags", []):
            continue
        for target, value in _assignments("".join(cell["source"]), name):
            try:
                defaults[target] = check_value(target, ast.literal_eval(value))
            except (ParameterError, ValueError) as error:
                raise ParameterError(f"its parameter {target!r} is not right: {error}", file=name) from None
    return defaults


def parse_assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Read ``name=value`` texts; a list's name may come several times.

    Raises
    ------
    ParameterError
        If a text is not of that form, names no parameter or one twice, or holds a bad value.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ParameterError(f"{text!r} is not name=value")
        checked = check_value(name, value)
        if name in values and not isinstance(checked, list):
            raise ParameterError(f"{name!r} is given twice")
        values[name] = values[name] + checked if name in values else checked
    return values


def shown_value(name: str, value: Any) -> str:
    """Return a parameter's value as a reader of the report sees it, paths without their folders."""
    if value is None or value == []:
        return "—"
    if isinstance(value, bool):
        return gettext("oui") if value else gettext("non")
    if name in ("data", "anchors"):
        paths = value if isinstance(value, list) else [value]
        return ", ".join(Path(path).name or "." for path in paths)
    if name in INSTANTS:
        return moment(parse_instant(value))
    return str(value)


def _assignments(source: str, name: str) -> list[tuple[str, ast.expr]]:
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise ParameterError("its parameters cell is not Python", file=name, line=error.lineno) from None
    found = []
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value):
                found.append((target, value))
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value):
                found.append((target, value))
            case ast.ImportFrom(module="typing"):  # papermill reads `Optional[str]`, not `str | None`
                pass
            case _:
                raise ParameterError("its parameters cell does more than name = value", file=name)
    return found
