"""README's first command, as a stranger gives it, in a fresh folder: the answer is on the page it names."""

import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copy2

import pytest
from lxml import html as lxml_html

from mssante_audit import domains, load_space
from mssante_audit.base.resources import SAMPLE_AS_OF, SAMPLE_FOLDER
from mssante_audit.verdicts.domains import answers

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture
def fresh(tmp_path):
    """A folder with what git has; the tests' own environment stands in for the one that make installs."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in done.stdout.decode().split("\0"):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            copy2(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    return tmp_path


def test_the_first_command_leaves_the_answer_on_the_page(fresh, shipped):
    for readme in ("README.md", "README.fr.md"):
        first = re.search(r"```console\n\$ ([^#\n]+)", (ROOT / readme).read_text(encoding="utf-8"))[1].strip()
        assert first == "make report"
    command = ["make", "-o", ".venv/ok", *first.split()[1:]]
    # A stranger's shell knows nothing of a make around it, which would print the folders it enters.
    there = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "ARGS")}
    there[SAMPLE_FOLDER] = str(fresh / "data" / "sample")
    done = subprocess.run(
        command, cwd=fresh, env=there, capture_output=True, text=True, check=True, timeout=600
    )
    mail, order, page, own = done.stdout.splitlines()[-4:]
    assert page.startswith("index: reports/index.html (made-up example, as of 2026-03-03)")
    assert own.startswith("your own list: mssante-audit report --data FOLDER")
    shown = lxml_html.fromstring((fresh / "reports" / "index.html").read_text(encoding="utf-8"))
    assert shown.findtext(".//h1").startswith("Le courrier arrive-t-il")
    held = answers(domains(load_space(shipped, as_of=SAMPLE_AS_OF)))
    for axis, counts in held.items():
        for name, n in counts.items():
            assert shown.xpath(f"string(//b[@data-{axis}='{name}'])") == str(n)
            assert re.search(rf"\b{n}\b", mail if axis == "arrives" else order)
    leads = shown.xpath("//ul[@class='runs']/li/p")
    assert len(leads) == len(shown.xpath("//ul[@class='runs']/li")) >= 8, "each report has its own answer"
    assert leads[0].text_content().startswith("À traiter d’abord")
