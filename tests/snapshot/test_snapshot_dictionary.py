"""The page on data, the docstrings it is made from and the frames are one."""

from pathlib import Path
from shutil import copytree

import pandas as pd
import pytest
from conftest import CATALOGUE
from conftest import SAMPLE_AS_OF as AS_OF
from test_report import CANARY, canary_list
from tlsmade import write_tls

from mssante_audit.archive.changes import Side
from mssante_audit.archive.events import between, span
from mssante_audit.audits import audit_all
from mssante_audit.findings.causes import causes
from mssante_audit.findings.frame import IN_FILES
from mssante_audit.findings.places import Place
from mssante_audit.network import methods
from mssante_audit.snapshot import load_space, make_snapshot
from mssante_audit.snapshot.dictionary import FRAMES
from mssante_audit.snapshot.load import PRIVATE
from mssante_audit.snapshot.make import naming
from mssante_audit.space.story import worded_changes, worded_events
from mssante_audit.verdicts import domains_of
from mssante_audit.whitelist.load import load_whitelist
from tools.data_dictionary import page

ROOT = Path(__file__).parents[2]


def dtype_of(series):
    """Return a dtype as docstrings name it."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        return "ordered category" if series.dtype.ordered else "category"
    if series.dtype != "object":
        return str(series.dtype)
    kinds = {type(value) for value in series}
    if kinds != {tuple}:
        return f"object ({', '.join(kind.__name__ for kind in kinds)})"
    (inside,) = {type(one) for value in series for one in value}
    return "object (places)" if inside is Place else f"object (tuple of {inside.__name__})"


def frames_of(space):
    found = audit_all(space)
    told = span(space.archive, "2025-09-01", "2026-03-02")
    return {
        "entries": space.entries,
        "problems": load_whitelist(canary_list()[:-200], recover=True).problems,
        "findings": found,
        "causes": causes(found, space.audited, space.published, {found["fingerprint"].iloc[0]: {"dns": 9}}),
        "domains": domains_of(space, found),
        "mailboxes": space.mailboxes.counts.frame,
        "methods": methods(space.observation, space.audited["domain"]),
        "changes": worded_changes(told.changes),
        "events": worded_events(told.events),
        "register": space.register.declarations,
        "history": space.archive.history,
    }


@pytest.fixture(scope="module")
def frames(sample_space, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls") / "data"
    copytree(CATALOGUE, folder)
    write_tls(sample_space, folder, ["421 later"])
    return {**frames_of(sample_space), "servers": load_space(folder, as_of=AS_OF).tls.servers}


def test_the_page_is_what_would_be_written():
    assert (ROOT / "docs" / "data.md").read_text(encoding="utf-8") == page(), "run `make dictionary`"


@pytest.mark.parametrize("name", FRAMES)
def test_every_column_is_described_as_it_is_and_none_besides(name, frames):
    frame = frames[name]
    assert len(frame)
    assert [(one.name, one.dtype) for one in FRAMES[name][1]()] == [(c, dtype_of(frame[c])) for c in frame]


def test_every_file_of_a_snapshot_is_described(sample_space, tmp_path):
    make_snapshot(sample_space, tmp_path / "s", shareable=True)
    make_snapshot(sample_space, tmp_path / "own")
    files = {file.stem: pd.read_parquet(file) for file in (tmp_path / "s").glob("*.parquet")}
    assert files.keys() == FRAMES.keys() - {"causes", "events", "history"}
    for name, frame in files.items():
        told = [one.name for one in FRAMES[name][1]()]
        private = tmp_path / "own" / PRIVATE / f"{name}.parquet"
        apart = list(pd.read_parquet(private).columns) if name in ("entries", "register") else []
        apart = [c for c in apart if c not in frame.columns]  # the others are masked where all may read
        more = [one.name for one in IN_FILES] if name == "findings" else []
        assert [c for c in frame.columns if c not in more] == [c for c in told if c not in apart]
        assert set(frame.columns) <= {*told, *more}


@pytest.mark.parametrize("name", ["entries", "register", "history"])
def test_what_is_said_to_name_persons_is_what_lies_apart(name, frames):
    assert [one.name for one in FRAMES[name][1]() if one.personal] == naming(frames[name])


def test_no_column_names_a_person_that_is_not_said_to(tmp_path):
    (tmp_path / "list.xml").write_bytes(canary_list())
    space = load_space(tmp_path / "list.xml", as_of=AS_OF, contacts="all")
    before = space.entries.assign(project_contact="m. canari, canari@ch-alpha.example")
    told = between(Side(before), Side(space.entries))
    frames = {
        "entries": space.entries,
        "findings": audit_all(space),
        "changes": worded_changes(told.changes, contacts="all"),
        "events": worded_events(told.events),
        "domains": domains_of(space, audit_all(space)),
    }
    for name, frame in frames.items():
        naming_some = {c for c in frame.columns if CANARY.search(frame[c].to_csv().encode())}
        assert naming_some <= {one.name for one in FRAMES[name][1]() if one.personal}, name
        assert naming_some or name in ("events", "domains"), name
    hidden = worded_changes(told.changes)
    assert not CANARY.search(hidden.to_csv().encode())
    assert hidden["before"].nunique() == 1
    assert hidden["after"].nunique() == told.changes["facts"].map(lambda facts: facts["after"]).nunique()
