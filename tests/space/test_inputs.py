"""Input files and folders: found, told apart, packed to go elsewhere."""

import shutil
from datetime import UTC, datetime, timedelta, timezone
from shutil import copy

import pytest
from conftest import CATALOGUE

from mssante_audit.archive.store import find_whitelist
from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import parse_instant
from mssante_audit.observe.file import find_observations
from mssante_audit.space import inputs
from mssante_audit.space.inputs import Bundle, code_digest, inputs_digest, own_digest, pack
from mssante_audit.space.trust import load_space


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "données"
    read = ("list.xml.gz", "declarations.csv", "waivers.toml", "archive/a.xml.gz", "archive/quarantine/b.bin",
            "archive/log.jsonl", "observations/dns-1.jsonl.gz", "anchors/root.pem", "declarations/a.csv",
            )  # fmt: skip
    other = (".lock", "archive/history.parquet", "reports/index.html", "archive/.a.tmp", "igc-sante/own.pem")
    for name in (*read, *other):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder, {folder / name for name in read}


def test_what_may_be_read_is_found_and_nothing_else(data):
    folder, read = data
    assert {folder.parent / name.removeprefix("data/") for name in pack(folder).files} == read
    assert inputs_digest(None) == inputs_digest(CATALOGUE)


def test_the_hash_follows_content_and_name_wherever_the_folder_lies(data, tmp_path):
    folder, read = data
    digest = inputs_digest(folder)
    assert inputs_digest(shutil.copytree(folder, tmp_path / "elsewhere")) == digest
    for path in sorted(read):
        before = path.read_text()
        path.write_text(before + ".")
        assert inputs_digest(folder) != digest, path
        path.write_text(before)
    assert inputs_digest(folder) == digest
    (folder / "archive" / "history.parquet").write_text("other")
    (folder / "reports" / "index.html").write_text("other")
    assert inputs_digest(folder) == digest
    (folder / "waivers.toml").rename(folder / "waivers.txt")
    assert inputs_digest(folder) != digest


def test_a_bundle_unpacks_to_the_same_input(data, tmp_path):
    folder, _ = data
    (tmp_path / "own.pem").write_text("own")
    bundle = pack(folder, [tmp_path / "own.pem"])
    unpacked, (anchor,) = bundle.unpack(tmp_path / "there")
    assert unpacked.name == folder.name
    assert anchor.read_text() == "own"
    assert inputs_digest(unpacked) == inputs_digest(folder)
    assert pack(folder, [tmp_path / "own.pem"]) == bundle
    (folder / "waivers.toml").write_text("other")
    assert pack(folder, [tmp_path / "own.pem"]) != bundle
    (folder / "Extraction_Correspondance_MSSante_202603011013.zip").write_text("names")
    assert "names" not in str(pack(folder, [tmp_path / "own.pem"]).files)
    single = pack(folder / "list.xml.gz")
    assert list(single.files) == [single.data] == ["data/list.xml.gz"]


@pytest.mark.parametrize("data", ["list.xml", "archive", "."])
def test_what_a_list_is_trusted_by_is_packed_with_it_wherever_it_lies(data, tmp_path, monkeypatch):
    (tmp_path / "archive").mkdir()
    for name in ("list.xml", "archive/2026-03-02T053000Z-00000000.xml.gz", "own.pem"):
        (tmp_path / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    before = inputs_digest(data)
    (tmp_path / "igc").mkdir()
    (tmp_path / "igc" / "a.crl").write_text("revoked")
    bundle = pack(data)
    assert ("igc/a.crl" in str(bundle.files), "own.pem" in str(bundle.files)) == (True, data == ".")
    where, _ = bundle.unpack(tmp_path / "there")
    assert before != inputs_digest(data) == inputs_digest(where)


def test_a_bundle_stays_in_its_folder(tmp_path):
    with pytest.raises(InputError, match="does not lie in its folder"):
        Bundle({"../out": b""}, "data/x").unpack(tmp_path / "in")
    assert not (tmp_path / "out").exists()


def test_the_hash_of_the_code_follows_the_libraries_versions(monkeypatch):
    own_digest.cache_clear()
    before = code_digest()
    own_digest.cache_clear()
    monkeypatch.setattr(inputs, "version", lambda name: "0")
    assert code_digest() != before
    own_digest.cache_clear()


def test_an_instant_is_utc_whatever_its_spelling_and_a_date_that_does_not_exist_is_refused():
    paris = datetime(2026, 3, 2, 6, 30, tzinfo=timezone(timedelta(hours=1)))
    for text in ("2026-03-02T05:30:00Z", "2026-03-02T06:30:00+01:00", "2026-03-02T05:30", paris):
        assert parse_instant(text) == datetime(2026, 3, 2, 5, 30, tzinfo=UTC)
    assert abs(parse_instant(None) - datetime.now(UTC)) < timedelta(seconds=5)
    with pytest.raises(InputError, match=r"'2026-02-30' is not a date\. Write it as"):
        parse_instant("2026-02-30")


def test_a_folder_stands_for_its_last_list(tmp_path):
    for name in ("2026-01-01.xml", "2026-02-01.xml.gz", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "2027.xml").mkdir()
    assert find_whitelist(tmp_path).name == "2026-02-01.xml.gz"
    assert find_whitelist(tmp_path / "2026-01-01.xml").name == "2026-01-01.xml"


def newest(data):
    return next((file.path for file in find_observations(data)), None)


def test_a_folder_s_newest_observation_is_loaded(tmp_path):
    assert newest(tmp_path) is None
    assert newest(CATALOGUE / "declarations.csv") is None
    copy(find_whitelist(CATALOGUE), tmp_path)
    assert load_space(tmp_path).observation is None
    (tmp_path / "observations").mkdir()
    old = copy(newest(CATALOGUE), tmp_path / "observations" / "dns-2025-01-01T000000Z.jsonl.gz")
    assert newest(tmp_path) == old
    assert load_space(tmp_path).observation.source == old.name
    new = tmp_path / "dns-2026-01-01T000000Z.jsonl.gz"
    new.write_bytes(old.read_bytes()[:2000])
    assert newest(tmp_path) == new
    assert not load_space(tmp_path).observation.complete


def test_an_observation_of_another_kind_beside_it_is_not_taken_for_one_of_the_dns(tmp_path):
    folder = tmp_path / "observations"
    folder.mkdir()
    (folder / "tls-2026-01-01T000000Z.jsonl.gz").write_bytes(b"of another kind")
    assert newest(tmp_path) is None
    ours = folder / "dns-2025-01-01T000000Z.jsonl.gz"
    ours.write_bytes(b"ours")
    assert newest(tmp_path) == ours
    named = folder / "hospital.jsonl.gz"
    named.write_bytes(b"ours, by a name of the user's own")
    assert newest(tmp_path) == named
