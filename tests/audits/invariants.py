"""What holds of answers and findings whatever is served: of the sample and of every laboratory."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from random import Random

import pandas as pd

from mssante_audit.audits import findings_of
from mssante_audit.findings.registry import catalogue
from mssante_audit.network.mail import mails
from mssante_audit.observe.lines import Reply
from mssante_audit.space.trust import TrustSpace
from mssante_audit.verdicts.domains import domains_touched

Replies = tuple[Reply, ...]
RECEPTION = ("dns", "mail", "tls")  # checks that are about reception
SHARES = (0.001, 0.01, 0.05, 0.3)  # parts of an observation's lines that are taken away


def contradictions(space: TrustSpace, findings: pd.DataFrame, receives: dict[str, str]) -> list[str]:
    """Return what answers and findings of domains say that does not go together.

    A domain whose mail does not arrive, or not always, has at least a warning that names it; one whose mail
    arrives has no critical finding about reception.
    """
    checks = {code: rule.check for code, rule in catalogue().items()}
    severities: dict[str, set[str]] = defaultdict(set)
    columns = (findings["rule"], findings["severity"], domains_touched(space.audited, findings))
    for rule, severity, names in zip(*columns, strict=True):
        for name in names if checks[rule] in (*RECEPTION, "listed") else ():
            severities[name].add(severity)
            if severity == "critical" and checks[rule] in RECEPTION:
                severities[name].add("reception")
    return [
        f"{domain}: {answer}, {sorted(severities[domain])}"
        for domain, answer in receives.items()
        if (answer in ("degraded", "no") and not severities[domain] & {"warning", "error", "critical"})
        or (answer == "yes" and "reception" in severities[domain])
    ]


def changes(space: TrustSpace, domains: list[str], at: datetime, rounds: int) -> Iterator[str]:
    """Yield what is another answer, and not unknown, or an alarm, only where lines of a file are missing."""
    seen = space.observation
    whole, alarms = mails(seen, domains, at, 7), _alarms(space)
    losses = (*_by_chance(seen.replies, rounds), *_by_server(seen.replies, seen.parent_zone))
    for number, (lost, kept) in enumerate(losses):
        part = replace(seen, replies=kept)
        for domain, mail in mails(part, domains, at, 7).items():
            if mail.receives not in (whole[domain].receives, "unknown"):
                yield f"{domain}: {whole[domain].receives}, {mail.receives} without {lost}"
        if number % 3 == 0:
            raised = _alarms(replace(space, observation=part)) - alarms
            yield from (f"{domain}: an alarm without {lost}" for domain, _ in sorted(raised))


def _alarms(space: TrustSpace) -> set[tuple[str, bool]]:
    """Return the domains with a warning or worse, and those with a critical finding."""
    findings = findings_of("delegation_vs_redirection", space)
    findings = findings[(findings["severity"] > "info") & (findings["rule"] != "DNS_METHOD_UNKNOWN")]
    touched = zip(findings["severity"], domains_touched(space.audited, findings), strict=True)
    return {(n, worst) for s, names in touched for n in names for worst in {False, s == "critical"}}


def _by_chance(replies: Replies, rounds: int) -> Iterator[tuple[str, Replies]]:
    for seed in range(rounds):
        draw, share = Random(seed), SHARES[seed % len(SHARES)]
        yield f"{share} of lines ({seed})", tuple(reply for reply in replies if draw.random() > share)


def _by_server(replies: Replies, parent: str) -> Iterator[tuple[str, Replies]]:
    """Take away what one server of each zone said of MX, or (not of the parent's) of keys: as if silent."""
    of_zone: dict[str, set[str]] = defaultdict(set)
    for reply in replies:
        of_zone[reply.zone].add(reply.address)
    for place in range(3):
        lost = {(zone, at) for zone, each in of_zone.items() for at in sorted(each)[place : place + 1]}
        for qtype, whole in (("MX", ""), ("DNSKEY", parent)):
            of_type = {r for r in replies if r.qtype == qtype and not r.silent and r.outcome != "referral"}
            dropped = {r for r in of_type if (r.zone, r.address) in lost and r.zone != whole}
            yield f"the {qtype} of server {place} of each zone", tuple(r for r in replies if r not in dropped)
