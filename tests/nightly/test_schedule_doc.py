"""docs/schedule.md and deploy/: what they say can be parsed, and names commands and files that exist."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from made_nights import night
from typer.main import get_command

from mssante_audit.cli.main import app
from mssante_audit.nightly.config import load_config
from mssante_audit.nightly.hooks import PREFIX, facts_of
from mssante_audit.nightly.mail import COLUMNS
from mssante_audit.space.trust import load_space
from tools.man_page import commands

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOC = (ROOT / "docs" / "schedule.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"mssante-audit ((?:[a-z]+ ?)+)")
EXPOSURE = 1.2
"""What `systemd-analyze security` may say at most; docs/schedule.md names it."""


def blocks(language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", DOC, re.DOTALL)
    assert found
    return found


def test_settings_can_be_used(tmp_path):
    for number, text in enumerate(blocks("toml")):
        file = tmp_path / f"{number}.toml"
        file.write_text(text, encoding="utf-8")
        assert load_config(file).retention.runs == 30


def test_jobs_are_yaml_of_the_shape_that_gitlab_and_github_read():
    gitlab, github = (yaml.safe_load(text) for text in blocks("yaml"))
    (job,) = gitlab.values()
    assert all(isinstance(line, str) for line in job["script"])
    assert job["allow_failure"] == {"exit_codes": 1}
    (steps,) = (job["steps"] for job in github["jobs"].values())
    assert all(("uses" in step) != ("run" in step) for step in steps)
    used = [step["uses"] for step in steps if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", one) for one in used)
    installs = [line for line in DOC.splitlines() if "pip install" in line]
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
    assert github[True]["schedule"] == [{"cron": "0 5 * * *"}]  # YAML 1.1 takes `on` for true


@pytest.mark.parametrize(
    "path", [ROOT / "docs" / "schedule.md", *sorted(DEPLOY.glob("*"))], ids=lambda p: p.name
)
def test_commands_named_exist(path):
    named = [found[1].split() for found in COMMAND.finditer(path.read_text(encoding="utf-8"))]
    known = {words for words, _ in commands(get_command(app))}
    # What follows a command's name may be an argument of it, or prose.
    assert [words for words in named if not {tuple(words[:2]), tuple(words[:1])} & known] == []


def test_the_mail_shown_is_narrow():
    (mail,) = blocks("text")
    lines = mail.splitlines()
    assert max(map(len, lines)) <= COLUMNS


def test_the_variables_named_are_those_that_hooks_get():
    blind = night(failed=("audit",))
    told = {
        f"{PREFIX}{name.upper()}"
        for name in facts_of(SimpleNamespace(output=SimpleNamespace(folder=ROOT)), blind)
    }
    assert told >= {"MSSANTE_RUN", "MSSANTE_SITE"}
    assert all(f"`{name}`" in DOC for name in told)


def test_the_cron_line_is_one():
    (text,) = blocks("crontab")
    mail, line = text.splitlines()
    assert mail.startswith("MAILTO=")
    assert re.fullmatch(r"0 6 \* \* \* cd \S+ && \S+/mssante-audit run --config audit\.toml", line)


# -- systemd ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def analyze():
    path = shutil.which("systemd-analyze")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("systemd-analyze is missing, and CI must not go without it: apt-get install systemd")
        pytest.skip("systemd-analyze is missing on this machine: apt-get install systemd")

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run([path, *words], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def units(tmp_path):
    """The units, with a program that is there."""
    for unit in DEPLOY.glob("mssante-audit.*"):
        text = unit.read_text(encoding="utf-8")
        (tmp_path / unit.name).write_text(re.sub("ExecStart=\\S+", f"ExecStart={sys.executable}", text))
    return tmp_path


def test_systemd_accepts_the_units(analyze, units):
    for name in ("mssante-audit.service", "mssante-audit.timer"):
        assert analyze("verify", "--man=no", str(units / name)) == (0, "")


def test_systemd_refuses_what_is_wrong(analyze, units):
    service = units / "mssante-audit.service"
    service.write_text(service.read_text().replace("Type=oneshot", "Type=oneshto"))
    assert "oneshto" in analyze("verify", "--man=no", str(service))[1]


def test_the_service_may_do_little(analyze, units):
    status, told = analyze(
        "security", "--offline=yes", f"--threshold={EXPOSURE * 10:.0f}", str(units / "mssante-audit.service")
    )
    assert status == 0, told
    level = re.search(r"Overall exposure level for mssante-audit\.service: ([\d.]+)", told)
    assert float(level[1]) <= EXPOSURE
    assert f"{EXPOSURE} of 10" in DOC


def test_the_timer_is_that_of_six_in_paris(analyze):
    unit = RawConfigParser(strict=False)
    unit.read(DEPLOY / "mssante-audit.timer", encoding="utf-8")
    when = unit["Timer"]["OnCalendar"]
    status, told = analyze("calendar", "--base-time=2026-01-10 00:00:00 UTC", when)
    assert status == 0, told
    assert "2026-01-10 05:00:00 UTC" in told


def test_a_run_works_without_memory_both_writable_and_executable(place, settings):
    """As MemoryDenyWriteExecute has it: the kernel has the same rule for a process that asks for it."""
    code = (
        "import ctypes, os, sys; "
        "done = ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0); "
        "sys.exit(77) if done else os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    operators = load_space(place.folder / "data").entries["operator_id"]
    settings(
        inputs={"tolerated": ["list"]},
        reports={"enabled": True},
        dossiers={"enabled": True, "operators": [operators.iloc[0]]},
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *place.command("run")[1:]],
        cwd=place.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3 or later)")
    assert done.returncode == 0, done.stdout + done.stderr
