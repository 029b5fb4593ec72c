"""``scope.toml``: whose declarations a register holds, where these are not everybody's.

Covered are the operators named, and those that sit in a place, by their certificates.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from mssante_audit.base.errors import InputError
from mssante_audit.base.reading import read_toml
from mssante_audit.base.settings import Line, Names, Section, refusal

FILE = "scope.toml"
"""Beside the register."""
_REMEDY = "Under [scope] there are operators (a list), region and department (texts)"


class Scope(Section):
    """Whom a register covers."""

    operators: Names = ()
    region: Line = ""
    department: Line = ""


class _File(Section):
    scope: Scope


def read_scope(path: Path) -> Scope:
    """Read a ``scope.toml``; one that is not TOML, has other keys, or names nobody is an `InputError`."""
    try:
        scope = _File.model_validate(read_toml(path)).scope
    except ValidationError as error:
        raise InputError(refusal(_File, error), file=path.name, remedy=_REMEDY) from None
    except InputError as error:
        raise InputError("not a scope: {}", error.message, file=path.name, remedy=_REMEDY) from None
    if not (scope.operators or scope.region.strip() or scope.department.strip()):
        remedy = f"{_REMEDY}; without a scope, remove the file"
        raise InputError("names nobody", file=path.name, remedy=remedy)
    return scope
