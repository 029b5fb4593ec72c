"""The report on certificates, of the sample with mail servers that were visited: what it says is so."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from lxml import html
from smtplab import make

from mssante_audit.base.resources import resource
from mssante_audit.observe.dns.exchangers import addresses_of
from mssante_audit.observe.dns.view import view_of
from mssante_audit.observe.lines import instant
from mssante_audit.observe.tls.observation import FORMAT, VERSION
from mssante_audit.observe.tls.run import lines_of, servers_of
from mssante_audit.observe.tls.visit import Visit
from mssante_audit.report.run import Run, run_reports
from mssante_audit.space.trust import TrustSpace, load_space
from mssante_audit.verdicts.presented import expiries, servers_shown

AS_OF = "2026-03-03T06:00:00Z"
PLAIN = re.compile(r"[A-Za-z0-9 =,.()'-]+")


def observation(space: TrustSpace) -> Iterator[dict[str, Any]]:
    """Yield the lines of an observation: hosts present what is listed first, and one thing each is wrong."""
    assert space.observation is not None
    at = space.as_of - timedelta(days=1)
    root = make("CN=AC FICTIVE,C=FR", ca=True, days=9_999)
    texts = space.audited.drop_duplicates("cn").set_index("cn")["dn"]
    hosts = addresses_of(view_of(space.observation), space.audited["domain"].unique().tolist())
    yield {"format": FORMAT, "version": VERSION, "at": instant(at), "dns": space.observation.source}
    written: set[str] = set()
    for number, server in enumerate(servers_of(hosts, 25)):
        dn = next((texts[host] for host in server.hosts if host in texts.index), "CN=x,C=FR")
        seen = Visit("busy", "421 <b>later</b>")
        if number % 4 and PLAIN.fullmatch(dn):
            own = make(dn, root, start=at - timedelta(100), days=104 + 20 * number)
            seen = Visit("presented", protocol="TLSv1.3", cipher="X", chain=(own.der,))
        yield from lines_of(server, seen, at, 1, written)
    yield {"end": instant(at), "complete": True}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(copytree(resource("data/sample"), tmp_path_factory.mktemp("tls") / "data"))
    lines = "".join(f"{json.dumps(one)}\n" for one in observation(load_space(folder, as_of=AS_OF)))
    file = folder / "observations" / "tls-2026-03-02T060000Z.jsonl.gz"
    file.write_bytes(gzip.compress(lines.encode(), mtime=0))
    return folder


@pytest.fixture(scope="module")
def space(data: Path) -> TrustSpace:
    return load_space(data, as_of=AS_OF)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("out")
    return run_reports(["certificates"], out=out, parameters={"data": str(data), "as_of": AS_OF})


def text_of(run: Run) -> str:
    page = html.fromstring((run.out / "certificates.html").read_text(encoding="utf-8"))
    return " ".join(page.find(".//main").text_content().split())


def test_the_report_counts_what_its_frames_hold(run: Run, space: TrustSpace) -> None:
    (outcome,) = run.outcomes
    assert outcome.failure is None
    text, served, ending = text_of(run), servers_shown(space), expiries(space)
    known = served[served["outcome"] == "presented"]
    alone = ending[ending["alone"]]
    assert len(known) > 5
    assert known["domain"].nunique() + (served["outcome"] == "busy").sum() > 0
    assert f"{alone['domain'].nunique()} domaines ont un certificat dont la fin est connue" in text
    soon = alone[alone["days"].between(0, 59)]
    assert f"{soon['domain'].nunique()} domaine" in text
    assert "421 <b>later</b>" in text
    blind = space.audited["domain"].nunique() - known["domain"].nunique()
    assert f"Domaines inconnus{blind}" in text.replace("Domaines inconnus ", "Domaines inconnus")


def test_every_family_of_the_audit_has_its_section(run: Run) -> None:
    text = text_of(run)
    for family in ("Nom présenté et nom inscrit", "Chaîne et révocation", "Force et usage", "Serveurs"):
        assert family in text
    assert "Serveurs dont rien n’est connu" in text
