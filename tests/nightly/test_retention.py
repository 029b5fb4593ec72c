"""Retention removes runs, and nothing that only looks like one."""

import gzip
import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree

import pytest
from conftest import CATALOGUE, toml
from made_nights import rewrite

from mssante_audit.nightly.config import Retention
from mssante_audit.nightly.end import outdated, outdated_observations, remove_run
from mssante_audit.nightly.night import Run, files_of, read_run, shown_run, write_run
from mssante_audit.observe.file import Form

CASES = toml("nightly/retention")
NOW = datetime(2026, 3, 31, 6, tzinfo=UTC)
STAMPS = [f"2026-03-{day:02}T060000Z" for day in range(1, 31)]


def make_run(output: Path, stamp: str) -> Path:
    folder = output / "runs" / stamp
    (folder / "site").mkdir(parents=True)
    (folder / "site" / "index.html").write_text("x")
    (output / "state").mkdir(exist_ok=True)
    write_run(folder, Run(stamp=stamp))
    return folder


@pytest.fixture
def output(tmp_path):
    for stamp in STAMPS:
        make_run(tmp_path / "output", stamp)
    return tmp_path / "output"


def names(folders: list[Path]) -> list[str]:
    return [folder.name for folder in folders]


def kept(**rules: int) -> Retention:
    return Retention(**{"runs": 0, "at_least": 1, **rules})


@pytest.mark.parametrize(("rules", "case", "removed", "but"), CASES["keep"])
def test_what_is_asked_is_kept_and_the_newest_in_any_case(output, rules, case, removed, but):
    if "shown" in case:
        (output / "site").symlink_to(f"runs/{STAMPS[case['shown']]}/site")
        assert shown_run(output) == STAMPS[case["shown"]]
    if "bytes" in rules:
        rules = rules | {"bytes": rules["bytes"] + case.get("bare", 0) * bare(output)}
    for place, stamp in enumerate(STAMPS):
        size = case.get("all", case.get("last_ten", 0) if place >= 20 else 0)
        content = b"x" * case.get("sizes", {}).get(str(place), size)
        (output / "runs" / stamp / "findings.csv").write_bytes(content)
    good = STAMPS[case["good"]] if "good" in case else ""
    let_go = outdated(output, kept(**rules), case.get("now", NOW), good=good)
    assert names(let_go) == [stamp for place, stamp in enumerate(STAMPS[:removed]) if place not in but]


def bare(output: Path) -> int:
    """Return what a run takes that has no findings."""
    return sum(files_of(output / "runs" / STAMPS[0]).values())


def test_what_runs_share_counts_once_and_a_link_as_nothing_of_where_it_leads(output, tmp_path):
    limit, large = bare(output), tmp_path / "large"
    first = output / "runs" / STAMPS[0] / "findings.csv"
    first.write_bytes(b"x" * 50_000)
    large.write_bytes(b"x" * 10**6)
    for stamp in STAMPS[1:]:
        os.link(first, output / "runs" / stamp / "findings.csv")
        (output / "runs" / stamp / "elsewhere").symlink_to(large)
    limit = 50_000 + 30 * (limit + len(str(large)))
    assert outdated(output, kept(bytes=limit), NOW) == []


def test_a_run_that_a_wrong_clock_dated_ahead_counts_as_the_oldest(output):
    ahead = make_run(output, "2031-01-01T060000Z")
    assert names(outdated(output, kept(runs=3), NOW)) == [ahead.name, *STAMPS[:27]]
    assert names(outdated(output, kept(runs=3, at_least=5), NOW)) == [ahead.name, *STAMPS[:25]]


def test_a_folder_of_runs_that_is_a_link_is_left_alone(output, tmp_path):
    (output / "runs").rename(tmp_path / "moved")
    (output / "runs").symlink_to(tmp_path / "moved")
    assert outdated(output, kept(runs=1), NOW) == []


JANUARY = "2026-01-01T060000Z"


SPOILT = [
    lambda run: run.rename(run.with_name("keep-this-one")),
    lambda run: run.rename(run.with_name(f"{JANUARY}\n")),
    lambda run: run.rename(run.with_name("2026-01-02T060000Z")),
    lambda run: rewrite(run, stamp=(name := "2026-13-41T060000Z")) or run.rename(run.with_name(name)),
    lambda run: rewrite(run, kind="backup"),
    lambda run: (run / "run.json").write_bytes(b"\xff\x00["),
    lambda run: (run / "run.json").write_bytes(b'["mssante-audit run"]'),
    lambda run: (run / "run.json").rename(run / "mine.txt"),
    lambda run: (run / "run.json").symlink_to((run / "run.json").rename(run / "mine.txt")),
    lambda run: run.symlink_to(run.rename(run.parents[2] / "elsewhere")),
    lambda run: run.rename(run.parents[2] / "elsewhere") and run.write_text("mine"),
]
"""What makes a run none: another name, another ``run.json``, a link or a file in its place."""


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("spoil", SPOILT)
def test_what_only_looks_like_a_run_is_left_alone(tmp_path, spoil):
    spoil(make_run(tmp_path / "output", JANUARY))
    (innocent,) = (tmp_path / "output" / "runs").iterdir()
    make_run(tmp_path / "output", STAMPS[-1])
    before = contents(tmp_path)
    assert read_run(innocent) is None
    assert outdated(tmp_path / "output", kept(runs=1), NOW) == []
    remove_run(innocent)
    assert contents(tmp_path) == before


def test_links_inside_a_run_are_removed_and_not_followed(output, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine")
    run = output / "runs" / STAMPS[0]
    (run / "folder").symlink_to(precious)
    (run / "site" / "deep").symlink_to(precious)
    (run / "up").symlink_to("../..")
    remove_run(run)
    assert not run.exists()
    assert (precious / "file").read_text() == "mine"
    assert len(list((output / "runs").iterdir())) == 29


@pytest.mark.parametrize(
    "target", ["/etc", "runs/../../etc/site", "state", "runs/x", f"other/{STAMPS[0]}/site"]
)
def test_a_site_that_points_elsewhere_protects_nothing_and_breaks_nothing(output, target):
    (output / "site").symlink_to(target)
    assert names(outdated(output, kept(runs=29), NOW)) == STAMPS[:1]


def test_a_run_half_removed_is_recognised_again(output, monkeypatch):
    run, real = output / "runs" / STAMPS[0], os.unlink

    def dies(path, *arguments, **options):
        if str(path).endswith("run.json"):
            raise KeyboardInterrupt
        real(path, *arguments, **options)

    monkeypatch.setattr("os.unlink", dies)
    with pytest.raises(KeyboardInterrupt):
        remove_run(run)
    monkeypatch.undo()
    assert names(sorted(run.iterdir())) == ["run.json"]
    assert outdated(output, kept(runs=29), NOW) == [run]
    remove_run(run)


def test_a_run_removes_the_old_ones_and_tells_which_it_could_not(place, settings, monkeypatch):
    old, real = make_run(place.output, "2020-01-01T060000Z"), shutil.rmtree
    settings(retention={"runs": 1, "at_least": 1})

    def refuses(path, *arguments, **options):
        if old.name in str(path):
            raise PermissionError(13, "Permission denied")
        real(path, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", refuses)
        place.play()
    assert place.outcomes()["retention"] == "failed"
    assert f"{old.name}: permission denied" in (place.runs[-1] / "log.txt").read_text("utf-8")
    assert place.play()[0] == 0
    assert [old.exists(), len(place.runs), (place.site / "index.html").is_file()] == [False, 1, True]


def seen(folder: Path, day: int, *, only: str = "", complete: bool = True, kind: str = "dns") -> Path:
    """Write an observation of a day of March."""
    file = folder / "observations" / f"{kind}-2026-03-{day:02}T060000Z.jsonl.gz"
    file.parent.mkdir(exist_ok=True)
    texts = dict.fromkeys(("parent_zone", "sibling", "dns"), "x")
    header = Form(kind, 2, ()).header(NOW, **texts, settings={"only": only})
    lines = [header, {"end": "…", "complete": complete}]
    file.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))
    return file


AFTER_TEN_DAYS = Retention(observation_days=10)


def test_old_observations_go_but_those_that_answer_today(tmp_path):
    files = [seen(tmp_path, day) for day in (1, 2, 3, 25)]
    assert outdated_observations(tmp_path, AFTER_TEN_DAYS, NOW, {files[1].name}) == [files[0], files[2]]
    assert outdated_observations(tmp_path, Retention(observation_days=0), NOW, ()) == []


def test_the_newest_whole_observation_stays_however_old(tmp_path):
    old, whole = seen(tmp_path, 1), seen(tmp_path, 2)
    spot, stopped = seen(tmp_path, 3, only="*.aura.*"), seen(tmp_path, 4, complete=False)
    young = seen(tmp_path, 25, only="ch-a.mssante.fr")
    assert outdated_observations(tmp_path, AFTER_TEN_DAYS, NOW, {young.name}) == [old, spot, stopped]
    assert whole.exists()


def test_what_the_observer_did_not_name_or_is_a_link_is_no_business_of_retention(tmp_path):
    mine = seen(tmp_path, 1)
    mine.rename(mine.with_name("dns-of-the-hospital.jsonl.gz"))
    seen(tmp_path, 2, kind="other")
    seen(tmp_path, 25)
    link = tmp_path / "observations" / "dns-2026-03-03T060000Z.jsonl.gz"
    link.symlink_to(mine.with_name("dns-of-the-hospital.jsonl.gz"))
    assert outdated_observations(tmp_path, AFTER_TEN_DAYS, NOW, ()) == []
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "observations").symlink_to(tmp_path / "observations")
    seen(tmp_path, 4)
    assert outdated_observations(tmp_path / "elsewhere", AFTER_TEN_DAYS, NOW, ()) == []


def test_a_run_removes_old_observations(place, settings):
    data = place.output.parent / "data"
    copytree(CATALOGUE / "observations", data / "observations")
    old = data / "observations" / "dns-2020-01-01T060000Z.jsonl.gz"
    old.write_bytes(gzip.compress(b"{}"))
    kept = sorted(set((data / "observations").iterdir()) - {old})
    settings(retention={"observation_days": 30})
    assert place.play(pages=False)[0] == 0
    assert not old.exists()
    assert sorted((data / "observations").iterdir()) == kept
    (message,) = (record["message"] for record in place.log() if record["event"] == "retention")
    assert message == f"0 runs removed; 1 observations removed: {old.name}"
