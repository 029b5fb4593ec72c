"""Identifiers of structures, names of départements, public addresses. All numbers are made up."""

from ipaddress import ip_address

import pytest
from conftest import toml
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from mssante_audit.values.hosts import is_public
from mssante_audit.values.identifiers import (
    DEPARTMENTS,
    KINDS,
    finess_department,
    identifier_of,
    parse_department,
    parse_identifier,
    structure_key,
)

CASES = toml("values/identifiers")
LONG = ("FINESS " + "1" * 200, "FINESS" + "1" * 200, "FINESS" + "1" * 200)


@pytest.mark.parametrize(("text", "kind", "department"), CASES["kinds"])
def test_kinds(text, kind, department) -> None:
    read = parse_identifier(text)
    assert (read.kind, read.problems, read.department, read.value) == (kind, (), department, text.upper())


@pytest.mark.parametrize(("problem", "texts"), CASES["problems"].items())
def test_problems(problem, texts) -> None:
    assert {parse_identifier(text).problems for text in texts} == {(problem,)}
    if problem == "luhn":
        assert parse_identifier(texts[0]).department == "75", "a wrong check digit does not hide it"


@given(st.integers(0, 99999))
def test_la_poste_has_its_own_rule(nic: int) -> None:
    siret = f"356000000{nic:05d}"
    fits = sum(map(int, siret)) % 5 == 0 if nic != 48 else True  # the head office satisfies Luhn alone
    assert (parse_identifier("3" + siret).problems == ()) == fits


@given(st.sampled_from("123"), st.from_regex(r"[0-9]{8}", fullmatch=True), st.integers(0, 9))
def test_one_check_digit_in_ten_is_right(kind: str, body: str, digit: int) -> None:
    number = body if kind != "3" else f"{body}{luhn.calc_check_digit(body)}0001"
    right = luhn.calc_check_digit(number) == str(digit)
    if not number.startswith("356000000"):
        assert (parse_identifier(f"{kind}{number}{digit}").problems == ()) == right


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    read = parse_identifier(text)
    assert read.kind in {"", *KINDS.values()}
    assert read.problems or read.value
    assert {read.department, parse_department(text).code} <= {"", *DEPARTMENTS}
    assert identifier_of(identifier_of(text)) == identifier_of(text)
    assert structure_key(identifier_of(text)) == structure_key(text)


def test_the_table_is_whole_and_every_official_label_is_right() -> None:
    metropolitan = {f"{n:02d}" for n in range(1, 96)} - {"20"} | {"2A", "2B"}
    overseas = {"971", "972", "973", "974", "976"}
    assert len(metropolitan | overseas) == 101
    others = {"975", "977", "978", "984", "986", "987", "988", "989"}
    assert set(DEPARTMENTS) == metropolitan | overseas | others
    assert len(set(DEPARTMENTS.values())) == len(DEPARTMENTS)
    for code, label in DEPARTMENTS.items():
        read = parse_department(f"{label} ({code})")
        assert (read.label, read.code, read.problems) == (label, code, ())


@pytest.mark.parametrize("text", CASES["departments"]["accepted"])
def test_accepted_variants(text) -> None:
    read = parse_department(text)
    assert {"unknown", "mismatch"}.isdisjoint(read.problems)
    assert read.code == text.partition("(")[2][:-1].upper()


@pytest.mark.parametrize(("text", "code", "problems"), CASES["departments"]["problems"])
def test_departement_problems(text, code, problems) -> None:
    read = parse_department(text)
    assert (read.code, read.problems) == (code, tuple(problems))


def test_finess_of_no_departement() -> None:
    numbers = ("", "2", "20", "200000000", "96", "970500000", "2C0000000", "990000000")
    assert {*map(finess_department, numbers)} == {""}


@pytest.mark.parametrize(("text", "identifier", "key"), [*CASES["structures"]["written"], LONG])
def test_a_structure_is_known_by_any_of_its_numbers(text, identifier, key) -> None:
    assert (identifier_of(text), structure_key(text)) == (identifier, key)


@pytest.mark.parametrize(("text", "among", "key"), CASES["structures"]["among"])
def test_nine_digits_alone_are_finess_or_siren_by_what_is_known(text, among, key) -> None:
    assert structure_key(text, among) == key


@pytest.mark.parametrize(("public", "addresses"), CASES["addresses"])
def test_an_address_that_others_cannot_reach_is_not_public(public: bool, addresses: str) -> None:
    assert {text: is_public(ip_address(text)) for text in addresses.split()} == dict.fromkeys(
        addresses.split(), public
    )
