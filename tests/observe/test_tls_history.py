"""Certificates that changed between observations: what is told of each, and beside the list's own changes."""

import json
from collections.abc import Mapping
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
from typer.testing import CliRunner

from mssante_audit.cli.main import app
from mssante_audit.observe.folder import find_observations
from mssante_audit.observe.tls.observation import changes, chosen
from mssante_audit.observe.tls.run import MailServer
from mssante_audit.observe.tls.visit import Visit
from mssante_audit.verdicts.presented import renewals
from tools.sample.certificates import Made, make

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(1)
FIRST, SECOND = "192.0.2.1", "192.0.2.2"
CA = make("CN=AC FICTIVE,C=FR", ca=True, days=9_999)
OTHER_CA = make("CN=AC NOUVELLE,C=FR", ca=True, days=9_999)
NAME, OTHER = "CN=mx.alpha.example,O=CH ALPHA,C=FR", "CN=mx2.alpha.example,O=CH ALPHA,C=FR"


def write(folder: Path, at: datetime, seen: Mapping[str, Made | None], port: int = 25) -> Path:
    """Write an observation: what each address presented, ``None`` for one that was busy."""
    visits = {
        address: Visit("presented", chain=(certificate.der,), protocol="TLSv1.3")
        if certificate
        else Visit("busy")
        for address, certificate in seen.items()
    }
    pairs = [(MailServer(at_, port, ("mx.alpha.example",)), visit) for at_, visit in visits.items()]
    return write_visits(folder, at, pairs)


def changes_told(folder: Path, as_of: datetime = START + 100 * DAY) -> list[tuple[str, str, int]]:
    rows = changes(find_observations(folder, "tls"), as_of)
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
def test_a_change_is_told_with_what_it_changed(tmp_path: Path, new: Made, kind: str) -> None:
    write(tmp_path, START, {FIRST: OLD})
    write(tmp_path, START + 10 * DAY, {FIRST: OLD})
    write(tmp_path, START + 20 * DAY, {FIRST: new})
    assert changes_told(tmp_path) == [(FIRST, kind, 30)]
    (row,) = changes(find_observations(tmp_path, "tls"), START + 100 * DAY).to_dict("records")
    assert (row["last"], row["at"]) == (START + 10 * DAY, START + 20 * DAY)
    assert (row["before"], row["until_before"]) == (NAME, START + 50 * DAY)


def test_what_was_renewed_too_late_has_less_than_nothing_to_spare(tmp_path: Path) -> None:
    write(tmp_path, START, {FIRST: OLD})
    write(tmp_path, START + 52 * DAY, {FIRST: make(NAME, CA, days=400)})
    assert changes_told(tmp_path) == [(FIRST, "renewed", -2)]


def test_what_is_not_seen_or_the_same_has_not_changed(tmp_path: Path) -> None:
    write(tmp_path, START, {FIRST: OLD, SECOND: None})
    write(tmp_path, START + DAY, {FIRST: None, SECOND: OLD})
    write(tmp_path, START + 2 * DAY, {FIRST: OLD, SECOND: OLD})
    (tmp_path / "observations" / "tls-2026-01-02T120000Z.jsonl.gz").write_bytes(b"nonsense")
    write(tmp_path, START + 3 * DAY, {FIRST: OLD}, port=26)
    assert changes_told(tmp_path) == []


def test_there_and_back_are_two_changes_and_the_future_is_none(tmp_path: Path) -> None:
    for day, certificate in enumerate((OLD, make(OTHER, CA), OLD, make(OTHER, CA))):
        write(tmp_path, START + day * DAY, {FIRST: certificate})
    assert [kind for _, kind, _ in changes_told(tmp_path, START + 2.5 * DAY)] == ["replaced", "replaced"]


def test_of_long_ago_one_observation_a_week_is_looked_at(tmp_path: Path) -> None:
    for day in range(60):
        write(tmp_path, START + day * DAY, {})
    files = chosen(find_observations(tmp_path, "tls"), START + 60 * DAY)
    assert 14 <= len(files) <= 22
    assert [file.begun for file in files] == sorted(file.begun for file in files)
    assert files[-1].begun == START + 59 * DAY


def test_two_observations_are_compared_by_the_command(tmp_path: Path) -> None:
    first = write(tmp_path, START, {FIRST: OLD, SECOND: OLD})
    then = write(tmp_path, START + DAY, {FIRST: make(OTHER, OTHER_CA, days=400), "192.0.2.3": OLD})
    done = CliRunner().invoke(app, ["observe", "diff", str(first), str(then)])
    assert done.exit_code == 0, done.output
    assert f"{FIRST} port 25 (mx.alpha.example): replaced, 49 days before the end" in done.output
    assert f"  {NAME} -> {OTHER}" in done.output
    assert "presented a certificate in one of them only, and so unknown: 2" in done.output
    shown = CliRunner().invoke(app, ["observe", "diff", str(first), str(then), "--format", "json"])
    assert [row["kind"] for row in json.loads(shown.output)] == ["replaced"]
    same = CliRunner().invoke(app, ["observe", "diff", str(then), str(then)])
    assert "nothing changed" in same.output


@pytest.mark.parametrize(
    ("days", "order"),
    [(15, "presented-first"), (-5, "listed-first"), (5, ""), (-99, "listed-first"), (None, "unlisted")],
)
def test_a_new_name_is_held_against_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int | None, order: str
) -> None:
    """The old name was seen until day 0, the new one from day 10; the archive begins 99 days before."""
    wires = Wires(tmp_path)
    seen = [make(text, CA, days=900) for text in (OTHER_DN, ALPHA["dn"])]
    for day, certificate in zip((0, 10), seen, strict=True):
        write(tmp_path, START + day * DAY, {SERVER: certificate})
    rows = [(DELEGATED, OTHER_DN, START - 99 * DAY)]
    rows += [] if days is None else [(DELEGATED, ALPHA["dn"], START + days * DAY)]
    history = pd.DataFrame(rows, columns=["domain", "dn", "first_seen"])
    monkeypatch.setattr("mssante_audit.verdicts.presented.past_of", lambda _: (history, START - 99 * DAY, AT))
    files = {"tls": tuple(find_observations(tmp_path, "tls"))}
    rows = renewals(replace(wires.space(), files=files))
    assert list(zip(rows["kind"], rows["order"], strict=True)) == [("replaced", order)]
    assert rows["domains"].tolist() == [(DELEGATED,)]
    assert rows["listed"].notna().tolist() == [days is not None]
