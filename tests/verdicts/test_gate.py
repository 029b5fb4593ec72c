"""The gate: edits of the sample's list, good and bad, and declarations, each with its verdict."""

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import CATALOGUE, toml
from typer.testing import CliRunner

from mssante_audit.base.errors import WhiteListError
from mssante_audit.base.resources import SAMPLE_FOLDER, resource
from mssante_audit.cli import gate as cli_gate
from mssante_audit.cli.main import app
from mssante_audit.declarations.register import load_declarations
from mssante_audit.declarations.write import write_register
from mssante_audit.space.trust import TrustSpace, load_space
from mssante_audit.values.hosts import in_zone
from mssante_audit.verdicts.gate import Edit, judge_declaration, judge_edit
from mssante_audit.whitelist.load import load_whitelist

LIST, ANCHORS = CATALOGUE / "listeblanchemssante.xml.gz", [CATALOGUE / "anchors"]
XML = gzip.decompress(LIST.read_bytes()).decode()
ROWS = re.findall(r" *<Domaine>.*?</Domaine>\n", XML, re.DOTALL)
DOMAIN = "ch-buttefictive.mssante.fr"
ROW = next(row for row in ROWS if DOMAIN in row)
END = "    </ListeDomaines>"


@pytest.fixture(scope="module")
def space():
    return load_space(LIST, anchors=ANCHORS, as_of="2026-03-03")


@pytest.fixture(scope="module")
def full_space():
    """The published list with its archive, register, mailboxes and observations."""
    return load_space(CATALOGUE, as_of="2026-03-03")


@pytest.fixture
def judge(space, tmp_path):
    """Judge a proposal against the published list, or that list with other `rows` in the place of one."""

    def judged(xml: str, base: TrustSpace = space, rows: str = ROW) -> Edit:
        before, after = tmp_path / "before.xml", tmp_path / "after.xml"
        if rows != ROW:
            before.write_text(XML.replace(ROW, rows), encoding="utf-8")
            published = replace(load_whitelist(before), verdict=base.whitelist.signature)
            base = replace(base, whitelist=published)
        after.write_text(xml, encoding="utf-8")
        return judge_edit(base, load_whitelist(after, recover=True, any_namespace=True, max_field=2**16))

    return judged


def with_field(row: str, element: str, text: str) -> str:
    return re.sub(f"<{element}>.*?<", f"<{element}>{text}<", row)


CASES = toml("verdicts/gate")
TWICE = next(row for row in ROWS if XML.count(re.findall("<Nom>.*?<", row)[0]) > 1)


def rows_of(changes_of: list[dict[str, str]]) -> str:
    """Return `ROW` so many times, each with other elements, and another domain, country or server (CN)."""
    rows = ""
    for changes in changes_of:
        row = ROW.replace("CN=", f"CN={changes.get('CN', '')}").replace("C=FR", f"C={changes.get('C', 'FR')}")
        for element, text in changes.items():
            row = with_field(row, element, text)
        rows += row
    return rows


def proposed(case: dict[str, Any]) -> str:
    """Return the list with other rows in the place of one, or more of them at its end."""
    if "added" in case:
        return XML.replace(END, rows_of(case["added"]) + END)
    return XML.replace(ROW, rows_of(case["proposed"]))


EDITS = [(proposed(case), case) for case in CASES["edits"].values()]
EDITS += [(XML.replace(TWICE, "", 1), {"verdict": "ready", "change": "changed"})]  # a row less of two


@pytest.mark.parametrize(("xml", "case"), EDITS, ids=[*CASES["edits"], "a row less of two"])
def test_an_edit_of_a_row(xml, case, judge):
    verdict, change, rule = case["verdict"], case["change"], case.get("rule", "")
    edit = judge(xml)
    (row,) = edit.rows
    assert (edit.verdict, row.verdict, row.change, edit.list) == (verdict, verdict, change, [])
    assert rule in {finding.rule for finding in row.findings} | {""}
    assert verdict == "ready" or "error" in {finding.severity for finding in row.findings}
    assert row.before == (DOMAIN if change == "renamed" else "")


def test_what_the_archive_and_the_register_say_is_held_against_an_edit(judge, monkeypatch):
    monkeypatch.delenv(SAMPLE_FOLDER)
    sample = resource("data/sample")
    xml = gzip.decompress((sample / LIST.name).read_bytes()).decode()
    rows = re.findall(r" *<Domaine>.*?</Domaine>\n", xml, re.DOTALL)
    row = next(row for row in rows if "ch-moulinconte.mssante.fr" in row)
    names = [re.findall("<DNCert.*?>(.*?)<", row)[0] for row in rows]
    other = next(dn for dn in names if dn.partition("OU=")[2] not in row)
    space = load_space(sample, as_of="2026-03-03")
    for proposed, change, rules in (
        (with_field(row, "DNCertificatOperateur", other), "changed", "CONTACT_FORMER_OPERATOR RECO_OPERATOR"),
        ("", "removed", "MAILBOX_UNLISTED RECO_NOT_LISTED"),
    ):
        (edited,) = judge(xml.replace(row, proposed), space).rows
        observed = {finding.rule: finding.observed for finding in edited.findings}
        assert (edited.change, edited.verdict, {*rules.split()} - {*observed}) == (change, "not-ready", set())
    assert "dans la liste jusqu’au 2 mars 2026" in observed["MAILBOX_UNLISTED"].replace("\xa0", " ")


@pytest.mark.parametrize("xml", [XML, XML.replace(ROW, "").replace(END, ROW + END)], ids=["same", "moved"])
def test_an_edit_of_nothing_is_ready_and_finds_nothing(xml, full_space, judge):
    edit = judge(xml, full_space)
    assert (edit.verdict, edit.rows, edit.list, edit.introduced, edit.resolved) == ("ready", [], [], 0, 0)
    assert edit.untouched > 200
    assert ("signature" in edit.notes[0]) == (xml != XML)


LIST_FAULTS = {
    "namespace": (XML.replace(' xmlns="https://listeblanche.mssante.fr/schema"', ""), "LIST_NAMESPACE"),
    "date": (re.sub("<DateDeGeneration>.*?</DateDeGeneration>", "", XML), "LIST_UNREADABLE_ROW"),
    "date last": (
        re.sub("(?s)(<DateDe.*?</DateDeGeneration>)(.*</ListeDomaines>)", r"\2\1", XML),
        "LIST_UNREADABLE_ROW",
    ),
    "unclosed": (XML.replace("</ListeBlancheMSSante>", ""), "LIST_DAMAGED"),
    "cut": (XML[: len(XML) // 2], "LIST_DAMAGED"),
    "a tenth": (XML.replace("".join(ROWS[20 : 20 - len(ROWS) // -10]), ""), "EDIT_ROWS_LOST"),
    "future": (re.sub("(<DateDeGeneration>)....", r"\g<1>2031", XML), "EDIT_DATE"),
    "old": (re.sub("(<DateDeGeneration>)....", r"\g<1>2020", XML), "LIST_OLD"),
    "other shape": (XML.replace("ListeDomaines", "Liste"), "LIST_UNREADABLE_ROW"),
    "encoding": (XML.replace("UTF-8", "ISO-8859-1", 1), "EDIT_LETTERS_LOST"),
}


@pytest.mark.parametrize(("xml", "rule"), LIST_FAULTS.values(), ids=LIST_FAULTS)
def test_a_fault_of_the_list_is_one_of_the_edit(xml, rule, judge):
    edit = judge(xml)
    assert edit.verdict == "not-ready"
    assert rule in {finding.rule for finding in edit.list if finding.severity in ("error", "critical")}
    assert edit.resolved == 0 or rule not in ("LIST_DAMAGED", "LIST_UNREADABLE_ROW")
    less = XML.replace("".join(ROWS[20 : 19 - len(ROWS) // -10]), "")
    assert rule != "EDIT_ROWS_LOST" or rule not in {f.rule for f in judge(less).list}


@pytest.mark.parametrize("case", CASES["stood"].values(), ids=CASES["stood"])
def test_a_finding_that_stood_before_makes_no_edit_not_ready(case, judge):
    published, after, introduced = rows_of(case["published"]), proposed(case), case.get("introduced")
    if case["published"] == case["proposed"]:
        other = next(row for row in ROWS if row != ROW)
        after = after.replace(other, with_field(other, "Description", "Messagerie"))
    edit = judge(after, rows=published)
    serious = {f.rule for row in edit.rows for f in row.findings if f.severity in ("error", "critical")}
    assert (edit.verdict, serious) == (("not-ready", {introduced}) if introduced else ("ready", set()))
    assert (len(edit.rows), edit.list) == (1, [])


@pytest.mark.parametrize("case", CASES["counts"])
def test_what_an_edit_introduces_and_resolves_is_counted_where_it_stands(case, judge):
    edit = judge(proposed(case), rows=rows_of(case["published"]))
    assert [edit.introduced, edit.resolved] == case["counts"], edit.rows
    assert edit.untouched > 20


def test_an_unreliable_published_list_makes_everything_unknown(judge, tmp_path):
    old = load_space(LIST, anchors=ANCHORS, as_of="2026-09-01")
    edit = judge(EDITS[1][0], old)
    assert (edit.verdict, edit.rows[0].verdict) == ("unknown", "unknown")
    assert "trop ancienne" in edit.notes[0]
    before, after = tmp_path / "before.xml", tmp_path / "after.xml"
    before.write_text(XML.replace(ROW, with_field(ROW, "Description", "x" * 256)), encoding="utf-8")
    after.write_text(XML, encoding="utf-8")
    status, text = run(before, after, "--as-of", "2026-03-03", "--format", "json")
    assert (status, json.loads(text)["verdict"]) == (4, "unknown")
    assert "256 caractères dans <Description>" in json.loads(text)["notes"][0]
    assert "dans &lt;Description&gt;" in run(before, after, "--format", "markdown")[1]


@pytest.mark.parametrize("text", ["<html/>", "", "domaine;contact\n"], ids=["page", "empty", "register"])
def test_what_is_no_list_is_refused(text, tmp_path):
    (other := tmp_path / "other.xml").write_text(text, encoding="utf-8")
    for files in ((LIST, other), (other, LIST)):
        done = CliRunner().invoke(app, ["gate", *map(str, files)])
        assert isinstance(done.exception, WhiteListError)
        assert "other.xml" in str(done.exception)


def run(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["gate", *map(str, arguments)])
    return done.exit_code, done.stdout


HOSTILE = "Mme SECRETE Zoé &lt;script>`x` ``` =cmd|x\u202e, 06 12 34 56 78, zoe.secrete@gmail.example"


@pytest.mark.parametrize("language", ["fr", pytest.param("en", marks=pytest.mark.long)])
def test_each_format_says_the_same_and_masks_persons(language, tmp_path):
    after = tmp_path / "après <b>.xml"
    row = with_field(ROW.replace(DOMAIN, "`ch`&lt;b>.msante.fr"), "SupportContact", HOSTILE)
    after.write_text(XML.replace(END, row + END), encoding="utf-8")
    options = (LIST, after, "--anchors", *ANCHORS, "--as-of", "2026-03-03", "--lang", language, "--format")
    answers = {name: run(*options, name) for name in ("text", "json", "markdown", "sarif")}
    assert {status for status, _ in answers.values()} == {1}
    texts = {name: text for name, (_, text) in answers.items()}
    verdict = "to be corrected: " if language == "en" else "à corriger\u00a0: "
    assert f"- {verdict}" in texts["text"]
    assert re.search(r"· [^:(]+: .*\(LIST_DOMAIN_INVALID\)", texts["text"]), "title, colon, what was seen"
    edit: dict[str, Any] = json.loads(texts["json"])
    assert list(edit)[:6] == ["verdict", "rows", "list", "introduced", "resolved", "untouched"]
    (row,) = edit["rows"]
    assert (row["domain"], row["change"], row["verdict"]) == ("`ch`<b>.msante.fr", "added", "not-ready")
    assert {*row["findings"][0]} == {"rule", "severity", "confidence", "observed", "expected", "remedy"}
    results = json.loads(texts["sarif"])["runs"][0]["results"]
    assert {result["ruleId"] for result in results} == {finding["rule"] for finding in row["findings"]}
    place = results[0]["locations"][0]["physicalLocation"]
    assert "<Domaine>" in after.read_text("utf-8").splitlines()[place["region"]["startLine"] - 1]
    assert place["artifactLocation"]["uri"].endswith("apr%C3%A8s%20%3Cb%3E.xml")
    for name in ("text", "markdown"):
        assert all(words in texts[name] for words in ("LIST_DOMAIN_INVALID", f"{verdict}1"))
    assert re.search("SECRETE|12 34 56|zoe.secrete|<script|\u202e", "".join(texts.values())) is None
    assert not {"`", "<"} & {*re.sub("`` [^`]* ``", "", texts["markdown"])}


def test_a_comment_is_no_longer_than_a_pull_request_takes(tmp_path, monkeypatch):
    monkeypatch.setattr(cli_gate, "MOST", 5_000)
    new = ROW.replace(DOMAIN, "ch-nouveau.mssante.fr")
    after = XML.replace("C=FR", "C=FRX").replace(END, new + END)
    (tmp_path / "after.xml").write_text(after, encoding="utf-8")
    options = ("--anchors", *ANCHORS, "--as-of", "2026-03-03", "--format", "markdown")
    status, text = run(LIST, tmp_path / "after.xml", *options)
    assert (status, 4_000 < len(text) < 5_200) == (1, True)
    assert "DN_COUNTRY" in text  # what stops the edit comes first
    assert "ch-nouveau" not in text
    assert "format json" in text.splitlines()[-1]


def test_files_that_are_mixed_up_are_told_in_a_line(tmp_path):
    edit = tmp_path / "edit.xml"
    edit.write_text(re.sub("<Signature.*</Signature>", "", EDITS[0][0], flags=re.DOTALL))
    for before, due, line in ((LIST, 0, "Les deux fichiers sont les mêmes"), (edit, 4, "Fichiers inversés")):
        status, text = run(before, LIST, "--anchors", *ANCHORS, "--as-of", "2026-03-03")
        assert (status, f"\n{line}" in text) == (due, True), text


@pytest.mark.parametrize("words", ["", "a.xml", "a.xml b.xml --observe", "a.xml b.xml --declaration c.csv"])
def test_an_edit_or_a_declaration_is_judged(words):
    done = CliRunner().invoke(app, ["gate", *words.split()])
    assert "BEFORE and AFTER, or --declaration FILE" in str(done.exception)


@pytest.mark.parametrize(("cells", "verdict"), CASES["declared"])
def test_a_declaration(cells, verdict, full_space, tmp_path):
    register = load_declarations(CATALOGUE / "declarations.csv").declarations
    good = register[register["domain"].isin(full_space.entries["domain"])].tail(1)
    write_register(good.assign(**cells), tmp_path / "annexe1.csv")
    edit = judge_declaration(full_space, load_declarations(tmp_path / "annexe1.csv"), {})
    (row,) = edit.rows
    assert (row.change, row.verdict, edit.verdict) == ("declared", verdict, verdict), row.findings
    assert not {"RECO_NOT_LISTED", "RECO_WITHDRAWN_LISTED"} & {finding.rule for finding in row.findings}


def test_recipes_of_the_page_name_options_there_are():
    page = (Path(__file__).parents[2] / "docs" / "gate.md").read_text("utf-8")
    recipes = re.findall(r"^```yaml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(recipes) == 2
    for recipe in recipes:
        assert yaml.safe_load(recipe)
        for command in re.findall(r"mssante-audit (gate [^|>\n]*)", recipe):
            assert CliRunner().invoke(app, [*command.split(), "--help"]).exit_code == 0


def test_a_zone_that_is_nearly_ours():
    endings = ".msante.fr .mssanet.fr .mssante.com -mssante.fr .mssante mssante.fr .mssante-fr"
    assert {in_zone(f"ch-x{ending}") for ending in endings.split()} == {"ch-x.mssante.fr"}
    assert in_zone("ch-x.aura.mssantee.fr") == "ch-x.aura.mssante.fr"
    others = ("mssante.example.org", "interop-mssante.example.org", "ch-x.sante.fr", "ch-x.example.fr")
    assert {*map(in_zone, others)} == {""}
