"""Every command that writes, disturbed: killed at random instants, no room, a read-only disk, two at once.

Before a command's n-th change on disk an audit hook kills it, or lets the system say that there is no room.
`make test-long` tries three instants of each command of disturbed.toml that is not alike another, and one of
the others.
Nights, archives and observations are disturbed in `tests/nightly`, `tests/archive` and `tests/observe` too.
"""

import errno
import gzip
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import copy, copytree

import dns.message
import dns.rdatatype
import pytest
import typer.main
from conftest import CATALOGUE, toml
from dnslab import Scripted, free_port, reply, send
from loopback import give, serving

from mssante_audit.cli.main import app
from mssante_audit.observe.file import Scan

HOOK = """
import errno, os, signal, sys
left, way = [int(os.environ.get("AT", "0"))], os.environ.get("HOW")
CHANGES = {"os.rename", "os.remove", "os.symlink", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}
pid = os.getpid() if "mssante_audit" in sys.orig_argv[:3] else 0  # no kernel, and none of those it forks


def look(event, args):
    if event not in CHANGES and not (event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR)):
        return
    if not any(isinstance(a, (str, os.PathLike)) and str(a).startswith(os.environ["IN"]) for a in args):
        return
    if os.getpid() != pid:
        return
    left[0] -= 1
    if way == "count":
        print(file=open(os.environ["COUNTED"], "a"))
    elif left[0] == 0 and way == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif left[0] <= 0 and way != "kill" and event in ("open", "os.mkdir", "os.rename"):
        raise OSError(int(way), os.strerror(int(way)), str(args[0]))


if pid:
    sys.addaudithook(look)
"""
SAMPLE = CATALOGUE.resolve()
LIST = max((SAMPLE / "archive").glob("*.xml.gz"))
EXTRACTION = max(SAMPLE.glob("Extraction*"))
(SEEN,) = (SAMPLE / "observations").glob("dns-*")
SERVER = "127.0.56.9"
NAMED = {"list": LIST, "seen": SEEN, "extraction": EXTRACTION.name, "server": SERVER}
EVERY = toml("disturbed")
COMMANDS, READING = EVERY["writing"], EVERY["reading"]


@dataclass
class Place:
    folder: Path
    words: tuple[str, ...]

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.out = self.folder / "out"
        self.out.mkdir()
        (self.folder / "data").symlink_to(SAMPLE)
        (self.folder / "hook").mkdir()
        (self.folder / "hook" / "sitecustomize.py").write_text(HOOK)
        if "rebuild" in self.words:
            copytree(SAMPLE / "archive", self.out / "archive")

    def start(self, way: str = "0", at: int = 0) -> subprocess.Popen[str]:
        disturbed = {"PYTHONPATH": str(self.folder / "hook"), "IN": str(self.folder), "COUNTED": "../counted"}
        disturbed |= {"HOW": way, "AT": str(at)}
        words = [word.replace("out/", f"{self.out}/") for word in self.words]
        if "observe" in words and any((self.out / name).exists() for name in OBSERVED):
            words.append("--resume")
        command, environment = [sys.executable, "-m", "mssante_audit", *words], disturbed if at else {}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=os.environ | environment, **pipes)

    def run(self, way: str = "0", at: int = 0) -> subprocess.CompletedProcess[str]:
        process = self.start(way, at)
        out, errors = process.communicate(timeout=120)
        return subprocess.CompletedProcess(self.words, process.returncode, out, errors)

    def left(self) -> dict[str, int]:
        """What lies there, but for locks, logs and observations not whole, by size: contents bear dates."""
        files = {str(path.relative_to(self.out)): path for path in self.out.rglob("*") if path.is_file()}
        return {
            name: not name.endswith(UNLIKE) and path.stat().st_size
            for name, path in files.items()
            if not name.endswith((".lock", "log.jsonl")) and (name not in OBSERVED or complete(path))
        }


UNLIKE, OBSERVED = (".xlsx", ".gz", ".results.json", ".history.json"), ("dns.jsonl.gz", "tls.jsonl.gz")
"""What is compressed, tells seconds, or names what a kill left unfinished, has another size each time."""


def complete(path: Path) -> bool:
    return any(content.get("complete") for _, content in Scan(path.read_bytes()).lines())


def answered(query: dns.message.Message, transport: str) -> list[bytes | float]:
    """Answer as a parent zone in which every name has the one mail server."""
    name, qtype = query.question[0].name.to_text(True), dns.rdatatype.to_text(query.question[0].rdtype)
    soa = "mssante.fr SOA ns.mssante.fr. h.mssante.fr. 1 2 3 4 5"
    records = {"SOA": soa, "NS": "mssante.fr NS ns.mssante.fr."} if name == "mssante.fr" else {}
    records |= {"MX": f"{name} MX 10 mx.mssante.fr.", "A": f"{name} A {SERVER}"}
    answer = [records[qtype]] if qtype in records else []
    return send(reply(query, answer=answer, authority=[] if answer else [soa]), transport)


@pytest.fixture(scope="module")
def stand_for(tmp_path_factory):
    """What the names in the commands' words stand for: where servers are, and who is observed on loopback."""
    published = {"/list.xml": gzip.decompress(LIST.read_bytes())}
    published[f"/{EXTRACTION.name}"] = EXTRACTION.read_bytes()

    with ExitStack() as stack:
        url = stack.enter_context(serving(lambda request: give(published[request.path])(request)))
        server = Scripted(SERVER, free_port(), answered)
        stack.callback(server.stop)
        at = NAMED | {"url": url.removesuffix("/list.xml"), "port": server._udp.getsockname()[1]}
        loop = tmp_path_factory.mktemp("loop")
        copy(LIST, loop)
        (loop / "out").mkdir()
        asked = [sys.executable, "-m", "mssante_audit", *filled(COMMANDS["dns"], at)]
        asked[asked.index("data")] = str(loop)
        subprocess.run(asked, cwd=loop, check=True, capture_output=True)
        (loop / "observations").mkdir()
        (loop / "out" / "dns.jsonl.gz").rename(loop / "observations" / SEEN.name)
        yield at | {"loop": loop, "closed": free_port()}


def filled(command: str, named: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(word.format(**named) for word in command.split())


@dataclass(frozen=True)
class Whole:
    """What becomes of a command that nobody disturbs."""

    place: Place
    status: int
    changes: int
    before: Mapping[str, int]
    left: Mapping[str, int]


@pytest.fixture(scope="module")
def undisturbed(stand_for, tmp_path_factory):
    """A function that runs a command once, for all who hold what is disturbed against it."""

    @cache
    def do(command: str) -> Whole:
        folder = tmp_path_factory.mktemp("whole")
        place = Place(folder / "whole", filled(COMMANDS[command], stand_for))
        before = place.left()
        done = place.run("count", 1)
        assert done.returncode in (0, 1), done.stderr
        changes = len((folder / "counted").read_text().splitlines())
        return Whole(place, done.returncode, changes, before, place.left())

    return do


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_lost_and_it_is_told_in_one_line(command, tmp_path, undisturbed):
    points = 1 if command in EVERY["alike"] else 3
    done = undisturbed(command)
    place, words, before, whole, changes = done.place, done.place.words, done.before, done.left, done.changes
    assert whole
    assert changes > 1
    draw = random.Random(command)
    for at in draw.sample(range(1, changes + 1), min(points, changes)):
        again = Place(tmp_path / f"killed-{at}", words)
        killed = again.run("kill", at)
        assert killed.returncode == -signal.SIGKILL, (at, killed)
        shown = {name: size for name, size in again.left().items() if "/." not in f"/{name}"}  # no drafts
        assert before.keys() <= shown.keys(), at
        assert shown.items() <= whole.items(), at
        assert again.run().returncode == done.status or (command == "init" and shown == whole), at
        assert {n: s for n, s in again.left().items() if n in whole} == whole, at
    for number in (errno.ENOSPC, errno.EROFS):
        at = draw.randrange(1, changes + 1)
        full = Place(tmp_path / f"full-{number}", words) if command in EVERY["once"] else place
        files = full.left()
        failed = full.run(str(number), at)
        assert failed.returncode in (0, 1, 2, 3), failed
        assert "Traceback" not in failed.stderr
        if failed.returncode >= 2:
            assert failed.stderr.count("\n") == 1, failed.stderr
            assert os.strerror(number).lower() in failed.stderr.lower()
        assert full.left() == files or failed.returncode < 2, (number, at)


@pytest.mark.parametrize("command", ["findings", "report", "snapshot", "import", "fetch", "dns"])
def test_two_at_once_leave_what_one_leaves(command, tmp_path, undisturbed):
    alone = undisturbed(command)
    status = alone.status
    place = Place(tmp_path / "both", alone.place.words)
    both = [place.start(), place.start()]
    ended = [process.communicate(timeout=120) for process in both]
    statuses = [process.returncode for process in both]
    assert status in statuses, ended
    for (_, errors), its in zip(ended, statuses, strict=True):
        assert its in (status, 2), errors
        assert "Traceback" not in errors
        assert its != 2 or errors.count("\n") == 1, errors
    assert place.left() == alone.left


def commands(command: typer.main.Any, name: str = "") -> Iterator[str]:
    if hasattr(command, "commands"):
        for word, below in command.commands.items():
            yield from commands(below, f"{name} {word}".strip())
    else:
        yield name


def test_every_command_is_disturbed_somewhere_or_writes_nothing():
    every = set(commands(typer.main.get_command(app)))
    words = [command.split() for command in COMMANDS.values()]
    named = {
        name for first, *more in words for name in (first, " ".join([first, *more[:1]])) if name in every
    }
    others = {*EVERY["elsewhere"], *READING}
    assert (named | others, named & others) == (every, set())
    assert all((Path(__file__).parent / file).is_file() for file in EVERY["elsewhere"].values())


@pytest.mark.parametrize("command", READING)
def test_a_command_that_reads_changes_nothing(command, tmp_path):
    place = Place(tmp_path / "place", filled(READING[command], NAMED))
    done = place.run("count", 1)
    assert done.returncode in (0, 1, 2, 4), done.stderr
    assert not (tmp_path / "counted").exists()
