"""Is a name listed? Letter for letter, and quickly."""

import random
import time

import pytest

from mssante_audit.whitelist.check import check

LISTED = ["ch-alpha.mssante.fr", "ch-beta.mssante.fr", "chirurgie@ch-gamma.mssante.fr", "ch-delta.example"]


@pytest.mark.parametrize(
    "text",
    [
        "ch-alpha.mssante.fr",
        "zoe@ch-alpha.mssante.fr",
        "a@b@ch-alpha.mssante.fr",
        "chirurgie@ch-gamma.mssante.fr",
    ],
)
def test_a_listed_name_is_listed(text):
    assert check(text, LISTED).listed


@pytest.mark.parametrize(
    "text", ["smtp.ch-alpha.mssante.fr", "zoe@a.b.ch-alpha.mssante.fr", "X.CH-ALPHA.mssante.fr"]
)
def test_a_sub_domain_is_not_and_its_parent_is_named(text):
    answer = check(text, LISTED)
    assert (answer.listed, answer.parent, answer.near) == (False, "ch-alpha.mssante.fr", ())


@pytest.mark.parametrize(
    "text", ["CH-Alpha.mssante.fr", "ch-alpha.mssante.fr.", " ch-alpha.mssante.fr", "zoe@CH-ALPHA.MSSANTE.FR"]
)
def test_another_spelling_is_not_the_same_letters(text):
    answer = check(text, LISTED)
    assert (answer.listed, answer.respelt) == (False, "ch-alpha.mssante.fr")


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("ch-alpah.mssante.fr", "ch-alpha.mssante.fr"),
        ("zoe@ch-bta.mssante.fr", "ch-beta.mssante.fr"),
        ("ch-alpha.mssnate.fr", "ch-alpha.mssante.fr"),
        ("ch-detla.example", "ch-delta.example"),
    ],
)
def test_the_nearest_names_are_given(text, nearest):
    answer = check(text, LISTED)
    assert not answer.listed
    assert answer.near[0] == nearest


@pytest.mark.parametrize("text", ["ch-gamma.mssante.fr", "other.invalid", "mssante.fr", "@", "", "x" * 4000])
def test_a_name_that_is_not_there_is_not_listed(text):
    answer = check(text, LISTED)
    assert not answer.listed
    assert not answer.parent
    assert not answer.respelt


def test_five_thousand_names_take_no_time():
    dice = random.Random(0)
    letters = "abcdefghilmnoprstuv-"
    names = [f"{''.join(dice.choices(letters, k=dice.randint(6, 30)))}.mssante.fr" for _ in range(5000)]
    begin = time.process_time()
    assert check(f"{names[7][:-11]}x.mssante.fr", names).near[0] == names[7]
    assert time.process_time() - begin < 1
