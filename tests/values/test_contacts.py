"""Contacts: the shapes of real lists on made-up persons, and masking, on which privacy rests."""

import re
import unicodedata

import phonenumbers
import pytest
from conftest import REAL, toml
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from lxml import etree

from mssante_audit.base.text import fold
from mssante_audit.values.contacts import (
    PROBLEMS,
    is_personal,
    national,
    parse_contact,
    read_email,
    read_phone,
)
from mssante_audit.values.person import mask

CASES = toml("values/contacts")

PIECES = {kind: st.sampled_from(texts) for kind, texts in CASES["pieces"].items()}
NAMES = PIECES["names"] | st.text(st.characters(categories=["Lu", "Ll", "Lo"]), min_size=2, max_size=12)
PHONES = st.from_regex(r"0(?:1990|2619|3530|4657|5364|6399)[0-9]{5}", fullmatch=True)
SEPARATORS, GLUE = PIECES["separators"], PIECES["glue"]
EMAILS = st.builds("{}@{}".format, PIECES["locals"], PIECES["domains"])


def spelt(number: str, separator: str) -> str:
    return separator.join(re.findall("..", number))


ANY = st.one_of(NAMES, st.builds(spelt, PHONES, SEPARATORS), EMAILS, PIECES["odd"])
CONTACTS = st.lists(st.tuples(ANY, GLUE), min_size=1, max_size=6).map(lambda ps: "".join(map("".join, ps)))

HOST = r"(?:[a-z0-9•-]+\.)+[a-z•]{2,24}"
MASKED = re.compile(rf"(?:•••|\+?[0-9]{{2}}(?: ••){{2,9}} [0-9]{{2}}|[a-z]?•••@{HOST})")


@pytest.mark.parametrize(("case", "text"), [(case, text) for case in CASES["read"] for text in case["texts"]])
def test_all_of_a_contact_is_read_and_what_is_left_over_is_kept(case, text) -> None:
    contact = parse_contact(text)
    assert (contact.text, contact.names) == (text, (case["name"],) if case["name"] else ())
    expected = {"emails": ["dsi@ch-alpha.example"], "leftovers": [], "malformed": [], "problems": []} | case
    for part in ("phones", "emails", "leftovers", "malformed", "problems"):
        assert [*getattr(contact, part)] == expected[part]


@pytest.mark.parametrize(
    ("problems", "text"), [(names, text) for names, texts in CASES["problems"].items() for text in texts]
)
def test_problems(problems, text) -> None:
    assert parse_contact(text).problems == tuple(problems.split())


def test_key_is_of_the_contact_and_tells_contacts_apart() -> None:
    for texts in CASES["keys"]["same"]:
        assert len({parse_contact(text).key for text in texts}) == 1
    apart = CASES["keys"]["apart"]
    assert len({parse_contact(text).key for text in apart}) == len(apart)


def test_personal_mailboxes_are_guessed() -> None:
    services, persons = CASES["mailboxes"]["services"], CASES["mailboxes"]["persons"]
    assert [local for local in (*services, *persons) if is_personal(f"{local}@a.example")] == persons
    assert all(is_personal(f"{local}@a.example", {"le", "bec"}) for local in ("bec", "jbec"))


def test_masks() -> None:
    masks = CASES["masks"]
    assert {text: mask(text) for text in masks} == masks
    assert [*map(mask, masks.values())] == [*masks.values()]


@given(st.text() | CONTACTS)
def test_any_text_is_read(text: str) -> None:
    contact = parse_contact(text)
    assert set(contact.problems) <= set(PROBLEMS)
    assert contact.key or not text
    for phone in contact.phones:
        assert re.fullmatch(r"\+[0-9]{7,15}|[0-9]{4}|[0-9]{6}", phone)
        assert read_phone(national(phone)) == phone
    for email in contact.emails:
        assert read_email(email) == email


def leaks(masked: str) -> list[str]:
    """Return what stands in a masked text and should not, by grammar alone."""
    shown = [piece for piece in masked.split(", ") if masked and not MASKED.fullmatch(piece)]
    return shown + re.findall(r"\d{3,}", masked)


@settings(max_examples=400)
@given(st.text() | st.text(st.sampled_from("zoe@.•, |×0123456789+()-/\u200b<>")) | CONTACTS)
@example("06 •• 39 •• 98 •• 00 •• 01")
@example("a@" + "•••" * 200 + ".example")
@example("ab, a@" + "ab." * 80 + "example")
def test_nothing_goes_through_but_what_is_said(text: str) -> None:
    masked = mask(text)
    assert leaks(masked) == []
    assert mask(masked) == masked


@settings(max_examples=400)
@given(CONTACTS)
def test_no_name_and_no_local_part_survives(text: str) -> None:
    seen = "".join(
        c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) not in ("Cc", "Cf")
    )
    outside = re.sub(r"@[^\s,;|<>()\[\]\"@]+", " ", seen)
    words = {word for word in re.findall(r"[^\W\d_]+", fold(outside)) if len(word) > 1}
    left = set(re.findall(r"[^\W\d_]+", mask(text)))
    assert words.isdisjoint(left)
    assert not [word for word in words for run in left if len(word) > 3 and word in run]


@pytest.mark.real
def test_the_real_list_is_masked() -> None:
    texts = {
        element.text or ""
        for path in REAL.glob("*.xml.gz")
        for kind in ("ResponsableContact", "SupportContact")
        for element in etree.parse(path).iter(f"{{*}}{kind}")
    }
    contacts = [parse_contact(text) for text in texts]
    assert sum(len(contact.phones) > 0 for contact in contacts) > 0.9 * len(contacts)
    assert sum(len(contact.emails) > 0 for contact in contacts) > 0.9 * len(contacts)
    for contact in contacts:
        masked = mask(contact.text)
        assert leaks(masked) == []
        assert mask(masked) == masked
        runs = set(re.findall(r"[a-z]{2,}", masked))
        assert runs.isdisjoint(fold(" ".join(contact.names)).split())
        for email in contact.emails:
            assert runs.isdisjoint(re.findall(r"[a-z]{2,}", email.partition("@")[0]))


@given(PHONES, SEPARATORS, GLUE, EMAILS)
def test_a_phone_keeps_four_digits_at_most(phone: str, separator: str, glue: str, email: str) -> None:
    assume(not any(c.isdigit() for c in email))
    digits = re.sub(r"\D", "", mask(f"{spelt(phone, separator)}{glue}{email}"))
    assert len(digits) <= 4
    assert phone.startswith(digits[:2])


def test_overseas_numbers_have_their_own_codes() -> None:
    for region in ("GP", "MQ", "GF", "RE", "YT"):
        for kind in (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE):
            number = phonenumbers.example_number_for_type(region, kind)
            written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
            e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            assert (read_phone(written), national(e164)) == (e164, written)
    for text in ("+508 41 12 34", "05 08 41 12 34", "00508411234"):
        assert read_phone(text) == "+508411234"
    assert national("+508411234") == "05 08 41 12 34"


@settings(max_examples=500)
@given(st.from_regex(r"0[1-9][0-9]{8}", fullmatch=True), st.sampled_from(["", " ", ".", "-", " - "]))
@example("0639980001", " ")
@example("0269610001", " ")
@example("0709000001", "")
@example("0508411234", " ")
def test_phones_are_what_phonenumbers_says(number: str, separator: str) -> None:
    text = spelt(number, separator)
    french = phonenumbers.parse(text, "FR")
    plans = (phonenumbers.parse(text, region) for region in ("GP", "MQ", "GF", "RE", "YT"))
    overseas = [*filter(phonenumbers.is_valid_number, plans)]
    right = {phonenumbers.format_number(n, phonenumbers.PhoneNumberFormat.E164) for n in overseas}
    if not overseas or phonenumbers.is_valid_number(french):
        right.add(phonenumbers.format_number(french, phonenumbers.PhoneNumberFormat.E164))
    if number.startswith("0508"):  # Saint-Pierre-et-Miquelon, whose plan phonenumbers has without them
        right.add(f"+508{number[4:]}")
    assert phonenumbers.is_possible_number(french)
    assert read_phone(text) in right
    assert "".join(national(read_phone(text)).split()) == number
