"""The system's Chromium, cut off from any network."""

import os
import shutil
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from conftest import SAMPLE_AS_OF
from playwright.sync_api import Browser, Page, sync_playwright

from mssante_audit.dossiers.write import write_dossiers

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip
LOCAL = ("file:", "data:", "blob:")
WAITING = "document.querySelector('table.sortable:not(.ready)')"
"""Whether the script of tables still has some to take up."""


@dataclass
class Visit:
    """A report, open in a browser, and what it did meanwhile."""

    page: Page
    requests: list[str] = field(default_factory=list)
    """Addresses asked for, the report's own aside."""
    alarms: list[str] = field(default_factory=list)
    """Dialogs, script errors, messages on the console."""


@pytest.fixture(scope="module")  # Playwright keeps an event loop running while it is open
def chromium():
    # The same engine without windows: what an open page costs beside its own work is a third.
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is missing, and CI must not go without the browser tests")
        pytest.skip("Chromium is missing on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


def open_report(chromium: Browser, report: Path, width: int, height: int, *, script: bool = True) -> Visit:
    context = chromium.new_context(
        viewport={"width": width, "height": height},
        java_script_enabled=script,
        offline=True,
        reduced_motion="reduce",  # a page scrolls smoothly otherwise, which is waited for at every link
    )
    context.route("**/*", lambda r: r.continue_() if r.request.url.startswith(LOCAL) else r.abort())
    visit = Visit(context.new_page())
    visit.page.on("request", lambda r: visit.requests.append(r.url[:200]))
    visit.page.on("dialog", lambda d: (visit.alarms.append(f"dialog {d.message}"), d.dismiss()))
    visit.page.on("pageerror", lambda e: visit.alarms.append(f"error {e}"))
    visit.page.on("console", lambda m: visit.alarms.append(f"console {m.text}"))
    visit.page.goto(report.as_uri())
    if script:
        visit.page.wait_for_function(f"!({WAITING})")
    visit.requests.remove(report.as_uri())
    return visit


@pytest.fixture
def visit(chromium):
    """A function that opens a report, for tests that do something to it."""
    opened = []

    def opens(report: Path, width: int = 1280, height: int = 800, *, script: bool = True) -> Visit:
        opened.append(open_report(chromium, report, width, height, script=script))
        return opened[-1]

    yield opens
    for visit in opened:
        visit.page.context.close()


@pytest.fixture(scope="module")  # Playwright keeps an event loop running while it is open
def look(chromium):
    """A function that opens a report once, for who only looks at it: in a window of a size, on paper."""
    opened = cache(lambda report: open_report(chromium, report, 1280, 800))

    def looks(report: Path, width: int = 1280, height: int = 800, *, paper: bool = False) -> Visit:
        visit = opened(report)
        visit.page.set_viewport_size({"width": width, "height": height})
        visit.page.emulate_media(media="print" if paper else "null")
        return visit

    return looks


@pytest.fixture(scope="session")
def dossiers(tmp_path_factory):
    out = tmp_path_factory.mktemp("dossiers")
    write_dossiers(out, parameters={"as_of": SAMPLE_AS_OF}, operators=["1679900001"])
    return out
