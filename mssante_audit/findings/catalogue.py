"""The rule catalogue: the rules of every audit there is, by code."""

from __future__ import annotations

from collections.abc import Mapping

from mssante_audit.base.errors import UnknownNameError
from mssante_audit.findings.registry import rules
from mssante_audit.findings.rules import Rule


def catalogue() -> Mapping[str, Rule]:
    """Return every rule by its code, in the order of the audits and of the rules in them."""
    return rules()


def rule(code: str) -> Rule:
    """Return the rule named `code`.

    Raises
    ------
    UnknownNameError
        If the catalogue has no such rule.
    """
    try:
        return catalogue()[code]
    except KeyError:
        raise UnknownNameError(f"no rule {code!r}", remedy="`mssante-audit rules` lists them") from None
