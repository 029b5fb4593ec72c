"""Every chart function and every chart of every report: phone, screen and paper, light and dark."""

import ast
import re
from contextlib import chdir
from pathlib import Path

import pandas as pd
import pytest
from conftest import toml
from legible import ILLEGIBLE
from nbformat import v4

import mssante_audit as ms
from mssante_audit.base.resources import resource
from mssante_audit.report.page import Outcome, to_html
from mssante_audit.values.identifiers import DEPARTMENTS

pytestmark = pytest.mark.browser

A4 = 695
"""Pixels between the margins of the page (13 mm each, `style.css`)."""
MEDIA = [
    (width, {"media": media, "color_scheme": scheme})
    for media, widths in (("screen", (390, 1280)), ("print", (A4,)))
    for width in widths
    for scheme in ("light", "dark")
]

LONG = "GROUPEMENT DE COOPÉRATION SANITAIRE DES ÉTABLISSEMENTS FICTIFS DU GRAND ARCHIPEL IMAGINAIRE ET AUTRES"
DAYS = pd.date_range("2025-03-01", periods=90, freq="D", tz="UTC")
LARGE = pd.Series({LONG: 1_234_567, LONG.replace(" ", "-"): 3, "x" * 150: 1})
PARTS = pd.DataFrame({f"{LONG[:40]} {n}": [n + 1, 200] for n in range(9)}, index=["a", LONG])
NIGHTS = pd.DataFrame({"error": range(90), LONG: [10**6] * 90, "zéro": [0] * 90}, index=DAYS)
HARD = [
    lambda: ms.bars(LARGE, title=LONG, whole=2_000_000),
    lambda: ms.bars(PARTS, title="Parts"),
    lambda: ms.tiles(pd.Series({c: 97 * n + 1 for n, c in enumerate(DEPARTMENTS)}), title="four digits"),
    lambda: ms.tiles(pd.Series({c: 9_091 * n + 1 for n, c in enumerate(DEPARTMENTS)}), title="six digits"),
    lambda: ms.lines(NIGHTS, title="t"),
    lambda: ms.lines(NIGHTS[:1], title="one instant"),
    lambda: ms.bars(pd.Series({LONG: 2, "b": 2}), title="all equal"),
    lambda: ms.bars(pd.Series(dtype=int), title="nothing", empty="Rien."),
]


def page_of(parts, out):
    outputs = [v4.new_output("display_data", {"text/html": html}) for html in (ms.enable().text, *parts)]
    notebook = v4.new_notebook(cells=[v4.new_code_cell(outputs=outputs)])
    out.write_text(to_html(notebook, Outcome("x", "", None), {}), "utf-8")
    return out


def html_of(value):
    return value.html() if hasattr(value, "html") else value._repr_html_()


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """The charts of docs/gallery.md, as its own lines draw them."""
    text = Path(resource("notebooks").parent, "docs", "gallery.md").read_text(encoding="utf-8")
    scope, parts, folder = {}, [], tmp_path_factory.mktemp("gallery")
    for source in re.findall(r"```\{code-cell\} python\n(.*?)```", text, re.DOTALL):
        body = ast.parse(source).body
        last = body.pop()
        with chdir(folder):  # a chart is saved
            exec(compile(ast.Module(body, []), "gallery", "exec"), scope)
            value = eval(compile(ast.Expression(last.value), "gallery", "eval"), scope)
        parts += [] if value is None else [html_of(value)]
    return page_of(parts, folder / "gallery.html")


def illegible(page, looks=MEDIA):
    """What is wrong with a page's charts, and where; and how many charts there are."""
    wrong, charts = [], 0
    for width, media in looks:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(**media)
        charts, texts = page.evaluate(ILLEGIBLE, media["media"] == "print")
        wrong += [(width, *media.values(), text) for text in texts]
    page.emulate_media(media="screen", color_scheme="light")
    return charts, wrong


def test_every_chart_of_the_gallery_and_of_hard_values_is_legible(visit, gallery, tmp_path):
    charts, wrong = illegible(visit(gallery).page)
    assert wrong == []
    assert charts == gallery.read_text(encoding="utf-8").count('class="drawn"') + 1  # severities
    page = visit(page_of([html_of(draw()) for draw in HARD], tmp_path / "hard.html")).page
    assert illegible(page) == (len(HARD), [])


SOME = [MEDIA[0], MEDIA[3], MEDIA[4]]
"""A light phone, a dark screen and paper; every chart function is looked at in all of `MEDIA`."""


@pytest.mark.parametrize("source", ["sample", "certificates", "hostile", "real"])
def test_every_chart_of_the_reports_is_legible(visit, request, source):
    run, seen = request.getfixturevalue(f"{source}_run"), 0
    for outcome in run.outcomes:
        page = visit(run.out / f"{outcome.name}.html").page
        charts, wrong = illegible(page, SOME)
        assert wrong == [], outcome.name
        seen += charts
        page.context.close()
    assert seen >= len(run.outcomes)


def test_every_chart_of_a_dossier_and_of_the_site_is_legible(visit, dossiers, sample_site):
    for path in (dossiers / "1679900001.html", sample_site.folder / "index.html"):
        charts, wrong = illegible(visit(path).page)
        assert wrong == [], path.name
        assert charts > 0


BROKEN = """<style>body { background: #fff; color: #000; font: 16px sans-serif }
div, svg { width: 300px } svg { height: 60px }</style><div><figure class="chart">%s</figure></div>"""


def test_each_defect_is_seen(visit, tmp_path):
    (tmp_path / "broken.html").write_text("", "utf-8")
    page = visit(tmp_path / "broken.html").page
    for defect, drawn in toml("browser/defects").items():
        page.set_content(BROKEN % drawn)
        _, texts = page.evaluate(ILLEGIBLE, True)
        assert any(text.startswith(defect) for text in texts), (defect, texts)


def test_marks_are_reached_by_the_keyboard_and_say_their_number(visit, tmp_path):
    chart = ms.bars(pd.Series({"a": 3, "b": 2, "c": 1}), title="t")
    page = visit(page_of([chart.html()], tmp_path / "keys.html")).page
    focused = "document.activeElement.closest('[role=img]')?.textContent"
    tip = page.locator(".tip")
    for _ in range(20):
        if page.evaluate(focused):
            break
        page.keyboard.press("Tab")
    assert tip.inner_text() == "a : 3"
    keys = ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowUp")
    for key, wanted in zip(keys, ("b : 2", "c : 1", "c : 1", "b : 2"), strict=True):
        page.keyboard.press(key)
        assert page.evaluate(focused) == tip.inner_text() == wanted
    page.keyboard.press("Escape")
    assert tip.count() == 0
    page.keyboard.press("Tab")
    assert page.evaluate(focused) is None, "a chart is one stop"


def test_a_number_that_stands_beside_its_mark_is_its_name_too(visit, gallery):
    page = visit(gallery).page
    mark = page.locator(".counts [role=img]").first
    mark.hover()
    assert page.locator(".tip").inner_text() == mark.get_attribute("aria-label")
    assert mark.get_attribute("aria-label").split()[0] == page.locator(".counts dt b").first.inner_text()


def test_without_a_script_every_mark_is_a_stop(visit, tmp_path):
    path = page_of([ms.bars(pd.Series({"a": 3, "b": 2}), title="t").html()], tmp_path / "plain.html")
    assert visit(path, script=False).page.locator("[role=img][tabindex='0']").count() == 2
