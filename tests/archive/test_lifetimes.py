"""How long things last: against a textbook, and against archives whose truth is known."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mssante_audit.archive.lifetimes import contact_spells, survival

WEEKS = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
ENDED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
"""Weeks of remission of the 6-MP patients of Freireich and others (1963), and whether it ended."""


def test_a_textbook_s_shares():
    shares = survival(WEEKS, WEEKS, ENDED).set_index("day")
    expected = [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    assert shares.loc[[6, 7, 10, 13, 16, 22, 23], "late"].round(3).tolist() == expected
    assert shares["early"].equals(shares["late"])
    assert shares.loc[6, "at_risk"] == 21
    assert shares.loc[23, ["low", "high"]].round(2).tolist() == [0.19, 0.68]  # R's survfit, log-log


def test_nothing_that_ended_is_no_certainty():
    shares = survival([100.0] * 10, [np.nan] * 10, [False] * 10).iloc[-1]
    assert (shares["early"], shares["late"], shares["high"]) == (1, 1, 1)
    assert 0.6 < shares["low"] < 0.75
    assert survival([], [], []).empty
    assert survival([10, 20], [30, 30], [True, False]).notna().all(axis=None)  # at the end nobody is at risk


@pytest.mark.parametrize("seed", range(3))
def test_the_truth_lies_in_the_interval_as_often_as_it_says(seed):
    chance, within = np.random.default_rng(seed), 0
    for _ in range(200):
        truth = chance.exponential(400, size=120)
        low = np.floor(truth / 30) * 30
        shares = survival(np.minimum(low, 720), low + 30, low + 30 <= 720)
        year = shares[shares["day"] <= 360].iloc[-1]
        within += year["low"] <= np.exp(-360 / 400) <= year["high"]
    assert within >= 184


def archived(*lists):
    """What is known of an archive of lists a month apart, each {domain: contact}."""
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=30 * n) for n in range(len(lists))]
    seen: dict[tuple[str, str], list[datetime]] = {}
    for time, contacts in zip(times, lists, strict=True):
        for row in contacts.items():
            seen.setdefault(row, []).append(time)
    rows = [(f"{d}.mssante.fr", contact, "", min(at), max(at)) for (d, contact), at in seen.items()]
    names = ["domain", "project_contact", "support_contact", "first_seen", "last_seen"]
    snapshots = [SimpleNamespace(generated_at=time) for time in times]
    return SimpleNamespace(
        history=pd.DataFrame(rows, columns=names),
        until=lambda as_of: [s for s in snapshots if s.generated_at <= as_of],
    )


def test_contacts_end_between_two_lists_and_not_with_their_domain():
    name, same = "M. X, 04 65 71 00 01, x@ch.example", "x@ch.example - 0465710001"
    first, second = {"a": name, "b": name, "c": name}, {"a": name, "b": same, "c": name}
    archive = archived(first, second, {"a": "service@ch.example", "b": name})
    spells = contact_spells(archive, datetime(2030, 1, 1, tzinfo=UTC))
    spells = spells[spells["kind"] == "project"].sort_values(["domain", "low"]).reset_index(drop=True)
    assert spells["domain"].str[:1].tolist() == ["a", "a", "b", "c"]
    assert spells["ended"].tolist() == [False, True, False, False]
    assert spells["low"].tolist() == [0, 30, 60, 30]
    assert spells["high"].fillna(-1).tolist() == [-1, 60, -1, -1]
    before = contact_spells(archive, datetime(2026, 1, 20, tzinfo=UTC))
    assert before["low"].tolist() == [0] * len(before)
    assert not before["ended"].any()
