"""The report on declarations: where there is a register, of one operator, and without naming anybody."""

from shutil import copy

import pandas as pd
import pytest
from cells import shown
from conftest import CATALOGUE
from conftest import SAMPLE_AS_OF as AS_OF

from mssante_audit.audits.reconciliation.rules import status
from mssante_audit.base.errors import InputError
from mssante_audit.declarations.register import fields, load_declarations
from mssante_audit.findings.frame import concat
from mssante_audit.report.charts import Chart
from mssante_audit.report.html import names
from mssante_audit.report.notebook import Report
from mssante_audit.report.results import EVERYBODY
from mssante_audit.report.run import run_reports
from mssante_audit.whitelist.load import load_whitelist

SAMPLE = CATALOGUE


def told(space, ident, statuses=None, row_limit=1000):
    """What a cell of the notebook shows of statuses."""
    frame = status(space) if statuses is None else statuses
    counts = frame["status"].astype("str").value_counts().reindex(list(names("statuses")), fill_value=0)
    report = Report("declarations", space, EVERYBODY, space.audited, concat([]), (), row_limit)
    given = {"report": report, "statuses": frame, "counts": counts, "register": space.register}
    return shown("declarations", ident, space=space, **given)


def test_the_chart_tells_every_status_with_its_number(space):
    frame = status(space)
    chart = told(space, "statuses")
    assert isinstance(chart, Chart)
    for name, count in frame["status"].value_counts().items():
        assert (f"{names('statuses')[name]} : {count} (" in chart.alt) == (count > 0)
    assert "listés comme déclaré" in chart.caption
    assert told(space, "statuses", frame.iloc[:0]).caption == "Aucun domaine à rapprocher."


def test_the_first_screen_and_the_table(space):
    frame = status(space)
    answer = told(space, "answer")
    assert "1 domaine retiré reste dans la liste" in answer.replace("\u00a0", " ")
    odd = frame[~frame["status"].isin(["as-declared", "withdrawn"])]
    table = told(space, "statuses-table")
    assert table.count("<tr>") == len(odd) + 1
    assert f'data-rows="{len(odd)}"' in table
    assert "toutes sont dans le fichier CSV" in told(space, "statuses-table", row_limit=3)
    assert "Aucun domaine" in told(space, "statuses-table", frame.iloc[:0])


def opened(data, operator=None):
    """What the notebook's opening and answer show, run as who explores runs it."""
    given = {"data": data, "as_of": AS_OF, "operator": operator, "anchors": [], "contacts": "none"}
    given |= dict.fromkeys(("region", "department", "signer")) | {"listing_days": 10, "row_limit": 5}
    given |= dict.fromkeys(("recover", "any_namespace"), False)
    return shown("declarations", "opening", "answer", "statuses", **given)


def test_one_operator(space):
    own = status(space, {"1679900001"})
    assert 0 < len(own) < len(status(space))
    assert f" sur {len(own)} " in opened(None, "1679900001").caption


def test_nobody_is_named_in_anything_the_report_writes(sample_run):
    register = load_declarations(SAMPLE / "declarations.csv").declarations
    personal = [name for name, field in fields().items() if field.personal]
    values = {v for name in personal for v in register[name] if v.strip()} - {"Paul", "FICTIF"}
    listed = load_whitelist(SAMPLE / "listeblanchemssante.xml.gz", recover=True).entries
    public = "\n".join(listed["project_contact"] + listed["support_contact"])  # a service's is shown
    values = {v for v in values if v not in public}
    assert len(values) > 20
    for file in sample_run.out.glob("declarations.*"):
        text = file.read_text(encoding="utf-8")
        assert [value for value in values if value in text] == [], file.name


def test_without_a_register_the_report_is_refused_by_name(tmp_path):
    copy(SAMPLE / "listeblanchemssante.xml.gz", tmp_path)
    parameters = {"data": str(tmp_path), "as_of": AS_OF}
    with pytest.raises(InputError, match="the data folder holds no declarations"):
        run_reports(["declarations"], out=tmp_path / "out", parameters=parameters)
    assert opened(str(tmp_path)).caption == "Aucun domaine à rapprocher."


def test_an_unreadable_register_is_refused_before_anything_runs(tmp_path):
    copy(SAMPLE / "listeblanchemssante.xml.gz", tmp_path)
    (tmp_path / "declarations.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"declarations.csv, line 1: no column holds the domain"):
        run_reports(out=tmp_path / "out", parameters={"data": str(tmp_path), "as_of": AS_OF})


def test_rows_and_statuses_agree_with_the_list(space):
    frame = status(space)
    listed = frame["rows"].map(bool)
    assert listed[frame["status"].isin(["withdrawn-listed", "differs", "as-declared", "not-declared"])].all()
    assert not listed[frame["status"].isin(["not-listed", "withdrawn"])].any()
    every = sorted(row for rows in frame["rows"] for row in rows)
    assert every == space.audited["row"].tolist()
    assert pd.Series(every).is_unique
