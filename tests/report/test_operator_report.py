"""The dossier of an operator: nothing of any other in anything that is written for it; what its page says."""

import re
from base64 import b64encode
from dataclasses import replace
from statistics import median

import pytest
from cells import plain
from conftest import toml
from leaks import belonging, leaks, written_for
from lxml import html as lxml_html
from pages import page_of

from mssante_audit.audits import audit_all
from mssante_audit.base.errors import ParameterError
from mssante_audit.base.language import LANGUAGES
from mssante_audit.base.resources import resource
from mssante_audit.dossiers.belongings import Belongings
from mssante_audit.dossiers.facts import dossier
from mssante_audit.dossiers.letter import letter_files
from mssante_audit.dossiers.survey import remedy, theirs
from mssante_audit.dossiers.write import Order, from_space
from mssante_audit.findings.registry import rule
from mssante_audit.report.run import plan, run_reports
from mssante_audit.space.trust import load_space

CASES = toml("report/leaks")

AS_OF = "2026-03-03T06:00:00Z"
GROUP = "1679900001"
"""An operator of the sample that shares domains with another and lost some to it."""


@pytest.fixture(scope="module")
def has(space):
    return belonging(space)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    settings = {"as_of": AS_OF, "operator": "groupement e-sante de cheminsonge"}
    return run_reports(["operator"], out=tmp_path_factory.mktemp("operator"), parameters=settings)


@pytest.fixture(scope="module")
def report(run):
    return page_of(run, "operator")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_nothing_of_any_other_operator_of_the_sample(space, has, lang):
    operators = sorted(set(space.entries["operator_id"]) - {""})
    assert len(operators) > 10
    for operator_id in operators[:: 1 if lang == "fr" else 6]:
        for suffix, text in written_for(space, operator_id, lang).items():
            assert leaks(text, has, operator_id) == [], (operator_id, suffix)


@pytest.mark.real
@pytest.mark.long
def test_nothing_of_any_other_operator_of_the_real_list(real_space):
    has = belonging(real_space)
    sizes = real_space.audited.groupby("operator_id")["domain"].nunique()
    by_size, findings = sizes.sort_values(ascending=False).index, audit_all(real_space)
    chosen = {*by_size[:6], *by_size[::40], *findings["operator_id"].unique()[:12]} & {*by_size}
    written = {operator_id: written_for(real_space, operator_id) for operator_id in sorted(chosen)}
    for operator_id, texts in written.items():
        for suffix, text in texts.items():
            assert leaks(text, has, operator_id) == [], (operator_id, suffix)
    # Of every size, as all operators are.
    assert median(len(written[operator_id][".html"].encode()) for operator_id in by_size[::40]) <= 120_000


def test_contacts_shown_are_the_operators_own():
    space = load_space(as_of=AS_OF, contacts="all")
    texts = written_for(space, GROUP)
    assert "dsi@gcs-cheminsonge.example" in texts[".html"]
    assert [suffix for suffix, text in texts.items() if leaks(text, belonging(space), GROUP)] == []


def test_the_notebooks_report_names_no_other_either(run, has):
    for suffix in (".html", ".ipynb", ".findings.csv", ".results.json"):
        assert leaks((run.out / f"operator{suffix}").read_text(encoding="utf-8"), has, GROUP) == [], suffix


def test_the_scan_sees_what_the_check_would_let_through(space, has, monkeypatch):
    monkeypatch.setattr(Belongings, "foreign", lambda *_: ())
    texts = written_for(space, GROUP)
    for suffix in (".html", ".findings.csv", ".txt", ".eml"):
        assert "MESSAGERIES FICTIVES DE LANDEFACTICE" in leaks(texts[suffix], has, GROUP), suffix


@pytest.mark.parametrize(
    "planted",
    [
        f'<a href="data:text/csv;base64,{b64encode(b"had-diguefactice.mssante.fr").decode()}">CSV</a>',
        *CASES["planted"],
    ],
)
def test_the_scan_sees_a_planted_leak(has, planted):
    assert leaks(f"<p>Votre dossier. {planted}</p>", has, GROUP)


def test_one_domain_of_another_in_a_signers_name_is_not_told(space):
    verdict = replace(space.whitelist.signature, signer="CN=mss-1.mss-landefactice.example")
    vars(space.whitelist)["signature"] = verdict
    try:
        assert dossier(space, GROUP).record().provenance["signer"] == "un autre opérateur"
        assert "landefactice" in dossier(space, "399900000300015").record().provenance["signer"]
    finally:
        del vars(space.whitelist)["signature"]


def test_the_first_screen_is_the_answer(report, space):
    answer = report.xpath("//main")[0]
    before = [element.get("class") for element in answer.xpath(".//p | .//dl | .//ul | .//h2")]
    assert [name for name in before if name][:2] == ["lead", "other"], "the counts follow the answer"
    lead = plain(answer.xpath(".//p[@class='lead']")[0].text_content())
    first = theirs(dossier(space, GROUP).findings).iloc[0]["rule"]
    assert plain(rule(first).title_fr) in lead
    assert plain(remedy(first)) in lead
    figures = [term.text for term in answer.xpath(".//dl[@class='figures']//dt")]
    assert figures == ["Vos domaines", "Vos certificats", "À corriger", "Parmi vos pairs"]
    remedies = report.xpath("//td[@data-label='Que faire']")
    assert len(remedies) == len(report.xpath("//table[@id='findings' or @id='findings-folded']/tbody/tr"))
    assert all(len(plain(cell.text_content())) > 20 for cell in remedies)


def test_the_numbers_of_one_page_agree(report, space):
    record = dossier(space, GROUP)
    lead = plain(report.xpath("//p[@class='lead']")[0].text_content())
    whole, by_severity = re.match(r"(\d+) points? à corriger \(([^)]*)\)", lead).groups()
    assert int(whole) == sum(int(n) for n in re.findall(r"\d+", by_severity)) == len(record.points)
    assert len(report.xpath("//ol[@class='points']/li")) == len(record.points)
    rows = {t.get("id"): len(t.xpath("tbody/tr")) for t in report.xpath("//table")}
    assert rows["findings"] + rows["findings-folded"] == len(record.findings)
    entries = space.audited[space.audited["operator_id"] == GROUP]
    assert (rows["domains"], rows["certificates"]) == (entries["domain"].nunique(), entries["cn"].nunique())
    page, letter = plain(report.text_content()), letter_files(record)[".txt"].decode()
    for text in (
        f"À corriger{whole}",
        f"{rows['findings']} constats que ces points résument",
        f"{rows['findings-folded']} autre",
        f"{whole} points à corriger",
    ):
        assert text in page.replace("À corriger ", "À corriger"), text
    assert f": {whole} points à corriger" in plain(letter.splitlines()[0])


def test_the_page_of_a_dossier_is_that_of_the_notebook(run, report, space):
    path = resource("notebooks") / "operator.ipynb"
    (job,) = plan({"operator": path}, {"as_of": AS_OF, "operator": "groupement e-sante de cheminsonge"})
    page = lxml_html.fromstring(from_space(Order("", job.shown, ""), space, GROUP).files[".html"].decode())
    for part in ("//h1", "//h2", "//main//p", "//main//table"):
        assert [e.text_content() for e in page.xpath(part)] == [e.text_content() for e in report.xpath(part)]
    assert dossier(space, GROUP).record().payload() == run.outcomes[0].results.payload()


def test_without_an_operator_it_is_refused_in_one_line(tmp_path):
    with pytest.raises(ParameterError, match=r"^[^\n]*Give --operator[^\n]*\Z"):
        run_reports(["operator"], out=tmp_path / "out", parameters={"as_of": AS_OF})
    assert not (tmp_path / "out").exists()


def test_hostile_texts_stay_texts(hostile_space):
    operators = sorted(set(hostile_space.entries["operator_id"]) - {""})
    assert len(operators) > 10
    for operator_id in operators[::4]:
        page = lxml_html.fromstring(written_for(hostile_space, operator_id)[".html"])
        assert page.xpath("//*[@id='pwned'] | //*[@onerror or @onload]") == []
        assert len(page.xpath("//script")) == 1
        assert not [a for a in page.xpath("//a/@href") if a.startswith(("javascript:", "http"))]
