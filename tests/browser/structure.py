"""What is asked of each kind of page: that it can be followed unseen, sorts, and lets no script in."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from playwright.sync_api import Locator, Page, expect


def check_structure(page: Page, landmarks: Sequence[str]) -> None:
    """Assert it, for a page that has each of the landmarks once."""
    assert page.locator("html").get_attribute("lang") == "fr"
    for landmark in landmarks:
        assert page.locator(landmark).count() == 1
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => +h.tagName[1])")
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.locator("table:not(:has(caption)):not(details.parameters table)").count() == 0
    assert page.locator("thead th:not([scope])").count() == 0


def check_sorting(page: Page, header: Locator, order: str) -> None:
    """Assert that a heading sorts by mouse and keyboard; `order` evaluates to what rows are sorted by."""
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "ascending")
    up = page.evaluate(order)
    header.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(header).to_have_attribute("aria-sort", "descending")
    down = page.evaluate(order)
    assert (up, down) == (sorted(up), sorted(down, reverse=True))
    assert up[0] < down[0]


def check_fits(page: Page, width: int) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def check_first_screen(page: Page, places: Sequence[str], height: int) -> None:
    for place in places:
        box = page.locator(place).first.bounding_box()
        assert box["y"] + box["height"] <= height


def check_nothing_got_in(page: Page, injected: str) -> None:
    """Assert that hostile text brought no element, and that the one script there is, is ours."""
    assert page.evaluate("window.pwned") is None
    injected += ", svg:not(.drawn svg, .severities svg), [onerror], [onload], #pwned, iframe"
    assert page.locator(f"{injected}, a[href^='javascript:' i]").count() == 0
    assert page.locator("script").count() == 1


def check_policy(visit, source: Path, folder: Path):
    """Assert that scripts which got into a page do not run; return the page, open."""
    smuggled = "<script>window.pwned = 1</script><img src='data:,' onerror='window.pwned = 1'>"
    smuggled += "<script src='other.js'></script></main>"
    html, broken = source.read_text(encoding="utf-8"), folder / "broken.html"
    broken.write_text(html.replace("</main>", smuggled), encoding="utf-8")
    (folder / "other.js").write_text("window.pwned = 1")
    opened = visit(broken)
    opened.page.wait_for_timeout(200)
    assert opened.page.evaluate("window.pwned") is None
    assert opened.alarms  # the browser says what it stopped
    return opened.page
