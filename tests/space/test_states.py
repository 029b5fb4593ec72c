"""The state of each input, and which audits it leaves without an answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pandas as pd
import pytest

from mssante_audit.audits import audit_all, lacking, unsure
from mssante_audit.base.errors import InputError
from mssante_audit.base.language import LANGUAGES
from mssante_audit.base.settings import Inputs
from mssante_audit.findings.registry import LIST, audits, catalogue, input_of, known_needs, resting
from mssante_audit.snapshot import load_space, make_snapshot
from mssante_audit.space.states import STATES, State, figures, remedied, states_of, worded
from mssante_audit.space.trust import TrustSpace

AS_OF = "2026-03-03T06:00:00Z"


@pytest.fixture(scope="module")
def space() -> TrustSpace:
    return load_space(as_of=AS_OF)


def state(space: TrustSpace, name: str, **how: Any) -> State | None:
    return next((state for state in states_of(space, **how) if state.name == name), None)


def aged(space: TrustSpace, days: int) -> TrustSpace:
    return replace(space, as_of=space.as_of + timedelta(days))


def without(space: TrustSpace, need: str) -> TrustSpace:
    if space.given(need) is None:
        pytest.skip(f"the sample has none: {need}")
    return replace(space, **{"register" if need == "declarations" else need: None})


def test_the_sample_is_well_on_its_day(space: TrustSpace) -> None:
    assert {state.state for state in space.states} == {"ok"}
    ages = {"list": 1, "register": 5, "dns": 1, "mailboxes": 1, "archive": 1}
    assert {state.name: state.age_days for state in space.states}.items() >= ages.items()
    assert unsure(space).keys() == lacking(space).keys()


@pytest.mark.parametrize(
    ("name", "days", "limits"),
    [("register", 420, {}), ("register", 5, {"register_max_age_days": 10}), ("dns", 7, {}),
     ("mailboxes", 31, {}), ("mailboxes", 5, {"mailboxes_max_age_days": 5})],
)  # fmt: skip
def test_an_input_is_stale_past_its_limit(space: TrustSpace, name: str, days: int, limits: Any) -> None:
    assert state(aged(space, days), name, limits=Inputs(**limits)).state == "stale"
    spared = state(aged(space, days), name, limits=Inputs(**limits, tolerated=(f"{name}:stale",)))
    assert (spared.state, spared.tolerated, spared.doubtful) == ("stale", True, False)


def test_an_archive_is_stale_only_where_it_lags_behind_the_list(space: TrustSpace) -> None:
    late = aged(space, 40)
    assert state(late, "archive").state == "ok"
    other = replace(late.whitelist, generated_at=late.as_of)
    assert state(replace(late, whitelist=other), "archive").state == "stale"


@pytest.mark.parametrize("need", [*known_needs()])
def test_an_input_is_absent_only_where_it_was_there(space: TrustSpace, need: str) -> None:
    name, bare = input_of(need), without(space, need)
    assert state(bare, name) is None
    known = figures(space, space.states)
    missing = state(bare, name, known=known)
    assert (missing.state, missing.age_days) == ("absent", None)
    left = figures(bare, states_of(bare, known=known), known)
    assert left[name] == known[name], "the next run misses it too"
    spared = states_of(bare, Inputs(tolerated=(name,)), known)
    assert name not in figures(bare, spared, known)


@pytest.mark.parametrize("need", [*known_needs()])
def test_what_goes_with_an_input_is_of_audits_that_rest_on_it(space: TrustSpace, need: str) -> None:
    """The registry says which audits look at what: it is held to it by taking each input away."""
    whole, bare = (audit_all(s)[["fingerprint", "rule"]] for s in (space, without(space, need)))
    changed = pd.concat([whole, bare]).drop_duplicates("fingerprint", keep=False)
    touched = {catalogue()[code].audit for code in changed["rule"]}
    assert touched <= {*resting({input_of(need)})}


def test_every_audit_rests_on_the_list() -> None:
    assert resting({LIST}) == [*audits()]


def test_a_list_loses_what_it_may_and_no_more(space: TrustSpace) -> None:
    known = {"list": {"made": None, "size": 200, "signer": ""}}
    assert len(space.entries) == 185
    assert state(space, "list", known=known).state == "ok"
    assert state(space, "list", known=known, limits=Inputs(max_loss=0.05)).why["before"] == 200
    assert state(space, "list", known={"list": {"size": 206}}).state == "shrunk"


def test_a_date_of_a_register_is_no_clocks(space: TrustSpace) -> None:
    """It may name a day to come, by a slip of the pen, and go back when that is mended."""
    assert (space.register.declarations["date"] > datetime.fromisoformat("2026-03-03")).any()
    known = {"register": {"made": "2026-03-02T00:00:00+00:00", "size": 1}}
    assert state(space, "register", known=known).state == "ok"


def test_what_could_not_be_read_is_damaged(space: TrustSpace) -> None:
    broken = replace(space, register=None, faults={"register": [InputError("empty file")]})
    found = state(broken, "register")
    assert (found.state, found.why["error"]) == ("damaged", "empty file")
    assert "empty file" in worded(found, "en")


def test_a_signer_that_changes_is_told_where_its_authority_is_unknown(space: TrustSpace) -> None:
    verdict = replace(space.whitelist.signature, status="valid-untrusted", reason="anchor")
    whitelist = replace(space.whitelist)
    vars(whitelist)["signature"] = verdict
    unknown = replace(space, whitelist=whitelist)
    assert state(unknown, "list").state == "unverified"
    known = {"list": {"size": 1, "signer": "alb.mssante.fr"}}
    spared = Inputs(tolerated=("list:unverified",))
    assert state(unknown, "list", known=known, limits=spared).state == "changed-signer"


@pytest.mark.parametrize("language", [*LANGUAGES])
def test_each_state_is_said_in_each_language(language: str) -> None:
    facts = {"error": "e", "made": AS_OF, "before": AS_OF, "signer": "s", "doubt": "forged", "days": 1}
    sentences = set()
    for name, what in product((LIST, *map(input_of, known_needs())), STATES[:-1]):
        more = {"size": 1, "before": 2} if what == "shrunk" else {"limit": 7}
        doubted = State(name, what, 1, {"input": name, **facts, **more})
        assert worded(doubted, language)
        assert remedied(doubted, language).endswith(".")
        sentences.add(worded(doubted, language))
    assert len(sentences) >= len(STATES) - 1
    assert worded(State("list", "ok", 1, {"input": "list"}), language) == ""


def test_a_snapshot_keeps_the_states_that_it_was_made_with(space: TrustSpace, tmp_path: Any) -> None:
    known = {"list": {"size": 1000}}
    judged = states_of(space, known=known)
    make_snapshot(replace(space, judged=judged), tmp_path / "s")
    assert load_space(tmp_path / "s").states == judged
    assert {*unsure(load_space(tmp_path / "s"))} == {*audits()}
