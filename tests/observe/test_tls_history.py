"""Certificates that changed between observations: what is told of each, and beside the list's own changes."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from made_up import ALPHA
from made_up_dns import DELEGATED
from test_certificates import AT, OTHER_DN, Wires
from test_certificates import ONE as SERVER
from tlsmade import write_visits

from mssante_audit.observe.folder import find_observations
from mssante_audit.observe.tls.observation import changes, chosen
from mssante_audit.observe.tls.run import MailServer
from mssante_audit.observe.tls.visit import Visit
from mssante_audit.verdicts.presented import renewals
from tools.sample.certificates import Made, make

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(1)
SERVERS = {"first": "192.0.2.1", "second": "192.0.2.2", "third": "192.0.2.3", "alpha": SERVER}
FIRST = SERVERS["first"]
CA = make("CN=AC FICTIVE,C=FR", ca=True, days=9_999)
OTHER_CA = make("CN=AC NOUVELLE,C=FR", ca=True, days=9_999)
NAME, OTHER = "CN=mx.alpha.example,O=CH ALPHA,C=FR", "CN=mx2.alpha.example,O=CH ALPHA,C=FR"


def write(folder: Path, day: float, port: int = 25, /, **seen: Made | None) -> Path:
    """Write an observation: what each server of `SERVERS` presented, ``None`` for one that was busy."""
    visits = [
        (
            MailServer(SERVERS[name], port, ("mx.alpha.example",)),
            Visit("presented", chain=(made.der,), protocol="TLSv1.3") if made else Visit("busy"),
        )
        for name, made in seen.items()
    ]
    return write_visits(folder, START + day * DAY, visits)


def changes_told(folder: Path, day: float = 100) -> list[tuple[str, str, int]]:
    rows = changes(find_observations(folder, "tls"), START + day * DAY)
    return list(zip(rows["address"], rows["kind"], rows["spare"], strict=True))


OLD = make(NAME, CA, days=50)


@pytest.mark.parametrize(
    ("new", "kind"),
    [
        (make(NAME, CA, days=400), "renewed"),
        (make(NAME.replace("CH ALPHA", "CH  ALPHA"), CA, days=400), "renewed"),
        (make(NAME, OTHER_CA, days=400), "issuer"),
        (make(OTHER, CA, days=400), "replaced"),
        (make(OTHER, OTHER_CA, days=400), "replaced"),
    ],
)
def test_a_change_is_told_with_what_it_changed(tmp_path, new, kind):
    for day, made in ((0, OLD), (10, OLD), (20, new)):
        write(tmp_path, day, first=made)
    assert changes_told(tmp_path) == [(FIRST, kind, 30)]
    (row,) = changes(find_observations(tmp_path, "tls"), START + 100 * DAY).to_dict("records")
    assert (row["last"], row["at"]) == (START + 10 * DAY, START + 20 * DAY)
    assert (row["before"], row["until_before"]) == (NAME, START + 50 * DAY)


def test_what_was_renewed_too_late_has_less_than_nothing_to_spare(tmp_path):
    write(tmp_path, 0, first=OLD)
    write(tmp_path, 52, first=make(NAME, CA, days=400))
    assert changes_told(tmp_path) == [(FIRST, "renewed", -2)]


def test_what_is_not_seen_or_the_same_has_not_changed(tmp_path):
    write(tmp_path, 0, first=OLD, second=None)
    write(tmp_path, 1, first=None, second=OLD)
    write(tmp_path, 2, first=OLD, second=OLD)
    (tmp_path / "observations" / "tls-2026-01-02T120000Z.jsonl.gz").write_bytes(b"nonsense")
    write(tmp_path, 3, 26, first=OLD)
    assert changes_told(tmp_path) == []


def test_there_and_back_are_two_changes_and_the_future_is_none(tmp_path):
    for day, made in enumerate((OLD, make(OTHER, CA), OLD, make(OTHER, CA))):
        write(tmp_path, day, first=made)
    assert [kind for _, kind, _ in changes_told(tmp_path, 2.5)] == ["replaced", "replaced"]


def test_of_long_ago_one_observation_a_week_is_looked_at(tmp_path):
    for day in range(60):
        write(tmp_path, day)
    begun = [file.begun for file in chosen(find_observations(tmp_path, "tls"), START + 60 * DAY)]
    assert 14 <= len(begun) <= 22
    assert (begun, begun[-1]) == (sorted(begun), START + 59 * DAY)


def test_two_observations_are_compared_by_the_command(tmp_path, run):
    first = write(tmp_path, 0, first=OLD, second=OLD)
    then = write(tmp_path, 1, first=make(OTHER, OTHER_CA, days=400), third=OLD)
    text = run("observe", "diff", first, then).stdout
    assert f"{FIRST} port 25 (mx.alpha.example): replaced, 49 days before the end" in text
    assert f"  {NAME} -> {OTHER}" in text
    assert "presented a certificate in one of them only, and so unknown: 2" in text
    shown = run("observe", "diff", first, then, "--format", "json").stdout
    assert [row["kind"] for row in json.loads(shown)] == ["replaced"]
    assert "nothing changed" in run("observe", "diff", then, then).stdout


@pytest.mark.parametrize(
    ("days", "order"),
    [(15, "presented-first"), (-5, "listed-first"), (5, ""), (-99, "listed-first"), (None, "unlisted")],
)
def test_a_new_name_is_held_against_the_list(tmp_path, monkeypatch, days, order):
    """The old name was seen until day 0, the new one from day 10; the archive begins 99 days before."""
    wires = Wires(tmp_path)
    for day, text in ((0, OTHER_DN), (10, ALPHA["dn"])):
        write(tmp_path, day, alpha=make(text, CA, days=900))
    rows = [(DELEGATED, OTHER_DN, START - 99 * DAY)]
    rows += [] if days is None else [(DELEGATED, ALPHA["dn"], START + days * DAY)]
    history = pd.DataFrame(rows, columns=["domain", "dn", "first_seen"])
    monkeypatch.setattr("mssante_audit.verdicts.presented.past_of", lambda _: (history, START - 99 * DAY, AT))
    files = {"tls": tuple(find_observations(tmp_path, "tls"))}
    (row,) = renewals(replace(wires.space(), files=files)).to_dict("records")
    assert (row["kind"], row["order"], row["domains"]) == ("replaced", order, (DELEGATED,))
    assert pd.notna(row["listed"]) == (days is not None)
