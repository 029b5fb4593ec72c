"""Each rule fires on its zone alone; what resolvers, Postfix and Exim come to is what we say."""

import json
import re
import tomllib
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from dnscases import ALL, CASES, HARD, NONE, Case
from dnslab import in_namespace, need_servers
from dnsresolvers import ADDRESSES, need_resolvers, reaching, read_resolved
from dnsscene import addresses, broken, judged
from smtpservers import ADDRESSES as MAIL_SERVERS
from smtpservers import HOST, WAYS, need_mail_servers

from mssante_audit.findings.registry import catalogue
from mssante_audit.observe.tls.observation import load_tls
from tools.sample.certificates import make

pytestmark = pytest.mark.long


def play(folder: Path, cases: Sequence[Case], code: str, *more: str) -> Path:
    """Run code on the scene of some cases, with their addresses and `more` of them."""
    need_servers()
    imports = "from pathlib import Path; from dnsscene import *; from dnscases import HARD\n"
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
    return judged(folder)[2]


@pytest.fixture(scope="module")
def looked(hard):
    return read_resolved(hard), *judged(hard, HARD)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_rule_fires_on_its_zone_and_no_other_does(findings_of, case):
    assert findings_of[case.name] == set(case.rules), case.what


@pytest.mark.parametrize("case", HARD, ids=lambda case: case.name)
def test_resolvers_come_where_the_table_says_and_so_do_we(looked, case):
    resolved, mail, methods, rules = looked
    for domain in case.domains:
        assert case.reached in (None, reaching(resolved[domain])), resolved[domain]
        assert mail[domain].receives == case.receives, mail[domain]
        assert methods[domain] == case.method
    assert rules[case.name] == set(case.rules), case.what


def test_answers_and_findings_go_together_and_rest_on_lines(folder, hard):
    assert not broken(folder, CASES, rounds=8)
    assert not broken(hard, HARD, rounds=40)


def test_a_domain_that_is_observed_by_itself_is_judged_as_among_others(tmp_path):
    """Nobody else's questions tell what its own leave open."""
    cases = [case for case in HARD if case.alone]
    each = "for case in HARD:\n  if case.alone: observe_cases(folder / case.name, [case])"
    play(tmp_path, HARD, f"with running(folder, HARD):\n {each}")
    for case in cases:
        mail, _, rules = judged(tmp_path / case.name, [case])
        assert (mail[case.domain].receives, rules) == (case.receives, {case.name: set(case.rules)})
    assert len(cases) > 10


def test_there_are_cases_of_each_kind():
    names = [case.name for case in HARD]
    assert len(names) == len(set(names))
    assert {case.receives for case in HARD} == {"yes", "degraded", "no"}
    assert not any(case.unsound for case in HARD if case.reached not in (ALL, None))
    assert {case.reached for case in HARD} >= {ALL, NONE, None}
    rules = {code for code, rule in catalogue().items() if rule.audit == "delegation_vs_redirection"}
    assert {rule for case in (*CASES, *HARD) for rule in case.rules} == rules - UNSEEN


UNSEEN = {"DNS_METHOD_UNKNOWN", "DNS_PRIMARY_OTHER"}  # no case has a register as they need: others test them
MAIL_HOSTS = ("82.64.5.5", "82.64.5.6", "82.64.5.32", "82.64.5.33", "82.64.5.34")
POSTFIX = {
    "propre": True, "litteral": True, "litteral-hexa": True, "litteral-octal": True, "litteral-nombre": False,
    "litteral-prive": False, "nul-mele": False, "cname-soi": False,
    "mx-tiret": False, "mx-blanc": False, "mx-souligne": True,
}  # fmt: skip
"""Cases that mail servers take otherwise than resolvers → whether Postfix connects to a mail host."""


def test_postfix_connects_where_we_say(tmp_path):
    need_resolvers()
    need_mail_servers()
    cases = [case for case in HARD if case.name in POSTFIX]
    chosen = f"[case for case in HARD if case.name in {tuple(POSTFIX)}]"
    code = f"look_with_postfix(folder, {chosen}, {MAIL_HOSTS})"
    play(tmp_path, cases, code, *ADDRESSES.values(), *MAIL_HOSTS)
    assert json.loads((tmp_path / "postfix.json").read_text()) == POSTFIX


ROOT = make("CN=AC RACINE FICTIVE,O=ESSAI,C=FR", ca=True, days=9_999)
BETWEEN = make("CN=AC FICTIVE,O=ESSAI,C=FR", ROOT, ca=True, days=9_999)
LEAF = make("CN=mx.exemple-fictif.example,O=CH ALPHA,C=FR", BETWEEN, names=(HOST,))
NAMED = make("CN=nomme.exemple-fictif.example,O=CH ALPHA,C=FR", BETWEEN, days=9_999)
CLIENT = make("CN=audit.exemple-fictif.example,C=FR", BETWEEN)
CHAIN, BY_NAME = ([sha256(link.der).hexdigest() for link in (leaf, BETWEEN)] for leaf in (LEAF, NAMED))


@pytest.fixture(scope="module")
def mail_servers(tmp_path_factory):
    need_mail_servers()
    place = folder = tmp_path_factory.mktemp("mail")
    while place.name and place.stat().st_mode & 0o1000 == 0:  # up to the folder for everybody's files
        place.chmod(0o755)  # they drop root's rights
        place = place.parent
    code = (
        "sys.path[:0] = ['.']\nimport pytest\n"
        "from pathlib import Path; from smtpservers import look; from test_resolvers import *\n"
        f"look(Path({str(folder)!r}), ROOT, BETWEEN, LEAF, CLIENT, NAMED)\n"
    )
    done = in_namespace(code, "127.0.58.1/8")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def visits(mail_servers):
    return json.loads((mail_servers / "told.json").read_text())


KEPT = tomllib.loads((Path(__file__).parent / "visits.toml").read_text(encoding="utf-8"))["kept"]


@pytest.mark.parametrize("server", ["Postfix", "Exim"])
@pytest.mark.parametrize("case", KEPT)
def test_what_is_presented_is_kept_as_it_was_sent(server, case, visits):
    way, protocol, demanded = case
    chain = BY_NAME if way == "named by name" else CHAIN
    assert visits[f"{server} {way}"] == ["presented", "", protocol, demanded, chain]


@pytest.mark.parametrize("case", ["", " TLS 1.2"])
@pytest.mark.parametrize(
    ("server", "answer"),
    [
        ("Postfix", {"No client certificate presented"}),
        ("Exim", {"certificate required", "closed", "decode error"}),
    ],
)
def test_who_demands_a_certificate_has_presented_its_own(server, answer, case, visits):
    outcome, detail, protocol, demanded, chain = visits[f"{server} demanding{case}"]
    assert (outcome, demanded, chain) == ("presented", True, CHAIN)
    assert protocol == ("TLSv1.2" if case else "TLSv1.3")
    assert any(words in detail for words in answer), detail


def test_one_with_a_certificate_under_its_name_is_asked_for_it(mail_servers):
    read = load_tls(mail_servers / "tls-2.jsonl.gz")
    named = {MAIL_SERVERS["Postfix named"], MAIL_SERVERS["Exim named"]}
    seen = {sni: {(v.address, v.chain) for v in read.visits if v.sni == sni} for sni in ("", HOST)}
    assert seen == {
        "": {(address, tuple(CHAIN)) for address in named},
        HOST: {(address, tuple(BY_NAME)) for address in named},
    }


def test_one_that_is_too_busy_for_a_second_visit_says_nothing_of_its_certificate(visits):
    assert visits["Postfix busy"][0] == "presented"
    outcome, detail, *_ = visits["Postfix busy TLS 1.2"]
    assert (outcome, detail.partition(" mx.")[0]) == ("busy", "421 4.7.0")
    assert visits["Exim busy"][:2] == ["busy", "451 too busy now"]


def test_a_run_over_both_writes_down_the_same(mail_servers):
    read = load_tls(mail_servers / "tls-1.jsonl.gz")
    assert (read.complete, len(read.problems)) == (True, 0)
    names = {address: name for name, address in MAIL_SERVERS.items()}
    met = [names[visit.address] for visit in read.visits if not visit.sni]
    assert {names[visit.address]: visit.outcome for visit in read.visits} == {
        f"{server} {way}": {"bare": "no-starttls", "busy": "busy"}.get(way, "presented")
        for server in ("Postfix", "Exim")
        for way in WAYS
    }
    assert sorted(read.certificates) == sorted(CHAIN)
    assert (met.count("Exim busy"), met.count("Exim plain")) == (3, 1)


def test_the_page_tells_of_each_beside_another_tool():
    text = (Path(__file__).parents[2] / "docs" / "tls.md").read_text(encoding="utf-8")
    outcomes = dict(re.findall(r"^\| ((?:Postfix|Exim) \w+) \| `([a-z-]+)`", text, re.M))
    assert outcomes.keys() == MAIL_SERVERS.keys()
    assert outcomes["Exim busy"] == "busy"
    assert outcomes["Postfix bare"] == outcomes["Exim bare"] == "no-starttls"
