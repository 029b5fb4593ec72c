"""One domain for programs: whether it is listed, the two answers, its checks, findings and contacts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from mssante_audit.audits import audit_all
from mssante_audit.base.export import records
from mssante_audit.findings.catalogue import CHECKS
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.person import Person, masks, unnamed
from mssante_audit.verdicts.domains import domains

CONTACTS = {"support": "support_contact", "project": "project_contact"}
_FINDING = ("rule", "severity", "confidence", "observed", "expected", "first_seen", "rows")


def record_of(space: TrustSpace, domain: str, language: str = "") -> dict[str, Any]:
    """Return what is known of one domain, listed or not, as `records_of` does."""
    return next(records_of(space, [domain], language))


def records_of(space: TrustSpace, names: Iterable[str], language: str = "") -> Iterator[dict[str, Any]]:
    """Yield what is known of domains as JSON types, persons masked unless the space shows contacts.

    Of one that is not listed, or is a test entry, the answers are ``unknown`` and the checks none.
    """
    entries, made = space.entries, space.whitelist.generated_at
    listed = {"generated_at": made and made.isoformat(), "doubts": list(space.list_doubts)}
    rows_of = entries.groupby("domain", sort=False).indices
    verdicts = {row["domain"]: row for row in domains(space, language=language).to_dict("records")}
    findings, touching = records(audit_all(space)[list(_FINDING)]), _touching(space)
    for domain in names:
        rows = entries.iloc[rows_of.get(domain, [])]
        verdict: dict[Any, Any] = verdicts.get(domain, {"receives": "unknown", "order": "unknown"})
        operator = None
        if domain in verdicts:
            name = verdict["operator"] if space.show_contacts else unnamed(verdict["operator"])
            operator = {"id": verdict["operator_id"], "name": name}
            operator |= {part: verdict[part] for part in ("department", "region")}
        yield {
            "domain": domain if space.show_contacts else unnamed(domain),
            "listed": not rows.empty,
            "arrives": verdict["receives"],
            "order": verdict["order"],
            "checks": {check: verdict[check] for check in CHECKS if check in verdict},
            "why": {check: list(codes) for check, codes in verdict.get("why", {}).items()},
            "reasons": verdict.get("reasons", ""),
            "findings": [findings[position] for position in touching.get(domain, ())],
            "operator": operator,
            "contacts": {kind: shown_contacts(space, rows[column]) for kind, column in CONTACTS.items()},
            "near": [],
            "list": listed,
        }


def _touching(space: TrustSpace) -> dict[str, list[int]]:
    """Return by domain the positions of the findings that name it or touch a row of it."""
    findings = audit_all(space)
    whose = dict(zip(space.entries["row"].tolist(), space.entries["domain"].tolist(), strict=True))
    touching: defaultdict[str, list[int]] = defaultdict(list)
    for position, (name, rows) in enumerate(zip(findings["domain"], findings["rows"], strict=True)):
        for domain in dict.fromkeys([name, *(whose[row] for row in rows if row in whose)]):
            touching[domain].append(position)
    return touching


def shown_contacts(space: TrustSpace, contacts: pd.Series) -> list[str]:
    """Return distinct contacts as they may be shown."""
    distinct = contacts.unique().tolist()
    return distinct if space.show_contacts else list(masks(map(Person, distinct)).values())
