"""Findings made up for tests of what shows them: any rule, any rows, any words."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from mssante_audit.findings.frame import Finding, findings_frame
from mssante_audit.findings.places import REGISTER, Place, evidence


def made(
    code: str,
    rows: tuple[int, ...] = (),
    observed: str = "",
    expected: str = "",
    register: str = "",
    **more: Any,
) -> Finding:
    """Return a finding that `framed` words as told; each of other rows or words is another one."""
    facts = {"observed": observed, "expected": expected}
    where = (*rows, Place(REGISTER, register)) if register else rows
    return Finding(code, (str(rows), observed), where, facts, **more)


def framed(findings: Iterable[Finding], entries: pd.DataFrame) -> pd.DataFrame:
    """Return findings of `made` as a frame, in their words."""
    frame = findings_frame(findings, entries)
    for column in ("observed", "expected"):
        frame[column] = pd.Series([facts[column] for facts in frame["facts"]], dtype="str")
    frame["evidence"] = pd.Series([evidence(where) for where in frame["where"]], dtype="str")
    return frame
