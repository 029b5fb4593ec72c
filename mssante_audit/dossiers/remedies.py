"""What an operator does about a finding, in words put to it."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd

from mssante_audit.findings.registry import rule


@cache
def said() -> dict[str, Any]:
    """Return what ``dossier.toml`` says: `generic`, `others`, `remedies`."""
    return tomllib.loads((files(__package__) / "dossier.toml").read_text(encoding="utf-8"))


def remedy(code: str) -> str:
    """Return what an operator does about a finding: the catalogue's remedy, put to it where that is not."""
    return str(said()["remedies"].get(code, rule(code).remedy_fr)).strip()


def theirs(findings: pd.DataFrame) -> pd.DataFrame:
    """Return the findings that the operator itself can do something about; mere information left out."""
    return findings[(findings["severity"] > "info") & ~findings["rule"].isin(said()["others"])]
