"""The night's observations: killed and gone on with; visits off unless asked for; is port 25 let out."""

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import toml
from dnslab import free_port
from made_nights import signs
from smtplab import Script, saying, serving, tls
from tlsmade import visits_of

from mssante_audit.observe.observation import load_observation
from mssante_audit.observe.tls.observation import load_tls
from tools.sample.certificates import make

CASES = toml("nightly/doctor")

SERVER = "127.0.53.41"  # as in the zone's fixture
TOLERATED = ["list:stale", "archive:stale", "dns:future", "tls:future"]
"""The sample is of the past, the answers are of now."""


@contextmanager
def speaking(script: Script) -> Iterator[int]:
    """Let a mail server listen in a thread; yields its port."""
    ports: list[int] = []
    ready, over = threading.Event(), threading.Event()

    async def listen() -> None:
        async with serving({SERVER: script}) as port:
            ports.append(port)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(listen()))
    thread.start()
    try:
        assert ready.wait(10)
        yield ports[0]
    finally:
        over.set()
        thread.join()


def visits(place, kind: str = "tls"):
    return sorted((place.folder / "data" / "observations").glob(f"{kind}-*"))


def killed_at_work(place, kind: str, size: int = 0) -> Path:
    """Start a run and kill it while it observes; return the file it had begun."""
    process, until = place.start(), time.monotonic() + 60
    while not (files := visits(place, kind)) or files[0].stat().st_size < size:
        assert time.monotonic() < until
        time.sleep(0.02)
    process.kill()
    process.communicate()
    return files[0]


def test_the_night_observes_and_a_killed_observation_is_gone_on_with_in_the_same_file(place, settings, zone):
    settings(inputs={"tolerated": ["list:stale", "dns:future"]}, observe=zone | {"per_server": 30})
    file = killed_at_work(place, "dns", 500)
    assert not load_observation(file).complete
    status, out, errors = place.run("")
    assert (status, errors) == (0, ""), out
    assert visits(place, "*") == [file]
    assert file.name == f"dns-{place.runs[-1].name}.jsonl.gz"
    seen = load_observation(file)
    assert (seen.complete, len(seen.replies) > 20, "gone on with" in out) == (True, True, True)


def test_the_night_visits_those_whom_its_own_observation_names(place, settings, zone, tmp_path):
    certificate = make("CN=mx.valfictif.example,O=FICTIF,C=FR")
    with speaking(tls(certificate.files(tmp_path / "mx"))) as port:
        visiting = {"enabled": True, "port": port, "pause": 0.0, "only": "ch-*"}
        settings(inputs={"tolerated": TOLERATED}, observe=zone, observe_tls=visiting)
        status, out, errors = place.run(datetime.now(UTC).isoformat())
    assert (status, errors) == (0, ""), out
    (file,) = visits(place)
    assert file.name == f"tls-{place.runs[-1].name}.jsonl.gz"
    seen = load_tls(file)
    assert (seen.complete, visits_of(seen)["outcome"].tolist()) == (True, ["presented"])
    inputs = {record["name"]: record["state"] for record in place.state("run.json")["inputs"]}
    assert (inputs["dns"], inputs["tls"]) == ("ok", "ok")
    assert '"TLS_NAME_UNLISTED"' in (place.runs[-1] / "findings.json").read_text()


def test_visits_of_a_run_that_was_killed_are_gone_on_with_in_the_same_file(place, settings, zone, tmp_path):
    certificate = make("CN=mx.valfictif.example,O=FICTIF,C=FR")
    calm = {"enabled": True, "pause": 0.0, "only": "ch-*", "timeout": 60.0}
    silence, later = saying("220 mx\r\n", "", then=60), tls(certificate.files(tmp_path / "mx"))
    turns = iter([silence])

    async def turn(wire):
        await next(turns, later)(wire)

    with speaking(turn) as port:
        settings(inputs={"tolerated": TOLERATED}, observe=zone, observe_tls={**calm, "port": port})
        killed_at_work(place, "tls")
        status, out, errors = place.run("")
    assert (status, errors) == (0, ""), out
    (file,) = visits(place)
    seen = load_tls(file)
    assert (seen.complete, visits_of(seen)["outcome"].tolist()) == (True, ["presented"])


def test_visits_need_an_observation_of_the_dns_and_are_an_absent_input_until_they_are_made(place, settings):
    settings(observe_tls={"enabled": True}, inputs={"tolerated": ["tls:absent", "dns:absent"]})
    status, out, _ = place.play(pages=False)
    assert (status, place.outcomes()["audit"], visits(place)) == (3, "done", [])
    assert re.search("FAILED observe_tls.* no observation of the DNS", " ".join(out.split()))
    (tls,) = [record for record in place.state("run.json")["inputs"] if record["name"] == "tls"]
    assert tls["state"] == "absent"


WAY_OUT = "way out to mail servers"


def test_the_doctor_connects_to_nobody_unless_told_to_whom(place, settings, monkeypatch):
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("connected"))
    settings()
    assert signs(place, WAY_OUT) == []
    settings(observe_tls={"enabled": True})
    (sign,) = signs(place, WAY_OUT)
    assert (sign.state, sign.found) == ("warn", "unknown: no server to try port 25 of")
    assert "observe_tls.try_host" in sign.remedy


@pytest.mark.parametrize(
    ("greeting", "enabled", "state", "words"),
    [
        (None, True, "missing", "connection refused"),
        (None, False, "warn", "connection refused"),
        *CASES["greetings"],
    ],
)
def test_the_doctor_says_whether_the_port_goes_out(place, settings, greeting, enabled, state, words):
    server = saying(greeting or "", then=0.0 if greeting else 5.0)
    with nullcontext(free_port()) if greeting is None else speaking(server) as port:
        settings(observe_tls={"enabled": enabled, "port": port, "timeout": 0.5, "try_host": SERVER})
        (sign,) = signs(place, WAY_OUT)
    assert (sign.state, sign.found.startswith(f"port {port} of {SERVER}")) == (state, True)
    assert words in sign.found
