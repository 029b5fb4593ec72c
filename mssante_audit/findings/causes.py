"""Causes: what is to be put right first, findings merged by who does it and what is done.

Sorted by severity (what the manager's own entries have after all else), of one severity what is wrong with
contacts only (they stop no mail) after the rest, then by mailboxes, by domains, by confidence, by rule and
operator; ahead of all what says that the list is not to be relied on (`Rule.affects_list`), last what is not
known to hold.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import pandas as pd

from mssante_audit.base.frames import columns_of, dtypes, frame_of
from mssante_audit.base.language import typeset
from mssante_audit.findings.catalogue import CONFIDENCES, FAILED, SEVERITIES
from mssante_audit.findings.registry import rule
from mssante_audit.findings.templates import sentence
from mssante_audit.values.identifiers import is_manager
from mssante_audit.whitelist.rows import tuples

FRAME = columns_of("mssante_audit.findings", "causes", severity=SEVERITIES)
_DTYPES = dtypes(FRAME)
# By fingerprint the inputs in doubt that a finding rests on, and their age in days (`None`: unknown).
Doubts = Mapping[str, Mapping[str, int | None]]


def actionable(findings: pd.DataFrame) -> pd.DataFrame:
    """Return the findings that ask for something: all but mere information and hints."""
    return findings[(findings["severity"] > "info") & (findings["confidence"] != "hint")]


def asking(code: str) -> bool:
    """Return whether findings of a rule ask for something, if they have the rule's confidence."""
    return rule(code).severity != "info" and rule(code).confidence != "hint"


def causes(
    findings: pd.DataFrame,
    entries: pd.DataFrame,
    published: Mapping[str, int] | None = None,
    doubts: Doubts | None = None,
) -> pd.DataFrame:
    """Merge findings by operator and remedy: who is to be called once, and for what.

    A finding of several operators goes to the one that has most of its rows: one call opens the matter, and
    `operators` names whom else to invite. Where nobody is known, what has one remedy is one cause too, as is
    what the manager itself has to do (`Rule.manager`). What could not be evaluated is no cause. Findings that
    are not known to hold make causes of their own.

    Parameters
    ----------
    findings
        As `mssante_audit.findings.frame` describes; information and hints are left out here.
    entries
        Rows of the list (`row`, `domain`, `operator_id`): a cause counts the domains of these, and those that
        findings without rows name.
    published
        Mailboxes by domain (`mssante_audit.space.trust.TrustSpace.published`), if they are known.
    doubts
        The findings that are not known to hold (`mssante_audit.verdicts.domains.doubts`).

    Examples
    --------
    >>> from mssante_audit import audit_all, load_space
    >>> space = load_space(as_of="2026-03-03")
    >>> first = causes(audit_all(space), space.audited, space.published).iloc[0]
    >>> first["severity"], "DNS_MX_REFUSED" in first["rules"], int(first["domains"])
    ('critical', True, 11)
    """
    todo, doubts = actionable(findings), doubts or {}
    groups: defaultdict[tuple[str, str, bool], list[Mapping[Any, Any]]] = defaultdict(list)
    for finding in todo[todo["rule"] != FAILED].to_dict("records"):
        its_rule = rule(finding["rule"])
        if its_rule.manager:
            finding |= dict.fromkeys(("operator_id", "operator", "department", "region"), "")
        remedy = typeset(sentence(its_rule, "remedy", finding["facts"]))
        groups[finding["operator_id"], remedy, finding["fingerprint"] in doubts].append(finding)
    rows = tuples(entries, "row", "domain", "operator_id")
    by_row = {row: (domain, operator) for row, domain, operator in rows}
    records = [
        _cause(remedy, members, by_row, published, doubts) for (_, remedy, _), members in groups.items()
    ]
    records.sort(key=_rank)
    return frame_of([[record[name] for name in _DTYPES] for record in records], FRAME)


def _rank(cause: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        not any(rule(code).affects_list for code in cause["rules"]),
        bool(cause["doubts"]),
        is_manager(cause["operator_id"]),
        -SEVERITIES.index(cause["severity"]),
        set(cause["checks"]) <= {"contacts"},
        -(cause["mailboxes"] or 0),
        -cause["domains"],
        -CONFIDENCES.index(cause["confidence"]),
        cause["rules"],
        cause["operator_id"],
    )


def _cause(
    remedy: str,
    findings: list[Mapping[Any, Any]],
    by_row: Mapping[int, tuple[str, str]],
    published: Mapping[str, int] | None,
    doubts: Doubts,
) -> dict[str, Any]:
    findings.sort(key=lambda f: (-SEVERITIES.index(f["severity"]), -CONFIDENCES.index(f["confidence"])))
    first, codes = findings[0], dict.fromkeys(finding["rule"] for finding in findings)
    of_list = any(finding["domains"] == 0 for finding in findings)
    owners = Counter(by_row[row][1] for finding in findings for row in finding["rows"] if row in by_row)
    domains = dict.fromkeys(domain for domain, _ in by_row.values()) if of_list else {}
    for finding in findings if not of_list else ():
        rowed = [by_row[row][0] for row in finding["rows"] if row in by_row]
        domains |= dict.fromkeys(rowed if finding["rows"] else filter(None, [finding["domain"]]))
    # A finding without rows may name one domain of several: of a register's heading, say.
    rowless = [finding for finding in findings if not finding["rows"]]
    boxes = None
    if published is not None:
        counts = [int(finding["mailboxes"]) for finding in rowless if not pd.isna(finding["mailboxes"])]
        boxes = max(sum(published.get(domain, 0) for domain in domains), *counts, 0)
    inputs = [pair for finding in findings for pair in doubts.get(finding["fingerprint"], {}).items()]
    operators = filter(None, [first["operator_id"], *(operator for operator, _ in owners.most_common())])
    return {
        **{name: first[name] for name in _DTYPES if name in first},
        "rules": tuple(codes),
        "remedy": remedy,
        "operators": tuple(dict.fromkeys(operators)),
        "domain": "" if of_list else next(iter(domains), ""),
        "domains": max(len(domains), *(finding["domains"] for finding in rowless), 0),
        "mailboxes": boxes,
        "findings": len(findings),
        "first_seen": min(filter(None, (finding["first_seen"] for finding in findings)), default=""),
        "fingerprints": tuple(finding["fingerprint"] for finding in findings),
        "checks": tuple(dict.fromkeys(filter(None, (rule(code).check for code in codes)))),
        "doubts": tuple(dict.fromkeys(name for name, _ in inputs)),
        "age_days": max((days for _, days in inputs if days is not None), default=None),
    }
