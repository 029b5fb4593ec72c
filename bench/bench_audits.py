"""CPU that all rules take on the real list; on a made-up one of the same size where it is missing."""

from __future__ import annotations

import time
from pathlib import Path

from mssante_audit.audits import audit_all
from mssante_audit.space.trust import TrustSpace
from mssante_audit.whitelist.load import WhiteList, load_whitelist
from tools.sample.make import SAMPLE_AS_OF, build, whitelist_xml

REAL = Path(__file__).parents[2] / "shared" / "real" / "listeblanchemssante-2025-02-28.xml.gz"
RUNS = 5


def benches() -> list[tuple[str, float, float]]:
    """Return the median CPU seconds of every rule, signature and masking included, on lists loaded afresh."""
    real = REAL.exists()
    source = REAL if real else whitelist_xml(build(domains=4944, operators=343))
    seconds = sorted(_cpu(load_whitelist(source)) for _ in range(RUNS))
    list_name = "the real list" if real else "a made-up list (the real one is missing)"
    return [(f"CPU seconds of all rules on {list_name}", seconds[RUNS // 2], 1.2)]


def _cpu(whitelist: WhiteList) -> float:
    start = time.process_time()
    audit_all(TrustSpace(whitelist, SAMPLE_AS_OF))
    return time.process_time() - start
