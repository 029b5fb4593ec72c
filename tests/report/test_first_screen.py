"""The first screen: each number recomputed from the frames it stands for; what is folded, and what is not."""

import json
import re
from dataclasses import replace

import pandas as pd
import pytest
from pages import frame_in, page_of, parsed
from pages import said_in as plain

import mssante_audit as ms
from mssante_audit.base.language import NARROW
from mssante_audit.base.resources import resource
from mssante_audit.findings.catalogue import CHECKS
from mssante_audit.findings.registry import rule
from mssante_audit.report.first import CAUSES, with_contacts
from mssante_audit.verdicts.domains import answers
from mssante_audit.verdicts.words import CHECK_NAMES

pytestmark = pytest.mark.usefixtures("sample_run")  # kept beside the other tests of the same reports


def numbers(text):
    return [int(n) for n in re.findall(r"\d+(?![\d,])(?! %)", text.replace(NARROW, ""))]


def counted_of(space):
    frame = ms.audit_all(space)
    domains = ms.domains(space, frame)
    return frame, domains, ms.causes(frame, space.audited, space.published, ms.doubts(space, frame, domains))


@pytest.fixture(scope="module")
def page(sample_run):
    return page_of(sample_run, "overview")


@pytest.fixture(scope="module")
def counted(space):
    return counted_of(space)


def test_the_counts_are_those_of_the_frame_on_every_page_and_in_every_file(page, sample_run, counted):
    """The sentences beside them: `test_numbers`."""
    _, domains, _ = counted
    held = answers(domains)
    assert all(sum(expected.values()) == len(domains) for expected in held.values())
    for shown in (page, page_of(sample_run, "index")):
        for axis, expected in held.items():
            counts = shown.xpath(f"//b[@data-{axis}]")
            assert {b.get(f"data-{axis}"): int(b.text_content()) for b in counts} == expected
        assert plain(shown.find(".//h1")).startswith("Le courrier arrive-t-il")
        assert not shown.xpath("//p[contains(., 'observe dns')]")
        (counts,) = shown.find_class("counts")
        assert numbers(counts.find("div").get("aria-label")) == [*held["arrives"].values()]
        boxes = [domains.loc[domains["receives"] == name, "mailboxes"].sum() for name in held["arrives"]]
        assert [numbers(plain(dd)) for dd in counts.iter("dd")] == [[int(n)] for n in boxes]
    for outcome in sample_run.outcomes:
        summary = json.loads((sample_run.out / f"{outcome.name}.results.json").read_text(encoding="utf-8"))
        assert {axis: summary[axis] for axis in held} == held


def test_every_line_of_the_checks_adds_up_and_leads_to_its_causes(page, counted):
    _, domains, causes = counted
    rows = page.xpath("//table[@class='checks']/tbody/tr")
    assert [row.findtext("th") for row in rows] == list(CHECK_NAMES["fr"].values())
    for check, row in zip(CHECKS, rows, strict=True):
        _, _, why, weight = (plain(cell) for cell in row)
        held = [domains[domains[check] == result] for result in ("ok", "warn", "fail", "unknown")]
        held = [part for part in held if len(part)]
        assert [int(plain(b)) for b in row.xpath("td//li/b")] == [len(part) for part in held]
        boxes = [[int(part["mailboxes"].sum())] for part in held]
        assert [numbers(plain(small)) for small in row.xpath("td//li/small")] == boxes
        results = set(domains[check])
        worst = [r for r in ("fail", "warn") if r in results][:1] + ["unknown"] * ("unknown" in results)
        whys = [domains.loc[domains[check] == result, "why"] for result in worst]
        most = [max(part.map(lambda why, c=check: why[c]).explode().value_counts()) for part in whys]
        assert [int(n) for n in re.findall(r"\((\d+) domaines?\)", why)] == most
        of_check = causes[[check in decided for decided in causes["checks"]]]
        assert sum(numbers(weight)) == len(of_check)
        links = row.xpath("td/a/@href")
        assert links == ([f"#causes-{check}"] if len(of_check) else [])
        for link in links:
            (listed,) = page.xpath(f"//details/div[@id='{link[1:]}']")
            assert sum(numbers(plain(listed.getprevious()))) == len(of_check)
            assert len(listed.xpath("ol/li")) == min(CAUSES, len(of_check))
            rest = len(of_check) - CAUSES
            assert [numbers(plain(p)) for p in listed.findall("p")] == ([[rest]] if rest > 0 else [])
    _, domains, causes = counted_of(ms.load_space(resource("data/sample"), as_of="2026-03-03"))
    assert plain(parsed(ms.checks(domains, causes)).xpath("//tbody/tr[th='DNS']/td")[2]) == "voir Messagerie"


def test_what_an_old_observation_shows_comes_last_with_its_age():
    space = ms.load_space(as_of="2026-03-08T06:00:00Z", thresholds=ms.Thresholds(observation_max_age_days=3))
    assert {state.name: state.age_days for state in space.states if state.doubtful} == {"dns": 6, "tls": 5}
    _, domains, causes = counted_of(space)
    aged = causes["doubts"].map(len) > 0
    assert aged.is_monotonic_increasing  # what is known to hold comes first
    audits = causes["rules"].map(lambda codes: rule(codes[0]).audit)
    seen = {"delegation_vs_redirection", "certificates"}
    assert set(audits[aged]) == seen
    assert not seen & set(audits[~aged])
    assert set(causes.loc[aged, "age_days"]) == {6}
    text = parsed(ms.cause_list(causes))
    shown = [plain(p) for p in text.xpath("//div[@id='causes-mail']/ol/li//p[@class='doubt']")]
    of_mail = causes[["mail" in decided for decided in causes["checks"]]]
    assert len(shown) == min(CAUSES, sum(of_mail["doubts"].map(len) > 0)) > 0
    assert all("observation du DNS" in doubt and "(6 jours)" in doubt for doubt in shown)
    line = parsed(ms.checks(domains, causes)).xpath("//tbody/tr[th='Messagerie']/td")[2]
    assert plain(line) == f"{len(of_mail)} à confirmer"
    assert f"{sum(aged)} causes restent à confirmer" in plain(parsed(ms.first_cause(causes[aged])))


def test_a_domain_whose_own_answer_is_too_old_is_in_doubt_beside_a_fresh_one(space):
    findings, domains, _ = counted_of(space)
    unlisted = findings[findings["rule"] == "DNS_NO_MX"][:1].assign(rows=[()], facts=[{"domains": ["x.fr"]}])
    assert ms.doubts(space, findings, domains) == ms.doubts(space, unlisted, domains) == {}
    old = domains["domain"] == domains.loc[domains["dns"] == "fail", "domain"].iloc[0]
    domains.loc[old, "why"] = [{"receives": ["too-old"]}]
    domains.loc[old, "observed_at"] = pd.Timestamp("2026-02-01", tz="UTC")
    doubted = findings[findings["fingerprint"].isin(unsure := ms.doubts(space, findings, domains))]
    assert set(doubted["domain"]) == set(domains.loc[old, "domain"])
    assert list(unsure.values()) == [{"dns": 30}] * len(doubted)


def test_the_causes_shown_are_the_first_ten_and_the_file_has_all(page, counted):
    findings, _, causes = counted
    items = page.xpath("//ol[@class='causes']/li")
    assert len(items) == CAUSES < len(causes)
    for item, cause in zip(items, causes.to_dict("records"), strict=False):
        (weight,) = item.find_class("weight")
        assert numbers(plain(weight)) == [int(cause["mailboxes"]), cause["domains"]]
        assert item.xpath(".//span[contains(@class, 'sev-info')]") == []
        assert (f"et {cause['findings'] - 1} autre" in plain(item)) == (cause["findings"] > 1)
    (link,) = page.xpath("//a[@download='causes.csv']/@href")
    file = frame_in(link)
    assert file["domains"].tolist() == causes["domains"].tolist()
    assert file["findings"].sum() == len(ms.actionable(findings))


CLEAR = "Mme DURAND Zoé, 02 61 91 20 41, 06 39 98 00 01, support@gcs.example"


@pytest.mark.parametrize(
    ("contacts", "called"),
    [
        ("none", "02 •• •• •• 41, 06 •• •• •• 01, s•••@gcs.example"),
        ("services", "02 61 91 20 41, 06 •• •• •• 01, support@gcs.example"),
        ("all", CLEAR),
    ],
)
def test_a_cause_names_whom_to_call_as_far_as_contacts_are_shown(counted, space, contacts, called):
    listed = replace(space.whitelist, entries=space.whitelist.entries.assign(support_contact=CLEAR))
    shown = with_contacts(counted[2], replace(space, whitelist=listed, contacts=contacts))
    lines = [plain(line) for line in parsed(ms.cause_list(shown)).iter("p")]
    assert next(line for line in lines if line.startswith("Appeler")) == f"Appeler {called}"
    only = shown["checks"].map(lambda checks: set(checks) <= {"contacts"})
    assert only.any()
    of_contacts = parsed(ms.cause_list(shown[only]))
    assert "Appeler" not in of_contacts.text_content(), "what is wrong with a contact calls nobody by it"
