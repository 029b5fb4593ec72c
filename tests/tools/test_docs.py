"""The sources of the documentation site: every rule a page, every name of the API, texts that stay texts."""

import os
import re
from pathlib import Path

import pytest
from lxml import html as lxml_html

import mssante_audit as ms
from tools.docs.sources import READERS, literal, main, rule_page, said
from tools.pictures import PICTURES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "sources"
    main(str(folder))
    return folder


def test_every_rule_has_a_page_that_says_all_of_it(sources):
    for code, rule in ms.catalogue().items():
        page = (sources / "rules" / f"{code}.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {literal(rule.title_en)}\n")
        for text in (rule.why_en, rule.remedy_en, rule.source, rule.severity, rule.confidence):
            assert literal(text) in page, code
        assert "## Evidence" in page, code
    assert said().keys() == ms.catalogue().keys()


def test_every_page_is_for_somebody_and_every_link_leads_somewhere(sources):
    pages = {path.relative_to(sources).with_suffix("").as_posix() for path in sources.rglob("*.md")}
    listed = {page for pages_of in READERS.values() for page in pages_of} | {"readme", "index"}
    assert pages - {f"rules/{code}" for code in ms.catalogue()} | {"cookbook"} == listed
    for path in sources.rglob("*.md"):
        text = path.read_text(encoding="utf-8")
        for link in re.findall(r"\]\((?!https?:)([^)#]+\.(?:md|png|ipynb))", text):
            assert (path.parent / link).exists(), (path, link)


def test_the_api_names_what_is_promised(sources):
    page = (sources / "api.md").read_text("utf-8")
    named = re.findall(r"^\.\. auto\w+:: mssante_audit\.(\w+)$", page, re.M)
    assert {"AUDITS", *named} == set(ms.__all__)


def test_a_text_of_a_rule_stays_a_text():
    hostile = "<script>x</script> [x](javascript:y) `z` | a\n# b {{ c }} ```{eval-rst} *d*"
    words = {"title_en": hostile, "why_en": hostile, "remedy_en": hostile, "source": f"none {hostile}"}
    rule = ms.rule("DN_ID_LUHN").model_copy(update=words)
    page = rule_page(rule, "")
    assert not re.search(r"(?<!\\)<script|(?<!\\)\[x|^# b|(?<!\\)```\{eval", page, re.M)


def test_the_site_that_is_there_has_no_link_that_leads_nowhere():
    built = ROOT / "build" / "docs"
    if not (built / "index.html").is_file():
        assert not os.environ.get("CI"), "no documentation site here: .ci/run makes it first"
        pytest.skip("no documentation site here: make docs")
    pages = {path: lxml_html.fromstring(path.read_bytes()) for path in built.resolve().rglob("*.html")}
    marks = {path: {*page.xpath("//@id")} for path, page in pages.items()}
    for path, page in pages.items():
        loaded = page.xpath("//script/@src | //link[@rel='stylesheet']/@href | //img/@src")
        assert [address for address in loaded if address.startswith(("http:", "https:", "//"))] == []
        for link in {*page.xpath("//a/@href"), *loaded}:
            file, _, mark = link.partition("#")
            if ":" in file:
                continue
            target = (path.parent / file.partition("?")[0]).resolve() if file else path
            assert target.exists(), (path.name, link)
            assert not mark or mark in marks.get(target, {mark}), (path.name, link)


def test_pictures_are_those_that_make_takes():
    pages = (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
    text = "".join(page.read_text("utf-8") for page in pages)
    named = {*re.findall(r"!\[[^\]]+\]\((?:docs/)?([^)]+\.png)\)", text)}
    assert named == PICTURES.keys() == {path.name for path in (ROOT / "docs").glob("*.png")}
