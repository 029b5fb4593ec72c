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


pytestmark = pytest.mark.usefixtures("shipped")


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


def test_report_works_outside_a_checkout(installed, tmp_path):
    done = run(installed, tmp_path, "-m", "mssante_audit", "report", "overview", "--out", "reports")
    assert done.returncode == 0, done.stderr
    assert "<h1" in (tmp_path / "reports" / "overview.html").read_text(encoding="utf-8")
    assert (tmp_path / "reports" / "index.html").exists()


def test_rules_ship_with_the_wheel_which_is_the_package_used(installed, tmp_path):
    done = run(installed, tmp_path, "-m", "mssante_audit", "rules")
    assert done.returncode == 0, done.stderr
    assert "DN_ID_LUHN" in done.stdout
    done = run(installed, tmp_path, "-c", "import mssante_audit; print(mssante_audit.__file__)")
    assert done.stdout.startswith(str(installed))


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
    locked = ["--constraints", ROOT / "requirements" / "base.lock", wheel]
    install = [uv, "--quiet", "pip", "install", "--python", folder / "venv"]
    # What the checkout was installed from is in uv's cache: no network, unless that was emptied.
    if subprocess.run([*install, "--offline", *locked], check=False, capture_output=True).returncode:
        subprocess.run([*install, *locked], check=True)
    return folder / "venv" / "bin"


@pytest.mark.long
def test_the_core_alone_loads_and_audits(core, tmp_path):
    program = (
        "import mssante_audit as ms; space = ms.load_space(as_of='2026-03-03'); found = ms.audit_all(space); "
        "print(len(found), len(ms.domains(space)), space.whitelist.signature.status, len(ms.AUDITS))"
    )
    both = [
        subprocess.run(
            [python, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
        for python in (core / "python", sys.executable)
    ]
    assert both[0] == both[1]
    assert both[0].split()[2:] == ["valid", "8"]


@pytest.mark.long
@pytest.mark.parametrize("words", [("findings", "all"), ("check", "x.example"), ("doctor",)])
def test_commands_that_tell_findings_need_no_group(core, tmp_path, words):
    as_of = () if words == ("doctor",) else ("--as-of", "2026-03-03")
    done = subprocess.run(
        [core / "mssante-audit", *words, *as_of], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == (1 if words[0] == "check" else 0), done.stderr
    assert len(done.stdout) > 100


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "group"),
    [
        (("report", "overview", "--out", "reports"), "report"),
        (("fetch",), "observe"),
        (("observe", "tls", "--host", "localhost"), "observe"),
        (("declarations", "form", "ch-valfictif.mssante.fr", "form.pdf"), "pdf"),
    ],
)
def test_a_command_whose_group_is_not_there_names_it_in_one_line(core, tmp_path, words, group):
    done = subprocess.run(
        [core / "mssante-audit", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert done.stderr.endswith(f'pip install "mssante-audit[{group}]"\n')
    assert not list(tmp_path.rglob("*.html"))


def test_every_module_of_a_group_is_named():
    brought = metadata.packages_distributions()
    extras = {text.partition(";")[2].strip(): [] for text in metadata.requires("mssante-audit") or ()}
    for text in metadata.requires("mssante-audit") or ():
        extras[text.partition(";")[2].strip()].append(re.match(r"[\w-]+", text)[0].lower())
    for group, modules in GROUPS.items():
        packages = {name.lower().replace("_", "-") for module in modules for name in brought[module]}
        assert packages == set(extras[f"extra == '{group}'"]), group


@pytest.mark.long
def test_the_readmes_uvx_line_makes_reports_from_the_wheel(wheel, uv, tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    _, *words = shlex.split(re.search(r"^\$ (uvx .+)$", readme, re.MULTILINE)[1])
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
