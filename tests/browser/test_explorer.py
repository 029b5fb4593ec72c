"""The explorer in a real browser, from disk and offline: the director's way, the agency's, by keyboard."""

import csv
import io
import random
import re
from collections import Counter
from urllib.parse import quote

import pytest
from cells import plain
from conftest import PAYLOADS
from explored import called, page_of
from made_findings import framed, made
from playwright.sync_api import expect
from structure import check_fits

from mssante_audit.base.markup import visible
from mssante_audit.base.text import fold
from mssante_audit.findings.catalogue import CHECKS
from mssante_audit.report.first import MARKS
from mssante_audit.values.person import mask
from mssante_audit.verdicts.words import RECEIVING
from tests.browser.test_axe import violations

pytestmark = pytest.mark.browser

STATES = {"yes": "reçoivent", "degraded": "à risque", "no": "ne reçoivent pas", "unknown": "inconnu"}


class Explorer:
    """The page, its file and the frame it tells of."""

    def __init__(self, folders, space, *findings, **more):
        self.space, self.path = space, folders.mktemp("explorer") / "explorer.html"
        page, self.frame = page_of(space, *findings, **more)
        self.path.write_text(page, encoding="utf-8")


@pytest.fixture(scope="module")
def sample(tmp_path_factory, sample_space):
    return Explorer(tmp_path_factory, sample_space)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, hostile_space):
    """Of a list with hostile text in every field, contacts shown, and findings that are all hostile text."""
    names = hostile_space.audited["domain"].unique()[:3]
    parts = ("observed", "expected", "register", "operator_id", "operator")
    facts = [dict.fromkeys(parts, text) for text in PAYLOADS]
    more = [made("DN_SHAPE", domains=(name,), **of_one) for of_one in facts for name in names]
    pages = {text: (f"operateurs/x-{place}.html", "") for place, text in enumerate(PAYLOADS)}
    findings = framed(more, hostile_space.entries)
    return Explorer(tmp_path_factory, hostile_space, findings, pages=pages, home="index.html")


@pytest.fixture
def opened(visit):
    """A function that opens an explorer where a link leads, and waits for it."""

    def opens(explorer, link="", width=1280, height=800):
        visited = visit(explorer.path, width, height)
        if link:
            visited.page.goto("about:blank")
            visited.page.goto(f"{explorer.path.as_uri()}#{link}")
            visited.requests.clear()
        expect(visited.page.locator("#explorer")).to_be_visible()
        return visited

    return opens


def facet(page, title):
    return page.get_by_role("group", name=title, exact=True)


def counted(page, title):
    """The numbers of a facet that are not 0, by the name of the value, as they stand on the page."""
    script = """all => all.map((l) => {
      const spans = [...l.querySelectorAll(":scope > span:not(.parts):not(.mark)")];
      const name = spans[0].cloneNode(true);
      name.querySelectorAll("[aria-hidden]").forEach((mark) => mark.remove());
      return [name.textContent, spans[1].textContent];
    })"""
    lines = facet(page, title).locator("label").evaluate_all(script)
    return {name: int(re.sub(r"\D", "", n)) for name, n in lines if n != "0"}


def shown(page):
    return int(re.sub(r"\D", "", re.match(r"[\d\s]+", plain(page.get_by_role("status").inner_text()))[0]))


def names(page):
    return page.locator("#rows td:first-child button").all_inner_texts()


def test_a_row_names_a_check_once_before_its_reasons(opened, sample):
    cells = map(plain, opened(sample).page.locator("#rows td:nth-child(3)").all_inner_texts())
    checks = [(cell.count(" ; "), Counter(re.findall("[^ ;][^:;]* : ", cell)).values()) for cell in cells]
    assert {count for _, counts in checks for count in counts} == {1}
    assert any(more >= len(counts) > 0 for more, counts in checks)


def saved(page):
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV des domaines trouvés").click()
    content = download.value.path().read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(content)))


def test_first_it_asks_for_nothing_and_says_how_the_whole_stands(opened, sample):
    view, frame = opened(sample), sample.frame
    page = view.page
    assert view.requests == view.alarms == []
    boxes = plain(f"{int(frame['mailboxes'].sum())} boîtes aux lettres")
    assert plain(page.get_by_role("status").inner_text()) == f"{len(frame)} domaines, {boxes}."
    states = frame["receives"].value_counts()
    key = plain(page.locator("#key").inner_text())
    assert [name for state, name in STATES.items() if f"{states.get(state, 0)} {name}" not in key] == []
    for place in (page.get_by_role("searchbox"), page.locator("#key"), page.locator("#rows tr").first):
        assert place.bounding_box()["y"] < 500


@pytest.mark.parametrize(("width", "most"), [(1280, 200), (390, 380)])
def test_a_director_finds_her_hospital_whom_to_call_and_what_to_ask(opened, sample, width, most):
    wanted = sample.frame[(sample.frame["receives"] == "no") & (sample.frame["operator"] != "")].iloc[0]
    row = sample.space.audited[sample.space.audited["domain"] == wanted["domain"]].iloc[0]
    view = opened(sample, width=width)
    page = view.page
    assert page.locator("#parts").bounding_box()["y"] <= most
    page.get_by_role("searchbox").fill(re.sub("[ÉÈÊ]", "E", row["description"].upper()))
    assert wanted["domain"] in names(page)
    page.locator("#rows").get_by_role("button", name=wanted["domain"], exact=True).click()
    card = page.get_by_role("region", name="Fiche du domaine")
    assert page.evaluate("document.activeElement.textContent") == wanted["domain"]
    expect(card.get_by_role("heading", level=2)).to_be_in_viewport()
    expect(card.locator("p", has_text="Support").first).to_be_in_viewport()
    support = mask(row["support_contact"], services=True)
    for text in (RECEIVING["fr"]["no"], wanted["operator"], support):
        assert plain(text) in plain(card.inner_text())
    assert card.locator(".ask li").count() > 0
    assert card.locator("dl .mark").all_inner_texts()[: len(CHECKS)] == [MARKS[wanted[c]] for c in CHECKS]
    assert view.alarms == []


def test_an_agency_filters_its_region_and_everything_follows(opened, sample):
    frame = sample.frame
    region = frame["region"].value_counts().index[1]
    local = frame[frame["region"] == region]
    view = opened(sample)
    page = view.page
    facet(page, "Région de l’opérateur").get_by_role("checkbox", name=region).check()
    assert shown(page) == len(local)
    states = local["receives"].value_counts()
    assert counted(page, "Le courrier arrive") == {STATES[s]: n for s, n in states.items()}
    assert counted(page, "Opérateur") == Counter(local["operator"].replace("", "opérateur inconnu"))
    largest, n = next(iter(frame["region"].value_counts().items()))
    assert counted(page, "Région de l’opérateur")[largest] == n, "there if it were chosen too"
    widths = page.locator("#parts i").evaluate_all("all => all.map(i => i.className)")
    kinds = zip(STATES, ("ok", "warn", "fail", "unknown"), strict=True)
    assert widths == [kind for state, kind in kinds if state in states]
    keys = ["order", "severity", "department", "region", *CHECKS, "operator_id", "mailboxes"]
    rows = [[line[key] for key in ("domain", "arrives", *keys)] for line in saved(page)]
    wanted = local.assign(domain=local["domain"].map(visible))[["domain", "receives", *keys]].astype("str")
    assert sorted(rows) == sorted(wanted.to_numpy().tolist())
    page.get_by_role("button", name=re.compile(f"Retirer le filtre Région.*{re.escape(region)}")).click()
    assert shown(page) == len(frame)
    assert view.alarms == []


def test_numbers_of_a_facet_are_those_that_all_others_let_through(opened, sample):
    frame = sample.frame
    region = frame["region"].value_counts().index[0]
    page = opened(sample, f"region={region}&arrives=no,degraded&dns=fail").page
    states, dns = frame["receives"].isin(["no", "degraded"]), frame["dns"] == "fail"
    sited, outcomes = frame["region"] == region, ("ok", "warn", "fail", "unknown")
    words = dict(zip(outcomes, ("en ordre", "à risque", "en défaut", "inconnu"), strict=True))
    for title, wanted in (
        ("Région de l’opérateur", frame.loc[states & dns, "region"].replace("", "non renseigné")),
        ("DNS", frame.loc[states & sited, "dns"].map(words)),
        ("Le courrier arrive", frame.loc[dns & sited, "receives"].map(STATES)),
    ):
        assert counted(page, title) == Counter(wanted)
    chosen = frame[states & dns & sited]
    assert shown(page) == len(chosen)
    for code, n in chosen.loc[chosen["department"] != "", "department"].value_counts().items():
        area = page.locator("#tiles").get_by_role("button", name=re.compile(rf"\({code}\)"))
        assert f": {n} domaine" in plain(area.get_attribute("aria-label"))


@pytest.mark.parametrize("kind", ["tiles", "outlines"])
def test_the_map_filters_and_says_its_numbers(opened, sample, kind):
    code, n = next(
        iter(sample.frame.loc[sample.frame["department"] != "", "department"].value_counts().items())
    )
    page = opened(sample, "" if kind == "tiles" else "map=outlines").page
    area = page.locator(f"#{kind}").get_by_role("button", name=re.compile(rf"\({code}\)")).first
    assert f": {n} domaines" in plain(area.get_attribute("aria-label"))
    area.click()
    assert area.get_attribute("aria-pressed") == "true"
    assert shown(page) == n
    expect(page.get_by_text("Contours : DSFR Chart")).to_be_visible(visible=kind == "outlines")
    assert page.locator(f"#{kind}").get_by_role("button", name=re.compile(r"\(97[12346]\)")).count() == 5
    page.get_by_label("Couleur").select_option("number")
    assert "dès 1" in page.locator("#legend").inner_text()
    area.click()
    assert shown(page) == len(sample.frame)


def test_a_link_reopens_the_same_view(opened, sample):
    view = opened(sample)
    page = view.page
    page.get_by_role("searchbox").fill("fictif")
    facet(page, "Le courrier arrive").get_by_role("checkbox", name="ne reçoivent pas").check()
    facet(page, "Opérateur").get_by_role("checkbox").first.check()
    page.get_by_label("Couleur").select_option("number")
    page.get_by_role("button", name="Boîtes").click()
    page.locator("#rows button").nth(1).click()
    page.wait_for_function("location.hash.includes('domain=')")
    link = page.url.partition("#")[2]
    again = opened(sample, link)
    for place in ("#status", "#rows", "#card", "#chips", "#legend", "#facets"):
        assert again.page.locator(place).inner_text() == page.locator(place).inner_text(), place
    assert again.page.get_by_role("searchbox").input_value() == "fictif"
    assert again.page.locator("th[aria-sort=ascending]").inner_text().startswith("Boîtes")
    page.go_back()
    expect(page.locator("#card")).to_be_hidden()
    assert view.alarms == again.alarms == []


def test_a_link_to_what_is_gone_says_so(opened, sample):
    view = opened(sample, "region=Atlantide&domain=parti.mssante.fr&state=%E0%A4%A&x")
    status = view.page.get_by_role("status").inner_text()
    assert "Ce lien nomme ce que ces données n’ont pas" in status
    assert "Atlantide" in status
    assert "parti.mssante.fr" in status
    assert shown(view.page) == len(sample.frame)
    assert view.alarms == []


def test_by_keyboard_alone(opened, sample):
    view = opened(sample)
    page, press = view.page, view.page.keyboard.press
    domain = sample.frame["domain"].iloc[0]

    def focused(expression):
        return page.evaluate(f"document.activeElement.{expression}")

    for _ in range(100):
        press("Tab")
        if focused("id") == "q":
            break
    page.keyboard.type(f"contact@{domain}")
    for key in ("Enter", "Escape"):  # to its card, and back to its row
        press(key)
        assert focused("textContent") == visible(domain)
    assert focused("closest('#rows') !== null")
    expect(page.locator("#card")).to_be_hidden()
    page.get_by_role("searchbox").fill("")
    page.locator("#tiles [tabindex='0']").focus()
    before = focused("textContent")
    for _ in range(3):
        press("ArrowDown")
    assert focused("textContent") != before
    press("Enter")
    assert focused("getAttribute('aria-pressed')") in ("true", "false")
    page.locator("#map").select_option("outlines")
    page.locator("#outlines path[tabindex='0']").focus()
    press("ArrowRight")
    code = sample.frame["department"].value_counts().index[0]
    button = page.get_by_role("button", name=re.compile(rf"\({code}\)"))
    page.locator("#outlines path").and_(button).first.focus()
    press("Space")
    assert focused("getAttribute('aria-pressed')") == "true"
    box = facet(page, "Région de l’opérateur").get_by_role("checkbox").first
    box.focus()
    press("Space")
    assert focused("type") == "checkbox"
    assert box.is_checked()
    assert view.alarms == []


def test_all_rows_can_be_reached_and_sorted(opened, sample):
    page = opened(sample).page
    following, every = page.get_by_role("button", name="Page suivante"), names(page)
    while not following.is_disabled():
        assert page.locator("#rows tr").count() <= 25
        following.click()
        every += names(page)
    assert sorted(every) == sorted(map(called, sample.frame["domain"]))
    page.get_by_role("button", name="Domaine", exact=True).click()
    assert names(page) == sorted(every)[:25]
    for _ in range(2):
        page.get_by_role("button", name="Boîtes").click()
    first = page.locator("#rows tr").first.locator("td.number").inner_text()
    assert int(re.sub(r"\D", "", first)) == sample.frame["mailboxes"].max()


def test_a_name_that_is_not_listed_is_said_not_to_be(opened, sample):
    page = opened(sample).page
    page.get_by_role("searchbox").fill("nulle-part.mssante.fr")
    sentence = "Aucun domaine ne correspond. Aucun domaine de la liste ne porte exactement ce nom."
    assert page.get_by_role("status").inner_text() == sentence


def test_where_nothing_has_the_words_the_nearest_names_are_shown_and_said_to_be(opened, sample):
    page = opened(sample).page
    domain = sorted(sample.space.audited["domain"])[0]
    name = max(fold(domain.removesuffix(".mssante.fr")).split(), key=len)
    page.get_by_role("searchbox").fill(f"{name[:2]}z{name[2:]}zq")
    assert page.get_by_role("status").inner_text().startswith("Aucun domaine ne correspond.")
    assert page.locator("#span").inner_text().startswith("Les noms les plus proches")
    assert domain in page.locator("#rows td:first-child button").all_inner_texts()


def test_axe_finds_nothing(opened, sample):
    assert violations(opened(sample, "map=outlines&state=broken").page) == []
    assert violations(opened(sample, f"shade=number&domain={sample.frame['domain'].iloc[0]}").page) == []


@pytest.mark.parametrize("link", ["", "map=outlines", "domain={}"])
def test_a_phone_does_not_scroll_sideways(opened, sample, hostile, link):
    for explorer in (sample, hostile):
        name = explorer.frame["domain"].map(visible).iloc[0]
        page = opened(explorer, link.format(name), 390, 844).page
        page.evaluate("document.getElementById('filters').open = true")
        check_fits(page, 390)


def check_nothing_got_in(page):
    assert page.evaluate("window.pwned") is None
    assert page.locator("#pwned, img, iframe, [onload], [onerror]").count() == 0
    assert page.locator("script").count() == 1


def test_hostile_text_stays_text(opened, hostile, payloads):
    view = opened(hostile)
    page = view.page
    assert view.requests == []
    assert page.locator("#explorer :is(script, img, iframe, a)").count() == 0
    texts = []
    for payload in payloads:
        page.get_by_role("searchbox").fill(payload)
        texts.append(page.locator("#rows").inner_text())
    odd = [name for name in hostile.frame["domain"] if name in payloads]
    assert odd
    for name in [*odd, *hostile.frame["domain"].head(3)]:
        page.goto(f"{hostile.path.as_uri()}#domain={quote(visible(name), safe='')}")
        expect(page.locator("#card h2")).to_have_text(visible(name))
        texts.append(page.locator("#card").text_content())
        for link in page.locator("#card a").all():
            assert re.fullmatch(r"operateurs/x-\d+\.html", link.get_attribute("href"))
    whole = re.sub(r"\s+", " ", "\n".join(texts))
    for payload in payloads:
        assert re.sub(r"\s+", " ", visible(payload)) in whole
    check_nothing_got_in(page)
    assert view.alarms == []


def test_hostile_text_in_the_link_stays_text(opened, hostile, payloads):
    for payload in payloads[::2]:
        text = quote(payload, safe="")
        view = opened(hostile, f"q={text}&region={text}&sort=__proto__&map=constructor")
        check_nothing_got_in(view.page)
        status = view.page.get_by_role("status").inner_text()
        assert "n’ont pas" in status
        assert visible(status).replace("\\u000a", "") == status
        assert view.alarms == []


def test_a_file_of_hostile_text_holds_no_formula(opened, hostile):
    page = opened(hostile).page
    lines = saved(page)
    assert len(lines) == len(hostile.frame)
    texts = [cell for line in lines for cell in line.values()]
    assert not [text for text in texts if re.match(r"[\s\"']*[=+@＝＋－＠]", text) and text[0] != "'"]
    assert any("HYPERLINK" in text for text in texts)


def test_a_hostile_operator_can_be_chosen_and_linked_to(opened, hostile):
    page = opened(hostile).page
    boxes = facet(page, "Opérateur").get_by_role("checkbox")
    if (more := page.get_by_role("button", name=re.compile("Tous"))).is_visible():
        more.click()
    assert boxes.count() > 8
    for box in boxes.all():
        box.check()
    page.wait_for_timeout(400)  # the address follows a moment later
    again = opened(hostile, page.url.partition("#")[2])
    assert shown(again.page) == shown(page) > 0
    assert again.page.locator("#chips").inner_text() == page.locator("#chips").inner_text()


def test_without_a_script_it_says_what_it_needs(visit, sample):
    page = visit(sample.path, script=False).page
    assert page.get_by_text("il demande un script").is_visible()


def test_paper_has_the_rows_without_what_only_a_screen_can_do(opened, sample):
    page = opened(sample).page
    page.emulate_media(media="print")
    assert not page.locator("#filters").is_visible()
    assert page.locator("#rows tr").count() == 25
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_inside_a_notebook_it_works_without_an_address_of_its_own(visit, sample, tmp_path):
    html = f"<!DOCTYPE html><html lang=fr><body>{sample.space.explore()._repr_html_()}"
    (tmp_path / "notebook.html").write_text(html, encoding="utf-8")
    view, domain = visit(tmp_path / "notebook.html"), sample.frame["domain"].iloc[0]
    inside = view.page.frame_locator("iframe")
    inside.get_by_role("searchbox").fill(domain)
    inside.get_by_role("searchbox").press("Enter")
    expect(inside.locator("#card h2")).to_have_text(visible(domain))
    with view.page.expect_download() as download:
        inside.get_by_role("button", name="CSV des domaines trouvés").click()
    assert download.value.suggested_filename == "explorer.csv"
    assert view.alarms == []


# -- search -----------------------------------------------------------------------------------------

KINDS = {
    "ch": ("hôpital", "CH", "centre hospitalier"),
    "ehpad": ("maison de retraite", "Ehpad"),
    "labo": ("laboratoire",),
}


def typed(domain, draw):
    """A domain as somebody types it: words in any order, a kind called otherwise, one slip."""
    words = [word for word in fold(domain).split() if word not in ("mssante", "fr")]
    long = max(range(len(words)), key=lambda at: len(words[at]))
    word, at = words[long], draw.randrange(1, max(len(words[long]) - 1, 2))
    if len(word) > 5:
        slips = [word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:], word.upper()]
        words[long] = draw.choice(slips)
    words = [draw.choice(KINDS[word]) if word in KINDS else word for word in words]
    return " ".join(draw.sample(words, len(words)))


def test_the_explorer_ranks_as_python_does_and_nearly_all_are_among_the_first_five(opened, sample):
    page, space, draw = opened(sample).page, sample.space, random.Random(27)
    listed = sorted(space.audited["domain"].unique())
    drawn = {typed(domain, draw): domain for domain in draw.sample(listed, 40)}
    others = ["saint", "hopital", "CH", f"zoe@{listed[0]}", listed[0], "bretagne", "xqzv wjky", "nulle part"]
    for query in [*[*drawn][:10], *others]:
        page.get_by_role("searchbox").fill(query)
        shown = page.locator("#rows td:first-child button").all_inner_texts()
        assert shown == [visible(space.shown(name)) for name in space.search(query, 25)["domain"]], query
    missed = [q for q, domain in drawn.items() if domain not in set(space.search(q, 5)["domain"])]
    assert len(missed) <= 2, missed
