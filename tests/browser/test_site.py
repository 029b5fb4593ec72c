"""The site in a real browser, opened from disk and offline: search, tables, hostile text, phone, paper."""

import re

import pytest
from playwright.sync_api import expect
from structure import (
    check_first_screen,
    check_fits,
    check_nothing_got_in,
    check_policy,
    check_sorting,
    check_structure,
)

from mssante_audit.report.tables import visible
from mssante_audit.site.view import page_name

pytestmark = pytest.mark.browser

KINDS = {
    "index": "index.html",
    "follow_up": "suivi.html",
    "findings": "constats.html",
    "operators": "operateurs.html",
    "rules": "regles.html",
    "audit": "audits/dn_consistency.html",
    "rule": "regles/DN_SHAPE.html",
    "operator": "operateurs/",
}
"""A page of each kind; of the operators the one with most findings."""


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=["sample", "hostile", "real"])
def site(request):
    return request.getfixturevalue(f"{request.param}_site")


def page_of(site, kind):
    if kind == "operator":
        owners = site.findings.loc[site.findings["operator_id"] != "", "operator_id"]
        return site.folder / f"operateurs/{page_name(owners.mode()[0])}.html"
    return site.folder / KINDS[kind]


def test_a_page_asks_for_nothing_can_be_followed_unseen_and_fits_a_phone(look, site, kind):
    opened = look(page_of(site, kind))
    page = opened.page
    assert opened.requests == opened.alarms == []
    check_structure(page, ("body > header", "main", "body > footer", "header nav"))
    assert page.locator("svg:not(:is(.drawn, ul) svg)").count() == 0
    assert page.locator("[aria-current]").count() == 1
    check_fits(look(page_of(site, kind), 390, 844).page, 390)


def test_hostile_text_stays_text(look, hostile_site, kind):
    check_nothing_got_in(look(page_of(hostile_site, kind)).page, "img")


def test_hostile_text_is_shown_as_it_is(look, hostile_site, payloads):
    shown = look(hostile_site.folder / "constats.html").page.locator("main").text_content()
    follow_up = look(hostile_site.folder / "suivi.html").page.locator("main").inner_text()
    for payload in payloads:
        assert re.sub(r"\s+", " ", visible(payload)) in re.sub(r"\s+", " ", shown)
    assert payloads[0] in follow_up  # the reason of a waiver
    assert "cellule <b>MSSanté</b>" in follow_up
    for payload in payloads[:4]:
        page = look(hostile_site.folder / f"operateurs/{page_name(payload)}.html").page
        assert page.locator("h1").inner_text() == visible(payload)
        assert page.title() == f"{visible(payload)} – audit MSSanté"
        assert page.evaluate("window.pwned") is None


def test_policy_stops_a_script_that_got_in_all_the_same(visit, sample_site, tmp_path):
    page = check_policy(visit, sample_site.folder / "index.html", tmp_path)
    expect(page.get_by_role("searchbox")).to_be_visible()  # made so by the page's own script


def test_what_is_typed_on_the_first_page_is_searched_in_the_explorer(visit, sample_site):
    opened = visit(sample_site.folder / "index.html")
    page, domain = opened.page, sample_site.space.audited["domain"].iloc[0]
    page.get_by_role("searchbox").fill(f"zoé+a&b@{domain}")
    page.get_by_role("searchbox").press("Enter")
    page.wait_for_url("**/explorer.html#q=*")
    assert page.get_by_role("searchbox").input_value() == f"zoé+a&b@{domain}"
    assert page.locator("#rows button").first.inner_text() == domain
    assert opened.alarms == []


def test_a_table_sorts_by_mouse_and_keyboard(visit, sample_site):
    page = visit(sample_site.folder / "operateurs.html").page
    order = "[...document.querySelectorAll('tbody tr')].map(r => +r.cells[1].dataset.key)"
    check_sorting(page, page.locator("th", has_text="Domaines"), order)


def test_without_scripts_everything_but_the_search_is_there(visit, sample_site):
    """Every row of a table: `test_reports`, of the same template."""
    page = visit(page_of(sample_site, "index"), script=False).page
    assert not page.locator("#recherche").is_visible()
    assert page.get_by_role("link", name="tous les opérateurs", exact=True).first.is_visible()


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_answer_is_on_the_first_screen(look, site, width, height):
    check_first_screen(look(site.folder / "index.html", width, height).page, (".lead", ".counts dl"), height)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_verdict_is_first_and_each_check_leads_to_its_causes(visit, aged_site, width, height):
    page = visit(aged_site.folder / "index.html", width, height).page
    check_fits(page, width)
    check_first_screen(page, (".lead", ".counts dl"), height)
    expect(page.locator(".notice.warning")).to_contain_text("observation du DNS")
    for link in page.locator("table.checks a").all():
        cause = page.locator(link.get_attribute("href"))
        expect(cause).to_be_hidden()
        link.click()
        expect(cause).to_be_in_viewport()
        expect(cause.locator(".doubt").first).to_contain_text("À confirmer")


def test_paper_has_the_page_without_what_only_a_screen_can_do(look, sample_site, kind):
    page = look(page_of(sample_site, kind), paper=True).page
    assert not page.locator("nav.menu").is_visible()
    assert page.locator("#recherche:visible").count() == 0
    check_fits(page, 1280)
    assert page.pdf(format="A4").startswith(b"%PDF")
