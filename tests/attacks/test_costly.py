"""What would cost much: registers of long cells, machines at their limit, years of nights."""

import builtins
import csv
import io
import os
import subprocess
import sys
import time
from pathlib import Path
from shutil import copy
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from commands import Done
from conftest import CATALOGUE
from openpyxl import Workbook

from mssante_audit import load_declarations
from mssante_audit.audits import FAILED, audit_all
from mssante_audit.base.errors import InputError
from mssante_audit.nightly.config import Retention
from mssante_audit.nightly.end import outdated
from mssante_audit.space.trust import load_space
from tools.nights import LAST, make_nights


def test_cells_that_share_a_long_text_are_counted_each(tmp_path):
    book = Workbook()
    for _ in range(100):
        book.active.append([0] * 100)
    book.save(numbers := tmp_path / "numbers.xlsx")
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    part = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'.encode()
    texts = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>%s</t></si></sst>'
    with ZipFile(numbers) as plain, ZipFile(file := tmp_path / "register.xlsx", "w", ZIP_DEFLATED) as changed:
        for name in plain.namelist():
            content = plain.read(name).replace(b't="n"', b't="s"').replace(b"</Types>", part)
            changed.writestr(name, content)
        changed.writestr("xl/sharedStrings.xml", texts % (b"x" * 32_000))
    assert file.stat().st_size < 60_000
    with pytest.raises(InputError, match="larger than 256 MB"):
        load_declarations(file)


@pytest.mark.long
def test_cells_of_blanks_and_dots_cost_no_more_than_others(tmp_path):
    copy(max((CATALOGUE / "archive").glob("*.xml.gz")), tmp_path)
    with (CATALOGUE / "declarations.csv").open(encoding="cp1252", newline="") as file:
        headings, usual, *_ = csv.reader(file, delimiter=";")
    with (tmp_path / "declarations.csv").open("w", encoding="utf-8", newline="") as file:
        written = csv.writer(file, delimiter=";")
        written.writerows((headings, usual))
        for signs in (" ", ".", "\n", "\t", ";", " ,", "x-"):
            cell = f"x{signs * (30_000 // len(signs))}!"
            written.writerows(([cell] * len(usual), [usual[0], *[cell] * (len(usual) - 1)]))
    began = time.process_time()
    assert FAILED not in set(audit_all(load_space(tmp_path, as_of="2026-03-03"))["rule"])
    assert time.process_time() - began < 60


LIST = max((CATALOGUE / "archive").glob("*.xml.gz"))
AS_OF = ("--as-of", "2026-03-03")
COMMANDS = {
    "findings": ("findings", "all", "--data", CATALOGUE, *AS_OF),
    "gate": ("gate", LIST, LIST, *AS_OF),
    "snapshot": ("snapshot", "--data", CATALOGUE, *AS_OF, "OUT"),
    "check": ("check", "ch-x.mssante.fr", "--data", LIST, *AS_OF),
}


def limited(limit: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a command below a limit of the shell's."""
    command = [sys.executable, "-m", "mssante_audit", *map(str, words)]
    return subprocess.run(
        ["sh", "-c", f'{limit}; exec "$@"', "sh", *command],
        capture_output=True, text=True, check=False, timeout=300,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.parametrize(
    "limit", ["ulimit -n 24", "ulimit -v 110000", "ulimit -v 220000", "ulimit -v 900000"]
)
@pytest.mark.parametrize(
    "command",
    ["gate", "check", *(pytest.param(name, marks=pytest.mark.long) for name in ("findings", "snapshot"))],
)
def test_a_machine_at_its_limit_is_one_line(command, limit, tmp_path):
    words = [tmp_path / "out" if word == "OUT" else word for word in COMMANDS[command]]
    done = limited(limit, *words)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in (0, 2, 3, 4), done.stderr
    if done.returncode in (2, 3):
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert done.stderr.startswith("mssante-audit: "), done.stderr
    assert not (tmp_path / "out").exists() or (tmp_path / "out" / "snapshot.json").exists()


@pytest.mark.long
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f'mount -t tmpfs -o size=64k none {disk} && "$@"; code=$?; ls -A {disk} >&2; exit $code'
    words = ("snapshot", "--data", CATALOGUE, *AS_OF, disk / "out")
    command = [sys.executable, "-m", "mssante_audit", *map(str, words)]
    probe = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("a namespace of mounts cannot be made here: be root")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *command], capture_output=True, text=True, check=False
    )
    line, *left = done.stderr.strip().splitlines()
    assert done.returncode == 2, done.stderr
    assert "no space left on device" in line
    assert [name for name in left if not name.endswith(".lock")] == []


NIGHTS, MOST = 1100, 450


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    make_nights(place := tmp_path_factory.mktemp("nights"), NIGHTS)
    copy(max((CATALOGUE / "archive").glob("*.xml.gz")), place / "data" / "list.xml.gz")
    return place


@pytest.fixture
def opened(monkeypatch, nights):
    files: list[str] = []
    real, place = builtins.open, f"{nights}/"

    def noted(file: object, *words: object, **more: object) -> object:
        if isinstance(file, str | Path) and os.path.abspath(file).startswith(place):
            files.append(str(file))
        return real(file, *words, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(builtins, "open", noted)
    monkeypatch.setattr(io, "open", noted)
    monkeypatch.chdir(nights)
    return files


@pytest.mark.parametrize("command", [
    "letters status", "letters due", "doctor --health --config audit.toml", "methods --data data",
    "check x --data data",
])  # fmt: skip
def test_a_command_opens_a_bounded_number(command, opened, run):
    done: Done = run(*command.split())
    assert "Traceback" not in done.stderr
    assert 1 <= len(opened) <= MOST


def test_what_retention_lets_go_is_found_without_opening_each(opened, nights):
    assert len(outdated(nights / "out", Retention(runs=NIGHTS - 5), LAST)) == 5
    assert len(opened) <= 20
