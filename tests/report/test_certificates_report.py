"""The report on certificates, of the sample with mail servers that were visited: what it says is so."""

import re
from datetime import UTC, datetime, timedelta
from shutil import copy

import pandas as pd
import pytest
from commands import said
from conftest import CATALOGUE
from pages import page_of

from mssante_audit.audits import audit
from mssante_audit.base.errors import InputError
from mssante_audit.base.language import plain
from mssante_audit.base.markup import visible
from mssante_audit.findings.causes import actionable
from mssante_audit.report.certificates import calendar
from mssante_audit.report.run import run_reports
from mssante_audit.space.trust import load_space
from mssante_audit.verdicts.presented import expiries, revocations, servers_shown


def space_of(run):
    return load_space(run.out.parent / "data", as_of="2026-03-03T06:00:00Z")


def test_hostile_servers_fail_nothing_and_stay_text(certificates_run):
    """Its numbers are those of `test_numbers`, of servers that are not hostile."""
    assert certificates_run.outcomes[0].failure is None
    space = space_of(certificates_run)
    page = page_of(certificates_run, "certificates")
    text, served = " ".join(page.find(".//main").text_content().split()), servers_shown(space)
    assert "<script>window.pwned = 1</script>" in text
    presented = served.loc[served["outcome"] == "presented", "domain"].nunique()
    assert f"Domaines jamais vus{106 - presented}" in text.replace("vus ", "vus")
    assert set(revocations(space)["said"]) == {"unknown"}
    assert "aucune liste de révocation dans le dossier de données" in text


def test_what_was_seen_too_long_ago_is_no_fact_of_today(certificates_run, tmp_path):
    settings = {"data": str(certificates_run.out.parent / "data"), "as_of": "2026-04-20T06:00:00Z"}
    run = run_reports(["certificates"], out=tmp_path, parameters=settings)
    space = load_space(settings["data"], as_of=settings["as_of"])
    findings, ending = actionable(audit("certificates", space)), expiries(space)
    assert (ending["alone"] & (ending["days"] < 0)).any()  # they may have another certificate by now
    page = page_of(run, "certificates")
    (lead,) = (" ".join(element.text_content().split()) for element in page.find_class("lead"))
    assert lead == (
        f"Échéances inconnues pour {ending['domain'].nunique()} domaines, vus pour la dernière fois il y a "
        f"plus de 7 jours. {len(findings)} constats restent à confirmer."
    )
    (tiles,) = (" ".join(element.text_content().split()) for element in page.find_class("figures"))
    assert tiles.startswith("Domaines bientôt sans certificatinconnusd’ici 60 jours")
    assert f"Domaines touchésinconnussur 106, {len(findings)} constats à confirmer" in tiles


def test_names_that_differ_stand_side_by_side_and_the_difference_is_marked(certificates_run):
    page = page_of(certificates_run, "certificates")
    frame = audit("certificates", space_of(certificates_run))
    named = frame[frame["rule"].str.startswith("TLS_NAME_UNLISTED") | (frame["rule"] == "TLS_NAME_SPELLING")]
    rows = page.findall(".//table[@id='names']/tbody/tr")
    assert len(rows) == len(named) > 0
    for row, facts in zip(rows, named["facts"], strict=True):
        shown, listed = (cell.text_content() for cell in row.findall("td")[:2])
        assert shown == visible(facts["presented"][:400])
        assert listed in {visible(text[:400]) for text in facts.get("wanted", facts.get("listed"))}
        assert (shown != listed) == bool(row.findall(".//mark"))


# -- the calendar of expiries -----------------------------------------------------------------------

AS_OF = datetime(2026, 3, 3, 6, tzinfo=UTC)


def ends(**changes):
    row = {
        "until": AS_OF + timedelta(10), "days": 10, "name": "CN=mx.alpha.example,O=CH ALPHA,C=FR",
        "certificate": "ab" * 32, "issuer": "CN=AC,C=FR", "operator": "CH ALPHA", "region": "Bretagne",
        "hosts": ("mx.alpha.example",), "domains": ("a.mssante.fr", "b.mssante.fr"),
        "falling": ("a.mssante.fr",), "mailboxes": 1200,
    }  # fmt: skip
    return pd.DataFrame([row | changes]).astype({"mailboxes": "Int64"})


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
    for words in ("CH ALPHA", "Bretagne", "a.mssante.fr", "1\N{NARROW NO-BREAK SPACE}200", "annexe 1"):
        assert words in event["DESCRIPTION"]
    assert "b.mssante.fr" not in event["DESCRIPTION"]
    (english,) = read(calendar(ends(), AS_OF, "en"))
    assert plain(english["SUMMARY"]) == "End of certificate mx.alpha.example: 1 domain without another"
    assert english["UID"] == event["UID"]
    (none,) = read(calendar(ends(falling=(), mailboxes=0), AS_OF))
    assert none["SUMMARY"] == "Fin du certificat mx.alpha.example"
    assert "Boîtes" not in none["DESCRIPTION"]
    assert read(calendar(ends().head(0), AS_OF)) == []


def test_many_domains_are_counted_and_far_ends_are_dates():
    names = tuple(f"d{n}.mssante.fr" for n in range(100))
    far = pd.Timestamp("9999-12-31", tz="UTC").as_unit("us")
    (event,) = read(calendar(ends(falling=names, until=far), AS_OF))
    assert "et 80 de plus" in event["DESCRIPTION"]
    assert event["DTSTART"] == "99991231T000000Z"


HOSTILE = 'CN=é"\\;,\r\nEND:VEVENT\r\n\x1b]0;x\x07\u202e' + "é" * 300


@pytest.mark.parametrize("field", ["name", "operator", "region"])
def test_nothing_that_a_certificate_says_ends_a_line_or_an_event(field):
    text = calendar(ends(**{field: HOSTILE}), AS_OF)
    assert len(read(text)) == 1
    assert text.count("END:VEVENT\r\n") == 1
    assert not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\u202e]", text)


def test_the_report_has_it_beside_it_and_the_command_writes_the_same(certificates_run):
    kept = (certificates_run.out / "certificates.ics").read_bytes().decode()
    events = read(kept)
    assert len({event["UID"] for event in events}) == len(events) > 5
    folder = certificates_run.out.parent
    command = ["certificates", "--data", str(folder / "data"), "--as-of", "2026-03-03T06:00:00Z"]
    said(*command, "--format", "ics", "--out", folder / "own.ics")
    assert (folder / "own.ics").read_bytes().decode() == kept
    assert said(*command, "--format", "json").count('"certificate"') == len(events)


def test_without_an_observation_of_tls_the_command_says_so(tmp_path):
    copy(max((CATALOGUE / "archive").glob("*.xml.gz")), tmp_path)
    with pytest.raises(InputError, match="no observation of TLS"):
        said("certificates", "--data", tmp_path)
