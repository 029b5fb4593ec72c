"""Every block of code in README and docs/ is run, or held to the program; a new one must be, too.

`make docs` runs those of docs/gallery.md, and these tests as well.
"""

import re
import shlex
import subprocess
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import metadata
from pathlib import Path
from shutil import copy, copytree

import duckdb
import pytest
from conftest import CATALOGUE, SAMPLE_AS_OF, toml
from typer.testing import CliRunner

from mssante_audit.archive.history import bring_up_to_date
from mssante_audit.archive.store import open_archive
from mssante_audit.cli.main import app
from mssante_audit.declarations.headings import read_mapping
from mssante_audit.declarations.register import read_scope
from mssante_audit.nightly import mail
from mssante_audit.nightly.config import load_config
from mssante_audit.snapshot.make import make_snapshot
from mssante_audit.space.trust import load_space

ROOT = Path(__file__).parents[1]
BLOCKS = [
    (str(page.relative_to(ROOT)), kind, code)
    for page in [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").glob("*.md"))]
    for kind, code in re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
]

ELSEWHERE = {tuple(block.split()): tests for block, tests in toml("doc_blocks").items()}


def blocks(*kinds: str) -> list[tuple[str, str]]:
    chosen = [(page, code) for page, kind, code in BLOCKS if kind in kinds and (page, kind) not in ELSEWHERE]
    assert chosen
    return chosen


@pytest.mark.parametrize(("place", "tests"), ELSEWHERE.items(), ids=str)
def test_what_is_said_to_be_tested_elsewhere_is(place, tests):
    text = (ROOT / tests).read_text(encoding="utf-8")
    assert Path(place[0]).name in text or place[0] in text
    assert place[1] in text


def test_no_block_is_of_a_kind_that_nobody_runs():
    left = {kind for page, kind, _ in BLOCKS if (page, kind) not in ELSEWHERE}
    assert left == {"console", "promql", "python", "sql", "toml"}


@pytest.fixture
def here(tmp_path, shipped, monkeypatch):
    """A folder with what the blocks name: a checkout's sample, a data folder, a snapshot, a history."""
    copytree(shipped, tmp_path / "data" / "sample")
    copytree(CATALOGUE, tmp_path / "FOLDER")
    make_snapshot(load_space(as_of=SAMPLE_AS_OF), tmp_path / "OUT")
    bring_up_to_date(open_archive(tmp_path / "data" / "sample" / "archive"))
    copy(tmp_path / "data" / "sample" / "archive" / "history.parquet", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_python(here):
    for page, code in blocks("python"):
        if "register(" in code:
            continue  # tests/audits/test_readme_audit.py
        if "executor" in code:  # of one's own; /srv is nobody's here
            code = code.replace("/srv/mssante", str(here / "FOLDER"))
            with ProcessPoolExecutor(2) as executor:
                names = {"Path": Path, "executor": executor}
                exec(compile(code, page, "exec"), names)
            assert {dossier.status for dossier in names["run"].outcomes} == {"done"}
            assert names["run"].exit_status() == 0
        else:
            exec(compile(code, page, "exec"), {})


def test_sql(here):
    for page, code in blocks("sql"):
        assert duckdb.sql(code).fetchall(), page


def test_toml(tmp_path):
    read = {"[columns]": read_mapping, "[scope]": read_scope, "[letter]": load_config}
    (tmp_path / "logo.png").write_bytes(b"")
    for number, (_, code) in enumerate(blocks("toml")):
        file = tmp_path / f"{number}.toml"
        file.write_text(code + ("[data]\nfolder = '.'\n" if "[letter]" in code else ""), encoding="utf-8")
        assert read[code.split("\n")[0]](file)


def test_console():
    """Each command exists and takes the options given; targets of make and extras exist."""
    targets = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for page, code in blocks("console"):
        for line in re.findall(r"^\$ (.*)$", code, re.MULTILINE):
            name, *words = shlex.split(line, comments=True)
            if name == "make":
                assert f"  make {words[0]} " in targets, (page, line)
            elif name == "pip":
                (extra,) = re.findall(r"^mssante-audit\[(.+)\]$", words[-1])
                assert extra in metadata("mssante-audit").get_all("Provides-Extra"), (page, line)
            elif page != "docs/schedule.md" or name == "mssante-audit":  # others there are systemd's
                line_words = [name, *words]  # uvx runs it from a wheel
                arguments = [*line_words[line_words.index("mssante-audit") + 1 :], "--help"]
                assert CliRunner().invoke(app, arguments).exit_code == 0, (page, line)


def test_promql():
    for page, code in blocks("promql"):
        for name in re.findall(r"mssante_audit_\w+", code):
            assert name.removeprefix("mssante_audit_") in Path(mail.__file__).read_text("utf-8"), page
