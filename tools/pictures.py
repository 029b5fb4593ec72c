"""Take the pictures of README and docs/ from the sample: what readers see first, in Chromium.

Usage: ``python tools/pictures.py FOLDER``. Each is of a page as `mssante-audit report` writes it.
"""

from __future__ import annotations

import shutil
import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import sync_playwright

from mssante_audit.report.run import run_reports

AS_OF = "2026-03-03"
PICTURES = {
    "overview.png": ("overview.html", (1280, 900)),
    "explorer.png": ("explorer.html", (1280, 900)),
    "explorer-phone.png": ("explorer.html#domain=ch-moulinvirtuel.mssante.fr", (390, 800)),
    "operator.png": ("operator.html", (1280, 900)),
}
"""By name: the page, and the size of the window."""


def main(out: str) -> None:
    """Make the reports and take the pictures."""
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        run_reports(out=Path(folder), parameters={"as_of": AS_OF})
        operator = {"as_of": AS_OF, "operator": "GROUPEMENT NUMERIQUE DE CLAIRSUPPOSE"}
        run_reports(["operator"], out=Path(folder, "one"), parameters=operator)
        shutil.copy(Path(folder, "one", "operator.html"), folder)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"]
        )
        for name, (page, (width, height)) in PICTURES.items():
            window = browser.new_page(viewport={"width": width, "height": height})
            window.goto(f"{Path(folder).as_uri()}/{page}")
            window.wait_for_load_state("networkidle")
            taken = Image.open(BytesIO(window.screenshot()))
            taken.convert("RGB").quantize(64).save(Path(out, name), optimize=True)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
