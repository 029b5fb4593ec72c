"""Distinguished names: both shapes, every spelling of real lists, hostile text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mssante_audit.values.dn import IGC, parse_dn, pasted_dn

SANTE = "CN=mss.alpha.example,OU=1750000018,O=CH ALPHA,ST=Paris (75),C=FR"
CPS = "CN=mss.alpha.example,OU=1750000018,L=Paris (75),O=GIP-CPS,C=FR"

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


@pytest.mark.parametrize(("text", "igc"), [(SANTE, "IGC-Santé"), (CPS, "IGC-CPS")])
def test_both_shapes_of_the_form(text: str, igc: str) -> None:
    dn = parse_dn(text)
    assert (dn.igc, dn.order_ok, dn.problems, dn.canonical) == (igc, True, (), text)
    assert tuple(kind for kind, _ in dn.rdns) == IGC[igc]
    assert dn.get("CN") == "mss.alpha.example"
    assert dn.get("STREET") == ""


SPELLINGS = {
    SANTE.replace("CH ALPHA", '"CH ALPHA"'): ("quotes",),
    SANTE.replace("CH ALPHA", ' "CH ALPHA" '): ("quotes", "spacing"),
    SANTE.replace(",", ", "): ("spacing",),
    SANTE.replace("CH ALPHA", "CH  ALPHA"): ("doubled",),
    SANTE.replace("Paris (75)", "Paris(75)"): (),
    SANTE.replace("CH ALPHA", "CH\xa0ALPHA"): ("nbsp",),
    SANTE.replace("ALPHA", "AL\u200bPHA"): ("control",),
    SANTE.replace(",", ";"): ("separator",),
    "cn=MSS.ALPHA.example,ou=1750000018,o=ch alpha,st=paris (75),c=fr": (),
    SANTE.replace("ALPHA", r"\41LPHA"): (),
    SANTE.replace("ALPHA", r"\ALPHA"): ("escape",),
    "C=FR,ST=Paris (75),O=CH ALPHA,OU=1750000018,CN=mss.alpha.example": (),
}


@pytest.mark.parametrize(("text", "problems"), SPELLINGS.items())
def test_spellings_of_one_name_have_one_key(text: str, problems: tuple[str, ...]) -> None:
    dn = parse_dn(text)
    assert (dn.key, dn.igc) == (parse_dn(SANTE).key, "IGC-Santé")
    assert (dn.problems, dn.text) == (problems, text)


@pytest.mark.parametrize(
    ("text", "value", "problems"),
    [
        (r"O=a\,b\+c\"d\\e\<f\>g\;h\=i", 'a,b+c"d\\e<f>g;h=i', ()), (r"O=\#a", "#a", ()),
        (r"O=Alpha \C3\A9", "Alpha é", ()), (r"O=\C3", r"\C3", ("escape",)),
        ("O=#04024869", "#04024869", ("escape",)), ('O="a, b+c; <d>"', "a, b+c; <d>", ("quotes",)),
        ('O=CLINIQUE "BETA"', 'CLINIQUE "BETA"', ("quotes",)), ('O="BETA', '"BETA', ("quotes",)),
        ("O=", "", ()), ("O=a=b", "a=b", ()),
    ],
)  # fmt: skip
def test_values(text: str, value: str, problems: tuple[str, ...]) -> None:
    dn = parse_dn(text)
    assert (dn.rdns, dn.problems) == ((("O", value),), problems)
    assert parse_dn(dn.canonical).rdns == dn.rdns


def test_quotation_marks_inside_a_value_are_part_of_the_name() -> None:
    assert parse_dn('O=CLINIQUE "BETA"').key != parse_dn("O=CLINIQUE BETA").key
    assert parse_dn('O=CLINIQUE "BETA"').key == parse_dn(r"O=CLINIQUE \"BETA\"").key
    assert parse_dn('O=CLINIQUE "BETA"').canonical == r"O=CLINIQUE \"BETA\""


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (r"O=\#a", r"O=\#a"), (r"O=\20a\20\09", r"O=\ a\ \09"), ('O="a,b\0"', r"O=a\,b\00"),
        (r"O=\41\=\C3\A9", "O=A=é"), ("DC=a,C=FR,O=b", "O=b,C=FR,DC=a"),
    ],
)  # fmt: skip
def test_canonical_text_escapes_what_must_be(text: str, canonical: str) -> None:
    assert parse_dn(text).canonical == canonical
    assert "escape" not in parse_dn(canonical).problems


@pytest.mark.parametrize(
    "value", ["CHALPHA", "𝐂𝐡𝐀𝐥𝐩𝐡𝐚", "ＣＨＡＬＰＨＡ", "C\u00adhAlpha", "\u202echalpha", "\xa0chalpha\u3000"]
)
def test_key_prepares_values_as_rfc_4518(value: str) -> None:
    assert parse_dn(f"O={value}").key == "O=chalpha"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"), ("mss.alpha.example", "unreadable"), ("CN=a,", "unreadable"),
        ("CN=a,O=DURAND, FILS", "unreadable"), ("CN=a,=b", "unreadable"), ("CN=a+OU=b", "multivalued"),
        ("OU=a,OU=b", "repeated"), ("CN=a\0b", "control"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(text: str, problem: str) -> None:
    dn = parse_dn(text)
    assert (problem in dn.problems, dn.igc, dn.order_ok) == (True, "", False)


def test_what_can_be_read_of_an_unreadable_name_is_read() -> None:
    dn = parse_dn("CN=mss.alpha.example,OU=1750000018,O=DURAND, FILS,C=FR")
    assert (dn.get("CN"), dn.get("C"), dn.canonical) == ("mss.alpha.example", "FR", dn.text)


@pytest.mark.parametrize(
    ("text", "igc"),
    [
        ("CN=a,OU=b,O=c,L=d,C=FR", "IGC-CPS"), ("CN=a,OU=b,O=c,C=FR,ST=d", "IGC-Santé"),
        ("CN=a,OU=b,O=c,C=FR", ""), ("CN=a,OU=b,O=c,L=d,ST=e,C=FR", ""), ("CN=a,OU=b,O=c,ST=d+C=FR", ""),
    ],
)  # fmt: skip
def test_shape_is_by_attributes_and_order_apart(text: str, igc: str) -> None:
    dn = parse_dn(text)
    assert (dn.igc, dn.order_ok) == (igc, False)
    if igc:
        again = parse_dn(dn.canonical)
        assert (again.igc, again.order_ok) == (igc, True)


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


FORM = "CN=mss.alpha.example,OU=1759900004,O=CH ALPHA,ST=Paris (75),C=FR"
SLASHES = "/C=FR/ST=Paris (75)/O=CH ALPHA/OU=1759900004/CN=mss.alpha.example"


@pytest.mark.parametrize(
    "text",
    [
        FORM, f"subject={FORM}", f"DN du certificat : {FORM}", SLASHES,
        "subject=C = FR, ST = Paris (75), O = CH ALPHA, OU = 1759900004, CN = mss.alpha.example",
        "C=FR,ST=Paris (75),O=CH ALPHA,OU=1759900004,CN=mss.alpha.example",
        FORM.replace(",", "\n"), FORM.replace(" ALPHA", "\nALPHA"),
        FORM.replace(",", "\n").replace("ST=", "S=").replace("=", " = "),
    ],
)  # fmt: skip
def test_one_name_however_tools_and_people_paste_it(text: str) -> None:
    assert pasted_dn(text) == FORM


@pytest.mark.parametrize(
    "text",
    [
        "", "subject=", "DN : voir ci-joint", "CN=a/b,O=CH S=1",
        "OU=1759900004,CN=mss.alpha.example,O=CH ALPHA,ST=Paris (75),C=FR",  # no tool prints this order
        "CN=mss.alpha.example, OU=1759900004, O=CH ALPHA, ST=Paris (75), C=FR",
    ],
)  # fmt: skip
def test_what_was_not_pasted_stays_as_it_is(text: str) -> None:
    assert pasted_dn(text) == text


def test_values_of_a_pasted_name_are_kept() -> None:
    assert parse_dn(pasted_dn(r"/C=FR/O=CH, DE L\xC3\x89TOILE/CN=a/b")).get("O") == "CH, DE L\u00c9TOILE"
