"""Forked processes: each of its own, and none left behind however work ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from mssante_audit.base.errors import ReportError
from mssante_audit.dossiers import forks
from mssante_audit.dossiers.forks import AVAILABLE, DiedError, ForkServer, Limits

FILES = Path(__file__).parent / "files"
pytestmark = pytest.mark.skipif(not AVAILABLE, reason="no process can be forked here")


@pytest.fixture
def forked(monkeypatch):
    """The functions to be called, importable here and in a server."""
    monkeypatch.setenv("PYTHONPATH", f"{FILES}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.syspath_prepend(str(FILES))
    import forked

    return forked


@pytest.fixture
def server(forked, monkeypatch):
    monkeypatch.setenv("MSSANTE_SECRET_TOKEN", "s3cr3t")
    with ForkServer(forked.prepare) as server:
        yield server


def gone(number, seconds=10):
    deadline = time.monotonic() + seconds
    while psutil.pid_exists(number) and psutil.Process(number).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_fork_begins_where_the_server_stands_and_has_everything_of_its_own(server, forked):
    first = server.call(forked.around)
    server.call(forked.tamper)
    second = server.call(forked.around)
    for seen in (first, second):
        assert seen["state"] == {"prepared": True}
        assert seen["threads"] == seen["threads of the server"] == 1
        assert seen["arrow"] == 1
        assert seen["folder"] == seen["scratch"] == seen["temporary"] == seen["environment"]["TMPDIR"]
        assert seen["files"] == []
        assert "MSSANTE_SECRET_TOKEN" not in seen["environment"]
        assert "OMP_NUM_THREADS" not in seen["environment"]
        assert "TAMPERED" not in seen["environment"]
        assert seen["environment"]["PYTHONHASHSEED"] == "0"
    assert first["scratch"] != second["scratch"]
    assert not Path(first["scratch"]).exists()
    for one, other in zip(first["chance"], second["chance"], strict=True):
        assert one != other


def test_a_fork_tells_answers_and_raises(server, forked):
    told = []
    assert server.call(forked.say, "a", "b", listener=lambda *words: told.append(words)) == ("a", "b")
    assert told == [("heard", "a"), ("heard", "b")]
    with pytest.raises(LookupError, match="not here"):
        server.call(forked.fail)
    with pytest.raises(RuntimeError, match="lock"):
        server.call(forked.answer_with_a_lock)


def test_a_fork_that_leaves_or_crashes_is_told_apart_and_what_it_said_is_heard(server, forked):
    told = []
    with pytest.raises(DiedError, match="its process left with status 3"):
        server.call(forked.leave, listener=lambda *words: told.append(words))
    assert len(told[0][1]) == 3_000_000
    with pytest.raises(DiedError, match="its process was ended by SIGSEGV") as caught:
        server.call(forked.crash)
    assert not caught.value.late
    assert server.call(forked.say, "still there") == ("still there",)


def test_a_fork_over_its_deadline_is_killed_with_what_it_started(server, forked):
    pids = []
    begin = time.monotonic()
    with pytest.raises(DiedError, match="stopped after 1 seconds") as caught:
        server.call(forked.hang, limits=Limits(deadline=1), listener=lambda _, *found: pids.extend(found))
    assert caught.value.late
    assert time.monotonic() - begin < 10
    assert len(pids) == 2
    assert all(map(gone, pids))


def test_memory_is_limited(server, forked):
    with pytest.raises(MemoryError):
        server.call(forked.exhaust, limits=Limits(memory=256 << 20))
    assert server.call(forked.exhaust) == 1 << 30


def hanging(server, forked):
    """Let a fork hang in a thread; return the thread, the processes' numbers and what the call raised."""
    pids, raised, started = [], [], threading.Event()

    def listen(_, *found):
        pids.extend(found)
        started.set()

    def call():
        try:
            server.call(forked.hang, listener=listen)
        except DiedError as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert started.wait(20)
    return thread, pids, raised


def test_closing_ends_everything_and_whoever_waits_learns_it(server, forked):
    thread, pids, raised = hanging(server, forked)
    folder = server._root
    server.close()
    thread.join(10)
    assert not thread.is_alive()
    assert "gone" in str(raised[0])
    assert all(map(gone, [*pids, server.pid]))
    assert not folder.exists()
    with pytest.raises(DiedError, match="the fork server is gone"):
        server.call(forked.say)


def test_a_killed_server_takes_its_forks_along(server, forked):
    thread, pids, raised = hanging(server, forked)
    os.kill(server.pid, signal.SIGKILL)
    thread.join(10)
    assert "gone" in str(raised[0])
    assert gone(pids[0])
    os.kill(pids[1], signal.SIGKILL)  # what a fork started has no one left to end it
    assert not server.running


STARTER = """
import sys, forked
from mssante_audit.dossiers.forks import ForkServer
if __name__ == "__main__":
    server = ForkServer(forked.prepare)
    print(server.pid, server._root, flush=True)
    server.call(forked.hang, listener=lambda _, *pids: print(*pids, flush=True))
"""


def test_a_killed_starter_leaves_no_process_and_no_folder(forked):
    process = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True)
    server, folder = process.stdout.readline().split()
    pids = [int(server), *map(int, process.stdout.readline().split())]
    process.kill()
    process.communicate()
    assert len(pids) == 3
    assert all(map(gone, pids))
    deadline = time.monotonic() + 5
    while Path(folder).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(folder).exists()


def test_a_server_that_does_not_start_says_why(forked, monkeypatch):
    with pytest.raises(LookupError, match="nothing to prepare"):
        ForkServer(forked.refuse)
    with pytest.raises(ReportError, match="the fork server did not start"):
        ForkServer(forked.vanish)
    monkeypatch.setattr(forks, "_START", "raise SystemExit('no module today')")
    with pytest.raises(ReportError, match="did not start: no module today"):
        ForkServer(forked.prepare)
