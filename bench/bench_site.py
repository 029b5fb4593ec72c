"""The site: all its pages and files for a made-up list of 8,700 rows and 321 operators."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mssante_audit.audits import audit_all
from mssante_audit.site.build import build_site
from mssante_audit.space.trust import load_space
from tools.sample.make import build
from tools.sample.space import whitelist_chunks

ROWS = 8700
RUNS = 3


def benches() -> list[tuple[str, float, float]]:
    """Return what is promised of the site: name, what was measured, and its upper limit."""
    rows = build(domains=6900, operators=321).rows[:ROWS]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "list.xml").write_bytes(b"".join(whitelist_chunks(rows)))
        space = load_space(folder, as_of="2026-03-03T06:00:00Z")
        findings = audit_all(space)
        waived = findings.head(0).assign(reason="", who="", until="")
        sites = iter(range(100))

        def write() -> None:
            site = folder / f"site-{next(sites)}"
            build_site(site, space, findings, waived=waived, told=None, points=())

        write()  # templates and libraries are loaded once
        audits, built = _cpu(lambda: (space.cache.clear(), audit_all(space))), _cpu(write)
        pages = list((folder / "site-0").rglob("*.html"))
        largest = max(page.stat().st_size for page in pages)
        index = (folder / "site-0" / "index.html").stat().st_size
    return [
        (
            f"CPU of writing the site ({len(pages)} pages, {len(findings)} findings) / of all audits",
            built / audits,
            10,
        ),
        ("its index, kB (what is searched is in it)", index / 1000, 650),
        ("its largest page, kB", largest / 1000, 650),
    ]


def _cpu(job: Callable[[], object]) -> float:
    """Return the least CPU time of some runs."""
    times = []
    for _ in range(RUNS):
        begin = time.process_time()
        job()
        times.append(time.process_time() - begin)
    return min(times)
