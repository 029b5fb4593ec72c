"""What the report on declarations says: its first screen, the chart of the statuses, the table of domains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from mssante_audit.audits import audit
from mssante_audit.audits.reconciliation.rules import status
from mssante_audit.base.errors import InputError
from mssante_audit.base.french import SEVERITY_NAMES, count, day, number, percent, severity_name, typeset
from mssante_audit.declarations.register import Register
from mssante_audit.findings.frame import concat
from mssante_audit.report.charts import Chart, bars
from mssante_audit.report.findings import severity_bars
from mssante_audit.report.names import MATCHES
from mssante_audit.report.names import STATUSES as STATUSES
from mssante_audit.report.plots import shares
from mssante_audit.report.tables import Cell, Figure, Html, csv_link, data, key_figures, table
from mssante_audit.space.trust import TrustSpace

_STYLES = {
    "withdrawn-listed": "critical",
    "not-listed": "error",
    "differs": "warning",
    "not-declared": "warning",
    "as-declared": "strong",
    "pending": "light",
    "withdrawn": "grey",
    "later": "grey",
    "unknown": "grey",
}


def declared_status(space: TrustSpace, operator_id: str | None = None) -> pd.DataFrame:
    """Return the status frame of the reconciliation, of one operator if one is given.

    Raises
    ------
    InputError
        If the space has no register.
    """
    _register(space)
    frame = status(space)
    return frame if operator_id is None else frame[frame["operator_id"] == operator_id].reset_index(drop=True)


def _register(space: TrustSpace) -> Register:
    """Return the space's register.

    Raises
    ------
    InputError
        If it has none: a report that found nothing would say that all is well.
    """
    if space.declarations is None:
        raise InputError(
            "the data folder holds no register of declarations",
            remedy="Put declarations.csv, .xlsx or .json into it",
        )
    return space.declarations


def declared_findings(space: TrustSpace) -> pd.DataFrame:
    """Return the findings of both audits that look at the register."""
    return concat([audit("declarations", space), audit("reconciliation", space)])


def declarations_answer(space: TrustSpace, statuses: pd.DataFrame, findings: pd.DataFrame) -> Html:
    """Return the first screen: the answer in one sentence, key figures, findings by severity.

    Parameters
    ----------
    space
        The trust space.
    statuses
        What `declared_status` returns.
    findings
        What `declared_findings` returns, or a part of it.
    """
    register = _register(space)
    counts = statuses["status"].value_counts()
    listed = int(statuses["rows"].map(bool).sum())
    declared = int((statuses["evidence"] != "").sum())
    late = int(counts["withdrawn-listed"])
    lead = (
        f"<strong>{count(late, 'domaine retiré reste', 'domaines retirés restent')} dans la liste</strong>"
        if late
        else "Aucun domaine retiré ne reste dans la liste"
    )
    lead += (
        f" ; {count(int(counts['not-listed']), 'domaine déclaré')} n'y "
        f"{'sont' if counts['not-listed'] > 1 else 'est'} pas, "
        f"{count(int(counts['not-declared']), 'domaine listé', 'domaines listés')} sans déclaration."
    )
    figures = [
        Figure("Déclarations", number(len(register.declarations)), count(declared, "domaine")),
        Figure(
            "Comme déclaré",
            number(counts["as-declared"]),
            f"{percent(int(counts['as-declared']), listed)} des listés",
        ),
        Figure("Avec des écarts", number(counts["differs"])),
        Figure("Retirés, listés", number(late)),
        Figure("Absents", number(counts["not-listed"])),
    ]
    listed_in = Path(space.whitelist.source).name
    scope = (
        f"Registre {data(register.source)} rapproché de {data(listed_in)}, sur la dernière déclaration de "
        f"chaque domaine au {day(space.as_of)}."
    )
    return Html(
        f'<div class="answer"><p class="lead">{typeset(lead)}</p>{key_figures(figures).text}'
        f'{severity_bars(findings).text}<p class="scope">{typeset(scope)}</p></div>'
    )


def declaration_statuses(statuses: pd.DataFrame) -> Chart:
    """Draw how many domains have each status, worst first.

    Parameters
    ----------
    statuses
        What `declared_status` returns.
    """
    counts, whole = statuses["status"].value_counts(), len(statuses)
    shown = [name for name in _STYLES if counts[name]]
    drawn = pd.Series([int(counts[name]) for name in shown], index=[STATUSES[n] for n in shown], dtype=int)
    styles = [_STYLES[name] for name in shown]
    fine = int(counts["as-declared"])
    caption = (
        f"{count(fine, 'domaine')} sur {number(whole)} ({percent(fine, whole)}) "
        f"{'sont listés' if fine > 1 else 'est listé'} comme déclaré."
        if whole
        else "Aucun domaine à rapprocher."
    )
    return bars(
        drawn,
        title="Domaines par statut",
        caption=typeset(caption),
        texts=shares(drawn, whole),
        styles=styles,
        legend={s: severity_name(s) for s in SEVERITY_NAMES if s in styles},
    )


def status_table(statuses: pd.DataFrame, *, limit: int) -> Html:
    """Return the domains with their status as a table, worst first, and all of them as CSV.

    Domains that are listed as declared, or withdrawn and absent, are only in the CSV.

    Parameters
    ----------
    statuses
        What `declared_status` returns.
    limit
        Rows shown at most.
    """
    if statuses.empty:
        return Html('<p class="none">Aucun domaine.</p>')
    shown = statuses[~statuses["status"].isin(["as-declared", "withdrawn"])].head(limit)
    names = {name: at for at, name in enumerate(STATUSES)}
    rows = [_cells(record, names) for record in shown.to_dict("records")]
    columns = ("Domaine", "Statut", "Opérateur", "Déclaré le", "Jours", "Écarts", "Registre")
    caption = "Domaines dont le statut demande un regard"
    return Html(table("statuses", caption, columns, rows, csv_link(statuses, shown, "statuses")))


def _cells(record: dict[Any, Any], names: dict[str, int]) -> tuple[Cell, ...]:
    dated = not pd.isna(record["date"])
    days = "" if pd.isna(record["days"]) else int(record["days"])
    labels = {
        "operator_match": "opérateur",
        "dn": "DN",
        "project_contact": "contact projet",
        "technical_contact": "contact support",
        "description": "description",
    }
    gaps = [
        f"{label} ({MATCHES[record[column]]})"
        for column, label in labels.items()
        if record[column] in ("differs", "spelling")
    ]
    return (
        Cell(data(record["domain"])),
        Cell(STATUSES[record["status"]], names[record["status"]]),
        Cell(f"{data(record['operator'])}<br><small>{data(record['operator_id'])}</small>"),
        Cell(f"{record['date']:%d/%m/%Y}" if dated else "", f"{record['date']:%Y-%m-%d}" if dated else ""),
        Cell(str(days), days),
        Cell(", ".join(gaps)),
        Cell(data(record["evidence"])),
    )
