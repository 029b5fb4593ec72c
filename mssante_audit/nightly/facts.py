"""What the mail of a night is made of: causes of the findings by what became of them, in names and numbers.

Of contacts only a service's is among these facts, whatever the settings show elsewhere.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import Any

import pandas as pd

from mssante_audit.findings.catalogue import FAILED, SEVERITIES
from mssante_audit.findings.causes import actionable, asking, causes
from mssante_audit.findings.facts import hidden
from mssante_audit.findings.ledger import FollowUp
from mssante_audit.findings.registry import catalogue, rule
from mssante_audit.findings.templates import sentence
from mssante_audit.findings.trend import severity_counts
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.person import mask, unnamed
from mssante_audit.verdicts.domains import answers, domains, doubts
from mssante_audit.whitelist.signature import made_up

NAMED = 10  # causes that are named of each kind; all findings are in the run's files

Vanished = Mapping[str, str]  # a finding of an earlier run, as the ledger remembers it


def facts_of(
    space: TrustSpace, findings: pd.DataFrame, waived: pd.DataFrame, compared: FollowUp, lang: str
) -> dict[str, Any]:
    """Return what a night's mail says, in `lang`, of findings `compared` with those of the run before."""
    every_domain, whitelist, rules = domains(space), space.whitelist, catalogue()
    dated = findings.assign(status=list(compared.status), first_seen=list(compared.first_seen))
    todo, unsure = actionable(dated), doubts(space, findings, every_domain)
    new, critical = todo[todo["status"] == "new"], todo[todo["severity"] == "critical"]

    def merged(frame: pd.DataFrame) -> list[dict[Any, Any]]:
        merged_causes = causes(frame, space.audited, space.published, unsure)
        return merged_causes.astype({"severity": "str"}).to_dict("records")

    critical_causes = merged(critical)
    fixed, lost = (
        [g for g in vanished if g["rule"] in rules] for vanished in (compared.fixed, compared.unknown)
    )
    fixed_asking, lost_asking = ([g for g in vanished if asking(g["rule"])] for vanished in (fixed, lost))
    lost_criticals = [g for g in lost_asking if rule(g["rule"]).severity == "critical"]
    status = dated["status"].replace("", "open")  # of a first run
    states = {state: severity_counts(dated[status == state]) for state in ("new", "open", "unknown")}
    states |= {"waived": severity_counts(waived), "fixed": _counted(fixed)}
    states["unknown"] = {s: n + _counted(lost)[s] for s, n in states["unknown"].items()}
    failures = findings.loc[findings["rule"] == FAILED, "facts"]
    return answers(every_domain) | {
        "by_state": {s: {state: n[s] for state, n in states.items()} for s in reversed(SEVERITIES)},
        "new_by_severity": severity_counts(new),
        "fixed_by_severity": _counted(fixed_asking),
        "failed_rules": [sentence(rule(FAILED), "observed", facts, lang) for facts in failures],
        "previous": compared.previous,
        "shown": {
            "new": len(new),
            "open": int((todo["status"] == "open").sum()),
            "fixed": len(fixed_asking),
            "unknown": int((todo["status"] == "unknown").sum()) + len(lost_asking),
            "asking": len(todo),
            "criticals": int((findings["severity"] == "critical").sum()),
            "new_criticals": int((new["severity"] == "critical").sum()),
            "unsure_criticals": int((critical["status"] == "unknown").sum()),
            "lost_criticals": len(lost_criticals),
            "left_out": len(findings) - len(todo),
        },
        "critical": _top_causes(critical, critical_causes, lang),
        "new": _top_causes(new, merged(new), lang),
        "fixed": _top_causes(fixed_asking, _merged_vanished(fixed_asking), lang),
        "lost": _top_causes(lost_criticals, _merged_vanished(lost_criticals), lang),
        "first": _first(space, critical, critical_causes, lang) or _first(space, todo, merged(todo), lang),
        "list": {
            "generated_at": whitelist.generated_at and whitelist.generated_at.isoformat(),
            "rows": len(space.entries),
            "signature": whitelist.signature.status,
            "made_up": made_up(whitelist),
        },
    }


def _counted(vanished: Iterable[Vanished]) -> dict[str, int]:
    counts: Counter[str] = Counter(rule(finding["rule"]).severity for finding in vanished)
    return {severity: counts[severity] for severity in reversed(SEVERITIES)}


def _merged_vanished(vanished: Sequence[Vanished]) -> list[dict[str, Any]]:
    """Return as causes findings that are there no more: those of one rule and one operator are one."""
    groups: dict[tuple[str, str], list[Vanished]] = {}
    for finding in sorted(vanished, key=lambda finding: -SEVERITIES.index(rule(finding["rule"]).severity)):
        groups.setdefault((finding["rule"], finding["operator"]), []).append(finding)
    return [
        {
            "rules": [code], "operator": operator, "operator_id": "", "domain": group[0]["domain"],
            "severity": rule(code).severity, "domains": len({finding["domain"] for finding in group}),
            "mailboxes": None, "first_seen": min(finding["first_seen"] for finding in group), "doubts": (),
        }
        for (code, operator), group in groups.items()
    ]  # fmt: skip


def _top_causes(findings: Sized, causes: Sequence[Mapping[Any, Any]], lang: str) -> dict[str, Any]:
    """Return how many causes there are, of how many findings, and the first of them by name."""
    named = [
        {
            "rule": cause["rules"][0],
            "title": getattr(rule(cause["rules"][0]), f"title_{lang}"),
            "operator": unnamed(cause["operator"]),
            "domain": unnamed(cause["domain"]),
            "whole_list": any(rule(code).affects_list for code in cause["rules"]),
            "severity": cause["severity"],
            "domains": cause["domains"],
            "mailboxes": None if pd.isna(cause["mailboxes"]) else int(cause["mailboxes"]),
            "since": cause["first_seen"],
            "unknown": bool(cause["doubts"]),
            "operator_id": cause["operator_id"],
        }
        for cause in causes[:NAMED]
    ]
    return {"count": len(causes), "findings": len(findings), "named": named}


def _first(
    space: TrustSpace, findings: pd.DataFrame, causes: Sequence[Mapping[Any, Any]], lang: str
) -> dict[str, Any]:
    """Return the first of their causes, if it is known to hold, with whom to call and what to do."""
    if not causes or causes[0]["doubts"]:
        return {}
    first = findings.loc[findings["fingerprint"] == causes[0]["fingerprints"][0]].iloc[0]
    rows = space.entries[space.entries["row"].isin(first["rows"])].head(1).to_dict("records")
    broken, row = rule(first["rule"]), rows[0] if rows else None
    contact = (row["support_contact"] or row["project_contact"]) if row else ""
    named: dict[str, Any] = _top_causes(findings, causes[:1], lang)["named"][0]
    return named | {
        "manager": broken.manager or broken.affects_list,
        "row": row and int(row["row"]),
        "contact": mask(contact, services=space.contacts != "none"),
        "remedy": unnamed(sentence(broken, "remedy", hidden([first["facts"]])[0], lang)),
    }
