"""Words find the same domains in the explorer and in Python, however they are typed."""

import random

import pytest

from mssante_audit.base.text import fold, visible
from mssante_audit.report.explorer import explore

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


@pytest.fixture
def page(visit, tmp_path, sample_space):
    explore(sample_space).save(tmp_path / "explorer.html")
    return visit(tmp_path / "explorer.html").page


def test_the_explorer_ranks_as_python_does_and_nearly_all_are_among_the_first_five(page, sample_space):
    space, draw = sample_space, random.Random(27)
    listed = sorted(space.audited["domain"].unique())
    drawn = {typed(domain, draw): domain for domain in draw.sample(listed, 40)}
    others = ["saint", "hopital", "CH", f"zoe@{listed[0]}", listed[0], "bretagne", "xqzv wjky", "nulle part"]
    for query in [*[*drawn][:10], *others]:
        page.get_by_role("searchbox").fill(query)
        shown = page.locator("#rows td:first-child button").all_inner_texts()
        assert shown == [visible(space.shown(name)) for name in space.search(query, 25)["domain"]], query
    missed = [q for q, domain in drawn.items() if domain not in set(space.search(q, 5)["domain"])]
    assert len(missed) <= 2, missed


def test_where_nothing_has_the_words_the_nearest_names_are_shown_and_said_to_be(page, sample_space):
    domain = sorted(sample_space.audited["domain"])[0]
    name = max(fold(domain.removesuffix(".mssante.fr")).split(), key=len)
    page.get_by_role("searchbox").fill(f"{name[:2]}z{name[2:]}zq")
    assert page.get_by_role("status").inner_text().startswith("Aucun domaine ne correspond.")
    assert page.locator("#span").inner_text().startswith("Les noms les plus proches")
    assert domain in page.locator("#rows td:first-child button").all_inner_texts()
