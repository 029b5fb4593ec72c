"""``mssante-audit methods``: a record a domain, in CSV and JSON."""

import csv
import io
import json

import pandas as pd
import pytest
from conftest import CATALOGUE
from typer.testing import CliRunner

from mssante_audit.base.errors import InputError
from mssante_audit.cli.main import app
from mssante_audit.network.methods import METHODS
from tools.sample.make import LIST_FILE

COLUMNS = ["domain", "method", "cut", "declared", "observed_at", "why"]


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["methods", "--as-of", "2026-03-03", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_csv_and_json_say_the_same(tmp_path):
    rows = list(csv.DictReader(io.StringIO(run())))
    records = json.loads(run("--format", "json"))
    assert list(rows[0]) == COLUMNS
    assert list(records[0]) == [*COLUMNS, "facts"]
    assert all(r["facts"]["code"] for r in records)
    assert [(r["domain"], r["method"], r["declared"]) for r in rows] == [
        (r["domain"], r["method"], r["declared"]) for r in records
    ]
    assert len({r["domain"] for r in records}) == len(records) > 75
    assert {r["method"] for r in records} == set(METHODS)
    assert {r["declared"] for r in records} == {"", "delegation", "redirection", "withdrawal"}
    unknown = [r for r in records if r["method"] == "unknown"]
    assert all(r["why"] for r in unknown)
    run("--format", "parquet", "--out", str(tmp_path / "methods.parquet"))
    facts = pd.read_parquet(tmp_path / "methods.parquet")["facts"]
    assert [json.loads(text) for text in facts] == [r["facts"] for r in records]


def test_without_an_observation_it_says_so(tmp_path):
    (tmp_path / LIST_FILE).write_bytes((CATALOGUE / LIST_FILE).read_bytes())
    with pytest.raises(InputError, match="no observation"):
        CliRunner().invoke(app, ["methods", "--data", str(tmp_path)], catch_exceptions=False)
