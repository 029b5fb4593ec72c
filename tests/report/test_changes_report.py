"""The report on changes, of the sample's archive and of archives with one list or none."""

import gzip
from pathlib import Path
from shutil import copy, copytree

import pandas as pd
import pytest
from cells import plain, shown
from conftest import CATALOGUE
from conftest import SAMPLE_AS_OF as AS_OF
from pages import page_of, parsed
from tlsmade import write_before

from mssante_audit.archive.changes import KINDS
from mssante_audit.archive.history import bring_up_to_date
from mssante_audit.archive.store import LogLine, append, open_archive
from mssante_audit.base.errors import InputError
from mssante_audit.report.html import names
from mssante_audit.report.notebook import open_report
from mssante_audit.report.run import run_reports
from mssante_audit.space.story import chronicle, worded_changes, worded_events
from mssante_audit.space.trust import load_space


def opened(folder=None, **settings):
    return open_report("changes", data=folder and str(folder), as_of=AS_OF, row_limit=5, **settings)


def told(report, ident):
    story = report.story
    variables = {"report": report, "space": report.space, "story": story, "row_limit": 5}
    variables |= {"changes": worded_changes(story.whole.changes), "events": worded_events(story.events)}
    return shown("changes", ident, lists=story.counts.set_index("time"), **variables)


def test_every_kind_has_its_table_and_contacts_are_masked(sample_run, space):
    """Its figures and sentences are those of `test_numbers`."""
    page = page_of(sample_run, "changes")
    assert set(names("changes")) == set(KINDS)
    happened = set(chronicle(space).whole.changes["kind"])
    titles = [
        plain(text.replace(" :", "\xa0:")) for kind, text in names("changes").items() if kind in happened
    ]
    assert [plain(h.text_content()) for h in page.xpath("//h3")] == titles
    text = (sample_run.out / "changes.ipynb").read_text(encoding="utf-8")
    assert "nouveau-projet@" not in text + page.text_content()
    assert "•••@" in page.text_content()


def test_a_start_leaves_earlier_lists_out(space):
    story = chronicle(space, since="2026-01-10")
    assert (len(story.steps), story.skipped) == (2, 2)
    assert "migration" not in set(story.events["kind"])
    settings = dict.fromkeys(("data", "operator", "region", "department", "signer"))
    settings |= {"recover": False, "any_namespace": False, "contacts": "none", "anchors": [], "row_limit": 5}
    opening = shown("changes", "opening", **settings, as_of=AS_OF, changes_since="2026-01-10")
    assert "2 listes plus anciennes" in plain(opening)


def test_one_list_is_a_story_too(tmp_path):
    copytree(CATALOGUE / "archive", tmp_path / "archive")
    for file in sorted((tmp_path / "archive").glob("*.gz"))[1:]:
        file.unlink()
    report = opened(tmp_path)
    assert "rien à comparer" in told(report, "answer")
    assert "Aucun" in told(report, "events")
    assert "Aucun changement" in plain(told(report, "kinds"))
    for chart in (told(report, ident) for ident in ("timeline", "flows", "churn", "ages")):
        assert chart.html()
        assert chart.caption.endswith(".")


def test_no_archive_is_said(tmp_path):
    copy(CATALOGUE / "listeblanchemssante.xml.gz", tmp_path / "list.xml.gz")
    assert "Pas d’archive" in opened(tmp_path).collection()
    with pytest.raises(InputError, match="holds no archive"):
        run_reports(["changes"], out=tmp_path / "out", parameters={"data": str(tmp_path), "as_of": AS_OF})


def test_no_list_at_all_that_can_be_read(tmp_path):
    copytree(CATALOGUE, tmp_path / "data")
    for file in (tmp_path / "data" / "archive").glob("*.gz"):
        file.write_bytes(b"")
    with pytest.raises(InputError, match=r"2025-09-01T.*the file is empty.*Put the right file back"):
        chronicle(load_space(tmp_path / "data", as_of=AS_OF))


def test_the_overview_tells_the_last_good_fetch_and_the_failures_since(tmp_path):
    copytree(CATALOGUE / "archive", tmp_path / "archive")

    def after(at, outcome, **more):
        append(tmp_path / "archive", LogLine(f"{at}:00:00+00:00", "fetch", outcome, **more))
        return plain(opened(tmp_path).collection())

    assert "Aucune collecte n’est consignée" in plain(opened(tmp_path).collection())
    state = after("2026-03-01T06", "failed", message="<b>down")
    assert "Aucune collecte n’a réussi ; 1 échec depuis" in state
    assert "&lt;b&gt;down" in state
    state = after("2026-03-02T06", "kept", file="x")
    assert "Dernière collecte réussie : 2 mars 2026 à 06 h 00 UTC." in state
    after("2026-03-03T01", "quarantined", file="q", message="signature")
    after("2026-03-03T02", "failed", message="no answer in time")
    state = after("2026-03-04T02", "failed", message="after the report's date")
    assert "2 échecs depuis" in state
    assert "liste mise en quarantaine" in state
    assert "after the report" not in state


def broken(tmp_path, number, content):
    """Give one of the lists of the sample's archive other bytes, or cut it."""
    copytree(CATALOGUE / "archive", tmp_path / "archive")
    copytree(CATALOGUE / "anchors", tmp_path / "anchors")
    file = sorted((tmp_path / "archive").glob("*.gz"))[number]
    if content == "twin":  # of the same second
        file, content = file.with_name(f"{file.name[:18]}-00000000.xml.gz"), b""
    file.write_bytes(file.read_bytes()[:-50] if content is None else content)


OTHER = sorted((CATALOGUE / "archive").glob("*.gz"))[1].read_bytes()


@pytest.mark.parametrize(
    ("number", "content"),
    [(0, None), (2, b""), (2, gzip.compress(b"<html></html>", mtime=0)), (2, OTHER), (1, "twin")],
)
def test_a_list_that_cannot_be_read_or_is_another_is_left_out_and_named(tmp_path, number, content):
    broken(tmp_path, number, content)
    report = opened(tmp_path, anchors=[str(tmp_path / "anchors")])
    story = report.story
    assert (len(story.steps), len(story.unread)) == (4 if content == "twin" else 3, 1)
    notice, state = plain(told(report, "unread")), plain(report.collection())
    assert "1 liste illisible ou refusée laissée de côté : <bdi>202" in notice
    assert "L’historique ne peut être établi" in state
    assert all(told(report, ident).caption for ident in ("timeline", "ages"))
    assert story.ages["censored"].sum() > 100, "of its own first list"


def test_a_deleted_list_is_as_if_it_had_never_been_kept(tmp_path):
    copytree(CATALOGUE / "archive", tmp_path / "archive")
    bring_up_to_date(open_archive(tmp_path / "archive"))
    min((tmp_path / "archive").glob("*.gz")).unlink()
    story = chronicle(load_space(tmp_path, as_of=AS_OF))
    assert len(story.steps) == 3
    assert story.ages["first_seen"].min().date().isoformat() == "2025-11-03"


def test_certificates_that_changed_stand_beside_what_changed_in_the_list(tmp_path):
    data = Path(copytree(CATALOGUE, tmp_path / "data"))
    write_before(load_space(data, as_of=AS_OF), data, "CN=<b>x,C=FR")
    report = opened(data)
    page = parsed(told(report, "tls"))
    rows = [[cell.text_content() for cell in row.xpath("td")] for row in page.xpath("//tbody/tr")]
    assert len(rows) == 5 < len(report.renewals)
    assert {(row[3], row[6]) for row in rows} == {("autre nom", name) for name in report.renewals["before"]}
    assert "Aucun changement de certificat" in report.renewals_table(since=pd.Timestamp(report.space.as_of))
