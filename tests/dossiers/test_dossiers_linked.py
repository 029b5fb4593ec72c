"""Dossiers that say what an earlier run's say: linked, not made again, and never written through."""

import gzip
import os
import re
from dataclasses import replace
from pathlib import Path
from shutil import copy, copytree

import pytest

from mssante_audit.base.resources import resource
from mssante_audit.dossiers import unchanged, workers
from mssante_audit.dossiers.stationery import Stationery
from mssante_audit.dossiers.write import DossierRun, read_dossiers, write_dossiers

AS_OF, NEXT = "2026-03-03T06:00:00Z", "2026-03-04T06:00:00Z"
ONE, OTHER = "159990000", "1679900001"


def inodes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.iterdir() if path.is_file()}


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with the sample's list and nothing beside it, in which little is found, and fast."""
    folder = tmp_path_factory.mktemp("listed")
    copy(resource("data/sample") / "listeblanchemssante.xml.gz", folder / "list.xml.gz")
    return folder


@pytest.fixture(scope="module")
def first(data, tmp_path_factory) -> DossierRun:
    """Two dossiers of one day; not to be changed."""
    given = {"as_of": AS_OF, "data": str(data)}
    return write_dossiers(tmp_path_factory.mktemp("first"), parameters=given, operators=[ONE, OTHER])


def again(first: DossierRun, data: Path, out: Path, as_of: str = NEXT, **more) -> DossierRun:
    given = {"as_of": as_of, "data": str(data)}
    return write_dossiers(out, parameters=given, earlier=first.out, **more)


def test_what_says_the_same_the_next_day_is_the_same_file(tmp_path_factory, tmp_path):
    first = write_dossiers(tmp_path_factory.mktemp("all"), parameters={"as_of": AS_OF})
    before = bytes_of(first.out)
    run = write_dossiers(tmp_path, parameters={"as_of": NEXT}, earlier=first.out)
    assert run.linked + run.made == len(run.outcomes) == len(first.outcomes)
    assert run.linked >= len(run.outcomes) - 2
    old, new = inodes(first.out), inodes(tmp_path)
    told = {d.operator_id: d for d in first.outcomes}
    same = [d for d in run.outcomes if d == told[d.operator_id]]
    assert len(same) == run.linked
    for dossier in same:
        assert all(new[f"{dossier.file}{s}"] == old[f"{dossier.file}{s}"] for s in dossier.files)
    assert read_dossiers(tmp_path) == {d.operator_id: d for d in run.outcomes}
    assert {d.as_of for d in same} == {AS_OF}
    assert bytes_of(first.out) == before


def test_what_is_written_later_is_not_written_through_a_link(first, data, tmp_path):
    before = bytes_of(first.out)
    again(first, data, tmp_path, operators=[ONE, OTHER])
    assert inodes(tmp_path)[f"{ONE}.html"] == inodes(first.out)[f"{ONE}.html"]
    given = {"as_of": NEXT, "data": str(data), "row_limit": 3}
    run = write_dossiers(tmp_path, parameters=given, operators=[ONE, OTHER])
    assert (run.made, run.linked) == (2, 0)
    assert bytes_of(tmp_path)[f"{ONE}.html"] != before[f"{ONE}.html"]
    assert bytes_of(first.out) == before


def test_where_nothing_can_be_linked_the_same_bytes_are_copied(first, data, tmp_path, monkeypatch):
    def refuses(*_, **__):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuses)
    run = again(first, data, tmp_path, operators=[ONE, OTHER])
    assert (run.made, run.linked) == (0, 2)
    old, new = bytes_of(first.out), bytes_of(tmp_path)
    written = [f"{d.file}{s}" for d in run.outcomes for s in d.files]
    assert all(old[name] == new[name] for name in written)
    assert not set(inodes(tmp_path).values()) & set(inodes(first.out).values())


def _damaged(folder: Path) -> None:
    (folder / f"{ONE}.eml").unlink()
    (folder / f"{ONE}.eml").write_text("damaged")


def _linked(folder: Path) -> None:
    (folder / f"{ONE}.html").rename(folder / "elsewhere")
    (folder / f"{ONE}.html").symlink_to("elsewhere")


def _gone(folder: Path) -> None:
    (folder / f"{ONE}.txt").unlink()


def _no_index(folder: Path) -> None:
    (folder / "dossiers.json").write_text("[]")


@pytest.mark.parametrize("harm", [_damaged, _linked, _gone, _no_index])
def test_what_is_not_whole_is_made(first, data, tmp_path, harm):
    copytree(first.out, tmp_path / "earlier")
    harm(tmp_path / "earlier")
    run = again(replace(first, out=tmp_path / "earlier"), data, tmp_path / "out", operators=[ONE])
    assert (run.made, run.linked) == (1, 0)
    assert not (tmp_path / "out" / f"{ONE}.html").is_symlink()


@pytest.mark.parametrize("as_of", ["2026-03-10T06:00:01Z", "2026-03-02T06:00:00Z"])
def test_a_letter_of_more_than_a_week_ago_or_of_tomorrow_is_none_of_today(first, data, tmp_path, as_of):
    assert again(first, data, tmp_path, as_of, operators=[ONE]).linked == 0


def test_what_it_is_made_with_counts(first, data, tmp_path, monkeypatch):
    assert again(first, data, tmp_path / "a", operators=[ONE], masked=True).linked == 0
    assert (
        again(first, data, tmp_path / "b", operators=[ONE], on=Stationery(sender="X <x@y.example>")).linked
        == 0
    )
    monkeypatch.setattr("mssante_audit.dossiers.write.code_digest", lambda: "other code")
    monkeypatch.setattr(workers, "code_digest", lambda: "other code")
    assert again(first, data, tmp_path / "c", operators=[ONE]).linked == 0


def test_a_new_list_makes_those_again_that_it_changes(tmp_path):
    """Of a row all facts count; where it stands in the list, and when the list was made, do not."""
    listed = gzip.decompress((resource("data/sample") / "listeblanchemssante.xml.gz").read_bytes()).decode()
    head, *rows = listed.split("<Domaine>")
    head = head.replace("05:30:00Z", "05:30:01Z")  # so that neither signature is right
    (at,) = [n for n, row in enumerate(rows) if f"OU={OTHER}," in row][:1]
    another = re.sub("<Description>[^<]*<", "<Description>Une autre description<", rows[at])
    rest = [row for n, row in enumerate(rows) if n != at]
    second = [head.replace("05:30:01Z", "05:30:02Z"), another, *rest]
    given = {}
    for name, parts in (("first", [head, *rows]), ("second", second)):
        data = tmp_path / f"data-{name}"
        data.mkdir()
        (data / "list.xml").write_text("<Domaine>".join(parts), encoding="utf-8")
        given[name] = {"as_of": AS_OF, "data": str(data)}
    earlier = write_dossiers(tmp_path / "first", parameters=given["first"])
    run = write_dossiers(tmp_path / "second", parameters=given["second"], earlier=earlier.out)
    told = {d.operator_id: d for d in earlier.outcomes}
    made = [d.operator_id for d in run.outcomes if d != told[d.operator_id]]
    assert OTHER in made
    assert run.linked >= len(run.outcomes) - 2
    assert "Une autre description" in (run.out / f"{OTHER}.html").read_text(encoding="utf-8")


def test_of_an_age_only_what_it_means_counts():
    assert unchanged.fresh("2026-03-02T06:00:00+00:00", "2026-03-09T06:00:00+00:00")
    assert not unchanged.fresh("2026-03-02T06:00:00+00:00", "2026-03-09T06:00:01+00:00")
    assert not unchanged.fresh("never", "2026-03-09")
