"""Hooks, mail and webhook of a night, against servers on loopback; what is secret stands nowhere."""

import json
import os
import re
import socket
import socketserver
import ssl
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from commands import ran
from conftest import toml
from loopback import listening
from lxml import html

from mssante_audit.base.secret import masked_url
from mssante_audit.nightly import hooks
from mssante_audit.nightly.config import Mail, Webhook
from mssante_audit.nightly.hooks import run_hook

CASES = toml("nightly/post")

USER, PASSWORD, TOKEN = "zoe", "sésame-ouvre", "jeton-de-personne"
PASSWORD_ASCII = "open-sesame-7731"


@dataclass
class Heard:
    port: int
    commands: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)


@contextmanager
def smtp(tls: ssl.SSLContext | None, *, implicit: bool = False, login: str = "235 yes") -> Iterator[Heard]:
    """Take mails on a port of loopback; with a context only over TLS."""

    class Session(socketserver.StreamRequestHandler):
        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

        def handle(self) -> None:
            safe = implicit
            if implicit:
                self.secure()
            self.say("220 mx")
            while line := self.rfile.readline():
                command = line.decode().strip()
                received.commands.append(command)
                verb = command.upper().partition(" ")[0]
                replies = {
                    "EHLO": "250-mx\r\n250 " + ("STARTTLS" if tls and not safe else "AUTH PLAIN"),
                    "STARTTLS": "220 go", "DATA": "354 go", "QUIT": "221 bye",
                    "AUTH": login.replace("WHAT", command.split()[-1]),
                }  # fmt: skip
                self.say(replies.get(verb, "250 ok"))
                if verb == "STARTTLS":
                    self.secure()
                    safe = True
                elif verb == "DATA":
                    received.messages.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                    self.say("250 kept")
                elif verb == "QUIT":
                    return

        def secure(self) -> None:
            assert tls
            self.connection = tls.wrap_socket(self.request, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)

        def finish(self) -> None:
            for stream in (self.rfile, self.wfile, self.connection):
                stream.close()

    with listening(socketserver.ThreadingTCPServer, Session) as port:
        received = Heard(port)
        yield received


@contextmanager
def web(tls: ssl.SSLContext | None, status: int = 200) -> Iterator[Heard]:
    class Session(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.commands.append(f"{self.path} {self.headers['Authorization']}")
            received.messages.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status, f"no {self.headers['Authorization']}")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with listening(ThreadingHTTPServer, Session, tls) as port:
        received = Heard(port)
        yield received


def sent(server: Heard, bundle: Path | str, seconds: float = 20, **more: object) -> str:
    """Send a mail to a server; return what went wrong."""
    letter = EmailMessage()
    letter["Subject"], letter["From"], letter["To"] = "Nuit", "audit@ch-fable.example", "ssi@ch-fable.example"
    letter.set_content("Rien à signaler.")
    settings = {
        "server": "127.0.0.1",
        "port": server.port,
        "sender": "a@b.example",
        "recipients": ("c@d.example",),
    }
    return hooks.send_mail(letter, Mail(**settings | {"ca_bundle": str(bundle)} | more), seconds)


@pytest.fixture
def password(tmp_path: Path) -> str:
    (tmp_path / "password").write_text(f"{PASSWORD_ASCII}\n")
    return f"file:{tmp_path}/password"


@pytest.mark.parametrize("implicit", [False, True])
def test_a_mail_goes_over_tls_with_user_and_password(authority, password, implicit) -> None:
    bundle, context = authority
    with smtp(context, implicit=implicit) as server:
        way = "implicit" if implicit else "starttls"
        assert sent(server, bundle, tls=way, user=USER, password=password) == ""
    (got,) = server.messages
    assert message_from_bytes(got, policy=default)["Subject"] == "Nuit"
    (asked,) = (line for line in server.commands if line.startswith("AUTH"))
    assert b64decode(asked.split()[-1]).decode() == f"\0{USER}\0{PASSWORD_ASCII}"
    assert ("STARTTLS" in server.commands) is not implicit


@pytest.mark.parametrize(
    ("safe", "login", "more", "why"),
    [
        (True, "235 yes", {"ca_bundle": ""}, "CERTIFICATE_VERIFY_FAILED"),
        (False, "235 yes", {}, "STARTTLS"),
        (True, "235 yes", {"password": "env:ACCENTED"}, "characters"),
        (True, "235 yes", {"password": "env:NOT_THERE"}, "variable NOT_THERE: holds no secret"),
        (True, "535 not WHAT", {}, "535 not •••"),
        (True, f"535 not {PASSWORD_ASCII} of zoe", {}, "535 not •••"),
        (True, "235-x\r\n" * 2000 + "235 yes", {}, "does not stop replying"),
    ],
)
def test_no_stranger_gets_the_password(authority, password, monkeypatch, safe, login, more, why):
    bundle, context = authority
    monkeypatch.setenv("ACCENTED", PASSWORD)
    with smtp(context if safe else None, login=login) as server:
        fault = sent(server, bundle, **{"user": USER, "password": password} | more)
    assert why in fault
    for secret in (PASSWORD_ASCII, "é", b64encode(f"\0{USER}\0{PASSWORD_ASCII}".encode()).decode()):
        assert secret not in fault
    asked = {line.split()[0] for line in server.commands}
    assert "MAIL" not in asked
    assert ("AUTH" in asked) is login.startswith(("535", "235-"))


def test_a_server_that_drips_is_given_up() -> None:
    class Drip(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while True:
                self.request.sendall(b"2")
                time.sleep(0.1)

    begin = time.monotonic()
    with listening(socketserver.ThreadingTCPServer, Drip) as port:
        fault = sent(Heard(port), "", 1, tls="none")
        assert fault == "not done after 1 s, and given up"
        assert time.monotonic() - begin < 10


def test_a_night_is_posted_with_its_token(authority, tmp_path, monkeypatch) -> None:
    bundle, context = authority
    monkeypatch.setenv("HOOK_TOKEN", TOKEN)
    file, posted = tmp_path / "url", {}

    def post(address: str, **more: str) -> str:
        file.write_text(address)
        return hooks.send_json({"run": "é"}, Webhook(url=f"file:{file}", **more), 20)

    options = {"token": "env:HOOK_TOKEN", "ca_bundle": str(bundle)}
    for status, fault in ((200, ""), (403, "the server answers 403")):
        with web(context, status) as server:
            address = f"https://127.0.0.1:{server.port}/hooks/T0PSECRET"
            assert post(address, **options) == fault
            posted[status] = post(address)
        assert server.commands == [f"/hooks/T0PSECRET Bearer {TOKEN}"]
        assert json.loads(server.messages[0]) == {"run": "é"}
    assert "CERTIFICATE_VERIFY_FAILED" in posted[200]
    for address in ("http://hooks.example/T0PSECRET", "T0PSECRET", "https://u:T0PSECRET@h:T0PSECRET/"):
        posted[address] = post(address)
    assert [fault for fault in posted.values() if not fault or "T0PSECRET" in fault] == []


@pytest.mark.parametrize("url", CASES["addresses"])
def test_no_address_is_told_with_its_credentials(url) -> None:
    assert "S" not in masked_url(url)
    assert masked_url(masked_url(url)) == masked_url(url)


def test_a_night_is_mailed_and_posted_and_no_secret_is_written(later, settings, authority, served):
    bundle, context = authority
    asked = served(b"<html>").replace("http://", "http://zoe:FETCHSECRET@") + "?key=FETCHSECRET"
    with smtp(context) as relay, web(context, 500) as hook:
        (later.folder / "password").write_text(PASSWORD_ASCII)
        url = f"https://127.0.0.1:{hook.port}/hooks/T0PSECRET"
        settings(
            fetch={"enabled": True, "url": asked, "attempts": 1},
            mail={
                "lang": "en", "server": "127.0.0.1", "port": relay.port, "ca_bundle": str(bundle),
                "user": USER, "password": "file:password", "sender": "audit@ch-fable.example",
                "recipients": ["ssi@ch-fable.example", "rssi@ch-fable.example"],
            },
            webhook={"url": "env:HOOK_URL", "token": "env:HOOK_TOKEN", "ca_bundle": str(bundle)},
            hooks={"failure": [["sh", "-c", "env; exit 3"]]},
        )  # fmt: skip
        status, out, errors = later.run(HOOK_URL=url, HOOK_TOKEN=TOKEN)
    assert (status, errors) == (3, "")
    (sent,) = relay.messages
    got = message_from_bytes(sent, policy=default)
    assert got["To"] == "ssi@ch-fable.example, rssi@ch-fable.example"
    assert got["Subject"] == out.replace("\n  ", " ").splitlines()[0]
    plain, page = (got.get_body((kind,)).get_content() for kind in ("plain", "html"))
    payload = json.loads(hook.messages[0])
    assert plain.splitlines()[:3] == payload["text"].splitlines()[:3] == out.splitlines()[:3]
    assert "webhook (failure): the server answers 500" in re.sub(r"\n\s+", " ", out)
    tree = html.document_fromstring(page)
    assert tree.findtext(".//h1").split() == got["Subject"].split()
    assert not tree.xpath("//script | //@src | //@href | //link")
    assert (payload["exit_status"], payload["run"]) == (3, later.runs[-1].name)
    assert payload["inputs"] == later.state("run.json")["inputs"]
    eml = message_from_bytes((later.runs[-1] / "summary.eml").read_bytes(), policy=default)
    assert (eml["Message-ID"], eml["Subject"]) == (got["Message-ID"], got["Subject"])
    assert json.loads((later.runs[-1] / "summary.json").read_text())["subject"] == got["Subject"]
    for secret in (PASSWORD_ASCII.encode(), TOKEN.encode(), b"T0PSECRET", b"FETCHSECRET"):
        assert secret not in out.encode() + sent + hook.messages[0]
        files = [p for p in later.folder.rglob("*") if p.is_file() and secret in p.read_bytes()]
        assert {p.name for p in files} <= {"audit.toml", "password"}


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_the_command_that_fetches_tells_no_credentials(place, debug) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://zoe:SECRET@127.0.0.1:{nobody.getsockname()[1]}/list.xml?key=SECRET"
        for link in (url, "https://zoe:SEC/RET@host", "https://zoe:SECRET@ho st/"):
            words = place.command(*debug, "fetch", "--url", link, "--attempts", "1", "--archive", "archive")
            done = ran(*words, cwd=place.folder)
            assert (done.returncode > 0, "SEC" in done.stdout + done.stderr) == (True, False)
    assert "SECRET" not in (place.folder / "archive" / "log.jsonl").read_text()


def test_hooks_are_told_facts_and_paths(first_said, two_nights, failed_night):
    places = first_said[0], two_nights[0], failed_night[0]
    facts_of = [
        {file.name: dict(line.split("=", 1) for line in file.read_text().splitlines()) for file in folder}
        for folder in ((place.folder / "told").iterdir() for place in places)
    ]
    # With nothing to compare with, nothing is new.
    assert [set(facts) for facts in facts_of] == [{"success"}, {"success", "new_findings"}, {"failure"}]
    run, new = two_nights[0].runs[-1], facts_of[1]["new_findings"]
    assert (new["MSSANTE_RUN"], new["MSSANTE_RUN_FOLDER"]) == (run.name, str(run))
    assert (new["MSSANTE_EXIT_STATUS"], new["MSSANTE_FAILED_STEPS"]) == ("0", "")
    assert Path(new["MSSANTE_SITE"]).is_file()
    assert min(int(new["MSSANTE_COUNT_NEW"]), int(new["MSSANTE_COUNT_ERROR"])) > 0
    assert not [value for value in new.values() if "@" in value]
    assert facts_of[2]["failure"]["MSSANTE_FAILED_STEPS"] == "audit"


def test_words_are_no_shell_line():
    words = ["; touch pwned", "$(touch pwned)", "*"]
    fault = run_hook(["sh", "-c", 'echo "$@"; exit 1', "sh", *words], dict(os.environ), 30)
    assert fault == f"exit status 1: {' '.join(words)}"


def test_a_hook_that_takes_too_long_is_ended_with_what_it_started(tmp_path):
    begin = time.monotonic()
    words = ["sh", "-c", 'sleep 60 & echo $! > "$0"; wait', str(tmp_path / "pid")]
    assert run_hook(words, dict(os.environ), 2) == "not done after 2 s, and ended"
    assert time.monotonic() - begin < 20
    child, until = int((tmp_path / "pid").read_text()), time.monotonic() + 5
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until, "what the hook started is still there"
        time.sleep(0.05)


def test_hooks_that_fail_are_told_and_harm_nothing(place, settings, tmp_path):
    commands = {
        ("/nowhere/at-all",): "cannot be started (No such file or directory)",
        ("sh", "-c", "echo no mail server; exit 4"): "exit status 4: no mail server",
        ("sleep", "60"): "not done after 2 s, and ended",
        ("touch", str(tmp_path / "after")): "",
    }
    settings(hooks={"success": [*commands], "seconds": 2})
    status, out, _ = place.play(pages=False)
    assert (status, (tmp_path / "after").exists()) == (0, True)
    assert "FAILED hooks: /nowhere/at-all (success): cannot be started" in out
    faults = [record["fault"] for record in place.log() if record["event"] == "hook"]
    assert faults == [*commands.values()]


def test_a_hook_cannot_read_what_the_run_is_given():
    """It does not wait for a terminal either: its input is empty."""
    ours, (reading, writing) = os.dup(0), os.pipe()
    try:
        os.write(writing, b"secret")
        os.close(writing)
        os.dup2(reading, 0)
        assert run_hook(["sh", "-c", "exit $(wc -c)"], dict(os.environ), 30) == ""
    finally:
        os.dup2(ours, 0)
        os.close(ours)
        os.close(reading)
