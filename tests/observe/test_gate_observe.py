"""``gate --declaration --observe``: servers asked as if the parent pointed to them; each answer both ways.

They run in a network namespace of the test's own, with its root, on the real ports.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest
from conftest import CATALOGUE
from dnslab import Script, Scripted, answering, in_namespace
from smtplab import Script as Talk
from smtplab import saying, serving, tls
from typer.testing import CliRunner

from mssante_audit.cli.main import app
from mssante_audit.declarations.register import load_declarations
from mssante_audit.declarations.write import write_register
from tools.sample.certificates import make

Zone = tuple[str, str, bool, int]
SAMPLE = CATALOGUE
ROOT = "198.41.0.4"
"""Of the shipped hints: a.root-servers.net."""
DN = "CN=mx.op.example,OU=399900000300015,O=ESSAI,ST=Paris (75),C=FR"


def zone(mx: str = "10 mx.{}.", ns: str = "ns1.{0}. ns2.{0}.", *, aa: bool = True, rcode: int = 0) -> Zone:
    """A name server of a declared domain, right unless it is asked to be wrong; ``{}`` is its operator."""
    return mx, ns, aa, rcode


def serving_zone(domain: str, operator: str, mx: str, ns: str, aa: bool, rcode: int) -> Script:
    if rcode < 0:
        return lambda query, transport: []
    soa = f"{domain} SOA ns1.op.example. h.op.example. 1 3600 600 86400 300"

    records = {
        "SOA": [soa], "MX": [f"{domain} MX {mx.format(operator)}"] if mx else [],
        "NS": [f"{domain} NS {name}" for name in ns.format(operator).split()],
    }  # fmt: skip

    def look_up(name: str, qtype: str) -> dict[str, Any]:
        answer = records.get(qtype, []) if name == domain and not rcode else []
        return {"answer": answer, "authority": [] if answer or rcode else [soa], "aa": aa, "rcode": rcode}

    return answering(look_up)


def root(hosts: Mapping[str, str]) -> Script:
    """Return the script of a root server that knows the addresses, and aliases, of all hosts itself."""
    soa = ". SOA a.root-servers.net. h.example. 1 3600 600 86400 300"

    def look_up(name: str, qtype: str) -> dict[str, Any]:
        data = hosts.get(name, "")
        kind = "AAAA" if ":" in data else "A" if data[:1].isdigit() else "CNAME"
        answer = [f"{name} {kind} {data}"] if data and (kind == "CNAME" or qtype == kind) else []
        if (name, qtype) in ((".", "NS"), ("@", "NS")):
            answer = answer or [". NS a.root-servers.net."]
        rcode = 0 if answer or name in hosts else 3
        return {"answer": answer, "authority": [] if answer else [soa], "rcode": rcode}

    return answering(look_up)


MAIL = {"delegation": False, "redirection": True, "primary_server": "", "secondary_server": "",
        "mail_server": "mx.{}"}  # fmt: skip
RIGHT, LAME, FAILING, REFUSING = zone(), zone(aa=False), zone(rcode=2), zone(rcode=5)
SILENT = zone(rcode=-1)
FORM = {
    "dn_igc_sante": DN, "dn_igc_cps": "", "delegation": True, "redirection": False, "mail_server": "",
    "primary_server": "ns1.{}", "secondary_server": "ns2.{}",
}  # fmt: skip
CASES: dict[str, tuple[tuple[Zone | None, ...], str, dict[str, Any], str, str]] = {
    # what the two name servers do, what the mail server presents, the form; verdict and rule
    "right": ((RIGHT, RIGHT), DN, {}, "ready", ""),
    "right, nobody at the mail server": ((RIGHT, RIGHT), "", {}, "ready", "DECLARED_CERTIFICATE"),
    "right, other certificate": ((RIGHT, RIGHT), "CN=x,C=FR", {}, "not-ready", "DECLARED_CERTIFICATE"),
    "lame": ((LAME, LAME), DN, {}, "not-ready", "DECLARED_SERVERS"),
    "half lame": ((RIGHT, LAME), DN, {}, "not-ready", "DECLARED_SERVERS"),
    "half failing": ((RIGHT, FAILING), DN, {}, "not-ready", "DECLARED_SERVERS"),
    "absent": ((None, None), DN, {}, "unknown", "DECLARED_UNANSWERED"),
    "half absent": ((RIGHT, None), DN, {}, "unknown", "DECLARED_UNANSWERED"),
    "silent": ((SILENT, SILENT), DN, {}, "unknown", "DECLARED_UNANSWERED"),
    "half silent": ((RIGHT, SILENT), DN, {}, "unknown", "DECLARED_UNANSWERED"),
    "silent and lame": ((SILENT, LAME), DN, {}, "not-ready", "DECLARED_SERVERS"),
    "refused": ((REFUSING, REFUSING), DN, {}, "unknown", "DECLARED_UNANSWERED"),
    "lame and failing": ((LAME, FAILING), DN, {}, "not-ready", "DECLARED_SERVERS"),
    "no such name": ((RIGHT, RIGHT), DN, {"secondary_server": "ns3.{}"}, "not-ready",
                     "DECLARED_SERVERS"),
    "below itself": ((RIGHT, RIGHT), DN, {"secondary_server": "ns2.[]"}, "unknown",
                     "DECLARED_UNANSWERED"),
    "no mail": ((zone(""), zone("")), DN, {}, "not-ready", "DECLARED_MAIL"),
    "null MX": ((zone("0 ."), zone("0 .")), DN, {}, "not-ready", "DECLARED_MAIL"),
    "they differ": ((RIGHT, zone("")), DN, {}, "not-ready", "DECLARED_MAIL"),
    "mail host without address": ((zone("10 no.{}."),) * 2, DN, {}, "not-ready", "DECLARED_MAIL"),
    "other servers in the zone": ((zone(ns="ns1.{0}. away.{0}."),) * 2, DN, {}, "ready", "DECLARED_SERVERS"),
    "servers of the zone that do not exist": ((zone(ns="no1.{0}. no2.{0}."),) * 2, DN, {}, "not-ready",
                                              "DECLARED_SERVERS"),
    "a server's alias": ((zone(ns="ns1.{0}. alias.{0}."),) * 2, DN, {"secondary_server": "alias.{}"},
                         "not-ready", "DECLARED_SERVERS"),
    "a server over IPv6, where there is none": ((zone(ns="ns1.{0}. ns6.{0}."),) * 2, DN,
                                                {"secondary_server": "ns6.{}"}, "unknown",
                                                "DECLARED_UNANSWERED"),
    "redirected, right": ((), DN, MAIL, "ready", ""),
    "redirected, private": ((), DN, MAIL | {"mail_server": "private.{}"}, "not-ready", "DECLARED_MAIL"),
    "redirected, other certificate": ((), "CN=autre.op.example,C=FR", MAIL, "not-ready",
                                      "DECLARED_CERTIFICATE"),
    "redirected, busy": ((), "421 busy\n", MAIL, "unknown", "DECLARED_UNANSWERED"),
    "redirected, no STARTTLS": ((), "220 mx\n", MAIL, "not-ready", "DECLARED_CERTIFICATE"),
    "redirected, absent": ((), "", MAIL, "unknown", "DECLARED_UNANSWERED"),
    "redirected, no such name": ((), DN, MAIL | {"mail_server": "no.{}"}, "not-ready",
                                 "DECLARED_MAIL"),
    "withdrawn": ((None, None), "", {"withdrawal": True}, "ready", ""),
}  # fmt: skip


Judged = dict[str, tuple[int, dict[str, Any]]]
FILES = {"all": [*CASES], "right": ["right", "redirected, right", "right, nobody at the mail server"]}
"""Files of declarations, and the cases in each."""


def addresses(number: int) -> list[str]:
    """Return the addresses of a case: two name servers, a mail server, and one where nobody is."""
    return [f"82.64.{number}.{host}" for host in range(1, 5)]


def play(folder: Path) -> None:
    """Serve all cases, and have each file judged, in a namespace with these addresses."""
    good = load_declarations(SAMPLE / "declarations.csv").declarations.tail(1)
    hosts: dict[str, str] = {}
    talks: dict[str, Talk] = {}
    rows = {}
    with ExitStack() as stack:
        for number, (case, (servers, presents, form, *_)) in enumerate(CASES.items(), 1):
            domain, operator = f"ch-{number}.mssante.fr", f"op{number}.example"
            *names, mail, nobody = addresses(number)
            hosts |= {f"ns{n}.{operator}": address for n, address in enumerate(names, 1)}
            hosts |= {f"mx.{operator}": mail, f"away.{operator}": nobody}
            hosts |= {f"alias.{operator}": f"ns2.{operator}.", f"private.{operator}": "10.0.0.1",
                      f"ns6.{operator}": f"2a01:e0a::{number}"}  # fmt: skip
            for address, script in zip(names, servers, strict=False):
                if script:
                    served = Scripted(address, 53, serving_zone(domain, operator, *script))
                    stack.callback(served.stop)
            if presents in ("421 busy\n", "220 mx\n"):
                talks[mail] = saying(presents, "250 mx\n", "221 bye\n")
            elif presents:
                talks[mail] = tls(make(presents).files(folder / f"{number}"))
            texts = {
                name: text.format(operator).replace("[]", domain) if isinstance(text, str) else text
                for name, text in (FORM | form).items()
            }
            rows[case] = good.assign(domain=domain, **texts)
        asked = Scripted(ROOT, 53, root(hosts))
        stack.callback(asked.stop)
        loop = asyncio.new_event_loop()
        Thread(target=loop.run_forever, daemon=True).start()
        mail_servers = serving(talks, 25)  # they end with the last reference to them
        asyncio.run_coroutine_threadsafe(mail_servers.__aenter__(), loop).result(5)
        for name, cases in FILES.items():
            file = folder / f"{name}.csv"
            write_register(pd.concat([rows[case] for case in cases], ignore_index=True), file)
            done = CliRunner().invoke(app, [
                "gate", "--declaration", str(file), "--observe", "--data", str(SAMPLE),
                "--as-of", "2026-03-03", "--format", "json", "--timeout=1.5", "--retries=0",
            ])  # fmt: skip
            assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
            (folder / f"{name}.json").write_text(json.dumps([done.exit_code, json.loads(done.stdout)]))


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """Exit status and what was said of each file of declarations, asked in a namespace."""
    folder = tmp_path_factory.mktemp("declared")
    first = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]  # several folders have a conftest.py
    code = f"sys.path[:] = {[*first, *sys.path]!r}\nfrom test_gate_observe import *\n"
    code += f"play(Path({str(folder)!r}))\n"
    used = [f"{address}/32" for n in range(1, len(CASES) + 1) for address in addresses(n)]
    done = in_namespace(code, f"{ROOT}/32", *used, timeout=300)
    assert done.returncode == 0, done.stderr
    return {name: tuple(json.loads((folder / f"{name}.json").read_text())) for name in FILES}


@pytest.mark.parametrize("case", CASES)
def test_a_declaration_whose_servers_are_asked(case: str, judged: Judged) -> None:
    *_, verdict, rule = CASES[case]
    row = judged["all"][1]["rows"][list(CASES).index(case)]
    rules = {finding["rule"] for finding in row["findings"] if finding["rule"].startswith("DECLARED_")}
    assert row["verdict"] == verdict, row["findings"]
    assert rule in rules if rule else rules <= {"DECLARED_CERTIFICATE"}
    if case == "redirected, private":
        assert rules == {rule}, "nobody visits a private address"


@pytest.mark.parametrize(("file", "verdict"), [("all", (1, "not-ready")), ("right", (0, "ready"))])
def test_a_file_is_as_its_worst_row(file: str, verdict: tuple[int, str], judged: Judged) -> None:
    assert (judged[file][0], judged[file][1]["verdict"]) == verdict
