"""Controls of a notebook: they choose for whoever is there, and nobody else sees a trace of them."""

import json
import subprocess
import sys

import nbformat
import papermill
import pytest
from jupyter_client.manager import start_new_kernel
from pages import parsed

import mssante_audit as ms
from mssante_audit.base.resources import resource
from mssante_audit.report import cards as module

AS_OF = "2026-03-03"
WITH_CONTROLS = [
    path.stem
    for path in sorted(resource("notebooks").glob("*.ipynb"))
    if "ms.controls(" in path.read_text(encoding="utf-8")
]


@pytest.fixture
def box(space, monkeypatch):
    monkeypatch.setattr(module, "attended", lambda: True)
    return ms.controls(space)


def counted(box):
    page = parsed(box.children[-1].value)
    told = page.xpath("string(//div[@class='desk'][last()]/p/b)")
    return int("".join(c for c in told if c.isdigit()) or 0)


def test_what_is_chosen_is_what_functions_find(space, box):
    region, operator, days, _ = box.children
    findings = ms.audit_all(space)
    assert counted(box) == len(findings)
    region.value = "Corse" if "Corse" in dict(region.options) else next(v for _, v in region.options if v)
    assert counted(box) == len(ms.within(space, findings, region=region.value))
    region.value, operator.value = "", operator.options[1][1]
    assert counted(box) == len(ms.within(space, findings, operator=operator.value))
    operator.value = ""
    days.value = 365
    assert counted(box) == len(ms.audit_all(space.with_(stale_after_days=365)))
    assert counted(box) != len(findings)
    days.value = 730
    assert counted(box) == len(findings)


def test_what_nobody_is_is_said_and_no_error(space, box):
    region, operator, _, shown = box.children
    operator.value = space.audited.loc[space.audited["department"] == "75", "operator_id"].iloc[0]
    region.value = next(v for _, v in region.options if v not in ("", "Île-de-France"))
    assert "does not sit in" in parsed(shown.value).text_content()


def test_hostile_names_stay_texts(hostile_data, monkeypatch):
    monkeypatch.setattr(module, "attended", lambda: True)
    own = ms.load_space(hostile_data, as_of=AS_OF)
    box = ms.controls(own)
    for _, value in box.children[1].options[:6]:
        box.children[1].value = value
        page = parsed(box.children[-1].value)
        assert page.xpath("//script | //img | //@onerror | //*[@id='pwned']") == []


def test_without_ipywidgets_or_with_nobody_there_are_none(space, monkeypatch):
    assert ms.controls(space) is None, "a test is no notebook"
    monkeypatch.setattr(module, "attended", lambda: True)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert ms.controls(space) is None


def test_somebody_is_there_where_input_can_be_asked_for():
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        told = []

        def hear(message):
            told.append(message["content"].get("text", "").strip())

        for there in (True, False):
            client.allow_stdin = there
            code = "from mssante_audit.report.cards import attended; print(attended())"
            client.execute_interactive(code, timeout=120, output_hook=hear)
        told = [text for text in told if text]
        assert told == ["True", "False"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_there_are_notebooks_with_controls():
    assert WITH_CONTROLS == ["overview", "stale_contacts"]


def test_papermill_alone_leaves_no_trace_of_widgets(tmp_path):
    out = tmp_path / "out.ipynb"
    source, given = str(resource("notebooks") / "stale_contacts.ipynb"), {"as_of": AS_OF}
    papermill.execute_notebook(source, str(out), given, progress_bar=False, kernel_name="python3")
    text = out.read_text(encoding="utf-8")
    assert "application/vnd.jupyter.widget" not in text
    assert "widgets" not in nbformat.read(out, 4)["metadata"]
    (cell,) = [cell for cell in json.loads(text)["cells"] if cell["id"] == "controls"]
    assert cell["outputs"] == []


def test_reports_hold_no_widget_and_do_without_the_library(sample_run):
    for name in WITH_CONTROLS:
        page = (sample_run.out / f"{name}.html").read_text(encoding="utf-8")
        assert "widget" not in page.lower()
    code = "import sys, mssante_audit.report.cards; sys.exit('ipywidgets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
