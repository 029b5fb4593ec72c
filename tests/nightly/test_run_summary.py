"""The mail: its first three lines say better, worse or blind; its lines are narrow and plain."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_findings import framed, made
from made_nights import HOSTILE, STEPS, night, state

from mssante_audit.findings.ledger import FollowUp
from mssante_audit.nightly.facts import facts_of
from mssante_audit.nightly.mail import COLUMNS, summary
from mssante_audit.nightly.run import exit_status
from mssante_audit.space.states import STATES


@settings(deadline=None)
@given(
    number=st.integers(0, 200),
    failed=st.sets(st.sampled_from(STEPS)).map(tuple),
    names=st.permutations(HOSTILE).map(tuple),
    previous=st.sampled_from(["", "2026-03-02T06"]),
    what=st.sampled_from(STATES),
    name=st.sampled_from(["list", "register", "dns", "mailboxes", "archive"]),
    lang=st.sampled_from(["fr", "en"]),
)
def test_its_lines_are_narrow_and_plain_whatever_happened(number, failed, names, previous, what, name, lang):
    told = {"new": number, "fixed": number // 2, "critical": number, "lost": number // 3}
    how: dict[str, Any] = {"failed": failed, "names": names, "previous": previous, "lang": lang}
    text = summary(night(state(name, what), **told, **how))
    lines = text.split("\n")
    assert max(len(line) for line in lines if not line.startswith(("SITE", "LOG", "JOURNAL"))) <= COLUMNS, (
        text
    )
    assert all(line.isprintable() for line in lines)
    for step in failed:
        assert any(line.startswith(f"{'ÉCHEC' if lang == 'fr' else 'FAILED'} {step}") for line in lines)


@pytest.mark.parametrize(
    ("told", "first"),
    [
        (night(), ["UNCHANGED (status 0)", "0 new, 0 fixed, 4 open, 1 waived"]),
        (night(new=2, fixed=1), ["WORSE (status 0)", "2 new, 1 fixed, 4 open, 1 waived"]),
        (night(new=1, fixed=2), ["BETTER (status 0)", "1 new, 2 fixed, 4 open, 1 waived"]),
        (night(previous=""), ["FIRST RUN (status 0)", "4 findings, first run, 1 waived"]),
        (
            night(state("list", "shrunk"), lost=308, status=4),
            [
                "WE ARE BLIND (status 4)",
                "0 new, 0 fixed, 4 open, 308 unknown, 1 waived",
                "UNKNOWN white list: 16 rows, 33 rows before",
            ],
        ),
        (
            night(state("list", "ok"), state("dns", "stale"), lost=1, fixed=1, status=4),
            [
                "BETTER, PARTLY BLIND (status 4)",
                "0 new, 1 fixed, 4 open, 1 unknown, 1 waived",
                "UNKNOWN observation of the DNS: 9 days old, at most 7 allowed",
            ],
        ),
        (night(failed=("audit",), status=3), ["WE ARE BLIND (status 3)", "No findings could be had."]),
        (
            night(state("list", "stale", tolerated=True)),
            [
                "UNCHANGED (status 0)",
                "0 new, 0 fixed, 4 open, 1 waived",
                "TOLERATED white list: 9 days old, at most 7 allowed",
            ],
        ),
        (
            night(state("list", "shrunk"), lost=1, new=1, fixed=2, status=4, lang="fr"),
            [
                "NOUS SOMMES AVEUGLES (statut 4)",
                "1 nouveau, 2 réglés, 4 ouverts, 1 inconnu, 1 accepté",
                "INCONNU liste blanche : 16 lignes, contre 33 lignes auparavant",
            ],
        ),
    ],
)
def test_its_first_lines_say_better_worse_or_blind(told, first):
    head, *lines = summary(told).split("\n")
    assert re.fullmatch(rf"MSSanté 2026-03-03 06:00 UTC ?: {re.escape(first[0])}", head)
    assert lines[: len(first) - 1] == first[1:]


def test_what_is_worst_decides_whether_things_got_better():
    told = night(new=1, fixed=9)
    facts = told.results["audit"].facts
    facts["new_by_severity"].update(critical=1)
    assert "WORSE" in summary(told).split("\n")[0]


def test_each_cause_is_named_with_whom_it_touches_and_since_when():
    text = " ".join(summary(night(critical=12, lost=1)).split())
    assert (
        "CRITICAL: 12 causes - critical, Aucun serveur ne répond: CH A, ch-a.mssante.fr, since 3 Feb" in text
    )
    assert "ch-a.mssante.fr and 1 other domain, 1 mailbox, since 3 February 2026" in text
    assert "- and 2 other causes" in text
    assert "CRITICAL, AND NOTHING IS KNOWN OF THEM NOW: 1 cause -" in text
    assert "NEW since 2 March 2026: none FIXED: none TO DO FIRST: Do it." in text


@pytest.mark.parametrize(("code", "whole"), [("LIST_UNSIGNED", True), ("DNS_MX_NULL", False)])
def test_a_finding_that_touches_no_domain_is_of_the_whole_list_only_if_its_rule_is(sample_space, code, whole):
    found = framed([made(code)], sample_space.entries)
    compared = FollowUp("2026-03-02", ("2026-03-03",), ("new",), ())
    told = night(new=1, lang="fr")
    told.results["audit"].facts["new"] = facts_of(sample_space, found, found.head(0), compared, "fr")["new"]
    (cause,) = told.results["audit"].facts["new"]["named"]
    text = " ".join(summary(told).split())
    line = text[text.index(" ".join(cause["title"].replace("’", "'").split())) :].partition(" RÉGLÉS")[0]
    assert ("la liste entière" in line) is whole
    assert "depuis le 3 mars 2026" in line


def test_what_could_not_be_evaluated_is_said_and_asks_for_status_3():
    told = night(new=1)
    facts = told.results["audit"].facts | {"failed_rules": ["audit a, part b: KeyError: 'x' (b.py:1)", "c"]}
    results = told.results | {"audit": told.results["audit"].model_copy(update={"facts": facts})}
    assert "INCOMPLETE" not in summary(told)
    text = " ".join(summary(replace(told, results=results)).split())
    assert "INCOMPLETE: 2 parts of audits could not be evaluated (AUDIT_RULE_FAILED): audit a, part b" in text
    asked = SimpleNamespace(fail_on="never", fail_on_new="never")
    assert exit_status(asked, results) == 3
    assert exit_status(asked, results, [state("dns", "absent")]) == 4
    assert exit_status(asked, results, [state("dns", "absent", tolerated=True), state("list", "ok")]) == 3


@pytest.mark.parametrize(
    ("fail_on", "fail_on_new", "status"),
    [("never", "never", 0), ("critical", "never", 1), ("never", "critical", 0), ("never", "error", 1)],
)
def test_findings_may_ask_for_status_1(fail_on, fail_on_new, status):
    asked = SimpleNamespace(fail_on=fail_on, fail_on_new=fail_on_new)
    assert exit_status(asked, night(new=1).results) == status
