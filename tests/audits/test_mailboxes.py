"""Each rule of the audit "mailboxes" fires on its defect, and stays silent beside it."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made_up import ALPHA, AS_OF, BETA_DN, archived, make_space
from mailboxes_made_up import CANARY, Row, many, put, text

from mssante_audit.audits import audit, audit_all, lacking
from mssante_audit.mailboxes.extraction import find_extractions
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts import domains_of

ALPHA_ID, BETA_ID = "1759900004", "1679900001"
BETA = {"domain": "ch-beta.mssante.fr", "description": "Domaine du CH Beta", "dn": BETA_DN}


def with_mailboxes(
    folder: Path,
    space: TrustSpace,
    rows: list[Row],
    before: list[Row] | None = None,
    at: str = "202603011013",
) -> TrustSpace:
    put(folder, text(rows))
    if before is not None:
        put(folder, text(before), "202601151013")
    return replace(space, mailboxes=find_extractions(folder, AS_OF))


def texts(space: TrustSpace, rule: str) -> list[tuple[str, str]]:
    findings = audit("mailboxes", space, language="en")
    of_rule = findings[findings["rule"] == rule].itertuples()
    return [(f.domain, f.observed.replace("\xa0", " ")) for f in of_rule]


def test_without_an_extraction_nothing_is_said_to_be_checked() -> None:
    space = make_space({})
    assert lacking(space)["mailboxes"] == ("mailboxes",)
    assert audit_all(space)["mailboxes"].isna().all()


# -- addresses in a domain that is not listed ---------------------------------------------------------------


def test_addresses_in_a_domain_that_is_not_listed(tmp_path: Path) -> None:
    rows = many({"ch-alpha.mssante.fr": 3, "ch-gone.mssante.fr": 12})
    space = with_mailboxes(tmp_path, make_space({}), rows)
    assert texts(space, "MAILBOX_UNLISTED") == [("ch-gone.mssante.fr", "ch-gone.mssante.fr: 12 mailboxes")]
    (finding,) = audit("mailboxes", space).to_dict("records")
    assert (finding["severity"], finding["domains"]) == ("error", 1)
    assert (finding["mailboxes"], finding["rows"]) == (12, ())


def test_a_listed_domain_spelt_otherwise_and_a_sub_domain_are_not_listed(tmp_path: Path) -> None:
    rows = many({"ch-alpha.mssante.fr": 1, "CH-Alpha.mssante.fr": 2, "mail.ch-alpha.mssante.fr": 1})
    space = with_mailboxes(tmp_path, make_space({}), rows)
    assert sorted(texts(space, "MAILBOX_UNLISTED")) == [
        ("CH-Alpha.mssante.fr", "CH-Alpha.mssante.fr: 2 mailboxes; the list writes ch-alpha.mssante.fr"),
        (
            "mail.ch-alpha.mssante.fr",
            "mail.ch-alpha.mssante.fr: 1 mailbox; the list holds ch-alpha.mssante.fr, but a sub-domain is no "
            "part of it",
        ),
    ]
    findings = audit("mailboxes", space)
    assert set(findings["operator_id"]) == {ALPHA_ID}
    assert set(findings["expected"]) == {"ch-alpha.mssante.fr", ""}


def test_the_archive_tells_until_when_it_was_listed(tmp_path: Path) -> None:
    listed = archived(tmp_path, on_2026_01_01=[{}, BETA], on_2026_03_01=[{}])
    (tmp_path / "data").mkdir()
    rows = many({"ch-alpha.mssante.fr": 1, "ch-beta.mssante.fr": 1})
    space = with_mailboxes(tmp_path / "data", listed, rows)
    assert texts(space, "MAILBOX_UNLISTED") == [
        ("ch-beta.mssante.fr", "ch-beta.mssante.fr: 1 mailbox; listed until 1 January 2026")
    ]
    assert audit("mailboxes", space)["operator_id"].tolist() == [BETA_ID]


def test_test_entries_are_left_out(tmp_path: Path) -> None:
    test = {"domain": "ch-alphatest.mssante.fr"}
    rows = many({"ch-alpha.mssante.fr": 1, "autre-test.mssante.fr": 5})
    space = with_mailboxes(tmp_path, make_space({}, test), rows, many({"ch-alphatest.mssante.fr": 50}))
    assert audit("mailboxes", space).empty


# -- listed domains without any, and those that lost --------------------------------------------------------


def test_listed_domains_without_a_mailbox_are_one_finding_of_their_operator(tmp_path: Path) -> None:
    more = [{"domain": f"{name}.mssante.fr"} for name in ("ch-a", "ch-b")]
    rows = many({"ch-alpha.mssante.fr": 1, "ch-beta.mssante.fr": 1})
    space = with_mailboxes(tmp_path, make_space({}, *more, BETA), rows)
    assert texts(space, "MAILBOX_NONE") == [
        ("ch-a.mssante.fr", "2 domains of 3: ch-a.mssante.fr, ch-b.mssante.fr")
    ]
    (finding,) = audit("mailboxes", space).to_dict("records")
    assert (finding["severity"], finding["confidence"]) == ("info", "hint")
    assert (finding["mailboxes"], finding["rows"]) == (0, (2, 3))


def test_a_domain_that_addresses_spell_otherwise_is_not_without(tmp_path: Path) -> None:
    space = with_mailboxes(tmp_path, make_space({}), many({"CH-ALPHA.mssante.fr": 1}))
    assert texts(space, "MAILBOX_NONE") == []


def test_domains_that_lost_more_than_half(tmp_path: Path) -> None:
    names = ("ch-alpha", "ch-half", "ch-small", "ch-all", "ch-beta")
    listed = make_space({}, *({"domain": f"{name}.mssante.fr"} for name in names[1:4]), BETA)
    before = dict(zip((f"{n}.mssante.fr" for n in names), (21, 20, 9, 10, 30), strict=True))
    now = dict(zip(before, (10, 10, 1, 0, 31), strict=True))
    space = with_mailboxes(tmp_path, listed, many(now), many(before | {"ch-gone.mssante.fr": 99}))
    assert texts(space, "MAILBOX_LOST") == [
        (
            "ch-alpha.mssante.fr",
            "since 15 January 2026: ch-alpha.mssante.fr (21 → 10), ch-all.mssante.fr (10 → 0)",
        )
    ]


def test_without_an_earlier_extraction_or_with_a_broken_one_no_loss_is_said(tmp_path: Path) -> None:
    space = with_mailboxes(tmp_path, make_space({}), many({"ch-alpha.mssante.fr": 1}))
    assert texts(space, "MAILBOX_LOST") == []
    put(tmp_path, text(many({"ch-alpha.mssante.fr": 50}))[:-100], "202601151013")
    again = replace(space, mailboxes=find_extractions(tmp_path, AS_OF))
    assert texts(again, "MAILBOX_LOST") == []


# -- whose mailboxes ----------------------------------------------------------------------------------------


OWN = [("ORG", f"own{i}@h.mssante.fr", "1", ALPHA_ID[1:]) for i in range(11)]


@pytest.mark.parametrize(
    ("hosted", "rows", "fires"),
    [
        ({}, many({"h.mssante.fr": 11}, "1", BETA_ID[1:]), True),
        ({"description": "Domaine du CH Beta"}, many({"h.mssante.fr": 11}, "1", BETA_ID[1:]), False),
        ({}, many({"h.mssante.fr": 9}, "1", BETA_ID[1:]), False),
        ({}, many({"h.mssante.fr": 11}, "1", "769900001"), False),
        ({}, many({"h.mssante.fr": 11}, "1", ALPHA_ID[1:]), False),
        ({"dn": BETA_DN}, many({"h.mssante.fr": 11}, "1", BETA_ID[1:]), False),
        ({}, [*many({"h.mssante.fr": 11}, "1", BETA_ID[1:]), *OWN], False),
    ],
    ids=["another's", "described", "few", "no operator", "its own", "run by it", "no majority"],
)
def test_mailboxes_of_another_operator(
    tmp_path: Path, hosted: dict[str, str], rows: list[Row], fires: bool
) -> None:
    listed = make_space({}, BETA, {"domain": "h.mssante.fr", "description": "Domaine du CH Gamma"} | hosted)
    space = with_mailboxes(tmp_path, listed, rows)
    expected = [("h.mssante.fr", f"11 mailboxes of 11 attached to CH BETA ({BETA_ID})")] if fires else []
    assert texts(space, "MAILBOX_STRUCTURE") == expected


def test_a_siret_is_of_its_siren(tmp_path: Path) -> None:
    siren = "CN=mss.s.example,OU=2999000001,O=SOCIETE SIGMA,ST=Paris (75),C=FR"
    listed = make_space({"dn": siren}, BETA)
    rows = many({ALPHA["domain"]: 20}, "3", "99900000100011")
    assert texts(with_mailboxes(tmp_path, listed, rows), "MAILBOX_STRUCTURE") == []


# -- unknown is not 0, and nothing is kept ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "cut", "words"),
    [
        ("202601151013", None, "extraction of 15 January 2026: 45 days before the list"),
        ("202603011013", -100, "extraction of 1 March 2026: damaged"),
    ],
)
def test_an_old_or_damaged_extraction_makes_numbers_unknown(
    tmp_path: Path, at: str, cut: int | None, words: str
) -> None:
    put(tmp_path, text(many({"ch-alpha.mssante.fr": 5, "elsewhere.mssante.fr": 5}))[:cut], at)
    space = replace(make_space({}, BETA), mailboxes=find_extractions(tmp_path, AS_OF))
    assert texts(space, "MAILBOX_UNUSABLE") == [("", words)]
    findings = audit_all(space)
    assert findings["mailboxes"].isna().all()
    assert len(findings[findings["audit"] == "mailboxes"]) == 1
    assert domains_of(space, findings)["mailboxes"].isna().all()


def test_domains_have_their_numbers(tmp_path: Path) -> None:
    space = with_mailboxes(tmp_path, make_space({}, BETA), many({"ch-alpha.mssante.fr": 5}))
    frame = domains_of(space, audit_all(space))
    assert frame.set_index("domain")["mailboxes"].to_dict() == {
        "ch-alpha.mssante.fr": 5,
        "ch-beta.mssante.fr": 0,
    }
    assert frame["region"].tolist() == ["Île-de-France", "Grand Est"]
    assert frame["mailboxes"].dtype == pd.Int64Dtype()


def test_no_person_is_in_what_is_found(tmp_path: Path) -> None:
    rows = many({"ch-gone.mssante.fr": 30}, "1", BETA_ID[1:])
    space = with_mailboxes(tmp_path, make_space({}, BETA), rows, many({"ch-alpha.mssante.fr": 30}))
    findings = audit_all(space)
    assert {"MAILBOX_UNLISTED", "MAILBOX_LOST", "MAILBOX_NONE"} <= set(findings["rule"])
    assert CANARY.lower() not in findings.to_csv().lower()
    assert CANARY.lower() not in repr(space.mailboxes.counts.frame.to_csv()).lower()
