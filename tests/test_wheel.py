"""The wheel alone, in an empty folder, as a user who has no checkout."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel):
    """Unpack the wheel away from the checkout, whose dependencies it uses."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.parent / "site")
    return wheel.parent / "site"


def run(site, folder, *command):
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, *command]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_package_used_is_the_installed_one(installed, tmp_path):
    done = run(installed, tmp_path, "-c", "import mssante_audit; print(mssante_audit.__file__)")
    assert done.stdout.startswith(str(installed))


def test_report_works_outside_a_checkout(installed, tmp_path):
    done = run(installed, tmp_path, "-m", "mssante_audit", "report", "overview", "--out", "reports")
    assert done.returncode == 0, done.stderr
    assert "<h1" in (tmp_path / "reports" / "overview.html").read_text(encoding="utf-8")
    assert (tmp_path / "reports" / "index.html").exists()


def test_rules_ship_with_the_wheel(installed, tmp_path):
    done = run(installed, tmp_path, "-m", "mssante_audit", "rules")
    assert done.returncode == 0, done.stderr
    assert "DN_ID_LUHN" in done.stdout


def test_the_readmes_uvx_line_makes_reports_from_the_wheel(wheel, tmp_path):
    uv = ROOT / ".venv-uv" / "bin" / "uv"
    if not uv.is_file():
        pytest.skip("no uv here: make .venv-uv/ok")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    _, *words = re.search(r"^\$ (uvx .+)$", readme, re.MULTILINE)[1].split()
    shutil.copy(wheel, tmp_path)
    # What the checkout was installed from is in uv's cache: no network, unless that was emptied.
    locked = ("--constraints", ROOT / "requirements" / "base.lock")
    command = [uv, "tool", "run", "--offline", *locked, *words, "overview"]
    for asked in (command, [word for word in command if word != "--offline"]):
        done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=400)
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stderr
    assert "<h1" in (tmp_path / "reports" / "overview.html").read_text(encoding="utf-8")
