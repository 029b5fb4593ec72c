"""Check that notebooks are clean: no outputs, functions, absolute path or network, a title first.

A report has a cell tagged ``parameters`` and records its results last; a notebook to read has neither.

Usage: ``python tools/check_notebooks.py NOTEBOOK…``; prints what is wrong and exits with 1.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

RECORD = re.compile(r"(\w+\.)?record\(")
ABSOLUTE = re.compile(r"^(/|~|[A-Za-z]:[\\/])")
NETWORK = {"socket", "urllib", "http", "httpx", "requests", "dns", "smtplib", "ssl"}


def code_defects(source: str) -> list[str]:
    """Return what a code cell has that it should not."""
    defects = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
                defects.append("defines a function or a class")
            case ast.Constant(value=str(text)) if ABSOLUTE.match(text):
                defects.append(f"absolute path {text!r}")
            case ast.Constant(value=str(text)) if "://" in text:
                defects.append(f"address {text!r}")
            case ast.Import(names=names) if any(n.name.split(".")[0] in NETWORK for n in names):
                defects.append("imports a network module")
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in NETWORK:
                defects.append("imports a network module")
            case ast.ImportFrom(module=str(module)) if module.startswith("mssante_audit"):
                defects.append("imports a part of the package")
    return defects


def notebook_defects(notebook: dict[str, Any]) -> list[str]:
    """Return what is wrong with a notebook, one line a defect."""
    defects = []
    cells = notebook["cells"]
    first = "".join(cells[0]["source"]) if cells else ""
    if not cells or cells[0]["cell_type"] != "markdown" or not first.startswith("# "):
        defects.append("the first cell is not a level-1 title")
    tagged = any("parameters" in cell["metadata"].get("tags", []) for cell in cells)
    records = bool(cells) and bool(RECORD.match("".join(cells[-1]["source"])))
    if records and not tagged:
        defects.append("no cell is tagged 'parameters'")
    if tagged and not records:
        defects.append("the last cell does not record the results")
    for number, cell in enumerate(cells, 1):
        if cell["cell_type"] == "code":
            if cell["outputs"] or cell["execution_count"] is not None:
                defects.append(f"cell {number}: carries outputs or an execution count")
            defects += [f"cell {number}: {d}" for d in code_defects("".join(cell["source"]))]
    extra = set(notebook["metadata"]) - {"kernelspec", "language_info"}
    return defects + [f"metadata {key!r}" for key in sorted(extra)]


def main(paths: list[str]) -> int:
    """Check each notebook; return the exit status."""
    failed = 0
    for path in paths:
        for defect in notebook_defects(json.loads(Path(path).read_text(encoding="utf-8"))):
            print(f"{path}: {defect}")  # noqa: T201 - the command's output
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
