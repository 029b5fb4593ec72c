"""Every kind of page under axe, in Chromium: wide and narrow, light and dark, in both languages."""

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from axe_playwright_python.sync_playwright import DEFAULT_OPTIONS

from mssante_audit.base.resources import resource
from mssante_audit.report.run import find_notebooks
from tests.browser.test_site import KINDS, page_of

pytestmark = pytest.mark.browser

REPORTS = ("index", *sorted({*find_notebooks((), resource("notebooks"))} - {"certificates"}))

ROWS = 6
"""Rows of a table and items of a list that axe looks at: one template makes those after them too."""
THINNED = """rows => {
  document.querySelectorAll('details').forEach((part) => { part.open = true; });
  document.querySelectorAll('tbody, ul, ol').forEach((list) => {
    [...list.children].slice(rows).forEach((row) => row.remove());
  });
}"""
LOOKS = ((1280, "light"), (390, "dark"))
"""Widths and themes: no rule is about both at once."""


def violations(page, looks=LOOKS):
    """What axe finds against WCAG 2.2 AA and its best practices, all unfolded."""
    page.evaluate(THINNED, ROWS)
    page.evaluate(AXE_SCRIPT)
    faults = []
    for width, scheme in looks:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate("options => axe.run(options)", DEFAULT_OPTIONS)
        assert len(found["passes"]) > 10  # it did look
        faults += [
            (width, scheme, v["id"], v["impact"], node["target"], node["html"][:120])
            for v in found["violations"]
            for node in v["nodes"]
        ]
    return faults


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_of_the_site(visit, sample_site, kind):
    assert violations(visit(page_of(sample_site, kind)).page) == []


@pytest.mark.parametrize("kind", ["follow_up", "findings", "operator"])
def test_a_page_of_hostile_text(visit, hostile_site, kind):
    assert violations(visit(page_of(hostile_site, kind)).page) == []


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_and_their_index(visit, sample_run, name):
    assert violations(visit(sample_run.out / f"{name}.html").page) == []


def test_the_report_on_certificates(visit, certificates_run):
    assert violations(visit(certificates_run.out / "certificates.html").page) == []


@pytest.mark.parametrize("page", ["index.html", "rapports/overview.html"])
def test_a_page_in_english(visit, english_site, page):
    assert violations(visit(english_site / page).page, LOOKS[:1]) == []


@pytest.mark.parametrize("name", ["index", "1679900001"])
def test_a_dossier_and_their_index(visit, dossiers, name):
    assert violations(visit(dossiers / f"{name}.html").page) == []


def test_axe_sees_a_defect(visit, sample_site, tmp_path):
    html = page_of(sample_site, "index").read_text(encoding="utf-8")
    broken = tmp_path / "broken.html"
    broken.write_text(
        html.replace('<html lang="fr">', "<html>").replace('for="cherche"', ""), encoding="utf-8"
    )
    assert {v[2] for v in violations(visit(broken).page, LOOKS[:1])} >= {"html-has-lang", "label"}
