"""Make one night of the demonstration as readers meet it: reports, site with explorer and dossiers, mail.

Usage: ``python tools/docs/demonstration.py FOLDER``, a new one, which can be published as it is.
"""

from __future__ import annotations

import sys
from email import message_from_bytes, policy
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

from mssante_audit.base.resources import SAMPLE_AS_OF, sample_folder
from mssante_audit.nightly.config import load_config
from mssante_audit.nightly.faults import check
from mssante_audit.nightly.run import run

SETTINGS = """[data]
folder = "data"
anchors = ["data/anchors"]

[dossiers]
operators = ["1449900018"]

[output]
folder = "output"
site_url = "https://site.example"
"""


def main(out: str) -> None:
    """Run the night, and leave what it made."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        copytree(sample_folder(), folder / "data")
        (folder / "audit.toml").write_text(SETTINGS, encoding="utf-8")
        copytree(folder / "data" / "nights", folder / "output" / "state")
        config = load_config(folder / "audit.toml")
        check(config)
        night = run(config, as_of=SAMPLE_AS_OF, progress=print)
        for part in ("reports", "site"):
            copytree(night.folder / part, Path(out, part))
        letter = message_from_bytes((night.folder / "summary.eml").read_bytes(), policy=policy.default)
        page = letter.get_body(("html",)).get_content().replace(config.output.site_url, "site")
        page = page.replace(f"{night.folder}/", "")  # of this machine, and gone
        Path(out, "mail.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
