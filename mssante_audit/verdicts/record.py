"""One domain for programs: whether it is listed, the two answers, its checks, findings and contacts."""

from __future__ import annotations

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
    """Return what is known of a domain as JSON types, persons masked unless the space shows contacts.

    Of one that is not listed, or is a test entry, the answers are ``unknown`` and the checks none.
    """
    rows = space.entries[space.entries["domain"] == domain]
    frame = domains(space, language=language)
    known = frame[frame["domain"] == domain].to_dict("records")
    verdict: dict[Any, Any] = known[0] if known else {"receives": "unknown", "order": "unknown"}
    operator = None
    if known:
        name = verdict["operator"] if space.show_contacts else unnamed(verdict["operator"])
        operator = {"id": verdict["operator_id"], "name": name}
        operator |= {part: verdict[part] for part in ("department", "region")}
    return {
        "domain": domain if space.show_contacts else unnamed(domain),
        "listed": not rows.empty,
        "arrives": verdict["receives"],
        "order": verdict["order"],
        "checks": {check: verdict[check] for check in CHECKS if check in verdict},
        "why": {check: list(codes) for check, codes in verdict.get("why", {}).items()},
        "reasons": verdict.get("reasons", ""),
        "findings": records(findings_on(space, domain)[list(_FINDING)]),
        "operator": operator,
        "contacts": {kind: shown_contacts(space, rows[column]) for kind, column in CONTACTS.items()},
    }


def findings_on(space: TrustSpace, domain: str) -> pd.DataFrame:
    """Return the findings that name a domain or touch a row of it."""
    entries, findings = space.entries, audit_all(space)
    numbers = set(entries.loc[entries["domain"] == domain, "row"].tolist())
    named = zip(findings["domain"], findings["rows"], strict=True)
    return findings[[name == domain or not numbers.isdisjoint(rows) for name, rows in named]]


def shown_contacts(space: TrustSpace, contacts: pd.Series) -> list[str]:
    """Return distinct contacts as they may be shown."""
    distinct = contacts.unique().tolist()
    return distinct if space.show_contacts else list(masks(map(Person, distinct)).values())
