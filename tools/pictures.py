"""Take the pictures of README and docs/ from the demonstration: what readers see first, in Chromium.

Usage: ``python tools/pictures.py FOLDER``. Pages are those of `tools/docs/demonstration.py`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from mssante_audit.base.resources import resource
from tools.docs import demonstration

ROOT = Path(__file__).parents[1]
PICTURES = {
    "index.png": ("reports/index.html", (1280, 900)),
    "explorer.png": ("site/explorer.html", (1280, 900)),
    "explorer-phone.png": ("site/explorer.html#domain=ch-moulinvirtuel.mssante.fr", (390, 800)),
    "dossier.png": ("site/dossiers/1449900018.html", (1280, 900)),
    "mail.png": ("mail.html", (390, 800)),
    "lab.png": ("README", (1280, 900)),
}
"""By name: the page, or the notebook of JupyterLab, and the size of the window."""


@contextmanager
def lab(folder: Path) -> Iterator[str]:
    """Start JupyterLab on a copy of the notebooks; give the address of its README."""
    shutil.copytree(resource("notebooks"), folder / "notebooks")
    command = [Path(sys.executable).parent / "jupyter", "lab", folder / "notebooks" / "README.ipynb"]
    folders = {  # a folder of its own for each: what somebody left open is in no picture
        "JUPYTER_CONFIG_PATH": f"{ROOT}/tools/lab", "JUPYTER_RUNTIME_DIR": f"{folder}/runtime",
        "JUPYTERLAB_WORKSPACES_DIR": f"{folder}/workspaces",
    }  # fmt: skip
    with subprocess.Popen(  # noqa: S603 - ours
        [*command, "--no-browser", "--allow-root", "--LabApp.expose_app_in_browser=True"],
        env=os.environ | folders, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as server:  # fmt: skip
        try:
            while not (pages := list(folder.glob("runtime/jpserver-file-to-run-*-open.html"))):
                time.sleep(0.2)
            yield re.findall(r'href="([^"]+)"', pages[0].read_text(encoding="utf-8"))[0]
        finally:
            server.terminate()


def run_notebook(window: Page, address: str) -> None:
    """Open a notebook, run all of it, and scroll to where the space shows itself."""
    window.goto(address)
    window.locator(".jp-NotebookPanel .jp-Cell").first.wait_for()
    window.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=120_000)
    window.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    window.locator(".jp-OutputArea-output table.checks").first.wait_for(timeout=120_000)
    window.locator(".jp-OutputArea-output p.lead").first.evaluate("e => e.scrollIntoView()")


def main(out: str) -> None:
    """Make the demonstration and take the pictures."""
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        demonstration.main(f"{folder}/demonstration")
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"]
        )
        for name, (page, (width, height)) in PICTURES.items():
            window = browser.new_page(viewport={"width": width, "height": height})
            if name == "lab.png":
                with lab(Path(folder)) as address:
                    run_notebook(window, address)
                    taken = window.screenshot()
            else:
                window.goto(f"{Path(folder).as_uri()}/demonstration/{page}")
                window.wait_for_load_state("networkidle")
                taken = window.screenshot()
            # So that a colour of few pixels, as of a bar's smallest part, stays what it is.
            few = Image.open(BytesIO(taken)).convert("RGB").quantize(128, Image.Quantize.MAXCOVERAGE)
            few.save(Path(out, name), optimize=True)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
