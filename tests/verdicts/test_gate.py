"""The gate: edits of the sample's list, good and bad, and declarations, each with its verdict."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import CATALOGUE
from typer.testing import CliRunner

from mssante_audit.base.errors import WhiteListError
from mssante_audit.cli.main import app
from mssante_audit.declarations.register import load_declarations
from mssante_audit.declarations.write import write_register
from mssante_audit.space.trust import TrustSpace, load_space
from mssante_audit.values.hosts import in_zone
from mssante_audit.verdicts.gate import Edit, judge_declaration, judge_edit
from mssante_audit.whitelist.load import load_whitelist

SAMPLE = CATALOGUE
LIST = SAMPLE / "listeblanchemssante.xml.gz"
XML = gzip.decompress(LIST.read_bytes()).decode()
ROWS = re.findall(r" *<Domaine>.*?</Domaine>\n", XML, re.DOTALL)
DOMAIN = "ch-buttefictive.mssante.fr"
ROW = next(row for row in ROWS if DOMAIN in row)
END = "    </ListeDomaines>"


@pytest.fixture(scope="module")
def space() -> TrustSpace:
    return load_space(SAMPLE, as_of="2026-03-03")


def judged(space: TrustSpace, xml: str, tmp_path: Path) -> Edit:
    file = tmp_path / "after.xml"
    file.write_text(xml, encoding="utf-8")
    return judge_edit(space, load_whitelist(file, recover=True, any_namespace=True, max_field=2**16))


def filled(element: str, text: str) -> str:
    return XML.replace(ROW, re.sub(f"<{element}>.*?<", f"<{element}>{text}<", ROW))


def added(domain: str) -> str:
    return XML.replace(END, ROW.replace(DOMAIN, domain) + END)


EDITS: dict[str, tuple[str, str, str, set[str]]] = {
    "a good domain": (added("ch-nouveau.mssante.fr"), "ready", "added", set()),
    "a misspelt zone": (added("ch-nouveau.msante.fr"), "not-ready", "added", {"LIST_DOMAIN_INVALID"}),
    "another ending": (added("ch-nouveau.mssante.com"), "not-ready", "added", {"LIST_DOMAIN_INVALID"}),
    "a space": (added("ch nouveau.mssante.fr"), "not-ready", "added", {"LIST_DOMAIN_INVALID"}),
    "a new date": (filled("DateMAJ", "2026-03-02T05:00:00Z"), "ready", "restamped", set()),
    "a description": (filled("Description", "Centre hospitalier"), "ready", "changed", set()),
    "no contact": (filled("SupportContact", ""), "not-ready", "changed", {"LIST_UNREADABLE_ROW"}),
    "a field too long": (filled("Description", "x" * 256), "not-ready", "changed", {"EDIT_FIELD_LONG"}),
    "no date": (filled("DateMAJ", "hier"), "not-ready", "restamped", {"LIST_DATE_UNREADABLE"}),
    "another country": (
        XML.replace(ROW, ROW.replace("C=FR", "C=FRX")),
        "not-ready",
        "changed",
        {"DN_COUNTRY"},
    ),
    "a row twice": (XML.replace(ROW, ROW + ROW), "ready", "changed", {"LIST_ROW_DUPLICATE"}),
    "a row less": (XML.replace(ROW, ""), "not-ready", "removed", {"MAILBOX_UNLISTED"}),
    "a new name": (XML.replace(DOMAIN, "ch-autre.mssante.fr"), "not-ready", "renamed", {"MAILBOX_UNLISTED"}),
}


@pytest.mark.parametrize(("xml", "verdict", "change", "rules"), EDITS.values(), ids=EDITS)
def test_an_edit_of_a_row(
    xml: str, verdict: str, change: str, rules: set[str], space: TrustSpace, tmp_path: Path
) -> None:
    edit = judged(space, xml, tmp_path)
    (row,) = edit.rows
    assert (edit.verdict, row.verdict, row.change) == (verdict, verdict, change)
    assert rules <= {finding.rule for finding in row.findings}
    assert {finding.severity for finding in row.findings} >= ({"error"} if verdict == "not-ready" else set())
    assert row.before == (DOMAIN if change == "renamed" else "")
    assert edit.list == ()


@pytest.mark.parametrize("xml", [XML, XML.replace(ROW, "").replace(END, ROW + END)], ids=["same", "moved"])
def test_an_edit_of_nothing_is_ready_with_nothing_told(xml: str, space: TrustSpace, tmp_path: Path) -> None:
    edit = judged(space, xml, tmp_path)
    assert (edit.verdict, edit.rows, edit.list, edit.introduced, edit.resolved) == ("ready", (), (), 0, 0)
    assert edit.untouched > 200
    assert edit.signed


@pytest.mark.parametrize(
    ("xml", "rule"),
    [
        (XML.replace(' xmlns="https://listeblanche.mssante.fr/schema"', ""), "LIST_NAMESPACE"),
        (re.sub("<DateDeGeneration>.*?</DateDeGeneration>", "", XML), "LIST_UNREADABLE_ROW"),
        (XML.replace("</ListeBlancheMSSante>", ""), "LIST_DAMAGED"),
        (XML[: len(XML) // 2], "LIST_DAMAGED"),
        (XML.replace("".join(ROWS[20:60]), ""), "EDIT_ROWS_LOST"),
        (re.sub("(<DateDeGeneration>)....", r"\g<1>2031", XML), "EDIT_DATE"),
        (re.sub("(<DateDeGeneration>)....", r"\g<1>2020", XML), "LIST_OLD"),
        (XML.replace("ListeDomaines", "Liste"), "LIST_UNREADABLE_ROW"),
    ],
    ids=["namespace", "date", "unclosed", "cut", "a tenth", "future", "old", "other shape"],
)
def test_a_fault_of_the_list_is_one_of_the_edit(
    xml: str, rule: str, space: TrustSpace, tmp_path: Path
) -> None:
    edit = judged(space, xml, tmp_path)
    assert edit.verdict == "not-ready"
    assert rule in {finding.rule for finding in edit.list if finding.severity in ("error", "critical")}


def with_field(row: str, element: str, text: str) -> str:
    return re.sub(f"<{element}>.*?<", f"<{element}>{text}<", row)


ABROAD = ROW.replace("C=FR", "C=FRX")
UNREACHABLE = with_field(ROW, "SupportContact", "02 61 91 35 61")
SUPPORT = re.search("<SupportContact>(.*?)<", ROW)[1]  # type: ignore[index]
STOOD = {
    # a row with an error as it is published, what the edit makes of it; the rule introduced, if one is
    "another row": (ABROAD, ABROAD, ""),
    "description": (ABROAD, with_field(ABROAD, "Description", "Centre hospitalier"), ""),
    "date": (ABROAD, with_field(ABROAD, "DateMAJ", "2026-03-02T05:00:00Z"), ""),
    "the same name, other server": (ABROAD, ABROAD.replace("CN=", "CN=n"), ""),
    "a copy": (ABROAD, ABROAD + ABROAD, ""),
    "mended": (ABROAD, ROW, ""),
    "another wrong country": (ABROAD, ABROAD.replace("FRX", "GB"), "DN_COUNTRY"),
    "another error": (ABROAD, with_field(ABROAD, "SupportContact", "02 61 91 35 61"), "CONTACT_NO_EMAIL"),
    "still no address": (UNREACHABLE, UNREACHABLE.replace("35 61", "35 62"), ""),
    "another contact without address": (
        UNREACHABLE,
        with_field(with_field(ROW, "ResponsableContact", "02 61 91 35 60"), "SupportContact", SUPPORT),
        "CONTACT_NO_EMAIL",
    ),
    "another element without text": (
        with_field(ROW, "SupportContact", ""), with_field(ROW, "Description", ""), "LIST_UNREADABLE_ROW",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("published", "proposed", "introduced"), STOOD.values(), ids=STOOD)
def test_a_finding_that_stood_before_makes_no_edit_not_ready(
    published: str, proposed: str, introduced: str, space: TrustSpace, tmp_path: Path
) -> None:
    before = tmp_path / "before.xml"
    before.write_text(XML.replace(ROW, published), encoding="utf-8")
    known = replace(space, whitelist=replace(load_whitelist(before), verdict=space.whitelist.signature))
    after = XML.replace(ROW, proposed)
    if published == proposed:
        other = next(row for row in ROWS if row != ROW)
        after = after.replace(other, with_field(other, "Description", "Messagerie"))
    edit = judged(known, after, tmp_path)
    serious = {f.rule for row in edit.rows for f in row.findings if f.severity in ("error", "critical")}
    assert (edit.verdict, serious) == (("not-ready", {introduced}) if introduced else ("ready", set())), (
        edit.rows
    )
    assert len(edit.rows) == 1
    assert edit.list == ()


def test_an_unreliable_published_list_makes_everything_unknown(tmp_path: Path) -> None:
    old = load_space(SAMPLE, as_of="2026-09-01")
    edit = judged(old, added("ch-nouveau.msante.fr"), tmp_path)
    assert (edit.verdict, edit.doubts, edit.rows[0].verdict) == ("unknown", ("old",), "unknown")


@pytest.mark.parametrize("text", ["<html/>", "", "domaine;contact\n"], ids=["page", "empty", "register"])
def test_what_is_no_list_is_refused(text: str, space: TrustSpace, tmp_path: Path) -> None:
    with pytest.raises(WhiteListError, match=r"after\.xml"):
        judged(space, text, tmp_path)


def run(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["gate", *map(str, arguments)])
    return done.exit_code, done.stdout


@pytest.mark.parametrize("language", ["fr", pytest.param("en", marks=pytest.mark.long)])
def test_each_format_says_the_same(language: str, tmp_path: Path) -> None:
    after = tmp_path / "après <b>.xml"
    after.write_text(added("ch-nouveau.msante.fr"), encoding="utf-8")
    how = (LIST, after, "--data", SAMPLE, "--as-of", "2026-03-03", "--lang", language, "--format")
    found = {name: run(*how, name) for name in ("text", "json", "markdown", "sarif")}
    assert {status for status, _ in found.values()} == {1}
    told: dict[str, Any] = json.loads(found["json"][1])
    assert list(told)[:6] == ["verdict", "rows", "list", "introduced", "resolved", "untouched"]
    (row,) = told["rows"]
    assert (row["domain"], row["change"], row["verdict"]) == ("ch-nouveau.msante.fr", "added", "not-ready")
    assert {*row["findings"][0]} == {"rule", "severity", "confidence", "observed", "expected", "remedy"}
    results = json.loads(found["sarif"][1])["runs"][0]["results"]
    assert {result["ruleId"] for result in results} == {finding["rule"] for finding in row["findings"]}
    line = after.read_text("utf-8").splitlines()[
        results[0]["locations"][0]["physicalLocation"]["region"]["startLine"] - 1
    ]
    assert "<Domaine>" in line
    for name in ("text", "markdown"):
        assert "LIST_DOMAIN_INVALID" in found[name][1]
        assert ("to be corrected" if language == "en" else "à corriger") in found[name][1]
    assert "+33" not in "".join(text for _, text in found.values())


@pytest.mark.parametrize(
    ("before", "after", "status", "line"),
    [
        ("list", "list", 0, "Les deux fichiers sont les mêmes"),
        ("edit", "list", 4, "Fichiers inversés"),
    ],
    ids=["the same file twice", "in the wrong order"],
)
def test_files_that_are_mixed_up_are_told_in_a_line(
    before: str, after: str, status: int, line: str, tmp_path: Path
) -> None:
    unsigned = re.sub(
        r"<(\w+:)?Signature.*</(\w+:)?Signature>", "", added("ch-nouveau.mssante.fr"), flags=re.DOTALL
    )
    (tmp_path / "edit.xml").write_text(unsigned, encoding="utf-8")
    files = {"list": LIST, "edit": tmp_path / "edit.xml"}
    code, text = run(files[before], files[after], "--data", SAMPLE, "--as-of", "2026-03-03")
    assert (code, [one for one in text.splitlines() if one.startswith(line)] != []) == (status, True), text


def test_a_domain_that_moves_to_another_operator_is_changed(space: TrustSpace, tmp_path: Path) -> None:
    whose = dict(zip(space.entries["domain"], space.entries["ou"], strict=True))
    own = whose[DOMAIN]
    other = next(ou for ou in whose.values() if ou and ou != own)
    edit = judged(space, XML.replace(ROW, ROW.replace(f"OU={own}", f"OU={other}")), tmp_path)
    assert [(row.domain, row.change) for row in edit.rows] == [(DOMAIN, "changed")]


def test_one_argument_is_not_enough(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["gate", str(LIST)])
    assert done.exit_code != 0
    assert "BEFORE and AFTER" in str(done.exception)


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "ready"),
        ({"domain": "ch-pas-encore.mssante.fr"}, "ready"),
        ({"domain": "ch-pas-encore.msante.fr"}, "not-ready"),
        ({"domain": "ch pas encore"}, "not-ready"),
    ],
    ids=["as it stands", "not listed yet", "misspelt", "no name"],
)
def test_a_declaration(changed: dict[str, str], verdict: str, space: TrustSpace, tmp_path: Path) -> None:
    register = load_declarations(SAMPLE / "declarations.csv").declarations
    good = register[register["domain"].isin(space.entries["domain"])].tail(1).assign(**changed)
    file = tmp_path / "annexe1.csv"
    write_register(good, file)
    edit = judge_declaration(space, load_declarations(file))
    (row,) = edit.rows
    assert (row.change, row.verdict, edit.verdict) == ("declared", verdict, verdict), row.findings
    assert not {"RECO_NOT_LISTED", "RECO_WITHDRAWN_LISTED"} & {finding.rule for finding in row.findings}


def test_recipes_of_the_page_name_options_there_are() -> None:
    page = (Path(__file__).parents[2] / "docs" / "gate.md").read_text("utf-8")
    recipes = re.findall(r"^```yaml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(recipes) == 2
    for recipe in recipes:
        assert yaml.safe_load(recipe)
        (command,) = re.findall(r"mssante-audit (gate [^|>\n]*)", recipe)
        assert CliRunner().invoke(app, [*command.split(), "--help"]).exit_code == 0


@pytest.mark.parametrize(
    ("domain", "meant"),
    [
        ("ch-x.msante.fr", "ch-x.mssante.fr"),
        ("ch-x.mssanet.fr", "ch-x.mssante.fr"),
        ("ch-x.mssante.com", "ch-x.mssante.fr"),
        ("ch-x-mssante.fr", "ch-x.mssante.fr"),
        ("ch-x.mssante", "ch-x.mssante.fr"),
        ("ch-x.aura.mssantee.fr", "ch-x.aura.mssante.fr"),
        ("mssante.example.org", ""),
        ("interop-mssante.example.org", ""),
        ("ch-x.sante.fr", ""),
        ("ch-x.example.fr", ""),
    ],
)
def test_a_zone_that_is_nearly_ours(domain: str, meant: str) -> None:
    assert in_zone(domain) == meant
