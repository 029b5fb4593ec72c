"""Findings as SARIF 2.1.0, which code hosts and trackers read.

A finding is a result, known by ``partialFingerprints``; a waived one carries its suppression. Against the run
before, as the ledger tells it, a result is ``new`` or ``unchanged``; what was fixed is ``absent``, what is
unknown ``kind: open``.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

import pandas as pd

from mssante_audit.base.export import records
from mssante_audit.base.language import current_language, format_text, localized, translated
from mssante_audit.findings.catalogue import Rule
from mssante_audit.findings.ledger import FollowUp
from mssante_audit.findings.registry import catalogue, rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
KEY = "mssanteAudit/v1"  # name of our fingerprint (the standard wants a version in it)
LEVELS = {"info": "note", "warning": "warning", "error": "error", "critical": "error"}
_OPEN: dict[str, Any] = {"kind": "open", "level": "none"}
_STATES = {"new": {"baselineState": "new"}, "open": {"baselineState": "unchanged"}, "unknown": _OPEN}
_ELSEWHERE = {"rule", "fingerprint", "observed", "expected"}


def sarif(
    findings: pd.DataFrame,
    waived: pd.DataFrame,
    unsure: Mapping[str, Sequence[str]],
    rules: Sequence[Rule],
    *,
    source: str,
    as_of: datetime,
    follow_up: FollowUp | None = None,
) -> dict[str, Any]:
    """Return findings in words, and waived ones, as a log; `unsure`: inputs in doubt by audit."""
    states = follow_up.status if follow_up else [""] * len(findings)
    results = [_result(finding, source) for finding in (*records(findings), *records(waived))]
    for result, state in zip(results, states, strict=False):  # the waived ones have none
        result |= _STATES.get(state, {})
    absent = {"baselineState": "absent"}, {"baselineState": "unchanged"} | _OPEN
    for notes, fields in zip((follow_up.fixed, follow_up.unknown) if follow_up else (), absent, strict=False):
        named = (note for note in notes if note["rule"] in catalogue())
        results += [_bare_result(note, note["domain"], note["operator"]) | fields for note in named]
    rests = "{audit} repose sur des sources en doute : {inputs}"
    texts = [format_text(rests, audit=name, inputs=", ".join(inputs)) for name, inputs in unsure.items()]
    notices = [{"level": "warning", "message": {"text": text}} for text in texts]
    codes = [*dict.fromkeys([its_rule.code for its_rule in rules] + [result["ruleId"] for result in results])]
    run = {
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notices}],
        "language": {"fr": "fr-FR", "en": "en-US"}[current_language()],
        "results": [result | {"ruleIndex": codes.index(result["ruleId"])} for result in results],
        "properties": {"asOf": as_of.isoformat()},
    }
    described = [
        {
            "id": code,
            "defaultConfiguration": {"level": LEVELS[rule(code).severity]},
            "shortDescription": {"text": localized(rule(code), "title")},
            "fullDescription": {"text": localized(rule(code), "why")},
        }
        for code in codes
    ]
    return log_of(described, run)


def log_of(rules: Sequence[Mapping[str, Any]], run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a log of one run by this program, which looked for rules (descriptors)."""
    driver = {"name": "mssante-audit", "version": version("mssante-audit"), "rules": rules}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, **run}]}


def _result(finding: Mapping[str, Any], source: str) -> dict[str, Any]:
    place: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": quote(source)}}}
    if finding["domain"]:
        place["logicalLocations"] = [{"fullyQualifiedName": finding["domain"], "kind": "domain"}]
    expected = finding["expected"] and f"{translated('Attendu :')} {finding['expected']}"
    result = _bare_result(finding, finding["observed"], expected) | {
        "kind": "fail",
        "level": LEVELS[finding["severity"]],
        "locations": [place],
        "properties": {name: finding[name] for name in finding if name not in _ELSEWHERE},
    }
    if finding.get("reason"):
        words = f"{finding['reason']} ({finding['who']}, {finding['until']})"
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": words}]
    return result


def _bare_result(finding: Mapping[str, Any], *sentences: str) -> dict[str, Any]:
    text = " — ".join(filter(None, (localized(rule(finding["rule"]), "title"), *sentences)))
    key = {KEY: finding["fingerprint"]}
    return {"ruleId": finding["rule"], "message": {"text": text}, "partialFingerprints": key}
