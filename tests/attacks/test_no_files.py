"""What is no file, and instants at the ends of the calendar: one line at once, never a wait."""

import os
import random
import socket
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest
from conftest import CATALOGUE, toml
from made_up import BETA_DN, xml_of

from mssante_audit.audits import FAILED, audit_all
from mssante_audit.space.trust import load_space

CASES = toml("attacks/no_files")
LISTED = xml_of({}, {"domain": "ch-beta.mssante.fr", "dn": BETA_DN})
LIST = str(max((CATALOGUE / "archive").glob("*.xml.gz")))


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as it:
        it.bind(os.path.relpath(path))


def linked_pipe(path: Path) -> None:
    os.mkfifo(pipe := path.with_name(f"{path.name}-behind"))
    path.symlink_to(pipe.name)


KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (os.mkfifo, "it is a pipe"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "it is a device"),
    "socket": (bound, "it is a socket"),
    "folder": (Path.mkdir, "it is a folder"),
    "dangling": (lambda path: path.symlink_to("nowhere"), "no such file"),
    "circle": (lambda path: path.symlink_to(path.name), "too many levels of symbolic links"),
    "linked pipe": (linked_pipe, "it is a pipe"),
}


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        *((command, kind) for command in CASES["commands"] for kind in ("pipe", "dangling")),
        *(
            (command, kind)
            for command in CASES["commands"][1:4]
            for kind in KINDS
            if kind not in ("pipe", "dangling")
        ),
    ],
)
def test_what_is_no_file_is_told_at_once(command, kind, tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    make, why = KINDS[kind]
    make(Path("x.csv" if "x.csv" in command else "x"))
    meant = {"LIST": LIST, "DATA": str(CATALOGUE)}
    done = run(*(meant.get(word, word) for word in command.split()))
    text = f"{done.stderr}{done.stdout}".lower()
    assert done.returncode in (1, 2), text
    assert len(text.strip().splitlines()) == 1
    of_absent = kind in ("folder", "dangling", "circle") and any(words in text for words in CASES["absent"])
    assert why in text or of_absent


@pytest.mark.parametrize("place", CASES["places"])
def test_what_is_no_file_among_the_data_is_told_at_once(place, tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    Path("data", "observations").mkdir(parents=True)
    copytree(CATALOGUE / "archive", "data/archive")
    name = random.Random(place).choice(("pipe", "device", "socket", "circle", "linked pipe"))
    (at := Path("data", place)).unlink(missing_ok=True)
    KINDS[name][0](at)
    options = ("--as-of", "2026-03-10", "--anchors", CATALOGUE / "anchors")
    done = run("findings", "all", "--data", "data", *options)
    assert "Traceback" not in done.stderr
    assert KINDS[name][1] in done.stderr.lower() or at.name in done.stderr, (name, done)


@pytest.mark.parametrize("place", CASES["outputs"])
def test_what_is_no_file_among_what_nights_left_is_told_at_once(place, tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/list.xml").write_bytes(LISTED)
    Path("audit.toml").write_text(
        'reports.enabled = false\ndossiers.enabled = false\ndata.folder = "data"\noutput.folder = "out"\n'
    )
    (at := Path("out", place)).parent.mkdir(parents=True)
    name = random.Random(place).choice(("pipe", "device", "socket", "linked pipe"))
    KINDS[name][0](at)
    done = run("run", "--config", "audit.toml")
    assert done.returncode >= 2, (name, done)
    assert "Traceback" not in done.stderr
    assert at.name in done.stderr or at.name in done.stdout


def test_an_audit_that_was_not_made_is_told(run):
    done = run("findings", "all", "--data", LIST, "--as-of", "2026-03-03")
    assert done.returncode == 0
    assert "not evaluated: " in done.stderr
    assert "delegation_vs_redirection (no observation of the DNS)" in done.stderr
    assert "declarations (no register of declarations)" in done.stderr


BEYOND = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "0000-12-31T00:00:00Z")
FAR = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1899-12-31T23:59:59Z", "3000-01-01T00:00:00Z")
AT = "2026-03-03T06:00:00Z"


def written(folder: Path, dates: list[str], generated: str = "2026-03-02T05:30:00Z") -> Path:
    rows = ({"domain": f"ch-{n}.mssante.fr", "updated_at_text": date} for n, date in enumerate(dates))
    (folder / "list.xml").write_bytes(xml_of(*rows, generated=generated))
    return folder


@pytest.mark.parametrize("text", BEYOND + FAR)
def test_a_row_whose_date_is_far_away_costs_no_rule(text, tmp_path):
    drawn = random.Random(text)
    usual = [f"2025-0{drawn.randint(1, 9)}-11T10:00:00Z" for _ in range(30)]
    dates = [text, *(text if drawn.random() < 0.4 else date for date in usual)]
    space = load_space(written(tmp_path, dates), as_of=AT)
    assert FAILED not in set(audit_all(space)["rule"])
    problems = space.whitelist.problems
    unread = set(problems.loc[problems["kind"] == "date", "row"])
    assert unread == {n for n, date in enumerate(dates, 1) if date in BEYOND}


@pytest.mark.parametrize("text", BEYOND + FAR)
def test_a_list_generated_far_away_is_read(text, tmp_path, run):
    done = run("findings", "all", "--data", written(tmp_path, [AT], text), "--as-of", AT)
    assert done.returncode == 0, done.stderr
    assert "not evaluated: audit" not in done.stderr


@pytest.mark.parametrize("text", BEYOND + FAR)
@pytest.mark.parametrize("command", ["findings all", "domains", "check ch-0.mssante.fr", "snapshot out"])
def test_an_instant_asked_about_far_away_is_refused_in_one_line(command, text, tmp_path, monkeypatch, run):
    monkeypatch.chdir(written(tmp_path, [AT]))
    done = run(*command.split(), "--data", ".", "--as-of", text)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "as_of" in line
    assert "is not a date" in line or "is too far away" in line


@pytest.mark.parametrize("text", ["", " "])
@pytest.mark.parametrize("command", CASES["dated"])
def test_an_instant_that_is_empty_is_refused_in_one_line(command, text, tmp_path, monkeypatch, run):
    monkeypatch.chdir(written(tmp_path, [AT]))
    Path("audit.toml").write_text('data.folder = "."\noutput.folder = "out"\n', encoding="utf-8")
    done = run(*command.split(), text)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
