"""Audit of the DNS: the method in use against the one declared, delegations, mail hosts, the parent zone.

Rules: ``rules/delegation_vs_redirection.toml``. Everything comes from an observation file; without one there
is nothing to say. What could not be observed is reported as such, and never as absent.
"""

from __future__ import annotations

from collections.abc import Iterator

from mssante_audit.audits.delegation_vs_redirection.delegation import delegation_causes
from mssante_audit.audits.delegation_vs_redirection.mail import mail_causes
from mssante_audit.audits.delegation_vs_redirection.method import method_causes
from mssante_audit.audits.delegation_vs_redirection.observed import Causes, Seen
from mssante_audit.audits.delegation_vs_redirection.parent import parent_causes
from mssante_audit.audits.delegation_vs_redirection.servers import server_causes
from mssante_audit.findings.facts import Finding
from mssante_audit.space.trust import TrustSpace


def _observed(space: TrustSpace) -> Iterator[Finding]:
    seen = Seen(space)
    causes = Causes(seen.rows)
    for collect in (method_causes, server_causes, delegation_causes, mail_causes, parent_causes):
        collect(seen, causes)
    return causes.findings()


PARTS = (_observed,)
"""What the audit is made of."""
