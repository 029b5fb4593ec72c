"""CPU and memory of dossiers in bulk, against plain Python.

320 dossiers of the real list where it lies beside this, or else of a made-up list of as many operators. Plain
Python, in one process, is a loop over the function that makes one; what both write is compared byte for byte.
"""

from __future__ import annotations

import json
import resource as usage
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from mssante_audit.base.export import write_bytes
from mssante_audit.base.resources import resource
from mssante_audit.dossiers.write import Order, file_name, from_space, write_dossiers
from mssante_audit.report.results import open_space
from mssante_audit.report.run import plan
from tools.sample.make import build
from tools.sample.space import whitelist_chunks

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "real"
MANY = 320


def benches() -> list[tuple[str, float, float]]:
    """Return what is promised of dossiers: name, what was measured, and its upper limit."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        parameters = _data(folder)
        listed = open_space(**parameters).entries["operator_id"].replace("", None)
        # Most rows first: memory that grows thereafter is kept, and not what the greatest dossier takes.
        operators = listed.value_counts().index[:MANY].tolist()
        bulk, memory = _run("bulk", parameters, operators, folder / "bulk")
        plain, _ = _run("plain", parameters, operators, folder / "plain")
        for path in (folder / "plain").iterdir():
            same = path.read_bytes() == (folder / "bulk" / path.name).read_bytes()
            assert same or path.name.endswith(".results.json"), path.name
    of = f"{len(operators)} dossiers"
    return [
        (f"{of}: CPU / plain Python writing the same files", bulk / plain, 1.3),
        (f"{of}: memory at the last / at the 40th", memory[-1] / memory[0], 1.05),
        (f"{of}: MB of memory, all processes, what they share counted once", max(memory) / 1e6, 600),
    ]


def _data(folder: Path) -> dict[str, Any]:
    if REAL.is_dir():
        return {"data": str(REAL), "as_of": "2025-03-01"}
    sample = build(domains=4944, operators=MANY + 1)
    (folder / "data").mkdir()
    (folder / "data" / "list.xml").write_bytes(b"".join(whitelist_chunks(sample.rows)))
    return {"data": str(folder / "data"), "as_of": "2026-03-03"}


def _run(way: str, parameters: dict[str, Any], operators: list[str], folder: Path) -> tuple[float, list[int]]:
    """Return the CPU that all of it takes, start and loading counted, and the memory now and then."""
    arguments = json.dumps([way, parameters, operators, str(folder)])
    before = usage.getrusage(usage.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "bench.bench_dossiers", arguments]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    after = usage.getrusage(usage.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, json.loads(done.stdout)


def _memory() -> int:
    """Return the bytes that this process and those it started hold."""
    held = 0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with suppress(psutil.Error):
            info = process.memory_full_info()
            held += getattr(info, "pss", info.uss)
    return held


def _plain(parameters: dict[str, Any], operators: list[str], folder: Path) -> None:
    space = open_space(**parameters)
    (job,) = plan({"operator": resource("notebooks") / "operator.ipynb"}, {**parameters, "operator": "0"})
    order = Order("", {**job.shown, **job.passed}, "")
    folder.mkdir()
    for operator in operators:
        for suffix, content in from_space(order, space, operator).files.items():
            write_bytes(folder / f"{file_name(operator)}{suffix}", content)


def _bulk(parameters: dict[str, Any], operators: list[str], folder: Path) -> list[int]:
    memory: list[int] = []

    def note(done: int, of: int, _dossier: Any) -> None:
        if done == of or done % 40 == 0:  # by then what is kept of texts looked through is there
            memory.append(_memory())

    assert (
        write_dossiers(folder, parameters=parameters, operators=operators, listener=note).exit_status() == 0
    )
    return memory


if __name__ == "__main__":
    way, parameters, operators, folder = json.loads(sys.argv[1])
    make = {"plain": _plain, "bulk": _bulk}[way]
    print(json.dumps(make(parameters, operators, Path(folder)) or []))
