"""Fetching revocation lists: from a server on loopback that serves them, old ones, others' and nonsense."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from loopback import Answer, give, serving
from test_fetch import quick
from typer.testing import CliRunner

from mssante_audit.archive import downloads
from mssante_audit.archive.downloads import Fetched, fetch_crls
from mssante_audit.base.errors import InputError
from mssante_audit.cli.main import app
from mssante_audit.observe.file import TLS
from mssante_audit.whitelist.signature import SAMPLE_SIGNER
from tools.sample.certificates import Made, make
from tools.sample.signing import make_chain, make_keys, sign
from tools.sample.space import whitelist_chunks

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(1)
ROOT = make("CN=AC RACINE FICTIVE,O=ESSAI,C=FR", ca=True, days=9_999)
STRANGER = make("CN=AC RACINE FICTIVE,O=ESSAI,C=FR", ca=True, days=9_998)
"""Of the same name, with a key of its own."""


def crl(
    issuer: Made = ROOT,
    made: datetime = NOW - DAY,
    *,
    revoked: int | Sequence[int] = 1,
    pem: bool = False,
    extension: x509.ExtensionType | None = None,
    critical: bool = True,
    number: int | None = None,
    reason: x509.ReasonFlags = x509.ReasonFlags.key_compromise,
) -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(made).next_update(made + 7 * DAY)
    for serial in range(1, revoked + 1) if isinstance(revoked, int) else revoked:
        each = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(made - DAY)
        each = each.add_extension(x509.CRLReason(reason), critical=False)
        builder = builder.add_revoked_certificate(each.build())
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    if extension:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.PEM if pem else Encoding.DER)


@pytest.fixture
def anchors(tmp_path: Path) -> Path:
    file = tmp_path / "anchors.pem"
    file.write_bytes(ROOT.certificate.public_bytes(Encoding.PEM))
    return file


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def fetched(data: Path, anchors: Path, answer: Answer, **changes: object) -> Fetched:
    with serving(answer) as url:
        (got,) = fetch_crls(data, [anchors], quick(url, **changes), urls=[url])
    return got


@pytest.mark.parametrize("pem", [False, True])
def test_a_list_of_a_known_authority_is_kept(data: Path, anchors: Path, pem: bool) -> None:
    got = fetched(data, anchors, give(crl(revoked=3, pem=pem)))
    assert (got.outcome, got.size, got.made, got.due) == ("kept", 3, NOW - DAY, NOW + 6 * DAY)
    assert got.file is not None
    assert got.file.parent == data / "crls"
    assert (b"-----BEGIN" in got.file.read_bytes()) == pem
    assert [file.name for file in (data / "crls").iterdir()] == [got.file.name]


REFUSED = {
    "of nobody": (give(crl(STRANGER)), "no authority known here signed it"),
    "a delta": (give(crl(extension=x509.DeltaCRLIndicator(3))), "it is not complete"),
    "a hidden delta": (give(crl(extension=x509.DeltaCRLIndicator(3), critical=False)), "it is not complete"),
    "nonsense": (give(b"nonsense"), "what came is no revocation list"),
    "cut": (give(crl()[:-3]), "what came is no revocation list"),
    "a page": (give(b"<html>"), "the answer is an HTML page"),
    "not there": (give(b"", 404), "the server answers 404"),
    "elsewhere": (give(b"", 302, Location="http://elsewhere.example/a.crl"), "redirects to another site"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_list_of_a_known_authority_is_not_kept(data: Path, anchors: Path, case: str) -> None:
    answer, why = REFUSED[case]
    got = fetched(data, anchors, answer, attempts=1)
    assert (got.outcome, got.message.startswith(why)) == ("refused", True), got.message
    assert not list((data / "crls").iterdir())


def test_one_that_never_ends_is_not_read_to_its_end(data, anchors, monkeypatch) -> None:
    monkeypatch.setattr(downloads, "MAX_FILE", 1000)
    got = fetched(data, anchors, give(crl() + bytes(10_000)), attempts=1)
    assert got.message == "the answer is larger than 1000 bytes"


def in_turn(data: Path, anchors: Sequence[Path], *contents: bytes) -> list[Fetched]:
    """Fetch from one address that has another list each time."""
    turns = iter(contents)
    with serving(lambda request: give(next(turns))(request)) as url:
        return [fetch_crls(data, anchors, quick(url), urls=[url])[0] for _ in contents]


def test_an_older_list_never_replaces_a_newer_one(data: Path, anchors: Path) -> None:
    contents = [crl(made=NOW - DAY, revoked=2), crl(made=NOW - 2 * DAY), crl(made=NOW - DAY / 2, revoked=5)]
    got = in_turn(data, [anchors], contents[0], *contents)
    assert [(f.outcome, f.size) for f in got] == [("kept", 2), ("same", 2), ("older", 2), ("kept", 5)]
    assert got[-1].file is not None
    assert got[-1].file.read_bytes() == contents[2]


def test_the_number_of_a_list_counts_before_its_date(data: Path, anchors: Path) -> None:
    numbered = (
        crl(number=5, revoked=2),
        crl(number=4, made=NOW),
        crl(number=6, made=NOW - 2 * DAY, revoked=3),
    )
    got = in_turn(data, [anchors], *numbered, crl(made=NOW - 3 * DAY), crl(made=NOW - DAY, revoked=4))
    outcomes = [("kept", 2), ("older", 2), ("kept", 3), ("older", 3), ("kept", 4)]
    assert [(f.outcome, f.size) for f in got] == outcomes, "without a number the date counts"


def test_one_list_is_kept_of_each_issuer_and_scope(data: Path, anchors: Path) -> None:
    other = make("CN=AC AUTRE,O=ESSAI,C=FR", ca=True, days=9_999)
    (data / "other.pem").write_bytes(other.pem)
    users = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
    known = [anchors, data / "other.pem"]
    got = in_turn(data, known, crl(), crl(other), crl(extension=users), crl(made=NOW, revoked=9))
    assert [fetched_list.outcome for fetched_list in got] == ["kept"] * 4
    assert len({fetched_list.file for fetched_list in got}) == 3
    assert got[0].file == got[3].file
    again = fetched(data, anchors, give(crl(made=NOW, revoked=9)))
    assert (again.outcome, again.file) == ("same", got[0].file), "whatever the address"
    assert len(list((data / "crls").iterdir())) == 3


KEYS = make_keys()
CHAIN = make_chain(keys=KEYS)
ISSUING = Made(CHAIN.issuing.public_bytes(Encoding.DER), KEYS[1])
ABOVE = Made(CHAIN.root.public_bytes(Encoding.DER), KEYS[0])
SIGNER = CHAIN.signer.serial_number
HOLD = x509.ReasonFlags.certificate_hold
REVOKING = crl(ISSUING, NOW - 2 * DAY, revoked=[SIGNER], number=2)


@pytest.mark.parametrize(
    ("first", "then", "outcome", "verdict"),
    [
        (REVOKING, crl(ABOVE, NOW), "kept", "revoked"),
        (REVOKING, crl(ISSUING, NOW - 3 * DAY, revoked=0, number=1), "older", "revoked"),
        (REVOKING, crl(ISSUING, NOW, revoked=0, number=1), "older", "revoked"),
        (REVOKING, crl(ISSUING, NOW, revoked=[SIGNER, 9], number=3), "kept", "revoked"),
        (REVOKING, crl(ISSUING, NOW, revoked=0, number=3), "kept", "revoked"),
        (crl(ISSUING, NOW - 2 * DAY, revoked=[9], number=2), crl(ISSUING, NOW, revoked=0), "kept", "good"),
        # a hold that was lifted
        (crl(ISSUING, NOW - 9 * DAY, revoked=[SIGNER], number=2, reason=HOLD),
         crl(ISSUING, NOW, revoked=0, number=3), "kept", "good"),
    ],
)  # fmt: skip
def test_a_revocation_is_never_forgotten(
    data: Path, first: bytes, then: bytes, outcome: str, verdict: str
) -> None:
    trusted = data / "anchors.pem"
    trusted.write_bytes(ABOVE.pem + ISSUING.pem)
    row = ("ch-a.mssante.fr", "CH A", "CN=x,O=CH A,C=FR", "01 99 00 00 01", "01 99 00 00 02", f"{NOW:%FT%TZ}")
    (data / "list.xml").write_bytes(sign(b"".join(whitelist_chunks([row], NOW)), CHAIN))
    common = ["--anchors", str(trusted)]

    def command(*words: str) -> str:
        return CliRunner().invoke(app, [*words, *common]).output

    turns = iter([first, then])
    with serving(lambda request: give(next(turns))(request)) as url:
        fetch = ("fetch", "--crl", "--archive", str(data / "archive"), "--url", url)
        assert command(*fetch).startswith("kept ")
        assert command(*fetch).startswith(f"{outcome} ")
    output = command("verify", str(data / "list.xml"), "--signer", SAMPLE_SIGNER)
    assert output.startswith("valid-untrusted\n" if verdict == "revoked" else "valid\n")
    assert f"revocation: {verdict}" in output
    files = sorted(file.name for file in (data / "crls").iterdir())
    left_out = outcome == "kept" and verdict == "revoked" and then == crl(ISSUING, NOW, revoked=0, number=3)
    dated = [name for name in files if f"-{NOW - 2 * DAY:%Y-%m-%dT%H%M%S}.crl" in name]
    assert len(dated) == left_out, "what is still needed stays, and nothing else"


def test_a_stale_list_is_kept_and_said_to_be_stale(data: Path, anchors: Path) -> None:
    got = fetched(data, anchors, give(crl(made=NOW - 30 * DAY)))
    assert got.outcome == "kept"
    assert ": stale already" in got.line


def observed(data: Path, *certificates: Made) -> None:
    """Write an observation of TLS that has these certificates."""
    lines = [TLS.header(NOW, dns="dns-x")]
    for each in certificates:
        name = hashlib.sha256(each.der).hexdigest()
        lines.append({"certificate": name, "der": base64.b64encode(each.der).decode()})
    folder = data / "observations"
    folder.mkdir(exist_ok=True)
    content = "".join(f"{json.dumps(each)}\n" for each in lines).encode()
    (folder / "tls-2026-03-02T060000Z.jsonl.gz").write_bytes(gzip.compress(content, mtime=0))


def test_only_certificates_of_known_authorities_say_where_lists_lie(data: Path, anchors: Path) -> None:
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        give(crl())(request)

    with serving(answer) as url:
        place = url.removesuffix("/list.xml")
        between = make("CN=AC FICTIVE,C=FR", ROOT, ca=True, crl=f"{place}/root.crl")
        leaf = make("CN=mx,C=FR", between, crl=f"{place}/between.crl")
        trap = make("CN=mx2,C=FR", STRANGER, crl=f"{place}/trap")
        file = make("CN=mx3,C=FR", between, crl="file:///etc/passwd")
        observed(data, leaf, trap, file, between)
        got = fetch_crls(data, [anchors], quick(url))
    assert sorted(asked) == ["/between.crl", "/root.crl"]
    assert [each.outcome for each in got] == ["kept", "same"], "the root signed both here"


def test_who_knows_no_authority_or_address_is_told(data: Path, anchors: Path) -> None:
    with pytest.raises(InputError, match="no certificate of an authority here"):
        fetch_crls(data)
    with pytest.raises(InputError, match="no certificate here names a revocation list"):
        fetch_crls(data, [anchors])


def test_the_command_says_what_became_of_each(data: Path, anchors: Path) -> None:
    def command(*words: str) -> tuple[int, str]:
        given = ["fetch", "--crl", "--archive", str(data / "archive"), "--anchors", str(anchors), *words]
        done = CliRunner().invoke(app, given)
        return done.exit_code, done.output

    with serving(give(crl())) as url:
        status, out = command("--url", url)
    assert status == 0
    assert out.startswith(f"kept {data}/crls/list-xml-")
    assert f"1 revoked, of {NOW - DAY:%Y-%m-%d}, due {NOW + 6 * DAY:%Y-%m-%d}" in out
    with serving(give(b"x")) as url:
        assert command("--url", url)[0] == 1
    both = CliRunner().invoke(app, ["fetch", "--crl", "--mailboxes", "--archive", str(data / "archive")])
    assert "two downloads" in str(both.exception)
