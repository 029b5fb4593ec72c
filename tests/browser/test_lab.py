"""The notebooks in a live JupyterLab, started by `make lab`: charts, tables, both themes, no network."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from dnslab import free_port
from legible import CONTRAST
from playwright.sync_api import Page, expect

from mssante_audit.base.resources import resource
from mssante_audit.report.run import ONE_OPERATOR

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
OUTPUT = ".jp-NotebookPanel .jp-OutputArea-output"
ERRORS = f'{OUTPUT}[data-mime-type="application/vnd.jupyter.error"]'
PATIENCE = 30_000
"""Milliseconds for what takes a few seconds on an idle machine."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the notebooks: Lab saves what it runs."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(resource("notebooks"), folder / "notebooks")
    return folder


@pytest.fixture(scope="module")
def address(folder):
    """The address that `make lab` would open in a browser."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "MAKE", "PYTHON"))}
    options = (
        f"--no-browser --allow-root --port={free_port()} --ServerApp.port_retries=0 "
        "--LabApp.expose_app_in_browser=True"
    )
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            ["make", "lab", f"NOTEBOOKS={folder / 'notebooks'}", f"ARGS={options}"],
            cwd=ROOT,
            env={**inherited, "HOME": str(folder), "JUPYTER_RUNTIME_DIR": str(folder / "runtime")},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield opened_address(folder, server)
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # Lab stops its kernels
        server.wait(30)


def opened_address(folder: Path, server: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline and server.poll() is None:
        for page in folder.glob("runtime/jpserver-file-to-run-*-open.html"):
            if link := re.search(r'href="([^"]+)"', page.read_text(encoding="utf-8")):
                return link[1].replace("//localhost", "//127.0.0.1")
        time.sleep(0.1)
    pytest.fail((folder / "log").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(chromium, address):
    """Lab's page, and nothing else of the network; it fails if anything else was asked for."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    origin = re.match(r"https?://[^/]+/", address)[0]
    local = (origin, origin.replace("http", "ws", 1), "data:", "blob:")
    alarms = []
    context.route(
        lambda url: not url.startswith(local), lambda r: (alarms.append(f"asked {r.request.url}"), r.abort())
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda e: alarms.append(f"error {e}"))
    page.on("dialog", lambda d: d.accept() if d.type == "beforeunload" else alarms.append(d.message))
    page.goto(address)
    yield page
    context.close()
    assert alarms == []


def open_notebook(page: Page, address: str, name: str) -> None:
    page.goto(address.replace("README", name).replace("?", "?reset&"))
    expect(page.locator(".jp-NotebookPanel .jp-Cell").first).to_be_visible(timeout=PATIENCE)


def command(page: Page, name: str, **arguments: str) -> None:
    """Run what stands behind a menu's entry: the menus themselves are Lab's affair."""
    page.evaluate("([name, given]) => void jupyterapp.commands.execute(name, given)", [name, arguments])


def use_theme(page: Page, theme: str) -> None:
    command(page, "apputils:change-theme", theme=f"JupyterLab {theme}")
    light = str(theme == "Light").lower()
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", light, timeout=PATIENCE)
    paper = "rgb(255, 255, 255)" if theme == "Light" else "rgb(17, 17, 17)"  # its style sheet comes later
    expect(page.locator(".jp-Notebook").last).to_have_css("background-color", paper, timeout=PATIENCE)


def run_all(page: Page) -> None:
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=PATIENCE)
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")  # all: not all are attached
    prompt = page.locator(".jp-NotebookPanel .jp-CodeCell .jp-InputPrompt").last
    expect(prompt).to_have_text(re.compile(r"\[\d+\]"), timeout=PATIENCE)
    expect(page.locator(ERRORS)).to_have_count(0)


def see(page: Page, selector: str) -> None:
    """Scroll to the last of its kind; what Lab lays out on the way moves it, so more than once."""
    last = page.locator(f"{OUTPUT} {selector}").locator("visible=true").last
    for _ in range(20):
        last.evaluate("e => e.scrollIntoView({ block: 'nearest' })")
        page.wait_for_timeout(200)
        box = "e.getBoundingClientRect()"
        if last.evaluate(f"e => {box}.top < innerHeight && {box}.bottom > 0"):
            break
    expect(last).to_be_in_viewport()


def reads_well(page: Page) -> None:
    """See the last chart and table in both themes, nothing too pale or too wide."""
    for theme in ("Light", "Dark"):
        use_theme(page, theme)
        see(page, ":is(figure.chart, .counts) .drawn")  # a dossier has no other chart than its answer
        see(page, "table")
        assert page.evaluate(CONTRAST, OUTPUT) == []
    assert page.evaluate(WIDER, OUTPUT) == []


WIDER = """cells => [...document.querySelectorAll(`${cells} table`)]
  .filter(t => t.getBoundingClientRect().right > t.closest(cells).getBoundingClientRect().right + 1)
  .map(t => (t.caption ?? t.tHead).textContent)"""
"""Tables that are wider than the output they stand in."""


def sort(page: Page, column: str) -> list[str]:
    """Sort the last table of some rows with such a column by it, downwards; return what orders it then."""
    heads = page.locator("thead th", has_text=re.compile(rf"^\s*{column}\s*$"))
    several = page.locator(f"{OUTPUT} table.sortable").filter(has=page.locator("tbody tr + tr"))
    table = several.filter(has=heads).last
    table.evaluate("table => table.closest('details')?.setAttribute('open', '')")  # it may be folded
    head = table.locator(heads)
    for order in ("ascending", "descending"):
        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", order)
    position = head.evaluate("th => th.cellIndex")
    return table.locator("tbody tr").evaluate_all(
        "(rows, i) => rows.map(r => r.cells[i].dataset.key ?? r.cells[i].textContent)", position
    )


def test_lab_opens_on_the_readme_and_asks_for_no_news(page, address):
    page.goto(address.replace("?", "?reset&"))  # whatever test came before
    expect(page.locator(".jp-NotebookPanel h1").first).to_contain_text("Explorer", timeout=PATIENCE)
    assert page.url.endswith("/lab/tree/README.ipynb")
    expect(page.locator(".jp-toast, .Toastify__toast")).to_have_count(0)
    for name, answer in (("news", {"news": []}), ("update", {"notification": None})):
        assert page.evaluate(f"fetch('/lab/api/{name}').then(r => r.json())") == answer


@pytest.mark.parametrize("name", ["overview", "declarations", *ONE_OPERATOR])
def test_a_report_runs_and_reads_well_in_both_themes(page, address, name):
    open_notebook(page, address, name)
    run_all(page)
    reads_well(page)
    tables = page.locator(f"{OUTPUT} table.sortable")
    assert tables.count() == page.locator(f"{OUTPUT} table.sortable.ready").count() > 1
    orders = [int(order) for order in sort(page, "Domaines")]
    assert orders == sorted(orders, reverse=True)


def test_a_saved_notebook_is_as_interactive_when_opened_again(page, address):
    open_notebook(page, address, "dn_consistency")
    run_all(page)
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    open_notebook(page, address, "dn_consistency")
    see(page, "table.sortable.ready")
    assert sort(page, "Lignes")


def test_the_cookbook_on_ones_own_list_which_is_hostile(page, address, folder, hostile_data):
    path = folder / "notebooks" / "cookbook.ipynb"
    source = json.dumps(str(hostile_data))
    notebook = json.loads(path.read_text(encoding="utf-8"))
    (cell,) = [c for c in notebook["cells"] if c["id"] == "data"]
    cell["source"] = [f"data = {source}"]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    open_notebook(page, address, "cookbook")
    run_all(page)
    reads_well(page)
    assert page.locator(f"{OUTPUT} table.dataTable").count() > 5
    assert page.evaluate("window.pwned ?? document.getElementById('pwned')") is None
