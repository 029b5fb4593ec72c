"""CPU of the audit of the DNS, from an observation file of more than 10,000 domains and 100,000 lines."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mssante_audit.audits import audit
from mssante_audit.observe.observation import load_observation
from mssante_audit.space.trust import TrustSpace
from mssante_audit.whitelist.load import load_whitelist
from tools.sample.dns import build_dns
from tools.sample.make import SAMPLE_AS_OF, build, whitelist_xml

DOMAINS, OPERATORS = 12_500, 400  # those inside a zone of their operator take fewer lines
LINES = 100_000


def benches() -> list[tuple[str, float, float]]:
    """Return the CPU seconds of loading and audit; the file must be as large as the promise says."""
    sample = build(domains=DOMAINS, operators=OPERATORS)
    dns = build_dns(sample.rows, sample.operators, signed=False)
    space = TrustSpace(load_whitelist(whitelist_xml(sample), recover=True), SAMPLE_AS_OF)
    with TemporaryDirectory() as folder:
        file = Path(folder, "dns.jsonl.gz")
        file.write_bytes(dns.observation())
        start = time.process_time()
        observation = load_observation(file)
        loaded = time.process_time()
        findings = audit("delegation_vs_redirection", replace(space, observation=observation))
        end = time.process_time()
    lines = len(observation.replies)
    if lines < LINES or len(dns.rows) < 10_000 or not len(findings):
        raise AssertionError(f"{lines} lines of {len(dns.rows)} domains, {len(findings)} findings: too few")
    return [
        (f"CPU seconds to load and audit an observation of {lines:,} lines", end - start, 8.0),
        ("of which loading", loaded - start, 8.0),
    ]
