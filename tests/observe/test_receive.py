"""``mssante-audit receive``: one domain asked now, the walk and the answer."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dnslab import Script, Scripted, answering, asked
from dnsscripts import OPERATOR, PARENT, parent
from made_up import ALPHA, xml_of
from typer.testing import CliRunner

from mssante_audit.base.errors import InputError, ParameterError
from mssante_audit.base.language import NBSP
from mssante_audit.cli.main import app
from mssante_audit.observe.dns.run import NetworkError
from mssante_audit.observe.file import TLS
from mssante_audit.observe.folder import default_path
from mssante_audit.observe.tls.run import MailServer, lines_of
from mssante_audit.observe.tls.visit import Visit
from tools.sample.certificates import Made, make

SECOND, RESOLVER, NOBODY = "127.0.55.3", "127.0.55.4", "127.0.55.99"
DOMAIN = "ch-alpha.mssante.fr"
NAMES = {"ns1.op.example": OPERATOR, "ns2.op.example": SECOND}
SOA = f"{DOMAIN} SOA ns1.op.example. h.op.example. 1 3600 600 86400 300"

LATELY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(10)

Serve = Callable[..., Scripted]


def operator(*mx: str) -> Script:
    """A server of the domain's zone, which names these mail hosts."""

    servers, hosts = [f"{DOMAIN} NS {name}." for name in NAMES], [f"{DOMAIN} MX {text}" for text in mx]
    records = {"SOA": [SOA], "NS": servers, "MX": hosts}

    def look_up(_name: str, qtype: str) -> dict[str, list[str]]:
        return {"answer": records[qtype]} if records.get(qtype) else {"authority": [SOA]}

    return answering(look_up)


def resolver(**addresses: str) -> Script:
    """A resolver that knows the servers and these mail hosts, by their first label."""
    hosts = NAMES | {f"{label}.op.example": address for label, address in addresses.items()}

    def look_up(name: str, qtype: str) -> dict[str, Any]:
        answer = [f"{name} A {hosts[name]}"] if name in hosts and qtype == "A" else []
        return {"answer": answer, "aa": False, "rcode": 0 if name in hosts else 3}

    return answering(look_up)


def options_of(port: int) -> list[str]:
    return [
        f"--parent-server=ns.gestion.example={PARENT}", f"--resolver={RESOLVER}", f"--port={port}",
        "--timeout=0.6", "--retries=0",
    ]  # fmt: skip


def run(port: int, *more: str, domain: str = DOMAIN) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["receive", domain, *options_of(port), *more])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


@pytest.fixture
def delegated(serve: Serve) -> Callable[..., None]:
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
    delegated(*(operator(mx) if mx else None for mx in scripts), **addresses)
    code, text = run(port, "--format", "json")
    record = json.loads(text)
    assert (code, record["receives"], record["cause"]) == (exit_code, receives, cause)
    assert record["why"]
    assert record["remedy"]
    assert record["walk"][0]["server"] == "ns.gestion.example"
    assert run(port)[1].splitlines()[0] == f"{DOMAIN}: {receives} ({cause})"


def test_what_does_not_decide_is_unknown(port: int, serve: Serve) -> None:
    apex = parent({})
    serve(PARENT, lambda query, how: apex(query, how) if asked(query)[0] == "mssante.fr" else [])
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


SCARCE = """
import resource
from mssante_audit.cli import main, receive
from mssante_audit.network import mail
from mssante_audit.observe.dns import exchange, run
from mssante_audit.verdicts import presented, words
exchange.SCARCE_FOR = 1.0
keep = [open("/dev/null") for _ in range({used})]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
main.main()
"""
"""The command with 64 file descriptors, some of them in use."""


@pytest.mark.parametrize(("used", "exit_code"), [(0, 0), (58, 3)])
def test_for_lack_of_descriptors_no_server_is_blamed(
    port: int, delegated: Callable[..., None], used: int, exit_code: int
) -> None:
    delegated(operator("10 mx.op.example."), operator("10 mx.op.example."), mx="192.0.2.25")
    done = subprocess.run(
        [sys.executable, "-c", SCARCE.format(used=used), "receive", DOMAIN, *options_of(port)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == exit_code, done.stderr
    assert done.stdout.startswith(f"{DOMAIN}: yes" if exit_code == 0 else "")
    line = "mssante-audit: this machine cannot ask any more: Too many open files. Raise its limits"
    assert done.stderr.startswith(line if exit_code else "")
    assert done.stderr.count("\n") == (exit_code > 0)


# -- what the mail servers presented ------------------------------------------------------------------------

LISTED = dict(ALPHA, domain=DOMAIN)
WITH_TLS = {"mx": "192.0.2.25", "mx2": "192.0.2.26"}
ROOT = make("CN=AC RACINE FICTIVE,O=ESSAI,C=FR", ca=True, start=LATELY, days=99)


def presented(**more: Any) -> Made:
    """A certificate of the name listed, valid now."""
    return make(**({"subject": ALPHA["dn"], "issuer": ROOT, "start": LATELY, "days": 90} | more))


@pytest.fixture
def beside(tmp_path: Path) -> Callable[..., list[str]]:
    """Write a list and what servers of `WITH_TLS` presented, and return the options that name them."""

    def lay(*servers: Made | None, days: int = 1, anchors: bool = True, **row: str) -> list[str]:
        seen = {address: made and [made] for address, made in zip(WITH_TLS.values(), servers, strict=False)}
        (tmp_path / "list.xml").write_bytes(xml_of(LISTED | row))
        if servers:
            at, written = datetime.now(UTC) - timedelta(days), set[str]()
            lines: list[dict[str, Any]] = [TLS.header(at, dns="")]
            for address, chain in seen.items():
                visit = (
                    Visit("presented", protocol="TLSv1.3", chain=tuple(c.der for c in chain))
                    if chain
                    else Visit("busy")
                )
                lines += lines_of(MailServer(address, 25, (f"host.{address}",)), visit, at, 1, written)
            file = default_path(tmp_path, at, "tls")
            file.parent.mkdir()
            file.write_bytes(gzip.compress("".join(f"{json.dumps(made)}\n" for made in lines).encode()))
        (tmp_path / "root.pem").write_bytes(ROOT.pem)
        return [f"--data={tmp_path}", *([f"--anchors={tmp_path / 'root.pem'}"] if anchors else [])]

    return lay


@pytest.mark.parametrize(
    ("servers", "more", "code", "receives", "cause", "tls"),
    [
        ((presented(), presented()), {}, 0, "yes", "", "ok "),
        ((presented(), presented()), {"anchors": False}, 0, "yes", "", "unknown tls-alone"),
        ((presented(), presented(subject="CN=x,C=FR")), {}, 1, "degraded", "tls-some", "warn tls-some"),
        ((presented(issuer=None),) * 2, {}, 1, "no", "tls-none", "fail tls-none"),
        ((presented(), None), {}, 0, "yes", "", "unknown tls-unseen"),
        ((None, None), {}, 4, "unknown", "tls-refused", "unknown tls-unseen"),
        ((presented(),), {}, 0, "yes", "", "unknown tls-unseen"),
        ((presented(issuer=None),) * 2, {"days": 8}, 0, "yes", "", "unknown tls-old"),
        ((presented(),) * 2, {"domain": "autre.mssante.fr"}, 0, "yes", "", "unknown tls-nobody"),
        ((), {}, 0, "yes", "", "unknown no_tls"),
    ],
)  # fmt: skip
def test_certificates_have_their_say_as_they_have_in_domains(
    port: int, delegated: Callable[..., None], beside: Callable[..., list[str]],
    servers: tuple[Made | None, ...], more: dict[str, Any], code: int, receives: str, cause: str, tls: str,
) -> None:  # fmt: skip
    delegated(*(operator("10 mx.op.example.", "20 mx2.op.example."),) * 2, **WITH_TLS)
    options = beside(*servers, **more)
    status, text = run(port, *options, "--format", "json")
    record = json.loads(text)
    assert (status, record["receives"], record["cause"]) == (code, receives, cause)
    assert f"{record['tls']} {record['tls_cause']}" == tls
    assert (record["dns"], record["mail"]) == ("ok", "ok")


def test_each_server_is_told_with_its_age_and_what_is_wrong(
    port: int, delegated: Callable[..., None], beside: Callable[..., list[str]]
) -> None:
    delegated(*(operator("10 mx.op.example.", "20 mx2.op.example."),) * 2, **WITH_TLS)
    options = beside(presented(), presented(subject="CN=x,C=FR", issuer=None), days=3)
    for language, (seen, refused, name, chain) in {
        "fr": ("il y a 3 jours", "refusé", "nom qui n’est pas inscrit", "d’aucune autorité connue"),
        "en": ("3 days ago", "refused", "a name that is not listed", "of no authority known here"),
    }.items():
        lines = run(port, *options, "--lang", language)[1].replace(NBSP, " ").splitlines()
        assert lines[0] == f"{DOMAIN}: degraded (tls-some)"
        right, wrong = lines[lines.index("") + 1 :][-2:]
        assert all(part in right for part in ("192.0.2.25", ALPHA["dn"], seen))
        assert refused not in right
        assert all(part in wrong for part in ("192.0.2.26", "CN=x,C=FR", seen, refused, name, chain))


def test_a_certificate_s_name_steers_no_terminal_and_makes_no_line(
    port: int, delegated: Callable[..., None], beside: Callable[..., list[str]]
) -> None:
    delegated(*(operator("10 mx.op.example."),) * 2, mx="192.0.2.25")
    options = beside(presented(subject="CN=x\\0a- mx.op.example\\1b[31m \\e2\\80\\aey,C=FR"))
    for more in ((), ("--format", "json")):
        text = run(port, *options, *more)[1]
        assert "CN=x" in text
        assert not {"\x1b", "\u202e"} & set(text)
        assert not [line for line in text.splitlines() if line.startswith("- mx.op.example")]


def test_a_list_that_is_not_there_is_told_before_anybody_is_asked(port: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no white list here"):
        run(port, f"--data={tmp_path}")
