"""What is known of each domain: check by check, why, and how it is written."""

import json
import re
import shutil
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import openpyxl
import pandas as pd
import pytest
from commands import said
from conftest import CATALOGUE, REAL, toml
from jsonschema import Draft202012Validator
from made_up import ALPHA, BETA_DN, make_space, xml_of

from mssante_audit.audits import audit_all
from mssante_audit.declarations.register import load_declarations
from mssante_audit.findings import registry
from mssante_audit.findings.catalogue import CHECKS, FAILED, Rule
from mssante_audit.findings.causes import causes
from mssante_audit.findings.frame import Finding, findings_frame
from mssante_audit.findings.registry import Audit, catalogue, register
from mssante_audit.report.cards import view
from mssante_audit.report.first import answer, first_cause
from mssante_audit.report.results import open_space
from mssante_audit.site.view import View
from mssante_audit.snapshot import load_space, make_snapshot
from mssante_audit.snapshot.dictionary import schema
from mssante_audit.space.trust import TrustSpace
from mssante_audit.values.person import unnamed
from mssante_audit.verdicts.checks import RECEPTION
from mssante_audit.verdicts.domains import domains, domains_of, records_of
from mssante_audit.verdicts.words import CHECK_NAMES, DOUBTS, reasons
from mssante_audit.whitelist.load import doubts
from mssante_audit.whitelist.rows import owners
from mssante_audit.whitelist.signature import Verdict

AT = "2026-03-03T06:00:00+00:00"
BETA = {"domain": "ch-beta.mssante.fr", "description": "Domaine du CH Beta", "dn": BETA_DN}


def signed(space: TrustSpace, status: str = "valid") -> TrustSpace:
    space.whitelist.__dict__["signature"] = Verdict(status, "made up")
    return space


def row_of(space: TrustSpace, *findings: Finding) -> dict[str, Any]:
    """Return the first domain's row, for findings made up."""
    return domains_of(space, findings_frame(findings, space.entries)).iloc[0].to_dict()


@pytest.fixture
def others(monkeypatch):
    monkeypatch.setattr(registry, "registered", {})
    yield
    catalogue.cache_clear()


@pytest.mark.parametrize("case", toml("verdicts/domains")["decides"])
def test_a_finding_decides_the_check_of_its_rule(case):
    code, row, confidence, check, result = case
    finding = Finding(code, "x", (row,) if row else (), confidence=confidence)
    cells = row_of(signed(make_space({}, BETA)), finding)
    assert (cells[check], cells["order"]) == (result, {"fail": "urgent", "warn": "todo", "ok": "ok"}[result])
    assert cells["why"].get(check) == (None if result == "ok" else [code])
    assert {cells[other] for other in {"listed", "certificate", "contacts"} - {check}} == {"ok"}


def test_the_worst_decides_and_names_all_that_are_as_bad():
    codes = ("CONTACT_NO_PHONE", "CONTACT_EMAIL_MALFORMED", "CONTACT_NO_EMAIL", "LIST_PAIR_REPEATED")
    row = row_of(signed(make_space({})), *(Finding(code, "x", (1,)) for code in codes))
    assert sorted(row["why"]["contacts"]) == ["CONTACT_EMAIL_MALFORMED", "CONTACT_NO_EMAIL"]
    assert [row[name] for name in ("contacts", "listed", "receives", "order")] == [
        "fail", "warn", "unknown", "urgent"
    ]  # fmt: skip
    assert row["reasons"].replace("\xa0", " ") == (
        "Inscription : même domaine et même certificat, lignes différentes. "
        "DNS : aucune observation du DNS. Messagerie : aucune observation du DNS. "
        "TLS : aucune observation du DNS ; aucune observation de TLS. "
        "Contacts : adresse électronique impossible ; contact sans adresse électronique. "
        "Déclaration : aucun registre de déclarations."
    )


@pytest.mark.parametrize(
    ("at", "tls"), [("2026-03-09T06:30:00Z", ["too-old"]), ("2026-03-09T08:00:00Z", ["too-old", "tls-old"])]
)
def test_what_was_seen_too_long_ago_is_unknown_and_its_findings_stay(at, tls):
    old = load_space(as_of=at)
    frame = domains(old)
    frame = frame[frame["why"].map(lambda why: why["dns"] != ["no-name"])]  # that needs no observation
    assert len(frame) > 100
    for check, codes in (("dns", ["too-old"]), ("mail", ["too-old"]), ("tls", tls)):
        assert set(frame[check]) == {"unknown"} == set(frame["receives"])
        assert all(why[check] in (["too-old"], codes, ["not-observed"]) for why in frame["why"])
    assert {"DNS_DELEGATION_DEAD", "DNS_MX_UNRESOLVED", "TLS_EXPIRED"} <= set(audit_all(old)["rule"])
    assert frame["critical"].sum() > 0
    assert not re.search("DNS_|TLS_", str(frame["why"].tolist()))


def test_a_fault_of_several_declarations_is_one_of_each_domain(tmp_path):
    names = ["ch-alpha.mssante.fr", "CH-Beta.mssante.fr", "ch-gamma.mssante.fr"]
    rows = zip(names, ("MSS-1", "MSS-1", ""), strict=True)
    text = "domain,contract_number,structure_id\n" + "".join(f"{n},{c},1759900004\n" for n, c in rows)
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    space = make_space(*({"domain": name} for name in names))
    space = signed(replace(space, register=load_declarations(tmp_path / "a.csv")))
    findings = audit_all(space)
    (finding,) = findings[findings["rule"] == "DECL_CONTRACT_SHAPE"].to_dict("records")
    assert (finding["domains"], finding["rows"]) == (2, ())
    frame = domains_of(space, findings)
    assert frame["declaration"].tolist() == ["warn", "warn", "ok"]
    assert [why.get("declaration") for why in frame["why"]] == [["DECL_CONTRACT_SHAPE"]] * 2 + [None]
    by_record = [[f["rule"] for f in record["findings"]] for record in records_of(space, names)]
    (operator,) = View(space, findings, findings[:0], None, (), None, None).operators.values()
    shown = [[findings["rule"][at] for at in domain.findings] for domain in operator.domains]
    for rules in (by_record, sorted(shown, key=len, reverse=True)):
        assert [each.count("DECL_CONTRACT_SHAPE") for each in rules] == [1, 1, 0]


def test_the_operator_of_a_domain_is_one_and_no_mixture_of_several():
    rows = [("A", "X", "44"), ("A", "Y", "44"), ("B", "Z", "75"), ("B", "Z", "75"), ("A", "Y", "49")]
    entries = pd.DataFrame(rows, columns=["operator_id", "operator", "department"]).assign(domain="d")
    assert owners(entries) == {"d": ("A", "X", "44")}
    assert owners(entries[::-1]) == owners(entries), "the order of a list moves from night to night"
    nobody = entries.iloc[:2].assign(operator_id=["", "B"], operator=["", "Z"])
    assert owners(nobody) == {"d": ("B", "Z", "44")}, "a name rather than none"
    many = pd.DataFrame([(str(n), "", "75", "d") for n in range(100_000)], columns=entries.columns)
    assert owners(many) == {"d": ("0", "", "75")}, "in no time, for one domain may have all rows"


@pytest.mark.parametrize("status", ["invalid", "absent", "valid-untrusted"])
def test_a_list_that_is_not_to_be_relied_on_makes_all_unknown(status):
    space = signed(make_space({}, BETA), status)
    frame = domains_of(space, findings_frame([Finding("DN_SHAPE", "x", (1,))], space.entries))
    assert set(frame["listed"]) == set(frame["order"]) == {"unknown"}
    assert frame["certificate"].tolist() == ["fail", "ok"]  # what its rows say is still told
    assert (expected := doubts(space.whitelist, space.as_of, timedelta(days=7)))
    assert [why["listed"] for why in frame["why"]] == [expected, expected]


def test_every_doubt_and_check_has_its_words():
    assert DOUBTS["fr"].keys() == DOUBTS["en"].keys()
    for language in ("fr", "en"):
        assert CHECK_NAMES[language].keys() == set(CHECKS)
        assert all(words in reasons({"listed": [code]}, language) for code, words in DOUBTS[language].items())
    once = {"dns": ["zone-dead"], "mail": ["not-reached"], "receives": ["zone-dead"]}
    sentence = "DNS: no server answers for the zone. Mail: the domain does not say which its mail hosts are."
    twice = reasons(once | {"dns": ["DNS_DELEGATION_DEAD"]}, "en")
    assert reasons(once, "en") == sentence
    assert twice.endswith("Receiving: no server answers for the zone.")
    assert reasons({"dns": ["not_audited"]}) == ""
    assert reasons({"contacts": [FAILED]}, "en") == "Contacts: a rule could not be evaluated."
    assert reasons({"certificate": ["DN_ID_LUHN"]}, "en").startswith("Certificate: ")


SEEN = Rule(
    "TLS_SEEN_WEAK", family="TLS", severity="warning", source="none", title_fr="TLS faible",
    title_en="Weak TLS", why_fr="x", why_en="x", remedy_fr="x", remedy_en="x", check="tls",
)  # fmt: skip


@pytest.mark.usefixtures("others")
def test_an_audit_of_a_package_decides_a_check_by_its_rules():
    register(Audit("tls_seen", "TLS", (SEEN,), lambda space: [Finding("TLS_SEEN_WEAK", "x", (1,))]))
    space = signed(make_space({}, BETA))
    frame = domains_of(space, audit_all(space))
    assert frame["tls"].tolist() == ["warn", "unknown"]
    assert frame["why"][1]["tls"] == ["no_observation", "no_tls"]
    assert "TLS\xa0: TLS faible." in frame["reasons"][0]
    register(Audit("tls_seen", "TLS", (SEEN,), lambda space: [], needs=("mailboxes",)))
    why = domains_of(space, audit_all(space))["why"][1]
    assert why["tls"] == ["no_observation", "no_tls", "no_mailboxes"]


@pytest.mark.usefixtures("others")
def test_a_rule_that_fails_leaves_its_check_unknown_and_no_domain_well():
    def breaks(space: TrustSpace) -> list[Finding]:
        raise ValueError("no")

    seen = SEEN.model_copy(update={"code": "CERT_SEEN_WEAK", "check": "certificate"})
    register(Audit("certs_seen", "Certificats", (seen,), breaks))
    space = signed(make_space({}, BETA))
    findings = audit_all(space)
    assert FAILED in set(findings["rule"])
    frame = domains_of(space, findings)
    assert set(frame["certificate"]) == {"unknown"} == set(frame["order"])
    assert frame["why"][0]["certificate"] == [FAILED]
    assert set(frame["contacts"]) == {"ok"}


def test_a_check_is_one_there_is():
    with pytest.raises(Exception, match=r"check is 'smell'\. Allowed: \"\", listed, certificate"):
        Rule(**SEEN.model_dump() | {"check": "smell"})
    assert {rule.check for rule in catalogue().values()} == {"", *CHECKS}
    # Whatever makes the list unknown is told by its own words, and whatever names a check may decide it.
    assert {rule.check for rule in catalogue().values() if rule.affects_list} == {"listed"}


def test_a_waived_finding_counts_for_nothing(tmp_path):
    space = signed(make_space({"support_contact": "support@alpha.example"}))
    (waivers := tmp_path / "waivers.toml").write_text(
        f'[[waiver]]\ndomain = "{ALPHA["domain"]}"\nrule = "CONTACT_NO_PHONE"\nreason = "known"\n'
        'who = "somebody"\nuntil = 2026-12-31\n'
    )
    assert domains(space)["contacts"].tolist() == ["warn"]
    assert domains(replace(space, waivers=waivers))["contacts"].tolist() == ["ok"]


@cache
def of_the_sample(*arguments: str) -> str:
    return said("domains", "--as-of", AT, *arguments)


def test_each_format_has_every_domain_of_the_sample(tmp_path, sample_space):
    frame = domains(sample_space)
    rows = json.loads(of_the_sample("--format", "json"))
    Draft202012Validator(schema("domains")).validate(rows)
    assert [row["domain"] for row in rows] == [*map(unnamed, sample_space.audited["domain"].unique())]
    assert [row["why"] for row in rows] == frame["why"].tolist()
    french, english = of_the_sample(), of_the_sample("--lang", "en")
    assert ("Certificat\xa0: " in french, "Certificate: " in english) == (True, True)
    assert "Certificat\xa0" not in english
    for suffix in ("csv", "xlsx", "parquet"):
        said("domains", "--as-of", AT, "--format", suffix, "--out", tmp_path / f"d.{suffix}")
    csv = pd.read_csv(tmp_path / "d.csv", encoding="utf-8-sig", dtype="str", keep_default_na=False)
    assert list(csv.columns) == [name for name in frame.columns if name != "why"]
    assert csv["order"].tolist() == frame["order"].tolist()
    (sheet,) = openpyxl.load_workbook(tmp_path / "d.xlsx").worksheets
    assert (sheet.title, sheet.max_row) == ("domains", len(frame) + 1)
    parquet = pd.read_parquet(tmp_path / "d.parquet")
    assert list(parquet.columns) == list(frame.columns)
    assert list(map(json.loads, parquet["why"])) == frame["why"].tolist()


def test_no_contact_is_named_and_no_cell_is_a_formula(tmp_path):
    (tmp_path / "list.xml").write_bytes(xml_of({"domain": "=1+1.mssante.fr"}, BETA))
    text = said("domains", "--data", tmp_path, "--as-of", AT)
    assert "\n'=1+1.mssante.fr," in text
    assert "alpha.example" not in text.replace("mss.alpha.example", "")
    assert "01 99" not in text


def test_a_snapshot_that_may_be_shared_tells_the_same(tmp_path, sample_space):
    make_snapshot(sample_space, tmp_path / "s", shareable=True)
    for more in (("--format", "json"), ("--lang", "en"), ("--region", "Corse")):
        assert said("domains", "--data", tmp_path / "s", *more) == of_the_sample(*more)
    expected = domains(sample_space)  # a domain that is an address names somebody
    expected["domain"] = expected["domain"].map(unnamed).astype(expected["domain"].dtype)
    pd.testing.assert_frame_equal(domains(load_space(tmp_path / "s")), expected)


def test_a_snapshot_whose_data_are_gone_says_of_a_domain_what_it_said(tmp_path):
    shutil.copytree(CATALOGUE, tmp_path / "data")
    space = load_space(tmp_path / "data", as_of=AT, anchors=[CATALOGUE / "anchors"])
    make_snapshot(space, tmp_path / "s")
    shutil.rmtree(tmp_path / "data")
    each = domains(space, language="en").drop_duplicates(["receives", "order"])
    assert len(each) > 5
    for name, receives, order, why in each[["domain", "receives", "order", "reasons"]].to_numpy():
        text = said("check", name, "--data", tmp_path / "s")
        expected = (f"\narrives: {receives}", f"\nin order: {order}", *why.rstrip(".").split(". "))
        assert [words for words in expected if words not in text] == []
    controls = view(load_space(tmp_path / "s"))
    assert answer(domains(space)).text in controls
    assert first_cause(causes(audit_all(space), space.audited, space.published)).text in controls


def test_the_sample_has_each_answer_with_its_reason(sample_space):
    frame = domains(sample_space)
    assert set(frame["order"]) == {"ok", "todo", "urgent"}
    for row in frame.to_dict("records"):
        counted = {row[check] for check in CHECKS if check not in RECEPTION or row["receives"] == "yes"}
        assert row["order"] == ("urgent" if "fail" in counted else "todo" if "warn" in counted else "ok")
        unwell = {check for check in CHECKS if row[check] != "ok"}
        assert row["why"].keys() == unwell | ({"receives"} if row["receives"] != "yes" else set())
        assert (row["dns"], row["receives"]) != ("fail", "unknown")
    assert {*frame["dns"]} == {*frame["mail"]} == {"fail", "warn", "unknown", "ok"}
    assert {*frame["receives"]} == {"yes", "degraded", "no", "unknown"}
    assert "zone du gestionnaire" not in " ".join(frame["reasons"])  # of all domains, and so of none
    late = domains(load_space(as_of="2026-09-01"))  # its list is too old then
    assert (set(late["order"]), set(late["receives"])) == ({"unknown"}, {"unknown", "no"})
    assert (late.loc[late["receives"] == "no", "domain"].str.len() > 63).all()  # no such name can be


@pytest.mark.real
@pytest.mark.long
def test_the_real_list():
    if not REAL.exists():
        pytest.skip("no real list beside the checkout (../shared/real)")
    frame = domains(open_space(data=str(REAL), as_of="2025-03-01"))
    assert len(frame) == 4906
    assert set(frame["declaration"]) == {"unknown"}
    assert (frame["listed"] != "unknown").all()
    counts = frame["order"].value_counts()
    assert counts["ok"] > counts["todo"] > counts["urgent"] > 0
