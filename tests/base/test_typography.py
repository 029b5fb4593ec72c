from datetime import UTC, datetime

import pytest
from conftest import toml

from mssante_audit.base import language
from mssante_audit.base.language import NARROW, NBSP, using_language

FIRST = datetime(2025, 3, 1, 5, 30, tzinfo=UTC)


@pytest.mark.parametrize(("part", "whole", "text"), toml("base/texts")["shares"])
def test_a_share_has_a_decimal_where_it_tells_and_is_shown_as_nothing_or_all_only_if_it_is(part, whole, text):
    assert language.percent(part, whole).replace(NBSP, " ") == f"{text}{NARROW}%"


def test_a_number_does_not_break_over_two_lines():
    assert language.number(1234567) == f"1{NARROW}234{NARROW}567"
    assert [language.number(value) for value in (2.5, 3.0, float("nan"))] == ["2,5", "3", "–"]


def test_typesetting_is_idempotent():
    once = language.typeset("l'ANS : « oui » ; non ? 10 %")
    assert once == f"l’ANS{NBSP}: «{NBSP}oui{NBSP}»{NARROW}; non{NARROW}? 10{NARROW}%"
    assert language.typeset(once) == once


def test_nouns_agree_with_their_number_and_few_are_listed():
    assert [language.severity_name("error", n) for n in (0, 1, 2)] == ["erreur", "erreur", "erreurs"]
    assert language.count(2, "signal", "signaux") == f"2{NBSP}signaux"
    lengths = [language.duration(days).replace(NBSP, " ") for days in (1, 91, 183, 365, 730, 1461, 400)]
    assert lengths == ["1 jour", "3 mois", "6 mois", "1 an", "2 ans", "4 ans", "400 jours"]
    assert [language.listing(items) for items in ([], ["a"], ["a", "b"])] == ["", "a", "a et b"]


def test_dates():
    assert language.day(FIRST) == f"1er{NBSP}mars{NBSP}2025"
    assert language.moment(FIRST.replace(day=2)) == f"2{NBSP}mars{NBSP}2025 à 05{NBSP}h{NBSP}30 UTC"
    with using_language("en"):
        assert language.moment(FIRST) == f"1{NBSP}March{NBSP}2025 at 05:30 UTC"
        assert language.month(FIRST) == f"March{NBSP}2025"


def test_english_has_its_own_typography():
    with using_language("en"):
        assert (language.number(6494), language.percent(1, 100_000)) == ("6,494", "less than 0.1%")
        assert [language.percent(*share) for share in ((1, 12), (1, 3), (0, 0))] == ["8.3%", "33%", "–"]
        assert [language.severity_name("error", n) for n in (0, 1)] == ["errors", "error"]
