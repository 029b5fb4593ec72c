"""A run killed at any instant leaves the last good site, and the next start goes on to the same end."""

import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from conftest import toml
from made_nights import AS_OF, customised

from mssante_audit.nightly.night import read_run
from mssante_audit.space.trust import load_space

CASES = toml("nightly/kill")

KILLER = """
import os, re, signal, sys
left = [int(os.environ["KILL_AT"])]
CHANGES = {"os.rename", "os.remove", "os.symlink", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}
place, role, wanted = os.environ["KILL_IN"], os.environ["KILL_ROLE"], re.compile(os.environ["KILL_ON"])
pid = os.getpid() if role == ("run" if "run" in sys.orig_argv else sys.orig_argv[-1]) else 0


def look(event, args):
    if event not in CHANGES and not (event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR)):
        return
    paths = [str(a) for a in args if isinstance(a, (str, os.PathLike)) and str(a).startswith(place)]
    if os.getpid() != pid or not paths or not wanted.search(" ".join([event, *paths])):
        return
    left[0] -= 1
    if left[0] == 0:
        if role != "run":
            os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(look)
"""
"""Kills a run just before the n-th time it, or one of its steps, is about to change something on disk."""

MATTER = [
    *(("run", ".", number) for number in (1, 29, 60)),
    *(("audit", ".", number) for number in (7, 43)),
    *CASES["moments"],
]
"""Who is killed before what, the first time or the n-th; of ``.``, any change."""


@pytest.fixture(scope="module")
def reference(two_nights):
    """What a second night leaves that nobody disturbs."""
    place, _, (status, _, errors) = two_nights
    assert status == 0, errors
    return left_by(place)


@pytest.fixture(scope="module")
def killer(tmp_path_factory):
    return customised(tmp_path_factory.mktemp("killer") / "own", KILLER)


def left_by(place) -> dict[str, object]:
    """Return what the last run left, without what tells when it was."""
    run = place.runs[-1]
    files = [run / "findings.csv", run / "audit.json", *filter(Path.is_file, run.glob("site/**/*"))]
    # A workbook tells the second at which it was written.
    content = {str(path.relative_to(run)): path.suffix != ".xlsx" and path.read_bytes() for path in files}
    return {**content, "ledger": place.state("ledger.json"), "trend": place.state("trend.json")}


def check_in_between(place) -> None:
    """Check what must hold at any instant after the first good run."""
    assert (place.site / "index.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    for name in ("ledger.json", "trend.json", "run.json"):
        place.state(name)
    assert not working_in(place.folder)


def working_in(folder: Path) -> bool:
    """Tell whether processes work in a folder, once those that are dying have had the time."""
    for _ in range(200):
        busy = False
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                at_work = process.status() != psutil.STATUS_ZOMBIE
                busy |= at_work and process.cwd().startswith(str(folder))
        if not busy:
            break
        time.sleep(0.05)
    return busy


def check_the_end(place, reference) -> None:
    assert left_by(place) == reference
    assert os.readlink(place.site) == f"runs/{place.runs[-1].name}/site"
    assert {path.name for path in place.output.iterdir()} == {".lock", "runs", "site", "state"}
    assert [path.name for path in place.output.rglob(".*") if not path.name.endswith(".lock")] == []
    assert place.log()


@pytest.mark.long
@pytest.mark.parametrize("kill", MATTER, ids=lambda kill: f"{kill[0]} {kill[1:]}")
def test_killed_before_a_change_on_disk_a_run_is_gone_on_with_to_the_same_end(later, reference, killer, kill):
    place, (role, on, at) = later, (*kill, 1)[:3]
    when = {"KILL_ROLE": role, "KILL_ON": on, "KILL_AT": str(at)}
    status, _, _ = place.run(AS_OF, **killer, **when, KILL_IN=str(place.output))
    assert status == -signal.SIGKILL, f"makes no such change: {kill}"
    check_in_between(place)
    if role == "site":  # who is to be told of the night need not wait for pages
        mail = " ".join((place.runs[-1] / "summary.txt").read_text().split())
        assert re.search("critical.* site to come", mail)
    if len(place.runs) == 1 or read_run(place.runs[-1]).status == "running":
        status, _, errors = place.run(AS_OF)
        assert (status, errors) == (0, "")
    assert len(place.runs) == 2
    check_the_end(place, reference)


@pytest.mark.long
def test_killed_again_and_again_it_comes_to_its_end(later, reference, settings):
    """At later and later instants, with a report's kernel and the dossiers' processes at work too."""
    place = later
    operator = load_space(place.folder / "data").entries["operator_id"].iloc[0]
    dossiers = {"enabled": True, "operators": [operator]}
    settings(reports={"enabled": True, "names": ["overview"]}, dossiers=dossiers)
    patience, kills = 0.25, 0
    while True:
        process = place.start("--as-of", AS_OF)
        try:
            out, errors = process.communicate(timeout=patience)
            break
        except subprocess.TimeoutExpired:
            at_work = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            process.communicate()
            assert psutil.wait_procs(at_work, timeout=10)[1] == []
        kills += 1
        patience *= 1.3
        check_in_between(place)
    assert (process.returncode, errors) == (0, "")
    assert kills > 5
    assert "gone on with" in out
    for name in ("reports/overview.html", "dossiers/index.html"):
        assert (place.runs[-1] / name).is_file()
    left = left_by(place)
    assert (left["findings.csv"], left["trend"]) == (reference["findings.csv"], reference["trend"])
