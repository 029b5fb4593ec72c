"""Fetching revocation lists and the extraction of mailboxes, from servers that have old ones and nonsense."""

import base64
import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from loopback import Answer, give, serving
from made_lists import revocations
from mailboxes_made_up import CANARY, many, text
from test_fetch import quick
from typer.testing import CliRunner

from mssante_audit.archive import downloads, fetch
from mssante_audit.archive.downloads import Fetched, fetch_crls, fetch_extraction
from mssante_audit.base.errors import InputError
from mssante_audit.base.settings import Fetch
from mssante_audit.cli.main import app
from mssante_audit.mailboxes.extraction import URL
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


def crl(issuer: Made = ROOT, at: datetime = NOW - DAY, **more: Any) -> bytes:
    return revocations(issuer, at, **more)


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


@pytest.mark.parametrize(("days", "pem"), [(1, False), (1, True), (30, False)])
def test_a_list_of_a_known_authority_is_kept_and_said_to_be_stale(data, anchors, days, pem) -> None:
    generated = NOW - days * DAY
    got = fetched(data, anchors, give(crl(at=generated, revoked=3, pem=pem)))
    assert (got.outcome, got.size, got.made, got.due) == ("kept", 3, generated, generated + 7 * DAY)
    assert (": stale already" in got.line) == (days > 7)
    assert (b"-----BEGIN" in got.file.read_bytes()) == pem
    assert [*(data / "crls").iterdir()] == [got.file]


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
    turns = iter(contents)
    with serving(lambda request: give(next(turns))(request)) as url:
        return [fetch_crls(data, anchors, quick(url), urls=[url])[0] for _ in contents]


OLD = crl(at=NOW - DAY, revoked=2)
TURNS = {
    "an older list never replaces a newer one": (
        [OLD, OLD, crl(at=NOW - 2 * DAY), crl(at=NOW - DAY / 2, revoked=5)],
        [("kept", 2), ("same", 2), ("older", 2), ("kept", 5)],
    ),
    "its number counts before its date": (
        [crl(number=5, revoked=2), crl(number=4, at=NOW), crl(number=6, at=NOW - 2 * DAY, revoked=3)],
        [("kept", 2), ("older", 2), ("kept", 3)],
    ),
    "without a number the date counts": (
        [crl(number=6, at=NOW - 2 * DAY, revoked=3), crl(at=NOW - 3 * DAY), crl(at=NOW, revoked=4)],
        [("kept", 3), ("older", 3), ("kept", 4)],
    ),
}


@pytest.mark.parametrize(("contents", "expected"), TURNS.values(), ids=TURNS)
def test_of_lists_that_follow_each_other_the_newest_is_kept(data, anchors, contents, expected) -> None:
    got = in_turn(data, [anchors], *contents)
    assert [(f.outcome, f.size) for f in got] == expected
    newest = max(number for number, (outcome, _) in enumerate(expected) if outcome == "kept")
    assert got[-1].file.read_bytes() == contents[newest]


def test_one_list_is_kept_of_each_issuer_and_scope(data: Path, anchors: Path) -> None:
    other = make("CN=AC AUTRE,O=ESSAI,C=FR", ca=True, days=9_999)
    (data / "other.pem").write_bytes(other.pem)
    users = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
    anchored = [anchors, data / "other.pem"]
    got = in_turn(data, anchored, crl(), crl(other), crl(extension=users), crl(at=NOW, revoked=9))
    assert [fetched_list.outcome for fetched_list in got] == ["kept"] * 4
    assert len({fetched_list.file for fetched_list in got}) == 3
    assert got[0].file == got[3].file
    again = fetched(data, anchors, give(crl(at=NOW, revoked=9)))
    assert (again.outcome, again.file) == ("same", got[0].file), "whatever the address"
    assert len(list((data / "crls").iterdir())) == 3


KEYS = make_keys()
CHAIN = make_chain(keys=KEYS)
ISSUING = Made(CHAIN.issuing.public_bytes(Encoding.DER), KEYS[1])
ABOVE = Made(CHAIN.root.public_bytes(Encoding.DER), KEYS[0])
SIGNER = CHAIN.signer.serial_number
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
        (crl(ISSUING, NOW - 9 * DAY, revoked=[SIGNER], number=2, reason="certificate_hold"),
         crl(ISSUING, NOW, revoked=0, number=3), "kept", "good"),
    ],
)  # fmt: skip
def test_a_revocation_is_never_forgotten(data, first, then, outcome, verdict) -> None:
    trusted, listed = data / "anchors.pem", data / "list.xml"
    trusted.write_bytes(ABOVE.pem + ISSUING.pem)
    row = ("ch-a.mssante.fr", "CH A", "CN=x,O=CH A,C=FR", "01 99 00 00 01", "01 99 00 00 02", f"{NOW:%FT%TZ}")
    listed.write_bytes(sign(b"".join(whitelist_chunks([row], NOW)), CHAIN))

    def command(*words: object) -> str:
        return CliRunner().invoke(app, [*map(str, words), "--anchors", str(trusted)]).output

    turns = iter([first, then])
    with serving(lambda request: give(next(turns))(request)) as url:
        for expected in ("kept", outcome):
            line = command("fetch", "--crl", "--archive", data / "archive", "--url", url)
            assert line.startswith(f"{expected} ")
    output = command("verify", listed, "--signer", SAMPLE_SIGNER)
    assert output.startswith("valid-untrusted\n" if verdict == "revoked" else "valid\n")
    assert f"revocation: {verdict}" in output
    left_out = outcome == "kept" and verdict == "revoked" and then == crl(ISSUING, NOW, revoked=0, number=3)
    dated = list((data / "crls").glob(f"*-{NOW - 2 * DAY:%Y-%m-%dT%H%M%S}.crl*"))
    assert len(dated) == left_out, "what is still needed stays, and nothing else"


def observed(data: Path, *certificates: Made) -> None:
    """Write an observation of TLS that has these certificates."""
    lines = [TLS.header(NOW, dns="dns-x")]
    for each in certificates:
        name = hashlib.sha256(each.der).hexdigest()
        lines.append({"certificate": name, "der": base64.b64encode(each.der).decode()})
    (data / "observations").mkdir()
    content = "".join(f"{json.dumps(each)}\n" for each in lines).encode()
    (data / "observations" / "tls-2026-03-02T060000Z.jsonl.gz").write_bytes(gzip.compress(content))


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


def test_the_command_says_what_became_of_each(data: Path, anchors: Path) -> None:
    def command(*words: str) -> tuple[int, str]:
        line = ["fetch", "--crl", "--archive", str(data / "archive"), "--anchors", str(anchors), *words]
        done = CliRunner().invoke(app, line)
        return done.exit_code, done.output or str(done.exception)

    with serving(give(crl())) as url:
        status, out = command("--url", url)
    assert (status, out.startswith(f"kept {data}/crls/list-xml-")) == (0, True)
    assert f"1 revoked, of {NOW - DAY:%Y-%m-%d}, due {NOW + 6 * DAY:%Y-%m-%d}" in out
    with serving(give(b"x")) as url:
        assert command("--url", url)[0] == 1
    assert "two downloads" in command("--mailboxes")[1]
    for files, why in (((), "no certificate of an authority here"), ((anchors,), "names a revocation list")):
        with pytest.raises(InputError, match=why):
            fetch_crls(data, files)


NAME = "Extraction_Correspondance_MSSante_202603011013"
CONTENT = text(many({"un.mssante.fr": 3, "deux.mssante.fr": 2}))


def zipped(content: bytes = CONTENT) -> bytes:
    with zipfile.ZipFile(out := io.BytesIO(), "w") as archive:
        timeless = zipfile.ZipInfo(f"{NAME}.txt")  # two of one content are the same
        archive.writestr(timeless, content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def published(content: bytes, name: str = f"{NAME}.zip") -> Answer:
    return give(content, **{"Content-Disposition": f"attachment; filename={name}"} if name else {})


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize("name", [f"{NAME}.zip", ""])  # without a name the archive tells it
def test_an_extraction_is_kept_under_its_name(tmp_path, name) -> None:
    with serving(published(zipped(), name)) as url:
        file, extraction = fetch_extraction(tmp_path / "data", quick(url))
    assert extraction.by_domain == {"deux.mssante.fr": 2, "un.mssante.fr": 3}
    assert names(tmp_path / "data") == [f"{NAME}.zip"]
    assert file.read_bytes() == zipped()


def test_one_that_lies_there_is_not_downloaded_again(tmp_path: Path) -> None:
    sent = []
    content = zipped(text(many({"un.mssante.fr": 30_000})))

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(10**9))
        request.send_header("Content-Disposition", f"attachment; filename={NAME}.zip")
        request.end_headers()
        sent.append(1)  # and nothing more: who reads on waits in vain

    (tmp_path / f"{NAME}.zip").write_bytes(content)
    with serving(answer) as url:
        file, extraction = fetch_extraction(tmp_path, quick(url, attempts=1))
    assert (extraction, file.name, sent) == (None, f"{NAME}.zip", [1])
    assert file.read_bytes() == content


def test_the_mirror_at_data_gouv_tells_it_by_its_path(tmp_path: Path) -> None:
    path = "/resources/x/20260301-101543/extraction-correspondance-mssante.txt"

    def answer(request: BaseHTTPRequestHandler) -> None:
        give(CONTENT)(request) if request.path == path else give(b"", 302, Location=path)(request)

    with serving(answer) as url:
        assert fetch_extraction(tmp_path, quick(url))[0].name == f"{NAME.replace('1013', '1015')}.txt"
        assert fetch_extraction(tmp_path, quick(url))[1] is None, "the same, not asked for again"


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (zipped()[:-40], f"{NAME}.zip", "is damaged"),
        (CONTENT[:-100], f"{NAME}.txt", "is damaged"),
        (CONTENT.partition(b"\n")[2], f"{NAME}.txt", "names no column"),
        (CONTENT.decode().encode("cp1252"), f"{NAME}.txt", "is not UTF-8"),
        (b"<!DOCTYPE html><html>", f"{NAME}.zip", "an HTML page"),
        (bytes(100_001), f"{NAME}.zip", "larger than 100000 bytes"),
        (CONTENT, "../../etc/x.zip", "does not tell when"),
        (CONTENT, "extraction.zip", "does not tell when"),
        (CONTENT, "Extraction_Correspondance_MSSante_9.zip", "does not tell when"),
    ],
)
def test_what_cannot_be_used_is_not_kept(tmp_path, content, name, why) -> None:
    with serving(published(content, name)) as url, pytest.raises(InputError, match=why) as raised:
        fetch_extraction(tmp_path / "data", quick(url, max_bytes=100_000))
    assert CANARY.lower() not in str(raised.value).lower()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_command_line_trusts_the_authority_given_and_no_other(tmp_path: Path, authority) -> None:
    bundle, context = authority
    archive = tmp_path / "data" / "archive"
    with serving(published(zipped()), context) as url:
        command = ["fetch", "--mailboxes", "--url", url, "--archive", str(archive), "--attempts", "1"]
        assert "--ca-bundle" in str(CliRunner().invoke(app, command).exception)
        trusting = [*command, "--ca-bundle", str(bundle)]
        first, again = (CliRunner().invoke(app, trusting) for _ in range(2))
    kept = tmp_path / "data" / f"{NAME}.zip"
    for done, line in ((first, f"kept {kept}: 5 mailboxes, 2 domains"), (again, f"unchanged {kept}")):
        assert (done.exit_code, done.output.replace("\n", "").startswith(line)) == (0, True)
    assert names(tmp_path / "data") == [kept.name]


@pytest.mark.parametrize("address", ["", Fetch().url])
def test_the_address_given_is_asked_whichever_it_is(address, monkeypatch) -> None:
    asked: list[fetch.Settings] = []
    boxes = Path("x.zip"), None
    monkeypatch.setattr(downloads, "fetch_extraction", lambda _, settings: asked.append(settings) or boxes)
    words = ["fetch", "--mailboxes", *(["--url", address] if address else [])]
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    assert [settings.url for settings in asked] == [address or URL]
