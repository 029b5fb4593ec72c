"""How each domain is reached: the DNS method in use beside the declared one, and the hosts it depends on."""

from __future__ import annotations

import pandas as pd

from mssante_audit.audits.delegation_vs_redirection.observed import declarations, seen_of
from mssante_audit.findings.registry import rule
from mssante_audit.findings.words import sentence
from mssante_audit.observe.methods import methods
from mssante_audit.space.trust import TrustSpace

COLUMNS = ("domain", "method", "cut", "declared", "observed_at", "why", "facts")


def method_records(space: TrustSpace) -> pd.DataFrame:
    """Return the method in use for each audited domain, one row each, in list order.

    Returns
    -------
    DataFrame
        ``domain`` str, ``method`` str (`mssante_audit.observe.methods`), ``cut`` str, ``declared`` str
        (``delegation``, ``redirection``, ``withdrawal`` or "" for nothing), ``observed_at`` (UTC, NaT if not
        observed), ``why`` str (French), ``facts`` dict (why in facts). Empty where the space has no
        observation.
    """
    domains = space.audited["domain"].unique().tolist()
    if space.observation is None:
        empty = pd.DataFrame(columns=list(COLUMNS), dtype="str")
        return empty.astype({"observed_at": "datetime64[us, UTC]", "facts": "object"})
    found = methods(space.observation, domains).astype({"method": "str"})
    told = declarations(space)
    kinds = [told[key].kind if (key := d.lower().rstrip(".")) in told else "" for d in found["domain"]]
    # The rule's own words, for the methods that are no finding too.
    why = [sentence(rule("DNS_METHOD_UNKNOWN"), "observed", {"seen": [facts]}) for facts in found["why"]]
    words = {"declared": pd.Series(kinds, dtype="str"), "why": pd.Series(why, dtype="str")}
    return found.rename(columns={"why": "facts"}).assign(**words)[list(COLUMNS)]


def hosts(space: TrustSpace, kind: str) -> pd.DataFrame:
    """Return the hosts that audited domains depend on, a row each; empty if nothing was observed.

    Parameters
    ----------
    kind
        ``NS`` for name servers, ``MX`` for mail hosts.

    Returns
    -------
    DataFrame
        ``domain`` str, ``host`` str, each pair once.
    """
    pairs: set[tuple[str, str]] = set()
    for part in space.parts() if space.observation is not None else ():
        seen = seen_of(part)
        if kind == "NS":
            for zone, domains in seen.zones.items():
                pairs |= {(domain, name) for name in seen.view.zone(zone).names for domain in domains}
        for domain, method in seen.methods.items() if kind == "MX" else ():
            for one in method.path.said.get("MX", {}).values():
                pairs |= {(domain, answered.rpartition(" ")[2]) for answered in one.answers}
    return pd.DataFrame(sorted(pairs), columns=["domain", "host"], dtype="str")
