"""Audit of the DNS: the method in use against the one declared, delegations, mail hosts, the parent zone.

What could not be observed is reported as such, and never as absent. All rules report in the same facts:
`seen`, each thing that was seen, and `wanted`, each that would be right.
"""

from mssante_audit.audits.delegation_vs_redirection import mail, zones
from mssante_audit.audits.delegation_vs_redirection.observed import by_file

RUNS = tuple(map(by_file, (
    mail.method_findings, zones.server_findings, zones.delegation_findings, mail.mail_findings,
    zones.parent_findings,
)))  # fmt: skip
