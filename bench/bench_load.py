"""Load: ten times the rows, 20,000 observed domains, a thousand nights: time and memory stay linear.

Each is measured as a user has it, by a command in a process of its own: CPU and the most memory held. It
takes six minutes; a hundred times the rows take twenty more: benches(100).
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

from bench.bench_night import spent
from tools.nights import make_nights
from tools.sample.dns import build_dns
from tools.sample.make import build, whitelist_xml

ROWS, TIMES = 4944, 10
OBSERVED = 2_500, 20_000
"""Domains, of which some lie in a zone of their operator and are asked about with it."""
NIGHTS = 100, 1000
FINDINGS = ["findings", "all", "--as-of", "2026-03-03", "--out", "findings.csv", "--data"]
LETTERS = ["letters", "status"]


def benches(times: int = TIMES) -> list[tuple[str, float, float]]:
    """Return how much more each takes than less of it, and its upper limit."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (few, held), (many, most) = (_rows(folder, ROWS * factor) for factor in (1, times))
        (few_seen, few_held), (seen, seen_held) = (_observed(folder, domains) for domains in OBSERVED)
        (few_nights, _), (nights, _) = (_nights(folder, count) for count in NIGHTS)
    more = OBSERVED[1] / OBSERVED[0]
    return [
        (f"CPU a row of `findings all` at {times} x the rows / at 1 x", many / few / times, 1.3),
        (f"memory a row at {times} x the rows / at 1 x", most / held / times, 1.0),
        (f"MB of memory at {times} x the rows", most / 1e6, 60 * times),
        (f"CPU a domain, {OBSERVED[1]} observed / {OBSERVED[0]}", seen / few_seen / more, 1.3),
        (f"memory a domain, {OBSERVED[1]} observed / {OBSERVED[0]}", seen_held / few_held / more, 1.0),
        (f"CPU of `letters status` after {NIGHTS[1]} nights / after {NIGHTS[0]}", nights / few_nights, 1.5),
    ]


def _rows(folder: Path, domains: int) -> tuple[float, float]:
    file = folder / f"{domains}.xml.gz"
    sample = build(domains=domains, operators=343, defects=False)
    file.write_bytes(gzip.compress(whitelist_xml(sample), 1))
    return spent([*FINDINGS, str(file)], folder)


def _observed(folder: Path, domains: int) -> tuple[float, float]:
    sample = build(domains=domains, operators=400)
    data = folder / f"observed-{domains}"
    (data / "observations").mkdir(parents=True)
    (data / "list.xml").write_bytes(whitelist_xml(sample))
    seen = build_dns(sample.rows, sample.operators, signed=False).observation()
    (data / "observations" / "dns-2026-03-02T060000Z.jsonl.gz").write_bytes(seen)
    return spent([*FINDINGS, str(data), "-p", "recover=true"], folder)


def _nights(folder: Path, count: int) -> tuple[float, float]:
    place = folder / f"nights-{count}"
    make_nights(place, count)
    return spent(LETTERS, place)
