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
        result = page.evaluate("options => axe.run(options)", DEFAULT_OPTIONS)
        assert len(result["passes"]) > 10  # it did look
        faults += [
            (width, scheme, v["id"], v["impact"], node["target"], node["html"][:120])
            for v in result["violations"]
            for node in v["nodes"]
        ]
    return faults


PAGES = {
    "sample_site": KINDS,
    "hostile_site": ("follow_up", "findings", "operator"),
    "sample_run": REPORTS,
    "certificates_run": ("certificates",),
    "english_site": ("index", "rapports/overview"),
    "dossiers": ("index", "1679900001"),
}


@pytest.mark.parametrize(("source", "name"), [(source, n) for source, names in PAGES.items() for n in names])
def test_axe_finds_nothing(visit, request, source, name):
    of = request.getfixturevalue(source)
    page = page_of(of, name) if hasattr(of, "findings") else getattr(of, "out", of) / f"{name}.html"
    assert violations(visit(page).page) == []


def test_axe_sees_a_defect(visit, sample_site, tmp_path):
    html = page_of(sample_site, "index").read_text(encoding="utf-8")
    broken = tmp_path / "broken.html"
    html = html.replace('<html lang="fr">', "<html>").replace('for="cherche"', "")
    pale = "<p style='color: #999; background: #aaa'>Un texte pâle</p></main>"
    broken.write_text(html.replace("</main>", pale), encoding="utf-8")
    faults = {(scheme, rule) for _, scheme, rule, *_ in violations(visit(broken).page)}
    wanted = ("html-has-lang", "label", "color-contrast")
    assert faults >= {(scheme, rule) for _, scheme in LOOKS for rule in wanted}
