"""Input files: found, told apart, packed to go elsewhere."""

import shutil

import pytest
from conftest import CATALOGUE

from mssante_audit.base.errors import InputError
from mssante_audit.space import inputs
from mssante_audit.space.inputs import Bundle, code_digest, inputs_digest, own_digest, pack


@pytest.fixture
def data(tmp_path):
    """A data folder with what is read and what is not."""
    folder = tmp_path / "données"
    read = ("list.xml.gz", "declarations.csv", "waivers.toml", "archive/a.xml.gz", "archive/quarantine/b.bin",
            "archive/log.jsonl", "observations/dns-1.jsonl.gz", "anchors/root.pem")  # fmt: skip
    other = (".lock", "archive/history.parquet", "reports/index.html", "archive/.a.tmp")
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
    there, (anchor,) = bundle.unpack(tmp_path / "there")
    assert there.name == folder.name
    assert anchor.read_text() == "own"
    assert inputs_digest(there) == inputs_digest(folder)
    assert pack(folder, [tmp_path / "own.pem"]).sha256 == bundle.sha256
    (folder / "waivers.toml").write_text("other")
    assert pack(folder, [tmp_path / "own.pem"]).sha256 != bundle.sha256
    (folder / "Extraction_Correspondance_MSSante_202603011013.zip").write_text("names")
    assert "names" not in str(pack(folder, [tmp_path / "own.pem"]).files)
    one = pack(folder / "list.xml.gz")
    assert list(one.files) == [one.data] == ["data/list.xml.gz"]


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
