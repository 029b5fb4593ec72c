"""Reports and dossiers in a real browser, offline: tables, hostile text, phone, paper, accessibility."""

import csv
import io
import stat
import unicodedata
from io import BytesIO

import pandas as pd
import pytest
from conftest import SAMPLE_AS_OF
from playwright.sync_api import expect
from pypdf import PdfReader
from structure import check_first_screen, check_fits, check_nothing_got_in, check_sorting, check_structure

from mssante_audit.base.export import csv_text
from mssante_audit.base.resources import resource
from mssante_audit.dossiers import write_dossiers
from mssante_audit.dossiers.facts import dossier
from mssante_audit.dossiers.survey import survey
from mssante_audit.report.run import find_notebooks
from mssante_audit.report.tables import PAPER

pytestmark = pytest.mark.browser

NAMES = tuple(sorted({*find_notebooks((), resource("notebooks"))} - {"certificates"}))
"""Reports that the sample's data give; that on certificates needs servers of its own."""
LONG = "dn_consistency"
"""A report one of whose tables has several pages with the hostile list."""


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture(params=["sample", "hostile", "real"])
def run(request):
    return request.getfixturevalue(f"{request.param}_run")


@pytest.fixture
def long_table(visit, hostile_run):
    """A report's page, and the `id` and number of rows of a table that does not fit one page of it."""
    page = visit(hostile_run.out / f"{LONG}.html").page
    tables = page.locator("table.sortable").evaluate_all("all => all.map(t => [+t.dataset.rows, t.id])")
    rows, name = max(tables)
    assert rows > 10
    return page, name, rows


def test_a_report_asks_for_nothing_and_can_be_followed_unseen(look, run, name):
    opened = look(run.out / f"{name}.html")
    assert opened.requests == opened.alarms == []
    check_structure(opened.page, ("body > header", "main", "body > footer", "body > nav"))


def test_the_report_on_certificates_holds_hostile_servers_as_text(look, certificates_run, payloads):
    opened = look(certificates_run.out / "certificates.html")
    assert opened.requests == opened.alarms == []
    holds_as_text(opened.page, payloads)


def test_hostile_text_stays_text(look, hostile_run, name, payloads):
    page = look(hostile_run.out / f"{name}.html").page
    assert [o.failure for o in hostile_run.outcomes] == [None] * len(NAMES)
    if name != "contacts_over_time":  # it shows no text of the list
        holds_as_text(page, payloads)


def holds_as_text(page, payloads):
    check_nothing_got_in(page, "main img")
    shown = page.locator("main").inner_text()
    assert any(payload in shown for payload in payloads)


def test_a_table_sorts_by_mouse_and_keyboard(long_table):
    page, name, _ = long_table
    order = f"[...document.querySelectorAll('#{name} tbody tr')].map(r => +r.cells[5].dataset.key)"
    check_sorting(page, page.locator(f"#{name} th", has_text="Lignes"), order)


def test_a_table_finds_and_pages_in_french(long_table):
    page, name, rows = long_table
    box = page.locator(f".table:has(#{name})")
    info, search = box.get_by_role("status"), box.get_by_label("Rechercher")
    shown = box.locator("tbody tr:visible")
    assert (info.inner_text(), shown.count()) == (f"Lignes 1 à 10 sur {rows}", 10)
    box.get_by_label("Page suivante").click()
    assert info.inner_text().startswith("Lignes 11 à ")
    domain = shown.first.locator("td").nth(2).locator("bdi").inner_text()
    search.fill(domain)
    assert f"(parmi {rows})" in info.inner_text()
    assert all(domain in text for text in shown.all_inner_texts())
    search.fill("introuvable nulle part")
    assert info.inner_text() == f"Aucune ligne ne correspond à la recherche. (parmi {rows})"
    assert shown.count() == 0
    expect(box.get_by_role("button", name="CSV des lignes trouvées")).to_be_disabled()
    word = box.locator("tbody tr").first.locator("td").first.text_content().split()[-1]
    search.fill(word.upper().replace("E", "É"))  # accents and case are forgiven
    assert shown.count() > 0
    assert all(word in text for text in shown.all_inner_texts())
    search.fill("")
    box.locator("select").select_option(label="toutes")
    assert shown.count() == rows


def test_the_rows_found_come_as_csv_that_holds_no_formula(long_table):
    page, name, rows = long_table
    hostile = ["=1+1", "-cmd|' /C calc'!A0", "a;@SUM(1)", 'dit "oui", non', "-12"]
    page.evaluate(
        """([name, texts]) => texts.forEach((text, i) => {
          document.getElementById(name).tBodies[0].rows[i].cells[4].textContent = text;
        })""",
        [name, hostile],
    )
    with page.expect_download() as download:
        page.locator(f".table:has(#{name})").get_by_role("button", name="CSV des lignes trouvées").click()
    text = download.value.path().read_text(encoding="utf-8-sig")
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert len(read) == 1 + rows
    expected = csv_text(pd.DataFrame({"Observé": hostile})).splitlines()
    assert [row[4] for row in read[:5]] == [row[0] for row in csv.reader(expected[:5])]
    assert read[5][4] == "-12"


def test_the_first_rows_go_on_paper_and_it_says_where_the_others_are(look, run, name):
    page = look(run.out / f"{name}.html", paper=True).page
    printed = page.evaluate(
        """[...document.querySelectorAll("table.sortable")].map((t) => [Number(t.dataset.rows),
          [...t.tBodies[0].rows].filter((row) => getComputedStyle(row).display !== "none").length,
          t.closest(".table").querySelector(".paper")?.textContent ?? ""])"""
    )
    assert printed
    for rows, on_paper, note in printed:
        assert on_paper == min(rows, PAPER)
        assert note.startswith(f"Sur papier, les {PAPER} premières lignes sur") == (rows > PAPER)
    assert look(run.out / f"{name}.html").page.locator(".paper:visible").count() == 0


def test_a_report_on_paper_is_short_and_strands_no_heading(look, run, name):
    page = look(run.out / f"{name}.html").page
    headings = {plain(text) for text in page.locator("h2, h3, caption").all_inner_texts()}
    pages = [sheet.extract_text() for sheet in PdfReader(io.BytesIO(page.pdf(format="A4"))).pages]
    # Of the catalogue, which breaks every rule there is, more is shown than of any list.
    assert len(pages) <= (14 if "sample" in str(run.out) else 6 if name == "overview" else 12)
    last = [[line for line in text.splitlines() if line.strip()][-1] for text in pages]
    assert [line for line in last if plain(line) in headings] == []


def plain(text):
    """A text without the ligatures and spaces that a PDF sets."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def test_without_scripts_every_row_is_there(visit, sample_run, name):
    page = visit(sample_run.out / f"{name}.html", script=False).page
    for summary in page.locator("details.folded > summary").all():
        summary.click()  # what is folded unfolds without a script
    tables = page.locator("table.sortable").all()
    assert tables
    for table in tables:
        assert table.locator("tbody tr").count() == int(table.get_attribute("data-rows"))
        assert table.locator("tbody tr").last.is_visible()


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_answer_is_on_the_first_screen(look, run, name, width, height):
    page = look(run.out / f"{name}.html", width, height).page
    no_findings = dict.fromkeys(("changes", "contacts_over_time"), ("dl.figures",))
    parts = {"overview": (".counts dl",), **no_findings}
    check_first_screen(page, (".lead", *parts.get(name, ("dl.figures", "ul.severities"))), height)


@pytest.mark.parametrize(("width", "most"), [(1280, 200), (390, 380)])
@pytest.mark.parametrize("page", ["index", "overview"])
def test_the_bar_of_the_answer_is_near_the_top(look, run, page, width, most):
    shown = look(run.out / f"{page}.html", width).page
    bar = shown.locator(".counts .track").first.bounding_box()["y"]
    heights = "all => all.reduce((sum, notice) => sum + notice.offsetHeight + 20, 0)"
    warned = shown.locator(".notice").evaluate_all(heights)
    assert bar - warned <= most, "what a notice takes aside"


def test_a_phone_does_not_scroll_sideways(look, run, name):
    page = look(run.out / f"{name}.html", 390, 844).page
    check_fits(page, 390)
    shown = "all => all.map(td => td.offsetWidth).filter(w => w)"
    assert min(page.locator("td[data-label]").evaluate_all(shown)) > 300


@pytest.mark.parametrize(("width", "script", "shown"), [(390, True, 3), (390, False, 10), (1280, True, 10)])
def test_a_phone_folds_the_causes_after_the_third(visit, sample_run, width, script, shown):
    page = visit(sample_run.out / "overview.html", width, script=script).page
    seen, more = page.locator("ol.causes:not(.of-check) > li:visible"), page.locator("details.rest > summary")
    assert (seen.count(), more.is_visible()) == (shown, width == 390)
    if shown == 3:
        more.press("Enter")
        assert seen.count() == 10


@pytest.fixture(scope="module")
def small(sample_space):
    """The dossier of the small operator that has most to put right."""
    standing = survey(sample_space).standing
    return dossier(sample_space, str(standing.loc[standing["domains"] < 10, "todo"].idxmax()))


@pytest.fixture(scope="module")
def page_file(tmp_path_factory, small):
    out = tmp_path_factory.mktemp("dossiers") / "out"
    (entry,) = write_dossiers(out, parameters={"as_of": SAMPLE_AS_OF}, operators=[small.operator_id]).outcomes
    return out / f"{entry.file}.html"


@pytest.mark.parametrize(("width", "most"), [(1280, 200), (390, 380)])
def test_the_answer_is_near_the_top_and_each_point_a_card_to_tick_off(visit, page_file, small, width, most):
    opened = visit(page_file, width=width)
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


def test_on_paper_it_has_two_pages_at_most_with_every_point(visit, page_file, small):
    pdf = PdfReader(BytesIO(visit(page_file).page.pdf(format="A4", prefer_css_page_size=True)))
    assert len(pdf.pages) <= 2
    printed = plain("".join(page.extract_text() for page in pdf.pages))
    assert all(plain(part) in printed for point in small.points for part in (point.title, point.remedy))


def test_only_its_owner_can_read_what_has_contacts_in_clear(page_file, small, tmp_path):
    assert stat.S_IMODE(page_file.parent.stat().st_mode) == 0o700
    files = [path for path in page_file.parent.iterdir() if path.name != ".lock"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    masked = tmp_path / "masked"
    write_dossiers(masked, parameters={"as_of": SAMPLE_AS_OF}, operators=[small.operator_id], masked=True)
    assert stat.S_IMODE((masked / "index.html").stat().st_mode) == 0o644
