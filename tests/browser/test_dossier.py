"""A dossier's page in a real browser: points that one ticks off, paper, a phone, and who may read it."""

import stat
from io import BytesIO

import pytest
from conftest import SAMPLE_AS_OF
from pypdf import PdfReader
from structure import check_fits

from mssante_audit.dossiers import write_dossiers
from mssante_audit.dossiers.facts import dossier
from mssante_audit.dossiers.survey import survey
from tests.browser.test_reports import plain


@pytest.fixture(scope="module")
def small(sample_space):
    """The dossier of the small operator that has most to put right."""
    standing = survey(sample_space).standing
    return dossier(sample_space, str(standing.loc[standing["domains"] < 10, "todo"].idxmax()))


@pytest.fixture(scope="module")
def made(tmp_path_factory, small):
    out = tmp_path_factory.mktemp("dossiers") / "out"
    (made,) = write_dossiers(out, parameters={"as_of": SAMPLE_AS_OF}, operators=[small.operator_id]).outcomes
    return out / f"{made.file}.html"


@pytest.mark.parametrize(("width", "most"), [(1280, 200), (390, 380)])
def test_the_answer_is_near_the_top_and_each_point_a_card_to_tick_off(visit, made, small, width, most):
    opened = visit(made, width=width)
    page = opened.page
    assert page.locator(".counts .track").bounding_box()["y"] <= most
    assert page.locator("h1").inner_text() == small.label
    cards = page.locator("ol.points > li")
    assert cards.count() == len(small.points) > 1
    for card, point in zip(cards.all(), small.points, strict=True):
        text = plain(card.inner_text())
        for part in (point.title, point.remedy, point.addressee, *point.domains[:5]):
            assert plain(part) in text
        box = card.get_by_role("checkbox")
        assert point.title in box.get_attribute("aria-label")
        box.check()
    assert page.locator("ol.points input:checked").count() == len(small.points)
    check_fits(page, width)
    assert opened.alarms == []


def test_on_paper_it_has_two_pages_at_most_with_every_point(visit, made, small):
    pdf = PdfReader(BytesIO(visit(made).page.pdf(format="A4", prefer_css_page_size=True)))
    assert len(pdf.pages) <= 2
    printed = plain("".join(page.extract_text() for page in pdf.pages))
    assert all(plain(part) in printed for point in small.points for part in (point.title, point.remedy))


def test_only_its_owner_can_read_what_has_contacts_in_clear(made, small, tmp_path):
    assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700
    files = [path for path in made.parent.iterdir() if path.name != ".lock"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    masked = tmp_path / "masked"
    write_dossiers(masked, parameters={"as_of": SAMPLE_AS_OF}, operators=[small.operator_id], masked=True)
    assert stat.S_IMODE((masked / "index.html").stat().st_mode) == 0o644
