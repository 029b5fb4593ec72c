"""The audits: pure functions from a trust space to a frame of findings, one module an audit."""

from __future__ import annotations

from importlib import import_module
from typing import cast

import pandas as pd

from mssante_audit.errors import UnknownNameError
from mssante_audit.findings import concat, masked
from mssante_audit.space import TrustSpace

AUDITS = ("whitelist_integrity", "dn_consistency", "stale_contacts", "declarations", "reconciliation")
"""Each names a module here, its rules in ``rules/<name>.toml`` and its tests in ``tests/audits``."""


def audit(name: str, space: TrustSpace) -> pd.DataFrame:
    """Run one audit.

    Returns
    -------
    DataFrame
        Findings, as described in `mssante_audit.findings`; contacts in it are masked unless the space was
        loaded with ``show_contacts=True``.

    Raises
    ------
    UnknownNameError
        If there is no audit of that name.
    """
    if name not in AUDITS:
        raise UnknownNameError(f"no audit {name!r}", remedy=f"There are: {', '.join(AUDITS)}")
    findings = cast(pd.DataFrame, import_module(f"{__package__}.{name}").audit(space))
    return findings if space.show_contacts else masked(findings)


def audit_all(space: TrustSpace) -> pd.DataFrame:
    """Run every audit and return all findings in one frame, worst first."""
    return concat(audit(name, space) for name in AUDITS)
