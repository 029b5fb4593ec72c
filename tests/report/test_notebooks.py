"""The shipped notebooks: their sources, and what they put out when the production engine runs them."""

import ast
import json
from inspect import signature

import nbformat
import pytest
from conftest import CATALOGUE
from pages import page_of as page
from papermill.inspection import _infer_parameters
from papermill.iorw import load_notebook_node

from mssante_audit import AUDITS
from mssante_audit.base.resources import resource
from mssante_audit.findings.causes import actionable
from mssante_audit.findings.registry import catalogue
from mssante_audit.report.parameters import PARAMETERS, declared, kind_of
from mssante_audit.report.results import open_space
from mssante_audit.report.run import find_notebooks, run_reports
from mssante_audit.space.trust import Thresholds

NAMES = ("overview", "dn_consistency", "stale_contacts", "declarations", "delegation_vs_redirection")
TOLD_IN = {"whitelist_integrity": "overview", "mailboxes": "overview", "reconciliation": "declarations"}
"""Audits whose findings are told in a notebook of another name."""

NOT_FINDINGS = (
    "connectors", "zone-servers", "statuses", "collection", "waived", "methods-declared", "methods-size",
    "unobserved", "causes", "lost", "held-ns", "held-mx",
)  # fmt: skip
"""Tables of something else."""

SIZE_MAX = 3_000_000
CHARTS = {"bars", "lines", "tiles", "rules_chart", "age_chart", "hosts_chart"}


def source(name):
    return json.loads((resource("notebooks") / f"{name}.ipynb").read_text(encoding="utf-8"))


def code(cell):
    return "".join(cell["source"])


def called(cell):
    """Name of the function whose result a code cell shows, or ""."""
    if cell["cell_type"] != "code":
        return ""
    last = ast.parse(code(cell)).body[-1]
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.IfExp):
        last = ast.Expr(last.value.body)  # what it shows where there is something to show
    match last:
        case ast.Expr(value=ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name))):
            return name
    return ""


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def test_these_are_all_the_notebooks():
    others = ("certificates", "changes", "contacts_over_time")  # each has tests of its own
    assert tuple(sorted(find_notebooks((), resource("notebooks")))) == tuple(sorted((*NAMES, *others)))


def test_parameters_are_typed_and_default_to_what_the_package_does(name):
    defaults = declared(source(name), name)
    cell = next(c for c in source(name)["cells"] if "parameters" in c["metadata"].get("tags", []))
    written = [node for node in ast.parse(code(cell)).body if isinstance(node, ast.AnnAssign)]
    hints = {node.target.id: ast.unparse(node.annotation) for node in written}
    spaces = {name: given.default for name, given in signature(open_space).parameters.items()}
    spaces |= Thresholds().model_dump()
    for parameter, value in defaults.items():
        kind = kind_of(parameter)
        hint = "list[str]" if kind is tuple else kind.__name__
        optional = PARAMETERS[parameter].default is None
        assert hints[parameter] == (f"Optional[{hint}]" if optional else hint)
        if parameter in spaces:
            expected = spaces[parameter]
            assert value == (list(expected) if kind is tuple else expected)
    assert defaults["row_limit"] == 500
    assert {"data", "as_of", "operator"} <= defaults.keys()


def test_papermill_shows_each_parameter_with_its_type_and_what_it_does(name):
    notebook = load_notebook_node(str(resource("notebooks") / f"{name}.ipynb"))
    told = {p.name: p for p in _infer_parameters(notebook, name="python3", language="python")}
    for parameter, value in declared(source(name), name).items():
        assert told[parameter].help == PARAMETERS[parameter].description
        assert told[parameter].inferred_type_name.strip() != "None"
        assert ast.literal_eval(told[parameter].default) == value


def test_every_parameter_is_used(name):
    cells = [c for c in source(name)["cells"] if c["cell_type"] == "code"]
    used = {
        node.id
        for cell in cells
        if "parameters" not in cell["metadata"].get("tags", [])
        for node in ast.walk(ast.parse(code(cell)))
        if isinstance(node, ast.Name)
    }
    assert declared(source(name), name).keys() <= used


@pytest.mark.parametrize("name", [path.stem for path in resource("notebooks").glob("*.ipynb")])
def test_no_parameter_is_used_before_it_was_coerced(name):
    readers = {"open_report", "load_space", "enable"}
    given, raw = declared(source(name), name).keys(), set()
    for cell in source(name)["cells"]:
        if cell["cell_type"] != "code" or "parameters" in cell["metadata"].get("tags", []):
            continue
        tree = ast.parse(code(cell))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        read = {
            id(one)
            for call in calls
            if getattr(call.func, "id", getattr(call.func, "attr", "")) in readers
            for one in ast.walk(call)
        }
        loaded = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
        raw |= {one.id for one in loaded if one.id in given and id(one) not in read}
    assert raw <= {"row_limit"}  # which `changes` and `operator` assign again, checked


@pytest.mark.parametrize("audit", AUDITS)
def test_every_family_of_an_audit_has_its_heading_and_section(audit):
    cells = source(TOLD_IN.get(audit, audit))["cells"]
    headings = [line[3:].strip() for c in cells for line in c["source"] if line.startswith("## ")]
    shown = [
        ast.literal_eval(ast.parse(code(c)).body[-1].value.args[0]) for c in cells if called(c) == "section"
    ]
    name = TOLD_IN.get(audit, audit)
    families = {r.family for r in catalogue().values() if TOLD_IN.get(r.audit, r.audit) == name}
    assert sorted(shown) == sorted(families)
    assert families <= set(headings)


def test_before_every_chart_a_sentence_says_what_to_look_for(name):
    cells = source(name)["cells"]
    charts = [i for i, cell in enumerate(cells) if called(cell) in CHARTS]
    assert charts
    for i in charts:
        assert cells[i - 1]["cell_type"] == "markdown"
        assert "Chercher " in code(cells[i - 1])


def test_cell_ids_say_what_the_cell_is(name):
    ids = [cell["id"] for cell in source(name)["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(part.isalpha() for i in ids for part in i.split("-"))
    assert ids[0] == "title"
    assert ids[-1] == "record"


@pytest.mark.parametrize("made", ["sample", pytest.param("real", marks=[pytest.mark.real, pytest.mark.long])])
def test_every_report_is_whole_and_within_its_budget(made, request):
    run = request.getfixturevalue(f"{made}_run")
    assert [outcome.name for outcome in run.outcomes if outcome.failure] == []
    # test_changes_report.py and test_certificates_report.py are about the others.
    others = {"changes", "certificates", "contacts_over_time"}
    assert {outcome.name for outcome in run.outcomes} - others == set(NAMES)
    assert max((run.out / f"{n}.html").stat().st_size for n in NAMES) <= SIZE_MAX


def test_every_cell_shows_something_and_nothing_goes_wrong(sample_run, name):
    cells = nbformat.read(sample_run.out / f"{name}.ipynb", 4).cells
    for cell in cells:
        if cell.cell_type == "code" and not cell.metadata.get("tags") and called(cell) != "controls":
            shows = isinstance(ast.parse(code(cell)).body[-1], ast.Expr)
            assert [o.output_type for o in cell.outputs] == ["execute_result"] * shows, cell.source


def test_every_finding_is_in_a_table(sample_run, name):
    outcome = next(o for o in sample_run.outcomes if o.name == name)
    told = {audit for audit in AUDITS if TOLD_IN.get(audit, audit) == name}
    codes = [c for c in outcome.results.findings["rule"] if catalogue()[c].audit in told]
    tables = [
        t for t in page(sample_run, name).xpath("//table[@data-rows]") if t.get("id") not in NOT_FINDINGS
    ]
    assert sum(len(table.xpath("tbody/tr")) for table in tables) == len(codes)
    assert len({table.get("id") for table in tables}) == len(tables)


def test_every_figure_has_alternative_text_and_a_reading(sample_run, name):
    figures = page(sample_run, name).xpath("//figure")
    charts = [cell for cell in source(name)["cells"] if called(cell) in CHARTS]
    assert len(figures) == len(charts)
    for figure in figures:
        (alt,) = figure.xpath("./div[@role='group']/@aria-label")
        assert len(alt) > 30
        assert figure.find("figcaption").text_content().endswith(".")


def test_the_answer_comes_first(sample_run, name):
    main = page(sample_run, name).xpath(
        "//main//*[self::p[@class='lead'] or self::dl or self::ul or self::h2]"
    )
    first = ["lead", None, None] if name == "overview" else ["lead", "figures", "severities", None]
    assert [element.get("class") for element in main[: len(first)]] == first


def test_one_operator_and_a_row_limit(sample_run, tmp_path):
    whole = next(o.results.findings for o in sample_run.outcomes if o.name == "dn_consistency")
    families = {code: told.family for code, told in catalogue().items()}
    counts = actionable(whole).groupby(["operator_id", whole["rule"].map(families)]).size()
    operator = counts.idxmax()[0]
    given = {"as_of": "2026-03-03T06:00:00Z", "operator": operator, "row_limit": 1}
    run = run_reports(["dn_consistency"], out=tmp_path, parameters=given)
    (outcome,) = run.outcomes
    findings = outcome.results.findings
    assert 1 < counts.max() <= len(findings) < len(whole)
    report = page(run, "dn_consistency")
    tables = report.xpath("//table[@data-rows]")
    assert all(len(table.xpath("tbody/tr")) == 1 for table in tables)
    cut = report.xpath("//p[@class='csv'][contains(., 'toutes sont dans le fichier CSV')]")
    away = (findings["severity"] == "info") | (findings["confidence"] == "hint")
    assert len(tables) == len(set(zip(findings["rule"].map(families), away, strict=True)))
    assert cut
    assert operator in report.xpath("//p[@class='limits']")[0].text_content()


def test_a_damaged_list_is_told_on_the_first_screen(tmp_path):
    (broken,) = CATALOGUE.glob("variants/*truncat*")
    given = {"data": str(broken), "recover": True, "as_of": "2026-03-03T06:00:00Z"}
    run = run_reports(["overview"], out=tmp_path, parameters=given)
    report = page(run, "overview")
    scopes = [scope.text_content() for scope in report.xpath("//p[@class='scope']")]
    assert any("d’une liste endommagée" in scope for scope in scopes)
    assert "endommagé" in report.xpath("//body/header")[0].text_content().lower()
