"""Retention removes runs, and nothing that only looks like one."""

import gzip
import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree

import pytest
from conftest import CATALOGUE

from mssante_audit.nightly.night import Run, files_of, read_run, shown_run, write_run
from mssante_audit.nightly.run import outdated, outdated_observations, remove_run
from mssante_audit.nightly.settings import Retention
from mssante_audit.observe.file import Form

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


EARLY, LATE = datetime(2000, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rules", "now", "gone"),
    [
        ({"runs": 10}, NOW, 20),
        ({}, NOW, 0),
        ({"days": 7}, NOW, 23),
        ({"runs": 1, "days": 1, "at_least": 5}, LATE, 25),
        ({"runs": 3}, EARLY, 27),  # of a clock gone back to before all runs
    ],
)
def test_as_many_and_of_as_many_days_as_asked_are_kept_and_the_newest_in_any_case(output, rules, now, gone):
    assert names(outdated(output, kept(**rules), now)) == STAMPS[:gone]


def test_the_run_that_the_site_shows_and_the_last_good_one_are_kept(output):
    (output / "site").symlink_to(f"runs/{STAMPS[5]}/site")
    assert shown_run(output) == STAMPS[5]
    assert names(outdated(output, kept(runs=2), NOW)) == [s for s in STAMPS[:28] if s != STAMPS[5]]
    gone = names(outdated(output, kept(runs=1), NOW, good=STAMPS[3]))
    assert gone == [s for s in STAMPS[:29] if s not in (STAMPS[3], STAMPS[5])]


def fill(output: Path, sizes: dict[int, int]) -> int:
    """Give runs a file of so many bytes each; return what a run takes without."""
    bare = sum(files_of(output / "runs" / STAMPS[0]).values())
    for place, size in sizes.items():
        (output / "runs" / STAMPS[place] / "findings.csv").write_bytes(b"x" * size)
    return bare


def test_the_oldest_go_until_the_others_take_no_more_than_asked(output):
    bare = fill(output, dict.fromkeys(range(30), 1000))
    limit = 10 * (bare + 1000)
    for gone, rules in (
        (20, {"bytes": limit}),
        (21, {"bytes": limit - 1}),
        (18, {"bytes": limit, "at_least": 12}),
        (29, {"bytes": 1}),
        (25, {"bytes": limit, "runs": 5}),
    ):
        assert names(outdated(output, kept(**rules), NOW)) == STAMPS[:gone]


def test_those_kept_whatever_they_take_count_too_and_a_large_one_keeps_none_before_it(output):
    bare = fill(output, {3: 100_000, **dict.fromkeys(range(20, 30), 1000)})
    told = names(outdated(output, kept(bytes=100_000 + 6 * bare + 5000), NOW, good=STAMPS[3]))
    assert told == [s for s in STAMPS[:25] if s != STAMPS[3]]
    fill(output, {20: 10**6})
    assert names(outdated(output, kept(bytes=10**6), NOW)) == STAMPS[:21]


def test_what_runs_share_counts_once_and_a_link_as_nothing_of_where_it_leads(output, tmp_path):
    bare = fill(output, {0: 50_000})
    first = output / "runs" / STAMPS[0] / "findings.csv"
    large = tmp_path / "large"
    large.write_bytes(b"x" * 10**6)
    for stamp in STAMPS[1:]:
        os.link(first, output / "runs" / stamp / "findings.csv")
        (output / "runs" / stamp / "elsewhere").symlink_to(large)
    told = outdated(output, kept(bytes=50_000 + 30 * (bare + len(str(large)))), NOW)
    assert told == []


def test_a_run_that_a_wrong_clock_dated_ahead_counts_as_the_oldest(output):
    ahead = make_run(output, "2031-01-01T060000Z")
    assert names(outdated(output, kept(runs=3), NOW)) == [ahead.name, *STAMPS[:27]]
    assert names(outdated(output, kept(runs=3, at_least=5), NOW)) == [ahead.name, *STAMPS[:25]]


# -- what is no run ---------------------------------------------------------------------------------


JANUARY = "2026-01-01T060000Z"


def impostor(
    output: Path, name: str = JANUARY, stamp: str = JANUARY, content: bytes = b"", **changes: str
) -> Path:
    """Make a run and then what makes it none: another name, or another ``run.json``."""
    folder = make_run(output, stamp).rename(output / "runs" / name)
    head = json.loads((folder / "run.json").read_text()) | changes
    (folder / "run.json").write_bytes(content or json.dumps(head).encode())
    return folder


def without_head(output: Path) -> Path:
    folder = impostor(output)
    (folder / "run.json").rename(folder / "mine.txt")
    return folder


def linked(output: Path) -> Path:
    link = output / "runs" / JANUARY
    link.symlink_to(make_run(output.parent / "elsewhere", JANUARY))
    return link


def linked_head(output: Path) -> Path:
    folder = impostor(output)
    (folder / "run.json").rename(output / "marker.json")
    (folder / "run.json").symlink_to(output / "marker.json")
    return folder


def file(output: Path) -> Path:
    (output / "runs" / JANUARY).write_text("mine")
    return output / "runs" / JANUARY


@pytest.mark.parametrize(
    ("make", "how"),
    [
        (impostor, {"name": "keep-this-one", "stamp": STAMPS[0]}),
        (impostor, {"name": f"{STAMPS[0]}\n", "stamp": STAMPS[0]}),
        (impostor, {"name": "2026-01-02T060000Z"}),
        (impostor, {"name": "2026-13-41T060000Z", "content": b'{"stamp": "2026-13-41T060000Z"}'}),
        (impostor, {"kind": "backup"}), (impostor, {"content": b"\xff\x00["}),
        (impostor, {"content": b'["mssante-audit run"]'}),
        *((make, {}) for make in (without_head, linked, linked_head, file)),
    ],
)  # fmt: skip
def test_what_only_looks_like_a_run_is_left_alone(tmp_path, make, how):
    output = tmp_path / "output"
    (output / "runs").mkdir(parents=True)
    innocent = make(output, **how)
    make_run(output, STAMPS[-1])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert read_run(innocent) is None
    assert outdated(output, kept(runs=1), NOW) == []
    remove_run(innocent)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


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


def test_a_folder_of_runs_that_is_a_link_is_left_alone(output, tmp_path):
    (output / "runs").rename(tmp_path / "moved")
    (output / "runs").symlink_to(tmp_path / "moved")
    assert outdated(output, kept(runs=1), NOW) == []


@pytest.mark.parametrize(
    "target", ["/etc", "runs/../../etc/site", "state", "runs/x", f"other/{STAMPS[0]}/site"]
)
def test_a_site_that_points_elsewhere_protects_nothing_and_breaks_nothing(output, target):
    (output / "site").symlink_to(target)
    assert names(outdated(output, kept(runs=29), NOW)) == STAMPS[:1]


def test_a_run_half_removed_is_recognised_again(output, monkeypatch):
    run = output / "runs" / STAMPS[0]
    removed: list[str] = []
    real = os.unlink

    def dies(path, *arguments, **options):
        if str(path).endswith("run.json"):
            raise KeyboardInterrupt
        removed.append(str(path))
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
    assert not old.exists()
    assert len(place.runs) == 1
    assert (place.site / "index.html").is_file()


# -- observations -----------------------------------------------------------------------------------


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
    told = next(record for record in place.log() if record["event"] == "retention")
    assert told["message"] == f"0 runs removed; 1 observations removed: {old.name}"
