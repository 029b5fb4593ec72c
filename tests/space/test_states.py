"""The state of each input, and which audits it leaves without an answer."""

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pandas as pd
import pytest
from conftest import toml

from mssante_audit.audits import audit_all, lacking, unsure
from mssante_audit.base.errors import InputError
from mssante_audit.base.inputs import LIST, STATES, State
from mssante_audit.base.language import LANGUAGES
from mssante_audit.base.settings import Inputs
from mssante_audit.findings.registry import audits, catalogue, input_of, known_needs, resting
from mssante_audit.snapshot import load_space, make_snapshot
from mssante_audit.space.states import figures, remedied, states_of, worded
from mssante_audit.space.trust import TrustSpace

AS_OF = "2026-03-03T06:00:00Z"


def state(space: TrustSpace, name: str, **options: Any) -> State | None:
    return next((state for state in states_of(space, **options) if state.name == name), None)


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


def test_what_could_not_be_read_is_damaged(space: TrustSpace) -> None:
    broken = replace(space, register=None, faults={"register": [InputError("empty file")]})
    judged = state(broken, "register")
    assert (judged.state, judged.why["error"]) == ("damaged", "empty file")
    assert "empty file" in worded(judged, "en")


def dated_like_today(space: TrustSpace) -> TrustSpace:
    late = aged(space, 40)
    return replace(late, whitelist=replace(late.whitelist, generated_at=late.as_of))


def signed_by_somebody(space: TrustSpace) -> TrustSpace:
    whitelist, signature = replace(space.whitelist), space.whitelist.signature
    vars(whitelist)["signature"] = replace(signature, status="valid-untrusted", reason="anchor")
    return replace(space, whitelist=whitelist)


@pytest.mark.parametrize(("name", "change", "before", "limits", "expected"), toml("space/cases")["inputs"])
def test_an_input_is_in_doubt_where_it_should_be_and_may_be_tolerated(
    space: TrustSpace, name: str, change: Any, before: Any, limits: Any, expected: str
) -> None:
    changes = {"dated like today": dated_like_today, "signed by somebody": signed_by_somebody}
    changed = aged(space, change) if isinstance(change, int) else changes[change](space)
    figures_before = {name: before} if before else {}
    assert state(changed, name, known=figures_before, limits=Inputs(**limits)).state == expected
    if expected != "ok":
        tolerated = {"tolerated": (*limits.get("tolerated", ()), f"{name}:{expected}")}
        spared = state(changed, name, known=figures_before, limits=Inputs(**limits | tolerated))
        assert (spared.state, spared.tolerated, spared.doubtful) == (expected, True, False)


@pytest.mark.parametrize("need", [*known_needs()])
def test_an_input_is_absent_only_where_it_was_there(space: TrustSpace, need: str) -> None:
    name, bare = input_of(need), without(space, need)
    assert state(bare, name) is None
    before = figures(space, space.states)
    missing = state(bare, name, known=before)
    assert (missing.state, missing.age_days) == ("absent", None)
    left = figures(bare, states_of(bare, known=before), before)
    assert left[name] == before[name], "the next run misses it too"
    spared = states_of(bare, Inputs(tolerated=(name,)), before)
    assert name not in figures(bare, spared, before)


@pytest.mark.parametrize("need", [*known_needs()])
def test_what_goes_with_an_input_is_of_audits_that_rest_on_it(space: TrustSpace, need: str) -> None:
    """The registry says which audits look at what: it is held to it by taking each input away."""
    whole, bare = (audit_all(s)[["fingerprint", "rule"]] for s in (space, without(space, need)))
    changed = pd.concat([whole, bare]).drop_duplicates("fingerprint", keep=False)
    touched = {catalogue()[code].audit for code in changed["rule"]}
    assert touched <= {*resting({input_of(need)})}
    assert resting({LIST}) == [*audits()]


@pytest.mark.parametrize("language", [*LANGUAGES])
def test_each_state_is_said_in_each_language(language: str) -> None:
    facts = {"error": "e", "made": AS_OF, "before": AS_OF, "signer": "s", "doubt": "forged", "days": 1}
    facts["limit"] = 7
    sentences = set()
    for name, kind in product((LIST, *map(input_of, known_needs())), STATES[:-1]):
        more = {"size": 1, "before": 2} if kind == "shrunk" else {}
        doubted = State(name, kind, 1, {"input": name, **facts, **more})
        assert remedied(doubted, language).endswith(".")
        sentences.add(worded(doubted, language))
    assert "" not in sentences
    assert len(sentences) >= len(STATES) - 1
    assert worded(State("list", "ok", 1, {"input": "list"}), language) == ""


def test_a_snapshot_keeps_the_states_that_it_was_made_with(space: TrustSpace, tmp_path: Any) -> None:
    before = {"list": {"size": 1000}}
    judged = states_of(space, known=before)
    make_snapshot(replace(space, judged=judged), tmp_path / "s")
    assert load_space(tmp_path / "s").states == judged
    assert {*unsure(load_space(tmp_path / "s"))} == {*audits()}
