"""The observation file: written, cut, damaged, forged; it ends in rows, problem rows or one clear error."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
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


def packed(*contents: dict, cut: int = 0) -> bytes:
    """Return a member of lines, as anybody may have packed it; without its last bytes before that."""
    text = "".join(f"{json.dumps(content)}\n" for content in contents).encode()
    return gzip.compress(text[: len(text) - cut], mtime=0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "dns.jsonl.gz"


def check_shape(observation: Observation) -> None:
    assert [str(t) for t in observation.problems.dtypes] == ["int64", "str", "str"]
    for reply in observation.replies:
        assert parse_reply(json.loads(json.dumps(reply.content())))._replace(line=reply.line) == reply


def test_what_is_written_is_read(path):
    lines = [line(), line(outcome="timeout", rtt=None, records=()), {"note": "x", "zone": "z"}]
    observation = load_observation(write(path, HEADER, *lines, END))
    check_shape(observation)
    first, second = observation.replies
    assert [first.line, first.outcome, first.rtt] == [2, "answer", 1.25]
    assert [second.line, second.outcome, second.rtt] == [3, "timeout", None]
    assert first.at == datetime(2026, 3, 2, 5, 30, 1, 250_000, UTC)
    assert first.records == (Record("answer", NAME, 300, "MX", "10 mx.example"),)
    assert (observation.complete, observation.siblings, observation.notes) == (True, ("0f0f0f0f",), ("x",))
    assert methods(observation, [NAME])["method"].tolist() == ["redirected"]


@pytest.mark.parametrize("way", [("mssante.fr",), ("a.fr", "mssante.fr")])
def test_zones_that_hand_a_name_round_in_circles_leave_it_unknown(path, way):
    asked = zip(("mssante.fr", *way), way, strict=False)
    referrals = [line(zone=zone, outcome="referral", cut=cut, records=()) for zone, cut in asked]
    frame = methods(load_observation(write(path, HEADER, *referrals, END)), [NAME])
    assert frame["method"].tolist() == ["unknown"]


@pytest.mark.parametrize("settings", [{"resolvers": 5}, {"retries": "x"}, {"parent_servers": [["a"], 3]}, 7])
def test_settings_that_no_run_was_given_change_no_answer(path, settings):
    observation = load_observation(write(path, HEADER | {"settings": settings}, line(), END))
    assert methods(observation, [NAME])["method"].tolist() == ["redirected"]


@pytest.mark.parametrize("cut", [1, 22, 57])
def test_a_file_cut_anywhere_is_read_as_far_as_it_goes(path, cut):
    write(path, HEADER)
    for number in range(40):
        write(path, line(qname=f"n{number}.mssante.fr"), resume=True)
    path.write_bytes(path.read_bytes()[:-cut])
    observation = load_observation(path)
    check_shape(observation)
    assert 38 <= len(observation.replies) <= 40
    assert (set(observation.problems["kind"]), observation.complete) == ({"cut"}, False)


def test_a_line_cut_in_the_middle_or_without_end_is_a_problem(path):
    path.write_bytes(packed(HEADER, line(), line(), cut=10))
    observation = load_observation(path)
    assert len(observation.replies) == 1
    assert observation.problems[["line", "kind"]].values.tolist() == [[3, "cut"]]
    path.write_bytes(gzip.compress(json.dumps(HEADER).encode() + b"\n" + b" " * 30_000_000))
    observation = load_observation(path)
    assert "record" in set(observation.problems["kind"])


def test_a_damaged_member_loses_only_itself(path):
    start = write(path, HEADER, line(qname="a.mssante.fr")).stat().st_size
    write(path, *(line(qname=f"b{n}.mssante.fr") for n in range(50)), resume=True)
    middle = (start + path.stat().st_size) // 2
    data = bytearray(write(path, line(qname="c.mssante.fr"), END, resume=True).read_bytes())
    for place in range(middle, middle + 8):
        data[place] ^= 0xA5
    path.write_bytes(data)
    observation = load_observation(path)
    check_shape(observation)
    first, *_, last = (reply.qname for reply in observation.replies)
    assert (first, last) == ("a.mssante.fr", "c.mssante.fr")
    assert "damaged" in set(observation.problems["kind"])
    assert observation.complete


BAD = {
    "at": "soon", "domain": None, "step": "guess", "zone": 3, "qname": ["x"], "qtype": {}, "server": 1.5,
    "address": "300.1.1.1", "transport": "pigeon", "edns": 1, "rd": "no", "attempt": True,
    "outcome": "absent", "rcode": 5, "flags": None, "cut": 0, "rtt": -1, "ignored": 1 << 70,
    "records": [["answer", "x", -1, "A", "192.0.2.1"]],
}  # fmt: skip


def test_a_field_that_is_not_as_it_should_be_is_a_problem(path):
    wrong = [line(**{field: value}) for field, value in BAD.items()]
    lacking = [{name: value for name, value in line().items() if name != field} for field in BAD]
    observation = load_observation(write(path, HEADER, *wrong, *lacking, line(), END))
    check_shape(observation)
    assert len(observation.replies) == 1
    assert observation.problems["message"].tolist() == [f"field {field}" for field in BAD] * 2
    assert observation.problems["line"].tolist() == list(range(2, 2 + 2 * len(BAD)))


@pytest.mark.parametrize("record", [
    ("A", "300.1.1.1"), ("A", "2001:db8::1"), ("AAAA", "192.0.2.1"), ("AAAA", "fe80::1%eth0"),
    ("MX", "mx.example"), ("MX", "10"), ("MX", "-1 mx.example"), ("SOA", "a b 1 2 3 4"),
    ("SOA", f"a b {'9' * 5000} 2 3 4 5"), ("NS", ""), ("DS", "12345 13 two abab"), ("DNSKEY", "257"),
    ("RRSIG", "MX 13"),
])  # fmt: skip
def test_a_record_that_cannot_be_read_is_a_problem_of_its_line(path, record):
    records = [["answer", NAME, 300, *record]]
    observation = load_observation(write(path, HEADER, line(records=records), line(), END))
    assert len(observation.replies) == 1
    assert observation.problems[["line", "message"]].values.tolist() == [[2, "field records"]]


@pytest.mark.parametrize(
    "raw",
    [b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"at": 1' + b"0" * 5000 + b"}", b'{"a":"\\ud800"}', b""],
)
def test_a_line_that_is_no_object_is_a_problem(path, raw):
    text = b"\n".join((json.dumps(HEADER).encode(), raw, json.dumps(line()).encode(), b""))
    path.write_bytes(gzip.compress(text))
    observation = load_observation(path)
    assert len(observation.replies) == 1
    assert observation.problems["kind"].tolist() == ["record"]


@pytest.mark.parametrize(("content", "why"), [
    *((raw, "not a DNS observation") for raw in (b"", b"text", b"\x1f\x8b\x08" * 5000)),
    *((gzip.compress(raw, mtime=0), "not a DNS observation")
      for raw in (b"", b"text\n", b"{}\n", b'{"format": 3}\n')),
    *((gzip.compress(f"{json.dumps(HEADER | change)}\n".encode()), "header")
      for change in ({"at": "x"}, {"at": "2026-03-02"}, {"parent_zone": 3}, {"sibling": None})),
    (gzip.compress(f"{json.dumps(HEADER | {'version': DNS.version + 1})}\n".encode()),
     rf"newer version \(format {DNS.version + 1}.*Update"),
])  # fmt: skip
def test_what_is_no_observation_or_another_is_one_clear_error(path, content, why):
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
def test_any_content_is_rows_problems_or_one_error(tmp_path_factory, changes):
    data = packed(HEADER, line(**dict(changes)), line(), END)
    assert read_or_refused(tmp_path_factory, data) or "format" in dict(changes)


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


GOOD = packed(HEADER, line()) + packed(line(), END)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.binary(max_size=4)), max_size=4),
    st.integers(0, len(GOOD)),
)
def test_any_bytes_are_rows_problems_or_one_error(tmp_path_factory, changes, length):
    data = bytearray(GOOD)
    for place, new in changes:
        data[place : place + len(new)] = new
    read_or_refused(tmp_path_factory, bytes(data[:length]))


def test_a_file_in_use_is_not_written_to(path):
    writer = Writer(path)
    writer.write(HEADER)
    writer.flush()
    with pytest.raises(OutputError, match="another run"):
        Writer(path, resume=True)
    with pytest.raises(OutputError, match="exists already"):
        Writer(path)
    assert not load_observation(path).complete, "readable all the while"
    writer.close()


def test_a_cut_end_is_mended_before_more_is_written(path):
    whole = write(path, HEADER, line(qname="a.mssante.fr")).read_bytes()
    member = packed(*(line(qname=f"{n}.b.mssante.fr") for n in range(200)))
    path.write_bytes(whole + member[: len(member) * 2 // 3])
    before = [reply.qname for reply in load_observation(path).replies]
    assert 1 < len(before) < 200
    writer = Writer(path, resume=True)
    writer.mend()
    writer.write(line(qname="c.mssante.fr"))
    writer.close()
    after = load_observation(path)
    assert after.problems.empty
    assert [reply.qname for reply in after.replies] == [*before, "c.mssante.fr"]
