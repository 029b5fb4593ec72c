"""Fetching: servers on loopback that serve, refuse, drip, flood, redirect and lie."""

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from shutil import copy
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest
from conftest import toml
from cryptography.hazmat.primitives.serialization import Encoding
from loopback import Answer, give, listening, serving
from made_lists import row, xml
from typer.testing import CliRunner

from mssante_audit.archive.fetch import Settings, fetch, proxy_of
from mssante_audit.archive.store import Archive, LogLine, read_log
from mssante_audit.base.errors import FetchError, InputError
from mssante_audit.cli.main import app
from mssante_audit.whitelist.signature import SAMPLE_SIGNER
from tools.sample.signing import SigningChain, sign

CASES = toml("archive/fetch")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def listed(chain: SigningChain) -> bytes:
    return sign(xml([row("ch-fable")]), chain)


def quick(url: str, **changes: object) -> Settings:
    bounds = {"connect_seconds": 2, "read_seconds": 1, "attempt_seconds": 3, "backoff_seconds": 0.01}
    return Settings(url, **{**bounds, "attempts": 2, **changes})  # type: ignore[arg-type]


def outcomes(archive: Archive) -> list[str]:
    return [record.outcome for record in read_log(archive.folder)]


def getting(archive: Archive, answer: Answer, times: int = 1, **changes: object) -> list[LogLine]:
    with serving(answer) as url:
        return [fetch(archive, quick(url, **changes), now=NOW) for _ in range(times)]


@pytest.mark.parametrize("compressed", [False, True])
def test_a_list_is_fetched_and_kept(archive, listed, compressed) -> None:
    odd = {"ETag": '"é"', "Last_Modified": "hier à midi"}  # no request may say these again
    content, headers = (gzip.compress(listed), {"Content_Encoding": "gzip"}) if compressed else (listed, odd)
    answer = give(content, **headers)
    record, again = getting(archive, answer, 2)
    assert (record.outcome, record.rows, again.outcome) == ("kept", 1, "same")
    assert gzip.decompress((archive.folder / record.file).read_bytes()) == listed
    assert (archive.folder / "history.parquet").exists()


def test_a_server_is_asked_for_a_newer_list_only(archive, listed) -> None:
    asked = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append((request.headers["If-None-Match"], request.headers["If-Modified-Since"]))
        content, status = (b"", 304) if request.headers["If-None-Match"] == '"a"' else (listed, 200)
        give(content, status, ETag='"a"', Last_Modified="Thu, 01 Jan 2026")(request)

    with serving(answer) as url:
        first, second = (fetch(archive, quick(url), now=NOW) for _ in range(2))
        assert (second.outcome, second.file, second.sha256) == ("unchanged", first.file, first.sha256)
        assert fetch(archive, quick(url), now=NOW).outcome == "unchanged"
        (archive.folder / first.file).unlink()
        assert fetch(archive, quick(url), now=NOW).outcome == "kept", "a list that is gone is asked for again"
    assert asked == [(None, None), *[('"a"', "Thu, 01 Jan 2026")] * 2, (None, None)]


def test_a_current_list_that_is_not_whole_is_fetched_again(archive: Archive, listed: bytes) -> None:
    with serving(give(listed, ETag='"a"')) as url:
        file = archive.folder / fetch(archive, quick(url), now=NOW).file
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        again = fetch(archive, quick(url), now=NOW)
    assert (again.outcome, "replaced" in again.message, file.read_bytes()) == ("kept", True, whole)


def test_a_server_that_fails_is_tried_again_after_pauses_that_grow(archive, listed, monkeypatch) -> None:
    answers = [give(b"", 503, Retry_After="0"), give(b"", 500), give(listed)]
    (record,) = getting(archive, lambda request: answers.pop(0)(request), attempts=3)
    assert record.outcome == "kept"
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    for answer, attempts, why, expected in (
        (give(b"", 503), 4, "answers 503", [1, 2, 4]),
        (give(b"", 429, Retry_After="7"), 2, "answers 429", [7]),
        (give(b"", 404), 3, "answers 404", []),
    ):
        pauses.clear()
        with pytest.raises(FetchError, match=why):
            getting(archive, answer, attempts=attempts, backoff_seconds=1)
        assert [pause for pause in pauses if pause >= 1] == expected


def flooding(sent: list[int], status: int, **headers: str) -> Answer:
    """Answer with ten gigabytes; what went out is added to `sent`."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(10 * 2**30), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        for _ in range(10 * 2**10):
            request.wfile.write(b"x" * 2**20)
            sent.append(2**20)

    return answer


def test_of_ten_gigabytes_of_what_comes_with_a_redirect_and_of_a_bomb_little_is_read(archive, listed) -> None:
    sent: list[int] = []
    with pytest.raises(FetchError, match="larger than 4000000 bytes"):
        getting(archive, flooding(sent, 200), max_bytes=4_000_000)
    assert outcomes(archive) == ["failed"]
    flood = flooding(sent, 302, Location="/new.xml")
    (record,) = getting(archive, lambda asked: (give(listed) if asked.path == "/new.xml" else flood)(asked))
    assert record.outcome == "kept"
    assert sum(sent) < 120 * 2**20
    bomb = gzip.compress(b"\0" * (600 * 2**20), 1)
    assert getting(archive, give(bomb, Content_Encoding="gzip"))[0].outcome == "quarantined"


def dripping(head: bytes) -> Answer:
    def drip(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n" + head)
        for _ in range(200):
            request.wfile.write(b"x")
            request.wfile.flush()
            time.sleep(0.05)

    return drip


def broken(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b"<" * 500)
    request.close_connection = True


BAD = [
    (dripping(b"Content-Length: 100000\r\n\r\n"), {"attempt_seconds": 0.5}, "not done after 0.5 s"),
    (dripping(b"X-Slow: "), {"attempt_seconds": 0.5}, "not done after 0.5 s"),
    (lambda _: time.sleep(4), {"read_seconds": 0.3}, "no answer in time"),
    (broken, {}, "connection failed"),
    *(
        (give(answer.pop("content", "").encode(), **answer), {}, why)
        for answer, why in toml("archive/fetch")["answers"]
    ),
]


@pytest.mark.parametrize(("answer", "changes", "why"), BAD)
def test_what_is_no_list_is_refused_in_time_and_told_in_the_log(archive, answer, changes, why) -> None:
    begin = time.monotonic()
    with pytest.raises(FetchError, match=why):
        getting(archive, answer, **{"attempts": 1} | changes)
    assert time.monotonic() - begin < 5.5, "the server itself needs up to 10 s"
    assert outcomes(archive) == ["failed"]
    assert list((archive.folder / "quarantine").iterdir()) == []


def test_addresses_that_are_not_https_and_where_nobody_listens(archive) -> None:
    with pytest.raises(FetchError, match="connection failed"):
        fetch(archive, quick("http://127.0.0.1:9/list.xml"), now=NOW)
    nowhere = ("liste", "", "http://[bad", "http://127.0.0.1:99999/", "https://a..b/", "https://xn--/")
    for url in ("http://liste.example/l.xml", "file:///etc/passwd", *nowhere):
        with pytest.raises(FetchError, match=r"not https|no web address"):
            fetch(archive, quick(url), now=NOW)


def test_a_proxy_that_cannot_be_used_is_one_line_without_its_password(archive, environment) -> None:
    for scheme in ("socks5", "ftp"):
        environment.setenv("HTTPS_PROXY", f"{scheme}://zoe:secret@proxy.example:1080")
        with pytest.raises(FetchError, match=r"proxy .*@proxy\.example.*Set HTTPS_PROXY") as raised:
            fetch(archive, quick("https://liste.example/list.xml"), now=NOW)
        assert "secret" not in str(raised.value)


def test_tls_is_verified_by_the_bundle_and_by_the_hosts_name(archive, listed, authority, tmp_path, chain):
    bundle, context = authority
    folder = tmp_path / "igc"
    (folder / "below").mkdir(parents=True)
    (folder / "README").write_text("Certificates of the authority")
    with serving(give(listed), context) as url:
        with pytest.raises(FetchError, match=r"not trusted.*--ca-bundle"):
            fetch(archive, quick(url), now=NOW)
        with pytest.raises(FetchError, match="not trusted"):
            fetch(archive, quick(url.replace("127.0.0.1", "localhost"), ca_bundle=bundle), now=NOW)
        with pytest.raises(InputError, match=r"igc: no certificate here.*a folder of them"):
            fetch(archive, quick(url, ca_bundle=folder), now=NOW)
        (folder / "other.pem").write_bytes(chain.root.public_bytes(Encoding.PEM))
        with pytest.raises(FetchError, match="not trusted"):
            fetch(archive, quick(url, ca_bundle=folder), now=NOW)
        copy(bundle, folder / "below")
        plain = give(b"", 302, Location=f"http{url[5:]}")
        with serving(plain, context) as elsewhere, pytest.raises(FetchError, match="http address, not https"):
            fetch(archive, quick(elsewhere, ca_bundle=folder), now=NOW)  # even here
        assert fetch(archive, quick(url, ca_bundle=folder), now=NOW).outcome == "kept"


@contextmanager
def tunnelling(port: str) -> Iterator[tuple[str, list[str]]]:
    """Be a proxy whose tunnels all lead to a port of loopback; yield its address, and what it was asked."""
    asked: list[str] = []

    class Tunnel(StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline().decode().rpartition(" HTTP")[0])
            while self.rfile.readline().strip():
                pass
            with socket.create_connection(("127.0.0.1", int(port))) as server:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=pass_on, args=(server, self.connection))
                back.start()
                pass_on(self.connection, server)
                back.join()

    with listening(ThreadingTCPServer, Tunnel) as port_of_proxy:
        yield f"http://zoe:secret@127.0.0.1:{port_of_proxy}", asked


def pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No proxies but those that a test sets."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def test_a_proxy_is_gone_through_unless_the_host_is_left_out(archive, listed, authority, environment) -> None:
    bundle, context = authority
    with serving(give(listed), context) as url:
        port = url.removesuffix("/list.xml").rpartition(":")[2]
        address = f"https://liste.example:{port}/list.xml"
        with tunnelling(port) as (proxy, asked):
            environment.setenv("HTTPS_PROXY", proxy)
            assert proxy_of(address) == proxy
            assert fetch(archive, quick(address, ca_bundle=bundle), now=NOW).outcome == "kept"
            assert asked == [f"CONNECT liste.example:{port}"]
            for left_out in ("liste.example", "other.example,.example", "*"):
                environment.setenv("NO_PROXY", left_out)
                assert proxy_of(address) == ""
                with pytest.raises(FetchError, match="connection failed"):
                    fetch(archive, quick(address, ca_bundle=bundle, attempts=1), now=NOW)
            assert len(asked) == 1
            environment.delenv("NO_PROXY")
            assert proxy_of(url) == ""  # loopback never


def test_command_line(archive, listed, tmp_path) -> None:
    options = ["--archive", archive.folder, "--anchors", archive.anchors[0], "--signer", SAMPLE_SIGNER]
    file = tmp_path / "list.xml"
    file.write_bytes(listed)

    def command(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, [*words, *map(str, options)])
        return done.exit_code, done.output

    for content, status, line in ((listed, 0, "kept 2026-01-01T053000Z-"), (listed[:-100], 1, "quarantined")):
        with serving(give(content)) as url:
            code, output = command("fetch", "--url", url)
        assert (code, output.startswith(line)) == (status, True), output
    lines = {("import", str(file)): "list.xml: same", ("rebuild",): "", ("verify",): "1 lists, 0 at fault"}
    for words, line in lines.items():
        code, output = command("archive", *words)
        assert (code, line in output) == (0, True), output
    next(archive.folder.glob("*.xml.gz")).write_bytes(b"")
    assert command("archive", "verify")[0] == 1
