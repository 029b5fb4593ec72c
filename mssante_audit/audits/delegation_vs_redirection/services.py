"""What domains announce to their users' mail programs: told, since it decides nothing about letters."""

from __future__ import annotations

from collections.abc import Iterator

from mssante_audit.audits.delegation_vs_redirection.observed import Causes, seen_of
from mssante_audit.findings.frame import Finding
from mssante_audit.observe.dns.names import canonical
from mssante_audit.observe.dns.services import services
from mssante_audit.space.trust import TrustSpace


def service_findings(space: TrustSpace) -> Iterator[Finding]:
    """Tell the servers and the names of autoconfiguration that domains announce."""
    seen = seen_of(space)
    causes = Causes(seen.rows)
    for domain in seen.methods:
        told = {label: sorted(data) for label, data in services(seen.view, domain).items() if data}
        if told:
            lines = [seen.view.services[f"{label}.{canonical(domain)}"].line for label in told]
            subject = tuple(f"{label} {' '.join(data)}" for label, data in told.items())
            facts = {"services": [{"name": label, "data": data} for label, data in told.items()]}
            causes.add("DNS_SERVICES", subject, [domain], facts, lines=lines)
    yield from causes.findings()
