"""Every command that writes, disturbed: killed at random instants, on a full or a read-only disk.

====================  ====================================================================================
disturbed             where it is tested
====================  ====================================================================================
commands that write   here, each of `COMMANDS`
a nightly run         `tests/nightly/test_kill.py` (kill), `test_run.py` (full disk, two at once, clock)
an archive            `tests/test_archive.py` (kill, two at once), `test_archive_disk.py` (full, read-only)
an observation        `tests/observing/test_observing.py` (kill, full disk)
====================  ====================================================================================

Before a command's n-th change on disk an audit hook kills it, or lets the system say that there is no room.
`DISTURB=100` tries 100 instants of each; by default it is a few.
"""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mssante_audit.base.resources import resource

POINTS = int(os.environ.get("DISTURB", "2"))
AS_OF = "2026-03-03T06:00:00Z"
HOOK = """
import errno, os, signal, sys
left, how = [int(os.environ["AT"])], os.environ["HOW"]
CHANGES = {"os.rename", "os.remove", "os.symlink", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}


def look(event, args):
    if event not in CHANGES and not (event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR)):
        return
    if not any(isinstance(a, (str, os.PathLike)) and str(a).startswith(os.environ["IN"]) for a in args):
        return
    left[0] -= 1
    if how == "count":
        print(file=open(os.environ["COUNTED"], "a"))
    elif left[0] == 0 and how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif left[0] <= 0 and how != "kill" and event in ("open", "os.mkdir", "os.rename"):
        raise OSError(int(how), os.strerror(int(how)), str(args[0]))


sys.addaudithook(look)
"""
LIST = str(max((resource("data/sample") / "archive").glob("*.xml.gz")))
DATA = ("--data", "data", "--as-of", AS_OF)
COMMANDS = {
    "findings": ("findings", "dn_consistency", *DATA, "--out", "out/findings.csv"),
    "workbook": ("domains", *DATA, "--out", "out/domains.xlsx", "--format", "xlsx"),
    "changes": ("changes", "2026-01-05", "2026-03-02", "--archive", "data/archive", "--out", "out/c.csv"),
    "snapshot": ("snapshot", "out/snapshot", *DATA),
    "sample": ("sample", "out/sample", "--force"),
    "import": ("archive", "import", LIST, "--archive", "out/archive", "--anchors", "data/anchors"),
    "register": ("declarations", "import", "data/declarations.csv", "--out", "out/register.xlsx", "--force"),
}  # fmt: skip


class Place:
    """A folder in which a command is run."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        self.out.mkdir()
        (folder / "data").symlink_to(resource("data/sample").resolve())
        (folder / "hook").mkdir()
        (folder / "hook" / "sitecustomize.py").write_text(HOOK)

    def run(self, words: tuple[str, ...], how: str = "0", at: int = 0) -> subprocess.CompletedProcess[str]:
        disturbed = {"PYTHONPATH": str(self.folder / "hook"), "IN": str(self.out), "COUNTED": "counted"}
        disturbed |= {"HOW": how, "AT": str(at)}
        return subprocess.run(
            [sys.executable, "-m", "mssante_audit", *(w.replace("out/", f"{self.out}/") for w in words)],
            cwd=self.folder,
            env={**os.environ, **(disturbed if at else {})},
            capture_output=True,
            text=True,
            check=False,
        )

    def left(self) -> dict[str, int]:
        """What lies there, but for locks and logs, by size: contents bear dates, and are compressed."""
        files = (path for path in self.out.rglob("*") if path.is_file())
        told = {str(p.relative_to(self.out)): p.suffix != ".xlsx" and p.stat().st_size for p in files}
        return {name: size for name, size in told.items() if not name.endswith((".lock", "log.jsonl"))}


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_lost_and_it_is_told_in_one_line(command: str, tmp_path: Path) -> None:
    words = COMMANDS[command]
    place = Place(tmp_path)
    done = place.run(words, "count", 1)
    assert done.returncode in (0, 1), done.stderr
    changes = len((tmp_path / "counted").read_text().splitlines())
    whole = place.left()
    assert whole
    assert changes > 1
    draw = random.Random(command)
    for at in draw.sample(range(1, changes + 1), min(POINTS, changes)):
        again = Place(tmp_path / f"killed-{at}") if (tmp_path / f"killed-{at}").mkdir() is None else place
        killed = again.run(words, "kill", at)
        assert killed.returncode == -signal.SIGKILL, (at, killed)
        shown = {name: size for name, size in again.left().items() if not hidden(name)}
        assert shown.items() <= whole.items(), at
        assert again.run(words).returncode == done.returncode
        assert {n: s for n, s in again.left().items() if n in whole} == whole, at
    for number in (errno.ENOSPC, errno.EROFS):
        at = draw.randrange(1, changes + 1)
        failed = place.run(words, str(number), at)
        assert failed.returncode in (0, 1, 2, 3), failed
        assert "Traceback" not in failed.stderr
        if failed.returncode >= 2:
            assert failed.stderr.count("\n") == 1, failed.stderr
            assert os.strerror(number).lower() in failed.stderr.lower()
        assert place.left() == whole, (number, at)


def hidden(name: str) -> bool:
    """Tell whether a file is a draft: under a name that nobody is shown."""
    return any(part.startswith(".") for part in Path(name).parts)
