"""Loading a white list: against lxml and pandas, and at a hundred times the rows.

Each measurement is made in a process of its own, so that no cache is warm, and the best of several is kept:
what disturbs a process can only slow it.
"""

import gzip
import os
import subprocess
import sys
import tempfile
from pathlib import Path

REAL = Path(__file__).parents[2] / "shared" / "real"
RUNS = 7

LOAD = "from mssante_audit.whitelist.load import load_whitelist as f"
LXML = "from lxml.etree import parse as f"
PANDAS = """
import pandas
def f(file):
    name = "{https://listeblanche.mssante.fr/schema}Domaine"
    return pandas.read_xml(file, xpath=f".//d:Domaine", namespaces={"d": name[1:-8]}, compression="infer")
"""
TIMED = """
import sys, time
begin = time.process_time()
kept = f(sys.argv[1])
print(time.process_time() - begin)
"""
WEIGHED = r"""
import re, sys
def peak():  # not ru_maxrss, which starts from the parent's
    return 1024 * int(re.search(r"VmHWM:\s*(\d+)", open("/proc/self/status").read())[1])
f(sys.argv[2])
before = peak()
entries = f(sys.argv[1]).entries
print((peak() - before) / entries.memory_usage(deep=True).sum())
"""


def measured(program: str, *files: Path) -> float:
    command = [sys.executable, "-c", program, *map(str, files)]
    # Threads that numpy's BLAS starts when it is imported spin for a while: that is nobody's work.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout)


def best(setup: str, file: Path, runs: int = RUNS) -> float:
    return min(measured(setup + TIMED, file) for _ in range(runs))


def real_or_made_up(folder: Path) -> Path:
    for file in REAL.glob("*.xml.gz"):
        return file
    return made_up(folder, 4944)


def made_up(folder: Path, domains: int) -> Path:
    from tools.sample.make import build, whitelist_xml

    file = folder / f"{domains}.xml.gz"
    if not file.exists():
        file.write_bytes(
            gzip.compress(whitelist_xml(build(0, domains=domains, operators=343, defects=False)), 1)
        )
    return file


def benches() -> list[tuple[str, float, float]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = real_or_made_up(folder)
        load = best(LOAD, file)
        small, large = (made_up(folder, 4944 * factor) for factor in (1, 100))
        a_row = best(LOAD, large, 3) / rows(large)
        return [
            ("load_whitelist / lxml.etree.parse of the same file", load / best(LXML, file), 5),
            ("load_whitelist / pandas.read_xml of the six columns", load / best(PANDAS, file, 3), 1),
            ("time a row at 100 x the rows / at 1 x", a_row / (best(LOAD, small) / rows(small)), 1.15),
            (
                "peak memory of loading 100 x the rows / the frame's",
                measured(LOAD + WEIGHED, large, small),
                2.5,
            ),
        ]


def rows(file: Path) -> int:
    with gzip.open(file) as lines:
        return sum(line.count(b"<Domaine>") for line in lines)
