"""What is known of each domain, check by check, from the findings that touch it.

A rule says which check its findings decide (`mssante_audit.findings.catalogue.Rule.check`). What nobody
could look at is unknown, not well: no audit decides the check yet, one lacked its input, or a rule failed.
Nor is it at fault: what was seen of a domain too long ago decides nothing any more, though its findings stay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas as pd

from mssante_audit.findings.catalogue import CHECKS, FAILED
from mssante_audit.findings.registry import LIST, audits, catalogue
from mssante_audit.network.mail import RECEIVES as RECEIVES
from mssante_audit.network.mail import Mail, mails
from mssante_audit.space.scope import outside
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.tls import Tls, receiving, tls_of

RESULTS = ("ok", "warn", "fail", "unknown")
ORDERS = ("ok", "todo", "urgent", "unknown")
"""What is to be put right of a domain, beside what keeps mail from it (`order_of`)."""
RECEPTION = ("dns", "mail", "tls")
NOT_AUDITED = "not_audited"
"""Why a check is unknown that no audit looks at yet; ``no_`` and a need is why one was not made."""
WALKED = ("dns", "mail")
"""Checks that are ok only where the walk to a domain's mail hosts says so (`mssante_audit.network.mail`)."""
UNSEEN = ("not-observed", "too-old", "of-the-future")
"""Causes why the walk knows nothing of a domain at all: then findings on its DNS decide nothing either."""
OUTSIDE = "outside"
"""Why a declaration is unknown that the register does not cover."""

_GRADES = {"warning": "warn", "error": "fail", "critical": "fail"}


class Verdict(NamedTuple):
    """What is known of one domain."""

    results: dict[str, str]
    why: dict[str, list[str]]
    """For each check that is not ok, what decides it: codes of rules, causes, or why it is unknown."""
    receives: str
    order: str


def verdicts(space: TrustSpace, findings: pd.DataFrame, touched: Iterable[Iterable[str]]) -> list[Verdict]:
    """Return what is known of each domain of a space, in list order.

    Parameters
    ----------
    space
        The trust space.
    findings
        Those of all audits, without those that are waived. Information and hints change no verdict, nor does
        for a domain what its audit found in too old an observation.
    touched
        The domains that each of them touches.
    """
    listed = (state for state in space.states if state.name == LIST)
    doubted = [*space.list_doubts] or [state.state for state in listed if state.doubtful]
    gaps, beyond = _gaps(space, findings) | ({"listed": doubted} if doubted else {}), outside(space)
    walked, presented = mails_of(space), tls_of(space)
    old = _old(space, walked, presented)
    decided = _decided(findings, touched, old)
    rests: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for audit in audits().values():
        for rule in audit.rules:
            rests[rule.check] |= dict.fromkeys(need for need in audit.needs if need in old)
    found = []
    for domain in space.audited["domain"].unique().tolist():
        results, why = dict.fromkeys(CHECKS, "ok"), {}
        mail, tls = walked[domain], presented.get(domain)
        for check in CHECKS:
            codes = {grade: list(decided.get((domain, check, grade), ())) for grade in ("fail", "warn")}
            if check == "listed" and doubted:
                codes = {}
            codes["unknown"] = [*gaps.get(check, [OUTSIDE] * (check == "declaration" and domain in beyond))]
            codes["unknown"] += [old[need][domain] for need in rests[check] if domain in old[need]]
            if check in WALKED and space.observation is not None and (cause := mail.causes[check]):
                codes[mail.grades[check]] = codes[mail.grades[check]] or [cause]
            if check == "tls" and tls and tls.cause and mail.cause not in UNSEEN:
                codes[tls.grade] = codes[tls.grade] or [tls.cause]
            if grade := next((grade for grade, causes in codes.items() if causes), ""):
                results[check], why[check] = grade, codes[grade]
        whole = receiving(mail, tls)
        if cause := "no_observation" if space.observation is None else whole.cause:
            why["receives"] = [cause]
        order = "unknown" if doubted else order_of(results, whole.receives, why)
        found.append(Verdict(results, why, whole.receives, order))
    return found


def order_of(results: Mapping[str, str], receives: str, why: Mapping[str, list[str]]) -> str:
    """Return what is to be put right of a domain: one of `ORDERS`.

    Its rows, certificate name, contacts and declaration count: a check that fails is urgent, one that warns
    is to do. Findings on its DNS and mail servers count only where mail arrives in full all the same; else
    `receives` shows them. A rule that failed makes the order unknown where nothing else is wrong.
    """
    counted = [check for check in CHECKS if check not in RECEPTION or receives == "yes"]
    grades = {results[check] for check in counted}
    if "fail" in grades:
        return "urgent"
    if "warn" in grades:
        return "todo"
    sure = results["listed"] == "ok" and not any(FAILED in codes for codes in why.values())
    return "ok" if sure else "unknown"


def mails_of(space: TrustSpace) -> dict[str, Mail]:
    """Return for each domain of a space whether mail to it arrives; worked out once for a space."""

    def made() -> Mapping[str, Mail]:
        names, days = space.audited["domain"].unique().tolist(), space.thresholds.observation_max_age_days
        return mails(space.observation, names, space.as_of, days)

    return dict(space.once("mail", made))


def _old(
    space: TrustSpace, walked: Mapping[str, Mail], presented: Mapping[str, Tls]
) -> dict[str, dict[str, str]]:
    """Return by need the domains that its observation says nothing of any more, each with why."""
    old = {
        "observation": {d: mail.cause for d, mail in walked.items() if mail.cause in UNSEEN},
        "tls": {d: "tls-old" for d, tls in presented.items() if tls.old},
    }
    return {need: causes for need, causes in old.items() if space.given(need) is not None}


def _decided(
    findings: pd.DataFrame, touched: Iterable[Iterable[str]], old: Mapping[str, Mapping[str, str]]
) -> Mapping[tuple[str, str, str], dict[str, None]]:
    """Return the codes that make a check of a domain a grade, without those that rest on what is `old`."""
    rules, needs = catalogue(), {name: audit.needs for name, audit in audits().items()}
    decided: defaultdict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
    columns = (findings[name] for name in ("rule", "severity", "confidence"))
    for code, severity, confidence, names in zip(*columns, touched, strict=True):
        grade, check = _GRADES.get(severity), rules[code].check
        if grade and check and confidence != "hint":
            unsure = [old[need] for need in needs[rules[code].audit] if need in old]
            for name in names:
                if not any(name in domains for domains in unsure):
                    decided[name, check, grade][code] = None
    return decided


def _gaps(space: TrustSpace, findings: pd.DataFrame) -> dict[str, list[str]]:
    """Return for each check that was not, or not wholly, looked at, why."""
    failed = set(findings.loc[findings["rule"] == FAILED, "audit"])
    gaps: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for name, audit in audits().items():
        reasons = [f"no_{need}" for need in audit.lacking(space)] + [FAILED] * (name in failed)
        for check in {rule.check for rule in audit.rules}:
            gaps[check] |= dict.fromkeys(reasons)
    whys = {check: list(gaps[check]) if check in gaps else [NOT_AUDITED] for check in CHECKS}
    return {check: reasons for check, reasons in whys.items() if reasons}
