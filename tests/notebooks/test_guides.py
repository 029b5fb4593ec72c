"""The notebooks that are no reports: README and cookbook, for JupyterLab."""

import json
import re

import pytest

from mssante_audit.base.resources import resource
from mssante_audit.report.jobs import ONE_OPERATOR
from mssante_audit.report.run import find_notebooks, run_reports

GUIDES = ("README", "cookbook")


def cells(name):
    return json.loads((resource("notebooks") / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]


def test_guides_are_not_among_the_reports_made_by_default():
    everything = {path.stem for path in resource("notebooks").glob("*.ipynb")}
    assert everything - find_notebooks((), resource("notebooks")).keys() == {*GUIDES, *ONE_OPERATOR}


def test_the_readme_links_to_every_notebook():
    text = "".join("".join(cell["source"]) for cell in cells("README"))
    linked = set(re.findall(r"\]\((\w+)\.ipynb\)", text))
    assert linked == {path.stem for path in resource("notebooks").glob("*.ipynb")} - {"README"}


def test_the_cookbook_answers_ten_questions_each_in_under_five_lines():
    asked = cells("cookbook")[3:]
    questions, answers = asked[::2], asked[1::2]
    titles = ["".join(cell["source"]) for cell in questions]
    assert [title.split(" ")[1] for title in titles] == [f"{n}." for n in range(1, 11)]
    assert all(title.endswith("\N{NO-BREAK SPACE}?") for title in titles)
    assert all(len(cell["source"]) < 5 for cell in answers)


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_runs_on_the_sample_and_on_a_hostile_list_by_changing_one_cell(name, hostile_run, tmp_path):
    notebook = json.loads((resource("notebooks") / f"{name}.ipynb").read_text(encoding="utf-8"))
    (cell,) = [c for c in notebook["cells"] if c["id"] == "data"]
    assert cell["source"] == ["data: str | None = None"]
    cell["source"] = [f"data = {str(hostile_run.out.parent / 'data')!r}"]
    own = tmp_path / f"{name}_own.ipynb"
    own.write_text(json.dumps(notebook), encoding="utf-8")
    run = run_reports([name, str(own)], out=tmp_path / "out")
    assert [outcome.failure for outcome in run.outcomes] == [None, None]
