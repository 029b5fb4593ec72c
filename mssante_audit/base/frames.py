"""What the columns of frames are: said once, for their dtypes, for docs/data.md and as JSON Schema.

A `Column.dtype` is one of ``dtypes.toml``: as pandas names it, with what an object is in brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mssante_audit.base.errors import ParameterError
from mssante_audit.base.resources import table_of

if TYPE_CHECKING:
    import pandas as pd

DRAFT = "https://json-schema.org/draft/2020-12/schema"

# How JSON has a value of each dtype (`mssante_audit.base.export.records`).
_TYPES = table_of("mssante_audit.base", "dtypes.toml")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a frame."""

    name: str
    dtype: str
    meaning: str
    choices: Sequence[str] = ()  # the values that it may have, of a category in order

    @property
    def personal(self) -> bool:
        """Whether it names persons, or may."""
        return bool(re.search(r"\bnames? persons\b", self.meaning))


def columns_of(package: str, frame: str, **choices: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns of a frame as ``columns.toml`` in a package tells them, with what some may have."""
    rows = table_of(package, "columns.toml")[frame].items()
    return tuple(Column(name, dtype, meaning, choices.get(name, ())) for name, (dtype, meaning) in rows)


def described(doc: str | None, title: str, frame: Iterable[Column]) -> str:
    r"""Return a module's docstring with the columns of its frame, for ``help``.

    >>> described("Text.", "Columns", [Column("n", "int64", "how many")])
    'Text.\n\nColumns:\n\n``n`` (int64)\n    how many'
    """
    columns = (f"``{column.name}`` ({column.dtype})\n    {column.meaning}" for column in frame)
    return "\n".join([(doc or "").rstrip(), "", f"{title}:", "", *columns])


def dtypes(described: Iterable[Column]) -> dict[str, Any]:
    """Return the dtype of each column, as pandas has it.

    >>> dtypes([Column("n", "int64", ""), Column("facts", "object (dict)", "")])
    {'n': dtype('int64'), 'facts': dtype('O')}
    """
    import pandas as pd

    def dtype(column: Column) -> Any:
        if column.dtype.endswith("category"):
            return pd.CategoricalDtype(list(column.choices) or None, column.dtype.startswith("ordered"))
        name = column.dtype.partition(" (")[0]
        return name if name == "str" else pd.api.types.pandas_dtype(name)  # stored as pandas is set by then

    return {column.name: dtype(column) for column in described}


def frame_of(rows: Iterable[Sequence[Any]], kinds: Mapping[str, Any] | Sequence[Column]) -> pd.DataFrame:
    """Return rows as a frame; instants may be texts (ISO 8601)."""
    import pandas as pd

    def column(values: tuple[Any, ...], kind: Any) -> Any:
        if kind not in ("instant", "datetime64[us, UTC]"):
            return pd.Series(values, dtype=kind)
        return pd.to_datetime(pd.Series(values, dtype="object"), utc=True, format="ISO8601").dt.as_unit("us")

    kinds = kinds if isinstance(kinds, Mapping) else dtypes(kinds)
    columns = [*zip(*rows, strict=True)] or [()] * len(kinds)
    return pd.DataFrame({name: column(v, kinds[name]) for name, v in zip(kinds, columns, strict=True)})


def json_schema(title: str, described: Iterable[Column], more: Iterable[Column] = ()) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a frame's rows as a list of records.

    Columns `described` are there, those in `more` may be.
    """
    required = list(described)
    properties = {}
    for column in (*required, *more):
        enum = {"enum": list(column.choices)} if column.choices else {}
        properties[column.name] = {**_TYPES[column.dtype], **enum, "description": column.meaning}
    row = {
        "type": "object",
        "properties": properties,
        "required": [column.name for column in required],
        "additionalProperties": False,
    }
    return {"$schema": DRAFT, "title": title, "type": "array", "items": row}


def of_pandas(values: Any, *kinds: type) -> Any:
    """Return a series or a frame as it is, or only one of some `kinds`; else it is a `ParameterError`."""
    import pandas as pd

    if isinstance(values, kinds or (pd.Series, pd.DataFrame)):
        return values
    expected = " or ".join(kind.__name__ for kind in kinds or (pd.Series, pd.DataFrame))
    raise ParameterError(f"a {type(values).__name__} is no {expected}", remedy="Make one by pd.Series(…)")
