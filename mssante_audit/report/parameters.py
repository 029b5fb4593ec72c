"""The parameters a report's notebook may have, checked before anything runs.

A notebook accepts the names that its cell tagged ``parameters`` assigns, all of `settings.Parameters`.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mssante_audit.base import instants, language, settings
from mssante_audit.base.errors import InputError, ParameterError

# Every parameter by its name; the title is its French label, the description its help
PARAMETERS = settings.Parameters.model_fields
INSTANTS = ("as_of", "changes_since")
PATHS = ("data", "anchors")  # Parameters that name files
_FLAGS = dict.fromkeys(("true", "yes", "oui", "1"), True) | dict.fromkeys(("false", "no", "non", "0"), False)


def kind_of(name: str) -> type:
    """Return what a parameter is: ``str``, ``int``, ``bool`` or ``tuple`` (of texts)."""
    kind: type = settings.kind_of(PARAMETERS[name].annotation)
    return kind


def check_value(name: str, value: Any) -> Any:
    """Return `value` as parameter `name` wants it; if there is none, or it is wrong, a `ParameterError`.

    Texts, as a command line gives them, are read by the parameter's type; so is what papermill makes of them
    (digits it takes for a number, ``no`` for a text). Other values must have the type.

    >>> check_value("recover", "non"), check_value("operator", 399900000130016)
    (False, '399900000130016')
    """
    if name not in PARAMETERS:
        raise ParameterError("no parameter {}", repr(name), remedy=("There are: {}", ", ".join(PARAMETERS)))
    try:
        checked = getattr(settings.Parameters.model_validate({name: _typed(kind_of(name), value)}), name)
    except ValidationError as errors:
        raise settings.fault(settings.Parameters, errors.errors()[0]).within(ParameterError) from None
    if name in INSTANTS and checked is not None:
        try:
            instants.asked_instant(checked)
        except InputError as error:
            raise error.within(ParameterError, name) from None
    return list(checked) if isinstance(checked, tuple) else checked


def _typed(kind: type, value: Any) -> Any:
    """Return what a command line or papermill made of a value as the value that was meant, if it is plain."""
    if kind is tuple:
        return tuple(_typed(str, item) for item in (value if isinstance(value, list | tuple) else [value]))
    if kind is bool and isinstance(value, str | int):
        return _FLAGS.get(str(value).strip().lower(), value)
    if kind is int and isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value):
        return int(value)
    return str(value) if kind is str and type(value) is int else value


def declared(notebook: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a notebook's parameters with their defaults; one that is not right is a `ParameterError`."""
    defaults: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if "parameters" not in cell["metadata"].get("tags", []):
            continue
        try:
            body = ast.parse("".join(cell["source"])).body
        except SyntaxError as error:
            raise ParameterError("its parameters cell is not Python", file=name, line=error.lineno) from None
        for node in body:
            match node:
                case ast.Assign(targets=[ast.Name(id=target)], value=value):
                    pass
                case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value):
                    pass
                case ast.ImportFrom(module="typing"):  # papermill reads `Optional[str]`, not `str | None`
                    continue
                case _:
                    raise ParameterError("its parameters cell does more than name = value", file=name)
            try:
                defaults[target] = check_value(target, ast.literal_eval(value))
            except (ParameterError, ValueError) as error:
                raise ParameterError(
                    "its parameter {} is not right: {}", repr(target), error, file=name
                ) from None
    return defaults


def parse_assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Read ``name=value`` texts; one of another form, or with a bad value, is a `ParameterError`."""
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ParameterError("{} is not name=value", repr(text))
        checked = check_value(name, value)
        if name in values and not isinstance(checked, list):
            raise ParameterError("{} is given twice", repr(name))
        values[name] = values[name] + checked if name in values else checked
    return values


def shown_value(name: str, value: Any) -> str:
    """Return a parameter's value as a reader of the report sees it, paths without their folders."""
    if value is None or value == []:
        return "—"
    if isinstance(value, bool):
        return language.gettext("oui") if value else language.gettext("non")
    if name in PATHS:
        return ", ".join(Path(path).name or "." for path in (value if isinstance(value, list) else [value]))
    return language.moment(instants.parse_instant(value)) if name in INSTANTS else str(value)


def tellable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with paths but for their last part."""
    return {n: shown_value(n, v) if n in PATHS else v for n, v in values.items()}
