"""The page of one dossier, put together without running its notebook; and the page that lists all of a run.

The notebook ``operator`` is where the words between the parts stand, and says in which order they come; each
of its cells that shows something is a function of `PARTS` here, under the cell's own id.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from traceback import format_exception
from typing import TYPE_CHECKING, Any

from nbformat import NotebookNode, from_dict

from mssante_audit.base import french
from mssante_audit.base.resources import resource
from mssante_audit.dossiers import narrative, plots
from mssante_audit.dossiers.facts import Dossier, dossier, record
from mssante_audit.report.conversion import Outcome, labelled
from mssante_audit.report.failure import Failure, failure_of
from mssante_audit.report.page import VERDICTS, Page, policy_of, section_of, template, title_of, to_html
from mssante_audit.report.results import Results
from mssante_audit.report.tables import Html, enable, script, source_of, style
from mssante_audit.space.trust import TrustSpace

if TYPE_CHECKING:
    from mssante_audit.dossiers.write import Dossier as Written

NOTEBOOK = "operator"

PARTS: dict[str, Callable[[Dossier, int], Any]] = {
    "setup": lambda told, limit: enable(),
    "answer": lambda told, limit: narrative.dossier_answer(told),
    "correct-table": lambda told, limit: narrative.what_to_correct(told, limit=limit),
    "peers-chart": lambda told, limit: plots.findings_against_peers(told),
    "identity-facts": lambda told, limit: narrative.identity(told),
    "certificates-chart": lambda told, limit: plots.domains_by_certificate(told),
    "certificates-table": lambda told, limit: narrative.certificates_table(told, limit=limit),
    "dns-sentence": lambda told, limit: narrative.dns_sentence(told),
    "domains-table": lambda told, limit: narrative.domains_table(told, limit=limit),
    "contacts-table": lambda told, limit: narrative.contacts_table(told),
    "changes-chart": lambda told, limit: plots.domains_over_time(told),
    "changes-table": lambda told, limit: narrative.changes_table(told, limit=limit),
}
"""What each cell of the notebook shows of a dossier, tables cut at a number of rows."""


def dossier_page(
    space: TrustSpace, operator_id: str, parameters: Mapping[str, Any], *, debug: bool = False
) -> tuple[Outcome, str, Dossier | None]:
    """Return what became of an operator's dossier, its page, the notebook's report's very own, and its facts.

    Whatever fails in it, there is a page: up to the part that failed, and saying so.

    Parameters
    ----------
    parameters
        All of the notebook's, as the page tells them (`mssante_audit.report.jobs.tellable`).
    debug
        Show the traceback, which may hold unmasked values.
    """
    notebook, at = _notebook(), -1
    told: Dossier | None = None
    results: Results | None = None
    failure: Failure | None = None
    try:
        told = dossier(space, operator_id)
        results = record(told)
        for cell in notebook.cells:
            at += 1
            if part := PARTS.get(cell["id"]):
                cell.outputs = [_shown(part(told, parameters["row_limit"]))]
    except Exception as error:  # the other operators' dossiers are made all the same
        trace = "".join(format_exception(error)) if debug else ""
        failure = failure_of(type(error).__name__, str(error), at, trace)
    return _page(notebook, told, results, parameters, failure)


def failed_page(error: Exception, parameters: Mapping[str, Any]) -> tuple[Outcome, str]:
    """Return the page of a dossier that whoever was to make it did not even begin."""
    outcome, html, _ = _page(
        _notebook(), None, None, parameters, failure_of(type(error).__name__, str(error), -1)
    )
    return outcome, html


def _page(
    notebook: NotebookNode,
    told: Dossier | None,
    results: Results | None,
    parameters: Mapping[str, Any],
    failure: Failure | None,
) -> tuple[Outcome, str, Dossier | None]:
    page = Page(NOTEBOOK, labelled(parameters), results.provenance if results else {}, failure)
    section = section_of(notebook, failure.cell) if failure else ""
    outcome = Outcome(NOTEBOOK, title_of(notebook, NOTEBOOK), results, failure, section)
    return outcome, to_html(notebook, page), told


def _notebook() -> NotebookNode:
    """Return the notebook as it is before it is run."""
    read: NotebookNode = from_dict(_read())
    return read


@cache
def _read() -> dict[str, Any]:
    path = resource("notebooks") / f"{NOTEBOOK}.ipynb"
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for cell in read["cells"]:
        cell["source"] = "".join(cell["source"])
    return read


def _shown(value: Any) -> Any:
    html = value.text if isinstance(value, Html) else value.html()
    return from_dict({"output_type": "execute_result", "data": {"text/html": html}, "metadata": {}})


def dossiers_html(dossiers: Sequence[Written], provenance: Mapping[str, Any]) -> str:
    """Return the page that lists dossiers, in the order given and the look of the other index."""
    return template("dossiers.html.j2").render(
        dossiers=dossiers,
        failed=sum(dossier.status == "failed" for dossier in dossiers),
        provenance=provenance,
        verdicts=VERDICTS,
        policy=policy_of(source_of(script())),
        script=script(),
        style=style(),
        severities=french.SEVERITY_NAMES,
    )
