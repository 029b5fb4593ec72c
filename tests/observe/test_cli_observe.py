"""``mssante-audit observe dns``: what it writes, what it says, how it ends."""

import gzip
import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from subprocess import PIPE

import pytest
from commands import Done
from dnslab import answering, in_namespace
from dnsscripts import PARENT
from dnsworld import OP_NSD
from made_up import xml_of

from mssante_audit.network import methods
from mssante_audit.observe.dns.run import ObserveSettings
from mssante_audit.observe.file import DNS
from mssante_audit.observe.folder import observation_files
from mssante_audit.observe.observation import load_observation


@pytest.fixture
def listed(tmp_path):
    domains = ("ch-sain.mssante.fr", "ch-redirige.mssante.fr", "a..b.mssante.fr")
    (tmp_path / "liste.xml").write_bytes(xml_of(*({"domain": domain} for domain in domains)))
    return tmp_path


def options(world: ObserveSettings) -> list[str]:
    servers = [f"--parent-server={name}={address}" for name, address in world.parent_servers]
    quick = f"--port={world.port} --per-server=100000 --retries=0 --timeout=0.5 --resolver {OP_NSD}"
    return [*servers, *quick.split()]


@pytest.fixture
def observed(run, world, listed):
    """Observe the list with options, all of which are good; return what became of the command."""

    def observe(*more: str) -> Done:
        done = run("observe", "dns", "--data", listed, *options(world), *more)
        assert "Traceback" not in done.stderr
        return done

    return observe


def test_the_command_observes_a_list(observed, listed):
    done = observed()
    assert done.returncode == 0, done.stderr
    (file,) = observation_files(listed)
    assert f"{file}: 3 domains" in done.stdout
    assert "'a..b.mssante.fr'" in done.stdout
    frame = methods(load_observation(file), ["ch-sain.mssante.fr", "ch-redirige.mssante.fr"])
    assert frame["method"].tolist() == ["delegated", "redirected"]
    again = observed("--resume")
    assert (again.returncode, "complete already" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("--resume", "no observation to go on with"),
        ("--parent-server 192.0.2.1", "Write NAME=ADDRESS"),
        ("--resolver nom.example", "not an address"),
        ("--parent-zone a..b", "not a zone's name"),
        ("--timeout 0", "timeout wants more than 0"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(listed, run, given, why):
    done = run("observe", "dns", "--data", listed, *given.split())
    assert (done.returncode, why in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.stderr
    assert observation_files(listed) == []


@pytest.mark.parametrize("refusing", [False, True])
def test_the_command_ends_with_2_and_one_line_when_nobody_answers(port, serve, listed, run, refusing):
    if refusing:
        serve(PARENT, answering(lambda *_: {"aa": False, "rcode": 5}))
    given = f"--parent-server ns.example={PARENT} --port={port} --retries=0 --timeout=0.2"
    done = run("observe", "dns", "--data", listed, *given.split())
    last = "no server of mssante.fr answers. Nothing was written: try again later"
    assert (done.returncode, done.stderr.strip().splitlines()[-1].endswith(last)) == (2, True), done.stderr
    assert {path.name for path in listed.iterdir()} == {"liste.xml"}


def test_ctrl_c_ends_the_command_with_130_and_it_goes_on(world, observed, listed):
    command = [sys.executable, "-m", "mssante_audit", "observe", "dns", "--data", str(listed)]
    process = subprocess.Popen([*command, *options(world), "--per-server=2"], stderr=PIPE)
    for _ in range(1500):
        time.sleep(0.02)
        if observation_files(listed):
            break
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, why = process.communicate(timeout=10)
    assert (process.returncode, b"Traceback" in why) == (130, False)
    (file,) = observation_files(listed)
    assert not load_observation(file).complete
    assert observed("--resume").returncode == 0
    assert observation_files(listed) == [file]
    assert load_observation(file).complete


def test_an_observation_that_cannot_be_read_keeps_nobody_from_making_another(observed, listed, run):
    old = listed / "observations" / "dns-2020-01-01T000000Z.jsonl.gz"
    old.parent.mkdir()
    newer = DNS._replace(version=DNS.version + 1)
    header = newer.header(datetime(2020, 1, 1, tzinfo=UTC), parent_zone="mssante.fr")
    old.write_bytes(gzip.compress(json.dumps(header).encode() + b"\n"))
    assert observed().returncode == 0
    (made,) = {*observation_files(listed)} - {old}
    assert load_observation(made).complete
    assert "ch-sain.mssante.fr,delegated" in run("methods", "--data", listed).stdout
    made.unlink()
    done = run("methods", "--data", listed)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("Update mssante-audit\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("given", [[], ["--parent-server=ns.example=192.0.2.1", "--resolver=192.0.2.1"]])
def test_without_a_network_the_command_says_so_at_once_and_touches_nothing(observed, listed, given):
    observed()
    (file,) = observation_files(listed)
    # The command names its file by the second, and may well run in the same one.
    file = file.rename(file.with_name("dns-2026-01-01T060000Z.jsonl.gz"))
    file.write_bytes(before := file.read_bytes()[:-200])
    arguments = ["mssante-audit", "observe", "dns", "--data", str(listed), "--resume", "--timeout=30", *given]
    code = "import time; from mssante_audit.cli.main import main; begun = time.monotonic()\ntry: main()\n"
    done = in_namespace(f"sys.argv = {arguments!r}\n{code}finally: print(time.monotonic() - begun < 20)")
    assert (done.returncode, done.stdout) == (2, "True\n")
    assert done.stderr == "mssante-audit: no network: no route to any server. Nothing was written\n"
    assert observation_files(listed) == [file]
    assert file.read_bytes() == before
