"""What the overview says of audits that no report was written for: those of packages, those registered."""

from __future__ import annotations

import pandas as pd

from mssante_audit.base.language import format_text, translated
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.registry import rule, theirs
from mssante_audit.report.findings import findings_table, lacks
from mssante_audit.report.tables import Html, prose
from mssante_audit.space.trust import TrustSpace


def other_audits(space: TrustSpace, findings: pd.DataFrame, *, limit: int) -> Html:
    """Return a section for each of them, headed by its title; last, what of ours could not be evaluated.

    Where there is none of them, nothing is shown; the findings given are those of all audits.
    """
    others, failed = theirs(), rule(FAILED)
    told = [
        (audit.titled(), audit.rules, findings[findings["audit"] == name]) for name, audit in others.items()
    ]
    ours = findings[(findings["rule"] == FAILED) & ~findings["audit"].isin(others)]
    told += [] if ours.empty else [(failed.family, (), ours)]
    parts = []
    for title, rules, own in told:
        raised = (failed,) if (own["rule"] == FAILED).any() else ()
        looked = {told.code: told for told in (*rules, *raised)}
        body = findings_table(
            own,
            looked,
            lacking=lacks(space, looked),
            caption=format_text("Constats : {what}", what=translated(title)),
            limit=limit,
        )
        parts.append(f"<h2>{prose(title)}</h2>{body.text}")
    return Html("".join(parts))
