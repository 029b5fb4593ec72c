"""What is known of each domain, check by check, from the findings that touch it.

A rule says which check its findings decide (`mssante_audit.findings.catalogue.Rule.check`). What nobody
could look at is unknown, not well: no audit decides the check yet, one lacked its input, or a rule failed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import NamedTuple

import pandas as pd

from mssante_audit.findings.catalogue import CHECKS, FAILED
from mssante_audit.findings.registry import LIST, audits, catalogue
from mssante_audit.space.scope import outside
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.mail import RECEIVES as RECEIVES
from mssante_audit.verdicts.mail import Mail, mails
from mssante_audit.verdicts.tls import receiving, tls_of
from mssante_audit.whitelist.reliance import doubts

RESULTS = ("ok", "warn", "fail", "unknown")
"""Of a check."""
STATES = ("well", "risk", "broken", "unknown")
"""Of a domain: the worst of its known checks."""
NOT_AUDITED = "not_audited"
"""Why a check is unknown that no audit looks at yet; ``no_`` and a need is why one was not made."""
WALKED = ("dns", "mail")
"""Checks that are ok only where the walk to a domain's mail hosts says so (`mssante_audit.verdicts.mail`)."""
OUTSIDE = "outside"
"""Why a declaration is unknown that the register does not cover."""

_GRADES = {"warning": "warn", "error": "fail", "critical": "fail"}


class Verdict(NamedTuple):
    """What is known of one domain."""

    results: dict[str, str]
    """Of each check one of `RESULTS`."""
    state: str
    why: dict[str, list[str]]
    """For each check that is not ok, what decides it: codes of rules, causes, or why it is unknown."""
    receives: str
    """One of `RECEIVES`."""


def verdicts(space: TrustSpace, findings: pd.DataFrame, touched: Iterable[Iterable[str]]) -> list[Verdict]:
    """Return what is known of each domain of a space, in list order.

    Parameters
    ----------
    findings
        Those of all audits, without those that are waived. Information and hints change no verdict.
    touched
        The domains that each of them touches.
    """
    doubted = doubts(space.whitelist, space.as_of, timedelta(space.thresholds.list_max_age_days))
    doubted = doubted or [one.state for one in space.states if one.name == LIST and one.doubtful]
    gaps, beyond = _gaps(space, findings) | ({"listed": doubted} if doubted else {}), outside(space)
    rules = catalogue()
    decided: defaultdict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
    told = zip(findings["rule"], findings["severity"], findings["confidence"], touched, strict=True)
    for code, severity, confidence, names in told:
        grade, check = _GRADES.get(severity), rules[code].check
        if grade and check and confidence != "hint":
            for name in names:
                decided[name, check, grade][code] = None
    names = space.audited["domain"].unique().tolist()
    walked, presented = mails_of(space), tls_of(space)
    found = []
    for domain in names:
        results, why = dict.fromkeys(CHECKS, "ok"), {}
        mail, tls = walked[domain], presented.get(domain)
        for check in CHECKS:
            codes = {grade: list(decided.get((domain, check, grade), ())) for grade in ("fail", "warn")}
            if check == "listed" and doubted:
                codes = {}
            codes["unknown"] = [*gaps.get(check, [OUTSIDE] * (check == "declaration" and domain in beyond))]
            if check in WALKED and space.observation is not None and (cause := mail.causes[check]):
                codes[mail.grades[check]] = codes[mail.grades[check]] or [cause]
            if check == "tls" and tls and tls.cause:
                codes[tls.grade] = codes[tls.grade] or [tls.cause]
            results[check], why[check] = next(((g, own) for g, own in codes.items() if own), ("ok", []))
        state = "unknown" if doubted else _state(results, why)
        whole = receiving(mail, tls)
        cause = "no_observation" if space.observation is None else whole.cause
        why["receives"] = [cause] if cause else []
        why = {check: own for check, own in why.items() if own}
        found.append(Verdict(results, state, why, whole.receives))
    return found


def mails_of(space: TrustSpace) -> dict[str, Mail]:
    """Return for each domain of a space whether mail to it arrives; worked out once for a space."""
    if "mail" not in space.found:
        names, days = space.audited["domain"].unique().tolist(), space.thresholds.observation_max_age_days
        space.found["mail"] = mails(space.observation, names, space.as_of, days)
    return dict(space.found["mail"])


def _gaps(space: TrustSpace, findings: pd.DataFrame) -> dict[str, list[str]]:
    """Return for each check that was not, or not wholly, looked at, why."""
    failed = set(findings.loc[findings["rule"] == FAILED, "audit"])
    gaps: dict[str, list[str]] = {}
    seen = set()
    for name, audit in audits().items():
        reasons = [f"no_{need}" for need in audit.lacking(space)] + [FAILED] * (name in failed)
        own = {rule.check for rule in audit.rules}
        seen |= own
        for check in own if reasons else ():
            gaps[check] = list(dict.fromkeys([*gaps.get(check, ()), *reasons]))
    open_ones = [check for check in CHECKS if check not in seen]
    return {check: [NOT_AUDITED] for check in open_ones} | gaps


def _state(results: Mapping[str, str], why: Mapping[str, list[str]]) -> str:
    """Return the worst of what is known; not well where list or a failed rule leave doubt.

    A contact that leads nowhere stops no letter: it is a risk.
    """
    failing = {check for check, result in results.items() if result == "fail"}
    if failing - {"contacts"}:
        return "broken"
    if failing or "warn" in results.values():
        return "risk"
    sure = results["listed"] == "ok" and not any(FAILED in own for own in why.values())
    return "well" if sure else "unknown"
