"""The report on changes, of the sample's archive and of archives with one list or none."""

import gzip
from pathlib import Path
from shutil import copytree

import pandas as pd
import pytest
from cells import plain, shown
from conftest import CATALOGUE
from conftest import SAMPLE_AS_OF as AS_OF
from pages import page_of, parsed
from tlsmade import write_before

from mssante_audit.archive.changes import KINDS
from mssante_audit.archive.history import bring_up_to_date
from mssante_audit.archive.store import Record, append, open_archive
from mssante_audit.base.errors import InputError
from mssante_audit.report.collection import collection
from mssante_audit.report.html import names
from mssante_audit.report.notebook import open_report
from mssante_audit.report.run import run_reports
from mssante_audit.space.story import chronicle, worded_changes, worded_events
from mssante_audit.space.trust import load_space


@pytest.fixture(scope="module")
def report(sample_run):
    return page_of(sample_run, "changes")


CHARTS = ("timeline", "flows", "churn", "ages")


def opened(folder=None, **given):
    return open_report("changes", data=folder and str(folder), as_of=AS_OF, row_limit=5, **given)


def told(report, ident):
    """What a cell of the notebook shows of a report."""
    story = report.story
    given = {"report": report, "space": report.space, "story": story, "row_limit": 5}
    given |= {"changes": worded_changes(story.whole.changes), "events": worded_events(story.events)}
    return shown("changes", ident, lists=story.counts.set_index("time"), **given)


def test_it_is_among_the_reports_where_there_is_an_archive(sample_run):
    (outcome,) = [o for o in sample_run.outcomes if o.name == "changes"]
    assert outcome.failure is None
    assert (sample_run.out / "changes.html").stat().st_size < 3_000_000


def test_the_first_sentence_is_the_most_telling_event(report):
    lead = plain(report.xpath("//p[@class='lead']")[0].text_content())
    assert lead.startswith("MESSAGERIES FICTIVES DE LANDEFACTICE (399900000300015) a repris 4 domaines de")
    assert "17 autres événements" in lead


def test_every_kind_has_its_table(report, space):
    headings = [plain(h.text_content()) for h in report.xpath("//h3")]
    assert set(names("changes")) == set(KINDS)
    story = chronicle(space)
    there = [
        plain(names("changes")[kind].replace(" :", "\xa0:"))
        for kind in names("changes")
        if kind in set(story.whole.changes["kind"])
    ]
    assert headings == there
    assert len(report.xpath("//table[@id='events']/tbody/tr")) == 18


def test_figures_can_be_read_without_being_seen(report):
    figures = report.xpath("//figure")
    assert len(figures) == 4
    alts = [plain(f.find("div").get("aria-label")) for f in figures]
    assert "2 mars 2026 : 148 domaines, 7 événements" in alts[0]
    assert "le plus (7) dans celle du 2 mars 2026." in plain(figures[0].find("figcaption").text_content())
    assert "GROUPEMENT E-SANTE DE CHEMINSONGE (1679900001) → MESSAGERIES" in alts[1]
    assert all(f.find("figcaption").text_content().endswith(".") for f in figures)


def test_a_domain_with_a_new_name_is_no_new_domain(space):
    story = chronicle(space)
    ages_of = story.ages.set_index("domain")
    (renamed,) = story.whole.changes.loc[story.whole.changes["kind"] == "renamed", "domain"]
    assert ages_of.loc[renamed, "censored"]
    assert (~story.ages["censored"]).sum() == (story.whole.changes["kind"] == "added").sum()


def test_contacts_are_masked(sample_run, report):
    text = (sample_run.out / "changes.ipynb").read_text(encoding="utf-8")
    assert "nouveau-projet@" not in text + report.text_content()
    assert "•••@" in report.text_content()


def test_an_operator_is_told_only_of_what_touches_it(space):
    story = chronicle(space, operator_id="1679900001")
    assert set(story.events["kind"]) == {"migration"}
    assert set(story.whole.changes["kind"]) == {"moved", "contact_changed"}
    assert len(story.ages) < 20


def test_a_start_leaves_earlier_lists_out(space):
    story = chronicle(space, since="2026-01-10")
    assert len(story.steps) == 2
    assert story.skipped == 2
    assert "migration" not in set(story.events["kind"])
    given = dict.fromkeys(("data", "operator", "region", "department", "signer"))
    given |= {"recover": False, "any_namespace": False, "contacts": "none", "anchors": [], "row_limit": 5}
    opening = shown("changes", "opening", **given, as_of=AS_OF, changes_since="2026-01-10")
    assert "2 listes plus anciennes" in plain(opening)


def test_one_list_is_a_story_too(tmp_path):
    copytree(CATALOGUE / "archive", tmp_path / "archive")
    for file in sorted((tmp_path / "archive").glob("*.gz"))[1:]:
        file.unlink()
    report = opened(tmp_path)
    assert "rien à comparer" in told(report, "answer")
    assert "Aucun" in told(report, "events")
    assert "Aucun changement" in plain(told(report, "kinds"))
    for chart in (told(report, ident) for ident in CHARTS):
        assert chart.html()
        assert chart.caption.endswith(".")


def test_no_archive_is_said(tmp_path):
    list_file = CATALOGUE / "listeblanchemssante.xml.gz"
    (tmp_path / "list.xml.gz").write_bytes(list_file.read_bytes())
    space = load_space(tmp_path, as_of=AS_OF)
    assert space.archive is None
    assert "Pas d’archive" in collection(space)
    with pytest.raises(InputError, match="no archive"):
        chronicle(space)
    with pytest.raises(InputError, match="holds no archive"):
        run_reports(["changes"], out=tmp_path / "out", parameters={"data": str(tmp_path), "as_of": AS_OF})


def test_the_overview_tells_the_last_good_fetch_and_the_failures_since(tmp_path):
    copytree(CATALOGUE / "archive", tmp_path / "archive")

    def state():
        return plain(collection(load_space(tmp_path, as_of=AS_OF)))

    assert "Aucune collecte n’est consignée" in state()
    folder = tmp_path / "archive"
    append(folder, Record("2026-03-01T06:00:00+00:00", "fetch", "failed", message="<b>down"))
    assert "Aucune collecte n’a réussi ; 1 échec depuis" in state()
    assert "&lt;b&gt;down" in state()
    append(folder, Record("2026-03-02T06:00:00+00:00", "fetch", "kept", file="x"))
    assert "Dernière collecte réussie : 2 mars 2026 à 06 h 00 UTC." in state()
    append(folder, Record("2026-03-03T01:00:00+00:00", "fetch", "quarantined", file="q", message="signature"))
    append(folder, Record("2026-03-03T02:00:00+00:00", "fetch", "failed", message="no answer in time"))
    append(folder, Record("2026-03-04T02:00:00+00:00", "fetch", "failed", message="after the report's date"))
    assert "2 échecs depuis" in state()
    assert "liste mise en quarantaine" in state()
    assert "after the report" not in state()


def broken(tmp_path, number, content):
    """Return the space of the sample's archive, one of its lists having other bytes, or cut, or none."""
    copytree(CATALOGUE / "archive", tmp_path / "archive")
    copytree(CATALOGUE / "anchors", tmp_path / "anchors")
    file = sorted((tmp_path / "archive").glob("*.gz"))[number]
    file.write_bytes(file.read_bytes()[:-50] if content is None else content)
    return load_space(tmp_path, as_of=AS_OF, anchors=[tmp_path / "anchors"])


@pytest.mark.parametrize(
    ("number", "content"), [(0, None), (2, b""), (2, gzip.compress(b"<html></html>", mtime=0))]
)
def test_a_list_that_cannot_be_read_is_left_out_and_named(tmp_path, number, content):
    broken(tmp_path, number, content)
    report = opened(tmp_path, anchors=[str(tmp_path / "anchors")])
    story = report.story
    assert len(story.steps) == 3
    notice, state = plain(told(report, "unread")), plain(collection(report.space))
    assert "1 liste illisible ou refusée laissée de côté : <bdi>202" in notice
    assert "L’historique ne peut être établi" in state
    assert all(told(report, ident).caption for ident in ("timeline", "ages"))
    assert story.ages["censored"].sum() > 100, "of its own first list"


def test_a_list_replaced_by_another_good_one_is_left_out_too(tmp_path):
    other = sorted((CATALOGUE / "archive").glob("*.gz"))[1].read_bytes()
    story = chronicle(broken(tmp_path, 2, other))
    (error,) = story.unread
    assert "other bytes" in error.message
    with pytest.raises(InputError, match=r"other bytes.*archive verify"):
        load_space(tmp_path / "archive", as_of="2026-01-06")


def test_no_list_at_all_that_can_be_read(tmp_path):
    copytree(CATALOGUE, tmp_path / "data")
    for file in (tmp_path / "data" / "archive").glob("*.gz"):
        file.write_bytes(b"")
    with pytest.raises(InputError, match=r"2025-09-01T.*the file is empty.*Put the right file back"):
        chronicle(load_space(tmp_path / "data", as_of=AS_OF))


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
    assert {row[3] for row in rows} == {"autre nom"}
    assert {row[6] for row in rows} == set(report.renewals["before"])
    assert "Aucun changement de certificat" in report.renewals_table(since=pd.Timestamp(report.space.as_of))
