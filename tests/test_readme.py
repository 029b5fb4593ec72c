"""README's commands, as a stranger gives them, in a fresh folder: the answer is on the page it names."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from shutil import copy2, copytree

import pytest
from conftest import toml
from lxml import html as lxml_html

from mssante_audit import domains, load_space
from mssante_audit.base.resources import SAMPLE_AS_OF, SAMPLE_FOLDER
from mssante_audit.verdicts.domains import answers

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow

FIRST = "make report"
DIRECT = ".venv/bin/mssante-audit report --data ../shared/real --out reports"
CASES = toml("readme")
TRIED, LEFT = CASES["tried"], CASES["left"]


def given(readme: str) -> dict[str, None]:
    """The commands of a README, those of its tables and sentences too."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    inline = re.findall(
        r"`((?:make|mssante-audit|pip|uvx|python|\.venv/bin)\b[^`]*)`",
        re.sub("```.*?```", "", text, flags=re.DOTALL),
    )
    return dict.fromkeys(
        " ".join(command.split()) for command in [*re.findall(r"^\$ ([^#\n]+)", text, re.MULTILINE), *inline]
    )


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A folder with what git has; the tests' own environment stands in for the one that make installs."""
    folder = tmp_path_factory.mktemp("fresh") / "checkout"
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in done.stdout.decode().split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    sample, real = folder / "data" / "sample", folder.parent / "shared" / "real"
    copytree(sample / "anchors", real / "anchors")
    copy2(sample / "listeblanchemssante.xml.gz", real)  # made up: a stranger's own list stands there
    return folder


def run(command: str, fresh: Path) -> subprocess.CompletedProcess[str]:
    # A stranger's shell knows nothing of a make around it, which would print the folders it enters.
    variables = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "ARGS")}
    variables |= {SAMPLE_FOLDER: str(fresh / "data" / "sample"), "PYTHONPATH": str(fresh)}
    variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{variables['PATH']}"
    words = shlex.split(command)
    if words[0] == "make":
        words[1:1] = ["-o", ".venv/ok"]
    return subprocess.run(
        words, cwd=fresh, env=variables, capture_output=True, text=True, timeout=600, check=False
    )


def test_every_command_is_tried_or_left_with_a_reason():
    every = given("README.md") | given("README.fr.md")
    left = {command for command in every if command.startswith(tuple(LEFT))}
    assert every.keys() - left == {FIRST, DIRECT, *(case["given"] for case in TRIED)}
    assert all(any(command.startswith(start) for command in every) for start in LEFT)


def test_the_first_command_leaves_the_answer_on_the_page(fresh, shipped):
    assert [next(iter(given(readme))) for readme in ("README.md", "README.fr.md")] == [FIRST, FIRST]
    done = run(FIRST, fresh)
    assert done.returncode == 0, done.stderr
    mail, order, page, advice = done.stdout.splitlines()[-4:]
    assert page.startswith("index: reports/index.html (made-up example, as of 2026-03-03)")
    assert advice.startswith("your own list: mssante-audit report --data FOLDER")
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


def test_further_commands_run_where_there_is_no_network(fresh):
    before, after = sorted((fresh / "data" / "sample" / "archive").iterdir())[-2:]
    for case in TRIED:
        command = case.get("command", case["given"]).format(before=before, after=after)
        done = run(command, fresh)
        assert done.returncode == case.get("status", 0), (command, done.stdout[-2000:], done.stderr[-2000:])
        assert case["says"] in done.stdout, command
        if "init" in command:  # it says that data.folder is to be set; a report is made above
            settings = fresh / "audit.toml"
            text = settings.read_text(encoding="utf-8").replace('"data"', '"../shared/real"')
            settings.write_text(re.sub(r"(?<=^enabled = )true", "false", text, flags=re.M), encoding="utf-8")
