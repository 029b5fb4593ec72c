"""`mssante-audit declarations`: template, import, form."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mssante_audit.base.resources import resource
from mssante_audit.declarations.register import load_declarations

AS_OF = ("--as-of", "2026-03-03")
SAMPLE = resource("data/sample") / "declarations.csv"


@pytest.fixture
def run(tmp_path):
    """Return a function that runs the command line in an empty folder."""

    def call(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "mssante_audit", "declarations", *map(str, arguments)],
            capture_output=True, encoding="utf-8", cwd=tmp_path, timeout=120,
        )  # fmt: skip

    return call


def test_template_then_import(run, tmp_path):
    assert run("template", "register.xlsx").returncode == 0
    clean = run("import", "register.xlsx")
    assert (clean.returncode, clean.stdout) == (0, "register.xlsx: 0 declarations, no findings\n")
    again = run("template", "register.xlsx")
    assert (again.returncode, again.stderr) == (
        2,
        "mssante-audit: register.xlsx: is there already. Choose another name, or use --force\n",
    )
    assert run("template", "register.xlsx", "--force").returncode == 0
    assert "a template is an .xlsx file" in run("template", "register.csv").stderr


def test_import_tells_what_is_wrong_row_by_row(run):
    done = run("import", SAMPLE, *AS_OF)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "declarations.csv, row 1: Remarques: unknown column, not read"
    assert any(line.startswith("declarations.csv, row 2: error: DNS method") for line in lines)
    assert "declarations.csv, row 21: date: '31/02/2026' is not a date" in lines
    assert lines[-1].startswith("declarations.csv: 101 declarations, ")
    rows = [int(line.split(", row ")[1].split(":")[0]) for line in lines[:-1]]
    assert rows == sorted(rows)


def test_import_for_machines_masks_contacts(run):
    done = run("import", SAMPLE, *AS_OF, "--format", "json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["declarations"]) == (1, 101)
    assert {"file", "row", "column", "kind", "value", "message"} == set(told["problems"][0])
    (consumer,) = [f for f in told["findings"] if f["rule"] == "DECL_PUBLIC_CONSUMER"]
    assert consumer["observed"] == "contact projet : m•••@gmail.com"
    shown = json.loads(run("import", SAMPLE, *AS_OF, "--format", "json", "--show-contacts").stdout)
    assert "contact projet : mss@gmail.com" in [f["observed"] for f in shown["findings"]]


def test_import_writes_a_register(run, tmp_path):
    assert run("import", SAMPLE, *AS_OF, "--out", "again.jsonl").returncode == 1
    ours, theirs = load_declarations(SAMPLE), load_declarations(tmp_path / "again.jsonl")
    assert ours.declarations["domain"].tolist() == theirs.declarations["domain"].tolist()


def test_unreadable_is_two(run, tmp_path):
    done = run("import", "none.csv")
    assert (done.returncode, done.stderr) == (2, "mssante-audit: none.csv: no such file or folder\n")
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    assert "no column holds the domain" in run("import", "a.csv").stderr


def test_a_form_is_written_and_imported(run):
    domain = "annexe5-valfictif.mssante.fr"
    assert run("form", domain.upper(), "form.pdf", "--data", SAMPLE.parent, *AS_OF).returncode == 0
    done = run("import", "form.pdf", *AS_OF)
    assert done.returncode == 1
    assert "DECL_SERVERS_OTHER" in done.stdout
    lost = run("form", "annexe5-valfictiff.mssante.fr", "other.pdf", "--data", SAMPLE, *AS_OF)
    assert lost.returncode == 2
    assert f"Near: {domain}" in lost.stderr


def test_no_register_in_the_data_folder(run, tmp_path):
    done = run("form", "a.mssante.fr", "a.pdf", "--data", tmp_path)
    assert "no register here" in done.stderr
    assert done.returncode == 2
