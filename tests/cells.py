"""Cells of the shipped notebooks, run on values made up by a test: the analysis stands in them."""

import ast
import json
import re
from typing import Any

from mssante_audit.base.resources import resource

IMPORTS = "imports"


def plain(text: str) -> str:
    """Return a text in one line, without spaces that do not break."""
    return " ".join(re.sub("[\xa0\u202f]", " ", text).split())


def cells(name: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(
        (resource("notebooks") / f"{name}.ipynb").read_text(encoding="utf-8")
    )["cells"]
    return listed


def shown(name: str, *idents: str, **variables: Any) -> Any:
    """Run a notebook's imports and some of its cells, after what the cells before them would have set.

    Returns what the last one shows.
    """
    scope: dict[str, Any] = {"lang": "fr", **variables}
    value = None
    for ident in (IMPORTS, *idents):
        (source,) = ("".join(cell["source"]) for cell in cells(name) if cell["id"] == ident)
        body = ast.parse(source).body
        last = body.pop()
        assert isinstance(last, ast.Expr), f"{name}: {ident} shows nothing"
        exec(compile(ast.Module(body, []), f"{name}:{ident}", "exec"), scope)  # our own notebooks
        value = eval(compile(ast.Expression(last.value), f"{name}:{ident}", "eval"), scope)
    return value
