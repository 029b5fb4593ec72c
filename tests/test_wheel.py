"""The wheel alone, in an empty folder, as a user who has no checkout."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from mssante_audit.base.groups import GROUPS

ROOT = Path(__file__).parents[1]
LOCKED = ("--constraints", ROOT / "requirements" / "base.lock")
MAIN = "import mssante_audit, mssante_audit.cli.main as cli; print(mssante_audit.__file__); cli.main()"
pytestmark = pytest.mark.usefixtures("shipped")


def run(folder, *command, **environment):
    options = {"cwd": folder, "env": os.environ | environment, "timeout": 400}
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def fetched(folder, *command):
    """Run a command of uv; what the checkout was installed from is in its cache, unless that was emptied."""
    done = run(folder, *command, UV_OFFLINE="1")
    return run(folder, *command) if done.returncode else done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return file


def test_the_wheel_holds_all_and_finds_in_its_sample_what_it_has_rules_for(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        held = {*archive.namelist()}
    places = ("mssante_audit", "notebooks", "data/sample")
    git = run(ROOT, "git", "ls-files", "-z", *places).stdout.split("\0")
    kept = {name for name in git if name and (ROOT / name).is_file()}
    assert {f"mssante_audit/{name.removeprefix('mssante_audit/')}" for name in kept} <= held
    findings = (sys.executable, "-c", MAIN, "findings", "all", "--as-of", "2026-03-03")
    done = run(tmp_path, *findings, PYTHONPATH=str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path / "site"))
    assert "TLS_NAME_UNLISTED" in done.stdout


@pytest.fixture(scope="module")
def uv():
    program = ROOT / ".venv-uv" / "bin" / "uv"
    if not program.is_file():
        pytest.skip("no uv here: make .venv-uv/ok")
    return program


@pytest.fixture(scope="module")
def core(wheel, uv, tmp_path_factory):
    """An environment with what the package itself depends on, and no group."""
    folder = tmp_path_factory.mktemp("core")
    subprocess.run([uv, "--quiet", "venv", "--python", sys.executable, folder / "venv"], check=True)
    done = fetched(folder, uv, "--quiet", "pip", "install", "--python", folder / "venv", *LOCKED, wheel)
    assert done.returncode == 0, done.stderr
    return folder / "venv" / "bin"


@pytest.mark.long
def test_the_core_alone_loads_and_audits(core, tmp_path):
    program = (
        "import mssante_audit as ms; space = ms.load_space(as_of='2026-03-03'); found = ms.audit_all(space); "
        "print(len(found), len(ms.domains(space)), space.whitelist.signature.status, len(ms.AUDITS))"
    )
    alone, whole = (run(tmp_path, python, "-c", program) for python in (core / "python", sys.executable))
    assert alone.stdout == whole.stdout
    assert alone.stdout.split()[2:] == ["valid", "8"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "status", "group"),
    [
        ("findings all --as-of 2026-03-03", 0, ""), ("check x.example --as-of 2026-03-03", 1, ""),
        ("doctor", 0, ""), ("report overview --out reports", 2, "report"), ("fetch", 2, "observe"),
        ("observe tls --host localhost", 2, "observe"),
        ("declarations form ch-valfictif.mssante.fr form.pdf", 2, "pdf"),
    ],
)  # fmt: skip
def test_commands_need_no_group_or_name_theirs_in_one_line(core, tmp_path, words, status, group):
    done = run(tmp_path, core / "mssante-audit", *words.split())
    assert done.returncode == status, done.stderr
    if group:
        assert (done.stdout, done.stderr.count("\n")) == ("", 1), done.stderr
        assert done.stderr.endswith(f'pip install "mssante-audit[{group}]"\n')
        assert not list(tmp_path.rglob("*.html"))
    else:
        assert len(done.stdout) > 100


@pytest.mark.long
def test_nights_of_the_core_alone_go_well_without_reports(core, tmp_path):
    run(tmp_path, core / "mssante-audit", "sample", "data")
    settings = '[data]\nfolder = "data"\nanchors = ["data/anchors"]\n[reports]\nenabled = false\n'
    (tmp_path / "audit.toml").write_text(settings)
    for day in ("2026-03-03", "2026-03-04"):  # from the second night on the site shows how it went
        done = run(tmp_path, core / "mssante-audit", "run", "--as-of", day)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "En 2\u00a0passages" in (tmp_path / "output" / "site" / "index.html").read_text(encoding="utf-8")


def test_every_module_of_a_group_is_named():
    brought, required = metadata.packages_distributions(), metadata.requires("mssante-audit")
    for group, modules in GROUPS.items():
        packages = {name.lower().replace("_", "-") for module in modules for name in brought[module]}
        of_group = [text for text in required if text.endswith(f"extra == '{group}'")]
        assert packages == {re.match(r"[\w-]+", text)[0].lower() for text in of_group}, group


@pytest.mark.long
def test_the_readmes_uvx_line_makes_reports_from_the_wheel(wheel, uv, tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    _, *words = shlex.split(re.search(r"^\$ (uvx .+)$", readme, re.MULTILINE)[1])
    shutil.copy(wheel, tmp_path)
    done = fetched(tmp_path, uv, "tool", "run", *LOCKED, *words, "overview")
    assert done.returncode == 0, done.stderr
    assert "<h1" in (tmp_path / "reports" / "overview.html").read_text(encoding="utf-8")
