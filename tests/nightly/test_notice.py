"""A list that is not to be relied on makes no site: the last good one stays, under a notice on every page."""

import gzip
import json
import os
import re
from pathlib import Path

import pytest
from lxml import html

from mssante_audit.nightly.night import Run, write_run


def newest(place) -> bytes:
    return gzip.decompress(max((place.folder / "data" / "archive").glob("*.gz")).read_bytes())


def cut(place) -> None:
    content = newest(place)
    (place.folder / "data" / "list.xml").write_bytes(content[: len(content) // 2])


def unsigned(place) -> None:
    content = re.sub(rb"<(\w+:)?Signature.*</(\w+:)?Signature>", b"", newest(place), flags=re.DOTALL)
    (place.folder / "data" / "list.xml").write_bytes(content)


def another_page(place) -> None:
    (place.folder / "data" / "list.xml").write_bytes(b"<!DOCTYPE html><html><body>login</body></html>")


def files(site: Path) -> dict[str, Path]:
    return {str(path.relative_to(site)): path for path in site.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (cut, "ne se lit pas, ou pas en entier"),
        (unsigned, "aucune signature"),
        (another_page, "ne se lit pas, ou pas en entier"),
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
        assert "La liste blanche de cette nuit" in text
        assert why in text
        assert "celui du 3 février 2026 à 06 h 00 UTC" in text
        notice.drop_tree()
        assert page.text_content() == before.text_content()
    assert "(of an earlier run)" in (dark.folder / "summary.txt").read_text(encoding="utf-8")


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
    assert light.exit_status == 0
    assert os.readlink(later.site) == f"runs/{light.folder.name}/site"
    assert not [path for path in later.site.rglob("*.html") if b"data-notice" in path.read_bytes()]
    assert later.runs == [light.folder]


def test_without_a_good_site_that_of_the_list_in_doubt_is_shown_and_says_so_itself(place):
    unsigned(place)
    dark = place.night()
    assert dark.exit_status == 4
    page = (place.site / "index.html").read_text(encoding="utf-8")
    assert "data-notice" not in page
    assert "signée" in page
    assert place.night("2026-03-03T07:00:00Z").results["site"].facts.keys() == {"pages"}


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
    before = {path: path.read_bytes() for path in files(place.output).values()}
    status, out, errors = place.run()
    assert (status, out, errors.count("\n")) == (2, "", 1)
    assert f"run.json: {line}" in errors
    assert {
        path: path.read_bytes() for path in files(place.output).values() if path.name != ".lock"
    } == before
