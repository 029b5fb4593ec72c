"""Findings for other programs: SARIF and JUnit, held to their schemas (tests/schemas/README.md)."""

import json
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
from lxml import etree
from made_findings import framed, made
from made_up import make_space

from mssante_audit.audits import audit_all, lacking, waived
from mssante_audit.base.export import xml_text
from mssante_audit.cli import main as cli
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.frame import Finding, findings_frame
from mssante_audit.findings.junit import junit
from mssante_audit.findings.registry import audits as registry_audits
from mssante_audit.findings.registry import catalogue
from mssante_audit.findings.sarif import KEY, sarif
from mssante_audit.space.trust import TrustSpace, load_space

SCHEMAS = Path(__file__).parents[1] / "schemas"
SARIF = json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
RULES = [own for own in catalogue().values() if own.audit]


def run_of(log: Any) -> dict[str, Any]:
    jsonschema.Draft4Validator(SARIF).validate(log)
    return log["runs"][0]


def suites_of(text: str) -> Any:
    root = etree.fromstring(text.encode())
    etree.XMLSchema(etree.parse(SCHEMAS / "jenkins-junit.xsd")).assertValid(root)
    return root


def states(run: dict[str, Any]) -> dict[str, str]:
    return {r["partialFingerprints"][KEY]: r.get("baselineState", "") for r in run["results"]}


@pytest.fixture(scope="module")
def space() -> TrustSpace:
    return load_space(as_of="2026-03-03T06:00:00Z")


@pytest.fixture(scope="module")
def found(space: TrustSpace) -> pd.DataFrame:
    return audit_all(space)


def log_of(space: TrustSpace, found: pd.DataFrame, days: int = 0, before: Any = None) -> dict[str, Any]:
    at = space.as_of + timedelta(days)
    return run_of(sarif(found, waived(space), lacking(space), RULES, source="l.xml", as_of=at, before=before))


def test_every_finding_is_a_result_with_its_rule_and_fingerprint(space, found) -> None:
    run = log_of(space, found)
    assert list(states(run)) == found["fingerprint"].tolist()
    assert [r["properties"]["facts"] for r in run["results"]] == found["facts"].tolist()
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
    assert [own["id"] for own in rules] == [own.code for own in RULES]
    assert {r["level"] for r in run["results"]} == {"note", "warning", "error"}
    assert set(states(run).values()) == {""}


def test_a_finding_has_a_state_against_the_time_before(space, found) -> None:
    first = log_of(space, found.iloc[1:])
    second = log_of(space, found.iloc[:-1], 1, first)
    told = states(second)
    assert told[found["fingerprint"].iloc[0]] == "new"
    assert told[found["fingerprint"].iloc[-1]] == "absent"
    assert {told[f] for f in found["fingerprint"].iloc[1:-1]} == {"unchanged"}
    assert states(log_of(space, found.iloc[:-1], 1, second)) == told, "the same instant is the same time"
    third = states(log_of(space, found, 2, second))
    assert third.pop(found["fingerprint"].iloc[-1]) == "new"
    assert set(third.values()) == {"unchanged"}
    assert len(log_of(space, found.iloc[:-1], 2, second)["results"]) == len(found) - 1


def test_what_could_not_be_looked_at_is_open_and_not_absent(space, found) -> None:
    blind = replace(space, observation=None)
    seen = found[found["audit"] != "delegation_vs_redirection"]
    run = log_of(blind, seen, 1, log_of(space, found))
    told = {r["partialFingerprints"][KEY]: r for r in run["results"]}
    unknown = found.loc[found["audit"] == "delegation_vs_redirection", "fingerprint"]
    assert {(told[f]["kind"], told[f]["level"], told[f]["baselineState"]) for f in unknown} == {
        ("open", "none", "unchanged")
    }
    assert "delegation_vs_redirection was not made: no observation" in json.dumps(run["invocations"])
    root = suites_of(junit(seen, waived(blind), lacking(blind), RULES))
    suite = root.find("testsuite[@name='delegation_vs_redirection']")
    assert {case.find("skipped").text for case in suite} == {"no observation"}
    assert suite.get("skipped") == suite.get("tests")


def test_what_rests_on_an_input_in_doubt_is_open_and_neither_new_nor_absent(space, found) -> None:
    def now(part: pd.DataFrame, days: int, before: Any, unsure: Any) -> tuple[Any, dict[str, Any]]:
        given = {"source": "l.xml", "as_of": space.as_of + timedelta(days), "before": before}
        run = run_of(sarif(part, found.iloc[:0], {}, RULES, unsure=unsure, **given))
        told = {r["partialFingerprints"][KEY]: (r["kind"], r.get("baselineState")) for r in run["results"]}
        return run, told

    first, last = found["fingerprint"].iloc[0], found["fingerprint"].iloc[-1]
    known, _ = now(found.iloc[1:], 0, None, {})
    dark, told = now(found.iloc[:-1], 1, known, dict.fromkeys(registry_audits(), ("list",)))
    assert (told[first], told[last]) == (("open", None), ("open", "unchanged"))
    assert "dn_consistency rests on inputs in doubt: list" in json.dumps(dark["invocations"])
    _, told = now(found, 2, dark, {})
    assert (told[first], told[last]) == (("fail", "new"), ("fail", "unchanged"))
    _, told = now(found.iloc[1:], 2, dark, {})
    assert first not in told, "what was seen in doubt only is not told as gone"


def test_what_was_not_asked_for_is_open_and_not_absent(space, found) -> None:
    first, given = log_of(space, found), {"source": "l.xml", "as_of": space.as_of + timedelta(1)}

    def now(part: pd.DataFrame, **more: Any) -> dict[str, tuple[str, str]]:
        run = run_of(sarif(part, found.iloc[:0], {}, **{"rules": RULES, **given, **more}, before=first))
        return {r["partialFingerprints"][KEY]: (r["kind"], r["baselineState"]) for r in run["results"]}

    one = found[found["audit"] == "dn_consistency"]
    told = now(one.iloc[1:], rules=[own for own in RULES if own.audit == "dn_consistency"])
    assert told[one["fingerprint"].iloc[0]] == ("fail", "absent")
    others = found.loc[found["audit"] != "dn_consistency", "fingerprint"]
    assert {told[fingerprint] for fingerprint in others} == {("open", "unchanged")}
    owner = one["operator_id"].iloc[0]
    told = now(one.iloc[:0], operators=[owner])
    assert {told[f] for f in found.loc[found["operator_id"] == owner, "fingerprint"]} == {("fail", "absent")}
    assert {told[f] for f in found.loc[found["operator_id"] != owner, "fingerprint"]} == {
        ("open", "unchanged")
    }
    broken = findings_frame([Finding(FAILED, ("dn_consistency", "shape"))], space.entries)
    told = now(pd.concat([found[found["audit"] != "dn_consistency"], broken]))
    assert {told[fingerprint] for fingerprint in one["fingerprint"]} == {("open", "unchanged")}


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
    root = suites_of(junit(audit_all(own), waived(own), {}, RULES))
    assert "accepté : suivi" in root.find(f".//testcase[@name='{chosen['rule']}']/system-out").text


def test_what_is_worse_than_information_fails(space, found) -> None:
    root = suites_of(junit(found, waived(space), lacking(space), RULES))
    grave = found[found["severity"] != "info"]
    assert len(root.findall(".//failure")) == len(grave)
    failed = {case.get("name") for case in root.iter("testcase") if case.find("failure") is not None}
    assert failed == set(grave["rule"])
    assert [case.get("name") for case in root.iter("testcase")] == [own.code for own in RULES]


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
    assert len(suites_of(junit(found, found.iloc[:0], {}, RULES)).findall(".//failure")) == len(hostile)
    assert etree.fromstring(f"<a>{xml_text(chr(0xD800))}</a>").text == r"\xd800", "no frame holds one"


def test_a_part_that_raised_is_an_error() -> None:
    found = framed([made(FAILED)], make_space({}).entries)
    root = suites_of(junit(found, found.iloc[:0], {}, RULES))
    assert root.find(f".//testcase[@name='{FAILED}']/error") is not None
    log = sarif(found, found.iloc[:0], {}, RULES, source="l.xml", as_of=make_space({}).as_of)
    assert run_of(log)["results"][0]["ruleId"] == FAILED


def command(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["mssante-audit", "findings", "dn_consistency", *map(str, words)])
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code


@pytest.mark.parametrize("layout", ["sarif", "junit"])
def test_the_command_writes_both(layout, monkeypatch, tmp_path, capsys) -> None:
    given = ("--format", layout, "--as-of", "2026-03-03T06:00:00Z")
    assert command(monkeypatch, *given) == 0
    shown = capsys.readouterr().out
    assert command(monkeypatch, *given, "--out", tmp_path / "f") == 0
    assert (tmp_path / "f").read_text(encoding="utf-8") == shown
    if layout == "junit":
        assert {suite.get("name") for suite in suites_of(shown)} == {"dn_consistency"}
    else:
        assert {r["properties"]["audit"] for r in run_of(json.loads(shown))["results"]} == {"dn_consistency"}
        assert (
            command(monkeypatch, "--format", "sarif", "--as-of", "2026-03-04", "--out", tmp_path / "f") == 0
        )
        assert set(states(json.loads((tmp_path / "f").read_text())["runs"][0]).values()) == {"unchanged"}


def test_a_log_of_another_list_is_no_time_before(monkeypatch, tmp_path, capsys) -> None:
    out, given = tmp_path / "f", ("--format", "sarif", "--as-of", "2026-03-03T06:00:00Z")
    assert command(monkeypatch, *given, "--out", out) == 0
    log = json.loads(out.read_text())
    for number, result in enumerate(log["runs"][0]["results"]):
        result["properties"]["operator_id"] = f"9{number:08}"
        result["partialFingerprints"][KEY] = f"other-{number}"
    out.write_text(json.dumps(log))
    assert command(monkeypatch, *given, "--out", out) == 0
    assert set(states(json.loads(out.read_text())["runs"][0]).values()) == {""}
    assert f"{out} was of another list" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "{}", '{"runs": [{"results": []}]}', '{"runs": [{}, {}]}', "[1]"])
def test_another_file_is_not_taken_for_the_time_before(content, monkeypatch, tmp_path, capsys) -> None:
    out = tmp_path / "f.sarif"
    out.write_text(content)
    assert command(monkeypatch, "--format", "sarif", "--out", out) == 2
    assert "is no SARIF log of this program. Remove it, or write elsewhere" in capsys.readouterr().err
    assert out.read_text() == content
