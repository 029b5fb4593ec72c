"""Descriptors, memory and disk at their limit: one line that says so."""

import os
import subprocess
import sys

import pytest
from conftest import CATALOGUE

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
