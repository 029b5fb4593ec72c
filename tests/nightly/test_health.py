"""What a monitor is told: `doctor --health`, and the metrics, read by Prometheus's own parser."""

import json
import shutil
from collections import namedtuple
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from made_nights import night, state
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from mssante_audit.cli.main import app
from mssante_audit.nightly.config import load_config
from mssante_audit.nightly.doctor import health
from mssante_audit.nightly.mail import metrics
from mssante_audit.nightly.night import Run, stamp_of
from mssante_audit.space.states import State

NOW = datetime.now(UTC)
Change = Callable[[dict[str, Any]], object]


def told(place, *words: str) -> tuple[int, str]:
    config = ["--config", str(place.folder / "audit.toml")]
    done = CliRunner().invoke(app, ["doctor", "--health", *config, *words])
    return done.exit_code, done.output


def edit(place, change: Change) -> None:
    file = place.output / "state" / "run.json"
    record = json.loads(file.read_text())
    change(record)
    file.write_text(json.dumps(record))


def hooks_failed(record: dict[str, Any]) -> None:
    (step,) = (step for step in record["steps"] if step["step"] == "hooks")
    step |= {"outcome": "failed", "message": "mail (failure): 535 no"}


def ago(hours: float) -> str:
    return stamp_of(NOW - timedelta(hours=hours))


def test_a_good_night_is_well(later) -> None:
    status, out = told(later)
    assert status == 0, out
    assert {line.split()[0] for line in out.splitlines()} == {"ok"}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda r: r.update(good=ago(40)), "ill      last good run"),
        (lambda r: r.update(good=""), "ill      last good run: there was none"),
        (lambda r: r.update(exit_status=3), "exit status 3"),
        (lambda r: r.update(exit_status=4), "exit status 4"),
        (lambda r: r.update(stamp=ago(40), status="running", exit_status=None), "running since"),
        (lambda r: r.update(status="abandoned", exit_status=None), "abandoned since"),
        (lambda r: r.update(stamp=ago(-5)), "after now"),
        (lambda r: r.update(stamp=7), "cannot be read"),
        (lambda r: r.clear(), "cannot be read"),
        (hooks_failed, "ill      hooks: mail (failure): 535 no"),
        (lambda r: r.update(exit_status=1), ""),  # findings are no illness
        (lambda r: r.update(stamp=ago(1), status="running", exit_status=None), ""),  # nor is a run at work
    ],
)
def test_what_is_ill_is_told(later, change: Change, what: str) -> None:
    edit(later, change)
    status, out = told(later)
    assert status == bool(what)
    assert what in out


def test_no_run_at_all_and_no_settings(place) -> None:
    assert told(place) == (1, "ill      last run: there was none. Look at what should start it\n")
    done = CliRunner().invoke(app, ["doctor", "--health"])
    assert done.exit_code != 0


def test_a_full_disk(later, monkeypatch) -> None:
    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 10**6))
    (sign,) = (s for s in health(load_config(later.folder / "audit.toml")) if s.what == "disk")
    assert sign.state == "missing"


# -- metrics ------------------------------------------------------------------------------------------------


def parsed(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    families = list(text_string_to_metric_families(text))
    assert all(family.type == "gauge" and family.documentation for family in families)
    return {f.name: {tuple(s.labels.values()): s.value for s in f.samples} for f in families}


def test_the_metrics_of_a_night(later) -> None:
    found = parsed((later.output / "state" / "metrics.prom").read_text(encoding="utf-8"))
    assert found["mssante_audit_exit_status"] == {(): 0}
    (good,) = found["mssante_audit_last_success_timestamp_seconds"].values()
    (ended,) = found["mssante_audit_last_run_timestamp_seconds"].values()
    assert 0 < ended - good < 3600
    findings = json.loads((later.runs[-1] / "findings.json").read_text(encoding="utf-8"))
    counted = found["mssante_audit_findings"]
    assert sum(n for (_, s), n in counted.items() if s in ("new", "open")) == len(findings)
    assert set(found["mssante_audit_step_seconds"]) >= {("audit",), ("site",), ("hooks",)}
    assert found["mssante_audit_input_ok"]["list", "ok"] == 1


def test_metrics_of_any_night_can_be_parsed() -> None:
    names = 'evil"name\\', "two\nlines"
    inputs = (state("list", "stale"), *(State(name, "ok", 3) for name in names))
    blind = night(*inputs, failed=("audit",))
    found = parsed(metrics(blind, Run(stamp="2026-03-03T060000Z"), NOW))
    assert found["mssante_audit_findings"] == {}
    assert found["mssante_audit_last_success_timestamp_seconds"] == {}
    assert found["mssante_audit_step_failed"]["audit",] == 1
    assert {labels[0] for labels in found["mssante_audit_input_ok"]} == {"list", *names}
