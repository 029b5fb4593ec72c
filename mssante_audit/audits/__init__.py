"""The audits: pure functions from a trust space to a frame of findings, one module an audit."""

from __future__ import annotations

from importlib import import_module
from typing import cast

import pandas as pd

from mssante_audit.audits.since import dated
from mssante_audit.base.errors import UnknownNameError
from mssante_audit.findings.frame import concat, masked
from mssante_audit.findings.waivers import load_waivers, split
from mssante_audit.space.trust import TrustSpace

AUDITS = (
    "whitelist_integrity",
    "dn_consistency",
    "stale_contacts",
    "declarations",
    "reconciliation",
    "delegation_vs_redirection",
)
"""Each names a module here, its rules in ``rules/<name>.toml`` and its tests in ``tests/audits``."""


def audit(name: str, space: TrustSpace) -> pd.DataFrame:
    """Run one audit.

    Returns
    -------
    DataFrame
        Findings, as described in `mssante_audit.findings.frame`; contacts in it are masked unless the space
        was loaded with ``show_contacts=True``. Waived ones are left out (`waived` has them). `first_seen` is
        told where the list is one of the space's archive.

    Raises
    ------
    UnknownNameError
        If there is no audit of that name.
    """
    if name not in AUDITS:
        raise UnknownNameError(f"no audit {name!r}", remedy=f"There are: {', '.join(AUDITS)}")
    return _parted(name, space)[0]


_remembered: tuple[TrustSpace, dict[str, tuple[pd.DataFrame, pd.DataFrame]]] | None = None


def remember(space: TrustSpace) -> None:
    """Run every audit now, so that this process and its forks need not for this very space."""
    global _remembered
    _remembered = None
    _remembered = (space, {name: _parted(name, space) for name in AUDITS})


def _parted(name: str, space: TrustSpace) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Run one audit; return its findings and the waived ones."""
    if _remembered and _remembered[0] is space:
        findings, aside = _remembered[1][name]
        return findings.copy(deep=False), aside.copy(deep=False)
    findings = cast(pd.DataFrame, import_module(f"{__package__}.{name}.rules").audit(space))
    findings = dated(findings if space.show_contacts else masked(findings), space)
    waivers = load_waivers(space.waivers) if space.waivers else ()
    return split(findings, waivers, space.as_of)


def waived(space: TrustSpace, *names: str) -> pd.DataFrame:
    """Return the findings of audits (of all by default) that are waived, with `reason`, `who`, `until`."""
    return pd.concat([_parted(name, space)[1] for name in names or AUDITS], ignore_index=True)


def audit_all(space: TrustSpace) -> pd.DataFrame:
    """Run every audit and return all findings in one frame, worst first."""
    return concat(audit(name, space) for name in AUDITS)
