"""Fetching the public extraction of mailboxes: servers on loopback that publish, break off and lie."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from loopback import Answer, give, serving
from mailboxes_made_up import CANARY, many, text
from test_fetch import quick
from typer.testing import CliRunner

from mssante_audit.archive import downloads, fetch
from mssante_audit.archive.downloads import fetch_extraction
from mssante_audit.base.errors import FetchError, InputError
from mssante_audit.base.settings import Fetch
from mssante_audit.cli.main import app
from mssante_audit.mailboxes.extraction import URL

NAME = "Extraction_Correspondance_MSSante_202603011013"
CONTENT = text(many({"un.mssante.fr": 3, "deux.mssante.fr": 2}))


def zipped(content: bytes = CONTENT) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        timeless = zipfile.ZipInfo(f"{NAME}.txt")  # two of one content are the same
        archive.writestr(timeless, content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def published(content: bytes, name: str = f"{NAME}.zip") -> Callable[[BaseHTTPRequestHandler], None]:
    return give(content, Content_Disposition=f"attachment; filename={name}")


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize(
    "answer", [published(zipped()), give(zipped())]
)  # without a name the archive tells it
def test_an_extraction_is_kept_under_its_name(tmp_path: Path, answer: Answer) -> None:
    with serving(answer) as url:
        got = fetch_extraction(tmp_path / "data", quick(url))
    assert got.extraction is not None
    assert got.extraction.by_domain == {"deux.mssante.fr": 2, "un.mssante.fr": 3}
    assert names(tmp_path / "data") == [f"{NAME}.zip"]
    assert got.file.read_bytes() == zipped()


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
        got = fetch_extraction(tmp_path, quick(url, attempts=1))
    assert (got.extraction, got.file.name, sent) == (None, f"{NAME}.zip", [1])
    assert got.file.read_bytes() == content


def test_the_mirror_at_data_gouv_tells_it_by_its_path(tmp_path: Path) -> None:
    path = "/resources/x/20260301-101543/extraction-correspondance-mssante.txt"

    def answer(request: BaseHTTPRequestHandler) -> None:
        give(CONTENT)(request) if request.path == path else give(b"", 302, Location=path)(request)

    with serving(answer) as url:
        assert fetch_extraction(tmp_path, quick(url)).file.name == f"{NAME.replace('1013', '1015')}.txt"
        assert fetch_extraction(tmp_path, quick(url)).extraction is None, "the same, not asked for again"


def test_a_name_of_no_extraction_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("../../etc/x.zip", "extraction.zip", "Extraction_Correspondance_MSSante_9.zip"):
        with serving(published(CONTENT, name)) as url, pytest.raises(FetchError, match="does not tell when"):
            fetch_extraction(tmp_path / "data", quick(url))
        assert (names(tmp_path), names(tmp_path / "data")) == (["data"], [])


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (zipped()[:-40], f"{NAME}.zip", "is damaged"),
        (CONTENT[:-100], f"{NAME}.txt", "is damaged"),
        (CONTENT.partition(b"\n")[2], f"{NAME}.txt", "names no column"),
        (CONTENT.decode().encode("cp1252"), f"{NAME}.txt", "is not UTF-8"),
        (b"<!DOCTYPE html><html>", f"{NAME}.zip", "an HTML page"),
        (bytes(100_001), f"{NAME}.zip", "larger than 100000 bytes"),
    ],
)
def test_what_cannot_be_used_is_not_kept(tmp_path: Path, content: bytes, name: str, why: str) -> None:
    with serving(published(content, name)) as url, pytest.raises(InputError, match=why) as raised:
        fetch_extraction(tmp_path, quick(url, max_bytes=100_000))
    assert CANARY.lower() not in str(raised.value).lower()
    assert names(tmp_path) == []


def test_command_line_trusts_the_authority_given_and_no_other(tmp_path: Path, authority) -> None:
    bundle, context = authority
    archive = tmp_path / "data" / "archive"
    with serving(published(zipped()), context) as url:
        command = ["fetch", "--mailboxes", "--url", url, "--archive", str(archive), "--attempts", "1"]
        refused = CliRunner().invoke(app, command)
        assert isinstance(refused.exception, FetchError)
        assert "--ca-bundle" in str(refused.exception)
        trusting = [*command, "--ca-bundle", str(bundle)]
        first, again = (CliRunner().invoke(app, trusting) for _ in range(2))
    assert (first.exit_code, again.exit_code) == (0, 0)
    kept = tmp_path / "data" / f"{NAME}.zip"
    assert first.output.replace("\n", "").startswith(f"kept {kept}: 5 mailboxes, 2 domains")
    assert again.output.replace("\n", "").startswith(f"unchanged {kept}")
    assert names(tmp_path / "data") == [f"{NAME}.zip"]


@pytest.mark.parametrize("given", ["", Fetch().url])
def test_the_address_given_is_asked_whichever_it_is(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(folder: Path, settings: fetch.Settings) -> downloads.Boxes:
        asked.append(settings.url)
        return downloads.Boxes(folder / "x.zip", None)

    monkeypatch.setattr(downloads, "fetch_extraction", ask)
    words = ["fetch", "--mailboxes", *(["--url", given] if given else [])]
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    assert asked == [given or URL]
