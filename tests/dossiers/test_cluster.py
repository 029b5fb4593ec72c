"""Dossiers on a Dask cluster: a real scheduler and two workers on loopback, one of them killed half-way."""

import json
import os
import subprocess
import sys
import time
from shutil import copy

import pytest
from conftest import CATALOGUE
from test_dossiers import assert_same

from mssante_audit.base.errors import InputError
from mssante_audit.cli import reports as cli
from mssante_audit.dossiers.write import write_dossiers

pytest.importorskip("distributed", reason='Dask is not installed: pip install "mssante-audit[dask]"')
AS_OF = "2026-03-03T06:00:00Z"
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
    """A scheduler's address and its file."""
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
