"""Phone numbers as one writes them in France: as E.164, and back."""

from __future__ import annotations

import re
from contextlib import suppress

import phonenumbers

SHORT = re.compile(r"3[0-9]{3}|10[0-9]{2}|118[0-9]{3}")
"""French short numbers that a contact may have; emergency numbers are none."""

_OTHERS = re.compile("[^0-9]+")
_FRENCH = re.compile(r"0[1-9][0-9]{8}")
_OVERSEAS = {
    590: re.compile("0(?:590|69[015]|709)"),
    596: re.compile("0(?:596|69[567]|709)"),
    594: re.compile("0(?:594|69[45]|709)"),
    262: re.compile("0(?:26[239]|639|69[235]|709)"),
}
"""Country codes of overseas départements, and how numbers begin that may have them: 0709 is of all."""
_MIQUELON = "0508"
"""How numbers of Saint-Pierre-et-Miquelon begin in France; its code +508 is followed by six digits."""


def digits_of(text: str) -> str:
    """Return the digits of a text, 0 to 9, and nothing else."""
    return _OTHERS.sub("", text)


def read_phone(text: str) -> str:
    """Return a phone number as E.164 (a short number as it is dialled), "" if it is none.

    Without country code it must be 0 and nine digits, as the French numbering plan has it, or a short number.
    """
    digits = digits_of(text)
    if "+" not in text:
        if _FRENCH.fullmatch(digits):
            if digits.startswith(_MIQUELON):
                return f"+508{digits[4:]}"
            for code, beginning in _OVERSEAS.items():
                number = phonenumbers.PhoneNumber(country_code=code, national_number=int(digits))
                if beginning.match(digits) and phonenumbers.is_valid_number(number):
                    return f"+{code}{digits[1:]}"
            return f"+33{digits[1:]}"
        if SHORT.fullmatch(digits) or not digits.startswith("00"):
            return digits if SHORT.fullmatch(digits) else ""
        digits = digits[2:]
    with suppress(phonenumbers.NumberParseException):
        number = phonenumbers.parse(f"+{digits}")
        if phonenumbers.is_possible_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return ""


def is_mobile(phone: str) -> bool:
    """Tell whether a number of `read_phone` may be a mobile: abroad, all that is no landline for sure.

    >>> is_mobile("+33639980001"), is_mobile("+33465710001"), is_mobile("3639"), is_mobile("+41791234567")
    (True, False, False, True)
    """
    if phone.startswith("+33"):
        return phone[3] in "67"
    kinds = phonenumbers.PhoneNumberType
    return phone.startswith("+") and phonenumbers.number_type(phonenumbers.parse(phone)) != kinds.FIXED_LINE


def national(phone: str) -> str:
    """Write a number of `read_phone` as one dials it in France.

    >>> national("+33639980001"), national("+41227000000"), national("3639")
    ('06 39 98 00 01', '+41 22 700 00 00', '3639')
    """
    if not phone.startswith("+"):
        return phone
    if phone.startswith("+508") and len(phone) == 10:
        return " ".join(["05", "08", phone[4:6], phone[6:8], phone[8:]])
    number = phonenumbers.parse(phone)
    french = number.country_code in (33, 262, 590, 594, 596)
    styles = phonenumbers.PhoneNumberFormat
    return phonenumbers.format_number(number, styles.NATIONAL if french else styles.INTERNATIONAL)
