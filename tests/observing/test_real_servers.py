"""Each rule fires on its zone and no other rule does, where NSD and Knot serve the zones."""

import pytest
from dnscases import CASES, Case
from dnslab import in_namespace, need_servers
from dnsscene import addresses, findings

from mssante_audit.findings.registry import catalogue


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    need_servers()
    folder = tmp_path_factory.mktemp("cases")
    code = (
        "from pathlib import Path; from dnsscene import *\n"
        f"folder = Path({str(folder)!r})\n"
        "with running(folder): observe_cases(folder)\n"
    )
    done = in_namespace(code, *addresses())
    assert done.returncode == 0, done.stderr
    return findings(folder)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(found: dict[str, set[str]], case: Case) -> None:
    assert found[case.name] == set(case.rules), case.what


UNSEEN = {
    "DNS_METHOD_UNKNOWN", "DNS_ALIAS", "DNS_SERVER_SLOW", "DNS_SERVER_PARTIAL", "DNS_NS_PRIVATE",
    "DNS_EDNS_BROKEN", "DNS_EDNS_REFUSED", "DNS_IPV6_ONLY", "DNS_SOA_TIMERS", "DNS_SIGNATURE_BROKEN",
    "DNS_SIGNATURE_SERVER", "DNS_DS_UNKNOWN", "DNS_DS_UNUSED", "DNS_SHA1", "DNS_MX_SILENT", "DNS_MX_REFUSED",
    "DNS_MX_NULL_MIXED", "DNS_MX_HOST_DEAD", "DNS_MX_UNREACHABLE", "DNS_MX_PRIVATE_SOME", "DNS_MX_IPV6_ONLY",
    "DNS_MX_BOGUS",
}  # fmt: skip
"""What could not be observed at all (`test_delegation_vs_redirection` has it), and `test_hard_dns`'s."""


def test_every_rule_has_a_zone() -> None:
    rules = {code for code, rule in catalogue().items() if rule.audit == "delegation_vs_redirection"}
    assert {rule for case in CASES for rule in case.rules} == rules - UNSEEN
