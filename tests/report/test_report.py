"""Reports from start to end: fixture notebooks, one a behaviour, run by the engine that users run."""

import base64
import html
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import pandas as pd
import psutil
import pytest
from conftest import CATALOGUE, toml
from conftest import SAMPLE_AS_OF as AS_OF
from made_up import xml_of
from typer.testing import CliRunner

from mssante_audit.audits import audit_all
from mssante_audit.base import errors, export
from mssante_audit.base.errors import InputError, OutputError, UnknownNameError
from mssante_audit.base.staging import SCRATCH, STAGING, scratch_of
from mssante_audit.cli.main import app
from mssante_audit.report.findings import findings_table
from mssante_audit.report.page import to_html
from mssante_audit.report.results import open_space
from mssante_audit.report.run import find_notebooks, run_reports
from mssante_audit.snapshot import make_snapshot

CASES = toml("report/reports")

FILES = Path(__file__).parents[1] / "files"
SECRET = "s3cr3t-0f-th3-m4ch1n3"


def shown_in(page):
    """The text of a page without the code that it folds away, which is the notebook's author's."""
    return re.sub(r'(?s)<details class="code">.*?</details>', "", page.read_text(encoding="utf-8"))


def everything_in(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A run into a folder with traces of earlier ones."""
    out = tmp_path_factory.mktemp("mixed")
    (out / "failed").mkdir()
    for name in [
        "failing.html",
        "failing.findings.csv",
        "failed/plain.html",
        "failed/plain.ipynb",
        "other.html",
    ]:
        (out / name).write_text("earlier")
    killed = out / f"{STAGING}killed"
    killed.mkdir()
    scratch, innocent = scratch_of(killed, "x"), Path(tempfile.mkdtemp(prefix=SCRATCH))
    scratch.mkdir()
    names = ["plain", "failing", "leaving", "dying", "hostile", "tracing"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSSANTE_SECRET_TOKEN", SECRET)
        run = run_reports(names, out=out, parameters={"as_of": AS_OF}, notebooks=FILES)
    assert not scratch.exists()
    innocent.rmdir()
    return run


def test_a_failing_notebook_does_not_stop_the_others(mixed):
    assert {o.name: (o.failure.kind, o.section) if o.failure else None for o in mixed.outcomes} == {
        **dict.fromkeys(("plain", "hostile", "tracing")),
        "failing": ("ValueError", "Le calcul"),
        "leaving": ("SystemExit", "Le calcul"),
        "dying": ("DeadKernelError", "La fin"),
    }
    assert mixed.exit_status() == mixed.exit_status("critical") == 3


def test_a_partial_report_says_where_it_stopped_and_shows_what_came_before(mixed):
    text = shown_in(mixed.out / "failed" / "failing.html")
    assert "Rapport partiel" in text.partition("<main")[0]
    assert "dans « Le calcul »" in text.replace("\N{NBSP}", " ").replace("&nbsp;", " ")
    assert [w for w in ("ValueError", "Ceci est lisible.", "déjà écrit") if w not in text] == []
    assert [w for w in ("Ceci manque.", "jamais") if w in text] == []


def test_an_error_names_nobody(mixed):
    for path in (mixed.out / "failed").iterdir():
        if path.suffix != ".ipynb":  # there the source itself says so
            assert not re.search("DURAND|39 98", shown_in(path)), path


def test_what_an_earlier_run_left_is_kept_or_removed_as_it_is_still_true(mixed):
    files = everything_in(mixed.out)
    index = files["index.html"].decode()
    assert index.count("Dernier rapport complet") == 1
    assert 'href="failing.html"' in index
    assert 'href="failed/failing.html"' in index
    parts = (".html", ".ipynb", ".results.json")
    done = {f"{n}{s}" for n in ("plain", "hostile", "tracing") for s in parts}
    failed = {f"failed/{n}{s}" for n in ("failing", "leaving", "dying") for s in parts}
    earlier = {"failing.html", "failing.findings.csv", "other.html"}
    assert files.keys() == done | failed | earlier | {"index.html", ".lock"}
    assert {files[name] for name in earlier} == {b"earlier"}


def test_results_are_for_machines(mixed):
    saved = json.loads((mixed.out / "failed" / "failing.results.json").read_text(encoding="utf-8"))
    assert (saved["status"], saved["failure"]["kind"], saved["counts"]) == ("failed", "ValueError", None)
    assert re.match(r"cannot read •••, .* \(line \d of the cell\)$", saved["failure"]["message"])
    assert saved["parameters"] == {"as_of": AS_OF}
    assert sum(saved["arrives"].values()) == sum(saved["order"].values()) == 106
    # The list was read before anything ran, for the notebooks that take one.
    assert saved["provenance"]["signature"] == "valid"


def test_hostile_outputs_bring_no_markup(mixed):
    text = shown_in(mixed.out / "hostile.html")
    assert not re.search("<script|<img src=x|javascript:", text)
    assert "&lt;script&gt;" in text


def test_no_trace_of_the_machine_is_written(mixed):
    out = mixed.out
    folders = (out, Path.home(), sys.prefix, sys.base_prefix, tempfile.gettempdir(), Path.cwd())
    hidden = {*map(str, folders), SECRET}
    for name, content in everything_in(out).items():
        text = content.decode()
        # PATH is printed by the notebook: of it only folders that are nobody's are left.
        assert not [h for h in hidden if re.search(rf"(?<![\w/.-]){re.escape(h)}\b", text)], name
        assert not re.search(f"MSSANTE_SECRET|{SCRATCH}", text), name
    tracing = shown_in(out / "tracing.html")
    assert "IPYTHONDIR" in tracing
    assert "DURAND" not in tracing


def test_a_notebook_that_hangs_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("mssante_audit.report.execute.DEADLINE", 5)
    outcome, next_one = run_reports(["slow", "plain"], out=tmp_path, notebooks=FILES, jobs=1).outcomes
    assert (outcome.failure.kind, outcome.failure.cell) == ("TimeoutError", 1)
    assert "after 5 seconds" in outcome.failure.message
    assert next_one.failure is None
    assert "Rapport lent" in shown_in(tmp_path / "failed" / "slow.html")


def test_a_kernel_that_does_not_start_is_a_failed_report_that_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    (outcome,) = run_reports(["plain"], out=tmp_path, notebooks=FILES).outcomes
    assert outcome.failure.kind == "FileNotFoundError"
    assert "/nowhere/python" in (tmp_path / "failed" / "plain.html").read_text(encoding="utf-8")


def test_a_kernel_that_the_user_installed_is_not_started(tmp_path, monkeypatch, capfd):
    kernel = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text('{"argv": ["false"], "display_name": "Mine", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    (outcome,) = run_reports(["plain"], out=tmp_path / "out", notebooks=FILES).outcomes
    assert outcome.failure is None
    assert capfd.readouterr() == ("", "")


def test_the_working_directory_stays_and_need_not_be_one_that_can_be_entered(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.chdir", refuse)
    (outcome,) = run_reports(["plain"], out=tmp_path / "out", notebooks=FILES).outcomes
    assert outcome.failure is None


def test_an_output_nobody_foresaw_fails_one_report_only(tmp_path, monkeypatch):
    def broken(notebook, *page):
        if notebook.cells:
            raise KeyError("M. DURAND Zoé")
        return to_html(notebook, *page)

    monkeypatch.setattr("mssante_audit.report.page.to_html", broken)
    (outcome,) = run_reports(["plain"], out=tmp_path, notebooks=FILES).outcomes
    assert re.fullmatch(r"'•••' \(test_report\.py, line \d+\)", outcome.failure.message)
    text = (tmp_path / "failed" / "plain.html").read_text(encoding="utf-8")
    assert "Rapport partiel" in text
    assert "DURAND" not in text


def test_the_same_input_gives_the_same_bytes_wherever_it_is_run(sample_run, tmp_path, monkeypatch):
    data = tmp_path / "elsewhere" / "sample"
    shutil.copytree(CATALOGUE, data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("LANG", "fr_FR.UTF-8")
    settings = {"as_of": AS_OF, "data": "elsewhere/sample", "anchors": [str(data / "anchors")]}
    run_reports(["overview"], out=Path("out"), parameters=settings)
    # The two differ in nothing but the parameters they name.
    named = r"(?s)<details class=\"parameters\">.*?</details>|<dt>Paramètres</dt><dd>.*?</dd>"
    folders = (sample_run.out, tmp_path / "out")
    first, second = (re.sub(named, "", (o / "overview.html").read_text(encoding="utf-8")) for o in folders)
    assert first == second
    assert first.count("<dt>SHA-256</dt>") == 1


@pytest.mark.parametrize(
    ("names", "parameters", "error", "why"),
    [
        (["plain", str(FILES / "nothing.ipynb")], {}, "UnknownNameError", "no notebook"),
        (["tracing"], {"data": str(FILES)}, "InputError", "no white list here"),
        *CASES["refused"],
    ],
)
def test_bad_usage_is_refused_before_anything_is_made(tmp_path, names, parameters, error, why):
    with pytest.raises(getattr(errors, error)) as caught:
        run_reports(names, out=tmp_path / "out", parameters=parameters, notebooks=FILES)
    assert why in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_an_unknown_operator_or_place_is_refused_before_anything_is_made(tmp_path):
    for kind, name in (("operator", "nobody"), ("region", "nowhere")):
        with pytest.raises(UnknownNameError, match=f"no {kind} '{name}'"):
            run_reports(out=tmp_path / "out", parameters={kind: name})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content", ["", "[]", '{"nbformat": 3, "cells": []}', '{"nbformat": 4, "cells": [{}]}']
)
def test_what_is_no_notebook_is_refused(tmp_path, content):
    (tmp_path / "a.ipynb").write_text(content)
    with pytest.raises(InputError, match=r"a\.ipynb: not a notebook"):
        run_reports([str(tmp_path / "a.ipynb")], out=tmp_path / "out")


@pytest.mark.parametrize("name", ["plain", "index"])
def test_two_reports_of_one_name_are_refused(tmp_path, name):
    shutil.copy(FILES / "plain.ipynb", tmp_path / f"{name}.ipynb")
    with pytest.raises(UnknownNameError, match=f"another report is called '{name}'"):
        find_notebooks(["plain", "plain", str(tmp_path / f"{name}.ipynb")], FILES)


@pytest.mark.parametrize("out", ["/proc/mssante", "file/out"])
def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        run_reports(["plain"], out=Path(out), notebooks=FILES)


@pytest.fixture
def slow(tmp_path):
    """A run that takes a minute, once its kernel is at it: the process, the kernel's number, its folder."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "slow.html").write_text("last good")
    words = ["-u", "-m", "mssante_audit", "report", str(FILES / "slow.ipynb"), "--out", str(out)]
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, *words], **piped)  # no fork: its kernel has to see it die
    deadline = time.monotonic() + 120
    try:
        while time.monotonic() < deadline:
            for staging in out.glob(f"{STAGING}*"):
                scratch = scratch_of(staging, "slow")
                if (scratch / "started").is_file() and (number := (scratch / "started").read_text()):
                    yield process, int(number), scratch
                    return
            time.sleep(0.05)
        pytest.fail("no kernel started")
    finally:
        process.kill()
        process.communicate()


def gone(number):
    deadline = time.monotonic() + 10
    while psutil.pid_exists(number) and psutil.Process(number).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.long
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_no_process_and_nothing_half_written(slow, tmp_path, sent, status):
    process, kernel, scratch = slow
    with pytest.raises(OutputError, match="another run is writing here"):
        run_reports(["plain"], out=tmp_path / "out", notebooks=FILES)
    process.send_signal(sent)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == status
    assert "Traceback" not in output + errors
    assert gone(kernel)
    assert not scratch.exists()
    assert everything_in(tmp_path / "out") == {".lock": b"", "slow.html": b"last good"}


@pytest.mark.long
def test_a_killed_run_leaves_the_last_good_report_and_the_next_one_cleans_up(slow, tmp_path):
    process, kernel, scratch = slow
    process.kill()
    process.communicate()
    out = tmp_path / "out"
    assert (out / "slow.html").read_text() == "last good"
    assert gone(kernel)
    assert scratch.exists()
    assert run_reports(["plain"], out=out, notebooks=FILES).exit_status() == 0
    assert not scratch.exists()
    assert not list(out.glob(f"{STAGING}*"))


CANARY = re.compile(rb"canari|zo\xc3\xa9|zo&|zo\\u00e9|39.?98.?76|399876|" + SECRET.encode(), re.IGNORECASE)
CONTACTS = [*CASES["canaries"], *(f"06 39 98 76 6{n}, canari@ch-alpha.example" for n in range(4))]


def canary_list():
    usual = "04 65 71 00 01, support@ch-alpha.example"
    dn = "CN=mss.alpha.example,OU=1010000001,O=CH ALPHA,ST=Ain (01),C=FR"
    rows = [
        {"domain": f"ch-{n}.mssante.fr", "description": "CH Alpha", "dn": dn, "project_contact": contact,
         "support_contact": contact if n % 2 else usual}
        for n, contact in enumerate([*CONTACTS, *[usual] * 14])
    ]  # fmt: skip
    return xml_of(*rows)


def forms(content):
    """Yield what a file holds: as it is, unescaped, unzipped, and decoded wherever there is base64 in it."""
    yield content
    text = content.decode("utf-8", "replace")
    yield html.unescape(text).encode()
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield from forms(archive.read(name))
    if content[:4] == b"PAR1":
        yield pd.read_parquet(io.BytesIO(content)).to_csv().encode()
    for run in re.findall(r"[A-Za-z0-9+/]{40,}={0,2}", text.replace("\\n", "")):
        yield base64.b64decode(run[: len(run) // 4 * 4])


def canaries(content):
    return {canary for form in forms(content) for canary in CANARY.findall(form)}


@pytest.fixture(scope="module")
def canary(tmp_path_factory):
    path = tmp_path_factory.mktemp("canary") / "list.xml"
    path.write_bytes(canary_list())
    return path


def test_the_search_for_canaries_finds_them_in_every_form(canary, tmp_path):
    findings = audit_all(open_space(data=str(canary), as_of=AS_OF, contacts="all"))
    assert len(findings["rule"][findings["rule"].str.startswith("CONTACT")].unique()) >= 10
    for suffix, write in export.WRITERS.items():
        write(findings, tmp_path / f"a.{suffix}")
        assert canaries((tmp_path / f"a.{suffix}").read_bytes()), suffix
    shown = findings_table(findings, name="t", caption="c", limit=1).text
    assert canaries("".join(re.findall(r"base64,[^\"]+", shown)).encode())


def test_no_file_names_a_person_or_a_secret(canary, tmp_path, monkeypatch):
    monkeypatch.setenv("MSSANTE_SECRET_TOKEN", SECRET)
    run = run_reports(out=tmp_path / "out", parameters={"data": str(canary), "as_of": AS_OF})
    assert [o.failure for o in run.outcomes] == [None] * len(run.outcomes)
    assert "declarations" not in {outcome.name for outcome in run.outcomes}, "there is no register"
    findings = audit_all(open_space(data=str(canary), as_of=AS_OF))
    for suffix, write in export.WRITERS.items():
        write(findings, tmp_path / "out" / f"all.{suffix}")
    files = everything_in(tmp_path / "out")
    assert {Path(name).suffix for name in files} >= {".html", ".ipynb", ".json", ".csv", ".xlsx", ".parquet"}
    assert {name: canaries(content) for name, content in files.items() if canaries(content)} == {}


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_what_changed_names_nobody_in_any_format(canary, tmp_path, suffix):
    before, out = tmp_path / "before.xml", tmp_path / f"changes.{suffix}"
    listed = canary.read_bytes().replace(b"canari", b"canari.z").replace(b"0639987654", b"0639987699")
    before.write_bytes(listed)
    arguments = ["changes", str(before), str(canary), "--format", suffix, "--out", str(out)]
    for more, named in (((), False), (("--contacts", "all"), True)):
        done = CliRunner().invoke(app, [*arguments, *more])
        assert done.exit_code == 4, done.output  # neither list is signed
        assert bool(canaries(out.read_bytes())) is named


def test_a_snapshot_names_nobody_outside_of_what_is_private(canary, tmp_path):
    space = open_space(data=str(canary), as_of=AS_OF, contacts="all")
    make_snapshot(space, tmp_path / "s", data=canary)
    files = everything_in(tmp_path / "s")
    apart = {name for name, content in files.items() if canaries(content)}
    assert apart == {"private/entries.parquet", "private/findings.parquet"}


def test_a_report_comes_with_its_findings(sample_run):
    for outcome in sample_run.outcomes:
        text = (sample_run.out / f"{outcome.name}.findings.csv").read_text(encoding="utf-8-sig")
        results = json.loads((sample_run.out / f"{outcome.name}.results.json").read_text(encoding="utf-8"))
        findings = outcome.results.findings
        # A first run: nothing to compare with.
        assert text == export.csv_text(findings.assign(first_seen="2026-03-03T06:00:00+00:00", status=""))
        assert {"subject", "rows", "facts"}.isdisjoint(text.partition("\n")[0].split(","))
        none = outcome.name in ("changes", "contacts_over_time")
        assert (len(findings) == 0) == none, "changes are no findings"
        assert sum(results["counts"]["by_rule"].values()) == results["counts"]["findings"] == len(findings)
