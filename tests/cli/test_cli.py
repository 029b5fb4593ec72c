"""The command line: words, statuses, one clear line when something is wrong; is a name listed?"""

import io
import json
import os
import pty
import random
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from commands import ran
from conftest import CATALOGUE, REAL, toml
from made_up import xml_of

from mssante_audit import audits
from mssante_audit.audits import audit_all
from mssante_audit.base.errors import ParameterError
from mssante_audit.cli import main as cli
from mssante_audit.findings import registry
from mssante_audit.findings.catalogue import CHECKS
from mssante_audit.findings.registry import Audit, catalogue
from mssante_audit.network.methods import METHODS
from mssante_audit.report import run as report
from mssante_audit.report.execute import Failure
from mssante_audit.report.results import Results
from mssante_audit.report.run import Outcome, ReportsRun
from mssante_audit.space.trust import load_space
from mssante_audit.values.person import mask
from mssante_audit.verdicts.domains import domains
from mssante_audit.whitelist.load import doubts
from mssante_audit.whitelist.search import check, search
from mssante_audit.whitelist.signature import Verdict

CASES = toml("cli/commands")
FILES = Path(__file__).parents[1] / "files"
PROGRAM = (sys.executable, "-m", "mssante_audit")
AS_OF = "2026-03-03T06:00:00Z"
LIST = "listeblanchemssante.xml.gz"
ALONE = ("--as-of", AS_OF, "--data", CATALOGUE / LIST, "--anchors", CATALOGUE / "anchors")
"""The sample's list and nothing beside it, of which every command makes its answer sooner."""


@pytest.fixture(scope="module")
def space():
    return load_space(CATALOGUE / LIST, as_of=AS_OF, anchors=[CATALOGUE / "anchors"])


def test_version(run):
    assert run("--version")[:2] == (0, f"mssante-audit {version('mssante-audit')}\n")


@pytest.mark.parametrize("line", CASES["usage"])
def test_bad_usage_is_status_2(run, line):
    status, out, err = run(*line.split())
    assert (status, out) == (2, "")
    assert "Usage: mssante-audit" in err


@pytest.mark.parametrize(("arguments", "line"), CASES["wrong"])
def test_what_is_wrong_is_one_line_and_status_2(run, arguments, line):
    status, out, err = run(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"mssante-audit: {line}")


@pytest.mark.parametrize(("verb", "command"), [(verb, c) for verb, *each in CASES["paths"] for c in each])
def test_a_path_that_no_file_can_have_is_one_line_and_status_2(run, verb, command):
    status, out, err = run(*command.split(), "é" * 300)
    assert (status, out, err.count("\n"), f"cannot be {verb}" in err) == (2, "", 1, True)


def test_a_line_cannot_steer_the_terminal(run):
    _, _, err = run("report", "\x1b[2J\u202eevil\nmssante-audit: all is well")
    assert "b[2J" in err
    assert [err.count(sign) for sign in ("\x1b", "\u202e", "\n")] == [0, 0, 1]


def test_debug_shows_the_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["mssante-audit", "--debug", "rules", "NOTHING"])
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(LookupError):
        cli.main()
    signal.signal(signal.SIGTERM, before)


def listed(file: str) -> Path:
    return CATALOGUE / file.replace("LIST", LIST)


@pytest.mark.parametrize(("file", "anchors", "more", "verdict", "status"), CASES["verify"])
def test_the_first_word_is_the_verdict(run, file, anchors, more, verdict, status):
    trusted = ("--anchors", CATALOGUE / "anchors") if anchors else ()
    got, out, _ = run("verify", listed(file), *trusted, *more.split())
    assert (got, out.split()[0]) == (status, verdict)
    assert not more or "validated at: 2040-01-01T00:00:00Z" in out


def test_a_verdict_tells_who_and_when(run):
    _, out, _ = run("verify", CATALOGUE / LIST, "--anchors", CATALOGUE / "anchors")
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


def test_findings_as_csv_and_json_are_the_same(run):
    status, out, _ = run("findings", "dn_consistency", *ALONE)
    table = pd.read_csv(io.StringIO(out), keep_default_na=False)
    records = json.loads(run("findings", "dn_consistency", *ALONE, "--format", "json")[1])
    assert (status, len(records)) == (0, len(table))
    assert table["rule"].tolist() == [r["rule"] for r in records]
    assert all(isinstance(r["rows"], list) and r["facts"] and r["subject"] for r in records)
    assert not {"rows", "facts", "subject"} & set(table)


def test_a_rule_that_cannot_be_evaluated_costs_the_others_nothing_and_status_is_3(run, monkeypatch, tmp_path):
    def broken(_):
        raise KeyError("x")

    audit = Audit("broken", "Broken", (), broken)
    monkeypatch.setitem(registry.registered, audit.name, audit)
    status, out, _ = run("findings", "all", *ALONE)
    assert (status, "AUDIT_RULE_FAILED" in out, "DN_ID_LUHN" in out) == (3, True, True)
    assert run("findings", "all", *ALONE, "--out", tmp_path / "a.csv")[0] == 3
    assert (tmp_path / "a.csv").read_text(encoding="utf-8-sig") == out
    results = Results("broken", audits.audit("broken", load_space(CATALOGUE / LIST)), {})
    assert ReportsRun(tmp_path, (Outcome("broken", "Broken", results),)).exit_status() == 3


def test_information_and_hints_are_left_out_unless_asked_for(run, tmp_path, space):
    findings = audits.audit_all(space)
    away = findings[(findings["severity"] == "info") | (findings["confidence"] == "hint")]
    assert {"info", "warning"} <= set(away["severity"])  # hints are warnings, too
    for asked, left in (((), away["fingerprint"]), (("--all",), away["fingerprint"].head(0))):
        status, out, err = run("findings", "all", *asked, *ALONE, "--format", "json")
        prints = [record["fingerprint"] for record in json.loads(out)]
        assert status == 0
        assert prints == findings.loc[~findings["fingerprint"].isin(left), "fingerprint"].tolist()
        assert (f"{len(left)} findings left out" in err) == bool(len(left))
    _, out, err = run("findings", "all", *ALONE, "--format", "sarif")
    assert "left out" not in err
    assert out.count('"ruleId"') == len(findings), "what is not in it is fixed"
    results = Results("all", away[away["severity"] == "info"], {})
    assert ReportsRun(tmp_path, (Outcome("all", "All", results),)).exit_status("info") == 1


def test_findings_of_an_operator_and_with_thresholds(run):
    everything = json.loads(run("findings", "all", "--all", *ALONE, "--format", "json")[1])
    owner = next(r["operator_id"] for r in everything if r["operator_id"])
    findings = json.loads(run("findings", "all", "--all", *ALONE, "--format", "json", "--operator", owner)[1])
    assert 0 < len(findings) < len(everything)
    strict = run("findings", "dn_consistency", "--all", *ALONE, "-p", "concentration_min=2")[1]
    assert strict.count("DN_CONCENTRATION") > sum(r["rule"] == "DN_CONCENTRATION" for r in everything)


def test_contacts_are_shown_only_on_request(run):
    masked = run("findings", "stale_contacts", *ALONE, "--contacts", "none")[1]
    shown = run("findings", "stale_contacts", *ALONE, "--contacts", "all")[1]
    assert "•••" in masked
    assert not re.search(r"\d\d \d\d \d\d \d\d", masked)
    assert re.search(r"\d\d \d\d \d\d \d\d", shown)


def test_a_damaged_list_needs_to_be_asked_for(run):
    path = CATALOGUE / "variants" / "truncated.xml"
    status, _, err = run("findings", "all", "--data", path)
    assert (status, "--recover" in err) == (2, True)
    status, out, _ = run("findings", "all", "--data", path, "--recover", "--as-of", AS_OF)
    assert (status, "LIST_DAMAGED" in out) == (0, True)


def test_rules(run):
    status, out, _ = run("rules")
    assert (status, [line.split()[0] for line in out.splitlines()]) == (0, list(catalogue()))
    shown = run("rules", "DN_ID_LUHN")[1]
    fields = [words in shown for words in ("remedy_fr: ", "observed_fr: {{ kind", "expected_fr")]
    assert fields == [True, True, False]  # there is none expected
    assert json.loads(run("rules", "DN_ID_LUHN", "--format", "json")[1])["code"] == "DN_ID_LUHN"
    assert len(json.loads(run("rules", "--format", "json")[1])) == len(catalogue())


def test_check(run, space):
    entry = next(space.audited.itertuples())
    status, out, _ = run("check", f"Zoé <zoe@{entry.domain}>", *ALONE)
    assert (status, out.startswith(f"listed: {entry.domain} ")) == (0, True)
    for words in (entry.operator, f"support: {mask(entry.support_contact, services=True)}", "\nfindings: "):
        assert words in out
    for name, words in (
        (f"smtp.{entry.domain}", "does not make a sub-domain listed"),
        (entry.domain.upper(), f"not letter for letter the same: '{entry.domain}'"),
        (f"{entry.domain[:-11]}x.mssante.fr", f"near: {entry.domain}"),
        ("nothing.invalid", "not listed: nothing.invalid"),
        (entry.description, f"like it: {entry.domain} ("),
    ):
        status, out, _ = run("check", name, *ALONE)
        assert (status, out.split(":")[0], words in out) == (1, "not listed", True)
    status, out, _ = run("check", entry.domain, *ALONE, "--contacts", "all")
    assert f"support: {entry.support_contact}" in out


def test_no_text_of_a_list_adds_a_line_to_the_answer(run, tmp_path):
    forged, (file, listed) = "CH Rêvé\nlisted: x", (tmp_path / "a.xml", "ch-reve.mssante.fr")
    contacts = {"project_contact": forged, "support_contact": forged}
    names = {"domain": listed, "description": forged, **contacts}, {"domain": "ch-b.mssante.fr\nlisted: x"}
    file.write_bytes(xml_of(*names))
    for name in (listed, "reve", "ch-c.mssante.fr"):
        out = run("check", name, "--data", file)[1]
        assert ("\nlisted: x" in out, r"\nlisted: x" in out) == (False, name != listed)


@pytest.mark.parametrize(("file", "words"), CASES["verified"])
def test_who_reads_french_is_told_of_a_signature_in_french(run, monkeypatch, file, words):
    monkeypatch.setenv("LANG", "fr_FR.UTF-8")
    name, *more = file.split()
    out = run("verify", listed(name), "--anchors", CATALOGUE / "anchors", *more)[1]
    lines = " ".join(out.translate({0xA0: " ", 0x202F: " "}).splitlines())
    for word in words:
        assert word in lines
    assert not {"why", "the", "is", "of", "not", "rows", "file"} & {*lines.split()}


@pytest.mark.parametrize(("text", "words"), CASES["refused"])
def test_who_reads_french_is_told_in_french_why_settings_are_refused(run, monkeypatch, tmp_path, text, words):
    monkeypatch.setenv("LANG", "fr_FR.UTF-8")
    (tmp_path / "audit.toml").write_text(text)
    status, out, err = run("run", "--config", tmp_path / "audit.toml")
    assert (status, out, err) == (2, "", f"mssante-audit: {tmp_path}/audit.toml, ligne {words}\n")


@pytest.mark.parametrize(("is_listed", "file", "more", "why"), CASES["doubts"])
def test_check_says_first_that_a_list_is_not_to_be_relied_on(run, space, is_listed, file, more, why):
    name = space.audited["domain"].iloc[0] if is_listed else "x.invalid"
    status, out, _ = run("check", name, *(("--data", listed(file)) if file else ()), *more.split())
    first, second, *_ = out.splitlines()
    assert (status, first.startswith("not to be relied on: "), why in first) == (4, True, True)
    assert second.startswith("listed: " if is_listed else "not listed: ")
    # What could not be read is not said not to be there.
    assert ("may be in the part of the list that could not be read" in out) == ("damaged" in why)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("fr", "la fin manque\u00a0; la liste n’est pas signée"),
        ("en", "its end is missing; the list has no signature"),
    ],
)
def test_check_parts_doubts_as_a_language_does(run, language, words):
    out = run("check", "x.invalid", "--data", listed("variants/truncated.xml"), "--lang", language)[1]
    assert words in out.splitlines()[0].replace("\u202f", "\u00a0")


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


def test_fail_on_and_failure_are_told_by_the_status(run, monkeypatch, space):
    results, strict = Results("overview", audits.audit_all(space), {}), ("--fail-on", "warning")
    failed = "overview: FAILED in 1.3 s, ValueError: •••; partial: reports/failed/overview.html"
    for failure, words, expected, line in (
        (None, (), 0, ""),
        (None, strict, 1, f"{results.by_severity['error']} error, "),
        (Failure("ValueError", "•••", 2), strict, 3, failed),
    ):
        outcome = Outcome("overview", "Vue", results, failure, "", {"run": 1.24, "convert": 0.1})

        def run_reports(_, *, out, listener, outcome=outcome, **__):
            listener("overview", 1, 2, None)
            listener("overview", 1, 1, outcome)
            return ReportsRun(out, (outcome,))

        monkeypatch.setattr(report, "run_reports", run_reports)
        status, out, _ = run("report", *words)
        assert (status, line in out) == (expected, True)


def test_a_bar_on_a_terminal_and_plain_lines_elsewhere(tmp_path):
    ours, theirs = pty.openpty()
    words = [*PROGRAM, "report", FILES / "plain.ipynb", "--out", tmp_path]
    terminal = {**os.environ, "TERM": "xterm"}
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=theirs, text=True, check=True, env=terminal)
    os.close(theirs)
    bar = os.read(ours, 100_000).decode()
    os.close(ours)
    assert ("\x1b[" in bar, "plain" in bar) == (True, True)
    assert re.fullmatch(r"plain: done in [\d.]+ s, nothing recorded: \S+\nindex: \S+\n", done.stdout)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_output_that_cannot_be_written_is_told_and_a_reader_that_leaves_early_is_no_error():
    rules = f"{' '.join(PROGRAM)} rules"
    line = "mssante-audit: standard output: cannot be written: No space left on device\n"
    assert ran("sh", "-c", f"{rules} > /dev/full") == (2, "", line)
    assert ran("sh", "-c", f"{rules} >&-") == (2, "", "mssante-audit: standard output: is closed\n")
    assert ran("sh", "-c", f"{rules} NOTHING 2>&-") == (2, "", "")
    latin = ran("sh", "-c", f"PYTHONIOENCODING=ascii {' '.join(PROGRAM)} domains --help")
    assert (latin.returncode, "--as-of" in latin.stdout) == (0, True)
    done = ran("bash", "-o", "pipefail", "-c", f"{rules} | head -n 1")
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_methods_in_csv_json_and_parquet_say_the_same(run, tmp_path):
    asked = ("methods", "--as-of", AS_OF)
    rows = pd.read_csv(io.StringIO(run(*asked)[1]), keep_default_na=False)
    records = json.loads(run(*asked, "--format", "json")[1])
    assert [*rows] == ["domain", "method", "cut", "declared", "observed_at", "why"]
    same = ["domain", "method", "declared"]
    assert rows[same].to_dict("records") == [{name: r[name] for name in same} for r in records]
    assert len({r["domain"] for r in records}) == len(records) > 75
    assert {r["method"] for r in records} == set(METHODS)
    assert {r["declared"] for r in records} == {"", "delegation", "redirection", "withdrawal"}
    assert all(r["why"] for r in records if r["method"] == "unknown")
    run(*asked, "--format", "parquet", "--out", tmp_path / "methods.parquet")
    facts = pd.read_parquet(tmp_path / "methods.parquet")["facts"]
    assert [json.loads(text) for text in facts] == [r["facts"] for r in records]
    (tmp_path / LIST).write_bytes((CATALOGUE / LIST).read_bytes())
    assert "no observation" in run("methods", "--data", tmp_path)[2]


NAMES = toml("cli/check")
LISTED = ["ch-alpha.mssante.fr", "ch-beta.mssante.fr", "chirurgie@ch-gamma.mssante.fr", "ch-delta.example"]


@pytest.mark.parametrize(
    ("text", "listed", "parent", "respelt", "near"), [*NAMES["answers"], ("x" * 4000, False, "", "", "*")]
)
def test_a_name_is_listed_letter_for_letter_or_what_is_near_is_told(text, listed, parent, respelt, near):
    answer = check(text, LISTED)
    assert (answer.listed, answer.parent or "", answer.respelt or "") == (listed, parent, respelt)
    assert near in ("*", "".join(answer.near[:1]))


def test_five_thousand_names_take_no_time():
    dice = random.Random(0)
    letters = "abcdefghilmnoprstuv-"
    names = [f"{''.join(dice.choices(letters, k=dice.randint(6, 30)))}.mssante.fr" for _ in range(5000)]
    begin = time.process_time()
    assert check(f"{names[7][:-11]}x.mssante.fr", names).near[0] == names[7]
    assert time.process_time() - begin < 1


@pytest.mark.parametrize(("files", "options", "words"), NAMES["french"])
def test_who_reads_french_is_told_so_of_files_and_values(run, tmp_path, monkeypatch, files, options, words):
    monkeypatch.chdir(tmp_path)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    if "LIST" in files:
        (tmp_path / LIST).write_bytes((CATALOGUE / LIST).read_bytes())
    name = "ch-fortirreel.mssante.fr"
    status, out, err = run("check", name, "--data", tmp_path, *options.split(), "--lang", "fr")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert words in err


@pytest.mark.parametrize("text", NAMES["refused"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ParameterError, match="is no address"):
        check(text, LISTED)


@pytest.fixture(scope="module")
def entries():
    names = [f"ch-{n}.mssante.fr" for n in range(60)]
    rows = [(name, f"CH {n}", "HOPITAUX FICTIFS") for n, name in enumerate(names)]
    rows += [
        ("chu-valombre.mssante.fr", "CHU de Valombre – Hôpital Saint-Éloi", "CHU VALOMBRE"),
        ("ehpad-valombre.mssante.fr", "EHPAD Les Tilleuls", "CCAS DE VALOMBRE"),
        ("chu-valombre.mssante.fr", "une autre ligne", "AUTRE"),
    ]
    frame = pd.DataFrame(rows, columns=["domain", "description", "operator"], dtype="str")
    return frame.assign(operator_id="1", department="99")


@pytest.mark.parametrize(("words", "near"), [*NAMES["words"], ("x" * 100_000, [])])
def test_words_find_the_domains_that_resemble_them(entries, words, near):
    assert search(entries, words, len(near) or 10)["domain"].tolist() == near


def test_every_row_every_name_and_the_identifier_of_an_operator_count(entries):
    near = search(entries.assign(finess=["", *["999999999"] * (len(entries) - 1)]), "hôpital de Valombre")
    assert near["domain"].tolist()[0] == "chu-valombre.mssante.fr"
    numbered = entries.assign(finess=["999900001", *[""] * (len(entries) - 1)])
    assert search(numbered, "999900001")["domain"].tolist() == [entries["domain"].iloc[0]]
    (row,) = search(entries, "une autre ligne").to_dict("records")
    assert (row["domain"], row["operator"]) == ("chu-valombre.mssante.fr", "CHU VALOMBRE")  # its first row
    few = search(entries, "fictifs", limit=3)
    assert few.columns.tolist() == ["domain", "description", "operator", "operator_id", "department"]
    assert len(few) == 3


NOW = datetime(2026, 3, 3, 6, tzinfo=UTC)


@pytest.mark.parametrize(("status", "days", "more", "expected"), NAMES["doubts"])
def test_a_list_is_relied_on_if_it_is_signed_whole_and_recent(status, days, more, expected):
    generated = more.get("generated_at", NOW - timedelta(days)) or None
    whole = {"damaged": "damaged" in more, "damage_kinds": (), "generated_at": generated}
    listed = SimpleNamespace(signature=Verdict(status, ""), **whole)
    assert doubts(listed, NOW, timedelta(7)) == expected
    # Without a time age does not count.
    assert doubts(listed) == [doubt for doubt in expected if doubt not in ("old", "future", "undated")]


def test_both_answers_of_a_domain_are_told_with_why_and_what_every_one_ends_with_offers_none(run):
    out = run("check", "ch-fortirreel.mssante.fr", "--as-of", AS_OF)[1]
    assert "\narrives: no. DNS: no server answers for the zone." in out
    assert "\nin order: " in out
    for name in ("nulle-part.mssante.fr", "x.example"):
        out = run("check", name, *ALONE)[1]
        assert (out.startswith("not listed: "), "like it" in out) == (True, False)


def test_a_program_is_told_the_same(run, sample_space):
    name = "ch-fortirreel.mssante.fr"
    status, out, _ = run("check", name, "--format", "json", "--as-of", AS_OF)
    answer = json.loads(out)
    row = domains(sample_space).set_index("domain").loc[name]
    assert (status, answer["listed"], answer["arrives"], answer["order"]) == (0, True, "no", row["order"])
    assert answer["checks"] == {check: row[check] for check in CHECKS}
    assert answer["operator"]["id"] == row["operator_id"]
    findings = audit_all(sample_space)
    assert {f["rule"] for f in answer["findings"]} >= set(findings.loc[findings["domain"] == name, "rule"])
    (entry, *_) = sample_space.entries[sample_space.entries["domain"] == name].to_dict("records")
    assert answer["contacts"]["support"] == [mask(entry["support_contact"], services=True)]
    shown = json.loads(run("check", name, "--format", "json", "--contacts", "all", *ALONE)[1])
    assert entry["support_contact"] in shown["contacts"]["support"]


def test_of_what_is_not_listed_a_program_is_told_what_is_near(run):
    status, out, _ = run("check", "CH-fortirreel.mssante.fr", "--format", "json", *ALONE)
    answer = json.loads(out)
    assert (status, answer["listed"], answer["near"]) == (1, False, ["ch-fortirreel.mssante.fr"])
    assert (answer["arrives"], answer["order"], answer["operator"]) == ("unknown", "unknown", None)
    assert (answer["checks"], answer["findings"]) == ({}, [])
