"""The calendar of expiries: what a program that follows RFC 5545 reads in it, from the command line too."""

import re
from datetime import UTC, datetime, timedelta
from shutil import copy

import pandas as pd
import pytest
from conftest import CATALOGUE
from typer.testing import CliRunner

from mssante_audit.base.language import plain
from mssante_audit.cli.main import app
from mssante_audit.report.certificates import calendar

AS_OF = datetime(2026, 3, 3, 6, tzinfo=UTC)


def ends(**changes):
    one = {
        "until": AS_OF + timedelta(10), "days": 10, "name": "CN=mx.alpha.example,O=CH ALPHA,C=FR",
        "certificate": "ab" * 32, "issuer": "CN=AC,C=FR", "operator": "CH ALPHA", "region": "Bretagne",
        "hosts": ("mx.alpha.example",), "domains": ("a.mssante.fr", "b.mssante.fr"),
        "falling": ("a.mssante.fr",), "mailboxes": 1200,
    }  # fmt: skip
    return pd.DataFrame([one | changes]).astype({"mailboxes": "Int64"})


def read(text):
    """Read the events of a calendar: lines unfolded, values unescaped."""
    assert text.endswith("END:VCALENDAR\r\n")
    assert not re.search(r"(?<!\r)\n|\r(?!\n)", text)
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    events = []
    for line in text.replace("\r\n ", "").split("\r\n"):
        name, _, value = line.partition(":")
        if line == "BEGIN:VEVENT":
            events.append({})
        elif events:
            assert not re.search(r"(?<!\\)(\\\\)*[;,]", value), line
            plain = re.sub(r"\\(.)", lambda m: "\n" if m[1] in "nN" else m[1], value)
            events[-1].setdefault(name, plain)
    return events


def test_an_event_tells_when_whose_and_what_falls():
    (event,) = read(calendar(ends(), AS_OF))
    assert event["UID"] == f"{'ab' * 32}@mssante-audit"
    assert (event["DTSTART"], event["DTSTAMP"]) == ("20260313T060000Z", "20260303T060000Z")
    assert plain(event["SUMMARY"]) == "Fin du certificat mx.alpha.example : 1 domaine sans autre certificat"
    for told in ("CH ALPHA", "Bretagne", "a.mssante.fr", "1\N{NARROW NO-BREAK SPACE}200", "annexe 1"):
        assert told in event["DESCRIPTION"]
    assert "b.mssante.fr" not in event["DESCRIPTION"]
    english = read(calendar(ends(), AS_OF, "en"))[0]
    assert english["SUMMARY"] == (
        "End of certificate mx.alpha.example: 1\N{NO-BREAK SPACE}domain without another"
    )
    assert english["UID"] == event["UID"]


def test_where_each_domain_has_another_certificate_nothing_falls():
    (event,) = read(calendar(ends(falling=(), mailboxes=0), AS_OF))
    assert event["SUMMARY"] == "Fin du certificat mx.alpha.example"
    assert "Boîtes" not in event["DESCRIPTION"]


HOSTILE = 'CN=é"\\;,\r\nEND:VEVENT\r\n\x1b]0;x\x07\u202e' + "é" * 300


@pytest.mark.parametrize("field", ["name", "operator", "region"])
def test_nothing_that_a_certificate_says_ends_a_line_or_an_event(field):
    text = calendar(ends(**{field: HOSTILE}), AS_OF)
    assert len(read(text)) == 1
    assert text.count("END:VEVENT\r\n") == 1
    assert not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\u202e]", text)


def test_many_domains_are_counted_and_far_ends_are_dates():
    names = tuple(f"d{n}.mssante.fr" for n in range(100))
    far = pd.Timestamp("9999-12-31", tz="UTC").as_unit("us")
    (event,) = read(calendar(ends(falling=names, until=far), AS_OF))
    assert "et 80 de plus" in event["DESCRIPTION"]
    assert event["DTSTART"] == "99991231T000000Z"


def test_no_certificate_is_an_empty_calendar():
    assert read(calendar(ends().head(0), AS_OF)) == []


def test_the_report_has_it_beside_it_and_the_command_writes_the_same(certificates_run):
    kept = (certificates_run.out / "certificates.ics").read_bytes().decode()
    events = read(kept)
    assert len(events) > 5
    assert len({event["UID"] for event in events}) == len(events)
    data = certificates_run.out.parent / "data"
    given = ["certificates", "--data", str(data), "--as-of", "2026-03-03T06:00:00Z"]
    out = certificates_run.out.parent / "own.ics"
    done = CliRunner().invoke(app, [*given, "--format", "ics", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert out.read_bytes().decode() == kept
    shown = CliRunner().invoke(app, [*given, "--format", "json"])
    assert shown.output.count('"certificate"') == len(events)


def test_without_an_observation_of_tls_the_command_says_so(tmp_path):
    copy(max((CATALOGUE / "archive").glob("*.xml.gz")), tmp_path)
    done = CliRunner().invoke(app, ["certificates", "--data", str(tmp_path)])
    assert "no observation of TLS" in str(done.exception)
