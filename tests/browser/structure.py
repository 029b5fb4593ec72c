"""What lets a page be followed without seeing it: language, landmarks, headings, captions, scopes."""

from collections.abc import Sequence
from itertools import pairwise

from playwright.sync_api import Page


def check_structure(page: Page, landmarks: Sequence[str]) -> None:
    """Assert it, for a page that has each of the landmarks once."""
    assert page.locator("html").get_attribute("lang") == "fr"
    for landmark in landmarks:
        assert page.locator(landmark).count() == 1
    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => Number(h.tagName[1]))"
    )
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.locator("table:not(:has(caption)):not(details.parameters table)").count() == 0
    assert page.locator("thead th:not([scope])").count() == 0
