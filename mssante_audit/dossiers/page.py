"""The page that lists the dossiers of a run, in the look of the other index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mssante_audit.base import french
from mssante_audit.report.page import VERDICTS, policy_of, template
from mssante_audit.report.tables import script, source_of, style

if TYPE_CHECKING:
    from mssante_audit.dossiers.write import Dossier


def dossiers_html(dossiers: Sequence[Dossier], provenance: Mapping[str, Any]) -> str:
    """Return the page.

    Parameters
    ----------
    dossiers
        In the order to show them in.
    provenance
        As `mssante_audit.report.results.provenance` returns it.
    """
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
