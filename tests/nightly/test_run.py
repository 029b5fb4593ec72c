"""The nightly run from end to end: new and fixed, failures, locks, full disks; what cron mails."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import pandas as pd
import psutil
import pytest
from conftest import CATALOGUE, REAL, toml
from filelock import FileLock
from foreign import french, french_in
from lxml import html
from made_nights import AS_OF, SETTINGS, Place, customised, killed_after_audit

from mssante_audit import load_space
from mssante_audit.base.errors import AuditError, OutputError
from mssante_audit.findings.causes import asking
from mssante_audit.nightly.config import load_config
from mssante_audit.nightly.mail import COLUMNS
from mssante_audit.nightly.run import run

CASES = toml("nightly/settings")


def fits_a_mail(text: str) -> bool:
    lines = text.rstrip("\n").split("\n")
    return all(len(line) <= COLUMNS for line in lines if not line.startswith(("SITE", "LOG")))


def test_a_mail_says_first_what_is_new_and_what_is_fixed(two_nights):
    place, (first, before, _), (second, after, errors) = two_nights
    assert (first, second, errors) == (0, 0, "")
    assert before.startswith("MSSanté 3 February: 0 critical (first run), 146 unknown domains\nFIRST, ")
    assert "The next run will say what is new" in " ".join(before.split())
    head, *rest = after.splitlines()
    assert head == "MSSanté 3 March: 0 critical (0 new), 148 unknown domains; 1 other new"
    assert any(line.startswith("CALL ") for line in rest[:5])
    assert "Inputs well: white list (1 day) and archive (1 day)" in rest
    titles = re.findall("^(CRITICAL|NEW since 3 February 2026|FIXED): ", after, re.MULTILINE)
    assert titles == ["CRITICAL", "NEW since 3 February 2026", "FIXED"]
    assert (fits_a_mail(before), fits_a_mail(after)) == (True, True)
    assert (place.runs[-1] / "summary.txt").read_text(encoding="utf-8") == after


def test_mail_and_files_count_the_same(two_nights):
    place, _, (_, mail, _) = two_nights
    run = place.runs[-1]
    counts = r"^BETTER than on 3 February 2026: (\d+) new, (\d+) fixed, (\d+) open"
    ((new, fixed, still),) = (map(int, groups) for groups in re.findall(counts, mail, re.MULTILINE))
    frame = pd.read_csv(run / "findings.csv", encoding="utf-8-sig")
    asks = (frame["severity"] != "info") & (frame["confidence"] != "hint")
    assert frame[asks]["status"].value_counts().to_dict() == {"new": new, "open": still}
    absent = json.loads((run / "audit.json").read_text(encoding="utf-8"))["told"]["fixed"]
    assert len([finding for finding in absent if asking(finding["rule"])]) == fixed > 0
    facts = [json.loads(text) for text in pd.read_parquet(run / "findings.parquet")["facts"]]
    findings = json.loads((run / "findings.json").read_text(encoding="utf-8"))
    assert facts == [finding["facts"] for finding in findings]
    (log,) = json.loads((run / "findings.sarif").read_text(encoding="utf-8"))["runs"]
    states, counts = Counter(each["baselineState"] for each in log["results"]), frame["status"].value_counts()
    assert (states["new"], states["unchanged"]) == (counts["new"], counts["open"])
    assert states["absent"] > 0


def test_what_a_run_remembers_is_beside_it_and_earlier_sites_are_kept(two_nights):
    place = two_nights[0]
    names = sorted(path.name for path in (place.output / "state").iterdir())
    assert names == ["ledger.json", "log.jsonl", "metrics.prom", "run.json", "trend.json"]
    (scope,) = place.state("ledger.json").values()
    assert list(scope["runs"]) == ["2026-02-03T06:00:00+00:00", "2026-03-03T06:00:00+00:00"]
    assert [(run / "site" / "index.html").is_file() for run in place.runs] == [True, True]


def test_the_log_has_each_step_with_its_time_and_outcome(two_nights):
    place = two_nights[0]
    last = [record for record in place.log() if record["run"] == place.runs[-1].name]
    assert [record["event"] for record in last] == [
        "start", "fetch", "observe", "observe_tls", "audit", "mail", "reports", "dossiers", "site",
        "retention", "hook", "hook", "end",
    ]  # fmt: skip
    assert last[4]["outcome"] == "done"
    human = (place.runs[-1] / "log.txt").read_text(encoding="utf-8").splitlines()
    assert len(human) == len(last)
    assert re.search(r"Z  audit      done +\d+\.\d s  \d+ findings, 0 waived$", human[4])


@pytest.mark.long
def test_a_night_in_english_says_nothing_in_french(place, settings):
    dossiers = {"enabled": True, "operators": ["1679900001"], "own_contacts": False}
    reports = {"enabled": True, "names": ["stale_contacts"]}
    settings(lang="en", mail={"lang": ""}, reports=reports, dossiers=dossiers)
    status, out, _ = place.play()
    assert (status, french(out.splitlines())) == (0, [])
    run = place.runs[-1]
    pages = [*run.rglob("*.html")]
    assert {"dossiers", "reports", "site"} <= {page.parent.name for page in pages}
    assert {str(page): words for page in pages if (words := french_in(page))} == {}
    assert {html.parse(str(page)).getroot().get("lang") for page in pages} == {"en"}
    assert french(pd.read_csv(run / "findings.csv", dtype="str")["observed"].dropna()) == []
    assert (run / "dossiers" / "1679900001.txt").read_text().startswith("Subject: MSSanté: ")


@pytest.mark.parametrize(("sections", "line"), CASES["unusable"])
def test_settings_that_cannot_be_used_are_one_line(place, settings, sections, line):
    (place.folder / "igc").mkdir()
    (place.folder / "igc" / "README.pem.txt").write_text("none yet")
    if "enabled" in sections.get("fetch", {}):
        (place.folder / "data" / "old.xml").write_text("<x/>")
    settings(**sections)
    with pytest.raises(AuditError) as caught:
        place.play()
    assert re.fullmatch(line, str(caught.value))
    assert not place.output.exists(), "nothing is run"


def test_a_site_that_is_not_ours_is_left_alone(place):
    place.site.mkdir(parents=True)
    (place.site / "mine.txt").write_text("mine")
    with pytest.raises(AuditError, match="is in the way"):
        place.play()
    assert (place.site / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("file", ["ledger.json", "trend.json"])
def test_a_state_file_that_is_a_link_is_refused_before_anything_is_done(place, file):
    (place.output / "state").mkdir(parents=True)
    elsewhere = place.folder / file
    elsewhere.write_text("{}")
    (place.output / "state" / file).symlink_to(elsewhere)
    with pytest.raises(OutputError, match="is a link"):
        place.play()
    assert elsewhere.read_text() == "{}"
    assert not (place.output / "runs").exists()


def test_without_network_the_last_good_list_is_audited_and_that_is_said(place, settings):
    nowhere = {"enabled": True, "url": "http://127.0.0.1:9/list.xml", "attempts": 1}
    nobody = {"parent_servers": ["ns.gestion.example=127.0.53.99"], "resolvers": ["127.0.53.99"]}
    nobody |= {"enabled": True, "timeout": 0.1, "retries": 0}
    settings(fetch=nowhere, observe=nobody)
    status, out, _ = place.play()
    assert status == 4
    failed = {step for step, outcome in place.outcomes().items() if outcome == "failed"}
    assert failed == {"fetch", "observe"}
    text = " ".join(out.split())
    assert text.startswith("MSSanté 3 March: 0 critical (first run), PARTLY BLIND: DNS")
    for words in (
        "FAILED fetch: http://127.0.0.1:9/list.xml: the connection failed",
        "FAILED observe: no server of mssante.fr answers",
        "LIST of 2 March 2026 at 05:30 UTC (not fetched now)",
        "STILL IN FORCE: the list of 2 March 2026 at 05:30 UTC (228 rows), audited now",
        "UNKNOWN observation of the DNS: the settings ask for one, and there is none",
    ):
        assert words in text
    assert fits_a_mail(out)
    assert (place.site / "index.html").is_file()


def test_the_last_good_site_stays_when_the_audit_fails(first_night, failed_night):
    place, (status, out, _) = failed_night
    assert status == 3
    assert out.startswith("MSSanté 3 March: BLIND: audit\nNo findings could be had.\n")
    assert re.search("FAILED audit: .*waivers.toml", " ".join(out.split()))
    assert place.outcomes()["site"] == "skipped"
    assert os.readlink(place.site) == os.readlink(first_night.site)
    assert ("(of an earlier run)" in out, fits_a_mail(out)) == (True, True)


def test_a_report_that_fails_is_said_and_the_site_is_made(place, settings):
    failing = str(Path(__file__).parents[1] / "files" / "failing.ipynb")
    plain = failing.replace("failing", "plain")
    settings(reports={"enabled": True, "names": [plain, failing]})
    status, out, _ = place.play(pages=False)
    assert (status, place.outcomes()["site"]) == (3, "done")
    assert "FAILED reports: 1 of 2 reports: failing (ValueError: " in out
    assert (place.runs[-1] / "reports" / "plain.html").is_file()


def test_a_step_that_takes_too_long_is_ended(place, settings):
    settings(deadlines={"audit": 0.05})
    status, out, _ = place.run()
    assert (status, "FAILED audit: not done after 0.05 s, and ended" in out) == (3, True)
    events = [entry["event"] for entry in place.log()]
    assert events.index("mail") < events.index("site"), "it is ready before the steps that are still to come"


def test_a_step_that_cannot_be_started_is_a_step_that_failed(place, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    night = run(load_config(place.folder / "audit.toml"), as_of=AS_OF)
    assert (night.exit_status, night.results["site"].outcome) == (3, "skipped")
    assert night.results["audit"].message == "it could not be started: no such file or directory"


HELD = """
import os, sys, time
state = ["free"]


def look(event, args):
    if state == ["free"] and (event, sys.orig_argv[-1]) == ({event!r}, {word!r}) and {name!r} in str(args[0]):
        state[:] = ["held"]
        with open({path!r} + ".tmp", "w") as file:
            file.write(str(os.getpid()))
        os.rename({path!r} + ".tmp", {path!r})
        try:
            time.sleep(300)
        except SystemExit:
            if {obeys}:
                raise


sys.addaudithook(look)
"""


@pytest.fixture
def held(tmp_path):
    """A function that starts a run and returns it, and its audit once that is held half-way."""

    def start(
        place, *, obeys: bool = True, event: str = "open", name: str = "ledger.json", word: str = "audit"
    ) -> tuple[subprocess.Popen[str], int]:
        """Start one whose audit hears that it is to end, or loses that as a callback of C code would.

        Held is the process whose last word is `word`, at an event of Python's with `name` in it.
        """
        path = tmp_path / "held.txt"
        text = HELD.format(path=str(path), obeys=obeys, event=event, name=name, word=word)
        holding = customised(tmp_path / "held", text)
        process = place.start("--as-of", AS_OF, fresh=True, **holding)
        while not path.exists():
            assert process.poll() is None
            time.sleep(0.02)
        return process, int(path.read_text())

    return start


@pytest.mark.long
def test_a_run_that_is_killed_while_its_settings_are_looked_at_leaves_no_process(place, held):
    process, checking = held(place, event="import", name="mssante_audit.nightly.faults", word=AS_OF)
    assert checking != process.pid
    left = [psutil.Process(checking)]
    process.kill()
    process.communicate(timeout=30)  # whoever is left would hold the pipes
    assert psutil.wait_procs(left, timeout=10)[1] == []
    assert not place.output.exists()


@pytest.mark.long
def test_a_step_that_is_killed_is_a_step_that_failed(place, held):
    """As when memory runs out: the kernel kills the one that takes most."""
    process, step = held(place)
    os.kill(step, signal.SIGKILL)
    out, _ = process.communicate(timeout=120)
    assert (process.returncode, "FAILED audit: it was killed, as when memory" in out) == (3, True)


FULL = """
import resource, sys
if not {steps} or "mssante_audit.nightly.steps" in sys.orig_argv:
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
"""
"""Files, or those of steps, find no room."""


@pytest.mark.long
@pytest.mark.parametrize("steps", [True, False], ids=["of the steps", "of the log too"])
def test_a_full_disk_is_said_the_last_good_site_stays_and_the_next_run_is_good(later, tmp_path, steps):
    shown, ledger = os.readlink(later.site), later.state("ledger.json")
    full = customised(tmp_path / "full", FULL.format(steps=steps))
    status, out, errors = later.run(fresh=True, **full)
    fault = r"\S+: cannot be written: file too large"
    if steps:
        assert (status, errors) == (3, "")
        assert re.search(f"FAILED audit: {fault}", " ".join(out.split()))
    else:
        assert (status, out) == (2, "")
        assert re.fullmatch(rf"mssante-audit: {fault}\. Free .+\n", errors)
    assert (os.readlink(later.site), later.state("ledger.json")) == (shown, ledger)
    status, out, _ = later.play(pages=False)
    assert (status, "gone on with" in out) == (0, not steps)
    assert os.readlink(later.site) != shown


def test_what_waits_for_the_steps_of_a_night_holds_none_of_their_libraries():
    code = "import sys, mssante_audit.cli.main, mssante_audit.nightly.run, mssante_audit.report.parameters\n"
    code += "print({'pandas', 'numpy', 'pyarrow', 'matplotlib'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_two_at_once_is_one_line_and_status_2(later):
    with FileLock(later.output / ".lock"):
        status, out, errors = later.run()
    assert (status, out) == (2, "")
    busy = r"mssante-audit: \S+output: another run is at work here\. Wait for it to end\n"
    assert re.fullmatch(busy, errors)


def test_too_few_files_for_a_run_is_one_line(later):
    few = subprocess.run(
        ["sh", "-c", 'ulimit -n 12; exec "$@"', "sh", *later.command("run")], cwd=later.folder,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    line = "mssante-audit: this machine cannot do more at once: Too many open files. Raise its limits ("
    assert (few.returncode, few.stderr.count("\n"), few.stderr[: len(line)]) == (3, 1, line)


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "status", "obeys"), [(signal.SIGINT, 130, True), (signal.SIGTERM, 143, False)]
)
def test_an_interrupted_run_leaves_no_process_and_is_gone_on_with(place, held, number, status, obeys):
    process, step = held(place, obeys=obeys)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == status
    assert not Path(f"/proc/{step}").exists()
    assert (place.runs[-1] / "ledger.json").exists() is not obeys, "the step that heard nothing went on"
    assert not (place.runs[-1] / "steps" / "audit.json").exists()
    again, out, _ = place.play(pages=False)
    assert (again, "gone on with" in out, len(place.runs)) == (0, True, 1)


def test_a_step_that_was_done_is_not_done_again(after_two):
    place = after_two
    first, run = place.runs[0], killed_after_audit(place.runs[1])
    audited = (run / "audit.json").stat().st_mtime_ns
    status, out, _ = place.play(pages=False)
    assert (status, place.runs, "gone on with" in out) == (0, [first, run], True)
    assert (run / "audit.json").stat().st_mtime_ns == audited


@pytest.mark.long
def test_what_a_night_finds_is_open_in_every_report_of_the_next(place, settings):
    for name in ("observations", "declarations.csv"):
        copied = copytree if (CATALOGUE / name).is_dir() else copy
        copied(CATALOGUE / name, place.folder / "data" / name)
    settings(reports={"enabled": True, "names": ["changes", "declarations", "overview"]})
    assert place.play(pages=False)[0] == 0
    assert all('"data": "data"' in scope for scope in place.state("ledger.json"))  # as 0.1 wrote it
    assert place.play("2026-03-04T06:00:00Z", pages=False)[0] == 0
    files = sorted((place.runs[-1] / "reports").glob("*.results.json"))
    results = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    counted = sum(report["counts"]["findings"] for report in results)
    assert (len(results), counted > 200) == (3, True)
    # The observation and some dates are a day older, which is all that is new.
    assert sum(report["since_previous"]["open"] for report in results) > 0.97 * counted


@pytest.mark.real
@pytest.mark.long
@pytest.mark.skipif(not REAL.is_dir(), reason="no real list beside the checkout (../shared/real)")
def test_a_real_list(place):
    off = {"enabled": False}
    place.settings({"data": {"folder": str(REAL)}, "mail": {"lang": "en"}, "reports": off, "dossiers": off})
    status, out, _ = place.play("2025-03-01", pages=False)
    assert status == 0
    assert "6,494 rows, signature valid" in " ".join(out.split())
    assert fits_a_mail(out)


def test_a_copy_of_the_sample_is_seen_as_it_is_until_one_list_is_another(tmp_path):
    made, data = Place(tmp_path), copytree(CATALOGUE, tmp_path / "data", ignore=ignore_patterns("variants"))
    made.settings(SETTINGS)
    _, out, _ = made.play("", pages=False)
    assert re.match("MSSanté 3 March: 1", out)
    assert "signature valid, a made-up example" in " ".join(out.split())
    copy(max((data / "archive").glob("*.gz")), data / "zz.XML.gz")  # by the same authority, and right
    space = load_space(data)
    assert (space.whitelist.signature.anchor, space.as_of > datetime.now(UTC) - timedelta(1)) == ("", True)
