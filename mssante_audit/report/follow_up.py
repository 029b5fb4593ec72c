"""What is new, open, fixed and unknown since the report before, for readers."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import day, format_text, gettext, listing, localized
from mssante_audit.findings.ledger import FollowUp
from mssante_audit.findings.registry import catalogue
from mssante_audit.report.tables import Cell, badge, data, prose, table

STATUS = {"new": "nouveau", "open": "ouvert", "unknown": "inconnu"}
"""Of a finding (`mssante_audit.findings.ledger.FollowUp`)."""


def follow_up_html(told: FollowUp, findings: pd.DataFrame) -> str:
    """Return what a report says of the run before: new, open, fixed, unknown; "" without one."""
    if not told.previous:
        return ""
    rows = [
        _row(gettext(name), f)
        for name, gone in (("réglé", told.fixed), ("inconnu", told.unknown))
        for f in gone
        if f["rule"] in catalogue()
    ]
    now = findings[["rule", "domain", "operator"]].assign(first_seen=list(told.first_seen))
    each = list(zip(told.status, now.to_dict("records"), strict=True))
    for wanted, name in STATUS.items():
        rows += [_row(gettext(name), f) for status, f in each if status == wanted]
    columns = ("État", "Gravité", "Constat", "Domaine", "Opérateur", "Constaté depuis")
    caption = "Constats réglés, nouveaux, encore ouverts et inconnus"
    shown = table("follow-up", caption, columns, rows) if rows else ""
    lead = escape(since_previous(told), quote=False)
    return f"<h2>{gettext('Depuis le rapport précédent')}</h2><p>{lead}</p>{shown}"


def since_previous(told: FollowUp) -> str:
    """Say in one sentence how many findings are new, open, fixed, unknown; "" without a run before."""
    if not told.previous:
        return ""
    counts = told.counts()
    still = [first for first, status in zip(told.first_seen, told.status, strict=True) if status == "open"]
    names = {
        "new": ("{n:nouveau constat|nouveaux constats}", "aucun nouveau constat"),
        "open": ("{n:constat encore ouvert|constats encore ouverts}", "aucun constat encore ouvert"),
        "fixed": ("{n:constat réglé|constats réglés}", "aucun constat réglé"),
    }
    if counts["unknown"]:
        one = "{n:constat dont l'état est inconnu|constats dont l'état est inconnu}"
        names["unknown"] = (one, "")
    words = [
        format_text(some, n=counts[what]) if counts[what] else gettext(none)
        for what, (some, none) in names.items()
    ]
    if still:
        words[1] += format_text(" (le plus ancien depuis le {day})", day=day(parse_instant(min(still))))
    if not any(counts.values()):
        words = [gettext("toujours aucun constat")]
    since = day(parse_instant(told.previous))
    return format_text("Depuis la situation du {day} : {what}.", day=since, what=listing(words))


def _row(status: str, finding: Mapping[Any, str]) -> tuple[Cell, ...]:
    rule, first_seen = catalogue()[finding["rule"]], finding["first_seen"]
    shown_code = f'<br><small class="code">{rule.code.replace("_", "_<wbr>")}</small>'
    return (
        Cell(status),
        Cell(badge(rule.severity)),
        Cell(f"{prose(localized(rule, 'title'))}{shown_code}"),
        Cell(data(finding["domain"])),
        Cell(data(finding["operator"])),
        Cell(day(parse_instant(first_seen)), first_seen),
    )
