"""The DNS method in use for each domain, beside the declared one."""

from __future__ import annotations

import pandas as pd

from mssante_audit.audits.delegation_vs_redirection.observed import declarations
from mssante_audit.findings.registry import rule
from mssante_audit.findings.words import sentence
from mssante_audit.observe.methods import methods
from mssante_audit.space.trust import TrustSpace

COLUMNS = ("domain", "method", "cut", "declared", "observed_at", "why")


def method_records(space: TrustSpace) -> pd.DataFrame:
    """Return the method in use for each audited domain, one row each, in list order.

    Returns
    -------
    DataFrame
        ``domain`` str, ``method`` str (`mssante_audit.observe.methods`), ``cut`` str, ``declared`` str
        (``delegation``, ``redirection``, ``withdrawal`` or "" for nothing), ``observed_at`` (UTC, NaT if not
        observed), ``why`` str (French). Empty where the space has no observation.
    """
    domains = space.audited["domain"].unique().tolist()
    if space.observation is None:
        empty = pd.DataFrame(columns=list(COLUMNS), dtype="str")
        return empty.astype({"observed_at": "datetime64[us, UTC]"})
    found = methods(space.observation, domains).astype({"method": "str"})
    told = declarations(space)
    kinds = [told[key].kind if (key := d.lower().rstrip(".")) in told else "" for d in found["domain"]]
    # The rule's own words, for the methods that are no finding too.
    why = [sentence(rule("DNS_METHOD_UNKNOWN"), "observed", {"seen": [facts]}) for facts in found["why"]]
    return found.assign(declared=pd.Series(kinds, dtype="str"), why=pd.Series(why, dtype="str"))[
        list(COLUMNS)
    ]
