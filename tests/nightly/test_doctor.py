"""The doctor: what is missing is said, with its remedy, and its exit status tells."""

import errno
import json
import os
import time
from datetime import UTC, datetime
from importlib import metadata
from shutil import copy, copytree

import pytest
from conftest import CATALOGUE
from filelock import FileLock
from made_nights import signs
from typer.testing import CliRunner

from mssante_audit.cli.main import app
from mssante_audit.nightly import doctor
from mssante_audit.nightly.doctor import Sign, examine


def by_name(place) -> dict[str, Sign]:
    return {sign.what: sign for sign in signs(place)}


def test_a_machine_that_has_all(place):
    done = CliRunner().invoke(app, ["doctor", "--config", str(place.folder / "audit.toml")])
    assert (done.exit_code, done.stderr) == (0, "")
    assert not place.output.exists()
    told = dict(line[9:].split(": ", 1) for line in done.stdout.splitlines())
    assert {line[:9].strip() for line in done.stdout.splitlines()} <= {"ok", "warn"}
    assert told.keys() >= {
        "python", "packages", "memory", "time zone", "settings", "output", "disk", "white list", "signature"
    }  # fmt: skip
    assert [s for s in signs(place) if s.state != "ok" and not s.remedy] == []


def test_packages_that_are_missing_are_named(monkeypatch):
    there = metadata.distributions
    monkeypatch.setattr(metadata, "distributions", lambda name: () if name == "lxml" else there(name=name))
    monkeypatch.setattr(doctor, "lacking", lambda group: ["reportlab"] if group == "pdf" else [])
    found = {sign.what: sign for sign in examine()}
    assert found["packages"] == Sign("missing", "packages", "no lxml", "Install mssante-audit again")
    assert found["forms in PDF"].remedy == 'pip install "mssante-audit[pdf]"'
    assert "reports" not in found


@pytest.mark.parametrize(("zone", "state"), [("XYZ-9", "warn"), ("Europe/Paris", "ok")])
def test_a_time_zone_other_than_that_of_paris_is_said(monkeypatch, zone, state):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert [sign.state for sign in examine() if sign.what == "time zone"] == [state]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_little_memory_and_little_room(place, monkeypatch):
    monkeypatch.setattr(doctor, "MEMORY", 2**60)
    monkeypatch.setattr(doctor, "ROOM", 2**60)
    found = by_name(place)
    assert (found["memory"].state, found["memory"].remedy) == ("warn", "A run wants 1073741824.0 GB")
    assert found["disk"].state == "warn"


def test_settings_that_cannot_be_used_and_what_they_name_and_is_not_there(place, settings):
    settings(data={"folder": "nowhere", "anchors": ["none.pem"]}, hooks={"success": [["/nowhere/tell"]]})
    found = [sign.found for sign in signs(place) if sign.state != "ok"]
    assert any("nowhere: no such data folder" in text for text in found)
    assert any("none.pem: no such certificates" in text for text in found)
    assert "/nowhere/tell is no program here" in found
    (place.folder / "audit.toml").write_text("nonsense = 1")
    sign = by_name(place)["settings"]
    assert sign.state == "missing"
    assert "audit.toml, line 1: unknown key 'nonsense'" in sign.found


def test_no_list_yet_is_no_fault_if_one_will_be_fetched(place, settings):
    for file in (place.folder / "data" / "archive").glob("*.gz"):
        file.unlink()
    settings(fetch={"enabled": True})
    (sign,) = signs(place, "white list")
    assert (sign.state, sign.found) == ("warn", "none yet")
    settings()
    assert "missing" in {sign.state for sign in signs(place)}


@pytest.mark.parametrize(
    ("variant", "state", "words"),
    [
        ("untrusted.xml", "warn", "of no known authority"),
        ("unsigned.xml", "missing", "absent"),
        ("tampered.xml", "missing", "invalid"),
    ],
)
def test_the_signature_is_told(place, variant, state, words):
    for file in (place.folder / "data" / "archive").glob("*.gz"):
        file.unlink()
    copy(CATALOGUE / "variants" / variant, place.folder / "data" / "list.xml")
    (sign,) = signs(place, "signature")
    assert sign.state == state
    assert words in sign.found


def test_a_list_of_the_future_means_that_the_clock_is_wrong(place, monkeypatch):
    class Early(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2025, 9, 1, 3, tzinfo=UTC) if tz else datetime(2025, 9, 1, 3)

    newest = max((place.folder / "data" / "archive").glob("*.gz"))
    copy(newest, place.folder / "data" / "list.xml.gz")
    monkeypatch.setattr(doctor, "datetime", Early)
    (sign,) = signs(place, "clock")
    assert (sign.state, sign.remedy) == ("missing", "Set the clock")


def test_a_lock_that_is_held_and_a_run_that_failed(place, failed_night):
    copytree(failed_night[0].output, place.output, symlinks=True)
    found = by_name(place)
    assert found["lock"] == Sign("ok", "lock", "free")
    assert found["last run"].state == "warn"
    assert "UTC, exit status 3" in found["last run"].found
    with FileLock(place.output / ".lock"):
        assert by_name(place)["lock"].state == "warn"
    (place.output / "state" / "run.json").write_text(json.dumps({"version": 0}))
    assert "another version" in by_name(place)["last run"].found


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o606])
@pytest.mark.parametrize("what", ["settings", "program", "argument", "folder", "above"])
def test_hooks_that_others_can_write_are_told(place, settings, tmp_path, what, mode):
    folder = tmp_path / "above" / "hooks"
    folder.mkdir(mode=0o755, parents=True)
    program, argument = folder / "tell", folder / "words.txt"
    for file in (program, argument, place.folder / "audit.toml"):
        file.touch()
        file.chmod(0o700)
    place.folder.chmod(0o755)
    settings(hooks={"failure": [[str(program), str(argument), "--now"]]})
    changed = {
        "settings": place.folder / "audit.toml", "program": program, "argument": argument, "folder": folder,
        "above": folder.parent,
    }[what]  # fmt: skip
    changed.chmod(mode | 0o110)
    found = [(sign.state, sign.found, sign.remedy) for sign in signs(place, "hook")]
    expected = ("warn", f"{changed} can be written by others", f"chmod go-w {changed}")
    assert found == ([] if mode == 0o600 else [expected])
    settings()
    assert signs(place, "hook") == []


@pytest.mark.parametrize("way", ["hooks/tell", "folder/tell"])
def test_each_link_on_the_way_to_a_hook_is_looked_at(place, settings, tmp_path, way):
    for name in ("safe", "between", "hooks"):
        (tmp_path / name).mkdir(mode=0o755)
    (tmp_path / "safe" / "tell").touch(mode=0o700)
    (tmp_path / "between" / "tell").symlink_to("../safe/tell")
    (tmp_path / "between" / "folder").symlink_to("../safe")
    (tmp_path / "hooks" / "tell").symlink_to("../between/tell")
    (tmp_path / "folder").symlink_to("between/folder")
    place.folder.chmod(0o755)
    settings(hooks={"failure": [[str(tmp_path / way)]]})
    assert signs(place, "hook") == []
    (tmp_path / "between").chmod(0o777)
    found = [sign.found for sign in signs(place, "hook")]
    assert found[-1].endswith("between can be written by others")


def test_a_hook_in_a_folder_that_may_not_be_entered_is_no_program(place, settings, monkeypatch):
    real = os.stat

    def stat(path, *words, **more):
        if str(path) == "/locked/tell":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *words, **more)

    settings(hooks={"failure": [["/locked/tell"]]})
    monkeypatch.setattr(os, "stat", stat)
    (sign,) = signs(place, "hook")
    assert sign.found == "/locked/tell is no program here"
