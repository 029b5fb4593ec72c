"""Hooks: what they are told, and that nothing they do harms the run."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import psutil

from mssante_audit.nightly.hooks import run_hook

MONTH_BEFORE = "2026-02-03T06:00:00Z"
TELL = (
    "import json, os, sys; "
    "told = {k: v for k, v in os.environ.items() if k.startswith('MSSANTE_')}; "
    "open(sys.argv[1] + '/' + told['MSSANTE_EVENT'], 'w').write(json.dumps([sys.argv, told]))"
)


def python(code: str, *words: str) -> list[str]:
    return [sys.executable, "-c", code, *words]


def told(folder: Path) -> dict[str, dict[str, str]]:
    return {file.name: json.loads(file.read_text())[1] for file in folder.iterdir()}


def test_hooks_are_told_facts_and_paths(place, settings, tmp_path):
    (tmp_path / "told").mkdir()
    tell = python(TELL, str(tmp_path / "told"))
    settings(hooks={"success": [tell], "failure": [tell], "new_findings": [tell]})
    assert place.run(MONTH_BEFORE)[0] == 0
    assert set(told(tmp_path / "told")) == {"success"}  # nothing to compare with: nothing is new
    assert place.run()[0] == 0
    facts = told(tmp_path / "told")
    assert set(facts) == {"success", "new_findings"}
    new = facts["new_findings"]
    assert new["MSSANTE_RUN"] == place.runs[-1].name
    assert new["MSSANTE_EXIT_STATUS"] == "0"
    assert new["MSSANTE_FAILED_STEPS"] == ""
    assert Path(new["MSSANTE_SITE"]).is_file()
    assert Path(new["MSSANTE_RUN_FOLDER"]) == place.runs[-1]
    assert int(new["MSSANTE_COUNT_NEW"]) > 0
    assert int(new["MSSANTE_COUNT_ERROR"]) > 0
    assert not [value for value in new.values() if "@" in value]
    (place.folder / "data" / "waivers.toml").write_text("nonsense = 1")
    assert place.run()[0] == 3
    assert told(tmp_path / "told")["failure"]["MSSANTE_FAILED_STEPS"] == "audit"


def test_words_are_no_shell_line(tmp_path):
    (tmp_path / "told").mkdir()
    words = python(TELL, str(tmp_path / "told"), "; touch pwned", "$(touch pwned)", "*")
    assert run_hook(words, {"MSSANTE_EVENT": "success"}, 30) == ""
    argv = json.loads((tmp_path / "told" / "success").read_text())[0]
    assert argv[2:] == ["; touch pwned", "$(touch pwned)", "*"]


def test_hooks_that_fail_are_told_and_harm_nothing(place, settings):
    settings(
        hooks={
            "success": [
                ["/nowhere/at-all"],
                python("import sys; print('no mail server'); sys.exit(4)"),
                python("import time; time.sleep(60)"),
                python("open('after', 'w').close()"),
            ],
            "seconds": 2,
        }
    )
    status, out, errors = place.run()
    assert (status, errors) == (0, "")
    assert (place.folder / "after").exists()
    assert "FAILED hooks: /nowhere/at-all (success): cannot be started" in out
    faults = [record["fault"] for record in place.log() if record["event"] == "hook"]
    assert faults == [
        "cannot be started (No such file or directory)",
        "exit status 4: no mail server",
        "not done after 2 s, and ended",
        "",
    ]


def test_a_hook_that_takes_too_long_is_ended_with_what_it_started(tmp_path):
    code = (
        "import subprocess, sys, time; "
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        "open(sys.argv[1], 'w').write(str(p.pid)); time.sleep(60)"
    )
    begin = time.monotonic()
    words = python(code, str(tmp_path / "pid"))
    assert run_hook(words, dict(os.environ), 2) == "not done after 2 s, and ended"
    assert time.monotonic() - begin < 20
    child = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.05)
    else:
        raise AssertionError("what the hook started is still there")


def test_a_hook_cannot_read_what_the_run_is_given():
    """It does not wait for a terminal either: its input is empty."""
    words = python("import sys; sys.exit(len(sys.stdin.read()))")
    ours, (there, here) = os.dup(0), os.pipe()
    try:
        os.write(here, b"secret")
        os.close(here)
        os.dup2(there, 0)
        assert run_hook(words, {}, 30) == ""
    finally:
        os.dup2(ours, 0)
        os.close(ours)
        os.close(there)
