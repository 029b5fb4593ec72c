"""Contacts: the shapes of real lists on made-up persons, and masking, on which privacy rests."""

from __future__ import annotations

import re
import unicodedata

import phonenumbers
import pytest
from conftest import REAL
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
from mssante_audit.values.person import HIDDEN, mask

LANDLINE, MOBILE, DSI = "+33465710001", "+33639980001", "dsi@ch-alpha.example"

NAMES = st.sampled_from(
    ["DURAND Zoé", "Zoé Durand", "LE BEC Jean-Noël", "D'ARTOIS Ève", "ŒUVRARD Anaïs", "Nguyễn Thị",
     "ÖZTÜRK Emre"]
) | st.text(st.characters(categories=["Lu", "Ll", "Lo"]), min_size=2, max_size=12)  # fmt: skip
PHONES = st.from_regex(r"0(?:1990|2619|3530|4657|5364|6399)[0-9]{5}", fullmatch=True)
SEPARATORS = st.sampled_from(["", " ", ".", "-", "\xa0", " - ", "/", "\u202f", "–", "\u200b", "  "])
LOCALS = st.sampled_from(
    ["zoe.durand", "zdurand", "lebec", "dsi", "anaïs.œuvrard", "jean+mss", "ZOE_DURAND", "d"]
)
DOMAINS = st.sampled_from(
    ["ch-alpha.example", "durand.example", "le-bec.test", "chu0639980001.example", "06.39.98.00.01.example",
     "site-971.invalid", "zdurandconseil.example", "ch-valfictif.mssante.fr", "a.b.c.d.example"]
)  # fmt: skip
GLUE = st.sampled_from(
    [", ", ",", " ", " | ", "; ", "\n", " - ", " : ", "<", ">", " ou ", "\u200b, ", " (", ") ", "|", "/",
     "\t", " tél : "]
)  # fmt: skip
WEIRD = st.sampled_from(
    ["zoe.durand (at) ch-alpha.example", "zoe.durand[at]ch-alpha[dot]example", "ResponsableContact>",
     "</SupportContact", '"Zoé Durand" <', "mailto:", "Zo\u200bé Du\u200brand", "ＤＵＲＡＮＤ", "𝐃𝐮𝐫𝐚𝐧𝐝",
     "٠٦٣٩٩٨٠٠٠١", "０６３９９８０００１", "06_39_98_00_01", "06•39•98•00•01", "+33 (0)6 39 98 00 01",
     "0033639980001", "&#68;urand", "https://durand.example/zoe?t=0639980001", "12 × ", "contact projet : ",
     "j•••@durand.example", "06 •• •• •• 01", "zoe@durand@ch-alpha.example"]
)  # fmt: skip
EMAILS = st.builds("{}@{}".format, LOCALS, DOMAINS)


def spelt(number: str, separator: str) -> str:
    return separator.join(re.findall("..", number))


SPACED = st.builds(spelt, PHONES, SEPARATORS)
PIECES = st.one_of(NAMES, SPACED, EMAILS, WEIRD)
CONTACTS = st.lists(st.tuples(PIECES, GLUE), min_size=1, max_size=6).map(lambda ps: "".join(map("".join, ps)))

HOST = r"(?:[a-z0-9•-]+\.)+[a-z•]{2,24}"
MASKED = re.compile(rf"(?:•••|\+?[0-9]{{2}}(?: ••){{2,9}} [0-9]{{2}}|[a-z]?•••@{HOST})")
PREFIX = re.compile(r"^(?:[1-9][0-9]{0,4} × )?(?:contact (?:projet|support) : )?(?:[1-9][0-9]{0,4} × )?")


READ: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    # the name, the phones, and texts that have them and the address
    ("", (LANDLINE,), (
        "04 65 71 00 01, dsi@ch-alpha.example", "0465710001, DSI@CH-ALPHA.example",
        "Tél. 04-65-71-00-01 - dsi@ch-alpha.example", "dsi@ch-alpha.example, +33 (0)4 65 71 00 01",
        "dsi@ch-alpha.example, 0033 465710001", "tél : 04 65 71 00 01, email : dsi@ch-alpha.example",
        "04 65 71 00 01, mailto:dsi@ch-alpha.example", "04 65 71 00 01, 04.65.71.00.01, dsi@ch-alpha.example",
        "04 65 71 00 01, d\u200bsi@ch-alpha.example", "０４ ６５ ７１ ００ ０１, dsi＠ch-alpha.example",
    )),
    ("DURAND Zoé", (LANDLINE,), (
        "M. DURAND Zoé, 04 65 71 00 01, dsi@ch-alpha.example",
        "M. DURAND Zoé, tél : 04 65 71 00 01, email : dsi@ch-alpha.example",
    )),
    ("Zoé DE LA TOUR", (LANDLINE,), ("Mme. Zoé DE LA TOUR, 0465710001, dsi@ch-alpha.example",)),
    ("Ève D’ARTOIS-DURAND", (LANDLINE,), ("Docteur Ève D’ARTOIS-DURAND 0465710001 dsi@ch-alpha.example",)),
    ("Durand zoé", (LANDLINE,), ("Durand zoé dsi@ch-alpha.example 0465710001",)),
    ("Zoé Durand", (LANDLINE,), ("04 65 71 00 01, Zoé Durand <dsi@ch-alpha.example>",)),
    ("", (LANDLINE, MOBILE), (
        "04 65 71 00 01 / 06 39 98 00 01, dsi@ch-alpha.example",
        "04 65 71 00 01 06 39 98 00 01, dsi@ch-alpha.example",
    )),
    ("", ("+41227000000",), ("+41 22 700 00 00, dsi@ch-alpha.example",)),
    ("", ("3639",), ("3639, dsi@ch-alpha.example",)),
    ("", ("1015",), ("tél : 10 15, dsi@ch-alpha.example",)),
)  # fmt: skip


def test_names_phones_and_address_are_read_and_nothing_is_left() -> None:
    for name, phones, texts in READ:
        for text in texts:
            contact = parse_contact(text)
            assert (contact.text, contact.names) == (text, (name,) if name else ())
            assert (contact.phones, contact.emails) == (phones, (DSI,)), text
            assert (contact.leftovers, contact.malformed, contact.problems) == ((), (), ()), text


PROBLEMS_OF = {
    "": (
        "04 65 71 00 01 , dsi@ch-alpha.example",
        "M. DURAND Zoé, 04 65 71 00 01, support.martin@ch-alpha.test",
    ),
    "no-phone no-email": ("", "Service Informatique"),
    "no-email": ("04 65 71 00 01", "04 65 71 00 01, dsi (at) ch-alpha.example"),
    "no-phone": ("dsi@ch-alpha.example",),
    "no-phone several-emails": ("dsi@ch-alpha.example, rssi@ch-alpha.example",),
    "phone-malformed": (
        "04 65 71 71 00 01, dsi@ch-alpha.example", "14 65 71 00 01, dsi@ch-alpha.example",
        "+999 65 71 00 01, dsi@ch-alpha.example", "04 65 71 00 01, 04 65 71 00, dsi@ch-alpha.example",
    ),
    "email-malformed": ("04 65 71 00 01, dsi@ch-alpha", "04 65 71 00 01, dsi@@ch-alpha.example"),
    "phone-malformed email-malformed": ("14 65 71 00 01, dsi@ch-alpha",),
    "markup": (
        "ResponsableContact>04 65 71 00 01, dsi@ch-alpha.example",
        "04 65 71 00 01, dsi@ch-alpha.example</SupportContact", "04 65 71 00 01, dsi@ch-alpha.example&#13;",
    ),
    "spacing": (
        "04 65  71 00 01, dsi@ch-alpha.example", "04 65 71 00 01,\xa0dsi@ch-alpha.example",
        "04 65 71 00 01, dsi@ch-alpha.example\n",
    ),
    "consumer": ("04 65 71 00 01, support@orange.fr",),
    "consumer personal": ("04 65 71 00 01, zoe.durand@laposte.net",),
    "personal": (
        "04 65 71 00 01, zdurand@ch-alpha.test",
        "M. DURAND Zoé, 04 65 71 00 01, z.martin@ch-alpha.test",  # a married name
        "M. LE BEC Jean-Noël, 04 65 71 00 01, jn.lebec@ch-alpha.test",
        "M. DURAND Zoé, 04 65 71 00 01, pmartin@ch-alpha.test",  # maybe a service
        "M. DURAND Zoé, Mme MARTIN Ida, 04 65 71 00 01, luc.petit@ch-alpha.test",
    ),
    "personal other-person": ("M. DURAND Zoé, 04 65 71 00 01, paul.martin@ch-alpha.test",),
}  # fmt: skip


def test_problems() -> None:
    for problems, texts in PROBLEMS_OF.items():
        for text in texts:
            assert parse_contact(text).problems == tuple(problems.split()), text


def test_what_is_left_over_or_malformed_is_kept() -> None:
    contact = parse_contact("DURAND Zoé,255 Rue Fictive,99990 Valfictif, 0 899 19 00 01 (local + 6 cts/min)")
    assert contact.names == ("DURAND Zoé",)
    assert contact.leftovers == ("255 Rue Fictive", "99990 Valfictif", "local + 6 cts/min")
    assert contact.phones == ("+33899190001",)
    assert parse_contact("www.alpha.example/assistance").leftovers == ("www.alpha.example/assistance",)
    contact = parse_contact("14 65 71 00 01, dsi@ch-alpha.example04 65 71 00 01")
    assert contact.malformed == ("14 65 71 00 01", "dsi@ch-alpha.example04", "65 71 00 01")


def test_key_is_of_the_contact_and_tells_contacts_apart() -> None:
    for text, other in (
        ("04 65 71 00 01, dsi@ch-alpha.example", "dsi@CH-ALPHA.example 0465710001"),
        ("04 65 71 00 01, dsi@ch-alpha.example", "SupportContact>+33 4 65 71 00 01,  dsi@ch-alpha.example"),
        ("M. DURAND Jean-Noël, 0465710001", "Jean Noel Durand 04.65.71.00.01"),
    ):
        assert parse_contact(text).key == parse_contact(other).key
    texts = [
        "04 65 71 00 01, dsi@ch-alpha.example", "04 65 71 00 02, dsi@ch-alpha.example", "14 65 71 00 01",
        "15 65 71 00 01", "04 65 71 00 01", "dsi@ch-alpha.example", "DURAND Zoé", "Service", "_", "",
        "DURAND Zoé, 04 65 71 00 01, dsi@ch-alpha.example",
    ]  # fmt: skip
    assert len({parse_contact(text).key for text in texts}) == len(texts)


def test_personal_mailboxes_are_guessed() -> None:
    services = (
        "dsi", "mss", "service.informatique", "hotlineinformatique", "mssante-resp-projet",
        "contactprojetmss", "bal4", "qualité", "dsi.secretariat", "support-mssante", "astreinte.si",
        "itsupport", "hostedservice", "poleinformatique", "biomedical",
    )  # fmt: skip
    assert [local for local in services if is_personal(f"{local}@a.example")] == []
    for local in ("zoe.durand", "z.durand", "zdurand", "durand_zoe"):
        assert is_personal(f"{local}@a.example")
    assert not is_personal("bec@a.example")
    assert is_personal("bec@a.example", {"le", "bec"})
    assert is_personal("jbec@a.example", {"le", "bec"})


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
    shown = []
    for part in masked.split(" | "):
        body = PREFIX.sub("", part)
        shown += [piece for piece in body.split(", ") if body and not MASKED.fullmatch(piece)]
        shown += re.findall(r"\d{3,}", body)
    return shown


@settings(max_examples=400)
@given(st.text() | st.text(st.sampled_from("zoe@.•, |×0123456789+()-/\u200b<>")) | CONTACTS)
@example("06 •• 39 •• 98 •• 00 •• 01")
@example("12 × contact projet : 34 × contact support : DURAND")
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
    left = set(re.findall(r"[^\W\d_]+", re.sub("contact (?:projet|support) : ", "", mask(text))))
    assert words.isdisjoint(left)
    assert not [word for word in words for run in left if len(word) > 3 and word in run]


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the real list is not beside the checkout")
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


MASKS = {
    "": "", "465710": HIDDEN, "contact zoe : durand": HIDDEN, "639980 × durand": HIDDEN,
    "zoe@durand@ch-alpha.example": HIDDEN, "zoe.durand (at) ch-alpha.example": HIDDEN,
    "zoe@ch-alpha.example04": HIDDEN, "zoe@<b>durand</b>.example": HIDDEN,
    "04 65 71 00 01, dsi@ch-alpha.example": "04 •• •• •• 01, d•••@ch-alpha.example",
    "DURAND Zoé 0465710001 z.durand@ch-alpha.example": "•••, 04 •• •• •• 01, z•••@ch-alpha.example",
    "+33 (0)6 39 98 00 01": "06 •• •• •• 01", "+41 22 700 00 00": "+41 •• •• •• •• 00",
    "14 65 71 71 00 01": "14 •• •• •• •• 01", "d@ch-alpha.example": "•••@ch-alpha.example",
    "é.durand@ch-alpha.example": "•••@ch-alpha.example", "•••@ch-alpha.example": "•••@ch-alpha.example",
    "M. LE BEC, j@le-bec.example": "•••, •••@•••-•••.example",
    "M. DURAND, j@durandconseil.example": "•••, •••@•••.example",
    "contact@06-39-98-00-01.example": "c•••@•••-•••-•••-•••-•••.example",
    "contact@ch-alpha17.example": "c•••@ch-alpha17.example",
    "Œuvrard, a@oeuvrard.example": "•••, •••@•••.example",
    "contact projet : 12 × DURAND Zoé | 3 × Martin Luc": "contact projet : 12 × ••• | 3 × •••",
    "12 × contact support : 04 65 71 00 01": "12 × contact support : 04 •• •• •• 01",
    "a@ch-alpha.example | b@ch-beta.example": "•••@ch-alpha.example | •••@ch-beta.example",
}  # fmt: skip


def test_masks() -> None:
    assert {text: mask(text) for text in MASKS} == MASKS
    for masked in MASKS.values():
        assert mask(masked) == masked


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


def test_saint_pierre_et_miquelon() -> None:
    for text in ("+508 41 12 34", "05 08 41 12 34", "00508411234"):
        assert read_phone(text) == "+508411234"
    assert national("+508411234") == "05 08 41 12 34"
