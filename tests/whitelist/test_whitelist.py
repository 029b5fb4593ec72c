import gzip
import hashlib
import random
import re
from datetime import UTC, datetime

import pandas as pd
import pytest
from conftest import REAL, toml
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from mssante_audit.base.errors import InputError, WhiteListError
from mssante_audit.whitelist.listxml import FIELDS, NAMESPACE
from mssante_audit.whitelist.load import FRAME, PROBLEMS, WhiteList, is_audit_domain, load_whitelist
from mssante_audit.whitelist.rows import operator_names
from tools.sample.space import whitelist_chunks

CASES = toml("whitelist/lists")
MADE = datetime(2026, 3, 2, 5, 30, tzinfo=UTC)
DN = "CN=mss.alpha.example,OU=1990000018,O=CH  Alpha,ST=Paris (75),C=FR"
CONTACT = "M. EXEMPLE Jean, 01 99 00 00 01, Support@Alpha.example"


def row(number: int = 1, **fields: str) -> tuple[str, ...]:
    texts = (
        f"ch-{number}.mssante.fr", f"Domaine du CH fictif n°{number}", DN, CONTACT,
        f"01 99 00 01 {number % 100:02}, support@alpha.example", "2026-01-05T10:00:00Z",
    )  # fmt: skip
    return tuple((dict(zip(FIELDS, texts, strict=True)) | fields).values())


def xml(*rows: tuple[str, ...]) -> bytes:
    return b"".join(whitelist_chunks(rows or (row(1), row(2), row(3)), MADE))


def edited(old: str, new: str) -> bytes:
    text = xml().decode()
    assert old in text
    return text.replace(old, new, 1).encode()


def problems(whitelist: WhiteList) -> list[tuple[int | None, str, str]]:
    frame = whitelist.problems
    rows = [None if pd.isna(number) else int(number) for number in frame["row"]]
    return list(zip(rows, frame["kind"], frame["element"], strict=True))


def refused(content: bytes, rows: int, why: str = "rows are readable") -> tuple[WhiteList, int | None]:
    """Load a list that is damaged: refused as it is, its rows read where that is asked for."""
    with pytest.raises(WhiteListError, match=why) as raised:
        load_whitelist(content)
    assert f"{rows} rows are readable" in str(raised.value)
    assert "--recover" in str(raised.value)
    whitelist = load_whitelist(content, recover=True)
    assert whitelist.damaged
    assert raised.value.readable_rows == len(whitelist.entries) == rows
    return whitelist, raised.value.line


DTYPES = {column.name: column.dtype for column in FRAME}


def test_one_row_gives_each_column_its_value():
    whitelist = load_whitelist(xml(row(7), row(7, DNCertificatOperateur=DN.replace("  ", " "))))
    entry, spelt_otherwise = whitelist.entries.to_dict("records")
    assert entry.pop("dn_key") == spelt_otherwise["dn_key"]
    assert entry == {
        "row": 1, "line": 4, "domain": "ch-7.mssante.fr", "description": "Domaine du CH fictif n°7", "dn": DN,
        "project_contact": CONTACT, "support_contact": "01 99 00 01 07, support@alpha.example",
        "updated_at_text": "2026-01-05T10:00:00Z", "updated_at": pd.Timestamp("2026-01-05T10:00:00Z"),
        "igc": "IGC-Santé", "cn": "mss.alpha.example", "ou": "1990000018", "o": "CH  Alpha",
        "st": "Paris (75)", "c": "FR", "operator_id": "1990000018", "operator": "CH ALPHA",
        "operator_kind": "FINESS", "finess": "990000018", "siren": "", "siret": "", "department": "75",
        "region": "Île-de-France", "project_phone": "+33199000001", "project_email": "support@alpha.example",
        "support_phone": "+33199000107", "support_email": "support@alpha.example", "is_audit_entry": False,
        "under_mssante": True,
    }  # fmt: skip
    assert whitelist.entries.dtypes.astype(str).to_dict() == DTYPES


def test_a_list_without_rows_has_the_same_columns():
    whitelist = load_whitelist(re.sub(rb"<Domaine>.*</Domaine>", b"", xml(), flags=re.DOTALL))
    assert whitelist.entries.dtypes.astype(str).to_dict() == DTYPES
    assert (len(whitelist.entries), whitelist.damaged) == (0, False)
    assert whitelist.problems.dtypes.astype(str).to_dict() == {c.name: c.dtype for c in PROBLEMS}


def test_more_rows_than_are_kept_in_one_piece():
    whitelist = load_whitelist(xml(*(row(number) for number in range(1, 3001))))
    assert whitelist.entries["row"].tolist() == list(range(1, 3001))
    assert whitelist.entries["domain"].tolist() == [f"ch-{number}.mssante.fr" for number in range(1, 3001)]
    assert whitelist.entries["line"].tolist() == list(range(4, 4 + 3000 * 8, 8))


def test_a_prefix_reads_as_the_default_namespace():
    prefixed = re.sub(rb"<(/?)([A-Z])", rb"<\1m:\2", xml()).replace(b"xmlns=", b"xmlns:m=")
    pd.testing.assert_frame_equal(load_whitelist(prefixed).entries, load_whitelist(xml()).entries)


def test_file_name_compressed_file_and_bytes_give_the_same(tmp_path):
    (tmp_path / "plain").write_bytes(xml())
    (tmp_path / "compressed").write_bytes(gzip.compress(xml()))
    expected = load_whitelist(xml())
    for source in (tmp_path / "plain", str(tmp_path / "compressed"), gzip.compress(xml())):
        whitelist = load_whitelist(source)
        pd.testing.assert_frame_equal(whitelist.entries, expected.entries)
        assert (whitelist.sha256, whitelist.content()) == (expected.sha256, xml())


def test_content_of_a_changed_or_vanished_file_is_refused(tmp_path):
    file = tmp_path / "list.xml"
    file.write_bytes(xml())
    whitelist = load_whitelist(file)
    file.write_bytes(xml(row(4)))
    with pytest.raises(InputError, match="has changed"):
        whitelist.content()
    file.unlink()
    with pytest.raises(InputError, match="cannot be read again"):
        whitelist.content()


@pytest.mark.parametrize(("written", "read"), CASES["texts"])
def test_text_is_what_a_canonical_form_without_comments_signs(written, read):
    content = edited("Domaine du CH fictif n°1", written)
    assert load_whitelist(content).entries["description"][0] == read
    canonical = etree.tostring(etree.fromstring(content), method="c14n", exclusive=True, with_comments=False)
    assert load_whitelist(canonical).entries["description"][0] == read
    assert problems(load_whitelist(content)) == []


LEGAL = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="￾￿")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(*[st.text(LEGAL, min_size=1, max_size=40)] * 6), max_size=4))
def test_any_text_comes_back(rows):
    whitelist = load_whitelist(b"".join(whitelist_chunks(rows)))
    assert list(whitelist.entries[[*FIELDS.values()]].itertuples(index=False, name=None)) == rows


def test_text_split_between_two_reads_is_whole(monkeypatch):
    expected = load_whitelist(xml())
    for size in (1, 2, 3, 7, 64):
        monkeypatch.setattr("mssante_audit.whitelist.load._PIECE", size)
        pd.testing.assert_frame_equal(load_whitelist(xml()).entries, expected.entries)


@pytest.mark.parametrize(("text", "instant"), CASES["dates"])
def test_dates_are_read_as_utc_or_are_a_problem_and_keep_their_text(text, instant):
    whitelist = load_whitelist(xml(row(1), row(2, DateMAJ=text), row(3)))
    assert whitelist.entries["updated_at_text"][1] == text
    assert whitelist.entries["updated_at"].isna().tolist() == [False, not instant, False]
    assert not instant or whitelist.entries["updated_at"][1] == pd.Timestamp(instant)
    assert problems(whitelist) == ([] if instant else [(2, "date", "DateMAJ")])
    assert whitelist.problems["line"].tolist() == ([] if instant else [12])


@pytest.mark.parametrize(("written", "kind"), CASES["generated"])
def test_a_list_that_does_not_say_when_it_was_generated(written, kind):
    whitelist = load_whitelist(edited("<DateDeGeneration>2026-03-02T05:30:00Z</DateDeGeneration>", written))
    assert (whitelist.generated_at, len(whitelist.entries)) == (None, 3)
    assert problems(whitelist) == [(None, kind, "DateDeGeneration")]


@pytest.mark.parametrize(("old", "new", "number", "expected"), CASES["odd"])
def test_what_is_odd_in_a_row_or_outside_is_told_and_costs_and_adds_no_row(old, new, number, expected):
    whitelist = load_whitelist(edited(old, new))
    assert problems(whitelist) == [(number or None, *problem.split()) for problem in expected.split(", ")]
    columns = ["domain", "description", "dn", "project_contact", "support_contact"]
    rows = load_whitelist(xml()).entries[columns]
    if old == "<Description>Domaine du CH fictif n°1</Description>":
        rows.loc[0, "description"] = new.removeprefix("<Description>").removesuffix("</Description>")
    pd.testing.assert_frame_equal(whitelist.entries[columns], rows)
    assert (whitelist.generated_at, whitelist.damaged) == (MADE, False)


def test_a_date_of_generation_after_the_rows_is_read_and_told():
    whitelist = load_whitelist(
        re.sub(rb"(?s)(<DateDe.*?</DateDeGeneration>)(.*</ListeDomaines>)", rb"\2\1", xml())
    )
    assert (whitelist.generated_at, len(whitelist.entries)) == (MADE, 3)
    assert problems(whitelist) == [(None, "order", "DateDeGeneration")]
    assert whitelist.problems["line"].tolist() == [28]


def test_an_operators_name_does_not_move_with_its_rows():
    """The manager's name of the older certificates is nobody's, and a name of fewer rows no more."""
    names = [*["CH B"] * 2, *["CH A"] * 2, "CH 0", *["GIP-CPS"] * 3]
    dns = (DN.replace("CH  Alpha", name) for name in names)
    entries = load_whitelist(xml(*(row(DNCertificatOperateur=dn) for dn in dns))).entries
    for listed in (entries, entries[::-1]):
        assert set(operator_names(listed).values()) == {"CH A"}


def test_an_empty_row_is_a_row():
    whitelist = load_whitelist(edited("<Domaine>", "<Domaine/><Domaine>"))
    assert len(whitelist.entries) == 4
    assert problems(whitelist) == [(1, "missing", element) for element in FIELDS]
    assert whitelist.entries.loc[0, ["domain", "dn", "operator_id", "support_email"]].tolist() == [""] * 4


def test_no_message_repeats_what_a_field_says():
    spilt = f"{CONTACT}<Note>{CONTACT}</Note><Description>{CONTACT}<b>{CONTACT}</b>"
    whitelist = load_whitelist(edited("<Description>", spilt))
    assert len(whitelist.problems) == 3
    assert "EXEMPLE" not in whitelist.problems.to_csv()


AS_ELEMENT = xml().replace(f' xmlns="{NAMESPACE}">\n'.encode(), f">\n<xmlns>{NAMESPACE}</xmlns>".encode())


@pytest.mark.parametrize(
    ("content", "damage", "line"),
    [
        (xml().replace(b"</ListeBlancheMSSante>\n", b""), "the end of the file is missing", 29),
        (AS_ELEMENT, "namespace is a child element", 2),
        (AS_ELEMENT.replace(b"</ListeBlancheMSSante>\n", b""),
         "namespace is .*the end of the file is missing", 2),
        (xml() + b"\n\0\0\0", "after the end", 31),
        (xml().replace(b"    </ListeDomaines>", b"    </Domaines>"), "mismatched tag", 28),
    ],
)  # fmt: skip
def test_damage_around_the_rows_is_refused_and_recovered(content, damage, line):
    whitelist, at = refused(content, 3, damage)
    assert at == line
    assert re.search(damage, whitelist.damage)
    assert (whitelist.namespace, whitelist.generated_at) == (NAMESPACE, MADE)
    assert whitelist.sha256 == hashlib.sha256(content).hexdigest()
    rows = whitelist.entries.drop(columns="line")
    pd.testing.assert_frame_equal(rows, load_whitelist(xml()).entries.drop(columns="line"))


SIGNATURE = b'<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><Info a="b">x</Info></Signature>'


@pytest.mark.parametrize("place", [b"<Nom>", b"</Domaine>", b"</ListeDomaines>"])
@pytest.mark.parametrize("signed", [False, True])
def test_a_signature_outside_its_place_is_damage_of_the_file(place, signed):
    content = xml().replace(place, SIGNATURE + place if place[1:2] == b"/" else place + SIGNATURE, 1)
    if signed:
        content = content.replace(b"</ListeBlanche", SIGNATURE + b"</ListeBlanche")
    whitelist, _ = refused(content, 3, "a signature stands inside <")
    assert (whitelist.damage_kinds, whitelist.signed) == (("signature",), signed)
    assert len(whitelist.problems) == (place == b"<Nom>"), "its text stands in a field"
    assert whitelist.signature.status == ("invalid" if signed else "absent")


@pytest.mark.parametrize("content", [xml(), gzip.compress(xml(*(row(n) for n in range(1, 60))), mtime=0)])
def test_a_list_cut_anywhere_is_refused_and_its_whole_rows_recovered(content):
    whole = load_whitelist(content).entries
    for place in random.Random(0).sample(range(1, len(content) - 1), min(60, len(content) - 2)):
        cut = content[:place]
        with pytest.raises(WhiteListError) as raised:
            load_whitelist(cut)
        if re.search("no XML|empty|no namespace|no white list", str(raised.value)):
            with pytest.raises(WhiteListError) as still:
                load_whitelist(cut, recover=True)
            assert still.value.readable_rows == 0
            continue
        rows = raised.value.readable_rows if content[:1] != b"<" else cut.count(b"</Domaine>")
        whitelist, line = refused(cut, rows)
        assert line is None or line >= 1
        pd.testing.assert_frame_equal(whitelist.entries, whole.head(rows))


def test_a_row_cut_in_the_middle_is_told():
    whitelist = load_whitelist(xml()[: xml().rindex(b"<SupportContact>") + 20], recover=True)
    assert len(whitelist.entries) == 2
    assert problems(whitelist) == [(None, "cut", "Domaine")]
    assert whitelist.problems["line"].tolist() == [20]
    assert whitelist.damage == "the file is cut inside <Domaine>"


def test_broken_xml_in_the_last_row_leaves_the_signature_to_be_seen():
    content = xml().replace("n°3".encode(), b"&").replace(b"</ListeBlanche", SIGNATURE + b"</ListeBlanche")
    whitelist, _ = refused(content, 2)
    assert (whitelist.signed, whitelist.signature.status) == (True, "invalid")
    assert (whitelist.signature.verified_rows, "damaged" in whitelist.signature.why) == (0, True)


@pytest.mark.parametrize("broken", [gzip.compress(xml())[:-8] + bytes(8), gzip.compress(xml()) + b"garbage"])
def test_a_compressed_list_with_a_wrong_checksum_or_garbage_behind_is_damaged(broken):
    refused(broken, 3, "compressed file breaks off")


@pytest.mark.parametrize("bad", [b"\0", b"a & b", b"\xe9", b"&eacute;", b"</Nom>", b"]]>"])
def test_broken_xml_in_a_row_costs_that_row_only(bad):
    whitelist, line = refused(xml().replace("n°2".encode(), bad), 2)
    assert 12 <= line <= 20
    assert whitelist.entries[["domain", "row", "line"]].values.tolist() == [
        ["ch-1.mssante.fr", 1, 4], ["ch-3.mssante.fr", 2, 20],
    ]  # fmt: skip
    assert (None, "cut", "Domaine") in problems(whitelist)
    assert {number for number, _, _ in problems(whitelist)} == {None}


def test_broken_xml_in_many_rows_and_small_reads(monkeypatch):
    rows = [row(number, Description="\x02" if number % 3 == 0 else "x") for number in range(1, 100)]
    for size in (5, 64, 2**16):
        monkeypatch.setattr("mssante_audit.whitelist.load._PIECE", size)
        whitelist = load_whitelist(xml(*rows), recover=True)
        good = [number for number in range(1, 100) if number % 3]
        assert whitelist.entries["domain"].tolist() == [f"ch-{number}.mssante.fr" for number in good]
        assert whitelist.entries["line"].tolist() == [4 + 8 * (number - 1) for number in good]
        assert len(whitelist.problems) == 33


@pytest.mark.parametrize(
    ("content", "message"),
    [
        *((text.encode(), message) for text, message in CASES["none"]),
        (gzip.compress(b"", mtime=0), "empty"), (b"\x1f\x8b garbage, not gzip", "no XML"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("recover", [False, True])
def test_what_is_no_white_list_is_refused_in_one_line(content, message, recover):
    with pytest.raises(WhiteListError, match=message) as raised:
        load_whitelist(content, recover=recover)
    assert raised.value.readable_rows == 0
    assert "\n" not in str(raised.value)


def test_another_namespace_is_accepted_only_when_asked_for():
    for old, new in ((NAMESPACE, "urn:x"), (f' xmlns="{NAMESPACE}"', "")):
        content = edited(old, new)
        with pytest.raises(WhiteListError, match="--any-namespace"):
            load_whitelist(content, recover=True)
        whitelist = load_whitelist(content, any_namespace=True)
        assert (whitelist.namespace in ("urn:x", ""), whitelist.damaged) == (True, False)
        pd.testing.assert_frame_equal(whitelist.entries, load_whitelist(xml()).entries)


def test_a_namespace_element_that_says_something_else_is_no_namespace():
    content = AS_ELEMENT.replace(NAMESPACE.encode(), b"urn:x")
    with pytest.raises(WhiteListError, match="no namespace"):
        load_whitelist(content, recover=True)
    assert problems(load_whitelist(content, any_namespace=True)) == [(None, "unexpected", "xmlns")]


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "windows-1252", "utf-8-sig"])
def test_declared_encodings_and_a_mark_are_followed(encoding):
    declared = encoding.removesuffix("-sig")
    content = xml().decode().replace("UTF-8", declared).encode(encoding)
    pd.testing.assert_frame_equal(load_whitelist(content).entries, load_whitelist(xml()).entries)


@pytest.mark.parametrize(("declared", "message"), [*CASES["encodings"], ("x" * 500, "is not one of")])
def test_a_wrong_encoding_declaration_is_refused(declared, message):
    with pytest.raises(WhiteListError, match=message) as raised:
        load_whitelist(xml().replace(b"UTF-8", declared.encode()))
    assert len(str(raised.value)) < 300


def test_latin_1_declared_as_utf_8_is_refused_at_its_line():
    content = xml(row(1, Description="sans"), row(2, Description="santé")).decode().encode("iso-8859-1")
    assert refused(content, 1, "not well-formed")[1] == 14


def test_audit_entries_and_domains_under_mssante():
    names = [*CASES["tests"], *CASES["no_tests"]]
    assert [name for name in names if is_audit_domain(name)] == CASES["tests"]
    entries = load_whitelist(xml(*(row(Nom=name) for name in names))).entries
    assert entries.loc[entries["is_audit_entry"], "domain"].tolist() == CASES["tests"]
    operators = ("GIP - TEST0001", "ch test", "TESTUD SA")
    dns = (DN.replace("CH  Alpha", operator) for operator in operators)
    entries = load_whitelist(xml(*(row(DNCertificatOperateur=dn) for dn in dns))).entries
    assert entries["is_audit_entry"].tolist() == [True, True, False]
    domains = ("a.mssante.fr", "mssante.fr", "xmssante.fr", "a.mssante.fr.example")
    entries = load_whitelist(xml(*(row(Nom=name) for name in domains))).entries
    assert entries["under_mssante"].tolist() == [True, True, False, False]


def test_the_longest_field_accepted_is_an_option():
    assert len(load_whitelist(xml(row(1), row(2, Description="é" * 255))).entries) == 2
    longer = xml(row(1), row(2, Description="é" * 256))
    with pytest.raises(WhiteListError, match="256 characters in <Description>, more than 255") as raised:
        load_whitelist(longer, recover=True)
    assert raised.value.line == 12
    assert load_whitelist(longer, max_field=256).entries["description"][1] == "é" * 256
    with pytest.raises(WhiteListError, match="more than 10"):
        load_whitelist(xml(), max_field=10)


@pytest.mark.real
def test_the_real_list_has_the_figures_of_its_date():
    whitelist = load_whitelist(next(REAL.glob("*.xml.gz")))
    entries = whitelist.entries
    figures = [len(entries), *(entries[name].nunique() for name in ("domain", "dn", "operator_id"))]
    assert figures == [6494, 4944, 391, 343]
    assert whitelist.generated_at == datetime(2025, 2, 28, 15, 42, 7, tzinfo=UTC)
    assert entries["updated_at"].notna().all()
    assert entries["igc"].value_counts().to_dict() == {"IGC-Santé": 6493, "IGC-CPS": 1}
    assert (~entries["under_mssante"]).sum() == 4
    assert len(whitelist.problems) == 0
    tree = etree.fromstring(whitelist.content())
    for field, column in FIELDS.items():
        assert [e.text for e in tree.iter(f"{{{NAMESPACE}}}{field}")] == entries[column].tolist()
    assert [e.sourceline for e in tree.iter(f"{{{NAMESPACE}}}Domaine")] == entries["line"].tolist()
