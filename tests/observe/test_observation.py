"""The observation file: written, cut, damaged, forged; it ends in rows, problem rows or one clear error."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from frames import rows_of
from hypothesis import given, settings
from hypothesis import strategies as st

from mssante_audit.base.errors import OutputError
from mssante_audit.network import methods
from mssante_audit.observe.file import DNS, Writer
from mssante_audit.observe.lines import ObservationError, Record, Reply, parse_reply
from mssante_audit.observe.observation import Observation, load_observation

BEGUN = datetime(2026, 3, 2, 5, 30, tzinfo=UTC)
HEADER = DNS.header(BEGUN, parent_zone="mssante.fr", sibling="0f0f0f0f", ipv6=False, settings={})
NAME = "ch-valfictif.mssante.fr"


def line(**changes: object) -> dict:
    plain = Reply(
        datetime(2026, 3, 2, 5, 30, 1, 250_000, UTC), NAME, "walk", "mssante.fr", NAME, "MX", "ns.example",
        "192.0.2.53", "udp", True, False, 1, "answer", "NOERROR", "aa edns", "", 1.25, 0,
        (Record("answer", NAME, 300, "MX", "10 mx.example"),),
    )  # fmt: skip
    return plain.content() | changes


END = {"end": "2026-03-02T05:31:00.000Z", "complete": True, "ignored": {"192.0.2.66": 2}}


def write(path: Path, *contents: dict, resume: bool = False) -> Path:
    writer = Writer(path, resume=resume)
    for content in contents:
        writer.write(content)
    writer.close()
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dns.jsonl.gz"


def check_shape(observation: Observation) -> None:
    assert [str(t) for t in observation.problems.dtypes] == ["int64", "str", "str"]
    for reply in observation.replies:
        assert parse_reply(json.loads(json.dumps(reply.content())))._replace(line=reply.line) == reply


def test_what_is_written_is_read(path: Path) -> None:
    lines = [line(), line(outcome="timeout", rtt=None, records=()), {"note": "x", "zone": "z"}]
    observation = load_observation(write(path, HEADER, *lines, END))
    check_shape(observation)
    assert rows_of(observation)["line"].tolist() == [2, 3]
    assert rows_of(observation)["outcome"].tolist() == ["answer", "timeout"]
    assert rows_of(observation)["rtt"].isna().tolist() == [False, True]
    assert observation.replies[0].at == datetime(2026, 3, 2, 5, 30, 1, 250_000, UTC)
    assert observation.replies[0].records == (Record("answer", NAME, 300, "MX", "10 mx.example"),)
    assert observation.notes == ("x",)
    assert (observation.complete, observation.siblings) == (True, ("0f0f0f0f",))
    assert methods(observation, [NAME])["method"].tolist() == ["redirected"]


@pytest.mark.parametrize("way", [("mssante.fr",), ("a.fr", "mssante.fr")])
def test_zones_that_hand_a_name_round_in_circles_leave_it_unknown(path: Path, way: tuple[str, ...]) -> None:
    asked = zip(("mssante.fr", *way), way, strict=False)
    referrals = [line(zone=zone, outcome="referral", cut=cut, records=()) for zone, cut in asked]
    frame = methods(load_observation(write(path, HEADER, *referrals, END)), [NAME])
    assert frame["method"].tolist() == ["unknown"]


@pytest.mark.parametrize("cut", [1, 22, 57])
def test_a_file_cut_anywhere_is_read_as_far_as_it_goes(path: Path, cut: int) -> None:
    write(path, HEADER)
    for number in range(40):
        write(path, line(qname=f"n{number}.mssante.fr"), resume=True)
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    observation = load_observation(path)
    check_shape(observation)
    assert 38 <= len(rows_of(observation)) <= 40
    assert set(observation.problems["kind"]) == {"cut"}
    assert not observation.complete


def test_a_line_cut_in_the_middle_is_a_problem(path: Path) -> None:
    text = "\n".join(map(json.dumps, (HEADER, line(), line())))
    path.write_bytes(gzip.compress(text[:-10].encode()))
    observation = load_observation(path)
    assert len(rows_of(observation)) == 1
    assert observation.problems[["line", "kind"]].to_dict("records") == [{"line": 3, "kind": "cut"}]


def test_a_damaged_member_loses_only_itself(path: Path) -> None:
    write(path, HEADER, line(qname="a.mssante.fr"))
    start = path.stat().st_size
    write(path, *(line(qname=f"b{n}.mssante.fr") for n in range(50)), resume=True)
    end = path.stat().st_size
    write(path, line(qname="c.mssante.fr"), END, resume=True)
    data = bytearray(path.read_bytes())
    for place in range((start + end) // 2, (start + end) // 2 + 8):
        data[place] ^= 0xA5
    path.write_bytes(data)
    observation = load_observation(path)
    check_shape(observation)
    names = rows_of(observation)["qname"].tolist()
    assert names[0] == "a.mssante.fr"
    assert names[-1] == "c.mssante.fr"
    assert "damaged" in set(observation.problems["kind"])
    assert observation.complete


BAD = {
    "at": "soon", "domain": None, "step": "guess", "zone": 3, "qname": ["x"], "qtype": {}, "server": 1.5,
    "address": "300.1.1.1", "transport": "pigeon", "edns": 1, "rd": "no", "attempt": True,
    "outcome": "absent", "rcode": 5, "flags": None, "cut": 0, "rtt": -1, "ignored": 1 << 70,
    "records": [["answer", "x", -1, "A", "192.0.2.1"]],
}  # fmt: skip


def test_a_field_that_is_not_as_it_should_be_is_a_problem(path: Path) -> None:
    wrong = [line(**{field: value}) for field, value in BAD.items()]
    lacking = [{name: value for name, value in line().items() if name != field} for field in BAD]
    observation = load_observation(write(path, HEADER, *wrong, *lacking, line(), END))
    check_shape(observation)
    assert len(rows_of(observation)) == 1
    assert observation.problems["message"].tolist() == [f"field {field}" for field in BAD] * 2
    assert observation.problems["line"].tolist() == list(range(2, 2 + 2 * len(BAD)))


@pytest.mark.parametrize(
    "record",
    [
        ("A", "300.1.1.1"), ("A", "2001:db8::1"), ("AAAA", "192.0.2.1"), ("AAAA", "fe80::1%eth0"),
        ("MX", "mx.example"), ("MX", "10"), ("MX", "-1 mx.example"), ("SOA", "a b 1 2 3 4"),
        ("SOA", f"a b {'9' * 5000} 2 3 4 5"), ("NS", ""), ("DS", "12345 13 two abab"), ("DNSKEY", "257"),
        ("RRSIG", "MX 13"),
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_read_is_a_problem_of_its_line(path: Path, record: tuple[str, str]) -> None:
    records = [["answer", NAME, 300, *record]]
    observation = load_observation(write(path, HEADER, line(records=records), line(), END))
    assert len(rows_of(observation)) == 1
    assert observation.problems[["line", "message"]].values.tolist() == [[2, "field records"]]


@pytest.mark.parametrize(
    "raw",
    [b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"at": 1' + b"0" * 5000 + b"}", b'{"a":"\\ud800"}', b""],
)
def test_a_line_that_is_no_object_is_a_problem(path: Path, raw: bytes) -> None:
    text = b"\n".join((json.dumps(HEADER).encode(), raw, json.dumps(line()).encode(), b""))
    path.write_bytes(gzip.compress(text))
    observation = load_observation(path)
    assert len(rows_of(observation)) == 1
    assert observation.problems["kind"].tolist() == ["record"]


def test_a_line_without_end_is_not_swallowed(path: Path) -> None:
    path.write_bytes(gzip.compress(json.dumps(HEADER).encode() + b"\n" + b" " * 30_000_000))
    observation = load_observation(path)
    assert "record" in set(observation.problems["kind"])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        *((raw, "not a DNS observation") for raw in (b"", b"text", b"\x1f\x8b\x08" * 5000)),
        *((gzip.compress(raw, mtime=0), "not a DNS observation")
          for raw in (b"", b"text\n", b"{}\n", b'{"format": 3}\n')),
        *((gzip.compress(f"{json.dumps(HEADER | change)}\n".encode()), "header")
          for change in ({"at": "x"}, {"at": "2026-03-02"}, {"parent_zone": 3}, {"sibling": None})),
        (gzip.compress(f"{json.dumps(HEADER | {'version': DNS.version + 1})}\n".encode()),
         rf"newer version \(format {DNS.version + 1}.*Update"),
    ],
)  # fmt: skip
def test_what_is_no_observation_or_another_is_one_clear_error(path: Path, content: bytes, why: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ObservationError, match=why):
        load_observation(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*line(), "end", "done", "note"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([*line(), "end", "note", "format", "version"]), JSON), max_size=3))
def test_any_content_is_rows_problems_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, object]]
) -> None:
    text = "\n".join(json.dumps(c) for c in (HEADER, line(**dict(changes)), line(), END)) + "\n"
    read = read_or_refused(tmp_path_factory, gzip.compress(text.encode()))
    assert read or "format" in dict(changes)


def read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> bool:
    path = tmp_path_factory.mktemp("o") / "o.gz"
    path.write_bytes(data)
    try:
        observation = load_observation(path)
    except ObservationError:
        return False
    check_shape(observation)
    methods(observation, [NAME])
    return True


GOOD = gzip.compress("\n".join(map(json.dumps, (HEADER, line()))).encode() + b"\n", mtime=0) + gzip.compress(
    "\n".join(map(json.dumps, (line(), END))).encode() + b"\n", mtime=0
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.binary(max_size=4)), max_size=4),
    st.integers(0, len(GOOD)),
)
def test_any_bytes_are_rows_problems_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, bytes]], length: int
) -> None:
    data = bytearray(GOOD)
    for place, new in changes:
        data[place : place + len(new)] = new
    read_or_refused(tmp_path_factory, bytes(data[:length]))


def test_a_file_in_use_is_not_written_to(path: Path) -> None:
    writer = Writer(path)
    writer.write(HEADER)
    writer.flush()
    with pytest.raises(OutputError, match="another run"):
        Writer(path, resume=True)
    with pytest.raises(OutputError, match="exists already"):
        Writer(path)
    assert not load_observation(path).complete, "readable all the while"
    writer.close()


def test_a_cut_end_is_mended_before_more_is_written(path: Path) -> None:
    write(path, HEADER, line(qname="a.mssante.fr"))
    whole = path.read_bytes()
    lines = "\n".join(json.dumps(line(qname=f"{n}.b.mssante.fr")) for n in range(200))
    member = gzip.compress(f"{lines}\n".encode())
    path.write_bytes(whole + member[: len(member) * 2 // 3])
    before = rows_of(load_observation(path))["qname"].tolist()
    assert 1 < len(before) < 200
    writer = Writer(path, resume=True)
    writer.mend()
    writer.write(line(qname="c.mssante.fr"))
    writer.close()
    after = load_observation(path)
    assert after.problems.empty
    assert rows_of(after)["qname"].tolist() == [*before, "c.mssante.fr"]
