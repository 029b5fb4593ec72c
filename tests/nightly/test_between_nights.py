"""Between two nights: the package is upgraded, the clock goes back, dossiers stay as they were."""

import json
import os
from pathlib import Path

import pytest
from made_nights import customised, killed_after_audit, rewrite
from test_retention import make_run

AS_OF, NEXT = "2026-03-03T06:00:00Z", "2026-03-04T06:00:00Z"
AHEAD = "2031-01-01T060000Z"

UPGRADED = """
from importlib import metadata

real = metadata.version
metadata.version = lambda name: "9.9.9" if name == "mssante-audit" else real(name)
"""
"""Run at the start of an interpreter: the package is of another version there."""


@pytest.fixture
def upgraded(tmp_path: Path) -> dict[str, str]:
    """The environment of a night after an upgrade."""
    return customised(tmp_path / "upgraded", UPGRADED)


def renamed(run: Path, stamp: str) -> Path:
    """Let a run have begun at another time, and be the last one."""
    rewrite(run, stamp=stamp, good=stamp)
    (run.parents[1] / "state" / "run.json").write_bytes((run / "run.json").read_bytes())
    site = run.parents[1] / "site"
    site.unlink()
    site.symlink_to(f"runs/{stamp}/site")
    return run.rename(run.with_name(stamp))


# -- the package --------------------------------------------------------------------------------------------


def test_a_run_that_another_version_began_is_abandoned_and_nothing_is_new_for_it(after_two, upgraded):
    later = after_two
    run, first = later.runs
    counts = later.state("trend.json")[-1]
    killed_after_audit(first)
    status, out, errors = later.run(AS_OF, fresh=True, **upgraded)
    assert (status, errors) == (0, "")
    assert "gone on with" not in out
    assert json.loads((first / "run.json").read_text())["status"] == "abandoned"
    assert len(later.runs) == 3
    assert later.state("trend.json")[-1] == counts
    assert later.state("run.json")["good"] == later.runs[-1].name
    assert run.exists()


# -- the clock ----------------------------------------------------------------------------------------------


def test_after_a_clock_that_was_ahead_nights_go_on(later):
    (run,) = later.runs
    ahead = renamed(run, AHEAD)
    status, out, _ = later.play(pages=False)
    assert status == 0
    own = next(run for run in later.runs if run != ahead)
    assert later.state("run.json")["stamp"] == later.state("run.json")["good"] == own.name
    assert os.readlink(later.site) == f"runs/{own.name}/site"
    assert "NEW since 3 February 2026" in out or "new" in out
    assert [point["at"][:10] for point in later.state("trend.json")] == ["2026-02-03", "2026-03-03"]


def test_a_run_killed_under_a_clock_that_was_ahead_is_not_gone_on_with(later):
    ahead = renamed(later.runs[0], AHEAD)
    rewrite(ahead, status="running", exit_status=None, asked=AS_OF)
    status, out, _ = later.play(pages=False)
    assert status == 0
    assert "gone on with" not in out
    assert json.loads((ahead / "run.json").read_text())["status"] == "abandoned"
    assert len(later.runs) == 2


def test_a_run_killed_now_is_gone_on_with_though_another_is_dated_ahead(after_two):
    later = after_two
    ahead, killed = renamed(later.runs[0], AHEAD), killed_after_audit(later.runs[0])
    status, out, _ = later.play(pages=False)
    assert (status, "gone on with" in out) == (0, True)
    assert set(later.runs) == {ahead, killed}


def test_a_night_of_an_earlier_instant_makes_nothing_new_or_fixed_of_a_later_one(after_two):
    later = after_two
    ledger, (first, second) = later.state("ledger.json"), later.state("trend.json")
    assert later.play("2026-02-03T06:00:00Z", pages=False)[0] == 0
    assert later.state("trend.json") == [first, second]
    assert later.state("ledger.json") == ledger


# -- the disk -----------------------------------------------------------------------------------------------


def test_a_night_keeps_within_the_bytes_asked_and_the_last_good_one(place, settings):
    old = make_run(place.output, "2020-01-01T060000Z")
    (old / "findings.csv").write_bytes(b"x" * 10**6)
    settings(retention={"runs": 0, "bytes": 1, "at_least": 1})
    assert place.play(AS_OF, pages=False)[0] == 0
    (good,) = place.runs
    (place.folder / "data" / "waivers.toml").write_text("nonsense = 1")
    assert place.play(NEXT, pages=False)[0] == 3
    assert place.runs[0] == good
    assert len(place.runs) == 2
    (place.folder / "data" / "waivers.toml").unlink()
    assert place.play("2026-03-05", pages=False)[0] == 0
    assert len(place.runs) == 1
    assert good not in place.runs
