"""The page of one dossier, put together without running its notebook.

The notebook ``operator`` is the analysis, here as well: its cells are compiled once, and each is run on a
dossier by itself, without a kernel. A cell may use what its imports brought, ``dossier`` and
``row_limit``.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from traceback import format_exception
from typing import Any

from mssante_audit.base.language import current_language, markdown
from mssante_audit.base.resources import resource
from mssante_audit.dossiers.facts import Dossier, dossier
from mssante_audit.report.charts import Chart
from mssante_audit.report.failure import Failure, failure_of
from mssante_audit.report.outcome import Outcome, labelled
from mssante_audit.report.page import Page, section_of, title_of, to_html
from mssante_audit.report.results import Results
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import answers, domains

NOTEBOOK = "operator"
IMPORTS, OPENING, RECORD = "imports", "opening", "record"
"""Cells of it that do not work on a dossier."""


def dossier_page(
    space: TrustSpace,
    operator_id: str,
    parameters: Mapping[str, Any],
    told: Dossier | None = None,
    *,
    masked: bool = False,
    debug: bool = False,
) -> tuple[Outcome, str, Dossier | None]:
    """Return what became of an operator's dossier, its page, the notebook's report's very own, and its facts.

    Whatever fails in it, there is a page: up to the part that failed, and saying so.

    Parameters
    ----------
    parameters
        All of the notebook's, as the page tells them (`mssante_audit.report.plan.tellable`).
    told
        The facts, if they are gathered already.
    masked
        Mask the operator's own contacts as well.
    debug
        Show the traceback, which may hold unmasked values.
    """
    notebook, at = _notebook(), -1
    results: Results | None = None
    failure: Failure | None = None
    try:
        told = told or dossier(space, operator_id, masked=masked)
        results = told.record()
        for cell in notebook["cells"]:
            at += 1
            if part := parts().get(cell["id"]):
                cell["outputs"] = [_shown(part(told, parameters["row_limit"]))]
    except Exception as error:  # the other operators' dossiers are made all the same
        trace = "".join(format_exception(error)) if debug else ""
        failure = failure_of(type(error).__name__, str(error), at, trace)
    outcome, html = _page(notebook, results, parameters, failure)
    if told is not None:
        known = domains(space)
        outcome = replace(outcome, answers=answers(known[known["domain"].isin(told.domains["domain"])]))
    return outcome, html, told


def failed_page(error: Exception, parameters: Mapping[str, Any]) -> tuple[Outcome, str]:
    """Return the page of a dossier that whoever was to make it did not even begin."""
    failure = failure_of(type(error).__name__, str(error), -1)
    return _page(_notebook(), None, parameters, failure)


def _page(
    notebook: Mapping[str, Any],
    results: Results | None,
    parameters: Mapping[str, Any],
    failure: Failure | None,
) -> tuple[Outcome, str]:
    page = Page(NOTEBOOK, labelled(parameters), results.provenance if results else {}, failure)
    section = section_of(notebook, failure.cell) if failure else ""
    outcome = Outcome(NOTEBOOK, title_of(notebook, NOTEBOOK), results, failure, section)
    return outcome, to_html(notebook, page)


def _notebook() -> dict[str, Any]:
    """Return the notebook to fill, its prose in the language spoken."""
    cells = [dict(cell) for cell in _read()["cells"]]
    for cell in cells:
        if cell["cell_type"] == "markdown":
            cell["source"] = markdown(cell["source"])
    return {**_read(), "cells": cells}


@cache
def _read() -> dict[str, Any]:
    file = resource("notebooks") / f"{NOTEBOOK}.ipynb"
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    for cell in read["cells"]:
        cell["source"] = "".join(cell["source"])
    return read


@cache
def parts() -> dict[str, Callable[[Dossier, int], Any]]:
    """Return what shows each of the notebook's cells of a dossier, tables cut at a number of rows, by its id.

    They are compiled at the first call: `mssante_audit.dossiers.workers.produce` makes it, before any fork.
    """
    codes = {c["id"]: c["source"] for c in _read()["cells"] if c["cell_type"] == "code" and not c["metadata"]}
    scope: dict[str, Any] = {"lang": current_language()}  # its imports set the one that is spoken: it stays
    exec(codes[IMPORTS], scope)  # noqa: S102 - our own notebook
    return {ident: _part(ident, code, scope) for ident, code in codes.items() if ident != RECORD}


def _part(ident: str, code: str, scope: Mapping[str, Any]) -> Callable[[Dossier, int], Any]:
    *steps, last = ast.parse(code).body
    assert isinstance(last, ast.Expr)  # noqa: S101 - tests hold every cell to showing something
    # Those of these two are done already: nothing is imported or loaded for each dossier.
    run = compile(ast.Module([] if ident in (IMPORTS, OPENING) else steps, []), ident, "exec")
    show = compile(ast.Expression(last.value), ident, "eval")

    def part(told: Dossier, limit: int) -> Any:
        own = {**scope, "dossier": told, "row_limit": limit, "lang": current_language()}
        exec(run, own)  # noqa: S102
        return eval(show, own)  # noqa: S307

    return part


def _shown(value: Any) -> Any:
    html = value.html() if isinstance(value, Chart) else value._repr_html_()
    return {"output_type": "execute_result", "data": {"text/html": html}, "metadata": {}}
