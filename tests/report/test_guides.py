"""The notebooks that are no reports: README, cookbook and follow-up, for JupyterLab."""

import ast
import json
import re
import tempfile

import pytest
from lxml import html as lxml_html

from mssante_audit.base.resources import resource
from mssante_audit.findings import registry
from mssante_audit.report.run import ONE_OPERATOR, find_notebooks, run_reports

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
    there = {*entries.loc[entries["region"] == scope["region"], "row"]}
    assert len(shown["region"]) >= findings["rows"].map(lambda own: not there.isdisjoint(own)).sum() > 3
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
    own = tmp_path / f"{name}_own.ipynb"
    own.write_text(text.replace(line, json.dumps(f"data = {str(hostile_data)!r}")), encoding="utf-8")
    run = run_reports([name, str(own)], out=tmp_path / "out")
    assert [outcome.failure for outcome in run.outcomes] == [None, None]
