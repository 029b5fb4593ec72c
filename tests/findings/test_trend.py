"""The trend's file: points in order, one an instant, never lost."""

from dataclasses import replace

import pandas as pd
import pytest

from mssante_audit.audits import audit_all
from mssante_audit.base.errors import InputError, OutputError
from mssante_audit.findings.ledger import follow
from mssante_audit.findings.trend import Point, add_point, point_of, read_trend

COUNTS = {"critical": 1, "error": 2, "warning": 3, "info": 4}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "trend.json"


def test_points_come_back_in_order_of_time_and_a_run_made_again_replaces_its_own(file):
    assert read_trend(file) == ()
    late = Point("2026-03-02T06:00:00+00:00", COUNTS, new=1, open=9, fixed=2, waived=3)
    early = Point("2026-03-01T06:00:00+00:00", COUNTS, open=10)
    add_point(file, late)
    assert add_point(file, early) == (early, late) == read_trend(file)
    assert add_point(file, replace(late, at="2026-03-02T07:00:00+01:00", open=6)) == (
        early, replace(late, open=6),
    )  # fmt: skip


def test_a_trend_of_another_version_or_damaged_is_refused_and_kept(file):
    add_point(file, Point("2026-03-02", COUNTS, open=10))
    good = file.read_text()
    newer, edited = good.replace('"version": 1', '"version": 2'), good.replace('"open": 10', '"open": 11')
    for content in (newer, edited, "", "[]", "{}"):
        assert content != good
        file.write_text(content)
        for use in (lambda: read_trend(file), lambda: add_point(file, Point("2026-03-02", COUNTS))):
            with pytest.raises(InputError, match=r"trend\.json"):
                use()
        assert file.read_text() == content


def test_a_trend_that_cannot_be_written_is_as_it_was(file, monkeypatch):
    before = add_point(file, Point("2026-03-02", COUNTS))

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full)
        with pytest.raises(OutputError, match="no space left"):
            add_point(file, Point("2026-03-03", COUNTS))
    assert read_trend(file) == before
    assert list(file.parent.iterdir()) == [file]


def test_the_point_of_a_run_counts_what_it_found(sample_space):
    as_of, findings, ledger = sample_space.as_of, audit_all(sample_space), {}
    follow(ledger, "run", "2026-03-02", findings.iloc[2:])
    run = follow(ledger, "run", as_of.isoformat(), findings.iloc[1:])
    point = point_of(as_of, findings.iloc[1:], findings.head(3), run)
    assert (point.new, point.open, point.fixed, point.waived) == (1, len(findings) - 2, 0, 3)
    assert sum(point.counts.values()) == len(findings) - 1
    assert list(point.counts) == ["critical", "error", "warning", "info"]
    first = point_of(as_of, findings, pd.DataFrame(), None)
    assert (first.new, first.open, first.fixed) == (0, len(findings), 0)
