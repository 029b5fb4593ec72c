from datetime import UTC, datetime

import pytest

from mssante_audit.base import english
from mssante_audit.base.french import NARROW, NBSP, listing, number, percent, severity_name, typeset


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 5, "0"), (1, 12, "8,3"), (1, 10, "10"), (1, 3, "33"), (5, 5, "100"), (3, 200, "1,5"), (1, 100, "1")],
)
def test_a_share_has_a_decimal_below_ten_percent_only(part, whole, text):
    assert percent(part, whole) == f"{text}{NARROW}%"


def test_a_share_that_is_not_nothing_is_never_shown_as_nothing():
    assert percent(1, 100_000) == f"moins de{NBSP}0,1{NARROW}%"


def test_a_number_does_not_break_over_two_lines():
    assert number(1234567) == f"1{NARROW}234{NARROW}567"


def test_names_of_severities_agree_with_their_number():
    assert [severity_name("error", n) for n in (0, 1, 2)] == ["erreur", "erreur", "erreurs"]


def test_listing_of_few():
    assert [listing(items) for items in ([], ["a"], ["a", "b"])] == ["", "a", "a et b"]


def test_typesetting_is_idempotent():
    once = typeset("l'ANS : « oui » ; non ? 10 %")
    assert typeset(once) == once
    assert " :" not in once


def test_english_has_its_own_typography() -> None:
    assert (english.number(6494), english.percent(1, 100_000)) == ("6,494", "less than 0.1%")
    assert [english.percent(*share) for share in ((1, 12), (1, 3), (0, 0))] == ["8.3%", "33%", "–"]
    first = datetime(2025, 3, 1, 5, 30, tzinfo=UTC)
    assert english.day(first) == f"1{NBSP}March{NBSP}2025"
    assert english.month(first) == f"March{NBSP}2025"
