"""What is new, open, fixed and unknown since the report before, for readers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from mssante_audit.base.instants import parse_instant
from mssante_audit.base.language import day, format_text, gettext
from mssante_audit.base.markup import data
from mssante_audit.findings.ledger import FollowUp
from mssante_audit.findings.registry import catalogue
from mssante_audit.report.findings import NO_LINKS, rule_cell
from mssante_audit.report.html import Html, macro
from mssante_audit.report.tables import Cell, rows_table, severity_cell

STATUS = {"new": "nouveau", "open": "ouvert", "unknown": "inconnu"}
"""Of a finding (`mssante_audit.findings.ledger.FollowUp`)."""
COLUMNS = ("État", "Gravité", "Constat", "Domaine", "Opérateur", "Constaté depuis")


def follow_up_html(followed: FollowUp, findings: pd.DataFrame) -> Html:
    """Return what a report says of the run before: new, open, fixed, unknown; nothing without one."""
    if not followed.previous:
        return Html()
    rows = [
        _row(gettext(name), finding)
        for name, gone in (("réglé", followed.fixed), ("inconnu", followed.unknown))
        for finding in gone
        if finding["rule"] in catalogue()
    ]
    now = findings[["rule", "domain", "operator"]].assign(first_seen=list(followed.first_seen))
    each = list(zip(followed.status, now.to_dict("records"), strict=True))
    for wanted, name in STATUS.items():
        rows += [_row(gettext(name), finding) for status, finding in each if status == wanted]
    caption = "Constats réglés, nouveaux, encore ouverts et inconnus"
    shown = rows_table("follow-up", caption, COLUMNS, rows) if rows else ""
    return macro("pieces.follow_up", since_previous(followed), shown)


def _row(status: str, finding: Mapping[Any, str]) -> tuple[Cell, ...]:
    return (
        Cell(status),
        severity_cell(catalogue()[finding["rule"]].severity),
        rule_cell(finding["rule"], NO_LINKS),
        Cell(data(finding["domain"])),
        Cell(data(finding["operator"])),
        Cell(day(parse_instant(finding["first_seen"])), finding["first_seen"]),
    )


def since_previous(followed: FollowUp) -> str:
    """Say in one sentence how many findings are new, open, fixed, unknown; "" without a run before."""
    if not followed.previous:
        return ""
    counts = followed.counts()
    names = {
        "new": ("{n:nouveau constat|nouveaux constats}", "aucun nouveau constat"),
        "open": ("{n:constat encore ouvert|constats encore ouverts}", "aucun constat encore ouvert"),
        "fixed": ("{n:constat réglé|constats réglés}", "aucun constat réglé"),
        "unknown": ("{n:constat dont l'état est inconnu|constats dont l'état est inconnu}", ""),
    }
    words = [
        format_text(some, n=counts[what]) if counts[what] else gettext(none)
        for what, (some, none) in names.items()
        if counts[what] or none
    ]
    still = [at for at, status in zip(followed.first_seen, followed.status, strict=True) if status == "open"]
    if still:
        words[1] += format_text(" (le plus ancien depuis le {day})", day=parse_instant(min(still)))
    if not any(counts.values()):
        words = [gettext("toujours aucun constat")]
    since = parse_instant(followed.previous)
    return format_text("Depuis la situation du {day} : {what}.", day=since, what=words)
