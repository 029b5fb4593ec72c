"""Hard cases: what BIND, unbound and Knot Resolver come to is what we say, and so are the findings."""

import json
from pathlib import Path

import pytest
from dnshard import ALL, HARD, NONE, Hard
from dnslab import in_namespace, need_servers
from dnsresolvers import ADDRESSES, Resolved, need_resolvers, read_resolved
from dnsscene import addresses, answers, broken, called, findings
from smtpservers import need_mail_servers

from mssante_audit.network.mail import Mail

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Observe all cases and ask the resolvers, in one run (30 s)."""
    need_servers()
    need_resolvers()
    folder = tmp_path_factory.mktemp("hard")
    code = (
        "from pathlib import Path; from dnsscene import *; from dnshard import HARD\n"
        f"look_with_resolvers(Path({str(folder)!r}), HARD)\n"
    )
    networks = (f"{address}/32" for address in ADDRESSES.values())
    done = in_namespace(code, *addresses(HARD), *networks, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def resolved(folder: Path) -> dict[str, dict[str, Resolved]]:
    replies = json.loads((folder / "told.json").read_text())
    return {domain: read_resolved(reply) for domain, reply in replies.items()}


@pytest.fixture(scope="module")
def ours(folder: Path) -> tuple[dict[str, Mail], dict[str, str], dict[str, set[str]]]:
    return answers(folder, HARD), called(folder, HARD), findings(folder, HARD)


@pytest.mark.parametrize("case", HARD, ids=lambda case: case.name)
def test_resolvers_come_where_the_table_says_and_so_do_we(resolved, ours, case: Hard) -> None:
    mail, methods, rules = ours
    for domain in case.domains:
        reached = tuple(name for name, reply in resolved[domain].items() if reply.reached)
        assert case.reached in (None, reached), resolved[domain]
        assert mail[domain].receives == case.receives, mail[domain]
        assert methods[domain] == case.method
    assert rules[case.name] == set(case.rules), case.what


def test_answers_and_findings_go_together_and_rest_on_lines(folder: Path) -> None:
    assert not broken(folder, HARD, rounds=40)


def test_there_are_cases_of_each_kind() -> None:
    names = [case.name for case in HARD]
    assert len(names) == len(set(names))
    assert {case.receives for case in HARD} == {"yes", "degraded", "no"}
    assert not any(case.unsound for case in HARD if case.reached not in (ALL, None))
    assert {case.reached for case in HARD} >= {ALL, NONE, None}


MAIL_HOSTS = ("82.64.5.5", "82.64.5.6")
POSTFIX = {"propre": True, "litteral": True, "litteral-prive": False, "nul-mele": False, "cname-soi": False}
"""Cases that mail servers take otherwise than resolvers → whether Postfix connects to a mail host."""


def test_postfix_connects_where_we_say(tmp_path: Path) -> None:
    need_servers()
    need_resolvers()
    need_mail_servers()
    code = (
        "from pathlib import Path; from dnsscene import *; from dnshard import HARD\n"
        f"cases = [case for case in HARD if case.name in {tuple(POSTFIX)}]\n"
        f"look_with_postfix(Path({str(tmp_path)!r}), cases, {MAIL_HOSTS})\n"
    )
    cases = [case for case in HARD if case.name in POSTFIX]
    networks = (f"{address}/32" for address in (*ADDRESSES.values(), *MAIL_HOSTS))
    done = in_namespace(code, *addresses(cases), *networks, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "postfix.json").read_text()) == POSTFIX
