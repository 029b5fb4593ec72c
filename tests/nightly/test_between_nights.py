"""Between two nights: settings change, the clock goes back, a list is in doubt and the last site stays."""

import gzip
import json
import os
import re
from pathlib import Path

import pytest
from lxml import html
from made_nights import AS_OF, killed_after_audit, rewrite

from mssante_audit.nightly.night import Run, write_run
from mssante_audit.whitelist.load import MAX_BYTES

AHEAD = "2031-01-01T060000Z"


def renamed(run: Path, stamp: str) -> Path:
    """Let a run have begun at another time, and be the last one."""
    rewrite(run, stamp=stamp, good=stamp)
    (run.parents[1] / "state" / "run.json").write_bytes((run / "run.json").read_bytes())
    site = run.parents[1] / "site"
    site.unlink()
    site.symlink_to(f"runs/{stamp}/site")
    return run.rename(run.with_name(stamp))


@pytest.mark.parametrize(
    "why", ["other settings", "another date", "another version", "too old", "a clock that was ahead"]
)
def test_a_killed_run_that_is_not_tonights_is_abandoned(after_two, settings, monkeypatch, why):
    run, counts = killed_after_audit(after_two.runs[1]), after_two.state("trend.json")[-1]
    if why == "other settings":
        settings(thresholds={"list_max_age_days": 8})
    elif why == "another version":
        monkeypatch.setattr("mssante_audit.nightly.run.version", lambda _: "9.9.9")
    elif why != "another date":
        run = renamed(run, AHEAD if "ahead" in why else "2026-03-01T060000Z")
    as_of = "2026-03-03T06:00:01Z" if why == "another date" else AS_OF
    status, out, _ = after_two.play(as_of, pages=False)
    assert (status, "gone on with" in out) == (0, False)
    assert json.loads((run / "run.json").read_text())["status"] == "abandoned"
    assert len(after_two.runs) == 3
    assert after_two.state("run.json")["good"] not in (run.name, after_two.runs[0].name)
    if why == "another version":
        assert after_two.state("trend.json")[-1] == counts, "nothing is new for it"


def test_after_a_clock_that_was_ahead_nights_go_on(later):
    ahead = renamed(later.runs[0], AHEAD)
    status, out, _ = later.play(pages=False)
    assert (status, "new" in out) == (0, True)
    (run,) = (run for run in later.runs if run != ahead)
    assert later.state("run.json")["stamp"] == later.state("run.json")["good"] == run.name
    assert os.readlink(later.site) == f"runs/{run.name}/site"
    assert [point["at"][:10] for point in later.state("trend.json")] == ["2026-02-03", "2026-03-03"]


def test_a_run_killed_now_is_gone_on_with_though_another_is_dated_ahead(after_two):
    ahead, killed = renamed(after_two.runs[0], AHEAD), killed_after_audit(after_two.runs[0])
    status, out, _ = after_two.play(pages=False)
    assert (status, "gone on with" in out) == (0, True)
    assert set(after_two.runs) == {ahead, killed}


def test_a_night_of_an_earlier_instant_makes_nothing_new_or_fixed_of_a_later_one(after_two):
    kept = [after_two.state(name) for name in ("ledger.json", "trend.json")]
    assert after_two.play("2026-02-03T06:00:00Z", pages=False)[0] == 0
    assert [after_two.state(name) for name in ("ledger.json", "trend.json")] == kept


def test_what_an_audit_found_that_failed_in_the_end_stays_new(later):
    trend, ledger = later.output / "state" / "trend.json", later.state("ledger.json")
    whole = trend.read_bytes()
    trend.write_bytes(whole.replace(b'"open"', b'"opem"', 1))
    assert later.play(pages=False)[0] == 3
    assert later.state("ledger.json") == ledger
    trend.write_bytes(whole)
    assert "1 other new" in later.play(pages=False)[1].splitlines()[0]


def unsigned(place) -> None:
    newest = gzip.decompress(max((place.folder / "data" / "archive").glob("*.gz")).read_bytes())
    content = re.sub(rb"<(\w+:)?Signature.*</(\w+:)?Signature>", b"", newest, flags=re.DOTALL)
    (place.folder / "data" / "list.xml").write_bytes(content)


def login(place) -> None:
    (place.folder / "data" / "list.xml").write_bytes(b"<!DOCTYPE html><html><body>login</body></html>")


def too_large(place) -> None:
    (place.folder / "data" / "list.xml").touch()
    os.truncate(place.folder / "data" / "list.xml", MAX_BYTES + 1)


def files(site: Path) -> dict[str, Path]:
    return {str(path.relative_to(site)): path for path in site.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (unsigned, "aucune signature"),
        *((unread, "ne se lit pas, ou pas en entier") for unread in (login, too_large)),
    ],
)
def test_every_page_says_which_list_is_not_well_and_why_and_of_when_the_site_is(later, spoil, why):
    good = files(later.runs[-1] / "site")
    spoil(later)
    dark = later.night()
    assert dark.exit_status == 4
    shown = files(later.site.resolve())
    assert shown.keys() == good.keys()
    for name, path in shown.items():
        if path.suffix != ".html":
            assert path.samefile(good[name])
            continue
        page, before = (html.fromstring(file.read_bytes()) for file in (path, good[name]))
        (notice,) = page.xpath("//body/*[1][@role='alert']")
        text = notice.text_content().replace("\xa0", " ")
        for words in ("La liste blanche de cette nuit", why, "celui du 3 février 2026 à 06 h 00 UTC"):
            assert words in text
        notice.drop_tree()
        assert page.text_content() == before.text_content()
    mail = (dark.folder / "summary.txt").read_text(encoding="utf-8")
    assert ("(of an earlier run)" in mail, "list:damaged" in mail) == (True, False)


def test_night_after_night_it_is_that_of_the_last_good_run_and_then_the_new_one(later, settings):
    good = later.runs[-1]
    settings(retention={"runs": 1, "at_least": 1})
    unsigned(later)
    for hour in (6, 7, 8):
        dark = later.night(f"2026-03-03T0{hour}:00:00Z")
        assert dark.results["site"].facts == {"of": good.name}
        assert (later.site / "index.html").read_text(encoding="utf-8").count('data-notice="list"') == 1
    assert later.runs == [good, dark.folder]
    (later.folder / "data" / "list.xml").unlink()
    light = later.night("2026-03-03T09:00:00Z")
    assert (light.exit_status, later.runs) == (0, [light.folder])
    assert os.readlink(later.site) == f"runs/{light.folder.name}/site"
    assert not [path for path in later.site.rglob("*.html") if b"data-notice" in path.read_bytes()]


def test_without_a_good_site_that_of_the_list_in_doubt_is_shown_and_says_so_itself(place):
    unsigned(place)
    assert place.night().exit_status == 4
    page = (place.site / "index.html").read_text(encoding="utf-8")
    assert ("data-notice" in page, "signée" in page) == (False, True)
    assert place.night("2026-03-03T07:00:00Z").results["site"].facts.keys() == {"pages"}


def contents(folder: Path) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in files(folder).items() if path.name != ".lock"}


@pytest.mark.parametrize(
    ("version", "line"), [(2, "was written by another version"), (1, "cannot be read. Remove it")]
)
def test_what_another_version_left_is_refused_in_one_line_and_untouched(place, version, line):
    state = place.output / "state"
    state.mkdir(parents=True)
    (place.output / "runs" / ".new").mkdir(parents=True)
    write_run(place.output / "runs" / ".new", Run(stamp="2026-03-02T060000Z"))
    record = json.loads((state / "run.json").read_text()) | {"version": version, "stamp": version}
    (state / "run.json").write_text(json.dumps(record))
    before = contents(place.output)
    status, out, errors = place.run()
    assert (status, out, errors.count("\n")) == (2, "", 1)
    assert f"run.json: {line}" in errors
    assert contents(place.output) == before


def test_before_the_first_list_that_is_kept_the_list_is_of_the_future_and_not_damaged(place):
    status, out, _ = place.play("2020-01-01T06:00:00Z", pages=False)
    assert (status, "BLIND: list (future date)" in out, "clock of this machine" in out) == (4, True, True)
