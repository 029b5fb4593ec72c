"""Mail and webhook of a night, against servers on loopback; what is secret stands nowhere."""

import json
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

import pytest
from loopback import listening
from lxml import html

from mssante_audit.base.errors import InputError
from mssante_audit.base.secret import masked_url
from mssante_audit.nightly import hooks
from mssante_audit.nightly.config import load_config
from mssante_audit.nightly.settings import Mail, Webhook

USER, PASSWORD, TOKEN = "zoe", "sésame-ouvre", "jeton-de-personne"
PASSWORD_ASCII = "open-sesame-7731"


@dataclass
class Heard:
    """What a server was told."""

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
                heard.commands.append(command)
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
                    heard.messages.append(b"".join(iter(self.rfile.readline, b".\r\n")))
                    self.say("250 kept")
                elif verb == "QUIT":
                    return

        def secure(self) -> None:
            assert tls
            self.connection = tls.wrap_socket(self.request, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)

        def finish(self) -> None:
            for one in (self.rfile, self.wfile, self.connection):
                one.close()

    with listening(socketserver.ThreadingTCPServer, Session) as port:
        heard = Heard(port)
        yield heard


@contextmanager
def web(tls: ssl.SSLContext | None, status: int = 200) -> Iterator[Heard]:
    """Take what is posted."""

    class Session(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.commands.append(f"{self.path} {self.headers['Authorization']}")
            heard.messages.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status, f"no {self.headers['Authorization']}")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with listening(ThreadingHTTPServer, Session, tls) as port:
        heard = Heard(port)
        yield heard


def letter() -> EmailMessage:
    made = EmailMessage()
    made["Subject"], made["From"], made["To"] = "Nuit", "audit@ch-fable.example", "ssi@ch-fable.example"
    made.set_content("Rien à signaler.")
    return made


@pytest.fixture
def password(tmp_path: Path) -> str:
    (tmp_path / "password").write_text(f"{PASSWORD_ASCII}\n")
    return f"file:{tmp_path}/password"


def mail(port: int, bundle: Path | None, **more: object) -> Mail:
    given = {"server": "127.0.0.1", "port": port, "sender": "a@b.example", "recipients": ("c@d.example",)}
    return Mail(**given | {"ca_bundle": str(bundle or "")} | more)


@pytest.mark.parametrize("implicit", [False, True])
def test_a_mail_goes_over_tls_with_user_and_password(authority, password, implicit) -> None:
    bundle, context = authority
    with smtp(context, implicit=implicit) as server:
        how = "implicit" if implicit else "starttls"
        wanted = mail(server.port, bundle, tls=how, user=USER, password=password)
        assert hooks.send_mail(letter(), wanted, 20) == ""
    (got,) = server.messages
    assert message_from_bytes(got, policy=default)["Subject"] == "Nuit"
    (asked,) = (line for line in server.commands if line.startswith("AUTH"))
    assert b64decode(asked.split()[-1]).decode() == f"\0{USER}\0{PASSWORD_ASCII}"
    assert ("STARTTLS" in server.commands) is not implicit


def test_a_server_that_is_not_verified_gets_neither_mail_nor_password(authority, password) -> None:
    _, context = authority
    with smtp(context) as server:
        fault = hooks.send_mail(letter(), mail(server.port, None, user=USER, password=password), 20)
    assert "CERTIFICATE_VERIFY_FAILED" in fault
    with smtp(None) as plain:
        fault = hooks.send_mail(letter(), mail(plain.port, None, user=USER, password=password), 20)
    assert "STARTTLS" in fault
    assert not [line for s in (server, plain) for line in s.commands if line.startswith(("AUTH", "MAIL"))]


@pytest.mark.parametrize("echo", ["535 not WHAT", f"535 not {PASSWORD_ASCII} of zoe"])
def test_a_server_that_echoes_the_password_makes_it_no_message(authority, password, echo) -> None:
    bundle, context = authority
    with smtp(context, login=echo) as server:
        fault = hooks.send_mail(letter(), mail(server.port, bundle, user=USER, password=password), 20)
    assert fault.startswith("535 not •••")
    assert PASSWORD_ASCII not in fault
    assert b64encode(f"\0{USER}\0{PASSWORD_ASCII}".encode()).decode() not in fault


def test_what_cannot_be_sent_or_is_not_there_is_told_without_the_secret(authority, tmp_path) -> None:
    bundle, context = authority
    (tmp_path / "password").write_text(PASSWORD)
    with smtp(context) as server:
        wanted = mail(server.port, bundle, user=USER, password=f"file:{tmp_path}/password")
        fault = hooks.send_mail(letter(), wanted, 20)
        assert "characters" in fault
        assert "é" not in fault
        wanted = mail(server.port, bundle, user=USER, password="env:NOT_THERE")
        assert hooks.send_mail(letter(), wanted, 20) == "variable NOT_THERE: holds no secret"


def test_a_server_that_drips_is_given_up() -> None:
    class Drip(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while True:
                self.request.sendall(b"2")
                time.sleep(0.1)

    begin = time.monotonic()
    with listening(socketserver.ThreadingTCPServer, Drip) as port:
        assert (
            hooks.send_mail(letter(), mail(port, None, tls="none"), 1) == "not done after 1 s, and given up"
        )
        assert time.monotonic() - begin < 10


def test_a_night_is_posted_with_its_token(authority, tmp_path, monkeypatch) -> None:
    bundle, context = authority
    monkeypatch.setenv("HOOK_TOKEN", TOKEN)
    with web(context) as server:
        (tmp_path / "url").write_text(f"https://127.0.0.1:{server.port}/hooks/T0PSECRET")
        to = Webhook(url=f"file:{tmp_path}/url", token="env:HOOK_TOKEN", ca_bundle=str(bundle))
        assert hooks.send_json({"run": "é"}, to, 20) == ""
        untrusted = hooks.send_json({}, Webhook(url=f"file:{tmp_path}/url"), 20)
    assert server.commands == [f"/hooks/T0PSECRET Bearer {TOKEN}"]
    assert json.loads(server.messages[0]) == {"run": "é"}
    assert "CERTIFICATE_VERIFY_FAILED" in untrusted
    assert "T0PSECRET" not in untrusted
    with web(context, 403) as server:
        (tmp_path / "url").write_text(f"https://127.0.0.1:{server.port}/hooks/T0PSECRET")
        assert hooks.send_json({}, to, 20) == "the server answers 403"


@pytest.mark.parametrize(
    "address", ["http://hooks.example/T0PSECRET", "T0PSECRET", "https://u:T0PSECRET@h:T0PSECRET/"]
)
def test_an_address_that_is_not_https_is_refused(tmp_path, address) -> None:
    (tmp_path / "url").write_text(address)
    fault = hooks.send_json({}, Webhook(url=f"file:{tmp_path}/url"), 5)
    assert fault
    assert "T0PSECRET" not in fault


# -- settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("mail", 'password = "SECRET"'),
        ("mail", 'password = ["SECRET"]'),
        ("webhook", 'url = "https://hooks.example/SECRET"'),
        ("webhook", 'token = "SECRET"'),
        ("fetch", 'url = "https://zoe:SECRET@host.example/a b"'),
        ("fetch", 'url = "ftp://zoe:SECRET@host.example/"'),
    ],
)
def test_a_secret_written_into_the_settings_is_refused_and_not_shown(tmp_path, section, line) -> None:
    file = tmp_path / "audit.toml"
    file.write_text(f'[data]\nfolder = "data"\n[{section}]\n{line}\n')
    with pytest.raises(InputError) as caught:
        load_config(file)
    assert "SECRET" not in str(caught.value)
    assert caught.value.line == 4


@pytest.mark.parametrize(
    "url",
    [
        "https://zoe:S@host.example/list.xml",
        "https://zoe:S%40S@S@host.example/l?key=S",
        "https://host.example/l?S&S#S",
        "http://S@[::1]:8080/S@x",
        "error at https://zoe:S@host.example/l: no such list",
    ],
)
def test_no_address_is_told_with_its_credentials(url) -> None:
    assert "S" not in masked_url(url)
    assert masked_url(masked_url(url)) == masked_url(url)


# -- a whole night ------------------------------------------------------------------------------------------


def plain_words(text):
    return " ".join(text.split())


def test_a_night_is_mailed_and_posted_and_no_secret_is_written_anywhere(
    later, settings, authority, tmp_path, served
) -> None:
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
    assert plain_words(got["Subject"]) == plain_words(out.replace("\n  ", " ").splitlines()[0])
    plain, page = (got.get_body((kind,)).get_content() for kind in ("plain", "html"))
    told = json.loads(hook.messages[0])
    assert plain.splitlines()[:3] == told["text"].splitlines()[:3] == out.splitlines()[:3]
    assert "webhook (failure): the server answers 500" in re.sub(r"\n\s+", " ", out)
    tree = html.document_fromstring(page)
    assert plain_words(tree.findtext(".//h1")) == plain_words(got["Subject"])
    assert not tree.xpath("//script | //@src | //@href | //link")
    assert (told["exit_status"], told["run"]) == (3, later.runs[-1].name)
    assert {step["step"]: step["outcome"] for step in told["steps"]}["fetch"] == "failed"
    assert [one["name"] for one in told["inputs"]] == [
        one["name"] for one in later.state("run.json")["inputs"]
    ]
    eml = message_from_bytes((later.runs[-1] / "summary.eml").read_bytes(), policy=default)
    assert (eml["Message-ID"], eml["Subject"]) == (got["Message-ID"], got["Subject"])
    assert json.loads((later.runs[-1] / "summary.json").read_text())["subject"] == got["Subject"]
    secrets = [s.encode() for s in (PASSWORD_ASCII, TOKEN, "T0PSECRET", "FETCHSECRET")]
    for secret in secrets:
        assert secret not in out.encode() + sent + hook.messages[0]
        found = [p for p in later.folder.rglob("*") if p.is_file() and secret in p.read_bytes()]
        assert {p.name for p in found} <= {"audit.toml", "password"}


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_the_command_that_fetches_tells_no_credentials(place, debug) -> None:
    import subprocess

    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://zoe:SECRET@127.0.0.1:{nobody.getsockname()[1]}/list.xml?key=SECRET"
        for one in (url, "https://zoe:SEC/RET@host", "https://zoe:SECRET@ho st/"):
            words = place.command(*debug, "fetch", "--url", one, "--attempts", "1", "--archive", "archive")
            done = subprocess.run(words, cwd=place.folder, capture_output=True, text=True, check=False)
            assert done.returncode
            assert "SEC" not in done.stdout + done.stderr
    assert "SECRET" not in (place.folder / "archive" / "log.jsonl").read_text()
