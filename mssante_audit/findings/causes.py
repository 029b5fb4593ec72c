"""Causes: what is to be put right first, findings merged by who does it and what is done.

The columns of the frame are `FRAME`, all defined even when it is empty. Sorted by severity, of one severity
what is wrong with contacts only (they stop no mail) after the rest, then by mailboxes where they are known,
by domains, by confidence, and for the same every night by rule and operator; ahead of all what says that the
list is not to be relied on (`Rule.affects_list`), last what is not known to hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mssante_audit.base.frames import Column, dtypes
from mssante_audit.base.language import typeset
from mssante_audit.findings.catalogue import CONFIDENCES, FAILED, SEVERITIES
from mssante_audit.findings.registry import rule
from mssante_audit.findings.words import sentence

FRAME = (
    Column("severity", "ordered category", "the worst of its findings", SEVERITIES),
    Column("confidence", "str", "the surest of those that are as severe: ``likely`` or ``certain``"),
    Column("rules", "object (tuple of str)", "codes of its findings' rules, the first finding's first"),
    Column("remedy", "str", "what to do, in French: the catalogue's, filled with a finding's facts"),
    Column("operator_id", "str", 'who does it, or "" if unknown, or the manager of the space does'),
    Column("operator", "str", "that operator's name, or \"\""),
    Column("operators", "object (tuple of str)", "identifiers of all whose rows it touches, most rows first"),
    Column("department", "str", "of that operator's certificates, or \"\""),
    Column("region", "str", 'its region, or ""'),
    Column("domain", "str", 'the first domain concerned, or "" for the list as a whole'),
    Column("domains", "int64", "how many distinct domains it touches: all, for the list as a whole"),
    Column("mailboxes", "Int64", "how many are published in these domains; <NA> where that is unknown"),
    Column("findings", "int64", "how many findings it merges"),
    Column("observed", "str", "what the first of them says; may name persons"),
    Column("expected", "str", 'what would be right then, or ""; may name persons'),
    Column("first_seen", "str", 'time of the first archived list that shows one of them, or ""'),
    Column("fingerprints", "object (tuple of str)", "of its findings, worst first"),
    Column("checks", "object (tuple of str)", "checks of a domain that its rules decide"),
    Column(
        "doubts", "object (tuple of str)",
        "inputs in doubt that its findings rest on: not known to hold today; () where it is",
    ),
    Column("age_days", "Int64", "age of the oldest of these, in whole days; <NA> where none says it"),
)  # fmt: skip

_DTYPES = dtypes(FRAME)

Doubts = Mapping[str, Mapping[str, int | None]]
"""By fingerprint the inputs in doubt that a finding rests on, and their age in days (`None`: unknown)."""


def actionable(findings: pd.DataFrame) -> pd.DataFrame:
    """Return the findings that ask for something: all but mere information and hints.

    These are what reports, mail and command line show unless asked for the rest.
    """
    return findings[(findings["severity"] > "info") & (findings["confidence"] != "hint")]


def asking(code: str) -> bool:
    """Return whether findings of a rule ask for something, unless they are surer or less sure themselves."""
    told = rule(code)
    return told.severity != "info" and told.confidence != "hint"


def causes(
    findings: pd.DataFrame,
    entries: pd.DataFrame,
    published: Mapping[str, int] | None = None,
    doubts: Doubts | None = None,
) -> pd.DataFrame:
    """Merge findings by operator and remedy: who is to be called once, and for what.

    A finding of several operators (a domain that two of them list, a server they share) goes to the one that
    has most of its rows, as `operator_id` of findings says: one call opens the matter, `operators` names whom
    else to invite, and an operator that shares with twelve others is one cause and not twelve. Where nobody
    is known, what has one remedy is one cause too: whoever reads takes it up with the list's manager, once;
    so is what the manager itself has to do (`mssante_audit.findings.catalogue.Rule.manager`).
    What could not be evaluated is no cause. Findings that are not known to hold make causes of their own.

    Parameters
    ----------
    findings
        As `mssante_audit.findings.frame` describes; information and hints are left out here.
    entries
        The rows of the list that are told of (columns `row`, `domain`, `operator_id`): a cause counts the
        domains of these, and those that findings without rows name.
    published
        Mailboxes by domain (`mssante_audit.space.trust.TrustSpace.published`), if they are known.
    doubts
        The findings that are not known to hold (`mssante_audit.verdicts.doubts`).

    Returns
    -------
    DataFrame
        One row a cause, as this module's docstring describes.

    Examples
    --------
    >>> from mssante_audit import audit_all, load_space
    >>> space = load_space(as_of="2026-03-03")
    >>> first = causes(audit_all(space), space.audited, space.published).iloc[0]
    >>> first["severity"], "DNS_MX_REFUSED" in first["rules"], int(first["domains"])
    ('critical', True, 11)
    """
    todo, doubts = actionable(findings), doubts or {}
    groups: dict[tuple[str, str, bool], list[Mapping[Any, Any]]] = {}
    for found in todo[todo["rule"] != FAILED].to_dict("records"):
        told = rule(found["rule"])
        if told.manager:
            found |= dict.fromkeys(("operator_id", "operator", "department", "region"), "")
        remedy = typeset(sentence(told, "remedy", found["facts"]))
        groups.setdefault((found["operator_id"], remedy, found["fingerprint"] in doubts), []).append(found)
    columns = (entries[column].tolist() for column in ("row", "domain", "operator_id"))
    whose = {row: (domain, operator) for row, domain, operator in zip(*columns, strict=True)}
    records = [_cause(remedy, own, whose, published) for (_, remedy, _), own in groups.items()]
    for one in records:
        why = [pair for key in one["fingerprints"] for pair in doubts.get(key, {}).items()]
        one["doubts"] = tuple(dict.fromkeys(name for name, _ in why))
        one["age_days"] = max((days for _, days in why if days is not None), default=None)
    records.sort(key=_order)
    return pd.DataFrame(
        {name: pd.Series([one[name] for one in records], dtype=dtype) for name, dtype in _DTYPES.items()}
    )


def _cause(
    remedy: str,
    found: list[Mapping[Any, Any]],
    whose: Mapping[int, tuple[str, str]],
    published: Mapping[str, int] | None,
) -> dict[str, Any]:
    found.sort(key=lambda f: (-SEVERITIES.index(f["severity"]), -CONFIDENCES.index(f["confidence"])))
    first = found[0]
    whole = any(f["domains"] == 0 for f in found)
    rows = [row for f in found for row in f["rows"] if row in whose]
    held = Counter(whose[row][1] for row in rows)
    domains = dict.fromkeys(domain for f in found for domain in _domains(f, whose))
    if whole:
        domains = dict.fromkeys(domain for domain, _ in whose.values())
    # A finding without rows may name one domain of several: of a register's heading, say.
    more = [f for f in found if not f["rows"]]
    boxes = None
    if published is not None:
        known = [int(f["mailboxes"]) for f in more if not pd.isna(f["mailboxes"])]
        boxes = max(sum(published.get(domain, 0) for domain in domains), *known, 0)
    return {
        **{name: first[name] for name in _DTYPES if name in first},
        "rules": tuple(dict.fromkeys(f["rule"] for f in found)),
        "remedy": remedy,
        "operators": tuple(
            dict.fromkeys(filter(None, [first["operator_id"], *(o for o, _ in held.most_common())]))
        ),
        "domain": "" if whole else next(iter(domains), ""),
        "domains": max(len(domains), *(f["domains"] for f in more), 0),
        "mailboxes": boxes,
        "findings": len(found),
        "first_seen": min((f["first_seen"] for f in found if f["first_seen"]), default=""),
        "fingerprints": tuple(f["fingerprint"] for f in found),
        "checks": tuple(dict.fromkeys(rule(f["rule"]).check for f in found if rule(f["rule"]).check)),
    }


def _domains(found: Mapping[Any, Any], whose: Mapping[int, tuple[str, str]]) -> Sequence[str]:
    if found["rows"]:
        return [whose[row][0] for row in found["rows"] if row in whose]
    return [found["domain"]] if found["domain"] else []


def _order(cause: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        not any(rule(code).affects_list for code in cause["rules"]),
        bool(cause["doubts"]),
        -SEVERITIES.index(cause["severity"]),
        set(cause["checks"]) == {"contacts"},
        -(cause["mailboxes"] or 0),
        -cause["domains"],
        -CONFIDENCES.index(cause["confidence"]),
        cause["rules"],
        cause["operator_id"],
    )
