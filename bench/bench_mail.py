"""CPU of the verdicts on mail, from an observation file of more than 10,000 domains and 100,000 lines."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.bench_dns_audit import DOMAINS, LINES, OPERATORS
from mssante_audit.observe.observation import load_observation
from mssante_audit.verdicts.mail import mails
from tools.sample.dns import build_dns
from tools.sample.make import SAMPLE_AS_OF, build


def benches() -> list[tuple[str, float, float]]:
    """Return the CPU seconds of the verdicts, beyond loading; the file must be as large as promised."""
    sample = build(domains=DOMAINS, operators=OPERATORS)
    dns = build_dns(sample.rows, sample.operators)
    with TemporaryDirectory() as folder:
        file = Path(folder, "dns.jsonl.gz")
        file.write_bytes(dns.observation())
        observation = load_observation(file)
    start = time.process_time()
    found = mails(observation, dns.rows, SAMPLE_AS_OF, 7)
    spent = time.process_time() - start
    lines, known = len(observation.queries), sum(one.receives != "unknown" for one in found.values())
    if lines < LINES or len(found) < 10_000 or known < len(found) - 100:
        raise AssertionError(f"{lines} lines of {len(found)} domains, {known} known: too few")
    return [(f"CPU seconds for the verdicts of {len(found):,} domains from {lines:,} lines", spent, 2.0)]
