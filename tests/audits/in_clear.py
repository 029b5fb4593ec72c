"""What an audit finds, as tests read it: in French, and with persons as they are."""

from collections.abc import Callable

import pandas as pd

from mssante_audit.audits import findings_of
from mssante_audit.findings.words import worded
from mssante_audit.space.trust import TrustSpace
from mssante_audit.whitelist.rows import grouped

Found = list[tuple[str, tuple[int, ...]]]


def told_in_clear(name: str, space: TrustSpace) -> pd.DataFrame:
    """Return the findings of one audit, waived ones too."""
    return worded(findings_of(name, space), contacts="all")


def finders(name: str, but: str = "") -> tuple[Callable[..., Found], Callable[..., list[tuple[str, str]]]]:
    """Return what gives (rule, rows) of an audit's findings, of some rules or all but one; their texts."""

    def found(space: TrustSpace, *rules: str) -> Found:
        findings = told_in_clear(name, space)
        kept = findings[findings["rule"].isin(rules) if rules else findings["rule"] != but]
        return sorted(zip(kept["rule"], kept["rows"], strict=True))

    def texts(space: TrustSpace, rule: str) -> list[tuple[str, str]]:
        findings = told_in_clear(name, space)
        kept = findings[findings["rule"] == rule]
        return list(zip(kept["observed"], kept["expected"], strict=True))

    return found, texts


def by_rule(name: str, space: TrustSpace) -> dict[str, list[tuple[int, ...]]]:
    """Return the rows of one audit's findings by rule."""
    findings = told_in_clear(name, space)
    return grouped(zip(findings["rule"], findings["rows"], strict=True))
