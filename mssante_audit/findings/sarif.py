"""Findings as SARIF 2.1.0, which code hosts and trackers read, and what an earlier file says of them.

A finding is a result, known by ``partialFingerprints``; a waived one carries its suppression. Against the
file of the time before (`read_sarif`) a result is ``new`` or ``unchanged``, and one that is there no more
``absent``, unless its audit could not be made or rests on an input in doubt (`mssante_audit.space.states`):
then it stays, as ``kind: open``. So is one found in doubt and not known before, without ``baselineState``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from mssante_audit.base.errors import InputError
from mssante_audit.base.export import records
from mssante_audit.base.language import current_language, localized, translated
from mssante_audit.findings.catalogue import FAILED, Rule
from mssante_audit.findings.registry import catalogue, rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
KEY = "mssanteAudit/v1"
"""Name of our fingerprint (the standard wants a version in it)."""
LEVELS = {"info": "note", "warning": "warning", "error": "error", "critical": "error"}
"""SARIF's level of each severity; the severity itself stands in ``properties``."""


def sarif(
    findings: pd.DataFrame,
    waived: pd.DataFrame,
    lacking: Mapping[str, Sequence[str]],
    rules: Sequence[Rule],
    *,
    source: str,
    as_of: datetime,
    operators: Collection[str] | None = None,
    before: Mapping[str, Any] | None = None,
    unsure: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Return findings as a SARIF log.

    Parameters
    ----------
    findings, waived
        As `mssante_audit.audits.audit` and `waived` return them, in words.
    lacking
        Audits that were not made, with what they would have needed.
    rules
        Those looked for, whether they found something or not.
    source
        Name of the white list's file.
    as_of
        The instant audited at.
    operators
        Identifiers of the operators whose findings these are, if they are not everybody's.
    before
        The log of an earlier time. Made at the same instant it is of this time, and its answers are kept.
    unsure
        Audits of which nothing can be said, with the inputs in doubt (`mssante_audit.audits.unsure`).
    """
    unsure = {name: inputs for name, inputs in (unsure or {}).items() if name not in lacking}
    results = [_result(f, source) for f in (*records(findings), *records(waived))]
    failed = {audit for audit, *_ in findings.loc[findings["rule"] == FAILED, "subject"]}
    looked = {own.audit for own in rules} - {*lacking, *unsure} - failed
    if before is not None:
        _compare(results, before, looked, {*unsure}, operators, as_of.isoformat())
    shown = list({own.code: own for own in (*rules, *(rule(r["ruleId"]) for r in results))}.values())
    places = {own.code: number for number, own in enumerate(shown)}
    told = [f"{name} was not made: no {', no '.join(needs)}" for name, needs in lacking.items()]
    told += [f"{name} rests on inputs in doubt: {', '.join(inputs)}" for name, inputs in unsure.items()]
    notices = [{"level": "warning", "message": {"text": text}} for text in told]
    us = {"name": "mssante-audit", "version": version("mssante-audit")}
    run = {
        "tool": {"driver": us | {"rules": [_descriptor(own) for own in shown]}},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notices}],
        "language": {"fr": "fr-FR", "en": "en-US"}[current_language()],
        "columnKind": "unicodeCodePoints",
        "results": [r | {"ruleIndex": places[r["ruleId"]]} for r in results],
        "properties": {"asOf": as_of.isoformat()},
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def read_sarif(path: Path) -> dict[str, Any] | None:
    """Return the one run of a log that `sarif` made, ``None`` if there is no such file.

    Something else is an `InputError`: it would be lost, and every finding look new.
    """
    try:
        (run,) = json.loads(path.read_text(encoding="utf-8"))["runs"]
        datetime.fromisoformat(run["properties"]["asOf"])
        known = catalogue()
        kept = [r for r in run["results"] if r["partialFingerprints"][KEY] and r["ruleId"] in known]
        return {**run, "results": kept}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(
            "is no SARIF log of this program", file=str(path), remedy="Remove it, or write elsewhere"
        ) from error


def of_another_list(before: Mapping[str, Any], operators: Collection[str]) -> bool:
    """Tell whether a log is of another list: operators are named in it, and none of them is known today."""
    named = {r["properties"].get("operator_id", "") for r in before["results"]} - {""}
    return len(named) > 1 and named.isdisjoint(operators)  # one operator may be gone: nothing else is told


def _compare(
    results: list[dict[str, Any]],
    before: Mapping[str, Any],
    looked: set[str],
    unsure: set[str],
    operators: Collection[str] | None,
    as_of: str,
) -> None:
    """Set each result's state against the time before; add what is there no more, or was not looked for."""
    again = before["properties"]["asOf"] == as_of
    known_ones = [r for r in before["results"] if r["kind"] != "open" or "baselineState" in r]
    earlier = {r["partialFingerprints"][KEY]: r for r in known_ones}
    for result in results:
        known = earlier.pop(result["partialFingerprints"][KEY], None)
        was = known and known.get("baselineState", "unchanged")
        fresh = known is None or was == ("new" if again else "absent")
        if fresh and result["properties"]["audit"] in unsure:
            result |= {"kind": "open", "level": "none"}
            continue
        result["baselineState"] = "new" if fresh else "unchanged"
    for gone in earlier.values():
        told = gone["properties"]
        theirs = operators is not None and told["operator_id"] not in operators
        if told["audit"] not in looked | {""} or theirs:
            results.append(gone | {"baselineState": "unchanged", "kind": "open", "level": "none"})
        elif again or gone.get("baselineState") != "absent":
            results.append(gone | {"baselineState": "absent"})


def _result(finding: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return one finding; a waived one has a ``reason``."""
    own = rule(finding["rule"])
    place: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": quote(source)}}}
    if finding["domain"]:
        place["logicalLocations"] = [{"fullyQualifiedName": finding["domain"], "kind": "domain"}]
    wanted = finding["expected"] and f"{translated('Attendu :')} {finding['expected']}"
    said = [localized(own, "title"), finding["observed"], wanted]
    result: dict[str, Any] = {
        "ruleId": own.code,
        "kind": "fail",
        "level": LEVELS[finding["severity"]],
        "message": {"text": " — ".join(part for part in said if part)},
        "partialFingerprints": {KEY: finding["fingerprint"]},
        "locations": [place],
        "properties": {
            name: finding[name]
            for name in (
                "audit", "severity", "confidence", "domains", "operator_id", "operator",
                "evidence", "first_seen", "subject", "rows", "where", "facts",
            )
        },
    }  # fmt: skip
    if finding.get("reason"):
        words = f"{finding['reason']} ({finding['who']}, {finding['until']})"
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": words}]
    return result


def _descriptor(own: Rule) -> dict[str, Any]:
    return {
        "id": own.code,
        "shortDescription": {"text": localized(own, "title")},
        "fullDescription": {"text": localized(own, "why")},
        "defaultConfiguration": {"level": LEVELS[own.severity]},
        "properties": {name: getattr(own, name) for name in ("audit", "severity", "source", "title_en")},
    }
