"""The wheel alone, in an empty folder, as a user who has no checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Build the wheel and unpack it away from the checkout, whose dependencies it uses."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


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
