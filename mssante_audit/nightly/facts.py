"""What the mail of a night is made of: causes of the findings by what became of them, in names and numbers.

No contact is among these facts, whatever the settings show elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from mssante_audit.findings.catalogue import FAILED, SEVERITIES
from mssante_audit.findings.causes import Doubts, actionable, asking, causes
from mssante_audit.findings.facts import hidden
from mssante_audit.findings.ledger import FollowUp
from mssante_audit.findings.registry import catalogue, rule
from mssante_audit.findings.trend import severity_counts
from mssante_audit.findings.words import sentence
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.person import masked_message
from mssante_audit.verdicts.domains import domains
from mssante_audit.verdicts.doubts import doubts

TOLD = 10
"""Causes that are named of each kind; all findings are in the run's files."""


def facts_of(
    space: TrustSpace, findings: pd.DataFrame, waived: pd.DataFrame, told: FollowUp, lang: str
) -> dict[str, Any]:
    """Return what a night's mail says of its findings (`mssante_audit.audits.audit_all`).

    Titles are in `lang`. Beside them stand those set apart (`mssante_audit.audits.waived`); `told` are
    these findings against those of the run before.
    """
    dated = findings.assign(status=list(told.status), since=list(told.first_seen))
    asks, unsure = actionable(dated), doubts(space, findings, domains(space))
    new, critical = asks[asks["status"] == "new"], asks[asks["severity"] == "critical"]
    fixed = [one for one in told.fixed if _asked(one)]
    lost = [one for one in told.unknown if _asked(one)]
    failed = findings.loc[findings["rule"] == FAILED, "facts"]
    list_of = space.whitelist
    status = dated["status"].replace("", "open")  # of a first run
    states = {state: severity_counts(dated[status == state]) for state in ("new", "open", "unknown")}
    states |= {"waived": severity_counts(waived), "fixed": _counted(one for one in told.fixed if _known(one))}
    gone = _counted(one for one in told.unknown if _known(one))
    states["unknown"] = {severity: n + gone[severity] for severity, n in states["unknown"].items()}
    return {
        "by_state": {s: {state: n[s] for state, n in states.items()} for s in reversed(SEVERITIES)},
        "new_by_severity": severity_counts(new),
        "fixed_by_severity": _counted(fixed),
        "failed_rules": [sentence(rule(FAILED), "observed", why, "en") for why in failed],
        "previous": told.previous,
        "shown": {
            "new": len(new),
            "open": int((asks["status"] == "open").sum()),
            "fixed": len(fixed),
            "unknown": int((asks["status"] == "unknown").sum()) + len(lost),
            "asking": len(asks),
            "left_out": len(findings) - len(asks),
        },
        "critical": _causes(space, critical, unsure, lang),
        "new": _causes(space, new, unsure, lang),
        "fixed": _groups(fixed, lang),
        "lost": _groups([one for one in lost if rule(one["rule"]).severity == "critical"], lang),
        "first": _first(space, asks, unsure, lang),
        "list": {
            "generated_at": list_of.generated_at and list_of.generated_at.isoformat(),
            "rows": len(space.entries),
            "signature": list_of.signature.status,
        },
    }


def _known(one: Mapping[str, str]) -> bool:
    return one["rule"] in catalogue()


def _asked(one: Mapping[str, str]) -> bool:
    return _known(one) and asking(one["rule"])


def _counted(gone: Iterable[Mapping[str, str]]) -> dict[str, int]:
    counts: Counter[str] = Counter(rule(one["rule"]).severity for one in gone)
    return {severity: counts[severity] for severity in reversed(SEVERITIES)}


def _causes(space: TrustSpace, findings: pd.DataFrame, unsure: Doubts, lang: str) -> dict[str, Any]:
    """Return the causes of findings: how many, and the first of them by name."""
    since = dict(zip(findings["fingerprint"], findings["since"], strict=True))
    merged = causes(findings, space.audited, space.published, unsure)
    named = [
        {
            "severity": cause["severity"],
            "rule": cause["rules"][0],
            "title": _title(cause["rules"][0], lang),
            "operator": masked_message(cause["operator"]),
            "domain": masked_message(cause["domain"]),
            "domains": cause["domains"],
            "mailboxes": None if pd.isna(cause["mailboxes"]) else int(cause["mailboxes"]),
            "since": min(since[key] for key in cause["fingerprints"]),
            "unknown": bool(cause["doubts"]),
        }
        for cause in merged.head(TOLD).astype({"severity": "str"}).to_dict("records")
    ]
    return {"count": len(merged), "named": named}


def _groups(gone: Sequence[Mapping[str, str]], lang: str) -> dict[str, Any]:
    """Return findings that are there no more as causes: those of one rule and one operator are one."""
    groups: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for one in sorted(gone, key=lambda one: -SEVERITIES.index(rule(one["rule"]).severity)):
        groups.setdefault((one["rule"], one["operator"]), []).append(one)
    named = [
        {
            "severity": rule(code).severity,
            "rule": code,
            "title": _title(code, lang),
            "operator": masked_message(operator),
            "domain": masked_message(own[0]["domain"]),
            "domains": len({one["domain"] for one in own}),
            "mailboxes": None,
            "since": min(one["first_seen"] for one in own),
            "unknown": False,
        }
        for (code, operator), own in list(groups.items())[:TOLD]
    ]
    return {"count": len(groups), "named": named}


def _first(space: TrustSpace, asks: pd.DataFrame, unsure: Doubts, lang: str) -> str:
    """Return what to do first about the findings that are known to hold, "" if none is."""
    merged = causes(asks, space.audited, space.published, unsure)
    if merged.empty or merged.iloc[0]["doubts"]:
        return ""
    key = merged.iloc[0]["fingerprints"][0]
    found = asks.loc[asks["fingerprint"] == key].iloc[0]
    return masked_message(sentence(rule(found["rule"]), "remedy", hidden([found["facts"]])[0], lang))


def _title(code: str, lang: str) -> str:
    return str(getattr(rule(code), f"title_{lang}"))
