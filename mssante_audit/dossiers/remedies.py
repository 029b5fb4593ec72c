"""What an operator does about a finding, in words put to it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pandas as pd

from mssante_audit.base.language import current_language, localized
from mssante_audit.base.resources import table_of
from mssante_audit.findings.catalogue import FAILED
from mssante_audit.findings.registry import rule
from mssante_audit.findings.words import sentence


@cache
def said() -> dict[str, Any]:
    """Return what ``dossier.toml`` says: `generic`, `others`, `remedies` by language, `fields`."""
    told = table_of("mssante_audit.dossiers", "dossier.toml")
    for one in told.pop("shared"):
        for language, remedies in told["remedies"].items():
            remedies |= dict.fromkeys(one["rules"], one[language])
    return told


def remedy(code: str, facts: Mapping[str, Any] | None = None) -> str:
    """Return what an operator does about a finding: the catalogue's remedy, put to it where that is not."""
    own = said()["remedies"][current_language()].get(code)
    if not own:
        told = rule(code)
        own = localized(told, "remedy") if facts is None else sentence(told, "remedy", facts)
    return str(own).strip()


def theirs(findings: pd.DataFrame) -> pd.DataFrame:
    """Return the findings that the operator itself can do something about; information and hints left out."""
    others = {FAILED, *said()["others"]}
    told = zip(*(findings[name].tolist() for name in ("rule", "severity", "confidence")), strict=True)
    asked = [
        at
        for at, (code, severity, confidence) in enumerate(told)
        if severity != "info" and confidence != "hint" and code not in others and not rule(code).manager
    ]
    return findings.take(asked)
