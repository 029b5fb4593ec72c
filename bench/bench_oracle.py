"""Domains a second against Zonemaster's, on the same healthy zones in the same run.

Promise (issue 4): at least 20 times Zonemaster's throughput. Both look, one after the other, at zones on NSD
and Knot in a network namespace; Zonemaster has one process a core, ours is one process, and observes, loads
and audits. Zonemaster is measured as it is run; what its engine does once it has started is told as well.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

LAB = Path(__file__).parents[1] / "tests" / "observe"
TOOLS = Path(__file__).parents[1] / "tools"
sys.path[:0] = [str(LAB), str(TOOLS)]
from dnslab import KNOT, NSD, can_unshare, in_namespace  # noqa: E402

HEALTHY, SHOWN = 600, 40
"""Zones for us, and how many of them for Zonemaster."""
TIMES = 20
ENGINE = """
use Zonemaster::Engine; use Time::HiRes "time";
Zonemaster::Engine::Profile->effective->set("net.ipv6", 0);
my %root = ("a.root-servers.net" => ["198.41.0.4"]);
Zonemaster::Engine::Recursor->remove_fake_addresses(".");
Zonemaster::Engine::Recursor->add_fake_addresses(".", \\%root);
my $start = time;
for (@ARGV) { Zonemaster::Engine->reset; Zonemaster::Engine->test_zone($_) }
print time - $start;
"""
CODE = """
import sys; sys.path.insert(0, {tools!r})
from bench.bench_oracle import measure
measure({folder!r})
"""


def measure(folder: str) -> None:
    """Measure both; to be run inside the namespace."""
    import time
    from concurrent.futures import ThreadPoolExecutor
    from dataclasses import replace

    from dnscases import PARENT_ZONES, ROOT, Case
    from dnsscene import make_space, running
    from oracle import HINTS, output, zonemaster

    from mssante_audit.audits import audit
    from mssante_audit.observe.dns.run import ObserveSettings, observe
    from mssante_audit.observe.observation import load_observation

    cases = [Case(f"ch-{n}", "clean") for n in range(HEALTHY)]
    domains = [case.domain for case in cases]
    hints = Path(folder, "hints")
    hints.write_text(HINTS)
    cores = os.cpu_count() or 1
    with running(Path(folder), cases):
        start = time.perf_counter()
        with ThreadPoolExecutor(cores) as pool:
            tags_of = list(pool.map(lambda domain: zonemaster(domain, hints), domains[:SHOWN]))
        theirs = (time.perf_counter() - start) / SHOWN
        engine = float(output("perl", "-e", ENGINE, *domains[:SHOWN])) / SHOWN
        ours = float("inf")
        for attempt in range(3):
            start = time.perf_counter()
            settings = ObserveSettings(
                parent_servers=PARENT_ZONES["mssante.fr"], root=(("a.root-servers.net", ROOT),),
                in_flight=128, per_server_in_flight=128, per_second=1e9, per_server=1e5,
            )  # fmt: skip
            path = Path(folder, f"{attempt}.jsonl.gz")
            observe(domains, path, settings)
            space = make_space(*({"domain": domain} for domain in domains))
            findings = audit("delegation_vs_redirection", replace(space, observation=load_observation(path)))
            ours = min(ours, (time.perf_counter() - start) / HEALTHY)
            assert set(findings["rule"]) <= {"DNS_MX_CERTIFICATE", "DNS_MX_CONCENTRATION"}, findings["rule"]
    assert all("B02_NO_WORKING_NS" not in tags and tags == tags_of[0] for tags in tags_of), tags_of
    Path(folder, "seen.json").write_text(json.dumps([ours, theirs, engine]))


def benches() -> list[tuple[str, float, float]]:
    """Return rows of (what, measured, promised at most)."""
    missing = [name for name, program in (
        ("zonemaster-cli", shutil.which("zonemaster-cli")), ("nsd", NSD), ("knot", KNOT),
        ("root, to make a network namespace", can_unshare()),
    ) if not program]  # fmt: skip
    if missing:
        return [(f"NOT MEASURED against Zonemaster: there is no {', '.join(missing)}", float("inf"), 1.0)]
    from dnsscene import ADDRESSES

    with tempfile.TemporaryDirectory() as folder:
        done = in_namespace(CODE.format(tools=str(TOOLS), folder=folder), *ADDRESSES, timeout=900)
        if done.returncode:
            raise RuntimeError(done.stderr)
        ours, theirs, engine = json.loads(Path(folder, "seen.json").read_text())
    title = (
        f"of the time allowed, a {TIMES}th of Zonemaster's: {theirs / ours:.0f} times its throughput"
        f" ({1 / ours:.0f} domains/s against {1 / theirs:.1f}; {engine / ours:.0f} times that of its engine,"
        f" in one process that runs already: {1 / engine:.1f})"
    )
    return [(title, TIMES * ours / theirs, 1.0)]
