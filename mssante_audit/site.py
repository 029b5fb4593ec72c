"""The site of a run: static pages that open from disk, ask for nothing, and can each be sent alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mssante_audit.export import write_bytes
from mssante_audit.ledger import FollowUp
from mssante_audit.page import index_html
from mssante_audit.results import provenance
from mssante_audit.space import TrustSpace
from mssante_audit.trend import Point


def build_site(
    folder: Path,
    space: TrustSpace,
    findings: pd.DataFrame,
    *,
    waived: pd.DataFrame,
    told: FollowUp | None,
    points: Sequence[Point],
    reports: Path | None = None,
    dossiers: Path | None = None,
) -> None:
    """Write the site of a run.

    Parameters
    ----------
    folder
        Fresh and empty; the caller renames it into place.
    space
        What was audited.
    findings
        Of `mssante_audit.audits.audit_all`: masked, unless the space shows contacts.
    waived
        Of `mssante_audit.audits.waived`.
    told
        These findings against those of the run before; its statuses are in the order of `findings`.
    points
        The runs so far, this one the last.
    reports
        Folder that `mssante_audit.report.run_reports` wrote; its pages go into the site (as hard links
        where the file system can, so that they take no room), with their titles and outcomes.
    dossiers
        Folder that `mssante_audit.dossiers.write_dossiers` wrote, likewise.

    Raises
    ------
    OutputError
        If the site cannot be written.
    """
    write_bytes(folder / "index.html", index_html([], provenance(space)).encode())
