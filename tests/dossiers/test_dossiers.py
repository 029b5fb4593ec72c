"""Dossiers in bulk: what is written and kept, what a failure leaves; on a Dask cluster too."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from shutil import copy, copytree
from urllib.parse import unquote

import psutil
import pytest
from conftest import CATALOGUE
from filelock import FileLock
from lxml.html import fromstring
from made_up import make_space
from mailboxes_made_up import CANARY, many, put, text
from test_report import everything_in

from mssante_audit.base.errors import InputError, OutputError, ParameterError, UnknownNameError
from mssante_audit.base.resources import resource
from mssante_audit.cli import reports as cli
from mssante_audit.dossiers import page
from mssante_audit.dossiers import write as dossiers
from mssante_audit.dossiers.write import Order, from_space, read_dossiers, write_dossiers
from mssante_audit.report import tables
from mssante_audit.report.results import open_space, provenance
from mssante_audit.report.run import plan

AS_OF = "2026-03-03T06:00:00Z"
ONE, OTHER = "159990000", "1679900001"
PARTS = frozenset((".html", ".results.json", ".findings.csv", ".txt", ".eml"))
forking = pytest.mark.skipif(sys.platform != "linux", reason="processes are not forked here")


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """Parameters for the sample's list with nothing beside it, in which little is found, and fast."""
    data = tmp_path_factory.mktemp("listed")
    copy(CATALOGUE / "listeblanchemssante.xml.gz", data / "list.xml.gz")
    return {"as_of": AS_OF, "data": str(data)}


@pytest.fixture(scope="module")
def sample(listed, tmp_path_factory):
    """The dossiers of all operators of that list, and what the listener was told."""
    events = []
    run = write_dossiers(
        tmp_path_factory.mktemp("all"), parameters=listed, listener=lambda *event: events.append(event)
    )
    return run, events


def links(text):
    return {link for link in fromstring(text).xpath("//a/@href") if not link.startswith("#")}


def test_every_operator_has_a_dossier_a_letter_and_a_line_in_the_index(sample, listed):
    run, events = sample
    operators = set(open_space(**listed).entries["operator_id"]) - {""}
    assert {d.operator_id for d in run.outcomes} == operators
    assert len(run.outcomes) > 10
    files = set(everything_in(run.out)) - {".lock"}
    assert files == {f"{d.file}{s}" for d in run.outcomes for s in d.files} | {"index.html", "dossiers.json"}
    assert {frozenset(d.files) for d in run.outcomes} == {PARTS, PARTS - {".txt", ".eml"}}
    text = (run.out / "index.html").read_text(encoding="utf-8")
    assert set(map(unquote, links(text))) == files - {"index.html", "dossiers.json"}
    number = len(run.outcomes)
    assert [(done, of) for done, of, _ in events] == [(n, number) for n in range(1, number + 1)]
    names = {d.operator_id: d.name for d in run.outcomes}
    assert names[OTHER] == "GROUPEMENT E-SANTE DE CHEMINSONGE"
    assert "GIP-CPS" not in names.values()  # who signs a certificate is not whose it is
    assert [d.name.casefold() for d in run.outcomes] == sorted(d.name.casefold() for d in run.outcomes)


def test_the_index_for_machines_tells_the_same(sample, listed):
    run, _ = sample
    record = json.loads((run.out / "dossiers.json").read_text(encoding="utf-8"))
    for entry, dossier in zip(record["dossiers"], run.outcomes, strict=True):
        results = json.loads((run.out / f"{entry['file']}.results.json").read_text(encoding="utf-8"))
        assert entry["counts"] == results["counts"]["by_severity"] == dossier.counts
        assert entry["status"] == "done"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", entry["made_at"])
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in entry["files"].values())
        assert results["provenance"]["signer"] == "liste.fictif.example"  # not its whole DN
    assert record["provenance"]["sha256"] == open_space(**listed).whitelist.sha256
    assert "operator" not in record["parameters"]
    assert {d.operator_id: d for d in run.outcomes} == read_dossiers(run.out)


@pytest.fixture
def two(listed, tmp_path):
    return write_dossiers(tmp_path / "out", parameters=listed, operators=[ONE, OTHER])


def test_one_operator_keeps_the_others_and_those_who_left_go(two, listed, monkeypatch):
    run = two
    again = write_dossiers(run.out, parameters=listed, operators=["1349900019"])
    assert [d.operator_id for d in again.outcomes] == ["1349900019"]
    assert set(read_dossiers(run.out)) == {ONE, OTHER, "1349900019"}
    named = dossiers.operator_names(open_space(**listed).entries)
    monkeypatch.setattr(dossiers, "operator_names", lambda _: {i: n for i, n in named.items() if i != OTHER})
    write_dossiers(run.out, parameters=listed, operators=[ONE])
    assert set(read_dossiers(run.out)) == {ONE, "1349900019"}
    assert not [name for name in everything_in(run.out) if name.startswith(OTHER)]


def breaking(monkeypatch, fail):
    """Let one section of one operator's dossier go wrong."""
    drawn = page.SECTIONS["peers"]

    def broken(record, limit):
        if record.operator_id == ONE:
            fail()
        return drawn(record, limit)

    monkeypatch.setitem(page.SECTIONS, "peers", broken)


def test_a_failed_dossier_leaves_the_last_good_one(two, listed, monkeypatch):
    run = two
    good = everything_in(run.out)
    breaking(monkeypatch, lambda: {}["M. DURAND Zoé"])
    assert write_dossiers(run.out, parameters=listed, operators=[ONE, OTHER]).exit_status() == 3
    records, now = read_dossiers(run.out), everything_in(run.out)
    assert (records[ONE].status, records[ONE].failure["kind"]) == ("failed", "KeyError")
    assert records[OTHER].status == "done"
    assert records[ONE].last_good in {dossier.made_at for dossier in run.outcomes}
    assert all(now[f"{ONE}{suffix}"] == good[f"{ONE}{suffix}"] for suffix in PARTS)
    failures = {f"failed/{ONE}.html", f"failed/{ONE}.results.json"}
    assert {name for name in now if name.startswith("failed/")} == failures
    partial, index = (now[name].decode() for name in (f"failed/{ONE}.html", "index.html"))
    for part in ("Rapport partiel", "Parmi les opérateurs de votre taille", 'id="findings"'):
        assert part in partial
    assert 'id="domains"' not in partial
    assert "DURAND" not in partial + index
    assert f'href="failed/{ONE}.html"' in index
    assert "Dernier dossier complet" in index
    monkeypatch.undo()
    assert write_dossiers(run.out, parameters=listed, operators=[ONE, OTHER]).exit_status() == 0
    assert not [name for name in everything_in(run.out) if name.startswith("failed/")]


def test_a_reminder_that_fails_says_in_which_section(listed, monkeypatch):
    breaking(monkeypatch, lambda: {}["nothing"])
    monkeypatch.setattr(dossiers, "reminder", lambda *_: "Rappel de notre lettre.")
    (job,) = plan({"operator": resource("notebooks") / "operator.ipynb"}, {**listed, "operator": ONE})
    written = from_space(Order("", job.shown, ""), open_space(**listed), ONE)
    assert written.dossier.failure["section"] == "Parmi les opérateurs de votre taille"


@pytest.mark.parametrize(
    ("parameters", "operators", "error", "why"),
    [
        ({"operator": ONE}, [], ParameterError, "operator is not a parameter here"),
        ({"colour": "blue"}, [], ParameterError, "no parameter 'colour'"),
        ({"data": "nowhere"}, [], InputError, "no such file or folder"),
        ({}, ["nobody"], UnknownNameError, "no operator 'nobody'"),
    ],
)
def test_bad_usage_is_refused_before_anything_is_made(tmp_path, parameters, operators, error, why):
    with pytest.raises(error, match=why):
        write_dossiers(tmp_path / "out", parameters=parameters, operators=operators)
    assert not (tmp_path / "out").exists()


def test_two_runs_into_one_folder_are_refused(tmp_path):
    with FileLock(tmp_path / ".lock"), pytest.raises(OutputError, match="another run is writing here"):
        write_dossiers(tmp_path, operators=[ONE])


def assert_same(run, other):
    """The same dossiers, but for how long they took and when they were made."""
    assert len(run.outcomes) == len(other.outcomes) > 1
    for dossier in run.outcomes:
        for name in (f"{dossier.file}{suffix}" for suffix in set(dossier.files) - {".results.json"}):
            assert (run.out / name).read_bytes() == (other.out / name).read_bytes(), name


def test_a_dossier_is_the_same_whoever_makes_it(two, listed, tmp_path):
    some = {"parameters": listed, "operators": [ONE, OTHER]}
    assert_same(write_dossiers(tmp_path / "pool", **some, jobs=2), two)
    with ThreadPoolExecutor(2) as threads:
        assert_same(write_dossiers(tmp_path / "threads", **some, executor=threads), two)


@pytest.mark.long
@forking
def test_a_worker_that_dies_fails_dossiers_and_leaves_the_last_good_ones(two, listed, monkeypatch):
    run = two
    good = everything_in(run.out)
    breaking(monkeypatch, lambda: os.kill(os.getpid(), signal.SIGKILL))
    failed = write_dossiers(run.out, parameters=listed, operators=[ONE, OTHER], jobs=2)
    assert failed.exit_status() == 3
    kinds = {d.operator_id: d.failure["kind"] for d in failed.outcomes if d.failure}
    assert kinds[ONE] == "BrokenProcessPool"
    assert "Rapport partiel" in (run.out / "failed" / f"{ONE}.html").read_text(encoding="utf-8")
    now = everything_in(run.out)
    assert all(now[f"{ONE}{suffix}"] == good[f"{ONE}{suffix}"] for suffix in PARTS)


class Spying(ProcessPoolExecutor):
    """An executor that keeps what it sends."""

    def submit(self, function, /, *arguments):
        self.sent = pickle.dumps(arguments)
        return super().submit(function, *arguments)


def test_of_the_extraction_only_numbers_go_to_other_processes(tmp_path):
    data, sent = tmp_path / "données de l'Ain", []
    copytree(CATALOGUE / "observations", data / "observations")
    copy(CATALOGUE / "listeblanchemssante.xml.gz", data / "list.xml.gz")
    settings = {"as_of": AS_OF, "data": str(data), "anchors": [str(CATALOGUE / "anchors")]}
    audited = open_space(**settings).audited
    domain = audited.loc[audited["operator_id"] == ONE, "domain"].iloc[0]
    for at, number in (("202601151013", 40), ("202603011013", 12)):  # most of its mailboxes are lost
        put(data, text(many({domain: number})), at)
    options = {"parameters": settings, "operators": [ONE, OTHER]}
    here = write_dossiers(tmp_path / "here", **options)
    with Spying(1, mp_context=get_context("spawn")) as pool:
        send = {"executor": pool, "send": lambda bundle: sent.append(bundle) or bundle}
        pooled = write_dossiers(tmp_path / "there", **options, **send)
    assert_same(pooled, here)
    assert {d.status for d in pooled.outcomes} == {"done"}
    assert "MAILBOX_LOST" in (pooled.out / f"{ONE}.findings.csv").read_text(encoding="utf-8")
    assert "données de l'Ain".encode() in pool.sent
    assert CANARY.encode() not in pool.sent
    assert str(tmp_path).encode() not in pool.sent
    (bundle,) = sent
    order = Order("of a worker", {"as_of": AS_OF, "lang": "fr"}, "")
    space = dossiers.opened(order, pickle.loads(pickle.dumps(bundle)))
    assert (space.published, space.mailboxes.earlier.by_domain) == ({domain: 12}, {domain: 40})
    held = everything_in(Path(dossiers._opened["of a worker"][1].name))
    assert "list.xml.gz" in {Path(name).name for name in held}
    assert not [name for name in held if "Extraction" in name]
    assert not [name for name, content in held.items() if CANARY.encode() in content]


def test_a_worker_that_cannot_be_had_fails_its_dossiers_only(listed, tmp_path):
    dying = {"initializer": os._exit, "initargs": (1,)}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), **dying) as pool:
        run = write_dossiers(tmp_path, parameters=listed, operators=[ONE, OTHER], executor=pool)
    assert [d.failure["kind"] for d in run.outcomes] == ["BrokenProcessPool"] * 2
    record = json.loads((tmp_path / "failed" / f"{ONE}.results.json").read_text(encoding="utf-8"))
    assert record["status"] == "failed"


def test_only_an_identifier_of_figures_names_its_files():
    odd = "../../etc/passwd", "/etc/passwd", "index", "CON", "a" * 300, "é", ".", "1\n2", "2A0000001", "1/2"
    for identifier in odd:
        assert re.fullmatch(r"operateur-[0-9a-f]{12}", dossiers.file_name(identifier)), identifier
    assert dossiers.file_name("010000001") == "010000001"
    assert dossiers.file_name("a1") != dossiers.file_name("A1")


def test_a_worker_with_other_code_refuses():
    with pytest.raises(InputError, match=r"other code than its caller\. Install this version"):
        dossiers.make_dossier(Order("", {}, "0" * 64), ONE)


def test_the_index_escapes_what_it_is_given(payloads, sample_space):
    at = "2026-03-03T06:00:00+00:00"
    entries = [
        dossiers.Entry(
            text, text, dossiers.file_name(text), "failed", None, at, AS_OF, {},
            {"kind": text, "message": text, "section": text}, None,
        )
        for text in payloads
    ]  # fmt: skip
    text = dossiers.dossiers_html(entries, provenance(sample_space))
    bare = text.replace(f'<script type="module">{tables.script()}</script>', "")
    assert not re.search("<(script|img|svg)", bare)
    suffixes = (".html", ".results.json")
    assert links(text) == {f"failed/{entry.file}{suffix}" for entry in entries for suffix in suffixes}


def command(*arguments):
    return [sys.executable, "-m", "mssante_audit", "dossiers", *map(str, arguments)]


def test_the_command_tells_each_dossier_and_the_index(listed, tmp_path):
    arguments = ["--operator", ONE, "--operator", OTHER, "--out", tmp_path, "--as-of", AS_OF, "--jobs", "1"]
    words = command(*arguments, "--data", listed["data"], "--fail-on", "info")
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (1, "")
    *lines, last = ran.stdout.splitlines()
    assert {line.split()[0] for line in lines} == {ONE, OTHER}
    assert last == f"2 dossiers; index: {tmp_path / 'index.html'}"


@pytest.mark.long
@pytest.mark.parametrize(
    ("sent", "status", "jobs"),
    [
        (signal.SIGINT, 130, 1),
        (signal.SIGTERM, 143, 1),
        (signal.SIGKILL, -9, 1),
        pytest.param(signal.SIGINT, 130, 2, marks=forking),
        pytest.param(signal.SIGKILL, -9, 2, marks=forking),
    ],
)
def test_an_interrupted_run_leaves_no_process_and_what_was_there(listed, tmp_path, sent, status, jobs):
    out = tmp_path / "out"
    out.mkdir()
    (out / f"{ONE}.html").write_text("last good")
    called, pipe = command("--out", out, "--data", listed["data"], "--jobs", jobs), subprocess.PIPE
    process = subprocess.Popen(called, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout.readline()  # one is made, the others are not
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(sent)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == status
    assert "Traceback" not in errors
    assert psutil.wait_procs(family, timeout=10)[1] == []
    left = everything_in(out)
    assert left.pop(f"{ONE}.html") == b"last good"
    if sent != signal.SIGKILL:
        assert set(left) == {".lock"}
    assert "index.html" not in left


def test_a_dossier_of_300_rows_stays_small():
    row = {"dn": "CN=mss.alpha.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR"}
    about = "Messagerie de l’établissement numéro"
    rows = [row | {"domain": f"d{n}.mssante.fr", "description": f"{about} {n}"} for n in range(300)]
    (job,) = plan({"operator": resource("notebooks") / "operator.ipynb"}, {"operator": "1759900004"})
    html = from_space(Order("", job.shown, ""), make_space(*rows), "1759900004").files[".html"]
    assert len(html) <= 210_000
    assert html.decode().count("non observé") == 1  # what all rows say is said once
    assert html.decode().count('<td data-label="Domaine"') >= 300


SOME = ("159990000", "1349900019", "1970190005", "1980590012", "5123", "7219900008")


def started(module, *arguments):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [sys.executable, "-m", f"distributed.cli.{module}", *map(str, arguments)]
    return subprocess.Popen(command, **quiet)


def until(happened):
    """Wait for something: a loaded machine is slow."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def scheduler(tmp_path):
    """The address of a scheduler of Dask, on loopback."""
    pytest.importorskip("distributed", reason='Dask is not installed: pip install "mssante-audit[dask]"')
    file = tmp_path / "scheduler.json"
    process = started("dask_scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", file)
    try:
        until(lambda: file.exists() and file.read_text().endswith("}"))
        address = json.loads(file.read_text())["address"]
        assert address.startswith("tcp://127.0.0.1:")
        yield address
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def workers(scheduler, tmp_path):
    options = ("--host", "127.0.0.1", "--no-nanny", "--nthreads", 1, "--local-directory")
    processes = [started("dask_worker", scheduler, *options, tmp_path / f"worker{n}") for n in range(2)]
    yield processes
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(20)


@pytest.mark.long
def test_a_worker_killed_half_way_costs_no_dossier(scheduler, workers, tmp_path):
    (tmp_path / "data").mkdir()  # data of one's own are sent
    copy(CATALOGUE / "listeblanchemssante.xml.gz", tmp_path / "data" / "list.xml.gz")
    some = {"parameters": {"as_of": AS_OF, "data": str(tmp_path / "data")}, "operators": SOME}
    alone = write_dossiers(tmp_path / "alone", **some)

    def kill_one(done, of, dossier):
        if done == 2:
            os.kill(workers[0].pid, 9)

    with cli.cluster(scheduler) as cluster:
        client = cluster["executor"]._client
        client.wait_for_workers(2, timeout=60)
        run = write_dossiers(tmp_path / "cluster", **some, listener=kill_one, **cluster)
        until(lambda: len(client.scheduler_info()["workers"]) == 1)
    assert workers[0].wait(5) == -9
    assert {d.status for d in run.outcomes} == {"done"}
    assert_same(run, alone)


def test_without_scheduler_or_worker_it_says_so(scheduler, monkeypatch):
    monkeypatch.setattr(cli, "PATIENCE", 1)
    for address, why in (
        (scheduler, r"the Dask cluster has no worker\. Start one: dask worker tcp://"),
        ("tcp://127.0.0.1:9", "no Dask scheduler answers"),
        ("nothing at all", "no Dask scheduler answers"),
    ):
        with pytest.raises(InputError, match=why), cli.cluster(address):
            pass
