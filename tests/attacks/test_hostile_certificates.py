"""Certificates and observations made to harm: nothing crashes, nothing is believed, nothing is unescaped."""

import asyncio
import gzip
import json
import re
import ssl
import tracemalloc
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import pandas as pd
import pytest
from click.testing import Result
from conftest import CATALOGUE, PAYLOADS
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from lxml import html
from smtplab import serving, tls
from typer.testing import CliRunner

from mssante_audit.audits import audit, findings_of
from mssante_audit.base.settings import ObserveTls
from mssante_audit.cli.main import app
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.network import network_of
from mssante_audit.observe.file import TLS
from mssante_audit.observe.lines import instant
from mssante_audit.observe.tls.chain import MAX_NAMES, MAX_TEXT, judge, read_certificate
from mssante_audit.observe.tls.observation import load_tls
from mssante_audit.observe.tls.run import MailServer, lines_of, servers_of
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
    """Return a certificate that bears a text in every name it has."""
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
    trusted = [one.certificate for one in (ROOT, ISSUING)]
    for sent in ([HOSTILE[case]], [HOSTILE[case]] * 50, [GOOD.der, HOSTILE[case], ISSUING.der]):
        chain = judge(sent, trusted, [], AT)
        assert (chain.state == "unreadable") == bool(chain.leaf.problem)
    assert not chain.refused, "what is sent beside a right chain does not make it wrong"


# -- through the audit ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return the sample, whose servers present hostile certificates and say hostile things."""
    folder = tmp_path_factory.mktemp("hostile") / "data"
    copytree(CATALOGUE, folder, ignore=ignore_patterns("tls-*"))
    write(folder, list(lines(folder)))
    return folder


def lines(folder: Path) -> Iterator[dict[str, Any]]:
    yield TLS.header(AT, dns="dns-2026-03-02T060000Z.jsonl.gz")
    written: set[str] = set()
    ders = list(HOSTILE.values())
    for number, server in enumerate(visited(folder)):
        text = TEXTS[number % len(TEXTS)][:200]
        seen = Visit("presented", text, text, "TLSv1.3", text, chain=(ders[number % len(ders)], ISSUING.der))
        yield from lines_of(server, seen, AT, 1, written)
    yield {"end": instant(AT), "complete": True}


def visited(folder: Path) -> list[MailServer]:
    space = load_space(folder, as_of=AS_OF)
    assert space.observation is not None
    network = network_of(space.observation)
    domains = space.audited["domain"].unique().tolist()
    hosts = {host: network.addresses(host) for domain in domains for host in network.exchangers(domain)}
    return servers_of(hosts, 25)


def write(folder: Path, content: list[dict[str, Any]]) -> Path:
    text = "".join(f"{json.dumps(one)}\n" for one in content)
    file = folder / "observations" / "tls-2026-03-02T070000Z.jsonl.gz"
    file.write_bytes(gzip.compress(text.encode(), mtime=0))
    return file


@pytest.fixture(scope="module")
def space(data):
    return load_space(data, as_of=AS_OF, anchors=[CATALOGUE / "anchors"])


def test_the_audit_finds_what_is_to_be_found_and_does_not_fail(space):
    found = audit("certificates", space)
    rules = set(found["rule"])
    assert FAILED not in rules
    assert {"TLS_UNREADABLE", "TLS_CHAIN_UNKNOWN", "TLS_NAME_UNLISTED", "TLS_EXPIRED"} <= rules
    assert "TLS_NOT_YET_VALID" in rules
    assert max(len(text) for text in found["facts"]) < 20_000
    assert set(domains(space, found)["receives"]) <= {"yes", "degraded", "no", "unknown"}


def test_memory_is_bounded(data):
    file = data / "observations" / "tls-2026-03-02T070000Z.jsonl.gz"
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


async def looked_at(port: int) -> Result:
    shown = ("observe", "tls", "--host", "127.0.0.1", "--port", str(port))
    return await asyncio.to_thread(call, *shown)


@pytest.mark.parametrize("written", ["csv", "sarif"])
def test_the_terminal_gets_no_character_that_steers_it(data, written):
    result = call("findings", "certificates", "--data", str(data), "--as-of", AS_OF, "--format", written)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    assert len(result.output) > 1000
    assert not UNSAFE.search(result.output)


def test_one_server_s_names_are_shown_on_their_own_line(tmp_path):
    async def run(files: tuple[Path, Path]) -> Result:
        async with serving({"127.0.0.1": tls(files)}) as port:
            return await looked_at(port)

    for number, text in enumerate(STEERING):
        result = asyncio.run(run(named(text).files(tmp_path / str(number))))
        assert not UNSAFE.search(result.output)
        assert len(re.findall("^127.0.0.1 port", result.output, re.M)) == 1
        assert "\n192.88" not in result.output


@pytest.mark.parametrize(
    ("case", "key", "outcome"),
    [
        ("a negative serial", GOOD.key, "presented"),
        ("1950 to 9999", AGES.key, "presented"),
        ("a name of 60 kB", LONG.key, "handshake-failed excessive message size"),  # OpenSSL takes 100 kB
        ("ten thousand names", MANY.key, "handshake-failed excessive message size"),
    ],
)
def test_a_server_that_presents_it_is_seen_or_unknown(case, key, outcome, tmp_path):
    files = GOOD.files(tmp_path)
    files[0].write_text(ssl.DER_cert_to_PEM_cert(HOSTILE[case]))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    async def run() -> tuple[Visit, Result]:
        async with serving({"127.0.0.1": tls(files)}) as port:
            settings = ObserveTls(timeout=9)
            seen = await asyncio.to_thread(visit, "127.0.0.1", port, "", settings, offers_of(settings))
            return seen, await looked_at(port)

    seen, shown = asyncio.run(run())
    assert f"{seen.outcome} {seen.detail}".strip() == outcome
    assert seen.chain == ((HOSTILE[case],) if outcome == "presented" else ())
    assert shown.exit_code == 4, shown.output


def test_the_page_holds_it_all_as_text(data, tmp_path):
    given = {"data": str(data), "as_of": AS_OF}
    run = run_reports(["certificates"], out=tmp_path / "out", parameters=given)
    assert [one.failure for one in run.outcomes] == [None]
    text = (tmp_path / "out" / "certificates.html").read_text(encoding="utf-8")
    assert len(text) < 3e6
    assert not UNSAFE.search(text.replace("\t", ""))
    page = html.fromstring(text)
    assert page.xpath("//*[@id='pwned'] | //img[@src='x'] | //svg[@onload] | //*[@onerror]") == []
    assert not [one for one in page.iter("script") if "pwned" in (one.text or "")]
    assert not [one for one in page.iter("a") if "javascript" in one.get("href", "")]
    assert "window.pwned" in page.text_content()


# -- an observation edited by hand ----------------------------------------------------------------------

EDITED: dict[str, Any] = {
    "an address of markup": {"address": "<script>window.pwned = 1</script>", "hosts": ["<b>"]},
    "a port of none": {"port": 0},
    "a port of text": {"port": "25"},
    "seconds that are no number": {"seconds": float("nan")},
    "seconds before": {"seconds": -1.0},
    "an outcome of nobody": {"outcome": "presented\n"},
    "a chain of itself": {"chain": ["0" * 64] * 1000},
    "a chain too long": {"chain": ["0" * 64] * 1001},
    "a chain of a path": {"chain": ["../../etc/passwd"]},
    "hosts of other kinds": {"hosts": [1, None, {}]},
    "a time of next year": {"at": "2027-01-01T00:00:00Z"},
    "a day of none": {"at": "2026-02-30T00:00:00Z"},
    "half a letter": {"banner": "\ud800"},
    "a detail without end": {"detail": "x" * 100_000},
    "presented, with nothing": {"chain": []},
    "no STARTTLS, with a chain": {"outcome": "no-starttls"},
    "asked for in no attempt": {"attempt": 0},
}


@pytest.fixture
def edited(tmp_path):
    return Path(copytree(CATALOGUE, tmp_path / "data", ignore=ignore_patterns("archive", "variants")))


def observation_of(folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    """Return the observation of TLS in a data folder, and its lines."""
    (file,) = (folder / "observations").glob("tls-*")
    return file, [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode().splitlines()]


@pytest.fixture(scope="module")
def untouched():
    """What is known of the certificates of each domain where nobody edited anything."""
    return certificates_of(load_space(as_of=AS_OF, anchors=[CATALOGUE / "anchors"]))


def certificates_of(space: TrustSpace) -> pd.Series:
    """Return what is known of each domain's, which no other audit's findings change."""
    return domains(space, findings_of("certificates", space)).set_index("domain")["tls"]


def test_lines_edited_by_hand_cost_no_other_line(edited):
    file, whole = observation_of(edited)
    before = load_tls(file)
    visit = next(one for one in whole if one.get("outcome") == "presented")
    changed = [{**visit, **change} for change in EDITED.values()]
    write(edited, [*whole[:-1], *changed, whole[-1]])
    read = load_tls(file)
    assert len(read.visits) + len(read.problems) == len(before.visits) + len(EDITED)
    found = audit("certificates", load_space(edited, as_of=AS_OF))
    assert FAILED not in set(found["rule"])


def test_a_certificate_that_is_not_its_hash_makes_its_servers_unknown_and_not_wrong(edited, untouched):
    _, whole = observation_of(edited)
    other = next(one["der"] for one in whole if "der" in one)
    write(edited, [{**one, "der": other} if "der" in one else one for one in whole])
    space = load_space(edited, as_of=AS_OF, anchors=[CATALOGUE / "anchors"])
    read = space.tls.parts[0]
    assert set(read.problems["message"]) == {"a certificate that is not what its hash says"}
    assert set(certificates_of(space)[untouched == "ok"]) == {"unknown"}
    assert not {"TLS_NAME_UNLISTED", "TLS_CHAIN_UNKNOWN"} & set(audit("certificates", space)["rule"])


@pytest.mark.parametrize("kept", [0.05, 0.6, 0.999])
def test_a_file_that_was_cut_tells_what_is_left_of_it(kept, edited, untouched):
    file, _ = observation_of(edited)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * kept)])
    space = load_space(edited, as_of=AS_OF, lenient=True, anchors=[CATALOGUE / "anchors"])
    told = certificates_of(space)
    worse = told[(untouched == "ok") & ~told.isin(["ok", "unknown"])]
    assert worse.empty, "what was cut off is nobody's fault"
    if observed := space.tls:
        assert set(observed.parts[0].problems["kind"]) == {"cut"}
