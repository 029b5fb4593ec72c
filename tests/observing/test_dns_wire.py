"""Any bytes of a reply end in an outcome; good ones are read as dnspython reads them."""

from datetime import UTC, datetime

import dns.flags
import dns.message
import dns.rrset
import pytest
from dnslab import reply
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mssante_audit.observe.dns import wire as dns_wire
from mssante_audit.observe.dns.asker import Ask, observe_exchange
from mssante_audit.observe.dns.transport import Exchange
from mssante_audit.observe.dns.wire import (
    MAX_RECORDS,
    OUTCOMES,
    Malformed,
    _Names,
    canonical,
    classify,
    decode,
    encode_query,
    encode_question,
    is_reply_to,
)

NAME = "ch-valfictif.mssante.fr"
QUERY = dns.message.make_query(NAME, "MX", use_edns=0, want_dnssec=True)
AT = datetime(2026, 3, 2, tzinfo=UTC)


def outcome(message: dns.message.Message, zone: str | None = "mssante.fr") -> tuple[str, str]:
    return classify(decode(message.to_wire()), zone, NAME, "MX")


def observe_bytes(wire: bytes) -> str:
    ask = Ask("", "walk", "mssante.fr", NAME, "MX", "ns", "127.0.0.1")
    return observe_exchange(ask, Exchange("reply", wire, 0.1, 0), AT, 1, edns=True).outcome


def test_a_query_is_what_dnspython_would_send() -> None:
    wire = encode_query(4711, encode_question(NAME, "MX"), edns=True, rd=False)
    message = dns.message.from_wire(wire)
    assert (message.id, message.question, message.edns, message.payload) == (4711, QUERY.question, 0, 1232)
    assert message.ednsflags & dns.flags.DO
    assert not message.flags & dns.flags.RD
    plain = dns.message.from_wire(encode_query(1, encode_question(".", "SOA"), edns=False, rd=True))
    assert (plain.edns, bool(plain.flags & dns.flags.RD)) == (-1, True)


RECORDS = [
    "x.example MX 10 Mail.Example.", "x.example NS ns1.example.", "x.example A 192.0.2.1",
    "x.example AAAA 2001:db8::1",
    "x.example SOA a.example. b.example. 1 2 3 4 5", "x.example CNAME y.example.", 'x.example TXT "a b" "c"',
    "x.example DS 12345 13 2 " + "AB" * 32, "x.example DNSKEY 257 3 13 " + "A" * 86 + "==",
    "x.example SRV 0 0 25 mx.example.", "x.example CAA 0 issue \"ca.example\"", "x.example DNAME z.example.",
    r"a\.b\@c.example PTR x.example.", "x.example TYPE65400 \\# 3 010203",
]  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.sampled_from(RECORDS), max_size=8, unique=True))
def test_records_are_read_as_dnspython_reads_them(lines: list[str]) -> None:
    message = reply(QUERY, answer=lines)
    mine = decode(message.to_wire()).records
    theirs = [
        (s.name.to_text(True).lower(), s.ttl, rd.to_text().lower())
        for s in dns.message.from_wire(message.to_wire()).answer
        for rd in s
    ]
    assert sorted((r.owner, r.ttl, _dotted(r.type, r.data.lower())) for r in mine) == sorted(
        (o, t, text) for o, t, text in theirs
    )


def _dotted(kind: str, text: str) -> str:
    """Names keep their final dot in dnspython's texts."""
    if kind in ("MX", "NS", "CNAME", "PTR", "DNAME"):
        return text + "."
    if kind == "SOA":
        a, b, rest = text.split(" ", 2)
        return f"{a}. {b}. {rest}"
    return text


@settings(deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_end_in_an_outcome(wire: bytes) -> None:
    assert observe_bytes(wire) in OUTCOMES


GOOD = reply(
    QUERY, answer=[f"{NAME} MX 10 a.example.", f"{NAME} MX 20 b.example."], authority=["fr NS a.fr."]
).to_wire()


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=6),
    st.integers(0, len(GOOD)),
)
def test_a_reply_with_bytes_changed_or_missing_ends_in_an_outcome(
    changes: list[tuple[int, int]], length: int
) -> None:
    wire = bytearray(GOOD)
    for place, byte in changes:
        wire[place] = byte
    assert observe_bytes(bytes(wire[:length])) in OUTCOMES
    is_reply_to(bytes(wire[:length]), encode_question(NAME, "MX"))


NAMES = reply(
    QUERY,
    answer=[
        f"{NAME} MX 10 Mail.ch-valfictif.mssante.fr.",
        f"{NAME} MX 20 a\\.b.mssante.fr.",
        f"{NAME} MX 30 .",
    ],
    authority=["fr NS ns.a\\.b.mssante.fr.", "mssante.fr SOA a.fr. b.fr. 1 2 3 4 5", ". NS x.fr."],
).to_wire()


def both_ways(wire: bytes) -> tuple[object, object]:
    """Decode with plain names read here, and with all names read by dnspython."""
    found: list[object] = []
    for read in (_Names.read, _Names._read_odd):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_Names, "read", read)
            try:
                found.append(decode(wire))
            except Malformed:
                found.append("malformed")
    return found[0], found[1]


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(NAMES) - 1), st.integers(0, 255) | st.sampled_from((0xC0, 0, 12, 63, 64))
        ),
        max_size=5,
    )
)
@example([])
def test_plain_names_are_read_as_dnspython_reads_them(changes: list[tuple[int, int]]) -> None:
    wire = bytearray(NAMES)
    for place, byte in changes:
        wire[place] = byte
    mine, theirs = both_ways(bytes(wire))
    assert mine == theirs


def test_names_at_the_limit_are_read_as_dnspython_reads_them() -> None:
    record = b"\0\x02\0\1\0\0\1\x2c\0\2\xc0\x0c"
    long = (b"\x3f" + b"a" * 63) * 3
    for last in (60, 61, 62, 63):
        mine, theirs = both_ways(HEAD + QUESTION + long + bytes([last]) + b"b" * last + b"\0" + record)
        assert mine == theirs
        assert (mine == "malformed") == (last > 61)
    for pointed in (b"\xc0\x0c", b"\x01a\xc0\x0c", b"\x40" + b"a" * 64 + b"\0", b"\xbf" + b"a" * 191 + b"\0"):
        mine, theirs = both_ways(HEAD + QUESTION + pointed + record)
        assert mine == theirs


HEAD = b"\0\1\x84\0\0\1\0\1\0\0\0\0"
QUESTION = encode_question(NAME, "MX")


@pytest.mark.parametrize(
    "record",
    [
        b"\xc0"
        + bytes([12 + len(QUESTION)])
        + b"\0\x02\0\1\0\0\1\x2c\0\2\xc0\x0c",  # a name that points at itself
        b"\xc0\xff\0\x02\0\1\0\0\1\x2c\0\2\xc0\x0c",  # … beyond the end
        b"\x40a\0\0\x02\0\1\0\0\1\x2c\0\2\xc0\x0c",  # a label type that does not exist
        b"\xc0\x0c\0\x02\0\1\0\0\1\x2c\xff\xff\xc0\x0c",  # more data than there is
        b"\xc0\x0c\0\x0f\0\1\0\0\1\x2c\0\1\0",  # an MX of one byte
        b"\xc0\x0c\0\x01\0\1\0\0\1\x2c\0\5\1\2\3\4\5",  # an address of five
        b"\xc0\x0c\0\x02\0\3\0\0\1\x2c\0\2\xc0\x0c",  # another class
        (b"\x3f" + b"a" * 63) * 4 + b"\0\0\x02\0\1\0\0\1\x2c\0\2\xc0\x0c",  # a name of 257 bytes
        b"\xc0\x0c\0\x02\0\1\0\0\1\x2c\0\2\xc0\x0cjunk",
    ],
)
def test_hostile_records_are_malformed(record: bytes) -> None:
    with pytest.raises(Malformed):
        decode(HEAD + QUESTION + record)
    assert observe_bytes(HEAD + QUESTION + record) == "malformed"


def test_a_name_of_255_bytes_is_read() -> None:
    long = ".".join(["a" * 63] * 3 + ["b" * 61]) + "."
    (record,) = decode(reply(QUERY, answer=[f"{NAME} MX 10 {long}"]).to_wire()).records
    assert record.data == f"10 {long[:-1]}"


def test_a_reply_of_thousands_of_records_is_cut() -> None:
    message = reply(QUERY, answer=[f"{NAME} MX 10 h{n}.example." for n in range(MAX_RECORDS + 500)])
    decoded = decode(message.to_wire(max_size=65535))
    assert len(decoded.records) == MAX_RECORDS
    assert decoded.cut


def test_a_truncated_reply_may_end_anywhere() -> None:
    message = reply(QUERY, answer=[f"{NAME} MX 10 a.example."])
    message.flags |= dns.flags.TC
    assert observe_bytes(message.to_wire()[:-3]) == "truncated"


@pytest.mark.parametrize(
    ("aa", "rcode", "sections", "expected"),
    [
        (True, 0, {"answer": [f"{NAME} MX 10 a.example."]}, ("answer", "")),
        (False, 0, {"answer": [f"{NAME} MX 10 a.example."]}, ("lame", "")),
        (True, 0, {"answer": [f"{NAME} CNAME a.example."]}, ("answer", "")),
        (True, 0, {"answer": ["autre.mssante.fr MX 10 a.example."]}, ("malformed", "")),
        (False, 0, {"authority": [f"{NAME} NS a.example."]}, ("referral", NAME)),
        (True, 0, {"authority": [f"{NAME} NS a.example."]}, ("referral", NAME)),
        (False, 0, {"authority": ["autre.mssante.fr NS a.example."]}, ("lame", "")),
        (False, 0, {"authority": ["mssante.fr NS a.example."]}, ("lame", "")),
        (False, 0, {"authority": [". NS a.root-servers.net."]}, ("lame", "")),
        (False, 0, {}, ("lame", "")),
        (True, 0, {}, ("nodata", "")),
        (True, 0, {"authority": ["mssante.fr SOA a. b. 1 2 3 4 5"]}, ("nodata", "")),
        (True, 0, {"authority": [f"{NAME} SOA a. b. 1 2 3 4 5"]}, ("nodata", NAME)),
        (True, 3, {"authority": ["mssante.fr SOA a. b. 1 2 3 4 5"]}, ("nxdomain", "")),
        (False, 3, {}, ("lame", "")),
        (True, 2, {}, ("servfail", "")),
        (True, 5, {}, ("refused", "")),
        (False, 9, {}, ("refused", "")),
    ],
)
def test_outcomes(aa: bool, rcode: int, sections: dict[str, list[str]], expected: tuple[str, str]) -> None:
    message = reply(QUERY, aa=aa, **sections)
    message.set_rcode(rcode)
    assert outcome(message) == expected


def test_a_resolver_need_not_be_authoritative() -> None:
    assert outcome(reply(QUERY, aa=False, answer=[f"{NAME} MX 10 a.example."]), None) == ("answer", "")
    missing = reply(QUERY, aa=False)
    missing.set_rcode(3)
    assert outcome(missing, None) == ("nxdomain", "")


def test_only_the_reply_to_the_question_is_one() -> None:
    assert is_reply_to(GOOD, QUESTION)
    upper = GOOD.replace(b"valfictif", b"VALFICTIF")
    assert is_reply_to(upper, QUESTION)
    assert not is_reply_to(GOOD, encode_question(NAME, "A"))
    assert not is_reply_to(GOOD, encode_question("ch-autre.mssante.fr", "MX"))
    assert not is_reply_to(QUERY.to_wire(), QUESTION), "a query is no reply"
    bare = dns.message.make_response(QUERY)
    bare.question.clear()
    assert not is_reply_to(bare.to_wire(), QUESTION)
    bare.set_rcode(1)
    assert is_reply_to(bare.to_wire(), QUESTION)


@settings(deadline=None)
@given(st.text(max_size=300))
@example("sessad@ase.mssante.fr")
@example("é.mssante.fr")
@example("a" * 64)
@example(".")
@example("")
@example("\ud800.fr")
@example("a\\.b.fr")
@example("\u212a.fr")
@example("a.fr..")
@example(" A.Fr.\n")
@example(".".join(["a" * 63] * 3 + ["b" * 61]))
@example(".".join(["a" * 63] * 3 + ["b" * 62]))
def test_any_text_is_a_name_or_is_not(text: str) -> None:
    name = canonical(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dns_wire, "_is_plain", lambda text: None)
        assert canonical(text) == name
        question = encode_question(name, "MX") if name else b""
    assert not name or question == encode_question(name, "MX")
    if name:
        assert canonical(name) == name
        encode_question(name, "MX")
