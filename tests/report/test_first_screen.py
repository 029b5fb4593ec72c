"""The first screen: each number recomputed from the frames it stands for; what is folded, and what is not."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace

import pandas as pd
import pytest
from lxml import html as lxml_html

import mssante_audit as ms
from mssante_audit.base.language import NARROW, NBSP, typeset
from mssante_audit.findings.catalogue import CHECKS
from mssante_audit.findings.registry import rule
from mssante_audit.report.first import CAUSES, with_contacts
from mssante_audit.verdicts.domains import answers
from mssante_audit.verdicts.words import CHECK_NAMES

pytestmark = pytest.mark.usefixtures("sample_run")  # kept beside the other tests of the same reports


def plain(element) -> str:
    return plain_text(element.text_content())


def plain_text(text: str) -> str:
    return text.replace(NARROW, "").replace(NBSP, " ")


def numbers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+(?![\d,])(?! %)", text)]


def counted_of(space):
    """Findings, domains and causes of a space."""
    found = ms.audit_all(space)
    domains = ms.domains(space, found)
    return found, domains, ms.causes(found, space.audited, space.published, ms.doubts(space, found, domains))


@pytest.fixture(scope="module")
def made(sample_run, sample_space):
    """Run, page and space of the overview."""
    page = lxml_html.fromstring((sample_run.out / "overview.html").read_text(encoding="utf-8"))
    return sample_run, page, sample_space


@pytest.fixture(scope="module")
def counted(made):
    return counted_of(made[2])


def counts_on(page) -> dict[str, dict[str, str]]:
    """Return the counts of the whole list that a page bears, by axis and answer."""
    return {
        axis: {one.get(f"data-{axis}"): one.text_content() for one in page.xpath(f"//b[@data-{axis}]")}
        for axis in ("arrives", "order")
    }


def test_every_number_of_the_first_screen_is_that_of_its_frame(made, counted) -> None:
    _, page, space = made
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


def test_overview_index_and_summaries_bear_the_same_counts(made, counted) -> None:
    run, page, _ = made
    held, looked = answers(counted[1]), counted[1]["observed_at"].notna().any()
    index = lxml_html.fromstring((run.out / "index.html").read_text(encoding="utf-8"))
    told = {axis: {name: str(n) for name, n in own.items()} for axis, own in held.items()}
    assert counts_on(page) == counts_on(index) == told
    asked = "Le courrier arrive-t-il" if looked else "La liste est-elle en règle"
    for shown in (page, index):
        assert plain(shown.find(".//h1")).startswith(asked)
        assert bool(shown.xpath("//p[contains(., 'observe dns')]")) == (not looked)
    for outcome in run.outcomes:
        summary = json.loads((run.out / f"{outcome.name}.results.json").read_text(encoding="utf-8"))
        assert {axis: summary[axis] for axis in held} == held


def test_nothing_is_green_while_nobody_looked(sample_space) -> None:
    space = replace(sample_space, observation=None, tls=None, judged=None)
    domains = ms.domains(space)
    page = lxml_html.fromstring(f"<main>{ms.answer(domains)}{ms.counts(domains)}</main>")
    unknown = {"yes": "0", "degraded": "0", "no": "0", "unknown": str(len(domains))}
    assert counts_on(page)["arrives"] == unknown
    assert "Personne n’a regardé si le courrier arrive" in plain(page)
    assert page.xpath("//dl/div/dt/b/@data-order")


def test_every_line_of_the_checks_adds_up_and_is_that_of_its_frame(made, counted) -> None:
    _, page, space = made
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


def test_each_check_leads_to_its_causes_on_the_page(made, counted) -> None:
    page, causes = made[1], counted[2]
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


def test_what_an_old_observation_shows_comes_last_with_its_age() -> None:
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
    text = lxml_html.fromstring(ms.cause_list(causes))
    shown = [plain(one) for one in text.xpath("//div[@id='causes-mail']/ol/li//p[@class='doubt']")]
    told = causes[["mail" in decided for decided in causes["checks"]]]
    assert len(shown) == min(CAUSES, sum(told["doubts"].map(len) > 0)) > 0
    assert all("observation du DNS" in one and "(6 jours)" in one for one in shown)
    line = lxml_html.fromstring(ms.checks(domains, causes)).xpath("//tbody/tr[th='Messagerie']/td")[2]
    assert plain(line) == f"{len(told)} à confirmer"
    assert typeset(rule(causes["rules"].iloc[0][0]).title_fr) in ms.first_cause(causes)
    old = causes[aged]
    assert f"{len(old)} causes restent à confirmer" in plain_text(ms.first_cause(old))


def test_a_domain_whose_own_answer_is_too_old_is_in_doubt_beside_a_fresh_one(sample_space) -> None:
    space = sample_space
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


def test_the_causes_shown_are_the_first_ten_and_the_file_has_all(made, counted) -> None:
    _, page, space = made
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
    file = pd.read_csv(io.BytesIO(base64.b64decode(link.partition(",")[2])), encoding="utf-8-sig")
    assert file["domains"].tolist() == causes["domains"].tolist()
    assert file["findings"].sum() == len(ms.actionable(found))


def test_of_what_is_shown_at_most_a_quarter_is_information(made) -> None:
    run, _, _ = made
    shown, folded = [], []
    for outcome in run.outcomes:
        page = lxml_html.fromstring((run.out / f"{outcome.name}.html").read_text(encoding="utf-8"))
        for row in page.xpath("//table[@data-rows]/tbody/tr[td[@data-label='Constat']]"):
            told = "sev-info" in row.xpath(".//span[starts-with(@class, 'sev ')]/@class")[0]
            away = bool(row.xpath("ancestor::details[@class='folded' and not(@open)]"))
            (folded if away else shown).append(told or "indice" in plain(row[0]))
    assert shown
    assert 4 * sum(shown) <= len(shown)
    assert folded
    assert all(folded)


def test_what_is_folded_is_named_counted_and_in_the_file(made) -> None:
    run, _, _ = made
    (outcome,) = [o for o in run.outcomes if o.name == "stale_contacts"]
    page = lxml_html.fromstring((run.out / "stale_contacts.html").read_text(encoding="utf-8"))
    found = outcome.results.findings
    away = found[(found["severity"] == "info") | (found["confidence"] == "hint")]
    told = [plain(one) for one in page.xpath("//details[@class='folded']/summary")]
    assert all(one.startswith("Replié : ") for one in told)
    assert sum(sum(numbers(one)) for one in told) == len(away)
    files = page.xpath("//p[@class='csv']/a[contains(@href, 'text/csv')]/@href")
    rows = sum(
        len(pd.read_csv(io.BytesIO(base64.b64decode(href.partition(",")[2])), encoding="utf-8-sig"))
        for href in files
    )
    assert rows == len(found)


def test_a_declaration_that_the_register_does_not_cover_says_so(sample_space) -> None:
    found, domains, _ = counted_of(sample_space)
    domains = domains.assign(declaration="unknown")
    domains["why"] = [why | {"declaration": ["outside"]} for why in domains["why"]]
    causes = ms.causes(found, sample_space.audited)
    assert "Hors du périmètre du registre" in ms.checks(domains, causes)


@pytest.mark.parametrize("contacts", ["none", "services", "all"])
def test_a_cause_names_whom_to_call_as_far_as_contacts_are_shown(counted, sample_space, contacts) -> None:
    clear = "Mme DURAND Zoé, 02 61 91 20 41, 06 39 98 00 01, support@gcs.example"
    whitelist = sample_space.whitelist
    listed = replace(whitelist, entries=whitelist.entries.assign(support_contact=clear))
    shown = with_contacts(counted[2], replace(sample_space, whitelist=listed, contacts=contacts))
    page = lxml_html.fromstring(str(ms.cause_list(shown)))
    calls = [plain(line) for line in page.iter("p") if plain(line).startswith("Appeler")]
    wanted = {
        "none": "02 •• •• •• 41, 06 •• •• •• 01, s•••@gcs.example",
        "services": "02 61 91 20 41, 06 •• •• •• 01, support@gcs.example",
        "all": clear,
    }
    assert calls[0] == f"Appeler {wanted[contacts]}"
    only = shown["checks"].map(lambda checks: set(checks) <= {"contacts"})
    assert only.any()
    of_contacts = lxml_html.fromstring(str(ms.cause_list(shown[only])))
    assert "Appeler" not in of_contacts.text_content(), "what is wrong with a contact calls nobody by it"
