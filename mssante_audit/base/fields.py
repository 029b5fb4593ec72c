"""Fields of a settings model: what each may hold, and what is wrong with a value."""

from __future__ import annotations

import json
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from mssante_audit.base.secret import masked_url

_KINDS = {
    "string_type": "a text",
    "string_unicode": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "tuple_type": "a list",
    "model_type": "a table",
}
_BOUNDS = frozenset({"greater_than", "greater_than_equal", "less_than_equal", "finite_number"})


def field_of(model: type[BaseModel], keys: tuple[str, ...]) -> FieldInfo:
    """Return the field that keys lead to from a model."""
    field = model.model_fields[keys[0]]
    kind = field.annotation
    return field_of(kind, keys[1:]) if keys[1:] and isinstance(kind, type) else field


def kind_of(hint: Any) -> Any:
    """Return the type that a hint is about: the first of a union, that of an `Annotated` or of a choice."""
    if get_origin(hint) in (Union, UnionType, Annotated):
        return kind_of(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return type(get_args(hint)[0])
    return get_origin(hint) or hint


def fault(model: type[BaseModel], error: ErrorDetails) -> str:
    """Return what is wrong with one value, in one line that begins with its keys."""
    keys = tuple(part for part in error["loc"] if isinstance(part, str))
    name, kind, given = ".".join(keys), error["type"], shown(error["input"])
    if kind == "missing":
        return f"lacks {name}"
    field = field_of(model, keys)
    if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("writeOnly") is True:
        return f"{name}: what it says is not of the right form, and not shown here"
    if kind == "literal_error":
        choices = ", ".join(shown(choice) for choice in get_args(field.annotation))
        return f"{name} wants one of {choices}, not {given}"
    if kind in _KINDS:
        return f"{name} wants {_KINDS[kind]}, not {given}"
    if kind in _BOUNDS:
        bounds = {
            sign: getattr(m, sign) for m in field.metadata for sign in ("ge", "gt", "le") if hasattr(m, sign)
        }
        least = f"more than {bounds['gt']}, at most" if "gt" in bounds else f"{bounds['ge']} to"
        return f"{name} wants {least} {bounds['le']}, not {given}"
    if kind in ("string_too_short", "too_short"):
        return f"{name} is empty"
    return f"{name}: {given} is not of the right form"


def refusal(model: type[BaseModel], error: ValidationError) -> str:
    """Say in one line, by the first fault, why values are not of a model; a key that it has not is named."""
    first = error.errors()[0]
    if first["type"] == "extra_forbidden":
        return f"no such key: {'.'.join(map(str, first['loc']))}"
    return fault(model, first)


def shown(value: Any) -> str:
    """Return a value as JSON writes it, without credentials of addresses, cut if it is long."""
    text = masked_url(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= 60 else f"{text[:57]}…"
