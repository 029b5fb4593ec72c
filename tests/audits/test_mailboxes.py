"""Each rule of the audit "mailboxes" fires on its defect, and stays silent beside it."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from made_up import AS_OF, BETA_DN, archived, make_space
from mailboxes_made_up import Row, many, put, text

from mssante_audit.audits import audit, audit_all, lacking
from mssante_audit.mailboxes.extraction import find_extractions
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts import domains_of

ALPHA_ID, BETA_ID = "1759900004", "1679900001"
A, B, H, TEST = (f"{name}.mssante.fr" for name in ("ch-alpha", "ch-beta", "h", "ch-alphatest"))
BETA = {"domain": B, "description": "Domaine du CH Beta", "dn": BETA_DN}
HOSTED = {"domain": H, "description": "Domaine du CH Gamma"}
SIREN = "CN=mss.s.example,OU=2999000001,O=SOCIETE SIGMA,ST=Paris (75),C=FR"
UNLISTED, NONE, LOST, STRUCTURE = "MAILBOX_UNLISTED", "MAILBOX_NONE", "MAILBOX_LOST", "MAILBOX_STRUCTURE"
BEFORE = dict(zip((A, "ch-half.fr", "ch-small.fr", "ch-all.fr", B), (21, 20, 9, 10, 30), strict=True))


class Case(NamedTuple):
    """A list, an extraction and the one before; what a rule finds: domain and text, in English."""

    rule: str
    listed: list[dict[str, str]]
    rows: list[Row]
    texts: list[tuple[str, str]] = []  # noqa: RUF012 - never changed
    before: list[Row] | None = None


def beside(hosted: dict[str, str], rows: list[Row], words: str = "") -> Case:
    return Case(STRUCTURE, [{}, BETA, HOSTED | hosted], rows, [(H, words)] if words else [])


CASES = {
    "of a domain that is not listed": Case(
        UNLISTED, [{}], many({A: 3, "ch-gone.mssante.fr": 12}),
        [("ch-gone.mssante.fr", "ch-gone.mssante.fr: 12 mailboxes")]),
    "spelt otherwise, and a sub-domain": Case(
        UNLISTED, [{}], many({A: 1, "CH-Alpha.mssante.fr": 2, f"mail.{A}": 1}),
        [("CH-Alpha.mssante.fr", f"CH-Alpha.mssante.fr: 2 mailboxes; the list writes {A}"),
         (f"mail.{A}", f"mail.{A}: 1 mailbox; the list holds {A}, but a sub-domain is no part of it")]),
    "test entries are not said to be unlisted": Case(
        UNLISTED, [{}, {"domain": TEST}], many({A: 1, "autre-test.mssante.fr": 5})),
    "nor to have lost any": Case(LOST, [{}, {"domain": TEST}], many({A: 1}), before=many({TEST: 50})),
    "nor to have none": Case(NONE, [{}, {"domain": TEST}], many({A: 1})),
    "none in two domains of an operator": Case(
        NONE, [{}, {"domain": "ch-a.fr"}, {"domain": "ch-b.fr"}, BETA], many({A: 1, B: 1}),
        [("ch-a.fr", "2 domains of 3: ch-a.fr, ch-b.fr")]),
    "a domain that addresses spell otherwise is not without": Case(NONE, [{}], many({A.upper(): 1})),
    "more than half were lost": Case(
        LOST, [{}, *({"domain": name} for name in [*BEFORE][1:4]), BETA],
        many(dict(zip(BEFORE, (10, 10, 1, 0, 31), strict=True))),
        [(A, f"since 15 January 2026: {A} (21 → 10), ch-all.fr (10 → 0)")],
        many(BEFORE | {"ch-gone.mssante.fr": 99})),
    "nothing earlier, no loss": Case(LOST, [{}], many({A: 1})),
    # Whose mailboxes.
    "another's": beside(
        {}, many({H: 11}, "1", BETA_ID[1:]), f"11 mailboxes of 11 attached to CH BETA ({BETA_ID})"),
    "described": beside({"description": "Domaine du CH Beta"}, many({H: 11}, "1", BETA_ID[1:])),
    "few": beside({}, many({H: 9}, "1", BETA_ID[1:])),
    "no operator": beside({}, many({H: 11}, "1", "769900001")),
    "its own": beside({}, many({H: 11}, "1", ALPHA_ID[1:])),
    "run by it": beside({"dn": BETA_DN}, many({H: 11}, "1", BETA_ID[1:])),
    "no majority": beside({}, [
        *many({H: 11}, "1", BETA_ID[1:]), *(("ORG", f"own{i}@{H}", "1", ALPHA_ID[1:]) for i in range(11))]),
    "a SIRET is of its SIREN": Case(STRUCTURE, [{"dn": SIREN}, BETA], many({A: 20}, "3", "99900000100011")),
}  # fmt: skip


def with_mailboxes(folder: Path, space: TrustSpace, rows: list[Row], before: Any = None) -> TrustSpace:
    put(folder, text(rows))
    if before is not None:
        put(folder, text(before), "202601151013")
    return replace(space, mailboxes=find_extractions(folder, AS_OF))


def texts(space: TrustSpace, rule: str) -> list[tuple[str, str]]:
    findings = audit("mailboxes", space, language="en")
    of_rule = findings[findings["rule"] == rule].itertuples()
    return sorted((f.domain, f.observed.replace("\xa0", " ")) for f in of_rule)


@pytest.mark.parametrize("case", CASES)
def test_a_rule_fires_where_it_should_and_only_there(case: str, tmp_path: Path) -> None:
    rule, listed, rows, expected, before = CASES[case]
    assert texts(with_mailboxes(tmp_path, make_space(*listed), rows, before), rule) == expected


def test_a_finding_has_weight_rows_and_operator(tmp_path: Path) -> None:
    space = with_mailboxes(tmp_path, make_space({}, {"domain": "ch-a.fr"}), many({A.upper(): 12}))
    columns = ["rule", "severity", "confidence", "domains", "mailboxes", "rows", "operator_id", "expected"]
    findings = audit("mailboxes", space)[columns].astype(object).values.tolist()
    assert findings == [
        [UNLISTED, "error", "likely", 1, 12, (), ALPHA_ID, A],
        [NONE, "info", "hint", 1, 0, (2,), ALPHA_ID, ""],
    ]


def test_domains_have_their_numbers(tmp_path: Path) -> None:
    space = with_mailboxes(tmp_path, make_space({}, BETA), many({A: 5}))
    frame = domains_of(space, audit_all(space))
    assert frame[["domain", "mailboxes", "region"]].values.tolist() == [
        [A, 5, "Île-de-France"], [B, 0, "Grand Est"],
    ]  # fmt: skip
    assert frame["mailboxes"].dtype == pd.Int64Dtype()


def test_the_archive_tells_until_when_it_was_listed(tmp_path: Path) -> None:
    listed = archived(tmp_path, on_2026_01_01=[{}, BETA], on_2026_03_01=[{}])
    (tmp_path / "data").mkdir()
    space = with_mailboxes(tmp_path / "data", listed, many({A: 1, B: 1}))
    assert texts(space, UNLISTED) == [(B, f"{B}: 1 mailbox; listed until 1 January 2026")]
    assert audit("mailboxes", space)["operator_id"].tolist() == [BETA_ID]


def test_without_an_extraction_nothing_is_said_to_be_checked(tmp_path: Path) -> None:
    space = make_space({})
    assert lacking(space)["mailboxes"] == ("mailboxes",)
    assert audit_all(space)["mailboxes"].isna().all()
    put(tmp_path, text(many({A: 50}))[:-100], "202601151013")
    broken = with_mailboxes(tmp_path, space, many({A: 1}))
    assert texts(broken, LOST) == [], "the earlier one is damaged"


@pytest.mark.parametrize(
    ("at", "cut", "words"),
    [
        ("202601151013", None, "extraction of 15 January 2026: 45 days before the list"),
        ("202603011013", -100, "extraction of 1 March 2026: damaged"),
    ],
)
def test_an_old_or_damaged_one_makes_numbers_unknown(tmp_path: Path, at: str, cut: Any, words: str) -> None:
    put(tmp_path, text(many({A: 5, "elsewhere.mssante.fr": 5}))[:cut], at)
    space = replace(make_space({}, BETA), mailboxes=find_extractions(tmp_path, AS_OF))
    assert texts(space, "MAILBOX_UNUSABLE") == [("", words)]
    findings = audit_all(space)
    assert findings["mailboxes"].isna().all()
    assert (findings["audit"] == "mailboxes").sum() == 1
    assert domains_of(space, findings)["mailboxes"].isna().all()
