"""The domains of a list, one row each: who runs it, what touches it, how it is reached.

==================  ======  ======================================================================
column              dtype   meaning
==================  ======  ======================================================================
``domain``          str     as the list writes it, in list order; test entries are left out
``operator_id``     str     operator of most of its rows, or ""
``operator``        str     that operator's name, or ""
``department``      str     code of the département of that operator's certificates, or ""
``region``          str     its region, or "": the operator's, not that of the establishment served
``rows``            int64   rows of the list
``certificates``    int64   distinct certificate names on it
``mailboxes``       Int64   mailboxes published in it; <NA> where that is unknown. Few or none is no proof
                            that it is not used: those on the red list are not published
``critical``        int64   findings of that severity that touch it
``error``           int64   findings of that severity that touch it
``warning``         int64   findings of that severity that touch it
``info``            int64   findings of that severity that touch it
``severity``        str     the worst of them, "" if none does
``method``          str     DNS method in use (`mssante_audit.observe.methods`), ``unknown`` if not observed
==================  ======  ======================================================================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pandas as pd

from mssante_audit.audits import audit_all
from mssante_audit.findings.catalogue import SEVERITIES
from mssante_audit.observe.methods import methods
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.identifiers import region_of

COLUMNS = ("domain", "operator_id", "operator", "department", "region", "rows", "certificates", "mailboxes")


def domains(space: TrustSpace, findings: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return a row a domain of a space, with the frame's columns as this module's docstring describes them.

    Parameters
    ----------
    space
        The trust space.
    findings
        Those to count; of all audits if not given.
    """
    names = space.audited["domain"].unique().tolist()
    seen = {}
    if space.observation is not None:
        told = methods(space.observation, names)
        seen = dict(zip(told["domain"], told["method"], strict=True))
    return domains_of(
        space.audited, audit_all(space) if findings is None else findings, seen, space.published
    )


def domains_of(
    entries: pd.DataFrame,
    findings: pd.DataFrame,
    seen: Mapping[str, str] | None = None,
    published: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Return the frame that this module's docstring describes.

    Parameters
    ----------
    entries
        Rows of a list without test entries: `TrustSpace.audited`.
    findings
        Those of all audits (`mssante_audit.audits.audit_all`); they count for the domains of their rows, and
        for the one they name where they have no row.
    seen
        The method in use by domain, where the DNS was observed.
    published
        Mailboxes by domain (`TrustSpace.published`), where they are known.
    """
    grouped = entries.groupby("domain", sort=False)
    frame = pd.DataFrame(
        {
            "rows": grouped.size(),
            "certificates": grouped["dn_key"].nunique(),
            **{name: grouped[name].agg(_most) for name in ("operator_id", "operator", "department")},
        }
    ).rename_axis("domain")
    frame["region"] = frame["department"].map(region_of)
    frame["mailboxes"] = [None if published is None else published.get(domain, 0) for domain in frame.index]
    domain_of = dict(zip(entries["row"].tolist(), entries["domain"].tolist(), strict=True))
    counts: Counter[tuple[str, str]] = Counter()
    told = (findings[column] for column in ("severity", "rows", "domain"))
    for severity, rows, named in zip(*told, strict=True):
        touched = {domain_of[row] for row in rows if row in domain_of} or {named}
        counts.update((domain, str(severity)) for domain in touched)
    frame = frame.reset_index()[list(COLUMNS)]
    worst_first = list(reversed(SEVERITIES))
    for severity in worst_first:
        frame[severity] = [counts[domain, severity] for domain in frame["domain"]]
    frame["severity"] = [
        next((severity for severity in worst_first if counts[domain, severity]), "")
        for domain in frame["domain"]
    ]
    frame["method"] = [(seen or {}).get(domain, "unknown") for domain in frame["domain"]]
    numbers = dict.fromkeys(("rows", "certificates", *SEVERITIES), "int64") | {"mailboxes": "Int64"}
    return frame.astype({name: numbers.get(name, "str") for name in frame.columns})


def _most(values: pd.Series[str]) -> str:
    """Return the value that most rows have, the first of those that tie."""
    counts = Counter(values.tolist())
    return max(counts, key=lambda value: counts[value], default="")
