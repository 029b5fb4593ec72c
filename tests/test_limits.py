"""Whom a report, a table or dossiers are limited to: an operator, and the places where operators sit."""

import json

import pandas as pd
import pytest
from commands import said
from conftest import toml
from made_up import BETA_DN, make_space

from mssante_audit.base.errors import AuditError, UnknownNameError
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.frame import Finding, findings_frame
from mssante_audit.findings.ledger import scope_of
from mssante_audit.report.findings import opening
from mssante_audit.report.results import Limits, limited, limited_to, limits, touching
from mssante_audit.report.run import run_reports
from mssante_audit.space.story import chronicle
from mssante_audit.values.identifiers import DEPARTMENTS, REGIONS, places
from mssante_audit.values.person import unnamed

AT = "2026-03-03T06:00:00Z"
BETA = {"domain": "ch-beta.mssante.fr", "description": "Domaine du CH Beta", "dn": BETA_DN}


def test_every_region_and_departement_is_known_by_its_names():
    for name, codes in REGIONS.items():
        for text in (name, name.upper(), name.replace("-", " ").replace("é", "e"), f"  {name.lower()} ,"):
            assert places(text).codes == frozenset(codes)
    for code, label in DEPARTMENTS.items():
        for text in (code, code.lower(), label, label.upper(), f"{label} ({code})"):
            assert places(department=text).codes == {code}
    assert places(department="1").codes == {"01"}  # papermill reads 01 as a number


@pytest.mark.parametrize(("region", "department", "line"), toml("limits")["unknown"])
def test_an_unknown_name_is_one_line_with_the_nearest(region, department, line):
    with pytest.raises(UnknownNameError) as caught:
        places(region or None, department or None)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_place_without_an_operator_is_refused_with_those_that_have_one(space):
    with pytest.raises(UnknownNameError, match=r"no operator of this list sits in Bretagne.*2A, .*75"):
        limits(space, None, "bretagne")
    with pytest.raises(UnknownNameError, match="the operator 399900000300015 does not sit in Corse"):
        limits(space, "399900000300015", "corse")


def test_a_finding_that_touches_the_place_by_one_of_its_rows_stays():
    space = make_space({}, BETA)
    findings = [
        Finding("DN_CN_OPERATORS", "both", (1, 2)),  # most of its rows, and so its operator, elsewhere
        Finding("DN_SHAPE", "there", (1,)),
        Finding("DN_SHAPE", "here", (2,)),
        Finding("LIST_OLD", "list", facts={"days": 9}),
        Finding("DECL_CONTRACT_SHAPE", "declared", domains=("x.fr",), operator_id="1679900001"),
        Finding("DECL_CONTRACT_SHAPE", "declared there", domains=("x.fr",), operator_id="1759900004"),
        Finding("DECL_COLUMN", "register", domains=("x.fr", "ch-beta.mssante.fr")),
        Finding("MAILBOX_UNLISTED", "y.fr", domains=("y.fr",)),
        Finding("DECL_DATE_MISSING", "ch-beta", domains=("ch-beta.mssante.fr",)),
        Finding(FAILED, "rule", facts={"audit": "dn_consistency"}),
    ]
    frame = findings_frame(findings, space.entries)
    kept = touching(frame, space, limits(space, None, "Grand Est"))
    of_beta = touching(frame, space, limits(space, "CH BETA"))
    of_both = {"both", "here", "declared", "rule"}
    assert {name for (name, *_) in of_beta["subject"]} == of_both
    assert {name for (name, *_) in kept["subject"]} == of_both | {"list", "register", "ch-beta"}
    assert kept.dtypes.equals(frame.dtypes)
    assert touching(frame, space, Limits()) is frame
    assert touching(frame.iloc[:0], space, limits(space, None, "Grand Est")).dtypes.equals(frame.dtypes)


def test_every_finding_on_a_row_of_the_place_is_kept(space, findings):
    everywhere = set()
    for code in sorted({*space.audited["department"]} - {""}):
        chosen = limits(space, department=code)
        rows = set(limited(space.entries, chosen)["row"])
        assert rows == set(space.entries.loc[space.entries["department"] == code, "row"])
        kept = touching(findings, space, chosen)
        inside = {f for f, r in zip(findings["fingerprint"], findings["rows"], strict=True) if rows & set(r)}
        assert inside <= set(kept["fingerprint"])
        everywhere |= set(kept["fingerprint"])
        assert len(kept) < len(findings)
    left = findings[~findings["fingerprint"].isin(everywhere)]
    sitting = space.audited.loc[space.audited["department"] != "", "operator_id"]
    assert set(left["operator_id"]).isdisjoint(sitting), "of operators that sit nowhere"


def test_domains_and_findings_of_the_command_line_are_those_of_the_place(space):
    entries = space.audited[space.audited["region"].isin(["Île-de-France", "Corse"])]
    for options in (("--region", "ile de france, corse"), ("--region", "Corse", "--region", "ILE-DE-FRANCE")):
        rows = json.loads(said("domains", "--as-of", AT, *options, "--format", "json"))
        assert [row["domain"] for row in rows] == [unnamed(domain) for domain in entries["domain"].unique()]
    findings = json.loads(said("findings", "all", "--as-of", AT, "--department", "2a", "--format", "json"))
    numbers = set(space.entries.loc[space.entries["department"] == "2A", "row"])
    assert findings
    assert all(not f["rows"] or f["operator_id"] == "12A9900000" or numbers & {*f["rows"]} for f in findings)


def test_dossiers_are_those_of_the_operators_that_sit_there(tmp_path):
    out = tmp_path / "dossiers"
    said("dossiers", "--as-of", AT, "--operator", "1970490009", "--out", out)
    said("dossiers", "--as-of", AT, "--region", "Corse", "--out", out)
    dossiers = json.loads((out / "dossiers.json").read_text(encoding="utf-8"))["dossiers"]
    assert {record["operator_id"] for record in dossiers} == {"12A9900000", "1970490009"}  # the other's stays
    with pytest.raises(AuditError, match="none of these operators sits there"):
        said("dossiers", "--as-of", AT, "--region", "Corse", "--operator", "1970490009", "--out", out)


def test_a_report_says_so_where_it_begins(space):
    def told(**place: str) -> str:
        chosen = limits(space, **place)
        shown = opening(space, limited(space.audited, chosen), None, chosen)._repr_html_()
        return shown.replace("\xa0", " ").replace("<bdi>", "").replace("</bdi>", "")

    of_corse = "Rapport limité aux opérateurs de la région <strong>Corse</strong>, d’après"
    assert of_corse in told(region="corse")
    assert "des régions <strong>Corse et Île-de-France</strong>" in told(region="corse, ile-de-france")
    assert "du département <strong>Paris (75)</strong>" in told(region="ile de france", department="75")
    assert "Rapport limité à l’opérateur" in told(operator="1970490009", region="la reunion, guadeloupe")
    assert "Rapport limité" not in told()
    assert limited_to(Limits()) == ""


def test_reports_are_limited_as_they_say(tmp_path, space, findings):
    settings = {"as_of": AT, "region": "corse"}
    done = run_reports(["dn_consistency"], out=tmp_path, parameters=settings)
    page = (tmp_path / "dn_consistency.html").read_text(encoding="utf-8")
    assert "Rapport limité aux opérateurs" in page
    results = done.outcomes[0].results
    dn = findings[findings["audit"] == "dn_consistency"]
    kept = touching(dn, space, limits(space, None, "Corse"))
    assert results.findings["fingerprint"].tolist() == kept["fingerprint"].tolist()


def test_what_happened_to_operators_of_a_place_is_told_of_them_alone(space):
    whole = chronicle(space).whole.changes
    of_paris = chronicle(space, departments={"75"}).whole.changes
    lists = [space.archive.load(snapshot).entries for snapshot in space.archive.snapshots]
    rows = pd.concat([entries[~entries["is_audit_entry"]] for entries in lists])
    sitting = set(rows.loc[rows["department"] == "75", "operator_id"])
    touches = whole["operator_before"].isin(sitting) | whole["operator_after"].isin(sitting)
    assert len(of_paris) == touches.sum()
    assert 0 < len(of_paris) < len(whole)
    assert chronicle(space, departments=()).whole.changes.empty


def test_a_report_without_a_place_goes_on_with_its_ledger():
    assert scope_of("x", {"operator": None}) == scope_of("x", {"operator": None, "region": None})
    assert scope_of("x", {"region": "Corse"}) != scope_of("x", {"region": None})
