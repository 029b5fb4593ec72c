"""``mssante-audit observe dns``: what it writes, what it says, how it ends."""

import gzip
import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from dnslab import in_namespace
from dnsscripts import PARENT
from dnsworld import OP_NSD, World
from typer.testing import CliRunner

from mssante_audit.base.errors import InputError
from mssante_audit.cli.observe import app
from mssante_audit.network import methods
from mssante_audit.observe.file import DNS
from mssante_audit.observe.folder import observation_files
from mssante_audit.observe.observation import load_observation
from mssante_audit.whitelist.load import NAMESPACE


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    domains = ("ch-sain.mssante.fr", "ch-redirige.mssante.fr", "a..b.mssante.fr")
    rows = "".join(
        f"<Domaine><Nom>{d}</Nom><Description>Fictif</Description><DNCertificatOperateur>CN=mss.alpha.example,"
        "OU=1010000001,O=CH FICTIF,ST=Ain (01),C=FR</DNCertificatOperateur>"
        "<ResponsableContact>04 65 71 00 01, a@alpha.example</ResponsableContact>"
        "<SupportContact>04 65 71 00 01, a@alpha.example</SupportContact>"
        "<DateMAJ>2026-01-05T10:00:00Z</DateMAJ></Domaine>"
        for d in domains
    )
    (tmp_path / "liste.xml").write_text(
        f'<ListeBlancheMSSante xmlns="{NAMESPACE}"><DateDeGeneration>2026-03-02T05:30:00Z</DateDeGeneration>'
        f"<ListeDomaines>{rows}</ListeDomaines></ListeBlancheMSSante>"
    )
    return tmp_path


def options(world: World) -> list[str]:
    servers = [f"--parent-server={name}={address}" for name, address in world.settings.parent_servers]
    quick = f"--port={world.port} --per-server=100000 --retries=0 --timeout=0.5 --resolver {OP_NSD}"
    return [*servers, *quick.split()]


def test_the_command_observes_a_list(world: World, listed: Path) -> None:
    done = CliRunner().invoke(app, ["dns", "--data", str(listed), *options(world)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (file,) = observation_files(listed)
    assert f"{file}: 3 domains" in done.output
    assert "'a..b.mssante.fr'" in done.output
    frame = methods(load_observation(file), ["ch-sain.mssante.fr", "ch-redirige.mssante.fr"])
    assert frame["method"].tolist() == ["delegated", "redirected"]
    again = CliRunner().invoke(app, ["dns", "--data", str(listed), "--resume", *options(world)])
    assert isinstance(again.exception, InputError)
    assert "complete already" in str(again.exception)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["--resume"], "no observation to go on with"),
        (["--parent-server", "192.0.2.1"], "Write NAME=ADDRESS"),
        (["--resolver", "nom.example"], "not an address"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(listed: Path, given: list[str], why: str) -> None:
    done = CliRunner().invoke(app, ["dns", "--data", str(listed), *given])
    assert why in str(done.exception)
    assert observation_files(listed) == []


COMMAND = [sys.executable, "-m", "mssante_audit"]
IN_PLACE: dict[str, Any] = {"cwd": Path(__file__).parents[2], "stdout": PIPE, "stderr": PIPE}


def run_command(*given: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *given], text=True, check=check, timeout=60, **IN_PLACE)


def observed(listed: Path, *given: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    return run_command("observe", "dns", "--data", str(listed), *given, check=check)


def test_the_command_ends_with_2_and_one_line_when_nobody_answers(port: int, listed: Path) -> None:
    given = f"--parent-server ns.example={PARENT} --port={port} --retries=0 --timeout=0.2"
    done = observed(listed, *given.split())
    assert done.returncode == 2
    last = "no server of mssante.fr answers. Nothing was written: try again later"
    assert done.stderr.strip().splitlines()[-1].endswith(last)
    assert "Traceback" not in done.stderr
    assert observation_files(listed) == []


def test_ctrl_c_ends_the_command_with_130_and_it_goes_on(world: World, listed: Path) -> None:
    given = ["observe", "dns", "--data", str(listed), *options(world)]
    process = subprocess.Popen([*COMMAND, *given, "--per-server=2"], **IN_PLACE)
    for _ in range(1500):
        time.sleep(0.02)
        if observation_files(listed):
            break
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, why = process.communicate(timeout=10)
    assert process.returncode == 130
    assert b"Traceback" not in why
    (file,) = observation_files(listed)
    assert not load_observation(file).complete
    observed(listed, *options(world), "--resume", check=True)
    assert observation_files(listed) == [file]
    assert load_observation(file).complete


def test_an_observation_that_cannot_be_read_keeps_nobody_from_making_another(
    world: World, listed: Path
) -> None:
    old = listed / "observations" / "dns-2020-01-01T000000Z.jsonl.gz"
    old.parent.mkdir()
    newer = DNS._replace(version=DNS.version + 1)
    header = newer.header(datetime(2020, 1, 1, tzinfo=UTC), parent_zone="mssante.fr")
    old.write_bytes(gzip.compress(json.dumps(header).encode() + b"\n"))
    observed(listed, *options(world), check=True)
    made = [file for file in observation_files(listed) if file != old]
    assert [load_observation(file).complete for file in made] == [True]
    done = run_command("methods", "--data", str(listed), check=True)
    assert "ch-sain.mssante.fr,delegated" in done.stdout
    made[0].unlink()
    done = run_command("methods", "--data", str(listed))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("Update mssante-audit\n")
    assert done.stderr.count("\n") == 1


def test_without_a_network_the_command_says_so_and_touches_nothing(world: World, listed: Path) -> None:
    observed(listed, *options(world), check=True)
    (file,) = observation_files(listed)
    # The command names its file by the second, and may well run in the same one.
    file = file.rename(file.with_name("dns-2026-01-01T060000Z.jsonl.gz"))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) * 2 // 3])
    before = file.read_bytes()
    arguments = ["mssante-audit", "observe", "dns", "--data", str(listed), "--resume"]
    done = in_namespace(f"sys.argv = {arguments!r}\nfrom mssante_audit.cli.main import main\nmain()")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mssante-audit: no network: no route to any server. Nothing was written\n"
    assert observation_files(listed) == [file]
    assert file.read_bytes() == before
