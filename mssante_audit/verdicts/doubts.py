"""Which findings are not known to hold today: what they rest on is in doubt, or was seen too long ago.

One rule for reports, site and mail. A finding rests on the inputs of its audit
(`mssante_audit.findings.registry.Audit.rests`), as their states say (`mssante_audit.space.states`), and on
what was observed of the domains it touches, each of which is as old as its own answer. What says of the list
itself that it is not to be relied on (`mssante_audit.findings.catalogue.Rule.affects_list`) holds all
the same.
"""

from __future__ import annotations

import pandas as pd

from mssante_audit.audits.certificates.presented import presented
from mssante_audit.findings.causes import Doubts
from mssante_audit.findings.registry import audits, input_of, rule
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.checks import UNSEEN
from mssante_audit.verdicts.domains import domains_touched


def doubts(space: TrustSpace, findings: pd.DataFrame, domains: pd.DataFrame) -> Doubts:
    """Return the findings that are not known to hold: by fingerprint the inputs why, and their age.

    Parameters
    ----------
    findings
        As `mssante_audit.findings.frame` describes.
    domains
        All of the space's, as `mssante_audit.verdicts.domains` describes.

    Returns
    -------
    dict
        By name of the input (`mssante_audit.space.states`) its age in whole days at the instant audited at,
        ``None`` where it does not say when it was made. A finding that holds is not in it.
    """
    doubtful = {one.name: one.age_days for one in space.states if one.doubtful}
    old = {need: ages for need, ages in _old(space, domains).items() if input_of(need) not in doubtful}
    known = audits()
    found = {}
    columns = (findings[name] for name in ("fingerprint", "rule", "audit"))
    told = zip(*columns, domains_touched(space.audited, findings), strict=True)
    for key, code, name, touched in told:
        if name not in known or rule(code).affects_list:
            continue
        why = {one: doubtful[one] for one in known[name].rests if one in doubtful}
        for need in known[name].needs:
            if need in old and touched <= old[need].keys():
                why[input_of(need)] = min(old[need][domain] for domain in touched)
        if why:
            found[key] = why
    return found


def _old(space: TrustSpace, domains: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return by need the domains of which its observation says nothing any more, each with its age."""
    whys = dict(zip(domains["domain"], domains["why"], strict=True))
    seen_at = dict(zip(domains["domain"], domains["observed_at"], strict=True))
    asked = {name for name, why in whys.items() if not set(UNSEEN).isdisjoint(why.get("receives", ()))}
    dated = {name: seen_at[name] for name in asked if not pd.isna(seen_at[name])}
    visited = {name for name, why in whys.items() if "tls-old" in why.get("tls", ())}
    servers = presented(space).of if visited else {}
    shown = {name: min(one.at for one in servers[name]) for name in visited if servers.get(name)}
    return {
        need: {name: (space.as_of - at).days for name, at in times.items()}
        for need, times in {"observation": dated, "tls": shown}.items()
    }
