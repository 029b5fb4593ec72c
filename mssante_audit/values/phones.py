"""Phone numbers as one writes them in France: as E.164, and back."""

from __future__ import annotations

import re

import phonenumbers

SHORT = re.compile(r"3[0-9]{3}|10[0-9]{2}|118[0-9]{3}")
"""French short numbers that a contact may have; emergency numbers are none."""

_NATIONAL = re.compile(r"\+33([1-79])" + "([0-9][0-9])" * 4)
_FRENCH = re.compile(r"0[1-9][0-9]{8}")
_OVERSEAS = re.compile(r"0(?:26[239]|59[046]|639|69[0-7]|709)")
_REGIONS = ("GP", "MQ", "GF", "RE", "YT")


def read_phone(text: str) -> str:
    """Return a phone number as E.164 (a short number as it is dialled), "" if it is none.

    Without country code it must be 0 and nine digits, as the French numbering plan has it, or a short number.
    """
    digits = "".join([c for c in text if c in "0123456789"])
    if "+" not in text:
        if _FRENCH.fullmatch(digits):
            return _overseas(digits) if _OVERSEAS.match(digits) else f"+33{digits[1:]}"
        if SHORT.fullmatch(digits):
            return digits
        if not digits.startswith("00"):
            return ""
        digits = digits[2:]
    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _overseas(digits: str) -> str:
    """Return the E.164 form of a number that may be of an overseas département, which has its own code."""
    for region in _REGIONS:
        number = phonenumbers.parse(digits, region)
        if phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"+33{digits[1:]}"


def national(phone: str) -> str:
    """Write a number of `read_phone` as one dials it in France.

    >>> national("+33639980001"), national("+41227000000"), national("3639")
    ('06 39 98 00 01', '+41 22 700 00 00', '3639')
    """
    if not phone.startswith("+"):
        return phone
    if found := _NATIONAL.fullmatch(phone):  # as phonenumbers writes it, which takes its time
        return f"0{' '.join(found.groups())}"
    number = phonenumbers.parse(phone)
    french = number.country_code in (33, 262, 590, 594, 596)
    style = (
        phonenumbers.PhoneNumberFormat.NATIONAL if french else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    )
    return phonenumbers.format_number(number, style)
