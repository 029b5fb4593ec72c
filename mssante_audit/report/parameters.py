"""The parameters a report's notebook may have: one typed list, checked before anything runs.

A notebook accepts the names that its cell tagged ``parameters`` assigns; all of them must stand in
`PARAMETERS`, which gives their type, range and French label.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mssante_audit.base.errors import InputError, ParameterError
from mssante_audit.base.french import moment


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter."""

    name: str
    kind: type
    """``str``, ``int``, ``bool``, or ``list`` (of texts)."""
    label: str
    """What a reader of the report sees, in French."""
    help: str
    """What it does, in English."""
    optional: bool = False
    """Whether ``None`` (not given) is a value."""
    range: tuple[int, int] = (0, 0)
    """Least and greatest value of a number."""


_DAYS = (0, 36_500)

PARAMETERS = {
    p.name: p
    for p in (
        Parameter("data", str, "Données", "folder or white list file; the shipped sample if none", True),
        Parameter("as_of", str, "Situation au", "instant to audit at, ISO 8601; now if none", True),
        Parameter("operator", str, "Opérateur", "identifier or unambiguous name; all if none", True),
        Parameter("anchors", list, "Certificats de confiance", "certificate files or folders to trust"),
        Parameter("recover", bool, "Lecture d’une liste endommagée", "load the rows of a damaged list"),
        Parameter("any_namespace", bool, "Autre espace de noms XML admis", "accept another XML namespace"),
        Parameter("show_contacts", bool, "Contacts en clair", "show contacts as they are, not masked"),
        Parameter(
            "list_max_age_days", int, "Âge maximal de la liste (jours)", "age of an old list", range=_DAYS
        ),
        Parameter("stale_after_days", int, "Ligne ancienne après (jours)", "age of an old row", range=_DAYS),
        Parameter(
            "concentration_min",
            int,
            "Concentration : domaines par nom de certificat, à partir de",
            "from how many domains on one certificate name on it is reported",
            range=(2, 1_000_000),
        ),
        Parameter("changes_since", str, "Changements depuis le", "start of the comparison, ISO 8601", True),
        Parameter(
            "listing_days",
            int,
            "Délai d’inscription (jours)",
            "days after which a declared domain should be listed",
            range=_DAYS,
        ),
        Parameter(
            "row_limit", int, "Lignes montrées par tableau", "rows shown a table", range=(1, 1_000_000)
        ),
    )
}
"""Every parameter by its name."""

_TEXT_MAX = 4096


def check_value(name: str, value: Any) -> Any:
    """Return `value` as parameter `name` wants it.

    Texts, as a command line gives them, are read by the parameter's type; so is what papermill makes of them
    (digits it takes for a number, ``no`` for a text). Other values must have the type.

    Raises
    ------
    ParameterError
        If there is no such parameter, or the value is ill-typed or out of range.

    >>> check_value("row_limit", "500")
    500
    >>> check_value("recover", "true"), check_value("recover", "non"), check_value("operator", 318310021300028)
    (True, False, '318310021300028')
    """
    parameter = PARAMETERS.get(name)
    if parameter is None:
        raise ParameterError(f"no parameter {name!r}", remedy=f"There are: {', '.join(PARAMETERS)}")
    if value is None and parameter.optional:
        return None
    if parameter.kind is list:
        items = list(value) if isinstance(value, list | tuple) else [value]
        return [_text(name, item) for item in items]
    if parameter.kind is bool:
        return _flag(name, value)
    if parameter.kind is int:
        return _number(parameter, value)
    text = _text(name, value)
    if name in ("as_of", "changes_since"):
        _instant(name, text)
    return text


def declared(notebook: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the parameters a notebook accepts, with their defaults, in the order of its cell.

    Parameters
    ----------
    notebook
        The notebook as JSON types.
    name
        Its name, for messages.

    Raises
    ------
    ParameterError
        If the cell assigns a name that is not in `PARAMETERS`, or a default of another type.
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


def share_out(
    given: Mapping[str, Any], accepted: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return for each notebook those of the `given` parameters that it accepts, checked.

    Parameters
    ----------
    given
        Values by parameter name: typed, or texts as `check_value` reads them.
    accepted
        For each notebook, what `declared` returns.

    Raises
    ------
    ParameterError
        If no notebook accepts one of them, or a value is not right.
    """
    values = {name: check_value(name, value) for name, value in given.items()}
    for name in values:
        if not any(name in names for names in accepted.values()):
            takes = {n: None for names in accepted.values() for n in names}
            raise ParameterError(
                f"{', '.join(accepted)}: no parameter {name!r}",
                remedy=f"There are: {', '.join(takes)}" if takes else None,
            )
    return {
        notebook: {name: value for name, value in values.items() if name in names}
        for notebook, names in accepted.items()
    }


def parse_assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Read ``name=value`` texts; a list's name may come several times.

    >>> parse_assignments(["row_limit=20", "anchors=a.pem", "anchors=b.pem"])
    {'row_limit': 20, 'anchors': ['a.pem', 'b.pem']}

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
        return "oui" if value else "non"
    if name in ("data", "anchors"):
        paths = value if isinstance(value, list) else [value]
        return ", ".join(Path(path).name or "." for path in paths)
    if name in ("as_of", "changes_since"):
        from mssante_audit.base.instants import parse_instant

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
            case _:
                raise ParameterError("its parameters cell does more than name = value", file=name)
    return found


def _text(name: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise ParameterError(f"{name} wants a text, not {value!r}")
    if len(value) > _TEXT_MAX or re.search(r"[\x00-\x1f\x7f]", value):
        raise ParameterError(f"{name} wants a plain text of at most {_TEXT_MAX} characters")
    return value


_FLAGS = dict.fromkeys(("true", "yes", "oui", "1"), True) | dict.fromkeys(("false", "no", "non", "0"), False)


def _flag(name: str, value: Any) -> bool:
    told = _FLAGS.get(str(value).strip().lower()) if isinstance(value, str | int) else None
    if told is None:
        raise ParameterError(f"{name} wants true or false, not {value!r}")
    return told


def _number(parameter: Parameter, value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ParameterError(f"{parameter.name} wants a whole number, not {value!r}")
    least, most = parameter.range
    if not least <= value <= most:
        raise ParameterError(f"{parameter.name} wants {least} to {most}, not {value}")
    return value


def _instant(name: str, text: str) -> None:
    from mssante_audit.space.trust import (
        parse_instant,  # brings pandas, which the command line's help does without
    )

    try:
        parse_instant(text)
    except InputError as error:
        raise ParameterError(f"{name}: {error.message}", remedy=error.remedy) from None
