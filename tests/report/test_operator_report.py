"""The dossier of an operator: nothing of any other in anything that is written for it; what its page says."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from statistics import median

import nbformat
import pytest
from cells import plain
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
from mssante_audit.dossiers.remedies import remedy, theirs
from mssante_audit.dossiers.survey import Survey, survey
from mssante_audit.dossiers.write import Order, from_space
from mssante_audit.findings.registry import rule
from mssante_audit.report.parameters import declared
from mssante_audit.report.run import plan, run_reports
from mssante_audit.space.trust import load_space

AS_OF = "2026-03-03T06:00:00Z"
GROUP = "1679900001"
"""An operator of the sample that shares domains with another and lost some to it."""


def source():
    return json.loads((resource("notebooks") / "operator.ipynb").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def has(space):
    """What each operator of the sample has."""
    return belonging(space)


@pytest.fixture(scope="module")
def operators(space):
    return sorted(set(space.entries["operator_id"]) - {""})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    given = {"as_of": AS_OF, "operator": "groupement e-sante de cheminsonge"}
    return run_reports(["operator"], out=tmp_path_factory.mktemp("operator"), parameters=given)


@pytest.fixture(scope="module")
def report(run):
    return page_of(run, "operator")


# -- nothing of others ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
def test_nothing_of_any_other_operator_of_the_sample(space, has, operators, lang):
    assert len(operators) > 10
    for operator_id in operators[:: 1 if lang == "fr" else 6]:
        for suffix, text in written_for(space, operator_id, lang).items():
            assert leaks(text, has, operator_id) == [], (operator_id, suffix)


@pytest.mark.real
@pytest.mark.long
def test_nothing_of_any_other_operator_of_the_real_list(real_space):
    space = real_space
    has = belonging(space)
    by_size = space.audited.groupby("operator_id")["domain"].nunique().sort_values(ascending=False).index
    grave = audit_all(space)
    chosen = {*by_size[:6], *by_size[::40], *grave["operator_id"].unique()[:12]} & {*by_size}
    sizes = {}
    for operator_id in sorted(chosen):
        texts = written_for(space, operator_id)
        sizes[operator_id] = len(texts[".html"].encode())
        for suffix, text in texts.items():
            assert leaks(text, has, operator_id) == [], (operator_id, suffix)
    few = [sizes[operator_id] for operator_id in by_size[::40]]  # of every size, as all operators are
    assert median(few) <= 120_000


def test_contacts_shown_are_the_operators_own():
    space = load_space(as_of=AS_OF, contacts="all")
    has = belonging(space)
    texts = written_for(space, GROUP)
    assert "dsi@gcs-cheminsonge.example" in texts[".html"]
    for suffix, text in texts.items():
        assert leaks(text, has, GROUP) == [], suffix


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
        "399900000300015",
        "MESSAGERIES FICTIVES DE LANDEFACTICE",
        "had-diguefactice.mssante.fr",
        "voir <a>mss-1.mss-landefactice.example</a>.",
        "dsi@mss-landefactice.example",
        "02 61 91 61 53",
        "&#52;, had&#45;diguefactice.mssante.fr",
    ],
)
def test_the_scan_sees_a_planted_leak(has, planted):
    assert leaks(f"<p>Votre dossier. {planted}</p>", has, GROUP)
    assert not leaks(f"<p>Votre dossier. {planted}</p>", has, "399900000300015")


def test_the_scan_reads_the_files_inside_a_page(has):
    content = b64encode(b"had-diguefactice.mssante.fr").decode()
    page = f'<a download="x.csv" href="data:text/csv;base64,{content}">CSV</a>'
    assert leaks(page, has, GROUP) == ["had-diguefactice.mssante.fr"]


def test_one_domain_of_another_in_a_signers_name_is_not_told(space):
    verdict = replace(space.whitelist.signature, signer="CN=mss-1.mss-landefactice.example")
    vars(space.whitelist)["signature"] = verdict
    try:
        assert dossier(space, GROUP).record().provenance["signer"] == "un autre opérateur"
        assert "landefactice" in dossier(space, "399900000300015").record().provenance["signer"]
    finally:
        del vars(space.whitelist)["signature"]


# -- what it says --------------------------------------------------------------------------------------------


def test_the_first_screen_is_the_answer(report, space):
    answer = report.xpath("//main")[0]
    before = [element.get("class") for element in answer.xpath(".//p | .//dl | .//ul | .//h2")]
    assert [name for name in before if name][:2] == ["lead", "other"], "the counts follow the answer"
    scopes = " ".join(plain(p.text_content()) for p in answer.xpath(".//p[@class='scope']"))
    assert "GROUPEMENT E-SANTE DE CHEMINSONGE (1679900001)" in scopes
    lead = plain(answer.xpath(".//p[@class='lead']")[0].text_content())
    assert re.match(r"\d+ points à corriger \(", lead)
    first = theirs(dossier(space, GROUP).findings).iloc[0]["rule"]
    assert plain(rule(first).title_fr) in lead
    assert plain(remedy(first)) in lead
    figures = [term.text for term in answer.xpath(".//dl[@class='figures']//dt")]
    assert figures == ["Vos domaines", "Vos certificats", "À corriger", "Parmi vos pairs"]


def test_every_finding_has_its_remedy(report, run):
    (outcome,) = run.outcomes
    rows = report.xpath("//table[@id='findings' or @id='findings-folded']/tbody/tr")
    assert len(rows) == len(outcome.results.findings)
    remedies = report.xpath("//table[@id='findings' or @id='findings-folded']//td[@data-label='Que faire']")
    assert len(remedies) == len(rows)
    assert all(len(plain(cell.text_content())) > 20 for cell in remedies)


def test_tables_tell_domains_certificates_contacts(report, space):
    own = space.audited[space.audited["operator_id"] == GROUP]
    domains = [plain(t.text_content()) for t in report.xpath("//table[@id='domains']/tbody/tr/td[1]")]
    assert sorted(domains) == sorted(own["domain"].unique())
    assert len(report.xpath("//table[@id='certificates']/tbody/tr")) == own["cn"].nunique()
    contacts = plain(report.xpath("//table[@id='contacts']")[0].text_content())
    assert "dsi@gcs-cheminsonge.example" in contacts


def test_the_numbers_of_one_page_agree(report, space):
    told = dossier(space, GROUP)
    lead = plain(report.xpath("//p[@class='lead']")[0].text_content())
    whole, by_severity = re.match(r"(\d+) points? à corriger \(([^)]*)\)", lead).groups()
    assert int(whole) == sum(int(n) for n in re.findall(r"\d+", by_severity)) == len(told.points)
    figures = [plain(f.text_content()) for f in report.xpath("//dl[@class='figures']/*")]
    assert any(re.match(rf"À corriger ?{whole}(?!\d)", text) for text in figures), figures
    rows = {t.get("id"): len(t.xpath("tbody/tr")) for t in report.xpath("//table")}
    cards = report.xpath("//ol[@class='points']/li")
    assert len(cards) == int(whole)
    summaries = [plain(s.text_content()) for s in report.xpath("//details[@class='folded']/summary")]
    assert any(text.startswith(f"{rows['findings']} constats que ces points résument") for text in summaries)
    assert any(text.startswith(f"{rows['findings-folded']} autre") for text in summaries)
    assert rows["findings"] + rows["findings-folded"] == len(told.findings)
    peers = plain(report.xpath("//table[@id='peers']/caption")[0].text_content())
    assert f"{whole} points à corriger" in peers
    about = plain(letter_files(told)[".txt"].decode().splitlines()[0])
    assert f": {whole} points à corriger" in about


def test_tables_with_bars_below_a_sentence_computed(report):
    assert report.xpath("//figure") == []
    tables = [table for table in report.xpath("//table[@id]") if table.xpath(".//td/i[@class='bar']")]
    assert [table.get("id") for table in tables] == ["peers", "certificates"]
    for table in tables:
        assert plain(table.find("caption").text_content()).endswith(".")
        bars = table.xpath(".//td/i[@class='bar']/@style")
        assert len(bars) == len(table.xpath("tbody/tr"))
        assert all(float(bar.removeprefix("--share:")) <= 1 for bar in bars)


def test_every_cell_shows_something(run):
    for cell in nbformat.read(run.out / "operator.ipynb", 4).cells:
        if cell.cell_type == "code" and not cell.metadata.get("tags"):
            assert [o.output_type for o in cell.outputs] == ["execute_result"], cell.source


def test_the_page_of_a_dossier_is_that_of_the_notebook(run, report, space):
    path = resource("notebooks") / "operator.ipynb"
    (job,) = plan({"operator": path}, {"as_of": AS_OF, "operator": "groupement e-sante de cheminsonge"})
    made = from_space(Order("", job.shown, ""), space, GROUP)
    page = lxml_html.fromstring(made.files[".html"].decode())
    for what in ("//h1", "//h2", "//main//p", "//main//table"):
        assert [e.text_content() for e in page.xpath(what)] == [e.text_content() for e in report.xpath(what)]
    assert dossier(space, GROUP).record().payload() == run.outcomes[0].results.payload()


def test_it_takes_the_parameters_of_the_other_reports():
    overview = json.loads((resource("notebooks") / "overview.ipynb").read_text(encoding="utf-8"))
    places = dict.fromkeys(("region", "department"))  # one operator is not limited further
    assert places | declared(source(), "operator") == declared(overview, "overview")
    assert (run_max := (resource("notebooks") / "operator.ipynb").stat().st_size) < 22_000, run_max


def test_without_an_operator_it_is_refused_in_one_line(tmp_path):
    with pytest.raises(ParameterError) as caught:
        run_reports(["operator"], out=tmp_path / "out", parameters={"as_of": AS_OF})
    assert str(caught.value).count("\n") == 0
    assert "Give --operator" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_hostile_texts_stay_texts(hostile_space):
    operators = sorted(set(hostile_space.entries["operator_id"]) - {""})
    assert len(operators) > 10
    for operator_id in operators[::4]:
        page = lxml_html.fromstring(written_for(hostile_space, operator_id)[".html"])
        assert page.xpath("//*[@id='pwned'] | //*[@onerror or @onload]") == []
        assert len(page.xpath("//script")) == 1
        assert not [a for a in page.xpath("//a/@href") if a.startswith(("javascript:", "http"))]


def test_the_survey_is_made_once(space):
    assert isinstance(survey(space), Survey)
    assert survey(space) is survey(space)
