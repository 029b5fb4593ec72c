"""Each rule fires on its zone alone; what BIND, unbound and Knot Resolver come to is what we say."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from dnscases import CASES, Case
from dnshard import ALL, HARD, NONE
from dnslab import in_namespace, need_servers
from dnsresolvers import ADDRESSES, need_resolvers, read_resolved
from dnsscene import addresses, answers, broken, called, findings
from smtpservers import need_mail_servers

from mssante_audit.findings.registry import catalogue

pytestmark = pytest.mark.long


def play(folder: Path, cases: Sequence[Case], code: str, *more: str) -> Path:
    """Run code on the scene of some cases, with their addresses and `more` of them."""
    need_servers()
    imports = "from pathlib import Path; from dnsscene import *; from dnshard import HARD\n"
    networks = (f"{address}/32" for address in more)
    scene = f"{imports}folder = Path({str(folder)!r})\n{code}\n"
    done = in_namespace(scene, *addresses(cases), *networks, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Observe a zone for each rule."""
    return play(tmp_path_factory.mktemp("cases"), CASES, "with running(folder): observe_cases(folder)")


@pytest.fixture(scope="module")
def hard(tmp_path_factory):
    """Observe the hard cases and ask the resolvers, in one run (30 s)."""
    need_resolvers()
    code = "look_with_resolvers(folder, HARD)"
    return play(tmp_path_factory.mktemp("hard"), HARD, code, *ADDRESSES.values())


@pytest.fixture(scope="module")
def findings_of(folder):
    return findings(folder)


@pytest.fixture(scope="module")
def resolved(hard):
    replies = json.loads((hard / "told.json").read_text())
    return {domain: read_resolved(reply) for domain, reply in replies.items()}


@pytest.fixture(scope="module")
def ours(hard):
    return answers(hard, HARD), called(hard, HARD), findings(hard, HARD)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_rule_fires_on_its_zone_and_no_other_does(findings_of, case):
    assert findings_of[case.name] == set(case.rules), case.what


@pytest.mark.parametrize("case", HARD, ids=lambda case: case.name)
def test_resolvers_come_where_the_table_says_and_so_do_we(resolved, ours, case):
    mail, methods, rules = ours
    for domain in case.domains:
        reached = tuple(name for name, reply in resolved[domain].items() if reply.reached)
        assert case.reached in (None, reached), resolved[domain]
        assert mail[domain].receives == case.receives, mail[domain]
        assert methods[domain] == case.method
    assert rules[case.name] == set(case.rules), case.what


def test_answers_and_findings_go_together_and_rest_on_lines(folder, hard):
    assert not broken(folder, CASES, rounds=8)
    assert not broken(hard, HARD, rounds=40)


UNSEEN = {"DNS_METHOD_UNKNOWN", "DNS_PRIMARY_OTHER"}
"""What no case has, as a register: their audits' tests do."""


def test_there_are_cases_of_each_kind():
    names = [case.name for case in HARD]
    assert len(names) == len(set(names))
    assert {case.receives for case in HARD} == {"yes", "degraded", "no"}
    assert not any(case.unsound for case in HARD if case.reached not in (ALL, None))
    assert {case.reached for case in HARD} >= {ALL, NONE, None}
    rules = {code for code, rule in catalogue().items() if rule.audit == "delegation_vs_redirection"}
    assert {rule for case in (*CASES, *HARD) for rule in case.rules} == rules - UNSEEN


MAIL_HOSTS = ("82.64.5.5", "82.64.5.6")
POSTFIX = {"propre": True, "litteral": True, "litteral-prive": False, "nul-mele": False, "cname-soi": False}
"""Cases that mail servers take otherwise than resolvers → whether Postfix connects to a mail host."""


def test_postfix_connects_where_we_say(tmp_path):
    need_resolvers()
    need_mail_servers()
    cases = [case for case in HARD if case.name in POSTFIX]
    chosen = f"[case for case in HARD if case.name in {tuple(POSTFIX)}]"
    code = f"look_with_postfix(folder, {chosen}, {MAIL_HOSTS})"
    play(tmp_path, cases, code, *ADDRESSES.values(), *MAIL_HOSTS)
    assert json.loads((tmp_path / "postfix.json").read_text()) == POSTFIX
