"""The first screen: each number recomputed from the frames it stands for; what is folded, and what is not."""

import json
import re
from dataclasses import replace

import pandas as pd
import pytest
from pages import frame_in, page_of, parsed
from pages import said_in as plain

import mssante_audit as ms
from mssante_audit.base.language import NARROW, NBSP, typeset
from mssante_audit.findings.catalogue import CHECKS
from mssante_audit.findings.registry import rule
from mssante_audit.report.first import CAUSES, with_contacts
from mssante_audit.verdicts.domains import answers
from mssante_audit.verdicts.words import CHECK_NAMES

pytestmark = pytest.mark.usefixtures("sample_run")  # kept beside the other tests of the same reports


def plain_text(text):
    return text.replace(NARROW, "").replace(NBSP, " ")


def numbers(text):
    return [int(n) for n in re.findall(r"\d+(?![\d,])(?! %)", text)]


def counted_of(space):
    """Findings, domains and causes of a space."""
    found = ms.audit_all(space)
    domains = ms.domains(space, found)
    return found, domains, ms.causes(found, space.audited, space.published, ms.doubts(space, found, domains))


@pytest.fixture(scope="module")
def page(sample_run):
    return page_of(sample_run, "overview")


@pytest.fixture(scope="module")
def counted(space):
    return counted_of(space)


def counts_on(page):
    """Return the counts of the whole list that a page bears, by axis and answer."""
    return {
        axis: {one.get(f"data-{axis}"): one.text_content() for one in page.xpath(f"//b[@data-{axis}]")}
        for axis in ("arrives", "order")
    }


def test_every_number_of_the_first_screen_is_that_of_its_frame(page, space, counted):
    _, domains, causes = counted
    held, listed = answers(domains), space.audited["domain"].nunique()
    assert all(sum(own.values()) == len(domains) == listed for own in held.values())
    asked = "arrives" if domains["observed_at"].notna().any() else "order"
    column = {"arrives": "receives", "order": "order"}[asked]
    counts = list(held[asked].values())

    (shown,) = page.find_class("counts")
    assert numbers(plain_text(shown.find("div").get("aria-label"))) == counts
    boxes = [numbers(plain(dd)) for dd in shown.iter("dd")]
    known = space.published is not None
    own = [domains.loc[domains[column] == name, "mailboxes"].sum() for name in held[asked]]
    assert boxes == [[int(n)] if known else [] for n in own]

    (lead,), (begin,) = page.find_class("lead"), page.find_class("first")
    well, first = plain(lead), plain(begin)
    told = [counts[0], len(domains), *counts[1:3], *([counts[3]] if counts[3] else [])]
    assert numbers(re.sub(r"\(.*?%\)", "", well)) == told
    assert plain_text(ms.percent(counts[0], len(domains))) in well
    assert typeset(rule(causes["rules"].iloc[0][0]).title_fr).replace(NBSP, " ") in first
    weight = [int(causes["domains"].iloc[0]), *([int(causes["mailboxes"].iloc[0])] if known else [])]
    assert numbers(first[first.rindex("(") :]) == weight


def test_overview_index_and_summaries_bear_the_same_counts(page, sample_run, counted):
    held, looked = answers(counted[1]), counted[1]["observed_at"].notna().any()
    index = page_of(sample_run, "index")
    told = {axis: {name: str(n) for name, n in own.items()} for axis, own in held.items()}
    assert counts_on(page) == counts_on(index) == told
    asked = "Le courrier arrive-t-il" if looked else "La liste est-elle en règle"
    for shown in (page, index):
        assert plain(shown.find(".//h1")).startswith(asked)
        assert bool(shown.xpath("//p[contains(., 'observe dns')]")) == (not looked)
    for outcome in sample_run.outcomes:
        summary = json.loads((sample_run.out / f"{outcome.name}.results.json").read_text(encoding="utf-8"))
        assert {axis: summary[axis] for axis in held} == held


def test_nothing_is_green_while_nobody_looked(space):
    space = replace(space, observation=None, tls=None, judged=None)
    domains = ms.domains(space)
    page = parsed(ms.answer(domains) + ms.counts(domains))
    unknown = {"yes": "0", "degraded": "0", "no": "0", "unknown": str(len(domains))}
    assert counts_on(page)["arrives"] == unknown
    assert "Personne n’a regardé si le courrier arrive" in plain(page)
    assert page.xpath("//dl/div/dt/b/@data-order")


def test_every_line_of_the_checks_adds_up_and_is_that_of_its_frame(page, space, counted):
    _, domains, causes = counted
    rows = page.xpath("//table[@class='checks']/tbody/tr")
    assert [row.findtext("th") for row in rows] == list(CHECK_NAMES["fr"].values())
    for check, row in zip(CHECKS, rows, strict=True):
        _, _, why, weight = (plain(cell) for cell in row)
        held = [domains[domains[check] == result] for result in ("ok", "warn", "fail", "unknown")]
        held = [own for own in held if len(own)]
        assert [int(plain(b)) for b in row.xpath("td//li/b")] == [len(own) for own in held]
        assert sum(map(len, held)) == len(domains)
        boxes = [int(own["mailboxes"].sum()) for own in held] if space.published is not None else []
        assert [numbers(plain(small)) for small in row.xpath("td//li/small")] == [[n] for n in boxes]
        own = causes[[check in decided for decided in causes["checks"]]]
        assert sum(numbers(weight)) == len(own)
        results = set(domains[check])
        worst = [r for r in ("fail", "warn") if r in results][:1] + ["unknown"] * ("unknown" in results)
        whys = [domains.loc[domains[check] == result, "why"] for result in worst]
        told = [max(own.map(lambda why, c=check: why[c]).explode().value_counts()) for own in whys]
        assert [int(n) for n in re.findall(r"\((\d+) domaines?\)", why)] == told
        assert bool(why) == bool(len(domains))


def test_each_check_leads_to_its_causes_on_the_page(page, counted):
    causes = counted[2]
    for check, row in zip(CHECKS, page.xpath("//table[@class='checks']/tbody/tr"), strict=True):
        own = causes[[check in decided for decided in causes["checks"]]]
        links = row.xpath("td/a/@href")
        assert links == ([f"#causes-{check}"] if len(own) else [])
        for link in links:
            (there,) = page.xpath(f"//details/div[@id='{link[1:]}']")
            assert sum(numbers(plain(there.getprevious()))) == len(own)
            assert len(there.xpath("ol/li")) == min(CAUSES, len(own))
            rest = len(own) - CAUSES
            assert [numbers(plain(p)) for p in there.findall("p")] == ([[rest]] if rest > 0 else [])


def test_what_an_old_observation_shows_comes_last_with_its_age():
    limits = ms.Thresholds(observation_max_age_days=3)
    space = ms.load_space(as_of="2026-03-08T06:00:00Z", thresholds=limits)
    assert {one.name: one.age_days for one in space.states if one.doubtful} == {"dns": 6, "tls": 5}
    _, domains, causes = counted_of(space)
    aged = causes["doubts"].map(len) > 0
    assert aged.is_monotonic_increasing  # what is known to hold comes first
    assert {"delegation_vs_redirection", "certificates"} == {
        rule(codes[0]).audit for codes in causes.loc[aged, "rules"]
    }
    assert not {"delegation_vs_redirection", "certificates"} & {
        rule(codes[0]).audit for codes in causes.loc[~aged, "rules"]
    }
    assert set(causes.loc[aged, "age_days"]) == {6}
    text = parsed(ms.cause_list(causes))
    shown = [plain(one) for one in text.xpath("//div[@id='causes-mail']/ol/li//p[@class='doubt']")]
    told = causes[["mail" in decided for decided in causes["checks"]]]
    assert len(shown) == min(CAUSES, sum(told["doubts"].map(len) > 0)) > 0
    assert all("observation du DNS" in one and "(6 jours)" in one for one in shown)
    line = parsed(ms.checks(domains, causes)).xpath("//tbody/tr[th='Messagerie']/td")[2]
    assert plain(line) == f"{len(told)} à confirmer"
    assert typeset(rule(causes["rules"].iloc[0][0]).title_fr) in ms.first_cause(causes)
    old = causes[aged]
    assert f"{len(old)} causes restent à confirmer" in plain_text(ms.first_cause(old))


def test_a_domain_whose_own_answer_is_too_old_is_in_doubt_beside_a_fresh_one(space):
    found, domains, _ = counted_of(space)
    assert ms.doubts(space, found, domains) == {}
    one = domains.loc[domains["dns"] == "fail", "domain"].iloc[0]
    domains.loc[domains["domain"] == one, "why"] = [{"receives": ["too-old"]}]
    domains.loc[domains["domain"] == one, "observed_at"] = pd.Timestamp("2026-02-01", tz="UTC")
    unsure = ms.doubts(space, found, domains)
    assert unsure
    told = found[found["fingerprint"].isin(unsure)]
    assert set(told["domain"]) == {one}
    assert list(unsure.values()) == [{"dns": 30}] * len(told)


def test_the_causes_shown_are_the_first_ten_and_the_file_has_all(page, space, counted):
    found, _, causes = counted
    items = page.xpath("//ol[@class='causes']/li")
    assert len(items) == min(CAUSES, len(causes)) == CAUSES
    for item, cause in zip(items, causes.to_dict("records"), strict=False):
        (weight,) = item.find_class("weight")
        boxes = [int(cause["mailboxes"])] if space.published is not None else []
        assert numbers(plain(weight)) == [*boxes, cause["domains"]]
        assert item.xpath(".//span[contains(@class, 'sev-info')]") == []
        if cause["findings"] > 1:
            assert f"et {cause['findings'] - 1} autre" in plain(item)
    (link,) = page.xpath("//a[@download='causes.csv']/@href")
    file = frame_in(link)
    assert file["domains"].tolist() == causes["domains"].tolist()
    assert file["findings"].sum() == len(ms.actionable(found))


def test_of_what_is_shown_at_most_a_quarter_is_information(sample_run):
    shown, folded = [], []
    for outcome in sample_run.outcomes:
        page = page_of(sample_run, outcome.name)
        for row in page.xpath("//table[@data-rows]/tbody/tr[td[@data-label='Constat']]"):
            told = "sev-info" in row.xpath(".//span[starts-with(@class, 'sev ')]/@class")[0]
            away = bool(row.xpath("ancestor::details[@class='folded' and not(@open)]"))
            (folded if away else shown).append(told or "indice" in plain(row[0]))
    assert shown
    assert 4 * sum(shown) <= len(shown)
    assert folded
    assert all(folded)


def test_what_is_folded_is_named_counted_and_in_the_file(sample_run):
    (outcome,) = [o for o in sample_run.outcomes if o.name == "stale_contacts"]
    page = page_of(sample_run, "stale_contacts")
    found = outcome.results.findings
    away = found[(found["severity"] == "info") | (found["confidence"] == "hint")]
    told = [plain(one) for one in page.xpath("//details[@class='folded']/summary")]
    assert all(one.startswith("Replié : ") for one in told)
    assert sum(sum(numbers(one)) for one in told) == len(away)
    files = page.xpath("//p[@class='csv']/a[contains(@href, 'text/csv')]/@href")
    assert sum(len(frame_in(href)) for href in files) == len(found)


def test_a_declaration_that_the_register_does_not_cover_says_so(space, counted):
    found, domains, _ = counted
    domains = domains.assign(declaration="unknown")
    domains["why"] = [why | {"declaration": ["outside"]} for why in domains["why"]]
    causes = ms.causes(found, space.audited)
    assert "Hors du périmètre du registre" in ms.checks(domains, causes)


@pytest.mark.parametrize("contacts", ["none", "services", "all"])
def test_a_cause_names_whom_to_call_as_far_as_contacts_are_shown(counted, space, contacts):
    clear = "Mme DURAND Zoé, 02 61 91 20 41, 06 39 98 00 01, support@gcs.example"
    whitelist = space.whitelist
    listed = replace(whitelist, entries=whitelist.entries.assign(support_contact=clear))
    shown = with_contacts(counted[2], replace(space, whitelist=listed, contacts=contacts))
    page = parsed(ms.cause_list(shown))
    calls = [plain(line) for line in page.iter("p") if plain(line).startswith("Appeler")]
    wanted = {
        "none": "02 •• •• •• 41, 06 •• •• •• 01, s•••@gcs.example",
        "services": "02 61 91 20 41, 06 •• •• •• 01, support@gcs.example",
        "all": clear,
    }
    assert calls[0] == f"Appeler {wanted[contacts]}"
    only = shown["checks"].map(lambda checks: set(checks) <= {"contacts"})
    assert only.any()
    of_contacts = parsed(ms.cause_list(shown[only]))
    assert "Appeler" not in of_contacts.text_content(), "what is wrong with a contact calls nobody by it"
