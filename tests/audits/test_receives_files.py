"""Whatever a file, or two, hold: verdicts come of it, and only more lines make an answer a known one."""

import gzip
import json
from datetime import timedelta
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_clear import told_in_clear
from made_up import ALPHA, make_space, xml_of
from made_up_dns import AT, BETA_MX, DELEGATED, REDIRECTED, ROWS, TWO, Scene, changed, faulty, mx, together
from test_receives import AS_OF, elsewhere

from mssante_audit.cli.receive import steps
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.network.mail import CAUSES, mails
from mssante_audit.observe.file import default_path
from mssante_audit.observe.lines import OUTCOMES, STEPS, ObservationError
from mssante_audit.observe.observation import load_observation
from mssante_audit.space.trust import TrustSpace, load_space
from mssante_audit.verdicts.checks import mails_of
from tools.sample.dns_world import observe_world

Lines = list[dict[str, Any]]


def lively() -> Scene:
    """Return a scene with something of every kind: exchangers elsewhere, servers dead and odd."""
    return changed(
        mx("10 mss.alpha.example", "20 mx.cible.example", "30 parti.alpha.example"),
        lambda scene: elsewhere(scene, ("nsa1.b", "ns2.b"), named=False),
        faulty(TWO, silent=("udp",)),
    )


def lines_of(scene: Scene, at: Any = AT, *only: str) -> Lines:
    with TemporaryDirectory() as folder:
        file = Path(folder, "dns.jsonl.gz")
        observe_world(scene.world, list(only or (DELEGATED, REDIRECTED)), file, at)
        return [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]


def write(file: Path, lines: Lines) -> None:
    file.write_bytes(gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode(), mtime=0))


LIVELY = lines_of(lively())
_NAMES = sorted({line["qname"] for line in LIVELY if "qname" in line} | {"", ".", "example", "mssante.fr"})
_TEXTS = st.sampled_from([*_NAMES, *OUTCOMES, *STEPS, "A", "AAAA", "MX", "NS", "SOA", "DS", "CNAME", "TXT"])
_RECORD = st.tuples(
    st.sampled_from(["answer", "authority", "additional"]), st.sampled_from(_NAMES), st.integers(0, 9),
    st.sampled_from(["A", "AAAA", "CNAME", "MX", "NS", "SOA", "DS", "DNSKEY", "RRSIG", "TXT"]),
    st.sampled_from(_NAMES).map("10 {}".format) | st.sampled_from(_NAMES) | st.sampled_from(
        ["192.88.99.7", "10.0.0.1", "2a00::1", "0 .", "300.1.1.1", "1 1 1 1 1 1 1", "12345 13 2 AB", ""]),
).map(list)  # fmt: skip
_VALUE = _TEXTS | st.lists(_RECORD, max_size=3) | st.booleans() | st.integers(-1, 9999) | st.none()
_FIELDS = st.sampled_from([field for field in LIVELY[1] if field != "at"])
_CHANGE = st.tuples(st.integers(1, len(LIVELY) - 1), _FIELDS, _VALUE)


@settings(max_examples=60, deadline=None)
@given(st.lists(_CHANGE, min_size=1, max_size=12))
def test_any_file_yields_verdicts(changes: list[tuple[int, str, object]]) -> None:
    lines = [dict(line) for line in LIVELY]
    for place, field, value in changes:
        lines[place] |= {field: value}
    with TemporaryDirectory() as folder:
        file = Path(folder, "dns-2026-03-02T060000Z.jsonl.gz")
        write(file, lines)
        try:
            observation = load_observation(file)
        except ObservationError:
            return
    space = make_space(*(ALPHA | row for row in ROWS))
    vars(space).update(observation=observation)
    findings = told_in_clear("delegation_vs_redirection", space)
    assert FAILED not in set(findings["rule"]), findings.loc[findings["rule"] == FAILED, "observed"].tolist()
    for mail in mails(observation, [DELEGATED, REDIRECTED], AS_OF, 7).values():
        steps(mail.ways)
        assert (mail.cause in CAUSES[mail.receives]) if mail.receives != "yes" else not mail.cause


def space_of(folder: str, *files: Lines) -> TrustSpace:
    """Load files, the newest last, as they lie in a data folder."""
    path = Path(folder)
    (path / "observations").mkdir()
    (path / "liste.xml").write_bytes(xml_of(*(ALPHA | row for row in ROWS)))
    for number, lines in enumerate(files):
        write(default_path(path, AT + timedelta(hours=number)), lines)
    return load_space(path, as_of=AS_OF)


def told_of(*files: Lines) -> dict[str, tuple[str, str]]:
    with TemporaryDirectory() as folder:
        mail_of = mails_of(space_of(folder, *files))
    return {domain: (mail.receives, mail.cause) for domain, mail in mail_of.items()}


@cache
def pair(kind: str) -> tuple[Lines, Lines]:
    """Return two observations of one world that has changed in between: whole ones, or a spot check."""
    old, new = lively(), lively()
    new.world.root.records.pop(BETA_MX)
    together(mx("10 mss.alpha.example"), faulty(TWO, silent=()))(new)
    only = (REDIRECTED,) if kind == "spot check" else ()
    first, second = lines_of(old), lines_of(new, AT + timedelta(hours=1), *only)
    if kind == "stopped":
        second = second[: len(second) // 2]
    return first, second


@cache
def answers(kind: str, files: int = 2) -> dict[str, tuple[str, str]]:
    """Return the answers that both files, or the older one, give."""
    return told_of(*pair(kind)[:files])


KINDS = ("whole", "spot check", "stopped")


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10, deadline=None)
@given(order=st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_of_lines_changes_it(kind: str, order: Random) -> None:
    mixed = []
    for lines in pair(kind):
        # A header begins a run, and its end closes it: what lies between is what was heard.
        between = [line for line in lines[1:] if "end" not in line]
        between += order.choices(between, k=20)
        order.shuffle(between)
        mixed.append([lines[0], *between, *(line for line in lines if "end" in line)])
    assert told_of(*mixed) == answers(kind)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_lines_less_leave_what_a_file_says_or_nothing(kind: str, data: st.DataObject) -> None:
    """Where the newest file says nothing of a domain any more, the one before answers for it, as it would."""
    old, new = pair(kind)
    field = data.draw(st.sampled_from(["qname", "zone", "address", "qtype", "domain"]))
    which = data.draw(st.sampled_from([0, 1]))
    lines = (old, new)[which]
    value = data.draw(st.sampled_from(sorted({line[field] for line in lines if field in line})))
    less = [line for line in lines if line.get(field, None) != value]
    files = (less, new) if which == 0 else (old, less)
    for domain, (receives, _) in told_of(*files).items():
        allowed = {answers(kind)[domain][0], "unknown"} | ({answers(kind, 1)[domain][0]} if which else set())
        assert receives in allowed, (field, value)


def test_files_say_the_same_under_whatever_names(tmp_path: Path) -> None:
    space_of(str(tmp_path), *pair("spot check"))
    for file, name in zip(sorted((tmp_path / "observations").iterdir()), ("zz", "aa"), strict=True):
        file.rename(file.with_name(f"dns-{name}.jsonl.gz"))
    mail_of = mails_of(load_space(tmp_path, as_of=AS_OF))
    assert {name: (mail.receives, mail.cause) for name, mail in mail_of.items()} == answers("spot check")


@pytest.mark.parametrize("first", [True, False])
def test_two_answers_of_one_server_are_told_and_their_order_is_nothing(first: bool, tmp_path: Path) -> None:
    lines = lines_of(Scene())
    asked = [line for line in lines if line.get("qtype") == "MX" and line["zone"] == DELEGATED]
    others = [
        line | {"at": "2026-03-02T07:00:00Z", "records": [["answer", DELEGATED, 9, "MX", "10 parti.example"]]}
        for line in asked
        if line["address"] == TWO and line["transport"] == "udp" and line["qname"] == DELEGATED
    ]
    assert others
    place = 1 if first else len(lines) - 1
    space = space_of(str(tmp_path), [*lines[:place], *others, *lines[place:]])
    mail = mails_of(space)[DELEGATED]
    assert (mail.receives, mail.cause) == ("unknown", "hosts-unheard"), "nobody asked for the other's address"
    assert "DNS_MX_DISAGREE" in set(told_in_clear("delegation_vs_redirection", space)["rule"])
