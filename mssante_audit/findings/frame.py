"""Findings: what an audit says, one row a cause.

Columns of a findings frame, all defined even when it is empty:

==============  ==================  ==============================================================
column          dtype               meaning
==============  ==================  ==============================================================
``rule``        str                 code in the catalogue
``severity``    ordered category    ``info`` < ``warning`` < ``error`` < ``critical``
``domain``      str                 the domain concerned; when several, the first in list order
``domains``     int64               how many distinct domains the cause touches
``operator_id`` str                 operator of most of the rows (ties: the first row's), or ""
``operator``    str                 that operator's name, or ""
``observed``    str                 what the file (or the network) says
``expected``    str                 what would be right, "" where there is no single answer
``evidence``    str                 the rows, compactly: ``"3-5, 9"``, or the observation
``first_seen``  str                 time of the first archived list that shows it (ISO 8601), "" if none tells
``rows``        object (tuple)      the rows themselves, 1-based positions in the white list
==============  ==================  ==============================================================

Sorted by severity (worst first), then by domains touched (most first), rule, and first row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from mssante_audit.findings.catalogue import SEVERITIES, rule
from mssante_audit.values.contacts import mask

COLUMNS = (
    "rule",
    "severity",
    "domain",
    "domains",
    "operator_id",
    "operator",
    "observed",
    "expected",
    "evidence",
    "first_seen",
    "rows",
)

Severity = pd.CategoricalDtype(list(SEVERITIES), ordered=True)


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause, as an audit states it; `findings_frame` adds what follows from the rows."""

    rule: str
    rows: tuple[int, ...] = ()
    observed: str = ""
    expected: str = ""
    evidence: str = ""
    """Only for evidence that is not rows of the white list: a register's rows, an observation."""
    domains: tuple[str, ...] = ()
    """Domains concerned beyond those of the rows."""
    operator_id: str = ""
    """Only where the rows do not tell the operator."""
    operator: str = ""
    first_seen: datetime | None = None
    """Only where the audit knows it from earlier lists; what the rows' texts tell, `audits.audit` adds."""


def row_ranges(rows: Iterable[int]) -> str:
    """Write row numbers compactly.

    >>> row_ranges([3, 4, 5, 9])
    '3-5, 9'
    """
    spans: list[list[int]] = []
    for row in sorted(set(rows)):
        if spans and row == spans[-1][1] + 1:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def findings_frame(found: Iterable[Finding], entries: pd.DataFrame) -> pd.DataFrame:
    """Turn what an audit found into a findings frame.

    Parameters
    ----------
    found
        The findings, in any order.
    entries
        The white list's rows (columns `row`, `domain`, `operator_id`, `operator` are used).

    Returns
    -------
    DataFrame
        One row a finding, columns as in this module's docstring.
    """
    domain, operator_id, operator = (
        dict(zip(entries["row"].tolist(), entries[column].tolist(), strict=True))
        for column in ("domain", "operator_id", "operator")
    )
    records = []
    for finding in found:
        rows = tuple(sorted(set(finding.rows)))
        domains = dict.fromkeys([*(domain[row] for row in rows), *finding.domains])
        counts = Counter(operator_id[row] for row in rows)
        owner = finding.operator_id or max(counts, key=lambda o: counts[o], default="")
        name = finding.operator or next((operator[row] for row in rows if operator_id[row] == owner), "")
        records.append(
            (
                finding.rule,
                rule(finding.rule).severity,
                next(iter(domains), ""),
                len(domains),
                owner,
                name,
                finding.observed,
                finding.expected,
                finding.evidence or row_ranges(rows),
                finding.first_seen.isoformat() if finding.first_seen else "",
                rows,
            )
        )
    rank = {severity: -i for i, severity in enumerate(SEVERITIES)}
    records.sort(key=lambda r: (rank[r[1]], -r[3], r[0], r[-1][:1], r[6]))
    return typed(pd.DataFrame(records, columns=list(COLUMNS)))


def typed(findings: pd.DataFrame) -> pd.DataFrame:
    """Return `findings` with the dtypes of this module's docstring, also when it has no row."""
    text = [c for c in COLUMNS if c not in ("severity", "domains", "rows")]
    return findings.astype(
        {**dict.fromkeys(text, "str"), "severity": Severity, "domains": "int64", "rows": "object"}
    )


def concat(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Put findings frames together, worst first, keeping the dtypes."""
    whole = pd.concat([typed(pd.DataFrame(columns=list(COLUMNS))), *frames], ignore_index=True)
    order = typed(whole).assign(_first=[r[0] if r else 0 for r in whole["rows"]])
    order = order.sort_values(
        ["severity", "domains", "rule", "_first"], ascending=[False, False, True, True], kind="stable"
    )
    return order.drop(columns="_first").reset_index(drop=True)


def masked(findings: pd.DataFrame) -> pd.DataFrame:
    """Return `findings` with contacts masked in the texts of the rules that may name them."""
    personal = {code for code in findings["rule"].unique() if rule(code).personal}
    where = findings["rule"].isin(personal)
    shown = findings.copy()
    for column in ("observed", "expected"):
        shown.loc[where, column] = shown.loc[where, column].map(mask)
    return typed(shown)
