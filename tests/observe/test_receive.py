"""``mssante-audit receive``: one domain asked now, the walk and the answer."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import toml
from dnslab import asked
from dnsworld import OPERATOR, PARENT, names_server, parent, zone_server
from made_up import ALPHA, xml_of
from tlsmade import write_visits

from mssante_audit.base.language import NBSP
from mssante_audit.observe.tls.run import MailServer
from mssante_audit.observe.tls.visit import Visit
from tools.sample.certificates import make

SECOND, RESOLVER = "127.0.55.3", "127.0.55.4"
CASES = toml("observe/receive")
DOMAIN, MX = "ch-alpha.mssante.fr", "10 mx.op.example."
NAMES = {"ns1.op.example": OPERATOR, "ns2.op.example": SECOND}

LATELY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(10)


@pytest.fixture
def receive(run, port):
    servers = (f"--parent-server=ns.gestion.example={PARENT}", f"--resolver={RESOLVER}", f"--port={port}")
    options = (*servers, "--timeout=0.6", "--retries=0")
    return lambda *more, domain=DOMAIN: run("receive", domain, *options, *more)


@pytest.fixture
def delegated(serve):
    """Serve the domain's zone, which names some mail hosts, and a resolver that has these addresses."""

    def start(*mx: str, silent: int = 0, **addresses: str) -> None:
        serve(PARENT, parent({DOMAIN: list(NAMES)}))
        hosts = {f"{label}.op.example": address for label, address in addresses.items()}
        serve(RESOLVER, names_server(NAMES | hosts, aa=False))
        records = (*(f"NS {name}." for name in NAMES), *(f"MX {text}" for text in mx))
        for address in list(NAMES.values())[: 2 - silent]:
            serve(address, zone_server(DOMAIN, *records))

    return start


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_healthy_domain(receive, delegated, language):
    delegated(MX, mx="192.0.2.25")
    code, text, _ = receive("--lang", language)
    first, sentence, _, *tree = text.splitlines()
    assert (code, first) == (0, f"{DOMAIN}: yes")
    assert sentence == {"fr": "Les messages arrivent.", "en": "Mail arrives."}[language]
    assert [line.lstrip("├└─│ ").partition(" →")[0] for line in tree] == [
        f"MX {DOMAIN} @ ns.gestion.example {PARENT}",
        f"MX {DOMAIN} @ ns1.op.example {OPERATOR}",
        f"A mx.op.example @ {RESOLVER}",
        f"AAAA mx.op.example @ {RESOLVER}",
        f"MX {DOMAIN} @ ns2.op.example {SECOND}",
    ]
    assert tree[2].endswith(": 192.0.2.25")


@pytest.mark.parametrize(("cause", "case"), CASES["answers"].items())
def test_answers_and_exit_statuses(receive, delegated, cause, case):
    delegated(case.get("mx", MX), **case.get("served", {}))
    code, text, _ = receive("--format", "json")
    record, receives = json.loads(text), case["receives"]
    assert (code, record["receives"], record["cause"]) == (1, receives, cause)
    assert all(record[key] for key in ("why", "remedy"))
    assert record["walk"][0]["server"] == "ns.gestion.example"
    assert receive().stdout.splitlines()[0] == f"{DOMAIN}: {receives} ({cause})"


def test_what_does_not_decide_is_unknown(receive, serve):
    apex = parent({})
    serve(PARENT, lambda query, transport: apex(query, transport) if asked(query)[0] == "mssante.fr" else [])
    code, text, _ = receive()
    assert (code, text.splitlines()[0]) == (4, f"{DOMAIN}: unknown (parent-silent)")


def test_nothing_steers_the_terminal_and_nothing_is_kept(receive, delegated, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    delegated("10 \\027[31mmx.op.example.")
    code, text, _ = receive()
    assert code == 1
    assert "\x1b" not in text
    assert "\\027[31mmx.op.example" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("domain", "more", "why"), CASES["refused"])
def test_what_cannot_be_asked_is_refused(receive, tmp_path, monkeypatch, domain, more, why):
    monkeypatch.chdir(tmp_path)
    done = receive(*more, domain=domain)
    assert (done.returncode, why in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.stderr


WITH_TLS = {"mx": "192.0.2.25", "mx2": "192.0.2.26"}
ROOT = make("CN=AC RACINE FICTIVE,O=ESSAI,C=FR", ca=True, start=LATELY, days=99)


def presented(**more: Any) -> Visit:
    """A certificate of the name listed, valid now, as a server presented it."""
    leaf = make(**({"subject": ALPHA["dn"], "issuer": ROOT, "start": LATELY, "days": 90} | more))
    return Visit("presented", protocol="TLSv1.3", chain=(leaf.der,))


VISITS = {
    "right": presented(), "busy": Visit("busy"), "wrong": presented(subject="CN=x,C=FR"),
    "of itself": presented(issuer=None),
}  # fmt: skip


@pytest.fixture
def beside(tmp_path):
    """Write a list and what servers of `WITH_TLS` presented, and return the options that name them."""

    def lay(*visits: Visit, days: int = 1, anchors: bool = True, **row: str) -> list[str]:
        (tmp_path / "list.xml").write_bytes(xml_of({"domain": DOMAIN} | row))
        servers = (MailServer(address, 25, (f"host.{address}",)) for address in WITH_TLS.values())
        if visits:
            at = datetime.now(UTC) - timedelta(days)
            write_visits(tmp_path, at, zip(servers, visits, strict=False))
        (tmp_path / "root.pem").write_bytes(ROOT.pem)
        return [f"--data={tmp_path}", *([f"--anchors={tmp_path / 'root.pem'}"] if anchors else [])]

    return lay


@pytest.mark.parametrize("case", CASES["certificates"])
def test_certificates_have_their_say_as_they_have_in_domains(receive, delegated, beside, case):
    visits, more, answer, tls = case
    delegated(MX, "20 mx2.op.example.", **WITH_TLS)
    status, text, _ = receive(*beside(*map(VISITS.get, visits), **more), "--format", "json")
    record = json.loads(text)
    assert [status, record["receives"], record["cause"]] == answer
    assert f"{record['tls']} {record['tls_cause']}" == tls
    assert (record["dns"], record["mail"]) == ("ok", "ok")


def test_each_server_is_told_with_its_age_and_what_is_wrong(receive, delegated, beside):
    delegated(MX, "20 mx2.op.example.", **WITH_TLS)
    options = beside(presented(), presented(subject="CN=x,C=FR", issuer=None), days=3)
    for language, (seen, refused, *wrongs) in {
        "fr": ("il y a 3 jours", "refusé", "nom qui n’est pas inscrit", "d’aucune autorité connue"),
        "en": ("3 days ago", "refused", "a name that is not listed", "of no authority known here"),
    }.items():
        lines = receive(*options, "--lang", language).stdout.replace(NBSP, " ").splitlines()
        assert lines[0] == f"{DOMAIN}: degraded (tls-some)"
        right, wrong = lines[lines.index("") + 1 :][-2:]
        assert all(part in right for part in ("192.0.2.25", ALPHA["dn"], seen))
        assert refused not in right
        assert all(part in wrong for part in ("192.0.2.26", "CN=x,C=FR", seen, refused, *wrongs))


def test_a_certificate_s_name_steers_no_terminal_and_makes_no_line(receive, delegated, beside):
    delegated(MX, mx="192.0.2.25")
    options = beside(presented(subject="CN=x\\0a- mx.op.example\\1b[31m \\e2\\80\\aey,C=FR"))
    for more in ((), ("--format", "json")):
        text = receive(*options, *more).stdout
        assert "CN=x" in text
        assert not {"\x1b", "\u202e"} & set(text)
        assert not [line for line in text.splitlines() if line.startswith("- mx.op.example")]
