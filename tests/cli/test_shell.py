"""The command line as a shell has it: completion, options from the environment, the manual page, `uvx`."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from mssante_audit.cli.environment import FromEnvironment
from mssante_audit.cli.main import app
from mssante_audit.findings.registry import audits, catalogue
from tools.man_page import commands, page, roff

ROOT = Path(__file__).parents[2]
AS_OF = "2026-03-03"


def completing(what: str, **given: str) -> str:
    variables = {"_MSSANTE_AUDIT_COMPLETE": what, **given}
    command = [sys.executable, "-m", "mssante_audit"]
    return subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, check=True
    ).stdout


def offered(*words: str) -> list[str]:
    """Return what bash is offered for the last word."""
    given = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    return completing("complete_bash", **given).split("\n")[:-1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("dom",), ["domains"]),
        (("observe", "tl"), ["tls"]),
        (("findings", "dn_"), ["dn_consistency"]),
        (("rules", "DN_ID_L"), ["DN_ID_LUHN"]),
        (("report", "overv"), ["overview"]),
        (("report", "--region", "Cor"), ["Corse"]),
        (("domains", "--department", "2"), [str(code) for code in (*range(21, 30), "2A", "2B")]),
        (("domains", "--format", "pa"), ["parquet"]),
    ],
)
def test_a_shell_is_offered_commands_options_and_what_they_can_be(words, told):
    assert sorted(offered("mssante-audit", *words)) == sorted(told)


def test_all_audits_and_rules_are_offered():
    assert set(offered("mssante-audit", "findings", "")) == {"all", *audits()}
    assert set(offered("mssante-audit", "rules", "")) == set(catalogue())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell):
    script = completing(f"source_{shell}")
    assert f"_MSSANTE_AUDIT_COMPLETE=complete_{shell}" in script
    if shutil.which(shell):
        checked = subprocess.run([shell, "-n"], input=script, text=True, capture_output=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


def domains(*arguments: str, **given: str) -> list[str]:
    done = CliRunner().invoke(app, ["domains", *arguments], env=given)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def test_options_stand_in_the_environment_and_the_nearest_word_counts(tmp_path):
    whole = domains("--as-of", AS_OF, "--region", "corse", "--region", "ile de france")
    assert domains(MSSANTE_AUDIT_AS_OF=AS_OF, MSSANTE_AUDIT_REGION="corse,ile de france") == whole
    assert domains(MSSANTE_AUDIT_DOMAINS_AS_OF=AS_OF, MSSANTE_AUDIT_AS_OF="soon",
                   MSSANTE_AUDIT_DOMAINS_REGION="corse,ile de france") == whole  # fmt: skip
    named = {"MSSANTE_AUDIT_DOMAINS_AS_OF": "soon", "MSSANTE_AUDIT_REGION": "bretagne"}
    assert domains("--as-of", AS_OF, "--region", "corse,ile de france", **named) == whole
    assert domains("--as-of", AS_OF, "--region", "corse,ile de france", MSSANTE_AUDIT_DATA="") == whole
    out = tmp_path / "told.json"
    assert domains(MSSANTE_AUDIT_AS_OF=AS_OF, MSSANTE_AUDIT_OUT=str(out), MSSANTE_AUDIT_FORMAT="json") == []
    assert out.read_text(encoding="utf-8").startswith("[")
    told = domains(MSSANTE_AUDIT_PARAMETER=f"as_of={AS_OF} stale_after_days=365")
    assert len(told) == len(domains(MSSANTE_AUDIT_AS_OF=AS_OF))


def test_what_is_wrong_in_the_environment_is_told_by_its_name():
    done = subprocess.run(
        [sys.executable, "-m", "mssante_audit", "domains"],
        env={**os.environ, "MSSANTE_AUDIT_FORMAT": "pdf"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "MSSANTE_AUDIT_FORMAT" in done.stderr


def test_every_option_of_every_command_has_its_variables():
    root = get_command(app)
    assert isinstance(root, FromEnvironment)
    every = dict(commands(root))
    assert {("report",), ("observe", "dns"), ("archive", "verify")} <= every.keys()
    for path, command in every.items():
        for option in (one for one in command.params if one.param_type_name == "option"):
            flag = max(option.opts, key=len)
            shared, own = ("_".join(("MSSANTE_AUDIT", *words, flag[2:])) for words in ((), path))
            names = [name.replace("-", "_").upper() for name in (own, shared)]
            expected = [] if flag == "--help" else names
            assert (option.envvar or []) == expected, (path, flag)


def test_the_manual_page_names_every_command_and_option_and_is_right_roff(tmp_path):
    text = page()
    plain = text.replace("\\-", "-")
    for path, command in commands(get_command(app)):
        section = plain.partition(f".SS mssante-audit {' '.join(path)}\n")[2].partition("\n.S")[0]
        flags = [
            flag for one in command.params for flag in one.opts if flag.startswith("-") and flag != "--help"
        ]
        assert [flag for flag in flags if flag not in section] == [], path
    assert "MSSANTE_AUDIT_DATA" in plain
    assert re.search(r"\.SH EXIT STATUS\n0 done;.*4 an input", plain)
    assert roff(".so /etc/passwd\n'x\\y") == "\\&.so /etc/passwd\n\\&'x\\ey"
    if shutil.which("groff") is None:
        pytest.skip("no groff here: apt-get install groff")
    (tmp_path / "page.1").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-k", str(tmp_path / "page.1")], capture_output=True, check=True
    )
    assert done.stderr == b""
