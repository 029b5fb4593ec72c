"""Findings for other programs: SARIF, held to its schema (tests/schemas/README.md)."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
from commands import said
from made_findings import framed, made
from made_up import make_space

from mssante_audit.audits import audit_all, unsure, waived
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.ledger import FollowUp, follow
from mssante_audit.findings.registry import catalogue
from mssante_audit.findings.sarif import KEY, sarif
from mssante_audit.space.trust import TrustSpace

SCHEMAS = Path(__file__).parents[1] / "schemas"
SARIF = json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
RULES = [rule for rule in catalogue().values() if rule.audit]


def run_of(log: Any) -> dict[str, Any]:
    jsonschema.Draft4Validator(SARIF).validate(log)
    return log["runs"][0]


def states(run: dict[str, Any]) -> dict[str, str]:
    return {r["partialFingerprints"][KEY]: r.get("baselineState", "") for r in run["results"]}


def log_of(space: TrustSpace, findings: pd.DataFrame, follow_up: FollowUp | None = None) -> dict[str, Any]:
    options = {"source": "l.xml", "as_of": space.as_of, "follow_up": follow_up}
    return run_of(sarif(findings, waived(space), unsure(space), RULES, **options))


def test_every_finding_is_a_result_with_its_rule_and_fingerprint(sample_space, findings) -> None:
    run = log_of(sample_space, findings)
    assert list(states(run)) == findings["fingerprint"].tolist()
    assert [r["properties"]["facts"] for r in run["results"]] == findings["facts"].tolist()
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
    assert [rule["id"] for rule in rules] == [rule.code for rule in RULES]
    assert {r["level"] for r in run["results"]} == {"note", "warning", "error"}
    assert set(states(run).values()) == {""}


def test_a_finding_has_the_state_that_the_ledger_tells(sample_space, findings) -> None:
    ledger: dict[str, Any] = {}
    follow(ledger, "x", "2026-03-01", findings.iloc[1:])
    now = findings.iloc[:-1]
    shown = states(log_of(sample_space, now, follow(ledger, "x", "2026-03-02", now)))
    assert shown.pop(findings["fingerprint"].iloc[0]) == "new"
    assert shown.pop(findings["fingerprint"].iloc[-1]) == "absent"
    assert set(shown.values()) == {"unchanged"}


def test_what_is_unknown_is_open_and_neither_new_nor_absent(sample_space, findings) -> None:
    blind, ledger = replace(sample_space, observation=None), {}
    follow(ledger, "x", "2026-03-01", findings.iloc[1:])
    seen = findings[findings["audit"] != "delegation_vs_redirection"]
    first = findings["audit"].iloc[0]
    unsure_of = {**unsure(blind), first: ("list",)}
    run = log_of(blind, seen, follow(ledger, "x", "2026-03-02", seen, unsure_of))
    shown = {r["partialFingerprints"][KEY]: (r["kind"], r.get("baselineState")) for r in run["results"]}
    unknown = findings.loc[findings["audit"] == "delegation_vs_redirection", "fingerprint"].tolist()
    assert {shown[key] for key in unknown if key in shown} == {("open", "unchanged")}
    assert {shown[key] for key in seen.loc[seen["audit"] == first, "fingerprint"]} == {("open", None)}
    assert "delegation_vs_redirection repose sur des sources en doute" in json.dumps(run["invocations"])


def test_a_waived_finding_is_there_and_accepted(sample_space, findings, tmp_path) -> None:
    chosen = findings[findings["audit"] == "dn_consistency"].iloc[0]
    (tmp_path / "waivers.toml").write_text(
        f'[[waiver]]\nrule = "{chosen["rule"]}"\nfingerprint = "{chosen["fingerprint"]}"\n'
        'reason = "suivi"\nwho = "cellule"\nuntil = 2026-12-31\n'
    )
    space = replace(sample_space, waivers=tmp_path / "waivers.toml")
    run = log_of(space, audit_all(space))
    (apart,) = [r for r in run["results"] if "suppressions" in r]
    assert apart["partialFingerprints"][KEY] == chosen["fingerprint"]
    assert apart["suppressions"][0]["justification"] == "suivi (cellule, 2026-12-31)"


def test_hostile_texts_stay_texts(payloads: tuple[str, ...]) -> None:
    space = make_space({})
    hostile = [*payloads, "\x1b[2J\x00\x07"]
    shaped = [made("DN_SHAPE", observed=t, expected=t, domains=(t,), operator=t) for t in hostile]
    findings = framed([*shaped, made(FAILED)], space.entries)
    log = sarif(findings, findings.iloc[:0], {}, RULES, source="l x.xml", as_of=space.as_of)
    results = run_of(log)["results"]
    assert [result["ruleId"] for result in results].count("DN_SHAPE") == len(hostile)
    assert FAILED in {result["ruleId"] for result in results}, "a part that raised is a result"
    assert results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "l%20x.xml"


def test_the_command_writes_it(tmp_path) -> None:
    command = ["findings", "dn_consistency", "--format", "sarif", "--as-of", "2026-03-03T06:00:00Z"]
    shown = said(*command)
    results = run_of(json.loads(shown))["results"]
    assert {result["properties"]["audit"] for result in results} == {"dn_consistency"}
    said(*command, "--out", tmp_path / "f")
    assert (tmp_path / "f").read_text(encoding="utf-8") == shown
