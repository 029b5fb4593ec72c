"""``mssante-audit observe dns``: what it writes and says, how it ends; docs/observing.md says what is so."""

import gzip
import json
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from subprocess import PIPE

import pytest
from commands import Done
from conftest import CATALOGUE
from dnslab import answering, in_namespace
from dnsworld import OP_NSD, PARENT
from made_up import xml_of
from typer.main import get_command

from mssante_audit.cli.observe import app
from mssante_audit.network import methods
from mssante_audit.observe.dns.run import ObserveSettings
from mssante_audit.observe.file import DNS, observation_files
from mssante_audit.observe.lines import OUTCOMES, STEPS, Reply
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
    ("options", "why"),
    [
        ("--resume", "no observation to go on with"),
        ("--parent-server 192.0.2.1", "Write NAME=ADDRESS"),
        ("--parent-server =192.0.2.1", "Write NAME=ADDRESS"),
        ("--resolver nom.example", "not an address"),
        ("--parent-zone a..b", "not a zone's name"),
        ("--timeout 0", "timeout wants more than 0"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(listed, run, options, why):
    done = run("observe", "dns", "--data", listed, *options.split())
    assert (done.returncode, why in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.stderr
    assert observation_files(listed) == []


@pytest.mark.parametrize("refusing", [False, True])
def test_the_command_ends_with_2_and_one_line_when_nobody_answers(port, serve, listed, run, refusing):
    if refusing:
        serve(PARENT, answering(lambda *_: {"aa": False, "rcode": 5}))
    options = f"--parent-server ns.example={PARENT} --port={port} --retries=0 --timeout=0.2"
    done = run("observe", "dns", "--data", listed, *options.split())
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
    (new,) = {*observation_files(listed)} - {old}
    assert load_observation(new).complete
    assert "ch-sain.mssante.fr,delegated" in run("methods", "--data", listed).stdout
    new.unlink()
    done = run("methods", "--data", listed)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("Update mssante-audit\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["--parent-server=ns.example=192.0.2.1", "--resolver=192.0.2.1"]])
def test_without_a_network_the_command_says_so_at_once_and_touches_nothing(observed, listed, words):
    observed()
    (file,) = observation_files(listed)
    # The command names its file by the second, and may well run in the same one.
    file = file.rename(file.with_name("dns-2026-01-01T060000Z.jsonl.gz"))
    file.write_bytes(before := file.read_bytes()[:-200])
    arguments = ["mssante-audit", "observe", "dns", "--data", str(listed), "--resume", "--timeout=30", *words]
    code = "import time; from mssante_audit.cli.main import main; begun = time.monotonic()\ntry: main()\n"
    done = in_namespace(f"sys.argv = {arguments!r}\n{code}finally: print(time.monotonic() - begun < 20)")
    assert (done.returncode, done.stdout) == (2, "True\n")
    assert done.stderr == "mssante-audit: no network: no route to any server. Nothing was written\n"
    assert observation_files(listed) == [file]
    assert file.read_bytes() == before


TEXT = (Path(__file__).parents[2] / "docs" / "observing.md").read_text(encoding="utf-8")
OPTIONS = {p.opts[0]: p for p in get_command(app).commands["dns"].params if p.opts[0] != "--data"}  # type: ignore[attr-defined]


def rows(heading: str) -> list[list[str]]:
    lines = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0].splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")
    ][2:]


def test_quoted_lines_are_the_sample_s():
    (file,) = (CATALOGUE / "observations").glob("dns-*.gz")
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    quoted = re.findall(r"```json\n(.*)\n```", TEXT)
    assert len(quoted) == 3
    assert quoted[1] == lines[18]
    assert set(quoted) <= set(lines)


def test_every_field_step_and_outcome_is_told():
    fields = re.findall(r"`(\w+)`", " ".join(cells[0] for cells in rows("The file")))
    assert fields == list(Reply._fields[:-1])
    assert all(f"`{step}`" in TEXT for step in STEPS)
    assert [cells[0].strip("`") for cells in rows("Outcomes")] == list(OUTCOMES)


def test_every_option_is_told_with_its_default():
    defaults = {cells[0].strip("`").split()[0]: cells[1].strip("`") for cells in rows("Options")}
    assert defaults.keys() == OPTIONS.keys()
    for name, option in OPTIONS.items():
        if isinstance(option.default, int | float) and not isinstance(option.default, bool):
            assert float(defaults[name]) == option.default
        elif isinstance(option.default, str) and option.default:
            assert defaults[name] == option.default


def test_politeness_is_the_settings_own():
    defaults = {name: field.default for name, field in ObserveSettings.model_fields.items()}
    assert f"at most {defaults['per_second']:.0f} queries a second in all" in TEXT
    assert f"{defaults['per_server_in_flight']} under way to one address" in TEXT
    assert f"after {defaults['retry_delay']:.0f} and {3 * defaults['retry_delay']:.0f} seconds" in TEXT
