"""``mssante-audit receive``: one domain asked now, the walk and the answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.rdatatype
import pytest
from dnslab import Script, Scripted, reply, send
from dnsscripts import OPERATOR, PARENT, parent
from typer.testing import CliRunner

from mssante_audit.base.errors import ParameterError
from mssante_audit.cli.main import app
from mssante_audit.observe.dns.run import NetworkError

SECOND, RESOLVER, NOBODY = "127.0.55.3", "127.0.55.4", "127.0.55.99"
DOMAIN = "ch-alpha.mssante.fr"
NAMES = {"ns1.op.example": OPERATOR, "ns2.op.example": SECOND}
SOA = f"{DOMAIN} SOA ns1.op.example. h.op.example. 1 3600 600 86400 300"

Serve = Callable[..., Scripted]


def operator(*mx: str) -> Script:
    """A server of the domain's zone, which names these mail hosts."""

    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        qtype = dns.rdatatype.to_text(query.question[0].rdtype)
        told = {
            "SOA": [SOA],
            "NS": [f"{DOMAIN} NS {name}." for name in NAMES],
            "MX": [f"{DOMAIN} MX {one}" for one in mx],
        }
        answer = told.get(qtype, [])
        return send(reply(query, answer=answer, authority=[] if answer else [SOA]), transport)

    return script


def resolver(**addresses: str) -> Script:
    """A resolver that knows the servers and these mail hosts, by their first label."""
    known = NAMES | {f"{label}.op.example": address for label, address in addresses.items()}

    def script(query: dns.message.Message, transport: str) -> list[bytes | float]:
        name, qtype = query.question[0].name.to_text(True), dns.rdatatype.to_text(query.question[0].rdtype)
        message = reply(
            query, answer=[f"{name} A {known[name]}"] if name in known and qtype == "A" else [], aa=False
        )
        message.set_rcode(0 if name in known else 3)
        return send(message, transport)

    return script


def run(port: int, *more: str, domain: str = DOMAIN) -> tuple[int, str]:
    options = [
        f"--parent-server=ns.gestion.example={PARENT}", f"--resolver={RESOLVER}", f"--port={port}",
        "--timeout=0.3", "--retries=0",
    ]  # fmt: skip
    done = CliRunner().invoke(app, ["receive", domain, *options, *more])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


@pytest.fixture
def delegated(serve: Serve) -> Callable[..., None]:
    """Serve the domain: its parent, two servers, and a resolver."""

    def start(*scripts: Script | None, **addresses: str) -> None:
        serve(PARENT, parent({DOMAIN: list(NAMES)}))
        serve(RESOLVER, resolver(**addresses))
        for address, script in zip(NAMES.values(), scripts, strict=True):
            if script:
                serve(address, script)

    return start


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_healthy_domain(port: int, delegated: Callable[..., None], language: str) -> None:
    delegated(operator("10 mx.op.example."), operator("10 mx.op.example."), mx="192.0.2.25")
    code, text = run(port, "--lang", language)
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


@pytest.mark.parametrize(
    ("scripts", "addresses", "exit_code", "receives", "cause"),
    [
        (("10 mx.op.example.", None), {"mx": "192.0.2.25"}, 1, "degraded", "one-server"),
        ((None, None), {}, 1, "no", "zone-dead"),
        (("10 mx.op.example.",) * 2, {}, 1, "no", "exchangers-absent"),
        (("10 mx.op.example.",) * 2, {"mx": "10.1.2.3"}, 1, "no", "exchangers-private"),
        (("0 .",) * 2, {}, 1, "no", "null-mx"),
    ],
)
def test_answers_and_exit_statuses(
    port: int, delegated: Callable[..., None], scripts: tuple[str | None, ...], addresses: dict[str, str],
    exit_code: int, receives: str, cause: str,
) -> None:  # fmt: skip
    delegated(*(operator(one) if one else None for one in scripts), **addresses)
    code, text = run(port, "--format", "json")
    told = json.loads(text)
    assert (code, told["receives"], told["cause"]) == (exit_code, receives, cause)
    assert told["why"]
    assert told["remedy"]
    assert told["walk"][0]["server"] == "ns.gestion.example"
    assert run(port)[1].splitlines()[0] == f"{DOMAIN}: {receives} ({cause})"


def test_what_does_not_decide_is_unknown(port: int, serve: Serve) -> None:
    def failing(query: dns.message.Message, transport: str) -> list[bytes | float]:
        if query.question[0].name.to_text(True) == "mssante.fr":
            return parent({})(query, transport)
        return []

    serve(PARENT, failing)
    code, text = run(port)
    assert (code, text.splitlines()[0]) == (4, f"{DOMAIN}: unknown (parent-silent)")


def test_nothing_steers_the_terminal_and_nothing_is_kept(
    port: int, delegated: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    delegated(*(operator("10 \\027[31mmx.op.example."),) * 2)
    code, text = run(port)
    assert code == 1
    assert "\x1b" not in text
    assert "\\027[31mmx.op.example" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("domain", ["", "a..b.mssante.fr"])
def test_what_is_no_name_is_refused(port: int, domain: str) -> None:
    with pytest.raises(ParameterError, match="no name the DNS can carry"):
        run(port, domain=domain)


def test_without_a_server_of_the_parent_nothing_is_said(port: int) -> None:
    with pytest.raises(NetworkError):
        run(port)
