"""Batches: what a notebook does to itself stays with it, and jobs go to other processes as bytes."""

import json
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import nbformat
import pytest

from mssante_audit.base.errors import InputError, WhiteListError
from mssante_audit.base.resources import resource
from mssante_audit.dossiers import batch
from mssante_audit.dossiers.batch import Order, make_there, run_batch
from mssante_audit.dossiers.forks import AVAILABLE, Limits
from mssante_audit.report import results
from mssante_audit.report.jobs import Job, find_notebooks, plan
from mssante_audit.space.inputs import Bundle, code_digest

AS_OF = "2026-03-03T06:00:00Z"
forking = pytest.mark.skipif(not AVAILABLE, reason="no process can be forked here")

TAMPERING = """
import builtins, gc, locale, os, random, sys, warnings
import matplotlib, numpy, pandas
import mssante_audit.audits, mssante_audit.report.plots, mssante_audit.findings.catalogue
import mssante_audit.report.tables
from mssante_audit.report import results
from mssante_audit.report.results import open_space

space = open_space(as_of="2026-03-03T06:00:00Z", data=None)
space.entries["domain"] = "tampered.mssante.fr"
space.entries.drop(space.entries.index, inplace=True)
results._shared = None
mssante_audit.report.plots.INK = "#ff0000"
mssante_audit.report.plots.RC["font.size"] = 30
mssante_audit.audits.AUDITS = ()
mssante_audit.report.tables.table = mssante_audit.report.plots.label = lambda *_, **__: "tampered"
matplotlib.rcParams.update({"font.size": 40, "axes.facecolor": "red", "figure.dpi": 10})
pandas.set_option("display.max_columns", 1)
os.environ.update({"TZ": "Asia/Tokyo", "LANG": "fr_FR.UTF-8", "TAMPERED": "1"})
os.chdir("/")
random.seed(1); numpy.random.seed(1)
sys.path.insert(0, "/nowhere"); sys.modules["json"] = None
warnings.simplefilter("error"); gc.disable()
builtins.sum = lambda *_: 7
get_ipython().display_formatter.formatters.clear()
"""
BAD = {
    "tampering": (TAMPERING, None, None),
    "leaving": ("import os; os._exit(0)", "DeadKernelError", "its process left with status 0"),
    "crashing": ("import ctypes; ctypes.string_at(0)", "DeadKernelError", "its process was ended by SIGSEGV"),
    "hanging": ("while True: pass", "CellTimeoutError", "stopped after 12 seconds"),
    "exhausting": ("hoard = [bytearray(1 << 28) for _ in range(64)]", "MemoryError", ""),
    "interrupting": (
        "import os, signal; os.kill(os.getppid(), signal.SIGINT); os.kill(0, 9)",
        "DeadKernelError",
        "its process was ended by SIGKILL",
    ),
}


def notebook_of(*cells) -> bytes:
    made = nbformat.v4.new_notebook()
    made.cells = [nbformat.v4.new_markdown_cell("# Essai\n\n## Avant")]
    made.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
    return nbformat.writes(made).encode()


def bad_job(name):
    return Job(name, notebook_of("print('déjà écrit')", BAD[name][0], "print('jamais')"), {}, {})


@pytest.fixture(scope="module")
def overview():
    (job,) = plan({"overview": resource("notebooks") / "overview.ipynb"}, {"as_of": AS_OF})
    return job


@pytest.fixture(scope="module")
def alone(overview):
    """The report as it is when nothing else was run."""
    (report,) = run_batch([overview])
    return report


def in_order(jobs, **how):
    made = {report.name: report for report in run_batch(jobs, **how)}
    return [made[job.name] for job in jobs]


def same(report, other):
    kept = report.files.keys() - {".results.json"}
    return report.files.keys() == other.files.keys() and all(report.files[s] == other.files[s] for s in kept)


@forking
@pytest.mark.parametrize("name", BAD)
def test_the_next_report_is_the_same_as_one_alone(name, overview, alone):
    order = Order(limits=Limits(deadline=12, memory=1 << 30))
    bad, after = in_order([bad_job(name), overview], order=order)
    _, kind, message = BAD[name]
    assert after.failure is None
    assert same(after, alone)
    if kind is None:
        assert bad.failure is None
        return
    assert bad.failure.kind == kind
    assert message in bad.failure.message
    assert bad.section == "Avant"
    text = bad.files[".html"].decode()
    assert "Rapport partiel" in text
    assert "déjà écrit" in text
    assert "jamais" not in text


@forking
def test_the_data_are_loaded_once_and_not_by_each_report(overview):
    probe = notebook_of(
        "from mssante_audit.report import results\nfrom mssante_audit.space import trust as space\n"
        "def refused(*_, **__): raise RuntimeError('loaded again')\n"
        "results.load_space = refused\n"
        f"first = results.open_space(as_of='{AS_OF}', anchors=[])\n"
        "from mssante_audit.audits import audit_all\n"
        "print(len(first.entries) > 10, len(audit_all(first)))",
        f"results.open_space(as_of='{AS_OF}', anchors=[], concentration_min=3)",
    )
    _, report = in_order([overview, Job("probe", probe, {}, {})])
    assert report.failure.kind == "RuntimeError"
    assert report.failure.cell == 2
    assert b"True" in report.files[".html"]


def test_a_shared_space_is_only_for_the_same_files_and_parameters(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "_shared", None)
    source = resource("data/sample") / "listeblanchemssante.xml.gz"
    listed = tmp_path / "list.xml.gz"
    listed.write_bytes(source.read_bytes())
    given = {"data": str(tmp_path), "as_of": AS_OF}
    shared = results.share_space(**given)
    assert results.open_space(**given) is shared
    assert results.open_space(**given, anchors=[]) is shared
    assert results.open_space(**given, listing_days=11) is not shared
    assert results.open_space(**(given | {"as_of": "2026-03-04"})) is not shared
    assert results.open_space(**given, show_contacts=True) is not shared
    (tmp_path / "waivers.toml").write_text("")
    assert results.open_space(**given) is not shared
    (tmp_path / "waivers.toml").unlink()
    assert results.open_space(**given) is shared
    os.utime(listed, (1, 1))
    assert results.open_space(**given) is not shared


@forking
def test_a_killed_server_is_replaced(overview):
    killing = Job(
        "killing", notebook_of("import os; os.kill(os.getppid(), 9)\nimport time; time.sleep(30)"), {}, {}
    )
    first, second = in_order([killing, overview])
    assert first.failure.kind == "DeadKernelError"
    assert second.failure is None


def test_nothing_to_make_starts_nothing(monkeypatch):
    monkeypatch.setattr(batch, "ForkServer", None)
    assert list(run_batch([])) == []


@forking
def test_data_that_cannot_be_loaded_are_an_error_of_the_batch(overview, tmp_path):
    (tmp_path / "list.xml").write_text("<a/>")
    job = replace(overview, given={**overview.given, "data": str(tmp_path)})
    with pytest.raises(WhiteListError):
        list(run_batch([job]))


# -- elsewhere ------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path):
    """A job on data of one's own, with anchors lying apart."""
    data = tmp_path / "données de l'Ain"
    (data / "observations").mkdir(parents=True)
    sample = resource("data/sample")
    (data / "list.xml.gz").write_bytes((sample / "listeblanchemssante.xml.gz").read_bytes())
    (observed,) = (sample / "observations").iterdir()
    (data / "observations" / observed.name).write_bytes(observed.read_bytes())
    given = {"as_of": AS_OF, "data": str(data), "anchors": [str(sample / "anchors")]}
    return plan(find_notebooks(("dn_consistency", "overview"), resource("notebooks")), given)


def test_other_processes_get_bytes_and_give_back_the_same_reports(elsewhere):
    here = {report.name: report for report in run_batch(elsewhere)}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = {report.name: report for report in run_batch(elsewhere, executor=pool)}
    assert there.keys() == here.keys() == {"dn_consistency", "overview"}
    for name, report in there.items():
        assert report.failure is None
        assert same(report, here[name])
    assert b"valide" in here["overview"].files[".html"]


def test_what_is_sent_holds_no_path_of_the_sender(elsewhere, tmp_path):
    bundle, jobs = batch._sendable(elsewhere)
    sent = pickle.dumps((bundle, jobs))
    assert str(tmp_path).encode() not in sent
    assert "données de l'Ain".encode() in sent
    assert [name for name in bundle.files if not name.startswith(("data/", "anchors0/"))] == []


def test_a_worker_with_other_code_refuses(elsewhere):
    bundle, jobs = batch._sendable(elsewhere)
    assert code_digest() == code_digest()
    with pytest.raises(InputError, match=r"other code than its caller\. Install this version"):
        make_there(bundle, jobs, "0" * 64, Order())


def test_a_bundle_stays_in_its_folder(tmp_path):
    with pytest.raises(InputError, match="does not lie in its folder"):
        Bundle({"../out": b""}, "data/x").unpack(tmp_path / "in")
    assert not (tmp_path / "out").exists()


def test_a_worker_that_dies_fails_its_reports_only(elsewhere):
    dying = {"initializer": os._exit, "initargs": (1,)}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), **dying) as pool:
        made = list(run_batch(elsewhere, executor=pool))
    assert [report.failure.kind for report in made] == ["BrokenProcessPool"] * 2
    assert all(b"Rapport partiel" in report.files[".html"] for report in made)
    assert json.loads(made[0].files[".results.json"])["status"] == "failed"
