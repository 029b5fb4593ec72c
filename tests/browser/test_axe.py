"""Every kind of page under axe, in Chromium: wide and narrow, light and dark, in both languages."""

import pytest
from axe_playwright_python.sync_playwright import DEFAULT_OPTIONS, Axe
from conftest import SAMPLE_AS_OF

from mssante_audit.audits import audit_all, waived
from mssante_audit.base.resources import resource
from mssante_audit.dossiers.write import write_dossiers
from mssante_audit.report.run import find_notebooks, run_reports
from mssante_audit.site.build import build_site
from mssante_audit.space.trust import load_space
from tests.browser.test_site import KINDS, page_of

pytestmark = pytest.mark.browser

WIDTHS = (1280, 390)
REPORTS = tuple(sorted({*find_notebooks((), resource("notebooks"))} - {"certificates"}))


COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"], "resultTypes": ["violations"]}
"""The rules on what a theme changes."""
LOOKS = (("light", DEFAULT_OPTIONS, 10), ("dark", COLOURS, 0))


def violations(page):
    """What axe finds against WCAG 2.2 AA and its best practices, all unfolded; of colours in the dark too."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    told = []
    for scheme, options, passes in LOOKS:
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, options=options).response
        assert len(found["passes"]) > passes  # it did look
        told += [
            (scheme, v["id"], v["impact"], node["target"], node["html"][:120])
            for v in found["violations"]
            for node in v["nodes"]
        ]
    page.emulate_media(color_scheme="light")
    return told


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("made", ["sample", "hostile"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_of_the_site(look, request, made, kind, width):
    site = request.getfixturevalue(f"{made}_site")
    assert violations(look(page_of(site, kind), width).page) == []


def test_the_site_with_search_results_and_open_numbers(visit, sample_site):
    page = visit(sample_site.folder / "index.html").page
    page.get_by_role("searchbox").fill("ch")
    assert page.locator("#resultats a").count() > 0
    assert violations(page) == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", REPORTS)
def test_a_report(look, sample_run, name, width):
    assert violations(look(sample_run.out / f"{name}.html", width).page) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_report_on_certificates(look, certificates_run, width):
    assert violations(look(certificates_run.out / "certificates.html", width).page) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_index_of_the_reports(look, sample_run, width):
    assert violations(look(sample_run.out / "index.html", width).page) == []


@pytest.fixture(scope="module")
def english(tmp_path_factory):
    """The English site of the sample, with its reports below ``rapports``."""
    out, space = tmp_path_factory.mktemp("english"), load_space(as_of=SAMPLE_AS_OF)
    run_reports(out=out / "reports", parameters={"as_of": SAMPLE_AS_OF, "lang": "en"})
    more = {"waived": waived(space, language="en"), "told": None, "points": (), "language": "en"}
    build_site(out / "site", space, audit_all(space, language="en"), reports=out / "reports", **more)
    return out / "site"


@pytest.mark.parametrize(
    "page",
    [
        *(path for kind, path in KINDS.items() if kind != "operator"),
        *(f"rapports/{name}.html" for name in REPORTS),
    ],
)
def test_a_page_in_english(look, english, page):
    assert violations(look(english / page).page) == []


@pytest.fixture(scope="module")
def dossiers(tmp_path_factory):
    out = tmp_path_factory.mktemp("dossiers")
    write_dossiers(out, parameters={"as_of": "2026-03-03"}, operators=["1679900001"])
    return out


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["index", "1679900001"])
def test_a_dossier_and_their_index(look, dossiers, name, width):
    assert violations(look(dossiers / f"{name}.html", width).page) == []


def test_axe_sees_a_defect(visit, sample_site, tmp_path):
    html = page_of(sample_site, "index").read_text(encoding="utf-8")
    broken = tmp_path / "broken.html"
    broken.write_text(
        html.replace('<html lang="fr">', "<html>").replace('for="cherche"', ""), encoding="utf-8"
    )
    assert {v[1] for v in violations(visit(broken).page)} >= {"html-has-lang", "label"}
