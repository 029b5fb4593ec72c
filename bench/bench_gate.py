"""What a gate costs on the real list, in CPU of whole commands, against `findings all` on one list."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

REAL = Path(__file__).parents[2] / "shared" / "real" / "listeblanchemssante-2025-02-28.xml.gz"
SAMPLE = Path(__file__).parents[1] / "data" / "sample" / "listeblanchemssante.xml.gz"
RUNS = 3


def benches() -> list[tuple[str, float, float]]:
    """Return the ratio of both, each the least of `RUNS`; on the sample where the real list is missing."""
    source = REAL if REAL.exists() else SAMPLE
    as_of = "2025-03-01" if REAL.exists() else "2026-03-03"
    with TemporaryDirectory() as folder:
        after = Path(folder, "after.xml")
        text = gzip.decompress(source.read_bytes()).decode()
        after.write_text(text.replace("<Description>", "<Description>Messagerie ", 1), encoding="utf-8")
        findings = min(_cpu("findings", "all", "--data", source, "--as-of", as_of) for _ in range(RUNS))
        gate = min(_cpu("gate", source, after, "--as-of", as_of) for _ in range(RUNS))
    return [(f"gate against findings on one list ({source.name}), CPU", gate / findings, 1.5)]


def _cpu(*words: object) -> float:
    before = os.times()
    command = [sys.executable, "-m", "mssante_audit", *map(str, words)]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = os.times()
    spent = after.children_user + after.children_system
    return spent - before.children_user - before.children_system
