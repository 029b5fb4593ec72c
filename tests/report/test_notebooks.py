"""The shipped notebooks and guides: their sources, and what they put out when the engine runs them."""

import ast
import json
import re
import tempfile
from inspect import signature

import nbformat
import pytest
from lxml import html as lxml_html
from pages import page_of as page

from mssante_audit.base.resources import resource
from mssante_audit.findings import registry
from mssante_audit.findings.causes import actionable
from mssante_audit.findings.registry import catalogue
from mssante_audit.report.parameters import PARAMETERS, declared, kind_of
from mssante_audit.report.results import open_space
from mssante_audit.report.run import ONE_OPERATOR, find_notebooks, run_reports
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


def test_parameters_are_typed_and_default_to_what_the_package_does(name):
    defaults = declared(source(name), name)
    cell = next(c for c in source(name)["cells"] if "parameters" in c["metadata"].get("tags", []))
    written = [node for node in ast.parse(code(cell)).body if isinstance(node, ast.AnnAssign)]
    hints = {node.target.id: ast.unparse(node.annotation) for node in written}
    spaces = {name: option.default for name, option in signature(open_space).parameters.items()}
    spaces |= Thresholds().model_dump()
    for parameter, value in defaults.items():
        kind = kind_of(parameter)
        hint = "list[str]" if kind is tuple else kind.__name__
        optional = PARAMETERS[parameter].default is None
        assert hints[parameter] == (f"Optional[{hint}]" if optional else hint)
        if parameter in spaces:
            assert value == (list(spaces[parameter]) if kind is tuple else spaces[parameter])
    assert defaults["row_limit"] == 500
    assert {"data", "as_of", "operator"} <= defaults.keys()


def test_every_parameter_is_used(name):
    cells = [c for c in source(name)["cells"] if c["cell_type"] == "code"]
    rest = [ast.parse(code(c)) for c in cells if "parameters" not in c["metadata"].get("tags", [])]
    used = {node.id for cell in rest for node in ast.walk(cell) if isinstance(node, ast.Name)}
    assert declared(source(name), name).keys() <= used


@pytest.mark.parametrize("name", [path.stem for path in resource("notebooks").glob("*.ipynb")])
def test_no_parameter_is_used_before_it_was_coerced(name):
    readers = {"open_report", "load_space", "enable"}
    names, raw = declared(source(name), name).keys(), set()
    for cell in source(name)["cells"]:
        if cell["cell_type"] != "code" or "parameters" in cell["metadata"].get("tags", []):
            continue
        nodes = list(ast.walk(ast.parse(code(cell))))
        calls = [node for node in nodes if isinstance(node, ast.Call)]
        read = [call for call in calls if getattr(call.func, "id", getattr(call.func, "attr", "")) in readers]
        coerced = {id(inside) for call in read for inside in ast.walk(call)}
        loaded = [n for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
        raw |= {n.id for n in loaded if n.id in names and id(n) not in coerced}
    assert raw <= {"row_limit"}  # which `changes` and `operator` assign again, checked


def test_every_family_of_an_audit_has_its_heading_and_section(name):
    cells = source(name)["cells"]
    headings = [line[3:].strip() for c in cells for line in c["source"] if line.startswith("## ")]
    calls = [(called(c), ast.parse(code(c)).body[-1].value.args) for c in cells if called(c)[:7] == "section"]
    shown = [(function, family.value) for function, families in calls for family in families]
    families = {r.family for r in catalogue().values() if TOLD_IN.get(r.audit, r.audit) == name}
    assert sorted(family for _, family in shown) == sorted(families)
    assert families <= {*headings, *(family for function, family in shown if function == "sections")}


@pytest.mark.parametrize("data", ["sample", pytest.param("real", marks=[pytest.mark.real, pytest.mark.long])])
def test_every_report_is_whole_and_within_its_budget(data, request):
    run = request.getfixturevalue(f"{data}_run")
    assert [outcome.name for outcome in run.outcomes if outcome.failure] == []
    others = {"changes", "certificates", "contacts_over_time"}  # each has tests of its own
    assert {outcome.name for outcome in run.outcomes} - others == set(NAMES)
    assert find_notebooks((), resource("notebooks")).keys() == {*NAMES, *others}
    assert max(file.stat().st_size for file in run.out.glob("*.html")) <= SIZE_MAX


def test_every_cell_shows_something_and_nothing_goes_wrong(sample_run, name):
    cells = nbformat.read(sample_run.out / f"{name}.ipynb", 4).cells
    for cell in cells:
        if cell.cell_type == "code" and not cell.metadata.get("tags") and called(cell) != "controls":
            shows = isinstance(ast.parse(code(cell)).body[-1], ast.Expr)
            assert [o.output_type for o in cell.outputs] == ["execute_result"] * shows, cell.source


def test_every_finding_is_in_a_table(sample_run, name):
    (outcome,) = (o for o in sample_run.outcomes if o.name == name)
    rules = [c for c in outcome.results.findings["rule"] if TOLD_IN.get(a := catalogue()[c].audit, a) == name]
    tables = page(sample_run, name).xpath("//table[@data-rows]")
    tables = {t.get("id"): t.xpath("tbody/tr") for t in tables if t.get("id") not in NOT_FINDINGS}
    assert sum(map(len, tables.values())) == len(rules)


def test_one_operator_and_a_row_limit(sample_run, tmp_path):
    whole = next(o.results.findings for o in sample_run.outcomes if o.name == "dn_consistency")
    families = whole["rule"].map(lambda code: catalogue()[code].family)
    counts = actionable(whole).groupby(["operator_id", families]).size()
    operator = counts.idxmax()[0]
    settings = {"as_of": "2026-03-03T06:00:00Z", "operator": operator, "row_limit": 1}
    run = run_reports(["dn_consistency"], out=tmp_path, parameters=settings)
    findings = run.outcomes[0].results.findings
    assert 1 < counts.max() <= len(findings) < len(whole)
    report = page(run, "dn_consistency")
    tables = report.xpath("//table[@data-rows]")
    assert all(len(table.xpath("tbody/tr")) == 1 for table in tables)
    away = (findings["severity"] == "info") | (findings["confidence"] == "hint")
    titles = findings["rule"].map(lambda code: catalogue()[code].family)
    assert len(tables) == len(set(zip(titles, away, strict=True)))
    assert report.xpath("//p[@class='csv'][contains(., 'toutes sont dans le fichier CSV')]")
    assert operator in report.xpath("//p[@class='limits']")[0].text_content()


GUIDES = ("README", "cookbook", "follow_up")
AS_OF = "2026-03-03"


def cells(name):
    return json.loads((resource("notebooks") / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]


def test_the_readme_links_to_every_notebook():
    text = "".join("".join(cell["source"]) for cell in cells("README"))
    linked = set(re.findall(r"\]\((\w+)\.ipynb\)", text))
    everything = {path.stem for path in resource("notebooks").glob("*.ipynb")}
    assert linked == everything - {"README"}
    assert everything - find_notebooks((), resource("notebooks")).keys() == {*GUIDES, *ONE_OPERATOR}


@pytest.fixture(scope="module")
def answers(shipped, tmp_path_factory):
    """What each cell of the cookbook shows of the sample as of its day, by the cell's name."""
    scope, shown = {}, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("cookbook")))
        patch.setattr(registry, "registered", dict(registry.registered))
        for cell in cells("cookbook"):
            if cell["cell_type"] == "code" and cell["id"] != "data":
                source = "".join(cell["source"]).replace("load_space(data)", f"load_space(as_of={AS_OF!r})")
                body = ast.parse(source)
                last = ast.Expression(body.body.pop().value)
                exec(compile(body, cell["id"], "exec"), scope)  # our own notebook
                if cell["id"] != "load":  # itables wants a kernel
                    shown[cell["id"]] = eval(compile(last, cell["id"], "eval"), scope)
        yield scope, shown
    registry.catalogue.cache_clear()


def test_the_cookbooks_answers_are_right(answers):
    scope, shown = answers
    entries, findings = scope["entries"], scope["findings"]
    assert shown["search"]["domain"].iloc[0] == "ch-moulinvirtuel.mssante.fr"
    assert shown["listed"].listed
    assert set(shown["changes"]["confidence"]) <= {"certain", "likely"}, "the archive's lists are verified"
    local = {*entries.loc[entries["region"] == scope["region"], "row"]}
    assert len(shown["region"]) >= findings["rows"].map(lambda rows: not local.isdisjoint(rows)).sum() > 3
    long = entries.loc[entries["domain"].str.len() > 40, "domain"].nunique()
    assert len(lxml_html.fromstring(shown["rule"]).findall(".//tbody/tr")) == long > 0
    number = entries.loc[entries["department"] == "44", "domain"].nunique()
    assert f"Loire-Atlantique (44) : {number}" in shown["tiles"].alt.replace("\N{NO-BREAK SPACE}", " ")
    assert set(shown["behind"]["host"]) == {scope["hosts"].mode()[0]}
    assert len(shown["behind"]) >= scope["hosts"].value_counts().iloc[0]
    assert {*zip(shown["join"]["finess"], shown["join"]["lits"], strict=True)} == {("359900099", 240)}
    assert set(shown["moved"]["moved"]) <= {"new", "changed"}
    ages = {"CONTACT_PERSONAL", "CONTACT_STAMP_OLD", "CONTACT_UNCHANGED"}
    assert {"CONTACT_UNCHANGED"} <= set(shown["moved"]["rule"]) <= ages
    assert tuple(shown["rows"].loc["row"]) == findings["rows"].iloc[0][:3]
    grave = findings[findings["severity"] >= "error"]
    assert shown["sql"]["constats"].iloc[0] == grave["operator"].value_counts().iloc[0]
    assert shown["parquet"]["domain"].tolist() == entries["domain"].unique().tolist()
    assert shown.keys() == {cell["id"] for cell in cells("cookbook")[3:] if cell["cell_type"] == "code"}


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_runs_on_the_sample_and_on_a_hostile_list_by_changing_one_cell(
    name, shipped, hostile_data, tmp_path
):
    text = (resource("notebooks") / f"{name}.ipynb").read_text(encoding="utf-8")
    line = json.dumps("data: str | None = None")
    assert text.count(line) == 1
    changed = tmp_path / f"{name}_own.ipynb"
    changed.write_text(text.replace(line, json.dumps(f"data = {str(hostile_data)!r}")), encoding="utf-8")
    run = run_reports([name, str(changed)], out=tmp_path / "out")
    assert [outcome.failure for outcome in run.outcomes] == [None, None]
