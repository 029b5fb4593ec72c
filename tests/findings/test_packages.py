"""Audits of packages: every command knows them; one that cannot be used costs the others nothing."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copy
from typing import Any

import pandas as pd
import pytest
from conftest import CATALOGUE, toml
from made_up import make_space
from packages import DIGITS, installed, laid_down

from mssante_audit import Audit, audit_all, catalogue, load_rules, load_space, register
from mssante_audit.base.errors import InputError
from mssante_audit.findings import registry
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.nightly.doctor import examine
from mssante_audit.report.results import Limits, touching
from mssante_audit.snapshot.make import make_snapshot
from mssante_audit.space.trust import TrustSpace

GIVEN = toml("findings/packages")
RAISING = DIGITS.replace("    for domain", "    1 / 0\n    for domain")
AS_OF = "2026-03-03T06:00:00Z"
Put = Callable[..., tuple[str, ...]]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("package"), "digits", DIGITS)


def command(folder: Path, *words: object, fresh: bool = False) -> tuple[int, str, str]:
    """Run a command as somebody who installed the package; `fresh`: in an interpreter of its own, no fork."""
    line = [sys.executable, *(["-u"] if fresh else []), "-m", "mssante_audit", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def table(csv: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(csv), keep_default_na=False, dtype="str")


def test_findings_of_it_and_of_all(package: Path) -> None:
    status, text, errors = command(package, "findings", "digits", "--as-of", AS_OF, fresh=True)
    assert (status, errors) == (0, "")
    findings = table(text)
    assert set(findings["rule"]) == {"DIGITS_IN_DOMAIN"}
    assert findings["observed"].str.match(r"[0-9]+\schiffres? : <b>").all()
    everything = table(command(package, "findings", "all", "--as-of", AS_OF)[1])
    assert everything[everything["audit"] == "digits"].reset_index(drop=True).equals(findings)
    assert everything["audit"].nunique() == len(registry.ours()) + 1


def test_help_and_rules_name_it(package: Path) -> None:
    shown = " ".join(command(package, "findings", "--help")[1].replace("│", " ").split())
    assert "delegation_vs_redirection, certificates, mailboxes, digits." in shown
    assert "DIGITS_IN_DOMAIN" in command(package, "rules")[1]
    assert "title_en: Digits in the <name>" in command(package, "rules", "DIGITS_IN_DOMAIN")[1]


def test_a_snapshot_is_stale_once_the_package_is_another(package: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    assert "files" in command(package, "snapshot", kept, "--as-of", AS_OF)[1]
    assert "is up to date" in command(package, "snapshot", kept, "--as-of", AS_OF)[1]
    other = laid_down(tmp_path / "other", "digits", DIGITS.replace("if number", "if number > 1 and number"))
    assert "files" in command(other, "snapshot", kept, "--as-of", AS_OF)[1]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Put]:
    """Install packages for this process; return what is said of those that cannot be used."""

    def forget() -> None:
        registry._installed.cache_clear()
        registry.catalogue.cache_clear()

    def install(*packages: tuple[str, ...]) -> tuple[str, ...]:
        for name, *content in packages:
            monkeypatch.syspath_prepend(laid_down(tmp_path / name, name, *content))
            monkeypatch.delitem(sys.modules, name, raising=False)
        forget()
        return registry.unusable()

    yield install
    monkeypatch.undo()
    forget()


@pytest.fixture(scope="module")
def space() -> TrustSpace:
    return load_space(as_of=AS_OF)


@pytest.fixture
def few() -> TrustSpace:
    """A list in which something is found, and a domain has digits."""
    return make_space({"domain": "ch-75.mssante.fr", "dn": "certificat"})


BROKEN: dict[str, tuple[str, str]] = {
    name: (DIGITS.replace(*code) if len(code) > 1 else code[0], words)
    for name, (*code, words) in GIVEN["broken"].items()
}


def the_failure(space: TrustSpace, before: pd.DataFrame) -> dict[str, Any]:
    """Return the finding that something failed; all others are what was found before."""
    findings = audit_all(space)
    (failed,) = findings[findings["rule"] == FAILED].to_dict("records")
    assert set(before["fingerprint"]) < set(findings["fingerprint"])
    return failed


@pytest.mark.parametrize("case", BROKEN)
def test_a_package_s_fault_is_one_line_and_ours_go_on(case: str, put: Put, few: TrustSpace) -> None:
    before = audit_all(few)
    code, message = BROKEN[case]
    (line,) = put(("bad", code))
    assert line.startswith("bad: the entry point bad = 'bad:")
    assert line.endswith(". Mend that package, or uninstall it")
    assert message in line
    assert "\n" not in line
    assert [*registry.audits()] == [*registry.ours(), "bad"]
    failed = the_failure(few, before)
    assert failed["audit"] == "bad"
    assert message in failed["observed"]


def test_of_two_packages_with_one_name_or_rule_the_first_is_used(put: Put) -> None:
    other = DIGITS.replace('"digits", {', '"more_digits", {')
    lines = put(("a_first", DIGITS), ("b_same", DIGITS), ("c_rule", other))
    assert len(lines) == 2
    assert lines[0].startswith("b_same: ")
    assert "there is an audit 'digits' already" in lines[0]
    assert "the rule DIGITS_IN_DOMAIN is one of the audit 'digits' already" in lines[1]
    assert [*registry.audits()] == [*registry.ours(), "digits", "b_same", "c_rule"]
    assert registry.audits()["digits"].run.__module__ == "a_first"


def test_a_broken_package_takes_no_name_from_a_good_one(put: Put) -> None:
    put(("a_bad", "1 / 0", "digits = a_bad:AUDIT"), ("b_good", DIGITS))
    assert [*registry.audits()] == [*registry.ours(), "digits", "unusable_digits_of_a_bad"]
    assert registry.audits()["digits"].rules


def test_a_waiver_of_a_package_s_rule_waits_for_it(put: Put, tmp_path: Path) -> None:
    copy(CATALOGUE / "listeblanchemssante.xml.gz", tmp_path)
    (tmp_path / "waivers.toml").write_text(
        '[[waiver]]\nrule = "DIGITS_IN_DOMAIN"\ndomain = "x"\nreason = "r"\nwho = "w"\nuntil = 2027-01-01\n'
    )
    put(("digits", "import nothing_such"))
    assert FAILED in set(audit_all(load_space(tmp_path, as_of=AS_OF))["rule"])


@pytest.mark.parametrize("case", GIVEN["raises"])
def test_a_rule_that_raises_is_a_finding_and_costs_no_other(case: str, put: Put, few: TrustSpace) -> None:
    line, message = GIVEN["raises"][case]
    before = audit_all(few)
    code = DIGITS.replace("        if number", f"        {line}\n        if number")
    assert put(("bad", code, "bad = bad:AUDIT")) == ()
    failed = the_failure(few, before)
    assert failed["observed"].startswith("audit digits, digits\xa0:")
    assert message in failed["observed"]


def test_an_unusable_audit_is_named_to_every_operator_and_by_the_doctor(put: Put, space: TrustSpace) -> None:
    put(("bad", "AUDIT = None"))
    owner = space.entries["operator_id"].iloc[0]
    assert FAILED in set(touching(audit_all(space), space, Limits(owner))["rule"])
    signs = [sign for sign in examine() if sign.what == "audit of a package"]
    assert [(sign.state, sign.found.split(":")[0]) for sign in signs] == [("warn", "bad")]


def test_findings_and_report_say_what_was_not_evaluated_and_end_with_3(tmp_path: Path) -> None:
    folder = laid_down(tmp_path / "there", "digits", RAISING)
    for words in (
        ("findings", "all", "--all"),
        ("findings", "digits", "--all"),
        ("report", "overview", "--out", tmp_path / "out"),
    ):
        status, out, errors = command(folder, *words, "--as-of", AS_OF)
        assert status == 3, words
        assert errors.startswith("mssante-audit: not evaluated: audit digits, digits: ZeroDivisionError")
        assert errors.count("\n") == 1
    assert "overview: done" in out
    page = (tmp_path / "out" / "overview.html").read_text(encoding="utf-8")
    assert "Audit incomplet" in page
    assert "Défaut de la liste" not in page
    assert json.loads((tmp_path / "out" / "overview.results.json").read_text())["status"] == "done"


def test_rules_are_listed_beside_a_broken_package_which_is_named(tmp_path: Path) -> None:
    folder = laid_down(tmp_path / "there", "digits", "import nothing_such")
    status, out, errors = command(folder, "rules")
    assert (status, errors.count("\n")) == (0, 1)
    assert errors.startswith("mssante-audit: digits: the entry point digits = 'digits:AUDIT' cannot be used")
    assert "DN_ID_LUHN" in out
    assert command(folder, "findings", "dn_consistency", "--as-of", AS_OF)[0] == 0


def test_a_snapshot_of_other_rules_is_no_hindrance(put: Put, space: TrustSpace, tmp_path: Path) -> None:
    put(("digits", DIGITS.replace('tuple(own["row"])', 'tuple(own["row"].to_numpy())')))
    make_snapshot(space, tmp_path / "kept")
    assert (audit_all(load_space(tmp_path / "kept"))["audit"] == "digits").any()
    put(("digits", DIGITS.replace("DIGITS_IN_DOMAIN", "DIGITS_ANYWHERE")))
    findings = audit_all(load_space(tmp_path / "kept"))
    assert set(findings.loc[findings["audit"] == "digits", "rule"]) == {"DIGITS_ANYWHERE"}


def test_what_cannot_be_registered_is_refused_and_changes_nothing() -> None:
    before = registry.audits()
    for audit, case in (
        (3, "is no audit"),
        (Audit("declarations", "x", (), list), "a name of ours"),
        (Audit("more", "x", (catalogue()["DN_ID_LUHN"],), list), "a rule of ours"),
    ):
        with pytest.raises(InputError) as refused:
            register(audit)  # type: ignore[arg-type]
        assert str(refused.value) == BROKEN[case][1]
        assert registry.audits() == before


FIELDS = {"family": "f", "severity": "info", "source": "none"}
FIELDS |= {f"{part}_{language}": part[0] for part in ("title", "why", "remedy") for language in ("fr", "en")}
RULES = "[A_RULE]\n" + "".join(f'{name} = "{text}"\n' for name, text in FIELDS.items())


@pytest.mark.parametrize("case", GIVEN["wrong"])
def test_a_rule_in_toml_is_refused_with_its_file_field_and_what_is_allowed(case: str, tmp_path: Path) -> None:
    old, new, message = GIVEN["wrong"][case]
    assert old in RULES
    refused_in(tmp_path, RULES.replace(old, new), f"rule A_RULE: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RULES.replace("A_RULE", "a-rule"), "rule a-rule: code is 'a-rule'. Allowed: capitals and digits"),
        ('A_RULE = "x"', "'A_RULE' is no table. Write the rule's fields below [CODE]"),
        ("[A_RULE", "cannot be read ("),
    ],
)
def test_a_file_without_rules_is_refused(text: str, message: str, tmp_path: Path) -> None:
    refused_in(tmp_path, text, message)


def refused_in(folder: Path, text: str, message: str) -> None:
    (folder / "rules.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        load_rules(folder / "rules.toml")
    assert str(refused.value).startswith(f"{folder / 'rules.toml'}: {message}")


def test_a_rule_in_toml_has_from_the_one_it_is_like_what_it_does_not_say(tmp_path: Path) -> None:
    more = '[B_RULE]\nlike = "A_RULE"\ntitle_en = "other"\nobserved = "{{ x }}"\n'
    (tmp_path / "rules.toml").write_text(f'added_in = "0.3.0"\n{RULES}\n{more}', encoding="utf-8")
    first, then = load_rules(tmp_path / "rules.toml")
    assert (first.added_in, first.observed_fr) == ("0.3.0", "")
    assert then.observed_fr == then.observed_en == "{{ x }}"
    same = {"code": "A_RULE", "title_en": first.title_en, "observed_fr": "", "observed_en": ""}
    assert then.model_copy(update=same) == first
