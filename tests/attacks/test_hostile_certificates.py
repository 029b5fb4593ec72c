"""Certificates and observations made to harm: nothing crashes, nothing is believed, nothing is unescaped."""

import asyncio
import gzip
import json
import re
import ssl
import tracemalloc
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import pandas as pd
import pytest
from click.testing import Result
from conftest import CATALOGUE, PAYLOADS, toml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from lxml import html
from smtplab import serving, tls
from tlsmade import mail_servers, write_visits
from typer.testing import CliRunner

from mssante_audit.audits import audit, findings_of
from mssante_audit.base.settings import ObserveTls
from mssante_audit.cli.main import app
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.observe.tls.chain import MAX_NAMES, MAX_TEXT, judge, read_certificate
from mssante_audit.observe.tls.observation import load_tls
from mssante_audit.observe.tls.visit import Visit, offers_of, visit
from mssante_audit.report.run import run_reports
from mssante_audit.space.trust import TrustSpace, load_space
from mssante_audit.verdicts.domains import domains
from tools.sample.certificates import Made, make
from tools.sample.tls import ISSUING, ROOT

AS_OF = "2026-03-03T06:00:00Z"
AT = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
STEERING = (
    "x\x00y", "\x1b[2Jx\x07", "x\n192.88.99.1 port 25: presented", "x\r\ny", "\u2066x\u2069\u200b\u0085",
)  # fmt: skip
"""Texts that a terminal would obey, or that hide."""
TEXTS = (*PAYLOADS, *STEERING)
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
START = datetime(2026, 1, 1, tzinfo=UTC)


def named(text: str) -> Made:
    kinds = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)
    with warnings.catch_warnings(action="ignore"):  # of its length
        name = x509.Name([x509.NameAttribute(kind, text, _validate=False) for kind in kinds])
    key = make("CN=x").key
    host = x509.DNSName._init_without_validation(text.encode("ascii", "replace").decode())
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, START, START + timedelta(200))
    builder = builder.add_extension(x509.SubjectAlternativeName([host]), critical=False)
    return Made(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER), key)


def of(start: datetime, end: datetime) -> Made:
    return make("CN=dates.example,C=FR", ISSUING, start=start, days=(end - start).days)


GOOD = make("CN=mx.example,O=CH ALPHA,C=FR", ISSUING, start=START)
SERIAL = GOOD.der.index(b"\xa0\x03\x02\x01\x02\x02") + 7
FIRST, LAST = datetime(1950, 1, 1, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
MANY = make("CN=many.example", ISSUING, names=tuple(f"h{number}.example" for number in range(10_000)))
LONG, AGES = named("<b>" * 20_000), of(FIRST, LAST)
SHAPES = {
    "a negative serial": GOOD.der[:SERIAL] + bytes([GOOD.der[SERIAL] | 0x80]) + GOOD.der[SERIAL + 1 :],
    "ten thousand names": MANY.der,
    "a name of 60 kB": LONG.der,
    "1950 to 9999": AGES.der,
    "over in 1950": of(FIRST, FIRST + timedelta(1)).der,
    "not before 9999": of(LAST - timedelta(30), LAST).der,
    "itself as its issuer, many times": GOOD.der,
}
BROKEN = {
    "no certificate": b"0\x03\x02\x01\x01",
    "no ASN.1": b"\xff" * 999,
    "cut": GOOD.der[:-30],
    "with more behind": GOOD.der + b"x",
    "a depth without end": b"\x30\x80" * 20_000,
    "a length that lies": b"\x30\x84\xff\xff\xff\xff" + GOOD.der,
    "a month of 13": GOOD.der.replace(b"260101000000Z", b"261301000000Z"),
}
HOSTILE = {**SHAPES, **BROKEN, **{f"text {n}": named(text).der for n, text in enumerate(TEXTS)}}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_read_of_a_certificate_is_bounded_and_never_an_error(case):
    read = read_certificate(HOSTILE[case])
    assert bool(read.problem) == (case in BROKEN)
    assert all(len(text) <= MAX_TEXT for text in (read.subject, read.issuer, read.problem, *read.names))
    assert len(read.names) <= MAX_NAMES
    trusted = [authority.certificate for authority in (ROOT, ISSUING)]
    for sent in ([HOSTILE[case]], [HOSTILE[case]] * 50, [GOOD.der, HOSTILE[case], ISSUING.der]):
        chain = judge(sent, trusted, [], AT)
        assert (chain.state == "unreadable") == bool(chain.leaf.problem)
    assert not chain.faults(AT, ()), "what is sent beside a right chain does not make it wrong"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return the sample, whose servers present hostile certificates and say hostile things."""
    folder = tmp_path_factory.mktemp("hostile") / "data"
    copytree(CATALOGUE, folder, ignore=ignore_patterns("tls-*"))
    ders, visits = list(HOSTILE.values()), []
    for number, server in enumerate(mail_servers(load_space(folder, as_of=AS_OF))):
        text = TEXTS[number % len(TEXTS)][:200]
        chain = (ders[number % len(ders)], ISSUING.der)
        visits.append((server, Visit("presented", text, text, "TLSv1.3", text, chain=chain)))
    write_visits(folder, AT, visits, dns="dns-2026-03-02T060000Z.jsonl.gz")
    return folder


def test_the_audit_finds_what_is_to_be_found_and_does_not_fail(data):
    space = load_space(data, as_of=AS_OF, anchors=[CATALOGUE / "anchors"])
    findings = audit("certificates", space)
    due = {"UNREADABLE", "CHAIN_UNKNOWN", "NAME_UNLISTED", "EXPIRED", "NOT_YET_VALID"}
    assert {f"TLS_{rule}" for rule in due} - set(findings["rule"]) == set()
    assert FAILED not in set(findings["rule"])
    assert max(len(text) for text in findings["facts"]) < 20_000
    assert set(domains(space, findings)["receives"]) <= {"yes", "degraded", "no", "unknown"}


def test_memory_is_bounded(data):
    (file,) = (data / "observations").glob("tls-*")
    size = len(gzip.decompress(file.read_bytes()))
    tracemalloc.start()
    try:
        read = load_tls(file)
        assert read.problems.empty
        assert tracemalloc.get_traced_memory()[1] < 10 * size
        for der in read.certificates.values():
            read_certificate(der)
        assert tracemalloc.get_traced_memory()[0] < 10 * size, "what is kept of a certificate is little"
    finally:
        tracemalloc.stop()


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def met(files: tuple[Path, Path]) -> tuple[Visit, Result]:
    """Visit a server that presents a certificate, and have the command look at it."""

    async def run() -> tuple[Visit, Result]:
        async with serving({"127.0.0.1": tls(files)}) as port:
            options = ObserveTls(timeout=9)
            seen = await asyncio.to_thread(visit, "127.0.0.1", port, "", options, offers_of(options))
            command = ("observe", "tls", "--host", "127.0.0.1", "--port", str(port))
            return seen, await asyncio.to_thread(call, *command)

    return asyncio.run(run())


@pytest.mark.parametrize("written", ["csv", "sarif"])
def test_the_terminal_gets_no_character_that_steers_it(data, written):
    result = call("findings", "certificates", "--data", str(data), "--as-of", AS_OF, "--format", written)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    assert len(result.output) > 1000
    assert not UNSAFE.search(result.output)


def test_one_server_s_names_are_shown_on_their_own_line(tmp_path):
    for number, text in enumerate(STEERING):
        _, shown = met(named(text).files(tmp_path / str(number)))
        assert not UNSAFE.search(shown.output)
        assert len(re.findall("^127.0.0.1 port", shown.output, re.M)) == 1
        assert "\n192.88" not in shown.output


TOO_LONG = "handshake-failed excessive message size"  # OpenSSL takes 100 kB


@pytest.mark.parametrize(
    ("case", "key", "outcome"),
    [
        ("a negative serial", GOOD.key, "presented"),
        ("1950 to 9999", AGES.key, "presented"),
        ("a name of 60 kB", LONG.key, TOO_LONG),
        ("ten thousand names", MANY.key, TOO_LONG),
    ],
)
def test_a_server_that_presents_it_is_seen_or_unknown(case, key, outcome, tmp_path):
    files = Made(GOOD.der, key).files(tmp_path)
    files[0].write_text(ssl.DER_cert_to_PEM_cert(HOSTILE[case]))
    seen, shown = met(files)
    assert f"{seen.outcome} {seen.detail}".strip() == outcome
    assert seen.chain == ((HOSTILE[case],) if outcome == "presented" else ())
    assert shown.exit_code == 4, shown.output


def test_the_page_holds_it_all_as_text(data, tmp_path):
    settings = {"data": str(data), "as_of": AS_OF}
    run = run_reports(["certificates"], out=tmp_path / "out", parameters=settings)
    assert [outcome.failure for outcome in run.outcomes] == [None]
    text = (tmp_path / "out" / "certificates.html").read_text(encoding="utf-8")
    assert len(text) < 3e6
    assert not UNSAFE.search(text.replace("\t", ""))
    page = html.fromstring(text)
    alive = "//*[@id='pwned'] | //img[@src='x'] | //svg[@onload] | //*[@onerror]"
    alive += " | //script[contains(., 'pwned')] | //a[contains(@href, 'javascript')]"
    assert page.xpath(alive) == []
    assert "window.pwned" in page.text_content()


EDITED: list[dict[str, Any]] = toml("attacks/edited")["lines"]
EDITED += [{"hosts": [1, None, {}]}, {"banner": "\ud800"}, {"detail": "x" * 100_000}]
EDITED += [{"chain": ["0" * 64] * number} for number in (1000, 1001)]


ANCHORS = [CATALOGUE / "anchors"]


@pytest.fixture
def edited(tmp_path):
    """A copy of the sample, its observation of TLS and the lines of that."""
    folder = Path(copytree(CATALOGUE, tmp_path / "data", ignore=ignore_patterns("archive", "variants")))
    (file,) = (folder / "observations").glob("tls-*")
    return folder, file, [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]


def write(file: Path, lines: list[dict[str, Any]]) -> None:
    file.write_bytes(gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode(), mtime=0))


@pytest.fixture(scope="module")
def untouched():
    """What is known of the certificates of each domain where nobody edited anything."""
    return certificates_of(load_space(as_of=AS_OF, anchors=ANCHORS))


def certificates_of(space: TrustSpace) -> pd.Series:
    """Return what is known of each domain's, which no other audit's findings change."""
    return domains(space, findings_of("certificates", space)).set_index("domain")["tls"]


def test_lines_edited_by_hand_cost_no_other_line(edited):
    folder, file, whole = edited
    before = load_tls(file)
    presented = next(line for line in whole if line.get("outcome") == "presented")
    certificate = next(line for line in whole if "der" in line)
    wrong = [presented | change for change in EDITED]
    wrong += [certificate | {"certificate": "0" * 64}, certificate | {"der": "%%"}, "no object"]
    write(file, [*whole[:-1], *wrong, whole[-1]])
    read = load_tls(file)
    assert len(read.visits) + len(read.problems) == len(before.visits) + len(wrong)
    fields = {
        f"field {name}" for name in ("outcome", "at", "chain", "port", "seconds", "hosts", "attempt", "der")
    }
    others = {"a certificate that is not what its hash says", "not a JSON object"}
    assert fields | others <= set(read.problems["message"])
    assert FAILED not in set(audit("certificates", load_space(folder, as_of=AS_OF))["rule"])


def test_a_certificate_that_is_not_its_hash_makes_its_servers_unknown_and_not_wrong(edited, untouched):
    folder, file, whole = edited
    other = next(line["der"] for line in whole if "der" in line)
    write(file, [line | {"der": other} if "der" in line else line for line in whole])
    space = load_space(folder, as_of=AS_OF, anchors=ANCHORS)
    assert set(space.tls.parts[0].problems["message"]) == {"a certificate that is not what its hash says"}
    assert set(certificates_of(space)[untouched == "ok"]) == {"unknown"}
    assert not {"TLS_NAME_UNLISTED", "TLS_CHAIN_UNKNOWN"} & set(audit("certificates", space)["rule"])


@pytest.mark.parametrize("kept", [0.05, 0.6, 0.999])
def test_a_file_that_was_cut_tells_what_is_left_of_it(kept, edited, untouched):
    folder, file, _ = edited
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * kept)])
    space = load_space(folder, as_of=AS_OF, lenient=True, anchors=ANCHORS)
    verdicts = certificates_of(space)
    assert set(verdicts[untouched == "ok"]) <= {"ok", "unknown"}, "what was cut off is nobody's fault"
    if observed := space.tls:
        assert set(observed.parts[0].problems["kind"]) == {"cut"}
