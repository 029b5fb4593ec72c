"""What changed in the DNS between two observations: the command, the function, the report's part."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from made_up_dns import AT, DELEGATED, REDIRECTED, Scene
from typer.testing import CliRunner

from mssante_audit.base.errors import InputError
from mssante_audit.cli.main import app
from mssante_audit.observe.folder import default_path
from mssante_audit.observe.observation import load_observation
from mssante_audit.verdicts.differences import Answers, answers_of, differences
from tools.sample.dns_world import observe_world

HOUR = timedelta(hours=1)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    scene = Scene()
    scene.parent.add("ch-gamma.mssante.fr", "MX", "10 mss.beta.example")
    return _observed(scene, tmp_path, 0), _observed(_changed(scene), tmp_path, 1)


def _changed(scene: Scene) -> Scene:
    scene.host("ns3.gamma.example", "203.0.113.3").servers("ns1.alpha.example", "ns3.gamma.example")
    scene.world.serve(scene.zone, "203.0.113.3")
    scene.parent.records[REDIRECTED]["MX"] = ["10 mss.alpha.example", "20 mss.beta.example"]
    del scene.parent.records["ch-gamma.mssante.fr"]
    return scene


def _observed(scene: Scene, folder: Path, hours: int, *domains: str) -> Path:
    at = AT + hours * HOUR
    file = default_path(folder, at)
    observe_world(scene.world, list(domains or (DELEGATED, REDIRECTED, "ch-gamma.mssante.fr")), file, at)
    return file


def answers_in(file: Path) -> Answers:
    return answers_of(load_observation(file))


ALPHA, BETA = "mss.alpha.example", "mss.beta.example"
BEFORE, AFTER = (f"ns1.alpha.example | {other}.gamma.example" for other in ("ns2", "ns3"))
CHANGED = [
    (DELEGATED, "servers", "changed", BEFORE, AFTER),
    (REDIRECTED, "exchangers", "changed", f"10 {BETA}", f"10 {ALPHA} | 20 {BETA}"),
    ("ch-gamma.mssante.fr", "method", "changed", "redirected", "none"),
    ("ch-gamma.mssante.fr", "exchangers", "changed", f"10 {BETA}", ""),
    ("ch-gamma.mssante.fr", "receives", "changed", "yes", "no"),
]


def test_servers_exchangers_and_method_are_compared(pair):
    rows = differences(*map(answers_in, pair))
    assert sorted(rows.itertuples(index=False, name=None)) == sorted(CHANGED)
    assert differences(answers_in(pair[0]), answers_in(pair[0])).empty


def test_what_one_did_not_ask_or_hear_is_unknown_and_not_gone(tmp_path):
    scene = Scene()
    whole = _observed(scene, tmp_path, 0)
    spot = _observed(scene, tmp_path, 1, REDIRECTED)
    rows = differences(answers_in(whole), answers_in(spot))
    assert set(rows["change"]) == {"unknown"}
    assert REDIRECTED not in set(rows["domain"])
    for address in ("192.0.2.10", "192.0.2.11"):
        scene.server(address).silent = ("udp", "tcp")
    silent = _observed(scene, tmp_path, 2, REDIRECTED)
    rows = differences(answers_in(spot), answers_in(silent))
    assert rows["change"].tolist() == ["unknown"] * len(rows)
    assert rows["after"].tolist() == [""] * len(rows)
    assert len(rows)


def test_two_zones_are_not_compared(pair):
    first, then = map(answers_in, pair)
    with pytest.raises(InputError, match=r"of the zone essai\.example, not mssante\.fr"):
        differences(first, Answers(then.source, then.started_at, "essai.example", then.of))


def run(*words: str) -> str:
    done = CliRunner().invoke(app, ["observe", "diff", *words])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_takes_files_or_dates(pair, tmp_path):
    text = run(*map(str, pair))
    assert f"{DELEGATED}: servers: {BEFORE} -> {AFTER}" in text
    assert "ch-gamma.mssante.fr: exchangers: 10 mss.beta.example -> none" in text
    assert text == run("2026-03-02T06:00:00Z", "2026-03-02T07:30:00Z", "--data", str(tmp_path))
    same = run("2026-03-02", "2026-03-02", "--data", str(tmp_path))
    assert same.splitlines()[2:] == ["nothing changed"]


def test_the_command_writes_csv_and_json(pair, tmp_path):
    out = tmp_path / "d.json"
    run(*map(str, pair), "--format", "json", "--out", str(out))
    assert len(json.loads(out.read_text(encoding="utf-8"))) == len(CHANGED)
    assert run(*map(str, pair), "--format", "csv").splitlines()[0] == "domain,what,change,before,after"


@pytest.mark.parametrize(
    ("first", "why"),
    [("nope", "no such observation, nor a date"), ("2020-01-01", "no whole observation of 2020-01-01")],
)
def test_what_is_no_observation_is_one_clear_line(first, why):
    done = CliRunner().invoke(app, ["observe", "diff", first, "2026-03-02"])
    assert done.exit_code != 0
    assert why in str(done.exception or done.output)
