"""Distinguished names: both shapes, every spelling of real lists, hostile text."""

import pytest
from conftest import toml
from hypothesis import given
from hypothesis import strategies as st

from mssante_audit.values.dn import parse_dn, pasted_dn

CASES = toml("values/names")
SANTE = "CN=mss.alpha.example,OU=1750000018,O=CH ALPHA,ST=Paris (75),C=FR"
CPS = "CN=mss.alpha.example,OU=1750000018,L=Paris (75),O=GIP-CPS,C=FR"
UNREADABLE = "CN=mss.alpha.example,OU=1750000018,O=DURAND, FILS,C=FR"

TYPES = st.sampled_from(["CN", "OU", "O", "ST", "L", "C", "DC", "emailAddress", "2.5.4.97"])
VALUES = st.text(st.sampled_from('abzÀéß ,=+"\\<>;#0 \t\n\xa0\u200b\u202e\uff0cſŉ'), max_size=8) | st.text(
    max_size=8
)
RDNS = st.lists(st.tuples(TYPES, VALUES), min_size=1, max_size=7)


def written(rdns: list[tuple[str, str]]) -> str:
    """Write any values so that they can be read back: all but letters as bytes in hexadecimal."""
    return ",".join(
        f"{kind}=" + "".join(c if c.isalpha() else "".join(f"\\{b:02x}" for b in c.encode()) for c in value)
        for kind, value in rdns
    )


@pytest.mark.parametrize(("text", "problems"), CASES["spellings"])
def test_spellings_of_one_name_have_one_key(text, problems) -> None:
    dn = parse_dn(text)
    assert (dn.key, dn.igc) == (parse_dn(SANTE).key, "IGC-Santé")
    assert (dn.problems, dn.text) == (tuple(problems), text)


@pytest.mark.parametrize(("text", "value", "problems"), CASES["values"])
def test_values(text, value, problems) -> None:
    dn = parse_dn(text)
    assert (dn.rdns, dn.problems) == ((("O", value),), tuple(problems))
    assert parse_dn(dn.canonical).rdns == dn.rdns


@pytest.mark.parametrize(
    ("text", "canonical"), [*CASES["canonical"], *((text, text) for text in (SANTE, CPS, UNREADABLE))]
)
def test_canonical_text_escapes_what_must_be(text, canonical) -> None:
    assert parse_dn(text).canonical == canonical
    assert parse_dn(text).key == parse_dn(canonical).key
    assert "escape" not in parse_dn(canonical).problems


def test_quotation_marks_inside_a_value_are_part_of_the_name() -> None:
    assert parse_dn('O=CLINIQUE "BETA"').key != parse_dn("O=CLINIQUE BETA").key


@pytest.mark.parametrize("value", CASES["prepared"])
def test_key_prepares_values_as_rfc_4518(value) -> None:
    assert parse_dn(f"O={value}").key == "O=chalpha"


def test_what_can_be_read_of_an_unreadable_name_is_read() -> None:
    assert [parse_dn(UNREADABLE).get(kind) for kind in ("CN", "C", "ST")] == ["mss.alpha.example", "FR", ""]


@pytest.mark.parametrize("text", CASES["pasted"])
def test_one_name_however_tools_and_people_paste_it(text) -> None:
    assert pasted_dn(text) == CASES["pasted"][0]


def test_what_was_not_pasted_stays_and_values_of_what_was_are_kept() -> None:
    assert [*map(pasted_dn, CASES["stays"])] == CASES["stays"]
    for text, o in CASES["signs"]:
        assert parse_dn(pasted_dn(text)).get("O") == o


@pytest.mark.parametrize(("text", "problem"), CASES["wrong"])
def test_what_is_wrong_is_said(text, problem) -> None:
    dn = parse_dn(text)
    assert (problem in dn.problems, dn.igc, dn.order_ok) == (True, "", False)


@pytest.mark.parametrize(("text", "igc", "in_order"), CASES["shapes"])
def test_shape_is_by_attributes_and_order_apart(text, igc, in_order) -> None:
    dn = parse_dn(text)
    assert (dn.igc, dn.order_ok) == (igc, in_order)
    again = parse_dn(dn.canonical)
    assert (again.igc, again.order_ok) == (igc, bool(igc))


@given(st.text() | st.text(st.sampled_from('CNOU=,+;"\\# \n\xa0aé')))
def test_any_text_is_read(text: str) -> None:
    dn = parse_dn(text)
    assert dn.text == text
    again = parse_dn(dn.canonical)
    assert (again.key, again.canonical) == (dn.key, dn.canonical)
    assert pasted_dn(pasted_dn(text)) == pasted_dn(text)
    if "unreadable" not in dn.problems:
        assert sorted(again.rdns) == sorted(dn.rdns)
        assert not {"quotes", "separator"} & set(again.problems)


@given(RDNS)
def test_round_trip(rdns: list[tuple[str, str]]) -> None:
    dn = parse_dn(written(rdns))
    assert dn.rdns == tuple((kind.upper(), value) for kind, value in rdns)
    again = parse_dn(dn.canonical)
    assert again.key == dn.key
    assert sorted(again.rdns) == sorted(dn.rdns)


@given(RDNS, st.data())
def test_key_does_not_depend_on_spelling(rdns: list[tuple[str, str]], data: st.DataObject) -> None:
    spelt = []
    for kind, value in rdns:
        hexadecimal, wide = (written([(kind, text)]) for text in (value, value.replace(" ", " \xa0")))
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        forms = [
            hexadecimal, f'{kind}="{quoted}"', written([(kind.lower(), value.casefold())]),
            f" {kind.lower()} =  {wide.partition('=')[2]} ",
        ]  # fmt: skip
        spelt.append(data.draw(st.sampled_from(forms)))
    assert parse_dn(",".join(spelt)).key == parse_dn(written(rdns)).key


@given(RDNS, RDNS)
def test_key_tells_names_apart(first: list[tuple[str, str]], other: list[tuple[str, str]]) -> None:
    apart = [sorted(parse_dn(written([rdn])).key for rdn in rdns) for rdns in (first, other)]
    if apart[0] != apart[1]:
        assert parse_dn(written(first)).key != parse_dn(written(other)).key
