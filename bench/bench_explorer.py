"""The explorer: its page for 8,700 domains, and how fast Chromium opens and filters these and 100,000."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import tempfile
from base64 import b64decode
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from mssante_audit.report.explorer import explore, packed
from mssante_audit.space.trust import load_space
from tools.sample.make import build
from tools.sample.space import whitelist_chunks

DOMAINS, MANY = 8700, 100_000
RUNS = 9
HELD = re.compile(r'(?<=id="data">)[^<]*')

ACTIONS = {
    "a letter": "(q) => { q.value = q.value ? '' : 'c'; q.dispatchEvent(new Event('input')); }",
    "words": "(q) => { q.value = q.value ? '' : 'hopital fictif'; q.dispatchEvent(new Event('input')); }",
    "a state": "() => document.querySelectorAll('#facets input')[6].click()",
    "a département": "() => document.querySelector('#tiles button:not(.none)').click()",
    "a region": "() => document.querySelector('.facet:has(.parts) input').click()",
}
"""What is timed: each is done and undone."""

TIMED = """async (act) => {
  const begin = performance.now();
  (%s)(document.getElementById("q"));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - begin;
}"""
"""Until the next frame is there: script, layout and paint."""


def benches() -> list[tuple[str, float, float]]:
    """Return what is promised of the explorer: name, what was measured, and its upper limit."""
    rows = build(domains=DOMAINS, operators=321).rows
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder = Path(scratch)
        (folder / "list.xml").write_bytes(b"".join(whitelist_chunks(rows)))
        page = explore(load_space(folder, as_of="2026-03-03T06:00:00Z")).html
        content = json.loads(gzip.decompress(b64decode(HELD.search(page)[0])))  # type: ignore[index]
        (folder / "some.html").write_text(page, encoding="utf-8")
        many = HELD.sub(packed(grown(content, -(-MANY // len(content["rows"]["domain"])))), page)
        (folder / "many.html").write_text(many, encoding="utf-8")
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        measures = [
            (f"kB of the page of {len(content['rows']['domain'])} domains", len(page.encode()) / 1000, 1500)
        ]
        for name, number, paint, filtered in (("some", "8,700", 1000, 50), ("many", "100,000", 1000, 300)):
            opened = chromium.new_page(viewport={"width": 1280, "height": 800})
            opened.goto((folder / f"{name}.html").as_uri())
            opened.locator("#explorer").wait_for()
            measures.append((f"ms to the first paint of {number} domains", _painted(opened), paint))
            slowest, action = max((_filtered(opened, act), act) for act in ACTIONS)
            measures.append((f"ms to filter {number} domains, the slowest way ({action})", slowest, filtered))
            opened.close()
        chromium.close()
    return measures


def grown(content: dict[str, Any], times: int) -> dict[str, Any]:
    """Return what a page of several times the domains holds, under other names."""
    rows = {name: column * times for name, column in content["rows"].items()}
    rows["domain"] = [f"{k}-{name}" for k in range(times) for name in content["rows"]["domain"]]
    facets = [facet | {"column": facet["column"] * times} for facet in content["facets"]]
    return content | {"rows": rows, "facets": facets}


def _painted(page: Page) -> float:
    return float(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))


def _filtered(page: Page, action: str) -> float:
    """Return the least time of some runs of doing and of undoing something, the slower of both."""
    timed = TIMED % ACTIONS[action]
    both = [[page.evaluate(timed) for _ in range(2)] for _ in range(RUNS)]
    return max(map(min, zip(*both, strict=True)))
