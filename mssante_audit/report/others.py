"""What the overview says of audits that no report was written for: those of packages, those registered."""

from __future__ import annotations

import pandas as pd

from mssante_audit.base.language import format_text, translated
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.registry import rule, theirs
from mssante_audit.report.findings import findings_table, lacks
from mssante_audit.report.html import Html, macro
from mssante_audit.space.trust import TrustSpace


def other_audits(space: TrustSpace, findings: pd.DataFrame, *, limit: int) -> Html:
    """Return a section for each of them, headed by its title; last, what of ours could not be evaluated.

    Where there is none of them, nothing is shown; the findings given are those of all audits.
    """
    others, failed = theirs(), rule(FAILED)
    parts = [
        (audit.titled(), audit.rules, findings[findings["audit"] == name]) for name, audit in others.items()
    ]
    ours = findings[(findings["rule"] == FAILED) & ~findings["audit"].isin(others)]
    parts += [] if ours.empty else [(failed.family, (), ours)]
    shown = []
    for title, rules, found in parts:
        raised = (failed,) if (found["rule"] == FAILED).any() else ()
        looked = {told.code: told for told in (*rules, *raised)}
        caption = format_text("Constats : {what}", what=translated(title))
        shown.append(
            (title, findings_table(found, looked, lacking=lacks(space, looked), caption=caption, limit=limit))
        )
    return macro("pieces.others", shown)
