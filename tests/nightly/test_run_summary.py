"""The mail: what is critical, new and unknown, whom to call for what; its lines are narrow and plain."""

from dataclasses import replace
from typing import Any

import pytest
from conftest import toml
from foreign import ENGLISH, FRENCH
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html
from made_findings import framed, made
from made_nights import HOSTILE, STEPS, night, state

from mssante_audit.base.inputs import STATES
from mssante_audit.base.settings import ADDRESS
from mssante_audit.findings.ledger import FollowUp
from mssante_audit.nightly.facts import facts_of
from mssante_audit.nightly.mail import COLUMNS, message, page, subject, summary

CASES = toml("nightly/mail")


@settings(deadline=None)
@given(
    number=st.integers(0, 200),
    failed=st.sets(st.sampled_from(STEPS)).map(tuple),
    names=st.permutations(HOSTILE).map(tuple),
    previous=st.sampled_from(["", "2026-03-02T06"]),
    kind=st.sampled_from(STATES),
    name=st.sampled_from(["list", "register", "dns", "mailboxes", "archive"]),
    lang=st.sampled_from(["fr", "en"]),
)
def test_its_lines_are_narrow_and_plain_whatever_happened(number, failed, names, previous, kind, name, lang):
    counts = {"new": number, "fixed": number // 2, "critical": number, "lost": number // 3}
    options: dict[str, Any] = {"failed": failed, "names": names, "previous": previous, "lang": lang}
    text = summary(night(state(name, kind), **counts, **options))
    lines = text.split("\n")
    narrow = [line for line in lines if not line.startswith(("SITE", "LOG", "JOURNAL"))]
    assert max(map(len, narrow)) <= COLUMNS, text
    assert all(line.isprintable() for line in lines)
    assert sum(line.startswith(("ÉCHEC ", "FAILED ")) for line in lines) == len(failed)
    assert lang == "en" or "a cause" not in text  # what a step says is English


@pytest.mark.parametrize("case", CASES["lines"])
def test_its_first_lines_say_what_is_critical_and_new_and_unknown_and_what_to_do(case):
    inputs = [state(name, kind, tolerated=bool(more)) for name, kind, *more in case.get("inputs", ())]
    tonight = night(*inputs, **case.get("how", {}))
    day = "3 mars :" if tonight.lang == "fr" else "3 March:"
    assert subject(tonight) == f"MSSanté {day} {case['subject']}"
    text = " ".join(summary(tonight).split())
    assert text.startswith(subject(tonight))
    assert 0 < text.index(case["line"]) < 800


def test_what_is_worst_decides_whether_things_got_better():
    run = night(new=1, fixed=9)
    facts = run.results["audit"].facts
    facts["new_by_severity"].update(critical=1)
    assert "WORSE" in summary(run)


def test_each_cause_is_named_with_whom_it_touches_and_since_when():
    text = " ".join(summary(night(critical=12, lost=1)).split())
    first = "critical, Aucun serveur ne répond: CH A, ch-a.mssante.fr, since 3 Feb"
    assert f"FIRST, {first}" in text
    assert "CRITICAL: 12 findings (12 causes, 1 said above) - critical, Aucun serveur ne répond:" in text
    assert "ch-a.mssante.fr and 1 other domain, 1 mailbox, since 3 February 2026" in text
    assert "- and 2 other causes" in text
    assert "CRITICAL, AND NOTHING IS KNOWN OF THEM NOW: 1 finding (1 cause) -" in text
    assert "NEW since 2 March 2026: none FIXED: none FOUND 12,345 critical" in text


FAILED = (
    "html", "slow", "certificate", "connection", "status", "empty", "large", "unusable", "address", "late",
    "killed", "unstarted", "died", "",
)  # fmt: skip


def test_what_stays_in_force_is_said_once():
    assert summary(night(state("list", "stale"), failed=("fetch",))).count("STILL IN FORCE") == 1


@settings(deadline=None, max_examples=30)
@given(address=st.from_regex(ADDRESS, fullmatch=True))
def test_every_address_that_settings_take_can_be_written_to(address):
    mail = message(night(mail={"sender": address, "recipients": [address, address]}))
    assert mail.as_bytes().count(b"@") > 2


@pytest.mark.parametrize(("lang", "foreign"), [("fr", ENGLISH), ("en", FRENCH)])
def test_why_a_step_failed_is_said_in_one_language(lang, foreign):
    texts = []
    for code in FAILED:
        run = night(failed=("fetch", "reports"), lang=lang)
        why = {"code": code, "file": "list.xml" if code else "", "line": None}
        message = "http://a.example/list.xml: the answer is an HTML page, not a list"
        failed = run.results["fetch"].model_copy(update={"message": message, "why": why})
        texts.append(summary(replace(run, results=run.results | {"fetch": failed})))
    assert len(set(texts)) == (len(FAILED) if lang == "fr" else 1)
    # What these made-up nights say in one language only: a title, what to do, why a report failed.
    made_up = ("Aucun serveur ne répond", "Do it", "a cause,")
    lines = "\n".join(texts).splitlines()
    plain = [line for line in lines if not any(word in line for word in made_up)]
    assert [line for line in plain if foreign.search(line)] == []
    assert all("RESTE EN VIGUEUR" in text or "STILL IN FORCE" in text for text in texts)


def test_it_is_a_page_for_a_phone_whose_links_lead_to_the_site_that_is_named():
    options: dict[str, Any] = {"critical": 2, "names": HOSTILE[2:4], "new": 1, "lang": "fr"}
    hostile = night(**options)
    plain, named = (page(night(**options, output={"site_url": url})) for url in ("", "https://a.example/x/"))
    links = {"", "constats.html", "suivi.html", "operateurs/1679900001.html"}
    for text, hrefs in ((plain, set()), (named, {f"https://a.example/x/{path}" for path in links})):
        tree = html.document_fromstring(text)
        assert tree.find(".//meta[@name='viewport']").get("content").startswith("width=device-width")
        assert set(tree.xpath("//a/@href")) == hrefs
        assert not tree.xpath("//script | //@src | //link | //img")
        assert tree.findtext(".//h1").replace("\xa0", " ").replace("’", "'") == subject(hostile)
        assert {sev.text_content().strip() for sev in tree.find_class("sev")} == {"✖ critique"}
        assert "<script>" in tree.text_content()
        assert ("font: 16px" in text, "prefers-color-scheme: dark" in text) == (True, True)


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_a_cause_is_said_once_but_what_is_fixed_of_it_again(lang, sample_space):
    findings = framed([made("DNS_MX_NULL"), made("DNS_MX_SILENT")], sample_space.entries)
    compared = FollowUp("2026-03-02", ("2026-03-03",) * 2, ("new",) * 2, ())
    run = night(new=1, fixed=1, lang=lang)
    run.results["audit"].facts.update(facts_of(sample_space, findings, findings[:0], compared, lang))
    cause = run.results["audit"].facts["first"]
    run.results["audit"].facts["fixed"] = {"count": 1, "findings": 1, "named": [cause]}
    text, above = " ".join(summary(run).split()), {"fr": "dont 1 dite plus haut", "en": "1 said above"}[lang]
    new, _, fixed = text.partition({"fr": "RÉGLÉS", "en": "FIXED"}[lang])
    head = {"fr": "<h2>Nouveaux depuis le 2 mars", "en": "<h2>New since 2 March"}[lang]
    assert head in page(run).replace("\xa0", " "), "small, but for the month"
    title = " ".join(cause["title"].replace("’", "'").split())
    assert (new.count(title), fixed.count(title), above in new, above in fixed) == (1, 1, True, False)


@pytest.mark.parametrize(("code", "whole"), [("LIST_UNSIGNED", True), ("DNS_MX_NULL", False)])
def test_a_finding_that_touches_no_domain_is_of_the_whole_list_only_if_its_rule_is(sample_space, code, whole):
    findings = framed([made(code)], sample_space.entries)
    compared = FollowUp("2026-03-02", ("2026-03-03",), ("new",), ())
    run = night(new=1, lang="fr")
    run.results["audit"].facts["new"] = facts_of(sample_space, findings, findings[:0], compared, "fr")["new"]
    (cause,) = run.results["audit"].facts["new"]["named"]
    text = " ".join(summary(run).split())
    line = text[text.index(" ".join(cause["title"].replace("’", "'").split())) :].partition(" RÉGLÉS")[0]
    assert ("la liste entière" in line) is whole
    assert "depuis le 3 mars 2026" in line


def test_what_could_not_be_evaluated_is_said_and_asks_for_status_3():
    whole, tolerated = night(new=1), state("dns", "absent", tolerated=True)
    assert ("INCOMPLETE" in summary(whole), whole.exit_status) == (False, 0)
    for inputs, status in (((), 3), ((tolerated, state("list", "ok")), 3), ((state("dns", "absent"),), 4)):
        run = night(*inputs, new=1)
        run.audited["failed_rules"].extend(["audit a, part b: KeyError: 'x' (b.py:1)", "c"])
        assert run.exit_status == status
        text = " ".join(summary(run).split())
        assert "INCOMPLETE: 2 parts of audits could not be evaluated (AUDIT_RULE_FAILED): audit a" in text


@pytest.mark.parametrize(
    ("fail_on", "fail_on_new", "status"),
    [("never", "never", 0), ("critical", "never", 1), ("never", "critical", 0), ("never", "error", 1)],
)
def test_findings_may_ask_for_status_1(fail_on, fail_on_new, status):
    assert night(new=1, fail_on=fail_on, fail_on_new=fail_on_new).exit_status == status
