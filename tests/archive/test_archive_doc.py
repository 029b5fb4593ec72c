"""The queries and the waiver that the documentation shows work on the sample's history."""

import re
from pathlib import Path
from shutil import copytree

import duckdb
import pandas as pd
import pytest
from conftest import CATALOGUE
from typer.testing import CliRunner

from mssante_audit.archive.history import bring_up_to_date
from mssante_audit.archive.store import open_archive
from mssante_audit.cli.main import app
from mssante_audit.findings.waivers import load_waivers

ROOT = Path(__file__).parents[2]


def block(language: str, about: str = "") -> str:
    """Return the block of docs/archive.md that is about something."""
    text = (ROOT / "docs" / "archive.md").read_text(encoding="utf-8")
    (fits,) = [code for code in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) if about in code]
    return fits


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copytree(CATALOGUE / "archive", tmp_path / "archive")
    bring_up_to_date(open_archive(tmp_path / "archive"))
    monkeypatch.chdir(tmp_path / "archive")
    return tmp_path / "archive"


def test_the_history_can_be_asked(here: Path) -> None:
    rows = duckdb.sql(block("sql", "history.parquet")).fetchall()
    assert [str(row[2])[:10] for row in rows] == ["2025-09-01"] * 10
    assert rows[0][3] > 20
    exec(block("python", "history.parquet"), names := {})
    assert 0 < len(names["gone"]) < len(names["history"])
    assert names["came"].sum() == names["history"]["domain"].nunique()
    assert pd.api.types.is_string_dtype(names["history"]["domain"])


def test_the_facts_of_events_can_be_asked(here: Path) -> None:
    words = "changes 2025-09-01 2025-11-03 --archive . --events --format parquet --out events.parquet"
    done = CliRunner().invoke(app, [*words.split(), "--anchors", str(CATALOGUE / "anchors")])
    assert done.exit_code == 0, done.output
    rows = duckdb.sql(block("sql", "events.parquet")).fetchall()
    assert rows == [("GROUPEMENT E-SANTE DE CHEMINSONGE", "MESSAGERIES FICTIVES DE LANDEFACTICE", 4)]


def test_compare(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copytree(here, here.parent / "data" / "archive")
    copytree(CATALOGUE / "anchors", here.parent / "igc-sante")
    monkeypatch.chdir(here.parent)
    exec(block("python", "compare"), names := {})
    assert names["found"].doubts == ((), ())
    assert set(names["found"].events["confidence"]) == {"certain", "likely"}


def test_waiver(tmp_path: Path) -> None:
    file = tmp_path / "waivers.toml"
    file.write_text(block("toml"), encoding="utf-8")
    assert load_waivers(file)[0].rule == "DN_CONCENTRATION"
