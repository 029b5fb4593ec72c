"""Fetching revocation lists: from a server on loopback that serves them, old ones, others' and nonsense."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
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

from mssante_audit.archive import crls
from mssante_audit.archive.crls import Fetched, fetch_crls
from mssante_audit.base.errors import InputError
from mssante_audit.cli.main import app
from mssante_audit.observe.lines import instant
from mssante_audit.observe.tls.observation import FORMAT, VERSION
from tools.sample.certificates import Made, make

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(1)
ROOT = make("CN=AC RACINE FICTIVE,O=ESSAI,C=FR", ca=True, days=9_999)
STRANGER = make("CN=AC RACINE FICTIVE,O=ESSAI,C=FR", ca=True, days=9_998)
"""Of the same name, with a key of its own."""


def crl(
    issuer: Made = ROOT,
    made: datetime = NOW - DAY,
    *,
    revoked: int = 1,
    pem: bool = False,
    extension: x509.ExtensionType | None = None,
    critical: bool = True,
) -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(made).next_update(made + 7 * DAY)
    for serial in range(1, revoked + 1):
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(made - DAY)
        builder = builder.add_revoked_certificate(one.build())
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
    "a delta that hides it": (
        give(crl(extension=x509.DeltaCRLIndicator(3), critical=False)),
        "it is not complete",
    ),
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


def test_one_that_never_ends_is_not_read_to_its_end(
    data: Path, anchors: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crls, "MAX_FILE", 1000)
    got = fetched(data, anchors, give(crl() + bytes(10_000)), attempts=1)
    assert got.message == "the answer is larger than 1000 bytes"


def test_an_older_list_never_replaces_a_newer_one(data: Path, anchors: Path) -> None:
    contents = [crl(made=NOW - DAY, revoked=2), crl(made=NOW - 2 * DAY), crl(made=NOW - DAY / 2, revoked=5)]
    turns = iter([contents[0], contents[0], contents[1], contents[2]])

    def answer(request: BaseHTTPRequestHandler) -> None:
        give(next(turns))(request)

    with serving(answer) as url:
        got = [fetch_crls(data, [anchors], quick(url), urls=[url])[0] for _ in range(4)]
    assert [(one.outcome, one.size) for one in got] == [("kept", 2), ("same", 2), ("older", 2), ("kept", 5)]
    assert got[-1].file is not None
    assert got[-1].file.read_bytes() == contents[2]


def test_a_stale_list_is_kept_and_said_to_be_stale(data: Path, anchors: Path) -> None:
    got = fetched(data, anchors, give(crl(made=NOW - 30 * DAY)))
    assert got.outcome == "kept"
    assert ": stale already" in got.line


def observed(data: Path, *certificates: Made) -> None:
    """Write an observation of TLS that has these certificates."""
    lines = [{"format": FORMAT, "version": VERSION, "at": instant(NOW), "dns": "dns-x"}]
    for one in certificates:
        name = hashlib.sha256(one.der).hexdigest()
        lines.append({"certificate": name, "der": base64.b64encode(one.der).decode()})
    folder = data / "observations"
    folder.mkdir(exist_ok=True)
    content = "".join(f"{json.dumps(one)}\n" for one in lines).encode()
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
    assert [one.outcome for one in got] == ["kept", "kept"]  # the root signed both here


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
