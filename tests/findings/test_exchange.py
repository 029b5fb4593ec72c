"""Findings for other programs: SARIF, held to its schema (tests/schemas/README.md)."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
from made_findings import framed, made
from made_up import make_space
from typer.testing import CliRunner

from mssante_audit.audits import audit_all, unsure, waived
from mssante_audit.cli.main import app
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.ledger import FollowUp, follow
from mssante_audit.findings.registry import catalogue
from mssante_audit.findings.sarif import KEY, sarif
from mssante_audit.space.trust import TrustSpace

SCHEMAS = Path(__file__).parents[1] / "schemas"
SARIF = json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
RULES = [own for own in catalogue().values() if own.audit]


def run_of(log: Any) -> dict[str, Any]:
    jsonschema.Draft4Validator(SARIF).validate(log)
    return log["runs"][0]


def states(run: dict[str, Any]) -> dict[str, str]:
    return {r["partialFingerprints"][KEY]: r.get("baselineState", "") for r in run["results"]}


@pytest.fixture(scope="module")
def space(sample_space: TrustSpace) -> TrustSpace:
    return sample_space


@pytest.fixture(scope="module")
def found(space: TrustSpace) -> pd.DataFrame:
    return audit_all(space)


def log_of(space: TrustSpace, found: pd.DataFrame, follow_up: FollowUp | None = None) -> dict[str, Any]:
    given = {"source": "l.xml", "as_of": space.as_of, "follow_up": follow_up}
    return run_of(sarif(found, waived(space), unsure(space), RULES, **given))


def test_every_finding_is_a_result_with_its_rule_and_fingerprint(space, found) -> None:
    run = log_of(space, found)
    assert list(states(run)) == found["fingerprint"].tolist()
    assert [r["properties"]["facts"] for r in run["results"]] == found["facts"].tolist()
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
    assert [own["id"] for own in rules] == [own.code for own in RULES]
    assert {r["level"] for r in run["results"]} == {"note", "warning", "error"}
    assert set(states(run).values()) == {""}


def test_a_finding_has_the_state_that_the_ledger_tells(space, found) -> None:
    ledger: dict[str, Any] = {}
    follow(ledger, "x", "2026-03-01", found.iloc[1:])
    now = found.iloc[:-1]
    told = states(log_of(space, now, follow(ledger, "x", "2026-03-02", now)))
    assert told.pop(found["fingerprint"].iloc[0]) == "new"
    assert told.pop(found["fingerprint"].iloc[-1]) == "absent"
    assert set(told.values()) == {"unchanged"}


def test_what_is_unknown_is_open_and_neither_new_nor_absent(space, found) -> None:
    blind, ledger = replace(space, observation=None), {}
    follow(ledger, "x", "2026-03-01", found.iloc[1:])
    seen = found[found["audit"] != "delegation_vs_redirection"]
    first = found["audit"].iloc[0]
    unsure_of = {**unsure(blind), first: ("list",)}
    run = log_of(blind, seen, follow(ledger, "x", "2026-03-02", seen, unsure_of))
    told = {r["partialFingerprints"][KEY]: (r["kind"], r.get("baselineState")) for r in run["results"]}
    unknown = found.loc[found["audit"] == "delegation_vs_redirection", "fingerprint"].tolist()
    assert {told[key] for key in unknown if key in told} == {("open", "unchanged")}
    assert {told[key] for key in seen.loc[seen["audit"] == first, "fingerprint"]} == {("open", None)}
    assert "delegation_vs_redirection rests on inputs in doubt: dns" in json.dumps(run["invocations"])


def test_a_waived_finding_is_there_and_accepted(space, found, tmp_path) -> None:
    chosen = found[found["audit"] == "dn_consistency"].iloc[0]
    (tmp_path / "waivers.toml").write_text(
        f'[[waiver]]\nrule = "{chosen["rule"]}"\nfingerprint = "{chosen["fingerprint"]}"\n'
        'reason = "suivi"\nwho = "cellule"\nuntil = 2026-12-31\n'
    )
    own = replace(space, waivers=tmp_path / "waivers.toml")
    run = log_of(own, audit_all(own))
    (apart,) = [r for r in run["results"] if "suppressions" in r]
    assert apart["partialFingerprints"][KEY] == chosen["fingerprint"]
    assert apart["suppressions"][0]["justification"] == "suivi (cellule, 2026-12-31)"


def test_hostile_texts_stay_texts(payloads: tuple[str, ...]) -> None:
    space = make_space({})
    hostile = [*payloads, "\x1b[2J\x00\x07"]
    found = framed(
        [made("DN_SHAPE", observed=text, expected=text, domains=(text,), operator=text) for text in hostile],
        space.entries,
    )
    log = sarif(found, found.iloc[:0], {}, RULES, source="l x.xml", as_of=space.as_of)
    assert len(run_of(log)["results"]) == len(hostile)
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "l%20x.xml"


def test_a_part_that_raised_is_a_result() -> None:
    space = make_space({})
    found = framed([made(FAILED)], space.entries)
    log = sarif(found, found.iloc[:0], {}, RULES, source="l.xml", as_of=space.as_of)
    assert run_of(log)["results"][0]["ruleId"] == FAILED


def test_the_command_writes_it(tmp_path) -> None:
    given = ["findings", "dn_consistency", "--format", "sarif", "--as-of", "2026-03-03T06:00:00Z"]
    shown = CliRunner().invoke(app, given)
    assert shown.exit_code == 0
    assert {r["properties"]["audit"] for r in run_of(json.loads(shown.output))["results"]} == {
        "dn_consistency"
    }
    assert CliRunner().invoke(app, [*given, "--out", str(tmp_path / "f")]).exit_code == 0
    assert (tmp_path / "f").read_text(encoding="utf-8") == shown.output
