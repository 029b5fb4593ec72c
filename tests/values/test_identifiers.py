"""Identifiers of structures and names of départements. All numbers are made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from mssante_audit.values.identifiers import (
    DEPARTMENTS,
    KINDS,
    finess_department,
    identifier_of,
    parse_department,
    parse_identifier,
    structure_key,
)


def with_key(number: str) -> str:
    return number + luhn.calc_check_digit(number)


@pytest.mark.parametrize(
    ("text", "kind", "department"),
    [
        ("0" + "75" + "9000001" + "00", "ADELI", ""),
        ("1" + with_key("75999900"), "FINESS", "75"),
        ("1" + "2A9999001", "FINESS", "2A"),
        ("1" + with_key("97019990"), "FINESS", "971"),
        ("1" + with_key("98059990"), "FINESS", "976"),
        ("1" + with_key("97999990"), "FINESS", ""),
        ("2" + with_key("99999900"), "SIREN", ""),
        ("3" + with_key(with_key("99999900") + "0001"), "SIRET", ""),
        ("4" + with_key("1099999999901"), "RPPS", ""),
    ],
)
def test_kinds(text: str, kind: str, department: str) -> None:
    read = parse_identifier(text)
    assert (read.kind, read.problems, read.department, read.value) == (kind, (), department, text.upper())


@pytest.mark.parametrize(
    ("problem", "texts"),
    [
        ("kind", ("", "912345678", "١23456789")),
        ("shape", ("1", "10B0099999", "1 7" + with_key("5999900"), "3" + with_key("99999900"), "1٧٥٩٩٩٩٠٠١")),
        ("luhn", ("1759999001", "410999999999010")),
    ],
)
def test_problems(problem: str, texts: tuple[str, ...]) -> None:
    for text in texts:
        assert parse_identifier(text).problems == (problem,)
    if problem == "luhn":
        assert parse_identifier(texts[0]).department == "75", "a wrong check digit does not hide it"


@given(st.integers(0, 99999))
def test_la_poste_has_its_own_rule(nic: int) -> None:
    siret = f"356000000{nic:05d}"
    fits = sum(map(int, siret)) % 5 == 0 if nic != 48 else True  # the head office satisfies Luhn alone
    assert (parse_identifier("3" + siret).problems == ()) == fits


@given(
    st.sampled_from("123"), st.text(st.sampled_from("0123456789"), min_size=8, max_size=8), st.integers(0, 9)
)
def test_one_check_digit_in_ten_is_right(kind: str, body: str, digit: int) -> None:
    number = body if kind != "3" else with_key(body) + "0001"
    right = luhn.calc_check_digit(number) == str(digit)
    if number.startswith("356000000"):
        return
    assert (parse_identifier(f"{kind}{number}{digit}").problems == ()) == right


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    read = parse_identifier(text)
    assert read.kind in {"", *KINDS.values()}
    assert read.problems or read.value
    assert {read.department, parse_department(text).code} <= {"", *DEPARTMENTS}
    assert identifier_of(identifier_of(text)) == identifier_of(text)
    assert structure_key(identifier_of(text)) == structure_key(text)


def test_the_table_is_whole() -> None:
    metropolitan = {f"{n:02d}" for n in range(1, 96)} - {"20"} | {"2A", "2B"}
    overseas = {"971", "972", "973", "974", "976"}
    assert len(metropolitan | overseas) == 101
    assert metropolitan | overseas <= set(DEPARTMENTS)
    others = {"975", "977", "978", "984", "986", "987", "988", "989"}
    assert set(DEPARTMENTS) - metropolitan - overseas == others
    assert len(set(DEPARTMENTS.values())) == len(DEPARTMENTS)


def test_every_official_label_is_right() -> None:
    for code, label in DEPARTMENTS.items():
        read = parse_department(f"{label} ({code})")
        assert (read.label, read.code, read.problems) == (label, code, ())


@pytest.mark.parametrize(
    "text",
    [
        "Val-d'Oise (95)", "Val d'Oise (95)", "Val d’Oise (95)", "VAL D'OISE (95)", "La Réunion (974)",
        "Réunion (974)", "REUNION (974)", "Côte-d’Or (21)", "Corse-du-Sud (2A)", "Corse-du-Sud (2a)",
        "Territoire-de-Belfort (90)", "Puy-de-Do\u0302me (63)", "Terres australes françaises (984)",
    ],
)  # fmt: skip
def test_accepted_variants(text: str) -> None:
    read = parse_department(text)
    assert {"unknown", "mismatch"}.isdisjoint(read.problems)
    assert read.code == text.partition("(")[2][:-1].upper()


@pytest.mark.parametrize(
    ("text", "code", "problems"),
    [
        ("Paris(75)", "75", ("form",)), ("Paris\xa0(75)", "75", ("form",)), ("Paris", "75", ("form",)),
        ("75", "", ("form", "unknown")), ("", "", ("form", "unknown")), ("Ain (1)", "01", ("unknown",)),
        ("Meuthe-et-Moselle (54)", "54", ("unknown",)), ("Atlantide (00)", "", ("unknown",)),
        ("Ain (75)", "75", ("mismatch",)), ("Ain (01) (75)", "", ("form", "unknown")),
    ],
)  # fmt: skip
def test_departement_problems(text: str, code: str, problems: tuple[str, ...]) -> None:
    read = parse_department(text)
    assert (read.code, read.problems) == (code, problems)


def test_finess_of_no_departement() -> None:
    numbers = ("", "2", "20", "200000000", "96", "970500000", "2C0000000", "990000000")
    assert {*map(finess_department, numbers)} == {""}


@pytest.mark.parametrize(
    ("text", "identifier", "key"),
    [
        ("1759900004", "1759900004", "1759900004"),
        ("FINESS n° 75 990 000 4", "1759900004", "1759900004"),
        ("N° FINESS EJ : 1759900004", "1759900004", "1759900004"),
        ("FINESS 759900004 / SIREN 999000003", "1759900004", "1759900004"),
        ("759900004", "759900004", "759900004"),  # FINESS or SIREN
        ("399900000300015", "399900000300015", "2999000003"),
        ("SIREN 999000003 00015", "399900000300015", "2999000003"),
        ("99900000300016", "99900000300016", "99900000300016"),  # a wrong check digit: of no kind
        ("0759000001AB", "0759000001AB", "0759000001AB"),
        ("FINESS " + "1" * 200, "FINESS" + "1" * 200, "FINESS" + "1" * 200),
        ("néant", "NÉANT", "NÉANT"),
        (" ", "", ""),
    ],
)
def test_a_structure_is_known_by_any_of_its_numbers(text: str, identifier: str, key: str) -> None:
    assert (identifier_of(text), structure_key(text)) == (identifier, key)


@pytest.mark.parametrize(
    ("text", "among", "key"),
    [
        ("759900004", {"1759900004"}, "1759900004"),
        ("759900004", {"1759900004", "2759900004"}, "759900004"),
        ("999000003", (), "2999000003"),  # no FINESS starts with 99
        ("999000003", {"1999000003"}, "2999000003"),
        ("999000004", (), "999000004"),  # a wrong check digit: of no kind
        ("2A0000001", (), "12A0000001"),
        ("2759900004", {"1759900004"}, "2759900004"),
    ],
)
def test_nine_digits_alone_are_finess_or_siren_by_what_is_known(text, among, key) -> None:
    assert structure_key(text, among) == key
