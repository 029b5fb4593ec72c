"""Nightly runs of the sample's archive, started as cron starts them: in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from conftest import CATALOGUE
from dnslab import free_port, need_servers, start_nsd
from loopback import give, serving

from mssante_audit.nightly.config import load_config
from mssante_audit.nightly.faults import check
from mssante_audit.nightly.night import Result
from mssante_audit.nightly.run import run
from mssante_audit.nightly.steps import Job, perform

AS_OF = "2026-03-03T06:00:00Z"
MONTH_BEFORE = "2026-02-03T06:00:00Z"

Values = Mapping[str, Mapping[str, Any] | Any]


@dataclass(frozen=True)
class Place:
    """A folder with data, settings and, once there was a run, output."""

    folder: Path

    @property
    def output(self) -> Path:
        return self.folder / "output"

    @property
    def site(self) -> Path:
        return self.output / "site"

    @property
    def runs(self) -> list[Path]:
        return sorted(f for f in (self.output / "runs").iterdir() if not f.name.startswith("."))

    def settings(self, values: Values) -> None:
        """Write audit.toml."""
        plain = {name: value for name, value in values.items() if not isinstance(value, Mapping)}
        lines = [f"{name} = {json.dumps(value)}" for name, value in plain.items()]
        for name, section in values.items():
            if isinstance(section, Mapping):
                lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
        (self.folder / "audit.toml").write_text("\n".join(lines), encoding="utf-8")

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "mssante_audit", *words]

    def start(self, *words: str, fresh: bool = False, **environment: str) -> subprocess.Popen[str]:
        """Start a run and let it go on; a `fresh` one and its steps are no forks, but parent and children."""
        return subprocess.Popen(
            [sys.executable, *(["-u"] if fresh else []), *self.command("run", *words)[1:]],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, as_of: str = AS_OF, *, fresh: bool = False, **environment: str) -> tuple[int, str, str]:
        """Do a run; return status, output and errors."""
        process = self.start("--as-of", as_of, fresh=fresh, **environment)
        out, errors = process.communicate(timeout=300)
        return process.returncode, out, errors

    def play(self, as_of: str = AS_OF, *, pages: bool = True) -> tuple[int, str, str]:
        """Do a night in this process; return status, mail and "". Without pages its site is empty."""

        def quick(step: str, job: Job) -> Result:
            return Result(step=step, outcome="done") if step == "site" else perform(step, job)

        config = load_config(self.folder / "audit.toml")
        check(config)
        night = run(config, as_of=as_of, perform=perform if pages else quick)
        return night.exit_status, (night.folder / "summary.txt").read_text(encoding="utf-8"), ""

    def state(self, name: str) -> Any:
        content = json.loads((self.output / "state" / name).read_text(encoding="utf-8"))
        return content.get("scopes") or content.get("points") or content

    def log(self) -> list[dict[str, Any]]:
        lines = (self.output / "state" / "log.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def outcomes(self) -> dict[str, str]:
        """What became of the steps of the last run."""
        return {step["step"]: step["outcome"] for step in self.state("run.json")["steps"]}


SETTINGS = {
    "data": {"folder": "data"},
    "reports": {"enabled": False},
    "dossiers": {"enabled": False},
    "mail": {"lang": "en"},
}
"""The shortest night: audit and site."""
TELL = """
import json, os
told = {name: value for name, value in os.environ.items() if name.startswith("MSSANTE_")}
folder = os.path.join(os.path.dirname(told["MSSANTE_OUTPUT"]), "told")
os.makedirs(folder, exist_ok=True)
with open(os.path.join(folder, told["MSSANTE_EVENT"]), "w") as file:
    json.dump(told, file)
"""
HOOKED = SETTINGS | {
    "hooks": {event: [[sys.executable, "-c", TELL]] for event in ("success", "failure", "new_findings")}
}
"""Of the nights that many tests look at: hooks write down what they are told, too."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with the sample's archive and the shortest settings."""
    return make_place(tmp_path)


Said = tuple[int, str, str]
"""Status, output and errors of a run."""


@pytest.fixture(scope="session")
def first_said(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Said]:
    """A place after a run as of a month before, not to be changed, and what that said."""
    place = make_place(tmp_path_factory.mktemp("first"), HOOKED)
    return place, place.run(MONTH_BEFORE)


@pytest.fixture(scope="session")
def first_night(first_said: tuple[Place, Said]) -> Place:
    """A place after a good run as of a month before; not to be changed."""
    place, (status, _, errors) = first_said
    assert status == 0, errors
    return place


@pytest.fixture(scope="session")
def two_nights(
    first_said: tuple[Place, Said], first_night: Place, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Place, Said, Said]:
    """The sample's list of February, then that of March: a place not to be changed, and what was said."""
    place = make_place(tmp_path_factory.mktemp("second"), HOOKED)
    copytree(first_night.output, place.output, symlinks=True)
    return place, first_said[1], place.run(AS_OF)


@pytest.fixture(scope="session")
def failed_night(first_night: Place, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Said]:
    """A place after a good night and one whose audit failed, not to be changed, and what was said then."""
    place = make_place(tmp_path_factory.mktemp("failed"), HOOKED)
    copytree(first_night.output, place.output, symlinks=True)
    (place.folder / "data" / "waivers.toml").write_text("nonsense = 1")
    return place, place.run(AS_OF)


@pytest.fixture
def after_two(two_nights: tuple[Place, Said, Said], place: Place) -> Place:
    """A place where there were good runs as of a month before and of now."""
    made, _, (status, _, errors) = two_nights
    assert status == 0, errors
    copytree(made.output, place.output, symlinks=True)
    place.settings(with_anchors(HOOKED))
    return place


@pytest.fixture
def later(first_night: Place, place: Place) -> Place:
    """A place where there was a good run as of a month before."""
    copytree(first_night.output, place.output, symlinks=True)
    return place


def make_place(folder: Path, settings: Values = SETTINGS) -> Place:
    sample, data = CATALOGUE, folder / "data"
    copytree(sample / "archive", data / "archive")
    copytree(sample / "anchors", data / "anchors")
    made = Place(folder)
    made.settings(with_anchors(settings))
    return made


def with_anchors(values: Values) -> dict[str, Any]:
    return {**values, "data": {"folder": "data", "anchors": ["data/anchors"], **values.get("data", {})}}


@pytest.fixture
def settings(place: Place) -> Callable[..., None]:
    """A function that changes sections of the shortest settings."""

    def change(**sections: Any) -> None:
        merged = {
            name: {**SETTINGS.get(name, {}), **value} if isinstance(value, Mapping) else value
            for name, value in sections.items()
        }
        place.settings(with_anchors({**SETTINGS, **merged}))

    return change


@pytest.fixture
def zone(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A name server whose zone names one mail server for all; yields what ``[observe]`` is to say."""
    need_servers()
    address, port = "127.0.53.41", free_port()
    text = f"@ NS ns1\n@ SOA ns1 hostmaster 7 3600 600 86400 300\nns1 A {address}\n* MX 10 ns1\n"
    daemon = start_nsd(tmp_path / "parent", [address], port, {"mssante.fr": text})
    yield {
        "enabled": True, "parent_servers": [f"ns1.mssante.fr={address}"], "resolvers": [address],
        "port": port, "timeout": 0.5, "retries": 0, "per_server": 1000, "only": "ch-*",
    }  # fmt: skip
    daemon.stop()


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Place]:
    """A function that makes places, for tests that want several."""
    return lambda: make_place(tmp_path_factory.mktemp("place"))


@pytest.fixture
def served() -> Iterator[Callable[[bytes], str]]:
    """A function that serves a content on loopback and returns its address."""
    with ExitStack() as servers:
        yield lambda content: servers.enter_context(serving(give(content)))
