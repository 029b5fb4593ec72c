"""What is new, open, fixed and unknown since the report before, for readers."""

from __future__ import annotations

from html import escape

import pandas as pd

from mssante_audit.base.french import count, day, listing, typeset
from mssante_audit.base.instants import parse_instant
from mssante_audit.findings.ledger import FollowUp
from mssante_audit.findings.registry import catalogue
from mssante_audit.report.tables import Cell, badge, data, prose, table

STATUS = {"new": "nouveau", "open": "ouvert", "unknown": "inconnu"}
"""Of a finding (`mssante_audit.findings.ledger.FollowUp`), in French."""


def follow_up_html(told: FollowUp, findings: pd.DataFrame) -> str:
    """Return what a report says of the run before: new, open, fixed, unknown; "" without one."""
    if not told.previous:
        return ""
    rows = [
        _row(name, f["rule"], f["domain"], f["operator"], f["first_seen"])
        for name, gone in (("réglé", told.fixed), ("inconnu", told.unknown))
        for f in gone
        if f["rule"] in catalogue()
    ]
    each = list(zip(told.status, told.first_seen, findings.itertuples(), strict=True))
    for wanted, name in STATUS.items():
        rows += [
            _row(name, str(f.rule), str(f.domain), str(f.operator), first)
            for status, first, f in each
            if status == wanted
        ]
    columns = ("État", "Gravité", "Constat", "Domaine", "Opérateur", "Constaté depuis")
    shown = (
        table("follow-up", "Constats réglés, nouveaux, encore ouverts et inconnus", columns, rows)
        if rows
        else ""
    )
    lead = escape(since_previous(told), quote=False)
    return f"<h2>Depuis le rapport précédent</h2><p>{lead}</p>{shown}"


def since_previous(told: FollowUp) -> str:
    """Say in one sentence how many findings are new, open, fixed, unknown; "" without a run before."""
    if not told.previous:
        return ""
    counts = told.counts()
    still = [first for first, status in zip(told.first_seen, told.status, strict=True) if status == "open"]
    oldest = f" (le plus ancien depuis le {day(parse_instant(min(still)))})" if still else ""
    names = {
        "new": ("nouveau constat", "nouveaux constats"),
        "open": ("constat encore ouvert", "constats encore ouverts"),
        "fixed": ("constat réglé", "constats réglés"),
    }
    if counts["unknown"]:
        names["unknown"] = ("constat dont l'état est inconnu", "constats dont l'état est inconnu")
    words = [
        count(counts[what], *called) if counts[what] else f"aucun {called[0]}"
        for what, called in names.items()
    ]
    words[1] += oldest
    if not any(counts.values()):
        words = ["toujours aucun constat"]
    return typeset(f"Depuis la situation du {day(parse_instant(told.previous))} : {listing(words)}.")


def _row(status: str, code: str, domain: str, operator: str, first_seen: str) -> tuple[Cell, ...]:
    rule = catalogue()[code]
    return (
        Cell(status),
        Cell(badge(rule.severity)),
        Cell(f'{prose(rule.title_fr)}<br><small class="code">{code.replace("_", "_<wbr>")}</small>'),
        Cell(data(domain)),
        Cell(data(operator)),
        Cell(day(parse_instant(first_seen)), first_seen),
    )
