"""Phone numbers, against phonenumbers itself: examples of its own, and numbers made up at random."""

from __future__ import annotations

import phonenumbers
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mssante_audit.values.contacts import national, read_phone


def test_overseas_numbers_have_their_own_codes() -> None:
    for region in ("GP", "MQ", "GF", "RE", "YT"):
        for kind in (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE):
            number = phonenumbers.example_number_for_type(region, kind)
            written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
            e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            assert read_phone(written) == e164
            assert national(e164) == written


@settings(max_examples=500)
@given(st.from_regex(r"0[1-9][0-9]{8}", fullmatch=True), st.sampled_from(["", " ", ".", "-", " - "]))
@example("0639980001", " ")
@example("0269610001", " ")
@example("0709000001", "")
@example("0508411234", " ")
def test_phones_are_what_phonenumbers_says(number: str, separator: str) -> None:
    text = separator.join([number[:2], number[2:4], number[4:6], number[6:8], number[8:]])
    french = phonenumbers.parse(text, "FR")
    overseas = [
        parsed
        for region in ("GP", "MQ", "GF", "RE", "YT")
        if phonenumbers.is_valid_number(parsed := phonenumbers.parse(text, region))
    ]
    right = {phonenumbers.format_number(n, phonenumbers.PhoneNumberFormat.E164) for n in overseas}
    if not overseas or phonenumbers.is_valid_number(french):
        right.add(phonenumbers.format_number(french, phonenumbers.PhoneNumberFormat.E164))
    if number.startswith("0508"):  # Saint-Pierre-et-Miquelon, whose plan phonenumbers has without them
        right.add(f"+508{number[4:]}")
    assert phonenumbers.is_possible_number(french)
    assert read_phone(text) in right
    assert "".join(national(read_phone(text)).split()) == number


def test_saint_pierre_et_miquelon() -> None:
    assert (
        read_phone("+508 41 12 34")
        == read_phone("05 08 41 12 34")
        == read_phone("00508411234")
        == "+508411234"
    )
    assert national("+508411234") == "05 08 41 12 34"
