"""The command line as a shell has it: completion, options from the environment, the manual page, `uvx`."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from commands import ran
from conftest import CATALOGUE, toml
from typer.main import get_command
from typer.testing import CliRunner

from mssante_audit.base import settings
from mssante_audit.cli.main import app
from mssante_audit.findings.registry import audits, catalogue
from tools.man_page import commands, page, roff

CASES = toml("cli/commands")
AS_OF = "2026-03-03"


def completing(instruction: str, **environment: str) -> str:
    variables = {"_MSSANTE_AUDIT_COMPLETE": instruction, **environment}
    done = CliRunner().invoke(app, [], env=variables, prog_name="mssante-audit")
    assert done.exit_code == 0
    return done.stdout


def offered(*words: str) -> list[str]:
    """Return what bash is offered for the last word."""
    line = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    return completing("complete_bash", **line).split("\n")[:-1]


@pytest.mark.parametrize(("words", "offers"), CASES["offered"])
def test_a_shell_is_offered_commands_options_and_what_they_can_be(words, offers):
    assert sorted(offered("mssante-audit", *words.split())) == offers


def test_all_audits_and_rules_are_offered():
    for command, names in (("findings", {"all", *audits()}), ("rules", set(catalogue()))):
        assert set(offered("mssante-audit", command, "")) == names


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell):
    script = completing(f"source_{shell}")
    assert f"_MSSANTE_AUDIT_COMPLETE=complete_{shell}" in script
    if shutil.which(shell):
        checked = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


def domains(*arguments: str, **environment: str) -> list[str]:
    done = CliRunner().invoke(app, ["domains", *arguments], env=environment)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def test_options_stand_in_the_environment_and_the_nearest_word_counts(tmp_path):
    whole = domains("--as-of", AS_OF, "--region", "corse", "--region", "ile de france")
    variables = {"MSSANTE_AUDIT_DOMAINS_AS_OF": AS_OF, "MSSANTE_AUDIT_DOMAINS_REGION": "corse ile-de-france"}
    assert domains(**variables) == domains(**variables, MSSANTE_AUDIT_DATA="") == whole
    named = {"MSSANTE_AUDIT_DOMAINS_AS_OF": "soon", "MSSANTE_AUDIT_DOMAINS_REGION": "bretagne"}
    assert domains("--as-of", AS_OF, "--region", "corse,ile de france", **named) == whole
    out = tmp_path / "told.json"
    more = {"MSSANTE_AUDIT_DOMAINS_OUT": str(out), "MSSANTE_AUDIT_DOMAINS_FORMAT": "json"}
    assert domains(**variables, **more) == []
    assert out.read_text(encoding="utf-8").startswith("[")
    stale = domains(MSSANTE_AUDIT_DOMAINS_PARAMETER=f"as_of={AS_OF} stale_after_days=365")
    assert len(stale) == len(domains(MSSANTE_AUDIT_DOMAINS_AS_OF=AS_OF))


def test_one_variable_is_every_data_and_a_commands_own_goes_before_it():
    old = str(CATALOGUE / "variants" / "old.xml")
    few = domains("--as-of", AS_OF, "--data", old)
    assert domains("--as-of", AS_OF, MSSANTE_AUDIT_DATA=old) == few
    environment = {"MSSANTE_AUDIT_DOMAINS_DATA": old, "MSSANTE_AUDIT_DATA": "nowhere"}
    assert domains("--as-of", AS_OF, **environment) == few
    assert domains("--as-of", AS_OF, "--data", old, MSSANTE_AUDIT_DOMAINS_DATA="nowhere") == few
    for path, command in commands(get_command(app)):
        shown = [str(option.show_default) for option in command.params if option.name == "data"]
        assert all("MSSANTE_AUDIT_DATA" in text for text in shown), path


def test_options_that_are_settings_have_their_defaults():
    models = {
        ("observe", "dns"): settings.Observe, ("receive",): settings.Observe, ("fetch",): settings.Fetch,
        ("observe", "tls"): settings.ObserveTls, ("archive", "import"): settings.Fetch,
    }  # fmt: skip
    every = dict(commands(get_command(app)))
    for path, model in models.items():
        fields = {option.name: option for option in every[path].params if option.name in model.model_fields}
        assert len(fields) > 0
        for name, option in fields.items():
            assert option.default in (model.model_fields[name].default, None), (path, name)


def test_the_manual_page_names_every_command_and_option_and_is_right_roff(tmp_path):
    text = page()
    plain = text.replace("\\-", "-")
    for path, command in commands(get_command(app)):
        section = plain.partition(f".SS mssante-audit {' '.join(path)}\n")[2].partition("\n.S")[0]
        flags = {flag for option in command.params for flag in option.opts if flag[0] == "-"} - {"--help"}
        assert [flag for flag in flags if flag not in section] == [], path
    assert "MSSANTE_AUDIT_DATA" in plain
    assert re.search(r"\.SH EXIT STATUS\n0 done;.*4 an input", plain)
    assert roff(".so /etc/passwd\n'x\\y") == "\\&.so /etc/passwd\n\\&'x\\ey"
    if shutil.which("groff") is None:
        pytest.skip("no groff here: apt-get install groff")
    (tmp_path / "page.1").write_text(text, encoding="utf-8")
    done = ran("groff", "-man", "-Tutf8", "-ww", "-k", tmp_path / "page.1")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("browser", "taken"), [("exit 0", True), ("exec sleep 9", True), ("exit 1", False), (None, False)]
)
def test_a_browser_is_not_waited_for_and_none_is_no_failure(tmp_path, browser, taken):
    file, seen = tmp_path / "browser", tmp_path / "seen"
    if browser:
        file.write_text(f'#!/bin/sh\necho "$1" > {seen}\n{browser}\n')
        file.chmod(0o755)
    code = "from pathlib import Path; from mssante_audit.cli import reports; reports.BROWSER_PATIENCE = 1; "
    code += f"print(reports.opened(Path({str(tmp_path / 'index.html')!r})))"
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    with (tmp_path / "said").open("w+") as output:  # a pipe would be held open by the browser
        subprocess.run(
            [sys.executable, "-c", code], env=environment | {"BROWSER": str(file)}, stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, timeout=8, check=True,
        )  # fmt: skip
    assert (tmp_path / "said").read_text() == f"{taken}\n"
    assert not browser or seen.read_text() == f"{(tmp_path / 'index.html').as_uri()}\n"
