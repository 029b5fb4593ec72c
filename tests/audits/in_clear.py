"""What an audit finds, as tests read it: in French, and with persons as they are."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from made_up import Row, archived, make_space

from mssante_audit.audits import findings_of
from mssante_audit.findings.frame import worded
from mssante_audit.space.trust import TrustSpace
from mssante_audit.whitelist.rows import grouped

Found = list[tuple[str, tuple[int, ...]]]
INVISIBLE = "\u200b\u202e\u3164\ue000\ufe0f"


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
    findings = told_in_clear(name, space)
    return grouped(zip(findings["rule"], findings["rows"], strict=True))


class Case(NamedTuple):
    """A list, or the lists of an archive by day; what is found in the last, and what its findings say."""

    rows: Iterable[Row] | dict[str, list[Row]]
    fired: Found
    only: Iterable[str] = ()  # the rules that are looked at, all by default
    words: Mapping[str, Mapping[str, list[str]]] = {}
    """Rule → column → its values in the first findings of that rule; "…" stands for any text."""


def alone(rule: str, where: tuple[int, ...], rows: Any, **says: str) -> Case:
    """Return a case in which one thing is found, on these rows, and says so in its columns."""
    texts = {rule: {column: [text] for column, text in says.items()}} if says else {}
    return Case(rows, [(rule, where)], (), texts)


def fires(rule: str, where: tuple[int, ...], rows: Any, **says: str) -> Case:
    """Return a case in which that is found, whatever else is."""
    return alone(rule, where, rows, **says)._replace(only=[rule])


def silent(rule: str, rows: Any) -> Case:
    return Case(rows, [], [rule])


def seen_in(name: str, case: Case, folder: Path, but: str = "") -> tuple[Found, dict[str, Any]]:
    """Return what fires in a case and its words, which a test compares with what the case expects."""
    space = archived(folder, **case.rows) if isinstance(case.rows, dict) else make_space(*case.rows)
    findings = told_in_clear(name, space)
    seen: dict[str, dict[str, list[str]]] = {}
    for rule, columns in case.words.items():
        for column, wanted in columns.items():
            texts = [str(t).replace("\xa0", " ") for t in findings.loc[findings["rule"] == rule, column]]
            seen.setdefault(rule, {})[column] = [
                pattern if re.fullmatch(re.escape(pattern).replace("…", ".*"), text, re.DOTALL) else text
                for pattern, text in zip(wanted, texts, strict=False)
            ]
    kept = findings[findings["rule"].isin(case.only) if case.only else findings["rule"] != but]
    return sorted(zip(kept["rule"], kept["rows"], strict=True)), seen
