"""Each rule fires on its zone and no other rule does, where NSD and Knot serve the zones."""

from pathlib import Path

import pytest
from dnscases import CASES, Case
from dnshard import HARD
from dnslab import in_namespace, need_servers
from dnsscene import addresses, broken, findings

from mssante_audit.findings.registry import catalogue

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_servers()
    folder = tmp_path_factory.mktemp("cases")
    code = (
        "from pathlib import Path; from dnsscene import *\n"
        f"folder = Path({str(folder)!r})\n"
        "with running(folder): observe_cases(folder)\n"
    )
    done = in_namespace(code, *addresses())
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def findings_of(folder: Path) -> dict[str, set[str]]:
    return findings(folder)


def test_answers_and_findings_go_together_and_rest_on_lines(folder: Path) -> None:
    assert not broken(folder, CASES, rounds=8)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(findings_of: dict[str, set[str]], case: Case) -> None:
    assert findings_of[case.name] == set(case.rules), case.what


UNSEEN = {"DNS_METHOD_UNKNOWN", "DNS_PRIMARY_OTHER"}
"""What neither these cases nor the hard ones have, as a register: their audits' tests do."""


def test_every_rule_has_a_zone() -> None:
    rules = {code for code, rule in catalogue().items() if rule.audit == "delegation_vs_redirection"}
    assert {rule for case in (*CASES, *HARD) for rule in case.rules} == rules - UNSEEN
