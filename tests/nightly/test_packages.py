"""A night with a package's audit: its findings in mail, snapshot, report and site, as ours are."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

import pandas as pd
import pytest
from lxml import html as lxml_html
from made_nights import Place, make_place
from packages import DIGITS, installed, laid_down

from mssante_audit.site.view import page_name

TITLE = "Chiffres & lettres"
RULE = "DIGITS_IN_DOMAIN"
SETTINGS = {"reports": {"names": ["overview"]}, "dossiers": {"enabled": False}}


@dataclass(frozen=True)
class Night:
    """A run that came after the package did, what it said, and the findings of the package's audit."""

    place: Place
    folder: Path
    out: str
    findings: pd.DataFrame


@pytest.fixture(scope="module")
def night(first_night, tmp_path_factory) -> Night:
    place = make_place(tmp_path_factory.mktemp("place"), SETTINGS)
    copytree(first_night.output, place.output, symlinks=True)
    folder = installed(tmp_path_factory.mktemp("package"), "digits", DIGITS)
    status, out, errors = place.run(fresh=True, PYTHONPATH=str(folder))
    assert (status, errors) == (0, ""), errors
    findings = pd.read_csv(place.runs[-1] / "findings.csv", keep_default_na=False)
    return Night(place, place.runs[-1], out, findings[findings["audit"] == "digits"])


def page(file: Path) -> lxml_html.HtmlElement:
    return lxml_html.fromstring(file.read_text(encoding="utf-8"))


def test_mail_and_snapshot_have_them_as_new(night: Night) -> None:
    assert len(night.findings) >= 2
    assert set(night.findings["status"]) == {"new"}
    new = json.loads((night.folder / "steps" / "audit.json").read_text())["facts"]["new"]
    names = {cause["domain"] for cause in new["named"] if cause["rule"] == RULE}
    assert names
    assert names <= {*night.findings["domain"]}
    assert "- avertissement, Chiffres dans le <nom> :" in " ".join(night.out.split())
    kept = pd.read_parquet(night.folder / "snapshot" / "findings.parquet")
    assert set(kept.loc[kept["audit"] == "digits", "fingerprint"]) == set(night.findings["fingerprint"])
    domains = pd.read_parquet(night.folder / "snapshot" / "domains.parquet").set_index("domain")
    assert (domains.loc[night.findings["domain"], "warning"] > 0).all()


def test_the_overview_has_a_section_of_its_title_with_every_one(night: Night) -> None:
    overview = page(night.folder / "reports" / "overview.html")
    (heading,) = (h for h in overview.iter("h2") if h.text_content() == TITLE)
    assert f"#{heading.get('id')}" in [a.get("href") for a in overview.iter("a")]
    below = [table for element in heading.itersiblings() for table in element.iter("table")]
    (table,) = (t for t in below if t.get("id") == "digits-in-domain-table")
    assert len(table.findall("tbody/tr")) == len(night.findings)
    ours = [t for t in overview.iter("table") if t is not table]
    assert not any(RULE in t.text_content().replace("\u200b", "") for t in ours)


def test_the_site_has_the_pages_of_audit_rule_and_operator(night: Night) -> None:
    site = night.folder / "site"
    row = next(tr for tr in page(site / "index.html").iter("tr") if TITLE in tr.text_content())
    assert row.xpath(".//a/@href") == ["audits/digits.html"]
    audit, rule = (page(site / name) for name in ("audits/digits.html", f"regles/{RULE}.html"))
    assert [tree.find(".//h1").text_content() for tree in (audit, rule)] == [TITLE, "Chiffres dans le <nom>"]
    for tree in (audit, rule):
        assert len(tree.xpath("//table[@id='constats']/tbody/tr")) == len(night.findings)
    assert audit.xpath("//table[@id='regles']/tbody/tr//a/@href") == [f"../regles/{RULE}.html"]
    assert rule.xpath("//dl//a[@href='../audits/digits.html']")[0].text_content() == TITLE
    for owner, rows in night.findings.groupby("operator_id"):
        operator = page(site / "operateurs" / f"{page_name(str(owner))}.html")
        assert len(operator.xpath(f"//table[@id='constats']//a[@href='../regles/{RULE}.html']")) >= len(rows)


def test_persons_are_masked_and_text_stays_text_wherever_they_are_told(night: Night) -> None:
    assert night.findings["observed"].str.contains(r"chiffres?\b.*: <b>").all()
    pages = list(night.folder.rglob("*.html"))
    for file in (*pages, *night.folder.glob("findings.*"), night.folder / "audit.json"):
        text = file.read_text(encoding="utf-8", errors="replace")
        assert not re.search(r"\b0[67](?: \d\d){4}\b", text), file
        assert file not in pages or not re.search(r"<b>[^<]*•••|<nom>", text), file


def test_the_night_after_without_it_says_3_and_holds_nothing_for_fixed(night: Night, tmp_path: Path) -> None:
    folder = laid_down(tmp_path / "there", "digits", "import nothing_such")
    place = night.place
    status, out, errors = place.run("2026-03-04T06:00:00Z", PYTHONPATH=str(folder))
    assert (status, errors) == (3, "")
    for words in ("RÉGLÉS : aucun", "INCOMPLET : 1 partie d'audit", "digits = 'digits:AUDIT' cannot be used"):
        assert words in " ".join(out.split())
    index = page(place.site / "index.html").text_content()
    assert "No module named 'nothing_such'" in index
    assert "Défaut de la liste" not in index
