"""A whole night on the real list, as cron starts it: CPU, disk and memory; and a space out of its snapshot.

No fetch and no observation; every report, every operator's dossier, the site. CPU is measured against
`findings all` on the same list, the two in turns, start and imports counted. Memory is the sum of what the
processes hold at one instant, what they share counted once (PSS): the greatest of ten looks a second.
"""

from __future__ import annotations

import resource as usage
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import psutil

from tools.sample.make import build
from tools.sample.space import whitelist_chunks

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "real"
RUNS = 3
PROGRAM = [sys.executable, "-m", "mssante_audit"]
SETTINGS = """
[data]
folder = "{data}"
[output]
folder = "output"
[fetch]
enabled = false
[observe]
enabled = false
"""
LOADED = """
import io, sys, time
import pandas
from mssante_audit import AUDITS, load_space
pandas.read_parquet(io.BytesIO(pandas.DataFrame({"a": ["b"]}).to_parquet()))
load_space().whitelist.signature  # of the sample: libraries and rules are there
begin = time.process_time()
load_space(sys.argv[1]).whitelist.signature
print(time.process_time() - begin)
"""


def benches() -> list[tuple[str, float, float]]:
    """Return what is promised of a night: name, what was measured, and its upper limit."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data, as_of = _data(folder)
        nights, audits, memory, disk = [], [], 0.0, 0.0
        for number in range(RUNS):
            place = folder / str(number)
            place.mkdir()
            (place / "audit.toml").write_text(SETTINGS.format(data=data), encoding="utf-8")
            audits.append(spent(["findings", "all", "--data", str(data), "--as-of", as_of], place)[0])
            night, held = spent(["run", "--as-of", as_of], place)
            nights.append(night)
            memory, disk = max(memory, held), _disk(place / "output")
        snapshot = next((place / "output" / "runs").iterdir()) / "snapshot"
        kept, files = (min(_loaded(where) for _ in range(9)) for where in (snapshot, data))
        helped = min(spent(["--help"], folder)[0] for _ in range(RUNS))
    return [
        ("CPU of a whole night / of `findings all`", min(nights) / min(audits), 12),
        ("MB of disk of a night", disk / 1e6, 70),
        ("MB of memory of a night, all processes", memory / 1e6, 500),
        ("CPU of a space and its verdict out of a snapshot / out of files", kept / files, 0.1),
        ("CPU seconds of `mssante-audit --help`", helped, 0.4),
    ]


def _data(folder: Path) -> tuple[Path, str]:
    if REAL.is_dir():
        return REAL, "2025-03-01"
    data = folder / "data"
    data.mkdir()
    (data / "list.xml").write_bytes(b"".join(whitelist_chunks(build(domains=4944, operators=343).rows)))
    return data, "2026-03-03"


def spent(words: list[str], folder: Path) -> tuple[float, float]:
    """Return the CPU seconds that a command and what it starts take, and the most memory they hold."""
    before = usage.getrusage(usage.RUSAGE_CHILDREN)
    with (folder / "said").open("wb") as output:
        process = subprocess.Popen([*PROGRAM, *words], cwd=folder, stdout=output)
        most, ended = [0.0], threading.Event()
        looking = threading.Thread(target=_look, args=(process.pid, most, ended))
        looking.start()
        status = process.wait()
    ended.set()
    looking.join()
    assert status == 0, words
    after = usage.getrusage(usage.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, most[0]


def _look(pid: int, most: list[float], ended: threading.Event) -> None:
    while not ended.wait(0.1):
        held = 0.0
        with suppress(psutil.Error):
            root = psutil.Process(pid)
            for process in (root, *root.children(recursive=True)):
                with suppress(psutil.Error):
                    info = process.memory_full_info()
                    held += getattr(info, "pss", info.uss)
        most[0] = max(most[0], held)


def _disk(folder: Path) -> float:
    """Return the bytes that a folder's files take, hard links once."""
    files = {(stat.st_dev, stat.st_ino): stat for p in folder.rglob("*") for stat in [p.lstat()]}
    return sum(stat.st_blocks * 512 for stat in files.values())


def _loaded(data: Path) -> float:
    done = subprocess.run([sys.executable, "-c", LOADED, str(data)], check=True, capture_output=True)
    return float(done.stdout)
