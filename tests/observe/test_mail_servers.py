"""Postfix and Exim, as Debian has them: what a visit makes of each way in which they treat one."""

import json
import re
from hashlib import sha256
from pathlib import Path

import pytest
from dnslab import in_namespace
from smtpservers import ADDRESSES, HOST, WAYS, need_mail_servers

from mssante_audit.observe.tls.observation import load_tls
from tools.sample.certificates import make

ROOT = make("CN=AC RACINE FICTIVE,O=ESSAI,C=FR", ca=True, days=9_999)
BETWEEN = make("CN=AC FICTIVE,O=ESSAI,C=FR", ROOT, ca=True, days=9_999)
LEAF = make("CN=mx.exemple-fictif.example,O=CH ALPHA,C=FR", BETWEEN, names=(HOST,))
NAMED = make("CN=nomme.exemple-fictif.example,O=CH ALPHA,C=FR", BETWEEN, days=9_999)
CLIENT = make("CN=audit.exemple-fictif.example,C=FR", BETWEEN)
CHAIN, BY_NAME = ([sha256(made.der).hexdigest() for made in (leaf, BETWEEN)] for leaf in (LEAF, NAMED))

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    need_mail_servers()
    place = folder = tmp_path_factory.mktemp("mail")
    while place.name and place.stat().st_mode & 0o1000 == 0:  # up to the folder for everybody's files
        place.chmod(0o755)  # they drop root's rights
        place = place.parent
    code = (
        "sys.path[:0] = ['.']\nimport pytest\n"
        "from pathlib import Path; from smtpservers import look; from test_mail_servers import *\n"
        f"look(Path({str(folder)!r}), ROOT, BETWEEN, LEAF, CLIENT, NAMED)\n"
    )
    done = in_namespace(code, "127.0.58.1/8")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def visits(folder):
    return json.loads((folder / "told.json").read_text())


@pytest.mark.parametrize("server", ["Postfix", "Exim"])
@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("plain", ("TLSv1.3", False, CHAIN)),
        ("plain TLS 1.2", ("TLSv1.2", False, CHAIN)),
        ("plain client", ("TLSv1.3", False, CHAIN)),
        ("plain by name", ("TLSv1.3", False, CHAIN)),
        ("demanding client", ("TLSv1.3", True, CHAIN)),
        ("named", ("TLSv1.3", False, CHAIN)),
        ("named by name", ("TLSv1.3", False, BY_NAME)),
    ],
)
def test_what_is_presented_is_kept_as_it_was_sent(server, case, expected, visits):
    assert visits[f"{server} {case}"] == ["presented", "", *expected]


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


def test_one_with_a_certificate_under_its_name_is_asked_for_it(folder):
    read = load_tls(folder / "tls-2.jsonl.gz")
    named = {ADDRESSES["Postfix named"], ADDRESSES["Exim named"]}
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


def test_a_run_over_both_writes_down_the_same(folder):
    read = load_tls(folder / "tls-1.jsonl.gz")
    assert (read.complete, len(read.problems)) == (True, 0)
    names = {address: name for name, address in ADDRESSES.items()}
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
    assert outcomes.keys() == ADDRESSES.keys()
    assert outcomes["Exim busy"] == "busy"
    assert outcomes["Postfix bare"] == outcomes["Exim bare"] == "no-starttls"
