"""What tests have done in forked processes."""

import ctypes
import os
import random
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa

STATE = {"prepared": False}


def prepare():
    STATE["prepared"] = True
    pa.table({"a": list(range(10_000))}).to_pandas(use_threads=True)  # leaves threads waiting
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()


def refuse():
    raise LookupError("nothing to prepare")


def vanish():
    os._exit(7)


def around(scratch, tell):
    """Tell of everything that a fork should have of its own."""
    return {
        "state": dict(STATE),
        "threads": len(os.listdir("/proc/self/task")),
        "threads of the server": len(os.listdir(f"/proc/{os.getppid()}/task")),
        "folder": os.getcwd(),
        "scratch": str(scratch),
        "temporary": tempfile.gettempdir(),
        "environment": dict(os.environ),
        "files": sorted(p.name for p in scratch.iterdir()),
        "arrow": len(pa.table({"a": [1]}).to_pandas(use_threads=True)),
        "chance": (random.random(), float(np.random.rand()), uuid.uuid4().hex),
    }


def tamper(scratch, tell):
    STATE["prepared"] = "tampered"
    os.environ["TAMPERED"] = "yes"
    Path("left.txt").touch()
    os.chdir("/")


def say(scratch, tell, *words):
    for word in words:
        tell("heard", word)
    return words


def fail(scratch, tell):
    raise LookupError("not here")


def answer_with_a_lock(scratch, tell):
    return threading.Lock()


def leave(scratch, tell):
    tell("big", "x" * 3_000_000)
    os._exit(3)


def crash(scratch, tell):
    ctypes.string_at(0)


def hang(scratch, tell):
    child = subprocess.Popen(["sleep", "60"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell("pids", os.getpid(), child.pid)
    time.sleep(60)


def exhaust(scratch, tell):
    return len(bytearray(1 << 30))
