"""The command line: words, statuses, and one clear line when something is wrong."""

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from conftest import CATALOGUE, REAL

from mssante_audit import audits
from mssante_audit.cli import main as cli
from mssante_audit.findings import registry
from mssante_audit.findings.registry import Audit, catalogue
from mssante_audit.report import run as report
from mssante_audit.report.execute import Failure
from mssante_audit.report.results import Results
from mssante_audit.report.run import Outcome, Run
from mssante_audit.space.trust import load_space
from mssante_audit.values.person import mask

FILES = Path(__file__).parents[1] / "files"
AS_OF = "2026-03-03T06:00:00Z"
LIST = "listeblanchemssante.xml.gz"
ALONE = ("--as-of", AS_OF, "--data", CATALOGUE / LIST, "--anchors", CATALOGUE / "anchors")
"""The sample's list and nothing beside it, of which every command makes its answer sooner."""


@pytest.fixture(scope="module")
def sample():
    return CATALOGUE


@pytest.fixture(scope="module")
def space():
    return load_space(CATALOGUE / LIST, as_of=AS_OF, anchors=[CATALOGUE / "anchors"])


# -- usage ----------------------------------------------------------------------------------------


def test_help_and_version(run):
    status, out, _ = run("--help")
    assert status == 0
    for command in ("report", "verify", "findings", "rules", "check", "sample"):
        assert command in out
    assert run("--version")[:2] == (0, f"mssante-audit {version('mssante-audit')}\n")


@pytest.mark.parametrize(
    "arguments",
    ["nothing", "report --fail-on bad", "verify", "findings", "findings all --format pdf",
     "sample x --seed many"],
)  # fmt: skip
def test_bad_usage_is_status_2(run, arguments):
    status, out, err = run(*arguments.split())
    assert (status, out) == (2, "")
    assert "Usage: mssante-audit" in err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["report", "nothing"], "no notebook 'nothing'. There are: "),
        (["report", "-p", "row_limit"], "'row_limit' is not name=value"),
        (["report", "-p", "row_limit=0"], "row_limit wants 1 to 1000000, not 0"),
        (["report", "-p", "colour=blue"], "no parameter 'colour'. There are: data, "),
        (["report", "--as-of", "soon"], "as_of: 'soon' is not a date. Write it as"),
        (["report", "--as-of", "2026-03-03", "-p", "as_of=2026-03-03"], "'as_of' is given twice"),
        (["report", "--data", "nowhere"], "nowhere: no such file or folder"),
        (["report", "--operator", "nobody"], "no operator 'nobody' in this list"),
        (["findings", "nothing"], "no audit 'nothing'. There are: whitelist_integrity, "),
        (["findings", "all", "--format", "xlsx"], "xlsx is not for the terminal. Name a file with --out"),
        (["findings", "all", "-p", "row_limit=3"], "row_limit is for reports. Here all rows are written"),
        (["rules", "NOTHING"], "no rule 'NOTHING'. "),
        (["check", " "], "nothing to look up"),
        (["check", "a@b@c.fr"], "'a@b@c.fr' is no address"),
        (["verify", "nowhere.xml"], "nowhere.xml: cannot be read"),
    ],
)
def test_what_is_wrong_is_one_line_and_status_2(run, arguments, line):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"mssante-audit: {line}")
    assert err.count("\n") == 1


def test_a_line_cannot_steer_the_terminal(run):
    _, _, err = run("report", "\x1b[2J\u202eevil\nmssante-audit: all is well")
    assert "\\u001b[2J" in err or "\\x1b[2J" in err
    assert "\x1b" not in err
    assert "\u202e" not in err
    assert err.count("\n") == 1


def test_debug_shows_the_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["mssante-audit", "--debug", "rules", "NOTHING"])
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(LookupError):
        cli.main()
    signal.signal(signal.SIGTERM, before)


# -- verify ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "more", "verdict", "status"),
    [
        (LIST, (), "valid", 0),
        (LIST, ("--at", "2040-01-01"), "valid-untrusted", 1),
        (LIST, None, "valid-untrusted", 1),  # without anchors
        ("variants/tampered.xml", (), "invalid", 1),
        ("variants/unsigned.xml", (), "absent", 1),
        ("variants/untrusted.xml", (), "valid-untrusted", 1),
        ("variants/wrong-purpose.xml", (), "valid-untrusted", 1),
        ("variants/truncated.xml", (), "invalid", 1),
        ("defects.csv", (), "invalid", 1),
    ],
)
def test_the_first_word_is_the_verdict(run, sample, file, more, verdict, status):
    given = () if more is None else ("--anchors", sample / "anchors", *more)
    got, out, _ = run("verify", sample / file, *given)
    assert (got, out.split()[0]) == (status, verdict)
    assert not more or "validated at: 2040-01-01T00:00:00Z" in out


def test_a_verdict_tells_who_and_when(run, sample):
    _, out, _ = run("verify", sample / LIST, "--anchors", sample / "anchors")
    lines = dict(line.split(": ", 1) for line in out.splitlines()[1:])
    assert lines["generated at"] == lines["validated at"] == "2026-03-02T05:30:00Z"
    covered, _, rows = lines["verified rows"].partition(" of ")
    assert covered == rows == str(len(load_space().entries))
    assert "valid when the list was made" in lines["validity"]


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="no real list beside the checkout (../shared/real)")
def test_the_real_list_is_valid(run):
    status, out, _ = run("verify", next(REAL.glob("*.gz")), "--anchors", REAL / "igc-sante")
    assert (status, out.split()[0]) == (0, "valid")
    assert "verified rows: 6494 of 6494" in out


# -- findings and rules ---------------------------------------------------------------------------


def test_findings_as_csv_and_json_are_the_same(run):
    status, out, _ = run("findings", "dn_consistency", *ALONE)
    table = pd.read_csv(io.StringIO(out), keep_default_na=False)
    records = json.loads(run("findings", "dn_consistency", *ALONE, "--format", "json")[1])
    assert status == 0
    assert len(records) == len(table) > 10
    assert table["rule"].tolist() == [r["rule"] for r in records]
    assert all(isinstance(r["rows"], list) for r in records)
    assert "rows" not in table
    assert all(r["facts"] and r["subject"] for r in records)
    assert not {"facts", "subject"} & set(table)


def test_a_rule_that_cannot_be_evaluated_costs_the_others_nothing_and_status_is_3(run, monkeypatch, tmp_path):
    def broken(_):
        raise KeyError("x")

    audit = Audit("broken", "Broken", (), broken)
    monkeypatch.setitem(registry.registered, audit.name, audit)
    status, out, _ = run("findings", "all", *ALONE)
    assert status == 3
    assert "AUDIT_RULE_FAILED" in out
    assert "DN_ID_LUHN" in out
    assert run("findings", "all", *ALONE, "--out", tmp_path / "a.csv")[0] == 3
    assert (tmp_path / "a.csv").read_text(encoding="utf-8-sig") == out
    results = Results("broken", audits.audit("broken", load_space(CATALOGUE / LIST)), {})
    assert Run(tmp_path, (Outcome("broken", "Broken", results),)).exit_status() == 3


def test_findings_into_files(run, tmp_path):
    for suffix in ("csv", "json", "xlsx"):
        path = tmp_path / f"a.{suffix}"
        asked = ("findings", "all", "--all", *ALONE, "--format", suffix, "--out", path)
        assert run(*asked)[:2] == (0, "")
    rows = len(pd.read_csv(tmp_path / "a.csv"))
    assert len(json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))) == rows
    assert openpyxl.load_workbook(tmp_path / "a.xlsx").active.max_row == rows + 1


def test_information_and_hints_are_left_out_unless_asked_for(run, tmp_path, space):
    found = audits.audit_all(space)
    away = found[(found["severity"] == "info") | (found["confidence"] == "hint")]
    assert {"info", "warning"} <= set(away["severity"])  # hints are warnings, too
    for asked, left in (((), away["fingerprint"]), (("--all",), away["fingerprint"].head(0))):
        status, out, err = run("findings", "all", *asked, *ALONE, "--format", "json")
        prints = [record["fingerprint"] for record in json.loads(out)]
        assert status == 0
        assert prints == found.loc[~found["fingerprint"].isin(left), "fingerprint"].tolist()
        assert (f"{len(left)} findings left out" in err) == bool(len(left))
    _, out, err = run("findings", "all", *ALONE, "--format", "sarif")
    assert "left out" not in err
    assert out.count('"ruleId"') == len(found), "what is not in it is fixed"
    results = Results("all", away[away["severity"] == "info"], {})
    assert Run(tmp_path, (Outcome("all", "All", results),)).exit_status("info") == 1


def test_findings_of_an_operator_and_with_thresholds(run):
    everything = json.loads(run("findings", "all", "--all", *ALONE, "--format", "json")[1])
    one = next(r["operator_id"] for r in everything if r["operator_id"])
    own = json.loads(run("findings", "all", "--all", *ALONE, "--format", "json", "--operator", one)[1])
    assert 0 < len(own) < len(everything)
    strict = run("findings", "dn_consistency", "--all", *ALONE, "-p", "concentration_min=2")[1]
    assert strict.count("DN_CONCENTRATION") > sum(r["rule"] == "DN_CONCENTRATION" for r in everything)


def test_contacts_are_shown_only_on_request(run):
    masked = run("findings", "stale_contacts", *ALONE, "--contacts", "none")[1]
    shown = run("findings", "stale_contacts", *ALONE, "--contacts", "all")[1]
    assert "•••" in masked
    assert not re.search(r"\d\d \d\d \d\d \d\d", masked)
    assert re.search(r"\d\d \d\d \d\d \d\d", shown)


def test_a_damaged_list_needs_to_be_asked_for(run, sample):
    path = sample / "variants" / "truncated.xml"
    status, _, err = run("findings", "all", "--data", path)
    assert (status, "--recover" in err) == (2, True)
    status, out, _ = run("findings", "all", "--data", path, "--recover", "--as-of", AS_OF)
    assert status == 0
    assert "LIST_DAMAGED" in out


def test_rules(run):
    status, out, _ = run("rules")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == list(catalogue())
    shown = run("rules", "DN_ID_LUHN")[1]
    assert "remedy_fr: " in shown
    assert "observed_fr: {{ kind" in shown
    assert "expected_fr" not in shown  # there is none
    assert json.loads(run("rules", "DN_ID_LUHN", "--format", "json")[1])["code"] == "DN_ID_LUHN"
    assert len(json.loads(run("rules", "--format", "json")[1])) == len(catalogue())


# -- check ----------------------------------------------------------------------------------------


def test_check(run, space):
    entry = next(space.audited.itertuples())
    status, out, _ = run("check", f"Zoé <zoe@{entry.domain}>", *ALONE)
    assert status == 0
    assert out.startswith(f"listed: {entry.domain} ")
    assert entry.operator in out
    assert f"support: {mask(entry.support_contact, services=True)}" in out
    assert "\nfindings: " in out
    for name, words in (
        (f"smtp.{entry.domain}", "does not make a sub-domain listed"),
        (entry.domain.upper(), f"not letter for letter the same: '{entry.domain}'"),
        (f"{entry.domain[:-11]}x.mssante.fr", f"near: {entry.domain}"),
        ("nothing.invalid", "not listed: nothing.invalid"),
        (entry.description, f"like it: {entry.domain} ("),
    ):
        status, out, _ = run("check", name, *ALONE)
        assert (status, out.split(":")[0]) == (1, "not listed")
        assert words in out
    status, out, _ = run("check", entry.domain, *ALONE, "--contacts", "all")
    assert f"support: {entry.support_contact}" in out


def test_check_parts_doubts_as_a_language_does(run, sample):
    cut = ("x.invalid", "--as-of", AS_OF, "--data", sample / "variants/truncated.xml", "--lang")
    doubts = {language: run("check", *cut, language)[1].splitlines()[0] for language in ("fr", "en")}
    assert "la fin manque\u00a0; la liste n’est pas signée" in doubts["fr"].replace("\u202f", "\u00a0")
    assert "its end is missing; the list has no signature" in doubts["en"]


@pytest.mark.parametrize(
    ("listed", "more", "why"),
    [
        (True, ["--as-of", "2026-04-03", "--data", LIST], "the list is too old"),
        (False, ["--as-of", "2026-02-03", "--data", LIST], "the list is of the future"),
        (True, ["--as-of", AS_OF, "--signer", "other"], "the list’s signer is not the one expected"),
        (False, ["--as-of", AS_OF, "--data", "variants/unsigned.xml"], "the list has no signature"),
        (True, ["--as-of", AS_OF, "--data", "variants/tampered.xml"], "the list’s signature is wrong"),
        (False, ["--as-of", AS_OF, "--data", "variants/truncated.xml"], "the list’s file is damaged"),
    ],
)
def test_check_says_first_that_a_list_is_not_to_be_relied_on(run, sample, space, listed, more, why):
    more = [sample / word if word.startswith("variants/") or word == LIST else word for word in more]
    name = space.audited["domain"].iloc[0] if listed else "x.invalid"
    status, out, _ = run("check", name, *more)
    assert status == 4
    assert out.startswith("not to be relied on: ")
    assert why in out.splitlines()[0]
    assert out.splitlines()[1].startswith("listed: " if listed else "not listed: ")
    # What could not be read is not said not to be there.
    assert ("may be in the part of the list that could not be read" in out) == ("damaged" in why)


# -- sample and report ----------------------------------------------------------------------------


def test_sample(run, tmp_path):
    status, out, _ = run("sample", tmp_path / "made")
    assert (status, out) == (0, f"sample: {tmp_path / 'made'}\n")
    assert (tmp_path / "made" / LIST).is_file()
    (tmp_path / "made" / LIST).write_bytes(b"changed")
    assert run("sample", tmp_path / "made")[0] == 2
    assert run("sample", tmp_path / "made", "--force")[0] == 0
    assert (tmp_path / "made" / LIST).read_bytes() == (CATALOGUE / LIST).read_bytes()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    assert run("sample", tmp_path / "other")[0] == 2


def made_up_run(monkeypatch, results=None, failure=None):
    """Let `report` get this outcome without running anything; return what it was asked for."""
    asked = {}

    def run_reports(names, **options):
        asked.update(options, names=names)
        outcome = Outcome("overview", "Vue", results, failure, "", {"run": 1.24, "convert": 0.1})
        options["listener"]("overview", 1, 2, None)
        options["listener"]("overview", 1, 1, outcome)
        return Run(options["out"], (outcome,))

    monkeypatch.setattr(report, "run_reports", run_reports)
    return asked


def test_fail_on_and_failure_are_told_by_the_status(run, monkeypatch, space):
    results = Results("overview", audits.audit_all(space), {})
    made_up_run(monkeypatch, results)
    assert run("report")[0] == 0
    status, out, _ = run("report", "--fail-on", "warning")
    assert status == 1
    assert f"{results.by_severity['error']} error, " in out
    made_up_run(monkeypatch, results, Failure("ValueError", "•••", 2))
    status, out, _ = run("report", "--fail-on", "warning")
    assert status == 3
    assert "overview: FAILED in 1.3 s, ValueError: •••; partial: reports/failed/overview.html" in out


def test_a_bar_on_a_terminal_and_plain_lines_elsewhere(tmp_path):
    ours, theirs = pty.openpty()
    arguments = ["report", FILES / "plain.ipynb", "--out", tmp_path]
    done = subprocess.run(
        [sys.executable, "-m", "mssante_audit", *map(str, arguments)], stdout=subprocess.PIPE, stderr=theirs,
        text=True, check=True, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    bar = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "\x1b[" in bar
    assert "plain" in bar
    assert "\x1b" not in done.stdout
    assert re.fullmatch(r"plain: done in [\d.]+ s, nothing recorded: \S+\nindex: \S+\n", done.stdout)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_output_that_cannot_be_written_is_told(run):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mssante_audit", "rules"], stdout=full, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "mssante-audit: standard output: cannot be written: No space left on device\n"


def test_a_reader_that_leaves_early_is_no_error():
    command = f"{sys.executable} -m mssante_audit rules | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
