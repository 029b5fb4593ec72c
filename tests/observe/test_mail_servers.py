"""Postfix and Exim, as Debian has them: what a visit makes of each way in which they treat one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from dnslab import in_namespace
from frames import visits_of
from smtpservers import ADDRESSES, HOST, need_mail_servers

from mssante_audit.observe.tls.observation import load_tls
from tools.sample.certificates import make

ROOT = make("CN=AC RACINE FICTIVE,O=ESSAI,C=FR", ca=True, days=9_999)
BETWEEN = make("CN=AC FICTIVE,O=ESSAI,C=FR", ROOT, ca=True, days=9_999)
LEAF = make("CN=mx.exemple-fictif.example,O=CH ALPHA,C=FR", BETWEEN, names=(HOST,))
NAMED = make("CN=nomme.exemple-fictif.example,O=CH ALPHA,C=FR", BETWEEN, days=9_999)
CLIENT = make("CN=audit.exemple-fictif.example,C=FR", BETWEEN)
CHAIN, BY_NAME = (
    [
        made.certificate.fingerprint(made.certificate.signature_hash_algorithm).hex()
        for made in (leaf, BETWEEN)
    ]
    for leaf in (LEAF, NAMED)
)

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_mail_servers()
    folder = tmp_path_factory.mktemp("mail")
    place = folder
    while place.name and place.stat().st_mode & 0o1000 == 0:  # up to the folder for everybody's files
        place.chmod(0o755)  # they drop root's rights
        place = place.parent
    code = (
        "sys.path[:0] = ['.']\n"
        "from pathlib import Path; from smtpservers import look; from test_mail_servers import *\n"
        f"look(Path({str(folder)!r}), ROOT, BETWEEN, LEAF, CLIENT, NAMED)\n"
    )
    done = in_namespace("import pytest\n" + code, "127.0.58.1/8")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def visits(folder: Path) -> dict[str, list[Any]]:
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
def test_what_is_presented_is_kept_as_it_was_sent(
    server: str, case: str, expected: tuple[str, bool, list[str]], visits: dict[str, list[Any]]
) -> None:
    assert visits[f"{server} {case}"] == ["presented", "", *expected]


@pytest.mark.parametrize("case", ["", " TLS 1.2"])
@pytest.mark.parametrize(
    ("server", "answer"),
    [
        ("Postfix", {"No client certificate presented"}),
        ("Exim", {"certificate required", "closed", "decode error"}),
    ],
)
def test_who_demands_a_certificate_has_presented_its_own(
    server: str, answer: set[str], case: str, visits: dict[str, list[Any]]
) -> None:
    outcome, detail, protocol, demanded, chain = visits[f"{server} demanding{case}"]
    assert (outcome, demanded, chain) == ("presented", True, CHAIN)
    assert protocol == ("TLSv1.2" if case else "TLSv1.3")
    assert any(words in detail for words in answer), detail


@pytest.mark.parametrize("server", ["Postfix", "Exim"])
def test_one_with_a_certificate_under_its_name_is_asked_for_it(server: str, folder: Path) -> None:
    read = load_tls(folder / "tls-2.jsonl.gz")
    of = visits_of(read, by_name=True)["address"] == ADDRESSES[f"{server} named"]
    assert visits_of(read, by_name=True)[of]["chain"].tolist() == [tuple(BY_NAME)]
    assert visits_of(read)["chain"].tolist() == [tuple(CHAIN)] * 2


@pytest.mark.parametrize("server", ["Postfix", "Exim"])
def test_one_without_starttls_is_that(server: str, visits: dict[str, list[Any]]) -> None:
    assert visits[f"{server} bare"][:2] == ["no-starttls", "EHLO without STARTTLS"]


def test_one_that_is_too_busy_for_a_second_visit_says_nothing_of_its_certificate(
    visits: dict[str, list[Any]],
) -> None:
    assert visits["Postfix busy"][0] == "presented"
    outcome, detail, *_ = visits["Postfix busy TLS 1.2"]
    assert (outcome, detail.partition(" mx.")[0]) == ("busy", "421 4.7.0")
    assert visits["Exim busy"][:2] == ["busy", "451 too busy now"]


def test_a_run_over_both_writes_down_the_same(folder: Path) -> None:
    read = load_tls(folder / "tls-1.jsonl.gz")
    assert (read.complete, len(read.problems)) == (True, 0)
    last = visits_of(read).drop_duplicates("address", keep="last").set_index("address")["outcome"]
    names = {address: name for name, address in ADDRESSES.items()}
    showing = ("plain", "demanding", "named")
    assert {names[address]: outcome for address, outcome in last.items()} == {
        **{f"{server} {way}": "presented" for server in ("Postfix", "Exim") for way in showing},
        **dict.fromkeys(("Postfix bare", "Exim bare"), "no-starttls"),
        **dict.fromkeys(("Postfix busy", "Exim busy"), "busy"),
    }
    assert sorted(read.certificates) == sorted(CHAIN)
    assert (
        visits_of(read).groupby("address").size()[[ADDRESSES["Exim busy"], ADDRESSES["Exim plain"]]] == [3, 1]
    ).all()


def test_the_page_tells_of_each_beside_another_tool() -> None:
    text = (Path(__file__).parents[2] / "docs" / "tls.md").read_text(encoding="utf-8")
    outcomes = dict(re.findall(r"^\| ((?:Postfix|Exim) \w+) \| `([a-z-]+)`", text, re.M))
    assert outcomes.keys() == ADDRESSES.keys()
    assert outcomes["Exim busy"] == "busy"
    assert outcomes["Postfix bare"] == outcomes["Exim bare"] == "no-starttls"
