"""The report on declarations: where there is a register, of one operator, and without naming anybody."""

from shutil import copy

import pytest
from cells import shown
from conftest import CATALOGUE
from conftest import SAMPLE_AS_OF as AS_OF

from mssante_audit.audits.reconciliation.rules import status
from mssante_audit.base.errors import InputError
from mssante_audit.declarations.register import fields, load_declarations
from mssante_audit.findings.frame import concat
from mssante_audit.report.html import names
from mssante_audit.report.notebook import Report
from mssante_audit.report.results import EVERYBODY
from mssante_audit.report.run import run_reports
from mssante_audit.whitelist.load import load_whitelist


def told(space, ident, statuses=None, row_limit=1000):
    frame = status(space) if statuses is None else statuses
    counts = frame["status"].astype("str").value_counts().reindex(list(names("statuses")), fill_value=0)
    report = Report("declarations", space, EVERYBODY, space.audited, concat([]), (), row_limit)
    variables = {"report": report, "statuses": frame, "counts": counts, "register": space.register}
    return shown("declarations", ident, space=space, **variables)


def test_the_table_has_what_is_not_as_declared(space):
    """Counts of statuses, in sentence and chart: `test_numbers`."""
    frame = status(space)
    odd = frame[~frame["status"].isin(["as-declared", "withdrawn"])]
    table = told(space, "statuses-table")
    assert table.count("<tr>") == len(odd) + 1
    assert f'data-rows="{len(odd)}"' in table
    assert "toutes sont dans le fichier CSV" in told(space, "statuses-table", row_limit=3)
    assert "Aucun domaine" in told(space, "statuses-table", frame.iloc[:0])
    assert told(space, "statuses", frame.iloc[:0]).caption == "Aucun domaine à rapprocher."


def test_nobody_is_named_in_anything_the_report_writes(sample_run):
    register = load_declarations(CATALOGUE / "declarations.csv").declarations
    personal = [name for name, field in fields().items() if field.personal]
    values = {v for name in personal for v in register[name] if v.strip()} - {"Paul", "FICTIF"}
    listed = load_whitelist(CATALOGUE / "listeblanchemssante.xml.gz", recover=True).entries
    public = "\n".join(listed["project_contact"] + listed["support_contact"])  # a service's is shown
    values = {v for v in values if v not in public}
    assert len(values) > 20
    for file in sample_run.out.glob("declarations.*"):
        text = file.read_text(encoding="utf-8")
        assert [value for value in values if value in text] == [], file.name


@pytest.mark.parametrize(
    ("register", "names", "why"),
    [
        (None, ["declarations"], "the data folder holds no declarations"),
        ("a,b\n1,2\n", (), r"declarations.csv, line 1: no column holds the domain"),
    ],
)
def test_a_register_that_is_not_there_or_unreadable_is_refused(tmp_path, register, names, why):
    copy(CATALOGUE / "listeblanchemssante.xml.gz", tmp_path)
    if register:
        (tmp_path / "declarations.csv").write_text(register)
    with pytest.raises(InputError, match=why):
        run_reports(names, out=tmp_path / "out", parameters={"data": str(tmp_path), "as_of": AS_OF})


def test_who_explores_sees_one_operator(space):
    settings = {"data": None, "as_of": AS_OF, "operator": "1679900001", "anchors": [], "contacts": "none"}
    settings |= dict.fromkeys(("region", "department", "signer")) | {"listing_days": 10, "row_limit": 5}
    settings |= dict.fromkeys(("recover", "any_namespace"), False)
    statuses = status(space, {"1679900001"})
    assert 0 < len(statuses) < len(status(space))
    caption = shown("declarations", "opening", "answer", "statuses", **settings).caption
    assert f" sur {len(statuses)} " in caption
