"""Which findings are not known to hold today: what they rest on is in doubt, or was seen too long ago.

A finding rests on the inputs of its audit (`mssante_audit.findings.registry.Audit.rests`), and on what was
observed of the domains it touches. What says of the list itself that it is not to be relied on holds anyway.
"""

from __future__ import annotations

from datetime import datetime

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
    space
        The trust space.
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
    doubtful = {state.name: state.age_days for state in space.states if state.doubtful}
    old = {need: ages for need, ages in _old(space, domains).items() if input_of(need) not in doubtful}
    known = audits()
    found = {}
    columns = (findings[name] for name in ("fingerprint", "rule", "audit"))
    for key, code, name, touched in zip(*columns, domains_touched(space.audited, findings), strict=True):
        if name not in known or rule(code).affects_list:
            continue
        why = {source: doubtful[source] for source in known[name].rests if source in doubtful}
        for need in known[name].needs:
            if need in old and touched <= old[need].keys():
                why[input_of(need)] = min(old[need][domain] for domain in touched)
        if why:
            found[key] = why
    return found


def _old(space: TrustSpace, domains: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return by need the domains of which its observation says nothing any more, each with its age."""
    times: dict[str, dict[str, datetime]] = {"observation": {}, "tls": {}}
    for name, why, at in zip(*(domains[c] for c in ("domain", "why", "observed_at")), strict=True):
        if not set(UNSEEN).isdisjoint(why.get("receives", ())) and not pd.isna(at):
            times["observation"][name] = at
        if "tls-old" in why.get("tls", ()) and (servers := presented(space).of.get(name)):
            times["tls"][name] = min(server.at for server in servers)
    return {need: {n: (space.as_of - at).days for n, at in ages.items()} for need, ages in times.items()}
