"""The audit in ten lines of docs/own_audit.md: out of the file, into a script and into a notebook."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from lxml import html as lxml_html
from made_up import xml_of

from mssante_audit.report.run import run_reports

AS_OF = "2026-03-03T06:00:00Z"
RECIPE = (Path(__file__).parents[2] / "docs" / "own_audit.md").read_text(encoding="utf-8")
RULES, CODE = (re.search(rf"(?ms)^```{kind}\n(.*?)^```$", RECIPE)[1] for kind in ("toml", "python"))

SITE = f"""
from pathlib import Path
from mssante_audit import audit, audit_all, load_space
from mssante_audit.audits import waived
from mssante_audit.findings.trend import point_of
from mssante_audit.site.build import build_site

space = load_space(Path("list.xml"), as_of="{AS_OF}")
long_named = audit("long_names", space)
long_named.to_json("found.json", orient="records")
findings = audit_all(space)
assert set(long_named["fingerprint"]) <= set(findings["fingerprint"])
Path("site").mkdir()
point = point_of(space.as_of, findings, waived(space), None)
build_site(Path("site"), space, findings, waived=waived(space), told=None, points=[point])
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a script finds the rules, and a list of short and of long names."""
    (tmp_path / "long_names.toml").write_text(RULES, encoding="utf-8")
    names = [f"{'x' * length}.mssante.fr" for length in (5, 35, 45, 60)]
    (tmp_path / "list.xml").write_bytes(xml_of(*({"domain": name} for name in names)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_audit_and_site_come_out_as_it_says(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CODE + SITE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    findings = json.loads((folder / "found.json").read_text())
    assert len(findings) == 3
    for finding in findings:
        assert (finding["rule"], finding["severity"]) == ("LIST_DOMAIN_LONG", "info")
        assert finding["observed"] == f"{len(finding['domain'])}\xa0caractères"
    for name in ("audits/long_names.html", "regles/LIST_DOMAIN_LONG.html"):
        page = lxml_html.fromstring((folder / "site" / name).read_text(encoding="utf-8"))
        assert len(page.xpath("//table[@id='constats-folded']/tbody/tr")) == len(findings)
        assert "•••" not in page.find(".//title").text


def test_it_works_in_a_cell_and_a_cell_that_is_run_again_replaces_it(folder: Path) -> None:
    look = f"""
from pathlib import Path
from mssante_audit import audit_all, load_space
from mssante_audit.report.findings import findings_table
from mssante_audit.report.tables import enable
enable()
space = load_space(Path("list.xml"), as_of="{AS_OF}")
own = lambda: audit_all(space).query("audit == 'long_names'")
before = own()
"""
    again = CODE.replace("> 40", "> 60")
    assert again != CODE
    cells = (
        f"import os; os.chdir({str(folder)!r})",
        CODE,
        look,
        'findings_table(before, name="before", caption="x", limit=500)',
        again,
        'findings_table(own(), name="after", caption="x", limit=500)',
        CODE.replace("Noms longs", "Noms trop longs"),
        "assert own().equals(before)",
        "from mssante_audit import open_report",
        f"open_report('overview', data='list.xml', as_of='{AS_OF}').others()",
    )
    code = [nbformat.v4.new_code_cell(cell) for cell in cells]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Essai"), *code])
    nbformat.write(notebook, folder / "essai.ipynb")
    run = run_reports([str(folder / "essai.ipynb")], out=folder / "out")
    assert run.outcomes[0].failure is None, run.outcomes[0].failure
    page = lxml_html.fromstring((folder / "out" / "essai.html").read_text(encoding="utf-8"))
    names = ("before-folded", "after-folded")  # information
    before, after = (len(page.xpath(f"//table[@id='{name}']/tbody/tr")) for name in names)
    assert before > after >= 1
    assert [h.text_content() for h in page.xpath("//main//h2")] == ["Noms trop longs"]
