"""What is known of each domain, check by check, from the findings that touch it.

A rule says which check its findings decide (`mssante_audit.findings.catalogue.Rule.check`). What nobody
could look at is unknown, not well: no audit decides the check yet, one lacked its input, or a rule failed.
Nor is it at fault: what was seen of a domain too long ago makes no check fail any more, though its findings
stay.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from mssante_audit.base.inputs import LIST
from mssante_audit.findings.catalogue import CHECKS, FAILED
from mssante_audit.findings.registry import audits, catalogue
from mssante_audit.network.mail import RECEIVES as RECEIVES
from mssante_audit.network.mail import Arrival, mails
from mssante_audit.space.scope import outside
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.presented import receiving, tls_of

RESULTS = ("ok", "warn", "fail", "unknown")
# What is to be put right of a domain, beside what keeps mail from it (`order_of`).
ORDERS = ("ok", "todo", "urgent", "unknown")
RECEPTION = ("dns", "mail", "tls")
# Why a check is unknown that no audit looks at yet; `no_` and a need is why one was not made.
NOT_AUDITED = "not_audited"
# Causes why the walk knows nothing of a domain at all: then findings on its DNS decide nothing either.
UNSEEN = ("not-observed", "too-old", "of-the-future")
OUTSIDE = "outside"  # why a declaration is unknown that the register does not cover

_GRADES = {"warning": "warn", "error": "fail", "critical": "fail"}


def verdicts(
    space: TrustSpace, findings: pd.DataFrame, touched: Iterable[Iterable[str]]
) -> list[dict[str, Any]]:
    """Return what is known of each domain of a space, in list order: each check, ``receives``, ``order``.

    ``why`` says for each check that is not ok what decides it: codes of rules, causes, or why it is unknown.
    `findings` are those of all audits, without those that are waived, `touched` the domains that each of them
    touches. Information and hints change nothing, nor does what was found in too old an observation.
    """
    listed = (state.state for state in space.states if state.name == LIST and state.doubtful)
    doubted, beyond = [*space.list_doubts] or [*listed], outside(space)
    walked, presented, observed = mails_of(space), tls_of(space), space.observation is not None
    old = {
        "observation": {d: mail.cause for d, mail in walked.items() if observed and mail.cause in UNSEEN},
        "tls": {d: "tls-old" for d, tls in presented.items() if tls.old},
    }
    decided, failed = _decided(findings, touched, old), set(findings.loc[findings["rule"] == FAILED, "audit"])
    gaps: dict[str, dict[str, None]] = {}
    rests: dict[str, dict[str, None]] = {}
    for name, audit in audits().items():
        reasons = [f"no_{need}" for need in audit.lacking(space)] + [FAILED] * (name in failed)
        for decides in {rule.check for rule in audit.rules}:
            gaps.setdefault(decides, {}).update(dict.fromkeys(reasons))
            rests.setdefault(decides, {}).update(dict.fromkeys(need for need in audit.needs if need in old))
    judged = []
    for domain in space.audited["domain"].unique().tolist():
        results: dict[str, str] = dict.fromkeys(CHECKS, "ok")
        why: dict[str, list[str]] = {}
        mail, tls = walked[domain], presented.get(domain)
        for check in CHECKS:
            codes = {grade: list(decided.get((domain, check, grade), ())) for grade in ("fail", "warn")}
            lacking = gaps.get(check, [NOT_AUDITED])
            if check == "listed" and doubted:
                codes, lacking = {}, doubted
            codes["unknown"] = [*lacking] or [OUTSIDE] * (check == "declaration" and domain in beyond)
            codes["unknown"] += [old[n][domain] for n in rests.get(check, ()) if domain in old[n]]
            parts = {"dns": mail.dns, "mail": mail.mail}
            if tls and mail.cause not in UNSEEN:
                parts["tls"] = tls.part
            if observed and (part := parts.get(check)) and part.cause:
                codes[part.grade] = codes[part.grade] or [part.cause]
            if grade := next((grade for grade, causes in codes.items() if causes), ""):
                results[check], why[check] = grade, codes[grade]
        overall = receiving(mail, tls)
        if cause := overall.cause if observed else "no_observation":
            why["receives"] = [cause]
        order = "unknown" if doubted else order_of(results, overall.receives, why)
        judged.append(results | {"why": why, "receives": overall.receives, "order": order})
    return judged


def order_of(results: Mapping[str, str], receives: str, why: Mapping[str, list[str]]) -> str:
    """Return what is to be put right of a domain: one of `ORDERS`.

    Findings on its DNS and mail servers count only where mail arrives in full all the same; else `receives`
    shows them. A rule that failed makes the order unknown where nothing else is wrong.
    """
    counted = [check for check in CHECKS if check not in RECEPTION or receives == "yes"]
    grades = {results[check] for check in counted}
    if "fail" in grades:
        return "urgent"
    if "warn" in grades:
        return "todo"
    sure = results["listed"] == "ok" and not any(FAILED in codes for codes in why.values())
    return "ok" if sure else "unknown"


def mails_of(space: TrustSpace) -> dict[str, Arrival]:
    """Return for each domain of a space whether mail to it arrives; worked out once for a space."""
    names, days = space.audited["domain"].unique().tolist(), space.thresholds.observation_max_age_days
    return space.once("mail", lambda: mails(space.observation, names, space.as_of, days))


def _decided(
    findings: pd.DataFrame, touched: Iterable[Iterable[str]], old: Mapping[str, Mapping[str, str]]
) -> Mapping[tuple[str, str, str], dict[str, None]]:
    """Return the codes by domain, check and grade, without those that rest on `old` data."""
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
