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
from mssante_audit.verdicts.domains import domains

CONTACTS = {"support": "support_contact", "project": "project_contact"}
_FINDING = ("rule", "severity", "confidence", "observed", "expected", "first_seen", "rows")


def record_of(space: TrustSpace, domain: str, language: str = "") -> dict[str, Any]:
    """Return what is known of one domain, listed or not, as `records_of` does."""
    return next(records_of(space, [domain], language))


def records_of(space: TrustSpace, names: Iterable[str], language: str = "") -> Iterator[dict[str, Any]]:
    """Yield what is known of domains as JSON types, contacts as the space shows them.

    Of one that is not listed, or is a test entry, the answers are ``unknown`` and the checks none. Of a
    finding's rows, which may be thousands, only those of the domain are told.
    """
    entries, made = space.entries, space.whitelist.generated_at
    listed = {"generated_at": made and made.isoformat(), "doubts": list(space.list_doubts)}
    rows_of = entries.groupby("domain", sort=False).indices
    verdicts = {row["domain"]: row for row in domains(space, language=language).to_dict("records")}
    found = audit_all(space)
    findings, touching = records(found[list(_FINDING)]), _touching(space, found)
    contacts = {kind: entries[column].to_numpy() for kind, column in CONTACTS.items()}
    for domain in names:
        rows = rows_of.get(domain, ())
        verdict: dict[Any, Any] = verdicts.get(domain, {"receives": "unknown", "order": "unknown"})
        operator = None
        if domain in verdicts:
            operator = {"id": verdict["operator_id"], "name": space.shown(verdict["operator"])}
            operator |= {part: verdict[part] for part in ("department", "region")}
        yield {
            "domain": space.shown(domain),
            "listed": len(rows) > 0,
            "arrives": verdict["receives"],
            "order": verdict["order"],
            "checks": {check: verdict[check] for check in CHECKS if check in verdict},
            "why": {check: list(codes) for check, codes in verdict.get("why", {}).items()},
            "reasons": verdict.get("reasons", ""),
            "findings": [findings[at] | {"rows": own} for at, own in touching.get(domain, {}).items()],
            "operator": operator,
            "contacts": {
                kind: [*space.shown_contacts(texts[[*rows]]).values()] for kind, texts in contacts.items()
            },
            "near": [],
            "list": listed,
        }


def _touching(space: TrustSpace, findings: pd.DataFrame) -> dict[str, dict[int, list[int]]]:
    """Return by domain the positions of the findings that name it or touch a row of it, with these rows."""
    whose = dict(zip(space.entries["row"].tolist(), space.entries["domain"].tolist(), strict=True))
    touching: defaultdict[str, dict[int, list[int]]] = defaultdict(dict)
    for position, (name, rows) in enumerate(zip(findings["domain"], findings["rows"], strict=True)):
        touching[name].setdefault(position, [])
        for row in rows:
            if row in whose:
                touching[whose[row]].setdefault(position, []).append(row)
    return touching
