from datetime import UTC, datetime, timedelta, timezone
from shutil import copy

import pytest
from conftest import CATALOGUE

from mssante_audit.archive.store import find_whitelist
from mssante_audit.base.errors import InputError
from mssante_audit.base.instants import parse_instant
from mssante_audit.observe.folder import find_observations
from mssante_audit.space.trust import load_space


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
