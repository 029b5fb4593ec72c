"""The archive on a disk that is read-only, or full: mounted in a namespace of its own, root is told too."""

import os
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from commands import ran
from conftest import CATALOGUE

from mssante_audit.archive.store import open_archive, read_log, verify

pytestmark = pytest.mark.long
LISTS = sorted((CATALOGUE / "archive").glob("*.xml.gz"))
HOW = "needs mount namespaces: run as root, with `unshare` (apt-get install util-linux)"


@pytest.fixture(scope="module", autouse=True)
def namespaces() -> None:
    if shutil.which("unshare") is None or ran("unshare", "--mount", "true").returncode:
        pytest.fail(HOW) if os.environ.get("CI") == "true" else pytest.skip(HOW)


def run(*script: str) -> str:
    """Run lines of shell whose mounts nobody else sees; return what they said."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "ignore"}
    done = ran("unshare", "--mount", "sh", "-ec", "\n".join(script), env=environment)
    output = done.stdout + done.stderr
    assert not {"Traceback", "UNEXPECTED"} & {*output.split()}, output
    return output


def tool(words: str, *files: Path, folder: Path | None = None, status: int = 0) -> str:
    """Return a line of shell that runs the program, maybe on an archive, and expects this exit status."""
    of = ("--archive", folder, "--anchors", CATALOGUE / "anchors") if folder else ()
    line = shlex.join(map(str, (sys.executable, "-m", "mssante_audit", *words.split(), *files, *of)))
    return f"{line} && code=0 || code=$?; test $code = {status} || echo UNEXPECTED $code"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An archive with one list, and its log."""
    run(tool("archive import", LISTS[0], folder=tmp_path / "archive"))
    return tmp_path / "archive"


def read_only(folder: Path) -> str:
    where = shlex.quote(str(folder))
    return f"mount --bind {where} {where}\nmount -o remount,ro,bind {where}"


def test_a_read_only_archive_takes_no_list_and_is_read(folder: Path) -> None:
    before = [(file.name, file.read_bytes()) for file in sorted(folder.glob("*.*"))]
    output = run(
        read_only(folder),
        tool("archive import", LISTS[1], folder=folder, status=2),
        tool("fetch --url http://127.0.0.1:9/list.xml", folder=folder, status=2),
        tool("archive rebuild", folder=folder, status=2),
        tool("archive verify", folder=folder),
        tool("changes --events 2025-09-01", LISTS[1], folder=folder),
    )
    assert output.count("cannot be written: read-only file system") == 3, output
    assert ["1 lists, 0 at fault" in output, "migration" in output] == [True, True]
    assert [(file.name, file.read_bytes()) for file in sorted(folder.glob("*.*"))] == before


def test_reports_are_made_of_a_read_only_archive_that_lacks_its_history(folder: Path, tmp_path: Path) -> None:
    for file in LISTS[1:3]:
        shutil.copy(file, folder)
    (folder / "history.parquet").unlink()
    out = tmp_path / "findings.csv"
    words = "findings stale_contacts --all --format csv --as-of 2026-01-06 -p stale_after_days=60"
    run(read_only(folder), tool(f"{words} --data {folder} --out {out}"))
    assert "CONTACT_UNCHANGED" in out.read_text(encoding="utf-8-sig")


def test_a_full_disk_keeps_what_is_there_and_takes_lists_again_when_there_is_room(folder: Path) -> None:
    where = shlex.quote(str(folder))
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    verify_it = tool("archive verify", folder=folder)
    output = run(
        f"mount -t tmpfs -o size=256k tmpfs {where}\ncp -a {shlex.quote(str(kept))}/. {where}",
        f"dd if=/dev/zero of={where}/filler bs=4k 2>/dev/null || true",
        tool("archive import", LISTS[1], folder=folder, status=2),
        verify_it,
        f"ls -A {where}\nrm {where}/filler",
        tool("archive import", LISTS[1], folder=folder),
        verify_it,
        f"rm -r {shlex.quote(str(kept))}\ncp -a {where} {shlex.quote(str(kept))}",
    )
    for words in ("no space left on device", "1 lists, 0 at fault", "2 lists, 0 at fault"):
        assert words in output
    assert ".tmp" not in output
    archive = open_archive(kept, [CATALOGUE / "anchors"])
    assert [fault for _, fault in verify(archive)] == ["", ""]
    assert {record.outcome for record in read_log(kept)} == {"kept"}
