"""The nightly run from end to end: new and fixed, failures, locks, full disks; what cron mails."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import psutil
import pytest
from filelock import FileLock
from foreign import french, french_in
from lxml import html
from made_nights import AS_OF, customised, killed_after_audit, rewrite

from mssante_audit.audits import audit_all
from mssante_audit.base.errors import AuditError
from mssante_audit.findings.causes import asking
from mssante_audit.nightly.config import load_config
from mssante_audit.nightly.mail import COLUMNS
from mssante_audit.nightly.run import run
from mssante_audit.space.trust import load_space
from mssante_audit.values.contacts import names_nobody

NOBODY = {"parent_servers": ["ns.gestion.example=127.0.53.99"], "resolvers": ["127.0.53.99"], "timeout": 0.1}


def fits_a_mail(text: str) -> bool:
    lines = text.rstrip("\n").split("\n")
    return all(len(line) <= COLUMNS for line in lines if not line.startswith(("SITE", "LOG")))


# -- six in the morning ---------------------------------------------------------------------------


def test_a_mail_says_first_what_is_new_and_what_is_fixed(two_nights):
    place, (first, before, _), (second, after, errors) = two_nights
    assert (first, second, errors) == (0, 0, "")
    assert before.startswith("MSSanté 3 February: 0 critical (first run), 146 unknown domains\nFIRST, ")
    assert "The next run will say what is new" in " ".join(before.split())
    head, *rest = after.splitlines()
    assert head == "MSSanté 3 March: 0 critical (0 new), 148 unknown domains; 1 other new"
    called = next(at for at, line in enumerate(rest) if line.startswith("CALL "))
    assert called < 5
    counts = r"BETTER than on 3 February 2026: (\d+) new, (\d+) fixed, (\d+) open"
    (counted,) = filter(None, (re.fullmatch(counts, line) for line in rest))
    assert "Inputs well: white list (1 day) and archive (1 day)" in rest
    fixed = json.loads((place.runs[-1] / "audit.json").read_text(encoding="utf-8"))["told"]["fixed"]
    asked = [one for one in fixed if asking(one["rule"])]
    assert len(asked) == int(counted[2]) <= len(fixed)
    named = "(CRITICAL|NEW since 3 February 2026|FIXED): "
    titles = [line for line in rest if re.match(named, line)]
    assert [line.split(":")[0] for line in titles] == ["CRITICAL", "NEW since 3 February 2026", "FIXED"]
    assert fits_a_mail(before)
    assert fits_a_mail(after)
    frame = pd.read_csv(place.runs[-1] / "findings.csv", encoding="utf-8-sig")
    asks = (frame["severity"] != "info") & (frame["confidence"] != "hint")
    told = frame[asks]["status"].value_counts()
    assert (told["new"], told["open"]) == (int(counted[1]), int(counted[3]))
    assert int(counted[1]) > 0
    facts = [json.loads(text) for text in pd.read_parquet(place.runs[-1] / "findings.parquet")["facts"]]
    findings = json.loads((place.runs[-1] / "findings.json").read_text(encoding="utf-8"))
    assert facts == [one["facts"] for one in findings]
    assert any(facts)
    (log,) = json.loads((place.runs[-1] / "findings.sarif").read_text(encoding="utf-8"))["runs"]
    states = Counter(result.get("baselineState") for result in log["results"])
    counts = frame["status"].value_counts()
    assert (states["new"], states["unchanged"]) == (counts["new"], counts["open"])
    assert states["absent"] > 0
    assert (place.runs[-1] / "summary.txt").read_text(encoding="utf-8") == after


def test_the_site_shown_is_the_last_one_and_earlier_ones_are_kept(two_nights):
    place = two_nights[0]
    assert os.readlink(place.site) == f"runs/{place.runs[-1].name}/site"
    assert "</html>" in (place.site / "index.html").read_text(encoding="utf-8")
    assert [(run / "site" / "index.html").is_file() for run in place.runs] == [True, True]


def test_what_a_run_remembers_is_beside_it(two_nights):
    place = two_nights[0]
    assert {path.name for path in place.output.iterdir()} == {".lock", "runs", "site", "state"}
    assert sorted(path.name for path in (place.output / "state").iterdir()) == [
        "ledger.json", "log.jsonl", "metrics.prom", "run.json", "trend.json",
    ]  # fmt: skip
    (scope,) = place.state("ledger.json").values()
    assert list(scope["runs"]) == ["2026-02-03T06:00:00+00:00", "2026-03-03T06:00:00+00:00"]


def test_the_log_has_each_step_with_its_time_and_outcome(two_nights):
    place = two_nights[0]
    last = [record for record in place.log() if record["run"] == place.runs[-1].name]
    assert [record["event"] for record in last] == [
        "start", "fetch", "observe", "observe_tls", "audit", "mail", "reports", "dossiers", "site",
        "retention", "hook", "hook", "end",
    ]  # fmt: skip
    (audit,) = [record for record in last if record["event"] == "audit"]
    assert audit["outcome"] == "done"
    assert 0 < audit["seconds"] < 120
    human = (place.runs[-1] / "log.txt").read_text(encoding="utf-8").splitlines()
    assert len(human) == len(last)
    assert re.search(r"Z  audit      done +\d+\.\d s  \d+ findings, 0 waived$", human[4])
    assert place.state("run.json")["exit_status"] == 0


def test_contacts_are_masked_unless_the_settings_say_otherwise(two_nights):
    place = two_nights[0]
    text = "".join(
        path.read_text(encoding="utf-8", errors="replace")
        for path in place.runs[-1].rglob("*")
        if path.suffix in (".json", ".csv", ".html", ".txt")
    )
    # In the sample every address is one of these: shown are those that name nobody.
    assert [email for email in re.findall(r"[\w.]+@[\w-]+\.example", text) if not names_nobody(email)] == []


@pytest.mark.long
def test_a_night_in_english_says_nothing_in_french(place, settings):
    settings(
        lang="en",
        mail={"lang": ""},
        reports={"enabled": True, "names": ["stale_contacts"]},
        dossiers={"enabled": True, "operators": ["1679900001"], "own_contacts": False},
    )
    status, out, _ = place.play()
    assert status == 0
    assert french(out.splitlines()) == []
    pages = [*place.runs[-1].rglob("*.html")]
    assert {"dossiers", "reports", "site"} <= {page.parent.name for page in pages}
    assert {str(page): told for page in pages if (told := french_in(page))} == {}
    assert {html.parse(str(page)).getroot().get("lang") for page in pages} == {"en"}
    found = pd.read_csv(place.runs[-1] / "findings.csv", dtype="str").fillna("")
    data = load_space(place.folder / "data", anchors=[place.folder / "data" / "anchors"], as_of=AS_OF)
    told = audit_all(data, language="en").set_index("fingerprint")["observed"]
    assert found["observed"].tolist() == told[found["fingerprint"]].tolist()
    letter = (place.runs[-1] / "dossiers" / "1679900001.txt").read_text()
    assert letter.startswith("Subject: MSSanté: ")


# -- exit status ----------------------------------------------------------------------------------


TLS = {"enabled": True, "client_certificate": "none.pem", "client_key": "none.key"}
MAIL = {"server": "127.0.0.1", "sender": "a@b.example", "recipients": ["c@d.example"]}
NO_CERTIFICATE = r"\S+igc: no certificate here\. Give a PEM, DER or PKCS #7 file, or a folder of them"


@pytest.mark.parametrize(
    ("sections", "line"),
    [
        ({"data": {"folder": "nowhere"}}, r"\S+nowhere: no such data folder\. Put .+"),
        ({"data": {"anchors": ["none.pem"]}}, r"\S+none\.pem: no such certificates"),
        ({"reports": {"names": ["overwiev"]}}, r"reports\.names: no report 'overwiev'\. Nearest: overview"),
        ({"reports": {"region": "Bretagn"}}, r"\[reports\] no region 'Bretagn'\. Near: Bretagne"),
        ({"dossiers": {"department": "99"}}, r"\[dossiers\] no département '99'\. Write .+"),
        ({"output": {"folder": "data"}}, r"\S+data: is both data and output folder\. Set output\.folder"),
        ({"observe": {"enabled": True, "resolvers": ["x"]}}, r"\[observe\] 'x' is not an address\. Give .+"),
        ({"dossiers": {"jobs": -1}}, r"\S+audit\.toml, line \d+: dossiers\.jobs wants 1 to 1024, not -1"),
        ({"observe_tls": TLS}, r"\[observe_tls\] the client's certificate cannot be used.*"),
        ({"mail": {"server": "mx.example"}}, r".* but no sender or no recipients"),
        (
            {"mail": MAIL | {"server": "mx.example", "tls": "none"}},
            r".* to mx\.example without TLS\. tls = .+",
        ),
        ({"mail": MAIL | {"user": "zoe"}}, r".* a user without a password, or the other way round"),
        ({"webhook": {"token": "env:TOKEN"}}, r"\[webhook\] names a token, but no address"),
        *(({part: {"ca_bundle": "igc"}}, NO_CERTIFICATE) for part in ("fetch", "mail", "webhook")),
    ],
)
def test_settings_that_cannot_be_used_are_one_line(place, settings, sections, line):
    (place.folder / "igc").mkdir()
    (place.folder / "igc" / "README.pem.txt").write_text("none yet")
    settings(**sections)
    with pytest.raises(AuditError) as caught:
        place.play()
    assert re.fullmatch(line, str(caught.value))


def test_a_list_that_would_hide_those_fetched_is_refused_and_nothing_is_run(place, settings):
    (place.folder / "data" / "old.xml").write_text("<x/>")
    settings(fetch={"enabled": True, "url": "http://127.0.0.1:9/list.xml", "attempts": 1})
    status, out, errors = place.run()
    assert (status, out) == (2, "")
    assert re.fullmatch(
        r"mssante-audit: \S+old\.xml: would be audited instead of the lists fetched\. Keep it .+\n", errors
    )
    assert not place.output.exists()


def test_a_site_that_is_not_ours_is_left_alone(place):
    place.site.mkdir(parents=True)
    (place.site / "mine.txt").write_text("mine")
    with pytest.raises(AuditError, match="is in the way"):
        place.play()
    assert (place.site / "mine.txt").read_text() == "mine"


# -- steps that fail ------------------------------------------------------------------------------


def test_without_network_the_last_good_list_is_audited_and_that_is_said(place, settings):
    settings(
        fetch={"enabled": True, "url": "http://127.0.0.1:9/list.xml", "attempts": 1},
        observe={"enabled": True, **NOBODY, "retries": 0},
    )
    status, out, _ = place.play()
    assert status == 4
    assert place.outcomes() == {
        "fetch": "failed", "observe": "failed", "observe_tls": "off", "audit": "done", "reports": "off",
        "dossiers": "off", "site": "done", "retention": "done", "hooks": "off",
    }  # fmt: skip
    assert "FAILED fetch: http://127.0.0.1:9/list.xml: the connection failed" in out
    assert "FAILED observe: no server of mssante.fr answers" in out
    assert "LIST of 2 March 2026 at 05:30 UTC (not fetched now)" in out
    assert out.startswith("MSSanté 3 March: 0 critical (first run), PARTLY BLIND: DNS")
    text = " ".join(out.split())
    assert "STILL IN FORCE: the list of 2 March 2026 at 05:30 UTC (228 rows), audited now" in text
    assert "UNKNOWN observation of the DNS: the settings ask for one, and there is none" in text
    assert fits_a_mail(out)
    assert (place.site / "index.html").is_file()


def test_a_list_fetched_is_the_one_audited(place, settings, served):
    archive = place.folder / "data" / "archive"
    newest = max(archive.glob("*.xml.gz"))
    url = served(newest.read_bytes())
    newest.unlink()
    settings(fetch={"enabled": True, "url": url})
    status, out, _ = place.play(pages=False)
    assert (status, newest.is_file()) == (0, True)
    assert "LIST of 2 March 2026 at 05:30 UTC" in out


def test_the_last_good_site_stays_when_the_audit_fails(first_night, failed_night):
    place, (status, out, _) = failed_night
    assert status == 3
    assert out.startswith("MSSanté 3 March: BLIND: audit\nNo findings could be had.\n")
    assert "FAILED audit: " in " ".join(out.split())
    assert "waivers.toml" in out
    assert place.outcomes()["site"] == "skipped"
    assert os.readlink(place.site) == os.readlink(first_night.site)
    assert "(of an earlier run)" in out
    assert fits_a_mail(out)


def test_a_report_that_fails_is_said_and_the_site_is_made(place, settings):
    failing = str(Path(__file__).parents[1] / "files" / "failing.ipynb")
    plain = failing.replace("failing", "plain")
    settings(reports={"enabled": True, "names": [plain, failing]})
    status, out, _ = place.play(pages=False)
    assert status == 3
    assert place.outcomes()["site"] == "done"
    assert "FAILED reports: 1 of 2 reports: failing (ValueError: " in out
    assert (place.runs[-1] / "reports" / "plain.html").is_file()


def test_a_step_that_takes_too_long_is_ended(place, settings):
    settings(deadlines={"audit": 0.05})
    status, out, _ = place.run()
    assert status == 3
    assert "FAILED audit: not done after 0.05 s, and ended" in out


def test_a_step_that_cannot_be_started_is_a_step_that_failed(place, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    night = run(load_config(place.folder / "audit.toml"), as_of=AS_OF)
    assert night.exit_status == 3
    assert night.results["audit"].message == "it could not be started: no such file or directory"
    assert night.results["site"].outcome == "skipped"


HELD = """
import os, sys, time
state = ["free"]


def look(event, args):
    if state == ["free"] and event == "open" and "ledger.json" in str(args[0]):
        if sys.orig_argv[-1] == "audit":
            state[:] = ["held"]
            with open({told!r} + ".tmp", "w") as file:
                file.write(str(os.getpid()))
            os.rename({told!r} + ".tmp", {told!r})
            try:
                time.sleep(300)
            except SystemExit:
                if {heard}:
                    raise


sys.addaudithook(look)
"""


@pytest.fixture
def held(tmp_path):
    """A function that starts a run and returns it, and its audit once that is held half-way."""

    def start(place, *, heard: bool = True) -> tuple[subprocess.Popen[str], int]:
        """Start one whose audit hears that it is to end, or loses that as a callback of C code would."""
        told = tmp_path / "held.txt"
        holding = customised(tmp_path / "held", HELD.format(told=str(told), heard=heard))
        process = place.start("--as-of", AS_OF, fresh=True, **holding)
        while not told.exists():
            assert process.poll() is None
            time.sleep(0.02)
        return process, int(told.read_text())

    return start


@pytest.mark.long
def test_a_step_that_is_killed_is_a_step_that_failed(place, held):
    """As when memory runs out: the kernel kills the one that takes most."""
    process, step = held(place)
    os.kill(step, signal.SIGKILL)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 3
    assert "FAILED audit: it was killed, as when memory runs out" in out


FULL = """
import resource, sys
if not {steps} or "mssante_audit.nightly.steps" in sys.orig_argv:
    resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
"""


@pytest.fixture
def full(tmp_path):
    """A function that returns the variables of a run whose files, or whose steps' files, find no room."""

    return lambda size, *, steps: customised(tmp_path / "full", FULL.format(steps=steps, size=size))


@pytest.mark.long
def test_a_full_disk_is_said_and_the_last_good_site_stays(later, full):
    place = later
    shown, ledger = os.readlink(place.site), place.state("ledger.json")
    status, out, errors = place.run(fresh=True, **full(3000, steps=True))
    assert (status, errors) == (3, "")
    assert re.search(r"FAILED audit: \S+: cannot be written: file too large", " ".join(out.split()))
    assert os.readlink(place.site) == shown
    assert place.state("ledger.json") == ledger
    assert place.play(pages=False)[0] == 0
    assert os.readlink(place.site) != shown


@pytest.mark.long
def test_a_disk_that_has_no_room_for_the_log_is_one_line_and_the_run_is_gone_on_with(later, full):
    place = later
    shown = os.readlink(place.site)
    status, out, errors = place.run(fresh=True, **full(3000, steps=False))
    assert (status, out) == (2, "")
    assert re.fullmatch(r"mssante-audit: \S+: cannot be written: file too large\. Free .+\n", errors)
    assert os.readlink(place.site) == shown
    status, out, _ = place.play(pages=False)
    assert (status, len(place.runs)) == (0, 2)
    assert "gone on with" in out


# -- two at once, and one that is stopped ----------------------------------------------------------


def test_two_at_once_is_one_line_and_status_2(later):
    place = later
    with FileLock(place.output / ".lock"):
        status, out, errors = place.run()
    assert (status, out) == (2, "")
    busy = r"mssante-audit: \S+output: another run is at work here\. Wait for it to end\n"
    assert re.fullmatch(busy, errors)


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "status", "heard"), [(signal.SIGINT, 130, True), (signal.SIGTERM, 143, False)]
)
def test_an_interrupted_run_leaves_no_process_and_is_gone_on_with(place, held, number, status, heard):
    process, step = held(place, heard=heard)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == status
    assert not Path(f"/proc/{step}").exists()
    assert (place.runs[-1] / "audit.json").exists() is not heard, "the step that heard nothing went on"
    assert not (place.runs[-1] / "steps" / "audit.json").exists()
    again, out, _ = place.play(pages=False)
    assert again == 0
    assert "gone on with" in out
    assert len(place.runs) == 1


@pytest.mark.long
def test_a_step_does_not_outlive_a_killed_run(place, held):
    process, step = held(place)
    running = psutil.Process(step)
    process.kill()
    process.communicate()
    assert psutil.wait_procs([running], timeout=30)[1] == []
    assert not (place.runs[-1] / "steps" / "audit.json").exists()


# -- going on ---------------------------------------------------------------------------------------


def test_a_step_that_was_done_is_not_done_again(after_two):
    place = after_two
    first, run = place.runs[0], killed_after_audit(place.runs[1])
    audited = (run / "audit.json").stat().st_mtime_ns
    status, out, _ = place.play(pages=False)
    assert (status, place.runs) == (0, [first, run])
    assert (run / "audit.json").stat().st_mtime_ns == audited
    assert "gone on with" in out


@pytest.mark.long
@pytest.mark.parametrize("why", ["other settings", "another date", "too old"])
def test_a_killed_run_of_other_settings_or_another_day_is_abandoned(after_two, settings, why):
    place, as_of = after_two, AS_OF
    run = killed_after_audit(place.runs[1])
    if why == "other settings":
        settings(thresholds={"list_max_age_days": 8})
    elif why == "another date":
        as_of = "2026-03-03T06:00:01Z"
    else:
        rewrite(run, stamp="2026-03-01T060000Z")
        run = run.rename(run.with_name("2026-03-01T060000Z"))
    status, out, _ = place.play(as_of, pages=False)
    assert status == 0
    assert "gone on with" not in out
    assert json.loads((run / "run.json").read_text())["status"] == "abandoned"
    assert len(place.runs) == 3


# -- a real list ----------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.long
def test_a_real_list(place):
    real = Path(__file__).parents[3] / "shared" / "real"
    if not real.exists():
        pytest.skip("no real list beside the checkout (../shared/real)")
    off = {"enabled": False}
    place.settings({"data": {"folder": str(real)}, "mail": {"lang": "en"}, "reports": off, "dossiers": off})
    status, out, _ = place.play("2025-03-01", pages=False)
    assert status == 0
    assert "6,494 rows, signature valid" in " ".join(out.split())
    assert fits_a_mail(out)
