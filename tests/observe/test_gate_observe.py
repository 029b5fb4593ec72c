"""``gate --declaration --observe``: servers asked as if the parent pointed to them; each answer both ways.

They run in a network namespace of the test's own, with its root, on the real ports.
"""

import asyncio
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest
from conftest import CATALOGUE, toml
from dnslab import Script, Scripted, in_namespace
from dnsworld import names_server, zone_server
from smtplab import Script as Talk
from smtplab import saying, serving, tls
from typer.testing import CliRunner

from mssante_audit.cli.main import app
from mssante_audit.declarations.register import load_declarations
from mssante_audit.declarations.write import write_register
from tools.sample.certificates import make

ROOT = "198.41.0.4"
"""Of the shipped hints: a.root-servers.net."""
DN = "CN=mx.op.example,OU=399900000300015,O=ESSAI,ST=Paris (75),C=FR"


FORM = {
    "dn_igc_sante": DN, "dn_igc_cps": "", "delegation": True, "redirection": False, "mail_server": "",
    "primary_server": "ns1.{}", "secondary_server": "ns2.{}",
}  # fmt: skip
CASES = toml("observe/gate_observe")


FILES = {"all": [*CASES], "right": ["right", "redirected, right", "right, nobody at the mail server"]}
"""Files of declarations, and the cases in each."""


def addresses(number: int) -> list[str]:
    """Return the addresses of a case: two name servers, a mail server, and one where nobody is."""
    return [f"82.64.{number}.{host}" for host in range(1, 5)]


def zone(domain: str, operator: str, changes: dict[str, Any]) -> Script:
    """A name server of a declared domain, right but for what is given."""
    if changes.get("silent"):
        return lambda query, transport: []
    right = {"mx": "10 mx.{}.", "ns": "ns1.{}. ns2.{}."} | changes
    mx, ns = (right.pop(key).replace("{}", operator).replace("[]", domain) for key in ("mx", "ns"))
    return zone_server(domain, *([f"MX {mx}"] if mx else []), *(f"NS {name}" for name in ns.split()), **right)


def form(domain: str, operator: str, case: dict[str, Any]) -> dict[str, object]:
    cells = FORM | case.get("form", {})
    if "redirected" in case:
        cells |= {"delegation": False, "redirection": True, "mail_server": case["redirected"]}
        cells |= {"primary_server": "", "secondary_server": ""}
    texts = {name: text for name, text in cells.items() if isinstance(text, str)}
    return cells | {n: text.replace("{}", operator).replace("[]", domain) for n, text in texts.items()}


def play(folder: Path) -> None:
    """Serve all cases, and have each file judged, in a namespace with these addresses."""
    good = load_declarations(CATALOGUE / "declarations.csv").declarations.tail(1)
    hosts: dict[str, str] = {}
    talks: dict[str, Talk] = {}
    rows = {}
    with ExitStack() as stack:
        for number, (name, case) in enumerate(CASES.items(), 1):
            domain, operator = f"ch-{number}.mssante.fr", f"op{number}.example"
            first, second, mail, nobody = addresses(number)
            named = {"ns1": first, "ns2": second, "mx": mail, "away": nobody, "private": "10.0.0.1"}
            named |= {"alias": f"ns2.{operator}.", "ns6": f"2a01:e0a::{number}"}
            hosts |= {f"{label}.{operator}": address for label, address in named.items()}
            servers = case.get("servers", [] if "redirected" in case else [{}, {}])
            for address, changes in zip((first, second), servers, strict=False):
                if changes is not False:
                    stack.callback(Scripted(address, 53, zone(domain, operator, changes)).stop)
            if (presents := case.get("presents", DN)).endswith("\n"):
                talks[mail] = saying(presents, "250 mx\n", "221 bye\n")
            elif presents:
                then = saying(case["then"]) if "then" in case else None
                talks[mail] = tls(make(presents).files(folder / f"{number}"), then=then)
            rows[name] = good.assign(domain=domain, **form(domain, operator, case))
        stack.callback(Scripted(ROOT, 53, names_server(hosts, aa=True)).stop)
        loop = asyncio.new_event_loop()
        Thread(target=loop.run_forever, daemon=True).start()
        mail_servers = serving(talks, 25)  # they end with the last reference to them
        asyncio.run_coroutine_threadsafe(mail_servers.__aenter__(), loop).result(5)
        for name, cases in FILES.items():
            file = folder / f"{name}.csv"
            write_register(pd.concat([rows[case] for case in cases], ignore_index=True), file)
            done = CliRunner().invoke(app, [
                "gate", "--declaration", str(file), "--observe", "--data", str(CATALOGUE),
                "--as-of", "2026-03-03", "--format", "json", "--timeout=1.5", "--retries=0",
            ])  # fmt: skip
            assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
            (folder / f"{name}.json").write_text(json.dumps([done.exit_code, json.loads(done.stdout)]))


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Exit status and what was said of each file of declarations, asked in a namespace."""
    folder = tmp_path_factory.mktemp("declared")
    first = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]  # several folders have a conftest.py
    code = f"sys.path[:] = {[*first, *sys.path]!r}\nfrom test_gate_observe import *\n"
    code += f"play(Path({str(folder)!r}))\n"
    used = [f"{address}/32" for n in range(1, len(CASES) + 1) for address in addresses(n)]
    done = in_namespace(code, f"{ROOT}/32", *used, timeout=300)
    assert done.returncode == 0, done.stderr
    return {name: tuple(json.loads((folder / f"{name}.json").read_text())) for name in FILES}


@pytest.mark.parametrize("name", CASES)
def test_a_declaration_whose_servers_are_asked(name, judged):
    case, row = CASES[name], judged["all"][1]["rows"][list(CASES).index(name)]
    rules = {finding["rule"] for finding in row["findings"] if finding["rule"].startswith("DECLARED_")}
    assert row["verdict"] == case["verdict"], row["findings"]
    assert case["rule"] in rules if "rule" in case else rules <= {"DECLARED_CERTIFICATE"}
    if name == "redirected, private":
        assert rules == {"DECLARED_MAIL"}, "nobody visits a private address"


@pytest.mark.parametrize(("file", "verdict"), [("all", (1, "not-ready")), ("right", (0, "ready"))])
def test_a_file_is_as_its_worst_row(file, verdict, judged):
    assert (judged[file][0], judged[file][1]["verdict"]) == verdict
