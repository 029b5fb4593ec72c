"""Findings made up for tests of what shows them: any rule, any rows, any words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from mssante_audit.findings.facts import Finding
from mssante_audit.findings.frame import findings_frame


def made(
    code: str, rows: tuple[int, ...] = (), observed: str = "", expected: str = "", **more: Any
) -> Finding:
    """Return a finding that `framed` words as told; each of other rows or words is another one."""
    facts = {"observed": observed, "expected": expected}
    return Finding(code, (str(rows), observed), rows, facts=facts, **more)


def framed(found: Iterable[Finding], entries: pd.DataFrame) -> pd.DataFrame:
    """Return findings of `made` as a frame, in their words."""
    frame = findings_frame(found, entries)
    for column in ("observed", "expected"):
        frame[column] = pd.Series([facts[column] for facts in frame["facts"]], dtype="str")
    return frame
