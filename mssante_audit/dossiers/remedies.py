"""What an operator does about a finding, in words put to it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import pandas as pd

from mssante_audit.base.language import current_language, localized
from mssante_audit.base.resources import table_of
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.registry import rule
from mssante_audit.findings.templates import sentence


@cache
def dossier_words() -> dict[str, Any]:
    """Return what ``dossier.toml`` says: `generic`, `others`, `remedies` by language, `fields`."""
    words = table_of("mssante_audit.dossiers", "dossier.toml")
    for shared in words.pop("shared"):
        for language, remedies in words["remedies"].items():
            remedies |= dict.fromkeys(shared["rules"], shared[language])
    return words


def remedy(code: str, facts: Mapping[str, Any] | None = None) -> str:
    """Return what an operator does about a finding: the catalogue's remedy, put to it where that is not."""
    text = dossier_words()["remedies"][current_language()].get(code)
    if not text:
        text = localized(rule(code), "remedy") if facts is None else sentence(rule(code), "remedy", facts)
    return str(text).strip()


def theirs(findings: pd.DataFrame) -> pd.DataFrame:
    """Return the findings that the operator itself can do something about; information and hints left out."""
    apart = {FAILED, *dossier_words()["others"]}
    apart |= {code for code in findings["rule"].unique() if rule(code).manager}
    idle = (findings["severity"] == "info") | (findings["confidence"] == "hint")
    return findings[~(idle | findings["rule"].isin(apart))]
