"""Contacts as white lists write them: free text in; names, phones, e-mail addresses and what is odd out.

The form asks for a phone number and a professional e-mail address. Real texts are mostly ``phone, e-mail`` or
``M. NAME First, phone, e-mail``, without any guarantee. They name persons: `mask` is for whatever is shared.
"""

import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property, lru_cache

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from mssante_audit.base.resources import table_of
from mssante_audit.base.text import fold, normalize

PROBLEMS = (
    "no-phone", "no-email", "several-emails", "phone-malformed", "email-malformed", "markup", "spacing",
    "consumer", "personal", "other-person",
)  # fmt: skip
ALIKE = 0.6  # from this share of letters in common on (`difflib`), two words may be one person's name
_WORDS = table_of("mssante_audit.values", "contacts.toml")
CONSUMER, _FUNCTIONS, _FIRMS, _HOUSES = (
    frozenset(_WORDS[name]) for name in ("consumer", "functions", "firms", "houses")
)
_STEMS = tuple(_WORDS["stems"])
_WITHIN = re.compile("|".join(_WORDS["within"]))
CIVILITY = re.compile(
    r"(?:M\.|M(?=\s)|(?:Mr|Mrs|Ms|Mme|Mlle|Dr|Pr)\b\.?|(?:Monsieur|Madame|Mademoiselle|Docteur|Professeur)\b)\s*",
    re.IGNORECASE,
)
_LABEL = (
    r"(?:t[ée]l(?:[ée]phone)?s?|portable|port(?=\.)|mobile|mob(?=\.)|fixe|fax|mailto|e-?mails?|mails?|courriels?"
    r"|m[éèe]l(?=\s*:))"
)  # fmt: skip
_LABELS = re.compile(rf"^(?:{_LABEL}\s*[.:]+\s*)+|^{_LABEL}$|(?<=\s){_LABEL}\s*[.:]*$", re.IGNORECASE)
_MARKUP = re.compile(
    r"</[A-Za-z][\w:-]*>?|<[A-Za-z][^<>@]{0,200}>|(?<![\w.@-])[A-Za-z]{3,40}>|&(?:[a-z]{2,8}|#\d{1,6});"
)
_ODD_SPACING = re.compile(r"\s\s|[^\S ]")
_BREAKS = re.compile(r"[,;|\n]")
_ADDRESS_BREAKS = re.compile(r"[:/<>()\[\]\"«»]+")
# As nearly all are: the library, which takes 40 µs, would find nothing.
_PLAIN_ADDRESS = re.compile(
    r"\w+(?:[.-]\w+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,}", re.ASCII | re.IGNORECASE
)
TRIM = " \t.:-–()/<>"
_NAME_PART = re.compile(r"[^\W\d_]+(?:['’.-][^\W\d_]+)*\.?")
DIGITS = re.compile(r"(?:\+ ?|\()?[0-9][0-9\s().\-–/]*")
# French short numbers that a contact may have; emergency numbers are none.
SHORT = re.compile(r"3[0-9]{3}|10[0-9]{2}|118[0-9]{3}")
_FRENCH = re.compile(r"0[1-9][0-9]{8}")
# Country codes of overseas départements, and how numbers begin that may have them: 0709 is of all.
_OVERSEAS = {
    590: re.compile("0(?:590|69[015]|709)"),
    596: re.compile("0(?:596|69[567]|709)"),
    594: re.compile("0(?:594|69[45]|709)"),
    262: re.compile("0(?:26[239]|639|69[235]|709)"),
}
# Country codes before nine digits, which are dialled with 0 instead.
FRENCH_CODES = "|".join(map(str, (33, *_OVERSEAS)))
_LACKS_DIGIT = re.compile(rf"\+(?:{FRENCH_CODES})0")  # after these no number begins with 0

Coordinates = tuple[frozenset[str], frozenset[str]]  # phones and addresses


@dataclass(frozen=True)
class Contact:
    """A contact, read. What its parts say together is worked out when it is asked for."""

    text: str  # as the file writes it
    names: tuple[str, ...]
    """Persons, without civility (a guess: some capitalised words, none of them a function's)."""
    phones: tuple[str, ...]
    """E.164; a French short number, which has no such form, as it is dialled. Overseas numbers written the
    national way get their own country code."""
    emails: tuple[str, ...]  # valid by syntax, lower case
    malformed: tuple[str, ...]  # what looks like a phone number or an address and is none, as written
    leftovers: tuple[str, ...]  # everything else, as written

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """Codes of `PROBLEMS`, in that order.

        ``no-phone`` and ``no-email``: none at all, not even malformed. ``phone-malformed``: neither 0 and
        nine digits, nor a possible international number, nor a short number; none is looked up. ``personal``
        and ``other-person`` are heuristics (`is_personal`, `_of_another`).
        """
        bad_emails = ["@" in bad for bad in self.malformed]
        name = [word for name in self.names for word in fold(name).split()]
        faults = (
            not self.phones and all(bad_emails),
            not self.emails and not any(bad_emails),
            len(self.emails) > 1,
            not all(bad_emails),
            any(bad_emails),
            _MARKUP.search(normalize(self.text)),
            _ODD_SPACING.search(self.text),
            any(email.partition("@")[2] in CONSUMER for email in self.emails),
            any(is_personal(email, name) for email in self.emails),
            len(self.names) == len(self.emails) == 1
            and not is_service(self.emails[0])
            and _of_another(_local_words(self.emails[0]), name),
        )
        return tuple(problem for problem, fault in zip(PROBLEMS, faults, strict=True) if fault)

    @cached_property
    def coordinates(self) -> Coordinates:
        """What it reaches: what two contacts are compared by."""
        return frozenset(self.phones), frozenset(self.emails)

    @cached_property
    def key(self) -> str:
        """For comparing: phones, addresses and names, without order, case, accents and layout."""
        names = {" ".join(sorted(fold(name).split())) for name in self.names}
        parts = (self.phones, self.emails, names, map(fold, self.malformed))
        key = "; ".join([", ".join(sorted(part)) for part in parts]).strip("; ")
        return key or fold(self.text) or self.text


@lru_cache(10_000)
def parse_contact(text: str) -> Contact:
    """Read a contact; never raises.

    >>> contact = parse_contact("M. DURAND Zoé, 04 65 71 00 01, zoe.durand@ch-alpha.example")
    >>> contact.names, contact.phones, contact.emails, contact.problems
    (('DURAND Zoé',), ('+33465710001',), ('zoe.durand@ch-alpha.example',), ('personal',))
    """
    clean = normalize(text)
    if "<" in clean or ">" in clean or "&" in clean:
        clean = _MARKUP.sub(" , ", clean)
    parts: dict[str, list[str]] = {"names": [], "phones": [], "emails": [], "malformed": [], "leftovers": []}
    for kind, written, value in parts_of(clean):
        if kind != "rest":
            parts[kind if value else "malformed"].append(value or written)
        elif written:
            _read_rest(written, parts)
    for name in ("phones", "emails"):
        parts[name] = list(dict.fromkeys(parts[name]))
    return Contact(text, *map(tuple, parts.values()))


def parts_of(clean: str) -> Iterator[tuple[str, str, str]]:
    """Yield the parts of a contact in order: what it is, as it is written, its value ("" of a malformed one).

    They are ``phones``, ``emails`` and the ``rest``, which has no value.
    """
    for piece in _BREAKS.split(clean):
        words: list[str] = []
        for token in piece.split() if "@" in piece else (piece,):
            for text in _ADDRESS_BREAKS.split(token) if "@" in token else (token,):
                if "@" in text:
                    yield from _phones_in(" ".join(words))
                    words, address = [], text.strip(".'-–{}")
                    yield "emails", address, read_email(address)
                else:
                    words.append(text)
        yield from _phones_in(" ".join(words))


def read_email(text: str) -> str:
    """Return an address in lower case if its syntax is valid, "" if not. No look-up is made.

    A reserved name such as ``.example`` is valid; a domain of one label, or that ends in digits or in one
    letter, is not, nor are accents before the @, which few servers take (RFC 6531).
    """
    if len(text) <= 64 and _PLAIN_ADDRESS.fullmatch(text):
        return text.lower()
    if len(text) > 320:  # 64 + 1 + 255, and no time for more
        return ""
    suffix = ".example"  # email-validator refuses some reserved names, but only where they end the domain
    try:
        checked = validate_email(
            text + suffix, allow_smtputf8=False, check_deliverability=False, globally_deliverable=False
        )
    except EmailNotValidError:
        return ""
    address = checked.normalized.lower().removesuffix(suffix)
    _, dot, top = address.rpartition("@")[2].rpartition(".")
    return address if dot and len(top) > 1 and top.isalpha() else ""


def _phones_in(piece: str) -> Iterator[tuple[str, str, str]]:
    start = 0
    for run in DIGITS.finditer(piece):
        raw = run[0].rstrip(TRIM)
        if len(digits_of(raw)) < 7:  # a short number stands alone, labels aside
            bare = _LABELS.sub("", piece.strip(TRIM)).replace(" ", "") if len(piece) <= 60 else ""
            if not SHORT.fullmatch(bare):
                continue
        yield "rest", piece[start : run.start()], ""
        start = run.end()
        yield from (("phones", number, read_phone(number)) for number in _numbers(raw))
    yield "rest", piece[start:], ""


def _numbers(raw: str) -> list[str]:
    """Cut a run of digits where it plainly holds several numbers."""
    if len(raw) < 19:  # as nearly all
        return [raw]
    parts, digits = [part.strip() for part in raw.split("/")], digits_of(raw)
    if len(digits) == 20 and digits[0] == digits[10] == "0" and len(parts) == 1:
        return [digits[:10], digits[10:]]
    return parts if all(len(digits_of(part)) > 8 for part in parts) else [raw]


def _read_rest(piece: str, parts: dict[str, list[str]]) -> None:
    if not (rest := _LABELS.sub("", piece.lstrip(TRIM).rstrip(" \t-–()/<>")).strip(TRIM)):
        return
    civility = CIVILITY.match(rest)
    words = rest[civility.end() :].split() if civility else rest.split()
    named = (1 if civility else 2) <= len(words) <= 6 and all(map(_NAME_PART.fullmatch, words))
    high = any(word[0].isupper() for word in words)
    if named and (civility or (high and not has_function(fold(rest).split()))):
        parts["names"].append(" ".join(words))
    else:
        parts["leftovers"].append(rest)


def has_function(words: list[str]) -> bool:
    """Tell whether a word, folded, is a function's or a body's."""
    return any(word in _FUNCTIONS or word.startswith(_STEMS) or bool(_WITHIN.search(word)) for word in words)


def is_firm(name: str) -> bool:
    """Tell whether "chez" and a name mean a firm, by the name's first word or the form it ends with."""
    words = fold(name).split()
    return _FIRMS.intersection(words[1:2]) != set() or words[-1] in ("inc", "ltd", "sa", "sarl", "sas")


def is_personal(email: str, name_words: Collection[str] = ()) -> bool:
    """Guess whether an address is a person's own rather than a function's: a heuristic, it errs both ways.

    Yes if a word of it is one of `name_words` (folded), an initial before it or not, if it reads
    ``first.last`` or has five letters or more (``flast``); no if one is a function's.
    """
    words = _local_words(email)
    named = any(word in name_words or word[1:] in name_words for word in words)
    likely = named or ("".join(words).isalpha() and (len(words) > 1 or len(words[0]) > 4))
    return likely and not has_function(words)


def _of_another(local: list[str], name: list[str]) -> bool:
    """Guess whether an address reads ``first.last`` or ``f.last``, and is like no word of the name."""
    if len(local) != 2 or not "".join(local).isalpha() or len(local[1]) < 3 or not name:
        return False

    def alike(part: str, word: str) -> bool:  # one misspelt, shortened or joined to another
        if min(len(part), len(word)) < 3:
            return part[0] == word[0]
        return part in word or word in part or SequenceMatcher(None, part[:64], word[:64]).ratio() >= ALIKE

    pairs = ((part, word) for part in local for word in (*name, "".join(name)))
    return set(name).isdisjoint(local) and not any(alike(*pair) for pair in pairs)


def is_service(email: str) -> bool:
    """Tell whether a word of an address is a function's: a heuristic; what is none may be a service too.

    >>> is_service("dsi.secretariat@ch-alpha.example"), is_service("jd@ch-alpha.example")
    (True, False)
    """
    return has_function(_local_words(email))


def names_nobody(email: str) -> bool:
    """Tell whether an address is a service's, all of whose words are functions or its domain's."""
    words, domain = _local_words(email), fold(email.partition("@")[2])
    rest = (word for word in words if not (word.isdigit() or len(word) < 3 or word in domain))
    return is_service(email) and read_email(email) == email and all(has_function([word]) for word in rest)


def names_house(email: str) -> bool:
    """Tell whether an address has an establishment's kind, and what its domain says, and no person's name.

    >>> names_house("sessad@ch-alpha.example"), names_house("ehpad.durand@ch-alpha.example")
    (True, False)
    """
    words, domain = _local_words(email), fold(email.partition("@")[2])
    others = [word for word in words if word not in _HOUSES]
    return len(others) < len(words) and all(word.isdigit() or word in domain for word in others)


def _local_words(email: str) -> list[str]:
    return fold(email.partition("@")[0]).split()


def digits_of(text: str) -> str:
    """Return the digits of a text, 0 to 9, and nothing else."""
    return re.sub("[^0-9]+", "", text)


def read_phone(text: str) -> str:
    """Return a phone number as E.164 (a short number as it is dialled), "" if it is none.

    Without country code it must be 0 and nine digits, as the French numbering plan has it, or a short number.
    """
    digits = digits_of(text)
    if "+" not in text:
        if _FRENCH.fullmatch(digits):
            if digits.startswith("0508"):  # Saint-Pierre-et-Miquelon, whose code is followed by six digits
                return f"+508{digits[4:]}"
            for code in (code for code, beginning in _OVERSEAS.items() if beginning.match(digits)):
                number = phonenumbers.PhoneNumber(country_code=code, national_number=int(digits))
                if phonenumbers.is_valid_number(number):
                    return f"+{code}{digits[1:]}"
            return f"+33{digits[1:]}"
        if SHORT.fullmatch(digits):
            return digits
        if not digits.startswith("00"):
            return ""
        digits = digits[2:]
    with suppress(phonenumbers.NumberParseException):
        number = phonenumbers.parse(f"+{digits}")
        phone = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        if phonenumbers.is_possible_number(number) and not _LACKS_DIGIT.match(phone):
            return phone
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
    """Write a number of `read_phone` as one dials it in France: ``06 39 98 00 01``, ``+41 22 700 00 00``."""
    if not phone.startswith("+"):
        return phone
    if phone.startswith("+508") and len(phone) == 10:
        return f"05 08 {phone[4:6]} {phone[6:8]} {phone[8:]}"
    number, styles = phonenumbers.parse(phone), phonenumbers.PhoneNumberFormat
    dialled = phonenumbers.format_number(number, styles.NATIONAL)
    is_whole = read_phone(dialled) == phone  # without its code, a number out of the plan would be another
    return dialled if is_whole else phonenumbers.format_number(number, styles.INTERNATIONAL)
