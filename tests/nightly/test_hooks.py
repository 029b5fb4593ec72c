"""Hooks: what they are told, and that nothing they do harms the run."""

import json
import os
import sys
import time
from pathlib import Path

import psutil

from mssante_audit.nightly.hooks import run_hook


def python(code: str, *words: str) -> list[str]:
    return [sys.executable, "-c", code, *words]


def test_hooks_are_told_facts_and_paths(first_said, two_nights, failed_night):
    told = [
        {file.name: json.loads(file.read_text()) for file in (place.folder / "told").iterdir()}
        for place in (first_said[0], two_nights[0], failed_night[0])
    ]
    # With nothing to compare with, nothing is new.
    assert [set(facts) for facts in told] == [{"success"}, {"success", "new_findings"}, {"failure"}]
    run, new = two_nights[0].runs[-1], told[1]["new_findings"]
    assert (new["MSSANTE_RUN"], new["MSSANTE_RUN_FOLDER"]) == (run.name, str(run))
    assert (new["MSSANTE_EXIT_STATUS"], new["MSSANTE_FAILED_STEPS"]) == ("0", "")
    assert Path(new["MSSANTE_SITE"]).is_file()
    assert int(new["MSSANTE_COUNT_NEW"]) > 0
    assert int(new["MSSANTE_COUNT_ERROR"]) > 0
    assert not [value for value in new.values() if "@" in value]
    assert told[2]["failure"]["MSSANTE_FAILED_STEPS"] == "audit"


def test_words_are_no_shell_line():
    given = ["; touch pwned", "$(touch pwned)", "*"]
    assert run_hook(python("import sys; sys.exit(' '.join(sys.argv[1:]))", *given), {}, 30) == (
        f"exit status 1: {' '.join(given)}"
    )


def test_hooks_that_fail_are_told_and_harm_nothing(place, settings, tmp_path):
    settings(
        hooks={
            "success": [
                ["/nowhere/at-all"],
                python("import sys; print('no mail server'); sys.exit(4)"),
                python("import time; time.sleep(60)"),
                python("import sys; open(sys.argv[1], 'w').close()", str(tmp_path / "after")),
            ],
            "seconds": 2,
        }
    )
    status, out, _ = place.play(pages=False)
    assert status == 0
    assert (tmp_path / "after").exists()
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
